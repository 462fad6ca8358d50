"""Where keys come from: roles and their renewal, what a bad service does to it, and that no key is ever seen."""

import json
import os
import signal
import socket

import pytest

import scrape
from control import Client, path_of
from daemon import Daemon, configuration, soon

KEYS = ("AKIDstandinstandinstandinstandin0001", "standinstandinstandinstandin0001")
EACH_SECOND = {"often": {"every": "1s", "start_within": "30s", "instances": ["crs-aaaa0001"]}}
ROLE = "qcs::cam::uin/100000000001:roleName/backup"
PASSED = ("backup_failed", "backup_missed", "backup_unknown", "backup_retry")
SECRETS = ("standinstandinstandinstandin0001", "TMPKEY", "TMPTOKEN", "WEBTOKEN", "SESSIONTOKEN")


def cloud_with_role(stand_in, *arguments):
    return stand_in("--any-instance", "--task-time", "0", "--role", "backup", *arguments)


def on_machine(cloud, provider="cvm-role", **more):
    """A configuration whose keys are the machine's role."""
    credentials = {"provider": provider, "metadata_url": f"http://127.0.0.1:{cloud.http_port}"}
    return configuration(cloud, EACH_SECOND, credentials=credentials, **more)


def assume_role(cloud, **more):
    credentials = {"provider": "assume-role", "role_arn": ROLE, "duration": "30m", **more}
    return configuration(cloud, EACH_SECOND, credentials=credentials)


def signed_by(cloud):
    """The ids of the keys that signed backups, in order, each once."""
    ids = [arrival["secret_id"] for arrival in cloud.arrivals() if arrival["code"] == "OK"]
    return list(dict.fromkeys(ids))


def sts_calls(cloud):
    return len([record for record in cloud.truth() if record.get("action") == "AssumeRole"])


def no_secret(lines):
    text = "\n".join(lines)
    assert not [secret for secret in SECRETS if secret in text], text


def test_a_machines_role_is_renewed_without_a_pause(stand_in):
    cloud = cloud_with_role(stand_in, "--role-life", "7s")
    with Daemon(on_machine(cloud)) as daemon:
        refreshed = daemon.wait_for("credentials_refreshed", 2, timeout=40)
        daemon.wait_for("backup_submitted", len(daemon.events("backup_submitted")) + 2)
        assert daemon.stop() == 0
    assert all(event["provider"] == "cvm-role" and event["source"] == "role backup" for event in refreshed)
    assert refreshed[0]["expires"] < refreshed[1]["expires"]
    assert len(signed_by(cloud)) >= 2
    assert not [event for event in daemon.events() if event["event"] in (*PASSED, "credentials_failed")]
    assert {arrival["code"] for arrival in cloud.arrivals()} == {"OK"}
    no_secret(daemon.lines)


def test_old_keys_serve_while_the_renewal_fails(stand_in):
    cloud = cloud_with_role(stand_in, "--role-life", "9s")
    with Daemon(on_machine(cloud)) as daemon:
        first = daemon.wait_for("credentials_refreshed")[0]
        cloud.set_faults({"match": {"action": "Metadata"}, "do": {"fault": "http", "status": 502}})
        failed = daemon.wait_for("credentials_failed", timeout=40)[0]
        assert failed["expires"] == first["expires"] and "HTTP 502" in failed["message"]
        daemon.wait_for("credentials_failed", 2, timeout=40)      # the engine's: they have ended
        cloud.set_faults()
        daemon.wait_for("credentials_refreshed", 2, timeout=40)
        before = len(daemon.events("backup_submitted"))
        daemon.wait_for("backup_submitted", before + 2)
        assert daemon.stop() == 0
    assert not [event for event in daemon.events() if event["event"] in PASSED]
    assert {arrival["code"] for arrival in cloud.arrivals()} == {"OK"}
    assert len([event for event in daemon.events("credentials_failed") if "502" in event["message"] and "provider" in event]) == 1


