"""Advice on margin: how much, to which venue, from where and why; none while a figure is unknown."""

from __future__ import annotations

from decimal import Decimal

from bot.core.transfers import MORE, OUTSIDE, recommended
from tests.core.openings import hedged
from tests.core.playbook import reading, total
from tests.core.story import Story, margin_report

D = Decimal


def margins(story: Story, **balances: str | None) -> Story:
    """Venues tell so much margin balance in USDT."""
    for venue, balance in balances.items():
        story.margins[venue] = margin_report(balance, "150")
        story >> reading(venue)
    return story


def advice(story: Story) -> list[tuple[str, str | None, Decimal, str]]:
    return [(t.venue, t.asset, t.usd, t.source) for t in recommended(story.ledger, story.policy)]


def test_nothing_is_advised_while_every_venue_has_what_it_needs() -> None:
    assert advice(margins(hedged("30"), okx="20000", bybit="20000", binance="20000")) == []


def test_what_a_venue_misses_comes_from_the_one_with_most_to_spare() -> None:
    story = margins(hedged("30"), okx="7000", bybit="30000", binance="20000")  # 30,000 USD of shorts each; 12,750 are needed
    assert advice(story) == [("okx", "USDT", D("12750") * MORE - 7_000, "bybit")]
    (told,) = recommended(story.ledger, story.policy)
    assert told.why == "margin_buffer: 7000 USD of margin, 12750 are needed"
    assert story.statement().transfers == (told,)


def test_custody_gives_first_and_what_is_found_nowhere_comes_from_outside() -> None:
    story = hedged("30", stables=frozenset({"USDT"}))
    story >> total("USDT", "1000", None, location="cold")
    margins(story, okx="7000", bybit="16000", binance="16000")
    missing = D("12750") * MORE - 7_000
    spare = 16_000 - D("12750") * D("1.25")
    assert advice(story) == [
        ("okx", "USDT", D(1_000), "custody: cold"),
        ("okx", "USDT", spare, "binance"),
        ("okx", "USDT", spare, "bybit"),
        ("okx", "USDT", missing - 1_000 - 2 * spare, OUTSIDE),
    ]


def test_what_is_unknown_or_a_trifle_is_not_advised_on() -> None:
    assert advice(margins(hedged("30"), okx=None, bybit="20000", binance="20000")) == []
    story = margins(hedged("30", venue_move_notional_min=D(10_000)), okx="7000", bybit="30000", binance="20000")
    assert advice(story) == []
