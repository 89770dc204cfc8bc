"""step(ledger, event, policy) -> next ledger + commands: the one door.

Everything that the bot ever decides is decided here, by a function that never waits, reads a clock or draws a number: the same events
give the same ledgers and the same orders, in mainnet, on testnets, in simulation and under replay.

A decision compares what is with what should be. It has no modes: opening, hedging and unwinding are the same comparison.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from itertools import takewhile
from typing import Any

from bot.core import (
    claim_book,
    conduct,
    custody,
    deployment,
    execution,
    exposure,
    flattening,
    funding,
    funding_ledger,
    invariants,
    netting,
    observations,
    operation,
    overriding,
    questions,
    readings,
    reconciliation,
    repetition,
    risk,
    strangers,
    target,
    trading,
    traffic,
    working,
)
from bot.core import events as ev
from bot.core import ledger as book
from bot.core.commands import Command, PlaceOrder
from bot.core.copying import replace
from bot.core.events import MarginReport, Quote
from bot.core.instrument import Instrument
from bot.core.limits import Breach, Limit
from bot.core.order import OrderState, Trigger
from bot.core.policy import Policy
from bot.core.precision import COUNTING
from bot.core.records import Ledger, Note
from bot.core.units import ZERO, InstrumentId, Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one event came to. `decide_soon`: compare again at once, something material changed."""

    ledger: Ledger
    commands: tuple[Command, ...] = ()
    decide_soon: bool = False


MATERIAL = (
    ev.CollateralObserved,
    ev.CollateralAnnounced,
    ev.CustodyReported,
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
    ev.OperatorActed,
    ev.JournalJudged,
    ev.StopRequested,
)
"""Events after which a decision is due at once, if they changed anything."""
_MATERIAL = frozenset(MATERIAL)


def step(ledger: Ledger, event: ev.Event, policy: Policy) -> Step:
    """Folds one event and, when it is a DecisionDue, decides: alike in every process, whatever its decimal context is.

    Raises TypeError for an event of an unknown class.
    """
    with localcontext(COUNTING):
        if not isinstance(event, ev.DecisionDue):
            return _folded(ledger, event, overriding.in_force(ledger, policy))
        ledger = overriding.expired(ledger, event.at)
        return _decided(ledger, event, overriding.in_force(ledger, policy))


def _decided(ledger: Ledger, event: ev.DecisionDue, policy: Policy) -> Step:
    after, commands = decide(ledger, event, policy)
    wrong = conduct.broken(ledger, after, commands, policy, event.at)
    if wrong:  # nothing of such a decision may leave, nor may the ledger expect its orders
        return Step(ledger=_halted(ledger, wrong, event.at))
    return Step(ledger=_checked(after, ledger, event.at), commands=commands)


def _folded(ledger: Ledger, event: ev.Event, policy: Policy) -> Step:
    before = None if _begins_anew(event) else ledger  # then all of it is looked at again
    after = _checked(fold(ledger, event, policy), before, event.at)
    return Step(ledger=after, decide_soon=after is not ledger and _is_material(ledger, event, after, policy))


def _is_material(before: Ledger, event: ev.Event, after: Ledger, policy: Policy) -> bool:
    if isinstance(event, ev.VenueReported):
        return readings.is_news(before, after, event, policy)
    return type(event) in _MATERIAL or (isinstance(event, ev.CollateralConfirmed) and readings.ends_silence(before, policy, event))


def _begins_anew(event: ev.Event) -> bool:
    return isinstance(event, ev.SessionStarted) or (isinstance(event, ev.OperatorActed) and event.action is ev.OperatorAction.RESUME)


def fold(ledger: Ledger, event: ev.Event, policy: Policy) -> Ledger:
    """The ledger after a fact."""
    folder = _FOLDERS.get(type(event))
    if folder is None:
        raise TypeError(f"no rule for {type(event).__name__}")
    after = folder(ledger, event, policy)
    return after if after.executions is ledger.executions else _without_repetition(after, policy, event.at)


def _without_repetition(ledger: Ledger, policy: Policy, at: Millis) -> Ledger:
    """The ledger with each venue HALTED at which an instrument executed too often without a change of its target (C13).

    The count begins anew: from here on the venue's own state says it, until a named person resumes it.
    """
    most = policy.repeated_executions_max
    for instrument in [i for i, record in ledger.executions.items() if record.count >= most]:
        found = repetition.repetition_breach(ledger, policy, instrument)
        if found is not None:
            ledger = trading.enter(ledger, found.limit, at, found.sentence(), venue=ledger.venue_of(instrument))
            fresh = replace(ledger.executions[instrument], count=0)
            ledger = replace(ledger, executions=book.put(ledger.executions, instrument, fresh))
    return ledger


