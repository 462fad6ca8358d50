"""Durations as people write them (`150ms`, `2s`, `5m`, `1h`, or a bare number of seconds), in whole nanoseconds."""

import re

_UNITS = {"": 10**9, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9}
_FORM = re.compile(r"(-?)([0-9]+(?:\.[0-9]+)?)(us|ms|s|m|h|d|)")


def parse_ns(value):
    """Nanoseconds of a duration given as text or as a number of seconds; ValueError where it is neither."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"not a duration: {value!r}")
    match = _FORM.fullmatch(str(value).strip())
    if not match:
        raise ValueError(f"not a duration: {value!r} (150ms, 2s, 5m, 1h)")
    sign, digits, unit = match.groups()
    amount = round(float(digits) * _UNITS[unit])
    return -amount if sign else amount
