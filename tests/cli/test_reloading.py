"""A configuration that is read again: new limits are taken, anything else needs a restart, and a bad file changes nothing."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import yaml
from structlog.testing import capture_logs

from bot.config import load
from bot.drivers.reloading import ConfigurationFile, at_its_turn
from bot.operating import Reloaded
from tests.cli.test_refusals import written


def rewritten(path: Path, **changes: object) -> None:
    """The same file with some sections changed."""
    document = yaml.safe_load(path.read_text())
    for name, value in changes.items():
        document[name] = {**document.get(name, {}), **value} if isinstance(value, dict) else value
    path.write_text(yaml.safe_dump(document))


def test_new_limits_are_taken_and_told(tmp_path: Path) -> None:
    path = written(tmp_path)
    settings = load(path)
    running, file = settings.to_policy(), ConfigurationFile(path, settings)
    same = file(running)
    assert isinstance(same, Reloaded)
    assert same.sentence == f"configuration {settings.config_hash}: no limit is written otherwise"
    rewritten(path, policy={"spread_max": 0.004})
    found = file(running)
    assert isinstance(found, Reloaded)
    assert found.policy.spread_max == Decimal("0.004")
    assert found.config_hash != settings.config_hash
    assert found.sentence == f"configuration {found.config_hash} counts: spread_max {running.spread_max} -> 0.004"


def test_what_needs_a_restart_is_said_and_nothing_is_taken(tmp_path: Path) -> None:
    path = written(tmp_path)
    settings = load(path)
    rewritten(path, policy={"spread_max": 0.004}, logging={"level": "debug"})
    said = ConfigurationFile(path, settings)(settings.to_policy())
    assert said == "logging: cannot change while the bot runs, restart it for that; nothing of the file is taken"


def test_a_bad_file_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = written(tmp_path)
    settings = load(path)
    rewritten(path, policy={"spread_max": 40})
    said = ConfigurationFile(path, settings)(settings.to_policy())
    assert isinstance(said, str)
    assert "policy.spread_max" in said
    assert said.endswith("; the configuration of before stays")
    path.unlink()
    assert isinstance(ConfigurationFile(path, settings)(settings.to_policy()), str)


def test_an_instance_that_stood_by_begins_with_the_file_as_it_is_at_its_turn(tmp_path: Path) -> None:
    path = written(tmp_path)
    settings = load(path)
    rewritten(path, policy={"spread_max": 0.004})
    with capture_logs() as told:
        policy, config_hash = at_its_turn(settings, ConfigurationFile(path, settings), load(path).to_policy())
    assert (policy.spread_max, config_hash, told) == (Decimal("0.004"), load(path).config_hash, [])


def test_limits_that_are_other_than_in_the_run_before_are_an_error_in_the_log(tmp_path: Path) -> None:
    path = written(tmp_path)
    settings = load(path)
    started = settings.to_policy()
    rewritten(path, policy={"spread_max": 0.004})
    reloaded = load(path).to_policy()
    path.unlink()
    with capture_logs() as told:
        assert at_its_turn(settings, ConfigurationFile(path, settings), reloaded) == (started, settings.config_hash)
    assert [(line["event"], line["log_level"]) for line in told] == [
        ("configuration_not_read_again", "error"),
        ("limits_differ_from_the_run_before", "error"),
    ]
    assert told[1]["limits"] == [f"spread_max 0.004 -> {started.spread_max}"]
