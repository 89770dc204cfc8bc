"""One deposit or redemption that several announcers tell of, each under an id of its own: it counts once.

The rule: what different announcers say of the same kind, quantity, asset and place, the later one while the earlier is still waited for, is
one and the same, the oldest with the oldest; unless the total is explained better by taking each for itself. Of what one announcer tells
under two ids, alone or after others, it means two. Who deposits is told by each
in its own words, so that it tells nothing. Where two really were meant, the second counts when a total shows it: a claim that is taken for
another one's is hedged later, and never twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from bot.core.claim_records import Claim, further
from bot.core.copying import replace
from bot.core.reports import ClaimKind
from bot.core.units import Millis

LIKE_SHARE = Decimal("0.95")
"""What two announcers tell of in quantities of which the smaller is at least this part of the larger may be one and the same."""


@dataclass(slots=True)
class Told:
    """One deposit or redemption: the claim that counts, with the furthest stage that anybody told of it, and who tells of it."""

    claim: Claim
    members: list[Claim] = field(default_factory=list)

    @property
    def sources(self) -> frozenset[str]:
        """Who tells of it, under whichever id."""
        return _announcers(self.members)


def told_once(claims: Sequence[Claim], deadline: Callable[[Claim], Millis]) -> list[Told]:
    """The deposits and redemptions of one place that these claims tell of, in the order in which they were announced, as the claims are."""
    if len(_announcers(claims)) < 2:
        return [Told(claim, [claim]) for claim in claims]
    found: list[Told] = []
    alike: dict[tuple[ClaimKind, Decimal], list[Told]] = {}
    looked: dict[tuple[ClaimKind, Decimal, frozenset[str]], int] = {}
    for claim in claims:
        same = alike.setdefault((claim.kind, claim.quantity), [])
        its = claim.announcers
        key = (claim.kind, claim.quantity, its)
        at = looked.get(key, 0)
        while at < len(same) and (its & same[at].sources or deadline(same[at].claim) < claim.announced_at):
            at += 1
        looked[key] = at
        if at == len(same):
            same.append(Told(claim))
            found.append(same[at])
        same[at].members.append(claim)
        same[at].claim = _furthest(same[at])
    return found


def told_differently(told: Sequence[Told]) -> frozenset[str]:
    """Ids of claims that may be what another announcer tells of in a quantity that differs a little, as by a fee."""
    found: set[str] = set()
    latest: dict[tuple[ClaimKind, frozenset[str]], Claim] = {}
    for each in sorted(told, key=lambda t: t.claim.quantity):
        kind, sources = each.claim.kind, each.sources
        for (its_kind, others), other in latest.items():
            if its_kind is kind and not others & sources and other.quantity >= each.claim.quantity * LIKE_SHARE:
                found |= {other.id, each.claim.id}
        latest[kind, sources] = each.claim
    return frozenset(found)


def _announcers(claims: Iterable[Claim]) -> frozenset[str]:
    return frozenset(source for claim in claims for source in claim.announcers)


def _furthest(told: Told) -> Claim:
    first, last = told.members[0], further(told.members)
    return first if last.stage is first.stage else replace(first, stage=last.stage, stage_at=last.stage_at)
