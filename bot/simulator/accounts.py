"""What a venue keeps of one account: wallets with their history of causes, positions, orders, fills and funding payments.

An account is one-way (one net position per contract) and cross margin (every position in a settle asset shares that asset's wallet).
A wallet only ever changes through its tally, so that at any moment, to the last decimal,

    wallet = deposits + realised PnL + funding - fees

and a loss beyond the wallet stays visible as a negative wallet: there is no insurance fund here.

Memory is bounded: of closed orders, fills and funding payments each account keeps the newest ARCHIVE_MAX. A client order id is known as
long as its order is.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal
from itertools import islice
from typing import Generic, TypeVar

from bot.core.units import ZERO, Millis
from bot.simulator.book import Resting
from bot.simulator.margin import cash, worth
from bot.simulator.model import AccountSettings, Contract, Fill, FundingRecord, Order

ARCHIVE_MAX = 20_000
"""Closed orders, fills, and funding payments that are kept per account, each; funding rates that are kept per contract."""

_Record = TypeVar("_Record")


class Archive(Generic[_Record]):
    """The newest records, at most `capacity`, oldest first. Records must be added in the order of their times."""

    def __init__(self, at: Callable[[_Record], Millis], capacity: int = ARCHIVE_MAX) -> None:
        self._at = at
        self._capacity = capacity
        self._records: list[_Record] = []

    def add(self, record: _Record) -> _Record | None:
        """Appends a record; returns the one that had to make room, if any."""
        self._records.append(record)
        gone = self._records[-self._capacity - 1] if len(self._records) > self._capacity else None
        # Trimming in slabs keeps the cost per record constant: the list holds up to a tenth more than it shows.
        if len(self._records) > self._capacity + self._capacity // 10:
            del self._records[: len(self._records) - self._capacity]
        return gone

    def page(self, since: Millis, limit: int, wanted: Callable[[_Record], bool]) -> tuple[_Record, ...]:
        """At most `limit` wanted records, oldest first: the first ones at or after `since`, or, when `since` is 0, the newest ones."""
        oldest = max(0, len(self._records) - self._capacity)
        if since <= 0:
            newest_first = (self._records[index] for index in range(len(self._records) - 1, oldest - 1, -1))
            return tuple(reversed(tuple(islice(filter(wanted, newest_first), max(0, limit)))))
        start = bisect_left(self._records, since, lo=oldest, key=self._at)
        oldest_first = (self._records[index] for index in range(start, len(self._records)))
        return tuple(islice(filter(wanted, oldest_first), max(0, limit)))


RANK_LOWEST = Decimal("0.2")
"""The lowest of the five steps in which venues tell ranks: what an open position has until it is told another."""


def steps_of(rank: Decimal, steps: int) -> int:
    """A rank as venues tell it: in whole steps from 0 (none) to `steps` (next), rounded up."""
    return int((rank * steps).to_integral_value(rounding=ROUND_CEILING))


@dataclass(slots=True)
class Tally:
    """One wallet by its causes, in the asset's own units. `fees` is positive when paid."""

    deposits: Decimal = ZERO
    realised_pnl: Decimal = ZERO
    funding: Decimal = ZERO
    fees: Decimal = ZERO

    @property
    def wallet(self) -> Decimal:
        """What is left of it all."""
        return self.deposits + self.realised_pnl + self.funding - self.fees


@dataclass(slots=True)
class Holding:
    """A net position: signed contracts and their cost, the sum of the signed worths at which they were opened (see `margin`).

    `rank` is its place in the queue of auto-deleveraging while it is open, a fraction: told from outside, because a venue ranks an
    account among all others, of which there are none here.
    """

    contract: Contract
    contracts: Decimal = ZERO
    cost: Decimal = ZERO
    opened_at: Millis = 0
    updated_at: Millis = 0
    rank: Decimal = RANK_LOWEST

    def unrealised(self, mark: Decimal) -> Decimal:
        """Profit at a mark price, in settle units."""
        return worth(self.contract, self.contracts, mark) - self.cost if self.contracts else ZERO

    def fill(self, signed: Decimal, price: Decimal, now: Millis) -> Decimal:
        """Adds signed contracts at a price and returns the PnL realised on what they closed (average-cost, in settle units).

        A fill through zero closes the old position and opens the rest at its own price.
        """
        realised = ZERO
        if self.contracts and (self.contracts > ZERO) != (signed > ZERO):
            closed = min(abs(signed), abs(self.contracts)) * (1 if signed > ZERO else -1)
            released = cash(self.cost * -closed / self.contracts)
            realised = cash(-worth(self.contract, closed, price) - released)
            self.contracts += closed
            self.cost -= released
            signed -= closed
        if signed:
            if not self.contracts:
                self.opened_at = now
            self.contracts += signed
            self.cost += cash(worth(self.contract, signed, price))
        self.updated_at = now
        return realised


@dataclass(slots=True)
class Working:
    """An open order, and its place in the book while it has one (a taker that still matches has none)."""

    order: Order
    resting: Resting | None = None


@dataclass(slots=True)
class Account:
    """One account at one venue."""

    name: str
    settings: AccountSettings = field(default_factory=AccountSettings)
    wallets: dict[str, Tally] = field(default_factory=dict)
    holdings: dict[str, Holding] = field(default_factory=dict)
    working: dict[int, Working] = field(default_factory=dict)
    known: dict[int, Order] = field(default_factory=dict)
    newest_by_client_id: dict[str, int] = field(default_factory=dict)
    closed: Archive[Order] = field(default_factory=lambda: Archive(lambda order: order.updated_at))
    fills: Archive[Fill] = field(default_factory=lambda: Archive(lambda fill: fill.at))
    funding: Archive[FundingRecord] = field(default_factory=lambda: Archive(lambda record: record.at))

    def tally(self, asset: str) -> Tally:
        """The wallet of an asset, empty when nothing ever moved it."""
        return self.wallets.setdefault(asset, Tally())

    def holding(self, contract: Contract) -> Holding:
        """The position in a contract, flat when it was never traded."""
        return self.holdings.setdefault(contract.symbol, Holding(contract))

    def remember(self, order: Order) -> None:
        """Enters a new order as working, findable by either id."""
        self.known[order.order_id] = order
        self.working[order.order_id] = Working(order)
        if order.request.client_order_id is not None:
            self.newest_by_client_id[order.request.client_order_id] = order.order_id

    def retire(self, order: Order) -> None:
        """Moves an order that just closed to the archive, and forgets the one that makes room for it."""
        self.working.pop(order.order_id, None)
        gone = self.closed.add(order)
        if gone is None:
            return
        self.known.pop(gone.order_id, None)
        client_id = gone.request.client_order_id
        if client_id is not None and self.newest_by_client_id.get(client_id) == gone.order_id:
            del self.newest_by_client_id[client_id]

    def find(self, symbol: str, order_id: int | None, client_order_id: str | None) -> Order | None:
        """An order of this symbol, open or closed: by the venue's id when given, else the newest with the client's id."""
        if order_id is None and client_order_id is not None:
            order_id = self.newest_by_client_id.get(client_order_id)
        order = None if order_id is None else self.known.get(order_id)
        return order if order is not None and order.request.symbol == symbol else None
