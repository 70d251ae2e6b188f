"""What an entrant answers, read where it arrives.

A backend may be somebody's own, and answer anything. Every reader returns its answer in the type
that `Session` promises, or raises `Failed` with one line: the field, what came, what was expected.
What is well formed and yet another tensor than it should be is for the judge to tell.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import numpy as np

from common.contract.arrays import Array, Arrays
from common.entrants.session import Evaluated, Inferred, Opened, Trained, WarmedUp
from common.errors import ENTRANT_ERRORS, EntrantError, Failed

Reader = Callable[[str, Any], Any]
Answer = TypeVar("Answer", Opened, WarmedUp, Trained, Inferred, Evaluated)

#: Integers that every reader of results.json can hold.
LARGEST = 2**63 - 1

#: Nesting and length of what a framework says of itself.
DEEPEST, LONGEST = 8, 2**16

#: Bytes of a real number that files and other frameworks can hold.
WIDTHS = (2, 4, 8)


def malformed(where: str, value: Any, wanted: str) -> Failed:
    """The error for an answer of another kind than promised."""
    return Failed(f"its answer to {where} is {told(value)}, not {wanted}; see its backend's code")


def told(value: Any) -> str:
    """A value in a few words that any terminal and file can hold."""
    if isinstance(value, np.ndarray):
        return f"an array {value.dtype} {value.shape}"
    if value is None or isinstance(value, (bool, int, float, complex, str)):
        words = ascii(value)
        return words if len(words) <= 40 else f"{words[:40]}..."
    size = f" of {len(value)}" if isinstance(value, (list, tuple, dict)) else ""
    return f"{type(value).__name__}{size}"


def error(call: str, answer: Any) -> EntrantError | None:
    """The error that a worker answered, if it did."""
    if not isinstance(answer, dict) or "error" not in answer:
        return None
    kind, words = several(call, answer["error"], text, printable)
    if kind not in ENTRANT_ERRORS:
        raise malformed(call, kind, "an error that an entrant can have")
    return ENTRANT_ERRORS[kind](words)


def value(call: str, answer: Any) -> Any:
    """What a worker answered otherwise."""
    if not isinstance(answer, dict) or set(answer) != {"value"}:
        raise malformed(call, answer, "a value or an error")
    return answer["value"]


def printable(where: str, value: Any) -> str:
    """The words of an error, which may quote anything."""
    if not isinstance(value, str):
        raise malformed(where, value, "words")
    return value[:LONGEST].encode("utf-8", "backslashreplace").decode()


def read(kind: type[Answer], call: str, value: Any) -> Answer:
    """Read an answer of several fields: each of them, and no other."""
    found = vars(value) if is_dataclass(value) else value
    names = [field.name for field in fields(kind)]
    if not isinstance(found, dict):
        raise malformed(call, value, ", ".join(names))
    require_names(call, found, names)
    readers = FIELDS[kind]
    return kind(**{name: readers[name](f"{call}, {name},", found[name]) for name in names})


def require_names(where: str, found: Mapping[Any, Any], names: Collection[str]) -> None:
    """Refuse a name too many, or one too few."""
    for what, others in (("lacks", set(names) - set(found)), ("adds", set(found) - set(names))):
        if others:
            words = told(", ".join(sorted(map(str, others))))
            raise Failed(f"its answer to {where} {what} {words}; it needs {', '.join(names)}")


def number(where: str, value: Any) -> float:
    """A real number, which may be infinite or NaN: a loss."""
    if not isinstance(value, (int, float, np.integer, np.floating)) or isinstance(value, bool):
        raise malformed(where, value, "a number")
    if isinstance(value, int) and abs(value) > LARGEST:
        raise malformed(where, value, "a number of 64 bits")
    return float(value)


def duration(where: str, value: Any) -> float:
    """Seconds, none of them possible."""
    found = number(where, value)
    if not (math.isfinite(found) and found >= 0):
        raise malformed(where, value, "seconds: finite and not below zero")
    return found


def seconds(where: str, value: Any) -> float:
    """Seconds of something that was done."""
    found = duration(where, value)
    if found == 0:
        raise malformed(where, value, "seconds above zero")
    return found


def count(where: str, value: Any) -> int:
    """An integer that is not negative."""
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool):
        raise malformed(where, value, "an integer")
    if not 0 <= value <= LARGEST:
        raise malformed(where, value, "a count: 0 or more, in 64 bits")
    return int(value)


def steps(where: str, value: Any) -> int:
    """How many steps: one at least."""
    found = count(where, value)
    if found == 0:
        raise malformed(where, value, "a number of steps: 1 or more")
    return found


def optional(reader: Reader) -> Reader:
    """The same, or None."""
    return lambda where, value: None if value is None else reader(where, value)


def text(where: str, value: Any) -> str:
    """Words that can be written as UTF-8, which a lone surrogate cannot."""
    if not isinstance(value, str):
        raise malformed(where, value, "words")
    lone = any("\ud800" <= character < "\ue000" for character in value)
    if lone or len(value) > LONGEST:
        raise malformed(where, value, f"words of UTF-8, {LONGEST} at most")
    return value


def digest(where: str, value: Any) -> str:
    """A SHA-256, in hexadecimal digits."""
    if len(text(where, value)) != 64 or set(value) - set("0123456789abcdef"):
        raise malformed(where, value, "a SHA-256 of 64 hexadecimal digits")
    return str(value)


def table(reader: Reader) -> Callable[[str, Any], dict[str, Any]]:
    """Words -> whatever a reader reads."""

    def entries(where: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping) or len(value) > LONGEST:
            raise malformed(where, value, "a table of values by name")
        return {text(where, key): reader(f"{where} {key}", one) for key, one in value.items()}

    return entries


def plain(where: str, value: Any, depth: int = 0) -> Any:
    """What JSON can hold: words, finite numbers, booleans, None, lists and tables of them."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return text(where, value)
    if isinstance(value, int) and abs(value) <= LARGEST:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if depth < DEEPEST and isinstance(value, (list, tuple)) and len(value) <= LONGEST:
        return [plain(where, one, depth + 1) for one in value]
    if depth < DEEPEST and isinstance(value, dict):
        return table(lambda at, one: plain(at, one, depth + 1))(where, value)
    raise malformed(where, value, "words, finite numbers, or lists and tables of them")


