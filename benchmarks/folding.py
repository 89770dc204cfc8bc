"""Facts folded per second, over what a bot really records.

The facts are those of a journal: the unchanged shell has hedged three assets at three simulated venues on virtual time, for two minutes
in which a treasury moves collateral every two seconds and funding is asked for as often as in the demo. The facts are then folded again,
each into the ledger that it met, one right after the other: decisions are taken beforehand and not counted. A single fact that comes
after a pause finds the processor's caches cold and takes up to twice as long.

So the mix is the demo's: order reports and fills, readings of venues, rates, sizes of markets, margins, collateral and confirmations. It
is printed with the figures. The floor is `dataclasses.replace` of one field of the same ledger: what one new ledger would cost if folding
did nothing else, and was made in the plain way.
"""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from benchmarks.figures import BenchmarkFailed, Figure, figure_of
from bot.core.commands import Command, PlaceOrder
from bot.core.engine import step
from bot.core.events import DecisionDue, Event, SessionStarted
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.units import Asset
from bot.shell.lifecycle import Run, World
from bot.simulator.memory import MemoryJournal, MemoryTelemetry
from bot.simulator.virtual_time import VirtualClock, run_virtually
from bot.simulator.world import SimulatedWorld

SOURCE = "custody"
HELD = {"BTC": Decimal(10), "ETH": Decimal(200), "SOL": Decimal(3_000)}
MOVES = 60
MOVE_SECONDS = 2.0
FUNDING_POLL_SECONDS = 2.0
FLOOR_SAMPLES = 200
FLOOR = "one field replaced by dataclasses.replace"

Recorded = Sequence[tuple[Event, Sequence[Command]]]


@dataclass(frozen=True, slots=True)
class Folds:
    """Facts per second over the whole mix, microseconds by kind of fact, and of the floor."""

    facts: int
    per_second: float
    by_kind: Mapping[str, Figure]
    floor: Figure

    def figures(self) -> Mapping[str, Figure]:
        """Microseconds of every kind of fact, the most frequent first, then of the floor."""
        return {f"fold {kind}": figure for kind, figure in self.by_kind.items()} | {FLOOR: self.floor}

    @property
    def over_floor(self) -> float:
        """One fact of the mix over the floor, at the median."""
        return 1_000_000 / self.per_second / self.floor.p50_us


def measure_folds(repetitions: int) -> Folds:
    """Folds the facts of a journal again and again. Raises BenchmarkFailed when it does not fold to what was recorded.

    The same fact is folded in every repetition, and counts with its median: what else the machine did meanwhile is no part of it.
    """
    facts = _facts(run_virtually(recorded()))
    spans: list[list[float]] = [[] for _ in facts]
    floor = list[float]()
    gc.collect()
    gc.freeze()  # as `hedgebot run` does once it has started
    for _ in range(repetitions):
        ledger = Ledger()
        for (decided, event, policy), span in zip(facts, spans, strict=True):
            ledger = ledger if decided is None else decided
            began = time.perf_counter_ns()
            taken = step(ledger, event, policy)
            span.append((time.perf_counter_ns() - began) / 1_000)
            ledger = taken.ledger
        floor += _floor_of(ledger)
    gc.unfreeze()
    by_kind: dict[str, list[float]] = {}
    medians = [sorted(each)[len(each) // 2] for each in spans]
    for (_, event, _), median in zip(facts, medians, strict=True):
        by_kind.setdefault(type(event).__name__, []).append(median)
    ordered = sorted(by_kind.items(), key=lambda item: -len(item[1]))
    figures = {kind: figure_of(values) for kind, values in ordered}
    return Folds(len(facts), len(facts) / sum(medians) * 1_000_000, figures, figure_of(floor))


def _facts(recorded: Recorded) -> list[tuple[Ledger | None, Event, Policy]]:
    """Every fact of a journal, the policy in force, and the ledger of a decision between it and the fact before it, if there was one."""
    ledger, policy, found = Ledger(), Policy(), list[tuple[Ledger | None, Event, Policy]]()
    decided: Ledger | None = None
    for event, commands in recorded:
        if isinstance(event, SessionStarted):
            policy = event.policy
        if not isinstance(event, DecisionDue):
            found.append((decided, event, policy))
        taken = step(ledger, event, policy)
        if _placed(taken.commands) != _placed(commands):
            raise BenchmarkFailed("fold: the journal was decided otherwise than it was recorded")
        ledger = taken.ledger
        decided = ledger if isinstance(event, DecisionDue) else None
    return found


def _placed(commands: Sequence[Command]) -> tuple[Command, ...]:
    return tuple(c for c in commands if isinstance(c, PlaceOrder))


def _floor_of(ledger: Ledger) -> list[float]:
    spans = []
    for number in range(FLOOR_SAMPLES):
        began = time.perf_counter_ns()
        dataclasses.replace(ledger, order_number=number)
        spans.append((time.perf_counter_ns() - began) / 1_000)
    return spans


async def recorded() -> Recorded:
    clock = VirtualClock()
    world = SimulatedWorld(clock, 1, assets=tuple(HELD))
    policy = Policy(
        collateral_assets={Asset(a): Asset(a) for a in HELD},
        collateral_sources=frozenset({SOURCE}),
        instruments=frozenset(world.instruments),
        venue_share_max=Decimal("0.5"),
        collateral_share_max=Decimal(1),  # the simulated accounts hold many times what the custody does
        settle_exposure_max=Decimal(1),
    )
    ports = World(
        venues=world.venues(),
        sources=[world.collateral],
        journal=MemoryJournal(world.store),
        clock=clock,
        telemetry=MemoryTelemetry(),
        funding_poll_s=FUNDING_POLL_SECONDS,
    )
    run = Run(ports, policy, "bench", tag="0000")
    market, running = asyncio.create_task(world.play()), asyncio.create_task(run.until_stopped())
    for number in range(MOVES):
        asset = tuple(HELD)[number % len(HELD)]
        world.collateral.hold(asset, HELD[asset] * (100 + number % 7) / 100)
        await asyncio.sleep(MOVE_SECONDS)
    market.cancel()
    run.stop("enough is recorded")
    await running
    if run.loop.ledger.invariants_broken or run.loop.ledger.tallies.fills < MOVES:
        raise BenchmarkFailed(f"fold: only {run.loop.ledger.tallies.fills} fills were recorded")
    return tuple(world.store.steps())
