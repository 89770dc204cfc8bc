"""What people said to an instance whose journal lost it counts at the one that takes over, when that one had followed it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.adapters.journal.intents import IntentsFile
from bot.core import risk
from bot.core.copying import replace
from bot.core.events import OperatorActed, OperatorAction
from bot.core.limits import Limit
from bot.core.operation import apply_act
from bot.core.policy import Policy
from bot.core.records import Ledger, Position, TradingState
from bot.core.trading import enter
from bot.core.units import Asset, InstrumentId, Millis, VenueId
from bot.operating import OperatorRequest
from bot.shell.heard import Heard
from bot.simulator.memory import MemoryJournal
from tests.shell.bench import same_but_for_market, virtual
from tests.shell.test_standing_by import Pair, die, paired

D = Decimal
REDUCE, HALT, RESUME = OperatorAction.REDUCE, OperatorAction.HALT, OperatorAction.RESUME
FLATTEN, QUARANTINE, OVERRIDE = OperatorAction.FLATTEN, OperatorAction.QUARANTINE, OperatorAction.OVERRIDE
OKX, BYBIT = VenueId("okx"), VenueId("bybit")
NOW: Millis = 1_000_000


# A failover that takes a person's word with it


async def asked(pair: Pair, action: OperatorAction, why: str) -> None:
    told = await pair.bench.life.run.control.act(OperatorRequest(action=action, by="alice", why=why))
    assert told.accepted
    await pair.bench.passes(2)  # the other one follows it


async def taken_over(pair: Pair, *, lost: int) -> None:
    """The host of the leader and of the store's master is gone; the replica lacks so many of the last entries, and the lease."""
    bench = pair.bench
    await die(bench)
    bench.world.store.lose(lost)
    pair.store.forget()
    bench.mandate, _ = await pair.granted()
    followed = await pair.standby.followed()
    assert followed is not None
    bench.recovery, bench.heard = (followed.snapshot, followed.course), pair.standby.heard
    journal = MemoryJournal(bench.world.store)
    bench.journal_of = lambda: journal
    bench.start()


def states(pair: Pair) -> list[tuple[str, str, str]]:
    return [(r.state.value, r.by, r.why) for r in pair.bench.ledger.states if r.by]


@virtual
async def test_a_halt_that_was_followed_counts_although_the_journal_lost_it(logged: list[Any]) -> None:
    pair = await paired()
    bench = pair.bench
    before, sent = len(bench.world.store.entries), len(bench.world.placed)
    await asked(pair, HALT, "stop everything")
    await taken_over(pair, lost=len(bench.world.store.entries) - before)
    bench.hold("ETH", "150")
    await bench.passes(40)
    assert risk.trading_state(bench.ledger, bench.policy) is TradingState.HALTED
    assert len(bench.world.placed) == sent, "an order left a book that a person had halted"
    ((state, by, why),) = states(pair)
    assert (state, by) == ("halted", "alice")
    assert why.startswith("stop everything (said 20")
    assert why.endswith("; the journal lost it)")
    assert [(e["action"], e["by"]) for e in logged if e["event"] == "word_entered_late"] == [("halt", "alice")]
    assert bench.replayed().states == bench.ledger.states, "the journal has it again"
    told = await bench.life.run.control.act(OperatorRequest(action=RESUME, by="bob", why="seen"))
    assert told.accepted
    await bench.until(bench.converged, 60)
    await bench.stop()
    assert same_but_for_market(bench.replayed(), bench.ledger)


@virtual
async def test_a_resume_that_was_followed_is_not_undone_by_the_halt_before_it(logged: list[Any]) -> None:
    pair = await paired()
    bench = pair.bench
    before = len(bench.world.store.entries)
    await asked(pair, HALT, "stop everything")
    await asked(pair, RESUME, "a false alarm")
    await taken_over(pair, lost=len(bench.world.store.entries) - before)
    bench.hold("ETH", "150")
    await bench.until(bench.converged, 60)
    assert states(pair) == []
    assert not [e for e in logged if e["event"].startswith("word_")]
    await bench.stop()


