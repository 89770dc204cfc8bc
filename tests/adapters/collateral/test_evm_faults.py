"""Endpoints that lag, lie, refuse, hang or are gone, in front of a real node: the source is stale then, and never wrong."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from bot.adapters.collateral.evm import web3_node
from bot.adapters.collateral.evm.node import NodeFailed, NodeRefused
from bot.adapters.collateral.evm.ranges import Blocks
from bot.adapters.collateral.evm.terms import RateFunction, Token
from bot.adapters.collateral.evm.web3_node import Web3Node
from bot.core.units import Asset
from tests.adapters.collateral.anvil import Anvil, needs_anvil
from tests.adapters.collateral.evm_stand import WSTETH, HeardBoth, ShiftedClock, Stand
from tests.adapters.collateral.heard import until
from tests.adapters.collateral.middleman import Answer, Middleman, instead

pytestmark = needs_anvil

SECRET = "v3/0123456789abcdef-key"


@pytest.fixture(scope="module")
def anvil() -> Iterator[Anvil]:
    anvil = Anvil()
    try:
        yield anvil
    finally:
        anvil.end()


@pytest.fixture
def stand(anvil: Anvil) -> Stand:
    return Stand(anvil)


@asynccontextmanager
async def two(stand: Stand, **told: Any) -> AsyncIterator[tuple[HeardBoth, Middleman, Middleman]]:
    """The source behind two endpoints that can be spoiled, listening and confirmed."""
    async with AsyncExitStack() as stack:
        first, second = [await stack.enter_async_context(Middleman(stand.anvil.url).standing()) for _ in range(2)]
        heard = await stack.enter_async_context(stand.watched(f"{first.url}/{SECRET}", f"{second.url}/{SECRET}", **told))
        await until(lambda: heard.confirmations)
        yield heard, first, second


async def heals(stand: Stand, heard: HeardBoth, units: int) -> None:
    """What came meanwhile is told, and the source is fresh again."""
    stand.anvil.mine(3)
    await until(lambda: heard.totals_at("copper")[-1] == units and not heard.is_stale)


def balance_of(params: Any) -> bool:
    return bool(params[0]["data"].startswith("0x70a08231"))


def one_more(result: str) -> str:
    return f"0x{int(result, 16) + 1:064x}"


@pytest.mark.parametrize(
    ("twist", "reason"),
    [
        (instead("eth_call", one_more, of=balance_of), "different balances or rates"),
        (instead("eth_call", one_more, of=lambda params: not balance_of(params)), "different balances or rates"),
        (instead("eth_call", lambda _: "0x", of=balance_of), "no such function, or no contract"),
        (instead("eth_call", lambda result: result + "00", of=balance_of), "33 bytes instead of one number"),
        (instead("eth_call", lambda _: "0x" + "0" * 64, of=lambda params: not balance_of(params)), "zero makes no sense"),
        (instead("eth_call", lambda _: 5), "not hexadecimal"),
        (instead("eth_getBlockByNumber", lambda block: block | {"hash": "0x" + "7" * 64}), "different blocks"),
        (instead("eth_getBlockByNumber", lambda block: block | {"hash": "0x77"}), "a hash that is none"),
        (instead("eth_getBlockByNumber", lambda block: []), "a block that cannot be read"),
        (instead("eth_getBlockByNumber", lambda block: block | {"number": hex(int(block["number"], 16) - 1)}), "when asked for"),
    ],
)
async def test_an_endpoint_that_says_something_else_makes_the_source_stale_and_no_total_wrong(
    stand: Stand, twist: Callable[[Answer, Answer], None], reason: str
) -> None:
    async with two(stand) as (heard, _, second):
        second.answers = twist
        stand.mint(5)
        stand.anvil.mine(3)
        await until(lambda: any(reason in failure for failure in heard.failures))
        assert heard.totals_at("copper") == [Decimal(0)]
        second.answers = lambda question, answer: None
        await heals(stand, heard, 5)
    assert not any(SECRET in failure or "0123456789abcdef" in failure for failure in heard.failures)


async def test_an_endpoint_that_falls_behind_makes_the_source_stale(stand: Stand) -> None:
    async with two(stand) as (heard, _, second):
        stands_at = hex(stand.anvil.head)

        def old_news(question: Answer) -> None:
            if question["method"] == "eth_getBlockByNumber" and question["params"][0] == "latest":
                question["params"][0] = stands_at

        second.asks = old_news
        stand.mint(5)
        stand.anvil.mine(3)
        await until(lambda: heard.is_stale)
        assert "second endpoint" in heard.failures[-1]
        assert "blocks behind the other" in heard.failures[-1]
        assert heard.totals_at("copper") == [Decimal(0)]
        second.asks = lambda question: None
        await heals(stand, heard, 5)


async def test_a_chain_that_stands_still_makes_the_source_stale(stand: Stand) -> None:
    clock = ShiftedClock()
    async with two(stand, clock=clock, head_age_max=600_000) as (heard, _, _):
        clock.shift_ms = 700_000
        await until(lambda: heard.is_stale)
        assert "stands still" in heard.failures[-1]
        clock.shift_ms = 0
        await heals(stand, heard, 0)


def broken(_question: Answer, _answer: Answer) -> None:
    raise web.HTTPBadGateway


def no_json(_question: Answer, _answer: Answer) -> None:
    raise web.HTTPOk(text="<html>")


def no_rpc(_question: Answer, answer: Answer) -> None:
    answer.clear()


def refusing(_question: Answer, answer: Answer) -> None:
    answer.pop("result", None)
    answer["error"] = {"code": -32005, "message": f"limit reached for /{SECRET}\nbuy more"}


@pytest.mark.parametrize(
    ("twist", "reason"),
    [
        (broken, "HTTP status 502"),
        (no_json, "did not answer"),
        (no_rpc, "not JSON-RPC"),
        (refusing, "refuses eth_getBlockByNumber: limit reached"),
    ],
)
async def test_an_endpoint_that_fails_makes_the_source_stale_and_tells_no_secret(
    stand: Stand, twist: Callable[[Answer, Answer], None], reason: str
) -> None:
    async with two(stand) as (heard, first, _):
        first.answers = twist
        stand.mint(5)
        stand.anvil.mine(3)
        await until(lambda: any(reason in failure for failure in heard.failures))
        assert heard.totals_at("copper") == [Decimal(0)]
        first.answers = lambda question, answer: None
        await heals(stand, heard, 5)
    assert not any(SECRET in failure or "\n" in failure for failure in heard.failures)


async def test_an_endpoint_that_hangs_is_given_up_and_asked_again(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web3_node, "ANSWER_S", 0.5)
    own = Anvil()
    try:
        stand = Stand(own)
        async with stand.watched(own.url, own.socket_url) as heard:
            await until(lambda: heard.confirmations)
            own.hang()
            await until(lambda: heard.is_stale)
            assert "did not answer" in heard.failures[-1]
            own.go_on()
            stand.mint(5)
            await heals(stand, heard, 5)
    finally:
        own.end()


async def test_endpoints_of_another_chain_are_not_believed(stand: Stand) -> None:
    async with stand.watched(chain_id=1) as heard:
        await until(lambda: heard.failures)
        await asyncio.sleep(0.2)
    assert "on chain 31337, and 1 is configured" in heard.failures[0]
    assert heard.totals_at("copper") == []


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ({"decimals": 6}, "has 18 decimals, and 6 are configured"),
        ({"contract": "0x00000000000000000000000000000000000000AA"}, "no such function, or no contract"),
        ({"rate": RateFunction.CONVERT_TO_ASSETS}, "no such function, or no contract"),  # its asset is the zero address
    ],
)
async def test_a_token_that_is_not_what_is_configured_is_not_believed(stand: Stand, token: dict[str, Any], reason: str) -> None:
    right = Token(asset=WSTETH, contract=stand.token.address, rate=RateFunction.ST_ETH_PER_TOKEN)
    async with stand.watched(tokens=(dataclasses.replace(right, **token),)) as heard:
        await until(lambda: heard.failures)
    assert reason in heard.failures[0]
    assert heard.totals_at("copper") == []


async def test_a_chain_shorter_than_the_confirmations_has_nothing_to_tell(stand: Stand) -> None:
    async with stand.watched(confirmations=10_000) as heard:
        await until(lambda: heard.failures)
    assert "fewer than the 10000 confirmations" in heard.failures[0]


async def test_a_holding_that_is_not_configured_any_more_has_not_become_zero(stand: Stand) -> None:
    async with stand.watched(known=[(Asset("WBETH"), "copper")]) as heard:
        await until(lambda: heard.failures)
    assert "WBETH at copper was told before" in heard.failures[0]
    assert heard.confirmations == 0


async def test_logs_that_a_node_gives_only_in_small_pieces_are_all_found(stand: Stand) -> None:
    def at_most_five(question: Answer, answer: Answer) -> None:
        if question["method"] == "eth_getLogs":
            wanted = question["params"][0]
            if int(wanted["toBlock"], 16) - int(wanted["fromBlock"], 16) >= 5:
                refusing(question, answer)

    stand.mint(5)
    stand.anvil.mine(30)
    stand.mint(6)
    stand.anvil.mine(30)
    heard = HeardBoth()
    async with Middleman(stand.anvil.url).standing() as small:
        small.answers = at_most_five
        async with stand.watched(stand.anvil.url, small.url, heard=heard):
            await until(lambda: len(heard.announcements) == 2)
    assert [each[1:] for each in heard.standings] == [("5", "confirmed"), ("6", "confirmed")]
    assert heard.unheard_of == []


async def test_a_node_that_tells_no_logs_holds_up_no_total(stand: Stand) -> None:
    def no_logs(question: Answer, answer: Answer) -> None:
        if question["method"] == "eth_getLogs":
            refusing(question, answer)

    async with two(stand) as (heard, first, _):
        first.answers = no_logs
        stand.mint(5)
        stand.anvil.mine(3)
        await until(lambda: heard.totals_at("copper")[-1] == 5 and heard.unheard_of)
        assert heard.failures == []
        assert heard.announcements == []
        first.answers = lambda question, answer: None
        await until(lambda: heard.announcements)
    assert "refuses eth_getLogs" in heard.unheard_of[0]


async def test_a_mint_that_only_one_endpoint_tells_is_no_announcement(stand: Stand) -> None:
    async with two(stand) as (heard, _, second):
        second.answers = instead("eth_getLogs", lambda logs: [])
        stand.mint(5)
        await asyncio.sleep(0.5)
        assert heard.announcements == []
        stand.anvil.mine(3)
        await until(lambda: any("different mints and redemptions" in reason for reason in heard.unheard_of))
        assert heard.announcements == []
        second.answers = lambda question, answer: None
        await until(lambda: heard.standings == [("mint", "5", "confirmed")])


async def test_a_log_of_other_blocks_than_were_asked_for_is_not_believed(stand: Stand) -> None:
    stand.mint(5)
    async with Middleman(stand.anvil.url).standing() as odd:
        odd.answers = instead("eth_getLogs", lambda logs: [log | {"blockNumber": "0x1"} for log in logs])
        node = Web3Node("first endpoint", odd.url, ShiftedClock())
        with pytest.raises(NodeFailed, match="a log of block 1 when asked for"):
            await node.logs(Blocks(2, stand.anvil.head), [stand.mints.address], [])
        odd.answers = instead("eth_getLogs", lambda logs: [{"address": "0x1"}])
        with pytest.raises(NodeFailed, match="a log that cannot be read"):
            await node.logs(Blocks(2, stand.anvil.head), [stand.mints.address], [])
        await node.close()


@pytest.mark.parametrize("scheme", ["url", "socket_url"])
async def test_a_refusal_ends_no_connection_and_is_told_as_one(anvil: Anvil, scheme: str) -> None:
    node = Web3Node("first endpoint", getattr(anvil, scheme), ShiftedClock())
    with pytest.raises(NodeRefused, match=r"the first endpoint \(127.0.0.1\) refuses eth_getBalance"):
        await node.coin_balance(anvil.account, 10**9)
    assert await node.chain_id() == 31337
    await node.close()
    assert await node.chain_id() == 31337  # and a closed one connects again
    await node.close()
    await node.close()


async def test_a_new_block_is_told_at_once_over_a_socket(stand: Stand) -> None:
    """Both looks are far apart: what hurries the second is the endpoint's word."""
    async with stand.watched(stand.anvil.socket_url, stand.anvil.socket_url, poll_s=30.0, confirmations=1) as heard:
        await until(lambda: heard.confirmations)
        await asyncio.sleep(0.5)
        stand.mint(5)
        await until(lambda: heard.totals_at("copper")[-1] == 5)
