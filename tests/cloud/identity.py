"""Temporary keys: the metadata service of a machine that has a role, and STS.

What is issued goes into the gateway's keyring with its token and its end, so that the product takes it like any other
key. `Metadata` is the action by which fault rules meet the metadata service. A rule's `life` replaces how long keys live;
a negative one gives keys that have ended.
"""

import hashlib
import re

from .actions import SECOND, ApiError
from .tc3 import KeyPair

METADATA = "/latest/meta-data/cam/security-credentials/"
METADATA_ACTION = "Metadata"
VERSION = "2018-08-13"
ACTIONS = ("AssumeRole", "AssumeRoleWithWebIdentity")
SESSION = re.compile(r"[\w+=,.@-]{2,128}")
LONGEST = 43200                  # seconds


class Identity:
    """Issues keys of one role.

    role    its name; None: no role is bound, and STS knows none
    life    nanoseconds that keys live; None: what is asked for, 2 h from the metadata service
    token   the web identity that a pod shows
    """

    def __init__(self, keyring, role=None, life_ns=None, token=None, seed=0):
        self._keyring = keyring
        self.role = role
        self._life_ns = life_ns
        self._token = token
        self._seed = seed
        self._issued = 0

    def issue(self, wall_ns, asked_s, effect):
        """A new key pair with a token, valid from now on."""
        self._issued += 1
        life_ns = effect.do.get("life", asked_s * SECOND if self._life_ns is None else self._life_ns)
        noise = hashlib.sha256(f"{self._seed}/role/{self._issued}".encode()).hexdigest()
        pair = KeyPair(f"AKIDtmp{self._issued:04d}{noise[:24]}", "TMPKEY" + noise[55:23:-1], "TMPTOKEN" + noise * 12,
                       (wall_ns + life_ns) // SECOND)
        self._keyring[pair.secret_id] = pair
        return pair

    # ---- the metadata service --------------------------------------------------------------------------------------

    def metadata(self, path, wall_ns, effect):
        """(status, body as text or fields) of GET `path`."""
        name = path.removeprefix(METADATA)
        if self.role is None or name not in ("", self.role):
            return 404, "404 - Not Found"
        if name == "":
            return 200, self.role
        if effect.fault == "error":
            return 200, {"Code": effect.do.get("code", "Failed")}
        pair = self.issue(wall_ns, 7200, effect)
        return 200, {"TmpSecretId": pair.secret_id, "TmpSecretKey": pair.secret_key, "Token": pair.token,
                     "ExpiredTime": pair.expires, "Expiration": "2026-01-01T00:00:00Z", "Code": "Success"}

    # ---- STS -------------------------------------------------------------------------------------------------------

    def perform(self, action, parameters, wall_ns, effect):
        """The fields of an answer; ApiError where there are none."""
        if not SESSION.fullmatch(str(parameters.get("RoleSessionName", ""))):
            raise ApiError("InvalidParameter.ParamError", "RoleSessionName is not valid.")
        seconds = parameters.get("DurationSeconds", 7200)
        if not isinstance(seconds, int) or not 0 < seconds <= LONGEST:
            raise ApiError("InvalidParameter.OverTimeError", "DurationSeconds is not valid.")
        if action == "AssumeRoleWithWebIdentity" and (self._token is None or parameters.get("WebIdentityToken") != self._token):
            raise ApiError("InvalidParameter.WebIdentityTokenError", "The web identity token is not valid.")
        if self.role is None or not str(parameters.get("RoleArn", "")).endswith(f":roleName/{self.role}"):
            raise ApiError("ResourceNotFound.RoleNotFound", "The role does not exist.")
        pair = self.issue(wall_ns, seconds, effect)
        return {"Credentials": {"Token": pair.token, "TmpSecretId": pair.secret_id, "TmpSecretKey": pair.secret_key},
                "ExpiredTime": pair.expires, "Expiration": "2026-01-01T00:00:00Z"}
