"""Funding payments against the venue's own records (S8), and against what they should have been (F1): three comparisons, each told."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bot.core import events as ev
from bot.core.funding_ledger import (
    EXPECTED_REMEMBERED,
    RECORDED_WITHIN_MS,
    SETTLED_LATELY_MS,
    account_of,
    apply_payment,
    apply_records,
    expect,
)
from bot.core.instrument import ContractKind
from bot.core.payments import PAYMENTS_REMEMBERED, FundingTotal
from bot.core.policy import Policy
from bot.core.records import Dispute, FundingState, Ledger, Passage, Position, VenueRecord
from bot.core.units import Asset, InstrumentId, Range, VenueId
from tests.core.openings import in_doubt_at_okx
from tests.core.story import listed, policy_for, quote_of

D = Decimal
HOUR = 3_600_000
T = 1_000 * 8 * HOUR
"""A settlement, by the venue's clock."""
OKX, BYBIT = InstrumentId("okx:ETH"), InstrumentId("bybit:ETH")
POLICY = policy_for("ETH")


def paid(name: str, quantity: str, at: int = T, instrument: str = OKX, asset: str = "USDT") -> ev.FundingPayment:
    return ev.FundingPayment(instrument=InstrumentId(instrument), payment_id=name, quantity=D(quantity), asset=Asset(asset), venue_at=at)


def told(*payments: ev.FundingPayment, ledger: Ledger | None = None) -> Ledger:
    ledger = ledger or Ledger()
    for payment in payments:
        ledger = apply_payment(ledger, ev.FundingPaid(at=5, payment=payment))
    return ledger


def records(*payments: ev.FundingPayment, from_at: int = T - HOUR, to_at: int = T + HOUR, venue: str = "okx") -> ev.FundingRecordsRead:
    return ev.FundingRecordsRead(at=to_at, venue=VenueId(venue), from_at=from_at, to_at=to_at, payments=payments)


def settling(**changes: Any) -> Ledger:
    """Ten ETH short at okx at a mark of 3,000, a rate of 0.01 % about to settle: 3 USDT are due."""
    state = FundingState(rate=D("0.0001"), interval_ms=8 * HOUR, annual=D("0.1095"), observed_at=T - 1, next_settlement_at=T)
    plain = Ledger(
        instruments={OKX: listed("okx", "ETH")},
        positions={OKX: Position(quantity=D(-10))},
        funding={OKX: state},
        quotes={OKX: quote_of(OKX, D(3_000), T)},
    )
    return replace(plain, **changes)


def sentences(ledger: Ledger) -> list[str]:
    return [n.sentence for n in ledger.notes]


def breaks(ledger: Ledger) -> int:
    return ledger.tallies.breaks_by_cause.get("funding_record", 0)


def test_s8_a_payment_is_entered_once_however_often_it_is_told() -> None:
    ledger = told(paid("p1", "12.5"), paid("p2", "-2", T + HOUR), paid("p1", "12.5"), paid("p1", "3", instrument=BYBIT))
    assert account_of(ledger, OKX).totals == {Asset("USDT"): FundingTotal(received=D("12.5"), paid=D(2))}
    assert account_of(ledger, BYBIT).totals[Asset("USDT")].net == 3
    assert sentences(ledger) == ["received 12.5 USDT", "paid 2 USDT", "received 3 USDT"]
    assert told(paid("p1", "12.5"), ledger=ledger) is ledger


def test_s8_what_is_older_than_memory_is_refused_and_told_once() -> None:
    ledger = told(*(paid(f"p{n}", "1", T + n * HOUR) for n in range(PAYMENTS_REMEMBERED + 1)))
    again = told(paid("p0", "1"), paid("p0", "1"), ledger=ledger)
    assert (breaks(again), account_of(again, OKX).totals) == (1, account_of(ledger, OKX).totals)
    assert sentences(again)[-1] == f"funding_record: received 1 USDT at {T}, older than what is remembered: not entered"


