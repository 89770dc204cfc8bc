"""Deribit v2, perpetuals: JSON-RPC over HTTP and over WebSocket, over the matching engine.

Read it as one would read the venue's documentation:

    dialect       hosts, HTTP requests, connections            methods       every method: what it is about, what it costs
    rpc           requests, envelopes, errors on the wire      auth          keys, signatures, tokens
    errors        every code and its words                     budget        request credits
    params        arguments of a method                        venue         what all of them share
    market        public methods       market_rows             orders        buying, selling, cancelling      order_rows
    account       balances, positions  session, transactions   what the daily settlement books, and what the log tells of it
    socket        one WebSocket connection                     channels, private_channels    what each channel says and when
    day           figures of the last 24 hours             troubles      what it says on its bad days
"""

from __future__ import annotations

from bot.simulator.dialects.deribit.dialect import Deribit

__all__ = ["Deribit"]
