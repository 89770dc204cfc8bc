"""Who may call, when, and how often.

- The key is the header X-MBX-APIKEY: absent -2014, unknown -2015, both HTTP 401.
- A signed request is taken when `timestamp < now + 1000` and `now - timestamp <= recvWindow` (5,000 ms when not sent, at most 60,000), else
  -1021. This is the venue-side expiry of an order request.
- The signature is the hex HMAC-SHA256, under the secret, of the raw query string followed by the raw body, without the `signature`
  parameter itself; wrong: -1022.
- Weight is counted per minute (2,400, HTTP 429 and -1003 beyond it), orders per account per minute (1,200, -1015) and, on USD-M, per 10 s
  (300).
Source: the venues' general API information. One simulated venue sees all its clients behind one address.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence

from bot.core.units import Millis
from bot.simulator.dialects.binance.errors import ApiError, mandatory
from bot.simulator.dialects.binance.face import Limits
from bot.simulator.dialects.binance.wire import Parameters
from bot.simulator.dialects.dialect import Credential, HttpRequest

RECV_WINDOW_DEFAULT_MS = 5_000
RECV_WINDOW_MAX_MS = 60_000
AHEAD_MAX_MS = 1_000


class Gate:
    """The keys of one venue. Both checks raise `ApiError`."""

    def __init__(self, credentials: Sequence[Credential]) -> None:
        self._by_key = {credential.api_key: credential for credential in credentials}

    def keyed(self, request: HttpRequest) -> Credential:
        """The credential that a request names; its signature is not looked at (listen keys need none)."""
        key = header(request.headers, "X-MBX-APIKEY")
        if not key:
            raise ApiError(-2014, "API-key format invalid.", status=401)
        credential = self._by_key.get(key)
        if credential is None:
            raise ApiError(-2015, "Invalid API-key, IP, or permissions for action.", status=401)
        return credential

    def knows(self, request: HttpRequest) -> bool:
        """Whether the request names one of these keys."""
        return header(request.headers, "X-MBX-APIKEY") in self._by_key

    def signed(self, request: HttpRequest, parameters: Parameters, now: Millis) -> Credential:
        """The credential of a request whose time and signature are right."""
        credential = self.keyed(request)
        _check_time(parameters, now)
        signature = parameters.required("signature")
        payload = _unsigned(request.query_string) + _unsigned(request.body.decode("utf-8", "replace"))
        expected = hmac.new(credential.secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            raise ApiError(-1022, "Signature for this request is not valid.")
        return credential


def header(headers: Mapping[str, str], name: str) -> str | None:
    """A header by name in any case."""
    found = headers.get(name)
    if found is not None:
        return found
    lowered = name.lower()
    return next((value for key, value in headers.items() if key.lower() == lowered), None)


def _unsigned(raw: str) -> str:
    return "&".join(part for part in raw.split("&") if not part.startswith("signature="))


def _check_time(parameters: Parameters, now: Millis) -> None:
    sent = parameters.integer("timestamp")
    if sent is None:
        raise mandatory("timestamp")
    window = parameters.integer("recvWindow", RECV_WINDOW_DEFAULT_MS) or RECV_WINDOW_DEFAULT_MS
    if window > RECV_WINDOW_MAX_MS:
        raise ApiError(-1131, "recvWindow must be less than 60000.")
    if sent >= now + AHEAD_MAX_MS:
        raise ApiError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if now - sent > window:
        raise ApiError(-1021, "Timestamp for this request is outside of the recvWindow.")


class Budget:
    """Weight and order counts, in fixed windows of the venue's clock as the venue counts them."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._weight: tuple[int, int] = (0, 0)
        self._orders: dict[tuple[str, int], tuple[int, int]] = {}

    def spend(self, weight: int, now: Millis) -> None:
        """Counts a request; raises -1003 with HTTP 429 when the minute is used up."""
        window, used = self._weight
        used = used + weight if window == now // 60_000 else weight
        self._weight = (now // 60_000, used)
        most = self.limits.weight_per_minute
        if used > most:
            text = f"Too many requests; current limit of IP is {most} requests per minute."
            raise ApiError(-1003, text, status=429)

    def count_orders(self, account: str, orders: int, now: Millis) -> None:
        """Counts new orders of an account; raises -1015 with HTTP 429 beyond either limit."""
        windows = ((10_000, self.limits.orders_per_10s, "TEN_SECONDS"), (60_000, self.limits.orders_per_minute, "MINUTE"))
        for length, limit, name in windows:
            if limit is None:
                continue
            counted = self._counted(account, length, now) + orders
            self._orders[account, length] = (now // length, counted)
            if counted > limit:
                raise ApiError(-1015, f"Too many new orders; current limit is {limit} orders per {name}.", status=429)

    def headers(self, account: str | None, now: Millis) -> dict[str, str]:
        """The usage headers of an answer; order counts only where an account placed orders."""
        window, used = self._weight
        told = {"X-MBX-USED-WEIGHT-1M": str(used if window == now // 60_000 else 0)}
        if account is not None:
            if self.limits.orders_per_10s is not None:
                told["X-MBX-ORDER-COUNT-10S"] = str(self._counted(account, 10_000, now))
            told["X-MBX-ORDER-COUNT-1M"] = str(self._counted(account, 60_000, now))
        return told

    def _counted(self, account: str, length: Millis, now: Millis) -> int:
        window, count = self._orders.get((account, length), (-1, 0))
        return count if window == now // length else 0
