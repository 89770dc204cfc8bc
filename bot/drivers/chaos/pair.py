"""Two instances in a chaos world, each on a host of its own: the real standing by, mandate and run, over one store with one lease.

    stand by -> lease granted -> what was followed, or what the journal folds to -> silence -> run -> its end -> stand by again

A host can be killed, stopped, cut off from the store, or have clocks that are off. The store can fail over to a copy that has lost the
newest entries and grants, and can be two for a while: then the instance that led keeps the old server, which is given up in the end, and
the other one finds the new server without a lease.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from bot.core.events import OperatorAction
from bot.core.units import Millis, VenueId
from bot.drivers.chaos.stage import RESTART_MAX_S, RESTART_S, Crash, Life, Stage
from bot.drivers.chaos.turns import Turn, Turns, TurnWitness
from bot.drivers.chaos.world import BotClock, HostClock, Pace
from bot.shell.heard import Heard
from bot.shell.mandate import Mandate
from bot.shell.standing_by import Followed, Standby
from bot.simulator.hosts import Host
from bot.simulator.memory import MemoryJournal, MemoryStore
from bot.simulator.memory_follower import MemoryFollower
from bot.simulator.memory_lease import MemoryLease, MemoryLeaseStore
from bot.simulator.model import Report

TTL_MS: Millis = 3_000
"""The lease's length, as configured by default."""
LED_WITHIN_S = 60.0
"""How long a person waits for an instance that listens."""


@dataclass(slots=True, eq=False)
class Instance:
    """One of the two. `store` and `leases` are the server that answers it; `life` is its run while it has one."""

    host: Host
    clock: HostClock
    store: MemoryStore
    leases: MemoryLeaseStore
    is_linked: bool = True
    lease: MemoryLease | None = None
    standby: Standby | None = None
    turn: Turn | None = None
    life: Life | None = None
    task: asyncio.Task[None] | None = None

    @property
    def is_down(self) -> bool:
        """Whether no process of it runs."""
        return self.task is None or self.task.done()

    def reaches(self) -> bool:
        """Whether its store answers it."""
        return self.is_linked and self.store.taking

    def go_to(self, store: MemoryStore, leases: MemoryLeaseStore) -> None:
        """Another server answers it from now on."""
        self.store, self.leases = store, leases
        if self.lease is not None:
            self.lease.go_to(leases)
        if self.life is not None:
            self.life.journal.go_to(store)


class StandbyClock:
    """The clock of one that stands by: its host's, on which it looks again more rarely while nothing goes wrong for hours."""

    def __init__(self, one: Instance, slowness: Callable[[], int]) -> None:
        self._one, self._slowness = one, slowness

    def now(self) -> Millis:
        """Unix milliseconds as its host believes them."""
        return self._one.clock.now()

    def steady(self) -> float:
        """Seconds by its host."""
        return self._one.clock.steady()

    async def sleep(self, seconds: float) -> None:
        """Waits; so many times as long, as long as the lease is not its own."""
        is_waiting = self._one.lease is None or not self._one.lease.claim
        await self._one.clock.sleep(seconds * self._slowness() if is_waiting else seconds)


