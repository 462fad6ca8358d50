"""The package on a Debian 12 with the real systemd, journald and rsyslog: one story from apt install to purge.

The tests build on each other and run in this order. The schedules are due every few seconds; what was begun
is known from the stand-in of the cloud, what was logged is read where a person would look.
"""

import datetime
import json
import re
import shutil
import subprocess
import time

import pytest
import yaml

import package as packages
from machine import TOP, Cloud

KEYS = ("AKIDstandinstandinstandinstandin0001", "standinstandinstandinstandin0001")
PORT, SLOW_PORT = 8443, 8444
SLOW_SECONDS = 4
FIELD = re.compile(r"([a-z_]+)=(\"[^\"]*\"|\S+)")
METRICS = "127.0.0.1:9746"
DROP_IN = "/etc/systemd/system/crsbackupd.service.d/test.conf"
CONFIG = "/etc/crsbackupd/crsbackupd.yaml"
KEY_FILE = "/etc/crsbackupd/credentials.env"


def apt(machine, *arguments):
    machine.run("apt-get", "-q", "-y", *arguments, limit=180)


def configuration(port=PORT, every="4s", name="often", first="crs-aaaa0001", second="crs-aaaa0002", **more):
    schedules = {name: {"every": every, "instances": [first, second]}}
    return yaml.safe_dump({"region": "ap-guangzhou", "endpoint": f"https://127.0.0.1:{port}", "metrics": {"listen": METRICS},
                           "tls": {"ca_file": "/etc/ssl/cloud.pem"}, "schedules": schedules, **more})


def syslog(machine, name, **fields):
    """The events of a name in /var/log/syslog, as dictionaries, that have these fields."""
    found = []
    for line in machine.path("/var/log/syslog").read_text(errors="replace").splitlines():
        if re.search(rf" crsbackupd\[\d+\]: event={name}( |$)", line):
            event = {key: value.strip('"') for key, value in FIELD.findall(line)}
            if fields.items() <= event.items():
                found.append(event)
    return found


def journal(machine, name):
    """The entries of a name that have their values as fields."""
    told = machine.run("journalctl", "-t", "crsbackupd", f"EVENT={name}", "-o", "json", "--no-pager").stdout
    return [json.loads(line) for line in told.splitlines()]


def wait_for_more(machine, name, count, **fields):
    """`count` more events than there are now; returns the new ones."""
    before = len(syslog(machine, name, **fields))
    return machine.wait(f"{count} more {name}", lambda: syslog(machine, name, **fields)[before:][count - 1:] and
                        syslog(machine, name, **fields)[before:])


def as_the_readme_says(machine, beginning):
    """Runs the one command of the README from the way to production on that begins so, in a shell, where the package lies."""
    section = (TOP / "README.md").read_text().split("## Go to production\n")[1]
    commands = [line.strip() for line in section.splitlines() if line.startswith("    " + beginning)]
    assert len(commands) == 1, commands
    return machine.run("sh", "-c", f"cd /var/tmp && {commands[0]}", limit=180).stdout


def rights(machine, name):
    return machine.run("stat", "-c", "%a %U:%G", name).stdout.strip()


def get(machine, path):
    """The body of a page of the daemon's, for whom the status is 200."""
    script = f"import urllib.request; print(urllib.request.urlopen('http://{METRICS}{path}', timeout=20).read().decode())"
    return subprocess.run(machine.inside("/usr/bin/python3", "-c", script, only="-n"), capture_output=True, text=True, check=True, timeout=60).stdout


def drop_in(machine, *lines):
    machine.write(DROP_IN, "\n".join(["[Service]", *lines, ""]))
    machine.run("systemctl", "daemon-reload")


def assert_never_twice(machine):
    runs = [(event["schedule"], event["instance"], event["slot"]) for event in syslog(machine, "backup_submitted")]
    assert len(runs) == len(set(runs))


@pytest.fixture(scope="module")
def clouds(machine, tmp_path_factory):
    directory = tmp_path_factory.mktemp("clouds")
    first = Cloud(machine, PORT, directory / "first", KEYS)
    shutil.copytree(directory / "first/tls", directory / "slow/tls")
    slow = Cloud(machine, SLOW_PORT, directory / "slow", KEYS, "--latency", f"{SLOW_SECONDS}s", "--first-task-id", 7000001)
    machine.write("/etc/ssl/cloud.pem", first.ca_file.read_text())
    yield {"first": first, "slow": slow}
    first.stop()
    slow.stop()


