"""What can be done: orders, cancels, leverage, the dead-man switch. Every action is signed (`signing`) and counted (`wallets`).

An order names its asset by index; `p` and `s` are strings, `b` is a buy, `r` reduce-only, `c` the client's id. Each order of a batch is
judged on its own: its status says that it rests, what filled of it, or why not. There are no market orders, only limit orders that take
or end (`Ioc`). `scheduleCancel` cancels everything at an instant at least five seconds ahead, once the account has traded a million.
Source: Hyperliquid docs, "Exchange endpoint".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar

from bot.core.units import ZERO, Millis
from bot.simulator.dialects.hyperliquid import words
from bot.simulator.dialects.hyperliquid.order_rows import SCHEDULED, TIFS, outcome
from bot.simulator.dialects.hyperliquid.wallets import Wallets
from bot.simulator.dialects.hyperliquid.wire import CLOID, Misshapen, Row, done, is_price, number, size_decimals
from bot.simulator.dialects.hyperliquid.words import Turned, order_error
from bot.simulator.exchange import Exchange
from bot.simulator.model import Contract, Order, OrderRequest, OrderState, Reason, Refused, Report, Side

SCHEDULE_AHEAD_MS: Millis = 5_000
SCHEDULE_VOLUME = Decimal(1_000_000)
BATCH_MAX = 1_000

Done = tuple[Row, tuple[Report, ...]]
"""The answer to an action, and what happened at the venue because of it."""
_One = tuple[Any, tuple[Report, ...]]
_Named = tuple[str, int | None, str | None]
_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True)
class Taken:
    """An action as it was admitted: whose, what, when."""

    account: str
    action: Mapping[str, Any]
    now: Millis


@dataclass(slots=True)
class Desk:
    """Takes actions to the engine, and remembers what the engine has no place for."""

    exchange: Exchange
    wallets: Wallets
    canceled_by: dict[int, str] = field(default_factory=dict)
    scheduled: dict[str, Millis] = field(default_factory=dict)

    def act(self, taken: Taken) -> Done:
        """Does one action. Raises Turned when the venue refuses it as a whole, Misshapen when it is no action of the venue's."""
        actions: dict[str, Callable[[Taken], Done]] = {
            "order": self._orders,
            "cancel": self._cancels,
            "cancelByCloid": self._cancels,
            "updateLeverage": self._leverage,
            "scheduleCancel": self._schedule,
            "setReferrer": lambda _: (done("default"), ()),
            "noop": lambda _: (done("default"), ()),
        }
        kind = str(taken.action.get("type"))
        if kind not in actions:
            raise Misshapen(f"no action {kind}")
        listed = taken.action.get("orders", taken.action.get("cancels", [None]))
        if not isinstance(listed, list) or not 0 < len(listed) <= BATCH_MAX:
            raise Misshapen("no list of orders")
        self.wallets.count(taken.account, len(listed), taken.now, cancels=kind.startswith("cancel"))
        return actions[kind](taken)

    def due(self, now: Millis) -> tuple[Report, ...]:
        """Cancels the open orders of every account whose scheduled instant has come."""
        reports: list[Report] = []
        for account in [account for account, at in self.scheduled.items() if at <= now]:
            del self.scheduled[account]
            for order in self.exchange.open_orders(account):
                self.canceled_by[order.order_id] = SCHEDULED
            reports += self.exchange.cancel_all(account, None, now)
        return tuple(reports)

    def _orders(self, taken: Taken) -> Done:
        builder = taken.action.get("builder")
        if isinstance(builder, dict) and builder.get("f"):
            raise Turned(words.BUILDER)
        prepared = _prepared(taken.action["orders"], "a", lambda asked: self._request(taken.account, asked))
        return _answered("order", [self._place(taken, asset, request) for asset, request in prepared])

    def _place(self, taken: Taken, asset: int, request: OrderRequest | Turned) -> _One:
        if isinstance(request, Turned):
            return order_error(str(request), asset), ()
        try:
            order, reports = self.exchange.place(request, taken.now)
        except Refused as refused:
            return order_error(words.words_for(refused), asset), ()
        return self._status(order, asset), tuple(reports)

    def _status(self, order: Order, asset: int) -> Row:
        if order.state is OrderState.REJECTED:
            return order_error(words.post_only(order.request, self.exchange), asset)
        if order.reason == Reason.IMMEDIATE and not order.filled:
            return order_error(words.NO_MATCH, asset)
        return outcome(order)

    def _request(self, account: str, asked: Mapping[str, Any]) -> OrderRequest:
        """An order in the engine's words. Raises Misshapen for its form, Turned for what the venue says before it looks at its book."""
        contract = self._contract(asked, "a")
        price, size = number(asked.get("p")), number(asked.get("s"))
        kind = asked.get("t")
        if not isinstance(kind, dict) or not all(isinstance(asked.get(name), bool) for name in ("b", "r")):
            raise Misshapen("an order without its type, side or reduce-only mark")
        if "trigger" in kind:
            raise Turned(words.TRIGGER)
        tif = kind["limit"].get("tif") if isinstance(kind.get("limit"), dict) else None
        if tif not in TIFS:
            raise Misshapen(f"no time in force: {tif}")
        cloid = None if asked.get("c") is None else _cloid(asked["c"])
        if size == ZERO:
            raise Turned(words.ZERO_SIZE)
        if -int(size.normalize().as_tuple().exponent) > size_decimals(contract):
            raise Turned(words.INVALID_SIZE)
        if price <= ZERO or not is_price(price, contract):
            raise Turned(words.INVALID_PRICE)
        order_kind, time_in_force = TIFS[tif]
        return OrderRequest(
            account=account,
            symbol=contract.symbol,
            side=Side.BUY if asked["b"] else Side.SELL,
            kind=order_kind,
            time_in_force=time_in_force,
            contracts=size,
            price=price,
            reduce_only=asked["r"],
            client_order_id=cloid,
        )

    def _cancels(self, taken: Taken) -> Done:
        by_cloid = taken.action["type"] == "cancelByCloid"
        named = "asset" if by_cloid else "a"
        prepared = _prepared(taken.action["cancels"], named, lambda asked: self._named(asked, named))
        return _answered("cancel", [self._cancel(taken, asset, wanted) for asset, wanted in prepared])

    def _cancel(self, taken: Taken, asset: int, wanted: _Named | Turned) -> _One:
        if isinstance(wanted, Turned):
            return order_error(str(wanted), asset), ()
        symbol, order_id, cloid = wanted
        try:
            _, reports = self.exchange.cancel(taken.account, symbol, taken.now, order_id=order_id, client_order_id=cloid)
        except Refused as refused:
            return order_error(words.words_for(refused), asset), ()
        return "success", tuple(reports)

    def _named(self, asked: Mapping[str, Any], asset_as: str) -> _Named:
        """The symbol, and the order's own id or its cloid."""
        if asset_as == "a":
            return self._contract(asked, asset_as).symbol, _integer(asked, "o"), None
        return self._contract(asked, asset_as).symbol, None, _cloid(asked.get("cloid"))

    def _leverage(self, taken: Taken) -> Done:
        contract, leverage = self._contract(taken.action, "asset"), _integer(taken.action, "leverage")
        if taken.action.get("isCross") is not True:
            raise Turned(words.ISOLATED)
        isolated = self.exchange.settings(taken.account).isolated
        if contract.symbol in isolated and any(p.contracts for p in self.exchange.positions(taken.account) if p.symbol == contract.symbol):
            raise Turned(words.LEVERAGE_TYPE)
        try:
            self.exchange.set_leverage(taken.account, contract.symbol, Decimal(leverage))
        except Refused:
            raise Turned(words.LEVERAGE) from None
        isolated.discard(contract.symbol)
        return done("default"), ()

    def _schedule(self, taken: Taken) -> Done:
        if taken.action.get("time") is None:
            self.scheduled.pop(taken.account, None)
            return done("default"), ()
        at, traded = _integer(taken.action, "time"), self.wallets.usage[taken.account].volume
        if traded < SCHEDULE_VOLUME:
            raise Turned(words.schedule_untraded(SCHEDULE_VOLUME, traded))
        if at < taken.now + SCHEDULE_AHEAD_MS:
            raise Turned(words.SCHEDULE_TOO_SOON)
        self.scheduled[taken.account] = at
        return done("default"), ()

    def _contract(self, asked: Mapping[str, Any], name: str) -> Contract:
        contracts = list(self.exchange.contracts.values())
        asset = _integer(asked, name)
        if not 0 <= asset < len(contracts):
            raise Turned(words.ASSET)
        return contracts[asset]


def _prepared(listed: Sequence[Any], asset_as: str, read: Callable[[Mapping[str, Any]], _Read]) -> list[tuple[int, _Read | Turned]]:
    """Each entry of a batch before any of it is acted on: a misshapen one spoils the whole, a refused one only itself."""
    prepared: list[tuple[int, _Read | Turned]] = []
    for asked in listed:
        if not isinstance(asked, dict):
            raise Misshapen("a list of something else than orders")
        try:
            prepared.append((_integer(asked, asset_as), read(asked)))
        except Turned as turned:
            prepared.append((_integer(asked, asset_as), turned))
    return prepared


def _answered(kind: str, results: Sequence[_One]) -> Done:
    return done(kind, [status for status, _ in results]), tuple(report for _, reports in results for report in reports)


def _cloid(value: Any) -> str:
    if not isinstance(value, str) or not CLOID.fullmatch(value):
        raise Misshapen("no cloid")
    return value.lower()


def _integer(asked: Mapping[str, Any], name: str) -> int:
    value = asked.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Misshapen(f"{name} is no whole number")
    return value
