"""A Debian 12 of its own, booted in a container: its systemd, journald and rsyslog are the real ones.

The root is made by debootstrap once and kept in build-system/base, with the packages that crsbackupd needs in
its apt's cache; a Machine boots a copy of it without a network. What does not work before crsbackupd comes
into play is the fault of the surroundings: Unfit, and the tests are skipped.
"""

import json
import os
import pathlib
import shutil
import subprocess
import time

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = TOP / "build-system"
BASE = BUILD / "base"
SUITE = "bookworm"
PACKAGES = ("systemd", "systemd-sysv", "rsyslog", "ca-certificates", "tzdata")
APT_OPTIONS = ('APT::Install-Recommends "false";', 'APT::Get::Assume-Yes "true";')
TOOLS = ("debootstrap", "systemd-nspawn", "nsenter", "unshare", "dpkg-deb")

# In seconds, on a busy machine.
LIMIT_BASE = 360
LIMIT_FETCH = 180
LIMIT_BOOT = 60
LIMIT_COMMAND = 60

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "TERM": "dumb", "DEBIAN_FRONTEND": "noninteractive"}

# A cgroup of its own in each hierarchy: two machines side by side do not share one. Memory
# may be locked, as on a host; nspawn forbids it by itself.
START = """
for top in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do
    [ -w $top/cgroup.procs ] && mkdir $top/$0 2>/dev/null && echo $$ >$top/$0/cgroup.procs
done
exec systemd-nspawn --register=no --keep-unit --private-network --system-call-filter=@memlock --machine="$0" "$@"
"""


class Unfit(Exception):
    """Such a machine cannot be had here; the text says why."""


