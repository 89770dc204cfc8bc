"""I02: how far a fill may take the book short of what is held."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bot.core.commands import PlaceOrder
from bot.core.records import Ledger
from bot.core.units import Asset, ClientOrderId, InstrumentId, VenueId
from bot.drivers.chaos.stage import Stage
from bot.drivers.chaos.strike import hold
from bot.drivers.chaos.world import STEADY
from bot.simulator.model import FillReport
from bot.simulator.virtual_time import run_virtually
from tests.chaos.fills import fill_of

SOL = Asset("SOL")
CARRIES, JOINS = InstrumentId("binanceusdm:SOLUSDT"), InstrumentId("bybit:SOLUSDT")


def hedged() -> Stage:
    """A stage on which the bot has not begun: 1,000 SOL and the coins at a venue are hedged at one venue."""
    stage = Stage(1, STEADY)
    stage.oracle.ledger = Ledger
    hold(stage, SOL, Decimal(1_000))
    stage.oracle.truth.positions[CARRIES] = -stage.oracle.truth.delta(SOL)
    return stage


def sold(stage: Stage, order_id: str, instrument: InstrumentId, quantity: str, *, is_move: bool) -> None:
    """An order of the bot sells so much (below zero: buys back), all of it at once."""
    now, name, (venue, _, symbol) = stage.now(), ClientOrderId(order_id), instrument.partition(":")
    command = PlaceOrder(
        client_order_id=name,
        instrument=instrument,
        quantity=-Decimal(quantity),
        contracts=abs(Decimal(quantity)),
        price=Decimal(100),
        reduce_only=Decimal(quantity) < 0,
        expires_at=now,
    )
    stage.oracle.truth.leaves(command, now, now).is_move = is_move
    fill = fill_of(symbol, -Decimal(quantity), now, order=name, fill_id=len(stage.oracle.truth.sent))
    stage.oracle.happened(VenueId(venue), [FillReport(fill=fill, order=None)])


@pytest.mark.parametrize(
    ("is_move", "after_s", "broken"),
    [
        (True, 0.0, []),
        (True, 29.0, []),
        (True, 31.0, ["I02"]),  # by then it has to be taken back elsewhere
        (False, 0.0, ["I02", "I02"]),
    ],
)
def test_i02_what_fills_beside_the_first_leg_of_a_move_finds_it_there(is_move: bool, after_s: float, broken: list[str]) -> None:
    async def story() -> list[str]:
        stage = hedged()
        sold(stage, "move", JOINS, "20", is_move=is_move)
        await stage.clock.sleep(after_s)
        sold(stage, "offer", CARRIES, "1", is_move=False)
        return [violation.invariant for violation in stage.oracle.violations]

    assert run_virtually(story()) == broken


def test_i02_what_a_move_has_sold_is_let_pass_only_until_it_is_taken_back() -> None:
    async def story() -> list[str]:
        stage = hedged()
        sold(stage, "move", JOINS, "20", is_move=True)
        sold(stage, "its second leg", CARRIES, "-20", is_move=True)
        sold(stage, "offer", CARRIES, "20", is_move=False)
        return [violation.invariant for violation in stage.oracle.violations]

    assert run_virtually(story()) == ["I02"]


def test_i02_beside_a_move_no_more_is_let_pass_than_it_has_sold() -> None:
    async def story() -> list[str]:
        stage = hedged()
        sold(stage, "move", JOINS, "20", is_move=True)
        sold(stage, "offer", CARRIES, "20", is_move=False)
        return [violation.invariant for violation in stage.oracle.violations]

    assert run_virtually(story()) == ["I02"]


def test_i02_what_was_held_lately_is_worth_the_price_of_now() -> None:
    """All that was held leaves custody, untold, and the price rises: the short is beyond by more USD than was held, and by no coin more."""

    async def story(dearer: Decimal, sells: str) -> list[str]:
        stage = hedged()
        hold(stage, SOL, Decimal(0))
        stage.world.fair[SOL] *= dearer
        sold(stage, "offer", CARRIES, sells, is_move=False)
        return [violation.invariant for violation in stage.oracle.violations]

    assert run_virtually(story(Decimal("1.01"), "0.01")) == []
    assert run_virtually(story(Decimal("0.99"), "5")) == ["I02"]


@pytest.mark.parametrize(("speaks_for_s", "broken"), [(0.0, []), (29.0, []), (31.0, ["I02"])])
def test_i02_what_was_held_before_a_silence_counts_until_the_bot_can_have_been_told_more(speaks_for_s: float, broken: list[str]) -> None:
    """Custody cannot be read for 90 s and loses everything at once: however long ago, it was untold until custody spoke again."""

    async def story() -> list[str]:
        stage = hedged()
        custody = stage.world.collateral
        custody.fall_silent()
        hold(stage, SOL, Decimal(0))
        await stage.clock.sleep(60.0)
        custody.fall_silent()  # another fault of the kind: what was silent is not silent anew
        stage.oracle.held(SOL)
        await stage.clock.sleep(30.0)
        custody.speak()
        await stage.clock.sleep(speaks_for_s)
        sold(stage, "offer", CARRIES, "0.01", is_move=False)
        return [violation.invariant for violation in stage.oracle.violations]

    assert run_virtually(story()) == broken


@pytest.mark.parametrize(("speaks_for_s", "broken"), [(29.0, []), (31.0, ["I02"])])
def test_i02_a_process_that_stands_still_in_a_silence_is_given_the_time_once(speaks_for_s: float, broken: list[str]) -> None:
    async def story() -> list[str]:
        stage = hedged()
        hold(stage, SOL, Decimal(0))
        stage.oracle.held(SOL)
        stage.world.collateral.fall_silent()
        stage.jump(60.0)
        stage.world.collateral.speak()
        await stage.clock.sleep(speaks_for_s)
        sold(stage, "offer", CARRIES, "0.01", is_move=False)
        return [violation.invariant for violation in stage.oracle.violations]

    assert run_virtually(story()) == broken


def test_i02_what_was_held_lately_is_no_other_by_the_mark_of_coins_at_a_venue() -> None:
    """A venue's mark runs away beside what leaves custody: the coins that its short hedges are as many as before."""

    async def story(mark: str) -> list[str]:
        stage = hedged()
        truth, inverse = stage.oracle.truth, InstrumentId("binancecoinm:SOLUSD_PERP")
        truth.positions[inverse] = Decimal(-40_000)
        hold(stage, SOL, Decimal(0))
        truth.marks[inverse] *= Decimal(mark)
        sold(stage, "offer", CARRIES, "0.01", is_move=False)
        sold(stage, "more", CARRIES, "10", is_move=False)
        return [violation.invariant for violation in stage.oracle.violations]

    for mark in ("0.9", "1", "1.1"):
        assert run_virtually(story(mark)) == ["I02"], mark


def test_i02_what_others_moved_is_let_pass_at_the_price_of_now() -> None:
    async def story(others: str) -> list[str]:
        stage = hedged()
        stage.oracle.excuse(SOL, Decimal(others) * stage.oracle.truth.price(SOL), 30_000)
        stage.world.fair[SOL] *= Decimal("1.05")
        sold(stage, "offer", CARRIES, "300", is_move=False)
        return [violation.invariant for violation in stage.oracle.violations]

    assert run_virtually(story("300")) == []
    assert run_virtually(story("290")) == ["I02"]
