"""The store of the journal is lost, or set back to an earlier hour, between two runs: no id repeats, and nothing is hedged twice."""

from __future__ import annotations

import pytest

from bot.shell.lifecycle import epoch_of
from tests.shell.bench import Bench, hedged_bench, virtual

TAG = 4


def epochs_without_tags(bench: Bench) -> list[str]:
    """What begins the ids of each life, but for the tag, which the bench gives to each life anew and a host might draw twice."""
    return list(dict.fromkeys(order[: -6 - TAG] for order in bench.world.placed))


@pytest.mark.parametrize("entries_left", [0, 12])
@virtual
async def test_no_id_repeats_after_the_store_was_lost_or_set_back(entries_left: int):
    bench = await hedged_bench(world={"assets": ("ETH",)})
    await bench.crash()
    store = bench.world.store
    del store.entries[entries_left:]
    store.snapshots, store.epoch = [], 0
    bench.start()
    await bench.passes(20)
    bench.hold("ETH", "150")
    await bench.passes(20)
    assert store.epoch == 1, "the counter alone has begun anew"
    assert len(set(bench.world.placed)) == len(bench.world.placed)
    if entries_left == 0:  # positions that the journal never knew of are taken as they are
        await bench.until(bench.converged, 40)
        assert len(epochs_without_tags(bench)) == 2, "and the ids differ all the same"


def test_the_start_instant_tells_two_runs_apart_that_got_the_same_counter() -> None:
    one, other = epoch_of(7, 1_767_225_600_000, "t000"), epoch_of(7, 1_767_225_600_001, "t000")
    assert one != other
    assert one[:5] == other[:5]
