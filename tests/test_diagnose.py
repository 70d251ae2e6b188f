"""`compare.py diagnose`: the first step, stage and tensor, whenever the slip shows."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import numpy as np
import pytest

from common.agreement.diagnose import Diagnosis, Patient, diagnose
from common.agreement.referee import Referee
from common.agreement.schedule import Schedule
from common.agreement.track import Track
from common.contract.entrant import Entrant
from common.contract.plan import Plan
from common.data import draws
from common.entrants.local import LocalSession
from common.shown.diagnosis import diagnosis_text
from tests.conftest import BACKENDS, EXAMPLES, Command, Done, make_plan
from tests.fakes import (
    BY_LARGEST,
    DROPS_LAST,
    EXITS,
    GENEROUS,
    HANGS,
    HASTY,
    LATE,
    NOT_INSTALLED,
    RAISES,
    ROUNDED_RATE,
    SHIFTED,
    STRETCHED,
    SUMMED,
    Repeating,
    alive,
    children,
    copy_backend,
)
from tests.test_cli import refused

#: copy -> what is wrong with it, and where that must be found: step, stage, tensors, cause.
SLIPS: dict[str, tuple[dict[str, str], int, str, tuple[str, ...], str]] = {
    "shifted": ({"data": SHIFTED}, 1, "data", ("labels",), "shifted by +1"),
    "stretched": ({"model": STRETCHED}, 1, "forward", ("logits",), ""),
    "summed": ({"loss": SUMMED}, 1, "loss", ("loss",), "summed over the batch of 32"),
    "generous": ({"accuracy": GENEROUS}, 1, "accuracy", ("correct",), "off by +1"),
    "hasty": (
        {"update": HASTY},
        1,
        "update",
        ("output.weight", "output.bias"),
        "a learning rate of 0.1001",
    ),
    "short": ({"loss": BY_LARGEST}, 3, "loss", ("loss",), ""),
    "drops": ({"train": DROPS_LAST}, 3, "data", ("batch",), "6 examples, is dropped"),
    "late": (
        {"train": LATE},
        5,
        "update",
        ("output.weight", "output.bias"),
        "2 times lr",
    ),
}
STEPS = 3 * 3


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("diagnose-cache")


class Diagnose(Command):
    """`compare.py diagnose` on small data, in an empty folder, with a place for its own files."""

    def __init__(self, folder: Path, cache: Path, data: Path) -> None:
        for name in ("here", "temporary"):
            (folder / name).mkdir()
        super().__init__(folder / "here", cache, data)
        self.env["TMPDIR"] = str(folder / "temporary")

    def arguments(self, *arguments: object) -> list[object]:
        return ["diagnose", *self.small("--epochs", 3, *arguments)]

    def left(self) -> list[Path]:
        """Everything that was left behind."""
        return [*self.folder.iterdir(), *Path(self.env["TMPDIR"]).iterdir()]


@pytest.fixture
def compare(tmp_path: Path, cache: Path, small_folder: Path) -> Diagnose:
    return Diagnose(tmp_path, cache, small_folder)


def strict(text: str) -> dict[str, Any]:
    """JSON without NaN: what was found, by label."""

    def refuse(word: str) -> NoReturn:
        raise AssertionError(f"{word} is not JSON")

    read: dict[str, Any] = json.loads(text, parse_constant=refuse)
    return {entrant["label"]: entrant for entrant in read["entrants"]}


# ---- every slip in one process of the command line -----------------------------------------

Found = tuple[dict[str, Any], Done, Diagnose]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, cache: Path, small_folder: Path) -> Found:
    """Every slip of NumPy's, and NumPy, diagnosed once: looked at by many."""
    folder = tmp_path_factory.mktemp("slips")
    for name, (appended, *_) in SLIPS.items():
        copy_backend(folder / "more", name, **appended)
    command = Diagnose(folder, cache, small_folder)
    arguments = command.arguments("--backends", *SLIPS, "numpy", "--backend-path", folder / "more")
    done = command(*arguments, "--json", "-")
    assert done.returncode == 1, f"{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return strict(done.stdout), done, command


