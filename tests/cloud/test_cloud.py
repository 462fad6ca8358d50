"""The stand-in, tested: its verifier by the published vectors, everything else over real sockets of both transports."""

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time

import pytest

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if TESTS not in sys.path:
    sys.path.insert(0, TESTS)

from cloud import actions, durations, faults, http1, limits, report, tc3  # noqa: E402
from cloud.stand_in import StandIn  # noqa: E402

EXAMPLE_ID = "AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE"
EXAMPLE_KEY = "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE"
CVM_BODY = rb'{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}'
A, B = "crs-aaaaaaaa", "crs-bbbbbbbb"
_numbers = iter(range(10**7))


def fresh():
    """The id of an instance that no other test used."""
    return f"crs-{next(_numbers):08d}"


@pytest.fixture(scope="session")
def tls_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def shared(tls_dir):
    """One stand-in for every test that needs no options of its own."""
    with StandIn("--any-instance", "--limit", 0, "--task-time", "300ms", tls_dir=tls_dir) as running:
        yield running


@pytest.fixture
def cloud(shared):
    shared.set_faults()
    shared.reset()
    return shared


@pytest.fixture(params=["https", "http"])
def tls(request):
    return request.param == "https"


def code(reply):
    return reply.get("Error", {}).get("Code", "OK")


def send(cloud, prepared, tls=False):
    """Send a prepared request on a connection of its own; (status, headers, body)."""
    method, target, body, headers = prepared
    link = cloud.connect(tls)
    try:
        link.request(method, target, body if method == "POST" else None, headers)
        reply = link.getresponse()
        return reply.status, reply.headers, reply.read()
    finally:
        link.close()


def error_of(cloud, prepared, tls=False):
    status, _, body = send(cloud, prepared, tls)
    assert status == 200
    return code(json.loads(body)["Response"])


def raw(cloud, data, tls=False, timeout=5):
    """Send bytes, read to the end of the connection."""
    with socket.create_connection(("127.0.0.1", cloud.https_port if tls else cloud.http_port), timeout=timeout) as link:
        link.sendall(data)
        got = b""
        while piece := link.recv(65536):
            got += piece
        return got


def wait_for(condition, timeout=5):
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)
    return value


# ---- signatures: the vectors -----------------------------------------------------------------------------------------


def canonical(host, content_type, body, names=("content-type", "host"), **more):
    headers = {"content-type": content_type, "host": host, **more}
    return tc3.canonical_request("POST", "", [(k.encode(), v.encode()) for k, v in headers.items()], list(names), body)


def test_vector_one():
    built = canonical("cvm.tencentcloudapi.com", "application/json; charset=utf-8", CVM_BODY)
    keys = tc3.derive_keys(EXAMPLE_KEY, "2019-02-25", "cvm")
    assert len(CVM_BODY) == 86
    assert tc3.sha256_hex(CVM_BODY) == "35e9c5b0e3ae67532d3c9f17ead6c90222632e5b1ff7f6e89887f1398934f064"
    assert tc3.sha256_hex(built) == "5ffe6a04c0664d6b969fab9a13bdab201d63ee709638e2749d62a09ca18d7031"
    assert keys.date.hex() == "d1308c81fe71cfd4e06437bbc067b2b8a3d2d8c0e375d547f15c41d5214b395a"
    assert keys.service.hex() == "3c7cb7c7795393edc14fd2e0e6434a518564b4504b88e94f5d11bf59ba3e7050"
    assert keys.signing.hex() == "ac658d5dde49e9bfdd14e04e062f66b05d9f637d44b8a8d845327d4a77f666b1"
    assert tc3.sign(EXAMPLE_KEY, 1551113065, "cvm", built) == "72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168"


def test_vector_two():
    built = canonical("cvm.tencentcloudapi.com", "application/json; charset=utf-8", CVM_BODY,
                      ("content-type", "host", "x-tc-action"), **{"x-tc-action": "DescribeInstances"})
    assert tc3.sha256_hex(built) == "7019a55be8395899b900fb5564e4200d984910f34794a27cb3fb7d10ff6a1e84"
    assert tc3.sign("*" * 32, 1551113065, "cvm", built) == "10b1a37a7301a02ca19a647ad722d5e43b4b3cff309d421d85b46093f6ab6c4f"


BACKUP = '{"InstanceId":"crs-5a4py64p","Remark":"xxxx"}'
TASK = '{"TaskId":6954227}'
HOST = "redis.tencentcloudapi.com"


VECTOR_THREE = [
    (HOST, 1551113065, BACKUP, "b51d52c7d46ac79c1e06d37d4ce224e74a0cad62de9816cb7ba3383d8ab0d4f1"),
    ("redis.ap-shanghai-fsi.tencentcloudapi.com", 1551113065, BACKUP, "f0f9580b5de5102a2ab7cf4f6a11b5d2a196829e3085111e56605f447039b3d3"),
    (HOST, 1551113065, TASK, "e67cf4b3bfeea0db751e84dae0b551b409558c263fced499d9c3e25a9b4816e9"),
    (HOST, 1767225599, TASK, "92beab42b44d2aa18feea36b6ba0bd0efa27e9109f4728a4b28af9a0a7486a4a"),
    (HOST, 1767225600, TASK, "f2b7a4a641bc78c146340eb024675f736dd7df19bebca69832eb50f1e197616d"),
    (HOST, 1551113065, '{"InstanceId":"crs-5a4py64p","Remark":"每日备份"}', "c352f70141a7f59fb6d99a3d67c292a2b1fc74f3b63bc69b7b8013b3083b3959"),
]


@pytest.mark.parametrize("host,at,body,expected", VECTOR_THREE)
def test_vector_three(host, at, body, expected):
    assert tc3.sign(EXAMPLE_KEY, at, "redis", canonical(host, "application/json", body.encode())) == expected


@pytest.mark.parametrize("host,at,body,expected", VECTOR_THREE)
def test_vector_three_is_believed(host, at, body, expected):
    scope = time.strftime("%Y-%m-%d", time.gmtime(at)) + "/redis/tc3_request"
    headers = {"host": host, "content-type": "application/json", "x-tc-timestamp": str(at),
               "authorization": f"TC3-HMAC-SHA256 Credential={EXAMPLE_ID}/{scope}, SignedHeaders=content-type;host, Signature={expected}"}
    stamp = http1.Stamp(0, 0)
    request = http1.Request("POST", "/", [(k.encode(), v.encode()) for k, v in headers.items()], stamp, stamp, body.encode())
    ring = {EXAMPLE_ID: tc3.KeyPair(EXAMPLE_ID, EXAMPLE_KEY)}
    for off in (-300, 0, 300):
        assert tc3.verify(request, ring, at + off).secret_id == EXAMPLE_ID
    for off in (-301, 301):
        with pytest.raises(tc3.Rejected) as caught:
            tc3.verify(request, ring, at + off)
        assert caught.value.code == "AuthFailure.SignatureExpire"


