"""report.html: one file that opens offline, made of a result folder alone.

Charts are Vega's (`common.shown.charts`), the page Jinja's, the colours of the source Pygments'.
Whatever comes from outside, labels, paths, messages, is escaped by the template, and a policy in
the page's head forbids every request.
"""

from __future__ import annotations

import hashlib
import io
import tokenize
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from common.contract.arrays import Array
from common.contract.info import COMPONENTS, MIXED
from common.errors import Refused
from common.results.folder import read_results, whole
from common.results.record import AGREE
from common.results.source import source_files
from common.shown import charts
from common.shown.gallery import arrays, choices, grids, weights
from common.shown.html import coloured, script_safe, styles, template
from common.shown.repeat import command
from common.shown.words import disturbed_line, said

REPORT = "report.html"

#: A component's times, as they stand under its column.
TIMED = {
    "data": (("data", "take"),),
    "model": (("forward", "forward"), ("backward", "backward")),
    "loss": (("loss", "with its gradient"),),
    "update": (("update", "update"),),
    "accuracy": (("accuracy", "count"),),
    "train": (),
}


def write(folder: Path) -> Path:
    """Make the page of a result folder.

    Args:
        folder: what `compare.py run` left.

    Returns:
        its path.

    Raises:
        Refused: the folder has no results that can be read.
    """
    path = folder / REPORT
    text = render(folder)
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def render(folder: Path) -> str:
    """The text of the page."""
    found = completed(read_results(folder))
    drawn = {name: charts.named(found, name) for name in charts.NAMES}
    predictions = arrays(folder / "predictions.npz")
    pictures = arrays(folder / "pictures.npz")
    names = charts.class_names(pictures.get("classes", ()), _classes(predictions))
    confusions: dict[str, str] = {}
    for who, chosen in choices(found, predictions).items():
        confusions[who] = f"confusion {len(confusions)}"
        drawn[confusions[who]] = charts.confusion(chosen, predictions["labels"], names)
    specifications = {
        name: charts.specification(chart) for name, chart in drawn.items() if chart is not None
    }
    text: str = template("report.html").render(
        found=found,
        entrants=[Shown(entrant, found) for entrant in found["entrants"]],
        sentence=sentence(found),
        charts=specifications,
        vega=Markup(script_safe(charts.vega())) if specifications else "",
        grids=grids(found, predictions, pictures, names),
        disagreements=int(pictures.get("disagreements", 0)),
        weights=list(weights(folder, found)),
        names=names,
        confusions=confusions,
        predicted=sum(entrant["slug"] in predictions for entrant in found["entrants"]),
        disturbed=disturbed_words(found),
        components=[component(folder, found, name) for name in COMPONENTS],
        verified=verified(folder, found),
        command=command(found),
        styles=styles(),
    )
    return text


def source_page(what: str, columns: Sequence[tuple[str, str]]) -> str:
    """A page of a component's source in columns, on its own."""
    text: str = template("source.html").render(
        what=what,
        columns=[{"title": title, "code": coloured(code)} for title, code in columns],
        styles=styles(),
    )
    return text


def completed(found: dict[str, Any]) -> dict[str, Any]:
    """Results with None where an earlier version did not write what there is now."""
    found.setdefault("limit", None)
    found.setdefault("interrupted", False)
    for entrant in found["entrants"]:
        entrant.setdefault("framework_memory_bytes", None)
        for name in ("times_limit", "cores_used"):
            entrant["timing"].setdefault(name, None)
        entrant["timing"].setdefault("component_seconds", {})
    for verdict in found["parity"]["entrants"].values():
        verdict.setdefault("reason", None)
    return found


class Shown:
    """An entrant of results.json with what the page needs besides."""

    def __init__(self, entrant: Mapping[str, Any], found: Mapping[str, Any]) -> None:
        self.entrant = entrant
        self.verdict = found["parity"]["entrants"][entrant["label"]]
        self.last = entrant["epochs"][-1] if entrant["epochs"] else None
        self.timing = entrant["timing"]
        self.word = self.verdict["verdict"] if entrant["status"] == "ok" else entrant["status"]
        self.right = self.word in AGREE
        self.pair = (entrant["label"], entrant["learnt"])


def sentence(found: Mapping[str, Any]) -> str:
    """The verdict of a run in one sentence."""
    statuses = {entrant["label"]: entrant["status"] for entrant in found["entrants"]}
    verdicts = {label: one["verdict"] for label, one in found["parity"]["entrants"].items()}
    return said(statuses, verdicts, interrupted=found.get("interrupted", False))


def _classes(predictions: Mapping[str, Array]) -> int:
    return 1 + max((int(array.max()) for array in predictions.values() if len(array)), default=-1)


def disturbed_words(found: Mapping[str, Any]) -> str:
    """Whose epochs others disturbed; empty if nobody's."""
    return disturbed_line(
        {
            entrant["label"]: entrant["timing"]["epoch_seconds"].get("disturbed") or []
            for entrant in found["entrants"]
        }
    )


# ---- source --------------------------------------------------------------------------------


def component(folder: Path, found: Mapping[str, Any], name: str) -> dict[str, Any]:
    """One component's files, a column for each backend, and what it took there."""
    columns = [
        {
            **column,
            "code": coloured(column["text"]),
            "times": list(component_times(found, column["backend"], name)),
        }
        for column in columns_of(folder, found, name)
    ]
    return {"name": name, "columns": columns}


def columns_of(folder: Path, found: Mapping[str, Any], name: str) -> list[dict[str, str]]:
    """A component's file as each backend of a result folder ran it.

    Raises:
        Refused: there is no such component.
    """
    if name not in COMPONENTS:
        raise Refused(f"unknown component {name!r}; there are {', '.join(COMPONENTS)}")
    columns = []
    order = dict.fromkeys(entrant["backend"] for entrant in found["entrants"])
    files = (folder / "source").glob(f"*/{name}.py")
    place = {backend: number for number, backend in enumerate(order)}
    for file in sorted(files, key=lambda file: (place.get(file.parent.name, len(place)), file)):
        raw = file.read_bytes()
        text = raw.decode(tokenize.detect_encoding(io.BytesIO(raw).readline)[0])
        backend = file.parent.name
        columns.append(
            {
                "backend": backend,
                "title": f"{backend}/{name}.py",
                "text": text,
            }
        )
    return columns


def component_times(
    found: Mapping[str, Any], backend: str, name: str
) -> Iterable[tuple[str, list[tuple[str, float]]]]:
    """What a component took in each entrant of a backend."""
    for entrant in found["entrants"]:
        took = entrant["timing"]["component_seconds"]
        parts = [(words, took[key]) for key, words in TIMED[name] if key in took]
        if entrant["backend"] == backend and parts:
            yield entrant["label"], parts


def verified(folder: Path, found: Mapping[str, Any]) -> dict[str, bool]:
    """Whether the source that is shown is, byte for byte, what results.json says ran."""
    said = {}
    for entrant in found["entrants"]:
        if entrant["backend"] == MIXED or entrant["source_sha256"] is None:
            continue
        sha = hashlib.sha256()
        for path in source_files(folder / "source" / entrant["backend"]):
            sha.update(path.read_bytes())
        said[entrant["backend"]] = sha.hexdigest() == entrant["source_sha256"]
    return said
