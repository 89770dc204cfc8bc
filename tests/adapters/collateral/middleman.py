"""A JSON-RPC endpoint before a real node that may twist what is asked or answered: one that lags, lies or refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import ClientSession, web

from bot.adapters.collateral.evm.web3_node import ANSWER_S

Answer = dict[str, Any]


class Middleman:
    """`asks` may change a question; `answers` may change an answer, or raise an HTTP error in its place."""

    def __init__(self, behind: str) -> None:
        self._behind = behind
        self.url = ""
        self.asks: Callable[[Answer], None] = lambda question: None
        self.answers: Callable[[Answer, Answer], None] = lambda question, answer: None
        self.questions: list[Answer] = []

    async def _pass_on(self, request: web.Request) -> web.Response:
        question = await request.json()
        self.questions.append(question)
        self.asks(question)
        async with ClientSession() as session, session.post(self._behind, json=question) as response:
            answer = await response.json()
        self.answers(question, answer)
        return web.json_response(answer)

    @asynccontextmanager
    async def standing(self) -> AsyncIterator[Middleman]:
        app = web.Application(client_max_size=2**20)
        app.router.add_post("/{path:.*}", self._pass_on)
        runner = web.AppRunner(app, shutdown_timeout=ANSWER_S / 10)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()


def instead(
    method: str, make: Callable[[Any], Any], *, of: Callable[[Any], bool] = lambda params: True
) -> Callable[[Answer, Answer], None]:
    """Another result to one method, made from the true one."""

    def twist(question: Answer, answer: Answer) -> None:
        if question["method"] == method and of(question["params"]) and answer.get("result") is not None:
            answer["result"] = make(answer["result"])

    return twist
