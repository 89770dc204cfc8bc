"""A venue's complete reading against our record: agree, wait, dispute, or adopt.

The venue is the truth for positions, orders and fills; but one reading is a sample, taken while fills are on their way. So:

1. The reading's fills and order reports are folded first: what they explain is not a difference.
2. A difference while an order of ours may still fill, or while fills arrived during the reading, proves nothing: read again. An
   order in doubt stands in the way only until it must be over: else its doubt and the difference would wait for each other. One that
   rests is cancelled first: the venue counts as not reconciled, and nothing rests at such a venue (see `working`).
3. A difference that remains is a dispute: exposure spans both figures and nothing increases there. When a second complete reading says
   the same, the venue's figure is adopted and a break with its cause is told.
4. Positions may lag behind fills by seconds, and a venue may add up fills in other steps than ours. A figure between the least and the
   most that our record passed through within `POSITION_LAG_MS` is disputed, and not adopted while the venue may still be late.
5. The very first reading of an instrument is adopted if no order works there, else when the answer to another question says the same; and
   neither while a fill is known since the question: it would count twice, or not at all. What was there before us is told as pre-existing.
   Of one answer there is nothing that it could be held against: what it told counts, is moved by fills and is reduced, but the venue is
   not reconciled and nobody increases that asset (see `unread`) until a second one agrees. One that does not takes the first one's place if
   it comes within `FIRST_ANSWERS_MS`: either may be wrong. From then on the first one is a record like any other, and 4. and 6. hold.
6. What was adopted tells by its direction what it may be, and the venue's trading state follows. A position that shrank, with no fill to
   be read, is presumed deleveraged or liquidated: hedged elsewhere, the venue REDUCING. One that grew or turned, or several that vanished
   together (an account that was reset, or is not ours), is explained by nothing: the venue HALTED, its positions counted as they are.
7. Protection does not wait for fills. Of a venue that this journal never read in full, a position is also known when two tellings of the
   present, without fills, say the same; margins and foreign orders are as told. It reconciles nothing and explains nothing: reductions
   and limits act on it, increases wait for the complete reading, which judges it like any other record. Of an order in doubt it tells
   whether it is over, and what of a reduction filled at the most (see `spent`), also where the venue was read in full before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from bot.core import custody, spent, strangers, trading
from bot.core import events as ev
from bot.core.copying import replace
from bot.core.instrument import ContractKind
from bot.core.ledger import (
    apply_fill,
    apply_order_report,
    noted,
    put,
    venue_record,
    with_break,
    with_move,
    with_strangers_at,
    with_venue,
)
from bot.core.limits import Limit
from bot.core.policy import Policy
from bot.core.records import BreakCause, Dispute, Ledger, Note, Position, VenueRecord
from bot.core.remembered import with_foreign_move
from bot.core.seen import NOTHING_SEEN
from bot.core.units import CLOCK_STEP_TOLERANCE_MS, ZERO, InstrumentId, Millis, VenueId, is_ahead

_Telling = ev.VenueReported | ev.HoldingsReported
READINGS_TO_ADOPT = 2
"""Complete readings that must agree before a difference that nothing explains is taken over."""
FIRST_ANSWERS_MS: Millis = 60_000
"""How long after the first answer of all a differing one is another sample of the same, and no later state of what it told."""


def apply_reading(ledger: Ledger, event: ev.VenueReported) -> Ledger:
    """Folds a complete reading of one venue."""
    before, fills_before = ledger, ledger.fill_ids
    for fill in sorted(event.fills, key=lambda f: (f.venue_at, f.fill_id)):
        ledger = apply_fill(ledger, fill, event.at)
    for report in event.orders:
        ledger = apply_order_report(ledger, report, event.at)
    ledger = strangers.observed(after_fills(before, ledger, event.venue, event.at), event)
    agreed, vanished = _tells_all_that_is_held(ledger, event), _vanished_together(ledger, event)
    for told in event.positions:
        news = ledger.fill_ids.get(told.instrument) is not fills_before.get(told.instrument)
        ledger, settled = _settle_position(ledger, told, event, news_during_reading=news, vanished=vanished)
        agreed = agreed and settled
    record, margins = venue_record(ledger, event.venue), {m.asset: m for m in event.margins}
    ledger = custody.apply_account(ledger, event.venue, record.equity_told, margins, event.at)
    for sentence in (*event.unfit, *event.remarks):
        if sentence not in (*record.unfit, *record.remarks):
            ledger = noted(ledger, Note(at=event.at, kind="venue", subject=event.venue, sentence=f"set otherwise: {sentence}"))
    agreed = agreed and _was_asked_since(record.link_since, event)  # one from before a silence says nothing of what it hid
    record = replace(
        record,
        reconciled=agreed,
        reported_at=event.asked_at,
        is_outdated=False,
        agreed_at=event.asked_at if agreed else record.agreed_at,
        disagreements=0 if agreed else record.disagreements + 1,
        read_pending=False,
        clock_offset_ms=event.clock_offset_ms,
        margins=margins,
        margin_positions={p.instrument: p.quantity for p in event.positions},
        equity_told=margins,
        inverse_told={p.instrument: p for p in event.positions if not _is_linear(ledger, p.instrument)},
        margin_marks=_marks(event.positions),
        unreadable=None,
        unfit=event.unfit,
        remarks=event.remarks,
        deleveraging_ranks={p.instrument: p.deleveraging_rank for p in event.positions if p.deleveraging_rank is not None},
    )
    unknown = (p for p in event.positions if p.instrument not in ledger.positions)
    return with_venue(ledger, event.venue, _with_first_told(record, unknown, event))


def apply_holdings(ledger: Ledger, event: ev.HoldingsReported, policy: Policy) -> Ledger:
    """Folds a telling of the present without fills (7.). Of a venue that this journal has read in full it tells of orders in doubt alone.

    A position that moves between the two tellings makes them differ, or its fill is told later and counts then. A fill that was told
    before its position was known has counted nowhere: one from after the first question stands in the way of the answers.
    """
    ledger = strangers.not_named(spent.observed(ledger, event, policy), event)
    record = venue_record(ledger, event.venue)
    if record.reported_at is not None:
        doubted = (p for p in event.positions if ledger.open_orders(p.instrument))
        return with_venue(ledger, event.venue, _with_first_told(record, doubted, event))
    ledger = strangers.observed(ledger, event)
    for told in event.positions:
        is_new = told.instrument not in ledger.positions and not ledger.open_orders(told.instrument)
        agrees = is_new and _was_told_before(ledger, told, event)
        if agrees and not _was_filled(ledger, told.instrument, event, since_first=True):
            ledger = _adopt_first(ledger, told, event)
    record = replace(
        venue_record(ledger, event.venue),
        margins={m.asset: m for m in event.margins},
        margin_positions={p.instrument: p.quantity for p in event.positions},
        equity_told={m.asset: m for m in event.margins},
        inverse_told={p.instrument: p for p in event.positions if not _is_linear(ledger, p.instrument)},
        margin_marks=_marks(event.positions),
    )
    unknown = (p for p in event.positions if p.instrument not in ledger.positions)
    return with_venue(ledger, event.venue, _with_first_told(record, unknown, event))


def _was_asked_since(at: Millis, event: ev.VenueReported) -> bool:
    """Whether a reading was asked for at an instant of our clock or after it. One that lies ahead is from before our clock stepped back."""
    return event.asked_at >= at or is_ahead(at, event.at)


def _tells_all_that_is_held(ledger: Ledger, event: ev.VenueReported) -> bool:
    """Whether every position that our record has there is told, flat or not: one that is left out may be gone."""
    told = {p.instrument for p in event.positions}
    here = (i for i in ledger.occupied if ledger.venue_of(i) == event.venue)
    return all(i in told or i not in ledger.positions or ledger.positions[i].quantity == ZERO for i in here)


def _is_linear(ledger: Ledger, instrument: InstrumentId) -> bool:
    listed = ledger.instruments.get(instrument)
    return listed is not None and listed.kind is ContractKind.LINEAR


def _marks(positions: Sequence[ev.PositionReport]) -> Mapping[InstrumentId, Decimal]:
    """The marks at which a reading counts, in the venue's own words: quotes are not in the journal, and a replay would take others."""
    return {p.instrument: p.mark_price for p in positions if p.mark_price is not None and p.mark_price > ZERO}