def test_s8_one_venue_every_hour_another_every_eight_and_a_gap_while_the_bot_was_down() -> None:
    hourly = [paid(f"h{n}", "0.5", T + n * HOUR) for n in range(24)]
    eight = [paid(f"e{n}", "4", T + n * 8 * HOUR, BYBIT) for n in range(3)]
    ledger = apply_records(Ledger(), records(*hourly[:3]), POLICY)
    ledger = apply_records(ledger, records(eight[0], venue="bybit"), POLICY)
    for _ in range(2):  # back after a day, and told all of it twice
        ledger = apply_records(ledger, records(*hourly[1:], from_at=T + HOUR, to_at=T + 24 * HOUR), POLICY)
        ledger = apply_records(ledger, records(*eight, venue="bybit", to_at=T + 24 * HOUR), POLICY)
    assert (account_of(ledger, OKX).totals[Asset("USDT")].net, account_of(ledger, OKX).settlements) == (12, 24)
    assert (account_of(ledger, BYBIT).totals[Asset("USDT")].net, account_of(ledger, BYBIT).settlements) == (12, 3)
    assert (breaks(ledger), ledger.payments_read_at) == (0, {VenueId("okx"): T + 24 * HOUR, VenueId("bybit"): T + 24 * HOUR})


def test_what_we_hold_and_the_venue_does_not_list_is_a_break() -> None:
    ledger = told(paid("p1", "12.5"), paid("q1", "7", instrument=BYBIT))
    ledger = apply_records(ledger, records(paid("p2", "1", T + 60_000)), POLICY)
    assert sentences(ledger)[-1] == f"funding_record: +12.5 USDT settled at {T} is not among the venue's records"
    assert (breaks(ledger), account_of(ledger, BYBIT).unlisted) == (1, ()), "another venue's list says nothing of it"
    assert breaks(apply_records(ledger, records(), POLICY)) == 2, "the list lacks another one now"
    gone = replace(POLICY, instruments=frozenset())
    assert breaks(apply_records(told(paid("p1", "1")), records(), gone)) == 0, "the list leaves out what is not configured"


@pytest.mark.parametrize(("recorded", "off"), [("3", 0), ("2", 0), ("4.2", 0), ("-3", 1), ("30", 1), ("0.1", 1)])
def test_f1_a_payment_far_from_position_x_mark_x_rate_is_told(recorded: str, off: int) -> None:
    ledger = expect(settling(), POLICY, T)
    assert [e.quantity for e in account_of(ledger, OKX).expected] == [Range.exactly(D(3))]
    ledger = apply_records(ledger, records(paid("p1", recorded)), POLICY)
    assert (breaks(ledger), account_of(ledger, OKX).expected) == (off, ())
    assert (account_of(ledger, OKX).mismatch is not None) is bool(off)
    if off:
        assert "expected +3.00000000 to +3.00000000 USDT" in sentences(ledger)[-1]


def test_a_mismatch_stands_until_a_settlement_agrees() -> None:
    ledger = apply_records(expect(settling(), POLICY, T), records(paid("p1", "-3")), POLICY)
    state = replace(ledger.funding[OKX], next_settlement_at=T + 8 * HOUR)
    ledger = expect(replace(ledger, funding={OKX: state}), POLICY, T + 8 * HOUR)
    ledger = apply_records(ledger, records(paid("p1", "-3"), paid("p2", "3", T + 8 * HOUR), to_at=T + 9 * HOUR), POLICY)
    assert (account_of(ledger, OKX).mismatch, breaks(ledger)) == (None, 1)


def test_f1_an_inverse_contract_pays_in_coin() -> None:
    inverse = listed("okx", "ETH", kind=ContractKind.INVERSE, settle=Asset("ETH"), quote=Asset("USD"), contract_size=D(10))
    ledger = expect(settling(instruments={OKX: inverse}, positions={OKX: Position(quantity=D(-30_000))}), POLICY, T)
    assert account_of(ledger, OKX).expected[0].quantity == Range.exactly(D("0.001"))
    assert breaks(apply_records(ledger, records(paid("p1", "0.001", asset="ETH")), POLICY)) == 0
    assert breaks(apply_records(ledger, records(paid("p1", "-0.001", asset="ETH")), POLICY)) == 1


