"""The ledger of funding payments: entered once, compared with the venue's own records and with what they should have been.

Three comparisons. Against the venue's complete list: what it has and we lack is entered; what we hold and it lacks is a break. Against
the past: what is older than we remember is refused and a break (see `payments`). Against our own reckoning: at the first decision after
a settlement, position x mark x rate says what it should pay (`rates.payment`); a record that lies far beside it, on the other side of
zero above all, is a break, and so is none at all once the venue had time to write it.

The position at a settlement is a range: what fills lately moved it from, and orders that may still fill, included. The rate is the one
told last before, so the venue's figure may lie beside by half of it, and by as much as one percent a year beside that. A settlement that
passed while nobody decided has no expectation. Continuous funding settles at no instant that is told, and has none either.
"""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal

from bot.core import events as ev
from bot.core.copying import replace
from bot.core.instrument import ContractKind
from bot.core.ledger import noted, put, venue_record, with_break
from bot.core.marks import mark_of
from bot.core.payments import Entry, ExpectedPayment, FundingAccount, Mismatch
from bot.core.policy import Policy
from bot.core.rates import payment
from bot.core.records import BreakCause, FundingState, Ledger, Note
from bot.core.units import YEAR_MS, ZERO, InstrumentId, Millis, Range

SETTLED_LATELY_MS: Millis = 30_000
"""How long after a settlement its position and mark still count as those of the settlement."""
RECORDED_WITHIN_MS: Millis = 1_800_000
"""How long a venue may take to write a settlement into its records."""
RECORDED_AHEAD_MS: Millis = 15_000
"""How far before its nominal instant a settlement may be stamped."""
RATE_SLACK = Decimal("0.5")
"""Fraction of the expected payment by which the recorded one may differ: rates move until they settle."""
RATE_SLACK_ANNUAL = Decimal("0.01")
"""The same for rates near zero, as an annual rate."""
EXPECTED_REMEMBERED = 50
"""Expectations kept per instrument while a venue's records cannot be read."""


def account_of(ledger: Ledger, instrument: InstrumentId) -> FundingAccount:
    """The account of an instrument's payments; an empty one before any."""
    return ledger.payments.get(instrument) or FundingAccount()


def _with_account(ledger: Ledger, instrument: InstrumentId, account: FundingAccount) -> Ledger:
    return ledger if account is ledger.payments.get(instrument) else replace(ledger, payments=put(ledger.payments, instrument, account))


def apply_payment(ledger: Ledger, event: ev.FundingPaid) -> Ledger:
    """Enters one payment, once however often and however late it is told; one from before all that is remembered is refused."""
    return _entered(ledger, event.payment, event.at)


def _entered(ledger: Ledger, told: ev.FundingPayment, at: Millis, beside: Collection[str] = ()) -> Ledger:
    account, entry = account_of(ledger, told.instrument).enter(told, beside)
    ledger = _with_account(ledger, told.instrument, account)
    if entry is Entry.KNOWN:
        return ledger
    verb = "received" if told.quantity >= ZERO else "paid"
    sentence = f"{verb} {abs(told.quantity):f} {told.asset}"
    if entry is Entry.REFUSED:
        words = f"{sentence} at {told.venue_at}, older than what is remembered: not entered"
        return with_break(ledger, BreakCause.FUNDING_RECORD, told.instrument, at, words)
    return noted(ledger, Note(at=at, kind="funding", subject=told.instrument, sentence=sentence))


def apply_records(ledger: Ledger, event: ev.FundingRecordsRead, policy: Policy) -> Ledger:
    """Folds the venue's own records of a span of time: enters what we lack, tells what it lacks, and settles what was expected."""
    for told in event.payments:
        ledger = _entered(ledger, told, event.at, {p.payment_id for p in event.payments if p.instrument == told.instrument})
    for instrument in sorted(i for i in ledger.payments if i in policy.instruments and ledger.venue_of(i) == event.venue):
        ledger = _compared_with_list(ledger, instrument, event)
        ledger = _compared_with_expected(ledger, instrument, event)
    return replace(ledger, payments_read_at=put(ledger.payments_read_at, event.venue, event.at))


def _compared_with_list(ledger: Ledger, instrument: InstrumentId, event: ev.FundingRecordsRead) -> Ledger:
    theirs = tuple(p for p in event.payments if p.instrument == instrument)
    account, missing = ledger.payments[instrument].listed(event.from_at, event.to_at, theirs)
    ledger = _with_account(ledger, instrument, account)
    for name in missing:
        ours = account.settled[name]
        words = f"{ours.quantity:+f} {ours.asset} settled at {ours.venue_at} is not among the venue's records"
        ledger = with_break(ledger, BreakCause.FUNDING_RECORD, instrument, event.at, words)
    return ledger


