"""The YAML file as plain values: a safe loader that refuses repeated keys and never turns a written number into a float.

YAML lets a later key silently replace an earlier one; in a file of limits that is a limit nobody sees. Numbers with a point become
Decimal exactly as written, so that 0.1 stays 0.1.
"""

from __future__ import annotations

from collections.abc import Hashable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import yaml

from bot.config.errors import ConfigError

_FLOAT_TAG = "tag:yaml.org,2002:float"


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
        return number


_StrictLoader.add_constructor(_FLOAT_TAG, _StrictLoader.construct_exact)


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
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{path}: this is not YAML: {' '.join(str(error).split())}") from None
    if document is None:
        raise ConfigError(f"{path}: the file is empty; it must at least name an environment and venues")
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: expected keys and values at the top, found {type(document).__name__}")
    return document
