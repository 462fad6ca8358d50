"""TC3-HMAC-SHA256 as the server sees it: rebuild what must have been signed, and say exactly what is wrong with it.

`canonical_request`, `string_to_sign`, `derive_keys` and `sign` are the algorithm; `verify` judges a request by every
rule, in this order: form of Authorization, time stamp, key id, scope, signed headers, query, signature, token.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timezone

ALGORITHM = "TC3-HMAC-SHA256"
TERMINATOR = "tc3_request"
CLOCK_TOLERANCE = 300            # seconds
TOKEN_LIMIT = 4096               # bytes
COMPULSORY = ("content-type", "host")

_AUTHORIZATION = re.compile(
    r"(?P<algorithm>[A-Za-z0-9-]+) Credential=(?P<id>[^/,\s]+)/(?P<date>[^/,\s]+)/(?P<service>[^/,\s]+)/(?P<end>[^/,\s]+), "
    r"SignedHeaders=(?P<signed>[^,\s]+), Signature=(?P<signature>[^,\s]+)"
)
_HEADER_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")
_ENCODED_QUERY = re.compile(r"(?:[A-Za-z0-9\-._~=&]|%[0-9A-F]{2})*")
_SIGNATURE = re.compile(r"[0-9a-f]{64}")


class Rejected(Exception):
    """A request that is not to be believed: the API's error code, its message, and the reason in our own words."""

    def __init__(self, code, message, reason):
        super().__init__(reason)
        self.code = code
        self.message = message
        self.reason = reason


@dataclass(frozen=True)
class KeyPair:
    """A key as the account has it; a temporary one has a token and may have an end (unix seconds)."""

    secret_id: str
    secret_key: str
    token: str = None
    expires: float = None


@dataclass(frozen=True)
class Keys:
    """The three derived keys, raw bytes."""

    date: bytes
    service: bytes
    signing: bytes


def sha256_hex(data):
    return hashlib.sha256(data).hexdigest()


def utc_date(timestamp):
    return datetime.fromtimestamp(timestamp, timezone.utc).strftime("%Y-%m-%d")


def canonical_request(method, query, headers, signed_names, body):
    """The bytes whose digest is signed. `headers` are (lower-case name, value) pairs of bytes."""
    values = dict(headers)
    block = b"".join(name.encode() + b":" + values[name.encode()].strip().lower() + b"\n" for name in signed_names)
    parts = (
        method.encode(),
        b"/",
        query.encode() if method == "GET" else b"",
        block,
        ";".join(signed_names).encode(),
        sha256_hex(body if method != "GET" else b"").encode(),
    )
    return b"\n".join(parts)


def string_to_sign(timestamp, service, canonical):
    scope = f"{utc_date(timestamp)}/{service}/{TERMINATOR}"
    return f"{ALGORITHM}\n{timestamp}\n{scope}\n{sha256_hex(canonical)}"


def derive_keys(secret_key, date, service):
    first = hmac.digest(b"TC3" + secret_key.encode(), date.encode(), "sha256")
    second = hmac.digest(first, service.encode(), "sha256")
    return Keys(first, second, hmac.digest(second, TERMINATOR.encode(), "sha256"))


def sign(secret_key, timestamp, service, canonical):
    """The signature in lower-case hex."""
    keys = derive_keys(secret_key, utc_date(timestamp), service)
    return hmac.digest(keys.signing, string_to_sign(timestamp, service, canonical).encode(), "sha256").hex()


def authorization(secret_id, timestamp, service, signed_names, signature):
    scope = f"{utc_date(timestamp)}/{service}/{TERMINATOR}"
    return f"{ALGORITHM} Credential={secret_id}/{scope}, SignedHeaders={';'.join(signed_names)}, Signature={signature}"


