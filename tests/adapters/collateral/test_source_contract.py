"""What every collateral source does alike, each over the real thing: a file system, a redis-server, an EVM node, HTTP of a simulated
custodian, ccxt before a simulated venue.

What a source says is judged as the core takes it: folded into a ledger. A custodian tells of everything in each report, the others of each
change once; of both the record comes to the same.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.adapters.collateral import custodian, redis_stream
from bot.adapters.collateral.evm import web3_node
from bot.adapters.venue import ccxt_client
from bot.config.sections import SourceSettings
from bot.core import collateral_limits, exposure
from bot.core.engine import fold
from bot.core.events import CollateralConfirmed, CollateralObserved, CollateralUnreadable, CustodyReported, Event
from bot.core.limits import Limit
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.units import Range
from tests.adapters.collateral.anvil import ANVIL
from tests.adapters.collateral.heard import Heard, heard_from, until
from tests.adapters.collateral.stands import ETH, HEDGED_AS, FileStand, RedisStand, Stand
from tests.adapters.collateral.wire_stands import custodian_stand, evm_stand, wallet_stand
from tests.adapters.journal.redis_process import SERVER, RedisProcess

POLICY = Policy(collateral_assets=HEDGED_AS, collateral_sources=frozenset({"desk"}))
SOURCES = ("file", "redis", "evm", "custodian", "venue_balances")
_WIRED = {"evm": evm_stand, "custodian": custodian_stand, "venue_balances": wallet_stand}
Said = tuple[str, str, Decimal, Decimal | None]


@pytest.fixture(params=SOURCES)
async def stand(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stand]:
    if request.param == "file":
        yield FileStand(tmp_path)
        return
    if request.param in _WIRED:
        if request.param == "evm" and ANVIL is None:
            pytest.skip("the EVM node Anvil is not installed here; where there is npm: make servers")
        async with _WIRED[request.param]() as made:
            yield made
        return
    if SERVER is None:
        pytest.skip("redis-server is not installed here (Debian: apt-get install redis-server)")
    process = RedisProcess(tmp_path / "redis").start()
    yield RedisStand(process)
    process.kill()


class Told(Heard):
    """What a source said, and what the core makes of it."""

    @property
    def words(self) -> list[CollateralObserved | CustodyReported]:
        """Everything with a total in it."""
        return [event for event in self.events if isinstance(event, CollateralObserved | CustodyReported)]

    @property
    def said(self) -> list[Said]:
        """Every total that was told, in order: asset, location, quantity, rate."""
        found: list[Said] = []
        for word in self.words:
            of = word.totals if isinstance(word, CustodyReported) else (word,)
            found += [(told.asset, word.location, told.quantity, told.redemption_rate) for told in of]
        return found

    def course(self, asset: str) -> list[Decimal]:
        """The totals of an asset, one that follows itself left out."""
        course: list[Decimal] = []
        for told, _, quantity, _ in self.said:
            if told == asset and course[-1:] != [quantity]:
                course.append(quantity)
        return course

    @property
    def vouched(self) -> int:
        """How often it said that what it had told is known. A custodian's report says so itself."""
        return sum(isinstance(event, CollateralConfirmed | CustodyReported) for event in self.events)

    @property
    def failures(self) -> list[str]:
        return [event.reason for event in self.of(CollateralUnreadable)]

    def ledger(self, *more: Event) -> Ledger:
        """The record after everything that was said."""
        ledger = Ledger()
        for event in (*self.events, *more):
            ledger = fold(ledger, event, POLICY)
        return ledger

    def counts(self, asset: str = ETH, at: int | None = None) -> Range | None:
        """Base units that count as held, at the time of a decision, or in the moment in which it was said."""
        return exposure.collateral(replace(self.ledger(), decided_at=at), POLICY, asset)


def ages(ledger: Ledger, now: int) -> list[str]:
    """What is said of the sources that are too old, at an instant."""
    return [breach.detail for breach in collateral_limits.stale_breaches(ledger, POLICY, now) if breach.limit is Limit.COLLATERAL_AGE]


