"""Strikes at orders on their way: F01-F19."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from bot.core.units import ONE, ZERO, Asset, InstrumentId, down_to_step
from bot.drivers.chaos.conditions import ORDER_FAULTS
from bot.drivers.chaos.stage import Stage
from bot.drivers.chaos.strike import Strike, conditions_of, flow, for_a_while, hold, instrument_of, trickle
from bot.simulator.listed import Listing
from bot.simulator.model import Contract
from bot.simulator.world import ACCOUNT

CANCELS_S = 60.0
"""How long cancels are in trouble, and"""
RESTS_WITHIN_S = 8.0
"""how long it takes until an order rests, if one comes to."""
PATIENT = Decimal("1.0015")
"""What is held then against before: more than what is left alone, and less than what is corrected at once (`rebalance_band`, `_hard`)."""
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


async def lost_cancels(stage: Stage) -> None:
    """F15: the venue says that it knows no order that it has. What an order was to hedge comes and goes again, so that it is withdrawn."""

    def lose(share: float) -> None:
        for here in stage.world.conditions.values():
            here.cancels_lost = share

    lose(0.7)
    stage.later(CANCELS_S, lambda: lose(0.0))
    until = stage.clock.steady() + CANCELS_S
    while stage.clock.steady() < until - RESTS_WITHIN_S:
        asset = stage.random.choice(sorted(stage.world.fair))
        known = stage.world.collateral.totals.get(("vault", Asset(asset)))
        before = ZERO if known is None else known.quantity
        hold(stage, asset, down_to_step(before * PATIENT, Decimal("0.0001")))
        soon = stage.clock.steady() + RESTS_WITHIN_S
        while stage.clock.steady() < soon and not _rests(stage, asset):
            await stage.clock.sleep(0.1)
        if _rests(stage, asset):
            hold(stage, asset, before)
        await stage.clock.sleep(2.0)


def _rests(stage: Stage, asset: str) -> bool:
    """Whether an order of ours stands in a book of this asset."""
    listed = stage.world.instruments
    return any(sent.is_open and listed[sent.command.instrument].base == asset for sent in stage.oracle.truth.may_fill(stage.now()))


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