# ---- signatures: over the wire ---------------------------------------------------------------------------------------


def altered(cloud, change, method="POST", **more):
    """A signed backup request whose headers `change` alters afterwards."""
    parameters = {"InstanceId": fresh()} if method == "POST" else {}
    action = "ManualBackupInstance" if method == "POST" else "DescribeInstances"
    prepared = cloud.signed(action, parameters, tls=False, method=method, **more)
    change(prepared[3])
    return prepared


def in_authorization(old, new):
    def change(headers):
        assert old in headers["Authorization"]
        headers["Authorization"] = headers["Authorization"].replace(old, new)
    return change


def header(name, value):
    def change(headers):
        if value is None:
            del headers[name]
        else:
            headers[name] = value
    return change


def flip_signature(headers):
    text = headers["Authorization"]
    headers["Authorization"] = text[:-1] + ("0" if text[-1] != "0" else "1")


def upper_signature(headers):
    head, mark, signature = headers["Authorization"].rpartition("=")
    headers["Authorization"] = head + mark + signature.upper()


BAD_SIGNATURES = [
    ("no authorization", header("Authorization", None), "AuthFailure.InvalidAuthorization"),
    ("skip", header("Authorization", "SKIP"), "AuthFailure.InvalidAuthorization"),
    ("algorithm", in_authorization("TC3-HMAC-SHA256", "TC4-HMAC-SHA256"), "AuthFailure.InvalidAuthorization"),
    ("terminator", in_authorization("tc3_request", "aws4_request"), "AuthFailure.InvalidAuthorization"),
    ("no blank", in_authorization(", SignedHeaders", ",SignedHeaders"), "AuthFailure.InvalidAuthorization"),
    ("upper names", in_authorization("content-type;host", "Content-Type;Host"), "AuthFailure.InvalidAuthorization"),
    ("unsorted names", in_authorization("content-type;host", "host;content-type"), "AuthFailure.InvalidAuthorization"),
    ("repeated names", in_authorization("content-type;host", "content-type;host;host"), "AuthFailure.InvalidAuthorization"),
    ("host unsigned", in_authorization("content-type;host", "content-type"), "AuthFailure.InvalidAuthorization"),
    ("type unsigned", in_authorization("content-type;host", "host"), "AuthFailure.InvalidAuthorization"),
    ("absent name", in_authorization("content-type;host", "content-type;host;x-tc-zebra"), "AuthFailure.InvalidAuthorization"),
    ("no type", header("Content-Type", None), "AuthFailure.InvalidAuthorization"),
    ("unknown id", in_authorization("Credential=AKID", "Credential=AKIX"), "AuthFailure.SecretIdNotFound"),
    ("service", in_authorization("/redis/", "/cvm/"), "AuthFailure.SignatureFailure"),
    ("wrong digit", flip_signature, "AuthFailure.SignatureFailure"),
    ("upper hex", upper_signature, "AuthFailure.SignatureFailure"),
    ("short", lambda h: h.update(Authorization=h["Authorization"][:-1]), "AuthFailure.SignatureFailure"),
    ("type changed", header("Content-Type", "application/json; charset=utf-8"), "AuthFailure.SignatureFailure"),
    ("host changed", header("Host", "redis.tencentcloudapi.com"), "AuthFailure.SignatureFailure"),
    ("host without its port", header("Host", "127.0.0.1"), "AuthFailure.SignatureFailure"),
    ("no timestamp", header("X-TC-Timestamp", None), "MissingParameter"),
    ("timestamp in ms", header("X-TC-Timestamp", "1.5e9"), "InvalidParameter"),
    ("timestamp of another second", lambda h: h.update({"X-TC-Timestamp": str(int(h["X-TC-Timestamp"]) - 1)}), "AuthFailure.SignatureFailure"),
    ("token for a permanent key", header("X-TC-Token", "abc"), "AuthFailure.TokenFailure"),
]


@pytest.mark.parametrize("change,expected", [case[1:] for case in BAD_SIGNATURES], ids=[case[0] for case in BAD_SIGNATURES])
def test_bad_signature(cloud, change, expected):
    assert error_of(cloud, altered(cloud, change)) == expected
    (arrival,) = cloud.arrivals(None)
    assert arrival["signature"] == arrival["code"] == expected and not arrival["acted"] and arrival["signature_detail"]


def test_body_changed_after_signing(cloud):
    method, target, body, headers = altered(cloud, lambda _: None)
    assert error_of(cloud, (method, target, body.replace(b":", b": "), headers)) == "AuthFailure.SignatureFailure"


@pytest.mark.parametrize("off,expected", [(-310, "AuthFailure.SignatureExpire"), (310, "AuthFailure.SignatureExpire"), (-290, "OK"), (290, "OK")])
def test_timestamp_window(cloud, off, expected):
    assert code(cloud.call("ManualBackupInstance", {"InstanceId": fresh()}, at=int(time.time()) + off)) == expected


def test_scope_date_must_be_that_of_the_timestamp(cloud):
    at = int(time.time())
    today, other = (time.strftime("%Y-%m-%d", time.gmtime(t)) for t in (at, at - 86400))
    assert error_of(cloud, altered(cloud, in_authorization(today, other), at=at)) == "AuthFailure.SignatureFailure"


def test_more_signed_headers(cloud):
    """Values are trimmed and lower-cased, and every named header counts."""
    at = int(time.time())
    names = ["content-type", "host", "x-tc-action", "x-tc-region"]
    method, target, body, headers = cloud.signed("ManualBackupInstance", {"InstanceId": fresh()}, tls=False, at=at)
    extra = {"x-tc-action": "manualbackupinstance", "x-tc-region": "ap-guangzhou"}
    built = canonical(headers["Host"], "application/json", body, names, **extra)
    headers["Authorization"] = tc3.authorization(cloud.secret_id, at, "redis", names, tc3.sign(cloud.secret_key, at, "redis", built))
    headers["X-TC-Region"] = "  ap-guangzhou\t"
    assert error_of(cloud, (method, target, body, headers)) == "OK"
    headers["X-TC-Region"] = "ap-shanghai"
    assert error_of(cloud, (method, target, body, headers)) == "AuthFailure.SignatureFailure"


