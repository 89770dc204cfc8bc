"""The Protocols between the shell and the world. Adapters implement them; the shell knows nothing else of the world.

A port's methods never raise for what the world does: the world's failures are events. They raise only for our own mistakes, and
`asyncio.CancelledError` passes through.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.core.commands import CancelOrder, Command, LookUpOrder, PlaceOrder, ReadVenue
from bot.core.events import (
    CancelUnconfirmed,
    Event,
    FundingRateObserved,
    FundingRecordsRead,
    LookUpFailed,
    MarketObserved,
    OrderAbsent,
    OrderOutcomeUnknown,
    OrderRefused,
    OrderReported,
    Quote,
    VenueReported,
    VenueUnreadable,
)
from bot.core.instrument import Instrument
from bot.core.policy import Policy
from bot.core.records import Ledger, Note
from bot.core.units import Millis, VenueId

PlaceAnswer = OrderReported | OrderRefused | OrderOutcomeUnknown
CancelAnswer = OrderReported | CancelUnconfirmed
LookUpAnswer = OrderReported | OrderAbsent | LookUpFailed
ReadAnswer = VenueReported | VenueUnreadable

JOURNAL_CLOSE_S = 1.0
"""Longest time that a journal takes to close; what is not durable by then is given up."""


class Clock(Protocol):
    """Where the shell gets its time from: real in a run, virtual in a simulation."""

    def now(self) -> Millis:
        """Unix milliseconds by our wall clock."""

    def steady(self) -> float:
        """Seconds on a clock that never steps backwards and counts suspension; only differences mean anything."""

    async def sleep(self, seconds: float) -> None:
        """Waits."""


class Inbox(Protocol):
    """Where adapters put what they hear. Every call returns at once and never raises."""

    def put(self, event: Event) -> None:
        """A fact for the core, in the order in which it was heard."""

    def put_awaited(self, event: Event) -> Awaitable[bool]:
        """As `put`, for a fact that must not be lost: awaited, it tells whether the journal has it durably. False: tell it again later."""

    def put_quote(self, quote: Quote) -> None:
        """Newest market view of one instrument; older ones are overwritten unseen."""


class Venue(Protocol):
    """One exchange with our account on it, spoken to through one adapter."""

    id: VenueId

    async def open(self) -> Sequence[Instrument]:
        """Connects, proves environment, position mode and keys, and describes the instruments in use.

        Raises `VenueNotReady` with one sentence when the venue cannot be used as configured. The caller tries again: soon after any
        other failure, slowly after this one.
        """

    async def describe(self) -> Sequence[Instrument]:
        """The instruments in use as the venue describes them now; lots, ticks and limits change. Empty when nothing could be read."""

    async def place(self, command: PlaceOrder) -> PlaceAnswer:
        """One wire attempt. Only a proven refusal is OrderRefused."""

    async def cancel(self, command: CancelOrder) -> CancelAnswer:
        """One cancel attempt."""

    async def look_up(self, command: LookUpOrder) -> LookUpAnswer:
        """By client id, then among fills: found, or absent with the venue's clock as evidence, or nothing learned."""

    async def read(self, command: ReadVenue) -> ReadAnswer:
        """Open orders, positions, fills, margin and clock: all of them, or VenueUnreadable."""

    async def funding_rates(self) -> Sequence[FundingRateObserved]:
        """Current rate and interval of each instrument; an empty answer when nothing could be read."""

    async def funding_payments(self, since: Millis) -> FundingRecordsRead | None:
        """Every payment that the venue recorded at or after `since` (our clock); None when not all of it could be read."""

    async def markets(self) -> Sequence[MarketObserved]:
        """Open interest and the last 24 hours' volume of each instrument, base units; one that could not be read is left out."""

    async def listen(self, inbox: Inbox) -> None:
        """Pumps all streams into the inbox until cancelled: quotes, order, fill and margin reports, link changes."""

    async def disarm(self) -> None:
        """Switches off whatever would cancel our orders once we are not heard of any more. The last word of an orderly stop that left no
        order open, after `listen` has ended; never of any other end. Does nothing where there is no such switch."""

    async def close(self) -> None:
        """Ends every connection. Safe to call twice."""