def apply_unreadable(ledger: Ledger, event: ev.VenueUnreadable) -> Ledger:
    """A reading that did not come through teaches nothing: the record stays, and is not fresher for it."""
    record = venue_record(ledger, event.venue)
    was_readable = record.reported_at is not None and record.reported_at >= ledger.started_at
    if record.unreadable is None and was_readable:
        ledger = noted(ledger, Note(at=event.at, kind="venue", subject=event.venue, sentence=f"not readable: {event.reason}"))
    return with_venue(ledger, event.venue, replace(record, read_pending=False, unreadable=event.reason))


def _settle_position(
    ledger: Ledger, told: ev.PositionReport, event: ev.VenueReported, *, news_during_reading: bool, vanished: bool
) -> tuple[Ledger, bool]:
    position = ledger.positions.get(told.instrument)
    if position is None:
        agrees = _was_told_before(ledger, told, event)
        if not (agrees or _is_quiet(ledger, told, event)) or _was_filled(ledger, told.instrument, event, since_first=agrees):
            return ledger, False
        return _adopt_first(ledger, told, event, is_told_once=not agrees), agrees
    if position.is_told_once and position.adopted_here_at == event.asked_at:
        return ledger, False  # the same answer again
    if position.quantity == told.quantity:
        if (
            position.dispute is None
            and position.foreign_fill is None
            and position.entry_price == told.entry_price
            and not position.is_told_once
        ):
            return ledger, True
        calm = replace(position, dispute=None, foreign_fill=None, entry_price=told.entry_price, is_told_once=False)
        return replace(ledger, positions=put(ledger.positions, told.instrument, calm)), True
    may_fill = any(not o.is_over_by(event.asked_at) for o in ledger.open_orders(told.instrument))
    if may_fill or news_during_reading or _moved_during(ledger, told.instrument, event):
        return ledger, False
    is_late = _may_be_late(position, told.quantity, event.asked_at)
    if _is_another_sample(position, event) and not (vanished or is_late):
        return _told_otherwise(ledger, position, told, event), False
    readings = 1
    if position.dispute is not None and position.dispute.observed == told.quantity:
        readings = position.dispute.readings + 1
    if readings < READINGS_TO_ADOPT or is_late:
        since = position.dispute.since if position.dispute else event.at
        disputed = replace(position, dispute=Dispute(observed=told.quantity, readings=readings, since=since))
        return replace(ledger, positions=put(ledger.positions, told.instrument, disputed)), False
    cause = BreakCause.UNEXPLAINED if vanished else _cause(position.quantity, told.quantity)
    sentence = f"record {position.quantity:f}, venue {told.quantity:f}"
    if vanished:
        sentence += ", and so did every other position there: an account that was reset, or is not ours"
    ledger = with_break(ledger, cause, told.instrument, event.at, sentence)
    taken = event.at if cause is BreakCause.AUTO_DELEVERAGING else None
    ledger = with_move(ledger, told.instrument, told.quantity - position.quantity)
    ledger = with_foreign_move(ledger, told.instrument, told.quantity - position.quantity)
    ledger = trading.enter(ledger, _LIMIT_OF[cause], event.at, f"{told.instrument}: {sentence}", venue=event.venue)
    return _adopt(ledger, told, event, taken, cause if cause is BreakCause.UNEXPLAINED else None), True


