"""What the core asks the shell to do. Imperative, frozen; each command is answered by exactly one event. The counterpart is `events`.

PlaceOrder   -> OrderReported | OrderRefused | OrderOutcomeUnknown
CancelOrder  -> OrderReported | CancelUnconfirmed
LookUpOrder  -> OrderReported | OrderAbsent | LookUpFailed
ReadVenue    -> VenueReported | VenueUnreadable
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from bot.core.units import ClientOrderId, InstrumentId, Millis, VenueId


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """The root of all commands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceOrder(Command):
    """Place one limit order, IOC or (`post_only`) resting until cancelled and never taking: one wire attempt, never repeated.

    `quantity` is signed contract units (sell < 0; base if linear, quote if inverse) and `contracts` the same as the venue counts them,
    unsigned, already a multiple of the lot;
    `price` is a multiple of the tick; `expires_at` is our clock's instant after which the venue must refuse the request.
    """

    client_order_id: ClientOrderId
    instrument: InstrumentId
    quantity: Decimal
    contracts: Decimal
    price: Decimal
    reduce_only: bool
    expires_at: Millis
    post_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelOrder(Command):
    """Cancel one of our orders by its client order id. `by_venue_id`: one that we did not place (see `strangers`), by the venue's own id;
    `client_order_id` is then what it is called.
    """

    client_order_id: ClientOrderId
    instrument: InstrumentId
    venue_order_id: str | None
    by_venue_id: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUpOrder(Command):
    """Ask a venue about one of our orders by its client order id; `placed_at` (our clock) bounds the search among fills."""

    client_order_id: ClientOrderId
    instrument: InstrumentId
    venue_order_id: str | None
    placed_at: Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadVenue(Command):
    """Read a venue in full: open orders, positions, fills since `fills_since` (our clock), margin and clock."""

    venue: VenueId
    fills_since: Millis
    reason: str
