"""The touch that a stream tells, held against the venue's own answer; and a clock for each topic of each instrument."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import ccxt
import pytest
from structlog.testing import capture_logs

import bot
from bot.adapters.venue import book_check, stream_clocks
from bot.adapters.venue.asking import Asker
from bot.adapters.venue.book_check import BookCheck
from bot.adapters.venue.profile import Topic
from bot.adapters.venue.profiles import PROFILES
from bot.adapters.venue.stream_clocks import StreamClocks
from bot.adapters.venue.throttle import Gate
from bot.core.events import Quote, ReportUnreadable, VenueLink, VenueLinkChanged
from bot.core.instrument import ContractKind
from bot.core.units import VenueId
from bot.simulator.virtual_time import VirtualClock
from tests.adapters.venue.payloads import instrument
from tests.adapters.venue.test_environments import settings
from tests.adapters.venue.test_throttle import _throttlers_read_the_loops_clock, virtually  # noqa: F401  an autouse fixture
from tests.adapters.venue.venue_stand import DIALECTS, STANDS, Stand, standing, until
from tests.simulator.stand import FAIR, tick_of

D = Decimal
SYMBOL = "BTCUSDT"
OURS = instrument("binanceusdm", SYMBOL)


class Answers:
    """Stands in for ccxt: what the venue says over REST."""

    def __init__(self, bid: str = "60000", ask: str = "60001") -> None:
        self.touch: tuple[str, str] | Exception = (bid, ask)
        self.asked = 0

    async def fapiPublicGetTickerBookTicker(self, parameters: dict[str, Any]) -> Any:  # noqa: N802  ccxt's name
        self.asked += 1
        await asyncio.sleep(0.1)
        if isinstance(self.touch, Exception):
            raise self.touch
        return {"symbol": parameters["symbol"], "bidPrice": self.touch[0], "askPrice": self.touch[1]}


def checking(venue: Answers, *, others_told: bool = False) -> tuple[BookCheck, list[tuple[str, str]]]:
    profile = PROFILES[VenueId("binanceusdm")]
    asker = Asker(venue, profile, settings("binanceusdm"), Gate(profile.limits), VirtualClock())
    asker.places = {SYMBOL: profile.place(SYMBOL, ContractKind.LINEAR, "USDT")}
    ours = {SYMBOL: OURS}
    doubted: list[tuple[str, str]] = []
    told = (lambda *said: doubted.append(said)), (lambda symbol: others_told)
    return BookCheck(asker, profile.touch, ours, VirtualClock(), *told), doubted


def quote(bid: str, ask: str) -> Quote:
    instrument = OURS.id
    return Quote(
        instrument=instrument,
        bid=D(bid),
        ask=D(ask),
        bid_quantity=None,
        ask_quantity=None,
        mark=None,
        index=None,
        book_at=0,
        mark_at=None,
    )


@virtually
async def test_a_stream_that_agrees_is_asked_about_once_and_believed():
    venue = Answers()
    check, doubted = checking(venue)
    check.heard(quote("60000", "60001"))
    await check.check(SYMBOL)
    assert (venue.asked, doubted, check.doubtful) == (1, [], set())


@virtually
async def test_a_subscription_made_anew_that_is_as_bad_is_made_anew_again_after_pauses_that_double():
    """It may be the next one that is good; but each time others' books are lost for a moment too."""
    venue = Answers("61000", "61001")
    check, doubted = checking(venue)
    made_at: list[float] = []
    check._doubted = lambda *said: made_at.append(asyncio.get_running_loop().time())

    async def until_made(times: int) -> None:
        for _ in range(1_000):
            if len(made_at) == times:
                return
            check.heard(quote("60000", "60001"))
            await check.check(SYMBOL)
            await asyncio.sleep(10.0)
        raise AssertionError(f"made anew {len(made_at)} times only")

    await until_made(8)
    pauses = [later - before for before, later in pairwise(made_at)]
    wanted = [60.0, 120.0, 240.0, 480.0, 960.0, 1_800.0, 1_800.0]
    assert all(least <= pause < least + 20.0 for pause, least in zip(pauses, wanted, strict=True)), pauses
    venue.touch = ("60000", "60001")
    check.heard(quote("60000", "60001"))
    await check.check(SYMBOL)
    assert check.doubtful == set()
    venue.touch = ("61000", "61001")
    await until_made(9)
    assert doubted == []
    begun = asyncio.get_running_loop().time()
    await until_made(10)
    assert asyncio.get_running_loop().time() - begun < 80.0, "one that was believed meanwhile begins with the shortest pause"


