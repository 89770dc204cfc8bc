"""What is published about a contract: the instrument, its ticker, its book, its summary.

Funding rates are told for 8 hours whatever the interval in which the engine accrues them: `current_funding` is the rate of this moment,
`funding_8h` what the last 8 hours came to. Open interest counts amounts: US dollars of an inverse perpetual, base units of a linear one.
Source: docs.deribit.com, `public/get_instruments`, `public/ticker`, `public/get_order_book`, `public/get_book_summary_by_instrument`.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from bot.core.units import ZERO, Millis
from bot.simulator.dialects.deribit.day import stats
from bot.simulator.dialects.deribit.errors import price_bounds
from bot.simulator.dialects.deribit.venue import Venue
from bot.simulator.dialects.deribit.wire import Row, contract_size, dollars, index_name, number
from bot.simulator.listed import Listing
from bot.simulator.model import BookView, Contract, MarketView, Refused

EIGHT_HOURS_MS: Millis = 8 * 3_600_000
HOUR_MS: Millis = 3_600_000
LISTED_AT: Millis = 1_534_242_287_000
NEVER: Millis = 32_503_708_800_000
"""The expiry of a perpetual: the year 3000."""


def instrument_row(venue: Venue, contract: Contract) -> Row:
    """One row of `public/get_instruments`."""
    number_ = list(venue.exchange.contracts).index(contract.symbol) + 1
    form = "reversed" if contract.inverse else "linear"
    return {
        "base_currency": contract.base,
        "block_trade_commission": number(contract.taker_fee / 2),
        "contract_size": number(contract_size(contract)),
        "counter_currency": contract.quote,
        "creation_timestamp": LISTED_AT,
        "expiration_timestamp": NEVER,
        "future_type": form,
        "instrument_id": 124_971 + number_,
        "instrument_name": contract.symbol,
        "instrument_type": form,
        "is_active": contract.listing is Listing.TRADING and view_of(venue, contract) is not None,
        "kind": "future",
        "maker_commission": number(contract.maker_fee),
        "max_leverage": 50,
        "max_liquidation_commission": number(Decimal("0.0075")),
        "min_trade_amount": number(contract.contracts_min),
        "price_index": index_name(contract),
        "quote_currency": contract.quote,
        "rfq": False,
        "settlement_currency": contract.settle,
        "settlement_period": "perpetual",
        "taker_commission": number(contract.taker_fee),
        "tick_size": number(contract.tick),
        "tick_size_steps": [],
    }


def view_of(venue: Venue, contract: Contract) -> MarketView | None:
    """The market, None before its first tick."""
    try:
        return venue.exchange.market(contract.symbol)
    except Refused:
        return None


def amount_of_interest(view: MarketView) -> Decimal:
    """The open interest in the contract's amounts."""
    return view.open_interest * view.mark if view.contract.inverse else view.open_interest


def current_funding(view: MarketView) -> Decimal:
    """The rate of this moment, for 8 hours."""
    return view.funding_rate * EIGHT_HOURS_MS / view.contract.funding_interval_ms


def funding_8h(venue: Venue, contract: Contract) -> Decimal:
    """What the last 8 hours of funding came to, as a fraction; zero before anything was accrued."""
    return sum((rate for _, rate in _last_8h(venue.exchange.funding_rates(contract.symbol), contract)), ZERO)


def ticker_row(venue: Venue, contract: Contract, now: Millis) -> Row:
    """`public/ticker`. Raises Refused(NOT_TRADING)."""
    view, book = venue.exchange.market(contract.symbol), venue.exchange.book(contract.symbol, 1)
    lowest, highest = price_bounds(venue.exchange, contract.symbol)
    return {
        **quote_row(book),
        "timestamp": now,
        "stats": stats(venue.exchange, venue.days, contract.symbol, now),
        "state": "open",
        "settlement_price": dollars(view.mark),
        "open_interest": number(amount_of_interest(view)),
        "min_price": number(lowest),
        "max_price": number(highest),
        "mark_price": dollars(view.mark),
        "last_price": number(view.last),
        "interest_value": number(current_funding(view) * 100),
        "instrument_name": contract.symbol,
        "index_price": dollars(view.index),
        "funding_8h": number(funding_8h(venue, contract)),
        "estimated_delivery_price": dollars(view.index),
        "current_funding": number(current_funding(view)),
    }


