"""What is worked out is kept while its figures stay, digit by digit: pools of margin, solved problems, accounts that are told again."""

from __future__ import annotations

import dataclasses
from decimal import Decimal

import pytest

from bot.core import marks, target
from bot.core.allocation import allocate
from bot.core.allocation_terms import Problem, Solution
from bot.core.copying import replace
from bot.core.lookups import POLICIES_MAX
from bot.core.margin_account import pools
from bot.core.margin_room import margin_rooms
from bot.core.records import Ledger, VenueRecord
from bot.core.units import Asset, VenueId
from tests.core.openings import ETH, hedged
from tests.core.story import margin_report, policy_for

USDT = Asset("USDT")
BYBIT, OKX = VenueId("bybit"), VenueId("okx")


def with_account(ledger: Ledger, venue: VenueId, **changes: str) -> Ledger:
    """The ledger after a venue told other figures of its margin."""
    record = ledger.venues[venue]
    told = replace(record.margins[USDT], **{name: Decimal(value) for name, value in changes.items()})
    return replace(ledger, venues={**ledger.venues, venue: replace(record, margins={USDT: told})})


def test_what_moves_one_account_leaves_the_pools_of_the_others() -> None:
    story = hedged()
    moved = with_account(story.ledger, BYBIT, margin_balance="123456")
    for venue in (BYBIT, OKX):
        before, after = pools(story.ledger, ETH, venue), pools(moved, ETH, venue)
        rooms = margin_rooms(story.ledger, ETH, venue), margin_rooms(moved, ETH, venue)
        assert all(one is other for one, other in zip(before, after, strict=True)) is (venue == OKX)
        assert all(one is other for one, other in zip(*rooms, strict=True)) is (venue == OKX)


def test_a_figure_written_otherwise_makes_another_pool() -> None:
    story = hedged()
    (told,) = story.ledger.venues[BYBIT].margins.values()
    assert told.margin_balance is not None
    moved = with_account(story.ledger, BYBIT, margin_balance=f"{told.margin_balance}.000")
    (before,), (after,) = pools(story.ledger, ETH, BYBIT), pools(moved, ETH, BYBIT)
    assert before == after
    assert before is not after
    assert str(after.balance()).endswith(".000")


def test_a_room_follows_the_policy_that_is_asked_for() -> None:
    story = hedged()
    stricter = dataclasses.replace(ETH, leverage_max=ETH.leverage_max / 2)
    assert margin_rooms(story.ledger, ETH, BYBIT) != margin_rooms(story.ledger, stricter, BYBIT)


def test_a_problem_that_is_put_again_is_not_solved_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Problem] = []

    def solved(problem: Problem) -> Solution:
        asked.append(problem)
        return allocate(problem)

    story = hedged()
    monkeypatch.setattr(target, "allocate", solved)
    found = []
    for later in (0, 5, 10):
        due = replace(story.ledger, allocated=None)  # as if the interval had passed
        found.append(target.targets_for(due, ETH, story.now + later))
    assert len(asked) == 1
    assert [f.allocated.at for f in found] == [story.now, story.now + 5, story.now + 10]
    assert found[0].plans == found[1].plans == found[2].plans
    deposited = with_account(story.ledger, BYBIT, margin_balance="60000")
    target.targets_for(replace(deposited, allocated=None), ETH, story.now + 10)
    assert len(asked) == 2


def test_an_account_tells_the_same_when_each_digit_is_the_same() -> None:
    first = VenueRecord(margins={USDT: margin_report("5")})
    assert first.tells_as(replace(first, reported_at=7))
    assert first.tells_as(replace(first, margins=dict(first.margins)))
    assert not first.tells_as(replace(first, margins={USDT: margin_report("5.0")}))
    assert not first.tells_as(replace(first, margins={}))
    again = replace(replace(first, margins={USDT: margin_report("5.0")}), margins=dict(first.margins))
    assert first.tells_as(again)


def test_what_follows_from_a_policy_is_kept_for_each() -> None:
    many = [policy_for(asset, venues=("okx",)) for asset in ("BTC", "ETH", "SOL")] * POLICIES_MAX
    for policy in [*many, *reversed(many)]:
        assert marks.hedged_assets(policy) == tuple(sorted(set(policy.collateral_assets.values())))
        assert marks.venues_named(policy) == (OKX,)
    assert marks.hedged_assets(many[0]) is marks.hedged_assets(many[0])
