"""What is remembered of announcements while the chain may still change its mind.

A log is provisional until its block has the wanted confirmations. One that is gone from the chain is taken back, also after it had been
confirmed, when a reorg goes deeper than was thought possible. One whose transaction stands in another block now is the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from bot.adapters.collateral.evm.logs import MintLog


class Standing(StrEnum):
    """How certain an announcement is."""

    PROVISIONAL = "provisional"
    """In a block that may still be replaced."""
    CONFIRMED = "confirmed"
    """In a block with the wanted confirmations."""
    TAKEN_BACK = "taken back"
    """Not on the chain any more."""


@dataclass(frozen=True, slots=True)
class Change:
    """An announcement is new, or stands otherwise than before."""

    log: MintLog
    standing: Standing


@dataclass(frozen=True, slots=True)
class Header:
    """A block as an endpoint names it; `made_at` is its own time, in Unix seconds."""

    number: int
    hash: str
    made_at: int


class EndpointsDisagree(Exception):
    """Two endpoints tell different things of what both should know: one sentence."""


def agreed(first: Iterable[MintLog], second: Iterable[MintLog], confirmed: int) -> list[MintLog]:
    """The logs that both endpoints tell. Raises EndpointsDisagree when they differ in a block up to `confirmed`.

    In newer blocks they may honestly differ, being on two branches: what only one of them tells is not there yet.
    """
    ours, theirs = {log.key: log for log in first}, {log.key: log for log in second}
    final = [{log for log in side.values() if log.block <= confirmed} for side in (ours, theirs)]
    if final[0] != final[1]:
        odd = min(final[0] ^ final[1], key=lambda log: (log.block, log.key))
        raise EndpointsDisagree(f"the two endpoints tell different mints and redemptions in block {odd.block}")
    return [log for key, log in ours.items() if key in theirs and log.says_as(theirs[key])]


class _Doubt(StrEnum):
    NONE = "confirmed"
    PROVISIONAL = "provisional"
    WAS_CONFIRMED = "was confirmed"


@dataclass(slots=True)
class _Entry:
    log: MintLog
    doubt: _Doubt


class LogBook:
    """The announcements that may still change, and the confirmed ones for as long as `prune` leaves them."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, int], _Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def confirm(self, logs: Iterable[MintLog]) -> list[Change]:
        """Logs of blocks that have their confirmations. Nothing is taken back: newer blocks have not been looked at."""
        changes: list[Change] = []
        for log in logs:
            held = self._entries.get(log.key)
            if held is not None and not held.log.says_as(log):
                changes.append(Change(held.log, Standing.TAKEN_BACK))
                held = None
            if held is None or held.doubt is _Doubt.PROVISIONAL:
                changes.append(Change(log, Standing.CONFIRMED))
            self._entries[log.key] = _Entry(log, _Doubt.NONE)
        return changes

    def settle(self, logs: Iterable[MintLog], confirmed: int) -> list[Change]:
        """Every log of the blocks that were not yet confirmed before, up to the head. What was in doubt and is not among them is gone."""
        listed = list(logs)
        seen = {log.key for log in listed}
        changes = self.confirm(log for log in listed if log.block <= confirmed)
        for log in listed:
            if log.block > confirmed:
                changes += self._provisional(log)
        for key, entry in list(self._entries.items()):
            if key not in seen and entry.doubt is not _Doubt.NONE:
                changes.append(Change(entry.log, Standing.TAKEN_BACK))
                del self._entries[key]
        return changes

    def _provisional(self, log: MintLog) -> list[Change]:
        held = self._entries.get(log.key)
        self._entries[log.key] = _Entry(log, _Doubt.PROVISIONAL)
        if held is None:
            return [Change(log, Standing.PROVISIONAL)]
        if not held.log.says_as(log):
            return [Change(held.log, Standing.TAKEN_BACK), Change(log, Standing.PROVISIONAL)]
        return [] if held.doubt is _Doubt.PROVISIONAL else [Change(log, Standing.PROVISIONAL)]

    def doubt_above(self, block: int) -> None:
        """Blocks above `block` were replaced although they were confirmed: what stood in them must be seen again or is taken back."""
        for entry in self._entries.values():
            if entry.log.block > block and entry.doubt is _Doubt.NONE:
                entry.doubt = _Doubt.WAS_CONFIRMED

    def prune(self, below: int) -> None:
        """Forgets what was confirmed in blocks below `below`."""
        self._entries = {key: entry for key, entry in self._entries.items() if entry.doubt is not _Doubt.NONE or entry.log.block >= below}


class Checkpoints:
    """Confirmed blocks that were built upon, newest last: where to go back to when one of them turns out to be replaced."""

    def __init__(self, keep: int) -> None:
        """Those of the last `keep` blocks are kept, and always the newest."""
        self._keep = keep
        self._headers: list[Header] = []

    @property
    def newest(self) -> Header | None:
        """The block up to which announcements are known; None before the first."""
        return self._headers[-1] if self._headers else None

    @property
    def oldest_number(self) -> int | None:
        """As far back as we can go."""
        return self._headers[0].number if self._headers else None

    def add(self, header: Header) -> None:
        """Announcements are known up to this block."""
        self._headers = [kept for kept in self._headers if header.number - self._keep <= kept.number < header.number]
        self._headers.append(header)

    def back(self) -> Header | None:
        """Gives up the newest; the one before it, None when that was the last."""
        self._headers.pop()
        return self.newest
