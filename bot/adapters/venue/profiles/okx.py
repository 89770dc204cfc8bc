"""OKX v5, linear and inverse perpetual swaps, net positions, cross margin. Quantities are contracts (of `ctVal` in `ctValCcy`: coins of a
linear swap, USD of an inverse one); a *paid* fee is negative. Fees, profit, margin and funding are in what a swap settles in.

An order's acceptance answers with ids only. One channel tells orders and their fills. What the venue itself closes is an order with a
`category` (stream) or a fill with a `subType` (REST) of its own. The demo trades on the production REST host: there, a header tells
the two apart, and no request may leave without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bot.adapters.venue.doors import Opening, PrivateMarks
from bot.adapters.venue.feedback import Feedback, StayAwaySign
from bot.adapters.venue.profile import (
    DeadMan,
    Example,
    Expiry,
    Funding,
    Heard,
    Hosts,
    MarginMode,
    Market,
    Profile,
    Pump,
    Reads,
    Setup,
    Standing,
    Streams,
    Tiers,
    Topic,
    Touch,
    Writes,
)
from bot.adapters.venue.profiles.beside import OF_OKX
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
from bot.core.tiers import TierRule
from bot.core.units import DAY_MS, VenueId

_OK = ("code", "0")
_SWAP = {"instType": "SWAP"}

_SCOPE = Scope(("instType",), frozenset({"SWAP", "ANY"}))
"""ANY is the subscription's own word, which stands in for a row that tells none."""

_ORDER = OrderShape(
    scope=_SCOPE,
    symbol=paths("instId"),
    client_id=paths("clOrdId"),
    venue_id=paths("ordId"),
    side=paths("side"),
    status=paths("state"),
    filled=paths("accFillSz"),
    average=paths("avgPx"),
    at=paths("uTime", "cTime"),
    asked=paths("sz"),
    price=paths("px"),
    reduce_only=paths("reduceOnly"),
    statuses={
        "live": VenueOrderStatus.ACCEPTED,
        "partially_filled": VenueOrderStatus.ACCEPTED,
        "filled": VenueOrderStatus.FILLED,
        "canceled": VenueOrderStatus.CANCELED,
        "mmp_canceled": VenueOrderStatus.CANCELED,
    },
)
_SUB_TYPES = {
    **dict.fromkeys(("125", "126", "127", "128"), FillKind.AUTO_DELEVERAGING),
    **dict.fromkeys(("100", "101", "102", "103", "104", "105", "106", "107", "109"), FillKind.LIQUIDATION),
    **dict.fromkeys(("112", "113"), FillKind.SETTLEMENT),
}
_CATEGORIES = {
    "adl": FillKind.AUTO_DELEVERAGING,
    "full_liquidation": FillKind.LIQUIDATION,
    "partial_liquidation": FillKind.LIQUIDATION,
    "delivery": FillKind.SETTLEMENT,
}
_MARGIN = MarginShape(
    account_at=("data", 0),
    details_at=("details",),
    asset=paths("ccy"),
    margin_balance=paths("eq"),
    wallet_balance=paths("cashBal"),
    maintenance=paths("mmr"),
    initial=paths("imr"),
    account_margin_balance=paths("adjEq"),
    account_maintenance=paths("mmr"),
    account_initial=paths("imr"),
    account_equity_usd=paths("totalEq"),
    equity_usd=paths("eqUsd"),
)


def _bills(ask: Ask, call: str, **fixed: Any) -> PagedQuery:
    return PagedQuery(
        query=Query(ask=ask, call=call, fixed={**_SWAP, "limit": 100, **fixed}, rows_at=("data",), success=_OK),
        since_as="begin",
        until_as="end",
        page=100,
        window_ms=90 * DAY_MS,
        cursor_as="after",
        cursor_at=("billId",),
        cursor_in_last_row=True,
    )


def _marks(path: str, kinds: dict[str, FillKind]) -> tuple[Mark, ...]:
    return tuple(Mark((path,), value, kind) for value, kind in kinds.items())


