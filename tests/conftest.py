"""What the tests share: workers that are reused, small data, the real data."""

from __future__ import annotations

import os

# With `pytest -n`, each of the processes keeps to a core of its own, and all it starts with it:
# threads of two frameworks that wait for each other on the same cores take ten times as long.
# It comes before NumPy, which counts the cores when it is imported.
if (_worker := os.environ.get("PYTEST_XDIST_WORKER")) and hasattr(os, "sched_setaffinity"):
    _cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {_cores[int(_worker.removeprefix("gw")) % len(_cores)]})

import atexit
import contextlib
import gc
import getpass
import io
import json
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn
from unittest import mock

import jsonschema
import numpy as np
import pytest

from common.cli.commands import main
from common.contract import registry
from common.contract.models import MODELS, Model
from common.contract.plan import Plan
from common.contract.root import ROOT
from common.data import datasets, description, draws, idx
from common.entrants.local import LocalSession
from common.entrants.process import WorkerSession
from common.locale.language import speaking
from common.measure.machine import available_cores
from common.results.schema import SCHEMA
from tests.thorough import CHOICES, cell_of, name_of

# What a shell runs in the background ignores Ctrl-C, what nohup runs ignores SIGHUP; and so would
# all that the tests start and interrupt.
for _number, _usual in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(_number, _usual)

# What is compiled is kept from one run of the tests to the next: a cell of JAX's takes a quarter of
# the time then. Named here, because a test that moves the temporary folder would compile anew.
for _name, _value in {
    "JAX_COMPILATION_CACHE_DIR": f"{tempfile.gettempdir()}/compare-tests-jax_{getpass.getuser()}",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    "TORCHINDUCTOR_CACHE_DIR": f"{tempfile.gettempdir()}/torchinductor_{getpass.getuser()}",
}.items():
    os.environ.setdefault(_name, _value)
# Other runs on this machine, those of other tests among them, are not seen.
os.environ["COMPARE_LOCK_DIR"] = _locks = tempfile.mkdtemp(prefix="compare-tests-")
atexit.register(shutil.rmtree, _locks, ignore_errors=True)
# Environments that somebody made are not the tests' affair.
os.environ["COMPARE_ENV_DIR"] = f"{tempfile.gettempdir()}/compare-tests-no-environments"
# What is said is asserted in English, whatever this machine speaks.
for _name in ("LC_ALL", "LC_MESSAGES", "LANG"):
    if os.environ.get(_name, "").lower().startswith("zh"):
        os.environ[_name] = "C.UTF-8"
# Keras computes in one framework a process, and in TensorFlow unless it is told.
os.environ.setdefault("KERAS_BACKEND", "torch")


#: Fixtures of a file that take seconds, which each of pytest's processes would make anew.
DEAR = {"browser", "everyday", "found", "of_eager", "of_one", "of_several", "planted", "said"}


def pytest_itemcollected(item: pytest.Item) -> None:
    """Keep in one process what shares a worker or a run; the rest goes to whoever is free."""
    assert isinstance(item, pytest.Function)
    cell = item.callspec.params if hasattr(item, "callspec") else {}
    if "workers" in item.fixturenames or cell.get("backend") in FRAMEWORKS:
        item.add_marker(pytest.mark.xdist_group(f"workers {cell.get('backend', '')}"))
    elif "full" in item.fixturenames:
        item.add_marker(pytest.mark.xdist_group("full"))
    elif DEAR & set(item.fixturenames):
        item.add_marker(pytest.mark.xdist_group(item.path.stem))


