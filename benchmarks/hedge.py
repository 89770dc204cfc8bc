"""The bot under measurement: a whole run as `hedgebot run` composes it, with one venue, told of collateral by the benchmark.

Run, Loop, engine, Dispatcher, feeds, RecordedTelemetry (JSON lines into a file), SqliteJournal and CcxtVenue are the ones that run live.
Limits are opened as far as their ceilings allow, so that what is measured is the path and not a limit; the shortest pause between two
decisions is its least, 1 ms, because a default pause of 50 ms would be measured now and then instead of the path.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Protocol

from benchmarks.figures import BenchmarkFailed
from benchmarks.venue import ASSETS, HEDGE, VENUE, Venue
from benchmarks.wire import Sent, Wire
from bot.adapters.journal.sqlite import SqliteJournal
from bot.adapters.telemetry.port import RecordedTelemetry
from bot.adapters.telemetry.prometheus import Metrics
from bot.adapters.venue.ccxt_venue import CcxtVenue
from bot.adapters.venue.profiles import PROFILES
from bot.adapters.venue.settings import Environment, VenueSettings
from bot.config.policy_section import PolicySection
from bot.core.claim_terms import ClaimTerms
from bot.core.commands import Command, PlaceOrder
from bot.core.events import Event, VenueLink
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.units import ZERO, Asset, InstrumentId, VenueId
from bot.ports import CollateralSource
from bot.shell.clock import SystemClock
from bot.shell.lifecycle import Run, World
from bot.simulator.memory import MemoryCollateral

READY_SECONDS = 20.0
SETTLED_SECONDS = 3.0
POLL_SECONDS = 0.001
SOURCE = "bench"
HELD = {"BTC": Decimal(10), "ETH": Decimal(200), "SOL": Decimal(2_000)}
STEP = Decimal("0.05")
"""BTC by which collateral goes up and down: ten times the band."""


class WatchedJournal(SqliteJournal):
    """The journal, noting when its last durable append began and ended (ns), and what it recorded."""

    began = ended = 0
    events: Sequence[Event] = ()
    commands: Sequence[Command] = ()

    def append(self, events: Sequence[Event], commands: Sequence[Command], *, durable: bool) -> None:
        """As the journal appends."""
        began = time.perf_counter_ns()
        super().append(events, commands, durable=durable)
        if durable:
            self.ended = time.perf_counter_ns()
            self.began, self.events, self.commands = began, events, commands


@dataclass(frozen=True, slots=True)
class Sample:
    """One hedge: instants in nanoseconds of the monotonic clock, and what was recorded and sent."""

    observed: int
    append_began: int
    append_ended: int
    sent: Sent
    events: Sequence[Event]
    order: PlaceOrder


class Holder(Protocol):
    """Who tells the bot what is held."""

    def hold(self, asset: str, quantity: Decimal) -> None:
        """From now on this is the total of an asset, in its own units."""


class Hedge:
    """The running bot. Collateral of BTC goes up by a step and down again."""

    def __init__(self, run: Run, source: Holder, journal: WatchedJournal, wire: Wire, budget_left: Mapping[str, int]) -> None:
        """`budget_left` is the least that was left of each request budget so far."""
        self._run = run
        self._source = source
        self._journal = journal
        self._wire = wire
        self._raised = False
        self._more = Decimal(0)
        self._budget_left = budget_left

    async def ready(self) -> None:
        """Waits until the starting collateral is hedged. Raises BenchmarkFailed when that does not happen."""
        for asset, quantity in HELD.items():
            self._source.hold(asset, quantity)
        await self._until(self._is_hedged, READY_SECONDS, "the starting collateral was not hedged")
        self._check()
        self._wire.forget()

    async def sample(self) -> Sample:
        """One change of collateral, its order, and the fill that ends it."""
        self._raised = not self._raised
        held = HELD["BTC"] + self._more + (STEP if self._raised else 0)
        observed = time.perf_counter_ns()
        self._source.hold("BTC", held)
        sent = await self._wire.next("hedge")
        journal = self._journal
        began, ended, events = journal.began, journal.ended, journal.events
        orders = [c for c in journal.commands if isinstance(c, PlaceOrder)]
        await self._until(self._is_hedged, SETTLED_SECONDS, "a change of collateral was not hedged")
        self._wire.clear("hedge")
        self._check()
        if not observed < began < ended < sent.left or len(orders) != 1 or orders[0].client_order_id != sent.client_order_id:
            raise BenchmarkFailed("hedge: what the journal holds is not the order that left")
        return Sample(observed, began, ended, sent, events, orders[0])

    @property
    def ledger(self) -> Ledger:
        """The bot's record."""
        return self._run.loop.ledger

    async def follows(self, more: Decimal, seconds: float) -> None:
        """Waits until so much more BTC is told and hedged, but for less than the band. Raises BenchmarkFailed when it is not in time."""
        self._more += more
        await self._until(self._is_in_band, seconds, f"{more:f} BTC more were not hedged")
        if self.ledger.invariants_broken:  # an order that found too little to fill it was placed again, and that is no fault
            raise BenchmarkFailed(f"hedge: {self.ledger.invariants_broken[0]}")
        self._wire.forget()

    def check_budgets(self) -> None:
        """Raises BenchmarkFailed when a request budget may have held an order up."""
        for limit in PROFILES[VenueId(VENUE)].limits:
            left = self._budget_left.get(limit.name)
            if left is not None and left <= limit.reserved:
                raise BenchmarkFailed(f"the venue's request budget {limit.name} was used up; measure fewer samples or pause longer")

    def _is_hedged(self) -> bool:
        return self._is_quiet() and all(self._shorts().get(Asset(a)) == quantity for a, quantity in self._wanted().items())

    def _is_in_band(self) -> bool:
        """What a burst leaves: its last deposits may be too few to be worth an order."""
        wanted, shorts = self._wanted(), self._shorts()
        told = {a: sum(h.quantity for (_, _, of), h in self.ledger.holdings.items() if of == Asset(a)) for a in wanted}
        band = policy().rebalance_band
        near = all(abs(shorts.get(Asset(a), ZERO) - quantity) <= band * quantity for a, quantity in wanted.items())
        return near and told == wanted and self._is_quiet()

    def _wanted(self) -> dict[str, Decimal]:
        return {**HELD, "BTC": HELD["BTC"] + self._more + (STEP if self._raised else 0)}

    def _shorts(self) -> dict[Asset, Decimal]:
        ledger = self.ledger
        return {i.base: -p.quantity for i in ledger.instruments.values() if (p := ledger.positions.get(i.id)) is not None}

    def _is_quiet(self) -> bool:
        ledger = self.ledger
        return not ledger.open_orders() and all(r.link is VenueLink.UP and r.reconciled for r in ledger.venues.values())

    def _check(self) -> None:
        ledger = self._run.loop.ledger
        odd = {outcome: count for outcome, count in ledger.tallies.orders_by_outcome.items() if outcome != "filled"}
        if odd or ledger.invariants_broken:
            last = next((n.sentence for n in reversed(ledger.notes) if n.kind in {"order", "invariant"}), "no reason told")
            raise BenchmarkFailed(f"hedge: orders ended otherwise than filled ({odd}); {last}")

    async def _until(self, holds: Callable[[], bool], seconds: float, failing: str) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                said = "; ".join(n.sentence for n in self._run.loop.ledger.notes[-3:])
                raise BenchmarkFailed(f"hedge: {failing} within {seconds:.0f} s ({said})")
            await asyncio.sleep(POLL_SECONDS)