class VenueNotReady(Exception):
    """A venue cannot be used as configured (wrong key, hedge mode that cannot be switched off, unknown instrument): one sentence."""


class CollateralSource(Protocol):
    """Something that knows what collateral is held: totals with provenance."""

    name: str

    async def listen(self, inbox: Inbox) -> None:
        """Puts CollateralObserved totals (first all of them, then each change), confirmations and failures, until cancelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What a journal folds to up to one entry: the ledger, and the policy that was in force then.

    `began_at` is when the first run began (our clock, None: never), `newest_payment_at` each venue's newest funding payment (its clock).
    """

    ledger: Ledger
    policy: Policy
    began_at: Millis | None
    newest_payment_at: Mapping[VenueId, Millis]


class Journal(Protocol):
    """The durable, ordered record of events. What was appended and committed is there after any crash."""

    @property
    def is_fresh(self) -> bool:
        """Whether it held nothing when it was opened, or had lost its tail and nothing was entered since: earlier runs may have sent what
        it does not know of."""

    @property
    def doubt(self) -> str | None:
        """Why what it acknowledges as durable is not to be trusted, in one sentence; None: it is. It may change at any time."""

    @property
    def newest(self) -> int:
        """The number of the newest entry that was accepted, durable or not; 0: there is none."""

    def recover(self) -> Iterable[tuple[Event, tuple[Command, ...]]]:
        """Every event recorded so far, in order, each with the commands recorded with it, to be folded again.

        Commands of an append belong to its last event. Raises `JournalRefused` with one sentence.
        """

    def resume(self) -> tuple[Snapshot | None, Iterable[tuple[Event, tuple[Command, ...]]]]:
        """The newest snapshot that can be trusted, and every event recorded after it as `recover` tells them; None and all of them
        when there is no such snapshot. Raises `JournalRefused` with one sentence.
        """

    def snapshot(self, snapshot: Snapshot) -> None:
        """Keeps what everything appended so far folds to, so that a later start need not fold it again. Makes all of it durable.

        Raises `JournalUnavailable`, or ValueError when it has no exact form. It only saves time: nothing is lost when it is not kept.
        """

    def append(self, events: Sequence[Event], commands: Sequence[Command], *, durable: bool) -> None:
        """Records events with the commands they caused. With `durable`, returns only when a power cut cannot undo it and all before it.

        Raises `JournalUnavailable`: nothing may then be sent that increases. From a durable append it means that the entry was accepted
        and waits in its place, to be written with the next append that succeeds: do not append it again. From any other append it means
        that the journal has given up until a restart.
        """

    def next_epoch(self) -> int:
        """A counter that grew by one, durably, with each call."""

    def close(self) -> None:
        """Makes everything durable and lets go, within JOURNAL_CLOSE_S whatever hangs. Safe to call twice. Raises `JournalUnavailable`."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One entry of a journal: its sequence number, its facts, and the commands that the last of them caused."""

    seq: int
    events: tuple[Event, ...]
    commands: tuple[Command, ...]

    def steps(self) -> Iterator[tuple[Event, tuple[Command, ...]]]:
        """Each event with the commands recorded with it, in order."""
        for number, event in enumerate(self.events, 1):
            yield event, self.commands if number == len(self.events) else ()


class JournalReader(Protocol):
    """A journal that is only read, also while a bot writes it: what was in it when it was opened. Its chain has been verified."""

    name: str
    """Where it is, for people; no secret in it."""
    length: int
    """How many entries it has: they are numbered from 1."""

    def entries(self, after: int = 0) -> Iterator[Recorded]:
        """Every entry beyond `after`, in order. Raises `JournalRefused` with one sentence when one cannot be read."""

    def mentioning(self, word: str, after: int = 0) -> Iterator[Recorded]:
        """Of these the ones in which `word` (letters, digits, `-`, `_`, `:`, `.`) stands anywhere, and it may be some more."""

    def snapshots(self) -> Mapping[int, Snapshot]:
        """The snapshots that can be trusted, by the number of the last entry that each stands for."""

    def close(self) -> None:
        """Lets go. Safe to call twice."""


