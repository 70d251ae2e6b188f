"""The command that repeats a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from common.contract.entrant import STOCK
from common.contract.info import MIXED

# ---- the rest ------------------------------------------------------------------------------


def command(found: Mapping[str, Any]) -> str:
    """The command line that makes this run again."""
    plan = found["plan"]
    words = ["python compare.py --backends"]
    words += [in_full(entrant) for entrant in found["entrants"] if entrant["backend"] != MIXED]
    for entrant in found["entrants"]:
        if entrant["backend"] == MIXED:
            words.append(f"--mix {entrant['label'].removeprefix('mix(').removesuffix(')')}")
            words.append(f"--style {entrant['style']}")
    for name in (
        "model", "epochs", "batch_size", "lr", "optimizer", "seed", "dtype", "device", "threads",
        "rounds",
    ):  # fmt: skip
        words.append(f"--{name.replace('_', '-')} {plan[name]}")
    if plan["optimizer"] == "momentum" or plan["momentum"]:
        words.append(f"--momentum {plan['momentum']}")
    if plan["optimizer"].startswith("adam"):
        words.append(f"--betas {plan['betas'][0]} {plan['betas'][1]} --eps {plan['eps']}")
    if plan["weight_decay"]:
        words.append(f"--weight-decay {plan['weight_decay']}")
    if plan["model"] == "mlp":
        words.append(f"--hidden {plan['hidden']}")
    for name in ("limit", "resize"):
        if plan[name] is not None:
            words.append(f"--{name} {plan[name]}")
    if plan["drop_last"]:
        words.append("--drop-last")
    if plan["workers"]:
        words.append(f"--workers {plan['workers']}")
    if found["data"]["name"] == "custom":
        words.append("--custom-data --data-dir FOLDER")
    if any(one.get("float64_drift") is not None for one in found["parity"]["entrants"].values()):
        words.append("--check-float64")
    return " ".join(words)


def in_full(entrant: Mapping[str, Any]) -> str:
    """An entrant with every choice that was made for it, whatever its label leaves out."""
    choices = [entrant["style"], entrant["mode"], entrant["data"]]
    asked = entrant["label"].partition("#")[0].partition(":")[2].split(",")
    return f"{entrant['backend']}:{','.join(choices + [w for w in asked if w == STOCK])}"
