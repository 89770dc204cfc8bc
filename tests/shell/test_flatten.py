"""A person closes positions of a running bot, on virtual time: reported venue by venue, over restarts, and with the store down."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from bot.adapters.journal.intents import IntentsFile
from bot.core.acts import Adopted
from bot.core.events import IntentsEntered, OperatorAction
from bot.core.flattening import instruments_to_close
from bot.core.records import BreakCause
from bot.core.units import Asset, VenueId, down_to_step
from bot.operating import HaltTold
from bot.shell.control import HALT_REPORT_S
from bot.simulator.model import OrderKind, OrderRequest, Side, TimeInForce
from bot.simulator.wire import WireFault
from bot.simulator.world import ACCOUNT
from tests.shell.bench import Bench, hedged_bench, same_but_for_market, virtual
from tests.shell.test_control import Switch, asked

D = Decimal
FLATTEN, RESUME, HALT = OperatorAction.FLATTEN, OperatorAction.RESUME, OperatorAction.HALT


def held(bench: Bench, venue: str | None = None) -> bool:
    """Whether the venues' own books hold anything."""
    return any(bench.world.position(i) != 0 for i in bench.world.instruments if venue in (None, bench.ledger.venue_of(i)))


@virtual
async def test_what_a_venue_has_not_listed_yet_is_told_as_unknown() -> None:
    bench = await hedged_bench()
    await asked(bench, FLATTEN)
    run, ledger = bench.life.run, bench.ledger
    unlisted = sorted(i for i in run.loop.policy.instruments if ledger.venue_of(i) == max(bench.world.exchanges))
    bare = {i: listed for i, listed in ledger.instruments.items() if i not in unlisted}
    run.loop._ledger = replace(ledger, instruments=bare, positions={i: p for i, p in ledger.positions.items() if i in bare})
    assert not run.control._is_all_closed()
    told = run.control._left_to_close()[-1]
    assert told == f"{max(bench.world.exchanges)}: " + ", ".join(
        f"unknown of {i} left, which the venue has not listed yet" for i in unlisted
    )
    held_there = {i: replace(ledger.positions[i], quantity=D(-2)) for i in unlisted}
    run.loop._ledger = replace(ledger, instruments=bare, positions={**ledger.positions, **held_there})
    assert f"-2 of {unlisted[0]} left, which the venue has not listed yet" in run.control._left_to_close()[-1]
    run.loop._ledger = ledger
    assert run.control._is_all_closed()
    assert "unknown" not in " ".join(run.control._left_to_close())
    await bench.stop()


def no_invariant_broke(bench: Bench) -> None:
    """What must be true whatever a person asks for; that it is hedged is not."""
    assert not bench.ledger.invariants_broken, bench.ledger.invariants_broken
    assert len(bench.world.placed) == len(set(bench.world.placed)), "a client order id went out twice"


@virtual
async def test_everything_is_closed_reported_by_venue_and_hedged_again_after_a_resume() -> None:
    bench = await hedged_bench()
    answer = await asked(bench, FLATTEN)
    venues = "; ".join(f"{v}: nothing left" for v in sorted(bench.world.exchanges))
    assert (answer.accepted, answer.sentence) == (True, f"the book is flattened until it is resumed; {venues}")
    assert not held(bench)
    await bench.passes(30)
    assert not held(bench)
    await bench.crash()
    bench.start()
    await bench.until(bench.at_rest, 20)
    await bench.passes(10)
    assert not held(bench), "a restart hedges nothing"
    await asked(bench, RESUME)
    await bench.until(bench.converged, 20)
    await bench.stop()
    assert same_but_for_market(bench.replayed(), bench.ledger)


@virtual
async def test_a_flatten_tells_what_is_left_after_five_seconds_and_goes_on_over_a_crash() -> None:
    bench = await hedged_bench()
    for wire in bench.world.wires.values():
        wire.next_fault = lambda _: WireFault.REQUEST_LOST
    began = bench.clock.steady()
    answer = await asked(bench, FLATTEN)
    assert HALT_REPORT_S <= bench.clock.steady() - began < HALT_REPORT_S + 0.2
    assert " left, 1 orders open" in answer.sentence
    await bench.crash()
    for wire in bench.world.wires.values():
        wire.next_fault = lambda _: None
    bench.start()
    await bench.until(lambda: not held(bench), 60)
    no_invariant_broke(bench)


@virtual
async def test_one_venue_or_asset_is_closed_and_the_rest_is_not() -> None:
    bench = await hedged_bench()
    venue = max(bench.world.exchanges)
    assert (await asked(bench, FLATTEN, venue=venue)).sentence == f"{venue} is flattened until it is resumed; {venue}: nothing left"
    assert not held(bench, venue)
    await bench.passes(10)
    assert held(bench)
    assert not held(bench, venue)
    assert "BTC is flattened" in (await asked(bench, FLATTEN, asset=Asset("BTC"))).sentence
    assert bench.world.short("BTC") == 0 < bench.world.short("ETH")
    assert (await asked(bench, FLATTEN, asset=Asset("XRP"))).sentence == "asset 'XRP' is not one of BTC, ETH"
    assert not (await asked(bench, FLATTEN, venue=VenueId("nowhere"))).accepted