@pytest.mark.parametrize("do, said", [
    ({"fault": "lost"}, "the metadata service: "),
    ({"fault": "http", "status": 404}, "no role is bound to this machine"),
    ({"fault": "http", "status": 500}, "HTTP 500"),
    ({"fault": "garbage"}, "what is no role's name"),
    ({"fault": "huge"}, "longer than 1 MiB"),
    ({"fault": "reset-before"}, "the metadata service: "),
    ({"fault": "error", "code": "Failed"}, 'its Code is "Failed", not Success'),
    ({"life": "-10s"}, "have ended already"),
], ids=lambda value: None if isinstance(value, str) else "-".join(str(part) for part in value.values()))
def test_a_metadata_service_that_fails(stand_in, do, said):
    """Told once; ready all the same; and the slots that waited run when it is well again."""
    cloud = cloud_with_role(stand_in)
    cloud.set_faults({"match": {"action": "Metadata"}, "do": do})
    with Daemon(on_machine(cloud)) as daemon:
        daemon.wait_for("ready")
        failed = [event for event in daemon.wait_for("credentials_failed", 2) if event.get("provider")]
        assert failed and said in failed[0]["message"] and failed[0]["provider"] == "cvm-role"
        assert not daemon.events("backup_submitted")
        cloud.set_faults()
        daemon.wait_for("backup_submitted", 2, timeout=40)
        assert daemon.stop() == 0
    assert len([event for event in daemon.events("credentials_failed") if event.get("provider")]) <= 2
    assert not [event for event in daemon.events() if event["event"] in PASSED]
    no_secret(daemon.lines)


def test_keys_that_come_broken(stand_in):
    """The second answer, that with the keys, is cut in the middle and then no JSON."""
    cloud = cloud_with_role(stand_in)
    cloud.set_faults({"match": {"action": "Metadata", "nth": 2}, "do": {"fault": "truncate"}},
                     {"match": {"action": "Metadata", "nth": 4}, "do": {"fault": "invalid-json"}})
    with Daemon(on_machine(cloud)) as daemon:
        daemon.wait_for("backup_submitted", timeout=40)
        assert daemon.stop() == 0
    said = [event["message"] for event in daemon.events("credentials_failed") if event.get("provider")]
    assert len(said) == 2 and "not JSON" in said[1], said
    no_secret(daemon.lines)


def test_a_role_by_sts(stand_in):
    cloud = cloud_with_role(stand_in)
    with Daemon(assume_role(cloud), KEYS) as daemon:
        refreshed = daemon.wait_for("credentials_refreshed")[0]
        daemon.wait_for("backup_submitted", 2)
        assert daemon.stop() == 0
    assert refreshed["provider"] == "assume-role" and refreshed["source"] == ROLE
    asked = cloud.arrivals("AssumeRole")
    assert [arrival["signature"] for arrival in asked] == ["valid"]
    assert asked[0]["params"] == {"RoleArn": ROLE, "RoleSessionName": "crsbackupd", "DurationSeconds": 1800}
    assert asked[0]["secret_id"] == KEYS[0] and KEYS[0] not in signed_by(cloud)
    no_secret(daemon.lines)


def test_sts_that_refuses_and_clocks_that_differ(stand_in):
    cloud = cloud_with_role(stand_in, "--skew", "20m")
    cloud.set_faults({"match": {"action": "AssumeRole", "nth": 1},
                      "do": {"fault": "error", "code": "AuthFailure.UnauthorizedOperation", "message": "no\nnever"}})
    port = scrape.free_port()
    config = {**assume_role(cloud), "metrics": {"listen": f"127.0.0.1:{port}"}}
    with Daemon(config, KEYS) as daemon:
        failed = daemon.wait_for("credentials_failed")[0]
        daemon.wait_for("credentials_refreshed", timeout=40)
        daemon.wait_for("backup_submitted", timeout=40)
        metrics = scrape.Metrics(port)
        assert daemon.stop() == 0
    assert failed["message"] == "STS: AuthFailure.UnauthorizedOperation: no never"
    codes = [arrival["code"] for arrival in cloud.arrivals("AssumeRole")]
    assert codes == ["AuthFailure.UnauthorizedOperation", "AuthFailure.SignatureExpire", "OK"]
    for code in codes:
        assert metrics("crsbackupd_api_requests_total", action="AssumeRole", code=code) == 1
    assert metrics("crsbackupd_api_request_duration_seconds_count", action="AssumeRole") == len(codes)


