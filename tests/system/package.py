"""The Debian package as packaging/build-deb makes it."""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
LIMIT_BUILD = 240


class Build:
    """packaging/build-deb at work on what is in `top`."""

    def __init__(self, top, out, environment=None, umask=0o022, nice=0):
        fixed = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/nonexistent", "DEB_BUILD_OPTIONS": "nocheck parallel=2"}
        self._out, self._log = pathlib.Path(out), tempfile.TemporaryFile()
        self._process = subprocess.Popen(["nice", f"-n{nice}", str(top / "packaging/build-deb"), str(out)], env={**fixed, **(environment or {})},
                                         stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT, umask=umask,
                                         start_new_session=True)

    def files(self):
        """Waits for its end; what came out."""
        code = self._process.wait(LIMIT_BUILD)
        self._log.seek(0)
        assert code == 0, self._log.read().decode(errors="replace")[-8000:]
        return sorted(self._out.iterdir())

    def end(self):
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._log.close()


def copy_tree(to):
    """The sources in another place, with other rights."""
    shutil.copytree(TOP, to, symlinks=True, ignore=lambda directory, names: {
        name for name in names if name in (".git", "__pycache__") or (directory == str(TOP) and name.startswith("build"))})
    for directory, _, files in os.walk(to):
        for name in files:
            path = os.path.join(directory, name)
            os.chmod(path, os.stat(path).st_mode & 0o700)


def with_version(package, version, directory):
    """The same package under a higher version, whose file for the keys says something else."""
    tree = pathlib.Path(directory) / "tree"
    subprocess.run(["dpkg-deb", "-R", str(package), str(tree)], check=True, timeout=60)
    control = tree / "DEBIAN/control"
    lines = [f"Version: {version}" if line.startswith("Version:") else line for line in control.read_text().splitlines()]
    control.write_text("\n".join(lines) + "\n")
    with open(tree / "usr/share/crsbackupd/credentials.env", "a", encoding="utf-8") as template:
        template.write("# Another line.\n")
    made = pathlib.Path(directory) / f"crsbackupd_{version}.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", str(tree), str(made)], check=True, timeout=60, stdout=subprocess.DEVNULL)
    return made
