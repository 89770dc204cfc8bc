"""Positions that a record has and that may long be others: of a journal that lost its end (C31), or told by one answer alone.

What such a record leaves unhedged may be hedged at that very venue: nothing of the asset increases until the venue has been read in full,
or a named person has quarantined it. A venue that never comes back blocks the asset until then, or until a named person resumes the book,
who takes its record as it is; one whose positions are known without its fills was never read in full at all, and resuming changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.core import exposure
from bot.core.limits import Breach, Limit
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.units import Asset, InstrumentId, VenueId


def in_the_way_of(ledger: Ledger, policy: Policy, instrument: InstrumentId) -> tuple[Breach, ...]:
    """Venues that keep an instrument from increasing: others that hold its asset, and its own if only one answer told its position."""
    listed = ledger.instruments.get(instrument)
    if listed is None or not (found := _of_asset(ledger, policy, listed.base)):
        return ()
    return _breaches(ledger, listed.base, {i: why for i, why in found.items() if i != instrument or ledger.positions[i].is_told_once})


def of_asset(ledger: Ledger, policy: Policy, asset: Asset) -> tuple[Breach, ...]:
    """Venues that keep an asset from increasing, for people."""
    return _breaches(ledger, asset, _of_asset(ledger, policy, asset))


@exposure.once
def _of_asset(ledger: Ledger, policy: Policy, asset: Asset) -> Mapping[InstrumentId, str]:
    found = {}
    for instrument in exposure.instruments_of(ledger, policy, asset):
        position, venue = ledger.positions.get(instrument), ledger.venue_of(instrument)
        record = ledger.venues.get(venue)
        if position is None or record is None or venue in ledger.quarantined:
            continue
        if record.reported_at is None:
            found[instrument] = "not read in full in this journal"
        elif record.is_outdated:
            found[instrument] = "not read in full since the journal lost its end"
        elif position.is_told_once:
            found[instrument] = "positions told once, and not confirmed"
    return found


def _breaches(ledger: Ledger, asset: Asset, found: Mapping[InstrumentId, str]) -> tuple[Breach, ...]:
    venues: dict[VenueId, str] = {ledger.venue_of(instrument): why for instrument, why in found.items()}
    until = "nothing of it increases until the venue is read, or quarantined by a named person"
    return tuple(Breach(Limit.UNRECONCILED, v, None, None, f"{why}; holds {asset}: {until}") for v, why in sorted(venues.items()))
