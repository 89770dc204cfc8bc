"""Where the journal is kept, as configuration writes it; what is wrong with it in one sentence, and never a password in any."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.config import ConfigError, settings_from
from bot.config.journal_section import RedisAddress, redis_address
from tests.config.documents import SIMULATION, changed, on_testnet

PLAIN: dict[str, Any] = {
    "tls": False,
    "service": None,
    "database": 0,
    "username": None,
    "password": None,
    "sentinel_username": None,
    "sentinel_password": None,
}


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://127.0.0.1", {"hosts": (("127.0.0.1", 6379),)}),
        ("redis://[::1]:7000/3", {"hosts": (("::1", 7000),), "database": 3}),
        ("rediss://u:p%40ss%2Fword@store.example:6380/", {
            "hosts": (("store.example", 6380),), "tls": True, "username": "u", "password": "p@ss/word"}),
        ("redis://:pa:ss@h", {"hosts": (("h", 6379),), "password": "pa:ss"}),
        ("redis+sentinel://a,b:27000/main", {"hosts": (("a", 26379), ("b", 27000)), "service": "main"}),
        ("rediss+sentinel://u:p@a:1,b:2,[::1]:3/main/5?sentinel_password=s%26&sentinel_username=w", {
            "hosts": (("a", 1), ("b", 2), ("::1", 3)), "service": "main", "database": 5, "tls": True, "username": "u", "password": "p",
            "sentinel_username": "w", "sentinel_password": "s&"}),
    ],
)  # fmt: skip
def test_what_a_url_says(url: str, said: dict[str, Any]) -> None:
    assert redis_address(url) == RedisAddress(**{**PLAIN, **said})


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("http://h", "begins with redis://"),
        ("redis://", "each host is written host or host:port"),
        ("redis://h:port", "each host is written host or host:port"),
        ("redis://h:99999", "each host is written host or host:port"),
        ("redis://a,b", "several hosts are Sentinels"),
        ("redis://h/main", "only the number of a database"),
        ("redis://h/0/1", "only the number of a database"),
        ("redis+sentinel://a,b", "name the master that the Sentinels watch"),
        ("redis+sentinel://a,b/ma in", "name the master that the Sentinels watch"),
        ("redis+sentinel://a,b/main/x", "only the number of a database"),
        ("redis://canary@h", "before the @ stands user:password or :password"),
        ("redis://:canary@h?sentinel_password=canary", "only where there are Sentinels"),
        ("redis+sentinel://:canary@a/main?password=canary", "only sentinel_username and sentinel_password may stand"),
        ("redis://:canary@", "each host is written host or host:port"),
    ],
)
def test_what_is_wrong_with_a_url(url: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        settings_from(changed("journal", url))
    said = str(refused.value)
    assert said.startswith("journal: ")
    assert sentence in said
    assert "canary" not in said
    assert "\n" not in said


@given(st.text())
def test_any_text_is_an_address_or_a_sentence(text: str) -> None:
    with suppress(ValueError):
        assert redis_address(f"redis://{text}").hosts


def test_a_path_is_beside_the_configuration_and_the_default_in_the_state_folder(tmp_path: Path) -> None:
    assert settings_from(SIMULATION, folder=tmp_path).journal_path == tmp_path / "state" / "journal.sqlite"
    assert settings_from(changed("journal", None), folder=tmp_path).journal_path == tmp_path / "state" / "journal.sqlite"
    settings = settings_from(changed("journal", "books/mine.sqlite"), folder=tmp_path)
    assert settings.journal_path == tmp_path / "books" / "mine.sqlite"
    assert settings.journal.address is None
    assert settings.archive_dir == tmp_path / "state" / "journal-archive"
    elsewhere = settings_from(changed("journal", {"archive_dir": "old", "archive": True}), folder=tmp_path)
    assert elsewhere.archive_dir == tmp_path / "old"


@pytest.mark.parametrize(
    ("journal", "sentence"),
    [
        ({"path": "a", "url": "redis://h"}, "journal: write a path or a url, not both"),
        ({"min_replicas": 1}, "journal: min_replicas belongs to a Redis server, and this is a file"),
        ({"url": "redis://h", "min_replicas": 9}, "journal.min_replicas: at most 5"),
        ({"url": "redis://h", "ca_file": "ca.pem"}, "journal: ca_file belongs to a URL that begins with rediss"),
        ({"url": "rediss://h", "ca_file": "ca.pem"}, "journal: ca_file: there is no file"),
        ({"url": {"env": "HEDGEBOT_TEST_NOT_SET"}}, "journal.url: the environment variable HEDGEBOT_TEST_NOT_SET is not set"),
        ({"urls": "redis://h"}, "journal.urls: unknown key, did you mean 'url'?"),
        (7, "journal: "),
    ],
)
def test_what_is_wrong_with_the_section(journal: Any, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        settings_from(changed("journal", journal), folder=tmp_path)
    assert str(refused.value).startswith(sentence)


def test_no_password_is_ever_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "redis+sentinel://me:canary-one@a,b/main/2?sentinel_password=canary-two"
    monkeypatch.setenv("HEDGEBOT_TEST_JOURNAL", url)
    for journal in (url, {"url": {"env": "HEDGEBOT_TEST_JOURNAL"}}):
        settings = settings_from(changed("journal", journal))
        shown = [repr(settings), str(settings), settings.model_dump_json(), json.dumps(settings.masked_dump()), settings.identity]
        shown.append(repr(settings.journal.address))
        assert not [text for text in shown if "canary" in text]
        assert {"canary-one", "canary-two", url} <= set(settings.secret_values())
        assert settings.masked_dump()["journal"]["url"].startswith("redis+sentinel://***@a:26379,b:26379/main/2?*** (")


def test_a_password_outside_a_simulation_is_a_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = on_testnet(tmp_path)
    with pytest.raises(ConfigError, match=r"^journal\.url: a password may be written into the config only in a simulation") as refused:
        settings_from(document | {"journal": "redis://:canary@h"}, folder=tmp_path)
    assert "canary" not in str(refused.value)
    assert settings_from(document | {"journal": "redis://h"}, folder=tmp_path).journal.address is not None
    monkeypatch.setenv("HEDGEBOT_TEST_JOURNAL", "redis://:canary@h")
    assert settings_from(document | {"journal": {"url": {"env": "HEDGEBOT_TEST_JOURNAL"}}}, folder=tmp_path).journal.address is not None


def test_where_the_journal_is_decides_nothing() -> None:
    first = settings_from(SIMULATION)
    other = settings_from(changed("journal", "redis://127.0.0.1"))
    assert (other.config_hash, other.identity) == (first.config_hash, first.identity)
