"""Where figures stand in a venue's own rows.

A `Path` leads into a venue's JSON (dict keys and list indexes); of several paths the first that holds something counts, and an empty
string holds nothing. Sources: the venues' documentation of the endpoints and streams that `profiles` names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.core.events import FillKind, VenueOrderStatus
from bot.core.units import Millis

Path = tuple[str | int, ...]
Paths = tuple[Path, ...]
Row = Mapping[str, Any]


def paths(*spelled: str) -> Paths:
    """Paths from their spelling: `b.0.1` is the second entry of the first entry of `b`."""
    return tuple(tuple(int(part) if part.isdecimal() else part for part in path.split(".")) for path in spelled)


@dataclass(frozen=True, slots=True)
class Scope:
    """Which part of a venue is ours, where one name means different things in different parts (a spot pair and a perpetual).

    A row that tells another value at `path` is not ours; one that tells none is taken as what was asked for.
    """

    path: Path
    ours: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderShape:
    """Where an order's figures stand. `filled` counts contracts, unsigned."""

    symbol: Paths
    client_id: Paths
    venue_id: Paths
    side: Paths
    status: Paths
    filled: Paths
    average: Paths
    at: Paths
    statuses: Mapping[str, VenueOrderStatus]
    scope: Scope | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """A value that marks a fill as the venue's own action: `path` holds `value`, or starts with it."""

    path: Path
    value: str
    kind: FillKind
    prefix: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FillShape:
    """Where a fill's figures stand. `fee_paid_sign` is 1 where a paid fee is positive, -1 where it is negative.

    A row whose `only` path holds none of `only_values` (or, with no values, nothing but zero) is no fill.
    """

    symbol: Paths
    fill_id: Paths
    client_id: Paths
    venue_id: Paths
    side: Paths
    contracts: Paths
    price: Paths
    fee: Paths
    fee_asset: Paths
    at: Paths
    fee_paid_sign: int = 1
    only: Path | None = None
    only_values: frozenset[str] = frozenset()
    marks: tuple[Mark, ...] = ()
    scope: Scope | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionShape:
    """Where a position's figures stand. Without `side`, `contracts` is signed. `mode` must hold one of `one_way`.

    `maintenance` is the margin held against this position alone: by it a list of positions is compared with the account.
    """

    symbol: Paths
    contracts: Paths
    entry: Paths
    mark: Paths
    mode: Paths
    maintenance: Paths
    one_way: frozenset[str]
    side: Paths = ()
    scope: Scope | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginShape:
    """Where margin stands: `details_at` lists one row per asset; the whole account's figures (`account.…`) go before the asset's."""

    account_at: Path
    details_at: Path
    asset: Paths
    margin_balance: Paths
    wallet_balance: Paths
    maintenance: Paths
    initial: Paths
    account_margin_balance: Paths = ()
    account_maintenance: Paths = ()
    account_initial: Paths = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteShape:
    """Where the touch or the mark stands in a stream's row. `at` is when the venue told it, by its own clock."""

    symbol: Paths
    at: Paths = ()
    bid: Paths = ()
    bid_contracts: Paths = ()
    ask: Paths = ()
    ask_contracts: Paths = ()
    mark: Paths = ()
    index: Paths = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingShape:
    """Where a funding rate stands. The interval in units of `interval_unit_ms`, or as the distance to `after_next_at`."""

    symbol: Paths
    rate: Paths = ()
    next_at: Paths = ()
    interval: Paths = ()
    interval_unit_ms: Millis = 1
    after_next_at: Paths = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentShape:
    """Where a funding payment stands. `received_sign` is 1 where what was received is positive, -1 where what was paid is."""

    symbol: Paths
    payment_id: Paths
    quantity: Paths
    asset: Paths
    at: Paths
    received_sign: int = 1
    scope: Scope | None = None
