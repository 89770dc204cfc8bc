"""The last gate: what may leave although, and because, everything else was decided before (its limits: `test_risk`)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from bot.core import gate
from bot.core.drafting import draft
from bot.core.limits import Limit
from bot.core.order import OrderState
from bot.core.policy import Policy
from bot.core.units import ClientOrderId, InstrumentId
from tests.core.market_words import narrow
from tests.core.openings import BINANCE, BYBIT, OKX, hedged
from tests.core.playbook import after, book, collateral, confirmed, decision_due, evenly, filled, net_delta, nothing, place, reading
from tests.core.story import margin_report, policy_for

D = Decimal


def test_a_part_of_the_order_rate_is_kept_for_reductions() -> None:
    story = hedged("30", order_rate_max=8)
    ended = replace(story.order(OKX), state=OrderState.FILLED, closed_at=story.now, placed_at=story.now)

    def breach(sent: int, quantity: str) -> str | None:
        orders = {ClientOrderId(f"x{n}"): replace(ended, client_order_id=ClientOrderId(f"x{n}")) for n in range(sent)}
        ledger = replace(story.ledger, orders=orders)
        order, _ = draft(ledger, story.policy, InstrumentId(OKX), D(quantity), story.now, "test")
        assert order is not None
        found = gate.order_breach(ledger, story.policy, order, story.now)
        assert found is None or found.limit is Limit.ORDER_RATE
        return None if found is None else f"{found.allowed}"

    assert [breach(n, "-1") for n in (5, 6, 8)] == [None, "6", "6"]
    assert [breach(n, "1") for n in (6, 7, 8)] == [None, None, "8"]
    assert gate.increases_max(Policy(order_rate_max=1)) == 1


def test_an_increase_at_an_instrument_that_is_not_configured_any_more_is_refused() -> None:
    story = hedged("30")
    policy = replace(story.policy, instruments=story.policy.instruments - {InstrumentId(OKX)})
    found = []
    for quantity in ("-1", "1"):
        order, _ = draft(story.ledger, policy, InstrumentId(OKX), D(quantity), story.now, "test")
        assert order is not None
        found.append(gate.order_breach(story.ledger, policy, order, story.now))
    assert found[0] is not None
    assert (found[0].limit, found[0].subject, found[0].observed) == (Limit.NO_INSTRUMENT, OKX, D(-10))
    assert found[1] is None  # what it carries may be reduced


def test_an_order_that_would_carry_the_margin_ratio_over_its_limit_is_made_smaller() -> None:
    """OKX is charged 0.4 USD per USD there; from 30,000 to 37,500 USD of notional its ratio goes from 0.4 to 0.5."""
    story = hedged("30", liquidation_distance_target=D("0.05"))
    story.margins["okx"] = margin_report("30000", "12000")
    story >> reading("okx") >> confirmed() >> decision_due() << nothing() >> narrow("44.25") >> collateral("ETH", "42") >> decision_due()
    story << place(OKX, "-2.5") << place(BINANCE, "-4.75") << place(BYBIT, "-4.75")
    (story >> filled(OKX, BINANCE, BYBIT) >> decision_due() << nothing()).close()


def test_a_margin_ratio_that_leaves_no_room_moves_nothing_away() -> None:
    story = hedged("30")
    story.margins["okx"] = margin_report("30000", "15000")
    story >> reading("okx") >> confirmed() >> decision_due() << nothing() >> narrow("33") >> collateral("ETH", "32") >> decision_due()
    (story << place(BINANCE, "-1") << place(BYBIT, "-1")).close()


def shared_with_btc() -> tuple[Policy, str]:
    policy = policy_for("ETH", venue_share_max=D("0.5"))
    both = {**policy.collateral_assets, "BTC": "BTC"}
    return replace(policy, collateral_assets=both, instruments=policy.instruments | {InstrumentId("okx:BTC")}), "okx:BTC"  # type: ignore[arg-type]  # plain strings are ids


def test_a_reduction_in_flight_does_not_drive_out_another_assets_hedge() -> None:
    policy, btc = shared_with_btc()
    story = book(policy) >> evenly("0.5", "BTC") >> evenly("30") >> decision_due()
    story << place(btc, "-0.5") << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10")
    story >> filled(btc, BYBIT, BINANCE, OKX) >> decision_due() << nothing()
    story >> after(100) >> collateral("BTC", "0") >> decision_due() << place(btc, "0.5", reduce_only=True)
    story >> after(50) >> decision_due() << nothing()
    (story >> filled(btc) >> decision_due() << nothing() << net_delta("ETH", "0")).close()


def test_a_reduction_in_flight_makes_no_room_for_an_increase() -> None:
    policy, btc = shared_with_btc()
    story = book(policy) >> evenly("0.5", "BTC") >> evenly("30") >> decision_due()
    story << place(btc, "-0.5") << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10")
    (
        story
        >> filled(btc, BYBIT, BINANCE, OKX)
        >> after(100)
        >> collateral("BTC", "0")
        >> narrow("39")
        >> collateral("ETH", "36")
        >> decision_due()
    )
    (story << place(btc, "0.5", reduce_only=True) << place(BYBIT, "-3") << place(BINANCE, "-3")).close()
