"""What venues tell, as frozen values: quotes, orders, fills, positions, margins, payments. `events` says when and whom it reached.

Prices are quote per base. What a venue did not say is None, never zero. Quantities of orders, fills and positions are signed contract
units (short < 0): base units of a linear contract, quote units of an inverse one (see `instrument`).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from bot.core.haircut import CollateralRatios
from bot.core.units import ZERO, Asset, ClientOrderId, InstrumentId, Millis, VenueId


class VenueOrderStatus(StrEnum):
    """What a venue says of an order. ACCEPTED: it exists and may still fill."""

    ACCEPTED = "accepted"
    FILLED = "filled"
    CANCELED = "canceled"
    REJECTED = "rejected"


class FillKind(StrEnum):
    """Why a fill happened: our order, or the venue's own action."""

    TRADE = "trade"
    AUTO_DELEVERAGING = "auto_deleveraging"
    LIQUIDATION = "liquidation"
    SETTLEMENT = "settlement"


class ClaimKind(StrEnum):
    """What was announced of collateral: it comes, or it goes."""

    DEPOSIT = "deposit"
    REDEMPTION = "redemption"


class ClaimStage(StrEnum):
    """How far the announcer says that a claim has come. PRICED: the redeemer's price is fixed. A later stage is never taken back,
    but for CANCELED: a later word of the same announcer ends it, as where a transaction that a reorg took away is on the chain again."""

    ANNOUNCED = "announced"
    PRICED = "priced"
    SETTLED = "settled"
    CANCELED = "canceled"


class SettlementState(StrEnum):
    """How far a custodian is with settling what a venue and we owe each other, once per cycle (see `custody`).

    FROZEN: nothing can be delegated or taken back. CALCULATING: the amount is worked out. PARTIAL: not all of it was moved. EXCLUDED: the
    venue, or we, were left out of this cycle.
    """

    IDLE = "idle"
    FROZEN = "frozen"
    CALCULATING = "calculating"
    SETTLING = "settling"
    COMPLETED = "completed"
    PARTIAL = "partial"
    FAILED = "failed"
    EXCLUDED = "excluded"


@dataclass(frozen=True, slots=True, kw_only=True)
class CustodyTotal:
    """All that a custodian holds of one asset for us, what it delegated included; units of the asset, base units per unit."""

    asset: Asset
    quantity: Decimal
    redemption_rate: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegationReport:
    """What a custodian says of one asset that it mirrors at one venue: units of the asset, instants by the custodian's clock.

    `delegated` is what it mirrors there now, `settled` the sum of all settlements so far (> 0: paid to us). `due` is what the running cycle
    settles, None until it is worked out. `cycle` grows by one with each settlement. `posted` is what the venue posted with the custodian.
    """

    venue: VenueId
    asset: Asset
    delegated: Decimal
    settled: Decimal = ZERO
    due: Decimal | None = None
    cycle: int = 0
    state: SettlementState = SettlementState.IDLE
    next_settlement_at: Millis | None = None
    frozen_from: Millis | None = None
    frozen_until: Millis | None = None
    posted: Decimal | None = None


class VenueLink(StrEnum):
    """How well we hear a venue. UP: streams alive and fresh. STALE: silent or lagging. DOWN: not connected."""

    UP = "up"
    STALE = "stale"
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """The newest market view of one instrument. Quantities at the touch are base units, None where unknown.

    `book_at` and `mark_at` are our clock when the touch and the mark last arrived.
    """

    instrument: InstrumentId
    bid: Decimal
    ask: Decimal
    bid_quantity: Decimal | None
    ask_quantity: Decimal | None
    mark: Decimal | None
    index: Decimal | None
    book_at: Millis
    mark_at: Millis | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReport:
    """What a venue says of one order. `filled_quantity` is signed, cumulative contract units, None when it was not told.

    `quantity` (signed contract units), `price` and `reduce_only` are as the order was placed: what is told of one that is not ours.
    """

    instrument: InstrumentId
    client_order_id: ClientOrderId | None
    venue_order_id: str | None
    status: VenueOrderStatus
    filled_quantity: Decimal | None
    average_price: Decimal | None
    venue_at: Millis | None
    quantity: Decimal | None = None
    price: Decimal | None = None
    reduce_only: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FillReport:
    """One execution: signed `quantity` in contract units, `price`, and `fee` (> 0 when paid) in `fee_asset`, None when not told."""

    instrument: InstrumentId
    fill_id: str
    client_order_id: ClientOrderId | None
    venue_order_id: str | None
    quantity: Decimal
    price: Decimal
    fee: Decimal | None
    fee_asset: Asset | None
    kind: FillKind
    venue_at: Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionReport:
    """A venue's word on one position: signed quantity in contract units; entry and mark None when not told.

    `deleveraging_rank` is the place in the venue's queue of auto-deleveraging as a fraction: 0 safe, 1 next; None when not told.
    """

    instrument: InstrumentId
    quantity: Decimal
    entry_price: Decimal | None
    mark_price: Decimal | None
    deleveraging_rank: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginReport:
    """A venue's cross-margin account in its settle asset. `margin_balance` is equity incl. unrealised PnL; absent figures are None.

    `is_account_wide`: margin balance, maintenance and initial margin are those of the whole account, told again with every settle asset.
    `equity` is then the asset's own, in its own units, unrealised PnL included, and `collateral_ratios` what the venue counts of it.
    """

    asset: Asset
    margin_balance: Decimal | None
    wallet_balance: Decimal | None
    maintenance_margin: Decimal | None
    initial_margin: Decimal | None
    is_account_wide: bool = False
    equity: Decimal | None = None
    collateral_ratios: CollateralRatios | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingPayment:
    """One settled payment as the venue recorded it: `quantity` of `asset`, > 0 when we received it; `payment_id` is the venue's."""

    instrument: InstrumentId
    payment_id: str
    quantity: Decimal
    asset: Asset
    venue_at: Millis