def _told_otherwise(ledger: Ledger, position: Position, told: ev.PositionReport, event: ev.VenueReported) -> Ledger:
    """The ledger with the second answer in the first one's place: either may be wrong, so a third must agree, and no move is known."""
    sentence = f"told once as {position.quantity:f}, and then as {told.quantity:f}"
    ledger = noted(ledger, Note(at=event.at, kind="venue", subject=told.instrument, sentence=sentence))
    ledger = with_move(ledger, told.instrument, told.quantity - position.quantity)
    return _adopt_first(ledger, told, event, is_told_once=True, deleveraged_at=position.deleveraged_at)


def _is_another_sample(position: Position, event: ev.VenueReported) -> bool:
    """Whether an answer came so soon after the first one of all that, where they differ, either may be wrong."""
    first_at = position.adopted_here_at
    return position.is_told_once and first_at is not None and abs(event.asked_at - first_at) <= FIRST_ANSWERS_MS


_LIMIT_OF = {BreakCause.AUTO_DELEVERAGING: Limit.AUTO_DELEVERAGING, BreakCause.UNEXPLAINED: Limit.UNEXPLAINED_POSITION}


def _vanished_together(ledger: Ledger, event: ev.VenueReported) -> bool:
    """Whether a venue tells that nothing is left where our record has several positions: no deleveraging takes all of them at once."""
    held = sum(1 for p in event.positions if p.instrument in ledger.positions and ledger.positions[p.instrument].quantity != ZERO)
    return held > 1 and all(p.quantity == ZERO for p in event.positions)


