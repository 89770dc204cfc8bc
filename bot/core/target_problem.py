"""What an allocation of the whole book depends on: the shorts as they are, what keeps each from more, what each earns and costs.

The rules of translation, for all assets in one problem because venues, gross notional and margin are shared:

    a dollar of hedge   base units x ONE price per asset, the median of the venues' marks; a venue whose mark differs weighs more or less
    cannot be touched   an order in flight or in doubt, a dispute, a rest after fruitless orders, no fresh quote: frozen at the worst that
                        it may carry; so is every asset whose need is not known
    takes no more       whatever stands in the way of an increase (`risk.increase_breaches`): bound to what it carries, so that it may
                        still be reduced; so is everything while the notional of the book, or its venues' shares, are not known
    caps                as `target_caps` says
    less is needed      what is given up first: `target_order`
    last resort         was deleveraged, stands near the front of the queue for it, or came to nothing twice: opening there costs more than
                        any funding earns, but less than delta that is left unhedged
    stays               an asset that changed its venue for funding within `switch_dwell_ms`, except where funding flipped, and except
                        what that very change is leaving

Funding that no venue told of an instrument counts as the least known of its asset, so that nothing moves to where nothing is known. What
was told too long ago to be known counts so for what would come, and as it was for what is there: silence moves nothing away either.
Fees, half spreads and impact are spread over the time that a funding gap is expected to last, see `switching`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache

from bot.core import allowances, exposure, netting, risk
from bot.core.allocation_terms import Bound, Candidate, Problem, Requirement
from bot.core.funding import known_annual
from bot.core.lasting import Same, lasting
from bot.core.limits import Breach, Limit
from bot.core.margin_room import margin_use
from bot.core.marks import valuation_mark
from bot.core.obstacles import rank_breach
from bot.core.order import OrderState
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.switching import gain
from bot.core.target_caps import Carried, bound_of, down, rooms, total_bounds
from bot.core.target_order import Giving, Key, Passed, first_given_up, order_key, passed_at
from bot.core.units import ONE, ZERO, Asset, InstrumentId, Millis, VenueId

PROHIBITIVE = Decimal(1_000)
"""USD per USD and year: more than any funding earns, less than leaving delta unhedged."""
TAKER_FEE_ASSUMED = Decimal("0.0006")
"""Where a venue has not told its fee: more than the base tier of the venues in use."""
FINE = Decimal("0.0001")
RATE_STEP = Decimal("0.000001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One instrument. `short`: signed base units of short as recorded, of a frozen one the most that it may carry (>= 0).

    `obstacles` keep it from more, `frozen` from any change. `carry`: annual; `opens` and `closes`: cost of a dollar more and less, per
    year. `passed`: limits on margin and caps that are passed there (see `target_order`). `is_waiting`: frozen by nothing but orders of ours
    on their way; `ahead`: signed base units of short when these have filled.
    """

    instrument: InstrumentId
    asset: Asset
    venue: VenueId
    short: Decimal
    price: Decimal
    carried: Carried
    frozen: Breach | None
    obstacles: tuple[Breach, ...]
    bounds: tuple[Bound, ...]
    carry: Decimal
    opens: Decimal
    closes: Decimal
    is_flipped: bool
    is_last_resort: bool
    is_waiting: bool
    ahead: Decimal
    passed: tuple[Passed, ...] = ()

    @property
    def begins_at(self) -> Decimal:
        """From where on it is to be changed: the short as recorded, with what is on its way."""
        return self.short if self.frozen is None else self.ahead

    @property
    def order(self) -> Key:
        """Its place among those of its asset when less short is needed: the least is given up first."""
        return order_key(self.instrument, self.passed, self.carry, self.closes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The problem and what it was made of. `gaps`: base units to hedge now by asset; only assets whose need is known are in it."""

    problem: Problem
    legs: Mapping[InstrumentId, Leg]
    prices: Mapping[Asset, Decimal]
    gaps: Mapping[Asset, Decimal]
    blocked: Mapping[Asset, tuple[Breach, ...]]
    obstacles: tuple[str, ...]
    """Everything by whose change the allocation is worked out again, in words."""
    reconciled: frozenset[VenueId]
    """The venues that agree with our record."""


def question_of(ledger: Ledger, policy: Policy, now: Millis) -> Question:
    """The problem of the whole book at this instant."""
    prices = {a: p for a in exposure.assets_in_book(ledger, policy) if (p := exposure.mark_of_asset(ledger, policy, a)) is not None}
    gaps = {
        a: netting.gap_of(ledger, policy, a, now)
        for a in exposure.hedged_assets(policy)
        if a in prices and exposure.net_delta(ledger, policy, a) is not None
    }
    legs, blocked = _legs(ledger, policy, prices, gaps, now)
    state = risk.trading_state(ledger, policy)
    problem, obstacles = _asked(ledger, policy, Same(tuple(legs.values())), tuple(prices.items()), tuple(gaps.items()), state)
    agree = frozenset(venue for venue, record in ledger.venues.items() if record.reconciled)
    return Question(problem=problem, legs=legs, prices=prices, gaps=gaps, blocked=blocked, obstacles=obstacles, reconciled=agree)


@lasting
def _asked(
    ledger: Ledger,
    policy: Policy,
    of: Same,
    priced: tuple[tuple[Asset, Decimal], ...],
    due: tuple[tuple[Asset, Decimal], ...],
    state: risk.TradingState,
) -> tuple[Problem, tuple[str, ...]]:
    """The problem of these legs, prices and gaps, and everything by whose change it is worked out again."""
    legs: Mapping[InstrumentId, Leg] = {leg.instrument: leg for leg in of.items}
    gaps = dict(due)
    given_up = _given_up(legs, dict(priced), gaps)
    problem = Problem(
        candidates=tuple(_candidate(leg, given_up.get(leg.instrument)) for leg in legs.values()),
        requirements=tuple(_requirement(ledger, policy, legs, a, price, gaps.get(a, ZERO)) for a, price in sorted(priced)),
        venues=tuple(
            room
            for venue in exposure.venues_in_book(ledger, policy)
            for room in rooms(ledger, policy, venue, {i: leg.carried for i, leg in legs.items() if leg.venue == venue})
        ),
        gross=total_bounds(policy, allowances.of_book(ledger, policy), [leg.carried for leg in legs.values()]),
    )
    return problem, _obstacles(legs, problem, state)


def _legs(
    ledger: Ledger, policy: Policy, prices: Mapping[Asset, Decimal], gaps: Mapping[Asset, Decimal], now: Millis
) -> tuple[dict[InstrumentId, Leg], dict[Asset, tuple[Breach, ...]]]:
    """By instrument what it may carry, and by asset everything that stands in the way."""
    legs: dict[InstrumentId, Leg] = {}
    blocked: dict[Asset, tuple[Breach, ...]] = {}
    for asset, price in sorted(prices.items()):
        named = exposure.instruments_of(ledger, policy, asset)
        rates = {i: rate for i in named if (rate := known_annual(ledger, policy, i, now)) is not None}
        found: list[Breach] = []
        for instrument in named:
            frozen = risk.instrument_breach(ledger, policy, instrument, now)
            if frozen is None and asset not in gaps:
                frozen = Breach(Limit.COLLATERAL_UNKNOWN, instrument, None, None, "what the asset needs is not known")
            obstacles = () if frozen is not None else _increase_breaches(ledger, policy, instrument, now)
            found.extend(obstacles if frozen is None else (frozen,))
            short = _short(ledger, policy, instrument, frozen)
            if short is not None:
                legs[instrument] = _leg(ledger, policy, instrument, price, short, rates, frozen, obstacles, now)
        blocked[asset] = tuple(found)
    return legs, blocked


def _increase_breaches(ledger: Ledger, policy: Policy, instrument: InstrumentId, now: Millis) -> tuple[Breach, ...]:
    """Why an instrument takes no more; caps that cannot be worked out are among the reasons."""
    return (*risk.increase_breaches(ledger, policy, instrument, now), *_cap_breaches(ledger, policy, instrument))


@lasting
def _cap_breaches(ledger: Ledger, policy: Policy, instrument: InstrumentId) -> tuple[Breach, ...]:
    unknown = [cap for cap in allowances.of_increase(ledger, policy, instrument) if cap.used is None or cap.allowed is None]
    caps = (*unknown, *allowances.of_venue(ledger, policy, ledger.venue_of(instrument)))
    return tuple([b for cap in caps if (b := cap.breach_of(ZERO)) is not None])


def _short(ledger: Ledger, policy: Policy, instrument: InstrumentId, frozen: Breach | None) -> Decimal | None:
    """Signed base units of short as recorded; of a frozen instrument the most that it may carry, >= 0. None while unknown.

    While a venue is beyond its share, reducing orders in flight count as done (see `target_caps`).
    """
    if frozen is None:
        recorded = exposure.recorded(ledger, instrument)
        return None if recorded is None else -recorded
    beyond = any(cap.breach_of(ZERO) is not None for cap in allowances.of_venue(ledger, policy, ledger.venue_of(instrument)))
    known = exposure.position(ledger, instrument, reduced=beyond, mark=valuation_mark(ledger, policy, instrument))
    return None if known is None else max(ZERO, -known.low)


def _leg(
    ledger: Ledger,
    policy: Policy,
    instrument: InstrumentId,
    price: Decimal,
    short: Decimal,
    rates: Mapping[InstrumentId, Decimal],
    frozen: Breach | None,
    obstacles: tuple[Breach, ...],
    now: Millis,
) -> Leg:
    state, least_rate = ledger.funding.get(instrument), min(rates.values(), default=ZERO)
    flipped = state is not None and state.flipped
    carry = state.annual if state is not None and state.annual is not None else least_rate
    doubted = ZERO if instrument in rates else max(carry - least_rate, ZERO)
    rates_told = (carry.quantize(RATE_STEP), doubted.quantize(RATE_STEP, rounding=ROUND_CEILING))
    resort = _is_last_resort(ledger, policy, instrument, now)
    stays = not flipped and _dwells(ledger, policy, ledger.instruments[instrument].base, instrument, now)
    return _leg_of(ledger, policy, instrument, (price, short), frozen, obstacles, rates_told, flipped, resort, stays)


@lasting
def _leg_of(
    ledger: Ledger,
    policy: Policy,
    instrument: InstrumentId,
    carried_at: tuple[Decimal, Decimal],
    frozen: Breach | None,
    obstacles: tuple[Breach, ...],
    rates_told: tuple[Decimal, Decimal],
    flipped: bool,
    resort: bool,
    stays: bool,
) -> Leg:
    """The leg that follows from what the clock says of an instrument, worked out before, and from the book."""
    (price, short), (carry, doubted) = carried_at, rates_told
    listed, mark, cost = ledger.instruments[instrument], exposure.mark_of(ledger, instrument), _cost(ledger, policy, instrument)
    orders, recorded = ledger.open_orders(instrument), exposure.recorded(ledger, instrument) or ZERO
    carried = Carried(
        short=max(short, ZERO) * price,
        recorded=max(-recorded, ZERO) * price,
        weight=ONE if mark is None else max((mark / price).quantize(FINE, rounding=ROUND_CEILING), FINE),
        use=margin_use(ledger, policy, instrument),
        reducing=sum((max(listed.base_of(o.leaves, mark or price), ZERO) for o in orders if o.reduce_only), ZERO) * price,
    )
    own = tuple(bound_of(policy, cap, carried) for cap in allowances.of_instrument(ledger, policy, instrument))
    return Leg(
        instrument=instrument,
        asset=listed.base,
        venue=ledger.venue_of(instrument),
        short=short,
        price=price,
        carried=carried,
        frozen=frozen,
        obstacles=obstacles,
        bounds=tuple(Bound(limit=b.limit, most=carried.short) for b in obstacles) + own,
        carry=carry,
        opens=PROHIBITIVE if resort else cost + doubted,
        closes=PROHIBITIVE if stays else cost,
        is_flipped=flipped,
        is_last_resort=resort,
        passed=passed_at(ledger, policy, instrument, obstacles, carried),
        is_waiting=frozen is not None and bool(orders) and all(o.state is not OrderState.IN_DOUBT for o in orders),
        ahead=-recorded - sum((listed.base_of(o.leaves, mark or price) for o in orders), ZERO),
    )


def _is_last_resort(ledger: Ledger, policy: Policy, instrument: InstrumentId, now: Millis) -> bool:
    if risk.last_resort_breach(ledger, policy, instrument, now) is not None:
        return True
    return rank_breach(ledger, policy, instrument) is not None


def _dwells(ledger: Ledger, policy: Policy, asset: Asset, instrument: InstrumentId, now: Millis) -> bool:
    moved = ledger.venue_moves.get(asset)
    return moved is not None and 0 <= now - moved.at < policy.switch_dwell_ms and instrument not in moved.left


def _cost(ledger: Ledger, policy: Policy, instrument: InstrumentId) -> Decimal:
    """Of a dollar opened or closed, per year: fee, half the spread, and half of a change's impact."""
    fee, quote = ledger.instruments[instrument].taker_fee, ledger.quotes.get(instrument)
    half = (quote.ask - quote.bid) / (quote.ask + quote.bid) if quote is not None and ZERO < quote.bid < quote.ask else ZERO
    once = (TAKER_FEE_ASSUMED if fee is None else fee) + half + policy.impact_cost / 2
    yearly = max(once, ZERO) / _horizon_years(policy.switch_payback_ms, policy.carry_gap_half_life_ms)
    return yearly.quantize(RATE_STEP, rounding=ROUND_CEILING)


@lru_cache(maxsize=16)
def _horizon_years(payback_ms: Millis, half_life_ms: Millis) -> Decimal:
    """How many years of its present rate a funding gap brings within the payback time."""
    return +gain(ONE, payback_ms, half_life_ms)


def _given_up(
    legs: Mapping[InstrumentId, Leg], prices: Mapping[Asset, Decimal], gaps: Mapping[Asset, Decimal]
) -> Mapping[InstrumentId, tuple[Limit, Decimal]]:
    """USD of hedge that goes first, by instrument, of each asset of which less short is needed."""
    found: dict[InstrumentId, tuple[Limit, Decimal]] = {}
    for asset, gap in gaps.items():
        if gap < ZERO and any(leg.passed for leg in legs.values() if leg.asset == asset):
            own = [leg for leg in legs.values() if leg.asset == asset and leg.frozen is None]
            giving = [Giving(instrument=e.instrument, short=e.carried.short, key=e.order, passed=e.passed) for e in own]
            found |= first_given_up(giving, -gap * prices[asset])
    return found


def _candidate(leg: Leg, given_up: tuple[Limit, Decimal] | None) -> Candidate:
    """`given_up`: while less short is needed, what of it goes first, in USD of hedge, and by which limit."""
    first = () if given_up is None else (Bound(limit=given_up[0], most=down(leg.carried.short - given_up[1])),)
    return Candidate(
        instrument=leg.instrument,
        asset=leg.asset,
        venue=leg.venue,
        short=leg.carried.short,
        bounds=(*leg.bounds, *first),
        frozen=None if leg.frozen is None else leg.frozen.limit,
        carry=leg.carry,
        cost_to_open=leg.opens,
        cost_to_close=leg.closes,
        margin_use=leg.carried.use,
        notional_weight=leg.carried.weight,
    )


def _requirement(
    ledger: Ledger, policy: Policy, legs: Mapping[InstrumentId, Leg], asset: Asset, price: Decimal, gap: Decimal
) -> Requirement:
    """What is short now plus the gap; and the bound on our share of the open interest of all its instruments together."""
    own = [leg for leg in legs.values() if leg.asset == asset]
    required = (sum((leg.short for leg in own), ZERO) + gap) * price
    caps = allowances.of_asset(ledger, policy, asset)
    return Requirement(asset=asset, required=required, bounds=total_bounds(policy, caps, [leg.carried for leg in own], weighted=False))


def _obstacles(legs: Mapping[InstrumentId, Leg], problem: Problem, state: risk.TradingState) -> tuple[str, ...]:
    """What kind of thing stands in the way of what, and what exceeds a bound; orders of ours on their way stand in nobody's."""
    found = [f"state {state}"]
    for leg in legs.values():
        words = sorted({str(b.limit) for b in leg.obstacles})
        if leg.frozen is not None and not leg.is_waiting:
            words.append(f"frozen by {leg.frozen.limit}")
        words += ["flipped"] * leg.is_flipped + ["last resort"] * leg.is_last_resort + ["stays"] * (leg.closes == PROHIBITIVE)
        words += [f"beyond {b.limit}" for b in leg.bounds if leg.frozen is None and leg.carried.short > b.most]
        found.append(" ".join((leg.instrument, *words)))
    for room in problem.venues:
        here = [leg for leg in legs.values() if leg.venue == room.venue and (not room.instruments or leg.instrument in room.instruments)]
        notional = sum((leg.carried.short * leg.carried.weight for leg in here), ZERO)
        margin = sum((leg.carried.short * leg.carried.use for leg in here), ZERO)
        found.extend(f"{room.venue} beyond {b.limit}" for b in room.notional if notional > b.most)
        found.extend(f"{room.venue} beyond {b.limit}" for b in room.margin if margin > b.most)
    return tuple(found)
