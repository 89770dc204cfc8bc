"""Slices are bounded, and say by what."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.slicing import Slice, SliceBound, SliceLimits, basis_annual, leg_risk, next_slice, unhedged_max
from bot.core.units import DAY_MS, YEAR_MS

D = Decimal
LIMITS = SliceLimits(order_notional_max=D(250_000), depth_share=D("0.1"), participation=D("0.05"), leg_notional_max=D(90_000))
MONEY = st.decimals(0, 10**8, places=2)


@pytest.mark.parametrize(
    ("remainder", "depth", "volume", "notional", "bound"),
    [
        (10_000, 10**7, 10**8, 10_000, SliceBound.REMAINDER),
        (10**6, 10**6, 10**8, 90_000, SliceBound.LEG_RISK),
        (10**6, 500_000, 10**8, 50_000, SliceBound.DEPTH),
        (10**6, 10**7, 10**6, 50_000, SliceBound.PARTICIPATION),
        (10**6, 0, 10**6, 0, SliceBound.DEPTH),
        (0, 0, 0, 0, SliceBound.REMAINDER),
    ],
)
def test_the_least_bound_wins_and_is_named(remainder: int, depth: int, volume: int, notional: int, bound: SliceBound) -> None:
    assert next_slice(D(remainder), D(depth), D(volume), LIMITS) == Slice(D(notional), bound)


def test_without_a_second_leg_the_order_limit_holds() -> None:
    alone = replace(LIMITS, leg_notional_max=None)
    assert next_slice(D(10**6), D(10**9), D(10**9), alone) == Slice(D(250_000), SliceBound.ORDER_NOTIONAL)


def test_depth_or_volume_that_is_unknown_bounds_nothing() -> None:
    wide = replace(LIMITS, leg_notional_max=None)
    assert next_slice(D(10**6), None, None, wide) == Slice(D(250_000), SliceBound.ORDER_NOTIONAL)
    assert next_slice(D(10), None, D(1), wide).bound is SliceBound.PARTICIPATION
    assert next_slice(D(10), D(1), None, wide).bound is SliceBound.DEPTH


@pytest.mark.parametrize(("remainder", "depth", "volume"), [(-1, 1, 1), (1, -1, 1), (1, 1, -1)])
def test_figures_of_a_slice_are_not_negative(remainder: int, depth: int, volume: int) -> None:
    with pytest.raises(ValueError, match="notionals are not negative"):
        next_slice(D(remainder), D(depth), D(volume), LIMITS)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("depth_share", "0"),
        ("depth_share", "1.1"),
        ("participation", "0"),
        ("participation", "2"),
        ("order_notional_max", "-1"),
        ("leg_notional_max", "-1"),
    ],
)
def test_limits_of_a_slice_make_sense(field: str, value: str) -> None:
    with pytest.raises(ValueError, match=r"must lie in|not negative"):
        replace(LIMITS, **{field: D(value)})


@given(MONEY, MONEY, MONEY)
def test_a_slice_is_inside_every_bound(remainder: Decimal, depth: Decimal, volume: Decimal) -> None:
    cut = next_slice(remainder, depth, volume, LIMITS)
    assert cut is not None
    assert cut.notional == min(remainder, D(250_000), depth * D("0.1"), volume * D("0.05"), D(90_000))


def test_f12_leg_risk_of_a_second_unhedged() -> None:
    """$1m at 60 % for 1 s: 1e6 x 0.6 x sqrt(1 / 31,536,000) x 2.33 = $248.95; a short leg risks the same."""
    assert leg_risk(D(10**6), D("0.6"), 1000).quantize(D("0.01")) == D("248.95")
    assert leg_risk(D(-(10**6)), D("0.6"), 1000) == leg_risk(D(10**6), D("0.6"), 1000)
    assert leg_risk(D(100), D("0.5"), YEAR_MS) == D("116.5")


@given(st.decimals(0, 10**6, places=2), st.decimals("0.05", 3, places=2), st.integers(1, DAY_MS))
def test_f12_the_largest_unhedged_notional_just_uses_the_budget(budget: Decimal, volatility: Decimal, latency: int) -> None:
    most = unhedged_max(budget, volatility, latency)
    assert abs(leg_risk(most, volatility, latency) - budget) <= budget * D("1e-25")
    assert leg_risk(most * 2, volatility, latency) >= budget


@pytest.mark.parametrize(("volatility", "latency"), [("0", 1), ("-1", 1), ("1", 0), ("1", -1)])
def test_a_move_needs_volatility_and_time(volatility: str, latency: int) -> None:
    for refused in (leg_risk, unhedged_max):
        with pytest.raises(ValueError, match="must be positive"):
            refused(D(1), D(volatility), latency)


def test_a_budget_is_not_negative() -> None:
    with pytest.raises(ValueError, match="budget is not negative"):
        unhedged_max(D(-1), D(1), 1)


def test_f12_entry_basis_is_yield_over_the_holding_time() -> None:
    assert basis_annual(D(101), D(100), 73 * DAY_MS) == D("0.05")
    assert basis_annual(D(99), D(100), 73 * DAY_MS) == D("-0.05")


@pytest.mark.parametrize(("perpetual", "spot", "holding"), [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_a_basis_needs_prices_and_time(perpetual: int, spot: int, holding: int) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        basis_annual(D(perpetual), D(spot), holding)
