"""crsbackupctl's offline verbs sign and explain, as an operator calls them.

The signatures are compared with the vendor's published ones and, on random input, with a signer of
this file's own, written from the definition of TC3-HMAC-SHA256.
"""

import hashlib
import hmac
import json
import os
import pathlib
import random
import re
import subprocess
import time

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
CTL = os.environ.get("CRSBACKUPCTL", str(TOP / "build" / "src" / "ctl" / "crsbackupctl"))

ID = "AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE"
KEY = "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE"
STARS = "*" * 32
BACKUP = '{"InstanceId":"crs-5a4py64p","Remark":"xxxx"}'
TASK = '{"TaskId":6954227}'
CVM = '{"Limit": 1, "Filters": [{"Values": ["\\u672a\\u547d\\u540d"], "Name": "instance-name"}]}'
REDIS = "redis.tencentcloudapi.com"


def ctl(*arguments, env=None, stdin=b"", stdout=subprocess.PIPE):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TENCENTCLOUD_")}
    environment.update({"TENCENTCLOUD_SECRET_ID": ID, "TENCENTCLOUD_SECRET_KEY": KEY} if env is None else env)
    return subprocess.run(
        [CTL, *arguments], env=environment, input=stdin, stdout=stdout, stderr=subprocess.PIPE, timeout=30
    )


def sign(host, timestamp, body, *more, env=None, stdin=b""):
    done = ctl("sign", "--host", host, "--timestamp", str(timestamp), "--body", body, *more, env=env, stdin=stdin)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    lines = done.stdout.decode().splitlines()
    assert [line.split(": ", 1)[0] for line in lines] == [
        "canonical-request-sha256", "string-to-sign", "signature", "authorization",
    ]  # fmt: skip
    return dict(line.split(": ", 1) for line in lines)


