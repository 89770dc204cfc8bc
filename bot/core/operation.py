"""What a named person may do: reduce, halt and resume a venue or the book, and end one order's doubt by their word.

Nothing here is done for nobody: an act without a name changes nothing. A person's REDUCE or HALT stands until a named RESUME, over any
restart. RESUME of the book is about the book alone: a venue is resumed by its own name, so that nobody lets go what they did not look at.
It ends a halt by a broken invariant too, which breaks again at once if it still is. Repeated executions count anew after a RESUME: of the
venue's instruments, or of all after one of the book.

FLATTEN asks for nothing to be held at a venue, of an asset or at all: reduce-only orders close what is there, in every state that the
person knew of (what was HALTED before they asked lets them pass), nothing increases there, and it stays so, over any restart, until the
venue's resume or the book's. A later HALT ends it where it halts.

QUARANTINE is about a venue whose word is not to be believed: it is HALTED, what rests there is cancelled, its positions count as they are
recorded, and its prices vouch for no other venue's. Its own resume ends it, and then it must first be read in full and agree.

ADOPT makes ours what no order of ours brought, exactly as the person was shown it: what has changed since is not adopted, and told.
Positions of before the first reading, and those that grew or turned and nobody said why, count and are worked in any case; what it ends
is the halt that the unexplained ones brought, and that people are told of them. Orders of others count from then on, and are withdrawn
(see `strangers`).

RELOAD is told here; whoever folds the event (the loop, a replay) takes its policy from it on.

OVERRIDE sets a policy field for a while (see `overriding`).

RESOLVE ends the doubt about one order with what the person found of it at the venue. It is the one way out of doubt that is not evidence
from the venue, so the venue is read in full before anything increases there again.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from bot.core import events as ev
from bot.core import ledger as book
from bot.core import overriding, reconciliation, strangers, trading
from bot.core.acts import Adopted, Flattening
from bot.core.copying import replace
from bot.core.foreign_order import ForeignOrder
from bot.core.limits import Limit
from bot.core.marks import mark_of
from bot.core.order import Order, OrderState
from bot.core.policy import Policy
from bot.core.records import BreakCause, Ledger, Note, TradingState
from bot.core.units import ONE, ZERO, InstrumentId, Range, VenueId

RESTRAINTS = (ev.OperatorAction.REDUCE, ev.OperatorAction.HALT, ev.OperatorAction.FLATTEN, ev.OperatorAction.QUARANTINE)
"""What a person says so that less is traded or held."""
_ASKS = {ev.OperatorAction.REDUCE: TradingState.REDUCING, ev.OperatorAction.HALT: TradingState.HALTED}


def apply_act(ledger: Ledger, event: ev.OperatorActed, policy: Policy) -> Ledger:
    """The ledger after a person acted. Who asked for what, and why, stays with the book."""
    subject = event.client_order_id or event.venue or event.asset or event.setting or "book"
    if not event.by.strip():
        return _noted(ledger, event, f"{event.action.value} by nobody: nothing is changed")
    ledger = _noted(ledger, event, f"{event.action.value} of {subject} by {event.by}: {event.why}")
    if event.action in (*RESTRAINTS, ev.OperatorAction.RESUME):
        ledger = replace(ledger, acted_at=event.at)
    if event.action in _ASKS:
        asked = _ASKS[event.action]
        if asked is TradingState.HALTED:
            left = tuple(f for f in ledger.flattenings if event.venue not in (None, f.venue))
            ledger = replace(ledger, flattenings=left)
        return trading.enter(ledger, Limit.OPERATOR, event.at, event.why, venue=event.venue, by=event.by, state=asked)
    if event.action is ev.OperatorAction.RESUME:
        ledger = _rearmed(ledger, event.venue)
        left = tuple(f for f in ledger.flattenings if f.of_venue is (event.venue is None) or event.venue not in (None, f.venue))
        if event.venue in ledger.quarantined:
            ledger = reconciliation.distrust(replace(ledger, quarantined=ledger.quarantined - {event.venue}), event.venue)
        return trading.resume(replace(ledger, flattenings=left), event.venue, event.at, event.by, event.why)
    if event.action is ev.OperatorAction.FLATTEN:
        return _flatten(ledger, event, policy)
    if event.action is ev.OperatorAction.QUARANTINE:
        return _quarantine(ledger, event)
    if event.action is ev.OperatorAction.RELOAD:
        return _noted(ledger, event, f"configuration {event.config_hash} instead of {event.hash_before}, by {event.by}: {event.why}")
    if event.action is ev.OperatorAction.ADOPT:
        return _adopt(ledger, event, policy)
    if event.action is ev.OperatorAction.OVERRIDE:
        return overriding.apply_override(ledger, event, policy)
    return _resolve(ledger, event)


def _rearmed(ledger: Ledger, venue: VenueId | None) -> Ledger:
    """The ledger with what a person has looked at counted anew: executions at the venue, or (None) of the book with its invariants.

    Whoever resumes the book also takes the record as it is where a venue of a journal that lost its end, or that told of its positions
    once, could not be read again (`risk`).
    """
    if venue is None:
        venues = {v: replace(r, is_outdated=False) for v, r in ledger.venues.items()}
        positions = {i: replace(p, is_told_once=False) if p.is_told_once else p for i, p in ledger.positions.items()}
        return replace(ledger, executions={}, invariants_broken=(), fresh_at=None, venues=venues, positions=positions)
    left = {i: r for i, r in ledger.executions.items() if ledger.venue_of(i) != venue}
    return replace(ledger, executions=left)


def venues_of(ledger: Ledger, policy: Policy) -> set[VenueId]:
    """Every venue that is traded at, or that something is known of."""
    return {ledger.venue_of(i) for i in (*policy.instruments, *ledger.instruments, *ledger.positions)}


def _flatten(ledger: Ledger, event: ev.OperatorActed, policy: Policy) -> Ledger:
    refusal = why_not_flattened(ledger)
    if refusal is not None:
        return _noted(ledger, event, f"not flattened: {refusal}")
    venues = venues_of(ledger, policy)
    new = tuple(
        Flattening(venue=v, asset=event.asset, since=event.at, by=event.by, why=event.why, of_venue=event.venue is not None)
        for v in sorted(venues)
        if event.venue in (None, v)
    )
    keys = {(f.venue, f.asset, f.of_venue) for f in new}
    kept = tuple(f for f in ledger.flattenings if (f.venue, f.asset, f.of_venue) not in keys)
    return replace(ledger, flattenings=(*kept, *new))


def _quarantine(ledger: Ledger, event: ev.OperatorActed) -> Ledger:
    """The ledger with a venue HALTED, whose prices vouch for nobody else's; its resume asks for a complete reading that agrees first."""
    if event.venue is None:
        return _noted(ledger, event, "not quarantined: no venue is named")
    left = tuple(f for f in ledger.flattenings if f.venue != event.venue)
    ledger = replace(ledger, flattenings=left, quarantined=ledger.quarantined | {event.venue})
    why = f"quarantined, {event.why}"
    return trading.enter(ledger, Limit.OPERATOR, event.at, why, venue=event.venue, by=event.by, state=TradingState.HALTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unadopted:
    """What no order of ours brought and nobody has taken over: a position, or a working order of others, for people to see.

    `price` is the venue's own entry price, or the order's, None: not told; `cause` what is known of where it is from. `adds` is what an
    order may still add to the net delta, base units at the mark; None: not known. A position is in it already.
    """

    shown: Adopted
    price: Decimal | None
    cause: str
    reduce_only: bool | None = None
    adds: Range | None = None


def unadopted(ledger: Ledger, venue: VenueId | None = None) -> tuple[Unadopted, ...]:
    """All of it at a venue or (None) anywhere, positions first."""
    held = ((i, p) for i, p in sorted(ledger.positions.items()) if p.origin is not None and p.quantity != ZERO)
    positions = [
        Unadopted(shown=Adopted(instrument=i, quantity=p.quantity), price=p.entry_price, cause=p.origin.value if p.origin else "")
        for i, p in held
        if venue in (None, ledger.venue_of(i))
    ]
    orders = [
        Unadopted(
            shown=Adopted(instrument=o.instrument, quantity=o.leaves, order=o.name),
            price=o.price,
            cause=BreakCause.FOREIGN_ORDER.value,
            reduce_only=o.reduce_only,
            adds=_adds(ledger, o),
        )
        for name, record in sorted(ledger.venues.items())
        for o in record.foreign_orders
        if venue in (None, name)
    ]
    return (*positions, *orders)


def _adds(ledger: Ledger, order: ForeignOrder) -> Range | None:
    listed, mark = ledger.instruments.get(order.instrument), mark_of(ledger, order.instrument)
    if listed is None or order.leaves is None or (listed.is_inverse and mark is None):
        return None
    return Range.spanning(ZERO, listed.base_of(order.leaves, mark or ONE))


def why_not_adopted(ledger: Ledger, shown: Adopted) -> str | None:
    """Why something cannot be taken over as it was shown, as half a sentence; None when it can."""
    if shown.order is not None:
        order = _foreign_order(ledger, shown)
        if order is None:
            return f"order {shown.order} on {shown.instrument} works no more, or is taken over already"
        if order.venue_order_id is None:
            return f"order {shown.order} on {shown.instrument} has no id by which it could be withdrawn: withdraw it at the venue"
        if order.leaves == shown.quantity:
            return None
        return f"order {shown.order} on {shown.instrument} leaves {_figure(order.leaves)}, not {_figure(shown.quantity)}"
    position = ledger.positions.get(shown.instrument)
    if position is None or position.origin is None or position.quantity == ZERO:
        return f"{shown.instrument} holds nothing that our orders did not bring, or it is adopted already"
    return None if position.quantity == shown.quantity else f"{shown.instrument} is {position.quantity:+f}, not {_figure(shown.quantity)}"


def _figure(quantity: Decimal | None) -> str:
    return "?" if quantity is None else f"{quantity:+f}"


def _foreign_order(ledger: Ledger, shown: Adopted) -> ForeignOrder | None:
    orders = book.venue_record(ledger, ledger.venue_of(shown.instrument)).foreign_orders
    return next((o for o in orders if (o.instrument, o.name) == (shown.instrument, shown.order)), None)


def _adopt(ledger: Ledger, event: ev.OperatorActed, policy: Policy) -> Ledger:
    """The ledger with what was shown ours; what brought their venues into a state for it ends."""
    shown = event.adopting
    if shown is None:
        shown = tuple(u.shown for u in unadopted(ledger, event.venue) if u.shown.order is None)
    for each in shown:
        refusal, order = why_not_adopted(ledger, each), _foreign_order(ledger, each)
        if refusal is not None:
            ledger = _noted(ledger, event, f"not adopted: {refusal}")
        elif each.order is None:
            ledger = _adopt_position(ledger, event, each.instrument)
        elif order is not None:
            left = _figure(order.leaves)
            ledger = _noted(
                ledger, event, f"adopted by {event.by}: order {order.name} on {order.instrument}, which leaves {left}; it is withdrawn"
            )
            ledger = strangers.taken_over(ledger, order, event, policy.quiet_period_ms)
    return ledger


def _adopt_position(ledger: Ledger, event: ev.OperatorActed, instrument: InstrumentId) -> Ledger:
    """The ledger with a position ours, told with its cause and the venue's own entry price."""
    position, venue = ledger.positions[instrument], ledger.venue_of(instrument)
    entry = "an entry that the venue does not tell" if position.entry_price is None else f"an entry at {position.entry_price:f}"
    cause = "" if position.origin is None else position.origin.value
    ledger = _noted(ledger, event, f"adopted by {event.by}: {position.quantity:+f} of {instrument}, {cause}, with {entry}")
    ledger = replace(ledger, positions={**ledger.positions, instrument: replace(position, origin=None)})
    if any(u.cause == BreakCause.UNEXPLAINED for u in unadopted(ledger, venue)):
        return ledger
    return trading.end(ledger, Limit.UNEXPLAINED_POSITION, event.at, f"adopted by {event.by}, {event.why}", venue=venue)


def why_not_flattened(ledger: Ledger) -> str | None:
    """Why nothing is closed on anybody's word now, as half a sentence; None when it is."""
    if ledger.invariants_broken:
        return f"the record contradicts itself ({ledger.invariants_broken[0]}); resume the book first"
    return "the run is to end" if ledger.stopping else None


def _resolve(ledger: Ledger, event: ev.OperatorActed) -> Ledger:
    order = None if event.client_order_id is None else ledger.orders.get(event.client_order_id)
    filled = event.filled_quantity or ZERO
    refusal = why_not_resolved(order, filled)
    if order is None or refusal is not None:
        return _noted(ledger, event, f"not resolved: {refusal}")
    ledger = book.end_doubt(ledger, order.client_order_id, filled, event.at)
    return reconciliation.distrust(ledger, ledger.venue_of(order.instrument))


def why_not_resolved(order: Order | None, filled: Decimal) -> str | None:
    """Why a person's word (signed contract units filled) cannot end an order's doubt, as half a sentence; None when it can."""
    if order is None:
        return "no such order is known"
    if order.state is not OrderState.IN_DOUBT:
        return f"order {order.client_order_id} is {order.state.value}, not in doubt"
    if filled * order.quantity < ZERO or abs(filled) > abs(order.quantity):
        return f"an order of {order.quantity:+f} cannot have filled {filled:+f}"
    if abs(filled) < abs(order.filled):
        return f"{order.filled:+f} of it is known to have filled, more than {filled:+f}"
    return None


def _noted(ledger: Ledger, event: ev.OperatorActed, sentence: str) -> Ledger:
    note = Note(at=event.at, kind="operator", subject=event.venue or "book", sentence=sentence, order=event.client_order_id)
    return book.noted(ledger, note)
