"""deploy/compose.yaml: by the schema of its specification, and by what a container with keys must not have."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.config import load
from bot.config.document import read_document
from bot.shell.lifecycle import GONE_S
from tests.deploy.places import DEPLOY, ROOT, program, ran, with_placeholders

COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
BOTS = ("bot", "bot-testnet")
OURS = (*BOTS, "simulator")


def test_it_fits_the_compose_specification() -> None:
    ran(program("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml")


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_service_is_held_tight(name: str) -> None:
    told = SERVICES[name]
    assert told["read_only"] is True
    assert told["cap_drop"] == ["ALL"]
    assert told["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"[1-9]\d*:\d+", told["user"]), "a fixed user that is not root"
    assert told["mem_limit"]
    assert told["cpus"]
    assert told["pids_limit"]
    assert told["healthcheck"]["test"]
    assert not {"privileged", "cap_add", "devices", "pid", "ipc"} & set(told)
    assert all("docker.sock" not in str(volume) for volume in told.get("volumes", ()))


@pytest.mark.parametrize("name", OURS)
def test_a_stop_has_time_to_end_by_itself(name: str) -> None:
    grace = SERVICES[name]["stop_grace_period"]
    assert float(grace.removesuffix("s")) > 2 * GONE_S
    assert SERVICES[name]["stop_signal"] == "SIGTERM"


def test_nothing_is_published_beyond_this_machine() -> None:
    ports = [port for told in SERVICES.values() for port in told.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert not any("ports" in SERVICES[name] for name in ("bot", "simulator", "redis"))


def test_people_reach_the_testnets_bot_with_a_token_from_this_machine_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its socket is for `docker compose exec`, in both worlds; over TCP only the control endpoint is published, and only on loopback."""
    with_placeholders(monkeypatch)
    settings = load(DEPLOY / "config" / "testnet.yaml")
    assert settings.control is not None
    assert settings.control.asked_at() == "127.0.0.1", "the commands inside of the container find it"
    port = settings.control.listen.port
    assert SERVICES["bot-testnet"]["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert load(DEPLOY / "config" / "simulation.yaml").control is None


def test_redis_writes_before_it_answers_and_nobody_outside_reaches_it() -> None:
    command = " ".join(SERVICES["redis"]["command"])
    assert "--appendonly yes --appendfsync always" in command
    assert "--maxmemory-policy noeviction" in command
    assert SERVICES["redis"]["networks"] == ["store"]
    assert COMPOSE["networks"]["store"] == {"internal": True}


def test_one_variable_says_which_world_runs() -> None:
    """What has no profile runs in both; the simulator and its bot in one, the bot of the testnets in the other."""
    profiles = {name: tuple(told.get("profiles", ())) for name, told in SERVICES.items()}
    assert {name for name, own in profiles.items() if own == ("simulation",)} == {"simulator", "bot"}
    assert {name for name, own in profiles.items() if own == ("testnet",)} == {"bot-testnet"}
    assert {name for name, own in profiles.items() if not own} == {"redis", "prometheus", "alertmanager", "grafana"}
    told = [line for line in (DEPLOY / ".env").read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    assert told == ["COMPOSE_PROFILES=simulation"]


def test_the_simulated_venues_stay_on_loopback() -> None:
    """The rule is not weakened: the bot lives in the simulator's network namespace, and the pair answers as `bot`."""
    settings = load(DEPLOY / "config" / "simulation.yaml")
    assert settings.simulator is not None
    assert settings.simulator.listen.is_loopback
    assert SERVICES["bot"]["network_mode"] == "service:simulator"
    assert "networks" not in SERVICES["bot"]
    assert all("bot" in told["aliases"] for told in SERVICES["simulator"]["networks"].values())
    assert "outside" not in SERVICES["simulator"]["networks"]
    assert str(settings.simulator.listen) in SERVICES["simulator"]["healthcheck"]["test"][-1]


@pytest.mark.parametrize("world", ["simulation", "testnet"])
def test_the_configuration_is_the_examples_with_its_journal_in_redis(world: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with_placeholders(monkeypatch)
    ours, example = (read_document(folder / f"{world}.yaml") for folder in (DEPLOY / "config", ROOT / "config"))
    assert ours.pop("journal") == "redis://redis:6379/0"
    ours.pop("control", None)
    assert (ours.pop("state_dir"), ours.pop("listen")) == ("/var/lib/hedgebot", "0.0.0.0:9108")
    assert ours == {name: value for name, value in example.items() if name not in {"state_dir", "listen", "journal"}}
    settings = load(DEPLOY / "config" / f"{world}.yaml")
    held = [source.path for source in settings.collateral.sources if hasattr(source, "path")]
    assert held
    assert all(path.is_file() for path in held)


def test_every_key_of_the_testnets_is_a_file() -> None:
    told = SERVICES["bot-testnet"]
    text = "".join(line.partition("#")[0] for line in (DEPLOY / "config" / "testnet.yaml").read_text(encoding="utf-8").splitlines())
    wanted = set(re.findall(r"\{env: (\w+)\}", text))
    assert told["environment"] == {f"{name}_FILE": f"/run/secrets/{name}" for name in wanted}
    assert set(told["secrets"]) == wanted == set(COMPOSE["secrets"])
    assert {name: Path(told["file"]).name for name, told in COMPOSE["secrets"].items()} == {name: name for name in wanted}


def test_no_key_of_this_machine_can_be_committed() -> None:
    for folder in (DEPLOY / "secrets", DEPLOY / "secrets" / "alerts"):
        assert "*" in (folder / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_grafana_looks_for_dashboards_where_they_are_mounted() -> None:
    told = yaml.safe_load((DEPLOY / "grafana" / "provisioning" / "dashboards" / "hedgebot.yml").read_text(encoding="utf-8"))
    assert f"./grafana/dashboards:{told['providers'][0]['options']['path']}:ro" in SERVICES["grafana"]["volumes"]


def test_prometheus_asks_the_bot_by_the_name_that_it_has_here() -> None:
    told = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    (job,) = (each for each in told["scrape_configs"] if each["job_name"] == "hedgebot")
    assert job["static_configs"] == [{"targets": ["bot:9108"]}]
    assert "watch" in SERVICES["prometheus"]["networks"]
    assert "bot" in SERVICES["bot-testnet"]["networks"]["watch"]["aliases"]


def test_what_is_mounted_is_there() -> None:
    mounted = {volume.split(":")[0] for told in SERVICES.values() for volume in told["volumes"] if volume.startswith("./")}
    assert all((DEPLOY / path).exists() for path in mounted), sorted(mounted)
    named = {volume.split(":")[0] for told in SERVICES.values() for volume in told["volumes"] if not volume.startswith("./")}
    assert named == set(COMPOSE["volumes"])
