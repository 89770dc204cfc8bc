"""The life of one child order, as one table.

Theory of operation. An order is entered as PENDING_NEW before its first byte leaves. From then on it lives by what the venue says
(a trigger), looked up in `TRANSITIONS`. Three rules stand above the table:

1. A fill always moves the filled quantity, whatever the state says, and the filled quantity never shrinks: it is the larger of the
   venue's cumulative figure and the sum of the distinct fills, so that whichever arrives first counts, and neither counts twice.
2. A pair that the table does not list means that the venue contradicts itself: the order is IN_DOUBT, which is a state and not a crash.
3. An order leaves IN_DOUBT only by evidence: the venue knows it, or its absence is proven (see `absence_is_proven`). One that filled
   in part and that the venue does not know by its id ends by the same proof, with those fills, once nothing of it can execute any more.
4. Two questions are told apart of an order in doubt: can anything of it still execute, and how much of it did. Of a spent one the first
   is answered (it cannot) and the second is not: it counts at its worst as before and lets nothing increase beside it, and what is
   certain whatever became of it may be reduced (see `risk.instrument_breach`). A venue whose past cannot be read delays no protection.

An order that the venue speaks of after its end, or of which it said that nothing can execute any more, is open again and keeps the
instant of its first end.

An IOC order is over a little after its request's expiry, whatever became of it. A post-only one rests: its expiry fences only the
request, and it may execute until the venue says that it ended (see `over_at`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from bot.core.copying import replace
from bot.core.events import VenueOrderStatus
from bot.core.units import ZERO, ClientOrderId, InstrumentId, Millis, Range


class OrderState(StrEnum):
    """Where an order is in its life."""

    PENDING_NEW = "pending_new"
    WORKING = "working"
    IN_DOUBT = "in_doubt"
    FILLED = "filled"
    CANCELED = "canceled"
    REFUSED = "refused"
    ABSENT = "absent"

    @property
    def is_open(self) -> bool:
        """Whether it may still fill for all that we know."""
        return self in _OPEN


class Trigger(StrEnum):
    """What can happen to an order."""

    ACCEPTED = "accepted"
    COMPLETED = "completed"
    ENDED = "ended"
    ENDED_UNTOLD = "ended_untold"
    REJECTED = "rejected"
    REFUSED = "refused"
    UNANSWERED = "unanswered"
    CANCEL_UNCONFIRMED = "cancel_unconfirmed"
    RESTARTED = "restarted"
    PROVEN_ABSENT = "proven_absent"


OVER_AFTER_MS: Millis = 2_000
"""Longest time after a request's expiry in which an IOC order that the venue took may still execute, clock offset included."""

ORDER_NUMBER_DIGITS = 6
"""How many digits of base 36 end an order's id: its number in its run, after the run's epoch."""

_OPEN = frozenset((OrderState.PENDING_NEW, OrderState.WORKING, OrderState.IN_DOUBT))
_S, _T = OrderState, Trigger

TRANSITIONS: Mapping[tuple[OrderState, Trigger], OrderState] = {
    **{(s, _T.COMPLETED): _S.FILLED for s in _S},  # whatever was said before: nothing is left of it that could be in doubt
    **{(s, _T.ENDED): _S.CANCELED for s in (*_OPEN, _S.CANCELED)},
    **{(s, _T.REJECTED): _S.REFUSED for s in _OPEN},
    **{(s, _T.ENDED_UNTOLD): _S.IN_DOUBT for s in _OPEN},
    **{(s, _T.UNANSWERED): _S.IN_DOUBT for s in (_S.PENDING_NEW, _S.IN_DOUBT)},
    **{(s, _T.RESTARTED): _S.IN_DOUBT for s in _OPEN},
    # It may have ended before the cancel came, or the cancel was lost: only a look-up tells.
    **{(s, _T.CANCEL_UNCONFIRMED): _S.IN_DOUBT for s in (_S.WORKING, _S.IN_DOUBT)},
    (_S.PENDING_NEW, _T.ACCEPTED): _S.WORKING,
    (_S.WORKING, _T.ACCEPTED): _S.WORKING,
    (_S.IN_DOUBT, _T.ACCEPTED): _S.WORKING,
    (_S.PENDING_NEW, _T.REFUSED): _S.REFUSED,
    (_S.IN_DOUBT, _T.PROVEN_ABSENT): _S.ABSENT,
    # News that comes late, after the stream was faster than the answer, or twice: it changes nothing.
    **{(s, _T.CANCEL_UNCONFIRMED): s for s in (_S.PENDING_NEW, _S.FILLED, _S.CANCELED, _S.REFUSED, _S.ABSENT)},
    (_S.WORKING, _T.UNANSWERED): _S.WORKING,
    (_S.CANCELED, _T.ACCEPTED): _S.CANCELED,
    (_S.CANCELED, _T.UNANSWERED): _S.CANCELED,
    (_S.CANCELED, _T.ENDED_UNTOLD): _S.CANCELED,
    (_S.CANCELED, _T.RESTARTED): _S.CANCELED,
    (_S.FILLED, _T.ACCEPTED): _S.FILLED,
    (_S.FILLED, _T.ENDED): _S.FILLED,
    (_S.FILLED, _T.ENDED_UNTOLD): _S.FILLED,
    (_S.FILLED, _T.UNANSWERED): _S.FILLED,
    (_S.FILLED, _T.RESTARTED): _S.FILLED,
    (_S.REFUSED, _T.REFUSED): _S.REFUSED,
    (_S.REFUSED, _T.REJECTED): _S.REFUSED,
    (_S.REFUSED, _T.ENDED): _S.REFUSED,
    (_S.REFUSED, _T.UNANSWERED): _S.REFUSED,
    (_S.REFUSED, _T.RESTARTED): _S.REFUSED,
    (_S.ABSENT, _T.PROVEN_ABSENT): _S.ABSENT,
    (_S.ABSENT, _T.RESTARTED): _S.ABSENT,
    (_S.ABSENT, _T.UNANSWERED): _S.ABSENT,
}


