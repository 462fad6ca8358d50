"""Where keys stand in the daemon's memory, read from outside: /proc/PID/mem, mapping by mapping.

Secret keys stand in mappings alone that are locked (`lo`) and left out of a core (`dd`). A session token goes over the
wire with every request, through the buffers of a library: it is there while requests are on their way, and no longer.

The address sanitizer locks nothing, and what is left out of a core has to do there; but it keeps freed memory as it was,
so that what was not wiped is found. The optimised program locks, and reuses what was freed.
"""

import hashlib
import os
import re
import time

from integration.daemon import Daemon, configuration

KEYS = ("AKIDmemorymemorymemorymemorymemory01", "SecretSecretSecretSecretSecret01")
TOKEN = "SESSIONTOKEN" * 20
EACH_SECOND = {"often": {"every": "1s", "start_within": "30s", "instances": ["crs-aaaa0001"]}}
ROLE = "qcs::cam::uin/100000000001:roleName/backup"
MAPPING = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) (\S+) .*?(\S*)$")
CHUNK = 1 << 24
SHADOW = 1 << 32  # larger ones are the notes of the address sanitizer
TAIL = 16  # what is freed loses its first bytes to the allocator's notes: the last ones are looked for


def issued(number):
    """(key, token) of those that the stand-in gives out as the `number`th (cloud/identity.py)."""
    noise = hashlib.sha256(f"0/role/{number}".encode()).hexdigest()
    return noise[55:23:-1], noise * 12


def mappings(pid):
    """(start, end, name, flags) of what can be read."""
    found = []
    with open(f"/proc/{pid}/smaps", encoding="ascii", errors="replace") as file:
        for line in file:
            head = MAPPING.match(line)
            if head:
                start, end, mode, name = int(head[1], 16), int(head[2], 16), head[3], head[4]
            elif line.startswith("VmFlags:") and mode.startswith("r") and end - start < SHADOW and name not in ("[vvar]", "[vsyscall]"):
                found.append((start, end, name or "anonymous", line.split()[1:]))
    return found


def places(pid, secrets):
    """{secret: (count inside locked mappings, [names of other mappings])}."""
    inside, outside = dict.fromkeys(secrets, 0), {secret: [] for secret in secrets}
    overlap = max(len(secret) for secret in secrets) - 1
    with open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as file:
        sanitized = "libasan" in file.read()
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for start, end, name, flags in mappings(pid):
            for at in range(start, end, CHUNK):
                try:
                    data = os.pread(memory.fileno(), min(CHUNK + overlap, end - at), at)
                except OSError:  # it has gone meanwhile
                    break
                for secret in secrets:
                    count = data.count(secret.encode())
                    if "dd" in flags and ("lo" in flags or (sanitized and "nr" not in flags)):
                        inside[secret] += count
                    else:
                        outside[secret] += count * [name]
    return {secret: (inside[secret], outside[secret]) for secret in secrets}


def look_for_keys(stand_in, tmp_path, provider):
    """The whole of it; assume-role asks with the keys of a file."""
    lasting = provider in ("env", "file")
    cloud = stand_in("--any-instance", "--task-time", "0", "--role", "backup", secret_id=KEYS[0], secret_key=KEYS[1],
                     token=TOKEN if lasting else None)
    # The first answer with keys is no JSON behind them: what was read of it stays nowhere.
    if not lasting:
        action, nth = ("Metadata", 2) if provider == "cvm-role" else ("AssumeRole", 1)
        cloud.set_faults({"match": {"action": action, "nth": nth}, "do": {"fault": "invalid-json"}})
    ini = tmp_path / "keys"
    ini.write_text(f"[default]\nsecret_id={KEYS[0]}\nsecret_key={KEYS[1]}\ntoken={TOKEN if lasting else ''}\n")
    ini.chmod(0o600)
    credentials = {
        "file": {"file": str(ini)},
        "cvm-role": {"metadata_url": f"http://127.0.0.1:{cloud.http_port}"},
        "assume-role": {"role_arn": ROLE, "source": "file", "file": str(ini)},
    }.get(provider, {})
    config = configuration(cloud, EACH_SECOND, credentials={"provider": provider, **credentials})
    with Daemon(config, KEYS if provider == "env" else None,
                {"TENCENTCLOUD_TOKEN": TOKEN} if provider == "env" else None) as daemon:
        daemon.wait_for("backup_submitted", 2, timeout=40)
        refreshed = len(daemon.events("credentials_refreshed"))
        daemon.reload()
        daemon.wait_for("reloaded")
        if not lasting:
            daemon.wait_for("credentials_refreshed", refreshed + 2, timeout=40)  # what a reload says, and the new ones
        daemon.wait_for("backup_submitted", len(daemon.events("backup_submitted")) + 2, timeout=40)
        pairs = [issued(number) for number in (1, 2, 3)]  # in the broken answer, the first that served, those that serve
        now, token = (KEYS[1], TOKEN) if lasting else pairs[-1]
        keys = [key[-TAIL:] for key in (KEYS[1], *(key for key, _ in pairs))]
        token = token[-TAIL * 4 :]
        seen = places(daemon.process.pid, keys)
        elsewhere = {key: names for key, (_, names) in seen.items() if names}
        assert not elsewhere, elsewhere
        inside = [key for key, (count, _) in seen.items() if count > 0]
        assert inside == [now[-TAIL:]], inside  # a role's lasting key is read from its file when it is asked with
        deadline = time.monotonic() + 30
        while True:  # between two requests
            count, elsewhere = places(daemon.process.pid, [token])[token]
            if not elsewhere:
                break
            assert time.monotonic() < deadline, f"the token stands in {elsewhere}"
            time.sleep(0.1)
        assert count > 0, "the scan does not see the token where it has to be"
        assert daemon.stop() == 0