@virtual
async def test_what_the_journal_still_has_is_not_said_twice(logged: list[Any]) -> None:
    pair = await paired()
    await asked(pair, HALT, "stop everything")
    await taken_over(pair, lost=0)
    await pair.bench.passes(20)
    assert states(pair) == [("halted", "alice", "stop everything")]
    assert not [e for e in logged if e["event"].startswith("word_")]
    await pair.bench.stop()


@virtual
async def test_a_resume_that_this_host_kept_ends_the_halt_before_it_that_the_journal_lost(tmp_path: Path, logged: list[Any]) -> None:
    pair = await paired()
    bench = pair.bench
    before = len(bench.world.store.entries)
    await asked(pair, HALT, "stop everything")
    bench.intents = IntentsFile(tmp_path / "intents.jsonl")
    bench.intents.keep([word(bench.world.clock.now(), RESUME)], ())
    await taken_over(pair, lost=len(bench.world.store.entries) - before)
    bench.hold("ETH", "150")
    await bench.until(bench.converged, 60)
    assert states(pair) == []
    assert not [e for e in logged if e["event"].startswith("word_")]
    await bench.stop()


# Which words those are


def word(at: Millis, action: OperatorAction, venue: VenueId | None = None, **more: Any) -> OperatorActed:
    return OperatorActed(at=at, action=action, by="alice", why="a drill", venue=venue, **more)


def sets(at: Millis, value: str, lasts_ms: Millis = NOW, setting: str = "order_notional_max") -> OperatorActed:
    return word(at, OVERRIDE, setting=setting, value=D(value), lasts_ms=lasts_ms)


def book_after(*words: OperatorActed) -> Ledger:
    ledger = Ledger(positions={InstrumentId(f"{v}:ETH"): Position(quantity=D(-1)) for v in (OKX, BYBIT)})
    for each in words:
        ledger = apply_act(ledger, each, Policy())
    return ledger


