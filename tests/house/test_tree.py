"""The repository obeys its own rules; what each rule says is in `rules.py`."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tests.house import rules
from tests.house.tree import ROOT, findings, python_files, tracked_files

CODE = python_files("bot")
CODE_AND_TESTS = python_files("bot", "tests", "benchmarks")
CORE = python_files("bot/core")
LOCKS = [path for path in tracked_files() if path.suffix == ".lock"]


def assert_none(found: Iterable[rules.Finding]) -> None:
    listed = [str(finding) for finding in found]
    assert not listed, "\n" + "\n".join(listed)


def test_there_is_something_to_check() -> None:
    assert CODE
    assert LOCKS
    assert tracked_files()


@pytest.mark.parametrize("rule", [rules.file_fits, rules.functions_fit, rules.exemptions_have_reasons])
def test_code_and_tests(rule: rules.Rule) -> None:
    assert_none(findings(rule, CODE_AND_TESTS))


@pytest.mark.parametrize("rule", [rules.names_say_something, rules.module_says_why])
def test_code(rule: rules.Rule) -> None:
    assert_none(findings(rule, CODE))


@pytest.mark.parametrize("rule", [rules.core_imports_are_pure, rules.core_reads_nothing])
def test_core(rule: rules.Rule) -> None:
    assert_none(findings(rule, CORE))


def test_core_counts_in_decimals() -> None:
    assert_none(findings(rules.no_floats, (path for path in CORE if not rules.is_exempt_from_decimals(path))))


def test_every_folder_of_code_is_a_package() -> None:
    for path in CODE:
        siblings = frozenset(sibling.name for sibling in (ROOT / path).parent.iterdir())
        assert_none(rules.packages_are_declared(path, siblings))


@pytest.mark.parametrize("rule", [rules.no_machine_paths, rules.no_index_addresses])
def test_tracked_files(rule: rules.Rule) -> None:
    assert_none(findings(rule, tracked_files()))


def test_locks() -> None:
    assert_none(findings(rules.lock_is_sealed, LOCKS))


def test_what_runs_has_the_same_version_in_both_locks() -> None:
    runtime, everything = (
        dict(line.split(" ")[0].split("==") for line in (ROOT / name).read_text().splitlines() if "==" in line and line[0] not in "# ")
        for name in ("requirements.lock", "requirements-dev.lock")
    )
    assert runtime.items() <= everything.items()
