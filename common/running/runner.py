"""A run: every entrant trained in turns, then held against the referee."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from common.agreement.band import Band
from common.agreement.judge import Bench, judge
from common.agreement.referee import Referee
from common.agreement.schedule import Schedule
from common.agreement.verdict import Verdict, mark_identical, undecided
from common.contract.arrays import Arrays, cast, cast_one
from common.contract.entrant import Entrant
from common.contract.info import MIXED, Declared
from common.contract.models import MODELS
from common.contract.plan import Plan
from common.entrants.local import mean_over_examples
from common.entrants.session import Session
from common.errors import Diverged, EntrantError, Failed, one_line
from common.measure import machine, statistics, turns
from common.measure.limit import NotMeasured
from common.measure.machine import available_cores, usable_cores
from common.results.record import AGREE, Record, Results
from common.running.work import Work

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
class Runner:
    """Trains every entrant and asks the referee.

    Args:
        work: what to train on.
        records: one per entrant; those with a status other than `ok` are left out.
        connect: makes a session for an entrant.
        observer: is told of everything as it happens.
        band: whether nudged runs may be made.
        float64: whether everybody trains once more in float64.
        limit: measures the machine, see `common.measure.limit`; None where that says nothing.
        meanwhile: is called while the entrants open, and this process would only wait.
    """

    work: Work
    records: list[Record]
    connect: Connect
    observer: Observer
    band: bool = True
    float64: bool = False
    limit: Callable[[Plan, Arrays, int], dict[str, float] | None] | None = None
    meanwhile: Callable[[], object] | None = None
    #: what each kind of check took
    check_seconds: dict[str, float] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    _benches: dict[Declared | None, Bench] = field(default_factory=dict)
    _warming: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def run(self) -> Results:
        """Open, train, judge; on Ctrl-C keep what finished."""
        self.verdicts = {record.entrant.label: Verdict() for record in self.records}
        interrupted, limit = False, None
        try:
            self._open()
            if self.limit is not None and self._alive():
                # Everybody is open and waits: nothing else runs now.
                self.observer.phase("measuring the machine")
                try:
                    start = self.work.data["initial"]
                    limit = self.limit(self.work.plan, start, self.work.examples)
                except NotMeasured as error:
                    self.observer.phase(f"the machine was not measured: {error}")
            self._train()
            self._judge()
        except KeyboardInterrupt:
            interrupted = True
            if self._benches:
                self._conclude()
            for record in self._alive():
                if not self._complete(record):
                    end(record, self.observer, "interrupted", "interrupted by the user")
                elif undecided(self.verdicts[record.entrant.label]):
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
            self.check_seconds,
            self._benches[None].path.margins if self._benches else None,
            self._benches[None].path.losses if self._benches else None,
            limit,
        )

    def _alive(self) -> list[Record]:
        return [record for record in self.records if record.status == "ok"]

    def _complete(self, record: Record) -> bool:
        plan = self.work.plan
        trained = [len(epochs) == plan.epochs for epochs in record.rounds]
        return len(trained) == plan.rounds and all(trained) and record.params is not None

    def _session(self, record: Record) -> Session:
        return self.sessions[record.entrant.label]

    def _try(self, record: Record, call: Callable[..., None], *arguments: Any) -> None:
        attempt(record, self.observer, call, *arguments)

    def _open(self) -> None:
        """Import and place everywhere, as many at a time as there are cores; warm up in turn."""
        self.observer.phase("starting")
        # Processes are started here and not in the threads: what Ctrl-C finds, it can end.
        for record in self._alive():
            self._try(record, self._connect, record)
        self._each(self._make_ready, self.meanwhile)

    def _each(
        self, call: Callable[[Record], None], meanwhile: Callable[[], object] | None = None
    ) -> None:
        """Do something with every entrant, as many at a time as there are cores: nothing timed."""
        pool = ThreadPoolExecutor(available_cores())
        try:
            calls = [(record, pool.submit(call, record)) for record in self._alive()]
            if meanwhile is not None:
                meanwhile()
            for record, future in calls:
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
        session = self._session(record)
        opened = session.open(self.work.plan.asdict(), choices_of(record.entrant), self.work.data)
        record.versions = opened["versions"]
        record.settings = {**record.settings, **opened["settings"]}
        record.import_seconds = opened["import_seconds"]
        record.open_seconds = opened["open_seconds"]
        record.framework_memory_bytes = opened["framework_memory_bytes"]

    def _warm_up(self, record: Record) -> None:
        session = self._session(record)
        warmed = session.warm_up(self.work.orders[0])
        record.first_step_seconds = warmed["first_step_seconds"]
        record.compile_seconds = warmed["compile_seconds"]
        session.load(self.work.data["initial"])
        self.observer.ready(record)

    def _train(self) -> None:
        """Train all rounds, the entrants' epochs interleaved in shuffled turns."""
        plan = self.work.plan
        self.observer.phase("training")
        for round_ in range(plan.rounds):
            for record in self._alive():
                record.rounds.append([])
                record.disturbed.append([])
                record.cpu_seconds.append([])
                if round_:
                    self._try(record, self._session(record).load, self.work.data["initial"])
            schedule = turns.turns(len(self.records), plan.epochs, plan.seed + round_)
            for epoch, turn in enumerate(schedule):
                for position in turn:
                    record = self.records[position]
                    if record.status == "ok":
                        self._try(record, self._one_epoch, record, round_, epoch)
                    if record.status == "ok":
                        # Here, where no entrant is blamed for what goes wrong in telling of it.
                        self.observer.epoch(record, round_)
            if round_ == 0:
                self._collect()

    def _one_epoch(self, record: Record, round_: int, epoch: int) -> None:
        session, order = self._session(record), self.work.orders[epoch]
        cores = usable_cores()[: self.work.plan.threads]
        before = machine.reading(cores)
        trained = session.train(order)
        disturbed = machine.disturbed(before, machine.reading(cores), trained["cpu_seconds"])
        record.rounds[round_].append(trained["seconds"])
        record.cpu_seconds[round_].append(trained["cpu_seconds"])
        record.disturbed[round_].append(disturbed)
        if round_ and not np.isfinite(trained["losses"]).all():
            raise Diverged(f"its loss is not finite in round {round_ + 1}; in the first it was")
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

    def _row(
        self, epoch: int, trained: Mapping[str, Any], tested: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        """One epoch of results.json; losses are sums over examples divided by examples."""
        size, examples = self.work.plan.batch_size, self.work.examples
        if len(trained["losses"]) * size < examples:  # the verdict will say so
            examples = len(trained["losses"]) * size
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

        self._each(collect)

    def _judge(self) -> None:
        """Hold everybody who finished against the referee."""
        if not self._alive():
            return
        with self._clocked("referee", "running the referee"):
            self._benches = self._make_benches(self.work.plan, self.work.data)
        with self._clocked("components", "checking components"):
            self._each(self._judge_one)
        if self.band:
            self._settle()
        self._time_components()
        if self.float64 and self.work.plan.dtype != "float64":
            with self._clocked("float64 run", "training once more in float64"):
                self._check_float64()
        self._conclude()

    def _time_components(self) -> None:
        """Time every component by itself, one entrant after the other: nothing else runs."""
        self.observer.phase("timing components")
        index = self.work.orders[0][: self.work.plan.batch_size]

        def measure(record: Record) -> None:
            record.component_seconds = self._session(record).component_seconds(index)

        for record in self._alive():
            self._try(record, measure, record)

    def _conclude(self) -> None:
        """Name what follows declared rules, and who is identical to whom."""
        self._note_declared()
        finished = {r.entrant.label: r for r in self._alive() if r.params is not None}
        mark_identical(
            {label: self.verdicts[label] for label in finished},
            {label: record.step_losses for label, record in finished.items()},
            {label: record.params or {} for label, record in finished.items()},
        )

    @contextmanager
    def _clocked(self, what: str, words: str) -> Iterator[None]:
        """Say what happens now, and add up how long it takes."""
        self.observer.phase(words)
        started = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - started
            self.check_seconds[what] = self.check_seconds.get(what, 0.0) + spent

    def _make_benches(self, plan: Plan, data: dict[str, Any]) -> dict[Declared | None, Bench]:
        """The referee's run by the common definitions, and by each rule that somebody declares."""
        schedule = Schedule(self.work.orders, plan.batch_size)
        benches: dict[Declared | None, Bench] = {None: Bench(Referee(plan, data), schedule)}
        for record in self._alive():
            declared = record.backend.declared(record.entrant.style, plan)
            if declared is not None and declared not in benches:
                rule = record.backend.rule(declared)
                benches[declared] = Bench(Referee(plan, data, rule), schedule)
        return benches

    def _bench(self, record: Record) -> Bench:
        return self._benches[record.backend.declared(record.entrant.style, self.work.plan)]

    def _judge_one(self, record: Record) -> None:
        label, bench = record.entrant.label, self._bench(record)
        assert record.batches_sha256 is not None
        self.verdicts[label] = verdict = judge(
            self._session(record),
            record.entrant,
            record.backend.info,
            record.losses,
            record.batches_sha256,
            bench,
            record.steps_per_call,
        )
        classes = self._benches[None].path.classes
        if classes is not None and record.classes is not None:
            verdict.prediction_agreement = float((classes == record.classes).mean())

    def _settle(self) -> None:
        """Decide by nudged runs where only the drift is left to explain."""
        unsettled = [r for r in self._alive() if undecided(self.verdicts[r.entrant.label])]
        if not unsettled:
            return
        with self._clocked("noise band", "measuring the noise band"):
            for bench in {id(b): b for b in map(self._bench, unsettled)}.values():
                self._settle_by(bench, [r for r in unsettled if self._bench(r) is bench])

    def _settle_by(self, bench: Bench, unsettled: list[Record]) -> None:
        """The band of plain arithmetic first; it is widened only if somebody needs that."""
        band = Band(bench, self.work.orders, self.work.data["initial"])

        def settled(record: Record) -> bool:
            return band.settles(self.verdicts[record.entrant.label], record.step_losses)

        open_ = [record for record in unsettled if not settled(record)]
        repeats: dict[str, bool] = {}

        def widen(record: Record) -> None:
            found = band.widen(self._session(record), record.step_losses)
            repeats[record.entrant.label] = found

        for record in open_:
            self._try(record, widen, record)
        if not all(map(settled, open_)):
            for record in self._alive():
                wrong = self.verdicts[record.entrant.label].verdict == "differs"
                if record not in open_ and not wrong and self._bench(record) is bench:
                    self._try(record, widen, record)
        for record in unsettled:
            if record.status == "ok":
                label = record.entrant.label
                verdict = self.verdicts[label]
                band.settle(verdict, record.step_losses, repeats=repeats.get(label, True))

    def _check_float64(self) -> None:
        """Train everybody once more in float64, where no rounding can hide other mathematics."""
        plan = replace(self.work.plan, dtype="float64")
        data = widened(self.work.data)
        benches = self._make_benches(plan, data)

        def train(record: Record) -> None:
            try:
                once_more(record)
            except EntrantError as error:
                # What was asked for has finished; only this proof has not.
                self.verdicts[record.entrant.label].reason = f"the float64 run failed: {error}"

        def once_more(record: Record) -> None:
            session, entrant = self._session(record), record.entrant
            session.open(plan.asdict(), choices_of(entrant), data)
            trained = [session.train(order) for order in self.work.orders]
            losses = [one["losses"] for one in trained]
            fingerprint = session.fingerprint(self.work.orders[0])
            bench = benches[record.backend.declared(entrant.style, plan)]
            found = judge(
                session,
                entrant,
                record.backend.info,
                losses,
                fingerprint,
                bench,
                trained[0]["steps_per_call"],
            )
            verdict = self.verdicts[entrant.label]
            verdict.float64_drift = found.max_abs_loss_difference
            if undecided(found):
                band = Band(bench, self.work.orders, data["initial"])
                band.settle(found, np.concatenate(losses))
            if found.first_difference is not None and verdict.verdict != "differs":
                unit = f"{found.first_difference.unit}, in float64"
                verdict.differs(replace(found.first_difference, unit=unit))

        for record in self._alive():
            self._try(record, train, record)

    def _note_declared(self) -> None:
        """Say of who follows a rule of its own by what it is known, and how far that leads."""
        for record in self._alive():
            declared = record.backend.declared(record.entrant.style, self.work.plan)
            verdict = self.verdicts[record.entrant.label]
            if declared is None:
                continue
            if verdict.max_abs_loss_difference is not None:
                drifts = np.abs(record.step_losses - self._benches[None].path.losses)
                verdict.max_abs_loss_difference = float(drifts.max())
            if verdict.verdict == "rounding":
                verdict.verdict, verdict.reason = "declared", declared.reason


def attempt(record: Record, observer: Observer, call: Callable[..., Any], *arguments: Any) -> None:
    """Do something with one entrant; its failure is its own."""
    try:
        call(*arguments)
    except EntrantError as error:
        end(record, observer, error.status, str(error))
    except Exception as error:
        # A backend of somebody's own may answer anything; that must not cost the others.
        words = f"it answered what cannot be used: {one_line(error)}"
        end(record, observer, "failed", words)


def end(record: Record, observer: Observer, status: str, reason: str) -> None:
    """Note that an entrant did not finish, and say so."""
    record.status, record.reason = status, reason
    observer.ended(record)


def choices_of(entrant: Entrant) -> dict[str, str]:
    """What `Session.open` is told of an entrant."""
    return {"style": entrant.style, "mode": entrant.mode, "data": entrant.data}


def widened(data: Mapping[str, Any]) -> dict[str, Any]:
    """The same data and initial values, for a run in float64."""
    wide = {**data, "initial": cast(data["initial"], "float64")}
    if "train" in data:
        wide["train"] = tuple(cast_one(array, "float64") for array in data["train"])
    return wide


def final_params(session: Session) -> Arrays:
    """Fetch what training ended in; Diverged if the last update made it infinite or NaN."""
    params = session.params()
    for name, tensor in params.items():
        if not np.isfinite(tensor).all():
            raise Diverged(f"its {name} is not finite in the end; try a smaller --lr")
    return params


def compare_all(records: Iterable[Record], verdicts: Mapping[str, Verdict]) -> list[dict[str, Any]]:
    """Compare the times of every pair that agrees."""
    found = []
    for a, b in itertools.combinations(records, 2):
        pair = (a.entrant.label, b.entrant.label)
        agree = all(verdicts[label].verdict in AGREE for label in pair)
        both = a.status == b.status == "ok"
        # The seconds of a mixed entrant are the harness's: its arrays cross on the host.
        timed = agree and both and MIXED not in (a.entrant.backend, b.entrant.backend)
        compared = statistics.compare(a.steady, b.steady) if timed else statistics.compare([], [])
        agreement = None
        if a.classes is not None and b.classes is not None:
            agreement = float((a.classes == b.classes).mean())
        found.append({"a": pair[0], "b": pair[1], **compared, "prediction_agreement": agreement})
    return found
