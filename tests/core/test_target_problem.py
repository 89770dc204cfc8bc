"""The problem of the whole book: what is bound, frozen, a last resort or stays, and costs that move a hedge exactly when it pays back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from bot.core.allocation import allocate
from bot.core.limits import Limit
from bot.core.records import FundingState
from bot.core.switching import gain, pays_back
from bot.core.target_problem import PROHIBITIVE, TAKER_FEE_ASSUMED, Leg, Question, question_of
from bot.core.target_records import VenueMove
from bot.core.units import ONE, Asset, InstrumentId, VenueId
from tests.core.market_words import market
from tests.core.openings import BINANCE, BYBIT, OKX, hedged, in_doubt_at_okx
from tests.core.playbook import after, collateral, confirmed, link, reading, venue_acts
from tests.core.story import D, Story, listed

ETH, AT = Asset("ETH"), InstrumentId(OKX)
HOUR = 3_600_000


def asked(story: Story) -> Question:
    return question_of(story.ledger, story.policy, story.now)


def leg(story: Story, instrument: str = OKX) -> Leg:
    return asked(story).legs[InstrumentId(instrument)]


def state_of(story: Story, annual: str, *, flipped: bool = False) -> FundingState:
    return FundingState(rate=None, interval_ms=None, annual=D(annual), observed_at=story.now, flipped=flipped)


def carrying(story: Story, **rates: str | None) -> Story:
    """The smoothed annual funding of each venue's ETH perpetual; None: never told."""
    told = {InstrumentId(f"{v}:ETH"): r for v, r in rates.items()}
    known = {i: state_of(story, r) for i, r in told.items() if r is not None}
    story.ledger = replace(story.ledger, funding=known)
    return story


def moved(story: Story, ago: int, *left: str) -> Story:
    """A change of venue for funding began so long ago."""
    move = VenueMove(at=story.now - ago, left=frozenset(InstrumentId(i) for i in left))
    story.ledger = replace(story.ledger, venue_moves={ETH: move})
    return story


def flipped(story: Story) -> Story:
    story.ledger = replace(story.ledger, funding={**story.ledger.funding, AT: state_of(story, "-0.5", flipped=True)})
    return story


def test_a_healthy_leg_is_bound_by_nothing_that_stands_in_the_way() -> None:
    story = hedged("30")
    found = leg(story)
    assert (found.asset, found.venue, found.short, found.price) == (ETH, "okx", 10, 3_000)
    assert (found.frozen, found.obstacles, found.is_flipped, found.is_last_resort, found.is_waiting) == (None, (), False, False, False)
    assert min(b.most for b in found.bounds) > found.carried.short == 30_000
    assert asked(story).obstacles == ("state active", BINANCE, BYBIT, OKX)
    assert asked(story).gaps == {ETH: 0}
    assert [(r.asset, r.required) for r in asked(story).problem.requirements] == [("ETH", 90_000)]


@pytest.mark.parametrize(
    ("happens", "limit"),
    [
        (lambda s: s >> link("okx", "stale") >> after(4_000) >> confirmed(), Limit.QUOTE_AGE),
        (lambda s: s >> after(5_000) >> confirmed() >> reading("okx", ETH="-9"), Limit.DISPUTED),
    ],
)
def test_what_cannot_be_touched_is_frozen_at_what_it_may_carry(happens: Callable[[Story], Story], limit: Limit) -> None:
    story = happens(hedged("30"))
    found = leg(story)
    assert found.frozen is not None
    assert (found.frozen.limit, found.carried.short, found.obstacles, found.is_waiting) == (limit, 30_000, (), False)
    assert f"{OKX} frozen by {limit}" in asked(story).obstacles
    (candidate,) = (c for c in asked(story).problem.candidates if c.instrument == OKX)
    assert candidate.frozen == limit
    assert found.frozen in asked(story).blocked[ETH]


def test_an_order_in_doubt_freezes_its_instrument_at_the_most_that_it_may_carry() -> None:
    story = in_doubt_at_okx()
    found = leg(story)
    assert found.frozen is not None
    assert (found.frozen.limit, found.short, found.carried.recorded, found.is_waiting) == (Limit.IN_DOUBT, 10, 0, False)


def test_while_what_an_asset_needs_is_not_known_all_of_it_is_frozen_where_it_is() -> None:
    story = hedged("30") >> collateral("wstETH", "1", rate=None)
    question = asked(story)
    assert question.gaps == {}
    assert {found.frozen is not None for found in question.legs.values()} == {True}
    assert {found.carried.short for found in question.legs.values()} == {D(30_000)}
    assert [p.short for p in allocate(question.problem).portions] == [30_000] * 3


def test_an_obstacle_binds_an_instrument_to_what_it_carries_and_lets_it_shrink() -> None:
    story = hedged("30") >> market(OKX, None)
    found = leg(story)
    assert found.frozen is None
    assert found.obstacles[0].limit == Limit.ELIGIBILITY
    assert (found.bounds[0].limit, found.bounds[0].most) == (Limit.ELIGIBILITY, 30_000)
    assert f"{OKX} {Limit.ELIGIBILITY}" in " ".join(asked(story).obstacles)
    story >> after(500) >> collateral("ETH", "0")
    assert all(p.short == 0 for p in allocate(asked(story).problem).portions)