@virtual
async def test_a_halt_file_set_later_ends_it_and_one_of_before_does_not() -> None:
    bench = Bench()
    bench.switch = switch = Switch()
    bench.hold("ETH", "100")
    bench.start()
    await bench.until(lambda: held(bench) and not bench.ledger.open_orders(), 20)
    switch.halts = HaltTold("bob", "first stop", bench.clock.now())
    await bench.passes(2)
    assert (await asked(bench, FLATTEN)).trading_state == "halted"
    assert not held(bench), "a halt that the person knew of lets it pass"
    await bench.passes(2)
    assert instruments_to_close(bench.ledger)
    switch.halts = HaltTold("bob", "no, stop that", bench.clock.now())
    await bench.until(lambda: not instruments_to_close(bench.ledger), 3)


async def without_store(bench: Bench, folder: Path) -> None:
    """A hedged book whose store takes nothing any more."""
    bench.intents = IntentsFile(folder / "intents.jsonl")
    bench.hold("ETH", "100")
    bench.start()
    await bench.until(lambda: held(bench) and bench.at_rest(), 20)
    bench.world.store.taking = False


def test_c01_it_works_with_the_store_down_and_the_journal_has_it_when_the_store_is_back(tmp_path: Path) -> None:
    async def story() -> None:
        bench = Bench()
        await without_store(bench, tmp_path)
        sent = len(bench.world.store.entries)
        bench.hold("ETH", "120")
        await bench.passes(5)
        before = set(bench.world.placed)
        assert (await asked(bench, FLATTEN)).accepted
        assert not held(bench)
        assert len(bench.world.store.entries) == sent, "the store has nothing of it"
        closing = set(bench.world.placed) - before
        assert closing
        kept = [o.client_order_id for _, placed in bench.intents.left() for o in placed]
        assert closing <= set(kept), "each was on disk before it left"
        bench.world.store.taking = True
        await bench.until(lambda: not (tmp_path / "intents.jsonl").exists(), 10)
        await bench.stop()
        assert closing <= set(bench.replayed().orders)
        assert same_but_for_market(bench.replayed(), bench.ledger)
        no_invariant_broke(bench)

    virtual(story)()


def test_c01_a_crash_with_the_store_down_enters_the_kept_intents_once_and_stays_closed(tmp_path: Path) -> None:
    async def story() -> None:
        bench = Bench()
        await without_store(bench, tmp_path)
        await asked(bench, FLATTEN)
        closing = [o.client_order_id for _, placed in bench.intents.left() for o in placed]
        assert closing
        await bench.crash()
        bench.world.store.taking = True
        bench.start()
        assert not (tmp_path / "intents.jsonl").exists(), "the journal has them before anything begins"
        events = [e for e, _ in bench.world.store.steps() if isinstance(e, IntentsEntered)]
        assert events
        await bench.until(bench.at_rest, 60)
        await bench.passes(10)
        assert not held(bench), "and what was asked for stands"
        assert {bench.ledger.orders[i].state.is_open for i in closing} == {False}
        await bench.stop()
        assert same_but_for_market(bench.replayed(), bench.ledger)
        no_invariant_broke(bench)

    virtual(story)()


def test_without_a_place_for_intents_nothing_leaves_while_the_store_is_down(tmp_path: Path) -> None:
    async def story() -> None:
        (tmp_path / "file").write_text("")
        bench = Bench()
        await without_store(bench, tmp_path / "file" / "no folder")
        orders = len(bench.world.placed)
        answer = await asked(bench, FLATTEN)
        assert "left" in answer.sentence
        assert held(bench)
        assert len(bench.world.placed) == orders

    virtual(story)()


def test_c19_c20_a_halt_counts_with_the_store_down_and_over_a_crash(tmp_path: Path) -> None:
    async def story() -> None:
        bench = Bench()
        await without_store(bench, tmp_path)
        bench.hold("ETH", "150")
        answer = await asked(bench, HALT)
        venues = "; ".join(f"{v}: no order open" for v in sorted(bench.world.exchanges))
        assert answer.sentence.startswith(
            f"the book is HALTED (operator: a drill); {venues}; the journal could not write it yet: it is kept"
        )
        await bench.crash()
        bench.world.store.taking = True
        before = set(bench.world.placed)
        bench.start()
        await bench.until(bench.at_rest, 60)
        await bench.passes(20)
        assert set(bench.world.placed) == before, "nothing left before anybody resumed"
        assert bench.ledger.states
        assert (await asked(bench, RESUME)).trading_state == "active"
        await bench.until(bench.converged, 30)

    virtual(story)()


