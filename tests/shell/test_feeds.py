"""Venues and sources as supervised tasks: opened with growing pauses, polled for funding, each payment entered once for ever."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import pytest

from bot.core.events import FundingRecordsRead, InstrumentListed, MarketObserved, VenueLink, VenueLinkChanged, VenueReported
from bot.core.limits import Limit
from bot.core.statement import statement_of
from bot.core.units import Millis, VenueId
from bot.shell.feeds import (
    DESCRIBE_EVERY_S,
    MARKETS_EVERY_S,
    OPEN_MAX_S,
    OPEN_RETRY_FIRST_S,
    OPEN_RETRY_MAX_S,
    PAYMENTS_OVERLAP_MS,
    POLL_MAX_S,
)
from bot.simulator.wire import Passage
from tests.shell.bench import Bench, hedged_bench, virtual

D = Decimal
OKX = VenueId("okx")
HOUR_MS = 3_600_000


@virtual
async def test_a_venue_that_does_not_answer_is_opened_with_growing_pauses(logged: list[MutableMapping[str, Any]]):
    bench = Bench()
    bench.hold("BTC", "1")
    bench.hold("ETH", "10")
    wire, tries = bench.world.wires[OKX], list[float]()
    wire.silent = True
    bench.start()
    wire.passing = lambda _, passage: tries.append(bench.clock.steady()) if passage is Passage.LEAVING else None
    await bench.passes(120)
    pauses = [b - a - wire.timeout_s for a, b in pairwise(tries)]
    expected = [min(OPEN_RETRY_FIRST_S * 2**n, OPEN_RETRY_MAX_S) for n in range(len(pauses))]
    assert pauses == pytest.approx(expected)
    assert len(pauses) >= 8
    downs = [e for e in bench.life.telemetry.events if isinstance(e, VenueLinkChanged) and e.venue == OKX]
    assert {e.link for e in downs} == {VenueLink.DOWN}
    assert any(e["event"] == "venue_not_open" for e in logged)
    wire.silent = False
    await bench.until(bench.converged, OPEN_RETRY_MAX_S + 2)
    bench.check()


@virtual
async def test_an_attempt_to_open_that_hangs_is_not_the_last_one():
    bench = Bench()
    bench.hold("BTC", "1")
    bench.hold("ETH", "10")
    bench.world.wires[OKX].hanging = True
    bench.start()
    await bench.passes(5)
    bench.world.wires[OKX].hanging = False
    await bench.until(bench.converged, OPEN_MAX_S + 5)


@virtual
async def test_instruments_are_told_before_anything_else_of_a_venue():
    bench = await hedged_bench()
    events = bench.life.telemetry.events
    listed = [n for n, e in enumerate(events) if isinstance(e, InstrumentListed) and e.instrument.venue == OKX]
    told = [n for n, e in enumerate(events) if isinstance(e, VenueReported | VenueLinkChanged) and e.venue == OKX]
    assert len(listed) == 2
    assert max(listed) < min(told)


@virtual
async def test_funding_is_polled_on_its_beat():
    bench = await hedged_bench()
    instrument = next(i for i in bench.world.instruments if i.startswith("okx:ETH"))
    assert bench.ledger.funding[instrument].rate == D("0.0001")
    bench.world.funding[OKX]["ETH"] = D("0.0003")
    await bench.passes(bench.funding_poll_s + 1)
    assert bench.ledger.funding[instrument].rate == D("0.0003")


@virtual
async def test_markets_are_told_right_after_opening_and_then_on_their_beat():
    bench = await hedged_bench()
    events = bench.life.telemetry.events
    told = [e for e in events if isinstance(e, MarketObserved) and e.instrument.startswith(OKX)]
    listed = [e.at for e in events if isinstance(e, InstrumentListed) and e.instrument.venue == OKX]
    assert {(e.open_interest, e.volume_24h) for e in told} == {(D(100_000), None)}
    assert len(told) == len(listed) == 2
    assert max(e.at for e in told) - max(listed) < 1_000
    began = len(events)
    await bench.passes(2 * MARKETS_EVERY_S)
    beats = sorted({e.at for e in events[began:] if isinstance(e, MarketObserved) and e.instrument == told[0].instrument})
    assert len(beats) == 2
    assert beats[1] - beats[0] == pytest.approx(MARKETS_EVERY_S * 1_000, abs=1_000)
    bench.world.wires[OKX].silent = True
    await bench.passes(MARKETS_EVERY_S)
    began = len(events)
    await bench.passes(2 * MARKETS_EVERY_S)
    assert not any(isinstance(e, MarketObserved) and e.instrument.startswith(OKX) for e in events[began:])


def entered(bench: Bench) -> Decimal:
    return sum((total.net for account in bench.ledger.payments.values() for total in account.totals.values()), D(0))


def truth(bench: Bench) -> Decimal:
    return sum((r.amount for e in bench.world.exchanges.values() for r in e.funding_payments("hedge")), D(0))


@virtual
async def test_payments_are_entered_once_also_over_restarts_and_long_rests():
    bench = await hedged_bench(still=True)
    for _ in range(3):
        bench.world.settle_funding()
        await bench.passes(bench.funding_poll_s + 1)
        assert entered(bench) == truth(bench) != 0
    await bench.stop()
    bench.world.settle_funding()  # while no run lives, and longer than any overlap
    await asyncio.sleep(3 * PAYMENTS_OVERLAP_MS / 1000)
    bench.world.settle_funding()
    bench.start()
    await bench.until(lambda: entered(bench) == truth(bench), 10)
    bench.world.settle_funding()
    await bench.passes(1)
    await bench.crash()  # before it was polled, or after and not durable
    bench.start()
    await bench.until(lambda: entered(bench) == truth(bench), 10)
    await bench.passes(30)
    assert entered(bench) == truth(bench)
    there = [r for e in bench.world.exchanges.values() for r in e.funding_payments("hedge")]
    assert sum(a.settlements for a in bench.ledger.payments.values()) == len(there)
    assert Limit.FUNDING_RECORD not in {b.limit for b in statement_of(bench.ledger, bench.policy, bench.clock.now()).breaches}


@virtual
async def test_a_list_without_news_is_not_written_at_each_poll():
    bench = await hedged_bench(still=True)
    bench.world.settle_funding()
    await bench.passes(50 * bench.funding_poll_s)
    await bench.stop()
    written = [e for e, _ in bench.world.store.steps() if isinstance(e, FundingRecordsRead)]
    assert sum(len(e.payments) for e in written) >= 6
    assert len(written) < 30, "three venues, fifty polls each"


@virtual
async def test_payments_from_before_the_first_run_are_not_ours_to_enter():
    bench = await hedged_bench()
    await bench.stop()
    bench.world.settle_funding()
    old = truth(bench)
    await asyncio.sleep(60)
    bench.world.store.entries.clear()  # a new journal
    bench.start()
    await bench.until(bench.at_rest, 10)
    await bench.passes(10)
    assert old != 0
    assert entered(bench) == 0


@pytest.mark.parametrize("what", ["funding_rates", "funding_payments", "markets"])
@pytest.mark.parametrize("how", ["raises", "hangs"])
@virtual
async def test_a_poll_that_fails_neither_dies_nor_kills(what: str, how: str, logged: list[MutableMapping[str, Any]]):
    bench = Bench()
    bench.funding_poll_s = 2.0
    bench.hold("BTC", "1")
    bench.hold("ETH", "10")
    bench.start()
    venue = bench.ports.venues[OKX]
    sound, failing = getattr(venue, what), [True]

    async def odd(*since: Millis) -> Any:
        if not failing[0]:
            return await sound(*since)
        if how == "raises":
            raise ConnectionError("our own mistake")
        return await asyncio.get_running_loop().create_future()

    setattr(venue, what, odd)
    await bench.until(bench.converged, 45)  # at its cap one venue leaves a trifle to another, which is worked patiently
    bench.world.settle_funding()
    await bench.passes(POLL_MAX_S + 5)
    failures = [e for e in logged if e["event"] == "poll_failed"]
    assert {(e["what"], e["venue"], e["log_level"]) for e in failures} == {(what, OKX, "error")}
    if what != "funding_payments":
        assert entered(bench) == truth(bench) != 0, "the other poll goes on"
    failing[0] = False
    await bench.passes(POLL_MAX_S + 5)
    assert entered(bench) == truth(bench)
    assert all(i in bench.ledger.funding for i in bench.world.instruments)
    assert bench.converged()


@virtual
async def test_rates_are_polled_from_a_venue_again_when_it_is_back():
    bench = await hedged_bench()
    bench.world.wires[OKX].silent = True
    await bench.passes(30)
    bench.world.settle_funding()
    await bench.passes(30)
    assert entered(bench) != truth(bench)
    bench.world.wires[OKX].silent = False
    await bench.until(lambda: entered(bench) == truth(bench), 10)


@virtual
async def test_an_instrument_whose_terms_change_is_told_within_minutes_and_unchanged_ones_are_no_news():
    bench = await hedged_bench(still=True)
    exchange = bench.world.exchanges[OKX]
    eth = next(c for c in exchange.contracts.values() if c.base == "ETH")
    exchange.contracts = MappingProxyType({**exchange.contracts, eth.symbol: replace(eth, lot=eth.lot * 2)})
    began = len(bench.life.telemetry.news)
    await bench.passes(2 * DESCRIBE_EVERY_S + 5)
    listed = [e.instrument for e in bench.life.telemetry.news[began:] if isinstance(e, InstrumentListed)]
    assert [(i.venue, i.venue_symbol, i.lot) for i in listed] == [(OKX, eth.symbol, eth.lot * 2)]
    assert bench.ledger.instruments[listed[0].id].lot == eth.lot * 2
