"""What was sent to each venue within the rolling window: orders, their value, and all messages together.

Every order counts from the moment it is entered, before its answer (RTS 6, article 15(2)). Of each budget a part is kept: increases may
fill `INCREASES_MAX` of it, so that they can never use up the requests by which risk is taken off, orders cancelled, or doubts ended.
Cancels and questions always pass and are counted; a reading of a venue is several requests.

An instant that lies ahead of our clock by less than the window counts too: our clock stepped back, and what was sent was sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from bot.core.commands import CancelOrder, Command, LookUpOrder, ReadVenue
from bot.core.copying import replace
from bot.core.ledger import venue_record, with_venue
from bot.core.limit_table import nearing
from bot.core.limits import Breach, Limit
from bot.core.order import Order
from bot.core.policy import Policy
from bot.core.records import Ledger, Messages
from bot.core.units import ZERO, Millis, VenueId

INCREASES_MAX = (3, 4)
"""The fraction of a venue's orders and messages up to which increases may fill them."""
READING_MESSAGES = 5
"""Requests of one complete reading: open orders, positions, fills, margin and clock."""
SPANS_PER_WINDOW = 20
"""Messages within one such part of the window are remembered as one, at the later instant: bounded room, and never counted too little."""


def orders_in_window(ledger: Ledger, policy: Policy, venue: VenueId, now: Millis) -> int:
    """Orders placed at a venue within the rate window, whatever became of them."""
    return sum(1 for _ in _sent(ledger, policy, venue, now))


def notional_in_window(ledger: Ledger, policy: Policy, venue: VenueId, now: Millis) -> Decimal:
    """USD of the orders placed at a venue within the rate window at their prices, whatever became of them."""
    return sum((value_of(ledger, o, o.price) for o in _sent(ledger, policy, venue, now)), ZERO)


def messages_in_window(ledger: Ledger, policy: Policy, venue: VenueId, now: Millis) -> int:
    """Orders, cancels and questions sent to a venue within the rate window."""
    record = ledger.venues.get(venue)
    asked = () if record is None else record.messages
    return orders_in_window(ledger, policy, venue, now) + sum(m.count for m in asked if _is_within(policy, m.at, now))


def value_of(ledger: Ledger, order: Order, price: Decimal) -> Decimal:
    """USD of an order at a price; of one that is not listed any more as if it were linear."""
    listed = ledger.instruments.get(order.instrument)
    return abs(order.quantity) * price if listed is None else listed.notional_of_units(order.quantity, price)


def _sent(ledger: Ledger, policy: Policy, venue: VenueId, now: Millis) -> Iterator[Order]:
    """The orders within the window, newest first: the ledger keeps them in the order in which they were placed."""
    for order in reversed(tuple(ledger.orders.values())):
        if order.placed_at <= now - policy.order_rate_window_ms:
            return
        if _is_within(policy, order.placed_at, now) and ledger.venue_of(order.instrument) == venue:
            yield order


def _is_within(policy: Policy, at: Millis, now: Millis) -> bool:
    return abs(now - at) < policy.order_rate_window_ms


def part_for_increases(allowed: int) -> int:
    """How much of a budget increases may fill; at least one, else nothing would ever be hedged."""
    part, whole = INCREASES_MAX
    return max(1, allowed * part // whole)


def counted(ledger: Ledger, policy: Policy, commands: Iterable[Command], now: Millis) -> Ledger:
    """The ledger with the cancels and questions among these commands counted; orders count by being entered."""
    sums: dict[VenueId, int] = {}
    for command in commands:
        if isinstance(command, ReadVenue):
            sums[command.venue] = sums.get(command.venue, 0) + READING_MESSAGES
        elif isinstance(command, CancelOrder | LookUpOrder):
            venue = ledger.venue_of(command.instrument)
            sums[venue] = sums.get(venue, 0) + 1
    for venue, count in sums.items():
        record = venue_record(ledger, venue)
        ledger = with_venue(ledger, venue, replace(record, messages=_added(record.messages, policy, count, now)))
    return ledger


def _added(messages: tuple[Messages, ...], policy: Policy, count: int, now: Millis) -> tuple[Messages, ...]:
    kept = tuple(m for m in messages if _is_within(policy, m.at, now))
    span = policy.order_rate_window_ms // SPANS_PER_WINDOW
    if kept and kept[-1].at // span == now // span:
        return (*kept[:-1], Messages(at=now, count=kept[-1].count + count))
    return (*kept, Messages(at=now, count=count))


def rate_breach(ledger: Ledger, policy: Policy, order: Order, now: Millis) -> Breach | None:
    """Why an order would be one too many, or too much value, for its venue's window. A reduction is held to the orders alone."""
    venue = ledger.venue_of(order.instrument)
    sent = orders_in_window(ledger, policy, venue, now) + 1
    allowed = policy.order_rate_max if order.reduce_only else part_for_increases(policy.order_rate_max)
    if sent > allowed:
        return Breach(Limit.ORDER_RATE, venue, Decimal(sent), Decimal(allowed))
    if order.reduce_only:
        return None
    value = notional_in_window(ledger, policy, venue, now) + value_of(ledger, order, order.price)
    if value > policy.notional_rate_max:
        return Breach(Limit.NOTIONAL_RATE, venue, value, policy.notional_rate_max, "USD of orders within the window")
    messages, allowed = messages_in_window(ledger, policy, venue, now) + 1, part_for_increases(policy.message_rate_max)
    if messages > allowed:
        return Breach(Limit.MESSAGE_RATE, venue, Decimal(messages), Decimal(allowed), "the rest is kept for cancels and questions")
    return None


def used_up(ledger: Ledger, policy: Policy, venue: VenueId, now: Millis) -> tuple[Breach, ...]:
    """What increases have used up of a venue's window, or nearly: people are told."""
    orders, messages = orders_in_window(ledger, policy, venue, now), messages_in_window(ledger, policy, venue, now)
    value = notional_in_window(ledger, policy, venue, now)
    found = (
        nearing(Limit.ORDER_RATE, venue, Decimal(orders), Decimal(part_for_increases(policy.order_rate_max)), "orders for increases"),
        nearing(Limit.NOTIONAL_RATE, venue, value, policy.notional_rate_max, "USD of orders within the window"),
        nearing(Limit.MESSAGE_RATE, venue, Decimal(messages), Decimal(part_for_increases(policy.message_rate_max)), "for increases"),
    )
    return tuple(breach for breach in found if breach is not None)


def duplicate_breach(ledger: Ledger, policy: Policy, order: Order, now: Millis) -> Breach | None:
    """Why an order may not leave because the same one left a moment ago, whatever became of it: same instrument, quantity and price."""
    for other in reversed(tuple(ledger.orders.values())):
        ago = now - other.placed_at
        if ago >= policy.duplicate_window_ms:
            return None
        same = abs(ago) < policy.duplicate_window_ms  # farther ahead is from before our clock stepped back
        if same and (other.instrument, other.quantity, other.price) == (order.instrument, order.quantity, order.price):
            return Breach(
                Limit.DUPLICATE_ORDER, order.instrument, Decimal(ago), Decimal(policy.duplicate_window_ms), "ms since the same order"
            )
    return None
