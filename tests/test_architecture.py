"""The house: packages in one order, no arrow up, no cycle, files and functions of one idea.

    python -m tests.test_architecture

writes the picture in docs/architecture.md again, from the imports.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

from common.contract.root import ROOT

#: The highest floor first; those that share one do not know each other.
FLOORS: list[tuple[str, ...]] = [
    ("cli",),
    ("check", "compare"),
    ("ask",),
    ("shown",),
    ("learning",),
    ("running",),
    ("results",),
    ("modules",),
    ("mapping",),
    ("agreement",),
    ("entrants",),
    ("measure",),
    ("data",),
    ("contract",),
    ("locale",),
    ("errors",),
]
PAGE = ROOT / "docs" / "architecture.md"
SOURCES = [ROOT / "compare.py", *sorted((ROOT / "common").rglob("*.py"))]
SOURCES += sorted((ROOT / "backends").rglob("*.py"))
MOST_LINES, MOST_OF_A_FUNCTION = 450, 60


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return made()


def made() -> grimp.ImportGraph:
    """Every import of every module; what is imported for its type alone does not count."""
    return grimp.build_graph("common", exclude_type_checking_imports=True, cache_dir=None)


def upwards(graph: grimp.ImportGraph) -> list[str]:
    """Imports of a higher floor, or of a neighbour on the same."""
    layers = [grimp.Layer(*floor, independent=True) for floor in FLOORS]
    found = graph.find_illegal_dependencies_for_layers(layers=layers, containers={"common"})
    return sorted(f"{one.importer} -> {one.imported}" for one in found)


def cycle(graph: grimp.ImportGraph) -> list[str]:
    """Modules that import each other in a ring, if there are any."""
    modules = {m: graph.find_modules_directly_imported_by(m) for m in graph.modules}
    try:
        TopologicalSorter(modules).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_every_package_has_its_floor() -> None:
    code = [*(ROOT / "common").glob("[!_]*.py"), *(ROOT / "common").glob("*/__init__.py")]
    there = {p.stem if p.parent.name == "common" else p.parent.name for p in code}
    assert {name for floor in FLOORS for name in floor} == there


def test_no_arrow_goes_up(graph: grimp.ImportGraph) -> None:
    assert upwards(graph) == []


def test_nothing_imports_itself_in_a_ring(graph: grimp.ImportGraph) -> None:
    assert cycle(graph) == []


def test_an_arrow_up_would_be_seen() -> None:
    graph = made()
    graph.add_import(importer="common.results.record", imported="common.shown.words")
    assert upwards(graph) == ["common.results -> common.shown"]


def test_a_ring_would_be_seen() -> None:
    graph = made()
    graph.add_import(importer="common.agreement.schedule", imported="common.agreement.judge")
    assert "common.agreement.schedule" in cycle(graph)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_are_short_and_names_their_own(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") < MOST_LINES
    assert list(long_functions(text)) == []
    assert list(shadows(text)) == []


def long_functions(text: str) -> Iterator[str]:
    """Functions of too many lines, their docstrings and what they are given not counted."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            if body and node.end_lineno and node.end_lineno - body[0].lineno >= MOST_OF_A_FUNCTION:
                yield node.name


def test_a_long_function_would_be_seen() -> None:
    lines = "\n".join(["    x = 1"] * (MOST_OF_A_FUNCTION + 1))
    assert list(long_functions(f"def f(\n    a,\n):\n    '''Words.'''\n{lines}\n")) == ["f"]


def shadows(text: str) -> Iterator[str]:
    """Parameters and variables of functions that hide what the module imported."""
    tree = ast.parse(text)
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    imported = {alias.asname or alias.name for node in imports for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.Lambda):
            own = {
                one.arg if isinstance(one, ast.arg) else one.id
                for one in ast.walk(node)
                if isinstance(one, ast.arg)
                or (isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store))
            }
            # `_` is nobody's variable; a function that translates and hid it would not run.
            yield from (f"{node.lineno}: {name}" for name in sorted(own & imported - {"_"}))


@pytest.mark.parametrize(
    "code",
    ["def f(here): return here", "def f():\n    here = 1", "def f():\n    for here in []: pass"],
)
def test_a_name_that_hides_an_import_would_be_seen(code: str) -> None:
    assert list(shadows(f"from there import here\n{code}")) == ["2: here"]


# ---- the picture -----------------------------------------------------------------------------


def arrows(graph: grimp.ImportGraph) -> set[tuple[str, str]]:
    """Package -> package, without those that a longer way says already."""
    direct: dict[str, set[str]] = {name: set() for floor in FLOORS for name in floor}
    for module in graph.modules - {"common"}:
        importer = module.split(".")[1]
        for imported in graph.find_modules_directly_imported_by(module):
            if (name := imported.split(".")[1]) != importer:
                direct[importer].add(name)

    def reach(name: str) -> set[str]:
        return direct[name].union(*map(reach, direct[name]))

    return {
        (name, other)
        for name, others in direct.items()
        for other in others
        if not any(other in reach(between) for between in others - {other})
    }


def picture(graph: grimp.ImportGraph) -> str:
    """A flowchart in Mermaid's words, the highest floor on top."""
    order = [name for floor in FLOORS for name in floor]
    lines = ["```mermaid", "flowchart TD"]
    lines += [f"    {name}" for name in order]
    for name, other in sorted(arrows(graph), key=lambda pair: [*map(order.index, pair)]):
        lines.append(f"    {name} --> {other}")
    return "\n".join([*lines, "```"])


def table() -> str:
    """The packages and what they are about, in their own words."""
    lines = ["| package | about |", "|---|---|"]
    for floor in FLOORS:
        for name in floor:
            about = str(importlib.import_module(f"common.{name}").__doc__).partition("\n")[0]
            lines.append(f"| `{name}` | {about} |")
    return "\n".join(lines)


def page(graph: grimp.ImportGraph) -> str:
    """The page with table and picture as the code has them now."""
    text = PAGE.read_text(encoding="utf-8")
    for name, made_now in (("packages", table()), ("picture", picture(graph))):
        between = rf"(<!-- {name} -->\n).*?(\n<!-- end -->)"
        text = re.sub(between, lambda m, now=made_now: m[1] + now + m[2], text, flags=re.S)
    return text


def test_the_page_shows_the_house_as_it_is(graph: grimp.ImportGraph) -> None:
    assert PAGE.read_text(encoding="utf-8") == page(graph)


if __name__ == "__main__":
    PAGE.write_text(page(made()), encoding="utf-8")