LEFT = [word(5, HALT, OKX), word(6, FLATTEN, OKX)]
CLOSING_BYBIT = [word(5, HALT, OKX), word(6, FLATTEN, BYBIT)]
Told = tuple[OperatorAction, str | None]
CASES: Mapping[str, tuple[Sequence[OperatorActed], Sequence[OperatorActed], Sequence[Told]]] = {
    "nothing was said": ([], [], []),
    "the journal has it": ([word(5, HALT)], [word(5, HALT)], []),
    "of the book": ([word(5, HALT)], [], [(HALT, None)]),
    "of a venue": ([word(5, REDUCE, OKX)], [], [(REDUCE, "okx")]),
    "in the order in which they were said": ([word(5, REDUCE, OKX), word(6, HALT)], [], [(REDUCE, "okx"), (HALT, None)]),
    "of these the one that was lost": ([word(5, REDUCE, OKX), word(6, HALT)], [word(5, REDUCE, OKX)], [(HALT, None)]),
    "a stricter one": ([word(5, REDUCE), word(6, HALT)], [word(5, REDUCE)], [(HALT, None)]),
    "a milder one": ([word(5, HALT), word(6, RESUME), word(7, REDUCE)], [word(5, HALT)], []),
    "resumed": ([word(5, HALT), word(6, RESUME)], [], []),
    "another was resumed": ([word(5, HALT), word(6, RESUME, OKX)], [], [(HALT, None)]),
    "a person said something newer": ([word(5, HALT)], [word(6, REDUCE, OKX)], []),
    "a quarantine": ([word(5, QUARANTINE, OKX)], [], [(QUARANTINE, "okx")]),
    "a quarantine of what was halted": ([word(5, HALT, OKX), word(6, QUARANTINE, OKX)], [word(5, HALT, OKX)], [(QUARANTINE, "okx")]),
    "closing everything": ([word(5, FLATTEN)], [], [(FLATTEN, None)]),
    "closing a venue": ([word(5, FLATTEN, OKX)], [], [(FLATTEN, "okx")]),
    "closing everything, and less since": ([word(5, FLATTEN), word(6, HALT, OKX)], [], [(FLATTEN, "bybit"), (HALT, "okx")]),
    "closing what is halted": ([word(5, HALT), word(6, FLATTEN)], [], [(HALT, None), (FLATTEN, None)]),
    "what stopped a closing that stands again": ([word(5, HALT, OKX), word(6, FLATTEN, OKX), word(7, HALT, OKX)], LEFT, [(HALT, "okx")]),
    "the book's own halt that stopped one": (
        [word(5, HALT), word(6, FLATTEN), word(7, HALT)],
        [word(5, HALT), word(6, FLATTEN)],
        [(HALT, None)],
    ),
    "a quarantine that stopped one": (
        [word(5, QUARANTINE, OKX), word(6, FLATTEN, OKX), word(7, QUARANTINE, OKX)],
        [word(5, QUARANTINE, OKX), word(6, FLATTEN, OKX)],
        [(QUARANTINE, "okx")],
    ),
    "what stopped a closing elsewhere": ([word(5, HALT, OKX), word(6, FLATTEN, BYBIT), word(7, RESUME, BYBIT)], CLOSING_BYBIT, []),
    "a reduction stops no closing": (
        [word(5, REDUCE, OKX), word(6, FLATTEN), word(7, RESUME)],
        [word(5, REDUCE, OKX), word(6, FLATTEN)],
        [],
    ),
    "a closing that was asked for anew": ([word(5, FLATTEN, OKX), word(6, FLATTEN, OKX)], [word(5, FLATTEN, OKX)], [(FLATTEN, "okx")]),
    "a lower limit": ([sets(5, "1000")], [], []),
    "the end of a higher limit": ([sets(5, "4000000"), sets(6, "4000000", 0)], [sets(5, "4000000")], []),
}


@pytest.mark.parametrize(("followed", "left", "expected"), CASES.values(), ids=CASES)
def test_what_was_followed_and_is_lost_is_said_again_where_it_restrains(
    followed: Sequence[OperatorActed], left: Sequence[OperatorActed], expected: Sequence[Told]
) -> None:
    heard, after = having_followed(*followed), book_after(*left)
    heard.begins_anew()
    heard.folded(after)  # as whoever follows what is left of the journal does
    found = heard.unheard(after, Policy(), NOW)
    assert [(w.action, w.venue) for w in found] == list(expected)
    assert all(w.at == NOW and w.by == "alice" for w in found)
    assert heard.unheard(book_after(*left, *found), Policy(), NOW) == (), "once is enough"


def having_followed(*words: OperatorActed) -> Heard:
    heard = Heard()
    for number, each in enumerate(words, 1):
        heard.took(each)
        heard.folded(book_after(*words[:number]))
    return heard


def test_closing_one_asset_is_about_that_asset_still() -> None:
    heard = Heard()
    heard.folded(book_after(word(5, FLATTEN, asset=Asset("ETH"))))
    (found,) = heard.unheard(book_after(), Policy(), NOW)
    assert (found.action, found.venue, found.asset) == (FLATTEN, None, "ETH")


def test_a_halt_that_is_said_again_stops_the_closing_that_it_had_stopped() -> None:
    heard, left = having_followed(*LEFT, word(7, HALT, OKX)), book_after(*LEFT)
    after = book_after(*LEFT, *heard.unheard(left, Policy(), NOW))
    assert left.flattenings
    assert not after.flattenings


# Closing what somebody has halted since


def halted(since: Millis, venue: VenueId | None) -> Ledger:
    return enter(book_after(), Limit.UNEXPLAINED_POSITION, since, "who knows", venue=venue, state=TradingState.HALTED)


