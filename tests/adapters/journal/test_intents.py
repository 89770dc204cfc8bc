"""Intents kept beside the journal: each line is whole or left out, readable by nobody else, and gone when the journal has it."""

from __future__ import annotations

import os
import stat
from decimal import Decimal
from pathlib import Path

import pytest

from bot.adapters.journal.intents import IntentsFile
from bot.core.commands import PlaceOrder
from bot.core.events import IntentsEntered, OperatorActed, OperatorAction
from bot.core.units import ClientOrderId, InstrumentId

WORD = OperatorActed(at=7, action=OperatorAction.FLATTEN, by="alice", why="a drill")
ORDER = PlaceOrder(
    client_order_id=ClientOrderId("h00010mjuohs00t000000002"),
    instrument=InstrumentId("okx:ETH-USDT-SWAP"),
    quantity=Decimal("4.50"),
    contracts=Decimal(45),
    price=Decimal("3005.60"),
    reduce_only=True,
    expires_at=5_008,
)


def kept(path: Path) -> IntentsFile:
    file = IntentsFile(path)
    file.keep([WORD], ())
    file.keep([IntentsEntered(at=8)], [ORDER])
    return file


def test_what_is_kept_is_told_in_order_to_the_last_digit_and_to_nobody_else(tmp_path: Path) -> None:
    path = tmp_path / "new" / "intents.jsonl"
    file = kept(path)
    assert IntentsFile(path).left() == (((WORD,), ()), ((IntentsEntered(at=8),), (ORDER,)))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    file.clear()
    file.clear()
    assert (path.exists(), file.left()) == (False, ())


@pytest.mark.parametrize("cut", [1, 40, 200])
def test_a_line_that_a_crash_tore_is_left_out(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "intents.jsonl"
    kept(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    expected = 2 if cut == 1 else 1  # the line's end alone may be missing
    assert len(IntentsFile(path).left()) == expected
    path.write_bytes(whole.replace(b"4.50", b"4.51"))
    assert len(IntentsFile(path).left()) == 1, "nor is one that was changed believed"


def test_a_file_that_cannot_be_written_or_read_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"exists|directory"):
        IntentsFile(tmp_path / "file" / "intents").keep([WORD], ())
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="directory"):
        IntentsFile(tmp_path / "folder").left()


def test_a_write_that_fell_short_leaves_nothing_and_the_next_line_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "intents.jsonl"
    file = IntentsFile(path)
    file.keep([WORD], ())
    before, write = path.read_bytes(), os.write
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda descriptor, line: write(descriptor, line[: len(line) // 2]))
        with pytest.raises(OSError, match="No space left"):
            file.keep([IntentsEntered(at=8)], [ORDER])
    assert path.read_bytes() == before
    file.keep([IntentsEntered(at=9)], [ORDER])
    assert [events[0].at for events, _ in IntentsFile(path).left()] == [7, 9]


def test_a_part_that_cannot_be_taken_back_lets_nothing_more_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, write = kept(tmp_path / "intents.jsonl"), os.write

    def refused(descriptor: int, length: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "write", lambda descriptor, line: write(descriptor, line[:10]))
        broken.setattr(os, "ftruncate", refused)
        with pytest.raises(OSError, match="No space left"):
            file.keep([WORD], ())
    with pytest.raises(OSError, match="taken back"):
        file.keep([WORD], ())
    assert len(file.left()) == 2


def test_what_is_kept_behind_a_torn_line_is_told_and_the_file_is_set_aside_whole(tmp_path: Path) -> None:
    path = tmp_path / "intents.jsonl"
    path.write_bytes(b'deadbeef {"torn')
    file = kept(path)
    assert [events[0].at for events, _ in IntentsFile(path).left()] == [7, 8]
    whole = path.read_bytes()
    file.clear()
    assert (path.exists(), (tmp_path / "intents.jsonl.set-aside-1").read_bytes()) == (False, whole)
    path.write_bytes(b"torn again")
    file.clear()
    assert (tmp_path / "intents.jsonl.set-aside-2").read_bytes() == b"torn again"
