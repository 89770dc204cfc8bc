"""What is watched on a chain, and how much of it is believed when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from bot.core.units import Asset, Millis

Address = str
"""`0x` and 40 hexadecimal digits, with the checksum of EIP-55 in their case."""

COIN_DECIMALS = 18
"""Decimals of the chain's own coin, by the protocol."""


class RateFunction(StrEnum):
    """The function of a contract that answers how much of its base one whole token redeems for."""

    ST_ETH_PER_TOKEN = "stEthPerToken"  # noqa: S105  a function's name, no password
    """Lido's wstETH."""
    EXCHANGE_RATE = "exchangeRate"
    """WBETH, cbETH."""
    GET_EXCHANGE_RATE = "getExchangeRate"
    """Rocket Pool's rETH."""
    CONVERT_TO_ASSETS = "convertToAssets"
    """Any ERC-4626 vault: the assets that one whole share is worth, in the decimals of the vault's asset."""


class MintLayout(StrEnum):
    """How a mint contract lays out its events."""

    ETHENA_V2 = "ethena_v2"
    ETHENA_V1 = "ethena_v1"
    USTB = "ustb"


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One asset on the chain.

    `contract` None: the chain's own coin. `decimals` None: as the contract says. `rate` None: one token is one base unit, by definition.
    """

    asset: Asset
    contract: Address | None
    decimals: int | None = None
    rate: RateFunction | None = None
    rate_contract: Address | None = None
    rate_decimals: int = 18


@dataclass(frozen=True, slots=True)
class MintContract:
    """A contract that tells of mints and redemptions, and the location that their collateral comes to and leaves from."""

    layout: MintLayout
    location: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainTerms:
    """All that one source is told. Block numbers count from 0; a block that nothing was built upon has one confirmation."""

    chain_id: int
    tokens: tuple[Token, ...]
    wallets: Mapping[str, Address]
    """Custody addresses by the location that they are called by."""
    mints: Mapping[Address, MintContract]
    confirmations: int
    lag_blocks_max: int
    """By how many blocks the two endpoints may be apart."""
    head_age_max: Millis
    """Longest time since the newest block was made."""
    backfill_blocks: int
    """How many blocks before the present one a start reads announcements from."""
    range_blocks_max: int
    """The most blocks that are asked for at once."""
    poll_s: float

    def confirmed_at(self, head: int) -> int:
        """The newest block that has the wanted confirmations under a head; negative: none has."""
        return head - self.confirmations + 1
