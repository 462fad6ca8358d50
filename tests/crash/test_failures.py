"""The N-th call that fails: of memory, of files and sockets, of the kernel, of libuv and libcurl.

Each life goes through a start, a slot, a reload and a drain, with one call failing on the way. It may end at
its start, or by itself later, but then with 1 and a message; or it goes on. It never crashes and never hangs,
and it gives back what it got, and the life after it settles the slot: nothing is lost or doubled. The normal run takes a sample of the
calls, each function among it, the nightly one all of them.
"""

import collections
import concurrent.futures

import pytest
from lives import NIGHTLY, orders, tell

AT_ONCE = 24
MEMBERS = 3
# How many calls of a group the normal run lets fail.
GROUPS = {"memory": 44, "writes": 16, "kernel": 10, "opens": 9, "uv": 24, "curl": 24}

# libuv ends the process, without a word, where epoll_ctl() fails, where its table of descriptors cannot grow and where
# a thread of its pool cannot be had, for which the C library takes memory by calloc().
FATAL = {"epoll_ctl", "realloc", "calloc"}


def calls_of(cloud, number, group):
    """The names of all calls of a group in a life without a failure."""
    tale = tell(cloud, number, MEMBERS, lambda trace: orders("list", group, 1, trace=trace), reload=True)
    assert not tale.trouble and not tale.left, (tale.trouble, tale.left)
    return [line.split()[1] for line in tale.met.splitlines()]


def sample(calls, wanted):
    """Numbers of calls, from 1: the first and the last of each function, the others evenly spread."""
    if NIGHTLY:
        return list(range(1, len(calls) + 1))
    last = len(calls) - 1
    ends = {1 + calls.index(name) for name in set(calls)} | {1 + last - calls[::-1].index(name) for name in set(calls)}
    return sorted(ends | {1 + number * len(calls) // wanted for number in range(wanted)})


def judge(group, tale, arrivals):
    for complaint in tale.judge(arrivals):
        yield complaint
    if tale.left:
        yield f"life {tale.number} ({tale.met} of {group}): gave not back: {tale.left}"
    if tale.status == 1 and not any(line.startswith(("crsbackupd: ", "event=start_failed")) for line in tale.stderr):
        yield f"life {tale.number} ({tale.met}): ended without a word: {tale.stderr[-3:]}"
    # An assertion, the heap's own checks and the stack's have something to say before they end it.
    aborted = tale.status == -6 and all(line.startswith("event=") for line in tale.stderr)
    if tale.status not in (0, 1) and not (aborted and tale.met.split()[-1] in FATAL):
        yield f"life {tale.number} ({tale.met} of {group}): ended with {tale.status}: {tale.stderr[-3:]}"


def fail_at(cloud, number, group, nth):
    return group, tell(cloud, number, MEMBERS, lambda trace: orders("fail", group, nth, trace=trace), reload=True)


@pytest.mark.parametrize("groups", [("memory",), ("writes", "kernel", "opens", "uv", "curl")], ids=lambda groups: groups[0])
def test_one_call_fails(stand_in, groups):
    cloud = stand_in("--any-instance", "--limit", "0", "--task-time", "0", "--latency", "5ms")
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        listed = list(pool.map(lambda at: calls_of(cloud, *at), enumerate(groups)))
        chosen = [(group, nth) for group, calls in zip(groups, listed) for nth in sample(calls, GROUPS[group])]
        tales = list(pool.map(lambda at: fail_at(cloud, at[0], *at[1]), enumerate(chosen, len(groups))))
    by_instance = collections.defaultdict(list)
    for arrival in cloud.arrivals():
        by_instance[arrival["instance"]].append(arrival)
    complaints = [text for group, tale in tales
                  for text in judge(group, tale, [arrival for name in tale.names for arrival in by_instance[name]])]
    ends = collections.Counter((group, tale.status) for group, tale in tales if tale.met)
    print(f"{sum(ends.values())} failures of {sum(len(calls) for calls in listed)} calls: {dict(ends)}")
    assert not complaints, "\n".join(complaints)
    assert sum(ends.values()) > 0.9 * len(chosen)
