"""What stands behind the same positions, as told and as it must be now.

    balance now      = told + sum of positions as told x (mark now - mark when told)
    maintenance now  = told + sum over instruments of [charge of the position now - charge of the position as told]

The charge of a position is what its instrument's tiers ask for (F3). Where an instrument has no tiers it is charged at the rate at which
the pool is charged as told, or at the assumed rate while nothing is told to measure by. Figures of a pool are in its settle asset, of a
whole account in USD. Where the venue told less maintenance than the tiers ask for, the tiers' word counts for distances.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property, lru_cache

from bot.core.copying import replace
from bot.core.instrument import ContractKind, Instrument
from bot.core.liquidation_joint import Charge, Moving
from bot.core.tiers import TierTable
from bot.core.units import ONE, ZERO, Asset, InstrumentId, VenueId

MAINTENANCE_RATE_ASSUMED = Decimal("0.05")
"""Maintenance margin over notional while the pool carries nothing by which it could be measured: many times the first tier of the
coins that are hedged (0.4 to 1 % at all three venues), so that a first order is judged too strictly rather than too kindly."""
RATE_MAX = Decimal("0.9999")
"""More than all of the notional cannot be asked for, and a tier's rate is below 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One instrument in a pool: signed contract units at the worse end and as they were when the margin was told, with both marks."""

    listed: Instrument
    units: Decimal
    mark: Decimal | None
    told_units: Decimal = ZERO
    told_mark: Decimal | None = None

    @property
    def is_linear(self) -> bool:
        """Whether it is settled in its quote."""
        return self.listed.kind is ContractKind.LINEAR

    def notional(self, units: Decimal, mark: Decimal) -> Decimal:
        """Of so many units, in settle units: quote of a linear contract, coin of an inverse one. Never negative."""
        return abs(units) * mark if self.is_linear else abs(units) / mark

    def table(self, units: Decimal, mark: Decimal, rate: Decimal) -> TierTable | None:
        """What is asked for a position of so many units; None when the venue allows none as large."""
        tiers = self.listed.tiers
        if tiers is None:
            return TierTable.flat(min(rate, RATE_MAX), ONE)
        base = abs(units) if self.is_linear else abs(units) / mark
        return tiers.table_of(contracts=units / self.listed.contract_size, base=base)


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Margin that stands behind the same positions. `asset` None: the whole account, in USD. `usd`: of one unit; None while unknown.

    `legs` None: something is held here that cannot be valued. `counted` are the coins of a whole account after their ratios, and `equity`
    those before them. No slots: its figures are worked out once, though every leg asks for them.
    """

    venue: VenueId
    asset: Asset | None
    in_coin: bool
    usd: Decimal | None
    balance_told: Decimal | None
    maintenance_told: Decimal | None
    legs: Mapping[InstrumentId, Leg] | None
    counted: Mapping[Asset, Decimal]
    equity: Mapping[Asset, Decimal]

    def changed(self, instrument: InstrumentId, quantity: Decimal) -> Pool:
        """The pool with so many signed contract units more. Raises KeyError for an instrument that is not known here."""
        legs = self.legs or {}
        leg = legs[instrument]
        return replace(self, legs={**legs, instrument: replace(leg, units=leg.units + quantity)})

    def held(self) -> tuple[tuple[Leg, Decimal], ...] | None:
        """The legs that carry something, each with its mark; None while one cannot be valued."""
        if self.legs is None:
            return None
        found = []
        for leg in self.legs.values():
            if leg.units != ZERO:
                if leg.mark is None:
                    return None
                found.append((leg, leg.mark))
        return tuple(found)

    def rate(self) -> Decimal:
        """What one more unit of notional asks for where no tiers are known: as much as the told ones do, at most all of it."""
        return self._rate

    @cached_property
    def _rate(self) -> Decimal:
        notional = ZERO
        for leg in (self.legs or {}).values():
            mark = leg.told_mark or leg.mark
            if mark is not None:
                notional += self._in_unit(leg, leg.notional(leg.told_units, mark), mark)
        if self.maintenance_told is None or notional == ZERO or self.maintenance_told <= ZERO:
            return MAINTENANCE_RATE_ASSUMED
        return min(ONE, self.maintenance_told / notional)

    def _in_unit(self, leg: Leg, value: Decimal, mark: Decimal) -> Decimal:
        """Settle units of a leg in the unit of the pool: coin becomes USD in a whole account."""
        return value if leg.is_linear or self.in_coin else value * mark

    def notional(self) -> Decimal | None:
        """Of all positions, in the unit of the pool; None while one cannot be valued."""
        return self._notional

    @cached_property
    def _notional(self) -> Decimal | None:
        held = self.held()
        return None if held is None else sum((self._in_unit(leg, leg.notional(leg.units, mark), mark) for leg, mark in held), ZERO)

    def balance(self) -> Decimal | None:
        """Margin balance at the marks of now; None when it was not told.

        In a whole account with coins only losses are counted on: what the coins lost meanwhile is not known.
        """
        return self._balance

    @cached_property
    def _balance(self) -> Decimal | None:
        if self.balance_told is None:
            return None
        moved = ZERO
        for leg in (self.legs or {}).values():
            if leg.told_units == ZERO or leg.told_mark is None or leg.mark is None:
                continue
            if leg.is_linear:
                moved += leg.told_units * (leg.mark - leg.told_mark)
            elif self.in_coin:
                moved += leg.told_units * (ONE / leg.told_mark - ONE / leg.mark)
        return self.balance_told + (min(ZERO, moved) if self.equity else moved)

    def maintenance(self) -> Decimal | None:
        """Maintenance margin of the positions at the marks of now; None when it was not told, or one of them cannot be valued."""
        return self._maintenance

    @cached_property
    def _maintenance(self) -> Decimal | None:
        if self.maintenance_told is None or self.legs is None:
            return None
        total, rate = self.maintenance_told, self.rate()
        for leg in self.legs.values():
            told_mark = leg.told_mark or leg.mark
            now, told = self._charged(leg, leg.units, leg.mark, rate), self._charged(leg, leg.told_units, told_mark, rate)
            if now is None or told is None:
                return None
            total += now - told
        return max(ZERO, total)

    def _charged(self, leg: Leg, units: Decimal, mark: Decimal | None, rate: Decimal) -> Decimal | None:
        if units == ZERO:
            return ZERO
        charge = None if mark is None else self.charge(leg, units, mark, rate)
        return None if charge is None else charge.at(ONE)

    def charge(self, leg: Leg, units: Decimal, mark: Decimal, rate: Decimal) -> Charge | None:
        """What a leg of so many units is charged; None when the venue allows none as large."""
        table = leg.table(units, mark, rate)
        if table is None:
            return None
        converts = not leg.is_linear and not self.in_coin
        return Charge(tiers=table, notional=leg.notional(units, mark), coin_price=mark if converts else None)

    def moving(self, only: InstrumentId | None = None) -> Moving | None:
        """The pool as the marks of its shorts (or of one instrument only) rise together; None while something of it is unknown.

        What longs would win does not count. Coins rise with the shorts of their own asset; what they exceed those helps no other.
        The tiers' word counts where the venue told less maintenance than they ask for.
        """
        held, balance, rate = self.held(), self.balance(), self.rate()
        if held is None or balance is None:
            return None
        charges, moved, all_charges = [], [], ZERO
        for leg, mark in held:
            charge = self.charge(leg, leg.units, mark, rate)
            if charge is None:
                return None
            all_charges += charge.at(ONE)
            if leg.units < ZERO and only in (None, leg.listed.id):
                charges.append(charge)
                moved.append((leg, mark))
        needed, slope = self.maintenance(), self._slope(moved)
        if needed is None or slope is None:
            return None
        return Moving(
            margin_balance=balance,
            maintenance_margin=max(needed, all_charges),
            slope=slope,
            charges=tuple(charges),
            in_coin=self.in_coin,
        )

    def _slope(self, shorts: Sequence[tuple[Leg, Decimal]]) -> Decimal | None:
        if self.in_coin:
            return sum((leg.notional(leg.units, mark) for leg, mark in shorts), ZERO)
        by_base: dict[Asset, Decimal] = {}
        marks: dict[Asset, Decimal] = {}
        for leg, mark in shorts:
            base = leg.listed.base
            if not leg.is_linear and leg.listed.settle not in self.equity:
                return None  # profit in a coin of which it is not known how much there is
            marks[base] = mark
            by_base[base] = by_base.get(base, ZERO) + self._delta(leg, mark)
        backed = {base: delta + self.counted.get(base, ZERO) * marks[base] for base, delta in by_base.items()}
        if len(backed) == 1:
            return sum(backed.values(), ZERO)
        return sum((min(ZERO, delta) for delta in backed.values()), ZERO)

    def words(self) -> tuple[object, ...]:
        """All that it consists of, each figure as it is written, and each instrument by the object that describes it."""
        legs = tuple((id(e.listed), str((e.units, e.mark, e.told_units, e.told_mark))) for e in (self.legs or {}).values())
        told = str((self.usd, self.balance_told, self.maintenance_told, self.counted, self.equity))
        return self.venue, self.asset, self.in_coin, self.legs is None, legs, told

    def _delta(self, leg: Leg, mark: Decimal) -> Decimal:
        """USD of a short's delta as the account feels it: an inverse one beside the coin's equity, which is counted after its ratio."""
        if leg.is_linear:
            return leg.units * mark
        counted, equity = self.counted.get(leg.listed.settle), self.equity[leg.listed.settle]
        return leg.units if counted is None or equity <= ZERO else leg.units * counted / equity


class _Worded:
    """A pool as a key, equal to one of the same words."""

    __slots__ = ("pool", "words")

    def __init__(self, pool: Pool) -> None:
        self.pool, self.words = pool, pool.words()

    def __hash__(self) -> int:
        return hash(self.words)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Worded) and self.words == other.words


def as_before(pool: Pool) -> Pool:
    """The pool that was made of the very same figures before, with all that was worked out of it, or this one.

    Most of what moves one account leaves the others as they are.
    """
    return _first(_Worded(pool))


@lru_cache(maxsize=256)
def _first(told: _Worded) -> Pool:
    return told.pool
