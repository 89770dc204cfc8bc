"""Every cap in USD, at the target and in the last gate: what is left, what is refused, what is told, what moves away."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bot.core import allowances, gate
from bot.core.allowances import Allowance
from bot.core.drafting import draft
from bot.core.limits import Breach, Effect, Limit
from bot.core.units import Asset, InstrumentId, VenueId
from tests.core.market_words import market
from tests.core.openings import BINANCE, BYBIT, OKX, hedged, slot_at
from tests.core.story import Story

D = Decimal


def breach(story: Story, quantity: str = "-1", instrument: str = OKX) -> Breach | None:
    order, _ = draft(story.ledger, story.policy, InstrumentId(instrument), D(quantity), story.now, "test")
    assert order is not None
    return gate.order_breach(story.ledger, story.policy, order, story.now)


def slot(story: Story, instrument: str = OKX) -> tuple[Decimal, Limit | None]:
    found = slot_at(story.ledger, story.policy, story.now, instrument)
    assert found is not None
    return found.most, found.binding


def bent(**changes: Any) -> Story:
    """Ten ETH short at each of three venues, 30,000 USD each, and then this policy."""
    story = hedged("30")
    story.policy = replace(story.policy, **changes)
    return story


def test_c14_one_instruments_notional_binds_the_target_and_the_gate() -> None:
    assert breach(bent(instrument_notional_max=D(33_000))) is None
    story = bent(instrument_notional_max=D(32_999))
    found = breach(story)
    assert found is not None
    assert (found.limit, found.subject, found.observed, found.allowed) == (Limit.INSTRUMENT_NOTIONAL, OKX, D(33_000), D(32_999))
    assert breach(story, "1") is None
    assert slot(bent(instrument_notional_max=D(33_000))) == (D(11), Limit.INSTRUMENT_NOTIONAL)
    assert slot(bent(instrument_notional_max=D(24_000))) == (D(8), Limit.INSTRUMENT_NOTIONAL)  # what is beyond it moves away


def test_c14_a_share_of_an_instruments_open_interest_binds_the_target_and_the_gate() -> None:
    """A tenth of 400 ETH are 40 ETH, the whole book's 1,400 allow 98."""
    story = bent(venue_share_max=D(1)) >> market(OKX, "110") >> market(BYBIT, "10000") >> market(BINANCE, "10000")
    story.policy = replace(story.policy, open_interest_min=D(1_000))
    assert breach(story) is None
    assert slot(story) == (D(11), Limit.OPEN_INTEREST_SHARE)
    found = breach(story, "-1.001")
    assert found is None or found.limit is Limit.OPEN_INTEREST_SHARE
    story >> market(OKX, "109")
    found = breach(story)
    assert found is not None
    assert (found.limit, found.subject, found.observed, found.allowed) == (Limit.OPEN_INTEREST_SHARE, OKX, D(33_000), D("32700.00"))
    assert breach(story, "1") is None
    story >> market(OKX, "50")
    assert slot(story) == (D(5), Limit.OPEN_INTEREST_SHARE)


def test_c14_a_share_of_an_assets_open_interest_counts_all_venues_together() -> None:
    """Seven hundredths of 440 ETH are 30.8; thirty are carried."""
    story = bent(
        venue_share_max=D(1), open_interest_min=D(1_000), open_interest_share_max=D("0.25"), open_interest_share_total_max=D("0.07")
    )
    for instrument, interest in ((OKX, "150"), (BYBIT, "150"), (BINANCE, "140")):
        story >> market(instrument, interest)
    found = breach(story)
    assert found is not None
    assert (found.limit, found.subject, found.observed, found.allowed) == (Limit.OPEN_INTEREST_SHARE, "ETH", D(93_000), D("92400.00"))
    assert slot(story) == (D("10.8"), Limit.OPEN_INTEREST_SHARE)
    story >> market(OKX, "155")
    assert breach(story, "-0.8") is None
    for instrument in (OKX, BYBIT, BINANCE):
        story >> market(instrument, None)
    assert allowances.of_asset(story.ledger, story.policy, Asset("ETH")) == ()


def test_what_cannot_be_worked_out_leaves_no_room() -> None:
    unknown = Allowance(Limit.GROSS_NOTIONAL, "book", None, D(10))
    assert (unknown.room_usd, unknown.used_ratio, unknown.warning_of()) == (None, None, None)
    found = unknown.breach_of(D(1))
    assert found is not None
    assert (found.observed, found.allowed) == (None, D(10))
    other = Allowance(Limit.GROSS_NOTIONAL, "book", D(3), None).breach_of(D(1))
    assert other is not None
    assert (other.observed, other.allowed) == (D(4), None)


@pytest.mark.parametrize(
    ("used", "room", "ratio", "effect"),
    [
        ("0", "100", "0", None),
        ("89", "11", "0.89", None),
        ("90", "10", "0.9", Effect.TELLS),
        ("100", "0", "1", Effect.BLOCKS),
        ("120", "0", "1.2", Effect.BLOCKS),
        ("121", "0", "1.21", Effect.REDUCING),
    ],
)
def test_levels_of_one_cap(used: str, room: str, ratio: str, effect: Effect | None) -> None:
    cap = Allowance(Limit.VENUE_SHARE, "okx", D(used), D(100), D(120))
    told = cap.warning_of()
    assert (cap.room_usd, cap.used_ratio) == (D(room), D(ratio))
    assert (None if told is None else told.effect) == effect


def test_nothing_allowed_has_no_ratio() -> None:
    assert Allowance(Limit.VENUE_SHARE, "okx", D(1), D(0)).used_ratio is None


def test_every_cap_of_a_book_is_listed_once() -> None:
    caps = allowances.all_of(hedged("30").ledger, hedged("30").policy)
    names = [(c.limit, c.subject) for c in caps]
    assert len(set(names)) == len(names)
    assert {c.limit for c in caps} == {
        Limit.GROSS_NOTIONAL,
        Limit.VENUE_SHARE,
        Limit.OPEN_INTEREST_SHARE,
        Limit.INSTRUMENT_NOTIONAL,
    }


def test_before_collateral_is_told_a_venues_share_cannot_be_worked_out() -> None:
    story = hedged("30")
    ledger = replace(story.ledger, sources_confirmed_at={})
    first, *_ = allowances.of_venue(ledger, story.policy, VenueId("okx"))
    assert (first.limit, first.allowed, first.kept) == (Limit.COLLATERAL_UNKNOWN, None, None)