def _compared_with_expected(ledger: Ledger, instrument: InstrumentId, event: ev.FundingRecordsRead) -> Ledger:
    account = ledger.payments[instrument]
    listed = ledger.instruments.get(instrument)
    if listed is None or not account.expected:
        return ledger
    pending: list[ExpectedPayment] = []
    found: list[Mismatch] = []
    mismatch = account.mismatch
    for expected in account.expected:
        until = expected.settles_at + RECORDED_WITHIN_MS
        recorded = account.recorded(expected.settles_at - RECORDED_AHEAD_MS, until, listed.settle)
        if recorded is None and event.to_at < until:
            pending.append(expected)
        elif recorded is None and (event.from_at > expected.settles_at or expected.quantity.nearest_zero == ZERO):
            continue  # the list says nothing of it, or nothing was due
        elif _is_far_off(expected, recorded):
            mismatch = Mismatch(settles_at=expected.settles_at, expected=expected.quantity, recorded=recorded)
            found.append(mismatch)
        else:
            mismatch = None
    ledger = _with_account(ledger, instrument, replace(account, expected=tuple(pending), mismatch=mismatch))
    for each in found:
        words = f"{told(each)} {listed.settle} at {each.settles_at}"
        ledger = with_break(ledger, BreakCause.FUNDING_RECORD, instrument, event.at, words)
    return ledger


def told(mismatch: Mismatch) -> str:
    """A mismatch in words, without its asset."""
    wanted = f"{mismatch.expected.low:+.8f} to {mismatch.expected.high:+.8f}"
    return f"recorded {'nothing' if mismatch.recorded is None else f'{mismatch.recorded:+f}'}, expected {wanted}"


def _is_far_off(expected: ExpectedPayment, recorded: Decimal | None) -> bool:
    value = recorded or ZERO
    return not expected.quantity.low - expected.slack <= value <= expected.quantity.high + expected.slack


def expect(ledger: Ledger, policy: Policy, now: Millis) -> Ledger:
    """Forms the expectation of every settlement that has just passed, on the quotes of this decision."""
    for instrument, state in ledger.funding.items():
        at = state.next_settlement_at
        if at is None or instrument not in policy.instruments:
            continue
        account = account_of(ledger, instrument)
        venue_now = now + (venue_record(ledger, ledger.venue_of(instrument)).clock_offset_ms or 0)
        if at > venue_now or (account.expected_to is not None and at <= account.expected_to):
            continue
        expected = _expected(ledger, instrument, state, at, now) if venue_now - at <= SETTLED_LATELY_MS else None
        waiting = (*account.expected, expected)[-EXPECTED_REMEMBERED:] if expected is not None else account.expected
        ledger = _with_account(ledger, instrument, replace(account, expected=waiting, expected_to=at))
    return ledger


def _expected(ledger: Ledger, instrument: InstrumentId, state: FundingState, at: Millis, now: Millis) -> ExpectedPayment | None:
    listed, mark = ledger.instruments.get(instrument), mark_of(ledger, instrument)
    held = _held_lately(ledger, instrument, now)
    if listed is None or mark is None or held is None or state.rate is None or state.interval_ms is None:
        return None
    due = Range.spanning(*(payment(listed.kind, units, mark, state.rate) for units in (held.low, held.high)))
    worst = abs(held.worst) * mark if listed.kind is ContractKind.LINEAR else abs(held.worst) / mark
    slack = abs(due.worst) * RATE_SLACK + worst * RATE_SLACK_ANNUAL * state.interval_ms / YEAR_MS
    return ExpectedPayment(settles_at=at, quantity=due, slack=slack)


def _held_lately(ledger: Ledger, instrument: InstrumentId, now: Millis) -> Range | None:
    """Signed contract units that may have been held at a settlement just passed; None while the position is unknown."""
    record = ledger.positions.get(instrument)
    if record is None:
        return None
    passed = record.passed_since(now)
    known = Range.spanning(record.quantity, *(p.low for p in passed), *(p.high for p in passed))
    if record.dispute is not None:
        known = Range.spanning(known.low, known.high, record.dispute.observed)
    for order in ledger.open_orders(instrument):
        known = known + order.may_fill
    return known
