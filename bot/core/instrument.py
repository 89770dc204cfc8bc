"""One perpetual at one venue, and the only place where contracts, contract units and base units become each other.

The record (positions, orders, fills) counts contract units: signed contracts x contract_size. Venue and record agree on them exactly,
whatever the price does. Delta, targets and shares are base units. Contract size, lot, tick, minimum notional, fees and funding interval
are data that came from the venue, never constants: venues change them.

    units = contracts x contract_size       base units if linear, quote units (usually USD) if inverse
    base  = units if linear, units / price if inverse
    USD   = |units| x price if linear, |units| if inverse

No rounding makes an order larger, or closes more than there is. What remains below a lot is dust: told and left alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Context, Decimal
from enum import StrEnum

from bot.core.tiers import MarginTiers
from bot.core.units import Asset, InstrumentId, Millis, VenueId

_EXACT = Context(prec=24)
"""Quotients are kept in 28 digits. A product is read in 24, so that what a division lost does not cost a whole lot on the way back."""


class ContractKind(StrEnum):
    """What a contract is counted and settled in."""

    LINEAR = "linear"
    INVERSE = "inverse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """A perpetual as the venue describes it. `lot`, `contracts_min`, `contracts_max` count contracts; fees are fractions."""

    venue: VenueId
    venue_symbol: str
    base: Asset
    quote: Asset
    settle: Asset
    kind: ContractKind
    contract_size: Decimal
    lot: Decimal
    tick: Decimal
    contracts_min: Decimal
    contracts_max: Decimal | None
    notional_min: Decimal | None
    funding_interval_ms: Millis | None
    taker_fee: Decimal | None
    maker_fee: Decimal | None
    tiers: MarginTiers | None = None

    @property
    def id(self) -> InstrumentId:
        """`<venue>:<venue_symbol>`."""
        return InstrumentId(f"{self.venue}:{self.venue_symbol}")

    @property
    def is_inverse(self) -> bool:
        """Whether it is counted in quote units and settled in coin."""
        return self.kind is ContractKind.INVERSE

    def units_of_contracts(self, contracts: Decimal) -> Decimal:
        """Signed contracts as contract units: base if linear, quote if inverse. Exact."""
        return contracts * self.contract_size

    def contracts_of_units(self, units: Decimal) -> Decimal:
        """Signed contract units as contracts, rounded toward zero to the lot."""
        return units // (self.contract_size * self.lot) * self.lot

    def base_of(self, units: Decimal, price: Decimal) -> Decimal:
        """Signed contract units in base units at a price (quote per base, > 0); linear ones ignore the price."""
        return units if not self.is_inverse else units / price

    def units_of(self, quantity: Decimal, price: Decimal) -> Decimal:
        """Signed base units in contract units at a price, not rounded to the lot; linear ones ignore the price."""
        return quantity if not self.is_inverse else _EXACT.multiply(quantity, price)

    def to_base(self, contracts: Decimal, mark_price: Decimal) -> Decimal:
        """Signed contracts in base units at a price; a linear contract ignores the price."""
        return self.base_of(self.units_of_contracts(contracts), mark_price)

    def to_contracts(self, quantity: Decimal, mark_price: Decimal) -> Decimal:
        """Signed base units as contracts, rounded toward zero to the lot: what the venue accepts, never more than asked."""
        return self.contracts_of_units(self.units_of(quantity, mark_price))

    def notional_of_units(self, units: Decimal, price: Decimal) -> Decimal:
        """Value of signed contract units in quote units at a price, never negative; inverse ones ignore the price."""
        return abs(units) * price if not self.is_inverse else abs(units)

    def notional(self, contracts: Decimal, price: Decimal) -> Decimal:
        """Value of signed contracts in quote units, never negative."""
        return self.notional_of_units(self.units_of_contracts(contracts), price)

    def dust_of(self, units: Decimal) -> Decimal:
        """What of signed contract units no order can move, because it is less than a lot; of the same sign, or zero."""
        return units - self.units_of_contracts(self.contracts_of_units(units))

    def tradable_contracts_min(self, price: Decimal, *, reduces: bool = False) -> Decimal:
        """The fewest contracts one order may carry at this price, given lot, minimum size and, unless it `reduces`, minimum notional."""
        least = max(self.lot, self.contracts_min)
        if self.notional_min is None or reduces:
            return least
        each = self.notional(self.lot, price)
        lots = (self.notional_min / each).to_integral_value(rounding="ROUND_CEILING")
        return max(least, lots * self.lot)
