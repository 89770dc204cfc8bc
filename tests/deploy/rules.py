"""The alerting rules as they are deployed, and when each fires: what is healthy, what is a breach, and how far its rule looks back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
RULE_FILES = sorted((DEPLOY / "prometheus" / "rules").glob("*.yml"))

Value = float | str
"""A number; `+n`: as many more each step; `-`: no sample."""


def alerts() -> dict[str, dict[str, Any]]:
    """Every alerting rule by its name."""
    groups = (group for path in RULE_FILES for group in yaml.safe_load(path.read_text())["groups"])
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def seconds(duration: str) -> int:
    """Seconds of a duration of one unit, as these rules have them."""
    told = re.fullmatch(r"(\d+)([smh])", duration)
    assert told is not None, duration
    return int(told[1]) * {"s": 1, "m": 60, "h": 3600}[told[2]]


@dataclass(frozen=True)
class Case:
    """Series while all is well, and those that differ during a breach.

    Seconds: `looks_back` is the longest range in the rule, `step` stands between samples and evaluations.
    """

    healthy: Mapping[str, Value]
    breached: Mapping[str, Value] = field(default_factory=dict)
    looks_back: int = 0
    step: int = 5


def used(limit: str, subject: str = "okx") -> Case:
    """A limit's use, as told by `hedgebot_limit_used_ratio`."""
    return gauge(f'hedgebot_limit_used_ratio{{limit="{limit}",subject="{subject}"}}', 0.5, 1)


def breach(limit: str) -> Case:
    """A limit that binds, beside one of no interest that binds all the time."""
    series = f'hedgebot_breaches{{limit="{limit}"}}'
    return Case({series: 0, 'hedgebot_breaches{limit="order_rate"}': 1}, {series: 1})


def gauge(series: str, healthy: Value, breached: Value, **more: int) -> Case:
    """One series."""
    return Case({series: healthy}, {series: breached}, **more)


UP = 'up{job="hedgebot",instance="a"}'
BAND = 'hedgebot_in_band_state{asset="BTC"}'
SHARE = 'hedgebot_limit_used_ratio{limit="venue_share",subject="okx"}'
FILLED, PAID = "hedgebot_filled_notional_usd_total", "hedgebot_slippage_paid_usd"
REFUSED = 'hedgebot_orders_total{outcome="refused"}'
BUCKET = "hedgebot_journal_append_seconds_bucket"
WAITING, APPENDS = "hedgebot_journal_waiting_entries", "hedgebot_journal_append_seconds_count"
LEADS, FOLLOWS = 'hedgebot_lease_held{member="a",instance="a"}', 'hedgebot_lease_held{member="b",instance="b"}'
STATE = 'hedgebot_trading_state{state="active",job="hedgebot"}'
HALTED = 'hedgebot_trading_state{state="halted"}'
DECISIONS = 'hedgebot_decision_seconds_count{instance="a"}'
OFF_NEUTRAL, WATCHES = 'hedgebot_breaches{limit="net_delta"}', "hedgebot_observing_state"
OWED = 'hedgebot_limit_used_ratio{limit="unsettled_profit",subject="okx"}'
OWES_TOO_MUCH = 'hedgebot_breaches{limit="unsettled_profit"}'

