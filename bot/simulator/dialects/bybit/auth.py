"""Who is speaking: API key, signature and clock of REST requests and of WebSocket logins.

REST: `X-BAPI-SIGN` is the hex HMAC-SHA256 of timestamp + key + recvWindow + (raw query string | raw body). A request is in time when
server_time - recv_window <= timestamp < server_time + 1000; that is the venue-side expiry of an order request.
WebSocket: `auth` with [key, expires, HMAC of "GET/realtime" + expires]; `expires` must lie in the future.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any

from bot.core.units import Millis
from bot.simulator.dialects.bybit.codes import EXPIRED, KEY, SIGNATURE, ApiError, parameter
from bot.simulator.dialects.dialect import Credential, HttpRequest

RECV_WINDOW_DEFAULT_MS: Millis = 5_000
AHEAD_MAX_MS: Millis = 1_000


class Keys:
    """The API keys of the venue."""

    def __init__(self, credentials: Sequence[Credential]) -> None:
        self._by_key = {credential.api_key: credential for credential in credentials}

    def rest(self, request: HttpRequest, now: Millis) -> Credential:
        """The credential that signed a request. Raises ApiError 10001, 10002, 10003 or 10004."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        key, stamp, sign = (headers.get(f"x-bapi-{name}", "") for name in ("api-key", "timestamp", "sign"))
        if not (key and stamp and sign):
            raise parameter(f"empty value: apiTimestamp[{stamp}] apiKey[{key}] apiSignature[{sign}]: openapi sign params error!")
        credential = self._known(key)
        window = headers.get("x-bapi-recv-window", str(RECV_WINDOW_DEFAULT_MS))
        in_time(stamp, window, now)
        payload = request.body.decode("utf-8", "replace") if request.method == "POST" else request.query_string
        origin = f"{stamp}{key}{window}{payload}"
        if not _matches(credential, origin, sign):
            raise ApiError(SIGNATURE, f"error sign! origin_string[{origin}]")
        return credential

    def socket(self, args: Any, now: Millis) -> Credential:
        """The credential of an `auth` operation. Raises ApiError 10001, 10003 or 10004."""
        if not isinstance(args, list) or len(args) != 3:
            raise parameter("Params Error")
        key, expires, sign = (str(argument) for argument in args)
        credential = self._known(key)
        if not expires.isdigit() or int(expires) <= now:
            raise parameter("Params Error: expires is in the past")
        if not _matches(credential, f"GET/realtime{expires}", sign):
            raise ApiError(SIGNATURE, "Invalid sign")
        return credential

    def _known(self, key: str) -> Credential:
        credential = self._by_key.get(key)
        if credential is None:
            raise ApiError(KEY, "API key is invalid.")
        return credential


def in_time(stamp: str, window: str, now: Millis) -> None:
    """Raises ApiError 10002 for a request from outside its own window or from more than a second ahead; 10001 for no number at all."""
    if not stamp.isdigit() or not window.isdigit():
        raise parameter("params error: timestamp or recv_window invalid")
    if not now - int(window) <= int(stamp) < now + AHEAD_MAX_MS:
        raise ApiError(
            EXPIRED,
            "invalid request, please check your server timestamp or recv_window param. "
            f"req_timestamp[{stamp}],server_timestamp[{now}],recv_window[{window}]",
        )


def header_window(header: Mapping[str, Any], now: Millis) -> None:
    """`in_time` for the `header` object of a trade socket's operation."""
    in_time(str(header.get("X-BAPI-TIMESTAMP", "")), str(header.get("X-BAPI-RECV-WINDOW", RECV_WINDOW_DEFAULT_MS)), now)


def _matches(credential: Credential, origin: str, sign: str) -> bool:
    expected = hmac.new(credential.secret.encode(), origin.encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), sign.lower().encode())
