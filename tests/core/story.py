"""A book, what happened to it, and what it answered: the ground on which the words of `playbook` stand.

`>>` feeds one fact through the step, `<<` takes one command that the latest decision must have given. A command that nobody expected
fails the story at the next fact and at its end; readings are the one exception, they are routine and need not be mentioned.

After every fact the story itself checks: the core's invariants, one wire attempt per id, no order beyond the venue's share, reducing
orders never larger than what is held. `Story.close` folds the same events again and wants the same ledger and the same commands.

Instruments are spelled `okx:ETH`, quantities are strings in signed contract units (short < 0; base units if linear, USD if inverse), `now`
is milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from bot.core import events as ev
from bot.core import exposure, invariants
from bot.core.commands import CancelOrder, Command, LookUpOrder, PlaceOrder, ReadVenue
from bot.core.engine import step
from bot.core.instrument import ContractKind, Instrument
from bot.core.order import Order
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.statement import BookStatement, statement_of
from bot.core.units import ZERO, Asset, InstrumentId, VenueId

D = Decimal
T0 = 1_700_000_000_000
VENUES = ("binance", "bybit", "okx")
MARKS = {"BTC": D(60_000), "ETH": D(3_000), "SOL": D(150)}
CONTRACTS = {
    ("binance", "BTC"): (D(1), D("0.001")),
    ("bybit", "BTC"): (D(1), D("0.001")),
    ("okx", "BTC"): (D("0.01"), D("0.01")),
    ("binance", "ETH"): (D(1), D("0.001")),
    ("bybit", "ETH"): (D(1), D("0.01")),
    ("okx", "ETH"): (D("0.1"), D("0.01")),
    ("binance", "SOL"): (D(1), D("0.01")),
    ("bybit", "SOL"): (D(1), D("0.1")),
    ("okx", "SOL"): (D(1), D("0.01")),
}
"""Contract size in base units and lot in contracts, as the three venues have them."""


def listed(venue: str, asset: str, **changes: Any) -> Instrument:
    """A linear perpetual of an asset at a venue."""
    contract_size, lot = CONTRACTS.get((venue, asset), (D(1), D("0.001")))
    plain = Instrument(
        venue=VenueId(venue),
        venue_symbol=asset,
        base=Asset(asset),
        quote=Asset("USDT"),
        settle=Asset("USDT"),
        kind=ContractKind.LINEAR,
        contract_size=contract_size,
        lot=lot,
        tick=D("0.1") if asset == "BTC" else D("0.01"),
        contracts_min=lot,
        contracts_max=None,
        notional_min=D(5),
        funding_interval_ms=8 * 3_600_000,
        taker_fee=D("0.0005"),
        maker_fee=D("0.0002"),
    )
    return replace(plain, **changes)


def inverse(venue: str, asset: str, **changes: Any) -> Instrument:
    """A coin-margined perpetual of an asset at a venue, `okx:ETH-USD`: contracts of 10 USD, whole ones."""
    terms: dict[str, Any] = {
        "venue_symbol": f"{asset}-USD",
        "quote": Asset("USD"),
        "settle": Asset(asset),
        "kind": ContractKind.INVERSE,
        "contract_size": D(10),
        "lot": D(1),
        "contracts_min": D(1),
        "notional_min": None,
    }
    return listed(venue, asset, **(terms | changes))


def policy_for(*assets: str, venues: tuple[str, ...] = VENUES, **changes: Any) -> Policy:
    """A policy that hedges these assets (and wstETH as ETH) at these venues, from one source called `custody`."""
    plain = Policy(
        collateral_assets={Asset(a): Asset(a) for a in assets} | ({Asset("wstETH"): Asset("ETH")} if "ETH" in assets else {}),
        collateral_sources=frozenset({"custody"}),
        instruments=frozenset(InstrumentId(f"{v}:{a}") for v in venues for a in assets),
        venue_share_max=D("0.6"),
        rebalance_notional_min=D(25),
        open_interest_min=D(0),
        open_interest_share_total_max=D("0.1"),
        # Accounts are funded as `margin_report` says, far beyond the collateral.
        collateral_share_max=D(1),
        settle_exposure_max=D(1),
    )
    return replace(plain, **changes)


def quote_of(instrument: str, mark: Decimal, at: int, **changes: Any) -> ev.Quote:
    """A tight book around a mark."""
    plain = ev.Quote(
        instrument=InstrumentId(instrument),
        bid=mark - D("0.1"),
        ask=mark + D("0.1"),
        bid_quantity=D(100),
        ask_quantity=D(100),
        mark=mark,
        index=mark,
        book_at=at,
        mark_at=at,
    )
    return replace(plain, **changes)


def margin_report(balance: str | Decimal | None = "100000000", maintenance: str | Decimal | None = "1000") -> ev.MarginReport:
    """A well-funded account unless told otherwise."""
    return ev.MarginReport(
        asset=Asset("USDT"),
        margin_balance=None if balance is None else D(balance),
        wallet_balance=None if balance is None else D(balance),
        maintenance_margin=None if maintenance is None else D(maintenance),
        initial_margin=None,
    )


class Unexpected(AssertionError):
    """The book did something that the story does not tell, or did not do what it tells."""


@dataclass(frozen=True)
class Feed:
    """Something that happens: given the story, the events that tell it."""

    name: str
    events: Callable[[Story], list[ev.Event]]


@dataclass(frozen=True)
class Expect:
    """Something that must be so: raises when it is not."""

    name: str
    check: Callable[[Story], None]


class Story:
    """A book, what happened to it, and the commands that nobody has taken yet."""

    def __init__(self, policy: Policy, instruments: tuple[Instrument, ...] | None = None, epoch: str = "e1") -> None:
        self.policy = policy
        self.instruments = instruments or tuple(listed(*i.split(":")) for i in sorted(policy.instruments))
        self.ledger = Ledger()
        self.now = T0
        self.epoch = epoch
        self.outbox: list[Command] = []
        self.asked: dict[str, int] = {}
        self.events: list[ev.Event] = []
        self.commands: list[Command] = []
        self.marks: dict[str, Decimal] = {i.id: MARKS.get(i.base, D(100)) for i in self.instruments}
        self.quotes_at: dict[str, int] = {}
        self.margins: dict[str, ev.MarginReport] = {}
        self.wallets: dict[tuple[str, str], Decimal] = {}
        self.entries: dict[str, Decimal] = {}
        self.fill_number = 0
        self.wired: set[str] = set()

    # feeding and expecting

    def __rshift__(self, feed: Feed) -> Story:
        self._nothing_left_over(f"before {feed.name}")
        self.outbox.clear()
        for event in feed.events(self):
            self.feed(event)
        return self

    def __lshift__(self, expect: Expect) -> Story:
        expect.check(self)
        return self

    def feed(self, event: ev.Event) -> None:
        """One event through the step, with everything that must be true afterwards."""
        before = self.ledger
        result = step(before, event, self.policy)
        self.ledger = result.ledger
        self.events.append(event)
        self.commands.extend(result.commands)
        self.outbox.extend(result.commands)
        assert not invariants.broken(self.ledger), invariants.broken(self.ledger)
        assert not self.ledger.invariants_broken
        for command in result.commands:
            if isinstance(command, PlaceOrder):
                self._check_order(command, before)
            if isinstance(command, ReadVenue):
                self.asked[command.venue] = self.now

    def _check_order(self, command: PlaceOrder, before: Ledger) -> None:
        assert command.client_order_id not in self.wired, f"{command.client_order_id} was wired twice"
        self.wired.add(command.client_order_id)
        held = before.positions[command.instrument].quantity
        if command.reduce_only:
            assert held * command.quantity < ZERO, "a reducing order must be against what is held"
            assert abs(command.quantity) <= abs(held), "a reducing order must never flip"
            return
        required = exposure.share_base(self.ledger, self.policy)
        total = exposure.venue_notional(self.ledger, self.policy, command.instrument.split(":")[0])
        assert required is not None
        assert total is not None
        assert total <= required * self.policy.venue_share_max, f"venue share exceeded by {command}"

    def _nothing_left_over(self, when: str) -> None:
        left = [c for c in self.outbox if not isinstance(c, ReadVenue)]
        if left:
            raise Unexpected(f"{when}, nobody expected " + "; ".join(told(c) for c in left))

    def close(self) -> Story:
        """The end: nothing left over, and folding the same events again gives the same ledger and the same commands."""
        self._nothing_left_over("at the end")
        ledger = Ledger()
        commands: list[Command] = []
        for event in self.events:
            result = step(ledger, event, self.policy)
            ledger = result.ledger
            commands.extend(result.commands)
        assert ledger == self.ledger, "a replay must give the same ledger"
        assert commands == self.commands, "a replay must give the same commands"
        return self

    def take(self, kind: type[Command], where: str) -> Any:
        """The first untaken command of a kind for an instrument or venue."""
        for command in self.outbox:
            if isinstance(command, kind) and where in (getattr(command, "instrument", None), getattr(command, "venue", None)):
                self.outbox.remove(command)
                return command
        given = "; ".join(told(c) for c in self.outbox) or "nothing"
        raise Unexpected(f"expected {kind.__name__} at {where}, got {given}")

    # looking

    def order(self, instrument: str) -> Order:
        """The newest order of an instrument."""
        return [o for o in self.ledger.orders.values() if o.instrument == instrument][-1]

    def position(self, instrument: str) -> Decimal:
        """What the ledger holds of an instrument."""
        return self.ledger.positions[InstrumentId(instrument)].quantity

    def statement(self) -> BookStatement:
        """The statement of the book now."""
        return statement_of(self.ledger, self.policy, self.now)

    def quotes(self) -> tuple[ev.Quote, ...]:
        """The newest quotes: fresh, except where a venue has fallen silent."""
        return tuple(quote_of(i, self.marks[i], self.quotes_at.get(i, self.now)) for i in sorted(self.marks))

    def coin_margins(self, venue: str, positions: tuple[ev.PositionReport, ...]) -> tuple[ev.MarginReport, ...]:
        """The venue's coin accounts: wallet plus what the inverse positions made since their entries, in coin."""
        reports = []
        for (where, asset), wallet in sorted(self.wallets.items()):
            if where != venue:
                continue
            settled = {i.id for i in self.instruments if i.is_inverse and i.settle == asset}
            made = (
                p.quantity / self.entries[p.instrument] - p.quantity / self.marks[p.instrument]
                for p in positions
                if p.instrument in settled
            )
            plain = margin_report(wallet + sum(made, ZERO), "0.01")
            reports.append(replace(plain, asset=Asset(asset), wallet_balance=wallet))
        return tuple(reports)

    def of_venue(self, venue: str) -> list[str]:
        """The instruments of a venue."""
        return [i.id for i in self.instruments if i.venue == venue]


def told(command: Command) -> str:
    """A command in the words of the language."""
    if isinstance(command, PlaceOrder):
        closing = (", reduce_only=True" if command.reduce_only else "") + (", post_only=True" if command.post_only else "")
        return f"place({command.instrument!r}, '{command.quantity:f}'{closing})"
    if isinstance(command, LookUpOrder):
        return f"query({command.instrument!r})"
    if isinstance(command, CancelOrder):
        return f"cancel({command.instrument!r})"
    return repr(command)
