"""Book: is it neutral, and what does it earn?"""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.grafana.source.panels import BLUE, BPS, GREEN, IS_ZERO, ORANGE, RED, TRADING, States, board, figure, lines, state_number

STATE = state_number("hedgebot_trading_state", ("active", "reducing", "halted"))
DEPLOYMENT: States = {0: ("welcome", GREEN), 1: ("refused", ORANGE), 2: ("unknown", BLUE)}
SETTLEMENTS: States = {
    0: ("idle", GREEN),
    1: ("frozen", BLUE),
    2: ("calculating", BLUE),
    3: ("settling", BLUE),
    4: ("completed", GREEN),
    5: ("partial", ORANGE),
    6: ("failed", RED),
    7: ("excluded", ORANGE),
}
MOVES: States = {0: ("free", GREEN), 1: ("frozen", BLUE), 2: ("disputed", RED), 3: ("disputed", RED)}
ON_THE_WAY = 'hedgebot_collateral_state_units{state=~"pending|leaving|held_back"}'
MIRRORED = " by (custodian, venue, asset)"
WHICH = "{{asset}} at {{venue}} by {{custodian}}"
NEUTRAL: States = {1: ("neutral", GREEN), 0: ("not neutral", RED)}
FUNDING = "(sum(hedgebot_funding_received_usd) or 0 * sum(hedgebot_fees_paid_usd))"
"""Nothing was received before the first settlement: venues without one have no sample."""
EARNED = f"{FUNDING} - sum(hedgebot_fees_paid_usd) - sum(hedgebot_slippage_paid_usd)"


def _held(asset: str) -> str:
    """PromQL for what is to be hedged of an asset: the middle of its collateral, and its coins in accounts at venues."""
    return (
        f'avg(hedgebot_hedgeable_collateral_units{{asset="{asset}"}}) + (max(hedgebot_coin_equity_units{{asset="{asset}"}}) or vector(0))'
    )


def _short(asset: str) -> str:
    """PromQL for the middle of all positions in an asset, shorts above zero."""
    return f'-sum(avg without (bound) (hedgebot_position_units{{asset="{asset}"}}))'


def book() -> Dashboard:
    """The dashboard that is looked at first."""
    rows = [("Now", _NOW), ("Neutral?", _NEUTRAL), ("Earning?", _EARNING), ("Collateral", _COLLATERAL), (CUSTODY_ROW, _CUSTODY)]
    return board("hedgebot-book", "Book", "Is it neutral? What does it earn?", rows)


CUSTODY_ROW = "Custodians"


