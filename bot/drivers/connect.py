"""`hedgebot check CONFIG --connect`: each venue's account as it is now, beside what the configuration expects. Nothing is changed."""

from __future__ import annotations

import asyncio
import json
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

from bot.adapters.venue.inspection import Finding, Verdict
from bot.adapters.venue.inspector import inspect_account
from bot.config import Settings
from bot.drivers.check import account_of, hosts_in_use, mismatch
from bot.ports import VenueNotReady
from bot.shell.clock import SystemClock

WIDTH = 100
"""Columns of the table."""
_INDENT = 2

Found = Mapping[str, Sequence[Finding]]
"""What was found at each venue."""


async def check_accounts(settings: Settings, *, as_json: bool) -> int:
    """Asks all venues at once and prints what was found; the exit code.

    0: nothing stands against a run; 1: something is refused. Raises VenueNotReady where the settings cannot work.
    """
    if (fault := mismatch(await hosts_in_use(settings))) is not None:
        raise VenueNotReady(fault)
    names = tuple(settings.venues)
    found = dict(zip(names, await asyncio.gather(*(_found_at(settings, name) for name in names)), strict=True))
    text = as_document(settings.environment.value, found) if as_json else "\n".join(as_table(settings.environment.value, found))
    sys.stdout.write(f"{text}\n")
    return 1 if _refused(found) else 0


def as_document(environment: str, found: Found) -> str:
    """All of it as JSON."""
    venues = {name: [asdict(finding) for finding in findings] for name, findings in found.items()}
    return json.dumps({"environment": environment, "ready": not _refused(found), "venues": venues}, indent=2)


def as_table(environment: str, found: Found) -> Iterator[str]:
    """The same for people: a block for each venue, and at the end in one sentence what follows."""
    yield f"\nAccounts as they are in {environment}; nothing was changed:"
    verdicts = max(len(verdict.value) for verdict in Verdict)
    subjects = max((len(finding.what) for findings in found.values() for finding in findings), default=0)
    margin = " " * (_INDENT + verdicts + 2)
    for name, findings in found.items():
        yield f"\n{name}"
        for finding in findings:
            head = f"{' ' * _INDENT}{finding.verdict.value:<{verdicts}}  {finding.what:<{subjects}}  "
            yield textwrap.fill(finding.found, WIDTH, initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False)
            if finding.why:
                yield textwrap.fill(finding.why, WIDTH, initial_indent=margin, subsequent_indent=margin, break_on_hyphens=False)
    yield ""
    yield textwrap.fill(_in_the_end(found), WIDTH, break_on_hyphens=False)


def _in_the_end(found: Found) -> str:
    counts = Counter(finding.verdict for findings in found.values() for finding in findings)
    warned = f"{counts[Verdict.WARNING]} to look at, {counts[Verdict.UNKNOWN]} unknown"
    if not counts[Verdict.REFUSED]:
        return f"Nothing stands against a run: {warned}."
    where = ", ".join(f"{name} ({finding.what})" for name, each in found.items() for finding in each if finding.verdict is Verdict.REFUSED)
    return f"Not ready: {where}; {warned}."


def _refused(found: Found) -> bool:
    return any(finding.verdict is Verdict.REFUSED for findings in found.values() for finding in findings)


async def _found_at(settings: Settings, name: str) -> tuple[Finding, ...]:
    try:
        allowed = settings.to_policy().clock_offset_max_ms
        return await inspect_account(account_of(settings, name), SystemClock(), clock_offset_max_ms=allowed)
    except ValueError as error:
        raise VenueNotReady(f"{name}: {error}") from None
