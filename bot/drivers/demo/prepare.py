"""From what a person chose to what is played, or one sentence on why it cannot be: before anything is started or written.

The story needs each venue to settle its funding once. So the play begins as late in the market path as it takes for the settlements to fall
at about 70 % of the run, whatever the speed; a path that ends before the story does is refused.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from tempfile import mkdtemp

from bot.core.units import Millis
from bot.drivers.demo.cast import ASSETS, Part, cast_of
from bot.drivers.demo.treasury import FileTreasury, StreamTreasury, Treasury
from bot.drivers.planned_faults import planned_in
from bot.drivers.refusals import DemoRefused
from bot.simulator.generator import GeneratedPath
from bot.simulator.history import HistoryPath, parse_window
from bot.simulator.market import MarketPath

START_MS: Millis = 1_767_225_600_000  # 2026-01-01T00:00Z: where generated market time begins
STORY_S = 60.0
"""How long the story takes when no end is set."""
MARKET_HOURS = 10
"""Market time that the story spans unless a speed is given: every venue settles its funding once in it, and a path of a day goes on
after it for as long as a late story is waited for."""
SETTLED_BY = Decimal("0.72")
"""The part of the played span after which every venue has settled its funding; the bot's start takes some of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """What a person may choose. `seconds` None ends with the story; `speed` None spans it with MARKET_HOURS; no `venues`: all."""

    seconds: float | None
    plain: bool
    seed: int
    history: Path | None
    window: str | None
    speed: Decimal | None
    summary: Path | None
    folder: Path | None
    crash: bool
    crashes: int = 0
    venues: tuple[str, ...] = ()
    faults: Path | None = None
    redis: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What is played: the path from `begin_ms` (market time) on, at `speed`, for `seconds`; `is_own_folder`: ours to remove."""

    cast: tuple[Part, ...]
    path: MarketPath
    begin_ms: Millis
    speed: Decimal
    seconds: float
    folder: Path
    is_own_folder: bool
    treasury: Treasury


def prepare(options: DemoOptions) -> Prepared:
    """Raises HistoryUnreadable, DemoRefused or ConfigError, each with one sentence; nothing has been written then."""
    cast = cast_of(options.venues)
    if options.faults is not None:
        planned_in(options.faults)  # before a market is made: it takes seconds
    path = _market_of(options, cast)
    seconds = options.seconds or STORY_S
    length = path.end_ms - path.start_ms
    span = int(options.speed * Decimal(str(seconds)) * 1000) if options.speed else min(MARKET_HOURS * 3_600_000, length)
    begin = _begin(path, span, cast)
    _check_summary(options.summary)
    stream = None if options.redis is None else StreamTreasury(options.redis)
    folder, is_own = _folder(options.folder)
    treasury = stream or FileTreasury(folder)
    speed = Decimal(span) / Decimal(str(seconds)) / 1000
    return Prepared(
        cast=cast, path=path, begin_ms=begin, speed=speed, seconds=seconds, folder=folder, is_own_folder=is_own, treasury=treasury
    )


def _market_of(options: DemoOptions, cast: Sequence[Part]) -> MarketPath:
    venues = [part.venue for part in cast]
    if options.history is None:
        intervals = {(part.venue, asset): part.funding_interval_ms for part in cast for asset in ASSETS}
        return GeneratedPath(options.seed, START_MS, venues, ASSETS, intervals)
    window = parse_window(options.window) if options.window else None
    return HistoryPath(options.history, window, venues, ASSETS, seed=options.seed)


def _begin(path: MarketPath, span: Millis, cast: Sequence[Part]) -> Millis:
    """The first instant from which every venue settles within SETTLED_BY of the span, and the path lasts to the end of it."""
    lead = int(span * SETTLED_BY)
    first: dict[str, Millis] = {}
    for settlement in path.settlements(path.start_ms, path.end_ms):
        if settlement.at >= path.start_ms + min(lead, path.end_ms - path.start_ms):
            first.setdefault(settlement.venue, settlement.at)
    if missing := [part.venue for part in cast if part.venue not in first]:
        raise DemoRefused(f"{path.label}: {missing[0]} settles no funding in it that the story could show; choose a longer window")
    begin = max(path.start_ms, max(first.values()) - lead)
    if begin + span > path.end_ms:
        hours, has = span / 3_600_000, (path.end_ms - begin) / 3_600_000
        raise DemoRefused(
            f"--speed: at this speed the story spans {hours:.1f} market hours, and {path.label} has {has:.1f} from where it would begin;"
            " choose a lower speed, a shorter time or a longer window"
        )
    return begin


def _check_summary(summary: Path | None) -> None:
    if summary is None:
        return
    if summary.is_dir():
        raise DemoRefused(f"--summary: {summary} is a folder; name a file")
    if not summary.parent.is_dir() or not os.access(summary.parent, os.W_OK):
        raise DemoRefused(f"--summary: the folder {summary.parent} is not there or cannot be written to")
    if summary.exists() and not os.access(summary, os.W_OK):
        raise DemoRefused(f"--summary: {summary} cannot be written to")


def _folder(folder: Path | None) -> tuple[Path, bool]:
    if folder is None:
        return Path(mkdtemp(prefix="hedgebot-demo-")), True
    try:
        if folder.exists() and not folder.is_dir():
            raise DemoRefused(f"--folder: {folder} is a file; name a new or an empty folder")
        if folder.is_dir() and any(folder.iterdir()):
            raise DemoRefused(f"--folder: {folder} is not empty; name a new or an empty folder, so that nothing in it is overwritten")
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DemoRefused(f"--folder: {folder} cannot be made ({error.strerror})") from None
    return folder, False
