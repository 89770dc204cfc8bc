"""Private WebSocket channels: orders, positions, account, balance_and_position.

`orders` pushes when an order is accepted, filled, cut or ended, once per fill, and never on subscription. `positions` and `account` push a
snapshot on subscription, an update at every event, and a snapshot every 5 s unless `extraParams` sets `updateInterval` to 0.
Every push echoes the argument of the subscription, with the account's `uid` added.
Source: OKX v5 documentation, "Order channel", "Positions channel", "Account channel", "Balance and position channel".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import orjson

from bot.core.units import ZERO, Millis
from bot.simulator.dialects.okx import account_rows
from bot.simulator.dialects.okx.channels import Arg, Channel
from bot.simulator.dialects.okx.order_rows import all_fills, categories, order_push, system_order_row, trade_id
from bot.simulator.dialects.okx.orders import OrderDesk
from bot.simulator.dialects.okx.wire import SWAP, Row, family, figure, position_id, uid
from bot.simulator.exchange import Exchange
from bot.simulator.model import (
    BalanceReport,
    Fill,
    FillKind,
    FillReport,
    FundingReport,
    Order,
    OrderReport,
    OrderState,
    PositionReport,
    Reason,
    Report,
)

SNAPSHOT_MS: Millis = 5_000


def _wants(arg: Arg, exchange: Exchange, symbol: str) -> bool:
    """Whether an argument's `instType`, `instFamily` and `instId` leave room for an instrument."""
    return (
        arg.get("instType", "ANY") in (SWAP, "ANY")
        and arg.get("instId", symbol) == symbol
        and arg.get("instFamily", family(exchange.contracts[symbol])) == family(exchange.contracts[symbol])
    )


class Orders:
    """`orders`: the life of the account's orders, and the venue's own orders against its positions."""

    def __init__(self, arg: Arg, account: str, desk: OrderDesk) -> None:
        self._arg, self._account, self._desk, self._exchange = {**arg, "uid": uid(account)}, account, desk, desk.exchange

    def opened(self, now: Millis) -> list[Row]:
        """Nothing: orders are not pushed on subscription."""
        del now
        return []

    def published(self, reports: Sequence[Report], now: Millis) -> list[Row]:
        """One push per change of an order. A fill is told by its FillReport, so that an OrderReport in a filled state adds nothing."""
        del now
        return [{"arg": self._arg, "data": [row]} for report in reports for row in self._rows(report)]

    def beat(self, now: Millis) -> list[Row]:
        """Nothing."""
        del now
        return []

    def _rows(self, report: Report) -> Iterator[Row]:
        match report:
            case FillReport(fill=fill, order=order) if self._concerns(fill.account, fill.symbol):
                yield self._push(self._own(order) if order else self._venues(fill), fill, fill.symbol)
            case OrderReport(order=order) if self._concerns(order.request.account, order.request.symbol) and not _told_by_fill(order):
                yield self._push(self._own(order), None, order.request.symbol)
            case _:
                return

    def _concerns(self, account: str, symbol: str) -> bool:
        return account == self._account and _wants(self._arg, self._exchange, symbol)

    def _own(self, order: Order) -> Row:
        """The account's order as it was at the report: with the fills up to there, not with those that came after."""
        fills: list[Fill] = []
        filled = ZERO
        for fill in all_fills(self._exchange, self._account, order.request.symbol):
            if fill.order_id == order.order_id and filled < order.filled:
                fills.append(fill)
                filled += fill.contracts
        return self._desk.row(order, fills)

    def _venues(self, fill: Fill) -> Row:
        category = categories(all_fills(self._exchange, self._account))[fill.fill_id]
        return system_order_row(fill, category, lever=self._exchange.leverage(self._account, fill.symbol))

    def _push(self, row: Row, fill: Fill | None, symbol: str) -> Row:
        view = self._exchange.market(symbol)
        return order_push(row, fill, contract=view.contract, last=view.last, mark=view.mark)


class Positions:
    """`positions`: the account's net positions; one that was closed is pushed once with `pos` 0."""

    def __init__(self, arg: Arg, account: str, exchange: Exchange) -> None:
        self._arg, self._account, self._exchange = {**arg, "uid": uid(account)}, account, exchange
        self._regular = _regular(arg)
        self._snapshot_at: Millis = 0

    def opened(self, now: Millis) -> list[Row]:
        """The open positions, also when there are none."""
        self._snapshot_at = now
        held = [p for p in self._exchange.positions(self._account) if p.contracts and _wants(self._arg, self._exchange, p.symbol)]
        return [_paged(self._arg, "snapshot", [self._stamped(account_rows.position_row(self._exchange, p), now) for p in held])]

    def published(self, reports: Sequence[Report], now: Millis) -> list[Row]:
        """The positions that changed."""
        changed = [
            report.position
            for report in reports
            if isinstance(report, PositionReport)
            and report.position.account == self._account
            and _wants(self._arg, self._exchange, report.position.symbol)
        ]
        rows = [self._stamped(account_rows.position_row(self._exchange, position), now) for position in changed]
        return [_paged(self._arg, "event_update", rows)] if rows else []

    def beat(self, now: Millis) -> list[Row]:
        """The regular snapshot."""
        return self.opened(now) if self._regular and now - self._snapshot_at >= SNAPSHOT_MS else []

    def _stamped(self, row: Row, now: Millis) -> Row:
        return {**row, "pTime": str(now)}