_NOW = (
    figure(
        "Trading state",
        "ACTIVE hedges, REDUCING only reduces, HALTED does nothing; a run that only watches sends nothing.",
        (f"3 * (max(hedgebot_observing_state) == 1) or ({STATE})", ""),
        "none",
        states=TRADING,
    ),
    figure(
        "Neutral",
        "Whether the worse end of net delta is inside the band.",
        ("min by (asset) (hedgebot_in_band_state)", "{{asset}}"),
        "none",
        states=NEUTRAL,
        names=True,
    ),
    figure(
        "Net delta, worse end",
        "Farthest from zero that it may be, doubts counted, over the asset's collateral.",
        ("max by (asset) (abs(hedgebot_net_delta_bps))", "{{asset}}"),
        BPS,
        names=True,
        decimals=1,
        steps=((None, GREEN), (5, ORANGE), (25, RED)),
    ),
    figure(
        "Hedge ratio",
        "Short over collateral.",
        ("avg by (asset) (hedgebot_hedge_ratio)", "{{asset}}"),
        "percentunit",
        names=True,
        decimals=2,
        steps=((None, RED), (0.995, ORANGE), (0.9995, GREEN), (1.0005, ORANGE), (1.005, RED)),
    ),
    figure("Collateral", "Valued at mark.", ("sum(hedgebot_collateral_usd)", ""), "currencyUSD", decimals=2),
    figure(
        "Earned",
        "Funding less fees and slippage, over the life of the journal.",
        (EARNED, ""),
        "currencyUSD",
        decimals=2,
        steps=((None, RED), (0, GREEN)),
    ),
)
_NEUTRAL = (
    lines(
        "Net delta by asset",
        "Both ends of what is known: apart while a request is in doubt, else one line.",
        ("hedgebot_net_delta_bps", "{{asset}} {{bound}}"),
        unit=BPS,
    ),
    lines(
        "Net delta of the book",
        "The same in dollars, all assets together.",
        ("hedgebot_book_net_delta_usd", "{{bound}}"),
        unit="currencyUSD",
    ),
    lines(
        "Collateral and hedge, BTC",
        "What is held, coins in accounts at venues included, and what is short: one line when hedged.",
        (_held("BTC"), "held"),
        (_short("BTC"), "short"),
        unit="suffix: BTC",
        stepped=True,
        least=0,
    ),
    lines(
        "Collateral and hedge, ETH",
        "The same of ETH and of what is hedged as ETH.",
        (_held("ETH"), "held"),
        (_short("ETH"), "short"),
        unit="suffix: ETH",
        stepped=True,
        least=0,
    ),
    lines(
        "Hedge by venue",
        "Where the shorts stand, at mark.",
        ("sum by (venue) (hedgebot_notional_usd)", "{{venue}}"),
        unit="currencyUSD",
        stacked=True,
        least=0,
        width=24,
    ),
)
_EARNING = (
    lines(
        "Funding by instrument",
        "A year's rate, smoothed; above zero shorts receive.",
        ("hedgebot_funding_annual_ratio", "{{instrument}}"),
        unit="percentunit",
        steps=((None, RED), (0, GREEN)),
    ),
    lines(
        "Funding of the book",
        "Weighted by what is short; and what more of each asset would earn.",
        ("hedgebot_book_funding_annual_ratio", "book"),
        ("hedgebot_carry_annual_ratio", "more {{asset}}"),
        unit="percentunit",
        steps=((None, RED), (0, GREEN)),
    ),
    lines(
        "Earned and paid",
        "Over the life of the journal.",
        (FUNDING, "funding"),
        ("- sum(hedgebot_fees_paid_usd)", "fees"),
        ("- sum(hedgebot_slippage_paid_usd)", "slippage"),
        (EARNED, "earned"),
        unit="currencyUSD",
    ),
    lines(
        "Funding by venue",
        "Received less paid, over the life of the journal.",
        ("sum by (venue) (hedgebot_funding_received_usd)", "{{venue}}"),
        unit="currencyUSD",
        none="no settlement yet",
    ),
    lines(
        "Since funding was read",
        "Since each venue's list of payments was last read to its end.",
        ("max by (venue) (hedgebot_funding_records_age_seconds)", "{{venue}}"),
        unit="s",
        least=0,
    ),
    figure(
        "More of it?",
        "Whether new deployment of an asset is advised, by what it would earn.",
        (state_number("hedgebot_deployment_state", ("welcome", "refused", "unknown"), " by (asset)"), "{{asset}}"),
        "none",
        states=DEPLOYMENT,
        names=True,
        width=12,
    ),
    figure(
        "Better in stables",
        "Collateral that would earn more there, while deployment is refused.",
        ("sum by (asset) (hedgebot_conversion_advised_usd)", "{{asset}}"),
        "currencyUSD",
        steps=((None, ORANGE),),
        names=True,
        none="none",
        decimals=0,
    ),
    figure(
        "Turned",
        "Instruments that hedges avoid because their funding turned.",
        ("sum(hedgebot_funding_flipped_state)", ""),
        "none",
        steps=((None, GREEN), (1, ORANGE)),
    ),
    figure(
        "Not as the venues list it",
        "Instruments whose funding as entered differs from the venue's own records.",
        ("count(hedgebot_funding_difference_units != 0) or 0 * count(hedgebot_funding_difference_units)", ""),
        "none",
        steps=IS_ZERO,
        none="none",
    ),
)
_COLLATERAL = (
    lines(
        "Collateral by location",
        "What is there, by the newest total of the source that is believed, in the asset's own units.",
        ('sum by (asset, location) (hedgebot_collateral_state_units{state="confirmed"})', "{{asset}} at {{location}}"),
        unit="short",
        stepped=True,
        least=0,
    ),
    lines(
        "On the way, leaving, held back",
        "Announced and not there yet; there, with its delta ended; announced and not believed.",
        (f"sum by (asset, location, state) (max_over_time({ON_THE_WAY}[$__rate_interval])) > 0", "{{asset}} at {{location}} {{state}}"),
        unit="short",
        stepped=True,
        least=0,
        none="nothing",
    ),
    lines(
        "Claims",
        "Announced deposits and redemptions by where they stand; held ones are not believed. Messages put aside could not be read.",
        ('sum by (state) (hedgebot_claims{state!~"confirmed|canceled"})', "{{state}}"),
        ("sum by (source) (hedgebot_refused_messages_total)", "{{source}}: put aside"),
        unit="none",
        stepped=True,
        least=0,
    ),
    lines(
        "Since it was told",
        "The oldest total of each source.",
        ("max by (source) (hedgebot_collateral_age_seconds)", "{{source}}"),
        unit="s",
        least=0,
    ),
    lines(
        "Redemption rates",
        "What a unit of a staked token redeems for.",
        ("avg by (asset) (hedgebot_redemption_rate) != 1", "{{asset}}"),
        unit="short",
        none="no staked token is held",
    ),
    lines(
        "Stable sleeve",
        "Stablecoins held as collateral, each taken for one dollar.",
        ("sum by (asset) (hedgebot_stable_sleeve_usd) > 0", "{{asset}}"),
        unit="currencyUSD",
        stepped=True,
        least=0,
        none="no stablecoin is held",
    ),
)
_CUSTODY = (
    figure(
        "Settlements",
        "How far each custodian is with settling what a venue and we owe each other.",
        (state_number("hedgebot_settlement_state", [text for text, _ in SETTLEMENTS.values()], MIRRORED), WHICH),
        "none",
        states=SETTLEMENTS,
        names=True,
        none="no custodian",
        width=12,
    ),
    figure(
        "Can it be moved?",
        "Frozen: nothing can be delegated or taken back now. Disputed: its custodian contradicts itself.",
        (f"max{MIRRORED} (hedgebot_settlement_frozen_state) + 2 * max{MIRRORED} (hedgebot_settlement_disputed_state)", WHICH),
        "none",
        states=MOVES,
        names=True,
        none="no custodian",
        width=12,
    ),
    lines(
        "Delegated",
        "What custodians mirror at venues, in the asset's own units.",
        (f"sum{MIRRORED} (hedgebot_delegated_units)", WHICH),
        unit="short",
        stepped=True,
        least=0,
        none="no custodian",
        width=8,
    ),
    lines(
        "Unsettled profit",
        "What each venue owes beyond what was delegated; and what it may come to owe until the next settlement.",
        ("sum by (venue) (hedgebot_unsettled_profit_usd)", "{{venue}}"),
        ("sum by (venue) (hedgebot_exposure_at_risk_usd) > 0", "{{venue}}, at risk"),
        unit="currencyUSD",
        width=8,
    ),
    lines(
        "Next settlement",
        "In how long; below zero it is under way, or late.",
        (f"min{MIRRORED} (hedgebot_settlement_due_seconds)", WHICH),
        unit="s",
        steps=((None, BLUE), (0, BLUE)),
        none="no custodian",
        width=8,
    ),
)
