"""The simulated custodian: what it holds and mirrors, its cycles, and what goes wrong with them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from bot.simulator.custodian import Custodian, CustodianTerms, Unusable
from bot.simulator.desk import Desk
from bot.simulator.dialects.registry import DIALECTS
from bot.simulator.server import SimulatorServer
from tests.simulator.stand import KEY, desk_of

D = Decimal
VENUE = "binancecoinm"
TERMS = CustodianTerms(
    host="api.custodian.example",
    api_key="custody-key",
    totals={"BTC": D(30), "USDT": D(1000)},
    delegations={VENUE: {"BTC": D(10)}},
    posted={VENUE: {"BTC": D(2)}},
    interval_ms=100_000,
    freeze_ms=10_000,
    step_ms=1_000,
)


class World:
    """One venue, one custodian, and a clock that only the test moves."""

    def __init__(self, terms: CustodianTerms = TERMS) -> None:
        self.now = 1_000_000
        self.desk: Desk = desk_of(VENUE, DIALECTS[VENUE])
        self.before = self.equity
        self.custodian = Custodian({VENUE: self.desk}, terms, clock=lambda: self.now)

    @property
    def equity(self) -> Decimal:
        return next(held.margin_balance for held in self.desk.exchange.balances(KEY.account) if held.asset == "BTC")

    def gain(self, quantity: str) -> None:
        """Profit, or loss, in the venue's wallet."""
        self.desk.deposit(KEY.account, "BTC", D(quantity))

    def at(self, elapsed: int) -> dict[str, Any]:
        """The row of BTC so long after the start."""
        self.now = 1_000_000 + elapsed
        self.custodian.beat()
        (row,) = self.custodian.statement()["delegations"]
        return dict(row)


@pytest.fixture
def world() -> Iterator[World]:
    """The account at the venue is emptied first, so that only what is mirrored, and profit, stands there."""
    made = World()
    made.gain(str(-made.before))
    yield made
    assert made.desk.failures == []


def test_what_is_delegated_is_margin_at_the_venue_and_stays_in_the_total(world: World) -> None:
    assert (world.equity, world.custodian.totals["BTC"]) == (10, 30)
    world.custodian.delegate(VENUE, "BTC", D(5))
    assert (world.equity, world.custodian.totals["BTC"], world.at(0)["delegated"]) == (15, 30, "15")
    world.custodian.delegate(VENUE, "BTC", D(-12))
    assert (world.equity, world.at(0)["delegated"]) == (3, "3")


@pytest.mark.parametrize(
    ("venue", "quantity", "why"),
    [(VENUE, "20.1", "20 BTC is not delegated"), (VENUE, "-10.1", "10 BTC is delegated"), ("okx", "1", "okx is not a simulated venue")],
)
def test_nobody_delegates_what_is_not_there(world: World, venue: str, quantity: str, why: str) -> None:
    with pytest.raises(Unusable, match=why):
        world.custodian.delegate(venue, "BTC", D(quantity))
    assert (world.equity, world.at(0)["delegated"]) == (10, "10")


def test_a_cycle_goes_through_every_state_and_leaves_the_account_as_it_is(world: World) -> None:
    world.gain("0.5")
    seen = [world.at(t) for t in (0, 89_999, 90_000, 100_000, 101_000, 102_000, 103_000)]
    assert [row["state"] for row in seen] == ["idle", "idle", "frozen", "calculating", "settling", "completed", "idle"]
    assert [row["due"] for row in seen] == [None, None, None, "0.5", "0.5", "0.5", None]
    assert [row["cycle"] for row in seen] == [1] * 6 + [2]
    last = seen[-1]
    assert (last["delegated"], last["settled"], world.custodian.totals["BTC"], world.equity) == ("10.5", "0.5", D("30.5"), D("10.5"))
    assert (last["next_settlement_at"], last["frozen_from"], last["frozen_until"]) == (1_200_000, 1_190_000, 1_202_000)
    assert last["posted"] == "2"


def test_nothing_is_delegated_around_a_settlement(world: World) -> None:
    for elapsed in (90_000, 100_000, 101_000):
        world.at(elapsed)
        with pytest.raises(Unusable, match="delegations are disabled") as refused:
            world.custodian.delegate(VENUE, "BTC", D(1))
        assert refused.value.status == 409
    world.at(102_000)
    world.custodian.delegate(VENUE, "BTC", D(1))


