"""What the ledger keeps of targets: the allocation in force, the latest changes of venue, and how collateral flows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from bot.core.allocation_terms import Binding
from bot.core.flow import FlowVariance
from bot.core.units import InstrumentId, Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """How an asset's collateral comes and goes: base units of it when last looked (our clock), and the variance of the flow's USD value."""

    held: Decimal
    observed_at: Millis
    variance: FlowVariance


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What one instrument should carry until the allocation is worked out again, and what it carried then: contract units of short.

    `limits` are those that bound it.
    """

    units: Decimal
    was: Decimal
    limits: tuple[Binding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocated:
    """The allocation in force: when it was worked out, what stood in the way then (see `target_standing`), and its shares."""

    at: Millis
    obstacles: tuple[str, ...]
    shares: Mapping[InstrumentId, Standing]


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueMove:
    """An asset's latest change of venue for better funding: when it began, and the instruments that it leaves."""

    at: Millis
    left: frozenset[InstrumentId]
