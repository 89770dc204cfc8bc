"""Deposits and redemptions that net out within one reading of a total: what is certain of them, what may be, and how doubt ends."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core import claim_matching, invariants
from bot.core import events as ev
from bot.core.claim_terms import RedemptionEnd
from bot.core.claims import judged, place_records
from bot.core.engine import step
from bot.core.holdings import collateral
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.reports import ClaimKind, ClaimStage
from bot.core.units import Range
from tests.core.claim_words import ETH, LIMITS, announcement, claims_policy
from tests.core.story import T0

D = Decimal
SECOND, MINUTE = 1_000, 60_000
HELD = D(100)
LEAD_MS = 5 * SECOND
WIDE_LIMITS = {ETH: replace(LIMITS, deposits_max=D(10_000), redemptions_max=D(10_000), total_max=None)}
BEGUN = T0 + 20 * MINUTE
"""When the stories begin: what was there before confirms nothing of them."""


def policy_of(share: str = "0", ends: RedemptionEnd = RedemptionEnd.PRICED) -> Policy:
    return claims_policy(hedge_share=D(share), redemption_ends=ends, lead_ms=LEAD_MS, limits=WIDE_LIMITS)


class Book:
    """A ledger that is told facts, and decides after each reading of the vault."""

    def __init__(self, policy: Policy) -> None:
        self.policy, self.ledger = policy, Ledger(started_at=T0)
        self.read(T0, HELD).read(BEGUN - SECOND, HELD)

    def told(self, *events: ev.Event) -> Book:
        for event in events:
            self.ledger = step(self.ledger, event, self.policy).ledger
        return self

    def read(self, at: int, total: Decimal | str) -> Book:
        """The vault is read; a total that is no other than before is confirmed only."""
        quantity = D(total)
        before = self.ledger.places.get("ETH@vault")
        if before is None or before.total != quantity:
            self.told(ev.CollateralObserved(at=at, source="custody", location="vault", asset=ETH, quantity=quantity, redemption_rate=D(1)))
        return self.told(ev.CollateralConfirmed(at=at, source="custody"), ev.DecisionDue(at=at, quotes=()))

    def deposit(self, claim: str, quantity: str, at: int, stage: str = "announced") -> Book:
        return self.told(announcement(claim, quantity, at, stage=ClaimStage(stage)), ev.DecisionDue(at=at, quotes=()))

    def redemption(self, claim: str, quantity: str, at: int, stage: str = "priced") -> Book:
        word = announcement(claim, quantity, at, kind=ClaimKind.REDEMPTION, stage=ClaimStage(stage))
        return self.told(word, ev.DecisionDue(at=at, quotes=()))

    @property
    def known(self) -> Range | None:
        assert not invariants.broken(self.ledger)
        return collateral(self.ledger, self.policy, ETH)

    @property
    def states(self) -> dict[str, str]:
        return {j.claim.id: j.state.value for j in judged(self.ledger, self.policy)}


def awaited(policy: Policy | None = None, deposit: str = "10", redemption: str = "7") -> Book:
    """A deposit is announced and a redemption priced, and the vault was read before either came about."""
    return Book(policy or policy_of()).deposit("d", deposit, BEGUN).redemption("r", redemption, BEGUN + 1)


@pytest.mark.parametrize("share", ["0", "1"])
def test_a_deposit_and_a_redemption_that_one_reading_shows_as_their_difference_are_both_over(share: str) -> None:
    book = awaited(policy_of(share)).read(BEGUN + SECOND, "103")
    assert book.states == {"d": "confirmed", "r": "confirmed"}
    assert book.known == Range.exactly(D(103))
    (record,) = place_records(book.ledger, book.policy)
    assert (record.confirmed, record.pending, record.leaving, record.counted) == (103, 0, 0, 103)


def test_a_fall_that_is_the_difference_of_several_is_all_of_them() -> None:
    book = awaited(deposit="4", redemption="7").redemption("s", "5", BEGUN + 2).read(BEGUN + SECOND, "92")
    assert set(book.states.values()) == {"confirmed"}
    assert book.known == Range.exactly(D(92))


def test_before_a_reading_could_have_shown_it_a_redemption_ends_its_delta_as_told() -> None:
    assert awaited(redemption="10").known == Range.exactly(D(90))


def test_what_may_have_netted_out_and_may_not_is_a_range_until_a_total_tells() -> None:
    book = awaited(redemption="10").read(BEGUN + SECOND, "100")
    assert book.known == Range(D(90), D(100)), "nothing has changed: both came about, or neither"
    assert book.states == {"d": "pending", "r": "leaving"}
    assert book.read(BEGUN + 2 * SECOND, "90").known == Range.exactly(D(90)), "the redemption goes, so it had not gone before"
    assert book.states == {"d": "pending", "r": "confirmed"}


def test_the_word_that_a_redemption_is_settled_ends_the_doubt_once_a_reading_is_younger() -> None:
    book = awaited(redemption="10").read(BEGUN + SECOND, "100").redemption("r", "10", BEGUN + 2 * SECOND, "settled")
    assert book.read(BEGUN + 3 * SECOND, "100").known == Range(D(90), D(100)), "the total may be told a little late"
    assert book.read(BEGUN + 2 * SECOND + LEAD_MS, "100").known == Range.exactly(D(100))
    assert book.states == {"d": "confirmed", "r": "confirmed"}


def test_the_word_that_a_redemption_is_settled_is_not_believed_against_the_total() -> None:
    """By the terms a reading of that age shows it: what is there then counts, and is not taken for gone a second time."""
    book = Book(policy_of()).redemption("r", "10", BEGUN, "settled").read(BEGUN + LEAD_MS - 1, "100")
    assert (book.known, book.states) == (Range.exactly(D(90)), {"r": "leaving"})
    book.read(BEGUN + LEAD_MS, "100")
    assert (book.known, book.states) == (Range.exactly(D(100)), {"r": "pending"})


def test_of_two_ways_in_which_a_change_may_have_come_about_both_stay_possible_until_one_is_shown() -> None:
    book = awaited().deposit("e", "3", BEGUN + 2).read(BEGUN + SECOND, "103")
    assert book.known == Range(D(96), D(103)), "the deposit of 3, or that of 10 and the redemption"
    later = Book(book.policy)
    later.ledger = book.ledger
    assert book.read(BEGUN + 2 * SECOND, "113").known == Range.exactly(D(106)), "10 come: it had been the 3"
    assert later.read(BEGUN + 2 * SECOND, "106").known == Range.exactly(D(106)), "3 come: it had been the 10 and the redemption"
    assert later.states == {"d": "confirmed", "e": "confirmed", "r": "confirmed"}


def test_a_deposit_that_comes_in_parts_settles_no_redemption_for_certain() -> None:
    book = awaited(redemption="10").deposit("e", "2", BEGUN + 2).read(BEGUN + SECOND, "101").read(BEGUN + 2 * SECOND, "102")
    assert book.known == Range(D(92), D(102)), "the deposit comes in parts, or others brought something while all of it netted out"
    assert book.states["d"] == "pending"


def test_of_claims_that_are_alike_those_that_were_told_settled_before_the_reading_are_over() -> None:
    book = Book(policy_of())
    for name in "abc":
        book.deposit(name, "1", BEGUN)
    book.redemption("r", "1", BEGUN).redemption("s", "1", BEGUN + 1).read(BEGUN + 6 * SECOND, "101")
    book.deposit("a", "1", BEGUN + 7 * SECOND, "settled")
    word = replace(announcement("b", "1", BEGUN + SECOND, stage=ClaimStage.SETTLED), at=BEGUN + 9 * SECOND)
    book.told(word, replace(word, claim="c"), ev.DecisionDue(at=BEGUN + 9 * SECOND, quotes=()))
    assert book.known == Range(D(100), D(101)), "b and c came, and one redemption went with them, or a and another as well"


@pytest.mark.parametrize("is_too_old", [False, True])
def test_a_fall_that_may_have_been_a_redemption_or_not_leaves_a_deposit_in_doubt_that_may_have_netted_out(is_too_old: bool) -> None:
    """Others take 60, more than the redemption that is announced a little later. It then goes in the same reading as the deposit comes: it
    was not in the fall, and no total shows either of them. A fall that is too old to have been the redemption leaves no doubt."""
    announced = BEGUN + 2 * MINUTE
    book = Book(policy_of("1", RedemptionEnd.SETTLED)).read(announced - MINUTE - LEAD_MS - is_too_old, "40")
    book.deposit("d", "10", announced).redemption("r", "10", announced, "settled").read(announced + LEAD_MS, "40")
    assert book.known == (Range.exactly(D(40)) if is_too_old else Range(D(40), D(50)))
    assert book.states == {"d": "confirmed" if is_too_old else "pending", "r": "confirmed"}


def test_what_a_fall_may_hide_excuses_no_word_that_a_deposit_is_settled() -> None:
    """A rise of 3 was the e of 3, or d and r; then others take 25 while f comes, which is told settled; and then 3 come, and r had not gone
    before: s of 7 is still to go, or e comes now."""
    book = awaited().deposit("e", "3", BEGUN + 2).deposit("f", "5", BEGUN + 3).read(BEGUN + SECOND, "103")
    book.read(BEGUN + 2 * MINUTE, "83").deposit("f", "5", BEGUN + 3 * MINUTE, "settled").read(BEGUN + 4 * MINUTE, "83")
    book.redemption("s", "7", BEGUN + 5 * MINUTE).read(BEGUN + 6 * MINUTE, "86")
    assert book.known == Range(D(79), D(86))


def test_of_two_stories_that_come_to_the_same_the_one_that_explains_more_counts() -> None:
    """A fall of 17 was s and x, or s and y less e; that a part of s had gone before, as the fall of 5 looked, explains less."""
    book = Book(policy_of()).redemption("s", "10", BEGUN).read(BEGUN + SECOND, "95")
    book.redemption("x", "7", BEGUN + 3 * MINUTE).redemption("y", "10.5", BEGUN + 3 * MINUTE).deposit("e", "3.5", BEGUN + 3 * MINUTE)
    assert book.read(BEGUN + 4 * MINUTE, "78").known == Range(D("67.5"), D(71))


def test_what_nobody_believes_explains_nothing() -> None:
    book = Book(policy_of())
    forged = announcement("d", "10", BEGUN, depositor="nobody")
    book.told(forged, replace(forged, claim="f", is_authentic=False)).redemption("r", "7", BEGUN + 1).read(BEGUN + SECOND, "103")
    assert book.states == {"d": "held", "r": "leaving"}
    assert book.known == Range(D(96), D(103)), "nobody knows what the rise hides"


def test_with_more_open_claims_than_are_tried_anything_up_to_the_smaller_side_may_have_netted_out() -> None:
    book = Book(policy_of())
    for number in range(claim_matching.CLAIMS_TRIED + 1):
        book.deposit(f"d{number:02}", str(D(1) + D(number) / 1_000), BEGUN + number)
    book.redemption("r", "4.5", BEGUN + 50).read(BEGUN + SECOND, "100")
    assert book.known == Range(D("95.5"), D(100))


def test_what_was_too_many_to_try_and_is_over_leaves_no_doubt() -> None:
    book = Book(policy_of()).redemption("q", "40", BEGUN - 2)
    count = claim_matching.CLAIMS_TRIED + 1
    for number in range(count):
        book.deposit(f"d{number:02}", "3", BEGUN + number)
    book.read(BEGUN + SECOND, "60")
    for number in range(count):
        book.read(BEGUN + (number + 2) * SECOND, str(63 + 3 * number))
    book.read(BEGUN + 2 * MINUTE, "87").read(BEGUN + 4 * MINUTE, "87")
    book.deposit("d", "10", BEGUN + 4 * MINUTE).redemption("r", "7", BEGUN + 4 * MINUTE).read(BEGUN + 4 * MINUTE + 5 * SECOND, "87")
    assert book.known == Range.exactly(D(80))


def test_however_many_there_are_the_work_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim_matching, "EFFORT_MAX", 20)
    book = awaited(redemption="10").deposit("e", "3", BEGUN + 2).deposit("f", "2", BEGUN + 3)
    for second in range(1, 6):
        book.read(BEGUN + second * SECOND, str(100 + second))
    assert book.known == Range(D(95), D(105)), "what was not looked for may be: 10 of each kind, of which 5 deposits are awaited"


@dataclass(frozen=True)
class Promise:
    """What really comes to the vault, or goes, and the seconds at which it is announced, priced, happens and is told settled."""

    claim: str
    kind: ClaimKind
    quantity: int
    announced: int
    priced: int
    happens: int
    settled: int

    def words(self) -> list[tuple[int, ev.CollateralAnnounced]]:
        stages = [(self.announced, ClaimStage.ANNOUNCED), (self.settled, ClaimStage.SETTLED)]
        if self.kind is ClaimKind.REDEMPTION:
            stages.append((self.priced, ClaimStage.PRICED))
        return [
            (
                s,
                announcement(
                    self.claim, str(self.quantity), BEGUN + s * SECOND, kind=self.kind, stage=stage, announced_at=BEGUN + s * SECOND
                ),
            )
            for s, stage in stages
        ]

    @property
    def units(self) -> int:
        return self.quantity if self.kind is ClaimKind.DEPOSIT else -self.quantity


@st.composite
def promises(draw: st.DrawFn) -> list[Promise]:
    found = []
    for number in range(draw(st.integers(1, 6))):
        announced = draw(st.integers(0, 60))
        priced = announced + draw(st.integers(0, 20))
        happens = priced + draw(st.integers(1, 60))
        kind = draw(st.sampled_from(list(ClaimKind)))
        settled = happens + draw(st.integers(0, 20))
        found.append(Promise(f"c{number}", kind, draw(st.sampled_from([1, 2, 3, 5, 7, 10])), announced, priced, happens, settled))
    return found


READS = st.lists(st.integers(1, 170), max_size=8).map(sorted)
SHARES = st.sampled_from(["0", "0.25", "1"])
LAST = 200


def total_at(world: list[Promise], second: int) -> Decimal:
    return HELD + sum(p.units for p in world if p.happens <= second)


def _is_within(book: Book, world: list[Promise], second: int, heard: list[ev.CollateralAnnounced]) -> bool:
    """Whether what the book takes for possible holds what is true of the vault at its newest reading, by the words that were heard."""
    priced = {word.claim for word in heard if word.stage is not ClaimStage.ANNOUNCED}
    open_still = [p for p in world if p.happens > second and any(word.claim == p.claim for word in heard)]
    leaving = sum(p.quantity for p in open_still if p.kind is ClaimKind.REDEMPTION and p.claim in priced)
    coming = sum(p.quantity for p in open_still if p.kind is ClaimKind.DEPOSIT)
    share, known = book.policy.claims.hedge_share, book.known
    assert known is not None
    certain = total_at(world, second) - leaving
    return known.low <= certain + share * coming and certain + (coming if share else 0) <= known.high


@given(promises(), READS, SHARES, st.integers(0, 1_000))
def test_whenever_totals_are_read_and_words_are_told_the_truth_is_possible_and_in_the_end_certain(
    world: list[Promise], reads: list[int], share: str, seed: int
) -> None:
    """Words come late, again and in another order. While nothing is missing of what came about, what is true is within the range; once all
    was told settled and the vault was read, the book holds what the vault does and awaits nothing."""
    draw = Random(seed)
    told = [(s + draw.choice((0, 0, 5, 30)), word) for p in world for s, word in p.words() for _ in range(draw.choice((1, 1, 2)))]
    book, heard, now = Book(policy_of(share)), [], -1
    facts = sorted([(s, 0, n) for n, (s, _) in enumerate(told)] + [(s, 1, 0) for s in reads], key=lambda f: f[:2])
    for second, is_reading, number in facts:
        at = BEGUN + second * SECOND
        if is_reading:
            book.read(at, total_at(world, second))
            now = second
        else:
            book.told(replace(told[number][1], at=at), ev.DecisionDue(at=at, quotes=()))
            heard.append(told[number][1])
        if {p.claim for p in world if p.happens <= now} <= {word.claim for word in heard if word.stage is ClaimStage.ANNOUNCED}:
            assert _is_within(book, world, now, heard)
    book.read(BEGUN + LAST * SECOND, total_at(world, LAST))
    assert book.known == Range.exactly(total_at(world, LAST))
    assert set(book.states.values()) == {"confirmed"}
    (record,) = place_records(book.ledger, book.policy)
    assert (record.pending, record.leaving, record.counted) == (0, 0, record.confirmed)


@given(promises(), READS, st.permutations(range(40)))
def test_the_order_and_number_of_words_among_the_same_readings_changes_nothing(
    world: list[Promise], reads: list[int], order: list[int]
) -> None:
    words = [word for p in world for _, word in p.words()]
    books = []
    for number in range(2):
        book = Book(policy_of("0.25"))
        mixed = words if not number else [words[n % len(words)] for n in (*order, *range(len(words)))]
        events = [replace(word, at=BEGUN + LAST * SECOND) for word in mixed]
        if number:
            book.told(*events)
        for second in reads:
            book.read(BEGUN + second * SECOND, total_at(world, second))
        book.told(*events).told(ev.DecisionDue(at=BEGUN + LAST * SECOND, quotes=()))
        books.append((book.states, place_records(book.ledger, book.policy), book.known))
    assert books[0] == books[1]
