"""Orders: placing, asking, cancelling, and the dead-man countdown.

Filters are checked in the venue's order: form of the parameters, precision (-1111), then the engine's size, lot, tick, price band, notional
and margin. On USD-M a post-only order that would match and a fill-or-kill order that cannot fill are refused in the answer (-5022, -5021)
and are never recorded; on COIN-M they are taken, and EXPIRED at once. An order id or client order id that is not found is -2013 when asked
for and -2011 when cancelled.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from bot.core.units import ZERO
from bot.simulator.dialects.binance.errors import ApiError, illegal, mandatory, not_required, of_order_refusal, of_refusal
from bot.simulator.dialects.binance.face import Face, Row
from bot.simulator.dialects.binance.rows import TIMES_IN_FORCE, forced_order_row, order_row
from bot.simulator.dialects.binance.state import Call, Outcome
from bot.simulator.dialects.binance.wire import Parameters, decimals, places_of
from bot.simulator.model import (
    Contract,
    FillKind,
    Order,
    OrderKind,
    OrderReport,
    OrderRequest,
    OrderState,
    Refused,
    Report,
    Side,
    TimeInForce,
)

CLIENT_ORDER_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
BATCH_MAX = 5
EVERYTHING = 10**9
_ALGO_TYPES = {"STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"}


def price_places(face: Face, contract: Contract) -> int:
    """The contract's `pricePrecision`: USD-M lists at least two decimals, also where the tick has fewer."""
    return max(face.price_places_min, decimals(contract.tick))


def place(call: Call) -> Outcome:
    """POST order."""
    call.state.budget.count_orders(call.account, 1, call.now)
    return _place(call)


def place_batch(call: Call) -> Outcome:
    """POST batchOrders: up to five orders, each answered by an order or by an error of its own."""
    wanted = _listed(call.parameters.required("batchOrders"), "batchOrders")
    if not 1 <= len(wanted) <= BATCH_MAX:
        raise ApiError(-4082, "Invalid number of batch place orders.")
    call.state.budget.count_orders(call.account, len(wanted), call.now)
    single = [Call(call.state, call.account, Parameters(_texts(entry, "batchOrders")), call.now) for entry in wanted]
    return _each(single, _place)


def _place(call: Call) -> Outcome:
    response = (call.parameters.get("newOrderRespType") or "ACK").upper()
    if response not in ("ACK", "RESULT"):
        raise ApiError(-1136, "Invalid newOrderRespType.")
    request = _request(call)
    contract = call.exchange.contracts[request.symbol]
    try:
        order, reports = call.exchange.place(request, call.now)
    except Refused as refused:
        raise of_order_refusal(refused, call.face, contract, request.side, call.exchange.market(request.symbol).mark) from None
    if order.state is OrderState.REJECTED and call.face.refuses_in_answer:
        raise _rejected(order, reports)
    return Outcome(order_row(call.face, contract, order, acknowledged_only=response == "ACK"), reports)


def _request(call: Call) -> OrderRequest:
    contract = call.contract()
    parameters = call.parameters
    side = parameters.required("side").upper()
    if side not in ("BUY", "SELL"):
        raise ApiError(-1117, "Invalid side.")
    hedged = call.exchange.settings(call.account).hedge_mode
    if hedged or (parameters.get("positionSide") or "BOTH").upper() != "BOTH":
        raise ApiError(-4061, "Order's position side does not match user's setting.")
    for name in ("stopPrice", "callbackRate", "activationPrice", "goodTillDate", "priceMatch"):
        if parameters.get(name) is not None:
            raise not_required(name)
    if parameters.flag("closePosition"):
        raise not_required("closePosition")
    kind, time_in_force, price = _pricing(call, contract)
    return OrderRequest(
        account=call.account,
        symbol=contract.symbol,
        side=Side[side],
        kind=kind,
        time_in_force=time_in_force,
        contracts=_quantity(parameters, contract),
        price=price,
        reduce_only=parameters.flag("reduceOnly"),
        client_order_id=_client_order_id(call),
    )