@dataclass(frozen=True, slots=True)
class Position:
    """The end of a journal: the number of its last entry, and the link that ties that one to all before it."""

    seq: int
    link: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Newer:
    """What was written to a journal since it was looked at last. `more`: and there is more.

    `begins_anew`: these entries do not go on from those before; they follow `start` (None: they are the first).
    """

    entries: tuple[Recorded, ...] = ()
    begins_anew: bool = False
    start: Snapshot | None = None
    more: bool = False


class JournalFollower(Protocol):
    """Another instance's journal, read as it grows. Nothing is written to it, and no method blocks the event loop."""

    @property
    def position(self) -> Position | None:
        """The last entry that was told by `newer`; None while there is no journal."""

    async def newer(self) -> Newer:
        """What came since. Raises `JournalUnavailable` when it cannot be read now, `JournalRefused` when it never can as it is."""

    async def close(self) -> None:
        """Lets go. Safe to call twice."""


class JournalRefused(Exception):
    """The journal is not ours to use (another config, a newer version, held by a running instance, corrupt): one sentence."""


class JournalUnavailable(Exception):
    """An append could not be made durable."""


class JournalFenced(JournalUnavailable):
    """The store takes nothing from this instance any more: the lease is not its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionMade:
    """One decision, for people: when (our clock), how long it took, what goes, and how many of its commands do not.

    `entry` is its number in the journal, by which `explain` and `replay` know it; None: it only asked for readings, and has none.
    """

    at: Millis
    seconds: float
    entry: int | None
    commands: tuple[Command, ...]
    withheld: int = 0


class Telemetry(Protocol):
    """Where the shell tells what it does: logs and metrics. Never raises, never waits."""

    def event_folded(self, event: Event, *, is_news: bool) -> None:
        """An event went through the core; `is_news` when it changed the ledger, and was not told before."""

    def noted(self, note: Note) -> None:
        """The core said something for people: a decision and why, a break, a breach."""

    def decided(self, decision: DecisionMade) -> None:
        """A decision was made, and what it asked for is about to be carried out."""

    def command_dispatched(self, command: Command, entry: int | None) -> None:
        """A command is about to be carried out; `entry` is the journal's number of the decision that caused it (see `DecisionMade`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseEnd:
    """What a store remembers of the lease before the present one: whose, whether it was given back, and how long one renewal lasted."""

    claim: str
    released: bool
    ttl_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseGranted:
    """The lease is ours, under a claim and an epoch that no other holder has. `before` None: the store remembers none before it."""

    claim: str
    epoch: int
    before: LeaseEnd | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseHeldByOther:
    """The lease is somebody else's, for `seconds_left` unless it is renewed."""

    claim: str
    name: str
    seconds_left: float


class Lease(Protocol):
    """The right to send, held by one of several instances, for a short time and renewed. No method blocks the event loop."""

    ttl_s: float
    """How long it lasts after a renewal, seconds."""

    @property
    def epoch(self) -> int:
        """Of our newest grant; 0 before the first. It grows from holder to holder, but a store that forgets may repeat it."""

    def held_for(self) -> float:
        """Seconds for which it is ours for certain, by our own clock that counts suspension; 0 when it is not."""

    async def acquire(self) -> LeaseGranted | LeaseHeldByOther:
        """Takes it when nobody holds it. Raises `LeaseUnavailable`: it may or may not have been granted, and is not held."""

    async def renew(self) -> None:
        """Extends it. Raises `LeaseLost` when it is not ours any more, and `LeaseUnavailable`: then it ends when it would have ended."""

    def stand_in(self, wanted: bool) -> None:
        """Whether it may renew itself for a while when the event loop is late with that. Not before it is asked to, nor once it is lost."""

    async def release(self) -> None:
        """Gives it back, as the last act of an orderly stop, so that nobody need wait for its end. Raises `LeaseUnavailable`."""

    async def close(self) -> None:
        """Ends the connection, and gives nothing back. Safe to call twice."""


class SendRight(Protocol):
    """What is asked before anything is sent for an account that several instances share, each time and by whoever sends."""

    def held_for(self) -> float:
        """Seconds for which no other instance may act for the account; 0 when one may."""

    def seconds(self) -> float:
        """For how many seconds an order that leaves now may be valid; 0: none may leave."""


class LeaseLost(Exception):
    """The lease is not ours any more: nothing may be sent, and the run ends."""


class LeaseUnavailable(Exception):
    """The store did not answer, or not as it should: one sentence."""
