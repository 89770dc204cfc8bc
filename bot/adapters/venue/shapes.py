"""Where figures stand in a venue's own rows.

A `Path` leads into a venue's JSON (dict keys and list indexes); of several paths the first that holds something counts, and an empty
string holds nothing. Sources: the venues' documentation of the endpoints and streams that `profiles` names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.core.events import FillKind, VenueOrderStatus
from bot.core.tiers import MarginTiers
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
    """Where an order's figures stand. `filled` counts contracts, unsigned.

    Where a venue does not tell `filled`, it is `asked` less `left`. `asked`, `price` and `reduce_only` are as it was placed. An order that
    tells no status is `without_status`, where that is known. `client_id_of` makes our client id of what stands for it.
    """

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
    asked: Paths = ()
    left: Paths = ()
    price: Paths = ()
    reduce_only: Paths = ()
    without_status: VenueOrderStatus | None = None
    client_id_of: Callable[[str], str] = str


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
    client_id_of: Callable[[str], str] = str


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionShape:
    """Where a position's figures stand. Without `side`, `contracts` is signed. `mode` must hold one of `one_way`.

    `maintenance` is the margin held against this position alone, in what it settles in: by it a list of positions is compared with the
    account. Where that is not told, `initial` is the margin used for it, and compared with the account's. Where the mark is not told, it is
    the position's `value` over its contracts.
    `rank` is the place in the queue of auto-deleveraging, in steps from 0 up to `rank_max`, the next one. `margin_mode`, where a position
    tells one, should hold one of `cross`, and `leverage`, where it tells one, what was set.
    """

    symbol: Paths
    contracts: Paths
    entry: Paths
    mark: Paths
    mode: Paths
    maintenance: Paths
    one_way: frozenset[str]
    rank: Paths
    rank_max: int
    side: Paths = ()
    scope: Scope | None = None
    initial: Paths = ()
    value: Paths = ()
    margin_mode: Paths = ()
    cross: frozenset[str] = frozenset()
    leverage: Paths = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginShape:
    """Where margin stands: `details_at` lists one row per asset; the whole account's figures (`account.…`) go before the asset's.

    `equity_usd` is what an asset's equity is worth and `account_equity_usd` what all of it is: where both are told, the venue lists only
    what there is of each, and an asset that is left out is there with nothing once the others explain the sum.
    A venue with margin in one asset alone (`only_asset`) names none: the account is its row. Where the wallet is not told, it is the
    balance less the `unrealised` profit of the positions listed at `positions_at`.
    """

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
    account_equity_usd: Paths = ()
    equity_usd: Paths = ()
    only_asset: str | None = None
    positions_at: Path = ()
    unrealised: Paths = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteShape:
    """Where the touch or the mark stands in a stream's row. `at` is when the venue told it, by its own clock.

    `sequence` is a number that never falls from one message on an instrument to the next; `chained` one that grows by exactly one with
    each partial message.
    """

    symbol: Paths
    at: Paths = ()
    sequence: Paths = ()
    chained: Paths = ()
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
class MarketShape:
    """Where an instrument's open interest and 24-hour volume stand, both counted in contracts.

    `price` stands in either row: contracts of an inverse instrument are valued at it. `volume_inverse` is where an inverse instrument's
    volume in contracts stands, where it is another place.
    """

    symbol: Paths
    open_interest: Paths
    volume: Paths
    price: Paths = ()
    volume_inverse: Paths = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TierShape:
    """Where a leverage tier's figures stand: all rates fractions, the initial one as such or as the largest leverage. Where both are
    told, they tell whether the rates are percents.

    `nested` leads from a row to the list of an instrument's tiers, where they stand there. `floor` is left out where it is just the cap
    before. `multiplier` is what the account's own tiers are stretched by, in the row: only 1 has a known meaning. `endless`: a row without
    a cap is the last one, and holds for everything above its floor.
    """

    symbol: Paths
    cap: Paths
    maintenance: Paths
    initial: Paths = ()
    leverage: Paths = ()
    floor: Paths = ()
    nested: Path = ()
    multiplier: Paths = ()
    endless: bool = False


@dataclass(frozen=True, slots=True)
class StatedTiers:
    """Margin rates that the venue states in its documentation only, by base asset; of others nothing is known."""

    by_base: Mapping[str, MarginTiers]


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentShape:
    """Where a funding payment stands. `received_sign` is 1 where what was received is positive, -1 where what was paid is.

    `often_none`: rows of other things carry the figure as well, and most of them none or zero; those are no payments.
    """

    symbol: Paths
    payment_id: Paths
    quantity: Paths
    asset: Paths
    at: Paths
    received_sign: int = 1
    often_none: bool = False
    scope: Scope | None = None
