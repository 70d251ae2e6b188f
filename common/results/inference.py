"""What `infer` answers, as types; its schema is made of them, as that of results.json is."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from common.results.document import (
    NOT_COMPARED,
    UNFINISHED,
    Count,
    Environment,
    Mode,
    NotNegative,
    Positive,
    Sha256,
    SpeedWord,
    Status,
    Style,
    VerdictResult,
    Words,
)

SCHEMA_VERSION: Final = 1


class Asked(Struct, frozen=True, kw_only=True):
    """What is the same for every entrant.

    `weights` is where the parameters come from: a file, or the seed; `seconds` for how long each
    entrant was timed with each batch size in every round.
    """

    model: Words
    hidden: Count
    seed: Annotated[int, Meta(ge=0)]
    weights: Words
    weights_sha256: Sha256
    dataset: str | None
    resize: Count | None
    dtype: Words
    device: Words
    threads: Count
    batch_sizes: list[Count]
    rounds: Count
    turns: Count
    seconds: Positive


class Calls(Struct, frozen=True, kw_only=True):
    """Seconds of every call that counts: from an array of images to an array of logits.

    `turns` has the median of each turn, round by round, all of as many calls; `median` is theirs,
    with a 95 % interval, and the percentiles are of all calls: null where there are too few to
    have one, 20 for `p95` and 100 for `p99`. `disturbed` says of each turn whether something else
    used the machine.
    """

    calls: Count
    median: NotNegative
    low: NotNegative | None
    high: NotNegative | None
    p95: NotNegative | None
    p99: NotNegative | None
    min: NotNegative
    turns: list[list[NotNegative]]
    disturbed: list[list[bool]]


class Size(Struct, frozen=True, kw_only=True):
    """One entrant with batches of one size; `first_call_seconds` contains what is compiled."""

    batch_size: Count
    first_call_seconds: NotNegative | None
    verdict: VerdictResult
    seconds: Calls | None
    examples_per_second: NotNegative | None


class Inferrer(Struct, frozen=True, kw_only=True):
    """One row."""

    label: Words
    backend: Words
    style: Style
    mode: Mode
    notes: list[Words]
    status: Status
    reason: Words | None
    versions: dict[str, Words]
    settings: dict[str, Any]
    source_sha256: Sha256 | None
    import_seconds: NotNegative | None
    open_seconds: NotNegative | None
    sizes: list[Size]


class SizePair(Struct, frozen=True, kw_only=True):
    """Two entrants' times with one batch size: a's over b's, with a 95 % interval."""

    batch_size: Count
    a: Words
    b: Words
    ratio: NotNegative | None
    low: NotNegative | None
    high: NotNegative | None
    verdict: SpeedWord


class Inference(Struct, frozen=True, kw_only=True):
    """The whole answer.

    `rate` and `rate_after` are operations a second of a large product before the timing and after
    it; `warm_up_calls` are made at most before any call counts.
    """

    schema_version: Literal[1]
    asked: Asked
    environment: Environment
    warm_up_calls: Count
    criterion: Words
    entrants: list[Annotated[Inferrer, Meta(extra_json_schema=UNFINISHED)]]
    comparisons: list[Annotated[SizePair, Meta(extra_json_schema=NOT_COMPARED)]]
    rate: Positive | None = None
    rate_after: Positive | None = None

    def exit_code(self) -> int:
        """0 agree, 1 some differ, 3 some did not finish."""
        if any(one.status != "ok" for one in self.entrants):
            return 3
        verdicts = [size.verdict.verdict for one in self.entrants for size in one.sizes]
        return int("differs" in verdicts)
