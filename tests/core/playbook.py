"""A small language for stories about the book: `story >> what happens >> decision_due() << what must follow`.

`>>` feeds one fact through the step, `<<` takes one command that the latest decision must have given. A command that nobody expected
fails the story at the next fact and at its end; readings are the one exception, they are routine and need not be mentioned.

After every fact the story itself checks: the core's invariants, one wire attempt per id, no order beyond the venue's share, reducing
orders never larger than what is held. `Story.close` folds the same events again and wants the same ledger and the same commands.

Instruments are spelled `okx:ETH`, quantities are strings in signed base units (short < 0), `now` is milliseconds.
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
from bot.core.order import Order, OrderState
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


def policy_for(*assets: str, venues: tuple[str, ...] = VENUES, **changes: Any) -> Policy:
    """A policy that hedges these assets (and wstETH as ETH) at these venues, from one source called `custody`."""
    plain = Policy(
        collateral_assets={Asset(a): Asset(a) for a in assets} | ({Asset("wstETH"): Asset("ETH")} if "ETH" in assets else {}),
        collateral_sources=frozenset({"custody"}),
        instruments=frozenset(InstrumentId(f"{v}:{a}") for v in venues for a in assets),
        venue_share_max=D("0.6"),
        rebalance_notional_min=D(25),
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
        ledger, commands = Ledger(), []
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

    def of_venue(self, venue: str) -> list[str]:
        """The instruments of a venue."""
        return [i.id for i in self.instruments if i.venue == venue]


def told(command: Command) -> str:
    """A command in the words of the language."""
    if isinstance(command, PlaceOrder):
        closing = ", reduce_only=True" if command.reduce_only else ""
        return f"place({command.instrument!r}, '{command.quantity:f}'{closing})"
    if isinstance(command, LookUpOrder):
        return f"query({command.instrument!r})"
    if isinstance(command, CancelOrder):
        return f"cancel({command.instrument!r})"
    return repr(command)


def book(policy: Policy, **kwargs: Any) -> Story:
    """A story whose venues are listed, heard, read and flat, and whose collateral source has said that there is nothing."""
    story = Story(policy, **kwargs)
    story >> started()
    for instrument in story.instruments:
        story.feed(ev.InstrumentListed(at=story.now, instrument=instrument))
    for venue in sorted({i.venue for i in story.instruments}):
        story >> link(venue, "up")
    story >> confirmed() >> decision_due()
    for venue in sorted({i.venue for i in story.instruments}):
        story >> reading(venue)
    return story >> after(1_000) >> confirmed()


# What happens. Each returns a Feed.


def _one(name: str, make: Callable[[Story], ev.Event]) -> Feed:
    return Feed(name, lambda story: [make(story)])


def after(ms: int) -> Feed:
    """Time passes."""

    def passes(story: Story) -> list[ev.Event]:
        story.now += ms
        return []

    return Feed(f"after {ms} ms", passes)


def decision_due() -> Feed:
    """It is time to decide, on the newest quotes."""
    return _one("decision_due", lambda s: ev.DecisionDue(at=s.now, quotes=s.quotes()))


def started() -> Feed:
    """A run begins; the second of a story is a restart."""

    def begins(story: Story) -> ev.Event:
        epoch = story.epoch
        story.epoch = f"e{int(epoch[1:]) + 1}"
        return ev.SessionStarted(at=story.now, epoch=epoch, config_hash="c", policy=story.policy)

    return _one("started", begins)


def stop_requested() -> Feed:
    """The run is to end."""
    return _one("stop_requested", lambda s: ev.StopRequested(at=s.now, reason="asked to"))


def collateral(asset: str, quantity: str, rate: str | None = "1", source: str = "custody", location: str = "vault") -> Feed:
    """A source tells the total of an asset."""
    return _one(
        f"collateral {asset} {quantity}",
        lambda s: ev.CollateralObserved(
            at=s.now,
            source=source,
            location=location,
            asset=Asset(asset),
            quantity=D(quantity),
            redemption_rate=None if rate is None else D(rate),
        ),
    )


def confirmed(source: str = "custody") -> Feed:
    """A source was read and says the same."""
    return _one("confirmed", lambda s: ev.CollateralConfirmed(at=s.now, source=source))


def source_unreadable(source: str = "custody") -> Feed:
    """A source could not be read."""
    return _one("source_unreadable", lambda s: ev.CollateralUnreadable(at=s.now, source=source, reason="no answer"))


def link(venue: str, state: str) -> Feed:
    """A venue is heard better or worse; one that is not heard stops quoting."""

    def changes(story: Story) -> ev.Event:
        for instrument in story.of_venue(venue):
            story.quotes_at.pop(instrument, None)
            if state != "up":
                story.quotes_at[instrument] = story.now
        return ev.VenueLinkChanged(at=story.now, venue=VenueId(venue), link=ev.VenueLink(state), reason="told so")

    return _one(f"link {venue} {state}", changes)


def reading(venue: str, *, orders: tuple[ev.OrderReport, ...] = (), fills: tuple[ev.FillReport, ...] = (), **positions: str) -> Feed:
    """A complete reading of a venue: positions by asset, the others as our record has them."""

    def answers(story: Story) -> ev.Event:
        rows = []
        for instrument in story.of_venue(venue):
            record = story.ledger.positions.get(InstrumentId(instrument))
            ours = record.quantity if record else ZERO
            asset = instrument.split(":")[1]
            rows.append(position_report(instrument, D(positions[asset]) if asset in positions else ours))
        return ev.VenueReported(
            at=story.now,
            venue=VenueId(venue),
            asked_at=story.asked.pop(venue, story.now),
            clock_offset_ms=0,
            orders=orders,
            positions=tuple(rows),
            fills=fills,
            margins=(story.margins.get(venue, margin_report()),),
        )

    return _one(f"reading of {venue}", answers)


def position_report(instrument: str, quantity: Decimal) -> ev.PositionReport:
    """A venue's word on a position."""
    return ev.PositionReport(instrument=InstrumentId(instrument), quantity=quantity, entry_price=None, mark_price=None)


