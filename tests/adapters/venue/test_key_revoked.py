"""A key that the venue does not take any more, while the bot runs: it ended, was deleted, or its list of addresses was changed."""

from __future__ import annotations

import orjson
import pytest

from bot.core.events import OrderRefused, VenueReported, VenueUnreadable
from bot.simulator.dialects.dialect import HttpReply, HttpRequest, Operation
from tests.adapters.venue.venue_stand import SYMBOLS, standing

_BINANCE = (401, {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."})
_UNKNOWN_WALLET = "User or API Wallet 0x0000000000000000000000000000000000000000 does not exist."
SAYS = {
    "binanceusdm": _BINANCE,
    "binancecoinm": _BINANCE,
    "bybit": (200, {"retCode": 10003, "retMsg": "API key is invalid.", "result": {}, "retExtInfo": {}, "time": 1_700_000_000_000}),
    "okx": (401, {"code": "50119", "msg": "API key doesn't exist", "data": []}),
    "deribit": (400, {"jsonrpc": "2.0", "id": 1, "error": {"code": 13004, "message": "invalid_credentials"}}),
    "hyperliquid": (200, {"status": "err", "response": _UNKNOWN_WALLET}),
}
_PUBLIC = {Operation.MARKETS, Operation.MARKET_DATA, Operation.CLOCK}


@pytest.mark.parametrize("venue", list(SYMBOLS))
async def test_orders_are_refused_with_proof_and_the_account_is_unread_never_flat(venue):
    status, said = SAYS[venue]
    reply = HttpReply(status=status, body=orjson.dumps(said))

    def door(request: HttpRequest, operation: Operation | None) -> HttpReply | None:
        signed = request.path == "/exchange" if venue == "hyperliquid" else operation not in _PUBLIC
        return reply if signed else None

    async with standing(venue) as stand:
        stand.desk.put_up(door)
        refused = await stand.venue.place(stand.order("-0.01"))
        read = await stand.venue.read(stand.reading())
        settings = stand.venue._settings
    assert isinstance(refused, OrderRefused), refused
    assert isinstance(read, VenueReported if venue == "hyperliquid" else VenueUnreadable), "there, whoever names an address may read it"
    for told in (repr(refused), repr(read)):
        assert settings.secret not in told
