"""A journal whose book the configuration no longer names: the real process refuses to start, in one sentence, and writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from bot.adapters.journal.sqlite import SqliteJournal
from bot.config import load
from bot.core.events import CollateralObserved, Event, PositionReport, SessionStarted, VenueReported
from bot.core.units import Asset, InstrumentId, VenueId
from tests.cli.test_refusals import hedgebot, refused, written

OKX = VenueId("okx")


def held(source: str, quantity: str) -> CollateralObserved:
    return CollateralObserved(
        at=2, source=source, location="vault", asset=Asset("BTC"), quantity=Decimal(quantity), redemption_rate=Decimal(1)
    )


def position(symbol: str, quantity: str) -> VenueReported:
    told = PositionReport(instrument=InstrumentId(f"okx:{symbol}"), quantity=Decimal(quantity), entry_price=None, mark_price=None)
    return VenueReported(at=3, venue=OKX, asked_at=2, clock_offset_ms=0, orders=(), positions=(told,), fills=(), margins=())


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ((held("old-desk", "2.5"),), ("2.5 BTC at vault", "'old-desk'", "name it again")),
        ((position("SOL-USDT-SWAP", "-3"),), ("-3 in okx:SOL-USDT-SWAP", "name it again, flatten it")),
    ],
)
def test_a_book_that_the_configuration_does_not_name_is_refused(tmp_path: Path, facts: Sequence[Event], words: Sequence[str]) -> None:
    path = written(tmp_path, listen="127.0.0.1:0")
    settings = load(path)
    start = SessionStarted(at=1, epoch="h1", config_hash="c", policy=settings.to_policy())
    with closing(SqliteJournal(settings.journal_path, settings.identity)) as journal:
        journal.append([start, *facts], [], durable=True)
    refused(hedgebot("run", str(path), cwd=tmp_path), *words)
    with closing(SqliteJournal(settings.journal_path, settings.identity)) as journal:
        assert [event for event, _ in journal.recover()] == [start, *facts]
        assert journal.next_epoch() == 1, "no run began"
