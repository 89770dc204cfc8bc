"""Every method: what it is about, what it costs, and whether it needs an account. HTTP and WebSocket know the same ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bot.simulator.dialects.deribit import account, market, orders, transactions
from bot.simulator.dialects.deribit.budget import MATCHING, OTHER, Kind
from bot.simulator.dialects.deribit.venue import Function
from bot.simulator.dialects.dialect import Operation


@dataclass(frozen=True, slots=True)
class Method:
    """One method; `private/` in its name says that it needs an account."""

    operation: Operation
    function: Function
    kind: Kind = OTHER


METHODS: Mapping[str, Method] = {
    "public/get_time": Method(Operation.CLOCK, market.get_time),
    "public/test": Method(Operation.CLOCK, market.test),
    "public/status": Method(Operation.MARKETS, market.status),
    "public/get_currencies": Method(Operation.MARKETS, market.get_currencies),
    "public/get_instruments": Method(Operation.MARKETS, market.get_instruments),
    "public/get_instrument": Method(Operation.MARKETS, market.get_instrument),
    "public/ticker": Method(Operation.MARKET_DATA, market.ticker),
    "public/get_order_book": Method(Operation.MARKET_DATA, market.get_order_book),
    "public/get_book_summary_by_instrument": Method(Operation.MARKET_DATA, market.book_summary_by_instrument),
    "public/get_book_summary_by_currency": Method(Operation.MARKET_DATA, market.book_summary_by_currency),
    "public/get_funding_rate_history": Method(Operation.MARKET_DATA, market.funding_rate_history),
    "public/get_funding_rate_value": Method(Operation.MARKET_DATA, market.funding_rate_value),
    "public/get_index_price": Method(Operation.MARKET_DATA, market.get_index_price),
    "private/buy": Method(Operation.PLACE, orders.buy, MATCHING),
    "private/sell": Method(Operation.PLACE, orders.sell, MATCHING),
    "private/cancel": Method(Operation.CANCEL, orders.cancel, MATCHING),
    "private/cancel_by_label": Method(Operation.CANCEL, orders.cancel_by_label, MATCHING),
    "private/cancel_all": Method(Operation.CANCEL, orders.cancel_all, MATCHING),
    "private/cancel_all_by_currency": Method(Operation.CANCEL, orders.cancel_all_by_currency, MATCHING),
    "private/cancel_all_by_instrument": Method(Operation.CANCEL, orders.cancel_all_by_instrument, MATCHING),
    "private/get_order_state": Method(Operation.ORDER, orders.order_state),
    "private/get_order_state_by_label": Method(Operation.ORDER, orders.order_state_by_label),
    "private/get_open_orders": Method(Operation.OPEN_ORDERS, orders.open_orders),
    "private/get_open_orders_by_currency": Method(Operation.OPEN_ORDERS, orders.open_orders),
    "private/get_open_orders_by_instrument": Method(Operation.OPEN_ORDERS, orders.open_orders),
    "private/get_open_orders_by_label": Method(Operation.OPEN_ORDERS, orders.open_orders),
    "private/get_order_history_by_currency": Method(Operation.ORDER, orders.order_history),
    "private/get_order_history_by_instrument": Method(Operation.ORDER, orders.order_history),
    "private/get_user_trades_by_currency": Method(Operation.FILLS, orders.user_trades),
    "private/get_user_trades_by_currency_and_time": Method(Operation.FILLS, orders.user_trades),
    "private/get_user_trades_by_instrument": Method(Operation.FILLS, orders.user_trades),
    "private/get_user_trades_by_instrument_and_time": Method(Operation.FILLS, orders.user_trades),
    "private/get_user_trades_by_order": Method(Operation.FILLS, orders.user_trades_by_order),
    "private/get_positions": Method(Operation.POSITIONS, account.get_positions),
    "private/get_position": Method(Operation.POSITIONS, account.get_position),
    "private/get_account_summary": Method(Operation.BALANCE, account.get_account_summary),
    "private/get_account_summaries": Method(Operation.BALANCE, account.get_account_summaries),
    "private/list_api_keys": Method(Operation.SETTINGS, account.list_api_keys),
    "private/get_transaction_log": Method(Operation.FUNDING_PAID, transactions.log),
}
