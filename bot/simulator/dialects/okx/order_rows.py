"""How OKX shows orders and fills, on REST and in the `orders` channel.

A fee that was paid is negative. `state` is `live`, `partially_filled`, `filled` or `canceled`: an order that expired (IOC) or was refused
after acceptance (post-only, FOK) is `canceled`, and `cancelSource` says why. Deleveraging and liquidation are orders of the venue's
own with a `category`, no `clOrdId`, and a negative `tradeId`.
In the `orders` channel `fillSz`, `fillPx`, `tradeId` and the like describe this update; on REST they describe the last fill.
Source: OKX v5 documentation, "Order channel", "Order details", "Transaction details".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from bot.core.units import ZERO
from bot.simulator.dialects.okx.wire import SWAP, Row, blank, figure, order_id_of
from bot.simulator.exchange import Exchange
from bot.simulator.margin import filled_at, notional
from bot.simulator.model import Contract, Fill, FillKind, Order, OrderKind, OrderState, Reason, Side, TimeInForce

EVERY_FILL = 1_000_000
"""More fills than an account has: the rows below need the whole history, not a page of it."""

ORDER_TYPES: Mapping[str, tuple[OrderKind, TimeInForce]] = {
    "market": (OrderKind.MARKET, TimeInForce.IOC),
    "limit": (OrderKind.LIMIT, TimeInForce.GTC),
    "post_only": (OrderKind.LIMIT, TimeInForce.POST_ONLY),
    "fok": (OrderKind.LIMIT, TimeInForce.FOK),
    "ioc": (OrderKind.LIMIT, TimeInForce.IOC),
}
_TYPE_NAMES = {pair: name for name, pair in ORDER_TYPES.items()}

_STATES = {
    OrderState.NEW: "live",
    OrderState.PARTIALLY_FILLED: "partially_filled",
    OrderState.FILLED: "filled",
    OrderState.CANCELED: "canceled",
    OrderState.EXPIRED: "canceled",
    OrderState.REJECTED: "canceled",
}

BY_COUNTDOWN = "20"
_CANCEL_SOURCES = {
    Reason.ASKED: "1",
    Reason.LIQUIDATION: "3",
    Reason.AUTO_DELEVERAGING: "6",
    Reason.FILL_OR_KILL: "13",
    Reason.IMMEDIATE: "14",
    Reason.REDUCE_ONLY: "17",
    Reason.POST_ONLY: "31",
    Reason.SELF_TRADE: "32",
}

_SUB_TYPES = {
    "normal": {Side.BUY: "1", Side.SELL: "2"},
    "partial_liquidation": {Side.BUY: "102", Side.SELL: "103"},
    "full_liquidation": {Side.BUY: "106", Side.SELL: "107"},
    "adl": {Side.BUY: "127", Side.SELL: "128"},
}

_ORDER: Row = {
    **blank(
        "algoClOrdId algoId attachAlgoClOrdId cancelSourceReason ccy pxType pxUsd pxVol quickMgnType rebateCcy slOrdPx slTriggerPx"
        " slTriggerPxType source stpId tgtCcy tpOrdPx tpTriggerPx tpTriggerPxType tradeQuoteCcy"
    ),
    "attachAlgoOrds": [],
    "instType": SWAP,
    "isTpLimit": "false",
    "linkedAlgoOrd": {"algoId": ""},
    "posSide": "net",
    "rebate": "0",
    "tdMode": "cross",
}
"""What every perpetual's order has in common."""

_PUSH = blank("amendResult amendSource reqId fillPxVol fillPxUsd fillMarkVol fillFwdPx fillIdxPx msg")
_FILL = blank("fillFwdPx fillIdxPx fillMarkPx fillMarkVol fillPxUsd fillPxVol feeRate tradeQuoteCcy")


def order_type(order: Order) -> str:
    """The `ordType` under which an order was placed."""
    kind = order.request.kind
    return "market" if kind is OrderKind.MARKET else _TYPE_NAMES[(kind, order.request.time_in_force)]


def cancel_source(order: Order, known: str | None) -> str:
    """Why a `canceled` order ended; `known` is what the dialect itself remembers, else the engine's reason says it."""
    if _STATES[order.state] != "canceled":
        return ""
    return known or _CANCEL_SOURCES[Reason(order.reason)]


def order_row(order: Order, contract: Contract, fills: Sequence[Fill], *, lever: Decimal, tag: str, canceled_by: str | None) -> Row:
    """An order of an account as REST shows it; `fills` are its own, oldest first."""
    request = order.request
    last = fills[-1] if fills else None
    return {
        **_ORDER,
        "accFillSz": figure(order.filled),
        "avgPx": figure(filled_at(contract, order)),
        "cTime": str(order.created_at),
        "cancelSource": cancel_source(order, canceled_by),
        "category": "normal",
        "clOrdId": request.client_order_id or "",
        "fee": figure(-order.fees),
        "feeCcy": last.fee_asset if last else "",
        "fillPx": figure(last.price) if last else "",
        "fillSz": figure(last.contracts) if last else "0",
        "fillTime": str(last.at) if last else "",
        "instId": request.symbol,
        "lever": figure(lever),
        "ordId": str(order.order_id),
        "ordType": order_type(order),
        "pnl": figure(sum((fill.realised_pnl for fill in fills), ZERO)),
        "px": figure(request.price),
        "reduceOnly": "true" if request.reduce_only else "false",
        "side": request.side.value,
        "state": _STATES[order.state],
        "stpMode": "cancel_maker",
        "sz": figure(request.contracts),
        "tag": tag,
        "tradeId": trade_id(last) if last else "",
        "uTime": str(order.updated_at),
    }


