"""Claims: the meeting of words on one claim, matching with what totals show, and that neither order nor repetition matters."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core import events as ev
from bot.core import invariants
from bot.core.claim_records import MOVEMENT_MS, TELLINGS_KEPT, Movement, Place
from bot.core.claim_standing import KEPT_TIMES
from bot.core.claim_terms import ClaimTerms, RedemptionEnd
from bot.core.claims import judged, place_records
from bot.core.collateral import collateral, counted_holdings
from bot.core.engine import step
from bot.core.policy import Policy
from bot.core.records import Holding, Ledger
from bot.core.reports import ClaimKind, ClaimStage
from bot.core.units import Asset, Range
from tests.core.claim_words import ETH, announcement, claims_policy
from tests.core.story import T0

D = Decimal
WSTETH = Asset("wstETH")
POLICY = claims_policy(hedge_share=D("0.25"), redemption_ends=RedemptionEnd.PRICED)
MINUTE = 60_000


def total(quantity: str, at: int, **changes: object) -> ev.CollateralObserved:
    plain = ev.CollateralObserved(at=at, source="custody", location="vault", asset=ETH, quantity=D(quantity), redemption_rate=D(1))
    return replace(plain, **changes)  # type: ignore[arg-type]  # fields by name


def folded(policy: Policy, *events: ev.Event, now: int = T0 + 10 * MINUTE) -> Ledger:
    """The ledger after these facts and one decision at `now`."""
    ledger = Ledger(started_at=T0)
    for event in (*events, ev.CollateralConfirmed(at=now, source="custody"), ev.DecisionDue(at=now, quotes=())):
        ledger = step(ledger, event, policy).ledger
    assert not invariants.broken(ledger)
    return ledger


def book_of(ledger: Ledger, policy: Policy = POLICY) -> object:
    """All that a book says of its collateral."""
    states = {j.claim.id: (j.claim, j.state, j.left, j.why) for j in judged(ledger, policy)}
    return states, place_records(ledger, policy), collateral(ledger, policy, ETH)


STAGES = st.sampled_from(list(ClaimStage))
WORDS = st.builds(
    announcement,
    claim=st.sampled_from("abcdefgh"),
    quantity=st.sampled_from(["1", "5", "25", "51"]),
    at=st.just(T0 + 3 * MINUTE),
    announced_at=st.integers(T0, T0 + 3 * MINUTE),
    kind=st.sampled_from(list(ClaimKind)),
    stage=STAGES,
    depositor=st.sampled_from(["acme", "zenith", "nobody"]),
    source=st.sampled_from(["backend", "chain"]),
    is_authentic=st.sampled_from([True, True, True, False]),
)
TOTALS = st.lists(st.sampled_from(["0", "3", "10", "40"]), max_size=4)


@given(st.lists(WORDS, max_size=8), TOTALS, st.data())
def test_any_interleaving_repetition_and_reordering_of_announcements_gives_the_same_book(
    words: list[ev.CollateralAnnounced], totals: list[str], data: st.DataObject
) -> None:
    told = [total(quantity, T0 + 3 * MINUTE + number * MINUTE) for number, quantity in enumerate(totals)]
    again = data.draw(st.permutations(words + data.draw(st.lists(st.sampled_from(words), max_size=4)) if words else words))
    places = data.draw(st.lists(st.integers(0, len(told)), min_size=len(again), max_size=len(again)))
    mixed: list[ev.Event] = []
    for number in range(len(told) + 1):
        mixed += [word for word, before in zip(again, places, strict=True) if before == number] + told[number : number + 1]
    assert book_of(folded(POLICY, *words, *told)) == book_of(folded(POLICY, *mixed))


@given(st.lists(WORDS, max_size=10), TOTALS)
def test_the_record_adds_up_whatever_is_announced(words: list[ev.CollateralAnnounced], totals: list[str]) -> None:
    told = [total(quantity, T0 + 3 * MINUTE + number * MINUTE) for number, quantity in enumerate(totals)]
    ledger = folded(POLICY, *words, *told)
    confirmed = D(totals[-1]) if totals else D(0)
    for record in place_records(ledger, POLICY):
        assert record.confirmed == confirmed
        plain = record.confirmed + record.pending * D("0.25") - record.leaving
        is_sure = len({word.source for word in words}) < 2 and all(
            word.kind is ClaimKind.DEPOSIT and word.stage is not ClaimStage.SETTLED for word in words
        )
        assert record.counted == plain if is_sure else record.counted <= plain, "two may tell of the same, or a change may hide others"
        assert 0 <= record.leaving <= record.confirmed
        known = collateral(ledger, POLICY, ETH)
        assert known is not None
        assert known == Range(record.counted, record.confirmed + record.reach.high)
        assert known.high >= record.counted + record.pending * D("0.75"), "more where something may have netted out"


@given(st.lists(WORDS, max_size=10), TOTALS)
def test_what_is_merely_announced_changes_nothing_unless_policy_says_so(words: list[ev.CollateralAnnounced], totals: list[str]) -> None:
    policy = claims_policy()
    ledger = folded(policy, *words, *(total(q, T0 + 3 * MINUTE + n * MINUTE) for n, q in enumerate(totals)))
    assert collateral(ledger, policy, ETH) == Range.exactly(D(totals[-1]) if totals else D(0))


@given(st.lists(st.sampled_from(["0", "1", "7", "2.5"]), max_size=30), st.integers(1, 2 * MOVEMENT_MS))
def test_what_arrived_less_what_left_is_what_is_there(totals: list[str], pause: int) -> None:
    there = Place(source="custody", asset=ETH, location="vault")
    for number, quantity in enumerate(totals):
        there = there.moved_to(D(quantity), "custody", T0 + number * pause)
        assert there.total == D(quantity)
    assert sum((m.arrived - m.left for m in there.changes()), D(0)) == there.total
    later = there.since(T0 + 10**9)
    assert (later.changes(), later.total, later.arrived, later.left) == ((), there.total, there.arrived, there.left)


def test_totals_told_at_any_rate_take_bounded_room_and_lose_nothing() -> None:
    there = Place(source="custody", asset=ETH, location="vault")
    for number in range(3_000):
        there = there.moved_to(D(number % 7), "custody", T0 + number * 100)
    assert len(there.tellings) <= TELLINGS_KEPT
    assert len(there.movements) <= 3_000 * 100 // MOVEMENT_MS + 1
    assert there.total == 2_999 % 7
    assert sum(m.arrived for m in there.changes()) == there.arrived == sum(max((n % 7) - ((n - 1) % 7), 0) for n in range(1, 3_000))
    assert there.told_late(D(5), T0) is there, "what is older than all that is kept is not taken"


TOLD = st.lists(st.sampled_from(["0", "3", "10", "40", "15"]), min_size=1, max_size=6)


@given(st.lists(WORDS, max_size=6), TOLD, TOLD, st.data())
def test_any_interleaving_repetition_and_reordering_of_announcements_and_totals_gives_the_same_book(
    words: list[ev.CollateralAnnounced], vault: list[str], desk: list[str], data: st.DataObject
) -> None:
    """Totals of two places, each with its source's clock: late ones and those told again take their place among the others."""
    policy = replace(POLICY, claims=replace(POLICY.claims, authorities={"ETH@vault": "custody", "ETH@desk": "custody"}))
    elsewhere = [replace(word, claim=f"{word.claim}2", location="desk") for word in words[:2]]
    told = [total(quantity, T0 + 9 * MINUTE, as_of=T0 + number * MINUTE) for number, quantity in enumerate(vault)]
    told += [total(quantity, T0 + 9 * MINUTE, as_of=T0 + number * MINUTE, location="desk") for number, quantity in enumerate(desk)]
    facts: list[ev.Event] = [*words, *elsewhere, *told]
    again = data.draw(st.permutations([*facts, *data.draw(st.lists(st.sampled_from(facts), max_size=5))]))
    in_turn, mixed = folded(policy, *facts), folded(policy, *again)
    assert book_of(in_turn, policy) == book_of(mixed, policy)
    assert {k: (p.arrived, p.left, p.changes()) for k, p in in_turn.places.items()} == {
        k: (p.arrived, p.left, p.changes()) for k, p in mixed.places.items()
    }


