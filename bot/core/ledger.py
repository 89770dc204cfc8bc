"""fold(ledger, event, policy) -> ledger: how each fact changes the record. Pure; the only writer of positions and orders.

Two rules decide what moves a position:

* An order of ours moves it by the growth of its filled quantity (see `order`), so a fill, its order report and the answer to the
  place request may come in any order and any number of times.
* A fill that is not of our orders (auto-deleveraging, liquidation, a foreign order) moves it once per fill id.

Neither moves it when the venue's reading that was adopted later already contains it.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from itertools import takewhile
from typing import TypeVar

from bot.core import events as ev
from bot.core.copying import replace
from bot.core.foreign_order import OURS, left_after
from bot.core.instrument import ContractKind, Instrument
from bot.core.order import Order, OrderState, Trigger, absence_is_proven, advance, is_of, parts_of, spent, with_fill, with_report
from bot.core.policy import Policy
from bot.core.records import (
    FILLS_REMEMBERED,
    NOTES_REMEMBERED,
    ORDERS_REMEMBERED,
    ORDERS_REMEMBERED_MS,
    BreakCause,
    ForeignFill,
    Ledger,
    Note,
    Position,
    Tallies,
    VenueRecord,
)
from bot.core.remembered import begun_anew, with_foreign_move
from bot.core.repetition import executed, moved_otherwise
from bot.core.seen import NOTHING_SEEN
from bot.core.units import ONE, ZERO, ClientOrderId, InstrumentId, Millis, VenueId, is_ahead

DROPPED_AT_ONCE = 100
"""Closed orders that wait to be forgotten together: each time takes a look at all."""
EPOCHS_REMEMBERED = 100
"""Earlier runs whose orders are known for ours although our record does not have them."""

K = TypeVar("K")
V = TypeVar("V")

CAUSE_OF_FILL: Mapping[ev.FillKind, BreakCause] = {
    ev.FillKind.TRADE: BreakCause.FOREIGN_FILL,
    ev.FillKind.AUTO_DELEVERAGING: BreakCause.AUTO_DELEVERAGING,
    ev.FillKind.LIQUIDATION: BreakCause.LIQUIDATION,
    ev.FillKind.SETTLEMENT: BreakCause.SETTLEMENT,
}


def put(mapping: Mapping[K, V], key: K, value: V) -> Mapping[K, V]:
    """A copy of a mapping with one entry set."""
    return {**mapping, key: value}


def counted(counts: Mapping[str, int], key: str) -> Mapping[str, int]:
    """A copy of counts with one of them grown by one."""
    return {**counts, key: counts.get(key, 0) + 1}


def noted(ledger: Ledger, note: Note) -> Ledger:
    """The ledger with a sentence for people, the oldest forgotten."""
    return replace(ledger, notes=(*ledger.notes, note)[-NOTES_REMEMBERED:])


def with_break(ledger: Ledger, cause: BreakCause, instrument: str, at: Millis, sentence: str) -> Ledger:
    """The ledger with one more break counted and told."""
    tallies = replace(ledger.tallies, breaks_by_cause=counted(ledger.tallies.breaks_by_cause, cause.value))
    return noted(replace(ledger, tallies=tallies), Note(at=at, kind="break", subject=instrument, sentence=f"{cause.value}: {sentence}"))


def venue_record(ledger: Ledger, venue: VenueId) -> VenueRecord:
    """The record of a venue; an unheard-of one is DOWN and unreconciled."""
    return ledger.venues.get(venue) or VenueRecord()


def with_venue(ledger: Ledger, venue: VenueId, record: VenueRecord) -> Ledger:
    """The ledger with a venue's record replaced."""
    return replace(ledger, venues=put(ledger.venues, venue, record))


def with_strangers_at(ledger: Ledger, venue: VenueId, at: Millis) -> Ledger:
    """The ledger after a fill of others, or an order that the journal does not have, came to a venue at `at`, our clock."""
    return with_venue(ledger, venue, replace(venue_record(ledger, venue), strangers_at=at))


