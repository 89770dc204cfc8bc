"""step(ledger, event, policy) -> next ledger + commands: the one door.

Everything that the bot ever decides is decided here, by a function that never waits, reads a clock or draws a number: the same events
give the same ledgers and the same orders, in mainnet, on testnets, in simulation and under replay.

A decision compares what is with what should be. It has no modes: opening, hedging and unwinding are the same comparison.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bot.core import events as ev
from bot.core import execution, exposure, funding, invariants, questions, reconciliation, risk
from bot.core import ledger as book
from bot.core.commands import Command, PlaceOrder
from bot.core.events import Quote
from bot.core.order import OrderState, Trigger
from bot.core.policy import Breach, Policy
from bot.core.records import Ledger, Note
from bot.core.units import ZERO, Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one event came to. `decide_soon`: compare again at once, something material changed."""

    ledger: Ledger
    commands: tuple[Command, ...] = ()
    decide_soon: bool = False


MATERIAL = (
    ev.CollateralObserved,
    ev.FillReported,
    ev.OrderReported,
    ev.OrderRefused,
    ev.OrderOutcomeUnknown,
    ev.OrderAbsent,
    ev.CancelUnconfirmed,
    ev.LookUpFailed,
    ev.VenueReported,
    ev.VenueLinkChanged,
    ev.ReportUnreadable,
    ev.InstrumentListed,
    ev.StopRequested,
)
"""Events after which a decision is due at once, if they changed anything."""


def step(ledger: Ledger, event: ev.Event, policy: Policy) -> Step:
    """Folds one event and, when it is a DecisionDue, decides. Raises TypeError for an event of an unknown class."""
    if isinstance(event, ev.DecisionDue):
        after, commands = decide(ledger, event, policy)
        return Step(ledger=_checked(after, ledger, event.at), commands=commands)
    before = None if isinstance(event, ev.SessionStarted) else ledger
    after = _checked(fold(ledger, event, policy), before, event.at)
    material = isinstance(event, MATERIAL) or (
        isinstance(event, ev.CollateralConfirmed) and event.source not in ledger.sources_confirmed_at
    )
    return Step(ledger=after, decide_soon=material and after is not ledger)


def fold(ledger: Ledger, event: ev.Event, policy: Policy) -> Ledger:
    """The ledger after a fact."""
    folder = _FOLDERS.get(type(event))
    if folder is None:
        raise TypeError(f"no rule for {type(event).__name__}")
    return folder(ledger, event, policy)


def _checked(ledger: Ledger, before: Ledger | None, at: Millis) -> Ledger:
    """The ledger with its broken invariants noted; once broken, broken for this run."""
    found = invariants.broken(ledger, before)
    if not found or set(found) <= set(ledger.invariants_broken):
        return ledger
    ledger = book.noted(ledger, Note(at=at, kind="invariant", subject="book", sentence=f"HALTED: {found[0]}"))
    return replace(ledger, invariants_broken=tuple(dict.fromkeys((*ledger.invariants_broken, *found))))


def _on_fill(ledger: Ledger, event: ev.FillReported, _: Policy) -> Ledger:
    after = book.apply_fill(ledger, event.fill, event.at)
    if after.tallies.breaks_by_cause != ledger.tallies.breaks_by_cause:
        return reconciliation.distrust(after, after.venue_of(event.fill.instrument))
    return after


def _on_refused(ledger: Ledger, event: ev.OrderRefused, _: Policy) -> Ledger:
    after = book.change_order(ledger, event.client_order_id, Trigger.REFUSED, event.at)
    sentence = f"refused by the venue: {event.code} {event.reason}"
    return _told(after, event.client_order_id, event.at, sentence)


def _on_unknown(ledger: Ledger, event: ev.OrderOutcomeUnknown, _: Policy) -> Ledger:
    after = book.change_order(ledger, event.client_order_id, Trigger.UNANSWERED, event.at)
    return _told(after, event.client_order_id, event.at, f"in doubt: {event.reason}")