@pytest.mark.parametrize("slip", SLIPS)
def test_slip(slip: str, found: Found) -> None:
    _, step, stage, tensors, cause = SLIPS[slip]
    entrant = found[0][slip]
    first = entrant["difference"]
    assert (first["step"], first["stage"]) == (step, stage), first
    assert first["tensor"] in tensors
    assert cause in (first["likely_cause"] or "")
    assert entrant["status"] == "ok"
    assert entrant["seconds"] > 0


@pytest.mark.parametrize("slip", SLIPS)
def test_slip_is_told(slip: str, found: Found) -> None:
    _, step, stage, tensors, cause = SLIPS[slip]
    said = found[1].stderr.splitlines()
    (line,) = [line for line in said if line.startswith(f"{slip} differs")]
    assert f"differs at step {step}, stage {stage}, tensor {tensors[0].partition('.')[0]}" in line
    assert "nan" not in line
    if stage != "data":
        assert re.search(r": -?\d\S*, the referee has -?\d", line)
    if cause:
        assert any(line.startswith(f"{slip}: likely ") and cause in line for line in said)


def test_nothing_is_said_of_numpy(found: Found) -> None:
    entrant = found[0]["numpy"]
    assert (entrant["difference"], entrant["growth"], entrant["steps"]) == (None, [], STEPS)
    line = r"numpy: only rounding differs, in 9 steps; that took \d[\d.]* m?s"
    assert re.search(f"(?m)^{line}$", found[1].stderr)


@pytest.mark.parametrize("slip", SLIPS)
def test_growth(slip: str, found: Found) -> None:
    """Alone from there on: steps 0, 1, 2, 4, ... later, and the run's last."""
    _, step, stage, *_ = SLIPS[slip]
    growth = found[0][slip]["growth"]
    if stage == "data":
        assert growth == []
        return
    last = STEPS - step
    assert [later for later, _ in growth] == sorted(
        {0, last, *(n for n in (1, 2, 4, 8) if n <= last)}
    )
    drifts = [drift for _, drift in growth]
    assert all(drift >= 0 for drift in drifts)
    if stage == "update":
        # Before the first wrong update nothing shows; after it, everything.
        assert drifts[0] < 1e-6 < min(drifts[1:])
    if stage == "loss":
        assert drifts[0] > 1e-2


def test_checks_of_the_first_step_are_shown(found: Found) -> None:
    checks = found[0]["numpy"]["checks"]
    assert all(check["right"] and check["step"] == 1 for check in checks)
    stages = list(dict.fromkeys(check["stage"] for check in checks))
    assert stages == ["data", "forward", "loss", "accuracy", "gradient", "update"]
    assert "off by, in units in the last place" in found[1].stderr
    wrong = [check for check in found[0]["summed"]["checks"] if not check["right"]]
    assert [(check["stage"], check["tensor"]) for check in wrong] == [("loss", "loss")]
    assert wrong[0]["ulps"] > 1e6 * max(1, wrong[0]["own_ulps"])


def test_nothing_is_left_behind(found: Found) -> None:
    assert found[2].left() == []


# ---- exit codes, and where the answer goes -------------------------------------------------


@pytest.mark.slow
def test_all_agree(compare: Diagnose) -> None:
    done = compare(*compare.arguments("--backends", "numpy", "numpy", "--mix", "loss=numpy"))
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stdout.splitlines() if "only rounding differs" in line]
    assert [line.partition(": ")[0] for line in said] == ["numpy#1", "numpy#2", "mix(loss=numpy)"]
    assert "walking the referee's path" in done.stderr
    assert compare.left() == []


@pytest.mark.slow
def test_diagnose_and_run_say_the_same(compare: Diagnose, tmp_path: Path) -> None:
    copy_backend(tmp_path / "more", "hasty", update=HASTY)
    where = ["--backends", "hasty", "--backend-path", tmp_path / "more"]
    done = compare(*compare.arguments(*where, "--json", "-", "--quiet"))
    assert done.returncode == 1
    read = compare.run(*where, expect=1)
    first = strict(done.stdout)["hasty"]["difference"]
    assert first == read["parity"]["entrants"]["hasty"]["first_difference"]


