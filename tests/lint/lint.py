#!/usr/bin/python3
"""The house rules that a machine can hold: lint.py [--root DIR] [--build DIR] [RULE...]

Each rule is a module of this directory with check(tree), which yields (path, line, message). Without a
rule's name all of them run. Exit 0: nothing found; 1: findings, one a line; 2: wrong usage.
"""

import argparse
import importlib
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from source import Tree  # noqa: E402

RULES = ("includes", "symbols", "banned", "size", "registered", "layout", "map", "style", "words", "events", "manual")
NEED_BUILD = ("symbols", "registered")


def main(arguments):
    parser = argparse.ArgumentParser(description="holds the tree against the house rules")
    parser.add_argument("--root", default=HERE.parent.parent, help="the checkout (default: this one)")
    parser.add_argument("--build", help="a configured and built meson directory of it")
    parser.add_argument("rules", nargs="*", metavar="RULE", help=", ".join(RULES))
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.rules) - set(RULES))
    if unknown:
        parser.error(f"no rule {unknown[0]!r}; there are {', '.join(RULES)}")
    chosen = options.rules or [r for r in RULES if options.build or r not in NEED_BUILD]
    if not options.build and set(chosen) & set(NEED_BUILD):
        parser.error(f"{' and '.join(NEED_BUILD)} need --build DIR")

    tree = Tree(options.root, options.build)
    findings = 0
    for rule in chosen:
        for path, line, message in importlib.import_module(rule).check(tree):
            print(f"{path}:{line}: {message} [{rule}]")
            findings += 1
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