def _checked(ledger: Ledger, before: Ledger | None, at: Millis) -> Ledger:
    """The ledger with its broken invariants noted; once broken, broken until a named person resumes the book."""
    found = invariants.broken(ledger, before)
    return ledger if not found or set(found) <= set(ledger.invariants_broken) else _halted(ledger, found, at)


def _halted(ledger: Ledger, found: tuple[str, ...], at: Millis) -> Ledger:
    ledger = book.noted(ledger, Note(at=at, kind="invariant", subject="book", sentence=f"HALTED: {found[0]}"))
    return replace(ledger, invariants_broken=tuple(dict.fromkeys((*ledger.invariants_broken, *found))))


def _on_fill(ledger: Ledger, event: ev.FillReported, _: Policy) -> Ledger:
    after = book.apply_fill(ledger, event.fill, event.at)
    if after.tallies.breaks_by_cause == ledger.tallies.breaks_by_cause:
        return after
    venue = after.venue_of(event.fill.instrument)
    return reconciliation.distrust(reconciliation.after_fills(ledger, after, venue, event.at), venue)


def _on_refused(ledger: Ledger, event: ev.OrderRefused, _: Policy) -> Ledger:
    after = book.change_order(ledger, event.client_order_id, Trigger.REFUSED, event.at)
    sentence = f"refused by the venue: {event.code} {event.reason}"
    return _told(after, event.client_order_id, event.at, sentence)


def _on_unknown(ledger: Ledger, event: ev.OrderOutcomeUnknown, _: Policy) -> Ledger:
    after = book.change_order(ledger, event.client_order_id, Trigger.UNANSWERED, event.at)
    return _told(after, event.client_order_id, event.at, f"in doubt: {event.reason}")


def _on_cancel_unconfirmed(ledger: Ledger, event: ev.CancelUnconfirmed, _: Policy) -> Ledger:
    if event.client_order_id not in ledger.orders:
        return strangers.unconfirmed(ledger, event.client_order_id)
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
    after = strangers.heard(book.apply_order_report(ledger, report, event.at), report, event.at)
    if after.tallies.breaks_by_cause != ledger.tallies.breaks_by_cause:
        after = reconciliation.distrust(after, after.venue_of(report.instrument))
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
    settled = [i for i in book.positions_at(ledger, event.venue) if _stands_behind(event.margin, ledger.instruments.get(i))]
    held = {**record.margin_positions, **{i: ledger.positions[i].quantity for i in settled}}
    others = {i: m for i, m in record.margin_marks.items() if i not in settled}
    marks = others | {i: mark for i in settled if (mark := event.marks.get(i, ZERO)) > ZERO}
    return book.with_venue(ledger, event.venue, replace(record, margins=margins, margin_positions=held, margin_marks=marks))


def _stands_behind(margin: MarginReport, listed: Instrument | None) -> bool:
    """Whether an account's word is on this instrument's position: on all of them, or on those that settle in its asset."""
    return margin.is_account_wide or listed is None or listed.settle == margin.asset


def _on_unreadable_report(ledger: Ledger, event: ev.ReportUnreadable, _: Policy) -> Ledger:
    note = Note(at=event.at, kind="venue", subject=event.venue, sentence=f"said something unreadable: {event.what}")
    return book.noted(reconciliation.distrust(ledger, event.venue), note)


def _intents_note(event: ev.IntentsEntered) -> Note:
    return Note(at=event.at, kind="order", subject="book", sentence="orders that left while the journal took nothing are entered")


def _on_backlog(ledger: Ledger, event: ev.BacklogObserved, _: Policy) -> Ledger:
    return trading.enter(ledger, Limit.BACKLOG, event.at, f"{event.waiting} facts waited to be taken, of {event.most} at most")


def _on_stop(ledger: Ledger, event: ev.StopRequested, _: Policy) -> Ledger:
    note = Note(at=event.at, kind="stop", subject="book", sentence=event.reason)
    return ledger if ledger.stopping else book.noted(replace(ledger, stopping=True), note)


