"""Rewards vest over eight hours; the share price tells what was earned."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.units import DAY_MS
from bot.core.vesting import VESTING_MS, realised_yield, share_price, unvested

D = Decimal
HOUR = 3_600_000


@pytest.mark.parametrize(("hours", "left"), [(0, 80_000), (2, 60_000), (4, 40_000), (8, 0), (9, 0)])
def test_f15_unvested_of_80000(hours: int, left: int) -> None:
    assert unvested(D(80_000), hours * HOUR) == left


def test_f15_another_period() -> None:
    assert unvested(D(100), HOUR, 2 * HOUR) == 50


def test_f15_share_price_counts_only_what_has_vested() -> None:
    assert share_price(D(1_180_000), unvested(D(80_000), 0), D(1_000_000)) == D("1.1")
    assert share_price(D(1_180_000), unvested(D(80_000), VESTING_MS), D(1_000_000)) == D("1.18")
    assert share_price(D(0), D(0), D(0)) is None


def test_yield_between_two_share_prices() -> None:
    assert realised_yield(D(1), D("1.1"), 365 * DAY_MS) == D("0.1")
    assert realised_yield(D(1), D("1.001"), 7 * DAY_MS).quantize(D("0.00001")) == (D("1.001") ** (D(365) / 7) - 1).quantize(D("0.00001"))
    assert realised_yield(D("1.1"), D(1), 365 * DAY_MS) < 0


@pytest.mark.parametrize(("quantity", "elapsed", "period"), [(-1, 0, 1), (1, -1, 1), (1, 0, 0)])
def test_vesting_makes_sense(quantity: int, elapsed: int, period: int) -> None:
    with pytest.raises(ValueError, match="need quantity and time"):
        unvested(D(quantity), elapsed, period)


@pytest.mark.parametrize(("balance", "left", "supply"), [(1, 2, 1), (1, -1, 1), (1, 0, -1)])
def test_a_vault_makes_sense(balance: int, left: int, supply: int) -> None:
    with pytest.raises(ValueError, match="need 0 <= unvested"):
        share_price(D(balance), D(left), D(supply))


@pytest.mark.parametrize(("earlier", "later", "elapsed"), [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_a_yield_needs_prices_and_time(earlier: int, later: int, elapsed: int) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        realised_yield(D(earlier), D(later), elapsed)


@given(st.decimals(0, 10**9, places=6), st.integers(0, 2 * VESTING_MS), st.integers(0, 2 * VESTING_MS))
def test_what_is_unvested_only_shrinks(quantity: Decimal, one: int, other: int) -> None:
    early, late = sorted((one, other))
    assert 0 <= unvested(quantity, late) <= unvested(quantity, early) <= quantity


@given(st.decimals("0.5", 2, places=6), st.decimals("0.9", "1.2", places=6), st.integers(DAY_MS, 1000 * DAY_MS))
def test_compounding_the_yield_back_gives_the_later_price(price: Decimal, growth: Decimal, elapsed: int) -> None:
    annual = realised_yield(price, price * growth, elapsed)
    assert abs((1 + annual) ** (D(elapsed) / (365 * DAY_MS)) - growth) < D("1e-20")
