"""Whether a complete reading of a venue, or of a source, brought news: else it waits for the next decision on the beat.

The rule: a reading that repeats what the record says already changes stamps, and what prices do to accounts. Nothing that a decision asks
of a venue turns on either at once: stamps of a venue that was read lately only put off its growing old, and margins that move with prices
are told between readings as well, where they wait for the next beat too. It is news as soon as

    anything else of the ledger or of the venue's record changed (a position, a dispute, an order, a fill, a cause, a sentence)
    the venue was not in order before it: not reconciled, unreadable, outdated, or not read for so long that nothing increased there
    an order at the venue is open: a reading is evidence of what became of it
    a balance moved that prices do not move: a wallet, or an account whose wallet is not told; also one that a stream told before, because
    coins count as the last reading told them
    a custodian mirrors balances there: a reading may show what the custodian told of
    the clock's offset passes its limit, or comes back from beyond it

A source's word that it has told everything is news where it was silent: nothing is certain of what it told before that word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from bot.core import staleness
from bot.core.copying import replace
from bot.core.events import CollateralConfirmed, VenueReported
from bot.core.policy import Policy
from bot.core.records import Ledger, VenueRecord
from bot.core.reports import MarginReport
from bot.core.units import ZERO, Asset, is_recent

_BESIDE_VENUES = tuple(f.name for f in fields(Ledger) if f.name != "venues")


def is_news(before: Ledger, after: Ledger, event: VenueReported, policy: Policy) -> bool:
    """Whether a reading that took the ledger from `before` to `after` asks for a decision at once."""
    was, now = before.venues.get(event.venue), after.venues.get(event.venue)
    if was is None or now is None or not _was_in_order(was, event, policy):
        return True
    if any(before.venue_of(order.instrument) == event.venue for order in before.open_orders()):
        return True
    if abs(event.clock_offset_ms) > policy.clock_offset_max_ms or any(venue == event.venue for _, venue, _ in after.mirrored):
        return True
    if not (_moved_by_prices_alone(was.margins, now.margins) and _moved_by_prices_alone(was.equity_told, now.equity_told)):
        return True
    return _without_stamps(was) != _without_stamps(now) or not _is_same_beside(before, after, event)


def ends_silence(before: Ledger, policy: Policy, event: CollateralConfirmed) -> bool:
    """Whether a source that has told everything had not in this run, or too long ago."""
    return not staleness.is_heard(before, policy, event.source)


def _was_in_order(record: VenueRecord, event: VenueReported, policy: Policy) -> bool:
    """Whether nothing about the venue's own state stood in the way of an increase, so that no reading can take it away."""
    if not record.reconciled or record.unreadable is not None or record.is_outdated or record.reported_at is None:
        return False
    offset = record.clock_offset_ms
    return (
        offset is not None
        and abs(offset) <= policy.clock_offset_max_ms
        and is_recent(event.at, record.reported_at, policy.report_age_max_ms)
    )


def _moved_by_prices_alone(was: Mapping[Asset, MarginReport], now: Mapping[Asset, MarginReport]) -> bool:
    if was.keys() != now.keys():
        return False
    pairs = ((was[asset], now[asset]) for asset in now)
    return all(one == other or (one.wallet_balance is not None and _unpriced(one) == _unpriced(other)) for one, other in pairs)


def _unpriced(told: MarginReport) -> tuple[object, ...]:
    """What of an account no price moves, and which figures it tells at all."""
    priced = (told.margin_balance, told.maintenance_margin, told.initial_margin, told.equity)
    return (told.wallet_balance, told.is_account_wide, told.collateral_ratios, *(figure is None for figure in priced))


def _without_stamps(record: VenueRecord) -> VenueRecord:
    """A record without what only tells when, and without what prices move. Of marks it is left which are told."""
    return replace(
        record,
        reported_at=None,
        first_told_at=None,
        agreed_at=None,
        read_asked_at=None,
        read_pending=False,
        clock_offset_ms=None,
        margins={},
        equity_told={},
        inverse_told={i: replace(told, mark_price=None, deleveraging_rank=None) for i, told in record.inverse_told.items()},
        margin_marks=dict.fromkeys(record.margin_marks, ZERO),
    )


def _is_same_beside(before: Ledger, after: Ledger, event: VenueReported) -> bool:
    """Whether nothing but this venue's record changed. What is the very same object is not looked into."""
    for name in _BESIDE_VENUES:
        was, now = getattr(before, name), getattr(after, name)
        if was is not now and was != now:
            return False
    return (
        all(after.venues.get(v) is r for v, r in before.venues.items() if v != event.venue) and after.venues.keys() == before.venues.keys()
    )
