"""REST endpoints that need a key: `trade/...`, `account/...` and `asset/currencies`.

Reads return the rows of `data`. Orders and cancels go through the order desk and answer with one row per order, each with its `sCode`.
Source: OKX v5 documentation, "Order Book Trading / Trade" and "Trading Account / REST API".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from bot.core.units import ZERO, Millis
from bot.simulator.dialects.dialect import USUAL_RIGHTS, KeyRights
from bot.simulator.dialects.okx import account_rows, errors
from bot.simulator.dialects.okx.errors import Turned
from bot.simulator.dialects.okx.order_rows import all_fills, categories, fill_row
from bot.simulator.dialects.okx.orders import OrderDesk
from bot.simulator.dialects.okx.wire import SWAP, Row, blank, figure, page

CLOSED_ORDERS_MAX = 100_000
"""More closed orders than an account has: pages are cut from the whole history."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One signed request: whose, when, and its query or its parsed JSON body."""

    account: str
    now: Millis
    query: Mapping[str, str]
    body: Any = None
    rights: KeyRights = USUAL_RIGHTS

    def text(self, name: str) -> str:
        """A member of a JSON object body as text. Raises Turned 50014 when it is missing."""
        value = self.body.get(name) if isinstance(self.body, dict) else None
        if value in (None, ""):
            raise errors.empty(name)
        return str(value)

    def asks_for_swaps(self) -> bool:
        """Whether the query leaves room for perpetuals, the only instruments there are."""
        return self.query.get("instType", SWAP) in (SWAP, "ANY")


