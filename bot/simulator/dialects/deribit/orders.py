"""Buying, selling, cancelling, and asking what became of it.

`amount` (or `contracts`) is unsigned; a label is up to 64 characters and may repeat. `valid_until` is an instant by the venue's clock
after which the request is not processed: `timed_out`. A `post_only` order that would take is refused with `reject_post_only`, and put one
tick away from the other side without it. The answer to an order holds it after matching, and its trades.
What has ended is told by a plain question for half an hour (orders) or a day (trades); older records answer only to `historical`, which
in turn does not know the newest ones: they are indexed after a short while, whose length is ours.
Source: docs.deribit.com, "Trading", "Accessing Historical Trades and Orders".
"""

from __future__ import annotations

from decimal import Decimal

from bot.core.units import Millis
from bot.simulator.dialects.deribit.errors import invalid, not_open, order_not_found, post_only_reject, refused, timed_out
from bot.simulator.dialects.deribit.order_rows import TIMES_IN_FORCE, order_row, trade_row, trades_of
from bot.simulator.dialects.deribit.venue import CURRENCIES, Call, Result
from bot.simulator.dialects.deribit.wire import contract_size, numbered
from bot.simulator.model import Contract, Order, OrderKind, OrderRequest, Refused, Report, Side, TimeInForce

COUNT_MAX = 1_000
RECENT_ORDERS_MS: Millis = 30 * 60_000
RECENT_TRADES_MS: Millis = 24 * 60 * 60_000
INDEXED_AFTER_MS: Millis = 60_000
_ALL = 1_000_000


def buy(call: Call) -> Result:
    """`private/buy`."""
    return _place(call, Side.BUY)


def sell(call: Call) -> Result:
    """`private/sell`."""
    return _place(call, Side.SELL)


def cancel(call: Call) -> Result:
    """`private/cancel`: the order after it. Raises RpcError 10004, or 11044 for an order that is not open any more."""
    order = _by_id(call)
    if not order.state.is_open:
        raise not_open()
    canceled, reports = call.exchange.cancel(call.account, order.request.symbol, call.now, order_id=order.order_id)
    return Result(order_row(call.venue, canceled), reports)


def cancel_by_label(call: Call) -> Result:
    """`private/cancel_by_label`: how many open orders with the label were canceled; zero is no error."""
    label, symbols = call.params.text("label"), {contract.symbol for contract in call.contracts()}
    found = [order for order in _open(call, symbols) if order.request.client_order_id == label]
    return _cancel_each(call, found)


def cancel_all(call: Call) -> Result:
    """`private/cancel_all`."""
    return _cancel_each(call, _open(call, set(call.exchange.contracts)))


def cancel_all_by_instrument(call: Call) -> Result:
    """`private/cancel_all_by_instrument`."""
    return _cancel_each(call, _open(call, {call.contract().symbol}))


def cancel_all_by_currency(call: Call) -> Result:
    """`private/cancel_all_by_currency`."""
    call.params.text("currency")
    return _cancel_each(call, _open(call, {contract.symbol for contract in call.contracts()}))


def order_state(call: Call) -> Result:
    """`private/get_order_state`. Raises RpcError 10004, also of an order that ended too long ago."""
    order = _by_id(call)
    if not order.state.is_open and call.now - order.updated_at > RECENT_ORDERS_MS:
        raise order_not_found()
    return Result(order_row(call.venue, order))


def order_state_by_label(call: Call) -> Result:
    """`private/get_order_state_by_label`: every recent order with the label, open or not; an empty list where there is none."""
    call.params.choice("currency", set(CURRENCIES))
    label, symbols = call.params.text("label"), {contract.symbol for contract in call.contracts()}
    ended = (order for order in call.exchange.closed_orders(call.account, None, 0, _ALL) if call.now - order.updated_at <= RECENT_ORDERS_MS)
    known = [*call.exchange.open_orders(call.account), *ended]
    found = [order for order in known if order.request.client_order_id == label and order.request.symbol in symbols]
    return Result([order_row(call.venue, order) for order in sorted(found, key=lambda order: order.order_id)])


def open_orders(call: Call) -> Result:
    """`private/get_open_orders` and its forms by currency, by instrument and by label, newest first."""
    symbols = {contract.symbol for contract in call.contracts()}
    name, label = call.params.text("instrument_name", ""), call.params.text("label", "")
    if name:
        symbols = {call.venue.contract(name).symbol}
    found = [order for order in _open(call, symbols) if label in ("", order.request.client_order_id)]
    return Result([order_row(call.venue, order) for order in reversed(found)])


def order_history(call: Call) -> Result:
    """`private/get_order_history_by_…`: closed orders, newest first; those that filled nothing only with `include_unfilled`."""
    name = call.params.text("instrument_name", "")
    symbols = {call.venue.contract(name).symbol} if name else {contract.symbol for contract in call.contracts()}
    count, offset, unfilled = (
        call.params.whole("count", 20, COUNT_MAX),
        call.params.whole("offset", 0),
        call.params.flag("include_unfilled"),
    )
    closed = call.exchange.closed_orders(call.account, None, 0, _ALL)
    closed = tuple(order for order in closed if _answers(call, order.updated_at, RECENT_ORDERS_MS))
    found = [order for order in reversed(closed) if order.request.symbol in symbols and (unfilled or order.filled)]
    return Result([order_row(call.venue, order) for order in found[offset : offset + count]])


