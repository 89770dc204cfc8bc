"""What is wrong with a configuration, as one sentence: field path, the value found, what is allowed.

Values below `credentials`, `journal`, `endpoints`, `api_key`, `signed_with` and `control` are never repeated: a secret typed into the wrong
place must not reach a terminal or a log.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

_KEY_MARK = "[key]"
_UNSPEAKABLE = frozenset({"credentials", "journal", "endpoints", "api_key", "signed_with", "control"})
_LONGEST_VALUE = 80
_DECIMAL = re.compile(r"Decimal\('(.*)'\)")
"""How pydantic writes the bound of an exact number."""

_PLAIN_WORDS = {
    "too_short": "at least one entry is needed",
    "too_long": "at most {max_length} entries are allowed",
    "union_tag_not_found": "its kind is missing",
    "union_tag_invalid": "its kind {tag!r} is unknown; known: {expected_tags}",
    "dict_type": "keys with values are needed below it",
    "model_type": "keys with values are needed below it",
    "tuple_type": "a list is needed",
    "string_type": "text is needed",
    "int_type": "a whole number is needed",
    "int_parsing": "a whole number is needed",
    "int_from_float": "a whole number is needed",
    "decimal_type": "a number is needed",
    "decimal_parsing": "a number is needed",
    "finite_number": "a finite number is needed",
    "less_than_equal": "at most {le}",
    "greater_than_equal": "at least {ge}",
    "greater_than": "more than {gt}",
}


class ConfigError(Exception):
    """The operator's configuration cannot be used. The message is one sentence; exit code 2, before anything is sent."""


class VariableUnset(ValueError):
    """An environment variable that holds a secret is not set."""

    def __init__(self, variable: str) -> None:
        super().__init__(f"the environment variable {variable} is not set")
        self.variable = variable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`, did you mean 'x'?` when `word` looks like a misspelling of a known one, else what is known."""
    options = sorted(known)
    lowered = {option.lower(): option for option in options}
    close = difflib.get_close_matches(word.lower(), lowered, n=1, cutoff=0.6)
    if close:
        return f", did you mean {lowered[close[0]]!r}?"
    return f"; known: {', '.join(options)}" if options else ""


def one_sentence(error: ValidationError, root: type[BaseModel]) -> str:
    """The first problem of a failed validation of `root` in plain words, and how many more there are.

    Variables that are not set are told all at once: whoever sets one will want to know of the others.
    """
    problems = error.errors(include_url=False)
    unset = list(dict.fromkeys(name for each in problems if (name := _unset_variable(each)) is not None))
    of_them = [each for each in problems if _unset_variable(each) is not None]
    first, told = _sentence(problems[0], root), 1
    if len(of_them) > 1 and problems[0] in of_them:
        others = [name for name in unset if name != _unset_variable(problems[0])]
        first, told = f"{first}, nor {'is' if len(others) == 1 else 'are'} {', '.join(others)}" if others else first, len(of_them)
    more = len(problems) - told
    return first if more == 0 else f"{first} (and {more} more {'problem' if more == 1 else 'problems'})"


def _unset_variable(problem: ErrorDetails) -> str | None:
    """The environment variable that a problem is about, when it is that it is not set."""
    error = problem.get("ctx", {}).get("error")
    return error.variable if isinstance(error, VariableUnset) else None


def _sentence(problem: ErrorDetails, root: type[BaseModel]) -> str:
    parts = [str(part) for part in _as_written(problem["loc"]) if part != _KEY_MARK]
    path = ".".join(parts) or "the configuration"
    kind = problem["type"]
    if kind == "extra_forbidden":
        return f"{path}: unknown key{did_you_mean(parts[-1], _known_keys(root, problem['loc'][:-1]))}"
    if kind == "missing":
        return f"{path}: is missing, and there is no default"
    what = _what(problem)
    if kind == "value_error" and not parts:
        return what
    if _UNSPEAKABLE & set(parts) or isinstance(problem["input"], Mapping | list):
        return f"{path}: {what}"
    return f"{path}: {_shown(problem['input'])} is not allowed: {what}"


def _what(problem: ErrorDetails) -> str:
    context = problem.get("ctx", {})
    match problem["type"]:
        case "value_error":
            return str(context["error"])
        case "enum" | "literal_error":
            expected = str(context["expected"])
            known = [word.strip(" '") for word in expected.replace(" or ", ", ").split(",")]
            return f"expected {expected}{did_you_mean(str(problem['input']), known) if _is_near(problem['input'], known) else ''}"
        case "string_pattern_mismatch":
            return f"it must look like {context['pattern']}"
        case "too_short" if context["min_length"] > 1:
            return f"{context['min_length']} entries are needed"
        case kind if kind in _PLAIN_WORDS:
            return _PLAIN_WORDS[kind].format(**{name: _DECIMAL.sub(r"\1", str(bound)) for name, bound in context.items()})
        case _:
            message = problem["msg"]
            return message[:1].lower() + message[1:]


def _is_near(word: Any, known: list[str]) -> bool:
    return bool(difflib.get_close_matches(str(word).lower(), known, n=1, cutoff=0.6))


def _shown(value: Any) -> str:
    text = str(value) if not isinstance(value, str) else repr(value)
    return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + "..."


def _as_written(path: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """The path of a problem without the kinds of sources, which pydantic puts behind the number of each."""
    return (*path[:3], *path[4:]) if path[:2] == ("collateral", "sources") else path


def _known_keys(root: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """The keys that the model at `path` below `root` has."""
    models: list[type[BaseModel]] = [root]
    for part in path:
        fields = [model.model_fields[str(part)] for model in models if part in model.model_fields]
        if fields:
            models = [found for field in fields for found in _models_in(field.annotation)] or models
        elif len(models) > 1:  # the kind of one of several
            models = [model for model in models if part in get_args(model.model_fields["kind"].annotation)] or models
    return list(models[0].model_fields)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for inner in get_args(annotation) for found in _models_in(inner)]