def test_apt_installs_it_with_all_it_needs(machine, package):
    shutil.copy(package, machine.path("/var/tmp"))
    as_the_readme_says(machine, "apt install")
    assert machine.run("systemctl", "is-enabled", "crsbackupd", check=False).stdout == "disabled\n"
    assert machine.show("ActiveState") == "inactive"
    assert machine.run("dpkg", "--verify", "crsbackupd").stdout == ""
    assert rights(machine, "/var/lib/crsbackupd") == "700 crsbackupd:crsbackupd"
    for page in ("man8/crsbackupd.8", "man1/crsbackupctl.1", "man5/crsbackupd.yaml.5"):
        assert machine.path(f"/usr/share/man/{page}.gz").is_file()


@pytest.mark.parametrize("name", ["programs", "service"])
def test_its_autopkgtest(machine, name):
    script = f"/var/tmp/autopkgtest-{name}"
    machine.write(script, (TOP / "packaging/debian/tests" / name).read_text(), 0o755)
    machine.run(script)
    machine.run("systemctl", "reset-failed", "crsbackupd", check=False)


def test_without_keys_it_is_not_tried_again(machine, clouds):
    machine.write(CONFIG, configuration())
    assert machine.run("systemctl", "start", "crsbackupd", check=False).returncode != 0
    assert (machine.show("SubState"), machine.show("ExecMainStatus"), machine.show("NRestarts")) == ("failed", "78", "0")


def test_two_edits_and_enable(machine, clouds):
    machine.write(KEY_FILE, f"TENCENTCLOUD_SECRET_ID={KEYS[0]}\nTENCENTCLOUD_SECRET_KEY={KEYS[1]}\n", 0o600)
    assert "often" in as_the_readme_says(machine, "crsbackupd --check")
    as_the_readme_says(machine, "systemctl enable")
    assert "Next slot 2" in as_the_readme_says(machine, "systemctl status")
    assert machine.show("ActiveState") == "active"
    assert machine.path("/etc/systemd/system/multi-user.target.wants/crsbackupd.service").is_symlink()

    events = wait_for_more(machine, "backup_submitted", 2)
    machine.wait("the tasks in the truth", lambda: {event["task_id"] for event in events} <= set(clouds["first"].tasks()))
    told = machine.run("journalctl", "-t", "crsbackupd", "-o", "cat", "--no-pager").stdout
    assert all(f"task_id={event['task_id']} " in told for event in events)


def test_its_rights_are_few(machine):
    pid = machine.show("MainPID")
    status = dict(re.findall(r"^(\w+):\s*(.*)$", machine.run("cat", f"/proc/{pid}/status").stdout, re.MULTILINE))
    assert status["CapBnd"] == status["CapEff"] == "0000000000000000"
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert set(status["Uid"].split()) == {machine.run("id", "-u", "crsbackupd").stdout.strip()}
    assert rights(machine, "/run/crsbackupd") == "750 crsbackupd:crsbackupd"
    assert rights(machine, "/run/crsbackupd/control.sock") == "660 crsbackupd:crsbackupd"
    assert rights(machine, "/var/lib/crsbackupd/ledger.db").endswith("600 crsbackupd:crsbackupd")
    told = machine.run("systemd-analyze", "security", "crsbackupd.service", "--no-pager").stdout
    assert float(re.search(r"Overall exposure level for crsbackupd.service: ([\d.]+)", told).group(1)) <= 1.2
    assert syslog(machine, "started") and not syslog(machine, "configuration_warning")
    environment = machine.run("cat", f"/proc/{pid}/environ").stdout
    assert KEYS[1] not in environment + machine.run("systemctl", "show", "crsbackupd").stdout


def test_operators(machine):
    """root, and who is in the group; nobody else."""
    machine.run("useradd", "--groups", "crsbackupd", "oncall")
    assert "often" in as_the_readme_says(machine, "crsbackupctl status")
    for user, complaint in (("oncall", ""), ("nobody", "permission denied")):
        for verb in ("health", "reload"):
            done = machine.run("setpriv", f"--reuid={user}", "--regid=nogroup", "--init-groups", "--reset-env", "crsbackupctl", verb, check=False)
            assert (done.returncode == 0) == (complaint == "") and complaint in done.stderr, (user, verb, done)
    uid = machine.run("id", "-u", "oncall").stdout.strip()
    machine.wait("the order in the log", lambda: syslog(machine, "operator", verb="reload", uid=uid))
    listed = json.loads(machine.run("crsbackupctl", "list", "--json").stdout)["instances"]
    assert [row["instance"] for row in listed] == ["crs-aaaa0001", "crs-aaaa0002"]


