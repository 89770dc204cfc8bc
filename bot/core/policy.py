"""What the operator decided, as one frozen dataclass.

Every limit has a safe default and a hard ceiling in code (`ceilings`): configuration may tighten a limit or move it below its ceiling,
nothing can be switched off by leaving it out. Fractions are never percent (0.4, not 40); `_bps` is basis points, `_ms` milliseconds.
Sources of the defaults: Ethena's and Resolv's published practice (domain notes, "suggested defaults").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from bot.core.claim_terms import ClaimTerms
from bot.core.units import Asset, InstrumentId, Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Limits and tastes of the hedge. See `CEILINGS` for the widest value each may take."""

    collateral_assets: Mapping[Asset, Asset] = field(default_factory=dict)
    """Which asset a collateral asset is hedged as: `{"BTC": "BTC", "ETH": "ETH", "wstETH": "ETH"}`."""
    collateral_sources: frozenset[str] = frozenset()
    """Names of the sources that tell of collateral: nothing is known of an asset before each that may tell of it was heard."""
    source_assets: Mapping[str, frozenset[Asset]] = field(default_factory=dict)
    """The assets that a source may tell of: nothing else waits for it to be heard. One that is not named here may tell of any."""
    source_addresses: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Where a source that looks coins up looks, in its own terms (chain, contract, address): of more places than before it told less."""
    stables: frozenset[Asset] = frozenset()
    """Stablecoins that may be held as collateral: they carry no delta and are taken for one dollar each."""
    issuers: Mapping[Asset, str] = field(default_factory=dict)
    """Who issued a stablecoin: `{"USDT": "Tether"}`. One that is not named has no limit but its own (`settle_exposure_max`)."""
    issuer_exposure_max: Mapping[str, Decimal] = field(default_factory=dict)
    """USD that the book may own in all coins of one issuer together, where that is less than `settle_exposure_max` allows."""
    claims: ClaimTerms = field(default_factory=ClaimTerms)
    """What announcements of collateral may do, and which source is believed of each place."""
    instruments: frozenset[InstrumentId] = frozenset()
    """The perpetuals that may be used as hedges."""
    rebalance_band: Decimal = Decimal("0.0005")
    """Net delta as a fraction of an asset's collateral that is left alone; beyond it the hedge trades back to zero."""
    rebalance_notional_min: Decimal = Decimal(25)
    """USD of net delta below which nothing is traded: the band of a small book."""
    venue_share_max: Decimal = Decimal("0.35")
    """Venue notional over total required hedge notional of all assets."""
    venue_share_drift: Decimal = Decimal("0.02")
    """How far beyond its cap, as a fraction of the cap, prices may carry a venue before its hedges are moved; increases end at the cap."""
    venue_move_notional_min: Decimal = Decimal(500)
    """USD below which hedges are not moved from one venue to another: a smaller change never pays for its fees."""
    margin_ratio_max: Decimal = Decimal("0.5")
    """Maintenance margin over margin balance (0 safe, 1 liquidation) beyond which a venue takes no increase, also after the order."""
    leverage_max: Decimal = Decimal(3)
    """Venue notional over margin balance, after the order."""
    order_notional_max: Decimal = Decimal(250_000)
    """USD of one child order."""
    gross_notional_max: Decimal = Decimal(50_000_000)
    """USD of all positions, working and in-doubt orders together."""
    order_rate_max: int = 60
    """Orders per venue within `order_rate_window_ms`."""
    order_rate_window_ms: Millis = 10_000
    orders_in_doubt_max: int = 3
    """Orders in doubt over the whole book beyond which nothing increases anywhere."""
    price_collar: Decimal = Decimal("0.01")
    """Widest fraction from mark at which an order may be priced."""
    slippage_max: Decimal = Decimal("0.0015")
    """How far through the touch an IOC limit reaches."""
    reference_deviation_max: Decimal = Decimal("0.02")
    """Widest fraction between a venue's mark and the second source (median of the other venues' marks, else the index)."""
    quote_age_max_ms: Millis = 3_000
    """Oldest quote on which an increase is priced."""
    collateral_age_max_ms: Millis = 60_000
    """Oldest confirmation of a collateral total that still counts as known; beyond it the last one stays, and is known as a range."""
    collateral_drift_per_day: Decimal = Decimal("0.1")
    """Fraction by which the totals of a source that fell silent may have changed, either way, in a day of its silence."""
    rate_age_max_ms: Millis = 3_600_000
    """Oldest redemption rate that still counts as known; beyond it the last one stays, and is known only as a range."""
    rate_drift_per_day: Decimal = Decimal("0.001")
    """Fraction by which a redemption rate that nobody tells any more may have changed, either way, in a day."""
    report_age_max_ms: Millis = 60_000
    """Oldest reconciliation of a venue on which an increase is placed there."""
    order_retry_pause_ms: Millis = 1_000
    """Pause on an instrument after an order that was refused or filled nothing; doubles with each further one, up to 30 times."""
    deleveraging_rest_ms: Millis = 60_000
    """How long an instrument takes new hedges only as a last resort after the venue deleveraged or liquidated us there."""
    order_expiry_ms: Millis = 5_000
    """Venue-side expiry of every order request: the fence that a venue enforces. At most 5 s."""
    doubt_margin_ms: Millis = 1_000
    """How far past an order's expiry the venue's own clock must be before its absence can be proven."""
    doubt_query_interval_ms: Millis = 1_000
    """Pause between two look-ups of one order in doubt."""
    report_interval_ms: Millis = 9_000
    """Beat of a venue's full reconciliation while all is quiet."""
    decision_interval_ms: Millis = 50
    """Shortest pause between two decisions."""
    decision_beat_ms: Millis = 1_000
    """Longest pause between two decisions."""
    funding_half_life_ms: Millis = 72 * 3_600_000
    """Half-life of the smoothed funding rate, by our clock."""
    funding_flip_exit: Decimal = Decimal("-0.02")
    """Annual funding below which a venue stops being preferred and its hedges move elsewhere within caps (> 0: shorts receive)."""
    funding_flip_enter: Decimal = Decimal("0.0")
    """Annual funding above which a flipped venue is preferred again."""
    funding_dwell_ms: Millis = 24 * 3_600_000
    """How long a rate must stay beyond a threshold before the flip counts, and the shortest time between two flips."""
    funding_age_max_ms: Millis = 3 * 3_600_000
    """Oldest reading of a funding rate that still counts as known; the shortest intervals are an hour."""
    funding_trip_annual: Decimal = Decimal("-0.5")
    """Annual funding, as a mean over about a day, below which a venue counts as flipped at once."""
    funding_trip_half_life_ms: Millis = 12 * 3_600_000
    """Half-life of that mean, and how long the rate must have been watched for it to count."""
    clock_offset_max_ms: Millis = 500
    """Widest offset between our clock and a venue's."""
    rebalance_band_hard: Decimal = Decimal("0.0025")
    """Net delta as a fraction of an asset's collateral beyond which it is corrected at once; between the bands flow may cancel it first."""
    netting_window_ms: Millis = 2_000
    """How long a net delta between the two bands waits for flow that cancels it."""
    risk_aversion: Decimal = Decimal("0.000001")
    """What a stray costs: per USD, in the half-quadratic penalty of the no-trade band (F11)."""
    volatility_annual: Decimal = Decimal("0.6")
    """Annual volatility of the hedged coins, as assumed by the no-trade band."""
    order_cost_usd: Decimal = Decimal(0)
    """USD that an order costs whatever its quantity, beside fees and spread."""
    flow_half_life_ms: Millis = 24 * 3_600_000
    """Half-life of the observed variance of collateral flow."""
    instrument_notional_max: Decimal = Decimal(25_000_000)
    """USD of one instrument's position and orders."""
    open_interest_share_max: Decimal = Decimal("0.10")
    """Our notional over an instrument's open interest."""
    open_interest_share_total_max: Decimal = Decimal("0.07")
    """Our notional of an asset over its open interest at all configured venues."""
    open_interest_min: Decimal = Decimal(1_000_000)
    """USD of open interest below which an instrument takes no increase."""
    touch_notional_min: Decimal = Decimal(200)
    """USD shown at the touch, on both sides together, below which an instrument takes no increase: next to no depth behind its price."""
    spread_max: Decimal = Decimal("0.002")
    """Spread over mid beyond which an instrument takes no increase."""
    collateral_share_max: Decimal = Decimal("0.75")
    """A venue's margin balance over all that the book owns (collateral and margin balances)."""
    margin_buffer_target: Decimal = Decimal("0.425")
    """Margin balance over notional below which a linear account takes no increase."""
    margin_buffer_min: Decimal = Decimal("0.275")
    """Margin balance over notional below which a linear account's hedges move elsewhere, or shrink."""
    inverse_buffer_target: Decimal = Decimal("0.30")
    """As `margin_buffer_target`, of a coin-margined account."""
    inverse_buffer_min: Decimal = Decimal("0.21")
    """As `margin_buffer_min`, of a coin-margined account. At 0.20 the least distance would bite first where no tiers are known."""
    liquidation_distance_target: Decimal = Decimal("0.35")
    """Fraction of the mark to the liquidation price below which an account takes no increase, also after the order."""
    liquidation_distance_min: Decimal = Decimal("0.20")
    """Fraction of the mark to the liquidation price below which a venue is reduced."""
    notional_rate_max: Decimal = Decimal(5_000_000)
    """USD of orders at one venue within `order_rate_window_ms`."""
    message_rate_max: int = 200
    """Orders, cancels and queries to one venue within `order_rate_window_ms`."""
    duplicate_window_ms: Millis = 500
    """A second order of the same instrument, side, quantity and price within this time is refused."""
    repeated_executions_max: int = 12
    """Executions of one instrument without a change of its target, from which on its venue is halted until a named operator resumes it."""
    doubt_notional_max: Decimal = Decimal(1_000_000)
    """USD of orders in doubt over the whole book beyond which nothing increases anywhere."""
    reference_age_max_ms: Millis = 120_000
    """Oldest reference price of a stablecoin or staked token that still counts as known."""
    stablecoin_depeg_warn: Decimal = Decimal("0.003")
    """Fraction below one USD at which a stablecoin is told of."""
    stablecoin_depeg_max: Decimal = Decimal("0.01")
    """Fraction below one USD at which nothing increases that settles in the stablecoin."""
    staked_depeg_warn: Decimal = Decimal("0.005")
    """Fraction by which a staked token's market price below its redemption rate is told of."""
    staked_depeg_max: Decimal = Decimal("0.02")
    """Fraction by which a staked token's market price may fall below its redemption rate; beyond it new deployment is refused."""
    unsettled_profit_max: Decimal = Decimal("0.01")
    """Unsettled profit at one venue over all that the book owns, beyond which the venue takes no increase."""
    exposure_at_risk_max: Decimal = Decimal("0.05")
    """What a venue may come to owe until a custodian's next settlement, 99 times in 100, over all that the book owns."""
    settlement_volatility: Decimal = Decimal("0.6")
    """Annual volatility of the hedged assets that this reckons with."""
    settlement_interval_max_ms: Millis = 24 * 3_600_000
    """Time until the next settlement where a custodian does not tell it, and what one that went wrong waits for in addition."""
    settlement_delay_max_ms: Millis = 30 * 60_000
    """How long after its time a settlement may be under way until its venue takes no increase."""
    settle_exposure_max: Decimal = Decimal("0.9")
    """What the book owns in one stablecoin over all that it owns, beyond which nothing increases that settles in it."""
    reserve_fund_usd: Decimal = Decimal(0)
    """USD of the reserve that bears losses; 0: none."""
    reserve_need_rate: Decimal = Decimal("0.0125")
    """USD of reserve needed per USD of short: a day's unwind, 0.5 % funding and 0.75 % slippage (LlamaRisk, December 2024)."""
    reserve_coverage_min: Decimal = Decimal("1.2")
    """Reserve over need below which people are told."""
    deleveraging_rank_max: Decimal = Decimal("0.8")
    """Rank in a venue's queue of auto-deleveraging (0 safe, 1 next) from which on an instrument takes new hedges only as a last resort."""
    quiet_period_ms: Millis = 5 * 60_000
    """How long nothing of the kind may happen before a venue or the book leaves a state that a quiet period ends."""
    switch_payback_ms: Millis = 7 * 86_400_000
    """Time within which a change of venue for better funding must have paid for its cost."""
    carry_gap_half_life_ms: Millis = 7 * 86_400_000
    """Half-life with which the difference of two venues' funding is expected to vanish."""
    switch_dwell_ms: Millis = 24 * 3_600_000
    """Shortest time between two changes of venue of one asset for better funding."""
    reallocation_interval_ms: Millis = 60_000
    """How often the allocation is worked out again while neither delta nor a limit asks for it."""
    impact_cost: Decimal = Decimal("0.0002")
    """Fraction of the notional that a change of venue is assumed to cost beside fees and spreads."""
    risk_free_rate: Decimal = Decimal("0.04")
    """Annual rate that stables earn: the floor of what a hedge should carry."""
    stable_band_exit: Decimal = Decimal("0.02")
    """How far below `risk_free_rate` an asset's funding must fall until new deployment is refused."""
    stable_band_enter: Decimal = Decimal("0.02")
    """How far above it the funding must rise until new deployment is welcome again."""
    stable_dwell_ms: Millis = 3 * 86_400_000
    """Shortest time between two turns of that signal."""
    passive_deadline_ms: Millis = 10_000
    """How long a gap that is not urgent is worked with post-only orders before it is taken with an IOC; 0: at once."""
    passive_reprice_ms: Millis = 2_000
    """How long a post-only order rests before it is cancelled and placed anew at the touch."""
    passive_attempts_max: int = 5
    """Post-only orders of one gap, from which on it is taken with an IOC."""
    slice_depth_multiple: Decimal = Decimal(20)
    """Quantity of one order over what is shown at the touch."""
    participation_max: Decimal = Decimal("0.1")
    """Notional of one instrument's orders within a minute over its average minute's volume."""
