"""The generated path: the same everywhere for one seed, and a world with the proportions of the real one."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from decimal import Decimal
from itertools import pairwise
from math import log, sqrt
from pathlib import Path
from statistics import correlation, fmean, pstdev

import pytest

from bot.core.units import DAY_MS
from bot.simulator.generator import DURATION_MS, FUNDING_INTERVAL_MS, GeneratedPath, funding_rate
from bot.simulator.market import PathPoint

START = 1_740_096_000_000
HOUR_MS = 3_600_000
VENUES = ("binanceusdm", "bybit", "okx")
ASSETS = ("BTC", "ETH", "SOL")
REPOSITORY = Path(__file__).parents[2]

# Taken once with CPython 3.11. It changes only when the generator is changed on purpose; every Python and machine must agree with it.
DIGEST_OF_SEED_7 = "a63a0637109f920b4fec02352e8425a7a38e62a12f8f4c33bb1a764b2a37c292"


def digest(seed: int) -> str:
    path = GeneratedPath(seed, START, VENUES, ASSETS, {("bybit", "SOL"): 4 * HOUR_MS})
    seen = [path.sample(START + at) for at in (0, 1, 999, 3_600_000, 86_399_999, 3 * DAY_MS)]
    return hashlib.sha256(repr((seen, path.settlements(START, START + 3 * DAY_MS))).encode()).hexdigest()


def series(points: list[tuple[PathPoint, ...]], venue: str, asset: str) -> list[PathPoint]:
    return [point for sample in points for point in sample if (point.venue, point.asset) == (venue, asset)]


@pytest.fixture(scope="module")
def month() -> tuple[GeneratedPath, list[tuple[PathPoint, ...]]]:
    path = GeneratedPath(11, START, VENUES, ASSETS)
    return path, [path.sample(START + at * 1_200_000) for at in range(72 * 30)]


def test_one_seed_is_one_world_and_another_seed_another() -> None:
    assert digest(7) == digest(7) == DIGEST_OF_SEED_7
    assert len({digest(seed) for seed in range(5)}) == 5


@pytest.mark.parametrize("hash_seed", ["0", "1", "4242"])
def test_a_world_does_not_depend_on_the_process(hash_seed: str) -> None:
    code = "from tests.simulator.test_market_generator import digest; print(digest(7))"
    answer = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert answer.stdout.strip() == DIGEST_OF_SEED_7


def test_the_order_of_questions_does_not_matter() -> None:
    instants = [START + at for at in (5 * DAY_MS, 0, 7, 2 * DAY_MS + 123_456, 600_000)]
    forward, backward = (GeneratedPath(5, START, VENUES, ASSETS) for _ in range(2))
    backward.settlements(START, START + 9 * DAY_MS)
    assert [forward.sample(at) for at in instants] == [backward.sample(at) for at in reversed(instants)][::-1]


def test_a_series_does_not_depend_on_which_others_are_asked_for() -> None:
    alone = GeneratedPath(5, START, ["okx"], ["ETH"]).sample(START + DAY_MS)
    assert alone == tuple(
        point for point in GeneratedPath(5, START, VENUES, ASSETS).sample(START + DAY_MS) if (point.venue, point.asset) == ("okx", "ETH")
    )


@pytest.mark.parametrize(("asset", "low", "high"), [("BTC", 0.44, 0.60), ("ETH", 0.56, 0.76), ("SOL", 0.66, 0.92)])
def test_volatility_is_that_of_the_asset(month, asset: str, low: float, high: float) -> None:
    index = [float(point.index) for point in series(month[1], "okx", asset)]
    returns = [log(later / earlier) for earlier, later in pairwise(index)]
    assert low < pstdev(returns) * sqrt(72 * 365) < high
    assert max(map(abs, returns)) < 0.05


def test_assets_move_together_but_not_as_one(month) -> None:
    returns = {}
    for asset in ASSETS:
        index = [float(point.index) for point in series(month[1], "bybit", asset)]
        returns[asset] = [log(later / earlier) for earlier, later in pairwise(index)]
    for one, other in (("BTC", "ETH"), ("BTC", "SOL"), ("ETH", "SOL")):
        assert 0.5 < correlation(returns[one], returns[other]) < 0.95


def test_venues_stand_a_few_basis_points_apart(month) -> None:
    for asset in ASSETS:
        lanes = [series(month[1], venue, asset) for venue in VENUES]
        for points in zip(*lanes, strict=True):
            assert len({point.index for point in points}) == 1
            for point in points:
                assert abs(point.fair / point.index - 1) < Decimal("0.0015")
                assert abs(point.mark / point.fair - 1) < Decimal("0.0005")
        assert any(len({point.fair for point in points}) == 3 for points in zip(*lanes, strict=True))


def test_funding_is_near_a_hundredth_of_a_percent_and_differs_by_venue(month) -> None:
    path, _ = month
    settled = path.settlements(START, START + 30 * DAY_MS)
    rates = {venue: [float(s.rate) for s in settled if s.venue == venue] for venue in VENUES}
    for venue in VENUES:
        assert len(rates[venue]) == 3 * 30 * len(ASSETS)
        assert min(rates[venue]) > -0.0005
        assert max(rates[venue]) < 0.0006
        assert 0.00003 < fmean(rates[venue]) < 0.00015
    assert len({fmean(rates[venue]) for venue in VENUES}) == 3


def test_funding_follows_from_the_premium() -> None:
    assert funding_rate(0.0, FUNDING_INTERVAL_MS) == Decimal("0.0001")  # inside the clamp: the interest component
    assert funding_rate(-0.0006, FUNDING_INTERVAL_MS) == Decimal("-0.0001")
    assert funding_rate(0.0012, FUNDING_INTERVAL_MS) == Decimal("0.0007")
    assert funding_rate(0.0, HOUR_MS) == Decimal("0.0000125")


def test_settlements_come_at_each_venues_own_interval() -> None:
    path = GeneratedPath(2, START + 1, VENUES, ["BTC"], {("bybit", "BTC"): 4 * HOUR_MS, ("okx", "BTC"): HOUR_MS})
    settled = path.settlements(START + 1, START + DAY_MS)
    assert [s.at for s in settled] == sorted(s.at for s in settled)
    for venue, hours in (("binanceusdm", 8), ("bybit", 4), ("okx", 1)):
        assert [s.at for s in settled if s.venue == venue] == [START + at * HOUR_MS for at in range(hours, 25, hours)]
        assert path.funding_interval_ms(venue, "BTC") == hours * HOUR_MS
    # The bounds: after is excluded, until is included; and two halves make the whole.
    half = START + 8 * HOUR_MS
    assert path.settlements(START, half) + path.settlements(half, START + DAY_MS) == settled
    assert path.settlements(half - 1, half) != ()
    assert path.settlements(half, half) == ()


def test_the_prediction_ends_where_the_venue_settles() -> None:
    path = GeneratedPath(2, START, VENUES, ASSETS)
    at = START + 2 * FUNDING_INTERVAL_MS
    settled = {(s.venue, s.asset): s.rate for s in path.settlements(at - 1, at)}
    for point in path.sample(at - 1):
        assert abs(point.funding_rate - settled[point.venue, point.asset]) <= Decimal("1e-8")


def test_nothing_is_said_outside_the_path() -> None:
    path = GeneratedPath(2, START, VENUES, ASSETS)
    for at in (START - 1, START + DURATION_MS + 1):
        with pytest.raises(ValueError, match="outside"):
            path.sample(at)
    assert path.settlements(0, START - 1) == ()
    with pytest.raises(KeyError):
        path.funding_interval_ms("okx", "DOGE")


def test_everything_is_labelled_as_synthesised() -> None:
    path = GeneratedPath(7, START, VENUES, ASSETS)
    assert path.label == "generated, seed 7"
    assert set(path.provenance) == {(venue, asset) for venue in VENUES for asset in ASSETS}
    assert all(says.startswith("synthesised") for says in path.provenance.values())


@pytest.mark.parametrize(
    ("venues", "assets", "intervals", "says"),
    [
        (VENUES, ("DOGE",), None, "cannot generate DOGE; allowed: BTC, ETH, SOL"),
        ((), ASSETS, None, "at least one venue"),
        (VENUES, (), None, "at least one venue"),
        (VENUES, ASSETS, {("okx", "BTC"): 5 * HOUR_MS}, "allowed: whole hours that divide a day"),
        (VENUES, ASSETS, {("okx", "BTC"): 0}, "allowed: whole hours"),
        (VENUES, ASSETS, {("okx", "BTC"): HOUR_MS // 2}, "allowed: whole hours"),
    ],
)
def test_what_cannot_be_generated_is_refused(venues, assets, intervals, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        GeneratedPath(1, START, venues, assets, intervals)


def test_reading_is_cheap_after_warm_up() -> None:
    path = GeneratedPath(1, START, VENUES, ASSETS)
    path.sample(START + DAY_MS)
    began = time.process_time()
    for at in range(500):
        path.sample(START + at * 150_000)
    # Nine series at well under 0.2 ms each on an idle machine; the bound leaves room for a busy one.
    assert (time.process_time() - began) / 500 / 9 < 0.001
