"""Sessions: a worker answers as its process would, and its end, noise or hang is its own."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import backends
from common.contract.models import MODELS
from common.contract.plan import Plan
from common.contract.registry import extend_path, find
from common.contract.root import ROOT
from common.data import draws
from common.entrants.local import LocalSession
from common.entrants.process import WorkerSession
from common.errors import EntrantError, Failed, Killed, TimedOut, Unavailable
from tests.conftest import BACKENDS, EXAMPLES, make_plan
from tests.fakes import (
    ABORTS,
    EXITS,
    HANGS,
    HANGS_WITH_CHILD,
    NOISY,
    RAISES,
    alive,
    copy_backend,
    cpu_seconds,
)

SCRATCH = {"style": "scratch", "mode": "eager", "data": "memory"}
ORDER = draws.order(0, 0, EXAMPLES, 32, False)

Made = Callable[..., WorkerSession]
Data = Callable[[Plan], dict[str, Any]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Made]:
    """Start workers of copied backends; whatever happens, they end with the test."""
    started: list[WorkerSession] = []

    def make(backend: str = "numpy", timeout: float = 60, **given: Any) -> WorkerSession:
        log = tmp_path / f"{backend}-{len(started)}.log"
        session = WorkerSession(
            backend, log=log, environment={}, threads=1, timeout=timeout, **given
        )
        started.append(session)
        return session

    yield make
    for session in started:
        session.close(at_once=True)


@pytest.fixture
def broken(start: Made, tmp_path: Path, session_data: Data) -> Made:
    """Open a copy of NumPy's backend with code appended to its components."""

    def make(timeout: float = 60, **appended: str) -> WorkerSession:
        copy_backend(tmp_path / "more", "broken", **appended)
        session = start("broken", timeout, folder=tmp_path / "more")
        plan = make_plan()
        session.open(plan.asdict(), SCRATCH, session_data(plan))
        return session

    return make


def gone(pid: int, seconds: float = 5) -> bool:
    """Whether a process ends within so many seconds."""
    deadline = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not alive(pid)


# ---- the same answers ----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("model", ["linear", "softmax", "mlp"])
def test_worker_answers_as_in_process(
    model: str, dtype: str, start: Made, session_data: Data
) -> None:
    """Every call of the interface, bit for bit."""
    plan = make_plan(model, dtype=dtype, momentum=0.9, weight_decay=0.01)
    data, worker, local = session_data(plan), start(), LocalSession("numpy")
    order = draws.order(0, 0, 1000 if model == "linear" else EXAMPLES, 32, False)
    found = []
    for session in (worker, local):
        opened = session.open(plan.asdict(), SCRATCH, data)
        assert opened.framework_memory_bytes is not None
        assert opened.framework_memory_bytes > 10**7
        warmed = session.warm_up(order)
        assert warmed.first_step_seconds > 0
        assert warmed.compile_seconds == 0, "NumPy compiles nothing"
        session.load(data["initial"])
        trained = [session.train(order) for _ in range(2)]
        images, labels = session.batch(order[:5])
        params, state = session.params(), session.state()
        logits = session.logits(params, images)
        value, dlogits = session.gradient(logits, labels)
        grads = session.backward(params, images, dlogits)
        answers: dict[str, Any] = {
            "losses": np.concatenate([t.losses for t in trained]),
            "counts": np.concatenate([t.counts for t in trained]),
            "params": params,
            "state": state,
            "images": images,
            "labels": labels,
            "logits": logits,
            "value": np.asarray(value),
            "dlogits": dlogits,
            "grads": grads,
            "moved": session.update(params, grads, state)[0],
            "memory": session.update(params, grads, state)[1],
            "fingerprint": session.fingerprint(order),
        }
        if model != "linear":
            tested = session.evaluate()
            answers |= {"test loss": tested.loss, "test count": tested.count}
            answers |= {"classes": session.predict(), "correct": session.correct(logits, labels)}
        found.append(answers)
    assert same(*found) is None, same(*found)
    assert found[0]["state"], "momentum must have left a state, or nothing was compared"


