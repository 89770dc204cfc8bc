"""Strikes that have to hit something of their own to have fired: they do so in a healthy book, at every pace."""

from __future__ import annotations

import pytest

from bot.drivers.chaos.judge import Judge
from bot.drivers.chaos.stage import Stage
from bot.drivers.chaos.strikes_orders import lost_cancels
from bot.drivers.chaos.world import BRISK, SLOW, STEADY, Pace
from bot.simulator.virtual_time import run_virtually
from tests.chaos.openings import open_book


@pytest.mark.parametrize("pace", [BRISK, STEADY, SLOW], ids=lambda pace: pace.name)
@pytest.mark.parametrize("seed", [1, 2])
def test_f15_cancels_are_lost_whenever_it_strikes_a_book_at_work(pace: Pace, seed: int) -> None:
    async def story() -> Stage:
        stage = Stage(seed, pace)
        open_book(stage)
        await stage.clock.sleep(60.0)
        assert Judge(stage).in_band()
        await lost_cancels(stage)
        return stage

    stage = run_virtually(story())
    assert stage.struck[15] > 0
    assert stage.oracle.violations == []
