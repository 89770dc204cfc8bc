"""The replay, on a small directory that the tests write: what is touched, believed, bridged and labelled."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from bot.simulator.bar_paths import path_along, path_of
from bot.simulator.history_files import Bars, HistoryFiles, HistoryUnreadable, WindowUnserved
from tests.simulator.history_directory import (
    ASSETS,
    BYBIT,
    DAY,
    DAY_MS,
    FUNDING,
    HOUR_MS,
    MINUTE_MS,
    PERP_5M,
    VENUES,
    Bar,
    bars,
    perp,
    point,
    replay,
    scaled,
    settlements,
    write,
    write_bars,
    write_directory,
    write_funding,
)

D = Decimal


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_directory(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return write_directory(tmp_path)


def files(directory: Path) -> HistoryFiles:
    return HistoryFiles(directory, ["binance", "bybit"], ["BTCUSDT", "ETHUSDT"])


# --- prices -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("venue", "minutes", "factor"), [("binanceusdm", 5, 1.0), ("bybit", 15, 1.0002)])
@pytest.mark.parametrize("asset", ASSETS)
def test_every_bar_is_touched_at_its_open_high_low_and_close_and_never_left(
    whole: Path, venue: str, minutes: int, factor: float, asset: str
) -> None:
    path = replay(whole)
    for start, opened, high, low, closed in scaled(bars(asset, minutes * MINUTE_MS), factor):
        # Thirds of the finest bars (5 min) are the instants where paths turn; 100 s apart, so every turn of both venues is met.
        instants = [*range(start, start + minutes * MINUTE_MS, 100_000), start + minutes * MINUTE_MS - 1]
        seen = [float(point(path, at, venue, asset).fair) for at in instants]
        assert seen[0] == pytest.approx(opened, rel=1e-7)
        assert seen[-1] == pytest.approx(closed, rel=1e-7)
        assert max(seen) == pytest.approx(high, rel=1e-7)
        assert min(seen) == pytest.approx(low, rel=1e-7)


def test_the_nearer_extreme_comes_first() -> None:
    made = Bars("x", 300_000, *_columns([(0, 100.0, 103.0, 99.0, 102.0), (300_000, 102.0, 102.5, 90.0, 91.0)]))
    path = path_of(made)
    assert [path.at(at) for at in (0, 100_000, 200_000, 299_999)] == [100.0, 99.0, 103.0, 102.0]
    assert [path.at(at) for at in (300_000, 400_000, 500_000, 599_999)] == [102.0, 102.5, 90.0, 91.0]
    assert path.at(50_000) == 99.5  # a line in between
    assert (path.at(-5), path.at(10**9)) == (100.0, 91.0)


def test_a_coarser_venue_turns_when_the_finer_one_turns() -> None:
    fine = path_of(
        Bars("f", 300_000, *_columns([(0, 10.0, 10.1, 9.9, 10.0), (300_000, 10.0, 10.1, 8.0, 9.0), (600_000, 9.0, 9.2, 8.9, 9.1)]))
    )
    coarse = path_along(Bars("c", 900_000, *_columns([(0, 20.0, 20.4, 15.9, 18.2)])), fine)
    assert min(range(0, 900_000, 1_000), key=fine.at) == min(range(0, 900_000, 1_000), key=coarse.at) == 500_000
    assert coarse.at(500_000) == 15.9
    assert (coarse.at(0), coarse.at(899_999)) == (20.0, 18.2)


def test_a_flat_bar_beside_a_moving_reference_stays_flat() -> None:
    fine = path_of(Bars("f", 300_000, *_columns([(0, 10.0, 11.0, 9.0, 10.5)])))
    flat = path_along(Bars("c", 300_000, *_columns([(0, 7.0, 7.0, 7.0, 7.0)])), fine)
    assert {flat.at(at) for at in range(0, 300_000, 7_000)} == {7.0}


def test_mark_and_index_ride_at_their_own_distance(whole: Path) -> None:
    path = replay(whole)
    for at in range(DAY, DAY + DAY_MS, 17 * MINUTE_MS):
        binance, bybit = point(path, at, "binanceusdm", "BTC"), point(path, at, "bybit", "BTC")
        assert abs(binance.mark / binance.fair / D("1.0001") - 1) < D("0.0003")
        assert abs(binance.index / binance.fair / D("1.0005") - 1) < D("0.0003")
        assert bybit.mark == bybit.fair  # there are no mark bars of Bybit in this directory
        assert abs(bybit.index / binance.index - 1) < D("0.0005")  # no spot bars either: Binance's


def test_a_mark_stays_inside_its_own_bars(directory: Path) -> None:
    wick = [bar if at != 100 else (bar[0], bar[1], bar[1] * 1.5, bar[3], bar[4]) for at, bar in enumerate(bars("BTC", 5 * MINUTE_MS))]
    perp(directory, "BTC", wick)
    path = replay(directory)
    seen = [point(path, wick[100][0] + at, "binanceusdm", "BTC") for at in (100_000, 200_000)]
    high = max(bar[2] for bar in scaled(bars("BTC", HOUR_MS), 1.0001))
    assert max(float(p.fair) for p in seen) == pytest.approx(wick[100][1] * 1.5, rel=1e-7)
    assert all(float(p.mark) <= high * 1.0000001 for p in seen)


def test_marks_of_eight_hours_are_too_coarse_to_stand_beside_the_price(directory: Path) -> None:
    """A single knot 2 % off would hold the mark away from the price for hours, beyond every price collar."""
    (directory / "klines/mark_1h.parquet").unlink()
    coarse = [("binance", "perp_linear", f"{asset}USDT", scaled(bars(asset, 8 * HOUR_MS), 1.02)) for asset in ASSETS]
    write_bars(directory / "klines/mark_8h.parquet", coarse)
    path = replay(directory)
    seen = point(path, DAY + 12_345_678, "binanceusdm", "BTC")
    assert seen.mark == seen.fair
    assert "mark = price (klines/mark_8h.parquet is too coarse)" in path.provenance["binanceusdm", "BTC"]


def test_without_spot_and_mark_bars_the_price_stands_for_both(directory: Path) -> None:
    (directory / "klines/mark_1h.parquet").unlink()
    (directory / "klines/binance_spot_5m.parquet").unlink()
    path = replay(directory)
    seen = point(path, DAY + 12_345_678, "binanceusdm", "ETH")
    assert seen.fair == seen.mark == seen.index
    assert "mark = price; index = mark" in path.provenance["binanceusdm", "ETH"]


def test_a_window_may_begin_and_end_inside_bars(whole: Path) -> None:
    window = (DAY + 6 * HOUR_MS + 7 * MINUTE_MS, DAY + 9 * HOUR_MS + 2 * MINUTE_MS)
    part, all_day = replay(whole, window), replay(whole)
    for at in (window[0], window[0] + 1, (window[0] + window[1]) // 2, window[1]):
        for venue in ("binanceusdm", "bybit"):
            assert point(part, at, venue, "BTC").fair == point(all_day, at, venue, "BTC").fair
            assert point(part, at, venue, "BTC").mark == point(all_day, at, venue, "BTC").mark


def test_nothing_is_said_outside_the_window(whole: Path) -> None:
    path = replay(whole)
    assert len(path.sample(path.end_ms)) == len(VENUES) * len(ASSETS)
    for at in (DAY - 1, DAY + DAY_MS + 1):
        with pytest.raises(ValueError, match="outside"):
            path.sample(at)


# --- synthesised venues and labels ---------------------------------------------------------------------------------------------


def test_a_venue_that_the_directory_lacks_is_synthesised_and_says_so(whole: Path) -> None:
    path = replay(whole)
    says = path.provenance["okx", "BTC"]
    assert says.startswith("synthesised from binanceusdm BTC: ")
    assert "no perp bars of okx BTCUSDT in the window" in says
    assert "funding synthesised from binanceusdm BTC" in says
    assert not any("synthesised from" in path.provenance[venue, "BTC"] for venue in ("binanceusdm", "bybit"))
    gaps = set()
    for at in range(DAY, DAY + DAY_MS, 13 * MINUTE_MS):
        okx, binance = point(path, at, "okx", "BTC"), point(path, at, "binanceusdm", "BTC")
        gaps.add(round(okx.fair / binance.fair - 1, 6))
        assert abs(okx.fair / binance.fair - 1) < D("0.001")
        assert okx.index == binance.index
    assert len(gaps) > 20  # a basis of its own, not a copy


def test_provenance_names_files_and_what_is_always_synthesised(whole: Path) -> None:
    path = replay(whole)
    assert path.label == f"history 2025-01-01T00:00Z..2025-01-02T00:00Z from {whole}"
    assert path.provenance["binanceusdm", "ETH"] == (
        "price klines/binance_perp_5m.parquet (288 bars of 5 min); mark klines/mark_1h.parquet (24 bars of 60 min); "
        "index klines/binance_spot_5m.parquet (288 bars of 5 min); "
        "funding funding/funding_all_venues.parquet (binance ETHUSDT, 4 settlements); spread, depth and open interest synthesised"
    )
    assert path.provenance["bybit", "ETH"].startswith(
        "price klines/bybit_perp_15m.parquet (96 bars of 15 min); mark = price; index klines/"
    )


def test_a_replay_repeats_itself_and_the_seed_shapes_only_what_is_synthesised(whole: Path) -> None:
    one, same, other = replay(whole), replay(whole), replay(whole, seed=1)
    instants = range(DAY, DAY + DAY_MS, 31 * MINUTE_MS)
    assert [one.sample(at) for at in instants] == [same.sample(at) for at in reversed(instants)][::-1]
    for at in instants:
        for mine, theirs in zip(one.sample(at), other.sample(at), strict=True):
            assert (mine == theirs) == (mine.venue != "okx")


def test_a_venue_that_is_not_asked_for_may_still_lend_its_record(whole: Path) -> None:
    path = replay(whole, venues=("okx",))
    assert {p.venue for p in path.sample(DAY)} == {"okx"}
    assert path.provenance["okx", "ETH"].startswith("synthesised from binanceusdm ETH")


def test_an_asset_that_is_not_held_is_left_out_and_named(whole: Path) -> None:
    path = replay(whole, assets=("BTC", "ETH", "SOL"))
    assert {p.asset for p in path.sample(DAY)} == {"BTC", "ETH"}
    assert {asset for _, asset in path.provenance} == {"BTC", "ETH"}
    assert "SOL cannot be replayed" in path.absent["SOL"]
    with pytest.raises(HistoryUnreadable, match="SOL cannot be replayed"):
        replay(whole, assets=("SOL",))


# --- which bars are believed ---------------------------------------------------------------------------------------------------


def test_the_finest_bars_that_cover_the_window_are_taken(directory: Path) -> None:
    write_bars(
        directory / "klines/binance_perp_1m_2025_01.parquet",
        [("binance", "perp_linear", "BTCUSDT", bars("BTC", MINUTE_MS, DAY + 3 * HOUR_MS, DAY + 9 * HOUR_MS))],
    )
    assert "binance_perp_5m" in replay(directory).provenance["binanceusdm", "BTC"].split(";")[0]
    assert (
        "binance_perp_1m_2025_01.parquet lacks 2025-01-01T00:00Z..2025-01-01T03:00Z" in replay(directory).provenance["binanceusdm", "BTC"]
    )
    inside = replay(directory, (DAY + 4 * HOUR_MS, DAY + 8 * HOUR_MS))
    assert inside.provenance["binanceusdm", "BTC"].startswith("price klines/binance_perp_1m_2025_01.parquet (240 bars of 1 min)")
    assert inside.provenance["binanceusdm", "ETH"].startswith("price klines/binance_perp_5m.parquet")


def test_a_finer_file_that_contradicts_a_coarser_one_is_not_believed(directory: Path) -> None:
    mislabelled = scaled(bars("BTC", 5 * MINUTE_MS), 1.0005)
    write_bars(directory / "klines/bybit_perp_5m.parquet", [("bybit", "perp_linear", "BTCUSDT", mislabelled)])
    says = replay(directory).provenance["bybit", "BTC"]
    assert says.startswith("price klines/bybit_perp_15m.parquet (96 bars of 15 min)")
    assert "klines/bybit_perp_5m.parquet not believed: 0 of 96 closes equal those of klines/bybit_perp_15m.parquet" in says
    write_bars(
        directory / "klines/bybit_perp_5m.parquet", [("bybit", "perp_linear", "BTCUSDT", scaled(bars("BTC", 5 * MINUTE_MS), 1.0002))]
    )
    assert replay(directory).provenance["bybit", "BTC"].startswith("price klines/bybit_perp_5m.parquet")


def test_mark_bars_are_not_taken_for_prices_nor_inverse_ones_for_linear(directory: Path) -> None:
    (directory / BYBIT).unlink()
    write_bars(directory / "klines/bybit_perp_5m.parquet", [("bybit", "perp_inverse", "BTCUSDT", bars("BTC", 5 * MINUTE_MS))])
    write_bars(directory / "klines/mark_5m.parquet", [("bybit", "perp_linear", "BTCUSDT", bars("BTC", 5 * MINUTE_MS))])
    assert replay(directory).provenance["bybit", "BTC"].startswith("synthesised from binanceusdm BTC")


def test_files_of_another_kind_are_left_alone(directory: Path) -> None:
    write(directory / "klines/binance_btc_basis_close_1h.parquet", {"ts_utc_ms": [1], "spot_close": [2.0]})
    write(directory / "klines/crossvenue_8h_2023_2024.parquet", {"anything": ["else"]})
    write(directory / "klines/bybit_perp_8h.parquet", {"anything": ["else"]})  # too coarse for a price
    (directory / "klines/README.txt").write_text("not Parquet")
    assert replay(directory).provenance == replay(directory).provenance
    assert "bybit_perp_15m" in replay(directory).provenance["bybit", "BTC"]


def test_a_stretch_that_is_known_to_be_wrong_counts_as_missing(tmp_path: Path) -> None:
    first = 1_730_073_600_000  # 2024-10-28
    window = (first, first + DAY_MS)
    day = bars("BTC", 5 * MINUTE_MS, *window)
    write_bars(tmp_path / PERP_5M, [("binance", "perp_linear", "BTCUSDT", day)])
    write_funding(tmp_path / FUNDING, [("binance", "BTCUSDT", 8, settlements(8, lambda at: 1e-4, *window))])
    with pytest.raises(WindowUnserved, match=r"binance_perp_5m.parquet lacks 2024-10-28T20:00Z\.\.2024-10-28T21:10Z"):
        replay(tmp_path, window, assets=("BTC",))
    replay(tmp_path, (first, first + 20 * HOUR_MS), assets=("BTC",))
    write_bars(tmp_path / BYBIT, [("bybit", "perp_linear", "BTCUSDT", bars("BTC", 15 * MINUTE_MS, *window))])
    says = replay(tmp_path, window, assets=("BTC",)).provenance["binanceusdm", "BTC"]
    assert says.startswith("synthesised from bybit BTC")
    assert "the sources disagree" in says


# --- gaps ----------------------------------------------------------------------------------------------------------------------


def test_a_short_gap_is_bridged_on_a_line_and_told(directory: Path) -> None:
    made = bars("BTC", 5 * MINUTE_MS)
    perp(directory, "BTC", made[:100] + made[103:])
    path = replay(directory)
    assert "bridged 2025-01-01T08:20Z..2025-01-01T08:35Z" in path.provenance["binanceusdm", "BTC"]
    last, following = made[99][4], made[103][1]
    middle = float(point(path, made[100][0] + 450_000, "binanceusdm", "BTC").fair)
    assert middle == pytest.approx((last + following) / 2, rel=1e-6)


def test_a_longer_gap_falls_back_to_coarser_bars(directory: Path) -> None:
    made = bars("BTC", 5 * MINUTE_MS)
    keep = [
        ("binance", "perp_linear", "BTCUSDT", made[:100] + made[104:]),
        ("binance", "perp_linear", "ETHUSDT", bars("ETH", 5 * MINUTE_MS)),
    ]
    write_bars(directory / PERP_5M, keep)
    says = replay(directory).provenance["binanceusdm", "BTC"]
    assert says.startswith("price klines/binance_perp_1h.parquet")
    assert "klines/binance_perp_5m.parquet lacks 2025-01-01T08:20Z..2025-01-01T08:40Z" in says


@pytest.mark.parametrize("asset", ASSETS)
def test_a_gap_that_no_venue_covers_is_refused_with_its_name(directory: Path, asset: str) -> None:
    made = bars(asset, 5 * MINUTE_MS)
    perp(directory, asset, made[:100] + made[104:])
    (directory / BYBIT).unlink()
    with pytest.raises(HistoryUnreadable) as refusal:
        replay(directory)
    assert f"{asset} cannot be replayed over 2025-01-01T00:00Z..2025-01-02T00:00Z" in str(refusal.value)
    assert "klines/binance_perp_5m.parquet lacks 2025-01-01T08:20Z..2025-01-01T08:40Z" in str(refusal.value)
    assert "no perp bars of bybit" in str(refusal.value)


@pytest.mark.parametrize("shift", [-DAY_MS // 2, DAY_MS // 2])
def test_a_window_that_is_only_half_held_is_refused(whole: Path, shift: int) -> None:
    with pytest.raises(WindowUnserved, match="BTC cannot be replayed over"):
        replay(whole, (DAY + shift, DAY + DAY_MS + shift))


def test_gaps_are_found_at_either_end_and_between(whole: Path) -> None:
    (five, _), refusals = files(whole).bars("perp", "binance", "BTCUSDT", DAY + HOUR_MS, DAY + 2 * HOUR_MS)
    assert refusals == ()
    assert list(five.gaps(DAY + HOUR_MS, DAY + 2 * HOUR_MS)) == []
    assert list(five.gaps(DAY, DAY + 3 * HOUR_MS)) == [(DAY, DAY + HOUR_MS), (DAY + 2 * HOUR_MS, DAY + 3 * HOUR_MS)]
    assert five.count(DAY + HOUR_MS, DAY + 2 * HOUR_MS) == 12
    assert five.count(DAY + HOUR_MS + 1, DAY + 2 * HOUR_MS - 1) == 12


def _columns(made: Sequence[Bar]):  # an array per column, as Bars wants them
    return (array("q", [bar[0] for bar in made]), *(array("d", [bar[at] for bar in made]) for at in range(1, 5)))
