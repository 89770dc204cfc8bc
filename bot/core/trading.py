"""Trading state of the book and of each venue, as one table: ACTIVE -> REDUCING -> HALTED.

Every cause of a state is kept by itself, with what it asks for, since when, and when it was last seen. The state of a venue, or of the
book, is the strictest that any of its causes asks for; so one cause that ends never hides another.

1. Toward safety at once: a cause enters its state with the fact that brings it.
2. Back only when each cause has ended: by a quiet period (nothing of the kind for `quiet_period_ms`, at a venue that agrees with our
   record) where the cause allows it, or by a named operator. A halt is never ended by a quiet period, nor is what a person asked for.
3. What comes and goes by itself (a lost link, a venue not reconciled, old quotes, an order in flight) is no cause: it stands in the way
   as long as it lasts and not longer. Net delta outside its band is none either: it hurries the hedge and never halts it.

Which state a limit brings, and how it ends, is told by its row in `limit_table`. What the states mean is told by `TradingState`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from bot.core.acts import Flattening
from bot.core.copying import replace
from bot.core.ledger import noted
from bot.core.limit_table import LIMITS, End
from bot.core.limits import Effect, Limit
from bot.core.policy import Policy
from bot.core.records import Ledger, Note, StateRecord, TradingState
from bot.core.units import InstrumentId, Millis, VenueId


class Trigger(StrEnum):
    """What can happen to a state."""

    REDUCE = "reduce"
    HALT = "halt"
    QUIET = "quiet"
    RESUMED = "resumed"


_S, _T = TradingState, Trigger

TRANSITIONS: Mapping[tuple[TradingState, Trigger], TradingState] = {
    (_S.ACTIVE, _T.REDUCE): _S.REDUCING,
    (_S.REDUCING, _T.REDUCE): _S.REDUCING,
    (_S.HALTED, _T.REDUCE): _S.HALTED,  # a milder word never loosens a stricter one
    **{(s, _T.HALT): _S.HALTED for s in _S},
    (_S.ACTIVE, _T.QUIET): _S.ACTIVE,
    (_S.REDUCING, _T.QUIET): _S.ACTIVE,
    (_S.HALTED, _T.QUIET): _S.HALTED,
    **{(s, _T.RESUMED): _S.ACTIVE for s in _S},
}
"""Every state x every trigger."""

STRICTNESS: tuple[TradingState, ...] = (_S.ACTIVE, _S.REDUCING, _S.HALTED)
"""The states, laxest first."""
_ASKED: Mapping[Effect, TradingState] = {Effect.REDUCING: _S.REDUCING, Effect.HALTED: _S.HALTED}
_TRIGGERS: Mapping[TradingState, Trigger] = {_S.REDUCING: _T.REDUCE, _S.HALTED: _T.HALT}


def causes(ledger: Ledger, venue: VenueId | None) -> tuple[StateRecord, ...]:
    """Why a venue (None: the book itself) is not ACTIVE, the strictest first, then the oldest; empty when it is."""
    if not ledger.states:
        return ()
    here = [r for r in ledger.states if r.venue == venue]
    return tuple(sorted(here, key=lambda r: (-STRICTNESS.index(r.state), r.since, r.cause)))


def state_of(ledger: Ledger, venue: VenueId | None) -> TradingState:
    """The state that causes brought a venue (None: the book itself) into."""
    if not ledger.states:
        return _S.ACTIVE
    return max((r.state for r in ledger.states if r.venue == venue), key=STRICTNESS.index, default=_S.ACTIVE)


def is_halted(ledger: Ledger, venue: VenueId) -> bool:
    """Whether no order at all may leave for a venue: it is HALTED, or the book is."""
    if ledger.stopping or ledger.invariants_broken:
        return True
    return any(r.state is _S.HALTED and r.venue in (None, venue) for r in ledger.states)


def flattening_of(ledger: Ledger, instrument: InstrumentId) -> Flattening | None:
    """The newest word of a person that nothing be held of an instrument; None: nobody asks for that, or it is not listed."""
    listed = ledger.instruments.get(instrument)
    if listed is None or not ledger.flattenings:
        return None
    here = [f for f in ledger.flattenings if f.venue == ledger.venue_of(instrument) and f.asset in (None, listed.base)]
    return max(here, key=lambda f: f.since, default=None)


def may_close(ledger: Ledger, instrument: InstrumentId) -> bool:
    """Whether a reduction may leave although the book or its venue is HALTED: a person asked for it who knew of every such cause."""
    asked = flattening_of(ledger, instrument)
    if asked is None or ledger.stopping or ledger.invariants_broken:
        return False
    venue = ledger.venue_of(instrument)
    return all(r.since <= asked.since for r in ledger.states if r.state is _S.HALTED and r.venue in (None, venue))


def asked_by(limit: Limit) -> TradingState:
    """The state that a limit brings. Raises KeyError for a limit that brings none."""
    return _ASKED[LIMITS[limit].effect]


def enter(
    ledger: Ledger,
    cause: Limit,
    at: Millis,
    why: str,
    *,
    venue: VenueId | None = None,
    by: str = "",
    state: TradingState | None = None,
) -> Ledger:
    """The ledger after a cause was seen at a venue (None: in the book) at `at`, our clock. `state`: what a person asked for.

    What stands already is not loosened, and keeps its beginning, its reason and the person's name. Raises KeyError for a limit that
    brings no state.
    """
    before = next((r for r in ledger.states if (r.venue, r.cause) == (venue, cause)), None)
    was = _S.ACTIVE if before is None else before.state
    now_state = TRANSITIONS[was, _TRIGGERS[state or asked_by(cause)]]
    if before is not None and now_state is was:
        return _with(ledger, replace(before, last_at=at))
    latched = LIMITS[cause].end is End.OPERATOR
    record = StateRecord(venue=venue, cause=cause, state=now_state, since=at, last_at=at, by=by, why=why, latched=latched)
    return _told(ledger, _with(ledger, record), venue, at, f"{cause.value}, {why}" + (f", by {by}" if by else ""))


def resume(ledger: Ledger, venue: VenueId | None, at: Millis, by: str, why: str) -> Ledger:
    """The ledger after a named person let a venue (None: the book itself) go on. What still stands enters again at once."""
    left = tuple(r for r in ledger.states if r.venue != venue or TRANSITIONS[r.state, _T.RESUMED] is not _S.ACTIVE)
    after = _told(ledger, replace(ledger, states=left), venue, at, f"resumed by {by}, {why}")
    for name, record in after.venues.items():
        if record.foreign_orders and not any((r.venue, r.cause) == (name, Limit.FOREIGN_ORDERS) for r in after.states):
            after = enter(after, Limit.FOREIGN_ORDERS, at, f"order {record.foreign_orders[0].name} is not ours", venue=name)
    return after


def end(ledger: Ledger, cause: Limit, at: Millis, words: str, *, venue: VenueId) -> Ledger:
    """The ledger without one cause at a venue, because a named person explained it."""
    left = tuple(r for r in ledger.states if (r.venue, r.cause) != (venue, cause))
    return ledger if len(left) == len(ledger.states) else _told(ledger, replace(ledger, states=left), venue, at, words)


def after_quiet(ledger: Ledger, policy: Policy, now: Millis) -> Ledger:
    """The ledger without the causes that a quiet period has ended by `now`, our clock. One that stepped back begins the period anew."""
    for record in ledger.states:
        if record.last_at > now:
            ledger = _with(ledger, replace(record, last_at=now))
        elif now - record.last_at >= policy.quiet_period_ms and _ends_by_itself(record) and _is_quiet(ledger, record.venue):
            left = tuple(r for r in ledger.states if r is not record)
            words = f"{record.cause.value}, quiet for {now - record.last_at} ms"
            ledger = _told(ledger, replace(ledger, states=left), record.venue, now, words)
    return ledger


def _ends_by_itself(record: StateRecord) -> bool:
    return not record.latched and TRANSITIONS[record.state, _T.QUIET] is _S.ACTIVE


def _is_quiet(ledger: Ledger, venue: VenueId | None) -> bool:
    """Whether a venue is known to be quiet: it is heard and agrees, and nobody else's order works there."""
    if venue is None:
        return True
    record = ledger.venues.get(venue)
    return record is not None and record.reconciled and not record.foreign_orders


def _with(ledger: Ledger, record: StateRecord) -> Ledger:
    """The ledger with a cause set, the causes in the order in which they first came."""
    key = (record.venue, record.cause)
    if any((r.venue, r.cause) == key for r in ledger.states):
        return replace(ledger, states=tuple(record if (r.venue, r.cause) == key else r for r in ledger.states))
    return replace(ledger, states=(*ledger.states, record))


def _told(before: Ledger, after: Ledger, venue: VenueId | None, at: Millis, words: str) -> Ledger:
    """The later ledger with a sentence about the change."""
    was, now_state = state_of(before, venue), state_of(after, venue)
    change = f"stays {was.value}" if was is now_state else f"{was.value} -> {now_state.value}"
    return noted(after, Note(at=at, kind="state", subject=venue or "book", sentence=f"{change}: {words}"))
