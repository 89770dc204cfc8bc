"""The live picture of the book: what is held, what is hedged, where, at what funding, and what was just decided and why.

`Picture` draws a bot's statement (the JSON that its control socket tells) with rich; `Lines` prints the same in plain lines, for logs and
where there is no terminal. Both only read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bot.core.units import Millis
from bot.drivers.demo.story import StoryEvent
from bot.drivers.screen import DECISIONS_SHOWN, Told, book_line, book_screen

TALL_LINES = 50
"""Lines of terminal below which the story's table is left out and fewer decisions are shown."""
LINE_EVERY_MS: Millis = 2_000


class View(Protocol):
    """Somewhere to show things."""

    def show(self, told: Told | None, events: Sequence[StoryEvent], header: str, now: Millis) -> None:
        """Shows the newest statement, as often as it likes."""

    def say(self, sentence: str) -> None:
        """Shows a sentence that must not be missed."""

    def close(self) -> None:
        """Leaves the terminal as it was."""


class Lines:
    """Plain lines: every sentence at once, a line on the book every two seconds."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._next_at: Millis = 0
        self._began_at: Millis | None = None

    def show(self, told: Told | None, events: Sequence[StoryEvent], header: str, now: Millis) -> None:
        """One line on the book, every two seconds."""
        del events, header  # told as sentences, as they happen
        self._began_at = self._began_at or now
        if now < self._next_at:
            return
        self._next_at = now + LINE_EVERY_MS
        seconds = (now - self._began_at) / 1000
        self._print(f"[{seconds:5.1f}s] {book_line(told)}")

    def say(self, sentence: str) -> None:
        """The sentence, at once."""
        self._print(sentence)

    def close(self) -> None:
        """Nothing to restore."""

    def _print(self, line: str) -> None:
        self._out.write(line + "\n")
        self._out.flush()


class Picture:
    """A screen that is redrawn in place."""

    def __init__(self, console: Console) -> None:
        self._said: list[str] = []
        self._console = console
        self._live = Live(console=console, auto_refresh=False, screen=False, transient=False)
        self._live.start()
        self._next_at: Millis = 0

    def show(self, told: Told | None, events: Sequence[StoryEvent], header: str, now: Millis) -> None:
        """The whole screen, four times a second."""
        if now < self._next_at:
            return
        self._next_at = now + 250
        self._live.update(screen(told, events, header, self._said, is_tall=self._console.size.height >= TALL_LINES), refresh=True)

    def say(self, sentence: str) -> None:
        """Keeps the sentence under the tables."""
        self._said = [*self._said, sentence][-3:]

    def close(self) -> None:
        """Leaves the last picture standing."""
        self._live.stop()


def screen(told: Told | None, events: Sequence[StoryEvent], header: str, said: Sequence[str] = (), *, is_tall: bool) -> Group:
    """One picture of the book, of the story where there is one, and of what was said; `is_tall`: there is room for all of it."""
    parts: list[Any] = [Text(header, style="bold")]
    if told is None:
        parts.append(Text("waiting for the bot ..."))
    else:
        parts.append(book_screen(told, DECISIONS_SHOWN if is_tall else 3, wraps=False))
    if events and is_tall:
        parts.append(_events(events))
    parts += [Text(sentence) for sentence in said]
    return Group(*parts)


def _events(events: Sequence[StoryEvent]) -> Table:
    table = Table(title="The story", title_justify="left", expand=False)
    for name in ("event", "seen after", "healed after"):
        table.add_column(name, justify="left" if name == "event" else "right")
    for event in events:
        style = "green" if event.is_over else ("yellow" if event.begun_at else "dim")
        table.add_row(Text(event.sentence, style=style), after(event, event.seen_at), after(event, event.healed_at))
    return table


def after(event: StoryEvent, at: Millis | None) -> str:
    """How long after its injection something came of an event."""
    if event.injected_at is None or at is None:
        return "..." if event.begun_at is not None else ""
    return f"{(at - event.injected_at) / 1000:.2f} s"
