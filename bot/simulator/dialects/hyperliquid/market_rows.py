"""What Hyperliquid publishes about a perpetual: `meta` with its margin tables, asset contexts, books, trades, predicted funding.

`funding` is the rate of the coming hour (fraction, > 0: longs pay). Open interest and `dayBaseVlm` count coins, `dayNtlVlm` USDC.
Source: Hyperliquid docs, "Info endpoint / Perpetuals", "Websocket / Subscriptions".
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal

from bot.core.units import ZERO
from bot.simulator.dialects.day import DayView
from bot.simulator.dialects.hyperliquid.wire import Row, figure, hash_of, side_of, size_decimals
from bot.simulator.exchange import Exchange
from bot.simulator.listed import Listing
from bot.simulator.listings import HOUR_MS
from bot.simulator.model import Contract, Level, MarketView, PublicTradeReport, Refused

BOOK_LEVELS = 20
MARGIN_TABLE_FIRST = 51
"""Margin tables below this are the plain ones, called by their one leverage."""

SPOT_META: Row = {
    "universe": [],
    "tokens": [
        {
            "name": "USDC",
            "szDecimals": 8,
            "weiDecimals": 8,
            "index": 0,
            "tokenId": "0x6d1e7cde53ba9467b783cb7c530ce054",
            "isCanonical": True,
            "evmContract": None,
            "fullName": None,
        }
    ],
}
"""`spotMeta`: of the spot market there is only the token that perpetuals settle in."""


def margin_table_id(exchange: Exchange, symbol: str) -> int:
    """The id of a contract's margin table: ours count up in listing order."""
    return MARGIN_TABLE_FIRST + list(exchange.contracts).index(symbol)


def margin_table(contract: Contract) -> Row:
    """The tiers of a contract: from `lowerBound` (USDC of position) on at most `maxLeverage`. The last one has no end."""
    bounds = [ZERO, *(tier.cap for tier in contract.tiers[:-1])]
    tiers = [
        {"lowerBound": figure(bound), "maxLeverage": int(tier.leverage_max)} for bound, tier in zip(bounds, contract.tiers, strict=True)
    ]
    return {"description": f"tiered {tiers[0]['maxLeverage']}x", "marginTiers": tiers}


def meta(exchange: Exchange) -> Row:
    """`meta`: every perpetual; its place in `universe` is its asset index."""
    contracts = exchange.contracts
    universe = [
        {
            "szDecimals": size_decimals(contract),
            "name": symbol,
            "maxLeverage": int(contract.tiers[0].leverage_max),
            "marginTableId": margin_table_id(exchange, symbol),
            **({} if contract.listing is Listing.TRADING else {"isDelisted": True}),
        }
        for symbol, contract in contracts.items()
    ]
    tables = [[margin_table_id(exchange, symbol), margin_table(contract)] for symbol, contract in contracts.items()]
    return {"universe": universe, "marginTables": tables, "collateralToken": 0}


def context(exchange: Exchange, symbol: str, day: DayView | None) -> Row:
    """One asset's context. Before the first price of a contract its figures are zero and its book null."""
    try:
        view = exchange.market(symbol)
    except Refused:
        blank = dict.fromkeys(("funding", "openInterest", "prevDayPx", "dayNtlVlm", "oraclePx", "markPx", "dayBaseVlm"), "0.0")
        return {**blank, "premium": None, "midPx": None, "impactPxs": None}
    book = exchange.book(symbol, 1)
    touch = [side[0].price for side in (book.bids, book.asks) if side]
    whole = len(touch) == 2
    return {
        "funding": figure(view.funding_rate),
        "openInterest": figure(view.open_interest),
        "prevDayPx": figure(day.first if day else view.last),
        "dayNtlVlm": figure(day.turnover if day else ZERO),
        "premium": figure(_rounded((view.mark - view.index) / view.index)) if whole else None,
        "oraclePx": figure(view.index),
        "markPx": figure(view.mark),
        "midPx": figure((touch[0] + touch[1]) / 2) if whole else None,
        "impactPxs": [figure(price) for price in touch] if whole else None,
        "dayBaseVlm": figure(day.volume if day else ZERO),
    }


def mids(exchange: Exchange) -> dict[str, str]:
    """`allMids`: the middle of each book that has two sides; a coin without one has its last price."""
    found: dict[str, str] = {}
    for symbol in exchange.contracts:
        book = exchange.book(symbol, 1)
        if book.bids and book.asks:
            found[symbol] = figure((book.bids[0].price + book.asks[0].price) / 2)
    return found


def levels(side: Sequence[Level]) -> list[Row]:
    """Price, size and how many orders: the engine keeps no count, so one."""
    return [{"px": figure(level.price), "sz": figure(level.contracts), "n": 1} for level in side]


def book(exchange: Exchange, symbol: str, depth: int = BOOK_LEVELS) -> Row:
    """`l2Book`: the best levels of either side, bids first."""
    view = exchange.book(symbol, depth)
    return {"coin": symbol, "time": view.at, "levels": [levels(view.bids[:depth]), levels(view.asks[:depth])]}


def touch(exchange: Exchange, symbol: str) -> Row:
    """`bbo`: the best level of either side, null where there is none."""
    view = exchange.book(symbol, 1)
    best = [levels(side[:1]) for side in (view.bids, view.asks)]
    return {"coin": symbol, "time": view.at, "bbo": [side[0] if side else None for side in best]}


def trade(report: PublicTradeReport) -> Row:
    """One public trade; `side` is the taker's. The two addresses are nobody's here."""
    return {
        "coin": report.symbol,
        "side": side_of(report.side),
        "px": figure(report.price),
        "sz": figure(report.contracts),
        "time": report.at,
        "hash": hash_of(report.trade_id),
        "tid": report.trade_id,
        "users": [f"0x{0:040x}"] * 2,
    }


def predicted(exchange: Exchange) -> list[list[object]]:
    """`predictedFundings`: by coin, what the venue itself will settle next; what it knows of other venues is not simulated."""
    found: list[list[object]] = []
    for symbol in exchange.contracts:
        try:
            view = exchange.market(symbol)
        except Refused:
            continue
        found.append([symbol, [["HlPerp", _prediction(view)]]])
    return found


def _prediction(view: MarketView) -> Row:
    hours = view.contract.funding_interval_ms // HOUR_MS
    return {"fundingRate": figure(view.funding_rate), "nextFundingTime": view.next_funding_at, "fundingIntervalHours": hours}


def settled(symbol: str, at: int, rate: Decimal) -> Row:
    """One hour of `fundingHistory`; the premium that led to a rate is not kept."""
    return {"coin": symbol, "fundingRate": figure(rate), "premium": "0.0", "time": at}


def _rounded(value: Decimal) -> Decimal:
    return value.quantize(Decimal("1e-10"), rounding=ROUND_HALF_EVEN)
