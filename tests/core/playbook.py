"""A small language for stories about the book: `story >> what happens >> decision_due() << what must follow`.

Each word is a function: facts return a Feed, expectations an Expect. How they are checked is told in `story`. Instruments are spelled
`okx:ETH`, an inverse one `okx:ETH-USD`, quantities are strings in signed contract units (short < 0).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from bot.core import events as ev
from bot.core import exposure
from bot.core.commands import CancelOrder, LookUpOrder, PlaceOrder, ReadVenue
from bot.core.order import OrderState
from bot.core.policy import Policy
from bot.core.units import ZERO, Asset, InstrumentId, VenueId
from tests.core.coin_words import as_the_venue_values
from tests.core.market_words import market, narrow
from tests.core.story import D, Expect, Feed, Story, margin_report, told


def book(policy: Policy, **kwargs: Any) -> Story:
    """A story whose venues are listed, heard, read and flat, and whose collateral source has said that there is nothing."""
    story = Story(policy, **kwargs)
    story >> started()
    for instrument in story.instruments:
        story.feed(ev.InstrumentListed(at=story.now, instrument=instrument))
        story >> market(instrument.id)
    for venue in sorted({i.venue for i in story.instruments}):
        story >> link(venue, "up")
    story >> confirmed() >> decision_due()
    for venue in sorted({i.venue for i in story.instruments}):
        story >> first_readings(venue)
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


def started(*, is_fresh: bool = False, silent_ms: int = 0) -> Feed:
    """A run begins; the second of a story is a restart. `is_fresh`: on a journal that does not know what was sent before; `silent_ms`:
    for so long nothing leaves, because it takes another instance's place."""

    def begins(story: Story) -> ev.Event:
        epoch = story.epoch
        story.epoch = f"e{int(epoch[1:]) + 1}"
        return ev.SessionStarted(at=story.now, epoch=epoch, config_hash="c", policy=story.policy, is_fresh=is_fresh, silent_ms=silent_ms)

    return _one("started", begins)


def stop_requested() -> Feed:
    """The run is to end."""
    return _one("stop_requested", lambda s: ev.StopRequested(at=s.now, reason="asked to"))


def collateral(asset: str, quantity: str, rate: str | None = "1", source: str = "custody", location: str = "vault") -> Feed:
    """A source tells the total of an asset, the last of those that it has to tell."""
    return Feed(
        f"collateral {asset} {quantity}",
        lambda s: [*total(asset, quantity, rate, source, location).events(s), *confirmed(source).events(s)],
    )


def evenly(quantity: str, asset: str = "ETH") -> Feed:
    """A source tells the total of an asset, and markets are such that its instruments carry equal parts of it and no more."""
    return Feed(f"{quantity} {asset}, evenly", lambda s: [*narrow(quantity, asset).events(s), *collateral(asset, quantity).events(s)])


def total(asset: str, quantity: str, rate: str | None = "1", source: str = "custody", location: str = "vault") -> Feed:
    """A source tells the total of an asset, and others may follow."""
    return _one(
        f"total {asset} {quantity}",
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
        told_at_marks = tuple(as_the_venue_values(story, row) for row in rows)
        return ev.VenueReported(
            at=story.now,
            venue=VenueId(venue),
            asked_at=story.asked.pop(venue, story.now),
            clock_offset_ms=0,
            orders=orders,
            positions=told_at_marks,
            fills=fills,
            margins=(story.margins.get(venue, margin_report()), *story.coin_margins(venue, told_at_marks)),
        )

    return _one(f"reading of {venue}", answers)


def first_readings(venue: str, **positions: str) -> Feed:
    """What a venue that was never read tells twice, to the answers of two questions."""

    def answers(story: Story) -> list[ev.Event]:
        (told,) = reading(venue, **positions).events(story)
        assert isinstance(told, ev.VenueReported)
        return [replace(told, asked_at=told.asked_at - 1), told]

    return Feed(f"first readings of {venue}", answers)


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


def venue_acts(instrument: str, quantity: str, kind: str = "auto_deleveraging", price: str | None = None) -> Feed:
    """The venue itself changes our position by a fill of its own kind, at the mark or at a price."""

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
                price=story.marks[instrument] if price is None else D(price),
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


def not_found(instrument: str, filled: str = "0") -> Feed:
    """A look-up succeeded now and does not know the newest order, fills tell of so much of it; the venue's clock is ours."""
    return _one(
        "not_found",
        lambda s: ev.OrderAbsent(
            at=s.now, client_order_id=s.order(instrument).client_order_id, venue_clock_at=s.now, filled_quantity=D(filled)
        ),
    )


# What must follow. Each returns an Expect.


def place(instrument: str, quantity: str, *, reduce_only: bool = False, post_only: bool = False) -> Expect:
    """An order of exactly this much, an IOC unless told otherwise."""

    def check(story: Story) -> None:
        command = story.take(PlaceOrder, instrument)
        expected = (D(quantity), reduce_only, post_only)
        assert (command.quantity, command.reduce_only, command.post_only) == expected, f"expected {quantity}, got {told(command)}"
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
