"""The custody of a chaos world on a bad day, and the backend that announces what will come to it and go.

Totals carry the source's own clock, so that one that is told late changes nothing. Words on claims are told until the bot's journal has
them, as a stream with acknowledgements does: after a crash they come again. What is really promised is known here, and nowhere in the bot.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from random import Random

from bot.core.claim_terms import AssetLimits, ClaimTerms, RedemptionEnd, place
from bot.core.events import CollateralAnnounced, CollateralObserved
from bot.core.reports import ClaimKind, ClaimStage
from bot.core.units import ONE, ZERO, Asset, Millis
from bot.ports import Clock, Inbox
from bot.simulator.memory import MemoryCollateral, Total

DEPOSITOR = "acme"
LATE_MAX_S = 10.0
"""How much later than others a total or a word may come while they are shuffled."""
PENDING_MS: Millis = 90_000
"""How long the bot waits for an announced deposit, and for a priced redemption to settle."""
REMEMBERED_MS: Millis = 900_000
ANNOUNCERS = ("backend", "chain")
"""Who says the same of one claim."""


def claim_terms(most_held: Mapping[str, int], seed: int) -> ClaimTerms:
    """What the bot is told of claims: whether it hedges what is merely announced, and when a redemption ends, is drawn from the seed."""
    draw = Random(f"{seed} claims")
    limits = {
        Asset(asset): AssetLimits(
            claim_max=Decimal(most) / 4, deposits_max=Decimal(most) * 4, redemptions_max=Decimal(most) * 4, total_max=Decimal(most) * 2
        )
        for asset, most in most_held.items()
    }
    return ClaimTerms(
        authorities={place(asset, "vault"): "custody" for asset in limits},
        depositors=frozenset({DEPOSITOR}),
        limits=limits,
        hedge_share=draw.choice((ZERO, ONE, ONE)),
        redemption_ends=draw.choice((RedemptionEnd.SETTLED, RedemptionEnd.PRICED)),
        pending_max_ms=PENDING_MS,
        settle_max_ms=PENDING_MS,
        lead_ms=2_000,
        remembered_ms=REMEMBERED_MS,
    )


@dataclass(slots=True, kw_only=True)
class Word:
    """One thing that an announcer says of a claim at `at` (its clock), until the bot has it. `is_suspect`: people must hear of it."""

    claim: str
    kind: ClaimKind
    asset: Asset
    quantity: Decimal
    at: Millis
    stage: ClaimStage = ClaimStage.ANNOUNCED
    depositor: str = DEPOSITOR
    is_authentic: bool = True
    is_suspect: bool = False
    taken: asyncio.Future[bool] | None = None


@dataclass(slots=True)
class Promise:
    """A deposit or redemption that is under way: what may come or go, and until when (world's clock) the bot may still expect it.

    `ends_at` is the latest instant of that, whatever was told meanwhile.
    """

    claim: str
    kind: ClaimKind
    asset: Asset
    quantity: Decimal
    ends_at: Millis
    until: Millis
    is_over: bool = False


class ChaosCustody(MemoryCollateral):
    """`ports.CollateralSource`: totals and words that come twice, late, in another order, and sometimes not for a while."""

    def __init__(self, name: str, clock: Clock, world_clock: Clock, seed: int, *, beat_s: float) -> None:
        super().__init__(name, clock, beat_s=beat_s)
        self._world_clock = world_clock
        self._random = Random(f"{seed} custody")
        self._as_of: Millis = 0
        self._numbers = 0
        self.words: list[Word] = []
        self.promises: dict[tuple[ClaimKind, Asset], Promise] = {}
        self.doubles = self.shuffles = False
        self._is_first = True
        self._silent_since: Millis | None = None
        self._silent_ms: Millis = 0
        self.on_taken: Callable[[Word], None] = lambda _: None
        """Who hears that the bot's journal has a word."""

    def heal(self) -> None:
        """Everything comes once and in order, and what is still promised is called off."""
        self.doubles = self.shuffles = False
        self.speak()
        for promise in tuple(self.promises.values()):
            self.call_off(promise)

    # whether it can be read

    def fall_silent(self) -> None:
        """It cannot be read from here on."""
        if self._silent_since is None:
            self._silent_since = self._world_clock.now()
        self.readable = False

    def speak(self) -> None:
        """It can be read again."""
        self._silent_ms, self._silent_since = self._silent_until_now(), None
        self.readable = True

    def speaking_ms(self) -> Millis:
        """The world's clock without the time in which custody could not be read."""
        return self._world_clock.now() - self._silent_until_now()

    def _silent_until_now(self) -> Millis:
        return self._silent_ms + (0 if self._silent_since is None else self._world_clock.now() - self._silent_since)

    # what is said

    def new_claim(self) -> str:
        """An id that no claim had."""
        self._numbers += 1
        return f"c{self._numbers:05d}"

    def say(self, word: Word) -> None:
        """An announcer says something; it is told until the bot has it."""
        self.words.append(word)
        self._tell_words()

    def promise(self, kind: ClaimKind, asset: Asset, quantity: Decimal) -> Promise | None:
        """A deposit or redemption is announced; None while another of its kind and asset is under way."""
        now = self._world_clock.now()
        before = self.promises.get((kind, asset))
        if before is not None and not (before.is_over and now > before.until):
            return None
        ends_at = now + PENDING_MS + int(LATE_MAX_S * 1_000)
        made = Promise(self.new_claim(), kind, asset, quantity, ends_at, ends_at)
        self.promises[kind, asset] = made
        self.say(Word(claim=made.claim, kind=kind, asset=asset, quantity=quantity, at=now))
        return made

    def advance(self, promise: Promise, stage: ClaimStage) -> None:
        """The announcer says how far it has come."""
        now = self._world_clock.now()
        self.say(Word(claim=promise.claim, kind=promise.kind, asset=promise.asset, quantity=promise.quantity, at=now, stage=stage))

    def call_off(self, promise: Promise) -> None:
        """It will not come, or not go, and the bot is told so."""
        if not promise.is_over:
            promise.is_over = True
            self.advance(promise, ClaimStage.CANCELED)

    def kept(self, promise: Promise) -> None:
        """A total is about to show it: nothing more is to be expected beside that total, where it is told for itself."""
        promise.is_over = True
        if self.readable and not self.shuffles and self._inbox is not None:
            promise.until = self._world_clock.now() - 1

    def promised(self, asset: Asset) -> Decimal:
        """Units of announced deposits that the bot may still expect beside the total."""
        found = self.promises.get((ClaimKind.DEPOSIT, asset))
        return ZERO if found is None or self._world_clock.now() > found.until else found.quantity

    def put_directly(self, asset: str, quantity: Decimal) -> None:
        """Tells a total that nobody holds."""
        if self._inbox is not None:
            self._inbox.put(self._observed(("vault", Asset(asset)), Total(quantity, ONE)))

    # how it is told

    async def listen(self, inbox: Inbox) -> None:
        """See the port. What an earlier run had not taken is told to this one, and what was told to that one may be forgotten."""
        self._is_first = True
        for word in self.words:
            word.taken = None
        for promise in self.promises.values():
            promise.until = promise.ends_at
        await super().listen(inbox)

    def _tell(self) -> None:
        self._tell_words()
        if self._inbox is None or not self.readable:
            return
        for key in self._untold:
            told = self._observed(key, self._totals[key])
            if self.shuffles and not self._is_first:  # a run is told every total before anything is confirmed
                self._later(told)
            else:
                self._inbox.put(told)
            if self.doubles:
                self._later(told)
        self._untold, self._is_first = {}, False

    def _tell_also(self, inbox: Inbox) -> None:
        """An older run that still listens reads every total for itself; words go to the newest."""
        if inbox is not self._inbox:
            for key, total in self._totals.items():
                inbox.put(self._observed(key, total))

    def told_by(self, clock: Clock) -> None:
        """From now on what it tells carries the time of this clock: that of the host that listens."""
        self._clock = clock

    def _observed(self, key: tuple[str, Asset], total: Total) -> CollateralObserved:
        self._as_of = max(self._world_clock.now(), self._as_of + 1)
        return CollateralObserved(
            at=self._clock.now(),
            source=self.name,
            location=key[0],
            asset=key[1],
            quantity=total.quantity,
            redemption_rate=total.redemption_rate,
            as_of=self._as_of,
        )

    def _tell_words(self) -> None:
        if self._inbox is None or not self.readable:
            return
        for word in tuple(self.words):
            if word.taken is not None and word.taken.done():
                if not word.taken.cancelled() and word.taken.result():
                    self.words.remove(word)
                    self.on_taken(word)
                    continue
                word.taken = None
            if word.taken is None:
                self._say(word, self._inbox)

    def _say(self, word: Word, inbox: Inbox) -> None:
        word.taken = asyncio.ensure_future(inbox.put_awaited(self._announced(word, ANNOUNCERS[0])))
        if self.doubles:
            for source in ANNOUNCERS:
                self._later(self._announced(word, source))

    def _announced(self, word: Word, source: str) -> CollateralAnnounced:
        return CollateralAnnounced(
            at=self._clock.now(),
            source=source,
            claim=word.claim,
            kind=word.kind,
            stage=word.stage,
            asset=word.asset,
            quantity=word.quantity,
            location="vault",
            depositor=word.depositor,
            announced_at=word.at,
            is_authentic=word.is_authentic,
        )

    def _later(self, event: CollateralObserved | CollateralAnnounced) -> None:
        def put() -> None:
            if self._inbox is not None:
                self._inbox.put(replace(event, at=self._clock.now()))

        asyncio.get_running_loop().call_later(self._random.uniform(0.0, LATE_MAX_S), put)
