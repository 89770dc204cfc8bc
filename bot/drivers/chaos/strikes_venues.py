"""Strikes at what venues tell and do: F20-F45, and the swizzle F70."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial

from bot.core.units import ZERO, Asset, InstrumentId, down_to_step
from bot.drivers.chaos.conditions import LIES_MAX_S
from bot.drivers.chaos.stage import Stage
from bot.drivers.chaos.strike import Strike, conditions_of, flow, for_a_while, held_instrument_of, instrument_of, venue_of
from bot.simulator.model import OrderKind, OrderRequest, Refused, Side, TimeInForce
from bot.simulator.world import ACCOUNT

EXCUSED_MS = 90_000


def muted(stage: Stage) -> None:
    """F20: the socket is open, and nothing comes down it."""
    for_a_while(stage, conditions_of(stage), "muted", True, 40.0)
    flow(stage)


def _of_reports(number: int, name: str, value: object, plain: object) -> Strike:
    def act(stage: Stage) -> None:
        for_a_while(stage, conditions_of(stage), name, value, 40.0, plain)
        flow(stage)

    return Strike(number, act, counts_itself=True)


def slow_answers(stage: Stage) -> None:
    """F24: the stream is faster than the answer."""
    wire = stage.world.chaos_wires[venue_of(stage)]
    wire.latency_s, wire.stream_s = 0.4, 0.002

    def restore() -> None:
        wire.latency_s, wire.stream_s = 0.01, 0.005

    stage.later(stage.random.uniform(5.0, 40.0), restore)
    flow(stage)


def wrong_sample(stage: Stage) -> None:
    """F25: one reading of one position is wrong."""
    conditions_of(stage).wrong_position = True


def empty_positions(stage: Stage) -> None:
    """F26: the endpoint of positions answers with an empty list."""
    for_a_while(stage, conditions_of(stage), "empty_positions", True, 40.0)


def stale_positions(stage: Stage) -> None:
    """F27: positions come from caches, at every venue, long enough for most of them to be read meanwhile."""
    for here in stage.world.conditions.values():
        here.stale_positions = True
        stage.later(stage.random.uniform(LIES_MAX_S / 2, LIES_MAX_S), partial(setattr, here, "stale_positions", False))
    flow(stage)
    stage.later(4.0, lambda: flow(stage))


def wild_mark(stage: Stage) -> None:
    """F28: one venue's marks run away."""
    venue = venue_of(stage)
    here = stage.world.conditions[venue]
    factor = Decimal(stage.random.choice(("0.65", "0.9", "1.05", "1.1")))
    chosen = [i for i in stage.world.instruments if i.startswith(f"{venue}:")]
    marks = dict.fromkeys(stage.random.sample(sorted(chosen), stage.random.randint(1, len(chosen))), factor)
    stage.story.tell(venue, f"marks of {', '.join(marks)} times {factor}")
    for_a_while(stage, here, "marks", marks, 30.0, {})
    stage.world.tick()
    flow(stage)


def bad_prices(stage: Stage) -> None:
    """F29: prices that are none."""
    for_a_while(stage, conditions_of(stage), "bad_prices", True, 15.0)
    flow(stage)


def funding_flips(stage: Stage) -> None:
    """F30: rates change their sign and their interval, or are not told."""
    for rates in stage.world.funding.values():
        for asset in rates:
            rates[asset] = Decimal(stage.random.choice(("-0.002", "-0.0003", "0", "0.0001", "0.0003", "0.002")))
    for_a_while(stage, conditions_of(stage), "no_funding", True, 120.0)
    instrument = instrument_of(stage)
    exchange, contract = stage.world.contract(instrument)
    exchange.amend(replace(contract, funding_interval_ms=stage.random.choice((3_600_000, 4 * 3_600_000, 8 * 3_600_000))))
    stage.world.tick()


def deleverage(stage: Stage) -> None:
    """F33: the venue takes a part of a short, or all of it."""
    _take(stage, held_instrument_of(stage), stage.random.choice(("0.1", "0.5", "1")))


def deleverage_again(stage: Stage) -> None:
    """F34: it takes some again and again, while the rest is hedged anew."""
    instrument = held_instrument_of(stage)
    for n in range(stage.random.randint(3, 6)):
        stage.later(0.1 + n * stage.random.uniform(0.5, 3.0), lambda: _take(stage, instrument, "0.2"))


def _take(stage: Stage, instrument: InstrumentId, fraction: str) -> None:
    taken = stage.world.deleverage(instrument, Decimal(fraction))
    stage.story.tell("world", f"deleverages {instrument} by {taken:f}")


def liquidation(stage: Stage) -> None:
    """F35: margin goes until the venue closes what is there, and comes back a while later."""
    held = held_instrument_of(stage)
    listed = stage.world.instruments[held]
    exchange, _ = stage.world.contract(held)
    balance = next(b for b in exchange.balances(ACCOUNT) if b.asset == listed.settle)
    if balance.maintenance_margin <= ZERO or listed.is_inverse:
        return
    stage.struck[35] += 1
    gone = balance.margin_balance - balance.maintenance_margin / 2
    exchange.open_account(ACCOUNT, {listed.settle: -gone})
    stage.world.tick()
    stage.later(stage.random.uniform(5.0, 30.0), lambda: exchange.open_account(ACCOUNT, {listed.settle: gone}))


def outage(stage: Stage) -> None:
    """F36: nothing gets through either way."""
    wire = stage.world.chaos_wires[venue_of(stage)]
    wire.silent = True
    stage.later(stage.random.choice((0.5, 3.0, 20.0, 60.0, 60.0, 300.0)), lambda: setattr(wire, "silent", False))
    flow(stage)


