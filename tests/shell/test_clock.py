"""The machine's clocks: the one that leases and deadlines go by counts the time in which the machine was suspended."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from bot.shell import clock
from bot.shell.clock import SystemClock, in_words

SUSPENDED_S = 3_600.0
AHEAD = "import time; from bot.shell.clock import SystemClock; print(SystemClock().steady() - time.monotonic())"


def as_after_a_suspension(program: str) -> subprocess.CompletedProcess[str]:
    """A Python program where the kernel's clock that counts suspension is that far ahead of the one that does not."""
    apart = [shutil.which("unshare") or "unshare", "--time", "--boottime", f"{SUSPENDED_S:.0f}"]
    return subprocess.run([*apart, sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)


def test_what_the_kernel_counts_as_suspended_has_passed() -> None:
    if shutil.which("unshare") is None or as_after_a_suspension("").returncode != 0:
        pytest.skip("this system lets nobody set clocks apart (unshare --time)")
    done = as_after_a_suspension(AHEAD)
    assert float(done.stdout) == pytest.approx(SUSPENDED_S, abs=60), done.stderr


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="this system has no clock that counts suspension")
def test_it_reads_that_very_clock() -> None:
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    steady = SystemClock().steady()
    assert before <= steady <= time.clock_gettime(time.CLOCK_BOOTTIME)


@pytest.mark.parametrize("has_one", [True, False])
def test_where_no_clock_counts_suspension_the_monotonic_one_is_read(monkeypatch: pytest.MonkeyPatch, *, has_one: bool) -> None:
    told = SimpleNamespace(monotonic=lambda: 100.0, clock_gettime={7: 100.0 + SUSPENDED_S}.__getitem__)
    if has_one:
        told.CLOCK_BOOTTIME = 7
    monkeypatch.setattr(clock, "time", told)
    assert SystemClock().steady() == (100.0 + SUSPENDED_S if has_one else 100.0)


def test_an_instant_is_told_in_words_in_utc() -> None:
    assert in_words(1_767_225_600_000) == "2026-01-01 00:00:00 UTC"
