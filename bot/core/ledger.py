"""fold(ledger, event, policy) -> ledger: how each fact changes the record. Pure; the only writer of positions and orders.

Two rules decide what moves a position:

* An order of ours moves it by the growth of its filled quantity (see `order`), so a fill, its order report and the answer to the
  place request may come in any order and any number of times.
* A fill that is not of our orders (auto-deleveraging, liquidation, a foreign order) moves it once per fill id.

Neither moves it when the venue's reading that was adopted later already contains it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import TypeVar

from bot.core import events as ev
from bot.core.order import Order, OrderState, Trigger, absence_is_proven, advance, with_fill, with_report
from bot.core.policy import Policy
from bot.core.records import (
    FILLS_REMEMBERED,
    NOTES_REMEMBERED,
    ORDERS_REMEMBERED,
    BreakCause,
    Holding,
    Ledger,
    Note,
    Tallies,
    VenueRecord,
)
from bot.core.units import ZERO, ClientOrderId, InstrumentId, Millis, VenueId

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


def with_order(ledger: Ledger, order: Order, at: Millis) -> Ledger:
    """The ledger after one of its orders changed: the position moves by what newly filled, and a newly closed order is tallied."""
    before = ledger.orders[order.client_order_id]
    if before == order:
        return ledger
    gained = order.filled - before.filled
    if gained != ZERO:
        ledger = _move_position(ledger, before, gained, at)
    if not order.state.is_open and before.state is not order.state:
        outcome = order.state.value
        if order.state is OrderState.CANCELED and order.filled != ZERO:
            outcome = "partially_filled"
        tallies = replace(ledger.tallies, orders_by_outcome=counted(ledger.tallies.orders_by_outcome, outcome))
        ledger = replace(ledger, tallies=tallies)
    return replace(ledger, orders=_remembered(put(ledger.orders, order.client_order_id, order)))


def _move_position(ledger: Ledger, before: Order, gained: Decimal, at: Millis) -> Ledger:
    position = ledger.positions.get(before.instrument)
    if position is None:
        return ledger
    adopted = position.adopted_here_at
    ended_at = before.over_at if before.closed_at is None else min(before.closed_at, before.over_at)
    if adopted is not None and ended_at <= adopted:
        return ledger  # the adopted reading came after this order had ended, or must have: it contains the fill
    return replace(ledger, positions=put(ledger.positions, before.instrument, position.moved(gained, at)))


def _remembered(orders: Mapping[ClientOrderId, Order]) -> Mapping[ClientOrderId, Order]:
    if len(orders) <= ORDERS_REMEMBERED + 100:
        return orders
    closed = [o.client_order_id for o in orders.values() if not o.state.is_open]
    dropped = set(closed[: max(0, len(closed) - ORDERS_REMEMBERED)])
    return {key: order for key, order in orders.items() if key not in dropped}


def apply_order_report(ledger: Ledger, report: ev.OrderReport, at: Millis) -> Ledger:
    """Folds what a venue says of one order. A report on an order that is not ours changes nothing here (see `reconciliation`)."""
    order = order_of(ledger, report)
    if order is None:
        return ledger
    return with_order(ledger, with_report(order, report.status, report.filled_quantity, report.venue_order_id, at), at)


def apply_fill(ledger: Ledger, fill: ev.FillReport, at: Millis) -> Ledger:
    """Folds one execution, once per fill id."""
    seen = ledger.fill_ids.get(fill.instrument, {})
    if fill.fill_id in seen:
        return ledger
    order = order_of(ledger, fill)
    if order is None and _may_be_of_an_unidentified_order(ledger, fill):
        return ledger  # not entered: the next complete reading tells it again, when the doubt is over
    remembered = {**seen, fill.fill_id: None}
    if len(remembered) > FILLS_REMEMBERED:
        remembered = dict.fromkeys(list(remembered)[-FILLS_REMEMBERED:])
    ledger = replace(ledger, fill_ids=put(ledger.fill_ids, fill.instrument, remembered))
    if order is not None or fill.instrument in ledger.positions:
        ledger = replace(ledger, tallies=_tallied(ledger, fill, order))
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


def _may_be_of_an_unidentified_order(ledger: Ledger, fill: ev.FillReport) -> bool:
    """Whether a fill that carries only the venue's order id could be of an order of ours whose venue id is not known yet.

    What the venue does by itself is never ours, and is not made to wait.
    """
    if fill.client_order_id is not None or fill.kind is not ev.FillKind.TRADE:
        return False
    return any(o.venue_order_id is None for o in ledger.open_orders(fill.instrument))


def _tallied(ledger: Ledger, fill: ev.FillReport, order: Order | None) -> Tallies:
    tallies, slippage = ledger.tallies, ZERO
    if order is not None and order.arrival_mid is not None:
        slippage = fill.quantity * (fill.price - order.arrival_mid)  # a sell below mid, or a buy above it, costs
    return replace(
        tallies,
        fills=tallies.fills + 1,
        fees_usd=tallies.fees_usd + _fee_usd(ledger, fill),
        filled_notional_usd=tallies.filled_notional_usd + abs(fill.quantity) * fill.price,
        slippage_usd=tallies.slippage_usd + slippage,
    )


def _fee_usd(ledger: Ledger, fill: ev.FillReport) -> Decimal:
    """A fee in USD: in the base at the fill's price; in a third asset (a venue's own token) it is not known and not counted."""
    listed = ledger.instruments.get(fill.instrument)
    if fill.fee is None or listed is None or fill.fee_asset in (None, listed.quote, listed.settle):
        return fill.fee or ZERO
    return fill.fee * fill.price if fill.fee_asset == listed.base else ZERO


def _apply_foreign_fill(ledger: Ledger, fill: ev.FillReport, at: Millis) -> Ledger:
    position = ledger.positions.get(fill.instrument)
    if position is None:
        return ledger  # nothing is known yet; the first complete reading will contain it
    if position.adopted_at is not None and fill.venue_at <= position.adopted_at:
        return ledger
    taken = at if fill.kind in (ev.FillKind.AUTO_DELEVERAGING, ev.FillKind.LIQUIDATION) else position.deleveraged_at
    moved = replace(position.moved(fill.quantity, at), dispute=None, deleveraged_at=taken)
    ledger = replace(ledger, positions=put(ledger.positions, fill.instrument, moved))
    return with_break(
        ledger, CAUSE_OF_FILL[fill.kind], fill.instrument, at, f"{fill.quantity:+f} at {fill.price:f}, not by an order of ours"
    )


def change_order(ledger: Ledger, order_id: ClientOrderId, trigger: Trigger, at: Millis) -> Ledger:
    """Advances one of our orders by a trigger; an unknown id changes nothing."""
    order = ledger.orders.get(order_id)
    return ledger if order is None else with_order(ledger, advance(order, trigger, at), at)


def apply_absence(ledger: Ledger, event: ev.OrderAbsent, policy: Policy) -> Ledger:
    """Ends a doubt by proven absence, or leaves it: the venue's clock, two successful queries, and a position that is explained.

    Explained means that a complete reading, asked for after the order must have been over, agreed with our record: what the queries
    did not find did not move the position either. Fills that were found of it count, and it then ends with them.
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
    if record.clock_offset_ms is None or record.agreed_at is None:
        return ledger
    if not record.reconciled or record.agreed_at <= order.over_at:
        return ledger
    if not absence_is_proven(order, event.venue_clock_at, record.clock_offset_ms, policy.doubt_margin_ms):
        return ledger
    proven = Trigger.PROVEN_ABSENT if order.filled == ZERO else Trigger.ENDED
    return change_order(ledger, event.client_order_id, proven, event.at)


