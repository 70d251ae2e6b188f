"""The process an entrant runs in: reads calls from its pipe, answers them, until the end.

Started as `python -P -m common.entrants.worker DESCRIPTOR THREADS BACKEND [FOLDER]` by
`common.entrants.process`, with the environment the backend asks for already made, and standard
output and error already going to the entrant's log. It imports no framework before the
first call asks for one.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import sys
import traceback
from collections.abc import Callable
from dataclasses import is_dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, NoReturn

from common.errors import EntrantError, Failed, Unavailable, one_line

if TYPE_CHECKING:
    from common.entrants.channel import Channel
    from common.entrants.local import LocalSession


def serve(channel: Channel, served: Any) -> None:
    """Answer calls of an object's methods until the parent closes its end.

    An answer is {"value": ...} or {"error": [kind, message]}, kind a class of
    `EntrantError`; a foreign error becomes `Failed`, its traceback goes to the log.
    """
    while True:
        try:
            name, arguments = channel.receive()
        except EOFError:
            return
        try:
            value = getattr(served, name)(*arguments)
            said: dict[str, Any] = {"value": vars(value) if is_dataclass(value) else value}
        except Exception as error:
            traceback.print_exc()
            kind = type(error) if isinstance(error, EntrantError) else Failed
            words = str(error) if isinstance(error, EntrantError) else one_line(error)
            said = {"error": [kind.__name__, words]}
        sys.stdout.flush()
        sys.stderr.flush()
        channel.send(said)


def main(descriptor: str, threads: str, backend: str, folder: str | None = None) -> None:
    """Serve one backend on an inherited file descriptor."""

    def session() -> LocalSession:
        from common.contract.registry import extend_path
        from common.entrants.local import LocalSession

        if folder:
            extend_path(folder)
        return LocalSession(backend)

    answer(descriptor, threads, session)


def answer(descriptor: str, threads: str, make: Callable[[], Any]) -> None:
    """Serve what `make` imports and makes, on an inherited file descriptor."""
    connection: Connection[Any, Any] = Connection(int(descriptor))
    try:
        # Here, and not above: the interpreter may be one that has no NumPy.
        from common.entrants.channel import Channel
        from common.measure.machine import limit_cores

        served = make()
    except ImportError as cause:
        decline(connection, cause)
        return
    limit_cores(int(threads))
    serve(Channel(connection), served)


def decline(connection: Connection[Any, Any], cause: ImportError) -> None:
    """Say, without NumPy, that this interpreter lacks what every worker needs."""
    traceback.print_exception(cause)
    words = (
        f"{sys.executable}, Python {platform.python_version()}, cannot be a worker: "
        f"{one_line(cause)}; install it there, or name another with --python"
    )
    error = {"error": [Unavailable.__name__, words]}
    connection.send_bytes(json.dumps(error).encode())
    try:
        while True:  # until the parent, which may be in the middle of its call, has read that
            connection.recv_bytes()
    except EOFError:
        return


def leave() -> NoReturn:
    """End the process: nothing is left to be saved, and frameworks take half a second to end."""
    ctypes.CDLL(None).fflush(None)  # what they printed from C
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
    leave()
