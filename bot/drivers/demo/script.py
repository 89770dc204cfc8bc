"""The demo's events: each is a few lines on what is done to the world, and on how it is known that the bot saw it and that it healed."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import partial

from bot.core.units import ZERO, Millis
from bot.drivers.demo.cast import ASSETS
from bot.drivers.demo.observer import Observer, Truth, base_units
from bot.drivers.demo.stage import Stage, now_ms
from bot.drivers.demo.story import StoryEvent, Told
from bot.simulator.dialects.dialect import Operation
from bot.simulator.faults import Fault, FaultKind
from bot.simulator.market import MarketPath, with_funding
from bot.simulator.model import FundingRecord

EIGHT_HOURS_MS: Millis = 8 * 3_600_000
FUNDING_ROUNDED = Decimal("0.00000001")
"""A venue tells its payments to so many units of the asset."""
LOST_ANSWERS = frozenset(kind.value for kind in FaultKind if not kind.is_before and not kind.is_delay)
"""What a venue accepts and its client never hears of."""
MARGIN_SENT = Decimal("0.6")
"""BTC of margin that the story sends to a coin-margined venue."""


class Script:
    """What the story is made of, for whatever cast there is. Each event moves the world through the stage and notes its shocks."""

    def __init__(self, stage: Stage, observer: Observer, duration_ms: Millis, shocks: list[Millis]) -> None:
        self._stage = stage
        self._observer = observer
        self._duration_ms = duration_ms
        self._shocks = shocks
        self._venues = tuple(stage.cast)
        self._coin_venue = next((v for v, part in stage.cast.items() if "BTC" in part.balances), None)

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
        if self._coin_venue is not None:
            events.append(self._coin_margin(self._coin_venue, 0.13))
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
        begun: list[Millis] = []

        def begin() -> None:
            begun.append(now_ms())
            armed.extend(plan.arm(Fault(venue=v, kind=FaultKind.DROP_REPLY, operation=Operation.PLACE, label=label)) for v in self._venues)
            self._hold("BTC", Decimal("4.8"))

        def proceed(_: Millis) -> None:
            if injected() is not None:
                while armed:
                    plan.disarm(armed.pop())

        def injected() -> Millis | None:
            # A planned fault may be there first: a lost answer is a lost answer.
            lost = (i for i in plan.incidents if i.operation is Operation.PLACE and i.kind in LOST_ANSWERS)
            return next((i.began_at for i in lost if begun and i.began_at >= begun[0]), None)

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
        """One venue says nothing for a while: sockets open, requests unanswered. Collateral arrives meanwhile."""
        venue = "okx" if "okx" in self._venues else self._venues[-1]
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
            sentence=f"{venue} falls silent, BTC arrives meanwhile, and {venue} comes back",
            fraction=fraction,
            begin=begin,
            proceed=proceed,
            injected_when=lambda: done.get("began"),
            was_seen=seen,
            was_healed=healed,
        )

    def _coin_margin(self, venue: str, fraction: float) -> StoryEvent:
        """Coins arrive as margin: they are no collateral, and have to be hedged all the same."""
        done: list[Millis] = []
        before: list[Decimal] = []

        def coins(told: Told) -> Decimal:
            return sum((Decimal(a["coin_equity"] or 0) for a in told["assets"] if a["asset"] == "BTC"), ZERO)

        def begin() -> None:
            before.append(coins(self._observer.status or {"assets": []}))
            done.append(self._stage.send_margin(venue, "BTC", MARGIN_SENT))

        return StoryEvent(
            name="coin_margin",
            sentence=f"{MARGIN_SENT} BTC arrive as margin at {venue}",
            fraction=fraction,
            begin=begin,
            injected_when=lambda: done[0] if done else None,
            was_seen=lambda told, _: coins(told) > before[0] + MARGIN_SENT * Decimal("0.9"),
            was_healed=_is_whole,
        )

    def _deleveraging(self, fraction: float) -> StoryEvent:
        """The venue with the largest BTC short takes part of it away (ADL)."""
        done: list[Millis] = []

        def begin() -> None:
            shorts = {key: short for key, short in self._btc_shorts().items() if short < ZERO}
            venue, symbol = min(shorts, key=lambda key: shorts[key])
            desk, account = self._stage.venues.server.desks[venue], self._account(venue)
            lot = desk.exchange.contracts[symbol].lot
            held = next(abs(p.contracts) for p in desk.exchange.positions(account) if p.symbol == symbol)
            desk.deleverage(account, symbol, held * Decimal("0.4") // lot * lot)
            done.append(now_ms())

        return StoryEvent(
            name="partial_adl",
            sentence="the venue with the largest BTC short auto-deleverages 40 % of it",
            fraction=fraction,
            begin=begin,
            injected_when=lambda: done[0] if done else None,
            was_seen=lambda told, _: closed_by_a_venue(told),
            was_healed=_is_whole,
        )

    def _btc_shorts(self) -> dict[tuple[str, str], Decimal]:
        """Signed base units of every BTC instrument of the cast, by (venue, the venue's symbol)."""
        found = {}
        for (venue, symbol), units in self._observer.truth.units.items():
            exchange = self._stage.venues.server.desks[venue].exchange
            contract = exchange.contracts[symbol]
            if contract.base == "BTC":
                found[venue, symbol] = base_units(contract, units / contract.contract_size, exchange.market(symbol).mark)
        return found

    def _account(self, venue: str) -> str:
        return self._stage.venues.accounts[venue].credential.account

    def _settlement(self, fraction: float) -> StoryEvent:
        """Funding settles at each venue with a hedge, at its own interval of market time; nothing has to be done but to wait."""

        def paid(venue: str) -> Sequence[FundingRecord]:
            return self._stage.funding_booked(venue)

        def injected() -> Millis | None:
            firsts = [min((p.at for p in paid(v)), default=None) for v in self._venues]
            known = [f for f in firsts if f is not None]
            return max(known) if len(known) >= 2 else None  # no venue may carry more than its share: two carry the hedge at least

        def entered(told: Told) -> dict[str, Decimal]:
            """Received less paid, by the instrument that paid."""
            found: dict[str, Decimal] = {}
            for row in told["funding"]:
                net = Decimal(row["received"]) - Decimal(row["paid"])
                found[row["instrument"]] = found.get(row["instrument"], ZERO) + net
            return found

        def seen(told: Told, _: Truth) -> bool:
            return all(entered(told).get(f"{v}:{p.symbol}") for v in self._venues for p in paid(v) if p.amount)

        def healed(told: Told, truth: Truth) -> bool:
            by = injected() or 0
            sums = (so_far for v in self._venues for so_far in _sums_so_far(v, paid(v), by).items())
            net = entered(told)
            exact = all(any(abs(net.get(i, ZERO) - total) < FUNDING_ROUNDED for total in totals) for i, totals in sums)
            return exact and _is_whole(told, truth)

        return StoryEvent(
            name="funding_settlement",
            sentence="funding settles where hedges stand and is entered once, to the cent",
            fraction=fraction,
            begin=lambda: None,
            injected_when=injected,
            was_seen=seen,
            was_healed=healed,
        )

    def _flip(self, fraction: float) -> StoryEvent:
        """Funding turns negative at the venue that carries the most, and stays positive at the others."""
        per_8h = {True: Decimal("-0.0006"), False: Decimal("0.0001")}
        done: list[Millis] = []
        flipped: list[str] = []

        def begin() -> None:
            flipped.append(max(self._venues, key=self._observer.truth.carried_usd))
            for venue in self._venues:
                for asset in ASSETS:
                    interval_ms = self._stage.venues.path.funding_interval_ms(venue, asset)
                    rate = per_8h[venue == flipped[0]] * interval_ms / EIGHT_HOURS_MS
                    self._stage.venues.change(partial(_with_rate, venue, asset, rate))
            done.append(now_ms())

        def seen(told: Told, _: Truth) -> bool:
            turned = [i for i in told["instruments"] if i["venue"] == flipped[0] and i["funding_flipped"]]
            return len(turned) == len(self._stage.cast[flipped[0]].instruments)

        def healed(told: Told, truth: Truth) -> bool:
            return truth.carried_usd(flipped[0]) < truth.held_usd * Decimal("0.05") and _is_whole(told, truth)

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
                plan.arm(Fault(venue=v, kind=FaultKind.DELAY_REPLY, operation=Operation.PLACE, delay_ms=1_000, label=label))
                for v in self._venues
            )
            self._hold("ETH", Decimal("88"))

        def proceed(_: Millis) -> None:
            if not done and any(i.label == label for i in plan.incidents):
                self._stage.end_bot()
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


