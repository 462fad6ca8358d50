"""Faults: which request meets which misfortune.

A script is a JSON list of rules, each {"match": {...}, "do": {...}}. A request takes the `do` of every rule that fires on
it; where two set the same key, the earlier rule wins. Seeded chance (`--chance`) is one more rule after these. Every
draw is a hash of the seed, the rule, the request's action and instance and how many such requests came before: the same
seed gives the same instance the same fate, in whatever order instances come.

match (all optional, all must hold):
    action, instance    a name, a list of names, or a pattern with *
    nth                 1 = the first that matches; a list; or {"every": n}
    per                 "rule" (default) or "instance": what nth and count count
    count               fire at most so many times
    after, until        only from / to this long after the rules were set
    probability         0 to 1
    on                  "request" (default) or "connect": a new connection, which has no action or instance

do:
    fault       reset-before, reset-after     the connection is reset without / after acting
                lost                          acts and never answers
                close-before, close-after     the connection ends in order, without / after acting
                http                          `status` (500) and an HTML body, without acting
                garbage, invalid-json         a body of noise / of broken JSON, after acting
                truncate                      half of the body, then the end of the connection, after acting
                wrong-length                  Content-Length is `length_delta` (-7) off, after acting
                huge                          a reply of `size` (4 MiB) bytes, after acting
                error                         `code` and `message`, without acting
                refuse                        the listening sockets are closed `for` a while (2 s); `drop` (true): open
                                              connections are reset, this one included. Without action, instance, nth
                                              or probability it needs no request: it happens at `after`.
                on connect: reset (at once), stall (no TLS handshake, no answer), not-tls (plain text where TLS is due)
    act         true or false, where it differs from what is said above
    latency, jitter            instead of the general ones
    skew                       the server's clock for this request
    life                       of the keys that are issued (identity.py)
    task        fail, error or stuck: how the task ends; task_message, task_time
"""

import fnmatch
import hashlib
import json
from dataclasses import dataclass, field

from .durations import parse_ns

ACTS = {
    "reset-before": False, "close-before": False, "http": False, "error": False,
    "reset-after": True, "close-after": True, "lost": True, "garbage": True, "invalid-json": True,
    "truncate": True, "wrong-length": True, "huge": True,
}
REQUEST_FAULTS = frozenset(ACTS) | {"refuse"}
CONNECT_FAULTS = frozenset(("reset", "stall", "not-tls"))
TASK_ENDS = frozenset(("fail", "error", "stuck"))
MATCH_KEYS = frozenset(("action", "instance", "nth", "per", "count", "after", "until", "probability", "on"))
DO_KEYS = frozenset(("fault", "act", "status", "code", "message", "length_delta", "size", "for", "drop", "latency",
                     "jitter", "skew", "life", "task", "task_message", "task_time"))
_DURATIONS = ("for", "latency", "jitter", "skew", "life", "task_time")


class BadScript(ValueError):
    """A fault script that says nothing sensible."""


def draw(seed, *what):
    """A number in [0, 1) that depends on nothing but its arguments."""
    text = "\0".join(str(part) for part in (seed,) + what)
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:7], "big") / (1 << 56)


@dataclass
class Effect:
    """What all fired rules together do to one request; `do` holds durations in nanoseconds."""

    do: dict = field(default_factory=dict)

    @property
    def fault(self):
        return self.do.get("fault")

    @property
    def acts(self):
        if self.fault == "refuse":
            return not self.do.get("drop", True)
        return self.do.get("act", ACTS.get(self.fault, True))

    @property
    def label(self):
        """The fault as the truth names it, None where all is well."""
        parts = []
        if self.fault:
            detail = {"http": self.do.get("status", 500), "error": self.do.get("code")}.get(self.fault)
            parts.append(f"{self.fault} {detail}" if detail else self.fault)
            if "act" in self.do and self.fault in ACTS and self.acts != ACTS[self.fault]:
                parts.append("acted" if self.acts else "not acted")
        if "task" in self.do:
            parts.append(f"task {self.do['task']}")
        parts += [name for name in ("latency", "skew") if name in self.do]
        return ", ".join(parts) or None


