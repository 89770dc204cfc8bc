"""What the operator decided, as one frozen dataclass, and the names of all limits.

Every limit has a safe default and a hard ceiling in code: configuration may tighten a limit or move it below its ceiling, nothing
can be switched off by leaving it out. Fractions are never percent (0.4, not 40); `_bps` is basis points, `_ms` milliseconds.
Sources of the defaults: Ethena's and Resolv's published practice (domain notes, "suggested defaults").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from bot.core.units import ZERO, Asset, InstrumentId, Millis


class Limit(StrEnum):
    """Every limit that can refuse or alarm; also the metric's label and the runbook's heading."""

    NET_DELTA = "net_delta"
    VENUE_SHARE = "venue_share"
    MARGIN_RATIO = "margin_ratio"
    ORDER_NOTIONAL = "order_notional"
    ORDER_RATE = "order_rate"
    ORDERS_IN_DOUBT = "orders_in_doubt"
    GROSS_NOTIONAL = "gross_notional"
    PRICE_COLLAR = "price_collar"
    REFERENCE_DEVIATION = "reference_deviation"
    QUOTE_AGE = "quote_age"
    VENUE_LINK = "venue_link"
    UNRECONCILED = "unreconciled"
    IN_DOUBT = "in_doubt"
    COLLATERAL_UNKNOWN = "collateral_unknown"
    COLLATERAL_AGE = "collateral_age"
    FUNDING_FLIP = "funding_flip"
    TRADING_STATE = "trading_state"
    INSTRUMENT_FILTER = "instrument_filter"
    REPEATED_ORDER = "repeated_order"
    NO_INSTRUMENT = "no_instrument"
    CLOCK_OFFSET = "clock_offset"
    LEVERAGE = "leverage"
    MARGIN_UNKNOWN = "margin_unknown"
    DISPUTED = "disputed"
    FOREIGN_ORDERS = "foreign_orders"


@dataclass(frozen=True, slots=True)
class Breach:
    """A refusal carries its numbers: which limit, on what, what was observed, what is allowed (None: nothing to compare)."""

    limit: Limit
    subject: str
    observed: Decimal | None
    allowed: Decimal | None
    detail: str = ""

    def sentence(self) -> str:
        """One line for people."""
        numbers = "" if self.observed is None else f": {self.observed:f}"
        numbers += "" if self.allowed is None else f" (allowed {self.allowed:f})"
        words = f", {self.detail}" if self.detail else ""
        return f"{self.limit.value} on {self.subject}{numbers}{words}"


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The widest value that configuration may give a policy field, and the narrowest."""

    lowest: Decimal
    highest: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Limits and tastes of the hedge. See `CEILINGS` for the widest value each may take."""

    collateral_assets: Mapping[Asset, Asset] = field(default_factory=dict)
    """Which asset a collateral asset is hedged as: `{"BTC": "BTC", "ETH": "ETH", "wstETH": "ETH"}`."""
    collateral_sources: frozenset[str] = frozenset()
    """Names of the sources that must have spoken before anything is known of the collateral."""
    instruments: frozenset[InstrumentId] = frozenset()
    """The perpetuals that may be used as hedges."""
    rebalance_band: Decimal = Decimal("0.0005")
    """Net delta as a fraction of an asset's collateral that is left alone; beyond it the hedge trades back to zero."""
    rebalance_notional_min: Decimal = Decimal(25)
    """USD of net delta below which nothing is traded: the band of a small book."""
    venue_share_max: Decimal = Decimal("0.35")
    """Venue notional over total required hedge notional of all assets."""
    venue_share_drift: Decimal = Decimal("0.02")
    """How far beyond its cap, as a fraction of the cap, prices may carry a venue before its hedges are moved; increases end at the cap."""
    venue_move_notional_min: Decimal = Decimal(500)
    """USD below which hedges are not moved from one venue to another: a smaller change never pays for its fees."""
    margin_ratio_max: Decimal = Decimal("0.5")
    """Maintenance margin over margin balance (0 safe, 1 liquidation) beyond which a venue takes no increase, also after the order."""
    leverage_max: Decimal = Decimal(3)
    """Venue notional over margin balance, after the order."""
    order_notional_max: Decimal = Decimal(250_000)
    """USD of one child order."""
    gross_notional_max: Decimal = Decimal(50_000_000)
    """USD of all positions, working and in-doubt orders together."""
    order_rate_max: int = 60
    """Orders per venue within `order_rate_window_ms`."""
    order_rate_window_ms: Millis = 10_000
    orders_in_doubt_max: int = 3
    """Orders in doubt over the whole book beyond which nothing increases anywhere."""
    price_collar: Decimal = Decimal("0.01")
    """Widest fraction from mark at which an order may be priced."""
    slippage_max: Decimal = Decimal("0.0015")
    """How far through the touch an IOC limit reaches."""
    reference_deviation_max: Decimal = Decimal("0.02")
    """Widest fraction between a venue's mark and the second source (median of the other venues' marks, else the index)."""
    quote_age_max_ms: Millis = 3_000
    """Oldest quote on which an increase is priced."""
    collateral_age_max_ms: Millis = 60_000
    """Oldest confirmation of a collateral total that still counts as known."""
    report_age_max_ms: Millis = 60_000
    """Oldest reconciliation of a venue on which an increase is placed there."""
    order_retry_pause_ms: Millis = 1_000
    """Pause on an instrument after an order that was refused or filled nothing; doubles with each further one, up to 30 times."""
    deleveraging_rest_ms: Millis = 60_000
    """How long an instrument takes new hedges only as a last resort after the venue deleveraged or liquidated us there."""
    order_expiry_ms: Millis = 5_000
    """Venue-side expiry of every order request: the fence that a venue enforces. At most 5 s."""
    doubt_margin_ms: Millis = 1_000
    """How far past an order's expiry the venue's own clock must be before its absence can be proven."""
    doubt_query_interval_ms: Millis = 1_000
    """Pause between two look-ups of one order in doubt."""
    report_interval_ms: Millis = 10_000
    """Beat of a venue's full reconciliation while all is quiet."""
    decision_interval_ms: Millis = 50
    """Shortest pause between two decisions."""
    decision_beat_ms: Millis = 1_000
    """Longest pause between two decisions."""
    funding_half_life_ms: Millis = 72 * 3_600_000
    """Half-life of the smoothed funding rate, by our clock."""
    funding_flip_exit: Decimal = Decimal("-0.02")
    """Annual funding below which a venue stops being preferred and its hedges move elsewhere within caps (> 0: shorts receive)."""
    funding_flip_enter: Decimal = Decimal("0.0")
    """Annual funding above which a flipped venue is preferred again."""
    funding_dwell_ms: Millis = 24 * 3_600_000
    """How long a rate must stay beyond a threshold before the flip counts, and the shortest time between two flips."""
    clock_offset_max_ms: Millis = 500
    """Widest offset between our clock and a venue's."""