@pytest.mark.parametrize(
    ("asked", "left", "expected"),
    [
        (word(6, FLATTEN, OKX), halted(5, OKX), ["okx"]),
        (word(6, FLATTEN, OKX), halted(20, OKX), []),
        (word(6, FLATTEN, OKX), halted(20, None), []),
        (word(6, FLATTEN, OKX), halted(20, BYBIT), ["okx"]),
        (word(6, FLATTEN), halted(20, BYBIT), ["okx"]),
        (word(6, FLATTEN), halted(20, None), []),
    ],
)
def test_closing_is_not_asked_for_again_over_a_halt_that_the_person_did_not_know_of(
    logged: list[Any], asked: OperatorActed, left: Ledger, expected: Sequence[str]
) -> None:
    heard = having_followed(asked)
    assert [w.venue for w in heard.unheard(left, Policy(), NOW)] == expected
    dropped = [(e["action"], e["by"], e["said_at"], e["newer_at"]) for e in logged if e["event"] == "word_superseded"]
    assert set(dropped) == (set() if expected == ["okx"] and asked.venue else {("flatten", "alice", 6, 20)})


# What is dropped is told


def superseded(logged: Sequence[Any]) -> Sequence[tuple[str, str, Millis, Millis]]:
    return [(e["action"], e["venue"], e["said_at"], e["newer_at"]) for e in logged if e["event"] == "word_superseded"]


@pytest.mark.parametrize("follows", [True, False])
def test_what_a_newer_word_of_the_journal_outdates_is_told_once(logged: list[Any], follows: bool) -> None:
    heard, left = having_followed(word(5, HALT), word(6, FLATTEN, BYBIT)), book_after(word(9, REDUCE, OKX))
    if follows:
        heard.begins_anew()
        heard.folded(book_after())
        assert superseded(logged) == []
        heard.folded(left)
    assert heard.unheard(left, Policy(), NOW) == ()
    assert superseded(logged) == [("halt", "book", 5, 9), ("flatten", "bybit", 6, 9)]


def test_what_was_said_on_a_host_whose_clock_is_behind_is_told_where_it_is_lost(logged: list[Any]) -> None:
    heard, left = having_followed(word(10, HALT), word(100, RESUME), word(97, HALT)), book_after(word(10, HALT), word(100, RESUME))
    heard.begins_anew()
    heard.folded(left)
    assert heard.unheard(left, Policy(), NOW) == ()
    assert superseded(logged) == [("halt", "book", 97, 100)]


def test_what_the_journal_tells_of_and_a_person_ended_there_is_not_told_as_dropped(logged: list[Any]) -> None:
    said = (word(5, HALT, OKX), word(6, FLATTEN, BYBIT))
    left = book_after(*said, word(8, RESUME, OKX), word(9, RESUME, BYBIT))
    assert having_followed(*said).unheard(left, Policy(), NOW) == ()
    assert superseded(logged) == []


def test_a_closing_that_is_newer_than_a_halt_outdates_nothing(logged: list[Any]) -> None:
    heard, left = having_followed(word(5, HALT, OKX)), book_after(word(5, HALT, OKX), word(9, FLATTEN, OKX))
    assert heard.unheard(left, Policy(), NOW) == ()
    heard.begins_anew()
    heard.folded(left)
    assert superseded(logged) == []


# What a person said on this host while the store took nothing


@pytest.mark.parametrize(
    ("followed", "kept", "expected"),
    [
        (word(5, HALT), word(50, RESUME), []),
        (word(5, HALT, OKX), word(50, RESUME, OKX), []),
        (word(5, HALT, OKX), word(50, RESUME), [HALT]),
        (word(5, HALT), word(50, RESUME, OKX), [HALT]),
        (word(60, HALT), word(50, RESUME), [HALT]),
        (word(5, FLATTEN), word(50, RESUME), []),
        (word(5, QUARANTINE, OKX), word(50, RESUME, OKX), []),
    ],
)
def test_a_resume_that_this_host_kept_is_not_undone_by_what_was_said_before_it(
    logged: list[Any], followed: OperatorActed, kept: OperatorActed, expected: Sequence[OperatorAction]
) -> None:
    heard = having_followed(followed)
    assert [w.action for w in heard.unheard(book_after(), Policy(), NOW, (kept,))] == expected
    assert not [e for e in logged if e["event"] == "resume_lost"]


