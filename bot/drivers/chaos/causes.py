"""I07 and I08: why each position moved, and why each account is worth what it is; from the engines' own reports, and the bot's word on it.

I07  What others did to a position (a deleveraging, a liquidation, a stranger's trade) is owed a break of that very instrument, of a cause
     that fits, before the book is called healed. And no such break is told of an instrument that nobody but the bot ever moved.
I08  wallet = deposits + realised profit + funding - fees, to the last decimal, each added up here report by report; and the account is
     worth what every execution is worth at the mark, but for the engine's rounding of each to its smallest unit of cash. The bot's own
     sums of funding and fees are the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from bot.core.records import BreakCause, Ledger, Note
from bot.core.units import ONE, ZERO, ClientOrderId, InstrumentId, Millis, VenueId
from bot.drivers.chaos.truth import Truth
from bot.simulator.exchange import Exchange
from bot.simulator.margin import CASH_STEP
from bot.simulator.model import Fill, FillKind, FundingRecord
from bot.simulator.world import ACCOUNT

PRESUMED = frozenset({BreakCause.AUTO_DELEVERAGING.value, BreakCause.UNEXPLAINED.value, BreakCause.PRE_EXISTING.value})
"""What a position that moved without a word is called, or one that was there before the first reading."""
FITTING = {
    FillKind.AUTO_DELEVERAGING: PRESUMED,
    FillKind.LIQUIDATION: PRESUMED | {BreakCause.LIQUIDATION.value},
    FillKind.TRADE: PRESUMED | {BreakCause.FOREIGN_FILL.value},
}
OF_OTHERS = (PRESUMED | {BreakCause.LIQUIDATION.value, BreakCause.FOREIGN_FILL.value}) - {BreakCause.PRE_EXISTING.value}
"""Causes of a break that say that a position moved by somebody else's doing."""
PAYMENT_TOLD_MS: Millis = 150_000
"""After so long every funding payment was told, or read from the venue's list."""
USD_TOLERANCE = Decimal("1e-9")
"""Of sums in USD, which round at the 28th digit."""


@dataclass(slots=True)
class Owed:
    """A position that somebody else moved, and of which the bot has said nothing yet."""

    kind: FillKind
    at: Millis


