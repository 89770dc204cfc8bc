"""Who signed an action: the signer's address, recovered from the signature.

An L1 action is hashed as it stands (MessagePack in the order of its keys, then the nonce, the vault and the expiry), that hash is the
`connectionId` of a phantom agent, and the agent is signed as EIP-712 typed data of the domain `Exchange`, chain 1337. The agent's
`source` is `a` on mainnet and `b` on testnet. Whoever changes a single byte of an action therefore signs as a stranger: there is no
"wrong signature", only an address that nobody knows.
Source: Hyperliquid docs, "Signing"; the official Python SDK's `signing.py`; EIP-712.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgpack
from coincurve import PrivateKey, PublicKey
from Crypto.Hash import keccak as _keccak

from bot.core.units import Millis
from bot.simulator.dialects.hyperliquid.wire import Misshapen

MAINNET, TESTNET = "a", "b"

_WORD = 32
_CHAIN = 1337


def keccak(data: bytes) -> bytes:
    """Keccak-256, the hash of Ethereum (not SHA3-256)."""
    return _keccak.new(digest_bits=256, data=data).digest()


_DOMAIN = keccak(
    keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
    + keccak(b"Exchange")
    + keccak(b"1")
    + _CHAIN.to_bytes(_WORD, "big")
    + bytes(_WORD)
)
_AGENT = keccak(b"Agent(string source,bytes32 connectionId)")


def address_of(private_key: str) -> str:
    """The address that a private key signs for. Raises ValueError for what is no key."""
    return _address(PrivateKey(bytes.fromhex(private_key.removeprefix("0x"))).public_key)


def action_digest(action: Any, nonce: int, vault: str | None, expires_after: Millis | None, source: str = MAINNET) -> bytes:
    """What the signer of an L1 action signs. Raises Misshapen for what cannot be hashed."""
    try:
        body = msgpack.packb(action) + nonce.to_bytes(8, "big")
        body += b"\x00" if vault is None else b"\x01" + bytes.fromhex(vault.removeprefix("0x"))
        if expires_after is not None:
            body += b"\x00" + expires_after.to_bytes(8, "big")
    except (OverflowError, TypeError, ValueError):
        raise Misshapen("an action that cannot be hashed") from None
    agent = keccak(_AGENT + keccak(source.encode()) + keccak(body))
    return keccak(b"\x19\x01" + _DOMAIN + agent)


def signer_of(digest: bytes, signature: Mapping[str, Any]) -> str | None:
    """The address that made a signature `{r, s, v}` over a digest; None when no key can have made it. Raises Misshapen for its form."""
    try:
        r, s = (int(str(signature[part]), 16).to_bytes(_WORD, "big") for part in ("r", "s"))
        raw = r + s + bytes([int(signature["v"]) - 27])
    except (KeyError, TypeError, ValueError, OverflowError):
        raise Misshapen("no signature") from None
    try:
        return _address(PublicKey.from_signature_and_message(raw, digest, hasher=None))
    except Exception:  # the library raises bare exceptions for a point that is not on the curve
        return None


def _address(public: PublicKey) -> str:
    return "0x" + keccak(public.format(compressed=False)[1:])[-20:].hex()
