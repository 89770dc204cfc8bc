"""Collateral from a watched file: for desks that begin with a spreadsheet, and for the demonstration.

Rules:
- Each read is all or nothing. What is half-written, malformed or self-contradictory changes no total: one CollateralUnreadable says
  why, and what was told last stays and ages. A missing file is unreadable, not empty.
- Absence is not zero. A holding that was told before and is gone from the file is zero only if the file declares itself complete
  (`holdings`); otherwise the read is unreadable until the holding is written again, with zero if it is zero. This also holds across a
  restart, for the holdings that the ledger remembers of this source (`known`).
- An unchanged file, read again, confirms the totals at most once a second. With `age_max`, a file that was last written longer ago than
  that tells and confirms nothing: its writer may have died, and its totals then age like those of any silent source.
- The folder is watched, not the file, so that editors which write a new file and rename it are seen. A read every second is the fallback
  where watching fails (network drives, a folder that does not exist yet).
- A changed file is read again after a moment and believed once two reads agree: a program that is still writing is not interrupted by
  being believed.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from watchfiles import awatch

from bot.adapters.collateral.holdings import Holdings, HoldingsUnreadable, Row, parse
from bot.adapters.collateral.voice import Voice
from bot.core.events import CollateralObserved
from bot.core.units import ONE, ZERO, Asset, Millis
from bot.ports import Clock, Inbox
from bot.supervision import never_ending, set_or_after

READ_SECONDS = 1.0
"""Pause between two reads while nothing is seen to change; also the shortest time between two confirmations."""

_SETTLE_SECONDS = 0.01
_SETTLE_READS_MAX = 20
_WATCH_STEP_MS = 5
_WATCH_DEBOUNCE_MS = 20
_WATCH_RETRY_SECONDS = 5.0

Place = tuple[Asset, str]


class FileSource:
    """One holdings file as a source of collateral totals."""

    def __init__(
        self,
        name: str,
        path: Path,
        clock: Clock,
        *,
        known: Iterable[Place] = (),
        hedged_as: Mapping[Asset, Asset] | None = None,
        age_max: Millis | None = None,
    ) -> None:
        """`known` are the holdings that the ledger has of this source; an asset that `hedged_as` maps to itself has rate 1.

        `age_max` is the longest time since the file was last written, None for any: for files that a program writes on a beat.
        """
        self.name = name
        self._path, self._clock = path, clock
        self._hedged_as = dict(hedged_as or {})
        self._age_max = age_max
        self._written_at: Millis = 0
        self._told: dict[Place, Row | None] = dict.fromkeys(known)
        self._content: bytes | None = None
        self._voice = Voice(name, clock, every_s=READ_SECONDS)
        self._first = True

    async def listen(self, inbox: Inbox) -> None:
        """Puts all totals, then each change, confirmations and failures, until cancelled."""
        self._first, self._content = True, None
        self._voice.begin()
        changed = asyncio.Event()
        await never_ending(
            (f"collateral {self.name} read", self._keep_reading(inbox, changed)),
            (f"collateral {self.name} watch", self._watch(changed)),
        )

    async def _keep_reading(self, inbox: Inbox, changed: asyncio.Event) -> None:
        while True:
            changed.clear()
            await self._read_once(inbox)
            await set_or_after(changed, self._clock, READ_SECONDS)

    async def _watch(self, changed: asyncio.Event) -> None:
        """Sets `changed` when the file may have; starts over when watching fails, for the folder may come back."""

        def ours(_change: object, path: str) -> bool:
            return Path(path).name == self._path.name

        while True:
            with suppress(OSError, RuntimeError):
                async for _ in awatch(
                    self._path.parent,
                    watch_filter=ours,
                    step=_WATCH_STEP_MS,
                    debounce=_WATCH_DEBOUNCE_MS,
                    recursive=False,
                    rust_timeout=1_000,
                ):
                    changed.set()
            await self._clock.sleep(_WATCH_RETRY_SECONDS)

    async def _read_once(self, inbox: Inbox) -> None:
        try:
            content = await self._settled()
            self._refuse_old()
            if content == self._content and not self._voice.has_failed:
                self._voice.confirm(inbox)
                return
            holdings = parse(content, self._path.suffix.lower())
            told = self._told_by(holdings)
        except HoldingsUnreadable as error:
            self._voice.fail(inbox, str(error))
            return
        self._content = content
        self._tell(inbox, told)

    async def _settled(self) -> bytes:
        """The file's content once it rests. Raises HoldingsUnreadable when there is none, or it never rests."""
        content = await self._read()
        for _ in range(_SETTLE_READS_MAX):
            if content is not None and content == self._content:
                return content
            await self._clock.sleep(_SETTLE_SECONDS)
            again = await self._read()
            if content == again:
                if content is None:
                    raise HoldingsUnreadable("the file is missing or cannot be read")
                return content
            content = again
        raise HoldingsUnreadable("the file keeps changing while it is read")

    async def _read(self) -> bytes | None:
        def read() -> tuple[bytes, Millis] | None:
            try:
                with self._path.open("rb") as file:
                    written_at = os.fstat(file.fileno()).st_mtime_ns // 1_000_000
                    return file.read(), written_at
            except OSError:
                return None

        found = await asyncio.to_thread(read)  # a network drive may hang; the loop must not
        if found is None:
            return None
        content, self._written_at = found
        return content

    def _refuse_old(self) -> None:
        if self._age_max is not None and self._clock.now() - self._written_at > self._age_max:
            raise HoldingsUnreadable(
                f"the file was last written longer ago than max_age_ms {self._age_max} allows: have it written again, also when nothing"
                " changed"
            )

    def _told_by(self, holdings: Holdings) -> dict[Place, Row]:
        told = {row.place: self._with_rate(row) for row in holdings.rows}
        for place in self._told:
            if place in told:
                continue
            asset, location = place
            if not holdings.is_complete:
                raise HoldingsUnreadable(
                    f"{asset} at {location} is gone from the file, and absence is not zero: write quantity 0, or declare the file complete"
                )
            before = self._told[place]
            told[place] = self._with_rate(Row(asset, location, ZERO, None if before is None else before.redemption_rate))
        return told

    def _with_rate(self, row: Row) -> Row:
        if row.redemption_rate is None and self._hedged_as.get(row.asset) == row.asset:
            return Row(row.asset, row.location, row.quantity, ONE)
        return row

    def _tell(self, inbox: Inbox, told: Mapping[Place, Row]) -> None:
        at = self._clock.now()
        changed = [row for place, row in told.items() if self._first or self._told.get(place) != row]
        for row in changed:
            inbox.put(
                CollateralObserved(
                    at=at,
                    source=self.name,
                    location=row.location,
                    asset=row.asset,
                    quantity=row.quantity,
                    redemption_rate=row.redemption_rate,
                )
            )
        self._told, self._first = dict(told), False
        self._voice.begin()
        self._voice.confirm(inbox)
