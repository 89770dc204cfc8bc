"""`hedgebot chaos`: many seeds, one after the other or in several processes, with a line for each and a table at the end."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from multiprocessing import active_children, parent_process
from multiprocessing.connection import wait
from pathlib import Path

import structlog

from bot.drivers.chaos.liveness import play_liveness
from bot.drivers.chaos.report import Campaign, failure, seed_line, table
from bot.drivers.chaos.results import Results
from bot.drivers.chaos.seed import Outcome, play

COLLECTED_AFTER = 100_000
"""New objects after which the garbage of a seed is collected: nearly all that the core makes goes by itself, and looking for more costs a
twentieth of the time."""


def run_chaos(seeds: int, first: int, hours: float, mode: str, jobs: int, results: Path | None = None) -> int:
    """Plays seeds `first` to `first + seeds - 1`; 1 when one failed, or when a fault of chaos fired in none of a hundred or more seeds.

    `results`: what is in this file already is not played again, and what is played is added to it. Raises ResultsRefused.
    """
    campaign, kept = Campaign(), Results(results, mode=mode, hours=hours) if results is not None else None
    numbers = range(first, first + seeds)
    known = kept.read() if kept is not None else {}
    for number in (n for n in numbers if n in known):
        _took(campaign, known[number].outcome, known[number].cpu_s, hours, mode)
    if campaign.seeds:
        _say(f"[{campaign.seeds}/{seeds}] were played before ({results}), of which {len(campaign.failed)} failed")
    for outcome, cpu_s in _outcomes([n for n in numbers if n not in known], hours, mode, jobs):
        if kept is not None:
            kept.add(outcome, cpu_s)
        _say(f"[{campaign.seeds + 1}/{seeds}] {seed_line(outcome, cpu_s)}")
        _took(campaign, outcome, cpu_s, hours, mode)
    _say(table(campaign))
    never = campaign.never_fired() if mode == "safety" and seeds >= 100 else ()
    if never:
        _say(f"never fired: {', '.join(f'F{n:02d}' for n in never)}")
    return 1 if campaign.failed or never else 0


def _took(campaign: Campaign, outcome: Outcome, cpu_s: float, hours: float, mode: str) -> None:
    campaign.add(outcome, cpu_s)
    if outcome.violations:
        _say(failure(outcome, hours, mode))


def _outcomes(numbers: Iterable[int], hours: float, mode: str, jobs: int) -> Iterator[tuple[Outcome, float]]:
    one = partial(timed, hours=hours, mode=mode)
    if jobs <= 1:
        yield from map(one, numbers)
        return
    pool = ProcessPoolExecutor(max_workers=jobs, initializer=_end_with_parent)
    try:
        for done in as_completed([pool.submit(one, number) for number in numbers]):
            yield done.result()
    finally:
        for child in active_children():  # on Ctrl-C they are in the middle of a seed, and nobody wants what comes of it
            child.kill()
        pool.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    """A worker of the pool from now on: it ends when whoever started it is gone, in whatever way, and Ctrl-C is for that one to heed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    if parent is None:
        raise RuntimeError("this process is no worker")

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def timed(number: int, hours: float, mode: str) -> tuple[Outcome, float]:
    """One seed and the CPU seconds that it took. The bot's own log is not written: the story tells it."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    began, thresholds = time.process_time(), gc.get_threshold()
    gc.set_threshold(COLLECTED_AFTER, *thresholds[1:])
    try:
        outcome = play_liveness(number, hours) if mode == "liveness" else play(number, hours)
    finally:
        gc.set_threshold(*thresholds)
    return outcome, time.process_time() - began


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