def _on_cancel_unconfirmed(ledger: Ledger, event: ev.CancelUnconfirmed, _: Policy) -> Ledger:
    after = book.change_order(ledger, event.client_order_id, Trigger.CANCEL_UNCONFIRMED, event.at)
    return ledger if after is ledger else _told(after, event.client_order_id, event.at, f"cancel unconfirmed: {event.reason}")


def _on_absent(ledger: Ledger, event: ev.OrderAbsent, policy: Policy) -> Ledger:
    after = book.apply_absence(ledger, event, policy)
    if after is ledger:
        return ledger
    order = after.orders[event.client_order_id]
    if order.state.is_open:
        return after
    absent = order.state is OrderState.ABSENT
    sentence = "proven absent: it never reached the book" if absent else f"over, {order.filled:+f} filled: the venue knows no more of it"
    return _told(after, event.client_order_id, event.at, sentence)


def _on_order_report(ledger: Ledger, event: ev.OrderReported, _: Policy) -> Ledger:
    report = event.report
    before = book.order_of(ledger, report)
    after = book.apply_order_report(ledger, report, event.at)
    if before is not None and before.state is OrderState.IN_DOUBT:
        now_state = after.orders[before.client_order_id].state
        if now_state is not OrderState.IN_DOUBT:
            return _told(after, before.client_order_id, event.at, f"found: {now_state.value}")
    return after


def _told(ledger: Ledger, order_id: Any, at: Millis, sentence: str) -> Ledger:
    order = ledger.orders.get(order_id)
    subject = order.instrument if order else "book"
    return book.noted(ledger, Note(at=at, kind="order", subject=subject, sentence=f"{order_id} {sentence}", order=order_id))


def _on_listed(ledger: Ledger, event: ev.InstrumentListed, policy: Policy) -> Ledger:
    listed = event.instrument
    if listed.id not in policy.instruments or ledger.instruments.get(listed.id) == listed:
        return ledger
    return replace(ledger, instruments=book.put(ledger.instruments, listed.id, listed))


def _on_margin(ledger: Ledger, event: ev.MarginObserved, _: Policy) -> Ledger:
    record = book.venue_record(ledger, event.venue)
    margins = book.put(record.margins, event.margin.asset, event.margin)
    held = {i: ledger.positions[i].quantity for i in book.positions_at(ledger, event.venue)}
    return book.with_venue(ledger, event.venue, replace(record, margins=margins, margin_positions=held))


def _on_unreadable_report(ledger: Ledger, event: ev.ReportUnreadable, _: Policy) -> Ledger:
    note = Note(at=event.at, kind="venue", subject=event.venue, sentence=f"said something unreadable: {event.what}")
    return book.noted(reconciliation.distrust(ledger, event.venue), note)


def _on_stop(ledger: Ledger, event: ev.StopRequested, _: Policy) -> Ledger:
    note = Note(at=event.at, kind="stop", subject="book", sentence=event.reason)
    return ledger if ledger.stopping else book.noted(replace(ledger, stopping=True), note)


_FOLDERS: Mapping[type[ev.Event], Callable[[Ledger, Any, Policy], Ledger]] = {
    ev.SessionStarted: lambda ledger, event, _: book.restart(ledger, event),
    ev.InstrumentListed: _on_listed,
    ev.CollateralObserved: lambda ledger, event, _: book.apply_collateral(ledger, event),
    ev.CollateralConfirmed: lambda ledger, event, _: book.confirm_source(ledger, event),
    ev.CollateralUnreadable: lambda ledger, event, _: book.source_unreadable(ledger, event.source, event.reason, event.at),
    ev.FundingRateObserved: funding.apply_rate,
    ev.FundingPaid: lambda ledger, event, _: funding.apply_payment(ledger, event),
    ev.OrderReported: _on_order_report,
    ev.FillReported: _on_fill,
    ev.OrderRefused: _on_refused,
    ev.OrderOutcomeUnknown: _on_unknown,
    ev.OrderAbsent: _on_absent,
    ev.CancelUnconfirmed: _on_cancel_unconfirmed,
    ev.LookUpFailed: lambda ledger, *_: ledger,
    ev.VenueReported: lambda ledger, event, _: reconciliation.apply_reading(ledger, event),
    ev.VenueUnreadable: lambda ledger, event, _: reconciliation.apply_unreadable(ledger, event),
    ev.MarginObserved: _on_margin,
    ev.VenueLinkChanged: lambda ledger, event, _: reconciliation.apply_link(ledger, event),
    ev.ReportUnreadable: _on_unreadable_report,
    ev.StopRequested: _on_stop,
}


