"""SIGKILL at system calls of a slot's life that change a file or a socket; then a restart.

One life without a fault tells which calls there are, from the start over the backups' ends to the drain.
The normal run kills at a sample of them, each kind of call among it, the nightly one at 500 and more. A
third of the kills leave the call half done, as far as the call allows, a third come a while after the call,
which its thread spends in it and the other thread as it likes. Many daemons live side by side, each with a
directory and instances of its own: they mostly wait for their slot.
"""

import collections
import concurrent.futures
import itertools

from lives import NIGHTLY, orders, tell

AT_ONCE = 32
# How many members make a life of enough calls, and how many kills are wanted of it.
MEMBERS, KILLS = (44, 500) if NIGHTLY else (8, 110)


def calls_of_a_life(cloud):
    """The names of all calls, in their order."""
    tale = tell(cloud, 0, MEMBERS, lambda trace: orders("list", "writes", 1, trace=trace))
    assert not tale.trouble, tale.trouble
    return [line.split()[1] for line in tale.met.splitlines()]


def sample(calls):
    """Numbers of calls, from 1: evenly spread, a tenth more than is wanted, and the first of each kind."""
    wanted = min(len(calls), KILLS + KILLS // 10)
    return sorted({1 + number * len(calls) // wanted for number in range(wanted)} | {1 + calls.index(name) for name in set(calls)})


def kill_at(cloud, nth, kind):
    return tell(cloud, nth, MEMBERS, lambda trace: orders(kind, "writes", nth, trace=trace))


def test_kills_at_calls(stand_in):
    cloud = stand_in("--any-instance", "--limit", "0", "--task-time", "0", "--latency", "20ms", "--jitter", "30ms")
    calls = calls_of_a_life(cloud)
    kinds = itertools.cycle(("kill", "torn", "late"))
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        tales = list(pool.map(kill_at, itertools.repeat(cloud), sample(calls), kinds))
    by_instance = collections.defaultdict(list)
    for arrival in cloud.arrivals():
        by_instance[arrival["instance"]].append(arrival)
    complaints = [text for tale in tales
                  for text in tale.judge([arrival for name in tale.names for arrival in by_instance[name]])]
    assert not complaints, "\n".join(complaints[:40])
    killed = [tale for tale in tales if tale.met]  # no two lives make quite the same number of calls
    assert all(tale.status == -9 for tale in killed)
    met = collections.Counter(tale.met.split()[1] for tale in killed)
    ends = collections.Counter((row.result, row.finish) for tale in killed for row in tale.rows if row.instance != "*")
    found = sum(event.get("found") == "lookup" for tale in killed for event in tale.events)
    print(f"{len(killed)} kills of {len(calls)} calls: {dict(met)}; runs ended as {dict(ends)}, {found} found by a look-up")
    assert len(killed) >= KILLS
    assert set(met) >= {"pwrite", "fdatasync", "send", "write", "ftruncate64", "open"}
    assert found > 0
