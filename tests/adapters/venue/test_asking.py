"""Pages, windows and the venue's clock, with the real ccxt client before a server of ours that plays the venue's paging."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from bot.adapters.venue.asking import PAGES_MAX, Asker, NotAnswered
from bot.adapters.venue.ccxt_mapping import Unreadable
from bot.adapters.venue.settings import Environment
from bot.adapters.venue.throttle import Gate, Lane
from bot.core.instrument import ContractKind
from bot.core.units import DAY_MS
from tests.adapters.venue.loopback import Loopback, Seen, json_reply, loopback
from tests.adapters.venue.test_environments import Client, settings
from tests.adapters.venue.venue_stand import WallClock

NOW = WallClock().now()
BTC = "BTCUSDT"


def asker_of(client: Client, clock: WallClock | None = None) -> Asker:
    # Limits are another test's business: a day's worth of pages must not wait here.
    gate = Gate([type(limit)(limit.name, 10_000, limit.period_s, 1) for limit in client.profile.limits])
    asker = Asker(client.ccxt, client.profile, settings(client.profile.venue), gate, clock or WallClock())
    asker.places = {BTC: client.profile.place(BTC, ContractKind.LINEAR, "USDT")}
    return asker


def asked(request: Seen) -> dict[str, str]:
    return {key: values[0] for key, values in parse_qs(urlsplit(request.target).query).items()}


class Fills:
    """Plays the three venues' fills: `ats` are their times, oldest first, ids their places."""

    def __init__(self, venue: str, ats: Sequence[int]) -> None:
        self.venue, self.ats = venue, list(ats)

    def __call__(self, request: Seen) -> bytes:
        parameters = asked(request)
        since = int(parameters.get("startTime") or parameters.get("begin") or 0)
        longest = 90 * DAY_MS if self.venue == "okx" else 7 * DAY_MS
        until = int(parameters.get("endTime") or parameters.get("end") or since + longest)
        rows = [(number, at) for number, at in enumerate(self.ats) if since <= at <= until]
        return json_reply(orjson.dumps(getattr(self, self.venue)(rows, parameters)).decode())

    def binanceusdm(self, rows: list[tuple[int, int]], parameters: dict[str, str]) -> Any:
        return [{"id": number, "time": at} for number, at in rows[: int(parameters["limit"])]]

    def bybit(self, rows: list[tuple[int, int]], parameters: dict[str, str]) -> Any:
        start, limit = int(parameters.get("cursor", 0)), int(parameters["limit"])
        page = rows[::-1][start : start + limit]
        more = str(start + limit) if len(rows) > start + limit else ""
        listed = [{"execId": str(number), "execTime": str(at)} for number, at in page]
        return {"retCode": 0, "retMsg": "OK", "result": {"list": listed, "nextPageCursor": more}, "time": NOW}

    def okx(self, rows: list[tuple[int, int]], parameters: dict[str, str]) -> Any:
        before = int(parameters.get("after", 10**9))
        page = [row for row in rows[::-1] if row[0] < before][: int(parameters["limit"])]
        return {"code": "0", "msg": "", "data": [{"billId": str(number), "tradeId": str(number), "ts": str(at)} for number, at in page]}


async def _paged(venue: str, ats: Sequence[int], since: int) -> tuple[set[str], Loopback]:
    async with loopback(Fills(venue, ats)) as server, Client(venue, Environment.SIMULATION, server) as client:
        fills = client.profile.reads.fills
        rows = await asker_of(client).paged(fills, Lane.RECONCILE, since, symbols=[BTC])
        return {str(row.get("id", row.get("execId", row.get("tradeId")))) for row in rows}, server


@pytest.mark.parametrize("venue", ["binanceusdm", "bybit", "okx"])
@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 350, 1_000, 2_500])
async def test_every_row_is_found_over_as_many_pages_as_it_takes(venue, count):
    since = NOW - 3_600_000
    found, server = await _paged(venue, [since + step for step in range(count)], since)
    assert found == {str(number) for number in range(count)}
    assert len(server.seen) <= count // 100 + 2


@pytest.mark.parametrize("venue", ["binanceusdm", "bybit", "okx"])
async def test_a_long_absence_is_asked_for_window_by_window(venue):
    since = NOW - 30 * DAY_MS
    found, server = await _paged(venue, [since + day * DAY_MS for day in range(30)], since)
    assert found == {str(number) for number in range(30)}
    for request in server.seen:
        parameters = asked(request)
        start = int(parameters.get("startTime") or parameters["begin"])
        assert venue == "okx" or int(parameters.get("endTime", NOW + 60_000)) - start <= 7 * DAY_MS + 60_000


