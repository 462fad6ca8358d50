"""Every event of the code stands in docs/log-events.md and has an identity for the journal, the same in both.

An event is what stands as a literal in the second argument of a function that makes one or hands its name on. Where
its level stands in the first, the document has the same; and the document names every field that the code gives one.
"""

import re

from source import blank, line_of, read

DOCUMENT, IDENTITIES = "docs/log-events.md", "src/ports/log_journal_ids.c"
MAKERS = (
    "event_make", "of_run", "of_submission", "report_slot", "report_not_run", "report_slot_not_run",
    "report_slots_not_run", "daemon_say_counts", "daemon_say_failure",
)  # fmt: skip
CALL = re.compile(rf"\b(?:{'|'.join(MAKERS)})\(")
LEVEL = re.compile(r"\bEVENT_(ERR|WARNING|NOTICE|INFO|DEBUG)\b")
FIELD = re.compile(r'\bevent_(?:text|number|instant|duration)\(&?\w+,\s*"([a-z_]+)"')
LITERAL = re.compile(r'"([a-z_]+)"')
IDENTITY = re.compile(r'\{"([a-z_]+)", "(\w+)"\}')
ROW = re.compile(r"^\| ([a-z_]+(?:, [a-z_]+)*) \| (err|warning|notice|info|debug)\b(.*)")
DOCUMENTED_IDENTITY = re.compile(r"^\| `([0-9a-f]{32})` \| ([a-z_]+) \|$")


def second_argument(code, start):
    """Where the second argument of the call whose arguments begin at `start` begins and ends."""
    depth, commas = 0, [start]
    for offset in range(start, len(code)):
        if code[offset] in "([{":
            depth += 1
        elif code[offset] in ")]}":
            depth -= 1
        if depth < 0 or (depth == 0 and code[offset] == ","):
            commas.append(offset)
            if depth < 0 or len(commas) == 3:
                break
    return commas[1], commas[2] if len(commas) == 3 else commas[1]


def events_of_code(tree):
    """name: (file, line, level), each name at its first place; the level is None where the call does not say it."""
    found = {}
    for path in tree.c_files("src"):
        text = read(path)
        code, bare = blank(text, strings=False), blank(text)
        for call in CALL.finditer(bare):
            begin, end = second_argument(bare, call.end())
            names, levels = LITERAL.findall(code[begin:end]), LEVEL.findall(code[call.end():begin])
            if len(levels) != len(names):  # "ok ? A : B, ok ? a : b" names both
                levels = (levels if len(levels) == 1 else [None]) * len(names)
            for name, level in zip(names, levels):
                found.setdefault(name, (tree.name(path), line_of(text, begin), level and level.lower()))
    return found


def fields_of_code(tree):
    """(name, file, line) of what events are given."""
    for path in tree.c_files("src"):
        text = read(path)
        for match in FIELD.finditer(blank(text, strings=False)):
            yield match[1], tree.name(path), line_of(text, match.start())


def matches(tree, name, pattern):
    path = tree.root / name
    lines = read(path).splitlines() if path.is_file() else []
    return [(number, match) for number, line in enumerate(lines, 1) for match in pattern.finditer(line)]


def check(tree):
    code = events_of_code(tree)
    identities = {match[1]: (match[2], number) for number, match in matches(tree, IDENTITIES, IDENTITY)}
    told = [(number, *match.groups()) for number, match in matches(tree, DOCUMENT, ROW)]
    rows = {name: (number, level) for number, names, level, _ in told for name in names.split(", ")}
    words = {word for _, _, _, rest in told for word in re.findall("[a-z_]+", rest)}
    documented = {match[2]: (match[1], number) for number, match in matches(tree, DOCUMENT, DOCUMENTED_IDENTITY)}

    for name, path, line in fields_of_code(tree):
        if name not in words:
            yield path, line, f"the field {name} is not told of in {DOCUMENT}"
    for name, (path, line, level) in sorted(code.items()):
        if name not in identities:
            yield path, line, f"the event {name} has no identity in {IDENTITIES}"
        if name not in rows:
            yield path, line, f"the event {name} is not told of in {DOCUMENT}"
        elif level is not None and level != rows[name][1]:
            yield path, line, f"the event {name} is {level} here, and {rows[name][1]} in {DOCUMENT}"
    for name, (line, _) in sorted(rows.items()):
        if name not in code:
            yield DOCUMENT, line, f"the code has no event {name}"
    for name, (identity, line) in sorted(identities.items()):
        if name not in code:
            yield IDENTITIES, line, f"the code has no event {name}"
        if not re.fullmatch("[0-9a-f]{32}", identity):
            yield IDENTITIES, line, f"the identity of {name} is not 32 hexadecimal digits"
        if documented.get(name, ("",))[0] != identity:
            yield IDENTITIES, line, f"{DOCUMENT} has no line | `{identity}` | {name} |"
        if [other for other, (its, _) in identities.items() if its == identity] != [name]:
            yield IDENTITIES, line, f"{name} has the identity of another"
    for name, (_, line) in sorted(documented.items()):
        if name not in identities:
            yield DOCUMENT, line, f"{IDENTITIES} has no identity of {name}"
