"""Which shorts are given up first when less short is needed: after a redemption, or whatever else leaves the book short too much.

The rule, in this order:

    1. what is beyond a limit on margin or a cap, the instrument's own or its venue's, also where prices alone carried it there and nothing
       would have to move for that; where too much of what is owned is in one place, all that is short there
    2. where a dollar of short is worth least: its annual carry and what closing it would cost, spread over the payback horizon

by reductions alone. What a bound forces away comes before all that, and where the bounds leave no other place to what stays, it is moved
there: hedging comes before carry. Changes of venue that pay are made as at any other time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from bot.core import allowances
from bot.core.limits import Breach, Limit
from bot.core.margin_room import rooms_of
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.target_caps import Carried, stays_beyond
from bot.core.units import ZERO, InstrumentId

CAPITAL = frozenset({Limit.COLLATERAL_SHARE, Limit.UNSETTLED_PROFIT, Limit.EXPOSURE_AT_RISK})
"""What stands in the way of increases and says that too much of what is owned is in one place."""

Key = tuple[bool, Decimal, InstrumentId]


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """A limit on margin or a cap that is passed: of what, by how much, and what a dollar of hedge of this instrument takes of that.

    `excess` None: all that is short there is too much. `forced`: how much of it has to go whatever is needed.
    """

    limit: Limit
    subject: tuple[str, ...]
    excess: Decimal | None
    taken: Decimal
    forced: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Giving:
    """One instrument that could be lowered: USD of hedge `short`, its place in the order, and what is passed there."""

    instrument: InstrumentId
    short: Decimal
    key: Key
    passed: tuple[Passed, ...]


def passed_at(
    ledger: Ledger, policy: Policy, instrument: InstrumentId, obstacles: Iterable[Breach], carried: Carried
) -> tuple[Passed, ...]:
    """The limits on margin and the caps that are passed where an instrument is, by name; `obstacles` keep it from more."""
    found = [
        Passed(limit=b.limit, subject=(b.subject,), excess=None, taken=carried.weight)
        for b in obstacles
        if b.limit in CAPITAL and b.observed is not None
    ]
    caps = (*allowances.of_instrument(ledger, policy, instrument), *allowances.of_venue(ledger, policy, ledger.venue_of(instrument)))
    found += [
        Passed(
            limit=cap.limit,
            subject=(cap.subject,),
            excess=cap.used - cap.allowed,
            taken=carried.weight,
            forced=ZERO if stays_beyond(policy, cap, cap.used) else cap.used - cap.allowed,
        )
        for cap in caps
        if cap.used is not None and cap.allowed is not None and cap.used > cap.allowed
    ]
    for room in rooms_of(ledger, policy, instrument):
        taken = carried.use if room.in_margin else carried.weight
        if room.excess > ZERO and taken > ZERO:
            subject, forced = tuple(room.instruments), min(room.leaving, room.excess)
            found.append(Passed(limit=room.limit, subject=subject, excess=room.excess, taken=taken, forced=forced))
    return tuple(sorted(found, key=lambda p: p.limit))


def order_key(instrument: InstrumentId, passed: Iterable[object], carry: Decimal, closes: Decimal) -> Key:
    """Sorts instruments by which is given up first. `carry` and `closes` are USD per USD of hedge and year."""
    return (not tuple(passed), carry + closes, instrument)


def first_given_up(legs: Iterable[Giving], usd: Decimal) -> Mapping[InstrumentId, tuple[Limit, Decimal]]:
    """Of `usd` of hedge that is too much, what goes where a limit is passed, and by which; until none is, or all of it is given up.

    What has to go whatever is needed comes first: what else is given up beside it would be missing.
    """
    passed = sorted((leg for leg in legs if leg.passed), key=lambda leg: leg.key)
    forced = _taken_off(passed, {(p.limit, p.subject): p.forced for leg in passed for p in leg.passed}, {}, usd)
    left = usd - sum((part for _, part in forced.values()), ZERO)
    return _taken_off(passed, {(p.limit, p.subject): p.excess for leg in passed for p in leg.passed}, forced, left)


def _taken_off(
    legs: Iterable[Giving],
    beyond: Mapping[tuple[Limit, tuple[str, ...]], Decimal | None],
    before: Mapping[InstrumentId, tuple[Limit, Decimal]],
    usd: Decimal,
) -> Mapping[InstrumentId, tuple[Limit, Decimal]]:
    """What is given up in order so that nothing is left `beyond`, at most `usd` of it, on top of what was given up `before`."""
    found, left, rest = dict(before), usd, dict(beyond)
    for leg in legs:
        _less(rest, leg, found.get(leg.instrument, (None, ZERO))[1])
    for leg in legs:
        gone = found.get(leg.instrument, (None, ZERO))[1]
        parts = {p.limit: leg.short if (excess := rest[p.limit, p.subject]) is None else excess / p.taken for p in leg.passed}
        limit = max(sorted(parts), key=lambda name: parts[name])
        part = min(parts[limit], leg.short - gone, left)
        if part > ZERO:
            found[leg.instrument] = (limit, gone + part)
            left -= part
            _less(rest, leg, part)
    return found


def _less(beyond: dict[tuple[Limit, tuple[str, ...]], Decimal | None], leg: Giving, part: Decimal) -> None:
    for p in leg.passed:
        excess = beyond[p.limit, p.subject]
        beyond[p.limit, p.subject] = None if excess is None else max(excess - part * p.taken, ZERO)
