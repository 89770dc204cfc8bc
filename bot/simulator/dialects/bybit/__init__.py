"""Bybit v5 for linear USDT perpetuals, as a client of api.bybit.com and stream.bybit.com meets it.

`rest` lists the endpoints; `market`, `orders` and `account` are their rules, the `*_rows` modules the shapes of what they say; `sockets`,
`topics` and `order_entry` are the WebSocket connections; `auth`, `visits` and `codes` are signing, rate limits and error codes.
Not simulated: conditional orders, amending, other categories than linear (they are listed empty), deposits and transfers.
"""

from bot.simulator.dialects.bybit.dialect import Bybit

__all__ = ["Bybit"]
