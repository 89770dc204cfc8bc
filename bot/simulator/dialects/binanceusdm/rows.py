"""Rows of Binance's REST answers, field for field with the venue's JSON types: money is a string, ids and times are integers.

Quantities are base units (a USD-M contract is one base unit), positions are signed with short < 0, `income` > 0 was received.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from bot.core.units import ZERO, Millis
from bot.simulator.dialects.binanceusdm.wire import text
from bot.simulator.model import Balance, Fill, FillKind, FundingRecord, Order, OrderKind, OrderState, Position, TimeInForce

Row = dict[str, Any]

TIMES_IN_FORCE = {"GTC": TimeInForce.GTC, "IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK, "GTX": TimeInForce.POST_ONLY}
TIME_IN_FORCE_NAMES = {value: name for name, value in TIMES_IN_FORCE.items()}
STATUS = {
    OrderState.NEW: "NEW",
    OrderState.PARTIALLY_FILLED: "PARTIALLY_FILLED",
    OrderState.FILLED: "FILLED",
    OrderState.CANCELED: "CANCELED",
    OrderState.EXPIRED: "EXPIRED",
    OrderState.REJECTED: "REJECTED",
}


def order_row(order: Order, *, acknowledged_only: bool = False) -> Row:
    """An order as POST, GET and DELETE answer it; with `acknowledged_only` as ACK does, before anything matched."""
    request = order.request
    filled = ZERO if acknowledged_only else order.filled
    average = None if acknowledged_only else order.average_price
    return {
        "orderId": order.order_id,
        "symbol": request.symbol,
        "status": "NEW" if acknowledged_only else STATUS[order.state],
        "clientOrderId": request.client_order_id or "",
        "price": text(request.price or ZERO),
        "avgPrice": "0.00" if average is None else text(average),
        "origQty": text(request.contracts),
        "executedQty": text(filled),
        "cumQty": text(filled),
        "cumQuote": text(ZERO if acknowledged_only else order.notional_filled),
        "timeInForce": TIME_IN_FORCE_NAMES[request.time_in_force] if request.kind is OrderKind.LIMIT else "GTC",
        "type": request.kind.value.upper(),
        "reduceOnly": request.reduce_only,
        "closePosition": False,
        "side": request.side.value.upper(),
        "positionSide": "BOTH",
        "stopPrice": "0",
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": request.kind.value.upper(),
        "priceMatch": "NONE",
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "goodTillDate": 0,
        "time": order.created_at,
        "updateTime": order.updated_at,
    }


def forced_client_id(fill: Fill) -> str:
    """The client order id that marks an order of the venue's own: `adl_autoclose`, or one that starts with `autoclose-`."""
    return "adl_autoclose" if fill.kind is FillKind.AUTO_DELEVERAGING else f"autoclose-{fill.fill_id}"


def order_id_of(fill: Fill) -> int:
    """The order id that a fill is reported under; a forced fill's own id, as orders and fills are numbered from one counter."""
    return fill.fill_id if fill.order_id is None else fill.order_id


def forced_order_row(fill: Fill) -> Row:
    """The order behind a deleveraging or liquidation fill, as `allOrders` lists it."""
    quantity = text(fill.contracts)
    return {
        "orderId": order_id_of(fill),
        "symbol": fill.symbol,
        "status": "FILLED",
        "clientOrderId": forced_client_id(fill),
        "price": "0",
        "avgPrice": text(fill.price),
        "origQty": quantity,
        "executedQty": quantity,
        "cumQty": quantity,
        "cumQuote": text(fill.price * fill.contracts),
        "timeInForce": "GTC",
        "type": "MARKET",
        "reduceOnly": False,
        "closePosition": False,
        "side": fill.side.value.upper(),
        "positionSide": "BOTH",
        "stopPrice": "0",
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": "MARKET",
        "priceMatch": "NONE",
        "selfTradePreventionMode": "NONE",
        "goodTillDate": 0,
        "time": fill.at,
        "updateTime": fill.at,
    }


