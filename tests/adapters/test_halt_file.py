"""The file that halts the book: whatever is there halts, and only nothing does not."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.adapters.halt_file import READ_MAX, HaltFile
from bot.operating import HaltTold


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """This process may open nothing more, however many it has open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_what_was_written_is_told_until_it_is_cleared(tmp_path: Path) -> None:
    file = HaltFile(tmp_path / "new" / "HALT")
    assert file.told() is None
    file.write("alice", "the venue is on fire: look")
    assert file.told() == HaltTold("alice", "the venue is on fire: look")
    file.clear()
    assert file.told() is None
    file.clear()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", HaltTold("halt file", "no reason is given")),
        (b"alice", HaltTold("alice", "no reason is given")),
        (b": why not\nand more", HaltTold("halt file", "why not")),
        (b"al\x00ice: \xff", HaltTold("al ice", "\ufffd")),
    ],
)
def test_whatever_is_in_it_halts(tmp_path: Path, text: bytes, told: HaltTold) -> None:
    path = tmp_path / "HALT"
    path.write_bytes(text)
    assert HaltFile(path).told() == told


def test_a_huge_one_is_looked_at_in_part(tmp_path: Path) -> None:
    path = tmp_path / "HALT"
    path.write_text("a" * 10_000_000)
    told = HaltFile(path).told()
    assert told is not None
    assert len(told.by) == READ_MAX


def test_one_that_cannot_be_read_halts_and_cannot_be_cleared(tmp_path: Path) -> None:
    path = tmp_path / "HALT"
    path.mkdir()
    told = HaltFile(path).told()
    assert told is not None
    assert told.why.startswith("it is there and cannot be read")
    with pytest.raises(OSError, match="directory"):
        HaltFile(path).clear()


def test_a_link_that_leads_nowhere_halts_and_can_be_cleared(tmp_path: Path) -> None:
    path = tmp_path / "HALT"
    path.symlink_to(tmp_path / "gone" / "away")
    assert HaltFile(path).told() == HaltTold("halt file", "it is a link that leads nowhere")
    HaltFile(path).clear()
    assert HaltFile(path).told() is None


def test_a_link_to_a_file_halts_with_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("alice: look")
    (tmp_path / "HALT").symlink_to("other")
    assert HaltFile(tmp_path / "HALT").told() == HaltTold("alice", "look")


def test_a_pipe_halts_and_is_never_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "HALT"
    os.mkfifo(path)
    assert HaltFile(path).told() == HaltTold("halt file", "no reason is given")
    kept_open = os.open(path, os.O_RDWR)
    told = HaltFile(path).told()
    os.close(kept_open)
    assert told is not None
    assert told.why.startswith("it is there and cannot be read")


def test_looking_at_a_directory_for_long_leaks_nothing(tmp_path: Path) -> None:
    path = tmp_path / "HALT"
    path.mkdir()
    before = sum(1 for _ in Path("/proc/self/fd").iterdir())
    for _ in range(50):
        HaltFile(path).told()
    assert sum(1 for _ in Path("/proc/self/fd").iterdir()) == before


def test_a_process_without_a_descriptor_left_is_halted_by_what_is_there_and_by_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "HALT"
    with no_descriptor_left():
        with pytest.raises(OSError, match=os.strerror(errno.EMFILE)):
            os.open(tmp_path, os.O_RDONLY)
        assert HaltFile(path).told() is None
        path.symlink_to("x")
        there = HaltFile(path).told()
    assert there is not None
    assert there.why.startswith("it is there and cannot be read")


def test_a_folder_that_hides_whether_it_is_there_halts_and_says_so(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    told = HaltFile(loop / "HALT").told()
    assert told is not None
    assert told.why.startswith("whether it is there cannot be seen")
