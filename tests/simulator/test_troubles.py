"""Every dialect has a table of its venue's bad days, and it is in the venue's own envelope."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pytest

from bot.simulator.dialects.dialect import HttpReply
from bot.simulator.dialects.registry import DIALECTS
from bot.simulator.dialects.trouble import NEEDED, NO_POSITIONS, RATE_LIMITED, Topic, Trouble, Troubles


@pytest.mark.parametrize("name", list(DIALECTS))
def test_every_dialect_has_its_troubles(name: str) -> None:
    troubles = getattr(DIALECTS[name], "troubles", None)
    assert isinstance(troubles, Troubles), (
        f"{name}: the dialect has no attribute `troubles`: write bot/simulator/dialects/{name}/troubles.py with the answers that"
        " bot/simulator/dialects/trouble.py asks for"
    )
    for answer, trouble in troubles.replies.items():
        assert 200 <= trouble.reply.status <= 599, answer
        if trouble.reply.content_type == "application/json":
            orjson.loads(trouble.reply.body)
        if re.fullmatch(r"-?\d+", answer):
            assert trouble.code == answer, "a documented refusal is called by its code"
            assert trouble.code.removeprefix("-") in trouble.reply.body.decode()
    assert troubles.replies[NO_POSITIONS].reply.status == 200
    assert sum(each.not_done for each in troubles.replies.values()) > 3, "a venue documents some refusals"
    assert troubles.topic_of(orjson.loads(troubles.hollow)) is Topic.ORDERS
    assert troubles.topic_of("pong") is None
    assert troubles.topic_of(["no", "frame"]) is None


def test_a_table_that_lacks_an_answer_is_refused() -> None:
    whole: dict[str, Any] = {name: Trouble(code="", reply=HttpReply(status=400, body=b"")) for name in NEEDED}
    Troubles(replies=whole, topic_of=lambda _: None, sequences=(), hollow="{}")
    for name in NEEDED:
        rest = {each: trouble for each, trouble in whole.items() if each != name}
        with pytest.raises(ValueError, match=f"needs an answer called {name}"):
            Troubles(replies=rest, topic_of=lambda _: None, sequences=(), hollow="{}")


def test_only_what_tells_when_tells_it_in_whole_seconds_and_never_zero() -> None:
    silent = Trouble(code="1", reply=HttpReply(status=429, body=b"{}"))
    assert silent.lasting(5_000) == silent.reply
    telling = DIALECTS["binanceusdm"].troubles.replies[RATE_LIMITED]
    assert [telling.lasting(left).headers["Retry-After"] for left in (5_000, 4_001, 10, 0)] == ["5", "5", "1", "1"]
