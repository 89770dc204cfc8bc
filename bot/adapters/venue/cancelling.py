"""One cancel: of an order of ours by our id, or of one that we did not place by the venue's own."""

from __future__ import annotations

from typing import Any

from bot.adapters.venue.asking import Asker
from bot.adapters.venue.profile import Writes
from bot.adapters.venue.questions import Ask
from bot.adapters.venue.throttle import Lane
from bot.core.instrument import Instrument

READ_NEXT = "asked for; the next complete reading tells what became of it"


async def asked(
    asker: Asker,
    client: Any,
    writes: Writes,
    instrument: Instrument,
    name: str,
    *,
    client_id: str | None = None,
    venue_id: str | None = None,
) -> Any:
    """The answer; nothing where ccxt, which calls the instrument `name`, has made something else of it. Give one id, as the venue has it.

    Raises NotAnswered or Unreadable.
    """
    if writes.cancel_by_ccxt:
        parameters = {} if client_id is None else {writes.cancel_client_id_as: client_id}
        await asker.call(Ask.CANCEL, Lane.CANCEL, lambda: client.cancel_order(venue_id or "", name, parameters))
        return None
    query, key = (writes.cancel, writes.cancel_client_id_as) if venue_id is None else (writes.cancel_other, writes.cancel_venue_id_as)
    query = query or writes.cancel
    (scope,) = asker.scopes(query, [instrument.venue_symbol])
    return await asker.ask(query, Lane.CANCEL, **scope, **{key: client_id if venue_id is None else venue_id})
