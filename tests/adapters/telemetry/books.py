"""A statement with something in every part."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from bot.core.events import VenueLink
from bot.core.policy import Breach, Limit, Policy
from bot.core.records import Ledger
from bot.core.statement import (
    AssetStatement,
    BookStatement,
    CollateralStatement,
    DecisionStatement,
    InstrumentStatement,
    VenueStatement,
    statement_of,
)
from bot.core.units import Asset, InstrumentId, Range, VenueId

NOW = 1_750_000_000_000

EMPTY = statement_of(Ledger(), Policy(), NOW)

BTC = AssetStatement(
    asset=Asset("BTC"),
    mark=Decimal(60_000),
    collateral=Range.exactly(Decimal(2)),
    position=Range(Decimal("-2.1"), Decimal("-1.9")),
    net_delta=Range(Decimal("-0.1"), Decimal("0.1")),
    net_delta_usd=Range(Decimal(-6_000), Decimal(6_000)),
    net_delta_bps=Range(Decimal(-500), Decimal(500)),
    hedge_ratio=Decimal(1),
    collateral_usd=Decimal(120_000),
    in_band=False,
)
UNKNOWN = replace(
    BTC,
    asset=Asset("ETH"),
    mark=None,
    collateral=None,
    position=None,
    net_delta=None,
    net_delta_usd=None,
    net_delta_bps=None,
    hedge_ratio=None,
    collateral_usd=None,
    in_band=None,
)
PERPETUAL = InstrumentStatement(
    instrument=InstrumentId("okx:BTC-USDT-SWAP"),
    venue=VenueId("okx"),
    asset=Asset("BTC"),
    position=Range.exactly(Decimal("-0.7")),
    target=Decimal("-0.8"),
    mark=Decimal(60_000),
    notional_usd=Decimal(42_000),
    funding_annual=Decimal("0.11"),
    funding_interval_ms=28_800_000,
    funding_flipped=False,
    quote_at=NOW - 250,
)
OKX = VenueStatement(
    venue=VenueId("okx"),
    link=VenueLink.STALE,
    reconciled=True,
    reported_at=NOW - 4_000,
    clock_offset_ms=-12,
    notional_usd=Decimal(42_000),
    venue_share=Decimal("0.35"),
    margin_balance_usd=None,
    margin_ratio=Decimal("0.02"),
    funding_annual=Decimal("0.11"),
    orders_working=1,
    orders_in_doubt=2,
)
BOOK: BookStatement = replace(
    EMPTY,
    trading_state="reducing",
    assets=(BTC, UNKNOWN),
    instruments=(PERPETUAL,),
    venues=(OKX,),
    collateral=(
        CollateralStatement(
            source="desk", location="custody", asset=Asset("BTC"), quantity=Decimal("2.00"), redemption_rate=None, observed_at=NOW - 1_500
        ),
    ),
    breaches=(
        Breach(Limit.NET_DELTA, "BTC", Decimal(500), Decimal(5)),
        Breach(Limit.QUOTE_AGE, "okx:BTC-USDT-SWAP", None, None),
        Breach(Limit.QUOTE_AGE, "okx:ETH-USDT-SWAP", Decimal(9_000), Decimal(3_000)),
    ),
    decisions=(DecisionStatement(at=NOW, kind="place", subject="okx", sentence="Sell 0.1 BTC."),),
    orders_by_outcome={"filled": 7, "refused": 1},
    breaks_by_cause={"late_fill": 1},
    fills=9,
    fees_usd=Decimal("12.5"),
    funding_usd=Decimal("-3.25"),
    funding_usd_by_venue={VenueId("okx"): Decimal("-3.25")},
    settle_exposure_usd={Asset("USDT"): Decimal(1_000)},
    orders_in_doubt=2,
    oldest_doubt_ms=1_250,
)
