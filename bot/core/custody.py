"""What custodians hold for us and mirror at venues, and how far they are with settling what a venue and we owe each other.

The rule: everything that a custodian holds counts at the custodian. What it delegated, the venue only mirrors: its account adds
equity - delegated, the unsettled profit. A settlement moves that profit into custody:

    custody total + x, delegated + x, settled + x      the venue's mirror grows into what its account shows already
    custody total + x, settled + x                     the venue pays out, and its account falls by x when it shows that

Either way custody total + (equity - delegated) stays what it was: composition changes, delta does not. Two figures that belong together
must therefore be told together: one `CustodyReported` holds a custodian's totals and delegations of one instant.

What is delegated or taken back, on the other hand, the venue's account shows at an instant that nobody tells. delegated - settled tells
the two apart: while it moved by m since the account was last told for certain, the coins that the account adds are in doubt by m, and
delta is a range: any part of it may be shown, and two moves that cancel each other do not cancel their doubts. After `MIRROR_LAG_MS` a
complete reading shows all of it. A row that an earlier report did not have is a delegation from nothing.

The account may also be the first to show it. What a reading moves a mirrored coin's wallet by, beyond what is due to be shown, is in doubt:
coins of our own, or mirrored ones that count at the custodian already. So it stays until the second report of an instant after it (the
first may have been on its way), or as far as a report explains it; of a custodian that falls silent it stays. Two moves that cancel each
other between two readings are seen by nobody. So it is with a coin of which a custodian that was heard has no row at the venue yet, and
which it holds: what the account shows of it may be the first delegation.

    idle -> frozen -> calculating -> settling -> completed | partial | failed | excluded -> the next cycle's idle

A custodian is asked now and then, so steps may be missed; within one cycle they never go back, except that what went wrong may be tried
again. A report that goes back is a contradiction: it is taken over, because it is the newest word, and blocks the venue until the
settlement goes on from there by a step that may follow. Other figures that change meanwhile end no contradiction.
(Copper ClearLoop, Ceffu MirrorX, Fireblocks Off Exchange: cycles of 2 to 24 hours, delegations disabled around a settlement.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from bot.core import events as ev
from bot.core.copying import replace
from bot.core.ledger import noted
from bot.core.policy import Policy
from bot.core.records import Delegation, Ledger, Note
from bot.core.reports import CustodyTotal, DelegationReport, MarginReport, SettlementState
from bot.core.units import ZERO, Asset, Millis, VenueId

MIRROR_LAG_MS: Millis = 10_000
"""How long after a custodian told of it a venue may need to show what was delegated or taken back."""

WORDS = 2
"""How many reports of instants after a reading end the doubt whether what it showed is mirrored: the first may have been on its way."""

_S = SettlementState
_PATH = (_S.IDLE, _S.FROZEN, _S.CALCULATING, _S.SETTLING)
ENDS = frozenset({_S.COMPLETED, _S.PARTIAL, _S.FAILED, _S.EXCLUDED})
"""Where a cycle ends."""
WENT_WRONG = ENDS - {_S.COMPLETED}
"""Ends after which profit is still owed that should have been paid."""

FOLLOWS: Mapping[SettlementState, frozenset[SettlementState]] = {
    **{state: frozenset(_PATH[place:]) | ENDS for place, state in enumerate(_PATH)},
    _S.COMPLETED: frozenset({_S.COMPLETED}),
    **{state: frozenset({_S.CALCULATING, _S.SETTLING}) | ENDS for state in WENT_WRONG},
}
"""What a custodian may say after each state, of the same cycle."""


def may_follow(before: DelegationReport, told: DelegationReport) -> bool:
    """Whether a later report of one delegation agrees with an earlier one: a later cycle, or a state that may follow in the same."""
    if told.cycle != before.cycle:
        return told.cycle > before.cycle
    return told.state in FOLLOWS[before.state]


def is_late(ledger: Ledger, event: ev.CustodyReported) -> bool:
    """Whether a newer report of the same custodian was taken over before."""
    return event.as_of < ledger.custody_as_of.get(event.source, event.as_of)


def senseless(ledger: Ledger, event: ev.CustodyReported) -> str | None:
    """Why nothing of a report can be taken over, in one sentence; None when it makes sense. Absence is not zero."""
    totals = {told.asset: told for told in event.totals}
    if len(totals) != len(event.totals):
        return "an asset is told twice"
    bad = next((t for t in event.totals if not _is_total(t)), None)
    if bad is not None:
        return f"senseless total of {bad.asset}"
    known = (asset for source, place, asset in ledger.holdings if (source, place) == (event.source, event.location))
    if (gone := next((asset for asset in known if asset not in totals), None)) is not None:
        return f"{gone} is gone from the report, and absence is not zero"
    return _of_delegations(ledger, event, totals)


def _of_delegations(ledger: Ledger, event: ev.CustodyReported, totals: Mapping[Asset, CustodyTotal]) -> str | None:
    told, sums = set(), dict.fromkeys(totals, ZERO)
    for row in event.delegations:
        what = f"{row.asset} delegated to {row.venue}"
        if (row.venue, row.asset) in told:
            return f"{what} is told twice"
        if row.asset not in totals:
            return f"{what} without a total of it"
        figures = (row.delegated, row.settled, row.due, row.posted)
        if any(f is not None and not f.is_finite() for f in figures) or row.delegated < ZERO or (row.posted or ZERO) < ZERO:
            return f"senseless figures of {what}"
        told.add((row.venue, row.asset))
        sums[row.asset] += row.delegated
    for (source, venue, asset), before in ledger.mirrored.items():
        if source == event.source and (venue, asset) not in told and not is_nothing(before.told):
            return f"{asset} delegated to {venue} is gone from the report, and absence is not zero"
    beyond = next((asset for asset, part in sums.items() if part > totals[asset].quantity), None)
    return None if beyond is None else f"more {beyond} is delegated than the custodian holds"


def is_nothing(row: DelegationReport) -> bool:
    """Whether nothing is delegated and nothing owed: such a row may be gone, as it is where the venue has left the configuration."""
    return row.delegated == ZERO and not row.due


def _is_total(told: CustodyTotal) -> bool:
    rate = told.redemption_rate
    return told.quantity.is_finite() and told.quantity >= ZERO and (rate is None or (rate.is_finite() and rate > ZERO))


def apply_delegations(ledger: Ledger, event: ev.CustodyReported) -> Ledger:
    """Keeps the delegations of a report that makes sense and is not late, and tells people of each change of a settlement's state."""
    mirrored = dict(ledger.mirrored)
    rows = {(event.source, told.venue, told.asset): told for told in event.delegations}
    unmentioned = {
        key: known.told
        for key, known in mirrored.items()
        if key[0] == event.source and key not in rows and (known.unheard_up or known.unheard_down)
    }
    for key, told in (rows | unmentioned).items():
        before = mirrored.get(key)
        mirrored[key] = after = _followed(ledger, before or _from_nothing(ledger, event, told), told, event)
        if before is None or (before.told.cycle, before.told.state) != (told.cycle, told.state):
            due = "" if told.due is None else f", {told.due:f} {told.asset} due"
            sentence = f"{told.asset} at {told.venue} by {event.source}: settlement {told.cycle} is {told.state.value}{due}"
            sentence += "; that contradicts what was told before" if after.is_disputed else ""
            ledger = noted(ledger, Note(at=event.at, kind="settlement", subject=told.venue, sentence=sentence))
        if key in unmentioned and after == replace(_nothing_told(told.venue, told.asset), observed_at=after.observed_at):
            del mirrored[key]
    return replace(ledger, mirrored=mirrored, custody_as_of={**ledger.custody_as_of, event.source: event.as_of})


