"""How tests are spread over workers: one that its own test takes down fails that test, once, and the run goes on to its end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.conftest import FilesTogether

ROOT = Path(__file__).parents[2]
OF_ITSELF = """
import os, pytest
@pytest.mark.parametrize("n", range(12))
def test_one_by_one(n):
    if n == 5:
        os._exit(1)
"""


def test_a_worker_that_dies_of_its_test_fails_that_one_and_holds_up_nothing(tmp_path: Path):
    together = tmp_path / "tests" / "chaos"
    together.mkdir(parents=True)
    (together / "test_as_a_whole.py").write_text(OF_ITSELF)
    (tmp_path / "tests" / "test_apart.py").write_text(OF_ITSELF)
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-n",
        "2",
        "--dist",
        "loadgroup",
        "-p",
        "tests.conftest",
        "-p",
        "no:cacheprovider",
        ".",
    ]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=100, check=False)
    assert "2 failed, 22 passed" in ran.stdout, ran.stdout + ran.stderr


class Worker:
    """As much of a worker as a scheduler sees."""

    shutting_down = False

    def __init__(self, name: str) -> None:
        self.gateway = SimpleNamespace(id=name)
        self.sent: list[int] = []

    def send_runtest_some(self, indices: list[int]) -> None:
        self.sent += indices


def test_a_worker_that_dies_before_its_neighbours_successor_has_collected_gives_its_tests_to_whoever_has():
    tests = [f"tests/core/test_it.py::test_{n}" for n in range(9)]
    config: Any = SimpleNamespace(getvalue=lambda _name: ["popen"] * 3, option=SimpleNamespace(loadscopereorder=False))
    spread: Any = FilesTogether(config, None)
    first, second, third, successor = workers = [Worker(f"gw{n}") for n in range(4)]
    for worker in workers[:3]:
        spread.add_node(worker)
        spread.add_node_collection(worker, tests)
    spread.schedule()
    died = [spread.remove_node(first)]
    spread.add_node(successor)
    died.append(spread.remove_node(second))
    assert not successor.sent
    spread.add_node_collection(successor, tests)
    spread.schedule()
    assert successor.sent
    assert [tests.index(test) for test in died] == [first.sent[0], second.sent[0]]
    assert third.sent
