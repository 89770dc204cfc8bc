"""The table of trading states over its full product, and what keeps or ends each cause."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.limit_table import LIMITS
from bot.core.limits import Limit
from bot.core.policy import Policy
from bot.core.records import Ledger, TradingState, VenueRecord
from bot.core.trading import (
    STRICTNESS,
    TRANSITIONS,
    Trigger,
    after_quiet,
    asked_by,
    causes,
    enter,
    is_halted,
    resume,
    state_of,
)
from bot.core.units import VenueId
from tests.core.foreign import foreign

OKX, BYBIT = VenueId("okx"), VenueId("bybit")
A, R, H = TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED
QUIET = Policy(quiet_period_ms=1_000)
HEARD = Ledger(venues={OKX: VenueRecord(reconciled=True), BYBIT: VenueRecord(reconciled=True)})


@pytest.mark.parametrize(
    ("state", "reduce", "halt", "quiet", "resumed"),
    [(A, R, H, A, A), (R, R, H, A, A), (H, H, H, H, A)],
)
def test_c18_every_state_and_every_trigger(
    state: TradingState, reduce: TradingState, halt: TradingState, quiet: TradingState, resumed: TradingState
) -> None:
    told = {t: TRANSITIONS[state, t] for t in Trigger}
    assert told == {Trigger.REDUCE: reduce, Trigger.HALT: halt, Trigger.QUIET: quiet, Trigger.RESUMED: resumed}


def test_the_table_is_complete_and_only_quiet_and_a_person_loosen() -> None:
    assert set(TRANSITIONS) == set(product(TradingState, Trigger))
    assert set(STRICTNESS) == set(TradingState)
    for (state, trigger), after in TRANSITIONS.items():
        if trigger in (Trigger.REDUCE, Trigger.HALT):
            assert STRICTNESS.index(after) >= STRICTNESS.index(state)


def test_a_limit_brings_the_state_of_its_row() -> None:
    asked = {limit: asked_by(limit) for limit, rule in LIMITS.items() if rule.effect.value in ("reducing", "halted")}
    assert (asked[Limit.FOREIGN_ORDERS], asked[Limit.AUTO_DELEVERAGING], asked[Limit.UNEXPLAINED_POSITION]) == (R, R, H)
    with pytest.raises(KeyError):
        asked_by(Limit.NET_DELTA)  # un-neutral is hurried, never halted


def test_a_venue_and_the_book_are_apart() -> None:
    ledger = enter(HEARD, Limit.UNEXPLAINED_POSITION, 5, "record -10, venue -14", venue=OKX)
    assert (state_of(ledger, OKX), state_of(ledger, BYBIT), state_of(ledger, None)) == (H, A, A)
    assert (is_halted(ledger, OKX), is_halted(ledger, BYBIT)) == (True, False)
    assert ledger.notes[-1].kind == "state"
    assert ledger.notes[-1].sentence == "active -> halted: unexplained_position, record -10, venue -14"
    book = enter(HEARD, Limit.OPERATOR, 5, "drill", by="alice", state=H)
    assert (state_of(book, OKX), state_of(book, None), is_halted(book, OKX), is_halted(book, BYBIT)) == (A, H, True, True)
    assert book.notes[-1].sentence == "active -> halted: operator, drill, by alice"
    assert is_halted(replace(HEARD, stopping=True), OKX)
    assert is_halted(replace(HEARD, invariants_broken=("one",)), OKX)


def test_what_stands_keeps_its_beginning_and_its_reason() -> None:
    ledger = enter(HEARD, Limit.OPERATOR, 5, "drill", by="alice", state=H)
    again = enter(ledger, Limit.OPERATOR, 9, "calmer", by="bob", state=R)
    (cause,) = again.states
    assert (cause.state, cause.since, cause.last_at, cause.by, cause.why, cause.latched) == (H, 5, 9, "alice", "drill", True)
    assert again.notes == ledger.notes
    stricter = enter(enter(HEARD, Limit.OPERATOR, 5, "drill", by="alice", state=R), Limit.OPERATOR, 9, "worse", by="bob", state=H)
    assert [(c.state, c.since, c.by) for c in stricter.states] == [(H, 9, "bob")]
    assert stricter.notes[-1].sentence.startswith("reducing -> halted")


def test_one_cause_that_ends_does_not_hide_another() -> None:
    ledger = enter(HEARD, Limit.FOREIGN_ORDERS, 0, "one fill", venue=OKX)
    ledger = enter(ledger, Limit.AUTO_DELEVERAGING, 500, "shrank", venue=OKX)
    assert ledger.notes[-1].sentence.startswith("stays reducing")
    assert [c.cause for c in causes(ledger, OKX)] == [Limit.FOREIGN_ORDERS, Limit.AUTO_DELEVERAGING]
    ledger = after_quiet(ledger, QUIET, 1_000)
    assert ([c.cause for c in causes(ledger, OKX)], state_of(ledger, OKX)) == ([Limit.AUTO_DELEVERAGING], R)
    ledger = after_quiet(ledger, QUIET, 1_500)
    assert (ledger.states, state_of(ledger, OKX)) == ((), A)
    assert ledger.notes[-1].sentence == "reducing -> active: auto_deleveraging, quiet for 1000 ms"


@pytest.mark.parametrize(("now", "state"), [(999, R), (1_000, A)])
def test_a_quiet_period_is_exact_to_the_millisecond(now: int, state: TradingState) -> None:
    ledger = enter(HEARD, Limit.FOREIGN_ORDERS, 0, "one fill", venue=OKX)
    assert state_of(after_quiet(ledger, QUIET, now), OKX) is state
    seen_again = enter(ledger, Limit.FOREIGN_ORDERS, 400, "another", venue=OKX)
    assert state_of(after_quiet(seen_again, QUIET, now + 400), OKX) is state


@pytest.mark.parametrize("record", [None, VenueRecord(), VenueRecord(reconciled=True, foreign_orders=(foreign("x"),))])
def test_a_venue_that_is_not_heard_or_has_a_foreign_order_is_not_quiet(record: VenueRecord | None) -> None:
    ledger = enter(HEARD, Limit.FOREIGN_ORDERS, 0, "one fill", venue=OKX)
    ledger = replace(ledger, venues={} if record is None else {OKX: record})
    assert after_quiet(ledger, QUIET, 10_000) is ledger


def test_the_book_has_its_own_quiet() -> None:
    ledger = enter(Ledger(), Limit.ORDERS_IN_DOUBT, 0, "many")
    assert not ledger.states[0].latched
    assert state_of(ledger, None) is R
    waits = replace(ledger, states=(replace(ledger.states[0], latched=True),))
    assert after_quiet(waits, QUIET, 10_000) is waits
    passing = replace(ledger, states=(replace(ledger.states[0], state=H),))
    assert after_quiet(passing, QUIET, 10_000) is passing, "no quiet period ends a halt"
    assert after_quiet(ledger, QUIET, 1_000).states == ()


def test_a_clock_that_stepped_back_begins_the_period_anew() -> None:
    ledger = enter(HEARD, Limit.FOREIGN_ORDERS, 3_600_000, "one fill", venue=OKX)
    back = after_quiet(ledger, QUIET, 100)
    assert back.states[0].last_at == 100
    assert after_quiet(back, QUIET, 1_099) is back
    assert after_quiet(back, QUIET, 1_100).states == ()


def test_a_named_person_ends_what_is_theirs_to_end_and_what_still_stands_enters_again() -> None:
    ledger = enter(HEARD, Limit.UNEXPLAINED_POSITION, 0, "grew", venue=OKX)
    ledger = enter(ledger, Limit.OPERATOR, 0, "drill", by="bob", state=H)
    after = resume(ledger, OKX, 9, "alice", "looked")
    assert (state_of(after, OKX), state_of(after, None)) == (A, H)
    assert after.notes[-1].sentence == "halted -> active: resumed by alice, looked"
    standing = replace(ledger, venues={OKX: VenueRecord(reconciled=True, foreign_orders=(foreign("x"),)), BYBIT: VenueRecord()})
    after = resume(standing, OKX, 9, "alice", "looked")
    assert [(c.cause, c.state, c.since) for c in causes(after, OKX)] == [(Limit.FOREIGN_ORDERS, R, 9)]
    let_go = resume(after, None, 10, "alice", "looked")
    assert (let_go.states, state_of(let_go, OKX)) == (causes(after, OKX), R), "the book is resumed, the venue is not"


LIMIT = st.sampled_from([Limit.FOREIGN_ORDERS, Limit.AUTO_DELEVERAGING, Limit.UNEXPLAINED_POSITION, Limit.OPERATOR])
STEP = st.one_of(
    st.tuples(st.just("enter"), LIMIT, st.sampled_from([None, OKX, BYBIT])),
    st.tuples(st.just("resume"), st.just(Limit.OPERATOR), st.sampled_from([None, OKX, BYBIT])),
    st.tuples(st.just("quiet"), st.just(Limit.OPERATOR), st.none()),
)


@given(st.lists(st.tuples(STEP, st.integers(0, 2_000)), max_size=30))
def test_a_state_never_gets_laxer_but_by_a_quiet_period_or_a_person(steps: list[tuple[tuple[str, Limit, VenueId | None], int]]) -> None:
    ledger, now = HEARD, 0
    for (what, limit, venue), passed in steps:
        now += passed
        before = {v: state_of(ledger, v) for v in (None, OKX, BYBIT)}
        latched = {v: any(c.latched for c in causes(ledger, v)) for v in before}
        seen_at = {v: max((c.last_at for c in causes(ledger, v)), default=0) for v in before}
        if what == "enter":
            ledger = enter(ledger, limit, now, "seen", venue=venue, by="alice" if limit is Limit.OPERATOR else "")
        elif what == "resume":
            ledger = resume(ledger, venue, now, "alice", "looked")
        else:
            ledger = after_quiet(ledger, QUIET, now)
        for subject, was in before.items():
            if STRICTNESS.index(state_of(ledger, subject)) < STRICTNESS.index(was):
                by_person = what == "resume" and subject == venue
                by_quiet = what == "quiet" and not latched[subject] and now - seen_at[subject] >= 1_000
                assert by_person or by_quiet, f"{what} took {subject} from {was}"