def hear(message: Any) -> Heard | None:
    """A frame `{arg, data}`; events and the text `pong` have no data. The argument's instrument is the row's where the row has none."""
    if not isinstance(message, dict) or not isinstance(message.get("data"), list):
        return None
    argument = message.get("arg") or {}
    rows = tuple({**argument, **row} if isinstance(row, dict) else row for row in message["data"])
    return Heard(str(argument.get("channel")), rows)


def confirms(message: Any) -> int:
    """A frame `{event: "subscribe", arg}` about orders, which carry their fills."""
    if not isinstance(message, dict) or message.get("event") != "subscribe":
        return 0
    return int((message.get("arg") or {}).get("channel") == "orders")


def _openings(stream: str, headers: Mapping[str, str]) -> tuple[Opening, ...]:
    return (
        Opening(host="www.okx.com", paths=("/api/v5/public/", "/api/v5/market/"), headers=headers),
        Opening(host="www.okx.com", paths=("/api/v5/trade/", "/api/v5/account/"), headers=headers, private=True),
        Opening(host=stream, paths=("/ws/v5/public",), socket=True),
        Opening(host=stream, paths=("/ws/v5/private",), socket=True, private=True),
    )


_DEMO_TRADING = Hosts(
    openings=_openings("wspap.okx.com", {"x-simulated-trading": "1"}), switch="set_sandbox_mode", shared=frozenset({"www.okx.com"})
)

