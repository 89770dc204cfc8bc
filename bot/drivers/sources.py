"""The configured collateral sources, made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from bot.adapters.collateral.custodian import CustodianSource, Endpoint
from bot.adapters.collateral.file import FileSource
from bot.adapters.collateral.redis_stream import RedisStreamSource, StreamPlace
from bot.adapters.collateral.venue_balances import HasWallets, VenueBalances
from bot.adapters.collateral.watched_stream import WatchedStream
from bot.adapters.telemetry.logs import logger
from bot.config.balances_section import VenueBalancesSettings
from bot.config.claims_section import RedisSourceSettings
from bot.config.custodian_section import CustodianSourceSettings
from bot.config.evm_section import EvmSourceSettings
from bot.config.settings import Settings
from bot.core.claim_records import Claim, ClaimState
from bot.core.claims import judged
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.units import ZERO, Asset, VenueId
from bot.drivers.journals import server_at
from bot.ports import Clock, CollateralSource

if TYPE_CHECKING:
    from bot.adapters.collateral.evm.announcements import Announcement
    from bot.adapters.collateral.evm.terms import ChainTerms


def sources_of(
    settings: Settings,
    ledger: Ledger,
    clock: Clock,
    venues: Mapping[VenueId, HasWallets],
    *,
    observe: bool = False,
    refused: Callable[[str], Callable[[], None]] = lambda _: lambda: None,
) -> list[CollateralSource]:
    """Every configured source. `ledger` is what the journal remembers: a source must know what it has told before.

    `observe`: a stream is read past its group, so that a run that trades misses none of its messages. All others only read in any case.
    `refused` gives what counts the messages of a source, by its name, that can never be taken.
    """
    hedged_as = settings.collateral.hedged_as()
    found: list[CollateralSource] = []
    for told in settings.collateral.sources:
        if isinstance(told, CustodianSourceSettings):
            found.append(_custodian(settings, told, clock))
            continue
        if isinstance(told, EvmSourceSettings):
            found.append(_on_chain(settings, told, ledger, clock))
            continue
        known = [holding for holding in ledger.holdings.values() if holding.source == told.name]
        if isinstance(told, RedisSourceSettings):
            as_of = [holding.as_of for holding in known]
            place = stream_of(settings, told)
            kind = WatchedStream if observe else RedisStreamSource
            count = refused(told.name)
            found.append(kind(told.name, place, clock, known=as_of, hedged_as=hedged_as, age_max=told.max_age_ms, refused=count))
            continue
        places = [(holding.asset, holding.location) for holding in known]
        if isinstance(told, VenueBalancesSettings):
            venue = venues[VenueId(told.venue)]
            counted = hedged_as | {stable: stable for stable in settings.collateral.stables()}  # dollars lie in wallets, too
            found.append(VenueBalances(told.name, venue, clock, poll_s=told.poll_ms / 1000, hedged_as=counted, known=places))
            continue
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
        proxy=settings.proxy,
    )


def stream_of(settings: Settings, told: RedisSourceSettings) -> StreamPlace:
    """Where a source's messages are. The consumer is the book: what one instance read and left, the next one goes on with."""
    return StreamPlace(
        server=server_at(told.address, told.ca_file), stream=told.stream, group=told.group, consumer=settings.name, key=told.key()
    )


def told_by(source: str, ledger: Ledger, policy: Policy) -> dict[ClaimState, list[Claim]]:
    """The claims of which a source told, others too or not, by where they stand."""
    its: dict[ClaimState, list[Claim]] = {}
    for each in judged(ledger, policy):
        if source in each.claim.announcers:
            its.setdefault(each.state, []).append(each.claim)
    return its


def _on_chain(settings: Settings, told: EvmSourceSettings, ledger: Ledger, clock: Clock) -> CollateralSource:
    from bot.adapters.collateral.evm.source import EvmSource
    from bot.adapters.collateral.evm.web3_node import Web3Node  # an optional extra, and two seconds to load

    its = told_by(told.name, ledger, settings.to_policy())
    urls = [endpoint.reveal() for endpoint in told.endpoints]
    return EvmSource(
        told.name,
        chain_terms(told),
        [Web3Node(f"{which} endpoint", url, clock, settings.proxy) for which, url in zip(("first", "second"), urls, strict=True)],
        clock,
        known=[
            (holding.asset, holding.location)
            for holding in ledger.holdings.values()
            if holding.source == told.name and holding.quantity != ZERO
        ],
        announced=[claim for state in (ClaimState.PENDING, ClaimState.LEAVING) for claim in its.get(state, ())],
        taken_back=[claim.id for claim in its.get(ClaimState.CANCELED, ())],
        announcer=LoggedAnnouncements(),
    )


def chain_terms(told: EvmSourceSettings) -> ChainTerms:
    """What the configuration says of one chain, in the watcher's terms."""
    from bot.adapters.collateral.evm.terms import ChainTerms, MintContract, MintLayout, RateFunction, Token

    return ChainTerms(
        chain_id=told.chain_id,
        tokens=tuple(
            Token(
                asset=Asset(name),
                contract=token.contract,
                decimals=token.decimals,
                rate=None if token.rate is None or token.rate == "one" else RateFunction(token.rate),
                rate_contract=token.rate_contract,
                rate_decimals=token.rate_decimals,
            )
            for name, token in told.tokens.items()
        ),
        wallets=dict(told.wallets),
        mints={address: MintContract(MintLayout(mint.layout), mint.location) for address, mint in told.mints.items()},
        confirmations=told.confirmations,
        lag_blocks_max=told.lag_blocks_max,
        head_age_max=told.head_age_max_ms,
        backfill_blocks=told.backfill_blocks,
        range_blocks_max=told.range_blocks_max,
        poll_s=told.poll_ms / 1_000,
    )


class LoggedAnnouncements:
    """Tells people of mints and redemptions that are on their way, how certain they are, and of tokens that are not configured."""

    def announced(self, announcement: Announcement) -> None:
        """One is new, or stands otherwise than before."""
        logger().info(
            "collateral_announced",
            source=announcement.source,
            id=announcement.id,
            kind=announcement.kind.value,
            standing=announcement.standing.value,
            asset=announcement.asset or f"unknown token at {announcement.token}",
            quantity=None if announcement.quantity is None else f"{announcement.quantity:f}",
            location=announcement.location,
            block=announcement.block,
        )

    def unheard(self, source: str, reason: str) -> None:
        """They cannot be read now, or what had been confirmed was replaced."""
        logger().warning("announcements_unheard", source=source, reason=reason)
