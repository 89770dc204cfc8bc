"""How a gap is worked: passively while it may wait, with an IOC as soon as it may not, one order per instrument at a time.

A passive order is post-only at the near touch (a sale at the ask). It is cancelled and placed anew when it has rested
`passive_reprice_ms` and the touch moved away, until `passive_attempts_max` of them or `passive_deadline_ms` are used up: then what is
left is taken with an IOC. It is withdrawn at once

    when the gap becomes urgent, when what is wanted of its instrument turned or shrank below what it leaves, and when its venue, its
    quote or the book is not what it was placed on.

How long something has been worked is read from the orders themselves: those on one side of an instrument, back to the last that ended
the work (see `course_of`) or to a pause as long as the deadline. So it survives a restart, and a replay finds the same.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from bot.core import exposure, risk
from bot.core.band import Urgency
from bot.core.copying import replace
from bot.core.order import Order, OrderState
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.units import ONE, ZERO, InstrumentId, Millis

TRIFLE = Decimal("0.1")
"""The fraction of what a resting order leaves by which less may be wanted of it before it is withdrawn."""
LOOK_BACK_DEADLINES = 3
"""How many deadlines back an order that has ended may have been placed and still belong to the present work."""


class Style(StrEnum):
    """PASSIVE: post-only at the near touch. TAKE: an IOC limit through the touch."""

    PASSIVE = "passive"
    TAKE = "take"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How an order is worked and why. `is_patient`: it may wait for others to trade, and stays a part of what they do."""

    style: Style
    why: str
    is_patient: bool


