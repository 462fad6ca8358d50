"""Who may include whom: the floors, and one owner for each library."""

import fnmatch
import re

from source import blank, line_of, read

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]*)"|<([^>]*)>|(\S.*))', re.MULTILINE)

# What the files of a floor may include of ours. A path that ends in / allows what lies below it.
FLOORS = {
    "base": ("base/",),
    "engine": ("engine/", "base/"),
    "ports": ("ports/", "engine/ports.h", "engine/model.h", "base/"),
    "daemon": ("daemon/", "ports/", "engine/", "base/"),
    "ctl": ("ctl/", "ports/", "engine/", "base/"),
}

# The only headers of the system for the floors without a clock and without I/O.
PURE_FLOORS = ("base", "engine")
PURE_HEADERS = {
    "assert.h", "ctype.h", "errno.h", "float.h", "inttypes.h", "limits.h", "malloc.h", "math.h", "stdalign.h",
    "stdarg.h", "stdbool.h", "stddef.h", "stdint.h", "stdio.h", "stdlib.h", "string.h", "strings.h",
}  # fmt: skip

# A header of a library or of the clock, and the files that own it.
OWNERS = (
    ("openssl/*", ("base/digest.c", "ports/certificates.c", "ports/http_curl_roots.c")),
    ("cjson/*", ("base/json.c",)),
    ("curl/*", ("ports/http_curl*",)),
    ("yaml.h", ("ports/config_yaml*",)),
    ("sqlite3.h", (
        "ports/ledger_schema*", "ports/ledger_rows*", "ports/ledger_reader*", "ports/ledger_history*",
    )),
    ("syslog.h", ("ports/log_syslog*",)),
    ("microhttpd.h", ("ports/metrics_http*",)),
    ("uv.h", (
        "ports/http_curl*", "ports/clock_system*", "ports/ledger_sqlite*", "ports/ledger_worker*",
        "ports/control_socket*", "ports/metrics_http*", "ports/credentials_*", "daemon/*",
    )),
    ("time.h", ("ports/clock_system*",)),
    ("sys/time.h", ("ports/clock_system*",)),
    ("sys/timerfd.h", ("ports/clock_system*",)),
)  # fmt: skip


def allowed_by_floor(floor, header):
    return any(header == rule or (rule.endswith("/") and header.startswith(rule)) for rule in FLOORS[floor])


def quoted(tree, name, floor, header):
    if header == "version.h":  # made from src/version.h.in by the build
        return None
    if not (tree.root / "src" / header).is_file():
        return f'"{header}" is not a file below src/; ours are included as "floor/room.h"'
    if not allowed_by_floor(floor, header):
        return f'{floor} must not include "{header}"; it sees {", ".join(FLOORS[floor])}'
    return None


def angled(name, floor, header):
    for pattern, owners in OWNERS:
        if fnmatch.fnmatch(header, pattern):
            if any(fnmatch.fnmatch(name, owner) for owner in owners):
                return None
            return f"<{header}> belongs to {', '.join(owners)} alone"
    if floor in PURE_FLOORS and header not in PURE_HEADERS:
        return f"<{header}> is not for {floor}: no library, no clock, no I/O there"
    return None


def check(tree):
    for path in tree.c_files("src"):
        name = path.relative_to(tree.root / "src").as_posix()
        floor = name.split("/")[0]
        if "/" not in name or floor not in FLOORS:
            yield tree.name(path), 1, f"not on a floor; the floors are {', '.join(FLOORS)}"
            continue
        text = blank(read(path), strings=False)
        for match in INCLUDE.finditer(text):
            ours, system, other = match.groups()
            if ours is not None:
                problem = quoted(tree, name, floor, ours)
            elif system is not None:
                problem = angled(name, floor, system)
            else:
                problem = f"computed include {other!r}; name the header"
            if problem:
                yield tree.name(path), line_of(text, match.start()), problem
