"""Start the stand-in: `python3 -m cloud OPTIONS` (tests/ on the path), or `python3 tests/cloud OPTIONS`."""

import asyncio
import json
import os
import signal
import sys
import tempfile

if not __package__:                          # run as a directory: find the package beside it
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

from cloud import options as choose
from cloud import tls
from cloud.control import ControlConnection
from cloud.faults import BadScript
from cloud.gateway import Gateway
from cloud.server import Listener, Server
from cloud.stamps import now
from cloud.truth import Truth


def build(options):
    """(server, truth, faults) from the options."""
    truth = Truth(options.truth)
    faults = choose.fault_rules(options)
    keys = choose.keyring(options)
    gateway = Gateway(choose.cloud(options), keys, choose.limiter(options), faults, truth, options.seed,
                      choose.duration(options, "latency"), choose.duration(options, "jitter"), choose.duration(options, "skew"),
                      options.finance_hosts, choose.roles(options, keys))
    return Server(gateway, truth, choose.duration(options, "idle_timeout")), truth, faults


def listeners(options, directory):
    """(listeners, that of the control port, what to tell about them). A scheme has one port, the same on every address."""
    found, told, control = [], {}, None
    for scheme, port in (("http", options.http), ("https", options.https)):
        if port is None:
            continue
        context = None
        if scheme == "https":
            ca, certificate, key = tls.make_certificates(directory, options.tls_name)
            context = tls.server_context(certificate, key)
            told["ca_file"] = os.path.abspath(ca)
        for address in choose.addresses(options):
            listener = Listener(address, port, context)
            found.append(listener)
            port = listener.port
        told[scheme] = port
    if options.control is not None:
        control = Listener(choose.addresses(options)[0], options.control, None, ControlConnection)
        told["control"] = control.port
    return found, control, told


def announce(options, told):
    at = now()
    line = json.dumps({"kind": "ready", "pid": os.getpid(), **told, "mono_ns": at.mono_ns, "wall_ns": at.wall_ns})
    if options.ready_file:
        partial = options.ready_file + ".part"
        with open(partial, "w", encoding="utf-8") as file:
            file.write(line + "\n")
        os.replace(partial, options.ready_file)
    print(line, flush=True)


async def serve(options, directory):
    server, truth, faults = build(options)
    found, control, told = listeners(options, directory)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    at = now()
    faults.restart(at.mono_ns)
    truth.write({"kind": "start", "mono_ns": at.mono_ns, "wall_ns": at.wall_ns, "seed": options.seed, **told})
    await server.start(found, control)
    announce(options, told)
    await ended.wait()
    await server.stop()


def main(arguments=None):
    parser = choose.parser()
    options = parser.parse_args(arguments)
    if options.http is None and options.https is None:
        parser.error("nothing to serve: --http PORT or --https PORT")
    try:
        choose.addresses(options)
        with tempfile.TemporaryDirectory() as scratch:
            asyncio.run(serve(options, options.tls_dir or scratch))
    except (choose.Unusable, BadScript, OSError, ValueError, RuntimeError) as error:
        print(f"cloud: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
