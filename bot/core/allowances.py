"""What an increase may still add: every cap in USD of notional, with how much of it is used.

    open-interest share    our notional / an instrument's open interest, and an asset's / that of all its configured instruments
    instrument notional    one instrument's positions and orders
    venue share            one venue's / the required hedge
    gross notional         the book's
    issuer exposure        all stablecoins of one issuer: on venues and held as collateral
    collateral total       confirmed collateral of an asset, in its own units: people are paged, it is hedged all the same

One list serves the target (`room_usd`: what is left), the last gate (`breach_of`: with the order counted in) and people (`warning_of`).
What is used is told at the worse end of each range. A cap that cannot be worked out leaves no room: absence is not zero. Margin and
leverage have rooms of their own (`margin_room`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from bot.core import collateral, exposure, holdings
from bot.core.lasting import lasting
from bot.core.limit_table import nearing
from bot.core.limits import Breach, Effect, Limit
from bot.core.marks import valuation_mark
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.units import ZERO, Asset, InstrumentId, VenueId


@dataclass(frozen=True, slots=True)
class Allowance:
    """One cap: USD `used` of USD `allowed`, None while not known. Beyond `kept` (None: never) what is carried moves away.

    `pages`: beyond it people are paged, and nothing is held back.
    """

    limit: Limit
    subject: str
    used: Decimal | None
    allowed: Decimal | None
    kept: Decimal | None = None
    detail: str = "USD of notional"
    pages: bool = False

    @property
    def room_usd(self) -> Decimal | None:
        """USD that an increase may add, never negative; None while not known."""
        return None if self.used is None or self.allowed is None else max(ZERO, self.allowed - self.used)

    @property
    def used_ratio(self) -> Decimal | None:
        """Used over allowed; None while not known, or while nothing is allowed."""
        return None if self.used is None or self.allowed is None or self.allowed <= ZERO else self.used / self.allowed

    def breach_of(self, added: Decimal) -> Breach | None:
        """Why USD `added` more may not be carried, or None."""
        if self.used is None or self.allowed is None:
            return Breach(self.limit, self.subject, None if self.used is None else self.used + added, self.allowed, "cannot be worked out")
        after = self.used + added
        return Breach(self.limit, self.subject, after, self.allowed, self.detail) if after > self.allowed else None

    def warning_of(self) -> Breach | None:
        """What people are told of it: that it is nearly used up, used up (an increase is blocked), or that what is carried has to move."""
        if self.used is None or self.allowed is None:
            return None
        told = nearing(self.limit, self.subject, self.used, self.allowed, self.detail)
        if told is not None and self.pages:
            return replace(told, effect=Effect.PAGES if self.used > self.allowed else Effect.TELLS)
        moves = told is not None and self.kept is not None and self.used > self.kept
        return replace(told, effect=Effect.REDUCING) if told is not None and moves else told


@lasting
def of_instrument(ledger: Ledger, policy: Policy, instrument: InstrumentId) -> tuple[Allowance, ...]:
    """The caps of one listed instrument by itself."""
    used = exposure.notional(ledger, policy, instrument)
    found = [Allowance(Limit.INSTRUMENT_NOTIONAL, instrument, used, policy.instrument_notional_max, policy.instrument_notional_max)]
    told = open_interest_usd(ledger, policy, instrument)
    if told is not None:  # an untold open interest stands in the way by itself (see `eligibility`)
        cap = told * policy.open_interest_share_max
        found.append(Allowance(Limit.OPEN_INTEREST_SHARE, instrument, used, cap, cap, "USD of the instrument's open interest"))
    return tuple(found)


@lasting
def of_asset(ledger: Ledger, policy: Policy, asset: Asset) -> tuple[Allowance, ...]:
    """The caps of one asset at all venues together: none while no venue has told its open interest."""
    instruments = exposure.instruments_of(ledger, policy, asset)
    told = [open_interest_usd(ledger, policy, i) for i in instruments if i in policy.instruments]
    if all(interest is None for interest in told):
        return ()
    used: Decimal | None = ZERO
    for instrument in instruments:
        own = exposure.notional(ledger, policy, instrument)
        used = None if used is None or own is None else used + own
    cap = sum((interest or ZERO for interest in told), ZERO) * policy.open_interest_share_total_max
    return (Allowance(Limit.OPEN_INTEREST_SHARE, asset, used, cap, cap, "USD of the asset's open interest at all venues"),)


@lasting
def of_venue(ledger: Ledger, policy: Policy, venue: VenueId) -> tuple[Allowance, ...]:
    """The cap of one venue: its share. Prices may carry it a little beyond before hedges move (`venue_share_drift`)."""
    used = exposure.venue_notional(ledger, policy, venue)
    required = exposure.share_base(ledger, policy)
    share = None if required is None else required * policy.venue_share_max
    is_whole = not exposure.unknown_assets(ledger, policy)  # else hedges would move because of coins that nobody has told yet
    drift = share + max(share * policy.venue_share_drift, policy.rebalance_notional_min) if share is not None and is_whole else None
    limit = Limit.COLLATERAL_UNKNOWN if used is None or share is None else Limit.VENUE_SHARE
    return (Allowance(limit, venue, used, share, drift),)


@lasting
def of_book(ledger: Ledger, policy: Policy) -> tuple[Allowance, ...]:
    """The caps of the whole book."""
    return (Allowance(Limit.GROSS_NOTIONAL, "book", exposure.gross_notional(ledger, policy), policy.gross_notional_max),)


@lasting
def of_issuer(ledger: Ledger, policy: Policy, issuer: str) -> Allowance:
    """The cap of all stablecoins of one issuer together; what we owe of one takes nothing from what we own of another.

    A coin whose issuer is not named has no cap but its own (`settle_exposure_max`).
    """
    told = exposure.settle_exposure(ledger, policy)
    used = sum((max(usd, ZERO) for coin, usd in told.items() if issuer_of(policy, coin) == issuer), ZERO)
    owned, own = holdings.known_asset_value(ledger, policy), policy.issuer_exposure_max.get(issuer)
    share = None if owned is None else max(owned, ZERO) * policy.settle_exposure_max
    known = [most for most in (share, own) if most is not None]
    return Allowance(Limit.ISSUER_EXPOSURE, issuer, used, min(known, default=None), detail="USD in stablecoins of one issuer")


def issuer_of(policy: Policy, coin: Asset) -> str | None:
    """Who issued a stablecoin; None where nobody is named."""
    return policy.issuers.get(coin)


@lasting
def of_collateral(ledger: Ledger, policy: Policy) -> tuple[Allowance, ...]:
    """The caps of confirmed collateral, asset by asset, in the asset's own units."""
    confirmed = collateral.confirmed_totals(ledger, policy)
    limits = ((asset, told.total_max) for asset, told in sorted(policy.claims.limits.items()))
    return tuple(
        Allowance(
            Limit.COLLATERAL_TOTAL, asset, confirmed.get(asset, ZERO), most, detail=f"{asset} confirmed, hedged all the same", pages=True
        )
        for asset, most in limits
        if most is not None
    )


