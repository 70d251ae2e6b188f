"""A run: every entrant trained in turns, then held against the referee."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from common import initial, parity, timing
from common.data import Dataset
from common.errors import Diverged, EntrantError, Failed
from common.initial import Array, Arrays
from common.models import MODELS
from common.registry import Backend
from common.remote import WorkerSession
from common.results import (
    AGREE,
    Record,
    Results,
    source_sha256,
    write_arrays,
    write_orders,
    write_predictions,
)
from common.session import Session, available_cores, mean_over_examples, one_line
from common.spec import Entrant, Plan

Connect = Callable[[Record], Session]


class Observer(Protocol):
    """Somebody who watches a run, a terminal for instance."""

    def phase(self, words: str) -> None:
        """Say what happens now."""

    def ready(self, record: Record) -> None:
        """Hear that an entrant is open and warm."""

    def epoch(self, record: Record, round_: int) -> None:
        """Hear that an entrant finished an epoch; its last row is in the record."""

    def ended(self, record: Record) -> None:
        """Hear that an entrant did not finish; status and reason are in the record."""


@dataclass
class Work:
    """What is trained on: the same for every entrant."""

    plan: Plan
    data: dict[str, Any]  # for `Session.open`
    orders: Sequence[Array]
    examples: int
    summary: dict[str, Any]  # for results.json
    test_labels: Array | None


def prepare_work(plan: Plan, dataset: Dataset | None, folder: Path) -> Work:
    """Draw what is random, write it to the result folder, and describe the data.

    Args:
        plan: of the run.
        dataset: Fashion-MNIST or custom; None for synthetic data.
        folder: the result folder, made.
    """
    model = MODELS[plan.model]
    summary: dict[str, Any]
    if dataset is None:
        features, targets = initial.synthetic(plan.seed, plan.dtype)
        weight, bias = initial.least_squares(features, targets)
        inputs, examples, test_labels = features.shape[1], len(features), None
        data: dict[str, Any] = {"train": (features, targets)}
        summary = {
            "name": "synthetic linear regression",
            "source": "drawn from the seed",
            "train_examples": examples,
            "test_examples": 0,
            "sha256": {},
            "true": {"weight": initial.TRUE_WEIGHT.tolist(), "bias": initial.TRUE_BIAS},
            "least_squares": {"weight": weight.tolist(), "bias": bias},
        }
    else:
        examples = min(plan.limit or dataset.train_examples, dataset.train_examples)
        inputs, test_labels = dataset.side**2, dataset.test()[1]
        data = {"folder": str(dataset.folder), "limit": plan.limit}
        summary = {
            "name": dataset.name,
            "source": dataset.source,
            "train_examples": examples,
            "test_examples": dataset.test_examples,
            "sha256": dataset.sha256,
        }
    start = initial.parameters(model, inputs, plan.hidden, plan.seed, plan.dtype)
    data["initial"] = start
    write_arrays(folder / "initial.safetensors", start)

    def order(epoch: int) -> Array:
        return initial.order(plan.seed, epoch, examples, plan.batch_size, plan.drop_last)

    used = len(order(0))
    path = folder / "order.npy"
    summary["order_sha256"] = write_orders(
        path, map(order, range(plan.epochs)), (plan.epochs, used)
    )
    summary["initial_sha256"] = initial.digest(start)
    return Work(plan, data, np.load(path, mmap_mode="r"), used, summary, test_labels)


@dataclass
class Runner:
    """Trains every entrant and asks the referee.

    Args:
        work: what to train on.
        records: one per entrant; those with a status other than `ok` are left out.
        connect: makes a session for an entrant.
        observer: is told of everything as it happens.
        band: whether nudged runs may be made.
    """

    work: Work
    records: list[Record]
    connect: Connect
    observer: Observer
    band: bool = True
    sessions: dict[str, Session] = field(default_factory=dict)
    verdicts: dict[str, parity.Verdict] = field(default_factory=dict)
    _warming: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def run(self) -> Results:
        """Open, train, judge; on Ctrl-C keep what finished."""
        self.verdicts = {record.entrant.label: parity.Verdict() for record in self.records}
        interrupted = False
        try:
            self._open()
            self._train()
            self._judge()
        except KeyboardInterrupt:
            interrupted = True
            for record in self._alive():
                if not self._complete(record):
                    self._end(record, "interrupted", "interrupted by the user")
                elif parity.undecided(self.verdicts[record.entrant.label]):
                    self.verdicts[record.entrant.label].reason = "interrupted before it was checked"
        finally:
            for session in self.sessions.values():
                session.close(at_once=interrupted)
        comparisons = compare_all(self.records, self.verdicts)
        return Results(
            self.work.plan,
            self.records,
            self.verdicts,
            comparisons,
            self.work.summary,
            self.work.examples,
            interrupted,
        )

    def _alive(self) -> list[Record]:
        return [record for record in self.records if record.status == "ok"]

    def _complete(self, record: Record) -> bool:
        plan = self.work.plan
        trained = [len(epochs) == plan.epochs for epochs in record.rounds]
        return len(trained) == plan.rounds and all(trained) and record.params is not None

    def _session(self, record: Record) -> Session:
        return self.sessions[record.entrant.label]

    def _end(self, record: Record, status: str, reason: str) -> None:
        record.status, record.reason = status, reason
        self.observer.ended(record)

    def _try(self, record: Record, call: Callable[..., None], *arguments: Any) -> None:
        """Do something with one entrant; its failure is its own."""
        try:
            call(*arguments)
        except EntrantError as error:
            self._end(record, error.status, str(error))
        except Exception as error:
            # A backend of somebody's own may answer anything; that must not cost the others.
            self._end(record, "failed", f"it answered what cannot be used: {one_line(error)}")

    def _open(self) -> None:
        """Import and place everywhere, as many at a time as there are cores; warm up in turn."""
        self.observer.phase("starting")
        # Processes are started here and not in the threads: what Ctrl-C finds, it can end.
        for record in self._alive():
            self._try(record, self._connect, record)
        pool = ThreadPoolExecutor(available_cores())
        try:
            opening = [(record, pool.submit(self._make_ready, record)) for record in self._alive()]
            for record, future in opening:
                self._try(record, future.result)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _connect(self, record: Record) -> None:
        self.sessions[record.entrant.label] = self.connect(record)

    def _make_ready(self, record: Record) -> None:
        self._open_one(record)
        # One warm-up at a time, while others may still import: the first step is timed.
        with self._warming:
            self._warm_up(record)

    def _open_one(self, record: Record) -> None:
        entrant, session = record.entrant, self._session(record)
        choices = {"style": entrant.style, "mode": entrant.mode, "data": entrant.data}
        opened = session.open(self.work.plan.asdict(), choices, self.work.data)
        record.versions = opened["versions"]
        record.settings = {**record.settings, **opened["settings"]}
        record.import_seconds = opened["import_seconds"]
        record.open_seconds = opened["open_seconds"]

    def _warm_up(self, record: Record) -> None:
        session = self._session(record)
        record.first_step_seconds = session.warm_up(self.work.orders[0])
        session.load(self.work.data["initial"])
        self.observer.ready(record)

    def _train(self) -> None:
        """Train all rounds, the entrants' epochs interleaved in shuffled turns."""
        plan = self.work.plan
        self.observer.phase("training")
        for round_ in range(plan.rounds):
            for record in self._alive():
                record.rounds.append([])
                if round_:
                    self._try(record, self._session(record).load, self.work.data["initial"])
            schedule = timing.turns(len(self.records), plan.epochs, plan.seed + round_)
            for epoch, turn in enumerate(schedule):
                for position in turn:
                    record = self.records[position]
                    if record.status == "ok":
                        self._try(record, self._one_epoch, record, round_, epoch)
            if round_ == 0:
                self._collect()

    def _one_epoch(self, record: Record, round_: int, epoch: int) -> None:
        session, order = self._session(record), self.work.orders[epoch]
        trained = session.train(order)
        record.rounds[round_].append(trained["seconds"])
        if round_ == 0:
            record.peak_memory_bytes = trained["peak_memory_bytes"]
            record.steps_per_call = trained["steps_per_call"]
            record.losses.append(trained["losses"])
            tested = session.evaluate() if self.work.test_labels is not None else None
            record.epochs.append(self._row(epoch, trained, tested))
            bad = np.flatnonzero(~np.isfinite(trained["losses"]))
            if len(bad):
                step = len(record.step_losses) - len(trained["losses"]) + int(bad[0]) + 1
                value = trained["losses"][bad[0]]
                raise Diverged(f"its loss became {value} at step {step}; try a smaller --lr")
            if tested and not np.isfinite(tested["loss"]):
                raise Diverged(
                    f"its test loss became {tested['loss']} in epoch {epoch + 1}; "
                    "try a smaller --lr"
                )
            if epoch + 1 == self.work.plan.epochs:
                record.params = final_params(session)
        self.observer.epoch(record, round_)

    def _row(
        self, epoch: int, trained: Mapping[str, Any], tested: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        """One epoch of results.json; losses are sums over examples divided by examples."""
        size, examples = self.work.plan.batch_size, self.work.examples
        classifies = MODELS[self.work.plan.model].classifies
        tests = self.work.summary["test_examples"]
        return {
            "epoch": epoch + 1,
            "train_loss": mean_over_examples(trained["losses"], examples, size),
            "train_accuracy": float(trained["counts"].sum() / examples) if classifies else None,
            "test_loss": tested["loss"] if tested else None,
            "test_accuracy": tested["count"] / tests if tested and classifies else None,
            "train_seconds": trained["seconds"],
            "data_seconds": trained["data_seconds"],
            "eval_seconds": tested["seconds"] if tested else None,
        }

    def _collect(self) -> None:
        """Fetch the batches' fingerprint, and what the first round's parameters predict."""
        self.observer.phase("collecting")

        def collect(record: Record) -> None:
            session = self._session(record)
            record.batches_sha256 = session.fingerprint(self.work.orders[0])
            if self.work.test_labels is not None:
                classes = session.predict()
                if classes.shape != self.work.test_labels.shape:
                    raise Failed(
                        f"it predicted {classes.shape} classes of {self.work.test_labels.shape}"
                    )
                record.classes = classes
            else:
                params = record.params or {}
                weight = params["output.weight"][:, 0].tolist()
                record.learnt = {"weight": weight, "bias": float(params["output.bias"][0])}

        for record in self._alive():
            self._try(record, collect, record)

    def _judge(self) -> None:
        """Hold everybody who finished against the referee."""
        if not self._alive():
            return
        self.observer.phase("running the referee")
        orders = self.work.orders
        referee = parity.Referee(self.work.plan, self.work.data)
        path = referee.path(orders)
        self.observer.phase("checking components")

        def judge(record: Record) -> None:
            label = record.entrant.label
            assert record.batches_sha256 is not None
            self.verdicts[label] = parity.judge(
                self._session(record),
                record.backend.info,
                record.step_losses,
                record.batches_sha256,
                referee,
                path,
                orders,
            )
            if path.classes is not None and record.classes is not None:
                agreement = float((path.classes == record.classes).mean())
                self.verdicts[label].prediction_agreement = agreement

        for record in self._alive():
            self._try(record, judge, record)
        self._settle(referee, path)
        finished = {r.entrant.label: r for r in self._alive() if r.params is not None}
        parity.mark_identical(
            {label: self.verdicts[label] for label in finished},
            {label: record.step_losses for label, record in finished.items()},
            {label: record.params or {} for label, record in finished.items()},
        )

    def _settle(self, referee: parity.Referee, path: parity.Path) -> None:
        """Decide by nudged runs where only the drift is left to explain."""
        undecided = [r for r in self._alive() if parity.undecided(self.verdicts[r.entrant.label])]
        if not undecided or not self.band:
            return
        self.observer.phase("measuring the noise band")
        orders, start = self.work.orders, self.work.data["initial"]
        moved = parity.nudged(start)
        drifts = [parity.drift(referee.plain, orders, p, path.losses) for p in (start, moved)]

        def nudge(record: Record) -> None:
            session = self._session(record)
            drifts.append(parity.drift(session, orders, moved, record.step_losses))

        for record in undecided:
            self._try(record, nudge, record)
        for record in undecided:
            verdict = self.verdicts[record.entrant.label]
            dtype = self.work.plan.dtype
            parity.settle(verdict, record.step_losses, path, max(drifts), dtype)


def final_params(session: Session) -> Arrays:
    """Fetch what training ended in; Diverged if the last update made it infinite or NaN."""
    params = session.params()
    for name, tensor in params.items():
        if not np.isfinite(tensor).all():
            raise Diverged(f"its {name} is not finite in the end; try a smaller --lr")
    return params


def compare_all(
    records: Iterable[Record], verdicts: Mapping[str, parity.Verdict]
) -> list[dict[str, Any]]:
    """Compare the times of every pair that agrees."""
    found = []
    for a, b in itertools.combinations(records, 2):
        pair = (a.entrant.label, b.entrant.label)
        agree = all(verdicts[label].verdict in AGREE for label in pair)
        both = a.status == b.status == "ok"
        compared = timing.compare(a.steady, b.steady) if agree and both else timing.compare([], [])
        agreement = None
        if a.classes is not None and b.classes is not None:
            agreement = float((a.classes == b.classes).mean())
        found.append({"a": pair[0], "b": pair[1], **compared, "prediction_agreement": agreement})
    return found


def start_worker(
    record: Record,
    plan: Plan,
    folder: Path,
    timeout: float,
    pythons: Mapping[str, str],
) -> WorkerSession:
    """Start a process for an entrant, its environment as its INFO wants it."""
    info, entrant = record.backend.info, record.entrant
    wanted = {**info.environment, **({} if entrant.stock else info.tuned)}
    environment = {
        name: value.format(threads=plan.threads, device=plan.device)
        for name, value in wanted.items()
    }
    record.settings.update(environment)
    extra: dict[str, Any] = {}
    if entrant.backend in pythons:
        extra["python"] = pythons[entrant.backend]
    if record.backend.external:
        extra["folder"] = record.backend.folder.parent
    return WorkerSession(
        entrant.backend,
        log=folder / f"worker-{entrant.slug}.log",
        environment=environment,
        threads=plan.threads,
        timeout=timeout,
        **extra,
    )


def new_records(
    entrants: Iterable[Entrant],
    backends: Mapping[str, Backend],
    plan: Plan,
    pythons: Mapping[str, str],
) -> list[Record]:
    """Make a record per entrant; what is plainly not there is said before anything starts."""
    records = []
    for entrant in entrants:
        backend = backends[entrant.backend]
        info = backend.info
        digest = source_sha256(backend.folder)
        record = Record(entrant, backend, notes=list(entrant.notes), source_sha256=digest)
        model = MODELS[plan.model]
        used = {f"{part}_{entrant.style}" for part in (model.name, model.loss, plan.optimizer)}
        for function, dtype, words in info.remarks:
            if function in used and dtype in (plan.dtype, "*"):
                record.notes.append(words)
        missing = None if entrant.backend in pythons else backend.missing()
        if plan.device not in info.devices:
            why = info.absent.get(plan.device, f"its INFO does not list {plan.device}")
            missing = f"no device {plan.device}: {why}"
        if missing:
            record.status, record.reason = "unavailable", missing
        records.append(record)
    return records


def save_arrays(results: Results, folder: Path, test_labels: Array | None) -> None:
    """Write what training left, but results.json."""
    for record in results.records:
        if record.params is not None:
            write_arrays(folder / f"params-{record.entrant.slug}.safetensors", record.params)
    if test_labels is not None:
        write_predictions(folder / "predictions.npz", results.records, test_labels)
