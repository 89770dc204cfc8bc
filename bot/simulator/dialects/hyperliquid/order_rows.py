"""How Hyperliquid shows orders and fills.

`sz` is what has not filled, `origSz` what was asked for. An order's `status` is one word, with the venue's reason in it where it ended
unfilled. `fee` is positive when paid; `crossed` tells a taker. `dir` says what a fill did to the position, `startPosition` (signed) what it
found; a liquidation names whose position it was. Fills carry the client id of their order where it had one.
Source: Hyperliquid docs, "Info endpoint" (open orders, order status with its table of statuses, user fills), "Subscriptions".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from bot.core.units import ZERO
from bot.simulator.dialects.hyperliquid.wire import Row, figure, hash_of, side_of
from bot.simulator.exchange import Exchange
from bot.simulator.model import Fill, FillKind, Order, OrderKind, OrderState, Reason, TimeInForce

EVERY_FILL = 1_000_000
"""More fills than an account has: what a fill found is counted from the first one."""

SCHEDULED = "scheduledCancel"
TIFS = {
    "Gtc": (OrderKind.LIMIT, TimeInForce.GTC),
    "Ioc": (OrderKind.LIMIT, TimeInForce.IOC),
    "FrontendMarket": (OrderKind.LIMIT, TimeInForce.IOC),
    "Alo": (OrderKind.LIMIT, TimeInForce.POST_ONLY),
}
_TIF_NAMES = {TimeInForce.GTC: "Gtc", TimeInForce.IOC: "Ioc", TimeInForce.POST_ONLY: "Alo"}

_ENDED = {
    Reason.ASKED: "canceled",
    Reason.IMMEDIATE: "canceled",
    Reason.POST_ONLY: "badAloPxRejected",
    Reason.REDUCE_ONLY: "reduceOnlyCanceled",
    Reason.SELF_TRADE: "selfTradeCanceled",
    Reason.LIQUIDATION: "liquidatedCanceled",
    Reason.AUTO_DELEVERAGING: "reduceOnlyCanceled",
}


def status_of(order: Order, canceled_by: Mapping[int, str]) -> str:
    """The order's one word. `canceled_by` is what the dialect itself remembers."""
    if order.state.is_open:
        return "open"
    if order.state is OrderState.FILLED:
        return "filled"
    if order.reason == Reason.IMMEDIATE and not order.filled:
        return "iocCancelRejected"
    return canceled_by.get(order.order_id) or _ENDED.get(Reason(order.reason), "canceled")


def plain_row(order: Order) -> Row:
    """`openOrders` and the order in `orderUpdates`; `cloid` and `reduceOnly` are there only when they say something."""
    request = order.request
    row: Row = {
        "coin": request.symbol,
        "side": side_of(request.side),
        "limitPx": figure(request.price or ZERO),
        "sz": figure(order.leaves),
        "oid": order.order_id,
        "timestamp": order.created_at,
        "origSz": figure(request.contracts),
    }
    if request.client_order_id is not None:
        row["cloid"] = request.client_order_id
    if request.reduce_only:
        row["reduceOnly"] = True
    return row


def full_row(order: Order) -> Row:
    """`frontendOpenOrders` and the order in `orderStatus` and `historicalOrders`."""
    return {
        **plain_row(order),
        "triggerCondition": "N/A",
        "isTrigger": False,
        "triggerPx": "0.0",
        "children": [],
        "isPositionTpsl": False,
        "reduceOnly": order.request.reduce_only,
        "orderType": "Limit",
        "tif": _TIF_NAMES[order.request.time_in_force],
        "cloid": order.request.client_order_id,
    }


def told_row(order: Order, canceled_by: Mapping[int, str], *, full: bool) -> Row:
    """An order with its status: the rows of `orderStatus`, `historicalOrders` (full) and `orderUpdates`."""
    shown = full_row(order) if full else plain_row(order)
    return {"order": shown, "status": status_of(order, canceled_by), "statusTimestamp": order.updated_at}


def outcome(order: Order) -> Row:
    """What an accepted order's place in the answer says: that it rests, or what filled of it."""
    named: Row = {"oid": order.order_id}
    if order.request.client_order_id is not None:
        named["cloid"] = order.request.client_order_id
    if not order.filled:
        return {"resting": named}
    return {"filled": {"totalSz": figure(order.filled), "avgPx": figure(order.average_price or ZERO), **named}}


def fill_rows(exchange: Exchange, account: str, address: str, wanted: Sequence[Fill] | None = None) -> list[Row]:
    """An account's fills, oldest first: all of them, or those that are wanted."""
    held: dict[str, Decimal] = {}
    rows: list[Row] = []
    only = None if wanted is None else {fill.fill_id for fill in wanted}
    for fill in exchange.fills(account, None, 0, EVERY_FILL):
        start = held.get(fill.symbol, ZERO)
        held[fill.symbol] = start + fill.side.sign * fill.contracts
        if only is None or fill.fill_id in only:
            rows.append(_fill_row(fill, start, address))
    return rows


def _fill_row(fill: Fill, start: Decimal, address: str) -> Row:
    row: Row = {
        "coin": fill.symbol,
        "px": figure(fill.price),
        "sz": figure(fill.contracts),
        "side": side_of(fill.side),
        "time": fill.at,
        "startPosition": figure(start),
        "dir": _direction(fill, start),
        "closedPnl": figure(fill.realised_pnl),
        "hash": hash_of(fill.fill_id),
        "oid": fill.order_id if fill.order_id is not None else fill.fill_id,
        "crossed": not fill.is_maker,
        "fee": figure(fill.fee),
        "tid": fill.fill_id,
        "feeToken": fill.fee_asset,
        "twapId": None,
    }
    if fill.client_order_id is not None:
        row["cloid"] = fill.client_order_id
    if fill.kind is FillKind.LIQUIDATION:
        row["liquidation"] = {"liquidatedUser": address, "markPx": figure(fill.price), "method": "market"}
    return row


def _direction(fill: Fill, start: Decimal) -> str:
    if fill.kind is FillKind.AUTO_DELEVERAGING:
        return "Auto-Deleveraging"
    if fill.kind is FillKind.LIQUIDATION:
        return f"Liquidated Cross {'Long' if start > ZERO else 'Short'}"
    after = start + fill.side.sign * fill.contracts
    if start * after < ZERO:
        return "Long > Short" if start > ZERO else "Short > Long"
    was = "Long" if (start or after) > ZERO else "Short"
    return f"{'Open' if abs(after) > abs(start) else 'Close'} {was}"
