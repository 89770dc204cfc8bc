"""How the treasury tells the bot what it holds: a file that is written anew, or a Redis stream of signed announcements and totals."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

from bot.adapters.collateral.announcements import ClaimMessage, Message, TotalMessage, written
from bot.adapters.collateral.holdings import Row, write_holdings
from bot.adapters.journal.redis_link import RedisLink, StoreFailed
from bot.config.journal_section import redis_address
from bot.core.units import ZERO, Asset
from bot.drivers.journals import server_at
from bot.drivers.refusals import DemoRefused
from bot.simulator.desk import wall_ms

LOCATION = "custody"
SOURCE = "treasury"
MOST = 1_000_000
"""Units of any asset that one claim, and all of an hour, may be."""


class Treasury(Protocol):
    """Who tells the bot what is held."""

    def section(self, hedged_as: dict[str, str]) -> dict[str, Any]:
        """The section `collateral` of the bot's configuration."""

    def write(self, rows: Sequence[Row]) -> None:
        """These are all holdings now."""

    def close(self) -> None:
        """Leaves nothing behind that is not in the demo's folder."""


class FileTreasury:
    """Writes a holdings file."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "holdings.yaml"

    def section(self, hedged_as: dict[str, str]) -> dict[str, Any]:
        """See `Treasury`."""
        sources = [{"kind": "file", "name": SOURCE, "path": self._path.name}]
        return {"assets": {a: ({} if a == hedged else {"hedged_as": hedged}) for a, hedged in hedged_as.items()}, "sources": sources}

    def write(self, rows: Sequence[Row]) -> None:
        """See `Treasury`."""
        write_holdings(self._path, rows)

    def close(self) -> None:
        """The file stays in the folder."""


class StreamTreasury:
    """Announces each change on a stream of its own, and tells the total that confirms it. Raises DemoRefused when the server fails."""

    def __init__(self, url: str) -> None:
        """Raises DemoRefused with one sentence when `url` is not one, or no server answers there."""
        try:
            self._link = RedisLink(server_at(redis_address(url), None))
        except ValueError as error:
            raise DemoRefused(f"--redis: {error}") from None
        self._url, self._key = url, secrets.token_hex(32)
        self._stream = f"hedgebot:demo:{secrets.token_hex(8)}"
        self._told: dict[Asset, Row] = {}
        self._at = 0
        self._call("PING")

    def section(self, hedged_as: dict[str, str]) -> dict[str, Any]:
        """See `Treasury`."""
        limits = {"claim_max": MOST, "deposits_max": MOST, "redemptions_max": MOST}
        return {
            "assets": {a: limits | ({} if a == hedged else {"hedged_as": hedged}) for a, hedged in hedged_as.items()},
            "claims": {"depositors": [SOURCE]},
            "sources": [
                {
                    "kind": "redis",
                    "name": SOURCE,
                    "url": self._url,
                    "stream": self._stream,
                    "signed_with": self._key,
                    "believed_of": [f"{asset}@{LOCATION}" for asset in hedged_as],
                }
            ],
        }

    def write(self, rows: Sequence[Row]) -> None:
        """See `Treasury`."""
        for row in rows:
            before = self._told.get(row.asset)
            if row == before:
                continue
            change = row.quantity - (ZERO if before is None else before.quantity)
            if change != ZERO:
                self._send(self._claim(row.asset, change))
            rate = None if row.redemption_rate is None else f"{row.redemption_rate:f}"
            told = {"type": "total", "asset": row.asset, "location": LOCATION, "quantity": f"{row.quantity:f}"}
            self._send(TotalMessage.model_validate(told | {"redemption_rate": rate, "at": self._next_at()}))
            self._told[row.asset] = row

    def close(self) -> None:
        """The stream is taken away."""
        try:
            self._call("DEL", self._stream, f"{self._stream}:dead")
        finally:
            self._link.drop()

    def _claim(self, asset: Asset, change: Decimal) -> ClaimMessage:
        at = self._next_at()
        told = {"claim": f"demo-{at}", "asset": asset, "quantity": f"{abs(change):f}", "location": LOCATION, "depositor": SOURCE, "at": at}
        return ClaimMessage.model_validate(told | {"type": "deposit" if change > ZERO else "redemption"})

    def _next_at(self) -> int:
        """The treasury's clock, which never tells the same instant twice and is never ahead of the bot's for long."""
        self._at = max(self._at + 1, wall_ms())
        return self._at

    def _send(self, message: Message) -> None:
        words = [word for pair in written(message, self._key.encode()).items() for word in pair]
        self._call("XADD", self._stream, "*", *words)

    def _call(self, *words: bytes | str) -> None:
        try:
            self._link.call(*words)
        except StoreFailed as error:
            raise DemoRefused(f"--redis: {error}") from None
