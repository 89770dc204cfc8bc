"""What every market path shares: ticks for the engine, overridden funding, redemption rates, quotes, and the seeded noise below."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from math import sqrt
from statistics import fmean, pstdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.units import DAY_MS, YEAR_MS
from bot.simulator.generator import GeneratedPath
from bot.simulator.listings import contracts_of
from bot.simulator.market import PathPoint, open_interest, quoted, redemption_rate, restlessness, to_decimal, to_ticks, with_funding
from bot.simulator.noise import BLOCK_MS, Jumps, Reverting, Walk
from tests.simulator.floor import INVERSE

D = Decimal
START = 1_740_096_000_000
HOUR_MS = 3_600_000
POINT = PathPoint(
    venue="okx",
    asset="BTC",
    at=START,
    fair=D("98252.861"),
    mark=D("98252.849"),
    index=D("98260.05"),
    half_spread=D("0.98"),
    depth=(D("1.23456"), D("0.00009")),
    funding_rate=D("0.00007"),
    open_interest=D("50000.5"),
)
IN_TETHER = [contract for contract in contracts_of("okx") if contract.settle == "USDT"]


def test_ticks_are_on_the_contracts_grid() -> None:
    (tick,) = to_ticks([POINT], IN_TETHER)
    assert tick.symbol == "BTC-USDT-SWAP"
    assert (tick.fair, tick.mark, tick.index) == (D("98252.9"), D("98252.8"), D("98260.1"))
    assert tick.half_spread == D("1.00")  # up to a multiple of half a tick of 0.1
    assert tick.spread_step == D("5.0")  # half a basis point, up to whole ticks
    assert tick.depth == (D("1.2345"), D("0"))  # lots of 0.01 contracts of 0.01 BTC
    assert (tick.funding_rate, tick.open_interest) == (POINT.funding_rate, POINT.open_interest)


def test_ticks_of_an_inverse_contract_count_depth_in_base_units() -> None:
    (tick,) = to_ticks([replace(POINT, fair=D(50_000), asset=INVERSE.base)], [INVERSE])
    lot_base = INVERSE.lot * INVERSE.contract_size / D(50_000)
    assert all(level % lot_base == 0 for level in tick.depth)
    assert POINT.depth[0] - lot_base < tick.depth[0] <= POINT.depth[0]


def test_a_contract_without_a_point_gets_no_tick() -> None:
    assert len(IN_TETHER) > 1
    assert [tick.symbol for tick in to_ticks([POINT], IN_TETHER)] == ["BTC-USDT-SWAP"]


def test_every_contract_of_an_asset_gets_its_tick_whatever_it_settles_in() -> None:
    ticks = {tick.symbol: tick for tick in to_ticks([POINT], contracts_of("okx"))}
    assert set(ticks) == {"BTC-USDT-SWAP", "BTC-USDC-SWAP", "BTC-USD-SWAP"}
    assert {tick.fair for tick in ticks.values()} == {D("98252.9")}


def test_points_of_two_venues_are_refused() -> None:
    with pytest.raises(ValueError, match="two points for BTC: okx and bybit"):
        to_ticks([POINT, replace(POINT, venue="bybit")], contracts_of("okx"))


def test_a_price_never_rounds_to_zero() -> None:
    tiny = replace(POINT, fair=D("0.01"), mark=D("0.01"), index=D("0.01"))
    (tick,) = to_ticks([tiny], IN_TETHER)
    assert (tick.fair, tick.mark, tick.index) == (D("0.1"), D("0.1"), D("0.1"))


def test_overridden_funding_holds_from_its_instant_at_its_venue_only() -> None:
    path = GeneratedPath(3, START, ["binanceusdm", "okx"], ["BTC", "ETH"])
    turned = START + 10 * HOUR_MS
    story = with_funding(path, "okx", "ETH", D("-0.0007"), turned)
    for at in (START, turned - 1, turned, turned + HOUR_MS):
        for point, original in zip(story.sample(at), path.sample(at), strict=True):
            hit = (point.venue, point.asset) == ("okx", "ETH") and at >= turned
            assert point == (replace(original, funding_rate=D("-0.0007")) if hit else original)
    settled = [s.rate for s in story.settlements(START, START + DAY_MS) if (s.venue, s.asset) == ("okx", "ETH")]
    before = [s.rate for s in path.settlements(START, START + DAY_MS) if (s.venue, s.asset) == ("okx", "ETH")]
    assert settled == [before[0], D("-0.0007"), D("-0.0007")]
    assert len(story.settlements(START, START + DAY_MS)) == len(path.settlements(START, START + DAY_MS))
    assert "funding of ETH at okx set to -0.0007 from 2025-02-21T10:00Z" in story.label
    assert story.provenance["okx", "ETH"].endswith("from 2025-02-21T10:00Z")
    assert story.provenance["okx", "BTC"] == path.provenance["okx", "BTC"]
    assert (story.start_ms, story.end_ms) == (path.start_ms, path.end_ms)
    assert story.funding_interval_ms("okx", "ETH") == 8 * HOUR_MS


def test_overrides_nest_and_the_outer_one_wins() -> None:
    path = GeneratedPath(3, START, ["okx"], ["BTC"])
    story = with_funding(with_funding(path, "okx", "BTC", D("-0.001"), START), "okx", "BTC", D("0.002"), START + HOUR_MS)
    assert [story.sample(at)[0].funding_rate for at in (START, START + HOUR_MS)] == [D("-0.001"), D("0.002")]


def test_an_override_that_nobody_would_see_is_refused() -> None:
    path = GeneratedPath(3, START, ["okx"], ["BTC"])
    with pytest.raises(KeyError, match="does not serve ETH at okx"):
        with_funding(path, "okx", "ETH", D("-0.001"), START)


def test_redemption_rate_grows_three_percent_a_year_in_daily_steps() -> None:
    noon = 1_727_784_000_000
    assert redemption_rate("wstETH", noon) == D("1.18000000")
    assert redemption_rate("wstETH", noon + 365 * DAY_MS) == D("1.21540000")
    assert redemption_rate("wstETH", noon + DAY_MS - 1) == redemption_rate("wstETH", noon)
    daily = [redemption_rate("wstETH", noon + day * DAY_MS) or D(0) for day in range(-1200, 400)]
    assert all(later > earlier for earlier, later in pairwise(daily))
    assert redemption_rate("BTC", noon) is None


def test_makers_are_tight_and_deep_in_calm_and_wide_and_thin_when_restless() -> None:
    calm, storm = restlessness(100.0, 100.0), restlessness(98.0, 100.0)
    assert calm == 0
    assert storm > 5
    assert restlessness(50.0, 100.0) == 12  # capped
    (calm_spread, calm_depth), (storm_spread, storm_depth) = (quoted("bybit", "BTC", 100_000.0, degree) for degree in (calm, storm))
    assert storm_spread > 5 * calm_spread
    assert all(thin * 3 < deep for thin, deep in zip(storm_depth, calm_depth, strict=True))
    assert list(calm_depth) == sorted(calm_depth)
    assert quoted("bybit", "XYZ", 1.0, 0.0)[1][0] > 0  # an asset without figures of its own still has makers
    assert open_interest("binanceusdm", "BTC", 100_000.0) == 80_000


@given(st.floats(min_value=1e-6, max_value=1e12))
def test_decimals_have_eight_digits_and_no_exponent(value: float) -> None:
    exact = to_decimal(value)
    assert abs(exact / D(value) - 1) < D("1e-7")
    assert value < 1e-5 or "E" not in str(exact)


def test_a_walk_reads_the_same_in_any_order_and_has_the_variance_of_its_time() -> None:
    instants = [0, BLOCK_MS * 50 + 777, 3, BLOCK_MS - 1, BLOCK_MS, BLOCK_MS * 2_000, BLOCK_MS * 50 + 777, 1_999]
    one, other = Walk("key"), Walk("key")
    assert [one.at(at) for at in instants] == [other.at(at) for at in reversed(instants)][::-1]
    assert one.at(0) == 0
    for step in (10_000, BLOCK_MS // 3, BLOCK_MS):  # inside bridges, at their ends and across them
        path = [one.at(at * step) for at in range(4_001)]
        moves = [later - earlier for earlier, later in pairwise(path)]
        assert pstdev(moves) == pytest.approx(sqrt(step / YEAR_MS), rel=0.1)


def test_a_walk_does_not_jump_at_the_ends_of_its_blocks() -> None:
    walk = Walk("smooth")
    for block in range(1, 200):
        assert abs(walk.at(block * BLOCK_MS) - walk.at(block * BLOCK_MS - 1)) < 1e-6


def test_jumps_stay_and_come_as_often_as_told() -> None:
    jumps = Jumps("j", per_day=3.0, deviation=0.002)
    path = [jumps.at(at * BLOCK_MS) for at in range(144 * 200)]
    sizes = [later - earlier for earlier, later in pairwise(path) if later != earlier]
    assert 480 < len(sizes) < 720
    assert pstdev(sizes) == pytest.approx(0.002, rel=0.15)


def test_a_reverting_path_keeps_its_spread_and_its_mean_is_the_mean_of_its_line() -> None:
    path = Reverting("r", deviation=2.0, half_life_ms=HOUR_MS, step_ms=60_000)
    values = [path.at(at * HOUR_MS) for at in range(5_000)]
    assert pstdev(values) == pytest.approx(2.0, rel=0.1)
    assert fmean(values) == pytest.approx(0.0, abs=0.15)
    after, until = 12_345, 7_654_321
    fine = [path.at(after + (until - after) * at // 20_000) for at in range(20_001)]
    assert path.mean(after, until) == pytest.approx(fmean(fine), abs=1e-3)
    assert path.mean(until, until) == path.at(until)
