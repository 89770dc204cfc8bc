"""C22: with all endpoints dead that tell of the past, a start protects within five seconds (real sockets: `e2e/test_history_dead`)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bot.core.units import Asset
from bot.drivers.chaos.judge import Judge
from bot.drivers.chaos.stage import Stage
from bot.drivers.chaos.strike import hold
from bot.drivers.chaos.world import BRISK
from bot.simulator.virtual_time import run_virtually
from tests.chaos.openings import HELD, open_book

PROTECTED_S = 5.0


@pytest.mark.parametrize("journal", ["known", "new"])
@pytest.mark.parametrize("seed", range(1, 6))
def test_c22_a_start_without_history_reduces_every_asset_within_five_seconds(seed: int, journal: str) -> None:
    """At the policy's own beats, whatever the journal knows. Nothing increases: the venues are never read in full."""

    async def story() -> tuple[float, list[str], bool]:
        stage = Stage(seed, BRISK)
        open_book(stage)
        for _ in range(60):
            await stage.clock.sleep(1.0)
            if Judge(stage).in_band():
                break
        await stage.crash()
        if journal == "new":
            stage.world.store.lose(len(stage.world.store.entries))
            stage.forget()
        for here in stage.world.conditions.values():
            here.history_dead = True
        for asset, _ in HELD:
            hold(stage, asset, Decimal(0))
        began, sent = stage.clock.steady(), len(stage.oracle.truth.sent)
        stage.start()
        while stage.clock.steady() - began < 60.0 and not all(stage.oracle.is_protected(Asset(a), sent) for a, _ in HELD):
            await stage.clock.sleep(0.05)
        took = stage.clock.steady() - began
        await stage.clock.sleep(20.0)
        later = [s.command for s in stage.oracle.truth.sent.values()][sent:]
        return took, [str(v) for v in stage.oracle.violations], bool(later) and all(c.reduce_only for c in later)

    took, violations, only_reduced = run_virtually(story())
    assert violations == []
    assert only_reduced
    assert took <= PROTECTED_S