def fill_row(fill: Fill) -> Row:
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
        "quoteQty": text(fill.price * fill.contracts),
        "commission": text(fill.fee),
        "commissionAsset": fill.fee_asset,
        "time": fill.at,
        "positionSide": "BOTH",
        "buyer": fill.side.sign > 0,
        "maker": fill.is_maker,
    }


def position_risk_v3(position: Position, margin_asset: str) -> Row:
    """A position as `positionRisk` version 3 lists it. A liquidation price of "0" means that there is none."""
    return {
        "symbol": position.symbol,
        "positionSide": "BOTH",
        "positionAmt": text(position.contracts),
        "entryPrice": text(position.entry_price),
        "breakEvenPrice": text(position.entry_price),
        "markPrice": text(position.mark_price),
        "unRealizedProfit": text(position.unrealised_pnl),
        "liquidationPrice": text(position.liquidation_price or ZERO),
        "isolatedMargin": "0",
        "notional": text(position.contracts * position.mark_price),
        "marginAsset": margin_asset,
        "isolatedWallet": "0",
        "initialMargin": text(position.initial_margin),
        "maintMargin": text(position.maintenance_margin),
        "positionInitialMargin": text(position.initial_margin),
        "openOrderInitialMargin": "0",
        "adl": 1 if position.contracts else 0,
        "bidNotional": "0",
        "askNotional": "0",
        "updateTime": position.updated_at,
    }


def position_risk_v2(position: Position, margin_asset: str, notional_max: Decimal) -> Row:
    """The older version, which also names leverage and margin type."""
    return position_risk_v3(position, margin_asset) | {
        "leverage": text(position.leverage.normalize()),
        "maxNotionalValue": text(notional_max),
        "marginType": "cross",
        "isAutoAddMargin": "false",
    }


def account_position(position: Position) -> Row:
    """A position inside `account` version 3."""
    return {
        "symbol": position.symbol,
        "positionSide": "BOTH",
        "positionAmt": text(position.contracts),
        "unrealizedProfit": text(position.unrealised_pnl),
        "isolatedMargin": "0",
        "notional": text(position.contracts * position.mark_price),
        "isolatedWallet": "0",
        "initialMargin": text(position.initial_margin),
        "maintMargin": text(position.maintenance_margin),
        "updateTime": position.updated_at,
    }


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
        "marginAvailable": True,
        "updateTime": now,
    }


def balance_row(balance: Balance, now: Millis) -> Row:
    """A margin asset as `balance` lists it."""
    return {
        "accountAlias": "SgsR",
        "asset": balance.asset,
        "balance": text(balance.wallet),
        "crossWalletBalance": text(balance.wallet),
        "crossUnPnl": text(balance.unrealised_pnl),
        "availableBalance": text(balance.available),
        "maxWithdrawAmount": text(balance.available),
        "marginAvailable": True,
        "updateTime": now,
    }


def account_row(balances: Sequence[Balance], positions: Iterable[Position], margins: dict[str, Decimal], now: Millis) -> Row:
    """`account` version 3. The totals count USDT only, as in the venue's single-asset mode."""
    usdt = [balance for balance in balances if balance.asset == "USDT"]

    def total(name: str) -> str:
        return text(sum((getattr(balance, name) for balance in usdt), ZERO))

    position_margin = margins.get("USDT", ZERO)
    order_margin = max(ZERO, sum((balance.initial_margin for balance in usdt), ZERO) - position_margin)
    return {
        "totalInitialMargin": total("initial_margin"),
        "totalMaintMargin": total("maintenance_margin"),
        "totalWalletBalance": total("wallet"),
        "totalUnrealizedProfit": total("unrealised_pnl"),
        "totalMarginBalance": total("margin_balance"),
        "totalPositionInitialMargin": text(position_margin),
        "totalOpenOrderInitialMargin": text(order_margin),
        "totalCrossWalletBalance": total("wallet"),
        "totalCrossUnPnl": total("unrealised_pnl"),
        "availableBalance": total("available"),
        "maxWithdrawAmount": total("available"),
        "assets": [asset_row(balance, margins.get(balance.asset, ZERO), now) for balance in balances],
        "positions": [account_position(position) for position in positions],
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
