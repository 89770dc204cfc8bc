"""What is held, each coin once: collateral where sources see it, and coin equity in the accounts at venues.

Each asset at each location has one source that is believed. Where the configuration names none and several tell of it, the least counts
for certain and the most for possible. What was merely announced, and what is leaving, counts as `claims` tells.

Collateral of an asset is unknown (None) until every configured source has spoken in this run, and while a holding lacks a
redemption rate. What was told too long ago stays, and is known as a range (`staleness`). Only what configured sources told counts: a source
that was taken out of the configuration, or renamed, will never take back what it said last. So it is with the account of a venue where
nothing is configured or open any more. A holding at a venue whose account tells that coin is the account's, not collateral; what a
custodian delegated to an account counts at the custodian, and the account adds the rest.

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

from bot.core import custody, staleness
from bot.core.claim_terms import place
from bot.core.claims import place_records
from bot.core.lasting import lasting
from bot.core.marks import dollars, hedged_as, hedged_assets, mark_of_asset, valuation_mark, venues_in_book
from bot.core.policy import Policy
from bot.core.records import Holding, Ledger, VenueRecord
from bot.core.redemption import rate_of, rated_by, redemption_rate
from bot.core.reports import MarginReport, PositionReport
from bot.core.units import ONE, ZERO, Asset, Range, VenueId


@lasting
def counted_holdings(ledger: Ledger, policy: Policy) -> tuple[Holding, ...]:
    """What is certain of assets that are hedged, each place once, without the coins that an account at a venue tells of itself."""
    told = (min(_of_place(holdings), key=lambda h: h.quantity) for holdings in _told_of_places(ledger, policy).values())
    return tuple(h for h in told if h.asset in policy.collateral_assets)


@lasting
def stable_holdings(ledger: Ledger, policy: Policy) -> Mapping[Asset, Decimal]:
    """What is certain of each stablecoin held as collateral, each place once: no delta, but a part of the stable sleeve.

    What a custodian mirrors at venues as margin counts here whether the policy names it or not, because the accounts add the rest alone.
    """
    total: dict[Asset, Decimal] = {}
    mirrored = {(source, asset) for source, _, asset in ledger.mirrored if asset in dollars(ledger, policy)}
    for (asset, _), told in _told_of_places(ledger, policy).items():
        if asset in policy.stables or any((h.source, asset) in mirrored for h in told):
            total[asset] = total.get(asset, ZERO) + min(h.quantity for h in told)
    return total


@lasting
def certain_holdings(ledger: Ledger, policy: Policy) -> tuple[Holding, ...]:
    """What is certain of every asset that counts as collateral, stablecoins included, each place once."""
    told = (min(_of_place(holdings), key=lambda h: h.quantity) for holdings in _told_of_places(ledger, policy).values())
    return tuple(h for h in told if h.asset in policy.collateral_assets or h.asset in policy.stables)


@lasting
def confirmed_totals(ledger: Ledger, policy: Policy) -> Mapping[Asset, Decimal]:
    """What is certain of each asset that counts as collateral, stablecoins included, in its own units, all places together."""
    total = dict(stable_holdings(ledger, policy))
    for holding in counted_holdings(ledger, policy):
        total[holding.asset] = total.get(holding.asset, ZERO) + holding.quantity
    return total


@lasting
def _told_of_places(ledger: Ledger, policy: Policy) -> Mapping[tuple[Asset, str], tuple[Holding, ...]]:
    """What configured sources told of each place: the source that is believed alone, where the configuration names one."""
    found: dict[tuple[Asset, str], tuple[Holding, ...]] = {}
    for holding in ledger.holdings.values():
        named = policy.claims.authorities.get(place(holding.asset, holding.location))
        counts = holding.source in policy.collateral_sources and named in (None, holding.source)
        if counts and not _is_in_account(ledger, policy, holding):
            found[holding.asset, holding.location] = (*found.get((holding.asset, holding.location), ()), holding)
    return found


def _of_place(told: tuple[Holding, ...]) -> tuple[Holding, ...]:
    """Of several words on one place those with a rate, as far as there are such: a rate holds for whoever tells the quantity."""
    rated = tuple(h for h in told if h.redemption_rate is not None)
    return rated or told


def _is_in_account(ledger: Ledger, policy: Policy, holding: Holding) -> bool:
    """Whether an account that counts tells the coin itself."""
    venue = VenueId(holding.location)
    return venue in accounts(ledger, policy) and holding.asset in ledger.venues[venue].equity_told


def all_sources_spoke(ledger: Ledger, policy: Policy) -> bool:
    """Whether every configured source has told all it has in this run."""
    return policy.collateral_sources <= ledger.sources_confirmed_at.keys()


@lasting
def collateral(ledger: Ledger, policy: Policy, asset: Asset) -> Range | None:
    """Base units of an asset held as collateral, every location and every form of it; None while unknown."""
    if not all_sources_spoke(ledger, policy):
        return None
    total, possible, less = ZERO, ZERO, ZERO
    for holding in counted_holdings(ledger, policy):
        if policy.collateral_assets[holding.asset] != asset:
            continue
        most = max(h.quantity for h in _told_of_places(ledger, policy)[holding.asset, holding.location])
        if most == ZERO:
            continue  # nothing of it is nothing at any rate
        rate = rate_of(ledger, policy, holding)
        if rate is None:
            return None
        total += holding.quantity * rate
        possible += (most - holding.quantity) * rate
        doubted = staleness.doubt(ledger, policy, holding, rated_by(ledger, policy, holding))
        if doubted:
            less, possible = less + holding.quantity * rate * doubted, possible + most * rate * doubted
    certain, uncertain = announced(ledger, policy, asset)
    return Range(total + certain - less, total + certain + possible + uncertain)


@lasting
def announced(ledger: Ledger, policy: Policy, asset: Asset) -> tuple[Decimal, Decimal]:
    """Base units that announcements add for certain (< 0: they end), and those that they may add beside. Without a rate, nothing.

    Where the source that would confirm them is silent, both what may come and what may have left is possible and nothing is certain: what
    was hedged before it fell silent stays, and nothing is traded on what is announced while it is.
    """
    certain, uncertain = ZERO, ZERO
    if not ledger.claims:
        return certain, uncertain
    for record in place_records(ledger, policy):
        is_counted = policy.collateral_assets.get(record.asset) == asset and (record.pending or record.leaving)
        rate = redemption_rate(ledger, policy, record.asset) if is_counted else None
        if rate is not None and staleness.unheard(ledger, policy, record.source) is not None:
            certain -= record.leaving * rate
            uncertain += (record.leaving + (record.pending if policy.claims.hedge_share else ZERO)) * rate
        elif rate is not None:
            certain += (record.counted - record.confirmed) * rate
            uncertain += record.pending * (ONE - policy.claims.hedge_share) * rate if policy.claims.hedge_share else ZERO
    return certain, uncertain


@lasting
def accounts(ledger: Ledger, policy: Policy) -> tuple[VenueId, ...]:
    """The venues whose word on our account counts, sorted: those that were heard of, and where an instrument counts."""
    return tuple(venue for venue in venues_in_book(ledger, policy) if venue in ledger.venues)


@lasting
def coin_equity(ledger: Ledger, policy: Policy, asset: Asset) -> Decimal | None:
    """Base units of an asset in our accounts at venues, unrealised PnL included, at the marks of now; None while a part is unknown."""
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
    if any(hedged_as(policy, settle) == asset and settle not in record.equity_told for settle in needed):
        return None
    total = ZERO
    for told in record.equity_told.values():
        if hedged_as(policy, told.asset) != asset:
            continue
        coins = _equity_now(ledger, policy, record, told)
        if coins is None:
            return None
        coins -= custody.delegated_at(ledger, policy, venue).get(told.asset, ZERO)
        rate = ZERO if coins == ZERO else redemption_rate(ledger, policy, told.asset)
        if rate is None:
            return None
        total += coins * rate
    return total


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
    """Coins that what was executed since a reading has earned by now: at about the middle of the book of the newest order that did it.

    What no order of ours did counts at the mark: the next reading tells it.
    """
    position, now = ledger.positions.get(told.instrument), valuation_mark(ledger, policy, told.instrument)
    moved = ZERO if position is None else position.quantity - told.quantity
    if moved == ZERO or not now:
        return ZERO
    ours = (o for o in reversed(ledger.orders_of(told.instrument)) if o.filled * moved > ZERO)
    order = next(ours, None)
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
    mirrors there, and what is held of it as collateral.

    Of an account that is told as a whole with each of several assets, each asset's own equity counts, or its wallet; where neither is told
    of one, the account counts once, under the first asset by name.
    """
    total: dict[Asset, Decimal] = dict(stable_holdings(ledger, policy))
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
    balances = [balance_usd(ledger, policy, venue) for venue in accounts(ledger, policy)]
    return None if any(b is None for b in balances) else known_asset_value(ledger, policy)


