"""What is said of an entrant, and the first value that no rounding explains."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from common.agreement.checks import Check
from common.agreement.drift import CRITERION
from common.contract.arrays import Array, Arrays


@dataclass(frozen=True)
class Difference:
    """The first value that no rounding explains; `results.json` has its fields but the last.

    Attributes:
        length: whether the likely cause says no more than how far a step went.
    """

    step: int
    stage: str
    tensor: str
    index: tuple[int, ...]
    value: float
    referee: float
    likely_cause: str | None = None
    unit: str | None = None
    length: bool = False

    def asdict(self) -> dict[str, Any]:
        """As in results.json; what is not a number is null."""
        plain = {**vars(self), "index": list(self.index)}
        del plain["length"]
        for name in ("value", "referee"):
            if not np.isfinite(plain[name]):
                plain[name] = None
        return plain


@dataclass
class Verdict:
    """What is said of one entrant; `results.json` has its fields.

    Attributes:
        verdict: identical, rounding, declared, differs or not checked.
        identical_to: an earlier entrant with the same bits.
        max_abs_loss_difference: of the step losses from the referee's.
        noise_band: what nudged runs drift, where that was needed.
        held_steps: how many steps' losses the noise band could tell anything of, where not all.
        exp_error: how far the framework's own exp alone may lead every loss.
        float64_drift: of a run in float64, where one was asked for.
        float64_failed: why that run has none.
        criterion: in words.
        prediction_agreement: share of test images given the referee's class.
        first_difference: where it parts.
        reason: in words, of a verdict that needs one.
        components: every check made.
        seconds: what the checks took.
        referee_losses: of a referee that began as this entrant alone did.
        comparable: whether there are numbers to compare; where not, no noise band can help.
    """

    verdict: str = "not checked"
    identical_to: str | None = None
    max_abs_loss_difference: float | None = None
    noise_band: float | None = None
    held_steps: int | None = None
    exp_error: float = 0.0
    float64_drift: float | None = None
    float64_failed: str | None = None
    criterion: str = CRITERION
    prediction_agreement: float | None = None
    first_difference: Difference | None = None
    reason: str | None = None
    components: list[Check] = field(default_factory=list)
    seconds: float = 0.0
    referee_losses: Array | None = None
    comparable: bool = True

    def asdict(self) -> dict[str, Any]:
        """As in results.json."""
        first = self.first_difference
        told = {name: value for name, value in vars(self).items() if name != "comparable"}
        return {
            **told,
            "first_difference": first.asdict() if first else None,
            "referee_losses": [] if self.referee_losses is None else self.referee_losses.tolist(),
            "components": [check.asdict() for check in self.components],
        }

    def differs(self, first: Difference) -> None:
        """Settle it: this is where it parts."""
        self.verdict, self.first_difference, self.reason = "differs", first, None

    def agrees(self, checks: Iterable[Check], diverges: int | None) -> None:
        """Settle it: only rounding differs, as far as there were numbers to compare.

        Args:
            checks: that were made.
            diverges: the first step at which the referee itself overflows, if it does.
        """
        self.verdict, self.reason = "rounding", None
        if (words := not_compared(checks, diverges)) is not None:
            self.verdict, self.reason, self.comparable = "not checked", words, False


def undecided(verdict: Verdict) -> bool:
    """Whether nothing is wrong so far, but for a drift that only the noise band can explain."""
    nothing_wrong = verdict.verdict == "not checked" and verdict.first_difference is None
    return nothing_wrong and verdict.comparable


def not_compared(checks: Iterable[Check], diverges: int | None) -> str | None:
    """What could not be compared, in words; None if everything could."""
    if diverges is not None:
        return (
            f"the referee itself overflows from step {diverges} on, and nothing can be held "
            "against that; try a smaller learning rate"
        )
    for check in checks:
        if check.unclear:
            return (
                f"{check.unclear} values of {check.tensor} at step {check.step} overflow in the "
                "run's own arithmetic, and nothing can be held against that"
            )
    return None


def mark_identical(
    verdicts: Mapping[str, Verdict],
    losses: Mapping[str, Array],
    params: Mapping[str, Arrays],
) -> None:
    """Name, for each entrant, the first earlier one whose losses and parameters are bit-equal."""
    labels = list(verdicts)
    for position, label in enumerate(labels):
        for earlier in labels[:position]:
            pair = (label, earlier)
            if same_bits(*({**params[one], "": losses[one]} for one in pair)):
                verdicts[label].identical_to = earlier
                # Two that are wrong alike, or of which one is, do not agree.
                if {verdicts[one].verdict for one in pair} <= {"rounding", "identical"}:
                    verdicts[label].verdict = "identical"
                break


def same_bits(one: Arrays, other: Arrays) -> bool:
    """Whether two have the same tensors, of the same shapes and dtypes, bit by bit."""
    return one.keys() == other.keys() and all(
        (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
        for a, b in ((array, other[name]) for name, array in one.items())
    )
