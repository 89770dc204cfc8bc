"""Stories of a person who wants nothing held: what closes, what no halt and no limit holds back, and what ends it."""

from __future__ import annotations

from decimal import Decimal

from bot.core.acts import Flattening, OperatorAction
from bot.core.copying import replace
from bot.core.engine import step
from bot.core.events import DecisionDue, OperatorActed
from bot.core.flattening import instruments_to_close, is_closed, unlisted_to_close
from bot.core.units import InstrumentId, VenueId
from tests.core.coin_words import coins_at, marks
from tests.core.market_words import narrow
from tests.core.openings import BINANCE, BYBIT, OKX, hedged
from tests.core.operators import flattens, halts, resumes, state_is
from tests.core.playbook import (
    accepted,
    after,
    book,
    breach,
    collateral,
    confirmed,
    decision_due,
    ended,
    evenly,
    filled,
    holds,
    net_delta,
    not_found,
    nothing,
    outcome_unknown,
    place,
    query,
    reading,
    says,
    started,
)
from tests.core.story import Story, inverse, listed, policy_for

ALL = (BINANCE, BYBIT, OKX)
VENUES = ("binance", "bybit", "okx")


def closing(story: Story, *instruments: str, of: str = "10") -> Story:
    """A decision closes these."""
    story >> decision_due()
    for instrument in instruments:
        story << place(instrument, of, reduce_only=True)
    return story


def test_everything_closes_with_reduce_only_orders_and_stays_closed_until_the_book_is_resumed() -> None:
    story = closing(hedged("30") >> flattens("alice"), *ALL)
    story >> filled(*ALL) << net_delta("ETH", "30") << says("flatten of book by alice: a drill")
    story >> after(2_000) >> confirmed() >> decision_due() << nothing() << breach("net_delta", "ETH")
    assert all(is_closed(story.ledger, InstrumentId(i)) for i in ALL)
    story >> collateral("ETH", "60") >> decision_due() << nothing()
    story >> resumes("bob", "okx") >> decision_due() << nothing()
    story >> after(2_000) >> confirmed() >> evenly("30") >> resumes("bob") >> decision_due()
    story << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10")
    story.close()


def test_a_halt_of_before_lets_it_pass_and_a_later_one_ends_it() -> None:
    story = hedged("30") >> halts("alice") >> decision_due() << nothing()
    story = closing(story >> flattens("alice"), *ALL) >> filled(BINANCE) << state_is("halted")
    story >> ended(BYBIT, "4") >> ended(OKX, "4")
    story >> halts("bob", "okx") >> after(1_100) >> confirmed() >> decision_due() << place(BYBIT, "6", reduce_only=True)
    story >> ended(BYBIT, "1") >> halts("bob") >> after(1_100) >> decision_due() << nothing()
    assert instruments_to_close(story.ledger) == ()
    story << holds(BINANCE, "0") << holds(BYBIT, "-5") << holds(OKX, "-6")
    story.close()


def test_a_halted_book_leaves_the_orders_that_close_it_to_work() -> None:
    story = closing(hedged("30") >> halts("alice") >> decision_due() << nothing() >> flattens("alice"), *ALL)
    for instrument in ALL:
        story >> accepted(instrument)
    story >> after(60) >> decision_due() << nothing() >> filled(*ALL) << state_is("halted")
    assert all(is_closed(story.ledger, InstrumentId(i)) for i in ALL)
    story.close()


def test_one_venue_closes_and_the_others_take_over_what_they_have_room_for() -> None:
    story = closing(hedged("30") >> flattens("alice", "okx"), OKX) >> filled(OKX) << net_delta("ETH", "10")
    story >> narrow("45") >> decision_due() << place(BYBIT, "-5") << place(BINANCE, "-5") >> filled(BYBIT, BINANCE)
    story >> after(2_000) >> confirmed() >> decision_due() << nothing() << holds(OKX, "0")
    story >> resumes("alice") >> decision_due() << nothing()  # a venue is resumed by its own name
    assert instruments_to_close(story.ledger) == (OKX,)
    story >> resumes("alice", "okx")
    assert instruments_to_close(story.ledger) == ()


def test_one_asset_closes_everywhere_and_the_other_stays() -> None:
    story = book(policy_for("ETH", "BTC")) >> evenly("30") >> evenly("3", "BTC") >> decision_due()
    for venue in VENUES:
        story << place(f"{venue}:ETH", "-10") << place(f"{venue}:BTC", "-1")
    story >> filled(*(f"{v}:{a}" for v in VENUES for a in ("ETH", "BTC"))) >> flattens("alice", asset="BTC")
    closing(story, *(f"{v}:BTC" for v in VENUES), of="1")
    story << net_delta("ETH", "0")


def test_it_survives_a_restart_and_what_is_in_doubt_is_not_closed_twice() -> None:
    story = closing(hedged("30") >> flattens("alice"), *ALL) >> filled(BINANCE, BYBIT) >> outcome_unknown(OKX)
    story >> started() >> after(1_000) >> confirmed() >> decision_due()
    story << query(OKX)
    assert not [c for c in story.outbox if type(c).__name__ == "PlaceOrder"]
    assert set(instruments_to_close(story.ledger)) == set(ALL)


