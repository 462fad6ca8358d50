"""Every test is run by something: C by a test of meson, Python by tests/run.

Read from what meson knows of the configured build, not from the text of its files.
"""

import json
import re

from source import blank, read

# tests/run knows these suites of meson; a test of another suite would be run by nobody.
SUITES = {"unit", "lint", "sim", "fuzz-corpus", "integration-c"}

PROGRAM = re.compile(r"\bint\s+main\s*\(")
FUZZ_TARGET = re.compile(r"\bLLVMFuzzerTestOneInput\s*\(")
PYTHON_TEST = re.compile(r"^(?:async\s+)?def test_|^class Test", re.MULTILINE)


def introspect(tree, what):
    file = tree.build / "meson-info" / f"intro-{what}.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []


def run_by_meson(tree):
    """Source file -> suites of the tests (or "benchmark") that run a program made from it."""
    sources = {}  # of a program, by its path and by the name that meson gives the target
    for target in introspect(tree, "targets"):
        own = [source for group in target.get("target_sources", []) for source in group.get("sources", [])]
        for key in (*target.get("filename", []), target.get("id")):
            sources[key] = own
    suites = {}
    for what in ("tests", "benchmarks"):
        for test in introspect(tree, what):
            names = {suite.split(":")[-1] for suite in test.get("suite", [])}
            for program in (*test.get("cmd", []), *test.get("depends", [])):
                for source in sources.get(program, []):
                    suites.setdefault(source, set()).update({"benchmark"} if what == "benchmarks" else names)
    return suites


def check_c(tree):
    suites = run_by_meson(tree)
    for path in tree.files("tests"):
        if path.suffix != ".c":
            continue
        code = blank(read(path))
        is_target = bool(FUZZ_TARGET.search(code)) and path.name.startswith("fuzz_")
        if not (PROGRAM.search(code) or is_target or path.name.startswith(("test_", "fuzz_"))):
            continue
        found = suites.get(str(path), set())
        if not found:
            yield tree.name(path), 1, "no test of meson runs a program made from this file"
        elif is_target and "fuzz-corpus" not in found:
            yield tree.name(path), 1, "a fuzz target, but its corpus is not replayed in suite fuzz-corpus"
    for test in introspect(tree, "tests"):
        names = {suite.split(":")[-1] for suite in test.get("suite", [])}
        if not names & SUITES:
            message = f"test {test.get('name')!r} is in no suite of tests/run ({', '.join(sorted(SUITES))})"
            yield "tests/meson.build", 1, message


def check_python(tree):
    """tests/run makes a suite of each directory right below tests/ that holds a test_*.py."""
    for path in tree.files("tests"):
        if path.suffix != ".py":
            continue
        depth = len(path.relative_to(tree.root / "tests").parts)
        has_tests = bool(PYTHON_TEST.search(read(path)))
        collected = path.name.startswith("test_") and depth == 2
        if has_tests and not collected:
            message = "has tests that tests/run does not collect: call it tests/SUITE/test_*.py"
            yield tree.name(path), 1, message
        elif path.name.startswith("test_") and not (collected and has_tests):
            yield tree.name(path), 1, "named like a file of tests, but pytest finds none in it"


def check_corpora(tree):
    for path in tree.files("tests/fuzz"):
        if path.name.startswith("fuzz_") and path.suffix == ".c":
            corpus = path.parent / "corpus" / path.stem.removeprefix("fuzz_")
            if not corpus.is_dir() or not any(corpus.iterdir()):
                yield tree.name(path), 1, f"no inputs in {tree.name(corpus)}"


def check(tree):
    yield from check_c(tree)
    yield from check_python(tree)
    yield from check_corpora(tree)
