"""Functions that this program never calls, found as words of the code."""

import re

from source import blank, line_of, read

UNBOUNDED = "no bound: use the builder of base/text.h or snprintf"
LENIENT = "takes anything for a number: use a parser that can refuse"
ZONE = "process-wide zone: use base/civil.h and base/zone.h"
SHELL = "starts a shell"

BANNED = {
    "strcpy": UNBOUNDED, "strcat": UNBOUNDED, "sprintf": UNBOUNDED, "vsprintf": UNBOUNDED,
    "gets": UNBOUNDED, "stpcpy": UNBOUNDED,
    "atoi": LENIENT, "atol": LENIENT, "atoll": LENIENT, "atof": LENIENT,
    "strtok": "hidden state: walk the text",
    "localtime": ZONE, "localtime_r": ZONE, "gmtime": ZONE, "gmtime_r": ZONE, "mktime": ZONE,
    "timegm": ZONE, "tzset": ZONE, "ctime": ZONE, "asctime": ZONE,
    "setenv": "a race with every reader of the environment",
    "putenv": "a race with every reader of the environment",
    "unsetenv": "a race with every reader of the environment",
    "rand": "chance is an argument or a port", "srand": "chance is an argument or a port",
    "random": "chance is an argument or a port",
    "system": SHELL, "popen": SHELL,
    "alloca": "no bound on the stack",
}  # fmt: skip

# A member of that name, as in thing->system, is no call of it.
WORD = re.compile(r"(?<![\w.])(?<!->)(" + "|".join(BANNED) + r")\b")


def check(tree):
    for path in tree.c_files("src"):
        code = blank(read(path))
        code = re.sub(r"#\s*include[^\n]*", lambda match: " " * len(match.group(0)), code)
        for match in WORD.finditer(code):
            word = match.group(1)
            yield tree.name(path), line_of(code, match.start()), f"{word}: {BANNED[word]}"
