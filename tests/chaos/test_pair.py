"""Two instances in a chaos world: who sends after a death, a freeze, a cut cable and a failover, and that the oracle would tell."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest

from bot.core import trading
from bot.core.commands import PlaceOrder
from bot.core.events import OperatorAction
from bot.core.units import Asset, ClientOrderId, InstrumentId, VenueId, down_to_step
from bot.drivers.chaos.judge import Judge
from bot.drivers.chaos.pair import PairStage
from bot.drivers.chaos.seed import is_pair
from bot.drivers.chaos.strike import hold
from bot.drivers.chaos.strikes_pair import TAKEOVER_S, clear_assets, hedges_again
from bot.drivers.chaos.world import BRISK, SLOW
from bot.operating import HaltTold
from bot.ports import LeaseGranted, LeaseHeldByOther
from bot.simulator.hosts import run_hosted
from bot.simulator.model import OrderKind, OrderRequest, Side, TimeInForce
from bot.simulator.world import ACCOUNT
from tests.chaos.openings import open_book

pytestmark = [pytest.mark.xdist_group("chaos-pair"), pytest.mark.timeout(600)]
ETH, OKX = Asset("ETH"), VenueId("okx")


def told(story: Callable[[PairStage], Awaitable[None]]) -> PairStage:
    """A stage on which a story was played, whose book was hedged before it began, and which broke nothing."""

    async def whole() -> PairStage:
        stage = PairStage(1, BRISK)
        open_book(stage)
        await until(stage, Judge(stage).in_band, 30)
        await until(stage, lambda: stage.follower is not None, 5)
        await story(stage)
        return stage

    stage = run_hosted(whole())
    assert stage.oracle.violations == []
    return stage


async def until(stage: PairStage, true: Callable[[], bool], seconds: float) -> float:
    """Waits for something; how long that took."""
    began = stage.clock.steady()
    while not (stage.lives and true()):
        assert stage.clock.steady() - began < seconds, stage.story.last()[-20:]
        await stage.clock.sleep(0.05)
    return stage.clock.steady() - began


async def is_hedged_by_the_other(stage: PairStage, lost: str) -> float:
    """After the leader is lost: how long it takes until the other one has reduced what is too much."""
    sent = len(stage.oracle.truth.sent)
    hold(stage, "ETH", Decimal(0))
    took = await until(stage, lambda: stage.oracle.is_protected(ETH, sent), TAKEOVER_S)
    assert stage.turns.newest.host != lost
    return took


def works(stage: PairStage, instrument: str, order_id: str, *, is_lost: bool) -> None:
    """A small sale far from the market works at a venue: an order of ours that the store lost, or one that nobody ever heard of."""
    listed = stage.world.instruments[InstrumentId(instrument)]
    exchange, contract = stage.world.contract(listed.id)
    price = down_to_step(stage.world.price_at(listed.id) * Decimal("1.02"), contract.tick)
    request = OrderRequest(
        account=ACCOUNT,
        symbol=contract.symbol,
        side=Side.SELL,
        kind=OrderKind.LIMIT,
        time_in_force=TimeInForce.GTC,
        contracts=Decimal(1),
        price=price,
        reduce_only=False,
        client_order_id=order_id,
    )
    command = PlaceOrder(
        client_order_id=ClientOrderId(order_id),
        instrument=listed.id,
        quantity=Decimal(-1),
        contracts=Decimal(1),
        price=price,
        reduce_only=False,
        expires_at=stage.now(),
    )
    if is_lost:
        stage.oracle.strange(command, listed.venue, stage.now())
    _, reports = exchange.place(request, stage.now())
    stage.world.wires[listed.venue].tell(reports)


def test_a_third_of_the_seeds_plays_two_instances() -> None:
    assert 0.3 < sum(map(is_pair, range(3_000))) / 3_000 < 0.37


def test_in_hours_in_which_nothing_happens_only_who_stands_by_looks_more_rarely() -> None:
    async def story(stage: PairStage) -> None:
        leader, follower = stage.leader, stage.follower
        assert leader is not None
        assert follower is not None
        assert follower.lease is not None
        asked, acquire = [], follower.lease.acquire

        async def counted() -> LeaseGranted | LeaseHeldByOther:
            asked.append(stage.clock.steady())
            return await acquire()

        follower.lease.acquire = counted
        await stage.clock.sleep(30.0)
        looked = len(asked)
        stage.world.slow_down(4)
        await stage.clock.sleep(30.0)
        assert 30 < 4 * (len(asked) - looked) <= looked + 8
        assert stage.leader is leader
        stage.world.slow_down(1)
        await stage.kill(leader)
        await is_hedged_by_the_other(stage, leader.host.name)
        stage.world.slow_down(4)
        await stage.clock.sleep(30.0)
        assert stage.leader is follower  # who holds the lease renews it as often as before

    told(story)


def test_a_leader_that_is_killed_is_replaced_in_time_under_another_epoch() -> None:
    async def story(stage: PairStage) -> None:
        leader = stage.leader
        assert leader is not None
        before = stage.ledger.epoch
        await stage.kill(leader)
        assert await is_hedged_by_the_other(stage, leader.host.name) > 3.0  # the lease, and then its length again
        assert stage.ledger.epoch > before
        stage.start()
        await until(stage, lambda: stage.follower is leader, 10)  # who comes back follows

    told(story)


def test_a_leader_that_was_stopped_wakes_up_without_its_place_and_sends_nothing() -> None:
    async def story(stage: PairStage) -> None:
        leader = stage.leader
        assert leader is not None
        stage.freeze(leader, 20.0)
        await is_hedged_by_the_other(stage, leader.host.name)
        hold(stage, "ETH", Decimal(150))
        await stage.clock.sleep(25.0)
        assert not leader.host.is_stopped
        assert stage.follower is leader
        assert {name[:-6] for name in list(stage.oracle.truth.sent)[-2:]} == {stage.ledger.epoch}

    told(story)


def test_clocks_that_differ_by_what_is_allowed_for_change_nothing() -> None:
    async def story(stage: PairStage) -> None:
        leader, follower = stage.leader, stage.follower
        assert leader is not None
        assert follower is not None
        leader.clock.run_at(0.97)
        follower.clock.run_at(1.03)
        leader.clock.offset_ms, follower.clock.offset_ms = 2_000, -2_000
        await stage.clock.sleep(15.0)
        leader.is_linked = False
        await is_hedged_by_the_other(stage, leader.host.name)

    told(story)


def test_a_failover_that_grants_the_lease_to_the_other_one_makes_it_wait_for_both() -> None:
    async def story(stage: PairStage) -> None:
        leader = stage.leader
        assert leader is not None
        leader.is_linked = False  # it goes on in good faith
        stage.fail_over(5, forgets=True)
        began = stage.clock.steady()
        hold(stage, "ETH", Decimal(20))
        await until(stage, lambda: stage.turns.newest.host != leader.host.name, 1)
        await until(stage, lambda: stage.turns.newest.began_at is not None, 15)
        assert stage.clock.steady() - began >= 6.0

    told(story)


@pytest.mark.parametrize("resumes", [False, True])
def test_what_a_person_said_counts_although_a_failover_lost_it_together_with_the_leader(*, resumes: bool) -> None:
    async def story(stage: PairStage) -> None:
        leader, before = stage.leader, len(stage.world.store.entries)
        assert leader is not None
        words = (OperatorAction.HALT, OperatorAction.RESUME) if resumes else (OperatorAction.HALT,)
        for word in words:
            await stage.person(word)
            stage.switch.halted = None  # they said it to the leader alone, and no file halts
            await stage.clock.sleep(1.0)
        await stage.kill(leader)
        stage.fail_over(len(stage.world.store.entries) - before, forgets=True)
        sent = len(stage.oracle.truth.sent)
        hold(stage, "ETH", Decimal(0))
        await stage.clock.sleep(30.0)
        assert stage.turns.newest.host != leader.host.name
        assert trading.is_halted(stage.ledger, OKX) is not resumes
        assert (len(stage.oracle.truth.sent) > sent) is resumes

    told(story)


def test_while_the_store_is_two_both_send_and_afterwards_one() -> None:
    async def story(stage: PairStage) -> None:
        leader = stage.leader
        assert leader is not None
        first = len(stage.oracle.truth.sent)
        stage.split(leader, 3, 20.0)
        await stage.clock.sleep(9.0)
        hold(stage, "ETH", Decimal(140))
        await stage.clock.sleep(5.0)
        split = {name[:-6] for name in list(stage.oracle.truth.sent)[first:]}
        assert len(split) == 2, "each of them hedged what it was told"
        await stage.clock.sleep(10.0)
        assert leader.life is None
        sent = len(stage.oracle.truth.sent)
        hold(stage, "ETH", Decimal(10))
        await until(stage, lambda: stage.oracle.is_protected(ETH, sent), 10)
        assert {name[:-6] for name in list(stage.oracle.truth.sent)[sent:]} <= {stage.ledger.epoch}

    told(story)


def test_who_starts_again_while_the_store_is_two_finds_the_server_that_counts() -> None:
    async def story(stage: PairStage) -> None:
        leader = stage.leader
        assert leader is not None
        stage.split(leader, 0, 40.0)
        await until(stage, lambda: stage.turns.newest.host != leader.host.name, 5)
        await stage.kill(leader)
        stage.start()
        await stage.clock.sleep(15.0)
        assert leader.store is stage.world.store
        assert leader.life is None, "it stands by: the other one leads"

    told(story)


@pytest.mark.parametrize("is_lost", [True, False])
def test_a_takeover_waits_one_beat_more_beside_an_order_that_the_store_lost_and_beside_no_other(*, is_lost: bool) -> None:
    """The order works on: the position there is believed when a second answer tells the same, and the beats are ten seconds apart."""

    async def story() -> PairStage:
        stage = PairStage(1, SLOW)
        open_book(stage)
        await until(stage, Judge(stage).in_band, 120)
        await until(stage, lambda: stage.follower is not None, 30)
        leader = stage.leader
        assert leader is not None
        await stage.kill(leader)
        works(stage, "bybit:ETHUSDT", "h9lost000001", is_lost=is_lost)
        stage.world.store.lose(len(stage.world.store.entries))
        stage.forget()
        await hedges_again(stage, leader, [ETH], "was killed")
        return stage

    stage = run_hosted(story())
    assert [v.invariant for v in stage.oracle.violations] == ([] if is_lost else ["TAKEOVER"])
    assert [took > TAKEOVER_S + 10.0 for took in stage.takeovers] == ([True] if is_lost else [])


@pytest.mark.parametrize("refuses", ["", "margin"])
def test_a_takeover_is_timed_only_of_assets_that_no_earlier_fault_holds_up(refuses: str) -> None:
    async def story(stage: PairStage) -> None:
        assert clear_assets(stage) == ["BTC", "ETH", "SOL"]
        for here in stage.world.conditions.values():
            here.refuses_orders, here.unanswered_orders = refuses, not refuses
        hold(stage, "ETH", Decimal(0))
        await until(stage, lambda: clear_assets(stage) == ["BTC", "SOL"], 5)
        stage.heal()
        assert clear_assets(stage) == ["BTC", "SOL"], "what the fault left outlasts it"
        await until(stage, lambda: clear_assets(stage) == ["BTC", "ETH", "SOL"], 60)
        stage.switch.halted = HaltTold("chaos", "a drill")
        assert clear_assets(stage) == []

    told(story)
