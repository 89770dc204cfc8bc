"""The command line of what a named person asks of a running bot. Each command answers in one sentence; `drivers.operate` has the codes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, NoReturn, TypeVar

import typer

from bot.cli_words import FLAG, ConfigArgument, StateOption, milliseconds_of, place_of, refuse, run_async, settings_of

T = TypeVar("T")
ByOption = Annotated[str, typer.Option("--by", metavar="NAME", help="Who asks: it stays in the journal.", show_default=False)]
WhyOption = Annotated[str, typer.Option("--why", metavar="TEXT", help="Why: it stays in the journal.", show_default=False)]
VenueOption = Annotated[str | None, typer.Option("--venue", metavar="VENUE", help="Only this venue, not the whole book.")]


def reduce(config: ConfigArgument, by: ByOption, why: WhyOption, venue: VenueOption = None, state: StateOption = None) -> None:
    """Let the bot that runs on CONFIG only reduce: at one venue, or in the whole book what brings its net delta nearer to zero.

    It stays so, over every restart, until somebody resumes it.
    """
    _operate(place_of(config, state), "reduce", by=by, why=why, venue=venue)


def halt(config: ConfigArgument, by: ByOption, why: WhyOption, venue: VenueOption = None, state: StateOption = None) -> None:
    """Stop the bot that runs on CONFIG from placing anything, and cancel what works. The hedges stay.

    It tells venue by venue, within five seconds, what is still open. For the whole book a file named HALT is written beside the journal
    first: it counts also while the bot does not answer. It stays so, over every restart, until somebody resumes it.
    """
    _operate(place_of(config, state), "halt", by=by, why=why, venue=venue)


def resume(config: ConfigArgument, by: ByOption, why: WhyOption, venue: VenueOption = None, state: StateOption = None) -> None:
    """Let the bot that runs on CONFIG, or one venue, go on. What still stands in the way counts again at once."""
    _operate(place_of(config, state), "resume", by=by, why=why, venue=venue)


def resolve(
    config: ConfigArgument,
    order: Annotated[str, typer.Argument(metavar="ORDER", help="Its client order id.", show_default=False)],
    by: ByOption,
    filled: Annotated[
        str, typer.Option("--filled", metavar="QUANTITY", help="How much of it executed, in its own unit: base coin, or quote if inverse.")
    ] = "0",
    why: WhyOption = "looked at the venue",
    state: StateOption = None,
) -> None:
    """End the doubt about one ORDER with what you found of it at the venue. The venue is then read before anything increases there."""
    from bot.core.units import ClientOrderId

    try:
        executed = Decimal(filled)
    except InvalidOperation:
        refuse(f"--filled: {filled!r} is not a number")
    _operate(place_of(config, state), "resolve", by=by, why=why, order=ClientOrderId(order), filled=executed)


def flatten(
    config: ConfigArgument,
    by: ByOption,
    why: WhyOption,
    venue: VenueOption = None,
    asset: Annotated[str | None, typer.Option("--asset", metavar="ASSET", help="Only this asset, at every venue.")] = None,
    yes: Annotated[bool, typer.Option("--yes", metavar=FLAG, help="Do not ask: close it.")] = False,
    state: StateOption = None,
) -> None:
    """Close positions: everything, one venue's, or one asset's, with reduce-only orders, slice by slice.

    It shows what it closes and the net delta that remains, and asks first. It works in a halted book, and with the journal's store down. It
    tells venue by venue, within five seconds, what is still held, and goes on until nothing is. Nothing is hedged there again, over every
    restart, until somebody resumes the venue, or the book. A later halt ends it.
    """
    from bot.drivers.flatten import preview

    if venue is not None and asset is not None:
        refuse("--asset: flatten closes the book, a venue or an asset; give --venue or --asset, not both")
    place = place_of(config, state)
    if not yes:
        typer.echo(_shown(lambda: preview(place, venue, asset)))
        _confirmed("Close it?", "nothing is closed")
    _operate(place, "flatten", by=by, why=why, venue=venue, asset=asset)


def adopt(
    config: ConfigArgument,
    by: ByOption,
    why: WhyOption,
    venue: VenueOption = None,
    positions: Annotated[bool, typer.Option("--positions", metavar=FLAG, help="Only positions: orders of others stay.")] = False,
    yes: Annotated[bool, typer.Option("--yes", metavar=FLAG, help="Do not ask: take it over.")] = False,
    state: StateOption = None,
) -> None:
    """Take over what no order of the bot brought: positions and working orders from before its first start, or that nobody explained.

    It shows each with the effect, and asks first; what has changed by then is not taken over. Positions count and are worked in any case:
    it journals who took them over, with the cause and the venue's own entry price, and ends the halt that an unexplained one brought. An
    order counts from then on at all that it leaves, and is withdrawn until the venue does not tell it any more.
    """
    from bot.drivers.adopt import preview

    place = place_of(config, state)
    lines, adopting = _shown(lambda: preview(place, venue, positions_only=positions))
    typer.echo(lines)
    if not adopting:
        raise typer.Exit(2)
    if not yes:
        _confirmed("Take it over?", "nothing is adopted")
    _operate(place, "adopt", by=by, why=why, venue=venue, adopting=adopting)


def reload(config: ConfigArgument, by: ByOption, why: WhyOption) -> None:
    """Let the bot that runs on CONFIG read it again: new limits (`policy`) count at once, and stay journaled with both hashes.

    A bad file is refused and changes nothing; so is one in which anything else is written otherwise: that needs a restart.
    """
    settings_of(config)
    _operate(place_of(config, None), "reload", by=by, why=why)


def quarantine(
    config: ConfigArgument,
    venue: Annotated[str, typer.Argument(metavar="VENUE", help="Whose word is not to be believed.", show_default=False)],
    by: ByOption,
    why: WhyOption,
    state: StateOption = None,
) -> None:
    """Halt VENUE because its word is not to be believed: nothing is placed there, what rests is cancelled, its positions count as recorded,
    and its prices vouch for no other venue's.

    `resume --venue VENUE` ends it; the venue is then read in full, and must agree, before anything increases there.
    """
    _operate(place_of(config, state), "quarantine", by=by, why=why, venue=venue)


def override(
    config: ConfigArgument,
    limit: Annotated[str, typer.Argument(metavar="LIMIT", help="A policy field, or a limit with one value.", show_default=False)],
    value: Annotated[str, typer.Argument(metavar="VALUE", help="In the field's own unit; 0.4 is 40 %.", show_default=False)],
    lasts: Annotated[str, typer.Option("--for", metavar="TIME", help="How long, up to 24h; 0 ends it now.", show_default=False)],
    by: ByOption,
    why: WhyOption,
    yes: Annotated[bool, typer.Option("--yes", metavar=FLAG, help="Do not ask: set it.")] = False,
) -> None:
    """Set one LIMIT to another VALUE for a while, within the hard ceilings, and ask first.

    It ends by itself, stands over a restart, and is told by `status` and metrics. What should last longer belongs into the configuration.
    """
    from bot.core.overriding import field_of, is_usable, why_not

    try:
        wanted = Decimal(value)
    except InvalidOperation:
        wanted = Decimal("NaN")
    if not wanted.is_finite():
        refuse(f"VALUE: {value[:40]!r} is not a number")
    if not is_usable(wanted):
        refuse(f"VALUE: {value[:40]!r} is not a number of a usable size")
    lasts_ms, settings = milliseconds_of(lasts), settings_of(config)
    policy, field = settings.to_policy(), field_of(limit)
    refusal = why_not(limit, wanted, lasts_ms, policy)
    if refusal is not None or field is None:
        refuse(str(refusal))
    if not yes:
        typer.echo(f"{field}: configured {getattr(policy, field)}, then {wanted:f} for {lasts}")
        _confirmed("Set it?", "nothing is set")
    _operate(place_of(config, None), "override", by=by, why=why, setting=limit, value=wanted, lasts_ms=lasts_ms)


def _shown(preview: Callable[[], Coroutine[Any, Any, T | None]]) -> T:
    """What a preview has to show; exit code 1 where no bot answered, 2 where there is no such venue or asset."""
    from bot.drivers.flatten import NotOfTheBook

    try:
        shown = run_async(preview)
    except NotOfTheBook as refusal:
        refuse(str(refusal))
    if shown is None:
        raise typer.Exit(1)
    return shown


def _confirmed(question: str, otherwise: str) -> None:
    """Returns when somebody at the terminal says yes; else it is refused."""
    if not sys.stdin.isatty():
        refuse(f"--yes: is not given, and nobody can be asked here; {otherwise}")
    if not typer.confirm(question):
        refuse(otherwise)


def _operate(place: Any, action: str, *, by: str, why: str, venue: str | None = None, **more: Any) -> NoReturn:
    from bot.core.events import OperatorAction
    from bot.core.units import VenueId
    from bot.drivers.operate import operate
    from bot.operating import OperatorRequest

    request = OperatorRequest(
        action=OperatorAction(action),
        by=by,
        why=why,
        venue=None if venue is None else VenueId(venue),
        **more,
    )
    raise typer.Exit(run_async(lambda: operate(place, request)))


def _config() -> None:
    """The configuration of a running bot."""


def register(app: typer.Typer) -> None:
    """Adds these commands to the command line, in the order in which its help tells them."""
    for command in (reduce, halt, resume, resolve, adopt, flatten, quarantine):
        app.command()(command)
    app.command(context_settings={"ignore_unknown_options": True})(override)  # else -0.01 is taken for an option, not for a VALUE
    of_config = typer.Typer(no_args_is_help=True, help="The configuration of a running bot.")
    of_config.command()(reload)
    of_config.callback()(_config)
    app.add_typer(of_config, name="config")
