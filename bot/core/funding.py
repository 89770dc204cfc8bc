"""Funding on one time base, the flip, and the payments ledger.

Sign: a positive rate pays shorts. `annual = rate x year / interval` (simple, 365 days; 0.01 % per 8 h = 10.95 %). The interval is
what the venue says for this instrument now; it may change while a position is open. The smoothed rate is an exponentially weighted
mean with a half-life by our clock. The flip has hysteresis and a dwell: it neither starts nor ends on one reading, and a missing
reading is not a flip.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from bot.core import events as ev
from bot.core.ledger import noted, put
from bot.core.policy import Policy
from bot.core.rates import annualised
from bot.core.records import PAYMENTS_REMEMBERED, FundingState, Ledger, Note
from bot.core.units import ONE, ZERO, Millis


def smoothed(before: Decimal | None, latest: Decimal, elapsed_ms: Millis, half_life_ms: Millis) -> Decimal:
    """Exponentially weighted mean: after one half-life without change the old value weighs one half."""
    if before is None:
        return latest
    weight = Decimal("0.5") ** (Decimal(max(0, elapsed_ms)) / Decimal(half_life_ms))
    return before * weight + latest * (ONE - weight)


def apply_rate(ledger: Ledger, event: ev.FundingRateObserved, policy: Policy) -> Ledger:
    """Folds one reading of an instrument's rate."""
    before = ledger.funding.get(event.instrument)
    interval = event.interval_ms if event.interval_ms is not None and event.interval_ms > 0 else None
    interval = interval or (before.interval_ms if before else None)
    if interval is None:
        listed = ledger.instruments.get(event.instrument)
        interval = listed.funding_interval_ms if listed else None
    if event.rate is None or interval is None:
        return ledger
    elapsed = event.at - before.observed_at if before else 0
    annual = smoothed(before.annual if before else None, annualised(event.rate, interval), elapsed, policy.funding_half_life_ms)
    state = replace(
        before or FundingState(rate=None, interval_ms=None, annual=None, observed_at=event.at),
        rate=event.rate,
        interval_ms=interval,
        annual=annual,
        observed_at=event.at,
    )
    turned = _with_flip(state, annual, event.at, policy)
    if turned.flipped is not state.flipped:
        words = "flipped: shorts pay" if turned.flipped else "recovered: shorts receive"
        note = Note(at=event.at, kind="funding", subject=event.instrument, sentence=f"{words}, {annual:.4f} a year")
        ledger = noted(ledger, note)
    return replace(ledger, funding=put(ledger.funding, event.instrument, turned))


def _with_flip(state: FundingState, annual: Decimal, at: Millis, policy: Policy) -> FundingState:
    """Hysteresis and dwell: beyond the threshold of the other state, without interruption, for the dwell."""
    beyond = annual > policy.funding_flip_enter if state.flipped else annual < policy.funding_flip_exit
    if not beyond:
        return replace(state, beyond_since=None)
    since = at if state.beyond_since is None else state.beyond_since
    long_enough = at - since >= policy.funding_dwell_ms
    rested = state.flipped_at is None or at - state.flipped_at >= policy.funding_dwell_ms
    if long_enough and rested:
        return replace(state, flipped=not state.flipped, flipped_at=at, beyond_since=None)
    return replace(state, beyond_since=since)


def apply_payment(ledger: Ledger, event: ev.FundingPaid) -> Ledger:
    """Enters a payment once per (instrument, payment id), however often and however late it is told."""
    payment = event.payment
    seen = ledger.payment_ids.get(payment.instrument, {})
    if payment.payment_id in seen:
        return ledger
    remembered = {**seen, payment.payment_id: None}
    if len(remembered) > PAYMENTS_REMEMBERED:
        remembered = dict.fromkeys(list(remembered)[-PAYMENTS_REMEMBERED:])
    venue = ledger.venue_of(payment.instrument)
    by_venue = ledger.tallies.funding_usd_by_venue
    tallies = replace(
        ledger.tallies,
        funding_usd=ledger.tallies.funding_usd + payment.quantity,
        funding_usd_by_venue=put(by_venue, venue, by_venue.get(venue, ZERO) + payment.quantity),
    )
    ledger = replace(ledger, payment_ids=put(ledger.payment_ids, payment.instrument, remembered), tallies=tallies)
    verb = "received" if payment.quantity >= ZERO else "paid"
    sentence = f"{verb} {abs(payment.quantity):f} {payment.asset}"
    return noted(ledger, Note(at=event.at, kind="funding", subject=payment.instrument, sentence=sentence))
