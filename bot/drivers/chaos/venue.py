"""A venue on its bad days: `DirectVenue` under `Conditions`, telling a witness what leaves and what the bot is told.

What is refused here is refused with proof, as an adapter's allowlist would; what is unknown stays unknown. How a venue's own codes and
frames become one or the other is the adapters' and is tried there, at every dialect.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from bot.core import events as ev
from bot.core.commands import CancelOrder, Command, LookUpOrder, PlaceOrder, ReadVenue
from bot.core.instrument import Instrument
from bot.core.units import ZERO, ClientOrderId, Millis, VenueId
from bot.drivers.chaos.conditions import LIES_MAX_S, Conditions
from bot.drivers.chaos.wire import ChaosWire
from bot.ports import CancelAnswer, Clock, Inbox, LookUpAnswer, PlaceAnswer, ReadAnswer
from bot.simulator.direct_venue import DirectVenue
from bot.simulator.exchange import Exchange
from bot.simulator.model import FillReport, Order, Report
from bot.simulator.wire import Unanswered, WireFault

T = TypeVar("T")

REJECTED_AFTER_S = 0.4
"""When a venue takes back an order that it had acknowledged."""
_ON_THE_WIRE = {
    1: WireFault.REPLY_LOST,
    2: WireFault.NEVER_ARRIVES,
    3: WireFault.ARRIVES_LATE,
    7: WireFault.ANSWER_UNREADABLE,
}


class FeedDied(Exception):
    """A feed of the bot died, as chaos asked it to."""


class Witness(Protocol):
    """Who sees what passes between the bot and its venues."""

    def leaving(self, command: Command, venue: VenueId) -> None:
        """A command is about to leave the bot."""

    def told(self, venue: VenueId, event: ev.Event) -> None:
        """The bot is told something by a venue."""

    def quoted(self, quote: ev.Quote) -> None:
        """The bot is told a market view."""


class _WitnessedInbox:
    """The bot's inbox, with the witness looking on."""

    def __init__(self, venue: VenueId, inbox: Inbox, witness: Witness) -> None:
        self._venue, self._inbox, self._witness = venue, inbox, witness

    def put(self, event: ev.Event) -> None:
        self._witness.told(self._venue, event)
        self._inbox.put(event)

    def put_awaited(self, event: ev.Event) -> Awaitable[bool]:
        self._witness.told(self._venue, event)
        return self._inbox.put_awaited(event)

    def put_quote(self, quote: ev.Quote) -> None:
        self._witness.quoted(quote)
        self._inbox.put_quote(quote)