async def test_all_totals_come_before_the_first_confirmation_with_where_they_are_from_and_when(stand: Stand) -> None:
    stand.tell(ETH="30", BTC="2")
    began = time.time_ns() // 1_000_000
    async with heard_from(stand.source(), Told()) as heard:
        await until(lambda: heard.vouched)
        first = next(n for n, event in enumerate(heard.events) if isinstance(event, CollateralConfirmed | CustodyReported))
        told = Told()
        told.events = heard.events[: first + 1]
        assert sorted(told.said) == [("BTC", stand.at, 2, 1), ("ETH", stand.at, 30, 1)]
        ended = time.time_ns() // 1_000_000
    assert {event.source for event in heard.events} == {"desk"}
    assert all(began <= event.at <= ended for event in heard.events)
    of_then = [word.as_of for word in heard.words if word.as_of is not None]
    assert all(at <= ended for at in of_then), "the instant of which it tells is not ahead of ours"
    assert heard.failures == []


async def test_each_change_is_told_and_nothing_else(stand: Stand) -> None:
    stand.tell(ETH="30", BTC="2")
    async with heard_from(stand.source(), Told()) as heard:
        await until(lambda: heard.vouched)
        stand.tell(ETH="31")
        await until(lambda: heard.course("ETH") == [30, 31])
        vouched = heard.vouched
        await until(lambda: heard.vouched >= vouched + 2)
        assert (heard.course("ETH"), heard.course("BTC"), heard.failures) == ([30, 31], [2], [])
        assert len(heard.of(CollateralObserved)) == (0 if heard.of(CustodyReported) else 3)
        assert heard.counts() == Range.exactly(Decimal(31))


async def test_what_does_not_change_is_confirmed_on_a_beat(stand: Stand) -> None:
    stand.tell(ETH="30")
    async with heard_from(stand.source(), Told()) as heard:
        await until(lambda: heard.vouched >= 3)
        assert heard.course("ETH") == [30]
        kinds = CollateralConfirmed | CustodyReported
        times = [at for at, event in zip(heard.times, heard.events, strict=True) if isinstance(event, kinds)]
        assert times[2] - times[1] > 0.4, "not more than the journal can bear"


async def test_what_cannot_be_read_is_told_once_takes_nothing_back_and_heals(stand: Stand) -> None:
    stand.tell(ETH="30")
    async with heard_from(stand.source(), Told()) as heard:
        await until(lambda: heard.vouched)
        stand.spoil()
        await until(lambda: heard.failures)
        vouched = heard.vouched
        assert heard.counts() == Range.exactly(Decimal(30)), "the last value counts on"
        since = heard.ledger().sources_confirmed_at["desk"]
        limit = POLICY.collateral_age_max_ms
        assert ages(heard.ledger(), since + limit) == []
        (why,) = ages(heard.ledger(), since + limit + 1)
        assert why.endswith(heard.failures[-1]), "and goes stale, with the reason"
        later = heard.counts(at=since + limit + 60_000)
        assert later is not None
        assert later.low < 30 < later.high, "its last value is then a range that grows with the silence"
        stand.mend()
        await until(lambda: heard.vouched > vouched, 30)
        assert heard.course("ETH") == [30], "a source that heals says what is new"
        assert heard.ledger().sources_unreadable == {}
        assert ages(heard.ledger(), heard.ledger().sources_confirmed_at["desk"] + limit) == []
        assert len(heard.failures) == len(set(heard.failures)), "each reason once"
        stand.tell(ETH="0")
        await until(lambda: heard.course("ETH") == [30, 0], 30)


async def test_a_source_that_never_told_anything_confirms_nothing(stand: Stand) -> None:
    async with heard_from(stand.source(), Told()) as heard:
        await until(lambda: heard.failures)
        assert {type(event) for event in heard.events} == {CollateralUnreadable}
        assert heard.counts() is None, "unknown, and not nothing"
        stand.tell(ETH="3")
        await until(lambda: heard.vouched, 30)
        assert heard.counts() == Range.exactly(Decimal(3))


