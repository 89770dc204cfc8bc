"""Rows as the venues send them (fields of their own documentation), and instruments of ours to read them against."""

from __future__ import annotations

from decimal import Decimal

from bot.adapters.venue.profiles import PROFILES
from bot.core.instrument import ContractKind, Instrument

D = Decimal
BINANCE, BYBIT, OKX = (PROFILES[name] for name in ("binanceusdm", "bybit", "okx"))


def instrument(venue: str, symbol: str, size: str = "1", **changed) -> Instrument:
    given_ = {
        "venue": venue,
        "venue_symbol": symbol,
        "base": "BTC",
        "quote": "USDT",
        "settle": "USDT",
        "kind": ContractKind.LINEAR,
        "contract_size": D(size),
        "lot": D("0.001"),
        "tick": D("0.1"),
        "contracts_min": D("0.001"),
        "contracts_max": None,
        "notional_min": None,
        "funding_interval_ms": None,
        "taker_fee": None,
        "maker_fee": None,
    }
    return Instrument(**(given_ | changed))


OURS = {
    "binanceusdm": {"BTCUSDT": instrument("binanceusdm", "BTCUSDT")},
    "bybit": {"BTCUSDT": instrument("bybit", "BTCUSDT")},
    "okx": {"BTC-USDT-SWAP": instrument("okx", "BTC-USDT-SWAP", "0.01")},
}
INVERSE = {"BTCUSD": instrument("bybit", "BTCUSD", "1", kind=ContractKind.INVERSE, quote="USD", settle="BTC")}

BINANCE_ORDER = {
    "orderId": 4293153,
    "symbol": "BTCUSDT",
    "status": "PARTIALLY_FILLED",
    "clientOrderId": "e1k7",
    "price": "64000.0",
    "avgPrice": "63999.90000",
    "origQty": "0.500",
    "executedQty": "0.200",
    "cumQty": "0.200",
    "cumQuote": "12799.98",
    "timeInForce": "IOC",
    "type": "LIMIT",
    "reduceOnly": False,
    "side": "SELL",
    "positionSide": "BOTH",
    "time": 1763800000000,
    "updateTime": 1763800000123,
}
BINANCE_PUSH = {
    "s": "BTCUSDT",
    "c": "e1k7",
    "S": "SELL",
    "o": "LIMIT",
    "f": "IOC",
    "q": "0.500",
    "p": "64000",
    "ap": "63999.9",
    "sp": "0",
    "x": "TRADE",
    "X": "PARTIALLY_FILLED",
    "i": 4293153,
    "l": "0.200",
    "z": "0.200",
    "L": "63999.9",
    "N": "USDT",
    "n": "5.11999",
    "T": 1763800000123,
    "t": 987654321,
    "b": "0",
    "a": "0",
    "m": False,
    "R": False,
    "ps": "BOTH",
    "rp": "0",
}
BYBIT_ORDER = {
    "category": "linear",
    "symbol": "BTCUSDT",
    "orderId": "1c8e-77",
    "orderLinkId": "e1k7",
    "side": "Sell",
    "orderType": "Limit",
    "timeInForce": "IOC",
    "price": "64000",
    "qty": "0.5",
    "orderStatus": "Cancelled",
    "cancelType": "UNKNOWN",
    "rejectReason": "EC_NoImmediateQtyToFill",
    "avgPrice": "63999.9",
    "cumExecQty": "0.2",
    "leavesQty": "0",
    "reduceOnly": False,
    "tpslMode": "",
    "createdTime": "1763800000000",
    "updatedTime": "1763800000123",
}
BYBIT_EXECUTION = {
    "category": "linear",
    "symbol": "BTCUSDT",
    "execId": "9aac161b",
    "orderId": "1c8e-77",
    "orderLinkId": "e1k7",
    "side": "Sell",
    "execQty": "0.2",
    "execPrice": "63999.9",
    "execFee": "7.039989",
    "feeCurrency": "",
    "feeCoin": "USDT",
    "feeRate": "0.00055",
    "execTime": "1763800000120",
    "execType": "Trade",
    "isMaker": False,
    "execValue": "12799.98",
}
OKX_ORDER = {
    "instType": "SWAP",
    "instId": "BTC-USDT-SWAP",
    "ordId": "312269865356374016",
    "clOrdId": "e1k7",
    "side": "sell",
    "ordType": "ioc",
    "px": "64000",
    "sz": "50",
    "state": "canceled",
    "accFillSz": "20",
    "avgPx": "63999.9",
    "fillPx": "63999.9",
    "fillSz": "20",
    "tradeId": "1518905529",
    "fillTime": "1763800000120",
    "fillFee": "-6.39999",
    "fillFeeCcy": "USDT",
    "fee": "-6.39999",
    "feeCcy": "USDT",
    "category": "normal",
    "uTime": "1763800000123",
    "cTime": "1763800000000",
    "posSide": "net",
}
OKX_FILL = {
    "instType": "SWAP",
    "instId": "BTC-USDT-SWAP",
    "tradeId": "1518905529",
    "ordId": "312269865356374016",
    "clOrdId": "e1k7",
    "billId": "1",
    "fillPx": "63999.9",
    "fillSz": "20",
    "side": "sell",
    "execType": "T",
    "feeCcy": "USDT",
    "fee": "-6.39999",
    "subType": "2",
    "ts": "1763800000120",
    "fillTime": "1763800000119",
}
