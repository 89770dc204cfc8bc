"""The oracle's look at the whole book, on a beat and at the end of each calm.

I02  net delta outside its band for long, in a book that is at rest, is told by the bot
I06  what the bot believes equals the world, a while after the last fault and the last fill
I07  each deleveraging, liquidation and foreign trade was told as a break of its instrument (see `causes`)
I08  each account is worth what was paid in, plus what was traded, plus funding, less fees; and the bot's sums of the last two are the same
I12  what the store holds folds to the ledger
I14  queues, tasks and what is remembered stay bounded
I17  while nothing moves, nothing is ordered
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from decimal import Decimal

from bot.core import risk
from bot.core.records import Ledger, TradingState
from bot.core.units import ZERO, Asset, Millis
from bot.drivers.chaos.stage import Stage
from bot.shell.recovery import recovered
from bot.simulator.world import ACCOUNT

REST_MS: Millis = 95_000
"""After so long without a fault and a fill the bot's book equals the world: a position's lag, and readings on their slowest beat."""
OUTSIDE_MS: Millis = 120_000
"""How long net delta may be outside its band at rest without a word."""
TASKS_MAX = 400
ORDERS_MAX = 2_500


@dataclass(slots=True)
class Averages:
    """Time-weighted figures of a seed, virtual seconds and USD."""

    seconds: float = 0.0
    active: float = 0.0
    stray_usd: float = 0.0
    stray_bps: float = 0.0
    worst_usd: float = 0.0
    outside: dict[Asset, float] = field(default_factory=dict)


class Judge:
    """Looks at a stage."""

    def __init__(self, stage: Stage) -> None:
        self._stage, self._oracle = stage, stage.oracle
        self.averages = Averages()
        self._looked_at = stage.clock.steady()
        self._outside_since: dict[Asset, Millis] = {}

    def is_calm(self) -> bool:
        """Whether no fault lasts, and nothing was executed for a while."""
        stage = self._stage
        rested = stage.now() - self._oracle.last_change >= REST_MS
        return rested and stage.clock.steady() >= stage.busy_until + REST_MS / 1000

    def look(self) -> None:
        """One look."""
        stage = self._stage
        seconds, self._looked_at = stage.clock.steady() - self._looked_at, stage.clock.steady()
        ledger = stage.ledger
        found = self.averages
        found.seconds += seconds
        if not stage.life.task.done() and self._is_active(ledger):
            found.active += seconds
        strays = held = ZERO
        for asset in self.assets():
            self._oracle.held(asset)
            stray = abs(self._oracle.truth.delta(asset)) * self._oracle.truth.price(asset)
            strays += stray
            held += self._oracle.truth.held_usd(asset)
            self._band(asset, stray, ledger)
        found.stray_usd += float(strays) * seconds
        found.stray_bps += float(strays / held * 10_000) * seconds if held else 0.0
        found.worst_usd = max(found.worst_usd, float(strays))
        self._bounded(ledger)
        self._oracle.look_at_suspects()
        self._halt_drained()
        if self.is_calm() and not ledger.open_orders() and not stage.life.task.done():
            self._agrees(ledger)

    def assets(self) -> tuple[Asset, ...]:
        """Every hedged asset, sorted."""
        return tuple(sorted(set(self._stage.policy.collateral_assets.values())))

    def _is_active(self, ledger: Ledger) -> bool:
        return risk.trading_state(ledger, self._stage.policy) is TradingState.ACTIVE

    def is_book_active(self) -> bool:
        """Whether the book is ACTIVE, whatever single venues are, by the bot's own word."""
        return not self._stage.life.task.done() and self._is_active(self._stage.ledger)

    def is_active(self) -> bool:
        """Whether the book and every venue are ACTIVE, by the bot's own word."""
        return self.is_book_active() and not self._stage.ledger.states

    def in_band(self) -> bool:
        """Whether every asset's true net delta is within its band."""
        truth = self._oracle.truth
        return all(abs(truth.delta(a)) * truth.price(a) <= truth.band_usd(a) for a in self.assets())

    def at_rest(self) -> bool:
        """Whether nothing is open and the bot's positions are the world's."""
        ledger = self._stage.ledger
        return not ledger.open_orders() and all(
            i in ledger.positions and ledger.positions[i].quantity == units and ledger.positions[i].dispute is None
            for i, units in self._oracle.truth.positions.items()
        )

    def _band(self, asset: Asset, stray: Decimal, ledger: Ledger) -> None:
        now, truth = self._stage.now(), self._oracle.truth
        if stray <= truth.band_usd(asset) or not self.is_calm():
            self._outside_since.pop(asset, None)
            return
        since = self._outside_since.setdefault(asset, now)
        if now - since > OUTSIDE_MS and risk.delta_breach(ledger, self._stage.policy, asset) is None:
            self._outside_since[asset] = now
            self._oracle.broke("I02", f"{asset} is {stray:.0f} USD off for {now - since} ms, and the bot says nothing of it")

    def _bounded(self, ledger: Ledger) -> None:
        tasks = len(asyncio.all_tasks())
        if tasks > TASKS_MAX:
            self._oracle.broke("I14", f"{tasks} tasks")
        if len(ledger.orders) > ORDERS_MAX:
            self._oracle.broke("I14", f"{len(ledger.orders)} orders are remembered")

    def _halt_drained(self) -> None:
        """I10: while a person halts the book and its venues answer, nothing works there for long."""
        since = self._oracle.halted.get(None)
        if since is None or not self.is_calm() or self._stage.now() - since < REST_MS:
            return
        for venue, exchange in self._stage.world.exchanges.items():
            ours = [o for o in exchange.open_orders(ACCOUNT) if o.request.client_order_id in self._oracle.truth.sent]
            if ours:
                self._oracle.broke("I10", f"{len(ours)} orders work at {venue} in a halted book")

    def _agrees(self, ledger: Ledger) -> None:
        for instrument, units in self._oracle.truth.positions.items():
            known = ledger.positions.get(instrument)
            if known is None or known.quantity != units:
                said = "nothing" if known is None else f"{known.quantity:f}"
                self._oracle.broke("I06", f"{instrument} is {units:f} and the bot believes {said}")

    # at the end

    def attributed(self) -> None:
        """I07: what others did to our positions was told."""
        for sentence in self._oracle.causes.untold():
            self._oracle.broke("I07", sentence)

    def cash(self) -> None:
        """I08: every account is worth what its causes add up to, and the bot's sums are the venues'."""
        causes = self._oracle.causes
        for venue, exchange in self._stage.world.exchanges.items():
            for sentence in causes.misbooked(venue, exchange):
                self._oracle.broke("I08", sentence)
        for sentence in causes.differs(self._stage.ledger, self._stage.now()):
            self._oracle.broke("I08", sentence)

    def folds(self, part: float = 1.0) -> None:
        """I12: the store, folded from its newest snapshot and at least over this part of its newest entries, is the ledger at an orderly
        stop. A part of 1: from its first entry.
        """
        stage, ledger, store = self._stage, self._stage.ledger, self._stage.world.store
        start, after = stage.lives[-1].journal.resume()
        count, earlier = store.newest_snapshot(min(int(len(store.entries) * (1 - part)), len(store.entries) - 1))
        for what, found in (
            (f"its entries after {count}", recovered(store.steps(after=count), stage.policy, earlier)),
            ("its snapshot", recovered(after, stage.policy, start)),
        ):
            if _recorded(found.ledger) != _recorded(ledger):
                names = [n for n in _recorded(ledger).__dataclass_fields__ if _differs(found.ledger, ledger, n)]
                self._oracle.broke("I12", f"the store by {what} does not fold to the ledger: {', '.join(names)}")


def _recorded(ledger: Ledger) -> Ledger:
    """A ledger without what is no part of the record: quotes, the newest decision, and what was asked for last."""
    venues = {v: replace(r, read_asked_at=None, read_pending=False, messages=()) for v, r in ledger.venues.items()}
    return replace(ledger, quotes={}, decided_at=None, venues=venues)


def _differs(one: Ledger, other: Ledger, name: str) -> bool:
    first, second = _recorded(one), _recorded(other)
    return bool(getattr(first, name) != getattr(second, name))
