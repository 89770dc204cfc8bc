"""Every dashboard as the text of its file."""

from __future__ import annotations

import json
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.grafana.source.book import book
from deploy.grafana.source.risk import risk
from deploy.grafana.source.service import service
from deploy.grafana.source.venues import venues

FOLDER = Path(__file__).resolve().parents[1] / "dashboards"


def files() -> dict[str, str]:
    """File names with what is in them."""
    boards = {"book": book(), "risk": risk(), "venues": venues(), "service": service()}
    return {f"{name}.json": json.dumps(made, cls=JSONEncoder, indent=2, sort_keys=True) + "\n" for name, made in boards.items()}