def _from_nothing(ledger: Ledger, event: ev.CustodyReported, told: DelegationReport) -> Delegation | None:
    """Nothing delegated, as the word before the first row of a place: an earlier report of the custodian did not have it, so it is new.

    None with the custodian's first report of all: what that tells may have been there for long, and the account shows it.
    """
    if event.source not in ledger.custody_as_of:
        return None
    return Delegation(told=replace(told, delegated=ZERO, settled=ZERO), observed_at=event.at)


def _nothing_told(venue: VenueId, asset: Asset) -> Delegation:
    """A place of which no custodian has told a row."""
    return Delegation(told=DelegationReport(venue=venue, asset=asset, delegated=ZERO), observed_at=0)


def _first_delegations(ledger: Ledger, venue: VenueId, now: Mapping[Asset, MarginReport]) -> dict[tuple[str, VenueId, Asset], Delegation]:
    """Where an account tells coins which a custodian holds and has no row of: dollars move with every profit, and are nobody's delta."""
    listed = ledger.instruments.values()
    dollars = {i.settle for i in listed if not i.is_inverse and i.settle == i.quote} - {i.base for i in listed}
    places = {
        (source, venue, asset): _nothing_told(venue, asset)
        for (source, _, asset), holding in ledger.holdings.items()
        if source in ledger.custody_as_of and holding.quantity > ZERO and asset in now and asset not in dollars
    }
    return {key: place for key, place in places.items() if key not in ledger.mirrored}


