"""What is looked up in a ledger again and again, worked out once: open orders, orders by instrument, occupied instruments, answers.

The rule: what is kept follows from frozen fields alone, and a changed ledger takes over only what the changed fields do not touch
(`Lookups.KEPT`, see `copying`). None of it is part of the record: two ledgers are equal when their fields are.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from functools import cached_property, lru_cache, update_wrapper
from itertools import chain, compress, repeat
from operator import attrgetter, is_, is_not
from types import MappingProxyType
from typing import Any, TypeVar

from bot.core.foreign_order import ForeignOrder
from bot.core.order import Order
from bot.core.units import ZERO, ClientOrderId, InstrumentId, VenueId

POLICIES_MAX = 16
"""Policies of which answers are kept: a run has one, and the one that a person loads."""

P = TypeVar("P")
R = TypeVar("R")


class Lookups:
    """The part of `records.Ledger` that is no record. `positions` are `records.Position`, `venues` `records.VenueRecord`."""

    KEPT = MappingProxyType(
        {
            "_open": frozenset(("orders",)),
            "_open_by_instrument": frozenset(("orders",)),
            "_orders_by_instrument": frozenset(("orders",)),
            "_last_change": frozenset(("orders",)),
            "occupied": frozenset(("orders", "positions")),
            "_claims_judged": frozenset(("claims", "places")),
            "_answers": frozenset(
                (
                    *("instruments", "holdings", "claims", "places", "positions", "orders", "markets", "flows", "delegations", "mirrored"),
                    *("foreign_moves", "unconfirmed", "sources_as_of"),
                    *("venues", "sources_confirmed_at", "sources_heard_at", "quotes", "decided_at", "started_at", "quarantined"),
                )
            ),
            "_answers_lately": frozenset(),
            "_in_force": frozenset(("overrides",)),
        }
    )
    """What a changed ledger takes over of what this one has worked out, unless one of these fields changes (see `copying`).

    `_answers` are the lasting answers of this very ledger, `_answers_lately` those of it and of its relatives that were asked of late.
    """

    orders: Mapping[ClientOrderId, Order]
    positions: Mapping[InstrumentId, Any]
    venues: Mapping[VenueId, Any]

    def open_orders(self, instrument: InstrumentId | None = None) -> tuple[Order, ...]:
        """Orders that may still fill, of one instrument or of all."""
        return self._open if instrument is None else self._open_by_instrument.get(instrument, ())

    def live_orders(self, instrument: InstrumentId) -> tuple[Order, ...]:
        """Orders of one instrument of which something may still execute: those that are open and not spent."""
        open_ones = self._open_by_instrument.get(instrument)  # mostly none: every instrument is asked for with each decision
        return tuple(o for o in open_ones if not o.is_spent) if open_ones else ()

    def taken_orders(self, instrument: InstrumentId) -> tuple[ForeignOrder, ...]:
        """Orders of an instrument that are not of our record, that somebody took over, and that are being withdrawn."""
        record = self.venues.get(venue_of(instrument))
        if record is None or not record.taken_orders:
            return ()
        return tuple(o for o in record.taken_orders if o.instrument == instrument)

    def live_taken_orders(self, instrument: InstrumentId) -> tuple[ForeignOrder, ...]:
        """Those of which something may still execute."""
        taken = self.taken_orders(instrument)
        return tuple(o for o in taken if not o.is_spent) if taken else ()

    def is_worked(self, instrument: InstrumentId) -> bool:
        """Whether an order works there that may still fill, ours or taken over: nothing increases meanwhile."""
        return bool(self.open_orders(instrument) or self.taken_orders(instrument))

    def is_live(self, instrument: InstrumentId) -> bool:
        """Whether anything may still execute there, of an order of ours or of one taken over: nothing else is placed meanwhile."""
        return bool(self.live_orders(instrument) or self.live_taken_orders(instrument))

    @cached_property
    def _open(self) -> tuple[Order, ...]:
        """Worked out once per ledger: a decision asks hundreds of times, and hundreds of closed orders are remembered."""
        return tuple(o for o in self.orders.values() if o.state.is_open)

    @cached_property
    def _open_by_instrument(self) -> Mapping[InstrumentId, tuple[Order, ...]]:
        return _by_instrument(self._open)

    def orders_changed_since(self, before: Mapping[ClientOrderId, Order]) -> tuple[Order, ...]:
        """The orders that are not the very same as among those of `before`; ones that were dropped are not told."""
        if before is self.orders:
            return ()
        last, order_id = self.__dict__.get("_last_change", (None, None))
        if last is before:
            order = self.orders.get(order_id)
            return () if order is None else (order,)
        moved = compress(self.orders.values(), map(is_not, self.orders.values(), chain(before.values(), repeat(None))))
        return tuple(order for order in moved if before.get(order.client_order_id) is not order)

    def orders_of(self, instrument: InstrumentId) -> tuple[Order, ...]:
        """Every order of one instrument that is remembered, in the order in which they were placed."""
        return self._orders_by_instrument.get(instrument, ())

    @cached_property
    def _orders_by_instrument(self) -> Mapping[InstrumentId, tuple[Order, ...]]:
        return _by_instrument(self.orders.values())

    @cached_property
    def occupied(self) -> frozenset[InstrumentId]:
        """Instruments that carry a position, or may come to carry one; worked out once per ledger."""
        held = {i for i, p in self.positions.items() if p.quantity != ZERO or p.dispute is not None}
        return frozenset(held | {o.instrument for o in self._open})

    def memo(self, policy: object) -> dict[Hashable, Any]:
        """Room for what was worked out of this ledger under a policy (the very object), so that it is worked out once."""
        kept = self._memos.get(id(policy))
        if kept is None:
            kept = self._memos[id(policy)] = (policy, {})  # the policy is kept beside its id, which nothing else can then come to have
        return kept[1]

    @cached_property
    def _memos(self) -> dict[int, tuple[object, dict[Hashable, Any]]]:
        """Not part of the record: a changed ledger begins with none."""
        return {}

    def venue_of(self, instrument: InstrumentId) -> VenueId:
        """The venue of an instrument; works before the venue has described it."""
        return venue_of(instrument)


ACCOUNT = ("margins", "margin_positions", "equity_told", "inverse_told", "margin_marks", "taken_orders")
"""The fields of a venue's record that tell of our account there."""
_account = attrgetter(*ACCOUNT)


