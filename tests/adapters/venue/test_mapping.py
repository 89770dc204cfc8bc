"""Rows as the venues send them (fields of their own documentation) -> core words, and what is not readable."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.adapters.venue import ccxt_mapping as mapping
from bot.adapters.venue.ccxt_mapping import Unreadable
from bot.core.events import FillKind, VenueOrderStatus
from tests.adapters.venue.payloads import (
    BINANCE,
    BINANCE_ORDER,
    BINANCE_PUSH,
    BYBIT,
    BYBIT_EXECUTION,
    BYBIT_ORDER,
    INVERSE,
    OKX,
    OKX_FILL,
    OKX_ORDER,
    OURS,
    D,
    instrument,
)

ORDERS = [
    ("binanceusdm", BINANCE.reads.order, BINANCE_ORDER, VenueOrderStatus.ACCEPTED),
    ("binanceusdm", BINANCE.streams.order, BINANCE_PUSH, VenueOrderStatus.ACCEPTED),
    ("bybit", BYBIT.reads.order, BYBIT_ORDER, VenueOrderStatus.CANCELED),
    ("okx", OKX.reads.order, OKX_ORDER, VenueOrderStatus.CANCELED),
]


@pytest.mark.parametrize(("venue", "shape", "row", "status"), ORDERS)
def test_an_order_is_one_thing_at_every_venue(venue, shape, row, status):
    report = mapping.order_report(row, shape, OURS[venue])
    assert report is not None
    assert report.client_order_id == "e1k7"
    assert report.venue_order_id == str(row.get("orderId") or row.get("ordId") or row.get("i"))
    assert (report.status, report.filled_quantity, report.average_price) == (status, D("-0.2"), D("63999.9"))
    assert report.venue_at == 1763800000123


FILLS = [
    ("binanceusdm", BINANCE.streams.fill, BINANCE_PUSH, "987654321", "5.11999", 1763800000123),
    ("bybit", BYBIT.reads.fill, BYBIT_EXECUTION, "9aac161b", "7.039989", 1763800000120),
    ("okx", OKX.streams.fill, OKX_ORDER, "1518905529", "6.39999", 1763800000120),
    ("okx", OKX.reads.fill, OKX_FILL, "1518905529", "6.39999", 1763800000119),
]


@pytest.mark.parametrize(("venue", "shape", "row", "fill_id", "fee", "at"), FILLS)
def test_a_fill_is_one_thing_at_every_venue(venue, shape, row, fill_id, fee, at):
    """Pitfalls 15 and 16: contracts become base units, a paid fee is positive whatever the venue's sign."""
    fill = mapping.fill_report(row, shape, OURS[venue])
    assert fill is not None
    assert (fill.fill_id, fill.client_order_id, fill.quantity, fill.price) == (fill_id, "e1k7", D("-0.2"), D("63999.9"))
    assert (fill.fee, fill.fee_asset, fill.kind, fill.venue_at) == (D(fee), "USDT", FillKind.TRADE, at)


KINDS = [
    ("binanceusdm", BINANCE.streams.fill, BINANCE_PUSH | {"c": "adl_autoclose", "x": "CALCULATED"}, FillKind.AUTO_DELEVERAGING),
    ("binanceusdm", BINANCE.streams.fill, BINANCE_PUSH | {"c": "autoclose-17638", "x": "CALCULATED"}, FillKind.LIQUIDATION),
    ("binanceusdm", BINANCE.streams.fill, BINANCE_PUSH | {"c": "settlement_autoclose-1"}, FillKind.SETTLEMENT),
    ("bybit", BYBIT.reads.fill, BYBIT_EXECUTION | {"execType": "AdlTrade"}, FillKind.AUTO_DELEVERAGING),
    ("bybit", BYBIT.reads.fill, BYBIT_EXECUTION | {"execType": "BustTrade"}, FillKind.LIQUIDATION),
    ("bybit", BYBIT.reads.fill, BYBIT_EXECUTION | {"execType": "Delivery"}, FillKind.SETTLEMENT),
    ("okx", OKX.streams.fill, OKX_ORDER | {"category": "adl"}, FillKind.AUTO_DELEVERAGING),
    ("okx", OKX.streams.fill, OKX_ORDER | {"category": "partial_liquidation"}, FillKind.LIQUIDATION),
    ("okx", OKX.reads.fill, OKX_FILL | {"subType": "128"}, FillKind.AUTO_DELEVERAGING),
    ("okx", OKX.reads.fill, OKX_FILL | {"subType": "106"}, FillKind.LIQUIDATION),
]