def test_what_is_dated_back_passes_no_limit_of_an_interval() -> None:
    """Twenty redemptions of 30 that come at once, each dated to an hour of its own: 30 are allowed within one."""
    policy, hour = claims_policy(hedge_share=D(1), redemption_ends=RedemptionEnd.PRICED), 60 * MINUTE
    now = T0 + 100 * hour
    word = {"kind": ClaimKind.REDEMPTION, "stage": ClaimStage.PRICED}
    words = [announcement(f"x{n:02}", "30", now + n, announced_at=now - n * hour, **word) for n in range(20)]
    ledger = folded(policy, total("1000", T0), *words, now=now + 20)
    assert collateral(ledger, policy, ETH) == Range.exactly(D(970))
    assert {j.claim.id: j.state for j in judged(ledger, policy)} == {"x00": "leaving"} | {f"x{n:02}": "held" for n in range(1, 20)}
    later = [announcement("y", "30", now + 2 * hour, **word)]
    ledger = folded(policy, total("1000", T0), *words, *later, now=now + 2 * hour)
    assert {j.claim.id for j in judged(ledger, policy) if j.state == "leaving"} == {"x00", "y"}, "the next interval takes more"


def test_a_backlog_beyond_the_limit_waits_for_totals_and_is_hedged_with_them() -> None:
    policy = claims_policy(hedge_share=D(1))
    hour = 60 * MINUTE
    words = [announcement(f"d{n}", "40", T0 + 10 * hour, announced_at=T0 + n * 2 * hour) for n in range(4)]
    facts = [total("10", T0 - hour), *words]
    ledger = folded(policy, *facts, now=T0 + 10 * hour)
    assert [j.state for j in judged(ledger, policy)] == ["pending", "pending", "held", "held"]
    assert collateral(ledger, policy, ETH) == Range.exactly(D(90))
    ledger = folded(policy, *facts, total("170", T0 + 11 * hour), now=T0 + 11 * hour)
    assert collateral(ledger, policy, ETH) == Range.exactly(D(170))


