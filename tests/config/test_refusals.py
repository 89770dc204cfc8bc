"""Whatever is wrong with a configuration is said in one sentence that names the place, the value and what is allowed."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.config import ConfigError, load, settings_from
from tests.config.documents import SECRETS, changed, on_testnet

REFUSALS: list[tuple[str, Any, str]] = [
    ("environment", ..., "environment: is missing, and there is no default"),
    ("environment", "sim", "environment: 'sim' is not allowed: expected simulation, testnet, demo or mainnet"),
    ("envirnment", "testnet", "envirnment: unknown key, did you mean 'environment'?"),
    ("venues/okx/leverag", 3, "venues.okx.leverag: unknown key, did you mean 'leverage'?"),
    ("venues/okx/leverage", 300, "venues.okx.leverage: 300 is not allowed: at most 20"),
    ("venues/okx/request_share", 0, "venues.okx.request_share: 0 is not allowed: at least 0.1"),
    ("venues/okx/leverage", True, "venues.okx.leverage: True is not allowed: a number is needed, not yes or no"),
    ("venues/okx/instruments", [], "venues.okx.instruments: at least one entry is needed"),
    ("venues/okx/instruments", ["BTC-USDT-SWAP"] * 2, "venues.okx.instruments: 'BTC-USDT-SWAP' is listed twice"),
    ("venues/okx/instruments", ["BTC/USDT:USDT"], "venues.okx.instruments.0: 'BTC/USDT:USDT' is not allowed: write the venue's"),
    ("venues/okx/credentials", ..., "venues.okx.credentials: is missing"),
    ("venues/okx/credentials/passphrase", ..., "venues.okx.credentials.passphrase: is missing; okx keys have one"),
    ("venues/bybit/credentials/passphrase", "x", "venues.bybit.credentials.passphrase: bybit keys have none, remove it"),
    ("venues/bybit/credentials/secret", "", "venues.bybit.credentials.secret: the secret is empty"),
    ("venues/bybit/credentials/secret", {"env": "HEDGEBOT_TEST_NOT_SET"},
     "venues.bybit.credentials.secret: the environment variable HEDGEBOT_TEST_NOT_SET is not set"),
    ("venues/bybit/credentials/secret", {"file": "gone"}, "gone cannot be read: No such file or directory"),
    ("venues/bybit/credentials/secret", {"env": "A", "file": "b"}, "name exactly one place: {env: NAME} or {file: path}"),
    ("venues/bybit/credentials/secret", 12, "venues.bybit.credentials.secret: write {env: NAME} or {file: path}"),
    ("venues/binance", {"instruments": ["BTCUSDT"], "credentials": {"api_key": "a", "secret": "b"}},
     "venues.binance: unknown venue, did you mean 'binanceusdm'?"),
    ("venues/kraken", {"instruments": ["PF_XBTUSD"], "credentials": {"api_key": "a", "secret": "b"}},
     "venues.kraken: unknown venue; known: binancecoinm, binanceusdm, bybit, deribit, hyperliquid, okx"),
    ("allowed", {"venues": ["okx", "bybit"]}, "venues.binanceusdm: is not one of allowed.venues (okx, bybit)"),
    ("allowed", {"venues": ["okkx"]}, "allowed.venues: okkx is not a known venue, did you mean 'okx'?"),
    ("allowed", {"venues": []}, "allowed.venues: at least one entry is needed"),
    ("allowed", {"venues": ["okx", "okx"]}, "allowed.venues: 'okx' is listed twice"),
    ("allowed", {"jurisdictions": ["AE", "SG"]},
     "venues.binanceusdm.jurisdiction: is missing; allowed.jurisdictions (AE, SG) needs to know where the account is held"),
    ("allowed", {"jurisdictions": ["uae"]}, "allowed.jurisdictions.0: 'uae' is not allowed: it must look like"),
    ("venues/okx/jurisdiction", "Dubai", "venues.okx.jurisdiction: 'Dubai' is not allowed: it must look like"),
    ("collateral/issuers", {"Tether": {"coins": ["BTC"]}},
     "collateral.issuers.Tether.coins: BTC is hedged (collateral.assets.BTC), and only a"),
    ("collateral/issuers", {"Tether": {"coins": ["USDT"]}, "Other": {"coins": ["USDT"]}},
     "collateral.issuers.Other.coins: USDT is Tether's already, and a coin has one issuer"),
    ("collateral/issuers", {"Tether": {"coins": ["USDT"], "exposure_max": 0}},
     "collateral.issuers.Tether.exposure_max: 0 is not allowed: more than 0"),
    ("collateral/issuers", {"Tether": {}}, "collateral.issuers.Tether.coins: is missing"),
    ("venues", {}, "venues: at least one entry is needed"),
    ("venues", ["okx"], "venues: keys with values are needed below it"),
    ("routes/ws.okx.com", ..., "routes.ws.okx.com: is missing; a simulation needs a loopback URL for it because okx uses it"),
    ("routes/ws.okx.com", "http://10.0.0.1:80", "a route may only lead to this machine"),
    ("routes/ws.okx.com", "https://127.0.0.1:80", "write http://127.0.0.1:PORT, without a path"),
    ("routes/ws.okx.com", "http://127.0.0.1:80/ws", "write http://127.0.0.1:PORT, without a path"),
    ("routes/https://ws.okx.com", "http://127.0.0.1:80", "routes"),
    ("routes/ws.okx.com", "http://127.0.0.1:0", "write http://127.0.0.1:PORT, without a path"),
    ("routes/ws.okx.com", "http://somebody:x@127.0.0.1:80", "write http://127.0.0.1:PORT, without a path"),
    ("state_dir", "", "state_dir: '' is not allowed: write a path"),
    ("state_dir", "a\0b", "state_dir: 'a\\x00b' is not allowed: write a path"),
    ("collateral/sources/0/kind", ..., "collateral.sources.0: its kind is missing"),
    ("collateral/sources/0/believed_of", ["DOGE@vault"], "collateral.sources.0.believed_of: DOGE is not one of collateral.assets"),
    ("collateral/sources/0/tells_of", ["DOGE"], "collateral.sources.0.tells_of: DOGE is not one of collateral.assets"),
    ("collateral/sources", [{"kind": "file", "name": "a", "path": "a.yaml", "believed_of": ["BTC@vault"], "tells_of": ["wstETH"]}],
     "collateral.sources.0.tells_of: leaves out BTC, and the source is believed of BTC@vault"),
    ("collateral/sources/0/believed_of", ["BTC"], "collateral.sources.0.believed_of.0: 'BTC' is not allowed: it must look like"),
    ("collateral/sources/0/believed_of", ["BTC@a", "BTC@a"], "collateral.sources.0.believed_of: 'BTC@a' is listed twice"),
    ("collateral/sources", [{"kind": "file", "name": "a", "path": "a.yaml", "believed_of": ["BTC@vault"]},
                            {"kind": "redis", "name": "b", "url": "redis://h", "believed_of": ["BTC@vault"]}],
     "collateral.sources.1.believed_of: of BTC@vault a is believed already, and only one source may be"),
    ("collateral/sources", [{"kind": "redis", "name": "a", "url": "redis://h"}, {"kind": "redis", "name": "b", "url": "redis://h"}],
     "collateral.sources.1.stream: hedgebot:collateral at redis://h:6379/0 is read by two sources and would count twice"),
    ("collateral/sources", [{"kind": "redis", "name": "a", "url": "http://x:hush-hush-url@h"}],
     "collateral.sources.0: write a path, or a URL"),
    ("collateral/sources", [{"kind": "redis", "name": "a", "url": "redis://h", "signed_with": "short"}],
     "collateral.sources.0: signed_with: a key has at least 16 bytes"),
    ("collateral/sources", [{"kind": "redis", "name": "a", "url": "redis://h", "ca_file": "x"}],
     "ca_file belongs to a URL that begins with"),
    ("collateral/assets/BTC/stable", "yes and no", "collateral.assets.BTC.stable: 'yes and no' is not allowed"),
    ("collateral/assets/wstETH/stable", True, "collateral.assets.wstETH.hedged_as: a stablecoin is not hedged, remove it or stable"),
    ("collateral/assets/BTC/claim_max", -1, "collateral.assets.BTC.claim_max: -1 is not allowed: at least 0"),
    ("collateral/claims/hedge_share", 2, "collateral.claims.hedge_share: 2 is not allowed: at most 1"),
    ("collateral/claims/redemption_ends", "never",
     "collateral.claims.redemption_ends: 'never' is not allowed: expected 'priced' or 'settled'"),
    ("collateral/claims/depositors", ["a", "a"], "collateral.claims.depositors: 'a' is listed twice"),
    ("collateral/claims/remembered_ms", 60_000, "collateral.claims: remembered_ms 60000 is shorter than the 86400000 ms"),
    ("collateral/sources/0/path", " ", "collateral.sources.0.path: ' ' is not allowed: write a path"),
    ("venues/okx/credentials/api_key", "two\nlines", "venues.okx.credentials.api_key: holds a space, a line break or a letter"),
    ("venues/bybit/credentials/api_key", "schlüssel", "venues.bybit.credentials.api_key: holds a space, a line break or a letter"),
    ("venues/okx/credentials/passphrase", "x\r\nHost: y", "venues.okx.credentials.passphrase: holds a space, a line break or a letter"),
    ("venues/okx/leverage", Decimal("1e999999999"), "venues.okx.leverage: 1E+999999999 is not allowed: a number of ordinary size"),
    ("simulator/speed", "1e-999999999", "simulator.speed: '1e-999999999' is not allowed: a number of ordinary size is needed"),
    ("simulator/balances", {"okx": {"USDT": "1e999999999"}}, "simulator.balances.okx.USDT: '1e999999999' is not allowed: a number of ord"),
    ("simulator/seed", 10**50, "simulator.seed: 100000000000000000000000000000000000000000000000000 is not allowed: a number of ordinary"),
    ("listen", "everywhere", "listen: 'everywhere' is not allowed: write host:port"),
    ("listen", "127.0.0.1:99999", "listen: '127.0.0.1:99999' is not allowed: write host:port"),
    ("logging/level", "inf", "logging.level: 'inf' is not allowed: expected 'debug', 'info', 'warning' or 'error', did you mean 'info'?"),
    ("collateral/sources/0/kind", "fil", "collateral.sources.0: its kind 'fil' is unknown; known: 'file', 'custodian', 'redis'"),
    ("collateral/sources/0/name", "Desk One", "collateral.sources.0.name: 'Desk One' is not allowed: it must look like"),
    ("collateral/assets", {}, "collateral.assets: at least one entry is needed"),
    ("collateral/assets/st ETH", {}, "an asset is letters and digits"),
    ("simulator/listen", "0.0.0.0:80", "simulator.listen: 0.0.0.0:80 is not allowed: the simulator serves this machine only"),
    ("simulator/history", "nowhere", "simulator.history: 'nowhere' is not allowed: there is no such folder"),
    ("simulator/window", "2025-02-21..2025-02-22", "simulator.window: is a part of a history, and simulator.history is not set"),
    ("simulator/balances", {"deribit": {}}, "simulator.balances.deribit: not a configured venue"),
    ("simulator/speed", 0, "simulator.speed: 0 is not allowed: at least 0.001"),
    ("simulator/speed", Decimal("0.0001"), "simulator.speed: 0.0001 is not allowed: at least 0.001"),
]  # fmt: skip

POLICY_REFUSALS: list[tuple[str, Any, str | None]] = [
    ("venue_share_max", 40, "40 is not allowed: this is a fraction, for 40 % write 0.4; allowed is 0.05 to 1"),
    ("venue_share_max", "40%", "'40%' is not allowed: a fraction is needed, not a percentage; for 40 % write 0.4"),
    ("rebalance_band", Decimal("5"), "5 is not allowed: this is a fraction, for 5 % write 0.05; allowed is 0.00001 to 0.02"),
    ("funding_flip_exit", -2, "-2 is not allowed: this is a fraction, for 2 % write -0.02; allowed is -1 to 0.5"),
    ("margin_ratio_max", Decimal("0.9"), "0.9 is not allowed: allowed is 0.01 to 0.8"),
    ("order_expiry_ms", 5_001, "5001 is not allowed: allowed is 500 to 5,000 ms"),
    ("order_expiry_ms", "soon", "'soon' is not allowed: a whole number is needed"),
    ("order_rate_max", Decimal("1.5"), "1.5 is not allowed: a whole number is needed"),
    ("order_rate_max", None, "None is not allowed: a number is needed"),
    ("price_collar", "NaN", "'NaN' is not allowed: a finite number is needed"),
    ("venue_share_max", "1e999999999", "'1e999999999' is not allowed: a number of ordinary size is needed"),
    ("report_interval_ms", Decimal("1e999999999"), "1E+999999999 is not allowed: a number of ordinary size"),
    ("price_collar", True, "True is not allowed: a number is needed"),
    ("slippage_max", Decimal("0.015"), "0.015 is not allowed: it may not pass policy.price_collar (0.01), because"),
    ("funding_flip_exit", Decimal("0.1"), "0.1 is not allowed: it may not pass policy.funding_flip_enter (0), because"),
    ("margin_buffer_min", Decimal("0.5"), "0.5 is not allowed: it may not pass policy.margin_buffer_target (0.425), because"),
    ("inverse_buffer_min", Decimal("0.31"), "0.31 is not allowed: it may not pass policy.inverse_buffer_target (0.3), because"),
    ("liquidation_distance_min", 1, "1 is not allowed: it may not pass policy.liquidation_distance_target (0.35), because"),
    ("decision_interval_ms", 1_000, None),
    ("decision_beat_ms", 100, None),
    ("gross_notional_max", 100, "policy.order_notional_max: 250,000 is not allowed: it may not pass policy.gross_notional_max (100)"),
    ("venue_share_max", Decimal("0.33"), "3 venues with this cap carry at most 0.99 of the hedge, so the book could never be fully hedged"),
    ("slipage_max", 1, "policy.slipage_max: unknown key, did you mean 'slippage_max'?"),
    ("instruments", ["x"], "policy.instruments: unknown key"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "sentence"), REFUSALS)
def test_refusal_is_one_sentence(path: str, value: Any, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        settings_from(changed(path, value), folder=tmp_path)
    said = str(refused.value)
    assert sentence in said
    assert "\n" not in said
    assert not [secret for secret in SECRETS if secret in said]


@pytest.mark.parametrize(("field", "value", "sentence"), POLICY_REFUSALS)
def test_policy_refusal(field: str, value: Any, sentence: str | None) -> None:
    document = changed(f"policy/{field}", value)
    if sentence is None:
        settings_from(document)
        return
    with pytest.raises(ConfigError) as refused:
        settings_from(document)
    assert sentence in str(refused.value)
    assert str(refused.value).startswith("policy.")


def test_more_problems_are_counted() -> None:
    document = changed("policy/venue_share_max", 40)
    document["listen"] = "nowhere"
    document["logging"] = {"format": "xml"}
    with pytest.raises(ConfigError, match=r"\(and 2 more problems\)$"):
        settings_from(document)


def test_variables_that_are_not_set_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    document = changed("venues/bybit/credentials", {"api_key": {"env": "HEDGEBOT_TEST_A"}, "secret": {"env": "HEDGEBOT_TEST_B"}})
    with pytest.raises(ConfigError, match=r"the environment variable HEDGEBOT_TEST_A is not set, nor is HEDGEBOT_TEST_B$"):
        settings_from(document)
    document["listen"] = "nowhere"
    with pytest.raises(ConfigError, match=r"listen.*\(and 2 more problems\)$"):
        settings_from(document)
    document = changed("venues/bybit/credentials", {key: {"env": "HEDGEBOT_TEST_A"} for key in ("api_key", "secret")})
    with pytest.raises(ConfigError, match=r"HEDGEBOT_TEST_A is not set$"):
        settings_from(document)
    monkeypatch.setenv("HEDGEBOT_TEST_A", "value")
    settings_from(document)


def test_secrets_outside_a_simulation_are_references(tmp_path: Path) -> None:
    document = on_testnet(tmp_path)
    document["venues"]["bybit"]["credentials"]["secret"] = "hush-hush-two"
    with pytest.raises(
        ConfigError, match=r"^venues\.bybit\.credentials\.secret: a secret may be written into the config only in a sim"
    ) as refused:
        settings_from(document, folder=tmp_path)
    assert "hush" not in str(refused.value)


def test_routes_outside_a_simulation_are_refused(tmp_path: Path) -> None:
    document = on_testnet(tmp_path) | {"routes": {"ws.okx.com": "http://127.0.0.1:1"}}
    with pytest.raises(ConfigError, match="only a simulation may say where venue hosts live"):
        settings_from(document, folder=tmp_path)


@pytest.mark.parametrize("mode", [0o440, 0o404, 0o644])
def test_secret_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    document = on_testnet(tmp_path)
    (tmp_path / "okx-secret").chmod(mode)
    with pytest.raises(ConfigError, match=r"^venues\.okx\.credentials\.secret: the file .*okx-secret can be read by others"):
        settings_from(document, folder=tmp_path)


def test_a_book_on_one_venue_needs_the_whole_share() -> None:
    document = changed("venues/okx", ...)
    del document["venues"]["bybit"]
    with pytest.raises(ConfigError, match=r"1 venue with this cap carry at most 0\.35 of the hedge"):
        settings_from(document)
    assert settings_from(document | {"policy": {"venue_share_max": 1}}).to_policy().venue_share_max == 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("environment: simulation\nenvironment: testnet\n", "line 2, column 1: the key 'environment' is written twice"),
        ("policy: {price_collar: 0.01, price_collar: 0.05}\n", "the key 'price_collar' is written twice"),
        ("a: [1\n", "line 2, column 1"),
        ("", "the file is empty"),
        ("- a\n", "expected keys and values at the top, found list"),
        ("a: !!python/object/apply:os.system [true]\n", "could not determine a constructor"),
        ("policy: {price_collar: .nan}\n", "'.nan' is not a plain number"),
        ("a: \x01\n", "this is not YAML"),
        ("a: !!bool maybe\n", "this is not YAML"),
        ("a: !!timestamp soon\n", "this is not YAML"),
        ('a: "\\UFFFFFFFF"\n', "this is not YAML"),
        ("a: " + "[" * 5_000, "nested too deeply"),
        ('a: "\\ud800"\n', r"line 1, column 4: '\ud800' holds what is no text"),
        ('"\\0": 1\n', r"'\x00' holds what is no text"),
        ("a: 1.0e+999999999\n", "line 1, column 4: a number of this size means nothing here"),
        ("a: 1.0e-999999999\n", "a number of this size means nothing here"),
        ("a: " + "9" * 400 + "\n", "a number of this size means nothing here"),
    ],
)
def test_file_that_is_not_a_configuration(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refused:
        load(path)
    assert str(refused.value).startswith(str(path))
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for path, sentence in (
        (tmp_path / "gone.yaml", "there is no such file"),
        (tmp_path, "this is a folder"),
        (tmp_path / "binary", "not a text file in UTF-8"),
    ):
        with pytest.raises(ConfigError, match=sentence):
            load(path)
