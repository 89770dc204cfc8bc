"""The Venue contract, on every dialect: real ccxt over HTTP, one order at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from bot.adapters.venue.outcomes import PROVEN
from bot.core.commands import CancelOrder
from bot.core.events import (
    CancelUnconfirmed,
    OrderAbsent,
    OrderOutcomeUnknown,
    OrderRefused,
    OrderReported,
    VenueOrderStatus,
    VenueReported,
)
from bot.core.instrument import ContractKind
from bot.ports import VenueNotReady
from bot.simulator.dialects.dialect import Operation
from bot.simulator.dialects.registry import DIALECTS
from bot.simulator.dialects.trouble import UNHEARD_OF
from bot.simulator.faults import FaultKind
from tests.adapters.venue.venue_stand import BTC, IDS_REPEAT, LATE_IN_DOUBT, STANDS, Stand, settings_of, standing
from tests.simulator.stand import KEY, desk_of, serving


@pytest.fixture(params=list(STANDS))
async def stand(request) -> AsyncIterator[Stand]:
    async with standing(request.param) as one:
        yield one


async def outcome(stand: Stand, command, answer) -> tuple[VenueOrderStatus, Decimal | None]:
    """What became of an order: from the answer, or by look-up where the venue answers with ids only."""
    assert isinstance(answer, OrderReported), answer
    assert answer.report.client_order_id == command.client_order_id
    if answer.report.filled_quantity is None:
        assert answer.report.status is VenueOrderStatus.ACCEPTED
        answer = await stand.venue.look_up(stand.asked(command))
        assert isinstance(answer, OrderReported), answer
    return answer.report.status, answer.report.filled_quantity


async def test_open_describes_the_instruments_in_use(stand):
    assert {each.base for each in stand.instruments.values()} == {"BTC", "ETH"}
    btc = stand.btc
    contract = stand.desk.exchange.contracts[btc.venue_symbol]
    assert btc.kind is (ContractKind.INVERSE if contract.inverse else ContractKind.LINEAR)
    assert (btc.quote, btc.settle) == (contract.quote, contract.settle)
    assert (btc.contract_size, btc.lot, btc.tick) == (contract.contract_size, contract.lot, contract.tick)
    assert btc.contracts_min == contract.contracts_min
    assert btc.contracts_max == (None if stand.name in ("deribit", "hyperliquid") else contract.contracts_max), "they tell none"
    assert btc.notional_min == (contract.notional_min or None)
    assert btc.funding_interval_ms == (1 if stand.name == "hyperliquid" else 8) * 3_600_000
    assert btc.taker_fee == contract.taker_fee
    assert btc.maker_fee == contract.maker_fee
    if stand.venue._profile.setup is not None:
        assert stand.desk.exchange.leverage(KEY.account, btc.venue_symbol) == 5


async def test_a_stand_in_that_knows_no_account_settings_can_be_used(stand):
    stand.arm(FaultKind.REFUSE, Operation.SETTINGS, times=100, status=404, body="404: Not Found")
    assert len(await stand.venue.open()) == len(stand.instruments)
    assert isinstance(await stand.venue.place(stand.order("-0.05")), OrderReported)


async def test_open_twice_finds_everything_already_set(stand):
    listed = await stand.venue.open()
    assert {each.venue_symbol for each in listed} == set(stand.instruments)


@pytest.mark.parametrize(
    ("quantity", "price", "status", "filled"),
    [
        ("-0.05", "bid", VenueOrderStatus.FILLED, "-0.05"),
        ("0.05", "ask", VenueOrderStatus.FILLED, "0.05"),
        ("-3", "bid", VenueOrderStatus.CANCELED, "the first level"),
        ("-0.05", "60002", VenueOrderStatus.CANCELED, "0"),
    ],
    ids=["full sell", "full buy", "partial", "none"],
)
async def test_immediate_or_cancel(stand, quantity, price, status, filled):
    command = stand.order(quantity, {"bid": stand.bid, "ask": stand.ask}.get(price) or Decimal(price))
    expected = -stand.first_level() if filled == "the first level" else stand.units(filled)
    assert await outcome(stand, command, await stand.venue.place(command)) == (status, expected)
    assert stand.held() == expected
    assert stand.desk.exchange.open_orders(KEY.account) == ()


async def test_reduce_only_never_turns_a_position_round(stand):
    command = stand.order("-0.05")
    await stand.venue.place(command)
    command = stand.order("0.02", stand.ask, reduce_only=True)
    assert await outcome(stand, command, await stand.venue.place(command)) == (VenueOrderStatus.FILLED, stand.units("0.02"))
    command = stand.order("1", stand.ask, reduce_only=True)
    answer = await stand.venue.place(command)
    assert isinstance(answer, OrderReported | OrderRefused)
    assert stand.units("-0.03") <= stand.held() <= 0


async def test_proven_refusals_are_refused_with_the_venues_code(stand):
    contract = stand.desk.exchange.contracts[stand.btc.venue_symbol]
    nothing_to_reduce = await stand.venue.place(stand.order("0.05", stand.ask, reduce_only=True))
    out_of_band = await stand.venue.place(stand.order("-0.05", BTC * (1 - contract.price_band) / 2))
    too_large = await stand.venue.place(stand.order("-250", stand.bid))
    too_large_again = await stand.venue.place(stand.order("-250", stand.bid))
    for answer in (nothing_to_reduce, out_of_band, too_large, too_large_again):
        assert isinstance(answer, OrderRefused), answer
        assert answer.code in PROVEN[stand.name]
    assert stand.held() == 0


ANSWER_LOST = [FaultKind.DROP_REPLY, FaultKind.BAD_GATEWAY, FaultKind.TRUNCATE_BODY, FaultKind.EMPTY_BODY]


@pytest.mark.parametrize("kind", ANSWER_LOST)
async def test_an_accepted_order_whose_answer_was_lost_is_unknown_then_found(stand, kind):
    await stand.venue.place(stand.order("-0.01"))  # the connection is warm: a silent second sending would show
    stand.arm(kind, Operation.PLACE)
    command = stand.order("-0.05")
    answer = await stand.venue.place(command)
    assert isinstance(answer, OrderOutcomeUnknown), answer
    assert stand.held() == stand.units("-0.06"), "one wire attempt"
    found = await stand.venue.look_up(stand.asked(command))
    assert isinstance(found, OrderReported)
    assert (found.report.status, found.report.filled_quantity) == (VenueOrderStatus.FILLED, stand.units("-0.05"))


async def test_an_answer_that_takes_too_long_is_unknown_then_found(stand):
    stand.venue._up.client.timeout = 300
    stand.arm(FaultKind.DELAY_REPLY, Operation.PLACE, delay_ms=900)
    command = stand.order("-0.05")
    assert isinstance(await stand.venue.place(command), OrderOutcomeUnknown)
    found = await stand.venue.look_up(stand.asked(command))
    assert isinstance(found, OrderReported)
    assert found.report.filled_quantity == stand.units("-0.05")


async def test_a_request_that_never_arrived_is_unknown_then_absent(stand):
    stand.arm(FaultKind.DISCONNECT, Operation.PLACE)
    command = stand.order("-0.05", expires_in=300)
    assert isinstance(await stand.venue.place(command), OrderOutcomeUnknown)
    early = await stand.venue.look_up(stand.asked(command))
    assert isinstance(early, OrderAbsent)
    await stand.clock.sleep(0.4)
    late = await stand.venue.look_up(stand.asked(command))
    assert isinstance(late, OrderAbsent)
    assert late.venue_clock_at > command.expires_at >= early.venue_clock_at
    assert stand.held() == 0


async def test_absence_among_many_other_fills_is_still_absence(stand):
    for _ in range(3):
        await stand.venue.place(stand.order("-0.01"))
    stand.arm(FaultKind.DISCONNECT, Operation.PLACE)
    command = stand.order("-0.05")
    await stand.venue.place(command)
    stand.desk.deleverage(KEY.account, stand.btc.venue_symbol, stand.units("0.01") / stand.btc.contract_size)
    assert isinstance(await stand.venue.look_up(stand.asked(command)), OrderAbsent)


async def test_a_late_request_is_refused_by_the_venue_itself(stand):
    stand.arm(FaultKind.HOLD_REQUEST, Operation.PLACE, delay_ms=900)
    command = stand.order("-0.05", expires_in=400)
    answer = await stand.venue.place(command)
    if stand.name in LATE_IN_DOUBT:
        assert isinstance(answer, OrderOutcomeUnknown), answer
        absent = await stand.venue.look_up(stand.asked(command))
        assert isinstance(absent, OrderAbsent)
        assert absent.venue_clock_at > command.expires_at
        assert stand.held() == 0
        return
    assert isinstance(answer, OrderRefused), answer
    assert answer.code in {"-1021", "10002", "50036", "50102"}
    assert stand.held() == 0


async def test_a_request_whose_time_is_over_is_not_sent(stand):
    answer = await stand.venue.place(stand.order("-0.05", expires_in=-1))
    assert isinstance(answer, OrderRefused)
    assert answer.code == "not_sent"


async def test_a_clock_that_is_wrong_by_minutes_still_signs_right():
    for name in STANDS:
        async with standing(name, ahead_ms=120_000) as stand:
            command = stand.order("-0.05")
            assert await outcome(stand, command, await stand.venue.place(command)) == (VenueOrderStatus.FILLED, stand.units("-0.05"))
            report = await stand.venue.read(stand.reading())
            assert isinstance(report, VenueReported)
            assert abs(report.clock_offset_ms + 120_000) < 1_000
            assert [fill.quantity for fill in report.fills] == [stand.units("-0.05")]


async def test_the_first_order_is_one_request_that_nothing_precedes(stand):
    """What ccxt would ask before a first order (Bybit: user/query-api, 3 s here) must not be asked while the order's time runs."""
    seen = _requests_of(stand, slow="query-api", seconds=3.0)
    command = stand.order("-0.05", expires_in=2_000)
    answer = await stand.venue.place(command)
    assert isinstance(answer, OrderReported), answer
    assert len(seen) == 1