#: What was collected, before anything was left out.
COLLECTED = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--thorough`: the cells, too, for which others stand (tests/thorough.toml)."""
    parser.addoption(
        "--thorough", action="store_true", help="leave out no cell for which others stand"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is not asked for: neither by `--thorough` nor by its name."""
    config.stash[COLLECTED] = [item.nodeid for item in items]
    left = [
        item
        for item in items
        if (choice := CHOICES.get(name_of(item.nodeid))) and choice.leaves(cell_of(item.nodeid))
    ]
    for item in left:
        item.add_marker(pytest.mark.thorough)
    if left and not config.getoption("thorough") and not any("::" in arg for arg in config.args):
        config.hook.pytest_deselected(items=left)
        out = set(left)
        items[:] = [item for item in items if item not in out]


def pytest_collection_finish() -> None:
    """Let garbage be looked for among what tests make alone, and not in three frameworks."""
    gc.collect()
    gc.freeze()


BACKENDS = registry.find()
FRAMEWORKS = [name for name in BACKENDS if name != "numpy"]
#: 70 examples in batches of 32: a short last batch of 6.
EXAMPLES, BATCH = 70, 32
SHAPE, FEATURES, CLASSES = (6, 6, 1), 36, 10
#: For models of pictures; no two sides are equal, and one is odd where it is halved.
PICTURE = (12, 14, 1)
VALIDATOR = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
Done = subprocess.CompletedProcess[str]


def make_plan(model: str = "softmax", **changes: Any) -> Plan:
    """A small plan; `changes` are fields of Plan."""
    fields: dict[str, Any] = {
        "model": model,
        "optimizer": "sgd",
        "lr": 0.1,
        "momentum": 0.0,
        "weight_decay": 0.0,
        "epochs": 2,
        "batch_size": BATCH,
        "seed": 0,
        "dtype": "float32",
        "device": "cpu",
        "threads": available_cores(),
        "workers": 0,
        "hidden": 16,
        "drop_last": False,
        "limit": None,
        "resize": None,
        "rounds": 1,
    }
    return Plan(**{**fields, **changes})


def shape_of(model: Model) -> tuple[int, ...]:
    """Of one example that tests give a model."""
    if not model.classifies:
        return (len(draws.TRUE_WEIGHT),)
    return PICTURE if model.smallest else SHAPE


def write_images(
    folder: Path, shape: tuple[int, int, int] = SHAPE, examples: int = EXAMPLES
) -> None:
    """Make up IDX files: ten classes, so many examples for training and for testing.

    Every one of the 256 pixel values occurs.
    """
    draw = np.random.default_rng(5)
    for images, labels in (idx.TRAIN, idx.TEST):
        height, width, _ = shape
        pixels = draw.integers(0, 256, (examples, height * width), dtype=np.uint8)
        pixels.flat[:256] = np.arange(256)
        idx.write_images(folder / images, [pixels], examples, height, width)
        idx.write_labels(folder / labels, draw.integers(0, 10, examples, dtype=np.uint8))


@pytest.fixture(scope="session")
def small_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of made-up IDX files, see `write_images`."""
    folder = tmp_path_factory.mktemp("small")
    write_images(folder)
    return folder


@pytest.fixture(scope="session")
def picture_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for models of pictures."""
    folder = tmp_path_factory.mktemp("pictures")
    write_images(folder, PICTURE)
    return folder


@pytest.fixture(scope="session")
def small(small_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> description.Dataset:
    """The made-up files as a `Dataset`, in a cache of their own."""
    return loaded(small_folder, tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def pictures(picture_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> description.Dataset:
    """The same for models of pictures."""
    return loaded(picture_folder, tmp_path_factory.mktemp("picture-cache"))


def loaded(folder: Path, cache: Path) -> description.Dataset:
    """Made-up files, in a cache."""
    before = os.environ.get("COMPARE_CACHE_DIR")
    os.environ["COMPARE_CACHE_DIR"] = str(cache)
    try:
        return datasets.load(folder, custom=True, say=print)
    finally:
        if before is None:
            del os.environ["COMPARE_CACHE_DIR"]
        else:
            os.environ["COMPARE_CACHE_DIR"] = before


@pytest.fixture(scope="session")
def real() -> description.Dataset:
    """Fashion-MNIST itself, from the default cache or wherever it can be had."""
    return datasets.load(say=print)


@pytest.fixture(scope="session")
def session_data(
    small: description.Dataset, pictures: description.Dataset
) -> Callable[[Plan], dict[str, Any]]:
    """Make what `Session.open` is told of the data of a plan."""

    def make(plan: Plan) -> dict[str, Any]:
        model = MODELS[plan.model]
        classes = CLASSES if model.classifies else 0
        shape = shape_of(model)
        start = draws.parameters(model, shape, plan.hidden, classes, plan.seed, plan.dtype)
        if model.classifies:
            of = pictures if model.smallest else small
            data = {"folder": str(of.folder), "limit": plan.limit, "inputs": of.inputs.asdict()}
            return {**data, "classes": CLASSES, "initial": start}
        return {"train": draws.synthetic(plan.seed, plan.dtype), "classes": 0, "initial": start}

    return make


@pytest.fixture(scope="session")
def workers(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., WorkerSession]]:
    """One worker process per backend, reused by all tests; it is opened again for each plan.

    With as many threads as there are cores, or so many: `workers(backend, threads)`; and another
    one for models with convolutions, if those have settings of their own.
    """
    started: dict[tuple[str, int, bool], WorkerSession] = {}
    folder = tmp_path_factory.mktemp("logs")

    def worker(
        backend: str, threads: int | None = None, *, convolves: bool = False
    ) -> WorkerSession:
        threads, info = threads or available_cores(), BACKENDS[backend].info
        convolves = convolves and bool(info.tuned_convolutions)
        key = backend, threads, convolves
        # One that died or took too long has failed its own test, and not those that follow.
        if key not in started or started[key].closed:
            started[key] = WorkerSession(
                backend,
                log=folder / f"{'-'.join(map(str, key))}.log",
                environment=info.variables(threads, "cpu", convolves=convolves),
                threads=threads,
                timeout=240,
            )
        return started[key]

    yield worker
    for session in started.values():
        session.close()


@pytest.fixture(scope="session")
def opened(
    workers: Callable[..., WorkerSession], session_data: Callable[[Plan], dict[str, Any]]
) -> Callable[..., WorkerSession]:
    """Open a plan in a backend's worker: `opened(backend, plan, style, mode, data)`."""

    def open_(
        backend: str,
        plan: Plan,
        style: str = "scratch",
        mode: str = "eager",
        choice: str = "memory",
    ) -> WorkerSession:
        session = workers(backend, convolves=MODELS[plan.model].convolves)
        choices = {"style": style, "mode": mode, "data": choice}
        session.open(plan.asdict(), choices, session_data(plan))
        return session

    return open_


@pytest.fixture(scope="session")
def referee(session_data: Callable[[Plan], dict[str, Any]]) -> Callable[[Plan], LocalSession]:
    """NumPy in this process, opened for a plan in the plan's dtype."""

    def open_(plan: Plan) -> LocalSession:
        session = LocalSession("numpy")
        choices = {"style": "scratch", "mode": "eager", "data": "memory"}
        session.open(plan.asdict(), choices, session_data(plan))
        return session

    return open_


#: Whatever checks take.
LONG = ("--check-seconds", "600")


class Command:
    """compare.py in an empty folder, on small data, with a cache of its own.

    Args:
        folder: where it runs.
        cache: of data sets.
        data: a folder of images.
        page: whether a run called in this process draws report.html, which takes the longest.
    """

    def __init__(self, folder: Path, cache: Path, data: Path, *, page: bool = False) -> None:
        self.folder, self.data, self.page = folder, data, page
        self.env = {**os.environ, "COMPARE_CACHE_DIR": str(cache)}
        for name in ("COMPARE_DATA_DIR", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "TTY_COMPATIBLE"):
            self.env.pop(name, None)

    @staticmethod
    def words(*arguments: object) -> list[str]:
        return [sys.executable, str(ROOT / "compare.py"), *map(str, arguments)]

    def __call__(self, *arguments: object) -> Done:
        """Run with these arguments and no others, in this process: starting one takes a second."""
        words = [str(argument) for argument in arguments]
        streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2)]
        with (
            speaking(None),  # or what it chose is spoken by the tests that follow
            contextlib.chdir(self.folder),
            mock.patch.dict(os.environ, self.env, clear=True),
            mock.patch.object(tempfile, "tempdir", None),  # or it keeps to the folder it took first
            contextlib.redirect_stdout(streams[0]),
            contextlib.redirect_stderr(streams[1]),
            contextlib.nullcontext() if self.page else mock.patch("common.ask.run.draw_page"),
        ):
            try:
                code = main(words)
            except SystemExit as left:  # argparse's, after --help
                code = int(left.code or 0)
        out, errors = (stream.buffer.getvalue().decode() for stream in streams)  # type: ignore[attr-defined]
        return Done(self.words(*words), code, out, errors)

    def process(self, *arguments: object, timeout: float = 60) -> Done:
        """Run with these arguments in a process of its own."""
        return subprocess.run(
            self.words(*arguments),
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def small(self, *arguments: object) -> list[object]:
        """Arguments for a quick run on the small data."""
        options = ["--data-dir", self.data, "--custom-data", "--epochs", 2, "--batch-size", 32]
        return [*options, *arguments]

    def run(self, *arguments: object, expect: int = 0) -> dict[str, Any]:
        """Run on the small data into `out`; results.json as read and checked.

        Checks have the time they take, so that they are whole on a busy machine.
        """
        time = () if "--check" in arguments else LONG
        done = self(*self.small("--out", "out", *time, *arguments))
        assert done.returncode == expect, f"{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stdout + done.stderr
        return checked((self.folder / "out" / "results.json").read_text(encoding="utf-8"))


def checked(text: str) -> dict[str, Any]:
    """Read strict JSON and hold it against the schema."""

    def refuse(word: str) -> NoReturn:
        raise AssertionError(f"{word} is not JSON")

    read: dict[str, Any] = json.loads(text, parse_constant=refuse)
    assert [f"{list(e.path)}: {e.message}" for e in VALIDATOR.iter_errors(read)] == []
    return read


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cli-cache")


#: Those of the run that most tests look at.
ENTRANTS = (*BACKENDS, "jax:fused")
Full = tuple[Command, dict[str, Any], Done]


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory, cache: Path, small_folder: Path) -> Full:
    """All backends at once, and JAX's fused mode: run once, looked at by many."""
    command = Command(tmp_path_factory.mktemp("full"), cache, small_folder, page=True)
    arguments = command.small("--out", "out", "--backends", *ENTRANTS, "--json", "copy.json", *LONG)
    done = command(*arguments)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    text = (command.folder / "out" / "results.json").read_text(encoding="utf-8")
    return command, checked(text), done


@pytest.fixture
def compare(tmp_path: Path, cache: Path, small_folder: Path) -> Command:
    folder = tmp_path / "here"
    folder.mkdir()
    return Command(folder, cache, small_folder)
