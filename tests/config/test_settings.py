"""What a right configuration becomes."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import fields, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from bot.config import Address, Environment, Settings, load, policy_in_words, settings_from
from bot.config.errors import ConfigError
from bot.config.policy_section import DERIVED, FRACTIONS, TUNABLE, bounds
from bot.config.reference import page
from bot.config.sections import VENUE_HOSTS
from bot.core.ceilings import CEILINGS
from bot.core.policy import Policy
from tests.config.documents import SECRETS, SIMULATION, changed, on_testnet

ROOT = Path(__file__).resolve().parents[2]


def test_settings_become_the_policy() -> None:
    document = SIMULATION | {"policy": {"venue_share_max": Decimal("0.5"), "order_expiry_ms": 2_000}}
    policy = Settings.model_validate(document).to_policy()
    assert policy.venue_share_max == Decimal("0.5")
    assert policy.order_expiry_ms == 2_000
    assert policy.collateral_assets == {"BTC": "BTC", "wstETH": "ETH"}
    assert policy.collateral_sources == {"desk"}
    assert policy.instruments == {"binanceusdm:BTCUSDT", "binanceusdm:ETHUSDT", "bybit:BTCUSDT", "okx:BTC-USDT-SWAP"}


def in_jurisdictions(allowed: dict[str, Any], **held: str) -> Settings:
    document = copy.deepcopy(SIMULATION) | {"allowed": allowed}
    for venue, jurisdiction in held.items():
        document["venues"][venue]["jurisdiction"] = jurisdiction
    return settings_from(document)


def test_venues_and_jurisdictions_that_a_mandate_allows_are_taken_and_others_refused() -> None:
    allowed = {"venues": ["okx", "bybit", "binanceusdm", "deribit"], "jurisdictions": ["AE", "US-NY"]}
    told = in_jurisdictions(allowed, okx="AE", bybit="AE-DU", binanceusdm="US-NY")
    assert told.venues["bybit"].jurisdiction == "AE-DU"
    with pytest.raises(ConfigError, match=r"venues\.binanceusdm\.jurisdiction: US-CA is not one of allowed\.jurisdictions \(AE, US-NY\)"):
        in_jurisdictions(allowed, okx="AE", bybit="AE-DU", binanceusdm="US-CA")
    with pytest.raises(ConfigError, match=r"venues\.binanceusdm\.jurisdiction: US is not one of"):
        in_jurisdictions(allowed, okx="AE", bybit="AE-DU", binanceusdm="US")


def test_what_a_source_may_tell_of_becomes_the_policy_and_counts_in_the_hash() -> None:
    assert settings_from(SIMULATION).to_policy().source_assets == {}, "it may tell of anything"
    told = settings_from(changed("collateral/sources/0/tells_of", ["wstETH"]))
    assert told.to_policy().source_assets == {"desk": {"wstETH"}}
    assert told.config_hash != settings_from(SIMULATION).config_hash


def test_issuers_become_the_policy_and_its_words() -> None:
    issuers = {"Tether": {"coins": ["USDT", "XAUT"], "exposure_max": 5_000_000}, "Circle": {"coins": ["USDC"]}}
    settings = settings_from(changed("collateral/issuers", issuers))
    policy = settings.to_policy()
    assert policy.issuers == {"USDT": "Tether", "XAUT": "Tether", "USDC": "Circle"}
    assert policy.issuer_exposure_max == {"Tether": Decimal(5_000_000)}
    words = "or in those of one issuer (Circle: USDC; Tether: USDT, XAUT, at most 5,000,000 USD)."
    assert any(words in sentence for sentence in policy_in_words(policy))
    assert settings.config_hash != settings_from(SIMULATION).config_hash


def test_what_is_left_out_has_the_core_defaults() -> None:
    policy, default = settings_from(SIMULATION).to_policy(), Policy()
    for field in TUNABLE:
        value = getattr(policy, field.name)
        assert value == getattr(default, field.name)
        assert type(value) is type(getattr(default, field.name))


def test_every_policy_field_is_tunable_or_comes_from_another_section() -> None:
    assert {field.name for field in fields(Policy)} == set(CEILINGS) | DERIVED
    assert set(CEILINGS) >= FRACTIONS
    for field in TUNABLE:
        lowest, highest = bounds(field.name)
        assert lowest <= Decimal(str(field.default)) <= highest


def test_every_sentence_of_the_policy_moves_with_its_numbers() -> None:
    words = policy_in_words(settings_from(SIMULATION).to_policy())
    for field in TUNABLE:
        lowest, highest = bounds(field.name)
        other: Any = (lowest + highest) / 2 if isinstance(field.default, Decimal) else int((lowest + highest) / 2)
        assert policy_in_words(replace(Policy(), **{field.name: other})) != policy_in_words(Policy()), field.name
    assert "Hedge BTC, wstETH as ETH with 4 perpetuals" in words[0]
    assert any(sentence.startswith("Give no venue more than 35 % of the required hedge") for sentence in words)


def test_file_is_read_with_paths_beside_it_and_numbers_as_written(tmp_path: Path) -> None:
    document = changed("policy/rebalance_band", 0.0007)
    document["simulator"] = {"history": "."}
    path = tmp_path / "bot.yaml"
    path.write_text(yaml.safe_dump(document))
    settings = load(path)
    assert settings.environment is Environment.SIMULATION
    assert settings.state_dir == tmp_path / "state"
    assert settings.journal_path == tmp_path / "state" / "journal.sqlite"
    assert settings.control_path.parent == settings.state_dir
    assert settings.collateral.sources[0].path == tmp_path / "holdings.yaml"
    assert settings.to_policy().rebalance_band == Decimal("0.0007")
    assert settings.listen == Address("127.0.0.1", 9108)


def test_empty_sections_stand_for_their_defaults() -> None:
    document = changed("policy", None) | {"logging": None}
    document["collateral"] = {"assets": {"BTC": None}}
    settings = settings_from(document)
    assert settings.to_policy().venue_share_max == Policy().venue_share_max
    assert settings.collateral.hedged_as() == {"BTC": "BTC"}


def test_secrets_come_from_the_environment_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = on_testnet(tmp_path)
    document["venues"]["bybit"]["credentials"]["secret"] = {"env": "HEDGEBOT_TEST_SECRET"}
    monkeypatch.setenv("HEDGEBOT_TEST_SECRET", "from-the-environment")
    settings = settings_from(document, folder=tmp_path)
    assert settings.venues["bybit"].credentials.secret.reveal() == "from-the-environment"
    assert settings.venues["okx"].credentials.api_key.reveal() == "okx-api_key-in-a-file"
    assert "from-the-environment" in settings.secret_values()
    assert len(settings.secret_values()) == 7


def test_no_secret_is_ever_shown() -> None:
    settings = settings_from(SIMULATION)
    shown = [repr(settings), str(settings), settings.model_dump_json(), json.dumps(settings.masked_dump()), settings.identity]
    for secret in SECRETS:
        assert not [text for text in shown if secret in text]
    dumped = settings.masked_dump()
    assert dumped["venues"]["okx"]["credentials"]["passphrase"] == "(hidden; written in the config)"
    assert dumped["policy"]["venue_share_max"] == "0.35"


def test_hash_follows_decisions_and_nothing_else() -> None:
    first = settings_from(SIMULATION).config_hash
    same = [
        changed("listen", "127.0.0.1:0"),
        changed("state_dir", "elsewhere"),
        changed("venues/okx/credentials/secret", "another-secret"),
        changed("routes/ws.okx.com", "http://127.0.0.1:9"),
        changed("policy/venue_share_max", Decimal("0.350")),
        changed("venues/binanceusdm/instruments", ["ETHUSDT", "BTCUSDT"]),
    ]
    assert {settings_from(document).config_hash for document in same} == {first}
    different = [
        changed("policy/venue_share_max", Decimal("0.36")),
        changed("venues/okx/leverage", 6),
        changed("venues/okx/instruments", ["ETH-USDT-SWAP"]),
        changed("collateral/assets/ETH", {}),
        changed("name", "other"),
    ]
    hashes = {settings_from(document).config_hash for document in different}
    assert len(hashes) == len(different)
    assert first not in hashes


def test_a_journal_belongs_to_environment_book_and_venues(tmp_path: Path) -> None:
    identity = settings_from(SIMULATION).identity
    assert identity == "simulation book hedgebot on binanceusdm, bybit, okx"
    for document in (changed("policy/venue_share_max", Decimal("0.4")), changed("routes/ws.okx.com", "http://127.0.0.1:9")):
        assert settings_from(document).identity == identity
    assert settings_from(changed("name", "other")).identity != identity
    assert settings_from(on_testnet(tmp_path), folder=tmp_path).identity != identity
    assert settings_from(changed("venues/okx", ...) | {"policy": {"venue_share_max": Decimal("0.5")}}).identity != identity


def test_warnings_name_what_is_allowed_but_thin() -> None:
    said = " ".join(settings_from(SIMULATION).warnings())
    assert "With one of 3 venues gone the rest may carry 0.7 of the hedge" in said
    calm = changed("policy/venue_share_max", Decimal("0.5"))
    assert settings_from(calm).warnings() == []
    assert "bybit is set to 2x" in " ".join(settings_from(changed("venues/bybit/leverage", 2)).warnings())
    assert "SOL may have nothing to be hedged with" in " ".join(settings_from(changed("collateral/assets/SOL", {})).warnings())
    assert "nothing will ever be hedged" in " ".join(settings_from(changed("collateral/sources", [])).warnings())


def test_settings_are_frozen() -> None:
    settings = settings_from(SIMULATION)
    with pytest.raises(ValidationError):
        settings.state_dir = Path("elsewhere")


def test_simulator_accounts_start_with_something() -> None:
    simulator = settings_from(SIMULATION | {"simulator": {"balances": {"okx": {"USDT": "5.5"}}}}).simulator
    assert simulator is not None
    assert simulator.balances_of("okx") == {"USDT": Decimal("5.5")}
    assert simulator.balances_of("bybit") == {"USDT": Decimal(1_000_000)}
    assert simulator.balances_of("binancecoinm") == {"BTC": Decimal(20), "ETH": Decimal(400)}, "a coin-margined account holds coins"


EXAMPLES = [f"{environment.value}.yaml" for environment in Environment if environment is not Environment.MAINNET]
"""One for each environment that may be run in."""


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_load(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in re.findall(r"env: (\w+)", (ROOT / "config" / name).read_text(encoding="utf-8")):
        monkeypatch.setenv(variable, "only-a-test")
    monkeypatch.setenv("HEDGEBOT_HYPERLIQUID_ADDRESS", ADDRESS)
    monkeypatch.setenv("HEDGEBOT_HYPERLIQUID_PRIVATE_KEY", PRIVATE_KEY)
    settings = load(ROOT / "config" / name)
    assert settings.environment == name.removesuffix(".yaml")
    assert settings.warnings() == []
    assert len(settings.venues) >= 3
    assert set(settings.venues) <= set(VENUE_HOSTS), "not every venue has demo accounts"
    for source in settings.collateral.sources:
        assert source.path.is_file()


def test_the_page_is_up_to_date() -> None:
    written = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert written == page(), "run: python -m bot.config.reference docs/configuration.md"


ADDRESS, PRIVATE_KEY = "0x" + "aB" * 20, "0x" + "0c" * 32


def with_a_wallet(**credentials: str) -> dict[str, Any]:
    """The right configuration with Hyperliquid beside the others."""
    document = copy.deepcopy(SIMULATION)
    document["routes"]["api.hyperliquid.xyz"] = "http://127.0.0.1:8700"
    keys = {"api_key": ADDRESS, "secret": PRIVATE_KEY} | credentials
    document["venues"]["hyperliquid"] = {"instruments": ["BTC", "ETH"], "credentials": keys}
    return document | {"simulator": {}}


def test_a_venue_whose_key_is_an_address() -> None:
    settings = settings_from(with_a_wallet())
    assert settings.venues["hyperliquid"].credentials.api_key.reveal() == ADDRESS
    assert settings_from(with_a_wallet(secret=PRIVATE_KEY.removeprefix("0x"))).venues["hyperliquid"].instruments == ("BTC", "ETH")
    assert settings.simulator is not None
    assert settings.simulator.balances_of("hyperliquid") == {"USDC": Decimal(1_000_000)}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"api_key": "key-one"}, "venues.hyperliquid.credentials.api_key: is not the account's address"),
        ({"api_key": PRIVATE_KEY}, "venues.hyperliquid.credentials.api_key: is not the account's address"),
        ({"secret": ADDRESS}, "venues.hyperliquid.credentials.secret: is not a private key"),
        ({"passphrase": "open"}, "venues.hyperliquid.credentials.passphrase: hyperliquid keys have none, remove it"),
    ],
)
def test_a_wallet_that_is_none_is_told_without_being_shown(wrong: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)) as raised:
        settings_from(with_a_wallet(**wrong))
    assert PRIVATE_KEY not in str(raised.value)
