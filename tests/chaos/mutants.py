"""Planted bugs: each breaks one rule of the bot by patching it, in tests only. Chaos finds every one within a stated number of seeds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest

from bot.core import claim_book, claim_reach, engine, exposure, gate, ledger, operation, reconciliation, risk, trading
from bot.core import events as ev
from bot.core.claim_stories import Matching
from bot.core.commands import Command, PlaceOrder
from bot.core.limits import Limit
from bot.core.order import OrderState, Trigger
from bot.core.policy import Policy
from bot.core.records import BreakCause, Ledger, Position
from bot.core.units import ZERO, VenueId
from bot.shell import lifecycle, standing_by
from bot.shell.dispatch import Dispatcher
from bot.shell.loop import Loop
from bot.shell.mandate import Mandate

Patch = Callable[[pytest.MonkeyPatch], None]

WAITS_S = 1.0
"""How long an order waits between a late look at the lease and its leaving."""


@dataclass(frozen=True)
class Mutant:
    """A planted bug; `first` is the first seed that is played on it, and `within` how many may be needed."""

    plant: Patch
    first: int
    within: int


def double_send(monkeypatch: pytest.MonkeyPatch) -> None:
    """An order whose answer is missing is sent again."""
    send = Dispatcher._send

    async def twice(self: Dispatcher, command: Command) -> ev.Event:
        answer = await send(self, command)
        if isinstance(command, PlaceOrder) and isinstance(answer, ev.OrderOutcomeUnknown):
            return await send(self, command)
        return answer

    monkeypatch.setattr(Dispatcher, "_send", twice)


def empty_is_flat(monkeypatch: pytest.MonkeyPatch) -> None:
    """A position that a reading leaves out is taken for flat."""
    fold = reconciliation.apply_reading

    def filled_up(before: Ledger, event: ev.VenueReported) -> Ledger:
        told = {p.instrument for p in event.positions}
        missing = [i for i in before.positions if before.venue_of(i) == event.venue and i not in told]
        flat = tuple(ev.PositionReport(instrument=i, quantity=ZERO, entry_price=None, mark_price=None) for i in missing)
        return fold(before, replace(event, positions=(*event.positions, *flat)))

    monkeypatch.setattr(reconciliation, "apply_reading", filled_up)


def inverse_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    """The delta of an inverse position has the wrong sign."""
    ranged, exact = exposure.position, exposure.recorded

    def position(before: Ledger, instrument: Any, **more: Any) -> Any:
        found = ranged(before, instrument, **more)
        return found if found is None or not before.instruments[instrument].is_inverse else found.times(Decimal(-1))

    def recorded(before: Ledger, instrument: Any) -> Any:
        found = exact(before, instrument)
        return found if found is None or not before.instruments[instrument].is_inverse else -found

    monkeypatch.setattr(exposure, "position", position)
    monkeypatch.setattr(exposure, "recorded", recorded)


def lost_fill(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every fifth fill does not move the position."""
    moved, count = Position.moved, [0]

    def sometimes(self: Position, quantity: Any, at: int) -> Position:
        count[0] += 1
        return self if count[0] % 5 == 0 else moved(self, quantity, at)

    monkeypatch.setattr(Position, "moved", sometimes)


def fill_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every fifth fill moves the position twice."""
    moved, count = Position.moved, [0]

    def sometimes(self: Position, quantity: Any, at: int) -> Position:
        count[0] += 1
        return moved(self, quantity * 2 if count[0] % 5 == 0 else quantity, at)

    monkeypatch.setattr(Position, "moved", sometimes)


def absence_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one look-up does not find counts as absent."""

    def believed(before: Ledger, event: ev.OrderAbsent, _: Policy) -> Ledger:
        return ledger.change_order(before, event.client_order_id, Trigger.PROVEN_ABSENT, event.at)

    monkeypatch.setattr(ledger, "apply_absence", believed)


def unknown_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer counts as a refusal."""

    def refused(before: Ledger, event: ev.OrderOutcomeUnknown, _: Policy) -> Ledger:
        return ledger.change_order(before, event.client_order_id, Trigger.REFUSED, event.at)

    monkeypatch.setitem(engine._FOLDERS, ev.OrderOutcomeUnknown, refused)  # type: ignore[arg-type]  # a dict behind a Mapping


def journal_after_send(monkeypatch: pytest.MonkeyPatch) -> None:
    """Orders leave, and are written a moment later."""
    written = Loop._written

    def later(self: Loop, commands: tuple[Command, ...], *, is_awaited: bool) -> tuple[Command, ...]:
        events, self._unwritten = self._unwritten, []

        def write() -> None:
            self._unwritten = [*events, *self._unwritten]
            written(self, commands, is_awaited=is_awaited)

        asyncio.get_running_loop().call_later(0.003, write)
        return commands

    monkeypatch.setattr(Loop, "_written", later)


def cancel_is_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cancel that was asked for counts as done."""

    def done(before: Ledger, event: ev.CancelUnconfirmed, _: Policy) -> Ledger:
        order = before.orders.get(event.client_order_id)
        if order is None or order.state is not OrderState.WORKING:
            return before
        return ledger.change_order(before, event.client_order_id, Trigger.ENDED, event.at)

    monkeypatch.setitem(engine._FOLDERS, ev.CancelUnconfirmed, done)  # type: ignore[arg-type]  # a dict behind a Mapping


def stale_quotes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The age of a quote is not looked at."""
    breach = risk.quote_breach

    def ageless(before: Ledger, policy: Policy, instrument: Any, now: int) -> Any:
        found = breach(before, policy, instrument, now)
        return None if found is not None and found.limit is Limit.QUOTE_AGE else found

    monkeypatch.setattr(risk, "quote_breach", ageless)


def always_halts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The book is HALTED, whatever happens: nothing can go wrong then."""
    monkeypatch.setattr(risk, "trading_state", lambda *_: risk.TradingState.HALTED)


