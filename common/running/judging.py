"""The one way to judge: a free run, its components, the noise band, what is declared.

Runs, their second training in float64, and ports of somebody's own are all judged here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from common.agreement.band import Band
from common.agreement.budget import Budget
from common.agreement.drift import band_limit, beyond, free_limit
from common.agreement.judge import Bench, judge
from common.agreement.referee import Path, Referee
from common.agreement.schedule import Schedule
from common.agreement.verdict import Difference, Verdict, undecided
from common.contract.arrays import Array, Arrays, digest
from common.contract.entrant import Entrant
from common.contract.info import Declared
from common.contract.models import MODELS
from common.contract.plan import Plan
from common.contract.registry import Backend, Rules
from common.entrants.session import Session
from common.running.work import Work

#: Makes a referee by declared rules; without any by the common definitions.
MakeReferee = Callable[[Rules], Referee]
#: Functions, and how far a framework's own err where that is more than a few roundings.
Errors = tuple[tuple[str, float], ...]
#: By what somebody is judged: what it declares, its functions' errors, a digest of its start.
Terms = tuple[tuple[Declared, ...], Errors, str | None]
#: Does something with one candidate, whose failure is its own; whether it went well.
Attempt = Callable[["Candidate", Callable[[], object]], bool]


@dataclass(frozen=True)
class FreeRun:
    """What one entrant's whole training left to be judged.

    Attributes:
        losses: of every step, an array an epoch.
        fingerprint: SHA-256 of epoch 1's batches as the framework held them.
        steps_per_call: how many steps one call holds.
        later: the step losses of further rounds, an array a round.
    """

    losses: Sequence[Array]
    fingerprint: str
    steps_per_call: int
    later: Sequence[Array] = ()

    @property
    def step_losses(self) -> Array:
        """Of the first round, all epochs in a row; none before it trained."""
        return np.concatenate(self.losses) if self.losses else np.empty(0)


#: Of a candidate that has not trained yet.
NOT_RUN = FreeRun((), "", 1)


def errors_of(backend: Backend, plan: Plan) -> Errors:
    """Of the functions that a plan's model applies again and again, what a framework's err by."""
    model = MODELS.get(plan.model)
    if model is None or plan.dtype != "float32":
        return ()
    errors = backend.info.function_errors
    return tuple((name, errors[name]) for name in model.functions if name in errors)


def _began(start: Arrays | None) -> str | None:
    return None if start is None else digest(start)


def free_run_of(session: Session, orders: Sequence[Array]) -> FreeRun:
    """Train an opened session along all orders, and fingerprint its batches."""
    trained = [session.train(order) for order in orders]
    losses = [one.losses for one in trained]
    return FreeRun(losses, session.fingerprint(orders[0]), trained[0].steps_per_call)


@dataclass(frozen=True, eq=False)
class Candidate:
    """Who is judged.

    Attributes:
        entrant, backend: what it is, and what that declares.
        session: open; left on another state than it had.
        run: its free run.
        initial: what it began with, where that is not what everybody did.
    """

    entrant: Entrant
    backend: Backend
    session: Session
    run: FreeRun
    initial: Arrays | None = None


def without_excuse(candidate: Candidate, call: Callable[[], object]) -> bool:
    """Attempt something for a single candidate: its failure is everybody's."""
    call()
    return True


