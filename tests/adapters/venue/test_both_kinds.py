"""One account that trades linear and inverse perpetuals of one venue at once: every part of it is asked, heard and kept apart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from bot.adapters.venue.profiles import PROFILES
from bot.core.commands import CancelOrder, PlaceOrder
from bot.core.events import FillReported, OrderReported, VenueLink, VenueReported, VenueUnreadable
from bot.core.instrument import Instrument
from bot.simulator.dialects.dialect import Operation
from bot.simulator.faults import FaultKind
from tests.adapters.venue.test_venue_streams import links, market_sockets
from tests.adapters.venue.venue_stand import BOTH_KINDS, BTC, STANDS, Stand, standing, until
from tests.simulator.stand import KEY

D = Decimal


@pytest.fixture(params=list(BOTH_KINDS))
async def stand(request) -> AsyncIterator[Stand]:
    async with standing(request.param, moving=True) as one:
        yield one


def kinds(stand: Stand) -> tuple[Instrument, Instrument, Instrument]:
    """The BTC perpetuals that settle in USDT, in USDC and in BTC."""
    by_settle = {each.settle: each for each in stand.instruments.values() if each.base == "BTC"}
    return by_settle["USDT"], by_settle["USDC"], by_settle["BTC"]


def order(stand: Stand, instrument: Instrument, base: str, ours: str, **changed) -> PlaceOrder:
    """An order for a quantity of BTC in one instrument, ten dollars beyond the touch."""
    contracts = instrument.contracts_of_units(instrument.units_of(D(base), BTC))
    given = {
        "client_order_id": ours,
        "instrument": instrument.id,
        "quantity": instrument.units_of_contracts(contracts),
        "contracts": abs(contracts),
        "price": BTC - 10 if contracts < 0 else BTC + 10,
        "reduce_only": False,
        "expires_at": stand.clock.now() + 3_000,
    }
    return PlaceOrder(**(given | changed))


async def short_everywhere(stand: Stand) -> dict[str, D]:
    """A short of 0.05 BTC in each kind; what each counts."""
    held = {}
    for number, instrument in enumerate(kinds(stand)):
        command = order(stand, instrument, "-0.05", f"k{number}x{stand.clock.now()}")
        assert isinstance(await stand.venue.place(command), OrderReported)
        held[instrument.id] = command.quantity
    return held


def test_every_venue_of_the_adapter_has_a_stand_and_those_with_two_kinds_one_for_each():
    assert {venue for venue, _ in STANDS.values()} == set(PROFILES)
    for venue, profile in PROFILES.items():
        kinds_told = {example.kind for example in profile.examples}
        assert len([name for name, (its, _) in STANDS.items() if its == venue]) == len(kinds_told)


async def test_pitfall_17_a_reading_tells_positions_orders_fills_and_margins_of_every_kind(stand):
    held = await short_everywhere(stand)
    for number, instrument in enumerate(kinds(stand)):
        resting = order(stand, instrument, "-0.05", f"r{number}x{stand.clock.now()}", price=BTC + 100, post_only=True)
        assert isinstance(await stand.venue.place(resting), OrderReported)
    report = await stand.venue.read(stand.reading())
    assert isinstance(report, VenueReported), report
    assert {each.instrument: each.quantity for each in report.positions if each.quantity} == held
    assert {fill.instrument: fill.quantity for fill in report.fills} == held
    assert {fill.instrument: fill.fee_asset for fill in report.fills} == {each.id: each.settle for each in kinds(stand)}
    assert {each.instrument for each in report.orders} == set(held)
    assert {margin.asset for margin in report.margins} == {"USDT", "USDC", "BTC", "ETH"}
    wallets = {balance.asset: balance.wallet for balance in stand.desk.exchange.balances(KEY.account)}
    for margin in report.margins:
        assert abs(margin.wallet_balance - wallets[margin.asset]) < D("1e-11")


async def test_an_order_of_each_kind_is_cancelled_and_looked_up_in_its_own_part(stand):
    for number, instrument in enumerate(kinds(stand)):
        resting = order(stand, instrument, "-0.05", f"c{number}x{stand.clock.now()}", price=BTC + 100, post_only=True)
        await stand.venue.place(resting)
        found = await stand.venue.look_up(stand.asked(resting))
        assert isinstance(found, OrderReported), found
        cancelled = await stand.venue.cancel(
            CancelOrder(client_order_id=resting.client_order_id, instrument=instrument.id, venue_order_id=None)
        )
        assert isinstance(cancelled, OrderReported), cancelled
    assert stand.desk.exchange.open_orders(KEY.account) == ()


async def test_pitfall_16_funding_is_paid_in_what_each_kind_settles_in(stand):
    await short_everywhere(stand)
    since = stand.clock.now() - 1_000
    for instrument in kinds(stand):
        stand.desk.settle_funding(instrument.venue_symbol)
    read = await stand.venue.funding_payments(since)
    assert read is not None
    told = {paid.instrument: (paid.quantity, paid.asset) for paid in read.payments}
    booked = {
        f"{stand.name}:{record.symbol}": (record.amount, record.asset) for record in stand.desk.exchange.funding_payments(KEY.account)
    }
    assert told == booked
    assert all(quantity > 0 for quantity, _ in told.values()), "a positive rate: shorts receive"


@pytest.mark.parametrize("left_out", [0, 1, 2], ids=["in USDT", "in USDC", "in BTC"])
async def test_positions_of_one_part_that_cannot_be_read_make_the_reading_unreadable(stand, left_out):
    """Bybit tells each in an answer of its own, OKX all in one: any that fails is a part of the reading that is missing."""
    await short_everywhere(stand)
    skip = left_out if len(stand.venue._up.asker.scopes(stand.venue._profile.reads.positions)) > 1 else 0
    stand.arm(FaultKind.REFUSE, Operation.POSITIONS, status=200, body="{}", skip=skip)
    assert isinstance(await stand.venue.read(stand.reading()), VenueUnreadable)
    assert isinstance(await stand.venue.read(stand.reading()), VenueReported)


async def test_quotes_of_every_kind_are_base_units_at_the_touch(stand):
    async with stand.listening() as box:
        await until(lambda: {quote.instrument for quote in box.quotes if quote.mark} == {each.id for each in stand.instruments.values()})
        for instrument in kinds(stand):
            quote = next(each for each in reversed(box.quotes) if each.instrument == instrument.id)
            assert abs(quote.bid_quantity - 2) < D("0.001")


async def test_fills_of_every_kind_are_heard_on_the_one_private_socket(stand):
    async with stand.listening() as box:
        held = await short_everywhere(stand)
        await until(lambda: len(box.of(FillReported)) >= len(held))
        assert {event.fill.instrument: event.fill.quantity for event in box.of(FillReported)} == held


async def test_each_public_socket_is_watched_by_itself(monkeypatch):
    """Bybit's linear and inverse books come by sockets of their own: the silence of one is stale, and only that one is made anew."""
    monkeypatch.setattr("bot.adapters.venue.streams.TOPIC_SILENT_SECONDS", 1.5)
    async with standing("bybit both kinds", moving=True) as stand, stand.listening() as box:
        linear, inverse = sorted(market_sockets(stand), key=lambda socket: "inverse" in socket.url)
        assert ("linear" in linear.url, "inverse" in inverse.url) == (True, True)
        silenced = [stand.instruments[symbol] for symbol in ("BTCUSD", "ETHUSD")]
        listener = stand.venue._listener
        original = listener.heard

        def deaf_to_inverse(socket: object, message: object) -> None:
            if socket is not inverse:
                original(socket, message)

        listener.heard = deaf_to_inverse
        await until(lambda: box.link is VenueLink.STALE)
        await until(lambda: inverse not in market_sockets(stand) and len(market_sockets(stand)) == 2, 12)
        assert linear in market_sockets(stand), "the other part's socket was left alone"
        box.quotes.clear()
        await until(lambda: {quote.instrument for quote in box.quotes} >= {each.id for each in silenced})
        await until(lambda: box.link is VenueLink.UP)
        assert VenueLink.DOWN not in links(box), "the private socket was left alone"


async def test_a_public_socket_that_is_closed_is_made_anew_while_the_other_stays(monkeypatch):
    async with standing("bybit both kinds", moving=True) as stand, stand.listening() as box:
        linear, inverse = sorted(market_sockets(stand), key=lambda socket: "inverse" in socket.url)
        await linear.connection.close()
        await until(lambda: linear not in market_sockets(stand) and len(market_sockets(stand)) == 2, 12)
        assert inverse in market_sockets(stand)
        await until(lambda: box.link is VenueLink.UP)
        box.quotes.clear()
        await asyncio.sleep(0.5)
        assert {quote.instrument for quote in box.quotes} == {each.id for each in stand.instruments.values()}
