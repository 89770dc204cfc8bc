"""The story of one order, or of one decision and all its orders, told from the journal in the order in which things were recorded.

The fold begins at the newest snapshot before the decision (at the first entry where there is none) and ends with the last entry that
speaks of the orders. A line is told for each entry that changed one of them, carried a fill of it, or asked about it; what was only told
again is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bot.core import events as ev
from bot.core.commands import CancelOrder, Command, LookUpOrder
from bot.core.explanation import Decision, explained
from bot.core.order import Order
from bot.core.policy import Policy
from bot.core.reports import FillReport
from bot.core.units import ZERO, Asset, ClientOrderId, Millis
from bot.ports import JournalReader, Recorded
from bot.shell.recovery import Folding, orders_in


class NotTold(Exception):
    """The journal has nothing of what was asked for: one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What one entry brought of an order: its state and signed filled quantity after it, and the instrument's position (contract units)."""

    seq: int
    at: Millis
    order: ClientOrderId
    sentence: str
    state: str
    filled: Decimal
    position: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEnd:
    """How an order stood when the journal last spoke of it. `average` over its distinct fills, `fees` by asset (> 0: paid).

    `position` is the instrument's after it, in contract units; `open`: the journal does not know its end.
    """

    order: Order
    open: bool
    fills: int
    average: Decimal | None
    fees: dict[Asset, Decimal]
    position: Decimal | None
    took_ms: Millis | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A decision, the entry that it stands in, what became of its orders (or of the one that was asked for), and in which order."""

    seq: int
    decision: Decision
    lines: tuple[Line, ...]
    ends: tuple[OrderEnd, ...]


def story_of_order(journal: JournalReader, order: ClientOrderId) -> Story:
    """The story of one order. Raises NotTold when the journal has no such order, and JournalRefused."""
    for entry in journal.mentioning(order):
        if any(command.client_order_id == order for command in orders_in(entry.commands)):
            return _told(journal, entry, (order,))
    raise NotTold(f"{journal.name}: no order {order} was ever placed from this journal")


def story_of_decision(journal: JournalReader, seq: int) -> Story:
    """The story of the decision in one entry. Raises NotTold when there is none in it, and JournalRefused."""
    for entry in journal.entries(after=seq - 1):
        if any(isinstance(event, ev.DecisionDue) for event in entry.events):
            if entry.seq == seq:
                return _told(journal, entry, tuple(c.client_order_id for c in orders_in(entry.commands)))
            raise NotTold(f"{journal.name}: entry {seq} holds no decision; the next one stands in entry {entry.seq}")
    raise NotTold(f"{journal.name}: no decision stands in entry {seq} or after it; the journal has {journal.length} entries")


def _told(journal: JournalReader, decided: Recorded, orders: tuple[ClientOrderId, ...]) -> Story:
    start = max((seq for seq in journal.snapshots() if seq < decided.seq), default=0)
    folding = Folding(Policy(), journal.snapshots().get(start))
    teller = _Teller(folding, orders)
    decision: Decision | None = None
    last = max((entry.seq for order in orders for entry in journal.mentioning(order, after=decided.seq)), default=decided.seq)
    for entry in journal.entries(after=start):
        if entry.seq > last and not teller.has_open:
            last = teller.last_word(journal, entry.seq - 1)
        if entry.seq > last and not teller.has_open:
            break
        for event, commands in entry.steps():
            if entry.seq == decided.seq and isinstance(event, ev.DecisionDue):
                decision = explained(folding.ledger, event, folding.policy, orders_in(commands))
            teller.take(entry.seq, event, commands)
    if decision is None:
        raise NotTold(f"{journal.name}: entry {decided.seq} holds no decision")
    return Story(seq=decided.seq, decision=decision, lines=tuple(teller.lines), ends=teller.ends())


class _Teller:
    """Folds on, and notes what concerns the orders."""

    def __init__(self, folding: Folding, orders: Sequence[ClientOrderId]) -> None:
        self._folding = folding
        self._orders = dict.fromkeys(orders)
        self._known: dict[ClientOrderId, Order] = {}
        self._positions: dict[ClientOrderId, Decimal | None] = {}
        self._fills: dict[ClientOrderId, dict[str, FillReport]] = {order: {} for order in orders}
        self.lines: list[Line] = []

    @property
    def has_open(self) -> bool:
        """Whether one of them is still open, or not even placed yet."""
        return any(order not in self._known or self._known[order].state.is_open for order in self._orders)

    def last_word(self, journal: JournalReader, seq: int) -> int:
        """The last entry beyond `seq` that speaks of one of them by the venue's id; `seq` when none does."""
        ids = [o.venue_order_id for o in self._known.values() if o.venue_order_id]
        found = (entry.seq for name in ids for entry in journal.mentioning(name, after=seq) if self._speaks(entry))
        return max(found, default=seq)

    def _speaks(self, entry: Recorded) -> bool:
        return any(self._fill_of(order, f) for event in entry.events for f in _fills_in(event) for order in self._orders)

    def take(self, seq: int, event: ev.Event, commands: Sequence[Command]) -> None:
        """Folds one step and notes it where it concerns an order."""
        before = {order: self._folding.ledger.orders.get(order) for order in self._orders}
        self._folding.take(event, commands)
        for order in self._orders:
            after = self._folding.ledger.orders.get(order)
            if after is None:
                continue  # not placed yet, or so old that the ledger has let go of it
            news = [f for f in _fills_in(event) if self._fill_of(order, f, after) and f.fill_id not in self._fills[order]]
            self._fills[order].update({f.fill_id: f for f in news})
            asked = [c for c in commands if isinstance(c, CancelOrder | LookUpOrder) and c.client_order_id == order]
            self._known[order] = after
            if after.state is not _state(before[order]) or news or asked or after.filled != _filled(before[order]):
                words = "; ".join([*map(_asking, asked), *map(_filling, news)]) or _sentence(event, order)
                self._note(seq, event.at, after, words)

    def _note(self, seq: int, at: Millis, order: Order, sentence: str) -> None:
        position = self._folding.ledger.positions.get(order.instrument)
        held = None if position is None else position.quantity
        self._positions[order.client_order_id] = held
        line = Line(
            seq=seq,
            at=at,
            order=order.client_order_id,
            sentence=sentence,
            state=order.state.value,
            filled=order.filled,
            position=held,
        )
        self.lines.append(line)

    def _fill_of(self, order: ClientOrderId, fill: FillReport, known: Order | None = None) -> bool:
        known = known or self._known.get(order)
        if known is None or fill.instrument != known.instrument:
            return False
        if fill.client_order_id is not None:
            return fill.client_order_id == order
        return fill.venue_order_id is not None and fill.venue_order_id == known.venue_order_id

    def ends(self) -> tuple[OrderEnd, ...]:
        """How each of them stands."""
        return tuple(self._end(order) for order in self._orders if order in self._known)

    def _end(self, order_id: ClientOrderId) -> OrderEnd:
        order, fills = self._known[order_id], tuple(self._fills[order_id].values())
        quantity = sum((abs(f.quantity) for f in fills), ZERO)
        fees: dict[Asset, Decimal] = {}
        for fill in fills:
            if fill.fee is not None and fill.fee_asset is not None:
                fees[fill.fee_asset] = fees.get(fill.fee_asset, ZERO) + fill.fee
        return OrderEnd(
            order=order,
            open=order.state.is_open,
            fills=len(fills),
            average=None if quantity == ZERO else sum((abs(f.quantity) * f.price for f in fills), ZERO) / quantity,
            fees=fees,
            position=self._positions.get(order_id),
            took_ms=None if order.closed_at is None else order.closed_at - order.placed_at,
        )


