"""Collateral on an EVM chain: which endpoints are asked, which tokens at which custody addresses count, which mint contracts announce."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, model_validator

from bot.config.errors import did_you_mean
from bot.config.values import ADDRESS, SECTION, AssetName, Secret, WholeNumber, empty_is_default, is_loopback
from bot.core.units import Asset

_SCHEMES = ("https", "wss", "http", "ws")
NEEDS_EXTRA = "a source of kind evm needs packages that are not installed here; install hedgebot with the extra `evm`"


def _checksummed(value: str) -> str:
    try:
        from eth_utils.address import is_checksum_address, to_checksum_address
    except ImportError:
        raise ValueError(NEEDS_EXTRA) from None
    if not ADDRESS.fullmatch(value):
        raise ValueError("an address is 0x and 40 hexadecimal digits")
    if not is_checksum_address(value):
        raise ValueError(f"its checksum (EIP-55) is wrong or missing; if no digit is mistyped it is written {to_checksum_address(value)}")
    return value


EvmAddress = Annotated[str, AfterValidator(_checksummed)]
Location = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]


def _two(endpoints: tuple[Secret, ...]) -> tuple[Secret, ...]:
    if len(endpoints) != 2:
        raise ValueError(f"two endpoints are needed, which are compared, and {len(endpoints)} are named")
    return endpoints


class EvmTokenSettings(BaseModel):
    """One asset on the chain."""

    model_config = SECTION

    contract: EvmAddress | None = None
    """Address of the token's contract (ERC-20), with its checksum. Left out: the chain's own coin."""
    decimals: Annotated[WholeNumber, Field(ge=0, le=40)] | None = None
    """How many decimals the token must have. Left out: as many as its contract says."""
    rate: Literal["one", "stEthPerToken", "exchangeRate", "getExchangeRate", "convertToAssets"] | None = None
    """The contract's function that tells how much one token redeems for. `one`: always one, as with tokens whose balances grow instead
    (stETH). May be left out, and is then one, where the asset is hedged as itself."""
    rate_contract: EvmAddress | None = None
    """Address of the contract that has the function. Left out: the token's own."""
    rate_decimals: Annotated[WholeNumber, Field(ge=0, le=40)] = 18
    """Decimals of what the function answers. For `convertToAssets` they are read from the vault's asset instead."""

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> EvmTokenSettings:
        has_function = self.rate not in {None, "one"}
        if self.rate_contract is not None and not has_function:
            raise ValueError("rate_contract is of no use without the function that is to be asked: name it as rate")
        if has_function and self.contract is None and self.rate_contract is None:
            raise ValueError("the chain's own coin has no contract with a rate: name one as rate_contract")
        return self


class EvmMintSettings(BaseModel):
    """One contract that mints a stablecoin against collateral, and redeems it."""

    model_config = SECTION

    layout: Literal["ethena_v2", "ethena_v1", "ustb"] = "ethena_v2"
    """Which events it has: of Ethena's contract since July 2024, of the one before it, or of USDtb's."""
    location: Location
    """Where the collateral of its mints goes: one of `wallets`."""


