"""The widest and the narrowest value that configuration may give each policy field: hard limits in code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from bot.core.units import ONE, ZERO


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The widest value that configuration may give a policy field, and the narrowest."""

    lowest: Decimal
    highest: Decimal


CEILINGS: Mapping[str, Ceiling] = {
    "rebalance_band": Ceiling(Decimal("0.00001"), Decimal("0.02")),
    "rebalance_notional_min": Ceiling(ZERO, Decimal(10_000)),
    "venue_share_max": Ceiling(Decimal("0.05"), Decimal(1)),
    "venue_share_drift": Ceiling(ZERO, Decimal("0.1")),
    "venue_move_notional_min": Ceiling(ZERO, Decimal(1_000_000)),
    "margin_ratio_max": Ceiling(Decimal("0.01"), Decimal("0.8")),
    "leverage_max": Ceiling(Decimal("0.1"), Decimal(10)),
    "order_notional_max": Ceiling(Decimal(10), Decimal(5_000_000)),
    "gross_notional_max": Ceiling(Decimal(100), Decimal(20_000_000_000)),
    "order_rate_max": Ceiling(Decimal(1), Decimal(300)),
    "order_rate_window_ms": Ceiling(Decimal(1_000), Decimal(60_000)),
    "orders_in_doubt_max": Ceiling(Decimal(1), Decimal(20)),
    "price_collar": Ceiling(Decimal("0.0005"), Decimal("0.05")),
    "slippage_max": Ceiling(Decimal("0.0001"), Decimal("0.02")),
    "reference_deviation_max": Ceiling(Decimal("0.0005"), Decimal("0.05")),
    "quote_age_max_ms": Ceiling(Decimal(100), Decimal(30_000)),
    "collateral_age_max_ms": Ceiling(Decimal(1_000), Decimal(86_400_000)),
    "report_age_max_ms": Ceiling(Decimal(1_000), Decimal(300_000)),
    "order_retry_pause_ms": Ceiling(Decimal(100), Decimal(60_000)),
    "deleveraging_rest_ms": Ceiling(Decimal(1_000), Decimal(86_400_000)),
    "order_expiry_ms": Ceiling(Decimal(500), Decimal(5_000)),
    "doubt_margin_ms": Ceiling(Decimal(500), Decimal(60_000)),
    "doubt_query_interval_ms": Ceiling(Decimal(100), Decimal(1_000)),
    "report_interval_ms": Ceiling(Decimal(1_000), Decimal(9_000)),
    "decision_interval_ms": Ceiling(Decimal(1), Decimal(1_000)),
    "decision_beat_ms": Ceiling(Decimal(100), Decimal(1_000)),
    "funding_half_life_ms": Ceiling(Decimal(1_000), Decimal(30 * 86_400_000)),
    "funding_flip_exit": Ceiling(Decimal("-5"), Decimal("0.5")),
    "funding_flip_enter": Ceiling(Decimal("-5"), Decimal("0.5")),
    "funding_dwell_ms": Ceiling(Decimal(1_000), Decimal(30 * 86_400_000)),
    "funding_age_max_ms": Ceiling(Decimal(60_000), Decimal(3 * 86_400_000)),
    "funding_trip_annual": Ceiling(Decimal(-5), Decimal("-0.05")),
    "funding_trip_half_life_ms": Ceiling(Decimal(1_000), Decimal(7 * 86_400_000)),
    "clock_offset_max_ms": Ceiling(Decimal(50), Decimal(1_000)),
    "rebalance_band_hard": Ceiling(Decimal("0.00001"), Decimal("0.05")),
    "netting_window_ms": Ceiling(ZERO, Decimal(60_000)),
    "risk_aversion": Ceiling(Decimal("1e-12"), Decimal(1)),
    "volatility_annual": Ceiling(Decimal("0.05"), Decimal(3)),
    "order_cost_usd": Ceiling(ZERO, Decimal(1_000)),
    "flow_half_life_ms": Ceiling(Decimal(1_000), Decimal(30 * 86_400_000)),
    "instrument_notional_max": Ceiling(Decimal(100), Decimal(5_000_000_000)),
    "open_interest_share_max": Ceiling(Decimal("0.0001"), Decimal("0.25")),
    "open_interest_share_total_max": Ceiling(Decimal("0.0001"), Decimal("0.25")),
    "open_interest_min": Ceiling(ZERO, Decimal(100_000_000_000)),
    "touch_notional_min": Ceiling(Decimal(1), Decimal(100_000_000)),
    "spread_max": Ceiling(Decimal("0.00001"), Decimal("0.05")),
    "collateral_share_max": Ceiling(Decimal("0.05"), ONE),
    "margin_buffer_target": Ceiling(Decimal("0.1"), Decimal(5)),
    "margin_buffer_min": Ceiling(Decimal("0.05"), Decimal(5)),
    "inverse_buffer_target": Ceiling(Decimal("0.1"), Decimal(5)),
    "inverse_buffer_min": Ceiling(Decimal("0.05"), Decimal(5)),
    "liquidation_distance_target": Ceiling(Decimal("0.05"), Decimal(5)),
    "liquidation_distance_min": Ceiling(Decimal("0.03"), Decimal(5)),
    "notional_rate_max": Ceiling(Decimal(10), Decimal(500_000_000)),
    "message_rate_max": Ceiling(Decimal(5), Decimal(3_000)),
    "duplicate_window_ms": Ceiling(Decimal(50), Decimal(60_000)),
    "repeated_executions_max": Ceiling(Decimal(2), Decimal(200)),
    "doubt_notional_max": Ceiling(Decimal(10), Decimal(50_000_000)),
    "reference_age_max_ms": Ceiling(Decimal(1_000), Decimal(3_600_000)),
    "stablecoin_depeg_warn": Ceiling(Decimal("0.0001"), Decimal("0.05")),
    "stablecoin_depeg_max": Ceiling(Decimal("0.0005"), Decimal("0.1")),
    "staked_depeg_warn": Ceiling(Decimal("0.0001"), Decimal("0.1")),
    "staked_depeg_max": Ceiling(Decimal("0.0005"), Decimal("0.2")),
    "unsettled_profit_max": Ceiling(Decimal("0.0001"), Decimal("0.2")),
    "exposure_at_risk_max": Ceiling(Decimal("0.0001"), Decimal("0.5")),
    "settlement_volatility": Ceiling(Decimal("0.05"), Decimal(5)),
    "settlement_interval_max_ms": Ceiling(Decimal(60_000), Decimal(7 * 86_400_000)),
    "settlement_delay_max_ms": Ceiling(Decimal(1_000), Decimal(86_400_000)),
    "settle_exposure_max": Ceiling(Decimal("0.05"), ONE),
    "reserve_fund_usd": Ceiling(ZERO, Decimal(100_000_000_000)),
    "reserve_need_rate": Ceiling(Decimal("0.001"), ONE),
    "reserve_coverage_min": Ceiling(Decimal("0.1"), Decimal(10)),
    "deleveraging_rank_max": Ceiling(Decimal("0.2"), ONE),
    "quiet_period_ms": Ceiling(Decimal(1_000), Decimal(86_400_000)),
    "switch_payback_ms": Ceiling(Decimal(1_000), Decimal(90 * 86_400_000)),
    "carry_gap_half_life_ms": Ceiling(Decimal(1_000), Decimal(365 * 86_400_000)),
    "switch_dwell_ms": Ceiling(Decimal(1_000), Decimal(30 * 86_400_000)),
    "reallocation_interval_ms": Ceiling(Decimal(500), Decimal(3_600_000)),
    "impact_cost": Ceiling(ZERO, Decimal("0.02")),
    "risk_free_rate": Ceiling(Decimal("-0.05"), Decimal("0.5")),
    "stable_band_exit": Ceiling(ZERO, Decimal("0.5")),
    "stable_band_enter": Ceiling(ZERO, Decimal("0.5")),
    "stable_dwell_ms": Ceiling(Decimal(1_000), Decimal(90 * 86_400_000)),
    "passive_deadline_ms": Ceiling(ZERO, Decimal(300_000)),
    "passive_reprice_ms": Ceiling(Decimal(100), Decimal(60_000)),
    "passive_attempts_max": Ceiling(ZERO, Decimal(50)),
    "slice_depth_multiple": Ceiling(Decimal("0.1"), Decimal(1_000)),
    "participation_max": Ceiling(Decimal("0.001"), ONE),
}
