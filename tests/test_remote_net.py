"""A network in another process answers as it would here, and its errors say whose they are."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

from common.contract.arrays import Arrays
from common.contract.kinds import net_of
from common.contract.net import Answer, Asked, Leaf, Net
from common.contract.precision import cast
from common.errors import EntrantError, Failed, Killed, Refused, Unavailable
from common.modules import remote
from common.modules.host import Host
from common.modules.plain import FIELDS, read, written
from common.modules.remote import RemoteNet, same
from common.modules.sides import Side, load
from tests.conftest import BACKENDS
from tests.fakes import ROOT
from tests.hosted import NETWORKS, Hosted, imported_from

X = np.random.default_rng(0).normal(size=(4, 1, 4, 4)).astype("float32")
LABELS = np.array([0, 4, 2, 2])


@pytest.fixture(scope="module", autouse=True)
def file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The networks; what they are imported from is forgotten afterwards."""
    path = tmp_path_factory.mktemp("nets") / "nets.py"
    path.write_text(NETWORKS)
    with imported_from(path.parent):
        yield path


def side(file: Path, name: str) -> Side:
    return Side(f"torch=nets.py:{name}", "torch", "eager", str(file), name)


@pytest.fixture(scope="module")
def pair(file: Path) -> Iterator[tuple[Net, RemoteNet]]:
    """The same network here and behind a pipe."""
    with mock.patch.object(remote, "Worker", Hosted):
        there = RemoteNet("the port", side(file, "Small"), 3, log=file.with_name("log"))
    there.load()
    import torch

    torch.manual_seed(3)
    yield net_of(load("torch", str(file), "Small")[0]), there
    there.close()


def values_of(net: Net, dtype: str = "float32") -> Arrays:
    return cast({leaf.name: leaf.value for leaf in net.leaves()}, dtype)


def equal(one: Any, other: Any) -> bool:
    """Equal in every type, shape and bit."""
    if is_dataclass(one):
        return type(one) is type(other) and all(
            equal(getattr(one, f.name), getattr(other, f.name)) for f in fields(one)
        )
    if isinstance(one, np.ndarray):
        return (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
    if isinstance(one, dict):
        return list(one) == list(other) and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(equal, one, other))
    return type(one) is type(other) and bool(one == other)


def asked(net: Net, case: str) -> Asked:
    """Something to ask: every field of `Asked` is used by one of them."""
    dtype = "float64" if case == "in float64" else "float32"
    values, x = values_of(net, dtype), X.astype(dtype)
    calls, outputs = net.record(values, (x,), train=False)
    ones = tuple(np.ones_like(output) for output in outputs)
    if case in ("forwards", "in float64"):
        return Asked(values, (x,))
    if case == "backwards, training":
        return Asked(values, (x,), train=True, cotangents=ones)
    if case == "a layer":
        (call,) = (call for call in calls if call.path == "norm")
        slope = np.ones_like(call.outputs[0])
        return Asked(values, call.inputs, part=call.key, train=True, cotangents=(slope,))
    given = {call.key: (call.outputs[0] * 2,) for call in calls if call.path in ("conv", "norm")}
    given["out", 0] = (None,)
    arrived = {("conv", 0): (None,), ("norm", 0): (np.ones_like(given["norm", 0][0]),)}
    return Asked(values, (x,), given=given, cotangents=ones, arrived_cotangents=arrived)


CASES = ("forwards", "in float64", "backwards, training", "a layer", "given")


def test_the_same_leaves_from_the_same_seed(pair: tuple[Net, RemoteNet]) -> None:
    here, there = pair
    assert equal(here.leaves(), there.leaves())
    assert len(here.leaves()) == 9


def test_the_same_calls(pair: tuple[Net, RemoteNet]) -> None:
    here, there = pair
    words = values_of(here), (X,), True
    assert equal(here.record(*words), there.record(*words))


@pytest.mark.parametrize("case", CASES)
def test_the_same_answers(case: str, pair: tuple[Net, RemoteNet]) -> None:
    here, there = pair
    assert equal(here.run(asked(here, case)), there.run(asked(there, case)))


def test_the_same_loss(pair: tuple[Net, RemoteNet]) -> None:
    here, there = pair
    _, outputs = here.record(values_of(here), (X,), False)
    assert equal(here.loss(None, outputs, LABELS), there.loss(None, outputs, LABELS))


