"""Books of any width: so many assets, each with a perpetual at so many venues, told by facts and decided by the step itself.

Venues tell positions that hedge what is held, in equal parts; each order is filled in full at once. Instruments have three sliced tiers,
as venues list them. Prices, rates and balances are plain figures that no limit of the policy minds, so that what is measured is the
decision of a quiet, hedged book, or of one that a deposit has just reached.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from benchmarks.figures import BenchmarkFailed
from bot.core import events as ev
from bot.core.commands import CancelOrder, Command, PlaceOrder
from bot.core.engine import step
from bot.core.instrument import ContractKind, Instrument
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.tiers import MarginTiers, TierRow, TierRule
from bot.core.units import ONE, ZERO, Asset, InstrumentId, Millis, VenueId

SOURCE = "custody"
QUOTE = Asset("USDT")
START: Millis = 1_700_000_000_000
DECISIONS_TO_REST = 3
"""Venues are confirmed by a second reading, and what rounding left over is traded in the next."""
HELD = Decimal(100)
LOT = Decimal("0.001")
EQUITY = Decimal(100_000_000)
TIERS = MarginTiers(
    rule=TierRule.SLICED,
    rows=(
        TierRow(floor=ZERO, cap=Decimal(500_000), maintenance_rate=Decimal("0.004"), initial_rate=Decimal("0.01")),
        TierRow(floor=Decimal(500_000), cap=Decimal(10_000_000), maintenance_rate=Decimal("0.005"), initial_rate=Decimal("0.02")),
        TierRow(floor=Decimal(10_000_000), cap=None, maintenance_rate=Decimal("0.01"), initial_rate=Decimal("0.04")),
    ),
)


@dataclass(slots=True)
class Grid:
    """A book, its policy, and our clock."""

    ledger: Ledger
    policy: Policy
    now: Millis = START
    fills: int = 0

    def tell(self, event: ev.Event) -> None:
        """One fact."""
        self.ledger = step(self.ledger, event, self.policy).ledger

    def due(self) -> ev.DecisionDue:
        """A decision that is due now, on a fresh quote of every instrument."""
        return ev.DecisionDue(at=self.now, quotes=tuple(_quote(i, self.now) for i in sorted(self.policy.instruments)))

    def decide(self) -> tuple[Command, ...]:
        """Decides one second later, on fresh readings, and fills whatever is placed. Returns what was asked for."""
        self.now += 1_000
        self.refresh()
        decided = step(self.ledger, self.due(), self.policy)
        self.ledger = decided.ledger
        for command in decided.commands:
            if isinstance(command, PlaceOrder):
                self._fill(command)
        return decided.commands

    def deposit(self, asset: Asset, quantity: Decimal) -> None:
        """The total that is held of an asset."""
        self.tell(ev.CollateralObserved(at=self.now, source=SOURCE, location="vault", asset=asset, quantity=quantity, redemption_rate=ONE))
        self.tell(ev.CollateralConfirmed(at=self.now, source=SOURCE))

    def refresh(self) -> None:
        """Every source and venue speaks again and agrees."""
        self.tell(ev.CollateralConfirmed(at=self.now, source=SOURCE))
        for venue in sorted({self.ledger.venue_of(i) for i in self.policy.instruments}):
            self.tell(self._reading(venue))

    def _reading(self, venue: VenueId) -> ev.VenueReported:
        here = sorted(i for i in self.policy.instruments if self.ledger.venue_of(i) == venue)
        held, equal = self.ledger.positions, -(HELD / len({self.ledger.venue_of(i) for i in self.policy.instruments})).quantize(LOT)
        positions = tuple(
            ev.PositionReport(instrument=i, quantity=held[i].quantity if i in held else equal, entry_price=_mark(i), mark_price=_mark(i))
            for i in here
        )
        margin = ev.MarginReport(
            asset=QUOTE, margin_balance=EQUITY, wallet_balance=EQUITY, maintenance_margin=Decimal(1_000), initial_margin=None, equity=EQUITY
        )
        return ev.VenueReported(
            at=self.now, venue=venue, asked_at=self.now, clock_offset_ms=0, positions=positions, orders=(), fills=(), margins=(margin,)
        )

    def _fill(self, order: PlaceOrder) -> None:
        self.fills += 1
        fill = ev.FillReport(
            instrument=order.instrument,
            fill_id=f"f{self.fills}",
            client_order_id=order.client_order_id,
            venue_order_id=f"v{self.fills}",
            quantity=order.quantity,
            price=order.price,
            fee=ZERO,
            fee_asset=QUOTE,
            kind=ev.FillKind.TRADE,
            venue_at=self.now,
        )
        report = ev.OrderReport(
            instrument=order.instrument,
            client_order_id=order.client_order_id,
            venue_order_id=f"v{self.fills}",
            status=ev.VenueOrderStatus.FILLED,
            filled_quantity=order.quantity,
            average_price=order.price,
            venue_at=self.now,
        )
        self.tell(ev.FillReported(at=self.now, fill=fill))
        self.tell(ev.OrderReported(at=self.now, report=report))


def assets_of(count: int) -> tuple[Asset, ...]:
    """Names of so many assets."""
    return tuple(Asset(f"A{number:02}") for number in range(count))


def hedged_grid(assets: int, venues: int) -> Grid:
    """A book of so many assets at so many venues that its venues tell as hedged already. Raises BenchmarkFailed when it is not at rest."""
    grid = _told(assets, venues)
    for asset in assets_of(assets):
        grid.deposit(asset, HELD)
    for _ in range(DECISIONS_TO_REST - 1):
        grid.decide()
    last = grid.decide()
    short = -sum((p.quantity for p in grid.ledger.positions.values()), ZERO)
    if placed(last) or abs(short - HELD * assets) > HELD * assets / 1_000 or grid.ledger.invariants_broken:
        raise BenchmarkFailed(f"a book of {assets} x {venues} is short {short:f}, not {HELD * assets:f}, or not at rest")
    return grid


def placed(commands: Sequence[Command]) -> int:
    """How many of the commands are about orders."""
    return sum(1 for c in commands if isinstance(c, PlaceOrder | CancelOrder)) if commands else 0


def _told(assets: int, venues: int) -> Grid:
    names = [VenueId(f"v{number:02}") for number in range(venues)]
    listed = [_instrument(venue, asset) for venue in names for asset in assets_of(assets)]
    policy = Policy(
        collateral_assets={asset: asset for asset in assets_of(assets)},
        collateral_sources=frozenset({SOURCE}),
        instruments=frozenset(i.id for i in listed),
        venue_share_max=max(Decimal("0.35"), min(ONE, Decimal(2) / venues)),
        collateral_share_max=ONE,
        settle_exposure_max=ONE,
        order_rate_max=300,
        notional_rate_max=Decimal(500_000_000),
        order_notional_max=Decimal(5_000_000),
        gross_notional_max=Decimal(20_000_000_000),
        repeated_executions_max=200,
        order_expiry_ms=500,
        passive_deadline_ms=0,
        netting_window_ms=0,
        participation_max=ONE,
        slice_depth_multiple=Decimal(1_000),
    )
    grid = Grid(Ledger(), policy)
    grid.tell(ev.SessionStarted(at=START, epoch="bench", config_hash="bench", policy=policy, is_fresh=True))
    for venue in names:
        grid.tell(ev.VenueLinkChanged(at=START, venue=venue, link=ev.VenueLink.UP, reason="heard"))
    for each in listed:
        grid.tell(ev.InstrumentListed(at=START, instrument=each))
        grid.tell(
            ev.FundingRateObserved(
                at=START, instrument=each.id, rate=Decimal("0.0001"), interval_ms=each.funding_interval_ms, next_settlement_at=None
            )
        )
        grid.tell(ev.MarketObserved(at=START, instrument=each.id, open_interest=Decimal(10_000_000), volume_24h=Decimal(100_000_000)))
    return grid


def _instrument(venue: VenueId, asset: Asset) -> Instrument:
    return Instrument(
        venue=venue,
        venue_symbol=asset,
        base=asset,
        quote=QUOTE,
        settle=QUOTE,
        kind=ContractKind.LINEAR,
        contract_size=ONE,
        lot=LOT,
        tick=Decimal("0.01"),
        contracts_min=LOT,
        contracts_max=None,
        notional_min=Decimal(5),
        funding_interval_ms=8 * 3_600_000,
        taker_fee=Decimal("0.0005"),
        maker_fee=Decimal("0.0002"),
        tiers=TIERS,
    )


def _mark(instrument: InstrumentId) -> Decimal:
    return Decimal(1_000 + 10 * int(instrument.rpartition("A")[2]))


def _quote(instrument: InstrumentId, at: Millis) -> ev.Quote:
    mark, step_ = _mark(instrument), Decimal("0.05")
    return ev.Quote(
        instrument=instrument,
        bid=mark - step_,
        ask=mark + step_,
        bid_quantity=Decimal(1_000),
        ask_quantity=Decimal(1_000),
        mark=mark,
        index=mark,
        book_at=at,
        mark_at=at,
    )
