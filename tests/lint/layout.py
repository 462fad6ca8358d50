"""clang-format changes nothing."""

import re
import subprocess

PROGRAM = "clang-format"
REPORT = re.compile(r"^(.*?):(\d+):\d+: (?:error|warning): (.*)$")


def check(tree):
    files = tree.c_files("src", "tests")
    if not files:
        return
    done = subprocess.run(
        [PROGRAM, "--dry-run", "-Werror", "--style=file", *map(str, files)],
        capture_output=True, text=True, check=False, cwd=tree.root,
    )  # fmt: skip
    if done.returncode == 0:
        return
    seen = set()
    for line in done.stderr.splitlines():
        match = REPORT.match(line)
        if match and match.group(1) not in seen:  # the first place of a file is enough
            seen.add(match.group(1))
            yield match.group(1).removeprefix(f"{tree.root}/"), match.group(2), "clang-format would change this"
    if not seen:
        yield PROGRAM, 1, done.stderr.strip() or "failed"
