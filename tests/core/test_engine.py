"""The one door: every fact has a rule, questions have a rhythm, and the same events give the same answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

import pytest

from bot.core import events as ev
from bot.core.commands import ReadVenue
from bot.core.engine import _FOLDERS, MATERIAL, _note_refusals, step
from bot.core.ledger import noted
from bot.core.limits import Breach, Limit
from bot.core.order import OrderState
from bot.core.questions import FILLS_OVERLAP_MS, READ_RETRY_MS, READ_TIMEOUT_MS, UNANSWERED_MAX_MS, UNREADABLE_RETRY_MS
from bot.core.records import Ledger, Note
from bot.core.units import Asset, InstrumentId, VenueId
from tests.core.answer_words import cancel_unconfirmed
from tests.core.openings import BINANCE, BYBIT, ETH, OKX, hedged, in_doubt_at_okx
from tests.core.playbook import (
    accepted,
    after,
    book,
    cancel,
    confirmed,
    decision_due,
    ended,
    evenly,
    filled,
    link,
    nothing,
    order_is,
    outcome_unknown,
    place,
    query,
    read,
    reading,
    refused,
    unreadable,
)
from tests.core.story import Story, listed, margin_report, policy_for

OKX_VENUE = VenueId("okx")


def asks(story: Story) -> list[str]:
    """The venues that the latest decision wants read."""
    return [c.venue for c in story.outbox if isinstance(c, ReadVenue)]


def test_every_event_has_a_rule_and_an_unknown_one_is_our_own_mistake() -> None:
    known = {c for c in vars(ev).values() if isinstance(c, type) and issubclass(c, ev.Event)} - {ev.Event, ev.DecisionDue}
    assert set(_FOLDERS) == known
    assert set(MATERIAL) < known

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Rumour(ev.Event):
        pass

    with pytest.raises(TypeError, match="no rule for Rumour"):
        step(Ledger(), Rumour(at=1), ETH)


def test_material_facts_that_changed_something_want_a_decision_soon() -> None:
    story = hedged("30")
    deposit = ev.CollateralObserved(
        at=story.now, source="custody", location="vault", asset=Asset("ETH"), quantity=story.position(OKX) * -4, redemption_rate=None
    )
    assert step(story.ledger, deposit, story.policy).decide_soon
    same_listing = ev.InstrumentListed(at=story.now, instrument=listed("okx", "ETH"))
    assert step(story.ledger, same_listing, story.policy) == step(story.ledger, same_listing, story.policy)
    assert not step(story.ledger, same_listing, story.policy).decide_soon
    margin = ev.MarginObserved(at=story.now, venue=OKX_VENUE, margin=margin_report("5", "1"))
    observed = step(story.ledger, margin, story.policy)
    assert not observed.decide_soon
    assert observed.ledger.venues[OKX_VENUE].margins[Asset("USDT")] == margin_report("5", "1")


def test_marks_of_margin_are_those_it_was_told_at_and_never_those_of_the_latest_decision() -> None:
    """Quotes are not in the journal: a replay that took them from there would weigh the same margin at other marks."""
    story = hedged("30")
    pushed = ev.MarginObserved(at=story.now, venue=OKX_VENUE, margin=margin_report("5", "1"), marks={InstrumentId(OKX): Decimal(2_990)})
    ledger = step(story.ledger, pushed, story.policy).ledger
    assert ledger.venues[OKX_VENUE].margin_marks == {OKX: 2_990}
    for marks in ({}, {InstrumentId(BYBIT): Decimal(2_990)}, {InstrumentId(OKX): Decimal(0)}):
        unknown = step(ledger, replace(pushed, marks=marks), story.policy).ledger
        assert unknown.venues[OKX_VENUE].margin_marks == {}, "an older mark does not stand behind a newer balance"
    (seen,) = reading("okx").events(story)
    assert isinstance(seen, ev.VenueReported)
    for told in (seen, replace(seen, positions=tuple(replace(p, mark_price=None) for p in seen.positions))):
        with_quotes, without = (step(one, told, story.policy).ledger.venues for one in (ledger, replace(ledger, quotes={})))
        assert with_quotes == without


def test_a_listing_is_taken_when_it_is_ours_and_changed() -> None:
    story = book(ETH)
    stranger = ev.InstrumentListed(at=story.now, instrument=listed("okx", "DOGE"))
    assert step(story.ledger, stranger, story.policy).ledger is story.ledger
    coarser = listed("okx", "ETH", lot=listed("okx", "ETH").lot * 10)
    changed = step(story.ledger, ev.InstrumentListed(at=story.now, instrument=coarser), story.policy)
    assert changed.ledger.instruments[InstrumentId(OKX)] == coarser
    assert changed.decide_soon


def test_c23_a_venue_that_agrees_is_read_on_the_beat() -> None:
    story = book(ETH)
    reported = story.ledger.venues[OKX_VENUE].reported_at
    assert reported is not None
    story >> after(reported + ETH.report_interval_ms - 1 - story.now) >> decision_due()
    assert asks(story) == []
    story >> after(1) >> decision_due()
    assert asks(story) == ["binance", "bybit", "okx"]
    command = story.take(ReadVenue, "okx")
    assert (command.reason, command.fills_since) == ("beat", reported - FILLS_OVERLAP_MS)
    story >> after(READ_TIMEOUT_MS - 1) >> decision_due()
    assert asks(story) == []  # the answer is on its way
    story >> after(1) >> decision_due()
    assert asks(story) == ["binance", "bybit", "okx"]


def test_c22_a_venue_that_does_not_agree_is_read_again_soon_and_after_a_failure_later() -> None:
    story = book(ETH) >> link("okx", "stale") >> after(1_000) >> decision_due() << read("okx") >> reading("bybit")
    story >> after(10) >> link("okx", "up") >> reading("okx") >> after(READ_RETRY_MS - 11) >> decision_due()
    assert asks(story) == []
    story >> after(1) >> decision_due() << read("okx") >> unreadable("okx") >> after(UNREADABLE_RETRY_MS - 1) >> decision_due()
    assert asks(story) == []
    story >> after(1) >> decision_due()
    assert [c.reason for c in story.outbox if isinstance(c, ReadVenue)] == ["not reconciled"]


def test_fills_are_read_back_to_the_oldest_order_still_open() -> None:
    story = book(ETH) >> evenly("30") >> decision_due() << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10")
    placed_at = story.now
    story >> filled(BYBIT, BINANCE) >> outcome_unknown(OKX) >> after(90_000) >> reading("okx") >> after(15_000) >> decision_due()
    story << query(OKX)
    assert story.take(ReadVenue, "okx").fills_since == placed_at - FILLS_OVERLAP_MS


def test_an_order_that_works_too_long_is_asked_about_then_cancelled_once_it_expired() -> None:
    story = book(ETH) >> evenly("30") >> decision_due() << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10")
    story >> filled(BYBIT, BINANCE) >> accepted(OKX) >> after(999) >> decision_due() << nothing()
    story >> after(1) >> decision_due() << query(OKX) >> accepted(OKX)
    story >> after(4_001) >> decision_due() << cancel(OKX) >> after(500) >> decision_due() << nothing()
    story >> cancel_unconfirmed(OKX) << order_is(OKX, OrderState.IN_DOUBT) >> after(600) >> confirmed() >> decision_due() << query(OKX)
    (story >> ended(OKX) << order_is(OKX, OrderState.CANCELED)).close()


def test_a_cancel_unconfirmed_after_the_end_is_no_news() -> None:
    story = book(ETH) >> evenly("30") >> decision_due() << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10")
    story >> filled(OKX)
    event = ev.CancelUnconfirmed(at=story.now, client_order_id=story.order(OKX).client_order_id, reason="not found")
    assert step(story.ledger, event, story.policy).ledger is story.ledger


def test_a_look_up_that_tells_no_end_leaves_the_doubt() -> None:
    story = in_doubt_at_okx() >> ended(OKX, filled=None) << order_is(OKX, OrderState.IN_DOUBT)
    assert not any("found" in n.sentence for n in story.ledger.notes)
    story.close()


def test_a_place_request_that_is_never_answered_becomes_a_doubt() -> None:
    story = book(ETH) >> evenly("30") >> decision_due() << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10")
    story >> filled(BYBIT, BINANCE)
    story >> after(ETH.order_expiry_ms + UNANSWERED_MAX_MS) >> confirmed() >> decision_due() << nothing()
    (story >> after(1) >> decision_due() << query(OKX) << order_is(OKX, OrderState.IN_DOUBT)).close()


def test_a_refusal_of_an_order_nobody_knows_is_told_of_the_book() -> None:
    story = book(ETH)
    event = ev.OrderRefused(at=story.now, client_order_id="e0zzz", code="-1", reason="?")  # type: ignore[arg-type]  # a plain id
    ledger = step(story.ledger, event, story.policy).ledger
    assert (ledger.notes[-1].subject, ledger.orders) == ("book", {})


def test_what_is_withheld_is_told_once_while_nothing_else_is_said_of_it() -> None:
    story = hedged("30") >> evenly("33")
    far = replace(story.quotes()[1], bid=story.marks[BYBIT] * 2, ask=story.marks[BYBIT] * 2 + 1)
    quotes = tuple(far if q.instrument == BYBIT else q for q in story.quotes())
    ledger = step(story.ledger, ev.DecisionDue(at=story.now, quotes=quotes), story.policy).ledger
    told = [n for n in ledger.notes if n.subject == BYBIT and n.sentence == "withheld: price_collar"]
    assert len(told) == 1


def test_two_refusals_of_one_subject_in_turn_are_each_told_once() -> None:
    ledger = Ledger()
    for at in range(5):
        for what in ("withheld", "delta is left unhedged by"):
            ledger = _note_refusals(ledger, what, (Breach(Limit.OPEN_INTEREST_SHARE, "ETH", None, None),), at)
    assert [n.at for n in ledger.notes] == [0, 0]
    ledger = noted(ledger, Note(at=9, kind="decision", subject="ETH", sentence="sell"))
    assert len(_note_refusals(ledger, "withheld", (Breach(Limit.OPEN_INTEREST_SHARE, "ETH", None, None),), 9).notes) == 4


def test_a_decision_tells_what_it_did_and_why() -> None:
    story = book(policy_for("ETH", venue_share_max=ETH.venue_share_max / 3)) >> evenly("30") >> decision_due()
    sentences = [n.sentence for n in story.ledger.notes if n.kind == "decision"]
    assert sentences[0] == "sell 6.00 at 2995.41 or better; ETH: net delta +30; take: at once; at a limit: venue_share"
    assert story.ledger.targets == {BINANCE: -6, BYBIT: -6, OKX: -6}


def test_a_book_in_which_an_order_was_refused_says_so() -> None:
    story = book(ETH) >> evenly("30") >> decision_due() << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10")
    story >> refused(OKX)
    assert story.ledger.notes[-1].sentence.endswith("refused by the venue: -2019 margin")
    assert story.ledger.notes[-1].subject == OKX


def test_i12_the_step_changes_nothing_that_it_was_given() -> None:
    story = hedged("30") >> evenly("33")
    before = repr(story.ledger)
    step(story.ledger, ev.DecisionDue(at=story.now, quotes=story.quotes()), story.policy)
    assert repr(story.ledger) == before


def test_a_doubt_that_ends_in_absence_is_told_and_one_that_does_not_is_not() -> None:
    story = in_doubt_at_okx()
    order_id = story.order(OKX).client_order_id
    unknown = ev.OrderAbsent(at=story.now, client_order_id=order_id, venue_clock_at=story.now, filled_quantity=Decimal(0))
    assert step(story.ledger, unknown, story.policy).ledger is story.ledger, "its time is not over: nothing was learned"
    part = step(story.ledger, replace(unknown, filled_quantity=Decimal(-4)), story.policy).ledger
    assert part.notes == story.ledger.notes
    assert part.orders[order_id].filled == -4
    late = story >> after(60_000) >> confirmed() >> reading("okx")
    absent = step(late.ledger, replace(unknown, at=late.now, venue_clock_at=late.now), late.policy).ledger
    assert absent.orders[order_id].state is OrderState.ABSENT
    assert absent.notes[-1].sentence.endswith("proven absent: it never reached the book")
    full = step(story.ledger, replace(unknown, filled_quantity=Decimal(-10)), story.policy).ledger
    assert full.notes[-1].sentence.endswith("over, -10 filled: the venue knows no more of it")


def test_a_report_that_cannot_be_read_takes_the_venues_word_away_and_is_told() -> None:
    story = hedged("30")
    after_it = step(story.ledger, ev.ReportUnreadable(at=story.now, venue=OKX_VENUE, what="order: no status"), story.policy)
    assert not after_it.ledger.venues[OKX_VENUE].reconciled
    assert after_it.ledger.notes[-1].sentence == "said something unreadable: order: no status"


def test_a_stop_is_told_once_and_nothing_is_placed_from_then_on() -> None:
    story = book(ETH) >> evenly("30")
    stop = ev.StopRequested(at=story.now, reason="asked to")
    stopping = step(story.ledger, stop, story.policy).ledger
    assert stopping.stopping
    assert [n.sentence for n in stopping.notes if n.kind == "stop"] == ["asked to"]
    assert step(stopping, stop, story.policy).ledger is stopping
    due = ev.DecisionDue(at=story.now, quotes=tuple(story.quotes()))
    assert not [c for c in step(stopping, due, story.policy).commands if not isinstance(c, ReadVenue)]
    assert [c for c in step(story.ledger, due, story.policy).commands if not isinstance(c, ReadVenue)], "it would have placed"
