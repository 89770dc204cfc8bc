"""The ledger of funding payments: entered once, compared with the venue's own records and with what they should have been.

Three comparisons. Against the venue's complete list: what it has and we lack is entered; what we hold and it lacks is a break. Against
the past: what is older than we remember is refused and a break (see `payments`). Against our own reckoning: at the first decision after
a settlement, position x mark x rate says what it should pay (`rates.payment`); a record that lies far beside it, on the other side of
zero above all, is a break, and so is none at all once the venue had time to write it.

The position at a settlement is a range: what fills lately moved it from, and orders that may still fill, included. So is the rate: what
was told last before and first after. Rates move until they settle, so the venue's figure may lie beside by half of the payment, and by as
much as one percent a year beside that. A settlement that passed while nobody decided has no expectation. Continuous funding settles at no
instant that is told, and has none either.

The records of a settlement are those between it and the next one. Which one is the next is known when it was told in the first half of the
time between, or lies one declared interval away. Where neither is so, one may have passed unseen, and nothing is compared: its record
would be taken for another's.
"""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal

from bot.core import events as ev
from bot.core.copying import replace
from bot.core.funding import SAME_SETTLEMENT_MS
from bot.core.ledger import noted, put, venue_record, with_break
from bot.core.marks import mark_of
from bot.core.payments import Entry, ExpectedPayment, FundingAccount, Mismatch
from bot.core.policy import Policy
from bot.core.rates import payment
from bot.core.records import BreakCause, FundingState, Ledger, Note
from bot.core.units import ONE, YEAR_MS, ZERO, InstrumentId, Millis, Range

INTERVAL_SLACK = 100
"""Part of an interval (one in so many) by which the distance of two settlements may differ from it."""
SETTLED_LATELY_MS: Millis = 30_000
"""How long after a settlement its position and mark still count as those of the settlement."""
RECORDED_WITHIN_MS: Millis = 1_800_000
"""How long a venue may take to write a settlement into its records."""
RECORDED_AHEAD_MS: Millis = 15_000
"""How far before its nominal instant a settlement may be stamped; never more than a quarter of the way from the one before."""
NEXT_TOLD_WITHIN_MS: Millis = 60_000
"""How long a record waits until the settlement after its own is told; then it is compared all the same."""
RATE_SLACK = Decimal("0.5")
"""Fraction of the expected payment by which the recorded one may differ: rates move until they settle."""
RATE_SLACK_ANNUAL = Decimal("0.01")
"""The same for rates near zero, as an annual rate."""
EXPECTED_REMEMBERED = 50
"""Expectations kept per instrument while a venue's records cannot be read."""


_NO_PAYMENTS = FundingAccount()


def account_of(ledger: Ledger, instrument: InstrumentId) -> FundingAccount:
    """The account of an instrument's payments; an empty one before any."""
    return ledger.payments.get(instrument, _NO_PAYMENTS)


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
    account = _followed(ledger, instrument)
    listed = ledger.instruments.get(instrument)
    if listed is None or not account.expected:
        return _with_account(ledger, instrument, account)
    pending: list[ExpectedPayment] = []
    found: list[Mismatch] = []
    mismatch = account.mismatch
    for expected in account.expected:
        from_at, until = _window(expected)
        recorded = account.recorded(from_at, until - 1, listed.settle)
        waits_for_next = expected.next_at is None and event.to_at < expected.settles_at + NEXT_TOLD_WITHIN_MS
        if waits_for_next or (recorded is None and event.to_at < until):
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