def array(kinds: str, wanted: str) -> Callable[[str, Any], Array]:
    """An array of some kinds of numbers, of any shape, in this machine's byte order."""

    def found(where: str, value: Any) -> Array:
        if not isinstance(value, np.ndarray) or value.dtype.kind not in kinds:
            raise malformed(where, value, wanted)
        if value.dtype.kind == "f" and value.dtype.itemsize not in WIDTHS:
            raise malformed(where, value, f"{wanted} of 16, 32 or 64 bits")
        return value.astype(value.dtype.newbyteorder("="), copy=False)

    return found


real = array("f", "an array of real numbers")
numbers = array("fiu", "an array of numbers")
integers = array("iu", "an array of integers")
tensors: Callable[[str, Any], Arrays] = table(real)
memory: Callable[[str, Any], Arrays] = table(numbers)


def vector(reader: Callable[[str, Any], Array]) -> Callable[[str, Any], Array]:
    """An array of one dimension."""

    def found(where: str, value: Any) -> Array:
        one = reader(where, value)
        if one.ndim != 1:
            raise malformed(where, value, "of one dimension")
        return one

    return found


def several(where: str, value: Any, *readers: Reader) -> tuple[Any, ...]:
    """As many values as there are readers."""
    if not isinstance(value, (list, tuple)) or len(value) != len(readers):
        raise malformed(where, value, f"{len(readers)} values")
    return tuple(
        reader(f"{where}, part {position},", one)
        for position, (reader, one) in enumerate(zip(readers, value, strict=True), 1)
    )


def trained(value: Any, examples: int) -> Trained:
    """The answer to `train`: a loss and a count for every step, and no more than examples."""
    found = read(Trained, "train", value)
    if not 0 < len(found.losses) == len(found.counts) <= examples:
        sizes = f"{len(found.losses)} losses and {len(found.counts)} counts"
        raise Failed(f"its answer to train has {sizes} for {examples} examples, not one a step")
    return found


def inferred(value: Any, calls: int) -> Inferred:
    """The answer to `infer`: seconds above zero of each call, of one at least and no more."""
    found = read(Inferred, "infer", value)
    if not 0 < len(found.seconds) <= calls:
        raise Failed(f"its answer to infer has seconds of {len(found.seconds)} calls of {calls}")
    for one in found.seconds.tolist():
        seconds("infer, seconds,", one)
    return found


def params(call: str, value: Any, begun: Mapping[str, Array]) -> Arrays:
    """The answer to `params` or `initial`: the names and shapes that training begins with."""
    found = tensors(call, value)
    require_names(call, found, begun)
    for name, right in begun.items():
        if found[name].shape != right.shape:
            raise malformed(f"{call}, {name},", found[name], f"of shape {right.shape}")
    return found


FIELDS: dict[type, dict[str, Reader]] = {
    Opened: {
        "versions": table(text),
        "settings": table(plain),
        "import_seconds": duration,
        "open_seconds": duration,
        "framework_memory_bytes": optional(count),
    },
    WarmedUp: {"first_step_seconds": duration, "compile_seconds": optional(duration)},
    Trained: {
        "losses": vector(real),
        "counts": vector(integers),
        "seconds": seconds,
        "data_seconds": optional(duration),
        "cpu_seconds": optional(duration),
        "steps_per_call": steps,
        "peak_memory_bytes": optional(count),
    },
    Inferred: {"seconds": vector(real), "cpu_seconds": optional(duration)},
    Evaluated: {"loss": number, "count": count, "seconds": seconds},
}
