"""The dashboards as they are deployed, panel by panel, and their queries as Grafana would ask them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.deploy.rules import DEPLOY

BOARDS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
}


def panels() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every panel with the name of its dashboard, rows left out."""
    for name, board in BOARDS.items():
        yield from ((name, panel) for panel in board["panels"] if panel["type"] != "row")


def queries() -> Iterator[tuple[str, str]]:
    """Every query, what Grafana puts in for its variables included, with where it stands."""
    for name, panel in panels():
        for target in panel["targets"]:
            yield f"{name}: {panel['title']} {target['refId']}", target["expr"].replace("$__rate_interval", "15s")