def with_order(ledger: Ledger, order: Order, at: Millis) -> Ledger:
    """The ledger after one of its orders changed: the position moves by what newly filled, and a newly closed order is tallied.

    What fills of an order that had ended is a break: its venue had told otherwise.
    """
    before = ledger.orders[order.client_order_id]
    if before == order:
        return ledger
    gained = order.filled - before.filled
    positions, executions, tallies = ledger.positions, ledger.executions, ledger.tallies
    if gained != ZERO:
        positions = _moved(positions, before, gained, at)
        executions = put(executions, order.instrument, executed(executions.get(order.instrument), before, gained))
    if not order.state.is_open and before.state is not order.state:
        outcome = order.state.value
        if order.state is OrderState.CANCELED and order.filled != ZERO:
            outcome = "partially_filled"
        tallies = replace(tallies, orders_by_outcome=counted(tallies.orders_by_outcome, outcome))
    orders = _remembered(put(ledger.orders, order.client_order_id, order), at)
    after = ledger.with_order(orders, order, positions=positions, executions=executions, tallies=tallies)
    if gained == ZERO or before.state.is_open:
        return after
    words = f"{gained:+f} of {order.client_order_id}, which was {before.state.value} with {before.filled:+f} filled"
    return with_break(after, BreakCause.LATE_FILL, order.instrument, at, words)


def _moved(positions: Mapping[InstrumentId, Position], before: Order, gained: Decimal, at: Millis) -> Mapping[InstrumentId, Position]:
    position = positions.get(before.instrument)
    if position is None:
        return positions
    adopted = position.adopted_here_at
    is_older = before.client_order_id <= position.adopted_after  # ids grow with each order and each run; a clock may step back
    if adopted is not None and is_older and (before.is_over_by(adopted) or _had_ended(before, adopted)):
        return positions  # the adopted reading came after this order had ended, or must have: it contains the fill
    return put(positions, before.instrument, position.moved(gained, at))


def _had_ended(order: Order, at: Millis) -> bool:
    """Whether its first end came by then. One that rests after that, being found again, executes at any time."""
    return not order.is_resting and order.closed_at is not None and order.closed_at <= at


def _remembered(orders: Mapping[ClientOrderId, Order], at: Millis) -> Mapping[ClientOrderId, Order]:
    """The orders without the oldest closed ones, many at once; they stand in the order in which they were placed."""
    if len(orders) <= ORDERS_REMEMBERED + DROPPED_AT_ONCE:
        return orders
    old = takewhile(lambda o: abs(at - o.placed_at) >= ORDERS_REMEMBERED_MS, orders.values())
    closed = [o.client_order_id for o in old if not o.state.is_open]
    if len(closed) < DROPPED_AT_ONCE:
        return orders
    dropped = set(closed[: max(0, sum(not o.state.is_open for o in orders.values()) - ORDERS_REMEMBERED)])
    return {key: order for key, order in orders.items() if key not in dropped}


def apply_order_report(ledger: Ledger, report: ev.OrderReport, at: Millis) -> Ledger:
    """Folds what a venue says of one order. A report on an order that is not ours changes nothing here (see `reconciliation`)."""
    order = order_of(ledger, report)
    if order is None or not is_of(order, report.venue_order_id):
        return ledger
    return with_order(ledger, with_report(order, report.status, report.filled_quantity, report.venue_order_id, at), at)


def apply_fill(ledger: Ledger, fill: ev.FillReport, at: Millis) -> Ledger:
    """Folds one execution, once per fill id. One that is older than all that are remembered is no news: a reading tells any difference."""
    seen = ledger.fill_ids.get(fill.instrument, NOTHING_SEEN)
    if fill.fill_id in seen or seen.may_have_forgotten(fill.venue_at):
        return ledger
    order = order_of(ledger, fill)
    if order is None and _is_of_a_forgotten_order(ledger, fill):
        return ledger
    if order is not None and not is_of(order, fill.venue_order_id):
        order = None  # of a second order under our id: counted by itself, else ours would have filled more than it asked for
    if order is None and _may_be_of_an_unidentified_order(ledger, fill):
        return ledger  # not entered: the next complete reading tells it again, when the doubt is over
    is_counted = order is not None or fill.instrument in ledger.positions
    ledger = replace(
        ledger,
        fill_ids=put(ledger.fill_ids, fill.instrument, seen.adding(fill.fill_id, fill.venue_at, FILLS_REMEMBERED)),
        tallies=_tallied(ledger, fill, order) if is_counted else ledger.tallies,
    )
    if order is not None:
        return with_order(ledger, with_fill(order, fill.quantity, fill.venue_order_id, at), at)
    return _apply_foreign_fill(ledger, fill, at)


def order_of(ledger: Ledger, told: ev.FillReport | ev.OrderReport) -> Order | None:
    """Our order behind a fill or report: by our id, or by the venue's where the venue does not repeat ours."""
    if told.client_order_id is not None:
        return ledger.orders.get(told.client_order_id)
    if told.venue_order_id is None:
        return None
    return next(
        (o for o in ledger.orders.values() if o.venue_order_id == told.venue_order_id and o.instrument == told.instrument),
        None,
    )


def _is_of_a_forgotten_order(ledger: Ledger, fill: ev.FillReport) -> bool:
    """Whether a fill is of an order of this run that closed so long ago that it was forgotten: all that it filled was counted then."""
    return fill.client_order_id is not None and bool(ledger.epoch) and fill.client_order_id.startswith(ledger.epoch)


def is_unjournaled(ledger: Ledger, order_id: ClientOrderId | None) -> bool:
    """Whether an id is of an order that an earlier run of this journal sent after the last one that the journal has of it.

    What a person closes while the store is down leaves so; whoever takes over on another host does not have what was kept beside it.
    """
    parts = None if order_id is None else parts_of(order_id)
    return parts is not None and order_id not in ledger.orders and parts[1] > ledger.epochs.get(parts[0], parts[1])


def _may_be_of_an_unidentified_order(ledger: Ledger, fill: ev.FillReport) -> bool:
    """Whether a fill that carries only the venue's order id could be of an order of ours whose venue id is not known yet.

    What the venue does by itself is never ours, and is not made to wait.
    """
    if fill.client_order_id is not None or fill.kind is not ev.FillKind.TRADE:
        return False
    return any(o.venue_order_id is None for o in ledger.open_orders(fill.instrument))


def _tallied(ledger: Ledger, fill: ev.FillReport, order: Order | None) -> Tallies:
    tallies, slippage, listed = ledger.tallies, ZERO, ledger.instruments.get(fill.instrument)
    inverse = listed is not None and listed.kind is ContractKind.INVERSE
    if order is not None and order.arrival_mid is not None:
        quantity = fill.quantity / fill.price if inverse else fill.quantity
        slippage = quantity * (fill.price - order.arrival_mid)  # a sell below mid, or a buy above it, costs
    return replace(
        tallies,
        fills=tallies.fills + 1,
        fees_usd=tallies.fees_usd + _fee_usd(listed, fill),
        filled_notional_usd=tallies.filled_notional_usd + abs(fill.quantity) * (ONE if inverse else fill.price),
        slippage_usd=tallies.slippage_usd + slippage,
    )


def _fee_usd(listed: Instrument | None, fill: ev.FillReport) -> Decimal:
    """A fee in USD: in the base at the fill's price; in a third asset (a venue's own token) it is not known and not counted.

    One that names no asset is in the settle asset.
    """
    if fill.fee is None or listed is None:
        return fill.fee or ZERO
    asset = fill.fee_asset or listed.settle
    if asset == listed.base:
        return fill.fee * fill.price
    return fill.fee if asset in (listed.quote, listed.settle) else ZERO


