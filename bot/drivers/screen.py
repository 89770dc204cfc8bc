"""A bot's statement (the JSON that its control socket tells) on one screen: is it neutral, where is it hedged, what was decided and why.

Drawn with rich; nothing here asks or decides. Unknown figures are `?`. `hedgebot status` and the demo show the same.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from bot.core.units import BPS, Millis

Told = dict[str, Any]
DECISIONS_SHOWN = 8
LINK_STYLE = {"up": "green", "stale": "yellow", "down": "red"}


def book_screen(told: Told, decisions: int = DECISIONS_SHOWN) -> Group:
    """The whole statement, with so many of its last decisions."""
    return Group(_state_line(told), _assets(told), _venues(told), _decisions(told, decisions))


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


def book_line(told: Told | None) -> str:
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
