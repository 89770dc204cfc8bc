"""Secrets: from a variable, from a file that nobody else can read, from a file that a variable names; and told by nothing."""

from __future__ import annotations

import copy
import json
import pickle

import pytest
import yaml

from bot.config import ConfigError, policy_in_words, settings_from
from tests.config.documents import on_testnet

CANARY = "canary-4f1c-sings"
READABLE_BY_OTHERS = [0o404, 0o440, 0o444, 0o600 | 0o040, 0o644, 0o660, 0o777, 0o410]


def loaded(folder, secret):
    document = on_testnet(folder)
    document["venues"]["bybit"]["credentials"]["secret"] = secret
    return settings_from(document, folder=folder)


def kept(folder, mode=0o400, text=f"{CANARY}\n"):
    path = folder / "kept"
    path.write_text(text)
    path.chmod(mode)
    return path


def secret_of(settings):
    return settings.venues["bybit"].credentials.secret


@pytest.mark.parametrize("mode", [0o400, 0o600])
def test_a_file_that_its_owner_alone_can_read(tmp_path, mode):
    kept(tmp_path, mode)
    assert secret_of(loaded(tmp_path, {"file": "kept"})).reveal() == CANARY


@pytest.mark.parametrize("mode", READABLE_BY_OTHERS, ids=oct)
def test_a_file_that_others_can_reach_is_refused_in_one_sentence(tmp_path, mode):
    path = kept(tmp_path, mode)
    with pytest.raises(ConfigError) as refusal:
        loaded(tmp_path, {"file": "kept"})
    said = str(refusal.value)
    assert said == f"venues.bybit.credentials.secret: the file {path} can be read by others than its owner; run chmod 400 on it"


def test_a_variable_may_name_a_file(tmp_path, monkeypatch):
    path = kept(tmp_path)
    monkeypatch.delenv("HEDGEBOT_TEST_KEY", raising=False)
    monkeypatch.setenv("HEDGEBOT_TEST_KEY_FILE", str(path))
    settings = loaded(tmp_path, {"env": "HEDGEBOT_TEST_KEY"})
    assert secret_of(settings).reveal() == CANARY
    assert secret_of(settings).source == f"file {path}, named by HEDGEBOT_TEST_KEY_FILE"
    path.chmod(0o444)
    with pytest.raises(ConfigError, match="can be read by others than its owner; run chmod 400 on it"):
        loaded(tmp_path, {"env": "HEDGEBOT_TEST_KEY"})


def test_a_variable_that_is_set_in_both_ways_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("HEDGEBOT_TEST_KEY", CANARY)
    monkeypatch.setenv("HEDGEBOT_TEST_KEY_FILE", str(kept(tmp_path)))
    with pytest.raises(ConfigError, match="HEDGEBOT_TEST_KEY and HEDGEBOT_TEST_KEY_FILE are both set; set one of them") as refusal:
        loaded(tmp_path, {"env": "HEDGEBOT_TEST_KEY"})
    assert CANARY not in str(refusal.value)


@pytest.mark.parametrize("how", ["env", "file", "named"])
def test_a_secret_is_masked_wherever_a_configuration_can_be_written(tmp_path, monkeypatch, how):
    path = kept(tmp_path)
    if how == "env":
        monkeypatch.setenv("HEDGEBOT_TEST_KEY", CANARY)
    if how == "named":
        monkeypatch.setenv("HEDGEBOT_TEST_KEY_FILE", str(path))
    settings = loaded(tmp_path, {"file": str(path)} if how == "file" else {"env": "HEDGEBOT_TEST_KEY"})
    secret = secret_of(settings)
    written = [
        repr(settings),
        str(settings),
        f"{secret!r} {secret}",
        repr(vars(settings)),
        repr(secret.__private_attributes__),
        json.dumps(settings.model_dump(mode="json"), default=str),
        settings.model_dump_json(),
        yaml.safe_dump(settings.masked_dump()),
        settings.config_hash,
        settings.identity,
        repr(copy.deepcopy(settings)),
        *policy_in_words(settings.to_policy()),
        *settings.warnings(),
    ]
    assert not [text for text in written if CANARY in text]
    assert CANARY in settings.secret_values(), "the log knows what to take out"


def test_the_test_would_notice(tmp_path):
    """The value is really in there: whoever pickles the settings has it."""
    settings = loaded(tmp_path, {"file": str(kept(tmp_path))})
    assert CANARY.encode() in pickle.dumps(settings)
    assert (tmp_path / "kept").stat().st_mode & 0o777 == 0o400
