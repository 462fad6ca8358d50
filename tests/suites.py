"""Builds, runs the suites one after the other, counts their single tests. Started by tests/run.

A suite is one of meson's (its tests, with cmocka's own counted), a directory of pytest files below
tests/ (it is called as the directory), or a script that prints "ok - NAME" and "not ok - NAME". Each
runs in a session of its own with a limit on its time; what it leaves running is ended, and counts as a
failure.
"""

import argparse
import ctypes
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree

TOP = pathlib.Path(__file__).resolve().parent.parent
BUILD = TOP / "build-test"
RELEASE = TOP / "build-release"
RESULTS = BUILD / "suites"
MESON = "/usr/bin/meson"
PYTHON = "/usr/bin/python3"
JOBS = "2"

# Limits in seconds; a nightly run has NIGHTLY times as much.
MESON_SUITES = {"unit": 240, "lint": 120, "sim": 300, "fuzz-corpus": 120, "integration-c": 240}
PYTHON_LIMITS = {"system": 900}  # with a Debian to download
PYTHON_LIMIT = 420
STATIC_LIMIT = 480
SMOKE_LIMIT = 300
NIGHTLY = 40

# Suites that mostly wait, for instants to come and for limits to pass: so many tests side by side.
IN_PARALLEL = {"integration": 7, "integration-c": 4, "crash": 4}

# Unit tests that are quick enough under valgrind, for what the sanitizers do not see (reads of memory that
# was never written).
UNDER_VALGRIND = ("backoff", "bucket", "digest", "event", "heap", "reply", "secret", "tc3", "text")

SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:halt_on_error=1:abort_on_error=0:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
}


class Count:
    def __init__(self, passed=0, failed=0, skipped=0):
        self.passed, self.failed, self.skipped = passed, failed, skipped

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def total(self):
        return self.passed + self.failed + self.skipped

    def __str__(self):
        text = f"{self.passed} passed, {self.failed} failed"
        return text + (f", {self.skipped} skipped" if self.skipped else "")


# ---- processes ----


def adopt_orphans():
    """What loses its parent becomes our child, so that nothing can slip away."""
    PR_SET_CHILD_SUBREAPER = 36
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def descendants():
    """(pid, name) of all living processes below this one, parents first."""
    children = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "stat").read_text(errors="replace")
            except OSError:
                continue
            name, rest = text[text.index("(") + 1 : text.rindex(")")], text[text.rindex(")") + 2 :].split()
            if rest[0] != "Z":
                children.setdefault(int(rest[1]), []).append((int(entry.name), name))
    found, queue = [], [os.getpid()]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += [pid for pid, _ in below]
    return found


def collect_dead():
    try:
        while os.waitpid(-1, os.WNOHANG)[0] != 0:
            pass
    except ChildProcessError:
        pass


def end_descendants(grace):
    """Waits up to `grace` seconds for the rest, then kills it. The names of those that had to be killed."""
    deadline = time.monotonic() + grace
    killed = []
    while True:
        collect_dead()
        left = descendants()
        if not left:
            return killed
        if time.monotonic() >= deadline:
            for pid, name in left:
                killed.append(name)
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        time.sleep(0.05)


def run(command, log, limit, env=None):
    """Runs a command with its output in a file. (exit code or None at the limit, what it left running)"""
    with open(log, "ab") as output:
        output.write(("$ " + " ".join(map(str, command)) + "\n").encode())
        output.flush()
        process = subprocess.Popen(
            command, cwd=TOP, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            env={**os.environ, **SANITIZERS, **(env or {})}, start_new_session=True,
        )  # fmt: skip
        try:
            code = process.wait(timeout=limit)
        except subprocess.TimeoutExpired:
            end_descendants(0)
            return None, []
    return code, end_descendants(3)


# ---- building ----


def werror():
    return "true" if os.environ.get("CI") == "true" else "false"


def build(directory, *options, env=None):
    """Sets a build directory up (again) and builds it; on failure prints the end of the log and exits."""
    log = TOP / "build-test" / "suites" / f"{directory.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    options = [f"-Dwerror={werror()}", *options]
    known = (directory / "meson-private" / "coredata.dat").is_file()
    setup = [MESON, "setup", *(["--reconfigure"] if known else []), *options, str(directory), str(TOP)]
    code, _ = run(setup, log, 300, env)
    if code != 0 and known:
        # Made by another version or with other tools: begin anew. Results of this run stay.
        for entry in directory.iterdir():
            if entry != RESULTS:
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        code, _ = run([word for word in setup if word != "--reconfigure"], log, 300, env)
    if code == 0:
        code, _ = run(["/usr/bin/ninja", f"-j{JOBS}", "-C", str(directory)], log, 900, env)
    text = log.read_text(errors="replace")
    if code != 0:
        print("\n".join(text.splitlines()[-60:]))
        return False
    for line in text.splitlines():
        if "warning:" in line:
            print(line)
    return True


