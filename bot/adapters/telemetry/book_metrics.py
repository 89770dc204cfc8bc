"""Every metric that describes the book, in one table, computed from one `BookStatement`.

Names: prefix `hedgebot_`, base units (seconds, USD, asset units, ratios as fractions), unit last, counters end in `_total`. A figure that
is unknown has no sample: absence is not zero. Labels come from closed sets (configured venues, instruments, assets, the core's enums);
no order id or account is ever one. A range has two samples, `bound="low"` and `bound="high"`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from bot.core.collateral_statement import DelegationStatement
from bot.core.deployment import Conversion, DeploymentState
from bot.core.events import SettlementState, VenueLink
from bot.core.funding_statement import FundingStatement
from bot.core.limits import Effect, Limit
from bot.core.statement import BookStatement
from bot.core.units import BPS, Millis, Range

Number = Decimal | int | bool | None
Sample = tuple[tuple[str, ...], Number]
Samples = Callable[[BookStatement], Iterable[Sample]]

TRADING_STATES = ("active", "reducing", "halted")


@dataclass(frozen=True, slots=True)
class BookMetric:
    """One metric of the book: its name, what it means, its labels, and how its samples are read from a statement."""

    name: str
    meaning: str
    labels: tuple[str, ...]
    samples: Samples
    counts: bool = False


def _range(labels: tuple[str, ...], value: Range | None) -> Iterator[Sample]:
    if value is not None:
        yield (*labels, "low"), value.low
        yield (*labels, "high"), value.high


def _seconds(milliseconds: Millis | None) -> Decimal | None:
    return None if milliseconds is None else Decimal(milliseconds) / 1000


def _age(now: Millis, at: Millis | None) -> Decimal | None:
    return None if at is None else _seconds(max(0, now - at))


def _breaches(book: BookStatement) -> Iterator[Sample]:
    for limit in Limit:
        yield (limit.value,), sum(breach.limit is limit and breach.effect is not Effect.TELLS for breach in book.breaches)


def _warnings(book: BookStatement) -> Iterator[Sample]:
    for limit in Limit:
        yield (limit.value,), sum(breach.limit is limit and breach.effect is Effect.TELLS for breach in book.breaches)


def _venue_states(book: BookStatement) -> Iterator[Sample]:
    for venue in book.venues:
        for state in TRADING_STATES:
            yield (venue.venue, state), venue.trading.state == state


def _links(book: BookStatement) -> Iterator[Sample]:
    for venue in book.venues:
        for link in VenueLink:
            yield (venue.venue, link.value), venue.link is link


_ASSETS = (
    BookMetric("net_delta_units", "Net delta in base units: collateral plus positions.", ("asset", "bound"),
               lambda b: (s for a in b.assets for s in _range((a.asset,), a.net_delta))),
    BookMetric("net_delta_usd", "Net delta valued at mark.", ("asset", "bound"),
               lambda b: (s for a in b.assets for s in _range((a.asset,), a.net_delta_usd))),
    BookMetric("net_delta_bps", "Net delta in hundredths of a percent of the asset's collateral.", ("asset", "bound"),
               lambda b: (s for a in b.assets for s in _range((a.asset,), a.net_delta_bps))),
    BookMetric("in_band_state", "1 when the worse end of the net delta is inside the rebalance band, else 0.", ("asset",),
               lambda b: (((a.asset,), a.in_band) for a in b.assets)),
    BookMetric("hedge_ratio", "Short over collateral, both at the middle of their ranges; 1 is fully hedged.", ("asset",),
               lambda b: (((a.asset,), a.hedge_ratio) for a in b.assets)),
    BookMetric("hedgeable_collateral_units", "Collateral to be hedged, in units of the asset that hedges it.", ("asset", "bound"),
               lambda b: (s for a in b.assets for s in _range((a.asset,), a.collateral))),
    BookMetric("coin_equity_units", "Coins of the asset in accounts at venues: they are to be hedged too.", ("asset",),
               lambda b: (((a.asset,), a.coin_equity) for a in b.assets)),
    BookMetric("collateral_usd", "Collateral valued at mark.", ("asset",),
               lambda b: (((a.asset,), a.collateral_usd) for a in b.assets)),
    BookMetric("mark_price_usd", "Mark price by which the asset is valued.", ("asset",),
               lambda b: (((a.asset,), a.mark) for a in b.assets)),
    BookMetric("collateral_units", "Collateral as its source told it, in the asset's own units.", ("asset", "location", "source"),
               lambda b: (((c.asset, c.location, c.source), c.quantity) for c in b.collateral)),
    BookMetric("collateral_age_seconds", "Time since this total was last told by its source.", ("asset", "location", "source"),
               lambda b: (((c.asset, c.location, c.source), _age(b.at, c.observed_at)) for c in b.collateral)),
    BookMetric("redemption_rate", "Units of the hedged asset per unit of collateral.", ("asset", "location", "source"),
               lambda b: (((c.asset, c.location, c.source), c.redemption_rate) for c in b.collateral)),
)  # fmt: skip

_INSTRUMENTS = (
    BookMetric("position_units", "Position in base units, short below zero.", ("venue", "instrument", "asset", "bound"),
               lambda b: (s for i in b.instruments for s in _range((i.venue, i.instrument, i.asset), i.position))),
    BookMetric("target_units", "Position that the last decision wanted, in base units.", ("venue", "instrument", "asset"),
               lambda b: (((i.venue, i.instrument, i.asset), i.target) for i in b.instruments)),
    BookMetric("notional_usd", "Value of the position at mark, never negative.", ("venue", "instrument", "asset"),
               lambda b: (((i.venue, i.instrument, i.asset), i.notional_usd) for i in b.instruments)),
    BookMetric("funding_annual_ratio", "Smoothed funding rate for a year of 365 days, simple; above 0 shorts receive.",
               ("venue", "instrument", "asset"), lambda b: (((i.venue, i.instrument, i.asset), i.funding_annual) for i in b.instruments)),
    BookMetric("funding_flipped_state", "1 while hedges avoid the instrument because its funding turned, else 0.",
               ("venue", "instrument", "asset"), lambda b: (((i.venue, i.instrument, i.asset), i.funding_flipped) for i in b.instruments)),
    BookMetric("liquidation_price_usd", "Mark at which the position is liquidated, all else as it is; no sample where there is none.",
               ("venue", "instrument", "asset"),
               lambda b: (((i.venue, i.instrument, i.asset), i.liquidation_price) for i in b.instruments)),
    BookMetric("liquidation_distance_ratio", "Distance from mark to that price, as a fraction of the mark.",
               ("venue", "instrument", "asset"),
               lambda b: (((i.venue, i.instrument, i.asset), i.liquidation_distance) for i in b.instruments)),
    BookMetric("open_interest_usd", "Open interest of the whole market at our mark.", ("venue", "instrument", "asset"),
               lambda b: (((i.venue, i.instrument, i.asset), i.open_interest_usd) for i in b.instruments)),
    BookMetric("open_interest_share_ratio", "Our notional over the instrument's open interest.", ("venue", "instrument", "asset"),
               lambda b: (((i.venue, i.instrument, i.asset), i.open_interest_share) for i in b.instruments)),
    BookMetric("quote_age_seconds", "Time since the touch last arrived.", ("venue", "instrument", "asset"),
               lambda b: (((i.venue, i.instrument, i.asset), _age(b.at, i.quote_at)) for i in b.instruments)),
)  # fmt: skip

_VENUES = (
    BookMetric("venue_link_state", "1 for the state the link to the venue is in, 0 for the others.", ("venue", "state"), _links),
    BookMetric("venue_trading_state", "1 for the state the venue is in by its own causes, 0 for the others.", ("venue", "state"),
               _venue_states),
    BookMetric("venue_reconciled_state", "1 when the venue was read in full and agrees with the ledger, else 0.", ("venue",),
               lambda b: (((v.venue,), v.reconciled) for v in b.venues)),
    BookMetric("venue_report_age_seconds", "Time since the venue was last read in full.", ("venue",),
               lambda b: (((v.venue,), _age(b.at, v.reported_at)) for v in b.venues)),
    BookMetric("venue_clock_offset_seconds", "The venue's clock minus ours.", ("venue",),
               lambda b: (((v.venue,), _seconds(v.clock_offset_ms)) for v in b.venues)),
    BookMetric("venue_notional_usd", "Value of all positions at the venue.", ("venue",),
               lambda b: (((v.venue,), v.notional_usd) for v in b.venues)),
    BookMetric("venue_share_ratio", "Venue notional over the required hedge notional of all assets.", ("venue",),
               lambda b: (((v.venue,), v.venue_share) for v in b.venues)),
    BookMetric("margin_balance_usd", "What the venue counts as our equity.", ("venue",),
               lambda b: (((v.venue,), v.margin_balance_usd) for v in b.venues)),
    BookMetric("margin_ratio", "Maintenance margin over margin balance: 0 safe, 1 liquidation.", ("venue",),
               lambda b: (((v.venue,), v.margin_ratio) for v in b.venues)),
    BookMetric("maintenance_margin_usd", "What the venue requires for the positions as they are.", ("venue",),
               lambda b: (((v.venue,), v.maintenance_margin_usd) for v in b.venues)),
    BookMetric("margin_buffer_ratio", "Margin balance over notional, of the worst pool; no sample without a position.", ("venue",),
               lambda b: (((v.venue,), v.margin_buffer) for v in b.venues)),
    BookMetric("venue_liquidation_distance_ratio",
               "How far the marks of all shorts may rise together until liquidation; no sample where no rise gets there.", ("venue",),
               lambda b: (((v.venue,), v.liquidation_distance) for v in b.venues)),
    BookMetric("venue_funding_annual_ratio", "Annual funding of the venue, weighted by what is short there.", ("venue",),
               lambda b: (((v.venue,), v.funding_annual) for v in b.venues)),
    BookMetric("venue_orders_working", "Orders that rest or are on their way.", ("venue",),
               lambda b: (((v.venue,), v.orders_working) for v in b.venues)),
    BookMetric("venue_orders_in_doubt", "Orders of which neither acceptance nor refusal is proven.", ("venue",),
               lambda b: (((v.venue,), v.orders_in_doubt) for v in b.venues)),
    BookMetric("funding_received_usd", "Funding received less paid over the life of the journal. A gauge: it can fall.", ("venue",),
               lambda b: (((venue,), usd) for venue, usd in b.funding_usd_by_venue.items())),
)  # fmt: skip

_MIRRORED = ("custodian", "venue", "asset")
_STATES_OF_COLLATERAL = ("confirmed", "pending", "leaving", "held_back", "counted")


def _mirrored(book: BookStatement) -> Iterator[tuple[tuple[str, ...], DelegationStatement]]:
    for told in book.record.delegations:
        yield (told.custodian, told.venue, told.asset), told


_COLLATERAL = (
    BookMetric("collateral_state_units",
               "Collateral in its own units: confirmed by the total, of that leaving; pending; held back; counted, which is hedged.",
               ("asset", "location", "state"),
               lambda b: (((p.asset, p.location, s), getattr(p, s)) for p in b.record.places for s in _STATES_OF_COLLATERAL)),
    BookMetric("claims", "Announced deposits and redemptions that are remembered, by where they stand; held: in quarantine.", ("state",),
               lambda b: (((state,), count) for state, count in b.record.claims_by_state.items())),
    BookMetric("delegated_units", "What a custodian mirrors at a venue.", _MIRRORED,
               lambda b: ((labels, told.delegated) for labels, told in _mirrored(b))),
    BookMetric("settlement_state", "1 for the state of a custodian's settlement with a venue, 0 for the others.", (*_MIRRORED, "state"),
               lambda b: (((*labels, s.value), told.state == s.value) for labels, told in _mirrored(b) for s in SettlementState)),
    BookMetric("settlement_frozen_state", "1 while nothing can be delegated or taken back because of a settlement, else 0.", _MIRRORED,
               lambda b: ((labels, told.is_frozen) for labels, told in _mirrored(b))),
    BookMetric("settlement_disputed_state", "1 while what a custodian says of a settlement contradicts what it said before, else 0.",
               _MIRRORED, lambda b: ((labels, told.is_disputed) for labels, told in _mirrored(b))),
    BookMetric("settlement_due_seconds", "Time until the next settlement; below 0 it is late.", _MIRRORED,
               lambda b: ((labels, _seconds(told.next_settlement_at - b.at)) for labels, told in _mirrored(b)
                          if told.next_settlement_at is not None)),
    BookMetric("unsettled_profit_usd", "What a venue owes beyond what was delegated to it, or beyond the wallet where nothing was.",
               ("venue",), lambda b: (((o.venue,), o.unsettled_usd) for o in b.record.owed)),
    BookMetric("exposure_at_risk_usd", "What a venue that a custodian mirrors may come to owe until the next settlement, 99 times in 100.",
               ("venue",), lambda b: (((o.venue,), o.exposure_at_risk_usd) for o in b.record.owed)),
    BookMetric("stable_sleeve_usd", "Stablecoins held as collateral, each taken for one dollar.", ("asset", "issuer"),
               lambda b: (((s.asset, s.issuer), s.held_usd) for s in b.record.sleeve)),
)  # fmt: skip

_PAID = ("venue", "instrument", "asset")


def _paid(book: BookStatement) -> Iterator[tuple[tuple[str, ...], FundingStatement]]:
    for line in book.funding:
        if line.asset is not None:
            yield (line.venue, line.instrument, line.asset), line


def _conversions(book: BookStatement) -> Iterator[tuple[tuple[str, ...], Conversion]]:
    for told in book.deployment:
        if told.conversion is not None:
            yield (told.asset,), told.conversion


_FUNDING = (
    BookMetric("funding_rate_age_seconds", "Time since the funding rate was last read.", ("venue", "instrument"),
               lambda b: {f.instrument: ((f.venue, f.instrument), _seconds(f.rate_age_ms)) for f in b.funding}.values()),
    BookMetric("funding_received_units_total", "Funding received, in the settle asset, over the life of the journal.", _PAID,
               lambda b: ((labels, line.received) for labels, line in _paid(b)), counts=True),
    BookMetric("funding_paid_units_total", "Funding paid, in the settle asset, over the life of the journal.", _PAID,
               lambda b: ((labels, line.paid) for labels, line in _paid(b)), counts=True),
    BookMetric("funding_settlements_total", "Funding settlements entered over the life of the journal.", ("venue", "instrument"),
               lambda b: {f.instrument: ((f.venue, f.instrument), f.settlements) for f in b.funding}.values(), counts=True),
    BookMetric("funding_difference_units", "Funding entered less what the venue's own records list: anything but 0 is an error.", _PAID,
               lambda b: ((labels, line.difference) for labels, line in _paid(b))),
    BookMetric("funding_records_age_seconds", "Time since the venue's funding records were last read to the end.", ("venue",),
               lambda b: {f.venue: ((f.venue,), _age(b.at, f.records_read_at)) for f in b.funding}.values()),
    BookMetric("funding_settled_age_seconds", "Time since the newest funding settlement entered.", ("venue", "instrument"),
               lambda b: {f.instrument: ((f.venue, f.instrument), _age(b.at, f.last_settled_at)) for f in b.funding}.values()),
    BookMetric("deployment_state", "1 for what is advised on new deployment of the asset, 0 for the others.", ("asset", "state"),
               lambda b: (((d.asset, state.value), d.state is state) for d in b.deployment for state in DeploymentState)),
    BookMetric("carry_annual_ratio", "Annual funding that more of the asset would earn, weighted by what is short.", ("asset",),
               lambda b: (((d.asset,), d.carry_annual) for d in b.deployment)),
    BookMetric("conversion_advised_usd", "Collateral that would earn more in stables; no sample unless deployment is refused.", ("asset",),
               lambda b: ((labels, told.usd) for labels, told in _conversions(b))),
    BookMetric("conversion_gain_usd", "What stables would earn more on it in a year.", ("asset",),
               lambda b: ((labels, told.gain_usd_annual) for labels, told in _conversions(b))),
    BookMetric("conversion_break_even_seconds", "After how long a conversion has paid for its cost.", ("asset",),
               lambda b: ((labels, _seconds(told.break_even_ms)) for labels, told in _conversions(b))),
)  # fmt: skip

_BOOK = (
    BookMetric("book_net_delta_usd", "Net delta of all assets together.", ("bound",), lambda b: _range((), b.net_delta_usd)),
    BookMetric("book_net_delta_bps", "Net delta of all assets in hundredths of a percent of all collateral.", ("bound",),
               lambda b: _range((), b.net_delta_bps)),
    BookMetric("book_gross_notional_usd", "All positions, working and in-doubt orders together.", (),
               lambda b: [((), b.gross_notional_usd)]),
    BookMetric("book_required_notional_usd", "Hedge notional that the collateral needs.", (), lambda b: [((), b.required_notional_usd)]),
    BookMetric("settle_exposure_usd", "What venues owe us in a settle asset, valued at one dollar.", ("asset",),
               lambda b: (((asset,), usd) for asset, usd in b.settle_exposure_usd.items())),
    BookMetric("trading_state", "1 for the state the book is in, 0 for the others.", ("state",),
               lambda b: (((state,), b.trading_state == state) for state in TRADING_STATES)),
    BookMetric("stopping_state", "1 while the run ends in order: the book is halted by that, and nobody need be told; else 0.", (),
               lambda b: [((), b.trading.state == "halted" and b.trading.cause == Limit.TRADING_STATE.value)]),
    BookMetric("ready_state", "1 when every source and venue has been heard in this run, else 0.", (), lambda b: [((), b.ready)]),
    BookMetric("breaches", "Subjects on which a limit binds or is broken now.", ("limit",), _breaches),
    BookMetric("limit_warnings", "Subjects on which a limit is near, or of which people are only told.", ("limit",), _warnings),
    BookMetric("limit_used_ratio", "Used over allowed of a limit; where a least is set, allowed over used. 1 is at the limit.",
               ("limit", "subject"), lambda b: (((u.limit.value, u.subject), u.ratio) for u in b.limit_uses)),
    BookMetric("recommended_transfer_usd", "Margin that people are advised to move to the venue; 0 while none is. The bot moves none.",
               ("venue",), lambda b: (((v.venue,), sum((t.usd for t in b.transfers if t.venue == v.venue), Decimal(0)))
                                      for v in b.venues)),
    BookMetric("observing_state", "1 while what is decided is recorded and nothing of it is sent, else 0.", (),
               lambda b: [((), b.observing)]),
    BookMetric("override_remaining_seconds", "Time until a person's override of a policy field ends; no sample while there is none.",
               ("field",), lambda b: (((o.made.field,), _seconds(max(0, o.made.until - b.at))) for o in b.overrides)),
    BookMetric("flattening_state", "1 while a person wants nothing held at the venue, of one asset or of any, else 0.", ("venue",),
               lambda b: (((v.venue,), any(f.venue == v.venue for f in b.flattenings)) for v in b.venues)),
    BookMetric("quarantine_state", "1 while a person has the venue in quarantine, else 0.", ("venue",),
               lambda b: (((v.venue,), v.venue in b.quarantined) for v in b.venues)),
    BookMetric("invariants_broken", "Invariants of the ledger that do not hold: any is a bug, and nothing is placed.", (),
               lambda b: [((), len(b.invariants_broken))]),
    BookMetric("orders_in_doubt", "Orders of which neither acceptance nor refusal is proven, over the book.", (),
               lambda b: [((), b.orders_in_doubt)]),
    BookMetric("oldest_doubt_seconds", "Age of the oldest doubt; no sample while there is none.", (),
               lambda b: [((), _seconds(b.oldest_doubt_ms))]),
    BookMetric("fees_paid_usd", "Trading fees less rebates over the life of the journal. A gauge: rebates lower it.", (),
               lambda b: [((), b.fees_usd)]),
    BookMetric("slippage_paid_usd", "Cost of fills against the mid at decision, over the journal's life. A gauge: it can fall.", (),
               lambda b: [((), b.slippage_usd)]),
    BookMetric("slippage_paid_bps", "That cost in hundredths of a percent of the value traded; no sample before the first fill.", (),
               lambda b: [((), b.slippage_usd / b.filled_notional_usd / BPS if b.filled_notional_usd else None)]),
    BookMetric("book_funding_annual_ratio", "Annual funding of the book, weighted by what is short.", (),
               lambda b: [((), b.funding_annual)]),
    BookMetric("reserve_runway_seconds", "How long the reserve pays the book's funding; no sample while shorts are not paying.", (),
               lambda b: [((), _seconds(b.reserve_runway_ms))]),
    BookMetric("orders_total", "Orders by how they ended, over the life of the journal.", ("outcome",),
               lambda b: (((outcome,), count) for outcome, count in b.orders_by_outcome.items()), counts=True),
    BookMetric("fills_total", "Executions over the life of the journal.", (), lambda b: [((), b.fills)], counts=True),
    BookMetric("filled_notional_usd_total", "Value traded over the life of the journal.", (),
               lambda b: [((), b.filled_notional_usd)], counts=True),
    BookMetric("breaks_total", "Differences between ledger and venues, by cause, over the life of the journal.", ("cause",),
               lambda b: (((cause,), count) for cause, count in b.breaks_by_cause.items()), counts=True),
)  # fmt: skip

BOOK_METRICS: tuple[BookMetric, ...] = (*_ASSETS, *_COLLATERAL, *_INSTRUMENTS, *_VENUES, *_FUNDING, *_BOOK)


def book_families(book: BookStatement) -> Iterator[Metric]:
    """Every metric of the book with its samples, unknown figures left out."""
    for metric in BOOK_METRICS:
        kind = CounterMetricFamily if metric.counts else GaugeMetricFamily
        family = kind(f"hedgebot_{metric.name}", metric.meaning, labels=metric.labels)
        for labels, value in metric.samples(book):
            if value is not None:
                family.add_metric(labels, float(value))
        yield family
