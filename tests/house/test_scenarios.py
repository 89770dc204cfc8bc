"""The table of scenarios and formulas says the truth about the tests that there are."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.house.faults import FAULTS, NOT_YET
from tests.house.scenarios import AT_EVERY_VENUE, BY_ANOTHER_NAME, FORMULAS, SCENARIOS, Scenario

ROOT = Path(__file__).resolve().parents[2]
NUMBERS = re.compile(r"(?<=_)s(\d{1,2})(?=_)")


def cases_in(path: Path) -> Iterator[tuple[str, str]]:
    """Each test function of a file with its source, decorators included."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            yield node.name, "\n".join(lines[first - 1 : node.end_lineno])


def names_below(*folders: str) -> set[str]:
    return {name for folder in folders for path in (ROOT / "tests" / folder).rglob("test_*.py") for name, _ in cases_in(path)}


def faults_of(table: Mapping[int, Scenario], core: set[str], elsewhere: set[str]) -> list[str]:
    """What of a table is not true."""
    found = []
    for number, scenario in table.items():
        found += [f"S{number}: no test of the core is called {name}" for name in scenario.core if name not in core]
        found += [f"S{number}: {name} does not carry it" for name in scenario.core if not _carries(name, number)]
        found += [f"S{number}: no test elsewhere is called {name}" for name in scenario.beyond if name not in elsewhere]
        if not scenario.core and not (scenario.beyond or scenario.later):
            found.append(f"S{number}: nobody owns it")
    return found


def _carries(name: str, number: int) -> bool:
    return name in BY_ANOTHER_NAME or str(number) in NUMBERS.findall(name)


def missing_figures(source: str, formula: int, figures: tuple[str, ...]) -> list[str]:
    """The figures that no test of a formula has: whole numbers as they are written, not parts of longer ones."""
    return [f"F{formula}: {figure}" for figure in figures if not re.search(rf"(?<![\d._]){re.escape(figure)}(?![\d_])", source)]


def test_every_scenario_of_the_notes_has_its_owner() -> None:
    assert sorted(SCENARIOS) == list(range(1, 32))
    folders = [p.name for p in (ROOT / "tests").iterdir() if p.is_dir() and p.name not in ("core", "house", "__pycache__")]
    assert faults_of(SCENARIOS, names_below("core"), names_below(*folders)) == []


def runs_at_every_venue(file: str, name: str) -> bool:
    """Whether a test is repeated for each venue: by a fixture or a parameter that is drawn from the list of all of them."""
    tree = ast.parse(file)
    drawn = {"DIALECTS", "PROFILES", "STANDS"}
    for node in tree.body:  # what is made of the list of all
        if isinstance(node, ast.Assign) and drawn & {each.id for each in ast.walk(node.value) if isinstance(each, ast.Name)}:
            drawn |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    repeated = {f.name for f in functions if any(drawn & {n.id for n in ast.walk(d) if isinstance(n, ast.Name)} for d in f.decorator_list)}
    test = next(f for f in functions if f.name == name)
    decorators = {n.id for d in test.decorator_list for n in ast.walk(d) if isinstance(n, ast.Name)}
    return name in repeated or bool(repeated & ({a.arg for a in test.args.args} | decorators))


def test_what_is_the_adapters_runs_at_every_venue() -> None:
    files = {name: path for path in (ROOT / "tests" / "adapters" / "venue").glob("test_*.py") for name, _ in cases_in(path)}
    named = [name for names in AT_EVERY_VENUE.values() for name in names]
    assert set(named) <= set(files)
    assert [name for name in named if not runs_at_every_venue(files[name].read_text(encoding="utf-8"), name)] == []


def test_a_test_at_one_venue_alone_is_found() -> None:
    file = (
        "WORLDS = [v for v in PROFILES]\n"
        "@pytest.fixture(params=list(DIALECTS))\ndef stand(request): ...\n"
        "@pytest.mark.parametrize('venue', WORLDS)\ndef test_a(venue): ...\n"
        "def test_b(stand): ...\n"
        "@pytest.mark.parametrize('venue', ['okx'])\ndef test_c(venue): ...\n"
        "def test_d(): ...\n"
    )
    assert [runs_at_every_venue(file, name) for name in ("test_a", "test_b", "test_c", "test_d")] == [True, True, False, False]


def test_what_the_core_expresses_nothing_of_is_named_with_its_reason_or_its_tests() -> None:
    assert {number for number, s in SCENARIOS.items() if not s.core} == {18, 19, 27}


def test_no_test_carries_a_number_that_the_notes_do_not_have() -> None:
    carried = {int(n) for name in names_below("core") for n in NUMBERS.findall(name)}
    assert carried <= set(SCENARIOS)


def test_every_fault_of_the_notes_has_a_test_or_a_reason() -> None:
    assert sorted([*FAULTS, *NOT_YET]) == list(range(1, 71))
    assert set(FAULTS.values()) - names_below(".") == set()


def test_names_by_fault_are_those_that_are_used() -> None:
    assert {name for s in SCENARIOS.values() for name in s.core} >= BY_ANOTHER_NAME


@pytest.mark.parametrize("formula", range(1, 17))
def test_every_vector_of_the_domain_notes_is_in_a_test_of_its_formula(formula: int) -> None:
    file, figures = FORMULAS[formula]
    sources = "\n".join(source for name, source in cases_in(ROOT / file) if re.search(rf"(?<=_)f{formula}(?=_)", name))
    assert missing_figures(sources, formula, figures) == []


def test_a_removed_test_and_a_wrong_number_are_found() -> None:
    table = {7: Scenario("x", ("test_s7_gone", "test_s8_other"), ("test_elsewhere",)), 9: Scenario("nobody's")}
    assert faults_of(table, {"test_s8_other"}, set()) == [
        "S7: no test of the core is called test_s7_gone",
        "S7: test_s8_other does not carry it",
        "S7: no test elsewhere is called test_elsewhere",
        "S9: nobody owns it",
    ]


def test_a_figure_is_not_found_inside_a_longer_one() -> None:
    assert missing_figures('D("10.95"), 1216', 2, ("0.95", "10.95", "216", "1216")) == ["F2: 0.95", "F2: 216"]
