"""What is really true, from the engines' own reports: positions, coins, fills, and orders that may still execute.

An account in coins and its inverse positions together have one delta at every price (see `core.holdings`):

    equity(P) + n / P  =  deposits + sum of fills n_i / p_i - fees + funding          n, n_i in quote units, short < 0

so the truth keeps the right side and needs no mark. A linear position's delta is its base units.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from bot.core.commands import PlaceOrder
from bot.core.instrument import Instrument
from bot.core.policy import Policy
from bot.core.units import ZERO, Asset, ClientOrderId, InstrumentId, Millis, VenueId
from bot.drivers.chaos.world import ChaosWorld
from bot.simulator.model import Fill, FillKind, FillReport, FundingReport, MarketReport, OrderReport, Report
from bot.simulator.world import ACCOUNT


@dataclass(slots=True)
class Sent:
    """One order that left the bot: when (world's clock), until when its venue may take it, and what is known of it.

    `filled` is what executed and `told` what the bot was told of that, unsigned contract units; `is_open` whether it stands in the
    venue's book, `is_told` whether the bot was told of its end; `is_move`: by its reason it belongs to a change of venue;
    `filled_at`: when it executed last.
    """

    command: PlaceOrder
    at: Millis
    until: Millis
    filled: Decimal = ZERO
    told: Decimal = ZERO
    is_open: bool = False
    has_ended: bool = False
    is_told: bool = False
    is_move: bool = False
    filled_at: Millis = 0
    fill_ids: dict[str, Decimal] = field(default_factory=dict)

    def may_fill(self, now: Millis) -> bool:
        """Whether any of it can still execute, by the world's clock."""
        return self.is_open or (not self.has_ended and now <= self.until)


class Truth:
    """The books of the world. Amounts of instruments are signed contract units."""

    def __init__(self, world: ChaosWorld, policy: Policy) -> None:
        self.world, self.policy = world, policy
        self.positions: dict[InstrumentId, Decimal] = dict.fromkeys(world.instruments, ZERO)
        self.marks: dict[InstrumentId, Decimal] = {}
        self.coins: dict[tuple[VenueId, Asset], Decimal] = {}
        self.sent: dict[ClientOrderId, Sent] = {}
        self.kinds: Counter[FillKind] = Counter()
        self._open: dict[ClientOrderId, Sent] = {}
        self._by_symbol = {(i.venue, i.venue_symbol): i for i in world.instruments.values()}
        for instrument, listed in world.instruments.items():
            exchange, contract = world.contract(instrument)
            self.marks[instrument] = exchange.market(contract.symbol).mark
            if listed.is_inverse:
                self.coins[listed.venue, listed.settle] = exchange.tallies(ACCOUNT)[listed.settle].deposits

    def instrument(self, venue: VenueId, symbol: str) -> Instrument | None:
        """A venue's contract, None when it is not in use."""
        return self._by_symbol.get((venue, symbol))

    def take(self, venue: VenueId, reports: Sequence[Report]) -> tuple[Fill, ...]:
        """Enters what happened; returns the fills of our account among it."""
        found = []
        for report in reports:
            if isinstance(report, MarketReport):
                listed = self.instrument(venue, report.view.contract.symbol)
                if listed is not None:
                    self.marks[listed.id] = report.view.mark
            elif isinstance(report, FillReport) and report.fill.account == ACCOUNT:
                self._fill(venue, report.fill)
                found.append(report.fill)
            elif isinstance(report, FundingReport) and (venue, Asset(report.record.asset)) in self.coins:
                self.coins[venue, Asset(report.record.asset)] += report.record.amount
            elif isinstance(report, OrderReport) and report.order.request.client_order_id is not None:
                sent = self.sent.get(ClientOrderId(report.order.request.client_order_id))
                if sent is not None:
                    sent.is_open, sent.has_ended = report.order.state.is_open, not report.order.state.is_open
        return tuple(found)

    def _fill(self, venue: VenueId, fill: Fill) -> None:
        self.kinds[fill.kind] += 1
        listed = self.instrument(venue, fill.symbol)
        if listed is None:
            return
        units = fill.contracts * fill.side.sign * listed.contract_size
        self.positions[listed.id] += units
        if listed.is_inverse:
            self.coins[venue, listed.settle] += units / fill.price - fill.fee
        if fill.client_order_id is not None and (sent := self.sent.get(ClientOrderId(fill.client_order_id))) is not None:
            sent.filled, sent.filled_at = sent.filled + abs(units), fill.at

    def leaves(self, command: PlaceOrder, now: Millis, until: Millis) -> Sent:
        """Enters an order that leaves now."""
        sent = self.sent[command.client_order_id] = self._open[command.client_order_id] = Sent(command, now, until)
        return sent

    def may_fill(self, now: Millis) -> tuple[Sent, ...]:
        """Every order of which something can still execute."""
        self._open = {i: s for i, s in self._open.items() if s.may_fill(now)}
        return tuple(self._open.values())

    def custody(self, asset: Asset) -> Decimal:
        """Base units of collateral outside venues."""
        hedged = self.policy.collateral_assets
        totals = self.world.collateral.totals.items()
        return sum((t.quantity * (t.redemption_rate or ZERO) for (_, held), t in totals if hedged.get(held) == asset), ZERO)

    def delta(self, asset: Asset) -> Decimal:
        """Net delta in base units: everything that is held, and every position."""
        found = self.custody(asset) + sum((c for (_, coin), c in self.coins.items() if coin == asset), ZERO)
        for instrument, units in self.positions.items():
            listed = self.world.instruments[instrument]
            if units and listed.base == asset and not listed.is_inverse:
                found += units
        return found

    def price(self, asset: Asset) -> Decimal:
        """What a base unit is worth in USD, without any venue's distortion."""
        return self.world.fair[asset]

    def held_usd(self, asset: Asset) -> Decimal:
        """USD of what is held of an asset: what is to be hedged."""
        short = sum(
            (self.world.instruments[i].base_of(u, self.marks[i]) for i, u in self.positions.items() if self._is_inverse_of(i, asset)), ZERO
        )
        coins = sum((c for (_, coin), c in self.coins.items() if coin == asset), ZERO)
        return abs(self.custody(asset) + coins - short) * self.price(asset)

    def promised(self, asset: Asset) -> Decimal:
        """Base units of announced deposits that may be hedged before they come: none where policy awaits the total."""
        return self.world.collateral.promised(asset) * self.policy.claims.hedge_share

    def _is_inverse_of(self, instrument: InstrumentId, asset: Asset) -> bool:
        listed = self.world.instruments[instrument]
        return listed.is_inverse and listed.base == asset

    def band_usd(self, asset: Asset, *, hard: bool = True) -> Decimal:
        """USD of net delta that may be left alone, the coarsest lot of the asset included."""
        policy = self.policy
        soft = max(self.held_usd(asset) * policy.rebalance_band, policy.rebalance_notional_min)
        band = max(self.held_usd(asset) * policy.rebalance_band_hard, soft) if hard else soft
        return band + self._coarsest_usd(asset)

    def _coarsest_usd(self, asset: Asset) -> Decimal:
        listed = [i for i in self.world.instruments.values() if i.base == asset]
        return max(i.notional(i.tradable_contracts_min(self.marks[i.id]), self.marks[i.id]) for i in listed)

    def notional(self, instrument: InstrumentId, units: Decimal) -> Decimal:
        """USD of contract units at the instrument's fair price."""
        listed = self.world.instruments[instrument]
        return listed.notional_of_units(units, self.price(listed.base))

    def carried_beside(self, instrument: InstrumentId) -> Decimal:
        """USD >= 0 that the other instruments of an instrument's asset carry: the most that can move to it."""
        base = self.world.instruments[instrument].base
        others = (i for i, listed in self.world.instruments.items() if listed.base == base and i != instrument)
        return sum((self.notional(i, abs(self.positions[i])) for i in others), ZERO)

    def led_usd(self, asset: Asset, since: Millis) -> Decimal:
        """USD >= 0 that changes of venue have sold of an asset since an instant and not yet taken back elsewhere."""
        moves = (s for s in self.sent.values() if s.is_move and s.filled_at >= since)
        own = (s for s in moves if self.world.instruments[s.command.instrument].base == asset)
        led = ((s.command, self.notional(s.command.instrument, s.filled)) for s in own)
        return max(sum((-usd if command.reduce_only else usd for command, usd in led), ZERO), ZERO)

    def venue_usd(self, venue: VenueId, now: Millis) -> Decimal:
        """USD at a venue with every order that may still fill counted in full."""
        found = ZERO
        for instrument, units in self.positions.items():
            if self.world.instruments[instrument].venue == venue:
                found += self.notional(instrument, abs(units) + self._ahead(instrument, now))
        return found

    def _ahead(self, instrument: InstrumentId, now: Millis) -> Decimal:
        ahead = (s for s in self.may_fill(now) if s.command.instrument == instrument and not s.command.reduce_only)
        return sum((abs(s.command.quantity) - s.filled for s in ahead), ZERO)
