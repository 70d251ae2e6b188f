"""Parts of networks and their answers as plain values: for a pipe, for a folder.

Whoever writes them may be somebody else's process, so what comes is read as every answer is
(common/entrants/answers.py): in the type it should have, or one line says what came instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, TypeVar

from common.contract.arrays import Array
from common.contract.net import Answer, Asked, Call, Key, Leaf
from common.entrants.answers import (
    Reader,
    array,
    count,
    malformed,
    number,
    optional,
    require_names,
    several,
    table,
    text,
)

Part = TypeVar("Part", Leaf, Call, Asked, Answer)


def written(part: Leaf | Call | Asked | Answer) -> dict[str, Any]:
    """Its fields; what stands under keys of two becomes a list, as JSON has no such keys."""
    found = {}
    for field in fields(part):
        value = getattr(part, field.name)
        if FIELDS[type(part)][field.name] in (by_call, some_by_call):
            value = [[*key, list(one)] for key, one in value.items()]
        found[field.name] = value
    return found


def read(kind: type[Part], where: str, value: Any) -> Part:
    """A part or an answer, of its fields.

    Raises:
        Failed: it is none.
    """
    readers = FIELDS[kind]
    if not isinstance(value, Mapping):
        raise malformed(where, value, ", ".join(readers))
    require_names(where, value, readers)
    return kind(**{name: one(f"{where}, {name},", value[name]) for name, one in readers.items()})


def listed(reader: Reader) -> Callable[[str, Any], tuple[Any, ...]]:
    """As many values of a kind as there are."""

    def values(where: str, value: Any) -> tuple[Any, ...]:
        if not isinstance(value, (list, tuple)):
            raise malformed(where, value, "a list")
        return several(where, value, *[reader] * len(value))

    return values


def keyed(reader: Reader) -> Callable[[str, Any], Mapping[Key, Any]]:
    """Values of a kind, each behind the path and the number of a call."""

    def values(where: str, value: Any) -> Mapping[Key, Any]:
        rows = listed(lambda at, one: several(at, one, text, count, reader))(where, value)
        return {(path, call): one for path, call, one in rows}

    return values


def truth(where: str, value: Any) -> bool:
    """Yes or no."""
    if not isinstance(value, bool):
        raise malformed(where, value, "true or false")
    return value


def key(where: str, value: Any) -> Key:
    """The path and the number of a call."""
    path, call = several(where, value, text, count)
    return path, call


tensor: Callable[[str, Any], Array] = array("fiub", "an array of numbers")
tensors = listed(tensor)
some = listed(optional(tensor))
by_call = keyed(tensors)
some_by_call = keyed(some)

FIELDS: dict[type, dict[str, Reader]] = {
    Leaf: {
        "name": text,
        "owners": listed(text),
        "kind": text,
        "value": tensor,
        "trained": truth,
    },
    Call: {"path": text, "number": count, "kind": text, "inputs": tensors, "outputs": tensors},
    Asked: {
        "values": table(tensor),
        "inputs": tensors,
        "part": optional(key),
        "given": some_by_call,
        "taps": listed(key),
        "train": truth,
        "cotangents": optional(some),
        "arrived_cotangents": some_by_call,
        "noise": optional(count),
        "exp_error": number,
    },
    Answer: {
        "outputs": tensors,
        "arrived": by_call,
        "buffers": table(tensor),
        "input_slopes": some,
        "slopes": table(tensor),
        "given_slopes": some_by_call,
        "unknown": table(count),
    },
}
