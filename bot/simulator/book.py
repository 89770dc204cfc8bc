"""One order book with price-time priority and a gapless change sequence.

The better price stands first; at one price, who came first. Taking contracts away keeps an order's place; adding contracts is a new
order at the end of the queue. The book itself never matches: whoever rests an order has taken out everything it crosses before.

Changes are collected per price and drained once per operation as absolute contracts, so that a level that ended as it began is not
told at all. `sequence` grows by one with each level told: a diff says which numbers it covers, and the next diff starts right after.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from decimal import Decimal

from bot.core.units import ZERO, Millis
from bot.simulator.model import BookReport, BookView, Level, Order, Side


class Resting:
    """Contracts that wait at a price: an account's order, or a background maker's quote (`order` is None)."""

    __slots__ = ("contracts", "order", "price", "side")

    def __init__(self, side: Side, price: Decimal, contracts: Decimal, order: Order | None = None) -> None:
        self.side = side
        self.price = price
        self.contracts = contracts
        self.order = order


class _Queue:
    """Everything at one price, in the order of arrival (a dict keeps it and removes in constant time)."""

    __slots__ = ("contracts", "waiting")

    def __init__(self) -> None:
        self.contracts = ZERO
        self.waiting: dict[Resting, None] = {}


class _BookSide:
    """One side: prices in ascending order, a queue at each, and what the touched prices held when the operation began."""

    __slots__ = ("before", "bid", "prices", "queues")

    def __init__(self, side: Side) -> None:
        self.bid = side is Side.BUY
        self.prices: list[Decimal] = []
        self.queues: dict[Decimal, _Queue] = {}
        self.before: dict[Decimal, Decimal] = {}

    def best(self) -> Decimal | None:
        if not self.prices:
            return None
        return self.prices[-1] if self.bid else self.prices[0]

    def best_first(self) -> Iterator[Decimal]:
        return reversed(self.prices) if self.bid else iter(self.prices)

    def add(self, resting: Resting) -> None:
        queue = self.queues.get(resting.price)
        if queue is None:
            queue = self.queues[resting.price] = _Queue()
            insort(self.prices, resting.price)
        self.before.setdefault(resting.price, queue.contracts)
        queue.waiting[resting] = None
        queue.contracts += resting.contracts

    def take(self, resting: Resting, contracts: Decimal) -> None:
        queue = self.queues[resting.price]
        self.before.setdefault(resting.price, queue.contracts)
        resting.contracts -= contracts
        queue.contracts -= contracts
        if resting.contracts <= ZERO:
            del queue.waiting[resting]
        if not queue.waiting:
            del self.queues[resting.price]
            del self.prices[bisect_left(self.prices, resting.price)]

    def drain(self) -> tuple[Level, ...]:
        if not self.before:
            return ()
        changed: list[Level] = []
        for price, contracts in self.before.items():
            queue = self.queues.get(price)
            left = ZERO if queue is None else queue.contracts
            if left != contracts:
                changed.append(Level(price, left))
        self.before.clear()
        changed.sort(key=_price_of, reverse=self.bid)
        return tuple(changed)


def _price_of(level: Level) -> Decimal:
    return level.price


class OrderBook:
    """The book of one contract; counts contracts."""

    __slots__ = ("_sides", "sequence", "symbol")

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.sequence = 0
        self._sides = {side: _BookSide(side) for side in Side}

    def best(self, side: Side) -> Decimal | None:
        """The best price that rests on a side, None when nothing does."""
        return self._sides[side].best()

    def front(self, side: Side) -> Resting | None:
        """Who is first in line on a side: the next to be filled."""
        book_side = self._sides[side]
        price = book_side.best()
        return None if price is None else next(iter(book_side.queues[price].waiting))

    def rest(self, resting: Resting) -> None:
        """Queues contracts (> 0) behind everybody at their price."""
        self._sides[resting.side].add(resting)

    def take(self, resting: Resting, contracts: Decimal) -> None:
        """Takes contracts of a resting order out, because they were filled or withdrawn; at zero it leaves the book."""
        self._sides[resting.side].take(resting, contracts)

    def remove(self, resting: Resting) -> None:
        """Takes all of a resting order out."""
        self.take(resting, resting.contracts)

    def crosses(self, taker: Side, limit: Decimal) -> bool:
        """Whether a taker who pays up to (a buyer) or accepts down to (a seller) `limit` meets anybody."""
        best = self._sides[_other(taker)].best()
        if best is None:
            return False
        return best <= limit if taker is Side.BUY else best >= limit

    def within(self, taker: Side, limit: Decimal, account: str) -> Decimal:
        """Contracts that a taker could get at `limit` or better, not counting those of `account` itself."""
        book_side = self._sides[_other(taker)]
        found = ZERO
        for price in book_side.best_first():
            if price > limit if taker is Side.BUY else price < limit:
                break
            for resting in book_side.queues[price].waiting:
                if resting.order is None or resting.order.request.account != account:
                    found += resting.contracts
        return found

    def view(self, depth: int, at: Millis) -> BookView:
        """The best `depth` levels of either side."""
        return BookView(
            symbol=self.symbol, bids=self._levels(Side.BUY, depth), asks=self._levels(Side.SELL, depth), sequence=self.sequence, at=at
        )

    def drain(self, at: Millis) -> BookReport | None:
        """What changed since the last call, best first; None when every touched level is as it was."""
        bids, asks = self._sides[Side.BUY].drain(), self._sides[Side.SELL].drain()
        if not bids and not asks:
            return None
        first = self.sequence + 1
        self.sequence += len(bids) + len(asks)
        return BookReport(symbol=self.symbol, bids=bids, asks=asks, first_sequence=first, last_sequence=self.sequence, at=at)

    def _levels(self, side: Side, depth: int) -> tuple[Level, ...]:
        book_side = self._sides[side]
        return tuple(
            Level(price, book_side.queues[price].contracts) for price, _ in zip(book_side.best_first(), range(depth), strict=False)
        )


def _other(side: Side) -> Side:
    return Side.SELL if side is Side.BUY else Side.BUY