def after_fills(before: Ledger, after: Ledger, venue: VenueId, at: Millis) -> Ledger:
    """The later ledger with its venue REDUCING, if the fills between the two were somebody else's, or a liquidation.

    A deleveraging or settlement that the venue told of is explained: it rests its instrument, and hides nothing more.
    """
    for cause, limit in _FILLS_THAT_REDUCE.items():
        count = after.tallies.breaks_by_cause.get(cause, 0) - before.tallies.breaks_by_cause.get(cause, 0)
        if count:
            after = trading.enter(after, limit, at, f"{count} fills by {cause.value}", venue=venue)
            after = with_strangers_at(after, venue, at) if limit is Limit.FOREIGN_ORDERS else after
    return after


_FILLS_THAT_REDUCE = {
    BreakCause.FOREIGN_FILL: Limit.FOREIGN_ORDERS,
    BreakCause.UNJOURNALED: Limit.FOREIGN_ORDERS,
    BreakCause.LIQUIDATION: Limit.AUTO_DELEVERAGING,
}


def _may_be_late(position: Position, observed: Decimal, asked_at: Millis) -> bool:
    """Whether our record passed through a figure so lately that the venue may only be late with it.

    All between its least and its most counts: of a sweep told as one fill the venue may have entered a part.
    """
    passed = position.passed_since(asked_at)
    if not passed:
        return False
    low = min(position.quantity, *(p.low for p in passed))
    high = max(position.quantity, *(p.high for p in passed))
    return low <= observed <= high


def _moved_during(ledger: Ledger, instrument: InstrumentId, event: ev.VenueReported) -> bool:
    """Whether a fill came or an order of ours ended after the reading was asked for: its answers may be from before and after it."""
    ended = (o.closed_at for o in ledger.orders_of(instrument) if o.closed_at is not None)
    moved = (p.left_at for p in ledger.positions[instrument].left_behind)
    last = event.at + CLOCK_STEP_TOLERANCE_MS  # what lies farther ahead is from before our clock stepped back
    return any(event.asked_at <= at <= last for at in (*ended, *moved))


def _is_quiet(ledger: Ledger, told: ev.PositionReport, event: ev.VenueReported) -> bool:
    """Whether no order works at an instrument, and no answer to a later question has said otherwise."""
    record = venue_record(ledger, event.venue)
    is_older = record.first_told_at is not None and event.asked_at < record.first_told_at
    works = any(r.instrument == told.instrument and r.status is ev.VenueOrderStatus.ACCEPTED for r in event.orders)
    return not works and not (is_older and told.instrument in record.first_told)


