"""The question that an allocation answers, and the answer: which instrument carries how much short, and what keeps it from more.

Units: a short is USD of hedge, base units times ONE price per asset (the same at all venues), so that a dollar of short anywhere
hedges a dollar, and most shares are sums and differences of the caller's own numbers, exact in Decimal. Base units would need a
division by a price wherever a USD limit binds. Where a venue's mark differs from that price, `notional_weight` says what a dollar of
hedge counts as under the limits on notional. Carry and costs are USD per USD of hedge and year.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from bot.core.units import ONE, ZERO, Asset, InstrumentId, VenueId

REQUIRED = "required_short"
"""Name of the limit that a short never exceeds what is required; told only where something frozen exceeds it."""
NO_INSTRUMENT = "no_instrument"
"""Why an asset without any instrument is unhedged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """One limit and the most it allows; below zero counts as zero. Of several on the same thing the least binds.

    `limit` is the caller's word for it and comes back wherever it binds.
    """

    limit: str
    most: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One instrument that may carry a hedge. `short` is what it carries now, >= 0 (a long counts as 0; a frozen one as requirement)."""

    instrument: InstrumentId
    asset: Asset
    venue: VenueId
    short: Decimal = ZERO
    bounds: tuple[Bound, ...] = ()
    """On this very short, in USD of hedge: notional per instrument, open-interest share, eligibility (most = 0)."""
    frozen: str | None = None
    """The limit by which the short can be neither raised nor lowered now, None when it can."""
    carry: Decimal = ZERO
    """Expected funding (> 0: shorts receive) per USD of hedge and year."""
    cost_to_open: Decimal = ZERO
    cost_to_close: Decimal = ZERO
    """What a dollar more, a dollar less costs (>= 0), spread over the payback horizon to a cost per year."""
    margin_use: Decimal = ZERO
    """Venue margin (USD, >= 0) taken by a dollar of hedge. Round it up to a few places: each further digit costs time, exactly."""
    notional_weight: Decimal = ONE
    """Notional (USD, > 0) of a dollar of hedge: the venue's mark over the asset's one price, rounded up to a few places as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """How much short one asset needs (USD, below zero counts as zero), and the bounds on its shorts over all venues together."""

    asset: Asset
    required: Decimal
    bounds: tuple[Bound, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueRoom:
    """What one venue can take: bounds on its notional (share, leverage), and on the margin in use there.

    `instruments`: the only ones that it counts, of an account that keeps several pools of margin; none: all that are at the venue.
    """

    venue: VenueId
    instruments: tuple[InstrumentId, ...] = ()
    notional: tuple[Bound, ...] = ()
    margin: tuple[Bound, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Everything the allocation depends on. A venue without an entry has no limits, an asset without one requires nothing."""

    candidates: tuple[Candidate, ...]
    requirements: tuple[Requirement, ...]
    venues: tuple[VenueRoom, ...] = ()
    gross: tuple[Bound, ...] = ()
    """Bounds on the notional of the whole book."""


@dataclass(frozen=True, slots=True, order=True)
class Binding:
    """A limit with nothing left under it, and what it is a limit of: an instrument, an asset, a venue, or `book`."""

    limit: str
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Relaxed:
    """A limit that what is frozen exceeds by itself: what is allowed, and what is frozen under it, which counts instead."""

    binding: Binding
    allowed: Decimal
    frozen: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """What one instrument should carry (USD of hedge), and every limit that keeps it from more; none: it hedges all there is to hedge."""

    instrument: InstrumentId
    short: Decimal
    limits: tuple[Binding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How far one asset is hedged (USD). `limits` are those that keep the rest unhedged, empty when there is no rest."""

    asset: Asset
    hedged: Decimal
    unhedged: Decimal
    overhedged: Decimal
    """What is frozen beyond what is required."""
    limits: tuple[Binding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """The best allocation. Portions by instrument id, coverage by asset."""

    portions: tuple[Portion, ...]
    coverage: tuple[Coverage, ...]
    unhedged: Decimal
    carry: Decimal
    """Expected USD per year, net of the yearly cost of the change."""
    change: Decimal
    """USD of hedge opened plus USD closed."""
    relaxed: tuple[Relaxed, ...]
    steps: int
    """Steps of the search, as a measure of its cost."""