class Accounts:
    """The part of `records.VenueRecord` that is no record: what it tells of our account, in words."""

    KEPT = MappingProxyType({"_account_words": frozenset(ACCOUNT)})

    def tells_as(self, other: Accounts) -> bool:
        """Whether the venue told the same of our account, digit by digit."""
        ours, theirs = _account(self), _account(other)
        return all(map(is_, ours, theirs)) or (ours == theirs and self._account_words == other._account_words)

    @cached_property
    def _account_words(self) -> str:
        return repr(_account(self))


@lru_cache(maxsize=4_096)
def venue_of(instrument: InstrumentId) -> VenueId:
    """The venue of an instrument; works before the venue has described it."""
    return VenueId(instrument.partition(":")[0])


def of_policy(question: Callable[[P], R]) -> Callable[[P], R]:
    """The same function of a policy, worked out once for each (the very object) of those that were asked of lately."""
    known: dict[int, tuple[P, R]] = {}

    def remembered(policy: P, /) -> R:
        kept = known.get(id(policy))
        if kept is None:
            if len(known) >= POLICIES_MAX:
                known.clear()
            kept = known[id(policy)] = (policy, question(policy))  # beside its id, which nothing else can then come to have
        return kept[1]

    return update_wrapper(remembered, question)


def _by_instrument(orders: Iterable[Order]) -> Mapping[InstrumentId, tuple[Order, ...]]:
    found: dict[InstrumentId, list[Order]] = {}
    for order in orders:
        found.setdefault(order.instrument, []).append(order)
    return {instrument: tuple(its) for instrument, its in found.items()}
