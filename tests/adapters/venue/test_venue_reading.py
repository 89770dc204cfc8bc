"""The complete reading, on every dialect: every part or none, and how flat is proven."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal

import orjson
import pytest

from bot.core.events import VenueReported, VenueUnreadable
from bot.simulator.dialects.dialect import Operation
from bot.simulator.faults import FaultKind
from tests.adapters.venue.venue_stand import BEST_ASK, BEST_BID, DIALECTS, Stand, standing
from tests.simulator.stand import KEY


@pytest.fixture(params=list(DIALECTS))
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
    assert held[stand.btc.id].quantity == Decimal("-0.05")
    assert held[stand.btc.id].entry_price == BEST_BID
    assert held[stand.btc.id].mark_price == 60_000
    (fill,) = report.fills
    assert (fill.quantity, fill.price, fill.client_order_id) == (Decimal("-0.05"), BEST_BID, command.client_order_id)
    assert fill.fee == Decimal("0.05") * BEST_BID * stand.btc.taker_fee
    assert fill.fee_asset == "USDT"
    (margin,) = report.margins
    (balance,) = stand.desk.exchange.balances(KEY.account)
    assert (margin.asset, margin.margin_balance, margin.wallet_balance) == ("USDT", balance.margin_balance, balance.wallet)
    assert (margin.maintenance_margin, margin.initial_margin) == (balance.maintenance_margin, balance.initial_margin)
    assert report.asked_at <= report.at
    assert abs(report.clock_offset_ms) < 1_000


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


NONE_LISTED = {
    "binanceusdm": "[]",
    "bybit": '{"retCode":0,"retMsg":"OK","result":{"list":[],"nextPageCursor":"","category":"linear"},"retExtInfo":{},"time":1}',
    "okx": '{"code":"0","msg":"","data":[]}',
}


async def test_a_well_formed_empty_list_of_positions_is_not_flat_while_margin_is_held(stand):
    await stand.venue.place(stand.order("-0.05"))
    stand.arm(FaultKind.REFUSE, Operation.POSITIONS, status=200, body=NONE_LISTED[stand.name], times=100)
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
        "bybit": {"symbol": eth, "size": "0.1", "side": "Sell", "avgPrice": "3000", "markPrice": "3000", "positionIdx": 0},
        "okx": {"instId": eth, "instType": "SWAP", "pos": "-1", "posSide": "net", "avgPx": "3000", "markPx": "3000"},
    }[stand.name]
    listed = orjson.dumps([row | {str(stand.venue._profile.reads.position_shape.maintenance[0][0]): "1.2"}]).decode()
    return NONE_LISTED[stand.name].replace("[]", listed)


@pytest.mark.parametrize("seen_before", [True, False], ids=["held at the last reading", "margin unexplained"])
async def test_a_position_that_the_list_leaves_out_is_asked_for_by_itself(stand, seen_before):
    await stand.venue.place(stand.order("-0.05"))
    if seen_before:
        assert isinstance(await stand.venue.read(stand.reading()), VenueReported)
    stand.arm(FaultKind.REFUSE, Operation.POSITIONS, status=200, body=_partial(stand))
    report = await stand.venue.read(stand.reading())
    assert isinstance(report, VenueReported), report
    assert {each.instrument: each.quantity for each in report.positions}[stand.btc.id] == Decimal("-0.05")


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
    assert asked.pop_count() == 2, "ETH is not listed, and nothing speaks for it"
    await stand.venue.place(stand.order("0.05", BEST_ASK, reduce_only=True))
    assert stand.held() == 0
    report = await stand.venue.read(stand.reading())
    assert isinstance(report, VenueReported)
    assert {each.quantity for each in report.positions} == {0}
    assert asked.pop_count() == 2, "BTC was held: its absence is confirmed"
    await stand.venue.read(stand.reading())
    assert asked.pop_count() == 1


class _Asked(list):
    def pop_count(self) -> int:
        count = len(self)
        self.clear()
        return count


def _positions_asked(stand: Stand) -> _Asked:
    """Every question about positions from here on."""
    client, call, asked = stand.venue._up.client, stand.venue._profile.reads.positions.call, _Asked()
    original = getattr(client, call)

    async def counted(parameters: object) -> object:
        asked.append(parameters)
        return await original(parameters)

    setattr(client, call, counted)
    return asked


async def test_one_disagreement_of_positions_and_margin_is_asked_again(stand):
    await stand.venue.place(stand.order("-0.05"))
    stand.arm(FaultKind.REFUSE, Operation.POSITIONS, status=200, body=NONE_LISTED[stand.name])
    assert isinstance(await stand.venue.read(stand.reading()), VenueReported)