def interest_row(venue: Venue, contract: Contract, now: Millis) -> Row:
    """The `perpetual` channel's row: the funding rate of this moment, for 8 hours. Raises Refused(NOT_TRADING)."""
    view = venue.exchange.market(contract.symbol)
    return {"timestamp": now, "interest": number(current_funding(view)), "index_price": dollars(view.index)}


def quote_row(book: BookView) -> Row:
    """The `quote` channel's row: the touch. The price of an empty side is null, and its amount zero."""
    bid, ask = (side[0] if side else None for side in (book.bids, book.asks))
    return {
        "timestamp": book.at,
        "instrument_name": book.symbol,
        "best_bid_price": None if bid is None else number(bid.price),
        "best_bid_amount": number(ZERO if bid is None else bid.contracts),
        "best_ask_price": None if ask is None else number(ask.price),
        "best_ask_amount": number(ZERO if ask is None else ask.contracts),
    }


def book_row(venue: Venue, contract: Contract, depth: int, now: Millis) -> Row:
    """`public/get_order_book`. Raises Refused(NOT_TRADING)."""
    book = venue.exchange.book(contract.symbol, depth)
    row = ticker_row(venue, contract, now)
    return row | {
        "change_id": book.sequence,
        "bids": [[number(level.price), number(level.contracts)] for level in book.bids],
        "asks": [[number(level.price), number(level.contracts)] for level in book.asks],
    }


def summary_row(venue: Venue, contract: Contract, now: Millis) -> Row:
    """One row of `public/get_book_summary_by_…`. Raises Refused(NOT_TRADING)."""
    view, book = venue.exchange.market(contract.symbol), venue.exchange.book(contract.symbol, 1)
    bid, ask = (side[0].price if side else None for side in (book.bids, book.asks))
    day = stats(venue.exchange, venue.days, contract.symbol, now)
    return {
        "high": day["high"],
        "low": day["low"],
        "last": number(view.last),
        "instrument_name": contract.symbol,
        "bid_price": None if bid is None else number(bid),
        "ask_price": None if ask is None else number(ask),
        "open_interest": number(amount_of_interest(view)),
        "mark_price": dollars(view.mark),
        "creation_timestamp": now,
        "price_change": day["price_change"],
        "volume": day["volume"],
        "volume_usd": day["volume_usd"],
        "volume_notional": day["volume_usd"],
        "estimated_delivery_price": dollars(view.index),
        "base_currency": contract.base,
        "quote_currency": contract.quote,
        "current_funding": number(current_funding(view)),
        "funding_8h": number(funding_8h(venue, contract)),
        "mid_price": None if bid is None or ask is None else number((bid + ask) / 2),
    }


def funding_rows(venue: Venue, contract: Contract, start: Millis, end: Millis) -> list[Row]:
    """`public/get_funding_rate_history`: a row per accrued interval, oldest first; prices are those of now."""
    settled = venue.exchange.funding_rates(contract.symbol)
    index = dollars(venue.exchange.market(contract.symbol).index)
    rows = []
    for position, (at, rate) in enumerate(settled):
        if start <= at <= end:
            summed = sum((each for _, each in _last_8h(settled[: position + 1], contract)), ZERO)
            rows.append(
                {
                    "timestamp": at,
                    "index_price": index,
                    "prev_index_price": index,
                    "interest_8h": number(summed),
                    "interest_1h": number(rate * HOUR_MS / contract.funding_interval_ms),
                }
            )
    return rows


def _last_8h(settled: Sequence[tuple[Millis, Decimal]], contract: Contract) -> Sequence[tuple[Millis, Decimal]]:
    return settled[-max(1, EIGHT_HOURS_MS // contract.funding_interval_ms) :]
