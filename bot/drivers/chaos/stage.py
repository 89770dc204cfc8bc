"""The bot's lives in a chaos world: each run of the unchanged shell from its start to its end, whoever ends it.

A run that ends by itself is started again a moment later, as a supervisor would. A crash cuts it off at one instant: none of its tasks
takes another step, what waited in its journal is lost, and what it sent travels on.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any

from bot.core.events import OperatorAction
from bot.core.records import Ledger
from bot.core.units import ZERO, Millis, VenueId
from bot.drivers.chaos.custody import Word
from bot.drivers.chaos.oracle import Oracle
from bot.drivers.chaos.story import Story
from bot.drivers.chaos.telemetry import ChaosTelemetry
from bot.drivers.chaos.truth import Truth
from bot.drivers.chaos.venue import ChaosVenue, FeedDied, Witness
from bot.drivers.chaos.world import BotClock, ChaosWorld, MemorySwitch, Pace, policy_of
from bot.operating import HaltTold, OperatorRequest
from bot.ports import JournalUnavailable, LeaseLost, Snapshot
from bot.shell.heard import Heard
from bot.shell.lifecycle import Run, World
from bot.shell.loop import LoopOverrun
from bot.shell.mandate import Mandate
from bot.shell.recovery import Course
from bot.simulator.memory import MemoryJournal
from bot.simulator.model import OrderReport, Report
from bot.simulator.virtual_time import VirtualClock, VirtualTimeLoop
from bot.simulator.wire import Passage
from bot.simulator.world import ACCOUNT

RESTART_S = 1.0
"""How long a supervisor takes to start a run that ended by itself; twice as long each time, up to RESTART_MAX_S."""
RESTART_MAX_S = 15.0
FUNDING_POLL_S = 60.0


class Crash(BaseException):
    """The process died here."""


MAY_END_A_RUN = (JournalUnavailable, FeedDied, LoopOverrun, LeaseLost, Crash)
"""What a run may end of by itself."""


@dataclass(slots=True, eq=False)
class Life:
    """One run of the bot. `cut`: it was crashed or stopped on purpose. `is_awaited`: it ended by itself and is started again."""

    run: Run
    journal: MemoryJournal
    task: asyncio.Task[None]
    cut: bool = False
    is_awaited: bool = False


class Stage:
    """One world and the lives of the bot in it."""

    def __init__(self, seed: int, pace: Pace) -> None:
        self.seed, self.pace = seed, pace
        self.random = Random(f"{seed} stage")
        self.struck: Counter[int] = Counter()
        self.clock = VirtualClock()
        self.bot_clock = BotClock(self.clock)
        self.world = ChaosWorld(self.clock, self.bot_clock, seed, pace, self.struck)
        self.policy = policy_of(self.world.instruments, pace, seed)
        self.switch = MemorySwitch()
        self.story = Story(self.clock.now)
        self.oracle = Oracle(Truth(self.world, self.policy), self.policy, self.world.store, self.story, self.clock.now)
        self.oracle.offset_ms = lambda: self.bot_clock.offset_ms
        self.oracle.ledger = lambda: self.ledger
        self.world.collateral.on_taken = self._word_taken
        for wire in self.world.chaos_wires.values():
            wire.happened = self._happened
            wire.passing = lambda venue, passage: self._reached(f"{venue} {passage.value}")
        self.lives: list[Life] = []
        self.crashes = self.ended_by_itself = 0
        self.busy_until = 0.0
        """When the last fault that is known of ends, virtual seconds."""
        self._restart_s = RESTART_S
        self.slow_store_s = 0.0
        self.crash_in = 0
        """After so many more points that the run passes it crashes; 0: never."""
        self.crashing = asyncio.Event()
        self.forgot = False
        """Whether the store lost what it knew, so that counts over its life begin anew."""
        self.tasks: set[asyncio.Task[Any]] = set()

    @property
    def life(self) -> Life:
        """The newest run."""
        return self.lives[-1]

    @property
    def ledger(self) -> Ledger:
        """What the newest run believes."""
        return self.life.run.loop.ledger

    def own(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Starts a task of the world: no crash of the bot ends it."""
        task = asyncio.create_task(work, name=name)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Something of the world happens later, and trouble lasts until then."""
        self.busy_until = max(self.busy_until, self.clock.steady() + seconds)
        asyncio.get_running_loop().call_later(seconds, act)

    def jump(self, seconds: float) -> None:
        """The process stands still for so long."""
        loop = asyncio.get_running_loop()
        if isinstance(loop, VirtualTimeLoop):
            loop.jump(seconds)
        self.oracle.paused(round(seconds * 1_000))

    def stand_still(self, seconds: float) -> None:
        """The process that sends is stopped for so long."""
        self.jump(seconds)

    async def end(self) -> float:
        """The orderly stop of everything; how many virtual seconds it took."""
        return await self.stop()

    # lives

    def start(self) -> None:
        """A run begins."""
        journal = MemoryJournal(self.world.store, appending=self._appending, appended=lambda: self._reached("append ends"))
        self.own(self._watch(self._begin(journal, self.oracle)), "supervisor")

    def _begin(
        self,
        journal: MemoryJournal,
        witness: Witness,
        *,
        mandate: Mandate | None = None,
        recovery: tuple[Snapshot, Course] | None = None,
        heard: Heard | None = None,
        where: str = "",
    ) -> Life:
        """A run on a journal, under a mandate where it needs one, and from what was followed where something was; `where` is for people."""
        self.oracle.new_life()
        number = len(self.lives) + 1
        ports = World(
            venues={v: self._venue(v, witness) for v in self.world.exchanges},
            sources=[self.world.collateral],
            journal=journal,
            clock=self.bot_clock,
            telemetry=ChaosTelemetry(self.oracle, self.story),
            funding_poll_s=FUNDING_POLL_S,
            halt=self.switch,
            mandate=mandate,
            heard=heard or Heard(),
        )
        run = Run(ports, self.policy, "c0ffee", tag=f"t{(number - 1) % 1000:03d}", recovery=recovery)
        self.oracle.causes.recovered(run.loop.ledger)
        self.story.tell("stage", f"run {number} begins{where}")
        life = Life(run, journal, asyncio.create_task(run.until_stopped(), name=f"run {number}"))
        self.lives.append(life)
        return life

    def _venue(self, venue: VenueId, witness: Witness) -> ChaosVenue:
        return ChaosVenue(
            venue,
            self.world.exchanges[venue],
            ACCOUNT,
            self.bot_clock,
            self.world.chaos_wires[venue],
            self.world.symbols(venue),
            witness=witness,
            venue_clock=self.clock,
            beat_s=self.pace.quote_s,
        )

    def _word_taken(self, word: Word) -> None:
        if word.is_suspect:
            self.oracle.awaits_word(word.claim)

    def _happened(self, venue: VenueId, reports: Sequence[Report]) -> None:
        self.oracle.happened(venue, reports)
        for report in reports:
            if isinstance(report, OrderReport) and not report.order.state.is_open:
                self.struck[14] += ZERO < report.order.filled < report.order.request.contracts

    async def _watch(self, life: Life) -> None:
        """Starts the next run when one ends that nobody ended."""
        await asyncio.wait({life.task})
        if life.cut:
            if not life.task.cancelled():
                life.task.exception()  # looked at, so that asyncio does not tell of it: what is cut off may not close its journal either
            self._restart_s = RESTART_S
            return
        if isinstance(self._ended_by(life), Crash):
            return  # whoever asked for the crash goes on from here
        life.cut = life.is_awaited = True
        await self.clock.sleep(self._restart_s)
        self._restart_s = min(self._restart_s * 2, RESTART_MAX_S)
        if self.life is life and life.is_awaited:
            self.start()

    def _ended_by(self, life: Life) -> BaseException | None:
        """What ended a run that nobody ended."""
        error = None if life.task.cancelled() else life.task.exception()
        self.ended_by_itself += 1
        self.story.tell("stage", f"the run ended by itself: {type(error).__name__} {error}")
        if not isinstance(error, MAY_END_A_RUN):
            self.oracle.broke("LIFE", f"the run ended with {type(error).__name__}: {error}")
        return error

    async def crash(self) -> None:
        """The process is gone, now."""
        self.crashes += 1
        self.crash_in = 0
        self.life.cut, self.life.is_awaited = True, False  # whoever asked for this starts the next one
        self.life.journal.crash()
        self.story.tell("stage", "CRASH")
        mine = asyncio.all_tasks() - self.tasks - self.world.tasks() - self._outside()
        for task in mine:
            task.cancel()
        with suppress(BaseExceptionGroup):
            await asyncio.gather(*mine, return_exceptions=True)

    def _outside(self) -> set[asyncio.Task[Any]]:
        current = asyncio.current_task()
        return {self.main} | ({current} if current is not None else set())

    main: asyncio.Task[Any]
    """The task that plays the seed."""

    async def stop(self) -> float:
        """An orderly stop; how many virtual seconds it took."""
        began, life = self.clock.steady(), self.life
        life.cut, life.is_awaited = True, False
        self.story.tell("stage", "SIGTERM")
        life.run.stop("SIGTERM")
        await asyncio.wait({life.task})
        error = None if life.task.cancelled() else life.task.exception()
        if error is not None and not isinstance(error, MAY_END_A_RUN):
            self.oracle.broke("LIFE", f"the stop ended with {type(error).__name__}: {error}")
        return self.clock.steady() - began

    def _appending(self) -> None:
        self._reached("append begins")
        if self.slow_store_s > 0.0:
            self.struck[51] += 1
            self.jump(self.random.uniform(0.0, self.slow_store_s))

    def _reached(self, where: str) -> None:
        """A point at which a run can crash."""
        if self.crash_in <= 0:
            return
        self.crash_in -= 1
        if self.crash_in == 0:
            self.story.tell("stage", f"crash point: {where}")
            self.crashing.set()
            if Passage.ARRIVED.value not in where:  # that one is the venue's doing, and its reply meets nobody
                raise Crash(where)

    # people

    async def person(self, action: OperatorAction, venue: VenueId | None = None) -> str:
        """Somebody acts; what the bot answered, "" when it did not."""
        self.story.tell("person", f"{action.value} {venue or 'the book'}")
        if action is OperatorAction.HALT and venue is None:
            self.switch.halted = HaltTold("chaos", "a drill")
        if action is OperatorAction.RESUME:
            self.oracle.resumed(venue)
        try:
            answer = await self.life.run.control.act(OperatorRequest(action=action, by="chaos", why="a drill", venue=venue))
        except TimeoutError:
            return ""
        self.story.tell("bot", answer.sentence)
        return answer.sentence

    def now(self) -> Millis:
        """The world's clock."""
        return self.clock.now()

    def forget(self) -> None:
        """The store lost what it knew: counts over its life begin anew."""
        self.forgot = True
        self.oracle.store_lost()
        for venue in [v for v in self.oracle.halted if v is not None]:
            self.oracle.resumed(venue)

    async def until_soon(self, event: asyncio.Event, within_s: float = 0.5) -> None:
        """Waits for something, not for long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await event.wait()

    def heal(self) -> None:
        """From here on nothing is wrong any more."""
        for venue, here in self.world.conditions.items():
            here.heal()
            wire = self.world.chaos_wires[venue]
            wire.silent, wire.latency_s, wire.stream_s = False, 0.01, 0.005
        self.world.store.taking = True
        self.world.collateral.heal()
        self.slow_store_s, self.crash_in, self.bot_clock.offset_ms = 0.0, 0, 0
        self._restart_s = RESTART_S
        self.world.restore()
