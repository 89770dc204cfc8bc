"""The stands of the contract suite whose source asks over a network: a real EVM node, the simulated custodian, a simulated venue's wallet.

Each source speaks through a relay, so that the wire itself can fail. Before the first word of whoever tells it, nobody answers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from urllib.parse import urlsplit

from bot.adapters.collateral.custodian import CustodianSource, Endpoint
from bot.adapters.collateral.evm.source import EvmSource
from bot.adapters.collateral.evm.terms import ChainTerms, Token
from bot.adapters.collateral.evm.web3_node import Web3Node
from bot.adapters.collateral.venue_balances import VenueBalances
from bot.adapters.venue.ccxt_venue import CcxtVenue
from bot.core.units import ZERO, Asset
from bot.simulator.custodian import Custodian, CustodianTerms
from bot.simulator.server import SimulatorServer
from tests.adapters.collateral.anvil import CHAIN, Anvil
from tests.adapters.collateral.evm_stand import NOTHING, UNIT
from tests.adapters.collateral.heard import RealClock
from tests.adapters.collateral.relay import Relay
from tests.adapters.collateral.stands import BTC, ETH, HEDGED_AS
from tests.adapters.venue.venue_stand import DIALECTS, WallClock, settings_of
from tests.simulator.stand import KEY, desk_of, serving

HOST, CUSTODY_KEY = "api.custodian.example", "custody-key"
POLL_S = 0.5


class WireStand:
    """What the three have in common: the relay, and what was told last."""

    at = "vault"

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.told: dict[Asset, Decimal] = {}
        relay.cut()

    def tell(self, **quantities: str) -> None:
        for asset, quantity in quantities.items():
            before = self.told.get(Asset(asset), ZERO)
            self.told[Asset(asset)] = Decimal(quantity)
            self.move(Asset(asset), Decimal(quantity) - before)
        self.relay.mend()

    def move(self, asset: Asset, by: Decimal) -> None:
        """So much more of an asset lies there, or less."""
        raise NotImplementedError

    def spoil(self) -> None:
        self.relay.cut()

    def hang(self) -> None:
        self.relay.hang()

    def mend(self) -> None:
        self.relay.mend()


class EvmVaultStand(WireStand):
    """Two tokens in one wallet on a real node; the first of the two endpoints is behind the relay."""

    def __init__(self, relay: Relay, anvil: Anvil) -> None:
        super().__init__(relay)
        self.anvil, self.vault = anvil, anvil.web3.eth.accounts[1]
        self.tokens = {asset: anvil.deploy("Token", 18, NOTHING) for asset in (ETH, BTC)}

    def source(self, *, name: str = "desk") -> EvmSource:
        terms = ChainTerms(
            chain_id=CHAIN,
            tokens=tuple(Token(asset=asset, contract=token.address) for asset, token in self.tokens.items()),
            wallets={self.at: self.vault},
            mints={},
            confirmations=1,
            lag_blocks_max=2,
            head_age_max=3_600_000,
            backfill_blocks=10,
            range_blocks_max=10,
            poll_s=POLL_S,
        )
        urls = {"first": self.relay.url, "second": self.anvil.url}
        nodes = [Web3Node(f"{which} endpoint", url, RealClock()) for which, url in urls.items()]
        known = [(asset, self.at) for asset, quantity in self.told.items() if quantity]
        return EvmSource(name, terms, nodes, RealClock(), known=known)

    def move(self, asset: Asset, by: Decimal) -> None:
        functions, units = self.tokens[asset].functions, int(abs(by) * UNIT)
        if by:
            self.anvil.send(functions.give(self.vault, units) if by > 0 else functions.take(self.vault, units))

    def leave_out(self, asset: str) -> None:
        """The contract is gone from the chain: nobody answers for it."""
        self.anvil.ask("anvil_setCode", self.tokens[Asset(asset)].address, "0x")
        self.anvil.mine()


class CustodianStand(WireStand):
    """The simulated custodian over HTTP."""

    def __init__(self, relay: Relay, custodian: Custodian) -> None:
        super().__init__(relay)
        self.custodian = custodian

    def source(self, *, name: str = "desk") -> CustodianSource:
        endpoint = Endpoint(url=f"https://{HOST}/v1/custody", api_key=CUSTODY_KEY, base=self.relay.url)
        terms = {"poll_s": POLL_S, "age_max": 60_000, "venues": (), "hedged_as": HEDGED_AS}
        return CustodianSource(name, self.at, endpoint, RealClock(), **terms)

    def move(self, asset: Asset, by: Decimal) -> None:
        self.custodian.deposit(asset, by)

    def leave_out(self, asset: str) -> None:
        del self.custodian.totals[asset]


class WalletStand(WireStand):
    """The funding wallet of a simulated venue, asked through ccxt."""

    at = "okx.funding"

    def __init__(self, relay: Relay, server: SimulatorServer, venue: CcxtVenue) -> None:
        super().__init__(relay)
        self._server, self._venue = server, venue

    def source(self, *, name: str = "desk") -> VenueBalances:
        known = [(asset, self.at) for asset in self.told]
        return VenueBalances(name, self._venue, RealClock(), poll_s=POLL_S, hedged_as=HEDGED_AS, known=known)

    def move(self, asset: Asset, by: Decimal) -> None:
        self._server.desks["okx"].exchange.open_account(f"{KEY.account}:funding", {asset: by})

    def leave_out(self, asset: str) -> None:
        self.move(Asset(asset), -self.told.pop(Asset(asset)))


@asynccontextmanager
async def evm_stand() -> AsyncIterator[EvmVaultStand]:
    anvil = Anvil()
    try:
        async with Relay(anvil.port).standing() as relay:
            yield EvmVaultStand(relay, anvil)
    finally:
        anvil.end()


@asynccontextmanager
async def custodian_stand() -> AsyncIterator[CustodianStand]:
    custodian = Custodian({}, CustodianTerms(host=HOST, api_key=CUSTODY_KEY, totals={}))
    server = SimulatorServer([], custodian=custodian)
    await server.start()
    try:
        async with Relay(server.port).standing() as relay:
            yield CustodianStand(relay, custodian)
    finally:
        await server.stop()


@asynccontextmanager
async def wallet_stand() -> AsyncIterator[WalletStand]:
    async with serving(desk_of("okx", DIALECTS["okx"])) as server, Relay(server.port).standing() as relay:
        assert urlsplit(server.url).port == server.port
        routes = dict.fromkeys(server.hosts, relay.url)
        venue = CcxtVenue(settings_of("okx", server, reads_wallets=True, routes=routes), WallClock())
        await venue.open()
        try:
            yield WalletStand(relay, server, venue)
        finally:
            relay.cut()
            await venue.close()
