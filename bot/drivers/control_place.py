"""Where a running bot is asked: over TCP where the configuration has a `control` section, else on its unix socket."""

from __future__ import annotations

from pathlib import Path

from bot.adapters.telemetry.door import Door
from bot.config import Settings


def door_of(settings: Settings) -> Door | None:
    """The endpoint over TCP, None: there is none."""
    told = settings.control
    if told is None:
        return None
    return Door(told.listen.host, told.listen.port, told.token.reveal(), told.asked_at(), frozenset(told.hosts))


def control_of(settings: Settings) -> Path | Door:
    """Where the commands ask."""
    return door_of(settings) or settings.control_path
