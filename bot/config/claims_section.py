"""What announcements of collateral may do, and the sources that bring them: sections `collateral.claims` and sources of kind `redis`."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, model_validator

from bot.config.journal_section import RedisAddress, redis_address
from bot.config.values import SECTION, AssetName, ExactNumber, PathBesideConfig, Secret, TellsOf, WholeNumber
from bot.core.claim_terms import AssetLimits, RedemptionEnd

_DAY_MS = 86_400_000
_PLACE = r"^[A-Za-z0-9]{1,20}@[ -~]{1,100}$"
KEY_BYTES_MIN = 16
"""Shortest key that messages may be signed with."""


def _no_repetition(values: tuple[str, ...]) -> tuple[str, ...]:
    repeated = sorted({value for value in values if values.count(value) > 1})
    if repeated:
        raise ValueError(f"{repeated[0]!r} is listed twice")
    return values


Names = Annotated[tuple[Annotated[str, Field(pattern=r"^[ -~]{1,100}$")], ...], AfterValidator(_no_repetition)]
Places = Annotated[tuple[Annotated[str, Field(pattern=_PLACE)], ...], AfterValidator(_no_repetition)]
Span = Annotated[WholeNumber, Field(ge=1_000, le=30 * _DAY_MS)]
Limit = Annotated[ExactNumber, Field(ge=0)]


class ClaimsSettings(BaseModel):
    """What announced deposits and redemptions may do before a total confirms them. Nothing, unless it is said here."""

    model_config = SECTION

    depositors: Names = ()
    """Whose announcements are believed, as they are spelled there. The announcements of all others are held back and told."""
    hedge_share: Annotated[ExactNumber, Field(ge=0, le=1)] = Decimal(0)
    """Fraction of announced deposits that is hedged before a total confirms them; 0: none."""
    redemption_ends: RedemptionEnd = RedemptionEnd.SETTLED
    """When a redemption's delta ends: when its price is fixed, or only when the total shows that it is gone."""
    interval_ms: Span = 3_600_000
    """The interval of `deposits_max` and `redemptions_max`, by when a claim was first heard, or announced if that is later."""
    pending_max_ms: Span = _DAY_MS
    """How long an announced deposit is waited for."""
    settle_max_ms: Span = _DAY_MS
    """How long after it was priced a redemption may take to settle; then its delta counts again."""
    lead_ms: Annotated[WholeNumber, Field(ge=0, le=_DAY_MS)] = 300_000
    """How long before its announcement a total may already have contained a deposit, or lost a redemption; and how late it may show either
    after the word that it is settled."""
    remembered_ms: Annotated[WholeNumber, Field(ge=60_000, le=60 * _DAY_MS)] = 2 * _DAY_MS
    """How long a claim is remembered after the last word on it. Words older than that are not taken, so none counts twice."""

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> ClaimsSettings:
        longest = max(self.pending_max_ms, self.settle_max_ms, self.interval_ms)
        if self.remembered_ms < longest:
            raise ValueError(
                f"remembered_ms {self.remembered_ms} is shorter than the {longest} ms for which a claim may count, so it could be forgotten"
                " before it is over"
            )
        return self


class ClaimLimits(BaseModel):
    """Limits of what may be announced and held of one asset, in its own units."""

    model_config = SECTION

    claim_max: Limit = Decimal(0)
    """Largest announced deposit or redemption that is believed; what is larger is held back. Left out: none is."""
    deposits_max: Limit = Decimal(0)
    """Deposits that are believed within `collateral.claims.interval_ms`, all together; what comes beyond is held back."""
    redemptions_max: Limit = Decimal(0)
    """The same of redemptions."""
    total_max: Limit | None = None
    """Confirmed totals of all places beyond which people are told. It is hedged all the same. Left out: any."""

    def limits(self) -> AssetLimits:
        """The same for the core."""
        return AssetLimits(
            claim_max=self.claim_max, deposits_max=self.deposits_max, redemptions_max=self.redemptions_max, total_max=self.total_max
        )


