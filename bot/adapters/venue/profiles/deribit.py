"""Deribit v2 perpetuals: inverse ones margined in their coin, linear ones in USDC; one margin per currency, net positions.

Quantities are *amounts*: US dollars of an inverse perpetual, base units of a linear one, in orders, fills and positions alike. The
published contract size only says by how much amounts step. Our client id is the `label`, which the venue lets repeat: it refuses no
second order with it, so that one wire attempt per order is all that stands between us and a double one. Orders are GET requests.

There is nothing to set up: no position mode, no leverage (`equity` alone decides it). An account whose currencies stand in for each other
(cross collateral) tells one maintenance margin of all of them beside each currency's own equity: that takes no increase. Margin rates are
stated in the documentation only: a position opens at 2 % and keeps at 1 %, each plus 0.005 % per BTC or 0.0004 % per ETH of it. Funding
accrues all the time at the 8-hour rate of the moment and is booked by the trade that changes the position, or at the daily settlement at
08:00 UTC: no settlement of it lies ahead at an instant that could be told. Trades older than a day answer to `historical` alone, which does
not know the newest ones. An order that ended half an hour ago is not told by its label any more: what filled of it, its trades tell, which
carry the label. There is no dead-man switch: cancel on disconnect covers only orders that were placed over the same WebSocket.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from bot.adapters.venue.doors import Opening, PrivateMarks
from bot.adapters.venue.feedback import Feedback, StayAwaySign
from bot.adapters.venue.profile import (
    Example,
    Expiry,
    Funding,
    Heard,
    Hosts,
    MarginModes,
    Market,
    Profile,
    Pump,
    Reads,
    Streams,
    Topic,
    Touch,
    Writes,
)
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
    StatedTiers,
    paths,
)
from bot.adapters.venue.throttle import RequestLimit
from bot.core.events import FillKind, VenueOrderStatus
from bot.core.instrument import ContractKind
from bot.core.tiers import MarginTiers, TierRow, TierRule
from bot.core.units import DAY_MS, ONE, ZERO, VenueId

_HOUR_MS = DAY_MS // 24
_RESULT = ("result",)
_FUTURES = {"kind": "future"}

_ORDER = OrderShape(
    symbol=paths("instrument_name"),
    client_id=paths("label"),
    venue_id=paths("order_id"),
    side=paths("direction"),
    status=paths("order_state"),
    filled=paths("filled_amount"),
    average=paths("average_price"),
    at=paths("last_update_timestamp", "creation_timestamp"),
    asked=paths("amount"),
    price=paths("price"),
    reduce_only=paths("reduce_only"),
    statuses={
        "open": VenueOrderStatus.ACCEPTED,
        "untriggered": VenueOrderStatus.ACCEPTED,  # a person's stop order: `get_open_orders` lists it too
        "filled": VenueOrderStatus.FILLED,
        "cancelled": VenueOrderStatus.CANCELED,
        "rejected": VenueOrderStatus.CANCELED,
    },
)
_FILL = FillShape(
    symbol=paths("instrument_name"),
    fill_id=paths("trade_id"),
    client_id=paths("label"),
    venue_id=paths("order_id"),
    side=paths("direction"),
    contracts=paths("amount"),
    price=paths("price"),
    fee=paths("fee"),
    fee_asset=paths("fee_currency"),
    at=paths("timestamp"),
    marks=(Mark(("order_type",), "liquidation", FillKind.LIQUIDATION),),
)
_MARGIN = MarginShape(
    account_at=_RESULT,
    details_at=("summaries",),
    asset=paths("currency"),
    margin_balance=paths("equity"),
    wallet_balance=paths("balance"),
    maintenance=paths("maintenance_margin"),
    initial=paths("initial_margin"),
)
_FROM_NOTHING = (TierRow(floor=ZERO, cap=None, maintenance_rate=Decimal("0.01"), initial_rate=Decimal("0.02")),)
_TIERS = StatedTiers(
    {
        "BTC": MarginTiers(rule=TierRule.GRADED, rows=_FROM_NOTHING, rate_per_unit=Decimal("0.00005")),
        "ETH": MarginTiers(rule=TierRule.GRADED, rows=_FROM_NOTHING, rate_per_unit=Decimal("0.000004")),
    }
)
"""Standard margin: support.deribit.com, "Linear Perpetual", "Inverse perpetual"; of ETH "11 January 2022", the last word that is known."""


def hear(message: Any) -> Heard | None:
    """A notification `{params: {channel, data}}`; answers and heartbeats have no channel. A currency's margin stands alone in its own."""
    told = message.get("params") if isinstance(message, dict) else None
    channel = told.get("channel") if isinstance(told, dict) else None
    if not isinstance(told, dict) or not isinstance(channel, str):
        return None
    parts, data = channel.split("."), told.get("data") or {}
    topic = ".".join(parts[:2]) if parts[0] == "user" else parts[0]
    if topic == "user.portfolio":
        return Heard(topic, ({"summaries": [data]},))
    return Heard(topic, tuple(data) if isinstance(data, list) else (data,))


