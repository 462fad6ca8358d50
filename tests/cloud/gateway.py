"""The access gateway: from one whole request to what is done about it.

The order is the cloud's: signature, version, action, region, other headers, rate limit, then the product. A fault
decides whether the product acts and what becomes of the answer. The result is a `Delivery`, which the transport carries
out, and a truth record, which the transport completes when it has.
"""

import json
import re
import uuid
from dataclasses import dataclass
from email.utils import formatdate
from hashlib import sha256

from . import actions, identity, tc3
from .faults import draw

SECOND = 10**9
VERSION = "2018-04-12"
LANGUAGES = ("zh-CN", "en-US")
QUERY_LIMIT = 32 * 1024
SHOWN_PARAMETERS = 4096          # bytes of parameters that a truth record repeats
REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 411: "Length Required",
           413: "Content Too Large", 417: "Expectation Failed", 431: "Request Header Fields Too Large",
           500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout",
           505: "HTTP Version Not Supported"}

_POST_TYPE = re.compile(r"application/json(?:\s*;\s*charset=utf-8)?", re.IGNORECASE)
_SDK_CLIENT = re.compile(r"SDK_[A-Z+]+_[0-9.]+(?:; ?|$)")
_CUSTOM_CLIENT = re.compile(r"[0-9a-zA-Z\-_ ,;.]{0,128}")
_FINANCE_HOST = re.compile(r"redis\.([a-z0-9-]+-fsi)\.")


@dataclass
class Delivery:
    """What the transport has to do `delay_ns` after the arrival.

    `end` is what happens after the bytes: keep, close, reset, or silence (nothing at all, ever). `refuse` asks it to stop
    listening for a while, as a fault rule says.
    """

    delay_ns: int = 0
    data: bytes = b""
    end: str = "keep"
    record: dict = None
    refuse: dict = None


def response(status, body, content_type, date, keep_alive=True, extra=(), declared=None, with_body=True):
    """The bytes of an HTTP response. `declared` overrides its Content-Length."""
    lines = [
        f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}",
        "Server: nginx",
        f"Date: {formatdate(date, usegmt=True)}",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(body) if declared is None else declared}",
        f"Connection: {'keep-alive' if keep_alive else 'close'}",
        *extra,
    ]
    return "\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + (body if with_body else b"")


def html(status):
    title = f"{status} {REASONS.get(status, 'Error')}"
    return (f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n"
            f"<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n").encode("ascii")


