"""What each simulated venue lists: BTC, ETH and SOL linear USDT perpetuals with the filters, fees and tiers of the real venue.

Data, no rules. Sources: Binance USD-M `exchangeInfo`, `fundingInfo` and `leverageBracket`; Bybit v5 `instruments-info`, `fee-rate` and
`risk-limit` (category linear); OKX v5 `public/instruments`, `position-tiers` and the published price-limit rules, as they stood in 2025 for
an account of the lowest fee tier. Venues move these now and then; nothing in the bot relies on a particular value, it reads them.

Maintenance deductions are derived, not copied: `deduction_n = deduction_(n-1) + floor_n x (rate_n - rate_(n-1))`, which makes the
maintenance margin continuous across tiers (Binance and Bybit). OKX charges a tier's rate on the whole position, so it has none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from bot.core.units import ZERO, Millis
from bot.simulator.exchange import Exchange
from bot.simulator.model import Contract, Tier

HOUR_MS: Millis = 3_600_000
FUNDING_INTERVAL_MS: Millis = 8 * HOUR_MS
"""What all three venues use for these contracts unless a caller asks for another."""

_Ladder = tuple[tuple[int, str, str], ...]
"""Tiers as (largest notional in quote, largest leverage, maintenance rate), smallest first."""


@dataclass(frozen=True, slots=True)
class _Spec:
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
    tiers: _Ladder


@dataclass(frozen=True, slots=True)
class _Venue:
    maker_fee: str
    taker_fee: str
    continuous_tiers: bool
    client_id_once_ever: bool
    client_id_form: str
    specs: tuple[_Spec, ...]


_BINANCE_BTC: _Ladder = (
    (300_000, "125", "0.004"),
    (800_000, "100", "0.005"),
    (3_000_000, "75", "0.0065"),
    (12_000_000, "50", "0.01"),
    (70_000_000, "25", "0.02"),
    (100_000_000, "20", "0.025"),
    (230_000_000, "10", "0.05"),
    (480_000_000, "5", "0.1"),
    (600_000_000, "4", "0.125"),
    (800_000_000, "3", "0.15"),
    (1_200_000_000, "2", "0.25"),
    (1_800_000_000, "1", "0.5"),
)
_BINANCE_ETH: _Ladder = (
    (300_000, "125", "0.004"),
    (800_000, "100", "0.005"),
    (3_000_000, "75", "0.0065"),
    (12_000_000, "50", "0.01"),
    (50_000_000, "25", "0.02"),
    (65_000_000, "20", "0.025"),
    (150_000_000, "10", "0.05"),
    (320_000_000, "5", "0.1"),
    (400_000_000, "4", "0.125"),
    (530_000_000, "3", "0.15"),
    (800_000_000, "2", "0.25"),
    (1_200_000_000, "1", "0.5"),
)
_BINANCE_SOL: _Ladder = (
    (50_000, "100", "0.005"),
    (150_000, "75", "0.0065"),
    (1_000_000, "50", "0.01"),
    (5_000_000, "40", "0.0125"),
    (20_000_000, "20", "0.025"),
    (60_000_000, "10", "0.05"),
    (100_000_000, "5", "0.1"),
    (200_000_000, "2", "0.25"),
    (300_000_000, "1", "0.5"),
)
_BYBIT_BTC: _Ladder = (
    (2_000_000, "100", "0.005"),
    (10_000_000, "50", "0.01"),
    (20_000_000, "25", "0.02"),
    (40_000_000, "20", "0.025"),
    (80_000_000, "12.5", "0.04"),
    (150_000_000, "10", "0.05"),
    (300_000_000, "5", "0.1"),
)
_BYBIT_ETH: _Ladder = (
    (1_000_000, "100", "0.005"),
    (5_000_000, "50", "0.01"),
    (10_000_000, "25", "0.02"),
    (25_000_000, "20", "0.025"),
    (60_000_000, "10", "0.05"),
    (120_000_000, "5", "0.1"),
)
_BYBIT_SOL: _Ladder = (
    (200_000, "100", "0.005"),
    (1_000_000, "50", "0.01"),
    (4_000_000, "25", "0.02"),
    (10_000_000, "12.5", "0.04"),
    (20_000_000, "10", "0.05"),
    (40_000_000, "5", "0.1"),
)
_OKX_BTC: _Ladder = (
    (3_000_000, "100", "0.004"),
    (6_000_000, "75", "0.005"),
    (15_000_000, "50", "0.01"),
    (30_000_000, "40", "0.0125"),
    (60_000_000, "25", "0.02"),
    (120_000_000, "20", "0.025"),
    (240_000_000, "10", "0.05"),
    (500_000_000, "5", "0.1"),
)
_OKX_ETH: _Ladder = (
    (1_500_000, "100", "0.004"),
    (3_000_000, "75", "0.005"),
    (8_000_000, "50", "0.01"),
    (15_000_000, "40", "0.0125"),
    (30_000_000, "25", "0.02"),
    (60_000_000, "20", "0.025"),
    (120_000_000, "10", "0.05"),
    (250_000_000, "5", "0.1"),
)
_OKX_SOL: _Ladder = (
    (500_000, "50", "0.01"),
    (2_000_000, "33.33", "0.015"),
    (5_000_000, "25", "0.02"),
    (10_000_000, "20", "0.025"),
    (25_000_000, "10", "0.05"),
    (50_000_000, "5", "0.1"),
)

_VENUES: Mapping[str, _Venue] = {
    "binanceusdm": _Venue(
        maker_fee="0.0002",
        taker_fee="0.0005",
        continuous_tiers=True,
        client_id_once_ever=False,
        client_id_form=r"[.A-Z:/a-z0-9_-]{1,36}",
        specs=(
            _Spec("BTC", "BTCUSDT", "1", "0.10", "0.001", "0.001", "1000", "100", "0.003", "0.05", _BINANCE_BTC),
            _Spec("ETH", "ETHUSDT", "1", "0.01", "0.001", "0.001", "10000", "20", "0.003", "0.05", _BINANCE_ETH),
            _Spec("SOL", "SOLUSDT", "1", "0.01", "0.01", "0.01", "1000000", "5", "0.02", "0.05", _BINANCE_SOL),
        ),
    ),
    "bybit": _Venue(
        maker_fee="0.0002",
        taker_fee="0.00055",
        continuous_tiers=True,
        client_id_once_ever=True,
        client_id_form=r"[A-Za-z0-9_-]{1,36}",
        specs=(
            _Spec("BTC", "BTCUSDT", "1", "0.10", "0.001", "0.001", "1190", "5", "0.005", "0.05", _BYBIT_BTC),
            _Spec("ETH", "ETHUSDT", "1", "0.01", "0.01", "0.01", "7240", "5", "0.005", "0.05", _BYBIT_ETH),
            _Spec("SOL", "SOLUSDT", "1", "0.01", "0.1", "0.1", "79770", "5", "0.01", "0.10", _BYBIT_SOL),
        ),
    ),
    "okx": _Venue(
        maker_fee="0.0002",
        taker_fee="0.0005",
        continuous_tiers=False,
        client_id_once_ever=True,
        client_id_form=r"[A-Za-z0-9]{1,32}",
        specs=(
            _Spec("BTC", "BTC-USDT-SWAP", "0.01", "0.1", "0.01", "0.01", "100000000", "0", "0.00375", "0.05", _OKX_BTC),
            _Spec("ETH", "ETH-USDT-SWAP", "0.1", "0.01", "0.01", "0.01", "100000000", "0", "0.00375", "0.05", _OKX_ETH),
            _Spec("SOL", "SOL-USDT-SWAP", "1", "0.01", "0.01", "0.01", "100000000", "0", "0.015", "0.05", _OKX_SOL),
        ),
    ),
}

VENUES: tuple[str, ...] = tuple(_VENUES)
"""The venues with listings, by ccxt id."""


def contracts_of(
    venue: str, *, funding_interval_ms: Millis = FUNDING_INTERVAL_MS, intervals: Mapping[str, Millis] | None = None
) -> tuple[Contract, ...]:
    """The venue's contracts in the order BTC, ETH, SOL. `intervals` overrides `funding_interval_ms` by base asset (market time, ms).

    Raises KeyError for a venue without listings.
    """
    listed = _VENUES[venue]
    return tuple(
        Contract(
            symbol=spec.symbol,
            base=spec.base,
            quote="USDT",
            settle="USDT",
            contract_size=Decimal(spec.contract_size),
            tick=Decimal(spec.tick),
            lot=Decimal(spec.lot),
            contracts_min=Decimal(spec.contracts_min),
            contracts_max=Decimal(spec.contracts_max),
            notional_min=Decimal(spec.notional_min),
            maker_fee=Decimal(listed.maker_fee),
            taker_fee=Decimal(listed.taker_fee),
            funding_interval_ms=(intervals or {}).get(spec.base, funding_interval_ms),
            funding_cap=Decimal(spec.funding_cap),
            price_band=Decimal(spec.price_band),
            tiers=tiers_of(spec.tiers, continuous=listed.continuous_tiers),
        )
        for spec in listed.specs
    )


def exchange_of(
    venue: str, *, now: Millis, funding_interval_ms: Millis = FUNDING_INTERVAL_MS, intervals: Mapping[str, Millis] | None = None
) -> Exchange:
    """The venue with its contracts, and with its rules on client order ids: what they look like and how long they stay taken.

    Binance wants them unique among open orders, Bybit and OKX for ever. Raises KeyError for a venue without listings.
    """
    listed = _VENUES[venue]
    return Exchange(
        venue,
        contracts_of(venue, funding_interval_ms=funding_interval_ms, intervals=intervals),
        now=now,
        duplicate_client_id_scope="ever" if listed.client_id_once_ever else "open",
        client_id_form=re.compile(listed.client_id_form),
    )


def tiers_of(ladder: _Ladder, *, continuous: bool) -> tuple[Tier, ...]:
    """Tiers with their deductions (formula at the top of this file); without `continuous` all deductions are zero."""
    tiers: list[Tier] = []
    floor = deduction = previous = ZERO
    for notional_max, leverage_max, text in ladder:
        rate = Decimal(text)
        if continuous:
            deduction += floor * (rate - previous)
        tiers.append(Tier(Decimal(notional_max), Decimal(leverage_max), rate, deduction))
        floor, previous = Decimal(notional_max), rate
    return tuple(tiers)
