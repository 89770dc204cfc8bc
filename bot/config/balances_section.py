"""Collateral in a venue's wallets beside the account that carries positions: where there are such wallets, and how they are read."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from bot.config.errors import did_you_mean
from bot.config.values import SECTION, TellsOf, WholeNumber

VENUES_WITH_BALANCES: dict[str, dict[str, tuple[str, ...]]] = {
    "binanceusdm": {"simulation": ("spot", "funding"), "mainnet": ("spot", "funding"), "testnet": ("spot",), "demo": ("spot",)},
    "bybit": dict.fromkeys(("simulation", "mainnet", "testnet"), ("funding",)),
    "okx": dict.fromkeys(("simulation", "mainnet", "testnet", "demo"), ("funding",)),
}
"""By venue and environment: the wallets that can be read (kind `venue_balances`)."""
WALLET_HOSTS: dict[str, tuple[str, ...]] = {"binanceusdm": ("api.binance.com",)}
"""The production hosts that are spoken to for that, beside those that the venue's perpetuals need."""


class VenueBalancesSettings(BaseModel):
    """Collateral in a venue's wallets beside the account that carries positions, told by the venue itself."""

    model_config = SECTION

    kind: Literal["venue_balances"]
    """The kind of source: `venue_balances`. Its locations are `VENUE.WALLET`, for example `okx.funding`."""
    name: Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[a-z][a-z0-9_-]*$")]
    """What the source is called in the journal, in metrics and on screen."""
    tells_of: TellsOf = ()
    """The assets of which it may tell. Nothing else waits for it at the very first start, before it was heard; what it tells of other
    assets counts all the same. Left out: any of `collateral.assets`."""
    venue: str
    """The configured venue whose wallets count: `binanceusdm` (spot and funding, of the whole Binance account; the demo has spot alone),
    `bybit` (funding; not in the demo) or `okx` (funding). What its derivative account holds is the account's, and counts without this."""
    poll_ms: Annotated[WholeNumber, Field(ge=1_000, le=60_000)] = 10_000
    """How often they are read, in milliseconds; after failures up to every minute."""

    def check(self, here: str, venues: Collection[str], environment: str, routes: Mapping[str, object]) -> None:
        """Raises ValueError with one sentence where it contradicts the rest of the configuration; `here` is its place there."""
        if self.venue not in venues:
            raise ValueError(f"{here}.venue: {self.venue} is not a configured venue{did_you_mean(self.venue, venues)}")
        if self.venue not in VENUES_WITH_BALANCES:
            able = ", ".join(sorted(VENUES_WITH_BALANCES))
            raise ValueError(f"{here}.venue: wallets beside the account cannot be read at {self.venue}, only at {able}")
        if environment not in VENUES_WITH_BALANCES[self.venue]:
            raise ValueError(f"{here}.venue: {self.venue} tells of no wallets beside the account in its {environment} environment")
        missing = [host for host in WALLET_HOSTS.get(self.venue, ()) if host not in routes]
        if environment == "simulation" and missing:
            raise ValueError(
                f"routes.{missing[0]}: is missing; a simulation needs a loopback URL for it because {here} reads wallets there"
            )

    def locations(self) -> tuple[str, ...]:
        """The places of which it tells, wherever the venue has them."""
        return tuple(f"{self.venue}.{wallet}" for wallet in VENUES_WITH_BALANCES.get(self.venue, {}).get("simulation", ()))

    def places(self) -> set[str]:
        """What it counts: no other source may."""
        return {f"wallets of {self.venue}"}

    def decides(self) -> str:
        """What of it decisions depend on, as text for the config hash."""
        return f"{self.kind}:{self.name}:{self.venue}"