@dataclass
class Judging:
    """Holds candidates against the referee's run by the rule that each declares.

    Args:
        work: what was trained on.
        referee: makes the referee; None: NumPy's, of a registered model.
        band: whether nudged runs may be made.
        budget: how long all checks together may take.
    """

    work: Work
    referee: MakeReferee | None = None
    band: bool = True
    budget: Budget = field(default_factory=Budget)
    _benches: dict[Terms, Bench] = field(default_factory=dict)
    _seconds: float = np.inf
    _losses: list[Array] = field(default_factory=list)

    def prepare(self, candidates: Iterable[Candidate]) -> None:
        """Make the referee's run by the common definitions, and by each rule somebody declares.

        From each start that somebody has. All runs together have half of the time, and a quarter
        once somebody has drifted so far that nudged runs have to explain it, of as many steps.
        """
        candidates = list(candidates)
        paths = {(declared, began) for declared, _, began in self.terms(candidates)}
        self._seconds = self.budget.seconds / max(1, len(paths))
        self._losses = [one.run.step_losses for one in candidates]
        for candidate in candidates:
            self._bench_of((), {}, start=candidate.initial)
            self._bench(candidate)

    def terms(self, candidates: Iterable[Candidate]) -> set[Terms]:
        """By what they are judged, a bench for each: the common definitions, and each one's own."""
        found: set[Terms] = set()
        for one in candidates:
            began, errors = _began(one.initial), errors_of(one.backend, self.work.plan)
            found |= {((), (), began), (self._declared(one), errors, began)}
        return found

    def _declared(self, candidate: Candidate) -> tuple[Declared, ...]:
        return candidate.backend.declared(candidate.entrant.style, self.work.plan)

    def _bench(self, candidate: Candidate) -> Bench:
        declared = self._declared(candidate)
        errors = errors_of(candidate.backend, self.work.plan)
        rules = candidate.backend.rules(declared)
        return self._bench_of(declared, rules, errors, candidate.initial)

    def _bench_of(
        self,
        declared: tuple[Declared, ...],
        rules: Rules,
        errors: Errors = (),
        start: Arrays | None = None,
    ) -> Bench:
        began = _began(start)
        if (declared, errors, began) not in self._benches:
            plan, data = self.work.plan, self.work.beginning(start).data
            referee = (
                self.referee(rules)
                if self.referee
                else Referee(plan, data, rules, errors=dict(errors))
            )
            schedule = Schedule(self.work.orders, plan.batch_size)
            alike = self._benches.get((declared, (), began))
            path = alike.path if alike else None
            self._benches[declared, errors, began] = Bench(
                referee, schedule, self._allowed, path, self.budget
            )
        return self._benches[declared, errors, began]

    def _allowed(self, along: Array) -> float:
        """How many seconds the referee's run may take that came to these losses so far."""
        dtype = self.work.plan.dtype
        limit = free_limit(along, dtype)
        whole = [losses[: len(along)] for losses in self._losses if len(losses) >= len(along)]
        parts = any(beyond(losses, along, limit, dtype).any() for losses in whole)
        return self._seconds / (4 if parts and self.band else 2)

    @property
    def common(self) -> Bench | None:
        """The referee's run by the common definitions; None before `prepare`, or of several."""
        plain = [
            bench
            for (declared, errors, _), bench in self._benches.items()
            if not declared and not errors
        ]
        return plain[0] if len(plain) == 1 else None

    @property
    def begun(self) -> bool:
        """Whether there is any run of the referee."""
        return bool(self._benches)

    def prepared(self, candidate: Candidate) -> bool:
        """Whether there is such a run already, from where a candidate began."""
        return ((), (), _began(candidate.initial)) in self._benches

    def path(self, candidate: Candidate) -> Path:
        """The referee's run by the common definitions, from where a candidate began."""
        return self._bench_of((), {}, start=candidate.initial).path

    def components(self, candidate: Candidate) -> Verdict:
        """Judge one candidate as far as that goes without nudged runs."""
        run = candidate.run
        verdict = judge(
            candidate.session,
            candidate.entrant,
            candidate.backend.info,
            run.losses,
            run.fingerprint,
            self._bench(candidate),
            run.steps_per_call,
        )
        if verdict.verdict == "rounding":
            limit = free_limit(run.step_losses, self.work.plan.dtype)
            if self._round_apart(candidate, limit) is not None:
                verdict.verdict = "not checked"
                verdict.reason = (
                    "a later round ends elsewhere than the first, and that was not held against "
                    "nudged runs"
                )
        return verdict

    def _round_apart(self, candidate: Candidate, limit: Array) -> Difference | None:
        """Where a later round leaves the first by more than a limit."""
        first = candidate.run.step_losses
        for number, losses in enumerate(candidate.run.later, 2):
            words = (
                f"likely round {number} does not start as the first did: same order, parameters "
                "and state lead elsewhere; to confirm, look for what `load` does not set back"
            )
            unit = f"round {number}"
            if len(losses) != len(first):
                nan = float("nan")
                step = min(len(losses), len(first)) + 1
                return Difference(step, "data", "batch", (), nan, nan, words, unit)
            apart = ~(np.abs(losses - first) <= limit)
            if apart.any():
                step = int(apart.argmax())
                value, right = float(losses[step]), float(first[step])
                return Difference(step + 1, "free run", "loss", (), value, right, words, unit)
        return None

    def undecided(self, verdicts: Sequence[tuple[Candidate, Verdict]]) -> bool:
        """Whether somebody's drift can only be decided by nudged runs, and they may be made."""
        return self.band and any(undecided(verdict) for _, verdict in verdicts)

    def settle(
        self, verdicts: Sequence[tuple[Candidate, Verdict]], attempt: Attempt = without_excuse
    ) -> None:
        """Decide by the noise band where only the drift is left to explain.

        Args:
            verdicts: of everybody who can widen the band, from `components`.
            attempt: makes the runs of one candidate.
        """
        if not self.band:
            return
        plain: dict[int, Array] = {}
        for bench in {id(bench): bench for bench in self._benches.values()}.values():
            mine = [(who, verdict) for who, verdict in verdicts if self._bench(who) is bench]
            if any(undecided(verdict) for _, verdict in mine):
                # Who errs in some functions shares the referee's run with those who do not.
                start = bench.referee.data["initial"]
                band = Band(bench, start, plain.get(id(bench.path)))
                plain[id(bench.path)] = band.growth
                self._settle_by(band, mine, attempt)

    def _settle_by(
        self, band: Band, verdicts: Sequence[tuple[Candidate, Verdict]], attempt: Attempt
    ) -> None:
        """The band of plain arithmetic first; it is widened only if somebody needs that."""
        repeats: dict[str, bool] = {}

        def settled(pair: tuple[Candidate, Verdict]) -> bool:
            candidate, verdict = pair
            return band.settles(verdict, candidate.run.step_losses)

        def widen(candidate: Candidate) -> None:
            label = candidate.entrant.label
            repeats[label] = band.widen(candidate.session, candidate.run.step_losses)

        unsettled = [pair for pair in verdicts if undecided(pair[1])]
        if not all(map(settled, unsettled)):
            band.widen_by_errors()
        left = [pair for pair in unsettled if not settled(pair)]
        asked = {id(candidate) for candidate, _ in left}
        lost = {id(who) for who, _ in left if not attempt(who, partial(widen, who))}
        if not all(settled(pair) for pair in left if id(pair[0]) not in lost):
            for who, verdict in verdicts:
                if verdict.verdict != "differs" and id(who) not in asked:
                    attempt(who, partial(widen, who))
        for candidate, verdict in unsettled:
            if id(candidate) in lost:
                continue
            losses = candidate.run.step_losses
            whole = repeats.get(candidate.entrant.label, True)
            band.settle(verdict, losses, repeats=whole)
            limit = band_limit(losses, self.work.plan.dtype, band.width)
            if verdict.held_steps is not None:
                limit[verdict.held_steps :] = np.inf
            limit[np.size(band.growth) :] = np.inf  # of later steps the band knows nothing
            apart = self._round_apart(candidate, limit)
            if verdict.verdict == "rounding" and apart is not None:
                verdict.differs(apart)

    def declare(self, candidate: Candidate, verdict: Verdict) -> None:
        """Say of who follows a rule of its own by what it is known, and how far that leads."""
        declared = self._declared(candidate)
        if not declared or not self.prepared(candidate):
            return
        if verdict.max_abs_loss_difference is not None:
            right = self.path(candidate).losses
            drifts = np.abs(candidate.run.step_losses[: len(right)] - right)
            verdict.max_abs_loss_difference = float(drifts.max())
        if verdict.verdict == "rounding":
            verdict.verdict = "declared"
            verdict.reason = "; ".join(one.reason for one in declared)

    def verdict(self, candidate: Candidate) -> Verdict:
        """Judge a single candidate to the end."""
        self.prepare([candidate])
        found = self.components(candidate)
        self.settle([(candidate, found)])
        self.declare(candidate, found)
        return found
