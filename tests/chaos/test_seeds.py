"""Seeds of chaos: those that cover every fault, those of liveness mode, and those that once failed. One seed is one story (I16)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter

import pytest

from bot.drivers.chaos.catalogue import FAULTS, OF_CHAOS, Owner
from bot.drivers.chaos.report import Campaign, failure, table
from bot.drivers.chaos.seed import STRIKES, play
from bot.drivers.chaos.strikes_pair import TAKEOVER_S
from bot.drivers.chaos.world import SLOW
from tests.chaos.campaign import CI_HOURS, CI_SEEDS, LIVENESS_HOURS, LIVENESS_SEEDS, assert_clean, kept, outcome_of

pytestmark = [pytest.mark.xdist_group("chaos"), pytest.mark.timeout(600)]  # a seed may take a minute of a busy machine


@pytest.mark.parametrize("seed", CI_SEEDS)
def test_nothing_breaks(seed: int) -> None:
    assert_clean(outcome_of(seed), CI_HOURS)


def test_every_fault_of_chaos_fires_in_these_seeds() -> None:
    struck: Counter[int] = Counter()
    for seed in CI_SEEDS:
        struck += outcome_of(seed).struck
    assert [f"F{number:02d} {FAULTS[number].what}" for number in OF_CHAOS if not struck[number]] == []


def test_safety_is_not_bought_by_standing_still() -> None:
    played = [outcome_of(seed) for seed in CI_SEEDS]
    active, seconds = sum(o.averages.active for o in played), sum(o.averages.seconds for o in played)
    assert active / seconds > 0.7
    assert sum(o.orders for o in played) > 20 * len(played)


def test_some_of_these_seeds_play_two_instances_and_the_other_one_hedges_in_time() -> None:
    pairs = [outcome for outcome in map(outcome_of, CI_SEEDS) if outcome.instances == 2]
    assert len(pairs) >= 2
    slowest_beat_s = SLOW.policy["decision_beat_ms"] / 1_000
    assert 3.0 < max(took for outcome in pairs for took in outcome.takeovers) <= TAKEOVER_S + slowest_beat_s + 0.1


@pytest.mark.parametrize("seed", LIVENESS_SEEDS)
def test_i15_with_one_fault_for_ever_the_rest_converges_and_says_so(seed: int) -> None:
    assert_clean(outcome_of(seed, LIVENESS_HOURS, "liveness"), LIVENESS_HOURS, "liveness")


@pytest.mark.parametrize(("seed", "hours", "mode", "why"), kept())
def test_a_seed_that_once_failed_stays_clean(seed: int, hours: float, mode: str, why: str) -> None:
    assert_clean(outcome_of(seed, hours, mode), hours, mode)


def test_one_seed_is_one_story_in_another_process_too() -> None:
    program = "from bot.drivers.chaos.command import timed; o, _ = timed(2, 0.05, 'safety'); print(o.digest, o.orders, o.violations)"
    told = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    here = outcome_of(2, 0.05)
    assert told == {f"{here.digest} {here.orders} {here.violations}\n"}
    assert outcome_of(3, 0.05).digest != here.digest


def test_every_strike_belongs_to_chaos_and_every_fault_of_chaos_has_one() -> None:
    assert {strike.number for strike in STRIKES} | {24, 57} == set(OF_CHAOS)
    assert all(FAULTS[strike.number].owner is Owner.CHAOS for strike in STRIKES)


def test_a_failing_seed_tells_how_to_repeat_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.chaos.mutants import MUTANTS

    MUTANTS["journal_after_send"].plant(monkeypatch)
    outcome = play(1, 0.05)
    assert outcome.violations
    told = failure(outcome, 0.05, "safety")
    assert told.endswith("repeat: hedgebot chaos --seeds 1 --from 1 --hours 0.05")
    assert "leaves before it is durable" in told
    assert "<- place" in told


def test_the_table_tells_every_fault_and_the_figures() -> None:
    campaign = Campaign()
    campaign.add(outcome_of(2, 0.05), 1.0)
    told = table(campaign)
    for words in ("time ACTIVE", "net delta", "virtual hours per CPU s", "crashes", *(f"F{n:02d} " for n in OF_CHAOS)):
        assert words in told
    assert set(campaign.never_fired()) == {n for n in OF_CHAOS if not campaign.struck[n]}
