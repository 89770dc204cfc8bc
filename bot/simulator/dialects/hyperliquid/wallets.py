"""Whose wallets there are, which nonces they have used, and how many actions their address may still send.

A wallet signs for an account: the account's own key, or an API wallet that its owner approved. Nonces are milliseconds: within two days
before and one day after the venue's clock, never twice, and above the smallest of the signer's hundred highest. An address may send one
action per USDC that it ever traded, beside a first 10,000; beyond that one action every ten seconds, and cancels up to min(limit + 100,000,
2 x limit). An action whose expiry has passed counts five times.
Source: Hyperliquid docs, "Nonces and API wallets", "Rate limits and user limits", "Exchange endpoint".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from bot.core.units import DAY_MS, ZERO, Millis
from bot.simulator.dialects.dialect import Credential, KeyRights
from bot.simulator.dialects.hyperliquid import words
from bot.simulator.dialects.hyperliquid.signing import address_of
from bot.simulator.dialects.hyperliquid.wire import ADDRESS
from bot.simulator.dialects.hyperliquid.words import Turned
from bot.simulator.model import FillReport, Report

NONCES_KEPT = 100
REQUESTS_FIRST = 10_000
CANCELS_MORE = 100_000
PAUSE_BEYOND_MS: Millis = 10_000
EXPIRED_COUNTS = 5


@dataclass(slots=True)
class Usage:
    """What an account has sent and traded: `volume` in USDC."""

    requests: int = 0
    volume: Decimal = ZERO
    beyond_at: Millis | None = None
    """When it last sent an action beyond its limit."""

    @property
    def cap(self) -> int:
        """How many actions it may send in all."""
        return REQUESTS_FIRST + int(self.volume)


@dataclass(slots=True)
class _Nonces:
    """One signer's highest nonces, ascending."""

    kept: list[int] = field(default_factory=list)

    def use(self, nonce: int, now: Millis) -> None:
        least = max(now - 2 * DAY_MS, self.kept[0] if len(self.kept) == NONCES_KEPT else 0)
        if nonce in self.kept:
            raise Turned(words.nonce_used(nonce))
        if nonce <= least:
            raise Turned(words.nonce_low(nonce, least))
        if nonce >= now + DAY_MS:
            raise Turned(words.nonce_high(nonce, now + DAY_MS))
        self.kept = sorted([*self.kept, nonce])[-NONCES_KEPT:]


class Wallets:
    """The accounts of the simulated venue: `api_key` is the account's address, `secret` the private key that signs for it.

    Raises ValueError for a credential that is neither.
    """

    def __init__(self, credentials: Sequence[Credential]) -> None:
        self._accounts: dict[str, str] = {}
        self._named: dict[str, tuple[str, KeyRights]] = {}
        self._signers: dict[str, str] = {}
        self.usage: dict[str, Usage] = {}
        self._nonces: dict[str, _Nonces] = {}
        for credential in credentials:
            address = credential.api_key.lower()
            if not ADDRESS.fullmatch(address):
                raise ValueError("on hyperliquid an account's key is its address: 0x and 40 hexadecimal digits")
            self._accounts[address] = credential.account
            self._signers[address_of(credential.secret)] = address
            self._named[address_of(credential.secret)] = (address, credential.rights)
            self.usage[credential.account] = Usage()

    def account(self, address: str) -> str | None:
        """The account at an address, None when there is none."""
        return self._accounts.get(address.lower())

    def address(self, account: str) -> str:
        """The address of an account."""
        return next(address for address, name in self._accounts.items() if name == account)

    def owner(self, address: str) -> str | None:
        """The address that a wallet signs for; None when it signs for nobody."""
        return self._signers.get(address.lower())

    def agents(self, address: str) -> list[tuple[str, Millis]]:
        """The named wallets that sign for an address, and until when; one without an end has none that the venue lists."""
        told = ((signer, rights.ends_at) for signer, (owner, rights) in self._named.items() if owner == address.lower() != signer)
        return [(signer, ends_at) for signer, ends_at in told if ends_at is not None]

    def admit(self, signer: str | None, nonce: int, now: Millis) -> str:
        """The account that a signer acts for; its nonce is used from here on. Raises Turned."""
        if signer is None:
            raise Turned(words.NO_SIGNER)
        owner = self._signers.get(signer)
        if owner is None:
            raise Turned(words.stranger(signer))
        self._nonces.setdefault(signer, _Nonces()).use(nonce, now)
        return self._accounts[owner]

    def count(self, account: str, actions: int, now: Millis, *, cancels: bool) -> None:
        """Counts actions against the address's limit. Raises Turned when it has none left."""
        usage = self.usage[account]
        cap = min(usage.cap + CANCELS_MORE, 2 * usage.cap) if cancels else usage.cap
        if usage.requests + actions > cap:
            if usage.beyond_at is not None and now - usage.beyond_at < PAUSE_BEYOND_MS:
                raise Turned(words.too_many(usage.requests + actions, cap, usage.volume))
            usage.beyond_at = now
        usage.requests += actions

    def heard(self, reports: Sequence[Report]) -> None:
        """Takes in what was traded."""
        for report in reports:
            if isinstance(report, FillReport) and report.fill.account in self.usage:
                self.usage[report.fill.account].volume += report.fill.contracts * report.fill.price
