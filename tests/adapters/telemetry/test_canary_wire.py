"""No secret in any log, whatever is asked for: real ccxt on real sockets with everything on DEBUG, its failures, and dumps of all state.

`tests/adapters/telemetry/test_logs.py` shows every way in which a line could carry one; here nobody writes lines on purpose.
"""

from __future__ import annotations

import asyncio
import io
import logging
import pprint
from collections.abc import Iterator

import pytest

from bot.adapters.telemetry.logs import configure_logging, logger
from bot.adapters.venue.ccxt_venue import CcxtVenue
from bot.core.events import VenueReported
from bot.simulator.faults import FaultKind, Operation
from tests.adapters.telemetry.test_logs import logging_as_before
from tests.adapters.venue.venue_stand import DIALECTS, Box, settings_of, standing, until

__all__ = ["logging_as_before"]
LIBRARIES = ("ccxt", "ccxt.base.exchange", "aiohttp", "aiohttp.client", "aiohttp.access", "asyncio", "urllib3", "websockets")


@pytest.fixture
def everything_on_debug() -> Iterator[None]:
    before = {name: logging.getLogger(name).level for name in LIBRARIES}
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(logging.DEBUG)
    yield
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


@pytest.mark.parametrize("name", sorted(DIALECTS))
async def test_a_venue_that_is_used_fails_and_is_dumped_tells_no_secret(
    name: str, everything_on_debug: None, capfd: pytest.CaptureFixture[str]
) -> None:
    stream = io.StringIO()
    async with standing(name, moving=True) as stand:
        given = settings_of(name, stand.server)
        secrets = [each for each in (given.secret, given.passphrase) if each] + ([given.api_key] if name != "hyperliquid" else [])
        configure_logging("debug", "json", secrets=secrets, stream=stream)
        venue = CcxtVenue(given, stand.clock)
        await venue.open()
        up = venue._up
        assert up is not None
        assert not up.client.verbose
        assert not up.public.verbose
        listening = asyncio.create_task(venue.listen(box := Box()))
        await until(lambda: box.quotes)
        stand.arm(FaultKind.BAD_GATEWAY, Operation.OPEN_ORDERS, times=9)
        assert not isinstance(await venue.read(stand.reading()), VenueReported)
        log = logger("bot.canary")
        for thing in (given, venue, venue.__dict__, up, vars(up.client), up.client.urls, up.asker, up.session):
            log.debug("dump", thing=thing)
            log.info(f"dump {thing!r}")
            logging.getLogger("ccxt").error("dump %s", pprint.pformat(thing, depth=4))
        try:
            raise RuntimeError("refused", given.secret, {"signature": "c4n4ry", "apiKey": given.api_key})
        except RuntimeError:
            log.exception("a traceback", client=vars(up.client))
            logging.getLogger("asyncio").exception("task died")
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await venue.close()
    said = stream.getvalue()
    assert said.count("dump") > 10
    assert "Traceback" in said
    for secret in [*secrets, "c4n4ry"]:
        assert secret not in said
    written = capfd.readouterr()
    assert [secret for secret in secrets if secret in written.out + written.err] == []
