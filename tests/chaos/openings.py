"""A stage of chaos as every story on it begins: its market plays, collateral is held, and the bot runs."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from bot.drivers.chaos.stage import Stage
from bot.drivers.chaos.strike import hold

HELD = (("BTC", 5), ("ETH", 100), ("SOL", 1_500))


def open_book(stage: Stage) -> None:
    """Starts the market, 5 BTC, 100 ETH and 1,500 SOL of collateral, and the bot, in the task that calls."""
    current = asyncio.current_task()
    assert current is not None
    stage.main = current
    stage.own(stage.world.play(), "market")
    for asset, held in HELD:
        hold(stage, asset, Decimal(held))
    stage.start()
