"""How large each market is, as the venue tells it: open interest and the last 24 hours' volume.

Both are counted in contracts by the venues and come out in base units: contracts x contract size, of an inverse instrument divided by the
price that stands beside them. Open interest counts one side, as all venues state it. Whatever could not be read is None, never zero; an
instrument without open interest is left out.

Sources: Binance USD-M "Open Interest" and "24hr Ticker Price Change Statistics", Bybit v5 "Get Tickers", OKX v5 "Get open interest"
(`oi`) and "Get ticker" (`vol24h`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal

from bot.adapters.venue.asking import Asker, NotAnswered
from bot.adapters.venue.ccxt_mapping import Instruments, Unreadable, base_units, price, told
from bot.adapters.venue.profile import Market
from bot.adapters.venue.questions import Query
from bot.adapters.venue.shapes import MarketShape, Paths, Row
from bot.adapters.venue.throttle import Lane
from bot.core.events import MarketObserved
from bot.core.instrument import Instrument
from bot.ports import Clock


async def observed(asker: Asker, market: Market, instruments: Instruments, clock: Clock) -> Sequence[MarketObserved]:
    """Each instrument's market, all asked for at once; one whose open interest could not be read is left out."""
    found = await asyncio.gather(*(_market(asker, market, symbol, each, clock) for symbol, each in instruments.items()))
    return [each for each in found if each is not None]


async def _market(asker: Asker, market: Market, symbol: str, instrument: Instrument, clock: Clock) -> MarketObserved | None:
    shape = market.shape
    interest = traded = await _row(asker, market.open_interest, shape.symbol, symbol)
    if market.volume is not None and interest is not None:
        traded = await _row(asker, market.volume, shape.symbol, symbol)
    at = _price(interest, shape) or _price(traded, shape)
    volume_at = shape.volume_inverse if instrument.is_inverse and shape.volume_inverse else shape.volume
    open_interest, volume = _figure(interest, shape.open_interest, instrument, at), _figure(traded, volume_at, instrument, at)
    if open_interest is None:
        return None
    return MarketObserved(at=clock.now(), instrument=instrument.id, open_interest=open_interest, volume_24h=volume)


async def _row(asker: Asker, query: Query, named_at: Paths, symbol: str) -> Row | None:
    try:
        rows = await asker.rows(query, Lane.MARKET_DATA, symbols=[symbol])
    except (NotAnswered, Unreadable):
        return None
    return next((row for row in rows if told(row, named_at) == symbol), None)


def _price(row: Row | None, shape: MarketShape) -> Decimal | None:
    try:
        return None if row is None else price(row, shape.price)
    except Unreadable:
        return None


def _figure(row: Row | None, spelled: Paths, instrument: Instrument, at: Decimal | None) -> Decimal | None:
    try:
        return None if row is None else base_units(row, spelled, instrument, at)
    except Unreadable:
        return None
