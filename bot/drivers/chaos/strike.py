"""What a strike is, and what strikes have in common. Every fault kind of chaos is one, under its number of the catalogue."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal

from bot.core.units import Asset, InstrumentId, VenueId
from bot.drivers.chaos.conditions import Conditions
from bot.drivers.chaos.stage import Stage
from bot.drivers.chaos.world import ASSETS, MOST_HELD

Act = Callable[[Stage], Awaitable[None] | None]


@dataclass(frozen=True, slots=True)
class Strike:
    """One kind of fault. `counts_itself`: it has fired when it really hit something, and says so; else when it was struck.

    `needs_person`: what it leaves may need a named person to resume.
    """

    number: int
    act: Act
    counts_itself: bool = False
    needs_person: bool = False


def venue_of(stage: Stage) -> VenueId:
    """Any venue."""
    return stage.random.choice(sorted(stage.world.exchanges))


def conditions_of(stage: Stage) -> Conditions:
    """Those of any venue."""
    return stage.world.conditions[venue_of(stage)]


def instrument_of(stage: Stage) -> InstrumentId:
    """Any instrument."""
    return stage.random.choice(sorted(stage.world.instruments))


def held_instrument_of(stage: Stage) -> InstrumentId:
    """Any instrument that carries a position; any at all while none does."""
    held = sorted(i for i, units in stage.oracle.truth.positions.items() if units)
    return stage.random.choice(held) if held else instrument_of(stage)


def for_a_while(stage: Stage, here: Conditions, name: str, value: object, longest_s: float, plain: object = False) -> None:
    """One of a venue's conditions holds for a time between a second and the longest."""
    setattr(here, name, value)
    stage.later(stage.random.uniform(1.0, longest_s), lambda: setattr(here, name, plain))


def flow(stage: Stage, share: float = 1.0) -> None:
    """Custody comes to hold something else of one asset: anything up to `share` of the most."""
    asset = stage.random.choice(ASSETS)
    most = MOST_HELD[asset] * share
    hold(stage, asset, Decimal(stage.random.randint(0, int(most * 1_000))) / 1_000)


def trickle(stage: Stage) -> None:
    """A little of one asset comes or goes: so little that it may be worked patiently."""
    asset = stage.random.choice(ASSETS)
    known = stage.world.collateral.totals.get(("vault", Asset(asset)))
    held = Decimal(0) if known is None else known.quantity
    part = Decimal(stage.random.choice(("-0.002", "-0.0012", "0.0008", "0.0012", "0.0016", "0.002")))
    moved = Decimal(MOST_HELD[asset]) * part
    hold(stage, asset, max(Decimal(0), held + moved.quantize(Decimal("0.0001"))))


def hold(stage: Stage, asset: str, quantity: Decimal) -> None:
    """Custody holds so much from now on."""
    stage.story.tell("custody", f"{asset} {quantity}")
    stage.oracle.held(Asset(asset))
    stage.world.collateral.hold(asset, quantity)
    stage.oracle.held(Asset(asset))