def user_trades(call: Call) -> Result:
    """`private/get_user_trades_by_…`: newest first, or oldest first with `sorting=asc`; the forms with a time default to that."""
    name = call.params.text("instrument_name", "")
    symbols = {call.venue.contract(name).symbol} if name else {contract.symbol for contract in call.contracts()}
    start, end = call.params.instant("start_timestamp", 0), call.params.instant("end_timestamp", 1 << 62)
    count = call.params.whole("count", 10, COUNT_MAX)
    rising = call.params.choice("sorting", {"asc", "desc", "default"}, "asc" if start else "desc") == "asc"
    fills = [fill for fill in call.exchange.fills(call.account, None, start, _ALL) if fill.symbol in symbols and fill.at <= end]
    fills = [fill for fill in fills if _answers(call, fill.at, RECENT_TRADES_MS)]
    chosen = fills[:count] if rising else fills[::-1][:count]
    orders = [None if fill.order_id is None else call.exchange.order(call.account, fill.symbol, order_id=fill.order_id) for fill in chosen]
    rows = [trade_row(call.venue, fill, order) for fill, order in zip(chosen, orders, strict=True)]
    return Result({"trades": rows, "has_more": len(fills) > count})


def user_trades_by_order(call: Call) -> Result:
    """`private/get_user_trades_by_order`: a bare list. Raises RpcError 10004."""
    rows = trades_of(call.venue, call.account, _by_id(call))
    return Result([row for row in rows if _answers(call, int(row["timestamp"]), RECENT_TRADES_MS)])


def _place(call: Call, side: Side) -> Result:
    until = call.params.whole("valid_until", 0)
    if until and call.now >= until:
        raise timed_out()
    request = _request(call, side)
    try:
        order, reports = call.exchange.place(request, call.now)
    except Refused as refusal:
        raise refused(refusal, request, call.exchange) from None
    call.venue.connections.placed(call.connection, call.account, request.symbol, order.order_id)
    return Result({"order": order_row(call.venue, order), "trades": trades_of(call.venue, call.account, order)}, reports)


def _request(call: Call, side: Side) -> OrderRequest:
    params, contract = call.params, call.contract()
    kind = OrderKind(params.choice("type", set(OrderKind), "limit"))
    time_in_force = TIMES_IN_FORCE[params.choice("time_in_force", set(TIMES_IN_FORCE), "good_til_cancelled")]
    price = None if kind is OrderKind.MARKET else params.amount("price")
    if kind is OrderKind.MARKET:
        time_in_force = TimeInForce.IOC
    elif params.flag("post_only"):
        if time_in_force is not TimeInForce.GTC:
            raise invalid("post_only", "not allowed with this time_in_force")
        time_in_force = TimeInForce.POST_ONLY
        price = _beside(call, contract, side, price, reject=params.flag("reject_post_only"))
    return OrderRequest(
        account=call.account,
        symbol=contract.symbol,
        side=side,
        kind=kind,
        time_in_force=time_in_force,
        contracts=_amount(call, contract),
        price=price,
        reduce_only=params.flag("reduce_only"),
        client_order_id=params.text("label", "") or None,
    )


def _amount(call: Call, contract: Contract) -> Decimal:
    amount, contracts = call.params.amount("amount"), call.params.amount("contracts")
    if amount is None and contracts is None:
        raise invalid("amount", "value required")
    counted = None if contracts is None else contracts * contract_size(contract)
    if amount is not None and counted is not None and amount != counted:
        raise invalid("contracts", "does not match amount")
    return amount if amount is not None else counted or Decimal(0)


def _beside(call: Call, contract: Contract, side: Side, price: Decimal | None, *, reject: bool) -> Decimal | None:
    """The price at which a post-only order cannot take. Raises RpcError 11054 where the caller wants to be refused instead."""
    book = call.exchange.book(contract.symbol, 1)
    against = book.asks if side is Side.BUY else book.bids
    if price is None or not against or (price - against[0].price) * side.sign < 0:
        return price
    if reject:
        raise post_only_reject()
    return against[0].price - contract.tick * side.sign


def _by_id(call: Call) -> Order:
    wanted = numbered(call.params.text("order_id"))
    for symbol in call.exchange.contracts:
        order = call.exchange.order(call.account, symbol, order_id=wanted)
        if order is not None:
            return order
    raise order_not_found()


def _answers(call: Call, at: Millis, recent_ms: Millis) -> bool:
    """Whether a record of this instant is among what the question is about: recent ones, or with `historical` those that are indexed."""
    age = call.now - at
    return age >= INDEXED_AFTER_MS if call.params.flag("historical") else age <= recent_ms


def _open(call: Call, symbols: set[str]) -> list[Order]:
    return [order for order in call.exchange.open_orders(call.account) if order.request.symbol in symbols]


def _cancel_each(call: Call, orders: list[Order]) -> Result:
    reports: list[Report] = []
    for order in orders:
        reports.extend(call.exchange.cancel(call.account, order.request.symbol, call.now, order_id=order.order_id)[1])
    return Result(len(orders), reports)
