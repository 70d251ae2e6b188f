"""A kit: what a judge asks of a reference, written down, so that its framework is not needed.

A folder of `kit.json` and safetensors, no pickle. Every array is kept once, under its SHA-256;
every question is known by the SHA-256 of what was asked, to the bit. Of a part of the network is
kept what is expected of it: the value in float64, and how far rounding may lead from it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from common.contract.arrays import Array, Arrays
from common.contract.net import Answer, Asked, Asking, Call, Key, Leaf, Net, Tensors
from common.contract.operations import Trace
from common.contract.registry import find
from common.entrants.answers import several
from common.errors import EntrantError, Refused
from common.modules.batch import Batch
from common.modules.design import shares_kept
from common.modules.expected import Expectation, UnaskedError, as_dtype
from common.modules.kept import Kept, Nobody, plain_name
from common.modules.plain import listed, read, some, tensor, tensors, written

SCHEMA_VERSION = 3

#: Bytes that are gathered before a file of arrays is written.
SHARD = 2**28

_ARRAY = "__array__"


class Origin(msgspec.Struct):
    """Who answered.

    Attributes:
        side: what the command line called it.
        mode: "eager" or "jit".
        versions: that it ran with.
    """

    side: str
    mode: str
    versions: dict[str, str]


class Document(msgspec.Struct):
    """kit.json.

    Attributes:
        schema_version: of this format.
        framework: of the reference.
        doubles: whether it computes in float64.
        side: who the reference was.
        settings: of the check that a port is to be held to.
        inputs, labels: of both, as references to arrays.
        leaves: of the reference.
        answers: SHA-256 of a question -> what came of it.
        parts: the questions about parts in order: which call, null for the whole, and its SHA-256.
        shares: of each running statistic: what it keeps of itself at a step of training.
        names: of the inputs, if the network is called with keywords.
    """

    schema_version: int
    framework: str
    doubles: bool
    side: Origin
    settings: dict[str, Any]
    inputs: list[Any]
    labels: Any
    leaves: list[Any]
    answers: dict[str, Any]
    parts: list[tuple[Key | None, str]]
    shares: dict[str, Any]
    names: tuple[str, ...] | None


class Writing:
    """The reference of a kit that is being written: asked as any other, and all is kept.

    Args:
        net: the reference.
        folder: of the kit; not there, or empty.
    """

    def __init__(self, net: Net, folder: Path) -> None:
        self._net, self._folder = net, folder
        self.framework, self.doubles = net.framework, net.doubles
        self._answers: dict[str, Any] = {}
        self._parts: list[tuple[Key | None, str]] = []
        self._shares: Arrays = {}
        self._kept: set[str] = set()
        self._gathered: Arrays = {}
        self._files = 0

    def __enter__(self) -> Self:
        """Write beside the folder, until all is there."""
        parent = self._folder.absolute().parent
        try:
            parent.mkdir(parents=True, exist_ok=True)
            self._beside = tempfile.mkdtemp(prefix=f".{self._folder.name}.", dir=parent)
            self._new = Path(self._beside) / "kit"
            self._new.mkdir()
        except OSError as cause:
            raise Refused(f"--write {self._folder} cannot be written: {cause.strerror}") from cause
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Leave nothing that is not whole."""
        shutil.rmtree(self._beside, ignore_errors=True)

    def finish(self, side: Origin, settings: Mapping[str, Any], batch: Batch, labels: Any) -> int:
        """Put the kit in its place; how many bytes it has."""
        found = Document(
            schema_version=SCHEMA_VERSION,
            framework=self.framework,
            doubles=self.doubles,
            side=side,
            settings=dict(settings),
            inputs=self._packed(list(batch.inputs)),
            labels=self._packed(labels),
            leaves=self._packed([written(leaf) for leaf in self.leaves()]),
            answers=self._answers,
            parts=self._parts,
            shares=self._packed(self._shares),
            names=batch.names,
        )
        self._write()
        (self._new / "kit.json").write_bytes(msgspec.json.encode(found))
        self._new.replace(self._folder)
        return sum(path.stat().st_size for path in self._folder.iterdir())

    def leaves(self) -> list[Leaf]:
        """As `Net.leaves`."""
        return self._net.leaves()

    def record(self, values: Arrays, inputs: Tensors, train: bool) -> tuple[list[Call], Tensors]:
        """As `Net.record`."""
        calls, outputs = self._net.record(values, inputs, train)
        question = asked_as("record", values, inputs, train)
        self._keep(question, [[written(call) for call in calls], outputs])
        return calls, outputs

    def run(self, asked: Asked) -> Answer:
        """As `Net.run`; nothing of it is kept, but what is expected of it."""
        return self._net.run(asked)

    def trace(self, values: Arrays, inputs: Tensors, train: bool) -> Trace:
        """As `Net.trace`: a kit keeps none."""
        return Trace()

    def source(self, path: str) -> str | None:
        """As `Net.source`; not kept."""
        return self._net.source(path)

    def expectation(self, asked: Asked, dtype: str, loss: Asking | None = None) -> Expectation:
        """What is expected of a part, or of its loss, all of it asked for now.

        Nobody knows which framework a port will be of: an exp may be off as far as the worst's.
        """
        exp_error = max(backend.info.exp_error for backend in find().values())
        found = Expectation(loss or self._net, asked, dtype, exp_error)
        rows = []
        for name, exact in found.exact.items():
            constant = name[0] == "arrived" and found.is_constant(name)
            row: list[Any] = [plain_name(name), exact, constant]
            if exact.dtype.kind == "f":
                noise = float(np.max(found.noise(name), initial=0.0))
                row += [rounded_up(found.sensitivity(name)), found.own[name], noise]
                if loss is None and asked.part is None and not asked.given and name[0] == "slope":
                    row.append(found.kinks(name))
            rows.append(row)
        question = asked_as("part", written(asked), dtype)
        if loss is None:
            self._parts.append((asked.part, question))
        self._keep(question, rows)
        self._keep_shares(asked, found)
        return found

    def _keep_shares(self, asked: Asked, found: Expectation) -> None:
        """What the running statistics of a layer keep of themselves: others' may be declared."""
        buffers = [
            str(name[1])
            for name, one in found.exact.items()
            if name[0] == "buffer" and one.dtype.kind == "f"
        ]
        if asked.part is not None and asked.train and buffers:
            forwards = replace(as_dtype(asked, "float64"), cotangents=None)
            self._shares |= shares_kept(self._net, forwards, buffers)

    def loss(
        self, function: Callable[..., Any] | None, outputs: Tensors, labels: Array
    ) -> tuple[Array, Tensors]:
        """As `Net.loss`."""
        value, slopes = self._net.loss(function, outputs, labels)
        self._keep(asked_as("loss", outputs, labels), [value, slopes])
        return value, slopes

    def _keep(self, question: str, answer: Any) -> None:
        if question not in self._answers:
            self._answers[question] = self._packed(answer)

    def _packed(self, value: Any) -> Any:
        """The same, every array kept and its place taken by its SHA-256."""

        def keep(array: Array) -> dict[str, str]:
            name = sha256(array)
            if name not in self._kept:
                self._kept.add(name)
                self._gathered[name] = np.array(array, order="C")
                if sum(one.nbytes for one in self._gathered.values()) >= SHARD:
                    self._write()
            return {_ARRAY: name}

        return with_arrays(value, keep)

    def _write(self) -> None:
        if self._gathered:
            path = self._new / f"arrays-{self._files}.safetensors"
            path.write_bytes(save(self._gathered))
            self._files, self._gathered = self._files + 1, {}


