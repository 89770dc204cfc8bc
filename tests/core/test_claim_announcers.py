"""One deposit that two announcers tell of, or that comes to another place than it was announced at: hedged once, confirmed once."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import permutations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core import events as ev
from bot.core.claim_announcers import told_once
from bot.core.claim_records import MOVEMENT_MS
from bot.core.claim_terms import RedemptionEnd
from bot.core.claims import judged, place_records
from bot.core.policy import Policy
from bot.core.reports import ClaimKind, ClaimStage
from bot.core.units import Range
from tests.core.claim_words import ETH, LIMITS, announcement
from tests.core.story import T0
from tests.core.test_claim_matching import BEGUN, HELD, LAST, LEAD_MS, MINUTE, READS, SECOND, Book, Promise, policy_of, promises, total_at

D = Decimal
EARLIEST = LEAD_MS + MOVEMENT_MS
"""How long before the word on it a movement may be what it tells of."""
TWO_PLACES = {"ETH@vault": "custody", "ETH@desk": "custody"}


def policy_at_two(share: str = "1") -> Policy:
    policy = policy_of(share)
    return replace(policy, claims=replace(policy.claims, authorities=TWO_PLACES))


def word(claim: str, quantity: str, source: str, at: int = BEGUN, **changes: object) -> ev.CollateralAnnounced:
    return announcement(claim, quantity, at, source=source, **changes)


def decided(book: Book, *events: ev.Event) -> Book:
    return book.told(*events, ev.DecisionDue(at=max(e.at for e in events), quotes=()))


def desk(quantity: str, at: int) -> ev.CollateralObserved:
    return ev.CollateralObserved(at=at, source="custody", location="desk", asset=ETH, quantity=D(quantity), redemption_rate=D(1))


def test_a_deposit_that_two_announcers_tell_of_is_hedged_once_and_confirmed_once() -> None:
    book = decided(Book(policy_of("1")), word("d1", "10", "backend"), word("1:0xab:0", "10", "chain", BEGUN + 40 * SECOND))
    assert book.known == Range.exactly(D(110))
    (record,) = place_records(book.ledger, book.policy)
    assert (record.pending, record.counted) == (10, 110)
    assert {j.claim.id: j.told_by for j in judged(book.ledger, book.policy)} == {"d1": "", "1:0xab:0": "d1"}
    assert book.read(BEGUN + MINUTE, "110").known == Range.exactly(D(110))
    assert set(book.states.values()) == {"confirmed"}


def test_what_two_announcers_tell_of_takes_its_part_of_an_interval_once() -> None:
    policy = policy_of("1")
    policy = replace(policy, claims=replace(policy.claims, limits={ETH: LIMITS}))
    words = [word(f"{source}{n}", "30", source, BEGUN + n) for n in range(3) for source in ("backend", "chain")]
    book = decided(Book(policy), *words)
    assert book.states == {f"{s}{n}": "held" if n == 2 else "pending" for n in range(3) for s in ("backend", "chain")}, "80 are allowed"
    assert book.known == Range.exactly(D(160))


def test_two_deposits_of_one_announcer_are_two() -> None:
    book = decided(Book(policy_of("1")), word("d1", "10", "backend"), word("d2", "10", "backend"))
    assert book.known == Range.exactly(D(120))


def test_two_that_were_really_meant_count_as_totals_show_them() -> None:
    book = decided(Book(policy_of("1")), word("d1", "10", "backend"), word("x1", "10", "chain"))
    assert book.read(BEGUN + SECOND, "110").known == Range.exactly(D(110))
    assert book.read(BEGUN + MINUTE, "120").known == Range.exactly(D(120))


def test_each_announcers_words_are_taken_in_their_order() -> None:
    words = [word(f"{source}{n}", "10", source, BEGUN + n) for n in range(3) for source in ("backend", "chain", "desk")]
    book = decided(Book(policy_of("1")), *words)
    assert book.known == Range.exactly(D(130))
    claims = sorted(book.ledger.claims.values(), key=lambda c: (c.announced_at, c.id))
    assert [[c.id for c in told.members] for told in told_once(claims, lambda _: BEGUN + MINUTE)] == [
        [f"{source}{n}" for source in ("backend", "chain", "desk")] for n in range(3)
    ]


@pytest.mark.parametrize("second", ["10", "9.99", "5"])
def test_a_claim_that_another_announcer_repeats_by_its_id_makes_no_other_claim_vanish(second: str) -> None:
    """The chain tells two, so that they are two, whoever else tells of one of them."""
    priced = {"kind": ClaimKind.REDEMPTION, "stage": ClaimStage.PRICED}
    book = decided(Book(policy_of()), word("x1", "10", "chain", **priced), word("x2", second, "chain", BEGUN + 1, **priced))
    left = Range.exactly(HELD - 10 - D(second))
    assert book.known == left
    assert decided(book, word("x1", "10", "backend", BEGUN + 2, **priced)).known == left
    assert decided(book, word("x2", second, "backend", BEGUN + 3, **priced)).known == left
    assert {j.claim.id: j.told_by for j in judged(book.ledger, book.policy)} == {"x1": "", "x2": ""}


def test_a_smaller_claim_that_another_announcer_repeats_makes_the_larger_no_less_certain() -> None:
    book = decided(Book(policy_of("1")), word("x1", "9.99", "chain"), word("x2", "10", "chain"))
    assert decided(book, word("x1", "9.99", "backend")).known == Range.exactly(D("119.99"))
    decided(book, word("d1", "9.98", "backend"))
    assert book.known == Range(D("119.99"), D("129.97")), "x2, as the chain tells it, may be d1 of the backend"


def test_what_nobody_told_of_twice_may_be_one_and_what_somebody_did_is_two() -> None:
    """x1 is told by both under one id, and then each tells of another one, by ids of their own: these may be one."""
    words = [
        word("x1", "10", "chain"),
        word("x1", "10", "backend"),
        word("x2", "10", "chain", BEGUN + 1),
        word("d2", "10", "backend", BEGUN + 2),
    ]
    for order in permutations(words):
        book = decided(Book(policy_of("1")), *order)
        assert book.known == Range.exactly(D(120))
        assert {j.claim.id: j.told_by for j in judged(book.ledger, book.policy)} == {"x1": "", "x2": "", "d2": "x2"}


def test_what_comes_after_the_first_was_given_up_is_another() -> None:
    book = decided(Book(policy_of("1")), word("d1", "10", "backend"), word("x1", "10", "chain", BEGUN + SECOND))
    claims = sorted(book.ledger.claims.values(), key=lambda c: (c.announced_at, c.id))
    assert len(told_once(claims, lambda _: BEGUN)) == 2


def test_where_quantities_differ_a_little_nothing_is_hedged_on_the_second_word() -> None:
    """A fee that one of them tells without: the larger for certain, both for possible; and nothing of either once the total has it."""
    book = decided(Book(policy_of("1")), word("d1", "10", "backend"), word("1:0xab:0", "9.99", "chain"))
    assert book.known == Range(D(110), D("119.99"))
    known = book.read(BEGUN + SECOND, "109.99").known
    assert known is not None
    assert known.low == D(110) <= known.high, "what was hedged stays: a hundredth is awaited still"


def test_a_priced_redemption_that_two_tell_of_ends_its_delta_once() -> None:
    terms = {"kind": ClaimKind.REDEMPTION, "stage": ClaimStage.PRICED}
    book = decided(Book(policy_of()), word("r1", "10", "backend", **terms), word("x1", "10", "desk", **terms))
    assert book.known == Range.exactly(D(90))
    assert book.read(BEGUN + SECOND, "90").known == Range.exactly(D(90))
    assert set(book.states.values()) == {"confirmed"}


def test_the_furthest_stage_that_anybody_told_counts_and_who_canceled_counts_no_more() -> None:
    kind = {"kind": ClaimKind.REDEMPTION}
    book = decided(Book(policy_of()), word("x1", "10", "chain", **kind), word("r1", "10", "backend", stage=ClaimStage.PRICED, **kind))
    assert book.known == Range.exactly(D(90))
    decided(book, word("r1", "10", "backend", BEGUN + 1, stage=ClaimStage.CANCELED, **kind))
    assert book.known == Range.exactly(D(100))
    assert book.states == {"r1": "canceled", "x1": "pending"}


def test_a_deposit_that_comes_to_another_place_than_it_was_announced_at_is_hedged_once() -> None:
    book = Book(policy_at_two()).told(desk("50", T0)).read(BEGUN - SECOND, HELD)
    decided(book, word("d1", "10", "backend"))
    assert book.known == Range.exactly(D(160))
    book.told(desk("60", BEGUN + SECOND)).read(BEGUN + SECOND, HELD)
    assert book.known == Range(D(160), D(170)), "it came to the desk, or another did: what is hedged stays"
    assert book.read(BEGUN + 2 * SECOND, "110").known == Range.exactly(D(170)), "it had been another"


def test_what_was_announced_and_came_to_the_other_place_explains_itself_there_first() -> None:
    book = Book(policy_at_two()).told(desk("50", T0)).read(BEGUN - SECOND, HELD)
    decided(book, word("d1", "10", "backend"), word("d2", "7", "backend", location="desk"))
    book.told(desk("57", BEGUN + SECOND)).read(BEGUN + SECOND, HELD)
    assert book.known == Range.exactly(D(167))


def test_a_priced_redemption_that_leaves_from_another_place_is_not_unhedged_twice() -> None:
    book = Book(policy_at_two("0")).told(desk("50", T0)).read(BEGUN - SECOND, HELD)
    decided(book, word("r1", "10", "backend", kind=ClaimKind.REDEMPTION, stage=ClaimStage.PRICED))
    assert book.known == Range.exactly(D(140))
    book.told(desk("40", BEGUN + SECOND)).read(BEGUN + SECOND, HELD)
    assert book.known == Range(D(130), D(140))


@pytest.mark.parametrize(("quantity", "stage", "low", "high"), [
    ("20", ClaimStage.ANNOUNCED, 130, 140),
    ("20", ClaimStage.PRICED, 110, 140),
    ("7", ClaimStage.ANNOUNCED, 130, 140),
    ("7", ClaimStage.PRICED, 130, 133),
    ("10", ClaimStage.ANNOUNCED, 130, 130),
])  # fmt: skip
def test_what_fell_at_another_place_is_not_forgotten_where_an_open_redemption_there_may_have_taken_some_of_it(
    quantity: str, stage: ClaimStage, low: int, high: int
) -> None:
    """10 are priced at the vault, and 10 leave from the desk: r1, or a part of q, or more than q; only a q of 10 explains it itself."""
    redeemed = {"kind": ClaimKind.REDEMPTION, "stage": ClaimStage.PRICED}
    book = Book(policy_at_two("0")).told(desk("50", T0)).read(BEGUN - SECOND, HELD)
    decided(book, word("q", quantity, "backend", location="desk", **(redeemed | {"stage": stage})), word("r1", "10", "backend", **redeemed))
    assert book.told(desk("40", BEGUN + SECOND)).read(BEGUN + SECOND, HELD).known == Range(D(low), D(high))


@pytest.mark.parametrize(("before_ms", "may_be_it"), [(-SECOND, True), (0, True), (SECOND, True), (EARLIEST, True), (EARLIEST + 1, False)])
@pytest.mark.parametrize(
    ("kind", "total", "hedged", "twice"), [(ClaimKind.DEPOSIT, "60", 160, 170), (ClaimKind.REDEMPTION, "40", 140, 130)]
)
def test_what_moved_elsewhere_shortly_before_the_word_may_be_what_it_tells_of_as_at_its_own_place(
    before_ms: int, may_be_it: bool, kind: ClaimKind, total: str, hedged: int, twice: int
) -> None:
    book = Book(policy_at_two()).told(desk("50", T0)).read(BEGUN - 2 * MINUTE, HELD)
    moved = desk(total, BEGUN - before_ms)
    told = word("c", "10", "backend", kind=kind, stage=ClaimStage.PRICED if kind is ClaimKind.REDEMPTION else ClaimStage.ANNOUNCED)
    for event in sorted((moved, told), key=lambda e: e.at):
        decided(book, event)
    known = book.read(BEGUN + 2 * SECOND, HELD).known
    ends = sorted((D(hedged if may_be_it else twice), D(twice)))
    assert known == Range(*ends)


@pytest.mark.parametrize("ends", list(RedemptionEnd))
@given(promises(), READS, st.sampled_from(["0", "0.25", "1"]), st.integers(0, 1_000))
def test_whoever_tells_of_it_no_coin_is_hedged_twice_and_all_are_in_the_end(
    ends: RedemptionEnd, world: list[Promise], reads: list[int], share: str, seed: int
) -> None:
    """Each deposit and redemption is told by one announcer or by two, under one id or each under its own; none of a kind are alike."""
    world = list({(promise.kind, promise.quantity): promise for promise in world}.values())
    draw, book, facts = Random(seed), Book(policy_of(share, ends)), []
    for promise in world:
        by_one_id = draw.choice((True, False))
        for source in draw.choice((("backend",), ("chain",), ("backend", "chain"))):
            late = draw.choice((0, 3))
            words = [(s, replace(w, source=source, claim=w.claim if by_one_id else source + w.claim)) for s, w in promise.words()]
            facts += [(s + late, 0, w) for s, w in words]
    for second, is_reading, told in sorted([*facts, *((s, 1, None) for s in reads)], key=lambda f: f[:2]):
        at = BEGUN + second * SECOND
        if is_reading or told is None:
            book.read(at, total_at(world, second))
            coming = sum(p.quantity for p in world if p.kind is ClaimKind.DEPOSIT and p.happens > second and p.announced <= second)
            known = book.known
            assert known is not None
            assert known.low <= total_at(world, second) + D(share) * coming
        else:
            book.told(replace(told, at=at), ev.DecisionDue(at=at, quotes=()))
    book.read(BEGUN + LAST * SECOND, total_at(world, LAST))
    assert book.known == Range.exactly(total_at(world, LAST))
    assert set(book.states.values()) == {"confirmed"}