def same(a: Any, b: Any, where: str = "") -> str | None:
    """Where two nests differ in a type, a shape or a bit."""
    if isinstance(a, dict):
        if set(a) != set(b):
            return f"{where}: {set(a) ^ set(b)}"
        return next((w for k in a if (w := same(a[k], b[k], f"{where}/{k}"))), None)
    if isinstance(a, np.ndarray):
        equal = (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
        return None if equal else where
    return None if (type(a), a) == (type(b), b) else where


def test_worker_of_another_interpreter(start: Made, tmp_path: Path, session_data: Data) -> None:
    """A path that is not this interpreter's own, but leads to it."""
    wrapper = tmp_path / "python"
    marker = tmp_path / "used"
    wrapper.write_text(f'#!/bin/sh\ntouch "{marker}"\nexec "{sys.executable}" "$@"\n')
    wrapper.chmod(0o755)
    plan = make_plan()
    session = start(python=str(wrapper))
    session.open(plan.asdict(), SCRATCH, session_data(plan))
    assert marker.exists()
    local = LocalSession("numpy")
    local.open(plan.asdict(), SCRATCH, session_data(plan))
    assert np.array_equal(session.train(ORDER).losses, local.train(ORDER).losses)


def test_worker_is_opened_again_for_another_plan(start: Made, session_data: Data) -> None:
    session, shapes = start(), []
    for model in ("mlp", "softmax"):
        plan = make_plan(model)
        session.open(plan.asdict(), SCRATCH, session_data(plan))
        shapes.append(sorted(session.params()))
    assert shapes == [
        ["hidden.bias", "hidden.weight", "output.bias", "output.weight"],
        ["output.bias", "output.weight"],
    ]


def test_worker_may_use_only_its_threads(start: Made, tmp_path: Path, session_data: Data) -> None:
    plan = make_plan()
    session = start()  # threads=1
    session.open(plan.asdict(), SCRATCH, session_data(plan))
    assert len(os.sched_getaffinity(session.pid)) == 1


# ---- load restores -------------------------------------------------------------------------

#: Both styles eagerly, because each keeps its own state; compiled, the last one.
#: Every day each backend as it usually runs.
CELLS = [
    pytest.param(
        backend,
        style,
        mode,
        id=f"{backend}-{style}-{mode}",
        marks=[pytest.mark.slow]
        * ((style, mode) != (found.info.styles[-1], found.info.usual_mode)),
    )
    for backend, found in BACKENDS.items()
    for style in found.info.styles
    for mode in found.info.modes
    if mode == "eager" or style == found.info.styles[-1]
]


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "style", "mode"), CELLS)
def test_load_restores_parameters_and_state(
    backend: str,
    style: str,
    mode: str,
    opened: Callable[..., WorkerSession],
    session_data: Data,
) -> None:
    """Train, load, train again: the same losses; from the middle, too.

    Warm, as in a run: MindSpore's kernels tune how they share out a sum while they are new,
    and a sum shared out otherwise has another last digit.
    """
    plan = make_plan(momentum=0.9, weight_decay=0.01)
    session, start = opened(backend, plan, style, mode), session_data(plan)["initial"]
    session.warm_up(ORDER)
    session.load(start)
    first = [session.train(ORDER).losses for _ in range(2)]
    params, state = session.params(), session.state()
    third = session.train(ORDER).losses
    end = session.params()
    assert not np.array_equal(first[1], third), "nothing moved"

    session.load(start)
    assert [a.tobytes() for a in first] == [session.train(ORDER).losses.tobytes() for _ in range(2)]

    session.load(params, state)
    assert session.train(ORDER).losses.tobytes() == third.tobytes()
    assert same(session.params(), end) is None

    session.load(params)
    session.train(ORDER)
    assert same(session.params(), end), "without its momentum it must end elsewhere"


def test_arrays_of_the_caller_are_left_alone(session_data: Data) -> None:
    """In one process (the referee, notebooks) no training in our memory."""
    plan = make_plan(momentum=0.9)
    data, session = session_data(plan), LocalSession("numpy")
    before = {name: array.copy() for name, array in data["initial"].items()}
    session.open(plan.asdict(), SCRATCH, data)
    session.load(data["initial"])
    held = session.params()
    kept = {name: array.copy() for name, array in held.items()}
    session.train(ORDER)
    assert same(before, data["initial"]) is None
    assert same(kept, held) is None, "what was fetched must not change afterwards"


def test_a_session_that_was_closed_can_be_opened_again(session_data: Data) -> None:
    """What a session was made with stays; what it had placed does not."""
    plan = make_plan()
    session = LocalSession("numpy")
    session.close()
    for _ in range(2):
        session.open(plan.asdict(), SCRATCH, session_data(plan))
        session.close()
        session.close()
    with pytest.raises(AssertionError, match="not open"):
        session.logits({}, np.zeros((1, 1)))