def closed_by_a_venue(told: Told) -> bool:
    """Whether the bot entered a position that its venue closed, by the venue's own word: Deribit calls a deleveraging a liquidation."""
    return any(told["breaks_by_cause"].get(word) for word in ("auto_deleveraging", "liquidation"))


def _sums_so_far(venue: str, booked: Sequence[FundingRecord], by: Millis) -> dict[str, list[Decimal]]:
    """What each instrument of a venue had paid in all at each instant since `by`, then included: the bot reads records on a beat."""
    found: dict[str, list[Decimal]] = {}
    for payment in sorted(booked, key=lambda p: (p.at, p.payment_id)):
        sums = found.setdefault(f"{venue}:{payment.symbol}", [ZERO])
        total = sums[-1] + payment.amount
        found[f"{venue}:{payment.symbol}"] = [total] if payment.at <= by else [*sums, total]
    return found


def _is_whole(told: Told, truth: Truth) -> bool:
    """Hedged within the band by the venues' own books, nothing in doubt, and the bot's record says the same to the last lot."""
    return truth.in_band and int(told["orders_in_doubt"]) == 0 and agrees(told, truth)


def agrees(told: Told, truth: Truth) -> bool:
    """Whether the bot's positions equal the venues' books, exactly."""
    recorded: dict[tuple[str, str], Decimal] = {}
    for row in told["instruments"]:
        position = row["position_units"]
        if position is None or position["low"] != position["high"]:
            return False
        venue, _, symbol = row["instrument"].partition(":")
        recorded[venue, symbol] = Decimal(position["low"])
    return all(recorded.get(key) == units for key, units in truth.units.items())
