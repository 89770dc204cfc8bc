"""Limits on targets, the last gate on orders, and the trading state.

Three questions, asked in this order: what may the book do at all (`trading_state`), what may each instrument carry (`slot_of`), and
may this very order leave (`order_breach`). The last asks again what the first two decided, with the order counted in: a target that
a later rounding or slicing pushed over a limit dies here. A refusal is a `Breach` with its numbers.

Un-neutrality is the risk that this bot exists to end: a net-delta breach pages and hurries the hedge, it never halts it.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from itertools import takewhile

from bot.core import exposure, margin
from bot.core.events import Quote, VenueLink
from bot.core.order import Order, OrderState
from bot.core.policy import Breach, Limit, Policy
from bot.core.records import Ledger
from bot.core.target import Grade, Slot
from bot.core.units import ZERO, Asset, InstrumentId, Millis, VenueId

RETRY_PAUSE_FACTOR_MAX = 30
FRUITLESS_MAX = 2
"""Orders in a row that came to nothing, from which on an instrument is no place to move hedges to."""


class TradingState(StrEnum):
    """What the book may do. REDUCING: only what brings the worse end of |net delta| nearer to zero; HALTED: cancels and queries."""

    ACTIVE = "active"
    REDUCING = "reducing"
    HALTED = "halted"


def state_breaches(ledger: Ledger, policy: Policy, now: Millis) -> tuple[Breach, ...]:
    """Why the book as a whole is not ACTIVE, if it is not."""
    found = []
    for name in sorted(policy.collateral_sources):
        confirmed = ledger.sources_confirmed_at.get(name)
        if confirmed is None:
            found.append(Breach(Limit.COLLATERAL_UNKNOWN, name, None, None, "the source has not spoken in this run"))
        elif now - confirmed > policy.collateral_age_max_ms:
            age, allowed = Decimal(now - confirmed), Decimal(policy.collateral_age_max_ms)
            found.append(Breach(Limit.COLLATERAL_AGE, name, age, allowed, ledger.sources_unreadable.get(name, "")))
    found.extend(
        Breach(Limit.COLLATERAL_UNKNOWN, holding.asset, None, None, "no redemption rate")
        for holding in ledger.holdings.values()
        if holding.asset in policy.collateral_assets and holding.redemption_rate is None
    )
    doubts = sum(1 for o in ledger.open_orders() if o.state is OrderState.IN_DOUBT)
    if doubts > policy.orders_in_doubt_max:
        found.append(Breach(Limit.ORDERS_IN_DOUBT, "book", Decimal(doubts), Decimal(policy.orders_in_doubt_max)))
    return tuple(found)


def trading_state(ledger: Ledger, policy: Policy, now: Millis) -> TradingState:
    """The state of the book, from the ledger alone."""
    if ledger.stopping or ledger.invariants_broken:
        return TradingState.HALTED
    return TradingState.REDUCING if state_breaches(ledger, policy, now) else TradingState.ACTIVE


def venue_breaches(ledger: Ledger, policy: Policy, venue: VenueId, now: Millis) -> tuple[Breach, ...]:
    """Why a venue takes no increase now; empty when it does."""
    record = ledger.venues.get(venue)
    if record is None or record.link is not VenueLink.UP:
        return (Breach(Limit.VENUE_LINK, venue, None, None, record.link.value if record else "never heard of"),)
    found = []
    if not record.reconciled or record.reported_at is None:
        found.append(Breach(Limit.UNRECONCILED, venue, None, None, "no complete reading that agrees yet"))
    elif now - record.reported_at > policy.report_age_max_ms:
        found.append(Breach(Limit.UNRECONCILED, venue, Decimal(now - record.reported_at), Decimal(policy.report_age_max_ms)))
    if record.clock_offset_ms is None or abs(record.clock_offset_ms) > policy.clock_offset_max_ms:
        observed = None if record.clock_offset_ms is None else Decimal(abs(record.clock_offset_ms))
        found.append(Breach(Limit.CLOCK_OFFSET, venue, observed, Decimal(policy.clock_offset_max_ms)))
    if record.foreign_orders:
        found.append(Breach(Limit.FOREIGN_ORDERS, venue, Decimal(len(record.foreign_orders)), ZERO, record.foreign_orders[0]))
    return tuple(found)


def quote_breach(ledger: Ledger, policy: Policy, instrument: InstrumentId, now: Millis) -> Breach | None:
    """Why no order may be priced on an instrument's quote: missing, old, senseless, or far from the second source."""
    quote = ledger.quotes.get(instrument)
    if quote is None or quote.mark is None or quote.mark_at is None:
        return Breach(Limit.QUOTE_AGE, instrument, None, None, "no quote with a mark")
    age = Decimal(now - min(quote.book_at, quote.mark_at))
    if age > policy.quote_age_max_ms:
        return Breach(Limit.QUOTE_AGE, instrument, age, Decimal(policy.quote_age_max_ms))
    if not ZERO < quote.bid < quote.ask:
        return Breach(Limit.PRICE_COLLAR, instrument, quote.bid, quote.ask, "crossed or senseless quote")
    second = second_source(ledger, policy, instrument, now)
    if second is None:
        return Breach(Limit.REFERENCE_DEVIATION, instrument, None, None, "no second source for the price")
    deviation = abs(quote.mark - second) / second
    if deviation > policy.reference_deviation_max:
        return Breach(Limit.REFERENCE_DEVIATION, instrument, deviation, policy.reference_deviation_max)
    return None


