"""Reading a directory of real market history (Parquet): which bars and funding rows there are, and which of them may be believed.

Layout: `klines/<venue>_perp_<n><m|h>*.parquet`, `klines/<venue>_spot_...`, `klines/mark_<n><m|h>*.parquet` with ts_utc_ms (int64, the
bar's OPEN), venue, market, symbol, open, high, low, close; `funding/funding_all_venues.parquet` with ts_utc_ms (settlement), venue,
symbol, margin, interval_h, funding_rate (fraction per interval, > 0: longs pay). Other files are left alone: closes without bars,
inverse contracts, and bars of 8 h are too coarse or of another kind.

What is not believed, and why:
- a finer file whose closes contradict a coarser file of the same series: it is another series under a wrong label (seen: spot bars
  labelled as perpetual, which stand 5 bps off in calm and far off in a crash);
- stretches that are known to be wrong (UNRELIABLE); their bars count as missing;
- a bar that is off its grid, doubled, or has its high below its low: then the whole file is refused, for nobody knows what else is wrong.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bot.core.units import DAY_MS, Millis
from bot.simulator.market import utc

Kind = Literal["perp", "spot", "mark"]

HOUR_MS: Millis = 3_600_000
FUNDING_FILE = "funding/funding_all_venues.parquet"
AGREEMENT_MIN = 0.9
"""The smallest share of common closes in which a finer file must equal a coarser one."""

UNRELIABLE: tuple[tuple[str, Millis, Millis, str], ...] = (
    ("binance", 1_730_145_600_000, 1_730_149_800_000, "the sources disagree, presumably an outage of the exchange"),
)
"""(venue, from, until, why): perpetual bars of 2024-10-28 20:00-21:10 UTC, as the history's own description warns."""

_RECORDED_AS = {"binanceusdm": "binance"}
_BAR_FILE = re.compile(r"(?:(?P<venue>[a-z]+)_(?P<kind>perp|spot)|(?P<mark>mark))_(?P<count>\d+)(?P<unit>[mh])(?:_.*)?")
_UNIT_MS = {"m": 60_000, "h": HOUR_MS}
_BAR_COLUMNS = ("ts_utc_ms", "venue", "market", "symbol", "open", "high", "low", "close")
_FUNDING_COLUMNS = ("ts_utc_ms", "venue", "symbol", "margin", "interval_h", "funding_rate")


