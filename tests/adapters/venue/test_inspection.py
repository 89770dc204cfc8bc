"""What a venue tells of a key, in the shape of its own documentation, and how it is judged on mainnet and elsewhere."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.adapters.venue.ccxt_mapping import Unreadable
from bot.adapters.venue.inspection import (
    Absent,
    Asking,
    KeyFacts,
    Unknown,
    Verdict,
    of_clock,
    of_key,
    of_leverage,
    of_mode,
    unknown_key,
)
from bot.adapters.venue.profiles import PROFILES, key_rows
from bot.adapters.venue.profiles.inspections import INSPECTIONS
from bot.adapters.venue.settings import Environment
from bot.core.units import DAY_MS

NOW = 1_700_000_000_000
GOOD = KeyFacts(may_trade=True, may_withdraw=False, may_move=False, addresses=("192.0.2.1",), ends_at=NOW + 30 * DAY_MS)
ELSEWHERE = [environment for environment in Environment if environment is not Environment.MAINNET]
WHO = Asking(api_key="ours")
BINANCE = {
    "ipRestrict": True,
    "createTime": 1_698_645_219_000,
    "enableReading": True,
    "enableWithdrawals": False,
    "enableInternalTransfer": False,
    "enableMargin": False,
    "enableFutures": True,
    "permitsUniversalTransfer": False,
    "enableVanillaOptions": False,
    "enableFixApiTrade": False,
    "enableFixReadOnly": True,
    "enableSpotAndMarginTrading": False,
    "enablePortfolioMarginTrading": True,
}
BYBIT = {
    "id": "13770661",
    "apiKey": "ours",
    "readOnly": 0,
    "secret": "",
    "permissions": {"ContractTrade": ["Order", "Position"], "Spot": [], "Wallet": [], "Options": [], "Derivatives": []},
    "ips": ["192.0.2.1"],
    "type": 1,
    "deadlineDay": 83,
    "expiredAt": "2023-12-15T03:21:05Z",
    "createdAt": "2022-10-16T02:24:40Z",
    "uta": 1,
}
OKX = {"acctLv": "2", "ip": "192.0.2.1,192.0.2.2", "perm": "read_only,trade", "posMode": "net_mode"}
DERIBIT = {
    "timestamp": 1_560_236_287_708,
    "max_scope": "account:read block_trade:read trade:read_write wallet:read",
    "id": 2,
    "enabled": True,
    "default": True,
    "client_secret": "never-shown",
    "client_id": "ours",
    "name": "",
    "enabled_features": [],
    "ip_whitelist": ["192.0.2.1"],
}
OWNER, WALLET = "0x" + "a" * 40, "0x" + "b" * 40
WALLETS = [{"name": "desk", "address": WALLET, "validUntil": NOW + 30 * DAY_MS}]


def verdicts(facts: KeyFacts, environment: Environment) -> dict[str, Verdict]:
    return {finding.what: finding.verdict for finding in of_key(facts, environment, NOW)}


@pytest.mark.parametrize("environment", list(Environment))
def test_a_key_that_can_only_trade_from_known_addresses_is_fine_everywhere(environment):
    assert set(verdicts(GOOD, environment).values()) == {Verdict.FINE}


@pytest.mark.parametrize(
    ("what", "bad"),
    [
        ("may withdraw", replace(GOOD, may_withdraw=True)),
        ("address list", replace(GOOD, addresses=())),
        ("ends", replace(GOOD, ends_at=NOW + 7 * DAY_MS)),
    ],
)
def test_what_mainnet_refuses_is_a_warning_elsewhere(what, bad):
    assert verdicts(bad, Environment.MAINNET) == {**verdicts(GOOD, Environment.MAINNET), what: Verdict.REFUSED}
    for environment in ELSEWHERE:
        assert verdicts(bad, environment) == {**verdicts(GOOD, environment), what: Verdict.WARNING}


def test_seven_days_and_a_moment_are_enough():
    assert verdicts(replace(GOOD, ends_at=NOW + 7 * DAY_MS + 1), Environment.MAINNET)["ends"] is Verdict.FINE


@pytest.mark.parametrize("environment", list(Environment))
@pytest.mark.parametrize(("what", "bad"), [("may trade", replace(GOOD, may_trade=False)), ("ends", replace(GOOD, ends_at=NOW))])
def test_a_key_that_cannot_trade_or_has_ended_is_refused_everywhere(environment, what, bad):
    assert verdicts(bad, environment)[what] is Verdict.REFUSED


@pytest.mark.parametrize("environment", list(Environment))
def test_the_right_to_move_funds_is_a_warning_everywhere(environment):
    assert verdicts(replace(GOOD, may_move=True), environment)["may move funds"] is Verdict.WARNING


def test_what_is_unknown_is_never_fine_and_mainnet_refuses_it_in_a_sentence():
    found = unknown_key(Unknown("HTTP 500"), Environment.MAINNET, NOW)
    assert {each.what: each.verdict for each in found if each.what != "may move funds"} == dict.fromkeys(
        ("may trade", "may withdraw", "address list", "ends"), Verdict.REFUSED
    )
    assert all("HTTP 500" in each.why for each in found)
    for environment in ELSEWHERE:
        assert {each.verdict for each in unknown_key(Unknown("HTTP 500"), environment, NOW)} == {Verdict.UNKNOWN}


@pytest.mark.parametrize("environment", list(Environment))
def test_what_a_venue_has_no_such_thing_for_is_told_and_stands_in_nobodys_way(environment):
    found = unknown_key(Absent("There are none."), environment, NOW)
    assert {(each.verdict, each.why) for each in found} == {(Verdict.NOTED, "There are none.")}


@pytest.mark.parametrize(
    ("offset_ms", "verdict"),
    [(0, "ok"), (-250, "ok"), (251, "warning"), (-500, "warning"), (501, "refused"), (-3_600_000, "refused")],
)
def test_clocks(offset_ms, verdict):
    assert of_clock(offset_ms, 3, 500).verdict == verdict


def test_modes_and_leverages_are_told_by_symbol_where_they_differ():
    assert of_mode("margin mode", {"A": "cross", "B": "cross"}, frozenset({"cross"})).verdict is Verdict.FINE
    mixed = of_mode("margin mode", {"A": "cross", "B": "isolated", "C": "cross"}, frozenset({"cross"}))
    assert (mixed.found, mixed.verdict) == ("cross: A, C; isolated: B", Verdict.WARNING)
    assert of_mode("position mode", {}, frozenset({"net"})).verdict is Verdict.UNKNOWN
    assert of_mode("position mode", {"account": None}, frozenset({"net"})).verdict is Verdict.UNKNOWN
    assert of_leverage({"A": Decimal(5)}, 5).verdict is Verdict.FINE
    told = of_leverage({"A": Decimal("5.00"), "B": Decimal(20)}, 5)
    assert (told.found, told.verdict) == ("5x: A; 20x: B", Verdict.NOTED)
    assert of_leverage({"A": None}, 5).verdict is Verdict.UNKNOWN


def of_bybit(**changed):
    return key_rows.bybit({"retCode": 0, "result": BYBIT | changed}, WHO)


def of_okx(**changed):
    return key_rows.okx({"code": "0", "data": [OKX | changed]}, WHO)


def of_deribit(**changed):
    others = DERIBIT | {"client_id": "another", "max_scope": "wallet:read_write"}
    return key_rows.deribit({"result": [others, DERIBIT | changed]}, WHO)


def of_hyperliquid(rows=None, signer=WALLET):
    return key_rows.hyperliquid(WALLETS if rows is None else rows, Asking(api_key=OWNER.upper().replace("X", "x"), signer=signer))


def test_binance():
    told = key_rows.binance(BINANCE, WHO)
    assert (told.may_trade, told.may_withdraw, told.may_move, len(told.addresses)) == (True, False, False, 1)
    assert isinstance(told.ends_at, Absent)
    assert key_rows.binance(BINANCE | {"ipRestrict": False}, WHO).addresses == ()
    assert key_rows.binance(BINANCE | {"enableWithdrawals": True}, WHO).may_withdraw is True
    assert key_rows.binance(BINANCE | {"enableFutures": False}, WHO).may_trade is False
    assert key_rows.binance(BINANCE | {"enableReading": False}, WHO).may_trade is False
    assert key_rows.binance(BINANCE | {"permitsUniversalTransfer": True}, WHO).may_move is True
    assert key_rows.binance(BINANCE | {"enableInternalTransfer": True}, WHO).may_move is True
    assert key_rows.binance(BINANCE | {"tradingAuthorityExpirationTime": NOW}, WHO).ends_at == NOW


def test_bybit():
    told = of_bybit(ips=["*"], expiredAt="2023-12-15T03:21:05Z")
    assert (told.may_trade, told.may_withdraw, told.may_move, told.addresses, told.ends_at) == (True, False, False, (), 1_702_610_465_000)
    assert of_bybit().addresses == ("192.0.2.1",)
    assert of_bybit(readOnly=1).may_trade is False
    assert of_bybit(permissions={"ContractTrade": ["Order"], "Wallet": []}).may_trade is False
    wallet = {"ContractTrade": ["Order", "Position"], "Wallet": ["AccountTransfer", "Withdraw"]}
    assert (of_bybit(permissions=wallet).may_withdraw, of_bybit(permissions=wallet).may_move) == (True, True)
    for none in ("", None, "1970-01-01T00:00:00Z"):
        assert isinstance(of_bybit(expiredAt=none).ends_at, Absent)
        assert isinstance(of_bybit(expiredAt=none, ips=["*"]).ends_at, Unknown)
    assert isinstance(of_bybit(ips=None).addresses, Unknown)
    assert isinstance(of_bybit(permissions={"ContractTrade": ["Order", "Position"]}).may_withdraw, Unknown)


def test_okx():
    told = of_okx()
    assert (told.may_trade, told.may_withdraw, told.addresses) == (True, False, ("192.0.2.1", "192.0.2.2"))
    assert isinstance(told.ends_at, Absent)
    assert of_okx(ip="").addresses == ()
    assert of_okx(perm="read_only").may_trade is False
    assert of_okx(perm="read_only,trade,withdraw").may_withdraw is True
    assert isinstance(of_okx(ip=None).addresses, Unknown)


def test_deribit_looks_at_our_own_key_alone():
    told = of_deribit()
    assert (told.may_trade, told.may_withdraw, told.addresses) == (True, False, ("192.0.2.1",))
    assert of_deribit(max_scope="account:read trade:read wallet:none").may_trade is False
    assert of_deribit(max_scope="account:read trade:read_write wallet:read_write").may_withdraw is True
    assert isinstance(of_deribit(max_scope="account:read trade:read_write").may_withdraw, Unknown)
    assert of_deribit(enabled=False).may_trade is False
    assert of_deribit(ip_whitelist=[]).addresses == ()
    assert "never-shown" not in repr(told)


def test_hyperliquid():
    told = of_hyperliquid()
    assert (told.may_trade, told.may_withdraw, told.ends_at) == (True, False, NOW + 30 * DAY_MS)
    assert isinstance(told.addresses, Absent)
    assert isinstance(told.may_move, Absent)
    owner = of_hyperliquid(signer=OWNER)
    assert (owner.may_withdraw, owner.may_move) == (True, True)
    assert isinstance(of_hyperliquid([]).ends_at, Unknown)


@pytest.mark.parametrize(
    "told",
    [
        lambda: key_rows.binance({}, WHO),
        lambda: key_rows.binance([], WHO),
        lambda: key_rows.bybit({"retCode": 0, "result": {}}, WHO),
        lambda: of_bybit(permissions=None),
        lambda: of_bybit(expiredAt="soon"),
        lambda: key_rows.okx({"code": "0", "data": []}, WHO),
        lambda: of_okx(perm=""),
        lambda: key_rows.deribit({"result": []}, WHO),
        lambda: of_deribit(client_id="somebody"),
        lambda: of_hyperliquid({"wallets": []}),
        lambda: of_hyperliquid(signer=None),
    ],
)
def test_an_answer_that_says_nothing_of_the_key_is_unreadable(told):
    with pytest.raises(Unreadable, match="key"):
        told()


def test_an_empty_answer_of_binance_leaves_everything_unknown():
    told = key_rows.binance({"createTime": 1}, WHO)
    assert {type(each) for each in (told.may_trade, told.may_withdraw, told.may_move, told.addresses)} == {Unknown}


def test_every_venue_has_its_page():
    assert set(INSPECTIONS) == set(PROFILES)
    assert all(each.key.source.startswith("https://") for each in INSPECTIONS.values())
    assert all(bool(INSPECTIONS[venue].no_switch) == (PROFILES[venue].dead_man is None) for venue in PROFILES)