def test_a_settlement_that_was_never_recorded_is_told_once_the_venue_had_its_time() -> None:
    ledger = expect(settling(), POLICY, T)
    early = apply_records(ledger, records(to_at=T + RECORDED_WITHIN_MS - 1), POLICY)
    assert (breaks(early), len(account_of(early, OKX).expected)) == (0, 1)
    late = apply_records(early, records(to_at=T + RECORDED_WITHIN_MS), POLICY)
    assert (breaks(late), account_of(late, OKX).expected) == (1, ())
    assert "recorded nothing, expected" in sentences(late)[-1]
    beside = apply_records(ledger, records(from_at=T + 1, to_at=T + HOUR), POLICY)
    assert (breaks(beside), account_of(beside, OKX).expected) == (0, ()), "a list from after it says nothing of it"


def test_nothing_is_due_on_a_flat_position() -> None:
    ledger = expect(settling(positions={OKX: Position(quantity=D(0))}), POLICY, T)
    assert breaks(apply_records(ledger, records(), POLICY)) == 0
    assert breaks(apply_records(ledger, records(paid("p1", "3")), POLICY)) == 1, "paid on what we do not hold"


def test_what_moved_lately_or_may_still_move_widens_what_is_expected() -> None:
    moved = Position(quantity=D(-10), left_behind=(Passage(T - 1_000, D(-20), D(-20)), Passage(T - 60_000, D(-99), D(-99))))
    assert account_of(expect(settling(positions={OKX: moved}), POLICY, T), OKX).expected[0].quantity == Range(D(3), D(6))
    working = in_doubt_at_okx()  # an order of five that may have filled
    state = {InstrumentId("okx:ETH"): replace(settling().funding[OKX], next_settlement_at=working.now)}
    account = account_of(expect(replace(working.ledger, funding=state), POLICY, working.now), OKX)
    assert account.expected[0].quantity == Range(D(0), D(3))
    disputed = Position(quantity=D(-10), dispute=Dispute(observed=D(-5), readings=1, since=T))
    assert account_of(expect(settling(positions={OKX: disputed}), POLICY, T), OKX).expected[0].quantity == Range(D("1.5"), D(3))


@pytest.mark.parametrize(
    "changes",
    [
        {"positions": {}},
        {"quotes": {}},
        {"instruments": {}},
        {"funding": {OKX: FundingState(rate=None, interval_ms=HOUR, annual=None, observed_at=T, next_settlement_at=T)}},
        {"funding": {OKX: FundingState(rate=D(1), interval_ms=None, annual=None, observed_at=T, next_settlement_at=T)}},
    ],
)
def test_without_position_mark_rate_or_interval_nothing_is_expected(changes: dict[str, Any]) -> None:
    account = account_of(expect(settling(**changes), POLICY, T), OKX)
    assert (account.expected, account.expected_to) == ((), T)


def test_an_expectation_is_formed_once_at_the_settlement_by_the_venues_clock() -> None:
    ledger = settling(venues={VenueId("okx"): VenueRecord(clock_offset_ms=-200)})
    assert expect(ledger, POLICY, T + 199) is ledger
    once = expect(ledger, POLICY, T + 200)
    assert len(account_of(once, OKX).expected) == 1
    assert expect(once, POLICY, T + 1_000) is once
    late = expect(settling(), POLICY, T + SETTLED_LATELY_MS + 1)
    assert account_of(late, OKX).expected == (), "nobody decided when it passed"
    assert expect(settling(), Policy(), T) == settling()
    untold = replace(settling().funding[OKX], next_settlement_at=None)
    assert account_of(expect(settling(funding={OKX: untold}), POLICY, T), OKX).expected_to is None


def test_expectations_are_bounded_while_records_cannot_be_read() -> None:
    ledger = settling()
    for n in range(EXPECTED_REMEMBERED + 5):
        state = replace(ledger.funding[OKX], next_settlement_at=T + n * HOUR)
        ledger = expect(replace(ledger, funding={OKX: state}), POLICY, T + n * HOUR)
    assert len(account_of(ledger, OKX).expected) == EXPECTED_REMEMBERED
    unlisted = replace(ledger, instruments={})
    assert len(account_of(apply_records(unlisted, records(), POLICY), OKX).expected) == EXPECTED_REMEMBERED


def test_s9_what_is_expected_follows_the_interval_in_force() -> None:
    state = replace(settling().funding[OKX], interval_ms=HOUR, rate=D("0.0000125"))
    account = account_of(expect(settling(funding={OKX: state}), POLICY, T), OKX)
    assert account.expected[0].quantity == Range.exactly(D("0.375"))
