"""What may have changed of the collateral that is only remembered, because its source has not been heard in this run, or not for too long.

The rule: whoever pays collateral out closes its hedges. A hedge that somebody else closed, or that vanished with no fill to tell why, is
therefore no reason to hedge again what is only remembered: as much of it may have gone, until its source is heard. Such moves are noted
from the last time on that a source was heard, whichever run that was in, and count when it is not. A hedge that
somebody else opened is in the same way no reason to close one: as much may have come. What a venue takes by
its own doing (auto-deleveraging, liquidation, settlement) and what our own orders did say nothing of collateral, and are made good.

A source tells place by place. Of one that fell silent before it had told everything, what it told last and what it had told before it
began are both possible, place by place: coins that left the one may lie at another.

A source that may tell of more than it could when it was heard last, of further assets, places or addresses, has told nothing of that: of
such a one nothing is remembered, and its assets wait until it is heard.
"""

from __future__ import annotations

from decimal import Decimal

from bot.core.copying import replace
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.units import ZERO, InstrumentId

_NOTHING: frozenset[str] = frozenset()


def begun_anew(ledger: Ledger, policy: Policy, *, is_fresh: bool) -> Ledger:
    """The ledger of a run that begins: no source is heard, and of earlier ones is remembered what still counts; if `is_fresh`, nothing."""
    now = {source: scope_of(policy, source) for source in policy.collateral_sources}
    told = {} if is_fresh else {**ledger.sources_heard_at, **ledger.sources_confirmed_at}
    heard = {source: at for source, at in told.items() if now.get(source, _NOTHING) <= ledger.source_scopes.get(source, _NOTHING)}
    moves = {source: moves for source, moves in ledger.foreign_moves.items() if source in heard}
    ledger = replace(ledger, sources_confirmed_at={}, sources_unreadable={}, foreign_moves=moves)
    return replace(ledger, sources_heard_at=heard, source_scopes=now)


def scope_of(policy: Policy, source: str) -> frozenset[str]:
    """All that a source may tell of: assets, the places of which it is believed, and the addresses that it looks at."""
    assets = policy.source_assets.get(source, policy.collateral_assets.keys() | policy.stables)
    places = (where for where, believed in policy.claims.authorities.items() if believed == source)
    addresses = policy.source_addresses.get(source, _NOTHING)
    return frozenset((*assets, *places, *(f"address {address}" for address in addresses)))


def with_foreign_move(ledger: Ledger, instrument: InstrumentId, by: Decimal) -> Ledger:
    """The ledger after a position moved by signed contract units, neither by an order of our record nor by the venue's own doing."""
    sources = sorted(ledger.sources_heard_at.keys() | ledger.sources_confirmed_at.keys())
    if not sources:
        return ledger
    moves = dict(ledger.foreign_moves)
    for source in sources:
        own = moves.get(source, {})
        moves[source] = {**own, instrument: own.get(instrument, ZERO) + by}
    return replace(ledger, foreign_moves=moves)


def heard(ledger: Ledger, source: str) -> Ledger:
    """The ledger after a source told all that there is: it stands on nothing that is only remembered any more, nor on half of a telling."""
    if source in ledger.foreign_moves:
        ledger = replace(ledger, foreign_moves={s: moves for s, moves in ledger.foreign_moves.items() if s != source})
    if source in ledger.unconfirmed:
        ledger = replace(ledger, unconfirmed={s: before for s, before in ledger.unconfirmed.items() if s != source})
    return ledger


def with_total_from(ledger: Ledger, source: str, where: str, quantity: Decimal) -> Ledger:
    """The ledger after a source told another total of a place than `quantity` (asset units), which it had told before."""
    told = ledger.unconfirmed.get(source, {})
    return ledger if where in told else replace(ledger, unconfirmed={**ledger.unconfirmed, source: {**told, where: quantity}})
