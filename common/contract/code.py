"""How a module is written: the code of its class, for whoever looks for what is wrong in it."""

from __future__ import annotations

import ast
import inspect
import warnings
from collections.abc import Callable
from textwrap import dedent
from typing import Any

#: A class's docstring of more lines is cut after the first: frameworks' are manuals.
LINES = 6


def source_of(kind: type, method: str, made: str) -> str:
    """The classes that say what a module computes.

    Args:
        kind: the class; it is shown, and those that it inherits from up to the one that computes.
        method: what computes: "forward".
        made: how the instance was made; a comment above: "# BatchNorm2d(4, eps=0.001)".

    Returns:
        the code; the comment alone of what was typed into an interpreter, or compiled.
    """
    found = [f"# {' '.join(made.split())}\n"]
    for base in kind.__mro__:
        try:
            found.append(briefer(dedent(inspect.getsource(base))))
        except (OSError, TypeError):
            break
        if method in vars(base):
            break
    return "\n".join(found)


def code_of(function: Callable[..., Any]) -> str | None:
    """The code of a function; None of what was typed into an interpreter, or compiled."""
    try:
        return dedent(inspect.getsource(function))
    except (OSError, TypeError):
        return None


def briefer(code: str) -> str:
    """A class's code, the manual in it cut after its first line."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of backslashes in somebody's words
            (first, *_) = ast.parse(code).body
    except SyntaxError:  # a string in it begins further left than the class
        return code
    if not isinstance(first, ast.ClassDef) or ast.get_docstring(first) is None:
        return code
    words = first.body[0]
    assert words.end_lineno is not None
    lines = code.splitlines(keepends=True)
    quotes = lines[words.end_lineno - 1].rstrip()[-3:]
    if words.end_lineno - words.lineno < LINES or quotes not in ('"""', "'''"):
        return code
    lines[words.lineno : words.end_lineno] = [f"{' ' * words.col_offset}...{quotes}\n"]
    return "".join(lines)
