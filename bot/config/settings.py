"""`Settings`: the whole configuration, and what only the whole can tell: contradictions, hash, identity, a dump without secrets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, Field, ValidationError, model_validator

from bot.config.balances_section import VENUES_WITH_BALANCES, WALLET_HOSTS, VenueBalancesSettings
from bot.config.claims_section import RedisSourceSettings
from bot.config.control_section import ControlSettings
from bot.config.custodian_section import CustodianSourceSettings
from bot.config.document import CONTROL_SOCKET, HALT_FILE, read_document
from bot.config.errors import ConfigError, did_you_mean, one_sentence
from bot.config.evm_section import EvmSourceSettings
from bot.config.journal_section import JournalSettings
from bot.config.mainnet import check_second_switch
from bot.config.policy_section import PolicySection, check_policy, plain
from bot.config.sections import (
    VENUE_HOSTS,
    VENUES_WITH_PASSPHRASE,
    VENUES_WITH_WALLET,
    AllowedSettings,
    CollateralSettings,
    Environment,
    InstanceSettings,
    LoggingSettings,
    SimulatorSettings,
    VenueSettings,
)
from bot.config.values import (
    ADDRESS,
    PRIVATE_KEY,
    SECTION,
    Address,
    AddressText,
    Credentials,
    LoopbackUrl,
    PathBesideConfig,
    ProxyUrl,
    empty_is_default,
    fits_a_header,
    is_loopback,
)
from bot.core.policy import Policy
from bot.core.units import ONE, InstrumentId, VenueId


def _known_environment(value: Any) -> Any:
    names = [environment.value for environment in Environment]
    if value not in names:
        raise ValueError(f"expected {', '.join(names[:-1])} or {names[-1]}")
    return value


class Settings(BaseModel):
    """Everything that a run is told before it starts."""

    model_config = SECTION

    environment: Annotated[Environment, BeforeValidator(_known_environment)]
    """Which world is meant; there is no default. `testnet`: each venue's own environment for trying things out. `demo`: the demo
    accounts of a real account, at the venues that have them. `mainnet` needs a second switch beside the file: the environment variable
    HEDGEBOT_MAINNET, set to this book's `name`. Which hosts that is: [venues.md](venues.md)."""
    name: Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[a-z][a-z0-9_-]*$")] = "hedgebot"
    """Whose book this is. The journal belongs to this name, so that two books never share one by mistake."""
    state_dir: PathBesideConfig
    """Folder of the journal, of what stands beside it, the control socket and the halt file; relative to the folder of this file."""
    journal: Annotated[JournalSettings, BeforeValidator(empty_is_default)] = JournalSettings()
    """Where the journal is kept: a path, or the URL of a Redis server."""
    listen: AddressText = Address("127.0.0.1", 9108)
    """Where /metrics, /healthz and /readyz are served; port 0 takes any free one."""
    control: ControlSettings | None = None
    """Where people ask the bot over TCP, with a token, beside its unix socket. Left out: on the socket alone."""
    instance: InstanceSettings | None = None
    """Where several instances share this book: which of them this is. Left out: there is only one, and it sends whenever it runs."""
    logging: Annotated[LoggingSettings, BeforeValidator(empty_is_default)] = LoggingSettings()
    """What is written to the log."""
    routes: dict[str, LoopbackUrl] = {}
    """Simulation only: where each venue host lives on this machine, `host: http://127.0.0.1:PORT`. Hosts not listed are refused."""
    allowed: AllowedSettings = AllowedSettings()
    """The venues and jurisdictions that the desk may trade in. Left out: any venue that is known."""
    proxy: ProxyUrl | None = None
    """Forward proxy through which everything outside is reached: venues (REST and WebSocket), custodians and chains, not Redis.
    `http://HOST:PORT`; TLS goes through it end to end (CONNECT). What may leave is decided here as without one."""
    venues: Annotated[dict[str, VenueSettings], Field(min_length=1)]
    """The venues that carry the hedge: `binanceusdm`, `binancecoinm`, `bybit`, `deribit`, `okx`, `hyperliquid`."""
    collateral: CollateralSettings
    """What is hedged."""
    policy: Annotated[PolicySection, BeforeValidator(empty_is_default)] = PolicySection()
    """Limits and tastes; every field has a default."""
    simulator: SimulatorSettings | None = None
    """Only for `hedgebot simulate`."""

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Settings:
        if self.environment is Environment.MAINNET:
            check_second_switch(self.name)
        checks = (_check_venues, _check_routes, _check_credentials, _check_journal, _check_instance)
        for check in (*checks, _check_sources, _check_assets, _check_simulator):
            check(self)
        if self.control is not None:
            self.control.check(self.listen, simulated=self.environment is Environment.SIMULATION)
        check_policy(self.to_policy(), venues=len(self.venues))
        return self

    @property
    def journal_path(self) -> Path:
        """The embedded journal's file."""
        return self.journal.path or self.state_dir / "journal.sqlite"

    @property
    def archive_dir(self) -> Path:
        """The folder of entries that were moved out of the journal."""
        return self.journal.archive_dir or self.state_dir / "journal-archive"

    @property
    def control_path(self) -> Path:
        """The unix socket on which a running bot tells its statement."""
        return self.state_dir / CONTROL_SOCKET

    @property
    def halt_path(self) -> Path:
        """The file that halts the book while it is there."""
        return self.state_dir / HALT_FILE

    @property
    def intents_path(self) -> Path:
        """What left while the journal took nothing, until the journal has it."""
        return self.state_dir / f"intents-{self.name}.jsonl"

    @property
    def identity(self) -> str:
        """What a journal belongs to: environment, book and venues. Limits, routes and keys may change under a journal; these may not."""
        return f"{self.environment.value} book {self.name} on {', '.join(sorted(self.venues))}"

    @property
    def config_hash(self) -> str:
        """Sixteen hex digits over all that decisions depend on: no secrets, no paths, no addresses."""
        decides = {
            "identity": self.identity,
            "venues": {venue: [sorted(told.instruments), told.leverage] for venue, told in self.venues.items()},
            "assets": dict(self.collateral.hedged_as()),
            "sources": self.collateral.decides(),
            "policy": {name: plain(Decimal(value)) for name, value in self.policy.values().items()},
            "claims": self.collateral.model_dump(mode="json", include={"assets", "claims", "issuers"}),
            "believed": dict(self.collateral.claim_terms().authorities),
        }
        return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:16]

    def to_policy(self) -> Policy:
        """What the core decides by."""
        return Policy(
            collateral_assets=self.collateral.hedged_as(),
            collateral_sources=frozenset(source.name for source in self.collateral.sources),
            source_assets=self.collateral.source_assets(),
            source_addresses=self.collateral.source_addresses(),
            stables=self.collateral.stables(),
            issuers=self.collateral.issued_by(),
            issuer_exposure_max=self.collateral.issuer_limits(),
            claims=self.collateral.claim_terms(),
            instruments=frozenset(InstrumentId(f"{name}:{symbol}") for name, told in self.venues.items() for symbol in told.instruments),
            **self.policy.values(),
        )

    def venue(self, venue: VenueId) -> VenueSettings:
        """One venue's section. Raises KeyError for a venue that is not configured."""
        return self.venues[venue]

    def secret_values(self) -> tuple[str, ...]:
        """Every secret's value, for the log's redaction and nothing else."""
        of_venues = (secret.reveal() for told in self.venues.values() for secret in told.credentials.named().values())
        of_custodians = (source.api_key.reveal() for source in self.collateral.custodians())
        of_streams = (secret for source in self._on_streams() for secret in source.secrets())
        of_chains = (secret for source in self.collateral.chains() for secret in source.secrets())
        of_control = () if self.control is None else (self.control.token.reveal(),)
        return (*of_venues, *of_custodians, *of_streams, *of_chains, *of_control, *self.journal.secrets())

    def _on_streams(self) -> list[RedisSourceSettings]:
        return [source for source in self.collateral.sources if isinstance(source, RedisSourceSettings)]

    def masked_dump(self) -> dict[str, Any]:
        """The resolved settings as plain values for people, with the place of each secret instead of its value."""
        dump = self.model_dump(mode="json", exclude={"policy"})
        dump["policy"] = {name: str(value) for name, value in self.policy.values().items()}
        for venue, told in self.venues.items():
            dump["venues"][venue]["credentials"] = {name: f"(hidden; {secret.source})" for name, secret in told.credentials.named().items()}
        for row, source in zip(dump["collateral"]["sources"], self.collateral.sources, strict=True):
            if isinstance(source, CustodianSourceSettings):
                row["api_key"] = f"(hidden; {source.api_key.source})"
            if isinstance(source, RedisSourceSettings | EvmSourceSettings):
                row |= source.masked()
        if self.control is not None:
            dump["control"] = self.control.masked(dump["control"])
        if self.journal.url is not None and self.journal.address is not None:
            dump["journal"]["url"] = f"{self.journal.address.masked()} ({self.journal.url.source})"
        return dump

    def warnings(self) -> list[str]:
        """What is allowed and still worth a second look, one sentence each."""
        found = []
        share, count = self.policy.values()["venue_share_max"], len(self.venues)
        if share * (count - 1) < ONE:
            found.append(
                f"With one of {count} venues gone the rest may carry {plain(share * (count - 1))} of the hedge (policy.venue_share_max"
                f" {plain(share)}): the book could then not be fully hedged."
            )
        for venue, told in self.venues.items():
            if told.leverage < self.policy.values()["leverage_max"]:
                found.append(
                    f"{venue} is set to {told.leverage}x and policy.leverage_max allows {plain(self.policy.values()['leverage_max'])}x: the"
                    " venue would refuse what the policy allows."
                )
        symbols = [symbol for told in self.venues.values() for symbol in told.instruments]
        for asset, hedge in self.collateral.hedged_as().items():
            if not any(symbol.upper().startswith(hedge.upper()) for symbol in symbols):
                found.append(f"No instrument's name starts with {hedge}: {asset} may have nothing to be hedged with.")
        if not self.collateral.sources:
            found.append("No collateral source is configured: nothing will ever be hedged.")
        unsigned = (source.name for source in self._on_streams() if source.signed_with is None)
        found.extend(f"The source {name} has no key (signed_with): whoever can write to its stream is believed." for name in unsigned)
        found.extend(warning for source in self.collateral.chains() for warning in source.warnings())
        return found