def test_metrics(machine):
    """In spite of the few rights: the process is seen too."""
    def samples():
        return dict(line.rsplit(" ", 1) for line in get(machine, "/metrics").splitlines() if line and line[0] != "#")

    last = 'crsbackupd_last_success_timestamp_seconds{schedule="often",instance_id="crs-aaaa0001"}'
    machine.wait("a good backup", lambda: float(samples()[last]) > time.time() - 600)
    found = samples()
    assert float(found['crsbackupd_backups_total{schedule="often",outcome="submitted"}']) >= 2
    assert abs(float(found["process_start_time_seconds"]) - time.time()) < 600
    assert float(found["process_open_fds"]) > 5 and float(found["process_resident_memory_bytes"]) > 1e6
    get(machine, "/healthz")
    get(machine, "/readyz")


def test_reload(machine):
    pid = machine.show("MainPID")
    before = len(syslog(machine, "reloaded"))
    machine.write(CONFIG, configuration(every="3s"))
    machine.run("systemctl", "reload", "crsbackupd")
    machine.wait("the line of the reload", lambda: len(syslog(machine, "reloaded")) == before + 1)

    machine.write(CONFIG, configuration().replace("every", "evry"))
    assert machine.run("systemctl", "reload", "crsbackupd", check=False).returncode != 0
    failed = machine.wait("the refusal", lambda: syslog(machine, "reload_failed"))
    assert CONFIG in failed[0]["message"]
    assert len(syslog(machine, "reloaded")) == before + 1
    wait_for_more(machine, "backup_submitted", 2)
    assert (machine.show("ActiveState"), machine.show("MainPID")) == ("active", pid)
    machine.write(CONFIG, configuration(every="3s"))


@pytest.mark.parametrize("service", ["systemd-journald", "rsyslog"])
def test_the_log_is_restarted_under_it(machine, service):
    pid = machine.show("MainPID")
    machine.run("systemctl", "restart", service)
    wait_for_more(machine, "backup_submitted", 2)
    assert machine.show("MainPID") == pid


def test_the_journal_has_fields(machine, clouds):
    machine.write(CONFIG, configuration(every="3s", log={"target": "journal"}))
    machine.run("systemctl", "reload", "crsbackupd")
    entries = machine.wait("entries", lambda: journal(machine, "backup_submitted")[1:] and journal(machine, "backup_submitted"))
    for entry in entries:
        assert (entry["SCHEDULE"], entry["REGION"], entry["ATTEMPT"], entry["PRIORITY"]) == ("often", "ap-guangzhou", "1", "5")
        assert entry["INSTANCE_ID"] in ("crs-aaaa0001", "crs-aaaa0002")
        machine.wait("the task in the truth", lambda task=entry["TASK_ID"]: task in clouds["first"].tasks())
        assert re.fullmatch(r"[0-9a-f-]{36}", entry["REQUEST_ID"])
        assert entry["_SYSTEMD_UNIT"] == "crsbackupd.service"
        line = entry["MESSAGE"]
        assert line.startswith("event=backup_submitted ") and f" slot={entry['SLOT']} " in line and f" task_id={entry['TASK_ID']} " in line
        assert f"| `{entry['MESSAGE_ID']}` | backup_submitted |" in (TOP / "docs/log-events.md").read_text()
        machine.wait("the line in syslog", lambda task=entry["TASK_ID"]: syslog(machine, "backup_submitted", task_id=task))


