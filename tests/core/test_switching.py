"""A change of venue pays back, or it never does."""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.switching import SwitchCost, break_even_ms, gain, gap_never_paying, pays_back
from bot.core.units import DAY_MS, YEAR_MS

D = Decimal
BP = D("0.0001")
WEEK = 7 * DAY_MS
COSTS = st.decimals("0.0001", "0.01", places=5)
GAPS = st.decimals("0.0001", 1, places=4)
HALF_LIVES = st.integers(3_600_000, YEAR_MS)


def days(span_ms: int | None) -> Decimal | None:
    """Milliseconds as days with one decimal."""
    return None if span_ms is None else (D(span_ms) / DAY_MS).quantize(D("0.1"))


def test_f10_cost_is_the_sum_of_its_parts_and_half_of_each_spread() -> None:
    parts = dict.fromkeys((field.name for field in fields(SwitchCost)), D(0))
    for name, value, total in [
        ("fee_close", D(2), D(2)),
        ("fee_open", D(-1), D(-1)),
        ("spread_close", D(2), D(1)),
        ("spread_open", D(4), D(2)),
        ("impact", D(3), D(3)),
        ("funding_lost", D(5), D(5)),
        ("settlement_wait", D(7), D(7)),
    ]:
        assert SwitchCost(**{**parts, name: value * BP}).total == total * BP


@pytest.mark.parametrize(
    ("cost_bps", "expected"),
    [(6, ["10.9", "4.4", "2.2", "1.1"]), (12, ["21.9", "8.8", "4.4", "2.2"]), (20, ["36.5", "14.6", "7.3", "3.6"])],
)
def test_f10_break_even_of_a_lasting_gap(cost_bps: int, expected: list[str]) -> None:
    gaps = [D("0.02"), D("0.05"), D("0.10"), D("0.20")]
    found = [D(break_even_ms(cost_bps * BP, gap) or 0) / DAY_MS for gap in gaps]
    assert all(abs(each - D(days_told)) <= D("0.0501") for each, days_told in zip(found, expected, strict=True))


@pytest.mark.parametrize(("cost_bps", "gap"), [(6, "0.0217"), (12, "0.0434"), (20, "0.0723")])
def test_f10_gap_below_which_a_reverting_change_never_pays(cost_bps: int, gap: str) -> None:
    assert gap_never_paying(cost_bps * BP, WEEK).quantize(D("0.0001")) == D(gap)


@pytest.mark.parametrize(("gap", "expected"), [("0.05", "5.7"), ("0.10", "2.5"), ("0.20", "1.2"), ("0.0216", None)])
def test_f10_break_even_of_a_reverting_gap(gap: str, expected: str | None) -> None:
    assert days(break_even_ms(6 * BP, D(gap), WEEK)) == (None if expected is None else D(expected))


def test_f10_exactly_at_the_border_it_never_pays() -> None:
    border = gap_never_paying(6 * BP, WEEK)
    assert break_even_ms(6 * BP, border, WEEK) is None
    assert break_even_ms(6 * BP, border * D("1.0001"), WEEK) is not None


def test_no_gap_never_pays_and_no_cost_pays_at_once() -> None:
    assert break_even_ms(D(0), D(0)) is None
    assert break_even_ms(D(-1), D("-0.1"), WEEK) is None
    assert break_even_ms(D(0), D("0.1")) == 0
    assert break_even_ms(-BP, D("0.1"), WEEK) == 0


@pytest.mark.parametrize(("within", "gap", "half_life", "pays"), [(7, "0.05", 7, True), (5, "0.05", 7, False), (700, "0.02", 7, False)])
def test_f10_payback_within_a_time(within: int, gap: str, half_life: int, pays: bool) -> None:
    assert pays_back(6 * BP, D(gap), within * DAY_MS, half_life * DAY_MS) is pays


def test_payback_is_allowed_to_take_exactly_its_time() -> None:
    needed = break_even_ms(6 * BP, D("0.05"))
    assert needed is not None
    assert pays_back(6 * BP, D("0.05"), needed)
    assert not pays_back(6 * BP, D("0.05"), needed - 1)


def test_gain_of_a_lasting_gap() -> None:
    assert gain(D("0.1"), YEAR_MS) == D("0.1")
    assert gain(D("0.1"), 0, WEEK) == 0


def test_times_make_sense() -> None:
    for refused in (
        lambda: gain(D(1), 1, 0),
        lambda: gap_never_paying(BP, -1),
        lambda: break_even_ms(BP, D(-1), 0),
        lambda: pays_back(BP, D(1), 1, 0),
    ):
        with pytest.raises(ValueError, match="half-life must be positive"):
            refused()
    with pytest.raises(ValueError, match="horizon is not negative"):
        gain(D(1), -1)


@given(COSTS, GAPS, st.none() | HALF_LIVES)
def test_at_break_even_the_gain_covers_the_cost_and_a_millisecond_earlier_it_does_not(
    cost: Decimal, gap: Decimal, half_life: int | None
) -> None:
    needed = break_even_ms(cost, gap, half_life)
    if needed is None:
        assert half_life is not None
        assert gain(gap, 1000 * half_life, half_life) <= cost
    else:
        assert gain(gap, needed, half_life) >= cost * (1 - D("1e-25"))
        assert gain(gap, needed - 1, half_life) < cost * (1 + D("1e-25"))


@given(COSTS, GAPS, HALF_LIVES)
def test_a_gap_that_reverts_pays_later_or_never_and_brings_less(cost: Decimal, gap: Decimal, half_life: int) -> None:
    lasting, reverting = break_even_ms(cost, gap), break_even_ms(cost, gap, half_life)
    assert lasting is not None
    assert reverting is None or reverting >= lasting
    assert gain(gap, half_life, half_life) < gain(gap, half_life)