def unreadable(venue: str) -> Feed:
    """A reading of a venue failed."""
    return _one(f"{venue} unreadable", lambda s: ev.VenueUnreadable(at=s.now, venue=VenueId(venue), asked_at=s.now, reason="timed out"))


def funding(instrument: str, rate: str | None, interval_h: int | None = 8) -> Feed:
    """A venue tells its next funding rate."""
    return _one(
        f"funding of {instrument}",
        lambda s: ev.FundingRateObserved(
            at=s.now,
            instrument=InstrumentId(instrument),
            rate=None if rate is None else D(rate),
            interval_ms=None if interval_h is None else interval_h * 3_600_000,
            next_settlement_at=None,
        ),
    )


def order_report(story: Story, instrument: str, status: str, filled: str | None, **changes: Any) -> ev.OrderReport:
    """What a venue says of the newest order of an instrument."""
    order = story.order(instrument)
    plain = ev.OrderReport(
        instrument=order.instrument,
        client_order_id=order.client_order_id,
        venue_order_id=f"v-{order.client_order_id}",
        status=ev.VenueOrderStatus(status),
        filled_quantity=None if filled is None else D(filled),
        average_price=None,
        venue_at=story.now,
    )
    return replace(plain, **changes)


def fill_report(story: Story, instrument: str, quantity: str | Decimal, **changes: Any) -> ev.FillReport:
    """One execution of the newest order of an instrument, with a fresh fill id."""
    order = story.order(instrument)
    story.fill_number += 1
    plain = ev.FillReport(
        instrument=order.instrument,
        fill_id=f"f{story.fill_number}",
        client_order_id=order.client_order_id,
        venue_order_id=f"v-{order.client_order_id}",
        quantity=D(quantity),
        price=story.marks[instrument],
        fee=D("0.1"),
        fee_asset=Asset("USDT"),
        kind=ev.FillKind.TRADE,
        venue_at=story.now,
    )
    return replace(plain, **changes)


def accepted(instrument: str) -> Feed:
    """The venue has the newest order of an instrument; nothing filled yet."""
    return _one("accepted", lambda s: ev.OrderReported(at=s.now, report=order_report(s, instrument, "accepted", "0")))


def ended(instrument: str, filled: str | None = "0") -> Feed:
    """The newest order was cancelled with so much filled (None: the venue did not tell)."""
    return _one("ended", lambda s: ev.OrderReported(at=s.now, report=order_report(s, instrument, "canceled", filled)))


def rejected(instrument: str) -> Feed:
    """The venue says, after its acknowledgement, that it did not take the order."""
    return _one("rejected", lambda s: ev.OrderReported(at=s.now, report=order_report(s, instrument, "rejected", "0")))


def reported_filled(instrument: str) -> Feed:
    """The venue says that the newest order is filled in full."""
    return _one(
        "reported_filled",
        lambda s: ev.OrderReported(at=s.now, report=order_report(s, instrument, "filled", f"{s.order(instrument).quantity:f}")),
    )


def fill(instrument: str, quantity: str, **changes: Any) -> Feed:
    """One execution of the newest order."""
    return _one("fill", lambda s: ev.FillReported(at=s.now, fill=fill_report(s, instrument, quantity, **changes)))


def filled(*instruments: str) -> Feed:
    """The newest order of each instrument executes in full: fill and report."""

    def both(story: Story) -> list[ev.Event]:
        events: list[ev.Event] = []
        for instrument in instruments:
            order = story.order(instrument)
            events.append(ev.FillReported(at=story.now, fill=fill_report(story, instrument, order.leaves)))
            report = order_report(story, instrument, "filled", f"{order.quantity:f}")
            events.append(ev.OrderReported(at=story.now, report=report))
        return events

    return Feed(f"filled {instruments}", both)


