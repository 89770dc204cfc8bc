"""Limits of the whole book: doubts, an earlier life, halted venues, instruments that nobody configures any more (others: `test_risk`)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from bot.core import risk
from bot.core.limits import Breach, Effect, Limit
from bot.core.trading import enter
from bot.core.units import InstrumentId, VenueId
from tests.core.openings import hedged, in_doubt_at_okx
from tests.core.playbook import book
from tests.core.story import policy_for

D = Decimal


def test_the_value_in_doubt_of_the_whole_book_has_a_limit_of_its_own() -> None:
    story = in_doubt_at_okx()
    for allowed, found in (
        (30_000, ()),
        (D("29999.99"), (Breach(Limit.DOUBT_NOTIONAL, "book", D(30_000), D("29999.99"), "USD in doubt", Effect.REDUCING),)),
    ):
        assert risk.doubt_breaches(story.ledger, replace(story.policy, doubt_notional_max=D(allowed))) == found
    unmarked = replace(story.ledger, quotes={})  # then at the order's own price
    assert risk.doubt_breaches(unmarked, replace(story.policy, doubt_notional_max=D(1)))[0].observed == story.order("okx:ETH").price * 10


def test_on_a_journal_that_does_not_know_its_past_nothing_increases_until_all_of_that_is_over() -> None:
    story = book(policy_for("ETH"))
    past = story.policy.order_expiry_ms + story.policy.doubt_margin_ms
    ledger = replace(story.ledger, fresh_at=story.now)
    for elapsed, left in ((0, past), (past, 0)):
        found = risk.venue_breaches(ledger, story.policy, VenueId("okx"), story.now + elapsed)
        assert [(b.limit, b.observed) for b in found if "earlier run" in b.detail] == [(Limit.UNRECONCILED, D(left))]
        assert risk.is_within_earlier_life(ledger, story.policy, story.now + elapsed)
    assert not risk.is_within_earlier_life(ledger, story.policy, story.now + past + 1)
    assert not [b for b in risk.venue_breaches(ledger, story.policy, VenueId("okx"), story.now + past + 1) if "earlier run" in b.detail]
    assert not risk.is_within_earlier_life(story.ledger, story.policy, story.now)


def test_no_order_at_all_leaves_for_an_instrument_of_a_halted_venue() -> None:
    story = hedged("30")
    instrument = InstrumentId("okx:ETH")
    assert risk.instrument_breach(story.ledger, story.policy, instrument, story.now) is None
    halted = enter(story.ledger, Limit.UNEXPLAINED_POSITION, story.now, "it grew", venue=VenueId("okx"))
    found = risk.instrument_breach(halted, story.policy, instrument, story.now)
    assert found is not None
    assert (found.limit, found.subject) == (Limit.UNEXPLAINED_POSITION, "okx")


def test_an_instrument_that_nobody_configures_any_more_takes_no_increase_and_tells_what_it_carries() -> None:
    story = hedged("30")
    instrument = InstrumentId("okx:ETH")
    policy = replace(story.policy, instruments=story.policy.instruments - {instrument})
    assert risk.unnamed_breach(story.ledger, story.policy, instrument) is None
    found = risk.unnamed_breach(story.ledger, policy, instrument)
    assert found == Breach(Limit.NO_INSTRUMENT, instrument, D(-10), D(0), "carried, but not configured any more")
    unread = replace(story.ledger, positions={})
    assert risk.unnamed_breach(unread, policy, instrument).observed is None


def test_an_open_order_is_no_fruitless_one() -> None:
    story = in_doubt_at_okx()
    assert risk.rest_breach(story.ledger, story.policy, InstrumentId("okx:ETH"), story.now) is None
