"""Rows of REST answers that both venues give: orders, fills, margin assets, income. Money is a string, ids and times are integers.

Quantities count contracts (base units on USD-M), positions are signed with short < 0, `income` > 0 was received. What a row says of the
worth of a fill, and whether it names the pair, is the face's.
"""

from __future__ import annotations

from decimal import Decimal

from bot.core.units import ZERO, Millis
from bot.simulator import margin
from bot.simulator.dialects.binance.face import Face, Row, average_price
from bot.simulator.dialects.binance.wire import text
from bot.simulator.model import Balance, Contract, Fill, FillKind, FundingRecord, Order, OrderKind, OrderState, TimeInForce

TIMES_IN_FORCE = {"GTC": TimeInForce.GTC, "IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK, "GTX": TimeInForce.POST_ONLY}
TIME_IN_FORCE_NAMES = {value: name for name, value in TIMES_IN_FORCE.items()}
STATUS = {
    OrderState.NEW: "NEW",
    OrderState.PARTIALLY_FILLED: "PARTIALLY_FILLED",
    OrderState.FILLED: "FILLED",
    OrderState.CANCELED: "CANCELED",
    OrderState.EXPIRED: "EXPIRED",
    OrderState.REJECTED: "EXPIRED",
}
"""REJECTED is the engine's word for an order that was taken and could not do what its time in force says: where such an order leaves a
trace at all (`Face.refuses_in_answer`), it is EXPIRED."""


def order_row(face: Face, contract: Contract, order: Order, *, acknowledged_only: bool = False) -> Row:
    """An order as POST, GET and DELETE answer it; with `acknowledged_only` as ACK does, before anything matched."""
    request = order.request
    filled, value = (ZERO, ZERO) if acknowledged_only else (order.filled, order.value_filled)
    average = average_price(contract, filled, value)
    return {
        "orderId": order.order_id,
        "symbol": request.symbol,
        **face.pair(request.symbol),
        "status": "NEW" if acknowledged_only else STATUS[order.state],
        "clientOrderId": request.client_order_id or "",
        "price": text(request.price or ZERO),
        "avgPrice": "0.00" if average is None else text(average),
        "origQty": text(request.contracts),
        "executedQty": text(filled),
        "cumQty": text(filled),
        face.filled_value: text(value),
        "timeInForce": TIME_IN_FORCE_NAMES[request.time_in_force] if request.kind is OrderKind.LIMIT else "GTC",
        "type": request.kind.value.upper(),
        "reduceOnly": request.reduce_only,
        "side": request.side.value.upper(),
        "origType": request.kind.value.upper(),
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "time": order.created_at,
        "updateTime": order.updated_at,
        **_PLAIN_ORDER,
        **face.order_defaults,
    }


_PLAIN_ORDER: Row = {
    "closePosition": False,
    "positionSide": "BOTH",
    "stopPrice": "0",
    "workingType": "CONTRACT_PRICE",
    "priceProtect": False,
    "priceMatch": "NONE",
}
"""What an order without trigger in one-way mode says."""


def forced_client_id(fill: Fill) -> str:
    """The client order id that marks an order of the venue's own: `adl_autoclose`, or one that starts with `autoclose-`."""
    return "adl_autoclose" if fill.kind is FillKind.AUTO_DELEVERAGING else f"autoclose-{fill.fill_id}"


def order_id_of(fill: Fill) -> int:
    """The order id that a fill is reported under; a forced fill's own id, as orders and fills are numbered from one counter."""
    return fill.fill_id if fill.order_id is None else fill.order_id


def forced_order_row(face: Face, contract: Contract, fill: Fill) -> Row:
    """The order behind a deleveraging or liquidation fill, as `allOrders` and `forceOrders` list it."""
    quantity = text(fill.contracts)
    return {
        "orderId": order_id_of(fill),
        "symbol": fill.symbol,
        **face.pair(fill.symbol),
        "status": "FILLED",
        "clientOrderId": forced_client_id(fill),
        "price": "0",
        "avgPrice": text(fill.price),
        "origQty": quantity,
        "executedQty": quantity,
        "cumQty": quantity,
        face.filled_value: text(margin.value(contract, fill.contracts, fill.price)),
        "timeInForce": "GTC",
        "type": "MARKET",
        "reduceOnly": False,
        "side": fill.side.value.upper(),
        "origType": "MARKET",
        "selfTradePreventionMode": "NONE",
        "time": fill.at,
        "updateTime": fill.at,
        **_PLAIN_ORDER,
        **face.order_defaults,
    }


def fill_row(face: Face, contract: Contract, fill: Fill) -> Row:
    """A fill as `userTrades` lists it; `commission` > 0 was paid."""
    return {
        "symbol": fill.symbol,
        "id": fill.fill_id,
        "orderId": order_id_of(fill),
        "side": fill.side.value.upper(),
        "price": text(fill.price),
        "qty": text(fill.contracts),
        "realizedPnl": text(fill.realised_pnl),
        "marginAsset": fill.fee_asset,
        face.fill_value: text(margin.value(contract, fill.contracts, fill.price)),
        "commission": text(fill.fee),
        "commissionAsset": fill.fee_asset,
        "time": fill.at,
        "positionSide": "BOTH",
        "buyer": fill.side.sign > 0,
        "maker": fill.is_maker,
    } | face.pair(fill.symbol)


def asset_row(balance: Balance, position_margin: Decimal, now: Millis) -> Row:
    """A margin asset inside `account`. `position_margin` is the part of the initial margin that positions need; orders need the rest."""
    return {
        "asset": balance.asset,
        "walletBalance": text(balance.wallet),
        "unrealizedProfit": text(balance.unrealised_pnl),
        "marginBalance": text(balance.margin_balance),
        "maintMargin": text(balance.maintenance_margin),
        "initialMargin": text(balance.initial_margin),
        "positionInitialMargin": text(position_margin),
        "openOrderInitialMargin": text(max(ZERO, balance.initial_margin - position_margin)),
        "crossWalletBalance": text(balance.wallet),
        "crossUnPnl": text(balance.unrealised_pnl),
        "availableBalance": text(balance.available),
        "maxWithdrawAmount": text(balance.available),
        "updateTime": now,
    }


def income_of_funding(record: FundingRecord) -> Row:
    """A funding payment as `income` lists it."""
    return _income(record.symbol, "FUNDING_FEE", record.amount, record.asset, record.at, record.payment_id, "")


def income_of_fill(fill: Fill) -> list[Row]:
    """What a fill did to the wallet: the commission, and the realised profit or loss where there was one."""
    rows = []
    if fill.fee:
        rows.append(_income(fill.symbol, "COMMISSION", -fill.fee, fill.fee_asset, fill.at, fill.fill_id, str(fill.fill_id)))
    if fill.realised_pnl:
        rows.append(_income(fill.symbol, "REALIZED_PNL", fill.realised_pnl, fill.fee_asset, fill.at, fill.fill_id, str(fill.fill_id)))
    return rows


def _income(symbol: str, kind: str, value: Decimal, asset: str, at: Millis, transaction: int, fill_id: str) -> Row:
    return {
        "symbol": symbol,
        "incomeType": kind,
        "income": text(value),
        "asset": asset,
        "time": at,
        "info": kind,
        "tranId": transaction,
        "tradeId": fill_id,
    }