# ---- what can go wrong ---------------------------------------------------------------------


def test_raises(broken: Made) -> None:
    session = broken(accuracy=RAISES)
    with pytest.raises(Failed) as failed:
        session.train(ORDER)
    assert str(failed.value) == "ValueError: boom [red] <b>"
    log = session.log.read_text()
    assert "Traceback" in log
    assert "accuracy.py" in log
    assert "and a second line" in log
    assert session.params()["output.bias"].shape == (10,), "it must still answer"


def test_raises_without_words(broken: Made) -> None:
    session = broken(accuracy="def correct(logits, labels):\n    raise ArithmeticError")
    with pytest.raises(Failed, match=r"\AArithmeticError\Z"):
        session.train(ORDER)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        pytest.param(EXITS, "exit code 3", id="exit"),
        pytest.param("def correct(*_):\n    raise SystemExit(4)", "exit code 4", id="SystemExit"),
        pytest.param(ABORTS, "signal SIGABRT", id="abort"),
        pytest.param(
            "import os, signal\ndef correct(*_):\n    os.kill(os.getpid(), signal.SIGKILL)",
            "signal SIGKILL",
            id="out-of-memory-killer",
        ),
        pytest.param(
            "import ctypes\ndef correct(*_):\n    ctypes.string_at(0)",
            "signal SIGSEGV",
            id="segmentation-fault",
        ),
    ],
)
def test_process_dies(code: str, words: str, broken: Made) -> None:
    session = broken(accuracy=code)
    with pytest.raises(Killed) as killed:
        session.train(ORDER)
    assert words in str(killed.value)
    assert session.log.name in str(killed.value)
    assert "\n" not in str(killed.value)
    assert not alive(session.pid)
    with pytest.raises(EntrantError):
        session.params()


def test_hangs(broken: Made) -> None:
    session = broken(timeout=2, accuracy=HANGS)
    assert alive(session.pid)
    with pytest.raises(TimedOut) as hung:
        session.train(ORDER)
    assert "train took longer than 2 s" in str(hung.value)
    assert "--timeout" in str(hung.value)
    assert gone(session.pid)
    session.close()


@pytest.mark.slow
def test_hangs_and_so_does_its_child(broken: Made, tmp_path: Path) -> None:
    """Loader processes must not outlive their worker."""
    session = broken(timeout=2, accuracy=HANGS_WITH_CHILD)
    with pytest.raises(TimedOut):
        session.train(ORDER)
    child = int((tmp_path / "more" / "broken" / "child").read_text())
    assert gone(session.pid)
    assert gone(child)


@pytest.mark.parametrize("apart", [False, True], ids=["child", "daemon"])
def test_child_of_a_worker_that_is_closed(apart: bool, broken: Made, tmp_path: Path) -> None:
    session = broken(accuracy=WITH_DAEMON if apart else WITH_CHILD)
    session.train(ORDER[:1])
    child = int((tmp_path / "more" / "broken" / "child").read_text())
    assert alive(child)
    session.close()
    assert gone(session.pid)
    assert gone(child)


@pytest.mark.slow
def test_interpreter_that_never_answers(start: Made, tmp_path: Path) -> None:
    """Before it reads its pipe, a large message does not even fit in."""
    sleepy = tmp_path / "python"
    sleepy.write_text("#!/bin/sh\nexec sleep 300\n")
    sleepy.chmod(0o755)
    session = start(timeout=1, python=str(sleepy))
    found: list[BaseException] = []

    def call() -> None:
        try:
            session.load({"large": np.zeros(10**6)})
        except BaseException as error:
            found.append(error)

    caller = threading.Thread(target=call, daemon=True)
    caller.start()
    caller.join(5)
    session.close(at_once=True)
    assert [type(error) for error in found] == [TimedOut]


def test_interpreter_that_is_none(start: Made, tmp_path: Path) -> None:
    """It can be executed as far as its mode says, and cannot."""
    text = tmp_path / "python"
    text.write_text("this is no program")
    text.chmod(0o755)
    with pytest.raises(EntrantError):
        start(python=str(text)).params()


def test_interpreter_that_ends_at_once(start: Made) -> None:
    with pytest.raises(Killed, match="exit code 0"):
        start(python="/bin/true").params()


