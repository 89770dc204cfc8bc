"""The same lossy world with a coin-margined and a USDC-settled perpetual in it: coins count once, and units and signs are right."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.core import exposure
from bot.core.units import Asset
from tests.core.fake_wire import Faults
from tests.core.fake_world import World
from tests.core.story import inverse, listed
from tests.core.test_convergence import LOSSY_WIRE, POLICY, STORM

D = Decimal
USDC = Asset("USDC")
INSTRUMENTS = (
    listed("binance", "BTC"),
    listed("binance", "ETH"),
    listed("bybit", "BTC"),
    listed("bybit", "ETH", venue_symbol="ETH-USDC", quote=USDC, settle=USDC),
    listed("okx", "BTC"),
    inverse("okx", "ETH"),
)
COINS = replace(POLICY, instruments=frozenset(i.id for i in INSTRUMENTS))


def lived(seed: int, faults: Faults) -> World:
    """A minute of faults over custody and twelve ETH in the account at OKX, then peace, as in `test_convergence`."""
    world = World(seed, COINS, faults, INSTRUMENTS, {("okx", "ETH"): D(12)})
    world.start()
    world.beat()
    world.run(3_000)
    world.move_collateral("ETH", D("31.4"))
    world.move_collateral("BTC", D("1.5"))
    world.run(40_000)
    world.move_collateral("ETH", D(48))
    world.run(20_000)
    world.heal()
    world.run(3 * COINS.reallocation_interval_ms)
    return world


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("faults", [LOSSY_WIRE, STORM], ids=["lossy wire", "storm"])
def test_i06_coins_at_venues_are_hedged_once_whatever_happened(seed: int, faults: Faults) -> None:
    world = lived(seed, faults)
    assert world.differences() == []
    known = exposure.net_delta(world.ledger, COINS, Asset("ETH"))
    assert known is not None
    assert abs(known.middle - world.true_net("ETH")) < D("0.001")
    assert min(units for _, units in world.venues["okx"].positions[INSTRUMENTS[5].id]) < -3_000, "the coin-margined one carried a part"
    ledger, commands = world.replayed()
    assert (ledger, commands) == (world.ledger, world.commands)


def test_coins_that_are_hedged_where_they_lie_need_no_order_when_marks_wobble() -> None:
    world = lived(1, Faults())
    placed = world.orders_placed()
    world.faults = Faults(mark_noise_bps=3)
    world.run(60_000)
    assert world.orders_placed() - placed <= 4
