"""The simulator's nouns: contracts, orders, fills, positions, and the reports that tell what happened.

In the venue's own terms: quantities are unsigned `contracts` with a `side`, positions are signed contracts, prices are quote per base,
rates are fractions per funding interval (> 0: longs pay shorts), times are milliseconds of the venue's own wall clock. Money is Decimal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from bot.core.units import ZERO, Millis
from bot.simulator.listed import Listing


class Side(StrEnum):
    """The side of an order or a fill."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1


class OrderKind(StrEnum):
    """How an order is priced."""

    LIMIT = "limit"
    MARKET = "market"


class TimeInForce(StrEnum):
    """How long an order lives."""

    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    POST_ONLY = "post_only"


class OrderState(StrEnum):
    """The life of an order at the venue. REJECTED orders were accepted first and then refused asynchronously (post-only, FOK)."""

    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"

    @property
    def is_open(self) -> bool:
        """Whether it may still fill."""
        return self in (OrderState.NEW, OrderState.PARTIALLY_FILLED)


class FillKind(StrEnum):
    """Why a fill happened."""

    TRADE = "trade"
    AUTO_DELEVERAGING = "auto_deleveraging"
    LIQUIDATION = "liquidation"


class Refusal(StrEnum):
    """Why the engine refused a request. Each dialect maps every member to its venue's own code and text."""

    UNKNOWN_SYMBOL = "unknown_symbol"
    NOT_TRADING = "not_trading"
    TICK = "tick"
    LOT = "lot"
    CONTRACTS_MIN = "contracts_min"
    CONTRACTS_MAX = "contracts_max"
    NOTIONAL_MIN = "notional_min"
    PRICE_MISSING = "price_missing"
    PRICE_BAND = "price_band"
    MARGIN = "margin"
    REDUCE_ONLY = "reduce_only"
    DUPLICATE_CLIENT_ID = "duplicate_client_id"
    CLIENT_ID_FORM = "client_id_form"
    UNKNOWN_ORDER = "unknown_order"
    ORDER_CLOSED = "order_closed"
    UNKNOWN_ACCOUNT = "unknown_account"
    NO_LIQUIDITY = "no_liquidity"
    LEVERAGE = "leverage"


class Reason(StrEnum):
    """Why an order ended without being filled, or was cut, beside its state: the values of `Order.reason`, which is else empty.

    ASKED: CANCELED by its account. IMMEDIATE: an IOC or market order's contracts that found nobody, EXPIRED. POST_ONLY: would have taken,
    REJECTED. FILL_OR_KILL: could not fill in full, filled nothing, REJECTED. REDUCE_ONLY: no position is left to reduce, EXPIRED; or still
    open, cut to the position that is left. SELF_TRADE: rested in the way of its account's newer order, EXPIRED. LIQUIDATION and
    AUTO_DELEVERAGING: CANCELED because of what happens to its account's position.
    """

    ASKED = "asked"
    IMMEDIATE = "immediate"
    POST_ONLY = "post_only"
    FILL_OR_KILL = "fill_or_kill"
    REDUCE_ONLY = "reduce_only"
    SELF_TRADE = "self_trade"
    LIQUIDATION = "liquidation"
    AUTO_DELEVERAGING = "auto_deleveraging"


class Refused(Exception):
    """A request that the engine refused; nothing changed."""

    def __init__(self, refusal: Refusal, detail: str) -> None:
        super().__init__(f"{refusal.value}: {detail}")
        self.refusal = refusal
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Tier:
    """Positions up to `cap` settle units (or contracts: `tiers_count_contracts`): leverage, maintenance `rate` minus `deduction`."""

    cap: Decimal
    leverage_max: Decimal
    rate: Decimal
    deduction: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """A linear or inverse perpetual. `contract_size` is base units (linear) or quote units (inverse) per contract.

    `lot`, `contracts_min`, `contracts_max` count contracts; `price_band` is the widest fraction from mark at which a limit is taken;
    `funding_interval_ms` is market time; `funding_cap` bounds the rate of one interval in both directions.
    """

    symbol: str
    base: str
    quote: str
    settle: str
    inverse: bool = False
    contract_size: Decimal
    tick: Decimal
    lot: Decimal
    contracts_min: Decimal
    contracts_max: Decimal
    notional_min: Decimal
    maker_fee: Decimal
    taker_fee: Decimal
    funding_interval_ms: Millis
    funding_cap: Decimal
    price_band: Decimal
    tiers: tuple[Tier, ...]
    tiers_count_contracts: bool = False
    listing: Listing = Listing.TRADING


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """What an account asks for. `price` is None for a market order; `client_order_id` is None when the client gave none."""

    account: str
    symbol: str
    side: Side
    kind: OrderKind
    time_in_force: TimeInForce
    contracts: Decimal
    price: Decimal | None = None
    reduce_only: bool = False
    client_order_id: str | None = None


