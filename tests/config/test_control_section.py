"""The control endpoint over TCP, as it is configured: no port without a token that nobody guesses, and the token is a secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bot.config import ConfigError, Settings
from bot.config.settings import settings_from
from bot.drivers.control_place import control_of
from tests.config.documents import SIMULATION, changed, on_testnet

CANARY = "canary-0123456789abcdef0123456789abcdef"


def with_control(told: Any, tmp_path: Path) -> Settings:
    return settings_from(changed("control", told), folder=tmp_path)


def kept(folder: Path, text: str = CANARY, mode: int = 0o400) -> Path:
    path = folder / "control-token"
    path.write_text(text + "\n")
    path.chmod(mode)
    return path


def test_left_out_there_is_the_socket_alone(tmp_path: Path) -> None:
    settings = settings_from(SIMULATION, folder=tmp_path)
    assert settings.control is None
    assert control_of(settings) == settings.control_path


@pytest.mark.parametrize(
    ("listen", "asked"),
    [
        ("127.0.0.1:9999", "127.0.0.1:9999"),
        ("10.1.2.3:9999", "10.1.2.3:9999"),
        ("0.0.0.0:9999", "127.0.0.1:9999"),
        ("[::]:9999", "[::1]:9999"),
        (None, "127.0.0.1:9464"),
    ],
)
def test_where_the_commands_ask(tmp_path: Path, listen: str | None, asked: str) -> None:
    kept(tmp_path)
    told = {"token": {"file": "control-token"}} | ({} if listen is None else {"listen": listen})
    assert str(control_of(with_control(told, tmp_path))) == asked


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"listen": "127.0.0.1:9464"}, "control.token: is missing, and there is no default"),
        ({"listen": "0.0.0.0:9464"}, "control.token: is missing, and there is no default"),
        ({"token": CANARY[:31]}, "control.token: has 31 characters, at least 32 are needed; `openssl rand -hex 32` writes one"),
        ({"token": f"{CANARY} {CANARY}"}, "control.token: holds a space"),
        ({"token": f"{CANARY}\u00e9"}, "control.token: holds a space"),
        ({"token": {"env": "HEDGEBOT_TEST_NOT_SET"}}, "control.token: the environment variable HEDGEBOT_TEST_NOT_SET is not set"),
        ({"token": {"file": "gone"}}, "gone cannot be read: No such file or directory"),
        ({"token": CANARY, "listen": "127.0.0.1:0"}, "control.listen: the commands have to find it"),
        ({"token": CANARY, "listen": CANARY}, "control.listen: write host:port"),
        ({"token": CANARY, "listen": "127.0.0.1:9108"}, "control.listen: port 9108 is that of `listen`"),
        ({"token": CANARY, "hosts": [f"{CANARY}/"]}, "control.hosts.0: it must look like"),
        ({"token": CANARY, "tokem": CANARY}, "control.tokem: unknown key, did you mean 'token'?"),
        (CANARY, "control: keys with values are needed below it"),
    ],
)
def test_what_cannot_be_is_refused_without_repeating_it(tmp_path: Path, told: Any, said: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        with_control(told, tmp_path)
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert CANARY[:31] not in str(refusal.value)


@pytest.mark.parametrize("mode", [0o440, 0o404, 0o644])
def test_a_token_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = kept(tmp_path, mode=mode)
    with pytest.raises(ConfigError) as refusal:
        with_control({"token": {"file": "control-token"}}, tmp_path)
    assert str(refusal.value) == f"control.token: the file {path} can be read by others than its owner; run chmod 400 on it"


def test_outside_a_simulation_the_token_is_not_written_out(tmp_path: Path) -> None:
    document = on_testnet(tmp_path) | {"control": {"token": CANARY}}
    with pytest.raises(ConfigError, match=r"^control\.token: a secret may be written into the config only in a simulation") as refusal:
        settings_from(document, folder=tmp_path)
    assert CANARY not in str(refusal.value)


@pytest.mark.parametrize("how", ["file", "env", "text"])
def test_the_token_is_masked_everywhere_and_the_log_knows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    kept(tmp_path)
    monkeypatch.setenv("HEDGEBOT_TEST_TOKEN", CANARY)
    token: Any = {"file": {"file": "control-token"}, "env": {"env": "HEDGEBOT_TEST_TOKEN"}, "text": CANARY}[how]
    settings = with_control({"token": token}, tmp_path)
    dump = settings.masked_dump()
    shown = [repr(settings), str(settings), settings.model_dump_json(), json.dumps(dump), settings.identity, repr(control_of(settings))]
    assert not [text for text in shown if CANARY in text]
    assert dump["control"]["token"].startswith("(hidden; ")
    assert CANARY in settings.secret_values()
    assert settings.config_hash == settings_from(SIMULATION, folder=tmp_path).config_hash, "no decision depends on it"
