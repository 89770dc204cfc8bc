"""What a person asks of a bot, at the command line: one sentence, the right exit code, and the halt file that works without any bot."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.adapters.telemetry import endpoints
from bot.config import load
from bot.core.events import OperatorAction
from bot.drivers.adopt import in_words as adoption
from bot.drivers.control_place import place_of
from bot.drivers.flatten import in_words
from bot.drivers.operate import operate
from bot.operating import OperatorAnswer, OperatorRequest
from tests.adapters.telemetry.test_control import Bot, listening
from tests.cli.test_refusals import hedgebot, refused, written
from tests.core.foreign import theirs
from tests.core.openings import before_us, hedged, in_doubt_at_okx
from tests.core.playbook import reading

NAMED = ("--by", "alice", "--why", "a drill")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("halt", "CONFIG", *NAMED, "--venue", "okxx"), ("venue: 'okxx' is not one of binanceusdm, bybit, okx",)),
        (("halt", "CONFIG", "--by", " ", "--why", "a drill"), ("by:", "at least 1 character")),
        (("reduce", "CONFIG", "--by", "alice", "--why", ""), ("why:", "at least 1 character")),
        (("resolve", "CONFIG", "h1", "--by", "alice", "--filled", "much"), ("--filled: 'much' is not a number",)),
        (("resolve", "CONFIG", "h1", "--by", "alice", "--filled", "-1"), ("filled:", "greater than or equal to 0")),
        (("resume", "nowhere.yaml", *NAMED), ("nowhere.yaml",)),
        (("flatten", "CONFIG", *NAMED, "--venue", "okx", "--asset", "ETH", "--yes"), ("--asset:", "not both")),
        (("quarantine", "CONFIG", "okxx", *NAMED), ("venue: 'okxx' is not one of binanceusdm, bybit, okx",)),
        (("override", "CONFIG", "spread_max", "much", "--for", "1h", *NAMED), ("VALUE: 'much' is not a number",)),
        (("override", "CONFIG", "spread_max", "0.01", "--for", "soon", *NAMED), ("--for: 'soon' is not allowed",)),
        (("override", "CONFIG", "spread_max", "0.5", "--for", "1h", *NAMED), ("spread_max: 0.5 is not allowed: 0.00001 to 0.05",)),
        (("override", "CONFIG", "spread_max", "0.01", "--for", "25h", *NAMED), ("--for: 25h is not allowed: up to 24h",)),
        (("override", "CONFIG", "spread_max", "0.01", "--for", "1h", *NAMED), ("--yes: is not given",)),
        (
            ("override", "CONFIG", "spread_max", "1e999999999", "--for", "1h", *NAMED),
            ("VALUE: '1e999999999' is not a number of a usable size",),
        ),
        (("override", "CONFIG", "spread_max", "1e-999999999", "--for", "1h", *NAMED), ("is not a number of a usable size",)),
        (("override", "CONFIG", "spread_max", "-0.01", "--for", "1h", *NAMED), ("spread_max: -0.01 is not allowed: 0.00001 to 0.05",)),
        (("adopt", "CONFIG", *NAMED, "--venue", "okxx", "--yes"), ("venue: 'okxx' is not one of binanceusdm, bybit, okx",)),
        (("flatten", "CONFIG", *NAMED, "--venue", "okxx"), ("venue: 'okxx' is not one of binanceusdm, bybit, okx",)),
        (("flatten", "CONFIG", *NAMED, "--venue", "okxx", "--yes"), ("venue: 'okxx' is not one of binanceusdm, bybit, okx",)),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_sentence(tmp_path: Path, words: tuple[str, ...], said: tuple[str, ...]) -> None:
    config = written(tmp_path)
    refused(hedgebot(*(str(config) if word == "CONFIG" else word for word in words), cwd=tmp_path), *said)
    assert not (tmp_path / "state").exists(), "nothing was done"


def test_c20_a_halt_works_while_no_bot_answers_and_a_resume_takes_it_back(tmp_path: Path) -> None:
    config, file = written(tmp_path), tmp_path / "state" / "HALT"
    done = hedgebot("halt", str(config), *NAMED, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "no running hedgebot answers there" in done.stderr
    assert f"{file} is written" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert file.read_text() == "alice: a drill\n"
    one_venue = hedgebot("resume", str(config), *NAMED, "--venue", "okx", cwd=tmp_path)
    assert one_venue.returncode == 1
    assert file.exists(), "it halts the book, and a venue's resume is not about the book"
    done = hedgebot("resume", str(config), *NAMED, cwd=tmp_path)
    assert done.returncode == 1
    assert "the halt file is gone" in done.stderr
    assert not file.exists()


def test_a_halt_file_that_cannot_be_written_or_removed_is_told(tmp_path: Path) -> None:
    config = written(tmp_path)
    (tmp_path / "state" / "HALT").mkdir(parents=True)
    done = hedgebot("halt", str(config), *NAMED, cwd=tmp_path)
    assert done.returncode == 1
    assert "cannot be written (Is a directory), but what is there halts as well" in done.stderr
    done = hedgebot("resume", str(config), *NAMED, cwd=tmp_path)
    assert "cannot be removed" in done.stderr


@pytest.mark.parametrize("words", [("reduce",), ("resolve", "h1"), ("flatten",), ("adopt",)])
def test_without_a_bot_the_others_do_nothing(tmp_path: Path, words: tuple[str, ...]) -> None:
    config = written(tmp_path)
    done = hedgebot(words[0], str(config), *words[1:], *NAMED, cwd=tmp_path)
    assert done.returncode == 1
    assert not (tmp_path / "state").exists()


def test_a_halt_file_that_has_no_place_is_told(tmp_path: Path) -> None:
    config = written(tmp_path, state_dir="/proc/nowhere")
    done = hedgebot("halt", str(config), *NAMED, cwd=tmp_path)
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
    assert "nothing is halted" in done.stderr


def test_a_halt_file_that_can_neither_be_written_nor_seen_is_not_taken_to_be_there(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    done = hedgebot("halt", str(written(tmp_path, state_dir=str(loop))), *NAMED, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.endswith(", and whether one is there cannot be seen: count on nothing being halted\n")
    assert "halts as well" not in done.stderr


@pytest.mark.parametrize("answers", ["never", "by closing", "with what is no answer"])
@pytest.mark.parametrize("action", [OperatorAction.FLATTEN, OperatorAction.HALT, OperatorAction.RESUME])
async def test_what_was_sent_and_not_answered_may_still_be_carried_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, action: OperatorAction, answers: str
) -> None:
    monkeypatch.setattr(endpoints, "_ACT_SECONDS", 0.5)
    settings = load(written(tmp_path, state_dir=str(tmp_path / "s")))
    settings.halt_path.parent.mkdir()
    settings.halt_path.write_text("bob: a fire\n")

    async def hears(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if answers == "never":
            await reader.read()  # until the other end gives up
        elif answers == "with what is no answer":
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_unix_server(hears, settings.control_path):
        assert await operate(place_of(settings), OperatorRequest(action=action, by="alice", why="a drill")) == 1
        await asyncio.sleep(0.1)  # until both ends are closed
    told = capsys.readouterr()
    assert told.out == ""
    assert "whether it was taken is not known" in told.err
    assert "no running hedgebot" not in told.err
    assert "what the journal holds stays" not in told.err
    assert settings.halt_path.exists()
    assert ("the halt file is left as it is" in told.err) is (action is OperatorAction.RESUME)


async def test_a_halt_that_a_busy_bot_does_not_take_in_time_stands_by_its_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = load(written(tmp_path, state_dir=str(tmp_path / "s")))
    bot = Bot()
    bot.answer = TimeoutError()
    async with listening(bot, settings.control_path):
        assert await operate(place_of(settings), OperatorRequest(action=OperatorAction.HALT, by="alice", why="a drill")) == 1
        said = capsys.readouterr().err
        assert "did not take it in time" in said
        assert f"{settings.halt_path} is written" in said
        assert settings.halt_path.exists()
        assert await operate(place_of(settings), OperatorRequest(action=OperatorAction.REDUCE, by="alice", why="a drill")) == 2


@pytest.mark.parametrize(("action", "code"), [(OperatorAction.HALT, 1), (OperatorAction.REDUCE, 2), (OperatorAction.RESUME, 2)])
async def test_what_a_bot_could_not_take_is_told_in_one_sentence_and_by_the_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], action: OperatorAction, code: int
) -> None:
    settings = load(written(tmp_path, state_dir=str(tmp_path / "s")))
    bot = Bot()
    bot.answer = OperatorAnswer(accepted=False, sentence="the bot did not take it", trading_state="active")
    async with listening(bot, settings.control_path):
        assert await operate(place_of(settings), OperatorRequest(action=action, by="alice", why="a drill")) == code
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"hedgebot: {action.value}: the bot did not take it")
    assert len(told.err.splitlines()) == 1


async def test_a_flatten_shows_what_it_closes_and_closes_nothing_unless_somebody_confirms(tmp_path: Path) -> None:
    config = written(tmp_path, state_dir=str(tmp_path / "s"))
    bot, told = Bot(), hedged("30").statement()
    async with listening(bot, load(config).control_path, statement=lambda: told):
        done = await asyncio.to_thread(hedgebot, "flatten", str(config), *NAMED, cwd=tmp_path)
        assert (done.returncode, bot.asked) == (2, [])
        assert "Closes 3 positions of the whole book:" in done.stdout
        assert "Net delta of ETH after it: +30.0000, now +0.0000" in done.stdout
        assert "--yes: is not given" in done.stderr
        done = await asyncio.to_thread(hedgebot, "flatten", str(config), *NAMED, "--yes", cwd=tmp_path)
    assert done.returncode == 0
    assert [(r.action, r.by, r.venue, r.asset) for r in bot.asked] == [(OperatorAction.FLATTEN, "alice", None, None)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("flatten", "--venue", "okxx"), "venue: 'okxx' is not one of binance, bybit, okx"),
        (("flatten", "--asset", "eth"), "asset: 'eth' is not one of ETH"),
        (("adopt", "--venue", "okxx"), "venue: 'okxx' is not one of binance, bybit, okx"),
    ],
)
async def test_a_name_that_the_book_does_not_have_is_refused_before_anything_is_told_of_it(
    tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    bot, told = Bot(), hedged("30").statement()
    async with listening(bot, tmp_path / "s" / "control.sock", statement=lambda: told):
        given = (words[0], "nowhere.yaml", "--state", str(tmp_path / "s"), *words[1:])
        done = await asyncio.to_thread(hedgebot, *given, *NAMED, cwd=tmp_path)
    assert (done.returncode, done.stdout, bot.asked) == (2, "", [])
    assert done.stderr.splitlines()[1:] == [f"hedgebot: {said}"]


async def test_an_adoption_shows_what_it_takes_over_and_asks_for_exactly_that(tmp_path: Path) -> None:
    config = written(tmp_path, state_dir=str(tmp_path / "s"))
    story = before_us("-4") >> reading("okx", orders=(theirs("-3", "-1"),))
    bot, told = Bot(), story.statement()
    async with listening(bot, load(config).control_path, statement=lambda: told):
        done = await asyncio.to_thread(hedgebot, "adopt", str(config), *NAMED, cwd=tmp_path)
        assert (done.returncode, bot.asked) == (2, [])
        assert "Takes over 1 positions and 1 orders of the book:" in done.stdout
        assert "--yes: is not given, and nobody can be asked here; nothing is adopted" in done.stderr
        done = await asyncio.to_thread(hedgebot, "adopt", str(config), *NAMED, "--yes", "--positions", "--venue", "okx", cwd=tmp_path)
        assert done.returncode == 0
        assert [(r.action, r.adopting) for r in bot.asked] == [(OperatorAction.ADOPT, (told.unadopted[0].shown,))]
        done = await asyncio.to_thread(hedgebot, "adopt", str(config), *NAMED, "--yes", "--venue", "bybit", cwd=tmp_path)
        assert (done.returncode, len(bot.asked)) == (2, 1)
    assert done.stdout == "Nothing at bybit is there that our orders did not bring, or it is adopted already.\n"


def test_the_preview_of_an_adoption_tells_each_with_its_price_and_the_effect() -> None:
    story = hedged("30") >> reading("okx", orders=(theirs("-3", "-1"), theirs(None, venue_order_id="8", price=None, reduce_only=None)))
    told = story.statement()
    assert adoption(told, None, told.unadopted) == (
        "Takes over 0 positions and 2 orders of the book:\n"
        "  okx:ETH: order 8, which leaves an unknown quantity at a price that the venue does not tell,"
        " reduce-only or not, which the venue does not tell\n"
        "  okx:ETH: order 9, which leaves -2 at 3100, not reduce-only\n"
        "An order counts at all that it leaves, and is withdrawn at once: what the plan needs it places itself.\n"
        "Net delta of ETH until they are gone: unknown, now +0.0000"
    )
    assert adoption(told, None, told.unadopted[1:]).endswith("Net delta of ETH until they are gone: -2.0000 .. +0.0000, now +0.0000")
    position = before_us("-4").statement()
    assert adoption(position, "okx", position.unadopted) == (
        "Takes over 1 positions and 0 orders of okx:\n  okx:ETH: a position of -4, pre_existing, entered at 2900\n"
        "A position counts and is worked already. The halt that an unexplained one brought to its venue ends with the last."
    )


def test_the_preview_is_of_the_venue_or_asset_that_was_named_and_tells_what_is_not_certain() -> None:
    story = hedged("30")
    assert in_words(story.statement(), "okx", None) == (
        "Closes 1 positions of okx:\n  okx:ETH: -10.0000 ETH (30,000 USD)\n"
        "Net delta of ETH after it: +10.0000, now +0.0000\nThe other venues hedge it again as far as their limits allow."
    )
    assert in_words(story.statement(), None, "BTC") == "Nothing is held there."
    doubtful = in_words(in_doubt_at_okx().statement(), None, "ETH")
    assert "okx:ETH: -10.0000 .. +0.0000 ETH" in doubtful
    assert "Net delta of ETH after it: +30.0000, now +0.0000 .. +10.0000" in doubtful
