"""The parent's end of a worker: starts it, calls it, tells why it did not answer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from common.contract.root import ROOT
from common.entrants.answers import error, value
from common.entrants.channel import Channel, Malformed
from common.entrants.checked import CheckedSession
from common.entrants.guard import MARK, Guard, above_standard, end_group
from common.entrants.log import cut
from common.errors import Failed, Killed, TimedOut, Unavailable

#: How often a wait looks whether the worker still lives, seconds.
_LOOK = 0.5

#: How long a worker may take to end by itself once its pipe is closed, seconds.
_GRACE = 2.0

#: How often a close looks whether it has, seconds.
_GLANCE = 0.01

_GUARD = Guard()


class Worker:
    """A process that answers calls.

    Args:
        program: the module that is run there, and its words behind descriptor and threads.
        log: the file for everything the framework prints; of a flood, both ends.
        environment: variables set for it, before any import.
        threads: cores it may use.
        timeout: seconds one call may take.
        python: the interpreter; its environment needs NumPy and the framework.
    """

    def __init__(
        self,
        program: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str],
        threads: int,
        timeout: float,
        python: str = sys.executable,
    ) -> None:
        self._timeout, self._expired, self._closed = timeout, False, False
        self._mark, self._stayed = uuid.uuid4().hex, False
        self._ending = threading.Lock()
        self.log = log
        ours, theirs = pipe()
        module, *words = program
        command = [python, "-P", "-m", module, str(theirs.fileno()), str(threads), *words]
        path = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        try:
            with log.open("ab") as output:
                # A session of its own: Ctrl-C reaches the parent alone, and the worker's own
                # children (loader processes) can be ended with it.
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env={
                        **os.environ,
                        **environment,
                        "PYTHONPATH": os.pathsep.join(path),
                        MARK: self._mark,
                    },
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )
        except OSError as cause:
            ours.close()
            raise Unavailable(f"{python} cannot be started: {cause.strerror}") from cause
        finally:
            theirs.close()
        _GUARD.watch(self._process.pid, self._mark)
        self._channel = Channel(ours)

    @property
    def pid(self) -> int:
        """The worker's process id."""
        return self._process.pid

    @property
    def closed(self) -> bool:
        """Whether it answers no more: it was closed, or died, or took too long."""
        return self._closed

    def call(self, name: str, *arguments: Any) -> Any:
        """Make a call; its answer, as it came.

        Raises:
            EntrantError: what it raised, or why nothing came.
        """
        # A thread and not a limit on the wait alone: a worker that never reads blocks the sending.
        done = threading.Event()
        threading.Thread(target=self._limit, args=[done], daemon=True).start()
        try:
            self._channel.send([name, arguments])
            self._wait()
            answer = self._channel.receive()
        except (EOFError, OSError) as cause:
            self.close(at_once=self._expired)
            if self._expired:
                raise TimedOut(
                    f"{name} took longer than {self._timeout:g} s; see {self.log.name}, "
                    "or allow more with --timeout"
                ) from cause
            killed = Killed(self._last_words())
            killed.signal = -min(0, self._process.wait()) or None
            raise killed from cause
        except Malformed as cause:
            self.close(at_once=True)
            raise Failed(f"its answer to {name} is {cause}; see {self.log.name}") from cause
        finally:
            done.set()
        told = error(name, answer)
        if told is not None:
            raise told
        return value(name, answer)

    def _wait(self) -> None:
        """Wait for an answer; EOFError when the process is gone, though a child holds the pipe."""
        while not self._channel.ready(_LOOK):
            if self._ended() and not self._channel.ready(0):
                raise EOFError

    def _limit(self, done: threading.Event) -> None:
        """End the worker if a call is not done in time.

        The time is counted in looks: what lies between two of them is more where this process was
        stopped (Ctrl-Z), and its worker was not.
        """
        left = self._timeout
        while left > 0:
            began = time.monotonic()
            if done.wait(min(left, _LOOK)):
                return
            left -= min(time.monotonic() - began, _LOOK)
            cut(self.log)
        if not done.is_set():
            self._expired = True
            self.end()

    def end(self) -> None:
        """End it at once, from whatever thread: who waits for its answer is told that it died."""
        with self._ending:
            if not self._closed:
                self._kill()
                # A child in a session of its own may hold the other end for ever.
                self._channel.shut()

    def _ended(self) -> bool:
        """Whether the process has ended; it is not reaped by this, so that its id stays its own."""
        if not hasattr(os, "waitid"):  # macOS, before Python 3.13: only its pipe tells
            return False
        state = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self._process.pid, state) is not None

    def _kill(self) -> None:
        """End the process and its children; only before it is reaped."""
        end_group(self._process.pid, self._mark)

    def _last_words(self) -> str:
        status = self._process.wait()
        how = f"ended with exit code {status}"
        if self._stayed and status == -signal.SIGKILL:  # which was ours
            how = "closed its pipe without an answer"
        elif status < 0:
            names = {one.value: one.name for one in signal.Signals}
            how = f"was ended by signal {names.get(-status, -status)}"
        return f"its process {how}; see {self.log.name}"

    def close(self, *, at_once: bool = False) -> None:
        """Close the pipe, which ends an idle worker; end a busy one, and its children."""
        with self._ending:
            if self._closed:
                return  # its process id may be somebody else's by now
            self._closed = True
        self._channel.close()
        deadline = time.monotonic() + (0 if at_once else _GRACE)
        while not self._ended() and time.monotonic() < deadline:
            time.sleep(_GLANCE)
        self._stayed = not self._ended()
        self._kill()
        self._process.wait()
        cut(self.log)
        _GUARD.forget(self._process.pid)


class WorkerSession(Worker, CheckedSession):
    """An entrant in a process of its own.

    Args:
        backend: its name.
        words: what its program is told besides.
        program: that is run there.
        folder: where the backend lies, if not under the project's `backends/`.
        process: as for `Worker`.
    """

    def __init__(
        self,
        backend: str,
        *words: str,
        program: str = "common.entrants.worker",
        folder: Path | None = None,
        **process: Any,
    ) -> None:
        told = [backend, *words, *([str(folder)] if folder else [])]
        super().__init__([program, *told], **process)

    def _call(self, name: str, *arguments: Any) -> Any:
        return self.call(name, *arguments)


def pipe() -> tuple[Connection[Any, Any], Connection[Any, Any]]:
    """Both ends of a pipe, neither of them a standard descriptor: those are printed to."""
    ends: list[Connection[Any, Any]] = []
    for end in Pipe():
        with end:
            ends.append(Connection(above_standard(os.dup(end.fileno()))))
    return ends[0], ends[1]