def test_a_source_that_cannot_be_used_is_told_at_the_start(stand_in, tmp_path):
    cloud = cloud_with_role(stand_in)
    keys = tmp_path / "keys"
    keys.write_text("[default]\nsecret_id = x\nsecret_")
    keys.chmod(0o600)
    with Daemon(assume_role(cloud, source="file", file=str(keys)), KEYS) as daemon:
        assert daemon.end() == 78
    assert any("keys:3: not [section], a comment or name = value" in line for line in daemon.lines), daemon.lines


def test_a_pods_identity_comes_after_the_machines(stand_in, tmp_path):
    """auto, where no role is bound to the machine: the token of the pod, read anew."""
    cloud = stand_in("--any-instance", "--task-time", "0", "--web-identity", "WEBTOKEN2", "--role", "backup")
    cloud.set_faults({"match": {"action": "Metadata"}, "do": {"fault": "http", "status": 404}})
    token = tmp_path / "token"
    token.write_text("WEBTOKEN1\n")
    token.chmod(0o644)
    pod = {"TKE_REGION": "ap-guangzhou", "TKE_PROVIDER_ID": "p", "TKE_ROLE_ARN": ROLE, "TKE_WEB_IDENTITY_TOKEN_FILE": str(token),
           "HOME": "/nonexistent"}
    port = scrape.free_port()
    with Daemon(on_machine(cloud, "auto", metrics={"listen": f"127.0.0.1:{port}"}), environment=pod) as daemon:
        failed = [event for event in daemon.wait_for("credentials_failed", 2) if event.get("provider")][0]
        assert "no role is bound" in failed["message"] and "WebIdentityTokenError" in failed["message"]
        token.write_text("WEBTOKEN2\n")
        refreshed = daemon.wait_for("credentials_refreshed", timeout=40)[0]
        daemon.wait_for("backup_submitted", timeout=40)
        metrics = scrape.Metrics(port)
        assert daemon.stop() == 0
    assert refreshed["provider"] == "tke-oidc" and refreshed["expires"]
    assert metrics("crsbackupd_api_requests_total", action="Metadata", code="HTTP.404") >= 1
    assert metrics("crsbackupd_api_requests_total", action="AssumeRoleWithWebIdentity", code="InvalidParameter") >= 1
    assert metrics("crsbackupd_api_requests_total", action="AssumeRoleWithWebIdentity", code="OK") == 1
    assert {arrival["signature"] for arrival in cloud.arrivals("AssumeRoleWithWebIdentity")} == {"skipped"}
    no_secret(daemon.lines)


def test_auto_takes_the_environment_first(stand_in):
    cloud = cloud_with_role(stand_in)
    with Daemon(on_machine(cloud, "auto"), KEYS) as daemon:
        assert daemon.wait_for("credentials_refreshed")[0]["provider"] == "env"
        daemon.wait_for("backup_submitted")
        assert daemon.stop() == 0
    assert not [record for record in cloud.truth() if record["kind"] == "metadata"]


def test_a_reload_asks_anew_and_keeps_the_old_keys(stand_in):
    cloud = cloud_with_role(stand_in)
    with Daemon(on_machine(cloud)) as daemon:
        daemon.wait_for("backup_submitted")
        daemon.reload()
        daemon.wait_for("reloaded")
        daemon.wait_for("credentials_refreshed", 3)      # the first, what a reload says, the new ones
        before = len(daemon.events("backup_submitted"))
        daemon.wait_for("backup_submitted", before + 2)
        daemon.write(configuration(cloud, EACH_SECOND, credentials={"provider": "env"}))
        daemon.reload()
        assert "TENCENTCLOUD_SECRET_ID" in daemon.wait_for("reload_failed")[0]["message"]
        before = len(daemon.events("backup_submitted"))
        daemon.wait_for("backup_submitted", before + 2)
        assert daemon.stop() == 0
    assert len(signed_by(cloud)) == 2
    assert not [event for event in daemon.events() if event["event"] in (*PASSED, "credentials_failed")]


