"""Turns tests/data/cron-cases.jsonl into a C table (struct cron_row of test_cron_rows.c).

usage: cron_rows.py CASES.jsonl OUTPUT.h
"""

import json
import sys
from datetime import datetime

KINDS = {"next", "invalid", "window", "match", "nomatch", "never"}
KNOWN = {"id", "source", "ref", "kind", "expr", "tz", "from", "until", "expected",
         "not_expected", "tags"}


def c_string(text):
    return '"' + "".join(
        c if 32 <= ord(c) < 127 and c not in '"\\?' else "".join(f"\\{b:03o}" for b in c.encode())
        for c in text) + '"'


def instant(text):
    when = datetime.fromisoformat(text)
    if when.tzinfo is None:
        raise ValueError(f"no offset in {text}")
    seconds = when.timestamp()
    if seconds != int(seconds):
        raise ValueError(f"fraction of a second in {text}")
    return f"INT64_C({int(seconds)})"


def main(source, target):
    out = ["/* Made by cron_rows.py. */", "static const struct cron_row cron_rows[] = {"]
    with open(source, encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if row["kind"] not in KINDS or set(row) - KNOWN:
                raise ValueError(f"unknown kind or key in {line}")
            slots = []
            if row["kind"] != "invalid":
                slots = row["not_expected" if row["kind"] == "nomatch" else "expected"]
            start = instant(row["from"]) if "from" in row else "0"
            until = instant(row["until"]) if "until" in row else "0"
            times = ", ".join(instant(s) for s in slots) or "0"
            out.append("    {%s, ROW_%s, %s, %s, %s, %s, %d, {%s}}," % (
                c_string(row["id"]), row["kind"].upper(), c_string(row["expr"]),
                c_string(row["tz"]), start, until, len(slots), times))
    out.append("};")
    with open(target, "w", encoding="utf-8") as file:
        file.write("\n".join(out) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
