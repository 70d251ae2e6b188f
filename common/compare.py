"""Train one model in several frameworks, from Python."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from common.ask.resume import read_asked
from common.ask.run import Watching, run
from common.ask.settings import Settings, several
from common.shown.notebook import Comparison, Curves
from common.shown.progress import Silent


def compare(
    backends: str | Sequence[str] | None = None,
    *,
    backend_path: str | Path | None = None,
    style: str = "concise",
    mix: str | Sequence[str] = (),
    model: str = "softmax",
    mode: str | None = None,
    data: str = "memory",
    epochs: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    optimizer: str = "sgd",
    momentum: float | None = None,
    weight_decay: float = 0.0,
    betas: tuple[float, float] | None = None,
    eps: float | None = None,
    alpha: float | None = None,
    schedule: str = "constant",
    warm_up: int = 0,
    nesterov: bool = False,
    clip_norm: float | None = None,
    clip_value: float | None = None,
    label_smoothing: float = 0.0,
    class_weights: str | Sequence[float] | None = None,
    hidden: int = 256,
    seed: int = 0,
    init: str = "book",
    dtype: str = "float32",
    dataset: str = "fashion-mnist",
    data_dir: str | Path | None = None,
    custom_data: bool = False,
    resize: int | None = None,
    limit: int | None = None,
    drop_last: bool = False,
    device: str = "cpu",
    threads: int | None = None,
    workers: int = 0,
    timeout: float = 600.0,
    python: str | Sequence[str] = (),
    check: str = "full",
    check_seconds: float | None = None,
    no_band: bool = False,
    check_float64: bool = False,
    rounds: int = 1,
    wait_quiet: float = 0.0,
    start_alone: bool = False,
    resume: str | Path | None = None,
    out: str | Path | None = None,
    force: bool = False,
    quiet: bool = False,
    no_progress: bool = False,
) -> Comparison:
    """Train one model in several frameworks, on the same batches from the same weights.

    In a notebook the curves grow while it runs.

    Args:
        backends: entrants as on the command line: `["torch", "jax:fused"]`; None for all there are.
        backend_path: folder with further backends.
        style, mode, data: for entrants that do not say: "concise" or "scratch"; "eager", "jit" or
            "fused", None for each framework's usual one; "memory" or "loader".
        mix: one more entrant each, of components of several frameworks: `["loss=torch"]`.
        model: "linear", "softmax", "mlp", "lenet", "lenet_bn", "resnet", "gru", "lstm" or
            "attention".
        epochs, batch_size, lr: None for the model's usual ones.
        optimizer, momentum, weight_decay, betas, eps, alpha: "sgd", "momentum", "adam", "adamw",
            "rmsprop" or "adagrad"; None for its usual settings.
        schedule, warm_up: of the learning rate over the whole run: "constant", "step", "linear" or
            "cosine"; so many steps in which it rises.
        nesterov: Nesterov's momentum.
        clip_norm, clip_value: what is left of the gradients: of their norm, or of each number.
        label_smoothing: the share of a label's chance that all classes get.
        class_weights: one for each class, or "balanced": what makes every class count alike.
        hidden: width of the MLP.
        seed: of the initial weights and the orders.
        init: whose law draws the weights: "book" for all, or "framework": each its own.
        dtype: "float32" or "float64", or where it is had "bfloat16" or "tfloat32".
        dataset: "fashion-mnist", "mnist", "kmnist", "emnist-letters" or "cifar10".
        data_dir: folder with its files; with `custom_data` any data of your own, see docs/data.md.
        resize, limit: side in pixels; the first examples only.
        drop_last: leave the short batch out.
        device, threads, workers: "cpu" or "cuda"; cores for each entrant, None for all; loader
            workers.
        timeout: seconds one call may take.
        python: another interpreter each: `["jax=/opt/jax/bin/python"]`.
        check, check_seconds: "full", "quick" or "none"; how long it may take, None for as long as
            the training took, at least ten seconds.
        no_band: skip the nudged runs.
        check_float64: train everybody once more in float64.
        rounds: how often the whole training is repeated.
        wait_quiet: how many seconds to wait at most for a quiet machine.
        start_alone: start one entrant after the other, so that each start is timed by itself.
        resume: the folder of a run that did not end: it is finished as it was asked, and nothing
            else may be said but how it is shown and checked.
        out: the result folder; None for a new one in `runs/`.
        force: replace an old run's files in `out`.
        quiet, no_progress: show no curves while it runs.

    Returns:
        what came out; the same is in its `folder`.

    Raises:
        Refused: the request cannot be run as it stands.
        KeyboardInterrupt: Ctrl-C; what finished is saved in the folder that its words name.
    """
    settings = Settings(
        backends=None if backends is None else several(backends),
        backend_path=_path(backend_path), style=style, mix=several(mix), model=model, mode=mode,
        data=data, epochs=epochs, batch_size=batch_size, lr=lr, optimizer=optimizer,
        momentum=momentum, weight_decay=weight_decay, betas=betas, eps=eps, alpha=alpha,
        schedule=schedule, warm_up=warm_up, nesterov=nesterov, clip_norm=clip_norm,
        clip_value=clip_value, label_smoothing=label_smoothing,
        class_weights=class_weights if class_weights is None else several(class_weights),
        hidden=hidden, seed=seed, init=init, dtype=dtype, dataset=dataset,
        data_dir=_path(data_dir),
        custom_data=custom_data, resize=resize, limit=limit, drop_last=drop_last, device=device,
        threads=threads, workers=workers, timeout=timeout, python=several(python),
        check=check, check_seconds=check_seconds, no_band=no_band, check_float64=check_float64,
        rounds=rounds, wait_quiet=wait_quiet, start_alone=start_alone, resume=_path(resume),
        out=_path(out), force=force, quiet=quiet, no_progress=no_progress,
    )  # fmt: skip
    request, kept = read_asked(settings)
    watching: Watching = nullcontext(Silent()) if settings.silent else Curves(request.records)
    outcome = run(request, watching, kept=kept)
    if outcome.results.error is not None:
        raise outcome.results.error  # what was trained is saved
    if outcome.results.interrupted:
        raise KeyboardInterrupt(f"what finished is saved in {outcome.folder}")
    return Comparison(outcome.folder)


def _path(path: str | Path | None) -> Path | None:
    return None if path is None else Path(path)
