"""Collateral that lies at a venue beside the account that carries positions: its funding wallet, as the venue itself tells it.

Rules:
- What the derivative account tells is the account's, and never told here: a wallet is a place of its own, `VENUE.WALLET`, and its total has
  this one source.
- Each read is all wallets or nothing. What fails changes no total: one CollateralUnreadable says why, and what was told last ages.
- Absence is not zero at once: an asset that was told before and is in the list no more is zero when a second read in a row agrees. This
  also holds across a restart, for the holdings that the ledger remembers of this source (`known`).
- Coins have rate 1. Of a liquid staking token the venue knows a price at best, and no price is a redemption rate: its rate is left untold,
  and another source that asks the protocol tells it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Protocol

from bot.adapters.collateral.voice import Voice
from bot.core.events import CollateralObserved
from bot.core.units import ONE, ZERO, Asset, VenueId
from bot.ports import Clock, Inbox

PAUSE_MAX_S = 60.0
"""The longest pause between two reads after failures."""
_FIRST_S = 0.5
"""Half the pause after the first failure: a venue that is only just being opened is asked again soon."""

Place = tuple[Asset, str]


class HasWallets(Protocol):
    """A venue that tells of its wallets."""

    id: VenueId

    async def wallets(self) -> Mapping[str, Mapping[Asset, Decimal]] | None:
        """Units of each asset in each wallet, by the wallet's name; None when not all of it could be read. Never raises."""


class VenueBalances:
    """One venue's wallets as a source of collateral totals."""

    def __init__(
        self, name: str, venue: HasWallets, clock: Clock, *, poll_s: float, hedged_as: Mapping[Asset, Asset], known: Iterable[Place] = ()
    ) -> None:
        """Only assets that `hedged_as` names are told (a dollar as itself); `known` are the holdings that the ledger has of this source."""
        self.name = name
        self._venue, self._clock, self._poll_s = venue, clock, poll_s
        self._hedged_as = dict(hedged_as)
        self._told: dict[Place, Decimal | None] = dict.fromkeys(place for place in known if place[0] in self._hedged_as)
        self._missing: list[Place] = []
        self._voice = Voice(name, clock, every_s=0.0)
        self._first = True

    async def listen(self, inbox: Inbox) -> None:
        """Puts all totals, then each change, confirmations and failures, until cancelled."""
        self._first, self._missing, pause = True, [], _FIRST_S
        self._voice.begin()
        while True:
            read = await self._venue.wallets()
            if read is None:
                self._voice.fail(inbox, "its wallets could not be read")
                pause = min(PAUSE_MAX_S, pause * 2)
            else:
                self._tell(inbox, read)
                pause = self._poll_s if not self._missing else _FIRST_S
            await self._clock.sleep(pause)

    def _tell(self, inbox: Inbox, read: Mapping[str, Mapping[Asset, Decimal]]) -> None:
        now = {
            (asset, f"{self._venue.id}.{wallet}"): quantity
            for wallet, held in read.items()
            for asset, quantity in held.items()
            if asset in self._hedged_as
        }
        missing = [place for place, before in self._told.items() if place not in now and before != ZERO]
        if missed := [place for place in missing if place not in self._missing]:
            self._missing = missing
            asset, location = missed[0]
            self._voice.fail(inbox, f"{asset} at {location} is gone from the list, and absence is not zero until a second read agrees")
            return
        now |= dict.fromkeys(missing, ZERO)
        self._missing = []
        for (asset, location), quantity in now.items():
            if self._first or self._told.get((asset, location)) != quantity:
                rate = ONE if self._hedged_as[asset] == asset else None
                inbox.put(
                    CollateralObserved(
                        at=self._clock.now(),
                        source=self.name,
                        location=location,
                        asset=asset,
                        quantity=quantity,
                        redemption_rate=rate,
                    )
                )
        self._told, self._first = {**self._told, **now}, False
        self._voice.confirm(inbox)