def test_temporary_key(tls_dir):
    with StandIn("--any-instance", tls_dir=tls_dir, token="T" * 40) as cloud:
        assert code(cloud.call("DescribeInstances", {})) == "OK"
        for token in (None, "T" * 39, "T" * 5000):
            assert code(cloud.call("DescribeInstances", {}, X_TC_Token=token)) == "AuthFailure.TokenFailure"


def test_several_keys(tls_dir, tmp_path):
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps([{"secret_id": "AKIDother", "secret_key": "k"},
                                {"secret_id": "AKIDold", "secret_key": "k", "token": "t", "expires": 5}]))
    with StandIn("--any-instance", "--keys", keys, tls_dir=tls_dir) as cloud:
        assert code(cloud.call("DescribeInstances", {})) == "OK"
        cloud.secret_id, cloud.secret_key = "AKIDother", "k"
        assert code(cloud.call("DescribeInstances", {})) == "OK"
        cloud.secret_id, cloud.token = "AKIDold", "t"
        assert code(cloud.call("DescribeInstances", {})) == "AuthFailure.TokenFailure"


# ---- common parameters -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changed,expected", [
    ({"X_TC_Version": None}, "MissingParameter"),
    ({"X_TC_Version": "2017-03-12"}, "NoSuchVersion"),
    ({"X_TC_Action": None}, "MissingParameter"),
    ({"X_TC_Action": "DeleteEverything"}, "InvalidAction"),
    ({"X_TC_Region": None}, "MissingParameter"),
    ({"X_TC_Region": ""}, "MissingParameter"),
    ({"X_TC_Region": "Nowhere!"}, "UnsupportedRegion"),
    ({"X_TC_Language": "de-DE"}, "InvalidParameter"),
    ({"X_TC_Language": "zh-CN"}, "OK"),
    ({"X_TC_RequestClient": "crsbackupd/1"}, "InvalidParameter"),
    ({"X_TC_RequestClient": "x" * 129}, "InvalidParameter"),
    ({"X_TC_RequestClient": "SDK_GO_1.3.166; " + "x" * 128}, "OK"),
    ({"X_TC_TraceId": "anything"}, "OK"),
    ({"Content_Type": "text/plain"}, "InvalidRequest"),
    ({"Content_Type": "application/json; charset=utf-8"}, "OK"),
])
def test_common_parameters(cloud, changed, expected):
    assert code(cloud.call("ManualBackupInstance", {"InstanceId": fresh()}, tls=False, **changed)) == expected


def test_known_regions_and_finance_hosts(tls_dir):
    options = ("--instance", A, "--instance", f"{B}@ap-shanghai-fsi", "--finance-hosts")
    finance = "redis.ap-shanghai-fsi.tencentcloudapi.com"
    with StandIn(*options, tls_dir=tls_dir) as cloud:
        def ask(region, instance, **more):
            return code(cloud.call("ManualBackupInstance", {"InstanceId": instance}, region=region, tls=False, **more))
        assert ask("ap-beijing", A) == "UnsupportedRegion"
        assert ask("ap-guangzhou", "crs-cccccccc") == "ResourceNotFound.InstanceNotExists"
        assert ask("ap-shanghai-fsi", B) == "UnsupportedRegion"
        assert ask("ap-guangzhou", A, Host=finance) == "UnsupportedRegion"
        assert ask("ap-shanghai-fsi", A, Host=finance) == "ResourceNotFound.InstanceNotExists"
        assert ask("ap-shanghai-fsi", B, Host=finance) == "OK"
        assert ask("ap-guangzhou", A) == "OK"


# ---- the actions -----------------------------------------------------------------------------------------------------


def test_life_of_a_backup(cloud, tls):
    link = cloud.connect(tls)
    name = fresh()

    def ask(action, **parameters):
        return cloud.call(action, parameters, link, tls=tls)

    started = ask("ManualBackupInstance", InstanceId=name, Remark="每日备份", StorageDays=30)
    number = int(started["TaskId"])
    assert len(started["RequestId"]) == 36
    assert ask("DescribeTaskInfo", TaskId=number)["Status"] in ("preparing", "running")
    assert code(ask("ManualBackupInstance", InstanceId=name)) == "ResourceUnavailable.InstanceLockedError"
    assert ask("DescribeInstances", InstanceIds=[name])["InstanceSet"][0]["Status"] == 1
    assert ask("DescribeInstanceBackups", InstanceId=name)["TotalCount"] == 0, "one in progress is listed only when asked for"
    (backup,) = ask("DescribeInstanceBackups", InstanceId=name, Status=[1, 2])["BackupSet"]
    assert (backup["Status"], backup["Remark"], backup["BackupType"], "TaskId" in backup) == (1, "每日备份", "0", False)
    assert ask("DescribeTaskList", InstanceId=name, Result=[0, 1])["TotalCount"] == 1
    info = wait_for(lambda: (r := ask("DescribeTaskInfo", TaskId=number))["Status"] == "succeed" and r)
    assert info["InstanceId"] == name and info["TaskMessage"] == ""
    local = time.strftime("%Y-%m-%d %H:%M", time.gmtime(cloud.arrivals()[0]["wall_ns"] // 10**9 + 8 * 3600))
    assert info["StartTime"].startswith(local), "the stamps are UTC+8"
    (backup,) = ask("DescribeInstanceBackups", InstanceId=name)["BackupSet"]
    assert backup["Status"] == 2 and backup["EndTime"] >= backup["StartTime"] and backup["ExpireTime"] > backup["EndTime"]
    (task,) = ask("DescribeTaskList", InstanceId=name, TaskTypes=["012"])["Tasks"]
    assert (int(task["TaskId"]), task["Progress"], task["Result"], "Remark" in task) == (number, 100, 2, False)
    assert ask("DescribeTaskList", InstanceId=name, TaskTypes=["017"])["TotalCount"] == 0
    again = ask("ManualBackupInstance", InstanceId=name)
    assert {type(started["TaskId"]), type(again["TaskId"])} == {int, str}, "both spellings"
    link.close()
    assert cloud.stats()["duplicates"] == {name: 2}


@pytest.mark.parametrize("action,parameters,expected", [
    ("ManualBackupInstance", {}, "MissingParameter"),
    ("ManualBackupInstance", {"InstanceId": 7}, "InvalidParameter"),
    ("ManualBackupInstance", {"InstanceId": "crs-1"}, "InvalidParameter.InvalidParameter"),
    ("ManualBackupInstance", {"InstanceId": A, "StorageDays": 1826}, "InvalidParameterValue"),
    ("ManualBackupInstance", {"InstanceId": A, "StorageDays": "7"}, "InvalidParameter"),
    ("ManualBackupInstance", {"InstanceId": A, "StorageDays": True}, "InvalidParameter"),
    ("ManualBackupInstance", {"InstanceId": A, "Remark": None}, "InvalidParameter"),
    ("ManualBackupInstance", {"InstanceId": A, "Color": "red"}, "UnknownParameter"),
    ("DescribeTaskInfo", {}, "MissingParameter"),
    ("DescribeTaskInfo", {"TaskId": "6954227"}, "InvalidParameter"),
    ("DescribeTaskInfo", {"TaskId": 1}, "InvalidParameter.InvalidParameter"),
    ("DescribeTaskList", {"Limit": 101}, "InvalidParameterValue"),
    ("DescribeTaskList", {"Limit": 10, "Offset": 5}, "InvalidParameterValue"),
    ("DescribeTaskList", {"Result": [3]}, "InvalidParameterValue"),
    ("DescribeTaskList", {"BeginTime": "2026-11-24T00:00:00Z"}, "InvalidParameterValue"),
    ("DescribeTaskList", {"BeginTime": "2026-10-01 00:00:00", "EndTime": "2026-11-01 00:00:00"}, "InvalidParameterValue"),
    ("DescribeInstanceBackups", {"Status": "2"}, "InvalidParameter"),
    ("DescribeInstanceBackups", {"BeginTime": "2026-01-01 00:00:00", "EndTime": "2026-02-01 00:00:00"}, "InvalidParameterValue"),
    ("DescribeInstanceBackups", {"BeginTime": "2026-01-02 00:00:00", "EndTime": "2026-01-01 00:00:00"}, "InvalidParameterValue"),
    ("DescribeInstances", {"Limit": 0}, "InvalidParameterValue"),
    ("DescribeInstances", {"InstanceTags": [{"Key": "a"}]}, "InvalidParameter"),
])
def test_parameter_checks(cloud, action, parameters, expected):
    assert code(cloud.call(action, parameters, tls=False)) == expected
    assert not any(arrival["acted"] for arrival in cloud.arrivals(None))


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"InstanceId":"crs-aaaaaaaa","InstanceId":"crs-aaaaaaaa"}', b'{"Remark":"\xff"}',
                                  b'{"StorageDays":NaN}', b"[" * 100000])
