"""Rates on one time base (F2), their age, the flip with hysteresis (S10, C28) and the trip-wire."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core import events as ev
from bot.core.funding import apply_rate, known_annual, smoothed
from bot.core.rates import annualised
from bot.core.records import FundingState, Ledger
from bot.core.units import InstrumentId
from tests.core.story import listed, policy_for

D = Decimal
HOUR = 3_600_000
OKX = InstrumentId("okx:ETH")
POLICY = policy_for("ETH", funding_half_life_ms=1_000, funding_dwell_ms=10_000, funding_flip_exit=D("-0.02"), funding_flip_enter=D(0))


def rate_told(at: int, rate: str | None, interval_ms: int | None = 8 * HOUR) -> ev.FundingRateObserved:
    return ev.FundingRateObserved(
        at=at, instrument=OKX, rate=None if rate is None else D(rate), interval_ms=interval_ms, next_settlement_at=None
    )


def after(*events: ev.FundingRateObserved, ledger: Ledger | None = None) -> FundingState:
    ledger = ledger or Ledger()
    for event in events:
        ledger = apply_rate(ledger, event, POLICY)
    return ledger.funding[OKX]


@pytest.mark.parametrize(
    ("rate", "hours", "annual"),
    [
        ("0.0001", 8, "0.1095"),  # 0.01 % per 8 h = 10.95 % simple
        ("0.00005", 4, "0.1095"),
        ("0.0000125", 1, "0.1095"),
        ("-0.0003", 8, "-0.3285"),
        ("0.00017123", 1, "1.4999748"),  # the cap of 0.017123 % per hour is 150 % a year
    ],
)
def test_f2_the_same_carry_has_the_same_annual_rate_whatever_the_interval(rate: str, hours: int, annual: str) -> None:
    assert annualised(D(rate), hours * HOUR) == D(annual)


def test_an_interval_that_is_no_length_is_refused() -> None:
    with pytest.raises(ValueError, match="must be positive"):
        annualised(D("0.0001"), 0)


def test_after_one_half_life_the_old_weighs_one_half() -> None:
    assert smoothed(D("0.1"), D("0.2"), 1_000, 1_000) == D("0.15")
    assert smoothed(D("0.1"), D("0.2"), 2_000, 1_000) == D("0.175")
    assert smoothed(None, D("0.2"), 0, 1_000) == D("0.2")
    assert smoothed(D("0.1"), D("0.2"), -500, 1_000) == D("0.1")  # a clock that stepped back


@given(
    st.decimals(min_value=-2, max_value=2, places=4),
    st.decimals(min_value=-2, max_value=2, places=4),
    st.integers(min_value=0, max_value=10**9),
)
def test_a_smoothed_rate_lies_between_the_old_and_the_new(old: Decimal, new: Decimal, elapsed: int) -> None:
    assert min(old, new) - D("1e-20") <= smoothed(old, new, elapsed, 86_400_000) <= max(old, new) + D("1e-20")


def test_s9_the_interval_may_change_while_a_position_is_open() -> None:
    state = after(rate_told(0, "0.0001"), rate_told(60_000, "0.0001", 4 * HOUR), rate_told(120_000, "0.0001", HOUR))
    assert state.interval_ms == HOUR
    assert state.annual is not None
    assert abs(state.annual - D("0.876")) < D("0.0001")


@pytest.mark.parametrize("untold", [None, 0, -5])
def test_an_interval_that_was_not_told_is_the_one_before_or_the_listed_one(untold: int | None) -> None:
    assert after(rate_told(0, "0.0001", 4 * HOUR), rate_told(9, "0.0001", untold)).interval_ms == 4 * HOUR
    with_listing = Ledger(instruments={OKX: listed("okx", "ETH", funding_interval_ms=HOUR)})
    assert after(rate_told(0, "0.0001", untold), ledger=with_listing).interval_ms == HOUR
    assert apply_rate(Ledger(), rate_told(0, "0.0001", untold), POLICY) == Ledger()


def test_s10_a_missing_rate_is_no_flip_and_no_news() -> None:
    ledger = apply_rate(Ledger(), rate_told(0, "-0.0005"), POLICY)
    assert apply_rate(ledger, rate_told(60_000, None), POLICY) is ledger


def test_c28_a_flip_needs_the_dwell_and_ends_only_above_the_other_threshold() -> None:
    bad, mild, good = "-0.0005", "-0.00001", "0.0005"  # -54.75 %, -1.1 %, +54.75 % a year
    assert not after(rate_told(0, bad)).flipped
    assert not after(rate_told(0, bad), rate_told(9_999, bad)).flipped
    flipped = [rate_told(0, bad), rate_told(10_000, bad)]
    assert after(*flipped).flipped
    assert after(*flipped, rate_told(30_000, mild), rate_told(60_000, mild)).flipped  # better, but not good
    assert after(*flipped, rate_told(30_000, good)).flipped
    assert not after(*flipped, rate_told(30_000, good), rate_told(40_000, good)).flipped


def test_c28_what_interrupts_a_dwell_starts_it_anew() -> None:
    bad, good = "-0.0005", "0.0005"
    state = after(rate_told(0, bad), rate_told(6_000, good), rate_told(12_000, bad), rate_told(21_999, bad))
    assert not state.flipped
    assert after(rate_told(0, bad), rate_told(6_000, good), rate_told(12_000, bad), rate_told(22_000, bad)).flipped


def test_f30_two_flips_are_at_least_a_dwell_apart() -> None:
    resting = FundingState(rate=D(0), interval_ms=8 * HOUR, annual=D(1), observed_at=0, flipped=True, beyond_since=0, flipped_at=5_000)
    assert after(rate_told(12_000, "0.001"), ledger=Ledger(funding={OKX: resting})).flipped
    assert not after(rate_told(15_000, "0.001"), ledger=Ledger(funding={OKX: resting})).flipped


def test_f30_a_rate_that_swings_every_minute_flips_nothing() -> None:
    policy = replace(POLICY, funding_half_life_ms=24 * HOUR, funding_dwell_ms=600_000)
    ledger = Ledger()
    for minute in range(240):
        event = rate_told(minute * 60_000, "0.0004" if minute % 2 == 0 else "-0.0004")
        ledger = apply_rate(ledger, event, policy)
        assert not ledger.funding[OKX].flipped


def test_s10_a_rate_that_is_not_read_any_more_ages_until_it_is_unknown_and_keeps_its_flip() -> None:
    bad = "-0.0005"
    ledger = apply_rate(apply_rate(Ledger(), rate_told(0, bad), POLICY), rate_told(10_000, bad), POLICY)
    limit = 10_000 + POLICY.funding_age_max_ms
    assert known_annual(ledger, POLICY, OKX, limit) == D("-0.5475")
    assert known_annual(ledger, POLICY, OKX, limit + 1) is None
    assert ledger.funding[OKX].flipped, "not knowing is no recovery"
    assert known_annual(ledger, POLICY, InstrumentId("okx:BTC"), 0) is None


def test_s10_a_dwell_does_not_run_on_through_a_gap_in_the_readings() -> None:
    bad, later = "-0.0005", POLICY.funding_age_max_ms + 1
    state = after(rate_told(0, bad), rate_told(later, bad))
    assert (state.flipped, state.beyond_since, state.watched_since) == (False, later, later)
    assert after(rate_told(0, bad), rate_told(later, bad), rate_told(later + 10_000, bad)).flipped
    assert after(rate_told(0, bad), rate_told(later - 1, bad)).watched_since == 0


def test_the_next_settlement_is_remembered() -> None:
    event = replace(rate_told(0, "0.0001"), next_settlement_at=8 * HOUR)
    assert after(event).next_settlement_at == 8 * HOUR
    assert after(event, rate_told(1, "0.0001")).next_settlement_at is None, "what the venue says now, not what it said once"


def tripped(at: int, rate: str, **changes: Any) -> FundingState:
    policy = replace(POLICY, funding_dwell_ms=10**9, funding_trip_half_life_ms=HOUR, **changes)
    ledger = apply_rate(apply_rate(Ledger(), rate_told(0, rate), policy), rate_told(at, rate), policy)
    return ledger.funding[OKX]


@pytest.mark.parametrize(
    ("at", "rate", "flips"),
    [
        (HOUR, "-0.0005", True),  # -54.75 % a year for as long as the mean takes
        (HOUR - 1, "-0.0005", False),  # not watched long enough: one wild reading is no day
        (HOUR, "-0.0004", False),  # -43.8 %
    ],
)
def test_the_trip_wire_flips_at_once_what_a_days_mean_proves(at: int, rate: str, flips: bool) -> None:
    assert tripped(at, rate).flipped is flips


def test_the_trip_wire_is_told_and_does_not_trip_twice() -> None:
    policy = replace(POLICY, funding_dwell_ms=10**9, funding_trip_half_life_ms=HOUR)
    ledger = Ledger()
    for at in (0, HOUR, 2 * HOUR):
        ledger = apply_rate(ledger, rate_told(at, "-0.001"), policy)
    assert [n.sentence for n in ledger.notes] == ["flipped: shorts pay, -1.0950 a year, beyond the trip-wire within a day"]
    assert ledger.funding[OKX].flipped_at == HOUR