def test_a_cap_that_is_exceeded_is_told_where_it_is_exceeded() -> None:
    tight = replace(hedged("30").policy, instrument_notional_max=D(20_000))
    story = hedged("30")
    story.policy = tight
    assert f"{OKX} beyond {Limit.INSTRUMENT_NOTIONAL}" in asked(story).obstacles
    story.policy = replace(tight, instrument_notional_max=D(10**6), venue_share_max=D("0.2"))
    assert any(o == f"okx beyond {Limit.VENUE_SHARE}" for o in asked(story).obstacles)


def test_where_the_venue_deleveraged_is_a_last_resort_until_it_rested() -> None:
    story = hedged("30") >> venue_acts(OKX, "2")
    assert (leg(story).is_last_resort, leg(story).opens) == (True, PROHIBITIVE)
    assert leg(story).closes < 1
    assert not leg(story, BYBIT).is_last_resort
    assert f"{OKX} unreconciled last resort" in asked(story).obstacles
    story >> after(story.policy.deleveraging_rest_ms) >> confirmed()
    assert not leg(story).is_last_resort
    assert leg(story).opens < 1


@pytest.mark.parametrize(("rank", "is_last"), [("0.79", False), ("0.8", True)])
def test_near_the_front_of_the_queue_is_a_last_resort(rank: str, is_last: bool) -> None:
    story = hedged("30")
    venue = replace(story.ledger.venues[VenueId("okx")], deleveraging_ranks={AT: D(rank)})
    story.ledger = replace(story.ledger, venues={**story.ledger.venues, VenueId("okx"): venue})
    assert leg(story).is_last_resort is is_last


DAY = 24 * HOUR


@pytest.mark.parametrize(
    ("ago", "left", "stays"), [(0, (), True), (DAY - 1, (), True), (DAY, (), False), (-1, (), False), (0, (OKX,), False)]
)
def test_what_changed_its_venue_stays_for_the_dwell_except_what_that_change_leaves(ago: int, left: tuple[str, ...], stays: bool) -> None:
    story = moved(hedged("30"), ago, *left)
    assert (leg(story).closes == PROHIBITIVE) is stays
    assert leg(story).opens < 1
    assert (f"{OKX} stays" in asked(story).obstacles) is stays


def test_what_flipped_never_stays() -> None:
    story = flipped(moved(hedged("30"), 0))
    assert leg(story).closes < 1 < leg(story, BYBIT).closes
    assert f"{OKX} flipped" in asked(story).obstacles


def test_funding_that_nobody_told_counts_as_the_least_that_is_told() -> None:
    story = carrying(hedged("30"), bybit="0.05", binance="-0.10", okx=None)
    assert {i: found.carry for i, found in asked(story).legs.items()} == {BYBIT: D("0.05"), BINANCE: D("-0.10"), OKX: D("-0.10")}
    assert leg(hedged("30")).carry == 0


@pytest.mark.parametrize(("fee", "counted"), [(None, TAKER_FEE_ASSUMED), (D("0.0003"), D("0.0003")), (D("-0.01"), None)])
def test_a_cost_is_fee_half_a_spread_and_half_the_impact_over_the_horizon(fee: Decimal | None, counted: Decimal | None) -> None:
    story = hedged("30")
    story.ledger = replace(story.ledger, instruments={**story.ledger.instruments, AT: listed("okx", "ETH", taker_fee=fee)})
    years = gain(ONE, story.policy.switch_payback_ms, story.policy.carry_gap_half_life_ms)
    once = D(0) if counted is None else counted + D("0.1") / 3_000 + D("0.0001")
    assert 0 <= leg(story).opens - once / years < D("0.000001")
    assert leg(story).closes == leg(story).opens


@pytest.mark.parametrize("payback_ms", [DAY, 7 * DAY, 30 * DAY])
@pytest.mark.parametrize("half_life_ms", [DAY, 7 * DAY])
@pytest.mark.parametrize("off", ["-0.05", "-0.00001", "0.00001", "0.05"])
def test_f10_the_allocation_moves_exactly_what_pays_back(payback_ms: int, half_life_ms: int, off: str) -> None:
    """Fees of 5 bps, half a spread of a third of a bp at each end, and 2 bps of impact; costs are rounded up to a millionth a year."""
    cost = 2 * (D("0.0005") + D("0.1") / 3_000) + D("0.0002")
    gap = (cost / gain(ONE, payback_ms, half_life_ms) + D(off)).quantize(D("0.000001"))
    story = carrying(hedged("30", switch_payback_ms=payback_ms, carry_gap_half_life_ms=half_life_ms), okx=f"{gap}", bybit="0", binance="0")
    (portion,) = (p for p in allocate(asked(story).problem).portions if p.instrument == OKX)
    pays = pays_back(cost, gap, payback_ms, half_life_ms)
    assert pays is (D(off) > 0)
    assert portion.short == (54_000 if pays else 30_000)
