"""A journal folded from its first entry, and held against what it says itself.

It must end equal: in the orders that each decision placed, and, at the entry of every snapshot, in the whole of what that snapshot keeps,
but for what is no part of the record (`recovery.as_recorded`). Where this version of the rules decides otherwise than was recorded, the
record counts and the fold goes on; each such decision is told with both answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

from bot.core.commands import PlaceOrder
from bot.core.events import DecisionDue, Event, SessionStarted
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.units import ClientOrderId, Millis
from bot.ports import JournalReader, Snapshot
from bot.shell.recovery import Folding, as_recorded, orders_in


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One run of a bot, and the entry in which it began."""

    seq: int
    at: Millis
    epoch: str
    config_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A decision that this version takes otherwise: the orders that were recorded, and those that it would place."""

    seq: int
    at: Millis
    recorded: tuple[PlaceOrder, ...]
    decided: tuple[PlaceOrder, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A snapshot beside what its entries fold to: the names of what differs, none when all is equal."""

    seq: int
    differing: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What came of folding a whole journal. `orders` counts those that were placed; `repeated_ids` were placed twice."""

    name: str
    entries: int
    events: int
    decisions: int
    orders: int
    first_at: Millis | None
    last_at: Millis | None
    sessions: tuple[Session, ...]
    differences: tuple[Difference, ...]
    snapshots: tuple[Compared, ...]
    repeated_ids: tuple[ClientOrderId, ...]
    ledger: Ledger

    @property
    def is_equal(self) -> bool:
        """Whether the fold ends in what the journal says of itself."""
        return not self.differences and not self.repeated_ids and all(not s.differing for s in self.snapshots)


class Replay:
    """The fold of one journal as it goes on."""

    def __init__(self, snapshots: Mapping[int, Snapshot]) -> None:
        self._kept = snapshots
        self._folding = Folding(Policy())
        self._events = self._decisions = 0
        self._span: tuple[Millis, Millis] | None = None
        self._sessions: list[Session] = []
        self._differences: list[Difference] = []
        self._compared: list[Compared] = []
        self._ids: Counter[ClientOrderId] = Counter()

    def take(self, seq: int, event: Event, recorded: tuple[PlaceOrder, ...]) -> None:
        """One event with the orders recorded with it."""
        self._events += 1
        self._decisions += isinstance(event, DecisionDue)
        self._span = (event.at, event.at) if self._span is None else (min(self._span[0], event.at), max(self._span[1], event.at))
        if isinstance(event, SessionStarted):
            self._sessions.append(Session(seq=seq, at=event.at, epoch=event.epoch, config_hash=event.config_hash))
        self._ids.update(c.client_order_id for c in recorded)
        decided = self._folding.take(event, recorded)
        if decided is not None:
            self._differences.append(Difference(seq=seq, at=event.at, recorded=recorded, decided=decided))

    def reached(self, seq: int) -> None:
        """All of an entry has been taken."""
        kept = self._kept.get(seq)
        if kept is not None:
            self._compared.append(Compared(seq=seq, differing=differing(kept, self._folding.snapshot())))

    def outcome(self, name: str, entries: int) -> Replayed:
        """What came of it."""
        return Replayed(
            name=name,
            entries=entries,
            events=self._events,
            decisions=self._decisions,
            orders=self._ids.total(),
            first_at=None if self._span is None else self._span[0],
            last_at=None if self._span is None else self._span[1],
            sessions=tuple(self._sessions),
            differences=tuple(self._differences),
            snapshots=tuple(self._compared),
            repeated_ids=tuple(order for order, times in self._ids.items() if times > 1),
            ledger=self._folding.ledger,
        )


def replay(journal: JournalReader, progress: Callable[[int, int], None] = lambda _done, _of: None) -> Replayed:
    """Folds every entry from the first; `progress` is told after each how many of how many. Raises JournalRefused."""
    going = Replay(journal.snapshots())
    for entry in journal.entries():
        for event, commands in entry.steps():
            going.take(entry.seq, event, orders_in(commands))
        going.reached(entry.seq)
        progress(entry.seq, journal.length)
    return going.outcome(journal.name, journal.length)


def differing(kept: Snapshot, folded: Snapshot) -> tuple[str, ...]:
    """The names of what two snapshots do not have in common, of the ledger field by field."""
    one, other = as_recorded(kept.ledger), as_recorded(folded.ledger)
    found = [f"ledger.{f.name}" for f in fields(Ledger) if getattr(one, f.name) != getattr(other, f.name)]
    found += [name for name in ("policy", "began_at", "newest_payment_at") if getattr(kept, name) != getattr(folded, name)]
    return tuple(found)
