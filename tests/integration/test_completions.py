"""Completion of crsbackupctl in real shells: a line is typed at a terminal, and what the shell makes of it is read."""

import os
import pathlib
import pty
import re
import select
import shutil
import subprocess
import time

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
CTL = pathlib.Path(os.environ.get("CRSBACKUPCTL", str(TOP / "build/src/ctl/crsbackupctl"))).resolve()
SCRIPTS = TOP / "packaging/completions"
FILE = TOP / "conf/crsbackupd.yaml"
LIMIT = 60

START = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], f"PS1='> '; source {SCRIPTS}/crsbackupctl.bash"),
    "zsh": (["zsh", "-f", "-i"], f"PS1='> '; fpath=({SCRIPTS} $fpath); autoload -U compinit; compinit -u -D"),
}

LINES = [
    ("crsbackupctl expl", "crsbackupctl explain "),
    ("crsbackupctl --json expl", "crsbackupctl --json explain "),
    ("crsbackupctl check --hou", "crsbackupctl check --hours "),
    ("crsbackupctl names sch", "crsbackupctl names schedules "),
    (f"crsbackupctl next -c {FILE} week", f"crsbackupctl next -c {FILE} weekly "),
    (f"crsbackupctl why -c {FILE} crs-9", f"crsbackupctl why -c {FILE} crs-9xkq2m7d "),
    (f"crsbackupctl run -c {FILE} --schedule ni", f"crsbackupctl run -c {FILE} --schedule nightly "),
    (f"crsbackupctl run -c {FILE} --schedule=ni", f"crsbackupctl run -c {FILE} --schedule=nightly "),
    (f"crsbackupctl history --failed -c {FILE} --instance crs-k", f"crsbackupctl history --failed -c {FILE} --instance crs-k3v8w1zt "),
    (f"crsbackupctl -c {FILE} --timeout 3s expl", f"crsbackupctl -c {FILE} --timeout 3s explain "),
    (f"crsbackupctl -c {FILE} pause week", f"crsbackupctl -c {FILE} pause weekly "),
    ("crsbackupctl --socket /s stat", "crsbackupctl --socket /s status "),
    ("crsbackupctl --socket=/s --json hist", "crsbackupctl --socket=/s --json history "),
    (f"crsbackupctl -c {FILE}"[:-2], f"crsbackupctl -c {FILE} "),
    ("crsbackupctl --timeout stat", "crsbackupctl --timeout stat"),
    ("crsbackupctl next -c /nowhere.yaml week", "crsbackupctl next -c /nowhere.yaml week"),
    (f"crsbackupctl check -c {FILE}"[:-2], f"crsbackupctl check -c {FILE} "),
    ("crsbackupd --che", "crsbackupd --check "),
]


def environment():
    return {"PATH": f"{CTL.parent}:/usr/bin:/bin", "HOME": "/nonexistent", "TERM": "dumb", "LC_ALL": "C.UTF-8"}


def needs(shell):
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")


class Terminal:
    """A shell at a terminal of its own."""

    def __init__(self, shell):
        command, script = START[shell]
        self._master, slave = pty.openpty()
        self._child = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environment(), start_new_session=True)
        os.close(slave)
        self._said = ""
        self._type(f"{script}; echo is'-'ready\n")
        self._wait(r"\nis-ready\r")

    def _type(self, text):
        os.write(self._master, text.encode())

    def _wait(self, pattern):
        deadline = time.monotonic() + LIMIT
        while not (found := re.search(pattern, self._said)):
            if not select.select([self._master], [], [], max(0, deadline - time.monotonic()))[0]:
                raise AssertionError(f"{pattern!r} does not come:\n{self._said}")
            self._said += os.read(self._master, 65536).decode(errors="replace")
        self._said = self._said[found.end():]
        return found

    def complete(self, line):
        """The line as it is after a press of the tabulator."""
        self._type(f'{line}\t\x01echo "<\x05>"\n')  # at its beginning: echo "<, at its end: >"
        return self._wait(r"\n<(.*)>\r")[1]

    def end(self):
        self._child.kill()
        self._child.wait()
        os.close(self._master)


@pytest.mark.parametrize("shell", START)
def test_lines(shell):
    needs(shell)
    terminal = Terminal(shell)
    try:
        for typed, completed in LINES:
            expected = completed.rstrip() if shell == "zsh" else completed  # zsh takes its blank back at the next key
            assert terminal.complete(typed) == expected
    finally:
        terminal.end()


def fish(line):
    script = f"source {SCRIPTS}/crsbackupctl.fish; source {SCRIPTS}/crsbackupd.fish; complete -C '{line}'"
    done = subprocess.run(["fish", "--no-config", "-c", script], env=environment(), capture_output=True, text=True, timeout=LIMIT)
    assert (done.returncode, done.stderr) == (0, "")
    return [found.split("\t")[0] for found in done.stdout.splitlines()]


def test_fish():
    needs("fish")
    for typed, completed in LINES:
        expected = [completed.split()[-1]] if completed != typed else []
        assert fish(typed) == expected, typed


def told_by_help(*verb):
    return subprocess.run([CTL, *verb, "--help"], capture_output=True, text=True, check=True).stdout


def bash_list(*words):
    """All that bash would offer for the last of the words."""
    script = (f'source {SCRIPTS}/crsbackupctl.bash; compopt() {{ :; }}; COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); '
              '_crsbackupctl "$1" "${!#}" "${COMP_WORDS[COMP_CWORD - 1]}"; printf "%s\\n" "${COMPREPLY[@]}"')
    done = subprocess.run(["bash", "-c", script, "bash", *words], env=environment(), capture_output=True, text=True, timeout=LIMIT)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def test_every_verb_and_its_options():
    verbs = re.findall(r"^  ([a-z-]+)  ", told_by_help(), re.MULTILINE)
    assert {"check", "explain", "next", "sign"} <= set(verbs)
    assert bash_list("crsbackupctl", "") == sorted([*verbs, "--help", "--json", "--version", "--socket", "--timeout", "-c"])
    assert bash_list("crsbackupctl", "sign", "--") == sorted(
        ["--action", "--body", "--content-type", "--help", "--host", "--json", "--service", "--signed-headers", "--timestamp"])
    assert bash_list("crsbackupctl", "check", "-") == sorted(["-c", "--from", "--help", "--hours", "--json"])
    assert bash_list("crsbackupctl", "check-age", "--s") == ["--schedule", "--socket"]
    for verb in verbs:
        assert {"--help", "--json"} <= set(bash_list("crsbackupctl", verb, "-"))
