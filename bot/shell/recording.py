"""Which facts are written at once, and which may be superseded unwritten by the next word of the same speaker.

The rule. A fact that changes anything but stamps is written at once, and so is every decision that asked for more than a reading or
changed anything. A stamp is what the next word of the same source or venue replaces in any case: when it was last heard or read, its
margins, its clock's offset, the instant of which a custodian's statement tells. Facts that bring nothing but stamps are held, the newest
of each speaker, and written

* when the last one written is older than CONFIRMED_EVERY_MS or READ_EVERY_MS, with the rest of what the same speaker said;
* before anything that may depend on them: any other fact or decision, so that a replay decides on the very stamps that counted;
* at an orderly stop, and before a snapshot.

Rates and payments of funding and the size of a market depend on no stamp and let the held wait. A decision that only asks for a reading
is not written: the next reading is recorded, and a new run asks by itself.

So a replay equals the book at every order and at an orderly stop, except for quotes, the instant of the newest decision, and when a venue
was last asked. After a crash its stamps may be older by the periods below, never newer: fills are then asked for from an earlier instant,
and each counts once by its id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields

from bot.core.commands import Command, ReadVenue
from bot.core.copying import replace
from bot.core.events import (
    CollateralConfirmed,
    CustodyReported,
    DecisionDue,
    Event,
    FundingPaid,
    FundingRateObserved,
    FundingRecordsRead,
    MarginObserved,
    MarketObserved,
    VenueReported,
    VenueUnreadable,
)
from bot.core.records import Delegation, Holding, Ledger, VenueRecord
from bot.core.units import Asset, Millis, VenueId

CONFIRMED_EVERY_MS: Millis = 30_000
"""How often a source's confirmation, or a custodian's statement, is written while it says nothing new."""
READ_EVERY_MS: Millis = 60_000
"""The same for a venue's readings."""

Key = tuple[str, ...]
"""Who spoke (a source or a venue, and its name), and of what."""


class Recorder:
    """Says of each fact and decision, in order, what is to be written now. Knows no clock: a fact's own instant counts."""

    def __init__(self) -> None:
        self._held: dict[Key, Event] = {}
        self._written_at: dict[Key, Millis] = {}

    def fact(self, before: Ledger, event: Event, after: Ledger) -> Sequence[Event]:
        """What to write after a fact took the ledger from `before` to `after`; nothing when it changed nothing."""
        if after is before:
            return ()
        if isinstance(event, FundingRateObserved | FundingPaid | MarketObserved):
            return (event,)
        key = _key(event)
        if key is None:
            return (*self.rest(), event)
        if isinstance(event, FundingRecordsRead) and not same_but_for_stamps(before, after):
            self._held.pop(key, None)  # superseded by this one
            self._written_at[key] = event.at
            return (event,)
        if same_but_for_stamps(before, after):
            self._held.pop(key, None)
            self._held[key] = event  # last: what is held stays in the order in which it was heard
            return () if self._is_recent(key, event) else self.rest(of=key[:2])
        written = (*self.rest(), event)
        self._written_at[key] = event.at
        return written

    def decision(self, before: Ledger, event: DecisionDue, after: Ledger, commands: Sequence[Command]) -> Sequence[Event]:
        """What to write after a decision took the ledger from `before` to `after` and asked for `commands`."""
        if all(isinstance(c, ReadVenue) for c in commands) and same_but_for_stamps(before, after):
            return ()
        return (*self.rest(), event)

    def rest(self, of: Key = ()) -> Sequence[Event]:
        """Everything that is held, or only what one speaker said, in the order in which it was heard, to be written now."""
        told = {key: event for key, event in self._held.items() if key[: len(of)] == of}
        self._held = {key: event for key, event in self._held.items() if key not in told}
        self._written_at.update({key: event.at for key, event in told.items()})
        return tuple(told.values())

    def _is_recent(self, key: Key, event: Event) -> bool:
        """Whether the last one written is young enough. A clock that stepped back makes nothing wait for it."""
        written_at = self._written_at.get(key)
        every = CONFIRMED_EVERY_MS if isinstance(event, CollateralConfirmed | CustodyReported) else READ_EVERY_MS
        return written_at is not None and 0 <= event.at - written_at < every


def same_but_for_stamps(before: Ledger, after: Ledger) -> bool:
    """Whether two ledgers differ at most in what the next word of a source, of a venue or of the market replaces."""
    for name in ("sources_confirmed_at", "sources_as_of", "custody_as_of", "venues"):
        if getattr(before, name).keys() != getattr(after, name).keys():
            return False
    if not _same(before, after, _COMPARED):
        return False
    if before.holdings is not after.holdings and _told_by_custodians(before) != _told_by_custodians(after):
        return False
    if before.mirrored is not after.mirrored and _mirrored(before) != _mirrored(after):
        return False
    return all(_is_same_record(record, after.venues[venue]) for venue, record in before.venues.items())


def _is_same_record(before: VenueRecord, after: VenueRecord) -> bool:
    if before is after:
        return True
    told = all((getattr(before, name) is None) is (getattr(after, name) is None) for name in _TOLD_OR_NOT)
    return told and _same(before, after, _COMPARED_OF_VENUE)


def _same(one: object, other: object, names: Sequence[str]) -> bool:
    """Whether these fields are equal; what is the very same object is not looked into."""
    for name in names:
        was, now = getattr(one, name), getattr(other, name)
        if was is not now and was != now:
            return False
    return True


def _told_by_custodians(ledger: Ledger) -> Mapping[tuple[str, str, Asset], Holding]:
    """The holdings, without when they were told where a custodian did, which tells all of them again each time."""
    if not ledger.custody_as_of:
        return ledger.holdings
    return {
        key: replace(held, observed_at=0, as_of=None, rate_at=None) if held.source in ledger.custody_as_of else held
        for key, held in ledger.holdings.items()
    }


def _mirrored(ledger: Ledger) -> Mapping[tuple[str, VenueId, Asset], Delegation]:
    return {key: replace(told, observed_at=0) for key, told in ledger.mirrored.items()}


_BY_THEMSELVES = ("sources_confirmed_at", "sources_as_of", "holdings", "mirrored", "custody_as_of", "venues")
_COMPARED = tuple(f.name for f in fields(Ledger) if f.name not in ("quotes", "decided_at", "payments_read_at", *_BY_THEMSELVES))
_TOLD_OR_NOT = ("reported_at", "agreed_at", "clock_offset_ms", "unreadable")
"""Of these it counts whether they are told at all."""
_REPLACED = ("margins", "equity_told", "inverse_told", "margin_marks", "read_asked_at", "read_pending", "messages", "deleveraging_ranks")
_COMPARED_OF_VENUE = tuple(f.name for f in fields(VenueRecord) if f.name not in (*_TOLD_OR_NOT, *_REPLACED))


def _key(event: Event) -> Key | None:
    """Of facts that the same speaker's next word of the kind may supersede: who spoke, and of what."""
    if isinstance(event, CollateralConfirmed):
        return ("source", event.source, "confirmed")
    if isinstance(event, CustodyReported):
        return ("source", event.source, "custody")
    if isinstance(event, MarginObserved):
        return ("venue", event.venue, "margin", event.margin.asset)
    if isinstance(event, FundingRecordsRead):
        return ("funding", event.venue, "records")
    if isinstance(event, VenueReported | VenueUnreadable):
        return ("venue", event.venue, "read")
    return None