def _followed(ledger: Ledger, before: Delegation | None, told: DelegationReport, event: ev.CustodyReported) -> Delegation:
    mirrored, at = told.delegated - told.settled, event.at
    if before is None:
        return Delegation(told=told, observed_at=at)
    agrees = may_follow(before.told, told)
    known = _settled(ledger, told.venue, before)
    moved = mirrored - (before.told.delegated - before.told.settled)
    explained = _within(moved, known.unheard_down, known.unheard_up)
    up, down = known.unheard_up - max(ZERO, explained), known.unheard_down - min(ZERO, explained)
    words = known.words + _is_word(ledger, known, event)
    is_over = words >= WORDS or up == down
    return replace(
        known,
        told=told,
        observed_at=at,
        rose=known.rose + max(ZERO, moved),
        fell=known.fell + min(ZERO, moved),
        moved_at=at if moved != ZERO else known.moved_at,
        due_up=known.due_up + max(ZERO, moved - explained),
        due_down=known.due_down + min(ZERO, moved - explained),
        unheard_up=ZERO if is_over else up,
        unheard_down=ZERO if is_over else down,
        unheard_at=None if is_over else known.unheard_at,
        words=0 if is_over else words,
        is_disputed=not agrees or (before.is_disputed and (told.cycle, told.state) == (before.told.cycle, before.told.state)),
    )


def _is_word(ledger: Ledger, known: Delegation, event: ev.CustodyReported) -> bool:
    """Whether a report is one more word on what a reading showed: of a later instant than the report before it, and than that reading.

    A statement out of a cache, told again or late, knows nothing of it.
    """
    return event.as_of > ledger.custody_as_of.get(event.source, event.as_of - 1) and event.as_of >= (known.unheard_at or event.as_of)


def _settled(ledger: Ledger, venue: VenueId, delegation: Delegation) -> Delegation:
    """The same without the doubts that the venue's account has ended by now."""
    if not is_shown(ledger, venue, delegation):
        return delegation
    return replace(delegation, rose=ZERO, fell=ZERO, due_up=ZERO, due_down=ZERO)


def _within(value: Decimal, low: Decimal, high: Decimal) -> Decimal:
    return max(low, min(high, value))


def apply_account(
    ledger: Ledger, venue: VenueId, before: Mapping[Asset, MarginReport], now: Mapping[Asset, MarginReport], at: Millis
) -> Ledger:
    """Notes what a reading told `at` moves mirrored coins' wallets by beyond what is due to be shown. A wallet that is not told is passed
    over; where no row was told and no wallet before, all of it may be mirrored."""
    mirrored, first = dict(ledger.mirrored), _first_delegations(ledger, venue, now)
    for key, delegation in {**ledger.mirrored, **first}.items():
        asset = delegation.told.asset
        was, told = before.get(asset), now.get(asset)
        wallet = ZERO if was is None and key in first else None if was is None else was.wallet_balance
        if key[1] != venue or told is None or wallet is None or told.wallet_balance is None:
            continue
        moved = told.wallet_balance - wallet
        if moved == ZERO:
            continue
        known = _settled(ledger, venue, delegation)
        shown = _within(moved, known.due_down, known.due_up)
        mirrored[key] = replace(
            known,
            due_up=known.due_up - max(ZERO, shown),
            due_down=known.due_down - min(ZERO, shown),
            unheard_up=known.unheard_up + max(ZERO, moved - shown),
            unheard_down=known.unheard_down + min(ZERO, moved - shown),
            unheard_at=at if moved != shown else known.unheard_at,
            words=0 if moved != shown else known.words,
        )
    return replace(ledger, mirrored=mirrored) if mirrored != ledger.mirrored else ledger


def is_shown(ledger: Ledger, venue: VenueId, delegation: Delegation) -> bool:
    """Whether the venue's account, as the last complete reading told it, surely shows all that was delegated and taken back."""
    if delegation.moved_at is None:
        return True
    record = ledger.venues.get(venue)
    return record is not None and record.reported_at is not None and record.reported_at >= delegation.moved_at + MIRROR_LAG_MS


def delegations_at(ledger: Ledger, policy: Policy, venue: VenueId) -> Iterator[Delegation]:
    """What configured custodians said of a venue, in a fixed order. A custodian that was taken out of the configuration counts no more."""
    for (source, place, _), delegation in sorted(ledger.mirrored.items()) if ledger.mirrored else ():
        if place == venue and source in policy.collateral_sources:
            yield delegation


def delegated_at(ledger: Ledger, policy: Policy, venue: VenueId) -> Mapping[Asset, Decimal]:
    """Units of each asset that custodians mirror at a venue, all of them together."""
    found = dict(ledger.delegations.get(venue, {}))
    for delegation in delegations_at(ledger, policy, venue):
        asset = delegation.told.asset
        found[asset] = found.get(asset, ZERO) + delegation.told.delegated
    return found


def in_flight(ledger: Ledger, policy: Policy, venue: VenueId, asset: Asset) -> tuple[Decimal, Decimal]:
    """By how many units of an asset what a venue's account adds may be less (<= 0) and more (>= 0) than equity - delegated: told and not
    shown yet, or shown and not told yet."""
    less = more = ZERO
    for delegation in delegations_at(ledger, policy, venue):
        if delegation.told.asset == asset:
            known = _settled(ledger, venue, delegation)
            less += known.fell - known.unheard_up
            more += known.rose - known.unheard_down
    return less, more
