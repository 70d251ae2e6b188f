"""After which epoch compiling has paid: where the numbers say so, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest

from common.results.document import EntrantResult, EpochSeconds, Pair, Timing
from common.shown.paying import first_line, first_result, paid_lines
from tests.conftest import make_plan

PLAN = make_plan(epochs=10, batch_size=32)
EXAMPLES = 320  # ten steps


def timing(epoch: float, compiled: float | None, first: float | None) -> Timing:
    seconds = EpochSeconds(median=epoch, low=epoch, high=epoch, min=epoch, all=[epoch] * 3)
    return Timing(
        import_seconds=1.0, open_seconds=0.5, compile_seconds=compiled, first_step_seconds=first,
        epoch_seconds=seconds, examples_per_second=None,
    )  # fmt: skip


def entrant(mode: str, times: Timing, **changes: Any) -> EntrantResult:
    fields: dict[str, Any] = {
        "label": f"it:{mode}", "slug": mode, "backend": "it", "style": "concise", "mode": mode,
        "data": "memory", "notes": [], "status": "ok", "reason": None, "versions": {},
        "device": "cpu", "threads": 2, "settings": {}, "steps_per_call": 1,
        "batches_sha256": None, "source_sha256": None, "epochs": [], "step_losses": [],
        "timing": times, "peak_memory_bytes": None, "learnt": None, "true": None,
    }  # fmt: skip
    return EntrantResult(**{**fields, **changes})


EAGER = entrant("eager", timing(1.0, 0.0, 0.1))
#: Saves half an epoch for what it compiles.
JIT = entrant("jit", timing(0.5, 1.6, 0.05))


def lines(
    one: EntrantResult, other: EntrantResult, verdict: str = "b is faster", ratio: float = 2.0
) -> list[str]:
    pair = Pair(
        a=one.label, b=other.label, ratio=ratio, low=0.8 * ratio, high=1.25 * ratio,
        prediction_agreement=None, verdict=verdict,
    )  # fmt: skip
    return list(paid_lines([one, other], [pair], PLAN, EXAMPLES))


def test_it_has_paid() -> None:
    """1.6 s of compiling, by half a second an epoch; less each first call's usual time."""
    words = (
        "it:jit has paid for its compilation after 3.2 epochs beside it:eager (95 %: 2.7 to 4.3)"
    )
    assert lines(EAGER, JIT) == [words]
    assert lines(JIT, EAGER, "a is faster", 0.5) == [words]


def test_not_within_this_run() -> None:
    dear = entrant("jit", timing(0.5, 16.0, 0.05))
    (words,) = lines(EAGER, dear)
    assert "after 32.0 epochs" in words
    assert words.endswith(": not within this run of 10")


def test_who_does_not_tell_has_compiled_that_at_least() -> None:
    (words,) = lines(EAGER, entrant("jit", timing(0.5, None, 1.65)))
    assert "after at least 3.2 epochs" in words


def test_a_first_call_of_many_steps_is_no_compilation() -> None:
    """A whole epoch in one call takes an epoch; what it takes more is the beginning."""
    fused = entrant("fused", timing(0.5, 1.6, 0.5), steps_per_call=10)
    (words,) = lines(EAGER, fused)
    assert "after 3.2 epochs" in words


@pytest.mark.parametrize(
    ("one", "other", "verdict"),
    [
        pytest.param(EAGER, JIT, "no clear difference", id="not-clear"),
        pytest.param(EAGER, JIT, "machine busy: not judged", id="busy"),
        pytest.param(
            EAGER, entrant("jit", JIT.timing, backend="other"), "b is faster", id="of-another"
        ),
        pytest.param(
            EAGER, entrant("jit", JIT.timing, style="scratch"), "b is faster", id="other-style"
        ),
        pytest.param(
            EAGER, entrant("jit", timing(0.5, 0.0, 0.05)), "b is faster", id="begins-as-soon"
        ),
        pytest.param(
            entrant("jit", timing(1.0, None, 2.0)), entrant("fused", timing(0.5, None, 4.0)),
            "b is faster", id="neither-tells",
        ),
    ],
)  # fmt: skip
def test_nothing_is_said(one: EntrantResult, other: EntrantResult, verdict: str) -> None:
    assert lines(one, other, verdict) == []


def test_first_result() -> None:
    assert first_result(timing(1.0, 0.25, 0.125)) == 1.875
    assert first_result(timing(1.0, None, 0.125)) == 1.625
    assert first_result(timing(1.0, 0.25, None)) is None


def test_the_first_result_of_two_modes() -> None:
    words = "time to the first result (import, open, compile, first step): it:eager 1.6 s, it:jit "
    assert first_line([EAGER, JIT, entrant("jit", JIT.timing, backend="b")]) == f"{words}3.15 s"
    assert first_line([EAGER, EAGER]) == ""
