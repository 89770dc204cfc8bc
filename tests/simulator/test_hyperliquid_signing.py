"""Hyperliquid's doors: whose signature it is, which nonces and expiries are taken, and how many actions an address has."""

from __future__ import annotations

import msgpack
import orjson
import pytest

from bot.core.units import DAY_MS
from bot.simulator.dialects.dialect import Credential, HttpRequest, Operation
from bot.simulator.dialects.hyperliquid import HyperliquidDialect
from bot.simulator.dialects.hyperliquid.signing import TESTNET, action_digest, address_of, keccak, signer_of
from tests.simulator.hyperliquid_floor import NOW, OTHER, OWNER, STRANGER, D, Floor, order, orders

NOOP = {"type": "noop"}
CANCEL = {"type": "cancel", "cancels": [{"a": 0, "o": 1}]}


def test_keccak_is_ethereums_and_not_sha3() -> None:
    assert keccak(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"


def test_the_hash_of_an_order_is_that_of_the_official_sdk() -> None:
    """Vector of the SDK's own test of the phantom agent: sell nothing, buy 0.0147 of asset 4 at 1,670.1, at once."""
    action = orders({"a": 4, "b": True, "p": "1670.1", "s": "0.0147", "r": False, "t": {"limit": {"tif": "Ioc"}}})
    hashed = keccak(msgpack.packb(action) + (1_677_777_606_040).to_bytes(8, "big") + b"\x00")
    assert hashed.hex() == "0fcbeda5ae3c4950a548021552a4fea2226858c4453571bf3f24ba017eac2908"


def test_a_signature_of_the_official_sdk_is_its_key_s() -> None:
    """Vector of the SDK's own test of L1 signing on mainnet."""
    signature = {
        "r": "0x53749d5b30552aeb2fca34b530185976545bb22d0b3ce6f62e31be961a59298",
        "s": "0x755c40ba9bf05223521753995abb2f73ab3229be8ec921f350cb447e384d8ed8",
        "v": 27,
    }
    action = {"type": "dummy", "num": 100_000_000_000}
    assert signer_of(action_digest(action, 0, None, None), signature) == address_of(OWNER.secret)
    assert signer_of(action_digest(action, 0, None, None, TESTNET), signature) != address_of(OWNER.secret)


def test_what_ccxt_signs_is_let_in_with_and_without_an_expiry() -> None:
    floor = Floor()
    assert floor.act(NOOP) == {"status": "ok", "response": {"type": "default"}}
    assert floor.act(NOOP, expires_after=NOW + 5_000)["status"] == "ok"
    assert floor.act(NOOP, expires_after=NOW)["status"] == "ok", "up to the instant itself"


def test_an_api_wallet_signs_for_the_account_that_approved_it() -> None:
    floor = Floor()
    floor.place(key=OTHER)
    assert floor.exchange.positions("hedger") == ()
    assert [each.contracts for each in floor.exchange.positions("other")] == [D("-0.05")]
    assert floor.ask("userRole", OWNER) == {"role": "user"}
    wallet = Credential(api_key=address_of(OTHER.secret), secret="", account="")
    assert floor.ask("userRole", wallet) == {"role": "agent", "data": {"user": OTHER.api_key}}
    assert floor.ask("userRole", Credential(api_key=address_of(STRANGER), secret="", account="")) == {"role": "missing"}


def test_a_stranger_s_key_belongs_to_nobody() -> None:
    told = Floor().act(orders(order()), secret=STRANGER)
    assert told == {"status": "err", "response": f"User or API Wallet {address_of(STRANGER)} does not exist."}


@pytest.mark.parametrize("changed", ["price", "nonce", "expiry", "chain"])
def test_a_changed_action_is_a_stranger_s(changed: str) -> None:
    floor = Floor()
    body = floor.signed(orders(order()), expires_after=NOW + 5_000, testnet=changed == "chain")
    if changed == "price":
        body["action"]["orders"][0]["p"] = "59980"
    elif changed == "nonce":
        body["nonce"] += 1
    elif changed == "expiry":
        body["expiresAfter"] += 60_000
    told = orjson.loads(floor.post("/exchange", body).reply.body)
    assert told["status"] == "err"
    assert told["response"].startswith("User or API Wallet 0x")
    assert floor.exchange.positions("hedger") == ()


def test_no_key_can_have_made_some_signatures() -> None:
    floor = Floor()
    body = floor.signed(NOOP)
    body["signature"]["r"] = "0x" + "f" * 64
    assert orjson.loads(floor.post("/exchange", body).reply.body) == {"status": "err", "response": "Unable to recover signer."}


def test_a_nonce_is_used_once() -> None:
    floor = Floor()
    assert floor.act(NOOP, nonce=NOW)["status"] == "ok"
    assert floor.act(NOOP, nonce=NOW) == {"status": "err", "response": f"Invalid nonce: duplicate nonce {NOW}"}
    assert floor.act(NOOP, nonce=NOW - 1)["status"] == "ok", "order does not matter while few are known"
    assert floor.act(NOOP, nonce=NOW, secret=OTHER.secret)["status"] == "ok", "each signer has its own"


@pytest.mark.parametrize(
    ("nonce", "taken"),
    [
        (NOW - 2 * DAY_MS, False),
        (NOW - 2 * DAY_MS + 1, True),
        (NOW + DAY_MS - 1, True),
        (NOW + DAY_MS, False),
    ],
)
def test_a_nonce_lies_near_the_venues_clock(nonce: int, taken: bool) -> None:
    told = Floor().act(NOOP, nonce=nonce)
    assert (told["status"] == "ok") is taken
    if not taken:
        assert told["response"].startswith("Invalid nonce: nonce too ")


def test_of_a_hundred_nonces_a_new_one_must_pass_the_smallest() -> None:
    floor = Floor()
    for number in range(100):
        assert floor.act(NOOP, nonce=NOW + 10 + number)["status"] == "ok"
    assert floor.act(NOOP, nonce=NOW + 9)["response"] == f"Invalid nonce: nonce too low {NOW + 9} < {NOW + 10}"
    assert floor.act(NOOP, nonce=NOW + 500)["status"] == "ok"


def test_an_expired_action_changes_nothing_and_costs_five_requests() -> None:
    floor = Floor()
    told = floor.act(orders(order()), expires_after=NOW - 1)
    assert told["status"] == "err"
    assert floor.exchange.positions("hedger") == ()
    assert floor.ask("userRateLimit")["nRequestsUsed"] == 5


def test_an_address_has_ten_thousand_actions_and_one_more_per_usdc_traded() -> None:
    floor = Floor()
    floor.dialect._wallets.usage["hedger"].requests = 9_999
    assert floor.act(orders(order(size="0.01")))["status"] == "ok"
    limit = floor.ask("userRateLimit")
    assert limit == {"cumVlm": "599.99", "nRequestsUsed": 10_000, "nRequestsCap": 10_599, "nRequestsSurplus": 0}
    floor.dialect._wallets.usage["hedger"].requests = 10_599
    assert floor.act(NOOP)["status"] == "ok", "one every ten seconds"
    floor.now += 9_999
    assert floor.act(NOOP)["response"].startswith("Too many cumulative requests sent (10601 > 10599) for cumulative volume traded $599.99.")
    assert floor.act(CANCEL)["status"] == "ok", "cancels have a limit of their own"
    floor.now += 1
    assert floor.act(NOOP)["status"] == "ok"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        orjson.dumps({"action": NOOP, "nonce": NOW}),
        orjson.dumps({"action": NOOP, "nonce": "1", "signature": {}}),
        orjson.dumps({"action": NOOP, "nonce": NOW, "signature": {"r": "0x1", "s": "zz", "v": 27}}),
        orjson.dumps({"action": NOOP, "nonce": -1, "signature": {"r": "0x1", "s": "0x1", "v": 27}}),
    ],
)
def test_what_is_no_signed_action_is_not_even_read(body: bytes) -> None:
    answer = Floor().post("/exchange", body)
    assert answer.reply.status == 422
    assert answer.reply.body.startswith(b"Failed to deserialize the JSON body")


