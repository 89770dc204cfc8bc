"""Formulas carry forty digits and leave the caller's context alone."""

from __future__ import annotations

from decimal import Decimal, DivisionByZero, getcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.precision import DIGITS, HALF, halved, precisely, root

D = Decimal


@precisely
def third() -> Decimal:
    """One third, as the formula's own context rounds it."""
    return D(1) / 3


def test_a_formula_works_in_forty_digits_and_its_caller_does_not_notice() -> None:
    before = getcontext().prec
    assert third() == D("0." + "3" * DIGITS)
    assert getcontext().prec == before
    assert third.__name__ == "third"


def test_the_context_is_restored_when_a_formula_raises() -> None:
    @precisely
    def broken() -> Decimal:
        return D(1) / D(0)

    before = getcontext().prec
    with pytest.raises(DivisionByZero):
        broken()
    assert getcontext().prec == before


@given(st.decimals(min_value=D("1e-12"), max_value=D("1e30"), allow_nan=False, allow_infinity=False), st.integers(1, 9))
def test_a_root_raised_to_its_degree_is_the_value(value: Decimal, degree: int) -> None:
    @precisely
    def deviation() -> Decimal:
        return abs(root(value, degree) ** degree / value - 1)

    assert deviation() < D("1e-36")


def test_root_of_nothing() -> None:
    assert root(D(0), 3) == 0


@pytest.mark.parametrize(("value", "degree"), [("-1", 2), ("1", 0)])
def test_a_root_that_does_not_exist_is_refused(value: str, degree: int) -> None:
    with pytest.raises(ValueError, match="a root needs"):
        root(D(value), degree)


@given(st.integers(-5, 400 * 86_400_000), st.integers(1, 30 * 86_400_000))
def test_what_a_half_life_leaves_is_a_power_of_one_half(elapsed_ms: int, half_life_ms: int) -> None:
    exact = HALF ** (D(max(0, elapsed_ms)) / half_life_ms) if elapsed_ms < 300 * half_life_ms else None
    left = halved(elapsed_ms, half_life_ms)
    assert 0 <= left <= 1
    assert exact is None or abs(left - exact) <= exact * D("1e-24")


def test_after_a_thousand_half_lives_nothing_is_left() -> None:
    assert halved(1_001, 1) == 0
    assert halved(400 * 86_400_000, 1) == 0
    assert halved(1_000, 1) == HALF**1_000


def test_halves_are_exact() -> None:
    assert [halved(ms, 10) for ms in (-3, 0, 10, 30)] == [1, 1, HALF, HALF**3]
