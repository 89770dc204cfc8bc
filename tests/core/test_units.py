"""Rounding has a direction, ranges have two ends."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.units import ONE, ZERO, Range, down_to_step, sign, toward_zero_to_step, up_to_step

D = Decimal
VALUES = st.decimals(min_value=D("-1e12"), max_value=D("1e12"), allow_nan=False, places=12)
STEPS = st.sampled_from([D("1e-8"), D("0.001"), D("0.1"), D(1), D("2.5"), D(7), D(1000)])


@pytest.mark.parametrize(
    ("value", "toward_zero", "down", "up"),
    [("1.29", "1.2", "1.2", "1.3"), ("-1.29", "-1.2", "-1.3", "-1.2"), ("1.2", "1.2", "1.2", "1.2"), ("-0.05", "0", "-0.1", "0")],
)
def test_each_direction_by_example(value: str, toward_zero: str, down: str, up: str) -> None:
    step = D("0.1")
    assert toward_zero_to_step(D(value), step) == D(toward_zero)
    assert down_to_step(D(value), step) == D(down)
    assert up_to_step(D(value), step) == D(up)


@given(VALUES, STEPS)
def test_s30_rounding_goes_where_its_name_says_by_less_than_a_step(value: Decimal, step: Decimal) -> None:
    nearest, lower, upper = toward_zero_to_step(value, step), down_to_step(value, step), up_to_step(value, step)
    assert abs(nearest) <= abs(value)
    assert lower <= value <= upper
    assert value - lower < step
    assert upper - value < step
    assert {nearest % step, lower % step, upper % step} == {ZERO}


def test_a_quotient_that_rounds_up_does_not_make_a_step_that_is_not_there() -> None:
    value = D("0.9999999999999999999999999999")
    step = value + D("1e-28")
    assert toward_zero_to_step(value, step) == ZERO
    third = D("0.3333333333333333333333333334")
    assert (ONE / third).quantize(D("1e-26")) == 3
    assert toward_zero_to_step(ONE, third) == 2 * third


@pytest.mark.parametrize("step", ["0", "-1"])
def test_a_step_that_is_not_positive_is_refused(step: str) -> None:
    with pytest.raises(ValueError, match="step must be positive"):
        toward_zero_to_step(ONE, D(step))


def test_sign() -> None:
    assert [sign(D(v)) for v in ("-0.1", "0", "3")] == [-1, 0, 1]


@given(VALUES, VALUES, VALUES, VALUES)
def test_ranges_add_and_scale(a: Decimal, b: Decimal, c: Decimal, factor: Decimal) -> None:
    one, other = Range.spanning(a, b), Range.exactly(c)
    total = one + other
    assert (total.low, total.high) == (min(a, b) + c, max(a, b) + c)
    scaled = one.times(factor)
    assert {scaled.low, scaled.high} == {a * factor, b * factor}
    assert one.low <= one.middle <= one.high
    assert abs(one.worst) == max(abs(a), abs(b))


@pytest.mark.parametrize(
    ("low", "high", "nearest", "worst"),
    [("-1", "2", "0", "2"), ("1", "2", "1", "2"), ("-3", "-2", "-2", "-3"), ("-2", "2", "0", "2"), ("0", "0", "0", "0")],
)
def test_the_ends_of_a_range(low: str, high: str, nearest: str, worst: str) -> None:
    known = Range(D(low), D(high))
    assert (known.nearest_zero, known.worst) == (D(nearest), D(worst))
    assert known.is_exact == (low == high)


def test_a_range_with_its_ends_exchanged_is_refused() -> None:
    with pytest.raises(ValueError, match="low <= high"):
        Range(ONE, ZERO)
