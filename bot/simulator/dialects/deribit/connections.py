"""Cancel on disconnect: orders that a WebSocket connection placed are canceled when it is gone.

`private/enable_cancel_on_disconnect` guards the connection that asks for it (scope `connection`), or every connection opened from then on
(scope `account`). Orders placed over HTTP belong to no connection and stay: for a client that trades over HTTP, as ccxt does, this is no
dead-man switch. A connection that was not seen for a second counts as gone.
Source: docs.deribit.com, `private/enable_cancel_on_disconnect`: "all orders created by the connection will be removed when the connection
is closed"; "It does not affect orders created by other connections".
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from bot.core.units import Millis
from bot.simulator.exchange import Exchange
from bot.simulator.model import Refused, Report

GONE_AFTER_MS: Millis = 1_000


class Connections:
    """Every open connection: when it was last seen, whether it is guarded, and which orders it placed."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._seen: dict[int, Millis] = {}
        self._guarded: set[int] = set()
        self._placed: dict[int, list[tuple[str, str, int]]] = {}
        self._accounts: set[str] = set()
        self.canceled: set[int] = set()
        """Orders that were canceled because their connection had gone."""

    def open(self, now: Millis) -> int:
        """A new connection's number."""
        number = next(self._numbers)
        self._seen[number] = now
        return number

    def seen(self, connection: int, now: Millis) -> None:
        """The connection is there."""
        self._seen[connection] = now

    def logged_in(self, connection: int, account: str) -> None:
        """A connection found its account."""
        if account in self._accounts:
            self._guarded.add(connection)

    def guard(self, connection: int, account: str, scope: str, *, on: bool) -> None:
        """Switches the guard of one connection, or of all later ones of the account as well."""
        if scope == "account":
            (self._accounts.add if on else self._accounts.discard)(account)
        (self._guarded.add if on else self._guarded.discard)(connection)

    def is_guarded(self, connection: int, account: str, scope: str) -> bool:
        """Whether orders of the connection (or of the account's later ones) will be canceled."""
        return account in self._accounts if scope == "account" else connection in self._guarded

    def placed(self, connection: int | None, account: str, symbol: str, order_id: int) -> None:
        """An order came over a connection."""
        if connection is not None:
            self._placed.setdefault(connection, []).append((account, symbol, order_id))

    def elapsed(self, exchange: Exchange, now: Millis) -> Sequence[Report]:
        """Cancels what guarded connections left behind."""
        reports: list[Report] = []
        for connection, seen_at in tuple(self._seen.items()):
            if now - seen_at <= GONE_AFTER_MS:
                continue
            del self._seen[connection]
            orders = self._placed.pop(connection, [])
            if connection not in self._guarded:
                continue
            self._guarded.discard(connection)
            for account, symbol, order_id in orders:
                try:
                    _, happened = exchange.cancel(account, symbol, now, order_id=order_id)
                except Refused:
                    continue
                self.canceled.add(order_id)
                reports.extend(happened)
        return reports
