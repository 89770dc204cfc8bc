"""What stands in the way of an increase beside its own quantity: a market too thin, a coin off its peg, capital in one place.

Each is a condition that the target sees as an obstacle (what is carried stays, nothing is added) and that the last gate asks again. They
never stand in the way of a reduction, and a staked token off its peg not even of the hedging of what is held.

    eligibility         open interest in USD at least `open_interest_min`, USD shown at the touch on both sides together at least
                        `touch_notional_min` (untold: none), spread over mid at most `spread_max`
    stablecoin depeg    what an instrument is quoted and settled in, against one dollar: `references`
    settle exposure     what the book owns of one stablecoin / all that it owns
    issuer exposure     the same of all coins of one issuer, and against a limit of its own in USD
    collateral share    a venue's margin balance / all that the book owns
    unsettled profit    (equity - delegated) / all that the book owns; of what no custodian mirrors, unrealised profit is told only
    exposure at risk    (unsettled profit + its growth until the next settlement, 99 % - posted by the venue) / all that the book owns
    settlement          one that went wrong, is late, or is told in contradiction
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from functools import lru_cache

from bot.core import custody, exposure, holdings, reserve
from bot.core.allowances import of_issuer as issuer_exposure
from bot.core.allowances import open_interest_usd
from bot.core.collateral import unheard_of
from bot.core.instrument import ContractKind
from bot.core.lasting import lasting
from bot.core.limit_table import WARN_PART
from bot.core.limits import Breach, Effect, Limit
from bot.core.lookups import of_policy
from bot.core.policy import Policy
from bot.core.records import Delegation, Ledger, ReferencePrice
from bot.core.units import ONE, ZERO, Asset, InstrumentId, Millis, VenueId, is_recent

DOLLAR = Asset("USD")
_OLD = {
    Limit.STABLECOIN_DEPEG: "ms since its price was told: nothing increases that settles in it until a source tells it again",
    Limit.STAKED_DEPEG: "ms since its price was told",
}


@lasting
def eligibility_breach(ledger: Ledger, policy: Policy, instrument: InstrumentId) -> Breach | None:
    """Why an instrument's market takes no increase, or None."""
    told = open_interest_usd(ledger, policy, instrument)
    if told is None or told < policy.open_interest_min:
        return Breach(Limit.ELIGIBILITY, instrument, told, policy.open_interest_min, "USD of open interest")
    quote = ledger.quotes.get(instrument)
    if quote is None or not ZERO < quote.bid < quote.ask:
        return None  # that nothing can be priced there is told by itself
    spread = (quote.ask - quote.bid) * 2 / (quote.ask + quote.bid)
    if spread > policy.spread_max:
        return Breach(Limit.ELIGIBILITY, instrument, spread, policy.spread_max, "spread over mid")
    shown = (quote.bid_quantity or ZERO) * quote.bid + (quote.ask_quantity or ZERO) * quote.ask
    if shown < policy.touch_notional_min:
        return Breach(Limit.ELIGIBILITY, instrument, shown, policy.touch_notional_min, "USD shown at the touch")
    return None


def rank_breach(ledger: Ledger, policy: Policy, instrument: InstrumentId) -> Breach | None:
    """Whether we are near the front of a venue's queue of auto-deleveraging: people are told, and the instrument is a last resort."""
    record = ledger.venues.get(ledger.venue_of(instrument))
    rank = None if record is None else record.deleveraging_ranks.get(instrument)
    if rank is None or rank < policy.deleveraging_rank_max:
        return None
    return Breach(Limit.DELEVERAGING_RANK, instrument, rank, policy.deleveraging_rank_max, "0 safe, 1 next", Effect.TELLS)


def stables_of(ledger: Ledger, instrument: InstrumentId) -> tuple[Asset, ...]:
    """The stablecoins that an instrument is quoted and settled in, sorted; none for a coin-margined one in dollars."""
    listed = ledger.instruments[instrument]
    return _stables_of(listed.kind, listed.base, listed.quote, listed.settle)


@lru_cache(maxsize=1_024)
def _stables_of(kind: ContractKind, base: Asset, quote: Asset, settle: Asset) -> tuple[Asset, ...]:
    coins = {quote, settle} if kind is ContractKind.LINEAR else {quote}
    return tuple(sorted(coins - {DOLLAR, base}))


