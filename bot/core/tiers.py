"""Leverage tiers: how much margin a venue asks for a notional, and from where on it asks for more.

    maintenance(N) = N x maintenance_rate - deduction                    of the tier that N falls into
    deduction_n    = deduction_(n-1) + floor_n x (maintenance_rate_n - maintenance_rate_(n-1)),   deduction_0 = 0
    initial(N)     = N x max(initial_rate of the tier, 1 / chosen leverage)

The deduction makes each rate apply only to the slice of notional inside its tier, so that maintenance has no jump. Sources: the
leverage brackets of Binance's futures documentation (`cum` in COIN-M brackets), Hyperliquid's margin tiers (maintenance
deduction) and Bybit's maintenance margin deduction state the same rule.

Notional is never negative and counted in what the account is margined in: quote units for a linear perpetual, coin for an inverse
one (contracts x contract size / mark), as those venues' tiers are. Rates are fractions. Where the rate depends on the size of the
position instead (OKX: by contracts, for the whole position; Deribit: rising with each coin), `whole` and `graded` give the table of
that one position, and a change of size needs a new table.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from itertools import pairwise

from bot.core.precision import precisely
from bot.core.units import ONE, ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class TierRow:
    """One line of a venue's table: it holds from `floor` on, up to but not including `cap` (None: without end).

    In a table for `whole` the two count the position in the unit of the venue's table (contracts) instead of notional.
    """

    floor: Decimal
    cap: Decimal | None
    maintenance_rate: Decimal
    initial_rate: Decimal


@dataclass(frozen=True, slots=True)
class Tier:
    """A row with its cumulative deduction, >= 0, in the unit of the notional."""

    row: TierRow
    deduction: Decimal


@dataclass(frozen=True, slots=True)
class TierTable:
    """The tiers of one instrument in ascending order, from notional 0 upward without a gap.

    Raises ValueError saying which row does not fit, or that there is none.
    """

    rows: tuple[TierRow, ...]
    tiers: tuple[Tier, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _validate(self.rows)
        object.__setattr__(self, "tiers", _with_deductions(self.rows))  # the one way into a frozen value

    @classmethod
    def flat(cls, maintenance_rate: Decimal, initial_rate: Decimal) -> TierTable:
        """One tier without end. Raises ValueError for rates that make no sense."""
        return cls((TierRow(floor=ZERO, cap=None, maintenance_rate=maintenance_rate, initial_rate=initial_rate),))

    @property
    def notional_max(self) -> Decimal | None:
        """The largest notional the venue lists a tier for; None when the last tier has no end."""
        return self.rows[-1].cap

    def tier_of(self, notional: Decimal) -> Tier:
        """The tier of a notional; a tier's own floor belongs to it, and what is beyond the table falls into the last tier.

        Raises ValueError for a negative notional.
        """
        if notional < ZERO:
            raise ValueError(f"a notional is never negative, got {notional}")
        found = self.tiers[0]
        for tier in self.tiers[1:]:
            if notional < tier.row.floor:
                break
            found = tier
        return found

    @precisely
    def maintenance(self, notional: Decimal) -> Decimal:
        """Maintenance margin of a notional, in its unit, >= 0. Raises ValueError for a negative notional."""
        tier = self.tier_of(notional)
        return notional * tier.row.maintenance_rate - tier.deduction

    @precisely
    def initial(self, notional: Decimal, leverage: Decimal | None = None) -> Decimal | None:
        """Margin needed to open a notional, at the chosen leverage or at the most the tier allows.

        None when no position of this notional is possible there: it is beyond the table. Raises ValueError for a negative
        notional or a leverage that is not positive.
        """
        if leverage is not None and leverage <= ZERO:
            raise ValueError(f"a leverage must be positive, got {leverage}")
        tier = self.tier_of(notional)
        if self.notional_max is not None and notional > self.notional_max:
            return None
        rate = tier.row.initial_rate
        return notional * rate if leverage is None else notional * max(rate, ONE / leverage)


@precisely
def _with_deductions(rows: tuple[TierRow, ...]) -> tuple[Tier, ...]:
    tiers = [Tier(rows[0], ZERO)]
    for before, row in pairwise(rows):
        tiers.append(Tier(row, tiers[-1].deduction + row.floor * (row.maintenance_rate - before.maintenance_rate)))
    return tuple(tiers)


def _validate(rows: tuple[TierRow, ...]) -> None:
    """Raises ValueError unless the rows cover everything from 0 on, in order, with rates that make sense and never fall."""
    if not rows:
        raise ValueError("a tier table needs at least one row")
    reached: Decimal | None = ZERO
    before = ZERO, ZERO
    for number, row in enumerate(rows):
        if reached is None or row.floor != reached:
            raise ValueError(f"tier {number} starts at {row.floor}, expected {reached}")
        if row.cap is not None and row.cap <= row.floor:
            raise ValueError(f"tier {number} ends at {row.cap}, at or below its floor {row.floor}")
        if not ZERO < row.maintenance_rate <= row.initial_rate <= ONE or row.maintenance_rate == ONE:
            rates = f"{row.maintenance_rate} and {row.initial_rate}"
            raise ValueError(f"tier {number} needs 0 < maintenance < 1 and maintenance <= initial <= 1, got {rates}")
        if row.maintenance_rate < before[0] or row.initial_rate < before[1]:
            raise ValueError(f"tier {number} asks for less than the tier before it")
        reached, before = row.cap, (row.maintenance_rate, row.initial_rate)


def whole(rows: Iterable[TierRow], position: Decimal) -> TierTable | None:
    """The table of one position where its size picks one rate for all of it (OKX position tiers).

    `position` is a magnitude in the unit of the rows' floors and caps; a row's cap belongs to it here, as OKX states its largest
    size. None when the position is larger than every row allows. Raises ValueError for rows that do not fit or a negative size.
    """
    if position < ZERO:
        raise ValueError(f"a magnitude is never negative, got {position}")
    return _of_size(_wholes(tuple(rows)), position)


def _wholes(rows: tuple[TierRow, ...]) -> tuple[tuple[Decimal | None, TierTable], ...]:
    """The largest position of each row, and the table of one that it holds for."""
    _validate(rows)
    return tuple((row.cap, TierTable.flat(row.maintenance_rate, row.initial_rate)) for row in rows)


def _of_size(tables: tuple[tuple[Decimal | None, TierTable], ...], position: Decimal) -> TierTable | None:
    return next((table for cap, table in tables if cap is None or position <= cap), None)


@precisely
def graded(position: Decimal, *, maintenance_rate: Decimal, initial_rate: Decimal, rate_per_unit: Decimal) -> TierTable:
    """The table of one position where both rates rise with its size (Deribit: by 0.005 % per BTC).

    `position` is a magnitude in base units. Rates stop below 1 for maintenance and at 1 for initial margin: more than all of the
    notional cannot be asked for. Raises ValueError for a negative size or rates that make no sense.
    """
    if position < ZERO:
        raise ValueError(f"a magnitude is never negative, got {position}")
    added = position * rate_per_unit
    return TierTable.flat(min(maintenance_rate + added, Decimal("0.9999")), min(initial_rate + added, ONE))


@precisely
def maintenance_rate_of(leverage_max: Decimal) -> Decimal:
    """Half of the initial rate at a tier's highest leverage: Hyperliquid's rule (margin tiers). Raises ValueError unless > 0."""
    if leverage_max <= ZERO:
        raise ValueError(f"a leverage must be positive, got {leverage_max}")
    return ONE / (2 * leverage_max)


class TierRule(StrEnum):
    """How a venue reads its table: by slices of notional, by one rate for the whole position, or rising with each base unit."""

    SLICED = "sliced"
    WHOLE = "whole"
    GRADED = "graded"


@dataclass(frozen=True, kw_only=True)
class MarginTiers:
    """What a venue lists for one instrument. `rate_per_unit` is of GRADED only, whose one row gives the rates of a position of nothing.

    Rows of WHOLE count the position in contracts. What does not fit together is refused where it is read from the venue; here it gives
    no table, so that nothing is decided on it and nothing fails over it.
    """

    rule: TierRule
    rows: tuple[TierRow, ...]
    rate_per_unit: Decimal = ZERO

    def table_of(self, *, contracts: Decimal, base: Decimal) -> TierTable | None:
        """The table of a position of this size (either sign); None when the venue allows none as large, or its rows do not fit."""
        try:
            return self._table_of(abs(contracts), abs(base))
        except ValueError:
            return None

    def _table_of(self, contracts: Decimal, base: Decimal) -> TierTable | None:
        if self.rule is TierRule.SLICED:
            return self._sliced
        if self.rule is TierRule.WHOLE:
            return _of_size(self._wholes, contracts)
        first = self._sliced.rows[0]
        return graded(base, maintenance_rate=first.maintenance_rate, initial_rate=first.initial_rate, rate_per_unit=self.rate_per_unit)

    @cached_property
    def _sliced(self) -> TierTable:
        """Made once: every decision asks for it many times, and it follows from the rows alone."""
        return TierTable(self.rows)

    @cached_property
    def _wholes(self) -> tuple[tuple[Decimal | None, TierTable], ...]:
        return _wholes(self.rows)