@pytest.mark.slow
def test_what_is_missing_is_named(compare: Diagnose, tmp_path: Path) -> None:
    """It has an answer, if a wrong one; beside it stands what it would have been held against."""
    copy_backend(tmp_path / "more", "empty", model="def dump(*_):\n    return {}")
    where = ["--backends", "empty", "numpy", "--backend-path", tmp_path / "more"]
    done = compare(*compare.arguments(*where))
    assert done.returncode == 1, done.stderr
    assert "empty differs at step 1, stage gradient, tensor output.weight (alone)\n" in done.stdout
    (row,) = re.findall(r"(?m)^ gradient +alone +output.weight +([\d.]+) +is missing", done.stdout)
    assert float(row) > 0, "the run's own arithmetic does not depend on who is first"


@pytest.mark.slow
def test_a_mix_is_diagnosed(compare: Diagnose, tmp_path: Path) -> None:
    copy_backend(tmp_path / "more", "summed", loss=SUMMED)
    mixes = ["--mix", "loss=summed", "--mix", "data=summed,model=summed,update=summed"]
    where = ["--backend-path", tmp_path / "more", "--json", "-", "--quiet"]
    done = compare(*compare.arguments("--backends", "numpy", *mixes, *where))
    assert done.returncode == 1, done.stderr
    read = strict(done.stdout)
    first = read["mix(loss=summed)"]["difference"]
    assert (first["step"], first["stage"], first["tensor"]) == (1, "loss", "loss")
    assert read["mix(data=summed,model=summed,update=summed)"]["difference"] is None
    assert read["mix(data=summed,model=summed,update=summed)"]["steps"] == STEPS


@pytest.mark.slow
@pytest.mark.parametrize(
    ("appended", "status", "words"),
    [
        pytest.param({"init": NOT_INSTALLED}, "unavailable", "is not installed", id="missing"),
        pytest.param({"data": "import no_such_9f3c"}, "unavailable", "no_such_9f3c", id="imports"),
        pytest.param({"accuracy": RAISES}, "failed", "boom", id="raises"),
        pytest.param({"accuracy": EXITS}, "killed", "exit code 3", id="exits"),
        pytest.param(
            {"accuracy": HANGS}, "timeout", "longer than 3 s", id="hangs", marks=pytest.mark.slow
        ),
    ],
)
def test_others_are_diagnosed(
    appended: dict[str, str], status: str, words: str, compare: Diagnose, tmp_path: Path
) -> None:
    """3 weighs more than the 1 of the entrant that differs."""
    copy_backend(tmp_path / "more", "bad", **appended)
    copy_backend(tmp_path / "more", "hasty", update=HASTY)
    where = ["--backend-path", tmp_path / "more", "--timeout", 3, "--json", "found.json"]
    done = compare(*compare.arguments("--backends", "bad", "hasty", "numpy", *where))
    assert done.returncode == 3, f"{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    read = strict((compare.folder / "found.json").read_text(encoding="utf-8"))
    assert [read[label]["status"] for label in ("bad", "hasty", "numpy")] == [status, "ok", "ok"]
    assert words in read["bad"]["reason"]
    assert "difference" not in read["bad"], "nobody has looked"
    assert read["hasty"]["difference"]["stage"] == "update"
    assert read["numpy"]["difference"] is None
    assert re.search(rf"(?m)^bad: {status}: .*{words}", done.stdout)
    assert [path.name for path in compare.left()] == ["found.json"]


def test_json_to_stdout_and_the_table_to_stderr(compare: Diagnose) -> None:
    done = compare(*compare.arguments("--backends", "numpy", "--json", "-"))
    assert done.returncode == 0
    assert strict(done.stdout)["numpy"]["difference"] is None
    plan = json.loads(done.stdout)["plan"]
    assert (plan["model"], plan["epochs"], plan["batch_size"]) == ("softmax", 3, 32)
    assert "numpy: only rounding differs" in done.stderr