def test_of_a_loss_only_so_much_is_settled_as_was_delegated(world: World) -> None:
    world.gain("-11")
    world.at(100_000)
    row = world.at(102_000)
    assert (row["due"], row["delegated"], row["settled"], world.custodian.totals["BTC"]) == ("-10", "0", "-10", 20)


@pytest.mark.parametrize(("fault", "moved"), [("partial", "0.25"), ("failed", "0"), ("excluded", "0")])
def test_what_goes_wrong_is_told_until_the_next_cycle(world: World, fault: str, moved: str) -> None:
    world.gain("0.5")
    world.custodian.fault(VENUE, fault)
    world.at(100_000)
    for elapsed in (102_000, 150_000, 189_999):
        row = world.at(elapsed)
        assert (row["state"], row["cycle"], D(row["settled"]), D(row["delegated"]) - 10) == (fault, 1, D(moved), D(moved))
    world.custodian.fault(VENUE, "")
    world.at(190_001)
    world.at(200_000)
    assert (world.at(202_000)["state"], D(world.at(202_000)["settled"]), world.custodian.totals["BTC"]) == (
        "completed",
        D("0.5"),
        D("30.5"),
    )
    with pytest.raises(Unusable, match="no fault 'slow'; there are partial, failed, excluded"):
        world.custodian.fault(VENUE, "slow")


def test_it_holds_what_arrives_and_lets_nothing_go_that_is_delegated(world: World) -> None:
    world.custodian.deposit("BTC", D(3))
    world.custodian.deposit("BTC", D(-23))
    assert world.custodian.totals["BTC"] == 10
    with pytest.raises(Unusable, match="0 BTC is not delegated"):
        world.custodian.deposit("BTC", D(-1))


@pytest.mark.parametrize(
    ("delegations", "why"), [({"okx": {"BTC": D(1)}}, "okx is not"), ({VENUE: {"BTC": D(31)}}, "30 BTC is not delegated")]
)
def test_terms_that_cannot_be_are_refused(delegations: dict[str, dict[str, Decimal]], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        World(replace(TERMS, delegations=delegations))


async def test_over_http_by_its_host_and_its_key(world: World) -> None:
    server = SimulatorServer([world.desk], custodian=world.custodian)
    await server.start()
    assert server.hosts[-1] == TERMS.host

    async def call(method: str, path: str, body: Any = None, key: str = "custody-key") -> tuple[int, Any]:
        headers = {"Host": TERMS.host, "X-API-Key": key}
        async with http.request(method, server.url + path, headers=headers, data=None if body is None else json.dumps(body)) as answer:
            return answer.status, json.loads(await answer.text())

    try:
        async with aiohttp.ClientSession() as http:
            assert (await call("GET", "/v1/custody", key="another"))[0] == 401
            status, told = await call("GET", "/v1/custody")
            assert (status, told["totals"][0]) == (200, {"asset": "BTC", "quantity": "30"})
            assert (await call("POST", "/v1/silence", {"quiet": True}))[0] == 200
            assert (await call("POST", "/v1/delegate", {"venue": VENUE, "asset": "BTC", "quantity": "1"}))[0] == 200
            assert (await call("GET", "/v1/custody"))[1]["delegations"][0]["delegated"] == "10"
            assert (await call("POST", "/v1/silence", {"quiet": False}))[0] == 200
            assert (await call("GET", "/v1/custody"))[1]["delegations"][0]["delegated"] == "11"
            assert (await call("POST", "/v1/faults", {"venue": VENUE, "fault": "failed"}))[0] == 200
            for bad in ({"venue": VENUE, "asset": "BTC"}, {"venue": VENUE, "asset": "BTC", "quantity": "NaN"}, ["x"], "no"):
                assert (await call("POST", "/v1/delegate", bad))[0] == 400
            assert (await call("GET", "/v1/nothing"))[0] == 404
    finally:
        await server.stop()


def test_a_host_belongs_to_one(world: World) -> None:
    taken = Custodian({VENUE: world.desk}, replace(TERMS, host=world.desk.dialect.hosts[0], delegations={}))
    with pytest.raises(ValueError, match="listed by a venue and by the custodian"):
        SimulatorServer([world.desk], custodian=taken)
