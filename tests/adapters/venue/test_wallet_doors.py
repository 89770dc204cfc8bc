"""What is open to a run that reads wallets beside the account, in each environment that has them: one path for each, and no more."""

from __future__ import annotations

import dataclasses

import pytest

from bot.adapters.venue.ccxt_client import doors
from bot.adapters.venue.feedback import Brake
from bot.adapters.venue.profiles import PROFILES
from bot.adapters.venue.questions import Ask
from bot.adapters.venue.rehearsal import rehearse
from bot.adapters.venue.settings import Environment
from bot.adapters.venue.throttle import Gate
from bot.core.units import VenueId
from tests.adapters.venue.test_doors import MONEY_MOVERS
from tests.adapters.venue.test_environments import settings
from tests.adapters.venue.venue_stand import WallClock

WORLDS = [
    pytest.param(venue, environment, id=f"{venue}-{environment}")
    for venue, profile in PROFILES.items()
    for environment in profile.hosts
    if profile.wallets_in(environment)
]
in_every_world = pytest.mark.parametrize(("venue", "environment"), WORLDS)


@in_every_world
async def test_what_ccxt_asks_for_wallets_is_private_and_fits_and_is_all_that_is_opened_for_them(venue, environment):
    profile, asks = PROFILES[VenueId(venue)], dataclasses.replace(settings(venue, environment), reads_wallets=True)
    told = await rehearse(profile, asks, WallClock())
    assert told.faults == ()
    opened = [opening for wallet in profile.wallets_in(environment) for opening in wallet.openings[environment]]
    calls = {wallet.query.call for wallet in profile.wallets_in(environment)}
    found = {(each.host, each.asked.url.raw_path) for each in told.requests if each.call in calls}
    assert found == {(opening.host, path) for opening in opened for path in opening.paths}
    assert all(each.private for each in told.requests if each.call in calls)
    assert all(opening.private and not opening.socket and not path.endswith("/") for opening in opened for path in opening.paths)
    allowed = doors(profile, asks).allowed
    for each in told.requests:
        if each.call in calls:
            wrong = [each.asked.url.with_path(path) for path in MONEY_MOVERS]
            assert None not in [allowed.refusal(dataclasses.replace(each.asked, url=url)) for url in wrong]


@in_every_world
async def test_a_run_that_only_watches_reads_the_same_wallets(venue, environment):
    profile, asks = PROFILES[VenueId(venue)], dataclasses.replace(settings(venue, environment), reads_wallets=True)
    calls = {wallet.query.call for wallet in profile.wallets_in(environment)}
    watching = doors(profile, asks).watching(()).allowed
    asked = [each.asked for each in (await rehearse(profile, asks, WallClock())).requests if each.call in calls]
    assert asked
    assert [watching.refusal(each) for each in asked] == [None] * len(asked)


@in_every_world
async def test_a_run_that_reads_no_wallets_opens_nothing_for_them_and_asks_for_none(venue, environment):
    profile = PROFILES[VenueId(venue)]
    asking = dataclasses.replace(settings(venue, environment), reads_wallets=True)
    requests = (await rehearse(profile, asking, WallClock())).requests
    calls = {wallet.query.call for wallet in profile.wallets_in(environment)}
    allowed = doors(profile, settings(venue, environment)).allowed
    assert all(allowed.refusal(each.asked) is not None for each in requests if each.call in calls)
    plain = (await rehearse(profile, settings(venue, environment), WallClock())).requests
    assert not [each.call for each in plain if each.call in calls]


def test_mainnets_wallets_cannot_be_read_from_any_other_environment():
    for venue, environment in (world.values for world in WORLDS):
        profile, mainnet = PROFILES[VenueId(venue)], Environment.MAINNET
        there = {opening.host for wallet in profile.wallets_in(mainnet) for opening in wallet.openings[mainnet]}
        for wallet in profile.wallets_in(environment) if environment is not mainnet else ():
            assert all(opening.headers or opening.host not in there for opening in wallet.openings[environment])


def test_what_binances_spot_host_says_of_its_own_budget_is_not_taken_for_that_of_the_futures():
    profile = PROFILES[VenueId("binanceusdm")]
    gate = Gate(profile.limits)
    brake = Brake(profile.venue, profile.feedback, gate)
    brake.answered("/api/v3/account", 200, {"X-MBX-USED-WEIGHT-1M": "2000"}, 0)
    assert (gate.left("weight"), gate.left("spot_weight")) == (2_400, 4_000)
    brake.answered("/fapi/v1/order", 200, {"X-MBX-USED-WEIGHT-1M": "400"}, 0)
    assert (gate.left("weight"), gate.left("spot_weight")) == (2_000, 4_000)
    coin_m = PROFILES[VenueId("binancecoinm")]
    gate = Gate(coin_m.limits)
    Brake(coin_m.venue, coin_m.feedback, gate).answered("/dapi/v1/order", 200, {"X-MBX-USED-WEIGHT-1M": "400"}, 0)
    assert gate.left("weight") == 2_000


def test_reading_wallets_weighs_on_a_limit_that_each_venue_has():
    for profile in PROFILES.values():
        owed = profile.weights.get(Ask.WALLETS, {})
        assert bool(owed) or not profile.wallets
        assert not profile.wallets or set(owed) <= {limit.name for limit in profile.limits}
