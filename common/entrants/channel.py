"""Messages between the parent and a worker: plain values and arrays, nothing else.

A message is a JSON text followed by the arrays' bytes; in the text an array is
{"__array__": [position, dtype, shape]}. No pickle: the two ends may run different
versions of Python and NumPy, whose pickled arrays do not always load in each other.
"""

from __future__ import annotations

import json
import os
import re
import socket
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from common.contract.arrays import Array

_ARRAY = "__array__"

#: What `dtype.str` says of numbers and words; more, and NumPy would read a small language.
_DTYPE = re.compile(r"[<>|][biufcSUV]\d{1,3}")

#: Bytes of one frame, a text or an array: more than any model trained here has parameters.
LARGEST_FRAME = 2**32


class Malformed(ValueError):
    """What arrived is no message; what follows it in the pipe means nothing either."""


class Channel:
    """One end of a pipe.

    Args:
        connection: framing and time limits are the standard library's.
    """

    def __init__(self, connection: Connection[Any, Any]) -> None:
        self._connection = connection

    def send(self, value: Any) -> None:
        """Send a nest of dicts, lists, tuples (they arrive as lists), arrays, plain values."""
        arrays: list[Array] = []
        text = json.dumps(_pack(value, arrays)).encode()
        self._connection.send_bytes(text)
        for array in arrays:
            # A view of bytes, because an array without elements has no buffer to send.
            self._connection.send_bytes(array.tobytes())

    def receive(self) -> Any:
        """Receive one message.

        Raises:
            EOFError: the other end is gone.
            Malformed: it sent what is no message.
        """
        try:
            value = json.loads(self._connection.recv_bytes(LARGEST_FRAME))
            count = _count(value)
        except (ValueError, RecursionError) as cause:
            raise Malformed(f"a text that is no JSON: {cause}") from cause
        except MemoryError as cause:
            raise Malformed("a text that there is no memory for") from cause
        try:
            buffers = [self._connection.recv_bytes(LARGEST_FRAME) for _ in range(count)]
            return _unpack(value, buffers)
        except MemoryError as cause:
            raise Malformed("arrays that there is no memory for") from cause
        except (ValueError, TypeError, IndexError) as cause:
            raise Malformed(f"an array that is none: {cause}") from cause

    def ready(self, seconds: float) -> bool:
        """Say whether a message (or the end) is there within so many seconds."""
        return self._connection.poll(seconds)

    def shut(self) -> None:
        """End the talk for whoever waits at either end, in whatever process; from any thread."""
        with socket.socket(fileno=os.dup(self._connection.fileno())) as pipe:
            pipe.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close this end."""
        self._connection.close()


def _pack(value: Any, arrays: list[Array]) -> Any:
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            raise TypeError(f"an array of {value.dtype} has no bytes of its own to send")
        arrays.append(np.ascontiguousarray(value))
        return {_ARRAY: [len(arrays) - 1, value.dtype.str, value.shape]}
    if isinstance(value, dict):
        return {key: _pack(item, arrays) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_pack(item, arrays) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return value


def _count(value: Any) -> int:
    if isinstance(value, dict):
        return 1 if _ARRAY in value else sum(map(_count, value.values()))
    return sum(map(_count, value)) if isinstance(value, list) else 0


def _unpack(value: Any, buffers: list[bytes]) -> Any:
    if isinstance(value, dict):
        if _ARRAY in value:
            position, dtype, shape = value[_ARRAY]
            if not isinstance(dtype, str) or not _DTYPE.fullmatch(dtype):
                raise TypeError(f"its type is {ascii(dtype)[:40]}")
            return np.frombuffer(buffers[position], dtype).reshape(shape)
        return {key: _unpack(item, buffers) for key, item in value.items()}
    if isinstance(value, list):
        return [_unpack(item, buffers) for item in value]
    return value