def _was_filled(ledger: Ledger, instrument: InstrumentId, event: _Telling, *, since_first: bool) -> bool:
    """Whether an execution is known since the question, or since the one whose answer said the same: a position that is not known yet was
    not moved by it, and the answer may be from before it."""
    first = venue_record(ledger, event.venue).first_told_at if since_first else None
    asked_at = event.asked_at if first is None else min(event.asked_at, first)
    return ledger.fill_ids.get(instrument, NOTHING_SEEN).has_since(asked_at + event.clock_offset_ms)


def _with_first_told(record: VenueRecord, told: Iterable[ev.PositionReport], event: _Telling) -> VenueRecord:
    """The record with what an answer told of positions that need a second one."""
    figures = {p.instrument: p.quantity for p in told}
    return replace(record, first_told=figures, first_told_at=event.asked_at if figures else None)


def _was_told_before(ledger: Ledger, told: ev.PositionReport, event: _Telling) -> bool:
    """Whether another question was answered with the same figure before: what is told to the answer of one is one sample."""
    record = venue_record(ledger, event.venue)
    return record.first_told.get(told.instrument) == told.quantity and record.first_told_at != event.asked_at


def _cause(recorded: Decimal, observed: Decimal) -> BreakCause:
    """A position that shrank without any fill that we could read is what auto-deleveraging looks like; anything else is unexplained."""
    shrank = abs(observed) < abs(recorded) and recorded * observed >= ZERO
    return BreakCause.AUTO_DELEVERAGING if shrank else BreakCause.UNEXPLAINED


def _adopt(
    ledger: Ledger, told: ev.PositionReport, event: _Telling, deleveraged_at: Millis | None = None, origin: BreakCause | None = None
) -> Ledger:
    before = ledger.positions.get(told.instrument)
    adopted = Position(
        quantity=told.quantity,
        adopted_at=event.asked_at + event.clock_offset_ms,
        adopted_here_at=event.asked_at,
        adopted_after=next(reversed(tuple(ledger.orders)), ""),
        entry_price=told.entry_price,
        deleveraged_at=deleveraged_at,
        origin=origin or (None if before is None else before.origin),
    )
    return replace(ledger, positions=put(ledger.positions, told.instrument, adopted))


def _adopt_first(
    ledger: Ledger, told: ev.PositionReport, event: _Telling, *, is_told_once: bool = False, deleveraged_at: Millis | None = None
) -> Ledger:
    origin = BreakCause.PRE_EXISTING if told.quantity != ZERO else None
    if told.quantity != ZERO:
        sentence = f"{told.quantity:f} was there before the first reading"
        ledger = with_break(ledger, BreakCause.PRE_EXISTING, told.instrument, event.at, sentence)
    ledger = _adopt(ledger, told, event, deleveraged_at, origin)
    adopted = replace(ledger.positions[told.instrument], origin=origin, is_told_once=is_told_once)
    return replace(ledger, positions=put(ledger.positions, told.instrument, adopted))


def apply_link(ledger: Ledger, event: ev.VenueLinkChanged) -> Ledger:
    """A venue is heard better or worse. After any silence it must be read in full before it takes an increase again.

    That a reading failed while the link was not up says nothing of now: the long pause after a failed one ends with the link's return.
    """
    record = venue_record(ledger, event.venue)
    if record.link is event.link:
        return ledger
    unreadable = None if event.link is ev.VenueLink.UP else record.unreadable
    record = replace(record, link=event.link, link_since=event.at, reconciled=False, disagreements=0, unreadable=unreadable)
    ledger = noted(ledger, Note(at=event.at, kind="link", subject=event.venue, sentence=f"{event.link.value}: {event.reason}"))
    return with_venue(ledger, event.venue, record)


def distrust(ledger: Ledger, venue: VenueId) -> Ledger:
    """Something unintelligible was said: the venue must be read in full before it takes an increase again."""
    return with_venue(ledger, venue, replace(venue_record(ledger, venue), reconciled=False))
