"""What the tests of the Bybit dialect share: its market names, and the short ways to place an order and to ask for one."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
LINEAR_ONLY = {"fetchMarkets": {"types": ["linear"]}, "defaultType": "swap"}
IOC = {"timeInForce": "IOC"}
D = Decimal


async def short(client: Any, quantity: float = 0.05, link: str = "short1") -> Any:
    """An IOC sell that crosses the whole first level."""
    return await client.create_order(BTC, "limit", "sell", quantity, 59_990, {**IOC, "clientOrderId": link})


async def order_with(client: Any, link: str) -> Any:
    """What became of an order, asked by its client id."""
    found = await client.fetch_canceled_and_closed_orders(BTC, params={"orderLinkId": link})
    assert len(found) == 1
    return found[0]
