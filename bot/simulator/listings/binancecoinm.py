"""Binance COIN-M: inverse USD perpetuals that settle in the coin, as `exchangeInfo`, `fundingInfo` and `leverageBracket` list them.

A contract is 100 USD of BTC and 10 USD of anything else; there is no smallest notional beside one contract. Tiers are bounded by the
position's value in coins (`qtyCap`) and continuous. A client id has to be unique among open orders only.
"""

from __future__ import annotations

from bot.simulator.listings.listing import Ladder, Listing, Spec

_BTC: Ladder = (
    (5, "125", "0.004"),
    (10, "100", "0.005"),
    (20, "50", "0.01"),
    (50, "20", "0.025"),
    (100, "10", "0.05"),
    (200, "5", "0.1"),
    (400, "4", "0.125"),
    (1_000, "3", "0.15"),
    (1_500, "2", "0.25"),
    (3_000, "1", "0.5"),
)
_ETH: Ladder = (
    (50, "100", "0.005"),
    (100, "75", "0.0065"),
    (200, "50", "0.01"),
    (500, "20", "0.025"),
    (1_500, "10", "0.05"),
    (4_000, "5", "0.1"),
    (8_000, "4", "0.125"),
    (15_000, "3", "0.15"),
    (25_000, "2", "0.25"),
    (50_000, "1", "0.5"),
)
_SOL: Ladder = (
    (500, "50", "0.01"),
    (2_000, "25", "0.02"),
    (10_000, "20", "0.025"),
    (40_000, "10", "0.05"),
    (80_000, "5", "0.1"),
    (150_000, "2", "0.25"),
    (300_000, "1", "0.5"),
)

LISTING = Listing(
    maker_fee="0.0001",
    taker_fee="0.0005",
    continuous_tiers=True,
    client_id_scope="open",
    client_id_form=r"[.A-Z:/a-z0-9_-]{1,36}",
    specs=(
        Spec("BTC", "BTCUSD_PERP", "100", "0.1", "1", "1", "1000000", "0", "0.003", "0.05", _BTC, quote="USD", inverse=True),
        Spec("ETH", "ETHUSD_PERP", "10", "0.01", "1", "1", "1000000", "0", "0.003", "0.05", _ETH, quote="USD", inverse=True),
        Spec("SOL", "SOLUSD_PERP", "10", "0.01", "1", "1", "1000000", "0", "0.02", "0.05", _SOL, quote="USD", inverse=True),
    ),
)