def test_only_the_venues_paths_and_verb_are_known() -> None:
    floor = Floor()
    assert floor.post("/elsewhere", {}).reply.status == 404
    assert floor.post("/info", {"type": "meta"}, method="GET").reply.status == 405


def test_credentials_are_an_address_and_a_private_key() -> None:
    floor = Floor()
    for wrong in (Credential(api_key="key", secret=OWNER.secret, account="a"), Credential(api_key=OWNER.api_key, secret="no", account="a")):
        with pytest.raises(ValueError, match=r"\S"):
            HyperliquidDialect(floor.exchange, [wrong])


def test_a_fault_plan_can_tell_what_a_request_is_about() -> None:
    floor = Floor()

    def about(path: str, body: object) -> Operation:
        raw = orjson.dumps(body)
        return floor.dialect.operation(HttpRequest(method="POST", host="", path=path, query_string="", headers={}, body=raw))

    assert about("/exchange", {"action": orders(order())}) is Operation.PLACE
    assert about("/exchange", {"action": CANCEL}) is Operation.CANCEL
    assert about("/exchange", {"action": {"type": "updateLeverage"}}) is Operation.SETTINGS
    assert about("/info", {"type": "clearinghouseState"}) is Operation.POSITIONS
    assert about("/info", {"type": "clearinghouseState", "dex": ""}) is Operation.BALANCE
    assert about("/info", {"type": "orderStatus"}) is Operation.ORDER
    assert about("/info", {"type": "nothing"}) is Operation.UNKNOWN
    assert about("/elsewhere", {}) is Operation.UNKNOWN
