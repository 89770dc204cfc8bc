"""What the book earns, and the slow signal toward stables."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.carry import SleeveRule, SleeveSignal, blended_yield, hurdle
from bot.core.units import DAY_MS

D = Decimal
RULE = SleeveRule(band_exit=D("0.02"), band_entry=D("0.02"), dwell_ms=3 * DAY_MS)
FREE = D("0.04")
RATES = st.decimals("-0.5", "0.5", places=3)


def test_f13_blended_yield() -> None:
    found = blended_yield(
        hedged_share=D("0.8"),
        funding=D("0.10"),
        staking_yield=D("0.03"),
        staked_share=D("0.5"),
        stable_share=D("0.2"),
        risk_free=FREE,
        fees=D("0.002"),
    )
    assert found == D("0.8") * D("0.115") + D("0.008") - D("0.002")


@pytest.mark.parametrize(
    ("hedged", "stable", "staked"),
    [("-0.1", "0.5", "0"), ("0.5", "-0.1", "0"), ("0.6", "0.5", "0"), ("0.5", "0.5", "1.1"), ("1", "0", "-1")],
)
def test_shares_fit_together(hedged: str, stable: str, staked: str) -> None:
    with pytest.raises(ValueError, match="shares must lie in"):
        blended_yield(
            hedged_share=D(hedged),
            funding=D(0),
            staking_yield=D(0),
            staked_share=D(staked),
            stable_share=D(stable),
            risk_free=D(0),
            fees=D(0),
        )


def test_f16_hurdle_over_a_reference_rate() -> None:
    assert hurdle(D("0.043"), D(100)) == D("0.053")
    assert hurdle(D("0.043"), D(200)) == D("0.063")


@pytest.mark.parametrize(
    ("preferred", "carry", "turns"),
    [
        (False, "0.02", False),
        (False, "0.0199", True),
        (False, "0.2", False),
        (True, "0.06", False),
        (True, "0.0601", True),
        (True, "0", False),
    ],
)
def test_f13_turns_only_beyond_the_bands(preferred: bool, carry: str, turns: bool) -> None:
    before = SleeveSignal(stables_preferred=preferred)
    now = before.observe(D(carry), FREE, 5, RULE)
    assert now == (SleeveSignal(not preferred, 5) if turns else before)


def test_f13_never_twice_within_the_dwell() -> None:
    turned = SleeveSignal().observe(D("-0.5"), FREE, 1000, RULE)
    assert turned == SleeveSignal(stables_preferred=True, turned_at=1000)
    assert turned.observe(D("0.5"), FREE, 1000 + 3 * DAY_MS - 1, RULE) is turned
    assert turned.observe(D("0.5"), FREE, 1000 + 3 * DAY_MS, RULE) == SleeveSignal(False, 1000 + 3 * DAY_MS)


def test_f13_an_absent_reading_changes_nothing() -> None:
    before = SleeveSignal()
    assert before.observe(None, FREE, 1, RULE) is before
    assert before.observe(D("-9"), None, 1, RULE) is before


@pytest.mark.parametrize(("leave", "enter", "dwell"), [("-0.1", "0", 0), ("0", "-0.1", 0), ("0", "0", -1)])
def test_rule_makes_sense(leave: str, enter: str, dwell: int) -> None:
    with pytest.raises(ValueError, match="not negative"):
        SleeveRule(band_exit=D(leave), band_entry=D(enter), dwell_ms=dwell)


@given(st.lists(st.tuples(RATES, st.integers(0, 5 * DAY_MS)), max_size=30))
def test_f13_turns_lie_a_dwell_apart_and_carry_crosses_both_bands_between_them(readings: list[tuple[Decimal, int]]) -> None:
    signal, at, turns = SleeveSignal(), 0, []
    for carry, elapsed in readings:
        at += elapsed
        now = signal.observe(carry, FREE, at, RULE)
        if now.stables_preferred is not signal.stables_preferred:
            turns.append((at, carry))
        signal = now
    for (earlier, one), (later, other) in pairwise(turns):
        assert later - earlier >= RULE.dwell_ms
        assert abs(one - other) > RULE.band_exit + RULE.band_entry