def call(command, limit, **more):
    """Runs a command of the surroundings; returns what it said."""
    try:
        done = subprocess.run(command, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", timeout=limit, check=False, **more)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unfit(f"{command[0]}: {error}") from None
    if done.returncode != 0:
        raise Unfit(f"{' '.join(map(str, command[:3]))}...: {' | '.join(done.stdout.strip().splitlines()[-3:])}")
    return done.stdout


def look_around():
    """What would be found out late else, after a Debian was downloaded: in a chroot nspawn gets no mount namespace."""
    call(["unshare", "--mount", "true"], LIMIT_COMMAND)


def mirrors():
    """The lines of sources.list for Debian's own packages, as this machine's apt has them."""
    told = call(["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT) $(SIGNED_BY)", "Created-By: Packages",
                 "Origin: Debian"], LIMIT_COMMAND)
    found = []
    for line in told.splitlines():
        uri, codename, component = line.split(" ")[:3]
        if codename.startswith(SUITE) and component == "main" and (uri, codename) not in found:
            found.append((uri, codename))
    if not any(codename == SUITE for _, codename in found):
        raise Unfit(f"apt knows no mirror of {SUITE}")
    return found


def make_base():
    """build-system/base, where it is not there."""
    recipe = " ".join([SUITE, *PACKAGES, *APT_OPTIONS])
    if (BASE / "made").is_file() and (BASE / "made").read_text() == recipe:
        return
    remove(BASE)
    found = mirrors()
    root = BASE / "root"
    root.mkdir(parents=True)
    first = next(uri for uri, codename in found if codename == SUITE)
    call(["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, str(root), first], LIMIT_BASE)
    (root / "etc/apt/sources.list").write_text("".join(f"deb {uri} {codename} main\n" for uri, codename in found))
    (root / "etc/hostname").write_text("production\n")
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    for name in ("resolv.conf", "hosts"):
        if (pathlib.Path("/etc") / name).is_file():
            (root / "etc" / name).write_bytes((pathlib.Path("/etc") / name).read_bytes())
    proxies = [line for line in call(["apt-config", "dump"], LIMIT_COMMAND).splitlines() if "::Proxy" in line]
    (root / "etc/apt/apt.conf.d/90tests").write_text("\n".join([*proxies, *APT_OPTIONS, ""]))
    (BASE / "made").write_text(recipe)


def fetch_needs(package):
    """What the package depends on, into the cache of the base's apt: installing it needs no network then."""
    needs = call(["dpkg-deb", "-f", str(package), "Depends"], LIMIT_COMMAND)
    known = BASE / "needs"
    if known.is_file() and known.read_text() == needs:
        return
    shutil.copy(package, BASE / "root/var/tmp/package.deb")
    for command in (["update"], ["install", "-y", "--download-only", "/var/tmp/package.deb"]):
        call(["chroot", str(BASE / "root"), "apt-get", "-q", "-o", "Acquire::Retries=3", *command], LIMIT_FETCH)
    known.write_text(needs)


def make_room(directory):
    """A directory in memory, where that may be: what is copied there is soon thrown away."""
    directory.mkdir(parents=True)
    try:
        call(["mount", "-t", "tmpfs", "-o", "mode=755,size=3g", "crsbackupd-test", str(directory)], LIMIT_COMMAND)
    except Unfit:
        pass  # the disk will do


def remove(directory):
    """Removes what make_room() gave, or a tree, but never across a mount."""
    if os.path.ismount(directory):
        call(["umount", "--lazy", str(directory)], LIMIT_COMMAND)
    if directory.exists():
        call(["rm", "-rf", "--one-file-system", str(directory)], LIMIT_COMMAND)


class Machine:
    """A booted copy of the base; a context manager that ends it."""

    def __init__(self):
        self.name = f"crsbackupd-test-{os.getpid()}"
        self.root = BUILD / self.name / "root"
        self._console = BUILD / self.name / "console"
        self._nspawn = None
        self.leader = None

    def __enter__(self):
        for old in BUILD.glob("crsbackupd-test-*"):
            if not pathlib.Path(f"/proc/{old.name.rpartition('-')[2]}").exists():
                remove(old)
        remove(self.root.parent)
        make_room(self.root.parent)
        try:
            call(["cp", "-a", "--reflink=auto", str(BASE / "root"), str(self.root)], LIMIT_FETCH)
            self._boot()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_error):
        if self._nspawn and self._nspawn.poll() is None:
            if self.leader:
                self.run("systemctl", "--force", "--force", "poweroff", check=False)  # at once: nothing is to be kept
            try:
                self._nspawn.wait(20)
            except subprocess.TimeoutExpired:
                self._nspawn.kill()  # its init ends with it
                self._nspawn.wait()
        for top in ("systemd", "unified", "."):
            for directory, _, _ in os.walk(f"/sys/fs/cgroup/{top}/{self.name}", topdown=False):
                try:
                    os.rmdir(directory)
                except OSError:
                    pass  # what does not go now is empty and does no harm
        remove(self.root.parent)

    def _boot(self):
        with open(self._console, "wb") as console:
            self._nspawn = subprocess.Popen(["sh", "-c", START, self.name, "-b", "-D", str(self.root), "--console=pipe"], env=ENVIRONMENT,
                                            stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + LIMIT_BOOT
        state = "no init"
        while time.monotonic() < deadline and self._nspawn.poll() is None:
            self.leader = self.leader or self._find_leader()
            if self.leader:
                state = self.run("systemctl", "is-system-running", check=False).stdout.strip()
                if state in ("running", "degraded"):
                    return
            time.sleep(0.2)
        last = " | ".join(self._console.read_text(errors="replace").strip().splitlines()[-3:])
        raise Unfit(f"systemd does not come up in systemd-nspawn ({state}): {last}")

    def _find_leader(self):
        try:
            children = pathlib.Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children").read_text().split()
            for child in children:
                if pathlib.Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                    return child
        except OSError:
            pass
        return None

    # ---- inside ----

    def inside(self, *command, only="-mupin"):
        """The command line that runs a command in there."""
        return ["nsenter", "-t", self.leader, *(f"-{letter}" for letter in only if letter != "-"), "--", *map(str, command)]

    def run(self, *command, check=True, limit=LIMIT_COMMAND):
        done = subprocess.run(self.inside(*command), env=ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              errors="replace", timeout=limit, check=False)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}\n{self._journal()}")
        return done

    def _journal(self):
        return self.run("journalctl", "-n", 60, "--no-pager", "-o", "short-precise", check=False).stdout

    def path(self, name):
        """A file of its disk as seen from here; not for /run, /tmp, /proc."""
        return self.root / name.lstrip("/")

    def write(self, name, text, mode=0o644):
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(path.name + ".new")
        fresh.write_text(text)
        fresh.chmod(mode)
        fresh.replace(path)

    def show(self, name, unit="crsbackupd"):
        return self.run("systemctl", "show", "-P", name, unit).stdout.strip()

    def wait(self, what, condition, limit=45):
        """Waits until the condition gives something; returns that."""
        deadline = time.monotonic() + limit
        while True:
            found = condition()
            if found:
                return found
            if time.monotonic() > deadline:
                raise AssertionError(f"{what}: not within {limit} s\n{self._journal()}")
            time.sleep(0.1)


class Cloud:
    """The stand-in of the cloud on a port of the machine's loopback; its files are out here."""

    def __init__(self, machine, port, directory, keys, *arguments):
        self.port, self._directory = port, pathlib.Path(directory)
        self._directory.mkdir(parents=True, exist_ok=True)
        self.truth_file = self._directory / "truth.jsonl"
        self.ca_file = self._directory / "tls/ca.pem"
        ready = self._directory / "ready.json"
        environment = {**ENVIRONMENT, "CLOUD_SECRET_ID": keys[0], "CLOUD_SECRET_KEY": keys[1]}
        command = ["/usr/bin/python3", "-B", TOP / "tests/cloud", "--https", port, "--tls-dir", self._directory / "tls",
                   "--ready-file", ready, "--truth", self.truth_file, "--any-instance", "--task-time", "0", *arguments]
        with open(self._directory / "output", "wb") as output:
            self.process = subprocess.Popen(machine.inside(*command, only="-n"), env=environment, stdin=subprocess.DEVNULL,
                                            stdout=output, stderr=subprocess.STDOUT)
        machine.wait("the stand-in of the cloud", lambda: ready.is_file() or self.process.poll() is not None)
        assert self.process.poll() is None, (self._directory / "output").read_text()

    def stop(self):
        self.process.terminate()
        self.process.wait(20)

    def tasks(self):
        """The task IDs of the backups that were begun."""
        whole = [line for line in self.truth_file.read_text().splitlines(keepends=True) if line.endswith("\n")]
        arrivals = [json.loads(line) for line in whole]
        return [str(a["task_id"]) for a in arrivals if a["kind"] == "arrival" and a.get("action") == "ManualBackupInstance" and a["acted"]]
