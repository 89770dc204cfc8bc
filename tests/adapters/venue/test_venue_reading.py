"""The complete reading, on every dialect: every part or none, and how flat is proven."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal

import ccxt
import orjson
import pytest

from bot.core.events import VenueReported, VenueUnreadable
from bot.simulator.dialects.dialect import Operation
from bot.simulator.dialects.trouble import NO_POSITIONS
from bot.simulator.faults import FaultKind
from bot.simulator.margin import cash
from tests.adapters.venue.venue_stand import STANDS, Stand, standing
from tests.simulator.stand import KEY


@pytest.fixture(params=list(STANDS))
async def stand(request) -> AsyncIterator[Stand]:
    async with standing(request.param) as one:
        yield one


async def test_a_reading_holds_everything(stand):
    flat = await stand.venue.read(stand.reading())
    assert isinstance(flat, VenueReported), flat
    assert {position.instrument: position.quantity for position in flat.positions} == {each.id: 0 for each in stand.instruments.values()}
    command = stand.order("-0.05")
    await stand.venue.place(command)
    report = await stand.venue.read(stand.reading())
    assert isinstance(report, VenueReported), report
    held = {position.instrument: position for position in report.positions}
    assert held[stand.btc.id].quantity == stand.units("-0.05")
    entry = held[stand.btc.id].entry_price
    assert entry == stand.bid or (stand.btc.is_inverse and abs(entry / stand.bid - 1) < Decimal("1e-6")), "value is booked in eight digits"
    assert held[stand.btc.id].mark_price == 60_000
    (fill,) = report.fills
    assert (fill.quantity, fill.price, fill.client_order_id) == (command.quantity, stand.bid, command.client_order_id)
    assert fill.fee == cash(stand.worth(fill.quantity, stand.bid) * stand.btc.taker_fee)
    assert fill.fee_asset == stand.btc.settle
    _check_margins(stand, report)
    assert report.asked_at <= report.at
    assert abs(report.clock_offset_ms) < 1_000


def _check_margins(stand: Stand, report: VenueReported) -> None:
    """Each settle asset's wallet and equity, and the margin of the asset or, where the venue tells it so, of the whole account in USD."""
    balances = {each.asset: each for each in stand.desk.exchange.balances(KEY.account)}
    assert {each.asset for each in report.margins} == {each.settle for each in stand.instruments.values()}
    index = {each.base: stand.desk.exchange.market(each.symbol).index for each in stand.desk.exchange.contracts.values()}
    for margin in report.margins:
        balance = balances[margin.asset]
        assert abs(margin.wallet_balance - balance.wallet) < Decimal("1e-11")
        if margin.is_account_wide:
            figures = [margin.margin_balance, margin.maintenance_margin, margin.initial_margin]
            counted = [(each.margin_balance, each.maintenance_margin, each.initial_margin) for each in balances.values()]
            in_usd = [[each * index.get(asset, Decimal(1)) for each in row] for asset, row in zip(balances, counted, strict=True)]
            assert figures == [pytest.approx(sum(column)) for column in zip(*in_usd, strict=True)]
            assert abs(margin.equity - balance.margin_balance) < Decimal("1e-11")
        else:
            assert margin.margin_balance == balance.margin_balance
            assert (margin.maintenance_margin, margin.initial_margin) == (balance.maintenance_margin, balance.initial_margin)


PARTS = [Operation.OPEN_ORDERS, Operation.FILLS, Operation.POSITIONS, Operation.BALANCE, Operation.CLOCK]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    ("kind", "page"),
    [
        (FaultKind.DROP_REPLY, {}),
        (FaultKind.TRUNCATE_BODY, {}),
        (FaultKind.EMPTY_BODY, {}),
        (FaultKind.REFUSE, {"status": 200, "body": "{}"}),
        (FaultKind.REFUSE, {"status": 200, "body": "<html></html>"}),
    ],
    ids=["dropped", "cut", "empty", "object", "page"],
)
async def test_a_reading_with_any_part_missing_is_unreadable(stand, part, kind, page):
    await stand.venue.place(stand.order("-0.05"))
    stand.arm(kind, part, times=4, **page)
    answer = await stand.venue.read(stand.reading())
    assert isinstance(answer, VenueUnreadable), answer
    assert KEY.secret not in answer.reason
    assert KEY.api_key not in answer.reason


async def test_a_well_formed_empty_list_of_positions_is_not_flat_while_margin_is_held(stand):
    await stand.venue.place(stand.order("-0.05"))
    stand.arm(FaultKind.REFUSE, Operation.POSITIONS, status=200, body=stand.says(NO_POSITIONS), times=100)
    answer = await stand.venue.read(stand.reading())
    assert isinstance(answer, VenueUnreadable), answer
    assert "margin is held" in answer.reason or "asked for by itself" in answer.reason
    for number in stand.server.plan.armed:
        stand.server.plan.disarm(number)
    assert isinstance(await stand.venue.read(stand.reading()), VenueReported)