def stables_in_book(ledger: Ledger, policy: Policy) -> tuple[Asset, ...]:
    """Every stablecoin that an instrument in the book is quoted or settled in, sorted."""
    listed = (i for i in exposure.instruments_in_book(ledger, policy) if i in ledger.instruments)
    return tuple(sorted({coin for i in listed for coin in stables_of(ledger, i)}))


@exposure.once
def stablecoin_breach(ledger: Ledger, policy: Policy, coin: Asset, now: Millis) -> Breach | None:
    """How far a stablecoin is below its dollar, if too far; that its price grew old; or that nobody has ever told one (told only)."""
    return _peg_breach(
        Limit.STABLECOIN_DEPEG, ledger.references.get(coin), coin, policy, now, policy.stablecoin_depeg_warn, policy.stablecoin_depeg_max
    )


def staked_breach(ledger: Ledger, policy: Policy, token: Asset, now: Millis) -> Breach | None:
    """How far a staked token's market price is below what it redeems for. Beyond the limit new deployment is refused, and told.

    It blocks no hedge: what is held stays hedged at the redemption rate (DESIGN section 5).
    """
    found = _staked_breach(ledger, policy, token, now)
    if found is None or found.effect is Effect.TELLS:
        return found
    return replace(found, detail=f"new deployment is refused: {found.detail}", effect=Effect.TELLS)


def deployment_refusals(ledger: Ledger, policy: Policy, asset: Asset, now: Millis) -> tuple[Breach, ...]:
    """Why no more of an asset should be deployed: a staked token hedged as it is off its peg, or its price grew old; sorted by token."""
    tokens = (token for token in staked_tokens(policy) if policy.collateral_assets[token] == asset)
    return _blocking(*(_staked_breach(ledger, policy, token, now) for token in tokens))


def _staked_breach(ledger: Ledger, policy: Policy, token: Asset, now: Millis) -> Breach | None:
    told, warn, most = ledger.references.get(token), policy.staked_depeg_warn, policy.staked_depeg_max
    return _peg_breach(Limit.STAKED_DEPEG, told, token, policy, now, warn, most)


def _peg_breach(
    limit: Limit, told: ReferencePrice | None, coin: Asset, policy: Policy, now: Millis, warn: Decimal, most: Decimal
) -> Breach | None:
    if told is None:
        return Breach(limit, coin, None, None, "not watched: no reference price was ever told", Effect.TELLS)
    if not is_recent(now, told.observed_at, policy.reference_age_max_ms):
        return Breach(limit, coin, Decimal(now - told.observed_at), Decimal(policy.reference_age_max_ms), _OLD[limit])
    below = ONE - told.price
    if below > most:
        return Breach(limit, coin, below, most, "below its peg")
    return Breach(limit, coin, below, warn, "below its peg", Effect.TELLS) if below > warn else None


@of_policy
def staked_tokens(policy: Policy) -> tuple[Asset, ...]:
    """The collateral that is hedged as another asset, sorted."""
    return tuple(sorted(held for held, hedge in policy.collateral_assets.items() if held != hedge))


@lasting
def settle_exposure_breach(ledger: Ledger, policy: Policy, coin: Asset) -> Breach | None:
    """Why nothing may increase that settles in a stablecoin: too much of what the book owns is in it, or it is not known how much."""
    unknown = _unknown_coin(ledger, policy, coin)
    if unknown is not None:
        return unknown
    held = holdings.settle_exposure(ledger, policy).get(coin)
    return _share_breach(Limit.SETTLE_EXPOSURE, coin, held, holdings.known_asset_value(ledger, policy), policy.settle_exposure_max)


@exposure.once
def issuer_breach(ledger: Ledger, policy: Policy, coin: Asset) -> Breach | None:
    """Why nothing may increase that settles in a stablecoin: too much of what the book owns is in the coins of its issuer, or of one of
    them it is not known how much."""
    issuer = policy.issuers.get(coin)
    coins = sorted(each for each, name in policy.issuers.items() if name == issuer)
    unknown = next((b for each in coins if (b := _unknown_coin(ledger, policy, each)) is not None), None)
    if unknown is not None:
        return unknown
    cap = None if issuer is None else issuer_exposure(ledger, policy, issuer)
    return None if cap is None or cap.used is None or cap.allowed is None else cap.breach_of(ZERO)


