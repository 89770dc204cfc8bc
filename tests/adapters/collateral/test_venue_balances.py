"""A venue's funding wallet as a source: over the real wire at OKX, and what an absence, a failure and a restart come to."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bot.adapters.collateral.venue_balances import VenueBalances
from bot.adapters.venue.ccxt_client import doors
from bot.adapters.venue.profiles import PROFILES
from bot.adapters.venue.settings import Environment
from bot.config import settings_from
from bot.config.balances_section import VENUES_WITH_BALANCES, WALLET_HOSTS
from bot.core import events as ev
from bot.core import exposure
from bot.core.engine import step
from bot.core.events import CollateralConfirmed, CollateralObserved, CollateralUnreadable
from bot.core.records import Ledger
from bot.core.units import Asset, Range, VenueId
from bot.drivers.sources import sources_of
from tests.adapters.collateral.heard import HastyClock, Heard, heard_from, until
from tests.adapters.venue.venue_stand import settings_of, standing
from tests.config.documents import SIMULATION
from tests.core.coin_accounts import POLICY
from tests.simulator.stand import KEY

D = Decimal
BTC, ETH, WSTETH = Asset("BTC"), Asset("ETH"), Asset("wstETH")
HEDGED = {BTC: BTC, ETH: ETH, WSTETH: ETH}
Wallets = Mapping[str, Mapping[Asset, Decimal]] | None


class HeardOfWallets(Heard):
    """What a source of wallets says."""

    @property
    def told(self) -> list[tuple[str, str, Decimal, Decimal | None]]:
        return [(e.asset, e.location, e.quantity, e.redemption_rate) for e in self.of(CollateralObserved)]


class Told:
    """A venue that answers as the test says: each answer once, the last one for ever."""

    id = VenueId("okx")

    def __init__(self, *answers: Wallets) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def wallets(self) -> Wallets:
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def funding(**held: str) -> Wallets:
    return {"funding": {Asset(asset): D(quantity) for asset, quantity in held.items()}}


@asynccontextmanager
async def listening(venue: Any, **told: Any) -> AsyncIterator[HeardOfWallets]:
    heard = HeardOfWallets()
    source = VenueBalances("wallets", venue, HastyClock(), **({"poll_s": 2.0, "hedged_as": HEDGED} | told))
    async with heard_from(source, heard):
        yield heard


async def test_totals_first_then_only_changes_and_a_confirmation_of_each_read() -> None:
    venue = Told(funding(BTC="2", wstETH="3", DOGE="7"), funding(BTC="2", wstETH="4", DOGE="7"))
    async with listening(venue) as heard:
        await until(lambda: len(heard.of(CollateralConfirmed)) > 2)
        assert heard.told == [("BTC", "okx.funding", 2, 1), ("wstETH", "okx.funding", 3, None), ("wstETH", "okx.funding", 4, None)]
        assert not heard.of(CollateralUnreadable)


async def test_what_is_gone_is_zero_only_when_a_second_read_agrees() -> None:
    venue = Told(funding(BTC="2", ETH="5"), funding(BTC="2"), funding(BTC="2", ETH="5"), funding(BTC="2"))
    async with listening(venue) as heard:
        await until(lambda: ("ETH", "okx.funding", D(0), D(1)) in heard.told)
        assert venue.asked == 5
        (first, second) = heard.of(CollateralUnreadable)
        assert (
            first.reason == second.reason == "ETH at okx.funding is gone from the list, and absence is not zero until a second read agrees"
        )
        assert [quantity for asset, _, quantity, _ in heard.told if asset == "ETH"] == [5, 0]


async def test_what_the_ledger_remembers_is_not_forgotten_over_a_restart() -> None:
    async with listening(Told(funding(BTC="2")), known=[(ETH, "okx.funding")]) as heard:
        await until(lambda: len(heard.of(CollateralConfirmed)) > 0)
        assert "ETH at okx.funding is gone" in heard.of(CollateralUnreadable)[0].reason
        assert ("ETH", "okx.funding", 0, 1) in heard.told


async def test_a_wallet_that_cannot_be_read_tells_nothing_and_says_so_once() -> None:
    venue = Told(None)
    async with listening(venue) as heard:
        await until(lambda: venue.asked > 3)
        assert [event.reason for event in heard.of(CollateralUnreadable)] == ["its wallets could not be read"]
        assert len(heard.events) == 1
        venue.answers = [funding(BTC="1")]
        await until(lambda: ("BTC", "okx.funding", D(1), D(1)) in heard.told)


WALLETS = [(venue, wallet) for venue, environments in VENUES_WITH_BALANCES.items() for wallet in environments["simulation"]]


@pytest.mark.parametrize(("venue", "wallet"), WALLETS)
async def test_over_the_wire_each_wallet_is_told_and_the_derivative_account_is_not(venue: str, wallet: str) -> None:
    async with standing(venue, reads_wallets=True) as stand:
        stand.without_limits()
        lies_at, exchange = f"{KEY.account}:{wallet}", stand.desk.exchange
        exchange.open_account(lies_at, {"BTC": D("2.5"), "ETH": D(0), "wstETH": D(7)})
        async with listening(stand.venue) as heard:
            await until(lambda: len(heard.of(CollateralConfirmed)) > 0)
            at = f"{venue}.{wallet}"
            assert [row for row in heard.told if row[2]] == [("BTC", at, D("2.5"), 1), ("wstETH", at, 7, None)]
            exchange.open_account(lies_at, {"BTC": D("-2.5")})
            await until(lambda: ("BTC", at, D(0), D(1)) in heard.told)


@pytest.mark.parametrize("wallet", ["spot", "funding"])
async def test_what_is_locked_or_frozen_at_binance_lies_there_too(wallet: str) -> None:
    async with standing("binanceusdm", reads_wallets=True) as stand:
        for name, held in ((wallet, "2"), (f"{wallet}:locked", "0.5")):
            stand.desk.exchange.open_account(f"{KEY.account}:{name}", {"BTC": D(held)})
        assert await stand.venue.wallets() == {"spot": {}, "funding": {}, wallet: {BTC: D("2.5")}}


async def test_a_wallet_whose_row_makes_no_sense_is_not_told_at_all() -> None:
    async with standing("binanceusdm", reads_wallets=True) as stand:
        stand.desk.exchange.open_account(f"{KEY.account}:spot", {"BTC": D(2)})
        stand.desk.exchange.open_account(f"{KEY.account}:funding:locked", {"BTC": D(-1)})
        assert await stand.venue.wallets() is None


async def test_without_a_source_that_reads_them_wallets_are_not_even_asked_for() -> None:
    async with standing("binanceusdm") as stand:
        assert await stand.venue.wallets() is None
        allowed = doors(PROFILES[VenueId("binanceusdm")], settings_of("binanceusdm", stand.server)).allowed
        assert "api.binance.com" not in allowed.hosts


def test_the_configuration_names_the_wallets_that_each_venue_has_in_each_environment() -> None:
    told = {
        venue: {e.value: names for e in Environment if (names := tuple(w.name for w in profile.wallets_in(e)))}
        for venue, profile in PROFILES.items()
        if profile.wallets
    }
    assert told == VENUES_WITH_BALANCES


def test_the_configuration_names_the_hosts_that_wallets_need_beside_the_venues_own() -> None:
    own = {venue: set(profile.hosts_in(Environment.MAINNET).names) for venue, profile in PROFILES.items()}
    beside = {
        venue: {opening.host for opening in profile.openings_in(Environment.MAINNET, wallets=True)} - own[venue]
        for venue, profile in PROFILES.items()
    }
    assert {venue: tuple(sorted(hosts)) for venue, hosts in beside.items() if hosts} == WALLET_HOSTS


def test_a_staked_token_in_a_wallet_counts_at_the_rate_that_the_protocol_told_elsewhere() -> None:
    policy = replace(POLICY, collateral_sources=frozenset({"custody", "wallets"}), collateral_assets={ETH: ETH, WSTETH: ETH})

    def total(source: str, location: str, quantity: str, rate: str | None) -> ev.CollateralObserved:
        return ev.CollateralObserved(
            at=1,
            source=source,
            location=location,
            asset=WSTETH,
            quantity=D(quantity),
            redemption_rate=None if rate is None else D(rate),
        )

    ledger = Ledger()
    for event in (total("wallets", "okx.funding", "10", None), *(ev.CollateralConfirmed(at=1, source=s) for s in ("custody", "wallets"))):
        ledger = step(ledger, event, policy).ledger
    assert exposure.collateral(ledger, policy, ETH) is None
    ledger = step(ledger, total("custody", "vault", "0", "1.2"), policy).ledger
    assert exposure.collateral(ledger, policy, ETH) == Range.exactly(D(12))


async def test_a_stablecoin_of_the_configuration_is_told_from_a_wallet_one_dollar_each() -> None:
    document = copy.deepcopy(SIMULATION)
    document["collateral"]["assets"]["USDT"] = {"stable": True}
    document["collateral"]["sources"] = [{"kind": "venue_balances", "name": "wallets", "venue": "okx"}]
    venue = Told(funding(BTC="2", USDT="50000", DOGE="7"))
    (source,) = sources_of(settings_from(document), Ledger(), HastyClock(), {venue.id: venue})
    heard = HeardOfWallets()
    async with heard_from(source, heard):
        await until(lambda: len(heard.of(CollateralConfirmed)) > 0)
        assert heard.told == [("BTC", "okx.funding", 2, 1), ("USDT", "okx.funding", 50_000, 1)]
