"""A blocked event loop is found by a thread, told with every stack, and ended; a paused process is not taken for one."""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import signal
import subprocess
import sys
import termios
import time
from array import array
from collections.abc import Callable

from bot.shell.watchdog import EXIT_BLOCKED, Watchdog

BLOCKING = """
import asyncio, sys, time
from bot.shell.watchdog import Watchdog

def the_culprit(seconds):
    time.sleep(seconds)

async def main():
    watchdog = Watchdog(beat_s=0.05, warn_s=0.3, end_s={end_s})
    watchdog.start()
    await asyncio.sleep(0.2)
    print("blocking", flush=True)
    the_culprit({blocked_s})
    await asyncio.sleep(0.3)
    print("turning again", flush=True)
    watchdog.stop()

asyncio.run(main())
"""


def run(end_s: float, blocked_s: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BLOCKING.format(end_s=end_s, blocked_s=blocked_s)], capture_output=True, text=True, timeout=60, check=False
    )


def test_a_loop_that_stays_blocked_ends_the_process_with_all_stacks_and_the_reason():
    began = time.monotonic()
    done = run(1.0, 60)
    assert done.returncode == EXIT_BLOCKED
    assert time.monotonic() - began < 15
    assert done.stderr.count("the_culprit") == 2, "once as a warning, once at the end"
    assert "loop_blocked" in done.stdout + done.stderr
    assert re.search(r"process_ended_by_watchdog.*has not turned for 1\.\d s", done.stdout + done.stderr)
    assert "turning again" not in done.stdout


def test_a_loop_that_goes_on_is_told_and_left_alone():
    done = run(5.0, 0.8)
    assert done.returncode == 0
    assert done.stderr.count("the_culprit") == 1
    assert "loop_turns_again" in done.stdout + done.stderr
    assert "turning again" in done.stdout


