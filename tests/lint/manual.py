"""The manual pages tell of every key of the file with its words, and of every option and verb of the programs;
the example of the file has every key, be it in a comment.

A key stands in crsbackupd.yaml(5) as a line "*section.key*:" below the heading of where it belongs; a verb begins
a line of crsbackupctl(1).
"""

import re

from source import blank, read

SCHEMA, EXAMPLE = "src/ports/config_schema.c", "conf/crsbackupd.yaml"
KEYS_PAGE, CTL_PAGE, DAEMON_PAGE = (f"docs/man/{name}.scd" for name in ("crsbackupd.yaml.5", "crsbackupctl.1", "crsbackupd.8"))
HEADINGS = {"the file": "THE FILE", "a schedule": "A SCHEDULE", "an instance": "AN INSTANCE"}

TABLE = re.compile(r"static const struct (rule|word) (\w+)\[\] = \{(.*?)\n\};", re.DOTALL)
SECTION = re.compile(r'struct section \w+ = \{"([a-z_.]*)",\s*"([a-z_ ]+)",\s*(\w+),')
RULE = re.compile(r'\.key = "([a-z_]+)"((?:[^.]|\.(?!key\b))*)')
WORD = re.compile(r'\{"([^"]+)",')
ENTRY = re.compile(r"^\*([a-z_.]+)\*:$")
OPTION = re.compile(r'"(--[a-z-]+|-[a-z])"')
LONG_OPTION = re.compile(r'\{"([a-z-]+)", (?:no|required)_argument')
VERB = re.compile(r'\bconst struct verb verb_\w+ = \{\s*(?:\.name = )?"([a-z-]+)"')


def schema(text):
    """{(heading, key): words} of all keys that are more than a section."""
    tables = {name: body for kind, name, body in TABLE.findall(text) if kind == "rule"}
    words = {name: WORD.findall(body) for kind, name, body in TABLE.findall(text) if kind == "word"}
    found = {}
    for prefix, what, table in SECTION.findall(text):
        for key, rest in RULE.findall(tables[table]):
            named = re.search(r"\.words = (\w+)", rest)
            found[HEADINGS.get(what, "THE FILE"), prefix + key] = words[named[1]] if named else []
    parents = {key.rpartition(".")[0] for _, key in found}
    return {place: its for place, its in found.items() if place[1] not in parents}


def entries(page):
    """{(heading, key): (line, text)}"""
    found, heading, place = {}, None, None
    for number, line in enumerate(page.splitlines(), 1):
        entry = ENTRY.match(line)
        if line.startswith("# "):
            heading, place = line[2:], None
        elif entry:
            place = (heading, entry[1])
            found[place] = (number, "")
        elif place:
            found[place] = (found[place][0], found[place][1] + line + "\n")
    return found


def check_keys(tree):
    if not (tree.root / SCHEMA).is_file():
        return
    keys, page = schema(blank(read(tree.root / SCHEMA), strings=False)), entries(read(tree.root / KEYS_PAGE))
    example = read(tree.root / EXAMPLE)
    planned = [key for (_, key) in keys if f"{key}." in {name.rpartition(".")[0] + "." for _, name in page}]
    for (heading, key), words in sorted(keys.items()):
        if key not in planned and not re.search(rf"\b{key.rpartition('.')[2]}:", example):
            yield EXAMPLE, 1, f"does not show {key}"
        if (heading, key) not in page:
            if key not in planned:
                yield KEYS_PAGE, 1, f"does not tell of {key} below {heading}"
            continue
        line, text = page[heading, key]
        for word in words:
            if not re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text):
                yield KEYS_PAGE, line, f"{key} does not tell of {word}"
    for (heading, key), (line, _) in sorted(page.items()):
        if (heading, key) not in keys and key.partition(".")[0] not in planned:
            yield KEYS_PAGE, line, f"there is no key {key} in {heading.lower()}"


def check_programs(tree):
    ctl = read(tree.root / CTL_PAGE) if (tree.root / CTL_PAGE).is_file() else ""
    for path in tree.c_files("src/ctl"):
        text = blank(read(path), strings=False)
        for option in sorted(set(OPTION.findall(text))):
            if f"*{option}*" not in ctl:
                yield CTL_PAGE, 1, f"does not tell of {option} of {tree.name(path)}"
        for verb in VERB.findall(text):
            if not re.search(rf"^\*{verb}\*", ctl, re.MULTILINE):
                yield CTL_PAGE, 1, f"does not tell of the verb {verb}"
    options = tree.root / "src/daemon/options.c"
    for option in LONG_OPTION.findall(read(options)) if options.is_file() else ():
        if f"*--{option}*" not in read(tree.root / DAEMON_PAGE):
            yield DAEMON_PAGE, 1, f"does not tell of --{option}"


def check(tree):
    yield from check_keys(tree)
    yield from check_programs(tree)
