"""docs/metrics.md, written from the metrics themselves: `python -m bot.adapters.telemetry.reference docs/metrics.md`.

A test compares the page with what this module writes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from prometheus_client.metrics import MetricWrapperBase

from bot.adapters.telemetry.book_metrics import BOOK_METRICS
from bot.adapters.telemetry.prometheus import Metrics

_OPENING = """# Metrics

Served on `/metrics` in Prometheus' text form. Base units, unit last, ratios as fractions. A figure that is unknown has no sample: alert on
absence, not on zero. A quantity that is known only as a range has two samples, `bound="low"` and `bound="high"`.

This page is generated from the code: `python -m bot.adapters.telemetry.reference docs/metrics.md`.
"""


def page() -> str:
    """The whole page as Markdown."""
    return "\n".join([_OPENING, *_table("The book", _book()), *_table("The program", _program())])


def _table(title: str, rows: Iterator[tuple[str, str, tuple[str, ...], str]]) -> Iterator[str]:
    yield f"## {title}\n"
    yield "| name | kind | labels | meaning |\n|---|---|---|---|"
    for name, kind, labels, meaning in rows:
        yield f"| `{name}` | {kind} | {', '.join(labels) or 'none'} | {meaning} |"
    yield ""


def _book() -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    for metric in BOOK_METRICS:
        yield f"hedgebot_{metric.name}", "counter" if metric.counts else "gauge", metric.labels, metric.meaning


def _program() -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    suffixes = {"counter": "_total", "info": "_info"}
    for metric in vars(Metrics()).values():
        if isinstance(metric, MetricWrapperBase):
            (family,) = metric.describe()
            labels = tuple(getattr(metric, "_labelnames", ()))
            yield family.name + suffixes.get(family.type, ""), family.type, labels, family.documentation


def main() -> None:
    """Writes the page to the path given on the command line."""
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
