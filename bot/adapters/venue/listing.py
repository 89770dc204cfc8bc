"""ccxt's markets of one venue, asked for and made on a thread of their own (`apart`)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from bot.adapters.venue.apart import apart
from bot.adapters.venue.asking import Listing
from bot.adapters.venue.ccxt_client import make_client
from bot.adapters.venue.doors import Doors
from bot.adapters.venue.profile import Profile
from bot.adapters.venue.routing import HeadersSeen, RoutingSession
from bot.adapters.venue.settings import VenueSettings
from bot.ports import Clock


def listing_apart(
    doors: Doors, profile: Profile, settings: VenueSettings, clock: Clock, stay_away: Callable[[], float], headers_seen: HeadersSeen
) -> Listing:
    """How the markets are asked for: by a client without a key that lives as long as the question and shares nothing with any other loop.

    What the venue answers with is told to `headers_seen` on the loop that this is called on, before the markets are.
    """
    ours = asyncio.get_running_loop()

    def seen(path: str, status: int, headers: Mapping[str, str]) -> None:
        if not ours.is_closed():
            ours.call_soon_threadsafe(headers_seen, path, status, headers)

    async def asked() -> list[dict[str, Any]]:
        session = RoutingSession(doors.public(), headers_seen=seen, stay_away=stay_away)
        client = make_client(profile, settings, session, clock, keyless=True)
        try:
            markets: list[dict[str, Any]] = await client.fetch_markets(dict(profile.markets_parameters))
            return markets
        finally:
            await let_go((client,), (session,))

    return partial(apart, asked, f"{profile.venue} markets")


async def let_go(clients: Sequence[Any], sessions: Sequence[RoutingSession]) -> None:
    """Ends clients, and then the sessions that they were given."""
    for client in clients:
        client.timeout_on_exit = 0  # ccxt's pause after closing; the sessions are ours and are closed next
        await client.close()
    for session in sessions:
        await session.close()
