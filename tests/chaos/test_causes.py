"""I07: which moves of a position by others the bot owes people a word of, and which it cannot have known."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bot.core.copying import replace
from bot.core.records import Ledger, Position
from bot.core.units import InstrumentId, VenueId
from bot.drivers.chaos.causes import Causes
from bot.drivers.chaos.stage import Stage
from bot.drivers.chaos.world import BRISK
from bot.simulator.virtual_time import run_virtually
from tests.chaos.fills import fill_of

OKX = InstrumentId("okx:SOL-USDT-SWAP")
KNOWN = replace(Ledger(), positions={OKX: Position(quantity=Decimal(-10))})


def liquidated(causes: Causes, ledger: Ledger, at: int) -> None:
    fill = fill_of("SOL-USDT-SWAP", Decimal(5), at, fill_id=at)
    causes.filled(VenueId("okx"), fill, at, ledger)


@pytest.mark.parametrize(
    ("ledger", "left", "owed"),
    [
        (KNOWN, ("-5", "0"), True),  # a leg that is gone
        (Ledger(), ("-5", "-1"), True),  # what is left was there before the first reading, and is told so
        (Ledger(), ("-5", "0"), False),  # a journal that never knew of it finds nothing (seed 6107, 0.3 h)
    ],
)
def test_i07_nothing_is_owed_of_a_position_that_was_gone_before_the_journal_knew_of_it(
    ledger: Ledger, left: tuple[str, str], owed: bool
) -> None:
    async def story() -> list[str]:
        truth = Stage(1, BRISK).oracle.truth
        causes = Causes(truth)
        for at, quantity in enumerate(left):
            truth.positions[OKX] = Decimal(quantity)
            liquidated(causes, ledger, at)
        return list(causes.untold())

    found = run_virtually(story())
    assert found == ([f"{OKX} was moved by others (liquidation), and no break tells of it"] if owed else [])
