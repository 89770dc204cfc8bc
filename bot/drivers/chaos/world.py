"""The world of a chaos run: three assets at four venues, three linear and one inverse, with wires and clocks that may go wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import sqrt
from random import Random

from bot.core.instrument import Instrument
from bot.core.policy import Policy
from bot.core.units import Asset, InstrumentId, Millis, VenueId
from bot.drivers.chaos.conditions import Conditions
from bot.drivers.chaos.custody import ChaosCustody, claim_terms
from bot.drivers.chaos.wire import ChaosWire
from bot.operating import HaltTold
from bot.ports import Clock
from bot.simulator.model import Contract, MarketTick
from bot.simulator.virtual_time import VirtualClock
from bot.simulator.world import FAIR, SimulatedWorld

ASSETS = ("BTC", "ETH", "SOL")
USDT = Decimal(5_000_000)
ACCOUNTS: Mapping[str, Mapping[str, Decimal]] = {
    "binanceusdm": {"USDT": USDT},
    "bybit": {"USDT": USDT},
    "okx": {"USDT": USDT},
    "binancecoinm": {"BTC": Decimal(2), "ETH": Decimal(40), "SOL": Decimal(500)},
}
MOST_HELD: Mapping[str, int] = {"BTC": 10, "ETH": 200, "SOL": 3_000}
"""The most that custody ever holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often things happen, seconds: quotes, the market, a source's beat, the judge's look; and the bot's own beats, milliseconds.

    While nothing goes wrong for hours the market moves `idle_factor` times more rarely, as far as before in the same time, and the judge
    and who stands by look as rarely: the beats of who leads stay as they are.
    """

    name: str
    quote_s: float
    tick_s: float
    step_bps: float
    source_s: float
    judge_s: float
    policy: Mapping[str, Millis]
    idle_factor: int = 1


BRISK = Pace(name="brisk", quote_s=0.5, tick_s=2.0, step_bps=1.5, source_s=5.0, judge_s=1.0, policy={})
"""The policy's own defaults."""
STEADY = Pace(
    name="steady",
    quote_s=2.0,
    tick_s=6.0,
    step_bps=2.5,
    source_s=10.0,
    judge_s=3.0,
    policy={"decision_beat_ms": 5_000, "report_interval_ms": 20_000, "quote_age_max_ms": 6_000},
)
"""Slower beats for the same events: most of what the bot does it does because something happened."""
SLOW = Pace(
    name="slow",
    quote_s=10.0,
    tick_s=30.0,
    step_bps=5.0,
    source_s=20.0,
    judge_s=10.0,
    policy={"decision_beat_ms": 10_000, "report_interval_ms": 30_000, "quote_age_max_ms": 25_000},
    idle_factor=4,
)
"""The slowest beats that a configuration may ask for, nearly: many hours in little time."""


class BotClock:
    """The bot's clock: the world's, and off by `offset_ms`. Only the wall clock is ever wrong."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.offset_ms: Millis = 0

    def now(self) -> Millis:
        """Unix milliseconds as the bot's host believes them."""
        return self._clock.now() + self.offset_ms

    def steady(self) -> float:
        """Virtual seconds."""
        return self._clock.steady()

    async def sleep(self, seconds: float) -> None:
        """Waits in virtual time."""
        await self._clock.sleep(seconds)


class HostClock(BotClock):
    """The clocks of one host of several: the one that counts suspension may run fast or slow against the world's."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self._rate, self._since, self._read = 1.0, clock.steady(), 0.0

    def run_at(self, rate: float) -> None:
        """From now on so many of its seconds pass in one of the world's."""
        self._read, self._since = self.steady(), self._clock.steady()
        self._rate = rate

    def steady(self) -> float:
        """Seconds by this host."""
        return self._read + (self._clock.steady() - self._since) * self._rate


