"""The watcher: custody balances on an EVM chain as a source of collateral totals, and mint contracts as announcements.

Rules:
- Totals are balances read at the newest block that has the wanted confirmations, by its number, from two endpoints. They are believed
  when both endpoints have the same block there before and after the reading, and say the same of every balance and rate in it. The
  confirmation tells that block's time: with many confirmations, minutes ago.
- Anything else makes the source stale, not wrong: one CollateralUnreadable says why, and what was told last stays and ages. That is also
  so when an endpoint is behind the other, or the newest block of both is old: an endpoint that stands still agrees with itself for ever.
- Blocks never go back: a confirmed block older than one that was told already is waited out, and is a failure when it is far back.
- Which chain an endpoint is on, and the decimals of each token, are verified before anything is believed, and again after a failure.
- Absence is not zero. Every configured token at every configured wallet is told, zero as zero. A holding that the ledger remembers of this
  source and that is configured no more makes the source unreadable: it has not become zero by being left out.
- Announcements (mints and redemptions on the way) are no totals. One that is provisional is a claim, one that is taken back cancels it; one
  that is confirmed needs no claim, for the totals of the same block hold it. They are followed beside the totals, so that a long gap that
  has to be read again, or a node that tells no logs, holds up no total. What an earlier run announced and the ledger still awaits is
  canceled when this one has not seen it by the time that all it looked at first is confirmed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from bot.adapters.collateral.evm.announcements import Announcement, Announcements, Announcer
from bot.adapters.collateral.evm.chain import Change, EndpointsDisagree, Header, Standing
from bot.adapters.collateral.evm.logs import MintKind, exactly
from bot.adapters.collateral.evm.node import Node, NodeFailed, all_of
from bot.adapters.collateral.evm.terms import ChainTerms
from bot.adapters.collateral.evm.totals import Scale, Total, exact_totals, read_scales, read_totals
from bot.adapters.collateral.voice import Voice
from bot.core.claim_records import Claim
from bot.core.events import ClaimKind, ClaimStage, CollateralAnnounced, CollateralObserved
from bot.core.units import ZERO, Asset, Millis
from bot.ports import Clock, Inbox
from bot.supervision import never_ending, set_or_after

CONFIRM_SECONDS = 1.0
"""Shortest time between two confirmations of the same totals."""
TAKEN_BACK_MAX = 10_000
"""Canceled announcements that are remembered."""

_KINDS = {MintKind.MINT: ClaimKind.DEPOSIT, MintKind.REDEEM: ClaimKind.REDEMPTION}
_STAGES = {Standing.PROVISIONAL: ClaimStage.ANNOUNCED, Standing.TAKEN_BACK: ClaimStage.CANCELED}

Place = tuple[Asset, str]


class EvmSource:
    """Custody wallets on one chain, through two endpoints."""

    def __init__(
        self,
        name: str,
        terms: ChainTerms,
        nodes: Sequence[Node],
        clock: Clock,
        *,
        known: Iterable[Place] = (),
        announced: Iterable[Claim] = (),
        taken_back: Iterable[str] = (),
        announcer: Announcer | None = None,
    ) -> None:
        """`known` are the holdings, other than zero, that the ledger has of this source, `announced` the claims that it still awaits of it,
        `taken_back` the ids of those that were canceled.

        Raises ValueError unless there are two nodes.
        """
        if len(nodes) != 2:
            raise ValueError("two endpoints are needed: one alone cannot be doubted")
        self.name = name
        self._terms, self._nodes, self._clock, self._announcer = terms, tuple(nodes), clock, announcer
        places = {(token.asset, location) for token in terms.tokens for location in terms.wallets}
        self._left_out = sorted(set(known) - places)
        self._announcements = Announcements(terms, self._changed)
        self._unseen = {claim.id: claim for claim in announced if claim.id.startswith(f"{terms.chain_id}:")}
        """What an earlier run announced and this one has not seen on the chain."""
        self._taken_back = dict.fromkeys(taken_back)
        """What is canceled, the oldest first: when it is back, it is announced anew however certain it is by then."""
        self._sure_from: int | None = None
        """The head up to which was looked first: when it is confirmed, what was not seen is gone."""
        self._scales: Mapping[Asset, Scale] = {}
        self._is_verified = False
        self._heads: list[Header] | None = None
        self._read_up_to: tuple[Header, int] | None = None
        """The confirmed block that was read last, and the head then."""
        self._has_read = asyncio.Event()
        self._inbox: Inbox | None = None
        self._as_of: Millis = 0
        """The newest instant of which was told."""
        self._told: dict[Place, Total] = {}
        self._unheard: str | None = None
        self._voice = Voice(name, clock, every_s=CONFIRM_SECONDS)

    async def listen(self, inbox: Inbox) -> None:
        """Puts all totals, then each change, confirmations and failures, until cancelled."""
        self._told, self._heads, self._inbox = {}, None, inbox
        self._voice.begin()
        news = asyncio.Event()
        works = [(f"watch {node.name}", node.watch(news)) for node in self._nodes]
        if self._terms.mints and self._announcer is not None:
            works.append(("announcements", self._keep_following(self._announcer)))
        try:
            await never_ending(("read", self._keep_reading(inbox, news)), *works)
        finally:
            for node in self._nodes:
                await node.close()

    async def _keep_following(self, announcer: Announcer) -> None:
        while True:
            await self._has_read.wait()
            self._has_read.clear()
            if self._read_up_to is None:
                continue
            confirmed, head = self._read_up_to
            reason = None
            try:
                if await self._announcements.follow(self._nodes, confirmed, head):
                    reason = f"blocks with {self._terms.confirmations} confirmations were replaced: more confirmations are advisable"
                self._take_back_unseen(confirmed.number, head)
            except (NodeFailed, EndpointsDisagree) as failure:
                reason = str(failure)
                self._heads = None  # tried again with the next look, also when no new block comes
            if reason is not None and reason != self._unheard:
                announcer.unheard(self.name, reason)
            self._unheard = reason

    def _take_back_unseen(self, confirmed: int, head: int) -> None:
        """Cancels what an earlier run announced and a reorg took away since; above the confirmed block the endpoints may still differ."""
        self._sure_from = head if self._sure_from is None else self._sure_from
        if self._inbox is None or confirmed < self._sure_from:
            return
        at = self._clock.now()
        for claim in self._unseen.values():
            self._note(claim.id, is_back=False)
            self._inbox.put(
                CollateralAnnounced(
                    at=at,
                    source=self.name,
                    claim=claim.id,
                    kind=claim.kind,
                    stage=ClaimStage.CANCELED,
                    asset=claim.asset,
                    quantity=claim.quantity,
                    location=claim.location,
                    depositor=claim.depositor,
                    announced_at=at,
                )
            )
        self._unseen = {}

    def _changed(self, change: Change) -> None:
        if self._announcer is None:
            return
        log = change.log
        self._unseen.pop(f"{self._terms.chain_id}:{log.transaction}:{log.place}", None)
        token = next((token for token in self._terms.tokens if token.contract == log.collateral), None)
        scale = None if token is None else self._scales.get(token.asset)
        announcement = Announcement(
            id=f"{self._terms.chain_id}:{log.transaction}:{log.place}",
            source=self.name,
            kind=log.kind,
            standing=change.standing,
            asset=None if token is None else token.asset,
            token=log.collateral,
            quantity=None if scale is None else exactly(log.collateral_amount, scale.token),
            location=self._terms.mints[log.contract].location,
            benefactor=log.benefactor,
            block=log.block,
        )
        self._announcer.announced(announcement)
        self._claim(announcement)

    def _note(self, claim: str, *, is_back: bool) -> None:
        self._taken_back.pop(claim, None)
        if not is_back:
            self._taken_back[claim] = None
        while len(self._taken_back) > TAKEN_BACK_MAX:
            del self._taken_back[next(iter(self._taken_back))]

    def _claim(self, told: Announcement) -> None:
        """Tells the core of an announcement that no total holds yet, or that none ever will."""
        stage = _STAGES.get(told.standing)
        if told.standing is Standing.CONFIRMED and told.id in self._taken_back:
            stage = ClaimStage.ANNOUNCED
        if self._inbox is None or stage is None or told.asset is None or told.quantity is None or told.quantity <= ZERO:
            return
        self._note(told.id, is_back=stage is not ClaimStage.CANCELED)
        at = self._clock.now()
        self._inbox.put(
            CollateralAnnounced(
                at=at,
                source=self.name,
                claim=told.id,
                kind=_KINDS[told.kind],
                stage=stage,
                asset=told.asset,
                quantity=told.quantity,
                location=told.location,
                depositor=told.benefactor,
                announced_at=at,
            )
        )

    async def _keep_reading(self, inbox: Inbox, news: asyncio.Event) -> None:
        while True:
            news.clear()
            try:
                await self._read(inbox)
            except (NodeFailed, EndpointsDisagree) as failure:
                self._fail(inbox, str(failure))
            await set_or_after(news, self._clock, self._terms.poll_s)  # also where a stream has died without a word

    async def _read(self, inbox: Inbox) -> None:
        if self._left_out:
            asset, location = self._left_out[0]
            raise NodeFailed(
                f"{asset} at {location} was told before and is not configured any more, and absence is not zero:"
                " configure it until it is empty"
            )
        heads = await all_of(node.header(None) for node in self._nodes)
        self._check_heads(heads)
        if heads == self._heads and self._read_up_to is not None:
            self._voice.confirm(inbox, as_of=self._instant_of(self._read_up_to[0]))
            return
        head = min(header.number for header in heads)
        number = self._terms.confirmed_at(head)
        if number < 0:
            raise NodeFailed(f"the chain has {head + 1} blocks, fewer than the {self._terms.confirmations} confirmations that are wanted")
        before = -1 if self._read_up_to is None else self._read_up_to[0].number
        if before - self._terms.lag_blocks_max <= number < before:
            return  # an endpoint behind a balancer answers from another machine now and then; what is known ages meanwhile
        if number < before:
            raise NodeFailed(f"the endpoints went back to block {number}, and {before} had been confirmed")
        confirmed = await self._read_at(inbox, number)
        self._heads, self._read_up_to = heads, (confirmed, head)
        self._has_read.set()

    async def _read_at(self, inbox: Inbox, number: int) -> Header:
        confirmed = await self._same_block(number)
        if not self._is_verified:
            self._scales = await self._verified(number)
            self._is_verified = True
        first, second = await all_of(read_totals(node, self._terms, self._scales, number) for node in self._nodes)
        if await self._same_block(number) != confirmed:
            raise EndpointsDisagree(f"block {number} was replaced while it was read")
        if first != second:
            raise EndpointsDisagree(f"the two endpoints tell different balances or rates after block {number}")
        self._tell(inbox, exact_totals(first, self._scales), self._instant_of(confirmed))
        return confirmed

    async def _verified(self, block: int) -> Mapping[Asset, Scale]:
        """The tokens' decimals, once both endpoints are known to be on the right chain and say the same of them."""
        for node, chain in zip(self._nodes, await all_of(node.chain_id() for node in self._nodes), strict=True):
            if chain != self._terms.chain_id:
                raise NodeFailed(f"the {node.name} is on chain {chain}, and {self._terms.chain_id} is configured")
        first, second = await all_of(read_scales(node, self._terms, block) for node in self._nodes)
        if first != second:
            raise EndpointsDisagree("the two endpoints tell different decimals")
        return first

    def _check_heads(self, heads: Sequence[Header]) -> None:
        numbers = [header.number for header in heads]
        if max(numbers) - min(numbers) > self._terms.lag_blocks_max:
            behind = self._nodes[numbers.index(min(numbers))]
            raise NodeFailed(f"the {behind.name} is {max(numbers) - min(numbers)} blocks behind the other")
        age = self._clock.now() - 1_000 * min(header.made_at for header in heads)
        if age > self._terms.head_age_max:
            raise NodeFailed(
                f"the newest block is older than head_age_max_ms {self._terms.head_age_max} allows: the chain, or an endpoint, stands still"
            )

    async def _same_block(self, number: int) -> Header:
        first, second = await all_of(node.header(number) for node in self._nodes)
        if first != second:
            raise EndpointsDisagree(f"the two endpoints have different blocks {number}, with {self._terms.confirmations} confirmations")
        return first

    def _instant_of(self, block: Header) -> Millis:
        """The instant after which a balance at a block may have changed: never ahead of our clock, and never back."""
        self._as_of = max(self._as_of, min(1_000 * block.made_at, self._clock.now()))
        return self._as_of

    def _tell(self, inbox: Inbox, totals: dict[Place, Total], as_of: Millis) -> None:
        at = self._clock.now()
        for (asset, location), total in totals.items():
            if self._told.get((asset, location)) != total:
                inbox.put(
                    CollateralObserved(
                        at=at,
                        source=self.name,
                        location=location,
                        asset=asset,
                        quantity=total.quantity,
                        redemption_rate=total.rate,
                    )
                )
        self._told = totals
        self._voice.begin()
        self._voice.confirm(inbox, as_of=as_of)

    def _fail(self, inbox: Inbox, reason: str) -> None:
        self._heads, self._is_verified = None, False
        self._voice.fail(inbox, reason)
