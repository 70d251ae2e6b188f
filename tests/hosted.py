"""Networks of one's own in the tests: files of them, and their worker in this process."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator, Sequence
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

from common.entrants.answers import error, value
from common.entrants.channel import Channel
from common.entrants.worker import serve
from common.modules.host import Host

#: A module that is taken for PyTorch's by its base's name; nothing is imported for it.
FAKES = """
class Module:
    __module__ = "torch.nn.modules.module"


class Net(Module):
    pass


class Needs(Module):
    def __init__(self, width):
        pass


class Outer:
    Inner = Net


def made():
    return Net()


def paired():
    return Net(), {"params": {}}


def raises():
    raise ValueError("boom\\nand more")


def leaves():
    raise SystemExit(3)


def number():
    return 3


class Foreign:
    pass


net = Net()
"""

#: Small networks, and ports with something wrong.
NETWORKS = """
import torch
from torch import nn


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 3)
        self.norm = nn.BatchNorm2d(3)
        self.out = nn.Linear(12, 5)

    def forward(self, x):
        return self.out(torch.relu(self.norm(self.conv(x))).flatten(1))


class Wrong(Small):
    def forward(self, x):
        return super().forward(x) * 1.001


class Raises(Small):
    def forward(self, x):
        if self.training:
            import os

            os._exit(7)
        raise ValueError("boom [red]\\nand more")


class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(11, 4)
        self.out = nn.Linear(4, 7)

    def forward(self, x):
        return self.out(self.embed(x))


class Inline(Small):
    def forward(self, x):
        norm = self.norm
        stored = norm.running_mean, norm.running_var, norm.weight, norm.bias
        x = nn.functional.batch_norm(self.conv(x), *stored)
        return self.out(torch.relu(x).flatten(1))


class Eps(Small):
    def __init__(self):
        super().__init__()
        self.norm.eps = 1e-3


class Ended(nn.BatchNorm2d):
    def forward(self, x):
        return torch.relu(super().forward(x))


class Inside(Small):
    def __init__(self):
        super().__init__()
        self.norm = Ended(3)


class Random(Small):
    def forward(self, x):
        return super().forward(x) * torch.rand(1).item()


class Two(Small):
    def forward(self, x):
        return super().forward(x), x
"""


@contextlib.contextmanager
def imported_from(folder: Path) -> Iterator[None]:
    """Forget afterwards what was imported from a folder, and that it was imported from there.

    Nothing else: a framework cannot be imported twice.
    """
    before = [*sys.path]
    try:
        yield
    finally:
        sys.path[:] = before
        for name, module in [*sys.modules.items()]:
            file = getattr(module, "__file__", None)
            if file is not None and file.startswith(f"{folder}/"):
                del sys.modules[name]


class Hosted:
    """As `common.entrants.process.Worker`, in a thread; everything crosses a pipe all the same."""

    started = 0

    def __init__(self, program: Sequence[str], *, log: Path, **process: Any) -> None:
        Hosted.started += 1
        self.process, self.sent = process, []  # type: ignore[var-annotated]
        log.touch()
        self._channel, theirs = map(Channel, Pipe())
        self._thread = threading.Thread(target=serve, args=[theirs, Host()], daemon=True)
        self._thread.start()

    def call(self, name: str, *words: Any) -> Any:
        """Make a call."""
        self.sent.append(words)
        self._channel.send([name, words])
        answer = self._channel.receive()
        told = error(name, answer)
        if told is not None:
            raise told
        return value(name, answer)

    def close(self, *, at_once: bool = False) -> None:
        """Close the pipe, which ends the thread."""
        self._channel.close()
        self._thread.join(10)
