"""The house rules, each a small function over one file's path and text. What a rule finds, it says in one sentence.

The rules know nothing about the tree they are applied to (`tree.py` does), so that each is tested with planted violations: a rule
that cannot fail is worth nothing.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60

VAGUE_WORDS = frozenset({"manager", "handler", "helper", "util", "common"})
IMPURE_MODULES = frozenset(
    {"asyncio", "logging", "multiprocessing", "os", "random", "secrets", "signal", "socket", "sqlite3", "subprocess", "threading"}
    | {"time", "uuid", "urllib", "http", "pathlib", "tempfile"}
)
CLOCK_READS = frozenset({"now", "utcnow", "today"})
CLOCK_OWNERS = frozenset({"datetime", "date"})
WORLD_CALLS = frozenset({"open", "print", "input", "exec", "eval"})

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_MACHINE_PATH = re.compile(r"(?<![\w.])(?:/(?:work|root)/|/home/[\w.-]+/|/Users/[\w.-]+/)")
_INDEX_ADDRESS = re.compile(
    r"pypi\.org|pythonhosted\.org|registry\.npmjs\.org|(?<![\w-])--(?:(?:extra-)?index-url|find-links\b)", re.IGNORECASE
)
_TYPE_IGNORE = re.compile(r"#\s*type:\s*ignore(?P<code>\[[\w, -]+\])?(?P<reason>.*)")
_NOQA = re.compile(r"#\s*noqa(?P<code>:\s*[A-Z]+\d+(?:\s*,\s*[A-Z]+\d+)*)?(?P<reason>.*)", re.IGNORECASE)
_LOCKED = re.compile(r"^[A-Za-z0-9][\w.\[\],-]*==\S+")


@dataclass(frozen=True, slots=True)
class Finding:
    """One breach of one rule, printed as an editor can jump to it."""

    path: PurePosixPath
    line: int
    says: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.says}"


Rule = Callable[[PurePosixPath, str], Iterator[Finding]]


def file_fits(path: PurePosixPath, text: str) -> Iterator[Finding]:
    """A file is short enough to be read in one sitting."""
    lines = len(text.splitlines())
    if lines > MAX_FILE_LINES:
        yield Finding(path, lines, f"{lines} lines, at most {MAX_FILE_LINES} are allowed")


def functions_fit(path: PurePosixPath, text: str) -> Iterator[Finding]:
    """A function is short enough to see at once, its docstring included."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MAX_FUNCTION_LINES:
                yield Finding(path, node.lineno, f"{node.name} has {lines} lines, at most {MAX_FUNCTION_LINES} are allowed")


def names_say_something(path: PurePosixPath, text: str) -> Iterator[Finding]:
    """A module or class is named for what it knows, not with a word that fits anything."""
    for part in (*path.parent.parts, path.stem):
        for word in _vague_words(part):
            yield Finding(path, 1, f"the module name contains {word!r}, which says nothing")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef):
            for word in _vague_words(node.name):
                yield Finding(path, node.lineno, f"class {node.name} contains {word!r}, which says nothing")


def _vague_words(name: str) -> list[str]:
    return [word for word in _WORDS.findall(name) if word.lower().removesuffix("s") in VAGUE_WORDS]


def no_machine_paths(path: PurePosixPath, text: str) -> Iterator[Finding]:
    """Nothing tracked depends on where somebody's checkout lies."""
    yield from _matches(path, text, _MACHINE_PATH, "a path of one machine")


def no_index_addresses(path: PurePosixPath, text: str) -> Iterator[Finding]:
    """Where packages come from is the machine's business, not the repository's."""
    yield from _matches(path, text, _INDEX_ADDRESS, "the address of a package index")


def _matches(path: PurePosixPath, text: str, pattern: re.Pattern[str], what: str) -> Iterator[Finding]:
    for number, line in enumerate(text.splitlines(), 1):
        if found := pattern.search(line):
            yield Finding(path, number, f"{what}: {found.group()!r}")


