"""What happens when, how it is known that the bot saw it, and that it healed.

Each event has three instants: injected (it was done to the world), seen (the bot's own statement shows it), healed (the book is hedged
again by the venues' own books, and whatever the event broke is whole). Times are fractions of the run, so that a longer run tells the
same story more slowly; an event begins when the one before it has healed or its patience has run out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

from bot.core.units import ZERO, Millis
from bot.drivers.demo.observer import Observer, Truth
from bot.drivers.demo.stage import ASSETS, SYMBOLS, VENUES, Stage, now_ms
from bot.simulator.dialects.dialect import Operation
from bot.simulator.faults import Fault, FaultKind
from bot.simulator.market import MarketPath, with_funding

GRACE_MS: Millis = 3_000
"""After each injected shock, how long net delta is not held against the bot."""

Told = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class StoryEvent:
    """One event of the story. `fraction` of the run at which it begins at the earliest; instants are wall ms, None until they come.

    `shocks` are the instants at which it moved the world (an outage has two: begin and end), from which grace is counted.
    """

    name: str
    sentence: str
    fraction: float
    begin: Callable[[], None]
    was_seen: Callable[[Told, Truth], bool]
    was_healed: Callable[[Told, Truth], bool]
    injected_when: Callable[[], Millis | None] = lambda: None
    proceed: Callable[[Millis], None] = lambda _since: None
    begun_at: Millis | None = None
    injected_at: Millis | None = None
    seen_at: Millis | None = None
    healed_at: Millis | None = None

    @property
    def is_over(self) -> bool:
        """Whether it was injected, seen and healed."""
        return None not in (self.injected_at, self.seen_at, self.healed_at)


class Story:
    """The script, told against a stage and an observer. `turn` is called often; it never waits."""

    def __init__(self, stage: Stage, observer: Observer, duration_ms: Millis, *, with_crash: bool) -> None:
        self._stage = stage
        self._observer = observer
        self._duration_ms = duration_ms
        self._shocks: list[Millis] = []
        self.events: Sequence[StoryEvent] = Script(stage, observer, duration_ms, self._shocks).events(with_crash=with_crash)

    def in_grace(self, at: Millis) -> bool:
        """Whether a shock is less than the grace ago, or the venue that fell silent still is."""
        return any(0 <= at - shock <= GRACE_MS for shock in self._shocks)

    @property
    def is_over(self) -> bool:
        """Whether every event was injected, seen and healed."""
        return all(event.is_over for event in self.events)

    def turn(self, began_at: Millis) -> StoryEvent | None:
        """Moves the story on; returns the event whose state changed, if one did."""
        now = now_ms()
        for event in self.events:
            if event.is_over:
                continue
            if event.begun_at is None:
                if now - began_at < event.fraction * self._duration_ms:
                    return None
                event.begun_at = now
                event.begin()
            return event if self._follow(event, event.begun_at, now) else None
        return None

    def _follow(self, event: StoryEvent, begun_at: Millis, now: Millis) -> bool:
        before = (event.injected_at, event.seen_at, event.healed_at)
        event.proceed(begun_at)
        if event.injected_at is None:
            event.injected_at = event.injected_when() or None
            if event.injected_at is not None:
                self._shocks.append(event.injected_at)
        told = self._observer.status
        if told is not None and event.injected_at is not None and told["at"] >= event.injected_at:
            if event.seen_at is None and event.was_seen(told, self._observer.truth):
                event.seen_at = now
            if event.seen_at is not None and event.was_healed(told, self._observer.truth):
                event.healed_at = now
        return before != (event.injected_at, event.seen_at, event.healed_at)


class Script:
    """The demo's events. Each is a few lines on what to do and how to know."""

    def __init__(self, stage: Stage, observer: Observer, duration_ms: Millis, shocks: list[Millis]) -> None:
        self._stage = stage
        self._observer = observer
        self._duration_ms = duration_ms
        self._shocks = shocks

    def events(self, *, with_crash: bool) -> list[StoryEvent]:
        """All events in order."""
        events = [
            self._holding("deposit_btc", 0.00, "BTC", Decimal("4.2"), "4.2 BTC arrive"),
            self._holding("deposit_eth", 0.05, "ETH", Decimal("85"), "85 ETH arrive"),
            self._holding("deposit_lst", 0.10, "wstETH", Decimal("40"), "40 wstETH arrive"),
            self._lost_answer(0.16),
            self._silence(0.26),
            self._deleveraging(0.45),
            self._holding("redemption", 0.53, "BTC", Decimal("3.9"), "1.5 BTC are redeemed"),
            self._settlement(0.62),
            self._flip(0.70),
            self._holding("late_deposit", 0.85, "ETH", Decimal("91.5"), "the last ETH of the day arrives"),
        ]
        if with_crash:
            events.append(self._crash(0.50))
        return sorted(events, key=lambda e: e.fraction)

    def _hold(self, asset: str, total: Decimal) -> Millis:
        """Collateral changes: a shock of its own, whatever event it belongs to."""
        self._stage.hold(asset, total)
        self._shocks.append(now_ms())
        return self._shocks[-1]

    def _holding(self, name: str, fraction: float, asset: str, total: Decimal, sentence: str) -> StoryEvent:
        done: list[Millis] = []

        def begin() -> None:
            done.append(self._hold(asset, total))

        def seen(told: Told, _: Truth) -> bool:
            return any(h["asset"] == asset and Decimal(h["quantity"]) == total for h in told["collateral"])

        return StoryEvent(
            name=name,
            sentence=sentence,
            fraction=fraction,
            begin=begin,
            injected_when=lambda: done[0] if done else None,
            was_seen=seen,
            was_healed=_is_whole,
        )

    def _lost_answer(self, fraction: float) -> StoryEvent:
        """The next order that each venue accepts is never answered. A deposit makes sure that at least one comes."""
        label = "lost answer"
        plan = self._stage.venues.server.plan
        armed: list[int] = []

        def begin() -> None:
            armed.extend(plan.arm(Fault(venue=v, kind=FaultKind.DROP_REPLY, operation=Operation.PLACE, label=label)) for v in VENUES)
            self._hold("BTC", Decimal("4.8"))

        def proceed(_: Millis) -> None:
            if injected() is not None:
                while armed:
                    plan.disarm(armed.pop())

        def injected() -> Millis | None:
            return next((i.began_at for i in plan.incidents if i.label == label), None)

        def seen(told: Told, _: Truth) -> bool:
            return any(d["kind"] == "order" and "in doubt" in d["sentence"] for d in told["decisions"])

        return StoryEvent(
            name="lost_answer",
            sentence="orders are accepted at the venues and the replies never arrive",
            fraction=fraction,
            begin=begin,
            proceed=proceed,
            injected_when=injected,
            was_seen=seen,
            was_healed=_is_whole,
        )

    def _silence(self, fraction: float) -> StoryEvent:
        """okx says nothing for a while: sockets open, requests unanswered. Collateral arrives meanwhile."""
        venue = "okx"
        length = max(6_000, int(self._duration_ms * 0.12))
        done: dict[str, Millis] = {}

        def begin() -> None:
            self._stage.venues.server.silence(venue, label="silence")
            done["began"] = now_ms()

        def proceed(since: Millis) -> None:
            now = now_ms()
            if now - since > length // 2 and "deposit" not in done:
                done["deposit"] = self._hold("BTC", Decimal("5.4"))
            if now - since > length and "ended" not in done:
                done["ended"] = now
                self._shocks.append(now)
                self._stage.venues.server.restore(venue)

        def seen(told: Told, _: Truth) -> bool:
            return any(v["venue"] == venue and v["link"] != "up" for v in told["venues"])

        def healed(told: Told, truth: Truth) -> bool:
            back = any(v["venue"] == venue and v["link"] == "up" and v["reconciled"] for v in told["venues"])
            return "ended" in done and back and _is_whole(told, truth)

        return StoryEvent(
            name="venue_silent",
            sentence="okx falls silent, BTC arrives meanwhile, and okx comes back",
            fraction=fraction,
            begin=begin,
            proceed=proceed,
            injected_when=lambda: done.get("began"),
            was_seen=seen,
            was_healed=healed,
        )

    def _deleveraging(self, fraction: float) -> StoryEvent:
        """binanceusdm takes part of the BTC short away (ADL)."""
        venue, symbol = "binanceusdm", SYMBOLS["binanceusdm"][0]
        done: list[Millis] = []

        def begin() -> None:
            desk = self._stage.venues.server.desks[venue]
            account = self._stage.venues.accounts[venue].credential.account
            held = next(p.contracts for p in desk.exchange.positions(account) if p.symbol == symbol)
            lot = desk.exchange.contracts[symbol].lot
            taken = (abs(held) * Decimal("0.4") // lot) * lot
            desk.deleverage(account, symbol, taken)
            done.append(now_ms())

        def seen(told: Told, _: Truth) -> bool:
            return int(told["breaks_by_cause"].get("auto_deleveraging", 0)) >= 1

        return StoryEvent(
            name="partial_adl",
            sentence="binanceusdm auto-deleverages 40 % of the BTC short",
            fraction=fraction,
            begin=begin,
            injected_when=lambda: done[0] if done else None,
            was_seen=seen,
            was_healed=_is_whole,
        )

    def _settlement(self, fraction: float) -> StoryEvent:
        """Funding settles at each venue, at its own interval of market time; nothing has to be done but to wait."""

        def paid(venue: str) -> Sequence[Any]:
            account = self._stage.venues.accounts[venue].credential.account
            return self._stage.venues.server.desks[venue].exchange.funding_payments(account)

        def injected() -> Millis | None:
            firsts = [min((p.at for p in paid(v)), default=None) for v in VENUES]
            known = [f for f in firsts if f is not None]
            return max(known) if len(known) == len(VENUES) else None

        def seen(told: Told, _: Truth) -> bool:
            return all(v in told["funding_usd_by_venue"] for v in VENUES)

        def healed(told: Told, truth: Truth) -> bool:
            agreed = all(
                abs(Decimal(told["funding_usd_by_venue"].get(v, "0")) - sum((p.amount for p in paid(v)), ZERO)) < Decimal("0.01")
                for v in VENUES
            )
            return agreed and _is_whole(told, truth)

        return StoryEvent(
            name="funding_settlement",
            sentence="funding settles at each venue and is entered once, to the cent",
            fraction=fraction,
            begin=lambda: None,
            injected_when=injected,
            was_seen=seen,
            was_healed=healed,
        )

    def _flip(self, fraction: float) -> StoryEvent:
        """Funding turns negative at the venue that carries the most, and stays positive at the others."""
        rates = {True: Decimal("-0.0006"), False: Decimal("0.0001")}
        done: list[Millis] = []
        flipped: list[str] = []

        def carried(venue: str) -> Decimal:
            truth = self._observer.truth
            return sum((abs(truth.shorts[venue, a]) * truth.marks[a] for a in ASSETS), ZERO)

        def begin() -> None:
            flipped.append(max(VENUES, key=carried))
            for venue in VENUES:
                for asset in ASSETS:
                    self._stage.venues.change(partial(_with_rate, venue, asset, rates[venue == flipped[0]]))
            done.append(now_ms())

        def seen(told: Told, _: Truth) -> bool:
            turned = [i for i in told["instruments"] if i["venue"] == flipped[0] and i["funding_flipped"]]
            return len(turned) == len(ASSETS)

        def healed(told: Told, truth: Truth) -> bool:
            return carried(flipped[0]) < truth.collateral_usd * Decimal("0.05") and _is_whole(told, truth)

        return StoryEvent(
            name="funding_negative",
            sentence="funding turns negative at one venue and its shorts move to the others",
            fraction=fraction,
            begin=begin,
            injected_when=lambda: done[0] if done else None,
            was_seen=seen,
            was_healed=healed,
        )

    def _crash(self, fraction: float) -> StoryEvent:
        """The bot is killed between an order's acceptance and its answer, and started again on the same journal."""
        label = "killed before the answer"
        plan = self._stage.venues.server.plan
        armed: list[int] = []
        done: list[Millis] = []
        epochs: list[str] = []

        def begin() -> None:
            epochs.append((self._observer.status or {}).get("epoch", ""))
            armed.extend(
                plan.arm(Fault(venue=v, kind=FaultKind.DELAY_REPLY, operation=Operation.PLACE, delay_ms=1_000, label=label)) for v in VENUES
            )
            self._hold("ETH", Decimal("88"))

        def proceed(_: Millis) -> None:
            if not done and any(i.label == label for i in plan.incidents):
                self._stage.kill_bot()
                done.append(now_ms())
                self._shocks.append(done[0])
                for number in armed:
                    plan.disarm(number)

        def seen(told: Told, _: Truth) -> bool:
            return told["epoch"] not in ("", epochs[0])

        def healed(told: Told, truth: Truth) -> bool:
            return bool(told["ready"]) and _is_whole(told, truth)

        return StoryEvent(
            name="bot_killed",
            sentence="the bot is killed between an order's acceptance and its answer, and restarted on its journal",
            fraction=fraction,
            begin=begin,
            proceed=proceed,
            injected_when=lambda: done[0] if done else None,
            was_seen=seen,
            was_healed=healed,
        )


def _with_rate(venue: str, asset: str, rate: Decimal, path: MarketPath, at: Millis) -> MarketPath:
    return with_funding(path, venue, asset, rate, at)


def _is_whole(told: Told, truth: Truth) -> bool:
    """Hedged within the band by the venues' own books, nothing in doubt, and the bot's record says the same to the last lot."""
    return truth.in_band and int(told["orders_in_doubt"]) == 0 and agrees(told, truth)


def agrees(told: Told, truth: Truth) -> bool:
    """Whether the bot's positions equal the venues' books, exactly."""
    recorded: dict[tuple[str, str], Decimal] = {}
    for row in told["instruments"]:
        position = row["position"]
        if position is None or position["low"] != position["high"]:
            return False
        key = (row["venue"], row["asset"])
        recorded[key] = recorded.get(key, ZERO) + Decimal(position["low"])
    return all(recorded.get(key) == short for key, short in truth.shorts.items())
