"""What people ask of a running bot, on virtual time: entered, written, answered in time; and the switch that halts from outside."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from bot.core.commands import CancelOrder
from bot.core.events import OperatorActed, OperatorAction
from bot.core.order import OrderState
from bot.core.records import TradingState
from bot.core.trading import state_of
from bot.core.units import ClientOrderId, VenueId
from bot.operating import HaltTold, OperatorAnswer, OperatorRequest, Reloaded
from bot.shell import loop
from bot.shell.control import HALT_REPORT_S, TAKEN_S
from bot.simulator.wire import WireFault
from tests.shell.bench import Bench, hedged_bench, same_but_for_market, virtual

D = Decimal
OKX = VenueId("okx")
REDUCE, HALT, RESUME, RESOLVE, *_ = OperatorAction


class Switch:
    """A halt switch in memory."""

    def __init__(self) -> None:
        self.halts: HaltTold | None = None
        self.stuck = False

    def told(self) -> HaltTold | None:
        return self.halts

    def clear(self) -> None:
        if self.stuck:
            raise PermissionError(1, "Operation not permitted")
        self.halts = None


async def asked(bench: Bench, action: OperatorAction, **more: object) -> OperatorAnswer:
    request = OperatorRequest(action=action, by="alice", why="a drill", **more)  # type: ignore[arg-type]  # fields by name
    return await bench.life.run.control.act(request)


def written(bench: Bench) -> list[OperatorActed]:
    return [e for e, _ in bench.world.store.steps() if isinstance(e, OperatorActed)]


@pytest.mark.parametrize("action", [HALT, REDUCE, RESUME])
@virtual
async def test_what_found_no_room_is_not_told_as_accepted(action: OperatorAction, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = await hedged_bench()
    monkeypatch.setattr(loop, "QUEUE_MAX", 0)
    answer = await asked(bench, action)
    assert not answer.accepted
    assert answer.sentence == "the bot did not take it, for more waits than it can hold; the run ends of that"
    assert answer.trading_state == "active"
    assert written(bench) == []
    with pytest.raises(loop.LoopOverrun):
        await bench.passes(20)


@virtual
async def test_a_reload_is_answered_as_it_was_taken_and_written(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = await hedged_bench()
    control, before = bench.life.run.control, bench.policy
    smaller = replace(before, order_notional_max=D(20_000))
    control._reload = lambda running: Reloaded(smaller, "f00d", "configuration f00d counts")
    bench.world.store.taking = False
    answer = await asked(bench, OperatorAction.RELOAD)
    assert answer.sentence.startswith("configuration f00d counts; the journal could not write it yet: ")
    assert bench.life.run.loop.config_hash == "f00d"
    bench.world.store.taking = True
    await bench.until(lambda: bool(written(bench)), 10)
    monkeypatch.setattr(loop, "QUEUE_MAX", 0)
    control._reload = lambda running: Reloaded(before, "beef", "configuration beef counts")
    answer = await asked(bench, OperatorAction.RELOAD)
    assert (answer.accepted, "did not take it" in answer.sentence) == (False, True)
    assert bench.life.run.loop.config_hash == "f00d"
    with pytest.raises(loop.LoopOverrun):
        await bench.passes(20)


@virtual
async def test_where_two_instances_share_the_book_the_other_one_is_to_be_told_too() -> None:
    bench = await hedged_bench()
    bench.life.run.control._shared = True
    bench.world.store.taking = False
    assert (await asked(bench, HALT)).sentence.endswith("the other instance does not know it: should that one take over, tell it there too")
    bench.world.store.taking = True
    await bench.until(lambda: bool(written(bench)), 10)
    assert "other instance" not in (await asked(bench, RESUME)).sentence
    await bench.stop()


@virtual
async def test_what_was_taken_and_not_written_is_in_force_and_told_as_not_written() -> None:
    bench = await hedged_bench()
    bench.world.store.taking = False
    answer = await asked(bench, HALT)
    assert (answer.accepted, answer.trading_state) == (True, "halted")
    assert answer.sentence.endswith("the journal could not write it yet: until it does, a restart knows nothing of it")
    assert written(bench) == []
    bench.world.store.taking = True
    await bench.until(lambda: bool(written(bench)), 10)
    assert "could not write" not in (await asked(bench, RESUME)).sentence
    await bench.stop()


@virtual
async def test_c18_a_halt_is_written_answered_and_nothing_leaves_until_a_resume() -> None:
    bench = await hedged_bench()
    answer = await asked(bench, HALT)
    assert (answer.accepted, answer.trading_state) == (True, "halted")
    venues = "; ".join(f"{v}: no order open" for v in sorted(bench.world.exchanges))
    assert answer.sentence == f"the book is HALTED (operator: a drill); {venues}"
    assert [(e.action, e.by) for e in written(bench)] == [(HALT, "alice")]
    sent = len(bench.world.placed)
    bench.hold("ETH", "150")
    await bench.passes(20)
    assert len(bench.world.placed) == sent
    answer = await asked(bench, RESUME)
    assert (answer.sentence, answer.trading_state) == ("the book is ACTIVE", "active")
    await bench.until(bench.converged, 10)
    bench.check()
    await bench.stop()
    assert same_but_for_market(bench.replayed(), bench.ledger)


@virtual
async def test_one_venue_is_reduced_halted_and_resumed_by_its_name() -> None:
    bench = await hedged_bench()
    venue = max(bench.world.exchanges)
    assert (await asked(bench, REDUCE, venue=venue)).sentence == f"{venue} is REDUCING (operator: a drill)"
    assert (await asked(bench, HALT, venue=venue)).sentence == f"{venue} is HALTED (operator: a drill); {venue}: no order open"
    assert state_of(bench.ledger, None) is TradingState.ACTIVE
    assert (await asked(bench, RESUME)).sentence == "the book is ACTIVE"
    assert state_of(bench.ledger, venue) is TradingState.HALTED
    assert (await asked(bench, RESUME, venue=venue)).sentence == f"{venue} is ACTIVE"
    refused = await asked(bench, HALT, venue=VenueId("okxx"))
    assert not refused.accepted
    assert refused.sentence.startswith("venue 'okxx' is not one of ")
    assert len(written(bench)) == 4


@virtual
async def test_c19_a_halt_cancels_what_works_and_reports_what_is_left_within_five_seconds() -> None:
    bench = await hedged_bench()
    bench.hold("ETH", "150")
    for wire in bench.world.wires.values():
        wire.latency_s, wire.stream_s = 30.0, 60.0  # whatever left from now on is not answered in time
    await bench.until(lambda: bool(bench.ledger.open_orders()), 1)
    began = bench.clock.steady()
    answer = await asked(bench, HALT)
    assert HALT_REPORT_S <= bench.clock.steady() - began < HALT_REPORT_S + 0.1
    assert answer.accepted
    assert "orders open" in answer.sentence
    bench.life.task.cancel()


@virtual
async def test_c19_a_halt_reports_as_soon_as_nothing_is_open() -> None:
    bench = await hedged_bench()
    for wire in bench.world.wires.values():
        wire.latency_s = 0.4
    bench.hold("ETH", "150")
    await bench.until(lambda: bool(bench.ledger.open_orders()), 2)
    began = bench.clock.steady()
    answer = await asked(bench, HALT)
    assert 0.1 < bench.clock.steady() - began < 3
    assert "orders open" not in answer.sentence


@virtual
async def test_an_order_that_works_when_the_halt_comes_is_cancelled() -> None:
    bench = await hedged_bench()
    bench.hold("ETH", "150")
    await bench.until(lambda: bool(bench.ledger.open_orders()), 1)
    order = bench.ledger.open_orders()[0]
    bench.life.run.loop.put(
        bench.accepted(next(c for c in bench.life.telemetry.commands if getattr(c, "client_order_id", "") == order.client_order_id))
    )
    await asked(bench, HALT)
    await bench.passes(2)
    cancelled = [c.client_order_id for c in bench.life.telemetry.commands if isinstance(c, CancelOrder)]
    assert order.client_order_id in cancelled or not bench.ledger.open_orders()


@virtual
async def test_a_doubt_is_resolved_by_a_persons_word() -> None:
    bench = await hedged_bench()
    for wire in bench.world.wires.values():
        wire.next_fault = lambda _: WireFault.REQUEST_LOST
    bench.hold("ETH", "150")
    await bench.until(lambda: any(o.state is OrderState.IN_DOUBT for o in bench.ledger.open_orders()), 10)
    order = next(o for o in bench.ledger.open_orders() if o.state is OrderState.IN_DOUBT)
    too_much = await asked(bench, RESOLVE, order=order.client_order_id, filled=abs(order.quantity) + 1)
    assert (too_much.accepted, "cannot have filled" in too_much.sentence) == (False, True)
    answer = await asked(bench, RESOLVE, order=order.client_order_id, filled=D(0))
    assert answer.sentence.startswith(f"order {order.client_order_id} is absent with +0 filled")
    part = next((o for o in bench.ledger.open_orders() if o.state is OrderState.IN_DOUBT), None)
    assert part is not None
    answer = await asked(bench, RESOLVE, order=part.client_order_id, filled=abs(part.quantity))
    assert f"is filled with {part.quantity:+f} filled" in answer.sentence
    unknown = await asked(bench, RESOLVE, order=ClientOrderId("nobody"))
    assert (unknown.accepted, unknown.sentence) == (False, "no such order is known")
    assert len(written(bench)) == 2
    nothing_named = await asked(bench, RESOLVE)
    assert not nothing_named.accepted


@virtual
async def test_a_bot_that_takes_nothing_says_so_in_time() -> None:
    bench = await hedged_bench()
    await bench.crash()  # its loop does not turn any more
    began = bench.clock.steady()
    with pytest.raises(TimeoutError):
        await asked(bench, REDUCE)
    assert TAKEN_S <= bench.clock.steady() - began < TAKEN_S + 0.1


@virtual
async def test_who_gave_up_waiting_disturbs_nobody() -> None:
    bench = await hedged_bench()
    waiting = asyncio.create_task(asked(bench, REDUCE))
    await asyncio.sleep(0)
    waiting.cancel()
    await bench.passes(1)
    assert state_of(bench.ledger, None) is TradingState.REDUCING


def with_switch(bench: Bench) -> Switch:
    switch = Switch()
    bench.switch = switch
    return switch


@virtual
async def test_c20_the_switch_halts_within_a_second_and_over_a_restart_and_a_resume_clears_it() -> None:
    bench = Bench()
    switch = with_switch(bench)
    bench.hold("BTC", "10")
    bench.hold("ETH", "100")
    bench.start()
    await bench.until(bench.converged, 20)
    switch.halts = HaltTold("bob", "fire")
    took = await bench.until(lambda: state_of(bench.ledger, None) is TradingState.HALTED, 1.0)
    assert took <= 1
    await bench.passes(5)
    assert [(e.by, e.why) for e in written(bench)] == [("bob", "fire")], "said once"
    await bench.stop()
    bench.hold("ETH", "150")
    sent = len(bench.world.placed)
    bench.start()
    await bench.passes(20)
    assert len(bench.world.placed) == sent
    switch.stuck = True
    refused = await asked(bench, RESUME)
    assert (refused.accepted, refused.trading_state) == (False, "halted")
    assert "the halt file cannot be removed (Operation not permitted)" in refused.sentence
    switch.stuck = False
    assert (await asked(bench, RESUME, venue=OKX if OKX in bench.world.exchanges else min(bench.world.exchanges))).accepted
    assert switch.halts is not None, "a venue's resume is not about the book"
    assert (await asked(bench, RESUME)).accepted
    assert switch.halts is None
    await bench.until(bench.converged, 20)


@virtual
async def test_c20_a_switch_that_is_there_at_the_start_halts_the_first_decision() -> None:
    bench = Bench()
    with_switch(bench).halts = HaltTold("bob", "fire")
    bench.hold("BTC", "10")
    bench.start()
    await bench.passes(20)
    assert bench.world.placed == []
    assert len(written(bench)) == 1
    assert bench.ledger.venues  # it reads and is told all the same


@virtual
async def test_while_the_switch_is_on_a_resume_from_elsewhere_does_not_last() -> None:
    bench = Bench()
    switch = with_switch(bench)
    bench.start()
    await bench.passes(1)
    switch.halts = HaltTold("bob", "fire")
    await bench.passes(1)
    bench.life.run.loop.put(OperatorActed(at=bench.clock.now(), action=RESUME, by="eve", why="now"))
    await bench.passes(1)
    assert state_of(bench.ledger, None) is TradingState.HALTED


@virtual
async def test_c20_a_resume_does_not_clear_what_the_switch_has_said_since_the_last_look() -> None:
    bench = Bench()
    switch = with_switch(bench)
    bench.hold("ETH", "100")
    bench.start()
    await bench.until(bench.converged, 20)
    await asked(bench, REDUCE)
    switch.halts = HaltTold("bob", "fire")
    refused = await asked(bench, RESUME)
    assert not refused.accepted
    assert refused.sentence == "bob has halted the book by the halt file this moment (fire); resume again to end that too"
    assert switch.halts is not None
    await bench.passes(1)
    assert [(e.action, e.by) for e in written(bench)] == [(REDUCE, "alice"), (HALT, "bob")]
    assert (await asked(bench, RESUME)).sentence == "the book is ACTIVE"
    assert switch.halts is None
    await bench.stop()
