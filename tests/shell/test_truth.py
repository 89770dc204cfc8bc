"""The beats on which venues are asked for the truth: a doubt within 2 s, open orders within 10 s, positions within 30 s."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest

from bot.core.ceilings import CEILINGS
from bot.core.commands import LookUpOrder
from bot.core.events import VenueLink, VenueLinkChanged, VenueReported
from bot.core.order import OrderState
from bot.core.units import Millis, VenueId
from bot.simulator.wire import WireFault
from tests.shell.bench import Bench, hedged_bench, virtual

IN_DOUBT_S, OPEN_ORDERS_S, POSITIONS_S = 2.0, 10.0, 30.0
WIDEST = {name: int(CEILINGS[name].highest) for name in ("report_interval_ms", "doubt_query_interval_ms", "decision_beat_ms")}
"""The slowest beats that a configuration may choose."""


def gaps_s(instants: Sequence[Millis]) -> list[float]:
    """Seconds between each instant and the next."""
    return [(later - earlier) / 1000 for earlier, later in pairwise(instants)]


def readings(bench: Bench, venue: str) -> list[Millis]:
    """When each complete reading of a venue was asked for: it holds open orders, positions, fills and margin."""
    return [e.asked_at for e in bench.life.telemetry.events if isinstance(e, VenueReported) and e.venue == venue]


@pytest.mark.parametrize("policy", [{}, WIDEST])
@virtual
async def test_c23_open_orders_and_positions_are_read_on_their_beat_in_quiet_and_in_trade(policy: dict[str, int]):
    bench = await hedged_bench(funding_poll_s=60.0, world={"assets": ("ETH",), "tick_s": 2.0}, **policy)
    await bench.passes(300)
    for number in range(10):
        bench.hold("ETH", str(100 + number % 3 * 20))
        await bench.passes(30)
    for venue in bench.world.exchanges:
        asked = readings(bench, venue)
        assert len(asked) > 60
        assert max(gaps_s(asked)) <= OPEN_ORDERS_S <= POSITIONS_S


@pytest.mark.parametrize("policy", [{}, WIDEST])
@virtual
async def test_c23_an_order_in_doubt_is_asked_about_within_two_seconds_until_its_end(policy: dict[str, int]):
    bench = await hedged_bench(**policy)
    wire = bench.world.wires[VenueId("okx")]
    wire.next_fault, wire.stream_s = (lambda _: WireFault.NEVER_ARRIVES), 60.0
    bench.hold("ETH", "130")
    await bench.until(lambda: any(o.state is OrderState.IN_DOUBT for o in bench.ledger.open_orders()), 3)
    wire.next_fault = lambda _: WireFault.NONE
    (doubted,) = (o for o in bench.ledger.open_orders() if o.state is OrderState.IN_DOUBT)
    asked: list[Millis] = [doubted.doubted_at or 0]
    counted = 0
    while bench.ledger.orders[doubted.client_order_id].state is OrderState.IN_DOUBT:
        await bench.passes(0.01)
        now = [c for c in bench.life.telemetry.commands if isinstance(c, LookUpOrder) and c.client_order_id == doubted.client_order_id]
        asked += [bench.clock.now()] * (len(now) - counted)
        counted = len(now)
        assert bench.clock.now() - asked[-1] <= IN_DOUBT_S * 1000 + 20
    assert counted >= 3
    assert max(gaps_s(asked)) <= IN_DOUBT_S + 0.02


@virtual
async def test_a_venue_that_returns_is_read_at_once_and_not_on_the_beat():
    bench = await hedged_bench()
    await bench.passes(3)
    before = len(readings(bench, "okx"))
    for link in (VenueLink.DOWN, VenueLink.UP):
        bench.life.run.loop.put(VenueLinkChanged(at=bench.clock.now(), venue=VenueId("okx"), link=link, reason="a blip"))
    await bench.passes(1)
    assert len(readings(bench, "okx")) > before
    assert bench.ledger.venues[VenueId("okx")].reconciled
