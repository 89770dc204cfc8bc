"""Which records belong to which settlement: those between it and the next one, wherever it is certain which one is the next.

A market may run faster than its venues say (a simulation's does): settlements then follow each other within seconds, although the interval
is told as an hour. No such record may be taken for that of another settlement, and none that is wrong or missing may pass for it.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.core import events as ev
from bot.core.funding import apply_rate
from bot.core.funding_ledger import NEXT_TOLD_WITHIN_MS, account_of, apply_records, expect
from bot.core.records import Ledger
from bot.core.units import Millis, Range
from tests.core.test_funding_ledger import HOUR, OKX, POLICY, D, T, breaks, paid, records, sentences, settling

STEP = 6_000
"""An hour of a market that runs six hundred times as fast."""


def read(ledger: Ledger, at: Millis, next_at: Millis, rate: str = "0.0001", interval_ms: Millis = HOUR) -> Ledger:
    """The venue's funding was read: the rate, and when it settles next."""
    event = ev.FundingRateObserved(at=at, instrument=OKX, rate=D(rate), interval_ms=interval_ms, next_settlement_at=next_at)
    return apply_rate(ledger, event, POLICY)


def hourly(rate: str = "0.0001") -> Ledger:
    """Ten ETH short, and three USDT due at T, which was read a second before."""
    ledger = settling()
    state = replace(ledger.funding[OKX], rate=D(rate), interval_ms=HOUR, observed_at=T - 1_000)
    return replace(ledger, funding={OKX: state})


def settled(ledger: Ledger, *payments: ev.FundingPayment, to_at: Millis) -> Ledger:
    return apply_records(ledger, records(*payments, to_at=to_at), POLICY)


def test_settlements_seconds_apart_are_each_compared_with_their_own_record() -> None:
    ledger, known = hourly(), []
    for n in range(20):
        at = T + n * STEP
        ledger = expect(ledger, POLICY, at + 300)
        known.append(paid(f"p{n}", "3", at))
        ledger = read(ledger, at + 1_500, at + STEP)
        ledger = settled(ledger, *known, to_at=at + 1_600)
        assert account_of(ledger, OKX).expected == ()
    assert (breaks(ledger), account_of(ledger, OKX).mismatch, account_of(ledger, OKX).settlements) == (0, None, 20)


@pytest.mark.parametrize(("third", "words"), [("-3", "recorded -3,"), ("6", "recorded +6,"), (None, "recorded nothing,")])
def test_a_wrong_or_missing_record_among_settlements_seconds_apart_is_told(third: str | None, words: str) -> None:
    ledger, known = hourly(), []
    for n in range(5):
        at = T + n * STEP
        ledger = expect(ledger, POLICY, at + 300)
        quantity = third if n == 2 else "3"
        known += [] if quantity is None else [paid(f"p{n}", quantity, at)]
        ledger = settled(read(ledger, at + 1_500, at + STEP), *known, to_at=at + 1_600)
    assert breaks(ledger) == 1
    assert [s for s in sentences(ledger) if words in s and s.endswith(str(T + 2 * STEP))]


def test_a_second_payment_of_one_settlement_is_told() -> None:
    ledger = read(expect(hourly(), POLICY, T + 300), T + 1_500, T + HOUR)
    ledger = settled(ledger, paid("p1", "3", T), paid("p2", "3", T + 60_000), to_at=T + 61_000)
    assert breaks(ledger) == 1


def test_what_was_read_too_late_to_tell_the_next_settlement_is_not_compared() -> None:
    """Two settlements passed between two readings: which of the two records is whose, nobody can say."""
    ledger = read(expect(hourly(), POLICY, T + 300), T + STEP + 1_500, T + 2 * STEP)
    ledger = settled(ledger, paid("p0", "3", T), paid("p1", "3", T + STEP), to_at=T + STEP + 1_600)
    assert (breaks(ledger), account_of(ledger, OKX).expected) == (0, ())


