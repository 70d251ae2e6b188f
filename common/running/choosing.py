"""`best`: each mode of a backend tried on a few steps, and the quickest taken that agrees."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from common.agreement.budget import Budget
from common.entrants.session import Session
from common.errors import EntrantError, one_line
from common.results.journal import ChosenLine, Journal
from common.results.record import AGREE, Record
from common.running.judging import Candidate, Judging, free_run_of
from common.running.observer import Observer
from common.running.roster import Connect, choices_of
from common.running.starting import remarks
from common.running.work import Work

#: Steps of a trial at most: some calls of every mode that holds several.
STEPS = 24

#: How often they are made; the quickest counts.
REPEATS = 5


@dataclass(frozen=True)
class Trial:
    """What one mode came to: seconds of a step, and why it cannot be taken, if so."""

    mode: str
    seconds: float | None
    why: str | None

    @property
    def words(self) -> str:
        """As a note has it."""
        took = "" if self.seconds is None else f" {1e3 * self.seconds:.3g} ms a step"
        return f"{self.mode}{took}" + (f" ({self.why})" if self.why else "")


@dataclass
class Choosing:
    """Finds the mode of each entrant that is to have its backend's best.

    Every mode is tried in a process of its own, one after the other: nothing else runs.

    Args:
        work: of the run; a trial is on its first steps.
        connect, observer: as for `Runner`.
        journal: keeps what was found out, and has what an earlier process did; None: nobody.
    """

    work: Work
    connect: Connect
    observer: Observer
    journal: Journal | None = None
    _judging: Judging = field(init=False, repr=False)

    def __post_init__(self) -> None:
        order = self.work.orders[0][: STEPS * self.work.plan.batch_size]
        self._short = replace(self.work, orders=[order], examples=len(order))
        self._judging = Judging(self._short, budget=Budget(quick=True))

    def choose(self, record: Record) -> None:
        """Give an entrant the mode it is to have, and a note of why."""
        chosen = self.journal.chosen(record) if self.journal else None
        if chosen is None:
            chosen = self._found_out(record)
            if self.journal is not None:
                try:
                    self.journal.choose(chosen)
                except OSError as error:  # a full disk ends no run
                    self.observer.phase(f"this run could not be resumed: {one_line(error)}")
        record.entrant = entrant = replace(record.entrant, mode=chosen.mode)
        told = remarks(entrant, record.backend, self.work.plan)
        record.notes = [*entrant.notes, *told, chosen.words]

    def _found_out(self, record: Record) -> ChosenLine:
        entrant = record.entrant
        if len(entrant.tries) == 1:
            (mode,) = entrant.tries
            words = f"best: {mode} is the only mode it has here"
            return ChosenLine(label=entrant.label, mode=mode, words=words)
        trials = [self._trial(record, mode) for mode in entrant.tries]
        steps = -(-len(self._short.orders[0]) // self.work.plan.batch_size)
        mode, words = taken(trials, entrant.mode, steps)
        return ChosenLine(label=entrant.label, mode=mode, words=words)

    def _trial(self, record: Record, mode: str) -> Trial:
        """One mode; its failure is no failure of the entrant."""
        self.observer.phase(f"trying {record.entrant.label} as {mode}")
        entrant = replace(record.entrant, mode=mode, slug=f"{record.entrant.slug}-{mode}")
        trying = replace(record, entrant=entrant, settings={})
        try:
            session = self.connect(trying)
            try:
                return self._tried(trying, session)
            finally:
                session.close(at_once=True)
        except EntrantError as error:
            return Trial(mode, None, f"{error.status}: {error}")

    def _tried(self, record: Record, session: Session) -> Trial:
        work, entrant = self._short, record.entrant
        order = work.orders[0]
        session.open(work.plan.asdict(), choices_of(entrant), work.data)
        session.warm_up(order)
        seconds = []
        for _ in range(REPEATS):
            session.load(work.initial)
            trained = session.train(order)
            seconds.append(trained.seconds / len(trained.losses))
        session.load(work.initial)
        run = free_run_of(session, work.orders)
        verdict = self._judging.verdict(Candidate(entrant, record.backend, session, run))
        agrees = verdict.verdict in AGREE
        return Trial(entrant.mode, min(seconds), None if agrees else verdict.verdict)


def taken(trials: list[Trial], usual: str, steps: int) -> tuple[str, str]:
    """The quickest mode that agrees, or the usual one; and a note with all figures.

    Args:
        trials: of every mode.
        usual: what is taken if none agrees.
        steps: of a trial.
    """
    right = [trial for trial in trials if trial.why is None and trial.seconds is not None]
    figures = ", ".join(trial.words for trial in trials)
    if not right:
        return usual, f"best: no mode agreed in {steps} steps, {usual} was taken: {figures}"
    mode = min(right, key=lambda trial: trial.seconds or 0.0).mode
    return mode, f"best: {mode}, the quickest that agrees in {steps} steps: {figures}"