@virtually
async def test_a_stream_that_tells_nothing_is_held_against_nothing():
    venue = Answers()
    check, doubted = checking(venue)
    await check.check(SYMBOL)
    assert (venue.asked, doubted) == (0, [])


@virtually
async def test_a_touch_that_moves_while_the_stream_tells_of_others_alone_is_a_subscription_that_was_lost_from_the_start():
    venue = Answers()
    check, doubted = checking(venue, others_told=True)
    await check.check(SYMBOL)
    await check.check(SYMBOL)
    assert (venue.asked, doubted) == (2, []), "a market in which nothing happens is no fault of the stream"
    venue.touch = ("60100", "60101")
    await check.check(SYMBOL)
    ((symbol, difference),) = doubted
    assert symbol == SYMBOL
    assert difference == "the stream tells nothing, the venue's own touch went from 60000 / 60001 to 60100 / 60101"
    check.forget(OURS.id)
    check.heard(quote("60100", "60101"))
    await check.check(SYMBOL)
    assert (len(doubted), check.doubtful) == (1, set())


@virtually
async def test_what_is_told_at_last_is_not_lost():
    venue = Answers()
    check, doubted = checking(venue, others_told=True)
    await check.check(SYMBOL)
    venue.touch = ("60100", "60101")
    asked = asyncio.create_task(check.check(SYMBOL))
    await asyncio.sleep(0.05)
    check.heard(quote("60100", "60101"))
    await asked
    assert doubted == []


@virtually
async def test_a_market_that_moves_while_it_is_asked_about_agrees():
    """The answer is as old as some quote between the question and half a second after the answer."""
    venue = Answers("60600", "60601")
    check, doubted = checking(venue)
    check.heard(quote("60000", "60001"))
    asked = asyncio.create_task(check.check(SYMBOL))
    await asyncio.sleep(0.3)
    check.heard(quote("61000", "61001"))
    await asked
    assert (venue.asked, doubted) == (1, [])


@virtually
async def test_a_difference_that_lasts_has_the_stream_doubted_once_with_both_touches():
    venue = Answers("60600", "60601")
    check, doubted = checking(venue)
    check.heard(quote("60000", "60001"))
    with capture_logs() as logs:
        await check.check(SYMBOL)
        await check.check(SYMBOL)
    assert venue.asked == 2 * book_check.STRIKES
    assert [symbol for symbol, _ in doubted] == [SYMBOL]
    assert "60000 / 60001" in doubted[0][1]
    assert "60600 / 60601" in doubted[0][1]
    assert check.doubtful == {OURS.id}
    assert [each["event"] for each in logs if each["log_level"] == "error"] == ["book_doubted"]


@virtually
async def test_a_difference_that_passes_is_forgiven():
    venue = Answers("60600", "60601")
    check, doubted = checking(venue)
    check.heard(quote("60000", "60001"))
    asked = asyncio.create_task(check.check(SYMBOL))
    await asyncio.sleep(1.0)
    check.heard(quote("60600", "60601"))
    await asked
    assert (venue.asked, doubted) == (2, [])


@virtually
async def test_a_doubted_stream_is_believed_again_when_an_answer_agrees():
    venue = Answers("60600", "60601")
    check, _ = checking(venue)
    check.heard(quote("60000", "60001"))
    await check.check(SYMBOL)
    assert check.doubtful
    check.heard(quote("60600", "60601"))
    await check.check(SYMBOL)
    assert not check.doubtful


