"""The command in several processes: however it is ended, none of them stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

WORKERS = 2
GONE_S = 30.0
"""Not how fast it is, but whether it ends: it shares the cores of a small machine."""
INTERRUPTED = 130


def members(group: int) -> set[int]:
    """The processes of a process group that have not ended."""
    found = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                state, _, its_group = (folder / "stat").read_text().rpartition(") ")[2].split()[:3]
            except OSError:  # it ended meanwhile
                continue
            if int(its_group) == group and state != "Z":
                found.add(int(folder.name))
    return found


def until(true: object, seconds: float) -> bool:
    assert callable(true)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.05)
    return False


def heeds_ctrl_c() -> None:
    """As at a terminal: a shell without jobs lets what it starts in the background ignore SIGINT, and that is inherited."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize(
    ("number", "to_all", "code"),
    [(signal.SIGINT, True, INTERRUPTED), (signal.SIGTERM, False, -signal.SIGTERM), (signal.SIGKILL, False, -signal.SIGKILL)],
    ids=["ctrl-c", "sigterm", "sigkill"],
)
def test_no_process_is_left_behind(number: signal.Signals, to_all: bool, code: int) -> None:
    words = [sys.executable, "-m", "bot", "chaos", "--seeds", "6", "--hours", "24", "--jobs", str(WORKERS)]
    command = subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heeds_ctrl_c,  # noqa: PLW1509  one call that takes no lock
    )
    try:
        assert until(lambda: len(members(command.pid)) == 1 + WORKERS, 60)
        time.sleep(0.5)  # they play
        if to_all:  # as a terminal does it
            os.killpg(command.pid, number)
        else:
            command.send_signal(number)
        _, said = command.communicate(timeout=GONE_S)
        assert command.returncode == code
        assert "Traceback" not in said
        assert until(lambda: not members(command.pid), GONE_S)
    finally:
        if members(command.pid):
            os.killpg(command.pid, signal.SIGKILL)
        command.wait()
