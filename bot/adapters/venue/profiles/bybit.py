"""Bybit v5, linear perpetuals in a unified account. Quantities are base units; a paid fee is positive, *paid* funding is positive.

An order's acceptance answers with ids only: the outcome comes by stream, and by look-up. What the venue itself closes is an execution
of type AdlTrade, BustTrade or Settle. Funding is an execution too, of type Funding.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bot.adapters.venue.profile import (
    Ask,
    Expiry,
    Funding,
    Heard,
    Hosts,
    LookUp,
    MarginMode,
    PagedQuery,
    Profile,
    Pump,
    Query,
    Reads,
    Setup,
    Streams,
    Topic,
    Writes,
)
from bot.adapters.venue.settings import Environment
from bot.adapters.venue.shapes import (
    FillShape,
    FundingShape,
    MarginShape,
    Mark,
    OrderShape,
    PaymentShape,
    PositionShape,
    QuoteShape,
    Scope,
    paths,
)
from bot.adapters.venue.throttle import RequestLimit
from bot.core.events import FillKind, VenueOrderStatus
from bot.core.units import DAY_MS, VenueId

_MINUTE_MS = 60_000
_OK = ("retCode", "0")
_LINEAR = {"category": "linear"}
_TOLD_AT = "frame_ts"
"""Where `hear` puts a frame's own time. Not `cts`: a book that is only told again keeps the time of its last match there."""

_SCOPE = Scope(("category",), frozenset({"linear"}))
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
    statuses={
        "New": VenueOrderStatus.ACCEPTED,
        "PartiallyFilled": VenueOrderStatus.ACCEPTED,
        "Untriggered": VenueOrderStatus.ACCEPTED,
        "Triggered": VenueOrderStatus.ACCEPTED,
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
)


def _executions(**fixed: Any) -> PagedQuery:
    return PagedQuery(
        query=Query(
            ask=Ask.FILLS,
            call="privateGetV5ExecutionList",
            fixed={**_LINEAR, "limit": 100, **fixed},
            rows_at=("result", "list"),
            success=_OK,
        ),
        since_as="startTime",
        until_as="endTime",
        page=100,
        window_ms=7 * DAY_MS - 1,
        cursor_as="cursor",
        cursor_at=("result", "nextPageCursor"),
    )


def _look_up(call: str) -> LookUp:
    query = Query(ask=Ask.ORDER, call=call, fixed=_LINEAR, rows_at=("result", "list"), success=_OK, symbol_as="symbol")
    return LookUp(query=query, client_id_as="orderLinkId")


def hear(message: Any) -> Heard | None:
    """A frame `{topic, type, ts, data}`; acknowledgements and pongs have no topic. Market rows get the frame's time."""
    if not isinstance(message, dict) or not isinstance(message.get("topic"), str):
        return None
    told = message.get("data")
    topic = message["topic"].split(".", 1)[0]
    rows = tuple(told) if isinstance(told, list) else (told,)
    if topic == "orderbook":
        rows = tuple(_standing_first(row) for row in rows)
    if topic in ("orderbook", "tickers"):
        rows = tuple({**row, _TOLD_AT: message.get("ts")} if isinstance(row, dict) else row for row in rows)
    return Heard(topic, rows, partial=message.get("type") == "delta")


def _standing_first(row: Any) -> Any:
    """A delta of the one-level book lists the level that went away (quantity "0") and the one that stands now, in any order."""
    if not isinstance(row, dict):
        return row
    return {name: sorted(value, key=_is_gone) if name in ("b", "a") and isinstance(value, list) else value for name, value in row.items()}


def _is_gone(level: Any) -> bool:
    return isinstance(level, list) and len(level) == 2 and level[1] == "0"


