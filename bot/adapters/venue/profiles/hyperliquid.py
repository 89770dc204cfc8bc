"""Hyperliquid perpetuals, quoted and settled in USDC, one-way, cross margin. Quantities are coins; a paid fee and received funding are
positive.

The account's key is its address, and the secret is the private key of that address or of an API wallet that it approved: whoever names the
address may read it, and only the secret signs. There are no codes: a refusal is its words. An order is immediate or post-only; an
immediate one that met nobody is answered like a refusal, but was taken and is looked up. Fills carry our id. Positions and margin stand in
one answer, and so do listing and market; the question for the second names the `dex` (the first one, the empty name), which means the
same. One socket tells everything, and its fills begin with a snapshot of old ones, which is not heard.
Its dead-man switch (`scheduleCancel`) is open to accounts that have traded 1,000,000 USD alone, and is not used.

Sources: Hyperliquid docs, "Info endpoint", "Info endpoint / Perpetuals", "Exchange endpoint", "Websocket", "Rate limits and user limits",
"Margin tiers"; the order statuses of "Info endpoint / Query order status".
"""

from __future__ import annotations

from typing import Any

from bot.adapters.venue.client_ids import as_hex128, from_hex128
from bot.adapters.venue.doors import Opening, PrivateMarks
from bot.adapters.venue.feedback import Feedback, StayAwaySign
from bot.adapters.venue.profile import (
    Example,
    Expiry,
    Funding,
    Hosts,
    MarginMode,
    Market,
    Profile,
    Pump,
    Reads,
    Setup,
    Signer,
    Standing,
    Streams,
    Tiers,
    Topic,
    Touch,
    Writes,
)
from bot.adapters.venue.profiles.hyperliquid_rows import CONFIRMED, confirms, contexts, hear, predicted, tiers
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
_CANCELED = (
    "canceled",
    "marginCanceled",
    "vaultWithdrawalCanceled",
    "openInterestCapCanceled",
    "selfTradeCanceled",
    "reduceOnlyCanceled",
    "siblingFilledCanceled",
    "delistedCanceled",
    "liquidatedCanceled",
    "scheduledCancel",
    "iocCancelRejected",
    "badAloPxRejected",
)
_REJECTED = (
    "rejected",
    "tickRejected",
    "minTradeNtlRejected",
    "perpMarginRejected",
    "perpMaxPositionRejected",
    "reduceOnlyRejected",
    "badTriggerPxRejected",
    "marketOrderNoLiquidityRejected",
    "positionIncreaseAtOpenInterestCapRejected",
    "positionFlipAtOpenInterestCapRejected",
    "tooAggressiveAtOpenInterestCapRejected",
    "openInterestIncreaseRejected",
    "insufficientSpotBalanceRejected",
    "oracleRejected",
)

_ORDER = OrderShape(
    symbol=paths("order.coin", "coin"),
    client_id=paths("order.cloid", "cloid", "filled.cloid", "resting.cloid"),
    venue_id=paths("order.oid", "oid", "filled.oid", "resting.oid"),
    side=paths("order.side", "side"),
    status=paths("status"),
    filled=(),
    average=(),
    at=paths("statusTimestamp", "timestamp"),
    asked=paths("order.origSz", "origSz"),
    left=paths("order.sz", "sz"),
    price=paths("order.limitPx", "limitPx"),
    reduce_only=paths("order.reduceOnly", "reduceOnly"),
    without_status=VenueOrderStatus.ACCEPTED,
    client_id_of=from_hex128,
    statuses={
        "open": VenueOrderStatus.ACCEPTED,
        "triggered": VenueOrderStatus.ACCEPTED,
        "filled": VenueOrderStatus.FILLED,
        **dict.fromkeys(_CANCELED, VenueOrderStatus.CANCELED),
        **dict.fromkeys(_REJECTED, VenueOrderStatus.REJECTED),
    },
)
_FILL = FillShape(
    symbol=paths("coin"),
    fill_id=paths("tid"),
    client_id=paths("cloid"),
    venue_id=paths("oid"),
    side=paths("side"),
    contracts=paths("sz"),
    price=paths("px"),
    fee=paths("fee"),
    fee_asset=paths("feeToken"),
    at=paths("time"),
    marks=(
        Mark(("dir",), "Auto-Deleveraging", FillKind.AUTO_DELEVERAGING),
        Mark(("dir",), "Liquidated", FillKind.LIQUIDATION, prefix=True),
        Mark(("dir",), "Settlement", FillKind.SETTLEMENT),
    ),
    client_id_of=from_hex128,
)
_MARGIN = MarginShape(
    account_at=(),
    details_at=(),
    asset=(),
    only_asset="USDC",
    margin_balance=paths("marginSummary.accountValue"),
    wallet_balance=(),
    positions_at=("assetPositions",),
    unrealised=paths("position.unrealizedPnl"),
    maintenance=paths("crossMaintenanceMarginUsed"),
    initial=paths("marginSummary.totalMarginUsed"),
)