class PrivateRest:
    """Answers about orders, fills and the account. Every method returns the rows of `data` or raises Turned."""

    def __init__(self, desk: OrderDesk) -> None:
        self._desk = desk
        self._exchange = desk.exchange

    def order(self, call: Call) -> list[Row]:
        """`GET trade/order`, by `ordId` or `clOrdId`; a client id that was used more than once finds the newest. Raises 51603."""
        if not call.query.get("instId"):
            raise errors.empty("instId")
        row = self._desk.find(call.account, call.query["instId"], call.query)
        if row is None:
            raise Turned(errors.ORDER_UNKNOWN)
        return [row]

    def orders_pending(self, call: Call) -> list[Row]:
        """`GET trade/orders-pending`: what may still fill, newest first."""
        if not call.asks_for_swaps():
            return []
        orders = self._exchange.open_orders(call.account, call.query.get("instId") or None)
        rows = sorted(self._desk.rows(call.account, orders), key=_newest_first, reverse=True)
        return page(_narrowed(rows, call.query), call.query, key="ordId", time_key="cTime")

    def orders_history(self, call: Call) -> list[Row]:
        """`GET trade/orders-history`: filled and canceled orders and the venue's own, newest first; `instType` must be given."""
        if not call.query.get("instType"):
            raise errors.empty("instType")
        if not call.asks_for_swaps():
            return []
        symbol = call.query.get("instId") or None
        orders = self._exchange.closed_orders(call.account, symbol, 0, CLOSED_ORDERS_MAX)
        rows = self._desk.rows(call.account, orders) + self._desk.system_rows(call.account, symbol)
        rows.sort(key=_newest_first, reverse=True)
        return page(_narrowed(rows, call.query), call.query, key="ordId", time_key="cTime")

    def fills(self, call: Call) -> list[Row]:
        """`GET trade/fills` and `trade/fills-history`: newest first, pages by `billId`."""
        if not call.asks_for_swaps():
            return []
        every = all_fills(self._exchange, call.account)
        kinds = categories(every)
        rows = [fill_row(fill, kinds[fill.fill_id], self._desk.tags.get(fill.order_id or -1, "")) for fill in reversed(every)]
        return page(_narrowed(rows, call.query), call.query, key="billId", time_key="ts")

    def cancel_all_after(self, call: Call) -> list[Row]:
        """`POST trade/cancel-all-after`: times are in seconds here, as in OKX's own example."""
        ends_at = self._desk.start_countdown(call.account, call.text("timeOut"), call.now)
        return [{"triggerTime": str(ends_at // 1000), "tag": "", "ts": str(call.now // 1000)}]

    def balance(self, call: Call) -> list[Row]:
        """`GET account/balance`, all currencies or those listed in `ccy`."""
        row = account_rows.account_row(self._exchange, call.account, call.now)
        if wanted := call.query.get("ccy"):
            row["details"] = [detail for detail in row["details"] if detail["ccy"] in wanted.split(",")]
        return [row]

    def funding_balances(self, call: Call) -> list[Row]:
        """`GET asset/balances`: the funding wallet, what is not nothing."""
        held = self._exchange.wallet(call.account, "funding")
        rows = [{"ccy": a, "bal": figure(units), "availBal": figure(units), "frozenBal": "0"} for a, units in held.items() if units]
        return [row for row in rows if row["ccy"] in call.query.get("ccy", row["ccy"]).split(",")]

    def positions(self, call: Call) -> list[Row]:
        """`GET account/positions`: open ones; a flat one shows only when asked for by `instId`."""
        if not call.asks_for_swaps():
            return []
        wanted = call.query.get("instId")
        return [
            account_rows.position_row(self._exchange, position)
            for position in self._exchange.positions(call.account)
            if (position.symbol in wanted.split(",") if wanted else position.contracts != ZERO)
        ]

    def config(self, call: Call) -> list[Row]:
        """`GET account/config`."""
        return [account_rows.config_row(call.account, call.rights, hedge_mode=self._exchange.settings(call.account).hedge_mode)]

    def bills(self, call: Call) -> list[Row]:
        """`GET account/bills` and `bills-archive`: newest first, pages by `billId`."""
        if not call.asks_for_swaps():
            return []
        kind, contracts = call.query.get("ctType"), self._exchange.contracts
        listed = {symbol for symbol, contract in contracts.items() if kind in (None, "", "inverse" if contract.inverse else "linear")}
        rows = [row for row in account_rows.bill_rows(self._exchange, call.account) if row["instId"] in listed]
        return page(_narrowed(rows, call.query), call.query, key="billId", time_key="ts")

    def trade_fee(self, call: Call) -> list[Row]:
        """`GET account/trade-fee`."""
        if not call.query.get("instType"):
            raise errors.empty("instType")
        return [account_rows.fee_row(list(self._exchange.contracts.values()), call.now)] if call.asks_for_swaps() else []

    def leverage_info(self, call: Call) -> list[Row]:
        """`GET account/leverage-info`: cross leverage of one or several instruments."""
        if not call.query.get("mgnMode"):
            raise errors.empty("mgnMode")
        symbols = [symbol for symbol in call.query.get("instId", "").split(",") if symbol]
        if not symbols:
            raise errors.empty("instId")
        return [self._leverage_row(call.account, self._listed(symbol), call.query["mgnMode"]) for symbol in symbols]

    def set_leverage(self, call: Call) -> list[Row]:
        """`POST account/set-leverage`, cross margin only. Raises 59102 above what the instrument allows."""
        symbol, mode, text = self._listed(call.text("instId")), call.text("mgnMode"), call.text("lever")
        if mode != "cross":
            raise Turned(errors.MODE_UNSUPPORTED) if mode == "isolated" else errors.wrong("mgnMode")
        try:
            lever = Decimal(text)
        except InvalidOperation:
            raise errors.wrong("lever") from None
        if not lever.is_finite() or lever <= ZERO:
            raise errors.wrong("lever")
        self._exchange.set_leverage(call.account, symbol, lever)
        return [self._leverage_row(call.account, symbol, mode)]

    def set_position_mode(self, call: Call) -> list[Row]:
        """`POST account/set-position-mode`. Raises 59000 while there are open orders or positions."""
        mode = call.text("posMode")
        if mode not in ("net_mode", "long_short_mode"):
            raise errors.wrong("posMode")
        settings = self._exchange.settings(call.account)
        hedged = mode == "long_short_mode"
        busy = self._exchange.open_orders(call.account) or any(p.contracts for p in self._exchange.positions(call.account))
        if hedged is not settings.hedge_mode and busy:
            raise Turned(errors.SETTINGS_BUSY)
        settings.hedge_mode = hedged
        return [{"posMode": mode}]

    def currencies(self, call: Call) -> list[Row]:
        """`GET asset/currencies`: the coins that the listed contracts are about; nothing can be deposited or withdrawn here."""
        contracts = self._exchange.contracts.values()
        coins = sorted({c.base for c in contracts} | {c.settle for c in contracts})
        wanted = [coin for coin in (call.query.get("ccy") or "").split(",") if coin]
        return [
            {
                **blank("fee logoLink maxFee maxWd minDep minFee minWd wdQuota usedWdQuota"),
                "canDep": False,
                "canInternal": False,
                "canWd": False,
                "ccy": coin,
                "chain": f"{coin}-Simulated",
                "mainNet": True,
                "name": coin,
                "needTag": False,
                "wdTickSz": "8",
            }
            for coin in coins
            if not wanted or coin in wanted
        ]

    def _listed(self, symbol: str) -> str:
        if symbol not in self._exchange.contracts:
            raise Turned(errors.INSTRUMENT_UNKNOWN)
        return symbol

    def _leverage_row(self, account: str, symbol: str, mode: str) -> Row:
        lever = self._exchange.leverage(account, symbol)
        return {"ccy": "", "instId": symbol, "lever": f"{lever.normalize():f}", "mgnMode": mode, "posSide": "net"}


_FILTERS = ("instId", "ordType", "state", "category", "ordId", "type", "subType", "ccy", "mgnMode")


def _narrowed(rows: list[Row], query: Mapping[str, str]) -> list[Row]:
    """The rows that agree with every filter that the query gives and that the rows have."""
    given = [(name, query[name]) for name in _FILTERS if query.get(name)]
    return [row for row in rows if all(row.get(name, value) == value for name, value in given)]


def _newest_first(row: Row) -> tuple[int, int]:
    return int(row["cTime"]), int(row["ordId"])
