"""A venue's own books as plain JSON: what a reconciliation or a report compares the bot's ledger with. Money is text, exact."""

from __future__ import annotations

from typing import Any

from bot.simulator.desk import Desk
from bot.simulator.model import Balance, Fill, FundingRecord, Order, Position

_EVERYTHING = 10**9


def truth_of(desk: Desk, account: str | None = None) -> dict[str, Any]:
    """Everything about one account, or about every account with a key. Raises Refused(UNKNOWN_ACCOUNT)."""
    accounts = desk.accounts if account is None else (account,)
    return {"venue": desk.name, "at": desk.clock(), "accounts": {name: _account(desk, name) for name in accounts}}


def _account(desk: Desk, account: str) -> dict[str, Any]:
    exchange = desk.exchange
    return {
        "positions": [_position(position) for position in exchange.positions(account)],
        "open_orders": [_order(order) for order in exchange.open_orders(account)],
        "closed_orders": [_order(order) for order in exchange.closed_orders(account, None, 0, _EVERYTHING)],
        "fills": [_fill(fill) for fill in exchange.fills(account, None, 0, _EVERYTHING)],
        "balances": [_balance(balance) for balance in exchange.balances(account)],
        "funding": [_funding(record) for record in exchange.funding_payments(account, None, 0)],
    }


def _position(position: Position) -> dict[str, Any]:
    return {
        "symbol": position.symbol,
        "contracts": str(position.contracts),
        "entry_price": str(position.entry_price),
        "mark_price": str(position.mark_price),
        "unrealised_pnl": str(position.unrealised_pnl),
        "maintenance_margin": str(position.maintenance_margin),
        "initial_margin": str(position.initial_margin),
        "liquidation_price": None if position.liquidation_price is None else str(position.liquidation_price),
    }


def _order(order: Order) -> dict[str, Any]:
    request = order.request
    return {
        "order_id": order.order_id,
        "client_order_id": request.client_order_id,
        "symbol": request.symbol,
        "side": request.side.value,
        "kind": request.kind.value,
        "time_in_force": request.time_in_force.value,
        "reduce_only": request.reduce_only,
        "contracts": str(request.contracts),
        "price": None if request.price is None else str(request.price),
        "state": order.state.value,
        "filled": str(order.filled),
        "notional_filled": str(order.notional_filled),
        "fees": str(order.fees),
        "reason": order.reason,
        "created_at": order.created_at,
        "updated_at": order.updated_at,
    }


def _fill(fill: Fill) -> dict[str, Any]:
    return {
        "fill_id": fill.fill_id,
        "order_id": fill.order_id,
        "client_order_id": fill.client_order_id,
        "symbol": fill.symbol,
        "side": fill.side.value,
        "contracts": str(fill.contracts),
        "price": str(fill.price),
        "fee": str(fill.fee),
        "fee_asset": fill.fee_asset,
        "kind": fill.kind.value,
        "at": fill.at,
    }


def _balance(balance: Balance) -> dict[str, Any]:
    return {
        "asset": balance.asset,
        "wallet": str(balance.wallet),
        "unrealised_pnl": str(balance.unrealised_pnl),
        "initial_margin": str(balance.initial_margin),
        "maintenance_margin": str(balance.maintenance_margin),
        "margin_balance": str(balance.margin_balance),
        "available": str(balance.available),
    }


def _funding(record: FundingRecord) -> dict[str, Any]:
    return {
        "payment_id": record.payment_id,
        "symbol": record.symbol,
        "contracts": str(record.contracts),
        "mark_price": str(record.mark_price),
        "rate": str(record.rate),
        "payment": str(record.amount),
        "asset": record.asset,
        "at": record.at,
    }
