"""Hyperliquid perpetuals: the venue's own REST and WebSocket language over the matching engine.

Read it as one would read the venue's documentation:

    dialect            two paths, one socket            wire             how figures, sides, ids and answers are written
    signing            who signed an action             words            everything that it says when it says no
    wallets            addresses, nonces, limits        market_rows      what is published about a perpetual
    info               what can be read                 order_rows       orders and fills
    actions            what can be done                 account_rows     margin, positions, funding, fees
    stream, channels   subscriptions and what each says    troubles    what is said on bad days
"""

from __future__ import annotations

from bot.simulator.dialects.hyperliquid.dialect import HyperliquidDialect

__all__ = ["HyperliquidDialect"]