def test_a_reload_refused_by_others_leaves_the_keys(stand_in):
    """The address of the metrics is taken: the keys of a role stay, though the new file names others and STS is away."""
    cloud = stand_in("--any-instance", "--task-time", "0", "--role", "backup")
    with socket.socket() as taken, Daemon(assume_role(cloud), KEYS) as daemon:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        daemon.wait_for("backup_submitted")
        asked = sts_calls(cloud)
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        daemon.write({**assume_role(cloud, duration="20m"), "metrics": {"listen": listen}})
        daemon.reload()
        assert listen in daemon.wait_for("reload_failed")[0]["message"]
        daemon.write({**assume_role(cloud), "credentials": {"provider": "env"}, "metrics": {"listen": listen}})
        daemon.reload()
        daemon.wait_for("reload_failed", 2)
        daemon.wait_for("backup_submitted", len(daemon.events("backup_submitted")) + 2)
        assert daemon.stop() == 0
    assert sts_calls(cloud) == asked == 1
    assert len(signed_by(cloud)) == 1
    assert len(daemon.events("credentials_refreshed")) == 1


def test_a_key_file_that_is_replaced(stand_in, tmp_path):
    """Half-written, open to others, a link to another file of root's, gone: refused, the old keys go on; then the new key."""
    pairs = tmp_path / "pairs.json"
    pairs.write_text(json.dumps([{"secret_id": "AKIDrotated", "secret_key": "ROTATED"}]))
    cloud = stand_in("--any-instance", "--task-time", "0", "--keys", str(pairs))
    keys, other = tmp_path / "keys", tmp_path / "other"
    other.write_text("root:$6$NOT-FOR-YOU:1:0:99999:7:::\n")
    other.chmod(0o600)

    def put(text, mode=0o600):
        fresh = tmp_path / "fresh"
        fresh.write_text(text)
        fresh.chmod(mode)
        fresh.replace(keys)

    def link_other():
        keys.unlink()
        keys.symlink_to(other)

    good = f"[default]\nsecret_id={KEYS[0]}\nsecret_key={KEYS[1]}\n"
    put(good)
    config = configuration(cloud, EACH_SECOND, credentials={"provider": "file", "file": str(keys)})
    steps = [
        (lambda: put(good[: good.index("secret_key=") + 5]), "not [section], a comment or name = value"),
        (lambda: put(good[: good.index("secret_key=")]), "has no secret_key in [default]"),
        (lambda: put(good, 0o644), "close it: chmod 600"),
        (link_other, "a setting before the first [section]"),
        (keys.unlink, "does not exist"),
    ]
    with Daemon(config) as daemon:
        daemon.wait_for("ready")
        for number, (change, said) in enumerate(steps, 1):
            change()
            daemon.reload()
            assert said in daemon.wait_for("reload_failed", number)[-1]["message"]
        daemon.wait_for("backup_submitted", len(daemon.events("backup_submitted")) + 2)
        put("[default]\nsecret_id=AKIDrotated\nsecret_key=ROTATED\n")
        daemon.reload()
        daemon.wait_for("reloaded")
        daemon.wait_for("backup_submitted", len(daemon.events("backup_submitted")) + 2)
        assert daemon.stop() == 0
    assert signed_by(cloud) == [KEYS[0], "AKIDrotated"]
    assert "NOT-FOR-YOU" not in "\n".join(daemon.lines) and "ROTATED" not in "\n".join(daemon.lines)


@pytest.mark.parametrize("named", ["by the configuration", "by the environment"])
def test_a_named_file_that_is_gone(stand_in, tmp_path, named):
    """auto, on a machine with a role: the role does not step in for it, neither at a reload nor at a start."""
    cloud = cloud_with_role(stand_in)
    keys = tmp_path / "keys"
    keys.write_text(f"[default]\nsecret_id={KEYS[0]}\nsecret_key={KEYS[1]}\n")
    keys.chmod(0o600)
    config = on_machine(cloud, "auto")
    environment = {"HOME": "/nonexistent"}
    if named == "by the configuration":
        config["credentials"]["file"] = str(keys)
    else:
        environment["TENCENTCLOUD_CREDENTIALS_FILE"] = str(keys)
    with Daemon(config, environment=environment) as daemon:
        daemon.wait_for("backup_submitted")
        keys.unlink()
        daemon.reload()
        assert f"{keys} does not exist" in daemon.wait_for("reload_failed")[0]["message"]
        daemon.wait_for("backup_submitted", len(daemon.events("backup_submitted")) + 2)
        assert daemon.stop() == 0
    assert signed_by(cloud) == [KEYS[0]]
    with Daemon(config, environment=environment) as daemon:
        assert daemon.end() == 78
    assert any(f"{keys} does not exist" in line for line in daemon.lines), daemon.lines
    assert not [record for record in cloud.truth() if record["kind"] == "metadata"]