class ChaosVenue(DirectVenue):
    """One account at one engine, as one run of the bot sees it under the venue's conditions."""

    def __init__(
        self,
        venue: VenueId,
        exchange: Exchange,
        account: str,
        clock: Clock,
        wire: ChaosWire,
        symbols: Sequence[str],
        *,
        witness: Witness,
        venue_clock: Clock,
        beat_s: float,
    ) -> None:
        super().__init__(venue, exchange, account, clock, wire, symbols, venue_clock=venue_clock, beat_s=beat_s)
        self._witness = witness
        self._here: Conditions = wire.conditions
        self._taken_back: dict[ClientOrderId, Instrument] = {}
        self._unanswered: set[ClientOrderId] = set()
        self._lagging: tuple[ev.PositionReport, ...] | None = None
        self._lagging_of: Millis = 0

    # orders

    async def place(self, command: PlaceOrder) -> PlaceAnswer:
        """One attempt, with whatever the seed has for it."""
        self._witness.leaving(command, self.id)
        self._unanswered.add(command.client_order_id)
        answer = await self._placed(command)
        self._unanswered.discard(command.client_order_id)
        self._witness.told(self.id, answer)
        return answer

    async def _placed(self, command: PlaceOrder) -> PlaceAnswer:
        here, order_id = self._here, command.client_order_id
        refusal = here.refuses_everything or here.refuses_orders or ("" if command.reduce_only else here.refuses_increases)
        if refusal and self._is_open:
            self._wire.placed.append(order_id)
            return ev.OrderRefused(at=self._clock.now(), client_order_id=order_id, code=refusal, reason="refused by the venue")
        fault = here.order_fault()
        if here.unanswered_orders:
            here.struck[37] += 1
            fault = here.random.choice((1, 2))
        elif fault:
            here.struck[fault] += 1
        if fault == 9 and self._is_open:
            self._wire.placed.append(order_id)
            return ev.OrderRefused(at=self._clock.now(), client_order_id=order_id, code="not_sent", reason="no connection")
        if fault == 13 and self._is_open:
            return await self._acknowledged_only(command)
        on_the_wire = here.random.choice((WireFault.ANSWER_UNREADABLE, WireFault.RESET)) if fault == 4 else _ON_THE_WIRE.get(fault)
        self._wire.next_fault = lambda _: on_the_wire or WireFault.NONE
        return await super().place(command)

    async def _acknowledged_only(self, command: PlaceOrder) -> PlaceAnswer:
        """The venue says yes, and takes it back a moment later: nothing of it ever was in the book."""
        order_id = command.client_order_id
        self._wire.placed.append(order_id)
        try:
            await self._wire.call(lambda: None)
        except Unanswered as error:
            return ev.OrderOutcomeUnknown(at=self._clock.now(), client_order_id=order_id, reason=str(error))
        listed = self._listed[self._symbol(command.instrument)]
        self._taken_back[order_id] = listed
        self._later(REJECTED_AFTER_S, lambda: self._tell(self._rejection(order_id, listed)))
        report = replace(self._rejection(order_id, listed).report, status=ev.VenueOrderStatus.ACCEPTED)
        return ev.OrderReported(at=self._clock.now(), report=report)

    def _rejection(self, order_id: ClientOrderId, listed: Instrument) -> ev.OrderReported:
        report = ev.OrderReport(
            instrument=listed.id,
            client_order_id=order_id,
            venue_order_id=f"x{order_id}",
            status=ev.VenueOrderStatus.REJECTED,
            filled_quantity=ZERO,
            average_price=None,
            venue_at=self._venue_clock.now(),
        )
        return ev.OrderReported(at=self._clock.now(), report=report)

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        async def wait() -> None:
            await self._clock.sleep(seconds)
            act()

        self._wire.carry(wait())

    def _tell(self, event: ev.Event) -> None:
        if self._inbox is not None and not self._wire.silent and not self._here.muted:
            self._inbox.put(event)

    def _accept(self, command: PlaceOrder, until: Millis) -> Order | None:
        if command.reduce_only and self._here.flat_before_reductions:
            self._here.before_reduction(command.instrument)
        return super()._accept(command, until)

    async def cancel(self, command: CancelOrder) -> CancelAnswer:
        """Cancels by client id, unless the venue says that it knows no such order."""
        self._witness.leaving(command, self.id)
        if self._is_open and self._here.cancel_is_lost():
            self._here.struck[15] += 1
            answer: CancelAnswer = ev.CancelUnconfirmed(
                at=self._clock.now(), client_order_id=command.client_order_id, reason="not found, says the venue"
            )
        elif self._here.refuses_everything:
            answer = ev.CancelUnconfirmed(
                at=self._clock.now(), client_order_id=command.client_order_id, reason=self._here.refuses_everything
            )
        else:
            answer = await super().cancel(command)
        self._witness.told(self.id, answer)
        return answer

    def _cancel(self, command: CancelOrder) -> Order:
        if self._here.fills_before_cancels:
            self._here.before_cancel(command.instrument)
        return super()._cancel(command)

    # questions

    async def look_up(self, command: LookUpOrder) -> LookUpAnswer:
        """By client id."""
        self._witness.leaving(command, self.id)
        listed = self._taken_back.get(command.client_order_id)
        if listed is not None and self._is_open and not self._wire.silent:
            answer: LookUpAnswer = self._rejection(command.client_order_id, listed)
        else:
            answer = await super().look_up(command)
        self._witness.told(self.id, answer)
        return answer

    async def read(self, command: ReadVenue) -> ReadAnswer:
        """Everything, taken at one instant between question and answer, with what the venue gets wrong in it."""
        self._witness.leaving(command, self.id)
        self.tells_no_past = self._here.history_dead
        self._here.struck[38] += self.tells_no_past
        answer = await super().read(command)
        if isinstance(answer, ev.VenueReported):
            answer = self._misread(answer)
        self._witness.told(self.id, answer)
        return answer

    def _misread(self, reading: ev.VenueReported) -> ev.VenueReported:
        here = self._here
        now = self._venue_clock.now()
        if not here.stale_positions or now - self._lagging_of > LIES_MAX_S * 1_000:
            self._lagging, self._lagging_of = reading.positions, now
        if here.empty_positions:
            here.struck[26] += 1
            return replace(reading, positions=())
        told_wrong, here.told_wrong_position = here.told_wrong_position, False
        if here.wrong_position and not told_wrong:
            here.wrong_position, here.told_wrong_position = False, True
            here.struck[25] += 1
            wrong = here.random.randrange(len(reading.positions))
            told = [replace(p, quantity=p.quantity / 2) if n == wrong else p for n, p in enumerate(reading.positions)]
            return replace(reading, positions=tuple(told))
        if here.stale_positions and self._lagging is not None:
            here.struck[27] += self._lagging != reading.positions
            return replace(reading, positions=self._lagging)
        return reading

    async def funding_rates(self) -> Sequence[ev.FundingRateObserved]:
        """The engine's current rates; nothing while the venue does not tell them."""
        return () if self._here.no_funding else await super().funding_rates()

    async def _asked(self, deal: Callable[[], T]) -> T:
        if self._here.refuses_everything:
            raise Unanswered(self._here.refuses_everything)
        if self._here.unanswered_questions:
            self._here.struck[38] += 1
            raise Unanswered("no answer in time")
        return await super()._asked(deal)

    # streams

    async def listen(self, inbox: Inbox) -> None:
        """Streams, until they are told to die."""
        await super().listen(_WitnessedInbox(self.id, inbox, self._witness))

    def _beat(self, inbox: Inbox) -> None:
        if self._here.feed_dies:
            self._here.feed_dies = False
            self._here.struck[62] += 1
            raise FeedDied(f"the feed of {self.id}")
        super()._beat(inbox)

    def _own(self, inbox: Inbox, report: Report) -> None:
        if isinstance(report, FillReport) and report.fill.client_order_id in self._unanswered:
            self._here.struck[24] += 1
        super()._own(inbox, report)

    def _quote(self, inbox: Inbox, symbol: str) -> None:
        if not self._here.muted:
            super()._quote(inbox, symbol)

    def _seen(self, quote: ev.Quote) -> ev.Quote:
        if not self._here.bad_prices:
            return quote
        self._here.struck[29] += 1
        name = self._here.random.choice(("bid", "ask", "mark", "index"))
        changed: dict[str, Any] = {name: self._here.price(getattr(quote, name))}
        return replace(quote, **changed)
