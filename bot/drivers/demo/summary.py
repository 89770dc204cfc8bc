"""The verdict of a demo and its report: what came, what was done, what it cost, and whether the bot's word and the venues' agree.

The demo passes only if the book ends hedged within the band, every event of the story was injected, seen and healed, the bot's record and
the venues' books agree to the last lot, no order was doubled, and no invariant broke. The first reason that is missing is the sentence
that it fails with.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bot import __version__
from bot.drivers.demo.cast import ASSETS
from bot.drivers.demo.last_look import LastLook, account_books
from bot.drivers.demo.observer import DeltaMeter
from bot.drivers.demo.prepare import DemoOptions, Prepared
from bot.drivers.demo.stage import Stage
from bot.drivers.demo.story import GRACE_MS, StoryEvent
from bot.drivers.demo.view import after
from bot.simulator.faults import Incident
from bot.simulator.market import REDEMPTION_LABEL


class Summary:
    """Everything that a demo came to. The last look was taken after the story and before the bot was stopped."""

    def __init__(
        self,
        stage: Stage,
        options: DemoOptions,
        prepared: Prepared,
        events: Sequence[StoryEvent],
        meter: DeltaMeter,
        last: LastLook,
        exit_code: int | None,
        stopped_in_s: float,
    ) -> None:
        self._stage = stage
        self._options = options
        self._prepared = prepared
        self._events = events
        self._meter = meter
        self._last = last
        self._truth = last.truth
        self._told = last.told
        self._exit_code = exit_code
        self._stopped_in_s = stopped_in_s
        self._books = {v: account_books(stage, v) for v in stage.cast}

    def failure(self) -> str | None:
        """The first reason why the demo did not pass, in one sentence; None when it passed."""
        told = self._told
        if told is None:
            return "The bot could not be asked for its statement at the end."
        for event in self._events:
            if not event.is_over:
                stage = "injected" if event.injected_at is None else "seen" if event.seen_at is None else "healed"
                return f"The event {event.name} ({event.sentence}) was never {stage}."
        if told["invariants_broken"]:
            return f"An invariant broke: {told['invariants_broken'][0]}."
        differs = self._last.difference()
        if differs is not None:
            return differs
        doubled = self.doubled_orders()
        if doubled:
            return f"The client order id {doubled[0]} reached a venue more than once."
        if self._stage.venues.server.failures:
            return f"The simulator failed: {self._stage.venues.server.failures[0]}."
        if self._exit_code != 0:
            return f"The bot did not stop in order: exit code {self._exit_code}."
        return None

    def doubled_orders(self) -> list[str]:
        """Client order ids that a venue's book holds more than once, over all venues."""
        seen: set[str] = set()
        doubled = []
        for book in self._books.values():
            for order in (*book["open_orders"], *book["closed_orders"]):
                if order["client_order_id"] in seen:
                    doubled.append(order["client_order_id"])
                seen.add(order["client_order_id"])
        return doubled

    def as_json(self) -> dict[str, Any]:
        """The report. Money and quantities are text, exact; basis points and seconds are numbers; instants are wall ms."""
        told = self._told or {}
        failure = self.failure()
        return {
            "passed": failure is None,
            "reason": failure,
            "version": __version__,
            "seed": self._options.seed,
            "speed": float(self._prepared.speed),
            "seconds": self._prepared.seconds,
            "market": self._market(),
            "held_units": {a: str(self._truth.held(a)) for a in ASSETS},
            "collateral_units": {a: str(self._truth.collateral[a]) for a in ASSETS},
            "coins_at_venues_units": {f"{v} {a}": str(coins) for (v, a), coins in self._truth.coins.items()},
            "net_units": {a: str(self._truth.net(a)) for a in ASSETS},
            "collateral_seen": told.get("collateral", []),
            "orders": dict(told.get("orders_by_outcome", {})),
            "orders_at_venues": {v: len(b["open_orders"]) + len(b["closed_orders"]) for v, b in self._books.items()},
            "doubled_orders": self.doubled_orders(),
            "fills": told.get("fills"),
            "fills_at_venues": dict(self._last.fills_at_venues),
            "fees_usd": told.get("fees_usd"),
            "fees_at_venues_usd": str(self._last.fees_at_venues_usd),
            "funding_usd": told.get("funding_usd"),
            "funding_by_asset": {a: f"{units:f}" for a, units in self._last.funding_told.items()},
            "funding_at_venues_by_asset": {a: f"{units:f}" for a, units in self._last.funding_at_venues.items()},
            "slippage_usd": told.get("slippage_usd"),
            "net_delta": self._delta(),
            "breaks": dict(told.get("breaks_by_cause", {})),
            "invariants_broken": list(told.get("invariants_broken", [])),
            "events": [_event(e) for e in self._events],
            "faults": [_incident(i) for i in self._stage.venues.server.plan.incidents],
            "positions": self._positions(),
            "bot": {"restarts": self._stage.restarts, "exit_code": self._exit_code, "stopped_in_s": round(self._stopped_in_s, 3)},
        }

    def write(self, path: Path) -> None:
        """Writes the report as JSON. Raises OSError when the file cannot be written."""
        path.write_text(json.dumps(self.as_json(), indent=2, sort_keys=False) + "\n", encoding="utf-8")

    def print(self, console: Console) -> None:
        """The report for people."""
        report = self.as_json()
        console.print(_story_table(self._events))
        if self._options.faults is not None:
            console.print(_faults_table(report["faults"]))
        delta = report["net_delta"]
        figures = Table(title="What it came to", title_justify="left", show_header=False)
        figures.add_column()
        figures.add_column(justify="right")
        for name, value in (
            ("market", report["market"]["label"]),
            ("orders by outcome", ", ".join(f"{k} {v}" for k, v in report["orders"].items()) or "none"),
            ("fills", report["fills"]),
            ("fees paid, USD", f"{Decimal(report['fees_usd'] or 0):,.2f}"),
            ("funding received, USD", f"{Decimal(report['funding_usd'] or 0):,.2f}"),
            ("time-weighted |net delta|, bps", f"{delta['mean_outside_grace_bps']} outside grace, {delta['mean_bps']} over all"),
            ("largest |net delta|, bps", f"{delta['largest_outside_grace_bps']} outside grace, {delta['largest_bps']} over all"),
            ("seconds out of band", f"{delta['seconds_out_of_band_outside_grace']} outside grace, {delta['seconds_out_of_band']} over all"),
            ("breaks", ", ".join(f"{k} {v}" for k, v in report["breaks"].items()) or "none"),
            ("bot restarts", report["bot"]["restarts"]),
        ):
            figures.add_row(name, str(value))
        console.print(figures)
        console.print(_positions_table(report["positions"]))

    def _market(self) -> dict[str, Any]:
        path = self._stage.venues.path
        return {
            "label": self._stage.market_label,
            "provenance": {f"{v} {a}": text for (v, a), text in path.provenance.items() if a in ASSETS},
            "redemption_rate": REDEMPTION_LABEL,
            "market_seconds_played": (self._stage.venues.market_ms - self._stage.begin_ms) / 1000,
        }

    def _delta(self) -> dict[str, Any]:
        meter = self._meter
        return {
            "grace_s": GRACE_MS / 1000,
            "mean_bps": _round(meter.mean_bps),
            "mean_outside_grace_bps": _round(meter.mean_outside_grace_bps),
            "largest_bps": _round(meter.largest_bps),
            "largest_outside_grace_bps": _round(meter.largest_outside_grace_bps),
            "seconds_out_of_band": _round(meter.seconds_out_of_band),
            "seconds_out_of_band_outside_grace": _round(meter.seconds_out_of_band_outside_grace),
            "final_bps": _round(self._truth.delta_bps),
        }

    def _positions(self) -> list[Mapping[str, Any]]:
        """Signed contract units: base units of a linear perpetual, quote units of an inverse one."""
        recorded = {i["instrument"]: i["position_units"] for i in (self._told or {}).get("instruments", [])}
        rows: list[Mapping[str, Any]] = []
        for (venue, symbol), units in self._truth.units.items():
            contract = self._stage.venues.server.desks[venue].exchange.contracts[symbol]
            rows.append(
                {
                    "venue": venue,
                    "instrument": symbol,
                    "asset": contract.base,
                    "unit": contract.quote if contract.inverse else contract.base,
                    "venue_says": str(units),
                    "bot_says": _exact(recorded.get(f"{venue}:{symbol}")),
                }
            )
        return rows


