"""The caps of an allocation, as bounds in USD of hedge: what `allowances` and `margin_room` leave, on what is carried now.

The rule for a cap that is exceeded already: within what prices may have done (`kept`, and for every cap the fraction
`venue_share_drift` of it, at least one rebalance) what is carried stays, and nothing is added; beyond it, what is above the cap moves
away. A cap without `kept` keeps from more and moves nothing. A cap that cannot be worked out does the same.

A venue's share is judged as reducing orders in flight will leave it: else one asset's reduction would, until its answer, drive out
another's hedge; so is what must leave a pool of margin. For what may be added they count as not done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from bot.core import exposure
from bot.core.allocation_terms import Bound, VenueRoom
from bot.core.allowances import Allowance, of_venue
from bot.core.limits import Limit
from bot.core.margin_room import margin_rooms
from bot.core.marks import instruments_at
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.units import ONE, ZERO, InstrumentId, VenueId

GRAIN = Decimal("1E-9")
"""USD to which bounds are rounded down. Not to the cent: at a cap that holds just what is needed a whole lot would be missing."""


@dataclass(frozen=True, slots=True)
class Carried:
    """What one instrument carries, USD of hedge >= 0: `short` as the allocation counts it, `recorded` without what is in flight.

    `weight`: USD of notional that a dollar of hedge counts; `use`: USD of maintenance margin that it takes; `reducing`: USD of hedge that
    orders on their way take away.
    """

    short: Decimal
    recorded: Decimal
    weight: Decimal
    use: Decimal
    reducing: Decimal = ZERO

    @property
    def at_most(self) -> Decimal:
        """With what is in flight counted in full and no reduction as done: as margin counts it, and so what its spare goes on top of."""
        return max(self.short, self.recorded)


def bound_of(policy: Policy, cap: Allowance, carried: Carried) -> Bound:
    """A cap on one instrument's notional as a bound on its hedge."""
    notional = carried.short * carried.weight
    most = _most(policy, cap, notional)
    return Bound(limit=cap.limit, most=carried.short if most == notional else down(most / carried.weight))


def total_bounds(policy: Policy, caps: Sequence[Allowance], carried: Sequence[Carried], *, weighted: bool = True) -> tuple[Bound, ...]:
    """Caps on the notional of several instruments together; not `weighted`: on their hedge, taken at one price."""
    total = sum((c.short * (c.weight if weighted else ONE) for c in carried), ZERO)
    return tuple(Bound(limit=cap.limit, most=_most(policy, cap, total)) for cap in caps)


def _most(policy: Policy, cap: Allowance, carried: Decimal) -> Decimal:
    if cap.allowed is None or cap.used is None:
        return carried
    beside = max(cap.used - carried, ZERO) if cap.kept is None else ZERO
    most = down(cap.allowed - beside)
    return max(most, carried) if stays_beyond(policy, cap, carried) else most


def stays_beyond(policy: Policy, cap: Allowance, carried: Decimal) -> bool:
    """Whether what is carried (USD of notional) stays, though it may be more than a cap that is known allows: see the rule above."""
    if cap.kept is None or cap.allowed is None:
        return True
    return carried <= max(cap.kept, cap.allowed + max(cap.allowed * policy.venue_share_drift, policy.rebalance_notional_min))


def down(most: Decimal) -> Decimal:
    """USD, never negative, rounded down: digits cost time in the allocation."""
    return max(most, ZERO).quantize(GRAIN, rounding=ROUND_FLOOR)


def rooms(ledger: Ledger, policy: Policy, venue: VenueId, here: Mapping[InstrumentId, Carried]) -> tuple[VenueRoom, ...]:
    """What a venue leaves to its hedges: its share, and what each of its pools of margin leaves."""
    total = sum((c.short * c.weight for c in here.values()), ZERO)
    beside = _beside(ledger, policy, venue, here)
    caps = of_venue(ledger, policy, venue)
    shares = tuple(Bound(limit=cap.limit, most=max(_most(policy, cap, total + beside) - beside, ZERO)) for cap in caps)
    found: dict[tuple[InstrumentId, ...], VenueRoom] = {(): VenueRoom(venue=venue, notional=shares)}
    for room in margin_rooms(ledger, policy, venue):
        named = tuple(i for i in room.instruments if i in here)
        key = () if set(named) == set(here) else named
        if not named:
            continue
        before = found.get(key) or VenueRoom(venue=venue, instruments=key)
        now = sum((here[i].at_most * (here[i].use if room.in_margin else here[i].weight) for i in named), ZERO)
        leaving = max(room.leaving - sum((here[i].reducing * here[i].weight for i in named), ZERO), ZERO)
        bound = Bound(limit=room.limit, most=down(now + room.spare - leaving) if leaving else max(down(now + room.spare), now))
        found[key] = VenueRoom(
            venue=venue,
            instruments=key,
            notional=before.notional if room.in_margin else (*before.notional, bound),
            margin=(*before.margin, bound) if room.in_margin else before.margin,
        )
    told = {i for room in margin_rooms(ledger, policy, venue) for i in room.instruments}
    for instrument in sorted(here.keys() - told):
        carried = here[instrument].short * here[instrument].weight
        unknown = Bound(limit=Limit.MARGIN_UNKNOWN, most=carried)
        found[(instrument,)] = VenueRoom(venue=venue, instruments=(instrument,), notional=(unknown,))
    return tuple(found.values())


def _beside(ledger: Ledger, policy: Policy, venue: VenueId, here: Mapping[InstrumentId, Carried]) -> Decimal:
    """USD at a venue that is no hedge: instruments that are not listed, and longs."""
    others = (i for i in instruments_at(ledger, policy, venue) if i not in here or here[i].short == ZERO)
    return sum((exposure.notional(ledger, policy, i) or ZERO for i in others), ZERO)
