"""`hedgebot check` lists every host that ccxt will use; one that may not be used ends it, and ends a run before anything is asked for."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.adapters.venue.ccxt_venue import CcxtVenue
from bot.adapters.venue.profile import Profile
from bot.adapters.venue.profiles import PROFILES
from bot.adapters.venue.settings import Environment
from bot.cli import app
from bot.config import load
from bot.core.units import VenueId
from bot.drivers.check import OF_THE_CHECK, account_of
from bot.ports import VenueNotReady
from bot.shell.clock import SystemClock

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = [ROOT / "config" / f"{environment.value}.yaml" for environment in Environment if environment is not Environment.MAINNET]
WALLET = {"ADDRESS": "0x" + "3f" * 20, "KEY": f"0x{7:064x}"}
"""What has a form of its own, by the end of the variable's name."""
PURPOSES = {"REST public", "REST private", "WebSocket public", "WebSocket private"}


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for path in EXAMPLES:
        for variable in re.findall(r"env: (\w+)", path.read_text(encoding="utf-8")):
            monkeypatch.setenv(variable, WALLET.get(variable.rsplit("_", 1)[-1], f"value-of-{variable}"))


def rows_of(output: str) -> list[list[str]]:
    """The cells of the table: two spaces or more stand between them."""
    _, table = re.split(r"Hosts that ccxt will use in \w+:\n", output)
    return [re.split(r"\s{2,}", line.strip()) for line in table.splitlines() if line.strip()]


def not_switched(venue: str, environment: Environment) -> Profile:
    """The profile of a venue whose ccxt client would stay what it is, mainnet's."""
    profile = PROFILES[VenueId(venue)]
    return dataclasses.replace(profile, hosts={**profile.hosts, environment: dataclasses.replace(profile.hosts[environment], switch=None)})


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("environment", [Environment.TESTNET, Environment.DEMO])
def test_the_example_of_an_environment_names_every_venue_that_has_it(environment: Environment) -> None:
    settings = load(ROOT / "config" / f"{environment.value}.yaml")
    assert set(settings.venues) == {venue for venue, profile in PROFILES.items() if environment in profile.hosts}


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_host_of_every_configured_venue_is_listed_and_fits(path: Path) -> None:
    settings = load(path)
    done = CliRunner().invoke(app, ["check", str(path)])
    assert done.exit_code == 0, done.output
    titles, *rows = rows_of(done.output)
    assert titles == ["venue", "for", "host", "lives at", "allowed"]
    for name in settings.venues:
        told = [row for row in rows if row[0] == name and row[1] != OF_THE_CHECK]
        hosts = PROFILES[VenueId(name)].hosts_in(Environment(settings.environment.value))
        assert {row[2] for row in told} == set(hosts.names)
        assert {row[1] for row in told} == PURPOSES
        assert all(row[4] == "yes" or row[4].startswith("with ") for row in told)
        for _, purpose, _, home, _ in told:
            scheme = "ws" if purpose.startswith("WebSocket") else "http"
            assert home == ("itself" if settings.environment != "simulation" else f"{scheme}://127.0.0.1:8700")
    assert f"Hosts that ccxt will use in {settings.environment.value}:" in done.output
    assert max(map(len, done.output.split("In words:")[1].splitlines())) <= 100
    assert not [value for value in settings.secret_values() if value in done.output]


