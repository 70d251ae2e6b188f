"""The parent's end of a worker: starts it, calls it, tells why it did not answer."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

from common.contract.root import ROOT
from common.entrants.channel import Channel
from common.entrants.checked import CheckedSession
from common.errors import ENTRANT_ERRORS, Killed, TimedOut, Unavailable

#: How often a wait looks whether the worker still lives, seconds.
_LOOK = 0.5

#: How long a worker may take to end by itself once its pipe is closed, seconds.
_GRACE = 2.0


class WorkerSession(CheckedSession):
    """An entrant in a process of its own.

    Args:
        backend: its name.
        log: the file for everything the framework prints.
        environment: variables set for it, before any import.
        threads: cores it may use.
        timeout: seconds one call may take.
        python: the interpreter; its environment needs NumPy and the framework.
        folder: where the backend lies, if not under the project's `backends/`.
    """

    def __init__(
        self,
        backend: str,
        *,
        log: Path,
        environment: Mapping[str, str],
        threads: int,
        timeout: float,
        python: str = sys.executable,
        folder: Path | None = None,
    ) -> None:
        self._timeout, self._expired, self._closed = timeout, False, False
        self.log = log
        ours, theirs = Pipe()
        command = [python, "-P", "-m", "common.entrants.worker", str(theirs.fileno()), str(threads)]
        command += [backend, *([str(folder)] if folder else [])]
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
                    env={**os.environ, **environment, "PYTHONPATH": os.pathsep.join(path)},
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )
        except OSError as cause:
            ours.close()
            raise Unavailable(f"{python} cannot be started: {cause.strerror}") from cause
        finally:
            theirs.close()
        self._channel = Channel(ours)

    @property
    def pid(self) -> int:
        """The worker's process id."""
        return self._process.pid

    def _call(self, name: str, *arguments: Any) -> Any:
        # A timer and not a limit on the wait alone: a worker that never reads blocks the sending.
        timer = threading.Timer(self._timeout, self._expire)
        timer.daemon = True
        timer.start()
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
            raise Killed(self._last_words()) from cause
        finally:
            timer.cancel()
        if "error" in answer:
            kind, words = answer["error"]
            raise ENTRANT_ERRORS[kind](words)
        return answer["value"]

    def _wait(self) -> None:
        """Wait for an answer; EOFError when the process is gone, though a child holds the pipe."""
        while not self._channel.ready(_LOOK):
            if self._process.poll() is not None and not self._channel.ready(0):
                raise EOFError

    def _expire(self) -> None:
        self._expired = True
        self._kill()

    def _kill(self) -> None:
        """End the process and its children."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _last_words(self) -> str:
        status = self._process.wait()
        how = f"ended with exit code {status}"
        if status < 0:
            how = f"was ended by signal {signal.Signals(-status).name}"
        return f"its process {how}; see {self.log.name}"

    def close(self, *, at_once: bool = False) -> None:
        """Close the pipe, which ends an idle worker; end a busy one, and its children."""
        if self._closed:
            return  # its process id may be somebody else's by now
        self._closed = True
        self._channel.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0 if at_once else _GRACE)
        self._kill()
        self._process.wait()
