"""What time alone does to claims that may have netted out, and that a book which goes on and one from its snapshot tell the same."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal, localcontext
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.adapters.journal.codec import decode_snapshot, encode_snapshot
from bot.core import events as ev
from bot.core.claim_standing import KEPT_TIMES
from bot.core.claim_terms import RedemptionEnd
from bot.core.claims import judged, place_records
from bot.core.collateral import announced
from bot.core.holdings import collateral
from bot.core.policy import Policy
from bot.core.precision import COUNTING
from bot.core.records import Ledger
from bot.core.reports import ClaimKind, ClaimStage
from bot.core.units import Range
from bot.drivers.sources import told_by
from bot.ports import Snapshot
from tests.core.claim_words import ETH, announcement
from tests.core.test_claim_matching import BEGUN, HELD, MINUTE, SECOND, Book, D, policy_of

HOUR = 60 * MINUTE


def after_restart(book: Book) -> Book:
    """Another book that goes on from the snapshot of this one."""
    snapshot = Snapshot(ledger=book.ledger, policy=book.policy, began_at=None, newest_payment_at={})
    found = object.__new__(Book)
    found.policy, found.ledger = book.policy, decode_snapshot(encode_snapshot(snapshot)).ledger
    return found


def said(ledger: Ledger, book: Book) -> object:
    """All that a ledger tells of claims, counted as a decision counts, whatever the process has set."""
    with localcontext(COUNTING):
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


def begins(book: Book, at: int) -> Book:
    """A run begins on the book."""
    return book.told(ev.SessionStarted(at=at, epoch="e1", config_hash="c", policy=book.policy, is_fresh=False, silent_ms=0))


def silent_over_its_deadline(kind: ClaimKind) -> Book:
    """40 are priced to leave, or announced to come and hedged at once, and the vault is read no more."""
    stage = ClaimStage.PRICED if kind is ClaimKind.REDEMPTION else ClaimStage.ANNOUNCED
    book = begins(Book(policy_of("1")), BEGUN).read(BEGUN, "100")
    return book.told(announcement("c", "40", BEGUN, kind=kind, stage=stage), ev.DecisionDue(at=BEGUN, quotes=()))


def added_at(book: Book, at: int) -> tuple[Decimal, Decimal]:
    """What claims add at an instant at the least and at the most."""
    book.told(ev.DecisionDue(at=at, quotes=()))
    certain, uncertain = announced(book.ledger, book.policy, ETH)
    return certain, certain + uncertain


@pytest.mark.parametrize(("kind", "low", "high"), [(ClaimKind.REDEMPTION, -40, 0), (ClaimKind.DEPOSIT, 0, 40)])
@pytest.mark.parametrize("is_restarted", [False, True])
def test_an_end_that_no_reading_could_have_seen_takes_nothing_away(kind: ClaimKind, low: int, high: int, is_restarted: bool) -> None:
    book = silent_over_its_deadline(kind)
    if is_restarted:
        book = begins(after_restart(book), BEGUN + HOUR)
    for hours in (D("23.9"), D("24.1"), D(30), D(60), D(700)):
        assert added_at(book, BEGUN + int(hours * HOUR)) == (low, high), f"after {hours} h of silence"
    assert book.read(BEGUN + 701 * HOUR, "100").known == Range.exactly(HELD), "its source speaks: it did not come about in time"
    assert not book.read(BEGUN + 701 * HOUR + MINUTE, "100").ledger.claims


@pytest.mark.parametrize("kind", list(ClaimKind))
def test_a_claim_of_a_source_that_never_speaks_again_is_forgotten_in_the_end(kind: ClaimKind) -> None:
    book = silent_over_its_deadline(kind)
    assert added_at(book, BEGUN + KEPT_TIMES * book.policy.claims.remembered_ms + 1) == (0, 0)
    assert not book.ledger.claims


@pytest.mark.parametrize(
    ("kind", "before", "unseen"), [(ClaimKind.REDEMPTION, (-40, -40), (-40, 0)), (ClaimKind.DEPOSIT, (40, 40), (0, 40))]
)
def test_a_deadline_ends_a_claim_with_the_first_reading_after_it(kind: ClaimKind, before: tuple[int, int], unseen: tuple[int, int]) -> None:
    book = silent_over_its_deadline(kind).read(BEGUN + 24 * HOUR - SECOND, "100")
    assert added_at(book, BEGUN + 24 * HOUR) == before
    assert added_at(book, BEGUN + 24 * HOUR + 1) == unseen, "it may have come about after the last reading"
    assert added_at(book.read(BEGUN + 24 * HOUR, "100"), BEGUN + 24 * HOUR + 1) == unseen
    assert book.read(BEGUN + 24 * HOUR + 1, "100").known == Range.exactly(HELD)


@pytest.mark.parametrize("where", ["vault", "desk"])
def test_a_claim_is_remembered_while_its_source_is_silent_also_at_a_place_that_was_never_told(where: str) -> None:
    policy = policy_of("1")
    book = Book(replace(policy, claims=replace(policy.claims, authorities=dict.fromkeys(("ETH@vault", "ETH@desk"), "custody"))))
    book.told(announcement("d", "10", BEGUN, location=where), ev.DecisionDue(at=BEGUN, quotes=()))
    for hours in (1, 25, 49, 200):
        assert added_at(book, BEGUN + hours * HOUR) == (0, 10), hours


@pytest.mark.parametrize("is_told_by_another", [False, True])
def test_a_deadline_is_read_by_the_source_that_is_believed_now(is_told_by_another: bool) -> None:
    policy = policy_of("1")

    def believing(source: str) -> Policy:
        return replace(policy, claims=replace(policy.claims, authorities={"ETH@vault": "custody", "ETH@desk": source}))

    book = Book(believing("old"))
    if is_told_by_another:
        total = ev.CollateralObserved(at=BEGUN - MINUTE, source="old", location="desk", asset=ETH, quantity=D(5), redemption_rate=D(1))
        book.told(total, ev.CollateralConfirmed(at=BEGUN - MINUTE, source="old"))
    book.policy = believing("custody")
    book.told(announcement("d", "10", BEGUN, location="desk"), ev.DecisionDue(at=BEGUN, quotes=()))
    for hours, is_over in ((1, False), (25, True)):
        book.told(ev.CollateralConfirmed(at=BEGUN + hours * HOUR, source="custody"))
        assert (added_at(book, BEGUN + hours * HOUR) == (0, 0)) is is_over, hours


def test_at_a_place_that_its_source_never_told_of_a_deadline_ends_with_its_word_on_all_others() -> None:
    book = Book(replace(policy_of("1"), claims=replace(policy_of("1").claims, authorities={"ETH@desk": "custody"})))
    book.told(announcement("d", "10", BEGUN, location="desk"), ev.DecisionDue(at=BEGUN, quotes=()))
    assert added_at(book, BEGUN + 24 * HOUR + 1) == (0, 10)
    assert book.read(BEGUN + 24 * HOUR + 1, "100").known == Range.exactly(HELD)


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
        if draw.random() < 0.7:
            book.read(now, total)
        else:
            book.told(ev.DecisionDue(at=now, quotes=()))
        assert said(book.ledger, book) == said(after_restart(book).ledger, book)


def test_a_claim_that_others_told_too_is_a_sources_own_as_well() -> None:
    words = [announcement("1:0xab:0", "10", BEGUN, source=source) for source in ("chain", "backend")]
    book = Book(policy_of("1")).told(*words, ev.DecisionDue(at=BEGUN, quotes=()))
    assert {state.value: [c.id for c in its] for state, its in told_by("chain", book.ledger, book.policy).items()} == {
        "pending": ["1:0xab:0"]
    }
    assert not told_by("custody", book.ledger, book.policy)
