"""What a dialect is: requests in, replies and socket messages out. No sockets, no clock, no waiting (sans-IO).

The server owns every connection and hands a dialect plain values; a dialect calls the matching engine and returns what a client of
the real venue would read, byte for byte where it matters: JSON types, error codes, HTTP statuses, header names. The same object
therefore serves real time (`server.py`) and virtual time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import orjson

from bot.core.units import Millis
from bot.simulator.exchange import Exchange
from bot.simulator.model import Report

if TYPE_CHECKING:
    from bot.simulator.dialects.trouble import Troubles


class Operation(StrEnum):
    """What a request is about, so that a fault plan can aim at it without knowing a venue's paths."""

    PLACE = "place"
    CANCEL = "cancel"
    ORDER = "order"
    OPEN_ORDERS = "open_orders"
    FILLS = "fills"
    POSITIONS = "positions"
    BALANCE = "balance"
    FUNDING_PAID = "funding_paid"
    SETTINGS = "settings"
    LISTEN_KEY = "listen_key"
    MARKETS = "markets"
    MARKET_DATA = "market_data"
    CLOCK = "clock"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """One HTTP request as it arrived. `query_string` and `body` are raw, because signatures cover the raw bytes."""

    method: str
    host: str
    path: str
    query_string: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpReply:
    """The answer: `body` is the exact text that goes on the wire."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRights:
    """What a key may do, as the venue tells whoever asks with it. Nothing here is enforced: it is told.

    `addresses`: from which it may be used, none of them meaning from anywhere; `ends_at`: when it ends, where the venue has such a date.
    """

    trade: bool = True
    withdraw: bool = False
    move: bool = False
    addresses: tuple[str, ...] = ()
    ends_at: Millis | None = None


USUAL_RIGHTS = KeyRights()
"""Trades, from anywhere, and nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """One API key of the simulated venue and the account it trades for. `passphrase` only where the venue has one."""

    api_key: str
    secret: str
    account: str
    passphrase: str | None = None
    rights: KeyRights = USUAL_RIGHTS


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply, and what happened at the venue because of the request (to be published to every open socket)."""

    reply: HttpReply
    reports: Sequence[Report] = ()


@dataclass(frozen=True, slots=True)
class SocketAnswer:
    """Messages back to the socket that spoke, and what happened because of it. `close` ends the connection after sending."""

    messages: Sequence[str] = ()
    reports: Sequence[Report] = ()
    close: bool = False


class Socket(Protocol):
    """One WebSocket connection's state: its login, its subscriptions, its sequence numbers."""

    def opened(self, now: Millis) -> Sequence[str]:
        """Messages that the venue sends on connect."""

    def received(self, text: str, now: Millis) -> SocketAnswer:
        """A text frame from the client (also text pings such as OKX's `ping`)."""

    def published(self, reports: Sequence[Report], now: Millis) -> Sequence[str]:
        """The messages, in order, that this connection's subscriptions call for."""

    def beat(self, now: Millis) -> Sequence[str]:
        """Called about every 100 ms of wall time: periodic pushes (tickers, mark price)."""


class Dialect(Protocol):
    """One venue's language. `hosts` are the production host names that ccxt calls (REST and WebSocket).

    `troubles` is what it says on its bad days, see `trouble`; it stands in `troubles.py` of the dialect's package.
    """

    hosts: tuple[str, ...]
    troubles: Troubles

    def operation(self, request: HttpRequest) -> Operation:
        """What a request is about; UNKNOWN for a path that this venue does not have."""

    def handle(self, request: HttpRequest, now: Millis) -> Answer:
        """Authenticates, checks, calls the engine and answers as the venue would. Never raises for a bad request."""

    def open_socket(self, host: str, path: str, query_string: str, now: Millis) -> Socket | HttpReply:
        """A new connection's state, or the HTTP answer that refuses the upgrade."""


@runtime_checkable
class Timed(Protocol):
    """A dialect with something that time alone sets off (a dead-man switch, a key that expires)."""

    def elapsed(self, now: Millis) -> Sequence[Report]:
        """Called about every 100 ms of wall time; what happened at the venue because of it is published like any report."""


@runtime_checkable
class Listening(Protocol):
    """A dialect that keeps figures of its own from what happens at the venue, such as the volume of the last day."""

    def heard(self, reports: Sequence[Report], now: Millis) -> None:
        """Called with every report, in order, before any socket is told."""


@runtime_checkable
class Sharing(Protocol):
    """A dialect that also answers at hosts which another venue lists: whoever knows the key of a request answers it there."""

    shared_hosts: tuple[str, ...]

    def knows(self, request: HttpRequest) -> bool:
        """Whether the request carries a key of this venue."""


@runtime_checkable
class Keyed(Protocol):
    """A dialect whose private streams hang on keys that expire."""

    def end_keys(self, now: Millis) -> None:
        """All of them expire now."""


DialectFactory = Callable[[Exchange, Sequence[Credential]], Dialect]


def as_json(value: Any) -> bytes:
    """Compact JSON as venues send it. Callers pass strings, ints, bools, None, lists, dicts and `as_number`; never Decimal or float."""
    return orjson.dumps(value)


def as_number(value: Decimal) -> orjson.Fragment:
    """An exact JSON number, for the few fields that venues do not send as strings; no float on the way."""
    return orjson.Fragment(format(value, "f").encode())
