"""The decision alone: `engine.step` on a DecisionDue, three assets on three venues, in memory.

The ledger is a real one: the unchanged shell has hedged it on virtual time at simulated venues. A bot that has run for long also remembers
hundreds of closed orders, so the same decision is measured with as many of them as the ledger keeps.

Answers outlive a ledger while what they follow from stays (`core.lasting`). So every price has moved a little before each decision that is
measured; one lane tells what it costs while none has.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from benchmarks.figures import BenchmarkFailed, Samples
from bot.core.engine import step
from bot.core.events import CollateralObserved, DecisionDue
from bot.core.policy import Policy
from bot.core.records import ORDERS_REMEMBERED, Ledger
from bot.core.units import ONE, Asset, ClientOrderId, Millis
from bot.shell.lifecycle import Run, World
from bot.simulator.memory import MemoryJournal, MemoryTelemetry
from bot.simulator.virtual_time import VirtualClock, run_virtually
from bot.simulator.world import SimulatedWorld

SOURCE = "custody"
HELD = {"BTC": Decimal(10), "ETH": Decimal(200), "SOL": Decimal(3_000)}
HEDGED_AFTER_SECONDS = 20.0
QUIET = "decide, nothing to do"
STILL = "decide, nothing to do, no price moved"
GAP = "decide, one asset to hedge"
OLD = f", {ORDERS_REMEMBERED} closed orders remembered"


@dataclass(frozen=True, slots=True)
class _Book:
    ledger: Ledger
    policy: Policy
    now: Millis

    def with_closed_orders(self, count: int) -> _Book:
        """The same book with older orders, all filled."""
        newest = next(o for o in self.ledger.orders.values() if not o.state.is_open)
        ids = [ClientOrderId(f"old{number}") for number in range(count)]
        older = {order_id: replace(newest, client_order_id=order_id) for order_id in ids}
        return replace(self, ledger=replace(self.ledger, orders={**older, **self.ledger.orders}))

    def with_deposit(self) -> _Book:
        """The same book when more BTC has come."""
        more = CollateralObserved(
            at=self.now, source=SOURCE, location="vault", asset=Asset("BTC"), quantity=HELD["BTC"] + ONE, redemption_rate=ONE
        )
        return replace(self, ledger=step(self.ledger, more, self.policy).ledger)


def measure_decisions(rounds: int) -> Samples:
    """Decisions on a hedged book and on one with a gap, few and many orders remembered, in turn."""
    book = run_virtually(_hedged())
    old = book.with_closed_orders(ORDERS_REMEMBERED)
    due = DecisionDue(at=book.now, quotes=tuple(book.ledger.quotes.values()))
    still = replace(book, ledger=step(replace(book.ledger), due, book.policy).ledger)
    books: Mapping[str, _Book] = {QUIET: book, GAP: book.with_deposit(), QUIET + OLD: old, GAP + OLD: old.with_deposit(), STILL: still}
    samples = Samples()
    for number in range(1, rounds + 1):
        for lane, each in books.items():
            event = due if lane == STILL else moved(due, number)
            began = time.perf_counter_ns()
            decided = step(each.ledger, event, each.policy)
            samples.add(lane, time.perf_counter_ns() - began)
            if bool(decided.commands) is not lane.startswith(GAP):
                raise BenchmarkFailed(f"{lane}: it decided {len(decided.commands)} commands")
    return samples


def moved(due: DecisionDue, number: int) -> DecisionDue:
    """The same instant when every price is a little higher than before: by so many parts in ten million."""
    factor = ONE + Decimal(number) / 10_000_000
    quotes = (replace(q, bid=q.bid * factor, ask=q.ask * factor, mark=None if q.mark is None else q.mark * factor) for q in due.quotes)
    return replace(due, quotes=tuple(quotes))


async def _hedged() -> _Book:
    clock = VirtualClock()
    world = SimulatedWorld(clock, 1, assets=tuple(HELD))
    policy = Policy(
        collateral_assets={Asset(a): Asset(a) for a in HELD},
        collateral_sources=frozenset({SOURCE}),
        instruments=frozenset(world.instruments),
        venue_share_max=Decimal("0.5"),
        collateral_share_max=Decimal(1),  # the simulated accounts hold many times what the custody does
        settle_exposure_max=Decimal(1),
        duplicate_window_ms=50,
    )
    ports = World(
        venues=world.venues(),
        sources=[world.collateral],
        journal=MemoryJournal(world.store),
        clock=clock,
        telemetry=MemoryTelemetry(),
        funding_poll_s=5.0,
    )
    run = Run(ports, policy, "bench", tag="0000")
    for asset, quantity in HELD.items():
        world.collateral.hold(asset, quantity)
    market, running = asyncio.create_task(world.play()), asyncio.create_task(run.until_stopped())
    await asyncio.sleep(HEDGED_AFTER_SECONDS)
    ledger, now = run.loop.ledger, clock.now()
    market.cancel()
    run.stop("the book is ready")
    await running
    short = {asset: world.short(asset) for asset in HELD}
    if any(abs(short[asset] - quantity) > quantity / 1_000 for asset, quantity in HELD.items()) or ledger.open_orders():
        raise BenchmarkFailed(f"decide: the book to decide on is not hedged ({short})")
    return _Book(ledger, policy, now)