@pytest.mark.parametrize("touch", [ccxt.RequestTimeout("late"), ("0", "0"), ("NaN", "60001")])
@virtually
async def test_an_answer_that_says_nothing_teaches_nothing(touch):
    venue = Answers()
    venue.touch = touch
    check, doubted = checking(venue)
    check.heard(quote("50000", "50001"))
    await check.check(SYMBOL)
    assert (doubted, check.doubtful) == ([], set())


@virtually
async def test_a_subscription_that_is_made_anew_meanwhile_is_not_judged_by_the_old_one():
    venue = Answers("60600", "60601")
    check, doubted = checking(venue)
    check.heard(quote("60000", "60001"))
    asked = asyncio.create_task(check.check(SYMBOL))
    await asyncio.sleep(0.2)
    check.forget(OURS.id)
    await asked
    assert (venue.asked, doubted) == (1, [])


@virtually
async def test_every_instrument_is_asked_about_on_the_beat():
    venue = Answers()
    check, _ = checking(venue)
    check.heard(quote("60000", "60001"))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(65):
            await check.run()
    assert 5 <= venue.asked <= 6


# --- clocks -------------------------------------------------------------------------------------------------------------


def test_each_topic_of_each_instrument_has_its_own_clock():
    clocks = StreamClocks([Topic.BOOK, Topic.MARK, Topic.ORDERS], ["A", "B"], 0.0)
    clocks.told(Topic.BOOK, "A", 10.0)
    clocks.told(Topic.MARK, "C", 10.0)  # none of ours
    assert (clocks.age(Topic.BOOK, "A", 12.0), clocks.age(Topic.BOOK, "B", 12.0)) == (2.0, 12.0)
    assert [(each.topic, each.symbol) for each in clocks.newly_silent(16.0)] == [(Topic.BOOK, "B")]
    assert clocks.newly_silent(17.0) == [], "told once"
    clocks.told(Topic.BOOK, "B", 18.0)
    assert [(each.topic, each.symbol) for each in clocks.newly_silent(31.0)] == [(Topic.BOOK, "A"), (Topic.MARK, "A"), (Topic.MARK, "B")]
    assert [(each.topic, each.symbol, each.seconds) for each in clocks.newly_silent(34.0)] == [(Topic.BOOK, "B", 16.0)]
    with pytest.raises(KeyError):
        clocks.age(Topic.ORDERS, "A", 1.0)


def test_a_topic_is_silent_as_a_whole_only_when_every_instrument_is():
    clocks = StreamClocks([Topic.MARK], ["A", "B"], 0.0)
    clocks.told(Topic.MARK, "B", 5.0)
    assert not clocks.all_silent(Topic.MARK, ["A", "B"], 31.0)
    assert clocks.all_silent(Topic.MARK, ["A"], 31.0)
    assert clocks.all_silent(Topic.MARK, ["A", "B"], 36.0)
    clocks.restart(["A"], 36.0)
    assert not clocks.all_silent(Topic.MARK, ["A", "B"], 40.0)
    assert not clocks.all_silent(Topic.BOOK, ["A", "B"], 999.0), "a venue without the topic has no clock for it"


# --- on the wire --------------------------------------------------------------------------------------------------------


class Deaf:
    """Loses frames on their way to us: those of `topic` that are about `symbol` (None: about any)."""

    def __init__(self, stand: Stand, topic: Topic, symbol: str | None) -> None:
        streams = stand.venue._profile.streams
        self.on = False
        shape = streams.book if topic is Topic.BOOK else streams.mark

        def hear(message: Any) -> Any:
            told = streams.hear(message)
            if not self.on or told is None or topic not in streams.topics.get(told.topic, ()):
                return told
            rows = told.rows if symbol is not None else ()
            return replace(told, rows=tuple(row for row in rows if row.get(shape.symbol[0][0]) != symbol))

        stand.venue._profile = replace(stand.venue._profile, streams=replace(streams, hear=hear))


