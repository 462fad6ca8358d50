"""The truth: one JSON line for everything that came and what was done about it.

Lines are kept in memory for the control endpoint and appended to a file by `flush`, which the server calls five times a
second and at its end. A line is written when its fate is known, so lines are not in the order of `seq`.
"""

import json


def encode(record):
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"


class Truth:
    """Collects records; `path` may be None."""

    def __init__(self, path=None):
        self._file = open(path, "ab", buffering=0) if path else None
        self._lines = []
        self._flushed = 0
        self._pending = {}       # records that still wait for their fate, by their identity

    def write(self, record):
        """File a record whose fate is known."""
        self._pending.pop(id(record), None)
        self._lines.append(encode(record))

    def hold(self, record):
        """Remember a record until it is written, so that nothing is lost at the end."""
        self._pending[id(record)] = record

    def flush(self):
        if self._flushed == len(self._lines):
            return
        if self._file:
            self._file.write(b"".join(self._lines[self._flushed:]))
        self._flushed = len(self._lines)

    def write_held(self):
        """File what still waits, as it stands."""
        for record in list(self._pending.values()):
            self.write(record)

    def dump(self):
        """Every line so far, those that wait at the end."""
        return b"".join(self._lines) + b"".join(encode(record) for record in self._pending.values())

    def clear(self):
        """Forget what is in memory; the file keeps it."""
        self.flush()
        self._lines.clear()
        self._flushed = 0

    def close(self):
        self.write_held()
        self.flush()
        if self._file:
            self._file.close()
            self._file = None
