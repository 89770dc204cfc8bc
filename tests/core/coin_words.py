"""Words of the stories' language about coins that lie at venues, and prices that move."""

from __future__ import annotations

from dataclasses import replace

from bot.core import events as ev
from bot.core.units import ZERO
from tests.core.story import D, Feed, Story


def as_the_venue_values(story: Story, row: ev.PositionReport) -> ev.PositionReport:
    """A position with its mark, an inverse one with the mark of the first reading that told it as its entry."""
    listed, mark = next(i for i in story.instruments if i.id == row.instrument), story.marks[row.instrument]
    if not listed.is_inverse:
        return replace(row, mark_price=mark)
    if row.quantity == ZERO:
        story.entries.pop(row.instrument, None)
    entry = story.entries.setdefault(row.instrument, mark)
    return replace(row, entry_price=entry, mark_price=mark)


def coins_at(venue: str, asset: str, wallet: str) -> Feed:
    """So many coins lie in our account at a venue, profit not counted; a reading tells them from now on."""

    def lie(story: Story) -> list[ev.Event]:
        story.wallets[venue, asset] = D(wallet)
        return []

    return Feed(f"{wallet} {asset} at {venue}", lie)


def marks(asset: str, mark: str) -> Feed:
    """The price of an asset moves, everywhere."""

    def moves(story: Story) -> list[ev.Event]:
        for instrument in story.instruments:
            if instrument.base == asset:
                story.marks[instrument.id] = D(mark)
        return []

    return Feed(f"{asset} at {mark}", moves)
