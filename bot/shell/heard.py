"""What people said to an instance that holds the lease, as another one heard it that follows its journal.

A store that fails over may lose what it had acknowledged, and with it the word of a person who was told that it counts. Who takes over says
it again before its first decision, where it restrains: a halt, reduction, quarantine or flatten that was in force in the newest state that
was followed. What is dropped of that, because a person said something since, or because the venue was halted after they asked for it to be
closed, is told in the log. A resume that this host kept beside the journal ends what is older.

What would let more be done (a resume) is not said again, and neither is a policy field set for a while, which may contradict what is
configured, or what else was set and lost: both are told in the log where they are lost, and people say them anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import structlog

from bot.core.acts import Flattening, Override
from bot.core.events import Event, OperatorActed, OperatorAction
from bot.core.limits import Limit
from bot.core.operation import apply_act, venues_of
from bot.core.overriding import field_of
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
        """What the journal folds to, and what it did before it began anew, for as long as people's newest word there is the newer one."""
        self._settings: dict[str, Override] = {}
        """The newest word about each policy field; one that was ended lasts no time."""

    def folded(self, ledger: Ledger) -> None:
        """The journal folds to this, up to one of its entries."""
        self._now = ledger
        if _acted_at(ledger) >= _acted_at(self._before):
            _tell_superseded(self._before, ledger)
            self._before = Ledger()
        for made in ledger.overrides:
            self._set(made)

    def begins_anew(self) -> None:
        """What is folded from now on does not go on from what was folded before."""
        self._before = self._newest()

    def _newest(self) -> Ledger:
        return self._now if _acted_at(self._now) >= _acted_at(self._before) else self._before

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

    def unheard(self, ledger: Ledger, policy: Policy, at: Millis, resumes: Sequence[OperatorActed] = ()) -> tuple[OperatorActed, ...]:
        """What is to be said again at `at`, our clock, to a book that begins with `ledger` under `policy`, oldest first; tells the log.

        `resumes` are those that this host kept beside the journal: what is older than they are, and they end, is not said again.
        """
        self._tell_overrides(ledger, at)
        heard = self._newest()
        if _acted_at(heard) <= _acted_at(ledger):
            _tell_superseded(heard, ledger)
            return ()
        _tell_resumed(heard, ledger)
        for resume in resumes:
            if resume.at > _acted_at(heard):
                heard = apply_act(heard, resume, policy)
        found = []
        for word in sorted((*_states(heard, ledger), *_flattenings(heard, ledger, policy)), key=lambda w: w.at):
            log.error("word_entered_late", action=word.action.value, by=word.by, said_at=word.at)
            found.append(replace(word, at=at, why=f"{word.why} (said {in_words(word.at)}; the journal lost it)"))
        return tuple(found)

    def _tell_overrides(self, ledger: Ledger, at: Millis) -> None:
        """Tells of what was set, or ended, after the newest instant of a journal, where that makes a difference still."""
        there = {o.field: o for o in ledger.overrides}
        newest_at = max(ledger.started_at, ledger.decided_at or 0, *(n.at for n in ledger.notes))
        for made in self._settings.values():
            if made.since > newest_at and (made.until > at or made.field in there):
                log.error("override_lost", field=made.field, value=f"{made.value:f}", by=made.by, until=made.until)


def _acted_at(ledger: Ledger) -> Millis:
    return ledger.acted_at or 0


def _states(heard: Ledger, ledger: Ledger) -> Iterator[OperatorActed]:
    for record in heard.states:
        if record.cause is not Limit.OPERATOR:
            continue
        action = OperatorAction.HALT if record.state is TradingState.HALTED else OperatorAction.REDUCE
        is_said = _strictness(ledger, record.venue) >= _strictness(heard, record.venue)
        if record.venue in heard.quarantined:
            action, is_said = OperatorAction.QUARANTINE, record.venue in ledger.quarantined
        if record.state is TradingState.HALTED and _closes(ledger, heard, record.venue):
            is_said = False
        if not is_said:
            why = record.why.removeprefix(_QUARANTINED)
            yield OperatorActed(at=record.since, action=action, by=record.by, why=why, venue=record.venue)


def _closes(ledger: Ledger, heard: Ledger, venue: VenueId | None) -> bool:
    """Whether something is closed at a venue, or (None) anywhere, that was not any more in what was heard: a halt had ended it."""
    known = {(f.venue, f.asset) for f in heard.flattenings}
    older = (f for f in ledger.flattenings if f.since <= _acted_at(heard) and venue in (None, f.venue))
    return any((f.venue, f.asset) not in known for f in older)


def _not_closed(heard: Ledger, ledger: Ledger) -> Iterator[Flattening]:
    for made in heard.flattenings:
        if not any((f.venue, f.asset) == (made.venue, made.asset) and f.since >= made.since for f in ledger.flattenings):
            yield made


def _flattenings(heard: Ledger, ledger: Ledger, policy: Policy) -> Iterator[OperatorActed]:
    """What was asked for at once of all venues is said at once again, unless some of them were let go, or halted, since."""
    lost: dict[Flattening, set[VenueId]] = {}
    for made in _not_closed(heard, ledger):
        halted = [r.since for r in ledger.states if r.state is TradingState.HALTED and r.venue in (None, made.venue)]
        if (halted_at := max(halted, default=0)) > made.since:
            _superseded(OperatorAction.FLATTEN, made.venue, made.by, made.since, halted_at)
        else:
            lost.setdefault(replace(made, venue=made.venue if made.of_venue else VenueId("")), set()).add(made.venue)
    for made, venues in lost.items():
        is_all = not made.of_venue and venues >= venues_of(ledger, policy)
        for venue in (None,) if is_all else sorted(venues):
            yield OperatorActed(at=made.since, action=OperatorAction.FLATTEN, by=made.by, why=made.why, venue=venue, asset=made.asset)


def _tell_superseded(heard: Ledger, ledger: Ledger) -> None:
    """Tells of what restrained where a journal has a newer word of a person, and, as far as it remembers, not this one."""
    if _acted_at(heard) < _acted_at(ledger):
        lost = [(w.action, w.venue, w.by, w.at) for w in _states(heard, ledger)]
        lost += [(OperatorAction.FLATTEN, f.venue, f.by, f.since) for f in _not_closed(heard, ledger)]
        remembered = {n.at for n in ledger.notes if n.kind == "operator"}
        for action, venue, by, said_at in lost:
            if said_at not in remembered:
                _superseded(action, venue, by, said_at, _acted_at(ledger))


def _superseded(action: OperatorAction, venue: VenueId | None, by: str, said_at: Millis, newer_at: Millis) -> None:
    log.error("word_superseded", action=action.value, venue=venue or "book", by=by, said_at=said_at, newer_at=newer_at)


def _tell_resumed(heard: Ledger, ledger: Ledger) -> None:
    for record in ledger.states:
        if record.cause is Limit.OPERATOR and _strictness(heard, record.venue) < _strictness(ledger, record.venue):
            log.error("resume_lost", venue=record.venue or "book", state=record.state.value, by=record.by)


def _strictness(ledger: Ledger, venue: VenueId | None) -> int:
    """Of what a person asked for a venue, or (None) the book."""
    asked = (r.state for r in ledger.states if (r.venue, r.cause) == (venue, Limit.OPERATOR))
    return STRICTNESS.index(next(asked, TradingState.ACTIVE))
