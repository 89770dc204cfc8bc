"""What a custodian's endpoint says, as JSON: the form, checked before anything of it is believed.

    {"as_of": 1764421200000,
     "totals":      [{"asset": "ETH", "quantity": "30", "redemption_rate": "1"}],
     "delegations": [{"venue": "okx", "asset": "ETH", "delegated": "10", "settled": "0.25", "due": null, "cycle": 7, "state": "idle",
                      "next_settlement_at": 1764432000000, "frozen_from": 1764431940000, "frozen_until": 1764432010000, "posted": "1"}]}

Instants are Unix milliseconds by the custodian's clock. Money is text, because a JSON number may have been a float on its way. Figures that
a custodian does not know are null or left out, but for the ones without which nothing can be reckoned. Fields that are not listed here are
nothing to us. Each custodian has an interface of its own; what speaks this form beside it is small. Why, and what each field is made of at
Copper and Ceffu: docs/decisions/0012-one-form-for-custodians.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from bot.core.events import CustodyTotal, DelegationReport, SettlementState
from bot.core.units import ZERO, Asset, Millis, VenueId


class ReportUnreadable(ValueError):
    """What came is not in the form: one sentence."""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything of one instant (the custodian's clock)."""

    as_of: Millis
    totals: tuple[CustodyTotal, ...]
    delegations: tuple[DelegationReport, ...]


_Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,40}$")]
_Text = Annotated[str, StringConstraints(pattern=r"^-?[0-9]{1,30}(\.[0-9]{1,30})?$")]
_Instant = Annotated[int, Field(strict=True, ge=0, le=1 << 53)]


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Total(_Row):
    asset: _Name
    quantity: _Text
    redemption_rate: _Text | None = None


class _Delegation(_Row):
    venue: _Name
    asset: _Name
    delegated: _Text
    settled: _Text
    due: _Text | None = None
    cycle: Annotated[int, Field(strict=True, ge=0)]
    state: SettlementState
    next_settlement_at: _Instant | None = None
    frozen_from: _Instant | None = None
    frozen_until: _Instant | None = None
    posted: _Text | None = None


class _Report(_Row):
    as_of: _Instant
    totals: tuple[_Total, ...]
    delegations: tuple[_Delegation, ...]


@cache
def _reports() -> TypeAdapter[_Report]:
    return TypeAdapter(_Report)


def parse(document: bytes) -> Report:
    """The report in this JSON. Raises ReportUnreadable with one sentence."""
    try:
        told = _reports().validate_json(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ReportUnreadable(f"what it says is not in the form: {where + ': ' if where else ''}{first['msg']}") from None
    totals = (
        CustodyTotal(asset=Asset(row.asset), quantity=Decimal(row.quantity), redemption_rate=_decimal(row.redemption_rate))
        for row in told.totals
    )
    return Report(told.as_of, tuple(totals), tuple(_delegation(row) for row in told.delegations))


def _delegation(row: _Delegation) -> DelegationReport:
    return DelegationReport(
        venue=VenueId(row.venue),
        asset=Asset(row.asset),
        delegated=Decimal(row.delegated),
        settled=_decimal(row.settled) or ZERO,
        due=_decimal(row.due),
        cycle=row.cycle,
        state=row.state,
        next_settlement_at=row.next_settlement_at,
        frozen_from=row.frozen_from,
        frozen_until=row.frozen_until,
        posted=_decimal(row.posted),
    )


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
