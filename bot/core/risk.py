"""Limits on targets, and the trading state: the first two of three questions.

What may the book do at all (`trading_state`), and what may each instrument carry (`slot_of`)? The third, whether this very order may
leave, is asked by `gate`. A refusal is a `Breach` with its numbers. An age that lies ahead of our clock counts as too old: our clock
stepped back, and what died before must not look young.

What an instrument carries beyond its room is moved away. For that the venue is judged as its reducing orders in flight will leave it:
else one asset's reduction would, until its answer, drive out another's hedge. For what it may take they count as not done.

Un-neutrality is the risk that this bot exists to end: a net-delta breach pages and hurries the hedge, it never halts it.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from bot.core import exposure, margin
from bot.core.events import Quote, VenueLink
from bot.core.order import OrderState
from bot.core.policy import Breach, Limit, Policy
from bot.core.records import Ledger
from bot.core.target import Grade, Slot
from bot.core.units import ZERO, Asset, InstrumentId, Millis, VenueId, is_recent

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
        elif not is_recent(now, confirmed, policy.collateral_age_max_ms):
            age, allowed = Decimal(now - confirmed), Decimal(policy.collateral_age_max_ms)
            found.append(Breach(Limit.COLLATERAL_AGE, name, age, allowed, ledger.sources_unreadable.get(name, "")))
    found.extend(
        Breach(Limit.COLLATERAL_UNKNOWN, holding.asset, None, None, "no redemption rate")
        for holding in exposure.counted_holdings(ledger, policy)
        if holding.redemption_rate is None and holding.quantity != ZERO
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
    found = _earlier_life_breaches(ledger, policy, venue, now)
    if not record.reconciled or record.reported_at is None:
        found.append(Breach(Limit.UNRECONCILED, venue, None, None, "no complete reading that agrees yet"))
    elif not is_recent(now, record.reported_at, policy.report_age_max_ms):
        found.append(Breach(Limit.UNRECONCILED, venue, Decimal(now - record.reported_at), Decimal(policy.report_age_max_ms)))
    if record.clock_offset_ms is None or abs(record.clock_offset_ms) > policy.clock_offset_max_ms:
        observed = None if record.clock_offset_ms is None else Decimal(abs(record.clock_offset_ms))
        found.append(Breach(Limit.CLOCK_OFFSET, venue, observed, Decimal(policy.clock_offset_max_ms)))
    if record.foreign_orders:
        found.append(Breach(Limit.FOREIGN_ORDERS, venue, Decimal(len(record.foreign_orders)), ZERO, record.foreign_orders[0]))
    return tuple(found)


def is_within_earlier_life(ledger: Ledger, policy: Policy, now: Millis) -> bool:
    """Whether requests that this journal does not know of may still be on their way to a venue."""
    return ledger.fresh_at is not None and is_recent(now, ledger.fresh_at, policy.order_expiry_ms + policy.doubt_margin_ms)


def _earlier_life_breaches(ledger: Ledger, policy: Policy, venue: VenueId, now: Millis) -> list[Breach]:
    """On a journal that does not know what was sent before it, nothing increases until all of that must have arrived or expired."""
    if ledger.fresh_at is None or not is_within_earlier_life(ledger, policy, now):
        return []
    left = Decimal(ledger.fresh_at + policy.order_expiry_ms + policy.doubt_margin_ms - now)
    return [Breach(Limit.UNRECONCILED, venue, left, ZERO, "requests of an earlier run may still be on their way, ms left")]


def quote_breach(ledger: Ledger, policy: Policy, instrument: InstrumentId, now: Millis) -> Breach | None:
    """Why no order may be priced on an instrument's quote: missing, old, senseless, or far from the second source."""
    quote = ledger.quotes.get(instrument)
    if quote is None or quote.mark is None or quote.mark_at is None:
        return Breach(Limit.QUOTE_AGE, instrument, None, None, "no quote with a mark")
    if not all(is_recent(now, at, policy.quote_age_max_ms) for at in (quote.book_at, quote.mark_at)):
        return Breach(Limit.QUOTE_AGE, instrument, Decimal(now - min(quote.book_at, quote.mark_at)), Decimal(policy.quote_age_max_ms))
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
    fresh = [(q.mark, q.instrument) for q in quotes if q is not None and q.mark is not None and _is_fresh(q, policy, now)]
    middle = exposure.median([mark for mark, of in fresh if len(fresh) > 2 or of != instrument])
    if middle is not None:
        return middle
    return own.index if own is not None and own.index is not None and own.index > ZERO else None


