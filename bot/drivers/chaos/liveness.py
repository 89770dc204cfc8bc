"""Liveness mode (I15): one fault lasts for ever, and the rest must converge to what is allowed and say so.

Faults that come and go heal by luck and hide livelocks. Here one venue is silent, refuses everything, answers no order or no question,
tells no funding or no quotes; or the store takes nothing; or custody cannot be read, or not from the start of a run on. Collateral comes
and goes meanwhile, or venues take hedges away.

    one venue gone     the others hedge what was free to move: net delta in band by the truth, or what is missing is told as unhedged;
                       and the lost venue is told (its link, or that it cannot be read, or a rest)
    no store           nothing increases, by the wire's own log; once the journal has given up the run ends with the reason
    no custody         its silence is told, and nothing is traded on what it might have said
    none at the start  the same, the book is ACTIVE, and what a venue takes away is hedged again: what custody told before is remembered

The bot may not die of any of it, nor order without end.
"""

from __future__ import annotations

from random import Random

from bot.core.limits import Limit
from bot.core.staleness import HEARD_WITHIN_MS
from bot.core.units import VenueId
from bot.drivers.chaos.seed import Outcome, Seed
from bot.drivers.chaos.strike import flow, trickle
from bot.drivers.chaos.strikes_venues import deleverage, deleverage_again
from bot.drivers.chaos.world import STEADY
from bot.simulator.virtual_time import run_virtually

FOR_EVER: tuple[str, ...] = (
    "silent",
    "refuses_everything",
    "unanswered_orders",
    "unanswered_questions",
    "refuses_increases",
    "muted",
    "no_funding",
    "store",
    "custody",
    "custody_at_start",
)
"""What may last for ever: a wire, a condition of one venue, or one of the two that are no venue's."""
SETTLES_S = 600.0
ORDERS_PER_HOUR_MAX = 900


class Endless(Seed):
    """A seed in which one fault lasts."""

    def __init__(self, number: int, hours: float) -> None:
        super().__init__(number, hours, STEADY)
        self.fault = Random(f"{number} endless").choice(FOR_EVER)
        self.venue = VenueId(self.random.choice(sorted(self.stage.world.exchanges)))

    async def _trouble(self, end: float) -> None:
        """The fault begins, and everything else goes on."""
        stage = self.stage
        await stage.clock.sleep(60.0)
        self._begin()
        if self.fault == "custody_at_start":
            await stage.crash()
            stage.start()
            await stage.clock.sleep(HEARD_WITHIN_MS / 1_000 + 10.0)
        until = max(end - SETTLES_S, stage.clock.steady() + 60.0)
        while stage.clock.steady() < until and not stage.oracle.violations:
            await stage.clock.sleep(self.random.expovariate(1.0 / 45.0))
            if self.fault == "custody_at_start":
                self.random.choice((deleverage, deleverage_again))(stage)
            elif self.fault != "custody":
                self.random.choice((flow, trickle, trickle))(stage)
        await stage.clock.sleep(SETTLES_S)

    async def _calm(self) -> None:
        """There is none: the rest has converged, and says so."""
        stage = self.stage
        if stage.oracle.violations or not self.begun:
            return
        told = self._says_so()
        if not told:
            stage.oracle.broke("I15", f"{self.fault} at {self.venue} lasts, and the bot says nothing of it: {self._told()}")
        hedged = self.judge.in_band() or any("unhedged" in n.sentence or "beyond what is needed" in n.sentence for n in stage.ledger.notes)
        if self.fault not in ("store", "custody") and not hedged:
            stage.oracle.broke("I15", f"{self.fault} at {self.venue} lasts, and the rest is not hedged: {self._told()}")
        if self.fault == "custody_at_start" and not self.judge.is_book_active():
            stage.oracle.broke("I15", f"custody is silent from the start on, and the book is not ACTIVE: {self._told()}")
        if len(stage.oracle.truth.sent) > ORDERS_PER_HOUR_MAX * max(1.0, self.hours):
            stage.oracle.broke("I15", f"{len(stage.oracle.truth.sent)} orders in {self.hours:g} h")
        self.begun = False

    async def _idle(self, end: float) -> None:
        """Nothing is idle here."""

    async def _end(self) -> None:
        """The last look: an orderly stop, whatever lasts."""
        if not self.stage.oracle.violations and not self.stage.life.task.done():
            took = await self.stage.stop()
            if took > 10.0:
                self.stage.oracle.broke("LIFE", f"an orderly stop took {took:.1f} s")

    begun = False

    def _begin(self) -> None:
        stage, here = self.stage, self.stage.world.conditions[self.venue]
        self.begun = True
        stage.busy_until = float("inf")
        stage.story.tell("stage", f"for ever: {self.fault} at {self.venue}")
        if self.fault == "silent":
            stage.world.chaos_wires[self.venue].silent = True
        elif self.fault == "store":
            stage.world.store.taking = False
        elif self.fault.startswith("custody"):
            stage.world.collateral.fall_silent()
        else:
            setattr(here, self.fault, "for_ever" if self.fault.startswith("refuses") else True)

    def _says_so(self) -> bool:
        """Whether the bot's own statement names what is wrong."""
        stage = self.stage
        if self.fault == "no_funding":
            return True  # a rate that is not told is a visible state of its instrument, and keeps nothing from being hedged
        if self.fault == "store":
            return stage.life.task.done() or any("durable" in line or "ended by itself" in line for line in stage.story.last())
        ledger, told = stage.ledger, stage.life.run.loop.statement()
        if self.fault.startswith("custody"):
            return any(b.limit in (Limit.COLLATERAL_AGE, Limit.COLLATERAL_UNKNOWN) for b in told.breaches)
        record = ledger.venues.get(self.venue)
        here = [b for b in told.breaches if self.venue in b.subject or self.venue in b.detail]
        refused = any(n.subject.startswith(self.venue) or self.venue in n.sentence for n in ledger.notes)
        return record is None or bool(here) or bool(record.unreadable) or refused or self._holds_nothing_there()

    def _holds_nothing_there(self) -> bool:
        """Whether everything has left the venue, and nothing more is wanted of it: then there is nothing to say."""
        return not any(units for i, units in self.stage.oracle.truth.positions.items() if i.startswith(f"{self.venue}:"))


def play_liveness(number: int, hours: float) -> Outcome:
    """One seed of liveness mode, on virtual time."""

    async def whole() -> Outcome:
        return await Endless(number, hours).play()

    return run_virtually(whole())
