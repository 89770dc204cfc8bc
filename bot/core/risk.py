"""What stands in the way, and the trading state: what targets and the last gate both ask.

What may the book do at all (`trading_state`), what may a venue take (`venue_breaches`), may an order leave for an instrument at all
(`instrument_breach`), may it increase there (`increase_breaches`)? What each instrument should carry is told by `target`, whether this
very order may leave by `gate`. A refusal is a `Breach` with its numbers. An age that lies ahead of our clock counts as too old: our
clock stepped back, and what died before must not look young.

Un-neutrality is the risk that this bot exists to end: a net-delta breach pages and hurries the hedge, it never halts it.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from bot.core import exposure, obstacles, records, trading, traffic, unread
from bot.core.collateral_limits import unknown_breaches
from bot.core.copying import replace
from bot.core.events import Quote, VenueLink
from bot.core.foreign_order import ForeignOrder
from bot.core.lasting import lasting
from bot.core.limit_table import nearing
from bot.core.limits import Breach, Effect, Limit
from bot.core.order import Order, OrderState
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.units import ZERO, Asset, InstrumentId, Millis, VenueId, is_recent

AGREES_WITHIN_MS: Millis = 60_000
"""For how long after its start a run waits with every increase until each venue has agreed (docs/decisions/0013). Those that have not by
then are left out: they take no increase, and what is remembered of them counts, as of a venue that falls silent later."""
RETRY_PAUSE_FACTOR_MAX = 30
FRUITLESS_MAX = 2
"""Orders in a row that came to nothing, from which on an instrument is no place to move hedges to."""


TradingState = records.TradingState


@exposure.once
def state_breaches(ledger: Ledger, policy: Policy) -> tuple[Breach, ...]:
    """Why the book as a whole is not ACTIVE, if it is not."""
    found = _cause_breaches(ledger, None)
    if ledger.journal_doubt is not None:
        found.append(Breach(Limit.JOURNAL_DOUBT, "book", None, None, ledger.journal_doubt))
    return (*found, *doubt_breaches(ledger, policy))


def doubt_breaches(ledger: Ledger, policy: Policy) -> tuple[Breach, ...]:
    """Whether more is in doubt over the whole book than may be: orders, or their value at marks (at their prices where there is none)."""
    if not ledger.open_orders():
        return ()  # nothing is no more than may be, however little that is
    return tuple(
        Breach(limit, "book", used, allowed, words, Effect.REDUCING)
        for limit, used, allowed, words in doubts(ledger, policy)
        if used > allowed
    )


def nearly_in_doubt(ledger: Ledger, policy: Policy) -> tuple[Breach, ...]:
    """The same while it is no more than may be, but all of it or nearly: people are told."""
    near = (nearing(limit, "book", used, allowed, words) for limit, used, allowed, words in doubts(ledger, policy) if used <= allowed)
    return tuple(replace(breach, effect=Effect.TELLS) for breach in near if breach is not None)


def doubts(ledger: Ledger, policy: Policy) -> tuple[tuple[Limit, Decimal, Decimal, str], ...]:
    doubts = [o for o in ledger.open_orders() if o.state is OrderState.IN_DOUBT]
    value = sum((traffic.value_of(ledger, o, exposure.mark_of(ledger, o.instrument) or o.price) for o in doubts), ZERO)
    return (
        (Limit.ORDERS_IN_DOUBT, Decimal(len(doubts)), Decimal(policy.orders_in_doubt_max), "orders"),
        (Limit.DOUBT_NOTIONAL, value, policy.doubt_notional_max, "USD in doubt"),
    )


def trading_state(ledger: Ledger, policy: Policy) -> TradingState:
    """The state of the book, from the ledger alone: its own causes (see `trading`), and what stands in the way at this moment."""
    held = trading.state_of(ledger, None)
    if ledger.stopping or ledger.invariants_broken or held is TradingState.HALTED:
        return TradingState.HALTED
    return TradingState.REDUCING if held is TradingState.REDUCING or state_breaches(ledger, policy) else TradingState.ACTIVE


def venue_state(ledger: Ledger, venue: VenueId) -> TradingState:
    """The state of one venue by its own causes: where the book is stricter, that counts. What merely lasts (a link) is no state."""
    return trading.state_of(ledger, venue)


def _cause_breaches(ledger: Ledger, venue: VenueId | None) -> list[Breach]:
    """Each cause of a state, named by the limit that brought it, the strictest first."""
    subject = venue or "book"
    return [
        Breach(r.cause, subject, None, None, f"{r.state.value}, {r.why}" + (f", by {r.by}" if r.by else ""))
        for r in trading.causes(ledger, venue)
    ]


@exposure.once
def venue_breaches(ledger: Ledger, policy: Policy, venue: VenueId, now: Millis) -> tuple[Breach, ...]:
    """Why a venue takes no increase now; empty when it does."""
    record = ledger.venues.get(venue)
    if record is None or record.link is not VenueLink.UP:
        link = Breach(Limit.VENUE_LINK, venue, None, None, record.link.value if record else "never heard of")
        return (link, *_cause_breaches(ledger, venue))
    found = _earlier_life_breaches(ledger, policy, venue, now) + _cause_breaches(ledger, venue)
    if not record.reconciled or record.reported_at is None:
        found.append(Breach(Limit.UNRECONCILED, venue, None, None, "no complete reading that agrees yet"))
    elif not is_recent(now, record.reported_at, policy.report_age_max_ms):
        found.append(Breach(Limit.UNRECONCILED, venue, Decimal(now - record.reported_at), Decimal(policy.report_age_max_ms)))
    if record.clock_offset_ms is None or abs(record.clock_offset_ms) > policy.clock_offset_max_ms:
        observed = None if record.clock_offset_ms is None else Decimal(abs(record.clock_offset_ms))
        found.append(Breach(Limit.CLOCK_OFFSET, venue, observed, Decimal(policy.clock_offset_max_ms)))
    if record.foreign_orders and not any(b.limit is Limit.FOREIGN_ORDERS for b in found):
        found.append(Breach(Limit.FOREIGN_ORDERS, venue, Decimal(len(record.foreign_orders)), ZERO, record.foreign_orders[0].name))
    found += [Breach(Limit.ACCOUNT_MODE, venue, None, None, sentence) for sentence in record.unfit]
    return (*found, *obstacles.of_venue(ledger, policy, venue, now))


def is_within_earlier_life(ledger: Ledger, policy: Policy, now: Millis) -> bool:
    """Whether requests that this journal does not know of may still be on their way to a venue."""
    return ledger.fresh_at is not None and is_recent(now, ledger.fresh_at, policy.order_expiry_ms + policy.doubt_margin_ms)


def silence_breach(ledger: Ledger, now: Millis) -> Breach | None:
    """Why no order at all may leave yet: the run took another instance's place, whose last requests a venue may still accept."""
    if ledger.silent_ms == 0 or not is_recent(now, ledger.started_at, ledger.silent_ms):
        return None
    left = Decimal(ledger.started_at + ledger.silent_ms - now)
    return Breach(Limit.UNRECONCILED, "book", left, ZERO, "requests of the instance before may still be accepted, ms left")


