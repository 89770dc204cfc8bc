"""The policy in plain sentences with units, so that a person reads what was decided rather than a table of numbers."""

from __future__ import annotations

from decimal import Decimal

from bot.config.policy_section import plain
from bot.core.policy import Policy

_SECOND_MS = 1_000
_HOUR_MS = 3_600_000


def percent(fraction: Decimal) -> str:
    """A fraction as a percentage, for reading only: 0.35 is `35 %`."""
    return f"{plain(fraction * 100)} %"


def duration(milliseconds: int) -> str:
    """A length of time in its largest unit that keeps it readable."""
    if milliseconds < _SECOND_MS:
        return f"{milliseconds} ms"
    if milliseconds < _HOUR_MS:
        return f"{plain(Decimal(milliseconds) / _SECOND_MS)} s"
    return f"{plain(Decimal(milliseconds) / _HOUR_MS)} h"


def policy_in_words(policy: Policy) -> list[str]:
    """One sentence per decision that the operator made, limits with their units."""
    groups = (_hedge, _caps, _margins, _eligibility, _orders, _working, _knowledge, _pegs, _states, _funding, _carry)
    return [sentence for group in groups for sentence in group(policy)]


def _hedge(policy: Policy) -> list[str]:
    assets = ", ".join(f"{held} as {hedge}" if held != hedge else held for held, hedge in sorted(policy.collateral_assets.items()))
    return [
        f"Hedge {assets or 'nothing'} with {len(policy.instruments)} perpetuals: {', '.join(sorted(policy.instruments)) or 'none'}.",
        (
            f"Leave a net delta alone while it is within {percent(policy.rebalance_band)} of an asset's collateral"
            f" or below {plain(policy.rebalance_notional_min)} USD. Beyond"
            f" {percent(policy.rebalance_band_hard)} correct it at once; between"
            f" the two wait {duration(policy.netting_window_ms)} for flow that cancels it."
        ),
        (
            f"Narrow the band to what costs least, at a volatility of {percent(policy.volatility_annual)} a year, an aversion of"
            f" {policy.risk_aversion.normalize():f} per USD, {plain(policy.order_cost_usd)} USD an order, and"
            f" the variance of collateral flow"
            f" with a half-life of {duration(policy.flow_half_life_ms)}."
        ),
        (
            f"Decide at once after news, {duration(policy.decision_interval_ms)} apart at the least,"
            f" and every {duration(policy.decision_beat_ms)} at the latest."
        ),
    ]


def _caps(policy: Policy) -> list[str]:
    return [
        (
            f"Give no venue more than {percent(policy.venue_share_max)} of the required hedge; when prices"
            f" carry one there, move its hedges"
            f" only once it is beyond that by {percent(policy.venue_share_drift)} of the cap."
        ),
        (
            f"Increase nothing at a venue whose maintenance margin is, or would be, above {percent(policy.margin_ratio_max)}"
            f" of its margin balance, or whose notional would pass {plain(policy.leverage_max)} times that balance."
        ),
        f"Move nothing from venue to venue that is worth less than {plain(policy.venue_move_notional_min)} USD.",
        f"Keep all positions and open orders together below {plain(policy.gross_notional_max)} USD.",
        f"Keep one instrument's below {plain(policy.instrument_notional_max)} USD.",
        (
            f"Be at most {percent(policy.open_interest_share_max)} of an instrument's open interest, and at most"
            f" {percent(policy.open_interest_share_total_max)} of an asset's over all venues."
        ),
        (
            f"Keep at most {percent(policy.collateral_share_max)} of all that the book owns at one venue, and at most"
            f" {percent(policy.settle_exposure_max)} of it in one stablecoin, or in those of one issuer{_issuers(policy)}."
        ),
        f"Let at most {percent(policy.unsettled_profit_max)} of all that the book owns stand as unsettled profit at one venue.",
        (
            f"Let at most {percent(policy.exposure_at_risk_max)} of it come to be owed by a venue that a custodian mirrors until the next"
            f" settlement (untold: {duration(policy.settlement_interval_max_ms)}), 99 times in 100 at a volatility of"
            f" {percent(policy.settlement_volatility)}, and increase nothing there while one went wrong or is"
            f" {duration(policy.settlement_delay_max_ms)} late."
        ),
    ]


def _issuers(policy: Policy) -> str:
    """The issuers that are named, with their coins and limits."""
    coins = {name: ", ".join(sorted(c for c, of in policy.issuers.items() if of == name)) for name in sorted(set(policy.issuers.values()))}
    most = {name: f", at most {plain(usd)} USD" for name, usd in policy.issuer_exposure_max.items()}
    told = "; ".join(f"{name}: {coins[name]}{most.get(name, '')}" for name in coins)
    return f" ({told})" if told else ""


def _margins(policy: Policy) -> list[str]:
    return [
        (
            f"Increase a linear account only while its margin balance is {percent(policy.margin_buffer_target)} of its notional, and move"
            f" hedges away below {percent(policy.margin_buffer_min)}; a coin-margined one from {percent(policy.inverse_buffer_target)},"
            f" and below {percent(policy.inverse_buffer_min)}."
        ),
        (
            f"Keep liquidation {percent(policy.liquidation_distance_target)} of the mark away when"
            f" increasing, and reduce a venue where it is"
            f" nearer than {percent(policy.liquidation_distance_min)}."
        ),
    ]


def _eligibility(policy: Policy) -> list[str]:
    return [
        (
            f"Increase only instruments with an open interest of {plain(policy.open_interest_min)} USD or more,"
            f" {plain(policy.touch_notional_min)} USD or more shown at the touch, and a spread of"
            f" {percent(policy.spread_max)} or less; those that rank {percent(policy.deleveraging_rank_max)}"
            f" or higher in the venue's queue of"
            " auto-deleveraging only as a last resort."
        ),
    ]