def system_order_row(fill: Fill, category: str, *, lever: Decimal) -> Row:
    """The venue's own order behind a deleveraging or a liquidation: filled at once and in full by its one fill."""
    return {
        **_ORDER,
        "accFillSz": figure(fill.contracts),
        "avgPx": figure(fill.price),
        "cTime": str(fill.at),
        "cancelSource": "",
        "category": category,
        "clOrdId": "",
        "fee": figure(-fill.fee),
        "feeCcy": fill.fee_asset,
        "fillPx": figure(fill.price),
        "fillSz": figure(fill.contracts),
        "fillTime": str(fill.at),
        "instId": fill.symbol,
        "lever": figure(lever),
        "ordId": order_id_of(fill),
        "ordType": "market",
        "pnl": figure(fill.realised_pnl),
        "px": "",
        "reduceOnly": "false",
        "side": fill.side.value,
        "state": "filled",
        "stpMode": "",
        "sz": figure(fill.contracts),
        "tag": "",
        "tradeId": trade_id(fill),
        "uTime": str(fill.at),
    }


def order_push(row: Row, fill: Fill | None, *, contract: Contract, last: Decimal, mark: Decimal) -> Row:
    """An `orders` push made from an order's row: the fill fields describe `fill`, or nothing when the update is no fill.

    Notionals are in US dollars at `mark` (a USDT counts as one).
    """
    push = {
        **row,
        **_PUSH,
        "avgPx": row["avgPx"] or "0",
        "code": "0",
        "execType": "",
        "fillFee": "0",
        "fillFeeCcy": "",
        "fillMarkPx": "",
        "fillNotionalUsd": "",
        "fillPnl": "0",
        "fillPx": "",
        "fillSz": "0",
        "fillTime": "",
        "lastPx": figure(last),
        "notionalUsd": figure(notional(contract, Decimal(row["sz"]), mark)),
        "tradeId": "",
    }
    if fill is not None:
        push |= {
            "execType": _liquidity(fill),
            "fillFee": figure(-fill.fee),
            "fillFeeCcy": fill.fee_asset,
            "fillMarkPx": figure(mark),
            "fillNotionalUsd": figure(notional(contract, fill.contracts, fill.price)),
            "fillPnl": figure(fill.realised_pnl),
            "fillPx": figure(fill.price),
            "fillSz": figure(fill.contracts),
            "fillTime": str(fill.at),
            "tradeId": trade_id(fill),
        }
    return push


def fill_row(fill: Fill, category: str, tag: str) -> Row:
    """`GET trade/fills`: one fill; `billId` is its own id."""
    return {
        **_FILL,
        "billId": str(fill.fill_id),
        "clOrdId": fill.client_order_id or "",
        "execType": _liquidity(fill),
        "fee": figure(-fill.fee),
        "feeCcy": fill.fee_asset,
        "fillPnl": figure(fill.realised_pnl),
        "fillPx": figure(fill.price),
        "fillSz": figure(fill.contracts),
        "fillTime": str(fill.at),
        "instId": fill.symbol,
        "instType": SWAP,
        "ordId": order_id_of(fill),
        "posSide": "net",
        "side": fill.side.value,
        "subType": sub_type(fill, category),
        "tag": tag,
        "tradeId": trade_id(fill),
        "ts": str(fill.at),
    }


def trade_id(fill: Fill) -> str:
    """A fill's `tradeId`: negative for deleveraging and liquidation."""
    return str(fill.fill_id if fill.kind is FillKind.TRADE else -fill.fill_id)


def sub_type(fill: Fill, category: str) -> str:
    """The bill and fill `subType`."""
    return _SUB_TYPES[category][fill.side]


def categories(fills: Iterable[Fill]) -> dict[int, str]:
    """The order category of each fill, by fill id. `fills` are all of one account, oldest first.

    A liquidation is full when it left nothing of the position.
    """
    held: dict[str, Decimal] = {}
    found: dict[int, str] = {}
    for fill in fills:
        held[fill.symbol] = held.get(fill.symbol, ZERO) + fill.side.sign * fill.contracts
        match fill.kind:
            case FillKind.TRADE:
                found[fill.fill_id] = "normal"
            case FillKind.AUTO_DELEVERAGING:
                found[fill.fill_id] = "adl"
            case FillKind.LIQUIDATION:
                found[fill.fill_id] = "partial_liquidation" if held[fill.symbol] else "full_liquidation"
    return found


def all_fills(exchange: Exchange, account: str, symbol: str | None = None) -> tuple[Fill, ...]:
    """Every fill of an account, oldest first."""
    return exchange.fills(account, symbol, 0, EVERY_FILL)


def _liquidity(fill: Fill) -> str:
    if fill.kind is not FillKind.TRADE:
        return ""
    return "M" if fill.is_maker else "T"
