"""What left while the journal's store took nothing: kept on this host first, and entered into the journal when it takes entries again.

Only two things count, or leave, without the journal: a named person's word, and the reductions that a person asked for (`flatten`). In the
process they wait in the journal like everything else, and the file is cleared once that is durable. After a crash the next start enters
from the file what the journal does not have: a word that is newer than its newest decision, and orders that come after its newest order.
Their outcome is in doubt then, like that of any order whose end was not seen, and is asked for. Where another instance ran the book
meanwhile, a restraint (halt, reduce, flatten, quarantine) counts from the next turn on, unless a person said something newer there.

A file that cannot be written lets nothing leave.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import structlog

from bot.core import trading
from bot.core.commands import PlaceOrder
from bot.core.events import Event, IntentsEntered, OperatorActed, OperatorAction
from bot.core.operation import RESTRAINTS
from bot.core.order import parts_of
from bot.core.records import Ledger
from bot.core.units import Millis
from bot.operating import Intents
from bot.ports import Journal, Snapshot
from bot.shell.clock import in_words
from bot.shell.recovery import Course, Folding

log = structlog.get_logger(__name__)


class Keeper:
    """Keeps in a run what must not wait for the store."""

    def __init__(self, intents: Intents | None) -> None:
        """`intents` None: nothing is kept, and nothing leaves without the journal."""
        self._intents = intents
        self._keeps = False

    @property
    def keeps(self) -> bool:
        """Whether something is kept that the journal may not have yet."""
        return self._keeps

    def words(self, events: Sequence[Event]) -> None:
        """Keeps what people said among facts that did not become durable."""
        said = [e for e in events if isinstance(e, OperatorActed)]
        if said:
            self._keep(said, ())

    def orders(self, ledger: Ledger, withheld: Sequence[PlaceOrder], now: Millis) -> Sequence[PlaceOrder]:
        """Those of the withheld orders that may leave all the same: kept, and asked for by a person."""
        closing = [o for o in withheld if o.reduce_only and trading.flattening_of(ledger, o.instrument) is not None]
        if not closing or not self._keep([IntentsEntered(at=now)], closing):
            return ()
        log.warning("orders_leave_without_the_journal", orders=[o.client_order_id for o in closing])
        return closing

    def _keep(self, events: Sequence[Event], orders: Sequence[PlaceOrder]) -> bool:
        if self._intents is None:
            return False
        try:
            self._intents.keep(events, orders)
        except OSError as error:
            log.error("intents_not_kept", reason=str(error))
            return False
        self._keeps = True
        return True

    def durable(self) -> None:
        """The journal has everything."""
        if self._keeps and self._intents is not None:
            self._keeps = not _cleared(self._intents)


def entered(intents: Intents, journal: Journal, recovery: Snapshot, course: Course) -> Snapshot:
    """What a journal folds to once it has what an earlier run kept beside it; `course` is told. Raises JournalUnavailable."""
    try:
        kept = intents.left()
    except OSError as error:
        log.error("intents_unreadable", reason=str(error))
        _cleared(intents)  # set aside: nothing may be added behind what nobody could read
        return recovery
    folding = Folding(recovery.policy, recovery, course)
    count = 0
    for word in _restraints_unheard(recovery.ledger, [e for events, _ in kept for e in events]):
        said_again = _now(recovery.ledger, word)
        log.error("word_entered_late", action=word.action.value, by=word.by, said_at=word.at)
        journal.append([said_again], (), durable=True)
        folding.take(said_again, ())
    for events, orders in kept:
        news = [e for e in events if _is_news(folding.ledger, e)]
        unknown = [o for o in orders if _comes_after(folding.ledger, o)]
        if not unknown and not any(isinstance(e, OperatorActed) for e in news):
            continue
        journal.append(news, unknown, durable=True)
        for number, event in enumerate(news, 1):
            folding.take(event, unknown if number == len(news) else ())
        count += 1
    if kept:
        log.warning("intents_entered", entries=count, of=len(kept))
    _cleared(intents)  # also when nothing in it could be read
    return folding.snapshot()


def resumes_kept(intents: Intents | None, ledger: Ledger) -> Sequence[OperatorActed]:
    """The resumes that are kept beside a journal that folds to `ledger`, and will be entered; none where nothing can be read."""
    try:
        kept = [] if intents is None else intents.left()
    except OSError:
        return []  # told where the rest is entered
    said = [e for events, _ in kept for e in events if isinstance(e, OperatorActed) and _is_news(ledger, e)]
    return [w for w in said if w.action is OperatorAction.RESUME]


def _restraints_unheard(ledger: Ledger, words: Sequence[Event]) -> Sequence[OperatorActed]:
    """The restraints that another instance, which ran the book since, has never heard of, and that no later word of a person ends.

    A word that the journal already has, and one from before a person's newest word there, is not entered again; the latter is an error in
    the log, for who said the newer one cannot have known of it.
    """
    old = [w for w in words if isinstance(w, OperatorActed) and not _is_news(ledger, w)]
    found = []
    for word in old:
        if word.action not in RESTRAINTS or any(_ends(later, word) for later in words[words.index(word) + 1 :]):
            continue
        if ledger.acted_at is None or word.at > ledger.acted_at:
            found.append(word)
        elif word.at < ledger.acted_at:
            log.error("word_superseded", action=word.action.value, by=word.by, said_at=word.at, newer_at=ledger.acted_at)
    return found


def _ends(later: Event, word: OperatorActed) -> bool:
    """Whether a person resumed what a word was about: the book's resume is about the book alone."""
    return isinstance(later, OperatorActed) and later.action is OperatorAction.RESUME and later.venue == word.venue


def _now(ledger: Ledger, word: OperatorActed) -> OperatorActed:
    """A word that counts from the ledger's newest instant on; when it was said is told in words."""
    at = max(word.at, ledger.started_at, ledger.decided_at or 0)
    return replace(word, at=at, why=f"{word.why} (said {in_words(word.at)}, while the journal took nothing)")


def _is_news(ledger: Ledger, event: Event) -> bool:
    """Whether a fact is not in the journal: it has neither a decision nor a start from then or later."""
    return event.at > max(ledger.started_at, ledger.decided_at or 0) or isinstance(event, IntentsEntered)


def _comes_after(ledger: Ledger, order: PlaceOrder) -> bool:
    """Whether an order is newer than every order of the journal: ids grow with each order and each run."""
    return (parts_of(order.client_order_id) or ("", 0)) > (ledger.epoch, ledger.order_number)


def _cleared(intents: Intents) -> bool:
    try:
        intents.clear()
    except OSError as error:
        log.error("intents_not_cleared", reason=str(error))
        return False
    return True
