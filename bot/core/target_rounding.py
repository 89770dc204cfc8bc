"""What of an allocation can be traded: lots, changes of venue that are worth it, and never a bound broken.

The rule, for one asset after the other: what is to be lowered and what is to be raised differ by exactly the gap; a change of venue that
is worth too little, or that the book's state forbids, is dropped on both sides; each change is rounded toward zero to the instrument's
lot; raising never adds up to more than lowering plus the gap; what rounding left of a gap goes to the instruments with the finest lots
that have room.

What must leave its pool of margin (a least value is passed, see `margin_room`) and cannot move, because nothing else takes it over or the
book's state forbids moves, is given up where it is: unhedged delta is told and hedged when there is room, a liquidation takes all.

An instrument that waits for orders of ours is not changed, but what it is still to change once they have filled counts in that sum: else
the legs of a change of venue would stop each other, each while the other is on its way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bot.core import exposure
from bot.core.margin_room import rooms_of
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.target_order import Key
from bot.core.target_problem import Leg, Question
from bot.core.target_room import Left, Room, in_base
from bot.core.units import ONE, ZERO, Asset, InstrumentId


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Base units of short that each free instrument should carry, what is left there under which limit (USD), and the changes of venue.

    `given_up`: base units by asset that are lowered although nothing takes them over.
    """

    shorts: Mapping[InstrumentId, Decimal]
    left: Mapping[InstrumentId, Left]
    moves: Mapping[Asset, frozenset[InstrumentId]]
    given_up: Mapping[Asset, Decimal]


def settled(ledger: Ledger, policy: Policy, question: Question, wanted: Mapping[InstrumentId, Decimal], *, may_move: bool) -> Changes:
    """What to change now on the way to what is wanted (base units of short by instrument)."""
    changes: dict[InstrumentId, Decimal] = {}
    moves: dict[Asset, frozenset[InstrumentId]] = {}
    later: dict[Asset, Decimal] = {}
    given_up: dict[Asset, Decimal] = {}
    for asset, gap in sorted(question.gaps.items()):
        legs = [leg for leg in question.legs.values() if leg.asset == asset and (leg.frozen is None or leg.is_waiting)]
        due = {leg.instrument: wanted.get(leg.instrument, max(leg.begins_at, ZERO)) - leg.begins_at for leg in legs}
        worth = policy.venue_move_notional_min / question.prices[asset] if may_move else None
        own = _balanced(due, gap, worth, {leg.instrument: leg.order for leg in legs}, taken_back=_overhedged(ledger, policy, asset))
        lowered = {leg.instrument: due[leg.instrument] for leg in legs if leg.frozen is None and due[leg.instrument] < ZERO}
        lost = {i: change for i, change in lowered.items() if _must_leave(ledger, policy, question, i)}
        stuck = sum((max(own[i] - change, ZERO) for i, change in lost.items()), ZERO) - _on_its_way(ledger, legs)
        if stuck > ZERO and stuck * question.prices[asset] >= policy.venue_move_notional_min:
            own |= {i: min(own[i], change) for i, change in lost.items()}
            given_up[asset] = stuck
        changes |= {leg.instrument: _lots(ledger, leg, own[leg.instrument]) for leg in legs if leg.frozen is None}
        later[asset] = sum((own[leg.instrument] for leg in legs if leg.frozen is not None), ZERO)
        moves[asset] = _moving(own, gap)
    room = Room(question.problem, {leg.instrument: _lowered(leg, changes) for leg in question.legs.values()})
    for asset, gap in sorted(question.gaps.items()):
        _raise(ledger, policy, question, asset, gap - later[asset] - given_up.get(asset, ZERO), changes, room)
    left = {i: room.left(i) for i in changes}
    return Changes(shorts={i: question.legs[i].short + c for i, c in changes.items()}, left=left, moves=moves, given_up=given_up)


def _must_leave(ledger: Ledger, policy: Policy, question: Question, instrument: InstrumentId) -> bool:
    """Whether a least value of the margin behind an instrument is passed, by the word of a venue that agrees with our record."""
    agrees = ledger.venue_of(instrument) in question.reconciled
    return agrees and any(room.leaving > ZERO for room in rooms_of(ledger, policy, instrument))


def _on_its_way(ledger: Ledger, legs: Sequence[Leg]) -> Decimal:
    """Base units that orders on their way raise, the first legs of moves: what these take over is not given up. Doubts do not count."""
    raised = (leg.ahead + (exposure.recorded(ledger, leg.instrument) or ZERO) for leg in legs if leg.frozen is not None)
    return sum((change for change in raised if change > ZERO), ZERO)


def _overhedged(ledger: Ledger, policy: Policy, asset: Asset) -> Decimal:
    """Base units of certain net delta that are short too much, >= 0: what the first leg of a change of venue has brought."""
    net = exposure.net_delta(ledger, policy, asset)
    return ZERO if net is None else max(-net.nearest_zero, ZERO)


