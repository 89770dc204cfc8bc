"""Journal, telemetry and collateral source in memory: real implementations of the ports for virtual time, where there is no disk.

`MemoryStore` is the disk: it outlives a crash with exactly what was durable. `MemoryJournal` is one run's hold of it and keeps to the
port's rules: order is kept, what was accepted while the store took nothing is written with the next append that succeeds, and what may
wait is bounded: beyond that the journal gives up.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, fields, is_dataclass
from decimal import Decimal
from typing import Any, TypeAlias

from bot.core.commands import Command
from bot.core.events import CollateralConfirmed, CollateralObserved, CollateralUnreadable, Event
from bot.core.records import Note
from bot.core.units import ONE, Asset
from bot.ports import Clock, DecisionMade, Inbox, JournalFenced, JournalUnavailable, Snapshot

WAITING_MAX = 10_000
"""Entries that may wait for a store that takes nothing."""


@dataclass(frozen=True, slots=True)
class MemoryEntry:
    """What was appended at once; the commands belong to the last event."""

    events: tuple[Event, ...]
    commands: tuple[Command, ...]


Kept: TypeAlias = tuple[int, MemoryEntry, Snapshot]
"""How many entries a snapshot stands for, the last of them, and it."""


@dataclass(slots=True)
class MemoryStore:
    """What is durable. `taking` False: nothing can be written until it is True again. `doubt`: why it is not to be trusted.

    `lost_tail`: its end was lost, and that shows at the next start.
    """

    entries: list[MemoryEntry] = field(default_factory=list)
    epoch: int = 0
    taking: bool = True
    doubt: str | None = None
    lost_tail: bool = False
    snapshots: list[Kept] = field(default_factory=list)
    """Oldest first. A store on a disk keeps the newest two, and folds everything where both are of entries that it has lost."""

    def steps(self, after: int = 0) -> Iterator[tuple[Event, tuple[Command, ...]]]:
        """Every event of the entries after the first so many, in order, each with the commands recorded with it."""
        for entry in self.entries[after:]:
            for number, event in enumerate(entry.events, 1):
                yield event, entry.commands if number == len(entry.events) else ()

    def newest_snapshot(self, first: int | None = None) -> tuple[int, Snapshot | None]:
        """How many entries (of the first so many at most) the newest snapshot stands for whose entries are the store's still, and it; 0
        and None when there is none.
        """
        most = len(self.entries) if first is None else first
        fitting = (kept for kept in reversed(self.snapshots) if kept[0] <= most and self._holds(kept))
        count, _, snapshot = next(fitting, (0, None, None))
        return count, snapshot

    def keep(self, snapshot: Snapshot) -> None:
        """All that is durable folds to this."""
        self.snapshots.append((len(self.entries), self.entries[-1], snapshot))

    def _holds(self, kept: Kept) -> bool:
        count, last, _ = kept
        return self.entries[count - 1 : count] == [last]

    def lose(self, entries: int) -> None:
        """The last so many entries are gone."""
        del self.entries[max(0, len(self.entries) - entries) :]
        self.lost_tail = True

    def digest(self) -> str:
        """A hash of everything in it, the same in every process: sets are sorted, money is exact text."""
        found = hashlib.sha256()
        for entry in self.entries:
            found.update(_canonical(entry).encode())
        return found.hexdigest()


class MemoryJournal:
    """`ports.Journal` on a store. `appending` is called before each durable append and `appended` after it; both may raise, as a crash.

    `is_ours`: whether the lease that the store compares a writer's with is this one's; once it was not, nothing is written any more.
    `reaches`: whether this host's way to the store is open.
    """

    def __init__(
        self,
        store: MemoryStore,
        *,
        appending: Callable[[], None] = lambda: None,
        appended: Callable[[], None] = lambda: None,
        is_ours: Callable[[], bool] = lambda: True,
        reaches: Callable[[], bool] = lambda: True,
    ) -> None:
        self._store = store
        self._appending = appending
        self._appended = appended
        self._is_ours = is_ours
        self._reaches = reaches
        self._is_fenced = False
        self._waiting: list[MemoryEntry] = []
        self._let_go = False
        self._failing = False
        self._was_fresh = not store.entries or store.lost_tail

    @property
    def is_fresh(self) -> bool:
        """Whether the store held no entry, or had lost its tail, when this run took hold of it."""
        return self._was_fresh

    @property
    def doubt(self) -> str | None:
        """What the store says of itself, and while the newest write failed, that."""
        return "the newest entries could not be written (the store takes nothing)" if self._failing else self._store.doubt

    @property
    def newest(self) -> int:
        """The number of the newest entry, written or waiting."""
        return len(self._store.entries) + len(self._waiting)

    def go_to(self, store: MemoryStore) -> None:
        """The server that answers from now on is another one."""
        self._store = store

    @property
    def _takes(self) -> bool:
        return self._store.taking and self._reaches()

    def recover(self) -> Iterator[tuple[Event, tuple[Command, ...]]]:
        """Every event that is durable, in order, each with its commands."""
        return self._store.steps()

    def resume(self) -> tuple[Snapshot | None, Iterator[tuple[Event, tuple[Command, ...]]]]:
        """The snapshot, unless its entries are not the store's any more, and what is durable after it."""
        count, start = self._store.newest_snapshot()
        return start, self._store.steps(after=count)

    def snapshot(self, snapshot: Snapshot) -> None:
        """Writes what waits and keeps it. Raises JournalUnavailable while the store takes nothing."""
        self._write()
        if self._store.entries:
            self._store.keep(snapshot)

    def append(self, events: Sequence[Event], commands: Sequence[Command], *, durable: bool) -> None:
        """Accepts an entry. With `durable`, writes it and all before it, or raises JournalUnavailable while the store takes nothing.

        Raises JournalFenced from when on the lease was found to be another's.
        """
        if self._let_go:
            raise JournalUnavailable("the journal is closed")
        if self._is_fenced:
            raise JournalFenced("the lease is not ours any more")
        if len(self._waiting) >= WAITING_MAX:
            raise JournalUnavailable("too much waits to be written: the journal gave up")
        if events or commands:
            self._waiting.append(MemoryEntry(tuple(events), tuple(commands)))
        if durable:
            self._appending()
            self._write()
            self._appended()
        elif self._failing and self._takes:  # what waits is tried again on a beat, as on a disk
            self._write()

    def next_epoch(self) -> int:
        """One more than ever before. Raises JournalUnavailable while the store takes nothing."""
        if not self._takes:
            raise JournalUnavailable("the store takes nothing")
        self._store.epoch += 1
        return self._store.epoch

    def close(self) -> None:
        """Writes what waits and lets go. Raises JournalUnavailable when that cannot be written."""
        if not self._let_go:
            self._let_go = True
            if self._waiting:
                self._write()

    def crash(self) -> None:
        """Lets go with nothing written: what waited is lost."""
        self._let_go = True
        self._waiting.clear()

    def _write(self) -> None:
        self._failing = not self._takes
        if self._failing:
            raise JournalUnavailable("the store takes nothing")
        if not self._is_ours():
            self._is_fenced = True
            raise JournalFenced("the lease is not ours any more")
        self._store.lost_tail = self._store.lost_tail and not self._waiting
        self._store.entries.extend(self._waiting)
        self._waiting.clear()