def test_bad_bodies(cloud, body):
    method, target, _, headers = cloud.signed("ManualBackupInstance", {}, tls=False)
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    at = int(headers["X-TC-Timestamp"])
    signature = tc3.sign(cloud.secret_key, at, "redis", tc3.canonical_request("POST", "", pairs, ["content-type", "host"], body))
    headers["Authorization"] = headers["Authorization"][:-64] + signature
    assert error_of(cloud, (method, target, body, headers)) == "InvalidParameter"


def test_instances_and_their_states(tls_dir, tmp_path):
    listed = tmp_path / "instances.json"
    listed.write_text(json.dumps([
        A, {"id": B, "tags": {"env": "prod", "team": "x"}, "name": "ledger"}, {"id": "crs-isolated", "status": -2},
        {"id": "crs-todelete", "status": -3}, {"id": "crs-starting", "status": 0}, {"id": "crs-inaflow1", "status": 1},
        {"id": "crs-noaccess", "error": "UnauthorizedOperation.NoCAMAuthed"}]))
    with StandIn("--instances", listed, "--task-id-as", "string", "--first-task-id", 2**62, tls_dir=tls_dir) as cloud:
        for name, expected in (("crs-isolated", "ResourceUnavailable.InstanceStateError"), ("crs-todelete", "ResourceUnavailable.InstanceDeleted"),
                               ("crs-starting", "ResourceUnavailable.InstanceStatusAbnormal"), ("crs-inaflow1", "ResourceUnavailable.InstanceLockedError"),
                               ("crs-noaccess", "UnauthorizedOperation.NoCAMAuthed"), ("crs-unknown1", "ResourceNotFound.InstanceNotExists")):
            assert code(cloud.call("ManualBackupInstance", {"InstanceId": name})) == expected
        assert cloud.call("ManualBackupInstance", {"InstanceId": A})["TaskId"] == str(2**62)

        def ids(**parameters):
            return [entry["InstanceId"] for entry in cloud.call("DescribeInstances", parameters)["InstanceSet"]]
        assert ids(InstanceTags=[{"TagKey": "env", "TagValue": "prod"}]) == [B] == ids(TagKeys=["team"])
        assert ids(Status=[-2]) == ["crs-isolated"]
        assert ids(Status=[1]) == [A, "crs-inaflow1"]
        assert ids(Limit=2, Offset=2) == ["crs-isolated", "crs-todelete"]
        assert cloud.call("DescribeInstances", {"Limit": 2})["TotalCount"] == 7


def test_get(cloud, tls):
    cloud.call("ManualBackupInstance", {"InstanceId": A})
    got = cloud.call("DescribeInstanceBackups", {"InstanceId": A, "Status.0": 1, "Status.1": 2, "Limit": 10}, method="GET", tls=tls)
    assert got["TotalCount"] == 1
    assert code(cloud.call("DescribeTaskInfo", {"TaskId": "seven"}, method="GET", tls=tls)) == "InvalidParameter"
    assert code(cloud.call("ManualBackupInstance", {"InstanceId": B, "Remark": "a b/é~"}, method="GET", tls=tls)) == "OK"
    assert cloud.arrivals()[-1]["params"]["Remark"] == "a b/é~"
    method, target, body, headers = altered(cloud, lambda _: None, "GET")
    assert error_of(cloud, (method, target + "?Limit=%3a", body, headers)) == "AuthFailure.SignatureFailure"


def test_paging_and_times():
    second, day = actions.SECOND, actions.DAY
    cloud, calm = actions.Cloud(any_instance=True, task_time_ns=second), faults.Effect()
    start = 1_767_225_600 * second
    for number in range(45):
        at = actions.Moment(number * 2 * second, start + number * 2 * second)
        cloud.perform("ManualBackupInstance", {"InstanceId": A, "Remark": str(number), "StorageDays": 1}, "ap-guangzhou", at, calm)

    def backups(after, **parameters):
        now = actions.Moment(after, start + after)
        return cloud.perform("DescribeInstanceBackups", {"InstanceId": A, **parameters}, "ap-guangzhou", now, calm)
    hour = 3600 * second
    assert [len(backups(hour, Offset=offset)["BackupSet"]) for offset in (0, 20, 40, 60)] == [20, 20, 5, 0]
    assert backups(hour)["BackupSet"][0]["Remark"] == "44", "the newest first"
    window = {"BeginTime": "2026-01-01 08:00:10", "EndTime": "2026-01-01 08:00:20"}
    assert [b["Remark"] for b in backups(hour, **window)["BackupSet"]] == ["10", "9", "8", "7", "6", "5"]
    assert backups(2 * day)["TotalCount"] == 0 and backups(2 * day, Status=[-1])["TotalCount"] == 45
    late = actions.Moment(31 * day, start + 31 * day)
    assert cloud.perform("DescribeTaskList", {}, "ap-guangzhou", late, calm)["TotalCount"] == 0


