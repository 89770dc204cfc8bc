"""What a named person may ask for, and the records of what they asked that lasts: closing positions, and settings for a while.

A person's word is an event (`events.OperatorActed`); `operation` folds it. Nothing here is done by anybody but a named person.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from bot.core.units import Asset, InstrumentId, Millis, VenueId


class OperatorAction(StrEnum):
    """What a named person may ask for."""

    REDUCE = "reduce"
    HALT = "halt"
    RESUME = "resume"
    RESOLVE = "resolve"
    FLATTEN = "flatten"
    QUARANTINE = "quarantine"
    OVERRIDE = "override"
    ADOPT = "adopt"
    RELOAD = "reload"


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """What a person takes over, as they were shown it: a position of `quantity`, or (`order`, by its name) a working order that leaves it.

    Signed contract units; None: of an order of which the venue does not tell it.
    """

    instrument: InstrumentId
    quantity: Decimal | None
    order: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Flattening:
    """A person wants nothing held at a venue, of one asset or (None) of any, since an instant of our clock.

    `of_venue`: they named the venue, and its own resume ends it; else they named the asset or everything, and a resume of the book does.
    """

    venue: VenueId
    asset: Asset | None
    since: Millis
    by: str
    why: str
    of_venue: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """A person set a policy field to another value from `since` until `until`, both our clock."""

    field: str
    value: Decimal
    since: Millis
    until: Millis
    by: str
    why: str
