"""The dead-man switch: the venue cancels our open orders by itself when it has not heard from us for a while, where it can do that.

The rule: armed for `timeout_ms` while we listen, and again every quarter of it, so that three refreshes in a row may fail before it fires;
refreshes go with the cancels, which nothing can hold up. It is switched off only by an orderly stop, as its last word: whatever else ends
us (a crash, a kill, a lost network) leaves it armed, and what rests is then withdrawn by the venue. It touches orders, never positions,
and all orders of the account in our instruments, a person's too.

Where two instances share an account there is still one switch, for it belongs to the account: who holds the lease keeps it armed, and
whoever does not leaves it alone. What a killed holder left armed is started anew by the next one; should it fire before, it withdraws
what rests, which is then placed again.

Two kinds: a countdown that each request starts anew (Binance per symbol, OKX per account), and a watch over the private connection
(Bybit: a window set by request, and a topic that the connection must have subscribed to).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import structlog

from bot.adapters.venue.asking import Asker, NotAnswered
from bot.adapters.venue.ccxt_mapping import Unreadable
from bot.adapters.venue.profile import DeadMan
from bot.adapters.venue.throttle import Lane
from bot.core.units import VenueId
from bot.ports import Clock, SendRight
from bot.supervision import never_ending

log = structlog.get_logger(__name__)

REFRESHES_PER_TIMEOUT = 4
RETRIES_PER_TIMEOUT = 16
GUARD_BEAT_SECONDS = 0.5

ArmedTold = Callable[[bool], None]
"""Told when the switch is armed, and when it is not (any more)."""


class DeadManSwitch:
    """One venue's switch. `symbols` are the venue's names of our instruments; `sockets` gives the private connections that are up."""

    def __init__(
        self,
        venue: VenueId,
        asker: Asker,
        switch: DeadMan,
        symbols: Iterable[str],
        sockets: Callable[[], Sequence[Any]],
        clock: Clock,
        told: ArmedTold | None = None,
        right: SendRight | None = None,
    ) -> None:
        self._venue = venue
        self._asker = asker
        self._switch = switch
        self._symbols = tuple(symbols)
        self._sockets = sockets
        self._clock = clock
        self._told = told
        self._right = right
        self._armed_at: float | None = None
        self._is_told: bool | None = None
        self._guarded: list[Any] = []

    @property
    def is_armed(self) -> bool:
        """Whether the venue would act if it never heard from us again, as far as we know."""
        timeout_s = self._switch.timeout_ms / 1_000
        return self._armed_at is not None and self._clock.steady() - self._armed_at < timeout_s

    async def run(self) -> None:
        """Keeps it armed until cancelled."""
        works = [(f"{self._venue} dead-man refresh", self._keep_armed())]
        if self._switch.guard is not None:
            works.append((f"{self._venue} dead-man watch", self._keep_guarding(self._switch.guard)))
        await never_ending(*works)

    @property
    def _is_ours(self) -> bool:
        """Whether no other instance may be keeping it armed."""
        return self._right is None or self._right.held_for() > 0

    async def disarm(self) -> bool:
        """Switches it off; whether the venue took it. Only after `run` has ended, or it would be armed again."""
        if not self._is_ours:
            return False
        try:
            if self._switch.unguard is not None:
                for socket in self._sockets():
                    await socket.send(dict(self._switch.unguard))
            if self._switch.zero_disarms:
                await self._ask(0)
        except (NotAnswered, Unreadable, ConnectionError) as failure:
            log.warning("dead_man_switch_not_disarmed", venue=self._venue, reason=str(failure))
            return False
        self._armed_at = None
        self._tell(False)
        return True

    async def _keep_armed(self) -> None:
        timeout_s = self._switch.timeout_ms / 1_000
        while True:
            began = self._clock.steady()
            if not self._is_ours:
                self._not_armed("another instance may hold the lease")
                await self._clock.sleep(timeout_s / RETRIES_PER_TIMEOUT)
                continue
            try:
                await self._ask(self._switch.timeout_ms)
            except (NotAnswered, Unreadable) as failure:
                pause = timeout_s / RETRIES_PER_TIMEOUT
                if not self.is_armed:
                    self._not_armed(str(failure))
            else:
                pause = timeout_s / REFRESHES_PER_TIMEOUT
                self._armed_at = began
                self._tell(True)
            await self._clock.sleep(max(began + pause - self._clock.steady(), 0.0))

    async def _keep_guarding(self, frame: Mapping[str, Any]) -> None:
        """Every private connection that comes up is watched by the venue from then on."""
        while True:
            for socket in self._sockets():
                if socket not in self._guarded:
                    try:
                        await self._asker.client.authenticate(socket.url)
                        await socket.send(dict(frame))
                    except Exception as error:  # the connection went away: its successor is asked
                        log.info("dead_man_watch_not_taken", venue=self._venue, reason=str(self._asker.failure("watch", error)))
                        continue
                    self._guarded.append(socket)
            self._guarded = [socket for socket in self._guarded if socket in self._sockets()]
            await self._clock.sleep(GUARD_BEAT_SECONDS)

    async def _ask(self, timeout_ms: int) -> None:
        """One request per symbol, or one for the account, all at once. Raises the first failure when all have ended."""
        length = {self._switch.timeout_as: str(timeout_ms // self._switch.unit_ms)}
        scopes = self._asker.scopes(self._switch.query, self._symbols)
        asked = (self._asker.ask(self._switch.query, Lane.CANCEL, **scope, **length) for scope in scopes)
        for answer in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(answer, BaseException):
                raise answer

    def _not_armed(self, reason: str) -> None:
        self._armed_at = None
        if self._is_told is not False:
            log.warning("dead_man_switch_not_armed", venue=self._venue, reason=reason)
        self._tell(False)

    def _tell(self, armed: bool) -> None:
        """Once for each change."""
        if armed is self._is_told:
            return
        self._is_told = armed
        if armed:
            log.info("dead_man_switch_armed", venue=self._venue, timeout_ms=self._switch.timeout_ms)
        if self._told is not None:
            self._told(armed)
