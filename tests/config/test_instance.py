"""One of several instances: what it is told, and what is refused in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot.config import ConfigError, settings_from
from tests.config.documents import SIMULATION

REDIS: dict[str, Any] = {"journal": "redis://127.0.0.1:6379"}


def test_it_has_a_name_and_a_lease_of_three_seconds(tmp_path: Path) -> None:
    told = settings_from(SIMULATION | REDIS | {"instance": {"name": "left"}}, folder=tmp_path).instance
    assert told is not None
    assert (told.name, told.lease_ttl_ms) == ("left", 3_000)


def test_left_out_there_is_only_one(tmp_path: Path) -> None:
    assert settings_from(SIMULATION, folder=tmp_path).instance is None


def test_which_instance_it_is_decides_nothing(tmp_path: Path) -> None:
    """Both must find the same journal theirs, and decide alike."""
    left, right = (settings_from(SIMULATION | REDIS | {"instance": {"name": name}}, folder=tmp_path) for name in ("left", "right"))
    assert left.identity == right.identity
    assert left.config_hash == right.config_hash


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"instance": {"name": "left"}},
            (
                "instance: 'left' is one of several, and their journal is a file: only one in Redis (journal.url) can be followed by the"
                " others, and keep the lease"
            ),
        ),
        ({**REDIS, "instance": {}}, "instance.name: is missing, and there is no default"),
        ({**REDIS, "instance": {"name": ""}}, "instance.name: '' is not allowed: string should have at least 1 character"),
        ({**REDIS, "instance": {"name": "left", "lease_ttl_ms": 500}}, "instance.lease_ttl_ms: 500 is not allowed: at least 1000"),
        ({**REDIS, "instance": {"name": "left", "lease_ttl_ms": 60_000}}, "instance.lease_ttl_ms: 60000 is not allowed: at most 30000"),
        ({**REDIS, "instance": {"name": "left", "ttl": 1}}, "instance.ttl: unknown key; known: lease_ttl_ms, name"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_sentence(changes: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        settings_from(SIMULATION | changes, folder=tmp_path)
    assert str(refused.value) == sentence