# ---- limits ----------------------------------------------------------------------------------------------------------


def test_fixed_seconds():
    counter, second = limits.FixedSeconds(), 10**9
    refused = [counter.arrive("ManualBackupInstance", "h", 5 * second + n) for n in range(22)]
    assert refused[:20] == [None] * 20
    assert "frequency limit `20` for a second" in refused[20] and "`21`" in refused[20] and "`22`" in refused[21]
    assert counter.arrive("ManualBackupInstance", "h", 6 * second - 1) and not counter.arrive("ManualBackupInstance", "h", 6 * second)
    assert counter.arrive("DescribeTaskInfo", "h", 5 * second) is None, "each action has its own"
    assert counter.arrive("ManualBackupInstance", "other", 5 * second) is None, "each host has its own"
    busy = limits.FixedSeconds(other_calls=18)
    assert [busy.arrive("ManualBackupInstance", "h", 0) is None for _ in range(3)] == [True, True, False]


def test_limit_over_the_wire(tls_dir):
    with StandIn("--any-instance", "--limit", "ManualBackupInstance=5", tls_dir=tls_dir) as cloud:
        link = cloud.connect(False)
        replies = [cloud.call("ManualBackupInstance", {"InstanceId": fresh()}, link, tls=False) for _ in range(25)]
        link.close()
        codes = [code(reply) for reply in replies]
        assert set(codes) == {"OK", "RequestLimitExceeded"} and codes[:5] == ["OK"] * 5 and codes.count("OK") <= 15
        assert any("`5`" in reply["Error"]["Message"] for reply in replies if "Error" in reply)
        stats = cloud.stats(limit=5)
        assert stats["arrivals"] == 25 and stats["worst_window"] > 5 and stats["tasks"] == codes.count("OK")


# ---- faults ----------------------------------------------------------------------------------------------------------


def try_backup(cloud, tls, timeout=0.3):
    """What a client sees: an API code, an HTTP status, or how the connection went."""
    method, target, body, headers = cloud.signed("ManualBackupInstance", {"InstanceId": fresh()}, tls=tls)
    link = cloud.connect(tls, timeout)
    try:
        link.connect()
        if tls:
            link.sock.suppress_ragged_eofs = False   # else a reset looks like an end in order
        link.request(method, target, body, headers)
        reply = link.getresponse()
        data = reply.read()
        if reply.status != 200:
            return reply.status if b"<html>" in data else "no html"
        return code(json.loads(data)["Response"])
    except http.client.RemoteDisconnected:
        return "closed"
    except (ConnectionResetError, ssl.SSLEOFError):
        return "reset"
    except http.client.IncompleteRead:
        return "cut"
    except (socket.timeout, TimeoutError):
        return "silence"
    except ssl.SSLError as error:
        return "tls " + type(error).__name__
    except ValueError:
        return "unreadable"
    finally:
        link.close()


FAULTS = [
    ({"fault": "reset-before"}, "reset", False),
    ({"fault": "reset-after"}, "reset", True),
    ({"fault": "lost"}, "silence", True),
    ({"fault": "lost", "act": False}, "silence", False),
    ({"fault": "close-before"}, "closed", False),
    ({"fault": "close-after"}, "closed", True),
    ({"fault": "http"}, 500, False),
    ({"fault": "http", "status": 502}, 502, False),
    ({"fault": "http", "status": 503, "act": True}, 503, True),
    ({"fault": "http", "status": 504}, 504, False),
    ({"fault": "garbage"}, "unreadable", True),
    ({"fault": "invalid-json"}, "unreadable", True),
    ({"fault": "truncate"}, "cut", True),
    ({"fault": "wrong-length"}, "unreadable", True),
    ({"fault": "wrong-length", "length_delta": 9}, "silence", True),
    ({"fault": "error", "code": "InternalError.InternalError"}, "InternalError.InternalError", False),
    ({"fault": "error", "code": "FailedOperation.SystemError", "act": True}, "FailedOperation.SystemError", True),
    ({"skew": "400s"}, "AuthFailure.SignatureExpire", False),
    ({"latency": "50ms", "jitter": "5ms"}, "OK", True),
]


@pytest.mark.parametrize("do,seen,acted", FAULTS, ids=[json.dumps(case[0]) for case in FAULTS])
def test_fault(cloud, tls, do, seen, acted):
    cloud.set_faults({"match": {"action": "ManualBackupInstance", "nth": 2}, "do": do})
    assert [try_backup(cloud, tls) for _ in range(3)] == ["OK", seen, "OK"]
    arrivals = wait_for(lambda: len(found := cloud.arrivals()) == 3 and found)
    assert [arrival["acted"] for arrival in arrivals] == [True, acted, True]
    assert arrivals[1]["fault"] and not arrivals[0]["fault"]
    assert (arrivals[1]["task_id"] is not None) == acted
    assert all(arrival["signature"] == "valid" for arrival in (arrivals[0], arrivals[2]))


def test_huge_reply(cloud, tls):
    cloud.set_faults({"do": {"fault": "huge", "size": 3_000_000}})
    status, _, body = send(cloud, cloud.signed("ManualBackupInstance", {"InstanceId": fresh()}, tls=tls), tls)
    assert status == 200 and len(body) == 3_000_000 and json.loads(body)["Response"]["TaskId"]


def test_latency(tls_dir):
    with StandIn("--any-instance", "--latency", "80ms", tls_dir=tls_dir) as cloud:
        cloud.call("ManualBackupInstance", {"InstanceId": A})
        cloud.set_faults({"do": {"latency": "10ms"}})
        cloud.call("ManualBackupInstance", {"InstanceId": B})
        slow, quick = (arrival["reply_mono_ns"] - arrival["mono_ns"] for arrival in cloud.arrivals())
        assert 80e6 <= slow and 10e6 <= quick < 80e6


