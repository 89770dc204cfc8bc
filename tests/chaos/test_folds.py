"""I12: what the store holds is folded again at the end, and what was lost in that part is found."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import pytest

from bot.drivers.chaos.seed import Seed
from bot.drivers.chaos.world import STEADY
from bot.shell.recovery import recovered
from bot.simulator.memory import MemoryEntry, MemoryStore
from bot.simulator.virtual_time import run_virtually


def blank(store: MemoryStore, first: int, last: int) -> None:
    """The store holds nothing any more in these entries."""
    store.entries[first:last] = [MemoryEntry((), ())] * (last - first)


@pytest.fixture(scope="module")
def played() -> Seed:
    """A seed that has ended; nothing of its store was lost."""

    async def whole() -> Seed:
        seed = Seed(4, 0.05, STEADY)
        assert not (await seed.play()).violations
        return seed

    return run_virtually(whole())


@pytest.fixture
def store(played: Seed) -> Iterator[MemoryStore]:
    """The store of that seed, with a snapshot of its first half."""
    held = played.stage.world.store
    kept, half = list(held.entries), len(held.entries) // 2
    begun = recovered(islice(held.steps(), sum(len(e.events) for e in kept[:half])), played.stage.policy)
    held.snapshots.insert(0, (half, kept[half - 1], begun))
    try:
        yield held
    finally:
        held.entries[:] = kept


def broken(seed: Seed, part: float) -> set[str]:
    """The invariants that are broken when so much is folded again."""

    async def look() -> set[str]:
        seed.stage.oracle.violations.clear()
        seed.judge.folds(part)
        return {v.invariant for v in seed.stage.oracle.violations}

    return run_virtually(look())


@pytest.mark.parametrize("part", [1.0, 0.6, 0.5, 0.1, 0.0])
def test_what_was_stored_folds_to_the_ledger_from_wherever_it_is_begun(played: Seed, store: MemoryStore, part: float):
    assert not broken(played, part)


@pytest.mark.parametrize("part", [1.0, 0.5, 0.0])
def test_what_the_store_has_lost_is_found_in_the_part_that_is_folded(played: Seed, store: MemoryStore, part: float):
    blank(store, len(store.entries) - 30, len(store.entries) - 1)
    assert broken(played, part) == {"I12"}


def test_what_it_lost_before_that_part_is_found_when_all_of_it_is_folded(played: Seed, store: MemoryStore):
    half = store.snapshots[0][0]
    blank(store, half // 2, half - 1)
    assert not broken(played, 0.3)
    assert broken(played, 1.0) == {"I12"}


def test_a_snapshot_whose_entries_are_gone_is_passed_over(store: MemoryStore):
    half = store.snapshots[0][0]
    assert store.newest_snapshot(len(store.entries) - 1)[0] == half
    blank(store, half - 1, half)
    assert store.newest_snapshot(len(store.entries) - 1) == (0, None)
