"""The command line: run, simulate, status, deposit, what people ask of a running bot (`cli_control`), replay, explain, check, demo, chaos.

Help is written for somebody who sees it for the first time.

Exit codes: 0 done, 1 it ran and failed (one sentence says why), 2 what was asked for cannot be done as asked (one sentence: field path,
value, what is allowed); with 2 nothing was sent and nothing was overwritten. `run` also ends with 3: it lost its lease, and another
instance may send; started again it stands by.
"""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Annotated, Any

import typer

from bot import __version__, cli_control
from bot.cli_words import (
    FLAG,
    ConfigArgument,
    StateOption,
    milliseconds_of,
    place_of,
    refuse,
    refusing,
    refusing_at_once,
    run_async,
    seconds_of,
    settings_of,
    speed_of,
)

app = typer.Typer(
    name="hedgebot",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help=(
        "Keeps a book of crypto collateral delta-neutral with short perpetual positions on several venues.\n\n"
        "Start with `hedgebot demo`: it needs nothing but this machine. `hedgebot check CONFIG` explains a configuration,"
        " `hedgebot run CONFIG` runs the bot on it, `hedgebot simulate CONFIG` runs the venues of a simulation."
    ),
)

WIDTH = 100
"""Columns of a page for people."""


def main() -> None:
    """The console script."""
    app()


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", metavar=FLAG, help="Print the version and exit.")] = False,
) -> None:
    """Options that belong to no command."""
    if version:
        typer.echo(f"hedgebot {__version__}")
        raise typer.Exit


@app.command()
def run(
    config: ConfigArgument,
    observe: Annotated[bool, typer.Option("--observe", metavar=FLAG, help="Send nothing that changes anything; record decisions.")] = False,
) -> None:
    """Run the bot against whatever CONFIG names, until SIGTERM or Ctrl-C.

    It recovers its journal, reads every venue, and hedges as soon as all agree. On a stop it places nothing more, cancels what works and
    exits within ten seconds; the hedges stay.

    With `--observe` everything is read, heard and decided as in a run, and no order, cancel, setting or dead-man switch leaves. Each
    decision is recorded with its orders, each answered as not sent: nothing fills, positions stay as the venues tell them, and what is
    decided is the first step from there, taken again after half a minute while it stands.
    """
    from bot.drivers.live import run_bot

    settings = settings_of(config)
    raise typer.Exit(run_async(lambda: refusing(run_bot(settings, observe=observe, path=config))))


@app.command()
def simulate(
    config: ConfigArgument,
    faults: Annotated[Path | None, typer.Option("--faults", metavar="FILE", help="A plan of faults, YAML or JSON.")] = None,
) -> None:
    """Run only the venues of a simulation on this machine, so that any ccxt program can trade on them.

    CONFIG is the bot's own configuration with `environment: simulation`; its `simulator` section says where to listen and which market
    to play. FILE says what goes wrong, where and when: `faults:` and a list such as `{venue: okx, kind: drop_reply, operation: place,
    after_ms: 5000}`. Stop with Ctrl-C.
    """
    from bot.drivers.simulate import run_simulator

    settings = settings_of(config)
    raise typer.Exit(run_async(lambda: refusing(run_simulator(settings, faults))))


@app.command()
def status(
    config: ConfigArgument,
    as_json: Annotated[bool, typer.Option("--json", metavar=FLAG, help="The whole statement as JSON instead of a screen.")] = False,
    state: StateOption = None,
) -> None:
    """Show what the bot that runs on CONFIG holds, where it is hedged, and what it decided last and why.

    It asks the running bot over its control socket, or over TCP where CONFIG has `control`; exit code 1 when none answers.
    """
    from bot.drivers.status import show_status

    place = place_of(config, state)
    raise typer.Exit(run_async(lambda: show_status(place, as_json=as_json)))


@app.command()
def watch(
    config: ConfigArgument,
    plain: Annotated[bool, typer.Option("--plain", metavar=FLAG, help="Lines instead of a live screen.")] = False,
    lasts: Annotated[str | None, typer.Option("--for", metavar="TIME", help="End after this long, for example 5m.")] = None,
) -> None:
    """Watch the bot that runs on CONFIG: the same live picture as in the demo, twice a second. Ctrl-C ends the view, not the bot."""
    from bot.drivers.watch import watch as watch_bot

    settings, seconds = settings_of(config), None if lasts is None else milliseconds_of(lasts) / 1_000
    raise typer.Exit(run_async(lambda: watch_bot(settings, plain=plain, seconds=seconds)))


