"""The world into events: each venue and each collateral source as one supervised task.

A venue's life here: open (retried with growing pauses while the failure is transient), describe its instruments, then listen until the
end. A source's life: listen until the end. Funding rates and payments are polled, because venues' streams do not all carry them.
A feed that ends or raises unexpectedly ends the run: a leg that nobody hears any more must not go unnoticed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, NoReturn

import structlog

from bot.core.events import InstrumentListed, VenueLink, VenueLinkChanged
from bot.core.units import Millis
from bot.ports import Clock, CollateralSource, Inbox, Venue, VenueNotReady

log = structlog.get_logger(__name__)

OPEN_RETRY_FIRST_S = 0.5
OPEN_RETRY_MAX_S = 15.0
PAYMENTS_OVERLAP_MS: Millis = 3_600_000


class FeedEnded(Exception):
    """A feed that must never end did."""


async def feed_venue(venue: Venue, inbox: Inbox, clock: Clock, funding_poll_s: float, payments_since: Millis) -> NoReturn:
    """Opens a venue and pumps it until cancelled. Raises VenueNotReady when it cannot be used as configured, FeedEnded otherwise."""
    await _open(venue, inbox, clock)
    async with asyncio.TaskGroup() as group:
        group.create_task(_never_ending(venue.listen(inbox), venue.id), name=f"listen {venue.id}")
        group.create_task(_poll_funding(venue, inbox, clock, funding_poll_s, payments_since), name=f"funding {venue.id}")
    raise FeedEnded(f"the feed of {venue.id} ended")


async def _open(venue: Venue, inbox: Inbox, clock: Clock) -> None:
    pause = OPEN_RETRY_FIRST_S
    while True:
        try:
            listed = await venue.open()
        except VenueNotReady:
            raise
        except Exception as error:  # whatever a connector meets on the way to a venue that does not answer
            log.warning("venue_not_open", venue=venue.id, error=type(error).__name__, retry_in_s=pause)
            reason = f"cannot be opened: {type(error).__name__}"
            inbox.put(VenueLinkChanged(at=clock.now(), venue=venue.id, link=VenueLink.DOWN, reason=reason))
            await clock.sleep(pause)
            pause = min(pause * 2, OPEN_RETRY_MAX_S)
            continue
        for instrument in listed:
            inbox.put(InstrumentListed(at=clock.now(), instrument=instrument))
        log.info("venue_open", venue=venue.id, instruments=[i.venue_symbol for i in listed])
        return


async def _never_ending(listening: Coroutine[Any, Any, None], name: str) -> NoReturn:
    await listening
    raise FeedEnded(f"{name} stopped listening")


async def _poll_funding(venue: Venue, inbox: Inbox, clock: Clock, every_s: float, since: Millis) -> NoReturn:
    """Rates on a beat; payments since the last one seen, with an overlap: each is entered once by its id."""
    newest = since
    while True:
        for event in await venue.funding_rates():
            inbox.put(event)
        payments = await venue.funding_payments(newest - PAYMENTS_OVERLAP_MS)
        for payment in payments:
            inbox.put(payment)
            newest = max(newest, payment.payment.venue_at)
        await clock.sleep(every_s)


async def feed_source(source: CollateralSource, inbox: Inbox) -> NoReturn:
    """Pumps a collateral source until cancelled."""
    await _never_ending(source.listen(inbox), source.name)
