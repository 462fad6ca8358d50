"""What a truth file shows: rates, windows, answers, and who was backed up how often.

    python3 -m cloud.report TRUTH.jsonl [--action ManualBackupInstance] [--since WALL_NS] [--limit 20] [--json]

A window is one second that begins at an arrival, [t, t + 1 s), counted for every arrival. Only what came after the last
reset is looked at.
"""

import argparse
import collections
import json
import sys

SECOND = 10**9


def load(lines):
    """Records of JSON lines (bytes or text), blank and half-written last lines left out, from the last reset on."""
    records = []
    for line in lines:
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if record.get("kind") == "reset":
            records.clear()
        records.append(record)
    return records


def windows(instants):
    """For each of the sorted instants (ns): how many lie in the second that begins with it."""
    counts, end = [], 0
    for start, instant in enumerate(instants):
        while end < len(instants) and instants[end] < instant + SECOND:
            end += 1
        counts.append(end - start)
    return counts


def measure(records, action="ManualBackupInstance", since_wall_ns=None, limit=20):
    """The figures of one action's arrivals, as a dictionary. Rates count from the first arrival to the last; with
    `since_wall_ns` (a due instant, say) also from there."""
    arrivals = sorted((r for r in records if r.get("kind") == "arrival" and (action is None or r.get("action") == action)
                       and (since_wall_ns is None or r["wall_ns"] >= since_wall_ns)), key=lambda r: r["mono_ns"])
    instants = [r["mono_ns"] for r in arrivals]
    counts = windows(instants)
    gaps = [later - earlier for earlier, later in zip(instants, instants[1:])]
    span = instants[-1] - instants[0] if instants else 0
    backups = collections.Counter(r["instance"] for r in arrivals if r.get("acted") and r.get("task_id") is not None)
    figures = {
        "action": action,
        "arrivals": len(arrivals),
        "worst_window": max(counts, default=0),
        "windows_over_limit": sum(count > limit for count in counts) if limit else 0,
        "limit": limit,
        "span_s": round(span / SECOND, 6),
        "rate_per_s": round((len(instants) - 1) * SECOND / span, 4) if span else None,
        "smallest_gap_ms": round(min(gaps) / 1e6, 3) if gaps else None,
        "largest_gap_ms": round(max(gaps) / 1e6, 3) if gaps else None,
        "codes": _counted(r.get("code") or f"no answer ({r.get('reply')})" for r in arrivals),
        "http_status": _counted(str(r["status"]) for r in arrivals if r.get("status")),
        "faults": _counted(r["fault"] for r in arrivals if r.get("fault")),
        "signatures": _counted(r.get("signature") for r in arrivals),
        "instances": len({r["instance"] for r in arrivals if r.get("instance")}),
        "backed_up": len(backups),
        "tasks": sum(backups.values()),
        "duplicates": {name: n for name, n in sorted(backups.items()) if n > 1},
        "actions": _counted(r.get("action") or "(none)" for r in records if r.get("kind") == "arrival"),
        "connections": sum(r.get("kind") == "connection" and r.get("event") == "open" for r in records),
        "connections_used": len({r["conn"] for r in arrivals}),
        "probes": sum(r.get("kind") == "probe" for r in records),
        "malformed": sum(r.get("kind") in ("malformed", "partial") for r in records),
    }
    if since_wall_ns is not None and arrivals:
        figures["first_after_ms"] = round((arrivals[0]["wall_ns"] - since_wall_ns) / 1e6, 3)
        lasted = max(1, arrivals[-1]["wall_ns"] - since_wall_ns)
        figures["rate_since_per_s"] = round(len(arrivals) * SECOND / lasted, 4)
    return figures


def _counted(values):
    return dict(sorted(collections.Counter(values).items(), key=lambda item: (-item[1], str(item[0]))))


def table(figures):
    """The figures for people."""
    def listed(counter):
        return ", ".join(f"{name} {n}" for name, n in counter.items()) or "-"

    def number(value, unit=""):
        return "-" if value is None else f"{value:g}{unit}"

    limit = f" (limit {figures['limit']}, exceeded in {figures['windows_over_limit']})" if figures["limit"] else ""
    duplicates = figures["duplicates"]
    rows = [
        ("action", figures["action"] or "all"),
        ("arrivals", f"{figures['arrivals']} over {figures['connections_used']} connections"),
        ("worst one-second window", f"{figures['worst_window']}{limit}"),
        ("rate", f"{number(figures['rate_per_s'], '/s')} over {number(figures['span_s'], ' s')}"),
        ("gaps between arrivals", f"{number(figures['smallest_gap_ms'])} to {number(figures['largest_gap_ms'])} ms"),
        ("answers", listed(figures["codes"])),
        ("signatures", listed(figures["signatures"])),
        ("faults", listed(figures["faults"])),
        ("instances", f"{figures['instances']} asked for, {figures['backed_up']} backed up by {figures['tasks']} tasks"),
        ("backed up more than once", listed(dict(list(duplicates.items())[:8])) + (" ..." if len(duplicates) > 8 else "")),
        ("all actions", listed(figures["actions"])),
    ]
    if "rate_since_per_s" in figures:
        rows.insert(4, ("since the given instant", f"first after {number(figures['first_after_ms'], ' ms')}, "
                                                   f"{number(figures['rate_since_per_s'], '/s')}"))
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"  {name.ljust(width)}  {value}" for name, value in rows)


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="cloud.report", description="Show what a truth file of the stand-in tells.")
    parser.add_argument("truth", metavar="TRUTH.jsonl")
    parser.add_argument("--action", default="ManualBackupInstance", help="the action to look at; 'all' for every one")
    parser.add_argument("--since", type=int, metavar="WALL_NS", help="look only at what came from this instant on")
    parser.add_argument("--limit", type=int, default=20, help="count the windows with more arrivals than this")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    try:
        with open(options.truth, "rb") as file:
            records = load(file)
    except OSError as error:
        print(f"cloud.report: {error}", file=sys.stderr)
        return 1
    figures = measure(records, None if options.action == "all" else options.action, options.since, options.limit)
    print(json.dumps(figures, ensure_ascii=False, indent=2) if options.json else table(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
