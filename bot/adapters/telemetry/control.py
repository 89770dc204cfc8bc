"""What a person may ask of a running bot over its unix socket, and over TCP behind a `Door`: POST /reduce, /halt, /resume, /resolve,
/flatten, /quarantine, /override, /adopt and /reload.

The body is one JSON object: `by` and `why` always, `venue` for one venue instead of the book, `asset` for /flatten of one asset, `order`
and `filled` for /resolve, `setting`, `value` and `lasts_ms` for /override. The answer
tells in one sentence what came of it: 200 done, 400 nothing was done, 503 the bot could not be reached in time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from bot.adapters.telemetry.codec import RequestRefused, answer_to_json, request_from_json
from bot.core.events import OperatorAction
from bot.operating import OperatorAnswer, OperatorRequest

Act = Callable[[OperatorRequest], Awaitable[OperatorAnswer]]
"""Carries out a request; raises TimeoutError when it was not taken in time."""


def acts(act: Act) -> Sequence[web.RouteDef]:
    """A route for each thing that a person may ask for."""
    return [web.post(f"/{action.value}", _answering(action, act)) for action in OperatorAction]


def _answering(action: OperatorAction, act: Act) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(request: web.Request) -> web.Response:
        try:
            told = await act(request_from_json(action, await request.read()))
        except RequestRefused as refusal:
            return _said(OperatorAnswer(accepted=False, sentence=str(refusal), trading_state="unknown"), 400)
        except TimeoutError:
            busy = "the bot did not take it in time; whether it still will is not known, so look at its status"
            return _said(OperatorAnswer(accepted=False, sentence=busy, trading_state="unknown"), 503)
        return _said(told, 200 if told.accepted else 400)

    return answer


def _said(answer: OperatorAnswer, status: int) -> web.Response:
    return web.Response(body=answer_to_json(answer), status=status, content_type="application/json")