@pytest.mark.parametrize(("venue", "shape", "row", "kind"), KINDS)
def test_what_the_venue_itself_closes_is_told_apart(venue, shape, row, kind):
    fill = mapping.fill_report(row, shape, OURS[venue])
    assert fill is not None
    assert fill.kind is kind


NO_FILLS = [
    ("binanceusdm", BINANCE.streams.fill, BINANCE_PUSH | {"x": "NEW", "l": "0", "L": "0", "t": 0}),
    ("binanceusdm", BINANCE.streams.fill, BINANCE_PUSH | {"x": "EXPIRED", "l": "0", "L": "0", "t": 0}),
    ("bybit", BYBIT.reads.fill, BYBIT_EXECUTION | {"execType": "Funding"}),
    ("okx", OKX.streams.fill, OKX_ORDER | {"fillSz": "0", "fillPx": "", "tradeId": ""}),
    ("okx", OKX.streams.fill, OKX_ORDER | {"fillSz": ""}),
    ("okx", OKX.reads.fill, OKX_FILL | {"instId": "DOGE-USDT-SWAP"}),
]


@pytest.mark.parametrize(("venue", "shape", "row"), NO_FILLS)
def test_what_is_no_fill_of_ours_is_none(venue, shape, row):
    assert mapping.fill_report(row, shape, OURS[venue]) is None


@pytest.mark.parametrize(
    "defect",
    [
        {"execPrice": "0"},
        {"execPrice": "-1"},
        {"execPrice": "NaN"},
        {"execPrice": "Infinity"},
        {"execPrice": ""},
        {"execPrice": "abc"},
        {"execQty": "0"},
        {"execQty": "-0.2"},
        {"execQty": None},
        {"side": "None"},
        {"side": ""},
        {"execTime": ""},
        {"execTime": "1.5"},
        {"execId": ""},
        {"symbol": None},
        {"execFee": "NaN"},
    ],
)
def test_a_defective_fill_is_unreadable_never_a_guess(defect):
    with pytest.raises(Unreadable):
        mapping.fill_report(BYBIT_EXECUTION | defect, BYBIT.reads.fill, OURS["bybit"])


@pytest.mark.parametrize(
    "defect",
    [
        {"orderStatus": "Sideways"},
        {"orderStatus": ""},
        {"orderId": ""},
        {"cumExecQty": "-1"},
        {"cumExecQty": "x"},
        {"avgPrice": "0"},
        {"avgPrice": "NaN"},
        {"side": "Both"},
        {"updatedTime": "-5"},
    ],
)
def test_a_defective_order_is_unreadable(defect):
    with pytest.raises(Unreadable):
        mapping.order_report(BYBIT_ORDER | defect, BYBIT.reads.order, OURS["bybit"])


def test_what_was_not_told_is_none_not_zero():
    silent = {
        key: value
        for key, value in BYBIT_ORDER.items()
        if key not in {"cumExecQty", "avgPrice", "updatedTime", "createdTime", "orderLinkId"}
    }
    report = mapping.order_report(silent, BYBIT.reads.order, OURS["bybit"])
    assert report is not None
    assert (report.filled_quantity, report.average_price, report.venue_at, report.client_order_id) == (None, None, None, None)
    unfilled = mapping.order_report(
        BINANCE_ORDER | {"executedQty": "0", "avgPrice": "0.00000", "status": "NEW"}, BINANCE.reads.order, OURS["binanceusdm"]
    )
    assert unfilled is not None
    assert (unfilled.filled_quantity, unfilled.average_price) == (D(0), None)


def test_an_acceptance_of_ids_only_is_accepted_with_nothing_known():
    report = mapping.accepted({"clOrdId": "e1k7", "ordId": "31", "sCode": "0"}, OKX.reads.order, OURS["okx"]["BTC-USDT-SWAP"])
    assert report is not None
    assert (report.status, report.filled_quantity) == (VenueOrderStatus.ACCEPTED, None)
    assert mapping.accepted({"clOrdId": "e1k7", "ordId": ""}, OKX.reads.order, OURS["okx"]["BTC-USDT-SWAP"]) is None


