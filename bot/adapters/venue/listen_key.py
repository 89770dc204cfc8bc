"""The key of a private stream, for venues that have one (Binance): it lives an hour from its last renewal.

ccxt renews it once and never again, and does not hear that it expired; so it is renewed here, and ccxt is made to ask anew where it must.

The rule: a renewal that fails costs nothing while the key still lives, because a stream that was cut could not be had again as long as
the venue answers no request. The key is given up when the venue does not know it any more, or when its hour is nearly over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import structlog

from bot.adapters.venue.asking import Asker
from bot.adapters.venue.profile import Profile
from bot.adapters.venue.questions import Ask
from bot.adapters.venue.throttle import Lane
from bot.ports import Clock

LISTEN_KEY_SECONDS = 20 * 60.0
LISTEN_KEY_RETRY_SECONDS = 60.0
LISTEN_KEY_LIFE_SECONDS = 55 * 60.0
"""How long after its last renewal a key is believed to live: a little less than the venue says."""

log = structlog.get_logger(__name__)


class ListenKey:
    """The key of one account's stream; `lost` is called with the reason when it cannot be used any longer."""

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
        pause, renewed = LISTEN_KEY_SECONDS, self._clock.steady()
        while True:
            await self._clock.sleep(pause)
            began = self._clock.steady()
            try:
                await self._asker.gate.admit(Lane.RECONCILE, self._profile.weights[Ask.LISTEN_KEY])
                await getattr(self._asker.client, call)()
            except Exception as error:
                pause, failure = LISTEN_KEY_RETRY_SECONDS, self._asker.failure("listen key", error)
                if failure.code in self._profile.streams.listen_key_gone_codes or began - renewed > LISTEN_KEY_LIFE_SECONDS:
                    renewed = began
                    self._lost(str(failure))
                else:
                    log.warning("listen_key_not_renewed", venue=self._profile.venue, reason=str(failure))
            else:
                pause, renewed = LISTEN_KEY_SECONDS, began
