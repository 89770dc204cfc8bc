"""How tests are spread over workers: one that its own test takes down fails that test, once, and the run goes on to its end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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
