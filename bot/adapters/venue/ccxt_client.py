"""One ccxt.pro client, made safe: no retries of its own, no limiter of its own, no debug lines with headers in them, every request
through the routing session, every order request with the expiry that we chose, and every stream message shown to us first.

ccxt is asked for transport, signing, subscriptions and error bodies. What messages *mean* is read from the venue's own rows
(`ccxt_mapping`): ccxt's caches lose wake-ups and collapse bursts, and its floats lose digits.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import ccxt.pro

from bot.adapters.venue.doors import AllowList, Doors, Opening
from bot.adapters.venue.outcomes import OutOfTime
from bot.adapters.venue.profile import Expiry, Profile
from bot.adapters.venue.settings import Environment, VenueSettings
from bot.core.units import Millis
from bot.ports import Clock

REQUEST_TIMEOUT_MS: Millis = 4_000
REQUEST_EXPIRY_MAX_MS: Millis = 5_000
SOCKET_PING_MS: Millis = 4_000
SOCKET_OPEN_MS: Millis = 5_000

MessageHeard = Callable[[Any, Any], None]
"""Called with ccxt's socket client and each decoded message, before ccxt sees it. Must not raise."""


@dataclass(frozen=True, slots=True)
class _Expiry:
    """Until when (our clock) the request that is being signed may be accepted, and who says for how many seconds at most."""

    instant: Millis
    may_send: Callable[[], float] | None

    def window(self, now: Millis) -> Millis:
        """How long a request signed now may be valid. Raises OutOfTime when it may not be sent any more."""
        window = min(REQUEST_EXPIRY_MAX_MS, self.instant - now)
        if window <= 0:
            raise OutOfTime("its time was over before it was sent")
        if self.may_send is None:
            return window
        left = int(self.may_send() * 1_000)
        if left <= 0:
            raise OutOfTime("the right to send was over before it was sent")
        return min(window, left)


_EXPIRY: ContextVar[_Expiry | None] = ContextVar("request_expiry", default=None)


_LOGGING_IN: ContextVar[bool] = ContextVar("logging_in", default=False)
"""Whether this task makes ccxt log in on a socket."""


@contextmanager
def expiring_at(instant: Millis, may_send: Callable[[], float] | None = None) -> Iterator[None]:
    """Requests signed inside may be accepted by the venue until this instant of our clock, and never for longer than
    REQUEST_EXPIRY_MAX_MS, or than `may_send` says in the instant of signing. Signing one later raises OutOfTime."""
    token = _EXPIRY.set(_Expiry(instant, may_send))
    try:
        yield
    finally:
        _EXPIRY.reset(token)


def doors(profile: Profile, settings: VenueSettings) -> Doors:
    """What may leave in the settings' environment, and where its hosts live. The one place that knows what an environment is.

    In a simulation every host must have a route; elsewhere a host lives at itself, over TLS. Raises ValueError with one sentence: a host
    without a route, an environment that the venue does not have, or one whose private requests could reach mainnet.
    """
    keys = tuple(key for key in (settings.api_key, settings.passphrase) if key)
    openings = profile.openings_in(settings.environment, wallets=settings.reads_wallets)
    allowed = AllowList(openings, profile.private_marks, keys, (settings.secret,))
    if settings.environment is Environment.SIMULATION:
        if missing := [name for name in allowed.hosts if name not in settings.routes]:
            raise ValueError(f"no route for {', '.join(missing)}")
        return Doors(allowed, {name: settings.routes[name] for name in allowed.hosts}, settings.proxy)
    if settings.environment is not Environment.MAINNET and (open_ones := _mainnet_within_reach(profile, openings)):
        raise ValueError(f"private requests in {settings.environment.value} could reach mainnet at {', '.join(open_ones)}")
    return Doors(allowed, {name: f"https://{name}" for name in allowed.hosts}, settings.proxy)


def _mainnet_within_reach(profile: Profile, openings: Sequence[Opening]) -> list[str]:
    mainnet = AllowList(profile.openings_in(Environment.MAINNET, wallets=True)).hosts
    return [each.host for each in openings if each.private and not each.headers and each.host in mainnet]


def make_client(profile: Profile, settings: VenueSettings, session: object, clock: Clock, *, keyless: bool = False) -> Any:
    """The ccxt.pro client of one account; `session` is a `RoutingSession`, or what stands where one would. Nothing is sent yet.

    Call it on a running event loop. `keyless`: one that knows no key, for public questions only: whatever it is made to ask, it cannot act
    for the account.
    """
    client = getattr(ccxt.pro, profile.venue)(
        {
            **({} if keyless else {name: getattr(settings, ours) for name, ours in profile.credentials.items()}),
            "session": session,
            "enableRateLimit": False,
            "timeout": REQUEST_TIMEOUT_MS,
            "options": {**profile.options, "maxRetriesOnFailure": 0, "timeDifference": 0, "adjustForTimeDifference": False},
        }
    )
    switch = profile.hosts_in(settings.environment).switch
    if switch is not None:
        getattr(client, switch)(True)
    client.logger = _silent_logger()
    client.milliseconds = _clock_of(client, profile, clock)
    if profile.writes.signs_by_nonce and profile.streams.listen_key_call is None and hasattr(client, "authenticate"):
        _log_in_by_the_venues_clock(client, clock)
    client.streaming = {
        **client.streaming,
        "keepAlive": SOCKET_PING_MS,
        "maxPingPongMisses": 2,
        "connectionTimeout": SOCKET_OPEN_MS,
    }
    for step in profile.skipped:
        setattr(client, step, _nothing)
    _fence_signing(client, profile, clock)
    if profile.writes.expiry is Expiry.SIGNED_INSTANT:
        _sign_expiry(client, clock)
    return client


