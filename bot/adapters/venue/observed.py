"""A venue that is only watched: everything is read and heard as in a run, and nothing is written.

No order, no cancel, no setting of leverage or mode, no dead-man switch. The answers say so: an order was not sent, a cancel is not
confirmed. Twice: nothing here asks for it, and the doors (`Doors.watching`) let nothing of the kind leave, whoever asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from bot.adapters.venue.asking import NotAnswered
from bot.adapters.venue.ccxt_mapping import Unreadable
from bot.adapters.venue.ccxt_venue import DESCRIBE_SECONDS, CcxtVenue
from bot.adapters.venue.opening import look_at, redescribe
from bot.adapters.venue.outcomes import NOT_SENT
from bot.core.commands import CancelOrder, PlaceOrder
from bot.core.events import CancelUnconfirmed, OrderRefused
from bot.core.instrument import Instrument
from bot.ports import CancelAnswer, PlaceAnswer

OBSERVED = "observed only: nothing is sent"


class ObservedVenue(CcxtVenue):
    """Implements `bot.ports.Venue` for `hedgebot run --observe`."""

    _open_account = staticmethod(look_at)

    def __init__(self, *given: Any, **named: Any) -> None:
        """As `CcxtVenue`."""
        super().__init__(*given, **named)
        path = self._profile.streams.listen_key_path
        self._doors = self._doors.watching((path,) if path else ())

    async def place(self, command: PlaceOrder) -> PlaceAnswer:
        """It provably never left."""
        return OrderRefused(at=self._clock.now(), client_order_id=command.client_order_id, code=NOT_SENT, reason=OBSERVED)

    async def cancel(self, command: CancelOrder) -> CancelAnswer:
        """Nothing is known of the order by this; look-ups go on."""
        return CancelUnconfirmed(at=self._clock.now(), client_order_id=command.client_order_id, reason=OBSERVED)

    async def describe(self) -> Sequence[Instrument]:
        """See the port. Nothing is set again on the way."""
        up = self._up
        if up is None:
            return ()
        try:
            async with asyncio.timeout(DESCRIBE_SECONDS):
                await redescribe(up.asker, self._profile, self._settings, up.opened)
        except (NotAnswered, Unreadable, TimeoutError):
            return ()
        return tuple(up.opened.instruments.values())

    async def _keep_armed(self, *_: Any) -> None:
        """The switch of this account is not ours to arm: it would withdraw the orders of whoever trades there."""
        await asyncio.Event().wait()
