"""Bybit v5, linear and inverse perpetuals in a unified account, each kind in a category (and on a public socket) of its own.

Quantities are base units of linear contracts and USD of inverse ones, whatever the listing's smallest order is. A paid fee is positive,
*paid* funding is positive, both in what the contract settles in.

An order's acceptance answers with ids only: the outcome comes by stream, and by look-up. What the venue itself closes is an execution
of type AdlTrade, BustTrade or Settle. Funding is an execution too, of type Funding.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from bot.adapters.venue.doors import Opening, PrivateMarks
from bot.adapters.venue.feedback import Counts, Feedback, StayAwaySign, UsageHeader
from bot.adapters.venue.profile import (
    DeadMan,
    Example,
    Expiry,
    Funding,
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
from bot.adapters.venue.profiles.beside import OF_BYBIT
from bot.adapters.venue.profiles.bybit_frames import TOLD_AT, confirms, hear
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
    Scope,
    TierShape,
    paths,
)
from bot.adapters.venue.throttle import RequestLimit
from bot.core.events import FillKind, VenueOrderStatus
from bot.core.instrument import ContractKind
from bot.core.tiers import TierRule
from bot.core.units import DAY_MS, VenueId

_MINUTE_MS = 60_000
_OK = ("retCode", "0")
_KINDS = {ContractKind.LINEAR: "linear", ContractKind.INVERSE: "inverse"}
_IN_LINEAR = frozenset({ContractKind.LINEAR})
"""Of inverse contracts one question without a settle coin tells all (v5 "Get Position Info", "Get Open & Closed Orders")."""

_SCOPE = Scope(("category",), frozenset(_KINDS.values()))
"""The private streams tell of every category, and BTCUSDT is a spot pair too."""

_ORDER = OrderShape(
    scope=_SCOPE,
    symbol=paths("symbol"),
    client_id=paths("orderLinkId"),
    venue_id=paths("orderId"),
    side=paths("side"),
    status=paths("orderStatus"),
    filled=paths("cumExecQty"),
    average=paths("avgPrice"),
    at=paths("updatedTime", "createdTime"),
    asked=paths("qty"),
    price=paths("price"),
    reduce_only=paths("reduceOnly"),
    statuses={
        **dict.fromkeys(("New", "PartiallyFilled", "Untriggered", "Triggered"), VenueOrderStatus.ACCEPTED),
        "Filled": VenueOrderStatus.FILLED,
        "Cancelled": VenueOrderStatus.CANCELED,
        "PartiallyFilledCanceled": VenueOrderStatus.CANCELED,
        "Deactivated": VenueOrderStatus.CANCELED,
        "Rejected": VenueOrderStatus.REJECTED,
    },
)
_FILL = FillShape(
    scope=_SCOPE,
    symbol=paths("symbol"),
    fill_id=paths("execId"),
    client_id=paths("orderLinkId"),
    venue_id=paths("orderId"),
    side=paths("side"),
    contracts=paths("execQty"),
    price=paths("execPrice"),
    fee=paths("execFee"),
    fee_asset=paths("feeCurrency", "feeCoin"),
    at=paths("execTime"),
    only=("execType",),
    only_values=frozenset({"Trade", "AdlTrade", "BustTrade", "Settle", "Delivery", "BlockTrade"}),
    marks=(
        Mark(("execType",), "AdlTrade", FillKind.AUTO_DELEVERAGING),
        Mark(("execType",), "BustTrade", FillKind.LIQUIDATION),
        Mark(("execType",), "Settle", FillKind.SETTLEMENT),
        Mark(("execType",), "Delivery", FillKind.SETTLEMENT),
    ),
)
_MARGIN = MarginShape(
    account_at=("result", "list", 0),
    details_at=("coin",),
    asset=paths("coin"),
    margin_balance=paths("equity"),
    wallet_balance=paths("walletBalance"),
    maintenance=paths("totalPositionMM"),
    initial=paths("totalPositionIM"),
    account_margin_balance=paths("totalMarginBalance"),
    account_maintenance=paths("totalMaintenanceMargin"),
    account_initial=paths("totalInitialMargin"),
    account_equity_usd=paths("totalEquity"),
    equity_usd=paths("usdValue"),
)


def _executions(**fixed: Any) -> PagedQuery:
    return PagedQuery(
        query=Query(
            ask=Ask.FILLS,
            call="privateGetV5ExecutionList",
            fixed={"limit": 100, **fixed},
            rows_at=("result", "list"),
            success=_OK,
            part_as="category",
        ),
        since_as="startTime",
        until_as="endTime",
        page=100,
        window_ms=7 * DAY_MS - 1,
        cursor_as="cursor",
        cursor_at=("result", "nextPageCursor"),
    )


def _left(limit: str, path: str) -> UsageHeader:
    return UsageHeader(header="X-Bapi-Limit-Status", limit=limit, counts=Counts.LEFT, path=path, resets_at="X-Bapi-Limit-Reset-Timestamp")


def _tickers(ask: Ask) -> Query:
    return Query(ask=ask, call="publicGetV5MarketTickers", rows_at=("result", "list"), success=_OK, part_as="category", symbol_as="symbol")


def _look_up(call: str) -> LookUp:
    query = Query(ask=Ask.ORDER, call=call, rows_at=("result", "list"), success=_OK, part_as="category", symbol_as="symbol")
    return LookUp(query=query, client_id_as="orderLinkId")


def _hosts(rest: str, public: str, private: str, switch: str | None = None, shared: frozenset[str] = frozenset()) -> Hosts:
    """ccxt's socket for orders (`/v5/trade`) keeps mainnet's host in the demo: it is in no list, and orders go over REST."""
    return Hosts(
        openings=(
            Opening(host=rest, paths=("/v5/market/",)),
            Opening(host=rest, paths=("/v5/order/", "/v5/position/", "/v5/execution/", "/v5/account/", "/v5/user/query-api"), private=True),
            Opening(host=public, paths=("/v5/public/",), socket=True),
            Opening(host=private, paths=("/v5/private",), socket=True, private=True),
        ),
        switch=switch,
        shared=shared,
    )


BYBIT = Profile(
    venue=VenueId("bybit"),
    parts=_KINDS,
    unit_worth=dict.fromkeys(ContractKind, Decimal(1)),
    needs_passphrase=False,
    hosts={
        Environment.MAINNET: _hosts("api.bybit.com", "stream.bybit.com", "stream.bybit.com"),
        Environment.TESTNET: _hosts("api-testnet.bybit.com", "stream-testnet.bybit.com", "stream-testnet.bybit.com", "set_sandbox_mode"),
        # The demo has no market data of its own over WebSocket: that is mainnet's, open to public requests only.
        Environment.DEMO: _hosts(
            "api-demo.bybit.com",
            "stream.bybit.com",
            "stream-demo.bybit.com",
            "enable_demo_trading",
            frozenset({"stream.bybit.com"}),
        ),
    },
    private_marks=PrivateMarks(
        headers=frozenset({"x-bapi-api-key", "x-bapi-sign"}), words=("sign=", '"sign"', "api_key=", '"op":"auth"', '"op":"order.')
    ),
    examples=(Example("BTCUSDT", "BTC/USDT:USDT"), Example("BTCPERP", "BTC/USDC:USDC"), Example("BTCUSD", "BTC/USD:BTC")),
    options={
        "fetchMarkets": {"types": ["linear", "inverse"]},
        "defaultSettle": "USDT",
        # Only unified accounts can be used: `open` asks for a unified balance. Told here, because ccxt would ask two questions of its own
        # before the first order, while the order's time runs.
        "enableUnifiedMargin": False,
        "enableUnifiedAccount": True,
        "unifiedMarginStatus": 6,
    },
    # "Rate limit rules": the headers are about the endpoint asked. HTTP 403 means: the address was too fast, wait ten minutes.
    feedback=Feedback(
        usage=(_left("orders", "/v5/order/create"), _left("cancels", "/v5/order/cancel")),
        stay_away=(
            StayAwaySign(status=403, seconds=600.0),
            StayAwaySign(status=429, seconds=1.0, for_header="Retry-After"),
            StayAwaySign(code="10006", seconds=1.0),
            StayAwaySign(code="10009", seconds=600.0),
            StayAwaySign(code="10018", seconds=5.0),
        ),
    ),
    # "Set Disconnect Cancel All": a window of 3 to 300 s, for accounts that the venue has switched it on for. Its default product is
    # options. It acts only on accounts with a private connection that has subscribed to the topic, so ccxt's own
    # `cancel_all_orders_after`, which subscribes to nothing, protects nothing. No window ends it; unsubscribing does.
    dead_man=DeadMan(
        query=Query(ask=Ask.DEAD_MAN, call="privatePostV5OrderDisconnectedCancelAll", fixed={"product": "DERIVATIVES"}, success=_OK),
        timeout_as="timeWindow",
        unit_ms=1_000,
        zero_disarms=False,
        guard={"op": "subscribe", "args": ["dcp.future"]},
        unguard={"op": "unsubscribe", "args": ["dcp.future"]},
    ),
    limits=(
        RequestLimit("orders", 10, 1.0, 3),
        RequestLimit("cancels", 10, 1.0, 3, for_cancels=3),
        RequestLimit("requests", 600, 5.0, 100, for_look_ups=50, for_cancels=50),
    ),
    weights={
        Ask.PLACE: {"orders": 1, "requests": 1},
        Ask.CANCEL: {"cancels": 1, "requests": 1},
        **{ask: {"requests": 1} for ask in Ask if ask not in {Ask.PLACE, Ask.CANCEL}},
    },
    setup=Setup(
        position_mode_readable=False,
        position_mode_per_symbol=True,
        # v5 "Switch Position Mode": USDC and inverse perpetuals know one-way positions only, and the request is refused for them.
        position_mode_settles=frozenset({"USDT"}),
        margin_mode=MarginMode.ACCOUNT,
        already_set_codes=frozenset({"110025", "110026", "110043"}),
    ),
    writes=Writes(
        client_id_as="clientOrderId",
        expiry=Expiry.WINDOW,
        place_parameters={},
        cancel=Query(ask=Ask.CANCEL, call="privatePostV5OrderCancel", success=_OK, part_as="category", symbol_as="symbol"),
        cancel_client_id_as="orderLinkId",
        cancel_venue_id_as="orderId",
    ),
    reads=Reads(
        clock=Query(ask=Ask.CLOCK, call="publicGetV5MarketTime", success=_OK),
        clock_at=paths("time"),
        open_orders=Query(
            ask=Ask.OPEN_ORDERS,
            call="privateGetV5OrderRealtime",
            fixed={"limit": 50},
            rows_at=("result", "list"),
            success=_OK,
            part_as="category",
            settle_as="settleCoin",
            settle_of=_IN_LINEAR,
            rows_max=50,
        ),
        positions=Query(
            ask=Ask.POSITIONS,
            call="privateGetV5PositionList",
            fixed={"limit": 200},
            rows_at=("result", "list"),
            success=_OK,
            part_as="category",
            settle_as="settleCoin",
            settle_of=_IN_LINEAR,
            rows_max=200,
        ),
        position=Query(
            ask=Ask.POSITIONS,
            call="privateGetV5PositionList",
            rows_at=("result", "list"),
            success=_OK,
            part_as="category",
            symbol_as="symbol",
        ),
        flat_is_told=True,
        margin=Query(ask=Ask.MARGIN, call="privateGetV5AccountWalletBalance", fixed={"accountType": "UNIFIED"}, success=_OK),
        fills=_executions(),
        look_ups=(_look_up("privateGetV5OrderRealtime"), _look_up("privateGetV5OrderHistory")),
        order_history=None,
        order=_ORDER,
        fill=_FILL,
        position_shape=PositionShape(
            scope=_SCOPE,
            symbol=paths("symbol"),
            contracts=paths("size"),
            side=paths("side"),
            entry=paths("avgPrice", "entryPrice"),
            mark=paths("markPrice"),
            mode=paths("positionIdx"),
            maintenance=paths("positionMM"),
            one_way=frozenset({"0"}),
            rank=paths("adlRankIndicator"),
            rank_max=5,
            leverage=paths("leverage"),
        ),
        margin_shape=_MARGIN,
        margin_modes=MarginModes(
            query=Query(ask=Ask.MODES, call="privateGetV5AccountInfo", rows_at=("result",), is_one=True, success=_OK),
            symbol=(),
            mode=paths("marginMode"),
            cross=frozenset({"REGULAR_MARGIN"}),
        ),
    ),
    funding=Funding(
        rates=_tickers(Ask.FUNDING),
        rate_shape=FundingShape(
            symbol=paths("symbol"),
            rate=paths("fundingRate"),
            next_at=paths("nextFundingTime"),
            interval=paths("fundingIntervalHour"),
            interval_unit_ms=60 * _MINUTE_MS,
        ),
        payments=_executions(execType="Funding"),
        payment=PaymentShape(
            scope=_SCOPE,
            symbol=paths("symbol"),
            payment_id=paths("execId"),
            quantity=paths("execFee"),
            asset=paths("feeCurrency", "feeCoin"),
            at=paths("execTime"),
            received_sign=-1,
        ),
        payment_is=(("execType",), "Funding"),
        interval_in_market=paths("fundingInterval"),
        interval_in_market_unit_ms=_MINUTE_MS,
    ),
    market=Market(
        open_interest=_tickers(Ask.MARKET),
        volume=None,
        shape=MarketShape(symbol=paths("symbol"), open_interest=paths("openInterest"), volume=paths("volume24h"), price=paths("markPrice")),
    ),
    tiers=Tiers(
        query=Query(
            ask=Ask.TIERS,
            call="publicGetV5MarketRiskLimit",
            rows_at=("result", "list"),
            success=_OK,
            part_as="category",
            symbol_as="symbol",
        ),
        rule=TierRule.SLICED,
        shape=TierShape(
            symbol=paths("symbol"),
            cap=paths("riskLimitValue"),
            maintenance=paths("maintenanceMargin"),
            initial=paths("initialMargin"),
            leverage=paths("maxLeverage"),
        ),
    ),
    wallets=OF_BYBIT,
    touch=Touch(query=_tickers(Ask.TOUCH), shape=QuoteShape(symbol=paths("symbol"), bid=paths("bid1Price"), ask=paths("ask1Price"))),
    streams=Streams(
        pumps=(
            Pump(watch="watch_bids_asks", symbols=True, private=False),
            Pump(watch="watch_tickers", symbols=True, private=False),
            Pump(watch="watch_orders", symbols=False, private=True),
            Pump(watch="watch_my_trades", symbols=False, private=True),
            Pump(watch="watch_balance", symbols=False, private=True),
        ),
        private_socket="/v5/private",
        confirmations=3,  # orders, executions and the wallet
        confirms=confirms,
        hear=hear,
        topics={
            "orderbook": (Topic.BOOK,),
            "tickers": (Topic.MARK,),
            "order": (Topic.ORDERS,),
            "execution": (Topic.FILLS,),
            "wallet": (Topic.MARGIN,),
        },
        order=_ORDER,
        fill=_FILL,
        margin=replace(_MARGIN, account_at=()),
        book=QuoteShape(
            symbol=paths("s"),
            at=paths(TOLD_AT),
            sequence=paths("seq"),
            chained=paths("u"),
            bid=paths("b.0.0"),
            bid_contracts=paths("b.0.1"),
            ask=paths("a.0.0"),
            ask_contracts=paths("a.0.1"),
        ),
        mark=QuoteShape(symbol=paths("symbol"), at=paths(TOLD_AT), mark=paths("markPrice"), index=paths("indexPrice")),
        # An unchanged book is told again only after 3 s.
        quote_silence_ms=3_500,
    ),
)
