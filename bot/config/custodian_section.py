"""Collateral at a custodian that mirrors part of it at venues: where it is asked, and the one that `hedgebot simulate` can start."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field

from bot.config.values import SECTION, AssetName, ExactNumber, Secret, TellsOf, WholeNumber, fits_a_header

Held = dict[AssetName, Annotated[ExactNumber, Field(ge=0)]]


def _custodian_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme != "https" or not parts.hostname or parts.netloc != parts.hostname or parts.path in {"", "/"} or parts.query:
        raise ValueError("write https://HOST/PATH of the custodian's statement, without port, key or query")
    return value


class CustodianSourceSettings(BaseModel):
    """Collateral at a custodian that mirrors part of it at venues as margin, asked over HTTP."""

    model_config = SECTION

    kind: Literal["custodian"]
    """The kind of source: `custodian`."""
    name: Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[a-z][a-z0-9_-]*$")]
    """What the source is called in the journal, in metrics and on screen; also the location of what it holds."""
    tells_of: TellsOf = ()
    """The assets of which it may tell. Nothing else waits for it at the very first start, before it was heard; what it tells of other
    assets counts all the same. Left out: any of `collateral.assets`."""
    url: Annotated[str, AfterValidator(_custodian_url)]
    """Where its statement is: `https://HOST/PATH`. In a simulation `routes` say where the host lives."""
    api_key: Secret
    """Sent in the header `X-API-Key`. It needs reading rights and no others."""
    poll_ms: Annotated[WholeNumber, Field(ge=500, le=60_000)] = 5_000
    """How often it is asked, in milliseconds; after failures up to every minute."""
    max_age_ms: Annotated[WholeNumber, Field(ge=1_000, le=3_600_000)] = 60_000
    """Longest time since the instant of which it tells; an older statement is not believed."""

    @property
    def host(self) -> str:
        """The host of the statement."""
        return urlsplit(self.url).hostname or ""

    def check(self, here: str, venues: Collection[str], venue_hosts: Collection[str], *, simulated: bool) -> None:
        """Raises ValueError with one sentence where it contradicts the rest of the configuration; `here` is its place there."""
        if self.host in venue_hosts:
            raise ValueError(f"{here}.url: {self.host} is a host of a venue, not of a custodian")
        if self.name in venues:
            raise ValueError(f"{here}.name: {self.name!r} is a venue, and what a custodian holds does not lie there")
        if not fits_a_header(self.api_key.reveal()):
            raise ValueError(f"{here}.api_key: holds a space, a line break or a letter that no key has; write the key alone")
        if self.api_key.text is not None and not simulated:
            raise ValueError(
                f"{here}.api_key: a secret may be written into the config only in a simulation; write {{env: NAME}} or {{file: path}}"
            )

    def places(self) -> set[str]:
        """What it counts: no other source may."""
        return {self.url}

    def decides(self) -> str:
        """What of it decisions depend on, as text for the config hash."""
        return f"{self.kind}:{self.name}:{self.max_age_ms}"


class SimulatedCustodianSettings(BaseModel):
    """A custodian on this machine, which the source of kind `custodian` asks."""

    model_config = SECTION

    totals: Annotated[Held, Field(min_length=1)]
    """What it holds at the start, by asset, in the assets' own units."""
    delegations: dict[str, Held] = {}
    """What of it is mirrored at the start, by venue and asset; it comes on top of the venue's `balances`."""
    posted: dict[str, Held] = {}
    """What the venues posted with it, by venue and asset."""
    interval_ms: Annotated[WholeNumber, Field(ge=1_000, le=86_400_000)] = 14_400_000
    """Time from settlement to settlement, milliseconds of wall time."""
    freeze_ms: Annotated[WholeNumber, Field(ge=0, le=3_600_000)] = 60_000
    """How long before a settlement nothing can be delegated or taken back."""
    step_ms: Annotated[WholeNumber, Field(ge=1, le=3_600_000)] = 5_000
    """How long each step of a settlement takes."""
