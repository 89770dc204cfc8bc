"""Funding on one time base, how far it is known, and the flip.

Sign: a positive rate pays shorts. `annual = rate x year / interval` (simple, 365 days; 0.01 % per 8 h = 10.95 %). The interval is
what the venue says for this instrument now; it may change while a position is open. The smoothed rate is an exponentially weighted
mean with a half-life by our clock.

A reading that fails is not a flip and not a recovery: the rate ages, and is unknown from `funding_age_max_ms` on. What it said of the
flip stays, but the dwell starts anew with the first reading after such a gap.

The flip has hysteresis and a dwell: it neither starts nor ends on one reading. The trip-wire is for extremes: a mean over about a day
below `funding_trip_annual` flips at once, if the rate was watched that long. It ends like any flip.

A settlement has passed when a later one is told in its place once its instant has come. One that is replaced before that was put off.
"""

from __future__ import annotations

from decimal import Decimal

from bot.core import events as ev
from bot.core.copying import replace
from bot.core.ledger import noted, put
from bot.core.policy import Policy
from bot.core.precision import halved
from bot.core.rates import annualised
from bot.core.records import FundingState, Ledger, Note
from bot.core.units import ONE, InstrumentId, Millis, is_recent

SAME_SETTLEMENT_MS: Millis = 1_000
"""How far apart two instants lie at the least that are two settlements: a venue may compute the next one anew with each answer."""
CLOCKS_APART_MS: Millis = 5_000
"""How far ahead of our clock the venue's may be, by which a settlement has passed."""


def smoothed(before: Decimal | None, latest: Decimal, elapsed_ms: Millis, half_life_ms: Millis) -> Decimal:
    """Exponentially weighted mean: after one half-life without change the old value weighs one half."""
    if before is None:
        return latest
    weight = halved(elapsed_ms, half_life_ms)
    return before * weight + latest * (ONE - weight)


def known_annual(ledger: Ledger, policy: Policy, instrument: InstrumentId, now: Millis) -> Decimal | None:
    """The smoothed simple annual rate (> 0: shorts receive); None before any reading, and when the newest is too old to count."""
    state = ledger.funding.get(instrument)
    if state is None or not is_recent(now, state.observed_at, policy.funding_age_max_ms):
        return None
    return state.annual


def apply_rate(ledger: Ledger, event: ev.FundingRateObserved, policy: Policy) -> Ledger:
    """Folds one reading of an instrument's rate. One without a rate, or of an unknown interval, changes nothing: what is known ages."""
    before = ledger.funding.get(event.instrument)
    interval = _interval(ledger, event, before)
    if event.rate is None or interval is None:
        return ledger
    latest = annualised(event.rate, interval)
    elapsed = 0 if before is None else event.at - before.observed_at
    annual = smoothed(before.annual if before else None, latest, elapsed, policy.funding_half_life_ms)
    fast = smoothed(before.annual_fast if before else None, latest, elapsed, policy.funding_trip_half_life_ms)
    state = replace(_read(before, event, interval, annual, policy), annual_fast=fast)
    turned = _with_flip(state, annual, event.at, policy)
    if turned.flipped is not state.flipped:
        words = "flipped: shorts pay" if turned.flipped else "recovered: shorts receive"
        tripped = ", beyond the trip-wire within a day" if turned.flipped and _trips(state, event.at, policy) else ""
        sentence = f"{words}, {annual:.4f} a year{tripped}"
        ledger = noted(ledger, Note(at=event.at, kind="funding", subject=event.instrument, sentence=sentence))
    return replace(ledger, funding=put(ledger.funding, event.instrument, turned))


def _interval(ledger: Ledger, event: ev.FundingRateObserved, before: FundingState | None) -> Millis | None:
    """The interval in force: what was just told, else what was told before, else what the instrument's listing says."""
    if event.interval_ms is not None and event.interval_ms > 0:
        return event.interval_ms
    if before is not None and before.interval_ms is not None:
        return before.interval_ms
    listed = ledger.instruments.get(event.instrument)
    return listed.funding_interval_ms if listed else None


def _read(before: FundingState | None, event: ev.FundingRateObserved, interval: Millis, annual: Decimal, policy: Policy) -> FundingState:
    """The state with this reading in it, the flip not looked at yet."""
    if before is None:
        before = FundingState(rate=None, interval_ms=None, annual=None, observed_at=event.at)
    gap = event.at - before.observed_at > policy.funding_age_max_ms
    if _has_passed(before.next_settlement_at, event):
        before = replace(before, settled_at=before.next_settlement_at, settled_rate=before.rate, followed_at=event.at)
    return replace(
        before,
        rate=event.rate,
        interval_ms=interval,
        annual=annual,
        observed_at=event.at,
        next_settlement_at=event.next_settlement_at,
        watched_since=event.at if gap or before.watched_since is None else before.watched_since,
        beyond_since=None if gap else before.beyond_since,
    )


def _has_passed(settlement: Millis | None, event: ev.FundingRateObserved) -> bool:
    """Whether a reading tells of the settlement after this one."""
    following = event.next_settlement_at
    if settlement is None or following is None or following - settlement < SAME_SETTLEMENT_MS:
        return False
    return settlement <= event.at + CLOCKS_APART_MS


def _with_flip(state: FundingState, annual: Decimal, at: Millis, policy: Policy) -> FundingState:
    """Hysteresis and dwell: beyond the threshold of the other state, without interruption, for the dwell. Extremes at once."""
    if _trips(state, at, policy):
        return replace(state, flipped=True, flipped_at=at, beyond_since=None)
    beyond = annual > policy.funding_flip_enter if state.flipped else annual < policy.funding_flip_exit
    if not beyond:
        return state if state.beyond_since is None else replace(state, beyond_since=None)
    since = at if state.beyond_since is None else state.beyond_since
    long_enough = at - since >= policy.funding_dwell_ms
    rested = state.flipped_at is None or at - state.flipped_at >= policy.funding_dwell_ms
    if long_enough and rested:
        return replace(state, flipped=not state.flipped, flipped_at=at, beyond_since=None)
    return replace(state, beyond_since=since)


def _trips(state: FundingState, at: Millis, policy: Policy) -> bool:
    if state.flipped or state.annual_fast is None or state.watched_since is None:
        return False
    return state.annual_fast < policy.funding_trip_annual and at - state.watched_since >= policy.funding_trip_half_life_ms
