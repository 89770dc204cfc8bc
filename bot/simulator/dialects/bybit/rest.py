"""The REST surface: which paths there are, who may call them how often, and how every answer is wrapped.

An answer is HTTP 200 with a `retCode`, also when it refuses; a path or method that does not exist is HTTP 404 without JSON. Private
answers carry the rate limit headers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.core.units import Millis
from bot.simulator.dialects.bybit import account, market, orders
from bot.simulator.dialects.bybit.codes import ApiError, refused
from bot.simulator.dialects.bybit.params import Params
from bot.simulator.dialects.bybit.venue import Call, Result, Venue
from bot.simulator.dialects.bybit.wire import envelope
from bot.simulator.dialects.dialect import Answer, HttpReply, HttpRequest, Operation
from bot.simulator.model import Refused


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint. `per_second` is None where it is public, else the calls that one account may make in a second."""

    operation: Operation
    function: Callable[[Call], Result]
    per_second: int | None = None


ROUTES: dict[tuple[str, str], Route] = {
    ("GET", "/v5/market/time"): Route(Operation.CLOCK, market.server_time),
    ("GET", "/v5/market/instruments-info"): Route(Operation.MARKETS, market.instruments),
    ("GET", "/v5/market/risk-limit"): Route(Operation.MARKETS, market.risk_limit),
    ("GET", "/v5/market/tickers"): Route(Operation.MARKET_DATA, market.tickers),
    ("GET", "/v5/market/orderbook"): Route(Operation.MARKET_DATA, market.order_book),
    ("GET", "/v5/market/funding/history"): Route(Operation.MARKET_DATA, market.funding_history),
    ("GET", "/v5/market/open-interest"): Route(Operation.MARKET_DATA, market.open_interest),
    ("POST", "/v5/order/create"): Route(Operation.PLACE, orders.create, 20),
    ("POST", "/v5/order/cancel"): Route(Operation.CANCEL, orders.cancel, 20),
    ("POST", "/v5/order/cancel-all"): Route(Operation.CANCEL, orders.cancel_all, 20),
    ("GET", "/v5/order/realtime"): Route(Operation.OPEN_ORDERS, orders.realtime, 50),
    ("GET", "/v5/order/history"): Route(Operation.ORDER, orders.history, 50),
    ("GET", "/v5/execution/list"): Route(Operation.FILLS, orders.executions, 50),
    ("POST", "/v5/order/disconnected-cancel-all"): Route(Operation.SETTINGS, account.protect_on_disconnect, 5),
    ("GET", "/v5/position/list"): Route(Operation.POSITIONS, account.positions, 50),
    ("POST", "/v5/position/set-leverage"): Route(Operation.SETTINGS, account.set_leverage, 10),
    ("POST", "/v5/position/switch-mode"): Route(Operation.SETTINGS, account.switch_mode, 10),
    ("POST", "/v5/position/switch-isolated"): Route(Operation.SETTINGS, account.switch_isolated, 10),
    ("POST", "/v5/account/set-margin-mode"): Route(Operation.SETTINGS, account.set_margin_mode, 5),
    ("GET", "/v5/account/wallet-balance"): Route(Operation.BALANCE, account.wallet_balance, 50),
    ("GET", "/v5/account/info"): Route(Operation.SETTINGS, account.account_info, 50),
    ("GET", "/v5/account/fee-rate"): Route(Operation.SETTINGS, account.fee_rate, 10),
    ("GET", "/v5/account/transaction-log"): Route(Operation.FUNDING_PAID, account.transaction_log, 30),
    ("GET", "/v5/account/query-dcp-info"): Route(Operation.SETTINGS, account.protection_info, 10),
    ("GET", "/v5/user/query-api"): Route(Operation.SETTINGS, account.key_info, 10),
    ("GET", "/v5/asset/transfer/query-account-coins-balance"): Route(Operation.BALANCE, account.coins_balance, 5),
    ("GET", "/v5/asset/coin/query-info"): Route(Operation.MARKETS, account.coin_info, 5),
}


def operation(request: HttpRequest) -> Operation:
    """What a request is about. Looking for one order by its id and listing executions of funding have operations of their own."""
    route = ROUTES.get((request.method, request.path))
    if route is None:
        return Operation.UNKNOWN
    query = request.query_string
    if route.operation is Operation.OPEN_ORDERS and ("orderLinkId=" in query or "orderId=" in query):
        return Operation.ORDER
    if route.operation is Operation.FILLS and "execType=Funding" in query:
        return Operation.FUNDING_PAID
    return route.operation


def handle(venue: Venue, request: HttpRequest, now: Millis) -> Answer:
    """Finds the endpoint, checks who is asking and how often, calls it, wraps what it says."""
    route = ROUTES.get((request.method, request.path))
    if route is None:
        return Answer(HttpReply(status=404, body=b"404 page not found", content_type="text/plain"))
    headers = {"Timenow": str(now)}
    try:
        account_name, key = "", None
        if route.per_second is not None:
            key = venue.keys.rest(request, now)
            account_name = key.account
            visit = venue.visits.count(account_name, request.path, route.per_second, now)
            headers.update(visit.headers)
            visit.admit()
        result = route.function(Call(venue, Params.of(request), account_name, now, key))
        return Answer(HttpReply(status=200, body=envelope(result.value, now), headers=headers), result.reports)
    except Refused as refusal:
        error = refused(refusal)
    except ApiError as raised:
        error = raised
    return Answer(HttpReply(status=200, body=envelope({}, now, code=error.code, sentence=error.sentence), headers=headers))
