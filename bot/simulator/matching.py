"""Matching: who meets whom, at whose price.

A taker meets the best price first and, at one price, whoever came first; the price is the resting party's. An order that would meet one of
its own account makes the older one expire (OKX's default, and Binance's EXPIRE_MAKER). Background makers are parties like any other:
they rest, are consumed, and when their new quotes cross a resting order they take it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from bot.core.units import ONE, ZERO, down_to_step, up_to_step
from bot.simulator.accounts import Account
from bot.simulator.book import Resting
from bot.simulator.model import FillKind, MarketTick, Order, OrderKind, OrderRequest, OrderState, Reason, Side, TimeInForce
from bot.simulator.state import Market
from bot.simulator.turn import Turn


@dataclass(frozen=True, slots=True)
class Taker:
    """Who comes to the book: an account with its order, an account being liquidated (no order), or a background maker (neither)."""

    side: Side
    account: Account | None = None
    order: Order | None = None
    kind: FillKind = FillKind.TRADE


def limit_of(request: OrderRequest, market: Market) -> Decimal:
    """The worst price that an order accepts. A market order stops at the price band around mark, as venues protect theirs."""
    if request.kind is OrderKind.LIMIT and request.price is not None:
        return request.price
    return market.known.mark * (ONE + request.side.sign * market.contract.price_band)


def work(turn: Turn, market: Market, account: Account, order: Order) -> None:
    """Lets an accepted order do what its time in force says: match, rest, expire or be rejected."""
    request, book = order.request, market.book
    limit = limit_of(request, market)
    if request.time_in_force is TimeInForce.POST_ONLY and book.crosses(request.side, limit):
        turn.end(account, order, OrderState.REJECTED, Reason.POST_ONLY)
        return
    if request.time_in_force is TimeInForce.FOK and book.within(request.side, limit, account.name) < order.leaves:
        turn.end(account, order, OrderState.REJECTED, Reason.FILL_OR_KILL)
        return
    take(turn, market, Taker(request.side, account, order), limit, order.leaves)
    if not order.state.is_open:
        return
    if request.kind is OrderKind.LIMIT and request.time_in_force in (TimeInForce.GTC, TimeInForce.POST_ONLY):
        resting = Resting(request.side, limit, order.leaves, order)
        account.working[order.order_id].resting = resting
        book.rest(resting)
        turn.book_changed(market)
    else:
        turn.end(account, order, OrderState.EXPIRED, Reason.IMMEDIATE)


def take(turn: Turn, market: Market, taker: Taker, limit: Decimal | None, contracts: Decimal) -> Decimal:
    """Executes up to `contracts` against the book at `limit` or better (None: at any price); returns what found nobody."""
    book = market.book
    other = Side.SELL if taker.side is Side.BUY else Side.BUY
    while contracts > ZERO:
        resting = book.front(other)
        if resting is None or (limit is not None and (resting.price - limit) * taker.side.sign > ZERO):
            break
        maker = None if resting.order is None else turn.state.account(resting.order.request.account)
        if maker is not None and resting.order is not None and maker is taker.account:
            turn.end(maker, resting.order, OrderState.EXPIRED, Reason.SELF_TRADE)
            continue
        executed = min(contracts, resting.contracts)
        contracts -= executed
        _execute(turn, market, taker, resting, maker, executed)
    return contracts


def _execute(turn: Turn, market: Market, taker: Taker, resting: Resting, maker: Account | None, contracts: Decimal) -> None:
    contract, price, order = market.contract, resting.price, resting.order
    market.book.take(resting, contracts)
    fill_id = turn.public_trade(market, taker.side, contracts, price)
    if taker.account is None:
        market.outside += contracts * taker.side.sign
    else:
        turn.fill(
            market,
            taker.account,
            taker.order,
            fill_id=fill_id,
            side=taker.side,
            contracts=contracts,
            price=price,
            fee_rate=contract.taker_fee,
            is_maker=False,
            kind=taker.kind,
        )
    if maker is None:
        market.outside += contracts * resting.side.sign
    else:
        turn.fill(
            market,
            maker,
            order,
            fill_id=fill_id,
            side=resting.side,
            contracts=contracts,
            price=price,
            fee_rate=contract.maker_fee,
            is_maker=True,
            kind=FillKind.TRADE,
        )


def requote(turn: Turn, market: Market, tick: MarketTick) -> None:
    """Moves the background makers' ladders to a new fair price, restoring what was consumed.

    A quote whose price stays keeps its place unless it grows. Old quotes leave before new ones come, so makers never meet each other.
    """
    ladders = {side: ladder(market, tick, side) for side in Side}
    for side, wanted in ladders.items():
        quotes = market.quotes[side]
        for price in [price for price in quotes if price not in wanted]:
            resting = quotes.pop(price)
            if resting.contracts > ZERO:
                market.book.remove(resting)
    for side, wanted in ladders.items():
        for price, contracts in wanted.items():
            _quote(turn, market, side, price, contracts)
    turn.book_changed(market)


def _quote(turn: Turn, market: Market, side: Side, price: Decimal, contracts: Decimal) -> None:
    book, quotes = market.book, market.quotes[side]
    resting = quotes.get(price)
    if resting is not None and resting.contracts > ZERO:
        if resting.contracts == contracts:
            return
        if resting.contracts > contracts:
            book.take(resting, resting.contracts - contracts)
            return
        book.remove(resting)
    if book.crosses(side, price):
        contracts = take(turn, market, Taker(side), price, contracts)
    fresh = quotes[price] = Resting(side, price, contracts)
    if contracts > ZERO:
        book.rest(fresh)


def ladder(market: Market, tick: MarketTick, side: Side) -> dict[Decimal, Decimal]:
    """Where the background makers want to stand on one side: price -> contracts, best first.

    Depth is rounded down to the lot; a level that rounds to nothing, or a price at or below zero, is left out. The two sides are at
    least one tick apart.
    """
    contract = market.contract
    away = max(tick.half_spread, contract.tick / 2)
    step = up_to_step(tick.spread_step or away, contract.tick)
    if side is Side.BUY:
        price, step = down_to_step(tick.fair - away, contract.tick), -step
    else:
        price = up_to_step(tick.fair + away, contract.tick)
    # Every price and quantity in the contract's own decimals, as venues print them, whatever the tick's had.
    price = price.quantize(contract.tick)
    wanted: dict[Decimal, Decimal] = {}
    for depth in tick.depth:
        if price <= ZERO:
            break
        units = depth * price if contract.inverse else depth
        contracts = down_to_step(units / contract.contract_size, contract.lot).quantize(contract.lot)
        if contracts > ZERO:
            wanted[price] = contracts
        price += step
    return wanted