def second_source(ledger: Ledger, policy: Policy, instrument: InstrumentId, now: Millis) -> Decimal | None:
    """A price to hold a venue's mark against: the median of all venues' fresh marks, else the venue's index, else None.

    Of three marks or more the median takes the venue's own in: so that one venue that is far off does not discredit the others. Of two,
    it is the other's.
    """
    own = ledger.quotes.get(instrument)
    quotes = (ledger.quotes.get(i) for i in exposure.instruments_of(ledger, policy, ledger.instruments[instrument].base))
    fresh = sorted((q.mark, q.instrument) for q in quotes if q is not None and q.mark is not None and _is_fresh(q, policy, now))
    marks = [mark for mark, of in fresh if len(fresh) > 2 or of != instrument]
    if marks:
        middle = len(marks) // 2
        return marks[middle] if len(marks) % 2 else (marks[middle - 1] + marks[middle]) / 2
    return own.index if own is not None and own.index is not None and own.index > ZERO else None


def _is_fresh(quote: Quote, policy: Policy, now: Millis) -> bool:
    return quote.mark_at is not None and now - quote.mark_at <= policy.quote_age_max_ms


def instrument_breach(ledger: Ledger, policy: Policy, instrument: InstrumentId, now: Millis) -> Breach | None:
    """Why no order at all may leave for an instrument now: something is in flight, in doubt or disputed, or it is resting."""
    position = ledger.positions.get(instrument)
    if position is None:
        return Breach(Limit.UNRECONCILED, instrument, None, None, "its position was never told")
    if position.dispute is not None:
        return Breach(Limit.DISPUTED, instrument, position.dispute.observed, position.quantity)
    open_orders = ledger.open_orders(instrument)
    if open_orders:
        return Breach(Limit.IN_DOUBT, instrument, Decimal(len(open_orders)), ZERO, open_orders[0].state.value)
    pause = _retry_pause_left(ledger, policy, instrument, now)
    if pause > 0:
        return Breach(Limit.REPEATED_ORDER, instrument, Decimal(pause), ZERO, "resting after fruitless orders, ms left")
    return quote_breach(ledger, policy, instrument, now)


def _retry_pause_left(ledger: Ledger, policy: Policy, instrument: InstrumentId, now: Millis) -> Millis:
    """Milliseconds of rest still due after the latest orders on an instrument came to nothing, doubling with each."""
    fruitless, last_end = _fruitless(ledger, instrument)
    return _rest_left(fruitless, last_end, policy.order_retry_pause_ms, now)


def _rest_left(times: int, since: Millis, first_ms: Millis, now: Millis) -> Millis:
    """What is left of a rest that starts with `first_ms` and doubles with each time, up to 30 times as long."""
    if times <= 0:
        return 0
    factor: int = min(2 ** (times - 1), RETRY_PAUSE_FACTOR_MAX)
    left = since + first_ms * factor - now
    return left if 0 < left <= 2 * first_ms * factor else 0  # a clock that stepped far back does not prolong it


