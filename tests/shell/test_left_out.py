"""A configuration that drops what the book still carries is refused before anything is sent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.core.policy import Policy
from bot.core.records import Delegation, Ledger, VenueRecord
from bot.core.units import InstrumentId, VenueId
from bot.shell.left_out import LeftOut, refuse_left_out
from bot.simulator.wire import WireFault
from tests.core.foreign import foreign
from tests.core.market_words import mirror
from tests.shell.bench import D, hedged_bench, virtual

OKX_ETH = InstrumentId("okx:ETH-USDT-SWAP")


def test_an_empty_book_leaves_nothing_out() -> None:
    refuse_left_out(Ledger(), Policy())


def test_an_order_that_is_being_withdrawn_may_not_be_left_out() -> None:
    taken = foreign("9", instrument="okx:ETH-USDT-SWAP", taken_by="alice")
    book = Ledger(venues={VenueId("okx"): VenueRecord(taken_orders=(taken,))})
    with pytest.raises(LeftOut, match="order 9 in okx:ETH-USDT-SWAP, taken over by alice, which the configuration does not name"):
        refuse_left_out(book, Policy())
    refuse_left_out(book, Policy(instruments=frozenset({OKX_ETH})))


@virtual
async def test_a_source_that_still_holds_something_may_not_be_left_out_nor_renamed():
    bench = await hedged_bench()
    await bench.stop()
    sent, before = len(bench.world.placed), len(bench.world.store.entries)
    bench.policy = replace(bench.policy, collateral_sources=frozenset({"treasury"}))
    with pytest.raises(LeftOut, match=r"10 BTC at vault from the source 'custody'.*name it again"):
        bench.start()
    assert (len(bench.world.placed), len(bench.world.store.entries)) == (sent, before)


@virtual
async def test_a_source_that_told_zero_of_everything_may_be_left_out():
    bench = await hedged_bench()
    bench.hold("BTC", "0")
    bench.hold("ETH", "0")
    await bench.until(bench.converged, 20)
    await bench.stop()
    refuse_left_out(bench.replayed(), replace(bench.policy, collateral_sources=frozenset({"treasury"})))


@virtual
async def test_an_instrument_that_carries_a_hedge_may_not_be_left_out_and_a_flat_one_may():
    bench = await hedged_bench()
    await bench.stop()
    without = replace(bench.policy, instruments=bench.policy.instruments - {OKX_ETH})
    held = bench.world.position(OKX_ETH)
    assert held < 0
    with pytest.raises(LeftOut, match=rf"a position of {held:f} in okx:ETH-USDT-SWAP, .*flatten"):
        refuse_left_out(bench.replayed(), without)
    bench.start()
    bench.hold("ETH", "0")
    await bench.until(bench.converged, 20)
    await bench.stop()
    refuse_left_out(bench.replayed(), without)


def test_a_venue_where_a_custodian_mirrors_something_or_is_owed_something_may_not_be_left_out() -> None:
    without = Policy(collateral_sources=frozenset({"custody"}), instruments=frozenset({InstrumentId("bybit:ETHUSDT")}))
    for row, words in ((mirror("okx", "10"), "10 ETH delegated"), (mirror("okx", "0", due="0.5"), r"0 ETH delegated.* and 0\.5 due")):
        ledger = Ledger(mirrored={("custody", row.venue, row.asset): Delegation(told=row, observed_at=1)})
        with pytest.raises(LeftOut, match=rf"^venues: the journal remembers {words}.*at okx by 'custody'.*name it again"):
            refuse_left_out(ledger, without)
        refuse_left_out(ledger, replace(without, instruments=without.instruments | {OKX_ETH}))
        refuse_left_out(ledger, replace(without, collateral_sources=frozenset()))
    none = mirror("okx", "0", settled="3")
    refuse_left_out(Ledger(mirrored={("custody", none.venue, none.asset): Delegation(told=none, observed_at=1)}), without)


@virtual
async def test_an_instrument_with_an_order_whose_end_is_not_known_may_not_be_left_out():
    bench = await hedged_bench(btc="0", eth="0")
    for wire in bench.world.wires.values():
        wire.next_fault = lambda _: WireFault.NEVER_ARRIVES
    bench.hold("ETH", "60")
    await bench.until(lambda: bool(bench.ledger.open_orders()), 20)
    await bench.crash()
    book = bench.replayed()
    order = book.open_orders()[0]
    assert all(p.quantity == D(0) for p in book.positions.values())
    with pytest.raises(LeftOut, match=rf"the open order {min(o.client_order_id for o in book.open_orders())} in "):
        refuse_left_out(book, replace(bench.policy, instruments=bench.policy.instruments - {o.instrument for o in book.open_orders()}))
    refuse_left_out(book, bench.policy)
    assert order.instrument in bench.policy.instruments