def venue_acts(instrument: str, quantity: str, kind: str = "auto_deleveraging") -> Feed:
    """The venue itself changes our position by a fill of its own kind."""

    def acts(story: Story) -> ev.Event:
        story.fill_number += 1
        return ev.FillReported(
            at=story.now,
            fill=ev.FillReport(
                instrument=InstrumentId(instrument),
                fill_id=f"a{story.fill_number}",
                client_order_id=None,
                venue_order_id=None,
                quantity=D(quantity),
                price=story.marks[instrument],
                fee=None,
                fee_asset=None,
                kind=ev.FillKind(kind),
                venue_at=story.now,
            ),
        )

    return _one(f"{kind} at {instrument}", acts)


def refused(instrument: str) -> Feed:
    """The venue proves that the newest order does not exist."""
    return _one(
        "refused",
        lambda s: ev.OrderRefused(at=s.now, client_order_id=s.order(instrument).client_order_id, code="-2019", reason="margin"),
    )


def outcome_unknown(instrument: str) -> Feed:
    """The place request of the newest order ended without proof either way."""
    return _one(
        "outcome_unknown",
        lambda s: ev.OrderOutcomeUnknown(at=s.now, client_order_id=s.order(instrument).client_order_id, reason="timed out"),
    )


def not_found(instrument: str) -> Feed:
    """A look-up and a read of fills succeeded now and do not know the newest order; the venue's clock is ours."""
    return _one("not_found", lambda s: ev.OrderAbsent(at=s.now, client_order_id=s.order(instrument).client_order_id, venue_clock_at=s.now))


def look_up_failed(instrument: str) -> Feed:
    """A look-up did not come through."""
    return _one("look_up_failed", lambda s: ev.LookUpFailed(at=s.now, client_order_id=s.order(instrument).client_order_id, reason="503"))


def cancel_unconfirmed(instrument: str) -> Feed:
    """A cancel was refused or went unanswered."""
    return _one(
        "cancel_unconfirmed",
        lambda s: ev.CancelUnconfirmed(at=s.now, client_order_id=s.order(instrument).client_order_id, reason="not found"),
    )


# What must follow. Each returns an Expect.


def place(instrument: str, quantity: str, *, reduce_only: bool = False) -> Expect:
    """An order of exactly this much."""

    def check(story: Story) -> None:
        command = story.take(PlaceOrder, instrument)
        assert (command.quantity, command.reduce_only) == (D(quantity), reduce_only), f"expected {quantity}, got {told(command)}"
        assert command.expires_at == story.now + story.policy.order_expiry_ms

    return Expect("place", check)


def query(instrument: str) -> Expect:
    """A question about the order of an instrument."""
    return Expect("query", lambda story: story.take(LookUpOrder, instrument))


def cancel(instrument: str) -> Expect:
    """A cancel of the order of an instrument."""
    return Expect("cancel", lambda story: story.take(CancelOrder, instrument))


def read(venue: str) -> Expect:
    """A complete reading of a venue is asked for."""
    return Expect("read", lambda story: story.take(ReadVenue, venue))


def nothing() -> Expect:
    """No order, question or cancel."""
    return Expect("nothing", lambda story: story._nothing_left_over("where nothing should follow"))


def net_delta(asset: str, low: str, high: str | None = None) -> Expect:
    """The net delta of an asset, as an exact figure or as a range."""

    def check(story: Story) -> None:
        net = exposure.net_delta(story.ledger, story.policy, Asset(asset))
        assert net is not None
        assert (net.low, net.high) == (D(low), D(high if high is not None else low)), f"net delta is {net}"

    return Expect("net_delta", check)


def holds(instrument: str, quantity: str) -> Expect:
    """The ledger's position."""

    def check(story: Story) -> None:
        assert story.position(instrument) == D(quantity), f"{instrument} holds {story.position(instrument)}"

    return Expect("holds", check)


def order_is(instrument: str, state: OrderState) -> Expect:
    """The state of the newest order."""

    def check(story: Story) -> None:
        assert story.order(instrument).state is state, f"order at {instrument} is {story.order(instrument)}"

    return Expect("order_is", check)


def breach(limit: str, subject: str | None = None) -> Expect:
    """The statement tells a breach of this limit."""

    def check(story: Story) -> None:
        found = story.statement().breaches
        assert any(b.limit.value == limit and subject in (None, b.subject) for b in found), [b.sentence() for b in found]

    return Expect("breach", check)


def says(words: str) -> Expect:
    """Among what the book tells people is a sentence with these words."""

    def check(story: Story) -> None:
        assert any(words in n.sentence for n in story.ledger.notes), [n.sentence for n in story.ledger.notes]

    return Expect("says", check)