def test_noise_does_no_harm(broken: Made, session_data: Data) -> None:
    session, local, plan = broken(accuracy=NOISY), LocalSession("numpy"), make_plan()
    local.open(plan.asdict(), SCRATCH, session_data(plan))
    assert np.array_equal(session.train(ORDER).losses, local.train(ORDER).losses)
    log = session.log.read_text()
    for words in ("stdout", "stderr", "descriptor 1", "descriptor 2"):
        assert words in log


def test_noise_stays_off_our_terminal(broken: Made, capfd: pytest.CaptureFixture[str]) -> None:
    broken(accuracy=NOISY).train(ORDER)
    assert capfd.readouterr() == ("", "")


def test_input_is_empty(broken: Made) -> None:
    """A framework that asks something must not wait for an answer."""
    code = "def correct(*_):\n    raise ValueError(repr(__import__('sys').stdin.read()))"
    ours, (read, write) = os.dup(0), os.pipe()
    os.dup2(read, 0)  # an input on which nothing ever comes, like an idle terminal
    try:
        session = broken(timeout=3, accuracy=code)
    finally:
        os.dup2(ours, 0)
        os.close(ours)
        os.close(read)
    with pytest.raises(Failed, match="ValueError: ''"):
        session.train(ORDER)
    os.close(write)


@pytest.mark.parametrize("component", ["data", "model", "loss", "update", "accuracy", "train"])
def test_missing_framework(component: str, start: Made, tmp_path: Path, session_data: Data) -> None:
    copy_backend(tmp_path / "more", "ghost", **{component: "import no_such_module_9f3c"})
    session, plan = start("ghost", folder=tmp_path / "more"), make_plan()
    with pytest.raises(Unavailable) as missing:
        session.open(plan.asdict(), SCRATCH, session_data(plan))
    assert "ghost cannot be imported" in str(missing.value)
    assert "No module named 'no_such_module_9f3c'" in str(missing.value)
    assert "\n" not in str(missing.value)


def test_answer_that_cannot_be_sent(broken: Made) -> None:
    """An object that is neither plain nor an array: the entrant's failure, told in one line."""
    session = broken(model="def dump(params):\n    return {'output.weight': object()}")
    with pytest.raises(EntrantError) as told:
        session.params()
    assert "\n" not in str(told.value)


def test_answer_of_objects(broken: Made) -> None:
    """An array whose bytes mean nothing elsewhere must not get as far as the parent."""
    code = "def dump(params):\n    return {'output.weight': np.array([None, 'x'], object)}"
    with pytest.raises(EntrantError):
        broken(model=code).params()


def test_folder_stands_before_our_own(start: Made, tmp_path: Path, session_data: Data) -> None:
    """And only in the worker: the referee stays the project's."""
    copy_backend(tmp_path / "more", "numpy", accuracy=RAISES)
    session, plan = start("numpy", folder=tmp_path / "more"), make_plan()
    session.open(plan.asdict(), SCRATCH, session_data(plan))
    with pytest.raises(Failed, match="boom"):
        session.train(ORDER)
    local = LocalSession("numpy")
    local.open(plan.asdict(), SCRATCH, session_data(plan))
    assert len(local.train(ORDER).losses) == 3


def test_a_folder_that_is_added_hides_none_of_our_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is where imports look first, and `find` must not take it for the project's."""
    monkeypatch.setattr(backends, "__path__", list(backends.__path__))
    copy_backend(tmp_path, "numpy")
    extend_path(str(tmp_path))
    assert find()["numpy"].folder == ROOT / "backends" / "numpy"
    assert set(BACKENDS) <= set(find())


