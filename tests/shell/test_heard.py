"""What people said to an instance whose journal lost it counts at the one that takes over, when that one had followed it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest

from bot.core import risk
from bot.core.events import OperatorActed, OperatorAction
from bot.core.operation import apply_act
from bot.core.policy import Policy
from bot.core.records import Ledger, Position, TradingState
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
    "a lower limit": ([sets(5, "1000")], [], [(OVERRIDE, "order_notional_max")]),
    "a limit that the journal has": ([sets(5, "1000")], [sets(5, "1000")], []),
    "a higher limit": ([sets(5, "4000000")], [], []),
    "one that is over": ([sets(5, "1000", lasts_ms=10)], [], []),
    "the end of a higher limit": ([sets(5, "4000000"), sets(6, "4000000", 0)], [sets(5, "4000000")], [(OVERRIDE, "order_notional_max")]),
    "the end of a lower limit": ([sets(5, "1000"), sets(6, "1000", 0)], [sets(5, "1000")], []),
    "a lower limit than a higher one": ([sets(5, "4000000"), sets(6, "300000")], [sets(5, "4000000")], [(OVERRIDE, "order_notional_max")]),
    "one beyond the ceilings": ([sets(5, "9")], [], []),
    "a newer limit": ([sets(5, "1000")], [sets(6, "2000")], []),
    "more room before a liquidation": ([sets(5, "2", setting="liquidation_distance_min")], [], [(OVERRIDE, "liquidation_distance_min")]),
    "neither more nor less": ([sets(5, "1000", setting="decision_beat_ms")], [], []),
}


@pytest.mark.parametrize(("followed", "left", "expected"), CASES.values(), ids=CASES)
def test_what_was_followed_and_is_lost_is_said_again_where_it_restrains(
    followed: Sequence[OperatorActed], left: Sequence[OperatorActed], expected: Sequence[Told]
) -> None:
    heard, after = Heard(), book_after(*left)
    for number, each in enumerate(followed, 1):
        heard.took(each)
        heard.folded(book_after(*followed[:number]))
    heard.begins_anew()
    heard.folded(after)  # as whoever follows what is left of the journal does
    found = heard.unheard(after, Policy(), NOW)
    assert [(w.action, w.venue or w.setting) for w in found] == list(expected)
    assert all(w.at == NOW and w.by == "alice" for w in found)
    assert heard.unheard(book_after(*left, *found), Policy(), NOW) == (), "once is enough"


def test_closing_one_asset_is_about_that_asset_still() -> None:
    heard = Heard()
    heard.folded(book_after(word(5, FLATTEN, asset=Asset("ETH"))))
    (found,) = heard.unheard(book_after(), Policy(), NOW)
    assert (found.action, found.venue, found.asset) == (FLATTEN, None, "ETH")


def test_a_limit_that_is_said_again_ends_when_it_was_to_end() -> None:
    heard = Heard()
    heard.folded(book_after(sets(5, "1000", lasts_ms=NOW + 995)))
    (found,) = heard.unheard(book_after(), Policy(), NOW)
    assert (found.value, found.lasts_ms) == (D(1_000), 1_000)


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
