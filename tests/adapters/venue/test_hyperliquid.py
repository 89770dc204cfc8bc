"""What only Hyperliquid has: signed actions, ids of 128 bits, an account that anybody may read, words instead of codes."""

from __future__ import annotations

from decimal import Decimal

import orjson
import pytest

from bot.adapters.venue.ccxt_venue import CcxtVenue
from bot.adapters.venue.client_ids import as_hex128
from bot.adapters.venue.outcomes import PROVEN, phrase, said_in
from bot.adapters.venue.profiles.hyperliquid_rows import contexts, hear, predicted, tiers
from bot.core.events import (
    FillReported,
    OrderAbsent,
    OrderOutcomeUnknown,
    OrderRefused,
    OrderReported,
    VenueOrderStatus,
    VenueReported,
    VenueUnreadable,
)
from bot.ports import VenueNotReady
from bot.simulator.dialects.dialect import Credential, Operation
from bot.simulator.dialects.hyperliquid import HyperliquidDialect
from bot.simulator.dialects.hyperliquid.signing import address_of
from bot.simulator.faults import FaultKind
from tests.adapters.venue.venue_stand import WallClock, settings_of, standing, until
from tests.simulator.stand import KEY, WALLET, desk_of, serving

BID, ASK = Decimal(59_999), Decimal(60_001)
OTHER_KEY = "0x" + "0" * 62 + "a1"


@pytest.fixture
async def stand():
    async with standing("hyperliquid") as one:
        yield one


def bodies_of(stand) -> list[dict]:
    """The JSON of every action that reaches the venue from now on."""
    seen, handle = [], stand.desk.handle

    def noting(request):
        body = orjson.loads(request.body)
        if request.path == "/exchange":
            seen.append(body)
        return handle(request)

    stand.desk.handle = noting
    return seen


async def test_an_order_carries_its_expiry_under_its_signature_and_our_id_as_a_number(stand):
    seen = bodies_of(stand)
    command = stand.order("-0.05", BID, expires_in=2_000)
    assert isinstance(await stand.venue.place(command), OrderReported)
    (body,) = seen
    assert body["expiresAfter"] == command.expires_at + stand.venue._up.asker.offset_ms
    assert body["action"]["orders"][0]["c"] == as_hex128(command.client_order_id)
    assert "builder" not in body["action"], "ccxt would have a fee paid to a builder of its own"


async def test_an_expiry_is_never_more_than_five_seconds_ahead(stand):
    seen = bodies_of(stand)
    command = stand.order("-0.05", BID, expires_in=60_000)
    await stand.venue.place(command)
    assert seen[0]["expiresAfter"] <= stand.clock.now() + stand.venue._up.asker.offset_ms + 5_000


async def test_what_comes_too_late_is_not_done_and_proven_absent(stand):
    """The words about a passed expiry are documented nowhere: they prove nothing, the look-up after it does."""
    stand.arm(FaultKind.HOLD_REQUEST, Operation.PLACE, delay_ms=700)
    command = stand.order("-0.05", BID, expires_in=300)
    assert isinstance(await stand.venue.place(command), OrderOutcomeUnknown)
    found = await stand.venue.look_up(stand.asked(command))
    assert isinstance(found, OrderAbsent)
    assert found.venue_clock_at > command.expires_at + stand.venue._up.asker.offset_ms
    assert stand.held() == 0


async def test_an_immediate_order_that_met_nobody_was_taken_and_is_gone(stand):
    command = stand.order("-0.05", ASK)
    answer = await stand.venue.place(command)
    assert isinstance(answer, OrderReported), answer
    assert (answer.report.status, answer.report.filled_quantity) == (VenueOrderStatus.CANCELED, 0)
    stand.arm(FaultKind.DROP_REPLY, Operation.ORDER)
    assert isinstance(await stand.venue.place(stand.order("-0.05", ASK)), OrderOutcomeUnknown), "it could not be looked up"


async def test_an_id_that_does_not_fit_is_not_sent(stand):
    seen = bodies_of(stand)
    answer = await stand.venue.place(stand.order("-0.05", BID, ours="a" * 25))
    assert isinstance(answer, OrderRefused)
    assert (answer.code, seen) == ("not_sent", [])


async def test_an_address_that_the_secret_does_not_sign_for_cannot_be_used():
    """Anybody's account can be read: what is read must be what is traded on."""
    async with serving(desk_of("hyperliquid", HyperliquidDialect)) as server:
        for changed in ({"api_key": "0x" + "9" * 40}, {"secret": OTHER_KEY}):
            venue = CcxtVenue(settings_of("hyperliquid", server, **changed), WallClock())
            with pytest.raises(VenueNotReady, match="is not the private key of that address") as raised:
                await venue.open()
            await venue.close()
            assert not any(secret in str(raised.value) for secret in (WALLET.secret, OTHER_KEY))


async def test_a_wallet_that_the_owner_approved_signs_for_the_account():
    desk = desk_of("hyperliquid", HyperliquidDialect)
    desk.dialect = HyperliquidDialect(desk.exchange, [Credential(api_key=WALLET.api_key, secret=OTHER_KEY, account=KEY.account)])
    assert address_of(OTHER_KEY) != WALLET.api_key
    async with serving(desk) as server:
        venue = CcxtVenue(settings_of("hyperliquid", server, secret=OTHER_KEY), WallClock())
        try:
            assert len(await venue.open()) == 2
            assert desk.exchange.leverage(KEY.account, "BTC") == 5
        finally:
            await venue.close()