def test_positions_list_every_instrument_of_ours():
    row = {"instId": "BTC-USDT-SWAP", "pos": "-20", "posSide": "net", "avgPx": "63999.9", "markPx": "64010.1", "mgnMode": "cross"}
    foreign = {"instId": "DOGE-USDT-SWAP", "pos": "5", "posSide": "net"}
    (short,) = mapping.position_reports([foreign, row], OKX.reads.position_shape, OURS["okx"])
    assert (short.quantity, short.entry_price, short.mark_price) == (D("-0.20"), D("63999.9"), D("64010.1"))
    (flat,) = mapping.position_reports([], OKX.reads.position_shape, OURS["okx"])
    assert (flat.quantity, flat.entry_price) == (0, None)
    bybit = {"symbol": "BTCUSDT", "size": "0.2", "side": "Sell", "avgPrice": "64000", "markPrice": "64010", "positionIdx": 0}
    (short,) = mapping.position_reports([bybit], BYBIT.reads.position_shape, OURS["bybit"])
    assert short.quantity == D("-0.2")
    (flat,) = mapping.position_reports([bybit | {"size": "0", "side": "", "avgPrice": "0"}], BYBIT.reads.position_shape, OURS["bybit"])
    assert flat.quantity == 0


RANKED: list[tuple[Any, dict[str, Any], str, list[tuple[Any, str | None]]]] = [
    (
        BINANCE,
        {"symbol": "BTCUSDT", "positionAmt": "-0.2", "positionSide": "BOTH", "entryPrice": "64000", "markPrice": "64010"},
        "adl",
        [(0, "0"), (2, "0.5"), (4, "1"), (5, None)],
    ),
    (
        BYBIT,
        {"symbol": "BTCUSDT", "size": "0.2", "side": "Sell", "avgPrice": "64000", "markPrice": "64010", "positionIdx": 0},
        "adlRankIndicator",
        [(0, "0"), (3, "0.6"), (5, "1"), (6, None)],
    ),
    (
        OKX,
        {"instId": "BTC-USDT-SWAP", "pos": "-20", "posSide": "net", "avgPx": "64000", "markPx": "64010"},
        "adl",
        [("0", "0"), ("1", "0.2"), ("5", "1"), ("", None)],
    ),
]


@pytest.mark.parametrize(("profile", "row", "key", "told"), RANKED, ids=["binanceusdm", "bybit", "okx"])
def test_the_place_in_the_deleveraging_queue_is_a_fraction_and_nonsense_costs_no_reading(profile, row, key, told):
    for said, rank in [*told, (None, None), (-1, None), ("many", None)]:
        (position,) = mapping.position_reports([row | {key: said}], profile.reads.position_shape, OURS[profile.venue])
        assert position.deleveraging_rank == (None if rank is None else D(rank)), said
        assert position.quantity == D("-0.2")


@pytest.mark.parametrize(
    "rows",
    [
        [{"symbol": "BTCUSDT", "positionAmt": "-1", "positionSide": "SHORT", "entryPrice": "1", "markPrice": "1"}],
        [{"symbol": "BTCUSDT", "positionAmt": "", "positionSide": "BOTH"}],
        [{"positionAmt": "-1", "positionSide": "BOTH"}],
        [{"symbol": "BTCUSDT", "positionAmt": "-1", "positionSide": "BOTH", "entryPrice": "0", "markPrice": "1"}],
        [{"symbol": "BTCUSDT", "positionAmt": "0", "positionSide": "BOTH"}] * 2,
    ],
)
def test_positions_that_contradict_one_way_mode_or_themselves_are_unreadable(rows):
    with pytest.raises(Unreadable):
        mapping.position_reports(rows, BINANCE.reads.position_shape, OURS["binanceusdm"])


def test_inverse_contracts_are_told_as_quote_units_and_need_no_price():
    row = BYBIT_EXECUTION | {"symbol": "BTCUSD", "execQty": "500", "execPrice": "50000"}
    fill = mapping.fill_report(row, BYBIT.reads.fill, INVERSE)
    assert fill is not None
    assert fill.quantity == -500
    position = {"symbol": "BTCUSD", "size": "500", "side": "Sell", "avgPrice": "", "markPrice": "", "positionIdx": 0}
    (told,) = mapping.position_reports([position], BYBIT.reads.position_shape, INVERSE)
    assert (told.quantity, told.mark_price) == (-500, None)


