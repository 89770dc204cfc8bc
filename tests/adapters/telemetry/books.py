"""A statement with something in every part."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from bot.core.acts import Override
from bot.core.collateral_statement import (
    ClaimStatement,
    CollateralRecord,
    DelegationStatement,
    OwedStatement,
    PlaceStatement,
    SleeveStatement,
)
from bot.core.deployment import Conversion, DeploymentState, DeploymentStatement
from bot.core.events import VenueLink
from bot.core.funding_statement import FundingStatement
from bot.core.limit_use import LimitUse
from bot.core.limits import Breach, Limit
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.statement import (
    AssetStatement,
    BookStatement,
    CollateralStatement,
    DecisionStatement,
    InstrumentStatement,
    OverrideStatement,
    StateStatement,
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
    coin_equity=Decimal("0.5"),
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
    coin_equity=None,
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
    open_interest_usd=Decimal(84_000_000),
    open_interest_share=Decimal("0.0005"),
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
    trading=StateStatement(state="halted", cause="operator", since=NOW - 9_000, by="alice", why="drill"),
)
FUNDING = FundingStatement(
    instrument=InstrumentId("okx:BTC-USDT-SWAP"),
    venue=VenueId("okx"),
    asset=Asset("USDT"),
    rate=Decimal("0.0001"),
    interval_ms=28_800_000,
    annual=Decimal("0.11"),
    rate_age_ms=12_500,
    next_settlement_at=NOW + 60_000,
    flipped=False,
    flipped_at=None,
    received=Decimal(4),
    paid=Decimal("7.25"),
    settlements=3,
    last_settled_at=NOW - 3_600_000,
    records_read_at=NOW - 30_000,
    difference=Decimal(0),
)
REFUSED = DeploymentStatement(
    asset=Asset("BTC"),
    state=DeploymentState.REFUSED,
    carry_annual=Decimal("-0.01"),
    floor=Decimal("0.02"),
    entry=Decimal("0.06"),
    turned_at=NOW - 1,
    reason="carry fell below 0.02 a year",
    conversion=Conversion(
        base_units=Decimal(2),
        usd=Decimal(120_000),
        gain_usd_annual=Decimal(6_000),
        cost_usd=Decimal(144),
        break_even_ms=756_864_000,
    ),
)
UNKNOWN_CARRY = replace(REFUSED, asset=Asset("SOL"), state=DeploymentState.UNKNOWN, carry_annual=None, turned_at=None, conversion=None)
HELD = PlaceStatement(
    asset=Asset("BTC"),
    location="custody",
    source="desk",
    confirmed=Decimal(2),
    pending=Decimal("0.5"),
    leaving=Decimal("0.25"),
    held_back=Decimal(7),
    counted=Decimal("1.75"),
    arrived=Decimal(3),
    left=Decimal(1),
)
QUARANTINED = ClaimStatement(
    claim="D-1",
    kind="deposit",
    state="held",
    stage="announced",
    asset=Asset("BTC"),
    location="custody",
    depositor="nobody",
    quantity=Decimal(7),
    left=Decimal(7),
    announced_at=NOW - 60_000,
    why="nobody is not among the depositors",
)
MIRRORED = DelegationStatement(
    custodian="copper",
    venue=VenueId("okx"),
    asset=Asset("BTC"),
    delegated=Decimal(9),
    settled=Decimal("0.3"),
    due=None,
    posted=None,
    cycle=7,
    state="frozen",
    is_frozen=True,
    is_disputed=False,
    next_settlement_at=NOW + 90_000,
    frozen_from=NOW - 1_000,
    frozen_until=NOW + 100_000,
    told_at=NOW - 2_000,
)
OVERRIDE = Override(field="venue_share_max", value=Decimal("0.5"), since=NOW, until=NOW + 60_000, by="alice", why="a drill")
BOOK: BookStatement = replace(
    EMPTY,
    trading_state="reducing",
    trading=StateStatement(state="reducing", cause="collateral_age", why="old"),
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
    slippage_usd=Decimal(10),
    filled_notional_usd=Decimal(40_000),
    funding_usd=Decimal("-3.25"),
    funding_usd_by_venue={VenueId("okx"): Decimal("-3.25")},
    funding=(FUNDING, replace(FUNDING, instrument=InstrumentId("okx:NEW"), asset=None, rate_age_ms=None, last_settled_at=None)),
    funding_annual=Decimal("0.11"),
    deployment=(REFUSED, UNKNOWN_CARRY),
    reserve_runway_ms=86_400_000,
    settle_exposure_usd={Asset("USDT"): Decimal(1_000)},
    orders_in_doubt=2,
    oldest_doubt_ms=1_250,
    record=CollateralRecord(
        places=(HELD,),
        claims=(QUARANTINED,),
        claims_by_state={"held": 1, "pending": 0},
        delegations=(MIRRORED,),
        owed=(OwedStatement(venue=VenueId("okx"), unsettled_usd=Decimal(1_250), exposure_at_risk_usd=Decimal(300)),),
        sleeve=(SleeveStatement(asset=Asset("USDT"), issuer="Tether", held_usd=Decimal(5_000), exposure_usd=Decimal(6_000)),),
    ),
    limit_uses=(LimitUse(Limit.VENUE_SHARE, "okx", Decimal("0.7")),),
    overrides=(OverrideStatement(made=OVERRIDE, configured=Decimal("0.35")),),
)
