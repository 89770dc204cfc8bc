"""What the commands of the command line share: how they refuse, run and read what they are given."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Coroutine
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer

FLAG = " "
"""What a flag takes: nothing, instead of the type that would be shown."""
ConfigArgument = Annotated[Path, typer.Argument(metavar="CONFIG", help="The YAML configuration.", show_default=False)]
StateOption = Annotated[
    Path | None,
    typer.Option("--state", metavar="DIR", help="Its state_dir, for a CONFIG that cannot be read any more.", show_default=False),
]
T = TypeVar("T")
_DURATION = re.compile(r"(?P<number>\d+(\.\d+)?)\s*(?P<unit>ms|s|m|h)?", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, None: 1.0, "m": 60.0, "h": 3600.0}


def refuse(sentence: str) -> NoReturn:
    """Says in one sentence what cannot be done, and exits with 2."""
    typer.echo(f"hedgebot: {sentence}", err=True)
    raise typer.Exit(2)


def run_async(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Runs to the end on uvloop, and gives what it gives: mostly the exit code."""
    import uvloop  # here, because `--help` needs no event loop

    return uvloop.run(work())


def settings_of(config: Path) -> Any:
    """The settings in a configuration; one sentence and exit code 2 when there are none."""
    from bot.config import ConfigError, load

    try:
        return load(config)
    except ConfigError as error:
        refuse(str(error))


def place_of(config: Path, state: Path | None) -> Any:
    """Where the bot that runs on a configuration is asked, however much of that can be read; what cannot is told."""
    from bot.config import ConfigError
    from bot.drivers.control_place import found_place

    try:
        place, unread = found_place(config, state)
    except ConfigError as error:
        refuse(str(error))
    if unread is not None:
        typer.echo(f"hedgebot: {unread}", err=True)
    return place


async def refusing(work: Coroutine[Any, Any, T]) -> T | int:
    """What the work gives, mostly its exit code; 2 and one sentence when what was asked for cannot be done as asked."""
    from bot.drivers.refusals import REFUSALS, in_one_sentence

    try:
        return await work
    except REFUSALS as error:
        sys.stderr.write(f"hedgebot: {in_one_sentence(error)}\n")
        return 2


def refusing_at_once(work: Callable[[], int]) -> int:
    """The same of what does not wait."""
    from bot.drivers.refusals import REFUSALS, in_one_sentence

    try:
        return work()
    except REFUSALS as error:
        refuse(in_one_sentence(error))


def seconds_of(text: str | None) -> float | None:
    """How long `--for` asks for, in seconds."""
    if text is None:
        return None
    found = _DURATION.fullmatch(text.strip())
    seconds = float(found["number"]) * _SECONDS[found["unit"]] if found else 0.0
    if not 20 <= seconds <= 86_400:
        refuse(f"--for: {text!r} is not allowed: a time from 20s (the story needs that long) to 24h, for example 60s")
    return seconds


def milliseconds_of(text: str) -> int:
    """How long something lasts; 0 ends an override. What is no time is refused."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        refuse(f"--for: {text!r} is not allowed: a time such as 30s, 30m or 1h")
    return int(Decimal(found["number"]) * Decimal(str(_SECONDS[found["unit"]])) * 1000)


def speed_of(text: str | None) -> Decimal | None:
    """What `--speed` asks for."""
    if text is None:
        return None
    try:
        speed = Decimal(text)
    except InvalidOperation:
        speed = Decimal(0)
    if not speed.is_finite() or not Decimal("0.001") <= speed <= 10_000:
        refuse(f"--speed: {text!r} is not allowed: market seconds per wall second, from 0.001 to 10000")
    return speed
