"""Who is asking, and is the request still fresh: OKX's headers, its signature, its clock and its order expiry.

REST: `OK-ACCESS-SIGN` is base64(HMAC-SHA256(secret, timestamp + METHOD + path?query + body)), with the timestamp in ISO 8601 with
milliseconds; a request expires 30 s from its timestamp. WebSocket login signs seconds + `GET/users/self/verify` in the same way.
An order request may carry `expTime` (ms, a header on REST, a member on WebSocket): after that instant it is not processed.
Source: OKX v5 documentation, "REST Authentication", "WebSocket / Login", "Transaction Timeouts".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from bot.core.units import Millis
from bot.simulator.dialects.dialect import Credential, HttpRequest, KeyRights
from bot.simulator.dialects.okx import errors
from bot.simulator.dialects.okx.errors import Turned

REQUEST_LIFE_MS: Millis = 30_000
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")
_SECONDS = re.compile(r"\d{1,12}(\.\d{1,9})?")


class Keys:
    """The API keys that the simulated OKX has given out."""

    def __init__(self, credentials: Sequence[Credential]) -> None:
        self._by_key = {credential.api_key: credential for credential in credentials}

    def account_of(self, request: HttpRequest, headers: Mapping[str, str], now: Millis) -> str:
        """The account that signed a REST request. `headers` have lower-case names.

        Raises Turned with one of 50102 to 50107 and 50111 to 50113.
        """
        key = _given(headers, "ok-access-key", errors.KEY_MISSING)
        passphrase = _given(headers, "ok-access-passphrase", errors.PASSPHRASE_MISSING)
        sign = _given(headers, "ok-access-sign", errors.SIGN_MISSING)
        timestamp = _given(headers, "ok-access-timestamp", errors.TIMESTAMP_MISSING)
        credential = self._by_key.get(key)
        if credential is None:
            raise Turned(errors.KEY_INVALID)
        if abs(now - _iso_millis(timestamp)) > REQUEST_LIFE_MS:
            raise Turned(errors.TIMESTAMP_EXPIRED)
        if passphrase != credential.passphrase:
            raise Turned(errors.PASSPHRASE_WRONG)
        target = request.path + (f"?{request.query_string}" if request.query_string else "")
        text = f"{timestamp}{request.method}{target}".encode() + request.body
        if not hmac.compare_digest(sign.encode(), _signature(credential.secret, text)):
            raise Turned(errors.SIGN_INVALID)
        return credential.account

    def rights(self, key: str) -> KeyRights:
        """What a key may do; what any may, of one that nobody knows."""
        credential = self._by_key.get(key)
        return KeyRights() if credential is None else credential.rights

    def account_of_login(self, login: Mapping[str, object], now: Millis) -> str:
        """The account behind one `login` argument of a WebSocket. Raises Turned with one of 60004 to 60007 and 60024."""
        credential = self._by_key.get(str(login.get("apiKey", "")))
        if credential is None:
            raise Turned(errors.LOGIN_KEY_INVALID)
        timestamp = str(login.get("timestamp", ""))
        if not _SECONDS.fullmatch(timestamp):
            raise Turned(errors.LOGIN_TIMESTAMP_INVALID)
        if abs(now - Decimal(timestamp) * 1000) > REQUEST_LIFE_MS:
            raise Turned(errors.LOGIN_TIMESTAMP_EXPIRED)
        if login.get("passphrase") != credential.passphrase:
            raise Turned(errors.LOGIN_PASSPHRASE_WRONG)
        wanted = _signature(credential.secret, f"{timestamp}GET/users/self/verify".encode())
        if not hmac.compare_digest(str(login.get("sign", "")).encode(), wanted):
            raise Turned(errors.LOGIN_SIGN_INVALID)
        return credential.account


def require_unexpired(expiry: str | None, now: Millis) -> None:
    """Lets an order request pass unless its `expTime` (ms) is in the past. Raises Turned 50036, or 51000 when it is not a number."""
    if not expiry:
        return
    if not expiry.isdigit():
        raise errors.wrong("expTime")
    if int(expiry) < now:
        raise Turned(errors.EXPIRY_PASSED)


def _given(headers: Mapping[str, str], name: str, missing: tuple[str, int, str]) -> str:
    value = headers.get(name, "")
    if not value:
        raise Turned(missing)
    return value


def _iso_millis(timestamp: str) -> Millis:
    if not _ISO.fullmatch(timestamp):
        raise Turned(errors.TIMESTAMP_INVALID)
    try:
        moment = datetime.fromisoformat(timestamp.removesuffix("Z")).replace(tzinfo=UTC)
    except ValueError:
        raise Turned(errors.TIMESTAMP_INVALID) from None
    return round(moment.timestamp() * 1000)


def _signature(secret: str, text: bytes) -> bytes:
    return base64.b64encode(hmac.new(secret.encode(), text, hashlib.sha256).digest())
