"""The `stats` of a ticker: highest and lowest price, change in percent, and volume of the last 24 hours.

`volume` is in base units and `volume_usd` in dollars, whatever the contract counts.
"""

from __future__ import annotations

from decimal import Decimal

from bot.core.units import ONE, Millis
from bot.simulator.dialects.day import Days
from bot.simulator.dialects.deribit.wire import Row, number
from bot.simulator.exchange import Exchange


def stats(exchange: Exchange, days: Days, symbol: str, now: Millis) -> Row:
    """The row of a contract; without a price seen, null figures."""
    day = days.view(symbol, now)
    if day is None:
        return {"volume_usd": 0, "volume": 0, "price_change": None, "low": None, "high": None}
    contract = exchange.contracts[symbol]
    base, dollars = (day.coins, day.volume) if contract.inverse else (day.volume, day.turnover)
    change = (exchange.market(symbol).last / day.first - ONE) * 100
    row: Row = {
        "volume_usd": number(dollars * contract.contract_size),
        "volume": number(base * contract.contract_size),
        "price_change": number(change.quantize(Decimal("0.0001"))),
        "low": number(day.lowest),
        "high": number(day.highest),
    }
    return row | {"volume_notional": row["volume_usd"]}
