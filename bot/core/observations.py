"""Totals and prices as sources tell them: collateral, how large a market is, what a stablecoin is worth, what was delegated.

Each fact replaces the one before it from the same speaker. What makes no sense is not taken over, and what was told last ages.
"""

from __future__ import annotations

from decimal import Decimal

from bot.core import events as ev
from bot.core import remembered
from bot.core.claim_terms import place
from bot.core.copying import replace
from bot.core.ledger import noted, put
from bot.core.records import Holding, Ledger, Market, Note, ReferencePrice
from bot.core.units import ZERO, Millis


def apply_collateral(ledger: Ledger, event: ev.CollateralObserved) -> Ledger:
    """Sets the total of one asset at one location; an untold redemption rate keeps the one that was told before.

    A total alone neither makes its source known in this run nor ends its silence: others may follow, and what has not been told is not
    zero, nor what it was. That takes the source's own word that it has told everything (`confirm_source`).
    A total from before the one that is held, by the source's own clock, is late and changes nothing.
    A total below nothing, or a rate that is not positive, makes no sense: the source counts as unreadable, and ages.
    """
    rate_told = event.redemption_rate
    if not event.quantity.is_finite() or event.quantity < ZERO or (rate_told is not None and not _is_price(rate_told)):
        return source_unreadable(ledger, event.source, f"senseless total of {event.asset} at {event.location}", event.at)
    key = (event.source, event.location, event.asset)
    before = ledger.holdings.get(key)
    if is_late(ledger, event):
        return ledger
    rate, rate_at = event.redemption_rate, None if event.redemption_rate is None else event.at
    if rate is None and before is not None:
        rate, rate_at = before.redemption_rate, before.rate_at
    holding = Holding(
        source=event.source,
        location=event.location,
        asset=event.asset,
        quantity=event.quantity,
        redemption_rate=rate,
        observed_at=event.at,
        as_of=event.as_of,
        rate_at=rate_at,
    )
    ledger = replace(
        ledger,
        holdings=put(ledger.holdings, key, holding),
        sources_unreadable={k: v for k, v in ledger.sources_unreadable.items() if k != event.source},
    )
    if before is not None and before.quantity == event.quantity:
        return ledger
    earlier = ZERO if before is None else before.quantity
    ledger = remembered.with_total_from(ledger, event.source, place(event.asset, event.location), earlier)
    sentence = f"{event.asset} at {event.location}: {earlier:f} -> {event.quantity:f}"
    return noted(ledger, Note(at=event.at, kind="collateral", subject=event.asset, sentence=sentence))


def is_late(ledger: Ledger, event: ev.CollateralObserved) -> bool:
    """Whether a newer total of the same source, place and asset was told before."""
    before = ledger.holdings.get((event.source, event.location, event.asset))
    return before is not None and before.as_of is not None and event.as_of is not None and event.as_of < before.as_of


def confirm_source(ledger: Ledger, event: ev.CollateralConfirmed) -> Ledger:
    """A source has told all its totals, or was read again and says the same: they are known, and fresh."""
    readable = {k: v for k, v in ledger.sources_unreadable.items() if k != event.source}
    as_of = {k: v for k, v in ledger.sources_as_of.items() if k != event.source or event.as_of is not None}
    ledger = replace(
        ledger,
        sources_confirmed_at=put(ledger.sources_confirmed_at, event.source, event.at),
        sources_as_of=as_of if event.as_of is None else put(as_of, event.source, event.as_of),
        sources_unreadable=readable,
    )
    return remembered.heard(ledger, event.source)


def source_unreadable(ledger: Ledger, source: str, reason: str, at: Millis) -> Ledger:
    """A source could not be read or made no sense; what it said last stays, and ages."""
    if ledger.sources_unreadable.get(source) == reason:
        return ledger
    note = Note(at=at, kind="collateral", subject=source, sentence=f"not readable: {reason}")
    return noted(replace(ledger, sources_unreadable=put(ledger.sources_unreadable, source, reason)), note)


def apply_market(ledger: Ledger, event: ev.MarketObserved) -> Ledger:
    """Keeps what a venue told last of an instrument's market; a figure below nothing makes no sense and is not told."""
    told = Market(open_interest=_sane(event.open_interest), volume_24h=_sane(event.volume_24h), observed_at=event.at)
    return replace(ledger, markets=put(ledger.markets, event.instrument, told))


def _sane(figure: Decimal | None) -> Decimal | None:
    return None if figure is None or not figure.is_finite() or figure < ZERO else figure


def _is_price(figure: Decimal) -> bool:
    return figure.is_finite() and figure > ZERO


def apply_reference(ledger: Ledger, event: ev.ReferencePriceObserved) -> Ledger:
    """Keeps the price that was told last; one that is not positive makes no sense, and the last one ages."""
    if not _is_price(event.price):
        return ledger
    return replace(ledger, references=put(ledger.references, event.asset, ReferencePrice(price=event.price, observed_at=event.at)))


def apply_delegation(ledger: Ledger, event: ev.DelegationObserved) -> Ledger:
    """Keeps how much a custodian has delegated; what is no number is not taken over."""
    if not event.delegated.is_finite():
        return ledger
    here = put(ledger.delegations.get(event.venue, {}), event.asset, event.delegated)
    return replace(ledger, delegations=put(ledger.delegations, event.venue, here))
