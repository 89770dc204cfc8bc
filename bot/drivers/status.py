"""`hedgebot status CONFIG`: one look at a running bot."""

from __future__ import annotations

import sys

import orjson

from bot.adapters.telemetry.codec import to_json
from bot.adapters.telemetry.endpoints import EndpointUnavailable, fetch_statement
from bot.drivers.control_place import Place
from bot.drivers.screen import book_screen, page


async def show_status(place: Place, *, as_json: bool) -> int:
    """Prints the statement; 1 and one sentence when no bot answers where the configuration says."""
    try:
        statement = to_json(await fetch_statement(place.control))
    except EndpointUnavailable as unavailable:
        sys.stderr.write(f"hedgebot: {unavailable}\n")
        return 1
    if as_json:
        sys.stdout.write(statement.decode() + "\n")
    else:
        page().print(book_screen(orjson.loads(statement)))
    return 0
