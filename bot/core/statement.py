"""A statement of the book: every figure that people, metrics and reports may read, computed from the ledger in one place.

Nothing here decides. Unknown figures are None. Units: base units unless a name says `_usd`, `_bps` or a ratio; ratios are fractions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from bot.core.events import VenueLink
from bot.core.policy import Breach
from bot.core.units import Asset, ClientOrderId, InstrumentId, Millis, Range, VenueId


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetStatement:
    """One hedged asset. `hedge_ratio` = short / collateral at the middle of both ranges; `net_delta_bps` is of collateral."""

    asset: Asset
    mark: Decimal | None
    collateral: Range | None
    position: Range
    net_delta: Range | None
    net_delta_usd: Range | None
    net_delta_bps: Range | None
    hedge_ratio: Decimal | None
    collateral_usd: Decimal | None
    in_band: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentStatement:
    """One perpetual. `funding_annual` is the smoothed rate (> 0: shorts receive); `target` the signed quantity last decided."""

    instrument: InstrumentId
    venue: VenueId
    asset: Asset
    position: Range
    target: Decimal | None
    mark: Decimal | None
    notional_usd: Decimal | None
    funding_annual: Decimal | None
    funding_interval_ms: Millis | None
    funding_flipped: bool
    quote_at: Millis | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueStatement:
    """One venue. `margin_ratio` = maintenance margin / margin balance (0 safe, 1 liquidation)."""

    venue: VenueId
    link: VenueLink
    reconciled: bool
    reported_at: Millis | None
    clock_offset_ms: Millis | None
    notional_usd: Decimal | None
    venue_share: Decimal | None
    margin_balance_usd: Decimal | None
    margin_ratio: Decimal | None
    funding_annual: Decimal | None
    orders_working: int
    orders_in_doubt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CollateralStatement:
    """One asset at one location, as last told by its source."""

    source: str
    location: str
    asset: Asset
    quantity: Decimal
    redemption_rate: Decimal | None
    observed_at: Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionStatement:
    """One thing the bot decided or learned, in a sentence, newest last. `order` where it is about one."""

    at: Millis
    kind: str
    subject: str
    sentence: str
    order: ClientOrderId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BookStatement:
    """The whole book at one instant. Counters (`orders_by_outcome`, fees, funding) grow over the life of the journal."""

    at: Millis
    epoch: str
    trading_state: str
    ready: bool
    assets: tuple[AssetStatement, ...]
    instruments: tuple[InstrumentStatement, ...]
    venues: tuple[VenueStatement, ...]
    collateral: tuple[CollateralStatement, ...]
    breaches: tuple[Breach, ...]
    decisions: tuple[DecisionStatement, ...]
    orders_by_outcome: Mapping[str, int]
    breaks_by_cause: Mapping[str, int]
    fills: int
    fees_usd: Decimal
    funding_usd: Decimal
    gross_notional_usd: Decimal | None
    required_notional_usd: Decimal | None
    net_delta_usd: Range | None
    net_delta_bps: Range | None
    settle_exposure_usd: Mapping[Asset, Decimal]
    orders_in_doubt: int
    oldest_doubt_ms: Millis | None
    invariants_broken: tuple[str, ...]
