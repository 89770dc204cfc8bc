"""The YAML file as plain values: a safe loader that refuses repeated keys and never turns a written number into a float.

YAML lets a later key silently replace an earlier one; in a file of limits that is a limit nobody sees. Numbers with a point become
Decimal exactly as written, so that 0.1 stays 0.1; a number that nobody means, such as 1e999999999, is refused before anything counts
with it, and so is text that could never be written out again.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TypeVar

import yaml

from bot.config.errors import ConfigError
from bot.config.values import is_ordinary

CONTROL_SOCKET, HALT_FILE = "control.sock", "HALT"
"""What the bot's unix socket, and the file that halts it, are called in its `state_dir`."""
_STATE_DIR = re.compile(r"^state_dir[ \t]*:[ \t]*(?P<told>[^\r\n]*)[\r\n]", re.MULTILINE)
_FLOAT_TAG = "tag:yaml.org,2002:float"
_INT_TAG = "tag:yaml.org,2002:int"
_TEXT_TAG = "tag:yaml.org,2002:str"
_LONG_HEX = re.compile(r"0x[0-9a-fA-F]{20,}")
N = TypeVar("N", int, Decimal)


class _StrictLoader(yaml.SafeLoader):
    """PyYAML's safe loader without repeated keys and without floats."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} is written twice", key_node.start_mark)
            if isinstance(key, Hashable):
                seen.add(key)
        return super().construct_mapping(node, deep=deep)

    def construct_exact(self, node: yaml.ScalarNode) -> Decimal:
        text = str(self.construct_scalar(node))
        try:
            number = Decimal(text.replace("_", ""))
        except InvalidOperation:
            raise yaml.constructor.ConstructorError(None, None, f"{text!r} is not a plain number", node.start_mark) from None
        return _ordinary(number, node)

    def construct_whole(self, node: yaml.ScalarNode) -> int:
        if _LONG_HEX.fullmatch(str(node.value)):
            raise yaml.constructor.ConstructorError(None, None, "YAML takes this address for a number; put it in quotes", node.start_mark)
        return _ordinary(self.construct_yaml_int(node), node)

    def construct_text(self, node: yaml.ScalarNode) -> str:
        text = str(self.construct_scalar(node))
        if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
            raise yaml.constructor.ConstructorError(None, None, f"{text!a} holds what is no text", node.start_mark)
        return text


def _ordinary(number: N, node: yaml.ScalarNode) -> N:
    if not is_ordinary(number):
        raise yaml.constructor.ConstructorError(None, None, "a number of this size means nothing here", node.start_mark)
    return number


_StrictLoader.add_constructor(_FLOAT_TAG, _StrictLoader.construct_exact)
_StrictLoader.add_constructor(_INT_TAG, _StrictLoader.construct_whole)
_StrictLoader.add_constructor(_TEXT_TAG, _StrictLoader.construct_text)


def read_document(path: Path) -> dict[str, Any]:
    """The mapping written in the YAML file at `path`. Raises ConfigError with one sentence."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: this is a folder, not a file") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: this is not a text file in UTF-8") from None
    return _mapping(text, path)


def _mapping(text: str, path: Path) -> dict[str, Any]:
    try:
        document = yaml.load(text, Loader=_StrictLoader)  # noqa: S506  the loader is PyYAML's safe one, made stricter
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = "" if mark is None else f", line {mark.line + 1}, column {mark.column + 1}"
        raise ConfigError(f"{path}{where}: {error.problem or 'this is not YAML'}") from None
    except RecursionError:
        raise ConfigError(f"{path}: this is nested too deeply") from None
    except Exception as error:  # besides its own, PyYAML lets out what its constructors meet: KeyError for `!!bool foo`, and others
        raise ConfigError(f"{path}: this is not YAML: {' '.join(str(error).split()) or type(error).__name__}") from None
    if document is None:
        raise ConfigError(f"{path}: the file is empty; it must at least name an environment and venues")
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: expected keys and values at the top, found {type(document).__name__}")
    return document


def state_dir_written_in(path: Path) -> Path | None:
    """The `state_dir` of a configuration that may be of no use otherwise, also one that is no YAML as a whole; None: none can be read.

    A later line counts before an earlier one, as in YAML; one without an end counts not at all: it may be half written. It is for
    reaching a bot that runs already, never for starting one.
    """
    try:
        lines = _STATE_DIR.findall(path.read_text(encoding="utf-8", errors="replace"))
        told = yaml.load(lines[-1], Loader=_StrictLoader) if lines else None  # noqa: S506  as above
    except (OSError, yaml.YAMLError):
        return None
    if not isinstance(told, str) or not told.strip():
        return None
    return path.absolute().parent / Path(told).expanduser()