def _check_venues(settings: Settings) -> None:
    for venue in settings.venues:
        if venue not in VENUE_HOSTS:
            raise ValueError(f"venues.{venue}: unknown venue{did_you_mean(venue, VENUE_HOSTS)}")
    settings.allowed.check(settings.venues)


def _check_routes(settings: Settings) -> None:
    if settings.environment is not Environment.SIMULATION:
        if settings.routes:
            raise ValueError(f"routes: only a simulation may say where venue hosts live, and this is {settings.environment.value}")
        return
    if settings.proxy is not None and not is_loopback(urlsplit(settings.proxy).hostname or ""):
        raise ValueError(f"proxy: {settings.proxy} is not allowed: a simulation leaves this machine by no way")
    for host in settings.routes:
        if "/" in host or ":" in host or not host:
            raise ValueError(f"routes.{host}: write the bare host name, for example fapi.binance.com")
    for index, source in enumerate(settings.collateral.sources):
        if isinstance(source, CustodianSourceSettings) and source.host not in settings.routes:
            raise ValueError(
                f"routes.{source.host}: is missing; a simulation needs a loopback URL for it because collateral.sources.{index} asks it"
            )
    for venue in settings.venues:
        for host in VENUE_HOSTS[venue]:
            if host not in settings.routes:
                others = [route for route in settings.routes if route not in {known for hosts in VENUE_HOSTS.values() for known in hosts}]
                raise ValueError(
                    f"routes.{host}: is missing; a simulation needs a loopback URL for it because {venue} uses it{_misspelt(host, others)}"
                )


