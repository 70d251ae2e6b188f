"""results.json as types: written through them, read through them, its schema made of them.

Within a `schema_version` fields may be added, and get a default here so that older files are read;
unknown ones are passed over. Renaming or removing one needs a new version. Numbers that JSON has no
place for, NaN and infinities, are written as null.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct, field

from common.contract.info import CHECKS, DATA_CHOICES, DTYPES, MODES, STYLES
from common.contract.inputs import Inputs
from common.contract.plan import Plan
from common.measure.quiet import BUSY, many, moved

SCHEMA_VERSION: Final = 1

Words = Annotated[str, Meta(min_length=1)]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", description="hexadecimal, lower case")]
Commit = Annotated[str, Meta(pattern="^[0-9a-f]{40}([0-9a-f]{24})?$")]
#: Part of a file's name, so that no path can leave the result folder.
Slug = Annotated[str, Meta(pattern="^[A-Za-z0-9.-]+$")]
Count = Annotated[int, Meta(ge=1)]
Natural = Annotated[int, Meta(ge=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Positive = Annotated[float, Meta(gt=0)]
Share = Annotated[float, Meta(ge=0, le=1, description="0 to 1")]


def one_of(words: Iterable[str]) -> Meta:
    """That a string is one of these words."""
    return Meta(pattern=f"^({'|'.join(words)})$")


Style = Annotated[str, one_of(STYLES)]
Mode = Annotated[str, one_of(MODES)]
DataChoice = Annotated[str, one_of(DATA_CHOICES)]
Status = Annotated[
    str,
    one_of(("ok", "unavailable", "failed", "killed", "timeout", "diverged", "interrupted")),
]
VerdictWord = Annotated[
    str, one_of(("identical", "rounding", "declared", "differs", "not checked"))
]
SpeedWord = Annotated[
    str, one_of(("a is faster", "b is faster", "no clear difference", "not compared", BUSY))
]


def implies(
    premise: dict[str, Any], then: dict[str, Any], otherwise: dict[str, Any] | None = None
) -> dict[str, Any]:
    """A condition among an object's fields, for the schema only."""
    rule: dict[str, Any] = {"if": {"properties": premise}, "then": {"properties": then}}
    return rule | ({"else": {"properties": otherwise}} if otherwise else {})


NULL, NUMBER, TEXT = {"type": "null"}, {"type": "number"}, {"type": "string"}


class Line(Struct, frozen=True, kw_only=True):
    """What `linear` is to learn, or learnt."""

    weight: Annotated[list[float], Meta(min_length=1)]
    bias: float


class Environment(Struct, frozen=True, kw_only=True):
    """Where a run took place; `packages` are the parent's own.

    `busy` is whether others used the machine right before the training; `beside` is another run of
    the same user's that was at work when this one began; `starting` is how many entrants started at
    a time.
    """

    python: Words
    platform: Words
    cpu: str
    cores: Count
    memory_bytes: Count
    packages: dict[str, Words]
    commit: Commit | None
    busy: bool | None = None
    beside: Words | None = None
    starting: Count | None = None