def test_modules_where_we_stand_are_not_imported(
    start: Made, tmp_path: Path, session_data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file called like a module, in the folder the user happens to work in."""
    for name in ("json", "numpy", "common", "backends"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong one')")
    monkeypatch.chdir(tmp_path)
    plan = make_plan()
    assert start().open(plan.asdict(), SCRATCH, session_data(plan)).versions


@pytest.mark.slow
def test_who_closes_its_pipe_and_stays_was_not_killed(broken: Made) -> None:
    """By anybody but us: who reads SIGKILL looks for a lack of memory."""
    code = (
        "import os, sys, time\ndef correct(*_):\n    os.close(int(sys.argv[1]))\n    time.sleep(60)"
    )
    with pytest.raises(Killed, match="its process closed its pipe without an answer"):
        broken(accuracy=code).train(ORDER)


def test_close_ends_an_idle_worker_by_itself(start: Made, session_data: Data) -> None:
    plan, session = make_plan(), start()
    session.open(plan.asdict(), SCRATCH, session_data(plan))
    session.close()
    assert not alive(session.pid)
    assert session._process.returncode == 0, "it must not have had to be ended"
    session.close()


def test_ctrl_c_does_not_reach_a_worker(start: Made, session_data: Data) -> None:
    """The terminal sends it to the group in the foreground; workers are in their own."""
    plan, session = make_plan(), start()
    session.open(plan.asdict(), SCRATCH, session_data(plan))
    assert os.getpgid(session.pid) == session.pid != os.getpgid(0)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


# ---- a parent that ends, or stops, or has no terminal ---------------------------------------

#: Opens a copy of a backend in a process of its own, and says who its worker is. Then it trains.
PARENT = """
import sys
from pathlib import Path

import numpy as np

from common.entrants.process import WorkerSession
from common.errors import EntrantError
from tests.conftest import make_plan

folder, timeout = Path(sys.argv[1]), float(sys.argv[2])
initial = {"output.weight": np.zeros((4, 10), "float32"), "output.bias": np.zeros(10, "float32")}
pair = np.zeros((70, 4), "float32"), np.zeros(70, "int32")
session = WorkerSession(
    "broken", log=folder / "log", environment={}, threads=1, timeout=timeout, folder=folder
)
data = {"train": pair, "initial": initial, "classes": 10}
choices = {"style": "scratch", "mode": "eager", "data": "memory"}
told = (folder / "told").open("w", buffering=1)
try:
    session.open(make_plan().asdict(), choices, data)
    print(session.pid, file=told)
    trained = session.train(np.arange(70, dtype=np.int32))
    print(len(trained.losses), "steps", file=told)
    sys.stdin and sys.stdin.read()
except EntrantError as error:
    print(type(error).__name__, error, file=told)
finally:
    session.close(at_once=True)
"""


def parent(folder: Path, timeout: float = 60, **given: Any) -> subprocess.Popen[bytes]:
    """Start one; `closed`: standard descriptors it is started without."""
    # By a shell: a function between fork and exec is unsafe once JAX has threads, and it warns.
    closing = "".join(f" {one}>&-" for one in given.pop("closed", ()))
    words = [sys.executable, "-c", PARENT, str(folder), str(timeout)]
    return subprocess.Popen(
        ["sh", "-c", f'exec "$0" "$@"{closing}', *words],
        cwd=ROOT,
        **{"stdin": subprocess.PIPE, **given},
    )


def told(folder: Path, lines: int, seconds: float = 20) -> list[str]:
    """What such a parent has said, once it is so many lines."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (folder / "told").exists():
            said = (folder / "told").read_text().splitlines()
            if len(said) >= lines:
                return said
        time.sleep(0.02)
    raise AssertionError("it said too little")


STOPS = """
import os
import signal


def correct(logits, labels):
    os.kill(os.getpid(), signal.SIGSTOP)
"""

WITH_CHILD = HANGS_WITH_CHILD.replace("while True:\n        pass", "return 0")
WITH_DAEMON = WITH_CHILD.replace("Popen(sleep)", "Popen(sleep, start_new_session=True)")


@pytest.mark.slow
@pytest.mark.parametrize(
    "sent",
    [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)],
    ids=lambda sent: sent.name,
)
@pytest.mark.parametrize(
    ("accuracy", "idle"),
    [
        pytest.param(HANGS, False, id="spins"),
        pytest.param("import time\ncorrect = lambda *_: time.sleep(300)", False, id="sleeps"),
        pytest.param(STOPS, False, id="stopped"),
        pytest.param(HANGS_WITH_CHILD, False, id="spins-with-child"),
        pytest.param(WITH_CHILD, True, id="idle-with-child"),
        pytest.param(WITH_DAEMON, True, id="idle-with-daemon"),
    ],
)
def test_nobody_outlives_a_parent_that_was_ended(
    accuracy: str, idle: bool, sent: signal.Signals, tmp_path: Path
) -> None:
    copy_backend(tmp_path, "broken", accuracy=accuracy)
    with parent(tmp_path) as process:
        left = [int(told(tmp_path, 1)[0])]
        child = tmp_path / "broken" / "child"
        if idle:
            told(tmp_path, 2)
        while "child" in accuracy and not child.exists():
            time.sleep(0.02)
        left += [int(child.read_text())] if child.exists() else []
        assert all(map(alive, left))
        process.send_signal(sent)
        process.wait()
        found = [gone(pid) for pid in left]
        for pid, ended in zip(left, found, strict=True):
            if not ended:
                os.kill(pid, signal.SIGKILL)
        assert all(found)


