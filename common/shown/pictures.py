"""Test images on the terminal."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from common.contract.arrays import Array
from common.data.description import Dataset
from common.locale.language import _
from common.results.record import Results
from common.shown.words import plain

#: dark to light, for a picture in characters
SHADES = " .:-=+*#%@"


def print_agreement(results: Results, dataset: Dataset, console: Console) -> None:
    """Say on how many test images entrants choose the same class; show some on which not."""
    chosen = {r.entrant.label: r.classes for r in results.records if r.classes is not None}
    if len(chosen) < 2:
        return
    classes = np.stack(list(chosen.values()))
    apart = np.flatnonzero((classes != classes[0]).any(axis=0))
    total = f"{classes.shape[1]:,}".replace(",", " ")
    if not len(apart):
        words = _("All choose the same class for each of the {total} test images.", total=total)
        console.print(plain(words), soft_wrap=True)
        return
    for (a, first), (b, second) in itertools.combinations(chosen.items(), 2):
        if off := int((first != second).sum()):
            console.print(
                plain(
                    _(
                        "{a} and {b} choose another class for {off} of {total} test images",
                        a=a,
                        b=b,
                        off=off,
                        total=total,
                    )
                ),
                soft_wrap=True,
            )
    if results.margins is not None:
        # The widest first: on the narrow ones rounding decides.
        apart = apart[np.argsort(-results.margins[apart], kind="stable")]
    console.print(pictures(results, dataset, chosen, apart[: max(1, console.width // 34)]))


def pictures(
    results: Results, dataset: Dataset, chosen: Mapping[str, Array], which: Array
) -> Table:
    """Test images side by side, their true class, and what each entrant takes them for."""
    table = Table(box=None, pad_edge=False, show_header=False)
    images, labels = dataset.test()
    names, shape = dataset.classes, dataset.inputs.shape

    def named(number: int) -> str:
        return names[number] if number < len(names) else str(number)

    for _image in which:
        table.add_column(min_width=28, overflow="fold")
    titles, notes = [], []
    for image in which:
        titles.append(
            plain(_("test image {number}: {name}", number=image, name=named(labels[image])))
        )
        lines = [f"{label}: {named(classes[image])}" for label, classes in chosen.items()]
        if results.margins is not None:
            lines.append(_("margin of the logits {margin:.1e}", margin=results.margins[image]))
        notes.append(plain("\n".join(lines)))
    table.add_row(*titles)
    table.add_row(*(picture(images[image].reshape(shape).mean(axis=2)) for image in which))
    table.add_row(*notes)
    return table


def picture(pixels: Array) -> Text:
    """A picture whose lines are cut, not folded, where they do not fit."""
    return Text(drawn(pixels), no_wrap=True, overflow="crop")


def drawn(pixels: Array) -> str:
    """A grey picture, (height, width), in characters, 28 wide or tall at most.

    A character is as tall as two are wide.
    """
    step = -(-max(pixels.shape) // 28)
    rows = pixels[::step, ::step].astype("float64")
    rows = rows[: len(rows) // 2 * 2]
    pairs = (rows[0::2] + rows[1::2]) / 2
    shades = np.minimum(pairs / 256 * len(SHADES), len(SHADES) - 1).astype(int)
    return "\n".join("".join(SHADES[shade] for shade in row) for row in shades)