def test_a_key_that_is_rotated_in_its_file(stand_in, tmp_path):
    """The old key is refused: nothing is sent but a probe or two until the file has the new one, and no instance is lost."""
    cloud = stand_in("--any-instance", "--task-time", "0", secret_id="AKIDrotated", secret_key="ROTATED")
    keys, fresh = tmp_path / "keys", tmp_path / "fresh"
    keys.write_text(f"[default]\nsecret_id={KEYS[0]}\nsecret_key={KEYS[1]}\n")
    fresh.write_text("[default]\nsecret_id=AKIDrotated\nsecret_key=ROTATED\n")
    keys.chmod(0o600)
    fresh.chmod(0o600)
    names = [f"crs-rota{number:04d}" for number in range(40)]
    period, _due = soon(120, 3)
    nightly = {"every": f"{period}s", "start_within": "100s", "instances": names}
    config = configuration(cloud, {"nightly": nightly}, credentials={"provider": "file", "file": str(keys)})
    with Daemon(config) as daemon:
        failed = daemon.wait_for("credentials_failed", timeout=35)
        assert "AuthFailure.SecretIdNotFound" in failed[0]["message"]
        daemon.wait_for("backup_retry")
        fresh.replace(keys)
        submitted = daemon.wait_for("backup_submitted", len(names), timeout=60)
        assert daemon.stop() == 0
    assert sorted(event["instance"] for event in submitted) == names
    assert len(daemon.events("credentials_failed")) == 1
    assert not [event for event in daemon.events() if event["event"] in ("backup_failed", "backup_missed", "backup_unknown")]
    arrivals = cloud.arrivals()
    assert sorted(arrival["instance"] for arrival in arrivals if arrival["acted"]) == names
    assert len([arrival for arrival in arrivals if arrival["code"] != "OK"]) < len(names) // 2
    no_secret(daemon.lines)
    assert "ROTATED" not in "\n".join(daemon.lines)


def test_a_rotated_key_that_nobody_replaces(stand_in, tmp_path):
    """Attempts inside start_within, and then the failure with what the cloud said."""
    cloud = stand_in("--any-instance", secret_id="AKIDrotated", secret_key="ROTATED")
    keys = tmp_path / "keys"
    keys.write_text(f"[default]\nsecret_id={KEYS[0]}\nsecret_key={KEYS[1]}\n")
    keys.chmod(0o600)
    period, _due = soon(60, 3)
    nightly = {"every": f"{period}s", "start_within": "14s", "instances": ["crs-aaaa0001"]}
    config = configuration(cloud, {"nightly": nightly}, credentials={"provider": "file", "file": str(keys)})
    with Daemon(config) as daemon:
        failed = daemon.wait_for("backup_failed", timeout=60)[0]
        assert daemon.stop() == 0
    assert failed["code"] == "AuthFailure.SecretIdNotFound" and failed["message"] and failed["request_id"]
    assert 2 <= len(cloud.arrivals()) <= 4
    assert len(daemon.events("credentials_failed")) == 1


# ---- no key is seen anywhere ----


def shown_by_proc(pid):
    """What /proc shows of the process, as bytes by name; memory itself excepted."""
    shown = {}
    for name in ("environ", "cmdline", "status", "stat", "maps", "smaps", "comm", "auxv", "limits", "mountinfo", "sched", "wchan"):
        try:
            with open(f"/proc/{pid}/{name}", "rb") as file:
                shown[name] = file.read()
        except OSError:
            pass
    for folder in ("fd", "cwd", "task"):
        try:
            entries = os.listdir(f"/proc/{pid}/{folder}")
        except OSError:
            continue
        for entry in entries:
            try:
                shown[f"{folder}/{entry}"] = os.readlink(f"/proc/{pid}/{folder}/{entry}").encode()
            except OSError:
                pass
    return shown


