"""Binance USD-M futures. Quantities are base units (contract size 1); a paid fee is positive, received funding is positive.

What the venue itself closes is an order whose client id starts with `adl_autoclose`, `autoclose-` or `settlement_autoclose-`
(`delivery_autoclose-` on COIN-M), and its execution is CALCULATED, not TRADE. Fills over REST do not carry client ids: `allOrders` does.
COIN-M (`binancecoinm`) is this page with other calls, units and limits.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bot.adapters.venue.doors import Opening, PrivateMarks
from bot.adapters.venue.feedback import Counts, Feedback, StayAwaySign, UsageHeader
from bot.adapters.venue.profile import (
    DeadMan,
    Example,
    Expiry,
    Funding,
    Heard,
    Hosts,
    MarginMode,
    MarginModes,
    Market,
    Profile,
    Pump,
    Reads,
    Setup,
    Streams,
    Tiers,
    Topic,
    Touch,
    Writes,
)
from bot.adapters.venue.profiles.beside import OF_BINANCE
from bot.adapters.venue.questions import Ask, LookUp, PagedQuery, Query
from bot.adapters.venue.settings import Environment
from bot.adapters.venue.shapes import (
    FillShape,
    FundingShape,
    MarginShape,
    Mark,
    MarketShape,
    OrderShape,
    PaymentShape,
    PositionShape,
    QuoteShape,
    TierShape,
    paths,
)
from bot.adapters.venue.throttle import RequestLimit
from bot.core.events import FillKind, VenueOrderStatus
from bot.core.tiers import TierRule
from bot.core.units import DAY_MS, VenueId

_HOUR_MS = 3_600_000

_STATUSES = {
    "NEW": VenueOrderStatus.ACCEPTED,
    "PARTIALLY_FILLED": VenueOrderStatus.ACCEPTED,
    "FILLED": VenueOrderStatus.FILLED,
    "CANCELED": VenueOrderStatus.CANCELED,
    "EXPIRED": VenueOrderStatus.CANCELED,
    "EXPIRED_IN_MATCH": VenueOrderStatus.CANCELED,
    "REJECTED": VenueOrderStatus.REJECTED,
}
_ORDER = OrderShape(
    symbol=paths("symbol"),
    client_id=paths("clientOrderId"),
    venue_id=paths("orderId"),
    side=paths("side"),
    status=paths("status"),
    filled=paths("executedQty"),
    average=paths("avgPrice"),
    at=paths("updateTime", "time"),
    asked=paths("origQty"),
    price=paths("price"),
    reduce_only=paths("reduceOnly"),
    statuses=_STATUSES,
)


def _own_actions(at: str) -> tuple[Mark, ...]:
    return (
        Mark((at,), "adl_autoclose", FillKind.AUTO_DELEVERAGING, prefix=True),
        Mark((at,), "autoclose-", FillKind.LIQUIDATION, prefix=True),
        Mark((at,), "settlement_autoclose-", FillKind.SETTLEMENT, prefix=True),
        Mark((at,), "delivery_autoclose-", FillKind.SETTLEMENT, prefix=True),
    )


_FILL = FillShape(
    symbol=paths("symbol"),
    fill_id=paths("id"),
    client_id=paths("clientOrderId"),
    venue_id=paths("orderId"),
    side=paths("side"),
    contracts=paths("qty"),
    price=paths("price"),
    fee=paths("commission"),
    fee_asset=paths("commissionAsset"),
    at=paths("time"),
    marks=_own_actions("clientOrderId"),
)


def hear(message: Any) -> Heard | None:
    """A frame: the payload, or `{stream, data}` around it. `bookTicker` may come without its event name."""
    if not isinstance(message, dict):
        return None
    told = message.get("data", message) if "stream" in message else message
    if not isinstance(told, dict):
        return None
    event = told.get("e") or ("bookTicker" if {"s", "b", "a"} <= told.keys() else None)
    if event is None:
        return None
    order = told.get("o")
    return Heard(event, (order,) if event == "ORDER_TRADE_UPDATE" and isinstance(order, dict) else (told,))


def _hosts(rest: str, stream: str, switch: str | None = None) -> Hosts:
    return Hosts(
        openings=(
            Opening(host=rest, paths=("/fapi/",), private=True),
            Opening(host=stream, paths=("/public/ws/", "/market/ws/"), socket=True),
            Opening(host=stream, paths=("/private/ws",), socket=True, private=True),
        ),
        switch=switch,
    )


_DEMO_TRADING = _hosts("demo-fapi.binance.com", "fstream.binancefuture.com", "enable_demo_trading")

TIERS = Tiers(
    query=Query(ask=Ask.TIERS, call="fapiPrivateGetLeverageBracket", symbol_as="symbol"),
    rule=TierRule.SLICED,
    shape=TierShape(
        symbol=paths("symbol"),
        nested=("brackets",),
        floor=paths("notionalFloor"),
        cap=paths("notionalCap"),
        maintenance=paths("maintMarginRatio"),
        leverage=paths("initialLeverage"),
        multiplier=paths("notionalCoef"),
    ),
)

BINANCEUSDM = Profile(
    venue=VenueId("binanceusdm"),
    needs_passphrase=False,
    hosts={
        Environment.MAINNET: _hosts("fapi.binance.com", "fstream.binance.com"),
        # ccxt's sandbox mode refuses every signed request to futures: demo trading is what there is for trying things out.
        Environment.TESTNET: _DEMO_TRADING,
        Environment.DEMO: _DEMO_TRADING,
    },
    private_marks=PrivateMarks(headers=frozenset({"x-mbx-apikey"}), words=("signature=", "listenkey=", '"signature"', '"apikey"')),
    examples=(Example("BTCUSDT", "BTC/USDT:USDT"),),
    options={
        "fetchCurrencies": False,
        "fetchMargins": False,
        # ccxt renews the key once and never again; `streams` does it, so ccxt's own clock for it is set to "never".
        "listenKeyRefreshRate": 10**10,
        "watchPositions": {"fetchPositionsSnapshot": False, "awaitPositionsSnapshot": False},
        "watchBalance": {"fetchBalanceSnapshot": False, "awaitBalanceSnapshot": False},
    },
    # "General info": 429 asks to back off, 418 is a ban of the address from two minutes on; both tell its length.
    feedback=Feedback(
        usage=(
            UsageHeader(header="X-MBX-USED-WEIGHT-1M", limit="weight", counts=Counts.USED, below="/fapi/"),
            UsageHeader(header="X-MBX-USED-WEIGHT-1M", limit="spot_weight", counts=Counts.USED, below="/api/"),
            UsageHeader(header="X-MBX-ORDER-COUNT-10S", limit="orders_10s", counts=Counts.USED),
            UsageHeader(header="X-MBX-ORDER-COUNT-1M", limit="orders_1m", counts=Counts.USED),
        ),
        stay_away=(
            StayAwaySign(status=429, seconds=1.0, for_header="Retry-After"),
            StayAwaySign(status=418, seconds=120.0, for_header="Retry-After"),
        ),
    ),
    # "Auto-Cancel All Open Orders": milliseconds, 0 ends the countdown.
    dead_man=DeadMan(
        query=Query(ask=Ask.DEAD_MAN, call="fapiPrivatePostCountdownCancelAll", symbol_as="symbol"), timeout_as="countdownTime", unit_ms=1
    ),
    limits=(
        RequestLimit("weight", 2_400, 60.0, 240, for_look_ups=360, for_cancels=200, for_readings=900),
        RequestLimit("spot_weight", 6_000, 60.0, 600),
        RequestLimit("orders_10s", 300, 10.0, 60),
        RequestLimit("orders_1m", 1_200, 60.0, 240),
    ),
    weights={
        Ask.PLACE: {"orders_10s": 1, "orders_1m": 1},
        Ask.CANCEL: {"weight": 1},
        Ask.ORDER: {"weight": 1},
        Ask.OPEN_ORDERS: {"weight": 1},
        Ask.ORDER_HISTORY: {"weight": 5},
        Ask.FILLS: {"weight": 5},
        Ask.POSITIONS: {"weight": 5},
        Ask.MARGIN: {"weight": 5},
        Ask.WALLETS: {"spot_weight": 20},
        Ask.CLOCK: {"weight": 1},
        Ask.FUNDING: {"weight": 1},
        Ask.FUNDING_PAID: {"weight": 30},
        Ask.MARKET: {"weight": 1},
        Ask.TIERS: {"weight": 1},
        Ask.TOUCH: {"weight": 2},
        Ask.MODES: {"weight": 5},
        Ask.SETTINGS: {"weight": 1},
        Ask.MARKETS: {"weight": 1},
        Ask.LISTEN_KEY: {"weight": 1},
        Ask.DEAD_MAN: {"weight": 10},
    },
    setup=Setup(
        position_mode_readable=True,
        position_mode_per_symbol=False,
        margin_mode=MarginMode.PER_SYMBOL,
        already_set_codes=frozenset({"-4046", "-4059"}),
    ),
    writes=Writes(
        client_id_as="newClientOrderId",
        expiry=Expiry.WINDOW,
        place_parameters={"newOrderRespType": "RESULT"},
        cancel=Query(ask=Ask.CANCEL, call="fapiPrivateDeleteOrder", symbol_as="symbol"),
        cancel_client_id_as="origClientOrderId",
        cancel_venue_id_as="orderId",
    ),
    reads=Reads(
        clock=Query(ask=Ask.CLOCK, call="fapiPublicGetTime"),
        clock_at=paths("serverTime"),
        open_orders=Query(ask=Ask.OPEN_ORDERS, call="fapiPrivateGetOpenOrders", symbol_as="symbol"),
        positions=Query(ask=Ask.POSITIONS, call="fapiPrivateV3GetPositionRisk"),
        position=Query(ask=Ask.POSITIONS, call="fapiPrivateV3GetPositionRisk", symbol_as="symbol"),
        flat_is_told=False,
        margin=Query(ask=Ask.MARGIN, call="fapiPrivateV3GetAccount"),
        fills=PagedQuery(
            query=Query(ask=Ask.FILLS, call="fapiPrivateGetUserTrades", symbol_as="symbol", fixed={"limit": 1_000}),
            since_as="startTime",
            until_as="endTime",
            page=1_000,
            window_ms=7 * DAY_MS - 1,
            at=paths("time"),
        ),
        look_ups=(
            LookUp(
                query=Query(ask=Ask.ORDER, call="fapiPrivateGetOrder", symbol_as="symbol"),
                client_id_as="origClientOrderId",
                venue_id_as="orderId",
                absent_codes=frozenset({"-2013"}),
            ),
        ),
        order_history=PagedQuery(
            query=Query(ask=Ask.ORDER_HISTORY, call="fapiPrivateGetAllOrders", symbol_as="symbol", fixed={"limit": 1_000}),
            since_as="startTime",
            until_as="endTime",
            page=1_000,
            window_ms=7 * DAY_MS - 1,
            at=paths("time"),
        ),
        order=_ORDER,
        fill=_FILL,
        position_shape=PositionShape(
            symbol=paths("symbol"),
            contracts=paths("positionAmt"),
            entry=paths("entryPrice"),
            mark=paths("markPrice"),
            mode=paths("positionSide"),
            maintenance=paths("maintMargin"),
            one_way=frozenset({"BOTH"}),
            rank=paths("adl"),
            rank_max=4,
        ),
        margin_shape=MarginShape(
            account_at=(),
            details_at=("assets",),
            asset=paths("asset"),
            margin_balance=paths("marginBalance"),
            wallet_balance=paths("walletBalance"),
            maintenance=paths("maintMargin"),
            initial=paths("initialMargin"),
        ),
        margin_modes=MarginModes(
            query=Query(ask=Ask.MODES, call="fapiPrivateGetSymbolConfig", symbol_as="symbol"),
            symbol=paths("symbol"),
            mode=paths("marginType"),
            cross=frozenset({"CROSSED"}),
            leverage=paths("leverage"),
        ),
    ),
    funding=Funding(
        rates=Query(ask=Ask.FUNDING, call="fapiPublicGetPremiumIndex", symbol_as="symbol"),
        rate_shape=FundingShape(symbol=paths("symbol"), rate=paths("lastFundingRate"), next_at=paths("nextFundingTime")),
        payments=PagedQuery(
            query=Query(ask=Ask.FUNDING_PAID, call="fapiPrivateGetIncome", fixed={"incomeType": "FUNDING_FEE", "limit": 1_000}),
            since_as="startTime",
            until_as="endTime",
            page=1_000,
            window_ms=7 * DAY_MS - 1,
            at=paths("time"),
        ),
        payment=PaymentShape(
            symbol=paths("symbol"),
            payment_id=paths("tranId"),
            quantity=paths("income"),
            asset=paths("asset"),
            at=paths("time"),
        ),
        payment_is=(("incomeType",), "FUNDING_FEE"),
        intervals=Query(ask=Ask.FUNDING, call="fapiPublicGetFundingInfo"),
        intervals_shape=FundingShape(symbol=paths("symbol"), interval=paths("fundingIntervalHours"), interval_unit_ms=_HOUR_MS),
        settlements=Query(ask=Ask.FUNDING, call="fapiPublicGetFundingRate", symbol_as="symbol", fixed={"limit": 10}),
        settled_at=paths("fundingTime"),
    ),
    market=Market(
        open_interest=Query(ask=Ask.MARKET, call="fapiPublicGetOpenInterest", symbol_as="symbol"),
        volume=Query(ask=Ask.MARKET, call="fapiPublicGetTicker24hr", symbol_as="symbol"),
        shape=MarketShape(symbol=paths("symbol"), open_interest=paths("openInterest"), volume=paths("volume")),
    ),
    wallets=OF_BINANCE,
    tiers=TIERS,
    touch=Touch(
        query=Query(ask=Ask.TOUCH, call="fapiPublicGetTickerBookTicker", symbol_as="symbol"),
        shape=QuoteShape(symbol=paths("symbol"), bid=paths("bidPrice"), ask=paths("askPrice")),
    ),
    streams=Streams(
        pumps=(
            Pump(watch="watch_bids_asks", symbols=True, private=False),
            Pump(watch="watch_mark_prices", symbols=True, private=False),
            Pump(watch="watch_orders", symbols=False, private=True),
        ),
        private_socket="/private/ws",
        hear=hear,
        topics={
            "bookTicker": (Topic.BOOK,),
            "markPriceUpdate": (Topic.MARK,),
            "ORDER_TRADE_UPDATE": (Topic.FILLS, Topic.ORDERS),
            "listenKeyExpired": (Topic.KEY_EXPIRED,),
        },
        order=replace(
            _ORDER,
            symbol=paths("s"),
            client_id=paths("c"),
            venue_id=paths("i"),
            side=paths("S"),
            status=paths("X"),
            filled=paths("z"),
            average=paths("ap"),
            at=paths("T"),
        ),
        fill=FillShape(
            symbol=paths("s"),
            fill_id=paths("t"),
            client_id=paths("c"),
            venue_id=paths("i"),
            side=paths("S"),
            contracts=paths("l"),
            price=paths("L"),
            fee=paths("n"),
            fee_asset=paths("N"),
            at=paths("T"),
            only=("x",),
            only_values=frozenset({"TRADE", "CALCULATED"}),
            marks=_own_actions("c"),
        ),
        margin=None,
        book=QuoteShape(
            symbol=paths("s"),
            at=paths("E", "T"),
            sequence=paths("u"),
            bid=paths("b"),
            bid_contracts=paths("B"),
            ask=paths("a"),
            ask_contracts=paths("A"),
        ),
        mark=QuoteShape(symbol=paths("s"), at=paths("E"), mark=paths("p"), index=paths("i")),
        quote_silence_ms=3_000,
        listen_key_call="fapiPrivatePutListenKey",
        listen_key_path="/fapi/v1/listenKey",
        listen_key_option="linear",
        listen_key_gone_codes=frozenset({"-1125"}),
    ),
)