async def test_what_delays_an_order_before_it_is_signed_shortens_its_window_or_ends_it(stand):
    seen = _requests_of(stand)
    client = stand.venue._up.client
    original, delays = client.fetch2, [0.2, 0.6]  # ccxt's own last step before it signs

    async def slow(*arguments: object, **named: object) -> object:
        await asyncio.sleep(delays[0])
        return await original(*arguments, **named)

    client.fetch2 = slow
    command = stand.order("-0.05", expires_in=2_000)
    assert isinstance(await stand.venue.place(command), OrderReported)
    (headers, body) = seen.pop()
    told = {name.lower(): value for name, value in headers.items()} | {key: value[0] for key, value in parse_qs(body).items()}
    signed = orjson.loads(body).get("expiresAfter") if stand.name == "hyperliquid" else 0
    until_at = int(told.get("exptime") or told.get("valid_until") or signed or 0) or (
        int(told.get("x-bapi-timestamp") or told["timestamp"]) + int(told.get("x-bapi-recv-window") or told["recvWindow"])
    )
    assert until_at == command.expires_at + stand.venue._up.asker.offset_ms
    delays.pop(0)
    late = await stand.venue.place(stand.order("-0.05", expires_in=500))
    assert isinstance(late, OrderRefused), late
    assert late.code == "not_sent"
    assert seen == []
    assert stand.held() == stand.units("-0.05")


