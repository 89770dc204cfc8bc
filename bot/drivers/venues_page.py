"""Writes docs/venues.md from the venues' profiles, outcome tables and listings: `python -m bot.drivers.venues_page docs/venues.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from bot.adapters.venue.described import DESCRIBED, FLAGS, ccxt_flags
from bot.adapters.venue.doors import Opening
from bot.adapters.venue.outcomes import PROVEN, SOURCES
from bot.adapters.venue.profile import Expiry, Funding, MarginMode, Profile, Setup, Tiers
from bot.adapters.venue.profiles import PROFILES
from bot.adapters.venue.profiles.inspections import INSPECTIONS
from bot.adapters.venue.questions import Query
from bot.adapters.venue.shapes import StatedTiers
from bot.adapters.venue.unproven import UNPROVEN
from bot.core.instrument import ContractKind
from bot.core.tiers import TierRule
from bot.core.units import VenueId
from bot.simulator.listings import listing_of

_OPENING = """# Venues

What is sent to each venue and what is read there, from the profiles in `bot/adapters/venue/profiles/`. Everything below the adapter is one
implementation; this page is what differs. How to add a venue: [CONTRIBUTING.md](../CONTRIBUTING.md).

This page is generated from the code: `make docs`.
"""
_UNITS = """Inside, all of this is one: base units of a linear contract and quote units of an inverse one, a paid fee above zero, received
funding above zero, milliseconds of the venue's clock. What the venues say:
"""
_ENVIRONMENTS = """Nothing leaves but to these hosts and paths (a path that ends in `/` stands for all below it), with these headers. What
carries a key or a signature leaves only where *private* stands. A simulation stands in for mainnet: the same hosts and paths, on this
machine. `hedgebot check CONFIG` holds what ccxt will really ask for against this list; so does every start, before the first request.
`check --connect` opens less: no sockets, and nothing that could change something.
"""
_LIMITS = """What we spend at most, and what is kept back of it: for cancels alone, for cancels and reductions, for asking about orders
in doubt, and for reading positions, orders and margin. Market data and whatever else is polled have the rest.
`venues.<venue>.request_share` makes all of it smaller where two bots share an address.
"""
_OUTCOMES = """Only the codes of the first kind prove that an order does not exist. Everything else leaves it in doubt, whatever ccxt calls
it: no answer, an answer that cannot be read, HTTP 4xx and 5xx pages, and every code that is not listed here.
"""
_EXPIRIES = {
    Expiry.WINDOW: "a window from the signed timestamp, set to what is left of the order's time, at most 5 s",
    Expiry.INSTANT_HEADER: "an instant by the venue's clock in a header (`expTime`), at most 5 s away",
    Expiry.INSTANT_PARAMETER: "an instant by the venue's clock among the parameters (`valid_until`), at most 5 s away",
    Expiry.SIGNED_INSTANT: "an instant by the venue's clock that is signed with the order (`expiresAfter`), at most 5 s away",
}
_MARGINS = {
    MarginMode.PER_SYMBOL: "cross, set for each symbol",
    MarginMode.ACCOUNT: "cross, set for the account",
    MarginMode.IN_EACH_ORDER: "cross, told in each order",
    MarginMode.WITH_LEVERAGE: "cross, set with the leverage",
}
_TIERS = {
    TierRule.SLICED: "each tier's rate on its own slice",
    TierRule.WHOLE: "one tier's rate on the whole position",
    TierRule.GRADED: "a rate that rises with each base unit",
}


def page() -> str:
    """The whole page as Markdown."""
    return "\n".join([_OPENING, *_capabilities(), *_ccxt(), *_units(), *_environments(), *_limits(), *_outcomes()])


def _capabilities() -> Iterator[str]:
    yield "## What is used at each venue\n"
    for venue, profile in PROFILES.items():
        yield f"### {venue}\n"
        yield from _table(("what", "how"), _uses(venue, profile))
        yield f"Orders and their parameters: {DESCRIBED[venue].source}\n"


def _uses(venue: VenueId, profile: Profile) -> Iterator[tuple[str, str]]:
    told, writes, reads, funding = DESCRIBED[venue], profile.writes, profile.reads, profile.funding
    yield "contracts", ", ".join(f"`{each.venue_symbol}` ({_kind(each.kind)}, settles in {each.settle})" for each in profile.examples)
    yield "client order id", f"sent as `{writes.client_id_as}`, matching `{listing_of(venue).client_id_form}`. {told.client_ids}"
    looks = ", then ".join(f"{_named(each.query)} by `{each.client_id_as}`{_absent(each.absent_codes)}" for each in reads.look_ups)
    yield "look-up by it", looks
    yield "cancel by it", f"`{'cancel_order' if writes.cancel_by_ccxt else writes.cancel.call}` by `{writes.cancel_client_id_as}`"
    yield "expiry of an order request", _EXPIRIES[writes.expiry]
    yield "dead-man switch", _dead_man(profile)
    yield "post-only", told.post_only
    yield "reduce-only", told.reduce_only
    yield "self-trade prevention", told.self_trade
    yield from _settings(profile.setup)
    yield "leverage tiers", _tiers(profile.tiers)
    yield "streams", ", ".join(f"`{pump.watch}` ({'private' if pump.private else 'public'})" for pump in profile.streams.pumps)
    yield "private socket's key", _socket_key(profile)
    yield "a quote is stale after", f"{profile.streams.quote_silence_ms} ms of silence"
    yield "funding rate", _named(funding.rates)
    yield "funding interval", _interval(funding)
    yield "funding payments", _named(funding.payments.query)
    volume = profile.market.volume
    yield "open interest, volume", _named(profile.market.open_interest) + ("" if volume is None else f", {_named(volume)}")
    yield "fills", f"{_named(reads.fills.query)}, {'with' if reads.order_history is None else 'without'} our client order id"
    key = INSPECTIONS[venue].key
    where = f"; nothing tells of it in {' and '.join(environment.value for environment in key.absent)}" if key.absent else ""
    yield "what a key may do", f"{_named(key.query)}, read by `check --connect` ({key.source}){where}"


def _named(query: Query) -> str:
    """By its call, and by the type of what is asked for where one call answers several."""
    return f"`{query.call}`" + (f" with `type={query.fixed['type']}`" if "type" in query.fixed else "")


def _socket_key(profile: Profile) -> str:
    if profile.streams.listen_key_call:
        return "kept alive by us"
    return "none: what is subscribed to names the account" if profile.streams.one_socket else "none: the socket logs in"


def _settings(setup: Setup | None) -> Iterator[tuple[str, str]]:
    if setup is None:
        yield "margin mode, position mode, leverage", "nothing to set: cross margin and one-way positions are all there is"
        return
    yield "margin mode", _MARGINS[setup.margin_mode]
    yield "position mode", _position_mode(setup)
    parameters = ", ".join(f"`{name}={value}`" for name, value in setup.leverage_parameters.items())
    yield "leverage", f"set for each instrument{f' with {parameters}' if parameters else ''} at the start; another one is told and set back"
    yield "already set, taken as success", _codes(setup.already_set_codes)


def _tiers(tiers: Tiers | StatedTiers) -> str:
    if isinstance(tiers, StatedTiers):
        return f"told by no endpoint: as the venue documents them for {', '.join(sorted(tiers.by_base))}, unknown for others"
    return f"`{tiers.query.call}`: {_TIERS[tiers.rule]}"


def _absent(codes: Iterable[str]) -> str:
    return f" ({', '.join(sorted(codes))}: no such order)" if codes else " (an empty list: no such order)"


def _dead_man(profile: Profile) -> str:
    switch = profile.dead_man
    return "none that can be reached" if switch is None else f"`{switch.query.call}`, {switch.timeout_ms // 1_000} s"


def _position_mode(setup: Setup) -> str:
    if setup.position_mode_settles == frozenset():
        return "one-way is all there is"
    how = "read, and set to one-way where it is not" if setup.position_mode_readable else "set to one-way"
    which = "for each symbol" if setup.position_mode_per_symbol else "for the account"
    only = "" if setup.position_mode_settles is None else f"; only {', '.join(sorted(setup.position_mode_settles))} contracts have one"
    return f"{how}, {which}{only}"


def _interval(funding: Funding) -> str:
    if funding.interval_ms is not None:
        return f"rates are for {funding.interval_ms // 3_600_000} h"
    sources = [
        "the listing" if funding.interval_in_market else "",
        "beside the rate" if funding.rate_shape.interval else "",
        "the distance between the next two settlements" if funding.rate_shape.after_next_at else "",
        f"`{funding.intervals.call}`" if funding.intervals is not None else "",
        f"the distance between the last two settlements (`{funding.settlements.call}`)" if funding.settlements is not None else "",
    ]
    return ", else ".join(source for source in sources if source) or "told nowhere"


def _ccxt() -> Iterator[str]:
    yield "## What ccxt says it can do\n"
    yield "Its own flags. They say nothing of how well: what is used stands above.\n"
    flags = {venue: ccxt_flags(venue) for venue in PROFILES}
    yield from _table(
        ("flag", *(f"{venue}" for venue in PROFILES)), ((f"`{flag}`", *(flags[venue][flag] for venue in PROFILES)) for flag in FLAGS)
    )


def _units() -> Iterator[str]:
    yield "## Units, signs and times\n"
    yield _UNITS
    titles = ("venue", "quantity", "worth of one unit", "a paid fee is", "received funding is", "times")
    yield from _table(titles, (_unit_row(venue, profile) for venue, profile in PROFILES.items()))


def _unit_row(venue: VenueId, profile: Profile) -> tuple[str, ...]:
    told = DESCRIBED[venue]
    worth = ", ".join(f"{_kind(kind)}: {value}" for kind, value in profile.unit_worth.items()) or "the listing's contract size"
    rest, stream = (_sign(shape.fee_paid_sign) for shape in (profile.reads.fill, profile.streams.fill))
    fee = rest if rest == stream else f"{rest} over REST, {stream} over WebSocket"
    return f"`{venue}`", told.quantity, worth, fee, _sign(profile.funding.payment.received_sign), told.timestamps


def _sign(sign: int) -> str:
    return "positive" if sign > 0 else "negative"


def _kind(kind: ContractKind) -> str:
    return kind.value


def _environments() -> Iterator[str]:
    yield "## Environments and hosts\n"
    yield _ENVIRONMENTS
    for venue, profile in PROFILES.items():
        yield f"### {venue}: hosts\n"
        yield f"{DESCRIBED[venue].environments}\n"
        yield from _table(("environment", "host", "over", "for", "paths"), _hosts(profile))


def _hosts(profile: Profile) -> Iterator[tuple[str, ...]]:
    """A row for each opening; environments that open the same share it."""
    environments: dict[tuple[str, ...], list[str]] = {}
    for environment, hosts in profile.hosts.items():
        for opening in hosts.openings:
            environments.setdefault(_opening(opening, opening.host in hosts.shared), []).append(environment.value)
        apart = [(opening, "for `check --connect` alone") for opening in INSPECTIONS[profile.venue].key.openings.get(environment, ())]
        apart += [
            (o, f"for the {w.name} wallet, where `venue_balances` read it") for w in profile.wallets for o in w.opened_in(environment)
        ]
        for opening, purpose in apart:
            told = _opening(opening, opening.host in hosts.shared)
            environments.setdefault((*told[:-1], f"{told[-1]} ({purpose})"), []).append(environment.value)
    return ((", ".join(names), *told) for told, names in environments.items())


def _opening(opening: Opening, is_shared: bool) -> tuple[str, ...]:
    over = "WebSocket" if opening.socket else "REST"
    demanded = " and ".join(f"`{name}: {value}`" for name, value in opening.headers.items())
    paths = ", ".join(f"`{path}`" for path in opening.paths)
    if opening.saying:
        paths += f" (only with {' or '.join(f'`{word}`' for word in opening.saying)})"
    if demanded:
        paths += f" (only with the header {demanded})"
    host = f"`{opening.host}`" + (", mainnet's too" if is_shared else "")
    return host, over, "private" if opening.private else "public", paths


def _limits() -> Iterator[str]:
    yield "## Request limits\n"
    yield _LIMITS
    titles = ("venue", "limit", "units", "per", "kept for cancels", "for these and reductions", "for look-ups", "for readings")
    rows = (
        (
            f"`{venue}`",
            limit.name,
            str(limit.units),
            f"{limit.period_s:g} s",
            *map(str, (limit.for_cancels, limit.reserved, limit.for_look_ups, limit.for_readings)),
        )
        for venue, profile in PROFILES.items()
        for limit in profile.limits
    )
    yield from _table(titles, rows)


def _outcomes() -> Iterator[str]:
    yield "## What an answer to an order proves\n"
    yield _OUTCOMES
    for venue in PROFILES:
        yield f"### {venue}: codes\n"
        yield f"Source: {SOURCES[venue]}\n"
        refused = (((f"`{code}`"), meaning, "refused") for code, meaning in PROVEN[venue].items())
        doubted = (((f"`{code}`"), why, "nothing: in doubt") for code, why in UNPROVEN.get(venue, {}).items())
        yield from _table(("code", "what the venue means by it", "proves"), (*refused, *doubted))


def _codes(codes: Iterable[str]) -> str:
    return ", ".join(sorted(codes)) or "none"


def _table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield _row(titles)
    yield "|---" * len(titles) + "|"
    for row in rows:
        yield _row(row)
    yield ""


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"


def main() -> None:
    """Writes the page to the path given on the command line."""
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
