"""What people may read of funding: rates and their age, payments by instrument and asset, and what they are worth in USD.

Payments are in the settle asset. In USD each counts as everywhere (see `holdings.worth`): a dollar as one, a coin at its mark now. What
has no value in USD leaves the sums that it belongs to without one. Unknown figures are None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from bot.core import exposure, reserve
from bot.core.deployment import weighted_annual
from bot.core.funding import known_annual
from bot.core.funding_ledger import account_of, told
from bot.core.holdings import worth
from bot.core.limits import Breach, Effect, Limit
from bot.core.marks import instruments_in_book
from bot.core.payments import FundingAccount, FundingTotal
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.units import ONE, ZERO, Asset, InstrumentId, Millis, VenueId


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingStatement:
    """One instrument's funding. Rates are fractions, per interval or simple annual (> 0: shorts receive), `annual` None when too old.

    `received` and `paid` (both >= 0) are units of `asset` over the life of the journal; `difference` is what was entered less what the
    venue's records list. Settlement instants are the venue's clock.
    """

    instrument: InstrumentId
    venue: VenueId
    asset: Asset | None
    rate: Decimal | None
    interval_ms: Millis | None
    annual: Decimal | None
    rate_age_ms: Millis | None
    next_settlement_at: Millis | None
    flipped: bool
    flipped_at: Millis | None
    received: Decimal
    paid: Decimal
    settlements: int
    last_settled_at: Millis | None
    records_read_at: Millis | None
    difference: Decimal


def lines_of(ledger: Ledger, policy: Policy, now: Millis) -> tuple[FundingStatement, ...]:
    """One line per instrument and asset it paid in; one without payments is told in its settle asset."""
    named = sorted({*ledger.instruments, *ledger.funding, *ledger.payments})
    return tuple(_line(ledger, policy, i, asset, now) for i in named for asset in _assets_paid(ledger, i))


def _assets_paid(ledger: Ledger, instrument: InstrumentId) -> tuple[Asset | None, ...]:
    listed = ledger.instruments.get(instrument)
    paid = sorted(account_of(ledger, instrument).assets)
    return tuple(paid) if paid else (listed.settle if listed else None,)


def _line(ledger: Ledger, policy: Policy, instrument: InstrumentId, asset: Asset | None, now: Millis) -> FundingStatement:
    state, account, venue = ledger.funding.get(instrument), account_of(ledger, instrument), ledger.venue_of(instrument)
    total = FundingTotal() if asset is None else account.totals.get(asset, FundingTotal())
    return FundingStatement(
        instrument=instrument,
        venue=venue,
        asset=asset,
        rate=state.rate if state else None,
        interval_ms=state.interval_ms if state else None,
        annual=known_annual(ledger, policy, instrument, now),
        rate_age_ms=now - state.observed_at if state else None,
        next_settlement_at=state.next_settlement_at if state else None,
        flipped=state.flipped if state else False,
        flipped_at=state.flipped_at if state else None,
        received=total.received,
        paid=total.paid,
        settlements=account.settlements,
        last_settled_at=account.last_at,
        records_read_at=ledger.payments_read_at.get(venue),
        difference=ZERO if asset is None else account.difference(asset),
    )


def usd_by_venue(ledger: Ledger, policy: Policy) -> Mapping[VenueId, Decimal]:
    """Funding received less paid, in USD, of each venue that paid any and whose every payment has a value."""
    found: dict[VenueId, Decimal | None] = {}
    for instrument, account in sorted(ledger.payments.items()):
        if account.totals:
            venue = ledger.venue_of(instrument)
            before, more = found.get(venue, ZERO), _usd(ledger, policy, account)
            found[venue] = None if before is None or more is None else before + more
    return {venue: usd for venue, usd in found.items() if usd is not None}


def usd_of(ledger: Ledger, policy: Policy) -> Decimal | None:
    """Funding received less paid over the book, in USD; None while a part of it has no value."""
    total = ZERO
    for account in ledger.payments.values():
        usd = _usd(ledger, policy, account)
        if usd is None:
            return None
        total += usd
    return total


def _usd(ledger: Ledger, policy: Policy, account: FundingAccount) -> Decimal | None:
    total = ZERO
    for asset, paid in account.totals.items():
        unit = worth(ledger, policy, asset, ONE)
        if unit is None:
            return None
        total += paid.net * unit
    return total


def breaches(ledger: Ledger) -> tuple[Breach, ...]:
    """The instruments whose payments differ from the venue's records, or from what they should have been at the newest settlement."""
    found: list[Breach] = []
    for instrument, account in sorted(ledger.payments.items()):
        if account.unlisted or account.refused:
            beyond = {asset: account.difference(asset) for asset in sorted(account.assets)}
            words = ", ".join(f"{units:+f} {asset} entered beyond the venue's records" for asset, units in beyond.items() if units)
            worst = max(beyond.values(), key=abs)
            found.append(Breach(Limit.FUNDING_RECORD, instrument, worst, ZERO, words, Effect.TELLS))
        elif account.mismatch is not None:
            off = account.mismatch
            found.append(Breach(Limit.FUNDING_RECORD, instrument, off.recorded, off.expected.middle, told(off), Effect.TELLS))
    return tuple(found)


def annual_of_book(ledger: Ledger, policy: Policy, now: Millis) -> Decimal | None:
    """The book's annual funding, weighted by what is short; None while no rate is known."""
    return weighted_annual(ledger, policy, instruments_in_book(ledger, policy), now)


def runway_ms(ledger: Ledger, policy: Policy, now: Millis) -> Millis | None:
    """How long the reserve pays the book's funding at today's rates (F9); None when nothing is paid, or a part is unknown."""
    notional, annual = exposure.gross_notional(ledger, policy), annual_of_book(ledger, policy, now)
    return None if notional is None or annual is None else reserve.runway_ms(policy.reserve_fund_usd, notional, annual)
