"""How far runs drift that differ by rounding alone."""

from __future__ import annotations

import numpy as np

from common.agreement.drift import BAND_FACTOR, BLIND, band_limit, beyond, drift, free_limit
from common.agreement.judge import Bench
from common.agreement.referee import free_run, nudged
from common.agreement.verdict import Difference, Verdict, not_compared
from common.contract.arrays import Array, Arrays, cast
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
        growth: the widest drift up to every step.
    """

    def __init__(self, bench: Bench, start: Arrays, plain: Array | None = None) -> None:
        self._bench, self._start = bench, start
        self._orders = list(bench.schedule.first(len(bench.path.losses)))
        self._moved = nudged(start)
        self.growth: Array = self._of_plain() if plain is None else plain

    @property
    def held(self) -> int:
        """How many steps are held against the referee: up to where the limit can tell something."""
        losses = np.abs(self._bench.path.losses)
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
        plain, right = self._bench.referee.plain, self._bench.path.losses
        shares = [self._growth(plain, params, right) for params in (self._start, self._moved)]
        return np.maximum(*shares)

    def widen_by_errors(self) -> None:
        """Add the share of the functions that are known to err, if there are any."""
        referee = self._bench.referee
        if referee.errors:
            start = cast(self._start, "float64")
            self._widen(self._growth(referee.erring, start, self._bench.path.losses))

    def _widen(self, growth: Array) -> None:
        self.growth = np.maximum(self.growth, growth)

    def _growth(self, session: Session, params: Arrays, losses: Array) -> Array:
        drifts = drift(self._free_run(session, params), losses, self._bench.dtype)
        return np.maximum.accumulate(drifts)

    def widen(self, session: Session, losses: Array) -> bool:
        """Add the share of an entrant with these step losses, if it repeats itself."""
        again = self._free_run(session, self._start)
        losses, dtype = losses[: len(again)], self._bench.dtype
        repeats = not beyond(again, losses, free_limit(losses, dtype), dtype).any()
        if repeats:
            self._widen(self._growth(session, self._moved, losses))
        return repeats

    def settles(self, verdict: Verdict, losses: Array) -> bool:
        """Whether an entrant's step losses lie within it, as far as they are held against it."""
        return not self._beyond(verdict, losses).any()

    def _free_run(self, session: Session, params: Arrays) -> Array:
        """As far as the referee's run went."""
        return free_run(session, self._orders, params)

    def _beyond(self, verdict: Verdict, losses: Array) -> Array:
        right = self._bench.path.losses[: self.held]
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
        verdict.noise_band, verdict.reason = self.width, None
        verdict.held_steps = self.held if self.held < len(self._bench.path.losses) else None
        if self.settles(verdict, losses):
            verdict.agrees(verdict.components, self._bench.path.diverges)
            return
        words = "likely something is carried from step to step outside parameters and state, or "
        words += "only some steps are wrong: every component agrees where it was checked"
        if not repeats:
            words += ", but the same run made again in the same process ends elsewhere"
        words += "; to confirm, run diagnose, which looks at all steps"
        step = int(self._beyond(verdict, losses).argmax())
        value, right = float(losses[step]), float(self._bench.path.losses[step])
        verdict.differs(
            Difference(step + 1, "free run", "loss", (), value, right, words, "free run")
        )