def _earlier_life_breaches(ledger: Ledger, policy: Policy, venue: VenueId, now: Millis) -> list[Breach]:
    """On a journal that does not know what was sent before it, nothing increases until all of that must have arrived or expired."""
    if ledger.fresh_at is None or not is_within_earlier_life(ledger, policy, now):
        return []
    left = Decimal(ledger.fresh_at + policy.order_expiry_ms + policy.doubt_margin_ms - now)
    return [Breach(Limit.UNRECONCILED, venue, left, ZERO, "requests of an earlier run may still be on their way, ms left")]


def to_agree(ledger: Ledger, policy: Policy) -> tuple[VenueId, ...]:
    """The configured venues that have not agreed in everything in this run yet; who is in quarantine is not asked."""
    venues = sorted({ledger.venue_of(i) for i in policy.instruments} - ledger.quarantined)
    records = {venue: ledger.venues.get(venue) for venue in venues}
    return tuple(v for v, r in records.items() if r is None or r.agreed_at is None or r.agreed_at < ledger.started_at)


@exposure.once
def start_breach(ledger: Ledger, policy: Policy, now: Millis) -> Breach | None:
    """A run increases nothing, anywhere, before every venue has agreed or was left out: what one of them carries may have changed."""
    waited = now - ledger.started_at
    if not is_recent(now, ledger.started_at, AGREES_WITHIN_MS) or not (missing := to_agree(ledger, policy)):
        return None
    told = f"{', '.join(missing)} not read and agreed since the start, and left out only after so long, ms"
    return Breach(Limit.UNRECONCILED, "book", Decimal(waited), Decimal(AGREES_WITHIN_MS), told)


