"""What is held, each coin once: collateral where sources see it, and coin equity in the accounts at venues.

What lies outside the accounts is told in `collateral`; what a custodian delegated to an account counts at the custodian, and the account
adds the rest. The account of a venue where nothing is configured or open any more counts no more: nobody reads it again.

Coin equity is told at some instant, beside inverse positions of that instant. The price moves both, and together it moves nothing:

    equity(P) = equity told + sum of n x (1 / P told - 1 / P)      n quote units told with it (short < 0), P the mark of now
              = wallet told + sum of n x (1 / entry - 1 / P)       where the account does not tell its equity
                            + sum of d x (1 / p - 1 / P)           d what the record moved since by orders of ours, p near their fills

so that equity(P) + n / P, the delta, is the same at every P, also when the price runs away between a fill and the next reading. Equity
goes with marks and wallet with entries; never mixed. Both come from one complete reading of the venue: figures of two instants would be
off by what the price did between them.
(Binance COIN-M, BitMEX: PnL in coin = n x (1 / entry - 1 / mark), n = contracts x contract size.)
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from bot.core import custody
from bot.core.collateral import (
    accounts,
    collateral,
    come_unseen,
    counted_holdings,
    in_usd,
    is_dust,
    most_of_place,
    nothing_is_told,
    stable_holdings,
    stable_holdings_at_most,
    told_at_least,
    unknown_assets,
)
from bot.core.lasting import lasting
from bot.core.marks import dollars, hedged_as, hedged_assets, valuation_mark
from bot.core.policy import Policy
from bot.core.records import Ledger, VenueRecord
from bot.core.redemption import redemption_rate
from bot.core.reports import MarginReport, PositionReport
from bot.core.units import ZERO, Asset, Range, VenueId


@lasting
def coin_equity(ledger: Ledger, policy: Policy, asset: Asset) -> Decimal | None:
    """Base units of an asset in our accounts at venues, unrealised PnL included, at the marks of now; None while a part is unknown.

    Dust that no rate is known of counts as nothing.
    """
    total = ZERO
    for venue in accounts(ledger, policy):
        part = coin_equity_at(ledger, policy, venue, asset)
        if part is None:
            return None
        total += part
    return total


@lasting
def coin_equity_at(ledger: Ledger, policy: Policy, venue: VenueId, asset: Asset) -> Decimal | None:
    """The same at one venue. An account that nobody told is empty, unless an inverse position is settled in it: then it is unknown."""
    record = ledger.venues.get(venue) or VenueRecord()
    needed = _settled_in_coin(ledger, policy).get(venue, frozenset())
    if needed and any(hedged_as(policy, settle) == asset and settle not in record.equity_told for settle in needed):
        return None
    total = ZERO
    for told in record.equity_told.values():
        if hedged_as(policy, told.asset) != asset:
            continue
        coins = _equity_now(ledger, policy, record, told)
        if coins is None:
            return None
        coins -= custody.delegated_at(ledger, policy, venue).get(told.asset, ZERO)
        rate = redemption_rate(ledger, policy, told.asset)
        if rate is None and not is_dust(ledger, policy, asset, coins):
            return None
        total += coins * (rate or ZERO)
    return total


@lasting
def unrated_in_accounts(ledger: Ledger, policy: Policy, asset: Asset) -> tuple[tuple[VenueId, Asset, Decimal], ...]:
    """What accounts tell of tokens that are hedged as an asset and that no redemption rate was told of: venue, token, how many."""
    found: list[tuple[VenueId, Asset, Decimal]] = []
    for venue in accounts(ledger, policy):
        record, delegated = ledger.venues[venue], custody.delegated_at(ledger, policy, venue)
        for told in record.equity_told.values():
            if hedged_as(policy, told.asset) == asset and redemption_rate(ledger, policy, told.asset) is None:
                tokens = (_equity_now(ledger, policy, record, told) or ZERO) - delegated.get(told.asset, ZERO)
                found += [(venue, told.asset, tokens)] if tokens != ZERO else []
    return tuple(found)


@lasting
def _settled_in_coin(ledger: Ledger, _: Policy) -> Mapping[VenueId, frozenset[Asset]]:
    """The settle assets of inverse perpetuals that carry a position or an open order, by venue."""
    found: dict[VenueId, frozenset[Asset]] = {}
    for instrument in ledger.occupied:
        listed = ledger.instruments.get(instrument)
        if listed is not None and listed.is_inverse:
            found[listed.venue] = found.get(listed.venue, frozenset()) | {listed.settle}
    return found


def _equity_now(ledger: Ledger, policy: Policy, record: VenueRecord, told: MarginReport) -> Decimal | None:
    """One account's coins at the marks of now: equity beside marks, else wallet beside entries, else unknown (None)."""
    held = [p for p in record.inverse_told.values() if p.quantity != ZERO and _settles_in(ledger, p, told.asset)]
    equity = told.equity if told.is_account_wide else told.margin_balance
    moved = sum((_moved_since(ledger, policy, p) for p in record.inverse_told.values() if _settles_in(ledger, p, told.asset)), ZERO)
    if equity is not None and all(p.mark_price for p in held):
        return _restated(ledger, policy, equity + moved, [(p, p.mark_price) for p in held])
    if told.wallet_balance is not None:
        return _restated(ledger, policy, told.wallet_balance + moved, [(p, p.entry_price) for p in held])
    return None