def _on_custody(ledger: Ledger, event: ev.CustodyReported, policy: Policy) -> Ledger:
    if custody.is_late(ledger, event):
        return ledger
    if (why := custody.senseless(ledger, event)) is not None:
        return observations.source_unreadable(ledger, event.source, why, event.at)
    for told in event.totals:
        total = ev.CollateralObserved(
            at=event.at,
            source=event.source,
            location=event.location,
            asset=told.asset,
            quantity=told.quantity,
            redemption_rate=told.redemption_rate,
            as_of=event.as_of,
        )
        ledger = _FOLDERS[ev.CollateralObserved](ledger, total, policy)
    ledger = custody.apply_delegations(ledger, event)
    return observations.confirm_source(ledger, ev.CollateralConfirmed(at=event.at, source=event.source, as_of=event.as_of))


_FOLDERS: Mapping[type[ev.Event], Callable[[Ledger, Any, Policy], Ledger]] = {
    ev.SessionStarted: lambda ledger, event, _: book.restart(ledger, event),
    ev.InstrumentListed: _on_listed,
    ev.CollateralObserved: claim_book.apply_total,
    ev.CollateralAnnounced: claim_book.announce,
    ev.CollateralConfirmed: lambda ledger, event, _: observations.confirm_source(ledger, event),
    ev.CollateralUnreadable: lambda ledger, event, _: observations.source_unreadable(ledger, event.source, event.reason, event.at),
    ev.FundingRateObserved: funding.apply_rate,
    ev.FundingPaid: lambda ledger, event, _: funding_ledger.apply_payment(ledger, event),
    ev.FundingRecordsRead: funding_ledger.apply_records,
    ev.OrderReported: _on_order_report,
    ev.FillReported: _on_fill,
    ev.OrderRefused: _on_refused,
    ev.OrderOutcomeUnknown: _on_unknown,
    ev.OrderAbsent: _on_absent,
    ev.CancelUnconfirmed: _on_cancel_unconfirmed,
    ev.LookUpFailed: lambda ledger, *_: ledger,
    ev.VenueReported: lambda ledger, event, _: reconciliation.apply_reading(ledger, event),
    ev.HoldingsReported: reconciliation.apply_holdings,
    ev.VenueUnreadable: lambda ledger, event, _: reconciliation.apply_unreadable(ledger, event),
    ev.MarginObserved: _on_margin,
    ev.VenueLinkChanged: lambda ledger, event, _: reconciliation.apply_link(ledger, event),
    ev.ReportUnreadable: _on_unreadable_report,
    ev.MarketObserved: lambda ledger, event, _: observations.apply_market(ledger, event),
    ev.ReferencePriceObserved: lambda ledger, event, _: observations.apply_reference(ledger, event),
    ev.CustodyReported: _on_custody,
    ev.DelegationObserved: lambda ledger, event, _: observations.apply_delegation(ledger, event),
    ev.OperatorActed: operation.apply_act,
    ev.IntentsEntered: lambda ledger, event, _: book.noted(ledger, _intents_note(event)),
    ev.BacklogObserved: _on_backlog,
    ev.JournalJudged: lambda ledger, event, _: book.judge_journal(ledger, event),
    ev.StopRequested: _on_stop,
}


def decide(ledger: Ledger, event: ev.DecisionDue, policy: Policy) -> tuple[Ledger, tuple[Command, ...]]:
    """Compares what is with what should be, on the quotes of the event, and returns the orders and questions that follow."""
    now = event.at
    ledger, about_orders, readings = looked_at(ledger, event, policy)
    ledger, orders = _hedge(ledger, policy, now)
    return traffic.counted(ledger, policy, orders, now), (*about_orders, *orders, *readings)


def looked_at(ledger: Ledger, event: ev.DecisionDue, policy: Policy) -> tuple[Ledger, tuple[Command, ...], tuple[Command, ...]]:
    """The ledger on which a decision is taken: with its quotes and what time has changed; and what is asked about orders and of venues."""
    now = event.at
    ledger = replace(ledger, quotes={q.instrument: _with_sane_mark(q) for q in event.quotes if _is_of_numbers(q)}, decided_at=now)
    ledger = trading.after_quiet(claim_book.watched(ledger, policy, now), policy, now)
    ledger = deployment.observe(funding_ledger.expect(ledger, policy, now), policy, now)
    ledger = netting.watched(ledger, policy, now)
    ledger, about_orders = questions.ask(ledger, policy, now)
    ledger, readings = questions.read(ledger, policy, now)
    return traffic.counted(ledger, policy, (*about_orders, *readings), now), about_orders, readings


