"""What the journal folds to: each run under its own policy, orders as they were recorded, and from when payments are asked for."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bot.core.commands import PlaceOrder
from bot.core.events import DecisionDue, SessionStarted
from bot.core.order import OrderState
from bot.core.policy import Policy
from bot.core.units import VenueId
from bot.ports import JournalUnavailable
from bot.shell import loop
from bot.shell.recovery import recovered
from bot.simulator.memory import MemoryEntry, MemoryJournal
from tests.shell.bench import Bench, hedged_bench, same_but_for_market, virtual

D = Decimal


def test_an_empty_journal_is_an_empty_book() -> None:
    nothing = recovered((), Policy())
    assert nothing.began_at is None
    assert nothing.newest_payment_at == {}
    assert nothing.ledger.orders == {}


@virtual
async def test_the_first_run_and_each_venues_newest_payment_are_remembered():
    bench = await hedged_bench()
    began = next(e.at for e, _ in bench.world.store.steps() if isinstance(e, SessionStarted))
    for silent in (None, "okx"):
        if silent is not None:
            bench.world.wires[VenueId(silent)].silent = True
        bench.world.settle_funding()
        await bench.passes(20)
    await bench.stop()
    bench.start()
    await bench.passes(1)
    await bench.stop()
    found = recovered(bench.world.store.steps(), bench.policy)
    assert found.began_at == began
    newest = {v: max(r.at for r in e.funding_payments("hedge")) for v, e in bench.world.exchanges.items()}
    assert found.newest_payment_at[VenueId("bybit")] == newest[VenueId("bybit")]
    assert found.newest_payment_at[VenueId("okx")] < newest[VenueId("okx")]


@virtual
async def test_each_run_is_folded_under_the_policy_that_it_had():
    bench = await hedged_bench()
    await bench.stop()
    bench.policy = replace(bench.policy, venue_share_max=D("0.9"), rebalance_band=D("0.01"))
    assert same_but_for_market(bench.replayed(), bench.ledger)
    bench.start()
    bench.hold("ETH", "150")
    await bench.until(bench.converged, 20)
    await bench.stop()
    assert same_but_for_market(recovered(bench.world.store.steps(), Policy()).ledger, bench.ledger)


@virtual
async def test_orders_that_todays_rules_would_not_place_are_entered_as_recorded_and_asked_about():
    bench = await hedged_bench()
    await bench.passes(0.5)
    bench.hold("ETH", "150")
    await bench.passes(0.004)  # sent, and not a word of it durable but the intent
    await bench.crash()
    intent = bench.world.store.entries[-1]
    sent = [c for c in intent.commands if isinstance(c, PlaceOrder)]
    assert len(sent) == 2
    # As if the rules had changed since: without quotes nothing would be decided today.
    without = tuple(replace(e, quotes=()) if isinstance(e, DecisionDue) else e for e in intent.events)
    bench.world.store.entries[-1] = MemoryEntry(without, intent.commands)
    life = bench.start()
    for command in sent:
        order = life.ledger.orders[command.client_order_id]
        assert (order.quantity, order.price, order.state) == (command.quantity, command.price, OrderState.PENDING_NEW)
    assert life.ledger.order_number == max(int(c.client_order_id[-6:], 36) for c in sent)
    await bench.until(bench.converged, 20)
    assert all(bench.ledger.orders[c.client_order_id].state is OrderState.FILLED for c in sent)
    bench.check()


@virtual
async def test_only_a_run_on_a_new_journal_says_that_it_is_fresh():
    bench = await hedged_bench()
    await bench.stop()
    bench.start()
    await bench.stop()
    assert [e.is_fresh for e, _ in bench.world.store.steps() if isinstance(e, SessionStarted)] == [True, False]


@virtual
async def test_a_snapshot_is_kept_at_a_stop_and_on_the_way_and_changes_no_book(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loop, "SNAPSHOT_EVERY", 40)
    bench = await hedged_bench()
    counts = set()
    for quantity in ("150", "120", "170", "90"):
        bench.hold("ETH", quantity)
        await bench.until(bench.converged, 20)
        bench.world.settle_funding()
        await bench.passes(30)
        counts.add(bench.world.store.newest_snapshot()[0])
    assert len(counts) >= 3
    await bench.crash()
    await resumed_equals_everything_folded(bench)
    await bench.stop()
    assert bench.world.store.newest_snapshot()[0] == len(bench.world.store.entries)
    await resumed_equals_everything_folded(bench)


async def resumed_equals_everything_folded(bench: Bench) -> None:
    """The next run begins with the tail only, and is the same book as one that folded everything."""
    life = bench.start()
    await bench.passes(0.001)
    session = next(e for e in life.telemetry.events if isinstance(e, SessionStarted))
    start, after = MemoryJournal(bench.world.store).resume()
    assert start is not None
    tail = list(after)
    assert len(tail) < 60 < len(list(bench.world.store.steps()))
    resumed = recovered([*tail, (session, ())], Policy(), start)
    whole = recovered([*bench.world.store.steps(), (session, ())], Policy())
    assert same_but_for_market(resumed.ledger, whole.ledger)
    assert replace(resumed, ledger=whole.ledger) == whole


@virtual
@pytest.mark.parametrize("much", [True, False])
async def test_a_run_keeps_a_snapshot_soon_after_a_start_that_folded_much(monkeypatch: pytest.MonkeyPatch, much: bool):
    bench = await hedged_bench()
    await bench.passes(300)
    await bench.crash()
    folded = len(list(bench.world.store.steps()))
    monkeypatch.setattr(loop, "FOLDED_MUCH", folded + (0 if much else 1_000))
    bench.start()
    await bench.passes(9.0)
    assert not bench.world.store.snapshots  # not while it finds its feet
    await bench.passes(5.0)
    await bench.crash()
    start, after = MemoryJournal(bench.world.store).resume()
    assert (start is not None) is much
    assert (len(list(after)) < 40 < folded) is much
    if much:
        await resumed_equals_everything_folded(bench)
    else:
        bench.start()
    await bench.until(bench.converged, 20)
    await bench.stop()


@virtual
async def test_a_snapshot_that_cannot_be_kept_is_told_and_ends_nothing(monkeypatch: pytest.MonkeyPatch, logged: list[Any]):
    def torn(*_: object) -> None:
        raise JournalUnavailable("the disk is full")

    monkeypatch.setattr(loop, "SNAPSHOT_EVERY", 40)
    monkeypatch.setattr(MemoryJournal, "snapshot", torn)
    bench = await hedged_bench()
    bench.hold("ETH", "150")
    await bench.until(bench.converged, 20)
    await bench.stop()
    assert [e["reason"] for e in logged if e["event"] == "snapshot_not_kept"][:1] == ["the disk is full"]
    bench.start()
    await bench.until(bench.converged, 20)
