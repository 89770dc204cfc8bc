"""Every limit has a row, and every row names things that exist."""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal

import pytest

from bot.core.ceilings import CEILINGS
from bot.core.limit_table import LIMITS, End, LevelAt, Scope, nearing
from bot.core.limits import Breach, Effect, Limit
from bot.core.policy import Policy

STRENGTH = list(Effect)


def test_every_limit_has_exactly_one_row() -> None:
    assert set(LIMITS) == set(Limit)


@pytest.mark.parametrize("limit", Limit)
def test_a_row_names_policy_fields_with_a_ceiling(limit: Limit) -> None:
    rule = LIMITS[limit]
    assert rule.guards.endswith(".")
    for level in rule.levels:
        assert level.field in {f.name for f in fields(Policy)}
        assert level.ceiling is CEILINGS[level.field]
        assert STRENGTH.index(level.effect) <= STRENGTH.index(rule.effect)


def test_what_halts_ends_by_a_named_operator_only() -> None:
    for limit, rule in LIMITS.items():
        assert (rule.effect is Effect.HALTED) == (rule.end is End.OPERATOR), limit


def test_net_delta_pages_and_never_halts() -> None:
    rule = LIMITS[Limit.NET_DELTA]
    assert (rule.effect, rule.scope) == (Effect.PAGES, Scope.ASSET)
    assert {level.effect for level in rule.levels} == {Effect.PAGES}


def test_levels_may_be_milder_than_the_row() -> None:
    assert LIMITS[Limit.LIQUIDATION_DISTANCE].levels == (
        LevelAt(Effect.BLOCKS, "liquidation_distance_target"),
        LevelAt(Effect.REDUCING, "liquidation_distance_min"),
    )


def test_a_budget_has_one_kind_of_level_and_it_is_a_maximum() -> None:
    budgets = {limit for limit, rule in LIMITS.items() if rule.is_budget}
    assert Limit.VENUE_SHARE in budgets
    for limit in budgets:
        assert LIMITS[limit].levels
        assert all(v.field.endswith("_max") and v.effect is LIMITS[limit].effect for v in LIMITS[limit].levels), limit


@pytest.mark.parametrize(
    ("used", "allowed", "effect"),
    [("0", "0", None), ("0", "10", None), ("8.9", "10", None), ("9", "10", "tells"), ("9.9", "10", "tells"), ("10", "10", "blocks"),
     ("11", "10", "blocks"), ("1", "0", "blocks"), ("-1", "10", None)],
)  # fmt: skip
def test_people_are_told_from_nine_tenths_of_a_budget(used: str, allowed: str, effect: str | None) -> None:
    told = nearing(Limit.LEVERAGE, "okx", Decimal(used), Decimal(allowed), "USD")
    assert told == (None if effect is None else Breach(Limit.LEVERAGE, "okx", Decimal(used), Decimal(allowed), "USD", Effect(effect)))


def test_controls_of_the_core_that_are_limits_are_named() -> None:
    named = {control for rule in LIMITS.values() for control in rule.controls}
    assert {f"C{n:02d}" for n in (4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 22, 23, 25, 26, 27, 28, 29)} <= named


def test_a_breach_is_a_sentence_with_its_numbers() -> None:
    assert Breach(Limit.LEVERAGE, "okx", Decimal(4), Decimal(3), "USD").sentence() == "leverage on okx: 4 (allowed 3), USD"
    assert Breach(Limit.UNRECONCILED, "okx", None, None).sentence() == "unreconciled on okx"
