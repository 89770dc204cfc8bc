"""The private channels: `user.orders`, `user.trades`, `user.changes`, `user.portfolio`.

Each names what it covers: one instrument (`user.orders.BTC-PERPETUAL.raw`) or a kind and a currency (`user.orders.any.any.raw`). A raw
`user.orders` message is one order, all others are lists. `user.changes` tells orders, trades and positions of one instrument together.
`user.portfolio.CURRENCY` starts with the margin as it is, then tells it at most once a second when it changed; its channel is lower-case in
every message, however it was asked for.
Source: docs.deribit.com, "Subscriptions".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from bot.core.units import Millis
from bot.simulator.dialects.deribit.account import position_row, summary_row
from bot.simulator.dialects.deribit.channels import INTERVALS, Channel
from bot.simulator.dialects.deribit.order_rows import order_row, trade_row
from bot.simulator.dialects.deribit.venue import CURRENCIES, KINDS, Venue
from bot.simulator.dialects.deribit.wire import Row
from bot.simulator.model import FillReport, OrderReport, PositionReport, Report

PORTFOLIO_EVERY_MS: Millis = 1_000


def private_channel(venue: Venue, account: str, name: str, now: Millis) -> Channel | None:
    """The channel of a name for an account; None where there is none."""
    del now
    parts = name.split(".")
    if len(parts) == 3 and parts[1] == "portfolio":
        return Portfolio(venue, account, parts[2].upper()) if parts[2].upper() in CURRENCIES else None
    symbols = _symbols(venue, parts[2:-1])
    if symbols is None or parts[-1] not in INTERVALS:
        return None
    match parts[1]:
        case "orders":
            return Orders(venue, account, name, symbols)
        case "trades":
            return Trades(venue, account, name, symbols)
        case "changes":
            return Changes(venue, account, name, symbols)
        case _:
            return None


def _symbols(venue: Venue, scope: Sequence[str]) -> frozenset[str] | None:
    """What an instrument, or a kind and a currency, cover."""
    if len(scope) == 1:
        return frozenset(scope) if scope[0] in venue.exchange.contracts else None
    if len(scope) != 2 or scope[0] not in KINDS or scope[1].upper() not in (*CURRENCIES, "ANY"):
        return None
    covered = venue.settling_in(scope[1]) if scope[0] in ("future", "any") else ()
    return frozenset(contract.symbol for contract in covered)


class _OfAccount:
    """A channel about one account in some instruments."""

    def __init__(self, venue: Venue, account: str, name: str, symbols: frozenset[str]) -> None:
        self.name = name
        self._venue, self._account, self._symbols = venue, account, symbols

    def opened(self, now: Millis) -> Sequence[Any]:
        """No snapshot."""
        del now
        return ()

    def beat(self, now: Millis) -> Sequence[Any]:
        """Nothing."""
        del now
        return ()

    def _orders(self, reports: Sequence[Report]) -> list[Row]:
        """An order is told in every state that it went through."""
        told = [report.order for report in reports if isinstance(report, OrderReport)]
        return [
            order_row(self._venue, order)
            for order in told
            if order.request.account == self._account and order.request.symbol in self._symbols
        ]

    def _trades(self, reports: Sequence[Report]) -> list[Row]:
        told = [report for report in reports if isinstance(report, FillReport)]
        return [
            trade_row(self._venue, report.fill, report.order)
            for report in told
            if report.fill.account == self._account and report.fill.symbol in self._symbols
        ]


class Orders(_OfAccount):
    """`user.orders`."""

    def published(self, reports: Sequence[Report], now: Millis) -> Sequence[Any]:
        """One message per order where the channel is raw, else one list."""
        del now
        rows = self._orders(reports)
        if self.name.endswith(".raw"):
            return rows
        return (rows,) if rows else ()


class Trades(_OfAccount):
    """`user.trades`."""

    def published(self, reports: Sequence[Report], now: Millis) -> Sequence[Any]:
        """One list."""
        del now
        rows = self._trades(reports)
        return (rows,) if rows else ()


class Changes(_OfAccount):
    """`user.changes`."""

    def published(self, reports: Sequence[Report], now: Millis) -> Sequence[Any]:
        """One message per instrument that something happened in."""
        del now
        orders, trades = self._orders(reports), self._trades(reports)
        held = [report.position for report in reports if isinstance(report, PositionReport)]
        positions = [position_row(self._venue, each) for each in held if each.account == self._account and each.symbol in self._symbols]
        touched = {str(row["instrument_name"]): None for row in (*orders, *trades, *positions)}
        return [
            {"instrument_name": symbol, **{word: _in(rows, symbol) for word, rows in _named(orders, trades, positions)}}
            for symbol in touched
        ]


def _named(orders: list[Row], trades: list[Row], positions: list[Row]) -> tuple[tuple[str, list[Row]], ...]:
    return ("orders", orders), ("trades", trades), ("positions", positions)


def _in(rows: list[Row], symbol: str) -> list[Row]:
    return [row for row in rows if row["instrument_name"] == symbol]


class Portfolio:
    """`user.portfolio.CURRENCY`."""

    def __init__(self, venue: Venue, account: str, currency: str) -> None:
        self.name = f"user.portfolio.{currency.lower()}"
        self._venue, self._account, self._currency = venue, account, currency
        self._shown = b""
        self._sent_at: Millis = 0

    def opened(self, now: Millis) -> Sequence[Any]:
        """The margin as it is."""
        return self._changed(now)

    def published(self, reports: Sequence[Report], now: Millis) -> Sequence[Any]:
        """Nothing at once."""
        del reports, now
        return ()

    def beat(self, now: Millis) -> Sequence[Any]:
        """The margin, if it changed."""
        return self._changed(now) if now - self._sent_at >= PORTFOLIO_EVERY_MS else ()

    def _changed(self, now: Millis) -> Sequence[Any]:
        row = summary_row(self._venue, self._account, self._currency)
        written = orjson.dumps(row)
        if written == self._shown:
            return ()
        self._shown, self._sent_at = written, now
        return (row,)
