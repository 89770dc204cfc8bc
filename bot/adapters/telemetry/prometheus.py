"""All metrics: those of the book come from the newest statement, those of the program are counted as it runs.

One registry of our own, nothing global. Rendering reads frozen values and may happen in another thread, off the event loop. Floats are at
home here: a metric is read by people and rules, never by the ledger.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from bot.adapters.telemetry.book_metrics import book_families
from bot.core.statement import BookStatement

CONTENT_TYPE = CONTENT_TYPE_LATEST

_DECISION_BUCKETS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5)
_JOURNAL_BUCKETS = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0)
_WIRE_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class _Book(Collector):
    """Hands the newest statement to the registry; silent before the first one."""

    def __init__(self) -> None:
        self.statement: BookStatement | None = None

    def collect(self) -> Iterator[Metric]:
        statement = self.statement
        if statement is not None:
            yield from book_families(statement)


class Metrics:
    """The program's metrics and their text form."""

    def __init__(self) -> None:
        """Registers every metric in a registry of its own."""
        self.registry = CollectorRegistry(auto_describe=False)
        own: dict[str, Any] = {"registry": self.registry, "namespace": "hedgebot"}
        self.events = Counter("events", "Events that went through the core.", ["kind"], **own)
        self.commands = Counter("commands", "Commands that were carried out.", ["kind"], **own)
        self.decision_seconds = Histogram(
            "decision_seconds", "Time that one decision took, from its quotes to its commands.", buckets=_DECISION_BUCKETS, **own
        )
        self.journal_append_seconds = Histogram(
            "journal_append_seconds", "Time until a durable append was on disk.", buckets=_JOURNAL_BUCKETS, **own
        )
        self._watch_venues(own)
        self.refused_messages = Counter(
            "refused_messages", "Messages on a stream of announcements that can never be taken, and were put aside.", ["source"], **own
        )
        self.loop_lag_seconds = Gauge("loop_lag_seconds", "How late the event loop's last beat was.", **own)
        self.loop_tasks = Gauge("loop_tasks", "Tasks on the event loop: flat when nothing leaks.", **own)
        self.journal_quarantined = Gauge(
            "journal_quarantined_tails", "Tails of the journal that were cut off or missing at the last start.", **own
        )
        self.journal_waiting = Gauge("journal_waiting_entries", "Entries that are accepted and not known to be durable yet.", **own)
        self.journal_rewritten = Gauge(
            "journal_rewritten_entries", "Entries that the journal's server lost in this run and was given again.", **own
        )
        self.lease_held = Gauge(
            "lease_held",
            "Where several instances share a book: whether this one holds the lease and may send, 1 or 0.",
            ["member"],
            **own,
        )
        self.lease_epoch = Gauge("lease_epoch", "The epoch of the newest lease that was granted to this instance.", ["member"], **own)
        self.lease_seconds_left = Gauge(
            "lease_left_seconds", "For how long this instance holds the lease unless it is renewed, by its own clock.", ["member"], **own
        )
        self.standby_entries = Counter(
            "standby_entries", "Entries of the journal that this instance folded while it stood by.", ["member"], **own
        )
        self.started_at = Gauge("started_timestamp_seconds", "When this run began, seconds since the Unix epoch.", **own)
        self.build = Info("build", "What is running.", **own)
        self.config = Info("config", "What it was told: environment, book and hash of the config.", **own)
        self._described: dict[str, str] = {}
        self._book = _Book()
        self.registry.register(self._book)

    def _watch_venues(self, own: dict[str, Any]) -> None:
        self.request_seconds = Histogram(
            "request_seconds",
            "Time from a request to a venue on the wire to the head of its answer; unanswered ones are not in it.",
            ["venue"],
            buckets=_WIRE_BUCKETS,
            **own,
        )
        self.stream_delay_seconds = Histogram(
            "stream_delay_seconds",
            "How much later books arrived than the venue says it spoke, by its clock as we know it.",
            ["venue"],
            buckets=_WIRE_BUCKETS,
            **own,
        )
        self.request_budget = Gauge(
            "request_budget_ratio", "Unused part of a venue's request budget: 1 untouched.", ["venue", "budget"], **own
        )
        self.stay_away = Counter("stay_away", "Times that a venue told us to stay away: too many requests, or a ban.", ["venue"], **own)
        self.stay_away_seconds = Counter(
            "stay_away_seconds", "Seconds for which a venue told us to stay away, added up as they were told.", ["venue"], **own
        )
        self.dead_man_switch = Gauge(
            "dead_man_switch_armed",
            "Whether a venue would cancel our orders if it never heard from us again: 1 armed, 0 not.",
            ["venue"],
            **own,
        )

    def describe_run(self, *, version: str, environment: str, book: str, config_hash: str, started_at_ms: int) -> None:
        """States what runs, since when, and under which configuration."""
        self.build.info({"version": version, "python": platform.python_version()})
        self._described = {"environment": environment, "book": book}
        self.config_counts(config_hash)
        self.started_at.set(started_at_ms / 1000)

    def config_counts(self, config_hash: str) -> None:
        """States which configuration counts from now on."""
        self.config.info({**self._described, "config_hash": config_hash})

    def show(self, statement: BookStatement) -> None:
        """Takes the newest statement; the next rendering shows it."""
        self._book.statement = statement

    def render(self) -> bytes:
        """The text form that Prometheus scrapes. Safe to call in a thread."""
        return generate_latest(self.registry)
