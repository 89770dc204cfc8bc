"""OKX's WebSocket channels: exact books, echoed arguments, one push per fill, snapshots when they are due."""

from __future__ import annotations

import random
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from bot.simulator.dialects.dialect import HttpReply
from bot.simulator.model import BalanceReport, Report, Side
from tests.simulator.okx_floor import BTC, ETH, KEY, NOW, OTHER, D, Floor, frame, said, tick

ORDERS = {"channel": "orders", "instType": "SWAP"}


def subscribed(floor: Floor, socket: Any, **argument: str) -> list[Any]:
    """Subscribes; the confirmation echoes the argument; returns what follows it."""
    first, *rest = said(socket.received(frame("subscribe", argument), floor.now).messages)
    assert (first["event"], first["arg"]) == ("subscribe", argument)
    return rest


def test_ping_is_answered_in_text_and_nonsense_is_told() -> None:
    floor = Floor()
    socket = floor.socket("public")
    assert list(socket.opened(NOW)) == []
    assert list(socket.received("ping", NOW).messages) == ["pong"]
    for nonsense, expected in (("{", "60012"), ("[]", "60012"), ('{"op":"subscribe"}', "60012"), (frame("dance"), "60019")):
        assert said(socket.received(nonsense, NOW).messages)[0]["code"] == expected


@pytest.mark.parametrize(
    ("endpoint", "argument", "expected"),
    [
        ("public", {"channel": "nonsense", "instId": BTC}, "60018"),
        ("public", {"channel": "books", "instId": "DOGE-USDT-SWAP"}, "60018"),
        ("public", {"channel": "books"}, "60018"),
        ("public", ORDERS, "60018"),
        ("private", {"channel": "books", "instId": BTC}, "60018"),
        ("private", {"channel": "orders"}, "60018"),
        ("private", ORDERS | {"instId": "DOGE-USDT-SWAP"}, "60018"),
        ("private", {"channel": "fills"}, "64003"),
        ("public", {"channel": "books-l2-tbt", "instId": BTC}, "64003"),
        ("business", {"channel": "orders-algo", "instType": "ANY"}, "60018"),
    ],
)
def test_what_cannot_be_subscribed_to(endpoint: str, argument: dict[str, str], expected: str) -> None:
    floor = Floor()
    socket = floor.private_socket() if endpoint == "private" else floor.socket(endpoint)
    (answer,) = said(socket.received(frame("subscribe", argument, id="7"), NOW).messages)
    assert (answer["event"], answer["code"], answer["id"]) == ("error", expected, "7")


def test_other_paths_are_refused() -> None:
    refused = Floor().dialect.open_socket("ws.okx.com", "/ws/v5/nonsense", "", NOW)
    assert isinstance(refused, HttpReply)
    assert refused.status == 404