class Causes:
    """What moved positions and accounts, as far as the engines have told it here."""

    def __init__(self, truth: Truth) -> None:
        self._truth = truth
        self._owed: dict[InstrumentId, list[Owed]] = {}
        self._others: set[InstrumentId] = set()
        self._moves_are_lost = False
        self.fills: Counter[tuple[VenueId, str]] = Counter()
        self.fees: dict[tuple[VenueId, str], Decimal] = {}
        self.fees_usd = ZERO
        self.realised: dict[tuple[VenueId, str], Decimal] = {}
        self.funding: dict[InstrumentId, Decimal] = {}
        self.funded_at: dict[InstrumentId, Millis] = {}

    # what happens

    def filled(self, venue: VenueId, fill: Fill, now: Millis, ledger: Ledger) -> None:
        """Our account executed something, or somebody did it to us; where `ledger` knows no position yet, that is of before it."""
        listed = self._truth.instrument(venue, fill.symbol)
        if listed is None:
            return
        key = (venue, str(listed.settle))
        self.fills[key] += 1
        self.fees[key] = self.fees.get(key, ZERO) + fill.fee
        self.realised[key] = self.realised.get(key, ZERO) + fill.realised_pnl
        ours = fill.client_order_id is not None and ClientOrderId(fill.client_order_id) in self._truth.sent
        if ours or listed.id in ledger.positions:
            self.fees_usd += fill.fee * (fill.price if listed.is_inverse else ONE)
        if fill.kind is not FillKind.TRADE or not ours:
            self._owed.setdefault(listed.id, []).append(Owed(fill.kind, now))
            if listed.id not in ledger.positions and not self._truth.positions[listed.id]:
                del self._owed[listed.id]  # it was gone before this journal knew that there was one: its first reading finds nothing
            self.moved_by_others(listed.id)

    def moved_by_others(self, instrument: InstrumentId) -> None:
        """Somebody else than the newest run trades there."""
        self._others.add(instrument)

    def paid(self, venue: VenueId, record: FundingRecord, now: Millis) -> None:
        """A settlement of funding."""
        listed = self._truth.instrument(venue, record.symbol)
        if listed is not None:
            self.funding[listed.id] = self.funding.get(listed.id, ZERO) + record.amount
            self.funded_at[listed.id] = now

    def store_lost(self) -> None:
        """What the store forgot cannot be told by whoever starts on it: what it finds was there before it."""
        self._owed.clear()
        self._moves_are_lost = True

    def recovered(self, ledger: Ledger) -> None:
        """A run begins with this record. What it contains was told in an earlier run, whose last words nobody may have heard."""
        for instrument in tuple(self._owed):
            known = ledger.positions.get(instrument)
            if known is not None and known.quantity == self._truth.positions[instrument]:
                del self._owed[instrument]

    # what the bot says of it

    def noted(self, note: Note) -> str | None:
        """Takes a break into account; what is wrong with it, or None."""
        cause = note.sentence.partition(":")[0]
        if note.kind != "break":
            return None
        instrument = InstrumentId(note.subject)
        if instrument in self._owed:
            self._owed[instrument] = [o for o in self._owed[instrument] if cause not in FITTING[o.kind]]
        if cause not in OF_OTHERS or instrument in self._others or self._moves_are_lost:
            return None
        return f"{cause} is told of {instrument}, which nobody but the bot ever moved"

    def untold(self) -> Iterator[str]:
        """I07: what was done to our positions, and no break was told of."""
        for instrument, owed in sorted(self._owed.items()):
            for each in owed[:1]:
                yield f"{instrument} was moved by others ({each.kind.value}), and no break tells of it"

    # what accounts are worth

    def misbooked(self, venue: VenueId, exchange: Exchange) -> Iterator[str]:
        """I08: accounts of a venue that are not worth what their causes add up to."""
        tallies = exchange.tallies(ACCOUNT)
        for balance in exchange.balances(ACCOUNT):
            key = (venue, balance.asset)
            fees, funding = self.fees.get(key, ZERO), self._funding_of(venue, balance.asset)
            tally = tallies[balance.asset]
            wallet = tally.deposits + self.realised.get(key, ZERO) + funding - fees
            if balance.wallet != wallet:
                yield f"{venue} {balance.asset}: its wallet holds {balance.wallet:f}, and what was told of it adds up to {wallet:f}"
            worth = tally.deposits + self._traded(venue, exchange, balance.asset) + funding - fees
            if abs(worth - balance.margin_balance) > CASH_STEP * 2 * (self.fills[key] + 1):
                yield f"{venue} {balance.asset}: {balance.margin_balance:f} is there, its causes say {worth:f}"

    def _funding_of(self, venue: VenueId, asset: str) -> Decimal:
        listed = self._truth.world.instruments
        return sum((v for i, v in self.funding.items() if (listed[i].venue, listed[i].settle) == (venue, asset)), ZERO)

    def _traded(self, venue: VenueId, exchange: Exchange, asset: str) -> Decimal:
        """What every execution is worth at the present marks, in the settle asset."""
        traded = ZERO
        for fill in exchange.fills(ACCOUNT, None, 1, 10**9):
            listed = self._truth.instrument(venue, fill.symbol)
            if listed is None or listed.settle != asset:
                continue
            units, mark = fill.contracts * fill.side.sign * listed.contract_size, exchange.market(fill.symbol).mark
            traded += units / fill.price - units / mark if listed.is_inverse else units * (mark - fill.price)
        return traded

    def differs(self, ledger: Ledger, now: Millis) -> Iterator[str]:
        """I08: where the bot's sums of funding and fees are not those of the venues. Of a store that forgot they cannot be."""
        if self._moves_are_lost:
            return
        for instrument, paid in sorted(self.funding.items()):
            account = ledger.payments.get(instrument)
            known = ZERO if account is None else sum((t.net for t in account.totals.values()), ZERO)
            if known != paid and now - self.funded_at[instrument] >= PAYMENT_TOLD_MS:
                yield f"{instrument} was paid {paid:f} of funding, and the bot has {known:f}"
        if abs(ledger.tallies.fees_usd - self.fees_usd) > USD_TOLERANCE:
            yield f"fees of {self.fees_usd:f} USD were taken, and the bot has {ledger.tallies.fees_usd:f}"