def test_what_is_in_doubt_and_over_does_not_keep_what_is_certain_from_being_closed() -> None:
    """A reduction of 4 of 10 went unanswered; its venue does not find it, and tells no fills by which the doubt could end."""
    story = hedged("30") >> after(500) >> collateral("ETH", "26") >> decision_due() << place(OKX, "4", reduce_only=True)
    story >> outcome_unknown(OKX) >> flattens("alice", "okx") >> after(500) >> confirmed() >> decision_due() << query(OKX)
    story >> after(8_000) >> confirmed() >> decision_due() << query(OKX) >> not_found(OKX) >> decision_due()
    story << place(OKX, "6", reduce_only=True) >> filled(OKX) << holds(OKX, "-4") << net_delta("ETH", "2", "6")
    assert not is_closed(story.ledger, InstrumentId(OKX))


def test_a_large_position_goes_slice_by_slice_whatever_limits_of_increases_say() -> None:
    limits = {"order_notional_max": 8_000, "venue_share_max": 0, "gross_notional_max": 1}
    story = hedged("30")
    story.policy = policy_for("ETH", **limits)
    story >> flattens("alice") >> decision_due()
    parts = {BINANCE: "2.666", BYBIT: "2.66", OKX: "2.666"}  # of 3,000 each, by their lots
    for instrument, part in parts.items():
        story << place(instrument, part, reduce_only=True)
    story >> filled(*ALL) >> after(200) >> decision_due()
    for instrument, part in parts.items():
        story << place(instrument, part, reduce_only=True)


def test_nothing_closes_on_a_record_that_contradicts_itself() -> None:
    story = hedged("30")
    contradicts = replace(story.ledger, invariants_broken=("positions do not add up",))
    asked = OperatorActed(at=story.now, action=OperatorAction.FLATTEN, by="alice", why="a drill")
    after_it = step(contradicts, asked, story.policy)
    assert after_it.ledger.flattenings == ()
    assert "not flattened: the record contradicts itself" in after_it.ledger.notes[-1].sentence
    closing_then = step(
        replace(contradicts, flattenings=closing_all(story)), DecisionDue(at=story.now, quotes=story.quotes()), story.policy
    )
    assert not closing_then.commands


def closing_all(story: Story) -> tuple[Flattening, ...]:
    """As if somebody had asked for it before."""
    return tuple(Flattening(venue=VenueId(v), asset=None, since=story.now, by="a", why="w", of_venue=False) for v in VENUES)


def test_the_whole_of_an_inverse_position_closes_to_the_last_contract() -> None:
    inverse_at = "okx:ETH-USD"
    policy = policy_for("ETH", instruments=frozenset({InstrumentId(BYBIT), InstrumentId(inverse_at)}))
    story = book(policy, instruments=(listed("bybit", "ETH"), inverse("okx", "ETH")))
    story >> coins_at("okx", "ETH", "4") >> reading("okx") >> narrow("20") >> collateral("ETH", "16") >> decision_due()
    story << place(BYBIT, "-10") << place(inverse_at, "-30000") >> filled(BYBIT, inverse_at)
    story >> marks("ETH", "3007.7") >> flattens("alice", "okx") >> decision_due() << place(inverse_at, "30000", reduce_only=True)
    (story >> filled(inverse_at) << holds(inverse_at, "0")).close()


def test_a_touch_that_shows_less_than_a_lot_is_told_once_and_closes_when_it_shows_more() -> None:
    story = hedged("30") >> flattens("alice", "okx")
    lot = story.ledger.instruments[InstrumentId(OKX)].lot
    thin = tuple(replace(q, ask_quantity=lot / 1_000) if q.instrument == OKX else q for q in story.quotes())
    for _ in range(3):
        story.feed(DecisionDue(at=story.now, quotes=thin))
        assert [c for c in story.outbox if getattr(c, "instrument", "") == OKX] == []
        story >> after(100) >> confirmed()
    words = f"not closed: the touch shows less than a lot of {lot:f} contracts; tried again at each decision"
    assert [n.sentence for n in story.ledger.notes if n.subject == OKX].count(words) == 1
    story >> decision_due() << place(OKX, "10", reduce_only=True)


def test_without_a_quote_it_is_told_that_there_is_none() -> None:
    story = hedged("30") >> flattens("alice", "okx")
    story.feed(DecisionDue(at=story.now, quotes=tuple(q for q in story.quotes() if q.instrument != OKX)))
    story << says("not closed: quote_age")


def test_what_no_venue_has_listed_is_to_be_closed_until_it_is_known_to_be_flat() -> None:
    story = hedged("30") >> flattens("alice", "okx")
    okx = InstrumentId(OKX)
    assert unlisted_to_close(story.ledger, story.policy) == ()
    bare = replace(story.ledger, instruments={i: listed for i, listed in story.ledger.instruments.items() if i != okx})
    assert unlisted_to_close(bare, story.policy) == (okx,)
    gone = replace(story.policy, instruments=story.policy.instruments - {okx})
    assert unlisted_to_close(bare, gone) == (okx,), "it is held, whatever the configuration names"
    flat = replace(bare, positions={**bare.positions, okx: replace(bare.positions[okx], quantity=Decimal(0))})
    assert unlisted_to_close(flat, gone) == ()
    unknown = replace(bare, positions={i: p for i, p in bare.positions.items() if i != okx})
    assert (unlisted_to_close(unknown, story.policy), unlisted_to_close(unknown, gone)) == ((okx,), ())
    assert unlisted_to_close(replace(bare, flattenings=()), story.policy) == ()
