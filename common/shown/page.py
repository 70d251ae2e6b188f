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
from common.contract.models import files_of
from common.errors import Refused
from common.locale.language import _, marked
from common.results.document import Document, Line
from common.results.folder import read_results, whole
from common.results.source import source_files
from common.shown import charts
from common.shown.drawing import specification
from common.shown.entrants import OUTCOME, TIMES, Shown, telling
from common.shown.gallery import arrays, choices, grids, on_the_way, weights
from common.shown.html import coloured, script_safe, styles, template
from common.shown.inside import looks, statistics
from common.shown.paying import paid_lines
from common.shown.ran import inside, ran
from common.shown.repeat import command
from common.shown.vega import vega
from common.shown.words import (
    OWN_STARTS,
    beside_line,
    blind_words,
    clear_words,
    cores_lines,
    disturbed_line,
    files_beside_arrays,
    laws_words,
    left_out_words,
    reach_words,
    said,
    spread_words,
    starting_line,
    winner_words,
)

REPORT = "report.html"

#: A component's times, as they stand under its column.
TIMED = {
    "data": (("data", marked("take")),),
    "model": (("forward", "forward"), ("backward", "backward")),
    "loss": (("loss", marked("with its gradient")),),
    "update": (("update", "update"),),
    "accuracy": (("accuracy", marked("count")),),
    "train": (),
    "initial": (),
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
    found = read_results(folder)
    drawn = {name: charts.named(found, name) for name in charts.NAMES}
    predictions = arrays(folder / "predictions.npz")
    pictures = arrays(folder / "pictures.npz")
    names = charts.class_names(pictures.get("classes", ()), _classes(predictions))
    confusions: dict[str, str] = {}
    for who, chosen in choices(found, predictions).items():
        confusions[who] = f"confusion {len(confusions)}"
        drawn[confusions[who]] = charts.confusion(chosen, predictions["labels"], names)
    specifications = {
        name: specification(chart) for name, chart in drawn.items() if chart is not None
    }
    rows = [Shown(entrant, found) for entrant in found.entrants]
    seen, apart = looks(folder, found, pictures)
    text: str = template("report.html").render(
        found=found,
        inside=[(label, on_the_way(one)) for label, one in seen.items()][:1],
        seen=len(seen),
        apart=apart,
        statistics=list(statistics(folder, found)),
        entrants=rows,
        outcome=telling(OUTCOME, rows),
        times=telling(TIMES, rows),
        sentence=sentence(found),
        charts=specifications,
        vega=Markup(script_safe(vega())) if specifications else "",
        grids=grids(found, predictions, pictures, names),
        disagreements=int(pictures.get("disagreements", 0)),
        weights=list(weights(folder, found)),
        names=names,
        confusions=confusions,
        learnt=learnt(found),
        predicted=sum(entrant.slug in predictions for entrant in found.entrants),
        disturbed=disturbed_words(found),
        crowded=cores_lines(
            {entrant.label: entrant.timing.cores_used for entrant in found.entrants},
            found.plan.threads,
        ),
        reached=reached(found),
        beside=files_beside_arrays,
        beside_line=beside_line,
        starting_line=starting_line,
        paid=paid(found),
        winner_words=winner_words,
        clear=clear_words(found.plan.rounds),
        spread_words=spread_words,
        laws_words=laws_words,
        components=[
            component(folder, found, name, file)
            for name in COMPONENTS
            if name != "initial" or found.plan.init == "framework"
            for file in files_of(name, found.plan.model)
        ],
        ran=ran(folder, found),
        verified=verified(folder, found),
        command=command(found),
        styles=styles(),
    )
    return text


def reached(found: Document) -> list[str]:
    """How much of the free runs was held against the referee."""
    steps = max((len(entrant.step_losses) for entrant in found.entrants), default=0)
    reach = min((len(found.referee_losses(entrant)) for entrant in found.entrants), default=0)
    words = reach_words(reach, steps)
    held = {label: verdict.held_steps for label, verdict in found.parity.entrants.items()}
    own = _(OWN_STARTS) if found.starts else ""
    left = left_out_words(found.parity.left_out, found.options.check)
    return [line for line in (own, words, left, *blind_words(held, steps)) if line]


def paid(found: Document) -> list[str]:
    """After how many epochs compiling has paid."""
    plan, examples = found.plan, found.data.train_examples
    if plan.drop_last:
        examples -= examples % plan.batch_size
    return list(paid_lines(found.entrants, found.comparisons, plan, examples))


def source_page(what: str, columns: Sequence[tuple[str, str]]) -> str:
    """A page of a component's source in columns, on its own."""
    text: str = template("source.html").render(
        what=what,
        columns=[{"title": title, "code": coloured(code)} for title, code in columns],
        styles=styles(),
    )
    return text


def sentence(found: Document) -> str:
    """The verdict of a run in one sentence."""
    statuses = {entrant.label: entrant.status for entrant in found.entrants}
    verdicts = {label: one.verdict for label, one in found.parity.entrants.items()}
    losses = {entrant.label: entrant.step_losses for entrant in found.entrants}
    return said(statuses, verdicts, losses, interrupted=found.interrupted)


def learnt(found: Document) -> list[tuple[str, Line]]:
    """What `linear` was to learn, and who learnt what."""
    rows = [(_("true"), found.data.true), (_("least squares"), found.data.least_squares)]
    rows += [(entrant.label, entrant.learnt) for entrant in found.entrants]
    return [(label, line) for label, line in rows if line is not None]


def _classes(predictions: Mapping[str, Array]) -> int:
    return 1 + max((int(array.max()) for array in predictions.values() if len(array)), default=-1)


def disturbed_words(found: Document) -> str:
    """Whose epochs others disturbed; empty if nobody's."""
    return disturbed_line(
        {entrant.label: entrant.timing.epoch_seconds.disturbed for entrant in found.entrants}
    )


# ---- source --------------------------------------------------------------------------------


def component(folder: Path, found: Document, name: str, file: str) -> dict[str, Any]:
    """One file of a component, a column for each backend, and what the component took there."""
    timed = file == f"{name}.py"
    columns = [
        {
            **column,
            "code": coloured(column["text"]),
            "times": list(component_times(found, column["backend"], name)) if timed else [],
        }
        for column in columns_of_file(folder, found, file)
    ]
    return {"file": file, "columns": columns}


def columns_of(folder: Path, found: Document, name: str) -> list[dict[str, str]]:
    """A component's files as each backend of a result folder ran them, file by file.

    Raises:
        Refused: there is no such component.
    """
    if name not in COMPONENTS:
        raise Refused(f"unknown component {name!r}; there are {', '.join(COMPONENTS)}")
    files = files_of(name, found.plan.model)
    return [column for file in files for column in columns_of_file(folder, found, file)]


def columns_of_file(folder: Path, found: Document, name: str) -> list[dict[str, str]]:
    """A file as each backend of a result folder ran it."""
    order = list(dict.fromkeys(entrant.backend for entrant in found.entrants))
    place = {backend: number for number, backend in enumerate(order)}
    files = [file for file in (folder / "source").glob(f"*/{name}") if inside(file, folder)]
    columns = []
    for file in sorted(files, key=lambda file: (place.get(file.parent.name, len(place)), file)):
        raw = file.read_bytes()
        backend = file.parent.name
        columns.append(
            {
                "backend": backend,
                "title": f"{backend}/{name}",
                "text": raw.decode(tokenize.detect_encoding(io.BytesIO(raw).readline)[0]),
            }
        )
    return columns


def component_times(
    found: Document, backend: str, name: str
) -> Iterable[tuple[str, list[tuple[str, float]]]]:
    """What a component took in each entrant of a backend."""
    for entrant in found.entrants:
        took = entrant.timing.component_seconds
        parts = [(words, took[key]) for key, words in TIMED[name] if key in took]
        if entrant.backend == backend and parts:
            yield entrant.label, parts


def verified(folder: Path, found: Document) -> dict[str, bool]:
    """Whether the source that is shown is, byte for byte, what results.json says ran."""
    right = {}
    for entrant in found.entrants:
        if entrant.backend == MIXED or entrant.source_sha256 is None:
            continue
        sha = hashlib.sha256()
        for path in source_files(folder / "source" / entrant.backend):
            if inside(path, folder):
                sha.update(path.read_bytes())
        right[entrant.backend] = sha.hexdigest() == entrant.source_sha256
    return right