def _state(order: Order | None) -> object:
    return None if order is None else order.state


def _filled(order: Order | None) -> Decimal:
    return ZERO if order is None else order.filled


def _fills_in(event: ev.Event) -> Iterator[FillReport]:
    if isinstance(event, ev.FillReported):
        yield event.fill
    elif isinstance(event, ev.VenueReported):
        yield from event.fills


def _asking(command: Command) -> str:
    return "a cancel is sent" if isinstance(command, CancelOrder) else "the venue is asked about it"


def _filling(fill: FillReport) -> str:
    fee = "fee not told" if fill.fee is None else f"fee {fill.fee:f} {fill.fee_asset or ''}".rstrip()
    return f"filled {fill.quantity:+f} at {fill.price:f}, {fee} (fill {fill.fill_id})"


def _sentence(event: ev.Event, order: ClientOrderId) -> str:
    """What an event says of an order."""
    match event:
        case ev.DecisionDue():
            return "the intent is recorded, then sent"
        case ev.OrderReported():
            filled = "" if event.report.filled_quantity is None else f", {event.report.filled_quantity:+f} filled"
            return f"the venue says: {event.report.status.value}{filled}"
        case ev.OrderRefused():
            return f"refused with proof: {event.code} {event.reason}".rstrip()
        case ev.OrderOutcomeUnknown():
            return f"no proof either way: {event.reason}"
        case ev.OrderAbsent():
            return f"the venue does not know it, by its clock at {event.venue_clock_at}"
        case ev.CancelUnconfirmed():
            return f"the cancel is unconfirmed: {event.reason}"
        case ev.VenueReported():
            return "a complete reading of the venue tells of it"
        case ev.SessionStarted():
            return "the bot was started again: in doubt until the venue has answered"
        case ev.OperatorActed():
            return f"{event.action.value} by {event.by}: {event.why}"
        case _:
            return f"{type(event).__name__} about {order}"
