"""What `hedgebot adopt` would take over, and what follows, before anybody confirms it. What was shown is what is asked for."""

from __future__ import annotations

from collections.abc import Sequence

from bot.core.acts import Adopted
from bot.core.operation import Unadopted
from bot.core.statement import BookStatement
from bot.core.units import Range
from bot.drivers.control_place import Place
from bot.drivers.flatten import asked_about, span_of


async def preview(place: Place, venue: str | None, *, positions_only: bool) -> tuple[str, tuple[Adopted, ...]] | None:
    """Some lines for people and what they show; None, and one sentence on the standard error, when no bot answers. Raises NotOfTheBook."""
    told = await asked_about(place, venue, None, otherwise="nothing is adopted")
    if told is None:
        return None
    found = chosen(told, venue, positions_only=positions_only)
    return in_words(told, venue, found), tuple(each.shown for each in found)


def chosen(told: BookStatement, venue: str | None, *, positions_only: bool) -> tuple[Unadopted, ...]:
    """What nobody has taken over, at a venue or (None) anywhere."""
    here = (u for u in told.unadopted if venue in (None, u.shown.instrument.partition(":")[0]))
    return tuple(u for u in here if u.shown.order is None or not positions_only)


def in_words(told: BookStatement, venue: str | None, found: Sequence[Unadopted]) -> str:
    """Each position and order that would be taken over, and what follows from it."""
    where = venue or "the book"
    if not found:
        return f"Nothing at {where} is there that our orders did not bring, or it is adopted already."
    orders = [u for u in found if u.shown.order is not None]
    lines = [f"Takes over {len(found) - len(orders)} positions and {len(orders)} orders of {where}:"]
    lines += [f"  {_line(each)}" for each in found]
    if len(orders) < len(found):
        lines.append("A position counts and is worked already. The halt that an unexplained one brought to its venue ends with the last.")
    if orders:
        lines.append("An order counts at all that it leaves, and is withdrawn at once: what the plan needs it places itself.")
    for row in told.assets:
        here = {i.instrument for i in told.instruments if i.asset == row.asset}
        if adds := [u.adds for u in orders if u.shown.instrument in here]:
            after = _together(row.net_delta, adds)
            lines.append(f"Net delta of {row.asset} until they are gone: {span_of(after)}, now {span_of(row.net_delta)}")
    return "\n".join(lines)


def _line(each: Unadopted) -> str:
    shown = each.shown
    at = "at a price that the venue does not tell" if each.price is None else f"at {each.price:f}"
    if shown.order is None:
        return f"{shown.instrument}: a position of {_figure(shown)}, {each.cause}, entered {at}"
    reduces = {True: "reduce-only", False: "not reduce-only", None: "reduce-only or not, which the venue does not tell"}[each.reduce_only]
    return f"{shown.instrument}: order {shown.order}, which leaves {_figure(shown)} {at}, {reduces}"


def _figure(shown: Adopted) -> str:
    return "an unknown quantity" if shown.quantity is None else f"{shown.quantity:+f}"


def _together(net: Range | None, adds: Sequence[Range | None]) -> Range | None:
    for each in adds:
        net = None if net is None or each is None else net + each
    return net
