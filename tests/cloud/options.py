"""The command line: what can be set, checked, and made into the parts of the stand-in."""

import argparse
import ipaddress
import json
import os

from . import actions, faults, identity, limits, tc3
from .durations import parse_ns


class Unusable(Exception):
    """Options that cannot be served."""


def parser():
    p = argparse.ArgumentParser(prog="cloud", description="A stand-in of Tencent Cloud's Redis API for tests; loopback only.",
                                epilog="Keys come from CLOUD_SECRET_ID, CLOUD_SECRET_KEY and CLOUD_TOKEN, or from --keys.")
    add = p.add_argument
    add("--http", type=int, metavar="PORT", help="serve HTTP; 0 = any free port")
    add("--https", type=int, metavar="PORT", help="serve HTTPS; 0 = any free port")
    add("--control", type=int, metavar="PORT", help="serve /_cloud/truth, stats, faults, reset for tests, plain HTTP; 0 = any free port")
    add("--listen", action="append", metavar="ADDRESS", help="a loopback address (127.0.0.1); may be repeated")
    add("--ready-file", metavar="FILE", help="write the ports here when listening, as on stdout")
    add("--tls-dir", metavar="DIR", help="ca.pem, server.pem, server.key; made where absent")
    add("--tls-name", action="append", default=[], metavar="NAME", help="one more name of a new certificate; may be repeated")
    add("--truth", metavar="FILE", help="append the truth here, JSON lines")
    add("--keys", metavar="FILE", help="a JSON list of {secret_id, secret_key, token, expires}")
    add("--instances", metavar="FILE", help="instances: JSON, or one id[@region] a line")
    add("--instance", action="append", default=[], metavar="ID[@REGION]", help="may be repeated")
    add("--any-instance", action="store_true", help="every well-formed id exists")
    add("--region", action="append", metavar="REGION", help="a known region (ap-guangzhou); the first is the instances' default")
    add("--finance-hosts", action="store_true", help="an -fsi region is served only at its own host, and nothing else there")
    add("--latency", default="0", metavar="TIME", help="between an arrival and its answer, 150ms say")
    add("--jitter", default="0", metavar="TIME", help="up to this much is added to the latency")
    add("--task-time", default="2s", metavar="TIME", help="how long a backup runs and locks its instance (2s)")
    add("--limit", action="append", default=[], metavar="[ACTION=]N",
        help="calls a second of every action or of one, 0 = no limit; without it the documented ones (20, 35, 50)")
    add("--other-calls", type=int, default=0, metavar="N", help="other programs of the account use N of each second's calls")
    add("--skew", default="0", metavar="TIME", help="the server's clock is so much ahead (-400s: behind)")
    add("--faults", metavar="SCRIPT.json", help="a list of fault rules")
    add("--chance", default="", metavar="NAME=P,...", help="seeded chance: reset-before=0.1,lost=0.2,http-502=0.1,error:CODE=0.1")
    add("--chance-action", action="append", metavar="ACTION", help="chance only meets this action; may be repeated")
    add("--seed", type=int, default=0, metavar="N")
    add("--idle-timeout", default="60s", metavar="TIME", help="idle connections are closed after this (60s)")
    add("--task-id-as", choices=("number", "string", "alternate"), default="alternate")
    add("--role", metavar="NAME", help="the machine's role, and the one that STS knows")
    add("--role-life", metavar="TIME", help="how long the role's keys live (2h, or what is asked for)")
    add("--web-identity", metavar="TOKEN", help="the token that STS takes from a pod")
    add("--first-task-id", type=int, default=actions.FIRST_TASK, metavar="N")
    return p


def addresses(options):
    """The addresses to listen on; loopback only."""
    found = []
    for text in options.listen or ["127.0.0.1"]:
        try:
            address = ipaddress.ip_address("127.0.0.1" if text == "localhost" else text)
        except ValueError:
            raise Unusable(f"--listen {text}: not an address") from None
        if not address.is_loopback:
            raise Unusable(f"--listen {text}: only loopback addresses are served")
        found.append(str(address))
    return found


def keyring(options, environment=os.environ):
    pairs = []
    if options.keys:
        with open(options.keys, encoding="utf-8") as file:
            try:
                pairs = [tc3.KeyPair(**entry) for entry in json.load(file)]
            except (TypeError, ValueError) as error:
                raise Unusable(f"--keys {options.keys}: {error}") from None
    if environment.get("CLOUD_SECRET_ID") and environment.get("CLOUD_SECRET_KEY"):
        pairs.append(tc3.KeyPair(environment["CLOUD_SECRET_ID"], environment["CLOUD_SECRET_KEY"], environment.get("CLOUD_TOKEN") or None))
    if not pairs:
        raise Unusable("no key: set CLOUD_SECRET_ID and CLOUD_SECRET_KEY, or give --keys FILE")
    return {pair.secret_id: pair for pair in pairs}


def duration(options, name):
    try:
        return parse_ns(getattr(options, name))
    except ValueError as error:
        raise Unusable(f"--{name.replace('_', '-')}: {error}") from None


def limiter(options):
    table = dict(limits.DOCUMENTED)
    for text in options.limit:
        action, _, number = text.rpartition("=")
        if not number.isdecimal() or (action and action not in table):
            raise Unusable(f"--limit {text}: N or ACTION=N")
        table.update({name: int(number) for name in ([action] if action else list(table))})
    return limits.FixedSeconds(table, options.other_calls)


def cloud(options):
    regions = options.region or ["ap-guangzhou"]
    instances = actions.read_instances(options.instances, regions[0]) if options.instances else []
    instances += [actions.instance_of(text, regions[0]) for text in options.instance]
    if not instances and not options.any_instance:
        raise Unusable("no instance: --instance ID, --instances FILE or --any-instance")
    return actions.Cloud(regions, instances, options.any_instance, duration(options, "task_time"), options.task_id_as,
                         options.first_task_id)


def roles(options, keys):
    life_ns = duration(options, "role_life") if options.role_life else None
    return identity.Identity(keys, options.role, life_ns, options.web_identity, options.seed)


def fault_rules(options):
    rules = faults.Faults.read(options.faults) if options.faults else []
    return faults.Faults(options.seed, rules, faults.parse_chance(options.chance), options.chance_action)