class Rule:
    """One rule of a script, checked, with its counters."""

    def __init__(self, number, source):
        if not isinstance(source, dict) or set(source) - {"match", "do"} or not isinstance(source.get("do"), dict):
            raise BadScript(f"rule {number}: needs match and do, and nothing else")
        self.number = number
        self.match = source.get("match", {})
        if not isinstance(self.match, dict):
            raise BadScript(f"rule {number}: match is not an object")
        for name, known, given in (("match", MATCH_KEYS, self.match), ("do", DO_KEYS, source["do"])):
            unknown = sorted(set(given) - known)
            if unknown:
                raise BadScript(f"rule {number}: {name} does not know {', '.join(unknown)}")
        self.on_connect = self._choice("on", self.match.get("on", "request"), ("request", "connect")) == "connect"
        self._per_instance = self._choice("per", self.match.get("per", "rule"), ("rule", "instance")) == "instance"
        self.do = self._check_do(dict(source["do"]))
        self.after = self._duration("after", self.match.get("after", 0))
        self.until = self._duration("until", self.match["until"]) if "until" in self.match else None
        self._check_match()
        self.restart()

    def restart(self):
        self._matched = {}
        self._fired = {}

    @property
    def by_clock(self):
        """True for a refusal that waits for no request."""
        return self.do.get("fault") == "refuse" and not {"action", "instance", "nth", "probability"} & set(self.match)

    def fires(self, seed, action, instance, elapsed):
        """Whether the rule fires on this request; counts it."""
        if elapsed < self.after or (self.until is not None and elapsed >= self.until):
            return False
        if not (self._named("action", action) and self._named("instance", instance)):
            return False
        whose = instance if self._per_instance else None
        nth = self._matched[whose] = self._matched.get(whose, 0) + 1
        each = self._matched[("draw", action, instance)] = self._matched.get(("draw", action, instance), 0) + 1
        if not self._is_nth(nth):
            return False
        if "probability" in self.match and draw(seed, self.number, action, instance, each) >= self.match["probability"]:
            return False
        fired = self._fired.get(whose, 0)
        if "count" in self.match and fired >= self.match["count"]:
            return False
        self._fired[whose] = fired + 1
        return True

    def _named(self, key, name):
        wanted = self.match.get(key)
        if wanted is None:
            return True
        patterns = wanted if isinstance(wanted, list) else [wanted]
        return name is not None and any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)

    def _is_nth(self, nth):
        wanted = self.match.get("nth")
        if wanted is None:
            return True
        if isinstance(wanted, dict):
            return nth % wanted["every"] == 0
        return nth in wanted if isinstance(wanted, list) else nth == wanted

    def _check_match(self):
        for key in ("action", "instance"):
            value = self.match.get(key, "")
            if not all(isinstance(name, str) for name in (value if isinstance(value, list) else [value])):
                raise BadScript(f"rule {self.number}: {key} is a name or a list of names")
        nth = self.match.get("nth", 1)
        if isinstance(nth, dict):
            nth = nth.get("every") if set(nth) == {"every"} else None
        for number in nth if isinstance(nth, list) else [nth]:
            if type(number) is not int or number < 1:
                raise BadScript(f'rule {self.number}: nth is a number from 1, a list of them, or {{"every": n}}')
        count = self.match.get("count", 0)
        if type(count) is not int or count < 0:
            raise BadScript(f"rule {self.number}: count is a number")
        chance = self.match.get("probability", 0)
        if isinstance(chance, bool) or not isinstance(chance, (int, float)) or not 0 <= chance <= 1:
            raise BadScript(f"rule {self.number}: probability lies from 0 to 1")

    def _check_do(self, do):
        faults = CONNECT_FAULTS if self.on_connect else REQUEST_FAULTS
        if "fault" in do:
            self._choice("fault", do["fault"], sorted(faults))
        if "task" in do:
            self._choice("task", do["task"], sorted(TASK_ENDS))
        for key in _DURATIONS:
            if key in do:
                do[key] = self._duration(key, do[key])
        for key, kind in (("status", int), ("length_delta", int), ("size", int), ("act", bool), ("drop", bool),
                          ("code", str), ("message", str), ("task_message", str)):
            if key in do and type(do[key]) is not kind:
                raise BadScript(f"rule {self.number}: {key} is of a wrong type")
        if "act" in do and do.get("fault") not in ACTS:
            raise BadScript(f"rule {self.number}: act needs a fault of the answer")
        if do.get("fault") == "error" and "code" not in do:
            raise BadScript(f"rule {self.number}: an error needs its code")
        if not 200 <= do.get("status", 500) <= 599:
            raise BadScript(f"rule {self.number}: status lies from 200 to 599")
        return do

    def _choice(self, key, value, known):
        if value not in known:
            raise BadScript(f"rule {self.number}: {key} is one of {', '.join(known)}")
        return value

    def _duration(self, key, value):
        try:
            return parse_ns(value)
        except ValueError as error:
            raise BadScript(f"rule {self.number}: {key}: {error}") from None