def _window(expected: ExpectedPayment) -> tuple[Millis, Millis]:
    """From when on, and until when (without it), what is recorded belongs to a settlement."""
    at, latest = expected.settles_at, expected.settles_at + RECORDED_WITHIN_MS
    if expected.next_at is None:
        return at - RECORDED_AHEAD_MS, latest
    ahead = min(RECORDED_AHEAD_MS, (expected.next_at - at) // 4)
    return at - ahead, min(latest, expected.next_at - ahead)


def _followed(ledger: Ledger, instrument: InstrumentId) -> FundingAccount:
    """The account with what is told now of the settlement after an expected one; without that one where it may not be the very next."""
    account, state = account_of(ledger, instrument), ledger.funding.get(instrument)
    if state is None or state.settled_at is None or state.next_settlement_at is None or state.rate is None:
        return account
    found = next((e for e in account.expected if e.next_at is None and _is_one(e.settles_at, state.settled_at)), None)
    if found is None:
        return account
    changed = (found.followed(state.next_settlement_at, state.rate),) if _is_the_very_next(state, found.settles_at) else ()
    kept = account.expected.index(found)
    return replace(account, expected=(*account.expected[:kept], *changed, *account.expected[kept + 1 :]))


def _is_one(settlement: Millis, other: Millis) -> bool:
    """Whether two instants tell one settlement."""
    return abs(settlement - other) < SAME_SETTLEMENT_MS


def _is_the_very_next(state: FundingState, settled_at: Millis) -> bool:
    """Whether no settlement can have passed unseen between one and that which is told to come next."""
    if state.next_settlement_at is None or state.followed_at is None:
        return False
    apart = state.next_settlement_at - settled_at
    if (state.followed_at - settled_at) * 2 < apart:
        return True
    return state.interval_ms is not None and abs(apart - state.interval_ms) * INTERVAL_SLACK <= state.interval_ms


def told(mismatch: Mismatch) -> str:
    """A mismatch in words, without its asset."""
    wanted = f"{mismatch.expected.low:+.8f} to {mismatch.expected.high:+.8f}"
    return f"recorded {'nothing' if mismatch.recorded is None else f'{mismatch.recorded:+f}'}, expected {wanted}"


def _is_far_off(expected: ExpectedPayment, recorded: Decimal | None) -> bool:
    """Whether a record lies beyond the range by more than either end leaves room for: half of the payment that would be due there."""
    value, due = recorded or ZERO, expected.quantity
    below, above = (max(expected.slack, abs(end) * RATE_SLACK) for end in (due.low, due.high))
    return not due.low - below <= value <= due.high + above


def expect(ledger: Ledger, policy: Policy, now: Millis) -> Ledger:
    """Forms the expectation of every settlement that has just passed, on the quotes of this decision."""
    for instrument, state in ledger.funding.items():
        if instrument not in policy.instruments:
            continue
        venue_now = now + (venue_record(ledger, ledger.venue_of(instrument)).clock_offset_ms or 0)
        for at, rate in ((state.settled_at, state.settled_rate), (state.next_settlement_at, state.rate)):
            account = account_of(ledger, instrument)
            known_to = account.expected_to
            if at is None or at > venue_now or (known_to is not None and at < known_to + SAME_SETTLEMENT_MS):
                continue
            expected = _expected(ledger, instrument, rate, at, now) if venue_now - at <= SETTLED_LATELY_MS else None
            waiting = (*account.expected, expected)[-EXPECTED_REMEMBERED:] if expected is not None else account.expected
            ledger = _with_account(ledger, instrument, replace(account, expected=waiting, expected_to=at))
        if instrument in ledger.payments:
            ledger = _with_account(ledger, instrument, _followed(ledger, instrument))
    return ledger


def _expected(ledger: Ledger, instrument: InstrumentId, rate: Decimal | None, at: Millis, now: Millis) -> ExpectedPayment | None:
    listed, mark, interval = ledger.instruments.get(instrument), mark_of(ledger, instrument), ledger.funding[instrument].interval_ms
    held = _held_lately(ledger, instrument, now)
    if listed is None or mark is None or held is None or rate is None or interval is None:
        return None
    per_rate = Range.spanning(*(payment(listed.kind, units, mark, ONE) for units in (held.low, held.high)))
    due = per_rate.times(rate)
    slack = abs(due.worst) * RATE_SLACK + abs(per_rate.worst) * RATE_SLACK_ANNUAL * interval / YEAR_MS
    return ExpectedPayment(settles_at=at, quantity=due, slack=slack, per_rate=per_rate)


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
    for taken in ledger.taken_orders(instrument):
        if taken.may_fill is None:
            return None
        known = known + taken.may_fill
    return known
