"""The source of the components, side by side, read by `ast`: no framework is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from pathlib import Path

from common.contract.info import COMPONENTS, CONTRACT, FILES, STYLES
from common.contract.meant import meant
from common.contract.models import ALSO, MODELS, files_of
from common.contract.registry import Backend
from common.errors import Refused


def excerpt(
    paths: Sequence[Path], wanted: Iterable[str] | None, *, docstrings: bool = True
) -> str | None:
    """Cut functions out of files, with the helpers and constants they use.

    Args:
        paths: a component's files.
        wanted: names of functions; None for whole files.
        docstrings: whether to keep them.

    Returns:
        source text, or None if none of the functions is there.
    """
    texts = [path.read_text(encoding="utf-8") for path in paths]
    trees = [ast.parse(text) for text in texts]
    used = None if wanted is None else _with_helpers(trees, wanted)
    found = [_cut(*one, used, docstrings) for one in zip(texts, trees, strict=True)]
    return "\n\n".join(filter(None, found)) or None


def _cut(text: str, tree: ast.Module, used: set[str] | None, docstrings: bool) -> str:
    """A file's definitions of these names, or the whole of it."""
    lines = text.splitlines()
    kept = set(range(1, len(lines) + 1))
    if used is not None:
        kept = set()
        for node in (node for node in tree.body if used.intersection(_names(node))):
            decorators = getattr(node, "decorator_list", [])
            first = min(part.lineno for part in (node, *decorators))
            # With the comment above it, and the blank lines that set it apart.
            while first > 1 and (not lines[first - 2] or lines[first - 2].startswith("#")):
                first -= 1
            kept.update(range(first, (node.end_lineno or first) + 1))
        if not kept:
            return ""
    if not docstrings:
        kept -= _docstring_lines(tree)
    return "\n".join(lines[number - 1] for number in sorted(kept)).strip("\n") + "\n"


def _with_helpers(trees: Sequence[ast.Module], wanted: Iterable[str]) -> set[str]:
    """Names that are defined at top level, and every other that they mention."""
    defined = {name: node for tree in trees for node in tree.body for name in _names(node)}
    queue, keep = [name for name in wanted if name in defined], set[str]()
    while queue:
        name = queue.pop()
        keep.add(name)
        used = {part.id for part in ast.walk(defined[name]) if isinstance(part, ast.Name)}
        queue += [other for other in used & defined.keys() if other not in keep]
    return keep


def _names(node: ast.stmt) -> list[str]:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    return []


def _docstring_lines(tree: ast.Module) -> set[int]:
    found: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(
            node, clean=False
        ):
            text = node.body[0]
            found.update(range(text.lineno, (text.end_lineno or text.lineno) + 1))
    return found


def functions(component: str, model: str | None, style: str | None) -> list[str] | None:
    """Choose the functions of a component that a model and a style use; None: all of them."""
    names = _contract(component)
    if model is None and style is None:
        return None
    if model is not None:
        names = [name for file in files_of(component, model) for name in CONTRACT[file]]
        prefixes = {"model": model, "loss": MODELS[model].loss}
        if prefix := prefixes.get(component):
            names = [n for n in names if not _styled(n) or n.rpartition("_")[0] == prefix]
    if style is not None:
        names = [n for n in names if not _styled(n) or n.endswith(f"_{style}")]
    return names


def _contract(component: str) -> list[str]:
    """The functions of a component, of all its files."""
    return [name for file in FILES[component] for name in CONTRACT[file]]


def others() -> dict[str, str]:
    """What is no component, but the name of a model or of a function -> where that is shown."""
    found = {name: f"{one}.{name}" for one in COMPONENTS for name in _contract(one)}
    found |= {name.rpartition("_")[0]: full for name, full in found.items() if _styled(name)}
    named = {model: model for model in MODELS} | ALSO
    return found | {other: f"model --model {model}" for other, model in named.items()}


def _styled(name: str) -> bool:
    return name.rpartition("_")[2] in STYLES


def columns(
    what: str,
    shown: Sequence[tuple[Backend, str | None]],
    *,
    model: str | None = None,
    docstrings: bool = True,
) -> list[tuple[str, str]]:
    """Find a component, or one function of it, in several backends.

    Args:
        what: `loss`, or `loss.cross_entropy_scratch`.
        shown: a column each: the backend, and the style whose functions are wanted, None for both.
        model: only what this one uses.
        docstrings: whether to keep them.

    Returns:
        title and code of every column.

    Raises:
        Refused: there is no such component or function.
    """
    component, _, function = what.partition(".")
    if component not in COMPONENTS:
        raise Refused(
            f"unknown component {component!r}; there are {', '.join(COMPONENTS)}"
            + meant(component, COMPONENTS, others())
        )
    if function and function not in _contract(component):
        known = ", ".join(_contract(component))
        near = meant(function, _contract(component))
        raise Refused(f"{component}.py has no {function!r}; there are {known}{near}")
    found: list[tuple[str, str]] = []
    for backend, style in shown:
        wanted = [function] if function else functions(component, model, style)
        files = files_of(component, model) if model else FILES[component]
        paths = [backend.folder / file for file in files]
        paths = [path for path in paths if path.is_file()]
        code = excerpt(paths, wanted, docstrings=docstrings)
        title = f"{backend.name}/{component}.py{f', {style}' if style else ''}"
        if code is None:
            word = function.rpartition("_")[2] or function
            code = f"# {backend.info.title} has no {function}: {backend.info.absent.get(word)}\n"
        found.append((title, code))
    return found