@dataclass(slots=True, kw_only=True)
class Order:
    """An order as the venue keeps it. Sums over its fills: `notional_filled` of price x contracts, `value_filled` in settle units."""

    order_id: int
    request: OrderRequest
    state: OrderState
    created_at: Millis
    updated_at: Millis
    filled: Decimal = ZERO
    notional_filled: Decimal = ZERO
    value_filled: Decimal = ZERO
    fees: Decimal = ZERO
    reason: str = ""

    @property
    def leaves(self) -> Decimal:
        """Contracts that have not filled (they may have been canceled)."""
        return self.request.contracts - self.filled

    @property
    def average_price(self) -> Decimal | None:
        """Contract-weighted price of the fills, None before the first."""
        return self.notional_filled / self.filled if self.filled else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution. `fee` is positive when paid, in `fee_asset`; `order_id` is None for a deleveraging or liquidation fill."""

    fill_id: int
    order_id: int | None
    client_order_id: str | None
    account: str
    symbol: str
    side: Side
    contracts: Decimal
    price: Decimal
    fee: Decimal
    fee_asset: str
    is_maker: bool
    realised_pnl: Decimal
    kind: FillKind
    at: Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """One account's net position in one contract: signed contracts, short < 0; figures in settle units at the current mark."""

    account: str
    symbol: str
    contracts: Decimal
    entry_price: Decimal
    mark_price: Decimal
    unrealised_pnl: Decimal
    maintenance_margin: Decimal
    initial_margin: Decimal
    liquidation_price: Decimal | None
    leverage: Decimal
    opened_at: Millis
    updated_at: Millis
    isolated: bool = False  # told only: its margin is counted with all others, as in cross margin
    deleveraging_rank: Decimal = ZERO  # the place in the queue of auto-deleveraging as a fraction: 0 none, 1 next


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """One account's cross margin in one asset. `margin_balance` = wallet + unrealised PnL; `available` may not be negative."""

    account: str
    asset: str
    wallet: Decimal
    unrealised_pnl: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    margin_balance: Decimal
    available: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingRecord:
    """A settled funding payment: `amount` in `asset`, > 0 when the account received it."""

    payment_id: int
    account: str
    symbol: str
    contracts: Decimal
    mark_price: Decimal
    rate: Decimal
    amount: Decimal
    asset: str
    at: Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketTick:
    """The outside world at one instant for one contract: where the background makers quote, and what mark, index and funding are.

    The best quotes stand `half_spread` (quote units) from `fair`; `depth` is base units resting at each successive level, `spread_step`
    (quote units) apart, on either side. A step of zero means one half-spread. Prices are rounded to the tick away from `fair`.
    """

    symbol: str
    fair: Decimal
    mark: Decimal
    index: Decimal
    funding_rate: Decimal
    half_spread: Decimal
    depth: tuple[Decimal, ...]
    open_interest: Decimal
    spread_step: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Level:
    """One price of an order book with the contracts that rest there."""

    price: Decimal
    contracts: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class BookView:
    """An order book at one instant, best first. `sequence` grows by one with each change."""

    symbol: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    sequence: int
    at: Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketView:
    """What the venue publishes of one contract beside its book. `next_funding_at` is on the venue's wall clock."""

    contract: Contract
    mark: Decimal
    index: Decimal
    last: Decimal
    funding_rate: Decimal
    next_funding_at: Millis
    open_interest: Decimal
    at: Millis


@dataclass(frozen=True, slots=True)
class Report:
    """Something happened at the venue: the base of all reports, in the order in which they happened."""


@dataclass(frozen=True, slots=True)
class OrderReport(Report):
    """An order was accepted, filled, canceled, expired or rejected: a copy of its state right after."""

    order: Order


@dataclass(frozen=True, slots=True)
class FillReport(Report):
    """An account's order (or position, when deleveraged or liquidated) was filled. `order` is a copy right after, if there is one."""

    fill: Fill
    order: Order | None


@dataclass(frozen=True, slots=True)
class PositionReport(Report):
    """An account's position changed; a flat one has zero contracts."""

    position: Position


@dataclass(frozen=True, slots=True)
class BalanceReport(Report):
    """An account's wallet changed."""

    balance: Balance


@dataclass(frozen=True, slots=True)
class FundingReport(Report):
    """Funding settled for one account."""

    record: FundingRecord


@dataclass(frozen=True, slots=True)
class BookReport(Report):
    """The order book changed. `changes` are absolute contracts per touched price, zero where a level went away."""

    symbol: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    first_sequence: int
    last_sequence: int
    at: Millis


@dataclass(frozen=True, slots=True)
class MarketReport(Report):
    """Mark, index, funding rate or open interest changed."""

    view: MarketView


@dataclass(frozen=True, slots=True)
class PublicTradeReport(Report):
    """A trade as everybody sees it; `side` is the taker's."""

    symbol: str
    side: Side
    contracts: Decimal
    price: Decimal
    trade_id: int
    at: Millis


@dataclass(slots=True)
class AccountSettings:
    """Per-account switches that venues keep: leverage by symbol, position mode, margin mode."""

    leverage: dict[str, Decimal] = field(default_factory=dict)
    hedge_mode: bool = False
    isolated: set[str] = field(default_factory=set)
