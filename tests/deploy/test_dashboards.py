"""Dashboards: the files are what the code makes, Grafana's own schema takes them, and every query reads what the bot exports."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.adapters.telemetry.reference import page
from tests.deploy.boards import BOARDS, panels, queries
from tests.deploy.rules import DEPLOY, ROOT

SCHEMAS = Path(sys.prefix) / "npm" / "schemas"
GRAFANA = DEPLOY / "grafana"

needs_schemas = pytest.mark.skipif(not SCHEMAS.is_dir(), reason="Grafana's schemas are not installed (npm): see make servers")


def test_the_files_are_what_the_code_makes() -> None:
    pytest.importorskip("grafana_foundation_sdk", reason="grafana-foundation-sdk is not installed (the dev extra)")
    from deploy.grafana.source.files import files

    written = {path.name: path.read_text(encoding="utf-8") for path in (GRAFANA / "dashboards").glob("*.json")}
    assert written == files(), "run: make dashboards"


def test_the_four_dashboards_are_there() -> None:
    assert {board["title"] for board in BOARDS.values()} == {"Book", "Risk", "Venues and execution", "Service health"}
    assert len({board["uid"] for board in BOARDS.values()}) == 4
    for name, panel in panels():
        assert panel["description"].endswith("."), f"{name}: {panel['title']} does not say what to read from it"
        assert panel["targets"], f"{name}: {panel['title']}"
        assert panel["datasource"] == {"type": "prometheus", "uid": "prometheus"}


def test_panels_do_not_overlap() -> None:
    for name, board in BOARDS.items():
        taken: set[tuple[int, int]] = set()
        for panel in board["panels"]:
            at = panel["gridPos"]
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            assert not cells & taken, f"{name}: {panel['title']} lies on another panel"
            assert at["x"] + at["w"] <= 24, f"{name}: {panel['title']} is too wide"
            taken |= cells
        assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def _faults(document: Any, schema: str) -> list[str]:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed (the dev extra)")
    told = json.loads((SCHEMAS / f"{schema}.json").read_text())
    return [f"{fault.json_path}: {fault.message[:200]}" for fault in jsonschema.Draft7Validator(told).iter_errors(document)]


@needs_schemas
@pytest.mark.parametrize("name", sorted(BOARDS))
def test_grafanas_own_schema_takes_them(name: str) -> None:
    assert _faults(BOARDS[name], "dashboard") == []
    for panel in BOARDS[name]["panels"]:
        if panel["type"] != "row":
            assert _faults(panel["options"], f"{panel['type']}-options") == [], panel["title"]


@needs_schemas
def test_the_schema_would_find_a_fault() -> None:
    board = json.loads(json.dumps(BOARDS["book"]))
    board["panels"][1]["gridPos"]["w"] = "wide"
    board["refreshes"] = "5s"
    assert len(_faults(board, "dashboard")) >= 2
    assert _faults({"legend": {"displayMode": "loud"}}, "timeseries-options")


def test_every_query_reads_what_the_bot_exports() -> None:
    exported = {told.removesuffix("_info") if told.endswith("_info") else told for told in re.findall(r"`(hedgebot_\w+)`", page())}
    for where, expression in queries():
        read = {re.sub(r"(_seconds)_(bucket|count|sum)$", r"\1", metric) for metric in re.findall(r"hedgebot_\w+", expression)}
        assert {metric.removesuffix("_info") for metric in read} <= exported, where


BY_THE_PAGE_ALONE = {
    "what another panel shows in better units": {
        "net_delta_units", "net_delta_usd", "book_net_delta_bps", "mark_price_usd", "target_units", "venue_notional_usd",
        "liquidation_price_usd", "liquidation_distance_ratio", "open_interest_usd", "venue_funding_annual_ratio", "collateral_units",
    },
    "for an account of earnings, not for somebody on call": {
        "funding_received_units_total", "funding_paid_units_total", "funding_settlements_total", "funding_settled_age_seconds",
        "funding_rate_age_seconds", "conversion_gain_usd", "conversion_break_even_seconds", "fills_total", "stay_away_seconds_total",
    },
}  # fmt: skip
"""Metrics that no panel and no alert reads, and why."""


def test_every_metric_is_on_a_panel_or_in_an_alert_or_said_to_be_on_none() -> None:
    shown = " ".join(expression for _, expression in queries())
    shown += " ".join(path.read_text() for path in (DEPLOY / "prometheus" / "rules").glob("*.yml"))
    told = set(re.findall(r"`(hedgebot_\w+)`", page()))
    unseen = {metric.removeprefix("hedgebot_") for metric in told if not re.search(rf"\b{metric}(_bucket|_count)?\b", shown)}
    assert unseen == set().union(*BY_THE_PAGE_ALONE.values())


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed here (Debian: prometheus)")
def test_prometheus_parses_every_query(tmp_path: Path) -> None:
    rules = [{"record": f"query:{number}", "expr": expression} for number, (_, expression) in enumerate(queries())]
    (tmp_path / "queries.yml").write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    checked = subprocess.run(
        ["promtool", "check", "rules", "--lint=none", str(tmp_path / "queries.yml")], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(rules)} rules found" in checked.stdout + checked.stderr


def test_what_is_provisioned_is_what_panels_ask_for() -> None:
    (source,) = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert (source["uid"], source["type"]) == ("prometheus", "prometheus")
    (provider,) = yaml.safe_load((GRAFANA / "provisioning" / "dashboards" / "hedgebot.yml").read_text())["providers"]
    assert (provider["type"], provider["options"]["path"]) == ("file", "/var/lib/grafana/dashboards")


def test_each_dashboard_has_its_picture() -> None:
    """Drawn by `make dashboards` from a real run; whoever changes a dashboard looks at it."""
    pictures = {path.name: path.read_bytes()[:8] for path in (ROOT / "docs" / "images").iterdir()}
    named = {*(f"dashboard-{name}.png" for name in (*BOARDS, "book-custodians")), "live-view.png"}
    assert pictures == dict.fromkeys(named, b"\x89PNG\r\n\x1a\n")
