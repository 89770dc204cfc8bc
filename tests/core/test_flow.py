"""The variance of collateral flow: unbiased from the first observation, and forgetful."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.flow import FlowVariance
from bot.core.units import DAY_MS, YEAR_MS

D = Decimal
HOUR = 3_600_000
FLOWS = st.decimals(-(10**6), 10**6, places=2)
SPANS = st.integers(1, 30 * DAY_MS)


def close(one: Decimal | None, other: Decimal, within: str = "1e-25") -> bool:
    """Equal up to rounding."""
    return one is not None and abs(one - other) <= abs(other) * D(within)


def test_before_any_observation_it_is_unknown_not_zero() -> None:
    assert FlowVariance(DAY_MS).per_year is None
    assert FlowVariance(DAY_MS).observe(D(5), 0).per_year is None
    assert FlowVariance(DAY_MS).observe(D(5), -7).per_year is None


def test_the_first_observation_counts_in_full() -> None:
    assert close(FlowVariance(DAY_MS).observe(D(1000), HOUR).per_year, D(1000) ** 2 * 8760)


def test_after_one_half_life_of_quiet_half_is_left() -> None:
    settled = FlowVariance(DAY_MS)
    for _ in range(200):
        settled = settled.observe(D(-1000), DAY_MS)
    assert close(settled.per_year, D(1000) ** 2 * 365)
    assert close(settled.observe(D(0), DAY_MS).per_year, D(1000) ** 2 * 365 / 2)


def test_a_random_stream_is_estimated_well() -> None:
    draw = random.Random(4)
    estimate = FlowVariance(90 * DAY_MS)
    for _ in range(3000):
        estimate = estimate.observe(D(round(draw.gauss(0, 1000))), HOUR)
    assert close(estimate.per_year, D(1000) ** 2 * 8760, "0.1")


@given(FLOWS, SPANS, SPANS)
def test_equal_flow_per_time_is_recognised_whatever_the_half_life(flow: Decimal, elapsed: int, half_life: int) -> None:
    estimate = FlowVariance(half_life)
    for _ in range(5):
        estimate = estimate.observe(flow, elapsed)
    assert close(estimate.per_year, flow * flow * YEAR_MS / elapsed, "1e-20")


@given(FLOWS, st.integers(HOUR, 30 * DAY_MS))
def test_a_change_at_one_instant_is_the_limit_of_a_short_time(flow: Decimal, half_life: int) -> None:
    settled = FlowVariance(half_life).observe(D(1), half_life)
    at_once, soon = settled.observe(flow, 0).per_year, settled.observe(flow, 1).per_year
    assert at_once is not None
    assert close(soon, at_once, "1e-5")


@given(st.lists(st.tuples(FLOWS, SPANS), min_size=1, max_size=8), st.integers(HOUR, 30 * DAY_MS))
def test_it_is_a_mean_of_what_was_observed_and_blind_to_direction(seen: list[tuple[Decimal, int]], half_life: int) -> None:
    one = other = FlowVariance(half_life)
    for flow, elapsed in seen:
        one, other = one.observe(flow, elapsed), other.observe(-flow, elapsed)
    rates = [flow * flow * YEAR_MS / elapsed for flow, elapsed in seen]
    assert one == other
    assert one.per_year is not None
    slack = 1 + D("1e-20")
    assert min(rates) / slack <= one.per_year <= max(rates) * slack


def test_a_half_life_is_positive() -> None:
    with pytest.raises(ValueError, match="half-life must be positive"):
        FlowVariance(0)