class IssuerSettings(BaseModel):
    """Who issued some stablecoins, and how much of them the book may own."""

    model_config = SECTION

    coins: Annotated[tuple[AssetName, ...], Field(min_length=1), AfterValidator(_no_repetition)]
    """The stablecoins that it issued: those of `collateral.assets`, and those that perpetuals settle in."""
    exposure_max: Annotated[ExactNumber, Field(gt=0)] | None = None
    """USD of all of them together, on venues and held as collateral, from which on nothing increases that settles in one. Left out, or
    where that is less: `policy.settle_exposure_max` of all that the book owns."""


class NamedSource(BaseModel):
    """What every kind of source has."""

    model_config = SECTION

    name: Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[a-z][a-z0-9_-]*$")]
    """What the source is called in the journal, in metrics and on screen."""
    believed_of: Places = ()
    """The places (`ASSET@LOCATION`) of which this source is believed, and no other. What is announced of a place counts only where a source
    is believed of it. Of places that no source names, several that tell of one count as the least for certain and the most for possible."""
    tells_of: TellsOf = ()
    """The assets of which it may tell. Nothing else waits for it at the very first start, before it was heard; what it tells of other
    assets counts all the same. Left out: any of `collateral.assets`."""


class RedisSourceSettings(NamedSource):
    """Deposits, redemptions and totals that the issuer's own backend writes to a Redis stream."""

    kind: Literal["redis"]
    """The kind of source: `redis`."""
    url: Secret
    """URL of the server, as of a journal's (see `journal.url`). With a password in it it is a secret: `{env: NAME}` or `{file: path}`."""
    ca_file: PathBesideConfig | None = None
    """Certificates (PEM) of who vouches for the server's, with `rediss`. Left out: the system's authorities."""
    stream: Annotated[str, Field(pattern=r"^[!-~]{1,200}$")] = "hedgebot:collateral"
    """Key of the stream. What can never be taken is put aside in the stream of this name with `:dead` behind it."""
    group: Annotated[str, Field(pattern=r"^[!-~]{1,100}$")] = "hedgebot"
    """The consumer group: two books that read one stream need two."""
    signed_with: Secret | None = None
    """Key of at least 16 bytes with which every message must be signed (HMAC-SHA256). Left out: whoever can write to the stream is
    believed."""
    max_age_ms: Annotated[WholeNumber, Field(ge=1_000, le=_DAY_MS)] | None = None
    """Longest time since the backend told any total; after that none is confirmed. Left out: any."""

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> RedisSourceSettings:
        address = self.address
        if self.ca_file is not None and not address.tls:
            raise ValueError("ca_file belongs to a URL that begins with rediss")
        if self.ca_file is not None and not self.ca_file.is_file():
            raise ValueError(f"ca_file: there is no file {self.ca_file}")
        if self.signed_with is not None and len(self.signed_with.reveal().encode()) < KEY_BYTES_MIN:
            raise ValueError(f"signed_with: a key has at least {KEY_BYTES_MIN} bytes")
        return self

    @property
    def address(self) -> RedisAddress:
        """The server. Raises ValueError with a sentence."""
        return redis_address(self.url.reveal())

    def places(self) -> set[str]:
        """What it reads: no other source may."""
        return {f"{self.stream} at {self.address.masked()}"}

    def key(self) -> bytes | None:
        """What messages are signed with."""
        return None if self.signed_with is None else self.signed_with.reveal().encode()

    def secrets(self) -> tuple[str, ...]:
        """Every secret's value, for the log's redaction."""
        address = self.address
        found = (*address.secrets(), *((self.url.reveal(),) if address.secrets() else ()))
        return found if self.signed_with is None else (*found, self.signed_with.reveal())

    def written_out(self) -> bool:
        """Whether a secret stands in the configuration itself."""
        is_url = self.url.text is not None and bool(self.address.secrets())
        return is_url or (self.signed_with is not None and self.signed_with.text is not None)

    def masked(self) -> dict[str, str]:
        """What is shown in place of its secrets."""
        found = {"url": f"{self.address.masked()} ({self.url.source})"}
        return found if self.signed_with is None else found | {"signed_with": f"(hidden; {self.signed_with.source})"}

    def decides(self) -> str:
        """What of it decisions depend on, as text for the config hash."""
        return f"{self.kind}:{self.name}" + ("" if self.max_age_ms is None else f":{self.max_age_ms}")