def test_a_claim_that_is_believed_is_not_displaced_by_one_that_is_heard_later_and_dated_before_it() -> None:
    words = [announcement("a", "50", T0 + MINUTE), announcement("b", "50", T0 + 2 * MINUTE, announced_at=T0)]
    ledger = folded(POLICY, *words)
    assert {j.claim.id: j.state for j in judged(ledger, POLICY)} == {"a": "pending", "b": "held"}


def test_a_unit_that_arrived_confirms_one_claim_only_and_the_earliest() -> None:
    words = [announcement(i, "5", T0 + n, announced_at=T0 + n) for n, i in enumerate("abc")]
    ledger = folded(POLICY, *reversed(words), total("8", T0 + MINUTE))
    assert [(j.claim.id, j.state, j.left) for j in judged(ledger, POLICY)] == [
        ("a", "confirmed", 0),
        ("b", "pending", 2),
        ("c", "pending", 5),
    ]


def test_a_deposit_that_was_given_up_takes_nothing_from_those_after_it() -> None:
    policy = claims_policy(hedge_share=D(1), pending_max_ms=5 * MINUTE, lead_ms=0)
    words = [announcement("a", "5", T0), announcement("b", "5", T0 + 4 * MINUTE)]
    ledger = folded(policy, *words, total("5", T0 + 6 * MINUTE))
    assert [(j.claim.id, j.state) for j in judged(ledger, policy)] == [("a", "expired"), ("b", "confirmed")]


@pytest.mark.parametrize("hours", [27, 48, 49, 51, 75])
def test_a_redemption_that_its_total_showed_is_not_subtracted_again_while_words_on_it_come(hours: int) -> None:
    """It is remembered from the last word on, 26 hours after it left: so long must be known that it left."""
    policy, hour = claims_policy(redemption_ends=RedemptionEnd.PRICED), 60 * MINUTE
    word = {"kind": ClaimKind.REDEMPTION, "stage": ClaimStage.PRICED}
    facts = [total("100", T0), announcement("r", "10", T0 + hour, **word), total("90", T0 + 2 * hour)]
    facts += [announcement("r", "10", T0 + 28 * hour, kind=ClaimKind.REDEMPTION, stage=ClaimStage.SETTLED)]
    ledger = folded(policy, *facts, now=T0 + 28 * hour)
    for event in (
        ev.CollateralConfirmed(at=T0 + (2 + hours) * hour, source="custody"),
        ev.DecisionDue(at=T0 + (2 + hours) * hour, quotes=()),
    ):
        ledger = step(ledger, event, policy).ledger
    assert collateral(ledger, policy, ETH) == Range.exactly(D(90))
    assert [j.state for j in judged(ledger, policy)] == (["confirmed"] if hours + 2 - 28 < 48 else [])


def test_what_moved_is_kept_for_no_claim_beyond_a_bound_and_a_claim_of_that_age_ends_no_delta() -> None:
    policy = claims_policy(redemption_ends=RedemptionEnd.PRICED, remembered_ms=30 * MINUTE)
    words = {"kind": ClaimKind.REDEMPTION, "stage": ClaimStage.PRICED, "announced_at": T0}
    ledger = folded(policy, total("100", T0), announcement("r", "10", T0, **words), total("90", T0 + MINUTE), now=T0 + 2 * MINUTE)
    kept_ms = KEPT_TIMES * 30 * MINUTE
    for at in range(T0 + 20 * MINUTE, T0 + kept_ms + 60 * MINUTE, 20 * MINUTE):
        again = announcement("r", "10", at, kind=ClaimKind.REDEMPTION, stage=ClaimStage.SETTLED)
        for event in (again, ev.CollateralConfirmed(at=at, source="custody"), ev.DecisionDue(at=at, quotes=())):
            ledger = step(ledger, event, policy).ledger
        assert collateral(ledger, policy, ETH) == Range.exactly(D(90))
    assert not ledger.places["ETH@vault"].changes(), "it grows no further"