CEILINGS: Mapping[str, Ceiling] = {
    "rebalance_band": Ceiling(Decimal("0.00001"), Decimal("0.02")),
    "rebalance_notional_min": Ceiling(ZERO, Decimal(10_000)),
    "venue_share_max": Ceiling(Decimal("0.05"), Decimal(1)),
    "venue_share_drift": Ceiling(ZERO, Decimal("0.1")),
    "venue_move_notional_min": Ceiling(ZERO, Decimal(1_000_000)),
    "margin_ratio_max": Ceiling(Decimal("0.01"), Decimal("0.8")),
    "leverage_max": Ceiling(Decimal("0.1"), Decimal(10)),
    "order_notional_max": Ceiling(Decimal(10), Decimal(5_000_000)),
    "gross_notional_max": Ceiling(Decimal(100), Decimal(20_000_000_000)),
    "order_rate_max": Ceiling(Decimal(1), Decimal(300)),
    "order_rate_window_ms": Ceiling(Decimal(1_000), Decimal(60_000)),
    "orders_in_doubt_max": Ceiling(Decimal(1), Decimal(20)),
    "price_collar": Ceiling(Decimal("0.0005"), Decimal("0.05")),
    "slippage_max": Ceiling(Decimal("0.0001"), Decimal("0.02")),
    "reference_deviation_max": Ceiling(Decimal("0.0005"), Decimal("0.05")),
    "quote_age_max_ms": Ceiling(Decimal(100), Decimal(30_000)),
    "collateral_age_max_ms": Ceiling(Decimal(1_000), Decimal(86_400_000)),
    "report_age_max_ms": Ceiling(Decimal(1_000), Decimal(300_000)),
    "order_retry_pause_ms": Ceiling(Decimal(100), Decimal(60_000)),
    "deleveraging_rest_ms": Ceiling(Decimal(1_000), Decimal(86_400_000)),
    "order_expiry_ms": Ceiling(Decimal(500), Decimal(5_000)),
    "doubt_margin_ms": Ceiling(Decimal(500), Decimal(60_000)),
    "doubt_query_interval_ms": Ceiling(Decimal(100), Decimal(2_000)),
    "report_interval_ms": Ceiling(Decimal(1_000), Decimal(30_000)),
    "decision_interval_ms": Ceiling(Decimal(1), Decimal(1_000)),
    "decision_beat_ms": Ceiling(Decimal(100), Decimal(10_000)),
    "funding_half_life_ms": Ceiling(Decimal(1_000), Decimal(30 * 86_400_000)),
    "funding_flip_exit": Ceiling(Decimal("-5"), Decimal("0.5")),
    "funding_flip_enter": Ceiling(Decimal("-5"), Decimal("0.5")),
    "funding_dwell_ms": Ceiling(Decimal(1_000), Decimal(30 * 86_400_000)),
    "clock_offset_max_ms": Ceiling(Decimal(50), Decimal(1_000)),
}