def lock_is_sealed(path: PurePosixPath, text: str) -> Iterator[Finding]:
    """A lock names exact versions with hashes, and no address."""
    yield from _matches(path, text, re.compile(r"\w+://"), "an address in a lock file")
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if not line or line[0] in "# ":
            continue
        if not _LOCKED.match(line):
            yield Finding(path, number, f"not an exact version: {line!r}")
        if number == len(lines) or "--hash=" not in lines[number]:
            yield Finding(path, number, f"no hash follows {line!r}")


def no_floats(path: PurePosixPath, text: str) -> Iterator[Finding]:
    """Money and quantities are Decimal; a float in the core would be a rounding error waiting for a size."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, float | complex):
            yield Finding(path, node.lineno, f"float literal {node.value!r}")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float":
            yield Finding(path, node.lineno, "call of float()")


def core_imports_are_pure(path: PurePosixPath, text: str) -> Iterator[Finding]:
    """The core imports itself and the parts of the standard library that neither wait, nor draw, nor read a clock, nor do IO."""
    for line, module in _imports(ast.parse(text)):
        top = module.split(".")[0]
        if module == "bot.core" or module.startswith("bot.core."):
            continue
        if top not in sys.stdlib_module_names:
            yield Finding(path, line, f"the core imports {module or 'relatively'}, which is neither standard library nor bot.core")
        elif top in IMPURE_MODULES:
            yield Finding(path, line, f"the core imports {module}, which reaches the world outside the step")


def _imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            yield node.lineno, ""
        elif isinstance(node, ast.ImportFrom):
            if node.module == "bot":
                yield from ((node.lineno, f"bot.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, node.module or ""


def core_reads_nothing(path: PurePosixPath, text: str) -> Iterator[Finding]:
    """The core is told the time and the facts; it never asks for them."""
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id in WORLD_CALLS:
            yield Finding(path, node.lineno, f"call of {node.func.id}()")
        if isinstance(node.func, ast.Attribute) and node.func.attr in CLOCK_READS:
            owner = node.func.value
            name = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
            if name in CLOCK_OWNERS:
                yield Finding(path, node.lineno, f"a clock is read: {name}.{node.func.attr}()")


def module_says_why(path: PurePosixPath, text: str) -> Iterator[Finding]:
    """Every public module opens with a docstring; a private one (leading underscore) may do without."""
    private = path.stem.startswith("_") and not path.stem.startswith("__")
    if not private and not (ast.get_docstring(ast.parse(text)) or "").strip():
        yield Finding(path, 1, "the module has no docstring")


def exemptions_have_reasons(path: PurePosixPath, text: str) -> Iterator[Finding]:
    """A silenced checker names the check and the reason: `# noqa: S101  why` or `# type: ignore[arg-type]  # why`."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type != tokenize.COMMENT:
            continue
        for kind, pattern in (("type: ignore", _TYPE_IGNORE), ("noqa", _NOQA)):
            found = pattern.search(token.string)
            if found is None:
                continue
            reason = pattern.sub("", found["reason"]).strip(" \t#:;,.-–—")
            if found["code"] is None:
                yield Finding(path, token.start[0], f"{kind} without naming the check")
            if len(reason.split()) < 2:
                yield Finding(path, token.start[0], f"{kind} without a reason behind it")


def packages_are_declared(path: PurePosixPath, siblings: frozenset[str]) -> Iterator[Finding]:
    """A folder without `__init__.py` is invisible to the import contracts, so none may exist below bot/."""
    if "__init__.py" not in siblings:
        yield Finding(path, 1, f"{path.parent} has no __init__.py: import contracts would not see this module")


def is_exempt_from_decimals(path: PurePosixPath) -> bool:
    """Telemetry may use floats: they end in gauges and never in the ledger."""
    return path.stem == "telemetry"