def test_what_a_total_lost_settles_redemptions_and_no_deposit() -> None:
    words = [announcement("d", "5", T0), announcement("r", "5", T0, kind=ClaimKind.REDEMPTION, stage=ClaimStage.PRICED)]
    early = [total("20", T0 - 20 * MINUTE), *words]
    ledger = folded(POLICY, *early, total("15", T0 + MINUTE))
    assert [(j.claim.id, j.state) for j in judged(ledger, POLICY)] == [("d", "pending"), ("r", "confirmed")]


def test_of_two_unnamed_sources_of_one_place_the_least_is_certain_and_the_most_possible() -> None:
    policy = replace(claims_policy(authorities={}), collateral_sources=frozenset({"custody", "chain"}))
    ledger = folded(policy, total("10", T0), total("12", T0, source="chain"), ev.CollateralConfirmed(at=T0, source="chain"))
    assert collateral(ledger, policy, ETH) == Range(D(10), D(12))
    assert [h.source for h in counted_holdings(ledger, policy)] == ["custody"]
    same = folded(policy, total("12", T0), total("12", T0, source="chain"), ev.CollateralConfirmed(at=T0, source="chain"))
    assert collateral(same, policy, ETH) == Range.exactly(D(12))


@pytest.mark.parametrize(
    ("custody", "chain"), [(("10", D("1.2")), ("5", None)), (("5", D("1.2")), ("10", None)), (("10", None), ("5", D("1.2")))]
)
def test_of_two_unnamed_sources_the_least_is_certain_whichever_of_them_tells_the_rate(
    custody: tuple[str, Decimal | None], chain: tuple[str, Decimal | None]
) -> None:
    policy = replace(claims_policy(authorities={}), collateral_sources=frozenset({"custody", "chain"}))
    policy = replace(policy, collateral_assets={ETH: ETH, WSTETH: ETH})
    words = [
        total(quantity, T0, source=source, location="cold", asset=WSTETH, redemption_rate=rate)
        for source, (quantity, rate) in (("custody", custody), ("chain", chain))
    ]
    ledger = folded(policy, *words, ev.CollateralConfirmed(at=T0 + 10 * MINUTE, source="chain"))
    assert collateral(ledger, policy, ETH) == Range(D(6), D(12))


def test_a_place_that_does_not_add_up_is_told() -> None:
    ledger = folded(POLICY, total("10", T0))
    (key,) = ledger.places
    wrong = replace(ledger, places={key: replace(ledger.places[key], movements=(Movement(at=T0),), arrived=D(11))})
    assert invariants.broken(wrong) == ("of ETH@vault arrived 11 and left 0, and 10 was told",)
    holding = Holding(source="s", location="l", asset=ETH, quantity=D(1), redemption_rate=D(1), observed_at=0)
    assert not invariants.broken(replace(ledger, holdings={**ledger.holdings, ("s", "l", ETH): holding}))


def test_another_source_of_a_place_takes_over_where_the_last_one_left_it() -> None:
    ledger = folded(POLICY, total("10", T0))
    other = replace(POLICY, claims=replace(POLICY.claims, authorities={"ETH@vault": "chain"}), collateral_sources=frozenset({"chain"}))
    for event in (total("12", T0 + 1, source="chain"), total("99", T0 + 2)):
        ledger = step(ledger, event, other).ledger
    there = ledger.places["ETH@vault"]
    assert (there.source, there.total, there.arrived) == ("chain", 12, 12)
    assert not ledger.invariants_broken


@pytest.mark.parametrize("bad", ["0", "-1", "NaN", "Infinity"])
def test_a_quantity_that_makes_no_sense_is_told_and_not_entered(bad: str) -> None:
    ledger = folded(POLICY, announcement("a", bad, T0))
    assert not ledger.claims
    assert "makes no sense" in ledger.notes[-1].sentence


def test_an_unset_configuration_believes_nothing() -> None:
    policy = replace(POLICY, claims=ClaimTerms(hedge_share=D(1), redemption_ends=RedemptionEnd.PRICED))
    ledger = folded(policy, announcement("a", "1", T0), total("10", T0))
    assert [j.state for j in judged(ledger, policy)] == ["held"]
    assert collateral(ledger, policy, ETH) == Range.exactly(D(10))
    assert policy.claims.limits_of(Asset("ETH")).claim_max == 0


def test_a_thousand_claims_that_are_settled_are_forgotten() -> None:
    policy = claims_policy(remembered_ms=30 * MINUTE)
    ledger = Ledger(started_at=T0)
    for number in range(1_000):
        at = T0 + number * MINUTE
        for event in (
            announcement(f"d{number}", "1", at),
            total(str(number % 7), at + 1),
            ev.DecisionDue(at=at + 2, quotes=()),
        ):
            ledger = step(ledger, event, policy).ledger
    assert len(ledger.claims) <= 31
    assert len(ledger.places["ETH@vault"].changes()) <= 38