def test_pipelined_answers_keep_their_order(cloud):
    cloud.set_faults({"match": {"nth": 1}, "do": {"latency": "60ms"}})
    parts = []
    for name in (A, B):
        _, _, body, headers = cloud.signed("ManualBackupInstance", {"InstanceId": name}, tls=False, Connection="close" if name == B else "keep-alive")
        parts.append(("POST / HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items())
                      + f"Content-Length: {len(body)}\r\n\r\n").encode() + body)
    got = raw(cloud, b"".join(parts))
    arrivals = cloud.arrivals()
    assert [arrival["instance"] for arrival in arrivals] == [A, B]
    assert 0 < got.index(arrivals[0]["request_id"].encode()) < got.index(arrivals[1]["request_id"].encode())


def test_skewed_server(tls_dir):
    with StandIn("--any-instance", "--skew", "400s", tls_dir=tls_dir) as cloud:
        prepared = cloud.signed("DescribeInstances", {}, tls=False)
        status, headers, body = send(cloud, prepared)
        assert status == 200 and code(json.loads(body)["Response"]) == "AuthFailure.SignatureExpire"
        shown = time.mktime(time.strptime(headers["Date"], "%a, %d %b %Y %H:%M:%S GMT")) - time.timezone
        assert 398 <= shown - time.time() <= 401
        assert code(cloud.call("DescribeInstances", {}, at=int(time.time()) + 400)) == "OK"


