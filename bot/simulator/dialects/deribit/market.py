"""The public methods. Source: docs.deribit.com, "Market Data", "Supporting"."""

from __future__ import annotations

from bot.core.units import ZERO
from bot.simulator.dialects.deribit import market_rows
from bot.simulator.dialects.deribit.errors import invalid
from bot.simulator.dialects.deribit.venue import CURRENCIES, Call, Result
from bot.simulator.dialects.deribit.wire import Row, number
from bot.simulator.listed import Listing

DEPTH_MAX = 10_000
_LONG = {"BTC": "Bitcoin", "ETH": "Ethereum", "USDC": "USD Coin"}


def get_time(call: Call) -> Result:
    """The venue's clock in ms."""
    return Result(call.now)


def test(_call: Call) -> Result:
    """The version of the API."""
    return Result({"version": "1.2.26"})


def status(_call: Call) -> Result:
    """Whether anything is locked; nothing ever is here."""
    return Result({"locked": "false", "locked_indices": []})


def get_currencies(_call: Call) -> Result:
    """What margin may be held in."""
    rows: list[Row] = [
        {
            "currency": currency,
            "currency_long": _LONG[currency],
            "coin_type": "BITCOIN" if currency == "BTC" else "ETHER",
            "min_confirmations": 1,
            "min_withdrawal_fee": number(ZERO),
            "withdrawal_fee": number(ZERO),
            "withdrawal_priorities": [],
            "fee_precision": 4,
            "in_cross_collateral_pool": False,
        }
        for currency in CURRENCIES
    ]
    return Result(rows)


def get_instruments(call: Call) -> Result:
    """The listed perpetuals, all of them or those that settle in a currency."""
    return Result(
        [market_rows.instrument_row(call.venue, contract) for contract in call.contracts() if contract.listing is not Listing.DELISTED]
    )


def get_instrument(call: Call) -> Result:
    """One perpetual."""
    return Result(market_rows.instrument_row(call.venue, call.contract()))


def ticker(call: Call) -> Result:
    """Touch, mark, index, funding and the last day of one perpetual."""
    return Result(market_rows.ticker_row(call.venue, call.contract(), call.now))


def get_order_book(call: Call) -> Result:
    """The best levels beside the ticker."""
    return Result(market_rows.book_row(call.venue, call.contract(), call.params.whole("depth", 5, DEPTH_MAX), call.now))


def book_summary_by_instrument(call: Call) -> Result:
    """A list of one summary."""
    return Result([market_rows.summary_row(call.venue, call.contract(), call.now)])


def book_summary_by_currency(call: Call) -> Result:
    """The summaries of the perpetuals that settle in a currency."""
    call.params.text("currency")
    return Result([market_rows.summary_row(call.venue, contract, call.now) for contract in call.contracts()])


def funding_rate_history(call: Call) -> Result:
    """What was accrued in a span of time."""
    start, end = call.params.instant("start_timestamp"), call.params.instant("end_timestamp")
    return Result(market_rows.funding_rows(call.venue, call.contract(), start, end))


def funding_rate_value(call: Call) -> Result:
    """The funding of a span of time as one fraction, > 0 when longs paid."""
    contract, start, end = call.contract(), call.params.instant("start_timestamp"), call.params.instant("end_timestamp")
    if end < start:
        raise invalid("end_timestamp", "must be greater than start_timestamp")
    settled = call.exchange.funding_rates(contract.symbol)
    return Result(number(sum((rate for at, rate in settled if start <= at <= end), ZERO)))


def get_index_price(call: Call) -> Result:
    """The index of a base currency, by its name."""
    name = call.params.text("index_name")
    for contract in call.exchange.contracts.values():
        if name == f"{contract.base}_{contract.quote}".lower():
            index = call.exchange.market(contract.symbol).index
            return Result({"index_price": number(index), "estimated_delivery_price": number(index)})
    raise invalid("index_name", "wrong format")
