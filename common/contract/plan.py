"""What is the same for every entrant of a run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Plan:
    """What is the same for every entrant of a run.

    `dataset` is what `--dataset` named; None for synthetic data, and in results of before it was.
    """

    model: str
    optimizer: str
    lr: float
    momentum: float
    weight_decay: float
    epochs: int
    batch_size: int
    seed: int
    dtype: str
    device: str
    threads: int
    workers: int
    hidden: int
    drop_last: bool
    limit: int | None
    resize: int | None
    rounds: int
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    alpha: float = 0.99
    dataset: str | None = None
    schedule: str = "constant"
    warm_up: int = 0
    nesterov: bool = False
    clip_norm: float | None = None
    clip_value: float | None = None
    label_smoothing: float = 0.0
    class_weights: tuple[float, ...] | None = None
    init: str = "book"

    def asdict(self) -> dict[str, Any]:
        """Plain values, as they cross to a worker and into results.json."""
        return asdict(self)
