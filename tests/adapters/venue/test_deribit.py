"""What is peculiar to Deribit, through the adapter: dollars as quantities, labels, an expiry among the parameters, funding that is booked
when the position changes, margins per currency, and nothing to set up."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from bot.adapters.venue.ccxt_mapping import order_report
from bot.adapters.venue.outcomes import PROVEN, Unproven, classify
from bot.adapters.venue.profiles.deribit import DERIBIT, hear
from bot.adapters.venue.unproven import UNPROVEN
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
from bot.core.tiers import TierTable
from bot.simulator.conditions import Condition, ConditionKind
from bot.simulator.dialects.dialect import Answer, HttpRequest, Operation
from bot.simulator.faults import FaultKind
from bot.simulator.listings import contracts_of
from tests.adapters.venue.venue_stand import Stand, standing
from tests.simulator.stand import COINS, KEY

D = Decimal
KINDS = ["deribit", "deribit inverse"]


@pytest.fixture(params=KINDS)
async def stand(request: pytest.FixtureRequest) -> AsyncIterator[Stand]:
    async with standing(request.param) as one:
        yield one


def accepted(stand: Stand, label: str) -> int:
    """How many orders with a label the venue took."""
    exchange = stand.desk.exchange
    known = [*exchange.closed_orders(KEY.account), *exchange.open_orders(KEY.account)]
    return sum(order.request.client_order_id == label for order in known)


async def test_pitfall_01_aiohttp_as_it_comes_would_send_an_order_twice(stand: Stand) -> None:
    """Orders are GETs, and aiohttp repeats a GET when a kept connection drops; the venue lets labels repeat. So that has to be off."""
    inner: Any = stand.venue._up.session._session
    await stand.venue.place(stand.order("-0.01"))
    for silent_resend, orders in ((True, 2), (False, 1)):
        inner._retry_connection = silent_resend
        stand.arm(FaultKind.DROP_REPLY, Operation.PLACE)
        command = stand.order("-0.05")
        await stand.venue.place(command)
        assert accepted(stand, command.client_order_id) == orders
        for number in stand.server.plan.armed:
            stand.server.plan.disarm(number)


async def test_pitfall_04_a_cancel_that_finds_nothing_open_does_not_say_unfilled(stand: Stand) -> None:
    command = stand.order("-0.05")
    await stand.venue.place(command)
    cancel = CancelOrder(client_order_id=command.client_order_id, instrument=command.instrument, venue_order_id=None)
    told = await stand.venue.cancel(cancel)
    assert isinstance(told, OrderReported), "by label it is no error, and what became of the order is asked for"
    assert (told.report.status, told.report.filled_quantity) == (VenueOrderStatus.FILLED, command.quantity)
    stand.arm(FaultKind.REFUSE, Operation.CANCEL, trouble="11044")
    assert isinstance(await stand.venue.cancel(cancel), CancelUnconfirmed)
    found = await stand.venue.look_up(stand.asked(command))
    assert isinstance(found, OrderReported)
    assert found.report.filled_quantity == command.quantity
    error = ccxt.InvalidOrder('deribit {"jsonrpc":"2.0","error":{"message":"not_open_order","code":11044}}')
    assert isinstance(classify("deribit", error, sent=True), Unproven)


async def test_pitfall_15_quantities_are_dollars_or_coins_and_the_contract_size_multiplies_nothing(stand: Stand) -> None:
    """ccxt's contractSize is 10 for BTC-PERPETUAL, and its `contracts` are dollars: the product is ten times what is held."""
    btc = stand.btc
    listed = stand.venue._up.client.market(stand.venue._up.opened.ccxt_symbols[btc.venue_symbol])
    assert (btc.contract_size, D(str(listed["contractSize"]))) == (1, btc.lot)
    command = stand.order("-0.05")
    placed = await stand.venue.place(command)
    reading = await stand.venue.read(stand.reading())
    assert isinstance(placed, OrderReported)
    assert isinstance(reading, VenueReported)
    expected = D(-3_000) if btc.is_inverse else D("-0.05")
    (held,) = [each.quantity for each in reading.positions if each.quantity]
    (fill,) = reading.fills
    assert placed.report.filled_quantity == held == fill.quantity == expected
    assert stand.desk.exchange.positions(KEY.account)[0].contracts == expected
    assert abs(btc.base_of(held, D(60_000))) == D("0.05")