def _clock_of(client: Any, profile: Profile, clock: Clock) -> Callable[[], Millis]:
    """One clock, the one that the offset which signing adds was measured against; the venue's where ccxt signs without adding it."""
    if profile.writes.signs_by_nonce:
        return clock.now
    return lambda: clock.now() - int(client.options["timeDifference"])


def _log_in_by_the_venues_clock(client: Any, clock: Clock) -> None:
    """The login on a socket is signed by `seconds` (OKX) or `milliseconds` (Bybit) as they are, where requests add the offset to them."""
    log_in, usual = client.authenticate, client.milliseconds

    def now() -> Millis:
        return clock.now() - int(client.options["timeDifference"])

    async def authenticate(*arguments: Any, **named: Any) -> Any:
        token = _LOGGING_IN.set(True)
        try:
            return await log_in(*arguments, **named)
        finally:
            _LOGGING_IN.reset(token)

    client.authenticate = authenticate
    client.milliseconds = lambda: now() if _LOGGING_IN.get() else usual()
    client.seconds = lambda: now() // 1_000


def correct_clock(client: Any, offset_ms: Millis) -> None:
    """Signs with the venue's clock from here on; `offset_ms` is venue clock minus ours."""
    client.options["timeDifference"] = -offset_ms


def tap(client: Any, heard: MessageHeard) -> None:
    """Shows every stream message to `heard`, then to ccxt.

    An exception out of ccxt's own code would end its receive loop for good while the socket stays open; here it ends the socket instead,
    so that the subscription is made anew. The same goes for a frame that is no JSON.
    """
    original, socket_of = client.handle_message, client.client

    def shown(socket: Any, message: Any) -> None:
        heard(socket, message)
        try:
            original(socket, message)
        except Exception as error:
            socket.on_error(ccxt.NetworkError(f"a message could not be taken: {type(error).__name__}"))

    def guarded(url: str) -> Any:
        socket = socket_of(url)
        if "handle_text_or_binary_message" not in vars(socket):
            decode = socket.handle_text_or_binary_message

            def decoded(data: Any) -> None:
                try:
                    decode(data)
                except Exception as error:
                    socket.on_error(ccxt.NetworkError(f"a frame could not be read: {type(error).__name__}"))

            socket.handle_text_or_binary_message = decoded
        return socket

    client.handle_message, client.client = shown, guarded


def _fence_signing(client: Any, profile: Profile, clock: Clock) -> None:
    """Puts the expiry of the current request into it in the instant of signing, so that no wait before it can stretch it.

    Time stands still for ccxt while it signs: the timestamp that a window is counted from is the instant that the window was made for.
    """
    original, usual_clock, writes = client.sign, client.milliseconds, profile.writes

    def fenced(*arguments: Any, **named: Any) -> Any:
        expiry = _EXPIRY.get()
        if expiry is None:
            return original(*arguments, **named)
        now = clock.now()
        window = expiry.window(now)
        stamp = now if writes.signs_by_nonce else now - int(client.options["timeDifference"])
        usual_window, client.milliseconds = client.options.get("recvWindow"), lambda: stamp
        try:
            if writes.expiry is Expiry.WINDOW:
                client.options["recvWindow"] = window
            if writes.expiry is Expiry.INSTANT_PARAMETER:
                path, api, method, parameters, *rest = arguments
                arguments = (path, api, method, {**parameters, "valid_until": stamp + window}, *rest)
            signed = original(*arguments, **named)
            if writes.expiry is Expiry.INSTANT_HEADER:
                signed["headers"] = {**(signed["headers"] or {}), "expTime": str(int(client.nonce()) + window)}
        finally:
            client.options["recvWindow"], client.milliseconds = usual_window, usual_clock
        return signed

    client.sign = fenced


def _sign_expiry(client: Any, clock: Clock) -> None:
    """Puts the expiry of the current request under its signature and beside it: an action is signed before it is made a request.

    The two belong together by the action's nonce, which never repeats.
    """
    sign_action, sign, expiries = client.sign_l1_action, client.sign, dict[int, Millis]()

    def signed_action(action: Any, nonce: int, vault: str | None = None) -> Any:
        expiry, now = _EXPIRY.get(), clock.now()
        if expiry is None:
            return sign_action(action, nonce, vault)
        window = expiry.window(now)
        expiries.clear()
        expiries[nonce] = now - client.options["timeDifference"] + window
        return sign_action(action, nonce, vault, expiries[nonce])

    def signed(path: str, api: Any, method: str, params: dict[str, Any], *more: Any, **named: Any) -> Any:
        expires_after = expiries.pop(params.get("nonce", -1), None)
        return sign(path, api, method, params if expires_after is None else {**params, "expiresAfter": expires_after}, *more, **named)

    client.sign_l1_action, client.sign = signed_action, signed


async def _nothing() -> bool:
    return True


def _silent_logger() -> logging.Logger:
    """ccxt logs whole requests, keys and passphrase included, at level DEBUG: to nobody."""
    logger = logging.getLogger("bot.adapters.venue.silenced")
    logger.propagate = False
    logger.setLevel(logging.CRITICAL)
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    return logger
