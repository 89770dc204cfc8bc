"""The table of limits: what each one guards, at which values, within which scope, what it does and how that ends.

One row for every member of `Limit`; `docs/limits.md` is written from it, and trading states read `effect` and `end` here. A level is
a policy field and what is done from there on; where a limit is a budget that is used up bit by bit (`is_budget`), people are told from
`WARN_PART` of it on, and that it is used up. Widest values are those of `ceilings`: configuration may tighten a limit, it can never
switch one off.

Controls C01 to C29 are those of 15c3-5 and RTS 6 as collected in the reliability notes, section (a).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from bot.core.ceilings import CEILINGS, Ceiling
from bot.core.limits import Breach, Effect, Limit
from bot.core.units import ZERO

WARN_PART = Decimal("0.9")
"""Fraction of a budget from which on people are told."""


class Scope(StrEnum):
    """What one breach is about; its `subject` is one of these."""

    ORDER = "order"
    INSTRUMENT = "instrument"
    ASSET = "asset"
    ISSUER = "issuer"
    SOURCE = "source"
    VENUE = "venue"
    BOOK = "book"


class End(StrEnum):
    """How what a limit did ends. QUIET_PERIOD: nothing of the kind for `quiet_period_ms`. OPERATOR: a named person resumes."""

    AT_ONCE = "at once"
    QUIET_PERIOD = "quiet period"
    OPERATOR = "named operator"


@dataclass(frozen=True, slots=True)
class LevelAt:
    """What is done from a policy field's value on (`field` is a name in `Policy`)."""

    effect: Effect
    field: str

    @property
    def ceiling(self) -> Ceiling:
        """The narrowest and the widest value that configuration may give."""
        return CEILINGS[self.field]


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRule:
    """One row. `effect` is the strongest thing it does, `levels` are its values (none: a plain condition), mildest first."""

    guards: str
    scope: Scope
    effect: Effect
    end: End = End.AT_ONCE
    levels: tuple[LevelAt, ...] = ()
    controls: tuple[str, ...] = ()
    is_budget: bool = False


def nearing(limit: Limit, subject: str, used: Decimal, allowed: Decimal, detail: str = "") -> Breach | None:
    """What people are told of a budget: that it is used up, so that nothing increases (BLOCKS), or nearly (TELLS); None of less."""
    if used <= ZERO or used < allowed * WARN_PART:
        return None
    return Breach(limit, subject, used, allowed, detail, Effect.BLOCKS if used >= allowed else Effect.TELLS)


_T, _P, _B, _R, _H = Effect.TELLS, Effect.PAGES, Effect.BLOCKS, Effect.REDUCING, Effect.HALTED


def _rule(
    guards: str, scope: Scope, effect: Effect, fields: str = "", controls: str = "", end: End = End.AT_ONCE, *, is_budget: bool = False
) -> LimitRule:
    """A row in short: `fields` are policy fields, `field` at the row's effect or `field=effect`; `controls` are numbers."""
    levels = []
    for word in fields.split():
        field, _, own = word.partition("=")
        levels.append(LevelAt(Effect(own) if own else effect, field))
    told = tuple(controls.split())
    return LimitRule(guards=guards, scope=scope, effect=effect, end=end, levels=tuple(levels), controls=told, is_budget=is_budget)


_ORDER: Mapping[Limit, LimitRule] = {
    Limit.ORDER_NOTIONAL: _rule("The value and so the volume of one order.", Scope.ORDER, _B, "order_notional_max", "C09 C10"),
    Limit.PRICE_COLLAR: _rule(
        "An order's price against mark and second source; a quote that is crossed or senseless.", Scope.ORDER, _B, "price_collar", "C08"
    ),
    Limit.INSTRUMENT_FILTER: _rule(
        "An order that is nothing, off lot or tick, below or above what the venue takes, or reduces more than is there.",
        Scope.ORDER,
        _B,
        controls="C06 C16",
    ),
    Limit.DUPLICATE_ORDER: _rule(
        "A second order of the same instrument, side, quantity and price in a short while.", Scope.ORDER, _B, "duplicate_window_ms", "C07"
    ),
}

