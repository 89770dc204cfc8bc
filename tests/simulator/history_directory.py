"""A small history directory in the layout of the real one, written by tests: every row is an argument, so every fault is too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import sin
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bot.simulator.history import HistoryPath
from bot.simulator.market import PathPoint

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
DAY = 1_735_689_600_000  # 2025-01-01T00:00Z

Bar = tuple[int, float, float, float, float]

VENUES = ("binanceusdm", "bybit", "okx")
ASSETS = ("BTC", "ETH")
WINDOW = (DAY, DAY + DAY_MS)
PERP_5M, PERP_1H, BYBIT = "klines/binance_perp_5m.parquet", "klines/binance_perp_1h.parquet", "klines/bybit_perp_15m.parquet"
FUNDING = "funding/funding_all_venues.parquet"


def price(asset: str, at: int, seed: int = 0) -> float:
    """A smooth made-up price, the same for every file, so that bars of different length agree."""
    opening = {"BTC": 90_000.0, "ETH": 3_000.0, "SOL": 200.0}[asset]
    draw = Random(f"{asset}/{at // MINUTE_MS}/{seed}").gauss(0.0, 1.0)
    return opening * (1 + 0.02 * sin(at / (3 * HOUR_MS)) + 0.0004 * draw)


def bars(asset: str, interval_ms: int, first: int = DAY, last: int = DAY + DAY_MS, seed: int = 0) -> list[Bar]:
    """Bars over [first, last), built from minutes: open = close of the bar before."""
    made: list[Bar] = []
    for start in range(first, last, interval_ms):
        minutes = [price(asset, at, seed) for at in range(start, start + interval_ms + 1, MINUTE_MS)]
        made.append((start, minutes[0], max(minutes), min(minutes), minutes[-1]))
    return made


def write(path: Path, columns: dict[str, Sequence[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


def write_bars(path: Path, series: Iterable[tuple[str, str, str, Sequence[Bar]]]) -> None:
    """Writes (venue, market, symbol, bars) series into one file with the real files' columns."""
    rows = [(start, venue, market, symbol, *ohlc) for venue, market, symbol, made in series for start, *ohlc in made]
    names = ("ts_utc_ms", "venue", "market", "symbol", "open", "high", "low", "close")
    write(path, {name: [row[at] for row in rows] for at, name in enumerate(names)})


def write_funding(path: Path, series: Iterable[tuple[str, str, int, Sequence[tuple[int, float]]]]) -> None:
    """Writes (venue, symbol, interval in hours, (at, rate)...) series, all linear."""
    rows = [(at, venue, symbol, "linear", hours, rate) for venue, symbol, hours, made in series for at, rate in made]
    names = ("ts_utc_ms", "venue", "symbol", "margin", "interval_h", "funding_rate")
    write(path, {name: [row[at] for row in rows] for at, name in enumerate(names)})


def settlements(hours: int, rate: Callable[[int], float], first: int = DAY, last: int = DAY + DAY_MS) -> list[tuple[int, float]]:
    return [(at, rate(at)) for at in range(first, last + 1, hours * HOUR_MS)]


def write_directory(root: Path) -> Path:
    """Binance BTC and ETH (5 min and 1 h perpetual, 1 h mark, 5 min spot), Bybit BTC and ETH (15 min), funding at both; one day."""
    for minutes, name in ((5, PERP_5M), (60, PERP_1H)):
        series = [("binance", "perp_linear", f"{asset}USDT", bars(asset, minutes * MINUTE_MS)) for asset in ASSETS]
        write_bars(root / name, series)
    write_bars(
        root / BYBIT,
        [("bybit", "perp_linear", f"{asset}USDT", scaled(bars(asset, 15 * MINUTE_MS), 1.0002)) for asset in ASSETS],
    )
    write_bars(
        root / "klines/mark_1h.parquet",
        [("binance", "perp_linear", f"{asset}USDT", scaled(bars(asset, HOUR_MS), 1.0001)) for asset in ASSETS],
    )
    write_bars(
        root / "klines/binance_spot_5m.parquet",
        [("binance", "spot", f"{asset}USDT", scaled(bars(asset, 5 * MINUTE_MS), 1.0005)) for asset in ASSETS],
    )
    write_funding(
        root / FUNDING,
        [("binance", f"{asset}USDT", 8, settlements(8, lambda at: 1e-4 + (at - DAY) / DAY_MS * 1e-5)) for asset in ASSETS]
        + [("bybit", f"{asset}USDT", 4, settlements(4, lambda at: -5e-5)) for asset in ASSETS],
    )
    return root


def scaled(made: Sequence[Bar], factor: float) -> list[Bar]:
    return [(start, opened * factor, high * factor, low * factor, closed * factor) for start, opened, high, low, closed in made]


def perp(directory: Path, asset: str, made: Sequence[Bar]) -> None:
    """Replaces the 5 min bars of one asset and drops the 1 h bars, so that these are all that Binance has."""
    others = [("binance", "perp_linear", f"{other}USDT", bars(other, 5 * MINUTE_MS)) for other in ASSETS if other != asset]
    write_bars(directory / PERP_5M, [("binance", "perp_linear", f"{asset}USDT", made), *others])
    (directory / PERP_1H).unlink(missing_ok=True)


def replay(
    directory: Path, window: tuple[int, int] | None = WINDOW, venues: Sequence[str] = VENUES, assets: Sequence[str] = ASSETS, seed: int = 0
) -> HistoryPath:
    return HistoryPath(directory, window, venues, assets, seed=seed)


def point(path: HistoryPath, at: int, venue: str, asset: str) -> PathPoint:
    return next(point for point in path.sample(at) if (point.venue, point.asset) == (venue, asset))
