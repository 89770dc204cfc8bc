"""Strikes at what is told of collateral: F31 and F32."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from random import Random

from bot.core.reports import ClaimKind, ClaimStage
from bot.core.units import ZERO, Asset
from bot.drivers.chaos.custody import PENDING_MS, Promise, Word
from bot.drivers.chaos.stage import Stage
from bot.drivers.chaos.strike import Strike, flow, hold
from bot.drivers.chaos.world import ASSETS, MOST_HELD

PENDING_S = PENDING_MS / 1_000
UNKNOWN = "DOGE"
HUGE = 3
"""How many times the most that is ever held."""


def _held(stage: Stage, asset: str) -> Decimal:
    known = stage.world.collateral.totals.get(("vault", Asset(asset)))
    return ZERO if known is None else known.quantity


def _some(stage: Stage, asset: str) -> Decimal:
    """A quantity that may be claimed."""
    return Decimal(MOST_HELD[asset]) * stage.random.randint(2, 20) / 80


def _on_a_bad_day(stage: Stage) -> None:
    """What is told comes twice, or in another order, or both, for a while."""
    custody = stage.world.collateral
    custody.doubles, custody.shuffles = stage.random.random() < 0.7, stage.random.random() < 0.4

    def over() -> None:
        custody.doubles = custody.shuffles = False

    stage.later(stage.random.uniform(10.0, 60.0), over)


def _moved(stage: Stage, promise: Promise, sign: int) -> None:
    """What was promised really comes (1) or goes (-1), unless it was called off meanwhile."""
    if not promise.is_over:
        stage.world.collateral.kept(promise)
        hold(stage, promise.asset, max(ZERO, _held(stage, promise.asset) + sign * promise.quantity))


def _exchanged(stage: Stage, comes: Promise) -> Promise | None:
    """F31: a priced redemption of the same asset that goes with a deposit, within one reading, which shows their difference or nothing.

    Of some deposits only, drawn from the claim's own id, so that seeds stay what they were.
    """
    custody, draw = stage.world.collateral, Random(f"{stage.seed} {comes.claim}")
    going = min(draw.choice((comes.quantity, Decimal(MOST_HELD[comes.asset]) / 16)), _held(stage, comes.asset))
    goes = custody.promise(ClaimKind.REDEMPTION, comes.asset, going) if going > ZERO and draw.random() < 0.5 else None
    if goes is not None:
        stage.story.tell("backend", f"{goes.claim}: redemption of {going} {comes.asset} goes with it")
        custody.advance(goes, ClaimStage.PRICED)
    return goes


def _moved_together(stage: Stage, comes: Promise, goes: Promise | None) -> None:
    if goes is None or goes.is_over or comes.is_over:
        _moved(stage, comes, 1)
        return
    custody, asset = stage.world.collateral, comes.asset
    custody.kept(comes)
    custody.kept(goes)
    hold(stage, asset, max(ZERO, _held(stage, asset) + comes.quantity - goes.quantity))
    custody.advance(goes, ClaimStage.SETTLED)


def deposit(stage: Stage) -> None:
    """F31: a deposit is announced, and comes, is called off, comes and is taken back, or never comes."""
    custody, asset = stage.world.collateral, Asset(stage.random.choice(ASSETS))
    promise = custody.promise(ClaimKind.DEPOSIT, asset, _some(stage, asset))
    if promise is None:
        return
    stage.struck[31] += 1
    stage.oracle.held(asset)
    _on_a_bad_day(stage)
    comes_s, what = (
        stage.random.uniform(0.1, 30.0),
        stage.random.choice(("comes", "comes", "is called off", "is taken back", "never comes")),
    )
    stage.story.tell("backend", f"{promise.claim}: deposit of {promise.quantity} {asset} {what}")
    if what == "is called off":
        stage.later(comes_s, lambda: custody.call_off(promise))
    elif what == "never comes":
        stage.later(PENDING_S, lambda: None)
    else:
        goes = _exchanged(stage, promise) if what == "comes" else None
        stage.later(comes_s, lambda: _moved_together(stage, promise, goes))
    if what == "is taken back":
        quantity = promise.quantity
        stage.later(comes_s + stage.random.uniform(0.5, 10.0), lambda: hold(stage, asset, max(ZERO, _held(stage, asset) - quantity)))


def redemption(stage: Stage) -> None:
    """F31: a redemption is announced and priced, and goes, is called off, or never settles."""
    custody, asset = stage.world.collateral, Asset(stage.random.choice(ASSETS))
    quantity = min(_some(stage, asset), _held(stage, asset))
    promise = custody.promise(ClaimKind.REDEMPTION, asset, quantity) if quantity > ZERO else None
    if promise is None:
        return
    stage.struck[31] += 1
    _on_a_bad_day(stage)
    what = stage.random.choice(("goes", "is called off", "never settles"))
    stage.story.tell("backend", f"{promise.claim}: redemption of {quantity} {asset} {what}")
    priced_s = stage.random.uniform(0.1, 10.0)
    stage.later(priced_s, lambda: None if promise.is_over else custody.advance(promise, ClaimStage.PRICED))
    goes_s = priced_s + stage.random.uniform(0.1, 30.0)
    if what == "goes":
        stage.later(goes_s, lambda: _moved(stage, promise, -1))
    elif what == "is called off":
        stage.later(goes_s, lambda: custody.call_off(promise))
    stage.later(priced_s + PENDING_S, lambda: None)


def silent(stage: Stage) -> None:
    """F31: custody cannot be read for a while, and everything that happened meanwhile is told at once."""
    custody = stage.world.collateral
    custody.fall_silent()
    stage.struck[31] += 1
    seconds = stage.random.choice((2.0, 20.0, 90.0, 150.0))
    stage.later(seconds, custody.speak)
    stage.later(seconds + custody.beat_s, lambda: None)
    for _ in range(stage.random.randint(1, 4)):
        stage.later(stage.random.uniform(0.0, seconds), lambda: flow(stage))


def forged(stage: Stage) -> None:
    """F32: words that nobody may believe: of nobody we know, unsigned, too large, of another coin, of no sense, or contradicting itself."""
    custody, asset = stage.world.collateral, Asset(stage.random.choice(ASSETS))
    stage.struck[32] += 1
    claim, now, most = custody.new_claim(), stage.now(), Decimal(MOST_HELD[asset])
    words = (
        {"is_authentic": False, "quantity": most},
        {"depositor": "nobody"},
        {"quantity": most * 1_000},
        {"asset": Asset(UNKNOWN)},
        {"quantity": Decimal("NaN")},
        {"quantity": -most},
        {"quantity": ZERO},
        {"at": now + 600_000},
        {"at": now - 48 * 3_600_000},
    )
    wrong = stage.random.choice(words)
    stage.story.tell("somebody", f"{claim}: forged, {', '.join(wrong)}")
    plain = {"claim": claim, "kind": ClaimKind.DEPOSIT, "asset": asset, "quantity": most / 8, "at": now, "is_suspect": True}
    custody.say(Word(**(plain | wrong)))  # type: ignore[arg-type]  # fields by name


def two_meanings(stage: Stage) -> None:
    """F32: one id, told with two quantities."""
    custody, asset = stage.world.collateral, Asset(stage.random.choice(ASSETS))
    promise = custody.promise(ClaimKind.DEPOSIT, asset, _some(stage, asset))
    if promise is None:
        return
    stage.struck[32] += 1
    stage.oracle.held(asset)
    stage.story.tell("somebody", f"{promise.claim}: told with two meanings")
    promise.is_over = True  # it never comes
    quantity = promise.quantity / 2
    custody.say(
        Word(claim=promise.claim, kind=promise.kind, asset=asset, quantity=quantity, at=stage.now(), is_suspect=True),
    )


def poison(stage: Stage) -> None:
    """F32: totals that are none, and one of a coin that nobody configured."""
    custody = stage.world.collateral
    stage.struck[32] += 1
    asset = stage.random.choice((*ASSETS, UNKNOWN))
    quantity = Decimal(1_000_000) if asset == UNKNOWN else stage.random.choice((Decimal("NaN"), Decimal(-1), Decimal("Infinity")))
    stage.story.tell("custody", f"tells {quantity} {asset}")
    custody.put_directly(asset, quantity)
    stage.later(custody.beat_s, lambda: None)


def huge(stage: Stage) -> None:
    """F32: far more than ever comes, for a while."""
    asset = stage.random.choice(ASSETS)
    stage.struck[32] += 1
    before = _held(stage, asset)
    hold(stage, asset, Decimal(MOST_HELD[asset]) * HUGE)
    stage.later(stage.random.uniform(1.0, 40.0), lambda: hold(stage, asset, before))


STRIKES: Sequence[Strike] = (
    Strike(31, deposit, counts_itself=True),
    Strike(31, redemption, counts_itself=True),
    Strike(31, silent, counts_itself=True),
    Strike(32, forged, counts_itself=True),
    Strike(32, two_meanings, counts_itself=True),
    Strike(32, poison, counts_itself=True),
    Strike(32, huge, counts_itself=True),
)
