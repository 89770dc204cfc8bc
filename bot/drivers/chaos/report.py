"""What a campaign comes to, as text for people."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from bot.drivers.chaos.catalogue import FAULTS, OF_CHAOS
from bot.drivers.chaos.seed import Outcome


@dataclass(slots=True)
class Campaign:
    """Sums over seeds; averages are over virtual time."""

    struck: Counter[int] = field(default_factory=Counter)
    seeds: int = 0
    hours: float = 0.0
    cpu_s: float = 0.0
    orders: int = 0
    crashes: int = 0
    ended: int = 0
    persons: int = 0
    seconds: float = 0.0
    active: float = 0.0
    stray_usd: float = 0.0
    stray_bps: float = 0.0
    slowest_heal_s: float = 0.0
    pairs: int = 0
    takeovers: list[float] = field(default_factory=list)
    failed: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome, cpu_s: float) -> None:
        """One more seed."""
        self.struck += outcome.struck
        self.seeds += 1
        self.hours += outcome.hours
        self.cpu_s += cpu_s
        self.orders += outcome.orders
        self.crashes += outcome.crashes
        self.ended += outcome.ended_by_itself
        self.persons += outcome.persons
        self.seconds += outcome.averages.seconds
        self.active += outcome.averages.active
        self.stray_usd += outcome.averages.stray_usd
        self.stray_bps += outcome.averages.stray_bps
        self.pairs += outcome.instances > 1
        self.takeovers += outcome.takeovers
        self.slowest_heal_s = max(self.slowest_heal_s, outcome.slowest_heal_s)
        if outcome.violations:
            self.failed.append(outcome)

    def never_fired(self) -> tuple[int, ...]:
        """The faults of chaos that no seed met."""
        return tuple(number for number in OF_CHAOS if not self.struck[number])


def repeat(outcome: Outcome, hours: float, mode: str) -> str:
    """The one command that repeats a seed."""
    told = "" if mode == "safety" else f" --mode {mode}"
    return f"hedgebot chaos --seeds 1 --from {outcome.seed} --hours {hours:g}{told}"


def failure(outcome: Outcome, hours: float, mode: str) -> str:
    """A failing seed: what broke, how it came to that, and how to see it again."""
    broken = "\n".join(f"  {violation}" for violation in outcome.violations)
    story = "\n".join(f"  {line}" for line in outcome.last)
    return f"seed {outcome.seed} FAILED\n{broken}\nthe last of its story (virtual seconds, who, what):\n{story}\nrepeat: " + repeat(
        outcome, hours, mode
    )


def table(campaign: Campaign) -> str:
    """The whole campaign."""
    lines = ["fault  fired  what"]
    lines += [f"F{number:02d}  {campaign.struck[number]:6d}  {FAULTS[number].what}" for number in OF_CHAOS]
    seconds = max(campaign.seconds, 1.0)
    lines += [
        "",
        f"seeds                    {campaign.seeds}, of which {len(campaign.failed)} failed",
        f"two instances            {campaign.pairs} seeds; {_takeovers(campaign)}",
        f"virtual hours            {campaign.hours:.1f}",
        f"time ACTIVE              {100 * campaign.active / seconds:.1f} %",
        f"time-weighted |net delta| {campaign.stray_usd / seconds:.0f} USD, {campaign.stray_bps / seconds:.1f} bps of what is held",
        f"orders                   {campaign.orders}",
        f"crashes                  {campaign.crashes}, runs that ended by themselves {campaign.ended}",
        f"a person was needed      {campaign.persons} times",
        f"slowest return           {campaign.slowest_heal_s:.0f} s from the last fault to ACTIVE, in band and equal to the world",
        f"virtual hours per CPU s  {campaign.hours / max(campaign.cpu_s, 1e-9):.3f}",
    ]
    return "\n".join(lines)


def _takeovers(campaign: Campaign) -> str:
    if not campaign.takeovers:
        return "no takeover was timed"
    return f"{len(campaign.takeovers)} takeovers timed, the slowest hedged again after {max(campaign.takeovers):.1f} s"


def seed_line(outcome: Outcome, cpu_s: float) -> str:
    """One seed in one line."""
    seconds = max(outcome.averages.seconds, 1.0)
    word = "FAILED " + str(outcome.violations[0]) if outcome.violations else "clean"
    pair = ", two instances" if outcome.instances > 1 else ""
    return (
        f"seed {outcome.seed} ({outcome.pace}{pair}) {outcome.hours:.2f} h in {cpu_s:.1f} CPU s, "
        f"ACTIVE {100 * outcome.averages.active / seconds:.0f} %, "
        f"{outcome.orders} orders, {outcome.crashes} crashes, {sum(outcome.struck.values())} faults: {word}"
    )