async def test_the_expiry_travels_among_the_parameters_by_the_venues_clock() -> None:
    async with standing("deribit", ahead_ms=90_000) as stand:
        asked = []
        original = stand.desk.handle

        def handle(request: Any) -> Any:
            asked.append(request)
            return original(request)

        stand.desk.handle = handle
        command = stand.order("-0.05", expires_in=2_000)
        assert isinstance(await stand.venue.place(command), OrderReported), "signed by the venue's clock, though ours is 90 s ahead"
        (order,) = [each for each in asked if each.path.endswith("/sell")]
        parameters = dict(part.partition("=")[::2] for part in order.query_string.split("&"))
        assert int(parameters["valid_until"]) == command.expires_at + stand.venue._up.asker.offset_ms
        assert (parameters["label"], order.method, order.body) == (command.client_order_id, "GET", b"")
        await stand.venue.read(stand.reading())
        assert not any("valid_until" in each.query_string for each in asked if not each.path.endswith("/sell"))


async def test_funding_is_a_payment_once_it_is_booked_and_rows_without_any_are_none(stand: Stand) -> None:
    await stand.venue.place(stand.order("-0.05"))
    since = stand.clock.now() - 1_000
    symbol = stand.btc.venue_symbol
    for _ in range(3):
        stand.desk.settle_funding(symbol)
    accrued = await stand.venue.funding_payments(since)
    assert accrued is not None
    assert accrued.payments == (), "it stands in the session's profit, and in no row yet"
    await stand.venue.place(stand.order("-0.01"))
    await stand.venue.place(stand.order("-0.01"))
    booked = await stand.venue.funding_payments(since)
    assert booked is not None
    (paid,) = booked.payments
    records = stand.desk.exchange.funding_payments(KEY.account)
    assert (paid.quantity, paid.asset) == (sum(record.amount for record in records), stand.btc.settle)
    assert paid.quantity > 0
    again = await stand.venue.funding_payments(since)
    assert again is not None
    assert again.payments == booked.payments


async def test_the_daily_settlement_books_the_rest(stand: Stand) -> None:
    await stand.venue.place(stand.order("-0.05"))
    since = stand.clock.now() - 1_000
    for contract in stand.desk.exchange.contracts.values():
        for _ in range(24):
            stand.desk.settle_funding(contract.symbol)
    stand.desk.beat()
    read = await stand.venue.funding_payments(since)
    assert read is not None
    (paid,) = read.payments
    assert paid.quantity == sum(record.amount for record in stand.desk.exchange.funding_payments(KEY.account, stand.btc.venue_symbol))
    reading = await stand.venue.read(stand.reading())
    assert isinstance(reading, VenueReported)
    (margin,) = [each for each in reading.margins if each.asset == stand.btc.settle]
    assert margin.wallet_balance == margin.margin_balance, "a settlement leaves nothing beside the cash"


async def test_margins_are_coins_of_an_inverse_perpetual_and_dollars_of_a_linear_one(stand: Stand) -> None:
    reading = await stand.venue.read(stand.reading())
    assert isinstance(reading, VenueReported)
    assert {each.asset: each.margin_balance for each in reading.margins} == (
        {"BTC": COINS["BTC"], "ETH": COINS["ETH"]} if stand.btc.is_inverse else {"USDC": 1_000_000}
    )
    assert not any(each.is_account_wide for each in reading.margins)


async def test_a_market_is_told_in_base_units_whatever_it_counts(stand: Stand) -> None:
    await stand.venue.place(stand.order("-1"))
    markets = {each.instrument: each for each in await stand.venue.markets()}
    btc = markets[stand.btc.id]
    assert btc.open_interest == 50_000
    assert btc.volume_24h is not None
    assert abs(btc.volume_24h - 1) < D("0.001")


