"""The import contracts in `.importlinter` hold, and each of them breaks when it should."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from importlinter import api as importlinter_api
from importlinter.application import use_cases

from tests.house.tree import ROOT

CONTRACTS = ROOT / ".importlinter"

# module that is given the import | the import | contract that must break
VIOLATIONS = [
    ("core/order.py", "import bot.ports", "layers"),
    ("ports.py", "import bot.shell.loop", "layers"),
    ("shell/loop.py", "import bot.adapters.venue.ccxt_venue", "layers"),
    ("shell/loop.py", "import bot.config", "layers"),
    ("adapters/journal/sqlite.py", "import bot.shell.loop", "layers"),
    ("simulator/exchange.py", "import bot.adapters.venue.throttle", "layers"),
    ("simulator/exchange.py", "import bot.shell.loop", "layers"),
    ("config.py", "import bot.drivers.live", "layers"),
    ("drivers/live.py", "import bot.cli", "layers"),
    ("extra.py", "x = 1", "layers"),
    ("core/ledger.py", "import bot.core.exposure", "core-order"),
    ("core/exposure.py", "import bot.core.funding", "core-order"),
    ("core/events.py", "import bot.core.commands", "core-order"),
    ("core/units.py", "import bot.core.policy", "core-order"),
    ("core/target.py", "import bot.core.engine", "core-order"),
    ("core/risk.py", "import bot.core.statement", "core-order"),
    ("core/extra.py", "x = 1", "core-order"),
    ("core/risk.py", "import time", "core-pure"),
    ("core/risk.py", "from pydantic import BaseModel", "core-pure"),
    ("adapters/journal/sqlite.py", "import bot.adapters.venue.throttle", "adapters-apart"),
    ("drivers/live.py", "import ccxt", "ccxt"),
    ("adapters/journal/sqlite.py", "import ccxt.pro", "ccxt"),
    ("simulator/exchange.py", "import ccxt", "simulator-alone"),
    ("shell/loop.py", "import asyncio_throttle", "throttle"),
    ("drivers/live.py", "import redis", "redis"),
    ("adapters/journal/sqlite.py", "import redis.sentinel", "redis"),
    ("drivers/live.py", "import web3", "web3"),
    ("adapters/collateral/file.py", "import eth_utils", "web3"),
    ("adapters/venue/ccxt_venue.py", "import pydantic", "pydantic"),
    ("drivers/live.py", "import pydantic_settings", "pydantic"),
]

ALLOWED = [
    ("adapters/venue/ccxt_venue.py", "import ccxt.pro"),
    ("adapters/venue/throttle.py", "import asyncio_throttle"),
    ("adapters/journal/codec.py", "import pydantic"),
    ("adapters/journal/redis_link.py", "import redis"),
    ("adapters/collateral/evm/links.py", "import web3, eth_utils"),
    ("config.py", "import pydantic"),
    ("drivers/live.py", "import bot.adapters.venue.ccxt_venue, bot.shell.loop, bot.simulator.exchange, bot.config"),
    ("core/engine.py", "import bot.core.execution, bot.core.units"),
    ("core/statement.py", "import bot.core.exposure, bot.core.risk"),
    ("simulator/exchange.py", "import bot.core.units"),
]

MODULES = sorted(
    {
        *(path for path, _, _ in VIOLATIONS if not path.endswith("extra.py")),
        *(path for path, _ in ALLOWED),
        *("cli.py", "core/exposure.py", "core/funding.py", "core/commands.py", "core/policy.py", "core/execution.py"),
    }
)


def contracts_hold(*only: str) -> bool:
    """Whether the package `bot` found on the path keeps the contracts; import-linter prints the chains of imports that do not."""
    return use_cases.lint_imports(str(CONTRACTS), limit_to_contracts=only, cache_dir=None, is_debug_mode=True, no_logo=True)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the design's layout, its modules empty, that stands in for the real package."""
    package = tmp_path / "bot"
    for name in MODULES:
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for folder in {package, *(path for path in package.rglob("*") if path.is_dir())}:
        (folder / "__init__.py").touch()
    shutil.copy(CONTRACTS, tmp_path)
    monkeypatch.delitem(sys.modules, "bot", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    return package


def test_contracts_hold() -> None:
    assert contracts_hold()


def test_every_contract_is_tried() -> None:
    options = importlinter_api.read_configuration(str(CONTRACTS))["contracts_options"]
    assert {contract["id"] for contract in options} == {contract for _, _, contract in VIOLATIONS}


@pytest.mark.parametrize(("module", "statement", "contract"), VIOLATIONS)
def test_planted_import_breaks_its_contract(tree: Path, module: str, statement: str, contract: str) -> None:
    (tree / module).write_text(f"{statement}\n")
    assert not contracts_hold(contract)


@pytest.mark.parametrize(("module", "statement"), ALLOWED)
def test_import_that_the_design_allows(tree: Path, module: str, statement: str) -> None:
    (tree / module).write_text(f"{statement}\n")
    assert contracts_hold()


def test_young_tree_with_little_in_it(tree: Path) -> None:
    for folder in ("adapters", "simulator", "shell", "drivers"):
        shutil.rmtree(tree / folder)
    assert contracts_hold()
