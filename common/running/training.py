"""Training: every entrant opened, warmed up, and trained in turns."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from common.agreement.verdict import same_bits
from common.contract.arrays import Arrays
from common.contract.models import MODELS
from common.entrants.examples import mean_over_examples
from common.entrants.session import Evaluated, Session, Trained
from common.errors import Diverged, Failed, one_line
from common.measure import machine, turns
from common.measure.machine import available_cores, usable_cores
from common.results.journal import Journal, begin_round
from common.results.record import Record
from common.running.roster import Roster, choices_of
from common.running.work import Work


@dataclass
class Training:
    """Opens the entrants and trains them, their epochs interleaved in shuffled turns.

    Args:
        work: what to train on.
        roster: who.
        journal: keeps what every epoch came to, and has what an earlier process did; None: nobody.
        starting: how many start at a time.
    """

    work: Work
    roster: Roster
    journal: Journal | None = None
    starting: int = field(default_factory=available_cores)
    _warming: threading.Lock = field(default_factory=threading.Lock, repr=False)
    #: whether the processes that are open have trained anything
    _trained: bool = field(default=False, repr=False)
    _watches: dict[tuple[str, int], machine.Watch] = field(
        default_factory=lambda: defaultdict(machine.Watch), repr=False
    )

    def open(self, meanwhile: Callable[[], object] | None = None) -> None:
        """Import and place everywhere, `starting` at a time; warm up in turn.

        Args:
            meanwhile: is called while this process would only wait.
        """
        self.roster.observer.phase("starting")
        self.roster.connect_all()
        if meanwhile is not None and self.starting == 1:
            meanwhile()  # before, so that nobody starts beside it
            meanwhile = None
        self.roster.each(self._make_ready, meanwhile, self.starting)

    def _open_anew(self) -> None:
        """Give everybody another process: times of one process are alike, and others' are not."""
        self.roster.observer.phase("starting anew")
        self.roster.connect_anew()
        self.roster.each(self._make_ready_anew, at_once=self.starting)
        self._trained = False

    def _make_ready_anew(self, record: Record) -> None:
        """Open and warm up as before; what that took is told of the first time."""
        session, plan = self.roster.session(record), self.work.plan
        session.open(plan.asdict(), choices_of(record.entrant), self.work.data)
        with self._warming:
            session.warm_up(self.work.orders[0])
        begun = bool(record.rounds[-1])  # and to be gone on with
        session.load(*(self._state(record) if begun else (self._start(record), None)))

    def _make_ready(self, record: Record) -> None:
        self._open_one(record)
        # One warm-up at a time, while others may still import: the first step is timed.
        with self._warming:
            self._warm_up(record)

    def _open_one(self, record: Record) -> None:
        session, plan = self.roster.session(record), self.work.plan
        opened = session.open(plan.asdict(), choices_of(record.entrant), self.work.data)
        record.versions = opened.versions
        record.settings = {**record.settings, **opened.settings}
        record.import_seconds = opened.import_seconds
        record.open_seconds = opened.open_seconds
        record.framework_memory_bytes = opened.framework_memory_bytes

    def _warm_up(self, record: Record) -> None:
        session = self.roster.session(record)
        warmed = session.warm_up(self.work.orders[0])
        record.first_step_seconds = warmed.first_step_seconds
        record.compile_seconds = warmed.compile_seconds
        if self.work.plan.init == "framework":
            self._draw(record, session)
        session.load(*self._state(record))
        self.roster.observer.ready(record)

    def _draw(self, record: Record, session: Session) -> None:
        """Have an entrant draw its own initial parameters, if it has a law for them."""
        drawn = session.initial(self.work.plan.seed)
        if same_bits(drawn, self.work.initial):
            record.notes.append("begins with the book's weights: it has no law of its own")
        else:
            record.initial = drawn

    def _start(self, record: Record) -> Arrays:
        """What an entrant begins with."""
        return self.work.beginning(record.initial).initial

    def _state(self, record: Record) -> tuple[Arrays, Arrays | None]:
        """Parameters and optimiser state that it goes on from."""
        kept = self.journal.state(record) if self.journal else None
        return kept or (self._start(record), None)

    def restore(self) -> None:
        """Give everybody the epochs that an earlier process trained."""
        for record in self.roster.alive():
            if self.journal is not None:
                self.journal.restore(record, self.work.plan.dtype)
            if record.rounds:
                record.notes.append(
                    f"taken up after {sum(map(len, record.rounds))} epochs of an earlier process; "
                    "its times are of the process that trained most"
                )

    def train(self) -> None:
        """Train all rounds; after the first, fetch what it ended in."""
        plan = self.work.plan
        self.roster.observer.phase("training")
        for round_ in range(plan.rounds):
            begun = {r.entrant.label for r in self.roster.alive() if len(r.rounds) > round_}
            for record in self.roster.alive():
                if record.entrant.label not in begun:  # in an earlier process
                    begin_round(record)
            if self._trained and self._lacks_epochs(round_):
                self._open_anew()
            elif round_:
                for record in self.roster.alive():
                    if record.entrant.label not in begun:
                        load = self.roster.session(record).load
                        self.roster.attempt(record, load, self._start(record))
            self._train_round(round_)
            if round_ == 0:
                self._collect()

    def _lacks_epochs(self, round_: int) -> bool:
        """Whether anything of a round is left to be trained."""
        epochs = self.work.plan.epochs
        return any(len(record.rounds[round_]) < epochs for record in self.roster.alive())

    def _train_round(self, round_: int) -> None:
        plan, records = self.work.plan, self.roster.records
        schedule = turns.turns(len(records), plan.epochs, plan.seed + round_)
        for epoch, turn in enumerate(schedule):
            for record in (records[position] for position in turn):
                if len(record.rounds) > round_ and epoch < len(record.rounds[round_]):
                    continue  # trained once is not trained again
                if record.status == "ok" and self.roster.attempt(
                    record, self._one_epoch, record, round_, epoch
                ):
                    self._keep(record, round_)
                    # Here, where no entrant is blamed for what goes wrong in telling of it.
                    self.roster.observer.epoch(record, round_)

    def _one_epoch(self, record: Record, round_: int, epoch: int) -> None:
        session, order = self.roster.session(record), self.work.orders[epoch]
        cores = usable_cores()[: self.work.plan.threads]
        before = machine.reading(cores)
        trained = session.train(order)
        self._trained = True
        watch = self._watches[record.entrant.label, round_]
        disturbed = watch.disturbed(before, machine.reading(cores), trained.cpu_seconds)
        record.rounds[round_].append(trained.seconds)
        record.cpu_seconds[round_].append(trained.cpu_seconds)
        record.disturbed[round_].append(disturbed)
        record.processes[round_].append(self.journal.process if self.journal else 0)
        if round_:
            if not np.isfinite(trained.losses).all():
                raise Diverged(f"its loss is not finite in round {round_ + 1}; in the first it was")
            record.later[-1].append(trained.losses)
        else:
            self._first_round(record, epoch, trained, session)

    def _keep(self, record: Record, round_: int) -> None:
        """Have what an epoch came to on disk before the next begins."""
        journal, session = self.journal, self.roster.session(record)
        if journal is None or journal.broken:
            return
        held: list[Arrays] = []

        def fetch() -> None:
            held.extend((session.params(), session.state()))

        if self.roster.attempt(record, fetch):
            last = len(record.rounds[round_]) == self.work.plan.epochs
            try:
                journal.keep(record, round_, held[0], held[1], last)
            except OSError as error:  # a full disk ends no run
                self.roster.observer.phase(f"this run could not be resumed: {one_line(error)}")

    def _first_round(self, record: Record, epoch: int, trained: Trained, session: Session) -> None:
        """Keep what an epoch of the first round came to; Diverged if that is no number."""
        record.peak_memory_bytes = trained.peak_memory_bytes
        record.steps_per_call = trained.steps_per_call
        record.losses.append(trained.losses)
        tested = session.evaluate() if self.work.test_labels is not None else None
        record.epochs.append(self._row(epoch, trained, tested))
        bad = np.flatnonzero(~np.isfinite(trained.losses))
        if len(bad):
            step = len(record.step_losses) - len(trained.losses) + int(bad[0]) + 1
            value = trained.losses[bad[0]]
            raise Diverged(f"its loss became {value} at step {step}; try a smaller --lr")
        if tested and not np.isfinite(tested.loss):
            words = f"its test loss became {tested.loss} in epoch {epoch + 1}"
            raise Diverged(f"{words}; try a smaller --lr")
        if epoch + 1 == self.work.plan.epochs:
            record.params = final_params(session)

    def _row(self, epoch: int, trained: Trained, tested: Evaluated | None) -> dict[str, Any]:
        """One epoch of results.json; losses are sums over examples divided by examples.

        Of an entrant that made too many steps, or too few, the mean is over those that it made:
        the verdict will say so.
        """
        size, examples = self.work.plan.batch_size, self.work.examples
        losses, steps = trained.losses, -(-examples // size)
        seen = examples if len(losses) == steps else len(losses) * size
        classifies = MODELS[self.work.plan.model].classifies
        tests = self.work.summary["test_examples"]
        return {
            "epoch": epoch + 1,
            "train_loss": mean_over_examples(losses, seen, size),
            "train_accuracy": share(trained.counts.sum(), seen) if classifies else None,
            "test_loss": tested.loss if tested else None,
            "test_accuracy": share(tested.count, tests) if tested and classifies else None,
            "train_seconds": trained.seconds,
            "data_seconds": trained.data_seconds,
            "eval_seconds": tested.seconds if tested else None,
        }

    def _collect(self) -> None:
        """Fetch the batches' fingerprint, and what the first round's parameters predict."""
        self.roster.observer.phase("collecting")
        self.roster.each(self._collect_one)

    def _collect_one(self, record: Record) -> None:
        session, labels = self.roster.session(record), self.work.test_labels
        elsewhere = len(record.rounds) > 1  # taken up in a later round
        if elsewhere and record.params is not None:
            session.load(record.params)
        record.batches_sha256 = session.fingerprint(self.work.orders[0])
        if labels is not None:
            classes = session.predict()
            if classes.shape != labels.shape:
                raise Failed(f"it predicted {classes.shape} classes of {labels.shape}")
            record.classes = classes
        else:
            params = record.params or {}
            weight = params["output.weight"][:, 0].tolist()
            record.learnt = {"weight": weight, "bias": float(params["output.bias"][0])}
        if elsewhere:
            session.load(*self._state(record))


def share(count: float, examples: int) -> float | None:
    """An accuracy; None of who counts more than there are, or fewer than none."""
    return float(count / examples) if 0 <= count <= examples else None


def final_params(session: Session) -> Arrays:
    """Fetch what training ended in; Diverged if the last update made it infinite or NaN."""
    params = session.params()
    for name, tensor in params.items():
        if not np.isfinite(tensor).all():
            raise Diverged(f"its {name} is not finite in the end; try a smaller --lr")
    return params