def _orders(policy: Policy) -> list[str]:
    return [
        (
            f"Send orders of at most {plain(policy.order_notional_max)} USD, and at most {policy.order_rate_max} per venue"
            f" within {duration(policy.order_rate_window_ms)}."
        ),
        (
            f"Price an order up to {percent(policy.slippage_max)} through the touch and never more than {percent(policy.price_collar)}"
            f" from mark, and only while mark and a second source agree within {percent(policy.reference_deviation_max)}."
        ),
        (
            f"After an order that was refused or filled nothing, leave its instrument alone for"
            f" {duration(policy.order_retry_pause_ms)}, longer each time."
        ),
        (
            f"After a venue deleveraged or liquidated us in an instrument, use it only as a last resort for"
            f" {duration(policy.deleveraging_rest_ms)}."
        ),
        (
            f"Place orders of at most {plain(policy.notional_rate_max)} USD together and send at most"
            f" {policy.message_rate_max} messages of any"
            f" kind per venue within that window, and never the same order twice within {duration(policy.duplicate_window_ms)}."
        ),
        (
            f"Halt an instrument after {policy.repeated_executions_max} executions without a change of its target, until a named operator"
            " resumes it."
        ),
        f"Let every order request expire at the venue after {duration(policy.order_expiry_ms)}.",
        (
            f"Increase nothing anywhere while more than {policy.orders_in_doubt_max} orders or"
            f" {plain(policy.doubt_notional_max)} USD are in doubt; ask about each every"
            f" {duration(policy.doubt_query_interval_ms)}, and take absence for proof only {duration(policy.doubt_margin_ms)}"
            " past its expiry on the venue's own clock."
        ),
    ]


def _working(policy: Policy) -> list[str]:
    return [
        (
            f"Work what is not urgent with post-only orders, placed anew every {duration(policy.passive_reprice_ms)}, at most"
            f" {policy.passive_attempts_max} times within {duration(policy.passive_deadline_ms)}; then take it."
        ),
        (
            f"Let one order be at most {plain(policy.slice_depth_multiple)} times what is shown at the touch,"
            f" and an instrument's orders of a"
            f" minute {percent(policy.participation_max)} of its volume."
        ),
    ]


def _pegs(policy: Policy) -> list[str]:
    return [
        (
            f"Tell when a stablecoin is {percent(policy.stablecoin_depeg_warn)} below a dollar, and increase"
            f" nothing that settles in it from"
            f" {percent(policy.stablecoin_depeg_max)} on; tell when a staked token is"
            f" {percent(policy.staked_depeg_warn)} below its redemption"
            f" rate, and refuse new deployment from {percent(policy.staked_depeg_max)} on. Such prices count for"
            f" {duration(policy.reference_age_max_ms)}."
        ),
        (
            f"The reserve is {plain(policy.reserve_fund_usd)} USD; {percent(policy.reserve_need_rate)} of the"
            f" short is needed, and people are"
            f" told when it covers less than {plain(policy.reserve_coverage_min)} times that."
        ),
    ]


def _states(policy: Policy) -> list[str]:
    return [f"Leave a state that a quiet period ends after {duration(policy.quiet_period_ms)} without its cause."]


def _knowledge(policy: Policy) -> list[str]:
    return [
        f"Price an increase only on quotes younger than {duration(policy.quote_age_max_ms)}.",
        (
            f"Take collateral as known for {duration(policy.collateral_age_max_ms)} after its source last confirmed it; of one that is"
            f" silent for longer the last total counts, {percent(policy.collateral_drift_per_day)} a day of its silence less or more, and"
            " nothing is traded on what it would change."
        ),
        (
            f"Take a redemption rate as known for {duration(policy.rate_age_max_ms)} after it was last told; of an older one"
            f" {percent(policy.rate_drift_per_day)} a day less or more."
        ),
        (
            f"Read each venue in full every {duration(policy.report_interval_ms)}; increase nothing at one that was last read more than"
            f" {duration(policy.report_age_max_ms)} ago."
        ),
        f"Place nothing at a venue whose clock is more than {duration(policy.clock_offset_max_ms)} from ours.",
    ]


def _funding(policy: Policy) -> list[str]:
    return [
        (
            f"Prefer other venues when a venue's funding (smoothed with a half-life of"
            f" {duration(policy.funding_half_life_ms)}) stays below"
            f" {percent(policy.funding_flip_exit)} a year for {duration(policy.funding_dwell_ms)}, and return above"
            f" {percent(policy.funding_flip_enter)} a year."
        ),
        (
            f"Do so at once when its mean over about a day (half-life {duration(policy.funding_trip_half_life_ms)}) is below"
            f" {percent(policy.funding_trip_annual)} a year. Take a rate as unknown when it was last read more than"
            f" {duration(policy.funding_age_max_ms)} ago."
        ),
    ]


def _carry(policy: Policy) -> list[str]:
    return [
        (
            f"Change a venue for better funding only when that pays for fees, spreads and {percent(policy.impact_cost)} of impact within"
            f" {duration(policy.switch_payback_ms)}, taking the difference to halve every {duration(policy.carry_gap_half_life_ms)};"
            f" at most once in {duration(policy.switch_dwell_ms)} per asset, looked at every {duration(policy.reallocation_interval_ms)}."
        ),
        (
            f"Stables earn {percent(policy.risk_free_rate)} a year: refuse new deployment when an asset's funding is"
            f" {percent(policy.stable_band_exit)} below that, welcome it again"
            f" {percent(policy.stable_band_enter)} above, and turn at most once"
            f" in {duration(policy.stable_dwell_ms)}. What is held stays hedged."
        ),
    ]