def _moved_since(ledger: Ledger, policy: Policy, told: PositionReport) -> Decimal:
    """Coins that what was executed since a reading has earned by now: at about the middle of the book of the newest order that did it, or
    at its price where a fill of since then was no order's of ours (deleveraging is told with its price, which may be far from our mark).

    What no fill told of counts at the mark: the next reading tells it.
    """
    position, now = ledger.positions.get(told.instrument), valuation_mark(ledger, policy, told.instrument)
    moved = ZERO if position is None else position.quantity - told.quantity
    if position is None or moved == ZERO or not now:
        return ZERO
    order = next((o for o in reversed(ledger.orders_of(told.instrument)) if o.filled * moved > ZERO), None)
    foreign = position.foreign_fill
    if foreign is not None and foreign.quantity * moved > ZERO and (order is None or order.placed_at <= foreign.at):
        return moved / foreign.price - moved / now
    return ZERO if order is None else moved / (order.arrival_mid or order.price) - moved / now


def _settles_in(ledger: Ledger, told: PositionReport, asset: Asset) -> bool:
    """Whether a position's PnL is in an asset; of an instrument that is not described, it may be."""
    listed = ledger.instruments.get(told.instrument)
    return listed is None or (listed.is_inverse and listed.settle == asset)


def _restated(ledger: Ledger, policy: Policy, coins: Decimal, positions: list[tuple[PositionReport, Decimal | None]]) -> Decimal | None:
    for told, before in positions:
        now = valuation_mark(ledger, policy, told.instrument)
        if not now or not before or told.instrument not in ledger.instruments:
            return None
        coins += told.quantity / before - told.quantity / now
    return coins


@lasting
def held(ledger: Ledger, policy: Policy, asset: Asset) -> Range | None:
    """Base units of an asset that we hold: collateral and coin equity at venues; what the shorts stand against. None while unknown."""
    outside, inside = collateral(ledger, policy, asset), coin_equity(ledger, policy, asset)
    moving = _in_flight(ledger, policy, asset)
    return None if outside is None or inside is None or moving is None else outside + Range.exactly(inside) + moving


def _in_flight(ledger: Ledger, policy: Policy, asset: Asset) -> Range | None:
    """Base units of an asset that accounts may hold less or more than they told, because a custodian delegated or took back lately."""
    total = Range.exactly(ZERO)
    for venue in accounts(ledger, policy) if ledger.mirrored else ():
        for coin in ledger.venues[venue].equity_told:
            if hedged_as(policy, coin) != asset:
                continue
            less, more = custody.in_flight(ledger, policy, venue, coin)
            rate = redemption_rate(ledger, policy, coin) if less or more else ZERO
            if rate is None:
                return None
            total = total + Range(less, more).times(rate)
    return total


@lasting
def settle_exposure(ledger: Ledger, policy: Policy) -> Mapping[Asset, Decimal]:
    """How long the book is of each stablecoin: what venues hold of it for us, unrealised PnL included, where told, less what a custodian
    mirrors there, and what may be held of it as collateral, at the most.

    Of an account that is told as a whole with each of several assets, each asset's own equity counts, or its wallet; where neither is told
    of one, the account counts once, under the first asset by name.
    """
    total: dict[Asset, Decimal] = dict(stable_holdings_at_most(ledger, policy))
    for venue in accounts(ledger, policy):
        told = ledger.venues[venue].margins.values()
        reports = sorted((m for m in told if m.asset in dollars(ledger, policy)), key=lambda m: m.asset)
        wide = [m for m in reports if m.is_account_wide]
        parts = [(m.asset, m.margin_balance) for m in reports if not m.is_account_wide]
        own = [(m.asset, m.wallet_balance if m.equity is None else m.equity) for m in wide]
        if any(m.equity is not None for m in wide) or (len(wide) > 1 and all(coins is not None for _, coins in own)):
            parts += own
        else:
            parts += [(m.asset, m.margin_balance) for m in wide[:1]]
        for asset, quantity in parts:
            if quantity is not None:
                total[asset] = total.get(asset, ZERO) + quantity
        for delegation in custody.delegations_at(ledger, policy, venue):
            if any(asset == delegation.told.asset and quantity is not None for asset, quantity in parts):
                total[delegation.told.asset] -= delegation.told.delegated
    return total


