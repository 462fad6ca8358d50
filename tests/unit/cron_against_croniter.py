"""cron_next() in UTC against the evaluator of Debian's python3-croniter, over seeded random
expressions. Left out is what croniter reads otherwise than Vixie cron: a day field that begins with
a star and a step while the other day field is restricted; a list of all days, which it takes for a
star. Slots on the first of March are not compared: croniter 1.3.5 steps over that day from February.

usage: cron_against_croniter.py PROBE [CASES]
"""

import random
import subprocess
import sys
from datetime import datetime, timezone

from croniter import croniter

FIELDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
STARS = (25, 25, 55, 75, 55)


def item(rng, low, high):
    first = rng.randint(low, high)
    last = rng.randint(first, high)
    kind = rng.randrange(3)
    if kind == 0 or first == last:
        return str(first)
    return f"{first}-{last}" if kind == 1 else f"{first}-{last}/{rng.randint(1, high)}"


def field(rng, index):
    low, high = FIELDS[index]
    if rng.randrange(100) < STARS[index]:
        return "*"
    if rng.randrange(4) == 0:
        return f"*/{rng.randint(2, high)}"
    return ",".join(item(rng, low, high) for _ in range(rng.randint(1, 3)))


def expression(rng):
    while True:
        fields = [field(rng, i) for i in range(5)]
        day, weekday = fields[2], fields[4]
        if is_full(day, 31) or is_full(weekday, 7):
            continue
        if "*" in (day, weekday) or "*" not in day + weekday:
            return " ".join(fields)


def is_full(field_text, count):
    days = set()
    for part in field_text.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if span == "*":
            return False
        days |= set(range(int(first), int(last or first) + 1, int(step or 1)))
    return len(days) == count


def main(probe, cases="3000"):
    rng = random.Random(20261124)
    questions = []
    for _ in range(int(cases)):
        questions.append((rng.randint(-10**9, 4 * 10**9), expression(rng)))
    run = subprocess.run([probe], input="".join(f"{t} {e}\n" for t, e in questions),
                         capture_output=True, text=True, check=True)
    answers = run.stdout.splitlines()
    wrong = skipped = 0
    for (second, text), answer in zip(questions, answers, strict=True):
        if "never" in answer:
            skipped += 1  # croniter gives up after some years
            continue
        days = [datetime.fromtimestamp(int(a), timezone.utc) for a in answer.split()]
        if any((d.month, d.day) == (3, 1) for d in days):
            skipped += 1
            continue
        start = datetime.fromtimestamp(second, timezone.utc)
        try:
            it = croniter(text, start, max_years_between_matches=50)
            slots = [int(it.get_next(datetime).timestamp()) for _ in range(3)]
        except ValueError as error:
            print(f"{text}: {error}")
            skipped += 1
            continue
        if [int(a) for a in answer.split()] != slots:
            wrong += 1
            print(f"'{text}' after {second}: {answer}, croniter says {slots}")
    print(f"{len(questions)} expressions, {skipped} not comparable, {wrong} differ")
    if wrong or skipped > len(questions) // 20:
        sys.exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
