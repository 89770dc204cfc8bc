"""Alerts: each fires on its breach and resolves after it, has its heading in the runbook, and reads only metrics that the bot exports."""

from __future__ import annotations

import re
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.adapters.telemetry.reference import page
from bot.core.limit_table import LIMITS
from bot.core.limits import Effect, Limit
from tests.deploy.rules import ALWAYS_ON, CASES, DEPLOY, QUIET, ROOT, RULE_FILES, Case, Value, alerts, seconds

ALERTS = alerts()
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
HEALTHY_S = 120
AT_ONCE_S = 3
"""The longest that a breach may last before somebody is woken, where nothing has to be made sure of: with a scrape and an evaluation of one
second each that is five."""

needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed here (Debian: prometheus)")


@needs_promtool
def test_prometheus_reads_configuration_and_rules() -> None:
    told = str(DEPLOY / "prometheus" / "prometheus.yml")
    checked = subprocess.run(
        ["promtool", "check", "config", "--lint=all", "--lint-fatal", told], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_alert_has_a_case() -> None:
    assert set(CASES) | {ALWAYS_ON} == set(ALERTS)


@needs_promtool
def test_each_alert_fires_on_its_breach_and_resolves_after_it(tmp_path: Path) -> None:
    """Real promtool, all alerts in one run: quiet before the breach and until it has lasted long enough, on during it, off after."""
    files = []
    for step in sorted({case.step for case in CASES.values()}):
        told = {
            "rule_files": [str(path) for path in RULE_FILES],
            "evaluation_interval": f"{step}s",
            "tests": [
                _always_on(),
                *(_test_of(name, case) for name, case in CASES.items() if case.step == step),
                *(_test_of(name, case, fires=False) for name, case in QUIET.values() if case.step == step),
            ],
        }
        files.append(f"every{step}s.yml")
        (tmp_path / files[-1]).write_text(yaml.safe_dump(told))
    run = subprocess.run(["promtool", "test", "rules", *files], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, (run.stdout + run.stderr)[-4_000:]


def _test_of(name: str, case: Case, *, fires: bool = True) -> dict[str, Any]:
    waits = seconds(ALERTS[name].get("for", "0s"))
    lasts = waits + case.looks_back + 60
    begins, ends, recovers = HEALTHY_S, HEALTHY_S + lasts, case.looks_back + 60
    steps = [begins // case.step, lasts // case.step + 1, recovers // case.step + 2]
    moments = [(begins - case.step, False), (ends - case.step, fires), (ends + recovers, False)]
    if waits > 3 * case.step:
        moments.insert(1, (begins + case.step, False))
    assert all(before < after for (before, _), (after, _) in pairwise(moments))
    return {
        "name": name,
        "interval": f"{case.step}s",
        "input_series": [
            {"series": series, "values": _values(steps, value, case.breached.get(series, value))} for series, value in case.healthy.items()
        ],
        "promql_expr_test": [_at(name, moment, fires=on) for moment, on in moments],
    }


def _values(steps: list[int], healthy: Value, breached: Value) -> str:
    """Sample by sample, as promtool reads it; a series that ends is marked stale, as a scrape does."""
    told: list[str] = []
    last = 0.0
    for count, value in zip(steps, (healthy, breached, healthy), strict=True):
        for _ in range(count):
            if value == "-":
                told.append("stale")
                continue
            last = last + float(value) if isinstance(value, str) else value
            told.append(f"{last:g}")
    return " ".join(told)


def _at(name: str, moment: int, *, fires: bool) -> dict[str, Any]:
    return {
        "expr": f'group by (alertname) (ALERTS{{alertname="{name}",alertstate="firing"}})',
        "eval_time": f"{moment}s",
        "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1}] if fires else [],
    }


def _always_on() -> dict[str, Any]:
    series = [{"series": "anything", "values": "1x10"}]
    return {"name": ALWAYS_ON, "interval": "60s", "input_series": series, "promql_expr_test": [_at(ALWAYS_ON, 60, fires=True)]}


def test_each_alert_has_its_heading_and_each_heading_its_alert() -> None:
    headings = re.findall(r"^### (\w+)$", RUNBOOK, re.MULTILINE)
    assert sorted(headings) == sorted(ALERTS)
    for name, rule in ALERTS.items():
        assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{name.lower()}"
        assert rule["annotations"]["summary"].endswith("."), name
        text = RUNBOOK.split(f"### {name}\n")[1].split("\n#")[0]
        assert text.lstrip().startswith(f"*{rule['labels']['severity']}.*"), f"{name}: another severity in the runbook"
        assert "* Look: " in text, f"{name}: what to look at?"
        assert "* Do: " in text, f"{name}: an alert without an act"


def test_the_runbook_names_metrics_and_commands_that_are_there() -> None:
    exported = set(re.findall(r"`(hedgebot_\w+)`", page()))
    assert set(re.findall(r"hedgebot_\w+", RUNBOOK)) <= exported
    commands = set(re.findall(r"`hedgebot ([a-z]+)", RUNBOOK))
    cli = " ".join(path.read_text(encoding="utf-8") for path in (ROOT / "bot").glob("cli*.py"))
    assert commands
    assert {name for name in commands if f"def {name}(" not in cli} == set()


def test_every_limit_leads_to_a_heading() -> None:
    table = RUNBOOK.split("## Which limit, which heading\n")[1]
    rows = [row.split("|")[1:3] for row in table.splitlines() if row.startswith("| `")]
    told = [name for limits, _ in rows for name in re.findall(r"`(\w+)`", limits)]
    assert sorted(told) == sorted(limit.value for limit in Limit), "each limit once"
    for limits, headings in rows:
        named = set(re.findall(r"Hedgebot\w+", headings))
        assert named, limits
        assert named <= set(ALERTS), limits


def test_alerts_read_only_what_the_bot_exports() -> None:
    exported = set(re.findall(r"`(hedgebot_\w+)`", page()))
    for name, rule in ALERTS.items():
        read = {re.sub(r"(_seconds)_(bucket|count|sum)$", r"\1", metric) for metric in re.findall(r"hedgebot_\w+", rule["expr"])}
        assert read <= exported, f"{name}: {read - exported}"
        assert _limits_in(rule["expr"]) <= {limit.value for limit in Limit}, name


def _limits_in(expression: str) -> set[str]:
    return {each for group in re.findall(r'limit=~?"([\w|]+)"', expression) for each in group.split("|")}


def test_every_limit_that_pages_or_changes_a_state_has_an_alert() -> None:
    named = {each for rule in ALERTS.values() for each in _limits_in(rule["expr"])}
    by_state = {Limit.OPERATOR, Limit.INVARIANT}  # HedgebotHalted, HedgebotInvariantBroken
    for limit, rule in LIMITS.items():
        if rule.effect in {Effect.PAGES, Effect.REDUCING, Effect.HALTED} and limit not in by_state:
            assert limit.value in named, f"nobody is told of {limit.value}"


def test_what_wakes_somebody_at_once_does_within_five_seconds() -> None:
    """Of Prometheus and Alertmanager as deployed: one scrape, one evaluation, being sure, and no waiting for a group."""
    told = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["global"]
    critical = {name: seconds(rule.get("for", "0s")) for name, rule in ALERTS.items() if rule["labels"]["severity"] == "critical"}
    at_once = {name for name, waits in critical.items() if waits <= AT_ONCE_S}
    assert at_once == {
        "HedgebotHalted", "HedgebotInvariantBroken", "HedgebotNetDelta", "HedgebotOldDoubt", "HedgebotVenueHalted", "HedgebotNoVenueHeard",
        "HedgebotStrangeActivity", "HedgebotDeleveraged", "HedgebotMarginLow", "HedgebotRepeatedExecution", "HedgebotGone",
    }  # fmt: skip
    routes = yaml.safe_load((DEPLOY / "alertmanager" / "alertmanager.yml").read_text())["route"]["routes"]
    (waking,) = [route for route in routes if 'severity="critical"' in route["matchers"]]
    slowest = max(critical[name] for name in at_once)
    total = seconds(told["scrape_interval"]) + seconds(told["evaluation_interval"]) + slowest + seconds(waking["group_wait"])
    assert total <= 5
