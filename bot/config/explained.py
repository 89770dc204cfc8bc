"""What the fields of a class mean: the text that stands below each in the source."""

from __future__ import annotations

import ast
import inspect


def explanations_of(explained: type) -> dict[str, str]:
    """By the name of a field or an enum's member; those without a text are left out."""
    body = ast.parse(inspect.getsource(explained)).body[0]
    assert isinstance(body, ast.ClassDef)  # noqa: S101  the source of a class is a class
    found: dict[str, str] = {}
    for declared, text in zip(body.body, body.body[1:], strict=False):
        told = isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) and text.value.value
        for name in _names(declared) if told else ():
            found[name] = " ".join(str(told).split())
    return found


def _names(declared: ast.stmt) -> list[str]:
    targets = [declared.target] if isinstance(declared, ast.AnnAssign) else declared.targets if isinstance(declared, ast.Assign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]