def test_a_journal_that_is_away_gets_it_all_later(machine, clouds):
    units = ("systemd-journald.service", "systemd-journald.socket", "systemd-journald-dev-log.socket", "systemd-journald-audit.socket")
    machine.run("systemctl", "stop", *units)
    before = len(clouds["first"].tasks())
    machine.wait("backups meanwhile", lambda: clouds["first"].tasks()[before + 1:])
    meanwhile = set(clouds["first"].tasks()[before:])
    machine.run("systemctl", "start", "systemd-journald.socket", "systemd-journald-dev-log.socket", "systemd-journald.service")
    machine.wait("all of them", lambda: meanwhile <= {entry["TASK_ID"] for entry in journal(machine, "backup_submitted")})
    machine.run("systemctl", "restart", "systemd-journald")
    before = len(journal(machine, "backup_submitted"))
    machine.wait("more", lambda: journal(machine, "backup_submitted")[before:])
    machine.write(CONFIG, configuration(every="3s"))
    machine.run("systemctl", "reload", "crsbackupd")


def test_a_restart_keeps_its_state(machine, clouds):
    slot = wait_for_more(machine, "backup_submitted", 1)[-1]["slot"]
    ready = len(syslog(machine, "ready"))
    machine.run("systemctl", "restart", "crsbackupd")
    machine.wait("the start", lambda: len(syslog(machine, "ready")) > ready)
    machine.wait("a later slot", lambda: [event for event in syslog(machine, "backup_submitted") if event["slot"] > slot])
    assert len(syslog(machine, "backup_submitted", slot=slot, instance="crs-aaaa0001")) == 1
    assert_never_twice(machine)


def test_the_watchdog_ends_what_hangs(machine):
    drop_in(machine, "WatchdogSec=2s", "RestartSec=100ms")
    machine.run("systemctl", "restart", "crsbackupd")
    wait_for_more(machine, "backup_submitted", 2)
    pid = machine.show("MainPID")
    assert machine.show("NRestarts") == "0"
    machine.run("sh", "-c", f"kill -STOP {pid}")
    machine.wait("another process", lambda: machine.show("NRestarts") == "1" and machine.show("ActiveState") == "active")
    assert machine.show("MainPID") != pid
    assert "Watchdog timeout" in machine.run("journalctl", "-u", "crsbackupd", "--no-pager").stdout
    wait_for_more(machine, "backup_submitted", 2)
    assert_never_twice(machine)


def test_what_may_mend_itself_is_tried_again(machine):
    """With a pause, and however often it has failed: an address may be there later."""
    drop_in(machine)
    assert machine.show("RestartUSec") == "5s"
    drop_in(machine, "RestartSec=100ms")
    machine.write(CONFIG, configuration(every="3s", metrics={"listen": "192.0.2.1:9746"}))
    machine.run("systemctl", "restart", "crsbackupd", check=False)
    machine.wait("more tries than systemd lets others have", lambda: int(machine.show("NRestarts")) > 7)
    assert "192.0.2.1:9746" in syslog(machine, "start_failed")[-1]["message"]
    machine.write(CONFIG, configuration(every="3s"))
    machine.wait("the start", lambda: machine.show("ActiveState") == "active")
    wait_for_more(machine, "backup_submitted", 1)


def test_a_stop_waits_for_what_is_in_flight(machine, clouds):
    """Longer than TimeoutStopSec= lets it, since it asks for more time."""
    drop_in(machine, "TimeoutStopSec=2s")
    others = {"name": "slow", "first": "crs-bbbb0001", "second": "crs-bbbb0002"}  # with no earlier backup to ask about
    machine.write(CONFIG, configuration(SLOW_PORT, every="6s", **others, requests={"timeout": "60s"}))
    machine.run("systemctl", "restart", "crsbackupd")
    slot = re.search(r"Next slot (\S+Z)", machine.wait("the status", lambda: machine.show("StatusText")))[1]
    due = datetime.datetime.fromisoformat(slot.replace("Z", "+00:00")).timestamp()
    machine.wait("a slot whose answers are not there yet", lambda: time.time() > due + 1)  # a question would not be waited for
    before = len(syslog(machine, "stopped"))
    machine.run("systemctl", "stop", "crsbackupd")
    assert (machine.show("Result"), machine.show("ExecMainStatus")) == ("success", "0")
    machine.wait("the end", lambda: len(syslog(machine, "stopped")) > before)
    tasks = machine.wait("the truth", clouds["slow"].tasks)
    assert all(syslog(machine, "backup_submitted", task_id=task) for task in tasks)
    assert_never_twice(machine)


