"""Plans out of an allocation: each share with what keeps it from more, what fits nowhere or is too much, and an allocation that stands."""

from __future__ import annotations

from dataclasses import replace

from bot.core import target
from bot.core.allocation_terms import Binding
from bot.core.limits import Breach, Limit
from bot.core.target import Allocation, Plan, Share, plan_book, shortfalls, surpluses, targets_for, targets_of
from bot.core.units import ZERO, Asset, InstrumentId
from tests.core.openings import BINANCE, BYBIT, OKX, hedged, slot_at
from tests.core.playbook import after, book, collateral, confirmed, decision_due, nothing
from tests.core.story import D, Story, policy_for

ETH, AT = Asset("ETH"), InstrumentId(OKX)
BREACH = Breach(Limit.QUOTE_AGE, OKX, None, None)


def the_plan(story: Story) -> Plan:
    (plan,) = plan_book(story.ledger, story.policy, story.now)
    return plan


def made(gap: str, *, unplaced: str = "0", overhedged: str = "0") -> Plan:
    """A plan by hand: one limit of two venues in the allocation, and one breach."""
    limits = tuple(Binding(str(Limit.VENUE_SHARE), venue) for venue in ("bybit", "binance"))
    found = Allocation(shares=(), unplaced=D(unplaced), overhedged=D(overhedged), limits=limits)
    return Plan(asset=ETH, net=None, gap=D(gap), allocation=found, price=D(3_000), blocked=(BREACH,))


def test_what_fits_nowhere_is_told_once_for_each_limit_in_base_units_and_usd() -> None:
    found = shortfalls(made("5", unplaced="2"))
    assert [(b.limit, b.subject, b.observed, b.allowed) for b in found] == [
        (Limit.QUOTE_AGE, ETH, 2, ZERO),
        (Limit.VENUE_SHARE, ETH, 2, ZERO),
    ]
    assert {b.detail for b in found} == {"base units, 6000.00 USD, fits nowhere"}


def test_what_is_too_much_is_told_with_what_holds_it_in_base_units_and_usd() -> None:
    (found,) = surpluses(made("-5", overhedged="1.5"))
    assert (found.limit, found.subject, found.observed, found.allowed) == (Limit.QUOTE_AGE, ETH, D("1.5"), ZERO)
    assert found.detail == "base units, 4500.00 USD, short beyond what is needed"


def test_nothing_is_told_where_all_fits_or_nothing_is_to_be_done() -> None:
    undecided = Plan(asset=ETH, net=None, gap=D(5))
    for plan in (undecided, made("5"), made("0", unplaced="2"), made("-5", unplaced="2")):
        assert shortfalls(plan) == ()
    for plan in (undecided, made("-5"), made("0", overhedged="2"), made("5", overhedged="2")):
        assert surpluses(plan) == ()


def test_a_share_names_its_first_limit_and_targets_are_signed() -> None:
    bound = Share(instrument=AT, short=D(2), limits=(Binding(str(Limit.VENUE_SHARE), "okx"), Binding("other", "okx")))
    assert (bound.binding, Share(instrument=AT, short=D(2)).binding) == (Limit.VENUE_SHARE, None)
    plan = Plan(asset=ETH, net=None, gap=ZERO, allocation=Allocation(shares=(bound,)))
    assert targets_of((plan, Plan(asset=Asset("BTC"), net=None, gap=ZERO))) == {AT: D(-2)}


def test_a_share_at_its_cap_names_the_limit_and_the_others_none() -> None:
    story = book(policy_for("ETH")) >> collateral("ETH", "30")
    plan = the_plan(story)
    assert plan.allocation is not None
    assert {s.instrument: (s.short, s.binding) for s in plan.allocation.shares} == {
        BINANCE: (18, Limit.VENUE_SHARE),
        BYBIT: (12, None),
        OKX: (0, None),
    }
    assert (plan.gap, plan.moves, plan.allocation.unplaced, shortfalls(plan)) == (30, frozenset(), 0, ())
    slot = slot_at(story.ledger, story.policy, story.now, BINANCE)
    assert slot is not None
    assert (slot.short, slot.most, slot.binding) == (0, 18, Limit.VENUE_SHARE)


def test_what_the_caps_leave_unhedged_is_the_shortfall_of_the_plan() -> None:
    plan = the_plan(book(policy_for("ETH", venue_share_max=D("0.3"))) >> collateral("ETH", "30"))
    assert [(b.limit, b.observed) for b in shortfalls(plan)] == [(Limit.VENUE_SHARE, 3)]
    assert sum(targets_of((plan,)).values()) == -27


def test_an_asset_whose_need_is_not_known_has_no_allocation() -> None:
    plan = the_plan(hedged("30") >> collateral("wstETH", "1", rate=None))
    assert (plan.net, plan.gap, plan.allocation, plan.slots) == (None, 0, None, ())
    assert shortfalls(plan) == surpluses(plan) == ()
    assert targets_of((plan,)) == {}


def test_an_allocation_that_stands_is_kept_and_remembering_it_changes_nothing() -> None:
    story = hedged("30") >> after(1_000) >> confirmed() >> decision_due() << nothing()
    found = targets_for(story.ledger, story.policy, story.now)
    assert found.allocated is story.ledger.allocated
    assert found.remembered(story.ledger) is story.ledger


def test_a_new_allocation_is_remembered_with_its_time() -> None:
    story = hedged("30") >> after(1_000) >> collateral("ETH", "36")
    found = targets_for(story.ledger, story.policy, story.now)
    assert found.allocated.at == story.now
    assert found.remembered(story.ledger).allocated == found.allocated != story.ledger.allocated
    forgotten = replace(story.ledger, allocated=None)
    assert target.targets_for(forgotten, story.policy, story.now).plans == found.plans
