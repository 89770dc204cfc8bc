"""What people said to an instance that holds the lease, as another one heard it that follows its journal.

A store that fails over may lose what it had acknowledged, and with it the word of a person who was told that it counts. Who takes over says
it again before its first decision, where it restrains:

- a halt, reduction, quarantine or flatten that was in force in the newest state that was followed, unless a person said something since,
- a policy field set for a while, where that lets less be done than what counts without it, for the rest of its time; and that a person
  ended one that lets more be done.

What would let more be done (a resume, a wider limit) is not said again: a lost resume is told in the log, and people say it anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import structlog

from bot.core.acts import Flattening, Override
from bot.core.events import Event, OperatorActed, OperatorAction
from bot.core.limits import Limit
from bot.core.operation import venues_of
from bot.core.overriding import field_of, in_force, restrains
from bot.core.policy import Policy
from bot.core.records import Ledger, TradingState
from bot.core.trading import STRICTNESS
from bot.core.units import Millis, VenueId
from bot.shell.clock import in_words

log = structlog.get_logger(__name__)

_QUARANTINED = "quarantined, "
"""How the reason for a quarantine begins in the record."""


class Heard:
    """What was heard so far. Nothing is forgotten when the journal begins anew."""

    def __init__(self) -> None:
        self._now = self._before = Ledger()
        """What the journal folds to, and what it did before it began anew: the newest, by when a person said what may be traded or held."""
        self._settings: dict[str, Override] = {}
        """The newest word about each policy field; one that was ended lasts no time."""

    def folded(self, ledger: Ledger) -> None:
        """The journal folds to this, up to one of its entries."""
        self._now = ledger
        for made in ledger.overrides:
            self._set(made)

    def begins_anew(self) -> None:
        """What is folded from now on does not go on from what was folded before."""
        self._before = self._newest()

    def _newest(self) -> Ledger:
        return self._now if (self._now.acted_at or 0) >= (self._before.acted_at or 0) else self._before

    def took(self, event: Event) -> None:
        """The journal tells of this."""
        if not isinstance(event, OperatorActed) or event.setting is None or event.value is None or event.lasts_ms != 0:
            return
        if (field := field_of(event.setting)) is not None:
            self._set(Override(field=field, value=event.value, since=event.at, until=event.at, by=event.by, why=event.why))

    def _set(self, made: Override) -> None:
        known = self._settings.get(made.field)
        if known is None or made.since > known.since:
            self._settings[made.field] = made

    def unheard(self, ledger: Ledger, policy: Policy, at: Millis) -> tuple[OperatorActed, ...]:
        """What is to be said again at `at`, our clock, to a book that begins with `ledger` under `policy`, oldest first; tells the log."""
        lost, heard = [*self._limits(ledger, policy, at)], self._newest()
        if (heard.acted_at or 0) > (ledger.acted_at or 0):
            lost += [*_states(heard, ledger), *_flattenings(heard, ledger, policy)]
            _tell_resumed(heard, ledger)
        found = []
        for word in sorted(lost, key=lambda w: w.at):
            log.error("word_entered_late", action=word.action.value, by=word.by, said_at=word.at)
            found.append(replace(word, at=at, why=f"{word.why} (said {in_words(word.at)}; the journal lost it)"))
        return tuple(found)

    def _limits(self, ledger: Ledger, policy: Policy, at: Millis) -> Iterator[OperatorActed]:
        here, now = {o.field: o for o in ledger.overrides}, in_force(ledger, policy)
        for made in self._settings.values():
            if made.field in here and here[made.field].since >= made.since:
                continue
            left_ms = max(0, made.until - at)
            value = made.value if left_ms else getattr(policy, made.field)
            if restrains(made.field, value, getattr(now, made.field)):
                yield OperatorActed(
                    at=made.since,
                    action=OperatorAction.OVERRIDE,
                    by=made.by,
                    why=made.why,
                    setting=made.field,
                    value=made.value,
                    lasts_ms=left_ms,
                )


def _states(heard: Ledger, ledger: Ledger) -> Iterator[OperatorActed]:
    for record in heard.states:
        if record.cause is not Limit.OPERATOR:
            continue
        action = OperatorAction.HALT if record.state is TradingState.HALTED else OperatorAction.REDUCE
        is_said = _strictness(ledger, record.venue) >= _strictness(heard, record.venue)
        if record.venue in heard.quarantined:
            action, is_said = OperatorAction.QUARANTINE, record.venue in ledger.quarantined
        if not is_said:
            why = record.why.removeprefix(_QUARANTINED)
            yield OperatorActed(at=record.since, action=action, by=record.by, why=why, venue=record.venue)


def _flattenings(heard: Ledger, ledger: Ledger, policy: Policy) -> Iterator[OperatorActed]:
    """What was asked for at once of all venues is said at once again, unless some of them were let go since."""
    lost: dict[Flattening, set[VenueId]] = {}
    for made in heard.flattenings:
        if made not in ledger.flattenings:
            lost.setdefault(replace(made, venue=made.venue if made.of_venue else VenueId("")), set()).add(made.venue)
    for made, venues in lost.items():
        is_all = not made.of_venue and venues >= venues_of(ledger, policy)
        for venue in (None,) if is_all else sorted(venues):
            yield OperatorActed(at=made.since, action=OperatorAction.FLATTEN, by=made.by, why=made.why, venue=venue, asset=made.asset)


def _tell_resumed(heard: Ledger, ledger: Ledger) -> None:
    for record in ledger.states:
        if record.cause is Limit.OPERATOR and _strictness(heard, record.venue) < _strictness(ledger, record.venue):
            log.error("resume_lost", venue=record.venue or "book", state=record.state.value, by=record.by)


def _strictness(ledger: Ledger, venue: VenueId | None) -> int:
    """Of what a person asked for a venue, or (None) the book."""
    asked = (r.state for r in ledger.states if (r.venue, r.cause) == (venue, Limit.OPERATOR))
    return STRICTNESS.index(next(asked, TradingState.ACTIVE))