def _fruitless(ledger: Ledger, instrument: InstrumentId) -> tuple[int, Millis]:
    """How many of an instrument's latest orders came to nothing, in a row, and when the last of them ended."""
    fruitless, last_end = 0, 0
    for order in reversed(tuple(ledger.orders.values())):
        if order.instrument != instrument or order.state.is_open:
            continue
        if order.filled != ZERO:
            break
        fruitless += 1
        last_end = max(last_end, order.closed_at or order.placed_at)
        if fruitless > RETRY_PAUSE_FACTOR_MAX:
            break
    return fruitless, last_end


def orders_in_window(ledger: Ledger, policy: Policy, venue: VenueId, now: Millis) -> int:
    """Orders placed at a venue within the rate window, whatever became of them."""
    since = now - policy.order_rate_window_ms
    newest_first = takewhile(lambda o: o.placed_at > since, reversed(tuple(ledger.orders.values())))
    return sum(1 for o in newest_first if ledger.venue_of(o.instrument) == venue)


def slot_of(ledger: Ledger, policy: Policy, instrument: InstrumentId, now: Millis) -> tuple[Slot | None, tuple[Breach, ...]]:
    """What an instrument may carry, or None when it can take no order at all now; with everything that stands in the way."""
    blocked = instrument_breach(ledger, policy, instrument, now)
    if blocked is not None:
        return None, (blocked,)
    short = -ledger.positions[instrument].quantity
    breaches = venue_breaches(ledger, policy, ledger.venue_of(instrument), now)
    if breaches:
        # What it has can be reduced, at a venue that answers; it can take no more.
        most = max(short, ZERO)
        return Slot(instrument=instrument, short=short, most=most, grade=Grade.HOLD, binding=breaches[0].limit), breaches
    most, binding = _most(ledger, policy, instrument)
    return Slot(instrument=instrument, short=short, most=most, grade=_grade(ledger, policy, instrument, now), binding=binding), ()


def _grade(ledger: Ledger, policy: Policy, instrument: InstrumentId, now: Millis) -> Grade:
    state = ledger.funding.get(instrument)
    if state is not None and state.flipped:
        return Grade.AVOID
    taken = ledger.positions[instrument].deleveraged_at
    if taken is not None and now - taken < policy.deleveraging_rest_ms:
        return Grade.HOLD
    fruitless, last_end = _fruitless(ledger, instrument)
    if _rest_left(fruitless - FRUITLESS_MAX + 1, last_end, policy.deleveraging_rest_ms, now) > 0:
        return Grade.HOLD  # else a hedge would be moved there, fail, and be bought back where it was, over and over
    return Grade.PREFERRED


def _most(ledger: Ledger, policy: Policy, instrument: InstrumentId) -> tuple[Decimal, Limit | None]:
    """The most short (base units) that venue share, leverage and margin leave to an instrument, and which of them binds."""
    venue = ledger.venue_of(instrument)
    mark = exposure.mark_of(ledger, instrument)
    required = exposure.share_base(ledger, policy)
    total = exposure.venue_notional(ledger, policy, venue)
    own = exposure.notional(ledger, policy, instrument)
    short = max(ZERO, -ledger.positions[instrument].quantity)
    if mark is None or required is None or total is None or own is None:
        return short, Limit.COLLATERAL_UNKNOWN
    others = total - own
    cap = required * policy.venue_share_max
    room, binding = (cap - others) / mark, Limit.VENUE_SHARE
    breach = margin.increase_breach(ledger, policy, venue, total)
    if breach is not None and breach.limit is not Limit.LEVERAGE:
        return min(short, max(room, ZERO)), breach.limit
    balance = margin.margin_balance(ledger, venue) or ZERO
    levered = (policy.leverage_max * max(balance, ZERO) - others) / mark
    if levered < room:
        room, binding = levered, Limit.LEVERAGE
    drift = max(cap * policy.venue_share_drift, policy.rebalance_notional_min) / mark
    if short > ZERO and room < short <= room + drift:
        room = short  # prices carried it here; that is no reason to pay for a move
    return max(room, ZERO), binding


