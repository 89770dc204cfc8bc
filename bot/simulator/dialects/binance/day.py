"""What happened to each contract in the last 24 hours: the figures of the ticker, from public trades, in buckets of one hour.

The window therefore moves by the hour, not by the second. Prices are the last price as
published, volumes are trades.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bot.core.units import ZERO, Millis
from bot.simulator import margin
from bot.simulator.model import Contract, MarketReport, PublicTradeReport, Report

_HOUR_MS: Millis = 3_600_000


@dataclass(slots=True)
class Span:
    """One stretch of time: prices in quote per base, `volume` in contracts, `value` in settle units."""

    started_at: Millis
    first: Decimal
    last: Decimal
    high: Decimal
    low: Decimal
    volume: Decimal = ZERO
    value: Decimal = ZERO
    trades: int = 0
    first_trade: int = 0
    last_trade: int = 0
    last_contracts: Decimal = ZERO


class DayFigures:
    """The last 24 hours of every contract of one venue."""

    def __init__(self, contracts: Mapping[str, Contract]) -> None:
        self._contracts = contracts
        self._spans: dict[str, deque[Span]] = {}

    def heard(self, reports: Sequence[Report], now: Millis) -> None:
        """Counts what the reports tell."""
        for report in reports:
            match report:
                case PublicTradeReport():
                    self._traded(report, now)
                case MarketReport(view):
                    self._seen(view.contract.symbol, view.last, now)
                case _:
                    continue

    def of(self, symbol: str, last: Decimal, now: Millis) -> Span:
        """The figures of a contract as one span; `last` is its price now."""
        self._seen(symbol, last, now)
        spans = self._spans[symbol]
        traded = [span for span in spans if span.trades]
        return Span(
            started_at=spans[0].started_at,
            first=spans[0].first,
            last=spans[-1].last,
            high=max(span.high for span in spans),
            low=min(span.low for span in spans),
            volume=sum((span.volume for span in spans), ZERO),
            value=sum((span.value for span in spans), ZERO),
            trades=sum(span.trades for span in spans),
            first_trade=traded[0].first_trade if traded else 0,
            last_trade=traded[-1].last_trade if traded else 0,
            last_contracts=traded[-1].last_contracts if traded else ZERO,
        )

    def _seen(self, symbol: str, price: Decimal, now: Millis) -> Span:
        span = self._span(symbol, price, now)
        span.last = price
        span.high = max(span.high, price)
        span.low = min(span.low, price)
        return span

    def _span(self, symbol: str, price: Decimal, now: Millis) -> Span:
        spans = self._spans.setdefault(symbol, deque(maxlen=24))
        started_at = now - now % _HOUR_MS
        while spans and spans[0].started_at <= started_at - 24 * _HOUR_MS:
            spans.popleft()
        if not spans or spans[-1].started_at != started_at:
            opening = spans[-1].last if spans else price
            spans.append(Span(started_at, opening, opening, opening, opening))
        return spans[-1]

    def _traded(self, trade: PublicTradeReport, now: Millis) -> None:
        span = self._seen(trade.symbol, trade.price, now)
        span.volume += trade.contracts
        span.value += margin.value(self._contracts[trade.symbol], trade.contracts, trade.price)
        span.trades += 1
        span.first_trade = span.first_trade or trade.trade_id
        span.last_trade = trade.trade_id
        span.last_contracts = trade.contracts
