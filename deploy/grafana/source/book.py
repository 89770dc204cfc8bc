"""Book: is it neutral, and what does it earn?"""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.grafana.source.panels import BPS, GREEN, ORANGE, RED, TRADING, States, board, figure, lines, trading_state

NEUTRAL: States = {1: ("neutral", GREEN), 0: ("not neutral", RED)}
EARNED = "sum(hedgebot_funding_received_usd) - sum(hedgebot_fees_paid_usd) - sum(hedgebot_slippage_paid_usd)"


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
    return board(
        "hedgebot-book", "Book", "Is it neutral? What does it earn?", [("Now", _NOW), ("Neutral?", _NEUTRAL), ("Earning?", _EARNING)]
    )


_NOW = (
    figure(
        "Trading state",
        "ACTIVE hedges, REDUCING only reduces, HALTED does nothing.",
        (trading_state("hedgebot_trading_state"), ""),
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
    ),
    lines(
        "Collateral by location",
        "As its sources told it, in the asset's own units.",
        ("sum by (asset, location) (hedgebot_collateral_units)", "{{asset}} at {{location}}"),
        unit="short",
        stepped=True,
        least=0,
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
        ("sum(hedgebot_funding_received_usd)", "funding"),
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
    ),
)