@pytest.mark.usefixtures("keys")
def test_on_mainnet_the_hosts_that_only_the_check_asks_are_listed_as_such(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What lets traffic out by a list of names is written from this table."""
    text = (ROOT / "config" / "testnet.yaml").read_text(encoding="utf-8")
    path = tmp_path / "book.yaml"
    path.write_text(re.sub(r"^environment: testnet\nname: testnet$", "environment: mainnet\nname: book", text, flags=re.MULTILINE), "utf-8")
    monkeypatch.setenv("HEDGEBOT_MAINNET", "book")
    done = CliRunner().invoke(app, ["check", str(path)])
    assert done.exit_code == 0, done.output
    told = [row for row in rows_of(done.output) if row[1] == OF_THE_CHECK]
    assert [(row[0], row[2], row[3]) for row in told] == [(venue, "api.binance.com", "itself") for venue in ("binanceusdm", "binancecoinm")]


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize(
    ("venue", "words"), [("bybit", "api.bybit.com"), ("okx", "x-simulated-trading"), ("binanceusdm", "fapi.binance.com")]
)
def test_a_client_that_would_use_mainnet_is_told_in_one_sentence(monkeypatch: pytest.MonkeyPatch, venue: str, words: str) -> None:
    monkeypatch.setitem(PROFILES, venue, not_switched(venue, Environment.TESTNET))
    done = CliRunner().invoke(app, ["check", str(ROOT / "config" / "testnet.yaml")])
    assert done.exit_code == 2
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith(f"hedgebot: {venue}: ccxt would use ")
    assert words in sentence
    assert any(row[0] == venue and row[4].startswith("no: ") for row in rows_of(done.stdout))


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("venue", ["binanceusdm", "bybit", "okx"])
async def test_nothing_is_asked_for_before_the_proof(monkeypatch: pytest.MonkeyPatch, venue: str) -> None:
    """Nor is a session made: there is nothing that could carry a request."""
    monkeypatch.setitem(PROFILES, venue, not_switched(venue, Environment.TESTNET))
    monkeypatch.setattr("bot.adapters.venue.ccxt_venue.RoutingSession", _no_session)
    settings = load(ROOT / "config" / "testnet.yaml")
    adapter = CcxtVenue(account_of(settings, venue), SystemClock())
    with pytest.raises(VenueNotReady, match=rf"{venue}: what ccxt would send does not fit the testnet environment: .+ \(and \d+ more\)"):
        await asyncio.wait_for(adapter.open(), 10)


def _no_session(*_: object, **__: object) -> None:
    raise AssertionError("a session was made")


@pytest.mark.usefixtures("keys")
def test_a_run_whose_client_would_use_mainnet_is_refused_with_two(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(PROFILES, "okx", not_switched("okx", Environment.DEMO))
    text = (ROOT / "config" / "demo.yaml").read_text(encoding="utf-8")
    path = tmp_path / "demo.yaml"
    path.write_text(text.replace("../run/demo-account", "state").replace("127.0.0.1:9108", "127.0.0.1:0"), encoding="utf-8")
    done = CliRunner().invoke(app, ["run", str(path)])
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1].startswith("hedgebot: okx: what ccxt would send does not fit the demo environment: ")


@pytest.mark.usefixtures("keys")
def test_the_hosts_of_custodians_chains_and_redis_are_listed_and_no_secret_of_theirs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in (("NODE", "wss://user:canary-key@node.example/v2/canary-key"), ("STREAM", "rediss://:canary-key@stream.example")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PRIME", "canary-key")
    text = (ROOT / "config" / "testnet.yaml").read_text(encoding="utf-8")
    sources = """  sources:
    - {kind: custodian, name: prime, url: 'https://api.custodian.example/v1/custody', api_key: {env: PRIME}}
    - {kind: redis, name: backend, url: {env: STREAM}}
    - kind: evm
      name: ethereum
      chain_id: 1
      endpoints: [{env: NODE}, https://other.example]
      tokens: {ETH: {}}
      wallets: {cold: '0x2CC440b721d2CaFd6D64908D6d8C4aCC57F8Afc3'}
"""
    journal = "journal: {url: 'redis+sentinel://one.example:26379,two.example:26379/book'}\n"
    assert "  sources:\n" in text
    (tmp_path / "testnet.yaml").write_text(journal + text.replace("  sources:\n", sources), encoding="utf-8")
    done = CliRunner().invoke(app, ["check", str(tmp_path / "testnet.yaml")])
    assert done.exit_code == 0, done.output
    _, beside, _ = re.split(r"Hosts of custodians, chains and Redis:\n|\nHosts that ccxt will use in \w+:\n", done.output)
    rows = [re.split(r"\s{2,}", line.strip()) for line in beside.splitlines()]
    assert rows == [
        ["who", "for", "host", "lives at", "way"],
        ["prime", "custodian", "api.custodian.example", "itself", "directly"],
        ["ethereum", "first endpoint", "node.example", "itself", "directly"],
        ["ethereum", "second endpoint", "other.example", "itself", "directly"],
        ["backend", "Redis", "stream.example:6379", "itself", "directly"],
        ["journal", "Sentinel of book", "one.example:26379", "itself", "directly"],
        ["journal", "Sentinel of book", "two.example:26379", "itself", "directly"],
    ]
    assert "canary-key" not in done.output


@pytest.mark.usefixtures("keys")
def test_where_there_are_no_such_hosts_no_table_of_them_is_printed() -> None:
    done = CliRunner().invoke(app, ["check", str(ROOT / "config" / "testnet.yaml")])
    assert "Hosts of custodians" not in done.output