def parse_chance(text):
    """`reset-before=0.1,http-502=0.2,error:InternalError.InternalError=0.05` as a list of (probability, do)."""
    chances, total = [], 0.0
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = part.rpartition("=")
        try:
            probability = float(value)
        except ValueError:
            raise BadScript(f"chance: {part!r} is not NAME=PROBABILITY") from None
        total += probability
        if not 0 <= probability <= 1 or total > 1 + 1e-9:
            raise BadScript("chance: probabilities lie from 0 to 1, together too")
        chances.append((probability, Rule("chance", {"do": _named_do(name)}).do))
    return chances


def _named_do(name):
    head, _, detail = name.partition(":")
    after = head.endswith("-after") and head not in ACTS
    stem = head[:-len("-after")] if after else head
    if stem == "error" and detail:
        do = {"fault": "error", "code": detail}
    elif stem.startswith("http-") and stem[5:].isdigit():
        do = {"fault": "http", "status": int(stem[5:])}
    elif stem == "slow":
        do = {"latency": detail or "2s"}
    elif stem.startswith("task-"):
        do = {"task": stem[5:]}
    else:
        do = {"fault": stem}
    if after:
        do["act"] = True
    return do


class Faults:
    """The rules in force and the seeded chance behind them."""

    def __init__(self, seed=0, rules=(), chances=(), chance_actions=None):
        self.seed = seed
        self._chances = list(chances)
        self._chance_actions = chance_actions
        self.replace(rules, 0)

    @staticmethod
    def read(path):
        """The rules of a script file, not yet checked."""
        with open(path, encoding="utf-8") as file:
            try:
                return json.load(file)
            except ValueError as error:
                raise BadScript(f"{path}: {error}") from None

    def replace(self, rules, mono_ns):
        """Put other rules in force from this instant on; the old ones stay where the new are wrong (BadScript)."""
        if not isinstance(rules, (list, tuple)):
            raise BadScript("a script is a list of rules")
        self.rules = [Rule(number, source) for number, source in enumerate(rules, 1)]
        self.restart(mono_ns)

    def restart(self, mono_ns):
        """Begin to count anew."""
        self.since = mono_ns
        self._seen = {}
        for rule in self.rules:
            rule.restart()

    def timed_refusals(self):
        """(delay, do) of the refusals that need no request."""
        return [(rule.after, rule.do) for rule in self.rules if rule.by_clock]

    def on_connect(self, mono_ns):
        """The fault of a new connection, or None."""
        for rule in self.rules:
            if rule.on_connect and rule.fires(self.seed, None, None, mono_ns - self.since):
                return rule.do.get("fault")
        return None

    def on_request(self, action, instance, mono_ns):
        """The effect on a request."""
        do = {}
        for rule in self.rules:
            if not rule.on_connect and not rule.by_clock and rule.fires(self.seed, action, instance, mono_ns - self.since):
                do = {**rule.do, **do}
        return Effect({**self._chance(action, instance), **do})

    def _chance(self, action, instance):
        if not self._chances or (self._chance_actions and action not in self._chance_actions):
            return {}
        nth = self._seen[(action, instance)] = self._seen.get((action, instance), 0) + 1
        point = draw(self.seed, "chance", action, instance, nth)
        for probability, do in self._chances:
            point -= probability
            if point < 0:
                return do
        return {}