CASES: dict[str, Case] = {
    "HedgebotHalted": Case({HALTED: 0, "hedgebot_stopping_state": 0}, {HALTED: 1}),
    "HedgebotReducing": gauge('hedgebot_trading_state{state="reducing"}', 0, 1),
    "HedgebotInvariantBroken": gauge("hedgebot_invariants_broken", 0, 1),
    "HedgebotNetDelta": Case({OFF_NEUTRAL: 0, WATCHES: 0}, {OFF_NEUTRAL: 1}),
    "HedgebotObserving": gauge(WATCHES, 0, 1, step=60),
    "HedgebotNotReady": gauge("hedgebot_ready_state", 1, 0),
    "HedgebotCollateralStale": breach("collateral_age"),
    "HedgebotOldDoubt": gauge("hedgebot_oldest_doubt_seconds", "-", 61),
    "HedgebotManyDoubts": breach("doubt_notional"),
    "HedgebotExposureLimit": Case({SHARE: 1, BAND: 1}, {BAND: 0}),
    "HedgebotCollateralTotal": breach("collateral_total"),
    "HedgebotClaimNotTaken": gauge('hedgebot_claims{state="held"}', 2, 3, step=60),
    "HedgebotMessagesRefused": gauge('hedgebot_refused_messages_total{source="backend"}', "+0", "+1", looks_back=900, step=60),
    "HedgebotTransferAdvised": gauge('hedgebot_recommended_transfer_usd{venue="okx"}', 0, 6_000, step=60),
    "HedgebotFundingPaid": gauge("hedgebot_book_funding_annual_ratio", 0.1, -0.02, step=60),
    "HedgebotReserveShort": gauge("hedgebot_reserve_runway_seconds", "-", 86_400, step=60),
    "HedgebotFundingDiffers": gauge('hedgebot_funding_difference_units{venue="okx",instrument="i",asset="USDT"}', 0, -0.5, step=60),
    "HedgebotDepeg": used("stablecoin_depeg", "USDT"),
    "HedgebotSlippage": Case({FILLED: "+10000", PAID: "+0.5"}, {PAID: "+30"}, looks_back=3600, step=60),
    "HedgebotVenueHalted": gauge('hedgebot_venue_trading_state{venue="okx",state="halted"}', 0, 1),
    "HedgebotVenueReducing": gauge('hedgebot_venue_trading_state{venue="okx",state="reducing"}', 0, 1),
    "HedgebotNoVenueHeard": gauge('hedgebot_venue_link_state{venue="okx",state="up"}', 1, 0),
    "HedgebotVenueSilent": gauge('hedgebot_venue_link_state{venue="okx",state="up"}', 1, 0),
    "HedgebotVenueUnreconciled": gauge('hedgebot_venue_reconciled_state{venue="okx"}', 1, 0),
    "HedgebotStrangeActivity": breach("unexplained_position"),
    "HedgebotDeleveraged": breach("auto_deleveraging"),
    "HedgebotMarginLow": gauge('hedgebot_margin_ratio{venue="okx"}', 0.3, 0.8),
    "HedgebotMarginUnknown": breach("margin_unknown"),
    "HedgebotSettlementFailed": breach("settlement"),
    "HedgebotVenueOwes": Case({OWED: 0.9, OWES_TOO_MUCH: 0}, {OWED: 1.2, OWES_TOO_MUCH: 1}),
    "HedgebotQuotesStale": breach("quote_age"),
    "HedgebotClockOff": used("clock_offset"),
    "HedgebotToldToStayAway": gauge('hedgebot_stay_away_total{venue="okx"}', "+0", "+1", looks_back=600, step=60),
    "HedgebotRequestBudgetLow": gauge('hedgebot_request_budget_ratio{venue="okx",budget="orders"}', 0.5, 0.05),
    "HedgebotDeadManSwitchOff": gauge('hedgebot_dead_man_switch_armed{venue="okx"}', 1, 0),
    "HedgebotOrdersFail": Case({'hedgebot_orders_total{outcome="filled"}': "+1", REFUSED: "+0"}, {REFUSED: "+3"}, looks_back=600, step=60),
    "HedgebotRepeatedExecution": breach("repeated_execution"),
    "HedgebotGone": gauge(UP, 1, 0),
    "HedgebotInstanceGone": gauge(UP, 1, 0),
    "HedgebotSilent": Case({UP: 1, STATE: 1}, {STATE: "-"}),
    "HedgebotNotDeciding": Case({DECISIONS: "+1", 'hedgebot_ready_state{instance="a"}': 1}, {DECISIONS: "+0"}, looks_back=30),
    "HedgebotRestarting": gauge("hedgebot_started_timestamp_seconds", "+0", "+60", looks_back=900, step=60),
    "HedgebotLoopLag": gauge("hedgebot_loop_lag_seconds", 0.01, 2, looks_back=10),
    "HedgebotJournalStuck": Case({WAITING: 0, APPENDS: "+1"}, {WAITING: 7, APPENDS: "+0"}, looks_back=30),
    "HedgebotJournalDoubt": breach("journal_doubt"),
    "HedgebotJournalSlow": Case(
        {f'{BUCKET}{{le="0.1"}}': "+10", f'{BUCKET}{{le="1"}}': "+10", f'{BUCKET}{{le="+Inf"}}': "+10"},
        {f'{BUCKET}{{le="0.1"}}': "+0"},
        looks_back=300,
        step=60,
    ),
    "HedgebotJournalTailCut": gauge("hedgebot_journal_quarantined_tails", 0, 1),
    "HedgebotNobodyLeads": Case({LEADS: 1, FOLLOWS: 0}, {LEADS: 0}),
    "HedgebotTwoLead": Case({LEADS: 1, FOLLOWS: 0}, {FOLLOWS: 1}),
    "HedgebotNoStandby": Case({LEADS: 1, FOLLOWS: 0}, {FOLLOWS: "-"}),
}
QUIET: dict[str, tuple[str, Case]] = {
    "a run that ends in order wakes nobody": (
        "HedgebotHalted",
        Case({HALTED: 0, "hedgebot_stopping_state": 0}, {HALTED: 1, "hedgebot_stopping_state": 1}),
    ),
    "a used-up limit wakes nobody while the book is neutral": ("HedgebotExposureLimit", Case({SHARE: 0.5, BAND: 1}, {SHARE: 1.1})),
    "a run that only watches wakes nobody for a book that it does not hedge": (
        "HedgebotNetDelta",
        Case({OFF_NEUTRAL: 0, WATCHES: 1}, {OFF_NEUTRAL: 1}),
    ),
    "orders that a run does not send because it only watches wake nobody": (
        "HedgebotOrdersFail",
        Case({REFUSED: "+0", WATCHES: 1}, {REFUSED: "+3"}, looks_back=600, step=60),
    ),
    "a claim that has been held for long is told no more": (
        "HedgebotClaimNotTaken",
        gauge('hedgebot_claims{state="overdue"}', 2, 3, looks_back=1800, step=60),
    ),
    "profit that a venue owes where nothing is delegated is told only": (
        "HedgebotVenueOwes",
        Case({OWED: 0.9, OWES_TOO_MUCH: 0}, {OWED: 2}),
    ),
    "few refusals wake nobody": ("HedgebotOrdersFail", Case({REFUSED: "+0"}, {REFUSED: 3}, looks_back=600, step=60)),
}
"""What must not fire, and on what."""
ALWAYS_ON = "HedgebotMonitoringAlive"
"""It proves that alerting works and never resolves."""
