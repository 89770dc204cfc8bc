"""What people post to the control socket: over a real one, read strictly, answered in one sentence."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.adapters.telemetry.codec import RequestRefused, answer_from_json, answer_to_json, request_from_json, request_to_json
from bot.adapters.telemetry.endpoints import Endpoints, EndpointUnavailable, NoAnswer, ask_to_act
from bot.adapters.telemetry.prometheus import Metrics
from bot.core.acts import Adopted
from bot.core.events import OperatorAction
from bot.core.statement import BookStatement
from bot.core.units import ClientOrderId, InstrumentId, VenueId
from bot.operating import OperatorAnswer, OperatorRequest

REDUCE, HALT, RESUME, RESOLVE, *_ = OperatorAction
DONE = OperatorAnswer(accepted=True, sentence="the book is HALTED", trading_state="halted")
HALTING = OperatorRequest(action=HALT, by="alice", why="a drill", venue=VenueId("okx"))
RESOLVING = OperatorRequest(action=RESOLVE, by="alice", why="looked", order=ClientOrderId("h1"), filled=Decimal("1.50"))


class Bot:
    """Takes what it is asked, and answers as it is told to."""

    def __init__(self) -> None:
        self.asked: list[OperatorRequest] = []
        self.answer: OperatorAnswer | Exception = DONE

    async def act(self, request: OperatorRequest) -> OperatorAnswer:
        self.asked.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@asynccontextmanager
async def listening(bot: Bot | None, control: Path, statement: Callable[[], BookStatement | None] = lambda: None) -> AsyncIterator[None]:
    served = Endpoints(
        host="127.0.0.1",
        port=0,
        control=control,
        metrics=Metrics(),
        statement=statement,
        unready=lambda: None,
        act=None if bot is None else bot.act,
    )
    await served.start()
    try:
        yield
    finally:
        await served.stop()


async def posted(control: Path, path: str, body: Any) -> tuple[int, OperatorAnswer]:
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(control))) as session:
        async with session.post(f"http://hedgebot{path}", data=json.dumps(body)) as answer:
            return answer.status, answer_from_json(await answer.read())


@pytest.mark.parametrize("request_", [HALTING, RESOLVING, OperatorRequest(action=RESUME, by="b", why="w")])
async def test_what_is_asked_arrives_and_its_answer_comes_back(tmp_path: Path, request_: OperatorRequest) -> None:
    bot = Bot()
    async with listening(bot, tmp_path / "s"):
        assert await ask_to_act(tmp_path / "s", request_) == DONE
        assert bot.asked == [request_]
        bot.answer = OperatorAnswer(accepted=False, sentence="no", trading_state="active")
        assert await ask_to_act(tmp_path / "s", request_) == bot.answer


GOOD = {"by": "alice", "why": "a drill"}


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/halt", {"why": "x"}, "by: field required"),
        ("/halt", {"by": "  ", "why": "x"}, "by: string should have at least 1 character"),
        ("/halt", {"by": "a\nb", "why": "x"}, "by: string should match pattern"),
        ("/halt", {"by": "a" * 81, "why": "x"}, "by: string should have at most 80"),
        ("/halt", GOOD | {"vanue": "okx"}, "vanue: extra inputs are not permitted"),
        ("/halt", GOOD | {"order": "h1"}, "halt is about the book or a venue: give no `order`"),
        ("/resume", GOOD | {"filled": "1"}, "resume is about the book or a venue"),
        ("/resolve", GOOD, "resolve is about one order: give `order`"),
        ("/flatten", GOOD | {"order": "h1"}, "flatten is about the book, a venue or an asset: give no `order`"),
        ("/flatten", GOOD | {"venue": "okx", "asset": "ETH"}, "flatten is about the book, a venue or an asset: give `venue` or `asset`"),
        ("/halt", GOOD | {"asset": "ETH"}, "halt is about the book or a venue: give no `asset`"),
        ("/resolve", GOOD | {"order": "h1", "venue": "okx"}, "resolve is about one order"),
        ("/resolve", GOOD | {"order": "h1", "filled": "-1"}, "filled: input should be greater than or equal to 0"),
        ("/resolve", GOOD | {"order": "h1", "filled": "1e999999999"}, "filled: decimal input should have no more than 60 digits"),
        ("/resolve", GOOD | {"order": "h1", "filled": "NaN"}, "filled: input should be a finite number"),
        ("/halt", [], "the request: input should be an object"),
    ],
)
async def test_what_is_not_a_request_is_refused_in_one_sentence(tmp_path: Path, path: str, body: Any, words: str) -> None:
    bot = Bot()
    async with listening(bot, tmp_path / "s"):
        status, answer = await posted(tmp_path / "s", path, body)
    assert (status, answer.accepted, bot.asked) == (400, False, [])
    assert answer.sentence.startswith(words)
    assert "\n" not in answer.sentence


async def test_the_status_tells_done_refused_and_not_in_time(tmp_path: Path) -> None:
    bot = Bot()
    async with listening(bot, tmp_path / "s"):
        assert (await posted(tmp_path / "s", "/halt", GOOD))[0] == 200
        bot.answer = OperatorAnswer(accepted=False, sentence="no", trading_state="active")
        assert (await posted(tmp_path / "s", "/halt", GOOD))[0] == 400
        bot.answer = TimeoutError()
        status, answer = await posted(tmp_path / "s", "/halt", GOOD)
        assert (status, answer.accepted) == (503, False)
        assert "did not take it in time" in answer.sentence


async def test_nobody_answers_or_somebody_else(tmp_path: Path) -> None:
    with pytest.raises(EndpointUnavailable, match="no running hedgebot answers"):
        await ask_to_act(tmp_path / "s", HALTING)
    async with listening(None, tmp_path / "s"):
        with pytest.raises(EndpointUnavailable, match="another version"):
            await ask_to_act(tmp_path / "s", HALTING)


async def test_a_bot_that_never_answers_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Deaf(Bot):
        async def act(self, request: OperatorRequest) -> OperatorAnswer:
            await asyncio.sleep(30)
            return DONE

    monkeypatch.setattr("bot.adapters.telemetry.endpoints._ACT_SECONDS", 0.1)
    async with listening(Deaf(), tmp_path / "s"):
        with pytest.raises(NoAnswer, match="no answer came; whether it was taken is not known, and it may still be carried out"):
            await ask_to_act(tmp_path / "s", HALTING)


def test_what_is_adopted_is_named_and_reads_back_as_it_was_written() -> None:
    shown = (
        Adopted(instrument=InstrumentId("okx:ETH"), quantity=Decimal("-1.50")),
        Adopted(instrument=InstrumentId("a:b"), quantity=None, order="9"),
    )
    request = OperatorRequest(action=OperatorAction.ADOPT, by="alice", why="ours", adopting=shown)
    assert request_from_json(OperatorAction.ADOPT, request_to_json(request)) == request
    with pytest.raises(RequestRefused, match="adopt is about what was shown: give `adopting`"):
        request_from_json(OperatorAction.ADOPT, b'{"by": "alice", "why": "ours"}')


def test_requests_and_answers_read_back_as_they_were_written() -> None:
    for request in (HALTING, RESOLVING):
        assert request_from_json(request.action, request_to_json(request)) == request
    assert answer_from_json(answer_to_json(DONE)) == DONE
    with pytest.raises(RequestRefused, match="why: string should have at least 1 character"):
        request_to_json(OperatorRequest(action=REDUCE, by="alice", why=""))
    with pytest.raises(ValueError, match="validation error"):
        answer_from_json(b"{}")
