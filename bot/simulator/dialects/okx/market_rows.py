"""What OKX publishes about a contract: instrument, book, ticker, mark, index, funding, open interest and tiers.

The same rows serve REST answers and WebSocket pushes. Quantities (`sz`, `minSz`, `oi`) count contracts of `ctVal` each: base coins of a
linear swap, dollars of an inverse one.
The simulated venue keeps no 24 h statistics: those figures are the empty string, which is OKX's way to say that there are none.
Source: OKX v5 documentation, "Public Data" and "Market Data", response and push examples.
"""

from __future__ import annotations

from decimal import Decimal

from bot.core.units import ONE, ZERO, Millis
from bot.simulator.dialects.okx.wire import SWAP, Row, blank, family, figure
from bot.simulator.exchange import Exchange
from bot.simulator.listed import Listing
from bot.simulator.model import BookView, Contract, Level, MarketView, PublicTradeReport

LISTED_AT: Millis = 1_573_557_408_000
"""`listTime` of the perpetuals: their day in 2019 at the real venue. Nothing depends on it."""

INSTRUMENT_CODE_FIRST = 10_459
"""`instIdCode` is an arbitrary stable integer per instrument; ours count up in listing order."""

BOOK_DEPTH = 400
"""Levels in a `books` snapshot and at most in a REST answer."""


_INSTRUMENT_BLANK = blank(
    "alias auctionEndTime baseCcy contTdSwTime expTime maxMktAmt maxPlatOILmt openType optType posLmtAmt posLmtPct preMktSwTime"
    " quoteCcy stk"
)


def instrument_code(exchange: Exchange, symbol: str) -> int:
    """The `instIdCode` of an instrument."""
    return INSTRUMENT_CODE_FIRST + list(exchange.contracts).index(symbol)


def symbol_of_code(exchange: Exchange, code: int) -> str | None:
    """The instrument of an `instIdCode`, None when there is none."""
    index = code - INSTRUMENT_CODE_FIRST
    symbols = list(exchange.contracts)
    return symbols[index] if 0 <= index < len(symbols) else None


def instrument_row(contract: Contract, code: int) -> Row:
    """`GET public/instruments`: the filters of one perpetual."""
    size_max = figure(contract.contracts_max)
    return {
        **_INSTRUMENT_BLANK,
        "category": "1",
        "ctMult": "1",
        "ctType": "inverse" if contract.inverse else "linear",
        "ctVal": figure(contract.contract_size),
        "ctValCcy": contract.quote if contract.inverse else contract.base,
        "futureSettlement": False,
        "groupId": "1",
        "instCategory": "1",
        "instFamily": family(contract),
        "instId": contract.symbol,
        "instIdCode": code,
        "instType": SWAP,
        "lever": figure(max(tier.leverage_max for tier in contract.tiers)),
        "listTime": str(LISTED_AT),
        "lotSz": figure(contract.lot),
        "maxIcebergSz": size_max,
        "maxLmtAmt": "20000000",
        "maxLmtSz": size_max,
        "maxMktSz": size_max,
        "maxStopSz": size_max,
        "maxTriggerSz": size_max,
        "maxTwapSz": size_max,
        "minSz": figure(contract.contracts_min),
        "ruleType": "normal",
        "settleCcy": contract.settle,
        "state": "live" if contract.listing is Listing.TRADING else "suspend",
        "tickSz": figure(contract.tick),
        "tradeQuoteCcyList": [],
        "uly": family(contract),
        "upcChg": [],
    }


def levels(side: tuple[Level, ...]) -> list[list[str]]:
    """Price, contracts, a dead field, and how many orders: the engine keeps no count, so one where there is anything."""
    return [[figure(level.price), figure(level.contracts), "0", "1" if level.contracts else "0"] for level in side]


def book_row(view: BookView, depth: int) -> Row:
    """`GET market/books`: the best `depth` levels of either side."""
    return {"asks": levels(view.asks[:depth]), "bids": levels(view.bids[:depth]), "ts": str(view.at), "seqId": view.sequence}