MARGINS = [
    (
        BINANCE,
        {
            "assets": [
                {"asset": "BNB", "marginBalance": "9"},
                {"asset": "USDT", "walletBalance": "100000", "marginBalance": "100250.5", "maintMargin": "51.2", "initialMargin": "2560"},
            ]
        },
    ),
    (
        BYBIT,
        {
            "retCode": 0,
            "result": {
                "list": [
                    {
                        "accountType": "UNIFIED",
                        "totalMarginBalance": "100250.5",
                        "totalMaintenanceMargin": "51.2",
                        "totalInitialMargin": "2560",
                        "coin": [
                            {
                                "coin": "USDT",
                                "equity": "100251",
                                "walletBalance": "100000",
                                "totalPositionMM": "51",
                                "totalPositionIM": "2559",
                            }
                        ],
                    }
                ]
            },
        },
    ),
    (
        OKX,
        {
            "code": "0",
            "data": [
                {
                    "adjEq": "",
                    "imr": "",
                    "mmr": "",
                    "totalEq": "1",
                    "details": [{"ccy": "USDT", "eq": "100250.5", "cashBal": "100000", "imr": "2560", "mmr": "51.2"}],
                }
            ],
        },
    ),
]


@pytest.mark.parametrize(("profile", "answer"), MARGINS, ids=lambda value: getattr(value, "venue", ""))
def test_margin_is_one_thing_at_every_venue_and_the_accounts_figure_goes_first(profile, answer):
    (margin,) = mapping.margin_reports(answer, profile.reads.margin_shape, ["USDT"])
    assert (margin.margin_balance, margin.wallet_balance) == (D("100250.5"), D(100000))
    assert (margin.maintenance_margin, margin.initial_margin) == (D("51.2"), D(2560))
    assert margin.is_account_wide is (profile is BYBIT)
    assert margin.equity == (D(100251) if profile is BYBIT else None)  # the asset's own, beside figures of the whole account
    with pytest.raises(Unreadable, match="USDC"):
        mapping.margin_reports(answer, profile.reads.margin_shape, ["USDC"])
    with pytest.raises(Unreadable):
        mapping.margin_reports({}, profile.reads.margin_shape, ["USDT"])


def test_figures_of_the_whole_account_are_marked_and_never_mixed_with_an_assets():
    account = {"adjEq": "1000000", "mmr": "5000", "imr": "9000", "details": [{"ccy": "USDT", "eq": "600000", "mmr": "7", "imr": "8"}]}
    account["details"].append({"ccy": "USDC", "eq": "400000", "mmr": "", "imr": ""})
    both = mapping.margin_reports({"data": [account]}, OKX.reads.margin_shape, ["USDC", "USDT"])
    assert [(each.is_account_wide, each.margin_balance, each.maintenance_margin) for each in both] == [(True, D(10**6), D(5000))] * 2
    assert [each.equity for each in both] == [D(400_000), D(600_000)]
    untold = account | {"details": [{"ccy": "USDT", "eq": "", "cashBal": "5"}]}
    (without,) = mapping.margin_reports({"data": [untold]}, OKX.reads.margin_shape, ["USDT"])
    assert (without.is_account_wide, without.equity, without.wallet_balance) == (True, None, D(5))
    half = mapping.margin_reports({"data": [account | {"adjEq": ""}]}, OKX.reads.margin_shape, ["USDT"])
    assert [(each.is_account_wide, each.margin_balance, each.maintenance_margin) for each in half] == [(False, D(600_000), D(7))]


def test_received_funding_is_positive_at_every_venue():
    """Pitfall 16: Bybit counts what was paid."""
    cases = [
        (BINANCE, {"symbol": "BTCUSDT", "incomeType": "FUNDING_FEE", "income": "1.25", "asset": "USDT", "time": 10**12, "tranId": 9}),
        (BYBIT, BYBIT_EXECUTION | {"execType": "Funding", "execFee": "-1.25", "execId": "9", "execTime": "1000000000000"}),
        (OKX, {"instId": "BTC-USDT-SWAP", "type": "8", "balChg": "1.25", "billId": "9", "ccy": "USDT", "ts": "1000000000000"}),
    ]
    for profile, row in cases:
        payment = mapping.funding_payment(row, profile.funding.payment, OURS[profile.venue])
        assert payment is not None
        assert (payment.quantity, payment.asset, payment.payment_id, payment.venue_at) == (D("1.25"), "USDT", "9", 10**12)


