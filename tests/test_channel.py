"""Messages between parent and worker: everything arrives as it was sent, nothing is pickled."""

from __future__ import annotations

import ast
import math
import subprocess
import sys
import threading
from collections.abc import Iterator
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from common.entrants.channel import Channel, Malformed
from tests.fakes import ROOT

Pair = tuple[Channel, Channel]
DTYPES = ("float32", "float64", "int32", "int64", "uint8", "bool")

shapes = arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
tensors = st.sampled_from(DTYPES).flatmap(lambda dtype: arrays.arrays(dtype, shapes))
plain = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), tensors
)
nests = st.recursive(
    plain,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = (Channel(end) for end in Pipe())
    yield ours, theirs
    ours.close()
    theirs.close()


def carried(pair: Pair, value: Any) -> Any:
    """Send while receiving: a message may be larger than the pipe holds."""
    sender = threading.Thread(target=pair[0].send, args=[value])
    sender.start()
    received = pair[1].receive()
    sender.join()
    return received


def same(a: Any, b: Any) -> bool:
    """Equal in type, shape and every bit; NaN equals NaN."""
    if isinstance(a, np.ndarray):
        return (
            isinstance(b, np.ndarray)
            and (a.dtype, a.shape) == (b.dtype, b.shape)
            and a.tobytes() == b.tobytes()
        )
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float):
        return isinstance(b, float) and (a == b or (math.isnan(a) and math.isnan(b)))
    return type(a) is type(b) and bool(a == b)


@pytest.mark.slow
@given(value=nests)
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_round_trip(pair: Pair, value: Any) -> None:
    assert same(value, carried(pair, value))
    assert not pair[1].ready(0), "part of the message was left in the pipe"


@pytest.mark.parametrize(
    "array",
    [
        pytest.param(np.array(1.5, "float32"), id="0-d"),
        pytest.param(np.empty((0, 3), "float64"), id="empty"),
        pytest.param(np.array([np.nan, np.inf, -np.inf, -0.0], "float32"), id="not-finite"),
        pytest.param(np.arange(12).reshape(3, 4).T, id="transposed"),
        pytest.param(np.arange(10, dtype=np.int32)[::-2], id="strided"),
        pytest.param(np.arange(3, dtype=">i4"), id="big-endian"),
        pytest.param(np.array([True, False]), id="bool"),
        pytest.param(np.arange(2_000_000, dtype=np.float32), id="8-megabytes"),
    ],
)
def test_array(pair: Pair, array: np.ndarray[Any, Any]) -> None:
    assert same([array, "after it"], carried(pair, [array, "after it"]))


@pytest.mark.parametrize(
    ("sent", "arrives"),
    [
        pytest.param((1, (2,)), [1, [2]], id="tuples-as-lists"),
        pytest.param({"a": np.float32(1.5)}, {"a": 1.5}, id="float32-scalar-as-float"),
        pytest.param([np.int64(7), np.bool_(True)], [7, True], id="numpy-scalars-as-plain"),
        pytest.param([math.nan, math.inf, -math.inf], [math.nan, math.inf, -math.inf], id="nan"),
    ],
)
def test_what_is_turned_into_plain_values(pair: Pair, sent: Any, arrives: Any) -> None:
    assert same(arrives, carried(pair, sent))


def test_messages_keep_their_order(pair: Pair) -> None:
    for number in range(20):
        pair[0].send([number, np.full(3, number)])
    for number in range(20):
        assert same([number, np.full(3, number)], pair[1].receive())


def test_ready_only_when_something_is_there(pair: Pair) -> None:
    assert not pair[1].ready(0)
    pair[0].send(None)
    assert pair[1].ready(1)


def test_receive_from_a_closed_end_is_the_end(pair: Pair) -> None:
    pair[0].close()
    assert pair[1].ready(1), "the end of the pipe must wake whoever waits"
    with pytest.raises(EOFError):
        pair[1].receive()


