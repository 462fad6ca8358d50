"""The Debian package by itself: the same bytes wherever it is built, lintian silent, the service's exposure."""

import hashlib
import re
import subprocess

from package import TOP


def sums(files):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files if path.suffix in (".deb", ".xz")}


def test_the_same_bytes_elsewhere(built, again):
    assert len(sums(built)) == 3
    assert sums(again) == sums(built)


def test_lintian(built):
    changes = next(path for path in built if path.suffix == ".changes")
    done = subprocess.run(["lintian", "--allow-root", "--fail-on", "error,warning", "--no-tag-display-limit", str(changes)],
                          capture_output=True, text=True, timeout=120, check=False, env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"})
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_exposure():
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", str(TOP / "systemd/crsbackupd.service")],
                          capture_output=True, text=True, timeout=60, check=True)
    assert float(re.search(r"Overall exposure level for crsbackupd.service: ([\d.]+)", done.stdout).group(1)) <= 1.2