def files_below(directory):
    shown = {}
    for folder, _, names in os.walk(directory):
        for name in names:
            if not os.path.isfile(os.path.join(folder, name)):
                continue  # the control socket
            with open(os.path.join(folder, name), "rb") as file:
                shown[name] = file.read()
    return shown


def answers_of(daemon):
    """What the control socket says to every question, as bytes by verb."""
    questions = [("status", {}), ("health", {}), ("list", {}), ("check-age", {}), ("history", {"limit": 100000}), ("reload", {}),
                 ("why", {"instance": EACH_SECOND["often"]["instances"][0]}), ("run", {"schedule": "often"}), ("nonsense", {})]
    said = {}
    for verb, arguments in questions:
        with Client(path_of(daemon)) as client:
            rows, last = client.ask(verb, **arguments)
        assert ("end" in last) == (verb != "nonsense"), last
        said[f"answer to {verb}"] = repr((rows, last)).encode()
    return said


@pytest.mark.parametrize("provider", ["env", "file", "systemd", "cvm-role", "assume-role", "tke-oidc"])
def test_no_key_is_seen(stand_in, tmp_path, provider):
    """The log, /proc, the state directory, the answers to operators, what a crash leaves: no key, no token, whatever the provider."""
    arguments = ("--web-identity", "WEBTOKEN") if provider == "tke-oidc" else ()
    temporary = provider in ("env", "file", "systemd")
    cloud = stand_in("--any-instance", "--task-time", "0", "--role", "backup", *arguments, token="SESSIONTOKEN" if temporary else None)
    outside = tmp_path / "keys"
    outside.mkdir()
    ini = f"[default]\nsecret_id={KEYS[0]}\nsecret_key={KEYS[1]}\ntoken=SESSIONTOKEN\n"
    for name, text in (("ini", ini), ("secret-id", KEYS[0]), ("secret-key", KEYS[1]), ("token", "SESSIONTOKEN"), ("web", "WEBTOKEN")):
        (outside / name).write_text(text)
        (outside / name).chmod(0o400)
    environment = {
        "env": {"TENCENTCLOUD_SESSION_TOKEN": "SESSIONTOKEN"},
        "systemd": {"CREDENTIALS_DIRECTORY": str(outside)},
        "tke-oidc": {"TKE_REGION": "ap-guangzhou", "TKE_PROVIDER_ID": "p", "TKE_ROLE_ARN": ROLE,
                     "TKE_WEB_IDENTITY_TOKEN_FILE": str(outside / "web")},
    }.get(provider)
    credentials = {
        "file": {"file": str(outside / "ini")},
        "cvm-role": {"metadata_url": f"http://127.0.0.1:{cloud.http_port}"},
        "assume-role": {"role_arn": ROLE},
    }.get(provider, {})
    port = scrape.free_port()
    config = configuration(cloud, EACH_SECOND, log={"target": "stderr", "level": "debug"},
                           credentials={"provider": provider, **credentials}, metrics={"listen": f"127.0.0.1:{port}"})
    with Daemon(config, KEYS if provider in ("env", "assume-role") else None, environment) as daemon:
        daemon.wait_for("backup_submitted", 2)
        daemon.reload()
        daemon.wait_for("reloaded")
        shown = shown_by_proc(daemon.process.pid)
        assert shown["environ"] and shown["cmdline"]
        assert b"Max core file size        0                    0" in shown["limits"]
        assert b" dd" in shown["smaps"]        # the keys' pages are left out of a core
        shown.update(answers_of(daemon))
        shown["metrics"] = scrape.ask(port, "/metrics")[2]
        assert b"crsbackupd_credentials_available 1" in shown["metrics"]
        daemon.signal(signal.SIGABRT)      # what is left behind is searched, too
        daemon.end()
        shown.update(files_below(daemon.directory))
        shown["log"] = "\n".join(daemon.lines).encode()
    assert any(name.startswith("ledger") for name in shown), sorted(shown)
    for name, text in shown.items():
        for secret in SECRETS:
            assert secret.encode() not in text.replace(KEYS[0].encode(), b""), f"{secret} stands in {name}"
