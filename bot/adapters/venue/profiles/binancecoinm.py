"""Binance COIN-M futures: USD-M's page with what differs. Quantities are contracts of 100 USD (BTC) or 10 USD (any other coin), and every
amount of money is coins of the margin asset.

- `positionRisk` (version 1) lists every contract, flat ones too, and is asked by margin asset, never by symbol; it does not tell the
  margin held against a position, so that the account's margin alone proves flat. The place in the queue of auto-deleveraging is told apart
  (`adlQuantile`, under BOTH in one-way mode).
- Tiers are bounded by coins (`qtyCap`). Market data of one symbol are a list of one.
- A post-only order that would take is not refused: it is EXPIRED at once. `allOrders` answers with 100 rows at most.
- Orders are counted per minute alone; the private stream is a market stream's URL with the listen key in place of a number.

Sources: the venue's pages "COIN-M Futures" (account and trade endpoints, market streams, user data streams, general info).
"""

from __future__ import annotations

from dataclasses import replace

from bot.adapters.venue.doors import Opening
from bot.adapters.venue.profile import DeadMan, Example, Hosts, Touch
from bot.adapters.venue.profiles.binanceusdm import BINANCEUSDM, TIERS
from bot.adapters.venue.questions import Ask, PagedQuery, Query
from bot.adapters.venue.settings import Environment
from bot.adapters.venue.shapes import MarketShape, QuoteShape, paths
from bot.adapters.venue.throttle import RequestLimit
from bot.core.units import DAY_MS, VenueId

_READS, _FUNDING, _MARKET, _STREAMS = (
    BINANCEUSDM.reads,
    BINANCEUSDM.funding,
    BINANCEUSDM.market,
    BINANCEUSDM.streams,
)
_ORDERS_MAX = 100


def _hosts(rest: str, stream: str, switch: str | None = None) -> Hosts:
    """ccxt numbers its market sockets (`/ws/0`); what stands there instead on the private one is the listen key."""
    return Hosts(
        openings=(
            Opening(host=rest, paths=("/dapi/",), private=True),
            Opening(host=stream, paths=("/ws/",), socket=True, private=True),
        ),
        switch=switch,
    )


_DEMO_TRADING = _hosts("demo-dapi.binance.com", "dstream.binancefuture.com", "enable_demo_trading")

BINANCECOINM = replace(
    BINANCEUSDM,
    venue=VenueId("binancecoinm"),
    hosts={
        Environment.MAINNET: _hosts("dapi.binance.com", "dstream.binance.com"),
        Environment.TESTNET: _DEMO_TRADING,
        Environment.DEMO: _DEMO_TRADING,
    },
    wallets=(),
    examples=(Example("BTCUSD_PERP", "BTC/USD:BTC"),),
    feedback=replace(
        BINANCEUSDM.feedback,
        usage=tuple(
            replace(told, below="/dapi/" if told.below else "")
            for told in BINANCEUSDM.feedback.usage
            if told.limit not in {"orders_10s", "spot_weight"}
        ),
    ),
    touch=Touch(
        query=Query(ask=Ask.TOUCH, call="dapiPublicGetTickerBookTicker", symbol_as="symbol"),
        shape=QuoteShape(symbol=paths("symbol"), bid=paths("bidPrice"), ask=paths("askPrice")),
    ),
    dead_man=DeadMan(
        query=Query(ask=Ask.DEAD_MAN, call="dapiPrivatePostCountdownCancelAll", symbol_as="symbol"), timeout_as="countdownTime", unit_ms=1
    ),
    limits=(
        RequestLimit("weight", 2_400, 60.0, 240, for_look_ups=360, for_cancels=200, for_readings=900),
        RequestLimit("orders_1m", 1_200, 60.0, 240),
    ),
    weights={
        **{ask: weight for ask, weight in BINANCEUSDM.weights.items() if ask is not Ask.WALLETS},
        Ask.PLACE: {"orders_1m": 1},
        Ask.ORDER_HISTORY: {"weight": 20},
        Ask.FILLS: {"weight": 20},
        Ask.POSITIONS: {"weight": 1},
        Ask.RANKS: {"weight": 5},
        Ask.FUNDING: {"weight": 10},
        Ask.FUNDING_PAID: {"weight": 20},
    },
    writes=replace(BINANCEUSDM.writes, cancel=replace(BINANCEUSDM.writes.cancel, call="dapiPrivateDeleteOrder")),
    reads=replace(
        _READS,
        clock=replace(_READS.clock, call="dapiPublicGetTime"),
        open_orders=replace(_READS.open_orders, call="dapiPrivateGetOpenOrders"),
        positions=Query(ask=Ask.POSITIONS, call="dapiPrivateGetPositionRisk"),
        position=Query(ask=Ask.POSITIONS, call="dapiPrivateGetPositionRisk", settle_as="marginAsset"),
        flat_is_told=True,
        margin=replace(_READS.margin, call="dapiPrivateGetAccount"),
        fills=replace(_READS.fills, query=replace(_READS.fills.query, call="dapiPrivateGetUserTrades")),
        look_ups=tuple(replace(each, query=replace(each.query, call="dapiPrivateGetOrder")) for each in _READS.look_ups),
        order_history=PagedQuery(
            query=Query(ask=Ask.ORDER_HISTORY, call="dapiPrivateGetAllOrders", symbol_as="symbol", fixed={"limit": _ORDERS_MAX}),
            since_as="startTime",
            until_as="endTime",
            page=_ORDERS_MAX,
            window_ms=7 * DAY_MS - 1,
            at=paths("time"),
        ),
        position_shape=replace(
            _READS.position_shape,
            maintenance=(),
            rank=paths("adlQuantile.BOTH"),
            margin_mode=paths("marginType"),
            cross=frozenset({"cross"}),
            leverage=paths("leverage"),
        ),
        ranks=Query(ask=Ask.RANKS, call="dapiPrivateGetAdlQuantile"),
        margin_modes=None,
    ),
    funding=replace(
        _FUNDING,
        rates=replace(_FUNDING.rates, call="dapiPublicGetPremiumIndex"),
        payments=replace(_FUNDING.payments, query=replace(_FUNDING.payments.query, call="dapiPrivateGetIncome")),
        intervals=Query(ask=Ask.FUNDING, call="dapiPublicGetFundingInfo"),
        settlements=Query(ask=Ask.FUNDING, call="dapiPublicGetFundingRate", symbol_as="symbol", fixed={"limit": 10}),
    ),
    market=replace(
        _MARKET,
        open_interest=replace(_MARKET.open_interest, call="dapiPublicGetOpenInterest"),
        volume=Query(ask=Ask.MARKET, call="dapiPublicGetTicker24hr", symbol_as="symbol"),
        shape=MarketShape(symbol=paths("symbol"), open_interest=paths("openInterest"), volume=paths("volume"), price=paths("lastPrice")),
    ),
    tiers=replace(
        TIERS,
        query=replace(TIERS.query, call="dapiPrivateV2GetLeverageBracket"),
        shape=replace(TIERS.shape, floor=paths("qtyFloor", "qtylFloor"), cap=paths("qtyCap")),
    ),
    streams=replace(
        _STREAMS,
        private_socket=r"/ws/(?!\d+$)",
        listen_key_call="dapiPrivatePutListenKey",
        listen_key_path="/dapi/v1/listenKey",
        listen_key_option="inverse",
    ),
)