def _is_of_numbers(quote: Quote) -> bool:
    """Whether every figure of a quote is one (C16): else the instrument is not quoted, and nothing is priced there."""
    figures = (quote.bid, quote.ask, quote.bid_quantity, quote.ask_quantity, quote.mark, quote.index)
    return all(figure is None or figure.is_finite() for figure in figures)


def _with_sane_mark(quote: Quote) -> Quote:
    """A mark that is not positive is no mark: nothing is valued at it."""
    return replace(quote, mark=None) if quote.mark is not None and quote.mark <= ZERO else quote


def _hedge(ledger: Ledger, policy: Policy, now: Millis) -> tuple[Ledger, tuple[Command, ...]]:
    ledger = _with_targets(ledger, policy, {**ledger.targets, **dict.fromkeys(flattening.instruments_to_close(ledger), ZERO)})
    closing = flattening.closed(ledger, policy, now)
    ledger = _note_refusals(closing.ledger, "not closed", closing.refused, now)
    if risk.trading_state(ledger, policy) is risk.TradingState.HALTED:
        ledger, withdrawn = execution.withdraw_all(ledger, policy, now)
        return ledger, (*closing.commands, *withdrawn)
    assets = exposure.hedged_assets(policy)
    ledger, withdrawn = execution.withdraw_all(ledger, policy, now, planned=assets)
    commands: list[Command] = [*closing.commands, *withdrawn]
    # What rests is planned anew, as if it were not there: the plan tells whether it may stay, and what to add to it.
    found = target.targets_for(working.as_if_withdrawn(ledger), policy, now)
    ledger = found.remembered(ledger)
    targets = {**ledger.targets, **target.targets_of(found.plans), **closing.targets}
    for plan in found.plans:
        ledger, cancels = execution.withdraw(ledger, policy, plan, now)
        placement = execution.place_orders(ledger, policy, plan, now)
        ledger = placement.ledger
        commands.extend((*cancels, *placement.commands))
        for command in placement.commands:
            ledger = book.noted(ledger, _order_note(ledger, command, plan, now))
        ledger = _note_refusals(ledger, "withheld", placement.refused, now)
        ledger = _note_refusals(ledger, "delta is left unhedged by", target.shortfalls(plan), now)
        ledger = _note_refusals(ledger, "short beyond what is needed, held by", target.surpluses(plan), now)
    return _with_targets(ledger, policy, targets), tuple(commands)


def _with_targets(ledger: Ledger, policy: Policy, targets: Mapping[InstrumentId, Decimal]) -> Ledger:
    """The ledger with what was decided, and with what each instrument may execute until its target changes again."""
    if targets == ledger.targets and targets.keys() <= ledger.executions.keys():
        return ledger
    executions = dict(ledger.executions)
    for instrument, aimed in targets.items():
        mark, held = exposure.mark_of(ledger, instrument), exposure.recorded(ledger, instrument)
        if mark is not None and held is not None:
            needed = ledger.instruments[instrument].units_of(aimed - held, mark)
            least = policy.rebalance_notional_min / mark
            executions[instrument] = repetition.retargeted(executions.get(instrument), aimed, needed, least)
    return replace(ledger, targets=targets, executions=executions)


def _order_note(ledger: Ledger, command: PlaceOrder, plan: target.Plan, now: Millis) -> Note:
    order = ledger.orders[command.client_order_id]
    verb = "sell" if command.quantity < 0 else "buy"
    limits = sorted({b.limit for s in plan.allocation.shares for b in s.limits} if plan.allocation else ())
    bound = f"; at a limit: {', '.join(limits)}" if limits else ""
    sentence = f"{verb} {abs(command.quantity):f} at {command.price:f} or better; {order.reason}{bound}"
    return Note(at=now, kind="decision", subject=command.instrument, sentence=sentence, order=command.client_order_id)


def _note_refusals(ledger: Ledger, what: str, breaches: tuple[Breach, ...], now: Millis) -> Ledger:
    """Tells what limits refused, in one sentence per subject, once while nothing but refusals is said of that subject."""
    for subject in sorted({b.subject for b in breaches}):
        sentence = f"{what}: {', '.join(sorted(b.limit.value for b in breaches if b.subject == subject))}"
        of_subject = (n for n in reversed(ledger.notes) if n.subject == subject)
        if sentence not in {n.sentence for n in takewhile(lambda n: n.kind == "breach", of_subject)}:
            ledger = book.noted(ledger, Note(at=now, kind="breach", subject=subject, sentence=sentence))
    return ledger