@lasting
def known_asset_value(ledger: Ledger, policy: Policy) -> Decimal | None:
    """The same without the venues of which it is not known: a share of it is never told too small. None while collateral is unknown."""
    total = ZERO
    for asset in hedged_assets(policy):
        outside = collateral(ledger, policy, asset)
        value = None if outside is None else in_usd(ledger, policy, asset, outside.middle)
        if value is None:
            return None
        total += value
    total += sum(stable_holdings(ledger, policy).values(), ZERO)
    return sum((balance_usd(ledger, policy, venue) or ZERO for venue in accounts(ledger, policy)), total)


def in_usd(ledger: Ledger, policy: Policy, asset: Asset, quantity: Decimal) -> Decimal | None:
    """USD of base units of an asset at its mark; nothing is worth nothing. None without a mark."""
    if quantity == ZERO:
        return ZERO
    mark = mark_of_asset(ledger, policy, asset)
    return None if mark is None else quantity * mark


def worth(ledger: Ledger, policy: Policy, asset: Asset, quantity: Decimal) -> Decimal | None:
    """USD of units of any asset: a stablecoin's are dollars, a coin's count at redemption rate and mark. None for anything else."""
    if quantity == ZERO or asset in dollars(ledger, policy):
        return quantity
    rate = redemption_rate(ledger, policy, asset)
    return None if rate is None else in_usd(ledger, policy, hedged_as(policy, asset), quantity * rate)


@lasting
def standing_at(ledger: Ledger, policy: Policy, venue: VenueId) -> Decimal | None:
    """USD of all that stands at a venue: what its account adds, and collateral that a source sees there, also in its wallets
    (`VENUE.WALLET`). None while unknown."""
    total = balance_usd(ledger, policy, venue)
    for holding in counted_holdings(ledger, policy):
        if holding.location.partition(".")[0] == venue and total is not None:
            value = worth(ledger, policy, holding.asset, holding.quantity)
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
