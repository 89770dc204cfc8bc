"""Words for what is told of markets, pegs and delegations: facts of a story, as those of `playbook`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bot.core import events as ev
from bot.core.units import Asset, InstrumentId, VenueId
from tests.core.story import D, Feed, Story


def told(name: str, make: Callable[[Story], ev.Event]) -> Feed:
    """One fact."""
    return Feed(name, lambda story: [make(story)])


def market(instrument: str, open_interest: str | None = "10000000") -> Feed:
    """A venue tells how large an instrument's market is, in base units."""
    return told(
        f"market of {instrument}",
        lambda s: ev.MarketObserved(
            at=s.now, instrument=InstrumentId(instrument), open_interest=None if open_interest is None else D(open_interest)
        ),
    )


def narrow(quantity: str, asset: str = "ETH") -> Feed:
    """Markets in which all instruments of an asset together can carry so much of it, in equal parts, and no more: a hedge is spread."""

    def told_of(story: Story) -> list[ev.Event]:
        own = [i.id for i in story.instruments if i.base == asset]
        interest = D(quantity) / len(own) / story.policy.open_interest_share_max
        return [fact for i in own for fact in market(i, f"{interest:f}").events(story)]

    return Feed(f"markets for {quantity} {asset}", told_of)


def wide() -> Feed:
    """Markets without end again."""
    return Feed("wide markets", lambda story: [fact for i in story.instruments for fact in market(i.id).events(story)])


def reference(asset: str, price: str) -> Feed:
    """Somebody tells the market price of a stablecoin, or of a staked token."""
    return told(f"{asset} at {price}", lambda s: ev.ReferencePriceObserved(at=s.now, source="feed", asset=Asset(asset), price=D(price)))


def delegated(venue: str, quantity: str, asset: str = "USDT") -> Feed:
    """A custodian tells what it delegated to a venue."""
    return told(
        f"{quantity} {asset} delegated to {venue}",
        lambda s: ev.DelegationObserved(at=s.now, venue=VenueId(venue), asset=Asset(asset), delegated=D(quantity)),
    )


def mirror(venue: str, quantity: str, asset: str = "ETH", **changes: Any) -> ev.DelegationReport:
    """What a custodian mirrors of an asset at a venue; `settled` may be a string."""
    told = {k: D(v) if k in ("settled", "due", "posted") else v for k, v in changes.items()}
    return ev.DelegationReport(venue=VenueId(venue), asset=Asset(asset), delegated=D(quantity), **told)


def custody(quantity: str, *delegations: ev.DelegationReport, asset: str = "ETH", as_of: int | None = None) -> Feed:
    """The custodian `custody` tells all it holds of one asset, in its vault, and all that it mirrors."""
    return told(
        f"{quantity} {asset} in custody, {len(delegations)} delegations",
        lambda s: ev.CustodyReported(
            at=s.now,
            source="custody",
            location="vault",
            as_of=s.now if as_of is None else as_of,
            totals=(ev.CustodyTotal(asset=Asset(asset), quantity=D(quantity), redemption_rate=D(1)),),
            delegations=delegations,
        ),
    )