def decide(ledger: Ledger, event: ev.DecisionDue, policy: Policy) -> tuple[Ledger, tuple[Command, ...]]:
    """Compares what is with what should be, on the quotes of the event, and returns the orders and questions that follow."""
    now = event.at
    ledger = replace(ledger, quotes={q.instrument: _with_sane_mark(q) for q in event.quotes}, decided_at=now)
    ledger, about_orders = questions.ask(ledger, policy, now)
    ledger, readings = questions.read(ledger, policy, now)
    ledger, orders = _hedge(ledger, policy, now)
    return ledger, (*about_orders, *orders, *readings)


def _with_sane_mark(quote: Quote) -> Quote:
    """A mark that is not positive is no mark: nothing is valued at it."""
    return replace(quote, mark=None) if quote.mark is not None and quote.mark <= ZERO else quote


def _hedge(ledger: Ledger, policy: Policy, now: Millis) -> tuple[Ledger, tuple[PlaceOrder, ...]]:
    commands: list[PlaceOrder] = []
    if risk.trading_state(ledger, policy, now) is risk.TradingState.HALTED:
        return ledger, ()
    targets = dict(ledger.targets)
    for asset in exposure.hedged_assets(policy):
        plan = execution.plan_asset(ledger, policy, asset, now)
        placement = execution.place_orders(ledger, policy, plan, now)
        ledger = placement.ledger
        commands.extend(placement.commands)
        targets |= execution.targets_of((plan,))
        for command in placement.commands:
            ledger = book.noted(ledger, _order_note(ledger, command, plan, now))
        ledger = _note_refusals(ledger, "withheld", placement.refused, now)
        ledger = _note_refusals(ledger, "delta is left unhedged by", execution.shortfalls(plan), now)
    return replace(ledger, targets=targets) if targets != ledger.targets else ledger, tuple(commands)


def _order_note(ledger: Ledger, command: PlaceOrder, plan: execution.Plan, now: Millis) -> Note:
    order = ledger.orders[command.client_order_id]
    verb = "sell" if command.quantity < 0 else "buy"
    limits = sorted({s.binding.value for s in plan.allocation.shares if s.binding} if plan.allocation else ())
    bound = f"; at a limit: {', '.join(limits)}" if limits else ""
    sentence = f"{verb} {abs(command.quantity):f} at {command.price:f} or better; {order.reason}{bound}"
    return Note(at=now, kind="decision", subject=command.instrument, sentence=sentence, order=command.client_order_id)


def _note_refusals(ledger: Ledger, what: str, breaches: tuple[Breach, ...], now: Millis) -> Ledger:
    """Tells what limits refused, in one sentence per subject, once while it is the newest thing said of that subject."""
    for subject in sorted({b.subject for b in breaches}):
        sentence = f"{what}: {', '.join(sorted(b.limit.value for b in breaches if b.subject == subject))}"
        newest = next((n for n in reversed(ledger.notes) if n.subject == subject), None)
        if newest is None or newest.sentence != sentence:
            ledger = book.noted(ledger, Note(at=now, kind="breach", subject=subject, sentence=sentence))
    return ledger
