"""The last look: the bot's statement and the venues' own books, taken side by side at a moment at which nothing is on its way.

The market is held still for it: a payment that a venue has just entered is in the bot's record only once it has read it, and where funding
settles every few seconds there might never be a moment at which it has read them all. Fills arrive on: therefore the two are compared again
until they agree or the patience ends, and the verdict is about that one moment.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from bot.core.units import ZERO
from bot.drivers.demo.cast import ASSETS
from bot.drivers.demo.observer import Observer, Truth
from bot.drivers.demo.script import agrees
from bot.drivers.demo.stage import Stage
from bot.drivers.demo.story import Told
from bot.simulator.truth import truth_of

PATIENCE_S = 30.0
"""Several rounds of the bot's questions about funding, also on a busy machine."""
AGAIN_S = 0.1
FUNDING_ROUNDED = Decimal("0.0000001")
"""Venues tell each payment to eight decimals of the asset at the most; so much may the sums differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastLook:
    """`told` is the bot's statement, None when it could not be asked. Funding is in units of each asset, received less paid."""

    told: Told | None
    truth: Truth
    fills_at_venues: Mapping[str, int]
    fees_at_venues_usd: Decimal
    funding_told: Mapping[str, Decimal]
    funding_at_venues: Mapping[str, Decimal]

    def difference(self) -> str | None:
        """What differs between the bot's record and the venues' books, in one sentence; None when nothing does."""
        if self.told is None:
            return "The bot could not be asked for its statement at the end."
        if not self.truth.in_band:
            net = ", ".join(f"{a} {self.truth.net(a):+f}" for a in ASSETS)
            return f"The book did not end hedged within the band: net delta {net}."
        if not agrees(self.told, self.truth):
            return "The bot's positions and the venues' books differ at the end."
        if self.told["fills"] != sum(self.fills_at_venues.values()):
            return f"The bot knows of {self.told['fills']} fills, the venues of {sum(self.fills_at_venues.values())}."
        for asset in sorted({*self.funding_told, *self.funding_at_venues}):
            told, booked = self.funding_told.get(asset, ZERO), self.funding_at_venues.get(asset, ZERO)
            if abs(told - booked) >= FUNDING_ROUNDED:
                return f"The bot's record holds {told:f} {asset} of funding, the venues' books {booked:f}."
        return None


async def look_at_the_end(stage: Stage, observer: Observer, patience_s: float = PATIENCE_S) -> LastLook:
    """Holds the market and looks until nothing differs, for so long at the most; then what was seen last."""
    stage.venues.hold()
    deadline = time.monotonic() + patience_s
    while True:
        look = _look(stage, observer, await observer.ask_again())
        if look.difference() is None or time.monotonic() >= deadline:
            return look
        await asyncio.sleep(AGAIN_S)


def account_books(stage: Stage, venue: str) -> dict[str, Any]:
    """A venue's own books of the demo's account there, as the control endpoint tells them."""
    desk = stage.venues.server.desks[venue]
    account = stage.venues.accounts[venue].credential.account
    books: dict[str, Any] = truth_of(desk, account)["accounts"][account]
    return books


def _look(stage: Stage, observer: Observer, told: Told | None) -> LastLook:
    books = {venue: account_books(stage, venue) for venue in stage.cast}
    return LastLook(
        told=told,
        truth=observer.look(),
        fills_at_venues={venue: len(b["fills"]) for venue, b in books.items()},
        fees_at_venues_usd=sum((_fee_usd(fill) for b in books.values() for fill in b["fills"]), ZERO),
        funding_told=_by_asset((r["asset"], Decimal(r["received"]) - Decimal(r["paid"])) for r in (told or {}).get("funding", [])),
        funding_at_venues=_by_asset((p.asset, p.amount) for venue in books for p in stage.funding_booked(venue)),
    )


def _fee_usd(fill: Mapping[str, str]) -> Decimal:
    """A fee in a dollar counts as it is, one in coin at the fill's own price."""
    fee = Decimal(fill["fee"])
    return fee * Decimal(fill["price"]) if fill["fee_asset"] in ASSETS else fee


def _by_asset(payments: Iterable[tuple[str, Decimal]]) -> dict[str, Decimal]:
    """Sums by asset, exact; assets in which nothing was paid are left out."""
    sums: dict[str, Decimal] = {}
    for asset, units in payments:
        sums[asset] = sums.get(asset, ZERO) + units
    return {asset: units for asset, units in sorted(sums.items()) if units}
