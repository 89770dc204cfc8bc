"""Public market data: the listing, the book, mark and funding, the ticker.

`lastFundingRate` of `premiumIndex` is the rate that the next settlement will use as it stands now, a fraction per interval, > 0 when
longs pay. Volumes and open interest count contracts (base units on USD-M); beside a volume stands what it was worth, in quote units
(`quoteVolume`) or in coins (`baseVolume`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any

from bot.core.units import ZERO, down_to_step
from bot.simulator.dialects.binance.errors import ApiError
from bot.simulator.dialects.binance.face import Face, Row, average_price, pair_of
from bot.simulator.dialects.binance.state import Call, Outcome
from bot.simulator.dialects.binance.trading import price_places
from bot.simulator.dialects.binance.wire import decimals, lowest, text
from bot.simulator.listed import Listing
from bot.simulator.model import Contract, Level, Refused

DEPTH_LIMITS = (5, 10, 20, 50, 100, 500, 1_000)
INTEREST_RATE = "0.00010000"
"""The fixed interest part of the funding formula, per 8 h."""

_PERPETUAL_DELIVERY = 4_133_404_800_000
_ONBOARD = 1_569_398_400_000
_DAY_MS = 86_400_000


def ping(_: Call) -> Outcome:
    """GET ping."""
    nothing: dict[str, Any] = {}
    return Outcome(nothing)


def time(call: Call) -> Outcome:
    """GET time."""
    return Outcome({"serverTime": call.now})


def exchange_info(call: Call) -> Outcome:
    """GET exchangeInfo: limits, what else the venue lists, and every contract with its filters."""
    told = call.state.budget.limits
    limits = (
        ("REQUEST_WEIGHT", "MINUTE", 1, told.weight_per_minute),
        ("ORDERS", "MINUTE", 1, told.orders_per_minute),
        ("ORDERS", "SECOND", 10, told.orders_per_10s),
    )
    names = ("rateLimitType", "interval", "intervalNum", "limit")
    return Outcome(
        {
            "timezone": "UTC",
            "serverTime": call.now,
            "rateLimits": [dict(zip(names, limit, strict=True)) for limit in limits if limit[-1] is not None],
            "exchangeFilters": [],
            "symbols": [_symbol(call.face, each) for each in call.exchange.contracts.values() if each.listing is not Listing.DELISTED],
        }
    )


def exchange_info_with_assets(call: Call) -> Outcome:
    """GET exchangeInfo as USD-M answers it: with its margin assets."""
    assets = sorted({contract.settle for contract in call.exchange.contracts.values()})
    listed = [{"asset": asset, "marginAvailable": True, "autoAssetExchange": "0"} for asset in assets]
    return Outcome(exchange_info(call).value | {"futuresType": "U_MARGINED", "assets": listed})


def _symbol(face: Face, contract: Contract) -> Row:
    maintenance = contract.tiers[0].rate * 100
    required = 100 / contract.tiers[0].leverage_max
    return {
        "symbol": contract.symbol,
        "pair": pair_of(contract.symbol),
        "contractType": "PERPETUAL",
        "deliveryDate": _PERPETUAL_DELIVERY,
        "onboardDate": _ONBOARD,
        face.status: "TRADING" if contract.listing is Listing.TRADING else "PENDING_TRADING",
        "maintMarginPercent": text(maintenance.quantize(Decimal("0.0001"))),
        "requiredMarginPercent": text(required.quantize(Decimal("0.0001"))),
        "baseAsset": contract.base,
        "quoteAsset": contract.quote,
        "marginAsset": contract.settle,
        "pricePrecision": price_places(face, contract),
        "quantityPrecision": decimals(contract.lot),
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": ["PoW"],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": text(contract.price_band),
        "maxMoveOrderLimit": 10_000,
        "filters": _filters(contract),
        "orderTypes": ["LIMIT", "MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
    } | _size(contract)


def _size(contract: Contract) -> Row:
    """What is listed of a contract that is not one base unit: how many quote units it is."""
    return {"contractSize": int(contract.contract_size), "equalQtyPrecision": 4} if contract.inverse else {}


def _filters(contract: Contract) -> list[Row]:
    lots = {"minQty": text(contract.contracts_min), "maxQty": lowest(contract.contracts_max), "stepSize": text(contract.lot)}
    price = {"minPrice": text(contract.tick), "maxPrice": "10000000", "tickSize": text(contract.tick)}
    band = {"multiplierUp": text(1 + contract.price_band), "multiplierDown": text(1 - contract.price_band), "multiplierDecimal": "4"}
    least = [{"filterType": "MIN_NOTIONAL", "notional": lowest(contract.notional_min)}] if contract.notional_min else []
    return [
        {"filterType": "PRICE_FILTER"} | price,
        {"filterType": "LOT_SIZE"} | lots,
        {"filterType": "MARKET_LOT_SIZE"} | lots,
        {"filterType": "MAX_NUM_ORDERS", "limit": 200},
        *least,
        {"filterType": "PERCENT_PRICE"} | band,
    ]


def levels(side: tuple[Level, ...]) -> list[list[str]]:
    """Prices and quantities of one side of a book."""
    return [[text(level.price), text(level.contracts)] for level in side]


def depth(call: Call) -> Outcome:
    """GET depth; raises -4021 for a limit that the venue does not offer."""
    contract = call.contract()
    limit = call.parameters.integer("limit", 500) or 0
    if limit not in DEPTH_LIMITS:
        raise ApiError(-4021, f"{limit} is not valid depth limit.")
    book = call.exchange.book(contract.symbol, limit)
    named = {"symbol": contract.symbol} | call.face.pair(contract.symbol) if call.face.names_pair else {}
    sides = {"bids": levels(book.bids), "asks": levels(book.asks)}
    return Outcome({"lastUpdateId": book.sequence, "E": call.now, "T": book.at} | named | sides)


def _each(call: Call, row: Callable[[Call, Contract], Row]) -> Outcome:
    if call.parameters.get("symbol") is not None:
        one = row(call, call.contract())
        return Outcome([one] if call.face.lists_one else one)
    rows = []
    for listed in call.contracts():
        with suppress(Refused):  # a contract that has no price yet is not trading: the venue leaves it out
            rows.append(row(call, listed))
    return Outcome(rows)


def book_ticker(call: Call) -> Outcome:
    """GET ticker/bookTicker, of one symbol or of all."""
    return _each(call, _book_ticker)


def _book_ticker(call: Call, contract: Contract) -> Row:
    book = call.exchange.book(contract.symbol, 1)
    bid = book.bids[0] if book.bids else Level(ZERO, ZERO)
    ask = book.asks[0] if book.asks else Level(ZERO, ZERO)
    return {
        "symbol": contract.symbol,
        "bidPrice": text(bid.price),
        "bidQty": text(bid.contracts),
        "askPrice": text(ask.price),
        "askQty": text(ask.contracts),
        "time": call.now,
        "lastUpdateId": book.sequence,
    } | call.face.pair(contract.symbol)


def price_ticker(call: Call) -> Outcome:
    """GET ticker/price, of one symbol or of all."""

    def row(call: Call, contract: Contract) -> Row:
        last = text(call.exchange.market(contract.symbol).last)
        return {"symbol": contract.symbol, "price": last, "time": call.now} | call.face.streamed_pair(contract.symbol)

    return _each(call, row)


def day_ticker(call: Call) -> Outcome:
    """GET ticker/24hr, of one symbol or of all."""
    return _each(call, _day_ticker)


def _day_ticker(call: Call, contract: Contract) -> Row:
    market = call.exchange.market(contract.symbol)
    day = call.state.day.of(contract.symbol, market.last, call.now)
    change = day.last - day.first
    average = average_price(contract, day.volume, day.value) or day.last
    return {
        "symbol": contract.symbol,
        "priceChange": text(change),
        "priceChangePercent": text((change / day.first * 100).quantize(Decimal("0.001"))),
        "weightedAvgPrice": text(average),
        "lastPrice": text(day.last),
        "lastQty": text(day.last_contracts),
        "openPrice": text(day.first),
        "highPrice": text(day.high),
        "lowPrice": text(day.low),
        "volume": text(day.volume),
        call.face.day_value: text(day.value),
        "openTime": max(day.started_at, call.now - _DAY_MS),
        "closeTime": call.now,
        "firstId": day.first_trade,
        "lastId": day.last_trade,
        "count": day.trades,
    } | call.face.pair(contract.symbol)


def premium_index(call: Call) -> Outcome:
    """GET premiumIndex, of one symbol or of all: mark, index and funding."""
    return _each(call, _premium_index)


def _premium_index(call: Call, contract: Contract) -> Row:
    market = call.exchange.market(contract.symbol)
    return {
        "symbol": contract.symbol,
        "markPrice": text(market.mark),
        "indexPrice": text(market.index),
        "estimatedSettlePrice": text(market.index),
        "lastFundingRate": text(market.funding_rate),
        "interestRate": INTEREST_RATE,
        "nextFundingTime": market.next_funding_at,
        "time": call.now,
    } | call.face.pair(contract.symbol)


def funding_rate(call: Call) -> Outcome:
    """GET fundingRate: settled rates, oldest first; the newest `limit` when no `startTime` is given."""
    return _funding_rates(call, call.contracts(), {"markPrice": ""})


def funding_rate_of_one(call: Call) -> Outcome:
    """GET fundingRate as COIN-M answers it: of one symbol, which has to be sent."""
    return _funding_rates(call, (call.contract(),), {})


def _funding_rates(call: Call, contracts: tuple[Contract, ...], beside: Row) -> Outcome:
    start, end = call.parameters.integer("startTime"), call.parameters.integer("endTime")
    rows: list[Row] = [
        {"symbol": listed.symbol, "fundingTime": at, "fundingRate": text(rate)} | beside
        for listed in contracts
        for at, rate in call.exchange.funding_rates(listed.symbol, start or 0)
        if end is None or at <= end
    ]
    rows.sort(key=lambda row: row["fundingTime"])
    limit = call.parameters.limit(100, 1_000)
    return Outcome(rows[:limit] if start is not None else rows[-limit:])


def funding_info(call: Call) -> Outcome:
    """GET fundingInfo: cap, floor and interval of every contract."""
    return Outcome(
        [
            {
                "symbol": contract.symbol,
                "adjustedFundingRateCap": text(contract.funding_cap),
                "adjustedFundingRateFloor": text(-contract.funding_cap),
                "fundingIntervalHours": contract.funding_interval_ms // 3_600_000,
                "disclaimer": False,
            }
            for contract in call.exchange.contracts.values()
        ]
    )


def open_interest(call: Call) -> Outcome:
    """GET openInterest."""
    contract = call.contract()
    market = call.exchange.market(contract.symbol)
    base = market.open_interest
    held = text(down_to_step(base * market.mark / contract.contract_size, contract.lot) if contract.inverse else base)
    kind = {"contractType": "PERPETUAL"} | call.face.pair(contract.symbol) if call.face.names_pair else {}
    return Outcome({"symbol": contract.symbol, "openInterest": held, "time": call.now} | kind)


def spot_coins(call: Call) -> Outcome:
    """GET sapi capital/config/getall: the coins that the contracts name, so that a client with default options loads its markets."""
    coins = sorted({name for contract in call.exchange.contracts.values() for name in (contract.base, contract.settle)})
    flags = {"depositAllEnable": False, "withdrawAllEnable": False, "isLegalMoney": False, "trading": True, "networkList": []}
    return Outcome([{"coin": coin, "name": coin, "free": "0", "locked": "0"} | flags for coin in coins])


def margin_pairs(_: Call) -> Outcome:
    """GET sapi margin/allPairs: this venue has no margin pairs."""
    nothing: list[Row] = []
    return Outcome(nothing)
