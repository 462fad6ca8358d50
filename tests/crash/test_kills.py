"""SIGKILL at each system call of a slot's life that changes a file or a socket, in turn; then a restart.

Every third kill leaves the call half done, as far as the call allows. Many daemons live side by side, each
with a directory and instances of its own: they mostly wait for their slot.
"""

import collections
import concurrent.futures
import itertools

from lives import NIGHTLY, orders, tell

AT_ONCE = 14
# How many members make a life of enough calls, and how many kills are wanted of it.
MEMBERS, KILLS = (44, 500) if NIGHTLY else (8, 130)


def kill_at(cloud, nth):
    kind = "torn" if nth % 3 == 0 else "kill"
    return tell(cloud, nth, MEMBERS, lambda trace: orders(kind, "writes", nth, trace=trace))


def many_kills(cloud):
    """Tales of lives killed at their first, second, ... call, until enough of them were, or none is any more."""
    tales, beyond = [], 0
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        counter = itertools.count(1)
        waiting = {pool.submit(kill_at, cloud, next(counter)) for _ in range(AT_ONCE)}
        while waiting:
            done, waiting = concurrent.futures.wait(waiting, return_when=concurrent.futures.FIRST_COMPLETED)
            for one in done:
                tales.append(one.result())
                beyond += not tales[-1].met
                enough = len(tales) + len(waiting) - beyond >= KILLS or beyond >= 20
                if not enough and not any(tale.trouble for tale in tales):
                    waiting.add(pool.submit(kill_at, cloud, next(counter)))
    return tales


def test_a_kill_at_every_call(stand_in):
    cloud = stand_in("--any-instance", "--limit", "0", "--task-time", "0", "--latency", "20ms", "--jitter", "30ms")
    tales = many_kills(cloud)
    by_instance = collections.defaultdict(list)
    for arrival in cloud.arrivals():
        by_instance[arrival["instance"]].append(arrival)
    complaints = [text for tale in tales
                  for text in tale.judge([arrival for name in tale.names for arrival in by_instance[name]])]
    assert not complaints, "\n".join(complaints)
    killed = [tale for tale in tales if tale.met]
    assert all(tale.status == -9 for tale in killed)
    calls = collections.Counter(tale.met.split()[1] for tale in killed)
    results = collections.Counter(row.result for tale in killed for row in tale.rows if row.instance != "*")
    print(f"{len(killed)} kills: {dict(calls)}; runs ended as {dict(results)}")
    assert len(killed) >= KILLS
    assert {"pwrite", "fdatasync", "send", "write"} <= set(calls)