_CONFIRMED = ("user.orders.", "user.trades.")


def confirms(message: Any) -> int:
    """An answer to `private/subscribe`: the channels that were granted, without those that were not."""
    granted = message.get("result") if isinstance(message, dict) else None
    return sum(str(channel).startswith(_CONFIRMED) for channel in granted) if isinstance(granted, list) else 0


_ACTS = ("buy", "sell", "cancel_by_label", "cancel")
_READS = (
    *("get_order_state_by_label", "get_open_orders", "get_user_trades_by_currency_and_time"),
    *("get_positions", "get_position", "get_account_summaries", "get_account_summary", "get_transaction_log"),
)
"""What the account's key may be used for: others under the same root withdraw. Everything is asked for with GET, orders too."""


def _openings(host: str) -> tuple[Opening, ...]:
    """One host; one socket for the market and the account."""
    return (
        Opening(host=host, paths=("/api/v2/public/",)),
        Opening(host=host, paths=tuple(f"/api/v2/private/{method}" for method in _ACTS), private=True, acts=True),
        Opening(host=host, paths=tuple(f"/api/v2/private/{method}" for method in _READS), private=True),
        Opening(host=host, paths=("/ws/api/v2",), socket=True, private=True),
    )


DERIBIT = Profile(
    venue=VenueId("deribit"),
    needs_passphrase=False,
    hosts={
        Environment.MAINNET: Hosts(openings=_openings("www.deribit.com")),
        Environment.TESTNET: Hosts(openings=_openings("test.deribit.com"), switch="set_sandbox_mode"),
    },
    private_marks=PrivateMarks(
        headers=frozenset({"authorization"}),
        words=("access_token", '"method":"private/', '"method":"public/auth"'),
    ),
    examples=(Example("BTC-PERPETUAL", "BTC/USD:BTC"), Example("BTC_USDC-PERPETUAL", "BTC/USDC:USDC")),
    options={"fetchCurrencies": False},
    markets_parameters={**_FUTURES, "currency": "any"},
    # Credits: bursts of 20 and 5 a second for the matching engine, of 100 and 20 a second for all else; an address's are not published.
    feedback=Feedback(stay_away=(StayAwaySign(code="10028", seconds=1.0, is_of_endpoint=True),)),
    limits=(
        RequestLimit("matching_engine", 20, 4.0, 8, for_cancels=4),
        RequestLimit("requests", 100, 5.0, 20, for_look_ups=10),
        RequestLimit("public", 100, 5.0, 20, for_look_ups=10),
    ),
    weights={
        Ask.PLACE: {"matching_engine": 1},
        Ask.CANCEL: {"matching_engine": 1},
        Ask.ORDER: {"requests": 1},
        Ask.OPEN_ORDERS: {"requests": 1},
        Ask.FILLS: {"requests": 1},
        Ask.POSITIONS: {"requests": 1},
        Ask.MARGIN: {"requests": 1},
        Ask.MODES: {"requests": 1},
        Ask.FUNDING_PAID: {"requests": 1},
        Ask.SETTINGS: {"requests": 1},
        Ask.CLOCK: {"public": 1},
        Ask.FUNDING: {"public": 1},
        Ask.MARKET: {"public": 1},
        Ask.MARKETS: {"public": 20},
        Ask.TOUCH: {"public": 1},
    },
    unit_worth={ContractKind.LINEAR: ONE, ContractKind.INVERSE: ONE},
    setup=None,
    writes=Writes(
        client_id_as="label",
        expiry=Expiry.INSTANT_PARAMETER,
        place_parameters={},
        cancel=Query(ask=Ask.CANCEL, call="privateGetCancelByLabel", settle_as="currency"),
        cancel_client_id_as="label",
        cancel_other=Query(ask=Ask.CANCEL, call="privateGetCancel"),
        cancel_venue_id_as="order_id",
        clock_codes=frozenset({"13009", "13888"}),
        signs_by_nonce=False,
    ),
    reads=Reads(
        clock=Query(ask=Ask.CLOCK, call="publicGetGetTime"),
        clock_at=paths("result"),
        open_orders=Query(ask=Ask.OPEN_ORDERS, call="privateGetGetOpenOrders", fixed=_FUTURES, rows_at=_RESULT),
        positions=Query(ask=Ask.POSITIONS, call="privateGetGetPositions", fixed=_FUTURES, rows_at=_RESULT, settle_as="currency"),
        position=Query(ask=Ask.POSITIONS, call="privateGetGetPosition", rows_at=_RESULT, symbol_as="instrument_name", is_one=True),
        flat_is_told=True,
        margin=Query(ask=Ask.MARGIN, call="privateGetGetAccountSummaries"),
        fills=PagedQuery(
            query=Query(
                ask=Ask.FILLS,
                call="privateGetGetUserTradesByCurrencyAndTime",
                fixed={**_FUTURES, "count": 1000, "sorting": "asc"},
                rows_at=("result", "trades"),
                settle_as="currency",
            ),
            since_as="start_timestamp",
            until_as="end_timestamp",
            page=1000,
            window_ms=DAY_MS,
            at=paths("timestamp"),
            until_required=True,
            recent_ms=DAY_MS - _HOUR_MS,
            older={"historical": "true"},
        ),
        look_ups=(
            LookUp(
                query=Query(ask=Ask.ORDER, call="privateGetGetOrderStateByLabel", rows_at=_RESULT, settle_as="currency"),
                client_id_as="label",
            ),
        ),
        order_history=None,
        order=_ORDER,
        fill=_FILL,
        position_shape=PositionShape(
            symbol=paths("instrument_name"),
            contracts=paths("size"),
            entry=paths("average_price"),
            mark=paths("mark_price"),
            mode=(),
            maintenance=paths("maintenance_margin"),
            one_way=frozenset(),
            rank=(),
            rank_max=1,
        ),
        margin_shape=_MARGIN,
        margin_modes=MarginModes(
            query=Query(ask=Ask.MODES, call="privateGetGetAccountSummaries", rows_at=("result", "summaries")),
            symbol=(),
            mode=paths("margin_model"),
            cross=frozenset({"segregated_sm", "segregated_pm"}),
            wanted="margin of each currency by itself",
        ),
    ),
    funding=Funding(
        rates=Query(ask=Ask.FUNDING, call="publicGetTicker", rows_at=_RESULT, symbol_as="instrument_name", is_one=True),
        rate_shape=FundingShape(symbol=paths("instrument_name"), rate=paths("current_funding")),
        interval_ms=DAY_MS // 3,
        payments=PagedQuery(
            query=Query(
                ask=Ask.FUNDING_PAID,
                call="privateGetGetTransactionLog",
                fixed={"count": 250},
                rows_at=("result", "logs"),
                settle_as="currency",
            ),
            since_as="start_timestamp",
            until_as="end_timestamp",
            page=250,
            window_ms=30 * DAY_MS,
            cursor_as="continuation",
            cursor_at=("result", "continuation"),
            until_required=True,
        ),
        payment=PaymentShape(
            symbol=paths("instrument_name"),
            payment_id=paths("id"),
            quantity=paths("interest_pl"),
            asset=paths("currency"),
            at=paths("timestamp"),
            often_none=True,
        ),
    ),
    market=Market(
        open_interest=Query(ask=Ask.MARKET, call="publicGetGetBookSummaryByInstrument", rows_at=_RESULT, symbol_as="instrument_name"),
        volume=None,
        shape=MarketShape(
            symbol=paths("instrument_name"),
            open_interest=paths("open_interest"),
            volume=paths("volume"),
            volume_inverse=paths("volume_usd"),
            price=paths("mark_price"),
        ),
    ),
    tiers=_TIERS,
    touch=Touch(
        query=Query(ask=Ask.TOUCH, call="publicGetTicker", rows_at=_RESULT, symbol_as="instrument_name", is_one=True),
        shape=QuoteShape(symbol=paths("instrument_name"), bid=paths("best_bid_price"), ask=paths("best_ask_price")),
    ),
    streams=Streams(
        pumps=(
            Pump(watch="watch_bids_asks", symbols=True, private=False),
            Pump(watch="watch_tickers", symbols=True, private=False),
            Pump(watch="watch_orders", symbols=False, private=True),
            Pump(watch="watch_my_trades", symbols=False, private=True),
            Pump(watch="watch_balance", symbols=False, private=True),
        ),
        private_socket="/ws/api/v2",
        one_socket=True,
        confirmations=len(_CONFIRMED),
        confirms=confirms,
        hear=hear,
        topics={
            "quote": (Topic.BOOK,),
            "ticker": (Topic.MARK,),
            "user.orders": (Topic.ORDERS,),
            "user.trades": (Topic.FILLS,),
            "user.portfolio": (Topic.MARGIN,),
        },
        order=_ORDER,
        fill=_FILL,
        margin=replace(_MARGIN, account_at=()),
        book=QuoteShape(
            symbol=paths("instrument_name"),
            at=paths("timestamp"),
            bid=paths("best_bid_price"),
            bid_contracts=paths("best_bid_amount"),
            ask=paths("best_ask_price"),
            ask_contracts=paths("best_ask_amount"),
        ),
        mark=QuoteShape(symbol=paths("instrument_name"), at=paths("timestamp"), mark=paths("mark_price"), index=paths("index_price")),
        quote_silence_ms=5_000,
    ),
)
