"""Placing, cancelling and looking up orders: what the REST and the WebSocket order operations have in common.

Every order of a request is judged on its own: its row carries `sCode`, and an accepted one carries ids and nothing of its fate. An order
names its instrument by `instId` or, on WebSocket, by `instIdCode`. `clOrdId` has 1 to 32 letters and digits, `tag` at most 16.
Source: OKX v5 documentation, "Place order", "Place multiple orders", "Cancel order", "Cancel All After".
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from bot.core.units import ZERO, Millis
from bot.simulator.dialects.okx import errors
from bot.simulator.dialects.okx.errors import Turned
from bot.simulator.dialects.okx.market_rows import symbol_of_code
from bot.simulator.dialects.okx.order_rows import BY_COUNTDOWN, ORDER_TYPES, all_fills, categories, order_row, system_order_row
from bot.simulator.dialects.okx.wire import Row
from bot.simulator.exchange import Exchange
from bot.simulator.model import Fill, FillKind, Order, OrderKind, OrderRequest, Refused, Report, Side

BATCH_MAX = 20
COUNTDOWN_SECONDS = range(10, 121)

_CLIENT_ID = re.compile(r"[A-Za-z0-9]{1,32}")
_TAG = re.compile(r"[A-Za-z0-9]{0,16}")
_NUMBER = re.compile(r"\d{1,30}(\.\d{1,30})?")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The rows that answer a request, and what happened at the venue because of it."""

    rows: list[Row]
    reports: tuple[Report, ...]


