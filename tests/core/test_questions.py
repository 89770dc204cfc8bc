"""What venues are asked, and how often."""

from __future__ import annotations

from bot.core.questions import READ_RETRY_MAX_MS
from tests.core.openings import hedged
from tests.core.playbook import after, confirmed, decision_due, link, read, reading
from tests.core.story import Story


def pauses(story: Story, *figures: str) -> list[int]:
    """How long it takes, after each reading of these figures, until the next one is asked for."""
    waits = []
    for figure in figures:
        story >> reading("okx", ETH=figure)
        asked_at = story.now
        while not any(getattr(c, "venue", None) == "okx" for c in story.outbox):
            story >> after(100) >> confirmed() >> decision_due()
        story << read("okx")
        waits.append(story.now - asked_at)
    return waits


def disagreeing() -> Story:
    return hedged("30") >> after(40_000) >> confirmed() >> decision_due() << read("okx")


def test_readings_that_do_not_agree_are_repeated_ever_more_slowly() -> None:
    changing = [f"-{n}" for n in range(11, 18)]
    assert pauses(disagreeing(), *changing) == [500, 1_000, 2_000, 4_000, READ_RETRY_MAX_MS, READ_RETRY_MAX_MS, READ_RETRY_MAX_MS]


def test_agreement_or_a_change_of_the_link_starts_the_pauses_again() -> None:
    story = disagreeing()
    assert pauses(story, "-11", "-12", "-13") == [500, 1_000, 2_000]
    story >> link("okx", "stale") >> link("okx", "up")
    assert pauses(story, "-14", "-15") == [500, 1_000]
    assert pauses(story, "-10")[0] > READ_RETRY_MAX_MS  # agreed: the beat
    assert pauses(story, "-11", "-12") == [500, 1_000]
