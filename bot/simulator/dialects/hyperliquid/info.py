"""`POST /info`: everything that can be read, by `type`. Nobody signs here: whoever names an address may read it.

Lists that are read by time come oldest first from `startTime` on, both ends included, and stop at what one answer holds: 2,000 fills, 500
funding rates or payments. The newest lists (`userFills`, `historicalOrders`) hold the newest 2,000, newest first.
Source: Hyperliquid docs, "Info endpoint", "Info endpoint / Perpetuals".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.core.units import Millis
from bot.simulator.dialects.day import Days
from bot.simulator.dialects.dialect import Operation
from bot.simulator.dialects.hyperliquid import account_rows, market_rows
from bot.simulator.dialects.hyperliquid.actions import Desk
from bot.simulator.dialects.hyperliquid.order_rows import fill_rows, full_row, plain_row, told_row
from bot.simulator.dialects.hyperliquid.wallets import Usage
from bot.simulator.dialects.hyperliquid.wire import ADDRESS, CLOID, Misshapen, Row
from bot.simulator.model import Order

_SECOND = {"clearinghouseState": Operation.BALANCE, "metaAndAssetCtxs": Operation.MARKET_DATA}
ORDERS_MAX = FILLS_MAX = 2_000
PAYMENTS_MAX = RATES_MAX = 500


@dataclass(frozen=True, slots=True)
class Asked:
    """One question and when it came."""

    body: Mapping[str, Any]
    now: Millis

    def address(self) -> str:
        """The `user` that is asked about. Raises Misshapen without one."""
        user = self.body.get("user")
        if not isinstance(user, str) or not ADDRESS.fullmatch(user):
            raise Misshapen("no address")
        return user.lower()

    def since(self, otherwise: Millis | None = None) -> tuple[Millis, Millis]:
        """`startTime`, or what stands for it, and `endTime`, the venue's clock where there is none. Raises Misshapen."""
        start, end = self.body.get("startTime", otherwise), self.body.get("endTime")
        if not isinstance(start, int) or not (end is None or isinstance(end, int)):
            raise Misshapen("no start time")
        return start, self.now if end is None else end


Answer = Callable[[Asked], Any]


