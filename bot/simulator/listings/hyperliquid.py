"""Hyperliquid: linear perpetuals quoted and settled in USDC, as `meta` with its margin tables and `userFees` list them.

Tiers are bounded by notional and continuous; maintenance is half of the initial rate at a tier's highest leverage. A price has at most
five significant figures (a whole number may always be sent) and at most 6 - szDecimals decimals: the ticks here are that grid where the
market of the simulation moves (BTC above 10,000, ETH from 1,000 to 10,000, SOL from 100 to 1,000). A size has szDecimals: the lot.
"""

from __future__ import annotations

from bot.simulator.listings.listing import HOUR_MS, Ladder, Listing, Spec

_BTC: Ladder = ((150_000_000, "40", "0.0125"), (1_000_000_000, "20", "0.025"))
_ETH: Ladder = ((100_000_000, "25", "0.02"), (1_000_000_000, "15", "0.0333333333333333333333333333"))
_SOL: Ladder = ((70_000_000, "20", "0.025"), (1_000_000_000, "10", "0.05"))

LISTING = Listing(
    maker_fee="0.00015",
    taker_fee="0.00045",
    continuous_tiers=True,
    client_id_scope="ever",
    client_id_form=r"0x[0-9a-f]{32}",
    funding_interval_ms=HOUR_MS,
    specs=(
        Spec("BTC", "BTC", "1", "1", "0.00001", "0.00001", "10000", "10", "0.04", "0.8", _BTC, quote="USDC"),
        Spec("ETH", "ETH", "1", "0.1", "0.0001", "0.0001", "100000", "10", "0.04", "0.8", _ETH, quote="USDC"),
        Spec("SOL", "SOL", "1", "0.01", "0.01", "0.01", "1000000", "10", "0.04", "0.8", _SOL, quote="USDC"),
    ),
)
