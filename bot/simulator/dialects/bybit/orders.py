"""The order endpoints under /v5/order and /v5/execution (source: v5 documentation, Trade).

Creating and canceling are asynchronous at this venue: the answer carries ids only, what became of the order arrives by stream or is asked
for. `order/realtime` shows open orders; asked by id it also finds any of the newest 500 that ended. `order/history` shows ended ones.
A client order id (`orderLinkId`) is good for one order ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from bot.core.units import ZERO
from bot.simulator.accounts import ARCHIVE_MAX
from bot.simulator.dialects.bybit.codes import parameter
from bot.simulator.dialects.bybit.order_rows import execution_row, funding_row, order_row
from bot.simulator.dialects.bybit.venue import Call, Result
from bot.simulator.dialects.bybit.wire import INVERSE, Json, has_position_modes, order_id, order_number, page
from bot.simulator.model import Contract, Order, OrderKind, OrderReport, OrderRequest, Side, TimeInForce

REALTIME_CLOSED_MAX = 500
_SIDES: Mapping[str, Side] = {"Buy": Side.BUY, "Sell": Side.SELL}
_KINDS: Mapping[str, OrderKind] = {"Limit": OrderKind.LIMIT, "Market": OrderKind.MARKET}
_TIMES: Mapping[str, TimeInForce] = {
    "GTC": TimeInForce.GTC,
    "IOC": TimeInForce.IOC,
    "FOK": TimeInForce.FOK,
    "PostOnly": TimeInForce.POST_ONLY,
}
_UNSUPPORTED = ("triggerPrice", "takeProfit", "stopLoss", "orderIv", "slippageTolerance", "bboSideType")


def create(call: Call) -> Result:
    """POST create. Raises ApiError for what the venue would refuse at once; the rest is told by stream."""
    order, reports = call.exchange.place(_request(call), call.now)
    return Result(_ids(order), reports)


def cancel(call: Call) -> Result:
    """POST cancel, by `orderId` or else `orderLinkId`. 110001 for an order that is over or never was."""
    symbol, number, link = call.params.required("symbol"), _order_number(call), call.params.text("orderLinkId")
    if number is None and link is None:
        raise parameter("params error: OrderId or orderLinkId is required")
    _scope(call)
    order, reports = call.exchange.cancel(call.account, symbol, call.now, order_id=number, client_order_id=link)
    return Result(_ids(order), reports)


def cancel_all(call: Call) -> Result:
    """POST cancel-all, in a contract or over a whole settle or base coin; answers with the ids of what it canceled."""
    contracts = _scope(call)
    wanted = {contract.symbol for contract in contracts}
    everything = wanted == set(call.exchange.contracts)
    ended = [] if not everything else list(call.exchange.cancel_all(call.account, None, call.now))
    if not everything:
        for symbol in sorted(wanted):
            ended += call.exchange.cancel_all(call.account, symbol, call.now)
    rows = [_ids(report.order) for report in ended if isinstance(report, OrderReport) and report.order.request.account == call.account]
    return Result({"list": rows, "success": "1"}, ended)


def realtime(call: Call) -> Result:
    """GET realtime: open orders of a contract, or of a settle or base coin; `openOnly=1` the newest ones that ended; by id either."""
    number, link = _order_number(call), call.params.text("orderLinkId")
    contracts = _scope(call, by_id=number is not None or link is not None)
    if number is not None or link is not None:
        recent = {order.order_id for order in call.exchange.closed_orders(call.account, limit=REALTIME_CLOSED_MAX)}
        found = [order for order in _found(call, contracts, number, link) if order.state.is_open or order.order_id in recent]
        return _orders(call, found, limit=1)
    if call.params.integer("openOnly", default=0, low=0, high=2):
        chosen = _in(call.exchange.closed_orders(call.account, limit=REALTIME_CLOSED_MAX), contracts)
    else:
        chosen = _in(call.exchange.open_orders(call.account), contracts)
    return _orders(call, chosen, limit=call.params.integer("limit", default=20, low=1, high=50))


def history(call: Call) -> Result:
    """GET history: orders that ended, newest first, of at most seven days; by id whenever they ended."""
    number, link = _order_number(call), call.params.text("orderLinkId")
    contracts = _scope(call, anything=True)
    limit = call.params.integer("limit", default=20, low=1, high=50)
    status = call.params.text("orderStatus")
    start, end = call.params.period(call.now)
    if number is not None or link is not None:
        chosen = [order for order in _found(call, contracts, number, link) if not order.state.is_open]
    else:
        closed = call.exchange.closed_orders(call.account, limit=ARCHIVE_MAX)
        chosen = [order for order in _in(closed, contracts) if start <= order.created_at <= end]
    return _orders(call, chosen, limit=limit, status=status)


def executions(call: Call) -> Result:
    """GET execution/list: fills and funding, newest first, of at most seven days; `execType` narrows it to one kind."""
    number, link = _order_number(call), call.params.text("orderLinkId")
    wanted = {contract.symbol for contract in _scope(call, anything=True)}
    kind = call.params.text("execType")
    start, end = call.params.period(call.now)
    rows = [row for row in _fill_rows(call, number, link) if row["symbol"] in wanted]
    if number is None and link is None:
        contracts = call.exchange.contracts
        paid = call.exchange.funding_payments(call.account)
        rows += [funding_row(record, contracts[record.symbol]) for record in paid if record.symbol in wanted]
    rows = [row for row in rows if kind in {None, row["execType"]} and start <= int(row["execTime"]) <= end]
    rows.sort(key=lambda row: (int(row["execTime"]), row["seq"]), reverse=True)
    return Result(_paged(call, rows, "seq", call.params.integer("limit", default=50, low=1, high=100)))


def _request(call: Call) -> OrderRequest:
    """What the account asks for, in the engine's words."""
    params = call.params
    side, kind = _SIDES.get(params.required("side")), _KINDS.get(params.required("orderType"))
    if side is None:
        raise parameter("Side invalid")
    if kind is None:
        raise parameter("params error: orderType invalid")
    force = _TIMES.get(params.text("timeInForce") or "GTC")
    if force is None:
        raise parameter("params error: timeInForce invalid")
    if params.integer("positionIdx", default=0, low=0, high=2):
        raise parameter("position idx not match position mode")
    for name in _UNSUPPORTED:
        if params.text(name) is not None:
            raise parameter(f"params error: {name} is not supported here")
    params.required("symbol")
    quantity = params.positive("qty")
    if quantity is None:
        raise parameter("Qty invalid")
    contract = _scope(call)[0]
    if has_position_modes(contract) and call.exchange.settings(call.account).hedge_mode:
        raise parameter("position idx not match position mode")
    return OrderRequest(
        account=call.account,
        symbol=contract.symbol,
        side=side,
        kind=kind,
        time_in_force=TimeInForce.IOC if kind is OrderKind.MARKET else force,
        contracts=quantity,
        price=params.positive("price") if kind is OrderKind.LIMIT else None,
        reduce_only=params.flag("reduceOnly") or params.flag("closeOnTrigger"),
        client_order_id=params.text("orderLinkId"),
    )


