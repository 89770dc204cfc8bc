"""Margin of a venue's account: how far from liquidation, and how levered, now and after an order.

    margin_ratio   = maintenance margin / margin balance                0 safe, 1 liquidation (or the balance is gone)
    margin_buffer  = margin balance / notional                          what bands of 42.5 % / 27.5 % are stated in
    leverage       = notional / margin balance
    joint distance = how far all marks of the shorts may rise together until liquidation, as a fraction

Computed by us from the parts, because venues' own ratios run in both directions. An absent part makes the figure absent (None); a
distance or buffer without an end is infinite, and never stored. An account is one pool of margin per settle asset, or one for all of it
(`margin_account`); a venue is as safe as the worst of its pools.

For the allocation see `margin_room`: what one more USD of hedge takes, what may still be taken, and what must leave. For the gate:
`increase_breach`, and `account_after` with the figures. For the state of a venue: `margin_breaches`. For people: `liquidation`,
`joint_distance`, `used_up`, and the venue's figures.

Increases end at the target values, so that what prices do in a day does not reach the least ones; hedges leave a venue below those.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from bot.core.instrument import ContractKind
from bot.core.limit_table import nearing
from bot.core.limits import Breach, Limit
from bot.core.liquidation import Backing, LiquidationBounds, MarginedPosition, liquidation_bounds, margin_buffer
from bot.core.liquidation import margin_ratio as ratio_of
from bot.core.margin_account import pool_of, pools
from bot.core.margin_pool import Leg, Pool
from bot.core.marks import instruments_at
from bot.core.policy import Policy
from bot.core.precision import INFINITE
from bot.core.records import Ledger
from bot.core.units import ONE, ZERO, Asset, InstrumentId, VenueId


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolFigures:
    """One pool at the marks of now. `asset` None: a whole account. Balance, maintenance and notional in USD; what is unknown is None."""

    asset: Asset | None
    margin_balance: Decimal | None
    maintenance_margin: Decimal | None
    notional: Decimal | None
    margin_ratio: Decimal | None
    margin_buffer: Decimal | None
    joint_distance: Decimal | None


@dataclass(frozen=True, slots=True)
class Liquidation:
    """Where one instrument's position is liquidated, all others standing still, and how far that is from its mark (infinite: nowhere)."""

    bounds: LiquidationBounds
    distance: Decimal

    @property
    def price(self) -> Decimal | None:
        """The nearer bound that matters: above for a short, below for a long; None when there is none."""
        return self.bounds.low if self.bounds.high is None else self.bounds.high


def margin_balance(ledger: Ledger, policy: Policy, venue: VenueId) -> Decimal | None:
    """USD of equity at a venue, unrealised PnL included; None while a part of it is not told."""
    return _total([_usd(p, p.balance()) for p in pools(ledger, policy, venue)])


def maintenance_now(ledger: Ledger, policy: Policy, venue: VenueId) -> Decimal | None:
    """USD that the venue requires for the positions as they are; what was told last where they cannot be valued; None when not told."""
    return _total([_usd(p, _needed(p)) for p in pools(ledger, policy, venue)])


def margin_ratio(ledger: Ledger, policy: Policy, venue: VenueId) -> Decimal | None:
    """Of the worst pool; None while one of them is unknown."""
    return _worst([ratio_of(_needed(p), p.balance()) for p in pools(ledger, policy, venue)], highest=True)


def buffer(ledger: Ledger, policy: Policy, venue: VenueId) -> Decimal | None:
    """Of the worst pool; infinite while there is no position; None while one of them is unknown."""
    return _worst([margin_buffer(p.balance(), p.notional()) for p in pools(ledger, policy, venue)])


def joint_distance(ledger: Ledger, policy: Policy, venue: VenueId) -> Decimal | None:
    """Of the worst pool; infinite where no rise liquidates; None while one of them is unknown."""
    return _worst([_distance(p) for p in pools(ledger, policy, venue)])


def account_after(ledger: Ledger, policy: Policy, instrument: InstrumentId, quantity: Decimal) -> PoolFigures | None:
    """The pool behind an instrument after so many signed contract units more; None before the venue has described it."""
    pool = pool_of(ledger, policy, instrument)
    return None if pool is None else figures_of(pool.changed(instrument, quantity))