@pytest.mark.parametrize(("answer", "fits"), [("default", True), ("disabled", True), ("unifiedAccount", False), ("portfolioMargin", False)])
async def test_an_account_whose_margin_stands_elsewhere_cannot_be_used(stand, answer, fits):
    stand.arm(FaultKind.REFUSE, Operation.SETTINGS, status=200, body=f'"{answer}"')
    if fits:
        assert len(await stand.venue.open()) == 2
    else:
        with pytest.raises(VenueNotReady, match=f"unified account.*{answer}"):
            await stand.venue.open()


async def test_old_fills_that_a_subscription_begins_with_are_not_heard_again():
    async with standing("hyperliquid", moving=True) as stand:
        await stand.venue.place(stand.order("-0.05", BID))
        async with stand.listening() as box:
            command = stand.order("-0.02", BID)
            await stand.venue.place(command)
            await until(lambda: box.of(FillReported))
            assert [event.fill.client_order_id for event in box.of(FillReported)] == [command.client_order_id]


async def test_a_position_that_both_lists_leave_out_while_margin_is_used_for_it_is_not_flat(stand):
    await stand.venue.place(stand.order("-0.05", BID))
    eth = {
        "type": "oneWay",
        "position": {"coin": "ETH", "szi": "-0.1", "entryPx": "3000.0", "positionValue": "300.0", "marginUsed": "60.0"},
    }
    body = orjson.dumps({"assetPositions": [eth]}).decode()
    stand.arm(FaultKind.REFUSE, Operation.POSITIONS, status=200, body=body, times=9)
    answer = await stand.venue.read(stand.reading())
    assert isinstance(answer, VenueUnreadable), answer
    for number in stand.server.plan.armed:
        stand.server.plan.disarm(number)
    assert isinstance(await stand.venue.read(stand.reading()), VenueReported)


@pytest.mark.parametrize("words", sorted(PROVEN["hyperliquid"]))
def test_refusals_are_known_by_their_words_whatever_the_figures(words):
    for told in (f"{words} $10. asset=0", f"{words}. asset=17", f"{words} 0x{1:040x} does not exist.", f"{words} (3 > 2) for", words):
        assert phrase(told) == words
    whole = said_in({"status": "err", "response": f"{words} 5"})
    single = said_in({"status": "ok", "response": {"type": "order", "data": {"statuses": [{"error": f"{words}. asset=0"}]}}})
    assert whole is not None
    assert single is not None
    assert whole.code == single.code == words


def test_an_answer_without_an_error_says_nothing():
    for body in (
        {"status": "ok", "response": {"type": "default"}},
        {"status": "ok", "response": {"type": "order", "data": {"statuses": [{"filled": {"oid": 1}}]}}},
        {"status": "ok", "response": {"type": "order", "data": {"statuses": []}}},
        {},
    ):
        assert said_in(body) is None


def test_tiers_are_read_from_the_margin_tables_and_plain_ones_from_the_leverage():
    meta = {
        "universe": [{"name": "BTC", "marginTableId": 56, "maxLeverage": 40}, {"name": "DOGE", "marginTableId": 10, "maxLeverage": 10}],
        "marginTables": [[56, {"marginTiers": [{"lowerBound": "0.0", "maxLeverage": 40}, {"lowerBound": "150.0", "maxLeverage": 20}]}]],
    }
    btc, doge = tiers(meta)
    assert [(tier["lowerBound"], tier["cap"], tier["maintenance"]) for tier in btc["tiers"]] == [
        ("0.0", "150.0", "0.0125"),
        ("150.0", "", "0.025"),
    ]
    assert [(tier["lowerBound"], tier["cap"], tier["maintenance"]) for tier in doge["tiers"]] == [("0.0", "", "0.05")]


@pytest.mark.parametrize("answer", [None, {}, [], [1], {"universe": []}, [{"universe": [{}]}, []], [{}, {}]])
def test_an_answer_that_is_not_well_formed_has_no_rows(answer):
    assert not contexts(answer)
    assert not tiers(answer)


def test_only_the_venues_own_predicted_funding_counts():
    told = {"fundingRate": "0.0000125", "nextFundingTime": 1, "fundingIntervalHours": 1}
    answer = [["BTC", [["BinPerp", {"fundingRate": "0.1"}], ["HlPerp", told]]], ["X", [["HlPerp", None]]], ["Y", []]]
    assert predicted(answer) == [{"coin": "BTC", **told}]
    assert predicted({}) is None


def test_what_a_frame_tells():
    assert hear({"channel": "pong"}) is None
    assert hear({"channel": "orderUpdates", "data": [1, 2]}).rows == (1, 2)
    assert hear({"channel": "userFills", "data": {"isSnapshot": True, "fills": [{}]}}).rows == ()
    assert hear({"channel": "userFills", "data": {"fills": [{"tid": 1}]}}).rows == ({"tid": 1},)
    assert hear({"channel": "l2Book", "data": {"coin": "BTC"}}).rows == ({"coin": "BTC"},)
