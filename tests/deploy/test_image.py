"""The Dockerfile and what it is assembled by. That it really builds and runs is `make image`, where a builder is."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from deploy.image.assemble import LAUNCHER, wanted
from tests.deploy.places import ROOT, program, ran

LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def names_in(requirements: str) -> set[str]:
    return set(re.findall(r"(?m)^([a-z0-9-]+)==", requirements))


def test_with_all_extras_nothing_of_the_lock_is_left_out() -> None:
    assert wanted(LOCK, PROJECT, ["evm", "history"]) == LOCK[LOCK.index(re.findall(r"(?m)^[a-z0-9-]+==.*", LOCK)[0]) :]


def test_without_an_extra_its_packages_and_theirs_stay_behind() -> None:
    plain, chain = names_in(wanted(LOCK, PROJECT, [])), names_in(wanted(LOCK, PROJECT, ["evm"]))
    assert {"ccxt", "aiohttp", "pydantic", "multidict", "pydantic-core"} <= plain
    assert names_in(LOCK) - chain == {"pyarrow"}
    assert {"web3", "eth-account", "eth-abi", "cytoolz"} <= chain - plain


def test_what_is_kept_keeps_its_hashes() -> None:
    kept = wanted(LOCK, PROJECT, ["evm"])
    assert kept.count("--hash=sha256:") > 2 * len(names_in(kept))
    assert "pyarrow" not in kept


@pytest.mark.parametrize(
    ("extras", "lock", "sentence"), [(["chain"], LOCK, "none of dev, evm, history"), ([], "", "the lock does not name")]
)
def test_what_cannot_be_meant_is_said(extras: list[str], lock: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        wanted(lock, PROJECT, extras)


def test_the_dockerfile_has_no_faults_of_its_kind() -> None:
    ran(program("hadolint"), ROOT / "Dockerfile")


def test_the_bot_is_process_one_and_nobody() -> None:
    final = DOCKERFILE[DOCKERFILE.index("FROM scratch") :]
    assert re.findall(r"(?m)^(FROM|USER|STOPSIGNAL|ENTRYPOINT) (.*)", final) == [
        ("FROM", "scratch"),
        ("USER", "10001:10001"),
        ("STOPSIGNAL", "SIGTERM"),
        ("ENTRYPOINT", '["/usr/local/bin/hedgebot"]'),
    ]
    assert "RUN" not in re.findall(r"(?m)^[A-Z]+", final), "there is no shell that could"
    assert LAUNCHER.startswith("#!/usr/local/bin/python3 -IB\n")


def test_the_health_check_needs_neither_shell_nor_curl() -> None:
    check = re.search(r"HEALTHCHECK [^\n]*\\\n\s+CMD (\[.*\])", DOCKERFILE)
    assert check is not None
    assert check.group(1) == '["/usr/local/bin/python3", "-IB", "-m", "bot.health"]'


def test_the_base_image_can_be_named_by_its_digest() -> None:
    assert re.search(r"(?m)^ARG PYTHON_IMAGE=python:3\.\d+-slim\n\nFROM \$\{PYTHON_IMAGE\} AS assembled$", DOCKERFILE)
    assert "@sha256" not in re.sub(r"(?m)^#.*", "", DOCKERFILE), "a digest that nobody renews is an old base"


def test_only_what_is_copied_reaches_the_builder() -> None:
    """A key, a journal or the history in a layer would be there for good."""
    lines = [line for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    allowed = {line.removeprefix("!") for line in lines if line.startswith("!")}
    copied = {
        source.removeprefix("./") for sources in re.findall(r"(?m)^COPY (?!--from)(.+) \S+$", DOCKERFILE) for source in sources.split()
    }
    assert lines[0] == "*"
    assert copied == allowed
    assert all(Path(ROOT / source).exists() for source in copied)


def test_where_nothing_can_build_an_image_it_is_said(tmp_path: Path) -> None:
    for name in ("bash", "dirname", "sed", "git", "echo"):
        found = shutil.which(name)
        if found is not None:
            (tmp_path / name).symlink_to(found)
    told = subprocess.run(
        [str(tmp_path / "bash"), str(ROOT / ".ci" / "image")], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert told.returncode == 1
    assert told.stdout.startswith("[image] nothing was built: there is no docker, podman or buildah here that answers")
    assert told.stderr == ""
