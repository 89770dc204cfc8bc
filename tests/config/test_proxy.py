"""The forward proxy, secrets that an orchestrator hands over, and an instance named by its environment."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from bot.config import ConfigError, settings_from
from bot.config.values import is_open_to_others
from bot.drivers.check import account_of
from tests.config.documents import SIMULATION, changed, on_testnet

PROXY = "http://egress.example:3128"


def test_every_venue_is_told_of_the_proxy(tmp_path: Path) -> None:
    settings = settings_from(on_testnet(tmp_path) | {"proxy": PROXY}, folder=tmp_path)
    assert {account_of(settings, venue).proxy for venue in settings.venues} == {PROXY}
    assert settings.masked_dump()["proxy"] == PROXY


def test_without_one_there_is_none_and_it_decides_nothing(tmp_path: Path) -> None:
    direct = settings_from(on_testnet(tmp_path), folder=tmp_path)
    through = settings_from(on_testnet(tmp_path) | {"proxy": PROXY}, folder=tmp_path)
    assert {account_of(direct, venue).proxy for venue in direct.venues} == {None}
    assert direct.config_hash == through.config_hash


@pytest.mark.parametrize(
    ("proxy", "sentence"),
    [
        ("https://egress.example:3128", "proxy: 'https://egress.example:3128' is not allowed: write http://HOST:PORT, without a path"),
        ("http://egress.example", "write http://HOST:PORT, without a path"),
        ("http://egress.example:3128/x", "write http://HOST:PORT, without a path"),
        ("http://egress.example:99999", "this is not a URL; write http://HOST:PORT"),
        ("http://me:hush@egress.example:3128", "without user and password: who may use the proxy is decided by address"),
    ],
)
def test_what_is_no_proxy_is_refused_in_one_sentence(tmp_path: Path, proxy: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        settings_from(on_testnet(tmp_path) | {"proxy": proxy}, folder=tmp_path)
    assert str(refused.value).startswith("proxy: ")
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_simulations_proxy_is_on_this_machine(tmp_path: Path) -> None:
    assert settings_from(changed("proxy", "http://127.0.0.1:3128"), folder=tmp_path).proxy == "http://127.0.0.1:3128"
    with pytest.raises(ConfigError, match=r"^proxy: http://egress.example:3128 is not allowed: a simulation leaves this machine by no way"):
        settings_from(changed("proxy", PROXY), folder=tmp_path)


@pytest.mark.parametrize(
    ("mode", "owner", "group", "us", "is_open"),
    [
        (0o400, 10001, 10001, (10001, 10001), False),
        (0o600, 10001, 10001, (10001, 10001), False),
        (0o440, 10001, 10001, (10001, 10001), True),  # ours: then nobody else needs the group
        (0o440, 0, 10001, (10001, 10001), False),  # an orchestrator's: root wrote it, and our group may read
        (0o640, 0, 10001, (10001, 10001), False),
        (0o440, 0, 0, (10001, 10001), True),  # another group than ours
        (0o460, 0, 10001, (10001, 10001), True),
        (0o444, 0, 10001, (10001, 10001), True),
        (0o440, 0, 0, (0, 0), True),  # we are root
    ],
)
def test_who_may_read_a_secrets_file(mode: int, owner: int, group: int, us: tuple[int, int], is_open: bool) -> None:
    assert is_open_to_others(stat.S_IFREG | mode, owner, group, us) is is_open


def named(name: Any) -> dict[str, Any]:
    return SIMULATION | {"journal": "redis://127.0.0.1:6379", "instance": {"name": name}}


def test_an_instance_may_be_named_by_its_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POD_NAME", "hedgebot-1")
    told = settings_from(named({"env": "POD_NAME"}), folder=tmp_path).instance
    assert told is not None
    assert told.name == "hedgebot-1"


def test_a_name_that_is_nowhere_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POD_NAME", raising=False)
    with pytest.raises(ConfigError, match=r"^instance\.name: .*POD_NAME"):
        settings_from(named({"env": "POD_NAME"}), folder=tmp_path)
    with pytest.raises(ConfigError, match=r"^instance\.name: .*write the text itself, or \{env: NAME\}"):
        settings_from(named({"file": "x"}), folder=tmp_path)