def test_what_was_read_late_is_compared_where_the_declared_interval_agrees() -> None:
    ledger = read(expect(hourly(), POLICY, T + 300), T + 45 * 60_000, T + HOUR)
    assert breaks(settled(ledger, paid("p0", "-3", T), to_at=T + 46 * 60_000)) == 1
    assert breaks(settled(ledger, paid("p0", "3", T), to_at=T + 46 * 60_000)) == 0


def test_a_record_waits_for_the_next_settlement_to_be_told_and_not_for_ever() -> None:
    ledger = settled(expect(hourly(), POLICY, T + 300), paid("p0", "-3", T), to_at=T + 20_000)
    assert (breaks(ledger), len(account_of(ledger, OKX).expected)) == (0, 1)
    assert breaks(settled(read(ledger, T + 30_000, T + HOUR), paid("p0", "-3", T), to_at=T + 30_100)) == 1
    assert breaks(settled(ledger, paid("p0", "-3", T), to_at=T + NEXT_TOLD_WITHIN_MS)) == 1


def test_a_decision_between_keeps_which_settlement_is_the_next() -> None:
    """Records could not be read for a while: what each settlement was followed by is kept beside it."""
    ledger, known = hourly(), []
    for n in range(3):
        at = T + n * STEP
        ledger = expect(ledger, POLICY, at + 300)
        ledger = expect(read(ledger, at + 1_500, at + STEP), POLICY, at + 2_000)
        known.append(paid(f"p{n}", "3" if n != 1 else "-3", at))
    ledger = settled(ledger, *known, to_at=T + 3 * STEP - 1)
    assert (breaks(ledger), account_of(ledger, OKX).expected) == (1, ())
    assert sentences(ledger)[-1].endswith(str(T + STEP))


def test_a_settlement_that_passed_between_two_decisions_is_expected_at_the_rate_told_before_it() -> None:
    ledger = expect(read(hourly(), T + 200, T + HOUR, rate="0.0002"), POLICY, T + 700)
    assert [e.settles_at for e in account_of(ledger, OKX).expected] == [T]
    assert breaks(settled(ledger, paid("p0", "3", T), to_at=T + 1_000)) == 0
    assert breaks(settled(ledger, paid("p0", "30", T), to_at=T + 1_000)) == 1


@pytest.mark.parametrize(("recorded", "off"), [("3", 0), ("-18", 0), ("-6", 0), ("-26", 0), ("-28", 1), ("9", 1)])
def test_a_rate_that_turned_about_the_settlement_bounds_what_it_paid(recorded: str, off: int) -> None:
    """A rate moves until it settles: what was told last before and first after it are the two ends, and each may be off by half."""
    ledger = read(expect(hourly(), POLICY, T + 300), T + 1_500, T + HOUR, rate="-0.0006")
    ledger = settled(ledger, paid("p0", recorded, T), to_at=T + 2_000)
    assert breaks(ledger) == off


def test_a_settlement_that_is_put_off_has_not_passed() -> None:
    ledger = read(hourly(), T - HOUR // 2, T + 7 * HOUR, interval_ms=8 * HOUR)
    assert ledger.funding[OKX].settled_at is None
    assert account_of(expect(ledger, POLICY, T + 300), OKX).expected == ()


def test_the_same_settlement_told_a_little_otherwise_is_the_same() -> None:
    """An instant that a venue computes anew with each answer differs by milliseconds."""
    ledger = read(hourly(), T - 900, T + 1)
    ledger = read(expect(ledger, POLICY, T + 300), T + 1_500, T + HOUR)
    assert (ledger.funding[OKX].settled_at, ledger.funding[OKX].followed_at) == (T + 1, T + 1_500)
    assert [e.quantity for e in account_of(ledger, OKX).expected] == [Range.exactly(Decimal(3))]
    assert breaks(settled(ledger, paid("p0", "3", T), to_at=T + 1_600)) == 0