def can_connect(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


def test_refusing(cloud):
    cloud.set_faults({"match": {"action": "ManualBackupInstance", "count": 1}, "do": {"fault": "refuse", "for": "150ms"}})
    assert try_backup(cloud, True) == "reset"
    assert not can_connect(cloud.https_port) and not can_connect(cloud.http_port)
    wait_for(lambda: can_connect(cloud.https_port))
    assert try_backup(cloud, True) == "OK"
    assert [arrival["acted"] for arrival in cloud.arrivals()] == [False, True]
    cloud.set_faults({"match": {"after": "20ms"}, "do": {"fault": "refuse", "for": "100ms", "drop": False}})
    wait_for(lambda: not can_connect(cloud.https_port), 1)
    wait_for(lambda: can_connect(cloud.https_port))
    assert sum(r["kind"] == "refuse" for r in cloud.truth()) == 4
    cloud.set_faults({"match": {"action": "ManualBackupInstance"}, "do": {"fault": "refuse", "for": "1h"}})
    assert try_backup(cloud, False) == "reset" and not can_connect(cloud.https_port)
    cloud.set_faults()
    cloud.reset()
    assert try_backup(cloud, True) == "OK", "a reset ends it"


def test_connection_faults(cloud):
    cloud.set_faults({"match": {"on": "connect", "nth": 1}, "do": {"fault": "reset"}},
                     {"match": {"on": "connect", "nth": 1}, "do": {"fault": "stall"}},
                     {"match": {"on": "connect", "nth": 1}, "do": {"fault": "not-tls"}})
    assert try_backup(cloud, True) == "reset"
    assert try_backup(cloud, True) in ("silence", "tls SSLError")
    assert try_backup(cloud, True).startswith("tls")
    assert try_backup(cloud, True) == "OK"
    assert len(cloud.arrivals()) == 1


@pytest.mark.parametrize("end,status", [("fail", "failed"), ("error", "error"), ("stuck", "running")])
def test_task_fails(cloud, end, status):
    cloud.set_faults({"do": {"task": end, "task_message": "disk full", "task_time": "30ms"}})
    number = int(cloud.call("ManualBackupInstance", {"InstanceId": A})["TaskId"])
    time.sleep(0.05)
    info = cloud.call("DescribeTaskInfo", {"TaskId": number})
    assert info["Status"] == status and info["TaskMessage"] == ("disk full" if end != "stuck" else "")
    assert cloud.call("DescribeInstanceBackups", {"InstanceId": A})["TotalCount"] == 0
    blocked = code(cloud.call("ManualBackupInstance", {"InstanceId": A}))
    assert blocked == ("OK" if end != "stuck" else "ResourceUnavailable.InstanceLockedError")


def test_rules_match():
    def fired(match, *asked, seed=1):
        book = faults.Faults(seed, [{"match": match, "do": {"fault": "lost"}}])
        return [book.on_request(action, instance, at).fault == "lost" for action, instance, at in asked]
    three = [("X", A, 0), ("X", B, 0), ("Y", A, 0)]
    assert fired({"action": "X"}, *three) == [True, True, False]
    assert fired({"instance": "crs-a*"}, *three) == [True, False, True]
    assert fired({"action": ["X", "Y"], "nth": [1, 3]}, *three) == [True, False, True]
    assert fired({"nth": {"every": 2}}, *three * 2) == [False, True] * 3
    assert fired({"nth": 1, "per": "instance"}, *three) == [True, True, False]
    assert fired({"count": 1}, *three) == [True, False, False]
    assert fired({"after": "1s", "until": "2s"}, ("X", A, 0), ("X", A, 10**9), ("X", A, 2 * 10**9)) == [False, True, False]
    assert fired({"probability": 0.0}, *three) == [False] * 3 and fired({"probability": 1}, *three) == [True] * 3


def test_earlier_rules_win_and_others_add():
    book = faults.Faults(0, [{"do": {"latency": "1s"}}, {"do": {"latency": "2s", "fault": "lost"}}])
    assert book.on_request("X", A, 0).do == {"latency": 10**9, "fault": "lost"}


def test_chance_is_seeded_and_does_not_depend_on_order():
    chances = faults.parse_chance("reset-before=0.2,lost=0.2,http-502-after=0.1,error:InternalError.InternalError=0.1,task-fail=0.1,slow:3s=0.1")
    names = [f"crs-{n:08d}" for n in range(500)]

    def fates(seed, order):
        book = faults.Faults(seed, (), chances)
        return {name: book.on_request("X", name, 0).label for name in order}
    first = fates(7, names)
    assert first == fates(7, names[::-1]) != fates(8, names)
    assert 60 < list(first.values()).count("lost") < 140 and "http 502, acted" in first.values()
    with pytest.raises(faults.BadScript):
        faults.parse_chance("lost=0.7,reset-before=0.7")


@pytest.mark.parametrize("rule", [
    {"match": {}}, {"do": {"fault": "nonsense"}}, {"do": {}, "match": {"colour": 1}}, {"do": {"fault": "error"}}, {"do": {"latency": "soon"}},
    {"do": {}, "match": {"nth": 0}}, {"do": {}, "match": {"probability": 2}}, {"do": {"act": True}}, {"do": {"fault": "http", "status": "502"}},
    {"do": {"fault": "stall"}}, {"do": {"fault": "lost"}, "match": {"on": "connect"}}, [],
])
def test_bad_rules_are_refused(rule):
    with pytest.raises(faults.BadScript):
        faults.Faults(0, [rule])


def test_bad_rules_leave_the_old_ones(cloud):
    cloud.set_faults({"do": {"fault": "error", "code": "ServiceUnavailable"}})
    with pytest.raises(ValueError, match="rule 1"):
        cloud.set_faults({"do": {"fault": "nonsense"}})
    assert try_backup(cloud, False) == "ServiceUnavailable"


# ---- the transport ---------------------------------------------------------------------------------------------------


def test_keep_alive_and_probes(cloud, tls):
    link = cloud.connect(tls)
    for method, status in (("HEAD", 200), ("OPTIONS", 405), ("HEAD", 200)):
        link.request(method, "/")
        reply = link.getresponse()
        assert (reply.status, reply.headers["Connection"], reply.read()) == (status, "keep-alive", b"")
    assert code(cloud.call("ManualBackupInstance", {"InstanceId": A}, link, tls=tls)) == "OK"
    link.close()
    truth = cloud.truth()
    assert [r["status"] for r in truth if r["kind"] == "probe"] == [200, 405, 200]
    assert len({r["conn"] for r in truth if r["kind"] in ("probe", "arrival")}) == 1


@pytest.mark.parametrize("data,status", [
    (b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", 411),
    (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
    (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: two\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n", 413),
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: x\r\nX-TC-Action: a\r\nx-tc-action: b\r\n\r\n", 400),
    (b"GET / HTTP/1.0\r\nHost: x\r\n\r\n", 505),
    (b"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"GET /other HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    (b"DELETE / HTTP/1.1\r\nHost: x\r\n\r\n", 405),
    (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 100_000, 431),
    (b"\x16\x03\x01\x02\x00", 400),
])
def test_malformed_requests(cloud, data, status):
    assert raw(cloud, data).startswith(f"HTTP/1.1 {status} ".encode())
    assert [r["status"] for r in cloud.truth() if r["kind"] == "malformed"] == [status]


def test_oversize_body(cloud):
    method, target, _, headers = cloud.signed("ManualBackupInstance", {"InstanceId": A}, tls=False)
    assert error_of(cloud, (method, target, b" " * (10 * 1024 * 1024 + 1), headers)) == "RequestSizeLimitExceeded"


def test_request_in_pieces():
    parser, seen = http1.RequestParser(), []
    data = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcHEAD / HTTP/1.1\r\nHost: x\r\n\r\n"
    for number, byte in enumerate(data):
        seen += parser.feed(bytes([byte]), http1.Stamp(number, number))
    end = data.index(b"HEAD")
    assert [(r.method, r.body, r.first.mono_ns, r.complete.mono_ns) for r in seen] == [("POST", b"abc", 0, end - 1), ("HEAD", b"", end, len(data) - 1)]
    parser = http1.RequestParser()
    assert [r.method for r in parser.feed(data + b"nonsense", http1.Stamp(1, 1))] == ["POST", "HEAD"] and parser.failure.status == 400


def test_expect_continue(cloud):
    _, _, body, headers = cloud.signed("ManualBackupInstance", {"InstanceId": A}, tls=False, Connection="close")
    head = "POST / HTTP/1.1\r\nExpect: 100-continue\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items())
    with socket.create_connection(("127.0.0.1", cloud.http_port), timeout=5) as link:
        link.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode())
        assert link.recv(100).startswith(b"HTTP/1.1 100 ")
        link.sendall(body)
        assert b"TaskId" in link.recv(65536)


def test_silent_and_half_sent_connections(cloud, tls):
    with socket.create_connection(("127.0.0.1", cloud.https_port if tls else cloud.http_port)):
        pass
    link = cloud.connect(tls)
    link.connect()
    link.sock.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{")
    link.close()

    def closed():
        truth = cloud.truth()
        ends = [r for r in truth if r["kind"] == "connection" and r["event"] == "close"]
        return len(ends) == 2 and (truth, ends)
    truth, ends = wait_for(closed)
    silent, half = sorted(ends, key=lambda r: r["conn"])
    assert silent["bytes"] == 0 and half["bytes"] > 0 and half["requests"] == 0
    if tls:
        assert (silent["handshake"], half["handshake"]) == (False, True)
        assert [r["conn"] for r in truth if r.get("event") == "handshake"] == [half["conn"]]
    assert [r["conn"] for r in truth if r["kind"] == "partial"] == [half["conn"]]


def test_client_that_leaves_is_noted(cloud, tls):
    cloud.set_faults({"do": {"latency": "10s"}})
    assert try_backup(cloud, tls, 0.1) == "silence"
    arrival = wait_for(lambda: (found := cloud.arrivals())[0].get("reply") and found[0])
    assert arrival["acted"] and arrival["reply"] == "client-gone"


def test_idle_connections_are_closed(tls_dir):
    with StandIn("--any-instance", "--idle-timeout", "200ms", tls_dir=tls_dir) as cloud:
        link = cloud.connect(True, 3)
        cloud.call("DescribeInstances", {}, link)
        assert link.sock.recv(1) == b""
        link.close()


def test_certificate_is_checked_by_a_client(cloud):
    for name in ("127.0.0.1", "localhost"):
        link = http.client.HTTPSConnection(name, cloud.https_port, timeout=5, context=ssl.create_default_context(cafile=cloud.ca_file))
        link.request("HEAD", "/")
        assert link.getresponse().status == 200
        link.close()
    with pytest.raises(ssl.SSLCertVerificationError):
        http.client.HTTPSConnection("127.0.0.1", cloud.https_port, timeout=5, context=ssl.create_default_context()).connect()


# ---- the truth -------------------------------------------------------------------------------------------------------


def test_windows():
    ms = 10**6
    grid = [n * 50 * ms for n in range(40)]
    assert max(report.windows(grid)) == 20 and max(report.windows([t * 999 // 1000 for t in grid])) == 21
    assert report.windows([]) == [] and report.windows([5]) == [1]


def test_control_port_and_report(cloud):
    for name in (A, B):
        cloud.call("ManualBackupInstance", {"InstanceId": name})
    direct = json.loads(cloud._control("GET", "stats?limit=1"))
    assert (direct["arrivals"], direct["worst_window"], direct["windows_over_limit"], direct["backed_up"]) == (2, 2, 1, 2)
    with pytest.raises(ValueError):
        cloud._control("GET", "nothing")
    with pytest.raises(ValueError):
        cloud._control("POST", "faults", "{")
    since = cloud.arrivals()[0]["wall_ns"] - 10**6
    assert 0 < cloud.stats(since=since)["first_after_ms"] <= 1.001


def test_truth_file_and_clean_exit(tls_dir, tmp_path):
    with StandIn("--any-instance", "--latency", "10s", directory=tmp_path, tls_dir=tls_dir) as cloud:
        assert try_backup(cloud, True, 0.1) == "silence"
        link = cloud.connect(False)
        method, target, body, headers = cloud.signed("ManualBackupInstance", {"InstanceId": B}, tls=False)
        link.request(method, target, body, headers)
        wait_for(lambda: len(cloud.arrivals()) == 2)
        assert cloud.stop() == 0
        link.close()
        truth = cloud.truth()
    assert truth[0]["kind"] == "start" and truth[-1]["kind"] == "stop"
    assert sorted(r["reply"] for r in truth if r["kind"] == "arrival") == ["client-gone", "unfinished"]
    path = str(tmp_path / "truth.jsonl")
    done = subprocess.run([sys.executable, "-m", "cloud.report", path], env={**os.environ, "PYTHONPATH": TESTS}, capture_output=True, text=True)
    assert done.returncode == 0 and "worst one-second window" in done.stdout
    done = subprocess.run([sys.executable, "-m", "cloud.report", "--json", path], env={**os.environ, "PYTHONPATH": TESTS}, capture_output=True)
    assert json.loads(done.stdout)["tasks"] == 2


def start_directly(tmp_path, *arguments, **environment):
    known = {"CLOUD_SECRET_ID": "AKIDx", "CLOUD_SECRET_KEY": "y", **environment}
    return subprocess.Popen([sys.executable, os.path.join(TESTS, "cloud"), *arguments], env={**os.environ, **known}, cwd=tmp_path,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_start_that_fails_says_why(tls_dir):
    with pytest.raises(RuntimeError, match="--latency"):
        with StandIn("--any-instance", "--latency", "soon", tls_dir=tls_dir):
            pass


def test_two_addresses(tls_dir):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")
    with StandIn("--any-instance", "--listen", "127.0.0.1", "--listen", "::1", tls_dir=tls_dir) as cloud:
        for address in ("127.0.0.1", "::1"):
            link = http.client.HTTPSConnection(address, cloud.https_port, timeout=5, context=ssl.create_default_context(cafile=cloud.ca_file))
            assert code(cloud.call("DescribeInstances", {}, link)) == "OK"
            link.close()


def test_arrivals_are_stamped_when_they_reach_the_machine(cloud):
    """A process that is not let to read does not shift the arrivals."""
    link = cloud.connect(False)
    cloud.call("DescribeInstances", {}, link, tls=False)
    os.kill(cloud.process.pid, signal.SIGSTOP)
    method, target, body, headers = cloud.signed("ManualBackupInstance", {"InstanceId": A}, tls=False)
    sent = time.monotonic_ns()
    link.request(method, target, body, headers)
    time.sleep(0.1)
    os.kill(cloud.process.pid, signal.SIGCONT)
    assert link.getresponse().status == 200
    link.close()
    (arrival,) = cloud.arrivals()
    assert 0 <= arrival["mono_ns"] - sent < 50e6 and arrival["read_mono_ns"] - sent >= 100e6
    assert abs((arrival["wall_ns"] - arrival["mono_ns"]) - (time.time_ns() - time.monotonic_ns())) < 10e6


def test_run_as_a_directory(tmp_path):
    process = start_directly(tmp_path, "--http", "0", "--any-instance", "--listen", "127.0.0.1")
    told = json.loads(process.stdout.readline())
    assert can_connect(told["http"]) and "https" not in told
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=5)
    assert process.returncode == 0


@pytest.mark.parametrize("arguments,environment", [
    (("--http", "0", "--any-instance", "--listen", "0.0.0.0"), {}),
    (("--http", "0", "--any-instance", "--listen", "::"), {}),
    (("--http", "0"), {}),
    (("--any-instance",), {}),
    (("--http", "0", "--any-instance"), {"CLOUD_SECRET_KEY": ""}),
    (("--http", "0", "--any-instance", "--latency", "soon"), {}),
    (("--http", "0", "--any-instance", "--chance", "lost"), {}),
    (("--http", "0", "--any-instance", "--limit", "Nothing=3"), {}),
    (("--http", "0", "--instance", "crs-1"), {}),
])
def test_unusable_options(tmp_path, arguments, environment):
    process = start_directly(tmp_path, *arguments, **environment)
    _, message = process.communicate(timeout=10)
    assert process.returncode == 2 and message.strip()


def test_durations():
    assert [durations.parse_ns(t) for t in ("150ms", "2s", "-400s", "1.5", 3, "5us", "1h")] == \
        [150_000_000, 2 * 10**9, -400 * 10**9, 1_500_000_000, 3 * 10**9, 5000, 3600 * 10**9]
    for wrong in ("soon", "", "5 parsecs", None, True):
        with pytest.raises(ValueError):
            durations.parse_ns(wrong)


# ---- temporary keys ----


def ask_metadata(cloud, name=""):
    link = cloud.connect(tls=False)
    link.request("GET", "/latest/meta-data/cam/security-credentials/" + name)
    reply = link.getresponse()
    return reply.status, reply.read().decode()


def test_a_machines_role_signs_until_it_ends():
    with StandIn("--any-instance", "--role", "backup", "--role-life", "1h") as cloud:
        assert ask_metadata(cloud) == (200, "backup")
        assert ask_metadata(cloud, "other")[0] == 404
        keys = json.loads(ask_metadata(cloud, "backup")[1])
        assert keys["Code"] == "Success" and 3590 < keys["ExpiredTime"] - time.time() <= 3600
        backup = ("ManualBackupInstance", {"InstanceId": "crs-aaaa0001"})
        cloud.secret_id, cloud.secret_key = keys["TmpSecretId"], keys["TmpSecretKey"]
        assert cloud.call(*backup)["Error"]["Code"] == "AuthFailure.TokenFailure"
        cloud.token = keys["Token"]
        assert "TaskId" in cloud.call(*backup)
        cloud.set_faults({"match": {"action": "Metadata"}, "do": {"life": "-1s"}})
        keys = json.loads(ask_metadata(cloud, "backup")[1])
        cloud.secret_id, cloud.secret_key, cloud.token = keys["TmpSecretId"], keys["TmpSecretKey"], keys["Token"]
        assert cloud.call(*backup)["Error"]["Code"] == "AuthFailure.TokenFailure"


def test_no_role_and_no_sts_by_default():
    with StandIn("--any-instance") as cloud:
        assert ask_metadata(cloud)[0] == 404
        reply = cloud.call("AssumeRole", {}, X_TC_Version="2018-08-13")
        assert reply["Error"]["Code"] == "AuthFailure.SignatureFailure"      # signed for redis