_INSTRUMENT: Mapping[Limit, LimitRule] = {
    Limit.NO_INSTRUMENT: _rule(
        "An instrument that is not listed or not configured, or an asset that nothing listed could hedge.", Scope.INSTRUMENT, _B, "", "C16"
    ),
    Limit.QUOTE_AGE: _rule("A quote or mark that is missing or old.", Scope.INSTRUMENT, _B, "quote_age_max_ms", "C08"),
    Limit.REFERENCE_DEVIATION: _rule(
        "A mark far from the second source, or without one.", Scope.INSTRUMENT, _B, "reference_deviation_max", "C08"
    ),
    Limit.IN_DOUBT: _rule("A second order beside one whose end is not known.", Scope.INSTRUMENT, _B, controls="C04 C05"),
    Limit.DISPUTED: _rule("A position that the venue tells otherwise than our record.", Scope.INSTRUMENT, _B, controls="C04 C22"),
    Limit.REPEATED_ORDER: _rule("Orders in a row that came to nothing: a rest that doubles.", Scope.INSTRUMENT, _B, "order_retry_pause_ms"),
    Limit.REPEATED_EXECUTION: _rule(
        "Executions, or changes of side, again and again without a change of the target: halts the venue.",
        Scope.INSTRUMENT,
        _H,
        "repeated_executions_max",
        "C13",
        End.OPERATOR,
        is_budget=True,
    ),
    Limit.REST: _rule(
        "An instrument that was deleveraged, or whose orders came to nothing again and again: taken only as a last resort.",
        Scope.INSTRUMENT,
        _T,
        "deleveraging_rest_ms",
    ),
    Limit.INSTRUMENT_NOTIONAL: _rule(
        "What one instrument carries.", Scope.INSTRUMENT, _B, "instrument_notional_max", "C14", is_budget=True
    ),
    Limit.OPEN_INTEREST_SHARE: _rule(
        "Our share of an instrument's open interest, and of the asset's at all configured venues.",
        Scope.INSTRUMENT,
        _B,
        "open_interest_share_max open_interest_share_total_max",
        "C14",
        is_budget=True,
    ),
    Limit.ELIGIBILITY: _rule(
        "A market too thin or too wide: open interest, depth at the touch (unknown counts as none), spread.",
        Scope.INSTRUMENT,
        _B,
        "open_interest_min touch_notional_min spread_max",
        "C14",
    ),
    Limit.DELEVERAGING_RANK: _rule(
        "Our place in the venue's queue of auto-deleveraging: taken only as a last resort.",
        Scope.INSTRUMENT,
        _T,
        "deleveraging_rank_max",
        "C27",
    ),
    Limit.FUNDING_FLIP: _rule(
        "Funding that has turned against shorts for good: hedges move elsewhere within caps.",
        Scope.INSTRUMENT,
        _T,
        "funding_flip_exit",
        "C28",
    ),
    Limit.FUNDING_RECORD: _rule("Funding payments that our record and the venue's do not agree on.", Scope.INSTRUMENT, _T),
}

