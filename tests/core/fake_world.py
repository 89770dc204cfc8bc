"""A tiny pure world around the step: venues that fill, partly fill, refuse, lose answers, and tell things late, twice or never.

Everything is drawn from one seed and happens on virtual time, so a failing seed repeats exactly. The world keeps its own books: what
really happened at the venues, against which the ledger is judged. It knows the core only by its events and commands.
"""

from __future__ import annotations

import heapq
from decimal import Decimal
from functools import partial

from bot.core import events as ev
from bot.core import exposure, invariants
from bot.core.commands import Command
from bot.core.engine import step
from bot.core.records import Ledger
from bot.core.units import ZERO, Asset, InstrumentId, VenueId
from tests.core.fake_venues import Venues
from tests.core.fake_wire import BEAT_MS, SOON_MS, Faults
from tests.core.story import quote_of


def _connected(venue: str, at: int) -> ev.Event:
    return ev.VenueLinkChanged(at=at, venue=VenueId(venue), link=ev.VenueLink.UP, reason="connected")


class World(Venues):
    """The venues, the collateral, the wire and the clock around one ledger."""

    # the bot

    def feed(self, event: ev.Event) -> None:
        """One event through the step, its commands onto the wire."""
        result = step(self.ledger, event, self.policy)
        self.ledger = result.ledger
        self.events.append(event)
        self.commands.extend(result.commands)
        assert not invariants.broken(self.ledger), invariants.broken(self.ledger)
        for command in result.commands:
            self.dispatch(command)
        if result.decide_soon:
            self._decide_by(self.now + SOON_MS)

    def _decide_by(self, at: int) -> None:
        if self.decision_at is not None and self.now <= self.decision_at <= at:
            return
        self.decision_at = at
        self.number += 1
        heapq.heappush(self.queue, (at, self.number, self.run_number, lambda: self._decide(at)))

    def _decide(self, due_at: int) -> None:
        if self.decision_at != due_at:
            return
        self.decision_at = None
        self.decisions += 1
        self.feed(ev.DecisionDue(at=self.now, quotes=tuple(self._quote(i.id) for i in self.instruments)))
        self._judge()
        if self.decision_at is None:
            self._decide_by(self.now + BEAT_MS)

    def _quote(self, instrument: InstrumentId) -> ev.Quote:
        mark = self.mark(instrument)
        if self.faults.mark_noise_bps:
            mark = (mark * (1 + Decimal(str(self.random.gauss(0, self.faults.mark_noise_bps))) / 10_000)).quantize(Decimal("0.1"))
        heard_at = (
            min(self.now, self.venues[instrument.partition(":")[0]].silent_until - 60_000) if self.is_silent(instrument) else self.now
        )
        return quote_of(instrument, mark, heard_at)

    def start(self) -> None:
        """A run of the bot begins: the first, or after a crash that lost everything that was on its way."""
        self.run_number += 1
        self.decision_at = None
        epoch = f"r{self.run_number}x"
        self.feed(ev.SessionStarted(at=self.now, epoch=epoch, config_hash="c", policy=self.policy))
        for instrument in self.instruments:
            self.feed(ev.InstrumentListed(at=self.now, instrument=instrument))
            self.feed(ev.MarketObserved(at=self.now, instrument=instrument.id, open_interest=Decimal(10_000_000)))
        for venue in self.venues:
            self.tell(50, partial(_connected, venue))
        for asset in self.collateral:
            self._tell_collateral(asset)
        self._decide_by(self.now + SOON_MS)

    def beat(self) -> None:
        """Once a second: what happens by itself."""
        self.tell(1, lambda at: ev.CollateralConfirmed(at=at, source="custody"))
        for asset in self.collateral:
            if self.chance(self.faults.collateral_moves):
                self.move_collateral(asset, Decimal(self.random.randint(0, 4000)) / 100)
        for instrument in self.instruments:
            if self.chance(self.faults.deleveraging):
                self.deleverage(instrument.id)
            if self.chance(self.faults.funding_moves):
                self._move_funding(instrument.id)
        for venue in self.venues:
            if self.chance(self.faults.silence):
                self.silence(venue, self.random.randint(1_000, 20_000))
        if self.chance(self.faults.crash):
            self.start()
        self.at(BEAT_MS, self.beat)

    # collateral, funding, silence

    def move_collateral(self, asset: str, quantity: Decimal) -> None:
        """What is held of an asset becomes this."""
        self.collateral[asset] = quantity
        self._tell_collateral(asset)

    def _tell_collateral(self, asset: str) -> None:
        quantity = self.collateral[asset]
        self.feed(
            ev.CollateralObserved(
                at=self.now, source="custody", location="vault", asset=Asset(asset), quantity=quantity, redemption_rate=Decimal(1)
            )
        )
        if len(self.collateral) == len(set(self.policy.collateral_assets)):
            self.feed(ev.CollateralConfirmed(at=self.now, source="custody"))

    def _move_funding(self, instrument: InstrumentId) -> None:
        rate = Decimal(self.random.choice((-5, -1, 1, 5))) / 10_000
        for delay in (0, 400, 800):
            self.tell(
                delay,
                lambda at: ev.FundingRateObserved(
                    at=at, instrument=instrument, rate=rate, interval_ms=8 * 3_600_000, next_settlement_at=None
                ),
            )

    def silence(self, venue: str, for_ms: int) -> None:
        """Nothing comes from a venue and no request reaches it for a while."""
        self.venues[venue].silent_until = max(self.venues[venue].silent_until, self.now + for_ms)
        self.tell(10, lambda at: ev.VenueLinkChanged(at=at, venue=VenueId(venue), link=ev.VenueLink.STALE, reason="silent"))
        self.at(for_ms + 10, lambda: self._heard_again(venue))

    def _heard_again(self, venue: str) -> None:
        if not self.is_silent(venue):
            self.tell(10, lambda at: ev.VenueLinkChanged(at=at, venue=VenueId(venue), link=ev.VenueLink.UP, reason="heard"))

    # judging

    def true_net(self, asset: str) -> Decimal:
        """Collateral, coins in accounts, and what the venues really hold, in base units."""
        held = sum((i.base_of(self.venues[i.venue].held(i.id), self.mark(i.id)) for i in self.instruments if i.base == asset), ZERO)
        return self.collateral[asset] + held + sum((self.coins(v, a) for v, a in self.wallets if a == asset), ZERO)

    def _judge(self) -> None:
        for asset in self.collateral:
            self.overshoot[asset] = min(self.overshoot[asset], self.true_net(asset))

    def heal(self) -> None:
        """Faults stop; what is silent is heard again."""
        self.faults = Faults(
            anonymous_fills=self.faults.anonymous_fills,
            forgets_unfilled=self.faults.forgets_unfilled,
            mark_noise_bps=0.0,
        )
        for name, venue in self.venues.items():
            venue.silent_until = min(venue.silent_until, self.now)
            self._heard_again(name)

    def differences(self) -> list[str]:
        """Where the ledger and the world disagree, or the book is not hedged, in sentences."""
        found = []
        for venue in self.venues.values():
            for instrument in venue.positions:
                ours = self.ledger.positions[instrument].quantity
                if ours != venue.held(instrument):
                    found.append(f"{instrument}: ledger {ours}, venue {venue.held(instrument)}")
        for asset in self.collateral:
            band = exposure.rebalance_threshold(self.ledger, self.policy, Asset(asset))
            # The venue with the fine lot may be at its cap: less than one coarse lot is then dust, told and left alone.
            coarse = max(i.to_base(i.lot, self.mark(i.id)) for i in self.ledger.instruments.values() if i.base == asset)
            if band is None or abs(self.true_net(asset)) > max(band, coarse):
                found.append(f"{asset}: net {self.true_net(asset)} of {self.collateral[asset]} is outside {band}")
        found.extend(f"{o.client_order_id} is {o.state.value}" for o in self.ledger.open_orders())
        found.extend(f"{v} is not reconciled" for v, r in self.ledger.venues.items() if not r.reconciled)
        found.extend(f"{order} was wired {times} times" for order, times in self.wired.items() if times != 1)
        return found

    def orders_placed(self) -> int:
        """Orders that were ever sent."""
        return len(self.wired)

    def replayed(self) -> tuple[Ledger, list[Command]]:
        """The same events folded again from nothing."""
        ledger = Ledger()
        commands: list[Command] = []
        for event in self.events:
            result = step(ledger, event, self.policy)
            ledger = result.ledger
            commands.extend(result.commands)
        return ledger, commands
