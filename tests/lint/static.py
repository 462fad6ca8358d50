#!/usr/bin/python3
"""What compilers and analysers say: static.py [--root DIR]

Builds the tree with gcc and with clang (the fuzz targets too), without sanitizers and optimised, so that
both tell all their warnings; then clang-tidy over each file of src/ and cppcheck over all of them.
Prints "ok - NAME" or the output and "not ok - NAME" for each. Exit 0 when all are ok. With CI=true in the
environment a warning of a compiler is a failure; without it, it is shown.
"""

import argparse
import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys

JOBS = 2
MESON = "/usr/bin/meson"
COMPILERS = {"gcc": ["-Dbuildtype=debugoptimized"], "clang": ["-Dbuildtype=debugoptimized", "-Dfuzz=true"]}

CPPCHECK = [
    "/usr/bin/cppcheck", f"-j{JOBS}", "-q", "--std=c11", "--enable=warning,performance,portability",
    "--error-exitcode=1", "--inline-suppr", "--suppress=missingIncludeSystem", "--suppress=unmatchedSuppression",
    "-D_GNU_SOURCE", "-DMUST_CHECK=", "-DCURL_IGNORE_DEPRECATION(statements)=statements", "-Isrc",
]  # fmt: skip


def call(command, root, env=None):
    done = subprocess.run(
        command, cwd=root, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


def tell(name, good, output):
    if not good:
        print(output.rstrip())
    print(f"{'ok' if good else 'not ok'} - {name}", flush=True)
    return good


def compile_with(root, compiler, options):
    directory = f"build-static-{compiler}"
    werror = "true" if os.environ.get("CI") == "true" else "false"
    setup = [MESON, "setup", f"-Dwerror={werror}", *options, directory]
    known = (root / directory / "meson-private" / "coredata.dat").is_file()
    code, output = call(setup + (["--reconfigure"] if known else []), root, {"CC": compiler})
    if code != 0 and known:
        shutil.rmtree(root / directory)
        code, output = call(setup, root, {"CC": compiler})
    if code == 0:
        code, output = call(["/usr/bin/ninja", f"-j{JOBS}", "-C", directory], root)
        for line in output.splitlines():
            if code == 0 and "warning:" in line:
                print(line)
    return tell(f"build with {compiler}", code == 0, output)


def tidy(root, path):
    name = path.relative_to(root).as_posix()
    code, output = call(["/usr/bin/clang-tidy", "--quiet", "-p", "build-static-clang", name], root)
    lines = [line for line in output.splitlines() if not line.endswith(("warnings generated.", "warning generated."))]
    return name, code == 0, "\n".join(lines)


def main(arguments):
    parser = argparse.ArgumentParser(description="compilers and analysers over src/")
    parser.add_argument("--root", default=pathlib.Path(__file__).resolve().parent.parent.parent, type=pathlib.Path)
    root = parser.parse_args(arguments).root.resolve()

    good = True
    for compiler, options in COMPILERS.items():
        good &= compile_with(root, compiler, options)

    sources = sorted((root / "src").rglob("*.c"))
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        for name, clean, output in pool.map(lambda path: tidy(root, path), sources):
            good &= tell(f"clang-tidy {name}", clean, output)

    code, output = call([*CPPCHECK, "src"], root)
    good &= tell("cppcheck", code == 0, output)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