def _unknown_coin(ledger: Ledger, policy: Policy, coin: Asset) -> Breach | None:
    """That a source may tell of a stablecoin, and nothing is known of the source: what nobody has told is not zero."""
    sources = unheard_of(ledger, policy, coin)
    words = f"nothing is known yet of {', '.join(sources)}, and it may be held there"
    return Breach(Limit.COLLATERAL_UNKNOWN, coin, None, None, words) if sources else None


@lasting
def collateral_share_breach(ledger: Ledger, policy: Policy, venue: VenueId) -> Breach | None:
    """Why a venue takes no increase: too much of what the book owns stands there."""
    there, owned = holdings.standing_at(ledger, policy, venue), holdings.known_asset_value(ledger, policy)
    return _share_breach(Limit.COLLATERAL_SHARE, venue, there, owned, policy.collateral_share_max)


@lasting
def unsettled_breach(ledger: Ledger, policy: Policy, venue: VenueId) -> Breach | None:
    """Whether a venue owes too much beyond what was delegated to it; where nothing is delegated, its unrealised profit is told only."""
    owed, owned = unsettled_usd(ledger, policy, venue), holdings.known_asset_value(ledger, policy)
    found = _share_breach(Limit.UNSETTLED_PROFIT, venue, owed, owned, policy.unsettled_profit_max)
    return found if found is None or custody.delegated_at(ledger, policy, venue) else replace(found, effect=Effect.TELLS)


def unsettled_usd(ledger: Ledger, policy: Policy, venue: VenueId) -> Decimal | None:
    """USD that a venue owes us (> 0): equity beyond what was delegated, or, of an asset of which nothing was, beyond the wallet balance.

    A stablecoin is taken for one dollar. None while a part is unknown.
    """
    record, delegated = ledger.venues.get(venue), custody.delegated_at(ledger, policy, venue)
    total = ZERO
    for told in () if record is None else record.margins.values():
        equity = told.equity if told.is_account_wide or told.equity is not None else told.margin_balance
        part = reserve.unsettled(equity, delegated.get(told.asset, told.wallet_balance))
        value = None if part is None else holdings.worth(ledger, policy, told.asset, part)
        if value is None:
            return None
        total += value
    return total


def exposure_at_risk_breach(ledger: Ledger, policy: Policy, venue: VenueId, now: Millis) -> Breach | None:
    """Whether a venue that a custodian mirrors may come to owe too much until the next settlement."""
    risked, owned = exposure_at_risk_usd(ledger, policy, venue, now), holdings.known_asset_value(ledger, policy)
    return _share_breach(Limit.EXPOSURE_AT_RISK, venue, risked, owned, policy.exposure_at_risk_max)


def exposure_at_risk_usd(ledger: Ledger, policy: Policy, venue: VenueId, now: Millis) -> Decimal | None:
    """USD that would be lost if the venue failed just before the next settlement, 99 times in 100 at most; zero where nobody mirrors.

    Unsettled profit as it is now, and how far it may grow on all positions there, less what the venue posted with the custodian. Until the
    last of several custodians has settled; one that went wrong waits for one more cycle. None while a part is unknown.
    """
    here = tuple(custody.delegations_at(ledger, policy, venue))
    if not here:
        return ZERO
    owed, notional = unsettled_usd(ledger, policy, venue), exposure.venue_notional(ledger, policy, venue)
    if owed is None or notional is None:
        return None
    grown = reserve.exposure_at_risk(notional, policy.settlement_volatility, max(_until_settled(policy, d, now) for d in here))
    posted = (holdings.worth(ledger, policy, d.told.asset, d.told.posted or ZERO) or ZERO for d in here)
    return reserve.loss_if_venue_fails(max(ZERO, owed) + grown, sum(posted, ZERO))


def _until_settled(policy: Policy, delegation: Delegation, now: Millis) -> Millis:
    due_at = delegation.told.next_settlement_at
    wait = policy.settlement_interval_max_ms if due_at is None else max(0, due_at - now)
    return wait + (policy.settlement_interval_max_ms if delegation.told.state in custody.WENT_WRONG else 0)