def test_the_same_code(pair: tuple[Net, RemoteNet]) -> None:
    here, there = (net.source("") for net in pair)
    assert here
    assert here == there


def test_a_loss_of_ones_own_cannot_cross(pair: tuple[Net, RemoteNet]) -> None:
    with pytest.raises(Refused, match=r"cannot be asked of another process; use check\(\)"):
        pair[1].loss(abs, (X,), LABELS)


def test_what_is_known_of_it(pair: tuple[Net, RemoteNet]) -> None:
    here, there = pair
    assert (there.framework, there.doubles) == (here.framework, here.doubles)
    assert set(there.versions) == {"torch", "numpy", "python"}


# ---- what is sent ------------------------------------------------------------------------------


def sent(net: RemoteNet, values: Arrays) -> set[str]:
    """The values that are sent for a question, after which the answer is right."""
    found = net.run(Asked(values, (X,)))
    rows = net._worker.sent[-1][1]["values"]  # type: ignore[attr-defined]
    assert [name for name, *_ in rows] == list(values)
    direct = net_of_last(net).run(Asked(values, (X,)))
    assert equal(found, direct)
    return {name for name, _, array in rows if array is not None}


def net_of_last(net: RemoteNet) -> Net:
    """A new one of the same kind, which holds nothing from before."""
    return net_of(load("torch", net._side.home, net._side.name)[0])


def test_only_what_changed_is_sent(pair: tuple[Net, RemoteNet]) -> None:
    there = pair[1]
    values = {name: array.copy() for name, array in values_of(there).items()}
    sent(there, values)
    assert sent(there, values) == set()
    values["out.bias"][1] += 1  # in place
    assert sent(there, values) == {"out.bias"}
    values["norm.weight"] = np.zeros_like(values["norm.weight"])
    assert sent(there, values) == {"norm.weight"}
    values["norm.weight"] = -values["norm.weight"]
    assert sent(there, values) == {"norm.weight"}
    values["norm.bias"] = np.full_like(values["norm.bias"], np.nan)
    assert sent(there, values) == {"norm.bias"}
    assert sent(there, values) == set()


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (np.ones(3), np.ones(3), True),
        (np.zeros(3), -np.zeros(3), False),
        (np.full(2, np.nan), np.full(2, np.nan), True),
        (np.ones((2, 3)), np.ones((3, 2)), False),
        (np.array(1.5), np.array(1.5), True),
        (np.ones((2, 3)).T, np.ones((3, 2)), True),
        (np.ones(3), None, False),
    ],
)
def test_same(one: Any, other: Any, expected: bool) -> None:
    assert same(one, other) is expected


@pytest.mark.parametrize("kind", FIELDS)
def test_every_field_crosses(kind: type) -> None:
    assert [field.name for field in fields(kind)] == list(FIELDS[kind])


# ---- as plain values -----------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_a_question_is_read_as_it_was_written(case: str, pair: tuple[Net, RemoteNet]) -> None:
    one = asked(pair[0], case)
    assert equal(read(Asked, "run", written(one)), one)


LEAF = Leaf("a.weight", ("a",), "Linear", X, True)
ANSWER = Answer((X,), {("a", 0): (X,)}, {"b": X}, (X, None), {"a.weight": X}, {("a", 0): (None,)})