def apply_collateral(ledger: Ledger, event: ev.CollateralObserved) -> Ledger:
    """Sets the total of one asset at one location; an untold redemption rate keeps the one that was told before.

    A total alone does not make its source known in this run: others may follow, and what has not been told is not zero. That takes the
    source's own word that it has told everything (`confirm_source`).
    A total below nothing, or a rate that is not positive, makes no sense: the source counts as unreadable, and ages.
    """
    if event.quantity < ZERO or (event.redemption_rate is not None and event.redemption_rate <= ZERO):
        return source_unreadable(ledger, event.source, f"senseless total of {event.asset} at {event.location}", event.at)
    key = (event.source, event.location, event.asset)
    before = ledger.holdings.get(key)
    rate = event.redemption_rate
    if rate is None and before is not None:
        rate = before.redemption_rate
    holding = Holding(
        source=event.source,
        location=event.location,
        asset=event.asset,
        quantity=event.quantity,
        redemption_rate=rate,
        observed_at=event.at,
    )
    confirmed = ledger.sources_confirmed_at
    ledger = replace(
        ledger,
        holdings=put(ledger.holdings, key, holding),
        sources_confirmed_at=put(confirmed, event.source, event.at) if event.source in confirmed else confirmed,
        sources_unreadable={k: v for k, v in ledger.sources_unreadable.items() if k != event.source},
    )
    if before is not None and before.quantity == event.quantity:
        return ledger
    sentence = f"{event.asset} at {event.location}: {before.quantity if before else ZERO:f} -> {event.quantity:f}"
    return noted(ledger, Note(at=event.at, kind="collateral", subject=event.asset, sentence=sentence))


def confirm_source(ledger: Ledger, event: ev.CollateralConfirmed) -> Ledger:
    """A source has told all its totals, or was read again and says the same: they are known, and fresh."""
    readable = {k: v for k, v in ledger.sources_unreadable.items() if k != event.source}
    confirmed = put(ledger.sources_confirmed_at, event.source, event.at)
    return replace(ledger, sources_confirmed_at=confirmed, sources_unreadable=readable)


def source_unreadable(ledger: Ledger, source: str, reason: str, at: Millis) -> Ledger:
    """A source could not be read or made no sense; what it said last stays, and ages."""
    if ledger.sources_unreadable.get(source) == reason:
        return ledger
    note = Note(at=at, kind="collateral", subject=source, sentence=f"not readable: {reason}")
    return noted(replace(ledger, sources_unreadable=put(ledger.sources_unreadable, source, reason)), note)


def restart(ledger: Ledger, event: ev.SessionStarted) -> Ledger:
    """A new run: nothing is reconciled, no link is up, and an order whose end we did not see is in doubt.

    A broken invariant halts one run: what is still broken breaks again with the first event.
    """
    fresh_at = event.at if event.is_fresh else ledger.fresh_at
    ledger = replace(ledger, epoch=event.epoch, started_at=event.at, fresh_at=fresh_at, order_number=0)
    ledger = replace(ledger, stopping=False, quotes={}, decided_at=None)
    for order in ledger.open_orders():
        ledger = with_order(ledger, advance(order, Trigger.RESTARTED, event.at), event.at)
    venues = {
        venue: replace(
            r, link=ev.VenueLink.DOWN, link_since=event.at, reconciled=False, disagreements=0, read_pending=False, read_asked_at=None
        )
        for venue, r in ledger.venues.items()
    }
    return replace(ledger, venues=venues, sources_confirmed_at={}, sources_unreadable={}, invariants_broken=())


def positions_at(ledger: Ledger, venue: VenueId) -> tuple[InstrumentId, ...]:
    """The instruments of a venue whose position is known."""
    return tuple(i for i in ledger.positions if ledger.venue_of(i) == venue)
