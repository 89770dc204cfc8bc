"""What is worth writing: quiet hours cost little, nothing that decides is missing, and the order of what was heard is kept."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from bot.core.commands import ReadVenue
from bot.core.engine import step
from bot.core.events import (
    CollateralConfirmed,
    CollateralUnreadable,
    CustodyReported,
    CustodyTotal,
    DecisionDue,
    Event,
    FundingRateObserved,
    MarginObserved,
    MarginReport,
    VenueReported,
)
from bot.core.policy import Policy
from bot.core.records import Ledger, VenueRecord
from bot.core.reports import PositionReport
from bot.core.units import Asset, InstrumentId, VenueId
from bot.shell.recording import CONFIRMED_EVERY_MS, READ_EVERY_MS, Recorder, same_but_for_stamps
from bot.shell.recovery import recovered
from tests.core.market_words import mirror
from tests.shell.bench import D, hedged_bench, same_but_for_market, virtual

OKX = VenueId("okx")
T = 1_700_000_000_000


def confirmed(at: int, source: str = "desk") -> CollateralConfirmed:
    return CollateralConfirmed(at=T + at, source=source)


def reading(at: int, balance: int = 100) -> VenueReported:
    return VenueReported(
        at=T + at, venue=OKX, asked_at=T + at, clock_offset_ms=at % 7, orders=(), positions=(), fills=(), margins=(margin(balance),)
    )


def margin(balance: int, asset: str = "USDT") -> MarginReport:
    return MarginReport(asset=Asset(asset), margin_balance=D(balance), wallet_balance=None, maintenance_margin=D(1), initial_margin=None)


def rate(at: int) -> FundingRateObserved:
    return FundingRateObserved(
        at=T + at, instrument=InstrumentId("okx:X"), rate=D("0.0001"), interval_ms=28_800_000, next_settlement_at=None
    )


def custody(at: int, quantity: int = 10, *, delegated: int = 4) -> CustodyReported:
    total = CustodyTotal(asset=Asset("ETH"), quantity=D(quantity), redemption_rate=D(1))
    row = mirror("okx", str(delegated))
    return CustodyReported(at=T + at, source="desk", location="vault", as_of=T + at - 5, totals=(total,), delegations=(row,))


class Tape:
    """A recorder with the ledger that it watches."""

    def __init__(self) -> None:
        self.ledger, self.policy, self.recorder = Ledger(), Policy(), Recorder()
        self.written: list[Event] = []

    def hear(self, *events: Event) -> list[Event]:
        """What is written as these come."""
        began = len(self.written)
        for event in events:
            before, self.ledger = self.ledger, step(self.ledger, event, self.policy).ledger
            self.written.extend(self.recorder.fact(before, event, self.ledger))
        return self.written[began:]


def test_the_first_word_of_a_source_is_written_and_the_next_only_after_the_period() -> None:
    tape = Tape()
    assert tape.hear(confirmed(0)) == [confirmed(0)]
    assert tape.hear(*(confirmed(at) for at in range(1_000, CONFIRMED_EVERY_MS, 1_000))) == []
    assert tape.hear(confirmed(CONFIRMED_EVERY_MS)) == [confirmed(CONFIRMED_EVERY_MS)]
    assert tape.hear(confirmed(CONFIRMED_EVERY_MS + 1, "other")) == [confirmed(CONFIRMED_EVERY_MS + 1, "other")]


def test_a_custodian_that_says_the_same_again_is_written_as_seldom_as_a_confirmation() -> None:
    tape = Tape()
    assert tape.hear(custody(0)) == [custody(0)]
    assert tape.hear(*(custody(at) for at in range(5_000, CONFIRMED_EVERY_MS, 5_000))) == []
    assert tape.hear(custody(CONFIRMED_EVERY_MS)) == [custody(CONFIRMED_EVERY_MS)]
    assert tape.hear(custody(CONFIRMED_EVERY_MS + 5_000)) == []
    news = (custody(CONFIRMED_EVERY_MS + 10_000, 11), custody(CONFIRMED_EVERY_MS + 15_000, 11, delegated=5))
    assert tape.hear(*news) == [custody(CONFIRMED_EVERY_MS + 5_000), *news]
    assert recovered([(e, ()) for e in tape.written], tape.policy).ledger == tape.ledger


def test_a_source_that_can_be_read_again_is_written_at_once() -> None:
    tape = Tape()
    tape.hear(confirmed(0))
    deaf = CollateralUnreadable(at=T + 2_000, source="desk", reason="gone")
    assert tape.hear(confirmed(1_000), deaf, confirmed(3_000)) == [confirmed(1_000), deaf, confirmed(3_000)]


def test_readings_and_margins_that_bring_only_stamps_wait_for_their_period() -> None:
    tape = Tape()
    assert tape.hear(reading(0)) == [reading(0)]
    again = [reading(at, balance=at) for at in range(10_000, READ_EVERY_MS, 10_000)]
    assert tape.hear(*again) == []
    assert tape.hear(reading(READ_EVERY_MS)) == [reading(READ_EVERY_MS)]


def test_a_new_mark_or_equity_beside_an_inverse_position_is_a_stamp() -> None:
    def told(mark: int) -> Ledger:
        position = PositionReport(instrument=InstrumentId("okx:ETH-USD"), quantity=D(-10), entry_price=None, mark_price=D(mark))
        equity = {Asset("ETH"): margin(mark, "ETH")}
        return Ledger(venues={OKX: VenueRecord(equity_told=equity, inverse_told={position.instrument: position})})

    assert told(3_000) != told(3_001)
    assert same_but_for_stamps(told(3_000), told(3_001))


def test_the_margins_of_two_assets_do_not_supersede_each_other() -> None:
    tape = Tape()
    heard = [MarginObserved(at=T + n, venue=OKX, margin=margin(n, asset)) for n, asset in enumerate(("USDT", "USDC", "USDT", "USDC"))]
    tape.hear(reading(0), *heard)
    tape.written.extend(tape.recorder.rest())
    assert recovered([(e, ()) for e in tape.written], tape.policy).ledger == tape.ledger


def test_what_is_held_is_written_in_order_before_other_news_and_funding_does_not_release_it() -> None:
    tape = Tape()
    tape.hear(confirmed(0), reading(1))
    assert tape.hear(confirmed(1_000), reading(2_000), confirmed(3_000), rate(4_000)) == [rate(4_000)]
    deaf = CollateralUnreadable(at=T + 5_000, source="desk", reason="gone")
    assert tape.hear(deaf) == [reading(2_000), confirmed(3_000), deaf]


def test_a_clock_that_steps_back_does_not_stop_the_writing() -> None:
    tape = Tape()
    tape.hear(confirmed(3_600_000))
    assert tape.hear(confirmed(0)) == [confirmed(0)]


def test_a_fact_that_changes_nothing_is_not_written() -> None:
    tape = Tape()
    deaf = CollateralUnreadable(at=T, source="desk", reason="gone")
    assert tape.hear(deaf, replace(deaf, at=T + 5)) == [deaf]


@pytest.mark.parametrize("commands", [(), (ReadVenue(venue=OKX, fills_since=0, reason="beat"),)])
def test_a_decision_that_only_asks_for_a_reading_is_not_written(commands: tuple[ReadVenue, ...]) -> None:
    tape = Tape()
    tape.hear(confirmed(0), confirmed(1_000))
    due = DecisionDue(at=T + 2_000, quotes=())
    after = replace(tape.ledger, decided_at=due.at)
    assert tape.recorder.decision(tape.ledger, due, after, commands) == ()
    stopped = replace(after, stopping=True)
    assert list(tape.recorder.decision(tape.ledger, due, stopped, commands)) == [confirmed(1_000), due]


@virtual
async def test_an_hour_of_quiet_costs_little_and_loses_nothing():
    bench = await hedged_bench(still=True, funding_poll_s=600.0)
    bench.life.journal.append((), (), durable=True)
    began = len(bench.world.store.entries)
    await bench.passes(3_600)
    await bench.stop()
    kinds = Counter(type(e).__name__ for entry in bench.world.store.entries[began:] for e in entry.events)
    assert kinds["CollateralConfirmed"] <= 121
    assert 3 * 58 <= kinds["VenueReported"] <= 3 * 61
    assert kinds["DecisionDue"] <= 1, "none of them decided anything, but for the stop"
    assert same_but_for_market(bench.replayed(), bench.ledger)


@virtual
async def test_after_a_crash_in_a_quiet_hour_fills_are_asked_for_from_the_recorded_reading_on():
    bench = await hedged_bench(still=True, funding_poll_s=600.0)
    await bench.passes(600)
    bench.life.journal.append((), (), durable=True)  # as the timer of the journal on disk does
    live = {v: r.reported_at for v, r in bench.ledger.venues.items()}
    await bench.crash()
    recorded = {v: r.reported_at for v, r in bench.replayed().venues.items()}
    assert all(0 <= live[v] - recorded[v] <= READ_EVERY_MS for v in live)
    bench.start()
    await bench.passes(5)
    asked = {c.venue: c.fills_since for c in reversed(bench.life.telemetry.commands) if isinstance(c, ReadVenue)}
    assert all(asked[v] < recorded[v] for v in live)
