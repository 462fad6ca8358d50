"""Words that tell of work left undone, and paths of one person's machine, in any text of the tree."""

import re

from source import line_of

# Put together from pieces, so that this file does not find itself.
UNDONE = re.compile(r"\b(" + "|".join(("TO" "DO", "FIX" "ME", "X" "XX", "HA" "CK")) + r")\b")
PUT_OFF = re.compile(r"\b(" + "|".join(("for" r"\s+now", "place" "holder", "dum" "my")) + r")s?\b", re.IGNORECASE)
MACHINE = re.compile(r"(?<![\w.$~})*-])/(?:" + "|".join(("ho" "me", "wo" "rk", "ro" "ot")) + r")/")

BYTES_OF_OTHERS = ("tests/fuzz/corpus/", "tests/data/")


def check(tree):
    for path in tree.files():
        name = tree.name(path)
        if name.startswith(BYTES_OF_OTHERS):
            continue
        try:
            text = path.read_bytes().decode("utf-8")
        except UnicodeDecodeError:
            continue  # not a text
        for pattern, message in (
            (UNDONE, "work left undone"),
            (PUT_OFF, "work put off"),
            (MACHINE, "a path of one machine; write ~ or a variable"),
        ):
            for match in pattern.finditer(text):
                yield name, line_of(text, match.start()), f"{match.group(0)!r}: {message}"
