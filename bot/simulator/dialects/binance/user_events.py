"""ORDER_TRADE_UPDATE and ACCOUNT_UPDATE: what reports mean for one account.

An order's life is told as NEW, TRADE per fill, CANCELED, EXPIRED. What the venue itself closes comes as an order of its own: NEW, then
CALCULATED (not TRADE), with client order id `adl_autoclose` or `autoclose-…`, so a client that counts only TRADE executions misses
it. Orders refused in their answer (USD-M: post-only, fill-or-kill) never appear; where they are taken instead (COIN-M), NEW and EXPIRED
follow. A funding settlement is an ACCOUNT_UPDATE with reason FUNDING_FEE and balances only (cross margin).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from bot.core.units import ZERO, Millis
from bot.simulator.dialects.binance.face import Face, Row, average_price
from bot.simulator.dialects.binance.rows import STATUS, TIME_IN_FORCE_NAMES, forced_client_id, order_id_of
from bot.simulator.dialects.binance.wire import text
from bot.simulator.model import (
    Balance,
    BalanceReport,
    Contract,
    Fill,
    FillKind,
    FillReport,
    FundingReport,
    Order,
    OrderKind,
    OrderReport,
    OrderState,
    Position,
    PositionReport,
    Reason,
    Report,
)

_EXPIRY_REASONS: dict[str, str] = {Reason.IMMEDIATE: "2", Reason.SELF_TRADE: "1", Reason.REDUCE_ONLY: "4", Reason.LIQUIDATION: "5"}


class Events:
    """The private events of one venue, in its words."""

    def __init__(self, face: Face, contracts: Mapping[str, Contract]) -> None:
        self._face = face
        self._contracts = contracts

    def of(self, reports: Sequence[Report], account: str, now: Millis) -> Iterator[Row]:
        """The private events that a batch of reports means for one account."""
        reason = _reason(reports, account)
        gathered = _Gathered(self._face)
        filled: int | None = None
        for report in reports:
            match report:
                case OrderReport(order) if order.request.account == account:
                    execution = None if order.order_id == filled else self._execution_of(order)
                    filled = None
                    if execution is not None:
                        yield from gathered.take(reason, now)
                        yield self._event(now, order.updated_at, self._order(order) | self._without_fill(order, execution))
                case FillReport(fill, order) if fill.account == account:
                    yield from gathered.take(reason, now)
                    yield from self._filled(fill, order, now)
                    filled = fill.order_id  # the engine repeats the order right after: already told
                case PositionReport(position) if position.account == account:
                    gathered.positions[position.symbol] = position
                case BalanceReport(balance) if balance.account == account:
                    gathered.balances[balance.asset] = balance
                case FundingReport(record) if record.account == account:
                    gathered.changes[record.asset] = gathered.changes.get(record.asset, ZERO) + record.amount
                case _:
                    continue
        yield from gathered.take(reason, now)

    def _event(self, now: Millis, at: Millis, order: Row) -> Row:
        return {"e": "ORDER_TRADE_UPDATE", "E": now, "T": at, "o": order} | self._face.alias()

    def _order(self, order: Order) -> Row:
        request = order.request
        kind = request.kind.value.upper()
        average = average_price(self._contracts[request.symbol], order.filled, order.value_filled)
        return {
            "s": request.symbol,
            "c": request.client_order_id or "",
            "S": request.side.value.upper(),
            "o": kind,
            "f": TIME_IN_FORCE_NAMES[request.time_in_force] if request.kind is OrderKind.LIMIT else "GTC",
            "q": text(request.contracts),
            "p": text(request.price or ZERO),
            "ap": "0" if average is None else text(average),
            "X": STATUS[order.state],
            "i": order.order_id,
            "z": text(order.filled),
            "R": request.reduce_only,
        } | self._constants(kind, request.symbol)

    def _constants(self, kind: str, symbol: str) -> Row:
        margin_asset = {"ma": self._contracts[symbol].settle} if self._face.names_pair else {}
        return {
            "sp": "0",
            "b": "0",
            "a": "0",
            "wt": "CONTRACT_PRICE",
            "ot": kind,
            "ps": "BOTH",
            "cp": False,
            "pP": False,
            "V": "EXPIRE_MAKER",
            "pm": "NONE",
            **self._face.event_defaults,
            **margin_asset,
        }

    def _execution_of(self, order: Order) -> str | None:
        """What an order report is told as: None for fills (the fill's own report tells them) and for orders refused in their answer."""
        match order.state:
            case OrderState.NEW | OrderState.PARTIALLY_FILLED if order.reason == Reason.REDUCE_ONLY:
                return "AMENDMENT"
            case OrderState.NEW:
                return "NEW"
            case OrderState.CANCELED:
                return "CANCELED"
            case OrderState.EXPIRED:
                return "EXPIRED"
            case OrderState.REJECTED if not self._face.refuses_in_answer:
                return "EXPIRED"
            case _:
                return None

    def _without_fill(self, order: Order, execution: str) -> Row:
        row: Row = {"x": execution, "l": "0", "L": "0", "t": 0, "T": order.updated_at, "m": False, "rp": "0"}
        return row | ({"er": _EXPIRY_REASONS.get(order.reason, "0")} if self._face.tells_expiry_reason else {})

    def _filled(self, fill: Fill, order: Order | None, now: Millis) -> Iterator[Row]:
        if order is not None and fill.kind is FillKind.TRADE:
            yield self._event(now, fill.at, self._order(order) | _execution(fill, "TRADE"))
            return
        forced: Row = {
            "s": fill.symbol,
            "c": forced_client_id(fill),
            "S": fill.side.value.upper(),
            "o": "MARKET",
            "f": "GTC",
            "q": text(fill.contracts),
            "p": "0",
            "i": order_id_of(fill),
            "R": False,
        } | self._constants("MARKET", fill.symbol)
        nothing = {"x": "NEW", "X": "NEW", "ap": "0", "z": "0", "l": "0", "L": "0", "t": 0, "T": fill.at, "m": False, "rp": "0"}
        yield self._event(now, fill.at, forced | nothing)
        whole = {"X": "FILLED", "ap": text(fill.price), "z": text(fill.contracts)}
        yield self._event(now, fill.at, forced | whole | _execution(fill, "CALCULATED"))


def _reason(reports: Sequence[Report], account: str) -> str:
    told = "DEPOSIT"
    for report in reports:
        match report:
            case FundingReport(record) if record.account == account:
                return "FUNDING_FEE"
            case FillReport(fill, _) if fill.account == account:
                told = "ORDER"
            case PositionReport(position) if position.account == account:
                told = "ORDER"
            case OrderReport(order) if order.request.account == account:
                told = "ORDER"
            case _:
                continue
    return told


class _Gathered:
    """Positions and balances that changed together, told in one ACCOUNT_UPDATE."""

    def __init__(self, face: Face) -> None:
        self._face = face
        self.positions: dict[str, Position] = {}
        self.balances: dict[str, Balance] = {}
        self.changes: dict[str, Decimal] = {}

    def take(self, reason: str, now: Millis) -> Iterator[Row]:
        """The event for what was gathered, if anything was; then starts anew."""
        positions = [] if reason == "FUNDING_FEE" else [_position(position) for position in self.positions.values()]
        balances = [_balance(balance, self.changes.get(balance.asset, ZERO)) for balance in self.balances.values()]
        if positions or balances:
            yield {"e": "ACCOUNT_UPDATE", "E": now, "T": now, "a": {"m": reason, "B": balances, "P": positions}} | self._face.alias()
        self.positions, self.balances, self.changes = {}, {}, {}


def _position(position: Position) -> Row:
    return {
        "s": position.symbol,
        "pa": text(position.contracts),
        "ep": text(position.entry_price),
        "bep": text(position.entry_price),
        "cr": "0",
        "up": text(position.unrealised_pnl),
        "mt": "cross",
        "iw": "0",
        "ps": "BOTH",
    }


def _balance(balance: Balance, change: Decimal) -> Row:
    return {"a": balance.asset, "wb": text(balance.wallet), "cw": text(balance.wallet), "bc": text(change)}


def _execution(fill: Fill, kind: str) -> Row:
    row: Row = {"x": kind, "l": text(fill.contracts), "L": text(fill.price), "t": fill.fill_id, "T": fill.at, "m": fill.is_maker}
    if fill.fee:
        row |= {"n": text(fill.fee), "N": fill.fee_asset}
    return row | {"rp": text(fill.realised_pnl)}