def build_sanitized():
    return build(
        BUILD, "-Dbuildtype=debugoptimized", "-Db_sanitize=address,undefined", "-Db_lundef=false",
        env={"CC": "gcc"},
    )  # fmt: skip


def build_optimised():
    return build(RELEASE, "-Dbuildtype=release", env={"CC": "gcc"})


# ---- counting ----

CMOCKA = re.compile(r"^\[ +(RUN|OK|SKIPPED) +\] \w+", re.MULTILINE)
SKIPPED = re.compile(r"^SKIPPED \[\d+\] \S+: (.*)", re.MULTILINE)
UNITTEST = re.compile(r"^Ran (\d+) tests? in ", re.MULTILINE)


def count_meson_test(entry):
    """One program of meson's log: its own single tests where it tells them, else itself."""
    result = entry["result"]
    if result == "SKIP":
        return Count(skipped=1)
    good = result in ("OK", "EXPECTEDFAIL")
    marks = CMOCKA.findall(entry.get("stdout") or "")
    begun, passed, skipped = (marks.count(mark) for mark in ("RUN", "OK", "SKIPPED"))
    if begun == 0:
        match = UNITTEST.search(entry.get("stderr") or "")
        if match and good:
            return Count(passed=int(match.group(1)))
        return Count(passed=1) if good else Count(failed=1)
    failed = begun - passed - skipped
    # A program that fails although its tests passed: a leak, say, or a crash at its end.
    return Count(passed, max(failed, 0 if good else 1), skipped)


def read_meson_log(file):
    return [json.loads(line) for line in file.read_text(encoding="utf-8", errors="replace").splitlines()]


def show_failed(entry):
    print(f"---- {entry['name']}: {entry['result']}")
    for stream in ("stdout", "stderr"):
        lines = [
            line for line in (entry.get(stream) or "").splitlines() if not re.match(r"\[ +(RUN|OK) ", line)
        ]
        print("\n".join(lines[-60:]))


def count_junit(file):
    count = Count()
    try:
        cases = xml.etree.ElementTree.parse(file).getroot().iter("testcase")
    except (OSError, xml.etree.ElementTree.ParseError):
        return count
    for case in cases:
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            count.failed += 1
        elif "skipped" in kinds:
            count.skipped += 1
        else:
            count.passed += 1
    return count


# ---- suites ----


def fresh(name):
    log = RESULTS / f"{name}.log"
    log.unlink(missing_ok=True)
    return log


def verdict(name, log, count, code, left):
    """Adds what the count cannot see: a suite that was stopped, that failed as a whole, or left processes."""
    if code is None:
        print(f"---- {name}: stopped at its limit of time")
        count.failed += 1
    elif code != 0 and count.failed == 0:
        print(f"---- {name}: exit code {code}")
        print("\n".join(log.read_text(errors="replace").splitlines()[-60:]))
        count.failed += 1
    if left:
        print(f"---- {name}: left running: {', '.join(left)}")
        count.failed += 1
    return count


def run_meson(name, directory, limit, *arguments, label=None):
    label = label or name
    log, logbase = fresh(label), f"suite-{label}"
    for old in (directory / "meson-logs").glob(f"{logbase}*"):
        old.unlink()
    command = [MESON, "test", "-C", str(directory), "--no-rebuild", "--suite", name, "--logbase", logbase]
    command += ["--num-processes", str(IN_PARALLEL.get(name, JOBS)), "-t", str(NIGHTLY if nightly() else 6), *arguments]
    code, left = run(command, log, limit)
    count = Count()
    # With a wrapper meson adds its name to that of the log.
    for file in (directory / "meson-logs").glob(f"{logbase}*.json"):
        for entry in read_meson_log(file):
            one = count_meson_test(entry)
            if one.failed:
                show_failed(entry)
            count.add(one)
    return verdict(label, log, count, code, left)


# Suites of many short lives of the daemon, and of faults that a sanitizer's allocator does not let happen.
OPTIMISED = {"crash"}

# Suites in which a test asks for the optimised build beside the other one, to look at what a promise is of.
WITH_OPTIMISED = {"integration-alone"}


def run_pytest(name, directory):
    """Where tests run side by side, those marked "alone", which look at the pace, follow by themselves."""
    if name not in IN_PARALLEL:
        return call_pytest(name, [directory])
    beside = ["-p", "xdist.plugin", "-n", str(IN_PARALLEL[name]), "--dist", "loadgroup", "-m", "not alone"]
    count = call_pytest(name, [*beside, directory])
    count.add(call_pytest(f"{name}-alone", ["-m", "alone", directory]))
    return count