@lasting
def net_asset_value(ledger: Ledger, policy: Policy) -> Decimal | None:
    """USD of all that is ours: collateral and the balances at venues, each coin once, a stablecoin taken for one dollar.

    Unrealised PnL is in the balances. None while a part is unknown.
    """
    if unknown_assets(ledger, policy):
        return None
    balances = [balance_usd(ledger, policy, venue) for venue in accounts(ledger, policy)]
    return None if any(b is None for b in balances) else known_asset_value(ledger, policy)


@lasting
def known_asset_value(ledger: Ledger, policy: Policy) -> Decimal | None:
    """The same without what is not known, nor what came, if at all, with hedges of others: a share of it is never told too small.

    None while every asset waits for a source.
    """
    if nothing_is_told(ledger, policy):
        return None
    total = ZERO
    for asset in hedged_assets(policy):
        outside = collateral(ledger, policy, asset)
        counted = told_at_least(ledger, policy, asset) if outside is None else outside.middle - come_unseen(ledger, policy, asset) / 2
        value = in_usd(ledger, policy, asset, counted)
        if value is None:
            return None
        total += value
    total += sum(stable_holdings(ledger, policy).values(), ZERO)
    return sum((balance_usd(ledger, policy, venue) or ZERO for venue in accounts(ledger, policy)), total)


def worth(ledger: Ledger, policy: Policy, asset: Asset, quantity: Decimal) -> Decimal | None:
    """USD of units of any asset: a stablecoin's are dollars, a coin's count at redemption rate and mark. None for anything else."""
    if quantity == ZERO or asset in dollars(ledger, policy):
        return quantity
    rate = redemption_rate(ledger, policy, asset)
    return None if rate is None else in_usd(ledger, policy, hedged_as(policy, asset), quantity * rate)


@lasting
def standing_at(ledger: Ledger, policy: Policy, venue: VenueId) -> Decimal | None:
    """USD of all that stands at a venue: what its account adds, and collateral that a source sees there, also in its wallets
    (`VENUE.WALLET`), at the most. None while unknown."""
    total = balance_usd(ledger, policy, venue)
    for holding in counted_holdings(ledger, policy):
        if holding.location.partition(".")[0] == venue and total is not None:
            value = worth(ledger, policy, holding.asset, most_of_place(ledger, policy, holding))
            total = None if value is None else total + value
    return total


@lasting
def balance_usd(ledger: Ledger, policy: Policy, venue: VenueId) -> Decimal | None:
    """USD of what a venue's account adds to the collateral: its balance less what a custodian delegated to it. None while unknown.

    Of an account told as a whole each asset's own equity counts, because the whole holds collateral that a source tells as well; where
    equity is not told, the whole does.
    """
    record = ledger.venues.get(venue)
    if record is None or not record.margins:
        return None
    delegated = custody.delegated_at(ledger, policy, venue)
    wide = [m for m in record.margins.values() if m.is_account_wide]
    is_whole = any(m.equity is None for m in wide)
    total: Decimal | None = ZERO
    if is_whole:  # copies told at different instants: the worse one
        told = [m.margin_balance for m in wide if m.margin_balance is not None]
        total = min(told) if len(told) == len(wide) else None
    own = {m.asset for m in record.margins.values() if not (is_whole and m.is_account_wide)}
    for asset in own | (set(delegated) if wide else set()):
        value = _own_usd(ledger, policy, record, asset, delegated.get(asset, ZERO), is_whole=is_whole)
        total = None if total is None or value is None else total + value
    return total


def _own_usd(ledger: Ledger, policy: Policy, record: VenueRecord, asset: Asset, delegated: Decimal, *, is_whole: bool) -> Decimal | None:
    """USD of one asset's own balance less what was delegated of it; of an account that counts as a whole only the latter."""
    told = record.margins.get(asset)
    balance = None if told is None else told.equity if told.is_account_wide else told.margin_balance
    if told is None or (told.is_account_wide and is_whole):
        balance = ZERO
    elif balance != ZERO and asset in record.equity_told and asset not in dollars(ledger, policy):
        balance = _equity_now(ledger, policy, record, record.equity_told[asset])
    return None if balance is None else worth(ledger, policy, asset, balance - delegated)