@pytest.mark.slow
def test_a_parent_that_was_stopped_blames_nobody(tmp_path: Path) -> None:
    """Ctrl-Z, for longer than a call may take: its worker went on, and is done."""
    code = "import time\n_quick = correct\n\n\ndef correct(logits, labels):\n"
    code += "    time.sleep(0.4)\n    return _quick(logits, labels)"
    copy_backend(tmp_path, "broken", accuracy=code)
    with parent(tmp_path, timeout=6) as process:
        told(tmp_path, 1)
        process.send_signal(signal.SIGSTOP)
        time.sleep(7)
        process.send_signal(signal.SIGCONT)
        assert told(tmp_path, 2)[1] == "3 steps"


@pytest.mark.slow
@pytest.mark.parametrize(
    "closed",
    [
        pytest.param((0,), marks=pytest.mark.slow),
        pytest.param((1, 2), marks=pytest.mark.slow),
        (0, 1, 2),
    ],
    ids=str,
)
def test_standard_descriptors_that_are_closed(closed: tuple[int, ...], tmp_path: Path) -> None:
    copy_backend(tmp_path, "broken", accuracy=NOISY)
    with parent(tmp_path, stdin=None, closed=closed) as process:
        assert told(tmp_path, 2)[1] == "3 steps"
        process.kill()


DAEMON = """
import os
import subprocess
import sys


def correct(logits, labels):
    code = "import time; time.sleep(20)"
    subprocess.Popen([sys.executable, "-c", code], close_fds=False, start_new_session=True)
    os.write(int(sys.argv[1]), b"\\x00\\x00\\x10\\x00half")
    os._exit(7)
"""


@pytest.mark.slow
def test_half_an_answer_whose_pipe_a_daemon_holds(broken: Made) -> None:
    """A daemonised child is in no group of ours; the time a call may take holds all the same."""
    session = broken(timeout=3, accuracy=DAEMON)
    found: list[BaseException] = []

    def call() -> None:
        try:
            session.train(ORDER)
        except BaseException as error:
            found.append(error)

    caller = threading.Thread(target=call, daemon=True)
    caller.start()
    caller.join(12)
    assert [type(error) for error in found] == [TimedOut]


@pytest.mark.parametrize("timeout", [1e10, float("inf")])
def test_a_time_limit_that_no_timer_holds(
    timeout: float, broken: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    raised: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", raised.append)
    assert len(broken(timeout=timeout).train(ORDER).losses) == 3
    assert raised == []


def test_a_group_is_not_signalled_once_its_leader_is_reaped(
    broken: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its id may be somebody else's by then."""
    session, reaped = broken(accuracy=EXITS), []
    killpg = os.killpg

    def observed(group: int, number: int) -> None:
        reaped.append(session._process.returncode is not None)
        killpg(group, number)

    monkeypatch.setattr(os, "killpg", observed)
    # Its pipe is held open, so that its end is noticed by looking at the process.
    monkeypatch.setattr(session._channel, "ready", lambda seconds: time.sleep(0.05))
    with pytest.raises(Killed, match="exit code 3"):
        session.train(ORDER)
    assert reaped == [False]


# ---- another interpreter -------------------------------------------------------------------


def test_interpreter_without_numpy(start: Made, tmp_path: Path, session_data: Data) -> None:
    """The one that is here, kept from the packages beside it."""
    bare = tmp_path / "python"
    real = Path(sys.executable).resolve()
    bare.write_text(f'#!/bin/sh\nexec "{real}" -S "$@"\n')
    bare.chmod(0o755)
    plan, session = make_plan(), start(python=str(bare))
    with pytest.raises(Unavailable) as missing:
        session.open(plan.asdict(), SCRATCH, session_data(plan))
    assert "No module named 'numpy'" in str(missing.value)
    assert "--python" in str(missing.value)


def test_versions_name_the_interpreter_and_numpy(start: Made, session_data: Data) -> None:
    plan = make_plan()
    versions = start().open(plan.asdict(), SCRATCH, session_data(plan)).versions
    assert versions == {"numpy": np.__version__, "python": platform.python_version()}


# ---- answers that are no messages ----------------------------------------------------------

WRITES = """
import os
import sys


def correct(logits, labels):
    os.write(int(sys.argv[1]), {})
    raise ValueError
"""


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(b'\x00\x00\x00\x05{"val', id="no-json"),
        pytest.param(b"\x00\x00\x00\x02[]", id="another-json"),
        pytest.param(b"\x00\x00\x00\x10" + b'{"error": [1,2]}', id="no-error"),
        pytest.param(b"\x00\x00\x00\x04\xff\xfe\xff\xfe", id="no-text"),
        pytest.param(b"\x00\x01\x00\x00" + b"[" * 2**16, id="too-deep"),
        pytest.param(b"\xff\xff\xff\xff\x7f" + b"\xff" * 7, id="endless"),
    ],
)
def test_what_is_no_message(written: bytes, broken: Made) -> None:
    session = broken(accuracy=WRITES.format(written))
    with pytest.raises(EntrantError) as told:
        session.train(ORDER)
    assert "\n" not in str(told.value)