def call_pytest(label, arguments):
    log, junit = fresh(label), RESULTS / f"{label}.junit.xml"
    junit.unlink(missing_ok=True)
    built = RELEASE if label in OPTIMISED else BUILD
    if label in OPTIMISED | WITH_OPTIMISED and not build_optimised():
        return Count(failed=1)
    env = {
        "PYTHONPATH": str(TOP / "tests"),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "CRSBACKUPD": str(built / "src/daemon/crsbackupd"),
        "CRSBACKUPCTL": str(built / "src/ctl/crsbackupctl"),
        **({"CRSBACKUPD_RELEASE": str(RELEASE / "src/daemon/crsbackupd")} if label in WITH_OPTIMISED else {}),
        "CRASH_FAULTS": str(RELEASE / "tests/crash/faults.so"),
    }
    command = [PYTHON, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rs", f"--junitxml={junit}"]
    command += ["--durations=5", *arguments]
    code, left = run(command, log, PYTHON_LIMITS.get(label, PYTHON_LIMIT) * (NIGHTLY if nightly() else 1), env)
    count = count_junit(junit)
    for reason in sorted(set(SKIPPED.findall(log.read_text(errors="replace")))):
        print(f"{label}: skipped: {reason}")
    if code not in (0, 5):
        print("\n".join(log.read_text(errors="replace").splitlines()[-200:]))
    return verdict(label, log, count, 0 if code == 5 else code, left)


def run_script(name, command, limit):
    log = fresh(name)
    code, left = run(command, log, limit)
    text = log.read_text(errors="replace")
    passed = len(re.findall(r"^ok - ", text, re.MULTILINE))
    failed = len(re.findall(r"^not ok - ", text, re.MULTILINE))
    if failed:
        print(re.sub(r"^(ok - .*|\$ .*)\n", "", text, flags=re.MULTILINE))
    return verdict(name, log, Count(passed, failed), code, left)


def run_smoke():
    """The optimised build: all unit tests as they are, some of them under valgrind."""
    if not build_optimised():
        return Count(failed=1)
    count = run_meson("unit", RELEASE, SMOKE_LIMIT, label="smoke")
    listed = json.loads((RELEASE / "meson-info" / "intro-tests.json").read_text())
    names = sorted({test["name"] for test in listed} & set(UNDER_VALGRIND))
    if names:
        valgrind = "valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite"
        wrapped = run_meson("unit", RELEASE, SMOKE_LIMIT, "-t", "20", f"--wrap={valgrind}", *names, label="valgrind")
        if wrapped.total() == 0:
            wrapped.failed += 1
        count.add(wrapped)
    return count


def nightly():
    return os.environ.get("CRSBACKUPD_NIGHTLY") == "1"


def python_suites():
    """Name -> directory right below tests/ with pytest files."""
    found = sorted({file.parent.name for file in (TOP / "tests").glob("*/test_*.py")})
    return {f"{name}-py" if name in MESON_SUITES else name: f"tests/{name}" for name in found}


def all_suites():
    """Name -> function that runs it and counts; in the order in which they run."""
    suites = {}
    for name, limit in MESON_SUITES.items():
        scaled = limit * (NIGHTLY if nightly() else 1)
        suites[name] = lambda name=name, scaled=scaled: run_meson(name, BUILD, scaled)
    for name, directory in python_suites().items():
        suites[name] = lambda name=name, directory=directory: run_pytest(name, directory)
    static = [PYTHON, "-B", "tests/lint/static.py"]
    suites["static"] = lambda: run_script("static", static, STATIC_LIMIT)
    suites["smoke"] = run_smoke
    return suites


def run_suites(chosen, suites):
    """(rows of the table, what all of it counts)"""
    rows, sum_of_all = [], Count()
    for name in chosen:
        begin = time.monotonic()
        count = suites[name]()
        took = time.monotonic() - begin
        if count.total() == 0:
            print(f"---- {name}: no tests ran")
            count.failed += 1
        print(f"{name}: {count} ({took:.0f} s)", flush=True)
        rows.append((name, count, took))
        sum_of_all.add(count)
    return rows, sum_of_all


def main(arguments):
    suites = all_suites()
    parser = argparse.ArgumentParser(prog="tests/run", description="builds and runs the suites")
    parser.add_argument("--list", action="store_true", help="names the suites and runs nothing")
    parser.add_argument("--nightly", action="store_true", help="the long modes")
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=", ".join(suites))
    options = parser.parse_args(arguments)
    if options.list:
        print("\n".join(suites))
        return 0
    for name in options.suites:
        if name not in suites:
            parser.error(f"no suite {name!r}; there are {', '.join(suites)}")
    if options.nightly:
        os.environ["CRSBACKUPD_NIGHTLY"] = "1"
        suites = all_suites()

    adopt_orphans()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    begin = time.monotonic()
    try:
        print("building with sanitizers", flush=True)
        if not build_sanitized():
            print("0 passed, 1 failed")
            return 1
        rows, sum_of_all = run_suites(options.suites or list(suites), suites)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    finally:
        end_descendants(0)

    print(f"\n{'suite':<16}{'passed':>8}{'failed':>8}{'skipped':>9}{'seconds':>9}")
    for name, count, took in rows:
        print(f"{name:<16}{count.passed:>8}{count.failed:>8}{count.skipped:>9}{took:>9.1f}")
    print(f"{'all':<16}{'':>25}{time.monotonic() - begin:>9.1f}")
    print(sum_of_all)
    return 0 if sum_of_all.failed == 0 and sum_of_all.passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
