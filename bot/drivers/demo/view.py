"""The live picture of the book: what is held, what is hedged, where, at what funding, and what was just decided and why.

`Picture` draws a bot's statement (the JSON that its control socket tells) with rich; `Lines` prints the same in plain lines, for logs and
where there is no terminal. Both only read.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Protocol, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from bot.core.units import BPS, Millis
from bot.drivers.demo.story import StoryEvent

Told = dict[str, Any]
DECISIONS_SHOWN = 8
TALL_LINES = 50
"""Lines of terminal below which the story's table is left out and fewer decisions are shown."""
LINE_EVERY_MS: Millis = 2_000
LINK_STYLE = {"up": "green", "stale": "yellow", "down": "red"}


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
        self._print(f"[{seconds:5.1f}s] {_book_line(told)}")

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
        self._live.update(_screen(told, events, header, self._said, is_tall=self._console.size.height >= TALL_LINES), refresh=True)

    def say(self, sentence: str) -> None:
        """Keeps the sentence under the tables."""
        self._said = [*self._said, sentence][-3:]

    def close(self) -> None:
        """Leaves the last picture standing."""
        self._live.stop()


def _screen(told: Told | None, events: Sequence[StoryEvent], header: str, said: Sequence[str], *, is_tall: bool) -> Group:
    parts: list[Any] = [Text(header, style="bold")]
    if told is None:
        parts.append(Text("waiting for the bot ..."))
    else:
        parts += [_state_line(told), _assets(told), _venues(told), _decisions(told, DECISIONS_SHOWN if is_tall else 3)]
    if events and is_tall:
        parts.append(_events(events))
    parts += [Text(sentence) for sentence in said]
    return Group(*parts)


def _state_line(told: Told) -> Text:
    style = {"active": "bold green", "reducing": "bold yellow"}.get(told["trading_state"], "bold red")
    line = Text("trading ").append(told["trading_state"].upper(), style=style)
    line.append(f"   ready {'yes' if told['ready'] else 'no'}   orders in doubt {told['orders_in_doubt']}   fills {told['fills']}")
    line.append(f"   fees {money(told['fees_usd'])}   funding {money(told['funding_usd'])}")
    for breach in told["breaches"][:3]:
        line.append(f"\n  limit {breach['limit']} on {breach['subject']} {breach['detail']}", style="yellow")
    return line


def _assets(told: Told) -> Table:
    table = Table(title="Is it neutral?", title_justify="left", expand=False)
    for name in ("asset", "collateral", "short", "net delta", "USD", "bps of collateral", "hedge ratio"):
        table.add_column(name, justify="left" if name == "asset" else "right")
    for row in told["assets"]:
        style = {True: "green", False: "red"}.get(row["in_band"], "yellow")
        table.add_row(
            row["asset"],
            quantity(row["collateral"]),
            quantity(row["position"]),
            Text(quantity(row["net_delta"]), style=style),
            Text(span(row["net_delta_usd"], 0), style=style),
            Text(span(row["net_delta_bps"], 2), style=style),
            percent(row["hedge_ratio"], 2),
        )
    return table


def _venues(told: Told) -> Table:
    table = Table(title="Where is it hedged?", title_justify="left", expand=False)
    for name in ("venue", "link", "short USD", "venue share", "margin ratio", "funding a year", "in doubt"):
        table.add_column(name, justify="left" if name in ("venue", "link") else "right")
    for row in told["venues"]:
        link = Text(row["link"] if row["reconciled"] else f"{row['link']}, not reconciled", style=LINK_STYLE[row["link"]])
        table.add_row(
            row["venue"],
            link,
            money(row["notional_usd"]),
            percent(row["venue_share"], 1),
            percent(row["margin_ratio"], 2),
            percent(row["funding_annual"], 2),
            str(row["orders_in_doubt"]),
        )
    return table


def _decisions(told: Told, count: int) -> Panel:
    lines = [
        Text(f"{clock(d['at'])} {d['subject']:<26} {d['sentence']}", overflow="ellipsis", no_wrap=True) for d in told["decisions"][-count:]
    ]
    return Panel(Group(*lines) if lines else Text("nothing yet"), title="last decisions and why", title_align="left")


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


def _book_line(told: Told | None) -> str:
    if told is None:
        return "waiting for the bot"
    parts = [told["trading_state"]]
    parts += [
        f"{row['asset']} held {quantity(row['collateral'])} net {quantity(row['net_delta'])} ({span(row['net_delta_bps'], 2)} bps)"
        for row in told["assets"]
    ]
    parts += [f"{v['venue']} {v['link']} {percent(v['venue_share'], 0)}" for v in told["venues"]]
    if told["orders_in_doubt"]:
        parts.append(f"in doubt {told['orders_in_doubt']}")
    return " | ".join(parts)


def quantity(told: Told | None) -> str:
    """A range of base units, four decimals; `?` when it is not known."""
    return "?" if told is None else span(told, 4)


def span(told: Told | None, digits: int) -> str:
    """A range: one figure when both ends are the same."""
    if told is None:
        return "?"
    low, high = Decimal(told["low"]), Decimal(told["high"])
    return f"{low:,.{digits}f}" if low == high else f"{low:,.{digits}f} .. {high:,.{digits}f}"


def money(told: str | None) -> str:
    """USD without cents above a thousand."""
    if told is None:
        return "?"
    value = Decimal(told)
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:,.2f}"


def percent(told: str | None, digits: int) -> str:
    """A fraction as per cent, for people only."""
    return "?" if told is None else f"{Decimal(told) / BPS / 100:,.{digits}f} %"


def clock(at: Millis) -> str:
    """Time of day, UTC, to the tenth of a second."""
    seconds = at // 1000 % 86_400
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{at % 1000 // 100}"
