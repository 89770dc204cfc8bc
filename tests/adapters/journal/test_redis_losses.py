"""The Redis journal when the server lost what it had acknowledged: under a running bot, and between two runs."""

from __future__ import annotations

import logging
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bot.adapters.journal import chain as chain_module
from bot.ports import JournalUnavailable
from tests.adapters.journal.facts import confirmed
from tests.adapters.journal.redis_process import cut_back, keys
from tests.adapters.journal.redis_words import Place


def forget_last(client: Any, name: str, count: int) -> None:
    """As a failover to a replica that had not received the last entries."""
    cut_back(client, name, count)


def test_entries_that_were_lost_under_a_running_bot_are_written_again(place: Place, client: Any) -> None:
    with closing(place.opened()) as journal:
        for at in range(1, 11):
            journal.append([confirmed(at)], [], durable=True)
        forget_last(client, place.name, 4)
        journal.append([confirmed(11)], [], durable=True)
        assert journal.rewritten == 4
    assert place.times() == list(range(1, 12))


def test_entries_of_an_earlier_run_that_were_lost_are_written_again(place: Place, client: Any) -> None:
    place.written(6)
    with closing(place.opened()) as journal:
        journal.is_fresh  # noqa: B018  asking verifies the chain
        forget_last(client, place.name, 2)
        journal.append([confirmed(7)], [], durable=True)
        assert journal.rewritten == 2
    assert place.times() == list(range(1, 8))


def test_a_journal_deleted_under_a_running_bot_is_written_again(place: Place, client: Any) -> None:
    with closing(place.opened()) as journal:
        assert journal.next_epoch() == 1
        assert journal.next_epoch() == 2
        for at in range(1, 6):
            journal.append([confirmed(at)], [], durable=True)
        client.delete(*keys(place.name).values())
        journal.append([confirmed(6)], [], durable=True)
        assert journal.rewritten == 5
    assert place.times() == [1, 2, 3, 4, 5, 6]
    with closing(place.opened()) as journal:
        assert journal.next_epoch() == 3


def test_what_memory_does_not_hold_any_more_cannot_be_written_again(place: Place, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain_module, "RECENT_ROWS_MAX", 3)
    journal = place.opened()
    for at in range(1, 11):
        journal.append([confirmed(at)], [], durable=True)
    forget_last(client, place.name, 4)
    with pytest.raises(JournalUnavailable, match="went back to entry 6, and memory holds only what came after entry 7"):
        journal.append([confirmed(11)], [], durable=True)
    with pytest.raises(JournalUnavailable):
        journal.close()
    assert place.times() == [1, 2, 3, 4, 5, 6]


def test_a_deleted_journal_is_given_up_when_memory_holds_only_its_end(place: Place, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain_module, "RECENT_ROWS_MAX", 3)
    journal = place.opened()
    for at in range(1, 11):
        journal.append([confirmed(at)], [], durable=True)
    client.delete(*keys(place.name).values())
    with pytest.raises(JournalUnavailable, match="is not there any more, and memory holds only what came after entry 7"):
        journal.append([confirmed(11)], [], durable=True)
    with pytest.raises(JournalUnavailable):
        journal.close()


@pytest.mark.parametrize("count", [1, 3])
def test_what_was_lost_between_two_runs_is_told_by_the_mark(
    place: Place, client: Any, count: int, caplog: pytest.LogCaptureFixture
) -> None:
    place.written(5)
    forget_last(client, place.name, count)
    with caplog.at_level(logging.ERROR), closing(place.opened()) as journal:
        assert journal.is_fresh, "requests may be on their way that it knows nothing of"
        (found,) = journal.quarantined
        assert found.copy is None
        assert f"entries {6 - count} to 5 had been acknowledged by the server and are not there any more" in found.reason
    assert found.reason in caplog.text
    with closing(place.opened()) as journal:
        assert journal.is_fresh, "the start before entered nothing: nobody knows yet"
        journal.append([confirmed(9)], [], durable=True)
    with closing(place.opened()) as journal:
        assert not journal.is_fresh
        assert not journal.quarantined


def test_other_entries_than_were_acknowledged_are_told(place: Place, client: Any, tmp_path: Path) -> None:
    place.written(5)
    forget_last(client, place.name, 2)
    with closing(place.elsewhere(tmp_path / "other host").opened()) as journal:
        for at in (14, 15, 16):
            journal.append([confirmed(at)], [], durable=True)
    with closing(place.opened()) as journal:
        assert journal.is_fresh
        (found,) = journal.quarantined
        assert "entry 5 is not the one that had been acknowledged" in found.reason


def test_a_start_that_only_drew_an_epoch_does_not_hide_a_loss(place: Place, client: Any) -> None:
    place.written(5)
    forget_last(client, place.name, 2)
    epochs = []
    for _ in range(2):
        with closing(place.opened()) as journal:
            epochs.append(journal.next_epoch())
            assert journal.is_fresh
    assert epochs == [1, 2]


def test_a_mark_that_another_host_has_passed_is_nothing_to_tell(place: Place, tmp_path: Path) -> None:
    place.written(2)
    with closing(place.elsewhere(tmp_path / "other host").opened()) as journal:
        journal.append([confirmed(3)], [], durable=True)
    with closing(place.opened()) as journal:
        assert not journal.is_fresh
        assert not journal.quarantined


@pytest.mark.parametrize("content", [b"", b"torn", bytes(200)])
def test_a_torn_mark_says_nothing(place: Place, content: bytes) -> None:
    place.written(2)
    (mark,) = place.folder.glob("*.mark")
    mark.write_bytes(content)
    with closing(place.opened()) as journal:
        assert not journal.is_fresh


# Epochs


def epoch_after(place: Place) -> int:
    with closing(place.opened()) as journal:
        return journal.next_epoch()


def test_epochs_do_not_repeat_when_the_store_was_deleted(place: Place, client: Any) -> None:
    given = [epoch_after(place) for _ in range(3)]
    client.delete(*keys(place.name).values())
    assert [*given, epoch_after(place)] == [1, 2, 3, 4]


def test_epochs_do_not_repeat_when_the_store_was_rolled_back(place: Place, client: Any) -> None:
    given = [epoch_after(place) for _ in range(3)]
    client.hset(keys(place.name)["facts"], "epoch", "1")
    assert [*given, epoch_after(place)] == [1, 2, 3, 4]


def test_epochs_do_not_repeat_when_the_mark_was_lost(place: Place) -> None:
    given = [epoch_after(place) for _ in range(3)]
    for mark in place.folder.glob("*.mark"):
        mark.unlink()
    assert [*given, epoch_after(place)] == [1, 2, 3, 4]


def test_a_rolled_back_epoch_is_put_right_by_the_next_entry(place: Place, client: Any) -> None:
    with closing(place.opened()) as journal:
        for _ in range(5):
            journal.next_epoch()
        client.hset(keys(place.name)["facts"], "epoch", "2")
        journal.append([confirmed(1)], [], durable=True)
    assert client.hget(keys(place.name)["facts"], "epoch") == b"5"