def _pricing(call: Call, contract: Contract) -> tuple[OrderKind, TimeInForce, Decimal | None]:
    parameters = call.parameters
    kind = parameters.required("type").upper()
    if kind in _ALGO_TYPES:
        raise ApiError(-4120, "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead.")
    if kind == "MARKET":
        for name in ("timeInForce", "price"):
            if parameters.get(name) is not None:
                raise not_required(name)
        return OrderKind.MARKET, TimeInForce.IOC, None
    if kind != "LIMIT":
        raise ApiError(-1116, "Invalid orderType.")
    time_in_force = TIMES_IN_FORCE.get(parameters.required("timeInForce").upper())
    if time_in_force is None:
        raise ApiError(-1115, "Invalid timeInForce.")
    price = parameters.decimal("price")
    if price is None:
        raise mandatory("price")
    if price <= ZERO:
        raise ApiError(-4001, "Price less than 0.")
    if places_of(price) > price_places(call.face, contract):
        raise ApiError(-1111, "Precision is over the maximum defined for this asset.")
    return OrderKind.LIMIT, time_in_force, price


def _quantity(parameters: Parameters, contract: Contract) -> Decimal:
    quantity = parameters.decimal("quantity")
    if quantity is None:
        raise mandatory("quantity")
    if quantity <= ZERO:
        raise ApiError(-4003, "Quantity less than or equal to zero.")
    if places_of(quantity) > decimals(contract.lot):
        raise ApiError(-1111, "Precision is over the maximum defined for this asset.")
    return quantity


def _client_order_id(call: Call) -> str:
    sent = call.parameters.get("newClientOrderId")
    if sent is None:
        return f"auto{call.state.next_number():018d}"
    if not CLIENT_ORDER_ID.fullmatch(sent):
        raise ApiError(-4015, "Client order id is not valid.")
    return sent


def _rejected(order: Order, reports: Iterable[Report]) -> ApiError:
    others = [report for report in reports if not (isinstance(report, OrderReport) and report.order.order_id == order.order_id)]
    if order.request.time_in_force is TimeInForce.FOK:
        why = "could not be filled immediately, the FOK order has been rejected."
        code = -5021
    else:
        why = "could not be executed as maker, the Post Only order will be rejected."
        code = -5022
    text = f"Due to the order {why} The order will not be recorded in the order history."
    return ApiError(code, text, reports=others)


def ask(call: Call) -> Outcome:
    """GET order, by `orderId` or `origClientOrderId`."""
    contract = call.contract()
    order_id, client_order_id = _named(call)
    order = call.exchange.order(call.account, contract.symbol, order_id=order_id, client_order_id=client_order_id)
    if order is not None and _recorded(call, order):
        return Outcome(_row(call, order))
    forced = [row for row in _forced(call, contract) if row["orderId"] == order_id]
    if not forced:
        raise ApiError(-2013, "Order does not exist.")
    return Outcome(forced[0])


def open_one(call: Call) -> Outcome:
    """GET openOrder: like `order`, but only while it is open."""
    contract = call.contract()
    order_id, client_order_id = _named(call)
    order = call.exchange.order(call.account, contract.symbol, order_id=order_id, client_order_id=client_order_id)
    if order is None or not order.state.is_open:
        raise ApiError(-2013, "Order does not exist.")
    return Outcome(_row(call, order))


def open_orders(call: Call) -> Outcome:
    """GET openOrders, of one symbol or of all."""
    contract = call.contract_or_none()
    orders = call.exchange.open_orders(call.account, None if contract is None else contract.symbol)
    return Outcome([_row(call, order) for order in orders])


def all_orders(call: Call) -> Outcome:
    """GET allOrders: oldest first; the newest `limit` when neither `orderId` nor `startTime` says where to begin."""
    rows: list[Row] = []
    for contract in call.contracts_named():
        symbol = contract.symbol
        orders = [*call.exchange.open_orders(call.account, symbol), *call.exchange.closed_orders(call.account, symbol, 0, EVERYTHING)]
        rows += [_row(call, order) for order in orders if _recorded(call, order)] + _forced(call, contract)
    order_id = call.parameters.integer("orderId")
    return _paged(call, rows, call.face.orders_page, order_id)


def force_orders(call: Call) -> Outcome:
    """GET forceOrders: what the venue closed, by `autoCloseType` (LIQUIDATION or ADL) or both; the newest `limit`."""
    wanted = call.parameters.get("autoCloseType")
    kinds = {"LIQUIDATION": FillKind.LIQUIDATION, "ADL": FillKind.AUTO_DELEVERAGING}
    if wanted is not None and wanted not in kinds:
        raise illegal("autoCloseType", "^(LIQUIDATION|ADL)$")
    rows = [row for contract in call.contracts() for row in _forced(call, contract, kinds.get(wanted or ""))]
    return _paged(call, rows, (50, 100), None)


