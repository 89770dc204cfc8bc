"""The key of a private stream, for venues that have one (Binance): it lives an hour from its last renewal.

ccxt renews it once and never again, and does not hear that it expired; so it is renewed here, and ccxt is made to ask anew where it must.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from bot.adapters.venue.asking import Asker
from bot.adapters.venue.profile import Profile
from bot.adapters.venue.questions import Ask
from bot.adapters.venue.throttle import Lane
from bot.ports import Clock

LISTEN_KEY_SECONDS = 20 * 60.0
LISTEN_KEY_RETRY_SECONDS = 60.0


class ListenKey:
    """The key of one account's stream; `lost` is called with the reason when it could not be renewed."""

    def __init__(self, asker: Asker, profile: Profile, clock: Clock, lost: Callable[[str], None]) -> None:
        self._asker = asker
        self._profile = profile
        self._clock = clock
        self._lost = lost

    def forget(self) -> None:
        """Makes ccxt ask for the key again (the venue answers with the same one while it lives) before it connects."""
        option = self._profile.streams.listen_key_option
        if self._profile.streams.listen_key_call is not None:
            kept = self._asker.client.options.get(option) or {}
            self._asker.client.options[option] = {**kept, "lastAuthenticatedTime": 0}

    async def keep(self, call: str) -> NoReturn:
        """Renews it by ccxt's method `call` until cancelled."""
        pause = LISTEN_KEY_SECONDS
        while True:
            await self._clock.sleep(pause)
            pause = LISTEN_KEY_SECONDS
            try:
                await self._asker.gate.admit(Lane.RECONCILE, self._profile.weights[Ask.LISTEN_KEY])
                await getattr(self._asker.client, call)()
            except Exception as error:
                pause = LISTEN_KEY_RETRY_SECONDS
                self._lost(str(self._asker.failure("listen key", error)))
