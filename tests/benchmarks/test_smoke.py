"""The benchmark works from end to end with few samples: every lane is there and adds up. No speed is asserted here."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import course, deposits, dialects, journals
from benchmarks.disk import folder_on_disk
from benchmarks.figures import BenchmarkFailed, Figure, Samples, figure_of, ratio
from benchmarks.growth import ALLOCATE, GAP, QUIET, WIDTHS
from benchmarks.growth import lane as lane_of
from benchmarks.venues import BARE

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 4


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """What a small run printed, and what it wrote."""
    written = tmp_path_factory.mktemp("bench") / "figures.json"
    done = bench("--rounds", str(ROUNDS), "--pause", "5", "--json", str(written))
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(written.read_text())


@pytest.mark.e2e
def test_every_lane_has_all_its_samples(measured: tuple[str, dict[str, Any]]) -> None:
    paces = measured[1]["paces"]
    sent = (course.HEDGE, course.CCXT, course.HTTP)
    lanes = {*sent, course.FOLD, course.APPEND, course.SEND, course.OFF_DISK, course.JOURNAL, course.SQLITE, course.FILE}
    lanes |= {course.until_read(lane) for lane in sent}
    assert set(paces) == {"paced", "hot"}
    for pace in paces.values():
        assert {lane.strip() for lane in lanes} <= pace["lanes"].keys()
        assert {figure["count"] for figure in pace["lanes"].values()} == {ROUNDS}
        assert all(0 < figure["p50_us"] <= figure["p99_us"] for figure in pace["lanes"].values())


@pytest.mark.e2e
def test_bytes_are_read_after_they_left_and_parts_stay_below_the_whole(measured: tuple[str, dict[str, Any]]) -> None:
    for pace in measured[1]["paces"].values():
        lanes = pace["lanes"]
        for lane in (course.HEDGE, course.CCXT, course.HTTP):
            assert lanes[lane]["p50_us"] < lanes[course.until_read(lane)]["p50_us"]
        whole = lanes[course.HEDGE]["p99_us"]
        assert all(lanes[part.strip()]["p99_us"] < whole for part in (course.FOLD, course.APPEND, course.SEND))


@pytest.mark.e2e
def test_ratios_come_first_and_are_those_of_the_figures(measured: tuple[str, dict[str, Any]]) -> None:
    printed, written = measured
    assert printed.index("ratio") < printed.index("microseconds")
    for pace in written["paces"].values():
        lanes, first = pace["lanes"], pace["ratios"][0]
        floors = lanes[course.CCXT]["p50_us"] + lanes[course.JOURNAL]["p50_us"]
        assert first["p50"] == pytest.approx(lanes[course.HEDGE]["p50_us"] / floors, abs=0.01)


@pytest.mark.e2e
def test_the_core_tells_facts_per_second_how_it_grows_and_what_an_instrument_weighs(measured: tuple[str, dict[str, Any]]) -> None:
    printed, written = measured
    core = written["core"]
    assert core["facts_per_second"] > 0
    assert core["bytes_per_instrument"] > 0
    assert "facts folded per second" in printed
    for assets, venues in WIDTHS:
        assert {lane_of(what, assets, venues) for what in (QUIET, GAP, ALLOCATE)} <= core["lanes"].keys()
    assert all(over > 0 for growth in core["growth_over_n_log_n"].values() for over in growth.values())
    assert {"fold OrderReported", "fold FillReported", "fold MarginObserved", "fold VenueReported"} <= core["lanes"].keys()


@pytest.mark.e2e
def test_a_folder_that_is_not_there_is_refused_in_one_sentence(tmp_path: Path) -> None:
    done = bench("--rounds", "1", "--folder", str(tmp_path / "absent"))
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "--folder" in done.stderr
    assert done.stdout == ""


@pytest.mark.e2e
def test_each_venues_adapter_is_measured_beside_bare_ccxt_and_starting_beside_a_bare_import(tmp_path: Path) -> None:
    written = tmp_path / "venues.json"
    command = [sys.executable, "-m", "benchmarks.venues", "--venue", "bybit", "--rounds", "2", "--seconds", "0.3", "--json", str(written)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(written.read_text())
    lanes = found["venues"]["bybit"]["lanes"]
    assert set(lanes) == {dialects.ADAPTER, dialects.CCXT, dialects.HTTP, dialects.IDLE, dialects.BEHIND_POLLS}
    assert {figure["count"] for figure in lanes.values()} == {2}
    assert all(value > 0 for value in found["venues"]["bybit"]["ratios"].values())
    assert set(found["starts"]) == {BARE, "bybit"}
    assert found["starts"]["bybit"]["resident_mb"] > found["starts"][BARE]["resident_mb"] > 0


@pytest.mark.e2e
def test_a_venue_that_cannot_be_measured_is_refused_in_one_sentence() -> None:
    command = [sys.executable, "-m", "benchmarks.venues", "--venue", "nasdaq"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "no venue is called nasdaq" in done.stderr


def test_a_folder_in_memory_is_no_disk() -> None:
    in_memory = Path("/dev/shm")
    if not in_memory.is_dir():
        pytest.skip("this machine has no /dev/shm")
    with pytest.raises(BenchmarkFailed, match="durable"):
        folder_on_disk(in_memory)


def test_percentiles_are_samples_by_nearest_rank() -> None:
    assert figure_of([float(n) for n in range(200, 0, -1)]) == Figure(200, 100.0, 198.0)
    assert figure_of([7.0]) == Figure(1, 7.0, 7.0)


def test_a_time_below_nothing_is_no_sample() -> None:
    with pytest.raises(BenchmarkFailed, match="cannot be"):
        Samples().add("lane", -1)


def test_a_ratio_is_over_the_sum_of_the_floors() -> None:
    figures = {"a": Figure(1, 30.0, 90.0), "b": Figure(1, 5.0, 10.0), "c": Figure(1, 10.0, 20.0)}
    found = ratio("a over both", figures, "a", ("b", "c"))
    assert (found.p50, found.p99) == (2.0, 3.0)


@pytest.mark.e2e
def test_both_journals_are_measured_beside_their_stores(tmp_path: Path) -> None:
    written = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks.journals", "--rounds", "5", "--longest", "30", "--json", str(written)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(written.read_text())
    lanes = {journals.SQLITE, journals.INSERT} | ({journals.REDIS, journals.XADD} if shutil.which("redis-server") else set())
    assert set(told["appends"]) == lanes
    assert {figure["count"] for figure in told["appends"].values()} == {5}
    assert "SQLite, 30 entries" in told["starts"]
    assert ("Redis, 30 entries" in told["starts"]) == bool(shutil.which("redis-server"))
    assert all(seconds > 0 for each in told["starts"].values() for seconds in each.values())


@pytest.mark.e2e
@pytest.mark.skipif(
    shutil.which("redis-server") is None, reason="redis-server is not installed here (Debian: apt-get install redis-server)"
)
def test_deposits_on_a_stream_are_measured_and_every_one_of_a_burst_is_confirmed(tmp_path: Path) -> None:
    written = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks.deposits", "--rounds", "4", "--deposits", "60", "--json", str(written)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    figures = json.loads(written.read_text())
    assert figures[deposits.LANE]["count"] == 4
    assert figures["burst"]["confirmed"] == 60
    assert 1 <= figures["burst"]["orders"] < 60