def quote_breach(ledger: Ledger, policy: Policy, instrument: InstrumentId, now: Millis) -> Breach | None:
    """Why no order may be priced on an instrument's quote: missing, old, senseless, or far from the second source."""
    quote = ledger.quotes.get(instrument)
    if quote is None or quote.mark is None or quote.mark_at is None:
        return Breach(Limit.QUOTE_AGE, instrument, None, None, "no quote with a mark")
    most = policy.quote_age_max_ms
    if not (is_recent(now, quote.book_at, most) and is_recent(now, quote.mark_at, most)):
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
    fresh, middle = _fresh_marks(ledger, policy, ledger.instruments[instrument].base, now)
    if len(fresh) <= 2:
        middle = exposure.median([mark for mark, of in fresh if of != instrument])
    if middle is not None:
        return middle
    return own.index if own is not None and own.index is not None and own.index > ZERO else None


@exposure.once
def _fresh_marks(
    ledger: Ledger, policy: Policy, asset: Asset, now: Millis
) -> tuple[tuple[tuple[Decimal, InstrumentId], ...], Decimal | None]:
    """The venues' fresh marks of an asset, and their median."""
    believed = (i for i in exposure.instruments_of(ledger, policy, asset) if ledger.venue_of(i) not in ledger.quarantined)
    quotes = (ledger.quotes.get(i) for i in believed)
    fresh = tuple((q.mark, q.instrument) for q in quotes if q is not None and q.mark is not None and _is_fresh(q, policy, now))
    return fresh, exposure.median([mark for mark, _ in fresh])


def _is_fresh(quote: Quote, policy: Policy, now: Millis) -> bool:
    return quote.mark_at is not None and is_recent(now, quote.mark_at, policy.quote_age_max_ms)


def instrument_breach(ledger: Ledger, policy: Policy, instrument: InstrumentId, now: Millis) -> Breach | None:
    """Why no order at all may leave for an instrument now: something may execute there or is disputed, or reductions came to nothing.

    Beside an order that is spent, in doubt or taken over, nothing increases (see `increase_breaches`), and what is certain may be reduced.
    """
    venue = ledger.venue_of(instrument)
    if venue_state(ledger, venue) is TradingState.HALTED and not trading.may_close(ledger, instrument):
        return _cause_breaches(ledger, venue)[0]
    position = ledger.positions.get(instrument)
    if position is None:
        return Breach(Limit.UNRECONCILED, instrument, None, None, "its position was never told")
    if position.dispute is not None:
        return Breach(Limit.DISPUTED, instrument, position.dispute.observed, position.quantity)
    if (found := _in_doubt_breach(ledger.live_orders(instrument))) is not None:
        return found
    if (withdrawn := _taken_breach(ledger.live_taken_orders(instrument))) is not None:
        return withdrawn
    resting = rest_breach(ledger, policy, instrument, now, reductions=True)
    return resting or quote_breach(ledger, policy, instrument, now)


def spent_breach(ledger: Ledger, instrument: InstrumentId) -> Breach | None:
    """Why an instrument takes no increase beside what executes nothing more but may have executed: nobody knows how much."""
    if not ledger.is_worked(instrument):
        return None
    found = _in_doubt_breach([o for o in ledger.open_orders(instrument) if o.is_spent])
    return found or _taken_breach([o for o in ledger.taken_orders(instrument) if o.is_spent])


