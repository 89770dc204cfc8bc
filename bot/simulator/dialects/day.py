"""The last 24 hours of each contract, as tickers show them: first, highest and lowest price, volume (contracts) and turnover.

Prices count by the minute, from trades and from the last price that the venue publishes with its market; volume and turnover only from
trades that were really matched here. Before the first price there is nothing to say, which is shown as empty fields, not as zero.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from bot.core.units import DAY_MS, ZERO, Millis
from bot.simulator.model import MarketReport, PublicTradeReport, Report

MINUTE_MS: Millis = 60_000
HOUR_MS: Millis = 60 * MINUTE_MS


@dataclass(slots=True)
class Minute:
    """One minute of prices and trades."""

    starts_at: Millis
    first: Decimal
    highest: Decimal
    lowest: Decimal
    volume: Decimal = ZERO
    turnover: Decimal = ZERO
    coins: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class DayView:
    """24 hours, or as many as there were: prices in quote, volume in contracts, `turnover` their sum times price, `coins` over price."""

    first: Decimal
    hour_ago: Decimal
    highest: Decimal
    lowest: Decimal
    volume: Decimal
    turnover: Decimal
    coins: Decimal


class Days:
    """The figures of all contracts."""

    def __init__(self) -> None:
        self._minutes: dict[str, deque[Minute]] = {}

    def heard(self, reports: Sequence[Report]) -> None:
        """Takes in the trades and last prices among the reports."""
        for report in reports:
            if isinstance(report, PublicTradeReport):
                minute = self._minute(report.symbol, report.price, report.at)
                minute.volume += report.contracts
                minute.turnover += report.contracts * report.price
                minute.coins += report.contracts / report.price
            elif isinstance(report, MarketReport):
                self._minute(report.view.contract.symbol, report.view.last, report.view.at)

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

    def view(self, symbol: str, now: Millis) -> DayView | None:
        """The figures at `now`, None when no price was seen in the last 24 hours."""
        minutes = [minute for minute in self._minutes.get(symbol, ()) if minute.starts_at > now - DAY_MS]
        if not minutes:
            return None
        recent = next((minute for minute in minutes if minute.starts_at > now - HOUR_MS), minutes[-1])
        return DayView(
            first=minutes[0].first,
            hour_ago=recent.first,
            highest=max(minute.highest for minute in minutes),
            lowest=min(minute.lowest for minute in minutes),
            volume=sum((minute.volume for minute in minutes), ZERO),
            turnover=sum((minute.turnover for minute in minutes), ZERO),
            coins=sum((minute.coins for minute in minutes), ZERO),
        )
