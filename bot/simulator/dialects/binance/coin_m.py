"""COIN-M futures: their words, and their paths with what each weighs. Source: the venue's endpoint pages ("COIN-M Futures").

The spot host, which a client with default options asks for its list of coins, is USD-M's to answer, but for what a key may do.
"""

from __future__ import annotations

import re

from bot.simulator.dialects.binance import account, coin_m_account, market, trading
from bot.simulator.dialects.binance.face import Face, Limits
from bot.simulator.dialects.binance.routes import SPOT_HOST, Route, Routes, keyed, signed
from bot.simulator.dialects.dialect import Operation
from bot.simulator.model import Refusal

REST_HOST = "dapi.binance.com"
STREAM_HOST = "dstream.binance.com"

FACE = Face(
    rest_host=REST_HOST,
    stream_host=STREAM_HOST,
    hosts=(REST_HOST, STREAM_HOST),
    socket_path=re.compile(r"/(?P<mode>ws|stream)(?:/(?P<tail>.*))?"),
    limits=Limits(orders_per_10s=None),
    names_pair=True,
    lists_one=True,
    status="contractStatus",
    price_places_min=0,
    filled_value="cumBase",
    fill_value="baseQty",
    day_value="baseVolume",
    bracket_floor="qtyFloor",
    bracket_cap="qtyCap",
    position_max="maxQty",
    orders_page=(50, 100),
    fills_page=(50, 1_000),
    refuses_in_answer=False,
    account_alias="SgsR",
    order_defaults={},
    event_defaults={},
    tells_expiry_reason=False,
    expired_names_key=False,
    extended_key_told=False,
    codes={
        Refusal.NOT_TRADING: (-2016, "No trading window could be found for the symbol. Try ticker/24hrs instead."),
        Refusal.NOTIONAL_MIN: (-4178, "Order's notional must be no smaller than {} (unless you choose reduce only)."),
        Refusal.NO_LIQUIDITY: (-4113, "The counterparty's best price does not meet the PERCENT_PRICE filter limit."),
    },
)

_PUBLIC: dict[tuple[str, str], Route] = {
    ("GET", "/dapi/v1/ping"): Route(Operation.CLOCK, market.ping),
    ("GET", "/dapi/v1/time"): Route(Operation.CLOCK, market.time),
    ("GET", "/dapi/v1/exchangeInfo"): Route(Operation.MARKETS, market.exchange_info),
    ("GET", "/dapi/v1/depth"): Route(Operation.MARKET_DATA, market.depth),
    ("GET", "/dapi/v1/ticker/bookTicker"): Route(Operation.MARKET_DATA, market.book_ticker, weight=2, weight_all=5),
    ("GET", "/dapi/v1/ticker/price"): Route(Operation.MARKET_DATA, market.price_ticker, weight_all=2),
    ("GET", "/dapi/v1/ticker/24hr"): Route(Operation.MARKET_DATA, market.day_ticker, weight_all=40),
    ("GET", "/dapi/v1/premiumIndex"): Route(Operation.MARKET_DATA, market.premium_index, weight=10),
    ("GET", "/dapi/v1/fundingRate"): Route(Operation.MARKET_DATA, market.funding_rate_of_one),
    ("GET", "/dapi/v1/fundingInfo"): Route(Operation.MARKET_DATA, market.funding_info),
    ("GET", "/dapi/v1/openInterest"): Route(Operation.MARKET_DATA, market.open_interest),
}

_ORDERS: dict[tuple[str, str], Route] = {
    ("POST", "/dapi/v1/order"): signed(Operation.PLACE, trading.place, 0),
    ("POST", "/dapi/v1/batchOrders"): signed(Operation.PLACE, trading.place_batch, 5),
    ("GET", "/dapi/v1/order"): signed(Operation.ORDER, trading.ask),
    ("GET", "/dapi/v1/openOrder"): signed(Operation.ORDER, trading.open_one),
    ("GET", "/dapi/v1/allOrders"): signed(Operation.ORDER, trading.all_orders, 20, 40),
    ("GET", "/dapi/v1/openOrders"): signed(Operation.OPEN_ORDERS, trading.open_orders, 1, 40),
    ("GET", "/dapi/v1/forceOrders"): signed(Operation.ORDER, trading.force_orders, 20, 50),
    ("DELETE", "/dapi/v1/order"): signed(Operation.CANCEL, trading.cancel),
    ("DELETE", "/dapi/v1/batchOrders"): signed(Operation.CANCEL, trading.cancel_batch),
    ("DELETE", "/dapi/v1/allOpenOrders"): signed(Operation.CANCEL, trading.cancel_all),
    ("POST", "/dapi/v1/countdownCancelAll"): signed(Operation.SETTINGS, trading.countdown, 10),
}

_ACCOUNT: dict[tuple[str, str], Route] = {
    ("GET", "/dapi/v1/account"): signed(Operation.BALANCE, coin_m_account.account, 5),
    ("GET", "/dapi/v1/balance"): signed(Operation.BALANCE, coin_m_account.balance),
    ("GET", "/dapi/v1/positionRisk"): signed(Operation.POSITIONS, coin_m_account.position_risk),
    ("GET", "/dapi/v1/adlQuantile"): signed(Operation.POSITIONS, account.adl_quantile, 5),
    ("GET", "/dapi/v1/userTrades"): signed(Operation.FILLS, account.user_trades, 20, 40),
    ("GET", "/dapi/v1/income"): signed(Operation.FUNDING_PAID, account.income, 20),
    ("GET", "/dapi/v2/leverageBracket"): signed(Operation.SETTINGS, account.leverage_bracket),
    ("POST", "/dapi/v1/leverage"): signed(Operation.SETTINGS, account.set_leverage),
    ("POST", "/dapi/v1/marginType"): signed(Operation.SETTINGS, account.set_margin_type),
    ("GET", "/dapi/v1/positionSide/dual"): signed(Operation.SETTINGS, account.position_mode, 30),
    ("POST", "/dapi/v1/positionSide/dual"): signed(Operation.SETTINGS, account.set_position_mode),
    ("GET", "/dapi/v1/commissionRate"): signed(Operation.SETTINGS, account.commission_rate, 20),
    ("POST", "/dapi/v1/listenKey"): keyed(Operation.LISTEN_KEY, account.open_listen_key),
    ("PUT", "/dapi/v1/listenKey"): keyed(Operation.LISTEN_KEY, account.extend_listen_key),
    ("DELETE", "/dapi/v1/listenKey"): keyed(Operation.LISTEN_KEY, account.close_listen_key),
}

ROUTES: Routes = {(REST_HOST, *called): route for called, route in (_PUBLIC | _ORDERS | _ACCOUNT).items()} | {
    (SPOT_HOST, "GET", "/sapi/v1/account/apiRestrictions"): signed(Operation.SETTINGS, account.api_restrictions, 0)
}
