"""Venues and execution: who is heard, how fast, and what becomes of orders."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.grafana.source.panels import (
    BPS,
    GREEN,
    IS_ZERO,
    ORANGE,
    RED,
    TRADING,
    States,
    bars,
    board,
    figure,
    lines,
    quantile,
    state_number,
)

LINK: States = {0: ("up", GREEN), 1: ("stale", ORANGE), 2: ("down", RED)}
LINKS = state_number("hedgebot_venue_link_state", ("up", "stale", "down"), " by (venue)")
TRADES = state_number("hedgebot_venue_trading_state", ("active", "reducing", "halted"), " by (venue)")
RECONCILED: States = {1: ("agrees", GREEN), 0: ("does not agree", RED)}
FEES_BPS = "10000 * sum(hedgebot_fees_paid_usd) / (sum(hedgebot_filled_notional_usd_total) > 0)"


def venues() -> Dashboard:
    """The dashboard of links, answers and orders."""
    return board(
        "hedgebot-venues",
        "Venues and execution",
        "Who is heard, how fast, and what becomes of orders.",
        [("Now", (*_NOW, *_NOW_TOO)), ("Heard?", _HEARD), ("Answers", _ANSWERS), ("Orders", _ORDERS)],
    )


_NOW = (
    figure("Links", "Whether each venue's streams are heard.", (LINKS, "{{venue}}"), "none", states=LINK, names=True, width=8),
    figure(
        "Trading states",
        "Each venue by its own causes.",
        (TRADES, "{{venue}}"),
        "none",
        states=TRADING,
        names=True,
        width=8,
    ),
    figure(
        "In doubt",
        "Orders of which neither acceptance nor refusal is proven.",
        ("sum(hedgebot_orders_in_doubt)", ""),
        "none",
        steps=IS_ZERO,
    ),
    figure(
        "Slippage",
        "Cost of all fills against arrival mid.",
        ("max(hedgebot_slippage_paid_bps)", ""),
        BPS,
        decimals=2,
        steps=((None, GREEN), (5, ORANGE), (10, RED)),
    ),
)
_NOW_TOO = (
    figure(
        "Reconciled",
        "Whether each venue was read in full and agrees with the record.",
        ("min by (venue) (hedgebot_venue_reconciled_state)", "{{venue}}"),
        "none",
        states=RECONCILED,
        names=True,
        width=16,
    ),
    figure(
        "Told to stay away",
        "By how many venues in the last hour: too many requests, or a ban.",
        ("count(increase(hedgebot_stay_away_total[1h]) > 0)", ""),
        "none",
        steps=IS_ZERO,
        none="by none",
        width=8,
    ),
)
_HEARD = (
    lines("Links", "0 up, 1 stale, 2 down.", (LINKS, "{{venue}}"), unit="none", stepped=True, least=0),
    lines(
        "Quote age", "Since the touch of each instrument last arrived.", ("hedgebot_quote_age_seconds", "{{instrument}}"), unit="s", least=0
    ),
    lines(
        "Stream delay",
        "How much later books arrive than the venue says it spoke: 95 of 100 are no later.",
        (quantile(0.95, "hedgebot_stream_delay_seconds", "venue"), "{{venue}}"),
        unit="s",
        least=0,
    ),
    lines("Read in full", "Since each venue was last read in full.", ("hedgebot_venue_report_age_seconds", "{{venue}}"), unit="s", least=0),
    lines("Clock offset", "Each venue's clock less ours.", ("hedgebot_venue_clock_offset_seconds", "{{venue}}"), unit="s"),
    lines(
        "Breaks",
        "Differences between record and venues, by cause, over the life of the journal.",
        ("sum by (cause) (hedgebot_breaks_total)", "{{cause}}"),
        unit="none",
        stepped=True,
        least=0,
    ),
)
_ANSWERS = (
    lines(
        "Answers to requests",
        "From the wire to the head of the answer: 95 of 100 are no slower.",
        (quantile(0.95, "hedgebot_request_seconds", "venue"), "{{venue}}"),
        unit="s",
        least=0,
    ),
    lines(
        "Requests",
        "Answered, by venue.",
        ("sum by (venue) (rate(hedgebot_request_seconds_count[$__rate_interval]))", "{{venue}}"),
        unit="reqps",
        least=0,
    ),
    bars(
        "Request budget left",
        "Unused part of each venue's scarcest budget.",
        ("min by (venue) (hedgebot_request_budget_ratio)", "{{venue}}"),
        "percentunit",
        steps=((None, RED), (0.1, ORANGE), (0.3, GREEN)),
        most=1,
    ),
    lines(
        "Request budget",
        "The same, as it went.",
        ("min by (venue) (hedgebot_request_budget_ratio)", "{{venue}}"),
        unit="percentunit",
        least=0,
    ),
)
_ORDERS = (
    lines(
        "Orders by outcome",
        "How they ended, over the life of the journal.",
        ("sum by (outcome) (hedgebot_orders_total)", "{{outcome}}"),
        unit="none",
        stepped=True,
        least=0,
    ),
    lines(
        "Working and in doubt",
        "By venue.",
        ("sum by (venue) (hedgebot_venue_orders_working)", "{{venue}} working"),
        ("sum by (venue) (hedgebot_venue_orders_in_doubt) > 0", "{{venue}} in doubt"),
        unit="none",
        stepped=True,
        least=0,
    ),
    lines(
        "Oldest doubt",
        "Its age; zero while there is none.",
        ("max(hedgebot_oldest_doubt_seconds) or (sum(hedgebot_orders_in_doubt) == 0)", "age"),
        unit="s",
        least=0,
    ),
    lines(
        "Traded",
        "Value of all fills, over the life of the journal.",
        ("sum(hedgebot_filled_notional_usd_total)", "traded"),
        unit="currencyUSD",
        stepped=True,
        least=0,
    ),
    lines(
        "Cost of trading",
        "Over the value traded, over the life of the journal.",
        ("max(hedgebot_slippage_paid_bps)", "slippage"),
        (FEES_BPS, "fees"),
        unit=BPS,
    ),
    figure(
        "Dead man's switch",
        "Whether the venue would cancel our orders if it never heard from us again.",
        ("min by (venue) (hedgebot_dead_man_switch_armed)", "{{venue}}"),
        "none",
        states={1: ("armed", GREEN), 0: ("not armed", ORANGE)},
        names=True,
        width=12,
        height=8,
    ),
)
