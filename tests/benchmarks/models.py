"""Every model in every framework: its size, its operations, its time, its drift.

    python -m tests.benchmarks.models --out models --limit 6000

runs each model in each framework as it is usually run, prints a Markdown table, and leaves the
result folders in `--out`; what is there already is not run again. Times of one model are of one
run, interleaved; those of two models are of two.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from common.compare import compare
from common.contract.models import MODELS
from common.contract.registry import find
from common.data import draws
from common.measure.limit import work
from common.results.document import Document
from common.results.folder import read_results

COLUMNS = (
    "model", "parameters", "MFLOP an example", "entrant", "s/epoch", "× limit", "test accuracy",
    "verdict", "drift", "band",
)  # fmt: skip


def size_of(found: Document) -> tuple[int, float]:
    """Numbers that are trained, and millions of operations that an example takes in training."""
    model, shape = MODELS[found.plan.model], tuple(found.data.inputs.shape)
    classes = len(found.data.classes)
    start = draws.parameters(model, shape, found.plan.hidden, classes, 0, "float32")
    trained = sum(array.size for name, array in start.items() if name not in model.statistics)
    return trained, work(model, start, shape, 1)[0] / 1e6


def rows(found: Document) -> Iterator[tuple[str, ...]]:
    """One for each entrant of a run."""
    trained, flops = size_of(found)
    for one in found.entrants:
        verdict = found.parity.entrants.get(one.label)
        took, times = one.timing.epoch_seconds.median, one.timing.times_limit
        yield (
            found.plan.model,
            f"{trained:,}".replace(",", " "),
            f"{flops:.3g}",
            one.label,
            "–" if took is None else f"{took:.3g}",
            "–" if times is None else f"{times:.1f}",
            f"{100 * (one.epochs[-1].test_accuracy or 0):.1f} %" if one.epochs else "–",
            verdict.verdict if verdict else one.status,
            "–" if not verdict else number(verdict.max_abs_loss_difference),
            "–" if not verdict else number(verdict.noise_band),
        )


def number(value: float | None) -> str:
    """Short; a dash if there is none."""
    return "–" if value is None else f"{value:.1e}"


def table(folders: Sequence[Path]) -> str:
    """Of some result folders, in Markdown."""
    found = [COLUMNS, ("---",) * len(COLUMNS)]
    found += [row for folder in folders for row in rows(read_results(folder))]
    return "\n".join("| " + " | ".join(row) + " |" for row in found)


def main() -> int:
    """Run what is missing, print the table."""
    usual = [name for name in find() if name != "numpy"]
    pictures = [name for name, model in MODELS.items() if model.classifies]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=pictures, choices=pictures)
    parser.add_argument("--entrants", nargs="+", default=usual)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--limit", type=int, help="training examples")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    folders = [asked.out / name for name in asked.models]
    for name, folder in zip(asked.models, folders, strict=True):
        if not (folder / "results.json").is_file():
            compare(
                model=name,
                backends=asked.entrants,
                epochs=asked.epochs,
                limit=asked.limit,
                out=folder,
            )
    print(table(folders))
    return 0


if __name__ == "__main__":
    sys.exit(main())
