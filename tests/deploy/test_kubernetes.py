"""deploy/kubernetes: what kustomize makes of it, by the schemas of Kubernetes, and by what two bots with keys need and must not have."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.config import load
from bot.shell.lifecycle import GONE_S
from tests.deploy.places import DEPLOY, OVERLAYS, documents, program, ran, with_placeholders
from tests.deploy.rules import alerts

KUBERNETES = DEPLOY / "kubernetes"
BASE = KUBERNETES / "base"
FOUND = {(each["kind"], each["metadata"]["name"]): each for path in BASE.glob("*.yaml") for each in documents(path) if "metadata" in each}
PODS = [("StatefulSet", "hedgebot"), ("StatefulSet", "redis"), ("Deployment", "egress-proxy")]
each_overlay = pytest.mark.parametrize("overlay", OVERLAYS)
each_pod = pytest.mark.parametrize("which", PODS, ids=[name for _, name in PODS])


def pod(which: tuple[str, str]) -> dict[str, Any]:
    told: dict[str, Any] = FOUND[which]["spec"]["template"]["spec"]
    return told


def container(which: tuple[str, str]) -> dict[str, Any]:
    (one,) = pod(which)["containers"]
    return dict(one)


@cache
def built(overlay: str) -> str:
    return ran(program("kubectl"), "kustomize", KUBERNETES / "overlays" / overlay)


@each_overlay
def test_kustomize_builds_it_and_every_resource_fits_its_schema(overlay: str, tmp_path: Path) -> None:
    page = tmp_path / f"{overlay}.yaml"
    page.write_text(built(overlay), encoding="utf-8")
    kinds = [each["kind"] for each in documents(page)]
    assert kinds.count("StatefulSet") == 2
    assert kinds.count("NetworkPolicy") == 4
    said = ran(program("kubernetes-validate"), "--strict", page)
    assert re.findall(r"WARN .*kind (\w+)", said) == ["PodMonitor"], "the operator's own kind; all others have a schema"


def test_the_base_names_all_its_files() -> None:
    """Also where there is no kustomize: a file that nobody names is not applied."""
    told = yaml.safe_load((BASE / "kustomization.yaml").read_text(encoding="utf-8"))
    generated = {file for each in told["configMapGenerator"] for file in each["files"]}
    assert set(told["resources"]) | generated | {"kustomization.yaml"} == {path.name for path in BASE.iterdir()}


@each_overlay
def test_an_overlay_brings_the_configuration_the_hosts_and_the_holdings(overlay: str) -> None:
    folder = KUBERNETES / "overlays" / overlay
    told = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    assert told["resources"] == ["../../base"]
    maps = {each["name"]: each["files"] for each in told["configMapGenerator"]}
    assert maps == {"hedgebot": ["hedgebot.yaml"], "egress-hosts": ["venue-hosts.txt"], "hedgebot-holdings": ["holdings.yaml"]}
    volumes = [volume for which in PODS for volume in pod(which)["volumes"]]
    sources = [source for volume in volumes for source in volume.get("projected", {}).get("sources", [volume])]
    mounted = {source["configMap"]["name"] for source in sources if "configMap" in source}
    assert mounted == set(maps) | {"redis", "egress-proxy"}


@each_overlay
def test_the_bots_read_a_configuration_that_holds(overlay: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with_placeholders(monkeypatch)
    settings = load(KUBERNETES / "overlays" / overlay / "hedgebot.yaml")
    assert settings.environment.value == overlay
    assert settings.instance is not None
    assert settings.instance.name == "hedgebot-0"
    service = FOUND["Service", "egress-proxy"]
    assert settings.proxy == f"http://{service['metadata']['name']}:{service['spec']['ports'][0]['port']}"
    assert settings.listen.port == container(PODS[0])["ports"][0]["containerPort"]


def test_every_key_is_a_file_of_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    named = {each["name"]: each.get("value") for each in container(PODS[0])["env"]}
    monkeypatch.undo()
    for overlay in OVERLAYS:
        text = (KUBERNETES / "overlays" / overlay / "hedgebot.yaml").read_text(encoding="utf-8")
        wanted = set(re.findall(r"\{env: (\w+)\}", text)) - {"POD_NAME"}
        assert {f"{name}_FILE": f"/run/secrets/hedgebot/{name}" for name in wanted} | {"POD_NAME": None} == named
    (keys,) = (volume["secret"] for volume in pod(PODS[0])["volumes"] if "secret" in volume)
    assert keys["defaultMode"] == 0o440


@each_overlay
def test_people_reach_a_bot_through_the_cluster_with_a_token_and_no_pod_does(overlay: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the pod's own loopback, where `kubectl port-forward` and `kubectl exec` come out: no policy has to open a port for it."""
    with_placeholders(monkeypatch)
    control = load(KUBERNETES / "overlays" / overlay / "hedgebot.yaml").control
    assert control is not None
    assert control.listen.is_loopback
    assert control.token.env == "HEDGEBOT_CONTROL_TOKEN"
    assert control.listen.port not in {port["containerPort"] for port in container(PODS[0])["ports"]}


