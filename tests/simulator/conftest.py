"""What a file's `desk` is asked through: its server, and the unmodified ccxt.pro client with the venue's markets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.simulator.desk import Desk
from bot.simulator.server import SimulatorServer
from tests.simulator.stand import client_of, serving


@pytest.fixture
async def server(desk: Desk) -> AsyncIterator[SimulatorServer]:
    async with serving(desk) as running:
        yield running


@pytest.fixture
async def client(desk: Desk, server: SimulatorServer) -> AsyncIterator[Any]:
    async with client_of(server, desk.name) as connected:
        await connected.load_markets()
        yield connected
