"""Binance futures as their clients see them: REST, market streams and the private stream of USD-M and COIN-M."""

from bot.simulator.dialects.binance.face import Limits
from bot.simulator.dialects.binance.venue import BinanceCoinm, BinanceUsdm

__all__ = ["BinanceCoinm", "BinanceUsdm", "Limits"]
