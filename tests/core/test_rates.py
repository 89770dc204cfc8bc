"""Rates on one time base, and what they pay."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.instrument import ContractKind
from bot.core.rates import accrued, annualised, compounded, equivalent, payment, premium_rate
from bot.core.units import YEAR_MS

D = Decimal
HOUR = 3_600_000
BP = D("0.0001")


def test_f1_hyperliquid_premium_and_hourly_payment() -> None:
    """Premium 1 % and interest 0.01 % give 0.95 % per 8 h, 0.11875 % an hour, $118.75 on 10 BTC at an oracle of 10,000."""
    eight = premium_rate(D("0.01"), D("0.0001"), D("0.0005"))
    assert eight == D("0.0095")
    hourly = equivalent(eight, 8 * HOUR, HOUR)
    assert hourly == D("0.0011875")
    assert payment(ContractKind.LINEAR, D(-10), D(10_000), hourly) == D("118.75")
    assert payment(ContractKind.LINEAR, D(10), D(10_000), hourly) == D("-118.75")


@pytest.mark.parametrize(
    ("premium", "rate_max", "rate"),
    [("0", None, "0.0001"), ("-0.01", None, "-0.0095"), ("0.0003", None, "0.0001"), ("0.5", "0.04", "0.04"), ("-0.5", "0.04", "-0.04")],
)
def test_f1_premium_is_drawn_toward_interest_and_capped(premium: str, rate_max: str | None, rate: str) -> None:
    assert premium_rate(D(premium), BP, D("0.0005"), None if rate_max is None else D(rate_max)) == D(rate)


def test_f1_inverse_payment_is_coin() -> None:
    assert payment(ContractKind.INVERSE, D(-100_000), D(50_000), BP) == D("0.0002")


def test_f1_continuous_payment_by_the_millisecond() -> None:
    whole = payment(ContractKind.INVERSE, D(-100_000), D(50_000), BP)
    assert accrued(whole, 8 * HOUR) == whole
    assert accrued(whole, HOUR) == whole / 8
    assert accrued(whole, 0) == 0
    assert accrued(whole, HOUR, 4 * HOUR) == whole / 4


@pytest.mark.parametrize(("rate", "hours"), [("0.0001", 8), ("0.00005", 4), ("0.0000125", 1)])
def test_f2_one_basis_point_per_eight_hours_on_every_base(rate: str, hours: int) -> None:
    assert annualised(D(rate), hours * HOUR) == D("0.1095")
    assert equivalent(D(rate), hours * HOUR) == BP
    assert compounded(D(rate), hours * HOUR).quantize(D("0.0001")) == D("0.1157")


def test_f2_derives_hourly_cap_is_150_percent_a_year() -> None:
    assert annualised(D("0.00017123"), HOUR).quantize(D("0.001")) == D("1.500")


@pytest.mark.parametrize("interval", [0, -1])
def test_intervals_are_positive(interval: int) -> None:
    for refused in (
        lambda: annualised(BP, interval),
        lambda: compounded(BP, interval),
        lambda: equivalent(BP, interval),
        lambda: equivalent(BP, HOUR, interval),
        lambda: accrued(D(1), 0, interval),
    ):
        with pytest.raises(ValueError, match="interval must be positive"):
            refused()


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to compound"):
        compounded(D(-1), HOUR)
    with pytest.raises(ValueError, match="reference price must be positive"):
        payment(ContractKind.LINEAR, D(1), D(0), BP)
    with pytest.raises(ValueError, match="run backwards"):
        accrued(D(1), -1)
    with pytest.raises(ValueError, match="not negative"):
        premium_rate(BP, BP, D(-1))
    with pytest.raises(ValueError, match="not negative"):
        premium_rate(BP, BP, D(1), D(-1))


@given(st.decimals("-0.005", "0.005", places=6), st.sampled_from([1, 2, 4, 8, 24]), st.sampled_from([1, 2, 4, 8, 24]))
def test_the_base_does_not_change_the_annual_rate(rate: Decimal, one: int, other: int) -> None:
    there = equivalent(rate, one * HOUR, other * HOUR)
    assert abs(annualised(there, other * HOUR) - annualised(rate, one * HOUR)) < D("1e-30")


@given(st.decimals("-0.005", "0.005", places=6), st.integers(HOUR, YEAR_MS))
def test_compounding_never_earns_less_than_the_simple_rate(rate: Decimal, interval: int) -> None:
    assert compounded(rate, interval) >= annualised(rate, interval) - D("1e-30")


@given(st.sampled_from(list(ContractKind)), st.decimals(1, 10**6, places=2), st.decimals(1, 10**5, places=2))
def test_a_positive_rate_pays_shorts_what_it_takes_from_longs(kind: ContractKind, units: Decimal, price: Decimal) -> None:
    received = payment(kind, -units, price, BP)
    assert received > 0
    assert payment(kind, units, price, BP) + received == 0
    assert payment(kind, -units, price, -BP) + received == 0