@asynccontextmanager
async def hedging(
    venue: Venue, folder: Path, wire: Wire, told: tuple[CollateralSource, Holder] | None = None, claims: ClaimTerms | None = None
) -> AsyncIterator[Hedge]:
    """The bot, running meanwhile and stopped in order at the end. `told`: its source, and who tells it; None: one in memory."""
    clock, metrics = SystemClock(), Metrics()
    journal = WatchedJournal(folder / "journal.sqlite", "bench", on_append_seconds=metrics.journal_append_seconds.observe)
    memory = MemoryCollateral(SOURCE, clock)
    source, holder = told or (memory, memory)
    account = VenueSettings(
        venue=VenueId(VENUE),
        environment=Environment.SIMULATION,
        api_key=HEDGE.api_key,
        secret=HEDGE.secret,
        venue_symbols=tuple(f"{asset}USDT" for asset in ASSETS),
        routes=venue.routes,
    )
    least: dict[str, int] = {}

    def budget_seen(budget: str, left: int) -> None:
        least[budget] = min(left, least.get(budget, left))

    adapter = CcxtVenue(account, clock, budget_seen=budget_seen)
    world = World(
        venues={VenueId(VENUE): adapter},
        sources=[source],
        journal=journal,
        clock=clock,
        telemetry=RecordedTelemetry(metrics),
        funding_poll_s=30.0,
    )
    run = Run(world, replace(policy(), claims=claims or ClaimTerms()), "bench")
    running = asyncio.create_task(run.until_stopped())
    try:
        yield Hedge(run, holder, journal, wire, least)
    finally:
        run.stop("the benchmark is over")
        await running


def policy() -> Policy:
    """Every limit as wide as configuration may make it, checked by the configuration's own ceilings."""
    section = PolicySection.model_validate(
        {
            "venue_share_max": 1,
            "leverage_max": 10,
            "order_notional_max": 5_000_000,
            "order_rate_max": 300,
            "order_rate_window_ms": 1_000,
            "notional_rate_max": 500_000_000,
            "message_rate_max": 3_000,
            "duplicate_window_ms": 50,
            "collateral_share_max": 1,
            "settle_exposure_max": 1,
            "open_interest_share_max": "0.25",
            "open_interest_share_total_max": "0.25",
            "decision_interval_ms": 1,
        }
    )
    return Policy(
        collateral_assets={Asset(a): Asset(a) for a in ASSETS},
        collateral_sources=frozenset({SOURCE}),
        instruments=frozenset(InstrumentId(f"{VENUE}:{a}USDT") for a in ASSETS),
        **section.values(),
    )