def test_mainnet_has_its_second_switch_and_testnet_none() -> None:
    texts = {overlay: (KUBERNETES / "overlays" / overlay / "kustomization.yaml").read_text(encoding="utf-8") for overlay in OVERLAYS}
    assert "value: {name: HEDGEBOT_MAINNET, value: main}" in texts["mainnet"]
    assert "HEDGEBOT_MAINNET" not in texts["testnet"]


@each_pod
def test_a_pod_is_nobody_and_can_do_nothing(which: tuple[str, str]) -> None:
    told, inside = pod(which)["securityContext"], container(which)["securityContext"]
    assert told["runAsNonRoot"] is True
    assert told["runAsUser"] > 0
    assert told["seccompProfile"] == {"type": "RuntimeDefault"}
    assert inside == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    assert pod(which)["automountServiceAccountToken"] is False
    assert {"cpu", "memory"} == set(container(which)["resources"]["limits"]) == set(container(which)["resources"]["requests"])


@each_pod
def test_no_volume_is_mounted_inside_of_one_that_cannot_be_written(which: tuple[str, str]) -> None:
    """The runtime would have to make the folder there, and cannot: the pod would never start."""
    mounts = container(which)["volumeMounts"]
    closed = [each["mountPath"] for each in mounts if each.get("readOnly")]
    assert not [each["mountPath"] for each in mounts for folder in closed if each["mountPath"].startswith(f"{folder}/")]


def test_two_bots_stand_apart_and_one_may_be_taken_away() -> None:
    bot, budget = FOUND["StatefulSet", "hedgebot"]["spec"], FOUND["PodDisruptionBudget", "hedgebot"]["spec"]
    assert bot["replicas"] == 2
    assert pod(PODS[0])["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert budget["maxUnavailable"] == 1
    assert budget["selector"] == bot["selector"]
    assert pod(PODS[0])["terminationGracePeriodSeconds"] > 2 * GONE_S


@pytest.mark.parametrize("probe", ["startupProbe", "livenessProbe", "readinessProbe"])
def test_no_probe_depends_on_what_is_outside(probe: str) -> None:
    """/healthz tells of the process alone (tests/adapters/telemetry); /readyz tells of venues, and of who holds the lease."""
    assert container(PODS[0])[probe]["httpGet"] == {"path": "/healthz", "port": "metrics"}


def reaches(policy: str) -> set[tuple[str, int]]:
    """Whom a policy lets its pods speak to: the name or place, and the port."""
    found = set()
    for rule in FOUND["NetworkPolicy", policy]["spec"].get("egress", ()):
        (to,) = rule["to"]
        where = to.get("ipBlock", {}).get("cidr") or to["podSelector"]["matchLabels"].popitem()[1]
        found |= {(where, port["port"]) for port in rule["ports"]}
    return found


def test_the_bots_reach_redis_names_and_the_proxy_and_nothing_else() -> None:
    assert FOUND["NetworkPolicy", "nothing"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert reaches("hedgebot") == {("kube-dns", 53), ("redis", 6379), ("egress-proxy", 3128)}
    assert reaches("redis") == set()
    assert reaches("egress-proxy") == {("kube-dns", 53), ("0.0.0.0/0", 443)}


def test_every_port_of_a_policy_is_one_that_somebody_listens_on() -> None:
    listening = {port["containerPort"] for which in PODS for port in container(which)["ports"]}
    opened = {
        port["port"]
        for (kind, _), each in FOUND.items()
        if kind == "NetworkPolicy"
        for rule in each["spec"].get("ingress", ())
        for port in rule["ports"]
    }
    assert opened == listening


def test_the_monitor_looks_at_the_bots_metrics() -> None:
    told = FOUND["PodMonitor", "hedgebot"]["spec"]
    assert told["selector"] == FOUND["StatefulSet", "hedgebot"]["spec"]["selector"]
    assert [each["port"] for each in told["podMetricsEndpoints"]] == [container(PODS[0])["ports"][0]["name"]]


def test_the_monitor_gives_the_job_that_alerts_ask_for() -> None:
    """Without `jobLabel` the operator calls it by namespace and monitor: the bot would be told as gone for ever, and never be."""
    label = FOUND["PodMonitor", "hedgebot"]["spec"]["jobLabel"]
    job = FOUND["StatefulSet", "hedgebot"]["spec"]["template"]["metadata"]["labels"][label]
    asked = {name for rule in alerts().values() for name in re.findall(r'job="(\w+)"', rule["expr"])}
    assert asked == {job}


def test_redis_writes_before_it_answers() -> None:
    told = dict(line.split(maxsplit=1) for line in (BASE / "redis.conf").read_text(encoding="utf-8").splitlines() if line[:1].isalpha())
    assert (told["appendonly"], told["appendfsync"], told["maxmemory-policy"]) == ("yes", "always", "noeviction")