class EvmSourceSettings(BaseModel):
    """Collateral read from custody addresses on an EVM chain."""

    model_config = SECTION

    kind: Literal["evm"]
    """The kind of source: `evm`."""
    name: Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[a-z][a-z0-9_-]*$")]
    """What the source is called in the journal, in metrics and on screen."""
    chain_id: Annotated[WholeNumber, Field(ge=1)]
    """Number of the chain; an endpoint on another chain is not believed. Ethereum: 1."""
    endpoints: Annotated[tuple[Secret, ...], AfterValidator(_two)]
    """URLs of two JSON-RPC endpoints (`https`, `wss`, `http`, `ws`) that do not depend on each other. Totals are believed while both say
    the same. With a key in it a URL is a secret: `{env: NAME}` or `{file: path}`. WebSocket endpoints tell of new blocks at once."""
    confirmations: Annotated[WholeNumber, Field(ge=1, le=96)] = 12
    """Blocks that a total must have, its own included. Balances are read at that depth; full nodes keep the last 128 states."""
    tokens: Annotated[dict[AssetName, Annotated[EvmTokenSettings, BeforeValidator(empty_is_default)]], Field(min_length=1)]
    """The assets that count, by name; each must be one of `collateral.assets`."""
    wallets: Annotated[dict[Location, EvmAddress], Field(min_length=1)]
    """Custody addresses by the location that they are called by. Every token is looked for at every one of them."""
    mints: dict[EvmAddress, EvmMintSettings] = {}
    """Mint contracts whose mints and redemptions are announced before their totals are confirmed, by address."""
    lag_blocks_max: Annotated[WholeNumber, Field(ge=0, le=100)] = 3
    """By how many blocks one endpoint may be behind the other before the totals count as stale."""
    head_age_max_ms: Annotated[WholeNumber, Field(ge=1_000, le=3_600_000)] = 120_000
    """Longest time since the newest block was made, by our clock, before the totals count as stale."""
    poll_ms: Annotated[WholeNumber, Field(ge=100, le=60_000)] = 4_000
    """Pause between two looks for a new block, where no endpoint tells of one sooner."""
    backfill_blocks: Annotated[WholeNumber, Field(ge=1, le=1_000_000)] = 7_200
    """From how many blocks back announcements are read after a start. Those that were told before count once."""
    range_blocks_max: Annotated[WholeNumber, Field(ge=1, le=100_000)] = 1_000
    """Most blocks whose announcements are asked for at once. It is halved where an endpoint refuses."""

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> EvmSourceSettings:
        urls = [_url(number, endpoint) for number, endpoint in enumerate(self.endpoints, 1)]
        if urls[0].geturl() == urls[1].geturl():
            raise ValueError("both endpoints are the same URL, and one that is wrong would then agree with itself")
        twice = _repeated(self.wallets.values())
        if twice is not None:
            raise ValueError(f"wallets: {twice} stands at two locations and would count twice")
        twice = _repeated(token.contract or "the chain's own coin" for token in self.tokens.values())
        if twice is not None:
            raise ValueError(f"tokens: {twice} stands for two assets and would count twice")
        for address, mint in self.mints.items():
            if mint.location not in self.wallets:
                raise ValueError(f"mints.{address}.location: {mint.location!r} is none of wallets ({', '.join(sorted(self.wallets))})")
        return self

    def places(self) -> set[str]:
        """What it counts, as chain, token and address: no other source may."""
        return {
            f"{self.chain_id}:{token.contract or 'coin'}:{wallet}" for token in self.tokens.values() for wallet in self.wallets.values()
        }

    def decides(self) -> str:
        """What of it decisions depend on, as text for the config hash: no endpoint, and nothing that is only a matter of speed."""
        decisive = self.model_dump(mode="json", exclude={"endpoints", "poll_ms", "range_blocks_max"})
        return json.dumps(decisive, sort_keys=True)

    def secrets(self) -> tuple[str, ...]:
        """Every secret's value, for the log's redaction."""
        found: list[str] = []
        for endpoint in self.endpoints:
            parts = urlsplit(endpoint.reveal())
            if _is_secret(parts):
                found += [part for part in (endpoint.reveal(), parts.path.strip("/"), parts.query, parts.password) if part]
        return tuple(found)

    def masked(self) -> dict[str, list[str]]:
        """The URLs for people, without what lets anybody in."""
        return {"endpoints": [f"{_masked(urlsplit(endpoint.reveal()))} ({endpoint.source})" for endpoint in self.endpoints]}

    def check(self, here: str, hedged_as: Mapping[Asset, Asset], stables: Collection[Asset], *, simulated: bool) -> None:
        """Whether it fits what counts as collateral. Raises ValueError with a sentence that begins with `here`."""
        for name, token in self.tokens.items():
            asset = Asset(name)
            if asset not in hedged_as and asset not in stables:
                raise ValueError(f"{here}.tokens.{name}: is not one of collateral.assets{did_you_mean(name, {*hedged_as, *stables})}")
            if token.rate is None and hedged_as.get(asset, asset) != asset:
                raise ValueError(
                    f"{here}.tokens.{name}.rate: is missing; {name} is hedged as {hedged_as[asset]}, and nothing tells how much of it one"
                    " redeems for"
                )
        if not simulated and any(endpoint.text is not None and _is_secret(urlsplit(endpoint.reveal())) for endpoint in self.endpoints):
            raise ValueError(
                f"{here}.endpoints: a URL with a key may be written into the config only in a simulation; write {{env: NAME}} or"
                " {file: path}"
            )

    def warnings(self) -> list[str]:
        """Hosts beyond this machine that are asked without TLS, one sentence each."""
        parts = [urlsplit(endpoint.reveal()) for endpoint in self.endpoints]
        hosts = [str(part.hostname) for part in parts if part.scheme in {"http", "ws"} and not is_loopback(str(part.hostname))]
        return [f"{self.name} asks {host} without TLS: whoever is on the way there may say what he likes." for host in hosts]


def _url(number: int, endpoint: Secret) -> SplitResult:
    try:
        parts = urlsplit(endpoint.reveal())
        is_whole = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0 and not parts.fragment
    except ValueError:
        is_whole = False
    if not is_whole:
        raise ValueError(f"endpoints: the {'first' if number == 1 else 'second'} is no URL that begins with {', '.join(_SCHEMES)}://")
    return urlsplit(endpoint.reveal())


def _is_secret(parts: SplitResult) -> bool:
    return bool(parts.path.strip("/") or parts.query or parts.username or parts.password)


def _masked(parts: SplitResult) -> str:
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else str(parts.hostname)
    port = "" if parts.port is None else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}" + ("/***" if _is_secret(parts) else "")


def _repeated(values: Iterable[str]) -> str | None:
    return next((value for value, times in Counter(values).items() if times > 1), None)
