"""What a check of a module found, as a page that opens offline, and for a notebook.

As the page of a run (`common.shown.page`): its style, everything escaped by the template, and a
policy that forbids every request. The picture is an SVG, so that there is no script at all.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from markupsafe import Markup

from common.errors import Refused
from common.locale.language import _, marked
from common.locale.phrases import told
from common.modules.advice import advice
from common.modules.matched import Side
from common.modules.report import ModuleReport
from common.modules.words import (
    difference_lines,
    headline,
    mapping_lines,
    right_lines,
    unasked_lines,
)
from common.results.folder import whole, write_json
from common.shown.html import coloured, styles, template
from common.shown.layers import picture, rows
from common.shown.words import joined

#: What a report can be written as.
SUFFIXES = (".html", ".json")
#: Columns of the mapping: `WeightMap.rows`.
MAPPED = (
    marked("leaf of the port"), marked("shape"), marked("made of"), marked("shape"), marked("how"),
    marked("decided"),
)  # fmt: skip
#: The headlines of verdicts that agree.
AGREES = {
    "rounding": marked("Only rounding differs"),
    "declared": marked("Only rounding differs, and what is so by design"),
}
#: Longer tables are folded at first.
LONG = 40


class CheckReport(ModuleReport):
    """What was found, which shows itself in a notebook and writes itself to a file."""

    @classmethod
    def of(cls, report: ModuleReport) -> CheckReport:
        """The same report."""
        return cls(**{one.name: getattr(report, one.name) for one in fields(ModuleReport)})

    def save(self, path: Path | str) -> None:
        """Write it: `.html` a page that opens offline, `.json` what `asdict` has.

        Raises:
            Refused: another suffix; a place that cannot be written to.
        """
        path = Path(path)
        if path.suffix not in SUFFIXES:
            raise Refused(f"a report is written as {' or '.join(SUFFIXES)}, not as {path.name!r}")
        try:
            if path.suffix == ".json":
                write_json(path, self.asdict())
                return
            text = render(self)
            with whole(path) as temporary:
                temporary.write_text(text, encoding="utf-8")
        except OSError as error:
            raise Refused(f"the report {path} cannot be written: {error.strerror}") from error

    def __str__(self) -> str:
        """In the language that is spoken."""
        return told(super().__str__())

    def _repr_html_(self) -> str:
        return template("module-notebook.html").render(**shown(self))


def render(report: ModuleReport) -> str:
    """The text of the page."""
    text: str = template("module.html").render(
        **shown(report), codes=codes(report), styles=styles()
    )
    return text


def shown(report: ModuleReport) -> dict[str, Any]:
    """What page and notebook show."""
    matched = report.matched
    found = rows(report)
    return {
        "headline": _(AGREES[report.verdict])
        if report.verdict in AGREES
        else told(headline(report)),
        "facts": [
            _(
                "{port} against {reference}",
                port=matched.port.net.framework,
                reference=matched.reference.net.framework,
            ),
            matched.dtype,
            _("training") if matched.train else _("evaluation"),
            f"{report.seconds:.3g} s",
        ],
        "verdict": report.verdict,
        "difference": list(map(told, [*difference_lines(report), *unasked_lines(report)])),
        "cause": told(report.likely_cause) if report.likely_cause else None,
        "right": [
            *(_("declared: {words}", words=told(words)) for words in report.declared),
            *map(told, right_lines(report)),
        ],
        "rows": found,
        "picture": Markup(picture(found)),
        "mapped": MAPPED,
        "mapping": [[told(cell) for cell in row] for row in matched.mapping.rows()],
        "mapping_words": told(mapping_lines(report)[0]),
        "left": list(map(told, report.not_compared)),
        "advice": list(map(told, advice(report))),
        "long": LONG,
    }


def codes(report: ModuleReport) -> list[dict[str, Any]]:
    """The code of both sides where the first difference is, and of what calls it."""
    if report.first is None or report.first.place.unit == "loss":
        return []
    place = report.first.place
    sides = (
        (_("reference"), report.matched.reference, place.layer),
        (_("port"), report.matched.port, place.port_layer),
    )
    calling = [column(who, side, around(side, path)) for who, side, path in sides]
    found = [
        {"title": _("Where it is called") if place.layer else _("The whole"), "columns": calling}
    ]
    if place.unit == "layer" and place.layer:
        of_layer = [column(who, side, path) for who, side, path in sides]
        found.insert(0, {"title": _("The layer"), "columns": of_layer})
    return found


def column(who: str, side: Side, path: str) -> dict[str, Any]:
    """One side's code of the module at a path."""
    code = side.net.source(path)
    return {
        "title": joined(f"{who}, {side.net.framework}", path or _("the whole")),
        "code": None if code is None else coloured(code),
    }


def around(side: Side, path: str) -> str:
    """The module that calls the one at a path."""
    called = {one for one, _ in side.calls}
    while path:
        path = path.rpartition(".")[0]
        if path in called:
            break
    return path