def _requests_of(stand: Stand, *, slow: str = "", seconds: float = 0.0) -> list[tuple[dict[str, str], str]]:
    """Headers and body (or query, without one) of every request from here on; those whose path holds `slow` take `seconds` more."""
    seen: list[tuple[dict[str, str], str]] = []
    inner = stand.venue._up.session._session
    original = inner._request

    async def recorded(method: str, url: object, **options: object) -> object:
        body = options.get("data") or urlsplit(str(url)).query
        seen.append((dict(options.get("headers") or {}), body.decode() if isinstance(body, bytes) else str(body)))
        if slow and slow in str(url):
            await asyncio.sleep(seconds)
        return await original(method, url, **options)

    inner._request = recorded
    return seen


@pytest.mark.parametrize("status", [200, 400, 503])
async def test_a_code_nobody_listed_proves_nothing(stand, status):
    stand.arm(FaultKind.REFUSE, Operation.PLACE, status=status, body=stand.says(UNHEARD_OF))
    answer = await stand.venue.place(stand.order("-0.05"))
    assert isinstance(answer, OrderOutcomeUnknown), answer


@pytest.mark.parametrize(
    ("status", "body"), [(503, "Service Unavailable"), (403, "<html>no</html>"), (200, "{}"), (200, "[]"), (200, "null")]
)
async def test_a_page_that_is_no_answer_proves_nothing(stand, status, body):
    stand.arm(FaultKind.REFUSE, Operation.PLACE, status=status, body=body)
    answer = await stand.venue.place(stand.order("-0.05"))
    assert isinstance(answer, OrderOutcomeUnknown), answer