_ASSET: Mapping[Limit, LimitRule] = {
    Limit.NET_DELTA: _rule(
        "The worse end of net delta against its band: never halts.", Scope.ASSET, _P, "rebalance_band rebalance_band_hard", "C14"
    ),
    Limit.COLLATERAL_UNKNOWN: _rule(
        "Collateral that nobody has told, or without a redemption rate: its own asset waits, and no other does. Of a stablecoin: what"
        " settles in it, or in a coin of the same issuer, waits.",
        Scope.ASSET,
        _B,
        controls="C22",
    ),
    Limit.COLLATERAL_AGE: _rule(
        "Collateral that was told too long ago: the last total stays and is known only as a range, wider from day to day"
        " (`collateral_drift_per_day`); what its source would change waits, all else is hedged.",
        Scope.SOURCE,
        _B,
        "collateral_age_max_ms",
    ),
    Limit.RATE_AGE: _rule(
        "A redemption rate that was told too long ago: the last one stays and is known only as a range (`rate_drift_per_day`).",
        Scope.ASSET,
        _B,
        "rate_age_max_ms",
    ),
    Limit.STABLECOIN_DEPEG: _rule(
        "A stablecoin below its dollar, or whose price grew old: nothing increases that settles in it. One that no source ever told"
        " is told of; one whose source was taken away blocks, over every restart, until a source tells it again.",
        Scope.ASSET,
        _B,
        "stablecoin_depeg_warn=tells stablecoin_depeg_max reference_age_max_ms",
    ),
    Limit.STAKED_DEPEG: _rule(
        "A staked token's market price below its redemption rate: new deployment is refused, what is held stays hedged.",
        Scope.ASSET,
        _T,
        "staked_depeg_warn staked_depeg_max reference_age_max_ms",
    ),
    Limit.SETTLE_EXPOSURE: _rule(
        "What the book owns in one stablecoin over all that it owns.", Scope.ASSET, _B, "settle_exposure_max", "C14", is_budget=True
    ),
    Limit.ISSUER_EXPOSURE: _rule(
        "The same of all stablecoins of one issuer together, on venues and in the stable sleeve; a limit of the issuer's own in USD"
        " (`collateral.issuers`) counts where it is less.",
        Scope.ISSUER,
        _B,
        "settle_exposure_max",
        "C14",
        is_budget=True,
    ),
    Limit.COLLATERAL_TOTAL: _rule(
        "Confirmed collateral beyond what is to be held of an asset (`collateral.assets.ASSET.total_max`): hedged all the same.",
        Scope.ASSET,
        _P,
    ),
    Limit.CARRY_FLOOR: _rule("An asset that earns less than stables: new deployment is refused.", Scope.ASSET, _T, "stable_band_exit"),
}

