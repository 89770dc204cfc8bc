"""Every house rule finds a planted violation and leaves clean text alone."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from tests.house import rules

HERE = PurePosixPath("bot/core/planted.py")
SLASH = "/"  # planted paths are put together from parts, so that this file does not break the rule itself

LONG_FUNCTION = "def long() -> None:\n" + "    pass\n" * rules.MAX_FUNCTION_LINES
LONG_ASYNC_METHOD = "class A:\n    async def long(self) -> None:\n" + "        pass\n" * rules.MAX_FUNCTION_LINES
LONG_BY_DOCSTRING = 'def long() -> None:\n    """' + "words\n" * rules.MAX_FUNCTION_LINES + '"""\n'
FULL_FUNCTION = "def full() -> None:\n" + "    pass\n" * (rules.MAX_FUNCTION_LINES - 1)

VIOLATIONS: list[tuple[rules.Rule, str]] = [
    (rules.file_fits, "x = 1\n" * (rules.MAX_FILE_LINES + 1)),
    (rules.functions_fit, LONG_FUNCTION),
    (rules.functions_fit, LONG_ASYNC_METHOD),
    (rules.functions_fit, LONG_BY_DOCSTRING),
    (rules.names_say_something, "class OrderManager: ..."),
    (rules.names_say_something, "class HTTPHandlers: ..."),
    (rules.names_say_something, "def f():\n    class CommonHelper: ..."),
    (rules.no_machine_paths, f"open('{SLASH}work{SLASH}data')"),
    (rules.no_machine_paths, f"cd {SLASH}root{SLASH}x"),
    (rules.no_machine_paths, f"path = {SLASH}home{SLASH}somebody{SLASH}x"),
    (rules.no_index_addresses, "see https://pypi" + ".org/simple"),
    (rules.no_index_addresses, "https://files.pythonhosted" + ".org/packages/a"),
    (rules.no_index_addresses, "pip install -" + "-extra-index-url x"),
    (rules.no_index_addresses, "pip install -" + "-find-links wheels"),
    (rules.lock_is_sealed, "a==1 \\\n    --hash=sha256:00\n# from https://example.org\n"),
    (rules.lock_is_sealed, "a>=1 \\\n    --hash=sha256:00\n"),
    (rules.lock_is_sealed, "a==1\n"),
    (rules.lock_is_sealed, "a==1\nb==2 \\\n    --hash=sha256:00\n"),
    (rules.no_floats, "fee = 0.1"),
    (rules.no_floats, "fee = 1e3"),
    (rules.no_floats, "def f(x): return float(x)"),
    (rules.core_imports_are_pure, "import aiohttp"),
    (rules.core_imports_are_pure, "from pydantic import BaseModel"),
    (rules.core_imports_are_pure, "from bot.ports import Clock"),
    (rules.core_imports_are_pure, "from bot import config"),
    (rules.core_imports_are_pure, "from . import units"),
    (rules.core_imports_are_pure, "def f():\n    import time"),
    (rules.core_imports_are_pure, "from random import Random"),
    (rules.core_imports_are_pure, "import asyncio"),
    (rules.core_imports_are_pure, "import os.path"),
    (rules.core_imports_are_pure, "import secrets"),
    (rules.core_imports_are_pure, "from uuid import uuid4"),
    (rules.core_reads_nothing, "at = datetime.now(UTC)"),
    (rules.core_reads_nothing, "at = datetime.datetime.utcnow()"),
    (rules.core_reads_nothing, "day = date.today()"),
    (rules.core_reads_nothing, "text = open('x').read()"),
    (rules.core_reads_nothing, "print('x')"),
    (rules.module_says_why, "x = 1"),
    (rules.module_says_why, ""),
    (rules.exemptions_have_reasons, "x = 1  # type: ignore[assignment]"),
    (rules.exemptions_have_reasons, "x = 1  # type: ignore  # the stub is wrong"),
    (rules.exemptions_have_reasons, "x = 1  # noqa: E501"),
    (rules.exemptions_have_reasons, "x = 1  # noqa"),
    (rules.exemptions_have_reasons, "x = 1  # noqa: because I say so"),
    (rules.exemptions_have_reasons, "x = 1  # type: ignore[assignment]  # noqa: E501"),
]

CLEAN: list[tuple[rules.Rule, str]] = [
    (rules.file_fits, "x = 1\n" * rules.MAX_FILE_LINES),
    (rules.functions_fit, FULL_FUNCTION),
    (rules.names_say_something, "class OrderLine: ...\ndef commonly(): ..."),
    (rules.no_machine_paths, f"url = 'https://example.org{SLASH}work{SLASH}x'; here = '.{SLASH}root{SLASH}'; cargo = 'homework/x'"),
    (rules.no_index_addresses, "uv pip compile --no-emit-index-url"),
    (rules.lock_is_sealed, "a==1 ; python_version < '4' \\\n    --hash=sha256:00 \\\n    --hash=sha256:01\n    # via b\n"),
    (rules.no_floats, "fee = Decimal('0.1'); whole = isinstance(fee, float); count = 3"),
    (rules.core_imports_are_pure, "from decimal import Decimal\nfrom bot.core.units import Asset\nfrom bot.core import order"),
    (rules.core_reads_nothing, "at = datetime.fromtimestamp(0, UTC); ledger.today()"),
    (rules.module_says_why, '"""Says why."""\n'),
    (rules.exemptions_have_reasons, "x = 1  # type: ignore[assignment]  # the stub is wrong here"),
    (rules.exemptions_have_reasons, "x = 1  # noqa: E501, S101  one long table row"),
    (rules.exemptions_have_reasons, "x = '# noqa'  # an ordinary remark"),
]


@pytest.mark.parametrize(("rule", "text"), VIOLATIONS)
def test_planted_violation_is_found(rule: rules.Rule, text: str) -> None:
    found = list(rule(HERE, text))
    assert found
    assert str(found[0]).startswith(f"{HERE}:")


@pytest.mark.parametrize(("rule", "text"), CLEAN)
def test_clean_text_passes(rule: rules.Rule, text: str) -> None:
    assert list(rule(HERE, text)) == []


def test_each_impure_module_is_refused() -> None:
    for module in sorted(rules.IMPURE_MODULES):
        assert list(rules.core_imports_are_pure(HERE, f"import {module}")), module


@pytest.mark.parametrize("path", ["bot/utils.py", "bot/core/order_helpers.py", "bot/common/order.py"])
def test_vague_module_name_is_found(path: str) -> None:
    assert list(rules.names_say_something(PurePosixPath(path), "")) != []


def test_private_module_may_go_without_docstring() -> None:
    assert list(rules.module_says_why(PurePosixPath("bot/core/_table.py"), "x = 1")) == []
    assert list(rules.module_says_why(PurePosixPath("bot/core/__init__.py"), "")) != []


def test_undeclared_package_is_found() -> None:
    assert list(rules.packages_are_declared(HERE, frozenset({"planted.py"}))) != []
    assert list(rules.packages_are_declared(HERE, frozenset({"planted.py", "__init__.py"}))) == []


def test_only_telemetry_may_use_floats() -> None:
    assert rules.is_exempt_from_decimals(PurePosixPath("bot/core/telemetry.py"))
    assert not rules.is_exempt_from_decimals(HERE)
