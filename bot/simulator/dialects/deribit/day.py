"""The `stats` of a ticker: highest and lowest price, change in percent, and volume of the last 24 hours.

Prices count by the minute, from trades and from the last price that the venue publishes; volume only from trades that were really matched
here. `volume` is in base units and `volume_usd` in dollars, whatever the contract counts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from bot.core.units import DAY_MS, ONE, ZERO, Millis
from bot.simulator.dialects.deribit.wire import Row, number
from bot.simulator.exchange import Exchange
from bot.simulator.model import MarketReport, PublicTradeReport, Report

MINUTE_MS: Millis = 60_000


@dataclass(slots=True)
class Minute:
    """One minute of prices and trades."""

    starts_at: Millis
    first: Decimal
    highest: Decimal
    lowest: Decimal
    base: Decimal = ZERO
    dollars: Decimal = ZERO


class Days:
    """The figures of all contracts."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._minutes: dict[str, deque[Minute]] = {}

    def heard(self, reports: Sequence[Report]) -> None:
        """Takes in the trades and last prices among the reports."""
        for report in reports:
            if isinstance(report, PublicTradeReport):
                minute = self._minute(report.symbol, report.price, report.at)
                contract = self._exchange.contracts[report.symbol]
                amount = report.contracts * contract.contract_size
                minute.base += amount / report.price if contract.inverse else amount
                minute.dollars += amount if contract.inverse else amount * report.price
            elif isinstance(report, MarketReport):
                self._minute(report.view.contract.symbol, report.view.last, report.view.at)

    def stats(self, symbol: str, now: Millis) -> Row:
        """The row of a contract; without a price seen, null figures."""
        minutes = [minute for minute in self._minutes.get(symbol, ()) if minute.starts_at > now - DAY_MS]
        if not minutes:
            return {"volume_usd": 0, "volume": 0, "price_change": None, "low": None, "high": None}
        change = (self._exchange.market(symbol).last / minutes[0].first - ONE) * 100
        row: Row = {
            "volume_usd": number(sum((minute.dollars for minute in minutes), ZERO)),
            "volume": number(sum((minute.base for minute in minutes), ZERO)),
            "price_change": number(change.quantize(Decimal("0.0001"))),
            "low": number(min(minute.lowest for minute in minutes)),
            "high": number(max(minute.highest for minute in minutes)),
        }
        return row | {"volume_notional": row["volume_usd"]}

    def _minute(self, symbol: str, price: Decimal, at: Millis) -> Minute:
        minutes = self._minutes.setdefault(symbol, deque())
        starts_at = at - at % MINUTE_MS
        if not minutes or minutes[-1].starts_at != starts_at:
            minutes.append(Minute(starts_at, price, price, price))
        while minutes[0].starts_at <= at - DAY_MS:
            minutes.popleft()
        minute = minutes[-1]
        minute.highest = max(minute.highest, price)
        minute.lowest = min(minute.lowest, price)
        return minute
