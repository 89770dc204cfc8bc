"""How much fits, what binds, and what our own weight does to funding."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.capacity import (
    Capacity,
    CapacityBound,
    CapacityRules,
    capacity,
    capacity_of_all,
    fitted_impact,
    funding_under,
    notional_down_to,
)

D = Decimal
BILLION = 10**9
RULES = CapacityRules(open_interest_share=D("0.1"), depth_multiple=D(2), margin_buffer=D("0.425"))
PLENTY = D(1000 * BILLION)


@pytest.mark.parametrize(("share", "open_interest", "notional"), [("0.07", "110", "7.7"), ("0.10", "250", "25")])
def test_f14_share_of_open_interest(share: str, open_interest: str, notional: str) -> None:
    rules = replace(RULES, open_interest_share=D(share))
    found = capacity(D(open_interest) * BILLION, PLENTY, PLENTY, rules)
    assert found == Capacity(D(notional) * BILLION, CapacityBound.OPEN_INTEREST)


@pytest.mark.parametrize(
    ("open_interest", "depth", "margin", "notional", "bound"),
    [
        (1000, 300, 1000, "100", CapacityBound.OPEN_INTEREST),
        (1000, 100, 1000, "50", CapacityBound.DEPTH),
        (1000, 300, 17, "40", CapacityBound.MARGIN),
        (1000, 200, 1000, "100", CapacityBound.OPEN_INTEREST),
        (1000, 300, -17, "0", CapacityBound.MARGIN),
    ],
)
def test_f14_the_least_rule_binds(open_interest: int, depth: int, margin: int, notional: str, bound: CapacityBound) -> None:
    assert capacity(D(open_interest), D(depth), D(margin), RULES) == Capacity(D(notional), bound)


def test_f14_an_unknown_figure_is_no_capacity_told() -> None:
    for figures in ((None, D(1), D(1)), (D(1), None, D(1)), (D(1), D(1), None)):
        assert capacity(*figures, RULES) is None


def test_f14_capacity_of_all() -> None:
    one, other = Capacity(D(3), CapacityBound.DEPTH), Capacity(D(4), CapacityBound.MARGIN)
    assert capacity_of_all([one, other]) == 7
    assert capacity_of_all([one, None]) is None
    assert capacity_of_all([]) == 0


@pytest.mark.parametrize(
    ("field", "value"), [("open_interest_share", "0"), ("open_interest_share", "1.1"), ("depth_multiple", "0"), ("margin_buffer", "-1")]
)
def test_rules_make_sense(field: str, value: str) -> None:
    with pytest.raises(ValueError, match="a share lies in"):
        replace(RULES, **{field: D(value)})


def test_f14_funding_falls_with_our_share() -> None:
    assert funding_under(D(10), D("0.15"), D("0.5"), D(100)) == D("0.10")
    assert notional_down_to(D("0.10"), D("0.15"), D("0.5"), D(100)) == 10
    assert notional_down_to(D("0.15"), D("0.15"), D("0.5"), D(100)) == 0
    assert notional_down_to(D("0.2"), D("0.15"), D(0), D(100)) == 0
    assert notional_down_to(D("0.1"), D("0.15"), D(0), D(100)) is None
    assert notional_down_to(D("0.1"), D("0.15"), D(-1), D(100)) is None


def test_open_interest_makes_sense() -> None:
    with pytest.raises(ValueError, match="must be positive"):
        funding_under(D(1), D(1), D(1), D(0))
    with pytest.raises(ValueError, match="not negative"):
        notional_down_to(D(0), D(1), D(1), D(-1))


def test_f14_impact_is_fitted_through_the_origin() -> None:
    assert fitted_impact([(D("0.05"), D("0.02")), (D("0.10"), D("0.06"))]) == D("0.56")
    assert fitted_impact([(D("0.05"), D("-0.01"))]) == D("-0.2")
    assert fitted_impact([]) is None
    assert fitted_impact([(D(0), D("0.3"))]) is None


@given(st.decimals("0.01", 5, places=2), st.lists(st.decimals("0.001", 1, places=3), min_size=1, max_size=8))
def test_f14_a_line_without_noise_is_found_again(impact: Decimal, shares: list[Decimal]) -> None:
    found = fitted_impact((share, share * impact) for share in shares)
    assert found is not None
    assert abs(found - impact) < D("1e-25")


@given(
    st.decimals("-0.5", "0.5", places=3), st.decimals("-0.5", "0.5", places=3), st.decimals("0.01", 5, places=2), st.integers(1, BILLION)
)
def test_f14_at_that_notional_funding_is_at_the_floor(floor: Decimal, rate: Decimal, impact: Decimal, open_interest: int) -> None:
    notional = notional_down_to(floor, rate, impact, D(open_interest))
    assert notional is not None
    assert notional >= 0
    assert abs(funding_under(notional, rate, impact, D(open_interest)) - min(rate, floor)) < D("1e-25")
