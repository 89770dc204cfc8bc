"""The configured collateral sources, made."""

from __future__ import annotations

from bot.adapters.collateral.custodian import CustodianSource, Endpoint
from bot.adapters.collateral.file import FileSource
from bot.adapters.collateral.redis_stream import RedisStreamSource, StreamPlace
from bot.config.claims_section import RedisSourceSettings
from bot.config.custodian_section import CustodianSourceSettings
from bot.config.settings import Settings
from bot.core.records import Ledger
from bot.drivers.journals import server_at
from bot.ports import Clock, CollateralSource


def sources_of(settings: Settings, ledger: Ledger, clock: Clock) -> list[CollateralSource]:
    """Every configured source. `ledger` is what the journal remembers: a source must know what it has told before."""
    hedged_as = settings.collateral.hedged_as()
    found: list[CollateralSource] = []
    for told in settings.collateral.sources:
        if isinstance(told, CustodianSourceSettings):
            found.append(_custodian(settings, told, clock))
            continue
        known = [holding for holding in ledger.holdings.values() if holding.source == told.name]
        if isinstance(told, RedisSourceSettings):
            as_of = [holding.as_of for holding in known]
            place = stream_of(settings, told)
            found.append(RedisStreamSource(told.name, place, clock, known=as_of, hedged_as=hedged_as, age_max=told.max_age_ms))
            continue
        places = [(holding.asset, holding.location) for holding in known]
        found.append(FileSource(told.name, told.path, clock, known=places, hedged_as=hedged_as, age_max=told.max_age_ms))
    return found


def _custodian(settings: Settings, told: CustodianSourceSettings, clock: Clock) -> CustodianSource:
    return CustodianSource(
        told.name,
        told.name,
        Endpoint(url=told.url, api_key=told.api_key.reveal(), base=settings.routes.get(told.host)),
        clock,
        poll_s=told.poll_ms / 1000,
        age_max=told.max_age_ms,
        venues=settings.venues,
        hedged_as=settings.collateral.hedged_as(),
    )


def stream_of(settings: Settings, told: RedisSourceSettings) -> StreamPlace:
    """Where a source's messages are. The consumer is the book: what one instance read and left, the next one goes on with."""
    return StreamPlace(
        server=server_at(told.address, told.ca_file), stream=told.stream, group=told.group, consumer=settings.name, key=told.key()
    )