def of_increase(ledger: Ledger, policy: Policy, instrument: InstrumentId) -> tuple[Allowance, ...]:
    """Every cap that an increase of one listed instrument uses up."""
    return (
        *of_instrument(ledger, policy, instrument),
        *of_asset(ledger, policy, ledger.instruments[instrument].base),
        *of_venue(ledger, policy, ledger.venue_of(instrument)),
        *of_book(ledger, policy),
    )


def all_of(ledger: Ledger, policy: Policy) -> tuple[Allowance, ...]:
    """Every cap of the book, each once."""
    found = list(of_book(ledger, policy))
    for venue in exposure.venues_in_book(ledger, policy):
        found.extend(of_venue(ledger, policy, venue))
    for asset in exposure.assets_in_book(ledger, policy):
        found.extend(of_asset(ledger, policy, asset))
        for instrument in exposure.instruments_of(ledger, policy, asset):
            found.extend(of_instrument(ledger, policy, instrument))
    found.extend(of_issuer(ledger, policy, issuer) for issuer in sorted(set(policy.issuers.values())))
    return (*found, *of_collateral(ledger, policy))


def open_interest_usd(ledger: Ledger, policy: Policy, instrument: InstrumentId) -> Decimal | None:
    """USD of an instrument's open interest at the mark that values it; None while either was not told."""
    market, mark = ledger.markets.get(instrument), valuation_mark(ledger, policy, instrument)
    return None if market is None or market.open_interest is None or mark is None else market.open_interest * mark