class KitNet:
    """The reference as a kit has it: answers what it was asked when that was written.

    Args:
        folder: of the kit.

    Raises:
        Refused: by every call, too: it is no kit, is damaged, or was not asked that.
    """

    #: Whether it may referee was asked when it was written.
    believed = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            text = (folder / "kit.json").read_bytes()
            self.document = msgspec.json.decode(text, type=Document)
            files = sorted(folder.glob("arrays-*.safetensors"))
            # Typed as anything: the library says no types of its own.
            self._files: list[Any] = [safe_open(path, "numpy") for path in files]
        except OSError as cause:
            raise Refused(f"{folder} is no kit: kit.json: {cause.strerror}") from cause
        except (msgspec.DecodeError, UnicodeDecodeError, SafetensorError) as cause:
            raise Refused(f"{folder} is no kit: {cause}") from cause
        version = self.document.schema_version
        if version != SCHEMA_VERSION:
            words = f"{folder} has schema_version {version}; this program reads {SCHEMA_VERSION}"
            raise Refused(words)
        self._where = {name: file for file in self._files for name in file.keys()}  # noqa: SIM118
        self.framework, self.doubles = self.document.framework, self.document.doubles
        self.inputs = self._read(tensors, "inputs", self.document.inputs)
        labels = self.document.labels
        self.labels = None if labels is None else self._read(tensor, "labels", labels)

    def leaves(self) -> list[Leaf]:
        """As `Net.leaves`."""
        leaves = listed(lambda where, value: read(Leaf, where, value))
        return list(self._read(leaves, "leaves", self.document.leaves))

    def record(self, values: Arrays, inputs: Tensors, train: bool) -> tuple[list[Call], Tensors]:
        """As `Net.record`."""
        calls = listed(lambda where, value: read(Call, where, value))
        answer = self._answer("the whole", asked_as("record", values, inputs, train))
        recorded, outputs = self._read(
            lambda where, value: several(where, value, calls, tensors), "record", answer
        )
        return list(recorded), outputs

    def run(self, asked: Asked) -> Answer:
        """As `Net.run`; a kit has none of that."""
        return Nobody().run(asked)

    def trace(self, values: Arrays, inputs: Tensors, train: bool) -> Trace:
        """As `Net.trace`: a kit keeps none."""
        return Trace()

    def source(self, path: str) -> str | None:
        """As `Net.source`: a kit holds no code."""
        return None

    def expectation(self, asked: Asked, dtype: str, loss: Asking | None = None) -> Expectation:
        """What is expected of a part, or of its loss."""
        words = "the whole" if asked.part is None else f"call {asked.part[1]} of {asked.part[0]}"
        if asked.given:
            words = f"the wiring of {len(asked.given)} layers"
        if loss is not None:
            words = "the loss"
        question = asked_as("part", written(asked), dtype)
        return Kept(asked, dtype, self.rows(words, question))

    def shares_kept(self, buffers: Iterable[str]) -> Arrays:
        """What running statistics keep of themselves."""
        shares = self.document.shares
        missing = [name for name in buffers if name not in shares]
        if missing:
            raise UnaskedError(f"{self.folder} does not say what {missing[0]} keeps of itself")
        return {name: self._read(tensor, name, shares[name]) for name in buffers}

    def rows(self, what: str, question: str) -> list[list[Any]]:
        """What is kept of a part: of each tensor its name, and what `Kept` reads."""
        found: list[list[Any]] = self._read(
            lambda where, value: value, what, self._answer(what, question)
        )
        return found

    def loss(
        self, function: Callable[..., Any] | None, outputs: Tensors, labels: Array
    ) -> tuple[Array, Tensors]:
        """As `Net.loss`."""
        answer = self._answer("the loss", asked_as("loss", outputs, labels))
        value, slopes = self._read(
            lambda where, value: several(where, value, tensor, some), "loss", answer
        )
        return value, slopes

    def _answer(self, what: str, question: str) -> Any:
        if question not in self.document.answers:
            raise UnaskedError(
                f"{self.folder} has no answer for {what} from these values: its reference was not "
                "asked that when it was written; check against the reference itself"
            )
        return self.document.answers[question]

    def _read(self, reader: Callable[[str, Any], Any], where: str, packed: Any) -> Any:
        """Read something that was packed, its arrays fetched."""
        try:
            return reader(where, without_references(packed, self._array))
        except EntrantError as cause:
            raise Refused(f"{self.folder} is damaged: {cause}") from cause

    def _array(self, name: str) -> Array:
        if name not in self._where:
            raise Refused(f"{self.folder} is damaged: array {name} is not there")
        found: Array = self._where[name].get_tensor(name)
        if sha256(found) != name:
            raise Refused(f"{self.folder} is damaged: array {name} has other bytes")
        return found


