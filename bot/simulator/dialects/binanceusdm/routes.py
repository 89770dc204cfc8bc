"""Which paths the venue has, what each is about, what it weighs and who may call it.

Weights: the venue's endpoint pages. A path that is not here is answered by HTTP 404, as the venue does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from bot.simulator.dialects.binanceusdm import account, market, trading
from bot.simulator.dialects.binanceusdm.state import Call, Outcome
from bot.simulator.dialects.binanceusdm.wire import Parameters
from bot.simulator.dialects.dialect import Operation

REST_HOST = "fapi.binance.com"
SPOT_HOST = "api.binance.com"


class Security(Enum):
    """Who may call: everybody, whoever sends a key, or whoever signs."""

    NONE = "none"
    KEY = "key"
    SIGNED = "signed"


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint. `weight` is used when a symbol is given, `weight_all` when none is."""

    operation: Operation
    endpoint: Callable[[Call], Outcome]
    security: Security = Security.NONE
    weight: int = 1
    weight_all: int | None = None

    def cost(self, parameters: Parameters) -> int:
        """The weight of one request; the depth of a book is weighed by its limit."""
        if self.endpoint is market.depth:
            limit = parameters.get("limit") or "500"
            return {"5": 2, "10": 2, "20": 2, "50": 2, "100": 5, "500": 10}.get(limit, 20)
        if self.weight_all is not None and parameters.get("symbol") is None:
            return self.weight_all
        return self.weight


def _signed(operation: Operation, endpoint: Callable[[Call], Outcome], weight: int = 1, weight_all: int | None = None) -> Route:
    return Route(operation, endpoint, Security.SIGNED, weight, weight_all)


_PUBLIC: dict[tuple[str, str], Route] = {
    ("GET", "/fapi/v1/ping"): Route(Operation.CLOCK, market.ping),
    ("GET", "/fapi/v1/time"): Route(Operation.CLOCK, market.time),
    ("GET", "/fapi/v1/exchangeInfo"): Route(Operation.MARKETS, market.exchange_info),
    ("GET", "/fapi/v1/depth"): Route(Operation.MARKET_DATA, market.depth),
    ("GET", "/fapi/v1/ticker/bookTicker"): Route(Operation.MARKET_DATA, market.book_ticker, weight=2, weight_all=5),
    ("GET", "/fapi/v1/ticker/price"): Route(Operation.MARKET_DATA, market.price_ticker, weight_all=2),
    ("GET", "/fapi/v2/ticker/price"): Route(Operation.MARKET_DATA, market.price_ticker, weight_all=2),
    ("GET", "/fapi/v1/ticker/24hr"): Route(Operation.MARKET_DATA, market.day_ticker, weight_all=40),
    ("GET", "/fapi/v1/premiumIndex"): Route(Operation.MARKET_DATA, market.premium_index, weight_all=10),
    ("GET", "/fapi/v1/fundingRate"): Route(Operation.MARKET_DATA, market.funding_rate),
    ("GET", "/fapi/v1/fundingInfo"): Route(Operation.MARKET_DATA, market.funding_info, weight=0),
    ("GET", "/fapi/v1/openInterest"): Route(Operation.MARKET_DATA, market.open_interest),
}

_ORDERS: dict[tuple[str, str], Route] = {
    ("POST", "/fapi/v1/order"): _signed(Operation.PLACE, trading.place, 0),
    ("POST", "/fapi/v1/batchOrders"): _signed(Operation.PLACE, trading.place_batch, 5),
    ("GET", "/fapi/v1/order"): _signed(Operation.ORDER, trading.ask),
    ("GET", "/fapi/v1/openOrder"): _signed(Operation.ORDER, trading.open_one),
    ("GET", "/fapi/v1/allOrders"): _signed(Operation.ORDER, trading.all_orders, 5),
    ("GET", "/fapi/v1/openOrders"): _signed(Operation.OPEN_ORDERS, trading.open_orders, 1, 40),
    ("DELETE", "/fapi/v1/order"): _signed(Operation.CANCEL, trading.cancel),
    ("DELETE", "/fapi/v1/batchOrders"): _signed(Operation.CANCEL, trading.cancel_batch),
    ("DELETE", "/fapi/v1/allOpenOrders"): _signed(Operation.CANCEL, trading.cancel_all),
    ("POST", "/fapi/v1/countdownCancelAll"): _signed(Operation.CANCEL, trading.countdown, 10),
}

_ACCOUNT: dict[tuple[str, str], Route] = {
    ("GET", "/fapi/v3/account"): _signed(Operation.BALANCE, account.account, 5),
    ("GET", "/fapi/v2/account"): _signed(Operation.BALANCE, account.account_v2, 5),
    ("GET", "/fapi/v3/balance"): _signed(Operation.BALANCE, account.balance, 5),
    ("GET", "/fapi/v2/balance"): _signed(Operation.BALANCE, account.balance, 5),
    ("GET", "/fapi/v3/positionRisk"): _signed(Operation.POSITIONS, account.position_risk, 5),
    ("GET", "/fapi/v2/positionRisk"): _signed(Operation.POSITIONS, account.position_risk_all, 5),
    ("GET", "/fapi/v1/userTrades"): _signed(Operation.FILLS, account.user_trades, 5),
    ("GET", "/fapi/v1/income"): _signed(Operation.FUNDING_PAID, account.income, 30),
    ("GET", "/fapi/v1/leverageBracket"): _signed(Operation.SETTINGS, account.leverage_bracket),
    ("POST", "/fapi/v1/leverage"): _signed(Operation.SETTINGS, account.set_leverage),
    ("POST", "/fapi/v1/marginType"): _signed(Operation.SETTINGS, account.set_margin_type),
    ("GET", "/fapi/v1/positionSide/dual"): _signed(Operation.SETTINGS, account.position_mode, 30),
    ("POST", "/fapi/v1/positionSide/dual"): _signed(Operation.SETTINGS, account.set_position_mode),
    ("GET", "/fapi/v1/symbolConfig"): _signed(Operation.SETTINGS, account.symbol_config, 5),
    ("GET", "/fapi/v1/commissionRate"): _signed(Operation.SETTINGS, account.commission_rate, 20),
    ("POST", "/fapi/v1/listenKey"): Route(Operation.LISTEN_KEY, account.open_listen_key, Security.KEY),
    ("PUT", "/fapi/v1/listenKey"): Route(Operation.LISTEN_KEY, account.extend_listen_key, Security.KEY),
    ("DELETE", "/fapi/v1/listenKey"): Route(Operation.LISTEN_KEY, account.close_listen_key, Security.KEY),
}

_SPOT: dict[tuple[str, str], Route] = {
    ("GET", "/sapi/v1/capital/config/getall"): _signed(Operation.MARKETS, market.spot_coins, 0),
    ("GET", "/sapi/v1/margin/allPairs"): Route(Operation.MARKETS, market.margin_pairs, Security.KEY, 0),
}

_BY_HOST = {REST_HOST: _PUBLIC | _ORDERS | _ACCOUNT, SPOT_HOST: _SPOT}


def route_of(host: str, method: str, path: str) -> Route | None:
    """The endpoint that a request names, None when the venue has none there."""
    return _BY_HOST.get(host, {}).get((method, path))
