"""Who we are at one venue. Secrets are here and in the client that signs, nowhere else: never in a repr, a log line or an error's text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from bot.core.units import VenueId

REDACTED = "***"
_SIGNED_PARTS = re.compile(
    r"(?i)((?:signature|sign|apikey|api_key|listenkey|passphrase|x-mbx-apikey|ok-access-\w+|x-bapi-\w+)['\"]?\s*[=:]\s*['\"]?)[^&\s'\",}]+"
)
_REASON_LENGTH = 300


class Environment(StrEnum):
    """Where the venue's hosts are. Below the one line that picks them, no code knows which one it runs in."""

    SIMULATION = "simulation"
    TESTNET = "testnet"
    DEMO = "demo"
    MAINNET = "mainnet"


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueSettings:
    """One account at one venue, and which of its perpetuals are used.

    `leverage` is what is set per instrument; `request_share` is the fraction of the venue's request limits that is ours; `routes`
    maps production hosts to base URLs and is used in a simulation only; `proxy` is the forward proxy on the way to all of them.
    `reads_wallets`: also what lies beside the account is read.
    """

    venue: VenueId
    environment: Environment
    api_key: str = field(repr=False)
    secret: str = field(repr=False)
    passphrase: str | None = field(default=None, repr=False)
    venue_symbols: tuple[str, ...]
    leverage: int = 5
    request_share: Decimal = Decimal(1)
    routes: Mapping[str, str] = field(default_factory=dict)
    proxy: str | None = None
    reads_wallets: bool = False

    def redact(self, text: str) -> str:
        """The text without our secrets, without what a signed URL carries, and bounded in length."""
        for secret in (self.api_key, self.secret, self.passphrase):
            if secret:
                text = text.replace(secret, REDACTED)
        return _SIGNED_PARTS.sub(rf"\g<1>{REDACTED}", text)[:_REASON_LENGTH]