def test_intervals_are_what_the_venue_tells():
    assert mapping.funding_interval({"fundingIntervalHour": "4"}, BYBIT.funding.rate_shape) == 4 * 3_600_000
    told = {"fundingTime": "1000000000000", "nextFundingTime": "1000014400000"}
    assert mapping.funding_interval(told, OKX.funding.rate_shape) == 14_400_000
    assert mapping.funding_interval({"fundingTime": "1767225601000", "nextFundingTime": ""}, OKX.funding.rate_shape) is None
    assert BINANCE.funding.intervals_shape is not None
    assert mapping.funding_interval({"fundingIntervalHours": 1}, BINANCE.funding.intervals_shape) == 3_600_000


@given(contracts=st.decimals("0.001", "1000000", places=3), size=st.decimals("0.0001", "1000000", places=4), sell=st.booleans())
def test_contract_size_is_applied_once_for_any_size(contracts, size, sell):
    ours = {"X": instrument("okx", "X", str(size))}
    row = OKX_FILL | {"instId": "X", "fillSz": str(contracts), "side": "sell" if sell else "buy"}
    fill = mapping.fill_report(row, OKX.reads.fill, ours)
    assert fill is not None
    assert fill.quantity == contracts * size * (-1 if sell else 1)


@given(
    row=st.dictionaries(
        st.sampled_from(sorted(BYBIT_EXECUTION | BYBIT_ORDER)),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=5)
        | st.lists(st.integers(), max_size=2)
        | st.sampled_from(["Sell", "Trade", "BTCUSDT", "New"]),
    )
)
def test_whatever_a_venue_says_only_unreadable_gets_out(row):
    for call in (
        lambda: mapping.order_report(row, BYBIT.reads.order, OURS["bybit"]),
        lambda: mapping.fill_report(row, BYBIT.reads.fill, OURS["bybit"]),
        lambda: mapping.position_reports([row], BYBIT.reads.position_shape, OURS["bybit"]),
        lambda: mapping.margin_reports(row, BYBIT.reads.margin_shape, ["USDT"]),
        lambda: mapping.funding_payment(row, BYBIT.funding.payment, OURS["bybit"]),
    ):
        try:
            call()
        except Unreadable:
            continue


ELSEWHERE = [
    ("bybit", BYBIT.reads.order, BYBIT_ORDER, mapping.order_report),
    ("bybit", BYBIT.streams.fill, BYBIT_EXECUTION, mapping.fill_report),
    ("bybit", BYBIT.funding.payment, BYBIT_EXECUTION | {"execType": "Funding"}, mapping.funding_payment),
    ("okx", OKX.streams.order, OKX_ORDER, mapping.order_report),
    ("okx", OKX.streams.fill, OKX_ORDER, mapping.fill_report),
    ("okx", OKX.reads.fill, OKX_FILL, mapping.fill_report),
]


@pytest.mark.parametrize(("venue", "shape", "row", "read"), ELSEWHERE)
def test_a_row_of_another_part_of_the_venue_is_not_ours_though_its_symbol_is(venue, shape, row, read):
    path, elsewhere = ("category", "spot") if venue == "bybit" else ("instType", "MARGIN")
    assert read(row, shape, OURS[venue]) is not None
    assert read(row | {path: elsewhere}, shape, OURS[venue]) is None
    assert read({key: value for key, value in row.items() if key != path}, shape, OURS[venue]) is not None, (
        "what is not told proves nothing"
    )


def test_a_position_of_another_part_of_the_venue_is_not_ours():
    row = {"category": "spot", "symbol": "BTCUSDT", "size": "3", "side": "Sell", "avgPrice": "1", "markPrice": "1", "positionIdx": 0}
    (flat,) = mapping.position_reports([row], BYBIT.reads.position_shape, OURS["bybit"])
    assert flat.quantity == 0
