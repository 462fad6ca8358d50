"""crsbackupd --check and crsbackupctl check: the same file, the same lines, each its exit code."""

import json
import os
import pathlib
import subprocess
import time

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
CTL = os.environ.get("CRSBACKUPCTL", str(TOP / "build" / "src" / "ctl" / "crsbackupctl"))
DAEMON = os.environ.get("CRSBACKUPD", str(TOP / "build" / "src" / "daemon" / "crsbackupd"))

BAD = """\
region: AP
regoin: ap-guangzhou
timezone: Asia/Shangai
control: {socket: run/s}
secret_key: doNotShow
schedules:
  nightly:
    cron: "0 3 * *"
    instances: [crs-a, crs-a, CRS-b]
"""
BAD_PLACES = ["1:9", "2:1", "3:11", "4:19", "5:1", "8:11", "9:24", "9:31"]


def run(command, file, env=None):
    environment = {**os.environ, **(env or {})}
    return subprocess.run([*command, "-c", str(file)], capture_output=True, text=True, timeout=60, env=environment)


@pytest.fixture(params=["daemon", "ctl"])
def program(request):
    """The command, and its exit code for a bad file."""
    return ([DAEMON, "--check"], 78) if request.param == "daemon" else ([CTL, "check"], 65)


def test_the_example_is_valid(program):
    done = run(program[0], TOP / "conf" / "crsbackupd.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    assert "schedule nightly: " in done.stdout and "+08:00" in done.stdout
    assert "3 schedules, 5 instances, 2 hosts" in done.stdout


def test_every_error_is_one_line_with_its_place(program, tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_text(BAD, encoding="utf-8")
    done = run(program[0], file)
    lines = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (program[1], "")
    assert [line.removeprefix(f"{file}:").split(": ")[0] for line in lines] == BAD_PLACES
    assert "did you mean region?" in lines[1]
    assert "did you mean Asia/Shanghai?" in lines[2]
    assert "absolute path" in lines[3]
    assert "doNotShow" not in done.stderr


def test_warnings_do_not_refuse(program, tmp_path):
    file = tmp_path / "warn.yaml"
    file.write_text(
        'region: ap-x\nschedules:\n  a: {cron: "*/7 * * * *", instances: [crs-a]}\n', encoding="utf-8"
    )
    done = run(program[0], file)
    assert done.returncode == 0
    assert done.stderr.startswith(f"{file}:3:13: warning: cron: ")


def test_the_ca_file_is_read(program, tmp_path):
    file, authority = tmp_path / "crsbackupd.yaml", tmp_path / "ca.pem"
    file.write_text(f"region: ap-x\ntls:\n  ca_file: {authority}\nschedules: {{}}\n", encoding="utf-8")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    subprocess.run([*command, "-subj", "/CN=a CA", "-keyout", "/dev/null", "-out", authority], check=True, capture_output=True)
    assert run(program[0], file).returncode == 0
    with open(authority, "a", encoding="ascii") as stream:
        stream.write("-----BEGIN CERTIFICATE-----\nMIIAAAA\n-----END CERTIFICATE-----\n")
    done = run(program[0], file)
    assert (done.returncode, done.stdout) == (program[1], "")
    assert done.stderr.startswith(f"{file}:3:12: tls.ca_file: {authority}: certificate 2 of the file cannot be read; ")


@pytest.mark.parametrize("kind", ["missing", "directory", "fifo", "empty", "binary", "large", "half", "laughs"])
def test_files_that_are_none(program, tmp_path, kind):
    file = tmp_path / "file.yaml"
    if kind == "directory":
        file.mkdir()
    elif kind == "fifo":
        os.mkfifo(file)
    elif kind == "large":
        with open(file, "wb") as stream:
            stream.truncate(100 * 1024 * 1024)
    elif kind == "laughs":
        lines = ["a0: &a0 [x]"] + [f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
        file.write_text("\n".join(lines), encoding="utf-8")
    elif kind != "missing":
        file.write_bytes({"empty": b"", "binary": bytes(range(256)), "half": b"region: ap-x\nschedules: {a: {"}[kind])
    started = time.monotonic()
    done = run(program[0], file)
    assert (done.returncode, done.stdout) == (program[1], "")
    assert done.stderr.startswith(f"{file}:") and done.stderr.count("\n") == 1
    assert time.monotonic() - started < 20


def test_an_unreadable_file(program, tmp_path):
    file = tmp_path / "closed.yaml"
    file.write_text("region: ap-x\n", encoding="utf-8")
    file.chmod(0)
    # Root reads everything, but for the right to.
    as_others = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    done = run([*as_others, *program[0]], file)
    assert done.returncode == program[1]
    assert str(file) in done.stderr and "Permission denied" in done.stderr


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["--check", "-c", str(TOP / "conf" / "crsbackupd.yaml")]])
def test_an_answer_that_cannot_be_written_is_a_failure(arguments):
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([DAEMON, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (1, "crsbackupd: standard output cannot be written\n")


def test_json_for_programs(tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_text(BAD, encoding="utf-8")
    done = run([CTL, "check", "--json"], file)
    answer = json.loads(done.stdout)
    assert (done.returncode, done.stderr, answer["valid"]) == (65, "", False)
    assert [f"{error['line']}:{error['column']}" for error in answer["errors"]] == BAD_PLACES
    good = json.loads(run([CTL, "check", "--json"], TOP / "conf" / "crsbackupd.yaml").stdout)
    assert (good["valid"], good["schedules"], good["instances"], good["errors"]) == (True, 3, 5, [])
