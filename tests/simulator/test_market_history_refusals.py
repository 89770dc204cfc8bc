"""The replay on a small directory: recorded funding, the default window, and every way in which a history is refused."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bot.simulator.history import WINDOW_MAX_MS, parse_window
from bot.simulator.history_files import HistoryUnreadable, WindowUnserved
from tests.simulator.history_directory import (
    ASSETS,
    DAY,
    DAY_MS,
    FUNDING,
    HOUR_MS,
    MINUTE_MS,
    PERP_1H,
    PERP_5M,
    VENUES,
    WINDOW,
    Bar,
    bars,
    perp,
    point,
    replay,
    settlements,
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


# --- funding -------------------------------------------------------------------------------------------------------------------


def test_settlements_are_the_recorded_rows_at_each_venues_own_interval(whole: Path) -> None:
    path = replay(whole)
    settled = path.settlements(DAY, DAY + DAY_MS)
    assert [s.at for s in settled] == sorted(s.at for s in settled)
    assert [(s.at - DAY, s.rate) for s in settled if (s.venue, s.asset) == ("binanceusdm", "BTC")] == [
        (8 * HOUR_MS, D("0.0001033333")),
        (16 * HOUR_MS, D("0.0001066667")),
        (24 * HOUR_MS, D("0.00011")),
    ]
    assert [(s.at - DAY) // HOUR_MS for s in settled if (s.venue, s.asset) == ("bybit", "ETH")] == [4, 8, 12, 16, 20, 24]
    assert {s.rate for s in settled if s.venue == "bybit"} == {D("-0.00005")}
    assert path.funding_interval_ms("binanceusdm", "BTC") == path.funding_interval_ms("okx", "BTC") == 8 * HOUR_MS
    assert path.funding_interval_ms("bybit", "BTC") == 4 * HOUR_MS
    okx = [s.rate for s in settled if (s.venue, s.asset) == ("okx", "BTC")]
    assert all(0 < abs(rate - D("0.0001")) < D("0.0001") for rate in okx)
    half = DAY + 8 * HOUR_MS
    assert path.settlements(DAY, half) + path.settlements(half, DAY + DAY_MS) == settled
    assert path.settlements(0, DAY) == path.settlements(DAY - 1, DAY)
    assert path.settlements(DAY + DAY_MS, DAY + 9 * DAY_MS) == ()


def test_the_predicted_rate_runs_from_one_settlement_to_the_next(whole: Path) -> None:
    path = replay(whole)
    at = [point(path, DAY + hours * HOUR_MS, "binanceusdm", "BTC").funding_rate for hours in (0, 4, 8, 12, 24)]
    assert at == [D("0.0001"), D("0.00010167"), D("0.00010333"), D("0.00010500"), D("0.00011")]


def test_float_noise_in_a_recorded_rate_is_removed(directory: Path) -> None:
    noisy = [(at, -0.00032219999999999997) for at, _ in settlements(8, lambda at: 0.0)]
    write_funding(directory / FUNDING, [("binance", f"{asset}USDT", 8, noisy) for asset in ASSETS])
    assert {s.rate for s in replay(directory).settlements(DAY, DAY + DAY_MS) if s.venue == "binanceusdm"} == {D("-0.0003222")}


def test_funding_with_a_missing_settlement_is_synthesised_from_a_complete_record(directory: Path) -> None:
    rows = settlements(8, lambda at: 1e-4)
    series = [("binance", "BTCUSDT", 8, [*rows[:1], *rows[2:]]), ("binance", "ETHUSDT", 8, rows)]
    write_funding(directory / FUNDING, [*series, *(("bybit", f"{asset}USDT", 4, settlements(4, lambda at: -5e-5)) for asset in ASSETS)])
    path = replay(directory)
    says = path.provenance["binanceusdm", "BTC"]
    assert "funding synthesised from bybit BTC with a seeded difference" in says
    assert "no settlement of binance BTCUSDT between 2025-01-01T00:00Z and 2025-01-01T16:00Z" in says
    assert path.funding_interval_ms("binanceusdm", "BTC") == 4 * HOUR_MS
    assert "funding funding/" in path.provenance["binanceusdm", "ETH"]


@pytest.mark.parametrize(
    ("kept", "between"), [(slice(2, None), "2025-01-01T00:00Z and 2025-01-01T16:00Z"), (slice(0, 2), "2025-01-01T08:00Z")]
)
def test_funding_that_nobody_holds_is_refused_with_the_gap(directory: Path, kept: slice, between: str) -> None:
    rows = settlements(8, lambda at: 1e-4)[kept]
    write_funding(directory / FUNDING, [("binance", f"{asset}USDT", 8, rows) for asset in ASSETS])
    with pytest.raises(WindowUnserved, match=f"no venue has all funding of BTC in the window.*between {between}"):
        replay(directory)


def test_a_settlement_at_the_very_end_of_the_window_is_not_needed(directory: Path) -> None:
    rows = settlements(8, lambda at: 1e-4)[:-1]
    write_funding(directory / FUNDING, [("binance", f"{asset}USDT", 8, rows) for asset in ASSETS])
    path = replay(directory)
    assert [s.at for s in path.settlements(DAY, DAY + DAY_MS) if (s.venue, s.asset) == ("binanceusdm", "BTC")] == [at for at, _ in rows[1:]]
    assert point(path, path.end_ms, "binanceusdm", "BTC").funding_rate == D("0.0001")


def test_recorded_funding_of_okx_carries_its_warning(directory: Path) -> None:
    rows = settlements(8, lambda at: 1e-4)
    write_funding(directory / FUNDING, [(venue, f"{asset}USDT", 8, rows) for venue in ("okx", "binance") for asset in ASSETS])
    assert "time labels are unverified" in replay(directory).provenance["okx", "BTC"]


# --- the default window --------------------------------------------------------------------------------------------------------


def test_the_default_is_the_newest_day_with_the_most_series(tmp_path: Path) -> None:
    # The third day is Binance's alone; of a fourth one there are only the first hours.
    for venue, last in (("binance", DAY + 3 * DAY_MS + 5 * HOUR_MS), ("bybit", DAY + 2 * DAY_MS)):
        write_bars(
            tmp_path / f"klines/{venue}_perp_1h.parquet",
            [(venue, "perp_linear", f"{asset}USDT", bars(asset, HOUR_MS, DAY, last)) for asset in ASSETS],
        )
    held = settlements(8, lambda at: 1e-4, DAY, DAY + 4 * DAY_MS)
    write_funding(tmp_path / FUNDING, [(venue, f"{asset}USDT", 8, held) for venue in ("binance", "bybit") for asset in ASSETS])
    assert replay(tmp_path, None).start_ms == DAY + DAY_MS
    assert replay(tmp_path, None).label.startswith("history 2025-01-02T00:00Z..2025-01-03T00:00Z")


def test_the_preferred_day_is_taken_where_it_is_held(tmp_path: Path) -> None:
    preferred = 1_740_096_000_000
    hourly = [("binance", "perp_linear", f"{asset}USDT", bars(asset, HOUR_MS, preferred, preferred + 3 * DAY_MS)) for asset in ASSETS]
    write_bars(tmp_path / PERP_1H, hourly)
    held = settlements(8, lambda at: 1e-4, preferred, preferred + 3 * DAY_MS)
    write_funding(tmp_path / FUNDING, [("binance", f"{asset}USDT", 8, held) for asset in ASSETS])
    assert replay(tmp_path, None).label.startswith("history 2025-02-21T00:00Z..2025-02-22T00:00Z")


def test_a_directory_without_any_full_day_asks_for_a_window(tmp_path: Path) -> None:
    half = (DAY, DAY + DAY_MS // 2)
    write_bars(tmp_path / PERP_1H, [("binance", "perp_linear", f"{asset}USDT", bars(asset, HOUR_MS, *half)) for asset in ASSETS])
    write_funding(tmp_path / FUNDING, [("binance", f"{asset}USDT", 8, settlements(8, lambda at: 1e-4)) for asset in ASSETS])
    with pytest.raises(WindowUnserved, match="no full UTC day in it can be replayed as a default; name a window"):
        replay(tmp_path, None)
    assert replay(tmp_path, half).end_ms == half[1]


# --- refusals ------------------------------------------------------------------------------------------------------------------


def refused(directory: Path, *says: str, window: tuple[int, int] | None = WINDOW) -> HistoryUnreadable:
    with pytest.raises(HistoryUnreadable) as refusal:
        replay(directory, window)
    text = str(refusal.value)
    assert "\n" not in text
    assert text.startswith(f"{refusal.value.path}: ")
    for part in says:
        assert part in text
    return refusal.value


def test_no_directory(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", "is not a directory", "klines/*.parquet")


def test_no_bars(tmp_path: Path) -> None:
    refused(tmp_path, "klines: holds no bars", "binance_perp_5m.parquet")


def test_no_funding_file(directory: Path) -> None:
    (directory / FUNDING).unlink()
    refused(directory, "funding_all_venues.parquet: is missing")


def test_a_file_that_is_not_parquet(directory: Path) -> None:
    (directory / PERP_5M).write_bytes(b"PAR1 but not really")
    assert refused(directory, "is not a readable Parquet file").path.endswith("binance_perp_5m.parquet")


def test_a_truncated_file(directory: Path) -> None:
    content = (directory / PERP_5M).read_bytes()
    # The footer is whole, the pages are not: only reading the rows can tell.
    (directory / PERP_5M).write_bytes(content[:4] + b"\0" * 3_000 + content[3_004:])
    refused(directory, "binance_perp_5m.parquet", "is not a readable Parquet file")


@pytest.mark.parametrize("column", ["ts_utc_ms", "venue", "market", "symbol", "open", "high", "low", "close"])
def test_a_missing_bar_column(directory: Path, column: str) -> None:
    table = pq.read_table(directory / PERP_5M).drop_columns([column])
    pq.write_table(table, directory / PERP_5M)
    refused(directory, "binance_perp_5m.parquet", f"lacks the column {column}", "needed: ts_utc_ms, venue")


@pytest.mark.parametrize("column", ["ts_utc_ms", "venue", "symbol", "margin", "interval_h", "funding_rate"])
def test_a_missing_funding_column(directory: Path, column: str) -> None:
    pq.write_table(pq.read_table(directory / FUNDING).drop_columns([column]), directory / FUNDING)
    refused(directory, "funding_all_venues.parquet", f"lacks the column {column}")


def test_times_of_another_type(directory: Path) -> None:
    table = pq.read_table(directory / PERP_5M)
    at = table.schema.get_field_index("ts_utc_ms")
    pq.write_table(table.set_column(at, "ts_utc_ms", table["ts_utc_ms"].cast(pa.timestamp("ms"))), directory / PERP_5M)
    refused(directory, "has ts_utc_ms as timestamp[ms]", "needed: int64 milliseconds, UTC")


def test_prices_of_another_type(directory: Path) -> None:
    table = pq.read_table(directory / PERP_5M)
    at = table.schema.get_field_index("high")
    pq.write_table(table.set_column(at, "high", table["high"].cast(pa.string())), directory / PERP_5M)
    refused(directory, "has high as string", "needed: double")


@pytest.mark.parametrize(
    ("bar", "says"),
    [
        ((DAY + 300_000, 90_000.0, 89_000.0, 88_000.0, 88_500.0), "an impossible bar for binance BTCUSDT at 2025-01-01T00:05Z"),
        ((DAY + 300_000, 90_000.0, 91_000.0, 90_500.0, 90_800.0), "an impossible bar"),
        ((DAY + 300_000, 90_000.0, 91_000.0, 0.0, 90_800.0), "an impossible bar"),
        ((DAY + 300_000, 90_000.0, float("inf"), 88_000.0, 90_800.0), "an impossible bar"),
        ((DAY + 300_000, float("nan"), 91_000.0, 88_000.0, 90_800.0), "an impossible bar"),
        ((DAY + 300_000, None, 91_000.0, 88_000.0, 90_800.0), "an impossible bar"),
        ((DAY + 300_001, 90_000.0, 91_000.0, 89_000.0, 90_800.0), "off the grid of its interval"),
        ((DAY, 90_000.0, 91_000.0, 89_000.0, 90_800.0), "two bars for binance BTCUSDT at 2025-01-01T00:00Z"),
    ],
)
def test_bars_that_cannot_be(directory: Path, bar: Bar, says: str) -> None:
    made = bars("BTC", 5 * MINUTE_MS)
    perp(directory, "BTC", [made[0], bar, *made[2:]])
    assert refused(directory, says).path.endswith("binance_perp_5m.parquet")


@pytest.mark.parametrize(("hours", "rate"), [(0, 1e-4), (-8, 1e-4), (8, float("nan")), (8, 3.0), (8, None), (None, 1e-4)])
def test_funding_that_cannot_be(directory: Path, hours: int, rate: float) -> None:
    rows = [(DAY, 1e-4), (DAY + 8 * HOUR_MS, rate), *settlements(8, lambda at: 1e-4, DAY + 16 * HOUR_MS)]
    write_funding(directory / FUNDING, [("binance", "BTCUSDT", hours, rows)])
    refused(directory, "has an impossible or doubled row for binance BTCUSDT at 2025-01-01T0")


def test_doubled_funding(directory: Path) -> None:
    rows = settlements(8, lambda at: 1e-4)
    write_funding(directory / FUNDING, [("binance", "BTCUSDT", 8, [*rows, rows[1]])])
    refused(directory, "has an impossible or doubled row for binance BTCUSDT at 2025-01-01T08:00Z")


@pytest.mark.parametrize("window", [(DAY + DAY_MS, DAY), (DAY, DAY), (DAY, DAY + HOUR_MS - 1), (DAY, DAY + WINDOW_MAX_MS + 1)])
def test_a_window_of_an_impossible_length(whole: Path, window: tuple[int, int]) -> None:
    refused(whole, "a window runs forward and lasts 1 h to 92 days", window=window)


def test_pyarrow_that_is_not_installed(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pyarrow", "pyarrow.compute", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)  # what the import system leaves where a package is absent
    refused(whole, "needs pyarrow, which is not installed (pip install 'hedgebot[history]')")


def test_no_venue_or_no_asset(whole: Path) -> None:
    for venues, assets in (((), ASSETS), (VENUES, ())):
        with pytest.raises(ValueError, match="at least one venue and one asset"):
            replay(whole, venues=venues, assets=assets)


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("2025-01-01..2025-01-02", WINDOW),
        ("2025-01-01T00:00Z..2025-01-02T00:00", WINDOW),
        (" 2025-01-01T02:00+02:00 .. 2025-01-01T19:00-05:00 ", WINDOW),
    ],
)
def test_windows_are_utc_unless_they_name_an_offset(text: str, window: tuple[int, int]) -> None:
    assert parse_window(text) == window


@pytest.mark.parametrize("text", ["", "2025-01-01", "2025-01-01..", "a..b", "2025-01-01..2025-01-02..2025-01-03", "2025-13-01..2025-01-02"])
def test_text_that_is_not_a_window(text: str) -> None:
    with pytest.raises(HistoryUnreadable, match=r"is not a window; write FROM\.\.TO"):
        parse_window(text)
