"""Answers that outlive a ledger: kept from one ledger to the next for as long as everything stays from which they follow.

A decision asks the same questions hundreds of times, and most of a ledger's changes touch none of the answers: a stamp, a message that was
counted, a sentence for people. What is `lasting` is worked out once for each ground, policy and further arguments:

    ground    instruments, holdings, claims, places, positions, flows, delegations, and each order: the very objects
              of which sources nothing is known or remembered, and which venues are in quarantine
              what each venue told of its account, digit by digit
              of every quote and market its figures, digit by digit, and whether a mark is young enough to value; not when they were told
              while there are claims, the instant of the decision and when sources spoke; while custodians mirror, when venues were read
              for how long sources are silent and rates untold, where that is too long

The rule: a lasting question reads nothing of a ledger but its ground, knows no clock, and asks only lasting questions. Decimals that are
equal but written otherwise are another ground: an answer may be told in words, and a replay must tell the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from functools import update_wrapper
from operator import is_
from typing import Any, Concatenate, ParamSpec, TypeVar

from bot.core.events import Quote
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.staleness import partly_told, silences, unknown_sources
from bot.core.units import is_recent

VALUATION_AGE_FACTOR = 5
"""How many times `quote_age_max_ms` a mark may be old and still count as fresh where it only values: nothing is priced on it."""
ANSWERS_MAX = 4_096
"""Answers kept of one ground: a ground that never changes must not fill the memory with what was asked of it."""

GROUNDS_MAX = 4
"""Grounds kept with their answers: a decision also asks of the book as it would be without what rests, or without what is only offered."""

P = ParamSpec("P")
R = TypeVar("R")


class _Ground:
    """Everything from which lasting answers follow, as one ledger has it."""

    __slots__ = ("_words", "accounts", "figures", "objects", "told", "values")

    def __init__(self, ledger: Ledger, policy: Policy, before: _Ground | None = None) -> None:
        """`before`: another one under this policy: where both were told the very same, and decide at one instant, figures are alike."""
        self.objects = tuple(_objects(ledger))
        self.accounts = tuple(ledger.venues.items())
        self.values = (
            unknown_sources(ledger, policy),
            ledger.quarantined,
            _heard(ledger) if ledger.claims else None,
            tuple(record.reported_at for record in ledger.venues.values()) if ledger.mirrored else None,
            silences(ledger, policy),
            tuple(partly_told(ledger, policy)),
        )
        self.told = (ledger.quotes, ledger.markets, ledger.decided_at)
        known = before if before is not None and all(map(is_, self.told, before.told)) else None
        self.figures: tuple[tuple[object, ...], ...] = _figures(ledger, policy) if known is None else known.figures
        self._words: str = "" if known is None else known._words

    def words(self) -> str:
        """Every figure as it is written."""
        self._words = self._words or str(self.figures)
        return self._words

    def is_as(self, other: _Ground) -> bool:
        """Whether the same answers follow from both."""
        if len(self.objects) != len(other.objects) or not all(map(is_, self.objects, other.objects)):
            return False
        if self.values != other.values or self.figures != other.figures or len(self.accounts) != len(other.accounts):
            return False
        return self.words() == other.words() and all(
            venue == of and record.tells_as(was) for (venue, record), (of, was) in zip(self.accounts, other.accounts, strict=True)
        )


def _figures(ledger: Ledger, policy: Policy) -> tuple[tuple[object, ...], ...]:
    """Of every quote and market: a decision asks of two or three ledgers with the very same ones."""
    quoted = [
        (q.instrument, q.bid, q.ask, q.bid_quantity, q.ask_quantity, q.mark, q.index, values_now(ledger, policy, q))
        for q in ledger.quotes.values()
    ]
    return (*quoted, *[(i, market.open_interest, market.volume_24h) for i, market in ledger.markets.items()])


def _heard(ledger: Ledger) -> tuple[object, ...]:
    told = (ledger.sources_confirmed_at, ledger.sources_heard_at, ledger.sources_as_of)
    return (ledger.decided_at, ledger.started_at, *(tuple(sorted(each.items())) for each in told))


def _objects(ledger: Ledger) -> Iterator[object]:
    yield from (ledger.instruments, ledger.holdings, ledger.claims, ledger.places, ledger.positions)
    yield from (ledger.flows, ledger.delegations, ledger.mirrored, ledger.foreign_moves, ledger.unconfirmed)
    yield from ledger.orders.values()


def values_now(ledger: Ledger, policy: Policy, quote: Quote) -> bool:
    """Whether a mark may value: judged when the quotes came in, with the latest decision."""
    if ledger.decided_at is None or quote.mark_at is None:
        return False
    return is_recent(ledger.decided_at, quote.mark_at, policy.quote_age_max_ms * VALUATION_AGE_FACTOR)


def answers(ledger: Ledger, policy: Policy) -> dict[Hashable, Any]:
    """Room for the lasting answers of a ledger under a policy (the very object)."""
    held = ledger.__dict__
    known = held.get("_answers")
    if known is None or known[0] is not policy:
        lately = held.setdefault("_answers_lately", [])
        ground = _Ground(ledger, policy, lately[0][1] if lately and lately[0][0] is policy else None)
        fits = (each for each in tuple(lately) if each[0] is policy and len(each[2]) < ANSWERS_MAX and ground.is_as(each[1]))
        known = held["_answers"] = next(fits, None) or (policy, ground, {})
        lately[:] = [known, *(each for each in lately if each is not known)][:GROUNDS_MAX]
    kept: dict[Hashable, Any] = known[2]
    return kept


class Same:
    """A tuple as an argument of a lasting question, equal only to one of the very same items: what was worked out is not compared anew."""

    __slots__ = ("_hash", "items")

    def __init__(self, items: tuple[Any, ...]) -> None:
        self.items = items
        self._hash = hash(tuple(map(id, items)))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and len(self.items) == len(other.items) and all(map(is_, self.items, other.items))


def lasting(question: Callable[Concatenate[Ledger, Policy, P], R]) -> Callable[Concatenate[Ledger, Policy, P], R]:
    """The same function, worked out once for each ground, policy and further arguments, which must be hashable."""

    def remembered(ledger: Ledger, policy: Policy, /, *args: P.args, **kwargs: P.kwargs) -> R:
        held = ledger.__dict__.get("_answers")
        memo = held[2] if held is not None and held[0] is policy else answers(ledger, policy)
        key = (question, args, *kwargs.items()) if kwargs else (question, args)  # one tuple around what is there: it is asked that often
        known: R
        try:
            known = memo[key]
        except KeyError:
            known = memo[key] = question(ledger, policy, *args, **kwargs)
        return known

    return update_wrapper(remembered, question)