def rounded_up(array: Array) -> Array:
    """In float32, so that what was within stays within; zeros stay zeros."""
    found: Array = np.nextafter(array.astype("float32"), np.float32(np.inf))
    return np.where(array > 0, found, np.float32(0))


def sha256(array: Array) -> str:
    """Of dtype, shape and bytes."""
    sha = hashlib.sha256(f"{array.dtype.str} {array.shape}".encode())
    sha.update(np.ascontiguousarray(array).data)
    return sha.hexdigest()


def asked_as(kind: str, *words: Any) -> str:
    """The SHA-256 of a question."""
    text = json.dumps([kind, with_arrays(words, sha256)])
    return hashlib.sha256(text.encode()).hexdigest()


def with_arrays(value: Any, put: Callable[[Array], Any]) -> Any:
    """Plain values, each array among them replaced."""
    if isinstance(value, np.ndarray):
        return put(value)
    if isinstance(value, Mapping):
        return {key: with_arrays(item, put) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [with_arrays(item, put) for item in value]
    return value


def without_references(value: Any, fetch: Callable[[str], Array]) -> Any:
    """Plain values, each reference to an array replaced by it."""
    if isinstance(value, dict):
        if set(value) == {_ARRAY}:
            return fetch(str(value[_ARRAY]))
        return {key: without_references(item, fetch) for key, item in value.items()}
    if isinstance(value, list):
        return [without_references(item, fetch) for item in value]
    return value