@app.command()
def deposit(
    config: ConfigArgument,
    asset: Annotated[str, typer.Option("--asset", metavar="ASSET", help="What arrives.", show_default=False)],
    quantity: Annotated[str, typer.Option("--quantity", metavar="NUMBER", help="How much, in its own units.", show_default=False)],
    location: Annotated[str, typer.Option("--location", metavar="PLACE", help="Where it arrives.", show_default=False)],
    redeem: Annotated[bool, typer.Option("--redeem", metavar=FLAG, help="It leaves: a redemption.")] = False,
    total: Annotated[bool, typer.Option("--total", metavar=FLAG, help="It is all that is there: the total, no claim.")] = False,
    depositor: Annotated[str | None, typer.Option("--depositor", metavar="NAME", help="Whose it is. Default: the only one.")] = None,
    claim: Annotated[str | None, typer.Option("--claim", metavar="ID", help="Its id; one told again counts once. Default: new.")] = None,
    stage: Annotated[
        str, typer.Option("--stage", metavar="STAGE", help="How far it has come: announced, priced, settled or canceled.")
    ] = "announced",
    rate: Annotated[str | None, typer.Option("--rate", metavar="NUMBER", help="With --total: the redemption rate.")] = None,
    source: Annotated[str | None, typer.Option("--source", metavar="NAME", help="On which stream. Default: the only one.")] = None,
) -> None:
    """Announce one deposit or redemption, or tell one total, on the Redis stream that the bot of CONFIG reads.

    It is signed as the configuration says. What the bot makes of it, `hedgebot status` and its log tell.
    """
    from bot.drivers.deposit import Told, write_message

    if redeem and total:
        refuse("--total: a total neither arrives nor leaves, remove it or --redeem")
    told = Told(
        type="total" if total else "redemption" if redeem else "deposit",
        asset=asset,
        quantity=quantity,
        location=location,
        depositor=depositor,
        claim=claim,
        stage=stage,
        rate=rate,
        source=source,
    )
    settings = settings_of(config)
    raise typer.Exit(refusing_at_once(lambda: write_message(settings, told)))


cli_control.register(app)


@app.command()
def replay(
    journal: Annotated[
        str, typer.Argument(metavar="JOURNAL", help="A journal's file, or the configuration whose journal it is.", show_default=False)
    ],
    as_json: Annotated[bool, typer.Option("--json", metavar=FLAG, help="JSON instead of tables.")] = False,
) -> None:
    """Rebuild the ledger from the first entry of JOURNAL on, and tell whether it ends equal: in the orders of every decision, and in
    every snapshot.

    The journal is only read, also while a bot writes it. Exit code 0: equal; 1: not equal, and the tables say where.
    """
    from bot.drivers.replay import run_replay

    raise typer.Exit(refusing_at_once(lambda: run_replay(journal, as_json=as_json)))


