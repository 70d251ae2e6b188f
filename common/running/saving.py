"""Saving what a run came to: results.json first, then each artefact in an attempt of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from common.data.description import Dataset
from common.errors import one_line
from common.results.document import Document
from common.results.folder import write_arrays, write_json, write_pictures, write_predictions
from common.results.record import Results
from common.running.work import Work


def save(
    results: Results,
    work: Work,
    folder: Path,
    dataset: Dataset | None,
    draw: Callable[[Path], object],
) -> tuple[Document, Path, list[str]]:
    """Write the result folder.

    Args:
        results: of the run.
        work: what was trained on.
        folder: the result folder; made again if it is gone.
        dataset: whose test images the page shows; None for synthetic data.
        draw: draws the page of a folder that has everything else.

    Returns:
        results.json as written, the folder it is in, and what could not be written, in words.
    """
    found = results.document()
    folder, lost = _save_results(found, folder)

    def attempt(name: str, write: Callable[[], object], remedy: str = "") -> None:
        try:
            write()
        except Exception as error:  # whatever a disk, or a library that draws, comes to
            lost.append(f"{name} could not be written: {one_line(error)}{remedy}")

    for record in results.records:
        for what, tensors in (("initial", record.initial), ("params", record.params)):
            if tensors is not None:
                name = f"{what}-{record.entrant.slug}.safetensors"
                attempt(name, partial(write_arrays, folder / name, tensors))
    if (labels := work.test_labels) is not None:
        name = "predictions.npz"
        attempt(name, partial(write_predictions, folder / name, results.records, labels))
    if dataset is not None:
        attempt("pictures.npz", partial(_save_pictures, folder, results, dataset))
    attempt("report.html", lambda: draw(folder), "; compare.py report tries again")
    return found, folder, lost


def _save_pictures(folder: Path, results: Results, dataset: Dataset) -> None:
    images, truth = dataset.test()
    images = images.reshape(-1, *dataset.inputs.shape)
    write_pictures(folder / "pictures.npz", results, images, truth, dataset.classes)


def _save_results(found: Document, folder: Path) -> tuple[Path, list[str]]:
    """Write results.json, elsewhere if that is the only way; where, and what was amiss."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "results.json", found)
    except OSError as error:
        with suppress(OSError):  # of an earlier process: it would be taken for this one's
            (folder / "results.json").unlink(missing_ok=True)
        try:
            elsewhere = Path(tempfile.mkdtemp(prefix="compare-results-"))
            write_json(elsewhere / "results.json", found)
        except OSError as other:  # the table is told all the same
            words = f"results.json could not be written: {one_line(error)}"
            return folder, [f"{words}; nor anywhere else: {one_line(other)}"]
        words = f"{folder} cannot be written ({one_line(error)}); the results are in {elsewhere}"
        return elsewhere, [words]
    return folder, []
