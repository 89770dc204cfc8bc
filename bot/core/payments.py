"""The account of one instrument's funding payments: each settlement is entered once, for ever, in bounded room.

A payment is known when its id is remembered, or when a remembered one tells the same settlement under another id: same minute of the
venue's clock, same asset, same quantity (a stream and the history may name one settlement differently). The venue's own list outranks
this: two rows of one list are two payments however alike, and a settlement keeps the name that was told last.

The newest `PAYMENTS_REMEMBERED` are remembered. What was forgotten leaves a watermark: a payment from before it that is not remembered
may have been counted, so it is refused and told, never added.

Quantities are in the settle asset, > 0 when received; totals are kept per asset, because coins and dollars do not add up. Instants are
the venue's clock.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from bot.core.copying import replace
from bot.core.reports import FundingPayment
from bot.core.units import ZERO, Asset, Millis, Range

PAYMENTS_REMEMBERED = 500
"""Payments remembered per instrument: three weeks of hourly ones."""
REFUSED_REMEMBERED = 20
"""Refused payments remembered per instrument, so that each is told once."""
MINUTE_MS: Millis = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingTotal:
    """What was received and what was paid in one asset, both >= 0."""

    received: Decimal = ZERO
    paid: Decimal = ZERO

    @property
    def net(self) -> Decimal:
        """Received less paid."""
        return self.received - self.paid

    def plus(self, quantity: Decimal) -> FundingTotal:
        """The total with one more payment, > 0 when received."""
        return replace(self, received=self.received + quantity) if quantity > ZERO else replace(self, paid=self.paid - quantity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """One payment as it was told: `quantity` of `asset`, > 0 when received."""

    quantity: Decimal
    asset: Asset
    venue_at: Millis

    def is_same_settlement(self, other: Settled) -> bool:
        """Whether both tell one settlement, whatever they are called."""
        alike = (self.quantity, self.asset) == (other.quantity, other.asset)
        return alike and self.venue_at // MINUTE_MS == other.venue_at // MINUTE_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedPayment:
    """What a settlement should pay by our own position, mark and rate; `slack` is how far the venue's figure may lie beside the range.

    `per_rate` is what it would pay at a rate of one. `next_at` is the settlement after it, None until that is told.
    """

    settles_at: Millis
    quantity: Range
    slack: Decimal
    per_rate: Range
    next_at: Millis | None = None

    def followed(self, next_at: Millis, rate: Decimal) -> ExpectedPayment:
        """The same, with the settlement after it and the rate that was told first after it: one bound of what it settled at."""
        other = self.per_rate.times(rate)
        spanned = Range.spanning(self.quantity.low, self.quantity.high, other.low, other.high)
        return replace(self, quantity=spanned, next_at=next_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """A settlement whose recorded payment (None: there was none) is far from what was expected."""

    settles_at: Millis
    expected: Range
    recorded: Decimal | None


class Entry(StrEnum):
    """What became of a payment that was told."""

    ENTERED = "entered"
    KNOWN = "known"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingAccount:
    """Everything remembered of one instrument's payments.

    `known_to`: payments up to then that are not remembered count as known. `unlisted` names remembered ones that the venue's own records
    lack. `expected_to` is the newest settlement that an expectation was formed for, or passed by.
    """

    totals: Mapping[Asset, FundingTotal] = field(default_factory=dict)
    settlements: int = 0
    last_at: Millis | None = None
    settled: Mapping[str, Settled] = field(default_factory=dict)
    known_to: Millis | None = None
    unlisted: tuple[str, ...] = ()
    refused: Mapping[str, Settled] = field(default_factory=dict)
    expected: tuple[ExpectedPayment, ...] = ()
    expected_to: Millis | None = None
    mismatch: Mismatch | None = None

    @property
    def assets(self) -> frozenset[Asset]:
        """What it was ever paid in, or was told of a payment in."""
        return frozenset(self.totals) | {s.asset for s in self.refused.values()}

    def enter(self, payment: FundingPayment, beside: Collection[str] = ()) -> tuple[FundingAccount, Entry]:
        """The account after a payment was told, and what became of it. `beside` names all payments of the same list, itself included."""
        told = Settled(quantity=payment.quantity, asset=payment.asset, venue_at=payment.venue_at)
        if payment.payment_id in self.settled or payment.payment_id in self.refused:
            return self, Entry.KNOWN
        twin = next((name for name, s in self.settled.items() if name not in beside and told.is_same_settlement(s)), None)
        if twin is not None:
            settled = {(payment.payment_id if name == twin else name): s for name, s in self.settled.items()}
            return replace(self, settled=settled, unlisted=tuple(n for n in self.unlisted if n != twin)), Entry.KNOWN
        if self.known_to is not None and told.venue_at <= self.known_to:
            refused = {**self.refused, payment.payment_id: told}
            newest = list(refused)[-REFUSED_REMEMBERED:]
            return replace(self, refused={name: refused[name] for name in newest}), Entry.REFUSED
        total = self.totals.get(told.asset, FundingTotal()).plus(told.quantity)
        entered = replace(
            self,
            totals={**self.totals, told.asset: total},
            settlements=self.settlements + 1,
            last_at=told.venue_at if self.last_at is None else max(self.last_at, told.venue_at),
            settled={**self.settled, payment.payment_id: told},
        )
        return entered._bounded(), Entry.ENTERED

    def _bounded(self) -> FundingAccount:
        if len(self.settled) <= PAYMENTS_REMEMBERED:
            return self
        oldest = min(self.settled, key=lambda name: (self.settled[name].venue_at, name))
        at = self.settled[oldest].venue_at
        return replace(
            self,
            settled={name: s for name, s in self.settled.items() if name != oldest},
            known_to=at if self.known_to is None else max(self.known_to, at),
            unlisted=tuple(name for name in self.unlisted if name != oldest),
        )

    def listed(self, from_at: Millis, to_at: Millis, payments: tuple[FundingPayment, ...]) -> tuple[FundingAccount, tuple[str, ...]]:
        """The account after a complete list of the venue's records of [from_at, to_at], and the ids newly found to be missing there.

        What an earlier list lacked and this one does not cover stays told.
        """
        names = {p.payment_id for p in payments}
        covered = {n for n, s in self.settled.items() if from_at <= s.venue_at <= to_at}
        lacking = covered - names
        unlisted = tuple(sorted(lacking | (set(self.unlisted) - covered)))
        missing = tuple(sorted(lacking - set(self.unlisted)))
        return (self if unlisted == self.unlisted else replace(self, unlisted=unlisted)), missing

    def difference(self, asset: Asset) -> Decimal:
        """What we entered less what the venue lists, in an asset: 0 when both agree."""
        ours = sum((self.settled[n].quantity for n in self.unlisted if self.settled[n].asset == asset), ZERO)
        return ours - sum((s.quantity for s in self.refused.values() if s.asset == asset), ZERO)

    def recorded(self, from_at: Millis, to_at: Millis, asset: Asset) -> Decimal | None:
        """What was settled in an asset within [from_at, to_at]; None when nothing was."""
        found = [s.quantity for s in self.settled.values() if from_at <= s.venue_at <= to_at and s.asset == asset]
        return sum(found, ZERO) if found else None