def test_a_process_that_was_paused_is_no_blocked_loop():
    waits = BLOCKING.replace("the_culprit({blocked_s})", "await asyncio.sleep({blocked_s})").format(end_s=1.0, blocked_s=1.0)
    running = subprocess.Popen([sys.executable, "-c", waits], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stdout is not None
    assert running.stdout.readline() == "blocking\n"
    os.kill(running.pid, signal.SIGSTOP)
    time.sleep(2.5)
    os.kill(running.pid, signal.SIGCONT)
    out, err = running.communicate(timeout=30)
    assert (running.returncode, out) == (0, "turning again\n"), err


STANDS_BY = """
import asyncio, os, signal
from bot.drivers import live

class Hangs:
    is_stopping = False
    def stop(self, reason): pass
    def hurry(self, reason): pass

async def main():
    live.GONE_S = 0.5
    live.Stage().heed_signals(Hangs())
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def test_what_hangs_at_a_signal_is_ended_also_before_there_is_a_run():
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", STANDS_BY], capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == EXIT_BLOCKED
    assert time.monotonic() - began < 30
    assert "the stop took too long" in done.stdout + done.stderr


FULL_PIPE = """
import asyncio, os, sys
from bot.shell.watchdog import Watchdog

async def main():
    Watchdog(beat_s=0.05, warn_s=0.3, end_s=0.6).start()
    await asyncio.sleep(0.1)
    while True:  # nobody reads: this blocks for ever, and so will whoever wants to tell of it
        os.write(2, b"x" * 65536)

asyncio.run(main())
"""


def test_a_loop_that_hangs_in_its_own_log_is_ended_although_nothing_can_be_told():
    read, write = os.pipe()
    running = subprocess.Popen([sys.executable, "-c", FULL_PIPE], stdout=write, stderr=write)
    try:
        assert running.wait(30) == EXIT_BLOCKED
    finally:
        running.kill()
        os.close(read)
        os.close(write)


TRICKLE = """
import asyncio, fcntl, os, sys
from bot.adapters.telemetry.logs import configure_logging
from bot.shell import watchdog

async def main():
    watchdog.SAY_S = 0.2
    watchdog.Watchdog(beat_s=0.05, warn_s=0.3, end_s=0.8).start()
    await asyncio.sleep(0.1)
    os.write(2, b"x" * (fcntl.fcntl(2, fcntl.F_GETPIPE_SZ) + 4000))  # until somebody reads a little
    await asyncio.sleep(0.3)
    while True:
        os.write(2, b"y" * 4096)

configure_logging("info", "json")
asyncio.run(main())
"""


def waiting(read: int) -> int:
    """Bytes that wait in a pipe."""
    told = array("i", [0])
    fcntl.ioctl(read, termios.FIONREAD, told)
    return told[0]


def test_a_log_that_is_read_a_little_and_then_no_more_does_not_hang_the_watching_thread():
    read, write = os.pipe()
    running = subprocess.Popen([sys.executable, "-c", TRICKLE], stdout=write, stderr=write)
    try:
        deadline = time.monotonic() + 30
        while waiting(read) < fcntl.fcntl(write, fcntl.F_GETPIPE_SZ):
            assert time.monotonic() < deadline, "the pipe never was full"
            time.sleep(0.02)
        time.sleep(0.5)  # the loop is blocked, and it was told so
        os.read(read, 4096)
        assert running.wait(20) == EXIT_BLOCKED
    finally:
        running.kill()
        os.close(read)
        os.close(write)


HOLDS_THE_LOCK = """
import asyncio, ctypes, os, sys
from bot.shell import watchdog

async def main():
    watchdog.LOCKED_S = 0.5
    watchdog.Watchdog(beat_s=0.05).start()
    await asyncio.sleep(0.2)
    if sys.argv[1:] == ["full"]:
        os.set_blocking(2, False)
        try:
            while True: os.write(2, b"x")
        except BlockingIOError:
            os.set_blocking(2, True)
    ctypes.PyDLL(None).sleep(60)  # as a library that keeps the interpreter's lock: no thread of ours has its turn

asyncio.run(main())
"""


def test_what_holds_the_interpreters_lock_is_ended_with_all_stacks():
    done = subprocess.run([sys.executable, "-c", HOLDS_THE_LOCK], capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 1
    assert "in main" in done.stderr


def test_the_last_resort_does_not_hang_in_a_log_that_nobody_reads():
    read, write = os.pipe()
    running = subprocess.Popen([sys.executable, "-c", HOLDS_THE_LOCK, "full"], stdout=write, stderr=write)
    try:
        assert running.wait(20) == 1
    finally:
        running.kill()
        os.close(read)
        os.close(write)


NO_MORE_THREADS = """
import asyncio, faulthandler, threading, time
from bot.shell.watchdog import Watchdog

def refused(*_, **__):
    raise RuntimeError("can't start new thread")

async def main():
    Watchdog(beat_s=0.05, warn_s=0.2, end_s=0.4).start()
    await asyncio.sleep(0.1)
    threading.Thread.start = faulthandler.dump_traceback_later = refused  # what both do at a limit of threads
    time.sleep(60)

asyncio.run(main())
"""


def test_a_blocked_loop_is_ended_also_where_no_thread_can_be_started():
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", NO_MORE_THREADS], capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == EXIT_BLOCKED
    assert time.monotonic() - began < 20


STOPPING = """
import asyncio, threading, time
from bot.shell.watchdog import Watchdog

async def main():
    watchdog = Watchdog(beat_s=0.05)
    watchdog.start()
    threading.Thread(target=time.sleep, args=(60,)).start()  # the interpreter waits for it, for ever as far as we know
    watchdog.end_within(0.5)

asyncio.run(main())
"""


def test_what_still_hangs_when_the_stop_should_be_over_is_ended_with_the_process():
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", STOPPING], capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == EXIT_BLOCKED
    assert time.monotonic() - began < 20
    assert "the stop took too long" in done.stdout + done.stderr


async def test_a_loop_that_turns_is_never_ended():
    ended: list[int] = []
    end: Callable[[int], object] = ended.append
    watchdog = Watchdog(beat_s=0.02, warn_s=30, end_s=60, end=end)
    watchdog.start()
    await asyncio.sleep(0.3)
    watchdog.stop()
    watchdog.stop()
    assert ended == []
