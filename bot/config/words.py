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
    return [*_hedge(policy), *_caps(policy), *_orders(policy), *_knowledge(policy), *_funding(policy)]


def _hedge(policy: Policy) -> list[str]:
    assets = ", ".join(f"{held} as {hedge}" if held != hedge else held for held, hedge in sorted(policy.collateral_assets.items()))
    return [
        f"Hedge {assets or 'nothing'} with {len(policy.instruments)} perpetuals: {', '.join(sorted(policy.instruments)) or 'none'}.",
        (
            f"Leave a net delta alone while it is within {percent(policy.rebalance_band)} of an asset's collateral"
            f" or below {plain(policy.rebalance_notional_min)} USD; beyond that, trade it back to zero."
        ),
        (
            f"Decide at once after news, {duration(policy.decision_interval_ms)} apart at the least,"
            f" and every {duration(policy.decision_beat_ms)} at the latest."
        ),
    ]


def _caps(policy: Policy) -> list[str]:
    return [
        (
            f"Give no venue more than {percent(policy.venue_share_max)} of the required hedge; when prices carry one there, move its hedges"
            f" only once it is beyond that by {percent(policy.venue_share_drift)} of the cap."
        ),
        (
            f"Increase nothing at a venue whose maintenance margin is, or would be, above {percent(policy.margin_ratio_max)}"
            f" of its margin balance, or whose notional would pass {plain(policy.leverage_max)} times that balance."
        ),
        f"Move nothing from venue to venue that is worth less than {plain(policy.venue_move_notional_min)} USD.",
        f"Keep all positions and open orders together below {plain(policy.gross_notional_max)} USD.",
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
        f"Let every order request expire at the venue after {duration(policy.order_expiry_ms)}.",
        (
            f"Increase nothing anywhere while more than {policy.orders_in_doubt_max} orders are in doubt; ask about each every"
            f" {duration(policy.doubt_query_interval_ms)}, and take absence for proof only {duration(policy.doubt_margin_ms)}"
            " past its expiry on the venue's own clock."
        ),
    ]


def _knowledge(policy: Policy) -> list[str]:
    return [
        f"Price an increase only on quotes younger than {duration(policy.quote_age_max_ms)}.",
        f"Take collateral as known for {duration(policy.collateral_age_max_ms)} after its source last confirmed it.",
        (
            f"Read each venue in full every {duration(policy.report_interval_ms)}; increase nothing at one that was last read more than"
            f" {duration(policy.report_age_max_ms)} ago."
        ),
        f"Place nothing at a venue whose clock is more than {duration(policy.clock_offset_max_ms)} from ours.",
    ]


def _funding(policy: Policy) -> list[str]:
    return [
        (
            f"Prefer other venues when a venue's funding (smoothed with a half-life of {duration(policy.funding_half_life_ms)}) stays below"
            f" {percent(policy.funding_flip_exit)} a year for {duration(policy.funding_dwell_ms)}, and return above"
            f" {percent(policy.funding_flip_enter)} a year."
        ),
    ]
