"""Lessons: differences between the frameworks, each a small file that is run to prove it.

A lesson is a file of `docs/lessons/`. Its docstring is the claim, in a sentence; TOPIC, WHY, SEE
and SEEN say where it belongs, why it matters, which page documents it and in which versions it was
seen. A function by the name of each framework does the same few lines in it and returns
{what: value}; CLAIM has, for each framework, what these values must be: a number to 1e-3 of
itself, anything else exactly. Values that are not claimed (times) are shown all the same.

    python -m common.learning.lessons torch FILE ...

runs that function of the files, and prints a line of JSON for each: a process for each framework.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.contract.meant import meant
from common.contract.registry import Backend
from common.contract.root import ROOT
from common.errors import Refused
from common.measure.machine import available_cores

FOLDER = ROOT / "docs" / "lessons"
#: The order in which topics are listed.
TOPICS = (
    "data", "model", "loss", "update", "accuracy", "gradients", "types", "randomness", "time",
    "find the bug",
)  # fmt: skip
#: How far a number may be from the one that is claimed, relative to it.
CLOSE = 1e-3
#: Seconds that all lessons may take in one framework.
TIMEOUT = 300.0

#: What one framework's function returned.
Values = dict[str, Any]


@dataclass(frozen=True)
class Lesson:
    """One file, read and not run.

    Attributes:
        name: of the file, without its ending.
        claim: the docstring's first paragraph; `text` is all of it.
        topic, why: where it belongs, why it matters.
        see: the page that documents it.
        seen: framework -> version in which it was seen.
        code: framework -> source of its function.
        expected: framework -> what its values must be.
    """

    name: str
    path: Path
    claim: str
    text: str
    topic: str
    why: str
    see: tuple[str, ...]
    seen: dict[str, str]
    code: dict[str, str]
    expected: dict[str, Values]


@dataclass(frozen=True)
class Outcome:
    """What a lesson was found to do in one framework.

    Attributes:
        values: what its function returned; empty if it raised.
        wrong: what is not as claimed, in words.
    """

    values: Values
    wrong: tuple[str, ...]


def read(path: Path) -> Lesson:
    """Read a lesson's file; none of it is run."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    said = ast.get_docstring(tree) or ""
    named = {
        target.id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and target.id in ("TOPIC", "WHY", "SEE", "SEEN", "CLAIM")
    }
    code = {
        node.name: ast.get_source_segment(text, node) or ""
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name in named["CLAIM"]
    }
    claim = " ".join(said.split("\n\n")[0].split())
    return Lesson(
        path.stem, path, claim, said, named["TOPIC"], named["WHY"], tuple(named["SEE"]),
        dict(named["SEEN"]), code, dict(named["CLAIM"]),
    )  # fmt: skip


def paragraphs(lesson: Lesson) -> list[str]:
    """The docstring behind the claim, a line each; lines that are set in stay as they are."""
    parts = [part for part in lesson.text.split("\n\n")[1:] if part.strip()]
    return [part if "\n " in part or part[0] == " " else " ".join(part.split()) for part in parts]


def find(folder: Path = FOLDER) -> dict[str, Lesson]:
    """All lessons by name, topic by topic."""
    lessons = [read(path) for path in sorted(folder.glob("*.py"))]
    lessons.sort(key=lambda lesson: TOPICS.index(lesson.topic))
    return {lesson.name: lesson for lesson in lessons}


def run(
    lessons: Sequence[Lesson], backends: Mapping[str, Backend]
) -> dict[str, dict[str, Outcome]]:
    """Run lessons, each framework in a process of its own.

    Args:
        lessons: which.
        backends: those that are there; a lesson is run in those it is about.

    Returns:
        name -> framework -> what came out.
    """
    with ThreadPoolExecutor() as pool:
        found = dict(
            zip(
                backends,
                pool.map(lambda one: _run_in(lessons, one), backends.values()),
                strict=True,
            )
        )
    return {
        lesson.name: {
            framework: judge(lesson, framework, found[framework].get(lesson.name, ENDED))
            for framework in lesson.code
            if framework in backends
        }
        for lesson in lessons
    }


#: What is said of a lesson whose process ended before it answered.
ENDED = {"error": "its process ended without an answer"}


