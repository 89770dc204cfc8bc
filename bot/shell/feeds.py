"""The world into events: each venue and each collateral source as one supervised task.

A venue's life here: open (retried with growing pauses), describe its instruments, then listen until the end. A venue that cannot be used
as configured is not a reason to leave the book unwatched while another venue works: it counts as DOWN with its sentence, is told as an
error, and is tried again slowly. Only when no venue opened and every one of them said so has the run nothing to do, and ends.

A source's life: listen until the end. A feed that ends or raises unexpectedly ends the run: a leg that nobody hears any more must
not go unnoticed.

Funding rates and payments are polled, because venues' streams do not all carry them, and so are the size of each market and the
instruments' own terms. None of it decides whether what is hedged stays hedged; so a poll that raises (which is our own mistake: ports
answer a failure with nothing) or hangs is logged with its traceback each time and tried again on the next beat, stops no other, and does
not end the run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

import structlog

from bot.core.events import InstrumentListed, VenueLink, VenueLinkChanged
from bot.core.instrument import Instrument
from bot.core.units import Millis, VenueId
from bot.ports import Clock, CollateralSource, Inbox, Venue, VenueNotReady
from bot.supervision import is_cancelled_from_outside, never_ending

T = TypeVar("T")

log = structlog.get_logger(__name__)

OPEN_RETRY_FIRST_S = 0.5
OPEN_RETRY_MAX_S = 15.0
NOT_READY_RETRY_FIRST_S = 30.0
NOT_READY_RETRY_MAX_S = 300.0
"""Pauses after a venue said that it cannot be used as configured: that takes a person, or a venue that lists again."""
OPEN_MAX_S = 60.0
"""Longest attempt to open a venue: its markets have to be loaded, but an attempt that hangs must not be the last one."""
POLL_MAX_S = 30.0
"""Longest single poll."""
MARKETS_EVERY_S = 30.0
"""How often a venue is asked how large its markets are, from when it opened: nothing is increased where that is not known."""
DESCRIBE_EVERY_S = 300.0
"""How often a venue is asked again for its instruments: venues change lots, ticks and limits, and tell nobody."""
PAYMENTS_OVERLAP_MS: Millis = 3_600_000
"""How far before the newest known payment payments are read again: venues record them late; each is entered once by its id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingPolls:
    """How funding is polled: every `every_s` seconds; payments from the newest known one on, never from before `payments_from` (venue's
    clock).
    """

    every_s: float
    payments_from: Millis
    newest_payment_at: Millis


class Openings:
    """What became of opening each venue of a run: shared by the feeds, because only together do they know that nothing can be used."""

    def __init__(self, venues: Iterable[VenueId]) -> None:
        self._untold = set(venues)
        self._some_opened = False
        self._not_ready: dict[VenueId, str] = {}

    @property
    def not_ready(self) -> Mapping[VenueId, str]:
        """The venues that last said that they cannot be used as configured, and their sentences."""
        return self._not_ready

    def opened(self, venue: VenueId) -> None:
        """It can be used after all."""
        self._some_opened = True
        self._untold.discard(venue)
        self._not_ready.pop(venue, None)

    def refused(self, venue: VenueId, sentence: str) -> None:
        """It cannot be used as configured. Raises VenueNotReady when that is true of every venue of the run."""
        self._untold.discard(venue)
        self._not_ready[venue] = sentence
        if not self._some_opened and not self._untold:
            raise VenueNotReady("; ".join(self._not_ready.values()))


async def feed_venue(venue: Venue, inbox: Inbox, clock: Clock, polls: FundingPolls, openings: Openings) -> NoReturn:
    """Opens a venue and pumps it until cancelled. Raises VenueNotReady when no venue at all can be used, else what killed a part of it."""
    await _open(venue, inbox, clock, openings)
    await never_ending(
        (f"markets {venue.id}", _poll_markets(venue, inbox, clock)),
        (f"listen {venue.id}", venue.listen(inbox)),
        (f"funding {venue.id}", _poll_funding(venue, inbox, clock, polls)),
        (f"instruments {venue.id}", _describe_again(venue, inbox, clock)),
    )