_VENUE: Mapping[Limit, LimitRule] = {
    Limit.VENUE_SHARE: _rule("One venue's part of the required hedge.", Scope.VENUE, _B, "venue_share_max", "C14", is_budget=True),
    Limit.COLLATERAL_SHARE: _rule(
        "One venue's margin over all that the book owns.", Scope.VENUE, _B, "collateral_share_max", "C14", is_budget=True
    ),
    Limit.LEVERAGE: _rule("Notional over margin balance, the order counted in.", Scope.VENUE, _B, "leverage_max", "C14", is_budget=True),
    Limit.MARGIN_RATIO: _rule(
        "Maintenance over margin balance, the order counted in.", Scope.VENUE, _B, "margin_ratio_max", "C14", is_budget=True
    ),
    Limit.MARGIN_BUFFER: _rule(
        "Margin balance over notional, of linear and of coin-margined accounts.",
        Scope.VENUE,
        _R,
        "margin_buffer_target=blocks inverse_buffer_target=blocks margin_buffer_min inverse_buffer_min",
        "C14",
    ),
    Limit.LIQUIDATION_DISTANCE: _rule(
        "Fraction of the mark to the liquidation price, the order counted in.",
        Scope.VENUE,
        _R,
        "liquidation_distance_target=blocks liquidation_distance_min",
        "C14",
    ),
    Limit.MARGIN_UNKNOWN: _rule("A venue that has not told its margin.", Scope.VENUE, _B, controls="C14 C22"),
    Limit.UNSETTLED_PROFIT: _rule(
        "What a venue owes us beyond what was delegated to it; where nothing is delegated, unrealised profit is told only.",
        Scope.VENUE,
        _B,
        "unsettled_profit_max",
        is_budget=True,
    ),
    Limit.EXPOSURE_AT_RISK: _rule(
        "What a venue that a custodian mirrors may come to owe until the next settlement, 99 times in 100, beyond what it posted.",
        Scope.VENUE,
        _B,
        "exposure_at_risk_max",
        is_budget=True,
    ),
    Limit.SETTLEMENT: _rule(
        "A custodian's settlement with a venue that went wrong, is overdue, or is told in contradiction.",
        Scope.VENUE,
        _B,
        "settlement_delay_max_ms",
    ),
    Limit.ORDER_RATE: _rule(
        "Orders in a rolling window, each from the moment it is sent.", Scope.VENUE, _B, "order_rate_max", "C12 C15", is_budget=True
    ),
    Limit.NOTIONAL_RATE: _rule("The value of orders in a rolling window.", Scope.VENUE, _B, "notional_rate_max", "C12 C15", is_budget=True),
    Limit.MESSAGE_RATE: _rule(
        "Orders, cancels and queries in a rolling window: increases stop before it is used up, cancels and queries always pass.",
        Scope.VENUE,
        _B,
        "message_rate_max",
        "C11",
        is_budget=True,
    ),
    Limit.CLOCK_OFFSET: _rule("Our clock against the venue's.", Scope.VENUE, _B, "clock_offset_max_ms"),
    Limit.VENUE_LINK: _rule("A venue that is not heard.", Scope.VENUE, _B, controls="C29"),
    Limit.UNRECONCILED: _rule(
        "A venue whose last complete reading is missing, old, or does not agree.", Scope.VENUE, _B, "report_age_max_ms", "C22 C23"
    ),
    Limit.FOREIGN_ORDERS: _rule("Orders at the venue that are not ours, or not journaled.", Scope.VENUE, _R, "", "C25", End.QUIET_PERIOD),
    Limit.ACCOUNT_MODE: _rule("An account that somebody set otherwise: isolated margin where cross was set.", Scope.VENUE, _B),
    Limit.AUTO_DELEVERAGING: _rule(
        "A position that was liquidated, or that shrank and nobody said why: hedged elsewhere. One that was told only rests.",
        Scope.VENUE,
        _R,
        "",
        "C26",
        End.QUIET_PERIOD,
    ),
    Limit.UNEXPLAINED_POSITION: _rule(
        "A position that grew or turned without an order of ours: counted as it is.", Scope.VENUE, _H, "", "C26", End.OPERATOR
    ),
}

_BOOK: Mapping[Limit, LimitRule] = {
    Limit.GROSS_NOTIONAL: _rule("All positions and orders together.", Scope.BOOK, _B, "gross_notional_max", "C14", is_budget=True),
    Limit.ORDERS_IN_DOUBT: _rule("How many orders are in doubt.", Scope.BOOK, _R, "orders_in_doubt_max", "C04", is_budget=True),
    Limit.DOUBT_NOTIONAL: _rule("The value of the orders in doubt.", Scope.BOOK, _R, "doubt_notional_max", "C04", is_budget=True),
    Limit.RESERVE_COVERAGE: _rule(
        "The reserve over what a day's unwind may cost; that no reserve is told is told.", Scope.BOOK, _T, "reserve_coverage_min"
    ),
    Limit.BACKLOG: _rule(
        "Facts that wait to be taken: the bot lags behind what its venues tell.", Scope.BOOK, _R, "", "C44", End.QUIET_PERIOD
    ),
    Limit.JOURNAL_DOUBT: _rule(
        "A journal that cannot be written now, or whose server cannot prove that what it acknowledged is on disk.",
        Scope.BOOK,
        _R,
        "",
        "C32",
    ),
    Limit.TRADING_STATE: _rule("What leaves although the book or the venue is not ACTIVE.", Scope.BOOK, _B, controls="C18"),
    Limit.OPERATOR: _rule("What a named person asked for.", Scope.BOOK, _H, "", "C18", End.OPERATOR),
    Limit.INVARIANT: _rule("A ledger that contradicts itself.", Scope.BOOK, _H, "", "C18", End.OPERATOR),
}

LIMITS: Mapping[Limit, LimitRule] = {**_ORDER, **_INSTRUMENT, **_ASSET, **_VENUE, **_BOOK}
"""Every limit's row."""
