"""The live view of a running bot as a picture: what `hedgebot watch` draws on a terminal, drawn once by the same code and photographed."""

from __future__ import annotations

import asyncio
import io
import subprocess
import tempfile
from pathlib import Path

import orjson
from rich.console import Console

from bot.adapters.telemetry.codec import to_json
from bot.adapters.telemetry.endpoints import fetch_statement
from bot.config import load
from bot.drivers.control_place import control_of
from bot.drivers.demo.view import screen
from bot.drivers.screen import PAGE_COLUMNS

QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars",
)  # fmt: skip
"""Flags with which Chromium asks nobody for anything."""


def photograph(config: Path, chromium: str, into: Path) -> None:
    """The screen of the bot that runs on `config`, as a PNG file. Raises EndpointUnavailable where none answers."""
    drawn = drawing(config)
    width, height = (float(word) for word in drawn.split('viewBox="0 0 ', 1)[1].split('"', 1)[0].split())
    with tempfile.TemporaryDirectory() as folder:
        svg = Path(folder) / "view.svg"
        svg.write_text(drawn, encoding="utf-8")
        size = f"--window-size={int(width)},{int(height)}"
        command = (chromium, *QUIET, f"--user-data-dir={folder}/profile", size, f"--screenshot={into}", svg.as_uri())
        subprocess.run(command, check=True, capture_output=True, timeout=120)  # noqa: S603  our own command


def drawing(config: Path) -> str:
    """The same as SVG, on the columns of the page that people see, with the fonts of whoever looks at it."""
    settings = load(config)
    told = orjson.loads(to_json(asyncio.run(fetch_statement(control_of(settings)))))
    console = Console(record=True, width=PAGE_COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(screen(told, (), f"{settings.name}, {settings.environment.value} (Ctrl-C ends this view, not the bot)", is_tall=True))
    drawn = console.export_svg(title="hedgebot watch")
    begin, end = drawn.index("@font-face"), drawn.rindex("@font-face")
    return drawn[:begin] + drawn[drawn.index("}", end) + 1 :]
