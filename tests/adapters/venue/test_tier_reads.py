"""Leverage tiers on every dialect over the real client: ours give the venue's own maintenance margin, and half a table is none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import orjson
import pytest

from bot.adapters.venue.ccxt_mapping import Unreadable, figure
from bot.adapters.venue.profile import Tiers
from bot.adapters.venue.profiles import PROFILES
from bot.adapters.venue.profiles.hyperliquid_rows import tiers as hyperliquid_tiers
from bot.adapters.venue.throttle import Lane
from bot.adapters.venue.tier_reads import read
from bot.core.events import OrderReported
from bot.core.tiers import TierRow, TierRule
from bot.simulator.dialects.dialect import Operation
from bot.simulator.direct_words import instrument_of, tiers_of
from bot.simulator.faults import FaultKind
from bot.simulator.listings import contracts_of
from tests.adapters.venue.venue_stand import STANDS, SYMBOLS, Stand, standing
from tests.simulator.stand import FAIR, KEY, tick_of

D = Decimal
LISTING_REQUESTS = {"binanceusdm": 0, "binancecoinm": 0, "bybit": 4, "okx": 1, "hyperliquid": 1}
"""How many requests of the same kind list the instruments before their tiers are asked for."""
WHERE = dict.fromkeys(SYMBOLS, Operation.MARKETS) | dict.fromkeys(("binanceusdm", "binancecoinm"), Operation.SETTINGS)

BINANCE = {
    "symbol": "BTCUSDT",
    "notionalCoef": 1.0,
    "brackets": [
        {"bracket": 1, "initialLeverage": 125, "notionalCap": 300000, "notionalFloor": 0, "maintMarginRatio": 0.004, "cum": 0.0},
        {"bracket": 2, "initialLeverage": 100, "notionalCap": 800000, "notionalFloor": 300000, "maintMarginRatio": 0.005, "cum": 300.0},
    ],
}
COIN_M = {
    "symbol": "BTCUSD_PERP",
    "brackets": [
        {"bracket": 1, "initialLeverage": 125, "qtyCap": 5, "qtyFloor": 0, "maintMarginRatio": 0.004, "cum": 0.0},
        {"bracket": 2, "initialLeverage": 100, "qtyCap": 10, "qtyFloor": 5, "maintMarginRatio": 0.005, "cum": 0.005},
    ],
}
BYBIT = [
    {
        "id": 2,
        "symbol": "BTCUSDT",
        "riskLimitValue": "4000000",
        "maintenanceMargin": "0.01",
        "initialMargin": "0.02",
        "mmDeduction": "10000",
    },
    {"id": 1, "symbol": "BTCUSDT", "riskLimitValue": "2000000", "maintenanceMargin": "0.005", "initialMargin": "0.01", "mmDeduction": ""},
]
OKX = [
    {"instFamily": "BTC-USDT", "tier": "1", "minSz": "0", "maxSz": "6000", "mmr": "0.004", "imr": "0.01", "maxLever": "100"},
    {"instFamily": "BTC-USDT", "tier": "2", "minSz": "6000.01", "maxSz": "12000", "mmr": "0.005", "imr": "0.0133", "maxLever": "75"},
]
HYPERLIQUID = {
    "universe": [{"szDecimals": 5, "name": "BTC", "maxLeverage": 40, "marginTableId": 56}],
    "marginTables": [
        [
            56,
            {
                "description": "tiered 40x",
                "marginTiers": [{"lowerBound": "0.0", "maxLeverage": 40}, {"lowerBound": "150000000.0", "maxLeverage": 20}],
            },
        ]
    ],
}
ROWS: dict[str, list[dict[str, Any]]] = {
    "binanceusdm": [BINANCE],
    "binancecoinm": [COIN_M],
    "bybit": BYBIT,
    "okx": OKX,
    "hyperliquid": hyperliquid_tiers(HYPERLIQUID),
}


TELLING = [name for name in SYMBOLS if isinstance(PROFILES[name].tiers, Tiers)]
"""The venues that tell their tiers; Deribit states its margin rates in words alone."""


@pytest.fixture(params=TELLING)
async def stand(request) -> AsyncIterator[Stand]:
    async with standing(request.param) as one:
        yield one


def row(floor: str, cap: str | None, maintenance: str, initial: str) -> TierRow:
    return TierRow(floor=D(floor), cap=None if cap is None else D(cap), maintenance_rate=D(maintenance), initial_rate=D(initial))


READ = {
    "binanceusdm": (TierRule.SLICED, (row("0", "300000", "0.004", "0.008"), row("300000", "800000", "0.005", "0.01"))),
    "binancecoinm": (TierRule.SLICED, (row("0", "5", "0.004", "0.008"), row("5", "10", "0.005", "0.01"))),
    "bybit": (TierRule.SLICED, (row("0", "2000000", "0.005", "0.01"), row("2000000", "4000000", "0.01", "0.02"))),
    "okx": (TierRule.WHOLE, (row("0", "6000", "0.004", "0.01"), row("6000", "12000", "0.005", "0.0133"))),
    "hyperliquid": (TierRule.SLICED, (row("0", "150000000", "0.0125", "0.025"), row("150000000", None, "0.025", "0.05"))),
}


@pytest.mark.parametrize("name", TELLING)
def test_the_venues_own_rows(name):
    told = read(PROFILES[name].tiers, ROWS[name])
    assert (told.rule, told.rows) == READ[name]


def test_rates_in_percent_are_told_by_the_leverage_beside_them():
    """v5 "Get Risk Limit" shows the lowest tier of BTCUSD so; the same as a fraction comes to the same."""
    shown = {
        "id": 1,
        "symbol": "BTCUSD",
        "riskLimitValue": "150",
        "maintenanceMargin": "0.5",
        "initialMargin": "1",
        "maxLeverage": "100.00",
    }
    (read_from,) = {
        read(PROFILES["bybit"].tiers, [each]) for each in (shown, shown | {"maintenanceMargin": "0.005", "initialMargin": "0.01"})
    }
    assert read_from.rows == (row("0", "150", "0.005", "0.01"),)


@pytest.mark.parametrize(
    ("name", "rows", "why"),
    [
        ("binanceusdm", [], "at least one row"),
        ("binanceusdm", [BINANCE | {"brackets": None}], "at least one row"),
        ("binanceusdm", [BINANCE | {"brackets": BINANCE["brackets"][1:]}], "starts at"),
        ("binanceusdm", [BINANCE | {"notionalCoef": 1.5}], "stretched by 1.5"),
        ("binanceusdm", [BINANCE | {"brackets": [BINANCE["brackets"][0] | {"initialLeverage": 0}]}], "without an end"),
        ("bybit", [BYBIT[1] | {"maintenanceMargin": "0.02"}], "maintenance"),
        ("bybit", [BYBIT[0] | {"maintenanceMargin": "0.001"}, BYBIT[1]], "less than the tier before"),
        ("bybit", [BYBIT[0] | {"riskLimitValue": "many"}], "no number"),
        ("bybit", [BYBIT[1] | {"maxLeverage": "10.00"}], "does not belong"),
        ("okx", [OKX[0], OKX[0]], "at or below its floor"),
        ("okx", [OKX[0] | {"mmr": ""}], "without an end or its rates"),
    ],
)
def test_half_a_table_is_no_table(name, rows, why):
    with pytest.raises(Unreadable, match=why):
        read(PROFILES[name].tiers, rows)


@pytest.fixture(params=[name for name, (venue, _) in STANDS.items() if venue in TELLING])
async def every(request) -> AsyncIterator[Stand]:
    """A stand of each kind of contract, the inverse ones among them."""
    async with standing(request.param) as one:
        yield one


async def test_tiers_are_read_at_opening_as_the_engine_has_them(every):
    stand = every
    for instrument in stand.instruments.values():
        expected = tiers_of(stand.desk.exchange.contracts[instrument.venue_symbol])
        told = instrument.tiers
        assert told is not None
        assert told.rule is expected.rule
        for ours, theirs in zip(told.rows, expected.rows, strict=True):
            assert (ours.floor, ours.cap or theirs.cap) == (theirs.floor, theirs.cap), "Hyperliquid's last tier has no end"
            assert abs(ours.maintenance_rate - theirs.maintenance_rate) < D("1e-20")
            assert abs(ours.initial_rate - theirs.initial_rate) < D("0.0001"), "Bybit tells four digits"


@pytest.mark.parametrize("orders", [1, 4], ids=["first tiers", "further up"])
async def test_the_maintenance_margin_by_tier_is_the_venues_own(every, orders):
    """In what the contract settles in: of an inverse one the tiers count coins, or contracts, and the margin is coins."""
    stand = every
    contract = stand.desk.exchange.contracts[stand.btc.venue_symbol]
    for _ in range(orders):
        assert isinstance(await stand.venue.place(stand.order("-19", D("59990"))), OrderReported)
        stand.desk.tick(tick_of(contract))
    assert stand.held() == stand.units("-19") * orders
    reads = PROFILES[stand.name].reads
    rows = await stand.venue._up.asker.rows(reads.position, Lane.RECONCILE, symbols=[stand.btc.venue_symbol])
    shape = reads.position_shape
    mark, theirs = figure(rows[0], shape.mark) or FAIR["BTC"], figure(rows[0], shape.maintenance)
    if not shape.maintenance:  # COIN-M and Hyperliquid tell it beside the account's margin alone
        (theirs,) = [each.maintenance_margin for each in stand.desk.exchange.positions(KEY.account) if each.symbol == contract.symbol]
    assert stand.btc.tiers is not None
    contracts = stand.held() / stand.btc.contract_size
    table = stand.btc.tiers.table_of(contracts=contracts, base=stand.btc.base_of(stand.held(), mark))
    assert table is not None
    assert abs(table.maintenance(stand.worth(stand.held(), mark)) - theirs) < D("1e-11"), "Bybit tells twelve decimals"


@pytest.mark.parametrize("answer", ["", "{}", "[]", "<html></html>", '{"retCode":0,"code":"0","result":{"list":[]},"data":[]}'])
async def test_tiers_that_cannot_be_read_are_none_and_the_venue_opens_all_the_same(stand, answer):
    if stand.name.startswith("binance"):  # answers other settings beside its brackets: those it must not know at all
        stand.arm(FaultKind.REFUSE, Operation.SETTINGS, status=404, body="404: Not Found", times=99)
    else:
        stand.arm(FaultKind.REFUSE, Operation.MARKETS, status=200, body=answer, times=99, skip=LISTING_REQUESTS[stand.name])
    listed = await stand.venue.open()
    assert {each.tiers for each in listed} == {None}
    assert isinstance(await stand.venue.place(stand.order("-0.05")), OrderReported)


async def test_describing_again_keeps_what_was_known_when_it_cannot_be_read_and_takes_what_changed(stand):
    known = stand.instruments
    stand.arm(FaultKind.REFUSE, WHERE[stand.name], status=200, body="", times=99, skip=LISTING_REQUESTS[stand.name])
    assert {each.venue_symbol: each for each in await stand.venue.describe()} == known
    for number in stand.server.plan.armed:
        stand.server.plan.disarm(number)
    name = stand.name
    row = ROWS[name]
    body = {
        "binanceusdm": BINANCE,
        "binancecoinm": [COIN_M],
        "bybit": {"retCode": 0, "result": {"list": row}},
        "okx": {"code": "0", "data": row},
        "hyperliquid": HYPERLIQUID,
    }[name]
    stand.arm(FaultKind.REFUSE, WHERE[name], status=200, body=orjson.dumps(body).decode(), times=2, skip=LISTING_REQUESTS[name])
    described = {each.venue_symbol: each for each in await stand.venue.describe()}
    told = described[stand.btc.venue_symbol].tiers
    assert told is not None
    assert (told.rule, told.rows) == READ[name]
    eth = next(each for each in known.values() if each.base == "ETH")
    assert described[eth.venue_symbol] == eth, "what was told is about BTC alone"


def test_the_engines_contract_as_the_direct_venue_tells_it():
    for venue, rule in (
        ("binanceusdm", TierRule.SLICED),
        ("binancecoinm", TierRule.SLICED),
        ("bybit", TierRule.SLICED),
        ("okx", TierRule.WHOLE),
        ("hyperliquid", TierRule.SLICED),
    ):
        for contract in contracts_of(venue):
            told = instrument_of(venue, contract).tiers
            assert told is not None
            assert told.rule is rule
            assert told.table_of(contracts=D(1), base=contract.contract_size) is not None
