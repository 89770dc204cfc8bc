"""How the cost of a decision grows with the number of instruments, what the allocation costs by itself, and what an instrument weighs.

A quiet decision is one on a hedged book: everything is looked at, nothing is to be done. A decision with a gap follows a deposit of one
asset. The growth told is that of the cost per instrument, divided by the growth of the logarithm of their number: 1.0 is n log n, less is
better. The allocation is an exact program over the whole book, worked out only when delta, a limit or the interval asks for it; its
curve stands by itself. Memory is that of the ledger and of what its latest decision worked out, as tracemalloc counts it.
"""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from itertools import count, pairwise
from math import log

from benchmarks.decision import moved
from benchmarks.figures import BenchmarkFailed, Figure, Samples
from benchmarks.grid import HELD, assets_of, hedged_grid, placed
from bot.core.allocation import allocate
from bot.core.allocation_terms import Bound, Candidate, Problem, Requirement, VenueRoom
from bot.core.engine import step
from bot.core.units import ONE, InstrumentId, VenueId

QUIET, GAP, ALLOCATE = "decide, nothing to do", "decide, one asset to hedge", "allocate"
WIDTHS = ((3, 3), (10, 10), (50, 20))
"""Assets x venues."""
ROUNDS_MIN, ROUNDS_MAX = 3, 60
MEMORY_WIDTH = (10, 10)


@dataclass(frozen=True, slots=True)
class Growth:
    """Decisions and allocations by width, and bytes of ledger per instrument."""

    lanes: Mapping[str, Figure]
    per_instrument_bytes: int

    def figures(self) -> Mapping[str, Figure]:
        """Microseconds by lane."""
        return self.lanes

    def over_n_log_n(self, what: str = QUIET) -> Mapping[str, float]:
        """Growth of a lane's cost from each width to the next, over that of n log n."""
        found = {}
        for (few_assets, few_venues), (more_assets, more_venues) in pairwise(WIDTHS):
            few, more = few_assets * few_venues, more_assets * more_venues
            cost = self.lanes[lane(what, more_assets, more_venues)].p50_us / self.lanes[lane(what, few_assets, few_venues)].p50_us
            found[f"{few} -> {more} instruments"] = cost / (more * log(more) / (few * log(few)))
        return found


def lane(what: str, assets: int, venues: int) -> str:
    """The name of a lane of one width."""
    return f"{what}, {assets} x {venues}"


def measure_growth(lane_seconds: float) -> Growth:
    """Decides and allocates on books of every width, each lane for about so many seconds.

    Raises BenchmarkFailed when a decision does other than meant.
    """
    samples = Samples()
    for assets, venues in WIDTHS:
        _measure_decisions(samples, assets, venues, lane_seconds)
        _sampled(samples, lane(ALLOCATE, assets, venues), partial(allocate, _problem(assets, venues)), lane_seconds)
    return Growth(samples.figures(), _bytes_per_instrument(*MEMORY_WIDTH))


def _measure_decisions(samples: Samples, assets: int, venues: int, seconds: float) -> None:
    grid = hedged_grid(assets, venues)
    grid.now += 1_000
    grid.refresh()
    due, quiet = grid.due(), grid.ledger
    if placed(step(quiet, due, grid.policy).commands):
        raise BenchmarkFailed(f"a quiet book of {assets} x {venues} placed orders")
    dues = (moved(due, number) for number in count(1))  # else answers of the decision before would serve
    _sampled(samples, lane(QUIET, assets, venues), lambda: step(quiet, next(dues), grid.policy), seconds)
    grid.deposit(assets_of(assets)[0], HELD * 2)
    gap = grid.ledger
    if not placed(step(gap, due, grid.policy).commands):
        raise BenchmarkFailed(f"a book of {assets} x {venues} did not hedge a deposit")
    _sampled(samples, lane(GAP, assets, venues), lambda: step(gap, next(dues), grid.policy), seconds)


def _sampled(samples: Samples, name: str, work: Callable[[], object], seconds: float) -> None:
    gc.collect()
    began, rounds = time.perf_counter(), 0
    while rounds < ROUNDS_MIN or (rounds < ROUNDS_MAX and time.perf_counter() - began < seconds):
        before = time.perf_counter_ns()
        work()
        samples.add(name, time.perf_counter_ns() - before)
        rounds += 1


def _problem(assets: int, venues: int) -> Problem:
    """A book to be opened: every asset asks for its hedge, venues are held to a share, carries differ."""
    names = [VenueId(f"v{number:02}") for number in range(venues)]
    required = Decimal(100_000)
    candidates = tuple(
        Candidate(
            instrument=InstrumentId(f"{venue}:{asset}"),
            asset=asset,
            venue=venue,
            bounds=(Bound(limit="instrument_notional", most=required),),
            carry=Decimal((number * 7 + place * 13) % 23) / 1_000,
            cost_to_open=Decimal("0.001"),
            cost_to_close=Decimal("0.001"),
            margin_use=Decimal("0.01"),
        )
        for number, asset in enumerate(assets_of(assets))
        for place, venue in enumerate(names)
    )
    share = required * assets * max(Decimal("0.35"), min(ONE, Decimal(2) / venues))
    rooms = tuple(
        VenueRoom(
            venue=venue,
            notional=(Bound(limit="venue_share", most=share),),
            margin=(Bound(limit="margin_ratio", most=share / 10),),
        )
        for venue in names
    )
    requirements = tuple(Requirement(asset=asset, required=required) for asset in assets_of(assets))
    return Problem(candidates=candidates, requirements=requirements, venues=rooms)


def _bytes_per_instrument(assets: int, venues: int) -> int:
    gc.collect()
    tracemalloc.start()
    grid = hedged_grid(assets, venues)
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return held // len(grid.ledger.instruments)
