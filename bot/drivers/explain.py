"""`hedgebot explain ID`: the story of one order or one decision, on one screen where it fits."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from bot.core.explanation import AssetNumbers, Checked, LegNumbers, OrderNumbers
from bot.core.units import ClientOrderId, Millis, Range
from bot.drivers.journals import journal_to_read
from bot.drivers.replay import PLAIN_WIDTH, instant
from bot.shell.explain import Line, OrderEnd, Story, story_of_decision, story_of_order

DIGITS = 8
"""Significant digits of a figure that was worked out; what venues and people told is shown in full."""


def run_explain(wanted: str, where: str, *, as_json: bool) -> int:
    """Prints the story; 0. Raises ConfigError, JournalRefused, and NotTold when the journal has nothing of it."""
    journal = journal_to_read(where)
    try:
        story = story_of_decision(journal, int(wanted)) if wanted.isdecimal() else story_of_order(journal, ClientOrderId(wanted))
    finally:
        journal.close()
    if as_json:
        sys.stdout.write(orjson.dumps(as_document(story), option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH, highlight=False).print(screen(story))
    return 0


def default_journal() -> str | None:
    """The one configuration in this folder, if it is the only one; None when a person has to say which."""
    found = [path for suffix in ("*.yaml", "*.yml") for path in Path().glob(suffix)]
    return str(found[0]) if len(found) == 1 else None


def screen(story: Story) -> Group:
    """The story, for people: of the assets that the decision traded, of all when it traded nothing."""
    decision = story.decision
    parts: list[Any] = [_head(story)]
    if decision.differs:
        parts.append(Text("this version would decide otherwise; what was recorded counts (see `hedgebot replay`)", style="yellow"))
    shown = {end.order.client_order_id for end in story.ends}
    traded = {leg.asset for leg in decision.legs if leg.instrument in {end.order.instrument for end in story.ends}}
    assets = [row for row in decision.assets if row.asset in traded or not traded]
    parts += [_assets(assets), _legs([leg for leg in decision.legs if leg.asset in traded or not traded], decision.at)]
    parts += [_order(numbers) for numbers in decision.orders if numbers.command.client_order_id in shown]
    if not decision.orders:
        parts.append(Text("no order was placed"))
    if decision.says:
        parts.append(Text("it said").append("".join(f"\n  {sentence}" for sentence in decision.says)))
    if story.lines:
        parts.append(_lines(story.lines, decision.at, named=len(shown) > 1))
    parts += map(_end, story.ends)
    return Group(*parts)


def _head(story: Story) -> Text:
    decision = story.decision
    line = Text(f"decision {story.seq} at {instant(decision.at)} in session {decision.epoch}: book {decision.state.upper()}; ")
    told = []
    for venue in decision.venues:
        read = "never read" if venue.read_ms_ago is None else f"read {venue.read_ms_ago / 1000:.1f} s ago"
        state = "" if venue.state == "active" else f", {venue.state}"
        told.append(f"{venue.venue} {venue.link.value}{state}, {read}{'' if venue.reconciled else ', not reconciled'}")
    return line.append("; ".join(told))


def _assets(assets: Iterable[AssetNumbers]) -> Table:
    table = _table("what was held and short (base units)", "asset")
    for name in ("mark", "collateral", "at venues", "position", "net delta", "band", "hard", "to hedge now", "urgency"):
        table.add_column(name, justify="right")
    for row in assets:
        table.add_row(
            row.asset,
            figure(row.mark),
            span(row.collateral),
            figure(row.coin_equity),
            span(row.position),
            span(row.net_delta),
            figure(row.soft_edge),
            figure(row.hard_edge),
            figure(row.gap),
            row.urgency,
        )
    return table


def _legs(legs: Iterable[LegNumbers], at: Millis) -> Table:
    table = _table("who carries it (base units of short)", "instrument")
    for name in ("bid", "ask", "mark", "age ms", "carried", "target", "at most", "funding\na year", "given up\nas no.", "worth\na year"):
        table.add_column(name, justify="right")
    table.add_column("kept from more by", overflow="fold")
    for row in legs:
        quote = row.quote
        table.add_row(
            row.instrument,
            *(("-", "-", "-", "-") if quote is None else (f"{quote.bid:f}", f"{quote.ask:f}", figure(quote.mark), str(at - quote.book_at))),
            figure(row.carried),
            figure(row.target),
            figure(row.most),
            "?" if row.funding_annual is None else f"{row.funding_annual * 100:.2f} %",
            "-" if row.given_up is None else str(row.given_up),
            "?" if row.worth_annual is None else f"{row.worth_annual * 100:.2f} %",
            "; ".join((*row.limits, *row.blocked, *(f"{limit} is passed" for limit in row.passed))),
        )
    return table


def _order(numbers: OrderNumbers) -> Group:
    command = numbers.command
    verb, manner = ("sell" if command.quantity < 0 else "buy"), ("post-only" if command.post_only else "IOC")
    head = Text(f"{command.client_order_id}: {verb} {abs(command.quantity):f} {command.instrument} ({command.contracts:f} contracts) at ")
    head.append(f"{command.price:f} or better, {manner}{', reduce-only' if command.reduce_only else ''}; {numbers.reason}")
    if numbers.arrival_mid is not None:
        head.append(f"; mid {figure(numbers.arrival_mid)}")
    checks = Text("  the gate held it to: " + "; ".join(map(_check, numbers.checks)), style="dim")
    return Group(head, checks)


def _check(check: Checked) -> str:
    bound = "at least" if check.is_least else "at most"
    words = f"{check.limit.value} of {check.subject} {figure(check.observed)} ({bound} {figure(check.allowed)})"
    return f"{words} {check.detail}".rstrip()


def _lines(lines: Iterable[Line], since: Millis, *, named: bool) -> Table:
    table = _table("what happened", "after ms")
    for name in (("order",) if named else ()) + ("entry", "what", "state", "filled", "position"):
        table.add_column(name, justify="left" if name in ("order", "what", "state") else "right", overflow="fold")
    for line in lines:
        held = "?" if line.position is None else f"{line.position:f}"
        who = (line.order,) if named else ()
        table.add_row(f"{line.at - since:+d}", *who, str(line.seq), line.sentence, line.state, f"{line.filled:f}", held)
    return table


def _end(end: OrderEnd) -> Text:
    order = end.order
    fees = ", ".join(f"{fee:f} {asset}" for asset, fee in sorted(end.fees.items())) or "none told"
    line = Text(f"{order.client_order_id} {order.state.value}: {order.filled:+f} of {order.quantity:+f} filled", style="bold")
    if end.average is not None:
        fills = "1 fill" if end.fills == 1 else f"{end.fills} fills"
        line.append(f" at {figure(end.average)} on average in {fills}; fees {fees}")
        if order.arrival_mid:
            worse = (order.arrival_mid - end.average) / order.arrival_mid * 10_000 * (1 if order.quantity < 0 else -1)
            line.append(f"; {abs(worse):.2f} bps {'worse' if worse > 0 else 'better'} than the mid")
    line.append(f"; position after {'?' if end.position is None else f'{end.position:f}'}")
    line.append("; still open at the journal's end" if end.open else f"; over after {end.took_ms} ms" if end.took_ms is not None else "")
    return line


def _table(title: str, first: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(first)
    return table


def figure(value: Decimal | None) -> str:
    """A figure in at most `DIGITS` significant digits and without an exponent; `?` when it is not known."""
    if value is None:
        return "?"
    if not value.is_finite() or value == 0:
        return "0" if value == 0 else "none"
    rounded = f"{value:.{DIGITS}g}"
    text = f"{Decimal(rounded):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def span(value: Range | None) -> str:
    """A range, one figure where it is exact; `?` when it is not known."""
    if value is None:
        return "?"
    return figure(value.low) if value.low == value.high else f"{figure(value.low)} .. {figure(value.high)}"


def as_document(item: Any) -> Any:
    """Everything in it as JSON: decimals are text in full, so that no digit is lost; what is not known is null."""
    if isinstance(item, Enum):
        return item.value
    if isinstance(item, Decimal):
        return f"{item:f}"
    if is_dataclass(item):
        return {f.name: as_document(getattr(item, f.name)) for f in fields(item)}
    if isinstance(item, dict):
        return {str(key): as_document(value) for key, value in item.items()}
    if isinstance(item, tuple | list):
        return [as_document(each) for each in item]
    return item
