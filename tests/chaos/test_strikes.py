"""Strikes that have to hit something of their own to have fired: they do so in a healthy book, at every pace."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.drivers.chaos.judge import Judge
from bot.drivers.chaos.seed import Seed
from bot.drivers.chaos.stage import Stage
from bot.drivers.chaos.strike import Strike
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


def test_f33_deleverages_in_the_lot_of_now() -> None:
    async def story() -> Stage:
        stage = Stage(1, STEADY)
        open_book(stage)
        await stage.clock.sleep(60.0)
        for instrument, quantity in dict(stage.oracle.truth.positions).items():
            if quantity:
                exchange, contract = stage.world.contract(instrument)
                exchange.amend(replace(contract, lot=contract.lot * 10))
                taken = stage.world.deleverage(instrument, Decimal(1)) / contract.contract_size
                assert taken % (contract.lot * 10) == 0
                assert stage.world.position(instrument) + taken * contract.contract_size > -10 * contract.lot * contract.contract_size
        return stage

    assert run_virtually(story()).oracle.violations == []


def test_f25_two_readings_in_a_row_are_never_wrong_however_often_it_strikes() -> None:
    async def story() -> Stage:
        stage = Stage(1, BRISK)
        open_book(stage)
        await stage.clock.sleep(60.0)
        for _ in range(120):
            for here in stage.world.conditions.values():
                here.wrong_position = True
            await stage.clock.sleep(1.0)
        return stage

    stage = run_virtually(story())
    assert stage.struck[25] > 20
    assert stage.oracle.violations == []
    assert not [note for note in stage.ledger.notes if note.kind == "break"]


def test_a_fault_of_the_harness_is_a_failed_seed_with_its_story_and_not_the_end_of_the_campaign() -> None:
    def stumbles(_: Stage) -> None:
        raise KeyError("lot")

    async def story() -> Seed:
        seed = Seed(1, 0.05, STEADY)
        seed.strikes, seed.weights = [Strike(33, stumbles)], [1.0]
        outcome = await seed.play()
        (violation,) = outcome.violations
        assert violation.invariant == "LIFE"
        assert "chaos itself ended with KeyError: 'lot' (stumbles, line " in violation.sentence
        assert any("F33" in line for line in outcome.last)
        return seed

    run_virtually(story())