def _is_fresh(quote: Quote, policy: Policy, now: Millis) -> bool:
    return quote.mark_at is not None and is_recent(now, quote.mark_at, policy.quote_age_max_ms)


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


def slot_of(ledger: Ledger, policy: Policy, instrument: InstrumentId, now: Millis) -> tuple[Slot | None, tuple[Breach, ...]]:
    """What an instrument may carry, or None when it can take no order at all now; with everything that stands in the way."""
    blocked = instrument_breach(ledger, policy, instrument, now)
    if blocked is not None:
        return None, (blocked,)
    short = -ledger.positions[instrument].quantity
    unnamed = unnamed_breach(ledger, policy, instrument)
    breaches = (() if unnamed is None else (unnamed,)) + venue_breaches(ledger, policy, ledger.venue_of(instrument), now)
    if breaches:
        # What it has can be reduced, at a venue that answers; it can take no more.
        most = max(short, ZERO)
        return Slot(instrument=instrument, short=short, most=most, grade=Grade.HOLD, binding=breaches[0].limit), breaches
    most, binding = _most(ledger, policy, instrument)
    return Slot(instrument=instrument, short=short, most=most, grade=_grade(ledger, policy, instrument, now), binding=binding), ()


def unnamed_breach(ledger: Ledger, policy: Policy, instrument: InstrumentId) -> Breach | None:
    """Why an instrument takes no increase if the policy no longer names it; what it carries counts, and may be reduced."""
    if instrument in policy.instruments:
        return None
    known = exposure.position(ledger, instrument)
    return Breach(Limit.NO_INSTRUMENT, instrument, known.worst if known else None, ZERO, "carried, but not configured any more")


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
    reducing = any(o.reduce_only for o in ledger.open_orders())
    expected = exposure.venue_notional(ledger, policy, venue, reduced=True) if reducing else total
    short = max(ZERO, -ledger.positions[instrument].quantity)
    if mark is None or required is None or total is None or own is None or expected is None:
        return short, Limit.COLLATERAL_UNKNOWN
    cap, told = required * policy.venue_share_max, exposure.margin_notional(ledger, policy, venue)
    ceiling, binding = cap, Limit.VENUE_SHARE
    breach = margin.increase_breach(ledger, policy, venue, ZERO, told)
    levered = policy.leverage_max * max(margin.margin_balance(ledger, venue) or ZERO, ZERO)
    if breach is None and levered < ceiling:
        ceiling, binding = levered, Limit.LEVERAGE
    drift = max(cap * policy.venue_share_drift, policy.rebalance_notional_min)
    keeps = short * mark <= ceiling - (expected - own) + drift  # within the drift: prices carried it here, that is no reason to move
    kept = short if keeps else max((ceiling - (expected - own)) / mark, ZERO)
    if breach is not None:
        return kept, breach.limit
    charged = margin.notional_max(ledger, policy, venue, told)
    if charged is not None and charged < ceiling:
        ceiling, binding = charged, Limit.MARGIN_RATIO  # keeps the venue from more, and moves nothing away
    return max((ceiling - (total - own)) / mark, kept), binding


def delta_breach(ledger: Ledger, policy: Policy, asset: Asset) -> Breach | None:
    """Whether the worse end of an asset's net delta is outside its band: pages, never halts."""
    net = exposure.net_delta(ledger, policy, asset)
    if not any(i in policy.instruments for i in exposure.instruments_of(ledger, policy, asset)):
        return Breach(Limit.NO_INSTRUMENT, asset, None if net is None else net.worst, ZERO, "nothing is listed that could hedge it")
    band = exposure.rebalance_threshold(ledger, policy, asset)
    if net is None or band is None:
        return Breach(Limit.NET_DELTA, asset, None, None, "not known")
    detail = "base units" if asset in exposure.hedged_assets(policy) else "base units, and no collateral of it is configured"
    return Breach(Limit.NET_DELTA, asset, net.worst, band, detail) if abs(net.worst) > band else None