class HistoryUnreadable(Exception):
    """History that cannot be replayed: `path` names the directory, file or window, `why` what is wrong and what is allowed."""

    def __init__(self, path: str | Path, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path = str(path)
        self.why = why


class WindowUnserved(HistoryUnreadable):
    """The files are sound, but do not hold this window."""


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars of one series in order of time; `starts` are opens in ms, prices quote per base. They may have gaps."""

    source: str
    interval_ms: Millis
    starts: array[int]
    opens: array[float]
    highs: array[float]
    lows: array[float]
    closes: array[float]

    def count(self, start: Millis, end: Millis) -> int:
        """How many bars touch [start, end)."""
        return bisect_left(self.starts, end) - bisect_left(self.starts, start - self.interval_ms + 1)

    def gaps(self, start: Millis, end: Millis) -> Iterator[tuple[Millis, Millis]]:
        """The stretches of [start, end) that no bar covers."""
        covered = start
        for bar in self.starts:
            if bar > covered:
                yield covered, min(bar, end)
            covered = max(covered, bar + self.interval_ms)
            if covered >= end:
                return
        yield covered, end

    def agreement(self, coarser: Bars) -> tuple[int, int]:
        """How many of the closes that both have at the same instant are equal, and how many there are."""
        equal = common = 0
        for start, close in zip(coarser.starts, coarser.closes, strict=True):
            last = start + coarser.interval_ms - self.interval_ms
            at = bisect_left(self.starts, last)
            if at < len(self.starts) and self.starts[at] == last:
                common += 1
                equal += abs(self.closes[at] / close - 1) < 1e-6
        return equal, common


@dataclass(frozen=True, slots=True)
class FundingRow:
    """One settlement as recorded: `rate` is the file's fraction per interval."""

    at: Millis
    interval_ms: Millis
    rate: float


@dataclass(frozen=True, slots=True)
class _BarFile:
    path: Path
    kind: Kind
    venue: str | None
    interval_ms: Millis


class HistoryFiles:
    """One history directory. `venues` and `symbols` (in the directory's spelling) bound what is ever read.

    Raises HistoryUnreadable when the directory lacks its parts or pyarrow is not installed.
    """

    def __init__(self, directory: Path, venues: Sequence[str], symbols: Sequence[str]) -> None:
        self.directory = directory
        self._venues, self._symbols = tuple(venues), tuple(symbols)
        if not directory.is_dir():
            raise HistoryUnreadable(directory, "is not a directory; a history directory holds klines/*.parquet and " + FUNDING_FILE)
        _pyarrow(directory)
        self._bar_files = tuple(_bar_files(directory / "klines"))
        if not self._bar_files:
            raise HistoryUnreadable(directory / "klines", "holds no bars; expected files like binance_perp_5m.parquet (1m to 1h)")
        if not (directory / FUNDING_FILE).is_file():
            raise HistoryUnreadable(directory / FUNDING_FILE, "is missing; funding is read from it")
        self._tables: dict[tuple[Path, Millis, Millis], list[dict[str, Any]]] = {}

    def release(self) -> None:
        """Drops what was read and gives the memory that reading took back to the system."""
        self._tables.clear()
        _pyarrow(self.directory).default_memory_pool().release_unused()

    def bars(self, kind: Kind, venue: str, symbol: str, start: Millis, end: Millis) -> tuple[tuple[Bars, ...], tuple[str, ...]]:
        """The believed bars that touch [start, end), finest first, and a sentence for each file that is not believed."""
        believed: list[Bars] = []
        refused: list[str] = []
        for file in sorted(self._bar_files, key=lambda file: (-file.interval_ms, file.path.name)):
            if file.kind != kind or file.venue not in (venue, None):
                continue
            bars = self._read(file, venue, symbol, start, end)
            if not bars.starts:
                continue
            if against := next((other for other in believed if _contradicts(bars, other)), None):
                equal, common = bars.agreement(against)
                refused.append(f"{bars.source} not believed: {equal} of {common} closes equal those of {against.source}")
            else:
                believed.insert(0, bars)
        return tuple(believed), tuple(refused)

    def funding(self, venue: str, symbol: str, start: Millis, end: Millis) -> tuple[FundingRow, ...]:
        """The recorded settlements of a linear contract with start <= at <= end, in order."""
        path = self.directory / FUNDING_FILE
        rows: dict[Millis, FundingRow] = {}
        for row in self._rows(path, _FUNDING_COLUMNS, start, end):
            if row["venue"] != venue or row["symbol"] != symbol or row["margin"] != "linear":
                continue
            at, hours, rate = row["ts_utc_ms"], row["interval_h"], row["funding_rate"]
            if hours is None or hours <= 0 or rate is None or not abs(rate) < 1 or at in rows:
                raise HistoryUnreadable(path, f"has an impossible or doubled row for {venue} {symbol} at {utc(at)}: {rate} per {hours} h")
            rows[at] = FundingRow(at, hours * HOUR_MS, rate)
        return tuple(rows[at] for at in sorted(rows))

    def full_days(self) -> Mapping[int, frozenset[tuple[str, str, str]]]:
        """For each UTC day (days since 1970) the (kind, venue, symbol) series that have every bar of it at some resolution."""
        days: dict[int, set[tuple[str, str, str]]] = {}
        for file in self._bar_files:
            if file.venue not in (*self._venues, None):
                continue
            table = self._table(file.path, ("ts_utc_ms", "venue", "symbol"), None)
            compute = _pyarrow(self.directory).compute
            table = table.append_column("day", compute.divide(table["ts_utc_ms"], DAY_MS))
            for row in table.group_by(["venue", "symbol", "day"]).aggregate([("ts_utc_ms", "count")]).to_pylist():
                if row["ts_utc_ms_count"] == DAY_MS // file.interval_ms:
                    days.setdefault(row["day"], set()).add((file.kind, row["venue"], row["symbol"]))
        return {day: frozenset(series) for day, series in days.items()}

    def _read(self, file: _BarFile, venue: str, symbol: str, start: Millis, end: Millis) -> Bars:
        market = "spot" if file.kind == "spot" else "perp_linear"
        rows = [
            row
            for row in self._rows(file.path, _BAR_COLUMNS, start - file.interval_ms + 1, end - 1)
            if row["venue"] == venue and row["symbol"] == symbol and row["market"] == market
        ]
        rows.sort(key=lambda row: row["ts_utc_ms"])
        _check_bars(file, rows)
        if file.kind == "perp":
            rows = [row for row in rows if not _unreliable(venue, row["ts_utc_ms"], file.interval_ms)]
        columns = (array("d", [row[name] for row in rows]) for name in ("open", "high", "low", "close"))
        source = file.path.relative_to(self.directory).as_posix()
        return Bars(source, file.interval_ms, array("q", [row["ts_utc_ms"] for row in rows]), *columns)

    def _rows(self, path: Path, columns: Sequence[str], first: Millis, last: Millis) -> list[dict[str, Any]]:
        key = (path, first, last)
        if key not in self._tables:
            wanted = [("ts_utc_ms", ">=", first), ("ts_utc_ms", "<=", last), ("venue", "in", self._venues), ("symbol", "in", self._symbols)]
            self._tables[key] = self._table(path, columns, wanted).to_pylist()
        return self._tables[key]

    def _table(self, path: Path, columns: Sequence[str], wanted: list[tuple[str, str, Any]] | None) -> Any:
        pyarrow = _pyarrow(self.directory)
        try:
            schema = pyarrow.parquet.read_schema(path)
            _check_columns(path, {field.name: str(field.type) for field in schema}, columns)
            return pyarrow.parquet.read_table(path, columns=list(columns), filters=wanted, use_threads=False)  # one file, little memory
        except (OSError, pyarrow.ArrowException) as error:
            raise HistoryUnreadable(path, f"is not a readable Parquet file ({str(error).splitlines()[0]})") from error


def recorded_venue(venue: str) -> str:
    """A venue's name in a history directory."""
    return _RECORDED_AS.get(venue, venue)


def recorded_symbol(asset: str) -> str:
    """The name in a history directory of what is replayed of an asset: its USDT perpetual or spot pair."""
    return f"{asset}USDT"


def unreliable_note(venue: str, start: Millis, end: Millis) -> str | None:
    """Why perpetual bars of the venue inside [start, end) are left out, None when none are."""
    for name, first, until, why in UNRELIABLE:
        if name == venue and first < end and until > start:
            return f"{utc(first)}..{utc(until)} left out: {why}"
    return None


def _unreliable(venue: str, bar: Millis, interval_ms: Millis) -> bool:
    return any(name == venue and bar < until and bar + interval_ms > first for name, first, until, _ in UNRELIABLE)


def _contradicts(bars: Bars, coarser: Bars) -> bool:
    equal, common = bars.agreement(coarser)
    return common > 0 and equal < AGREEMENT_MIN * common


def _bar_files(directory: Path) -> Iterator[_BarFile]:
    for path in sorted(directory.glob("*.parquet")):
        if found := _BAR_FILE.fullmatch(path.stem):
            interval_ms = int(found["count"]) * _UNIT_MS[found["unit"]]
            kind: Kind = "mark" if found["mark"] else "spot" if found["kind"] == "spot" else "perp"
            # A mark price is used as its distance from the perpetual, which changes slowly; a traded price of 8 h bars would be a guess.
            if 0 < interval_ms <= (HOUR_MS if kind != "mark" else 8 * HOUR_MS):
                yield _BarFile(path, kind, found["venue"], interval_ms)


def _check_columns(path: Path, present: Mapping[str, str], needed: Sequence[str]) -> None:
    if missing := [name for name in needed if name not in present]:
        raise HistoryUnreadable(path, f"lacks the column {missing[0]}; needed: {', '.join(needed)}")
    if present["ts_utc_ms"] != "int64":
        raise HistoryUnreadable(path, f"has ts_utc_ms as {present['ts_utc_ms']}; needed: int64 milliseconds, UTC")
    for name in ("open", "high", "low", "close", "funding_rate"):
        if name in needed and present[name] != "double":
            raise HistoryUnreadable(path, f"has {name} as {present[name]}; needed: double")


def _check_bars(file: _BarFile, rows: Sequence[Mapping[str, Any]]) -> None:
    last = -1
    for row in rows:
        at, prices = row["ts_utc_ms"], (row["low"], row["open"], row["close"], row["high"])
        if at % file.interval_ms:
            raise HistoryUnreadable(file.path, f"has a bar at {utc(at)} ({at} ms), off the grid of its interval")
        if at == last:
            raise HistoryUnreadable(file.path, f"has two bars for {row['venue']} {row['symbol']} at {utc(at)}")
        if None in prices or not 0 < prices[0] <= min(prices[1:3]) or not max(prices[1:3]) <= prices[3] < float("inf"):
            raise HistoryUnreadable(file.path, f"has an impossible bar for {row['venue']} {row['symbol']} at {utc(at)}")
        last = at


def _pyarrow(directory: Path) -> Any:
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.parquet
    except ImportError as error:
        raise HistoryUnreadable(directory, "reading it needs pyarrow, which is not installed (pip install 'hedgebot[history]')") from error
    return pyarrow