@pytest.mark.parametrize("venue", ["bybit", "okx"])
async def test_more_pages_than_we_read_is_unreadable_not_all(venue):
    since = NOW - 3_600_000
    with pytest.raises(Unreadable, match="pages"):
        await _paged(venue, [since + step for step in range(100 * PAGES_MAX + 1)], since)


async def test_a_whole_page_of_one_instant_is_unreadable_where_pages_go_by_time():
    since = NOW - 3_600_000
    with pytest.raises(Unreadable, match="one instant"):
        await _paged("binanceusdm", [since] * 1_001, since)


async def test_an_answer_as_long_as_the_venue_makes_them_may_be_cut():
    rows = [{"symbol": "BTCUSDT", "orderId": str(number)} for number in range(50)]
    body = orjson.dumps({"retCode": 0, "result": {"list": rows}}).decode()
    async with loopback(lambda _: json_reply(body)) as server, Client("bybit", Environment.SIMULATION, server) as client:
        with pytest.raises(Unreadable, match="may be cut"):
            await asker_of(client).rows(client.profile.reads.open_orders, Lane.RECONCILE, symbols=[BTC])


class Ticking:
    """A venue's clock that is `ahead_ms` of ours, behind a network that takes `takes_ms` and is lopsided at its worst."""

    def __init__(self, ahead_ms: int) -> None:
        self.ahead_ms, self.takes_ms = ahead_ms, 0
        self.clock = WallClock()
        self.told_now = NOW
        self.clock.now = self.now  # type: ignore[method-assign]  # this test owns time

    def now(self) -> int:
        return self.told_now

    def __call__(self, _: Seen) -> bytes:
        at = self.told_now + self.ahead_ms
        self.told_now += self.takes_ms  # all of the delay is on the way back
        return json_reply(f'{{"serverTime":{at}}}')


async def test_a_slow_answer_does_not_shift_a_clock_that_a_quick_one_set():
    venue = Ticking(ahead_ms=250)
    async with loopback(venue) as server, Client("binanceusdm", Environment.SIMULATION, server) as client:
        asker = asker_of(client, venue.clock)
        for takes_ms, offset in ((20, 240), (4_000, 240), (600, 240), (10, 245)):
            venue.takes_ms = takes_ms
            await asker.measure_clock(Lane.RECONCILE)
            assert asker.offset_ms == offset
            assert client.ccxt.options["timeDifference"] == -offset
        venue.ahead_ms, venue.takes_ms = -2_000, 100  # somebody set a clock: the slow answer disproves what was held
        await asker.measure_clock(Lane.RECONCILE)
        assert asker.offset_ms == -2_050


@pytest.mark.parametrize("body", ["", "{}", "[]", "null", '{"serverTime":""}', '{"serverTime":"soon"}', "<html></html>"])
async def test_a_clock_that_cannot_be_read_is_no_clock(body):
    async with loopback(lambda _: json_reply(body)) as server, Client("binanceusdm", Environment.SIMULATION, server) as client:
        with pytest.raises((Unreadable, NotAnswered)):
            await asker_of(client).measure_clock(Lane.RECONCILE)


WRONG_ENVELOPES: list[tuple[str, Callable[[Any], Any], str]] = [
    ("bybit", lambda reads: reads.positions, '{"result":{"list":[]}}'),
    ("bybit", lambda reads: reads.positions, '{"retCode":0,"result":{}}'),
    ("bybit", lambda reads: reads.positions, '{"retCode":0,"result":{"list":[7]}}'),
    ("okx", lambda reads: reads.positions, '{"data":[]}'),
    ("okx", lambda reads: reads.positions, '{"code":"0","data":{}}'),
    ("binanceusdm", lambda reads: reads.positions, '"[]"'),
    ("binanceusdm", lambda reads: reads.positions, ""),
]


@pytest.mark.parametrize(("venue", "query", "body"), WRONG_ENVELOPES)
async def test_rows_come_only_out_of_a_proven_success(venue, query, body):
    async with loopback(lambda _: json_reply(body)) as server, Client(venue, Environment.SIMULATION, server) as client:
        with pytest.raises((Unreadable, NotAnswered)):
            await asker_of(client).rows(query(client.profile.reads), Lane.RECONCILE, symbols=[BTC])
