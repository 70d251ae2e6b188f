"""A run: every entrant trained in turns, then held against the referee."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from common.agreement.budget import Budget
from common.agreement.verdict import Verdict, mark_identical, undecided
from common.contract.arrays import Arrays
from common.contract.models import Shape
from common.contract.plan import Plan
from common.contract.precision import cast
from common.errors import EntrantError
from common.measure.machine import available_cores
from common.measure.starts import BOOK, distributions
from common.results.journal import Journal
from common.results.record import Record, Results
from common.running.choosing import Choosing
from common.running.interruption import Interruption
from common.running.judging import Candidate, FreeRun, Judging, free_run_of
from common.running.machine import Machine
from common.running.memory import lacking
from common.running.observer import Observer
from common.running.pairs import compare_all
from common.running.roster import Connect, Roster, choices_of
from common.running.training import Training
from common.running.work import Work

#: That checks may take, quick ones and full, however short the training was; and of the seconds
#: that training took.
LEAST_SECONDS = {"quick": 2.0, "full": 10.0}
SHARE = {"quick": 0.2, "full": 1.0}


@dataclass
class Runner:
    """Trains every entrant and asks the referee.

    Args:
        work: what to train on.
        records: one per entrant; those with a status other than `ok` are left out.
        connect: makes a session for an entrant.
        observer: is told of everything as it happens.
        check: what is checked: full, quick, or none.
        within: how many seconds that may take; None: as long as training took, at least ten
            seconds, and a fifth of that if it is quick.
        band: whether nudged runs may be made.
        float64: whether everybody trains once more in float64.
        wait_quiet: how many seconds to wait at most for a quiet machine.
        beside: another run of this user's that is at work, in words.
        starting: how many entrants start at a time.
        limit: measures the machine, see `common.measure.limit`; None where that says nothing.
        meanwhile: is called while the entrants open, and this process would only wait.
        journal: keeps what every epoch came to; None where that is nobody's.
        interruption: says where a run may be interrupted.
    """

    work: Work
    records: list[Record]
    connect: Connect
    observer: Observer
    check: str = "full"
    within: float | None = None
    band: bool = True
    float64: bool = False
    wait_quiet: float = 0.0
    beside: str | None = None
    starting: int = field(default_factory=available_cores)
    limit: Callable[[Plan, Arrays, Shape, int], dict[str, float] | None] | None = None
    meanwhile: Callable[[], object] | None = None
    journal: Journal | None = None
    interruption: Interruption = field(default_factory=Interruption)
    #: what each kind of check took
    check_seconds: dict[str, float] = field(default_factory=dict)
    verdicts: dict[str, Verdict] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.roster = Roster(self.records, self.connect, self.observer)
        self.starting = max(1, min(self.starting, len(self.roster.alive())))
        self.training = Training(self.work, self.roster, self.journal, self.starting)
        self.judging = Judging(self.work, band=self.band)
        measure = None if self.limit is None else self._measure
        self.machine = Machine(self.work.plan.threads, self.observer, measure, self.wait_quiet)

    def run(self) -> Results:
        """Open, train, judge; on an interrupt, or an error of our own, keep what finished."""
        self.verdicts = {record.entrant.label: Verdict() for record in self.records}
        error: Exception | None = None
        interrupted = False
        try:
            interrupted = self._train_and_judge()
        except Exception as cause:
            error = cause
            words = "an error of this project's own came before it was checked"
            self._keep("failed", "an error of this project's own ended the run", words)
        try:
            self.roster.close(at_once=interrupted or error is not None)
        except Exception as cause:  # what was trained and judged is whole
            error = error or cause
        common = self.judging.common
        results = Results(
            self.work.plan,
            self.records,
            self.verdicts,
            [],
            self.work.summary,
            self.work.examples,
            interrupted,
            self.check_seconds,
            common.path.margins if common else None,
            common.path.losses if common else None,
            self._starts(),
            self.judging.budget.left_out,
            self.machine.found,
            self.machine.busy if self.beside is None else True,
            self.beside,
            self.starting,
            error,
        )
        results.comparisons = compare_all(self.records, self.verdicts, unquiet=results.unquiet)
        return results

    def _starts(self) -> list[dict[str, Any]]:
        """How the initial values of those who drew their own are distributed, and the book's."""
        drew = {r.entrant.label: r.initial for r in self.records if r.initial is not None}
        return distributions({**drew, BOOK: self.work.initial}) if drew else []

    def _train_and_judge(self) -> bool:
        """Do all of it, or keep what finished before an interrupt; whether there was one."""
        try:
            with self.interruption.taken():
                self._choose()
                self.training.restore()
                self.training.open(self.meanwhile)
                if self.roster.alive():
                    self.machine.before()
                self.training.train()
                if self.roster.alive():
                    self.machine.after()
                self._judge()
        except KeyboardInterrupt:
            if self.judging.begun:
                self._conclude()
            self._keep(
                "interrupted", "interrupted by the user", "interrupted before it was checked"
            )
            return True
        return False

    def _keep(self, status: str, reason: str, unchecked: str) -> None:
        """Keep what finished; say of the rest that it did not, or that it was not checked."""
        for record in self.roster.alive():
            verdict = self.verdicts[record.entrant.label]
            if not self._complete(record):
                self.roster.end(record, status, reason)
            elif undecided(verdict):
                verdict.reason = unchecked

    def _complete(self, record: Record) -> bool:
        plan = self.work.plan
        trained = [len(epochs) == plan.epochs for epochs in record.rounds]
        return len(trained) == plan.rounds and all(trained) and record.params is not None

    def _choose(self) -> None:
        """Find out the mode of those who are to have their backend's best."""
        choosers = [record for record in self.roster.alive() if record.entrant.tries]
        if choosers:
            choosing = Choosing(self.work, self.connect, self.observer, self.journal)
            for record in choosers:
                choosing.choose(record)

    def _measure(self) -> dict[str, float] | None:
        """What the machine could do on this work."""
        assert self.limit is not None
        work = self.work
        shape = work.summary["inputs"].shape
        return self.limit(work.plan, work.initial, shape, work.examples)

    def _judge(self) -> None:
        """Hold everybody who finished against the referee."""
        if self.check == "none":
            for verdict in self.verdicts.values():
                verdict.reason = "not asked for: --check none"
            return
        if not self.roster.alive():
            return
        candidates = list(map(self._candidate, self.roster.alive()))
        benches = len(self.judging.terms(candidates))
        if (words := lacking(self.work, self.check, benches)) is not None:
            for verdict in self.verdicts.values():
                verdict.reason = words
            return
        self.judging.budget = Budget(self._budget(), quick=self.check == "quick")
        with self._clocked("referee", "running the referee"):
            self.judging.prepare(candidates)
        with self._clocked("components", "checking components"):
            self.roster.each(self._judge_one)
        self._settle()
        if not self.judging.budget.lacks("times of components"):
            self._time_components()
        if self.float64 and self.work.plan.dtype != "float64":
            with self._clocked("float64 run", "training once more in float64"):
                self._check_float64()
        self._conclude()

    def _budget(self) -> float:
        """How many seconds the checks may take."""
        if self.within is not None:
            return self.within
        trained = sum(sum(seconds) for record in self.records for seconds in record.rounds)
        return max(LEAST_SECONDS[self.check], SHARE[self.check] * trained)

    def _candidate(self, record: Record) -> Candidate:
        """An entrant with its free run, to be judged."""
        assert record.batches_sha256 is not None
        later = record.later_losses
        run = FreeRun(record.losses, record.batches_sha256, record.steps_per_call, later)
        session = self.roster.session(record)
        return Candidate(record.entrant, record.backend, session, run, record.initial)

    def _judge_one(self, record: Record) -> None:
        candidate = self._candidate(record)
        verdict = self.judging.components(candidate)
        self.verdicts[record.entrant.label] = verdict
        path = self.judging.path(candidate)
        if self.work.plan.init == "framework":
            verdict.referee_losses = path.losses
        classes = path.classes
        if classes is not None and record.classes is not None:
            agreement = (classes == record.classes).mean()
            verdict.prediction_agreement = float(agreement)

    def _settle(self) -> None:
        """Decide by nudged runs where only the drift is left to explain."""
        records = {record.entrant.label: record for record in self.roster.alive()}
        pairs = [(self._candidate(r), self.verdicts[label]) for label, r in records.items()]
        if not self.judging.undecided(pairs):
            return

        def attempt(candidate: Candidate, call: Callable[[], object]) -> bool:
            return self.roster.attempt(records[candidate.entrant.label], call)

        # The components at the first step may have taken all there was.
        self.judging.budget.reserve(self.judging.budget.seconds / 2)
        with self._clocked("noise band", "measuring the noise band"):
            self.judging.settle(pairs, attempt)

    def _time_components(self) -> None:
        """Time every component by itself, one entrant after the other: nothing else runs.

        An entrant that was verified stays so if that fails; its times are then empty.
        """
        self.observer.phase("timing components")
        index = self.work.orders[0][: self.work.plan.batch_size]
        for record in self.roster.alive():
            try:
                record.component_seconds = self.roster.session(record).component_seconds(index)
            except EntrantError as error:
                record.notes.append(f"its components were not timed: {error}")

    def _check_float64(self) -> None:
        """Train everybody once more in float64, where no rounding can hide other mathematics."""
        work = self.work.in_float64()
        judging = Judging(work)
        for record in self.roster.alive():
            try:
                self._once_more(record, work, judging)
            except EntrantError as error:
                # What was asked for has finished; only this proof has not.
                self.verdicts[record.entrant.label].float64_failed = str(error)

    def _once_more(self, record: Record, work: Work, judging: Judging) -> None:
        session, entrant = self.roster.session(record), record.entrant
        start = record.initial and cast(record.initial, "float64")
        session.open(work.plan.asdict(), choices_of(entrant), work.beginning(start).data)
        run = free_run_of(session, work.orders)
        found = judging.verdict(Candidate(entrant, record.backend, session, run, start))
        verdict = self.verdicts[entrant.label]
        if found.verdict == "not checked":
            verdict.float64_failed = found.reason or "it was not checked"
            return
        verdict.float64_drift = found.max_abs_loss_difference
        if found.first_difference is not None and verdict.verdict != "differs":
            unit = f"{found.first_difference.unit}, in float64"
            verdict.differs(replace(found.first_difference, unit=unit))

    def _conclude(self) -> None:
        """Name what follows declared rules, and who is identical to whom."""
        finished = {r.entrant.label: r for r in self.roster.alive() if r.params is not None}
        for label, record in finished.items():
            if record.batches_sha256 is not None:
                self.judging.declare(self._candidate(record), self.verdicts[label])
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
