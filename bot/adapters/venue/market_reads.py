"""How large each market is, as the venue tells it: open interest and the last 24 hours' volume.

Both are counted in contracts by the venues and come out in base units: contracts x contract size, of an inverse instrument divided by the
price that stands beside them. Open interest counts one side, as all venues state it. Whatever could not be read is None, never zero; an
instrument without open interest is left out.

Sources: Binance USD-M "Open Interest" and "24hr Ticker Price Change Statistics", Bybit v5 "Get Tickers", OKX v5 "Get open interest"
(`oi`) and "Get ticker" (`vol24h`).
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from bot.adapters.venue.asking import Asker
from bot.adapters.venue.ccxt_mapping import Instruments, Unreadable, base_units, price
from bot.adapters.venue.profile import Market
from bot.adapters.venue.shapes import MarketShape, Paths, Row
from bot.adapters.venue.throttle import Lane
from bot.core.events import MarketObserved
from bot.core.instrument import Instrument
from bot.ports import Clock


async def observed(asker: Asker, market: Market, instruments: Instruments, clock: Clock) -> Sequence[MarketObserved]:
    """Each instrument's market; one whose open interest could not be read is left out."""
    shape = market.shape
    interests = traded = await asker.row_of_each(market.open_interest, Lane.MARKET_DATA, instruments, shape.symbol)
    if market.volume is not None:
        traded = await asker.row_of_each(market.volume, Lane.MARKET_DATA, interests, shape.symbol)
    found = (_market(shape, each, interests.get(symbol), traded.get(symbol), clock) for symbol, each in instruments.items())
    return [each for each in found if each is not None]


def _market(shape: MarketShape, instrument: Instrument, interest: Row | None, traded: Row | None, clock: Clock) -> MarketObserved | None:
    at = _price(interest, shape) or _price(traded, shape)
    volume_at = shape.volume_inverse if instrument.is_inverse and shape.volume_inverse else shape.volume
    open_interest, volume = _figure(interest, shape.open_interest, instrument, at), _figure(traded, volume_at, instrument, at)
    if open_interest is None:
        return None
    return MarketObserved(at=clock.now(), instrument=instrument.id, open_interest=open_interest, volume_24h=volume)


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
