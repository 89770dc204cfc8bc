"""Who may send, where two instances share a book: judged from what the store of the lease really promised, and from what executes.

    I11  an order is valid no longer than the lease that its sender was granted
         whoever takes over sends nothing before every lease that was granted earlier is over, and once more its length after that: the
         longest that a request under it can be valid. One that was given back is over at once.
         once whoever took over has sent, nothing of an earlier holder leaves, and of its orders only those execute that rested by then

A lease that another server granted (a split store) is none of these: both instances are in the right by the store that each can see. Then
the fences at the venues count, and the newest run is judged as one beside a stranger: its own ids, caps once it was told, reductions that
turn nothing round, and a book that is hedged again afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.core import events as ev
from bot.core.commands import Command, PlaceOrder
from bot.core.units import ClientOrderId, Millis, VenueId
from bot.drivers.chaos.oracle import Oracle
from bot.drivers.chaos.world import BotClock
from bot.simulator.memory_lease import MemoryLeaseStore
from bot.simulator.model import FillKind, FillReport, Report
from bot.simulator.world import ACCOUNT

CLOCKS_DIFFER_PARTS = 10
"""Two clocks may differ by such a part of the lease's length over what is waited for, and no more."""


@dataclass(slots=True, eq=False)
class Turn:
    """One run under one grant. `began_at`: when its first order left (the store's clock), and `resting` what stood in the books then."""

    claim: str
    host: str
    clock: BotClock
    began_at: Millis | None = None
    resting: frozenset[ClientOrderId] = frozenset()
    is_split: bool = False


class Turns:
    """Every turn so far, oldest first."""

    def __init__(self, oracle: Oracle, leases: MemoryLeaseStore, ttl_ms: Millis) -> None:
        self._oracle, self._leases, self._ttl_ms = oracle, leases, ttl_ms
        self._turns: list[Turn] = []
        self._of: dict[ClientOrderId, int] = {}

    @property
    def newest(self) -> Turn:
        """Of the run that began last."""
        return self._turns[-1]

    def begin(self, turn: Turn) -> None:
        """A run begins under a grant."""
        self._turns.append(turn)

    def leaves(self, turn: Turn, command: PlaceOrder, valid_ms: Millis) -> None:
        """An order leaves, valid for so long from now on."""
        now, number, name = self._leases.now(), self._turns.index(turn), command.client_order_id
        self._of[name] = number
        beyond = now + valid_ms - self._leases.promised.get(turn.claim, 0)
        if beyond > 0:
            self._oracle.broke("I11", f"order {name} is valid for {beyond} ms beyond the lease under which {turn.host} sends it")
        for earlier in self._turns[:number]:
            early = self._over_at(earlier) - now
            if early > 0:
                self._oracle.broke(
                    "I11", f"order {name} leaves {turn.host} {early} ms before the lease and the requests of {earlier.claim} end"
                )
        for later in self._turns[number + 1 :]:
            if later.began_at is not None and not turn.is_split:
                self._oracle.broke("I11", f"order {name} leaves {turn.host}, whose place {later.host} took {now - later.began_at} ms ago")
        if turn.began_at is None:
            turn.began_at = now
            turn.resting = frozenset(i for i, sent in self._oracle.truth.sent.items() if sent.is_open)

    def _over_at(self, turn: Turn) -> Millis:
        """From when on nothing of a turn can be accepted, as far as whoever comes next can know."""
        promised = self._leases.promised.get(turn.claim, 0)
        return 0 if turn.is_split or not promised else promised + self._ttl_ms - self._ttl_ms // CLOCKS_DIFFER_PARTS

    def executed(self, order_id: ClientOrderId) -> None:
        """Something of an order is executed."""
        number = self._of.get(order_id)
        if number is None or self._turns[number].is_split:
            return
        for later in self._turns[number + 1 :]:
            if later.began_at is not None and order_id not in later.resting and not later.is_split:
                self._oracle.broke("I11", f"order {order_id} of {self._turns[number].host} executes in the turn of {later.host}")

    def happened(self, reports: Sequence[Report]) -> None:
        """The engine of a venue reports."""
        for report in reports:
            if isinstance(report, FillReport) and report.fill.account == ACCOUNT and report.fill.kind is FillKind.TRADE:
                self.executed(ClientOrderId(report.fill.client_order_id or ""))


class TurnWitness:
    """`venue.Witness` of one turn: the oracle judges the newest one, and hears of the others only what leaves them."""

    def __init__(self, oracle: Oracle, turns: Turns, turn: Turn, now: BotClock) -> None:
        """`now`: the venues' clock."""
        self._oracle, self._turns, self._turn, self._clock = oracle, turns, turn, now

    @property
    def _is_judged(self) -> bool:
        return self._turn is self._turns.newest and not self._turn.is_split

    def leaving(self, command: Command, venue: VenueId) -> None:
        """A command is about to leave this run."""
        if isinstance(command, PlaceOrder):
            until = command.expires_at - self._turn.clock.offset_ms
            self._turns.leaves(self._turn, command, until - self._clock.now())
            if not self._is_judged:
                self._oracle.strange(command, venue, until)
                return
        if self._is_judged:
            self._oracle.leaving(command, venue)

    def told(self, venue: VenueId, event: ev.Event) -> None:
        """This run is told something by a venue."""
        if self._is_judged:
            self._oracle.told(venue, event)

    def quoted(self, quote: ev.Quote) -> None:
        """This run is told a market view."""
        if self._is_judged:
            self._oracle.quoted(quote)