def _apply_foreign_fill(ledger: Ledger, fill: ev.FillReport, at: Millis) -> Ledger:
    position = ledger.positions.get(fill.instrument)
    if position is None:
        return ledger  # nothing is known yet; the first complete reading will contain it
    if position.adopted_at is not None and fill.venue_at <= position.adopted_at:
        return ledger
    taken = at if fill.kind in (ev.FillKind.AUTO_DELEVERAGING, ev.FillKind.LIQUIDATION) else position.deleveraged_at
    foreign = ForeignFill(at=at, quantity=fill.quantity, price=fill.price)
    moved = replace(position.moved(fill.quantity, at), dispute=None, deleveraged_at=taken, foreign_fill=foreign)
    ledger = replace(ledger, positions=put(ledger.positions, fill.instrument, moved))
    ledger = with_move(ledger, fill.instrument, fill.quantity)
    if fill.kind is ev.FillKind.TRADE:
        ledger = with_foreign_move(ledger, fill.instrument, fill.quantity)
    taken_by = _taken_by(ledger, fill)
    ledger, words = _with_less_left(ledger, fill), f"{fill.quantity:+f} at {fill.price:f}"
    if fill.kind is not ev.FillKind.TRADE or taken_by is None:
        return with_break(ledger, CAUSE_OF_FILL[fill.kind], fill.instrument, at, f"{words}, not by an order of ours")
    if taken_by == OURS:
        words += f", by order {fill.client_order_id} of {OURS}, which the journal does not have"
        return with_break(ledger, BreakCause.UNJOURNALED, fill.instrument, at, words)
    sentence = f"{words}, by an order that {taken_by} has taken over"
    return noted(ledger, Note(at=at, kind="order", subject=fill.instrument, sentence=sentence))


def _taken_by(ledger: Ledger, fill: ev.FillReport) -> str | None:
    """Who has taken over the order behind a fill that is not of our record; None: nobody."""
    if is_unjournaled(ledger, fill.client_order_id):
        return OURS
    taken = venue_record(ledger, ledger.venue_of(fill.instrument)).taken_orders
    return next((o.taken_by for o in taken if o.is_of(fill)), None)


def _with_less_left(ledger: Ledger, fill: ev.FillReport) -> Ledger:
    """The ledger in which a foreign order leaves so much less."""
    venue = ledger.venue_of(fill.instrument)
    record = venue_record(ledger, venue)
    if not record.foreign_orders and not record.taken_orders:
        return ledger
    foreign, taken = (
        tuple(replace(o, leaves=left_after(fill, o.leaves)) if o.is_of(fill) else o for o in orders)
        for orders in (record.foreign_orders, record.taken_orders)
    )
    return with_venue(ledger, venue, replace(record, foreign_orders=foreign, taken_orders=taken))


def with_move(ledger: Ledger, instrument: InstrumentId, by: Decimal) -> Ledger:
    """The ledger with what may be executed there widened by signed contract units that moved without an order of ours."""
    record = moved_otherwise(ledger.executions.get(instrument), by)
    return ledger if record is None else replace(ledger, executions=put(ledger.executions, instrument, record))


def change_order(ledger: Ledger, order_id: ClientOrderId, trigger: Trigger, at: Millis) -> Ledger:
    """Advances one of our orders by a trigger; an unknown id changes nothing."""
    order = ledger.orders.get(order_id)
    return ledger if order is None else with_order(ledger, advance(order, trigger, at), at)


