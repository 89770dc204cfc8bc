"""What time alone does to claims that may have netted out, and that a book which goes on and one from its snapshot tell the same."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.adapters.journal.codec import decode_snapshot, encode_snapshot
from bot.core import events as ev
from bot.core.claim_terms import RedemptionEnd
from bot.core.claims import judged, place_records
from bot.core.holdings import collateral
from bot.core.records import Ledger
from bot.core.reports import ClaimKind, ClaimStage
from bot.core.units import Range
from bot.drivers.sources import told_by
from bot.ports import Snapshot
from tests.core.claim_words import ETH, announcement
from tests.core.test_claim_matching import BEGUN, HELD, MINUTE, Book, D, policy_of

HOUR = 60 * MINUTE


def after_restart(book: Book) -> Book:
    """Another book that goes on from the snapshot of this one."""
    snapshot = Snapshot(ledger=book.ledger, policy=book.policy, began_at=None, newest_payment_at={})
    found = object.__new__(Book)
    found.policy, found.ledger = book.policy, decode_snapshot(encode_snapshot(snapshot)).ledger
    return found


def said(ledger: Ledger, book: Book) -> object:
    """All that a ledger tells of claims."""
    states = {j.claim.id: (j.state, j.left, j.told_by) for j in judged(ledger, book.policy)}
    return collateral(ledger, book.policy, ETH), place_records(ledger, book.policy), states


@pytest.mark.parametrize("ends", list(RedemptionEnd))
def test_a_pair_that_may_have_netted_out_stays_possible_when_the_deadline_of_one_side_passes(ends: RedemptionEnd) -> None:
    book = Book(policy_of("1", ends)).redemption("r", "10", BEGUN).read(BEGUN + MINUTE, "100")
    book.deposit("d", "10", BEGUN + 10 * HOUR).read(BEGUN + 10 * HOUR + MINUTE, "100")
    for hours in (24, 33):
        known = book.read(BEGUN + hours * HOUR + MINUTE, "100").known
        assert known == Range(D(100), D(110)), "both came about, or the redemption is overdue and the deposit comes"
    assert book.read(BEGUN + 34 * HOUR + MINUTE, "100").known == Range.exactly(D(100))


def test_a_pair_that_was_told_settled_is_over_also_beyond_the_deadline_of_one_side() -> None:
    book = Book(policy_of()).deposit("d", "10", BEGUN).redemption("r", "10", BEGUN).read(BEGUN + MINUTE, "100")
    book.redemption("r", "10", BEGUN + 10 * HOUR, "settled").read(BEGUN + 11 * HOUR, "100")
    for hours in (24, 25, 33, 35):
        assert book.read(BEGUN + hours * HOUR + MINUTE, "100").known == Range.exactly(D(100))
        assert book.states == {"d": "confirmed", "r": "confirmed"}


def test_what_may_have_netted_out_before_a_deadline_may_have_though_the_total_changes_after_it() -> None:
    book = Book(policy_of("1")).redemption("r", "10", BEGUN).deposit("d", "10", BEGUN + 10 * HOUR)
    book.read(BEGUN + 10 * HOUR + MINUTE, "100").deposit("e", "3", BEGUN + 25 * HOUR).read(BEGUN + 25 * HOUR + MINUTE, "103")
    assert book.known == Range(D(103), D(113))


def test_claims_that_were_never_awaited_together_did_not_net_out() -> None:
    book = Book(policy_of()).deposit("d", "10", BEGUN).redemption("r", "10", BEGUN + 25 * HOUR)
    assert book.read(BEGUN + 26 * HOUR, "100").known == Range.exactly(D(90))


def test_of_claims_that_are_alike_the_one_whose_time_it_was_may_have_netted_out() -> None:
    book = Book(policy_of("1")).deposit("c", "10", BEGUN).deposit("d", "10", BEGUN + 20 * HOUR)
    book.redemption("r", "10", BEGUN + 25 * HOUR).read(BEGUN + 26 * HOUR, "100")
    assert book.known == Range.exactly(D(100)), "d and r are still to come, or both have come about"
    assert book.read(BEGUN + 45 * HOUR, "100").known == Range(D(90), D(100)), "d did not come in time, or did with r"


@given(st.integers(0, 100_000))
def test_a_ledger_from_its_snapshot_tells_the_same_at_every_later_instant(seed: int) -> None:
    draw = Random(seed)
    book, now, total = Book(policy_of(draw.choice(("0", "0.5", "1")), draw.choice(list(RedemptionEnd)))), BEGUN, HELD
    for number in range(draw.randint(2, 5)):
        now += draw.randint(1, 8) * HOUR
        kind, stage = draw.choice(list(ClaimKind)), draw.choice((ClaimStage.ANNOUNCED, ClaimStage.PRICED, ClaimStage.SETTLED))
        word = announcement(f"c{number}", draw.choice(("5", "9.99", "10")), now, kind=kind, stage=stage)
        total += draw.choice((-5, 5, 0, 0, D("3")))
        book.told(replace(word, source=draw.choice(("backend", "chain"))), ev.DecisionDue(at=now, quotes=()))
        book.read(now + MINUTE, total)
    while now < BEGUN + 70 * HOUR:
        now += draw.choice((MINUTE, HOUR, 5 * HOUR))
        book.read(now, total)
        assert said(book.ledger, book) == said(after_restart(book).ledger, book)


def test_a_claim_that_others_told_too_is_a_sources_own_as_well() -> None:
    words = [announcement("1:0xab:0", "10", BEGUN, source=source) for source in ("chain", "backend")]
    book = Book(policy_of("1")).told(*words, ev.DecisionDue(at=BEGUN, quotes=()))
    assert {state.value: [c.id for c in its] for state, its in told_by("chain", book.ledger, book.policy).items()} == {
        "pending": ["1:0xab:0"]
    }
    assert not told_by("custody", book.ledger, book.policy)
