"""Every kind of collateral source with somebody who tells it what is held: the ground of the contract suite."""

from __future__ import annotations

import itertools
import signal
import time
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

from bot.adapters.collateral.announcements import ClaimMessage, TotalMessage, written
from bot.adapters.collateral.file import FileSource
from bot.adapters.collateral.holdings import Row, write_holdings
from bot.adapters.collateral.redis_stream import RedisStreamSource, StreamPlace
from bot.core.units import Asset
from bot.ports import CollateralSource
from tests.adapters.collateral.heard import RealClock
from tests.adapters.journal.redis_process import RedisProcess

ETH, BTC = Asset("ETH"), Asset("BTC")
HEDGED_AS = {ETH: ETH, BTC: BTC}
_streams = itertools.count(1)


class Stand(Protocol):
    """One source and whoever tells it. `told` is what was told last, in asset units at the location `at`."""

    told: dict[Asset, Decimal]
    at: str

    def source(self, **options: Any) -> CollateralSource:
        """The source as it is made at a start, `known` being what the ledger has of it."""

    def tell(self, **quantities: str) -> None:
        """The totals of these assets, all others unchanged. Before the first word the source cannot be read."""

    def leave_out(self, asset: str) -> None:
        """Whoever tells goes on and says nothing of this asset any more."""

    def spoil(self) -> None:
        """The source cannot be read from here on."""

    def hang(self) -> None:
        """From here on it is connected and hears nothing; a file's writer has died."""

    def mend(self) -> None:
        """It can be read again."""


class FileStand:
    """A holdings file."""

    at = "vault"

    def __init__(self, folder: Path) -> None:
        self.path = folder / "holdings.yaml"
        self.told: dict[Asset, Decimal] = {}

    def source(self, *, name: str = "desk", age_max: int | None = None) -> FileSource:
        known = [(asset, self.at) for asset in self.told]
        return FileSource(name, self.path, RealClock(), known=known, hedged_as=HEDGED_AS, age_max=age_max)

    def tell(self, **quantities: str) -> None:
        self.told |= {Asset(asset): Decimal(quantity) for asset, quantity in quantities.items()}
        self.mend()

    def leave_out(self, asset: str) -> None:
        del self.told[Asset(asset)]
        write_holdings(self.path, [Row(told, self.at, quantity, None) for told, quantity in self.told.items()], complete=False)

    def spoil(self) -> None:
        self.path.write_text("holdings: [")

    def hang(self) -> None:
        """Nothing is written any more."""

    def mend(self) -> None:
        write_holdings(self.path, [Row(asset, self.at, quantity, None) for asset, quantity in self.told.items()])


class RedisStand:
    """A stream on a real server, and a backend that writes to it."""

    at = "vault"

    def __init__(self, process: RedisProcess, *, key: bytes | None = None) -> None:
        self.process, self.key = process, key
        self.stream = f"collateral{next(_streams)}"
        self.told: dict[Asset, Decimal] = {}
        self._at = 0

    def place(self, **changes: Any) -> StreamPlace:
        told = {"server": self.process.server, "stream": self.stream, "group": "hedgebot", "consumer": "book", "key": self.key}
        return StreamPlace(**(told | changes))

    def source(
        self, *, name: str = "desk", known: Iterable[int | None] = (), refused: Callable[[], None] = lambda: None, **changes: Any
    ) -> RedisStreamSource:
        age_max = changes.pop("age_max", None)
        place = self.place(**changes)
        return RedisStreamSource(name, place, RealClock(), known=known, hedged_as=HEDGED_AS, age_max=age_max, refused=refused)

    def instant(self) -> int:
        """The backend's clock: it never tells the same instant twice."""
        self._at = max(self._at + 1, time.time_ns() // 1_000_000)
        return self._at

    def tell(self, **quantities: str) -> None:
        for asset, quantity in quantities.items():
            self.told[Asset(asset)] = Decimal(quantity)
            self.send(TotalMessage(type="total", asset=asset, location=self.at, quantity=quantity, at=self.instant()))

    def announce(self, claim: str, quantity: str, **changes: Any) -> None:
        told = {"type": "deposit", "claim": claim, "asset": "ETH", "quantity": quantity, "location": "vault", "depositor": "acme"}
        self.send(ClaimMessage(**(told | {"at": self.instant()} | changes)))

    def send(self, message: ClaimMessage | TotalMessage) -> None:
        self.add(written(message, self.key))

    def add(self, fields: dict[bytes, bytes]) -> None:
        with self.process.client as client:
            client.xadd(self.stream, fields)

    def pending(self) -> int:
        """Messages that were read and are not acknowledged."""
        with self.process.client as client:
            return int(client.xpending(self.stream, "hedgebot")["pending"])

    def dead(self) -> list[dict[bytes, bytes]]:
        """What was put aside, each with its reason."""
        with self.process.client as client:
            return [fields for _, fields in client.xrange(f"{self.stream}:dead")]

    def leave_out(self, asset: str) -> None:
        """Totals of everything else are told anew."""
        self.tell(**{told: f"{quantity:f}" for told, quantity in self.told.items() if told != asset})

    def spoil(self) -> None:
        self.process.kill()

    def hang(self) -> None:
        self.process.send(signal.SIGSTOP)

    def mend(self) -> None:
        if self.process.process is None:
            self.process.start()
        self.process.send(signal.SIGCONT)