@dataclass(frozen=True, kw_only=True)
class Order:
    """One child order. Quantities are signed contract units (see `instrument`); `placed_at`, `expires_at`, `closed_at`, `asked_at` and
    `cancel_asked_at` are our clock.

    `closed_at` is its first end, kept when it is reopened; `spent_at`: since when it is known of one in doubt that nothing of it can
    execute any more (our clock), and `shown_filled` how much of it filled at the most by what its position shows (see `spent`).
    `reported_filled` is the venue's cumulative figure, `fills_filled` the sum of the distinct fills; `clock_offset_ms` is the venue's
    clock minus ours when it was placed; `arrival_mid` is the middle of the book when it was decided, against which slippage is measured.
    """

    client_order_id: ClientOrderId
    instrument: InstrumentId
    quantity: Decimal
    price: Decimal
    reduce_only: bool
    placed_at: Millis
    expires_at: Millis
    arrival_mid: Decimal | None
    reason: str
    clock_offset_ms: Millis = 0
    post_only: bool = False
    state: OrderState = OrderState.PENDING_NEW
    venue_order_id: str | None = None
    reported_filled: Decimal = ZERO
    fills_filled: Decimal = ZERO
    closed_at: Millis | None = None
    asked_at: Millis | None = None
    cancel_asked_at: Millis | None = None
    doubted_at: Millis | None = None
    spent_at: Millis | None = None
    shown_filled: Decimal | None = None

    @property
    def filled(self) -> Decimal:
        """Signed filled quantity: the larger, in magnitude, of the two accounts of it."""
        return self.reported_filled if abs(self.reported_filled) >= abs(self.fills_filled) else self.fills_filled

    @property
    def leaves(self) -> Decimal:
        """Signed quantity that may still fill; zero when closed."""
        return self.quantity - self.filled if self.state.is_open else ZERO

    @property
    def is_spent(self) -> bool:
        """Whether nothing of it can execute any more, though how much did is not known."""
        return self.state is OrderState.IN_DOUBT and self.spent_at is not None

    @property
    def is_resting(self) -> bool:
        """Whether it stands in the venue's book until somebody cancels it, as far as we know."""
        return self.post_only and self.state is OrderState.WORKING

    @property
    def over_at(self) -> Millis | None:
        """Our clock from which on nothing of it can execute any more, whatever became of it: a reading from after that contains it.

        None while a post-only order may rest for as long as it likes. One in doubt would be found, and cancelled, if it rested: what is
        neither found nor in a reading from well after the doubt began is over.
        """
        if not self.post_only:
            return self.expires_at + OVER_AFTER_MS
        if not self.state.is_open:
            return self.closed_at
        if self.state is OrderState.IN_DOUBT:
            return max(self.expires_at, self.doubted_at or self.expires_at) + OVER_AFTER_MS
        return None

    def is_over_by(self, at: Millis) -> bool:
        """Whether nothing of it can have executed after `at` (our clock)."""
        over_at = self.over_at
        return over_at is not None and over_at <= at

    @property
    def may_fill(self) -> Range:
        """What it may still add to the position: anything between nothing and all that it leaves, or that its position shows."""
        if not self.is_spent or self.shown_filled is None:
            return Range.spanning(ZERO, self.leaves)
        shown = self.shown_filled - self.filled
        return Range.spanning(ZERO, shown if shown * self.leaves > ZERO else ZERO)