async def test_rates_that_rise_with_each_coin_are_stated_for_btc_and_eth(stand: Stand) -> None:
    tiers = {each.base: each.tiers for each in stand.instruments.values()}
    table = tiers["BTC"].table_of(contracts=D(25), base=D(25))
    assert isinstance(table, TierTable)
    assert table.maintenance(D(2_500_000)) == 28_125, "25 BTC at 100,000 USDC, the venue's own example"
    ether = tiers["ETH"].table_of(contracts=D(500), base=D(500))
    assert isinstance(ether, TierTable)
    assert ether.maintenance(D(1_500_000)) == 18_000, "500 ETH at 3,000 USDC keep at 1 % + 500 x 0.0004 %"


@pytest.mark.parametrize(("symbol", "base"), [("BTC-PERPETUAL", "BTC"), ("ETH-PERPETUAL", "ETH")])
def test_the_simulated_ladder_is_the_curve_at_its_corners_and_next_to_it_between_them(symbol: str, base: str) -> None:
    contract, stated = next(each for each in contracts_of("deribit") if each.symbol == symbol), DERIBIT.tiers.by_base[base]
    floor = D(0)
    for tier in contract.tiers:
        for coins, off in ((tier.cap, D(0)), ((floor + tier.cap) / 2, stated.rate_per_unit * ((tier.cap - floor) / 2) ** 2)):
            table = stated.table_of(contracts=coins, base=coins)
            assert table is not None
            ladder = coins * tier.rate - tier.deduction
            assert abs(ladder - table.maintenance(coins) - off) < D("1e-12")
        floor = tier.cap


async def test_there_is_nothing_to_set_and_nothing_is_asked_for(stand: Stand) -> None:
    asked = []
    original = stand.desk.handle

    def handle(request: Any) -> Any:
        asked.append(request.path.rpartition("/")[2])
        return original(request)

    stand.desk.handle = handle
    await stand.venue.open()
    assert set(asked) <= {
        *("get_time", "get_instruments", "get_account_summaries", "get_account_summary", "ticker"),
        *("get_positions", "get_position"),
    }
    assert asked.count("get_instruments") == 1, "the futures in one answer, not thousands of options"


async def test_a_request_beyond_the_credits_is_no_order_and_the_gate_heeds_it(stand: Stand) -> None:
    stand.arm(FaultKind.REFUSE, Operation.PLACE, trouble="rate_limited")
    refused = await stand.venue.place(stand.order("-0.05"))
    assert isinstance(refused, OrderRefused)
    assert refused.code == "10028"
    began = stand.clock.steady()
    assert isinstance(await stand.venue.place(stand.order("-0.05", expires_in=4_500)), OrderReported)
    assert stand.clock.steady() - began > 0.5
    assert stand.held() == stand.units("-0.05")


async def test_a_repeated_label_is_a_second_order(stand: Stand) -> None:
    for _ in range(2):
        assert isinstance(await stand.venue.place(stand.order("-0.05", ours="twin1")), OrderReported)
    assert accepted(stand, "twin1") == 2, "no protection by the venue: one wire attempt is all there is"


async def test_an_order_that_came_too_late_is_in_doubt_until_it_is_looked_up(stand: Stand) -> None:
    stand.arm(FaultKind.REFUSE, Operation.PLACE, trouble="13888")
    assert isinstance(await stand.venue.place(stand.order("-0.05")), OrderOutcomeUnknown)


@pytest.mark.parametrize(("model", "fits"), [("segregated_sm", True), ("segregated_pm", True), ("cross_sm", False), ("cross_pm", False)])
async def test_an_account_whose_currencies_stand_in_for_each_other_is_told_by_each_reading(stand: Stand, model: str, fits: bool) -> None:
    """Maintenance margin is then that of all currencies together, told again with each one, whose equity is its own alone."""
    handle = stand.desk.handle

    def told(asked: HttpRequest) -> Answer:
        answer = handle(asked)
        body = answer.reply.body.replace(b'"segregated_sm"', f'"{model}"'.encode())
        return dataclasses.replace(answer, reply=dataclasses.replace(answer.reply, body=body))

    stand.desk.handle = told
    reading = await stand.venue.read(stand.reading())
    assert isinstance(reading, VenueReported), reading
    assert reading.unfit == (() if fits else (f"the account is in margin mode {model}, not in margin of each currency by itself",))


