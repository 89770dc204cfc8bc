"""How old a reading of a total is: what a source tells late says nothing of claims that came about since."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.core import events as ev
from bot.core.reports import CustodyTotal
from bot.core.units import Range
from tests.core.claim_words import ETH
from tests.core.test_claim_matching import BEGUN, LEAD_MS, MINUTE, SECOND, Book, D, policy_of

SETTLED = BEGUN + 30 * SECOND


def settled() -> Book:
    """Of 100 ETH a redemption of 40 was priced, and told settled half a minute later; no total has shown it yet."""
    book = Book(policy_of()).redemption("r", "40", BEGUN).redemption("r", "40", SETTLED, "settled")
    assert book.known == Range.exactly(D(60))
    return book


def total(at: int, as_of: int | None) -> ev.CollateralObserved:
    return ev.CollateralObserved(at=at, source="custody", location="vault", asset=ETH, quantity=D(100), redemption_rate=D(1), as_of=as_of)


def confirmed(at: int, as_of: int | None) -> ev.CollateralConfirmed:
    return ev.CollateralConfirmed(at=at, source="custody", as_of=as_of)


def report(at: int, as_of: int) -> ev.CustodyReported:
    told = CustodyTotal(asset=ETH, quantity=D(100), redemption_rate=D(1))
    return ev.CustodyReported(at=at, source="custody", location="vault", as_of=as_of, totals=(told,), delegations=())


def read(book: Book, *events: ev.Event) -> Range | None:
    """What is known after these words and a decision."""
    return book.told(*events, ev.DecisionDue(at=events[-1].at, quotes=())).known


@pytest.mark.parametrize("late_ms", [30 * SECOND, 10 * MINUTE])
@pytest.mark.parametrize("kind", ["chain", "custodian"])
def test_a_reading_is_as_old_as_its_source_says_and_not_as_old_as_its_arrival(kind: str, late_ms: int) -> None:
    """Blocks with many confirmations and statements out of a cache are of before the settlement: the 40 ETH may be gone, and are counted
    for certain by a reading of after it alone."""

    def told(at: int) -> tuple[ev.Event, ...]:
        as_of = at - late_ms
        return (report(at, as_of),) if kind == "custodian" else (total(at, None), confirmed(at, as_of))

    book, shown_at = settled(), SETTLED + LEAD_MS
    for at in (SETTLED, shown_at, shown_at + late_ms - 1):
        known = read(book, *told(at))
        assert known is not None
        assert known.low < 61
        assert known.high > 59
        assert book.states == {"r": "leaving"}
    assert read(book, *told(shown_at + late_ms)) == Range.exactly(D(100)), "it is still there"


def test_a_stream_that_was_read_to_its_end_has_told_of_nothing_younger() -> None:
    """Its newest total is old, and so is a total alone; that nothing else was written since is a word of now."""
    book, at = settled(), SETTLED + LEAD_MS
    assert read(book, total(at, BEGUN + SECOND)) == Range.exactly(D(60))
    assert read(book, confirmed(at, None)) == Range.exactly(D(100))


def test_a_source_that_tells_of_no_instant_any_more_is_read_when_it_is_heard() -> None:
    book, at = settled(), SETTLED + LEAD_MS
    assert read(book, confirmed(at, BEGUN)) == Range.exactly(D(60))
    assert read(book, confirmed(at, None)) == Range.exactly(D(100))


def test_a_deposit_that_is_announced_after_the_block_that_holds_it_counts_once() -> None:
    """A watcher that was down tells of it when it is back: what a total moves by is dated by when we heard of it."""
    book, at = Book(policy_of("1")).deposit("d", "40", BEGUN), BEGUN + SECOND
    assert book.known == Range.exactly(D(140))
    book.told(replace(total(at, None), quantity=D(140)))
    assert read(book, confirmed(at, BEGUN - 20 * MINUTE)) == Range.exactly(D(140))
    assert book.states == {"d": "confirmed"}
