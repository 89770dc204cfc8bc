"""Pages that restate code are up to date."""

from __future__ import annotations

import re
from pathlib import Path

from bot.adapters.venue.described import DESCRIBED
from bot.adapters.venue.doors import Opening
from bot.adapters.venue.outcomes import PROVEN, SOURCES
from bot.adapters.venue.profiles import PROFILES
from bot.adapters.venue.unproven import UNPROVEN
from bot.core.limits import Limit
from bot.core.order import OrderState, Trigger
from bot.drivers import faults_page, limits_page, venues_page
from bot.drivers.lifecycle_page import page
from bot.simulator.conditions import ConditionKind
from bot.simulator.dialects.dialect import Operation
from bot.simulator.dialects.registry import DIALECTS
from bot.simulator.dialects.trouble import Topic
from bot.simulator.faults import FaultKind
from bot.simulator.stream_faults import StreamKind

DOCS = Path(__file__).parents[2] / "docs"
WRITTEN = DOCS / "order-lifecycle.md"


def test_the_order_page_is_what_the_table_says() -> None:
    assert WRITTEN.read_text(encoding="utf-8") == page(), "run: make docs"


def test_it_names_every_state_and_trigger() -> None:
    told = page()
    for word in (*OrderState, *Trigger):
        assert f"`{word.value}`" in told


def test_the_page_of_limits_is_what_the_table_says() -> None:
    assert (DOCS / "limits.md").read_text(encoding="utf-8") == limits_page.page(), "run: make docs"


def test_it_has_a_row_for_every_limit() -> None:
    told = limits_page.page()
    for limit in Limit:
        assert f"| `{limit.value}` |" in told


def test_the_page_of_venues_is_what_the_profiles_say() -> None:
    assert (DOCS / "venues.md").read_text(encoding="utf-8") == venues_page.page(), "run: make docs"


def test_it_tells_every_host_path_limit_and_code_of_every_venue() -> None:
    told = venues_page.page()
    assert set(PROFILES) <= set(DESCRIBED)
    assert set(PROFILES) <= set(SOURCES)
    for venue, profile in PROFILES.items():
        assert f"### {venue}\n" in told
        assert SOURCES[venue] in told
        assert DESCRIBED[venue].source in told
        of_hosts = told.split(f"### {venue}: hosts\n")[1].split("\n##")[0]
        assert " ".join(DESCRIBED[venue].environments.split()) in of_hosts
        for environment, hosts in profile.hosts.items():
            for opening in hosts.openings:
                lines = [line for line in of_hosts.splitlines() if environment.value in line.split(" | ")[0].strip("| ").split(", ")]
                assert all("mainnet's too" in line for line in lines if f"`{opening.host}`" in line and opening.host in hosts.shared)
                words = [*(f"`{path}`" for path in opening.paths), *(f"`{name}: {value}`" for name, value in opening.headers.items())]
                assert any(_tells(line, opening) and all(word in line for word in words) for line in lines)
        for limit in profile.limits:
            assert f"| `{venue}` | {limit.name} | {limit.units} |" in told
        part = told.split(f"### {venue}: codes")[1].split("###")[0]
        assert all(f"| `{code}` | " in part for code in (*PROVEN[venue], *UNPROVEN.get(venue, {})))


def _tells(line: str, opening: Opening) -> bool:
    over, access = "WebSocket" if opening.socket else "REST", "private" if opening.private else "public"
    return f"| `{opening.host}`" in line and f"| {over} | {access} |" in line


def test_the_page_of_faults_is_what_the_kinds_say() -> None:
    assert (DOCS / "faults.md").read_text(encoding="utf-8") == faults_page.page(), "run: make docs"


def test_it_tells_every_kind_operation_and_topic_with_what_happens() -> None:
    told = faults_page.page()
    for kind in (*FaultKind, *StreamKind, *ConditionKind):
        assert re.search(rf"^\| `{kind.value}` \| [A-Z].+\. \|$", told, re.MULTILINE), kind
    for word in (*Operation, *Topic, *DIALECTS):
        assert f"`{word}`" in told