def _run_in(lessons: Iterable[Lesson], backend: Backend) -> dict[str, dict[str, Any]]:
    """What the functions of one framework said, by lesson."""
    paths = [str(lesson.path) for lesson in lessons if backend.name in lesson.code]
    if not paths:
        return {}
    with tempfile.TemporaryDirectory(prefix="compare-lessons-") as folder:
        said = Path(folder) / "answers"
        command = [
            sys.executable,
            "-P",
            "-m",
            "common.learning.lessons",
            backend.name,
            str(said),
            *paths,
        ]
        search = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        with suppress(subprocess.TimeoutExpired):  # what had been answered by then counts
            # What a framework prints by itself is not what the lesson found.
            subprocess.run(
                command,
                env={
                    **os.environ,
                    **backend.info.variables(available_cores(), "cpu"),
                    "PYTHONPATH": search,
                },
                cwd=folder,
                capture_output=True,
                timeout=TIMEOUT,
            )
        lines = said.read_text(encoding="utf-8").splitlines() if said.exists() else []
    return {line["name"]: line for line in map(json.loads, lines)}


def judge(lesson: Lesson, framework: str, said: Mapping[str, Any]) -> Outcome:
    """Hold what a function returned against the claim."""
    if "error" in said:
        return Outcome({}, (str(said["error"]),))
    values = dict(said["values"])
    wrong = [
        f"{what}: {shown(values.get(what))} where {shown(right)} is claimed"
        for what, right in lesson.expected[framework].items()
        if what not in values or not same(values[what], right)
    ]
    return Outcome(values, tuple(wrong))


def same(value: Any, right: Any) -> bool:
    """Whether a value is what is claimed: a number to 1e-3 of itself, lists item by item."""
    if isinstance(right, (list, tuple)):
        return (
            isinstance(value, (list, tuple))
            and len(value) == len(right)
            and all(map(same, value, right))
        )
    if isinstance(right, float) and isinstance(value, (int, float)) and not isinstance(value, bool):
        if math.isnan(right) or math.isnan(value):
            return math.isnan(right) and math.isnan(value)
        return value == right or math.isclose(value, right, rel_tol=CLOSE)
    return type(value) is type(right) and bool(value == right)


def shown(value: Any) -> str:
    """A value as a person reads it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.5g}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(shown, value)) + "]"
    return "–" if value is None else str(value)


def markdown(lessons: Iterable[Lesson]) -> str:
    """docs/differences.md: every claim, and the values to which the lessons hold each framework."""
    lines = [
        "# Differences between the frameworks",
        "",
        "Written by `compare.py lessons --markdown` and not by hand: every value below is what a",
        "lesson found, and what a test holds the framework to. `compare.py lessons NAME` runs one.",
    ]
    topic = None
    for lesson in lessons:
        if lesson.topic != topic:
            topic = lesson.topic
            lines += ["", f"## {topic.capitalize()}"]
        lines += ["", f"### [{lesson.name}](lessons/{lesson.path.name})", "", lesson.claim, ""]
        lines += [f"*Why it matters:* {lesson.why}", ""]
        frameworks = [
            f"{name} {version}" for name, version in lesson.seen.items() if name in lesson.expected
        ]
        lines.append(f"| | {' | '.join(frameworks)} |")
        lines.append("|---" * (1 + len(frameworks)) + "|")
        columns = [lesson.expected[name] for name in lesson.seen if name in lesson.expected]
        for what in dict.fromkeys(what for column in columns for what in column):
            cells = (shown(column[what]) if what in column else "" for column in columns)
            row = " | ".join(cell.replace("|", "\\|") for cell in cells)
            lines.append(f"| {what.replace('|', chr(92) + '|')} | {row} |")
        lines += ["", *(f"<{page}>  " for page in lesson.see)]
    return "\n".join(lines) + "\n"


def choose(name: str, known: Mapping[str, Lesson]) -> Lesson:
    """One lesson by name.

    Raises:
        Refused: there is none by that name.
    """
    if name not in known:
        if name in TOPICS:
            raise Refused(f"{name} is a topic; did you mean --topic {name}?")
        holding = [one for one in known if name and name in one]
        near = f"; did you mean {holding[0]}?" if holding else meant(name, known)
        near = near or "; compare.py lessons lists them"
        raise Refused(f"there is no lesson {name[:60]!r}{near}")
    return known[name]


def answers(framework: str, paths: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Run one framework's function of each file, in this process."""
    for path in map(Path, paths):
        spec = importlib.util.spec_from_file_location(f"lesson_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        # MindSpore's compiler looks a function's module up by its name.
        sys.modules[spec.name] = module
        try:
            spec.loader.exec_module(module)
            yield {"name": path.stem, "values": getattr(module, framework)()}
        except Exception as error:
            words = " ".join(str(error).split())
            yield {"name": path.stem, "error": f"{type(error).__name__}: {words}"[:300]}


if __name__ == "__main__":
    with Path(sys.argv[2]).open("w", encoding="utf-8") as file:
        for answer in answers(sys.argv[1], sys.argv[3:]):
            file.write(json.dumps(answer) + "\n")
            file.flush()