def test_words_of_an_error_can_be_written(broken: Made) -> None:
    session = broken(accuracy="def correct(*_):\n    raise ValueError('\\udcff')")
    with pytest.raises(Failed) as failed:
        session.train(ORDER)
    assert str(failed.value).encode() == b"ValueError: \\udcff"


# ---- a worker that waits -------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "backend",
    [pytest.param(b, marks=[pytest.mark.slow] * (b != "numpy")) for b in BACKENDS],
)
def test_waiting_costs_nothing(backend: str, workers: Callable[[str], WorkerSession]) -> None:
    """Right after work that uses all its threads: no thread spins for the next."""
    mode = BACKENDS[backend].info.usual_mode
    plan, draw = make_plan("mlp", hidden=256, batch_size=512), np.random.default_rng(0)
    images = draw.integers(0, 256, (2048, 784), dtype=np.uint8)
    labels = draw.integers(0, 10, 2048, dtype=np.uint8)
    start = draws.parameters(MODELS["mlp"], (28, 28, 1), 256, 10, 0, "float32")
    data = {"train": (images, labels), "test": (images, labels)}
    data |= {"initial": start, "classes": 10}
    session = workers(backend)
    choices = {"style": BACKENDS[backend].info.styles[-1], "mode": mode, "data": "memory"}
    session.open(plan.asdict(), choices, data)
    order = draws.order(0, 0, 2048, 512, False)
    before = cpu_seconds(session.pid)
    for _ in range(3):
        session.train(order)
    session.params()
    worked = cpu_seconds(session.pid)
    time.sleep(1)
    assert cpu_seconds(session.pid) - worked < 0.02
    assert worked > before, "the clock must see work, or it sees nothing"


@pytest.mark.slow
def test_a_spinning_worker_would_be_seen(broken: Made) -> None:
    """The check above, on a thread that never rests."""
    code = (
        "import threading\n\ndef _spin():\n    while True:\n        pass\n\n"
        "threading.Thread(target=_spin, daemon=True).start()"
    )
    session = broken(accuracy=code)
    before = cpu_seconds(session.pid)
    time.sleep(0.5)
    assert cpu_seconds(session.pid) - before > 0.05


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="threads are pinned on Linux")
@pytest.mark.parametrize("pin", ["1", "0"], ids=["tuned", "stock"])
def test_threads_of_jax_are_each_kept_on_a_core(pin: str) -> None:
    code = """if True:
        import os
        os.sched_setaffinity(0, range(os.cpu_count()))  # the tests' own process has one core
        threads = len(os.sched_getaffinity(0))
        os.environ["NPROC"] = str(threads)
        from backends.jax import train
        said = train.setup("float32", "cpu", threads)["threads pinned"]
        kept = [os.sched_getaffinity(int(task)) for task in os.listdir("/proc/self/task")]
        alone = [cores.pop() for cores in kept if len(cores) == 1]
        print(threads, said, len(alone), len(set(alone)), len(os.sched_getaffinity(0)))
    """
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "JAX_PLATFORMS": "cpu", "COMPARE_PIN_THREADS": pin},
        capture_output=True,
        text=True,
        check=True,
    )
    threads, said, alone, different, mine = map(int, done.stdout.split())
    assert said == (threads if pin == "1" else 0)
    if threads > 1:  # with one core all are on it, whatever anybody does
        assert alone == different == said
        assert mine == threads, "the calling thread stays free"