def _openings(host: str) -> tuple[Opening, ...]:
    """Whatever names our address counts as private, also a question that anybody might ask. Withdrawals are signed for the same path."""
    signed = tuple(f'"type":"{action}"' for action in ("order", "cancelbycloid", "cancel", "updateleverage"))
    return (
        Opening(host=host, paths=("/info",), private=True, answers=True),
        Opening(host=host, paths=("/exchange",), private=True, saying=signed, acts=True),
        Opening(host=host, paths=("/ws",), socket=True, private=True, saying=('"method":"subscribe"', '"method":"unsubscribe"')),
    )


def _info(ask: Ask, kind: str, *, account: bool = True, **more: Any) -> Query:
    fixed = {"type": kind, **more.pop("fixed", {})}
    return Query(ask=ask, call="publicPostInfo", fixed=fixed, account_as="user" if account else None, **more)


def _by_time(ask: Ask, kind: str, page: int) -> PagedQuery:
    return PagedQuery(
        query=_info(ask, kind),
        since_as="startTime",
        until_as="endTime",
        page=page,
        window_ms=365 * DAY_MS,
        at=paths("time"),
    )


_POSITIONS = _info(Ask.POSITIONS, "clearinghouseState", rows_at=("assetPositions",))
_FUNDING = _info(Ask.FUNDING, "predictedFundings", account=False, rows_by=predicted)
_CONTEXTS = _info(Ask.MARKET, "metaAndAssetCtxs", account=False, fixed={"dex": ""}, rows_by=contexts)

