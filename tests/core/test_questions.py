"""What venues are asked, and how often."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.core import questions
from bot.core.commands import CancelOrder, LookUpOrder
from bot.core.ledger import put
from bot.core.order import OrderState
from bot.core.questions import READ_RETRY_MAX_MS, RESTING_LOOK_UP_MS, UNANSWERED_MAX_MS
from bot.core.records import Ledger
from tests.core.openings import BINANCE, BYBIT, OKX, hedged
from tests.core.operators import halts, reduces
from tests.core.playbook import accepted, after, cancel, confirmed, decision_due, evenly, link, nothing, place, read, reading
from tests.core.story import D, Story


def pauses(story: Story, *figures: str) -> list[int]:
    """How long it takes, after each reading of these figures, until the next one is asked for."""
    waits = []
    for figure in figures:
        story >> reading("okx", ETH=figure)
        asked_at = story.now
        while not any(getattr(c, "venue", None) == "okx" for c in story.outbox):
            story >> after(100) >> confirmed() >> decision_due()
        story << read("okx")
        waits.append(story.now - asked_at)
    return waits


def disagreeing() -> Story:
    return hedged("30") >> after(40_000) >> confirmed() >> decision_due() << read("okx")


def test_readings_that_do_not_agree_are_repeated_ever_more_slowly() -> None:
    changing = [f"-{n}" for n in range(11, 18)]
    assert pauses(disagreeing(), *changing) == [500, 1_000, 2_000, 4_000, READ_RETRY_MAX_MS, READ_RETRY_MAX_MS, READ_RETRY_MAX_MS]


def test_agreement_or_a_change_of_the_link_starts_the_pauses_again() -> None:
    story = disagreeing()
    assert pauses(story, "-11", "-12", "-13") == [500, 1_000, 2_000]
    story >> link("okx", "stale") >> link("okx", "up")
    assert pauses(story, "-14", "-15") == [500, 1_000]
    assert pauses(story, "-10")[0] > READ_RETRY_MAX_MS  # agreed: the beat
    assert pauses(story, "-11", "-12") == [500, 1_000]


def test_what_works_is_cancelled_where_a_state_does_not_let_it_and_once_a_second() -> None:
    story = hedged("30") >> evenly("36") >> decision_due()
    for instrument in (BINANCE, BYBIT, OKX):
        story << place(instrument, "-2")
    story >> accepted(BINANCE) >> accepted(BYBIT) >> accepted(OKX)
    story >> reduces("alice", "okx") >> decision_due() << cancel(OKX) >> decision_due() << nothing()
    story >> halts("alice") >> decision_due() << cancel(BINANCE) << cancel(BYBIT)
    story >> after(999) >> decision_due() << nothing() >> after(1) >> decision_due() << cancel(OKX) << cancel(BINANCE) << cancel(BYBIT)


def test_a_reduction_that_works_stays_at_a_reducing_venue_and_goes_at_a_halted_one() -> None:
    story = hedged("30") >> evenly("24") >> decision_due()
    for instrument in (BINANCE, BYBIT, OKX):
        story << place(instrument, "2", reduce_only=True)
    story >> accepted(BINANCE) >> accepted(BYBIT) >> accepted(OKX)
    story >> reduces("alice", "okx") >> decision_due() << nothing() >> halts("alice", "okx") >> decision_due() << cancel(OKX)


def asked_about(age: int, state: OrderState, **changes: Any) -> tuple[Story, Ledger]:
    """A book in which one order was placed so long ago (ms), and is in this state."""
    story = hedged("30")
    made = next(iter(story.ledger.orders.values()))
    at = story.now - age
    made = replace(made, state=state, placed_at=at, expires_at=at + 5_000, closed_at=None, doubted_at=None, fills_filled=D(0))
    made = replace(made, reported_filled=D(0), **changes)
    return story, replace(story.ledger, orders={made.client_order_id: made})


S = OrderState


@pytest.mark.parametrize(
    ("age", "state", "changes", "kind"),
    [
        (999, S.WORKING, {}, None),
        (1_000, S.WORKING, {}, LookUpOrder),
        (5_001, S.WORKING, {}, CancelOrder),
        (5_000, S.WORKING, {}, LookUpOrder),
        (RESTING_LOOK_UP_MS - 1, S.WORKING, {"post_only": True}, None),
        (RESTING_LOOK_UP_MS, S.WORKING, {"post_only": True}, LookUpOrder),
        (60_000, S.WORKING, {"post_only": True, "asked_at": -4_999}, None),
        (60_000, S.WORKING, {"post_only": True, "asked_at": -5_000}, LookUpOrder),
        (10, S.IN_DOUBT, {}, LookUpOrder),
        (10, S.IN_DOUBT, {"asked_at": -999}, None),
        (10, S.IN_DOUBT, {"asked_at": -1_000}, LookUpOrder),
        (5_000 + UNANSWERED_MAX_MS, S.PENDING_NEW, {}, None),
        (5_001 + UNANSWERED_MAX_MS, S.PENDING_NEW, {}, LookUpOrder),
        (10, S.CANCELED, {"closed_at": 1}, None),
    ],
)
def test_what_is_asked_about_an_order(age: int, state: OrderState, changes: dict[str, Any], kind: type | None) -> None:
    story = hedged("30")
    made = {k: story.now + v if k == "asked_at" else v for k, v in changes.items()}
    story, ledger = asked_about(age, state, **made)
    after_it, commands = questions.ask(ledger, story.policy, story.now)
    assert [type(c) for c in commands] == ([] if kind is None else [kind])
    assert questions.ask(after_it, story.policy, story.now)[1] == (), "once per interval"


def test_a_cancel_is_asked_for_once_per_interval_and_not_held_up_by_a_look_up() -> None:
    story, ledger = asked_about(10, S.WORKING, post_only=True, asked_at=0)
    order = next(iter(ledger.orders.values()))
    order = replace(order, asked_at=story.now)
    ledger, first = questions.cancel(ledger, story.policy, order, story.now)
    asked = ledger.orders[order.client_order_id]
    assert [c.client_order_id for c in first] == [order.client_order_id]
    assert questions.cancel(ledger, story.policy, asked, story.now + 999) == (ledger, ())
    assert len(questions.cancel(ledger, story.policy, asked, story.now + 1_000)[1]) == 1
    assert len(questions.cancel(ledger, story.policy, asked, story.now - 1)[1]) == 1, "the clock stepped back"


@pytest.mark.parametrize(("over", "asked"), [(-1, True), (0, False)])
def test_a_venue_is_read_again_when_an_order_in_doubt_must_be_over(over: int, asked: bool) -> None:
    story, ledger = asked_about(7_000, S.IN_DOUBT)
    order = next(iter(ledger.orders.values()))
    venue = ledger.venue_of(order.instrument)
    at = order.over_at
    assert at is not None
    record = replace(ledger.venues[venue], reported_at=at - 10, read_asked_at=None, reconciled=True)
    ledger = replace(ledger, venues=put(ledger.venues, venue, record))
    _, reads = questions.read(ledger, story.policy, at - over)
    assert [c.reason for c in reads if c.venue == venue] == (["an order in doubt must be over"] if asked else [])


def test_a_venue_whose_reading_fails_or_hangs_is_left_alone_for_a_while() -> None:
    story = hedged("30")
    for changes, pause in (({"read_pending": True}, 20_000), ({"unreadable": "503"}, 2_000)):
        venue = next(iter(story.ledger.venues))
        record = replace(story.ledger.venues[venue], reconciled=False, read_asked_at=story.now, **changes)
        ledger = replace(story.ledger, venues={venue: record})
        assert venue not in [c.venue for c in questions.read(ledger, story.policy, story.now + pause - 1)[1]]
        assert venue in [c.venue for c in questions.read(ledger, story.policy, story.now + pause)[1]]
