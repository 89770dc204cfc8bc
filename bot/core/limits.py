"""The names of all limits, and the breach of one: a refusal that carries its numbers.

A limit's name is also the metric's label and the runbook's heading. What each one guards, how it acts and how it ends is told in
`LIMITS` (see `limit_table`).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


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
    RATE_AGE = "rate_age"
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
    ACCOUNT_MODE = "account_mode"
    OPEN_INTEREST_SHARE = "open_interest_share"
    INSTRUMENT_NOTIONAL = "instrument_notional"
    COLLATERAL_SHARE = "collateral_share"
    LIQUIDATION_DISTANCE = "liquidation_distance"
    MARGIN_BUFFER = "margin_buffer"
    ELIGIBILITY = "eligibility"
    NOTIONAL_RATE = "notional_rate"
    MESSAGE_RATE = "message_rate"
    DUPLICATE_ORDER = "duplicate_order"
    REPEATED_EXECUTION = "repeated_execution"
    DOUBT_NOTIONAL = "doubt_notional"
    STABLECOIN_DEPEG = "stablecoin_depeg"
    STAKED_DEPEG = "staked_depeg"
    UNSETTLED_PROFIT = "unsettled_profit"
    EXPOSURE_AT_RISK = "exposure_at_risk"
    SETTLEMENT = "settlement"
    RESERVE_COVERAGE = "reserve_coverage"
    SETTLE_EXPOSURE = "settle_exposure"
    ISSUER_EXPOSURE = "issuer_exposure"
    COLLATERAL_TOTAL = "collateral_total"
    UNEXPLAINED_POSITION = "unexplained_position"
    AUTO_DELEVERAGING = "auto_deleveraging"
    DELEVERAGING_RANK = "deleveraging_rank"
    JOURNAL_DOUBT = "journal_doubt"
    OPERATOR = "operator"
    INVARIANT = "invariant"
    CARRY_FLOOR = "carry_floor"
    FUNDING_RECORD = "funding_record"
    REST = "rest"
    BACKLOG = "backlog"


class Effect(StrEnum):
    """What a limit does when it is reached, mildest first.

    TELLS: people are told. PAGES: they are paged and the hedge hurries; nothing is held back. BLOCKS: nothing increases within its scope.
    REDUCING: its venue, or the book, becomes REDUCING. HALTED: its venue, or the book, becomes HALTED.
    """

    TELLS = "tells"
    PAGES = "pages"
    BLOCKS = "blocks"
    REDUCING = "reducing"
    HALTED = "halted"


@dataclass(frozen=True, slots=True)
class Breach:
    """A refusal carries its numbers: which limit, on what, what was observed, what is allowed (None: nothing to compare).

    `effect` is what this very breach does: a limit with several levels has a breach of each.
    """

    limit: Limit
    subject: str
    observed: Decimal | None
    allowed: Decimal | None
    detail: str = ""
    effect: Effect = Effect.BLOCKS

    def sentence(self) -> str:
        """One line for people."""
        numbers = "" if self.observed is None else f": {self.observed:f}"
        numbers += "" if self.allowed is None else f" (allowed {self.allowed:f})"
        words = f", {self.detail}" if self.detail else ""
        return f"{self.limit.value} on {self.subject}{numbers}{words}"
