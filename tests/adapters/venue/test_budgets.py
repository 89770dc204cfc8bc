"""Request budgets as venues count them: reserves, what headers tell, bans, shares, and the keyless client. Real wire where it matters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from structlog.testing import capture_logs

from bot.adapters.venue.ban_file import BanFile
from bot.adapters.venue.ccxt_venue import CcxtVenue
from bot.adapters.venue.feedback import Brake, Counts, Feedback, StayAwaySign, UsageHeader
from bot.adapters.venue.profile import Tiers
from bot.adapters.venue.profiles import PROFILES
from bot.adapters.venue.questions import Ask, Query
from bot.adapters.venue.throttle import Gate, Lane, RequestLimit, StayAway
from bot.core.commands import CancelOrder
from bot.core.events import CancelUnconfirmed, OrderRefused, OrderReported, VenueLink, VenueLinkChanged, VenueReported, VenueUnreadable
from bot.core.units import VenueId
from bot.simulator.dialects.dialect import Operation
from bot.simulator.faults import FaultKind
from tests.adapters.venue.test_throttle import _now, _throttlers_read_the_loops_clock, virtually  # noqa: F401  an autouse fixture
from tests.adapters.venue.venue_stand import DIALECTS, Stand, settings_of, standing, until
from tests.simulator.stand import KEY

KEY_HEADERS = {"x-mbx-apikey", "x-bapi-api-key", "ok-access-key", "authorization"}


@pytest.fixture(params=list(DIALECTS))
async def stand(request) -> AsyncIterator[Stand]:
    async with standing(request.param, moving=True) as one:
        yield one


def reached(stand: Stand) -> list:
    """Every request that reaches the venue from now on."""
    seen, handle = [], stand.desk.handle

    def noting(request):
        seen.append(request)
        return handle(request)

    stand.desk.handle = noting
    return seen


# --- reserves -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("venue", list(PROFILES))
@virtually
async def test_cancels_have_a_reserve_that_nothing_else_can_use(venue):
    """Of every limit that a cancel draws on, after all other lanes have taken all that they can get of it."""
    profile = PROFILES[venue]
    for name, weight in profile.weights[Ask.CANCEL].items():
        gate = Gate(profile.limits)
        asks = [ask for ask, owed in profile.weights.items() if name in owed and ask is not Ask.CANCEL]
        limit = next(each for each in profile.limits if each.name == name)
        if not asks:
            continue
        greedy = [asyncio.create_task(gate.admit(lane, {name: limit.units})) for lane in Lane if lane is not Lane.CANCEL]
        await asyncio.sleep(0.01)
        assert gate.left(name) == limit.for_cancels >= weight
        started = _now()
        await gate.admit(Lane.CANCEL, {name: limit.for_cancels})
        assert _now() == started
        for task in greedy:
            task.cancel()
        await asyncio.gather(*greedy, return_exceptions=True)


@virtually
async def test_a_cancel_goes_before_a_reduction_that_came_earlier():
    gate = Gate([RequestLimit("weight", 4, 0.1, 2, for_cancels=1)])
    await gate.admit(Lane.CANCEL, {"weight": 4})
    order = []

    async def one(lane: Lane) -> None:
        await gate.admit(lane, {"weight": 1})
        order.append(lane)

    await asyncio.gather(one(Lane.REDUCE), one(Lane.REDUCE), one(Lane.CANCEL))
    assert order == [Lane.CANCEL, Lane.REDUCE, Lane.REDUCE]


@virtually
async def test_whoever_waits_sleeps_until_its_turn_and_nothing_polls():
    """Two hundred waiting requests wake the loop a few times per grant, not thousands of times."""
    gate = Gate([RequestLimit("weight", 11, 1.0, 1)], queue_max=400)
    await gate.admit(Lane.MARKET_DATA, {"weight": 10})
    waiting = [asyncio.create_task(gate.admit(Lane.MARKET_DATA, {"weight": 1})) for _ in range(200)]
    await asyncio.sleep(0)
    loop, calls = asyncio.get_running_loop(), 0
    original = loop.call_at

    def counted(*arguments, **named):
        nonlocal calls
        calls += 1
        return original(*arguments, **named)

    loop.call_at = counted
    await asyncio.gather(*waiting)
    assert calls <= 2 * len(waiting)


# --- what the venue says ------------------------------------------------------------------------------------------------


def _brake(gate: Gate, told: list | None = None, **feedback) -> Brake:
    return Brake(VenueId("test"), Feedback(**feedback), gate, None if told is None else told.append)


USED = UsageHeader(header="X-Used", limit="weight", counts=Counts.USED)
LEFT = UsageHeader(header="X-Left", limit="weight", counts=Counts.LEFT, path="/create", resets_at="X-Reset")


@virtually
async def test_used_weight_that_is_not_ours_counts_until_the_venues_minute_is_over():
    gate = Gate([RequestLimit("weight", 100, 60.0, 10, for_look_ups=10, for_cancels=5)])
    brake = _brake(gate, usage=(USED,))
    brake.answered("/x", 200, {"X-Used": "93"}, 50_000)
    assert gate.left("weight") == 7
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(9.0):  # the reserves hold against neighbours too
            await gate.admit(Lane.INCREASE, {"weight": 1})
    await gate.admit(Lane.REDUCE, {"weight": 2})
    started = _now()
    await gate.admit(Lane.INCREASE, {"weight": 1})
    assert _now() - started < 1.1
    brake.answered("/x", 200, {"X-Used": "0"}, 61_000)
    assert gate.left("weight") == 97, "our own count is never given back"


@virtually
async def test_what_is_left_is_about_the_endpoint_that_was_asked():
    gate = Gate([RequestLimit("weight", 10, 1.0, 2)])
    brake = _brake(gate, usage=(LEFT,))
    brake.answered("/other", 200, {"X-Left": "1", "X-Reset": "500"}, 0)
    assert gate.left("weight") == 10
    brake.answered("/v5/create", 200, {"X-Left": "0", "X-Reset": "500"}, 0)
    assert gate.left("weight") == 0
    await asyncio.sleep(0.51)
    assert gate.left("weight") == 10
    brake.answered("/v5/create", 200, {"X-Left": "4", "X-Reset": "1"}, 0)
    await asyncio.sleep(0.9)
    assert gate.left("weight") == 4, "a count that is not used up rolls: what it counts was drawn within the last period"


@pytest.mark.parametrize("nonsense", ["", "-3", "many", "1e3", "٣"])
@virtually
async def test_a_header_that_makes_no_sense_changes_nothing(nonsense):
    gate = Gate([RequestLimit("weight", 10, 1.0, 2)])
    _brake(gate, usage=(USED,)).answered("/x", 200, {"X-Used": nonsense}, 0)
    assert gate.left("weight") == 10


async def test_a_neighbours_use_is_seen_in_the_headers_of_binance():
    async with standing("binanceusdm") as stand:
        stand.desk.dialect._state.budget.spend(1_500, stand.clock.now())
        assert isinstance(await stand.venue.read(stand.reading()), VenueReported)
        used = 2_400 - stand.venue._gate.left("weight")
        assert used >= 1_500 or stand.clock.now() % 60_000 < 2_000  # unless the venue's minute has just changed


async def test_a_neighbours_use_is_seen_in_the_headers_of_bybit():
    async with standing("bybit") as stand:
        visits = stand.desk.dialect._venue.visits
        for _ in range(17):
            visits.count(KEY.account, "/v5/order/create", 20, stand.clock.now())
        await stand.venue.place(stand.order("-0.05"))
        assert stand.venue._gate.left("orders") <= 2
        assert stand.venue._gate.left("cancels") == 10


# --- bans ---------------------------------------------------------------------------------------------------------------


@virtually
async def test_a_ban_blocks_every_lane_and_ends_by_itself():
    gate = Gate([RequestLimit("weight", 10, 1.0, 2)])
    told: list[float] = []
    brake = _brake(gate, told, stay_away=(StayAwaySign(status=418, seconds=120.0, for_header="Retry-After"),))
    with capture_logs() as logs:
        brake.answered("/x", 418, {"Retry-After": "30"}, 0)
        brake.answered("/x", 418, {"Retry-After": "30"}, 0)  # another answer to what was on its way
    assert told == [30.0]
    assert [(each["event"], each["log_level"], each["seconds"]) for each in logs] == [("venue_says_stay_away", "error", 30.0)]
    for lane in Lane:
        with pytest.raises(StayAway, match="another 30"):
            await gate.admit(lane, {"weight": 1})
    await asyncio.sleep(29.5)
    started = _now()
    await asyncio.gather(*(gate.admit(lane, {"weight": 1}) for lane in Lane))
    assert _now() - started == pytest.approx(0.5, abs=0.01)
    assert gate.closed_for == 0


@virtually
async def test_a_code_about_one_endpoint_empties_its_limits_and_no_others():
    gate = Gate([RequestLimit("fills", 10, 2.0, 2), RequestLimit("cancels", 60, 2.0, 20)])
    told: list[float] = []
    _brake(gate, told, stay_away=(StayAwaySign(code="50011", seconds=2.0, is_of_endpoint=True),)).refused("50011", ["fills"])
    assert told == [2.0]
    assert (gate.left("fills"), gate.left("cancels"), gate.closed_for) == (0, 60, 0)
    await asyncio.sleep(2.01)
    assert gate.left("fills") == 10


BANS = {
    "binanceusdm": (418, '{"code":-1003,"msg":"Way too many requests; IP banned until 1."}'),
    "binancecoinm": (418, '{"code":-1003,"msg":"Way too many requests; IP banned until 1."}'),
    "bybit": (403, "<html>403 Forbidden</html>"),
}


@pytest.mark.parametrize("name", sorted(BANS))
async def test_a_banned_adapter_sends_nothing_says_so_at_once_and_tells_it(name):
    """S23: no request of any kind leaves during a ban, an order is refused as not sent, and the link says why."""
    status, body = BANS[name]
    told: list[float] = []
    async with standing(name, moving=True) as stand, stand.listening() as box:
        stand.venue._brake._told = told.append
        stand.arm(FaultKind.REFUSE, Operation.POSITIONS, status=status, body=body)
        assert isinstance(await stand.venue.read(stand.reading()), VenueUnreadable)
        seen = reached(stand)
        order = stand.order("-0.05")
        refused = await stand.venue.place(order)
        assert isinstance(refused, OrderRefused)
        assert (refused.code, "stay away" in refused.reason) == ("not_sent", True)
        cancel = CancelOrder(client_order_id=order.client_order_id, instrument=order.instrument, venue_order_id=None)
        assert isinstance(await stand.venue.cancel(cancel), CancelUnconfirmed)
        assert isinstance(await stand.venue.read(stand.reading()), VenueUnreadable)
        assert await stand.venue.markets() == []
        assert seen == []
        await until(lambda: box.link is VenueLink.STALE)
        assert "stay away" in box.of(VenueLinkChanged)[-1].reason
        assert len(told) == 1
        stand.venue._gate._closed_until = 0.0  # time passes
        await until(lambda: box.link is VenueLink.UP)
        assert isinstance(await stand.venue.place(stand.order("-0.05")), OrderReported)


async def test_a_ban_is_remembered_by_the_next_run_and_nothing_leaves_within_it(tmp_path):
    """A run that is killed during a ban says nothing any more; what it heard is in a file, by the wall clock."""
    async with standing("binanceusdm") as stand:
        given, kept = settings_of("binanceusdm", stand.server), BanFile(tmp_path / "state" / "stay-away")
        first, second = (CcxtVenue(given, stand.clock, bans=kept) for _ in range(2))
        await first.open()
        stand.arm(FaultKind.REFUSE, Operation.POSITIONS, status=418, body="<html>banned</html>")
        assert isinstance(await first.read(stand.reading()), VenueUnreadable)
        assert stand.clock.now() + 110_000 < kept.until() < stand.clock.now() + 121_000
        seen = reached(stand)
        with pytest.raises(ConnectionError, match="stay away"):
            await second.open()
        assert seen == []
        kept.keep(stand.clock.now() - 1)
        third = CcxtVenue(given, stand.clock, bans=kept)
        assert len(await third.open()) == 2
        for venue in (first, second, third):
            await venue.close()


@pytest.mark.parametrize("content", ["", "soon", "-5", "1e9", "\xff"])
def test_a_file_that_tells_no_instant_tells_of_no_ban(tmp_path, content):
    path = tmp_path / "stay-away"
    path.write_text(content, encoding="latin-1")
    assert BanFile(path).until() is None


async def test_nothing_that_ccxt_sends_of_itself_leaves_during_a_ban_either(stand):
    """It makes subscriptions anew, at Binance with a request for a listen key before it: none of that passes the gate's lanes."""
    async with stand.listening() as box:
        seen = reached(stand)
        stand.venue._gate.close_for(2.5)
        for socket in stand.sockets(private=True):
            stand.venue._listener._cut(socket, "the test cuts it")
        stand.venue._listener._listen_key.forget()
        await until(lambda: box.link is VenueLink.DOWN)
        await asyncio.sleep(1.5)
        assert stand.venue._gate.closed_for > 0
        assert seen == []
        assert not stand.sockets(private=True)
        await until(lambda: box.link is VenueLink.UP)
        assert isinstance(await stand.venue.place(stand.order("-0.05")), OrderReported)


