"""The sections of the configuration, except the policy: where to listen and log, venues, collateral, the simulator.

Every section is frozen and refuses keys that it does not know.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from bot.config.balances_section import VenueBalancesSettings
from bot.config.claims_section import ClaimLimits, ClaimsSettings, IssuerSettings, NamedSource, RedisSourceSettings
from bot.config.custodian_section import CustodianSourceSettings, Held, SimulatedCustodianSettings
from bot.config.errors import did_you_mean
from bot.config.evm_section import EvmSourceSettings
from bot.config.values import (
    SECTION,
    Address,
    AddressText,
    AssetName,
    Credentials,
    ExactNumber,
    PathBesideConfig,
    WholeNumber,
    empty_is_default,
    from_environment,
)
from bot.core.claim_terms import ClaimTerms, place
from bot.core.units import Asset

VENUE_HOSTS: dict[str, tuple[str, ...]] = {
    "binanceusdm": ("fapi.binance.com", "fstream.binance.com"),
    "binancecoinm": ("dapi.binance.com", "dstream.binance.com"),
    "bybit": ("api.bybit.com", "stream.bybit.com"),
    "deribit": ("www.deribit.com",),
    "okx": ("www.okx.com", "ws.okx.com"),
    "hyperliquid": ("api.hyperliquid.xyz",),
}
"""The venues that are known, and the production hosts that ccxt speaks to for each: a simulation must say where each one lives."""

_WALLETS: dict[str, dict[str, Decimal]] = {
    "binancecoinm": {"BTC": Decimal(20), "ETH": Decimal(400)},
    "hyperliquid": {"USDC": Decimal(1_000_000)},
}
"""What a simulated account starts with where USDT is of no use."""

VENUES_WITH_PASSPHRASE = frozenset({"okx"})
VENUES_WITH_WALLET = frozenset({"hyperliquid"})
"""Where the key's public half is the account's address, and its secret half the private key of that address or of a wallet it approved."""

_VENUE_SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9_.-]{2,39}")
_WINDOW = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?Z?)?\.\.\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?Z?)?")


class Environment(StrEnum):
    """Which world the bot acts in."""

    SIMULATION = "simulation"
    TESTNET = "testnet"
    DEMO = "demo"
    MAINNET = "mainnet"


class LogLevel(StrEnum):
    """The least urgent line that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How lines look. AUTO: for people on a terminal, JSON elsewhere."""

    AUTO = "auto"
    JSON = "json"
    CONSOLE = "console"


def _venue_symbol(value: str) -> str:
    if not _VENUE_SYMBOL.fullmatch(value):
        raise ValueError("write the venue's own spelling, for example BTCUSDT or BTC-USDT-SWAP")
    return value


def _no_repetition(values: tuple[str, ...]) -> tuple[str, ...]:
    repeated = sorted({value for value in values if values.count(value) > 1})
    if repeated:
        raise ValueError(f"{repeated[0]!r} is listed twice")
    return values


VenueSymbols = Annotated[tuple[Annotated[str, AfterValidator(_venue_symbol)], ...], Field(min_length=1), AfterValidator(_no_repetition)]


class LoggingSettings(BaseModel):
    """What is written to the standard error stream."""

    model_config = SECTION

    level: LogLevel = LogLevel.INFO
    """The least urgent line of our own that is written; libraries speak from `warning` up whatever is set here."""
    format: LogFormat = LogFormat.AUTO
    """`json`, `console`, or `auto`: console on a terminal, JSON lines elsewhere."""


class VenueSettings(BaseModel):
    """One venue and our account on it."""

    model_config = SECTION

    instruments: VenueSymbols
    """Perpetuals that may be used as hedges, in the venue's own spelling."""
    leverage: Annotated[WholeNumber, Field(ge=1, le=20)] = 5
    """Leverage set on each instrument: it decides the initial margin that a position binds, not how much is hedged."""
    request_share: Annotated[ExactNumber, Field(ge=Decimal("0.1"), le=1)] = Decimal(1)
    """Our part of the venue's request limits. Limits are counted per address and per account: give each of two bots behind one 0.5."""
    jurisdiction: Annotated[str, Field(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")] | None = None
    """Where the entity is that holds our account: a country by two letters (ISO 3166), with a region where it matters: `AE`, `US-NY`."""
    credentials: Credentials
    """The account's key. It needs trading rights and no others."""


class AllowedSettings(BaseModel):
    """Where the desk may trade at all, as its mandate says. What is not on a list that is written here is refused at the start."""

    model_config = SECTION

    venues: Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_no_repetition)] | None = None
    """The venues that may be configured. Left out: all that are known."""
    jurisdictions: (
        Annotated[
            tuple[Annotated[str, Field(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")], ...], Field(min_length=1), AfterValidator(_no_repetition)
        ]
        | None
    ) = None
    """Where accounts may be held: each venue then has to say its `jurisdiction`, and it has to be one of these; a country stands for its
    regions too. Left out: anywhere."""

    def check(self, venues: Mapping[str, VenueSettings]) -> None:
        """Raises ValueError with one sentence for a configured venue that may not be used, or a name on the list that is no venue."""
        for name in self.venues or ():
            if name not in VENUE_HOSTS:
                raise ValueError(f"allowed.venues: {name} is not a known venue{did_you_mean(name, VENUE_HOSTS)}")
        for venue, told in venues.items():
            refusal = self._refusal(venue, told.jurisdiction)
            if refusal is not None:
                raise ValueError(f"venues.{venue}{refusal}")

    def _refusal(self, venue: str, jurisdiction: str | None) -> str | None:
        """Why a venue may not be used, as the end of a sentence that begins with its place; None when it may."""
        if self.venues is not None and venue not in self.venues:
            return f": is not one of allowed.venues ({', '.join(self.venues)})"
        if self.jurisdictions is None:
            return None
        named = ", ".join(self.jurisdictions)
        if jurisdiction is None:
            return f".jurisdiction: is missing; allowed.jurisdictions ({named}) needs to know where the account is held"
        if jurisdiction in self.jurisdictions or jurisdiction.partition("-")[0] in self.jurisdictions:
            return None
        return f".jurisdiction: {jurisdiction} is not one of allowed.jurisdictions ({named})"


class InstanceSettings(BaseModel):
    """One of several instances that share this book. One of them sends, the others stand by."""

    model_config = SECTION

    name: Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"), BeforeValidator(from_environment)]
    """What this instance is called in the lease, in the log and in metrics; another name for each. `{env: NAME}` takes it from an
    environment variable, so that all instances can have one file."""
    lease_ttl_ms: Annotated[WholeNumber, Field(ge=1_000, le=30_000)] = 3_000
    """How long the lease lasts after each renewal; it is renewed three times within it. No order is valid for longer than what is left of
    it, and after a crash the next instance sends first when it is over and as much time again has passed. The same in every instance."""


class CollateralAsset(ClaimLimits):
    """One asset that may be held as collateral."""

    hedged_as: AssetName | None = None
    """The asset whose perpetuals hedge it; left out, the asset itself. A liquid staking token names its coin."""
    stable: bool = False
    """A stablecoin: it has no delta, is taken for one dollar and counts in what the book owns of it (`policy.settle_exposure_max`)."""


class FileSourceSettings(NamedSource):
    """Collateral read from a watched YAML or CSV file."""

    kind: Literal["file"]
    """The kind of source: `file`."""
    path: PathBesideConfig
    """The file; relative to the folder of this configuration."""
    max_age_ms: Annotated[WholeNumber, Field(ge=1_000, le=86_400_000)] | None = None
    """Longest time since the file was last written; an older one is not believed any more, also when nothing changed. Left out: any."""

    def places(self) -> set[str]:
        """What it reads: no other source may."""
        return {str(self.path)}

    def decides(self) -> str:
        """What of it decisions depend on, as text for the config hash."""
        return f"{self.kind}:{self.name}" + ("" if self.max_age_ms is None else f":{self.max_age_ms}")


SourceSettings = FileSourceSettings | CustodianSourceSettings | RedisSourceSettings | EvmSourceSettings | VenueBalancesSettings
"""Each kind of collateral source."""


class CollateralSettings(BaseModel):
    """What is hedged, and who tells how much of it is held."""

    model_config = SECTION

    assets: Annotated[dict[AssetName, Annotated[CollateralAsset, BeforeValidator(empty_is_default)]], Field(min_length=1)]
    """The assets that count as collateral, by name."""
    sources: tuple[Annotated[SourceSettings, Field(discriminator="kind")], ...] = ()
    """Where totals come from. Each asset at each location has exactly one source."""
    issuers: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9][ -~]{0,39}$")], IssuerSettings] = {}
    """Who issued which stablecoins, by the issuer's name. Of a coin that is not named here its own limit counts alone."""
    claims: Annotated[ClaimsSettings, BeforeValidator(empty_is_default)] = ClaimsSettings()
    """What may be announced before a total confirms it."""

    def custodians(self) -> tuple[CustodianSourceSettings, ...]:
        """The sources that are custodians."""
        return tuple(source for source in self.sources if isinstance(source, CustodianSourceSettings))

    def venues_with_wallets(self) -> frozenset[str]:
        """The venues of which wallets beside the account are read."""
        return frozenset(source.venue for source in self.sources if isinstance(source, VenueBalancesSettings))

    def chains(self) -> tuple[EvmSourceSettings, ...]:
        """The sources that are chains."""
        return tuple(source for source in self.sources if isinstance(source, EvmSourceSettings))

    def decides(self) -> list[str]:
        """What of the sources decisions depend on, as text for the config hash."""
        told = ((source, () if isinstance(source, EvmSourceSettings) else source.tells_of) for source in self.sources)
        return sorted(source.decides() + (f":tells of {','.join(sorted(assets))}" if assets else "") for source, assets in told)

    def source_assets(self) -> dict[str, frozenset[Asset]]:
        """The assets of which each source may tell, where that is not just any: a chain of its tokens."""
        told = {s.name: tuple(s.tokens) if isinstance(s, EvmSourceSettings) else s.tells_of for s in self.sources}
        return {name: frozenset(map(Asset, assets)) for name, assets in told.items() if assets}

    def source_addresses(self) -> dict[str, frozenset[str]]:
        """Where each chain is looked at."""
        return {source.name: frozenset(source.places()) for source in self.chains()}

    def check_told(self) -> None:
        """Raises ValueError with one sentence for a source that may tell of no asset of ours, or is believed of one that it does not."""
        for index, source in enumerate(self.sources):
            told = () if isinstance(source, EvmSourceSettings) else source.tells_of
            here = f"collateral.sources.{index}.tells_of"
            for asset in told:
                if asset not in self.assets:
                    raise ValueError(f"{here}: {asset} is not one of collateral.assets{did_you_mean(asset, self.assets)}")
            believed = source.believed_of if isinstance(source, NamedSource) else ()
            if told and (other := next((where for where in believed if where.partition("@")[0] not in told), None)):
                raise ValueError(f"{here}: leaves out {other.partition('@')[0]}, and the source is believed of {other}")

    def hedged_as(self) -> dict[Asset, Asset]:
        """Which asset each collateral asset is hedged as; stablecoins are not."""
        return {Asset(name): Asset(asset.hedged_as or name) for name, asset in self.assets.items() if not asset.stable}

    def stables(self) -> frozenset[Asset]:
        """The assets that are dollars."""
        return frozenset(Asset(name) for name, asset in self.assets.items() if asset.stable)

    def issued_by(self) -> dict[Asset, str]:
        """The issuer of each stablecoin that has one here."""
        return {Asset(coin): name for name, issuer in self.issuers.items() for coin in issuer.coins}

    def check_issuers(self) -> None:
        """Raises ValueError with one sentence for a coin of two issuers, or one that is hedged."""
        issued: dict[str, str] = {}
        for name, issuer in self.issuers.items():
            here = f"collateral.issuers.{name}.coins"
            for coin in issuer.coins:
                if coin in issued:
                    raise ValueError(f"{here}: {coin} is {issued[coin]}'s already, and a coin has one issuer")
                if coin in self.assets and not self.assets[coin].stable:
                    raise ValueError(f"{here}: {coin} is hedged (collateral.assets.{coin}), and only a stablecoin has an issuer")
                issued[coin] = name

    def issuer_limits(self) -> dict[str, Decimal]:
        """USD of the coins of each issuer that has a limit of its own."""
        return {name: issuer.exposure_max for name, issuer in self.issuers.items() if issuer.exposure_max is not None}

    def believed(self, source: SourceSettings) -> tuple[str, ...]:
        """The places of which a source is believed: a custodian of all that it holds, a chain of all that is looked for on it, a venue
        of its wallets."""
        if isinstance(source, VenueBalancesSettings):
            return tuple(place(Asset(name), location) for name in self.assets for location in source.locations())
        if isinstance(source, CustodianSourceSettings):
            return tuple(place(Asset(name), source.name) for name in self.assets)
        if isinstance(source, EvmSourceSettings):
            return tuple(place(Asset(name), location) for name in source.tokens for location in source.wallets)
        return source.believed_of

    def claim_terms(self) -> ClaimTerms:
        """How announcements are judged, and who is believed of each place."""
        told = self.claims
        return ClaimTerms(
            authorities={where: source.name for source in self.sources for where in self.believed(source)},
            depositors=frozenset(told.depositors),
            limits={Asset(name): asset.limits() for name, asset in self.assets.items()},
            hedge_share=told.hedge_share,
            redemption_ends=told.redemption_ends,
            interval_ms=told.interval_ms,
            pending_max_ms=told.pending_max_ms,
            settle_max_ms=told.settle_max_ms,
            lead_ms=told.lead_ms,
            remembered_ms=told.remembered_ms,
        )


def _history(value: Path | None) -> Path | None:
    if value is not None and not value.is_dir():
        raise ValueError("there is no such folder")
    return value


class SimulatorSettings(BaseModel):
    """The venues on this machine that `hedgebot simulate` starts."""

    model_config = SECTION

    listen: AddressText = Address("127.0.0.1", 8700)
    """One port serves all venues; requests are told apart by their Host header. Loopback only."""
    seed: Annotated[WholeNumber, Field(ge=0)] = 1
    """Seed of market prices and funding: the same seed, the same market."""
    speed: Annotated[ExactNumber, Field(ge=Decimal("0.001"), le=10_000)] = Decimal(1)
    """Market seconds per wall second. Guards and expiries always run on wall time."""
    tick_ms: Annotated[WholeNumber, Field(ge=1, le=1_000)] = 100
    """How often the market moves, and the venues tell of it, in milliseconds of wall time."""
    history: Annotated[PathBesideConfig | None, AfterValidator(_history)] = None
    """Folder of real market history (Parquet) to replay instead of generated prices."""
    window: Annotated[str, Field(pattern=_WINDOW.pattern)] | None = None
    """Part of the history to replay, `FROM..TO` in UTC, for example 2025-02-21..2025-02-22."""
    custodian: SimulatedCustodianSettings | None = None
    """A custodian beside the venues."""
    wallets: dict[str, dict[str, Held]] = {}
    """What lies in wallets beside the account at the start, by venue, wallet (`funding`, `spot`) and asset."""
    balances: dict[str, Held] = {}
    """Wallet of each account at the start, by venue and asset; where a venue is left out 1,000,000 USDT, on `hyperliquid` as many USDC, or
    20 BTC and 400 ETH on `binancecoinm`."""

    def balances_of(self, venue: str) -> dict[Asset, Decimal]:
        """The wallet with which the account at `venue` starts, in the assets' own units."""
        usual = _WALLETS.get(venue, {"USDT": Decimal(1_000_000)})
        return {Asset(asset): held for asset, held in self.balances.get(venue, usual).items()}
