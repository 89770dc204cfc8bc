"""Binance USD-M futures as its clients see it: REST, market streams and the private stream."""

from bot.simulator.dialects.binanceusdm.access import Limits
from bot.simulator.dialects.binanceusdm.venue import BinanceUsdm

__all__ = ["BinanceUsdm", "Limits"]
