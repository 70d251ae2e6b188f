"""For notebooks: `from compare import compare`, curves that grow, results that show themselves."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import vl_convert

from common.errors import Refused
from common.locale.language import _
from common.results.folder import read_results
from common.results.record import Record
from common.shown import charts
from common.shown.drawing import PAPER, Drawing, looks_by
from common.shown.entrants import OUTCOME, Shown, telling
from common.shown.html import coloured, template
from common.shown.page import columns_of, sentence
from common.shown.progress import Silent, turn_is_over


class Comparison:
    """What a run left in its folder.

    Args:
        folder: with results.json.

    Attributes:
        results: results.json as plain values.
        epochs: a row for every entrant's epoch.
        steps: a row for every entrant's step: its loss, and the referee's.
        comparisons: a row for every pair.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self._found = read_results(self.folder)
        self.results: dict[str, Any] = msgspec.to_builtins(self._found)
        losses = {e.label: self._found.referee_losses(e) for e in self._found.entrants}
        self.epochs: list[dict[str, Any]] = [
            {"entrant": entrant["label"], **row}
            for entrant in self.results["entrants"]
            for row in entrant["epochs"]
        ]
        self.steps: list[dict[str, Any]] = [
            {"entrant": entrant["label"], "step": step, "loss": loss,
             "referee": right[step - 1] if step <= len(right) else None}
            for entrant in self.results["entrants"]
            for right in (losses[entrant["label"]],)
            for step, loss in enumerate(entrant["step_losses"], 1)
        ]  # fmt: skip
        self.comparisons: list[dict[str, Any]] = self.results["comparisons"]

    @property
    def verdict(self) -> str:
        """What came out, in a sentence."""
        return sentence(self._found)

    def frame(self, rows: str = "epochs") -> Any:
        """`epochs`, `steps` or `comparisons` as a data frame of pandas.

        Raises:
            Refused: pandas is not installed, or there are no such rows.
        """
        if rows not in ("epochs", "steps", "comparisons"):
            raise Refused(f"there are epochs, steps and comparisons, and no {rows!r}")
        try:
            import pandas
        except ImportError as cause:
            raise Refused(f"pandas is not installed; .{rows} has the same as plain rows") from cause
        return pandas.DataFrame(getattr(self, rows))

    def plot(self, what: str = "train_loss") -> Plot:
        """One of the page's charts; `charts.NAMES` has what there is, `.chart` is Altair's.

        Raises:
            Refused: there is no such chart, or nothing to draw in it.
        """
        if what not in charts.NAMES:
            raise Refused(f"there is no chart {what!r}; there are {', '.join(charts.NAMES)}")
        chart = charts.named(self._found, what)
        if chart is None:
            raise Refused(f"this run has nothing to draw as {what}")
        return Plot(chart.properties(width=480))

    def show(self, component: str) -> Source:
        """The code of a component that ran, side by side."""
        return Source(columns_of(self.folder, self._found, component))

    def _repr_html_(self) -> str:
        entrants = [Shown(entrant, self._found) for entrant in self._found.entrants]
        return template("notebook.html").render(
            sentence=self.verdict,
            entrants=entrants,
            outcome=telling(OUTCOME, entrants),
            folder=self.folder,
        )

    def __repr__(self) -> str:
        return self.verdict + _(" Results in {folder}.", folder=self.folder)


class Plot:
    """A chart for a notebook, which needs no network.

    A front end that brings Vega-Lite draws it, to be pointed at; any other shows it as SVG.

    Args:
        chart: by Altair.
    """

    #: What front ends bring is Vega-Lite 5; charts use nothing that came later.
    MIME = "application/vnd.vegalite.v5+json"
    SCHEMA = "https://vega.github.io/schema/vega-lite/v5.20.1.json"

    def __init__(self, chart: Drawing) -> None:
        self.chart = chart

    def to_dict(self) -> dict[str, Any]:
        """As Vega-Lite, on white, whatever the notebook's theme."""
        plain: dict[str, Any] = self.chart.to_dict()
        return {**plain, "$schema": self.SCHEMA, "config": {**PAPER, **plain.get("config", {})}}

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        plain = self.to_dict()
        svg = rounded(vl_convert.vegalite_to_svg(plain))
        return {self.MIME: plain, "image/svg+xml": svg, "text/plain": repr(self)}

    def __repr__(self) -> str:
        return "a chart, for a notebook; .chart is Altair's"


def rounded(svg: str) -> str:
    """A picture whose lines go by hundredths of a pixel: a notebook keeps all of it."""
    return re.sub(r' d="[^"]*"', lambda line: re.sub(r"(\.\d\d)\d+", r"\1", line.group()), svg)


class Source:
    """Code in columns, for a notebook; as a string, one after another."""

    def __init__(self, columns: Sequence[dict[str, str]]) -> None:
        self.columns = columns

    def _repr_html_(self) -> str:
        shown = [
            {"title": one["title"], "code": coloured(one["text"], noclasses=True)}
            for one in self.columns
        ]
        return template("columns.html").render(columns=shown)

    def __str__(self) -> str:
        return "\n".join(f"# {one['title']}\n{one['text']}" for one in self.columns)

    __repr__ = __str__


class Curves(Silent):
    """Curves that grow while it runs, in a notebook; elsewhere it says nothing.

    Args:
        records: the entrants.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        self._records = records
        self._shown: Any = None
        self._words = ""

    def phase(self, words: str) -> None:
        """As `Observer.phase`."""
        self._words = words
        self._show()

    def epoch(self, record: Record, round_: int) -> None:
        """As `Observer.epoch`; a picture a turn, not an entrant, between two epochs."""
        if round_ == 0 and turn_is_over(self._records):
            self._show()

    def __exit__(self, *_: object) -> None:
        """Leave the picture, and take the words away."""
        self._words = ""
        self._show()

    def _show(self) -> None:
        if not in_notebook():
            return
        from IPython.display import HTML, display

        # As an image: of a notebook that is not trusted, front ends take SVG elements away.
        svg = base64.b64encode(rounded(self._svg()).encode()).decode("ascii")
        picture = HTML(template("growing.html").render(words=self._words, svg=svg))
        if self._shown is None:
            self._shown = display(picture, display_id=True)
        else:
            self._shown.update(picture)

    def _svg(self) -> str:
        return charts.growing(
            {
                measure: {
                    r.entrant.label: {row["epoch"]: row[measure] for row in r.epochs}
                    for r in self._records
                }
                for measure in charts.CURVES
            },
            looks_by({r.entrant.label: r.entrant.style for r in self._records}),
        )


def in_notebook() -> bool:
    """Whether there is a front end that can show pictures."""
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    shell = get_ipython()
    return shell is not None and shell.has_trait("kernel")
