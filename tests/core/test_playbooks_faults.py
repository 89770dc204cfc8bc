"""Stories of faults that last: outages, a paused process, a key that is revoked, kills that come twice. The language is in `playbook`."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.core import events as ev
from bot.core.commands import CancelOrder, PlaceOrder, ReadVenue
from bot.core.order import OrderState
from tests.core.answer_words import cancel_unconfirmed
from tests.core.market_words import narrow, wide
from tests.core.openings import BINANCE, BYBIT, ETH, OKX, hedged
from tests.core.operators import halts, resumes, state_is
from tests.core.playbook import (
    accepted,
    after,
    book,
    breach,
    cancel,
    collateral,
    confirmed,
    decision_due,
    ended,
    evenly,
    filled,
    holds,
    link,
    net_delta,
    nothing,
    outcome_unknown,
    place,
    query,
    read,
    reading,
    refused,
    reported_filled,
    unreadable,
    venue_acts,
)
from tests.core.story import D, Story, policy_for

VENUES = ("binance", "bybit", "okx")


def placed(story: Story) -> list[PlaceOrder]:
    """The orders of the latest decision, taken; readings are left to be answered."""
    taken = [c for c in story.outbox if isinstance(c, PlaceOrder)]
    story.outbox = [c for c in story.outbox if not isinstance(c, PlaceOrder)]
    return taken


def beat(story: Story, ms: int, *, lost: str) -> list[PlaceOrder]:
    """Time passes, one decision is made and readings are answered, except by the venue that is lost."""
    story >> after(ms) >> confirmed() >> decision_due()
    orders = placed(story)
    for venue in sorted({c.venue for c in story.outbox if isinstance(c, ReadVenue)}):
        story >> (unreadable(venue) if venue == lost else reading(venue))
    return orders


@pytest.mark.parametrize("outage_ms", [60_000, 7_200_000, 7 * 86_400_000])
def test_f36_an_outage_of_a_minute_two_hours_or_a_week_doubles_nothing(outage_ms: int) -> None:
    """What the lost venue carries stays counted however long it lasts; the others carry what comes and goes; then it is one of three."""
    story = hedged("30", flow_half_life_ms=30 * 86_400_000) >> link("okx", "down")
    for _ in range(6):
        assert beat(story, outage_ms // 6, lost="okx") == []
        story << net_delta("ETH", "0") << holds(OKX, "-10") << breach("venue_link", "okx")
    (
        story
        >> narrow("39")
        >> collateral("ETH", "36")
        >> decision_due()
        << place(BYBIT, "-3")
        << place(BINANCE, "-3")
        >> filled(BYBIT, BINANCE)
    )
    (
        story
        >> link("okx", "up")
        >> after(500)
        >> confirmed()
        >> decision_due()
        << read("okx")
        >> reading("okx")
        >> decision_due()
        << nothing()
    )
    story << net_delta("ETH", "0")
    (story >> after(500) >> collateral("ETH", "39") >> decision_due() << place(OKX, "-3") >> filled(OKX) << net_delta("ETH", "0")).close()


def test_f47_a_process_that_was_paused_for_a_minute_sends_nothing_on_what_it_knew_before() -> None:
    """SIGSTOP between two events: quotes, collateral and answers are a minute old, and the requests that left have expired."""
    policy = replace(ETH, collateral_drift_per_day=D("0.0864"))  # a millionth for each second of silence
    story = book(policy) >> evenly("30") >> decision_due() << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10")
    story >> filled(BYBIT)
    for instrument in (BYBIT, BINANCE, OKX):
        story.quotes_at[instrument] = story.now
    story >> after(61_000) >> decision_due() << query(BINANCE) << query(OKX) << breach("collateral_age", "custody")
    assert placed(story) == []
    story >> reported_filled(BINANCE) >> outcome_unknown(OKX) << net_delta("ETH", "-0.00183", "10.00183")
    story.quotes_at.clear()
    story >> evenly("30") >> decision_due() << nothing()  # the ten may have been filled: they are asked about, not repeated
    story >> after(1_000) >> confirmed() >> decision_due() << query(OKX) >> reported_filled(OKX)
    (story << net_delta("ETH", "0") >> decision_due() << nothing()).close()


def test_f42_a_key_that_is_revoked_makes_no_storm_and_the_others_carry_on() -> None:
    """Every order is refused and every reading fails, in both directions, for five minutes."""
    story = hedged("30")
    attempts = 0
    for minute in range(5):
        story >> after(500) >> collateral("ETH", "36" if minute % 2 == 0 else "30")
        for _ in range(60):
            for command in beat(story, 1_000, lost="okx"):
                if command.instrument == OKX:
                    story >> refused(OKX)
                    attempts += 1
                else:
                    story >> filled(command.instrument)
        story << net_delta("ETH", "0") << holds(OKX, "-10")
    assert attempts <= 5
    story << breach("unreconciled", "okx")
    story.close()


def test_f68_kills_that_come_twice_or_while_a_venue_is_down_are_one_kill_and_cancels_are_tried_again() -> None:
    story = book(ETH) >> evenly("30") >> decision_due() << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10")
    story >> accepted(BYBIT) >> accepted(OKX) >> filled(BINANCE) >> link("okx", "down") >> halts("alice") >> halts("bob") >> halts("alice")
    story << state_is("halted") >> decision_due() << cancel(BYBIT) << cancel(OKX) >> ended(BYBIT) >> cancel_unconfirmed(OKX)
    asked = 0
    for _ in range(5):
        story >> after(1_000) >> confirmed() >> decision_due()
        asked += sum(1 for c in story.outbox if not isinstance(c, ReadVenue))
        assert placed(story) == []
        story.outbox.clear()
    assert asked == 5  # what became of it is asked for once per interval, for as long as it takes
    story >> link("okx", "up") >> reported_filled(OKX) >> halts("alice") >> decision_due() << nothing()
    for venue in VENUES:
        story >> reading(venue)
    story >> after(1_000) >> evenly("30") << net_delta("ETH", "10") >> decision_due() << nothing()
    story >> resumes("alice") << state_is("active") >> decision_due()
    assert sum(c.quantity for c in placed(story)) == -10
    story.outbox.clear()
    story.close()


def test_f68_a_kill_before_anything_is_known_holds_through_the_start() -> None:
    story = Story(ETH) >> halts("alice")
    for instrument in story.instruments:
        story.feed(ev.InstrumentListed(at=story.now, instrument=instrument))
    for venue in VENUES:
        story >> link(venue, "up") >> reading(venue)
    story >> evenly("30") >> decision_due() << nothing() << state_is("halted")
    story.close()


def test_f11_an_id_that_was_filled_is_never_sent_again_whatever_the_venue_says_of_it() -> None:
    """Filled, then called working, then absent, then refused: the venue contradicts itself, and the order stays what it executed."""
    story = hedged("30")
    sent = [c.client_order_id for c in story.commands if isinstance(c, PlaceOrder)]
    done = story.order(OKX)
    story >> accepted(OKX) >> outcome_unknown(OKX) << net_delta("ETH", "0")
    story.feed(ev.OrderAbsent(at=story.now, client_order_id=done.client_order_id, venue_clock_at=story.now + 60_000))
    assert story.order(OKX).state is OrderState.FILLED
    for _ in range(5):
        assert beat(story, 1_000, lost="") == []
        assert not any(isinstance(c, CancelOrder) for c in story.outbox)
    assert [c.client_order_id for c in story.commands if isinstance(c, PlaceOrder)] == sent
    (story << holds(OKX, "-10")).close()


def test_f34_deleveraging_again_and_again_while_it_is_hedged_again_does_not_thrash() -> None:
    """The venue takes one ETH a second for ten seconds: each is hedged elsewhere once, and nothing goes back there."""
    story = book(policy_for("ETH", venue_share_max=Decimal("0.9"))) >> evenly("30") >> decision_due()
    story << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10") >> filled(BYBIT, BINANCE, OKX) >> wide()
    for _ in range(10):
        story >> venue_acts(OKX, "1")
        orders = beat(story, 1_000, lost="")
        assert sum(c.quantity for c in orders) == -1
        assert OKX not in {c.instrument for c in orders}
        story >> filled(*(c.instrument for c in orders)) << net_delta("ETH", "0")
    (story << holds(OKX, "0") >> after(500) >> confirmed() >> decision_due() << nothing()).close()