def test_send_to_a_closed_end_is_an_os_error(pair: Pair) -> None:
    pair[1].close()
    with pytest.raises(OSError, match="Broken pipe"):
        pair[0].send(np.zeros(1_000_000))


def test_half_a_message_is_the_end(pair: Pair) -> None:
    """A worker that dies in the middle of its answer."""
    pair[0]._connection.send_bytes(b'{"__array__": [0, "<f4", [2]]}')
    pair[0].close()
    with pytest.raises(EOFError):
        pair[1].receive()


@pytest.mark.parametrize("sent", [[b""], [b'{"__array__": [0, "<f4", [2]]}', b""]], ids=len)
def test_a_frame_that_there_is_no_memory_for(
    sent: list[bytes], pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four bytes can promise gigabytes: of a text, or of an array."""
    frames = iter(sent)

    def receive(_: int) -> bytes:
        if frame := next(frames):
            return frame
        raise MemoryError

    monkeypatch.setattr(pair[1]._connection, "recv_bytes", receive)
    with pytest.raises(Malformed, match="no memory for"):
        pair[1].receive()


@pytest.mark.parametrize("dtype", ["O", "<f4,", "(2,)f4", {"names": []}, None, "<f4" * 9], ids=str)
def test_a_type_that_is_none(pair: Pair, dtype: Any) -> None:
    pair[0].send({"__array__": [0, dtype, [1]]})
    pair[0]._connection.send_bytes(bytes(4))
    with pytest.raises(Malformed, match="an array that is none: its type is "):
        pair[1].receive()


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", 1j], ids=type)
def test_refuses_what_is_neither_plain_nor_an_array(pair: Pair, value: Any) -> None:
    with pytest.raises(TypeError):
        pair[0].send(value)
    pair[0].send("next")
    assert pair[1].receive() == "next", "the refused message left something in the pipe"


def test_refuses_an_array_of_objects(pair: Pair) -> None:
    """Its bytes would be addresses in the sender's memory."""
    with pytest.raises((TypeError, ValueError)):
        pair[0].send(np.array([object()]))


def test_source_uses_no_pickle() -> None:
    """No pickle, and of a Connection only the calls that carry bytes."""
    tree = ast.parse((ROOT / "common" / "entrants" / "channel.py").read_text(encoding="utf-8"))
    imported = {
        name.name
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in node.names
    }
    assert not imported & {"pickle", "marshal", "shelve", "dill", "cloudpickle"}
    called = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Attribute)
        and node.value.attr == "_connection"
    }
    assert called == {"send_bytes", "recv_bytes", "poll", "fileno", "close"}


def test_runs_without_pickle() -> None:
    """A round trip in a process where pickling and unpickling raise."""
    code = """
import pickle, _pickle
import numpy as np
from multiprocessing import Pipe, reduction
from common.entrants.channel import Channel

def refuse(*_, **__):
    raise AssertionError("pickled")

for module in (pickle, _pickle):
    for name in ("dump", "dumps", "load", "loads"):
        setattr(module, name, refuse)
reduction.ForkingPickler.dumps = reduction.ForkingPickler.loads = refuse
ours, theirs = map(Channel, Pipe())
ours.send({"a": [np.arange(3), 1.5, None]})
print(theirs.receive()["a"][0].tolist())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.returncode) == ("[0, 1, 2]\n", 0), done.stderr


def test_worker_needs_nothing_but_numpy() -> None:
    """Other interpreters have a framework and NumPy, not what the parent depends on."""
    code = """
import sys
import common.entrants.worker
print(sorted({name.partition(".")[0] for name in sys.modules} & set(sys.argv[1:])))
"""
    ours = ["rich", "scipy", "PIL", "platformdirs", "pooch", "safetensors", "tqdm"]
    done = subprocess.run(
        [sys.executable, "-c", code, *ours],
        cwd=Path(ROOT),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr
