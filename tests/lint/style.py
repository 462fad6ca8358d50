"""How a file begins, and how a comment is written."""

import re

from source import LEXICAL, blank, line_of, read


def check(tree):
    for path in tree.c_files("src", "tests"):
        name, text = tree.name(path), read(path)
        if not text.lstrip().startswith("/*"):
            yield name, 1, "begins with no comment that says what this file is"
        code = blank(text)
        if path.suffix == ".h":
            first = next((line.strip() for line in code.splitlines() if line.strip()), "")
            if not re.fullmatch(r"#\s*pragma\s+once", first):
                yield name, 1, "its first line of code is not #pragma once"
        for match in LEXICAL.finditer(text):
            if match.group(0).startswith("//"):
                yield name, line_of(text, match.start()), "a // comment; write /* */"
        for number, line in enumerate(code.splitlines(), 1):
            typedef = re.match(r"\s*typedef\b", line)
            if typedef and "(*" not in line:
                yield name, number, "a typedef of something else than a function pointer"