@pytest.mark.parametrize(
    ("good", "changes", "words"),
    [
        (LEAF, {"name": 3}, "leaf, name, is 3, not words"),
        (LEAF, {"owners": "a"}, "leaf, owners, is 'a', not a list"),
        (LEAF, {"value": [1.0]}, "leaf, value, is list of 1, not an array of numbers"),
        (LEAF, {"value": np.array(["a"])}, "leaf, value, is an array <U1 (1,), not an array"),
        (LEAF, {"trained": 1}, "leaf, trained, is 1, not true or false"),
        (LEAF, {"more": 1}, "leaf adds 'more'"),
        (ANSWER, {"outputs": X}, "answer, outputs, is an array float32 (4, 1, 4, 4), not a list"),
        (ANSWER, {"outputs": [None]}, "answer, outputs,, part 1, is None, not an array of numbers"),
        (ANSWER, {"arrived": [["a", -1, []]]}, "not a count"),
        (ANSWER, {"arrived": [["a", 0]]}, "is list of 2, not 3 values"),
        (ANSWER, {"slopes": [X]}, "answer, slopes, is list of 1, not a table of values by name"),
    ],
)
def test_what_is_none_is_told(good: Leaf | Answer, changes: dict[str, Any], words: str) -> None:
    plain = written(good)
    assert equal(read(type(good), "it", plain), good)
    with pytest.raises(Failed) as told:
        read(type(good), "leaf" if good is LEAF else "answer", {**plain, **changes})
    assert words in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("_leaves", None),
        ("_leaves", [{}]),
        ("_record", [[]]),
        ("_record", [[], [None]]),
        ("_run", {}),
        ("_loss", [1.0, []]),
        ("_load", {"doubles": 1, "versions": {}}),
        ("_load", {"doubles": True}),
        ("ask", {"answer": 1, "refused": "x"}),
        ("ask", {"refused": 1}),
    ],
)
def test_what_is_no_answer(
    method: str, answer: Any, pair: tuple[Net, RemoteNet], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = pair[1]
    monkeypatch.setattr(there, "_leaves", None)
    monkeypatch.setattr(Host, method, lambda *_: answer)
    asks = {
        "_record": lambda: there.record({}, (X,), False),
        "_run": lambda: there.run(Asked({}, (X,))),
        "_loss": lambda: there.loss(None, (X,), LABELS),
        "_load": there.load,
    }
    with pytest.raises(Failed, match=r"^the port, torch=nets.py:Small: its answer to \w+") as told:
        asks.get(method, there.leaves)()
    assert "\n" not in str(told.value)


# ---- a process of its own ----------------------------------------------------------------------


def started(file: Path, name: str, **more: Any) -> RemoteNet:
    process = {
        "log": file.with_name(f"{name}.log"),
        "environment": BACKENDS["torch"].info.variables(1, "cpu"),
        "threads": 1,
        "timeout": 60,
    }
    return RemoteNet("the port", side(file, name), 3, **{**process, **more})


@pytest.fixture(scope="module")
def raising(file: Path) -> Iterator[RemoteNet]:
    """In a worker, of an interpreter that is not this one's own path, but leads to it."""
    wrapper = file.with_name("python")
    used = file.with_name("used")
    wrapper.write_text(f'#!/bin/sh\ntouch "{used}"\nexec "{sys.executable}" "$@"\n')
    wrapper.chmod(0o755)
    net = started(file, "Raises", python=str(wrapper))
    net.load()
    assert used.exists()
    yield net
    net.close()


@pytest.mark.slow
def test_in_a_process_of_its_own(raising: RemoteNet, pair: tuple[Net, RemoteNet]) -> None:
    """Raises' whole does, its layers are those of Small."""
    assert raising._worker.pid != 0
    assert equal(raising.leaves(), pair[0].leaves())
    _, outputs = pair[0].record(values_of(pair[0]), (X,), False)
    assert equal(raising.loss(None, outputs, LABELS), pair[0].loss(None, outputs, LABELS))


@pytest.mark.slow
def test_what_it_raises_is_one_line_and_its_traceback_in_the_log(raising: RemoteNet) -> None:
    with pytest.raises(Failed) as told:
        raising.record(values_of(raising), (X,), False)
    assert str(told.value) == "the port, torch=nets.py:Raises: ValueError: boom [red]"
    log = raising._worker.log.read_text()
    assert 'raise ValueError("boom [red]\\nand more")' in log
    assert raising.leaves(), "it goes on"


@pytest.mark.slow
def test_it_dies(raising: RemoteNet) -> None:
    """The last test of this process."""
    with pytest.raises(Killed, match=r"^the port, torch=nets.py:Raises: its process ended with ex"):
        raising.record(values_of(raising), (X,), True)
    with pytest.raises(EntrantError, match=r"^the port, "):
        raising.record(values_of(raising), (X,), False)


def test_an_interpreter_that_is_none(file: Path) -> None:
    with pytest.raises(
        Unavailable, match=r"^the port, torch=nets.py:Small: /no/such/python cannot"
    ):
        started(file, "Small", python="/no/such/python")


def test_the_host_needs_nothing_but_numpy() -> None:
    """Other interpreters have a framework and NumPy, not what the parent depends on."""
    code = """
import sys
import common.modules.host, common.contract.kinds, common.modules.plain, common.modules.sides
print(sorted({name.partition(".")[0] for name in sys.modules} & set(sys.argv[1:])))
"""
    ours = ["rich", "scipy", "PIL", "platformdirs", "pooch", "safetensors", "tqdm", "msgspec"]
    done = subprocess.run(
        [sys.executable, "-c", code, *ours], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr
