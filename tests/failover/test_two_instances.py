"""Two instances on one Redis: one sends, the other follows and takes over, whatever happens to the first.

After each change of hands the venues' own books show one epoch after the other, no id twice, and no more traded than was needed.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from bot.config import HALT_FILE
from tests.adapters.journal.redis_process import RedisProcess, needs_redis
from tests.failover.stage import LEASE_LOST, TTL_MS, Stage, judge

pytestmark = [needs_redis, pytest.mark.e2e, pytest.mark.timeout(240), pytest.mark.xdist_group("failover")]

TAKEOVER_MAX_S = 10.0


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    process = RedisProcess(tmp_path_factory.mktemp("failover-redis")).start()
    yield process
    process.kill()


@pytest.fixture(scope="module")
def stage(store: RedisProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    made = Stage(tmp_path_factory.mktemp("failover"), store.server, "two")
    yield made
    made.end()


def test_the_leader_is_killed_and_the_other_one_hedges_again_within_ten_seconds(stage: Stage) -> None:
    leader, standby = stage.pair()
    assert f"{leader.name} holds the lease" in standby.refusal_of("status")
    assert f"{leader.name} holds the lease" in standby.refusal_of("halt", "--by", "alice", "--why", "a drill", "--venue", "okx")
    assert leader.metric("lease_held") == 1.0
    assert (leader.metric("lease_left_seconds") or 0) > 0
    assert standby.metric("lease_held") == 0.0
    epoch, wanted, since = leader.metric("lease_epoch") or 0.0, stage.collateral, stage.now()
    leader.kill()
    began = time.monotonic()
    stage.hold("2.1")
    stage.until(stage.hedged, what="the book hedged by the other one")
    took = time.monotonic() - began
    if not standby.told("run_ended"):  # else this machine kept it from turning for as long as a lease: that says nothing of its speed
        assert took < TAKEOVER_MAX_S
    orders = judge(stage, since, wanted)
    assert standby.metric("lease_held") == 1.0
    assert standby.metric("lease_epoch") == epoch + 1
    assert orders[0].at - since >= TTL_MS / 2, "it waited for the dead one's lease and last requests"


def test_a_leader_that_was_frozen_sends_nothing_when_it_goes_on(stage: Stage) -> None:
    leader, standby = stage.pair()
    wanted, since = stage.collateral, stage.now()
    theirs = {order.epoch for order in stage.placed()}
    leader.send(signal.SIGSTOP)
    stage.hold("2.6")
    stage.until(stage.hedged, what="the book hedged by the other one")
    judge(stage, since, wanted)
    stage.hold("3.0")  # the frozen one finds a change that it has not hedged
    leader.is_expected_to_end = True
    leader.send(signal.SIGCONT)
    assert leader.ended() == LEASE_LOST
    stage.until(stage.hedged)
    late = [order for order in judge(stage, since, wanted) if order.epoch in theirs]
    assert late == []
    stage.until(standby.leads, what="the other one ready")


def test_a_leader_that_is_cut_off_from_redis_stops_before_the_other_one_begins(stage: Stage) -> None:
    leader, standby = stage.pair()
    wanted, since = stage.collateral, stage.now()
    theirs = {order.epoch for order in stage.placed()}
    leader.is_expected_to_end = True
    leader.wire.refuses = True
    leader.wire.cut()
    stage.hold("3.4")
    try:
        assert leader.ended() == LEASE_LOST
    finally:
        leader.wire.refuses = False
    stage.until(stage.hedged, what="the book hedged by the other one")
    orders = judge(stage, since, wanted)
    by_leader, by_other = ([o.at for o in orders if (o.epoch in theirs) is mine] for mine in (True, False))
    assert all(at < min(by_other, default=at + 1) for at in by_leader)
    stage.until(standby.leads, what="the other one ready")


def test_an_orderly_stop_hands_over_without_a_wait(stage: Stage) -> None:
    leader, standby = stage.pair()
    wanted, since = stage.collateral, stage.now()
    leader.send(signal.SIGTERM)
    assert leader.ended() == 0
    stage.until(standby.leads, what="the other one ready")
    stage.hold("3.7")
    stage.until(stage.hedged)
    judge(stage, since, wanted)
    assert standby.told("lease_granted")[-1]["silent_s"] == 0.0, "neither the lease nor requests had to be waited for"


def test_redis_away_for_less_than_the_lease_changes_nothing(stage: Stage, store: RedisProcess) -> None:
    leader, standby = stage.pair()
    epoch, wanted, since = leader.metric("lease_epoch"), stage.collateral, stage.now()
    away = time.monotonic()
    store.kill()
    store.start()
    if time.monotonic() - away > TTL_MS / 2_000:
        pytest.skip("this machine is so busy that Redis took half a lease to start")
    stage.hold("4.0")
    stage.until(stage.hedged)
    judge(stage, since, wanted)
    assert leader.metric("lease_epoch") == epoch
    stage.until(leader.leads, what="the same one ready")
    assert standby.runs


def flushed(store: RedisProcess, _: dict[Path, bytes]) -> None:
    with closing(store.client) as client:
        client.flushall()


def set_back(store: RedisProcess, copy: dict[Path, bytes]) -> None:
    """As a backup that is put back: the server starts on what it held some time ago."""
    store.kill()
    for file in store.data():
        file.unlink()
    for file, content in copy.items():
        file.write_bytes(content)
    store.start()


@pytest.mark.parametrize("forget", [flushed, set_back])
def test_a_store_that_forgot_grants_the_lease_twice_and_nothing_is_doubled(
    stage: Stage, store: RedisProcess, forget: Callable[[RedisProcess, dict[Path, bytes]], None]
) -> None:
    leader, _ = stage.pair()
    copy, copied = {file: file.read_bytes() for file in store.data()}, time.monotonic()
    wanted = stage.hold(str(stage.collateral + Decimal("0.1")))
    stage.until(stage.hedged)  # an order that the copy does not know of
    stage.until(lambda: time.monotonic() - copied > TTL_MS / 1_000)  # the lease that is in the copy has ended
    since = stage.now() + 1
    forget(store, copy)
    stage.hold(str(wanted + Decimal("0.4")))
    assert leader.ended() != 0
    stage.until(stage.hedged, what="the book hedged by the other one")
    judge(stage, since, wanted)


def test_a_halt_that_was_followed_counts_although_the_store_has_lost_it(stage: Stage, store: RedisProcess) -> None:
    leader, standby = stage.pair()
    copy, sent = {file: file.read_bytes() for file in store.data()}, len(stage.placed())
    followed = standby.metric("standby_entries_total") or 0
    assert "HALTED" in leader.ask("halt", "--by", "alice", "--why", "stop everything")
    stage.until(lambda: (standby.metric("standby_entries_total") or 0) > followed, what="the halt followed")
    time.sleep(TTL_MS / 1_000 / 3)  # and what else came with it
    leader.kill()
    set_back(store, copy)
    stage.hold(str(stage.collateral + Decimal("0.4")))
    stage.until(lambda: standby.told("word_entered_late"), what="the other one leading, and saying it again")
    time.sleep(2 * TTL_MS / 1_000 + 3)  # longer than it is silent
    assert len(stage.placed()) == sent, "an order left a book that a person had halted"
    told = standby.ask("status")
    assert "halted" in told.lower()
    assert "alice" in told
    assert "the journal lost it" in told
    standby.ask("resume", "--by", "bob", "--why", "seen")
    for venue in sorted(standby.reducing()):  # by orders of before that a store had lost
        standby.ask("resume", "--by", "bob", "--why", "seen", "--venue", venue)
    stage.until(stage.hedged, what="the book hedged once a person resumed")
    (stage.folder / leader.name / HALT_FILE).unlink()  # on the host of the dead one, which a person looks after as well