async def test_nobody_there_is_a_proven_refusal(stand):
    await stand.server.stop()
    answer = await stand.venue.place(stand.order("-0.05"))
    assert isinstance(answer, OrderRefused | OrderOutcomeUnknown), answer
    if isinstance(answer, OrderOutcomeUnknown):  # a kept connection may die with the bytes already on it
        answer = await stand.venue.place(stand.order("-0.05"))
    assert isinstance(answer, OrderRefused), answer
    assert answer.code == "not_sent"


async def test_a_repeated_client_order_id_is_never_a_refusal(stand):
    resting = await _rest(stand, "dup1")
    answer = await stand.venue.place(stand.order("-0.05", ours="dup1"))
    assert isinstance(answer, OrderReported if stand.name in IDS_REPEAT else OrderOutcomeUnknown), answer
    assert resting


async def _rest(stand: Stand, ours: str) -> object:
    """A resting order, which the adapter itself never places, through its own client."""
    up = stand.venue._up
    writes = stand.venue._profile.writes
    parameters = {writes.client_id_as: writes.client_id_as_sent(ours), **writes.place_parameters}
    contracts = stand.units("0.05") / stand.btc.contract_size
    return await up.client.create_order(
        up.opened.ccxt_symbols[stand.btc.venue_symbol], "limit", "sell", f"{contracts:f}", "60100", parameters
    )


async def test_cancel_tells_what_became_of_the_order(stand):
    await _rest(stand, "rest1")
    report = await stand.venue.read(stand.reading())
    assert isinstance(report, VenueReported)
    ((known, status),) = [(order.client_order_id, order.status) for order in report.orders]
    assert (known, status) == ("rest1", VenueOrderStatus.ACCEPTED)
    answer = await stand.venue.cancel(CancelOrder(client_order_id="rest1", instrument=stand.btc.id, venue_order_id=None))
    assert isinstance(answer, OrderReported), answer
    assert (answer.report.status, answer.report.filled_quantity) == (VenueOrderStatus.CANCELED, Decimal(0))
    again = await stand.venue.cancel(CancelOrder(client_order_id="rest1", instrument=stand.btc.id, venue_order_id=None))
    if isinstance(again, OrderReported):
        assert again == replace(answer, at=again.at), "where asking again is no error, the answer is the same"
    else:
        assert isinstance(again, CancelUnconfirmed)


async def test_an_order_of_others_is_told_as_it_was_placed_and_withdrawn_by_the_venues_own_id(stand):
    up = stand.venue._up
    contracts = stand.units("0.05") / stand.btc.contract_size
    await up.client.create_order(up.opened.ccxt_symbols[stand.btc.venue_symbol], "limit", "sell", f"{contracts:f}", "60100")
    report = await stand.venue.read(stand.reading())
    assert isinstance(report, VenueReported)
    (theirs,) = report.orders
    assert (theirs.quantity, theirs.price, theirs.reduce_only) == (-contracts * stand.btc.contract_size, Decimal(60_100), False)
    assert (theirs.filled_quantity, theirs.venue_order_id is None) == (Decimal(0), False)
    cancel = CancelOrder(client_order_id="theirs", instrument=stand.btc.id, venue_order_id=theirs.venue_order_id, by_venue_id=True)
    answer = await stand.venue.cancel(cancel)
    assert (type(answer), answer.reason) == (CancelUnconfirmed, "asked for; the next complete reading tells what became of it")
    after = await stand.venue.read(stand.reading())
    assert isinstance(after, VenueReported)
    assert after.orders == ()
    assert isinstance(await stand.venue.cancel(cancel), CancelUnconfirmed), "of one that is gone no more is said"


