"""Faults of a plan's file, for simulated venues: read and judged before anything is served, armed when their time begins to count."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bot.config import ConfigError
from bot.config.document import read_document
from bot.core.units import Millis
from bot.drivers.simulated import SimulatedVenues
from bot.simulator.fault_codec import FaultsUnusable, plan_of
from bot.simulator.faults import Armed
from bot.simulator.lasting import unfit
from bot.simulator.model import Refused


def planned_in(file: Path) -> list[Armed]:
    """The faults of a plan's file, whatever venues there are. Raises ConfigError as `read_plan` does."""
    try:
        return plan_of(read_document(file))
    except FaultsUnusable as unusable:
        raise ConfigError(f"{file}: {unusable}") from None


def read_plan(file: Path, venues: SimulatedVenues) -> list[Armed]:
    """The faults of a plan's file, YAML or JSON. Raises ConfigError with the path in the file, the value and what is allowed."""
    planned = planned_in(file)
    for number, armed in enumerate(planned):
        why = unfit(armed, venues.server.desks)
        if why is not None:
            raise ConfigError(f"{file}: faults.{number}.{why}")
    return planned


def arm_plan(file: Path, planned: Sequence[Armed], venues: SimulatedVenues, now: Millis) -> None:
    """Their times count from `now`. Raises ConfigError for what the engine does not take, such as a lot that is none."""
    for number, armed in enumerate(planned):
        try:
            venues.server.lasting.arm(armed, now)
        except Refused as refused:
            raise ConfigError(f"{file}: faults.{number}: the venue refuses it: {refused}") from None
