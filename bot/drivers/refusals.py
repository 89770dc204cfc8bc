"""What is refused in one sentence with exit code 2: bad input, found before anything was sent."""

from __future__ import annotations

import errno

from bot.adapters.telemetry.endpoints import EndpointUnavailable
from bot.config import ConfigError
from bot.ports import JournalRefused, VenueNotReady
from bot.shell.explain import NotTold
from bot.shell.left_out import LeftOut
from bot.simulator.history_files import HistoryUnreadable


class DemoRefused(Exception):
    """The demonstration cannot be given as asked: one sentence."""


class PortTaken(Exception):
    """A port that the simulator was told to listen on is in use: one sentence."""


REFUSALS: tuple[type[Exception], ...] = (
    ConfigError,
    JournalRefused,
    LeftOut,
    NotTold,
    EndpointUnavailable,
    VenueNotReady,
    HistoryUnreadable,
    DemoRefused,
    PortTaken,
)


def in_one_sentence(error: BaseException) -> str:
    """The error's own sentence, on one line."""
    return " ".join(str(error).split())


def port_taken(setting: str, address: object, error: OSError) -> PortTaken:
    """The refusal for an address that cannot be listened on."""
    why = "is in use by another program" if error.errno == errno.EADDRINUSE else f"cannot be listened on ({error.strerror})"
    return PortTaken(f"{setting}: {address} {why}; choose another port (0 takes any free one)")
