"""`make bench`, its third part: both journals beside the bare operation of their store, and how long a start reads; JSON when asked.

The entries are those that the unchanged shell records on virtual time (see `folding`): facts with the orders that followed from them. Every
lane of one store is taken in turn with its floor. The Redis server is one of our own on loopback, with an append-only file synced at every
write, in the same folder; without a redis-server on this machine its lanes are left out, and it is said.
"""

from __future__ import annotations

import io
import itertools
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.disk import folder_on_disk
from benchmarks.figures import BenchmarkFailed, Figure, Samples, ratio
from benchmarks.folding import recorded
from bot.adapters.journal.codec import encode
from bot.adapters.journal.redis_link import RedisLink, RedisServer, StoreFailed
from bot.adapters.journal.redis_streams import RedisJournal
from bot.adapters.journal.sqlite import SqliteJournal
from bot.adapters.telemetry.logs import configure_logging
from bot.core.commands import Command
from bot.core.events import Event
from bot.core.policy import Policy
from bot.ports import Journal
from bot.shell.recovery import Course, recovered
from bot.simulator.virtual_time import run_virtually

SQLITE, INSERT = "SqliteJournal.append(durable=True)", "SQLite insert, WAL, synchronous=FULL"
REDIS, XADD = "RedisJournal.append(durable=True)", "Redis XADD, appendfsync always"
LENGTHS = (1_000, 5_000, 20_000)
WIDTH = 110
START_SECONDS = 10.0
PATIENCE_S = 10.0

Step = tuple[Event, Sequence[Command]]


def main(
    rounds: Annotated[int, typer.Option(min=1, max=20_000, help="Appends measured in each lane.")] = 1_000,
    longest: Annotated[int, typer.Option(min=10, max=1_000_000, help="Entries of the longest journal that is read back.")] = LENGTHS[-1],
    folder: Annotated[
        Path | None, typer.Option(help="A folder on the disk to be measured. Default: a temporary one.", show_default=False)
    ] = None,
    written: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the figures to this file.", show_default=False)
    ] = None,
) -> None:
    """Measure a durable append to each journal beside the bare operation of its store, and a start against the journal's length."""
    console, aside = Console(highlight=False), Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = WIDTH
    configure_logging("error", "json", stream=io.StringIO())
    try:
        with tempfile.TemporaryDirectory(prefix="hedgebot-bench-", dir=folder_on_disk(folder)) as made:
            appends, starts = _measured(Path(made), rounds, longest, lambda text: aside.print(f"[bench] {text}"))
    except BenchmarkFailed as error:
        aside.print(f"bench: {error}")
        raise typer.Exit(1) from None
    _show(console, appends, starts)
    if written is not None:
        document: dict[str, Any] = {"appends": {lane: figure.as_json() for lane, figure in appends.items()}, "starts": starts}
        written.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))


def _measured(
    folder: Path, rounds: int, longest: int, progress: Callable[[str], None]
) -> tuple[Mapping[str, Figure], dict[str, dict[str, float]]]:
    steps = [(event, tuple(commands)) for event, commands in run_virtually(recorded())]
    lengths = [*(length for length in LENGTHS if length < longest), longest]
    samples, starts = Samples(), dict[str, dict[str, float]]()
    progress("SQLite: appends")
    _sqlite_appends(folder, steps, rounds, samples)
    progress("SQLite: starts")
    for length in lengths:
        path = folder / f"start-{length}.sqlite"
        starts[f"SQLite, {length:,} entries"] = _starts(lambda at=path: SqliteJournal(at, "bench"), steps, length)  # type: ignore[misc]  # bound now
    if shutil.which("redis-server") is None:
        progress("there is no redis-server here: its lanes are left out")
        return samples.figures(), starts
    with redis_server(folder / "redis") as server:
        progress("Redis: appends")
        _redis_appends(folder, server, steps, rounds, samples)
        progress("Redis: starts")
        for length in lengths:
            name = f"start{length}"
            opened = _opener(server, name, folder)
            starts[f"Redis, {length:,} entries"] = _starts(opened, steps, length)
    return samples.figures(), starts


def _opener(server: RedisServer, name: str, folder: Path) -> Callable[[], Journal]:
    return lambda: RedisJournal(server, name, "bench", folder, patience_s=PATIENCE_S, archives=False)


