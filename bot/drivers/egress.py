"""`python -m bot.drivers.egress CONFIG`: the names of all hosts that a configuration needs outside, one a line, for a proxy's allow-list.

It is the list that `hedgebot check` prints, but for Redis, which is reached directly: what is not on it the bot refuses by itself. Nothing
is opened or sent.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from bot.config import ConfigError, Settings, load
from bot.drivers.beside import hosts_beside
from bot.drivers.check import hosts_in_use, mismatch
from bot.ports import VenueNotReady

_HEADING = "# Written by `python -m bot.drivers.egress CONFIG`: the hosts that `hedgebot check CONFIG` prints. Do not add to it by hand.\n"


async def hosts_outside(settings: Settings) -> list[str]:
    """Every host that is reached through the proxy, each once, in order of their names. Raises VenueNotReady with one sentence."""
    found = await hosts_in_use(settings)
    if (fault := mismatch(found)) is not None:
        raise VenueNotReady(fault)
    return sorted({use.host for use in found} | {each.host for each in hosts_beside(settings) if each.is_outside})


def page(hosts: list[str]) -> str:
    """The file that a proxy reads."""
    return _HEADING + "".join(f"{host}\n" for host in hosts)


def main() -> int:
    """The exit code."""
    if len(sys.argv) != 2:
        sys.stderr.write("hedgebot: name one configuration\n")
        return 2
    try:
        sys.stdout.write(page(asyncio.run(hosts_outside(load(Path(sys.argv[1]))))))
    except (ConfigError, VenueNotReady) as error:
        sys.stderr.write(f"hedgebot: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