async def test_a_status_in_the_answer_to_the_listing_is_heeded_without_a_code_too():
    """It is asked for on a thread of its own: the same ears hear it."""
    async with standing("binanceusdm") as stand:
        stand.arm(FaultKind.REFUSE, Operation.MARKETS, status=418, body="<html>banned</html>")
        assert list(await stand.venue.describe()) == []
        assert stand.venue._gate.closed_for > 100
        seen = reached(stand)
        assert list(await stand.venue.describe()) == []
        assert await stand.venue.markets() == []
        assert seen == []


async def test_a_rate_limit_code_of_okx_empties_the_limit_of_what_was_asked():
    async with standing("okx") as stand:
        stand.arm(FaultKind.REFUSE, Operation.POSITIONS, status=429, body='{"code":"50011","msg":"Too Many Requests","data":[]}')
        assert isinstance(await stand.venue.read(stand.reading()), VenueUnreadable)
        assert stand.venue._gate.left("positions") == 0
        assert stand.venue._gate.left("cancels") == 60
        assert isinstance(await stand.venue.place(stand.order("-0.05")), OrderReported)


# --- two bots behind one address ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("venue", list(PROFILES))
@pytest.mark.parametrize("share", ["0.5", "0.1"])
def test_shares_of_a_budget_never_add_up_to_more_than_it(venue, share):
    for limit in PROFILES[venue].limits:
        ours = limit.shared(Decimal(share))
        fits = int(1 / Decimal(share))
        assert ours.units * fits <= limit.units or ours.units == ours.reserved + ours.for_look_ups + 1
        assert ours.venue_units == limit.units