def parts_of(order_id: str) -> tuple[str, int] | None:
    """An id's epoch and number; None where it does not end as ours do."""
    epoch, number = order_id[:-ORDER_NUMBER_DIGITS], order_id[-ORDER_NUMBER_DIGITS:]
    return (epoch, int(number, 36)) if epoch and number.isascii() and number.isalnum() else None


def is_of(order: Order, venue_order_id: str | None) -> bool:
    """Whether the venue's order is this one. A second one under our id (a venue that replaces, or lost its own record) is not."""
    return venue_order_id is None or order.venue_order_id in (None, venue_order_id)


def trigger_of(status: VenueOrderStatus, *, told_filled: bool, complete: bool) -> Trigger:
    """What a venue's status means for the table. A cancel that does not tell how much was filled proves nothing yet."""
    if complete or status is VenueOrderStatus.FILLED:
        return Trigger.COMPLETED
    if status is VenueOrderStatus.ACCEPTED:
        return Trigger.ACCEPTED
    if status is VenueOrderStatus.REJECTED:
        return Trigger.REJECTED
    return Trigger.ENDED if told_filled else Trigger.ENDED_UNTOLD


def advance(order: Order, trigger: Trigger, at: Millis) -> Order:
    """The order after a trigger, by the table; an unlisted pair is IN_DOUBT. Never raises."""
    state = TRANSITIONS.get((order.state, trigger), OrderState.IN_DOUBT)
    if state is OrderState.REFUSED and order.filled != ZERO:
        state = OrderState.IN_DOUBT  # a refused order that filled is a contradiction, not a refusal
    if state is order.state:
        return order
    closed_at = order.closed_at or (order.spent_at if state.is_open else at)
    doubted_at = (order.doubted_at or at) if state is OrderState.IN_DOUBT else None
    return replace(order, state=state, closed_at=closed_at, doubted_at=doubted_at, spent_at=None, shown_filled=None)


def spent(order: Order, venue_clock_at: Millis, clock_offset_ms: Millis, margin_ms: Millis, at: Millis) -> Order:
    """The order after its venue, with its clock at `venue_clock_at`, did not find it: one in doubt is spent when its time was over."""
    if order.state is not OrderState.IN_DOUBT or order.is_spent:
        return order
    return replace(order, spent_at=at) if absence_is_proven(order, venue_clock_at, clock_offset_ms, margin_ms) else order


def with_report(order: Order, status: VenueOrderStatus, filled: Decimal | None, venue_order_id: str | None, at: Millis) -> Order:
    """The order after a venue's report. `filled` is signed and cumulative, None when the venue did not tell."""
    reported = order.reported_filled
    if filled is not None and abs(filled) > abs(reported):
        reported = filled
    if status is VenueOrderStatus.FILLED and filled is None:
        reported = order.quantity
    order = replace(order, reported_filled=reported, venue_order_id=order.venue_order_id or venue_order_id)  # the first: see `is_of`
    complete = abs(order.filled) >= abs(order.quantity)
    return advance(order, trigger_of(status, told_filled=filled is not None, complete=complete), at)


def with_fill(order: Order, quantity: Decimal, venue_order_id: str | None, at: Millis) -> Order:
    """The order after one new distinct fill of signed `quantity`. A fill counts whatever the state says."""
    order = replace(order, fills_filled=order.fills_filled + quantity, venue_order_id=order.venue_order_id or venue_order_id)
    if abs(order.filled) >= abs(order.quantity):
        return advance(order, Trigger.COMPLETED, at)
    if order.state in (OrderState.REFUSED, OrderState.ABSENT):
        return replace(order, state=OrderState.IN_DOUBT, doubted_at=at)
    return order


def absence_is_proven(order: Order, venue_clock_at: Millis, clock_offset_ms: Millis, margin_ms: Millis) -> bool:
    """Whether an order that a by-id query and a fills query did not find, or found only these fills of, can no longer exist.

    The venue enforces the request's expiry on its own clock; only when that clock, read before both queries, is past the expiry
    (translated to it by the wider of the offset now and the one when it was placed) plus a margin can the request no longer be
    accepted. One that filled was accepted: nothing more of it can execute when the clock is as far past `over_at`.
    """
    end = order.expires_at if order.filled == ZERO and not order.post_only else order.over_at
    return end is not None and venue_clock_at > end + max(abs(clock_offset_ms), abs(order.clock_offset_ms)) + margin_ms
