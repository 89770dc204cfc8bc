"""The public endpoints under /v5/market (source: v5 documentation, Market)."""

from __future__ import annotations

from bot.core.units import Millis
from bot.simulator.dialects.bybit.codes import parameter
from bot.simulator.dialects.bybit.market_rows import book_side, counted, instrument, risk_tiers, ticker
from bot.simulator.dialects.bybit.venue import Call, Result
from bot.simulator.dialects.bybit.wire import Json, category_of, page, text
from bot.simulator.listed import Listing
from bot.simulator.model import Contract

MINUTE_MS: Millis = 60_000
INTERVALS_MS: dict[str, Millis] = {
    "5min": 5 * MINUTE_MS,
    "15min": 15 * MINUTE_MS,
    "30min": 30 * MINUTE_MS,
    "1h": 60 * MINUTE_MS,
    "4h": 240 * MINUTE_MS,
    "1d": 1440 * MINUTE_MS,
}
OTHER_CATEGORIES = frozenset({"spot", "option"})


def server_time(call: Call) -> Result:
    """GET time."""
    return Result({"timeSecond": str(call.now // 1000), "timeNano": str(call.now * 1_000_000)})


def instruments(call: Call) -> Result:
    """GET instruments-info: what is listed, with its filters. Spot and options are empty here."""
    category = call.params.required("category")
    if category in OTHER_CATEGORIES:
        return Result({"category": category, "list": [], "nextPageCursor": ""})
    chosen = _chosen(call)
    if call.params.text("status") not in {None, "Trading"}:
        chosen = []
    base = call.params.text("baseCoin")
    rows = [instrument(contract) for contract in chosen if base in {None, contract.base}]
    return Result(page(rows, "", category))


def tickers(call: Call) -> Result:
    """GET tickers."""
    rows = []
    for view in call.venue.trading(contract.symbol for contract in _chosen(call)):
        symbol = view.contract.symbol
        rows.append(ticker(view, call.exchange.book(symbol, 1), call.venue.days.view(symbol, call.now)))
    return Result({"category": call.params.category(), "list": rows})


def order_book(call: Call) -> Result:
    """GET orderbook: `limit` levels a side, 25 unless asked; `seq` compares with the stream's."""
    contract = _one(call)
    book = call.exchange.book(contract.symbol, call.params.integer("limit", default=25, low=1, high=500))
    value: Json = {"s": contract.symbol, "b": book_side(book.bids), "a": book_side(book.asks), "ts": call.now}
    return Result({**value, "u": book.sequence, "seq": book.sequence, "cts": book.at})


def funding_history(call: Call) -> Result:
    """GET funding/history: settled rates, newest first. A start without an end is refused, as the venue does."""
    contract = _one(call)
    far = 1 << 62
    start = call.params.integer("startTime", default=0, low=0, high=far)
    end = call.params.integer("endTime", default=far, low=0, high=far)
    if start and end == far:
        raise parameter("params error: endTime is required with startTime")
    limit = call.params.integer("limit", default=200, low=1, high=200)
    settled = [(at, rate) for at, rate in call.exchange.funding_rates(contract.symbol) if start <= at <= end]
    rows = [
        {"symbol": contract.symbol, "fundingRate": text(rate), "fundingRateTimestamp": str(at)} for at, rate in reversed(settled[-limit:])
    ]
    return Result({"category": call.params.category(), "list": rows})


def open_interest(call: Call) -> Result:
    """GET open-interest: base units, or USD of an inverse contract, at the last boundary of the interval: one row, no history is kept."""
    contract = _one(call)
    interval = INTERVALS_MS.get(call.params.required("intervalTime"))
    if interval is None:
        raise parameter("params error: intervalTime invalid")
    rows = [
        {"openInterest": f"{counted(contract, view.open_interest, view.mark):.8f}", "timestamp": str(call.now - call.now % interval)}
        for view in call.venue.trading([contract.symbol])
    ]
    return Result({"symbol": contract.symbol, "category": category_of(contract), "list": rows, "nextPageCursor": ""})


def risk_limit(call: Call) -> Result:
    """GET risk-limit: leverage tiers. Ids run on over all contracts, as the venue's do."""
    asked = {contract.symbol for contract in _chosen(call)}
    rows: list[Json] = []
    next_id = 1
    for contract in call.exchange.contracts.values():
        if contract.symbol in asked:
            rows += risk_tiers(contract, next_id)
        next_id += len(contract.tiers)
    return Result(page(rows, "", call.params.category()))


def _chosen(call: Call) -> list[Contract]:
    """The contract of `symbol`, or all of the category. Raises ApiError 10001."""
    category, symbol = call.params.category(), call.params.text("symbol")
    if symbol is None:
        return [contract for contract in call.venue.listed(category) if contract.listing is not Listing.DELISTED]
    contract = call.venue.contract(symbol, category)
    if contract is None or contract.listing is Listing.DELISTED:
        raise parameter("Not supported symbols")
    return [contract]


def _one(call: Call) -> Contract:
    """The contract of a `symbol` that must be there."""
    call.params.required("symbol")
    return _chosen(call)[0]
