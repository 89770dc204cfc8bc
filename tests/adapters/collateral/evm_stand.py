"""The watcher beside a real node: one token in custody at two locations, a mint contract, and everything that the source says."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from bot.adapters.collateral.evm.announcements import Announcement
from bot.adapters.collateral.evm.source import EvmSource
from bot.adapters.collateral.evm.terms import ChainTerms, MintContract, MintLayout, RateFunction, Token
from bot.adapters.collateral.evm.web3_node import Web3Node
from bot.core.events import CollateralAnnounced, CollateralConfirmed, CollateralObserved, CollateralUnreadable
from bot.core.units import Asset
from tests.adapters.collateral.anvil import CHAIN, Anvil
from tests.adapters.collateral.heard import Heard, RealClock, heard_from

WSTETH = Asset("wstETH")
NOTHING = "0x" + "0" * 40
UNIT = 10**18


class ShiftedClock(RealClock):
    """A real clock; `shift_ms` puts its wall time ahead."""

    shift_ms = 0

    def now(self) -> int:
        return super().now() + self.shift_ms


class HeardBoth(Heard):
    """An inbox and an announcer that keep what they hear."""

    def __init__(self) -> None:
        super().__init__()
        self.announcements: list[Announcement] = []
        self.unheard_of: list[str] = []

    def announced(self, announcement: Announcement) -> None:
        self.announcements.append(announcement)

    def unheard(self, source: str, reason: str) -> None:
        self.unheard_of.append(reason)

    def totals_at(self, location: str, asset: Asset = WSTETH) -> list[Decimal]:
        """Every total that was told of one place, in order."""
        seen = [event for event in self.events if isinstance(event, CollateralObserved)]
        return [event.quantity for event in seen if (event.asset, event.location) == (asset, location)]

    @property
    def claims(self) -> list[tuple[str, str, Decimal, str]]:
        """What the core was told: kind, stage, quantity, location."""
        seen = [event for event in self.events if isinstance(event, CollateralAnnounced)]
        return [(event.kind.value, event.stage.value, event.quantity, event.location) for event in seen]

    @property
    def confirmations(self) -> int:
        return sum(isinstance(event, CollateralConfirmed) for event in self.events)

    @property
    def failures(self) -> list[str]:
        return [event.reason for event in self.events if isinstance(event, CollateralUnreadable)]

    @property
    def is_stale(self) -> bool:
        """Whether the last word on its state was a failure."""
        last = [event for event in self.events if not isinstance(event, CollateralObserved | CollateralAnnounced)]
        return bool(last) and isinstance(last[-1], CollateralUnreadable)

    @property
    def standings(self) -> list[tuple[str, str, str]]:
        """What was announced: kind, quantity, standing."""
        return [
            (each.kind.value, "" if each.quantity is None else f"{each.quantity.normalize():f}", each.standing.value)
            for each in self.announcements
        ]


class Stand:
    """A node with the contracts on it."""

    def __init__(self, anvil: Anvil) -> None:
        self.anvil = anvil
        self.copper, self.ceffu = anvil.web3.eth.accounts[1:3]
        self.token = anvil.deploy("Token", 18, NOTHING)
        self.mints = anvil.deploy("MintV2")
        anvil.send(self.token.functions.setRate(1_203_400_000_000_000_001))
        self.terms = ChainTerms(
            chain_id=CHAIN,
            tokens=(Token(asset=WSTETH, contract=self.token.address, decimals=18, rate=RateFunction.ST_ETH_PER_TOKEN),),
            wallets={"copper": self.copper, "ceffu": self.ceffu},
            mints={self.mints.address: MintContract(MintLayout.ETHENA_V2, "copper")},
            confirmations=3,
            lag_blocks_max=2,
            head_age_max=3_600_000,
            backfill_blocks=1_000,
            range_blocks_max=100,
            poll_s=0.05,
        )
        anvil.mine(3)

    def mint(self, units: int, order: str = "RFQ-1") -> str:
        return self.anvil.send(self.mints.functions.mint(order, self.token.address, units * UNIT, units * UNIT, self.copper))

    def redeem(self, units: int, order: str = "RFQ-2") -> str:
        return self.anvil.send(self.mints.functions.redeem(order, self.token.address, units * UNIT, units * UNIT, self.copper))

    @asynccontextmanager
    async def watched(
        self,
        *urls: str,
        heard: HeardBoth | None = None,
        clock: Any = None,
        known: Any = (),
        announced: Any = (),
        taken_back: Any = (),
        **told: Any,
    ) -> AsyncIterator[HeardBoth]:
        """The source listening through these endpoints (the node itself, twice), under terms changed by `told`."""
        heard, clock = heard or HeardBoth(), clock or ShiftedClock()
        endpoints = urls or (self.anvil.url, self.anvil.socket_url)
        nodes = [Web3Node(f"{which} endpoint", url, clock) for which, url in zip(("first", "second"), endpoints, strict=True)]
        terms = dataclasses.replace(self.terms, **told)
        source = EvmSource("ethereum", terms, nodes, clock, known=known, announced=announced, taken_back=taken_back, announcer=heard)
        async with heard_from(source, heard):
            yield heard