HYPERLIQUID = Profile(
    venue=VenueId("hyperliquid"),
    needs_passphrase=False,
    credentials={"walletAddress": "api_key", "privateKey": "secret"},
    hosts={
        Environment.MAINNET: Hosts(openings=_openings("api.hyperliquid.xyz")),
        Environment.TESTNET: Hosts(openings=_openings("api.hyperliquid-testnet.xyz"), switch="set_sandbox_mode"),
    },
    private_marks=PrivateMarks(headers=frozenset(), words=('"signature":',)),
    examples=(Example("BTC", "BTC/USDC:USDC", base_id="0"),),
    options={"fetchMarkets": {"types": ["swap"]}, "enableUnifiedMargin": False, "builderFee": False, "refSet": True},
    # Before each order ccxt would have a builder approved who takes a fee from it, and name itself as the referrer.
    skipped=("initialize_client",),
    symbol_in_market=paths("name"),
    # An address that asks too often is told so by HTTP status, the account that acts too often by its words; no header counts.
    feedback=Feedback(
        stay_away=(
            StayAwaySign(status=429, seconds=10.0, for_header="Retry-After"),
            StayAwaySign(code="Too many cumulative requests sent", seconds=10.0, is_of_endpoint=True),
        )
    ),
    limits=(
        RequestLimit("weight", 1_200, 60.0, 200, for_look_ups=100, for_cancels=60, for_readings=600),
        RequestLimit("actions", 300, 60.0, 60, for_cancels=30),
    ),
    weights={
        Ask.PLACE: {"weight": 1, "actions": 1},
        Ask.CANCEL: {"weight": 1, "actions": 1},
        Ask.ORDER: {"weight": 2},
        Ask.POSITIONS: {"weight": 2},
        Ask.MARGIN: {"weight": 2},
        Ask.CLOCK: {"weight": 2},
        Ask.OPEN_ORDERS: {"weight": 20},
        Ask.FILLS: {"weight": 20},
        Ask.FUNDING: {"weight": 20},
        Ask.FUNDING_PAID: {"weight": 20},
        Ask.MARKET: {"weight": 20},
        Ask.TIERS: {"weight": 20},
        Ask.MARKETS: {"weight": 20},
        Ask.SETTINGS: {"weight": 20},
        Ask.SIGNER: {"weight": 60},
        Ask.TOUCH: {"weight": 2},
    },
    setup=Setup(
        position_mode_readable=False,
        position_mode_per_symbol=True,
        position_mode_settles=frozenset(),
        margin_mode=MarginMode.WITH_LEVERAGE,
        leverage_parameters={"marginMode": "cross"},
        signer=Signer(query=_info(Ask.SIGNER, "userRole", account=False), signer_as="user", owner=paths("data.user")),
        standings=(
            Standing(
                query=_info(Ask.SETTINGS, "userAbstraction"),
                at=(),
                fit=frozenset({"default", "disabled", "dexAbstraction"}),
                reason="margin of a unified account or a portfolio cannot be read: let the account keep perpetuals apart",
            ),
        ),
    ),
    writes=Writes(
        client_id_as="clientOrderId",
        client_id_as_sent=as_hex128,
        expiry=Expiry.SIGNED_INSTANT,
        place_parameters={},
        cancel=Query(ask=Ask.CANCEL, call="privatePostExchange"),
        cancel_client_id_as="clientOrderId",
        cancel_by_ccxt=True,
        late_is_unnamed=True,
        ended_codes=frozenset({"Order could not immediately match against any resting orders"}),
    ),
    reads=Reads(
        clock=_info(Ask.CLOCK, "exchangeStatus", account=False),
        clock_at=paths("time"),
        open_orders=_info(Ask.OPEN_ORDERS, "frontendOpenOrders"),
        positions=_POSITIONS,
        position=_POSITIONS,
        flat_is_told=False,
        position_is_list=True,
        margin=_info(Ask.MARGIN, "clearinghouseState", fixed={"dex": ""}),
        fills=_by_time(Ask.FILLS, "userFillsByTime", 2_000),
        look_ups=(
            LookUp(
                query=_info(Ask.ORDER, "orderStatus", rows_at=("order",), is_one=True),
                client_id_as="oid",
                absent_codes=frozenset({"unknownOid"}),
            ),
        ),
        order_history=None,
        order=_ORDER,
        fill=_FILL,
        position_shape=PositionShape(
            symbol=paths("position.coin"),
            contracts=paths("position.szi"),
            entry=paths("position.entryPx"),
            mark=(),
            value=paths("position.positionValue"),
            mode=paths("type"),
            maintenance=(),
            initial=paths("position.marginUsed"),
            one_way=frozenset({"oneWay"}),
            rank=(),
            rank_max=1,
            margin_mode=paths("position.leverage.type"),
            cross=frozenset({"cross"}),
            leverage=paths("position.leverage.value"),
        ),
        margin_shape=_MARGIN,
    ),
    funding=Funding(
        rates=_FUNDING,
        rate_shape=FundingShape(
            symbol=paths("coin"),
            rate=paths("fundingRate"),
            next_at=paths("nextFundingTime"),
            interval=paths("fundingIntervalHours"),
            interval_unit_ms=_HOUR_MS,
        ),
        payments=_by_time(Ask.FUNDING_PAID, "userFunding", 500),
        payment=PaymentShape(
            symbol=paths("delta.coin"),
            payment_id=paths("time"),
            quantity=paths("delta.usdc"),
            asset=(),
            at=paths("time"),
        ),
    ),
    market=Market(
        open_interest=_CONTEXTS,
        volume=None,
        shape=MarketShape(symbol=paths("name"), open_interest=paths("openInterest"), volume=paths("dayBaseVlm"), price=paths("markPx")),
    ),
    tiers=Tiers(
        query=_info(Ask.TIERS, "meta", account=False, rows_by=tiers),
        rule=TierRule.SLICED,
        shape=TierShape(
            symbol=paths("coin"),
            nested=("tiers",),
            floor=paths("lowerBound"),
            cap=paths("cap"),
            maintenance=paths("maintenance"),
            leverage=paths("maxLeverage"),
            endless=True,
        ),
    ),
    touch=Touch(
        query=_info(Ask.TOUCH, "l2Book", account=False, symbol_as="coin", is_one=True),
        shape=QuoteShape(symbol=paths("coin"), bid=paths("levels.0.0.px"), ask=paths("levels.1.0.px")),
    ),
    streams=Streams(
        pumps=(
            Pump(watch="watch_order_book", symbols=True, private=False, each=True),
            Pump(watch="watch_ticker", symbols=True, private=False, each=True),
            Pump(watch="watch_orders", symbols=False, private=True),
            Pump(watch="watch_my_trades", symbols=False, private=True),
            Pump(watch="watch_balance", symbols=False, private=True),
        ),
        private_socket="/ws",
        one_socket=True,
        confirmations=len(CONFIRMED),
        confirms=confirms,
        hear=hear,
        topics={
            "l2Book": (Topic.BOOK,),
            "activeAssetCtx": (Topic.MARK,),
            "orderUpdates": (Topic.ORDERS,),
            "userFills": (Topic.FILLS,),
            "clearinghouseState": (Topic.MARGIN,),
        },
        order=_ORDER,
        fill=_FILL,
        margin=_MARGIN,
        book=QuoteShape(
            symbol=paths("coin"),
            at=paths("time"),
            bid=paths("levels.0.0.px"),
            bid_contracts=paths("levels.0.0.sz"),
            ask=paths("levels.1.0.px"),
            ask_contracts=paths("levels.1.0.sz"),
        ),
        mark=QuoteShape(symbol=paths("coin"), mark=paths("ctx.markPx"), index=paths("ctx.oraclePx")),
        quote_silence_ms=3_000,
    ),
)
