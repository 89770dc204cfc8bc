"""Where a running bot is asked, and where the file is that halts it: as its configuration says, or as far as that can be read.

A bot that runs has taken its configuration; what lies on the disk now may be half written. People who halt it, look at it or close
positions must reach it all the same: then the unix socket in `state_dir` is asked, which is read from the file by its line alone.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from bot.adapters.telemetry.door import Door
from bot.config import CONTROL_SOCKET, HALT_FILE, ConfigError, Settings, load, state_dir_written_in


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """`control` is where the commands ask; `venues` are those of the configuration, None: it could not be read, the bot knows them.

    `configured`: the place is a whole configuration's. Any other may be a slip, and is never made.
    """

    control: Path | Door
    halt_path: Path
    venues: Collection[str] | None = None
    configured: bool = True


def door_of(settings: Settings) -> Door | None:
    """The endpoint over TCP, None: there is none."""
    told = settings.control
    if told is None:
        return None
    return Door(told.listen.host, told.listen.port, told.token.reveal(), told.asked_at(), frozenset(told.hosts))


def control_of(settings: Settings) -> Path | Door:
    """Where the commands ask."""
    return door_of(settings) or settings.control_path


def place_of(settings: Settings) -> Place:
    """Over TCP where the configuration has a `control` section, else on the bot's unix socket."""
    return Place(control=control_of(settings), halt_path=settings.halt_path, venues=frozenset(settings.venues))


def found_place(config: Path, state: Path | None) -> tuple[Place, str | None]:
    """The place of the bot that runs on a configuration, and what of that could not be read, in one sentence (None: nothing).

    `state`: its `state_dir`, as a person says. Raises ConfigError when there is neither that nor one that could be read.
    """
    try:
        settings = load(config)
    except ConfigError as error:
        folder = state or state_dir_written_in(config)
        if folder is None:
            raise ConfigError(f"{error}; and no state_dir can be read from it: say --state DIR") from None
        return _in(folder), f"{error}; the bot is asked on the socket in {folder} all the same"
    place = place_of(settings)
    return place if state is None else replace(_in(state), venues=place.venues), None


def _in(folder: Path) -> Place:
    return Place(control=folder / CONTROL_SOCKET, halt_path=folder / HALT_FILE, configured=False)
