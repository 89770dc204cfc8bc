"""Chaos finds every planted bug within the number of seeds that stands beside it."""

from __future__ import annotations

import pytest

from bot.drivers.chaos.command import timed
from tests.chaos.campaign import CI_HOURS
from tests.chaos.mutants import MUTANTS

pytestmark = [pytest.mark.xdist_group("chaos-mutants"), pytest.mark.timeout(600)]  # a few seeds each


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_bug_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant = MUTANTS[name]
    mutant.plant(monkeypatch)
    for seed in range(mutant.first, mutant.first + mutant.within):
        if timed(seed, CI_HOURS, "safety")[0].violations:
            return
    raise AssertionError(f"{name} was not found in {mutant.within} seeds from {mutant.first}")


def test_there_are_at_least_ten() -> None:
    assert len(MUTANTS) >= 10