@virtual
async def test_what_was_there_before_the_journal_is_adopted_by_name() -> None:
    bench = await hedged_bench(world={"assets": ("ETH",)})
    nobody = await asked(bench, OperatorAction.ADOPT, adopting=())
    assert (nobody.accepted, nobody.sentence) == (False, "nothing is named that is to be adopted")
    await bench.crash()
    bench.world.store.entries.clear()
    bench.world.store.snapshots.clear()
    bench.start()
    await bench.until(bench.converged, 60)
    seen = tuple(u.shown for u in bench.life.run.loop.statement().unadopted)
    other = replace(seen[0], quantity=seen[0].quantity * 2)
    refused = await asked(bench, OperatorAction.ADOPT, adopting=(other, *seen[1:]))
    assert not refused.accepted
    assert refused.sentence.endswith(f"not {other.quantity:+f}; nothing is adopted, look again")
    assert len(bench.life.run.loop.statement().unadopted) == len(seen)
    answer = await asked(bench, OperatorAction.ADOPT, adopting=seen)
    assert answer.accepted
    assert answer.sentence.startswith("adopted: ")
    assert " of binanceusdm:ETHUSDT at " in answer.sentence
    refused = await asked(bench, OperatorAction.ADOPT, adopting=seen)
    assert refused.sentence.startswith(f"{seen[0].instrument} holds nothing that our orders did not bring, or it is adopted already; ")
    await bench.stop()
    assert same_but_for_market(bench.replayed(), bench.ledger)


@virtual
async def test_orders_of_others_are_adopted_by_name_and_withdrawn_and_the_venue_goes_on() -> None:
    bench = await hedged_bench(world={"assets": ("ETH",)})
    instrument = min(bench.ledger.positions)
    venue = bench.ledger.venue_of(instrument)
    exchange, contract = bench.world.contract(instrument)
    price = down_to_step(bench.ledger.quotes[instrument].ask * D("1.03"), contract.tick)
    request = OrderRequest(
        account=ACCOUNT,
        symbol=contract.symbol,
        side=Side.SELL,
        kind=OrderKind.LIMIT,
        time_in_force=TimeInForce.GTC,
        contracts=contract.lot * 50,
        price=price,
        reduce_only=False,
        client_order_id=None,
    )
    order, reports = exchange.place(request, bench.clock.now())
    bench.world.wires[venue].tell(reports)
    await bench.until(lambda: bool(bench.ledger.venues[venue].foreign_orders), 60)
    (seen,) = (u.shown for u in bench.life.run.loop.statement().unadopted)
    assert (seen.order, seen.quantity) == (str(order.order_id), -50 * contract.lot * contract.contract_size)
    answer = await asked(bench, OperatorAction.ADOPT, adopting=(seen,))
    assert (answer.accepted, answer.sentence) == (True, f"adopted: order {seen.order} on {instrument}, which is withdrawn")
    assert (await asked(bench, HALT, venue=venue)).sentence.endswith(f"{venue}: no order open"), "it waits for what is withdrawn"
    assert not bench.ledger.venues[venue].taken_orders
    await asked(bench, RESUME, venue=venue)
    assert exchange.open_orders(ACCOUNT) == ()
    await bench.until(bench.converged, 30)
    bench.check()
    await bench.stop()
    assert same_but_for_market(bench.replayed(), bench.ledger)


@virtual
async def test_what_changes_between_the_look_and_the_fold_is_told_and_not_adopted() -> None:
    bench = await hedged_bench(world={"assets": ("ETH",)})
    control = bench.life.run.control
    instrument = min(bench.ledger.positions)
    shown = Adopted(instrument=instrument, quantity=D(1))
    held = bench.ledger.positions[instrument]
    strange = replace(held, origin=BreakCause.PRE_EXISTING)
    bench.life.run.loop._ledger = replace(bench.ledger, positions={**bench.ledger.positions, instrument: strange})
    assert control._adopted((shown,)) == f"changed in the meantime and not adopted, look again: {instrument}"
    await bench.stop()


def test_what_left_while_the_store_was_down_is_known_to_another_host_that_takes_over(tmp_path: Path) -> None:
    async def story() -> None:
        bench = Bench()
        await without_store(bench, tmp_path)
        epoch = bench.ledger.epoch
        await asked(bench, FLATTEN)
        await bench.until(lambda: not held(bench), 20)
        await bench.crash()
        bench.world.store.taking = True
        bench.intents = None  # another host: what was kept beside the journal lies on the one that is gone
        bench.start()
        await bench.until(lambda: "unjournaled" in bench.ledger.tallies.breaks_by_cause and bench.at_rest(), 60)
        assert not {"foreign_fill", "foreign_order"} & bench.ledger.tallies.breaks_by_cause.keys()
        assert any(f"by order {epoch}" in n.sentence for n in bench.ledger.notes if n.kind == "break")
        assert {r.cause.value for r in bench.ledger.states} == {"foreign_orders"}, "its venues only reduce until that is quiet"
        no_invariant_broke(bench)

    virtual(story)()