def _misspelt(host: str, written: list[str]) -> str:
    hint = did_you_mean(host, written) if written else ""
    return f" ({hint.removeprefix(', did you mean ').removesuffix('?')} is not a host of a known venue)" if "did you mean" in hint else ""


def _check_credentials(settings: Settings) -> None:
    for venue, told in settings.venues.items():
        path = f"venues.{venue}.credentials"
        if venue in VENUES_WITH_PASSPHRASE and told.credentials.passphrase is None:
            raise ValueError(f"{path}.passphrase: is missing; {venue} keys have one")
        if venue not in VENUES_WITH_PASSPHRASE and told.credentials.passphrase is not None:
            raise ValueError(f"{path}.passphrase: {venue} keys have none, remove it")
        if venue in VENUES_WITH_WALLET:
            _check_wallet(path, told.credentials)
        for name, secret in told.credentials.named().items():
            if name != "secret" and not fits_a_header(secret.reveal()):
                raise ValueError(f"{path}.{name}: holds a space, a line break or a letter that no key has; write the key alone")
            if secret.text is not None and settings.environment is not Environment.SIMULATION:
                raise ValueError(
                    f"{path}.{name}: a secret may be written into the config only in a simulation; write {{env: NAME}} or {{file: path}}"
                )


def _check_journal(settings: Settings) -> None:
    url, address = settings.journal.url, settings.journal.address
    is_written_out = url is not None and url.text is not None and address is not None and bool(address.secrets())
    if is_written_out and settings.environment is not Environment.SIMULATION:
        raise ValueError(
            "journal.url: a password may be written into the config only in a simulation; write url: {env: NAME} or {file: path}"
        )


def _check_instance(settings: Settings) -> None:
    told = settings.instance
    if told is not None and settings.journal.address is None:
        raise ValueError(
            f"instance: {told.name!r} is one of several, and their journal is a file: only one in Redis (journal.url) can be followed by"
            " the others, and keep the lease"
        )


def _check_wallet(path: str, credentials: Credentials) -> None:
    for name, form, wanted in (
        ("api_key", ADDRESS, "the account's address: 0x and 40 hexadecimal digits"),
        ("secret", PRIVATE_KEY, "a private key: 64 hexadecimal digits, with or without 0x"),
    ):
        if not form.fullmatch(credentials.named()[name].reveal()):
            raise ValueError(f"{path}.{name}: is not {wanted}")