def verify(request, keyring, now, services=("redis",)):
    """Return the key pair that signed `request`, judged at `now` (unix seconds), or raise Rejected.

    `keyring` maps a secret id to its KeyPair; `services` are the products served here.
    """
    parts = _parse_authorization(request.header("authorization"))
    timestamp = _timestamp(request.header("x-tc-timestamp"), now)
    pair = keyring.get(parts["id"])
    if pair is None:
        raise Rejected("AuthFailure.SecretIdNotFound", "The SecretId is not found, please ensure that your SecretId is correct.",
                       "unknown secret id")
    _check_scope(parts, timestamp, services)
    signed = _signed_names(parts["signed"], request)
    if request.method == "GET" and not _ENCODED_QUERY.fullmatch(request.query):
        raise _signature_failure("the query is not RFC 3986 encoded with upper-case hex")
    if not _SIGNATURE.fullmatch(parts["signature"]):
        raise _signature_failure("the signature is not 64 lower-case hex digits")
    canonical = canonical_request(request.method, request.query, request.headers, signed, request.body)
    expected = sign(pair.secret_key, timestamp, parts["service"], canonical)
    if not hmac.compare_digest(expected, parts["signature"]):
        raise _signature_failure("the signature does not match")
    _check_token(request.header("x-tc-token"), pair, now)
    return pair


def _parse_authorization(value):
    if value is None:
        raise _invalid_authorization("the Authorization header is missing")
    match = _AUTHORIZATION.fullmatch(value)
    if not match:
        raise _invalid_authorization("the Authorization header is not of the documented form")
    if match["algorithm"] != ALGORITHM:
        raise _invalid_authorization(f"the algorithm is not {ALGORITHM}")
    if match["end"] != TERMINATOR:
        raise _invalid_authorization(f"the scope does not end in {TERMINATOR}")
    return match.groupdict()


def _timestamp(value, now):
    if not value:
        raise Rejected("MissingParameter", "The request is missing a required parameter `Timestamp`.", "no X-TC-Timestamp")
    if not re.fullmatch(r"[1-9][0-9]{0,11}", value):
        raise Rejected("InvalidParameter", "The value of header `X-TC-Timestamp` is not valid.", "X-TC-Timestamp is not in unix seconds")
    timestamp = int(value)
    if abs(now - timestamp) > CLOCK_TOLERANCE:
        raise Rejected(
            "AuthFailure.SignatureExpire",
            f"The provided credentials could not be validated because of exceeding request timestamp limit: "
            f"server time {int(now)}, request time {timestamp}.",
            f"the time stamp is {timestamp - now:+.0f} s off",
        )
    return timestamp


def _check_scope(parts, timestamp, services):
    if parts["service"] not in services:
        raise _signature_failure(f"the scope's service is {parts['service']!r}")
    if parts["date"] != utc_date(timestamp):
        raise _signature_failure("the scope's date is not the UTC date of X-TC-Timestamp")


def _signed_names(text, request):
    names = text.split(";")
    if not all(_HEADER_NAME.fullmatch(name) for name in names):
        raise _invalid_authorization("SignedHeaders must be lower-case names joined by ;")
    if names != sorted(set(names)):
        raise _invalid_authorization("SignedHeaders must be sorted, each name once")
    present = {name.decode("ascii") for name, _ in request.headers}
    for name in COMPULSORY:
        if name not in names:
            raise _invalid_authorization(f"{name} must be signed")
    for name in names:
        if name not in present:
            raise _invalid_authorization(f"signed header {name} is not in the request")
    return names


def _check_token(token, pair, now):
    reason = None
    if pair.token is None and token:
        reason = "a token was sent for a permanent key"
    elif pair.token is not None and not token:
        reason = "a temporary key needs X-TC-Token"
    elif token and len(token) > TOKEN_LIMIT:
        reason = "the token is too long"
    elif pair.token is not None and not hmac.compare_digest(token.encode("latin-1"), pair.token.encode()):
        reason = "the token does not match"
    elif pair.expires is not None and now >= pair.expires:
        reason = "the token has expired"
    if reason:
        raise Rejected("AuthFailure.TokenFailure", "The provided credentials could not be validated. Please check your token is correct.",
                       reason)


def _invalid_authorization(reason):
    return Rejected("AuthFailure.InvalidAuthorization", f"The request header `Authorization` is invalid: {reason}.", reason)


def _signature_failure(reason):
    return Rejected("AuthFailure.SignatureFailure",
                    "The provided credentials could not be validated. Please check your signature is correct.", reason)
