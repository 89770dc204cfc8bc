"""While what the journal acknowledges is not to be trusted the book only reduces, and it says why."""

from __future__ import annotations

from bot.core.engine import step
from bot.core.events import JournalJudged
from bot.core.records import TradingState
from tests.core.market_words import wide
from tests.core.openings import BINANCE, BYBIT, OKX, hedged
from tests.core.playbook import breach, collateral, confirmed, decision_due, link, place, reading, started
from tests.core.story import Feed, Story

WHY = "the server does not sync every write"


def journal_judged(doubt: str | None) -> Feed:
    return Feed("journal judged", lambda story: [JournalJudged(at=story.now, doubt=doubt)])


def state(story: Story) -> str:
    return story.statement().trading_state


def test_while_the_journal_is_doubted_the_book_is_reducing_and_says_why() -> None:
    story = hedged("30") >> wide() >> journal_judged(WHY)
    assert state(story) == TradingState.REDUCING.value
    story << breach("journal_doubt", "book")
    assert story.ledger.notes[-1].sentence == f"the journal is not to be trusted: {WHY}"


def test_what_is_too_much_is_taken_down_and_what_is_missing_is_still_hedged() -> None:
    story = hedged("30") >> wide() >> journal_judged(WHY) >> collateral("ETH", "0") >> decision_due()
    for instrument in (BINANCE, BYBIT, OKX):
        story << place(instrument, "10", reduce_only=True)
    story = hedged("30") >> wide() >> journal_judged(WHY) >> collateral("ETH", "60") >> decision_due()
    story << place(BINANCE, "-26") << place(BYBIT, "-4")


def test_trust_that_is_back_ends_it_at_once() -> None:
    story = hedged("30") >> wide() >> journal_judged(WHY) >> journal_judged(None)
    assert state(story) == TradingState.ACTIVE.value
    assert story.ledger.notes[-1].sentence == "what the journal acknowledges can be trusted again"


def test_the_same_word_twice_changes_nothing() -> None:
    story = hedged("30") >> journal_judged(WHY)
    assert step(story.ledger, JournalJudged(at=story.now, doubt=WHY), story.policy).ledger is story.ledger
    assert step(story.ledger, JournalJudged(at=story.now, doubt="another reason"), story.policy).decide_soon


def test_a_new_run_finds_out_anew() -> None:
    story = hedged("30") >> journal_judged(WHY) >> started()
    for venue in ("binance", "bybit", "okx"):
        story >> link(venue, "up") >> reading(venue)
    story >> confirmed()
    assert story.ledger.journal_doubt is None
