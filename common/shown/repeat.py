"""The command that repeats a run."""

from __future__ import annotations

import shlex

from common.contract.entrant import CHOICES, mix_of, words_of
from common.contract.info import MIXED
from common.contract.optimizers import OPTIMIZERS
from common.contract.plan import Plan
from common.results.document import Document, EntrantResult


def command(found: Document) -> str:
    """The command line that makes this run again, as a shell takes it."""
    return shlex.join(
        ["python", "compare.py", *who(found), *trained(found.plan), *how(found), *data(found)]
    )


def who(found: Document) -> list[str]:
    """The options that name the entrants."""
    mixed = [entrant for entrant in found.entrants if entrant.backend == MIXED]
    words = ["--backends"]
    words += [in_full(entrant) for entrant in found.entrants if entrant not in mixed]
    for entrant in mixed:
        words += ["--mix", mix_of(entrant.label)]
    if mixed:
        words += ["--style", found.options.style]
    if found.options.backend_path is not None:
        words += ["--backend-path", found.options.backend_path]
    for backend, path in found.options.python.items():
        words += ["--python", f"{backend}={path}"]
    return words


def in_full(entrant: EntrantResult) -> str:
    """An entrant with every choice that was made for it, whatever its label leaves out."""
    choices = [entrant.style, entrant.mode, entrant.data]
    others = [word for word in words_of(entrant.label) if word not in CHOICES]
    return f"{entrant.backend}:{','.join(choices + others)}"


def trained(plan: Plan) -> list[str]:
    """The options that make the plan."""
    always = (
        "model", "epochs", "batch_size", "optimizer", "hidden", "seed", "dtype", "device",
        "threads", "workers", "rounds", "schedule", "warm_up", "init",
        "label_smoothing",
    )  # fmt: skip
    told = OPTIMIZERS[plan.optimizer].told if plan.optimizer in OPTIMIZERS else ()
    maybe = ("limit", "resize", "dataset", "clip_norm", "clip_value", "class_weights")
    given = [name for name in maybe if getattr(plan, name) is not None]
    words = []
    for name in [*always, *told, *given]:
        value = getattr(plan, name)
        values = value if isinstance(value, tuple) else (value,)
        words += [f"--{name.replace('_', '-')}", *map(str, values)]
    words += ["--nesterov"] if plan.nesterov else []
    return [*words, *(["--drop-last"] if plan.drop_last else [])]


def how(found: Document) -> list[str]:
    """The options that say what is checked, and how long a call may take."""
    options = found.options
    drifts = [verdict.float64_drift for verdict in found.parity.entrants.values()]
    words = ["--timeout", f"{options.timeout:g}"]
    if options.check != "full":
        words += ["--check", options.check]
    if options.check_seconds is not None:
        words += ["--check-seconds", f"{options.check_seconds:g}"]
    words += ["--no-band"] if options.no_band else []
    words += ["--start-alone"] if options.start_alone else []
    # Earlier results do not say what was asked for; a drift says it all the same.
    if options.check_float64 or any(drift is not None for drift in drifts):
        words.append("--check-float64")
    return words


def data(found: Document) -> list[str]:
    """The options that say where the data are."""
    options = found.options
    custom = options.custom_data or found.data.name == "custom"
    folder = options.data_dir or ("FOLDER" if custom else None)
    words = ["--custom-data"] if custom else []
    return words + (["--data-dir", folder] if folder else [])