async def test_with_a_share_the_headers_of_both_bots_use_are_read_against_the_whole():
    async with standing("binanceusdm") as stand:
        venue = CcxtVenue(settings_of("binanceusdm", stand.server, request_share=Decimal("0.5")), stand.clock)
        try:
            await venue.open()
            before = venue._gate.left("weight")
            assert 0 < before <= 1_200
            venue._headers_seen("/fapi/v1/order", 200, {"X-MBX-USED-WEIGHT-1M": "1150"})
            assert venue._gate.left("weight") == before, "the other bot's half is the other bot's"
            venue._headers_seen("/fapi/v1/order", 200, {"X-MBX-USED-WEIGHT-1M": "2350"})
            assert venue._gate.left("weight") == 50
        finally:
            await venue.close()


# --- the keyless client -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "is_public"),
    [
        ("fapiPublicGetTime", True),
        ("publicGetV5MarketTime", True),
        ("dapiPublicGetPremiumIndex", True),
        ("privateGetV5OrderRealtime", False),
        ("fapiPrivateV3GetAccount", False),
        ("privateGetPublicThing", False),
    ],
)
def test_what_is_public_is_told_by_the_section_that_ccxt_keeps_it_in(call, is_public):
    assert Query(ask=Ask.CLOCK, call=call).is_public is is_public