BYBIT = Profile(
    venue=VenueId("bybit"),
    needs_passphrase=False,
    hosts={
        Environment.SIMULATION: Hosts(names=("api.bybit.com", "stream.bybit.com")),
        Environment.MAINNET: Hosts(names=("api.bybit.com", "stream.bybit.com")),
        Environment.TESTNET: Hosts(names=("api-testnet.bybit.com", "stream-testnet.bybit.com")),
    },
    switch_to_testnet="set_sandbox_mode",
    options={
        "fetchMarkets": {"types": ["linear"]},
        "defaultSettle": "USDT",
        # Only unified accounts can be used: `open` asks for a unified balance. Told here, because ccxt would ask two questions of its own
        # before the first order, while the order's time runs.
        "enableUnifiedMargin": False,
        "enableUnifiedAccount": True,
        "unifiedMarginStatus": 6,
    },
    limits=(
        RequestLimit("orders", 10, 1.0, 3),
        RequestLimit("cancels", 10, 1.0, 3),
        RequestLimit("requests", 600, 5.0, 100, for_look_ups=50),
    ),
    weights={
        Ask.PLACE: {"orders": 1, "requests": 1},
        Ask.CANCEL: {"cancels": 1, "requests": 1},
        **{ask: {"requests": 1} for ask in Ask if ask not in {Ask.PLACE, Ask.CANCEL}},
    },
    setup=Setup(
        position_mode_readable=False,
        position_mode_per_symbol=True,
        margin_mode=MarginMode.ACCOUNT,
        already_set_codes=frozenset({"110025", "110026", "110043"}),
    ),
    writes=Writes(
        client_id_as="clientOrderId",
        expiry=Expiry.WINDOW,
        place_parameters={},
        cancel=Query(ask=Ask.CANCEL, call="privatePostV5OrderCancel", fixed=_LINEAR, success=_OK, symbol_as="symbol"),
        cancel_client_id_as="orderLinkId",
    ),
    reads=Reads(
        clock=Query(ask=Ask.CLOCK, call="publicGetV5MarketTime", success=_OK),
        clock_at=paths("time"),
        open_orders=Query(
            ask=Ask.OPEN_ORDERS,
            call="privateGetV5OrderRealtime",
            fixed={**_LINEAR, "limit": 50},
            rows_at=("result", "list"),
            success=_OK,
            settle_as="settleCoin",
            rows_max=50,
        ),
        positions=Query(
            ask=Ask.POSITIONS,
            call="privateGetV5PositionList",
            fixed={**_LINEAR, "limit": 200},
            rows_at=("result", "list"),
            success=_OK,
            settle_as="settleCoin",
            rows_max=200,
        ),
        position=Query(
            ask=Ask.POSITIONS, call="privateGetV5PositionList", fixed=_LINEAR, rows_at=("result", "list"), success=_OK, symbol_as="symbol"
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
        ),
        margin_shape=_MARGIN,
    ),
    funding=Funding(
        rates=Query(
            ask=Ask.FUNDING,
            call="publicGetV5MarketTickers",
            fixed=_LINEAR,
            rows_at=("result", "list"),
            success=_OK,
            symbol_as="symbol",
        ),
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
    streams=Streams(
        pumps=(
            Pump(watch="watch_bids_asks", symbols=True, private=False),
            Pump(watch="watch_tickers", symbols=True, private=False),
            Pump(watch="watch_orders", symbols=False, private=True),
            Pump(watch="watch_my_trades", symbols=False, private=True),
            Pump(watch="watch_balance", symbols=False, private=True),
        ),
        private_socket="/v5/private",
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
            at=paths(_TOLD_AT),
            bid=paths("b.0.0"),
            bid_contracts=paths("b.0.1"),
            ask=paths("a.0.0"),
            ask_contracts=paths("a.0.1"),
        ),
        mark=QuoteShape(symbol=paths("symbol"), at=paths(_TOLD_AT), mark=paths("markPrice"), index=paths("indexPrice")),
        # An unchanged book is told again only after 3 s.
        quote_silence_ms=3_500,
    ),
)