def figures_of(pool: Pool) -> PoolFigures:
    """Every figure of one pool."""
    balance, needed, notional = pool.balance(), pool.maintenance(), pool.notional()
    return PoolFigures(
        asset=pool.asset,
        margin_balance=_usd(pool, balance),
        maintenance_margin=_usd(pool, needed),
        notional=_usd(pool, notional),
        margin_ratio=ratio_of(needed, balance),
        margin_buffer=margin_buffer(balance, notional),
        joint_distance=_distance(pool),
    )


def _needed(pool: Pool) -> Decimal | None:
    needed = pool.maintenance()
    return pool.maintenance_told if needed is None else needed


def _distance(pool: Pool) -> Decimal | None:
    moving = pool.moving()
    return None if moving is None else moving.distance()


def _usd(pool: Pool, value: Decimal | None) -> Decimal | None:
    if value == ZERO:
        return ZERO
    return None if value is None or pool.usd is None else value * pool.usd


def _total(parts: list[Decimal | None]) -> Decimal | None:
    known = [part for part in parts if part is not None]
    return sum(known, ZERO) if parts and len(known) == len(parts) else None


def _worst(parts: list[Decimal | None], *, highest: bool = False) -> Decimal | None:
    known = [part for part in parts if part is not None]
    if not parts or len(known) < len(parts):
        return None
    return max(known) if highest else min(known)


# Limits


def increase_breach(ledger: Ledger, policy: Policy, instrument: InstrumentId, quantity: Decimal) -> Breach | None:
    """Why the pool behind an instrument may not carry so many signed contract units more, or None when it may."""
    venue, pool = ledger.venue_of(instrument), pool_of(ledger, policy, instrument)
    now = None if pool is None else figures_of(pool)
    then = None if pool is None else figures_of(pool.changed(instrument, quantity))
    if pool is None or now is None or then is None or now.margin_ratio is None:
        return Breach(Limit.MARGIN_UNKNOWN, venue, None, None, "the venue has not told its margin")
    if now.margin_ratio > policy.margin_ratio_max:
        return Breach(Limit.MARGIN_RATIO, venue, now.margin_ratio, policy.margin_ratio_max)
    balance, notional, ratio, distance = then.margin_balance, then.notional, then.margin_ratio, then.joint_distance
    if balance is None or notional is None or ratio is None or distance is None or then.margin_buffer is None:
        return Breach(Limit.MARGIN_UNKNOWN, venue, None, None, "the margin after the order cannot be worked out")
    allowed = policy.leverage_max * max(balance, ZERO)
    if notional > allowed:
        return Breach(Limit.LEVERAGE, venue, notional, allowed)
    if ratio > policy.margin_ratio_max:
        return Breach(Limit.MARGIN_RATIO, venue, ratio, policy.margin_ratio_max, "after the order")
    target, _ = buffer_limits(policy, pool)
    if then.margin_buffer < target:
        return Breach(Limit.MARGIN_BUFFER, venue, then.margin_buffer, target, "after the order")
    if distance < policy.liquidation_distance_target:
        return Breach(Limit.LIQUIDATION_DISTANCE, venue, distance, policy.liquidation_distance_target, "after the order")
    return None


def unknown_breach(ledger: Ledger, policy: Policy, venue: VenueId) -> Breach | None:
    """That a venue which was read has not told the margin behind an instrument of ours: nothing increases there until it does."""
    record = ledger.venues.get(venue)
    if record is None or record.reported_at is None:
        return None  # that it was never read is told by itself
    for instrument in (i for i in instruments_at(ledger, policy, venue) if i in ledger.instruments and i in ledger.positions):
        pool = pool_of(ledger, policy, instrument)
        if pool is None or ratio_of(_needed(pool), pool.balance()) is None:
            return Breach(Limit.MARGIN_UNKNOWN, venue, None, None, f"the margin behind {instrument} is not told")
    return None