class Data(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was trained on; `sha256` has each file's digest, of the uncompressed bytes."""

    name: Words
    source: Words
    train_examples: Count
    test_examples: Natural
    sha256: dict[str, Sha256]
    order_sha256: Sha256
    initial_sha256: Sha256
    true: Line | None = None
    least_squares: Line | None = None
    inputs: Inputs | None = None
    classes: list[Words] = []
    notes: list[Words] = []


class Epoch(Struct, frozen=True, kw_only=True):
    """One epoch of an entrant's first round."""

    epoch: Count
    train_loss: float | None
    train_accuracy: Share | None
    test_loss: float | None
    test_accuracy: Share | None
    train_seconds: NotNegative
    data_seconds: NotNegative | None
    eval_seconds: NotNegative | None


class EpochSeconds(Struct, frozen=True, kw_only=True):
    """Steady epochs of all rounds, and which of them something else disturbed."""

    median: NotNegative | None
    low: NotNegative | None
    high: NotNegative | None
    min: NotNegative | None
    all: list[NotNegative]
    disturbed: list[bool] = []
    #: how many of them each round has; none told: one round has them all
    rounds: list[Count] = []

    def __post_init__(self) -> None:
        """Hold together what is told of the epochs in two places."""
        if self.rounds and sum(self.rounds) != len(self.all):
            raise ValueError(f"rounds of {sum(self.rounds)} epochs have {len(self.all)}")

    def by_round(self) -> list[list[float]]:
        """The epochs of each round."""
        ends = list(accumulate(self.rounds or [len(self.all)]))
        return [self.all[end - n : end] for end, n in zip(ends, self.rounds or ends, strict=True)]


#: Without epochs there is no median, and under three no interval.
SUMMARY = {
    "allOf": [
        implies(
            {"all": {"maxItems": 0}},
            dict.fromkeys(("median", "low", "high", "min"), NULL),
            dict.fromkeys(("median", "min"), NUMBER),
        ),
        implies(
            {"all": {"maxItems": 2}},
            dict.fromkeys(("low", "high"), NULL),
            dict.fromkeys(("low", "high"), NUMBER),
        ),
    ]
}


class Timing(Struct, frozen=True, kw_only=True):
    """What an entrant took; `times_limit` is its median over the machine's least time."""

    import_seconds: NotNegative | None
    open_seconds: NotNegative | None
    compile_seconds: NotNegative | None
    first_step_seconds: NotNegative | None
    epoch_seconds: Annotated[EpochSeconds, Meta(extra_json_schema=SUMMARY)]
    examples_per_second: NotNegative | None
    component_seconds: dict[str, NotNegative] = {}
    times_limit: NotNegative | None = None
    cores_used: NotNegative | None = None


class Round(Struct, frozen=True, kw_only=True):
    """What one worker process trained: a round, or of one that was taken up a part."""

    process: Annotated[int, Meta(ge=0)]
    epoch_seconds: list[NotNegative]
    disturbed: list[bool]


class EntrantResult(Struct, frozen=True, kw_only=True):
    """One row of a run."""

    label: Words
    slug: Slug
    backend: Words
    style: Style
    mode: Mode
    data: DataChoice
    notes: list[Words]
    status: Status
    reason: Words | None
    versions: dict[str, Words]
    device: Words
    threads: Count
    settings: dict[str, Any]
    steps_per_call: Count
    batches_sha256: Sha256 | None
    source_sha256: Sha256 | None
    epochs: list[Epoch]
    step_losses: list[float | None]
    timing: Timing
    peak_memory_bytes: Count | None
    learnt: Line | None
    true: Line | None
    framework_memory_bytes: Count | None = None
    resumed_epochs: list[Count] = []
    rounds: list[Round] = []


class Distribution(Struct, frozen=True, kw_only=True):
    """Of the numbers of a tensor."""

    mean: float
    deviation: NotNegative
    low: float
    high: float


class Draws(Struct, frozen=True, kw_only=True):
    """How probable it is, p, that two entrants' draws of one law are so far apart."""

    a: Words
    b: Words
    p: Share


class Start(Struct, frozen=True, kw_only=True):
    """How an initial tensor is distributed in every entrant that drew its own."""

    name: Words
    entrants: dict[str, Distribution]
    pairs: list[Draws]


class FirstDifference(Struct, frozen=True, kw_only=True):
    """The first value that no rounding explains; `unit` is what was run."""

    step: Count
    stage: Words
    tensor: Words
    index: list[Natural]
    value: float | None
    referee: float | None
    likely_cause: Words | None
    unit: Words | None = None


class ComponentCheck(Struct, frozen=True, kw_only=True):
    """One tensor of a component, from equal inputs.

    `error` is the largest |entrant - referee|, `ulps` the same in units in the last place of the
    tensor's largest value, `relative` over that value; `own_...` are of the run's own arithmetic.
    """

    step: Count
    stage: Words
    unit: Words
    compiled: bool
    tensor: Words
    error: NotNegative | None
    ulps: NotNegative | None
    relative: NotNegative | None
    own_error: NotNegative | None
    own_ulps: NotNegative | None
    right: bool


class VerdictResult(Struct, frozen=True, kw_only=True):
    """What is said of one entrant; `seconds` is what checking its components took.

    `held_steps` is null where the noise band could tell something of every step's loss, or was not
    needed. `referee_losses` are those of a referee that began as this entrant alone did.
    """

    verdict: VerdictWord
    identical_to: Words | None
    max_abs_loss_difference: NotNegative | None
    noise_band: NotNegative | None
    criterion: Words
    prediction_agreement: Share | None
    first_difference: FirstDifference | None
    reason: Words | None = None
    exp_error: NotNegative = 0.0
    held_steps: Natural | None = None
    float64_drift: NotNegative | None = None
    float64_failed: Words | None = None
    components: list[ComponentCheck] = []
    seconds: NotNegative = 0.0
    referee_losses: list[float | None] = []


IDENTICAL = implies({"verdict": {"const": "identical"}}, {"identical_to": TEXT})


class Parity(Struct, frozen=True, kw_only=True):
    """The referee, its loss at every step, what each kind of check took, and what was found.

    `left_out` has in words which checks there was no time for.
    """

    referee: Words
    entrants: dict[str, Annotated[VerdictResult, Meta(extra_json_schema=IDENTICAL)]]
    referee_losses: list[float | None] = []
    seconds: dict[str, NotNegative] = {}
    left_out: list[Words] = []


class Pair(Struct, frozen=True, kw_only=True):
    """Two entrants' times compared: a's over b's, with a 95 % interval.

    `reads_files` is the one of them that reads files while the other has arrays in memory, and
    `waiting_share` how much of its time it waited for them, without the very first epoch.
    """

    a: Words
    b: Words
    ratio: NotNegative | None
    low: NotNegative | None
    high: NotNegative | None
    prediction_agreement: Share | None
    verdict: SpeedWord
    reads_files: Words | None = None
    waiting_share: Share | None = None


class Limit(Struct, frozen=True, kw_only=True):
    """What the machine could do on an epoch at best; its rate was measured again after training."""

    flops: Positive
    bytes: Positive
    flops_per_second: Positive
    bytes_per_second: Positive
    seconds: Positive
    flops_per_second_after: Positive | None = None


class Options(Struct, frozen=True, kw_only=True):
    """What the command line asked for besides the plan and the entrants' own choices.

    `style` is of the mixed entrants' components that do not say; `python` has the interpreters of
    backends that do not run in this one.
    """

    style: Style = "concise"
    backend_path: str | None = None
    python: dict[str, str] = {}
    timeout: Positive = 600.0
    no_band: bool = False
    check: Annotated[str, one_of(CHECKS)] = "full"
    check_seconds: Positive | None = None
    check_float64: bool = False
    start_alone: bool = False
    data_dir: str | None = None
    custom_data: bool = False


UNFINISHED = implies({"status": {"const": "ok"}}, {}, {"reason": TEXT})
NOT_COMPARED = implies(
    {"verdict": {"const": "not compared"}},
    dict.fromkeys(("ratio", "low", "high"), NULL),
    {"ratio": NUMBER},
)


class Document(Struct, frozen=True, kw_only=True):
    """results.json."""

    schema_version: Literal[1]
    plan: Plan
    environment: Environment
    data: Data
    entrants: list[Annotated[EntrantResult, Meta(extra_json_schema=UNFINISHED)]]
    parity: Parity
    comparisons: list[Annotated[Pair, Meta(extra_json_schema=NOT_COMPARED)]]
    limit: Limit | None = None
    interrupted: bool = False
    options: Options = field(default_factory=Options)
    starts: list[Start] = []

    def __post_init__(self) -> None:
        """Hold together what is told of one entrant in two places."""
        labels = [entrant.label for entrant in self.entrants]
        if len(set(labels)) < len(labels):
            raise ValueError("two entrants have one label")
        if lacking := [label for label in labels if label not in self.parity.entrants]:
            raise ValueError(f"entrant {lacking[0]!r} has no verdict in parity.entrants")
        if self.plan.dtype not in DTYPES:
            raise ValueError(f"plan.dtype is {self.plan.dtype!r}, not {' or '.join(DTYPES)}")

    def by_label(self) -> dict[str, EntrantResult]:
        """The entrants."""
        return {entrant.label: entrant for entrant in self.entrants}

    def verdict(self, entrant: EntrantResult) -> VerdictResult:
        """What is said of an entrant."""
        return self.parity.entrants[entrant.label]

    def referee_losses(self, entrant: EntrantResult) -> list[float | None]:
        """The losses that an entrant's are held against, as many steps as there are."""
        return self.verdict(entrant).referee_losses or self.parity.referee_losses

    def moved(self) -> bool:
        """Whether the machine's own rate did while it trained."""
        limit = self.limit
        return limit is not None and moved(limit.flops_per_second, limit.flops_per_second_after)

    def was_busy(self, entrant: EntrantResult) -> bool:
        """Whether an entrant's times are not judged, because others used the machine."""
        beside = self.environment.beside is not None
        return self.moved() or beside or many(entrant.timing.epoch_seconds.disturbed)
