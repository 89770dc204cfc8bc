"""The replay on the real history, where it is at hand: the day of 2025-02-21, and the traps of that record that we know of."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from bot.core.units import DAY_MS
from bot.simulator.history import HistoryPath, parse_window
from bot.simulator.history_files import WindowUnserved

DATA = Path(__file__).parents[2].parent / "shared" / "data"
VENUES = ("binanceusdm", "bybit", "okx")
ASSETS = ("BTC", "ETH", "SOL")
DAY = 1_740_096_000_000

pytestmark = [
    pytest.mark.history,
    pytest.mark.skipif(
        not (DATA / "klines").is_dir(), reason=f"no real market history at {Path('..') / 'shared' / 'data'}: replay not tested on it"
    ),
]


@pytest.fixture(scope="module")
def day() -> HistoryPath:
    return HistoryPath(DATA, None, VENUES, ASSETS)


def test_the_default_window_is_the_preferred_day(day: HistoryPath) -> None:
    assert (day.start_ms, day.end_ms) == (DAY, DAY + DAY_MS)
    assert day.absent == {}
    assert set(day.provenance) == {(venue, asset) for venue in VENUES for asset in ASSETS}


def test_the_days_extremes_are_met_and_not_passed(day: HistoryPath) -> None:
    fair = [
        point.fair for at in range(DAY, DAY + DAY_MS, 50_000) for point in day.sample(at) if point.asset == "BTC" and point.venue != "okx"
    ]
    marks = [point.mark for at in range(DAY, DAY + DAY_MS, 50_000) for point in day.sample(at) if point.asset == "BTC"]
    binance = [
        point.fair
        for at in range(DAY, DAY + DAY_MS, 50_000)
        for point in day.sample(at)
        if (point.venue, point.asset) == ("binanceusdm", "BTC")
    ]
    assert (min(binance), max(binance)) == (Decimal("94830.4"), Decimal("99431.5"))
    assert Decimal(94_830) < min(fair)
    assert max(fair) < Decimal(99_455)
    assert Decimal(94_800) < min(marks) < Decimal(94_950)


def test_venues_marks_and_indexes_stay_together(day: HistoryPath) -> None:
    for at in range(DAY, DAY + DAY_MS, 60_000):
        points = {(point.venue, point.asset): point for point in day.sample(at)}
        for asset in ASSETS:
            fair = points["binanceusdm", asset].fair
            for venue in VENUES:
                point = points[venue, asset]
                assert abs(point.fair / fair - 1) < Decimal("0.005")
                assert abs(point.mark / point.fair - 1) < Decimal("0.005")
                assert abs(point.index / point.fair - 1) < Decimal("0.005")


@pytest.mark.parametrize("venue", ["binanceusdm", "bybit"])
@pytest.mark.parametrize("asset", ASSETS)
def test_funding_equals_the_rows_of_the_file(day: HistoryPath, venue: str, asset: str) -> None:
    name = {"binanceusdm": "binance"}.get(venue, venue)
    rows = pq.read_table(
        DATA / "funding" / "funding_all_venues.parquet",
        filters=[
            ("venue", "==", name),
            ("symbol", "==", f"{asset}USDT"),
            ("margin", "==", "linear"),
            ("ts_utc_ms", ">", DAY),
            ("ts_utc_ms", "<=", DAY + DAY_MS),
        ],
    ).to_pylist()
    settled = [(s.at, s.rate) for s in day.settlements(DAY, DAY + DAY_MS) if (s.venue, s.asset) == (venue, asset)]
    assert settled == [(row["ts_utc_ms"], Decimal(repr(row["funding_rate"]))) for row in sorted(rows, key=lambda row: row["ts_utc_ms"])]
    assert len(settled) == 3
    assert day.funding_interval_ms(venue, asset) == 8 * 3_600_000


def test_spot_bars_labelled_as_perpetual_are_not_believed(day: HistoryPath) -> None:
    for asset in ("BTC", "ETH"):
        says = day.provenance["bybit", asset]
        assert says.startswith("price klines/bybit_perp_15m.parquet")
        assert "klines/bybit_perp_5m.parquet not believed: 0 of 96 closes" in says


def test_a_venue_that_is_not_held_is_synthesised(day: HistoryPath) -> None:
    for asset in ASSETS:
        assert day.provenance["okx", asset].startswith(f"synthesised from binanceusdm {asset}: ")


def test_minute_bars_are_taken_where_they_are() -> None:
    path = HistoryPath(DATA, parse_window("2025-05-10..2025-05-11"), VENUES, ("BTC", "ETH"))
    assert path.provenance["binanceusdm", "BTC"].startswith("price klines/binance_perp_1m_2025_05_06.parquet (1440 bars of 1 min)")


def test_the_outage_of_october_is_not_replayed_as_a_flat_market() -> None:
    path = HistoryPath(DATA, parse_window("2024-10-28T18:00..2024-10-29"), VENUES, ("BTC", "ETH"))
    assert path.provenance["binanceusdm", "BTC"].startswith("synthesised from bybit BTC")
    assert "2024-10-28T20:00Z..2024-10-28T21:10Z left out" in path.provenance["binanceusdm", "BTC"]


def test_a_month_without_bars_is_refused() -> None:
    with pytest.raises(WindowUnserved, match="BTC cannot be replayed over 2023-05-01T00:00Z"):
        HistoryPath(DATA, parse_window("2023-05-01..2023-05-02"), VENUES, ("BTC", "ETH"))
