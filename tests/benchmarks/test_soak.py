"""The soak finds what grows, allows what is bounded, and runs from end to end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.soak import Sample, footprint, grown, load, slope

ROOT = Path(__file__).resolve().parents[2]


def samples(rss: float = 0.0, descriptors: float = 0.0, tasks: float = 0.0, seconds: int = 600) -> list[Sample]:
    """A run in which each figure grows by so much a second, after a start in which everything grows a lot."""
    warm = [Sample(float(s), 50 + s, s, s, 1.0) for s in range(60)]
    return [*warm, *(Sample(float(s), 150 + rss * s, int(40 + descriptors * s), int(30 + tasks * s), 1.0) for s in range(60, seconds))]


def test_a_line_has_its_slope_and_a_point_has_none():
    assert slope([(0, 1), (1, 3), (2, 5)]) == pytest.approx(2)
    assert slope([(0, 1)]) == slope([(1, 1), (1, 9)]) == 0


def test_what_a_start_took_is_no_growth():
    assert all(each.is_flat for each in grown(samples()))


@pytest.mark.parametrize(
    ("leak", "name"),
    [
        ({"rss": 0.06}, "resident memory, MiB"),
        ({"descriptors": 0.01}, "descriptors"),
        ({"tasks": 0.01}, "event loop tasks"),
    ],
)
def test_each_leak_is_found_by_its_name(leak: dict[str, float], name: str):
    assert [each.name for each in grown(samples(**leak)) if not each.is_flat] == [name]


def test_slopes_are_told_per_hour():
    memory, *_ = grown(samples(rss=0.001))
    assert memory.per_hour == pytest.approx(3.6)
    assert memory.is_flat


def test_a_process_has_memory_and_descriptors():
    rss, descriptors, cpu_s = footprint(os.getpid())
    assert rss > 10
    assert descriptors >= 3
    assert cpu_s == pytest.approx(sum(os.times()[:2]), abs=0.5)


def loaded(told: int, taken: int, late_s: float = 0.0) -> list[Sample]:
    """Ten seconds of two instruments at so many books a second and instrument, after some that were told before."""
    return [
        Sample(5.0, 1, 1, 1, 1.0, told=300, taken=200, late_s=9.0, cpu_s=3.0),
        Sample(15.0, 1, 1, 1, 1.0, told=300 + told * 20, taken=200 + taken * 20, late_s=9.0 + late_s, cpu_s=8.0),
    ]


def test_the_load_is_counted_at_both_ends_for_each_second_and_instrument():
    found = load(loaded(told=990, taken=980, late_s=98.0), 100)
    assert (found.asked, found.told, found.taken, found.cpu) == (1_000, 990, 980, 0.5)
    assert found.late_ms == pytest.approx(5)
    assert found.shortfall is None


@pytest.mark.parametrize(
    ("told", "taken", "said"),
    [
        (890, 890, "the relay told 890 of the 1000 books a second and instrument that were asked for (89%)"),
        (1_000, 500, "the bot took in 500 of the 1000 books a second and instrument that were asked for (50%)"),
        (0, 0, "the relay told 0 of the 1000 books a second and instrument that were asked for (0%)"),
    ],
)
def test_a_rate_that_was_not_reached_is_told(told: int, taken: int, said: str):
    assert load(loaded(told, taken), 100).shortfall == said


@pytest.mark.e2e
@pytest.mark.timeout(200)
def test_a_short_soak_runs_from_end_to_end(tmp_path: Path):
    command = [sys.executable, "-m", "benchmarks.soak", "--minutes", "0.2", "--rate", "5", "--json", str(tmp_path / "soak.json")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False)
    assert "exit code at SIGTERM" in done.stdout, done.stderr
    assert done.stdout.splitlines()[-1].startswith(("FLAT", "GROWS"))
    told = json.loads((tmp_path / "soak.json").read_text())
    assert len(told["samples"]) >= 8
    assert told["load"]["asked"] == 50
    assert 25 < told["load"]["told"] < 60, "the relay multiplies what the simulator tells"
    assert told["load"]["taken"] == pytest.approx(told["load"]["told"], rel=0.2)
    assert (told["load"]["told"] < 45) == ("WARNING" in done.stderr) or told["load"]["taken"] < 45
    assert told["events"]["PlaceOrder"] > 0
