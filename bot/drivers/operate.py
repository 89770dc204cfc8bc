"""`hedgebot reduce | halt | resume | resolve`: what a named person asks of the bot that runs on a configuration, in one sentence.

A halt of the book is written to the halt file first, so that it counts while nothing answers and over every restart; a resume of the book
removes the file. Exit codes: 0 done, 1 no bot answers, or not in time to a halt (what the file alone did is told), or no answer came and
whether it is carried out is not known; 2 not as asked, and nothing was done.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from bot.adapters.halt_file import HaltFile
from bot.adapters.telemetry.codec import RequestRefused, request_to_json
from bot.adapters.telemetry.endpoints import EndpointUnavailable, NoAnswer, ask_to_act
from bot.core.events import OperatorAction
from bot.drivers.control_place import Place
from bot.operating import OperatorRequest


async def operate(place: Place, request: OperatorRequest) -> int:
    """Asks the running bot; prints one sentence and returns the exit code."""
    try:
        request_to_json(request)
    except RequestRefused as refusal:
        return _failed(2, str(refusal))
    if request.venue is not None and place.venues is not None and request.venue not in place.venues:
        return _failed(2, f"venue: {request.venue!r} is not one of {', '.join(sorted(place.venues))}")
    halts = request.action is OperatorAction.HALT and request.venue is None
    if halts and not place.configured and _is_no_folder(place.halt_path.parent):
        return _failed(2, f"no such folder: {place.halt_path.parent}; nothing is halted")
    file_did = _write(place.halt_path, request) if halts else ""
    try:
        answer = await ask_to_act(place.control, request)
    except EndpointUnavailable as unavailable:
        if request.action is OperatorAction.RESUME and request.venue is None:
            file_did = "; the halt file is left as it is" if isinstance(unavailable, NoAnswer) else _remove(place.halt_path)
        return _failed(1, f"{unavailable}{file_did}")
    if not answer.accepted:
        return _failed(1 if halts else 2, f"{request.action.value}: {answer.sentence}{file_did}")
    sys.stdout.write(answer.sentence + "\n")
    return 0


def _write(path: Path, request: OperatorRequest) -> str:
    """What the halt file is good for now, to be told when nobody answers."""
    try:
        HaltFile(path).write(request.by, request.why)
    except OSError as error:
        return _unwritten(path, f"{path} cannot be written ({error.strerror})")
    return f"; {path} is written, and whatever runs with that state_dir is HALTED within a second and from its start"


def _unwritten(path: Path, why: str) -> str:
    """What a halt file is good for that could not be written: only one whose name can be seen is there."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return f", and {why}: nothing is halted by it"
    except OSError:
        return f", and {why}, and whether one is there cannot be seen: count on nothing being halted"
    return f"; {why}, but what is there halts as well"


def _is_no_folder(path: Path) -> bool:
    """Whether there is surely no such folder; one that cannot be looked at may be there."""
    try:
        return not stat.S_ISDIR(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False


def _remove(path: Path) -> str:
    try:
        HaltFile(path).clear()
    except OSError as error:
        return f", and {path} cannot be removed ({error.strerror})"
    return "; the halt file is gone, and what the journal holds stays until a running bot is resumed"


def _failed(code: int, sentence: str) -> int:
    sys.stderr.write(f"hedgebot: {sentence}\n")
    return code
