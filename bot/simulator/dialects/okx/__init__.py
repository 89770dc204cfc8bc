"""OKX v5, perpetual swaps: the venue's own REST and WebSocket language over the matching engine.

Read it as one would read the venue's documentation:

    dialect            which path does what                      wire              how figures, ids, pages and answers are written
    auth               keys, signatures, clocks, order expiry    errors            every code, its words and its HTTP status
    rest_public        clock, instruments, market                market_rows       what is published about a contract
    rest_private       orders, fills, account                    order_rows        orders and fills
    orders             placing and cancelling                    account_rows      balances, positions, bills
    stream             a WebSocket connection                    channels, private_channels   what each channel says and when
"""

from __future__ import annotations

from bot.simulator.dialects.okx.dialect import OkxDialect

__all__ = ["OkxDialect"]
