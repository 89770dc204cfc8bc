"""One perpetual at one venue, and the only place where contracts become base units and back.

Everywhere else in the core a quantity is in signed base units. Contract size, lot, tick, minimum notional, fees and funding
interval are data that came from the venue, never constants: venues change them.

    linear   base = contracts x contract_size                (contract_size in base units)
    inverse  base = contracts x contract_size / mark_price   (contract_size in quote units, usually USD)
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from bot.core.units import Asset, InstrumentId, Millis, VenueId


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

    @property
    def id(self) -> InstrumentId:
        """`<venue>:<venue_symbol>`."""
        return InstrumentId(f"{self.venue}:{self.venue_symbol}")

    def to_base(self, contracts: Decimal, mark_price: Decimal) -> Decimal:
        """Signed contracts in base units at a price; a linear contract ignores the price."""
        if self.kind is ContractKind.LINEAR:
            return contracts * self.contract_size
        return contracts * self.contract_size / mark_price

    def to_contracts(self, quantity: Decimal, mark_price: Decimal) -> Decimal:
        """Signed base units as contracts, rounded toward zero to the lot: what the venue accepts, never more than asked."""
        value = quantity if self.kind is ContractKind.LINEAR else quantity * mark_price
        return value // (self.contract_size * self.lot) * self.lot

    def notional(self, contracts: Decimal, price: Decimal) -> Decimal:
        """Value in quote units, never negative."""
        if self.kind is ContractKind.LINEAR:
            return abs(contracts) * self.contract_size * price
        return abs(contracts) * self.contract_size

    def tradable_contracts_min(self, price: Decimal) -> Decimal:
        """The fewest contracts one increasing order may carry at this price, given lot, minimum size and minimum notional."""
        least = max(self.lot, self.contracts_min)
        if self.notional_min is None:
            return least
        each = self.notional(self.lot, price)
        lots = (self.notional_min / each).to_integral_value(rounding="ROUND_CEILING")
        return max(least, lots * self.lot)