def expected(secret_id, key, service, timestamp, headers, body):
    """The four values, from the definition."""
    block = sorted((name.lower(), value.strip().lower()) for name, value in headers.items())
    names = ";".join(name for name, _ in block)
    canonical = "\n".join(
        ["POST", "/", "", "".join(f"{name}:{value}\n" for name, value in block), names,
         hashlib.sha256(body).hexdigest()]
    )  # fmt: skip
    date = time.strftime("%Y-%m-%d", time.gmtime(timestamp))
    scope = f"{date}/{service}/tc3_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    string = f"TC3-HMAC-SHA256\n{timestamp}\n{scope}\n{digest}"
    mac = b"TC3" + key.encode()
    for part in (date, service, "tc3_request"):
        mac = hmac.new(mac, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(mac, string.encode(), hashlib.sha256).hexdigest()
    return {
        "canonical-request-sha256": digest,
        "string-to-sign": string.replace("\n", "\\n"),
        "signature": signature,
        "authorization": f"TC3-HMAC-SHA256 Credential={secret_id}/{scope}, "
        f"SignedHeaders={names}, Signature={signature}",
    }


@pytest.mark.parametrize(
    "host, timestamp, body, signature",
    [
        (REDIS, 1551113065, BACKUP, "b51d52c7d46ac79c1e06d37d4ce224e74a0cad62de9816cb7ba3383d8ab0d4f1"),
        ("redis.ap-shanghai-fsi.tencentcloudapi.com", 1551113065, BACKUP,
         "f0f9580b5de5102a2ab7cf4f6a11b5d2a196829e3085111e56605f447039b3d3"),
        (REDIS, 1551113065, TASK, "e67cf4b3bfeea0db751e84dae0b551b409558c263fced499d9c3e25a9b4816e9"),
        (REDIS, 1767225599, TASK, "92beab42b44d2aa18feea36b6ba0bd0efa27e9109f4728a4b28af9a0a7486a4a"),
        (REDIS, 1767225600, TASK, "f2b7a4a641bc78c146340eb024675f736dd7df19bebca69832eb50f1e197616d"),
        (REDIS, 1551113065, '{"InstanceId":"crs-5a4py64p","Remark":"每日备份"}',
         "c352f70141a7f59fb6d99a3d67c292a2b1fc74f3b63bc69b7b8013b3083b3959"),
    ],
)  # fmt: skip
def test_vectors_of_this_service(host, timestamp, body, signature):
    assert sign(host, timestamp, body)["signature"] == signature


def test_vendors_first_example():
    made = sign("cvm.tencentcloudapi.com", 1551113065, CVM, "--service", "cvm",
                "--content-type", "application/json; charset=utf-8")  # fmt: skip
    digest = "5ffe6a04c0664d6b969fab9a13bdab201d63ee709638e2749d62a09ca18d7031"
    signature = "72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168"
    assert made == {
        "canonical-request-sha256": digest,
        "string-to-sign": f"TC3-HMAC-SHA256\\n1551113065\\n2019-02-25/cvm/tc3_request\\n{digest}",
        "signature": signature,
        "authorization": f"TC3-HMAC-SHA256 Credential={ID}/2019-02-25/cvm/tc3_request, "
        f"SignedHeaders=content-type;host, Signature={signature}",
    }


def test_vendors_second_example():
    made = sign("cvm.tencentcloudapi.com", 1551113065, CVM, "--service", "cvm",
                "--content-type=application/json; charset=utf-8", "--action", "DescribeInstances",
                "--signed-headers", "content-type;host;x-tc-action",
                env={"TENCENTCLOUD_SECRET_ID": "AKID" + STARS, "TENCENTCLOUD_SECRET_KEY": STARS})  # fmt: skip
    assert made["canonical-request-sha256"] == "7019a55be8395899b900fb5564e4200d984910f34794a27cb3fb7d10ff6a1e84"
    assert made["signature"] == "10b1a37a7301a02ca19a647ad722d5e43b4b3cff309d421d85b46093f6ab6c4f"


def test_random_requests_agree_with_another_signer():
    rng = random.Random(20260101)
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    for _ in range(60):
        secret_id = "AKID" + "".join(rng.choices(letters, k=rng.randint(1, 60)))
        key = "".join(rng.choices(letters + "/+=-_ *", k=rng.randint(1, 200)))
        host = rng.choice([REDIS, "Redis.AP-Guangzhou.tencentcloudapi.com", "127.0.0.1:18443", "[::1]:8443"])
        timestamp = rng.choice([0, 86399, 86400, 951782400, 4102444799, rng.randrange(2**32)])
        service = rng.choice(["redis", "sts", "cvm", "a-b_9"])
        content_type = rng.choice(["application/json", "application/json; charset=utf-8", "Text/Plain"])
        body = "".join(rng.choices(letters + '{}":, \n每é', k=rng.randint(1, 3000)))
        more = ["--service", service, "--content-type", content_type]
        headers = {"Content-Type": content_type, "Host": host}
        if rng.random() < 0.5:
            action = "".join(rng.choices(letters, k=rng.randint(1, 40)))
            names = ["content-type", "Host", "X-TC-Action", "x-tc-timestamp"]
            rng.shuffle(names)
            more += ["--action", action, "--signed-headers", ";".join(names)]
            headers.update({"X-TC-Action": action, "X-TC-Timestamp": str(timestamp)})
        made = sign(host, timestamp, "-", *more, stdin=body.encode(),
                    env={"TENCENTCLOUD_SECRET_ID": secret_id, "TENCENTCLOUD_SECRET_KEY": key})  # fmt: skip
        assert made == expected(secret_id, key, service, timestamp, headers, body.encode())


def test_body_from_a_file_an_argument_and_stdin(tmp_path):
    file = tmp_path / "body"
    file.write_text(BACKUP)
    from_argument = sign(REDIS, 1551113065, BACKUP)
    assert sign(REDIS, 1551113065, f"@{file}") == from_argument
    assert sign(REDIS, 1551113065, "-", stdin=BACKUP.encode()) == from_argument
    zero = b"\0" + BACKUP.encode()
    assert sign(REDIS, 1, "-", stdin=zero) == expected(
        ID, KEY, "redis", 1, {"content-type": "application/json", "host": REDIS}, zero
    )
    assert sign(REDIS, 1, "")["signature"] != sign(REDIS, 1, " ")["signature"]


def test_sign_as_json():
    done = ctl("sign", "--host", REDIS, "--timestamp", "1551113065", "--body", TASK, "--json")
    assert done.returncode == 0
    lines = sign(REDIS, 1551113065, TASK)
    assert json.loads(done.stdout) == {
        "canonical_request_sha256": lines["canonical-request-sha256"],
        "string_to_sign": lines["string-to-sign"].replace("\\n", "\n"),
        "signature": lines["signature"],
        "authorization": lines["authorization"],
    }
    before = ctl("--json", "sign", "--host", REDIS, "--timestamp", "1551113065", "--body", TASK)
    assert before.stdout == done.stdout


GOOD = ["--host", REDIS, "--timestamp", "1551113065", "--body", TASK]


@pytest.mark.parametrize(
    "arguments, code, words",
    [
        ([], 2, "--host"),
        (GOOD[2:], 2, "--host"),
        (GOOD[:2] + GOOD[4:], 2, "--timestamp"),
        (GOOD[:4], 2, "--body"),
        (GOOD[:5], 2, "--body needs an argument"),
        (GOOD + ["--hots", "x"], 2, "did you mean --host"),
        (GOOD + ["--time", "1"], 2, "unknown option '--time'"),
        (GOOD + ["--host", "x"], 2, "given twice"),
        (GOOD + ["more"], 2, "too many"),
        (GOOD + ["--json=yes"], 2, "--json"),
        (GOOD + ["--signed-headers", "content-type;host;x-tc-action"], 2, "--action"),
        (GOOD + ["--signed-headers", "content-type"], 65, "host"),
        (GOOD + ["--signed-headers", "host"], 65, "content-type"),
        (GOOD + ["--signed-headers", "content-type;host;host"], 65, "twice"),
        (GOOD + ["--signed-headers", "content-type;host;"], 65, "''"),
        (GOOD + ["--signed-headers", "content-type;host;x-other"], 65, "x-other"),
        (GOOD + ["--signed-headers", "content-type;host;" * 100], 65, "--signed-headers"),
        (GOOD + ["--content-type", "a\nhost:evil"], 65, "content-type"),
        (GOOD + ["--content-type", ""], 65, "content-type"),
        (GOOD + ["--service", "re/dis"], 65, "service"),
        (["--host", "é", *GOOD[2:]], 65, "host"),
        (["--host", "", *GOOD[2:]], 65, "host"),
        *[(GOOD[:3] + [stamp] + GOOD[4:], 65, "--timestamp") for stamp in
          ("", "x", "-1", "1.5", "1551113065x", " 1", "+1", "253402300800", "9" * 40)],
        (GOOD[:5] + ["@/nonexistent/body"], 1, "/nonexistent/body"),
        (GOOD[:5] + ["@/"], 1, "/"),
    ],
)  # fmt: skip
def test_sign_refuses(arguments, code, words):
    done = ctl("sign", *arguments)
    assert (done.returncode, done.stdout) == (code, b"")
    text = done.stderr.decode()
    assert words in text
    assert text.startswith("crsbackupctl: ") and text.count("\n") == 1
    assert KEY not in text


@pytest.mark.parametrize(
    "env, code",
    [
        ({}, 1),
        ({"TENCENTCLOUD_SECRET_ID": ID}, 1),
        ({"TENCENTCLOUD_SECRET_KEY": KEY}, 1),
        ({"TENCENTCLOUD_SECRET_ID": ID, "TENCENTCLOUD_SECRET_KEY": ""}, 1),
        ({"TENCENTCLOUD_SECRET_ID": ID, "TENCENTCLOUD_SECRET_KEY": "k" * 5000}, 65),
        ({"TENCENTCLOUD_SECRET_ID": "A" * 129, "TENCENTCLOUD_SECRET_KEY": KEY}, 65),
        ({"TENCENTCLOUD_SECRET_ID": "A\nB", "TENCENTCLOUD_SECRET_KEY": KEY}, 65),
    ],
)
def test_keys_that_cannot_be_used(env, code):
    done = ctl("sign", *GOOD, env=env)
    assert (done.returncode, done.stdout) == (code, b"")
    assert b"secret" in done.stderr.lower()
    assert KEY.encode() not in done.stderr and b"kkkk" not in done.stderr


def test_the_key_is_gone_from_the_environment_once_it_was_used():
    """While the output is written the key stands neither in the environment nor in the output."""
    with open("/dev/full", "wb") as full:
        assert ctl("sign", *GOOD, stdout=full).returncode == 1
    read, write = os.pipe()
    with os.fdopen(read, "rb") as reader:
        # A pipe that is full holds the process at its write.
        os.set_blocking(write, False)
        try:
            while True:
                os.write(write, b"x" * 4096)
        except BlockingIOError:
            os.set_blocking(write, True)
        env = {**os.environ, "TENCENTCLOUD_SECRET_ID": ID, "TENCENTCLOUD_SECRET_KEY": KEY}
        process = subprocess.Popen([CTL, "sign", *GOOD], env=env, stdout=write)
        os.close(write)
        try:
            deadline = time.monotonic() + 20
            environ = pathlib.Path(f"/proc/{process.pid}/environ")
            while KEY.encode() in environ.read_bytes() or ID.encode() not in environ.read_bytes():
                assert time.monotonic() < deadline
                time.sleep(0.02)
            assert process.poll() is None
        finally:
            output = reader.read()
            process.wait(20)
        assert process.returncode == 0
        assert b"authorization: " in output and KEY.encode() not in output


CODES = {
    "RequestLimitExceeded": "throttled",
    "RequestLimitExceeded.UinLimitExceeded": "throttled",
    "AuthFailure.SignatureExpire": "clock",
    "ResourceUnavailable.InstanceLockedError": "busy",
    "InternalError.InternalError": "ambiguous",
    "FailedOperation.CommitFlowError": "ambiguous",
    "InvalidParameter.PermissionDenied": "final",
    "UnauthorizedOperation.NoCAMAuthed": "final",
    "ResourceNotFound.InstanceNotExists": "final",
    "Client.NotSent": "not_sent",
    "Client.Lost": "ambiguous",
    "HTTP.502": "ambiguous",
}


@pytest.mark.parametrize("code", CODES)
def test_explain(code):
    done = ctl("explain", code, env={})
    assert (done.returncode, done.stderr) == (0, b"")
    lines = dict(line.split(": ", 1) for line in done.stdout.decode().splitlines())
    assert list(lines) == ["code", "class", "meaning", "daemon", "you"]
    assert (lines["code"], lines["class"]) == (code, CODES[code])
    assert all(len(lines[name]) > 20 for name in ("meaning", "daemon", "you"))
    told = json.loads(ctl("explain", "--json", code, env={}).stdout)
    assert told == {
        "code": code, "class": CODES[code], "known": True, "meaning": lines["meaning"],
        "daemon": lines["daemon"], "person": lines["you"],
    }  # fmt: skip


def test_permission_denied_is_told_as_a_permission():
    assert "permission" in ctl("explain", "InvalidParameter.PermissionDenied").stdout.decode().lower()


@pytest.mark.parametrize(
    "code, judged",
    [("RequestLimitExceeded.New", "throttled"), ("InvalidParameter.New", "final"), ("New.Code", "ambiguous"),
     ("HTTP.599", "ambiguous"), ("-", "ambiguous")],
)  # fmt: skip
def test_explain_an_unknown_code(code, judged):
    told = json.loads(ctl("explain", code, "--json").stdout)
    assert (told["class"], told["known"]) == (judged, False)
    assert "note: " in ctl("explain", code).stdout.decode()


def test_explain_names_the_nearest_code():
    assert "RequestLimitExceeded\n" in ctl("explain", "RequestLimitExceded").stdout.decode()


@pytest.mark.parametrize(
    "arguments, code",
    [(["explain"], 2), (["explain", "A", "B"], 2), (["explain", "--what"], 2), (["explain", ""], 65),
     (["explain", "a b"], 65), (["explain", "A\nevent=forged"], 65), (["explain", "\x1b[31m"], 65),
     (["explain", "é" * 3000], 65)],
)  # fmt: skip
def test_explain_refuses(arguments, code):
    done = ctl(*arguments)
    assert (done.returncode, done.stdout) == (code, b"")
    assert done.stderr.count(b"\n") == 1 and b"\x1b" not in done.stderr


def test_help_and_version():
    assert ctl("-h").stdout == ctl("--help").stdout and ctl("next", "-h").stdout == ctl("next", "--help").stdout
    done = ctl("--help")
    assert done.returncode == 0 and b"sign" in done.stdout and b"explain" in done.stdout
    for verb in ("sign", "explain"):
        done = ctl(verb, "--help")
        assert done.returncode == 0 and done.stdout.startswith(f"usage: crsbackupctl {verb} ".encode())
    done = ctl("--help")
    verbs = re.findall(r"^  ([a-z-]+) ", done.stdout.decode(), re.MULTILINE)
    assert len(verbs) >= 15
    for arguments in (["--help"], *([verb, "--help"] for verb in verbs)):
        done = ctl(*arguments)
        assert done.returncode == 0 and all(len(line) <= 80 for line in done.stdout.decode().splitlines()), arguments
    done = ctl("--version")
    assert done.returncode == 0 and done.stdout.startswith(b"crsbackupctl ")
    assert done.stdout.split()[1][:1].isdigit()


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([], b"usage: crsbackupctl"),
        (["sing"], b"did you mean sign"),
        (["--vresion"], b"did you mean --version"),
        (["\x1b[31m"], b"unknown verb"),
        (["x" * 5000], b"unknown verb"),
    ],
)
def test_wrong_words_are_usage_errors(arguments, words):
    done = ctl(*arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert words in done.stderr and b"\x1b" not in done.stderr


def test_output_that_cannot_be_written_is_a_failure():
    with open("/dev/full", "wb") as full:
        for arguments in (["explain", "InternalError"], ["--version"], ["--help"]):
            assert ctl(*arguments, stdout=full).returncode == 1
