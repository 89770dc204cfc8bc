"""What every journal must do, whatever keeps it. A new store adds itself to `STORES` and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.adapters.journal.redis_streams import RedisJournal
from bot.adapters.journal.sqlite import SqliteJournal
from bot.core.commands import Command
from bot.core.events import Event
from bot.core.policy import Policy
from bot.ports import Journal, JournalRefused
from bot.shell.recovery import recovered as fold
from tests.adapters.journal.facts import any_event, confirmed, order, seen, shown
from tests.adapters.journal.redis_process import RedisProcess, forget
from tests.adapters.journal.redis_words import PATIENT_S

Open = Callable[[str], Journal]
Step = tuple[Event, tuple[Command, ...]]


class Store:
    """One journal that can be opened again and again, and forgotten."""

    def __init__(self, opened: Open, forget: Callable[[], object]) -> None:
        self.opened, self.forget = opened, forget

    def __call__(self, identity: str) -> Journal:
        return self.opened(identity)


def sqlite_in(folder: Path, request: pytest.FixtureRequest) -> Store:
    del request
    return Store(lambda identity: SqliteJournal(folder / "journal.sqlite", identity), lambda: None)


def redis_in(folder: Path, request: pytest.FixtureRequest) -> Store:
    process: RedisProcess = request.getfixturevalue("redis_process")
    name: str = request.getfixturevalue("journal_name")
    return Store(lambda identity: RedisJournal(process.server, name, identity, folder, patience_s=PATIENT_S), lambda: forget(process, name))


def archiving_in(folder: Path, request: pytest.FixtureRequest) -> Store:
    del request
    return Store(lambda identity: SqliteJournal(folder / "journal.sqlite", identity, archives=True), lambda: None)


STORES = {"sqlite": sqlite_in, "sqlite, archiving": archiving_in, "redis": redis_in}


@pytest.fixture(params=sorted(STORES))
def open_journal(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return STORES[request.param](tmp_path / "state", request)


def recovered(open_journal: Open, identity: str = "ours") -> list[Step]:
    journal = open_journal(identity)
    try:
        return list(journal.recover())
    finally:
        journal.close()


def test_a_new_journal_is_empty(open_journal: Open) -> None:
    assert recovered(open_journal) == []


def test_what_was_appended_is_there_in_order_with_its_commands(open_journal: Open) -> None:
    journal = open_journal("ours")
    journal.append([seen(1), confirmed(2)], [order(1), order(2)], durable=True)
    journal.append([confirmed(3)], [], durable=True)
    journal.close()
    expected: list[Step] = [(seen(1), ()), (confirmed(2), (order(1), order(2))), (confirmed(3), ())]
    assert recovered(open_journal) == expected
    assert recovered(open_journal) == expected


def test_waiting_entries_keep_their_place_and_survive_close(open_journal: Open) -> None:
    journal = open_journal("ours")
    journal.append([confirmed(1)], [], durable=False)
    journal.append([confirmed(2)], [], durable=False)
    journal.append([confirmed(3)], [], durable=True)
    journal.append([confirmed(4)], [], durable=False)
    journal.close()
    assert [event.at for event, _ in recovered(open_journal)] == [1, 2, 3, 4]


def test_appending_goes_on_after_a_restart(open_journal: Open) -> None:
    for at in range(1, 6):
        journal = open_journal("ours")
        list(journal.recover())
        journal.append([confirmed(at)], [], durable=at % 2 == 0)
        journal.close()
    assert [event.at for event, _ in recovered(open_journal)] == [1, 2, 3, 4, 5]


def test_appending_without_recovering_first_still_continues_the_chain(open_journal: Open) -> None:
    for at in (1, 2):
        journal = open_journal("ours")
        journal.append([confirmed(at)], [], durable=True)
        journal.close()
    assert [event.at for event, _ in recovered(open_journal)] == [1, 2]


def test_nothing_to_record_is_not_an_entry(open_journal: Open) -> None:
    journal = open_journal("ours")
    journal.append([], [], durable=True)
    journal.close()
    assert recovered(open_journal) == []


def test_the_newest_entry_is_known_by_its_number_over_restarts(open_journal: Open) -> None:
    journal = open_journal("ours")
    list(journal.recover())
    assert journal.newest == 0
    journal.append([seen(1)], [], durable=False)
    assert journal.newest == 1
    journal.append([], [], durable=True)
    journal.append([seen(2)], [order(2)], durable=True)
    assert journal.newest == 2
    journal.close()
    again = open_journal("ours")
    list(again.recover())
    assert again.newest == 2
    again.close()


def test_epochs_grow_by_one_over_restarts(open_journal: Open) -> None:
    epochs = []
    for _ in range(3):
        journal = open_journal("ours")
        epochs += [journal.next_epoch(), journal.next_epoch()]
        journal.close()
    assert epochs == [1, 2, 3, 4, 5, 6]


def test_the_journal_of_another_config_is_refused_and_kept(open_journal: Open) -> None:
    journal = open_journal("ours")
    journal.append([confirmed(1)], [], durable=True)
    journal.close()
    with pytest.raises(JournalRefused, match=r"belongs to another config \(ours\), and this one is theirs"):
        recovered(open_journal, "theirs")
    assert len(recovered(open_journal)) == 1


def test_a_second_holder_is_refused_until_the_first_lets_go(open_journal: Open) -> None:
    first = open_journal("ours")
    with pytest.raises(JournalRefused, match="held by a running hedgebot"):
        open_journal("ours")
    first.append([confirmed(1)], [], durable=True)
    first.close()
    assert len(recovered(open_journal)) == 1


def test_only_a_journal_that_held_nothing_is_fresh(open_journal: Open) -> None:
    journal = open_journal("ours")
    assert journal.is_fresh
    journal.next_epoch()
    journal.append([confirmed(1)], [], durable=True)
    assert journal.is_fresh, "it was when this run began"
    journal.close()
    journal = open_journal("ours")
    assert not journal.is_fresh
    journal.close()


def test_closing_twice_is_harmless(open_journal: Open) -> None:
    journal = open_journal("ours")
    journal.close()
    journal.close()


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 2), st.booleans(), st.booleans()), max_size=12))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_mixture_of_appends_and_restarts_is_read_back(
    open_journal: Store, tmp_path: Path, plan: list[tuple[int, int, bool, bool]]
) -> None:
    shutil.rmtree(tmp_path / "state", ignore_errors=True)
    open_journal.forget()
    journal, expected, number = open_journal("ours"), list[Step](), 0
    for facts, asked, durable, restart in plan:
        events, commands = [seen(number + i, str(number + i)) for i in range(facts)], [order(number + i) for i in range(asked)]
        number += 3
        journal.append(events, commands, durable=durable)
        expected += [*((event, ()) for event in events[:-1]), (events[-1], tuple(commands))]
        if restart:
            journal.close()
            journal = open_journal("ours")
            assert list(journal.recover()) == expected
    journal.close()
    assert recovered(open_journal) == expected


def can_be_folded(steps: list[Step]) -> bool:
    """Whether a run could have recorded this: drawn figures may be beyond what any venue could tell."""
    try:
        fold(steps, Policy())
    except (ArithmeticError, ValueError):
        return False
    return True


@given(st.lists(st.tuples(any_event, st.booleans(), st.booleans()), max_size=10))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_recovery_ends_in_the_same_book_with_and_without_snapshots(
    open_journal: Store, tmp_path: Path, plan: list[tuple[Event, bool, bool]]
) -> None:
    shutil.rmtree(tmp_path / "state", ignore_errors=True)
    open_journal.forget()
    journal = open_journal("ours")
    for event, snap, restart in plan:
        if not can_be_folded([*journal.recover(), (event, ())]):
            continue
        journal.append([event], [], durable=True)
        if snap:
            journal.snapshot(fold(journal.recover(), Policy()))
        if restart:
            journal.close()
            journal = open_journal("ours")
    start, after = journal.resume()
    assert shown(fold(after, Policy(), start)) == shown(fold(journal.recover(), Policy()))
    journal.close()
