"""Words of `playbook` for what named people do, and for the states that follow."""

from __future__ import annotations

from decimal import Decimal

from bot.core import events as ev
from bot.core import trading
from bot.core.records import TradingState
from bot.core.units import Asset, VenueId
from tests.core.story import Expect, Feed, Story


def act(action: ev.OperatorAction, by: str, why: str = "a drill", venue: str | None = None) -> Feed:
    """A named person acts on a venue, or on the book."""

    def acts(story: Story) -> list[ev.Event]:
        place = None if venue is None else VenueId(venue)
        return [ev.OperatorActed(at=story.now, action=action, by=by, why=why, venue=place)]

    return Feed(f"{action.value} by {by}", acts)


def halts(by: str, venue: str | None = None) -> Feed:
    """A named person halts."""
    return act(ev.OperatorAction.HALT, by, venue=venue)


def reduces(by: str, venue: str | None = None) -> Feed:
    """A named person asks for reductions only."""
    return act(ev.OperatorAction.REDUCE, by, venue=venue)


def resumes(by: str, venue: str | None = None) -> Feed:
    """A named person lets go on."""
    return act(ev.OperatorAction.RESUME, by, venue=venue)


def quarantines(by: str, venue: str) -> Feed:
    """A named person does not believe a venue."""
    return act(ev.OperatorAction.QUARANTINE, by, venue=venue)


def flattens(by: str, venue: str | None = None, asset: str | None = None) -> Feed:
    """A named person wants nothing held: at a venue, of an asset, or at all."""

    def acts(story: Story) -> list[ev.Event]:
        place, what = None if venue is None else VenueId(venue), None if asset is None else Asset(asset)
        return [ev.OperatorActed(at=story.now, action=ev.OperatorAction.FLATTEN, by=by, why="a drill", venue=place, asset=what)]

    return Feed(f"flatten by {by}", acts)


def resolves(instrument: str, filled: str | None, by: str = "alice") -> Feed:
    """A named person says what became of the newest order of an instrument."""

    def says_so(story: Story) -> list[ev.Event]:
        return [
            ev.OperatorActed(
                at=story.now,
                action=ev.OperatorAction.RESOLVE,
                by=by,
                why="looked at the venue",
                client_order_id=story.order(instrument).client_order_id,
                filled_quantity=None if filled is None else Decimal(filled),
            )
        ]

    return Feed(f"resolve {instrument}", says_so)


def state_is(state: str, venue: str | None = None) -> Expect:
    """The state that its causes brought a venue, or the book, into."""

    def check(story: Story) -> None:
        found = trading.state_of(story.ledger, None if venue is None else VenueId(venue))
        assert found is TradingState(state), f"{venue or 'book'} is {found}: {story.ledger.states}"

    return Expect("state_is", check)
