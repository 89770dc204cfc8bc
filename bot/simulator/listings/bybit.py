"""Bybit v5 perpetuals, as `instruments-info`, `fee-rate` and `risk-limit` list them.

A unit of quantity is a base unit of linear contracts (settled in USDT, or in USDC: `…PERP`) and one USD of inverse ones, settled in their
coin. Tiers are bounded by value in settle units (dollars, coins) and continuous. Of the inverse ladders the lowest tiers are the venue's
("Get Risk Limit": BTCUSD to 150 BTC at 0.5 % and 100x; help page "Risk Limit (Inverse Contract)": ETHUSD keeps at 1 %), and those above
them stand in for what is published by the endpoint alone. A client id (`orderLinkId`) stays taken for ever.
"""

from __future__ import annotations

from bot.simulator.listings.listing import Ladder, Listing, Spec

_BTC: Ladder = (
    (2_000_000, "100", "0.005"),
    (10_000_000, "50", "0.01"),
    (20_000_000, "25", "0.02"),
    (40_000_000, "20", "0.025"),
    (80_000_000, "12.5", "0.04"),
    (150_000_000, "10", "0.05"),
    (300_000_000, "5", "0.1"),
)
_ETH: Ladder = (
    (1_000_000, "100", "0.005"),
    (5_000_000, "50", "0.01"),
    (10_000_000, "25", "0.02"),
    (25_000_000, "20", "0.025"),
    (60_000_000, "10", "0.05"),
    (120_000_000, "5", "0.1"),
)
_SOL: Ladder = (
    (200_000, "100", "0.005"),
    (1_000_000, "50", "0.01"),
    (4_000_000, "25", "0.02"),
    (10_000_000, "12.5", "0.04"),
    (20_000_000, "10", "0.05"),
    (40_000_000, "5", "0.1"),
)
_BTC_COINS: Ladder = (
    (150, "100", "0.005"),
    (300, "66.67", "0.01"),
    (450, "50", "0.015"),
    (600, "40", "0.02"),
    (750, "33.33", "0.025"),
    (1_500, "18.18", "0.05"),
)
_ETH_COINS: Ladder = (
    (3_000, "50", "0.01"),
    (6_000, "33.33", "0.02"),
    (9_000, "25", "0.03"),
    (15_000, "20", "0.04"),
    (30_000, "10", "0.06"),
)

LISTING = Listing(
    maker_fee="0.0002",
    taker_fee="0.00055",
    continuous_tiers=True,
    client_id_scope="ever",
    client_id_form=r"[A-Za-z0-9_-]{1,36}",
    specs=(
        Spec("BTC", "BTCUSDT", "1", "0.10", "0.001", "0.001", "1190", "5", "0.005", "0.05", _BTC),
        Spec("ETH", "ETHUSDT", "1", "0.01", "0.01", "0.01", "7240", "5", "0.005", "0.05", _ETH),
        Spec("SOL", "SOLUSDT", "1", "0.01", "0.1", "0.1", "79770", "5", "0.01", "0.10", _SOL),
        Spec("BTC", "BTCPERP", "1", "0.10", "0.001", "0.001", "300", "5", "0.005", "0.05", _BTC, quote="USDC"),
        Spec("ETH", "ETHPERP", "1", "0.01", "0.01", "0.01", "2000", "5", "0.005", "0.05", _ETH, quote="USDC"),
        Spec("BTC", "BTCUSD", "1", "0.50", "1", "1", "25000000", "0", "0.005", "0.05", _BTC_COINS, quote="USD", inverse=True),
        Spec("ETH", "ETHUSD", "1", "0.05", "1", "1", "10000000", "0", "0.005", "0.05", _ETH_COINS, quote="USD", inverse=True),
    ),
)
