"""A custodian in the configuration: what is refused, in one sentence, and that its key is shown nowhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bot.config import ConfigError, settings_from
from tests.config.documents import changed, on_testnet

HOST = "api.custodian.example"
CANARY = "custody-key-canary"
SOURCE: dict[str, Any] = {"kind": "custodian", "name": "prime", "url": f"https://{HOST}/v1/custody", "api_key": CANARY}
SIMULATED: dict[str, Any] = {"totals": {"BTC": 30, "USDT": 1000}, "delegations": {"okx": {"USDT": 1000}}}


def document(source: dict[str, Any] | None = None, simulated: dict[str, Any] | None = None) -> dict[str, Any]:
    made = changed(f"routes/{HOST}", "http://127.0.0.1:8700")
    made["collateral"]["sources"].append(SOURCE if source is None else source)
    made["simulator"] = {"custodian": SIMULATED if simulated is None else simulated}
    return made


def test_a_custodian_beside_a_file() -> None:
    settings = settings_from(document())
    (source,) = settings.collateral.custodians()
    assert (source.host, source.poll_ms, source.max_age_ms, source.api_key.reveal()) == (HOST, 5_000, 60_000, CANARY)
    assert settings.to_policy().collateral_sources == {"desk", "prime"}
    assert settings.simulator is not None
    assert settings.simulator.custodian is not None
    assert settings.simulator.custodian.interval_ms == 14_400_000


def test_its_key_is_shown_nowhere_and_redacted_everywhere() -> None:
    settings = settings_from(document())
    shown = [repr(settings), str(settings), settings.model_dump_json(), json.dumps(settings.masked_dump()), settings.identity]
    assert not [text for text in shown if CANARY in text]
    assert CANARY in settings.secret_values()
    assert settings.masked_dump()["collateral"]["sources"][1]["api_key"].startswith("(hidden; ")


def test_the_hash_knows_what_decides_and_not_where_it_is_asked() -> None:
    plain = settings_from(document()).config_hash
    assert settings_from(document(SOURCE | {"api_key": "another-key", "poll_ms": 1_000})).config_hash == plain
    assert settings_from(document(SOURCE | {"max_age_ms": 30_000})).config_hash != plain


REFUSALS: list[tuple[dict[str, Any], str]] = [
    (
        {"url": f"http://{HOST}/v1/custody"},
        "collateral.sources.1.url: 'http://api.custodian.example/v1/custody' is not allowed: write https",
    ),
    ({"url": f"https://{HOST}"}, "is not allowed: write https://HOST/PATH of the custodian's statement, without port, key or query"),
    ({"url": f"https://{HOST}:8443/v1"}, "write https://HOST/PATH of the custodian's statement, without port, key or query"),
    ({"url": f"https://me:x@{HOST}/v1"}, "write https://HOST/PATH of the custodian's statement, without port, key or query"),
    ({"url": "https://www.okx.com/v1"}, "collateral.sources.1.url: www.okx.com is a host of a venue, not of a custodian"),
    (
        {"url": "https://other.example/v1"},
        "routes.other.example: is missing; a simulation needs a loopback URL for it because collateral.so",
    ),
    ({"name": "desk"}, "collateral.sources.1.name: 'desk' is the name of two sources"),
    ({"name": "okx"}, "collateral.sources.1.name: 'okx' is a venue, and what a custodian holds does not lie there"),
    ({"api_key": "schlüssel"}, "collateral.sources.1.api_key: holds a space, a line break or a letter that no key has"),
    ({"api_key": 12345}, "collateral.sources.1.api_key: write {env: NAME} or {file: path}"),
    ({"poll_ms": 10}, "collateral.sources.1.poll_ms: 10 is not allowed: at least 500"),
    ({"pol_ms": 1_000}, "collateral.sources.1.pol_ms: unknown key, did you mean 'poll_ms'?"),
    ({"kind": "custodion"}, "collateral.sources.1: its kind 'custodion' is unknown; known: "),
]


@pytest.mark.parametrize(("changes", "sentence"), REFUSALS)
def test_refusal_is_one_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        settings_from(document(SOURCE | changes))
    assert sentence in str(refused.value)
    assert CANARY not in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("simulated", "sentence"),
    [
        ({"totals": {}}, "simulator.custodian.totals: at least one entry is needed"),
        ({"totals": {"BTC": -1}}, "simulator.custodian.totals.BTC: -1 is not allowed: at least 0"),
        ({"delegations": {"okc": {"BTC": 1}}}, "simulator.custodian: okc is not a configured venue, did you mean 'okx'?"),
        ({"posted": {"bitmex": {"BTC": 1}}}, "simulator.custodian: bitmex is not a configured venue; known: binanceusdm, bybit, okx"),
    ],
)
def test_a_simulated_custodian_that_cannot_be(simulated: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        settings_from(document(simulated=SIMULATED | simulated))
    assert sentence in str(refused.value)


def test_a_simulated_custodian_that_nobody_asks() -> None:
    made = document()
    made["collateral"]["sources"].pop()
    with pytest.raises(
        ConfigError, match=r"simulator\.custodian: needs exactly one source of kind custodian that asks it, and there are 0"
    ):
        settings_from(made)


def test_two_sources_of_one_statement_would_count_twice() -> None:
    made = document()
    made["collateral"]["sources"].append(SOURCE | {"name": "second"})
    with pytest.raises(ConfigError, match=r"collateral.sources.2.url: https://api.custodian.example/v1/custody is asked by two sources"):
        settings_from(made)


def test_outside_of_a_simulation_a_key_is_not_written_down(tmp_path: Path) -> None:
    made = on_testnet(tmp_path)
    made["collateral"]["sources"].append(SOURCE)
    with pytest.raises(ConfigError, match="api_key: a secret may be written into the config only in a simulation"):
        settings_from(made, folder=tmp_path)
    key = tmp_path / "custody-key"
    key.write_text(CANARY)
    key.chmod(0o400)
    made["collateral"]["sources"][-1] = SOURCE | {"api_key": {"file": "custody-key"}}
    assert settings_from(made, folder=tmp_path).collateral.custodians()[0].api_key.reveal() == CANARY


WALLETS: dict[str, Any] = {"kind": "venue_balances", "name": "wallets", "venue": "okx"}


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ([WALLETS | {"venue": "okc"}], "collateral.sources.1.venue: okc is not a configured venue, did you mean 'okx'?"),
        (
            [WALLETS | {"venue": "binanceusdm"}],
            "routes.api.binance.com: is missing; a simulation needs a loopback URL for it because collateral.sources.1 reads wallets there",
        ),
        (
            [WALLETS, WALLETS | {"name": "again"}],
            "collateral.sources.2.venue: the wallets of okx are read by two sources and would count twice",
        ),
        ([WALLETS | {"poll_ms": 1}], "collateral.sources.1.poll_ms: 1 is not allowed: at least 1000"),
    ],
)
def test_wallets_of_a_venue(more: list[dict[str, Any]], sentence: str) -> None:
    made = changed("collateral/sources/0/name", "desk")
    made["collateral"]["sources"] += [WALLETS]
    assert settings_from(made).to_policy().collateral_sources == {"desk", "wallets"}
    made["collateral"]["sources"][1:] = more
    with pytest.raises(ConfigError) as refused:
        settings_from(made)
    assert sentence in str(refused.value)


def test_wallets_are_read_only_where_an_environment_has_them(tmp_path: Path) -> None:
    made = on_testnet(tmp_path)
    made["collateral"]["sources"] = [WALLETS | {"name": venue, "venue": venue} for venue in ("binanceusdm", "bybit", "okx")]
    told = settings_from(made, folder=tmp_path)
    assert told.collateral.venues_with_wallets() == {"binanceusdm", "bybit", "okx"}
    assert {"BTC@binanceusdm.spot", "BTC@bybit.funding", "wstETH@okx.funding"} <= set(told.collateral.claim_terms().authorities)
    made["environment"] = "demo"
    with pytest.raises(ConfigError, match=r"sources\.1\.venue: bybit tells of no wallets beside the account in its demo environment"):
        settings_from(made, folder=tmp_path)


def test_what_lies_in_simulated_wallets_is_named_by_venue_and_wallet() -> None:
    made = changed("simulator/wallets", {"okx": {"funding": {"BTC": 2}}})
    told = settings_from(made).simulator
    assert told is not None
    assert told.wallets == {"okx": {"funding": {"BTC": 2}}}
    for venue, wallet in (("okx", "spot"), ("deribit", "funding")):
        made["simulator"]["wallets"] = {venue: {wallet: {"BTC": 2}}}
        with pytest.raises(ConfigError, match=rf"simulator\.wallets\.{venue}\.{wallet}: there is no such wallet"):
            settings_from(made)