class Replica:
    """What a careful client makes of `books`: it checks every sequence number."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[Decimal, Decimal]] = {"bids": {}, "asks": {}}
        self.sequence = -1

    def take(self, push: dict[str, Any]) -> None:
        (row,) = push["data"]
        if push["action"] == "snapshot":
            assert row["prevSeqId"] == -1
            self.sides = {"bids": {}, "asks": {}}
        else:
            assert row["prevSeqId"] == self.sequence
        assert row["checksum"] == 0
        self.sequence = row["seqId"]
        for name, levels in self.sides.items():
            for price, contracts, _, _ in row[name]:
                levels[D(price)] = D(contracts)
                if D(contracts) == 0:
                    del levels[D(price)]


def test_increments_rebuild_the_engines_book_exactly() -> None:
    floor, draw = Floor(deposit="10000000"), random.Random(11)
    socket, replica = floor.socket("public"), Replica()
    (snapshot,) = subscribed(floor, socket, channel="books", instId=BTC)
    replica.take(snapshot)
    pushes = 0
    for _ in range(300):
        floor.now += draw.choice((20, 60, 130))
        if draw.random() < 0.6:
            floor_price = D(50_000 + draw.randint(-30, 30))
            reports: Sequence[Report] = floor.exchange.on_tick(
                tick(BTC, str(floor_price), depth=tuple(D(draw.randint(1, 9)) / 10 for _ in range(4))), floor.now
            )
        else:
            side = draw.choice(list(Side))
            reports = floor.rest(draw.choice(("hedger", "other")), side, "0.5", str(50_000 + draw.randint(-40, 40)))
        assert list(socket.published(reports, floor.now)) == [], "changes are merged until the beat"
        for push in said(socket.beat(floor.now)):
            replica.take(push)
            pushes += 1
    floor.now += 100
    for push in said(socket.beat(floor.now)):
        replica.take(push)
    view = floor.exchange.book(BTC, 400)
    assert replica.sequence == view.sequence
    assert replica.sides["bids"] == {level.price: level.contracts for level in view.bids}
    assert replica.sides["asks"] == {level.price: level.contracts for level in view.asks}
    assert 50 < pushes < 300


def test_a_report_that_the_snapshot_already_had_is_not_told_again() -> None:
    floor = Floor()
    socket = floor.socket("public")
    reports = floor.exchange.on_tick(tick(BTC, "50001"), NOW)
    (snapshot,) = subscribed(floor, socket, channel="books", instId=BTC)
    socket.published(reports, NOW)
    assert list(socket.beat(NOW + 100)) == []
    assert snapshot["data"][0]["seqId"] == floor.exchange.book(BTC).sequence


def test_changes_that_were_never_told_break_the_chain() -> None:
    floor = Floor()
    socket = floor.socket("public")
    (snapshot,) = subscribed(floor, socket, channel="books", instId=BTC)
    floor.exchange.on_tick(tick(BTC, "50001"), NOW)
    socket.published(floor.exchange.on_tick(tick(BTC, "50002"), NOW), NOW)
    (push,) = said(socket.beat(NOW + 100))
    assert push["data"][0]["prevSeqId"] > snapshot["data"][0]["seqId"]


def test_a_quiet_book_gives_a_sign_of_life_after_a_minute() -> None:
    floor = Floor()
    socket = floor.socket("public")
    (snapshot,) = subscribed(floor, socket, channel="books", instId=BTC)
    assert list(socket.beat(NOW + 59_999)) == []
    (push,) = said(socket.beat(NOW + 60_000))
    row, sequence = push["data"][0], snapshot["data"][0]["seqId"]
    assert (row["bids"], row["asks"], row["prevSeqId"], row["seqId"]) == ([], [], sequence, sequence)


def test_unsubscribing_ends_it_and_subscribing_again_starts_with_a_snapshot() -> None:
    floor = Floor()
    socket = floor.socket("public")
    argument = {"channel": "books", "instId": BTC}
    subscribed(floor, socket, **argument)
    assert subscribed(floor, socket, **argument) == [], "a second subscription changes nothing"
    assert said(socket.received(frame("unsubscribe", argument), NOW).messages)[0]["event"] == "unsubscribe"
    socket.published(floor.exchange.on_tick(tick(BTC, "50001"), NOW), NOW)
    assert list(socket.beat(NOW + 1_000)) == []
    assert subscribed(floor, socket, **argument)[0]["action"] == "snapshot"


def test_the_touch_is_told_at_once_and_only_when_it_changes() -> None:
    floor = Floor()
    socket = floor.socket("public")
    (first,) = subscribed(floor, socket, channel="bbo-tbt", instId=BTC)
    assert first["data"][0]["bids"] == [["49999", "100", "0", "1"]]
    assert list(socket.published(floor.rest("hedger", Side.BUY, "1", "49990"), NOW)) == [], "below the touch"
    (push,) = said(socket.published(floor.rest("hedger", Side.BUY, "1", "49999.5"), NOW))
    assert push["data"][0]["bids"] == [["49999.5", "1", "0", "1"]]
    assert list(socket.published(floor.exchange.on_tick(tick(ETH, "3001"), NOW), NOW)) == [], "another instrument"


def test_five_levels_every_hundred_milliseconds() -> None:
    floor = Floor()
    socket = floor.socket("public")
    (first,) = subscribed(floor, socket, channel="books5", instId=BTC)
    assert "action" not in first
    assert list(socket.published(floor.exchange.on_tick(tick(BTC, "50001"), NOW), NOW)) == []
    (push,) = said(socket.beat(NOW + 100))
    assert len(push["data"][0]["bids"]) == 3


@pytest.mark.parametrize(
    ("channel", "changed", "shortest", "longest"),
    [
        ("mark-price", {"mark": D(50_001)}, 200, 10_000),
        ("index-tickers", {"index": D(50_001)}, 100, 60_000),
        ("tickers", {"fair": D(50_001)}, 100, 60_000),
        ("funding-rate", {"funding_rate": D("-0.0001")}, 1_000, 60_000),
        ("open-interest", {"open_interest": D(9_000)}, 3_000, 60_000),
    ],
)
def test_figures_are_pushed_when_they_change_and_at_the_latest_on_time(channel: str, changed: Any, shortest: int, longest: int) -> None:
    floor = Floor()
    socket = floor.socket("public")
    identity = "BTC-USDT" if channel == "index-tickers" else BTC
    (first,) = subscribed(floor, socket, channel=channel, instId=identity)
    assert first["arg"] == {"channel": channel, "instId": identity}
    assert first["data"][0]["instId"] == identity
    assert list(socket.beat(NOW + shortest)) == [], "nothing changed"
    socket.published(floor.exchange.on_tick(tick(BTC, **changed), NOW + 1), NOW + 1)
    assert list(socket.beat(NOW + shortest - 1)) == [], "too early"
    (push,) = said(socket.beat(NOW + shortest))
    assert {k: v for k, v in push["data"][0].items() if k != "ts"} != {k: v for k, v in first["data"][0].items() if k != "ts"}
    assert list(socket.beat(NOW + shortest + longest - 1)) == []
    assert len(socket.beat(NOW + shortest + longest)) == 1


def test_public_trades_name_the_takers_side() -> None:
    floor = Floor()
    socket = floor.socket("public")
    assert subscribed(floor, socket, channel="trades", instId=BTC) == []
    _, answer = floor.place(sz="2")
    (push,) = said(socket.published(answer.reports, NOW))
    assert push["data"][0] | {"tradeId": ""} == {
        "instId": BTC,
        "tradeId": "",
        "px": "49999",
        "sz": "2",
        "side": "sell",
        "ts": str(NOW),
        "count": "1",
        "source": "0",
    }


def test_the_life_of_an_ioc_order_in_pushes() -> None:
    floor = Floor()
    socket = floor.private_socket(ORDERS)
    floor.rest("other", Side.BUY, "2", "49999.5")
    _, answer = floor.place(clOrdId="life", sz="300", px="49999")
    pushes = said(socket.published(answer.reports, NOW))
    assert all(push["arg"] == ORDERS | {"uid": push["arg"]["uid"]} for push in pushes)
    rows = [push["data"][0] for push in pushes]
    assert [(r["state"], r["fillSz"], r["accFillSz"], r["execType"]) for r in rows] == [
        ("live", "0", "0", ""),
        ("partially_filled", "2", "2", "T"),
        ("partially_filled", "100", "102", "T"),
        ("canceled", "0", "102", ""),
    ]
    assert [(r["fillPx"], bool(r["tradeId"])) for r in rows] == [("", False), ("49999.5", True), ("49999", True), ("", False)]
    assert [r["fillFee"] for r in rows] == ["0", "-0.499995", "-24.9995", "0"]
    assert [r["fee"] for r in rows] == ["0", "-0.499995", "-25.499495", "-25.499495"], "as it was then, not as it is now"
    assert rows[-1]["cancelSource"] == "14"
    assert {r["clOrdId"] for r in rows} == {"life"}
    assert [r["tradeId"] for r in rows if r["tradeId"]] == [f["tradeId"] for f in floor.read("trade/fills")][::-1]


def test_orders_of_others_and_of_other_instruments_are_not_told() -> None:
    floor = Floor()
    ours = floor.private_socket(ORDERS | {"instId": ETH})
    theirs = floor.private_socket(ORDERS, key=OTHER)
    _, answer = floor.place()
    assert list(ours.published(answer.reports, NOW)) == []
    assert list(theirs.published(answer.reports, NOW)) == []
    assert list(floor.private_socket(ORDERS | {"instFamily": "BTC-USDT"}).published(answer.reports, NOW))


def test_deleveraging_in_pushes() -> None:
    floor = Floor()
    floor.place(sz="50", px="49998")
    floor.place(ordType="limit", px="51000", clOrdId="waits")
    socket = floor.private_socket(ORDERS, {"channel": "positions", "instType": "ANY"}, {"channel": "balance_and_position"})
    pushes = said(socket.published(floor.exchange.deleverage("hedger", BTC, D(20), NOW), NOW))
    by_channel = {name: [p for p in pushes if p["arg"]["channel"] == name] for name in ("orders", "positions", "balance_and_position")}
    canceled, own = (push["data"][0] for push in by_channel["orders"])
    assert (canceled["clOrdId"], canceled["state"], canceled["cancelSource"]) == ("waits", "canceled", "6")
    assert (own["category"], own["state"], own["side"], own["fillSz"], own["clOrdId"]) == ("adl", "filled", "buy", "20", "")
    assert own["tradeId"] == floor.read("trade/fills")[0]["tradeId"]
    assert own["ordId"] == floor.read("trade/fills")[0]["ordId"]
    assert by_channel["positions"][0]["data"][0]["pos"] == "-30"
    assert by_channel["balance_and_position"][0]["data"][0]["eventType"] == "adl"


def test_positions_start_with_a_snapshot_follow_events_and_repeat() -> None:
    floor = Floor()
    socket = floor.private_socket()
    argument = {"channel": "positions", "instType": "ANY", "instId": BTC}
    (empty,) = subscribed(floor, socket, **argument)
    assert (empty["eventType"], empty["data"]) == ("snapshot", [])
    (push,) = said(socket.published(floor.place()[1].reports, NOW))
    assert (push["eventType"], push["arg"]["instId"], push["data"][0]["pos"]) == ("event_update", BTC, "-1")
    assert list(socket.beat(NOW + 4_999)) == []
    (push,) = said(socket.beat(NOW + 5_000))
    assert (push["eventType"], push["data"][0]["pos"]) == ("snapshot", "-1")
    (push,) = said(socket.published(floor.place(side="buy", px="50010")[1].reports, NOW + 5_001))
    assert push["data"][0]["pos"] == "0", "a closed position is told once"
    (push,) = said(socket.beat(NOW + 10_000))
    assert push["data"] == []


def test_balances_follow_fills_and_funding() -> None:
    floor = Floor()
    socket = floor.private_socket()
    (first,) = subscribed(floor, socket, channel="account", extraParams='{"updateInterval": "0"}')
    assert first["data"][0]["details"][0]["eq"] == "100000"
    (push,) = said(socket.published(floor.place(sz="100", px="49998")[1].reports, NOW))
    assert push["data"][0]["details"][0]["cashBal"] == "99975.0005"
    (push,) = said(socket.published(floor.exchange.settle_funding(BTC, NOW), NOW))
    assert push["data"][0]["details"][0]["cashBal"] == "99980.0005"
    assert list(socket.beat(NOW + 60_000)) == [], "updateInterval 0: events only"


def test_balance_and_position_names_the_event() -> None:
    floor = Floor()
    socket = floor.private_socket()
    (first,) = subscribed(floor, socket, channel="balance_and_position")
    assert (first["data"][0]["eventType"], first["data"][0]["posData"]) == ("snapshot", [])
    (push,) = said(socket.published(floor.place()[1].reports, NOW))
    assert (push["data"][0]["eventType"], push["data"][0]["posData"][0]["pos"]) == ("filled", "-1")
    (push,) = said(socket.published(floor.exchange.settle_funding(BTC, NOW), NOW))
    assert push["data"][0]["eventType"] == "funding_fee"
    deposited = [BalanceReport(balance) for balance in floor.exchange.balances("hedger")]
    (push,) = said(socket.published(deposited, NOW))
    assert push["data"][0]["eventType"] == "transferred"


def test_orders_by_socket_are_answered_under_their_id() -> None:
    floor = Floor()
    socket = floor.private_socket(ORDERS)
    code = floor.read("public/instruments", {"instType": "SWAP", "instId": BTC}, key=None)[0]["instIdCode"]
    order = floor.order(clOrdId="ws1", ordType="limit", px="50500", instIdCode=code, instId=None)
    answer = socket.received(frame("batch-orders", order, id="1"), NOW)
    (reply,) = said(answer.messages)
    assert (reply["id"], reply["op"], reply["code"], reply["data"][0]["sCode"]) == ("1", "batch-orders", "0", "0")
    assert said(socket.published(answer.reports, NOW))[0]["data"][0]["state"] == "live"
    (reply,) = said(socket.received(frame("cancel-order", {"instIdCode": code, "clOrdId": "ws1"}, id="2"), NOW).messages)
    assert (reply["id"], reply["code"]) == ("2", "0")
    (reply,) = said(socket.received(frame("order", order, id="3", expTime=str(NOW - 1)), NOW).messages)
    assert (reply["id"], reply["code"]) == ("3", "50036")
    (reply,) = said(socket.received(frame("order", order | {"instIdCode": 1}, id="4"), NOW).messages)
    assert (reply["code"], reply["data"][0]["sCode"]) == ("1", "51001")
    (reply,) = said(floor.socket("private").received(frame("order", order, id="5"), NOW).messages)
    assert (reply["id"], reply["code"]) == ("5", "60011")
    (reply,) = said(floor.socket("public").received(frame("order", order, id="6"), NOW).messages)
    assert reply["code"] == "60028"


def test_a_countdown_that_ended_is_seen_at_the_next_ping() -> None:
    floor = Floor()
    socket = floor.private_socket(ORDERS, key=KEY)
    floor.place(ordType="limit", px="50500")
    floor.ask("POST", "trade/cancel-all-after", {"timeOut": "10"})
    answer = socket.received("ping", NOW + 10_000)
    assert said(socket.published(answer.reports, NOW + 10_000))[0]["data"][0]["cancelSource"] == "20"
