"""A complete reading that repeats what is known asks for no decision of its own; whatever else one brings does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bot.core import events as ev
from bot.core.engine import step
from bot.core.exposure import net_delta
from bot.core.records import Delegation, Ledger
from bot.core.reports import DelegationReport, MarginReport
from bot.core.units import Asset, Range, VenueId
from tests.core.foreign import foreign
from tests.core.openings import OKX, hedged, in_doubt_at_okx
from tests.core.playbook import reading
from tests.core.story import Story

VENUE = VenueId("okx")


def told(story: Story) -> ev.VenueReported:
    (event,) = reading("okx").events(story)
    assert isinstance(event, ev.VenueReported)
    return event


def read_twice(story: Story) -> tuple[Ledger, ev.VenueReported]:
    """A ledger that one reading has told everything, and the next reading."""
    first = told(story)
    return step(story.ledger, first, story.policy).ledger, replace(first, at=first.at + 5_000, asked_at=first.at + 4_990)


def test_what_repeats_itself_is_no_news_and_is_taken_all_the_same() -> None:
    story = hedged("30")
    ledger, again = read_twice(story)
    moved_by_prices = tuple(replace(m, margin_balance=Decimal(99_999_000), maintenance_margin=Decimal(900)) for m in again.margins)
    assert all(m.wallet_balance is not None for m in again.margins)
    for event in (again, replace(again, margins=moved_by_prices)):
        after = step(ledger, event, story.policy)
        assert not after.decide_soon
        assert after.ledger.venues[VENUE].reported_at == again.asked_at
        assert tuple(after.ledger.venues[VENUE].margins.values()) == event.margins


def moved(event: ev.VenueReported) -> ev.VenueReported:
    return replace(event, positions=tuple(replace(p, quantity=p.quantity / 2) for p in event.positions))


def with_wallet(event: ev.VenueReported, wallet: str | None) -> ev.VenueReported:
    figure = None if wallet is None else Decimal(wallet)
    return replace(event, margins=tuple(replace(m, wallet_balance=figure, margin_balance=Decimal(7)) for m in event.margins))


NEWS: Mapping[str, Callable[[ev.VenueReported], ev.VenueReported]] = {
    "a position": moved,
    "a position is left out": lambda e: replace(e, positions=()),
    "another entry price": lambda e: replace(e, positions=tuple(replace(p, entry_price=Decimal(1)) for p in e.positions)),
    "a place near the front of the queue": lambda e: replace(
        e, positions=tuple(replace(p, deleveraging_rank=Decimal("0.9")) for p in e.positions)
    ),
    "the account's mode": lambda e: replace(e, unfit=("leverage is 3",)),
    "a wallet": lambda e: with_wallet(e, "5"),
    "a balance without a wallet": lambda e: with_wallet(e, None),
    "no account any more": lambda e: replace(e, margins=()),
    "a clock that is off": lambda e: replace(e, clock_offset_ms=10**6),
    "it is late": lambda e: replace(e, at=e.at + 10**8, asked_at=e.at + 10**8 - 10),
}


@pytest.mark.parametrize("change", NEWS.values(), ids=NEWS)
def test_anything_else_is_decided_on_at_once(change: Callable[[ev.VenueReported], ev.VenueReported]) -> None:
    story = hedged("30")
    ledger, again = read_twice(story)
    assert step(ledger, change(again), story.policy).decide_soon


BEFORE: Mapping[str, dict[str, Any]] = {
    "not reconciled": {"reconciled": False},
    "not readable": {"unreadable": "timed out"},
    "as a journal says that lost its end": {"is_outdated": True},
    "never read": {"reported_at": None},
    "its clock was off": {"clock_offset_ms": 10**6},
    "its clock was not known": {"clock_offset_ms": None},
    "strange orders worked there": {"foreign_orders": (foreign("x"),)},
}


@pytest.mark.parametrize("changes", BEFORE.values(), ids=BEFORE)
def test_a_venue_that_was_not_in_order_is_decided_on_at_once(changes: dict[str, Any]) -> None:
    story = hedged("30")
    ledger, again = read_twice(story)
    out_of_order = replace(ledger, venues={**ledger.venues, VENUE: replace(ledger.venues[VENUE], **changes)})
    assert step(out_of_order, again, story.policy).decide_soon


def test_a_reading_beside_an_open_order_is_evidence() -> None:
    story = in_doubt_at_okx()
    assert any(order.instrument == OKX for order in story.ledger.open_orders())
    assert step(story.ledger, told(story), story.policy).decide_soon


def with_coin(event: ev.VenueReported, wallet: str) -> ev.VenueReported:
    coin = MarginReport(
        asset=Asset("ETH"),
        margin_balance=Decimal(wallet),
        maintenance_margin=Decimal(0),
        initial_margin=Decimal(0),
        wallet_balance=Decimal(wallet),
    )
    return replace(event, margins=(*(m for m in event.margins if m.asset != coin.asset), coin))


def test_coins_that_a_stream_told_first_count_with_the_reading_and_are_decided_on_at_once() -> None:
    story = hedged("30")
    ledger = step(story.ledger, with_coin(told(story), "1"), story.policy).ledger
    again = replace(with_coin(told(story), "3"), at=told(story).at + 5_000, asked_at=told(story).at + 4_990)
    coin = again.margins[-1]
    streamed = step(ledger, ev.MarginObserved(at=again.asked_at, venue=VENUE, margin=coin, marks={}), story.policy)
    assert (net_delta(streamed.ledger, story.policy, coin.asset), streamed.decide_soon) == (Range.exactly(Decimal(1)), False)
    read = step(streamed.ledger, again, story.policy)
    assert (net_delta(read.ledger, story.policy, coin.asset), read.decide_soon) == (Range.exactly(Decimal(3)), True)


def test_a_reading_where_a_custodian_mirrors_is_news() -> None:
    story = hedged("30")
    ledger, again = read_twice(story)
    row = Delegation(told=DelegationReport(venue=VENUE, asset=Asset("USDT"), delegated=Decimal(0)), observed_at=again.at)
    mirrored = replace(ledger, mirrored={("custodian", VENUE, Asset("USDT")): row})
    assert step(mirrored, again, story.policy).decide_soon
