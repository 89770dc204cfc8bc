"""OKX in Spot mode takes no perpetual: an account that was never switched over is said to be one, at the start and by a check."""

from __future__ import annotations

import dataclasses

import orjson
import pytest

from bot.adapters.venue.inspection import Verdict
from bot.adapters.venue.inspector import inspect_account
from bot.ports import VenueNotReady
from bot.simulator.dialects.dialect import Answer, HttpRequest
from tests.adapters.venue.venue_stand import Stand, standing

SENTENCE = "the account is in Spot mode, which takes no perpetuals: choose Futures mode in the account's settings"


def in_mode(stand: Stand, mode: str) -> None:
    """From here on the venue says that the account is in this mode (`acctLv`)."""
    original = stand.desk.handle

    def handle(asked: HttpRequest) -> Answer:
        answer = original(asked)
        if asked.path != "/api/v5/account/config":
            return answer
        body = orjson.loads(answer.reply.body)
        body["data"][0]["acctLv"] = mode
        return dataclasses.replace(answer, reply=dataclasses.replace(answer.reply, body=orjson.dumps(body)))

    stand.desk.handle = handle


async def test_a_run_does_not_begin_there_and_a_check_refuses_it() -> None:
    async with standing("okx") as stand:
        in_mode(stand, "1")
        with pytest.raises(VenueNotReady, match=SENTENCE):
            await stand.venue.open()
        found = await inspect_account(stand.venue._settings, stand.clock)
        assert [(each.what, each.verdict) for each in found][-1] == ("account", Verdict.REFUSED)
        assert SENTENCE in found[-1].why


@pytest.mark.parametrize("mode", ["2", "3", "4"])
async def test_every_mode_that_takes_perpetuals_is_used(mode: str) -> None:
    async with standing("okx") as stand:
        in_mode(stand, mode)
        assert await stand.venue.open()
