"""The ways out of docs/ledger-recovery.md, run as they stand there."""

import pathlib
import re
import subprocess

DOC = pathlib.Path(__file__).resolve().parent.parent.parent / "docs/ledger-recovery.md"
STATE_DIR, COPIES = "/var/lib/crsbackupd", "/var/backups"


def commands(heading):
    """The lines of the shell block below a heading."""
    text = DOC.read_text(encoding="utf-8")
    match = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert match, f"{DOC.name} has no {heading!r}"
    (block,) = re.findall(r"^```sh\n(.*?)^```", match.group(1), re.MULTILINE | re.DOTALL)
    return block.splitlines()


def run(heading, state_dir, copies):
    """Runs them with other directories. The daemon is the test's: it is stopped, and started after this."""
    lines = commands(heading)
    services = [line for line in lines if line.startswith("systemctl ")]
    assert services in ([], ["systemctl start crsbackupd"], ["systemctl stop crsbackupd", "systemctl start crsbackupd"])
    for line in lines:
        if line not in services:
            line = line.replace(STATE_DIR, str(state_dir)).replace(COPIES, str(copies))
            subprocess.run(["/bin/bash", "-euo", "pipefail", "-c", line], check=True, timeout=30, stdin=subprocess.DEVNULL)
