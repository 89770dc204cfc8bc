"""What a named person asks of a running bot, and the switch outside it that halts the book.

A request is entered as an event like any other fact, waited for until it is written, and answered in one sentence. What the bot could not
take is not accepted; what it took and could not write is in force, and the answer says that it is not written. A halt is answered
when no order works any more where it was asked for, or after HALT_REPORT_S with what is still open, venue by venue. So is a
flatten, when nothing is held any more or with what still is.

The switch is looked at before the first decision and on a beat. While it says halt, the book is halted again whoever resumed it; so a
resume of the book clears it first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal

import structlog

from bot.core.acts import Adopted, Override
from bot.core.events import OperatorActed, OperatorAction
from bot.core.flattening import instruments_to_close, is_closed, unlisted_to_close
from bot.core.limits import Limit
from bot.core.operation import unadopted, why_not_adopted, why_not_flattened, why_not_resolved
from bot.core.overriding import field_of, in_force, why_not
from bot.core.policy import Policy
from bot.core.records import TradingState
from bot.core.trading import causes
from bot.core.units import ZERO, VenueId
from bot.operating import HaltSwitch, HaltTold, OperatorAnswer, OperatorRequest, Reload
from bot.ports import Clock
from bot.shell.clock import in_words
from bot.shell.loop import Loop

log = structlog.get_logger(__name__)

TAKEN_S = 3.0
"""Longest time until a request has gone through the core."""
HALT_REPORT_S = 5.0
"""Longest time from a halt to its report."""
NO_ROOM = "the bot did not take it, for more waits than it can hold; the run ends of that"
WATCH_S = 0.5
"""Pause between two looks at the switch."""


class Control:
    """Carries out what people ask for."""

    def __init__(
        self,
        loop: Loop,
        clock: Clock,
        venues: Sequence[VenueId],
        switch: HaltSwitch | None,
        contradiction: Callable[[Policy], str | None] = lambda _: None,
        reload: Reload | None = None,
        *,
        shared: bool = False,
    ) -> None:
        """`venues` are those of the run, sorted; `switch` is what halts from outside, None: nothing does. `contradiction` tells why a
        policy cannot be, in one sentence, None: it can. `reload` reads the configuration again.

        `shared`: another instance may take the book over.
        """
        self._loop, self._clock, self._venues, self._switch = loop, clock, tuple(venues), switch
        self._contradiction, self._reload, self._shared = contradiction, reload, shared

    async def act(self, request: OperatorRequest) -> OperatorAnswer:
        """Enters a request and tells what came of it. Raises TimeoutError when it was not taken in time."""
        began = self._clock.steady()
        if request.action is OperatorAction.RELOAD:
            return await self._reloaded(request)
        refusal = self._refusal(request) or self._not_cleared(request)
        if refusal is not None:
            return self._answer(request, refusal, accepted=False)
        unwritten = await self._entered(self._event(request))
        if unwritten is None:
            return self._answer(request, NO_ROOM, accepted=False)
        if request.action is OperatorAction.HALT:
            await self._drained(request.venue, began + HALT_REPORT_S)
        if request.action is OperatorAction.FLATTEN:
            await self._closed(began + HALT_REPORT_S)
        return self._answer(request, self._came_of(request) + unwritten, accepted=True)

    async def _entered(self, event: OperatorActed) -> str | None:
        """Enters it, and what is to be said when the journal has not got it; None when it found no room. Raises TimeoutError."""
        taken = self._loop.put_awaited(event)
        if taken.done():  # at once
            return None
        await self._within(TAKEN_S, taken)
        if taken.result():
            return ""
        kept = "it is kept on this host until it does" if self._loop.keeps else "until it does, a restart knows nothing of it"
        other = "; the other instance does not know it: should that one take over, tell it there too" if self._shared else ""
        return f"; the journal could not write it yet: {kept}{other}"

    async def _reloaded(self, request: OperatorRequest) -> OperatorAnswer:
        """Takes the configuration's policy as it is now, or leaves everything as it was."""
        found = "there is no configuration to be read again" if self._reload is None else self._reload(self._loop.policy)
        if isinstance(found, str):
            return self._answer(request, found, accepted=False)
        if (refusal := self._not_beside_overrides(found.policy)) is not None:
            return self._answer(request, f"{refusal}; the configuration of before stays", accepted=False)
        event = replace(self._event(request), policy=found.policy, config_hash=found.config_hash, hash_before=self._loop.config_hash)
        unwritten = await self._entered(event)
        if unwritten is None:
            return self._answer(request, NO_ROOM, accepted=False)
        return self._answer(
            request, "; ".join([found.sentence, *map(self._standing, self._loop.ledger.overrides)]) + unwritten, accepted=True
        )

    def _not_beside_overrides(self, policy: Policy) -> str | None:
        """Why a policy cannot be together with what people set for a while; None when it can, or nothing is set."""
        made = self._loop.ledger.overrides
        why = self._contradiction(in_force(self._loop.ledger, policy)) if made else None
        if why is None:
            return None
        words = ", ".join(f"{o.field} to {o.value:f} by {o.by}" for o in made)
        return f"{why}, with the override of {words}: end it first (`override LIMIT VALUE --for 0`)"

    def _standing(self, made: Override) -> str:
        """What of a new configuration does not count yet."""
        return f"{made.field} is {made.value:f} until {in_words(made.until)}, set by {made.by}"

    def end_contradicting(self, policy: Policy) -> None:
        """Ends what people set for a while where a run begins with limits of which it makes a contradiction: the configuration counts."""
        why = self._contradiction(in_force(self._loop.ledger, policy)) if self._loop.ledger.overrides else None
        if why is None:
            return
        for made in self._loop.ledger.overrides:
            log.error("override_ended", field=made.field, value=str(made.value), by=made.by, reason=why)
            ends = OperatorActed(
                at=self._clock.now(),
                action=OperatorAction.OVERRIDE,
                by=made.by,
                why=f"ended at the start: {why}",
                setting=made.field,
                value=made.value,
                lasts_ms=0,
            )
            self._loop.put(ends)

    def _refusal(self, request: OperatorRequest) -> str | None:
        if request.venue is not None and request.venue not in self._venues:
            return f"venue {request.venue!r} is not one of {', '.join(self._venues)}"
        if request.action is OperatorAction.FLATTEN:
            known = sorted({listed.base for listed in self._loop.ledger.instruments.values()})
            if request.asset is not None and request.asset not in known:
                return f"asset {request.asset!r} is not one of {', '.join(known)}"
            return why_not_flattened(self._loop.ledger)
        if request.action is OperatorAction.ADOPT:
            return self._not_adopted(request)
        if request.action is OperatorAction.OVERRIDE:
            return self._not_overridden(request)
        if request.action is OperatorAction.RESOLVE:
            event = self._event(request)
            order = None if request.order is None else self._loop.ledger.orders.get(request.order)
            return why_not_resolved(order, event.filled_quantity or ZERO)
        return None

    def _not_adopted(self, request: OperatorRequest) -> str | None:
        """All of it is adopted as it was shown, or nothing."""
        if not request.adopting:
            return "nothing is named that is to be adopted"
        elsewhere = [a for a in request.adopting if request.venue not in (None, self._loop.ledger.venue_of(a.instrument))]
        if elsewhere:
            return f"{elsewhere[0].instrument} is not of {request.venue}"
        refusals = [why for each in request.adopting if (why := why_not_adopted(self._loop.ledger, each)) is not None]
        return f"{'; '.join(refusals)}; nothing is adopted, look again" if refusals else None

    def _not_overridden(self, request: OperatorRequest) -> str | None:
        if request.setting is None or request.value is None or request.lasts_ms is None:
            return "override is about one setting: give `setting`, `value` and `lasts_ms`"
        policy = in_force(self._loop.ledger, self._loop.policy)
        refusal = why_not(request.setting, request.value, request.lasts_ms, policy)
        field = field_of(request.setting)
        if refusal is not None or field is None or request.lasts_ms == 0:
            return refusal
        return self._contradiction(replace(policy, **{field: type(getattr(policy, field))(request.value)}))

    def _not_cleared(self, request: OperatorRequest) -> str | None:
        """Clears the switch before the book is resumed; why it cannot be, or None.

        What it says since the last look is entered, not cleared: nobody who resumes can have known of it.
        """
        if request.action is OperatorAction.RESUME and request.venue is None and self._switch is not None:
            told = self.heed_switch()
            if told is not None:
                return f"{told.by} has halted the book by the halt file this moment ({told.why}); resume again to end that too"
            try:
                self._switch.clear()
            except OSError as error:
                return f"the halt file cannot be removed ({error.strerror}), and halts again as long as it is there"
        return None

    def _event(self, request: OperatorRequest) -> OperatorActed:
        order = None if request.order is None else self._loop.ledger.orders.get(request.order)
        filled = request.filled
        return OperatorActed(
            at=self._clock.now(),
            action=request.action,
            by=request.by,
            why=request.why,
            venue=request.venue,
            asset=request.asset,
            setting=request.setting,
            value=request.value,
            lasts_ms=request.lasts_ms,
            adopting=request.adopting,
            client_order_id=request.order,
            filled_quantity=filled if order is None or filled is None else filled.copy_sign(order.quantity),
        )

    async def _within(self, seconds: float, taken: asyncio.Future[bool]) -> None:
        deadline = self._clock.steady() + seconds
        while not taken.done():
            if self._clock.steady() >= deadline:
                taken.cancel()
                raise TimeoutError
            await self._clock.sleep(0.005)

    async def _drained(self, venue: VenueId | None, deadline: float) -> None:
        """Until no order is open at a venue (None: at all), or the time is up."""
        while self._clock.steady() < deadline and any(self._open_at(v) for v in self._scope(venue)):
            await self._clock.sleep(0.01)

    async def _closed(self, deadline: float) -> None:
        """Until nothing is held of what is to be closed, or the time is up."""
        while self._clock.steady() < deadline and not self._is_all_closed():
            await self._clock.sleep(0.01)

    def _is_all_closed(self) -> bool:
        ledger = self._loop.ledger
        return all(is_closed(ledger, i) for i in instruments_to_close(ledger)) and not unlisted_to_close(ledger, self._loop.policy)

    def _scope(self, venue: VenueId | None) -> tuple[VenueId, ...]:
        return self._venues if venue is None else (venue,)

    def _open_at(self, venue: VenueId) -> int:
        ledger = self._loop.ledger
        record = ledger.venues.get(venue)
        taken = 0 if record is None else len(record.taken_orders)
        return taken + sum(1 for o in ledger.open_orders() if ledger.venue_of(o.instrument) == venue)

    def _came_of(self, request: OperatorRequest) -> str:
        if request.action is OperatorAction.RESOLVE and request.order is not None:
            order = self._loop.ledger.orders[request.order]
            return (
                f"order {request.order} is {order.state.value} with {order.filled:+f} filled; its venue is read before anything increases"
            )
        if request.action is OperatorAction.ADOPT:
            return self._adopted(request.adopting or ())
        if request.action is OperatorAction.OVERRIDE:
            return self._overridden(request)
        if request.action is OperatorAction.FLATTEN:
            subject = request.venue or request.asset or "the book"
            return "; ".join([f"{subject} is flattened until it is resumed", *self._left_to_close()])
        found = [f"{request.venue or 'the book'} is {self._state(request)}"]
        if request.action is OperatorAction.HALT:
            found += [
                f"{v}: {self._open_at(v)} orders open" if self._open_at(v) else f"{v}: no order open" for v in self._scope(request.venue)
            ]
        return "; ".join(found)

    def _overridden(self, request: OperatorRequest) -> str:
        field = field_of(request.setting or "") or ""
        configured = Decimal(getattr(self._loop.policy, field))
        made = next((o for o in self._loop.ledger.overrides if o.field == field), None)
        if made is None:
            return f"{field} is {configured:f} again, as configured"
        return f"{field} is {made.value:f} instead of {configured:f} until {in_words(made.until)}"

    def _adopted(self, shown: Sequence[Adopted]) -> str:
        """What was taken over, and what had changed before it was: the fold takes only what is as it was shown."""
        still = {(u.shown.instrument, u.shown.order) for u in unadopted(self._loop.ledger)}
        done = [self._held(a) for a in shown if (a.instrument, a.order) not in still]
        left = [a.order or a.instrument for a in shown if (a.instrument, a.order) in still]
        words = [f"adopted: {', '.join(done)}"] if done else []
        words += [f"changed in the meantime and not adopted, look again: {', '.join(left)}"] if left else []
        return "; ".join(words)

    def _held(self, shown: Adopted) -> str:
        """A position in words, with the venue's own entry price, or an order that is taken over."""
        if shown.order is not None:
            return f"order {shown.order} on {shown.instrument}, which is withdrawn"
        position = self._loop.ledger.positions[shown.instrument]
        entry = "" if position.entry_price is None else f" at {position.entry_price:f}"
        return f"{position.quantity:+f} of {shown.instrument}{entry}"

    def _left_to_close(self) -> list[str]:
        """Venue by venue, what is held of what is to be closed."""
        ledger = self._loop.ledger
        told: dict[VenueId, list[str]] = {venue: [] for venue in sorted({f.venue for f in ledger.flattenings})}
        for instrument in instruments_to_close(ledger):
            held = ledger.positions.get(instrument)
            if held is None or not is_closed(ledger, instrument):
                opened = len(ledger.open_orders(instrument))
                left = "unknown" if held is None else f"{held.quantity:+f}"
                words = f"{left} of {instrument} left" + (f", {opened} orders open" if opened else "")
                told[ledger.venue_of(instrument)].append(words)
        for instrument in unlisted_to_close(ledger, self._loop.policy):
            held = ledger.positions.get(instrument)
            left = "unknown" if held is None else f"{held.quantity:+f}"
            told[ledger.venue_of(instrument)].append(f"{left} of {instrument} left, which the venue has not listed yet")
        return [f"{venue}: {', '.join(words) if words else 'nothing left'}" for venue, words in told.items()]

    def _state(self, request: OperatorRequest) -> str:
        told = self._loop.statement()
        trading = next((v.trading for v in told.venues if v.venue == request.venue), told.trading)
        return trading.state.upper() + (f" ({trading.cause}: {trading.why})" if trading.cause else "")

    def _answer(self, request: OperatorRequest, sentence: str, *, accepted: bool) -> OperatorAnswer:
        log.warning("operator_asked", action=request.action.value, by=request.by, why=request.why, accepted=accepted, answer=sentence)
        told = self._loop.statement()
        trading = next((v.trading for v in told.venues if v.venue == request.venue), told.trading)
        return OperatorAnswer(accepted=accepted, sentence=sentence, trading_state=trading.state)

    # the switch

    async def watch_switch(self) -> None:
        """Looks at the switch until cancelled."""
        while True:
            await self._clock.sleep(WATCH_S)
            self.heed_switch()

    def heed_switch(self) -> HaltTold | None:
        """Halts the book if the switch says so and no person's halt is in force; what it said, None when nothing was entered.

        One that was set after a person asked to close positions ends that too.
        """
        told = None if self._switch is None else self._switch.told()
        if told is None:
            return None
        is_halted = any(c.cause is Limit.OPERATOR and c.state is TradingState.HALTED for c in causes(self._loop.ledger, None))
        asked_at = max((f.since for f in self._loop.ledger.flattenings), default=None)
        if is_halted and (asked_at is None or told.at is None or told.at <= asked_at):
            return None
        self._loop.put(OperatorActed(at=self._clock.now(), action=OperatorAction.HALT, by=told.by, why=told.why))
        return told