def ticker_row(view: MarketView, book: BookView) -> Row:
    """`market/ticker` and channel `tickers`: last price and the touch."""
    bid, ask = _touch(book.bids), _touch(book.asks)
    return {
        **blank("lastSz open24h high24h low24h sodUtc0 sodUtc8 volCcy24h vol24h"),
        "instType": SWAP,
        "instId": view.contract.symbol,
        "last": figure(view.last),
        "bidPx": bid[0],
        "bidSz": bid[1],
        "askPx": ask[0],
        "askSz": ask[1],
        "ts": str(max(view.at, book.at)),
    }


def mark_row(view: MarketView) -> Row:
    """`public/mark-price` and channel `mark-price`."""
    return {"instType": SWAP, "instId": view.contract.symbol, "markPx": figure(view.mark), "ts": str(view.at)}


def index_row(view: MarketView) -> Row:
    """`market/index-tickers` and channel `index-tickers`; its `instId` is the index."""
    return {
        **blank("high24h low24h open24h sodUtc0 sodUtc8"),
        "instId": family(view.contract),
        "idxPx": figure(view.index),
        "ts": str(view.at),
    }


def funding_row(view: MarketView, settled: Decimal | None) -> Row:
    """`public/funding-rate` and channel `funding-rate`.

    `fundingRate` is what the settlement at `fundingTime` will use (fraction, > 0: longs pay); `nextFundingTime` is one declared interval
    later, so that the difference between the two is the interval. `settled` is the rate of the last settlement.
    """
    cap = figure(view.contract.funding_cap)
    return {
        "formulaType": "withRate",
        "fundingRate": figure(view.funding_rate),
        "fundingTime": str(view.next_funding_at),
        "impactValue": "",
        "instId": view.contract.symbol,
        "instType": SWAP,
        "interestRate": "",
        "maxFundingRate": cap,
        "method": "current_period",
        "minFundingRate": f"-{cap}",
        "nextFundingRate": "",
        "nextFundingTime": str(view.next_funding_at + view.contract.funding_interval_ms),
        "premium": figure((view.mark - view.index) / view.index) if view.index else "",
        "settFundingRate": figure(settled),
        "settState": "settled",
        "ts": str(view.at),
    }


def funding_history_row(contract: Contract, at: Millis, rate: Decimal) -> Row:
    """`public/funding-rate-history`: one settlement."""
    return {
        "formulaType": "withRate",
        "fundingRate": figure(rate),
        "fundingTime": str(at),
        "instId": contract.symbol,
        "instType": SWAP,
        "method": "current_period",
        "realizedRate": figure(rate),
    }


def open_interest_row(view: MarketView) -> Row:
    """`public/open-interest`: in contracts (`oi`), base coins (`oiCcy`) and US dollars. The engine counts base coins."""
    contract = view.contract
    per_contract = contract.contract_size / view.mark if contract.inverse else contract.contract_size
    return {
        "instId": contract.symbol,
        "instType": SWAP,
        "oi": figure(view.open_interest / per_contract),
        "oiCcy": figure(view.open_interest),
        "oiUsd": figure(view.open_interest * view.mark),
        "ts": str(view.at),
    }


def tier_rows(contract: Contract) -> list[Row]:
    """`public/position-tiers`: bounds in contracts, `imr` = 1 / `maxLever`, rates as fractions."""
    rows: list[Row] = []
    floor = ZERO
    for number, tier in enumerate(contract.tiers, start=1):
        rows.append(
            {
                **blank("baseMaxLoan instId quoteMaxLoan"),
                "imr": figure(ONE / tier.leverage_max),
                "instFamily": family(contract),
                "maxLever": figure(tier.leverage_max),
                "maxSz": figure(tier.cap),
                "minSz": figure(floor),
                "mmr": figure(tier.rate),
                "optMgnFactor": "0",
                "tier": str(number),
                "uly": family(contract),
            }
        )
        floor = tier.cap + contract.lot
    return rows


def trade_row(report: PublicTradeReport) -> Row:
    """Channel `trades`: a trade as everybody sees it; `side` is the taker's."""
    return {
        "instId": report.symbol,
        "tradeId": str(report.trade_id),
        "px": figure(report.price),
        "sz": figure(report.contracts),
        "side": report.side.value,
        "ts": str(report.at),
        "count": "1",
        "source": "0",
    }


def _touch(side: tuple[Level, ...]) -> tuple[str, str]:
    return (figure(side[0].price), figure(side[0].contracts)) if side else ("", "")
