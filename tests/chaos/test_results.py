"""A campaign that is stopped goes on where it was, and one of other code is never mixed in."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

import bot.drivers
from bot.cli import app
from bot.drivers.chaos import command
from bot.drivers.chaos.oracle import Violation
from bot.drivers.chaos.results import Results, sources
from bot.drivers.chaos.seed import play

HOURS = 0.05
FIRST = 3001
WORDS = ("chaos", "--seeds", "2", "--from", str(FIRST), "--hours", str(HOURS), "--results")


def played(path: Path, code: int = 0) -> str:
    result = CliRunner().invoke(app, [*WORDS, str(path)])
    assert result.exit_code == code, result.output
    return result.output


def table(told: str) -> str:
    return told[told.index("fault  fired") :]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A campaign of two seeds, and what it told."""
    path = tmp_path_factory.mktemp("results") / "results.jsonl"
    return path, played(path)


@pytest.fixture
def again(whole: tuple[Path, str], tmp_path: Path) -> Path:
    """A copy of its file."""
    path = tmp_path / "results.jsonl"
    path.write_bytes(whole[0].read_bytes())
    return path


@pytest.fixture
def plays(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The seeds that are played from here on."""
    seeds: list[int] = []
    real = command.timed

    def counted(number: int, hours: float, mode: str) -> object:
        seeds.append(number)
        return real(number, hours, mode)

    monkeypatch.setattr(command, "timed", counted)
    return seeds


def test_what_was_played_is_not_played_again_and_counts_the_same(whole: tuple[Path, str], again: Path, plays: list[int]) -> None:
    told = played(again)
    assert plays == []
    assert "[2/2] were played before" in told
    assert table(told) == table(whole[1])
    assert again.read_bytes() == whole[0].read_bytes()


def test_a_line_that_was_not_written_to_its_end_is_played_again(whole: tuple[Path, str], again: Path, plays: list[int]) -> None:
    first, second = again.read_bytes().splitlines(keepends=True)
    again.write_bytes(first + second[: len(second) // 2])
    told = played(again)
    assert plays == [FIRST + 1]
    assert re.search(r"^\[2/2\] seed 3002 ", told, re.MULTILINE)
    assert [json.loads(line)["outcome"] for line in again.read_text().splitlines()] == [
        json.loads(line)["outcome"] for line in whole[0].read_text().splitlines()
    ]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda line: line.update(code="0123456789abcdef"), r"line 2 was played with code 0123456789abcdef, and this is code [0-9a-f]{16}"),
        (lambda line: line.update(hours=24.0), r"line 2 was played with hours 24\.0, and this is hours 0\.05: name a new file"),
        (lambda line: line.update(mode="liveness"), r"line 2 was played with mode liveness, and this is mode safety"),
        (lambda line: line.pop("outcome"), r"line 2 is not a result of chaos"),
    ],
    ids=["code", "hours", "mode", "no outcome"],
)
def test_what_another_campaign_came_to_is_refused(
    again: Path, plays: list[int], change: Callable[[dict[str, object]], object], sentence: str
) -> None:
    first, second = again.read_text().splitlines()
    line = json.loads(second)
    change(line)
    again.write_text(f"{first}\n{json.dumps(line)}\n")
    before = again.read_bytes()
    told = CliRunner().invoke(app, [*WORDS, str(again)])
    assert told.exit_code == 2
    assert re.search(sentence, told.stderr)
    assert told.stderr.count("\n") == 1
    assert (plays, again.read_bytes()) == ([], before)


def test_a_failure_that_was_kept_is_told_again(again: Path, plays: list[int]) -> None:
    first, second = again.read_text().splitlines()
    line = json.loads(second)
    line["outcome"]["violations"] = [{"invariant": "I02", "at": 7, "sentence": "a short beyond all that was to be hedged"}]
    again.write_text(f"{first}\n{json.dumps(line)}\n")
    told = played(again, code=1)
    assert plays == []
    assert "seed 3002 FAILED\n  I02 a short beyond all that was to be hedged" in told
    assert "--from 3002 --hours 0.05" in told


def test_all_that_a_seed_imports_is_the_code_that_a_line_names() -> None:
    asked = "import sys; import bot.drivers.chaos.command; print(*(m.__file__ for n, m in sys.modules.items() if n.split('.')[0] == 'bot'))"
    told = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout.split()
    hulls = {Path(bot.__file__), Path(bot.drivers.__file__)}
    assert len(told) > 100
    assert {Path(name) for name in told} - set(sources()) == hulls
    assert all(len(hull.read_text().splitlines()) < 10 for hull in hulls)


def test_the_story_of_a_clean_seed_is_not_kept_and_that_of_a_failed_one_is(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    results = Results(path, mode="safety", hours=HOURS)
    results.read()
    clean = replace(play(FIRST, HOURS), last=("the end",))
    results.add(clean, 1.0)
    results.add(replace(clean, violations=(Violation("I02", 7, "short"),)), 1.0)
    assert [json.loads(line)["outcome"]["last"] for line in path.read_text().splitlines()] == [[], ["the end"]]


def test_a_folder_that_is_not_there_is_told_before_anything_is_played(tmp_path: Path, plays: list[int]) -> None:
    told = CliRunner().invoke(app, [*WORDS, str(tmp_path)])
    assert (told.exit_code, plays) == (2, [])
    assert "--results: " in told.stderr
    told = CliRunner().invoke(app, [*WORDS, str(tmp_path / "none" / "results.jsonl")])
    assert (told.exit_code, plays) == (2, [])


@pytest.mark.parametrize("content", ["notes of somebody", "notes\nof somebody\n", "notes\nof somebody"])
def test_a_file_of_somebody_elses_is_refused_and_stays_as_it_is(tmp_path: Path, plays: list[int], content: str) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(content)
    told = CliRunner().invoke(app, [*WORDS, str(path)])
    assert (told.exit_code, plays, path.read_text()) == (2, [], content)
    assert "is not a result of chaos" in told.stderr