def _in_doubt_breach(orders: Sequence[Order]) -> Breach | None:
    return Breach(Limit.IN_DOUBT, orders[0].instrument, Decimal(len(orders)), ZERO, orders[0].state.value) if orders else None


def _taken_breach(orders: Sequence[ForeignOrder]) -> Breach | None:
    if not orders:
        return None
    words = "works no more, and what it did may be untold" if orders[0].is_spent else "is withdrawn"
    return Breach(Limit.IN_DOUBT, orders[0].instrument, Decimal(len(orders)), ZERO, f"order {orders[0].name} {words}")


def rest_breach(ledger: Ledger, policy: Policy, instrument: InstrumentId, now: Millis, *, reductions: bool = False) -> Breach | None:
    """Why an instrument rests after its latest orders came to nothing, twice as long with each; of `reductions`, after theirs alone.

    An account whose leverage or mode was changed refuses increases for ever, and may be reduced all the while. Where nothing is sent
    (`Ledger.observing`) a decision that still stands is taken again after the longest rest, each time the same.
    """
    fruitless, last_end = _fruitless(ledger, policy, instrument)[reductions]
    if not fruitless:
        return None
    if ledger.observing:
        fruitless = min(fruitless, 1) * RETRY_PAUSE_FACTOR_MAX
    left = _rest_left(fruitless, last_end, policy.order_retry_pause_ms, now)
    return Breach(Limit.REPEATED_ORDER, instrument, Decimal(left), ZERO, "resting after fruitless orders, ms left") if left > 0 else None


def _rest_left(times: int, since: Millis, first_ms: Millis, now: Millis) -> Millis:
    """What is left of a rest that starts with `first_ms` and doubles with each time, up to 30 times as long."""
    if times <= 0:
        return 0
    factor: int = min(2 ** (times - 1), RETRY_PAUSE_FACTOR_MAX)
    left = since + first_ms * factor - now
    return left if 0 < left <= 2 * first_ms * factor else 0  # a clock that stepped far back does not prolong it


@lasting
def _fruitless(ledger: Ledger, _: Policy, instrument: InstrumentId) -> tuple[tuple[int, Millis], tuple[int, Millis]]:
    """How many of an instrument's latest orders came to nothing, in a row, and when the last of them ended; and the same of reductions."""
    return _fruitless_of(ledger, instrument, reductions=False), _fruitless_of(ledger, instrument, reductions=True)


def _fruitless_of(ledger: Ledger, instrument: InstrumentId, *, reductions: bool) -> tuple[int, Millis]:
    fruitless, last_end = 0, 0
    for order in reversed(ledger.orders_of(instrument)):
        if order.state.is_open:
            continue
        if order.filled != ZERO:
            break
        if order.post_only or (reductions and not order.reduce_only):
            continue  # that nobody took a post-only one is an attempt, which says nothing against the instrument
        fruitless += 1
        last_end = max(last_end, order.closed_at or order.placed_at)
        if fruitless > RETRY_PAUSE_FACTOR_MAX:
            break
    return fruitless, last_end


def increase_breaches(ledger: Ledger, policy: Policy, instrument: InstrumentId, now: Millis) -> tuple[Breach, ...]:
    """Why an instrument takes no increase now, whatever its quantity; empty when it does. Asked by the target and by the last gate."""
    first = (
        start_breach(ledger, policy, now),
        _flattened_breach(ledger, instrument),
        unnamed_breach(ledger, policy, instrument),
        spent_breach(ledger, instrument),
        rest_breach(ledger, policy, instrument, now),
    )
    own = obstacles.of_instrument(ledger, policy, instrument, now)
    told = (*(found for found in first if found is not None), *_unknown(ledger, policy, instrument))
    elsewhere = unread.in_the_way_of(ledger, policy, instrument)
    return (*told, *venue_breaches(ledger, policy, ledger.venue_of(instrument), now), *elsewhere, *own)


def _unknown(ledger: Ledger, policy: Policy, instrument: InstrumentId) -> tuple[Breach, ...]:
    """Why its asset waits; of one that no collateral is hedged as, nothing."""
    listed = ledger.instruments.get(instrument)
    return () if listed is None else _unknown_of(ledger, policy, listed.base)


