"""A copy with some fields replaced is what `dataclasses.replace` would make, of every kind of record."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from types import MappingProxyType
from typing import Any

import pytest

from bot.core.copying import replace
from bot.core.order import OrderState
from bot.core.records import Ledger, Position, Tallies, VenueRecord
from bot.core.tiers import TierTable
from tests.core.test_order import order

D = Decimal


@dataclass(frozen=True)
class Sum:
    """A record that keeps what it worked out: one answer that follows from `a`, one that may follow from anything."""

    KEPT = MappingProxyType({"double": frozenset({"a"})})
    a: int
    b: int = 0

    @cached_property
    def double(self) -> int:
        return 2 * self.a

    @cached_property
    def total(self) -> int:
        return self.a + self.b


@dataclass(frozen=True, slots=True)
class Named:
    name: str
    number: int


@dataclass(frozen=True, slots=True)
class Longer(Named):
    more: int


@dataclass(frozen=True, slots=True)
class One:
    only: int


@dataclass(frozen=True, slots=True)
class Derived:
    a: int
    b: int = field(init=False, default=7)


@pytest.mark.parametrize(
    ("record", "changes"),
    [
        (Ledger(epoch="e"), {"stopping": True, "order_number": 4}),
        (VenueRecord(), {"reconciled": True}),
        (Tallies(), {"fills": 3}),
        (Position(quantity=D(3)), {"quantity": D(4)}),
        (order(), {"state": OrderState.FILLED, "closed_at": 9}),
        (Named("a", 1), {"number": 2}),
        (Longer("a", 1, 2), {"more": 4, "name": "b"}),
        (One(1), {"only": 2}),
        (Derived(1), {"a": 2}),
        (order(), {}),
    ],
)
def test_a_copy_is_what_dataclasses_would_make(record: Any, changes: dict[str, Any]) -> None:
    before = dataclasses.replace(record)
    made = replace(record, **changes)
    assert made == dataclasses.replace(record, **changes)
    assert type(made) is type(record)
    assert made is not record
    assert record == before, "the record itself is as it was"


@pytest.mark.parametrize("record", [Ledger(), VenueRecord(), order(), Named("a", 1), One(1)])
def test_a_name_that_is_no_field_is_an_error(record: Any) -> None:
    with pytest.raises(TypeError):
        replace(record, colour=1)


def test_a_class_that_checks_its_fields_checks_them_in_every_copy() -> None:
    with pytest.raises(ValueError, match="at least one row"):
        replace(TierTable.flat(D("0.01"), D("0.1")), rows=())


def test_what_was_worked_out_is_kept_only_while_it_follows() -> None:
    first = Sum(1, 2)
    assert (first.double, first.total) == (2, 3)
    other_b, other_a = replace(first, b=5), replace(first, a=5)
    assert "double" in other_b.__dict__
    assert "total" not in other_b.__dict__, "it may follow from anything"
    assert "double" not in other_a.__dict__
    assert (other_b.double, other_b.total, other_a.double, other_a.total) == (2, 6, 10, 7)