def _paged(call: Call, rows: list[Row], page: tuple[int, int], order_id: int | None) -> Outcome:
    start, end = call.parameters.integer("startTime"), call.parameters.integer("endTime")
    kept = sorted(
        (
            row
            for row in rows
            if (order_id is None or row["orderId"] >= order_id)
            and (start is None or row["time"] >= start)
            and (end is None or row["time"] <= end)
        ),
        key=lambda row: (row["time"], row["orderId"]),
    )
    limit = call.parameters.limit(*page)
    return Outcome(kept[:limit] if order_id is not None or start is not None else kept[-limit:])


def cancel(call: Call) -> Outcome:
    """DELETE order."""
    contract = call.contract()
    order_id, client_order_id = _named(call)
    try:
        order, reports = call.exchange.cancel(call.account, contract.symbol, call.now, order_id=order_id, client_order_id=client_order_id)
    except Refused as refused:
        raise of_refusal(refused, call.face) from None
    return Outcome(_row(call, order), reports)


def cancel_batch(call: Call) -> Outcome:
    """DELETE batchOrders: by `orderIdList` or `origClientOrderIdList`, each answered on its own."""
    symbol = call.contract().symbol
    lists = {"orderidlist": "orderId", "orderIdList": "orderId"}
    lists |= {"origclientorderidlist": "origClientOrderId", "origClientOrderIdList": "origClientOrderId"}
    named = [(name, key) for name, key in lists.items() if call.parameters.get(name) is not None]
    if not named:
        raise mandatory("orderIdList")
    name, key = named[0]
    wanted = _listed(call.parameters.required(name), name)
    if not 1 <= len(wanted) <= 2 * BATCH_MAX:
        raise ApiError(-4082, "Invalid number of batch place orders.")
    single = [Call(call.state, call.account, Parameters({"symbol": symbol, key: str(entry)}), call.now) for entry in wanted]
    return _each(single, cancel)


def cancel_all(call: Call) -> Outcome:
    """DELETE allOpenOrders."""
    reports = call.exchange.cancel_all(call.account, call.contract().symbol, call.now)
    return Outcome({"code": 200, "msg": "The operation of cancel all open order is done."}, reports)


def countdown(call: Call) -> Outcome:
    """POST countdownCancelAll: `countdownTime` ms from now, zero to switch it off."""
    symbol = call.contract().symbol
    length = call.parameters.integer("countdownTime")
    if length is None:
        raise mandatory("countdownTime")
    call.state.countdowns.pop((call.account, symbol), None)
    if length:
        call.state.countdowns[call.account, symbol] = call.now + length
    return Outcome({"symbol": symbol, "countdownTime": str(length)})


def _named(call: Call) -> tuple[int | None, str | None]:
    order_id, client_order_id = call.parameters.integer("orderId"), call.parameters.get("origClientOrderId")
    if order_id is None and client_order_id is None:
        raise ApiError(-1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")
    return order_id, None if order_id is not None else client_order_id


def _recorded(call: Call, order: Order) -> bool:
    """Whether the venue knows the order: one that it refused in its answer was never recorded."""
    return order.state is not OrderState.REJECTED or not call.face.refuses_in_answer


def _row(call: Call, order: Order) -> Row:
    return order_row(call.face, call.exchange.contracts[order.request.symbol], order)


def _forced(call: Call, contract: Contract, only: FillKind | None = None) -> list[Row]:
    fills = call.exchange.fills(call.account, contract.symbol, 0, EVERYTHING)
    return [forced_order_row(call.face, contract, fill) for fill in fills if fill.kind is not FillKind.TRADE and only in (None, fill.kind)]


def _listed(raw: str, name: str) -> list[Any]:
    try:
        found = json.loads(raw, parse_float=str, parse_int=str)
    except ValueError:
        raise illegal(name, "a JSON array") from None
    if not isinstance(found, list):
        raise illegal(name, "a JSON array")
    return found


def _texts(entry: Any, name: str) -> dict[str, str]:
    if not isinstance(entry, dict):
        raise illegal(name, "an array of JSON objects")
    return {str(key): str(value).lower() if isinstance(value, bool) else str(value) for key, value in entry.items()}


def _each(calls: Iterable[Call], endpoint: Any) -> Outcome:
    rows: list[Row] = []
    reports: list[Report] = []
    for call in calls:
        try:
            outcome = endpoint(call)
        except ApiError as error:
            rows.append({"code": error.code, "msg": error.msg})
            reports.extend(error.reports)
        else:
            rows.append(outcome.value)
            reports.extend(outcome.reports)
    return Outcome(rows, tuple(reports))