class AccountBalances:
    """`account`: the account's currencies."""

    def __init__(self, arg: Arg, account: str, exchange: Exchange) -> None:
        self._arg, self._account, self._exchange = {**arg, "uid": uid(account)}, account, exchange
        self._regular = _regular(arg)
        self._snapshot_at: Millis = 0

    def opened(self, now: Millis) -> list[Row]:
        """The balances as they are."""
        self._snapshot_at = now
        return self._speak("snapshot", now)

    def published(self, reports: Sequence[Report], now: Millis) -> list[Row]:
        """The balances, when a wallet or the margin bound by a position changed."""
        concerned = any(
            (isinstance(report, BalanceReport) and report.balance.account == self._account)
            or (isinstance(report, PositionReport) and report.position.account == self._account)
            for report in reports
        )
        return self._speak("event_update", now) if concerned else []

    def beat(self, now: Millis) -> list[Row]:
        """The regular snapshot."""
        return self.opened(now) if self._regular and now - self._snapshot_at >= SNAPSHOT_MS else []

    def _speak(self, event: str, now: Millis) -> list[Row]:
        row = account_rows.account_row(self._exchange, self._account, now)
        if wanted := self._arg.get("ccy"):
            row["details"] = [detail for detail in row["details"] if detail["ccy"] == wanted]
        return [_paged(self._arg, event, [row])]


class BalancesAndPositions:
    """`balance_and_position`: what a fill, a funding payment, a transfer, a liquidation or a deleveraging changed."""

    def __init__(self, arg: Arg, account: str, exchange: Exchange) -> None:
        self._arg, self._account, self._exchange = {**arg, "uid": uid(account)}, account, exchange

    def opened(self, now: Millis) -> list[Row]:
        """Everything, once."""
        symbols = [position.symbol for position in self._exchange.positions(self._account) if position.contracts]
        return [self._push("snapshot", symbols, [], now)]

    def published(self, reports: Sequence[Report], now: Millis) -> list[Row]:
        """One push per kind of event."""
        fills = [report.fill for report in reports if isinstance(report, FillReport) and report.fill.account == self._account]
        events: dict[str, list[Fill]] = {}
        for fill in fills:
            events.setdefault(_EVENTS[fill.kind], []).append(fill)
        pushes = [self._push(event, list(dict.fromkeys(f.symbol for f in told)), told, now) for event, told in events.items()]
        if any(isinstance(report, FundingReport) and report.record.account == self._account for report in reports):
            pushes.append(self._push("funding_fee", [], [], now))
        if not pushes and any(isinstance(report, BalanceReport) and report.balance.account == self._account for report in reports):
            pushes.append(self._push("transferred", [], [], now))
        return pushes

    def beat(self, now: Millis) -> list[Row]:
        """Nothing."""
        del now
        return []

    def _push(self, event: str, symbols: Sequence[str], fills: Sequence[Fill], now: Millis) -> Row:
        balances = [
            {"ccy": balance.asset, "cashBal": figure(balance.wallet), "uTime": str(now)}
            for balance in self._exchange.balances(self._account)
        ]
        positions = [
            {
                "avgPx": figure(position.entry_price) if position.contracts else "",
                "ccy": self._exchange.contracts[position.symbol].settle,
                "instId": position.symbol,
                "instType": SWAP,
                "mgnMode": "cross",
                "nonSettleAvgPx": "",
                "pos": figure(position.contracts),
                "posCcy": "",
                "posId": position_id(self._account, position.symbol),
                "posSide": "net",
                "settledPnl": "",
                "tradeId": next((trade_id(fill) for fill in reversed(fills) if fill.symbol == position.symbol), ""),
                "uTime": str(position.updated_at),
            }
            for position in self._exchange.positions(self._account)
            if position.symbol in symbols
        ]
        trades = [{"instId": fill.symbol, "tradeId": trade_id(fill)} for fill in fills]
        row = {"pTime": str(now), "eventType": event, "balData": balances, "posData": positions, "trades": trades}
        return {"arg": self._arg, "data": [row]}


_EVENTS = {FillKind.TRADE: "filled", FillKind.LIQUIDATION: "liquidation", FillKind.AUTO_DELEVERAGING: "adl"}


def private_channel(arg: Arg, account: str, desk: OrderDesk) -> Channel | None:
    """The channel that an argument asks for on `/ws/v5/private`, None when there is no such channel or instrument."""
    if arg.get("instId") and arg["instId"] not in desk.exchange.contracts:
        return None
    match arg.get("channel"):
        case "orders" if arg.get("instType"):
            return Orders(arg, account, desk)
        case "positions" if arg.get("instType"):
            return Positions(arg, account, desk.exchange)
        case "account":
            return AccountBalances(arg, account, desk.exchange)
        case "balance_and_position":
            return BalancesAndPositions(arg, account, desk.exchange)
        case _:
            return None


def _told_by_fill(order: Order) -> bool:
    return order.state in (OrderState.FILLED, OrderState.PARTIALLY_FILLED) and order.reason != Reason.REDUCE_ONLY


def _regular(arg: Arg) -> bool:
    """Whether snapshots come regularly: unless `extraParams`, a JSON text, says `updateInterval` 0."""
    try:
        extra = orjson.loads(arg.get("extraParams") or "{}")
    except orjson.JSONDecodeError:
        return True
    return not isinstance(extra, dict) or str(extra.get("updateInterval", "")) != "0"


def _paged(arg: Arg, event: str, rows: list[Row]) -> Row:
    return {"arg": arg, "eventType": event, "curPage": 1, "lastPage": True, "data": rows}
