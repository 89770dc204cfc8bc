"""Mainnet takes two switches: the file's, and one beside the process that names the book."""

from __future__ import annotations

import pytest

from bot.config import ConfigError, settings_from
from bot.config.mainnet import MAINNET_VARIABLE
from tests.config.documents import on_testnet


@pytest.fixture
def folder(tmp_path):
    """Where the secrets of a configuration lie."""
    return tmp_path


def loaded(folder, **changes):
    return settings_from(on_testnet(folder) | {"environment": "mainnet", "name": "treasury"} | changes, folder=folder)


def test_the_file_alone_is_not_enough(monkeypatch, folder):
    monkeypatch.delenv(MAINNET_VARIABLE, raising=False)
    with pytest.raises(ConfigError, match=r"^environment: mainnet needs its second switch as well: set .*HEDGEBOT_MAINNET to treasury,"):
        loaded(folder)


@pytest.mark.parametrize("told", ["", "1", "yes", "true", "Treasury", "treasury ", "hedgebot"])
def test_a_switch_that_does_not_name_this_book_is_none(monkeypatch, folder, told):
    monkeypatch.setenv(MAINNET_VARIABLE, told)
    with pytest.raises(ConfigError, match="holds the name of another book than treasury") as refusal:
        loaded(folder)
    assert "\n" not in str(refusal.value)


def test_both_switches_open_mainnet(monkeypatch, folder):
    monkeypatch.setenv(MAINNET_VARIABLE, "treasury")
    settings = loaded(folder)
    assert settings.environment == "mainnet"
    assert settings.identity.startswith("mainnet book treasury on ")


def test_the_switch_alone_opens_nothing(monkeypatch, folder):
    monkeypatch.setenv(MAINNET_VARIABLE, "testbook")
    settings = loaded(folder, environment="testnet", name="testbook")
    assert settings.environment == "testnet"


def test_on_mainnet_a_simulators_things_are_refused_as_on_a_testnet(monkeypatch, folder):
    monkeypatch.setenv(MAINNET_VARIABLE, "treasury")
    for changes, words in (({"routes": {"api.bybit.com": "http://127.0.0.1:1"}}, "routes"), ({"simulator": {}}, "simulator")):
        with pytest.raises(ConfigError, match=words):
            loaded(folder, **changes)
