"""A move between our own places that looks like what was announced: the claim may be awaited still, and nothing is hedged on it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core import events as ev
from bot.core.claim_records import MOVEMENT_MS
from bot.core.claim_terms import RedemptionEnd
from bot.core.claims import place_records
from bot.core.reports import ClaimKind, ClaimStage
from bot.core.units import Range
from tests.core.claim_words import ETH
from tests.core.story import T0
from tests.core.test_claim_announcers import D, decided, desk, policy_at_two, word
from tests.core.test_claim_deadlines import added_at, after_restart
from tests.core.test_claim_matching import BEGUN, HELD, LEAD_MS, MINUTE, SECOND, Book

HOUR = 60 * MINUTE
TOGETHER_MS = LEAD_MS + MOVEMENT_MS
"""Within how much time both halves of a move are told."""
DEPOSIT = {"kind": ClaimKind.DEPOSIT}
PRICED = {"kind": ClaimKind.REDEMPTION, "stage": ClaimStage.PRICED}
SETTLED = {"kind": ClaimKind.REDEMPTION, "stage": ClaimStage.SETTLED}


def two_places(share: str = "0") -> Book:
    """100 lie at the vault and 50 at the desk."""
    return Book(policy_at_two(share)).told(desk("50", T0)).read(BEGUN - 2 * MINUTE, HELD)


def read_both(book: Book, at: int, vault: str, at_desk: str) -> Book:
    if book.ledger.places["ETH@desk"].total != D(at_desk):
        book.told(desk(at_desk, at))
    return book.read(at, vault)


def observed(vault: str, at: int) -> ev.CollateralObserved:
    return ev.CollateralObserved(at=at, source="custody", location="vault", asset=ETH, quantity=D(vault), redemption_rate=D(1))


def taken_for_paid() -> Book:
    """10 are priced to leave the vault, and are moved to the desk to be paid from there."""
    return read_both(decided(two_places(), word("r1", "10", "backend", **PRICED)), BEGUN + MINUTE, "90", "60")


def test_a_move_to_another_place_may_not_have_been_the_redemption_that_it_looks_like() -> None:
    book = taken_for_paid()
    assert book.known == Range(D(140), D(150)), "what is hedged stays"
    assert read_both(book, BEGUN + 3 * MINUTE, "90", "50").known == Range(D(130), D(140)), "paid from there, or another was"
    decided(book, word("r1", "10", "backend", BEGUN + 4 * MINUTE, **SETTLED))
    assert read_both(book, BEGUN + 4 * MINUTE + LEAD_MS, "90", "50").known == Range.exactly(D(140))


def test_what_was_moved_counts_once_the_redemption_was_told_settled_or_its_deadline_was_seen_to_pass() -> None:
    book = decided(taken_for_paid(), word("r1", "10", "backend", BEGUN + 2 * MINUTE, **SETTLED))
    assert read_both(book, BEGUN + 2 * MINUTE + LEAD_MS - 1, "90", "60").known == Range(D(140), D(150))
    assert read_both(book, BEGUN + 2 * MINUTE + LEAD_MS, "90", "60").known == Range.exactly(D(150))
    book = read_both(taken_for_paid(), BEGUN + 24 * HOUR, "90", "60")
    assert book.known == Range(D(140), D(150))
    assert added_at(book, BEGUN + 25 * HOUR) == (-10, 0), "it may have been paid since the last reading"
    assert read_both(book, BEGUN + 25 * HOUR, "90", "60").known == Range.exactly(D(150))


def test_a_move_from_another_place_may_not_have_been_the_deposit_that_it_looks_like() -> None:
    book = decided(two_places("1"), word("d1", "10", "backend", **DEPOSIT))
    assert read_both(book, BEGUN + MINUTE, "110", "40").known == Range(D(150), D(160)), "what is hedged stays"
    assert read_both(book, BEGUN + 3 * MINUTE, "120", "40").known == Range(D(160), D(170))
    decided(book, word("d1", "10", "backend", BEGUN + 4 * MINUTE, **DEPOSIT, stage=ClaimStage.SETTLED))
    assert read_both(book, BEGUN + 4 * MINUTE + LEAD_MS, "120", "40").known == Range.exactly(D(160))


def test_where_deposits_are_not_hedged_before_they_come_a_move_that_looks_like_one_changes_nothing() -> None:
    book = decided(two_places(), word("d1", "10", "backend", **DEPOSIT))
    assert read_both(book, BEGUN + MINUTE, "110", "40").known == Range.exactly(D(150))


@pytest.mark.parametrize(("apart_ms", "may_be_one"), [
    (TOGETHER_MS, True), (-TOGETHER_MS, True), (TOGETHER_MS + 1, False), (-TOGETHER_MS - 1, False)
])  # fmt: skip
def test_the_halves_of_a_move_are_told_about_the_same_time(apart_ms: int, may_be_one: bool) -> None:
    book = decided(two_places(), word("r1", "10", "backend", **PRICED))
    totals = {"vault": "100", "desk": "50"}
    for at, where, total in sorted([(BEGUN + 10 * MINUTE, "vault", "90"), (BEGUN + 10 * MINUTE + apart_ms, "desk", "60")]):
        totals[where] = total
        read_both(book, at, totals["vault"], totals["desk"])
    assert book.known == (Range(D(140), D(150)) if may_be_one else Range.exactly(D(150)))


def test_what_was_announced_at_the_other_place_and_came_there_is_no_half_of_a_move() -> None:
    book = decided(two_places(), word("r1", "10", "backend", **PRICED), word("d1", "10", "backend", location="desk", **DEPOSIT))
    assert read_both(book, BEGUN + MINUTE, "90", "60").known == Range.exactly(D(150))


def test_what_moved_in_part_leaves_as_much_in_doubt_and_each_unit_once() -> None:
    book = decided(two_places(), word("r1", "10", "backend", **PRICED), word("r2", "7", "backend", **PRICED))
    assert read_both(book, BEGUN + MINUTE, "83", "57").known == Range(D(133), D(140))
    book = decided(two_places(), word("r1", "10", "backend", **PRICED), word("r2", "7", "backend", **PRICED))
    read_both(book, BEGUN + MINUTE, "90", "60")
    assert read_both(book, BEGUN + MINUTE + SECOND, "83", "60").known == Range(D(133), D(143))


def test_a_deposit_and_a_redemption_that_look_like_a_move_of_their_difference_may_both_be_awaited() -> None:
    book = decided(two_places(), word("r1", "10", "backend", **PRICED), word("d1", "7", "backend", **DEPOSIT))
    assert read_both(book, BEGUN + MINUTE, "97", "53").known == Range(D(140), D(150))


def test_where_all_was_moved_from_a_place_what_is_to_be_paid_lies_at_the_other() -> None:
    book = decided(two_places(), word("r1", "10", "backend", **PRICED))
    read_both(book, BEGUN + MINUTE, "90", "60")
    assert read_both(book, BEGUN + 2 * MINUTE, "0", "150").known == Range(D(140), D(150))
    assert read_both(book, BEGUN + 3 * MINUTE, "0", "4").known == Range(D(0), D(4)), "no more than is there can leave"


def test_policy_that_ends_a_redemption_with_its_total_knows_no_such_doubt() -> None:
    policy = policy_at_two("0")
    policy = replace(policy, claims=replace(policy.claims, redemption_ends=RedemptionEnd.SETTLED))
    book = Book(policy).told(desk("50", T0)).read(BEGUN - 2 * MINUTE, HELD)
    assert read_both(decided(book, word("r1", "10", "backend", **PRICED)), BEGUN + MINUTE, "90", "60").known == Range.exactly(D(150))


@given(st.data(), st.sampled_from(["0", "0.5", "1"]))
def test_whatever_is_moved_between_places_the_right_hedge_is_possible(data: st.DataObject, share: str) -> None:
    """Deposits and redemptions come about where they were announced, or not at all so far; in between coins are moved, told at once."""
    book, now, totals = read_both(two_places(share), BEGUN - MINUTE, "100", "100"), BEGUN + 2 * MINUTE, {"vault": D(100), "desk": D(100)}
    open_claims: dict[str, tuple[ClaimKind, Decimal, str]] = {}
    quantities = data.draw(st.lists(st.sampled_from([D(q) for q in (1, 2, 4, 8, 16)]), min_size=1, max_size=4, unique=True))
    for number, quantity in enumerate(quantities):
        kind, where = data.draw(st.sampled_from(list(ClaimKind))), data.draw(st.sampled_from(sorted(totals)))
        terms = PRICED if kind is ClaimKind.REDEMPTION else DEPOSIT
        decided(book, word(f"c{number}", str(quantity), "backend", now, location=where, **terms))
        open_claims[f"c{number}"] = (kind, quantity, where)
    for _ in range(data.draw(st.integers(1, 5))):
        now += data.draw(st.integers(1, 3)) * MINUTE
        if open_claims and data.draw(st.booleans()):
            kind, quantity, where = open_claims.pop(data.draw(st.sampled_from(sorted(open_claims))))
            totals[where] += quantity if kind is ClaimKind.DEPOSIT else -quantity
        else:
            quantity, source = data.draw(st.sampled_from(quantities)), data.draw(st.sampled_from(sorted(totals)))
            totals[source] -= quantity
            totals["desk" if source == "vault" else "vault"] += quantity
        known = read_both(book, now, str(totals["vault"]), str(totals["desk"])).known
        leaving = sum((q for kind, q, _ in open_claims.values() if kind is ClaimKind.REDEMPTION), D(0))
        coming = sum((q for kind, q, _ in open_claims.values() if kind is ClaimKind.DEPOSIT), D(0))
        hedged = sum(totals.values()) - leaving + D(share) * coming
        assert known is not None
        assert known.low <= hedged <= known.high, (totals, open_claims, known)


def test_who_asks_before_a_decision_changes_nothing_of_what_is_decided() -> None:
    """The claim is told settled, and what was moved counts again with a reading long enough after that."""
    at = BEGUN + 2 * MINUTE + LEAD_MS
    book = decided(taken_for_paid(), word("r1", "10", "backend", BEGUN + 2 * MINUTE, **SETTLED))
    book.told(ev.CollateralConfirmed(at=at, source="custody"))
    place_records(book.ledger, book.policy)  # as a statement does, at any moment
    book.told(ev.DecisionDue(at=at, quotes=()))
    assert book.known == after_restart(book).known == Range.exactly(D(150))


@pytest.mark.parametrize("settled", ["r1", "r2"])
def test_of_two_alike_either_may_be_the_one_that_was_only_moved(settled: str) -> None:
    """10 are moved to the desk, and 10 are paid out of the vault: which of the two claims that was, nobody tells."""
    book = decided(two_places(), word("r1", "10", "backend", **PRICED), word("r2", "10", "backend", BEGUN + 1, **PRICED))
    read_both(book, BEGUN + MINUTE, "90", "60")
    at = BEGUN + 20 * MINUTE
    decided(read_both(book, at, "80", "60"), word(settled, "10", "backend", at, **SETTLED))
    assert read_both(book, at + LEAD_MS, "80", "60").known == Range(D(130), D(140))


@pytest.mark.parametrize("apart_ms", [0, 1])
def test_two_changes_of_one_instant_may_both_be_halves_of_a_move(apart_ms: int) -> None:
    book = decided(two_places(), word("r1", "10", "backend", **PRICED), word("r2", "7", "backend", **PRICED))
    at = BEGUN + MINUTE
    book.told(desk("60", at), desk("67", at + apart_ms))
    book.told(observed("90", at), observed("83", at + apart_ms))
    book.told(ev.CollateralConfirmed(at=at + apart_ms, source="custody"), ev.DecisionDue(at=at + apart_ms, quotes=()))
    assert book.known == Range(D(133), D(150))
