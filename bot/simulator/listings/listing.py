"""The form of a venue's listing: its contracts as text that reads like the venue's own tables.

Maintenance deductions are derived, not copied: `deduction_n = deduction_(n-1) + floor_n x (rate_n - rate_(n-1))`, which makes the
maintenance margin continuous across tiers (Binance, Bybit). A venue that charges a tier's rate on the whole position (OKX) has none,
and bounds its tiers by contracts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from bot.core.units import ZERO, Millis
from bot.simulator.acceptance import ClientIdScope
from bot.simulator.model import Contract, Tier

HOUR_MS: Millis = 3_600_000
FUNDING_INTERVAL_MS: Millis = 8 * HOUR_MS
"""What a venue uses for its contracts unless its listing or a caller says otherwise."""

Ladder = tuple[tuple[int | str, str, str], ...]
"""Tiers as (largest position, largest leverage, maintenance rate), smallest first. A position is counted by its value in settle units
(USDT of a linear contract, coins of an inverse one), or by its contracts where tiers are not continuous."""


@dataclass(frozen=True, slots=True)
class Spec:
    """One contract. `contract_size` is base units, or quote units of an inverse one; `lot` and the bounds count contracts.

    Without `settle` it settles in its quote, or in its base when inverse.
    """

    base: str
    symbol: str
    contract_size: str
    tick: str
    lot: str
    contracts_min: str
    contracts_max: str
    notional_min: str
    funding_cap: str
    price_band: str
    tiers: Ladder
    quote: str = "USDT"
    inverse: bool = False
    settle: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One venue's contracts with its fees and its rules on client order ids: what they look like and how long they stay taken."""

    maker_fee: str
    taker_fee: str
    continuous_tiers: bool
    client_id_scope: ClientIdScope
    client_id_form: str
    specs: tuple[Spec, ...]
    funding_interval_ms: Millis = FUNDING_INTERVAL_MS

    def contracts(self, funding_interval_ms: Millis | None, intervals: Mapping[str, Millis]) -> tuple[Contract, ...]:
        """The contracts in their order; see `contracts_of`."""
        usual = self.funding_interval_ms if funding_interval_ms is None else funding_interval_ms
        return tuple(self._contract(spec, intervals.get(spec.base, usual)) for spec in self.specs)

    def _contract(self, spec: Spec, interval_ms: Millis) -> Contract:
        return Contract(
            symbol=spec.symbol,
            base=spec.base,
            quote=spec.quote,
            settle=spec.settle or (spec.base if spec.inverse else spec.quote),
            inverse=spec.inverse,
            contract_size=Decimal(spec.contract_size),
            tick=Decimal(spec.tick),
            lot=Decimal(spec.lot),
            contracts_min=Decimal(spec.contracts_min),
            contracts_max=Decimal(spec.contracts_max),
            notional_min=Decimal(spec.notional_min),
            maker_fee=Decimal(self.maker_fee),
            taker_fee=Decimal(self.taker_fee),
            funding_interval_ms=interval_ms,
            funding_cap=Decimal(spec.funding_cap),
            price_band=Decimal(spec.price_band),
            tiers=tiers_of(spec.tiers, continuous=self.continuous_tiers),
            tiers_count_contracts=not self.continuous_tiers,
        )


def tiers_of(ladder: Ladder, *, continuous: bool) -> tuple[Tier, ...]:
    """Tiers with their deductions (formula at the top of this file); without `continuous` all deductions are zero."""
    tiers: list[Tier] = []
    floor = deduction = previous = ZERO
    for cap, leverage_max, text in ladder:
        rate = Decimal(text)
        if continuous:
            deduction += floor * (rate - previous)
        tiers.append(Tier(Decimal(cap), Decimal(leverage_max), rate, deduction))
        floor, previous = Decimal(cap), rate
    return tuple(tiers)
