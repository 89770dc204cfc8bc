"""How Deribit shows orders and trades, on HTTP and in channels.

An order is `open`, `filled` or `cancelled`, and `cancelled` says why in `cancel_reason` where the venue has a word for it; a part that
filled before does not change the word. A market order has the price `market_price`. A trade of the account carries the order's
`label`, a paid fee is positive, and what the venue closes itself has the order type `liquidation`, without a label: it has no other word
for a deleveraging.
Source: docs.deribit.com, `private/buy`, `private/get_order_state`, `private/get_user_trades_by_order`, `user.orders`, `user.trades`.
"""

from __future__ import annotations

from bot.core.units import ZERO
from bot.simulator.dialects.deribit.venue import Venue
from bot.simulator.dialects.deribit.wire import Row, contract_size, dollars, named, number
from bot.simulator.model import Fill, FillKind, Order, OrderKind, OrderState, Reason, TimeInForce

TIMES_IN_FORCE = {
    "good_til_cancelled": TimeInForce.GTC,
    "good_til_day": TimeInForce.GTC,
    "immediate_or_cancel": TimeInForce.IOC,
    "fill_or_kill": TimeInForce.FOK,
}
_TIMES = {
    TimeInForce.GTC: "good_til_cancelled",
    TimeInForce.POST_ONLY: "good_til_cancelled",
    TimeInForce.IOC: "immediate_or_cancel",
    TimeInForce.FOK: "fill_or_kill",
}
_REASONS = {Reason.ASKED: "user_request", Reason.LIQUIDATION: "autoliquidation", Reason.AUTO_DELEVERAGING: "autoliquidation"}
_VENUES_OWN = "autoliq"


def order_row(venue: Venue, order: Order) -> Row:
    """An order as it is."""
    request, contract = order.request, venue.exchange.contracts[order.request.symbol]
    is_market = request.kind is OrderKind.MARKET
    row: Row = {
        "amount": number(request.contracts),
        "api": True,
        "average_price": dollars(order.average_price or ZERO),
        "contracts": number(request.contracts / contract_size(contract)),
        "creation_timestamp": order.created_at,
        "direction": request.side.value,
        "filled_amount": number(order.filled),
        "instrument_name": request.symbol,
        "is_liquidation": False,
        "label": request.client_order_id or "",
        "last_update_timestamp": order.updated_at,
        "max_show": number(request.contracts),
        "order_id": named(contract, order.order_id),
        "order_state": "open" if order.state.is_open else "filled" if order.state is OrderState.FILLED else "cancelled",
        "order_type": request.kind.value,
        "post_only": request.time_in_force is TimeInForce.POST_ONLY,
        "price": "market_price" if is_market or request.price is None else number(request.price),
        "reduce_only": request.reduce_only,
        "replaced": False,
        "risk_reducing": False,
        "time_in_force": "good_til_cancelled" if is_market else _TIMES[request.time_in_force],
        "web": False,
    }
    if order.state is OrderState.CANCELED:
        row["cancel_reason"] = (
            "cancel_on_disconnect" if order.order_id in venue.connections.canceled else _REASONS.get(Reason(order.reason), "user_request")
        )
    return row


def trade_row(venue: Venue, fill: Fill, order: Order | None) -> Row:
    """One trade of an account; `order` is what it belonged to, where it is still known."""
    contract = venue.exchange.contracts[fill.symbol]
    view = venue.exchange.market(fill.symbol)
    own = fill.kind is not FillKind.TRADE
    row: Row = {
        "amount": number(fill.contracts),
        "api": not own,
        "contracts": number(fill.contracts / contract_size(contract)),
        "direction": fill.side.value,
        "fee": number(fill.fee),
        "fee_currency": fill.fee_asset,
        "index_price": dollars(view.index),
        "instrument_name": fill.symbol,
        "label": fill.client_order_id or "",
        "liquidity": "M" if fill.is_maker else "T",
        "mark_price": dollars(view.mark),
        "matching_id": None,
        "mmp": False,
        "order_id": f"{_VENUES_OWN}-{fill.fill_id}" if fill.order_id is None else named(contract, fill.order_id),
        "order_type": "liquidation" if own else "limit" if order is None else order.request.kind.value,
        "post_only": order is not None and order.request.time_in_force is TimeInForce.POST_ONLY,
        "price": number(fill.price),
        "profit_loss": number(fill.realised_pnl),
        "reduce_only": order is not None and order.request.reduce_only,
        "risk_reducing": False,
        "self_trade": False,
        "state": "filled" if order is None or order.state is OrderState.FILLED else "open",
        "tick_direction": 0,
        "timestamp": fill.at,
        "trade_id": named(contract, fill.fill_id),
        "trade_seq": fill.fill_id % 1_000_000_000,
    }
    if own:
        row["liquidation"] = "T"
    return row


def trades_of(venue: Venue, account: str, order: Order) -> list[Row]:
    """The trades of one order, oldest first."""
    fills = venue.exchange.fills(account, order.request.symbol, order.created_at, _ALL)
    return [trade_row(venue, fill, order) for fill in fills if fill.order_id == order.order_id]


_ALL = 1_000_000
