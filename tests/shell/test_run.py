"""Whole runs of the unchanged shell over three venues on virtual time: the story from start to stop."""

from __future__ import annotations

from decimal import Decimal

from tests.shell.bench import Bench, hedged_bench, same_but_for_market, virtual

D = Decimal


@virtual
async def test_a_deposit_is_hedged_within_virtual_milliseconds():
    bench = Bench()
    bench.hold("BTC", "0")
    bench.hold("ETH", "0")
    bench.start()
    await bench.until(bench.at_rest, 5)
    await bench.passes(15)  # on a new journal, requests of a life that it does not know of may still be on their way
    assert bench.world.placed == []
    bench.hold("ETH", "100")
    took = await bench.until(bench.converged, 3)
    assert took < 0.2
    assert bench.world.short("ETH") == D(100)
    bench.check()
    await bench.passes(10)
    assert bench.converged()
    assert await bench.stop() < 1
    assert bench.world.short("ETH") == D(100)
    assert same_but_for_market(bench.replayed(), bench.ledger)


@virtual
async def test_a_redemption_takes_hedges_back():
    bench = await hedged_bench()
    bench.hold("ETH", "40")
    assert await bench.until(bench.converged, 5) < 0.5
    assert bench.world.short("ETH") == D(40)
    bench.hold("ETH", "0")
    await bench.until(bench.converged, 5)
    assert bench.world.short("ETH") == D(0)
    bench.check()


@virtual
async def test_a_liquid_staking_token_is_hedged_at_its_redemption_rate():
    bench = await hedged_bench()
    bench.hold("wstETH", "50", redemption_rate=D("1.2"))
    await bench.until(bench.converged, 5)
    assert abs(bench.world.short("ETH") - D(160)) < D("0.1")
    bench.hold("wstETH", "50", redemption_rate=D("1.25"))
    await bench.until(bench.converged, 5)
    assert abs(bench.world.short("ETH") - D("162.5")) < D("0.1")
    bench.check()


@virtual
async def test_no_churn_over_an_hour_with_constant_inputs():
    bench = await hedged_bench(still=True, funding_poll_s=60.0, decision_beat_ms=3_000)
    before = len(bench.world.placed)
    await bench.passes(3600)
    assert len(bench.world.placed) == before
    assert bench.converged()