def test_keys_as_credentials_of_systemd(machine):
    machine.write(KEY_FILE, "")
    machine.write("/etc/crsbackupd/secret-id", KEYS[0] + "\n", 0o600)
    machine.write("/etc/crsbackupd/secret-key", KEYS[1] + "\n", 0o600)
    unit = machine.path("/lib/systemd/system/crsbackupd.service").read_text()
    lines = [line[1:] for line in unit.splitlines() if line.startswith("#LoadCredential=")]
    assert len(lines) == 2
    drop_in(machine, *lines)
    machine.write(CONFIG, configuration(every="3s", credentials={"provider": "systemd"}))
    machine.run("systemctl", "start", "crsbackupd")
    wait_for_more(machine, "backup_submitted", 2)
    environment = machine.run("cat", f"/proc/{machine.show('MainPID')}/environ").stdout
    assert "CREDENTIALS_DIRECTORY=" in environment and KEYS[1] not in environment


def test_upgrade(machine, package, tmp_path):
    higher = packages.with_version(package, "0.1.0+next", tmp_path)
    shutil.copy(higher, machine.path("/var/tmp/next.deb"))
    pid, before = machine.show("MainPID"), machine.path(CONFIG).read_text()
    machine.write(KEY_FILE, f"#{KEYS[1]}\n", 0o600)
    apt(machine, "install", "/var/tmp/next.deb")
    # Nothing was asked or shown that has keys in it: dpkg does that with conffiles.
    assert machine.path(KEY_FILE).read_text() == f"#{KEYS[1]}\n" and rights(machine, KEY_FILE) == "600 root:root"
    assert KEYS[1] not in machine.run("sh", "-c", "cat /var/log/apt/term.log /var/log/dpkg.log").stdout
    assert KEY_FILE not in machine.run("dpkg-query", "-W", "-f", "${Conffiles}", "crsbackupd").stdout
    assert machine.show("ActiveState") == "active"
    assert machine.show("MainPID") != pid
    assert machine.path(CONFIG).read_text() == before
    assert machine.run("dpkg-query", "-W", "-f", "${Version}", "crsbackupd").stdout == "0.1.0+next"
    wait_for_more(machine, "backup_submitted", 2)
    assert_never_twice(machine)


def test_last_nights_failures_in_one_command(machine, clouds):
    elsewhere = {"id": "crs-aaaa0002", "region": "ap-nowhere"}
    machine.write(CONFIG, configuration(every="3s", second=elsewhere, credentials={"provider": "systemd"}))
    machine.run("systemctl", "reload", "crsbackupd")
    wait_for_more(machine, "backup_failed", 1)
    assert "instance=crs-aaaa0002 region=ap-nowhere" in as_the_readme_says(machine, "journalctl")
    rows = [row.split("\t") for row in as_the_readme_says(machine, "crsbackupctl history").splitlines()]
    assert ("often", "crs-aaaa0002", "failed") in {(row[1], row[2], row[4]) for row in rows}
    assert not {row[4] for row in rows} & {"succeeded", "submitted", "open"}


def test_all_that_was_begun_was_logged(machine, clouds):
    """Over all lives but the one that was killed, whose last answer may have been lost with it."""
    logged = {event["task_id"] for event in syslog(machine, "backup_submitted")}
    begun = {task for cloud in clouds.values() for task in cloud.tasks()}
    machine.wait("the truth", lambda: logged <= {task for cloud in clouds.values() for task in cloud.tasks()})
    assert len(begun - logged) <= 2


def test_purge(machine):
    pid = machine.show("MainPID")
    apt(machine, "remove", "crsbackupd")
    assert machine.run("test", "-e", f"/proc/{pid}", check=False).returncode != 0
    assert machine.path("/var/lib/crsbackupd/ledger.db").is_file() and machine.path(CONFIG).is_file()
    for name in (DROP_IN, "/etc/crsbackupd/secret-id", "/etc/crsbackupd/secret-key"):
        machine.path(name).unlink()
    machine.path(DROP_IN).parent.rmdir()
    # Of a file system of its own only the mount point stays.
    machine.run("mount", "--bind", "/var/lib/crsbackupd", "/var/lib/crsbackupd")
    apt(machine, "purge", "crsbackupd")
    machine.run("umount", "/var/lib/crsbackupd")
    machine.path("/var/lib/crsbackupd").rmdir()
    left = machine.run("find", "/", "-xdev", "-name", "*crsbackupd*", "-not", "-path", "/var/log/*", "-not", "-path", "/var/tmp/*").stdout
    assert left == ""
