"""Every configuration in `config/` is accepted as it stands, and each kind of collateral source has an example."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from bot.cli import app
from bot.config import load
from bot.config.sections import SourceSettings

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = [path for path in sorted((ROOT / "config").glob("*.yaml")) if "environment" in yaml.safe_load(path.read_text(encoding="utf-8"))]
OF_SOURCES = [path for path in CONFIGS if path.stem.startswith("collateral-")]
DOCS = ROOT / "docs"


def checked(path: Path) -> Result:
    return CliRunner().invoke(app, ["check", str(path)])


@pytest.mark.parametrize("path", OF_SOURCES, ids=lambda path: path.stem)
def test_an_example_of_a_source_is_accepted(path: Path) -> None:
    done = checked(path)
    assert done.exit_code == 0, done.output
    settings = load(path)
    assert settings.simulator is not None
    for source in settings.collateral.sources:
        assert source.name in done.output


def test_there_is_an_example_of_each_kind_of_source_and_one_of_all_together() -> None:
    kinds = {kind.model_fields["kind"].annotation.__args__[0] for kind in SourceSettings.__args__}
    told = {path.stem: {source.kind for source in load(path).collateral.sources} for path in OF_SOURCES}
    assert told["collateral-all"] == kinds
    assert set().union(*(found for name, found in told.items() if name != "collateral-all")) == kinds


def test_every_example_and_nothing_else_is_named_on_the_page() -> None:
    page = (DOCS / "collateral.md").read_text(encoding="utf-8")
    assert set(re.findall(r"config/(collateral-[a-z-]+)\.yaml", page)) == {path.stem for path in OF_SOURCES}
    kinds = {kind.model_fields["kind"].annotation.__args__[0] for kind in SourceSettings.__args__}
    assert all(f"`{kind}`" in page for kind in kinds)


def test_every_configuration_is_tried_by_some_test() -> None:
    from tests.cli import test_check

    tried = {*OF_SOURCES, *test_check.EXAMPLES}
    assert set(CONFIGS) <= tried | {path for path in CONFIGS if path.stem == "mainnet"}
