"""The cloud's rate limit: fixed seconds, counted by arrival, for each action and access host."""

DOCUMENTED = {
    "ManualBackupInstance": 20,
    "DescribeTaskInfo": 20,
    "DescribeTaskList": 20,
    "DescribeInstanceBackups": 50,
    "DescribeInstances": 35,
}
OTHERWISE = 20


class FixedSeconds:
    """Counts calls; every arrival counts, also one that is refused or lost.

    `limits` maps an action to its calls a second, 0 = no limit. `other_calls` are calls of other programs of the same
    account: they take that many of every second.
    """

    def __init__(self, limits=None, other_calls=0):
        self.limits = dict(DOCUMENTED if limits is None else limits)
        self.other_calls = other_calls
        self._counts = {}        # (action, host) -> [second, calls]

    def reset(self):
        self._counts.clear()

    def arrive(self, action, host, wall_ns):
        """Count one arrival. None where it is within the limit, else the message of the refusal."""
        limit = self.limits.get(action, OTHERWISE)
        second = wall_ns // 10**9
        counter = self._counts.setdefault((action, host), [second, self.other_calls])
        if counter[0] != second:
            counter[:] = (second, self.other_calls)
        counter[1] += 1
        if not limit or counter[1] <= limit:
            return None
        return (
            f"Your current request times equals to `{counter[1]}` in a second, which exceeds the frequency limit "
            f"`{limit}` for a second. Please reduce the frequency of calls."
        )