def settlement_breach(ledger: Ledger, policy: Policy, venue: VenueId, now: Millis) -> Breach | None:
    """Whether a settlement with a venue went wrong, is overdue, or is told in contradiction."""
    for delegation in custody.delegations_at(ledger, policy, venue):
        told, what = delegation.told, f"settlement {delegation.told.cycle} of {delegation.told.asset}"
        if told.state in custody.WENT_WRONG:
            return Breach(Limit.SETTLEMENT, venue, None, None, f"{what} is {told.state.value}")
        if delegation.is_disputed:
            return Breach(Limit.SETTLEMENT, venue, None, None, f"{what} is told in contradiction: {told.state.value}")
        late = 0 if told.next_settlement_at is None else now - told.next_settlement_at
        if late > policy.settlement_delay_max_ms:
            return Breach(Limit.SETTLEMENT, venue, Decimal(late), Decimal(policy.settlement_delay_max_ms), f"ms that {what} is late")
    return None


def _share_breach(limit: Limit, subject: str, part: Decimal | None, whole: Decimal | None, most: Decimal) -> Breach | None:
    """A part of what the book owns beyond its limit, or nearly (told only). What is not known stands in the way elsewhere.

    A venue that has told nothing counts as nothing of the whole: else one that never opened would switch these limits off everywhere.
    """
    if part is None or whole is None or part <= ZERO or part < whole * most * WARN_PART:
        return None
    effect = Effect.BLOCKS if part > whole * most else Effect.TELLS
    return Breach(limit, subject, part / whole if whole > ZERO else part, most, "of all that the book owns", effect)


def reserve_breach(ledger: Ledger, policy: Policy) -> Breach | None:
    """Whether the reserve would not bear a day's unwind; that there is none is told as well."""
    gross = exposure.gross_notional(ledger, policy)
    if policy.reserve_fund_usd == ZERO:
        return Breach(Limit.RESERVE_COVERAGE, "book", None, policy.reserve_coverage_min, "no reserve is told", Effect.TELLS)
    need = None if gross is None else gross * policy.reserve_need_rate
    covered = reserve.coverage(policy.reserve_fund_usd, need)
    if covered is None or covered >= policy.reserve_coverage_min:
        return None
    return Breach(Limit.RESERVE_COVERAGE, "book", covered, policy.reserve_coverage_min, "reserve over need", Effect.TELLS)


def of_instrument(ledger: Ledger, policy: Policy, instrument: InstrumentId, now: Millis) -> tuple[Breach, ...]:
    """Why one listed instrument takes no increase by its market, its coins, or because its name was taken off; empty when it does."""
    market = eligibility_breach(ledger, policy, instrument)
    found = () if market is None else _blocking(market)
    for coin in stables_of(ledger, instrument):
        found += _of_coin(ledger, policy, coin, now)
    return found


@exposure.once
def _of_coin(ledger: Ledger, policy: Policy, coin: Asset, now: Millis) -> tuple[Breach, ...]:
    return _blocking(
        stablecoin_breach(ledger, policy, coin, now), settle_exposure_breach(ledger, policy, coin), issuer_breach(ledger, policy, coin)
    )


def of_venue(ledger: Ledger, policy: Policy, venue: VenueId, now: Millis) -> tuple[Breach, ...]:
    """Why a venue takes no increase by the capital that stands there; empty when it does."""
    return _blocking(
        collateral_share_breach(ledger, policy, venue),
        unsettled_breach(ledger, policy, venue),
        exposure_at_risk_breach(ledger, policy, venue, now),
        settlement_breach(ledger, policy, venue, now),
    )


def told_only(ledger: Ledger, policy: Policy, now: Millis) -> tuple[Breach, ...]:
    """What people are told of the whole book and that holds nothing back."""
    found = [reserve_breach(ledger, policy)]
    for coin in stables_in_book(ledger, policy):
        found += [stablecoin_breach(ledger, policy, coin, now), settle_exposure_breach(ledger, policy, coin)]
    found += [staked_breach(ledger, policy, token, now) for token in staked_tokens(policy)]
    found += [rank_breach(ledger, policy, i) for i in exposure.instruments_in_book(ledger, policy)]
    for venue in exposure.venues_in_book(ledger, policy):
        found += [unsettled_breach(ledger, policy, venue), collateral_share_breach(ledger, policy, venue)]
        found.append(exposure_at_risk_breach(ledger, policy, venue, now))
    return tuple(b for b in found if b is not None and b.effect is Effect.TELLS)


def _blocking(*found: Breach | None) -> tuple[Breach, ...]:
    return tuple(b for b in found if b is not None and b.effect is not Effect.TELLS)
