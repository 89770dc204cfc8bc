"""Risk: every limit as used over allowed, margin, and concentration."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.grafana.source.panels import GREEN, IS_ZERO, ORANGE, RED, bars, board, figure, lines

USED = ((None, GREEN), (0.9, ORANGE), (1.0, RED))


def risk() -> Dashboard:
    """The dashboard of limits."""
    return board(
        "hedgebot-risk",
        "Risk",
        "Every limit as used over allowed.",
        [
            ("Now", _NOW),
            ("What people set", _SET),
            ("Limits", _LIMITS),
            ("Margin", (*_TO_MOVE, *_MARGIN)),
            ("Concentration", _CONCENTRATION),
        ],
    )


_NOW = (
    figure("Limits that bind", "Subjects on which a limit binds or is broken.", ("sum(hedgebot_breaches)", ""), "none", steps=IS_ZERO),
    figure(
        "Warnings",
        "Subjects on which a limit is near, or of which people are only told.",
        ("sum(hedgebot_limit_warnings)", ""),
        "none",
        steps=((None, GREEN), (1, ORANGE)),
    ),
    figure("Most used", "The limit of which most is used.", ("max(hedgebot_limit_used_ratio)", ""), "percentunit", decimals=0, steps=USED),
    figure("Invariants broken", "Any is a bug.", ("sum(hedgebot_invariants_broken)", ""), "none", steps=IS_ZERO),
    figure(
        "Nearest liquidation",
        "How far all marks of a venue's shorts may rise together.",
        ("min(hedgebot_venue_liquidation_distance_ratio)", ""),
        "percentunit",
        decimals=0,
        steps=((None, RED), (0.2, ORANGE), (0.35, GREEN)),
    ),
    figure(
        "Reserve lasts",
        "How long it pays negative funding, at today's rate.",
        ("min(hedgebot_reserve_runway_seconds)", ""),
        "s",
        none="not paying",
        decimals=0,
        steps=((None, RED), (14 * 86_400, GREEN)),
    ),
)
_SET = (
    figure(
        "Limits overridden",
        "Another limit for a while: how long it still lasts.",
        ("min by (field) (hedgebot_override_remaining_seconds)", "{{field}}"),
        "s",
        steps=((None, ORANGE),),
        names=True,
        none="none",
        decimals=0,
        width=8,
    ),
    figure(
        "Closed on somebody's word",
        "Venues where a person wants nothing held, of one asset or of any.",
        ("max by (venue) (hedgebot_flattening_state) == 1", "{{venue}}"),
        "none",
        steps=((None, ORANGE),),
        named_only=True,
        none="none",
        width=8,
    ),
    figure(
        "In quarantine",
        "Venues whose word a person does not believe.",
        ("max by (venue) (hedgebot_quarantine_state) == 1", "{{venue}}"),
        "none",
        steps=((None, RED),),
        named_only=True,
        none="none",
        width=8,
    ),
)
_LIMITS = (
    bars(
        "Every limit, at its worst subject",
        "Used over allowed; where a least is set, allowed over used. At 100 % it binds.",
        ("sort_desc(max by (limit) (hedgebot_limit_used_ratio))", "{{limit}}"),
        "percentunit",
        steps=USED,
        most=1,
        height=21,
    ),
    bars(
        "Most used, with subject",
        "The twelve of which most is used.",
        ("sort_desc(topk(12, max by (limit, subject) (hedgebot_limit_used_ratio)))", "{{limit}} {{subject}}"),
        "percentunit",
        steps=USED,
        most=1,
        height=10,
    ),
    lines(
        "Limits beyond a half",
        "How the use of a limit came about; beyond 150 % nothing is drawn.",
        ("max by (limit) (hedgebot_limit_used_ratio) > 0.5", "{{limit}}"),
        unit="percentunit",
        steps=USED,
        least=0,
        most=1.5,
        height=11,
    ),
    lines("What binds", "Subjects by limit.", ("sum by (limit) (hedgebot_breaches) > 0", "{{limit}}"), unit="none", stepped=True, least=0),
    lines(
        "What people are told",
        "Subjects by limit: near, or told only.",
        ("sum by (limit) (hedgebot_limit_warnings) > 0", "{{limit}}"),
        unit="none",
        stepped=True,
        least=0,
    ),
)
_MARGIN = (
    lines(
        "Margin balance",
        "What each venue counts as our equity.",
        ("sum by (venue) (hedgebot_margin_balance_usd)", "{{venue}}"),
        unit="currencyUSD",
        least=0,
    ),
    lines(
        "Margin ratio",
        "Maintenance over balance: liquidation at 100 %.",
        ("max by (venue) (hedgebot_margin_ratio)", "{{venue}}"),
        unit="percentunit",
        least=0,
    ),
    lines(
        "Liquidation distance",
        "How far all marks may rise together, by venue; beyond 200 % nothing is drawn.",
        ("min by (venue) (hedgebot_venue_liquidation_distance_ratio)", "{{venue}}"),
        most=2,
        unit="percentunit",
        least=0,
    ),
    lines(
        "Margin buffer",
        "Balance over notional, of the worst pool; beyond 200 % nothing is drawn.",
        ("min by (venue) (hedgebot_margin_buffer_ratio)", "{{venue}}"),
        most=2,
        unit="percentunit",
        least=0,
    ),
)
_TO_MOVE = (
    lines(
        "Margin to be moved",
        "What people are advised to move to each venue; `hedgebot status` says from where. The bot moves none.",
        ("sum by (venue) (hedgebot_recommended_transfer_usd)", "{{venue}}"),
        unit="currencyUSD",
        stepped=True,
        least=0,
    ),
    lines(
        "Required margin",
        "What each venue requires for the positions as they are.",
        ("sum by (venue) (hedgebot_maintenance_margin_usd)", "{{venue}}"),
        unit="currencyUSD",
        least=0,
    ),
)
_CONCENTRATION = (
    lines(
        "Share of the hedge",
        "A venue's notional over all that is to be hedged.",
        ("hedgebot_venue_share_ratio", "{{venue}}"),
        unit="percentunit",
        least=0,
    ),
    lines(
        "Share of open interest",
        "Our notional over the market's.",
        ("hedgebot_open_interest_share_ratio", "{{instrument}}"),
        unit="percentunit",
        least=0,
    ),
    lines(
        "Owed in stablecoins",
        "What venues owe us in each coin, at one dollar.",
        ("sum by (asset) (hedgebot_settle_exposure_usd)", "{{asset}}"),
        unit="currencyUSD",
        least=0,
    ),
    lines(
        "Notional",
        "All positions and orders, and what collateral asks for.",
        ("sum(hedgebot_book_gross_notional_usd)", "gross"),
        ("sum(hedgebot_book_required_notional_usd)", "required"),
        unit="currencyUSD",
        least=0,
    ),
)