def _event(event: StoryEvent) -> dict[str, Any]:
    return {
        "name": event.name,
        "sentence": event.sentence,
        "injected_at": event.injected_at,
        "seen_at": event.seen_at,
        "healed_at": event.healed_at,
    }


def _incident(incident: Incident) -> dict[str, Any]:
    return {
        "venue": incident.venue,
        "kind": incident.kind,
        "detail": incident.detail,
        "label": incident.label,
        "began_at": incident.began_at,
        "ended_at": incident.ended_at,
    }


def _exact(position: Mapping[str, str] | None) -> str | None:
    if position is None or position["low"] != position["high"]:
        return None
    return position["low"]


def _round(value: Decimal) -> float:
    return float(round(value, 3))


def _story_table(events: Sequence[StoryEvent]) -> Table:
    table = Table(title="The story", title_justify="left")
    for name in ("event", "seen after", "healed after"):
        table.add_column(name, justify="left" if name == "event" else "right")
    for event in events:
        table.add_row(event.sentence, after(event, event.seen_at) or "never", after(event, event.healed_at) or "never")
    return table


def _faults_table(incidents: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title="What went wrong at the venues, the story's own included", title_justify="left")
    for name in ("venue", "what", "times", "longest"):
        table.add_column(name, justify="right" if name in ("times", "longest") else "left")
    found: dict[tuple[str, str], list[float]] = {}
    for incident in incidents:
        lasted = ((incident["ended_at"] or incident["began_at"]) - incident["began_at"]) / 1000
        found.setdefault((incident["venue"], incident["kind"]), []).append(lasted)
    for (venue, kind), lengths in sorted(found.items()):
        table.add_row(venue, kind.replace("_", " "), str(len(lengths)), f"{max(lengths):.2f} s")
    return table


def _positions_table(positions: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title="Shorts, by the venues' books and by the bot's record", title_justify="left")
    for name in ("venue", "instrument", "venue says", "bot says", "unit"):
        table.add_column(name, justify="right" if name.endswith("says") else "left")
    for row in positions:
        table.add_row(row["venue"], row["instrument"], row["venue_says"], row["bot_says"] or "?", row["unit"])
    return table
