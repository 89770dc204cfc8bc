"""Five real sources see one deposit, each in its own time and words: a file, a Redis stream, an EVM node, a custodian, a venue's wallet.

What they say is recorded once, and then told to the core in many orders: every order makes one hedge of the deposit, and the record of
each place adds up.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from bot.core import exposure
from bot.core.claims import place_records
from bot.core.commands import PlaceOrder
from bot.core.events import CollateralAnnounced, CollateralObserved, CustodyReported, Event
from bot.core.units import Range
from tests.adapters.collateral.anvil import needs_anvil
from tests.adapters.collateral.heard import Heard, until
from tests.adapters.collateral.stands import ETH, FileStand, RedisStand, Stand
from tests.adapters.collateral.wire_stands import custodian_stand, evm_stand, wallet_stand
from tests.adapters.journal.redis_process import RedisProcess, needs_redis
from tests.core.claim_words import claims_policy
from tests.core.playbook import book, decision_due, filled, holds, market, nothing, place
from tests.core.story import Story

pytestmark = [needs_anvil, needs_redis]

D = Decimal
NAMES = ("backend", "chain", "desk", "prime", "wallets")
Words = Mapping[str, Sequence[Event]]


def said(heard: Heard, name: str) -> list[Event]:
    return [event for event in heard.events if event.source == name]


def last_total(heard: Heard, name: str) -> Decimal | None:
    """The newest total of ETH that a source told."""
    for event in reversed(said(heard, name)):
        if isinstance(event, CollateralObserved) and event.asset == ETH:
            return event.quantity
        if isinstance(event, CustodyReported):
            return next((total.quantity for total in event.totals if total.asset == ETH), None)
    return None


async def recorded(folder: Path) -> tuple[Words, Words]:
    """What each of the five says of 30 ETH in the vault (2 in the wallet), and then of a deposit of 5 there."""
    process = RedisProcess(folder / "redis").start()
    heard, tasks = Heard(), []
    try:
        async with AsyncExitStack() as stack:
            backend = RedisStand(process, key=b"a shared key of the desk")
            stands: dict[str, Stand] = {"desk": FileStand(folder), "backend": backend}
            for name, made in (("chain", evm_stand), ("prime", custodian_stand), ("wallets", wallet_stand)):
                stands[name] = await stack.enter_async_context(made())
            for name, stand in stands.items():
                stand.tell(ETH="2" if name == "wallets" else "30")
            tasks = [asyncio.create_task(stand.source(name=name).listen(heard)) for name, stand in stands.items()]
            for name in NAMES:
                await until(lambda name=name: last_total(heard, name) is not None, 60)
            before, began = {name: said(heard, name) for name in NAMES}, len(heard.events)
            backend.announce("d1", "5")
            for name in ("prime", "desk", "backend", "chain"):
                stands[name].tell(ETH="35")
            for name in NAMES:
                await until(lambda name=name: last_total(heard, name) == (2 if name == "wallets" else 35), 60)
            rest = Heard()
            rest.events = heard.events[began:]
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            return before, {name: said(rest, name) for name in NAMES}
    finally:
        process.kill()


def interleaved(words: Words, chance: random.Random) -> list[Event]:
    """All of them in some order; what one source says stays in its own."""
    left = {name: list(told) for name, told in words.items() if told}
    told = []
    while left:
        name = chance.choice(sorted(left))
        told.append(left[name].pop(0))
        left = {each: rest for each, rest in left.items() if rest}
    return told


def begun(before: Words) -> Story:
    """A book that knows of 30 ETH in the vault, of which the chain is believed, and of 2 in the wallet, all hedged."""
    policy = claims_policy(authorities={"ETH@vault": "chain", "ETH@okx.funding": "wallets"})
    story = book(replace(policy, collateral_sources=frozenset(NAMES)))
    story >> market("binance:ETH")
    for event in itertools.chain.from_iterable(before.values()):
        story.feed(replace(event, at=story.now))
    story >> decision_due() << place("binance:ETH", "-32") >> filled("binance:ETH") >> decision_due() << nothing()
    return story


async def test_five_real_sources_that_see_one_deposit_make_one_hedge(tmp_path: Path) -> None:
    before, rest = await recorded(tmp_path)
    assert all(before[name] for name in NAMES)
    assert sum(isinstance(event, CollateralAnnounced) for event in rest["backend"]) == 1
    hedged_once_in_any_order(before, rest)
    hedged_by_the_word_of_the_believed_one(before, rest)


def hedged_by_the_word_of_the_believed_one(before: Words, rest: Words) -> None:
    """Whichever source is heard alone: the chain's total makes the hedge, and nobody else's."""
    for name in NAMES:
        story = begun(before)
        for event in rest[name]:
            story.feed(replace(event, at=story.now))
        story >> decision_due()
        placed = [command.quantity for command in story.outbox if isinstance(command, PlaceOrder)]
        assert placed == ([-5] if name == "chain" else []), name
        story.outbox.clear()


def hedged_once_in_any_order(before: Words, rest: Words) -> None:
    for seed in range(20):
        story = begun(before)
        for event in interleaved(rest, random.Random(seed)):
            story.feed(replace(event, at=story.now))
            story >> decision_due()
            placed = [command for command in story.outbox if isinstance(command, PlaceOrder)]
            if placed:
                assert [order.quantity for order in placed] == [-5], seed
                story << place("binance:ETH", "-5") >> filled("binance:ETH")
            story << nothing()
        story << holds("binance:ETH", "-37")
        assert exposure.collateral(story.ledger, story.policy, ETH) == Range.exactly(D(37))
        places = {record.location: record for record in place_records(story.ledger, story.policy)}
        assert {place: record.confirmed for place, record in places.items()} == {"vault": 35, "okx.funding": 2}
        assert all((record.pending, record.leaving, record.counted) == (0, 0, record.confirmed) for record in places.values())