class MemorySwitch:
    """`ports.HaltSwitch` in memory: it outlives every run."""

    def __init__(self) -> None:
        self.halted: HaltTold | None = None

    def told(self) -> HaltTold | None:
        """Who halts."""
        return self.halted

    def clear(self) -> None:
        """Nobody halts any more."""
        self.halted = None


class ChaosWorld(SimulatedWorld):
    """A simulated world whose marks, depth and funding can be told wrong, venue by venue."""

    conditions: dict[VenueId, Conditions]
    collateral: ChaosCustody

    def __init__(self, clock: VirtualClock, bot_clock: Clock, seed: int, pace: Pace, struck: Counter[int]) -> None:
        self._pace, self.slowness = pace, 1
        self.conditions = {VenueId(v): Conditions(random=Random(f"{seed} {v}"), struck=struck) for v in ACCOUNTS}
        super().__init__(clock, seed, assets=ASSETS, tick_s=pace.tick_s, step_bps=pace.step_bps, accounts=ACCOUNTS)
        self.collateral = ChaosCustody("custody", bot_clock, clock, seed, beat_s=pace.source_s)
        self.chaos_wires = {v: ChaosWire(venue=v, conditions=c) for v, c in self.conditions.items()}
        self.wires = dict(self.chaos_wires)

    def slow_down(self, factor: int) -> None:
        """From the next move on the market moves so many times more rarely than the pace says, and farther (a random walk's root).

        `slowness` is for others who do the same.
        """
        self.slowness = factor
        self.tick_s, self.step_bps = self._pace.tick_s * factor, self._pace.step_bps * sqrt(factor)

    def full_depth(self, asset: str) -> tuple[Decimal, ...]:
        """What stands in the book of an asset when nothing is wrong, base units per level."""
        return (Decimal(500_000) / FAIR[asset],) * 5

    def original(self, instrument: InstrumentId) -> Contract:
        """A contract's terms as they were at first."""
        return self._contracts[instrument][1]

    def price_at(self, instrument: InstrumentId) -> Decimal:
        """The mark of an instrument at its venue."""
        exchange, contract = self.contract(instrument)
        return exchange.market(contract.symbol).mark

    def restore(self) -> None:
        """Markets and contracts are as they were at first, but for the price."""
        for asset in self.fair:
            self.depth[asset] = self.full_depth(asset)
        for instrument in self.instruments:
            self.contract(instrument)[0].amend(self.original(instrument))
        for rates in self.funding.values():
            rates.update(dict.fromkeys(rates, Decimal("0.0001")))
        self.tick()

    def tick_of(self, instrument: InstrumentId, contract: Contract, number: int) -> MarketTick:
        """The market of one contract as it is now, with a mark that may be wrong."""
        tick = super().tick_of(instrument, contract, number)
        factor = self.conditions[self.instruments[instrument].venue].marks.get(instrument)
        if factor is None:
            return tick
        mark = (tick.mark * factor).quantize(contract.tick)
        return MarketTick(
            symbol=tick.symbol,
            fair=tick.fair,
            mark=mark,
            index=tick.index,
            funding_rate=tick.funding_rate,
            half_spread=tick.half_spread,
            depth=tick.depth,
            open_interest=tick.open_interest,
            spread_step=tick.spread_step,
        )


def policy_of(instruments: Mapping[InstrumentId, Instrument], pace: Pace, seed: int) -> Policy:
    """Room to lose one venue of the four. The linear accounts hold many times what custody does."""
    return Policy(
        collateral_assets={Asset(a): Asset(a) for a in ASSETS},
        collateral_sources=frozenset({"custody"}),
        instruments=frozenset(instruments),
        venue_share_max=Decimal("0.45"),
        instrument_notional_max=Decimal(600_000),
        collateral_share_max=Decimal(1),
        settle_exposure_max=Decimal(1),
        claims=claim_terms(MOST_HELD, seed),
        **pace.policy,  # type: ignore[arg-type]  # names of the policy's own fields, in milliseconds
    )
