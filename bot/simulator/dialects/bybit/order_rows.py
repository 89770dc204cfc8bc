"""The shapes of orders and executions, the same over REST and over the private stream (source: v5 order and execution endpoints).

A derivative order that ends unfilled, wholly or in part, is `Cancelled`, whatever was executed before; `rejectReason` and `cancelType`
say why. `tpslMode` must be present: clients tell a contract's order from a spot order by it. In executions `execFee` is positive when
paid; of a funding execution too, and its `feeRate` has the market's sign for a long and the opposite one for a short, so that
execFee = execValue x feeRate in every case. Quantities are USD and values, fees and profits coins where the contract is inverse.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from bot.core.units import ZERO
from bot.simulator.dialects.bybit.wire import (
    SIDES,
    Json,
    average,
    category_of,
    execution_id,
    funding_id,
    order_id,
    text,
    venue_order_id,
)
from bot.simulator.margin import filled_at, value
from bot.simulator.model import (
    Contract,
    Fill,
    FillKind,
    FundingRecord,
    Order,
    OrderKind,
    OrderState,
    Reason,
    Side,
    TimeInForce,
)

TIMES_IN_FORCE: Mapping[TimeInForce, str] = {
    TimeInForce.GTC: "GTC",
    TimeInForce.IOC: "IOC",
    TimeInForce.FOK: "FOK",
    TimeInForce.POST_ONLY: "PostOnly",
}
KINDS: Mapping[OrderKind, str] = {OrderKind.LIMIT: "Limit", OrderKind.MARKET: "Market"}
STATES: Mapping[OrderState, str] = {
    OrderState.NEW: "New",
    OrderState.PARTIALLY_FILLED: "PartiallyFilled",
    OrderState.FILLED: "Filled",
    OrderState.CANCELED: "Cancelled",
    OrderState.EXPIRED: "Cancelled",
    OrderState.REJECTED: "Cancelled",
}
EXECUTIONS: Mapping[FillKind, str] = {
    FillKind.TRADE: "Trade",
    FillKind.AUTO_DELEVERAGING: "AdlTrade",
    FillKind.LIQUIDATION: "BustTrade",
}
_CREATED_BY: Mapping[FillKind, str] = {
    FillKind.TRADE: "CreateByUser",
    FillKind.AUTO_DELEVERAGING: "CreateByAdl_PassThrough",
    FillKind.LIQUIDATION: "CreateByLiq",
}
_WHY_ENDED: Mapping[str, tuple[str, str]] = {
    Reason.ASKED: ("CancelByUser", "EC_PerCancelRequest"),
    Reason.IMMEDIATE: ("UNKNOWN", "EC_NoImmediateQtyToFill"),
    Reason.POST_ONLY: ("UNKNOWN", "EC_PostOnlyWillTakeLiquidity"),
    Reason.FILL_OR_KILL: ("UNKNOWN", "EC_NoEnoughQtyToFill"),
    Reason.REDUCE_ONLY: ("CancelByReduceOnly", "EC_NoError"),
    Reason.SELF_TRADE: ("CancelBySmp", "EC_BySelfMatch"),
    Reason.LIQUIDATION: ("CancelAllBeforeLiq", "EC_NoError"),
    Reason.AUTO_DELEVERAGING: ("CancelAllBeforeAdl", "EC_NoError"),
}
"""`cancelType` and `rejectReason` of an order that ended unfilled."""
_STILL_WELL = ("UNKNOWN", "EC_NoError")
_NOT_CONDITIONAL: Json = {
    "blockTradeId": "",
    "closeOnTrigger": False,
    "isLeverage": "",
    "lastPriceOnCreated": "",
    "marketUnit": "",
    "orderIv": "",
    "placeType": "",
    "positionIdx": 0,
    "slLimitPrice": "0",
    "slTriggerBy": "",
    "slippageTolerance": "0",
    "slippageToleranceType": "UNKNOWN",
    "smpGroup": 0,
    "smpOrderId": "",
    "smpType": "None",
    "stopLoss": "",
    "stopOrderType": "",
    "takeProfit": "",
    "tpLimitPrice": "0",
    "tpTriggerBy": "",
    "tpslMode": "",
    "triggerBy": "",
    "triggerDirection": 0,
    "triggerPrice": "",
    "extraFees": "",
}


def order_row(order: Order, contract: Contract) -> Json:
    """One order. `price` is empty for a market order, `avgPrice` before the first fill; `leavesQty` is zero once it is over."""
    request = order.request
    leaves = order.leaves if order.state.is_open else ZERO
    over = not order.state.is_open and order.state is not OrderState.FILLED
    cancel_type, reject_reason = _WHY_ENDED.get(order.reason, _STILL_WELL) if over else _STILL_WELL
    return {
        **_NOT_CONDITIONAL,
        "category": category_of(contract),
        "symbol": request.symbol,
        "orderId": order_id(order.order_id),
        "orderLinkId": request.client_order_id or "",
        "side": SIDES[request.side],
        "orderType": KINDS[request.kind],
        "timeInForce": TIMES_IN_FORCE[request.time_in_force],
        "price": "" if request.price is None else text(request.price),
        "qty": text(request.contracts),
        "orderStatus": STATES[order.state],
        "createType": "CreateByUser",
        "cancelType": cancel_type,
        "rejectReason": reject_reason,
        "avgPrice": average(filled_at(contract, order)),
        "cumExecQty": text(order.filled),
        "cumExecValue": text(order.value_filled),
        "cumExecFee": text(order.fees),
        "cumFeeDetail": {contract.settle: text(order.fees)} if order.filled else {},
        "leavesQty": text(leaves),
        "leavesValue": text(value(contract, leaves, request.price) if request.price else ZERO),
        "reduceOnly": request.reduce_only,
        "createdTime": str(order.created_at),
        "updatedTime": str(order.updated_at),
    }


def execution_row(fill: Fill, order: Order | None, leaves: Decimal, contract: Contract, mark: Decimal | None) -> Json:
    """One fill. `leaves` is what its order still wanted right after it, `mark` the mark price then, None when nobody kept it.

    A fill without an order, or not of the account's own doing, has the venue's own `orderId`.
    """
    worth = value(contract, fill.contracts, fill.price)
    request = order.request if order else None
    ours = fill.order_id if fill.kind is FillKind.TRADE else None
    return {
        "category": category_of(contract),
        "symbol": fill.symbol,
        "orderId": venue_order_id(fill.fill_id) if ours is None else order_id(ours),
        "orderLinkId": (fill.client_order_id or "") if ours is not None else "",
        "side": SIDES[fill.side],
        "orderPrice": text(request.price) if request and request.price is not None else text(fill.price),
        "orderQty": text(request.contracts if request else fill.contracts),
        "orderType": KINDS[request.kind] if request else "Market",
        "leavesQty": text(leaves),
        "createType": _CREATED_BY[fill.kind],
        "execFee": text(fill.fee),
        "execId": execution_id(fill.fill_id),
        "execPnl": text(fill.realised_pnl),
        "execPrice": text(fill.price),
        "execQty": text(fill.contracts),
        "execTime": str(fill.at),
        "execType": EXECUTIONS[fill.kind],
        "execValue": text(worth),
        "feeCurrency": "",
        "feeCoin": fill.fee_asset,
        "feeRate": text(fill.fee / worth),
        "isMaker": fill.is_maker,
        "markPrice": "" if mark is None else text(mark),
        "closedSize": "",
        "seq": fill.fill_id,
        **_NO_OPTION,
    }


def funding_row(record: FundingRecord, contract: Contract) -> Json:
    """One funding settlement as an execution: `execFee` > 0 was paid. `side` is the position's."""
    side = Side.BUY if record.contracts > ZERO else Side.SELL
    quantity = abs(record.contracts)
    return {
        "category": category_of(contract),
        "symbol": record.symbol,
        "orderId": venue_order_id(record.payment_id),
        "orderLinkId": "",
        "side": SIDES[side],
        "orderPrice": "0",
        "orderQty": "0",
        "orderType": "UNKNOWN",
        "leavesQty": "0",
        "createType": "",
        "execFee": text(-record.amount),
        "execId": funding_id(record.payment_id),
        "execPnl": "0",
        "execPrice": text(record.mark_price),
        "execQty": text(quantity),
        "execTime": str(record.at),
        "execType": "Funding",
        "execValue": text(value(contract, quantity, record.mark_price)),
        "feeCurrency": "",
        "feeCoin": record.asset,
        "feeRate": text(record.rate * side.sign),
        "isMaker": False,
        "markPrice": text(record.mark_price),
        "closedSize": "0",
        "seq": record.payment_id,
        **_NO_OPTION,
    }


_NO_OPTION: Json = {
    "blockTradeId": "",
    "extraFees": "",
    "indexPrice": "",
    "isLeverage": "0",
    "marketUnit": "",
    "markIv": "",
    "stopOrderType": "UNKNOWN",
    "tradeIv": "",
    "underlyingPrice": "",
}
