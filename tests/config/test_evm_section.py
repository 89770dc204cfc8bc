"""A source on an EVM chain, as configuration writes it; what is wrong with it in one sentence, and never a key in any."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from bot.adapters.collateral.evm.terms import ChainTerms, MintContract, MintLayout, RateFunction, Token
from bot.config import ConfigError, load, settings_from
from bot.core.units import Asset
from bot.drivers.sources import chain_terms
from tests.config.documents import SIMULATION, on_testnet

WSTETH = "0x7f39C581F595B53c5cb19bD0b3f8dA6c935E2Ca0"
MINTS = "0xe3490297a08d6fC8Da46Edb7B6142E4F461b62D3"
COPPER, CEFFU = "0x2CC440b721d2CaFd6D64908D6d8C4aCC57F8Afc3", "0x4c9EDD5852cd905f086C759E8383e09bff1E68B3"
KEY = "canary-0123456789"

SOURCE: dict[str, Any] = {
    "kind": "evm",
    "name": "ethereum",
    "chain_id": 1,
    "endpoints": [f"https://eth.example/v2/{KEY}", f"wss://user:{KEY}@other.example:8546/ws?token={KEY}"],
    "tokens": {"wstETH": {"contract": WSTETH, "decimals": 18, "rate": "stEthPerToken"}, "BTC": {"contract": CEFFU}},
    "wallets": {"copper": COPPER, "ceffu": CEFFU},
    "mints": {MINTS: {"location": "copper"}},
}


def document(path: str = "", value: Any = None) -> dict[str, Any]:
    """The right configuration with one value of the source replaced; `...` takes the key away."""
    whole = copy.deepcopy(SIMULATION)
    source = copy.deepcopy(SOURCE)
    whole["collateral"]["sources"].append(source)
    *folders, last = path.split("/")
    place: Any = source
    for folder in folders:
        place = place[int(folder)] if isinstance(place, list) else place[folder]
    if value is ...:
        del place[last]
    elif path:
        place[int(last) if isinstance(place, list) else last] = value
    return whole


def test_what_the_watcher_is_told() -> None:
    assert chain_terms(settings_from(document()).collateral.sources[1]) == ChainTerms(  # type: ignore[arg-type]  # the second is of this kind
        chain_id=1,
        tokens=(
            Token(asset=Asset("wstETH"), contract=WSTETH, decimals=18, rate=RateFunction.ST_ETH_PER_TOKEN),
            Token(asset=Asset("BTC"), contract=CEFFU),
        ),
        wallets={"copper": COPPER, "ceffu": CEFFU},
        mints={MINTS: MintContract(MintLayout.ETHENA_V2, "copper")},
        confirmations=12,
        lag_blocks_max=3,
        head_age_max=120_000,
        backfill_blocks=7_200,
        range_blocks_max=1_000,
        poll_s=4.0,
    )


def test_a_chain_may_tell_of_its_tokens_and_of_nothing_else() -> None:
    assert settings_from(document()).to_policy().source_assets == {"ethereum": {"wstETH", "BTC"}}


def test_where_a_chain_is_looked_at_becomes_the_policy() -> None:
    """An address that a location came to mean, or a token's other contract, is another place: of that nothing is remembered."""
    found = settings_from(document()).to_policy().source_addresses["ethereum"]
    assert len(found) == 4
    assert {where.rpartition(":")[2] for where in found} == {COPPER, CEFFU}
    other = settings_from(document("wallets/copper", MINTS)).to_policy().source_addresses["ethereum"]
    assert not other <= found
    assert len(other & found) == 2


@pytest.mark.parametrize("function", ["stEthPerToken", "exchangeRate", "getExchangeRate", "convertToAssets"])
def test_every_rate_function_that_may_be_written_is_known(function: str) -> None:
    source: Any = settings_from(document("tokens/wstETH/rate", function)).collateral.sources[1]
    assert chain_terms(source).tokens[0].rate == RateFunction(function)


@pytest.mark.parametrize("layout", MintLayout)
def test_every_layout_that_is_known_may_be_written(layout: MintLayout) -> None:
    source: Any = settings_from(document(f"mints/{MINTS}/layout", layout.value)).collateral.sources[1]
    assert chain_terms(source).mints[MINTS].layout is layout


