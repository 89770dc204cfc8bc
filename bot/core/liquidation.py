"""Where an account is liquidated, and how far away that is. For the same after a proposed change see `margin_change.py`.

    margin_ratio         = maintenance margin / margin balance          0 safe, 1 liquidation
    liquidation_distance = |liquidation price - mark| / mark            0 at or past it, infinite when there is none

Margin balance and maintenance are piecewise straight lines in one variable v: the price for a linear perpetual (margined in
quote units), one over the price for an inverse one (margined in coin).

    linear    balance(v) = wallet + others - q x entry + (q + coin_units) x v        notional(v) = |q| x v      v = P
    inverse   balance(v) = wallet + others + n / entry - n x v                       notional(v) = |n| x v      v = 1 / P
    liquidated where balance(v) <= maintenance(notional(v)) + the other positions' maintenance

q is base units, n quote units (contracts x contract size), both negative for a short. The gap between the two sides is concave,
because tiers never ask for less: what is safe is one interval of prices. With a single tier this is Binance's published formula for
cross positions, short = (WB - TMM + UPNL + cum + Q EP) / (Q (1 + MMR)), and Hyperliquid's; the inverse short
N (1 - MMR) / (N / EP - WB - cum) has no liquidation price when the coin margin covers N / EP. A venue that freezes maintenance at
the entry value (Bybit's isolated positions) is `MaintenanceOn.ENTRY`.

An absent input makes every figure that needs it absent (None); "there is no liquidation price" is a known answer and not None.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

from bot.core.instrument import ContractKind
from bot.core.precision import INFINITE, precisely
from bot.core.tiers import TierTable
from bot.core.units import ONE, ZERO


class MaintenanceOn(StrEnum):
    """Which price the venue values a position's maintenance margin at."""

    MARK = "mark"
    ENTRY = "entry"


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginedPosition:
    """One position. `contract_units` = signed contracts x contract size: base units if linear, quote units if inverse.

    Raises ValueError for an entry price that is not positive.
    """

    kind: ContractKind
    contract_units: Decimal
    entry_price: Decimal | None
    tiers: TierTable | None
    maintenance_on: MaintenanceOn = MaintenanceOn.MARK

    def __post_init__(self) -> None:
        if self.entry_price is not None and self.entry_price <= ZERO:
            raise ValueError(f"an entry price must be positive, got {self.entry_price}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backing:
    """What stands behind a position, in settle units: quote if linear, coin if inverse.

    `wallet_balance` is without any unrealised profit. The other positions' unrealised profit and maintenance (here also a closing
    fee that the venue keeps back) are taken as they are now. `coin_units` are base units of collateral as the venue counts them
    after its collateral ratios, moving with the price; none in an inverse account, whose coin is the wallet itself.
    """

    wallet_balance: Decimal | None
    other_unrealised: Decimal | None
    other_maintenance: Decimal | None
    coin_units: Decimal | None

    @classmethod
    def isolated(cls, margin: Decimal | None) -> Backing:
        """Behind an isolated position stands its own margin and nothing else."""
        return cls(wallet_balance=margin, other_unrealised=ZERO, other_maintenance=ZERO, coin_units=ZERO)


@dataclass(frozen=True, slots=True)
class LiquidationBounds:
    """Liquidated at or below `low` and at or above `high`, in quote per base; None: no fall, or no rise, gets there.

    `high` is 0 when the account is short of maintenance at every price.
    """

    low: Decimal | None
    high: Decimal | None

    @precisely
    def distance(self, mark: Decimal) -> Decimal:
        """Fraction of the mark to the nearer bound: 0 at or past it, infinite without one. Raises ValueError unless mark > 0."""
        if mark <= ZERO:
            raise ValueError(f"a mark must be positive, got {mark}")
        ways = [INFINITE]
        if self.high is not None:
            ways.append((self.high - mark) / mark)
        if self.low is not None:
            ways.append((mark - self.low) / mark)
        return max(ZERO, min(ways))


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginFigures:
    """An account's margin at a mark; balance and maintenance in settle units. What could not be worked out is None."""

    margin_balance: Decimal | None
    maintenance_margin: Decimal | None
    margin_ratio: Decimal | None
    margin_buffer: Decimal | None
    bounds: LiquidationBounds | None
    liquidation_distance: Decimal | None


@precisely
def margin_ratio(maintenance_margin: Decimal | None, margin_balance: Decimal | None) -> Decimal | None:
    """Maintenance over balance: 0 with nothing to maintain, 1 at liquidation and beyond it (also when the balance is gone)."""
    if maintenance_margin is None or margin_balance is None:
        return None
    if maintenance_margin <= ZERO:
        return ZERO
    return ONE if margin_balance <= maintenance_margin else maintenance_margin / margin_balance


@precisely
def margin_buffer(margin_balance: Decimal | None, notional: Decimal | None) -> Decimal | None:
    """Balance over notional, both in settle units: what bands of 30 % / 20 % are stated in; infinite without a position."""
    if margin_balance is None or notional is None:
        return None
    return INFINITE if notional == ZERO else margin_balance / notional


@precisely
def figures(position: MarginedPosition, backing: Backing, mark: Decimal | None) -> MarginFigures:
    """Everything at once. Raises ValueError for a mark that is not positive, or collateral coins behind an inverse position."""
    if mark is not None and mark <= ZERO:
        raise ValueError(f"a mark must be positive, got {mark}")
    at = None if mark is None else (mark if position.kind is ContractKind.LINEAR else ONE / mark)
    balance = maintenance = None
    notional = None if at is None else abs(position.contract_units) * at
    line = _balance_line(position, backing)
    pieces = _maintenance_pieces(position)
    if line is not None and at is not None:
        balance = line[0] + line[1] * at
    if pieces is not None and notional is not None and backing.other_maintenance is not None:
        piece = [p for p in pieces if p.floor <= notional][-1]
        maintenance = notional * piece.rate - piece.deduction + backing.other_maintenance
    bounds = liquidation_bounds(position, backing)
    return MarginFigures(
        margin_balance=balance,
        maintenance_margin=maintenance,
        margin_ratio=margin_ratio(maintenance, balance),
        margin_buffer=margin_buffer(balance, notional),
        bounds=bounds,
        liquidation_distance=None if bounds is None or mark is None else bounds.distance(mark),
    )


@precisely
def liquidation_bounds(position: MarginedPosition, backing: Backing) -> LiquidationBounds | None:
    """The prices at which the account is liquidated, None while an input is absent. Raises ValueError as `figures` does.

    Exact to 40 digits. An account without a position in the instrument can still be liquidated by its collateral coins falling
    below what its other positions need.
    """
    line = _balance_line(position, backing)
    pieces = _maintenance_pieces(position)
    if line is None or pieces is None or backing.other_maintenance is None:
        return None
    if position.contract_units == ZERO == backing.other_maintenance:
        return LiquidationBounds(low=None, high=None)  # nothing to maintain, nothing to liquidate
    safe = _safe_interval(line[0] - backing.other_maintenance, line[1], abs(position.contract_units), pieces)
    if safe is None:
        return LiquidationBounds(low=None, high=ZERO)
    first, last = safe
    if position.kind is ContractKind.LINEAR:
        return LiquidationBounds(low=first, high=last)
    return LiquidationBounds(low=None if last is None else ONE / last, high=None if first is None else ONE / first)


class Piece(NamedTuple):
    """From `floor` of notional on, maintenance = notional x rate - deduction."""

    floor: Decimal
    rate: Decimal
    deduction: Decimal


def _balance_line(position: MarginedPosition, backing: Backing) -> tuple[Decimal, Decimal] | None:
    """Margin balance as constant and slope in v; None while a part of it is absent."""
    if position.kind is ContractKind.INVERSE and backing.coin_units not in {None, ZERO}:
        raise ValueError("coin behind an inverse position belongs to its wallet balance")
    units, entry = position.contract_units, position.entry_price
    if backing.wallet_balance is None or backing.other_unrealised is None or backing.coin_units is None:
        return None
    known = backing.wallet_balance + backing.other_unrealised
    if units == ZERO:
        return known, backing.coin_units
    if entry is None:
        return None
    if position.kind is ContractKind.LINEAR:
        return known - units * entry, units + backing.coin_units
    return known + units / entry, -units


def _maintenance_pieces(position: MarginedPosition) -> tuple[Piece, ...] | None:
    """Maintenance of the position as straight pieces over its notional; one level piece where it was frozen at entry."""
    units, entry, tiers = position.contract_units, position.entry_price, position.tiers
    if units == ZERO:
        return (Piece(ZERO, ZERO, ZERO),)
    if tiers is None:
        return None
    if position.maintenance_on is MaintenanceOn.MARK:
        return tuple(Piece(tier.row.floor, tier.row.maintenance_rate, tier.deduction) for tier in tiers.tiers)
    if entry is None:
        return None
    value = abs(units) * entry if position.kind is ContractKind.LINEAR else abs(units) / entry
    return (Piece(ZERO, ZERO, -tiers.maintenance(value)),)


def _safe_interval(
    constant: Decimal, slope: Decimal, scale: Decimal, pieces: tuple[Piece, ...]
) -> tuple[Decimal | None, Decimal | None] | None:
    """The open interval of v > 0 where constant + slope x v exceeds maintenance(scale x v); an end is None where there is none.

    None when it is empty. The gap is compared at the tiers' floors, multiplied by `scale`, so that no quotient blurs its sign.
    """
    first: Decimal | None = None
    safe = constant > -pieces[0].deduction
    for piece, gap_at_end in _gaps(constant, slope, scale, pieces):
        level, steep = constant + piece.deduction, slope - piece.rate * scale
        if safe and steep < ZERO and (gap_at_end is None or gap_at_end <= ZERO):
            return first, -level / steep
        if not safe and steep > ZERO and (gap_at_end is None or gap_at_end > ZERO):
            first, safe = -level / steep or None, True  # v = 0 is no price: the interval is open there anyway
    return (first, None) if safe else None


def _gaps(constant: Decimal, slope: Decimal, scale: Decimal, pieces: tuple[Piece, ...]) -> Iterator[tuple[Piece, Decimal | None]]:
    """Each piece with the gap at its end, times `scale`; None for the last, which has no end."""
    for piece, following in pairwise(pieces):
        maintenance = following.floor * following.rate - following.deduction
        yield piece, (constant - maintenance) * scale + slope * following.floor
    yield pieces[-1], None