async def _open(venue: Venue, inbox: Inbox, clock: Clock, openings: Openings) -> None:
    pause, slow_pause = OPEN_RETRY_FIRST_S, NOT_READY_RETRY_FIRST_S
    while True:
        try:
            listed = await _opened(venue)
        except VenueNotReady as error:
            reason, wait = str(error), slow_pause
            slow_pause = min(slow_pause * 2, NOT_READY_RETRY_MAX_S)
            log.error("venue_not_ready", venue=venue.id, reason=reason, retry_in_s=wait)
            openings.refused(venue.id, reason)
        except Exception as error:  # whatever a connector meets on the way to a venue that does not answer
            reason, wait = f"cannot be opened: {type(error).__name__}", pause
            pause = min(pause * 2, OPEN_RETRY_MAX_S)
            log.warning("venue_not_open", venue=venue.id, error=type(error).__name__, retry_in_s=wait)
        else:
            openings.opened(venue.id)
            _list(listed, inbox, clock)
            log.info("venue_open", venue=venue.id, instruments=[i.venue_symbol for i in listed])
            return
        inbox.put(VenueLinkChanged(at=clock.now(), venue=venue.id, link=VenueLink.DOWN, reason=reason))
        await clock.sleep(wait)


def _list(listed: Sequence[Instrument], inbox: Inbox, clock: Clock) -> None:
    for instrument in listed:
        inbox.put(InstrumentListed(at=clock.now(), instrument=instrument))


async def _opened(venue: Venue) -> Sequence[Instrument]:
    async with asyncio.timeout(OPEN_MAX_S):
        return await venue.open()


async def _poll_funding(venue: Venue, inbox: Inbox, clock: Clock, polls: FundingPolls) -> NoReturn:
    """Rates on a beat; the venue's records of payments since the newest one known, with an overlap: each is entered once."""
    newest = polls.newest_payment_at
    while True:
        for event in await _polled(venue.funding_rates(), "funding_rates", venue) or ():
            inbox.put(event)
        since = max(polls.payments_from, newest - PAYMENTS_OVERLAP_MS)
        records = await _polled(venue.funding_payments(since), "funding_payments", venue)
        if records is not None:
            inbox.put(records)
            newest = max([newest, *(payment.venue_at for payment in records.payments)])
        await clock.sleep(polls.every_s)


async def _poll_markets(venue: Venue, inbox: Inbox, clock: Clock) -> NoReturn:
    """How large each market is, on a beat that starts at once."""
    while True:
        for event in await _polled(venue.markets(), "markets", venue) or ():
            inbox.put(event)
        await clock.sleep(MARKETS_EVERY_S)


async def _describe_again(venue: Venue, inbox: Inbox, clock: Clock) -> NoReturn:
    """Tells the venue's instruments on a beat; unchanged ones change nothing."""
    while True:
        await clock.sleep(DESCRIBE_EVERY_S)
        _list(await _polled(venue.describe(), "instruments", venue) or (), inbox, clock)


async def _polled(poll: Coroutine[Any, Any, T], what: str, venue: Venue) -> T | None:
    """What a poll found, None when it raised, hung, or was cancelled by something that it waited for."""
    try:
        async with asyncio.timeout(POLL_MAX_S):
            return await poll
    except (Exception, asyncio.CancelledError):
        if is_cancelled_from_outside():
            raise
        log.exception("poll_failed", what=what, venue=venue.id)
        return None


async def feed_source(source: CollateralSource, inbox: Inbox) -> NoReturn:
    """Pumps a collateral source until cancelled. Raises what it raises, and Ended when it ends."""
    await never_ending((f"listen {source.name}", source.listen(inbox)))