@dataclass(slots=True)
class OrderDesk:
    """Takes orders in OKX's words to the engine, and remembers what the engine has no place for."""

    exchange: Exchange
    tags: dict[int, str] = field(default_factory=dict)
    canceled_by: dict[int, str] = field(default_factory=dict)
    countdowns: dict[str, Millis] = field(default_factory=dict)

    def place(self, account: str, orders: Sequence[Any], now: Millis) -> Outcome:
        """Places orders one after another; a refused one does not hold up the next."""
        return _each(orders, lambda asked: self._place_one(account, asked, now))

    def cancel(self, account: str, orders: Sequence[Any], now: Millis) -> Outcome:
        """Cancels orders by `ordId` or `clOrdId`; `ordId` counts when both are given."""
        return _each(orders, lambda asked: self._cancel_one(account, asked, now))

    def start_countdown(self, account: str, time_out: object, now: Millis) -> Millis:
        """Cancel All After: arms the account's countdown of 10 to 120 s, or disarms it with 0. Returns when it ends, 0 if disarmed."""
        seconds = int(str(time_out)) if str(time_out).isdigit() else -1
        if seconds == 0:
            self.countdowns.pop(account, None)
            return 0
        if seconds not in COUNTDOWN_SECONDS:
            raise errors.wrong("timeOut")
        self.countdowns[account] = now + seconds * 1000
        return self.countdowns[account]

    def due(self, now: Millis) -> tuple[Report, ...]:
        """Cancels the open orders of every account whose countdown has ended."""
        reports: list[Report] = []
        for account in [account for account, at in self.countdowns.items() if at <= now]:
            del self.countdowns[account]
            for order in self.exchange.open_orders(account):
                self.canceled_by[order.order_id] = BY_COUNTDOWN
            reports += self.exchange.cancel_all(account, None, now)
        return tuple(reports)

    def find(self, account: str, symbol: str, query: Mapping[str, str]) -> Row | None:
        """One order of an account, or one of the venue's own orders against it, as REST shows it. Raises Turned without any id."""
        order_id, client_order_id = query.get("ordId"), query.get("clOrdId")
        if not order_id and not client_order_id:
            raise Turned(errors.ORDER_ID_MISSING)
        order = (
            self.exchange.order(account, symbol, order_id=as_id(order_id))
            if order_id
            else self.exchange.order(account, symbol, client_order_id=client_order_id)
        )
        if order is not None:
            return self.rows(account, [order])[0]
        return next((row for row in self.system_rows(account, symbol) if order_id and row["ordId"] == order_id), None)

    def rows(self, account: str, orders: Sequence[Order]) -> list[Row]:
        """Orders as REST shows them, each with its own last fill."""
        own: dict[int, list[Fill]] = defaultdict(list)
        for fill in all_fills(self.exchange, account):
            if fill.order_id is not None:
                own[fill.order_id].append(fill)
        return [self.row(order, own[order.order_id]) for order in orders]

    def row(self, order: Order, fills: Sequence[Fill]) -> Row:
        """One order with its fills, oldest first."""
        return order_row(
            order,
            self.exchange.contracts[order.request.symbol],
            fills,
            lever=self.exchange.leverage(order.request.account, order.request.symbol),
            tag=self.tags.get(order.order_id, ""),
            canceled_by=self.canceled_by.get(order.order_id),
        )

    def system_rows(self, account: str, symbol: str | None = None) -> list[Row]:
        """The venue's own orders against an account, oldest first."""
        fills = all_fills(self.exchange, account)
        kinds = categories(fills)
        return [
            system_order_row(fill, kinds[fill.fill_id], lever=self.exchange.leverage(account, fill.symbol))
            for fill in fills
            if fill.kind is not FillKind.TRADE and symbol in (None, fill.symbol)
        ]

    def _place_one(self, account: str, asked: Mapping[str, Any], now: Millis) -> tuple[Row, tuple[Report, ...]]:
        row = {
            "clOrdId": str(asked.get("clOrdId", "")),
            "ordId": "",
            "tag": str(asked.get("tag", "")),
            "ts": str(now),
            "sCode": "0",
            "sMsg": "",
            "subCode": "",
        }
        try:
            request = self._request(account, asked)
        except Turned as turned:
            return {**row, "sCode": turned.code, "sMsg": turned.msg}, ()
        try:
            order, reports = self.exchange.place(request, now)
        except Refused as refused:
            words = errors.words_for(refused, request, self.exchange)
            return {**row, "sCode": words.code, "sMsg": words.msg}, ()
        if row["tag"]:
            self.tags[order.order_id] = row["tag"]
        return {**row, "ordId": str(order.order_id), "sMsg": "Order placed"}, tuple(reports)

    def _cancel_one(self, account: str, asked: Mapping[str, Any], now: Millis) -> tuple[Row, tuple[Report, ...]]:
        order_id, client_order_id = str(asked.get("ordId") or ""), str(asked.get("clOrdId") or "")
        row = {"clOrdId": client_order_id, "ordId": order_id, "ts": str(now), "sCode": "0", "sMsg": ""}
        try:
            symbol = self._symbol(asked)
            if not order_id and not client_order_id:
                raise Turned(errors.ORDER_ID_MISSING)
        except Turned as turned:
            return {**row, "sCode": turned.code, "sMsg": turned.msg}, ()
        try:
            order, reports = (
                self.exchange.cancel(account, symbol, now, order_id=as_id(order_id))
                if order_id
                else self.exchange.cancel(account, symbol, now, client_order_id=client_order_id)
            )
        except Refused:
            return {**row, "sCode": errors.CANCEL_UNKNOWN[0], "sMsg": errors.CANCEL_UNKNOWN[2]}, ()
        return {**row, "ordId": str(order.order_id), "clOrdId": order.request.client_order_id or ""}, tuple(reports)

    def _request(self, account: str, asked: Mapping[str, Any]) -> OrderRequest:
        """An order in the engine's words. Raises Turned for a parameter that is missing, misshapen or not supported here."""
        symbol = self._symbol(asked)
        for name in ("tdMode", "side", "ordType", "sz"):
            if asked.get(name) in (None, ""):
                raise errors.empty(name)
        if asked["tdMode"] == "isolated":
            raise Turned(errors.MODE_UNSUPPORTED)
        if asked["tdMode"] != "cross":
            raise errors.wrong("tdMode")
        self._require_net(account, asked)
        if asked["side"] not in set(Side):
            raise errors.wrong("side")
        if asked["ordType"] not in ORDER_TYPES:
            raise errors.wrong("ordType")
        kind, time_in_force = ORDER_TYPES[asked["ordType"]]
        return OrderRequest(
            account=account,
            symbol=symbol,
            side=Side(asked["side"]),
            kind=kind,
            time_in_force=time_in_force,
            contracts=_positive(asked, "sz"),
            price=None if kind is OrderKind.MARKET or asked.get("px") in (None, "") else _positive(asked, "px"),
            reduce_only=_flag(asked, "reduceOnly"),
            client_order_id=_matching(asked, "clOrdId", _CLIENT_ID),
        )

    def _require_net(self, account: str, asked: Mapping[str, Any]) -> None:
        """The engine keeps net positions: an account that was switched to long/short mode is told that its orders are not supported."""
        hedged = self.exchange.settings(account).hedge_mode
        if asked.get("posSide", "") not in (("long", "short") if hedged else ("", "net")):
            raise errors.wrong("posSide")
        if hedged:
            raise Turned(errors.MODE_UNSUPPORTED)
        _matching(asked, "tag", _TAG)

    def _symbol(self, asked: Mapping[str, Any]) -> str:
        code = asked.get("instIdCode")
        symbol = symbol_of_code(self.exchange, code) if isinstance(code, int) else asked.get("instId")
        if symbol in (None, "") and code is None:
            raise errors.empty("instId")
        if not isinstance(symbol, str) or symbol not in self.exchange.contracts:
            raise Turned(errors.INSTRUMENT_UNKNOWN)
        return symbol


def _each(orders: Sequence[Any], act: Callable[[Mapping[str, Any]], tuple[Row, tuple[Report, ...]]]) -> Outcome:
    if not 0 < len(orders) <= BATCH_MAX:
        raise Turned(errors.BATCH_SIZE)
    done = [act(asked if isinstance(asked, dict) else {}) for asked in orders]
    return Outcome([row for row, _ in done], tuple(report for _, reports in done for report in reports))


def as_id(text: str | None) -> int:
    """The engine's order id in an `ordId`; -1, which no order has, when the text is not one."""
    return int(text) if text and text.isascii() and text.isdigit() else -1


def _positive(asked: Mapping[str, Any], name: str) -> Decimal:
    text = str(asked[name])
    if not _NUMBER.fullmatch(text):
        raise errors.wrong(name)
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise errors.wrong(name) from None
    if value <= ZERO:
        raise errors.wrong(name)
    return value


def _flag(asked: Mapping[str, Any], name: str) -> bool:
    value = asked.get(name, False)
    if value not in (True, False, "true", "false", ""):
        raise errors.wrong(name)
    return value in (True, "true")


def _matching(asked: Mapping[str, Any], name: str, form: re.Pattern[str]) -> str | None:
    value = asked.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not form.fullmatch(value):
        raise errors.wrong(name)
    return value
