"""A run that only watches: what it decides is the first step from what the venues tell, the same again while it stands."""

from __future__ import annotations

from dataclasses import replace

from bot.core import events as ev
from bot.core.risk import RETRY_PAUSE_FACTOR_MAX
from tests.core.openings import BINANCE, BYBIT, ETH, OKX
from tests.core.playbook import after, book, confirmed, decision_due, evenly, net_delta, nothing, place, reading, started
from tests.core.story import Feed, Story

ALL = (BYBIT, BINANCE, OKX)
REST_MS = ETH.order_retry_pause_ms * RETRY_PAUSE_FACTOR_MAX


def observing() -> Story:
    """A book that is only watched, with thirty ETH to be hedged and a first decision on them."""
    story = book(ETH)
    story >> Feed("started to observe", lambda s: [replace(event, observing=True) for event in started().events(s)])
    for venue in ("binance", "bybit", "okx"):
        story >> Feed("up", lambda s, venue=venue: [ev.VenueLinkChanged(at=s.now, venue=venue, link=ev.VenueLink.UP, reason="heard")])
    story >> confirmed() >> decision_due()
    for venue in ("binance", "bybit", "okx"):
        story >> reading(venue)
    story.outbox.clear()
    return story >> evenly("30") >> decision_due()


def unsent(*instruments: str) -> Feed:
    """Each newest order is answered as one that never left."""

    def answers(story: Story) -> list[ev.Event]:
        ids = (story.order(i).client_order_id for i in instruments)
        return [ev.OrderRefused(at=story.now, client_order_id=i, code="not_sent", reason="observed only") for i in ids]

    return Feed("unsent", answers)


def test_the_same_decision_is_taken_again_after_the_longest_rest_and_at_the_same_venues() -> None:
    story = observing()
    assert story.statement().observing
    for _ in range(4):
        for instrument in ALL:
            story << place(instrument, "-10")
        story >> unsent(*ALL) << net_delta("ETH", "30") >> after(2_000) >> confirmed()
        story.feed(ev.DecisionDue(at=story.now, quotes=story.quotes()))
        story.outbox[:] = [c for c in story.outbox if type(c).__name__ == "PlaceOrder"]
        story << nothing()
        for _ in range(REST_MS // 10_000):
            story >> after(10_000) >> confirmed()
            for venue in ("binance", "bybit", "okx"):
                story >> reading(venue)
        story >> evenly("30") >> decision_due()
        story.outbox[:] = [c for c in story.outbox if type(c).__name__ == "PlaceOrder"]
    story.outbox.clear()
    story.close()


def test_a_later_run_that_sends_is_told_apart() -> None:
    story = observing()
    story.outbox.clear()
    story >> started()
    assert not story.statement().observing