def never_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    """No quiet period ends a state."""
    monkeypatch.setattr(trading, "after_quiet", lambda before, *_: before)


def halt_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person's halt is noted, and that is all."""
    fold = operation.apply_act

    def noted(before: Ledger, event: ev.OperatorActed, policy: Policy) -> Ledger:
        return before if event.action is ev.OperatorAction.HALT else fold(before, event, policy)

    monkeypatch.setitem(engine._FOLDERS, ev.OperatorActed, noted)  # type: ignore[arg-type]  # a dict behind a Mapping


def ids_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Client order ids are made of the journal's counter alone."""
    monkeypatch.setattr(lifecycle, "epoch_of", lambda counter, *_: f"h{counter:04d}")


def deleveraging_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody ordered is not entered, whether it is told or read."""
    monkeypatch.setattr(ledger, "_apply_foreign_fill", lambda before, *_: before)
    monkeypatch.setattr(reconciliation, "READINGS_TO_ADOPT", 10**9)


def venue_cap_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shares of venues are held against ten times what is held."""
    base = exposure.share_base
    larger = exposure.once(lambda before, policy: None if (known := base(before, policy)) is None else known * 10)
    monkeypatch.setattr(exposure, "share_base", larger)
    monkeypatch.setattr(gate, "INCREASE_CHECKS", ())


def deposit_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a total has confirmed still counts as announced."""
    monkeypatch.setattr(claim_reach, "matched", lambda _, believed, *__: Matching(({c.id: c.quantity for c in believed},), (frozenset(),)))


def waits_for_history(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a venue tells of the present without its past is not taken."""
    monkeypatch.setitem(engine._FOLDERS, ev.HoldingsReported, lambda before, *_: before)  # type: ignore[arg-type]  # a dict behind a Mapping


def break_untold(monkeypatch: pytest.MonkeyPatch) -> None:
    """A position that others moved is adopted without a word of it."""
    tell = ledger.with_break

    def only_some(before: Ledger, cause: Any, *rest: Any) -> Ledger:
        return before if cause is BreakCause.AUTO_DELEVERAGING else tell(before, cause, *rest)

    monkeypatch.setattr(ledger, "with_break", only_some)
    monkeypatch.setattr(reconciliation, "with_break", only_some)


def fees_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fee of a purchase counts twice."""
    fee = ledger._fee_usd
    monkeypatch.setattr(ledger, "_fee_usd", lambda listed, fill: fee(listed, fill) * (2 if fill.quantity > ZERO else 1))


def quarantine_untold(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not believed is put aside without a word."""
    say = claim_book._told_once
    monkeypatch.setattr(claim_book, "_told_once", lambda before, event, words, kind: say(before, event, words, "claim"))


def late_lease_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lease is looked at when a command is taken up, and not again when the order leaves, a long wait later."""
    send = Dispatcher._send

    async def later(self: Dispatcher, command: Command) -> ev.Event:
        if not isinstance(command, PlaceOrder) or self._may_send is None or (seconds := self._may_send()) <= 0:
            return await send(self, command)
        await self._clock.sleep(WAITS_S)
        end = self._clock.now() + int(seconds * 1_000)
        return await self._venues[VenueId(command.instrument.partition(":")[0])].place(
            replace(command, expires_at=min(command.expires_at, end))
        )

    monkeypatch.setattr(Dispatcher, "_send", later)


def lease_by_hearsay(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lease counts as held until a renewal was refused, whatever the clock says: a process that was stopped goes on sending."""
    monkeypatch.setattr(Mandate, "held_for", lambda self: 0.0 if self._lost else 2.85)


def no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who takes over sends at once, without waiting for the lease before and the expiry of what was sent under it."""
    monkeypatch.setattr(standing_by, "silence_s", lambda *_: 0.0)


def asks_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who stands by asks for the lease every half minute, and not twelve times within its length."""
    monkeypatch.setattr(standing_by, "ASKS_PER_TERM", 0.1)


def epoch_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    """The epoch is the store's counter and which instance it is: after a store was rolled back it repeats."""
    monkeypatch.setattr(lifecycle, "epoch_of", lambda counter, started_at, tag: f"h{counter:04d}{tag[0]}")


MUTANTS: Mapping[str, Mutant] = {
    plant.__name__: Mutant(plant, first, within)
    for plant, first, within in (
        (double_send, 1, 3),
        (empty_is_flat, 407, 3),
        (inverse_sign, 1, 1),
        (lost_fill, 1, 2),
        (fill_twice, 1, 2),
        (absence_early, 1, 2),
        (unknown_is_refused, 1, 3),
        (journal_after_send, 1, 1),
        (cancel_is_proof, 401, 2),
        (stale_quotes, 401, 3),
        (always_halts, 1, 1),
        (never_returns, 1, 3),
        (halt_ignored, 406, 1),
        (ids_repeat, 2, 3),
        (deleveraging_unseen, 1, 4),
        (venue_cap_forgotten, 1, 2),
        (deposit_twice, 403, 6),
        (quarantine_untold, 405, 3),
        (waits_for_history, 405, 3),
        (break_untold, 402, 1),
        (fees_twice, 403, 3),
        (late_lease_check, 1, 1),
        (lease_by_hearsay, 1, 1),
        (no_silence, 1, 1),
        (epoch_repeats, 15, 1),
        (asks_rarely, 416, 1),
    )
}
"""By name."""
