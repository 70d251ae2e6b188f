"""What cannot be compared at all, told in one line before anything is judged."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from common.contract.arrays import Array
from common.contract.labels import IGNORED
from common.contract.net import Call, Leaf, Net, Tensors
from common.contract.registry import find
from common.errors import Refused
from common.modules.matched import Matched
from common.modules.words import some


def refuse_class(who: str, given: Any) -> None:
    """Refuse a class where an instance is meant."""
    module = given[0] if isinstance(given, tuple) and given else given
    if inspect.isclass(module):
        raise Refused(
            f"the {who} is the class {module.__name__}; give an instance, {module.__name__}(...)"
        )


def refuse_float32_only(net: Net) -> None:
    """Refuse a reference of a framework that has no float64 throughout."""
    if not net.doubles:
        title = find()[net.framework].info.title
        others = [
            one.info.title for one in find().values() if one.info.modules and one.info.doubles
        ]
        raise Refused(
            f"{title} computes some operations in float32 whatever it is given; give "
            f"{' or '.join(others)} as the reference, and this as the port"
        )


def refuse_float64(net: Net, dtype: str) -> None:
    """Refuse a run in float64 of a port whose framework has no float64 throughout."""
    if dtype == "float64" and not net.doubles:
        title = find()[net.framework].info.title
        raise Refused(
            f"{title} computes some layers in float32 whatever it is given, and refuses others in "
            "float64; ask for float32, in which its rounding is held against the reference's "
            "float64"
        )


def refuse_inputs(names: Iterable[str], inputs: Tensors) -> None:
    """Refuse inputs without numbers, or with some that are none."""
    for name, one in zip(names, inputs, strict=True):
        if not one.size:
            raise Refused(f"{name} has shape {one.shape}: no example is in it; give some")
        refuse_missing(name, one)


def refuse_leaves(who: str, leaves: Sequence[Leaf]) -> None:
    """Refuse weights that are no real numbers; a buffer may hold infinity, as a mask does."""
    for leaf in leaves:
        name = f"{leaf.name} of the {who}"
        if leaf.value.dtype.kind not in "biuf":
            raise Refused(
                f"{name} has the dtype {leaf.value.dtype}; weights are compared in float32 and "
                "float64 only"
            )
        refuse_missing(name, leaf.value, infinite=leaf.trained)


def refuse_missing(name: str, array: Array, *, infinite: bool = True) -> None:
    """Refuse an array that holds NaN, or infinity."""
    if array.dtype.kind != "f":
        return
    wrong = ~np.isfinite(array) if infinite else np.isnan(array)
    if wrong.any():
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise Refused(f"{name} holds {array[at]} at {list(at)}; give finite numbers")


def refuse_tokens(calls: Iterable[Call], leaves: Iterable[Leaf]) -> None:
    """Refuse tokens that an embedding has no row for: some frameworks take another one's."""
    tables = {owner: one for one in leaves if one.value.ndim == 2 for owner in one.owners}
    for call in calls:
        if call.path in tables and len(call.inputs) == len(call.outputs) == 1:
            (tokens,), (rows,), table = call.inputs, call.outputs, tables[call.path].value
            looked_up = rows.shape == (*tokens.shape, table.shape[1])
            if tokens.dtype.kind in "iu" and looked_up and tokens.size:
                low, high = int(tokens.min()), int(tokens.max())
                if low < 0 or high >= len(table):
                    raise Refused(
                        f"{call.path or call.kind} has rows for the tokens 0 to "
                        f"{len(table) - 1}, and is given {low if low < 0 else high}"
                    )


def refuse_outputs(outputs: Tensors) -> None:
    """Refuse a network whose outputs have no slope."""
    if outputs and not any(one.dtype.kind == "f" for one in outputs):
        kinds = ", ".join(dict.fromkeys(one.dtype.name for one in outputs))
        raise Refused(
            f"the reference returns {kinds}, which has no slope; let both return the numbers "
            "before (logits instead of their argmax)"
        )


def refuse_only(matched: Matched, only: str) -> None:
    """Refuse a pattern that no layer's name has."""
    names = list(dict.fromkeys(mine[0] for mine, _ in matched.keys))
    if only != "*" and not any(fnmatchcase(name, only) for name in names):
        raise Refused(f"only={only!r} is the name of no layer; these are: {some(names)}")


def refuse_labels(labels: Array, outputs: Tensors) -> None:
    """Refuse labels that the usual loss would take for something else, or broadcast.

    Args:
        labels: integers are classes, floats are targets.
        outputs: of the reference.
    """
    if len(outputs) != 1:
        raise Refused(
            f"the reference returns {len(outputs)} tensors, and the usual loss takes one; give "
            "loss=, a function of (*outputs, labels)"
        )
    shape = outputs[0].shape
    if labels.dtype.kind == "f":
        if labels.shape != shape:
            raise Refused(
                f"labels are floats of shape {labels.shape}, the outputs have {shape}; give "
                "targets of that shape, integers if they are classes, or loss="
            )
        refuse_missing("labels", labels)
        return
    if labels.shape != shape[:-1]:
        words = "one-hot; give labels.argmax(-1)" if labels.shape == shape else "give that"
        if labels.shape == shape and shape[-1] == 1:
            words = "floats, if they are targets"
        raise Refused(
            f"labels are integers of shape {labels.shape}, classes of outputs {shape} have "
            f"{shape[:-1]}: {words}, or loss="
        )
    wrong = (labels != IGNORED) & ((labels < 0) | (labels >= shape[-1]))
    if wrong.any():
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise Refused(
            f"label {labels[at]} at {list(at)}: classes are the integers 0 to {shape[-1] - 1}, "
            f"{IGNORED} is ignored"
        )
    if (labels == IGNORED).all():
        raise Refused(f"all labels are {IGNORED}, which is ignored; give at least one class")
