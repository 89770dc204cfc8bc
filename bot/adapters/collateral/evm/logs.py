"""Logs of mint contracts, decoded: who minted or redeemed against how much of which collateral.

Signatures are those of the deployed contracts of Ethena (V1 to July 2024, V2 since) and of its sister for USDtb; each has a topic of its
own. `order_id` is an indexed string: the chain keeps only its Keccak hash.

A log is known by its transaction and its place among the watched logs of it. Both survive a reorg that puts the transaction into another
block; block and log index do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils.abi import event_signature_to_log_topic
from eth_utils.address import to_checksum_address

from bot.adapters.collateral.evm.terms import Address, MintLayout


class MintKind(StrEnum):
    """Which way collateral goes."""

    MINT = "mint"
    """Collateral comes in."""
    REDEEM = "redeem"
    """Collateral goes out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawLog:
    """A log as a node tells it; topics and data are bytes, hashes hexadecimal with `0x`."""

    address: Address
    topics: tuple[bytes, ...]
    data: bytes
    block: int
    block_hash: str
    transaction: str
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MintLog:
    """A mint or redemption. Amounts are in the smallest units of the token `collateral`, and of the stablecoin."""

    transaction: str
    place: int
    """Its number among the watched logs of its transaction, from 0."""
    contract: Address
    kind: MintKind
    collateral: Address
    collateral_amount: int
    stable_amount: int
    benefactor: Address
    beneficiary: Address
    order: str | None
    """Keccak hash of the order's id, None where the contract tells none."""
    block: int
    block_hash: str

    @property
    def key(self) -> tuple[str, int]:
        """What it is known by, whatever block it stands in."""
        return self.transaction, self.place

    def says_as(self, other: MintLog) -> bool:
        """Whether both say the same of the same thing; the block may differ."""
        return self._content() == other._content()

    def _content(self) -> tuple[object, ...]:
        return (
            *(self.key, self.contract, self.kind, self.collateral, self.collateral_amount, self.stable_amount),
            *(self.benefactor, self.beneficiary, self.order),
        )


class LogMalformed(ValueError):
    """A log with a known topic that its layout does not fit: one sentence."""


_ORDER_V2 = "address,string,address,address,address,uint256,uint256"
_ORDER_V1 = "address,address,address,address,uint256,uint256"
_ORDER_USTB = "string,address,address,address,address,uint256,uint256"
_ARGUMENTS = {MintLayout.ETHENA_V2: _ORDER_V2, MintLayout.ETHENA_V1: _ORDER_V1, MintLayout.USTB: _ORDER_USTB}
_EVENTS = {MintKind.MINT: "Mint", MintKind.REDEEM: "Redeem"}

TOPICS: Mapping[MintLayout, Mapping[bytes, MintKind]] = {
    layout: {bytes(event_signature_to_log_topic(f"{name}({arguments})")): kind for kind, name in _EVENTS.items()}
    for layout, arguments in _ARGUMENTS.items()
}
"""The first topic of each event, by layout."""


def topics_of(layouts: Iterable[MintLayout]) -> list[str]:
    """The first topics that these layouts have, hexadecimal, for a filter."""
    return sorted({"0x" + topic.hex() for layout in layouts for topic in TOPICS[layout]})


def decoded(logs: Iterable[RawLog], mints: Mapping[Address, MintLayout]) -> list[MintLog]:
    """The mints and redemptions among logs, in their order on the chain. Raises LogMalformed.

    A log of another contract, or with a topic that its contract's layout has not, is none of ours.
    """
    found: list[MintLog] = []
    places: dict[str, int] = {}
    for log in sorted(logs, key=lambda each: (each.block, each.index)):
        layout = mints.get(log.address)
        kind = None if layout is None or not log.topics else TOPICS[layout].get(log.topics[0])
        if layout is None or kind is None:
            continue
        place = places.get(log.transaction, 0)
        places[log.transaction] = place + 1
        found.append(_decoded(log, layout, kind, place))
    return found


def _decoded(log: RawLog, layout: MintLayout, kind: MintKind, place: int) -> MintLog:
    topics = log.topics[1:]
    try:
        if len(topics) != 3:
            raise LogMalformed(f"a {kind} of {log.address} has {len(topics)} indexed arguments instead of 3")
        if layout is MintLayout.ETHENA_V1:
            _, benefactor, beneficiary = _all(("address", "address", "address"), log.data)
            (collateral,), (amount,), (stable,) = (
                _all(("address",), topics[0]),
                _all(("uint256",), topics[1]),
                _all(("uint256",), topics[2]),
            )
            order = None
        else:
            _, collateral, amount, stable = _all(("address", "address", "uint256", "uint256"), log.data)
            (benefactor,), (beneficiary,) = _all(("address",), topics[1]), _all(("address",), topics[2])
            order = "0x" + topics[0].hex()
    except DecodingError as error:
        raise LogMalformed(f"a {kind} of {log.address} cannot be read: {' '.join(str(error).split())[:100]}") from None
    return MintLog(
        transaction=log.transaction,
        place=place,
        contract=log.address,
        kind=kind,
        collateral=to_checksum_address(collateral),
        collateral_amount=amount,
        stable_amount=stable,
        benefactor=to_checksum_address(benefactor),
        beneficiary=to_checksum_address(beneficiary),
        order=order,
        block=log.block,
        block_hash=log.block_hash,
    )


def _all(kinds: tuple[str, ...], data: bytes) -> tuple[Any, ...]:
    """The values that fill `data` exactly. Raises DecodingError, LogMalformed."""
    if len(data) != 32 * len(kinds):
        raise LogMalformed(f"{len(data)} bytes stand where {32 * len(kinds)} belong")
    return tuple(decode(kinds, data))


def exactly(amount: int, decimals: int) -> Decimal:
    """An amount of smallest units in whole tokens, without rounding: a contract's numbers have up to 78 digits."""
    sign, digits = (1 if amount < 0 else 0), tuple(int(digit) for digit in str(abs(amount)))
    return Decimal((sign, digits, -decimals))
