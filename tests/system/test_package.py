"""The Debian package by itself: the same bytes wherever it is built, lintian silent, the service's exposure."""

import hashlib
import re
import subprocess

from package import TOP, build, copy_tree


def sums(files):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files if path.suffix in (".deb", ".xz")}


def test_the_same_bytes_elsewhere(built, tmp_path):
    copy_tree(tmp_path / "an other place")
    (tmp_path / "scratch").mkdir()
    again = build(tmp_path / "an other place", tmp_path / "out", {"TZ": "Asia/Tokyo", "LANG": "C", "TMPDIR": str(tmp_path / "scratch")}, 0o077)
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
