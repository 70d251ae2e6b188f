"""How far runs drift that differ by rounding alone."""

from __future__ import annotations

import numpy as np

from common.agreement.drift import BAND_FACTOR, BLIND, band_limit, beyond, drift, free_limit
from common.agreement.judge import Bench
from common.agreement.referee import LOOKS, free_run, nudged
from common.agreement.verdict import Difference, Verdict, not_compared
from common.contract.arrays import Array, Arrays
from common.contract.precision import cast
from common.entrants.session import Session


class Band:
    """How far runs drift that differ by rounding alone; measured only as far as somebody needs it.

    Its shares: the plain referee's drift from the exact one, as it is and nudged; where functions
    are known to err by more than roundings, that of the exact one with functions that do, for such
    errors do not cancel but add up; an entrant's from its own free run, nudged. An entrant is not
    held against the referee here, and one whose run ends elsewhere when it is simply repeated has
    no share, or an error of its own would widen the band that is to show it.

    Where training is chaotic, what began as rounding grows until it is as large as the loss, and
    any loss at all would lie within such a band: steps from there on are not held against it.

    Args:
        bench: the referee's run.
        start: the initial parameters.
        plain: the share of the plain referee, if it is known.

    Attributes:
        growth: the widest drift up to every step that there was time for.
    """

    def __init__(self, bench: Bench, start: Arrays, plain: Array | None = None) -> None:
        self._bench, self._start = bench, start
        self._right = bench.path.losses[: steps_in_time(bench) if plain is None else len(plain)]
        self._whole = len(self._right) > 0
        self._orders = list(bench.schedule.first(len(self._right)))
        self._moved = nudged(start, bench.dtype)
        self.growth: Array = self._of_plain() if plain is None else plain

    @property
    def held(self) -> int:
        """How many steps are held against the referee: up to where the limit can tell something."""
        losses = np.abs(self._right)
        known = losses[np.isfinite(losses)]
        blind = BAND_FACTOR * self.growth > BLIND * (np.median(known) if known.size else np.inf)
        return int(blind.argmax()) if blind.any() else len(losses)

    @property
    def width(self) -> float:
        """The widest drift among the steps that are held against the referee."""
        return float(self.growth[: self.held].max(initial=0.0))

    @property
    def overflows(self) -> bool:
        """Whether a run that differs by rounding alone does, so that there is no band."""
        return not np.isfinite(self.growth).all()

    def _of_plain(self) -> Array:
        plain = self._bench.referee.plain
        if not len(self._right):
            return np.zeros(0)
        shares = [self._growth(plain, params, self._right) for params in (self._start, self._moved)]
        return np.maximum(*shares)

    def widen_by_errors(self) -> None:
        """Add the share of the functions that are known to err, if there are any."""
        referee = self._bench.referee
        if referee.errors and not self._lacks("a run with the functions that err", 1):
            start = cast(self._start, "float64")
            self._widen(self._growth(referee.erring, start, self._right))

    def _widen(self, growth: Array) -> None:
        self.growth = np.maximum(self.growth, growth)

    def _growth(self, session: Session, params: Arrays, losses: Array) -> Array:
        drifts = drift(self._free_run(session, params), losses, self._bench.dtype)
        return np.maximum.accumulate(drifts)

    def widen(self, session: Session, losses: Array) -> bool:
        """Add the share of an entrant with these step losses, if it repeats itself.

        What there is no time for is left out, and widens nothing.
        """
        if self._lacks("an entrant's own nudged runs", 2):
            return True
        again = self._free_run(session, self._start)
        losses, dtype = losses[: len(again)], self._bench.dtype
        repeats = not beyond(again, losses, free_limit(losses, dtype), dtype).any()
        if repeats:
            self._widen(self._growth(session, self._moved, losses))
        return repeats

    def settles(self, verdict: Verdict, losses: Array) -> bool:
        """Whether an entrant's step losses lie within it, as far as they are held against it."""
        return not self._beyond(verdict, losses).any()

    def _lacks(self, what: str, runs: int) -> bool:
        """Whether there is no time for so many runs as long as the referee's."""
        seconds = runs * step_seconds(self._bench) * len(self._right)
        lacking = self._bench.budget.lacks(what, seconds)
        self._whole = self._whole and not lacking
        return lacking

    def _free_run(self, session: Session, params: Arrays) -> Array:
        """As far as there was time for."""
        return free_run(session, self._orders, params)

    def _beyond(self, verdict: Verdict, losses: Array) -> Array:
        right = self._right[: self.held]
        losses = losses[: self.held]
        limit = band_limit(right, self._bench.dtype, self.width) + verdict.exp_error
        return beyond(losses, right, limit, self._bench.dtype)

    def settle(self, verdict: Verdict, losses: Array, *, repeats: bool = True) -> None:
        """Decide what `judge` left open."""
        if self.overflows:
            verdict.reason = not_compared(verdict.components, self._bench.path.diverges) or (
                "a run that differs by rounding alone overflows: there is no noise band"
            )
            return
        if not self._whole and not (len(self._right) and self.settles(verdict, losses)):
            verdict.reason = (
                "its drift may be rounding, but there was no time for the nudged runs that tell; "
                "give them more --check-seconds"
            )
            return
        verdict.noise_band, verdict.reason = self.width, None
        verdict.held_steps = self.held if self.held < len(self._right) else None
        if self.settles(verdict, losses):
            verdict.agrees(verdict.components, self._bench.path.diverges)
            return
        words = "likely something is carried from step to step outside parameters and state, or "
        words += "only some steps are wrong: every component agrees where it was checked"
        if not repeats:
            words += ", but the same run made again in the same process ends elsewhere"
        words += "; to confirm, run diagnose, which looks at all steps"
        step = int(self._beyond(verdict, losses).argmax())
        value, right = float(losses[step]), float(self._right[step])
        verdict.differs(
            Difference(step + 1, "free run", "loss", (), value, right, words, "free run")
        )


def step_seconds(bench: Bench) -> float:
    """What one step of the referee's run took."""
    return bench.path.seconds / len(bench.path.losses)


def steps_in_time(bench: Bench) -> int:
    """Over how many steps there is time for the plain referee's two runs."""
    steps, each, budget = len(bench.path.losses), 2 * step_seconds(bench), bench.budget
    if budget.lacks("nudged runs", LOOKS * each):
        return 0
    fitting = int(budget.left / each) if each * steps > budget.left else steps
    if fitting < steps:
        budget.lacks(f"nudged runs, and with them the drift, after step {fitting}", np.inf)
    return fitting