class PairStage(Stage):
    """One world with two instances in it. The newest run is that of whoever was granted the lease last."""

    def __init__(self, seed: int, pace: Pace) -> None:
        super().__init__(seed, pace)
        self.leases = MemoryLeaseStore(self.clock)
        self.turns = Turns(self.oracle, self.leases, TTL_MS)
        self.takeovers: list[float] = []
        """How long each took that was timed, virtual seconds."""
        self.instances = tuple(Instance(Host(name), HostClock(self.clock), self.world.store, self.leases) for name in ("left", "right"))

    @property
    def leader(self) -> Instance | None:
        """Whose run is the newest, while it lives."""
        return next((i for i in self.instances if self.lives and i.life is self.life), None)

    @property
    def follower(self) -> Instance | None:
        """Who stands by, and could take over at once."""
        for one in self.instances:
            stands_by = one.life is None and one.standby is not None and not one.is_down
            if stands_by and one.reaches() and not one.host.is_stopped and one.standby is not None and one.standby.holder:
                return one
        return None

    def start(self) -> None:
        """Every instance that is down is started."""
        for one in self.instances:
            if one.is_down:
                one.task = one.host.context().run(asyncio.create_task, self._live(one), name=f"instance {one.host.name}")

    async def _live(self, one: Instance) -> None:
        """An instance and its supervisor."""
        pause = RESTART_S
        try:
            while await self._turn(one):
                await one.clock.sleep(pause)
                pause = min(pause * 2, RESTART_MAX_S)
        except Exception as error:
            self.oracle.broke("LIFE", f"{one.host.name} ended while it stood by, with {type(error).__name__}: {error}")

    async def _turn(self, one: Instance) -> bool:
        """Stands by, and runs when its turn comes; whether it is to be started again. Who starts asks which server counts."""
        self.join(one)
        lease = one.lease = MemoryLease(one.leases, one.host.name, ttl_ms=TTL_MS, steady=one.clock.steady, reaches=one.reaches)
        follower = MemoryFollower(one.store, reaches=one.reaches)
        one.standby = Standby(lease, follower, StandbyClock(one, lambda: self.world.slowness), self.policy)
        mandate = await one.standby.until_granted()
        if mandate is None:
            return False
        try:
            life = self._lead(one, lease.claim, mandate, await one.standby.followed(), one.standby.heard)
            await asyncio.wait({life.task})
            return not life.cut and not isinstance(self._ended_by(life), Crash)
        finally:
            one.life = one.turn = one.standby = None  # until its supervisor starts it again nobody stands by
            await mandate.end()

    def _lead(self, one: Instance, claim: str, mandate: Mandate, followed: Followed | None, heard: Heard) -> Life:
        journal = MemoryJournal(
            one.store,
            appending=self._appending,
            appended=lambda: self._reached("append ends"),
            is_ours=lambda: one.leases.held() == claim,
            reaches=one.reaches,
        )
        is_all = followed is not None and followed.position.seq == journal.newest
        recovery = (followed.snapshot, followed.course) if followed is not None and is_all else None
        turn = one.turn = Turn(claim, one.host.name, one.clock)
        self.turns.begin(turn)
        self.bot_clock = one.clock
        self.world.collateral.told_by(one.clock)
        witness = TurnWitness(self.oracle, self.turns, turn, BotClock(self.clock))
        where = f" on {one.host.name} in epoch {claim.partition(':')[0]}"
        one.life = self._begin(journal, witness, mandate=mandate, recovery=recovery, heard=heard, where=where)
        return one.life

    def _happened(self, venue: VenueId, reports: Sequence[Report]) -> None:
        super()._happened(venue, reports)
        self.turns.happened(reports)

    # what happens to hosts

    async def crash(self) -> None:
        """The process that sends is gone, now."""
        self.crash_in = 0
        await self.kill(self.leader or self.instances[0])

    async def kill(self, one: Instance) -> None:
        """The process on one host is gone, now."""
        self.crashes += 1
        self.story.tell("stage", f"CRASH on {one.host.name}")
        if one.life is not None:
            one.life.cut = True
            one.life.journal.crash()
        for wire in self.world.chaos_wires.values():
            wire.forget(one.host)
        with suppress(BaseExceptionGroup):
            await one.host.kill()

    def freeze(self, one: Instance, seconds: float) -> None:
        """The process on one host is stopped, as by SIGSTOP, and goes on later."""
        self.story.tell("stage", f"{one.host.name} is stopped for {seconds:.1f} s")
        one.host.stop()
        self.later(seconds, one.host.go_on)

    def stand_still(self, seconds: float) -> None:
        """The process that sends is stopped for so long; the other one is not."""
        if (leader := self.leader) is not None:
            self.freeze(leader, seconds)

    async def stop(self) -> float:
        """An orderly stop of the run that sends; the other instance takes over."""
        if (leader := self.leader) is None:
            return 0.0
        leader.host.go_on()
        took = await super().stop()
        if leader.task is not None:
            await asyncio.wait({leader.task})
        return took

    async def end(self) -> float:
        """The orderly stop of both: of who stands by first, so that it does not take over."""
        for one in self.instances:
            if one is not self.leader and one.standby is not None and one.task is not None:
                one.standby.stop("the end")
                await asyncio.wait({one.task})
        return await self.stop()

    # what happens to the store

    def fail_over(self, entries: int, *, forgets: bool) -> None:
        """A copy takes the store's place that has lost the last so many entries, and the newest grant, or all that it knew of leases."""
        self.world.store.lose(entries)
        if forgets:
            self.leases.forget()
        else:
            self.leases.roll_back()
        self.forget()

    def split(self, leader: Instance, entries: int, seconds: float) -> None:
        """The store is two for a while: the leader keeps the old server, and the new one has lost the last entries and every lease."""
        old = self.world.store
        copy = MemoryStore(entries=list(old.entries), epoch=old.epoch, snapshots=list(old.snapshots))
        leader.go_to(copy, self.leases.copy())
        if leader.turn is not None:
            leader.turn.is_split = True
        self.fail_over(entries, forgets=True)
        self.later(seconds, partial(self.join, leader))

    def join(self, one: Instance) -> None:
        """An instance is answered by the server that counts."""
        if one.store is not self.world.store:
            self.story.tell("stage", f"{one.host.name} finds the new server")
            one.go_to(self.world.store, self.leases)

    def heal(self) -> None:
        """From here on nothing is wrong any more, and both instances run."""
        super().heal()
        for one in self.instances:
            one.host.go_on()
            one.is_linked, one.clock.offset_ms = True, 0
            one.clock.run_at(1.0)
            self.join(one)
        self.start()

    # people

    async def person(self, action: OperatorAction, venue: VenueId | None = None) -> str:
        """Somebody acts, as soon as there is an instance that listens."""
        until = self.clock.steady() + LED_WITHIN_S
        while self.clock.steady() < until and ((leader := self.leader) is None or leader.host.is_stopped):
            await self.clock.sleep(0.5)
        return await super().person(action, venue)