async def test_what_is_not_named_any_more_is_not_nothing(stand: Stand) -> None:
    """Zero is told by saying so: by itself, or, where a list that leaves something out means it, when a second list in a row agrees."""
    stand.tell(ETH="30", BTC="2")
    async with heard_from(stand.source(), Told()) as heard:
        await until(lambda: heard.vouched)
        before = len(heard.events)
        stand.leave_out("ETH")
        await until(lambda: len(heard.events) > before + 3 or heard.ledger().sources_unreadable)
        course = [quantity for asset, _, quantity, _ in heard.said if asset == "ETH"]
        first = next((n for n, event in enumerate(heard.events) if isinstance(event, CollateralUnreadable)), None)
        if first is not None:
            cut = Told()
            cut.events = heard.events[: first + 1]
            course = cut.course("ETH")
            assert "ETH" in heard.failures[0]
        assert set(course) == {30}
        assert heard.counts() == Range.exactly(Decimal(30)) or first is not None


async def test_all_that_is_told_twice_changes_nothing(stand: Stand) -> None:
    stand.tell(ETH="30", BTC="2")
    async with heard_from(stand.source(), Told()) as heard:
        await until(lambda: heard.vouched)
        stand.tell(ETH="31")
        await until(lambda: heard.course("ETH") == [30, 31])
    once, ledger = heard.ledger(), Ledger()
    for event in heard.events:
        for _ in range(2):
            ledger = fold(ledger, event, POLICY)
    assert ledger.holdings == once.holdings
    assert exposure.collateral(ledger, POLICY, ETH) == exposure.collateral(once, POLICY, ETH) == Range.exactly(Decimal(31))


@pytest.mark.parametrize("stand", [name for name in SOURCES if name != "file"], indirect=True)
async def test_a_peer_that_says_nothing_is_noticed_within_a_bounded_time_and_found_again(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file has no peer; one whose writer has died is the next test's."""
    bounds = (redis_stream.ANSWER_S, web3_node.ANSWER_S, custodian.ANSWER_S, ccxt_client.REQUEST_TIMEOUT_MS / 1_000)
    assert max(bounds) <= 10, "seconds"
    monkeypatch.setattr(web3_node, "ANSWER_S", 1.0)
    monkeypatch.setattr(custodian, "ANSWER_S", 1.0)
    stand.tell(ETH="30")
    async with heard_from(stand.source(), Told()) as heard:
        await until(lambda: heard.vouched)
        stand.hang()
        await until(lambda: heard.failures, 30)
        assert heard.course("ETH") == [30]
        vouched = heard.vouched
        stand.mend()
        await until(lambda: heard.vouched > vouched, 60)
        assert heard.counts() == Range.exactly(Decimal(30))


@pytest.mark.parametrize("stand", ["file", "redis"], indirect=True)
async def test_a_writer_that_tells_nothing_any_more_is_not_believed_for_ever(stand: Any) -> None:
    stand.tell(ETH="30")
    async with heard_from(stand.source(age_max=1_500), Told()) as heard:
        await until(lambda: heard.vouched)
        await until(lambda: heard.failures)
        assert "max_age_ms 1500" in heard.failures[0]
        assert heard.counts() == Range.exactly(Decimal(30))
        vouched = heard.vouched
        stand.tell(ETH="30")
        await until(lambda: heard.vouched > vouched)


async def test_a_stop_ends_it_at_once_also_while_its_peer_says_nothing(stand: Stand) -> None:
    stand.tell(ETH="30")
    heard = Told()
    task = asyncio.create_task(stand.source().listen(heard))
    await until(lambda: heard.vouched)
    stand.hang()
    await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        async with asyncio.timeout(5):
            await task
    assert task.cancelled()
    stand.mend()
    said = len(heard.events)
    stand.tell(ETH="31")
    again = Told()
    async with heard_from(stand.source(), again):
        await until(lambda: again.course("ETH")[-1:] == [31], 30)
    assert len(heard.events) == said, "who was stopped says nothing"


async def test_a_second_life_goes_on_where_the_first_one_ended(stand: Stand) -> None:
    stand.tell(ETH="30")
    async with heard_from(stand.source(), Told()) as heard:
        await until(lambda: heard.vouched)
    stand.tell(ETH="31")
    again = Told()
    async with heard_from(stand.source(), again):
        await until(lambda: again.course("ETH")[-1:] == [31])
        await until(lambda: again.vouched)
        assert again.failures == []


def test_the_suite_runs_on_every_kind_of_source_there_is() -> None:
    kinds = {kind.model_fields["kind"].annotation.__args__[0] for kind in SourceSettings.__args__}
    assert kinds == set(SOURCES)
