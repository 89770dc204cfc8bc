"""The soak finds what grows, allows what is bounded, and runs from end to end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.soak import Sample, footprint, grown, slope

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
    rss, descriptors = footprint(os.getpid())
    assert rss > 10
    assert descriptors >= 3


@pytest.mark.e2e
@pytest.mark.timeout(200)
def test_a_short_soak_runs_from_end_to_end(tmp_path: Path):
    command = [sys.executable, "-m", "benchmarks.soak", "--minutes", "0.2", "--rate", "5", "--json", str(tmp_path / "soak.json")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False)
    assert "exit code at SIGTERM" in done.stdout, done.stderr
    assert done.stdout.splitlines()[-1].startswith(("FLAT", "GROWS"))
    told = json.loads((tmp_path / "soak.json").read_text())
    assert len(told["samples"]) >= 8
    assert told["messages_per_s"] > 0
    assert told["events"]["PlaceOrder"] > 0
