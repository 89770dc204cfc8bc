"""Balances and redemption rates at one block, asked of one endpoint and made exact.

What a contract answers is taken as it is or not at all: an empty answer (no contract at that address), one of another length, a rate of
zero or decimals that differ from the configured ones are failures, and never a zero.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from eth_abi.abi import encode
from eth_utils.abi import function_signature_to_4byte_selector as selector

from bot.adapters.collateral.evm.logs import exactly
from bot.adapters.collateral.evm.node import Node, NodeFailed, all_of
from bot.adapters.collateral.evm.terms import COIN_DECIMALS, Address, ChainTerms, RateFunction, Token
from bot.core.units import ONE, Asset

_AT_ONCE = 8
"""Questions that one endpoint is asked at the same time: public ones refuse bursts."""

DECIMALS_MAX = 40
"""More decimals than any token has that is meant."""


@dataclass(frozen=True, slots=True)
class RawTotals:
    """What one endpoint says of one block, as the contracts say it. Two endpoints that say the same are equal."""

    balances: Mapping[tuple[Asset, str], int]
    rates: Mapping[Asset, int]


@dataclass(frozen=True, slots=True)
class Total:
    """A balance in whole tokens, and base units per token."""

    quantity: Decimal
    rate: Decimal


@dataclass(frozen=True, slots=True)
class Scale:
    """Decimals of a token and of its rate."""

    token: int
    rate: int


async def read_scales(node: Node, terms: ChainTerms, block: int) -> dict[Asset, Scale]:
    """The decimals of every token, as the contracts say them. Raises NodeFailed, also when they differ from the configured ones."""
    return {token.asset: await _scale(node, token, block) for token in terms.tokens}


async def _scale(node: Node, token: Token, block: int) -> Scale:
    decimals = COIN_DECIMALS
    if token.contract is not None:
        decimals = await _decimals(node, token.contract, f"decimals of {token.asset}", block)
    if token.decimals is not None and token.decimals != decimals:
        raise NodeFailed(f"{token.asset} has {decimals} decimals, and {token.decimals} are configured")
    rate_decimals = token.rate_decimals
    if token.rate is RateFunction.CONVERT_TO_ASSETS:
        vault = _rate_contract(token)
        base = await _word(node, vault, selector("asset()"), f"asset of the vault {vault}", block)
        rate_decimals = await _decimals(node, _address(base), f"decimals of the asset of {vault}", block)
    return Scale(decimals, rate_decimals)


async def _decimals(node: Node, contract: Address, what: str, block: int) -> int:
    found = await _word(node, contract, selector("decimals()"), what, block)
    if found > DECIMALS_MAX:
        raise NodeFailed(f"{what}: {found} makes no sense")
    return found


async def read_totals(node: Node, terms: ChainTerms, scales: Mapping[Asset, Scale], block: int) -> RawTotals:
    """Every balance and rate after `block`. Raises NodeFailed: all of them, or none."""
    at_once = asyncio.Semaphore(_AT_ONCE)

    async def balance(token: Token, wallet: Address) -> int:
        async with at_once:
            if token.contract is None:
                return await node.coin_balance(wallet, block)
            asked = selector("balanceOf(address)") + encode(["address"], [wallet])
            return await _word(node, token.contract, asked, f"balance of {token.asset}", block)

    async def rate(token: Token) -> int:
        async with at_once:
            return await _rate(node, token, scales[token.asset], block)

    places = [(token, location) for token in terms.tokens for location in terms.wallets]
    rated = [token for token in terms.tokens if token.rate is not None]
    balances = await all_of(balance(token, terms.wallets[location]) for token, location in places)
    rates = await all_of(rate(token) for token in rated)
    return RawTotals(
        {(token.asset, location): found for (token, location), found in zip(places, balances, strict=True)},
        {token.asset: found for token, found in zip(rated, rates, strict=True)},
    )


async def _rate(node: Node, token: Token, scale: Scale, block: int) -> int:
    if token.rate is RateFunction.CONVERT_TO_ASSETS:
        asked = selector("convertToAssets(uint256)") + encode(["uint256"], [10**scale.token])
    else:
        asked = selector(f"{token.rate}()")
    found = await _word(node, _rate_contract(token), asked, f"redemption rate of {token.asset}", block)
    if found == 0:
        raise NodeFailed(f"redemption rate of {token.asset}: zero makes no sense")
    return found


def exact_totals(raw: RawTotals, scales: Mapping[Asset, Scale]) -> dict[tuple[Asset, str], Total]:
    """The totals without rounding; an asset without a rate function redeems one for one."""
    rates = {asset: exactly(found, scales[asset].rate) for asset, found in raw.rates.items()}
    return {
        (asset, location): Total(exactly(found, scales[asset].token), rates.get(asset, ONE))
        for (asset, location), found in raw.balances.items()
    }


def _rate_contract(token: Token) -> Address:
    contract = token.rate_contract or token.contract
    if contract is None:
        raise ValueError(f"{token.asset} has a rate function and no contract that has it")
    return contract


async def _word(node: Node, contract: Address, asked: bytes, what: str, block: int) -> int:
    answer = await node.call(contract, asked, block)
    if not answer:
        raise NodeFailed(f"{what}: there is no such function, or no contract, at {contract}")
    if len(answer) != 32:
        raise NodeFailed(f"{what}: the contract at {contract} answered {len(answer)} bytes instead of one number")
    return int.from_bytes(answer)


def _address(word: int) -> Address:
    return f"0x{word:040x}"