async def test_a_reading_tells_the_place_in_the_deleveraging_queue(stand):
    async def rank() -> Decimal | None:
        reading = await stand.venue.read(stand.reading())
        assert isinstance(reading, VenueReported)
        return next(each.deleveraging_rank for each in reading.positions if each.instrument == stand.btc.id)

    assert await rank() is None, "flat"
    await stand.venue.place(stand.order("-0.05"))
    lowest = {"binanceusdm": "0.25", "binancecoinm": "0.25", "bybit": "0.2", "okx": "0.2"}
    if stand.name not in lowest:
        assert await rank() is None, "Deribit and Hyperliquid do not tell it"
        return
    assert await rank() == Decimal(lowest[stand.name])
    for place, told in (
        ("0.5", {"binanceusdm": "0.5", "binancecoinm": "0.5", "bybit": "0.6", "okx": "0.6"}),
        ("1", dict.fromkeys(lowest, "1")),
    ):
        stand.desk.exchange.rank(KEY.account, stand.btc.venue_symbol, Decimal(place))
        assert await rank() == Decimal(told[stand.name])


async def test_funding_as_the_venue_tells_it(stand):
    await stand.venue.place(stand.order("-0.05"))
    since = stand.clock.now() - 1_000
    stand.desk.settle_funding(stand.btc.venue_symbol)
    observed = {each.instrument: each for each in await stand.venue.funding_rates()}
    interval_ms = stand.desk.exchange.contracts[stand.btc.venue_symbol].funding_interval_ms
    assert observed[stand.btc.id].rate == Decimal("0.0001") * observed[stand.btc.id].interval_ms / interval_ms
    assert observed[stand.btc.id].interval_ms == (1 if stand.name == "hyperliquid" else 8) * 3_600_000
    if stand.name == "deribit":
        assert observed[stand.btc.id].next_settlement_at is None, "funding accrues all the time"
        await stand.venue.place(stand.order("-0.05"))  # and is booked when the position changes
    else:
        assert observed[stand.btc.id].next_settlement_at
    read = await stand.venue.funding_payments(since)
    (paid,) = read.payments
    assert read.venue == stand.venue.id
    assert read.from_at <= paid.venue_at
    assert read.from_at < read.to_at
    (record,) = stand.desk.exchange.funding_payments(KEY.account)
    assert (paid.quantity, paid.asset) == (record.amount, stand.btc.settle)
    assert record.amount > 0, "a positive rate: the short receives"
    stand.arm(FaultKind.DROP_REPLY, None, times=9)
    assert list(await stand.venue.funding_rates()) == []
    assert await stand.venue.funding_payments(since) is None


async def test_what_cannot_be_used_as_configured_is_said_in_one_sentence():
    for name in STANDS:
        async with serving(desk_of(STANDS[name][0], DIALECTS[STANDS[name][0]])) as server:
            from bot.adapters.venue.ccxt_venue import CcxtVenue
            from tests.adapters.venue.venue_stand import WallClock

            for changed, words in (
                ({"venue_symbols": ("NOPE-USDT",)}, "NOPE-USDT"),
                ({"api_key": "not-the-key"}, STANDS[name][0]),
            ):
                venue = CcxtVenue(settings_of(name, server, **changed), WallClock())
                with pytest.raises(VenueNotReady, match=words) as raised:
                    await venue.open()
                assert "not-the-key" not in str(raised.value)
                await venue.close()
            with pytest.raises(VenueNotReady, match="no route for"):
                CcxtVenue(settings_of(name, server, routes={}), WallClock())
            await server.stop()
            with pytest.raises(ConnectionError):
                await CcxtVenue(settings_of(name, server), WallClock()).open()