class MemoryTelemetry:
    """`ports.Telemetry` that remembers everything, in order."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.news: list[Event] = []
        self.commands: list[Command] = []
        self.causes: list[int | None] = []
        self.decisions: list[DecisionMade] = []
        self.notes: list[Note] = []

    def event_folded(self, event: Event, *, is_news: bool) -> None:
        """An event went through the core."""
        self.events.append(event)
        if is_news:
            self.news.append(event)

    def noted(self, note: Note) -> None:
        """The core said something."""
        self.notes.append(note)

    def decided(self, decision: DecisionMade) -> None:
        """A decision was made."""
        self.decisions.append(decision)

    def command_dispatched(self, command: Command, entry: int | None) -> None:
        """A command is about to be carried out, caused by what that entry tells."""
        self.commands.append(command)
        self.causes.append(entry)


@dataclass(frozen=True, slots=True)
class Total:
    """What is held of one asset at one location, in its own units; `redemption_rate` is base units per unit, None when unknown."""

    quantity: Decimal
    redemption_rate: Decimal | None


class MemoryCollateral:
    """`ports.CollateralSource` that is told what is held. Tells every change at once, and on a beat that nothing changed.

    `readable` False: the source says on each beat that it cannot be read, and tells no change until it can be again.
    """

    def __init__(self, name: str, clock: Clock, *, beat_s: float = 5.0) -> None:
        self.name = name
        self.readable = True
        self._clock = clock
        self.beat_s = beat_s
        self._totals: dict[tuple[str, Asset], Total] = {}
        self._untold: dict[tuple[str, Asset], None] = {}
        self._inbox: Inbox | None = None

    def hold(self, asset: str, quantity: Decimal, *, redemption_rate: Decimal | None = ONE, location: str = "vault") -> None:
        """From now on this is the total of an asset at a location, in the asset's own units."""
        self._totals[location, Asset(asset)] = Total(quantity, redemption_rate)
        self._untold[location, Asset(asset)] = None
        self._tell()

    @property
    def totals(self) -> Mapping[tuple[str, Asset], Total]:
        """What is held, by location and asset, whether or not it has been told."""
        return dict(self._totals)

    async def listen(self, inbox: Inbox) -> None:
        """All totals, then each change, with a confirmation on the beat."""
        self._inbox = inbox
        self._untold = dict.fromkeys(self._totals)
        try:
            while True:
                if self.readable:
                    self._tell()
                    self._tell_also(inbox)
                    inbox.put(CollateralConfirmed(at=self._clock.now(), source=self.name))
                else:
                    inbox.put(CollateralUnreadable(at=self._clock.now(), source=self.name, reason="told not to be readable"))
                await self._clock.sleep(self.beat_s)
        except asyncio.CancelledError:
            if self._inbox is inbox:
                self._inbox = None
            raise

    def _tell_also(self, inbox: Inbox) -> None:
        """What a listener is told on its beat that is not the newest."""

    def _tell(self) -> None:
        if self._inbox is None or not self.readable:
            return
        for location, asset in self._untold:
            total = self._totals[location, asset]
            self._inbox.put(
                CollateralObserved(
                    at=self._clock.now(),
                    source=self.name,
                    location=location,
                    asset=asset,
                    quantity=total.quantity,
                    redemption_rate=total.redemption_rate,
                )
            )
        self._untold = {}


def _canonical(item: Any) -> str:
    """Text that is equal exactly when the items are, whatever the order of sets."""
    if is_dataclass(item):
        return f"{type(item).__name__}({','.join(f'{f.name}={_canonical(getattr(item, f.name))}' for f in fields(item))})"
    if isinstance(item, Mapping):
        return "{" + ",".join(f"{_canonical(k)}:{_canonical(v)}" for k, v in item.items()) + "}"
    if isinstance(item, Set):
        return "{" + ",".join(sorted(map(_canonical, item))) + "}"
    if isinstance(item, tuple | list):
        return "[" + ",".join(map(_canonical, item)) + "]"
    return f"{type(item).__name__}:{item}"