class Info:
    """Answers questions. Each answer is JSON; Misshapen is raised for what is no question of the venue's."""

    def __init__(self, desk: Desk, days: Days) -> None:
        self._desk, self._exchange, self._wallets, self._days = desk, desk.exchange, desk.wallets, days
        self._types: dict[str, tuple[Operation, Answer]] = self._public() | self._private()

    def operation(self, body: Mapping[str, Any]) -> Operation:
        """What a question is about. Some answers hold two things, positions and margin, or the listing and how it stands: a question
        that names the `dex` (the first one, the empty name) counts as one about the second, so that a fault plan can aim at either."""
        kind = str(body.get("type"))
        if "dex" in body and kind in _SECOND:
            return _SECOND[kind]
        return self._types[kind][0] if kind in self._types else Operation.UNKNOWN

    def answer(self, asked: Asked) -> Any:
        """The answer to a question."""
        found = self._types.get(str(asked.body.get("type")))
        if found is None:
            raise Misshapen("no such question")
        return found[1](asked)

    def context(self, symbol: str, now: Millis) -> Row:
        """One asset's context with its last 24 hours."""
        return market_rows.context(self._exchange, symbol, self._days.view(symbol, now))

    def _public(self) -> dict[str, tuple[Operation, Answer]]:
        exchange, market = self._exchange, Operation.MARKET_DATA
        return {
            "exchangeStatus": (Operation.CLOCK, lambda asked: {"time": asked.now, "specialStatuses": None}),
            "meta": (Operation.MARKETS, lambda _: market_rows.meta(exchange)),
            "metaAndAssetCtxs": (Operation.MARKETS, self._contexts),
            "marginTable": (Operation.MARKETS, self._margin_table),
            "perpDexs": (Operation.MARKETS, lambda _: [None]),
            "spotMeta": (Operation.MARKETS, lambda _: market_rows.SPOT_META),
            "spotMetaAndAssetCtxs": (Operation.MARKETS, lambda _: [market_rows.SPOT_META, []]),
            "allMids": (market, lambda _: market_rows.mids(exchange)),
            "l2Book": (market, lambda asked: market_rows.book(exchange, self._coin(asked))),
            "predictedFundings": (market, lambda _: market_rows.predicted(exchange)),
            "fundingHistory": (market, self._rates),
        }

    def _private(self) -> dict[str, tuple[Operation, Answer]]:
        return {
            "clearinghouseState": (Operation.POSITIONS, self._state),
            "openOrders": (Operation.OPEN_ORDERS, lambda asked: [plain_row(order) for order in self._open(asked)]),
            "frontendOpenOrders": (Operation.OPEN_ORDERS, lambda asked: [full_row(order) for order in self._open(asked)]),
            "orderStatus": (Operation.ORDER, self._order),
            "historicalOrders": (Operation.ORDER, self._orders),
            "userFills": (Operation.FILLS, lambda asked: self._fills(asked)[::-1][:FILLS_MAX]),
            "userFillsByTime": (Operation.FILLS, self._fills_by_time),
            "userFunding": (Operation.FUNDING_PAID, self._payments),
            "userFees": (Operation.SETTINGS, lambda asked: asked.address() and account_rows.fees(self._exchange)),
            "userRateLimit": (Operation.SETTINGS, self._rate_limit),
            "userRole": (Operation.SETTINGS, self._role),
            "extraAgents": (Operation.SETTINGS, self._agents),
            "activeAssetData": (Operation.SETTINGS, self._setting),
            "userAbstraction": (Operation.SETTINGS, lambda asked: asked.address() and "default"),
        }

    def _contexts(self, asked: Asked) -> list[Any]:
        _first_dex(asked)
        contexts = [self.context(symbol, asked.now) for symbol in self._exchange.contracts]
        return [market_rows.meta(self._exchange), contexts]

    def _margin_table(self, asked: Asked) -> Row:
        for symbol, contract in self._exchange.contracts.items():
            if market_rows.margin_table_id(self._exchange, symbol) == asked.body.get("id"):
                return market_rows.margin_table(contract)
        raise Misshapen("no such margin table")

    def _coin(self, asked: Asked) -> str:
        coin = asked.body.get("coin")
        if not isinstance(coin, str) or coin not in self._exchange.contracts:
            raise Misshapen("no such coin")
        return coin

    def _rates(self, asked: Asked) -> list[Row]:
        coin, (start, end) = self._coin(asked), asked.since()
        rates = [(at, rate) for at, rate in self._exchange.funding_rates(coin, max(1, start)) if at <= end]
        return [market_rows.settled(coin, at, rate) for at, rate in rates[:RATES_MAX]]

    def _account(self, asked: Asked) -> str | None:
        return self._wallets.account(asked.address())

    def _state(self, asked: Asked) -> Row:
        _first_dex(asked)
        return account_rows.clearinghouse_state(self._exchange, self._account(asked), asked.now)

    def _open(self, asked: Asked) -> tuple[Order, ...]:
        account = self._account(asked)
        return () if account is None else self._exchange.open_orders(account)[::-1]

    def _order(self, asked: Asked) -> Row:
        """By the venue's id or by cloid, both in `oid`."""
        wanted, account = asked.body.get("oid"), self._account(asked)
        by_id = wanted if isinstance(wanted, int) else None
        by_cloid = wanted.lower() if isinstance(wanted, str) and CLOID.fullmatch(wanted) else None
        if by_id is None and by_cloid is None:
            raise Misshapen("no order id")
        for symbol in () if account is None else self._exchange.contracts:
            order = self._exchange.order(str(account), symbol, order_id=by_id, client_order_id=by_cloid)
            if order is not None:
                return {"status": "order", "order": told_row(order, self._desk.canceled_by, full=True)}
        return {"status": "unknownOid"}

    def _orders(self, asked: Asked) -> list[Row]:
        account = self._account(asked)
        if account is None:
            return []
        orders = (*self._exchange.closed_orders(account, None, 0, ORDERS_MAX), *self._exchange.open_orders(account))
        newest = sorted(orders, key=lambda order: (order.updated_at, order.order_id), reverse=True)
        return [told_row(order, self._desk.canceled_by, full=True) for order in newest[:ORDERS_MAX]]

    def _fills(self, asked: Asked) -> list[Row]:
        account = self._account(asked)
        return [] if account is None else fill_rows(self._exchange, account, asked.address())

    def _fills_by_time(self, asked: Asked) -> list[Row]:
        start, end = asked.since()
        return [row for row in self._fills(asked) if start <= row["time"] <= end][:FILLS_MAX]

    def _payments(self, asked: Asked) -> list[Row]:
        account, (start, end) = self._account(asked), asked.since(0)
        records = () if account is None else self._exchange.funding_payments(account, None, max(1, start))
        return [account_rows.funding_row(record) for record in records if record.at <= end][:PAYMENTS_MAX]

    def _rate_limit(self, asked: Asked) -> Row:
        account = self._account(asked)
        return account_rows.rate_limit(Usage() if account is None else self._wallets.usage[account])

    def _agents(self, asked: Asked) -> list[Row]:
        agents = self._wallets.agents(asked.address())
        return [
            {"name": f"wallet {number}", "address": signer, "validUntil": until} for number, (signer, until) in enumerate(agents, start=1)
        ]

    def _setting(self, asked: Asked) -> Row:
        """One asset of an account: its leverage; what it could trade is not worked out here."""
        account, coin, zero = self._account(asked), self._coin(asked), "0.0"
        if account is None:
            raise Misshapen("no such account")
        kind = "isolated" if coin in self._exchange.settings(account).isolated else "cross"
        leverage = {"type": kind, "value": int(self._exchange.leverage(account, coin))}
        mark = str(self._exchange.market(coin).mark)
        return {
            "user": asked.address(),
            "coin": coin,
            "leverage": leverage,
            "maxTradeSzs": [zero, zero],
            "availableToTrade": [zero, zero],
            "markPx": mark,
        }

    def _role(self, asked: Asked) -> Row:
        address = asked.address()
        if self._wallets.account(address) is not None:
            return {"role": "user"}
        owner = self._wallets.owner(address)
        return {"role": "missing"} if owner is None else {"role": "agent", "data": {"user": owner}}


def _first_dex(asked: Asked) -> None:
    if asked.body.get("dex", "") != "":
        raise Misshapen("no such dex")