@exposure.once
def _unknown_of(ledger: Ledger, policy: Policy, asset: Asset) -> tuple[Breach, ...]:
    return unknown_breaches(ledger, policy, asset) if asset in exposure.hedged_assets(policy) else ()


def _flattened_breach(ledger: Ledger, instrument: InstrumentId) -> Breach | None:
    asked = trading.flattening_of(ledger, instrument)
    return None if asked is None else Breach(Limit.OPERATOR, instrument, None, None, f"flattened, {asked.why}, by {asked.by}")


def unnamed_breach(ledger: Ledger, policy: Policy, instrument: InstrumentId) -> Breach | None:
    """Why an instrument takes no increase if the policy no longer names it; what it carries counts, and may be reduced."""
    if instrument in policy.instruments:
        return None
    known = exposure.position(ledger, instrument)
    return Breach(Limit.NO_INSTRUMENT, instrument, known.worst if known else None, ZERO, "carried, but not configured any more")


def keeps_failing(ledger: Ledger, policy: Policy, instrument: InstrumentId, now: Millis) -> bool:
    """Whether so many of an instrument's latest orders came to nothing that no hedge is moved there, or away, for a while."""
    return _failing_left(ledger, policy, instrument, now) > 0


def _failing_left(ledger: Ledger, policy: Policy, instrument: InstrumentId, now: Millis) -> Millis:
    if ledger.observing:
        return 0  # it says nothing against an instrument that an order for it was not sent
    (fruitless, last_end), _ = _fruitless(ledger, policy, instrument)
    return _rest_left(fruitless - FRUITLESS_MAX + 1, last_end, policy.deleveraging_rest_ms, now)


def last_resort_breach(ledger: Ledger, policy: Policy, instrument: InstrumentId, now: Millis) -> Breach | None:
    """Why an instrument takes new hedges only as a last resort, with the ms that are left of it; people are told, nothing is blocked.

    It was deleveraged or liquidated lately, or so many of its latest orders came to nothing that a hedge moved there would only come back.
    """
    position = ledger.positions.get(instrument)
    taken = None if position is None else position.deleveraged_at
    if taken is not None and now - taken < policy.deleveraging_rest_ms:
        left, why = taken + policy.deleveraging_rest_ms - now, "deleveraged"
    else:
        left, why = _failing_left(ledger, policy, instrument, now), "its latest orders came to nothing"
    words = f"a last resort: {why}, ms left"
    return Breach(Limit.REST, instrument, Decimal(left), ZERO, words, Effect.TELLS) if left > 0 else None


def delta_breach(ledger: Ledger, policy: Policy, asset: Asset) -> Breach | None:
    """Whether an asset's net delta is where it should not be: pages, never halts.

    That is: its worse end beyond the hard edge of the no-trade band, or beyond the soft edge for longer than flow may take to cancel it
    and orders to work it. Judged at the latest decision.
    """
    net = exposure.net_delta(ledger, policy, asset)
    if not any(i in policy.instruments for i in exposure.instruments_of(ledger, policy, asset)):
        told = None if net is None else net.worst
        return Breach(Limit.NO_INSTRUMENT, asset, told, ZERO, "nothing is listed that could hedge it", Effect.PAGES)
    soft, hard = exposure.rebalance_threshold(ledger, policy, asset), exposure.hard_threshold(ledger, policy, asset)
    if net is None or soft is None or hard is None:
        return Breach(Limit.NET_DELTA, asset, None, None, "not known", Effect.PAGES)
    detail = "base units" if asset in exposure.hedged_assets(policy) else "base units, and no collateral of it is configured"
    since, now = ledger.strayed_at.get(asset), ledger.decided_at
    lasts = since is not None and now is not None and not 0 <= now - since <= policy.netting_window_ms + policy.passive_deadline_ms
    edge = soft if lasts else hard
    return Breach(Limit.NET_DELTA, asset, net.worst, edge, detail, Effect.PAGES) if abs(net.worst) > edge else None