@pytest.mark.parametrize("name", list(STANDS))
async def test_a_book_that_was_lost_on_a_living_socket_is_found_not_quoted_and_made_anew(name, monkeypatch):
    """No sequence number tells of it, other books go on, pongs come: only the venue's own answer shows it."""
    for figure in ("CHECK_SECONDS", "SETTLE_SECONDS", "STRIKE_PAUSE_SECONDS"):
        monkeypatch.setattr(book_check, figure, 0.1)
    async with standing(name) as stand:
        deaf = Deaf(stand, Topic.BOOK, stand.btc.venue_symbol)
        prices = dict(FAIR)
        market = asyncio.create_task(_moving_about(stand, prices))
        async with stand.listening() as box:
            await until(lambda: any(each.instrument == stand.btc.id for each in box.quotes))
            up = len(box.of(VenueLinkChanged))
            deaf.on = True
            prices["BTC"] *= D("1.01")
            await until(lambda: any("own answer" in event.what for event in box.of(ReportUnreadable)))
            deaf.on = False
            told = len(box.quotes)
            await until(lambda: any(each.instrument == stand.btc.id for each in box.quotes[told:]), 12)
            assert all(abs(each.bid - prices["BTC"]) < 5 for each in box.quotes[told:] if each.instrument == stand.btc.id)
            cut = VenueLink.DOWN in [each.link for each in box.of(VenueLinkChanged)[up:]]
            assert cut is PROFILES[VenueId(stand.name)].streams.one_socket, "the private socket is left alone where it is another one"
        market.cancel()


async def _moving_about(stand: Stand, prices: dict[str, Decimal]) -> None:
    for turn in count():
        for contract in stand.desk.exchange.contracts.values():
            stand.desk.tick(tick_of(contract, prices[contract.base] + turn % 2 * contract.tick))
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("name", list(DIALECTS))
async def test_marks_that_are_silent_while_books_go_on_are_subscribed_anew(name, monkeypatch):
    monkeypatch.setattr(stream_clocks, "SILENT_SECONDS", {Topic.BOOK: 15.0, Topic.MARK: 1.5})
    async with standing(name, moving=True) as stand:
        deaf = Deaf(stand, Topic.MARK, None)
        with capture_logs() as logs:
            async with stand.listening():
                listener = stand.venue._listener
                one = PROFILES[VenueId(name)].streams.one_socket
                before = set(listener._sockets()) - set(() if one else listener.private_sockets())
                deaf.on = True
                await until(lambda: before and all(socket.closed() for socket in before), 12)
                deaf.on = False
        silent = {(each["topic"], each["venue_symbol"]) for each in logs if each["event"] == "stream_silent"}
        assert silent == {("mark", symbol) for symbol in stand.instruments}


WHOLE_BOOKS = {"hyperliquid"}
"""Where every message is a whole book, so that there is no gap to apply."""


@pytest.mark.parametrize("name", ["bybit", *sorted(WHOLE_BOOKS)])
async def test_ccxts_incremental_books_are_never_read(name):
    """Pitfall 13: it applies gaps silently at Bybit and Deribit. Where it keeps books at all, ours do not come from them."""
    for venue in set(DIALECTS) - WHOLE_BOOKS:
        assert not any("order_book" in pump.watch for pump in PROFILES[VenueId(venue)].streams.pumps)
    sources = [path for path in Path(bot.__file__).parent.rglob("*.py") if "simulator" not in path.parts]
    readers = [path.stem for path in sources if "orderbooks" in path.read_text() or "watch_order_book" in path.read_text()]
    assert set(readers) == WHOLE_BOOKS, "a subscription is no reading"
    async with standing(name, moving=True) as stand, stand.listening() as box:
        kept = stand.venue._up.client.orderbooks
        await until(lambda: kept)
        for book in kept.values():
            for side in ("bids", "asks"):
                book[side][0][0] = 1.0
        told = len(box.quotes)
        await until(lambda: len(box.quotes) > told + 4)
        assert all(each.bid > 100 for each in box.quotes[told:])
