r"""Does the referee ever call rounding a difference? Many seeds, everything it can be asked.

    python -m tests.benchmarks.false_alarms --seeds 20 --out alarms.jsonl
    python -m tests.benchmarks.false_alarms --models lenet_bn resnet --limit 512 --resize 12 \
        --entrants torch torch:scratch jax jax:scratch mindspore --out alarms.jsonl

trains every backend, style and mode for two epochs of Fashion-MNIST for each seed and model,
has them judged as `compare.py` does, and prints a Markdown table of the verdicts. Lines go to
`--out` as they come; what is there already is not run again.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from common.contract.entrant import parse
from common.contract.models import MODELS
from common.contract.plan import Plan
from common.contract.registry import find
from common.data import datasets
from common.entrants.process import WorkerSession
from common.entrants.session import Opened, WarmedUp
from common.measure.machine import available_cores
from common.results.record import Record
from common.running.runner import Runner
from common.running.starting import new_records, start_worker
from common.running.work import draw_work

COLUMNS = ("model", "entrant", "seeds", "verdicts", "largest drift", "largest band", "drift / band")


class Kept:
    """A worker that serves run after run, and is warm enough.

    What a seed draws, the initial weights and the order, is told anew with every call: a plan that
    differs in nothing else is opened once, and MindSpore compiles for minutes once.
    """

    def __init__(self, session: WorkerSession) -> None:
        self._session = session
        self._opened: tuple[Any, Opened] | None = None

    def open(self, plan: dict[str, Any], choices: dict[str, Any], data: dict[str, Any]) -> Opened:
        """Open what is not open yet; a regression's examples are of the seed, too."""
        asked = ({**plan, "seed": None}, choices, {**data, "initial": None})
        if self._opened is None or "train" in data or self._opened[0] != asked:
            self._opened = asked, self._session.open(plan, choices, data)
        return self._opened[1]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def warm_up(self, order: Any) -> WarmedUp:
        """Do nothing: no time is measured here."""
        return WarmedUp(first_step_seconds=0.0, compile_seconds=0.0)

    def close(self, *, at_once: bool = False) -> None:
        """Stay open."""


class Silent:
    """Nobody watches."""

    def __getattr__(self, name: str) -> Any:
        return lambda *words: None


def end(sessions: dict[str, Kept]) -> None:
    """End all workers: what MindSpore compiled, and its data, stay in a process until it ends."""
    for session in sessions.values():
        session._session.close()
    sessions.clear()


def entrants() -> list[str]:
    """Every backend, style and mode there is."""
    return [
        f"{name}:{style},{mode}"
        for name, backend in find().items()
        for style, mode in itertools.product(backend.info.styles, backend.info.modes)
    ]


def make_plan(model: str, seed: int, asked: argparse.Namespace) -> Plan:
    """The usual settings of a model."""
    usual = MODELS[model]
    return Plan(
        model=model,
        optimizer="sgd",
        lr=usual.lr,
        momentum=0.0,
        weight_decay=0.0,
        epochs=asked.epochs,
        batch_size=usual.batch_size,
        seed=seed,
        dtype="float32",
        device="cpu",
        threads=available_cores(),
        workers=0,
        hidden=256,
        drop_last=False,
        limit=asked.limit,
        resize=asked.resize,
        rounds=1,
    )


def run(
    model: str,
    seed: int,
    asked: argparse.Namespace,
    labels: Sequence[str],
    sessions: dict[str, Kept],
) -> Iterable[dict[str, Any]]:
    """Train and judge everybody once; a line for each."""
    plan, available = make_plan(model, seed, asked), find()
    dataset = datasets.load(resize=asked.resize, say=print)

    def connect(record: Record) -> Kept:
        label = record.entrant.label
        if label not in sessions:
            log = Path(tempfile.mkdtemp())
            worker = start_worker(record, plan=plan, folder=log, timeout=600, pythons={})
            sessions[label] = Kept(worker)
        return sessions[label]

    records = new_records(parse(labels, available), available, plan, {})
    work = draw_work(plan, dataset)
    results = Runner(work, records, connect, Silent(), within=math.inf).run()
    if results.interrupted:
        raise KeyboardInterrupt
    for record in results.records:
        label = record.entrant.label
        verdict = results.verdicts[label]
        first = verdict.first_difference
        yield {
            "model": model,
            "seed": seed,
            "entrant": label,
            "status": record.status,
            "reason": record.reason,
            "verdict": verdict.verdict,
            "drift": verdict.max_abs_loss_difference,
            "band": verdict.noise_band,
            "first": first.asdict() if first else None,
        }


def table(lines: Sequence[dict[str, Any]]) -> str:
    """The verdicts in Markdown, a row for each model and entrant."""
    rows = [COLUMNS, ("---",) * len(COLUMNS)]
    keys = sorted({(line["model"], line["entrant"]) for line in lines}, reverse=True)
    for model, entrant in sorted(keys, key=lambda key: (key[0] != "softmax", key[1])):
        mine = [line for line in lines if (line["model"], line["entrant"]) == (model, entrant)]
        counts = Counter(
            line["verdict"] if line["status"] == "ok" else line["status"] for line in mine
        )
        drifts = [line["drift"] for line in mine if line["drift"] is not None]
        bands = [line["band"] for line in mine if line["band"] is not None]
        shares = [line["drift"] / line["band"] for line in mine if line["band"]]
        rows.append(
            (
                model,
                entrant,
                str(len(mine)),
                ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items())),
                f"{max(drifts):.1e}" if drifts else "–",
                f"{max(bands):.1e}" if bands else "not needed",
                f"{max(shares):.2f}" if shares else "–",
            )
        )
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def main() -> int:
    """Run what is missing, print the table; 1 if anything is not agreement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--models", nargs="+", default=["softmax", "mlp"], choices=MODELS)
    parser.add_argument("--entrants", nargs="+", default=entrants())
    parser.add_argument("--limit", type=int, help="training examples")
    parser.add_argument("--resize", type=int, help="side of the images")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    asked.out.touch()
    lines = [json.loads(line) for line in asked.out.read_text(encoding="utf-8").splitlines()]
    done = {(line["model"], line["seed"], line["entrant"]) for line in lines}
    sessions: dict[str, Kept] = {}
    try:
        for model, seed in itertools.product(
            asked.models, range(asked.first, asked.first + asked.seeds)
        ):
            missing = [one for one in asked.entrants if (model, seed, one) not in done]
            if seed == asked.first:
                end(sessions)
            if not missing:
                continue
            found = list(run(model, seed, asked, missing, sessions))
            lines += found
            with asked.out.open("a", encoding="utf-8") as out:
                out.writelines(json.dumps(line) + "\n" for line in found)
            print(f"{model}, seed {seed}: {Counter(line['verdict'] for line in found)}", flush=True)
    finally:
        end(sessions)
    print(table(lines))
    return int(any(line["verdict"] not in ("rounding", "identical") for line in lines))


if __name__ == "__main__":
    sys.exit(main())