def _balanced(
    changes: Mapping[InstrumentId, Decimal],
    gap: Decimal,
    worth: Decimal | None,
    first: Mapping[InstrumentId, Key],
    *,
    taken_back: Decimal = ZERO,
) -> dict[InstrumentId, Decimal]:
    """Changes of which those upward exceed those downward by the gap at most, and without moves below `worth` (base units; None: all).

    Where that leaves less to lower than was wanted, it is lowered in the order of `first`.

    `taken_back`: what may be lowered beyond that, the second leg of a move whose first is there.
    """
    up, down = sum((c for c in changes.values() if c > ZERO), ZERO), sum((-c for c in changes.values() if c < ZERO), ZERO)
    moved = min(up - max(gap, ZERO), down - max(-gap, ZERO))
    if moved <= ZERO or worth is None or moved < worth:
        moved = ZERO
    ups = {i: c for i, c in changes.items() if c > ZERO}
    ups = _cut(ups, sorted(ups, key=lambda i: (-ups[i], i)), moved + max(gap, ZERO))
    downs = {i: -c for i, c in changes.items() if c < ZERO}
    downs = _cut(downs, sorted(downs, key=lambda i: first[i]), moved + max(-gap, taken_back))
    return {i: ups.get(i, ZERO) - downs.get(i, ZERO) for i in changes}


def _cut(parts: Mapping[InstrumentId, Decimal], order: Sequence[InstrumentId], total: Decimal) -> dict[InstrumentId, Decimal]:
    """Positive parts cut down so that they sum to at most `total`: those first in `order` are kept."""
    left, cut = total, {}
    for instrument in order:
        cut[instrument] = min(parts[instrument], left)
        left -= cut[instrument]
    return cut


def _moving(changes: Mapping[InstrumentId, Decimal], gap: Decimal) -> frozenset[InstrumentId]:
    """The instruments that change although the gap does not ask for it: against its direction, or in both without one."""
    if not (any(c > ZERO for c in changes.values()) and any(c < ZERO for c in changes.values())):
        return frozenset()
    return frozenset(i for i, c in changes.items() if c != ZERO and c * gap <= ZERO)


def _lots(ledger: Ledger, leg: Leg, change: Decimal) -> Decimal:
    """A change rounded toward zero to the instrument's lot."""
    listed, mark = ledger.instruments[leg.instrument], exposure.mark_of(ledger, leg.instrument) or leg.price
    return listed.to_base(listed.to_contracts(change, mark), mark)


def _lot(ledger: Ledger, instrument: InstrumentId) -> Decimal:
    listed = ledger.instruments[instrument]
    return listed.to_base(listed.lot, exposure.mark_of(ledger, instrument) or ONE)


def _lowered(leg: Leg, changes: Mapping[InstrumentId, Decimal]) -> Decimal:
    """USD that a leg carries before anything is raised."""
    return max(leg.short + min(changes.get(leg.instrument, ZERO), ZERO), ZERO) * leg.price


def _raise(
    ledger: Ledger, policy: Policy, question: Question, asset: Asset, gap: Decimal, changes: dict[InstrumentId, Decimal], room: Room
) -> None:
    """Makes the raises of an asset fit: within what is lowered plus the gap, and under every bound."""
    own = [leg for leg in question.legs.values() if leg.asset == asset and leg.instrument in changes]
    budget = gap - sum((c for leg in own if (c := changes[leg.instrument]) < ZERO), ZERO)
    for leg in sorted((leg for leg in own if changes[leg.instrument] > ZERO), key=lambda leg: (-changes[leg.instrument], leg.instrument)):
        taken = _fitting(ledger, leg, min(changes[leg.instrument], budget), room)
        changes[leg.instrument] = taken
        budget -= taken
    raised: Sequence[Leg] = [leg for leg in own if changes[leg.instrument] >= ZERO and not leg.is_last_resort and not leg.obstacles]
    edge = exposure.rebalance_threshold(ledger, policy, asset) or ZERO
    if gap > ZERO:
        for leg in sorted(raised, key=lambda leg: (changes[leg.instrument] == ZERO, _lot(ledger, leg.instrument), leg.instrument)):
            # For less than the band leaves alone no instrument is traded that would not be anyway.
            if ZERO < budget < _coarsest(ledger, raised) and (changes[leg.instrument] > ZERO or budget > edge):
                taken = _fitting(ledger, leg, budget, room)
                changes[leg.instrument] += taken
                budget -= taken


def _coarsest(ledger: Ledger, legs: Sequence[Leg]) -> Decimal:
    """What rounding may have left at most: a lot of each."""
    return sum((_lot(ledger, leg.instrument) for leg in legs), ZERO)


def _fitting(ledger: Ledger, leg: Leg, change: Decimal, room: Room) -> Decimal:
    """As much of a raise (base units) as fits, in whole lots; the room is taken. Closing a long takes no room."""
    closing = min(max(-leg.short, ZERO), max(change, ZERO))
    fits = _lots(ledger, leg, min(max(change, ZERO), closing + _left(leg, room)))
    room.take(leg.instrument, max(fits - closing, ZERO) * leg.price)
    return fits


def _left(leg: Leg, room: Room) -> Decimal:
    return in_base(max(room.left(leg.instrument).usd, ZERO), leg.price)