OKX = Profile(
    venue=VenueId("okx"),
    needs_passphrase=True,
    hosts={
        Environment.MAINNET: Hosts(openings=_openings("ws.okx.com", {})),
        Environment.TESTNET: _DEMO_TRADING,
        Environment.DEMO: _DEMO_TRADING,
    },
    private_marks=PrivateMarks(
        headers=frozenset({"ok-access-key", "ok-access-sign", "ok-access-passphrase"}),
        words=('"op":"login"', '"op":"order', '"op":"batch-'),
    ),
    examples=(
        Example("BTC-USDT-SWAP", "BTC/USDT:USDT"),
        Example("BTC-USDC-SWAP", "BTC/USDC:USDC"),
        Example("BTC-USD-SWAP", "BTC/USD:BTC"),
    ),
    options={"fetchMarkets": {"types": ["swap"]}, "fetchCurrencies": False},
    # No headers. 50011: the endpoint's own limit; 50061: the sub-account's orders. Both are over windows of two seconds.
    feedback=Feedback(
        stay_away=(
            StayAwaySign(code="50011", seconds=2.0, is_of_endpoint=True),
            StayAwaySign(code="50061", seconds=2.0, is_of_endpoint=True),
        )
    ),
    # "Cancel All After": 10 to 120 s for all orders of the account, 0 ends it.
    dead_man=DeadMan(
        query=Query(ask=Ask.DEAD_MAN, call="privatePostTradeCancelAllAfter", success=_OK), timeout_as="timeOut", unit_ms=1_000
    ),
    limits=(
        RequestLimit("orders", 60, 2.0, 20),
        RequestLimit("cancels", 60, 2.0, 20, for_cancels=20),
        RequestLimit("order", 60, 2.0, 10),
        RequestLimit("orders_pending", 60, 2.0, 10),
        RequestLimit("fills", 10, 2.0, 2, for_look_ups=2),
        RequestLimit("positions", 10, 2.0, 2),
        RequestLimit("balance", 10, 2.0, 2),
        RequestLimit("asset_balances", 6, 1.0, 1),
        RequestLimit("bills", 5, 2.0, 1),
        RequestLimit("settings", 20, 2.0, 4),
        RequestLimit("time", 10, 2.0, 2, for_look_ups=2),
        RequestLimit("public", 20, 2.0, 4),
        RequestLimit("position_tiers", 10, 2.0, 2),
        RequestLimit("cancel_all_after", 2, 2.0, 1, for_cancels=1),
    ),
    weights={
        Ask.PLACE: {"orders": 1},
        Ask.CANCEL: {"cancels": 1},
        Ask.ORDER: {"order": 1},
        Ask.OPEN_ORDERS: {"orders_pending": 1},
        Ask.FILLS: {"fills": 1},
        Ask.POSITIONS: {"positions": 1},
        Ask.MARGIN: {"balance": 1},
        Ask.WALLETS: {"asset_balances": 1},
        Ask.FUNDING_PAID: {"bills": 1},
        Ask.SETTINGS: {"settings": 1},
        Ask.CLOCK: {"time": 1},
        Ask.FUNDING: {"public": 1},
        Ask.MARKET: {"public": 1},
        Ask.TOUCH: {"public": 1},
        Ask.TIERS: {"position_tiers": 1},
        Ask.MARKETS: {"public": 1},
        Ask.DEAD_MAN: {"cancel_all_after": 1},
    },
    setup=Setup(
        position_mode_readable=True,
        position_mode_per_symbol=False,
        margin_mode=MarginMode.IN_EACH_ORDER,
        leverage_parameters={"mgnMode": "cross"},
        standings=(
            Standing(
                query=Query(ask=Ask.SETTINGS, call="privateGetAccountConfig", success=_OK),
                at=("data", 0, "acctLv"),
                fit=frozenset({"2", "3", "4"}),
                reason="the account is in Spot mode, which takes no perpetuals: choose Futures mode in the account's settings",
            ),
        ),
    ),
    writes=Writes(
        client_id_as="clientOrderId",
        expiry=Expiry.INSTANT_HEADER,
        place_parameters={"tdMode": "cross"},
        cancel=Query(ask=Ask.CANCEL, call="privatePostTradeCancelOrder", success=_OK, symbol_as="instId"),
        cancel_client_id_as="clOrdId",
        cancel_venue_id_as="ordId",
    ),
    reads=Reads(
        clock=Query(ask=Ask.CLOCK, call="publicGetPublicTime", success=_OK),
        clock_at=paths("data.0.ts"),
        open_orders=Query(
            ask=Ask.OPEN_ORDERS,
            call="privateGetTradeOrdersPending",
            fixed={**_SWAP, "limit": 100},
            rows_at=("data",),
            success=_OK,
            rows_max=100,
        ),
        positions=Query(ask=Ask.POSITIONS, call="privateGetAccountPositions", fixed=_SWAP, rows_at=("data",), success=_OK),
        position=Query(
            ask=Ask.POSITIONS, call="privateGetAccountPositions", fixed=_SWAP, rows_at=("data",), success=_OK, symbol_as="instId"
        ),
        flat_is_told=False,
        margin=Query(ask=Ask.MARGIN, call="privateGetAccountBalance", success=_OK),
        fills=_bills(Ask.FILLS, "privateGetTradeFillsHistory"),
        look_ups=(
            LookUp(
                query=Query(ask=Ask.ORDER, call="privateGetTradeOrder", rows_at=("data",), success=_OK, symbol_as="instId"),
                client_id_as="clOrdId",
                absent_codes=frozenset({"51603"}),
            ),
        ),
        order_history=None,
        order=_ORDER,
        fill=FillShape(
            scope=_SCOPE,
            symbol=paths("instId"),
            fill_id=paths("tradeId"),
            client_id=paths("clOrdId"),
            venue_id=paths("ordId"),
            side=paths("side"),
            contracts=paths("fillSz"),
            price=paths("fillPx"),
            fee=paths("fee"),
            fee_asset=paths("feeCcy"),
            at=paths("fillTime", "ts"),
            fee_paid_sign=-1,
            marks=_marks("subType", _SUB_TYPES),
        ),
        position_shape=PositionShape(
            scope=_SCOPE,
            symbol=paths("instId"),
            contracts=paths("pos"),
            entry=paths("avgPx"),
            mark=paths("markPx"),
            mode=paths("posSide"),
            maintenance=paths("mmr"),
            one_way=frozenset({"net"}),
            rank=paths("adl"),
            rank_max=5,
            margin_mode=paths("mgnMode"),
            cross=frozenset({"cross"}),
            leverage=paths("lever"),
        ),
        margin_shape=_MARGIN,
    ),
    funding=Funding(
        rates=Query(ask=Ask.FUNDING, call="publicGetPublicFundingRate", rows_at=("data",), success=_OK, symbol_as="instId"),
        rate_shape=FundingShape(
            symbol=paths("instId"),
            rate=paths("fundingRate"),
            next_at=paths("fundingTime"),
            after_next_at=paths("nextFundingTime"),
        ),
        payments=_bills(Ask.FUNDING_PAID, "privateGetAccountBillsArchive", type="8"),
        payment=PaymentShape(
            scope=_SCOPE,
            symbol=paths("instId"),
            payment_id=paths("billId"),
            quantity=paths("balChg"),
            asset=paths("ccy"),
            at=paths("ts"),
        ),
        payment_is=(("type",), "8"),
    ),
    market=Market(
        open_interest=Query(
            ask=Ask.MARKET, call="publicGetPublicOpenInterest", fixed=_SWAP, rows_at=("data",), success=_OK, symbol_as="instId"
        ),
        volume=Query(ask=Ask.MARKET, call="publicGetMarketTicker", rows_at=("data",), success=_OK, symbol_as="instId"),
        shape=MarketShape(symbol=paths("instId"), open_interest=paths("oi"), volume=paths("vol24h"), price=paths("last")),
    ),
    wallets=OF_OKX,
    tiers=Tiers(
        query=Query(
            ask=Ask.TIERS,
            call="publicGetPublicPositionTiers",
            fixed={**_SWAP, "tdMode": "cross"},
            rows_at=("data",),
            success=_OK,
            symbol_as="instFamily",
        ),
        rule=TierRule.WHOLE,
        named_in_market=paths("instFamily"),
        shape=TierShape(symbol=paths("instFamily"), cap=paths("maxSz"), maintenance=paths("mmr"), initial=paths("imr")),
    ),
    touch=Touch(
        query=Query(ask=Ask.TOUCH, call="publicGetMarketTicker", rows_at=("data",), success=_OK, symbol_as="instId"),
        shape=QuoteShape(symbol=paths("instId"), bid=paths("bidPx"), ask=paths("askPx")),
    ),
    streams=Streams(
        pumps=(
            Pump(watch="watch_bids_asks", symbols=True, private=False),
            Pump(watch="watch_mark_prices", symbols=True, private=False),
            Pump(watch="watch_orders", symbols=False, private=True),
            Pump(watch="watch_balance", symbols=False, private=True),
        ),
        private_socket="/ws/v5/private",
        confirmations=1,
        confirms=confirms,
        hear=hear,
        topics={
            "bbo-tbt": (Topic.BOOK,),
            "mark-price": (Topic.MARK,),
            "orders": (Topic.FILLS, Topic.ORDERS),
            "account": (Topic.MARGIN,),
        },
        order=_ORDER,
        fill=FillShape(
            scope=_SCOPE,
            symbol=paths("instId"),
            fill_id=paths("tradeId"),
            client_id=paths("clOrdId"),
            venue_id=paths("ordId"),
            side=paths("side"),
            contracts=paths("fillSz"),
            price=paths("fillPx"),
            fee=paths("fillFee"),
            fee_asset=paths("fillFeeCcy"),
            at=paths("fillTime"),
            fee_paid_sign=-1,
            only=("fillSz",),
            marks=_marks("category", _CATEGORIES),
        ),
        margin=replace(_MARGIN, account_at=()),
        book=QuoteShape(
            symbol=paths("instId"),
            at=paths("ts"),
            sequence=paths("seqId"),
            bid=paths("bids.0.0"),
            bid_contracts=paths("bids.0.1"),
            ask=paths("asks.0.0"),
            ask_contracts=paths("asks.0.1"),
        ),
        mark=QuoteShape(symbol=paths("instId"), at=paths("ts"), mark=paths("markPx"), index=paths("idxPx")),
        quote_silence_ms=3_000,
    ),
)
