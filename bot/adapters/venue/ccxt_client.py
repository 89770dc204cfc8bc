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

from bot.adapters.venue.outcomes import OutOfTime
from bot.adapters.venue.profile import Expiry, Profile
from bot.adapters.venue.routing import Door, RoutingSession
from bot.adapters.venue.settings import Environment, VenueSettings
from bot.core.units import Millis
from bot.ports import Clock

REQUEST_TIMEOUT_MS: Millis = 4_000
REQUEST_EXPIRY_MAX_MS: Millis = 5_000
SOCKET_PING_MS: Millis = 4_000
SOCKET_OPEN_MS: Millis = 5_000

MessageHeard = Callable[[Any, Any], None]
"""Called with ccxt's socket client and each decoded message, before ccxt sees it. Must not raise."""

_EXPIRES_AT: ContextVar[Millis | None] = ContextVar("request_expires_at", default=None)


@contextmanager
def expiring_at(instant: Millis) -> Iterator[None]:
    """Requests signed inside may be accepted by the venue until this instant of our clock, and never for longer than
    REQUEST_EXPIRY_MAX_MS. Signing one later raises OutOfTime."""
    token = _EXPIRES_AT.set(instant)
    try:
        yield
    finally:
        _EXPIRES_AT.reset(token)


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
    _fence_signing(client, profile.writes.expiry, clock)
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


def _fence_signing(client: Any, expiry: Expiry, clock: Clock) -> None:
    """Puts the expiry of the current request into it in the instant of signing, so that no wait before it can stretch it.

    Time stands still for ccxt while it signs: the timestamp that a window is counted from is the instant that the window was made for.
    """
    original = client.sign

    def fenced(*arguments: Any, **named: Any) -> Any:
        expires_at = _EXPIRES_AT.get()
        if expires_at is None:
            return original(*arguments, **named)
        now = clock.now()
        window = min(REQUEST_EXPIRY_MAX_MS, expires_at - now)
        if window <= 0:
            raise OutOfTime("its time was over before it was sent")
        usual_window, client.milliseconds = client.options.get("recvWindow"), lambda: now
        try:
            if expiry is Expiry.WINDOW:
                client.options["recvWindow"] = window
            signed = original(*arguments, **named)
            if expiry is Expiry.INSTANT_HEADER:
                signed["headers"] = {**(signed["headers"] or {}), "expTime": str(int(client.nonce()) + window)}
        finally:
            client.options["recvWindow"], client.milliseconds = usual_window, clock.now
        return signed

    client.sign = fenced


def _silent_logger() -> logging.Logger:
    """ccxt logs whole requests, keys and passphrase included, at level DEBUG: to nobody."""
    logger = logging.getLogger("bot.adapters.venue.silenced")
    logger.propagate = False
    logger.setLevel(logging.CRITICAL)
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    return logger