def as_json(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


class Gateway:
    """Judges requests and answers them; holds no socket and reads no clock."""

    def __init__(self, cloud, keyring, limits, faults, truth, seed=0, latency_ns=0, jitter_ns=0, skew_ns=0, finance_hosts=False,
                 roles=None):
        self.cloud = cloud
        self.limits = limits
        self.faults = faults
        self._keyring = keyring
        self._roles = roles or identity.Identity(keyring)
        self._truth = truth
        self._seed = seed
        self._latency_ns = latency_ns
        self._jitter_ns = jitter_ns
        self._skew_ns = skew_ns
        self._finance_hosts = finance_hosts
        self._seq = 0

    def reset(self, stamp):
        """Forget tasks, counts and truth."""
        self.cloud.reset()
        self.limits.reset()
        self.faults.restart(stamp.mono_ns)
        self._truth.clear()
        self._truth.write({"kind": "reset", "mono_ns": stamp.mono_ns, "wall_ns": stamp.wall_ns})

    def shown_time(self, wall_ns, skew_ns=None):
        """The server's clock as it shows it, in seconds."""
        return (wall_ns + (self._skew_ns if skew_ns is None else skew_ns)) / SECOND

    # ---- what is not an API call -----------------------------------------------------------------------------------

    def is_probe(self, request):
        return request.method in ("HEAD", "OPTIONS")

    def probe(self, request, conn):
        """Answer HEAD and OPTIONS politely; the connection stays."""
        status = 200 if request.method == "HEAD" else 405
        record = self._record("probe", request, conn)
        record["status"] = status
        data = response(status, b"", "text/html", self.shown_time(request.first.wall_ns), request.keep_alive, ("Allow: GET, POST, HEAD",))
        return Delivery(0, data, "keep" if request.keep_alive else "close", record)

    def malformed(self, error, stamp, conn):
        """Answer bytes that are no request; the connection ends."""
        record = {"kind": "malformed", "conn": conn, "mono_ns": stamp.mono_ns, "wall_ns": stamp.wall_ns,
                  "status": error.status, "reason": error.reason}
        data = response(error.status, html(error.status), "text/html", self.shown_time(stamp.wall_ns), False)
        return Delivery(0, data, "close", record)

    def is_metadata(self, request):
        return request.method == "GET" and request.path.startswith(identity.METADATA)

    def metadata(self, request, conn):
        """Answer as the metadata service of a machine does; faults meet it as the action Metadata."""
        record = self._record("metadata", request, conn)
        record["action"] = identity.METADATA_ACTION
        record["path"] = request.path
        effect = self.faults.on_request(identity.METADATA_ACTION, None, request.first.mono_ns)
        record["fault"] = effect.label
        status, body = self._roles.metadata(request.path, request.first.wall_ns + self._skew_ns, effect)
        record["status"] = status
        if status != 200:
            data = response(status, body.encode(), "text/plain", self.shown_time(request.first.wall_ns), request.keep_alive)
            return Delivery(self._latency_ns, data, "keep" if request.keep_alive else "close", record)
        return self._deliver(request, record, effect, body.encode() if isinstance(body, str) else as_json(body), self._skew_ns)

    # ---- an API call -----------------------------------------------------------------------------------------------

    def call(self, request, conn):
        """Judge, act, and say what to send."""
        record = self._record("arrival", request, conn)
        action = record["action"] = request.header("x-tc-action")
        record["region"] = request.header("x-tc-region")
        record["timestamp"] = request.header("x-tc-timestamp")
        parameters, parameter_error = self._parameters(request, action)
        instance = self._instance_of(action, parameters)
        if instance is not None:
            record["instance"] = instance
        if parameters is not None and len(request.body) <= SHOWN_PARAMETERS:
            record["params"] = parameters
        effect = self.faults.on_request(action, instance, request.first.mono_ns)
        skew_ns = effect.do.get("skew", self._skew_ns)
        over_limit = self.limits.arrive(action, record["host"], request.first.wall_ns)
        record.update(acted=False, task_id=None, fault=effect.label)
        refusal = self._judge(request, record, skew_ns)
        if refusal is None and over_limit:
            refusal = actions.ApiError("RequestLimitExceeded", over_limit)
        if refusal is None:
            refusal = parameter_error
        if not effect.acts:
            fields, refusal = None, actions.ApiError(effect.do.get("code", "InternalError"), effect.do.get("message"))
        elif refusal is None:
            fields, refusal = self._perform(request, action, parameters, record, effect, skew_ns)
        else:
            fields = None
        if effect.fault == "error" and effect.acts:
            fields, refusal = None, actions.ApiError(effect.do["code"], effect.do.get("message"))
        request_id = record["request_id"] = self._request_id(record["seq"])
        body = self._body(fields, refusal, request_id)
        record["code"] = refusal.code if refusal else "OK"
        record["status"] = 200
        return self._deliver(request, record, effect, body, skew_ns)

    def _record(self, kind, request, conn):
        self._seq += 1
        return {
            "kind": kind,
            "seq": self._seq,
            "conn": conn,
            "mono_ns": request.first.mono_ns,
            "wall_ns": request.first.wall_ns,
            "complete_mono_ns": request.complete.mono_ns,
            "read_mono_ns": request.first.read_ns,
            "method": request.method,
            "host": (request.header("host") or "").lower(),
        }

    def _request_id(self, seq):
        return str(uuid.UUID(bytes=sha256(f"{self._seed}/{seq}".encode()).digest()[:16], version=4))

    @staticmethod
    def _parameters(request, action):
        """(parameters, None), or (None, why they cannot be read)."""
        known = actions.ACTIONS.get(action)
        try:
            if len(request.query) > QUERY_LIMIT:
                raise actions.ApiError("RequestSizeLimitExceeded", "The size of the request exceeds the upper limit.")
            if request.method == "POST":
                return actions.parameters_of_body(request.body), None
            return (actions.parameters_of_query(request.query, known), None) if known else ({}, None)
        except actions.ApiError as error:
            return None, error

    def _instance_of(self, action, parameters):
        """The instance a call is about: the one it names, or that of the task it names."""
        if not parameters:
            return None
        instance = parameters.get("InstanceId")
        if isinstance(instance, str):
            return instance
        return self.cloud.instance_of_task(parameters.get("TaskId")) if action == "DescribeTaskInfo" else None

    def _judge(self, request, record, skew_ns):
        """Everything the gateway checks before the product sees a call; None where all is well."""
        if request.oversize:
            record["signature"] = "unchecked"
            return actions.ApiError("RequestSizeLimitExceeded", "The size of the request exceeds the upper limit.")
        sts = record["action"] in identity.ACTIONS
        try:
            if record["action"] == "AssumeRoleWithWebIdentity" and request.header("authorization") == "SKIP":
                record["signature"] = "skipped"
            else:
                pair = tc3.verify(request, self._keyring, self.shown_time(request.first.wall_ns, skew_ns),
                                  ("sts",) if sts else ("redis",))
                record["signature"] = "valid"
                record["secret_id"] = pair.secret_id
        except tc3.Rejected as rejected:
            record["signature"] = rejected.code
            record["signature_detail"] = rejected.reason
            return actions.ApiError(rejected.code, rejected.message)
        try:
            self._check_common(request)
        except actions.ApiError as error:
            return error
        return None

    def _check_common(self, request):
        action, version = request.header("x-tc-action"), request.header("x-tc-version")
        if not version:
            raise _missing("Version")
        sts = action in identity.ACTIONS
        if version != (identity.VERSION if sts else VERSION):
            raise actions.ApiError("NoSuchVersion", f"The requested version `{version}` does not exist.")
        if not action:
            raise _missing("Action")
        if action not in actions.ACTIONS and not sts:
            raise actions.ApiError("InvalidAction", f"The action `{action}` is invalid or does not exist in version `{version}`.")
        content_type = request.header("content-type") or ""
        if request.method == "POST" and not _POST_TYPE.fullmatch(content_type):
            raise actions.ApiError("InvalidRequest", "The content type of a POST must be application/json.")
        if request.method == "POST" and request.query:
            raise actions.ApiError("InvalidRequest", "The query of a POST must be empty.")
        if request.method == "GET" and content_type.lower() != "application/x-www-form-urlencoded":
            raise actions.ApiError("InvalidRequest", "The content type of a GET must be application/x-www-form-urlencoded.")
        self._check_region(request)
        language = request.header("x-tc-language")
        if language is not None and language not in LANGUAGES:
            raise actions.ApiError("InvalidParameter", "The value of header `X-TC-Language` is not valid.")
        client = request.header("x-tc-requestclient")
        if client is not None and not _CUSTOM_CLIENT.fullmatch(_SDK_CLIENT.sub("", client, count=1)):
            raise actions.ApiError("InvalidParameter", "The value of header `X-TC-RequestClient` is not valid.")

    def _check_region(self, request):
        region = request.header("x-tc-region")
        if not region:
            raise _missing("Region")
        if not self.cloud.knows_region(region):
            raise actions.ApiError("UnsupportedRegion", f"The region `{region[:64]}` is not supported.")
        if not self._finance_hosts:
            return
        at = _FINANCE_HOST.match((request.header("host") or "").lower())
        if (region.endswith("-fsi") or at) and (at is None or at.group(1) != region):
            raise actions.ApiError("UnsupportedRegion", f"The region `{region}` is not supported at this host.")

    def _perform(self, request, action, parameters, record, effect, skew_ns):
        """(reply fields, None) or (None, error)."""
        now = actions.Moment(request.first.mono_ns, request.first.wall_ns + skew_ns)
        try:
            if action in identity.ACTIONS:
                record["acted"] = True
                return self._roles.perform(action, parameters, now.wall_ns, effect), None
            fields = self.cloud.perform(action, parameters, record["region"], now, effect)
        except actions.ApiError as error:
            return None, error
        record["acted"] = True
        if action == "ManualBackupInstance":
            record["task_id"] = int(fields["TaskId"])
        return fields, None

    @staticmethod
    def _body(fields, refusal, request_id):
        if refusal is not None:
            fields = {"Error": {"Code": refusal.code, "Message": refusal.message}}
        return as_json({"Response": {**fields, "RequestId": request_id}})

    # ---- the fate of the answer ------------------------------------------------------------------------------------

    def _deliver(self, request, record, effect, body, skew_ns):
        do, fault = effect.do, effect.fault
        date = self.shown_time(request.first.wall_ns, skew_ns)
        quick = fault in ("reset-before", "close-before", "refuse") and "latency" not in do
        latency_ns = 0 if quick else do.get("latency", self._latency_ns)
        jitter_ns = 0 if quick else do.get("jitter", self._jitter_ns)
        if jitter_ns:
            latency_ns += int(jitter_ns * draw(self._seed, "jitter", record["action"], record.get("instance"), record["seq"]))
        keep = request.keep_alive
        delivery = Delivery(latency_ns, b"", "keep" if keep else "close", record)
        status, kind, declared = 200, "application/json", None
        if fault == "refuse":
            delivery.refuse = do
        if fault in ("reset-before", "reset-after", "close-before", "close-after", "lost") or (fault == "refuse" and not effect.acts):
            delivery.end = {"lost": "silence", "refuse": "reset"}.get(fault, fault.partition("-")[0])
            record["status"] = record["code"] = record["request_id"] = None
            return delivery
        if fault == "http":
            status, kind = do.get("status", 500), "text/html"
            body = html(status)
        elif fault == "garbage":
            body = b"\x00\xff\xfe" + sha256(f"{self._seed}/{record['seq']}".encode()).digest() * 4
        elif fault == "invalid-json":
            body = body[:-2] + b",}"
        elif fault == "huge":
            body = body[:-2] + b',"Padding":"' + b"x" * max(0, do.get("size", 4 << 20) - len(body) - 13) + b'"}}'
        elif fault == "truncate":
            declared, body, delivery.end = len(body), body[: len(body) // 2], "close"
        elif fault == "wrong-length":
            declared = max(0, len(body) + do.get("length_delta", -7))
        if fault in ("http", "garbage", "invalid-json", "truncate", "wrong-length"):
            record["code"] = record["request_id"] = None
        record["status"] = status
        delivery.data = response(status, body, kind, date, keep, (), declared)
        return delivery


def _missing(name):
    return actions.ApiError("MissingParameter", f"The request is missing a required parameter `{name}`.")