def _check_sources(settings: Settings) -> None:
    names: set[str] = set()
    read: set[str] = set()
    believed: dict[str, str] = {}
    for index, source in enumerate(settings.collateral.sources):
        here = f"collateral.sources.{index}"
        if source.name in names:
            raise ValueError(f"{here}.name: {source.name!r} is the name of two sources")
        if isinstance(source, CustodianSourceSettings):
            hosts = {host for hosts in (*VENUE_HOSTS.values(), *WALLET_HOSTS.values()) for host in hosts}
            source.check(here, settings.venues, hosts, simulated=settings.environment is Environment.SIMULATION)
            what = f"{here}.url: {source.url} is asked"
        elif isinstance(source, RedisSourceSettings):
            _check_stream(settings, here, source)
            what = f"{here}.stream: {min(source.places())} is read"
        elif isinstance(source, EvmSourceSettings):
            source.check(
                here, settings.collateral.hedged_as(), set(settings.collateral.stables()), simulated=settings.environment == "simulation"
            )
            what = f"{here}: {min(source.places())} is read"
        elif isinstance(source, VenueBalancesSettings):
            source.check(here, settings.venues, settings.environment.value, settings.routes)
            what = f"{here}.venue: the {min(source.places())} are read"
        else:
            what = f"{here}.path: {source.path} is read"
        if read & source.places():
            raise ValueError(f"{what} by two sources and would count twice")
        for place in settings.collateral.believed(source):
            asset = place.partition("@")[0]
            if asset not in settings.collateral.assets:
                hint = did_you_mean(asset, settings.collateral.assets)
                raise ValueError(f"{here}.believed_of: {asset} is not one of collateral.assets{hint}")
            if place in believed:
                raise ValueError(f"{here}.believed_of: of {place} {believed[place]} is believed already, and only one source may be")
            believed[place] = source.name
        names.add(source.name)
        read |= source.places()


def _check_stream(settings: Settings, here: str, source: RedisSourceSettings) -> None:
    if source.written_out() and settings.environment is not Environment.SIMULATION:
        raise ValueError(f"{here}: a secret may be written into the config only in a simulation; write {{env: NAME}} or {{file: path}}")


def _check_assets(settings: Settings) -> None:
    for name, asset in settings.collateral.assets.items():
        if asset.stable and asset.hedged_as is not None:
            raise ValueError(f"collateral.assets.{name}.hedged_as: a stablecoin is not hedged, remove it or stable")
    settings.collateral.check_issuers()
    settings.collateral.check_told()


def _check_simulator(settings: Settings) -> None:
    if settings.simulator is None:
        return
    if settings.environment is not Environment.SIMULATION:
        raise ValueError(f"simulator: belongs to a simulation, and this is {settings.environment.value}")
    if not settings.simulator.listen.is_loopback:
        raise ValueError(f"simulator.listen: {settings.simulator.listen} is not allowed: the simulator serves this machine only")
    for venue in settings.simulator.balances:
        if venue not in settings.venues:
            raise ValueError(f"simulator.balances.{venue}: not a configured venue{did_you_mean(venue, settings.venues)}")
    for venue, wallets in settings.simulator.wallets.items():
        there = VENUES_WITH_BALANCES.get(venue, {}).get("simulation", ()) if venue in settings.venues else ()
        for wallet in wallets:
            if wallet not in there:
                raise ValueError(f"simulator.wallets.{venue}.{wallet}: there is no such wallet beside a configured account")
    custodian, asked = settings.simulator.custodian, len(settings.collateral.custodians())
    if custodian is not None and asked != 1:
        raise ValueError(f"simulator.custodian: needs exactly one source of kind custodian that asks it, and there are {asked}")
    for name in () if custodian is None else (*custodian.delegations, *custodian.posted):
        if name not in settings.venues:
            raise ValueError(f"simulator.custodian: {name} is not a configured venue{did_you_mean(name, settings.venues)}")
    if settings.simulator.window is not None and settings.simulator.history is None:
        raise ValueError("simulator.window: is a part of a history, and simulator.history is not set")


def settings_from(document: Mapping[str, Any], *, folder: Path | None = None) -> Settings:
    """The settings that `document` describes, relative paths below `folder`. Raises ConfigError with one sentence."""
    try:
        return Settings.model_validate(dict(document), context={"folder": folder})
    except ValidationError as error:
        raise ConfigError(one_sentence(error, Settings)) from None


def load(path: Path) -> Settings:
    """The settings in the YAML file at `path`. Raises ConfigError with one sentence, before anything is opened or sent."""
    return settings_from(read_document(path), folder=path.absolute().parent)