def _partial(stand: Stand) -> str:
    """A well-formed list of positions that leaves BTC out and tells of ETH, with little margin held against it."""
    eth = next(each for each in stand.instruments.values() if each.base == "ETH").venue_symbol
    row = {
        "binanceusdm": {"symbol": eth, "positionAmt": "-0.1", "positionSide": "BOTH", "entryPrice": "3000", "markPrice": "3000"},
        "binancecoinm": {"symbol": eth, "positionAmt": "-30", "positionSide": "BOTH", "entryPrice": "3000", "markPrice": "3000"},
        "bybit": {"symbol": eth, "size": "0.1", "side": "Sell", "avgPrice": "3000", "markPrice": "3000", "positionIdx": 0},
        "deribit": {"instrument_name": eth, "size": -1, "direction": "sell", "average_price": 3000, "mark_price": 3000},
        "okx": {"instId": eth, "instType": "SWAP", "pos": "-1", "posSide": "net", "avgPx": "3000", "markPx": "3000"},
        "hyperliquid": {"type": "oneWay", "position": {"coin": eth, "szi": "-0.1", "entryPx": "3000.0", "marginUsed": "60.0"}},
    }[stand.name]
    little = "0.0004" if stand.btc.is_inverse else "1.2"
    told_at = stand.venue._profile.reads.position_shape.maintenance
    listed = orjson.dumps([row | ({str(told_at[0][0]): little} if told_at else {})]).decode()
    return stand.says(NO_POSITIONS).replace("[]", listed)


@pytest.mark.parametrize("seen_before", [True, False], ids=["held at the last reading", "margin unexplained"])
async def test_a_position_that_the_list_leaves_out_is_asked_for_by_itself(stand, seen_before):
    await stand.venue.place(stand.order("-0.05"))
    if seen_before:
        assert isinstance(await stand.venue.read(stand.reading()), VenueReported)
    stand.arm(FaultKind.REFUSE, Operation.POSITIONS, status=200, body=_partial(stand))
    report = await stand.venue.read(stand.reading())
    assert isinstance(report, VenueReported), report
    assert {each.instrument: each.quantity for each in report.positions}[stand.btc.id] == stand.units("-0.05")


@pytest.mark.parametrize("seen_before", [True, False], ids=["held at the last reading", "margin unexplained"])
async def test_a_position_left_out_that_cannot_be_asked_for_is_not_flat(stand, seen_before):
    await stand.venue.place(stand.order("-0.05"))
    if seen_before:
        assert isinstance(await stand.venue.read(stand.reading()), VenueReported)
    stand.arm(FaultKind.REFUSE, Operation.POSITIONS, status=200, body=_partial(stand))
    stand.arm(FaultKind.REFUSE, Operation.POSITIONS, status=200, body="{}", times=9)
    assert isinstance(await stand.venue.read(stand.reading()), VenueUnreadable)


async def test_a_list_without_reason_to_doubt_is_asked_once_and_a_closed_position_once_more(stand):
    await stand.venue.place(stand.order("-0.05"))
    asked = _positions_asked(stand)
    await stand.venue.read(stand.reading())
    await stand.venue.read(stand.reading())
    once = len(stand.venue._up.asker.scopes(stand.venue._profile.reads.positions))
    assert asked.pop_count() == 2 * once, "ETH is not listed, and nothing speaks for it"
    await stand.venue.place(stand.order("0.05", stand.ask, reduce_only=True))
    assert stand.held() == 0
    report = await stand.venue.read(stand.reading())
    assert isinstance(report, VenueReported)
    assert {each.quantity for each in report.positions} == {0}
    lists_flat_ones = stand.name in {"binancecoinm", "deribit"}
    assert asked.pop_count() == once + (not lists_flat_ones), "BTC was held: its absence is confirmed"
    await stand.venue.read(stand.reading())
    assert asked.pop_count() == once


class _Asked(list):
    def pop_count(self) -> int:
        count = len(self)
        self.clear()
        return count


def _positions_asked(stand: Stand) -> _Asked:
    """Every question about positions from here on."""
    query, asked = stand.venue._profile.reads.positions, _Asked()
    client, call = stand.venue._up.asker._client_for(query), query.call
    original = getattr(client, call)

    async def counted(parameters: dict) -> object:
        if parameters.get("type") == query.fixed.get("type") and "dex" not in parameters:  # with it, Hyperliquid is asked for margin
            asked.append(parameters)
        return await original(parameters)

    setattr(client, call, counted)
    return asked


async def test_one_disagreement_of_positions_and_margin_is_asked_again(stand):
    await stand.venue.place(stand.order("-0.05"))
    stand.arm(FaultKind.REFUSE, Operation.POSITIONS, status=200, body=stand.says(NO_POSITIONS))
    assert isinstance(await stand.venue.read(stand.reading()), VenueReported)


async def test_a_place_in_the_deleveraging_queue_that_is_told_apart_costs_no_reading():
    """COIN-M's `adlQuantile`: what it cannot tell is not known, and everything else is read."""
    async with standing("binancecoinm") as stand:
        await stand.venue.place(stand.order("-0.05"))
        client = stand.venue._up.client

        async def broken(*_: object) -> None:
            raise ccxt.RequestTimeout("late")

        for answer in (broken, _empty):
            client.dapiPrivateGetAdlQuantile = answer
            reading = await stand.venue.read(stand.reading())
            assert isinstance(reading, VenueReported), reading
            (held,) = [each for each in reading.positions if each.quantity]
            assert (held.quantity, held.deleveraging_rank) == (stand.units("-0.05"), None)


async def _empty(*_: object) -> list[object]:
    return []
