"""Fills as a venue reports them, for tests of who judges them."""

from __future__ import annotations

from decimal import Decimal

from bot.simulator.model import Fill, FillKind, Side
from bot.simulator.world import ACCOUNT


def fill_of(symbol: str, bought: Decimal, at: int, *, order: str | None = None, fill_id: int = 1) -> Fill:
    """So many contracts at 150 (below zero: sold), without a fee: by an order of ours under this id, None: by a liquidation."""
    return Fill(
        fill_id=fill_id,
        order_id=None if order is None else 1,
        client_order_id=order,
        account=ACCOUNT,
        symbol=symbol,
        side=Side.BUY if bought > 0 else Side.SELL,
        contracts=abs(bought),
        price=Decimal(150),
        fee=Decimal(0),
        fee_asset="USDT",
        is_maker=False,
        realised_pnl=Decimal(0),
        kind=FillKind.LIQUIDATION if order is None else FillKind.TRADE,
        at=at,
    )
