"""One ccxt.pro client, made safe: no retries of its own, no limiter of its own, no debug lines with headers in them, every request
through the routing session, every order request with the expiry that we chose, and every stream message shown to us first.

ccxt is asked for transport, signing, subscriptions and error bodies. What messages *mean* is read from the venue's own rows
(`ccxt_mapping`): ccxt's caches lose wake-ups and collapse bursts, and its floats lose digits.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import ccxt.pro

from bot.adapters.venue.profile import Expiry, Profile
from bot.adapters.venue.routing import Door, RoutingSession
from bot.adapters.venue.settings import Environment, VenueSettings
from bot.core.units import Millis
from bot.ports import Clock

REQUEST_TIMEOUT_MS: Millis = 4_000
SOCKET_PING_MS: Millis = 4_000
SOCKET_OPEN_MS: Millis = 5_000

MessageHeard = Callable[[Any, Any], None]
"""Called with ccxt's socket client and each decoded message, before ccxt sees it. Must not raise."""

_EXPIRES_IN: ContextVar[Millis | None] = ContextVar("request_expires_in_ms", default=None)


@contextmanager
def expiring_in(milliseconds: Millis) -> Iterator[None]:
    """Requests signed inside carry this expiry where the venue takes it in a header."""
    token = _EXPIRES_IN.set(milliseconds)
    try:
        yield
    finally:
        _EXPIRES_IN.reset(token)


def doors(profile: Profile, settings: VenueSettings) -> dict[str, Door]:
    """Where each host of the environment lives. The one place that knows what an environment is.

    In a simulation every host must have a route; elsewhere a host lives at itself, over TLS. Raises ValueError with one sentence.
    """
    hosts = profile.hosts[settings.environment]
    if settings.environment is not Environment.SIMULATION:
        return {name: Door(f"https://{name}", hosts.required_headers.get(name, {})) for name in hosts.names}
    missing = [name for name in hosts.names if name not in settings.routes]
    if missing:
        raise ValueError(f"no route for {', '.join(missing)}")
    return {name: Door(settings.routes[name]) for name in hosts.names}


def make_client(profile: Profile, settings: VenueSettings, session: RoutingSession, clock: Clock) -> Any:
    """The ccxt.pro client of one account. Nothing is sent yet. Call it on a running event loop."""
    client = getattr(ccxt.pro, profile.venue)(
        {
            "apiKey": settings.api_key,
            "secret": settings.secret,
            "password": settings.passphrase,
            "session": session,
            "enableRateLimit": False,
            "timeout": REQUEST_TIMEOUT_MS,
            "options": {**profile.options, "maxRetriesOnFailure": 0, "timeDifference": 0, "adjustForTimeDifference": False},
        }
    )
    if settings.environment is Environment.TESTNET:
        getattr(client, profile.switch_to_testnet)(True)
    client.logger = _silent_logger()
    client.milliseconds = clock.now  # one clock: the offset that signing adds was measured against this one
    client.streaming = {
        **client.streaming,
        "keepAlive": SOCKET_PING_MS,
        "maxPingPongMisses": 2,
        "connectionTimeout": SOCKET_OPEN_MS,
    }
    _fence_signing(client, profile.writes.expiry)
    return client


def correct_clock(client: Any, offset_ms: Millis) -> None:
    """Signs with the venue's clock from here on; `offset_ms` is venue clock minus ours."""
    client.options["timeDifference"] = -offset_ms


def tap(client: Any, heard: MessageHeard) -> None:
    """Shows every stream message to `heard`, then to ccxt.

    An exception out of ccxt's own code would end its receive loop for good while the socket stays open; here it ends the socket instead,
    so that the subscription is made anew.
    """
    original = client.handle_message

    def shown(socket: Any, message: Any) -> None:
        heard(socket, message)
        try:
            original(socket, message)
        except Exception as error:
            socket.on_error(ccxt.NetworkError(f"a message could not be taken: {type(error).__name__}"))

    client.handle_message = shown


def _fence_signing(client: Any, expiry: Expiry) -> None:
    """Puts the expiry of the current request into its headers, in the instant of signing: nothing can wait in between."""
    original = client.sign
    usual_window = client.options.get("recvWindow")

    def by_window(*arguments: Any, **named: Any) -> Any:
        expires_in = _EXPIRES_IN.get()
        client.options["recvWindow"] = usual_window if expires_in is None else expires_in
        try:
            return original(*arguments, **named)
        finally:
            client.options["recvWindow"] = usual_window

    def by_instant(*arguments: Any, **named: Any) -> Any:
        signed = original(*arguments, **named)
        expires_in = _EXPIRES_IN.get()
        if expires_in is not None:
            signed["headers"] = {**(signed["headers"] or {}), "expTime": str(int(client.nonce()) + expires_in)}
        return signed

    match expiry:
        case Expiry.WINDOW_HEADER:
            client.sign = by_window
        case Expiry.INSTANT_HEADER:
            client.sign = by_instant
        case Expiry.WINDOW_PARAMETER:
            pass


def _silent_logger() -> logging.Logger:
    """ccxt logs whole requests, keys and passphrase included, at level DEBUG: to nobody."""
    logger = logging.getLogger("bot.adapters.venue.silenced")
    logger.propagate = False
    logger.setLevel(logging.CRITICAL)
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    return logger
