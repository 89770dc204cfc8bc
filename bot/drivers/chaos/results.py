"""What a campaign came to so far, kept in a file line by line: one that is stopped after an hour goes on where it was.

A line is one seed, with the code, the mode and the hours that it was played under: a campaign is of one code, so a file of another one is
refused. A line that was not written to its end is cut off, and its seed is played again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

import bot
from bot.drivers.chaos.seed import Outcome


class ResultsRefused(Exception):
    """The file cannot be gone on with: one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """One seed, how it was played, and the CPU seconds that it took."""

    code: str
    mode: str
    hours: float
    cpu_s: float
    outcome: Outcome


_LINE = TypeAdapter(Played)
_BEGINS = b'{"code":'


_PLAYED = ("core", "shell", "simulator", "drivers/chaos", "ports.py", "operating.py", "supervision.py")
"""What a story is told by, below the package: everything that a seed imports."""


def sources() -> tuple[Path, ...]:
    """The files of `_PLAYED`, without the dialects, for which the simulator's engines are asked directly here."""
    root = Path(bot.__file__).parent
    found = (path for name in _PLAYED for path in ([root / name] if name.endswith(".py") else (root / name).rglob("*.py")))
    return tuple(sorted(path for path in found if root / "simulator" / "dialects" not in path.parents))


def code_digest() -> str:
    """A hash over the source that a story is told by: the same code tells the same stories."""
    root = Path(bot.__file__).parent
    digest = sha256()
    for path in sources():
        digest.update(f"{path.relative_to(root).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


class Results:
    """The file of one campaign."""

    def __init__(self, path: Path, *, mode: str, hours: float) -> None:
        self._path = path
        self._mode, self._hours, self._code = mode, hours, code_digest()

    def read(self) -> dict[int, Played]:
        """What was played before, by seed; the file is begun when there is none yet. Raises ResultsRefused."""
        try:
            with self._path.open("a+b") as file:
                file.seek(0)
                whole, newline, torn = file.read().rpartition(b"\n")
                lines = [self._of(number, line) for number, line in enumerate(whole.splitlines(), 1)]
                if torn and not (newline or torn.startswith(_BEGINS)):
                    raise ResultsRefused(f"{self._path} is not a result of chaos: name a new file, or one that this command has written")
                file.truncate(len(whole) + len(newline))
        except OSError as error:
            raise ResultsRefused(f"{self._path} cannot be used: {error.strerror}") from None
        return {played.outcome.seed: played for played in lines}

    def _of(self, number: int, line: bytes) -> Played:
        where = f"{self._path} line {number}"
        try:
            played = _LINE.validate_json(line)
        except ValidationError:
            raise ResultsRefused(f"{where} is not a result of chaos: name a new file, or one that this command has written") from None
        mine = {"code": self._code, "mode": self._mode, "hours": self._hours}
        for name, value in mine.items():
            if (theirs := getattr(played, name)) != value:
                raise ResultsRefused(f"{where} was played with {name} {theirs}, and this is {name} {value}: name a new file")
        return played

    def add(self, outcome: Outcome, cpu_s: float) -> None:
        """One more seed has been played; the story of one that failed is kept. Raises ResultsRefused when it cannot be written."""
        if not outcome.violations:
            outcome = replace(outcome, last=())
        line = _LINE.dump_json(Played(code=self._code, mode=self._mode, hours=self._hours, cpu_s=cpu_s, outcome=outcome))
        try:
            with self._path.open("ab") as file:
                file.write(line + b"\n")
        except OSError as error:
            raise ResultsRefused(f"{self._path} cannot be written: {error.strerror}") from None
