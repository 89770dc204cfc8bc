"""Virtual time, chance, and the wire of the fake world: what is told later, twice, or not at all."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random

from bot.core import events as ev
from bot.core import exposure
from bot.core.commands import Command, PlaceOrder
from bot.core.instrument import Instrument
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.units import ZERO, ClientOrderId, InstrumentId
from tests.core.story import T0, listed

BEAT_MS = 1_000
SOON_MS = 50
TIMEOUT_MS = 3_000


@dataclass(frozen=True)
class Faults:
    """How often each thing goes wrong, as probabilities per occasion unless told otherwise."""

    answer_lost: float = 0.0
    request_lost: float = 0.0
    request_delayed: float = 0.0
    refusal: float = 0.0
    empty_book: float = 0.0
    partial: float = 0.0
    slow_match: float = 0.0
    would_take: float = 0.0
    report_lost: float = 0.0
    report_twice: float = 0.0
    report_late_ms: int = 20
    anonymous_fills: bool = False
    forgets_unfilled: bool = False
    query_failed: float = 0.0
    position_lag_ms: int = 0
    deleveraging: float = 0.0
    deleveraging_told: float = 0.7
    silence: float = 0.0
    crash: float = 0.0
    collateral_moves: float = 0.0
    funding_moves: float = 0.0
    mark_noise_bps: float = 0.0


@dataclass
class WorldOrder:
    """An order as its venue knows it."""

    command: PlaceOrder
    venue_order_id: str
    filled: Decimal = ZERO
    status: ev.VenueOrderStatus = ev.VenueOrderStatus.ACCEPTED


@dataclass
class WorldVenue:
    """A venue's own books: the truth."""

    orders: dict[ClientOrderId, WorldOrder] = field(default_factory=dict)
    fills: list[ev.FillReport] = field(default_factory=list)
    positions: dict[InstrumentId, list[tuple[int, Decimal]]] = field(default_factory=dict)
    silent_until: int = 0

    def held(self, instrument: InstrumentId, at: int | None = None) -> Decimal:
        """The position, now or as it was at an instant."""
        history = self.positions[instrument]
        if at is None:
            return history[-1][1]
        return next((quantity for since, quantity in reversed(history) if since <= at), ZERO)


class Wire:
    """One seed, one clock, one queue of what is still to happen. Whoever extends it says what the bot does with an event.

    `instruments` are the linear ones of the policy unless told; `wallets` the coins in accounts at venues, profit not counted; `paid` what
    the inverse positions were opened for, in coin: the sum of quantity / price.
    """

    def __init__(
        self,
        seed: int,
        policy: Policy,
        faults: Faults,
        instruments: Sequence[Instrument] = (),
        wallets: Mapping[tuple[str, str], Decimal] | None = None,
    ) -> None:
        self.random = Random(seed)
        self.policy = policy
        self.faults = faults
        self.now = T0
        self.ledger = Ledger()
        self.queue: list[tuple[int, int, int, Callable[[], None]]] = []
        self.number = 0
        self.run_number = 0
        self.fill_number = 0
        self.decision_at: int | None = None
        self.decisions = 0
        self.events: list[ev.Event] = []
        self.commands: list[Command] = []
        self.wired: dict[ClientOrderId, int] = {}
        self.collateral: dict[str, Decimal] = {str(a): ZERO for a in exposure.hedged_assets(policy)}
        self.instruments = list(instruments) or [listed(*i.split(":")) for i in sorted(policy.instruments)]
        self.described = {i.id: i for i in self.instruments}
        self.wallets = dict(wallets or {})
        self.venues = {v: WorldVenue() for v in sorted({str(i.venue) for i in self.instruments})}
        for instrument in self.instruments:
            self.venues[instrument.venue].positions[instrument.id] = [(T0, ZERO)]
        self.paid: dict[InstrumentId, Decimal] = dict.fromkeys(self.described, ZERO)
        self.overshoot: dict[str, Decimal] = dict.fromkeys(self.collateral, ZERO)

    # time and the wire

    def at(self, delay_ms: int, act: Callable[[], None]) -> None:
        """Does something later, in this run of the bot or for the venue alike."""
        self.number += 1
        heapq.heappush(self.queue, (self.now + max(0, delay_ms), self.number, -1, act))

    def tell(self, delay_ms: int, make: Callable[[int], ev.Event]) -> None:
        """Delivers an event to the bot later; what was on its way when the bot crashed is lost."""
        self.number += 1
        run = self.run_number
        heapq.heappush(self.queue, (self.now + max(0, delay_ms), self.number, run, lambda: self.feed(make(self.now))))

    def run(self, for_ms: int) -> None:
        """Lets virtual time pass."""
        until = self.now + for_ms
        while self.queue and self.queue[0][0] <= until:
            at, _, run, act = heapq.heappop(self.queue)
            self.now = at
            if run in (-1, self.run_number):
                act()
        self.now = until

    def chance(self, probability: float) -> bool:
        """Whether a fault strikes."""
        return probability > 0 and self.random.random() < probability

    def is_silent(self, where: str) -> bool:
        """Whether nothing passes between the bot and a venue (or an instrument's venue) now."""
        return self.now < self.venues[where.partition(":")[0]].silent_until

    def feed(self, event: ev.Event) -> None:
        """One event reaches the bot."""
        raise NotImplementedError
