"""Logs, headers and terms for tests of the EVM watcher, with everything that a test does not care about filled in."""

from __future__ import annotations

from typing import Any

from eth_utils.address import to_checksum_address

from bot.adapters.collateral.evm.chain import Header
from bot.adapters.collateral.evm.logs import MintKind, MintLog


def address(number: int) -> str:
    return to_checksum_address(f"0x{number:040x}")


def block_hash(number: int, branch: str = "a") -> str:
    return "0x" + f"{branch}{number:x}".rjust(64, "0")


def header(number: int, branch: str = "a") -> Header:
    return Header(number, block_hash(number, branch), 1_700_000_000 + 12 * number)


def mint(transaction: str, block: int, *, branch: str = "a", amount: int = 5, **told: Any) -> MintLog:
    fixed: dict[str, Any] = {
        "place": 0,
        "contract": address(1),
        "kind": MintKind.MINT,
        "collateral": address(2),
        "collateral_amount": amount,
        "stable_amount": 7,
        "benefactor": address(3),
        "beneficiary": address(4),
        "order": None,
    }
    return MintLog(transaction=transaction, block=block, block_hash=block_hash(block, branch), **(fixed | told))
