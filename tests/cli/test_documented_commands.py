"""Every command that a page tells people to type exists, with the options that it is told with; and the first steps work as written."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from bot.cli import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("SECURITY.md")))
_TYPED = re.compile(r"(?:\.venv/bin/)?hedgebot (?P<rest>.*)|make (?P<target>[a-z-]+)")
WALLET = {"HEDGEBOT_HYPERLIQUID_ADDRESS": "0x" + "3f" * 20, "HEDGEBOT_HYPERLIQUID_PRIVATE_KEY": f"{7:064x}"}


def typed(page: Path) -> Iterator[str]:
    """Lines of shell blocks, and what stands in backticks and begins like a command."""
    text = page.read_text(encoding="utf-8")
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        yield from (line.split(" #")[0].strip() for line in block.splitlines())
    outside = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    yield from (found.strip() for found in re.findall(r"`((?:\.venv/bin/)?(?:hedgebot|make) [^`]+)`", outside))


def commands() -> dict[str, Any]:
    """The commands of the command line, by name."""
    return typer.main.get_command(app).commands  # type: ignore[attr-defined,no-any-return]  # it is a group


def wrong_with(line: str) -> str | None:
    """What of a typed line does not exist; None where it is no command of ours, or all of it does."""
    found = _TYPED.fullmatch(line)
    if found is None:
        return None
    if found["target"] is not None:
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        return None if found["target"] in targets else f"make has no target {found['target']}"
    name, *words = shlex.split(found["rest"].replace("[", "").replace("]", ""))
    if name.startswith("-"):
        return None
    command = commands().get(name)
    if command is None:
        return f"there is no command {name}"
    if (within := getattr(command, "commands", None)) is not None and words:  # a group, such as `config reload`
        name = f"{name} {words[0]}"
        command = within.get(words.pop(0))
        if command is None:
            return f"there is no command {name}"
    options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)} | {"--help", "-h"}
    missing = [word for word in words if word.startswith("--") and word.split("=")[0] not in options]
    return f"{name} has no {', '.join(missing)}" if missing else None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_on_a_page_exists(page: Path) -> None:
    found = {line: why for line in typed(page) if (why := wrong_with(line)) is not None}
    assert not found


def test_the_test_would_notice() -> None:
    assert wrong_with(".venv/bin/hedgebot unknown CONFIG") == "there is no command unknown"
    assert wrong_with(".venv/bin/hedgebot config unknown CONFIG") == "there is no command config unknown"
    assert wrong_with(".venv/bin/hedgebot config reload CONFIG --of me") == "config reload has no --of"
    assert wrong_with("hedgebot check CONFIG --conect") == "check has no --conect"
    assert wrong_with("make coffee") == "make has no target coffee"
    assert wrong_with("hedgebot check CONFIG --connect") is None
    assert len(list(typed(ROOT / "README.md"))) > 10


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What step 2 of docs/testnet.md leaves, and no variable of ours set."""
    for variable in [name for name in os.environ if name.startswith("HEDGEBOT_")]:
        monkeypatch.delenv(variable)
    shutil.copy(ROOT / "config" / "testnet.yaml", tmp_path / "testnet.yaml")
    shutil.copytree(ROOT / "config" / "holdings", tmp_path / "holdings")
    return tmp_path / "testnet.yaml"


ELSEWHERE = {"HEDGEBOT_MAINNET", "HEDGEBOT_CONTROL_TOKEN"}
"""Variables of that page that its configuration does not have: mainnet's second switch, and the token of deploy/compose.yaml."""


def variables_of(page: Path) -> set[str]:
    return {name for name in re.findall(r"HEDGEBOT_[A-Z_]+", page.read_text(encoding="utf-8")) if not name.endswith(("_FILE", "_"))}


def test_step_three_names_every_variable_that_is_missing(own: Path) -> None:
    done = CliRunner().invoke(app, ["check", str(own)])
    assert done.exit_code == 2
    (sentence,) = done.stderr.splitlines()
    needed = set(re.findall(r"\{env: (HEDGEBOT_[A-Z_]+)\}", own.read_text(encoding="utf-8"))) - {"HEDGEBOT_JOURNAL_URL"}
    assert {name for name in needed if name in sentence} == needed
    assert needed == variables_of(ROOT / "docs" / "testnet.md") - ELSEWHERE


def test_step_five_takes_keys_from_files_that_only_their_owner_can_read(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = own.parent / "keys"
    folder.mkdir(mode=0o700)
    for name in variables_of(ROOT / "docs" / "testnet.md") - ELSEWHERE:
        file = folder / name
        file.write_text(WALLET.get(name, f"value-of-{name}"), encoding="utf-8")
        file.chmod(0o400)
        monkeypatch.setenv(f"{name}_FILE", str(file))
    done = CliRunner().invoke(app, ["check", str(own)])
    assert done.exit_code == 0, done.output
    assert f"(hidden; file {folder / 'HEDGEBOT_OKX_KEY'}, named by HEDGEBOT_OKX_KEY_FILE)" in re.sub(r"\s+", " ", done.output)
    assert "value-of-" not in done.output
    (folder / "HEDGEBOT_OKX_KEY").chmod(0o444)
    done = CliRunner().invoke(app, ["check", str(own)])
    assert done.exit_code == 2
    assert "run chmod 400 on it" in done.stderr
