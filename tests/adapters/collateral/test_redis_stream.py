"""Announcements on a real redis-server: acknowledged when journaled, put aside when poisonous, taken over after a crash, signed."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from bot.adapters.collateral import forgeries, redis_stream
from bot.adapters.collateral.announcements import MESSAGE, SIGNATURE, ClaimMessage, signature_of, written
from bot.core.events import ClaimKind, ClaimStage, CollateralAnnounced, CollateralConfirmed, CollateralObserved, CollateralUnreadable, Event
from tests.adapters.collateral.heard import Heard, heard_from, until
from tests.adapters.collateral.stands import RedisStand
from tests.adapters.journal.redis_process import RedisProcess

KEY = b"a shared key of the desk"


@pytest.fixture
def stand(redis_process: RedisProcess) -> RedisStand:
    return RedisStand(redis_process)


@pytest.fixture
def signed(redis_process: RedisProcess) -> RedisStand:
    return RedisStand(redis_process, key=KEY)


def message(**changes: Any) -> dict[bytes, bytes]:
    """An entry with a deposit, some of its keys changed or (...) left out."""
    told = {"type": "deposit", "claim": "d1", "asset": "ETH", "quantity": "5", "location": "vault", "depositor": "acme", "at": 1}
    return {MESSAGE: json.dumps({k: v for k, v in (told | changes).items() if v is not ...}).encode()}


async def test_an_announcement_carries_everything_that_was_said_and_is_acknowledged(stand: RedisStand) -> None:
    stand.announce("r1", "2.50", type="redemption", stage="priced", asset="wstETH", location="cold", depositor="Zenith Fund")
    async with heard_from(stand.source()) as heard:
        await until(lambda: bool(heard.of(CollateralAnnounced)))
        (told,) = heard.of(CollateralAnnounced)
        assert (told.source, told.claim, told.kind, told.stage) == ("desk", "r1", ClaimKind.REDEMPTION, ClaimStage.PRICED)
        assert (told.asset, str(told.quantity), told.location, told.depositor) == ("wstETH", "2.50", "cold", "Zenith Fund")
        assert told.is_authentic
        assert abs(told.at - told.announced_at) < 5_000
        await until(lambda: stand.pending() == 0)


async def test_nothing_is_acknowledged_that_the_journal_does_not_have_and_it_comes_again(stand: RedisStand) -> None:
    heard = Heard()
    heard.journals = False
    stand.tell(ETH="3")
    stand.announce("d1", "5")
    async with heard_from(stand.source(), heard):
        await until(lambda: len(heard.of(CollateralAnnounced)) >= 2)
        assert stand.pending() == 2
        assert not heard.of(CollateralConfirmed)
        heard.journals = True
        await until(lambda: stand.pending() == 0)
        assert {e.claim for e in heard.of(CollateralAnnounced)} == {"d1"}


async def test_what_a_life_read_and_never_acknowledged_comes_again_in_the_next(stand: RedisStand) -> None:
    first, second = Heard(), Heard()
    first.put_awaited = lambda event: (first.put(event), asyncio.get_running_loop().create_future())[1]  # type: ignore[method-assign]  # it dies first
    for number in range(3):
        stand.announce(f"d{number}", "1")
    async with heard_from(stand.source(), first):
        await until(lambda: len(first.of(CollateralAnnounced)) == 3)
    assert stand.pending() == 3
    async with heard_from(stand.source(), second):
        await until(lambda: stand.pending() == 0)
        assert [e.claim for e in second.of(CollateralAnnounced)] == ["d0", "d1", "d2"]


async def test_what_another_consumer_left_lying_is_taken_over(stand: RedisStand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_stream, "IDLE_MS", 50)
    monkeypatch.setattr(redis_stream, "TAKE_OVER_EVERY_S", 0.1)
    stand.announce("d1", "5")
    with stand.process.client as client:
        client.xgroup_create(stand.stream, "hedgebot", id="0")
        client.xreadgroup("hedgebot", "another", {stand.stream: ">"})
    async with heard_from(stand.source()) as heard:
        await until(lambda: bool(heard.of(CollateralAnnounced)))
        await until(lambda: stand.pending() == 0)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({b"message": b"{"}, "this is not JSON"),
        ({b"other": b"x"}, "has the field message"),
        (message(extra=1), "extra: Extra inputs are not permitted"),
        (message(type="gift"), "message: Input tag"),
        (message(quantity="-5"), "quantity: a plain number written as text is needed"),
        (message(quantity=5), "quantity: a plain number written as text is needed"),
        (message(quantity="1e9"), "quantity: a plain number written as text is needed"),
        (message(quantity="0"), "quantity: it must be more than nothing"),
        (message(asset="ETH@vault"), "asset: String should match"),
        (message(claim=...), "claim: Field required"),
        (message(claim=""), "claim: String should have at least 1 character"),
        (message(claim="x" * 5_000), "at most 4096 bytes"),
        (message(stage="maybe"), "stage: Input should be"),
        (message(at="1"), "at: Input should be a valid integer"),
        (message(at=1 << 52), "ahead of our clock"),
    ],
)
async def test_poison_is_put_aside_with_its_reason_and_holds_nothing_up(stand: RedisStand, fields: dict[bytes, bytes], reason: str) -> None:
    stand.add(fields)
    stand.announce("d2", "1")
    async with heard_from(stand.source()) as heard:
        await until(lambda: bool(heard.of(CollateralAnnounced)))
        await until(lambda: stand.pending() == 0)
        assert [e.claim for e in heard.of(CollateralAnnounced)] == ["d2"]
    (dead,) = stand.dead()
    assert reason in dead[b"reason"].decode()
    assert fields.items() <= dead.items()
    assert b"id" in dead


async def test_of_a_huge_poison_a_bounded_part_is_kept_and_how_much_was_left_out(stand: RedisStand) -> None:
    stand.add({f"k{number}".encode(): b"x" for number in range(9_000)} | {MESSAGE: b"x" * 100_000})
    stand.announce("d2", "1")
    async with heard_from(stand.source()) as heard:
        await until(lambda: bool(heard.of(CollateralAnnounced)), 20)
        await until(lambda: stand.pending() == 0, 20)
    (dead,) = stand.dead()
    kept = {name for name in dead if name.startswith(b"k")}
    assert len(dead[MESSAGE]) == redis_stream.WORD_MAX
    assert len(kept) == redis_stream.OTHERS_MAX
    assert dead[b"left_out"] == f"{9_000 - len(kept)} fields, {100_000 - redis_stream.WORD_MAX} bytes".encode()


def test_a_deleted_message_that_a_take_over_answers_with_nothing_is_passed_over() -> None:
    assert redis_stream.entries_in([None, [b"1-0", None], [b"2-0", [b"message", b"x"]]]) == [(b"1-0", {}), (b"2-0", {b"message": b"x"})]


async def test_forged_messages_of_one_batch_are_journaled_together(signed: RedisStand) -> None:
    class Slow(Heard):
        """A journal that takes nothing for certain before three have come."""

        def __init__(self) -> None:
            super().__init__()
            self.open: list[asyncio.Future[bool]] = []

        def put_awaited(self, event: Event) -> asyncio.Future[bool]:
            self.put(event)
            done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            self.open.append(done)
            if len(self.open) == 3:
                for waiting in self.open:
                    waiting.set_result(True)
            return done

    slow = Slow()
    for number in range(2):
        signed.add(message(claim=f"f{number}"))
    signed.announce("d2", "1")
    async with heard_from(signed.source(), slow):
        await until(lambda: len(signed.dead()) == 2)
        await until(lambda: signed.pending() == 0)
        assert {e.claim for e in slow.of(CollateralAnnounced)} == {"f0", "f1", "d2"}


async def test_a_signed_message_is_believed_and_a_forged_one_is_told_and_put_aside(signed: RedisStand) -> None:
    signed.announce("d1", "5")
    signed.tell(ETH="7")
    good = written(ClaimMessage.model_validate_json(message()[MESSAGE]), KEY)
    changed = {MESSAGE: good[MESSAGE].replace(b'"5"', b'"9"'), SIGNATURE: good[SIGNATURE]}
    for forged in (changed, {MESSAGE: good[MESSAGE]}, {MESSAGE: good[MESSAGE], SIGNATURE: signature_of(good[MESSAGE], b"another key")}):
        signed.add(forged)
    signed.add({MESSAGE: b'{"type":"total","asset":"ETH","location":"vault","quantity":"99","at":2}', SIGNATURE: b"00"})
    signed.announce("d2", "5")
    async with heard_from(signed.source()) as heard:
        await until(lambda: bool([e for e in heard.of(CollateralAnnounced) if e.claim == "d2"]))
        told = sorted((e.claim, e.is_authentic) for e in heard.of(CollateralAnnounced))
        assert told == [("d1", False), ("d1", False), ("d1", False), ("d1", True), ("d2", True)]
        assert heard.totals == {"ETH": 7}
        await until(lambda: signed.pending() == 0)
    assert [dead[b"reason"] for dead in signed.dead()] == [
        b"its signature is wrong",
        b"it is not signed",
        b"its signature is wrong",
        b"its signature is wrong",
    ]


async def test_of_a_flood_of_forged_messages_the_journal_gets_a_part_and_their_number_and_the_dead_stream_all(
    signed: RedisStand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgeries, "EVERY_S", 2.0)
    flood = 700
    for number in range(flood):
        signed.add(message(claim=f"f{number:03}"))
    signed.announce("d1", "5")
    async with heard_from(signed.source()) as heard:
        await until(lambda: len(signed.dead()) == flood and signed.pending() == 0)
        await until(lambda: heard.of(CollateralAnnounced)[-1].claim == f"f{flood - 1}")
        words = [word for word in heard.of(CollateralAnnounced) if not word.is_authentic]
        assert sum(1 + word.beside for word in words) == flood, "all are counted"
        assert [word.claim for word in words[:3]] == ["f000", "f001", "f002"]
        assert len(words) < 100
        assert [word.claim for word in heard.of(CollateralAnnounced) if word.is_authentic] == ["d1"]
    assert [dead[b"reason"] for dead in signed.dead()] == [b"it is not signed"] * flood


async def test_a_backend_that_tells_no_total_any_more_ages_and_is_believed_again(stand: RedisStand) -> None:
    stand.tell(ETH="3")
    async with heard_from(stand.source(age_max=600)) as heard:
        await until(lambda: bool(heard.of(CollateralConfirmed)))
        await until(lambda: bool(heard.of(CollateralUnreadable)))
        assert "max_age_ms 600" in heard.of(CollateralUnreadable)[0].reason
        confirmed = len(heard.of(CollateralConfirmed))
        stand.tell(ETH="3")
        await until(lambda: len(heard.of(CollateralConfirmed)) > confirmed)
        assert len(heard.of(CollateralObserved)) == 2


async def test_a_flushed_server_is_read_from_its_beginning_again(stand: RedisStand) -> None:
    stand.tell(ETH="3")
    async with heard_from(stand.source()) as heard:
        await until(lambda: bool(heard.of(CollateralConfirmed)))
        with stand.process.client as client:
            client.delete(stand.stream)
        await until(lambda: bool(heard.of(CollateralUnreadable)), 10)
        stand.tell(ETH="4")
        await until(lambda: heard.totals.get("ETH") == 4, 10)


async def test_a_burst_is_read_in_batches_and_nothing_of_it_is_lost(stand: RedisStand) -> None:
    with stand.process.client as client, client.pipeline(transaction=False) as pipe:
        for number in range(1_000):
            told = {"claim": f"d{number}", "at": stand.instant()}
            pipe.xadd(stand.stream, message(**told))
        pipe.execute()
    async with heard_from(stand.source()) as heard:
        await until(lambda: len(heard.of(CollateralAnnounced)) == 1_000, 20)
        await until(lambda: stand.pending() == 0)
        assert [e.claim for e in heard.of(CollateralAnnounced)] == [f"d{number}" for number in range(1_000)]


async def test_each_message_that_can_never_be_taken_is_counted_once(signed: RedisStand) -> None:
    counted: list[None] = []
    signed.add({b"message": b"{"})
    signed.add(message() | {SIGNATURE: b"00"})
    signed.announce("d2", "1")
    async with heard_from(signed.source(refused=lambda: counted.append(None))):
        await until(lambda: len(signed.dead()) == 2)
    assert len(counted) == 2
