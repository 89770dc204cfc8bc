"""Strikes at orders on their way: F01-F19."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from bot.core.units import ONE, InstrumentId
from bot.drivers.chaos.conditions import ORDER_FAULTS
from bot.drivers.chaos.stage import Stage
from bot.drivers.chaos.strike import Strike, conditions_of, flow, for_a_while, instrument_of, trickle
from bot.simulator.listed import Listing
from bot.simulator.model import Contract
from bot.simulator.world import ACCOUNT

SWEPT = Decimal("1.003")
"""How far the market moves to take an order that rests."""


def _on_the_way(number: int) -> Strike:
    def act(stage: Stage) -> None:
        for here in stage.world.conditions.values():
            here.next_orders.append(number)
        flow(stage)

        def spent() -> None:
            for here in stage.world.conditions.values():
                here.next_orders.clear()

        stage.later(12.0, spent)

    return Strike(number, act, counts_itself=True)


def many_lost(stage: Stage) -> None:
    """F01-F13 in a row: each order at one venue may meet any of them."""
    for_a_while(stage, conditions_of(stage), "order_faults", stage.random.choice((0.2, 0.5, 0.9)), 30.0, 0.0)
    flow(stage)


def thin_book(stage: Stage) -> None:
    """F14: next to nothing stands behind the touch, so that orders fill in part."""
    asset = stage.random.choice(sorted(stage.world.fair))
    plain = stage.world.depth[asset]
    stage.world.depth[asset] = (plain[0] / stage.random.choice((50, 200, 1_000)),) * 3
    stage.world.tick()

    def restore() -> None:
        stage.world.depth[asset] = stage.world.full_depth(asset)

    stage.later(stage.random.uniform(5.0, 40.0), restore)
    flow(stage)


def lost_cancels(stage: Stage) -> None:
    """F15: the venue says that it knows no order that it has."""
    for here in stage.world.conditions.values():
        for_a_while(stage, here, "cancels_lost", 0.7, 30.0, 0.0)
    trickle(stage)


def cancel_crosses_fill(stage: Stage) -> None:
    """F16: what is to be cancelled fills a moment before."""

    def before_cancel(instrument: InstrumentId) -> None:
        exchange, contract = stage.world.contract(instrument)
        works = exchange.open_orders(ACCOUNT, contract.symbol)
        if works:
            stage.struck[16] += 1
            number = sorted(stage.world.instruments).index(instrument)
            tick = stage.world.tick_of(instrument, contract, number)
            factor = SWEPT if works[0].request.side.sign < 0 else ONE / SWEPT
            reports = exchange.on_tick(replace(tick, fair=(tick.fair * factor).quantize(contract.tick)), stage.now())
            stage.world.wires[stage.world.instruments[instrument].venue].tell(reports)

    for here in stage.world.conditions.values():
        here.before_cancel = before_cancel
        here.fills_before_cancels = True

    def over() -> None:
        for here in stage.world.conditions.values():
            here.fills_before_cancels = False

    stage.later(75.0, over)
    trickle(stage)
    for seconds in (20.0, 40.0):
        stage.later(seconds, lambda: trickle(stage))


def flat_before_reduction(stage: Stage) -> None:
    """F17: what is to be reduced is gone when the order arrives."""

    def before_reduction(instrument: InstrumentId) -> None:
        here = stage.world.conditions[stage.world.instruments[instrument].venue]
        here.flat_before_reductions = False
        if stage.world.deleverage(instrument, ONE):
            stage.struck[17] += 1

    for here in stage.world.conditions.values():
        here.before_reduction = before_reduction
        for_a_while(stage, here, "flat_before_reductions", True, 15.0)
    flow(stage, 0.2)


def terms_change(stage: Stage) -> None:
    """F18: another lot, another minimum, or no trading at all for a while."""
    instrument = instrument_of(stage)
    exchange, contract = stage.world.contract(instrument)
    changed: Sequence[Contract] = (
        replace(contract, lot=contract.lot * 10, contracts_min=contract.contracts_min * 10),
        replace(contract, notional_min=Decimal(500)),
        replace(contract, listing=Listing.HALTED),
        replace(contract, tick=contract.tick * 5),
    )
    stage.story.tell("stage", f"the terms of {instrument} change")
    exchange.amend(stage.random.choice(changed))
    stage.later(stage.random.uniform(10.0, 60.0), lambda: exchange.amend(stage.world.original(instrument)))
    flow(stage)


def no_margin(stage: Stage) -> None:
    """F19: one account refuses every increase for want of margin."""
    for_a_while(stage, conditions_of(stage), "refuses_increases", "margin", 40.0, "")
    flow(stage)


STRIKES: Sequence[Strike] = (
    *(_on_the_way(number) for number in ORDER_FAULTS),
    Strike(1, many_lost, counts_itself=True),
    Strike(14, thin_book, counts_itself=True),
    Strike(15, lost_cancels, counts_itself=True),
    Strike(16, cancel_crosses_fill, counts_itself=True),
    Strike(17, flat_before_reduction, counts_itself=True),
    Strike(18, terms_change),
    Strike(19, no_margin),
)
