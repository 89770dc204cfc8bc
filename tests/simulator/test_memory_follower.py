"""The follower of a store in memory: what it does when the store's end is gone, and while it does not answer."""

from __future__ import annotations

import asyncio

import pytest

from bot.core.events import StopRequested
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.ports import JournalUnavailable, Snapshot
from bot.simulator.memory import MemoryJournal, MemoryStore
from bot.simulator.memory_follower import MemoryFollower


def written(entries: int) -> MemoryStore:
    store = MemoryStore()
    journal = MemoryJournal(store)
    for number in range(entries):
        journal.append([StopRequested(at=number, reason="enough")], (), durable=True)
    journal.snapshot(Snapshot(ledger=Ledger(), policy=Policy(), began_at=None, newest_payment_at={}))
    return store


def test_a_snapshot_of_more_than_the_store_still_has_is_not_followed() -> None:
    store = written(10)
    store.lose(4)
    told = asyncio.run(MemoryFollower(store).newer())
    assert (told.begins_anew, told.start, len(told.entries)) == (True, None, 6)


def test_one_whose_end_was_lost_and_written_anew_is_followed_from_its_beginning() -> None:
    store = written(3)
    follower = MemoryFollower(store)
    assert asyncio.run(follower.newer()).start is not None
    store.lose(2)
    MemoryJournal(store).append([StopRequested(at=99, reason="other")], (), durable=True)
    MemoryJournal(store).append([StopRequested(at=100, reason="other")], (), durable=True)
    told = asyncio.run(follower.newer())
    assert (told.begins_anew, told.start, len(told.entries)) == (True, None, 3)


def test_while_the_way_to_the_store_is_cut_it_says_so() -> None:
    is_open = False
    follower = MemoryFollower(written(1), reaches=lambda: is_open)
    with pytest.raises(JournalUnavailable, match="does not answer"):
        asyncio.run(follower.newer())
    is_open = True
    assert asyncio.run(follower.newer()).begins_anew