# Limits that people set for a while are told, and not set again


def decided(at: Millis, *words: OperatorActed) -> Ledger:
    return replace(book_after(*words), decided_at=at)


WIDER, END = sets(5, "4000000"), sets(6, "4000000", 0)
SETTINGS: Mapping[str, tuple[Sequence[OperatorActed], Ledger, Sequence[tuple[str, str, Millis]]]] = {
    "lost": ([sets(5, "1000")], decided(4), [("order_notional_max", "1000", NOW + 5)]),
    "the journal has it": ([sets(5, "1000")], decided(5, sets(5, "1000")), []),
    "the journal went on beyond it": ([sets(5, "1000")], decided(7), []),
    "a wider one": ([WIDER], decided(4), [("order_notional_max", "4000000", NOW + 5)]),
    "it would be over by now": ([sets(5, "1000", lasts_ms=10)], decided(4), []),
    "ended": ([WIDER, END], decided(6, WIDER, END), []),
    "ended, and nobody saw that": ([WIDER], book_after(WIDER, END), []),
    "ended, and all of it lost": ([WIDER, END], decided(4), []),
    "its end is lost": ([WIDER, END], decided(5, WIDER), [("order_notional_max", "4000000", 6)]),
    "the newer one is lost": ([sets(5, "1000"), sets(8, "2000")], decided(6, sets(5, "1000")), [("order_notional_max", "2000", NOW + 8)]),
    "two": (
        [sets(5, "20000"), sets(6, "8000", setting="rebalance_notional_min")],
        decided(4),
        [("order_notional_max", "20000", NOW + 5), ("rebalance_notional_min", "8000", NOW + 6)],
    ),
}


@pytest.mark.parametrize("follows", [True, False])
@pytest.mark.parametrize(("followed", "left", "expected"), SETTINGS.values(), ids=SETTINGS)
def test_a_limit_that_was_set_for_a_while_and_is_lost_is_told_and_not_set(
    logged: list[Any], followed: Sequence[OperatorActed], left: Ledger, expected: Sequence[tuple[str, str, Millis]], follows: bool
) -> None:
    heard = having_followed(*followed)
    if follows:
        heard.begins_anew()
        heard.folded(left)
    assert heard.unheard(left, Policy(), NOW) == ()
    told = [e for e in logged if e["event"] == "override_lost"]
    assert [(e["field"], e["value"], e["until"]) for e in told] == list(expected)
    assert all(e["by"] == "alice" for e in told)


# A resume


def test_a_resume_that_is_lost_is_told_to_people_who_must_say_it_again(logged: list[Any]) -> None:
    heard = Heard()
    heard.folded(book_after(word(5, HALT), word(6, RESUME)))
    assert heard.unheard(book_after(word(5, HALT)), Policy(), NOW) == ()
    assert [(e["event"], e["venue"], e["state"]) for e in logged] == [("resume_lost", "book", "halted")]


@pytest.mark.parametrize("left", [(), (word(100, HALT),), (word(100, HALT), word(99, RESUME))])
def test_a_resume_counts_also_where_the_clock_stepped_back_before_it(left: Sequence[OperatorActed]) -> None:
    heard = Heard()
    heard.folded(book_after(word(100, HALT)))
    heard.folded(book_after(word(100, HALT), word(99, RESUME)))
    heard.begins_anew()
    heard.folded(book_after(*left))
    assert heard.unheard(book_after(*left), Policy(), NOW) == ()