@app.command()
def explain(
    wanted: Annotated[str, typer.Argument(metavar="ID", help="A client order id, or the entry of a decision.", show_default=False)],
    journal: Annotated[
        str | None,
        typer.Option("--journal", metavar="PATH", help="A journal's file, or a configuration. Default: the one YAML file in this folder."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", metavar=FLAG, help="JSON with every digit instead of a screen.")] = False,
) -> None:
    """Tell the story of one order or one decision, in order, with the numbers it was made on: quotes, net delta, target and the limits
    that bound it, the gate's checks, every answer and fill, and the position after it.

    The journal is only read, also while a bot writes it.
    """
    from bot.drivers.explain import default_journal, run_explain

    where = journal or default_journal()
    if where is None:
        refuse("--journal: is not given, and in this folder stands no YAML file, or more than one; name the journal or a configuration")
    raise typer.Exit(refusing_at_once(lambda: run_explain(wanted, where, as_json=as_json)))


@app.command()
def check(
    config: ConfigArgument,
    connect: Annotated[
        bool, typer.Option("--connect", metavar=FLAG, help="Then ask each venue about key, clock, settings and instruments; only reads.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", metavar=FLAG, help="With --connect: only what was found, as JSON.")] = False,
) -> None:
    """Check CONFIG and explain it: the resolved settings with secrets masked, the policy in words, the config hash, and every host that
    the venues' client will use, held against the list of what may leave in this environment, and those of custodians, chains and Redis.

    Without --connect nothing is opened and nothing is sent. With it each venue is asked what the key may do, what its clock says, how the
    account is set and what the instruments are like: nothing that could change something leaves. Exit code 1 when something is refused.
    """
    import yaml

    from bot.config import policy_in_words
    from bot.drivers.check import hosts_in_use, mismatch, tables

    if as_json and not connect:
        refuse("--json: is for --connect")
    settings = settings_of(config)
    if as_json:
        raise typer.Exit(_connected(settings, as_json=True))
    typer.echo(yaml.safe_dump(settings.masked_dump(), sort_keys=False, allow_unicode=True).rstrip())
    typer.echo("\nIn words:")
    for sentence in policy_in_words(settings.to_policy()):
        typer.echo(textwrap.fill(sentence, WIDTH, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False))
    for warning in settings.warnings():
        typer.echo(f"\nWorth a second look: {warning}")
    typer.echo(f"\nconfig hash {settings.config_hash}")
    found = run_async(lambda: refusing(hosts_in_use(settings)))
    if isinstance(found, int):
        raise typer.Exit(found)
    for line in tables(settings, found):
        typer.echo(line)
    if (fault := mismatch(found)) is not None:
        refuse(fault)
    if connect:
        raise typer.Exit(_connected(settings, as_json=False))


def _connected(settings: Any, *, as_json: bool) -> int:
    from bot.drivers.connect import check_accounts

    return run_async(lambda: refusing(check_accounts(settings, as_json=as_json)))


AlsoFaultsOption = Annotated[
    Path | None, typer.Option("--faults", metavar="FILE", help="Also a plan of faults at the venues, such as config/faults-demo.yaml.")
]
StreamOption = Annotated[
    str | None, typer.Option("--redis", metavar="URL", help="Deposits come over a stream on this Redis server, not from a file.")
]


@app.command()
def demo(
    duration: Annotated[
        str | None,
        typer.Option(
            "--for",
            metavar="TIME",
            help="Stop after this much wall time, for example 60s or 5m; up to half as long again while the story is not over.",
        ),
    ] = None,
    plain: Annotated[bool, typer.Option("--plain", metavar=FLAG, help="Lines instead of a live screen.")] = False,
    seed: Annotated[int, typer.Option("--seed", metavar="NUMBER", min=0, help="Seed of the generated market.")] = 7,
    history: Annotated[
        Path | None, typer.Option("--history", metavar="DIR", help="Replay real history (Parquet) from this folder instead.")
    ] = None,
    window: Annotated[
        str | None, typer.Option("--window", metavar="FROM..TO", help="Part of the history, for example 2025-02-21..2025-02-22.")
    ] = None,
    speed: Annotated[
        str | None,
        typer.Option("--speed", metavar="NUMBER", help="Market seconds per wall second. Default: ten market hours over the story."),
    ] = None,
    summary: Annotated[Path | None, typer.Option("--summary", metavar="FILE", help="Write the report to this file as JSON.")] = None,
    folder: Annotated[Path | None, typer.Option(metavar="DIR", help="Where configuration, journal and log go. Default: a new one.")] = None,
    venues: Annotated[
        str | None,
        typer.Option("--venues", metavar="NAMES", help="Venues that take part, for example binanceusdm,bybit,okx. Default: all."),
    ] = None,
    faults: AlsoFaultsOption = None,
    redis: StreamOption = None,
    crash: Annotated[bool, typer.Option("--crash", metavar=FLAG, help="Also kill the bot (SIGKILL) in the middle and restart it.")] = False,
    crashes: Annotated[int, typer.Option(metavar="NUMBER", min=0, max=100, help="Also end the bot so often, at random moments.")] = 0,
) -> None:
    """See the whole thing work on this machine: simulated venues, the bot, and collateral that comes and goes.

    A scripted story brings deposits, a redemption, a lost answer, a silent venue, a partial auto-deleveraging, funding settlements and a
    funding flip. It ends with a verdict: exit code 0 only if the book is hedged, every event was seen and healed, and the bot's record
    equals the venues' books to the last lot.
    """
    from bot.drivers.demo.demo import demo as run_demo
    from bot.drivers.demo.prepare import DemoOptions

    if window is not None and history is None:
        refuse(f"--window: {window} is a part of a history, and --history is not given")
    options = DemoOptions(
        seconds=seconds_of(duration),
        plain=plain,
        seed=seed,
        history=history,
        window=window,
        speed=speed_of(speed),
        summary=summary,
        folder=folder,
        crash=crash,
        crashes=crashes,
        venues=tuple(name.strip() for name in venues.split(",")) if venues is not None else (),
        faults=faults,
        redis=redis,
    )
    raise typer.Exit(run_async(lambda: refusing(run_demo(options))))


@app.command()
def chaos(
    seeds: Annotated[int, typer.Option("--seeds", metavar="N", min=1, help="How many seeds to play.")] = 10,
    first: Annotated[int, typer.Option("--from", metavar="S", min=0, help="The first seed.")] = 1,
    hours: Annotated[float, typer.Option("--hours", metavar="H", min=0.05, max=1_000.0, help="Virtual hours of each seed.")] = 0.25,
    mode: Annotated[str, typer.Option("--mode", help="`safety`: faults come and go. `liveness`: one lasts for ever.")] = "safety",
    jobs: Annotated[int, typer.Option("--jobs", metavar="J", min=1, max=256, help="Processes.")] = 1,
    results: Annotated[
        Path | None, typer.Option("--results", metavar="FILE", help="Keep each seed's result here, and do not play again what is in it.")
    ] = None,
) -> None:
    """Play seeds of chaos: the whole bot on virtual time against simulated venues, with faults drawn from each seed.

    An oracle that knows the world judges every order and every fill. A seed that fails tells its last minutes and the one command that
    repeats it; exit code 1 then. The table at the end tells how often each fault fired.
    """
    from bot.drivers.chaos.command import run_chaos
    from bot.drivers.chaos.results import ResultsRefused

    if mode not in ("safety", "liveness"):
        refuse(f"--mode: {mode!r} is not allowed: safety or liveness")
    try:
        code = run_chaos(seeds, first, hours, mode, jobs, results)
    except ResultsRefused as refused:
        refuse(f"--results: {refused}")
    raise typer.Exit(code)
