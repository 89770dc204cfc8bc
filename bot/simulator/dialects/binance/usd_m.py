"""USD-M futures: their words, and their paths with what each weighs. Source: the venue's endpoint pages ("USDⓈ-M Futures")."""

from __future__ import annotations

import re

from bot.simulator.dialects.binance import account, market, spot, trading, usd_m_account
from bot.simulator.dialects.binance.face import Face, Limits
from bot.simulator.dialects.binance.routes import SPOT_HOST, Route, Routes, keyed, signed
from bot.simulator.dialects.dialect import Operation
from bot.simulator.model import Refusal

REST_HOST = "fapi.binance.com"
STREAM_HOST = "fstream.binance.com"

FACE = Face(
    rest_host=REST_HOST,
    stream_host=STREAM_HOST,
    hosts=(REST_HOST, STREAM_HOST, SPOT_HOST),
    socket_path=re.compile(r"/(?:(?P<category>public|market|private)/)?(?P<mode>ws|stream)(?:/(?P<tail>.*))?"),
    limits=Limits(),
    names_pair=False,
    lists_one=False,
    status="status",
    price_places_min=2,
    filled_value="cumQuote",
    fill_value="quoteQty",
    day_value="quoteVolume",
    bracket_floor="notionalFloor",
    bracket_cap="notionalCap",
    position_max="maxNotionalValue",
    orders_page=(500, 1_000),
    fills_page=(500, 1_000),
    refuses_in_answer=True,
    account_alias=None,
    order_defaults={"goodTillDate": 0},
    event_defaults={"si": 0, "ss": 0, "gtd": 0},
    tells_expiry_reason=True,
    expired_names_key=True,
    extended_key_told=True,
    codes={
        Refusal.NOTIONAL_MIN: (-4164, "Order's notional must be no smaller than {} (unless you choose reduce only)."),
        Refusal.NO_LIQUIDITY: (-4131, "The counterparty's best price does not meet the PERCENT_PRICE filter limit."),
    },
)

_PUBLIC: dict[tuple[str, str], Route] = {
    ("GET", "/fapi/v1/ping"): Route(Operation.CLOCK, market.ping),
    ("GET", "/fapi/v1/time"): Route(Operation.CLOCK, market.time),
    ("GET", "/fapi/v1/exchangeInfo"): Route(Operation.MARKETS, market.exchange_info_with_assets),
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
    ("POST", "/fapi/v1/order"): signed(Operation.PLACE, trading.place, 0),
    ("POST", "/fapi/v1/batchOrders"): signed(Operation.PLACE, trading.place_batch, 5),
    ("GET", "/fapi/v1/order"): signed(Operation.ORDER, trading.ask),
    ("GET", "/fapi/v1/openOrder"): signed(Operation.ORDER, trading.open_one),
    ("GET", "/fapi/v1/allOrders"): signed(Operation.ORDER, trading.all_orders, 5),
    ("GET", "/fapi/v1/openOrders"): signed(Operation.OPEN_ORDERS, trading.open_orders, 1, 40),
    ("GET", "/fapi/v1/forceOrders"): signed(Operation.ORDER, trading.force_orders, 20, 50),
    ("DELETE", "/fapi/v1/order"): signed(Operation.CANCEL, trading.cancel),
    ("DELETE", "/fapi/v1/batchOrders"): signed(Operation.CANCEL, trading.cancel_batch),
    ("DELETE", "/fapi/v1/allOpenOrders"): signed(Operation.CANCEL, trading.cancel_all),
    ("POST", "/fapi/v1/countdownCancelAll"): signed(Operation.SETTINGS, trading.countdown, 10),
}

_ACCOUNT: dict[tuple[str, str], Route] = {
    ("GET", "/fapi/v3/account"): signed(Operation.BALANCE, usd_m_account.account, 5),
    ("GET", "/fapi/v2/account"): signed(Operation.BALANCE, usd_m_account.account_v2, 5),
    ("GET", "/fapi/v3/balance"): signed(Operation.BALANCE, usd_m_account.balance, 5),
    ("GET", "/fapi/v2/balance"): signed(Operation.BALANCE, usd_m_account.balance, 5),
    ("GET", "/fapi/v3/positionRisk"): signed(Operation.POSITIONS, usd_m_account.position_risk, 5),
    ("GET", "/fapi/v2/positionRisk"): signed(Operation.POSITIONS, usd_m_account.position_risk_all, 5),
    ("GET", "/fapi/v1/adlQuantile"): signed(Operation.POSITIONS, account.adl_quantile, 5),
    ("GET", "/fapi/v1/userTrades"): signed(Operation.FILLS, account.user_trades, 5),
    ("GET", "/fapi/v1/income"): signed(Operation.FUNDING_PAID, account.income, 30),
    ("GET", "/fapi/v1/leverageBracket"): signed(Operation.SETTINGS, account.leverage_bracket),
    ("POST", "/fapi/v1/leverage"): signed(Operation.SETTINGS, account.set_leverage),
    ("POST", "/fapi/v1/marginType"): signed(Operation.SETTINGS, account.set_margin_type),
    ("GET", "/fapi/v1/positionSide/dual"): signed(Operation.SETTINGS, account.position_mode, 30),
    ("POST", "/fapi/v1/positionSide/dual"): signed(Operation.SETTINGS, account.set_position_mode),
    ("GET", "/fapi/v1/symbolConfig"): signed(Operation.SETTINGS, usd_m_account.symbol_config, 5),
    ("GET", "/fapi/v1/commissionRate"): signed(Operation.SETTINGS, account.commission_rate, 20),
    ("POST", "/fapi/v1/listenKey"): keyed(Operation.LISTEN_KEY, account.open_listen_key),
    ("PUT", "/fapi/v1/listenKey"): keyed(Operation.LISTEN_KEY, account.extend_listen_key),
    ("DELETE", "/fapi/v1/listenKey"): keyed(Operation.LISTEN_KEY, account.close_listen_key),
}

_SPOT: dict[tuple[str, str], Route] = {
    ("GET", "/api/v3/account"): signed(Operation.BALANCE, spot.account, 0),  # of a budget of its own, which nobody uses up here
    ("POST", "/sapi/v1/asset/get-funding-asset"): signed(Operation.BALANCE, spot.funding, 0),
    ("GET", "/sapi/v1/capital/config/getall"): signed(Operation.MARKETS, market.spot_coins, 0),
    ("GET", "/sapi/v1/margin/allPairs"): keyed(Operation.MARKETS, market.margin_pairs, 0),
    ("GET", "/sapi/v1/account/apiRestrictions"): signed(Operation.SETTINGS, account.api_restrictions, 0),
}

ROUTES: Routes = {(REST_HOST, *called): route for called, route in (_PUBLIC | _ORDERS | _ACCOUNT).items()} | {
    (SPOT_HOST, *called): route for called, route in _SPOT.items()
}