NO_CHECKSUM = "its checksum (EIP-55) is wrong or missing; if no digit is mistyped it is written"
HERE = "collateral.sources.1"
REFUSALS: list[tuple[str, Any, str]] = [
    ("kind", "evmm", f"{HERE}: its kind 'evmm' is unknown; known: 'file', 'custodian', 'redis', 'evm', 'venue_balances'"),
    ("kind", ..., f"{HERE}: its kind is missing"),
    ("chain", 1, f"{HERE}.chain: unknown key, did you mean 'chain_id'?"),
    ("tokens/wstETH/contrct", WSTETH, f"{HERE}.tokens.wstETH.contrct: unknown key, did you mean 'contract'?"),
    ("chain_id", ..., f"{HERE}.chain_id: is missing, and there is no default"),
    ("chain_id", 0, f"{HERE}.chain_id: 0 is not allowed: at least 1"),
    ("confirmations", 0, f"{HERE}.confirmations: 0 is not allowed: at least 1"),
    ("confirmations", 97, f"{HERE}.confirmations: 97 is not allowed: at most 96"),
    ("endpoints", [f"https://eth.example/{KEY}"], f"{HERE}.endpoints: two endpoints are needed, which are compared, and 1 are named"),
    (
        "endpoints",
        [f"https://{n}.example/{KEY}" for n in range(3)],
        f"{HERE}.endpoints: two endpoints are needed, which are compared, and 3 are named",
    ),
    ("endpoints/0", f"eth.example/{KEY}", f"{HERE}: endpoints: the first is no URL that begins with https, wss, http, ws://"),
    ("endpoints/1", f"ftp://{KEY}", f"{HERE}: endpoints: the second is no URL that begins with https, wss, http, ws://"),
    ("endpoints/1", f"https://h:{KEY}", f"{HERE}: endpoints: the second is no URL that begins with https, wss, http, ws://"),
    ("endpoints/1", SOURCE["endpoints"][0], f"{HERE}: both endpoints are the same URL, and one that is wrong would then agree with itself"),
    ("endpoints/0", {"env": "NO_SUCH_VARIABLE"}, f"{HERE}.endpoints.0: the environment variable NO_SUCH_VARIABLE is not set"),
    ("wallets/copper", "0x12", f"{HERE}.wallets.copper: '0x12' is not allowed: an address is 0x and 40 hexadecimal digits"),
    (
        "tokens/wstETH/contract",
        WSTETH.lower(),
        f"{HERE}.tokens.wstETH.contract: {WSTETH.lower()!r} is not allowed: {NO_CHECKSUM} {WSTETH}",
    ),
    ("wallets/ceffu", COPPER, f"{HERE}: wallets: {COPPER} stands at two locations and would count twice"),
    ("tokens/BTC/contract", WSTETH, f"{HERE}: tokens: {WSTETH} stands for two assets and would count twice"),
    ("tokens/DOGE", {}, f"{HERE}.tokens.DOGE: is not one of collateral.assets; known: BTC, wstETH"),
    (
        "tokens/wstETH/rate",
        ...,
        f"{HERE}.tokens.wstETH.rate: is missing; wstETH is hedged as ETH, and nothing tells how much of it one redeems for",
    ),
    (
        "tokens/BTC/rate_contract",
        WSTETH,
        f"{HERE}.tokens.BTC: rate_contract is of no use without the function that is to be asked: name it as rate",
    ),
    ("tokens/wstETH/contract", None, f"{HERE}.tokens.wstETH: the chain's own coin has no contract with a rate: name one as rate_contract"),
    (f"mints/{MINTS}/location", "coper", f"{HERE}: mints.{MINTS}.location: 'coper' is none of wallets (ceffu, copper)"),
    ("name", "desk", f"{HERE}.name: 'desk' is the name of two sources"),
]


@pytest.mark.parametrize(("path", "value", "sentence"), REFUSALS)
def test_what_is_wrong_is_said_in_one_sentence(path: str, value: Any, sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        settings_from(document(path, value))
    assert str(refused.value) == sentence
    assert KEY not in str(refused.value)


def test_an_address_without_quotes_is_a_number_to_yaml(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"wallets:\n  copper: {COPPER}\n")
    with pytest.raises(ConfigError, match="put it in quotes"):
        load(path)


def test_two_sources_may_not_count_the_same_balance() -> None:
    whole = document()
    whole["collateral"]["sources"].append(SOURCE | {"name": "again"})
    with pytest.raises(ConfigError, match=r"sources\.2: 1:0x\w+:0x\w+ is read by two sources and would count twice"):
        settings_from(whole)
    elsewhere = {"name": "again", "wallets": {"vault": COPPER}, "mints": {}}
    whole["collateral"]["sources"][2] |= elsewhere
    with pytest.raises(ConfigError, match="is read by two sources"):
        settings_from(whole)
    whole["collateral"]["sources"][2]["chain_id"] = 10
    settings_from(whole)


def test_no_key_is_ever_shown() -> None:
    settings = settings_from(document())
    shown = json.dumps(settings.masked_dump()) + repr(settings) + settings.config_hash + " ".join(settings.warnings())
    assert KEY not in shown
    assert "https://eth.example/*** (written in the config)" in shown
    assert "wss://other.example:8546/***" in shown
    hidden = settings.secret_values()
    assert {SOURCE["endpoints"][0], f"v2/{KEY}", f"token={KEY}", KEY} <= set(hidden)


def test_a_key_outside_a_simulation_is_a_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = on_testnet(tmp_path)
    whole["collateral"]["sources"].append(copy.deepcopy(SOURCE))
    with pytest.raises(ConfigError, match="a URL with a key may be written into the config only in a simulation"):
        settings_from(whole, folder=tmp_path)
    monkeypatch.setenv("FIRST_RPC", SOURCE["endpoints"][0])
    whole["collateral"]["sources"][1]["endpoints"] = [{"env": "FIRST_RPC"}, "http://127.0.0.1:8545"]
    assert f"v2/{KEY}" in settings_from(whole, folder=tmp_path).secret_values()


def test_an_endpoint_without_tls_is_worth_a_warning_unless_it_is_on_this_machine() -> None:
    assert not any("TLS" in warning for warning in settings_from(document("endpoints/0", "http://127.0.0.1:8545")).warnings())
    warnings = settings_from(document("endpoints/0", "http://node.example:8545")).warnings()
    assert "ethereum asks node.example without TLS: whoever is on the way there may say what he likes." in warnings


def test_where_the_endpoints_are_decides_nothing_and_what_is_watched_does() -> None:
    usual = settings_from(document()).config_hash
    assert settings_from(document("endpoints/0", "http://127.0.0.1:8545")).config_hash == usual
    assert settings_from(document("poll_ms", 1_000)).config_hash == usual
    for path, value in (("confirmations", 13), ("chain_id", 10), ("wallets/vault", MINTS), ("tokens/BTC/decimals", 8), ("mints", {})):
        assert settings_from(document(path, value)).config_hash != usual