def _sqlite_appends(folder: Path, steps: Sequence[Step], rounds: int, samples: Samples) -> None:
    with closing(SqliteJournal(folder / "append.sqlite", "bench")) as journal, closing(sqlite3.connect(folder / "floor.sqlite")) as bare:
        bare.isolation_level = None
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "wal_autocheckpoint = 8192"):
            bare.execute(f"PRAGMA {pragma}")
        bare.execute("CREATE TABLE entries (seq INTEGER PRIMARY KEY, link BLOB, payload BLOB)")

        def insert(payload: bytes) -> None:
            bare.execute("INSERT INTO entries (link, payload) VALUES (?, ?)", (payload[:32], payload))

        _in_turn(journal, SQLITE, insert, INSERT, steps, rounds, samples)


def _redis_appends(folder: Path, server: RedisServer, steps: Sequence[Step], rounds: int, samples: Samples) -> None:
    bare = RedisLink(server)
    with closing(RedisJournal(server, "append", "bench", folder, patience_s=PATIENCE_S)) as journal:

        def xadd(payload: bytes) -> None:
            bare.call("XADD", "floor", "*", "link", payload[:32], "payload", payload)

        _in_turn(journal, REDIS, xadd, XADD, steps, rounds, samples)
    bare.drop()


def _in_turn(
    journal: Journal, ours: str, bare: Callable[[bytes], None], floor: str, steps: Sequence[Step], rounds: int, samples: Samples
) -> None:
    journal.append((), (), durable=True)  # what the first append verifies is not what an append costs
    for event, commands in itertools.islice(itertools.cycle(steps), rounds):
        payload = encode((event,), commands)
        began = time.perf_counter_ns()
        journal.append((event,), commands, durable=True)
        between = time.perf_counter_ns()
        bare(payload)
        samples.add(ours, between - began)
        samples.add(floor, time.perf_counter_ns() - between)


def _starts(opened: Callable[[], Journal], steps: Sequence[Step], length: int) -> dict[str, float]:
    """Seconds until everything has been verified and read, without a snapshot and with one of the last entry; and what is in it."""
    with closing(opened()) as journal:
        for event, commands in itertools.islice(itertools.cycle(steps), length):
            journal.append((event,), commands, durable=False)
        journal.append((), (), durable=True)
    whole = _read(opened, expected=length)
    with closing(opened()) as journal:
        journal.snapshot(recovered(steps, Policy(), course=Course()))
    return {"no snapshot": whole, "a snapshot at its end": _read(opened, expected=0)}


def _read(opened: Callable[[], Journal], expected: int) -> float:
    began = time.perf_counter()
    with closing(opened()) as journal:
        _, after = journal.resume()
        count = sum(1 for _ in after)
        seconds = time.perf_counter() - began
    if count != expected:
        raise BenchmarkFailed(f"a start read {count} entries, and {expected} were to be read")
    return round(seconds, 4)


@contextmanager
def redis_server(folder: Path, *, fsync: str = "always") -> Iterator[RedisServer]:
    """A server of our own, with an append-only file that is synced at every write, or as told."""
    folder.mkdir()
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    fixed = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--logfile", str(folder / "log")]
    words = [*fixed, "--appendonly", "yes", "--appendfsync", fsync, "--save", ""]
    process = subprocess.Popen(["redis-server", *words], stdout=subprocess.DEVNULL)  # noqa: S607  the one on this machine's path is meant
    try:
        server = RedisServer(hosts=(("127.0.0.1", port),))
        _until_it_answers(server)
        yield server
    finally:
        process.kill()
        process.wait()


def _until_it_answers(server: RedisServer) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        link = RedisLink(server)
        try:
            link.call("PING")
            return
        except StoreFailed as error:
            if time.monotonic() > deadline:
                raise BenchmarkFailed(str(error)) from None
            time.sleep(0.05)
        finally:
            link.drop()


def _show(console: Console, appends: Mapping[str, Figure], starts: Mapping[str, Mapping[str, float]]) -> None:
    table = Table(title="one entry, microseconds", title_justify="left")
    table.add_column("what")
    for heading in ("count", "p50", "p99"):
        table.add_column(heading, justify="right")
    for lane, figure in appends.items():
        table.add_row(lane, str(figure.count), f"{figure.p50_us:,.0f}", f"{figure.p99_us:,.0f}")
    for ours, floor in ((SQLITE, INSERT), (REDIS, XADD)):
        if ours in appends:
            found = ratio(f"{ours} / its floor", appends, ours, (floor,))
            table.add_row(found.name, "", f"{found.p50:.2f}", f"{found.p99:.2f}", style="bold")
    console.print(table)
    table = Table(title="a start: opened, verified and read, seconds", title_justify="left")
    table.add_column("journal")
    for heading in ("no snapshot", "a snapshot at its end"):
        table.add_column(heading, justify="right")
    for journal, seconds in starts.items():
        table.add_row(journal, *(f"{seconds[heading]:.3f}" for heading in ("no snapshot", "a snapshot at its end")))
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
