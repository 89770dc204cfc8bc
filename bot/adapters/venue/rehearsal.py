"""What ccxt would send in one environment, found without sending anything: the real client before a session that only takes notes.

The rule: before the first request leaves, every call that this adapter makes has been tried on a client made exactly like the real one, and
each request that came of it is held against the allow-list. One that does not fit is told in a sentence, and the run does not start.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import aiohttp
from yarl import URL

from bot.adapters.venue.asking import scope_of
from bot.adapters.venue.ccxt_client import doors, make_client
from bot.adapters.venue.doors import AllowList, Asked
from bot.adapters.venue.profile import Example, Profile, Setup
from bot.adapters.venue.questions import Query
from bot.adapters.venue.settings import VenueSettings
from bot.core.instrument import ContractKind
from bot.ports import Clock

WAIT_SECONDS = 2.0
"""A call that has not asked for anything by then will not: nothing here waits for a network."""
_ANSWER = '{"listenKey":"rehearsed"}'
"""What every request is answered with: as much as ccxt needs to go on to a private socket."""


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """One request that a call made. `private`: as it is marked, or as the stream is that its socket is for. `refusal`: why it may not
    leave."""

    call: str
    asked: Asked
    private: bool
    refusal: str | None

    @property
    def host(self) -> str:
        """Where it would go."""
        return self.asked.url.host or ""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """All that was asked for, and a sentence about each call that asked for nothing though it should have."""

    requests: tuple[Rehearsed, ...]
    untried: tuple[str, ...]

    @property
    def faults(self) -> tuple[str, ...]:
        """What is wrong, a sentence each."""
        return (*self.untried, *(f"{each.call} would be {each.refusal}" for each in self.requests if each.refusal is not None))


async def rehearse(profile: Profile, settings: VenueSettings, clock: Clock) -> Rehearsal:
    """Tries every call of the profile. Sends nothing. Raises ValueError when the settings cannot work, as `ccxt_client.doors` does."""
    allowed = doors(profile, settings).allowed
    profile = dataclasses.replace(profile, wallets=profile.wallets_in(settings.environment) if settings.reads_wallets else ())
    session = _Notes()
    client = make_client(profile, settings, session, clock)
    client.timeout_on_exit = 0
    found: list[Rehearsed] = []
    untried: list[str] = []
    try:
        client.set_markets([market_of(client, example) for example in profile.examples])
        for act in _acts(client, profile):
            session.asked.clear()
            why = await _tried(act.call)
            client.ws_dial_backoff = {}  # a refused connection is no reason to wait here
            if not session.asked and act.must_ask:
                untried.append(f"{act.name} could not be tried without sending ({why})")
            found += [_judged(act, asked, allowed) for asked in session.asked]
    finally:
        await client.close()
    return Rehearsal(tuple(found), tuple(untried))


def queries_of(part: Any) -> Iterator[Query]:
    """Every question in a profile or in a part of one, wherever it stands."""
    if isinstance(part, Query):
        yield part
    elif isinstance(part, tuple):
        for each in part:
            yield from queries_of(each)
    elif dataclasses.is_dataclass(part):
        for member in dataclasses.fields(part):
            yield from queries_of(getattr(part, member.name))


@dataclass(frozen=True, slots=True)
class _Act:
    name: str
    call: Callable[[], Awaitable[Any]]
    must_ask: bool = True
    private_socket: bool = False


def _acts(client: Any, profile: Profile) -> Iterator[_Act]:
    writes = profile.writes
    for query in queries_of(profile):
        if writes.cancel_by_ccxt and query is writes.cancel:
            continue
        for example in profile.examples:
            place = profile.place(example.venue_symbol, example.kind, example.settle)
            yield _Act(query.call, _bound(client, query.call, {**query.fixed, **scope_of(query, place)}))
    if profile.streams.listen_key_call is not None:
        yield _Act(profile.streams.listen_key_call, _bound(client, profile.streams.listen_key_call, {}))
    for example in profile.examples:
        name = example.symbol
        parameters = {**writes.place_parameters, writes.client_id_as: "rehearsed"}
        yield _Act("create_order", _bound(client, "create_order", name, "limit", "sell", "1", "1", parameters))
        if writes.cancel_by_ccxt:
            yield _Act("cancel_order", _bound(client, "cancel_order", "", name, {writes.client_id_as: "rehearsed"}))
        yield _Act("fetch_trading_fee", _bound(client, "fetch_trading_fee", name), must_ask=False)
        for setting, arguments in _settings(profile.setup, name):
            yield _Act(setting, _bound(client, setting, *arguments), must_ask=False)
        for pump in profile.streams.pumps:
            names = (name if pump.each else [name],) if pump.symbols else ()
            yield _Act(pump.watch, _bound(client, pump.watch, *names), private_socket=pump.private)
    yield _Act("fetch_markets", _bound(client, "fetch_markets", dict(profile.markets_parameters)))


def _settings(setup: Setup | None, name: str) -> Iterator[tuple[str, tuple[Any, ...]]]:
    if setup is None:
        return
    yield "set_leverage", (1, name, dict(setup.leverage_parameters))
    yield "set_margin_mode", ("cross", name)
    yield "set_position_mode", (False, name)
    yield "fetch_margin_mode", (name,)
    yield "fetch_position_mode", (name,)


def _bound(client: Any, name: str, *arguments: Any) -> Callable[[], Awaitable[Any]]:
    def called() -> Awaitable[Any]:
        answer: Awaitable[Any] = getattr(client, name)(*arguments)
        return answer

    return called


async def _tried(call: Callable[[], Awaitable[Any]]) -> str:
    """How a call ended. That it fails is nothing: nobody answers it."""
    try:
        await asyncio.wait_for(call(), WAIT_SECONDS)
    except Exception as error:
        return type(error).__name__
    return "it asked for nothing"


def _judged(act: _Act, asked: Asked, allowed: AllowList) -> Rehearsed:
    private = allowed.is_private(asked) or (asked.socket and act.private_socket)
    refusal = allowed.refusal(asked)
    if refusal is None and private and asked.socket:
        refusal = allowed.private_socket_refusal(asked.url)
    return Rehearsed(act.name, asked, private, refusal)


def market_of(client: Any, example: Example) -> Any:
    """As much of a market as ccxt needs to name it in a request."""
    given = {
        "id": example.venue_symbol,
        "lowercaseId": example.venue_symbol.lower(),
        "symbol": example.symbol,
        "base": example.base,
        "baseId": example.base_id or example.base,
        "baseName": example.base,
        "quote": example.quote,
        "quoteId": example.quote,
        "settle": example.settle,
        "settleId": example.settle,
        "type": "swap",
        "spot": False,
        "swap": True,
        "contract": True,
        "linear": example.kind is ContractKind.LINEAR,
        "inverse": example.kind is ContractKind.INVERSE,
        "subType": example.kind.value,
        "contractSize": 1.0,
        "precision": {"amount": 1.0, "price": 1.0},
        "info": {"orderTypes": ["LIMIT"]},
    }
    return client.safe_market_structure(given)


@dataclass
class _Notes:
    """Stands where the routing session stands, and sends nothing."""

    asked: list[Asked] = field(default_factory=list)
    closed: bool = False

    @property
    def headers(self) -> Mapping[str, str]:
        """None of its own."""
        return MappingProxyType({})

    def get(self, url: URL, **options: Any) -> Any:
        """Notes a request, and answers it with next to nothing. So do all verbs."""
        return self._noted("GET", url, options)

    def post(self, url: URL, **options: Any) -> Any:
        """See `get`."""
        return self._noted("POST", url, options)

    def put(self, url: URL, **options: Any) -> Any:
        """See `get`."""
        return self._noted("PUT", url, options)

    def delete(self, url: URL, **options: Any) -> Any:
        """See `get`."""
        return self._noted("DELETE", url, options)

    def patch(self, url: URL, **options: Any) -> Any:
        """See `get`."""
        return self._noted("PATCH", url, options)

    def ws_connect(self, url: str, **options: Any) -> Any:
        """Notes a socket, and opens none."""
        self.asked.append(Asked(url=URL(str(url), encoded=True), headers=dict(options.get("headers") or {}), socket=True))
        raise aiohttp.ClientConnectionError("a rehearsal opens no socket")

    async def close(self) -> None:
        """There is nothing to close."""
        self.closed = True

    def _noted(self, verb: str, url: URL, options: Mapping[str, Any]) -> _Answer:
        data, headers = options.get("data") or b"", dict(options.get("headers") or {})
        self.asked.append(Asked(url=URL(str(url), encoded=True), headers=headers, body=data.decode(), verb=verb))
        return _Answer()


class _Answer:
    """An answer that ccxt can read."""

    status, reason = 200, "OK"
    headers: Mapping[str, str] = MappingProxyType({"Content-Type": "application/json"})
    content = _ANSWER

    async def __aenter__(self) -> _Answer:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def text(self, **_: Any) -> str:
        """Its body."""
        return _ANSWER
