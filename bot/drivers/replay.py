"""`hedgebot replay JOURNAL`: the ledger rebuilt from the journal's first entry on, and whether it ends equal."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from bot.core.commands import PlaceOrder
from bot.core.units import Millis
from bot.drivers.journals import journal_to_read
from bot.shell.replay import Difference, Replayed, replay

PROGRESS_EVERY_S = 2.0
DIFFERENCES_SHOWN = 20
SESSIONS_SHOWN = 5
PLAIN_WIDTH = 140


def run_replay(where: str, *, as_json: bool) -> int:
    """0 when the journal's entries fold to what it says itself, 1 when not. Raises ConfigError or JournalRefused."""
    journal = journal_to_read(where)
    try:
        found = replay(journal, Progress())
    finally:
        journal.close()
    if as_json:
        sys.stdout.write(orjson.dumps(as_document(found), option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH, highlight=False).print(screen(found))
    return 0 if found.is_equal else 1


class Progress:
    """Says on stderr how far it is, every couple of seconds: a journal of months takes a while."""

    def __init__(self) -> None:
        self._told_at = time.monotonic()

    def __call__(self, done: int, of: int) -> None:
        """So many entries of so many are folded."""
        now = time.monotonic()
        if now - self._told_at >= PROGRESS_EVERY_S:
            self._told_at = now
            sys.stderr.write(f"hedgebot: {done:,} of {of:,} entries folded ({done * 100 // of} %)\n")


def screen(found: Replayed) -> Group:
    """What came of it, for people."""
    parts: list[Any] = [_facts(found)]
    if found.ledger.positions:
        parts.append(_positions(found))
    if found.differences:
        parts.append(_differences(found))
    parts.append(_verdict(found))
    return Group(*parts)


def _facts(found: Replayed) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_row("journal", found.name)
    table.add_row("entries", f"{found.entries:,} with {found.events:,} events, {found.decisions:,} of them decisions")
    span = "-" if found.first_at is None or found.last_at is None else f"{instant(found.first_at)} to {instant(found.last_at)}"
    table.add_row("time", span)
    for number, session in enumerate(found.sessions[-SESSIONS_SHOWN:]):
        words = f"{session.epoch} from {instant(session.at)}, config {session.config_hash}, entry {session.seq}"
        table.add_row(f"sessions {len(found.sessions)}" if number == 0 else "", words)
    outcomes = ", ".join(f"{name} {count:,}" for name, count in outcomes_of(found).items())
    table.add_row("orders", f"{found.orders:,} placed" + (f": {outcomes}" if outcomes else ""))
    tallies = found.ledger.tallies
    table.add_row("fills", f"{tallies.fills:,}, fees {tallies.fees_usd:.2f} USD")
    breaks = ", ".join(f"{cause} {count}" for cause, count in sorted(tallies.breaks_by_cause.items()))
    table.add_row("breaks", breaks or "none")
    for snapshot in found.snapshots:
        words = "equal" if not snapshot.differing else f"differs in {', '.join(snapshot.differing)}"
        table.add_row("snapshot", f"at entry {snapshot.seq}: {words}")
    if not found.snapshots:
        table.add_row("snapshot", "none to compare with")
    return table


def outcomes_of(found: Replayed) -> dict[str, int]:
    """How many orders ended how, and how many are open, by name."""
    still = Counter(order.state.value for order in found.ledger.open_orders())
    return dict(sorted(found.ledger.tallies.orders_by_outcome.items())) | dict(sorted(still.items()))


def _positions(found: Replayed) -> Table:
    table = Table(title="positions (contract units)", title_justify="left", box=None, pad_edge=False)
    table.add_column("instrument")
    table.add_column("quantity", justify="right")
    table.add_column("target (base units)", justify="right")
    for instrument, position in sorted(found.ledger.positions.items()):
        target = found.ledger.targets.get(instrument)
        table.add_row(instrument, f"{position.quantity:f}", "-" if target is None else f"{target:f}")
    return table


def _differences(found: Replayed) -> Table:
    table = Table(title="decided otherwise than recorded", title_justify="left", box=None, pad_edge=False)
    for name in ("entry", "at", "recorded", "decided today"):
        table.add_column(name)
    for each in found.differences[:DIFFERENCES_SHOWN]:
        table.add_row(str(each.seq), instant(each.at), _orders(each.recorded), _orders(each.decided))
    if len(found.differences) > DIFFERENCES_SHOWN:
        table.add_row("", f"and {len(found.differences) - DIFFERENCES_SHOWN} more", "", "")
    return table


def _orders(orders: Sequence[PlaceOrder]) -> str:
    return "\n".join(f"{o.client_order_id} {o.instrument} {o.quantity:+f} at {o.price:f}" for o in orders) or "nothing"


def _verdict(found: Replayed) -> Text:
    if found.is_equal:
        return Text("EQUAL: every decision placed what was recorded, and every snapshot is what its entries fold to", style="green")
    reasons = []
    if found.differences:
        reasons.append(f"{len(found.differences)} decisions differ from what was recorded")
    if found.repeated_ids:
        reasons.append(f"{len(found.repeated_ids)} client order ids were placed twice, the first {found.repeated_ids[0]}")
    torn = [str(s.seq) for s in found.snapshots if s.differing]
    if torn:
        reasons.append(f"the snapshots at entries {', '.join(torn)} are not what their entries fold to")
    return Text(f"NOT EQUAL: {'; '.join(reasons)}", style="red")


def as_document(found: Replayed) -> dict[str, Any]:
    """What came of it, for programs: quantities are text, so that no digit is lost."""
    return {
        "journal": found.name,
        "equal": found.is_equal,
        "entries": found.entries,
        "events": found.events,
        "decisions": found.decisions,
        "orders": found.orders,
        "orders_by_outcome": outcomes_of(found),
        "breaks_by_cause": dict(found.ledger.tallies.breaks_by_cause),
        "first_at": found.first_at,
        "last_at": found.last_at,
        "sessions": [{"seq": s.seq, "at": s.at, "epoch": s.epoch, "config_hash": s.config_hash} for s in found.sessions],
        "positions": {i: f"{p.quantity:f}" for i, p in sorted(found.ledger.positions.items())},
        "snapshots": [{"seq": s.seq, "differing": list(s.differing)} for s in found.snapshots],
        "differences": [_difference(d) for d in found.differences],
        "repeated_ids": list(found.repeated_ids),
    }


def _difference(found: Difference) -> dict[str, Any]:
    sides = {"recorded": found.recorded, "decided": found.decided}
    return {"seq": found.seq, "at": found.at} | {
        name: [
            {"client_order_id": o.client_order_id, "instrument": o.instrument, "quantity": f"{o.quantity:f}", "price": f"{o.price:f}"}
            for o in orders
        ]
        for name, orders in sides.items()
    }


def instant(at: Millis) -> str:
    """Our clock's instant as a person reads it, UTC."""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(sep=" ", timespec="milliseconds").removesuffix("+00:00")