def test_quiet(compare: Diagnose) -> None:
    done = compare(*compare.arguments("--backends", "numpy", "--quiet"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_no_progress_leaves_the_answer(compare: Diagnose) -> None:
    done = compare(*compare.arguments("--backends", "numpy", "--no-progress"))
    assert done.stderr == ""
    assert "numpy: only rounding differs" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--backends", "tensorflow"], "unknown backend 'tensorflow'"),
        (["--backends", "numpy:jit"], "numpy has no jit"),
        (["--mix", "layers=numpy"], "is not COMPONENT=BACKEND"),
        (["--out", "out"], "--out"),
        (["--rounds", "2"], "--rounds"),
        (["--json", "no/such/file"], "--json no/such/file"),
        (["--optimizer", "lion"], "invalid choice: 'lion'"),
        (["--epochs", "0"], "'0' is not a whole number"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_refused(arguments: list[str], words: str, compare: Diagnose) -> None:
    first = [] if "--backends" in arguments else ["--backends", "numpy"]
    assert words in refused(compare, *compare.arguments(*first, *arguments))
    assert compare.left() == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda one: one.name)
def test_interrupted(number: signal.Signals, compare: Diagnose, tmp_path: Path) -> None:
    copy_backend(tmp_path / "more", "hung", accuracy=HANGS)
    where = ["--backend-path", tmp_path / "more"]
    process = subprocess.Popen(
        compare.words(*compare.arguments("--backends", "hung", *where)),
        cwd=compare.folder,
        env=compare.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if line.startswith("following hung"):
                break
        time.sleep(0.5)
        workers = children(process.pid)
        assert workers, "hung's worker must run"
        process.send_signal(number)
        out, errors = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 130, errors
    assert out == ""
    assert "Traceback" not in errors
    deadline = time.monotonic() + 5
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(alive, workers)), "a worker outlived it"
    assert compare.left() == []


# ---- --check-float64, and what run makes of the same slips ---------------------------------


@pytest.mark.slow
def test_a_rounded_constant_shows_in_float64_alone(compare: Diagnose, tmp_path: Path) -> None:
    copy_backend(tmp_path / "more", "rounded", update=ROUNDED_RATE)
    where = ["--backends", "numpy", "rounded", "--backend-path", tmp_path / "more"]
    plain = compare.run(*where)
    assert plain["parity"]["entrants"]["rounded"]["verdict"] == "identical"
    assert plain["parity"]["entrants"]["rounded"]["float64_drift"] is None
    assert plain["parity"]["seconds"].keys() == {"referee", "components"}
    checked = compare.run(*where, "--check-float64", "--force", expect=1)
    verdicts = checked["parity"]["entrants"]
    assert checked["parity"]["seconds"].keys() == {"referee", "components", "float64 run"}
    assert all(spent > 0 for spent in checked["parity"]["seconds"].values())
    assert verdicts["numpy"]["verdict"] == "rounding"
    assert verdicts["numpy"]["float64_drift"] < 1e-12
    assert verdicts["rounded"]["verdict"] == "differs"
    assert 1e-12 < verdicts["rounded"]["float64_drift"] < 1e-6
    first = verdicts["rounded"]["first_difference"]
    assert (first["step"], first["stage"]) == (1, "update")
    assert first["unit"].endswith(", in float64")
    assert "the learning rate is rounded to float32" in first["likely_cause"]


@pytest.mark.slow
def test_a_run_in_float64_is_not_made_twice(compare: Diagnose) -> None:
    read = compare.run("--backends", "numpy", "--dtype", "float64", "--check-float64")
    assert "float64 run" not in read["parity"]["seconds"]


@pytest.mark.slow
def test_a_dropped_batch_is_a_verdict(compare: Diagnose, tmp_path: Path) -> None:
    copy_backend(tmp_path / "more", "drops", train=DROPS_LAST)
    where = ["--backends", "numpy", "drops", "--backend-path", tmp_path / "more"]
    read = compare.run(*where, expect=1)
    assert [entrant["status"] for entrant in read["entrants"]] == ["ok", "ok"]
    verdict = read["parity"]["entrants"]["drops"]
    first = verdict["first_difference"]
    assert (verdict["verdict"], first["step"], first["stage"]) == ("differs", 3, "data")
    assert first["value"] is None
    assert "--drop-last" in first["likely_cause"]
    assert read["comparisons"][0]["verdict"] == "not compared"
    # And with what the cause suggests, they agree.
    read = compare.run(*where, "--drop-last", "--force")
    assert read["parity"]["entrants"]["drops"]["verdict"] == "identical"


# ---- in this process: any step, any length -------------------------------------------------


class Slipping(LocalSession):
    """NumPy with the gradient doubled at certain steps since it was opened."""

    def __init__(self, wrong: Callable[[int], bool]) -> None:
        super().__init__("numpy")
        self._wrong = wrong

    def _import(self, component: str) -> Any:
        module = super()._import(component)
        if component != "train":
            return module

        def step(gradients: Any, update: Any, correct: Any) -> Any:
            made = [0]

            def slipping(params: Any, grads: Any, state: Any) -> Any:
                made[0] += 1
                factor = grads["output.bias"].dtype.type(2 if self._wrong(made[0]) else 1)
                return update(params, {n: factor * g for n, g in grads.items()}, state)

            return module.step(gradients, slipping, correct)

        return SimpleNamespace(**{**vars(module), "step": step})


def looked_at(
    session: LocalSession, plan: Plan, data: dict[str, Any], examples: int = EXAMPLES
) -> Diagnosis:
    """Diagnose a session in this process."""
    choices = {"style": "scratch", "mode": "eager", "data": "memory"}

    def reopen() -> None:
        session.open(plan.asdict(), choices, data)

    reopen()
    orders = [
        draws.order(plan.seed, epoch, examples, plan.batch_size, plan.drop_last)
        for epoch in range(plan.epochs)
    ]
    entrant = Entrant("x", "x", "numpy", **choices)
    patient = Patient(entrant, BACKENDS["numpy"].info, session, reopen)
    return diagnose(patient, Track(Referee(plan, data), Schedule(orders, plan.batch_size)))


@pytest.mark.parametrize("optimizer", ["sgd", pytest.param("adam", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("epochs", "step"),
    [(1, 1), (1, 3), (2, 2), (2, 4), (2, 6), (40, 33), (40, 35), (40, 100), (40, 120)],
    ids=lambda value: str(value),
)
def test_the_first_wrong_step_is_found(
    epochs: int, step: int, optimizer: str, session_data: Callable[[Plan], dict[str, Any]]
) -> None:
    """An entrant that counts its own steps, wrong from one of them on."""
    plan = make_plan(epochs=epochs, optimizer=optimizer, lr=0.05, batch_size=32)
    found = looked_at(Slipping(lambda made: made >= step), plan, session_data(plan))
    assert found.difference is not None
    assert (found.difference.step, found.difference.stage) in [(step, "update"), (step, "gradient")]


@pytest.mark.parametrize("step", [1, 5, 47])
def test_one_wrong_step_is_found(step: int, session_data: Callable[[Plan], dict[str, Any]]) -> None:
    plan = make_plan(epochs=20)
    found = looked_at(Slipping(lambda made: made == step), plan, session_data(plan))
    assert found.difference is not None
    assert found.difference.step == step


@pytest.mark.parametrize(("batch", "step"), [(1, 1), (2, 5)], ids=["alone", "in-an-epoch"])
def test_a_batch_trained_on_twice(
    batch: int, step: int, session_data: Callable[[Plan], dict[str, Any]]
) -> None:
    """The second of a call shows in the second epoch, the first that is walked in one call."""
    plan = make_plan(epochs=3)
    first = looked_at(Repeating(batch), plan, session_data(plan)).difference
    assert first is not None
    assert (first.step, first.stage, first.tensor) == (step, "data", "batch")
    assert f"the batch of step {step} is trained on twice" in (first.likely_cause or "")


@pytest.mark.parametrize(
    ("epochs", "lr"), [(2, 10.0), (1, 1e9), (1, 1e30)], ids=["later", "soon", "at-once"]
)
def test_a_plan_that_diverges_is_looked_at_as_far_as_it_goes(
    epochs: int, lr: float, session_data: Callable[[Plan], dict[str, Any]]
) -> None:
    plan = make_plan("linear", epochs=epochs, lr=lr, batch_size=10)
    with np.errstate(over="ignore", invalid="ignore"):
        found = looked_at(Slipping(lambda _: False), plan, session_data(plan), examples=1000)
        wrong = looked_at(Slipping(lambda n: n == 1), plan, session_data(plan), examples=1000)
    assert found.difference is None
    assert "overflows from step" in (found.unchecked or "")
    assert 1 <= found.steps < 100
    assert wrong.difference is not None
    assert wrong.difference.step == 1


@pytest.mark.parametrize("model", ["softmax", "mlp"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nothing_is_found_where_nothing_is(
    model: str, dtype: str, session_data: Callable[[Plan], dict[str, Any]]
) -> None:
    plan = make_plan(model, dtype=dtype, epochs=20)
    found = looked_at(Slipping(lambda _: False), plan, session_data(plan))
    assert found.difference is None
    assert found.steps == 60
    assert found.checks
    assert all(check.right for check in found.checks)


# ---- every framework -----------------------------------------------------------------------

#: Each style compiled, one of them in single steps and one in rows; what is compiled alone is the
#: same in both, and each component is looked at op by op as well.
CELLS = [
    f"{name}:{style},{mode if mode in backend.info.modes else 'eager'}"
    for name, backend in BACKENDS.items()
    for style, mode in (("scratch", "fused"), ("concise", "jit"))
    if style in backend.info.styles
]
NETWORK = ["--model", "mlp", "--hidden", 16]
OTHERS = [
    ["--model", "softmax", "--optimizer", "adam"],
    ["--model", "linear", "--optimizer", "momentum"],
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"),
    [(name, NETWORK) for name in BACKENDS] + [("numpy", options) for options in OTHERS],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else value,
)
def test_no_false_alarm(name: str, options: list[str], compare: Diagnose) -> None:
    entrants = [cell for cell in CELLS if cell.partition(":")[0] == name]
    # Seven batches an epoch, so that a call of several has enough.
    size = ["--batch-size", 10]
    arguments = compare.arguments("--backends", *entrants, *options, *size, "--json", "-")
    if "linear" in options:
        arguments = ["diagnose", "--backends", *entrants, *options, "--epochs", 2, "--json", "-"]
    done = compare(*arguments)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    for label, entrant in strict(done.stdout).items():
        compiled = {check["compiled"] for check in entrant["checks"]}
        assert compiled == ({False} if label.endswith("eager") else {False, True}), label


@pytest.mark.slow
def test_a_compiled_component_is_named(compare: Diagnose, tmp_path: Path) -> None:
    """A slip that only the compiled loss has: eager it is right."""
    code = """
_as_it_is = compiled


def compiled(function, updates):
    run = _as_it_is(function, updates)

    def call(held, *tensors):
        found = run(held, *tensors)
        pair = isinstance(found, tuple) and len(found) == 2 and not updates
        return (found[0] * 1.001, found[1]) if pair else found

    return call
"""
    copy_backend(tmp_path / "more", "twofold", source="jax", train=code)
    where = ["--backend-path", tmp_path / "more", "--json", "-", "--quiet"]
    entrants = ["twofold:scratch,eager", "twofold:scratch,jit"]
    done = compare(*compare.arguments("--backends", *entrants, *where))
    read = strict(done.stdout)
    assert read[entrants[0]]["difference"] is None
    first = read[entrants[1]]["difference"]
    assert (first["step"], first["stage"], first["unit"]) == (1, "loss", "alone, compiled")


def test_a_walk_that_takes_too_long_is_cut_and_said(session_data: Any) -> None:
    plan = make_plan(epochs=40)
    data, session = session_data(plan), LocalSession("numpy")
    orders = [draws.order(0, epoch, EXAMPLES, plan.batch_size, False) for epoch in range(40)]
    track = Track(Referee(plan, data), Schedule(orders, plan.batch_size), seconds=0.0)
    choices = {"style": "scratch", "mode": "eager", "data": "memory"}
    session.open(plan.asdict(), choices, data)
    entrant = Entrant("x", "x", "numpy", **choices)
    found = diagnose(Patient(entrant, BACKENDS["numpy"].info, session, lambda: None), track)
    assert found.difference is None
    assert 1 <= found.steps < found.planned == 120
    words = diagnosis_text("x", found)
    assert "all that the referee's walk had time for" in " ".join(words.split())