def _ids(order: Order) -> Json:
    return {"orderId": order_id(order.order_id), "orderLinkId": order.request.client_order_id or ""}


def _order_number(call: Call) -> int | None:
    """The engine's number in `orderId`; -1, which no order has, for a text that is not one of our ids."""
    given = call.params.text("orderId")
    if given is None:
        return None
    number = order_number(given)
    return -1 if number is None else number


def _scope(call: Call, *, by_id: bool = False, anything: bool = False) -> list[Contract]:
    """The contracts of the category that `symbol`, `settleCoin` or `baseCoin` name.

    Raises ApiError 10001 when one of them is needed and none is there; of inverse contracts none is.
    """
    category = call.params.category()
    symbol, settle, base = (call.params.text(name) for name in ("symbol", "settleCoin", "baseCoin"))
    if symbol is not None:
        contract = call.venue.contract(symbol, category)
        if contract is None:
            raise parameter("params error: symbol invalid")
        return [contract]
    if not (settle or base or by_id or anything or category == INVERSE):
        raise parameter("Missing some parameters that must be filled in, symbol or settleCoin or baseCoin")
    listed = call.venue.listed(category)
    return [contract for contract in listed if settle in {None, contract.settle} and base in {None, contract.base}]


def _found(call: Call, contracts: list[Contract], number: int | None, link: str | None) -> list[Order]:
    """The order with an id: `orderId` wins over `orderLinkId`."""
    for contract in contracts:
        order = call.exchange.order(call.account, contract.symbol, order_id=number, client_order_id=None if number is not None else link)
        if order is not None:
            return [order]
    return []


def _in(orders: tuple[Order, ...], contracts: list[Contract]) -> list[Order]:
    symbols = {contract.symbol for contract in contracts}
    return [order for order in orders if order.request.symbol in symbols]


def _orders(call: Call, orders: list[Order], *, limit: int, status: str | None = None) -> Result:
    newest_first = sorted(orders, key=lambda order: order.order_id, reverse=True)
    rows = [{**order_row(order, call.exchange.contracts[order.request.symbol]), "_n": order.order_id} for order in newest_first]
    chosen = [row for row in rows if status in {None, row["orderStatus"]}]
    value = _paged(call, chosen, "_n", limit)
    for row in value["list"]:
        del row["_n"]
    return Result(value)


def _paged(call: Call, rows: list[Json], key: str, limit: int) -> Json:
    """One page of rows that are sorted downward by a number; the cursor names the last one shown, so new rows do not shift pages."""
    cursor = call.params.text("cursor")
    if cursor is not None:
        if not cursor.isdigit():
            raise parameter("params error: cursor invalid")
        rows = [row for row in rows if row[key] < int(cursor)]
    shown = rows[:limit]
    return page(shown, str(shown[-1][key]) if shown else "", call.params.category())


def _fill_rows(call: Call, number: int | None, link: str | None) -> list[Json]:
    """The account's fills, each with what its order still wanted right after it. The mark price of the time was not kept."""
    filled: dict[int | None, Decimal] = {}
    rows: list[Json] = []
    for fill in call.exchange.fills(call.account, limit=ARCHIVE_MAX):
        filled[fill.order_id] = done = filled.get(fill.order_id, ZERO) + fill.contracts
        if (number is not None and fill.order_id != number) or (number is None and link is not None and fill.client_order_id != link):
            continue
        order = None if fill.order_id is None else call.exchange.order(call.account, fill.symbol, order_id=fill.order_id)
        leaves = ZERO if order is None else order.request.contracts - done
        rows.append(execution_row(fill, order, leaves, call.exchange.contracts[fill.symbol], None))
    return rows
