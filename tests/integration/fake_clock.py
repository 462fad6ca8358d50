"""A wall clock that a test sets: libfaketime's, in front of the daemon and of whoever else shares it."""

import calendar
import glob
import os
import time

LIBRARY = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")[0]  # tests/run installs it


def seconds(text):
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))


class FakeClock:
    """An offset to the real clock, in a file that libfaketime reads at every call."""

    def __init__(self, directory):
        self.file = os.path.join(directory, "offset")
        self.offset = 0.0
        self.environment = {
            "LD_PRELOAD": LIBRARY, "FAKETIME_TIMESTAMP_FILE": self.file, "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0",
        }

    def set(self, text):
        """It is that instant now."""
        self.step(seconds(text) - time.time() - self.offset)

    def step(self, by):
        self.offset += by
        with open(self.file + ".new", "w", encoding="ascii") as file:
            file.write(f"{self.offset:+.6f}\n")
        os.replace(self.file + ".new", self.file)