def apply_absence(ledger: Ledger, event: ev.OrderAbsent, policy: Policy) -> Ledger:
    """Ends a doubt by proven absence, or leaves it: the venue's clock, two successful queries, and a position that is explained.

    Explained means that a complete reading, asked for after the order must have been over, agreed with our record: what the queries
    did not find did not move the position either. Fills that were found of it count, and it then ends with them. What cannot be proven yet
    may be over all the same: then it is spent (see `order`).
    """
    order = ledger.orders.get(event.client_order_id)
    if order is None or order.state is not OrderState.IN_DOUBT:
        return ledger
    if event.filled_quantity != ZERO:
        found = with_report(order, ev.VenueOrderStatus.ACCEPTED, event.filled_quantity, None, event.at)
        order = found if not found.state.is_open else replace(found, state=order.state, doubted_at=order.doubted_at)
        ledger = with_order(ledger, order, event.at)
        if not order.state.is_open:
            return ledger
    record = venue_record(ledger, ledger.venue_of(order.instrument))
    if record.clock_offset_ms is None:
        return ledger
    ledger = with_order(ledger, spent(order, event.venue_clock_at, record.clock_offset_ms, policy.doubt_margin_ms, event.at), event.at)
    if record.agreed_at is None:
        return ledger
    if not record.reconciled or order.over_at is None or record.agreed_at <= order.over_at:
        return ledger
    if is_ahead(record.agreed_at, event.at):  # it agreed before our clock stepped back, and perhaps before there was this order
        return ledger
    if not absence_is_proven(order, event.venue_clock_at, record.clock_offset_ms, policy.doubt_margin_ms):
        return ledger
    proven = Trigger.PROVEN_ABSENT if order.filled == ZERO else Trigger.ENDED
    return change_order(ledger, event.client_order_id, proven, event.at)


def end_doubt(ledger: Ledger, order_id: ClientOrderId, filled: Decimal, at: Millis) -> Ledger:
    """Ends an order in doubt by a person's word: `filled` (signed contract units, no less than known) of it filled, and no more will."""
    order = with_report(ledger.orders[order_id], ev.VenueOrderStatus.ACCEPTED, filled, None, at)
    if order.state.is_open:
        order = advance(replace(order, state=OrderState.IN_DOUBT), Trigger.PROVEN_ABSENT if order.filled == ZERO else Trigger.ENDED, at)
    return with_order(ledger, order, at)


def restart(ledger: Ledger, event: ev.SessionStarted) -> Ledger:
    """A new run: nothing is reconciled, no link is up, and an order whose end we did not see is in doubt.

    When each source of collateral last told everything is remembered (see `staleness`), but not of a journal that lost its end, whose
    totals may be long out of date, nor of a source that may tell of more than it could (see `remembered`).

    A broken invariant halts over every restart too, until a named person resumes the book: a crash or an orchestrator's restart is nobody.
    """
    fresh_at = event.at if event.is_fresh else ledger.fresh_at
    if ledger.epoch:
        earlier = {**ledger.epochs, ledger.epoch: ledger.order_number}
        ledger = replace(ledger, epochs=dict(tuple(earlier.items())[-EPOCHS_REMEMBERED:]))
    ledger = replace(ledger, epoch=event.epoch, started_at=event.at, fresh_at=fresh_at, silent_ms=event.silent_ms, order_number=0)
    ledger = replace(ledger, stopping=False, observing=event.observing, quotes={}, decided_at=None, journal_doubt=None)
    for order in ledger.open_orders():
        ledger = with_order(ledger, advance(order, Trigger.RESTARTED, event.at), event.at)
    venues = {
        venue: replace(
            r,
            link=ev.VenueLink.DOWN,
            link_since=event.at,
            reconciled=False,
            disagreements=0,
            read_pending=False,
            read_asked_at=None,
            messages=(),
            is_outdated=r.is_outdated or event.is_fresh,
            first_told={},
            first_told_at=None,
        )
        for venue, r in ledger.venues.items()
    }
    return begun_anew(replace(ledger, venues=venues), event.policy, is_fresh=event.is_fresh)


def judge_journal(ledger: Ledger, event: ev.JournalJudged) -> Ledger:
    """The ledger after it was found out whether what the journal acknowledges can be trusted."""
    if event.doubt == ledger.journal_doubt:
        return ledger
    words = (
        "what the journal acknowledges can be trusted again" if event.doubt is None else f"the journal is not to be trusted: {event.doubt}"
    )
    return noted(replace(ledger, journal_doubt=event.doubt), Note(at=event.at, kind="state", subject="book", sentence=words))


def positions_at(ledger: Ledger, venue: VenueId) -> tuple[InstrumentId, ...]:
    """The instruments of a venue whose position is known."""
    return tuple(i for i in ledger.positions if ledger.venue_of(i) == venue)
