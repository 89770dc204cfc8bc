"""Whole runs over venues that misbehave: silence, lost and late requests, deleveraging, a funding flip. Each heals, nothing doubles."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from bot.core.commands import PlaceOrder
from bot.core.events import OrderAbsent, OrderOutcomeUnknown, OrderReported
from bot.core.order import OrderState
from bot.core.units import VenueId
from bot.simulator.wire import WireFault
from tests.shell.bench import Bench, hedged_bench, virtual

D = Decimal
BYBIT = VenueId("bybit")


def once(fault: WireFault, seen: list[PlaceOrder]) -> Callable[[PlaceOrder], WireFault]:
    """The first order meets a fault, the others none."""

    def next_fault(command: PlaceOrder) -> WireFault:
        seen.append(command)
        return fault if len(seen) == 1 else WireFault.NONE

    return next_fault


@pytest.mark.parametrize("fault", [WireFault.REPLY_LOST, WireFault.NEVER_ARRIVES, WireFault.ARRIVES_LATE])
@virtual
async def test_an_order_with_a_lost_call_is_asked_about_and_never_repeated(fault: WireFault):
    bench = await hedged_bench()
    seen: list[PlaceOrder] = []
    for wire in bench.world.wires.values():
        wire.next_fault = once(fault, seen)
    before = bench.world.short("ETH")
    bench.hold("ETH", "150")
    await bench.until(lambda: len(seen) > 0, 1)
    doubted = seen[0].client_order_id
    await bench.until(bench.converged, 20)
    await bench.passes(2)  # the stream may have told of the fill before the answer was given up
    told = [e.client_order_id for e in bench.life.telemetry.events if isinstance(e, OrderOutcomeUnknown)]
    assert told == [doubted]
    assert before < bench.world.short("ETH")
    bench.check()


@virtual
async def test_a_reply_that_is_lost_is_found_by_asking_and_executed_once():
    bench = await hedged_bench()
    seen: list[PlaceOrder] = []
    for wire in bench.world.wires.values():
        wire.next_fault = once(WireFault.REPLY_LOST, seen)
        wire.stream_s = 30.0  # the private stream does not tell in time either
    bench.hold("ETH", "150")
    await bench.until(lambda: any(o.state is OrderState.IN_DOUBT for o in bench.ledger.open_orders()), 3)
    doubted = seen[0].client_order_id
    overshoot = bench.world.short("ETH") - bench.wanted("ETH")
    assert overshoot <= 0
    await bench.until(bench.converged, 10)
    assert bench.ledger.orders[doubted].state is OrderState.FILLED
    assert bench.world.short("ETH") <= bench.wanted("ETH") + D("0.05")
    await bench.passes(40)  # the late stream changes nothing
    assert bench.converged()
    bench.check()


@virtual
async def test_an_order_that_never_arrived_is_proven_absent_only_after_its_expiry():
    bench = await hedged_bench()
    seen: list[PlaceOrder] = []
    for wire in bench.world.wires.values():
        wire.next_fault = once(WireFault.NEVER_ARRIVES, seen)
    bench.hold("ETH", "150")
    await bench.until(lambda: len(seen) > 0, 1)
    lost = seen[0]
    await bench.until(lambda: bench.ledger.orders[lost.client_order_id].state is OrderState.ABSENT, 12)
    assert bench.clock.now() > lost.expires_at + bench.policy.doubt_margin_ms
    early = [e for e in bench.life.telemetry.events if isinstance(e, OrderAbsent) and e.venue_clock_at < lost.expires_at]
    assert early, "it was asked about before its expiry too, and that proved nothing"
    await bench.until(bench.converged, 10)
    bench.check()


@virtual
async def test_an_order_that_arrives_after_it_was_not_found_still_counts_once():
    bench = await hedged_bench()
    seen: list[PlaceOrder] = []
    for wire in bench.world.wires.values():
        wire.next_fault = once(WireFault.ARRIVES_LATE, seen)
        wire.late_s = 3.0
    bench.hold("ETH", "150")
    await bench.until(lambda: len(seen) > 0, 1)
    late = seen[0].client_order_id
    await bench.until(bench.converged, 15)
    absences = [e for e in bench.life.telemetry.events if isinstance(e, OrderAbsent) and e.client_order_id == late]
    found = [e for e in bench.life.telemetry.events if isinstance(e, OrderReported) and e.report.client_order_id == late]
    assert absences
    assert found
    assert bench.world.short("ETH") <= bench.wanted("ETH") + D("0.05")
    bench.check()


@virtual
async def test_an_order_that_arrives_after_its_expiry_is_dropped_by_the_venue():
    bench = await hedged_bench()
    seen: list[PlaceOrder] = []
    for wire in bench.world.wires.values():
        wire.next_fault = once(WireFault.ARRIVES_LATE, seen)
        wire.late_s = bench.policy.order_expiry_ms / 1000 + 0.5
    bench.hold("ETH", "150")
    await bench.until(lambda: len(seen) > 0, 1)
    await bench.until(bench.converged, 20)
    assert bench.ledger.orders[seen[0].client_order_id].state is OrderState.ABSENT
    bench.check()


@virtual
async def test_a_silent_venue_takes_no_increase_the_others_do_and_nothing_doubles_when_it_is_back():
    bench = await hedged_bench()
    held = {i: bench.world.position(i) for i in bench.world.instruments}
    bench.world.wires[BYBIT].silent = True
    await bench.passes(3)
    bench.hold("ETH", "120")
    await bench.until(lambda: bench.hedged("ETH"), 3)
    await bench.passes(60)
    assert all(bench.world.position(i) == held[i] for i in held if i.startswith("bybit:"))
    assert bench.all_hedged()
    before = len(bench.world.placed)
    bench.world.wires[BYBIT].silent = False
    await bench.until(bench.converged, 15)
    await bench.passes(10)
    assert bench.world.short("ETH") <= bench.wanted("ETH") + D("0.1")
    assert len(bench.world.placed) - before <= 2
    bench.check()


@virtual
async def test_orders_caught_by_a_silence_are_in_doubt_and_end_when_the_venue_is_back():
    bench = await hedged_bench()
    bench.world.wires[VenueId("okx")].silent = True  # not noticed yet when the deposit comes
    bench.hold("ETH", "160")
    await bench.passes(30)
    doubts = [o for o in bench.ledger.open_orders() if o.state is OrderState.IN_DOUBT]
    assert [bench.ledger.venue_of(o.instrument) for o in doubts] == [VenueId("okx")]
    assert bench.world.short("ETH") + abs(doubts[0].quantity) <= bench.wanted("ETH") + D("0.1")
    bench.world.wires[VenueId("okx")].silent = False
    await bench.until(bench.converged, 20)
    bench.check()


@pytest.mark.parametrize("told", [True, False])
@virtual
async def test_a_deleveraged_short_is_hedged_again_whether_or_not_the_stream_told(told: bool):
    bench = await hedged_bench()
    instrument = max(bench.world.instruments, key=lambda i: abs(bench.world.position(i)) if "ETH" in i else D(0))
    wire = bench.world.wires[VenueId(instrument.partition(":")[0])]
    stream, wire.stream_s = wire.stream_s, wire.stream_s if told else 90.0
    taken = bench.deleverage(instrument, "0.5")
    assert taken > 10
    wire.stream_s = stream
    assert not bench.hedged("ETH")
    took = await bench.until(lambda: bench.hedged("ETH"), 30)
    assert took < 0.3 if told else 0.3 < took < 2 * bench.policy.report_interval_ms / 1000
    await bench.until(bench.converged, 5)
    assert bench.ledger.tallies.breaks_by_cause.get("auto_deleveraging") == 1
    bench.check()
    await bench.passes(90)
    assert bench.ledger.tallies.breaks_by_cause.get("auto_deleveraging") == 1
    assert bench.converged()


@virtual
async def test_a_funding_flip_moves_hedges_away_and_back_within_the_band():
    bench = Bench(1, funding_half_life_ms=10_000, funding_dwell_ms=10_000, venue_share_max=D("0.8"), instrument_notional_max=D(310_000))
    bench.world.funding[VenueId("okx")] = dict.fromkeys(bench.world.fair, D("0.0005"))
    for asset, quantity in (("BTC", "10"), ("ETH", "100")):
        bench.hold(asset, quantity)
    bench.start()
    await bench.until(bench.converged, 20)
    before = {i: bench.world.position(i) for i in bench.world.instruments}
    flipped = [i for i in before if i.startswith("okx:")]
    assert all(before[i] < 0 for i in flipped)
    bench.world.funding[VenueId("okx")] = dict.fromkeys(bench.world.fair, D("-0.0005"))
    await bench.until(lambda: all(bench.ledger.funding[i].flipped for i in flipped), 120)
    await bench.until(lambda: all(abs(bench.world.position(i)) < abs(before[i]) / 10 for i in flipped) and bench.converged(), 60)
    orders = len(bench.world.placed)
    await bench.passes(300)
    assert len(bench.world.placed) - orders <= 4, "the move is made once"
    bench.check()


@virtual
async def test_a_thin_book_is_filled_in_parts_without_overshooting():
    bench = await hedged_bench()
    bench.world.depth["ETH"] = (D(1), D(1), D(1))
    await bench.passes(1)
    bench.hold("ETH", "130")
    await bench.until(bench.converged, 60)
    assert bench.world.short("ETH") <= bench.wanted("ETH") + D("0.1")
    assert any(o.state is OrderState.CANCELED and o.filled != 0 for o in bench.ledger.orders.values())
    bench.check()


@virtual
async def test_collateral_that_cannot_be_read_is_not_taken_for_gone():
    bench = await hedged_bench()
    bench.world.collateral.readable = False
    await bench.passes(120)
    assert bench.world.short("ETH") == D(100)
    bench.hold("ETH", "50")
    await bench.passes(10)
    assert bench.world.short("ETH") == D(100)
    bench.world.collateral.readable = True
    await bench.until(bench.converged, 10)
    assert bench.world.short("ETH") == D(50)
    bench.check()


@virtual
async def test_all_venues_refusing_for_want_of_margin_does_not_storm():
    bench = Bench(world={"deposit": D(1_000)})
    bench.hold("BTC", "0")
    bench.hold("ETH", "100")
    bench.start()
    await bench.passes(60)
    assert len(bench.world.placed) < 60
    bench.check()
