"""A bot's statement (the JSON that its control socket tells) on one screen: is it neutral, where is it hedged, what was decided and why.

Drawn with rich; nothing here asks or decides. Unknown figures are `?`. `hedgebot status` and the demo show the same.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from bot.core.units import BPS, Millis
from bot.drivers.screen_collateral import collateral_lines

Told = dict[str, Any]
DECISIONS_SHOWN = 8
BREACHES_SHOWN = 3
PAGE_COLUMNS = 100
RISE_SHOWN_MAX = Decimal(10)
"""From a tenfold rise on the figure says no more."""
STATE_STYLE = {"active": "green", "reducing": "yellow", "halted": "red"}
LINK_STYLE = {"up": "green", "stale": "yellow", "down": "red"}


def book_screen(told: Told, decisions: int = DECISIONS_SHOWN, *, wraps: bool = True) -> Group:
    """The whole statement, with so many of its last decisions; `wraps`: each in full, with the record of collateral, else cut to one
    line."""
    return Group(
        _state_line(told),
        _assets(told),
        _venues(told),
        _venue_causes(told),
        _bounds(told),
        *((collateral_lines(told, clock),) if wraps else ()),
        *_transfers(told),
        _deployment(told),
        _decisions(told, decisions, wraps),
    )


def _state_line(told: Told) -> Text:
    line = Text("trading ").append(told["trading_state"].upper(), style=f"bold {STATE_STYLE[told['trading_state']]}")
    line.append(_why(told["trading"]))
    if told.get("observing"):
        line.append("\nobserving: what it decides is recorded, and nothing of it is sent", style="bold yellow")
    line.append(f"\nready {'yes' if told['ready'] else 'no'}   orders in doubt {told['orders_in_doubt']}   fills {told['fills']}")
    line.append(f"   fees {money(told['fees_usd'])}   funding {money(told['funding_usd'])}")
    for words in (*_flattened(told), *_overridden(told)):
        line.append(f"\n  {words}", style="bold yellow")
    if strange := told.get("unadopted", ()):
        line.append(f"\n  not brought by our orders, and adopted by nobody: {', '.join(map(_strange, strange))}", style="yellow")
    # What holds orders back comes first: the sort keeps the order of the rest.
    breaches = sorted(told["breaches"], key=lambda breach: breach["effect"] == "tells")
    for breach in breaches[:BREACHES_SHOWN]:
        line.append(f"\n  limit {breach['limit']} on {breach['subject']}{_measured(breach)}", style="yellow")
    if len(breaches) > BREACHES_SHOWN:
        line.append(f"\n  and {len(breaches) - BREACHES_SHOWN} more limits", style="yellow")
    return line


def _flattened(told: Told) -> list[str]:
    """One line for each wish of a person that nothing be held: of what, by whom, since when and why."""
    wishes: dict[tuple[str, ...], list[str]] = {}
    for each in told.get("flattenings", ()):
        why = (each["by"], clock(each["since"]), each["why"], each["asset"] or "everything", str(each["of_venue"]))
        wishes.setdefault(why, []).append(each["venue"])
    return [
        f"flattened: {asset} at {', '.join(venues)}, by {by} since {since}: {why}" for (by, since, why, asset, _), venues in wishes.items()
    ]


def _strange(told: Told) -> str:
    """A position, or a working order of others, that nobody has taken over."""
    shown = told["shown"]
    quantity = "?" if shown["quantity"] is None else f"{Decimal(shown['quantity']):+f}"
    if shown["order"] is None:
        return f"{quantity} of {shown['instrument']}"
    return f"order {shown['order']} on {shown['instrument']}, which leaves {quantity}"


def _overridden(told: Told) -> list[str]:
    """One line for each policy value that a person set for a while."""
    made = [(each["made"], each["configured"]) for each in told.get("overrides", ())]
    return [
        f"override: {o['field']} {o['value']} instead of {configured} until {clock(o['until'])}, by {o['by']}: {o['why']}"
        for o, configured in made
    ]


def _measured(breach: Told) -> str:
    """What was found and what is allowed, as far as told, and what the figures are of."""
    observed, allowed, detail = breach["observed"], breach["allowed"], breach["detail"]
    if observed is None:
        return f": {detail}" if detail else ""
    bound = "" if allowed is None else f" (allowed {figure(allowed)})"
    return f": {figure(observed)}{bound}{', ' if detail else ''}{detail}"


def _why(trading: Told) -> str:
    """The cause of a state, since when and by whom, and its reason, as far as there is one."""
    parts = [trading["cause"] or "", f"since {clock(trading['since'])}" if trading["since"] is not None else ""]
    parts.append(f"by {trading['by']}" if trading["by"] else "")
    told = " ".join(part for part in parts if part)
    return (f" ({told})" if told else "") + (f": {trading['why']}" if trading["why"] else "")


def _table(title: str, names: Sequence[str], words: Collection[str]) -> Table:
    """A table whose figures are never cut: what is too wide goes on in the next line."""
    table = Table(title=title, title_justify="left", expand=False, box=SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    for name in names:
        table.add_column(name, justify="left" if name in words else "right", overflow="fold")
    return table


def _assets(told: Told) -> Table:
    names = ("asset", "collateral", "at venues", "short", "net delta", "USD", "bps of\nboth", "hedge\nratio", "dust")
    table = _table("Is it neutral? Two figures: at least, at most", names, ("asset",))
    for row in told["assets"]:
        style = {True: "green", False: "red"}.get(row["in_band"], "yellow")
        table.add_row(
            row["asset"],
            _stacked(quantity(row["collateral"])),
            units(row.get("coin_equity")),
            _stacked(quantity(row["position"])),
            Text(_stacked(quantity(row["net_delta"])), style=style),
            Text(_stacked(span(row["net_delta_usd"], 0)), style=style),
            Text(_stacked(span(row["net_delta_bps"], 2)), style=style),
            percent(row["hedge_ratio"], 2),
            units(row.get("dust")),
        )
    return table


def _stacked(told: str) -> str:
    """The two figures of a range below each other: beside each other they make a table too wide."""
    return told.replace(" .. ", "\n")


def _venues(told: Told) -> Table:
    names = ("venue", "link", "trading", "short USD", "venue\nshare", "margin\nratio", "liquidation\nat", "funding\na year", "in\ndoubt")
    table = _table("Where is it hedged?", names, ("venue", "link", "trading"))
    for row in told["venues"]:
        link = Text(row["link"] if row["reconciled"] else f"{row['link']}, not\nreconciled", style=LINK_STYLE[row["link"]])
        table.add_row(
            row["venue"],
            link,
            Text(row["trading"]["state"], style=STATE_STYLE[row["trading"]["state"]]),
            money(row["notional_usd"]),
            percent(row["venue_share"], 1),
            percent(row["margin_ratio"], 2),
            _rise(row.get("liquidation_distance")),
            percent(row["funding_annual"], 2),
            str(row["orders_in_doubt"]),
        )
    return table


def _venue_causes(told: Told) -> Text:
    """One line for each venue that is not active."""
    rows = [row for row in told["venues"] if row["trading"]["state"] != "active"]
    lines = [
        Text(f"  {row['venue']} ").append(row["trading"]["state"], style=STATE_STYLE[row["trading"]["state"]]).append(_why(row["trading"]))
        for row in rows
    ]
    return Text("\n").join(lines)


def _bounds(told: Told) -> Text:
    """One line: the instruments that carry all they may, each with the limits that keep it from more."""
    bound = [
        f"{row['instrument']} ({', '.join(sorted({b['limit'] for b in row['target_limits']}))})"
        for row in told["instruments"]
        if row.get("target_limits")
    ]
    return Text(f"kept from more by a limit: {', '.join(bound)}" if bound else "nothing is kept from more by a limit")


def _transfers(told: Told) -> list[Text]:
    """One line for each advice to move margin; people move it, never the bot."""
    return [
        Text(f"move {money(t['usd'])} USD of {t['asset'] or 'margin'} to {t['venue']} from {t['source']}: {t['why']}", style="yellow")
        for t in told.get("transfers", ())
    ]


def _rise(distance: str | None) -> str:
    """The rise of all its marks at which a venue liquidates; a dash where none does, or nobody knows."""
    if distance is None:
        return "-"
    return f"+{percent(distance, 0)}" if Decimal(distance) < RISE_SHOWN_MAX else "> +999 %"


def _deployment(told: Told) -> Text:
    """One line per asset: what new money is advised to do, at what carry, and what a conversion would bring."""
    line = Text("new deployment")
    for row in told["deployment"]:
        style = {"welcome": "green", "refused": "red"}.get(row["state"], "yellow")
        line.append(f"\n  {row['asset']} ").append(row["state"], style=style).append(f" at {percent(row['carry_annual'], 2)} a year")
        if row["state"] == "refused":
            line.append(f": {row['reason']}")
        if (to_stables := row["conversion"]) is not None:
            line.append(f"; in stables {money(to_stables['usd'])} USD would earn {money(to_stables['gain_usd_annual'])} more a year")
    return line


def _decisions(told: Told, count: int, wraps: bool) -> Panel:
    rows = Table.grid(padding=(0, 1))
    rows.add_column(no_wrap=True)
    rows.add_column(no_wrap=True)
    rows.add_column()  # the only one that may be made narrower: what there is no room for is cut, or goes on in the next line, here alone
    for decision in told["decisions"][-count:]:
        sentence = Text(decision["sentence"], no_wrap=not wraps, overflow="fold" if wraps else "ellipsis")
        rows.add_row(clock(decision["at"]), Text(decision["subject"]), sentence)
    return Panel(rows if rows.row_count else Text("nothing yet"), title="last decisions and why", title_align="left")


def book_line(told: Told | None) -> str:
    """The book in one line: per asset what is not hedged of what is held, and who carries how much; a link is told when it is not up."""
    if told is None:
        return "waiting for the bot"
    parts = [told["trading_state"]]
    for row in told["assets"]:
        net, bps = quantity(row["net_delta"]), span(row["net_delta_bps"], 2)
        parts.append(f"{row['asset']} net {net} of {quantity(_held(row))} ({bps} bps)")
    for venue in told["venues"]:
        link = "" if venue["link"] == "up" else f" {venue['link']}"
        if link or Decimal(venue["venue_share"] or 0):
            parts.append(f"{venue['venue']}{link} {percent(venue['venue_share'], 0)}")
    if told["orders_in_doubt"]:
        parts.append(f"in doubt {told['orders_in_doubt']}")
    return " | ".join(parts)


def _held(row: Told) -> Told | None:
    """Collateral of an asset and its coins in accounts at venues; None while either is unknown."""
    collateral, coins = row["collateral"], row.get("coin_equity")
    if collateral is None or coins is None:
        return None
    return {end: str(Decimal(collateral[end]) + Decimal(coins)) for end in ("low", "high")}


def page() -> Console:
    """Where a page for people is printed: as wide as the terminal, or as COLUMNS says; else a hundred columns."""
    told = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(width=None if told else PAGE_COLUMNS)


def quantity(told: Told | None) -> str:
    """A range of base units, four decimals, two from ten thousand on; `?` when it is not known."""
    return "?" if told is None else span(told, 2 if max(abs(Decimal(told["low"])), abs(Decimal(told["high"]))) >= 10_000 else 4)


def units(told: str | None) -> str:
    """Base units, four decimals; `?` when not known, `-` for none."""
    if told is None:
        return "?"
    return f"{Decimal(told):,.4f}" if Decimal(told) else "-"


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


def figure(told: str) -> str:
    """A figure of any size and unit: four digits of it, all of them before the point."""
    value = Decimal(told)
    if not value.is_finite() or abs(value) >= 1_000:
        return f"{value:,.0f}"
    return f"{Decimal(f'{value:.4g}'):f}"


def percent(told: str | None, digits: int) -> str:
    """A fraction as per cent, for people only."""
    return "?" if told is None else f"{Decimal(told) / BPS / 100:,.{digits}f} %"


def clock(at: Millis) -> str:
    """Time of day, UTC, to the tenth of a second."""
    seconds = at // 1000 % 86_400
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{at % 1000 // 100}"