HURRIED = Manner(style=Style.TAKE, why="at once", is_patient=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What was done so far on one side of one instrument: since when, how often passively, and whether an IOC left a part of it."""

    since: Millis | None = None
    attempts: int = 0
    taken: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How an asset is worked on one side, and the work on each of its instruments that has any. `is_gap`: delta is open meanwhile."""

    urgency: Urgency
    is_gap: bool
    work: Mapping[InstrumentId, Work]

    @property
    def since(self) -> Millis | None:
        """When the oldest of the present work began; None while there is none."""
        return min((w.since for w in self.work.values() if w.since is not None), default=None)


def is_within(now: Millis, since: Millis, span_ms: Millis) -> bool:
    """Whether less than `span_ms` have passed. A clock that stepped back before `since` does not make anything wait for it."""
    return 0 <= now - since < span_ms


def course_of(
    ledger: Ledger,
    policy: Policy,
    instruments: Collection[InstrumentId],
    urgency: Urgency,
    now: Millis,
    *,
    selling: bool,
    is_gap: bool,
) -> Course:
    """Reads from the ledger's orders how far the work on one side of some instruments has come.

    A gap's time runs until it is closed, however many slices that takes; of a change of venue each slice has its own. What rests belongs
    to the present work however long ago it was placed: a stop, or a clock that stepped, may lie in between.
    """
    rests = (o.placed_at for o in ledger.open_orders() if o.instrument in instruments)
    look_back = now - LOOK_BACK_DEADLINES * policy.passive_deadline_ms
    since = min((look_back, *rests))
    work: dict[InstrumentId, Work] = {}
    followed_at: dict[InstrumentId, Millis] = {}
    ended: set[InstrumentId] = set()
    for order in reversed(tuple(ledger.orders.values())):
        if order.placed_at < since:
            break
        where = order.instrument
        if where not in instruments or where in ended or (order.quantity < ZERO) != selling:
            continue
        if order.placed_at < look_back and not order.state.is_open:
            continue
        done = work.get(where, Work())
        next_at = followed_at.get(where, now)
        is_full = order.state is OrderState.FILLED and not (is_gap and (order.post_only or _goes_on(order, next_at, policy)))
        if is_full or _paused_after(order, next_at, policy):
            ended.add(where)
            continue
        if not order.post_only and order.state is OrderState.FILLED:
            followed_at[where] = order.placed_at  # a slice: what was done passively before it tells how long the gap has been open
            continue
        if not order.post_only:
            work[where] = replace(done, since=order.placed_at, taken=done.taken or done.attempts == 0)
            ended.add(where)
            continue
        work[where] = replace(done, since=order.placed_at, attempts=done.attempts + (order.state is not OrderState.FILLED))
        followed_at[where] = order.placed_at
    return Course(urgency=urgency, is_gap=is_gap, work=work)


def _goes_on(order: Order, followed_at: Millis, policy: Policy) -> bool:
    """Whether an IOC that filled may be a slice of a gap that is still open: else each slice would wait for a deadline of its own."""
    return order.closed_at is not None and is_within(followed_at, order.closed_at, policy.passive_reprice_ms)


def _paused_after(order: Order, followed_at: Millis, policy: Policy) -> bool:
    """Whether nothing was wanted for a whole deadline between an order's end and what followed it."""
    return order.closed_at is not None and followed_at - order.closed_at >= policy.passive_deadline_ms


def manner_of(ledger: Ledger, policy: Policy, course: Course, instrument: InstrumentId, now: Millis) -> Manner:
    """How the next order on an instrument is worked, and why."""
    work = course.work.get(instrument, Work())
    if course.urgency is Urgency.AT_ONCE:
        return HURRIED
    if policy.passive_deadline_ms == 0 or policy.passive_attempts_max == 0:
        why = "nothing is worked passively"
    elif risk.venue_breaches(ledger, policy, ledger.venue_of(instrument), now):
        why = "nothing rests at this venue now"
    elif is_past_deadline(policy, course, now):
        why = "deadline"
    elif work.taken:
        why = "an IOC left a part"
    elif work.attempts >= policy.passive_attempts_max:
        why = "attempts used up"
    else:
        return Manner(style=Style.PASSIVE, why=f"attempt {work.attempts + 1} of {policy.passive_attempts_max}", is_patient=True)
    return Manner(style=Style.TAKE, why=why, is_patient=not course.is_gap)


def is_past_deadline(policy: Policy, course: Course, now: Millis) -> bool:
    """Whether passive work has had its time."""
    since = course.since
    return since is not None and not is_within(now, since, policy.passive_deadline_ms)


def waits(ledger: Ledger, policy: Policy, instrument: InstrumentId, now: Millis, *, selling: bool) -> bool:
    """Whether a passive order must wait: the last one found nobody, or would have taken, less than `passive_reprice_ms` ago."""
    last = next(reversed(ledger.orders_of(instrument)), None)
    if last is None or not last.post_only or (last.quantity < ZERO) != selling or last.state is OrderState.FILLED:
        return False
    return is_within(now, last.placed_at, policy.passive_reprice_ms)


def resting(ledger: Ledger, instruments: Collection[InstrumentId] | None = None) -> tuple[Order, ...]:
    """Our orders that rest in venues' books, of some instruments or of all."""
    return tuple(o for o in ledger.open_orders() if o.is_resting and (instruments is None or o.instrument in instruments))


def traded_within(ledger: Ledger, instrument: InstrumentId, now: Millis, span_ms: Millis) -> Decimal:
    """Contract units (>= 0) that our orders on an instrument, placed within a span, have filled or may still fill."""
    recent = (o for o in ledger.orders_of(instrument) if is_within(now, o.placed_at, span_ms))
    return sum((abs(o.quantity if o.state.is_open else o.filled) for o in recent), ZERO)


def as_if_withdrawn(ledger: Ledger, instruments: Collection[InstrumentId] | None = None) -> Ledger:
    """The ledger as it would be without what rests on some instruments, or on all: what to want of them is asked of this one."""
    dropped = {o.client_order_id for o in resting(ledger, instruments)}
    return replace(ledger, orders={i: o for i, o in ledger.orders.items() if i not in dropped}) if dropped else ledger


def reason_to_withdraw(
    ledger: Ledger, policy: Policy, order: Order, wanted: Decimal, course: Course, now: Millis, *, stands_by: bool = False
) -> str | None:
    """Why a resting order may not stay, or None. `wanted`: signed base units that its instrument should trade, it included; `stands_by`:
    whether it takes what the others, of which it is wanted, cannot trade."""
    if risk.venue_breaches(ledger, policy, ledger.venue_of(order.instrument), now):
        return "its venue takes nothing now"
    if not order.reduce_only and risk.start_breach(ledger, policy, now) is not None:
        return "a start waits for every venue"
    if ledger.positions[order.instrument].dispute is not None:
        return "its position is disputed"
    if risk.quote_breach(ledger, policy, order.instrument, now) is not None:
        return "no quote to hold it against"
    leaves = ledger.instruments[order.instrument].base_of(order.leaves, ledger.quotes[order.instrument].mark or ONE)
    if wanted * leaves < ZERO or (wanted == ZERO and not stands_by):
        return "not wanted any more"
    if abs(leaves) * (1 - TRIFLE) > abs(wanted) and not (course.is_gap and _carries_a_rest(ledger, policy, order, leaves, wanted)):
        return "less is wanted"
    if course.urgency is Urgency.AT_ONCE:
        return "the gap became urgent"
    if is_past_deadline(policy, course, now):
        return "deadline"
    if not is_within(now, order.placed_at, policy.passive_reprice_ms) and _touch_moved_away(ledger, order):
        return "the touch moved away"
    return None


def _carries_a_rest(ledger: Ledger, policy: Policy, order: Order, leaves: Decimal, wanted: Decimal) -> bool:
    """Whether an order is larger than its own instrument wants only by what rounding left over on its asset's others.

    All that rests together goes no farther than the gap then. Else the next decision would withdraw it, and place it again (I17).
    """
    listed_here = ledger.instruments[order.instrument]
    net = exposure.net_delta(ledger, policy, listed_here.base)
    beyond = ZERO if net is None else -net.low if order.quantity < ZERO else net.high
    if net is None or beyond > abs(leaves) * TRIFLE:
        return False
    carried = ZERO
    for other in exposure.instruments_of(ledger, policy, listed_here.base):
        listed, mark = ledger.instruments.get(other), exposure.mark_of(ledger, other)
        if other != order.instrument and listed is not None and mark is not None:
            carried += listed.to_base(listed.tradable_contracts_min(mark), mark)
    return abs(leaves) - abs(wanted) <= carried


def _touch_moved_away(ledger: Ledger, order: Order) -> bool:
    quote = ledger.quotes[order.instrument]
    return quote.ask < order.price if order.quantity < ZERO else quote.bid > order.price