def margin_breaches(ledger: Ledger, policy: Policy, venue: VenueId) -> tuple[Breach, ...]:
    """Why a venue is to be reduced: a pool is nearer to liquidation, or thinner, than the least allowed. What is unknown is no reason."""
    found = []
    for pool in pools(ledger, policy, venue):
        figures, (_, least) = figures_of(pool), buffer_limits(policy, pool)
        words = "whole account" if pool.asset is None else f"margin in {pool.asset}"
        if figures.joint_distance is not None and figures.joint_distance < policy.liquidation_distance_min:
            found.append(Breach(Limit.LIQUIDATION_DISTANCE, venue, figures.joint_distance, policy.liquidation_distance_min, words))
        if figures.margin_buffer is not None and figures.margin_buffer < least:
            found.append(Breach(Limit.MARGIN_BUFFER, venue, figures.margin_buffer, least, words))
    return tuple(found)


def used_up(ledger: Ledger, policy: Policy, venue: VenueId) -> tuple[Breach, ...]:
    """What of leverage and ratio each pool has used up, or nearly: people are told. What is unknown is told by `unknown_breach`."""
    found = []
    for pool in pools(ledger, policy, venue):
        figures, words = figures_of(pool), "whole account" if pool.asset is None else f"margin in {pool.asset}"
        if figures.notional is not None and figures.margin_balance is not None:
            allowed = policy.leverage_max * max(figures.margin_balance, ZERO)
            found.append(nearing(Limit.LEVERAGE, venue, figures.notional, allowed, f"USD of notional, {words}"))
        if figures.margin_ratio is not None:
            found.append(nearing(Limit.MARGIN_RATIO, venue, figures.margin_ratio, policy.margin_ratio_max, words))
    return tuple(breach for breach in found if breach is not None)


def buffer_limits(policy: Policy, pool: Pool) -> tuple[Decimal, Decimal]:
    """Least margin buffer for increases, and for what is there: a coin-margined pool's own, else those of a linear one."""
    if pool.in_coin:
        return policy.inverse_buffer_target, policy.inverse_buffer_min
    return policy.margin_buffer_target, policy.margin_buffer_min


# One position


def liquidation(ledger: Ledger, policy: Policy, instrument: InstrumentId, isolated_margin: Decimal | None = None) -> Liquidation | None:
    """Where an instrument's position is liquidated while the rest of its pool stands still; None while something is unknown.

    `isolated_margin`: the position's own margin in settle units, without its unrealised PnL, where the venue holds it in isolation (the
    caller has it from the venue's word on the position; margin reports carry cross margin only). It then stands alone, at its entry price.
    Of an inverse short in a whole account only the rise is told; of an inverse long there, nothing.
    """
    pool = pool_of(ledger, policy, instrument)
    leg = None if pool is None or pool.legs is None else pool.legs[instrument]
    if pool is None or leg is None or leg.mark is None:
        return None
    table = leg.table(leg.units, leg.mark, pool.rate())
    if isolated_margin is not None:
        entry = ledger.positions[instrument].entry_price
        position = MarginedPosition(kind=leg.listed.kind, contract_units=leg.units, entry_price=entry, tiers=table)
        return _told(liquidation_bounds(position, Backing.isolated(isolated_margin)), leg.mark)
    if not leg.is_linear and not pool.in_coin:
        return _of_inverse_in_whole_account(pool, leg, leg.mark)
    balance, needed = pool.balance(), pool.maintenance()
    if balance is None or needed is None or table is None:
        return None
    coins = ZERO if leg.listed.kind is ContractKind.INVERSE else pool.counted.get(leg.listed.base, ZERO)
    position = MarginedPosition(kind=leg.listed.kind, contract_units=leg.units, entry_price=leg.mark, tiers=table)
    backing = Backing(
        wallet_balance=balance - coins * leg.mark,  # at its mark the position has neither won nor lost: the balance tells its profit
        other_unrealised=ZERO,
        other_maintenance=max(ZERO, needed - table.maintenance(leg.notional(leg.units, leg.mark))),
        coin_units=coins,
    )
    return _told(liquidation_bounds(position, backing), leg.mark)


def _of_inverse_in_whole_account(pool: Pool, leg: Leg, mark: Decimal) -> Liquidation | None:
    moving = pool.moving(only=leg.listed.id)
    if moving is None or leg.units > ZERO:
        return None
    distance = moving.distance()
    return Liquidation(LiquidationBounds(low=None, high=None if distance == INFINITE else mark * (ONE + distance)), distance)


def _told(bounds: LiquidationBounds | None, mark: Decimal) -> Liquidation | None:
    return None if bounds is None else Liquidation(bounds, bounds.distance(mark))