async def test_public_questions_carry_no_key_and_private_ones_do(stand):
    public = stand.venue._up.public
    assert not public.apiKey
    assert not public.secret
    seen = reached(stand)
    await stand.venue.describe()
    await stand.venue.markets()
    await stand.venue.funding_rates()
    asked = {request.path for request in seen}
    keyed = {request.path for request in seen if _is_keyed(request)}
    profile = stand.venue._profile
    tiers = [profile.tiers.query] if isinstance(profile.tiers, Tiers) else []
    queries = [*tiers, profile.funding.rates, profile.market.open_interest]
    assert len(asked) > len(keyed) == sum(not query.is_public for query in queries)
    await stand.venue.place(stand.order("-0.05"))
    assert any(_is_keyed(request) for request in seen)


def _is_keyed(request) -> bool:
    """Whether a request is signed: by its headers, or in its body where there are none for that."""
    return bool(KEY_HEADERS & {name.lower() for name in request.headers}) or b'"signature"' in request.body


async def test_an_order_never_waits_for_a_connection_behind_public_polls(stand):
    """Two hundred polls hang at the venue, more than a session has connections: they hang in the other client's."""
    stand.arm(FaultKind.HOLD_REQUEST, Operation.MARKET_DATA, delay_ms=3_000, times=200)
    query = stand.venue._profile.market.open_interest
    call = getattr(stand.venue._up.public, query.call)
    (scope,) = stand.venue._up.asker.scopes(query, [stand.btc.venue_symbol])
    polls = [asyncio.create_task(call({**query.fixed, **scope})) for _ in range(200)]
    try:
        await asyncio.sleep(0.3)
        async with asyncio.timeout(2.0):
            answer = await stand.venue.place(stand.order("-0.05"))
        assert isinstance(answer, OrderReported)
        assert not any(poll.done() for poll in polls)
    finally:
        for poll in polls:
            poll.cancel()
        await asyncio.gather(*polls, return_exceptions=True)