def order_breach(ledger: Ledger, policy: Policy, order: Order, now: Millis) -> Breach | None:
    """The last gate: why this very order may not leave, everything counted in, or None. `ledger` does not contain it yet."""
    venue = ledger.venue_of(order.instrument)
    state = trading_state(ledger, policy, now)
    if state is TradingState.HALTED:
        return Breach(Limit.TRADING_STATE, "book", None, None, state.value)
    blocked = instrument_breach(ledger, policy, order.instrument, now)
    if blocked is not None:
        return blocked
    sent = orders_in_window(ledger, policy, venue, now)
    if sent >= policy.order_rate_max:
        return Breach(Limit.ORDER_RATE, venue, Decimal(sent + 1), Decimal(policy.order_rate_max))
    return _price_breach(ledger, policy, order) or _quantity_breach(ledger, policy, order, now)


def _price_breach(ledger: Ledger, policy: Policy, order: Order) -> Breach | None:
    mark = exposure.mark_of(ledger, order.instrument)
    if mark is None or order.price <= ZERO:
        return Breach(Limit.PRICE_COLLAR, order.instrument, order.price, None, "no mark to hold the price against")
    distance = abs(order.price - mark) / mark
    if distance > policy.price_collar:
        return Breach(Limit.PRICE_COLLAR, order.instrument, distance, policy.price_collar)
    return None


def _quantity_breach(ledger: Ledger, policy: Policy, order: Order, now: Millis) -> Breach | None:
    mark = exposure.mark_of(ledger, order.instrument) or ZERO
    value = abs(order.quantity) * mark
    if order.quantity == ZERO:
        return Breach(Limit.INSTRUMENT_FILTER, order.instrument, ZERO, None, "an order of nothing")
    if value > policy.order_notional_max:
        return Breach(Limit.ORDER_NOTIONAL, order.instrument, value, policy.order_notional_max)
    held = ledger.positions[order.instrument].quantity
    if order.reduce_only:
        if held * order.quantity >= ZERO or abs(order.quantity) > abs(held):
            return Breach(Limit.INSTRUMENT_FILTER, order.instrument, order.quantity, held, "reduces more than is there")
        return None
    return _increase_breach(ledger, policy, order, value, now)


def _increase_breach(ledger: Ledger, policy: Policy, order: Order, value: Decimal, now: Millis) -> Breach | None:
    venue = ledger.venue_of(order.instrument)
    breaches = venue_breaches(ledger, policy, venue, now)
    if breaches:
        return breaches[0]
    doubts = sum(1 for o in ledger.open_orders() if o.state is OrderState.IN_DOUBT)
    if doubts > policy.orders_in_doubt_max:
        return Breach(Limit.ORDERS_IN_DOUBT, "book", Decimal(doubts), Decimal(policy.orders_in_doubt_max))
    total = exposure.venue_notional(ledger, policy, venue)
    required = exposure.share_base(ledger, policy)
    if total is None or required is None:
        return Breach(Limit.COLLATERAL_UNKNOWN, venue, None, None, "the venue's share cannot be computed")
    cap = required * policy.venue_share_max
    if total + value > cap:
        return Breach(Limit.VENUE_SHARE, venue, total + value, cap, "USD of notional")
    gross = gross_notional(ledger, policy)
    if gross is None or gross + value > policy.gross_notional_max:
        return Breach(Limit.GROSS_NOTIONAL, "book", None if gross is None else gross + value, policy.gross_notional_max)
    return margin.increase_breach(ledger, policy, venue, total + value)


def gross_notional(ledger: Ledger, policy: Policy) -> Decimal | None:
    """USD of all positions and orders, each at its worse end; None while one is unknown."""
    total = ZERO
    for venue in sorted({ledger.venue_of(i) for i in policy.instruments}):
        value = exposure.venue_notional(ledger, policy, venue)
        if value is None:
            return None
        total += value
    return total


def delta_breach(ledger: Ledger, policy: Policy, asset: Asset) -> Breach | None:
    """Whether the worse end of an asset's net delta is outside its band: pages, never halts."""
    net = exposure.net_delta(ledger, policy, asset)
    if not exposure.instruments_of(ledger, policy, asset):
        return Breach(Limit.NO_INSTRUMENT, asset, None if net is None else net.worst, ZERO, "nothing is listed that could hedge it")
    band = exposure.rebalance_threshold(ledger, policy, asset)
    if net is None or band is None:
        return Breach(Limit.NET_DELTA, asset, None, None, "not known")
    return Breach(Limit.NET_DELTA, asset, net.worst, band, "base units") if abs(net.worst) > band else None
