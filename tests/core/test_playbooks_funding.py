"""Stories of funding: what is entered, what is told, and that carry never stops the hedging of what is held."""

from __future__ import annotations

from decimal import Decimal

from bot.core import events as ev
from bot.core.events import Event
from bot.core.units import Asset, InstrumentId, VenueId
from tests.core.openings import BINANCE, BYBIT, OKX, hedged
from tests.core.playbook import (
    after,
    book,
    breach,
    confirmed,
    decision_due,
    evenly,
    filled,
    funding,
    net_delta,
    nothing,
    place,
    says,
    started,
)
from tests.core.story import Feed, Story, policy_for

D = Decimal
HOUR = 3_600_000


def settles(instrument: str, rate: str, interval_h: int, in_ms: int) -> Feed:
    """A venue tells its next rate and when it settles."""

    def told(story: Story) -> list[Event]:
        event = ev.FundingRateObserved(
            at=story.now,
            instrument=InstrumentId(instrument),
            rate=D(rate),
            interval_ms=interval_h * HOUR,
            next_settlement_at=story.now + in_ms,
        )
        return [event]

    return Feed(f"{instrument} settles", told)


def listed(venue: str, *rows: tuple[str, str, int], span_ms: int = HOUR) -> Feed:
    """A venue's records are read to the end: (id, quantity, how long ago) of payments on its ETH perpetual."""

    def told(story: Story) -> list[Event]:
        payments = tuple(
            ev.FundingPayment(
                instrument=InstrumentId(f"{venue}:ETH"),
                payment_id=name,
                quantity=D(quantity),
                asset=Asset("USDT"),
                venue_at=story.now - ago,
            )
            for name, quantity, ago in rows
        )
        return [ev.FundingRecordsRead(at=story.now, venue=VenueId(venue), from_at=story.now - span_ms, to_at=story.now, payments=payments)]

    return Feed(f"records of {venue}", told)


def funding_is(story: Story, received: str) -> None:
    told = story.statement()
    assert told.funding_usd == D(received)
    assert {line.difference for line in told.funding} == {D(0)}


def beat(story: Story, ms: int = 1_000) -> Story:
    return story >> after(ms) >> confirmed() >> decision_due()


def test_s8_funding_is_entered_once_through_replays_restarts_and_a_gap_and_agrees_with_the_venue() -> None:
    story = hedged("30", collateral_age_max_ms=10**10, report_age_max_ms=10**10)
    story >> listed("okx", ("a", "3", 0)) >> listed("okx", ("a", "3", 0)) >> listed("bybit", ("x", "-1", 0))
    funding_is(story, "2")
    story >> after(HOUR) >> listed("okx", ("b", "3", 60_000), ("a", "3", HOUR), span_ms=2 * HOUR)
    funding_is(story, "5")
    story >> started() >> after(24 * HOUR)  # down for a day: hourly payments were missed
    rows = tuple((f"h{n}", "0.5", n * HOUR) for n in range(24))
    story >> listed("okx", *rows, span_ms=24 * HOUR) >> listed("okx", *rows, span_ms=24 * HOUR)
    funding_is(story, "17")
    assert story.ledger.payments[InstrumentId(OKX)].settlements == 26
    assert "funding_record" not in story.ledger.tallies.breaks_by_cause
    story.close()


def test_s8_a_payment_with_the_wrong_sign_is_told() -> None:
    story = hedged("30") >> after(40_000) >> settles(OKX, "0.0001", 8, 500)  # what was traded before is settled
    beat(story) << nothing()
    story >> after(60_000) >> listed("okx", ("a", "-3", 60_000)) << breach("funding_record", OKX)
    (story << says("recorded -3, expected +3.00000000 to +3.00000000")).close()


def test_s8_what_the_venue_takes_out_of_its_records_is_told_with_its_numbers() -> None:
    story = hedged("30") >> listed("okx", ("a", "3", 0)) >> after(1_000) >> listed("okx") << breach("funding_record", OKX)
    (story << says("+3 USDT settled at")).close()


def test_s9_the_interval_shrinks_from_eight_hours_to_one_while_a_position_is_open() -> None:
    story = hedged("30", funding_half_life_ms=1_000, quote_age_max_ms=30_000) >> after(40_000)
    expected = []
    for rate, hours in (("0.0008", 8), ("0.0004", 4), ("0.0001", 1)):  # the same carry at each
        beat(story >> settles(OKX, rate, hours, 500)) << nothing()
        (line,) = (line for line in story.statement().funding if line.instrument == OKX)
        assert (line.interval_ms, line.annual) == (hours * HOUR, D("0.876"))
        expected.append(story.ledger.payments[InstrumentId(OKX)].expected[-1].quantity.middle)
        story >> after(120_000)
    assert expected == [24, 12, 3], "ten ETH at 3,000"
    story.close()


def test_s10_a_sign_that_swings_moves_nothing() -> None:
    story = hedged("30", funding_dwell_ms=10_000, funding_half_life_ms=2_000)
    for n in range(40):
        story >> funding(OKX, "-0.0005" if n % 2 else "0.0004")
        beat(story, 3_000) << nothing()
        assert not story.ledger.funding[InstrumentId(OKX)].flipped
    story.close()


def test_s10_a_failed_reading_of_funding_is_a_visible_state() -> None:
    story = hedged("30", funding_age_max_ms=60_000) >> funding(OKX, "0.0001") >> after(60_001) >> funding(OKX, None)
    (line,) = (line for line in story.statement().funding if line.instrument == OKX)
    assert (line.annual, line.rate_age_ms) == (None, 60_001)
    (advice,) = story.statement().deployment
    assert advice.state == "unknown"
    story.close()


def test_funding_below_the_floor_refuses_new_deployment_in_numbers_and_hedges_a_deposit_all_the_same() -> None:
    story = book(policy_for("ETH", funding_half_life_ms=1_000))
    for instrument in (BYBIT, BINANCE, OKX):
        story >> funding(instrument, "-0.001")
    story >> decision_due() << nothing() << breach("carry_floor", "ETH") << says("new deployment is refused")
    story >> evenly("30") >> decision_due() << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10")
    story >> filled(BYBIT, BINANCE, OKX) << net_delta("ETH", "0")
    (advice,) = story.statement().deployment
    assert advice.conversion is not None
    assert (advice.state, advice.carry_annual, advice.conversion.base_units) == ("refused", D("-1.095"), 30)
    assert advice.conversion.gain_usd_annual == D("90_000") * D("1.135")
    (beat(story) << nothing()).close()
