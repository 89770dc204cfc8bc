"""Collateral counts for less than it is, in steps."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.haircut import CollateralRatios, depeg_to_liquidation

D = Decimal
STEPS = [(D(10), D("0.98")), (D(20), D("0.95")), (D(40), D("0.9")), (D(50), D("0.8"))]
RATIOS = CollateralRatios.of(STEPS)


@pytest.mark.parametrize(
    ("quantity", "counted"),
    [("-3", "-3"), ("0", "0"), ("10", "9.8"), ("15", "14.55"), ("40", "37.3"), ("50", "45.3"), ("80", "45.3")],
)
def test_f7_tiered_ratios_are_a_piecewise_sum(quantity: str, counted: str) -> None:
    """0.98 for the first 10, 0.80 from 40 to 50, nothing above; a borrowed coin counts in full."""
    assert RATIOS.counted(D(quantity)) == D(counted)


def test_flat_ratio() -> None:
    assert CollateralRatios.flat(D("0.95")).counted(D(200)) == 190


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ([], "at least one step"),
        ([(D(0), D(1))], "step 0 must end above 0"),
        ([(D(5), D(1)), (D(5), D(1))], "step 1 must end above 5"),
        ([(None, D(1)), (D(5), D(1))], "step 1 must end above None"),
        ([(D(5), D("1.1"))], "ratio between 0 and 1"),
        ([(D(5), D("-0.1"))], "ratio between 0 and 1"),
        ([(D(5), D("0.8")), (None, D("0.9"))], r"ratio between 0 and 0\.8"),
    ],
)
def test_steps_that_do_not_fit_are_refused(steps: list[tuple[Decimal | None, Decimal]], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        CollateralRatios.of(steps)


def test_f7_depeg_of_a_liquid_staking_collateral() -> None:
    assert depeg_to_liquidation(D(1), D("0.01"), D("0.95")).quantize(D("1e-6")) == D("0.989474")
    assert depeg_to_liquidation(D(5), D("0.01"), D("0.9")).quantize(D("1e-6")) == D("0.944444")
    assert depeg_to_liquidation(D(100), D("0.01"), D("0.9")) == 0


@pytest.mark.parametrize(("leverage", "rate", "ratio"), [("1", "0.01", "0"), ("-1", "0.01", "1"), ("1", "-0.01", "1")])
def test_a_depeg_needs_sensible_figures(leverage: str, rate: str, ratio: str) -> None:
    with pytest.raises(ValueError, match="need ratio > 0"):
        depeg_to_liquidation(D(leverage), D(rate), D(ratio))


@given(st.decimals(0, 100, places=6), st.decimals(0, 100, places=6))
def test_more_coins_count_more_but_never_more_than_they_are(one: Decimal, other: Decimal) -> None:
    low, high = sorted((one, other))
    assert RATIOS.counted(low) <= RATIOS.counted(high) <= high
    assert RATIOS.counted(high) - RATIOS.counted(low) <= (high - low) * D("0.98")


@given(st.decimals("0.1", 5, places=3), st.decimals("0.001", "0.05", places=4), st.decimals("0.5", 1, places=3))
def test_at_the_depeg_what_is_left_is_just_the_maintenance(leverage: Decimal, rate: Decimal, ratio: Decimal) -> None:
    lost = depeg_to_liquidation(leverage, rate, ratio)
    assert abs(ratio * (1 - lost) - leverage * rate) < D("1e-26")
