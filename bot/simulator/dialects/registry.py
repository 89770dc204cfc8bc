"""Which venues can be simulated: the one list that drivers and tests go by."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from bot.simulator.dialects.binance import BinanceCoinm, BinanceUsdm
from bot.simulator.dialects.bybit import Bybit
from bot.simulator.dialects.deribit import Deribit
from bot.simulator.dialects.dialect import DialectFactory
from bot.simulator.dialects.hyperliquid import HyperliquidDialect
from bot.simulator.dialects.okx import OkxDialect

DIALECTS: Mapping[str, DialectFactory] = MappingProxyType(
    {
        "binanceusdm": BinanceUsdm,
        "binancecoinm": BinanceCoinm,
        "bybit": Bybit,
        "deribit": Deribit,
        "okx": OkxDialect,
        "hyperliquid": HyperliquidDialect,
    }
)
"""By ccxt's id of the venue."""