def orders_unanswered(stage: Stage) -> None:
    """F37: questions are answered, orders are not."""
    for_a_while(stage, conditions_of(stage), "unanswered_orders", True, 40.0)
    flow(stage)


def questions_unanswered(stage: Stage) -> None:
    """F38: orders are answered, questions are not."""
    for_a_while(stage, conditions_of(stage), "unanswered_questions", True, 60.0)
    flow(stage)


def maintenance(stage: Stage) -> None:
    """F40: no orders at all, or none that increase."""
    name = stage.random.choice(("refuses_orders", "refuses_increases"))
    for_a_while(stage, conditions_of(stage), name, "maintenance", 60.0, "")
    flow(stage)


def banned(stage: Stage) -> None:
    """F41: too many requests, says the venue, and answers nothing for a while."""
    for_a_while(stage, conditions_of(stage), "refuses_everything", "rate_limited", 60.0, "")
    flow(stage)


def key_revoked(stage: Stage) -> None:
    """F42: the key is no key any more, until somebody gives it back."""
    for_a_while(stage, conditions_of(stage), "refuses_everything", "invalid_key", 120.0, "")
    flow(stage)


def foreign_order(stage: Stage) -> None:
    """F43: somebody else trades on the account, or leaves an order there."""
    instrument = held_instrument_of(stage)
    listed = stage.world.instruments[instrument]
    exchange, contract = stage.world.contract(instrument)
    price = stage.world.price_at(instrument)
    contracts = max(listed.tradable_contracts_min(price), listed.to_contracts(Decimal(2_000) / price, price))
    rests = stage.random.random() < 0.5
    side = stage.random.choice((Side.SELL, Side.BUY)) if stage.oracle.truth.positions[instrument] else Side.SELL
    away = Decimal("0.98") if side is Side.BUY else Decimal("1.02")
    limit = down_to_step(price * (away if rests else 2 - away), contract.tick)
    request = OrderRequest(
        account=ACCOUNT,
        symbol=contract.symbol,
        side=side,
        kind=OrderKind.LIMIT,
        time_in_force=TimeInForce.GTC if rests else TimeInForce.IOC,
        contracts=down_to_step(contracts, contract.lot),
        price=limit,
        reduce_only=side is Side.BUY,
        client_order_id=None,
    )
    try:
        order, reports = exchange.place(request, stage.now())
    except Refused as refused:
        stage.story.tell("somebody", f"trades nothing at {instrument}: {refused}")
        return
    stage.struck[43] += 1
    stage.oracle.excuse(Asset(listed.base), Decimal(2_500), EXCUSED_MS)
    stage.story.tell("somebody", f"{side} {request.contracts:f} contracts of {instrument}")
    stage.world.wires[listed.venue].tell(reports)
    if order.state.is_open:

        def withdraw() -> None:
            if any(o.order_id == order.order_id for o in exchange.open_orders(ACCOUNT)):
                _, gone = exchange.cancel(ACCOUNT, contract.symbol, stage.now(), order_id=order.order_id)
                stage.world.wires[listed.venue].tell(gone)

        stage.later(stage.random.uniform(5.0, 60.0), withdraw)


def settings_changed(stage: Stage) -> None:
    """F44: leverage or position mode was changed outside: increases are refused until it is set back."""
    for_a_while(stage, conditions_of(stage), "refuses_increases", "position_mode", 60.0, "")
    flow(stage)


def dead_man(stage: Stage) -> None:
    """F45: the link blinks, and the venue withdraws every order."""
    venue = venue_of(stage)
    wire = stage.world.chaos_wires[venue]
    wire.silent = True
    stage.later(stage.random.uniform(0.5, 4.0), lambda: setattr(wire, "silent", False))
    wire.tell(stage.world.exchanges[venue].cancel_all(ACCOUNT, None, stage.now()))
    flow(stage)


def swizzle(stage: Stage) -> None:
    """F70: venues are clogged one by one, and released in another order."""
    wires = list(stage.world.chaos_wires.values())
    stage.random.shuffle(wires)
    released = stage.random.sample(wires, len(wires))
    for n, wire in enumerate(wires):
        stage.later(0.01 + n * 2.0, partial(setattr, wire, "silent", True))
    for n, wire in enumerate(released):
        stage.later(10.0 + n * 3.0, partial(setattr, wire, "silent", False))
    flow(stage)


STRIKES: Sequence[Strike] = (
    Strike(20, muted),
    _of_reports(21, "doubles", True, False),
    _of_reports(22, "shuffles", True, False),
    _of_reports(23, "drops", 0.5, 0.0),
    Strike(24, slow_answers, counts_itself=True),
    Strike(25, wrong_sample, counts_itself=True),
    Strike(26, empty_positions, counts_itself=True),
    Strike(27, stale_positions, counts_itself=True),
    Strike(28, wild_mark),
    Strike(29, bad_prices, counts_itself=True),
    Strike(30, funding_flips),
    Strike(33, deleverage),
    Strike(34, deleverage_again),
    Strike(35, liquidation, counts_itself=True),
    Strike(36, outage),
    Strike(37, orders_unanswered, counts_itself=True),
    Strike(38, questions_unanswered, counts_itself=True),
    Strike(40, maintenance),
    Strike(41, banned),
    Strike(42, key_revoked),
    Strike(43, foreign_order, counts_itself=True, needs_person=True),
    Strike(44, settings_changed),
    Strike(45, dead_man),
    Strike(70, swizzle),
)