async def test_a_persons_stop_order_is_an_open_order_and_spoils_no_reading(stand: Stand) -> None:
    """`get_open_orders` lists orders that wait for their trigger, in a state of their own."""
    row = {
        "instrument_name": stand.btc.venue_symbol,
        "order_id": "USDC_SLTS-12",
        "label": "",
        "direction": "buy",
        "order_type": "stop_market",
        "order_state": "untriggered",
        "price": "market_price",
        "trigger_price": 61_000,
        "amount": 0.5,
        "creation_timestamp": 1_763_800_000_123,
        "last_update_timestamp": 1_763_800_000_123,
    }
    report = order_report(row, DERIBIT.reads.order, stand.instruments)
    assert report is not None
    assert (report.status, report.client_order_id, report.filled_quantity) == (VenueOrderStatus.ACCEPTED, None, None)


def test_no_code_is_both_proof_and_none() -> None:
    assert not PROVEN["deribit"].keys() & UNPROVEN["deribit"].keys()


def test_what_is_heard() -> None:
    def notice(channel: str, data: object) -> dict[str, object]:
        return {"jsonrpc": "2.0", "method": "subscription", "params": {"channel": channel, "data": data}}

    margin = hear(notice("user.portfolio.btc", {"currency": "BTC"}))
    assert margin is not None
    assert (margin.topic, margin.rows) == ("user.portfolio", ({"summaries": [{"currency": "BTC"}]},))
    trades = hear(notice("user.trades.any.any.raw", [{"trade_id": "1"}, {"trade_id": "2"}]))
    assert trades is not None
    assert (trades.topic, len(trades.rows)) == ("user.trades", 2)
    quote = hear(notice("quote.BTC-PERPETUAL", {"best_bid_price": 1}))
    assert quote is not None
    assert (quote.topic, quote.rows) == ("quote", ({"best_bid_price": 1},))
    for other in ({"jsonrpc": "2.0", "id": 1, "result": []}, {"method": "heartbeat", "params": {"type": "test_request"}}, [], None, "x"):
        assert hear(other) is None
    assert set(DERIBIT.streams.topics) >= {margin.topic, trades.topic, quote.topic}


HOUR_MS = 3_600_000


async def _a_day_later(stand: Stand) -> None:
    """The venue's clock is a day and an hour ahead of what was traded, and the adapter knows it."""
    ahead = Condition(venue=stand.name, kind=ConditionKind.CLOCK_SHIFTED, by_ms=25 * HOUR_MS)
    stand.server.lasting.arm(ahead, stand.clock.now())
    await stand.venue.read(stand.reading())  # measures it; what else it asked was signed before that
    assert isinstance(await stand.venue.read(stand.reading()), VenueReported)


async def test_after_more_than_a_day_without_readings_older_fills_are_read_too(stand: Stand) -> None:
    """Unread, their position would be a difference that nothing explains."""
    old, new = stand.order("-0.05"), stand.order("-0.02")
    await stand.venue.place(old)
    await _a_day_later(stand)
    assert isinstance(await stand.venue.place(new), OrderReported)
    reading = await stand.venue.read(stand.reading(back_ms=26 * HOUR_MS))
    assert isinstance(reading, VenueReported)
    assert [fill.client_order_id for fill in reading.fills] == [old.client_order_id, new.client_order_id], "each once"
    assert sum(fill.quantity for fill in reading.fills) == stand.held()


async def test_an_order_in_doubt_that_ended_more_than_a_day_ago_is_told_by_its_fills(stand: Stand) -> None:
    command = stand.order("-0.05")
    await stand.venue.place(command)
    await _a_day_later(stand)
    found = await stand.venue.look_up(stand.asked(command, placed_at=stand.clock.now() - 26 * HOUR_MS))
    assert isinstance(found, OrderAbsent)
    assert found.filled_quantity == command.quantity


async def test_readings_of_the_last_hours_ask_for_nothing_historical(stand: Stand) -> None:
    seen, handle = [], stand.desk.handle
    stand.desk.handle = lambda asked: seen.append(asked) or handle(asked)
    assert isinstance(await stand.venue.read(stand.reading(back_ms=22 * HOUR_MS)), VenueReported)
    trades = [asked for asked in seen if "trades_by_currency" in asked.path]
    assert trades
    assert not any("historical" in asked.query_string for asked in trades)
