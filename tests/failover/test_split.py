"""What a lease cannot prevent: two instances that both hold it, each at a Redis of its own. What holds then is at the venues.

And a failover that keeps what it acknowledged: the hedge goes on.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import accumulate
from pathlib import Path

import pytest

from tests.adapters.journal.redis_process import RedisProcess, needs_redis
from tests.adapters.journal.sentinels import Trio
from tests.failover.stage import COARSEST_LOT, Stage, judge

pytestmark = [needs_redis, pytest.mark.e2e, pytest.mark.timeout(240), pytest.mark.xdist_group("failover-split")]


def test_two_leaders_at_once_see_each_other_as_strangers_double_one_change_at_most_and_only_reduce_until_a_person_resumes(
    tmp_path: Path,
) -> None:
    stores = [RedisProcess(tmp_path / name).start() for name in ("one", "two")]
    stage = Stage(tmp_path, stores[0].server, "split", other_server=stores[1].server)
    try:
        stage.left.start()
        stage.until(lambda: stage.left.leads() and stage.hedged(), what="the first one hedged")
        stage.right.start()
        stage.until(stage.right.leads, what="the second one leading too")
        since = stage.now() + 1
        stage.hold("2.0")  # both hear of it in the same millisecond, and both hedge it
        stage.until(lambda: stage.left.reducing() | stage.right.reducing(), 15, what="a stranger's orders noticed")
        stage.until(lambda: -stage.held() <= stage.collateral + 2 * COARSEST_LOT, 15, what="what was doubled given back")
        orders = stage.placed()
        assert len({order.order_id for order in orders}) == len(orders)
        shorts = list(accumulate((order.filled for order in orders if order.at >= since), initial=Decimal("-1.5")))
        assert -min(shorts) <= Decimal("2.5") + 4 * COARSEST_LOT, "the change was hedged more than twice"
        assert {stage.left.readiness(), stage.right.readiness()} == {""}, "nothing tells them apart"

        stage.right.kill()  # a person does
        for venue in sorted(stage.left.reducing()):
            stage.left.ask("resume", "--by", "alice", "--why", "the other one is stopped", "--venue", venue)
        stage.until(stage.hedged, 30, what="the book hedged by the one that is left")
    finally:
        stage.end()
        for store in stores:
            store.kill()


def test_the_hedge_goes_on_when_sentinels_name_another_master(tmp_path: Path) -> None:
    trio = Trio(tmp_path)
    stage = Stage(tmp_path, trio.server, "trio")
    try:
        stage.pair()
        wanted, since = stage.collateral, stage.now()
        trio.master.kill()
        stage.hold("2.0")
        stage.until(stage.hedged, 40, what="the book hedged on the new master")
        judge(stage, since, wanted)
        stage.until(lambda: "" in (stage.left.readiness(), stage.right.readiness()), what="one of them ready")
    finally:
        stage.end()
        trio.end()
