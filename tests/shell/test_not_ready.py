"""Venues that cannot be used as configured: the others go on, and only a run that has none at all ends."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from bot.core.events import VenueLink, VenueLinkChanged
from bot.core.instrument import Instrument
from bot.core.risk import AGREES_WITHIN_MS
from bot.core.units import VenueId
from bot.drivers.live import why_unready
from bot.ports import VenueNotReady
from bot.shell.feeds import NOT_READY_RETRY_FIRST_S, NOT_READY_RETRY_MAX_S
from tests.shell.bench import Bench, Life, hedged_bench, virtual

OKX = VenueId("okx")
BYBIT = VenueId("bybit")


class Refusal:
    """A venue's `open` that refuses while `lasts`, with its own sentence."""

    def __init__(self, bench: Bench, venue: VenueId, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lasts = True
        self.tried_at: list[float] = []
        self.sentence = f"{venue} does not trade ETH at present"
        self._bench = bench
        self._open = bench.ports.venues[venue].open
        monkeypatch.setattr(bench.ports.venues[venue], "open", self.open)

    async def open(self) -> Sequence[Instrument]:
        self.tried_at.append(self._bench.clock.steady())
        if self.lasts:
            raise VenueNotReady(self.sentence)
        return await self._open()


def begun(monkeypatch: pytest.MonkeyPatch, *refusing: VenueId) -> tuple[Bench, Life, list[Refusal]]:
    """A first run on a new journal."""
    bench = Bench()
    bench.hold("BTC", "1")
    bench.hold("ETH", "30")
    life = bench.start()
    return bench, life, [Refusal(bench, venue, monkeypatch) for venue in refusing]


@virtual
async def test_one_venue_that_cannot_be_used_leaves_the_others_hedging(
    monkeypatch: pytest.MonkeyPatch, logged: list[MutableMapping[str, Any]]
):
    bench = await hedged_bench(venue_share_max=Decimal("0.8"))
    await bench.stop()
    okx = {i: bench.world.position(i) for i in bench.world.instruments if i.startswith("okx:")}
    life = bench.start()
    refusal = Refusal(bench, OKX, monkeypatch)
    bench.hold("ETH", "120")
    placed = len(bench.world.placed)
    await bench.passes(AGREES_WITHIN_MS / 1_000 - 5)  # a start waits for every venue, but not for ever
    assert len(bench.world.placed) == placed
    await bench.until(lambda: bench.hedged("ETH"), 20)
    assert life.run.not_ready == {OKX: refusal.sentence}
    told = [e for e in life.telemetry.events if isinstance(e, VenueLinkChanged) and e.venue == OKX]
    assert {(e.link, e.reason) for e in told} == {(VenueLink.DOWN, refusal.sentence)}
    errors = [e for e in logged if e["event"] == "venue_not_ready"]
    assert {(e["log_level"], e["venue"], e["reason"]) for e in errors} == {("error", OKX, refusal.sentence)}
    assert len(told) == len(errors) <= 3  # once each time that it was tried, ever more rarely
    assert {i: bench.world.position(i) for i in okx} == okx
    bench.check()


@virtual
async def test_a_position_that_was_never_read_is_not_taken_for_flat(monkeypatch: pytest.MonkeyPatch):
    """On a new journal nobody knows what the refused venue holds: the run lives, says so, and does not hedge what may be hedged."""
    bench, life, _ = begun(monkeypatch, OKX)
    await bench.passes(20)
    assert bench.world.placed == []
    statement = life.run.loop.statement()
    assert why_unready(statement, life.run.not_ready) == "waiting for okx (okx does not trade ETH at present)"
    assert "net_delta on ETH, not known" in [b.sentence() for b in statement.breaches]


@virtual
async def test_it_is_tried_again_slowly_and_used_once_it_can_be(monkeypatch: pytest.MonkeyPatch):
    bench, life, (refusal,) = begun(monkeypatch, OKX)
    await bench.passes(1_300)
    pauses = [b - a for a, b in pairwise(refusal.tried_at)]
    assert pauses == pytest.approx([min(NOT_READY_RETRY_FIRST_S * 2**n, NOT_READY_RETRY_MAX_S) for n in range(len(pauses))])
    assert len(pauses) >= 6
    refusal.lasts = False
    await bench.until(bench.converged, NOT_READY_RETRY_MAX_S + 5, 1)
    assert life.run.not_ready == {}
    bench.check()


@virtual
async def test_a_run_in_which_no_venue_can_be_used_ends_with_every_sentence(monkeypatch: pytest.MonkeyPatch):
    bench, life, refusals = begun(monkeypatch, *Bench().world.exchanges)
    with pytest.raises(VenueNotReady) as raised:
        await life.task
    assert sorted(str(raised.value).split("; ")) == sorted(r.sentence for r in refusals)
    assert bench.world.placed == []


@virtual
async def test_a_venue_that_only_does_not_answer_yet_keeps_the_run_alive(monkeypatch: pytest.MonkeyPatch):
    bench, _, refusals = begun(monkeypatch, OKX, BYBIT)
    bench.world.wires[VenueId("binanceusdm")].silent = True
    await bench.passes(400)
    bench.world.wires[VenueId("binanceusdm")].silent = False
    for refusal in refusals:
        refusal.lasts = False
    await bench.until(bench.converged, NOT_READY_RETRY_MAX_S + 5, 1)


@virtual
async def test_a_run_whose_venues_have_all_fallen_silent_is_not_ready():
    bench = await hedged_bench()
    await bench.passes(2)
    assert why_unready(bench.life.run.loop.statement(), {}) is None
    for wire in bench.world.wires.values():
        wire.silent = True
    await bench.passes(3)
    assert why_unready(bench.life.run.loop.statement(), {}) == "no venue can take a hedge at present"
