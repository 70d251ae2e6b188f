"""The Python interface: a port of one's own, right or with one slip; what is refused."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import backends
from common.agreement.expectations import expected_at
from common.agreement.referee import Referee, State
from common.check import Report, check
from common.contract.registry import find
from common.entrants.port import Port
from common.errors import BadLabel, Refused
from tests.conftest import EXAMPLES, FEATURES, make_plan
from tests.fakes import BY_LARGEST, HASTY, LATE, ROOT, SUMMED, copy_backend
from tests.ports import CASES, EAGER, EVERYDAY, ONE_FRAMEWORK, RESULT, SEVERAL

Arrays = dict[str, np.ndarray]


def given(images: str = "normal", seed: int = 0) -> dict[str, Any]:
    """Parameters, images and labels of softmax regression."""
    draw = np.random.default_rng(seed)
    pictures = draw.normal(0, 1, (EXAMPLES, FEATURES))
    if images == "bytes":
        pictures = draw.integers(0, 256, (EXAMPLES, FEATURES), dtype=np.uint8)
    return {
        "params": {
            "output.weight": draw.normal(0, 0.1, (FEATURES, 10)),
            "output.bias": draw.normal(0, 0.1, 10),
        },
        "images": pictures,
        "labels": draw.integers(0, 10, EXAMPLES),
    }


def network(seed: int = 0) -> dict[str, Any]:
    """The same for the registered network."""
    draw = np.random.default_rng(seed)
    params = {
        "hidden.weight": draw.normal(0, 0.3, (FEATURES, 16)),
        "hidden.bias": draw.normal(0, 0.1, 16),
        "output.weight": draw.normal(0, 0.3, (16, 10)),
        "output.bias": draw.normal(0, 0.1, 10),
    }
    return {**given(seed=seed), "params": params}


@pytest.fixture(autouse=True)
def path_of_backends(monkeypatch: pytest.MonkeyPatch) -> None:
    """`check` adds the folder of a port to it."""
    monkeypatch.setattr(backends, "__path__", list(backends.__path__))


# ---- a backend of one's own, by its folder -------------------------------------------------


def test_a_folder_that_agrees(tmp_path: Path) -> None:
    report = check(copy_backend(tmp_path, "mine_as_it_is"), model="softmax", **given("bytes"))
    assert report.agrees
    assert report.verdict.verdict == "rounding"
    assert report.verdict.first_difference is report.diagnosis.difference is None
    assert report.diagnosis.steps == 2 * 3
    assert all(one.right for one in report.diagnosis.checks)
    assert 0 < report.diagnosis.seconds < report.seconds
    text = str(report)
    assert text.startswith("rounding\nthe port: only rounding differs, in 6 steps; that took ")
    assert "off by, in units in the last place" in text


@pytest.mark.parametrize(
    ("appended", "step", "stage", "cause"),
    [
        pytest.param({"loss": SUMMED}, 1, "loss", "summed over the batch of 32", id="loss"),
        pytest.param({"update": HASTY}, 1, "update", "a learning rate of 0.1001", id="update"),
        pytest.param({"loss": BY_LARGEST}, 3, "loss", "", id="short-batch"),
        pytest.param({"train": LATE}, 5, "update", "2 times lr", id="from-step-5"),
    ],
)
def test_a_folder_that_differs(
    appended: dict[str, str],
    step: int,
    stage: str,
    cause: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    name = "mine_" + re.sub(r"\W", "_", request.node.callspec.id)
    report = check(copy_backend(tmp_path, name, **appended), model="softmax", **given("bytes"))
    first = report.diagnosis.difference
    assert (report.verdict.verdict, report.agrees) == ("differs", False)
    assert first is not None
    assert first is report.verdict.first_difference, "one report, one answer"
    assert (first.step, first.stage) == (step, stage)
    assert cause in (first.likely_cause or "")
    text = str(report)
    assert f"the port differs at step {step}, stage {stage}, tensor {first.tensor}" in text
    assert "from there on by itself" in text


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 6))]
)
@pytest.mark.parametrize("model", ["softmax", "mlp"])
def test_no_false_alarm_for_images_below_zero(model: str, seed: int) -> None:
    """Standardised images have negative values; no bound may become negative by that."""
    data = given(seed=seed) if model == "softmax" else network(seed)
    report = check("numpy", model=model, **{**data, "images": data["images"] - 2})
    assert report.agrees, str(report)


@pytest.mark.parametrize("model", ["softmax", "mlp"])
def test_no_bound_is_narrower_for_images_below_zero(model: str) -> None:
    """What an inexact exp may do is added to a bound, whatever the sign of what it acts on."""
    data = given() if model == "softmax" else network()
    plan = make_plan(model, hidden=16)
    start = {name: array.astype("float32") for name, array in data["params"].items()}
    images = (data["images"] - 2).astype("float32")
    referee = Referee(plan, {"train": (images, data["labels"]), "initial": start, "classes": 10})
    index = np.arange(32, dtype=np.int32)
    expectations = expected_at(referee, State(1, start, {}, index, index))
    for expected in (expectations.gradients, expectations.step):
        for name in start:
            assert (np.asarray(expected[name].exp_reach) >= 0).all(), name
            assert np.any(expected[name].exp_reach), name


def test_no_bound_asks_for_subnormal_numbers() -> None:
    """A gradient below them is 0 in some frameworks, and 1e-46 in the referee's float64."""
    data, plan = given(), make_plan("softmax")
    start = {name: array.astype("float32") for name, array in data["params"].items()}
    images = (data["images"] * 1e-45).astype("float64")
    referee = Referee(plan, {"train": (images, data["labels"]), "initial": start, "classes": 10})
    index = np.arange(32, dtype=np.int32)
    expectations = expected_at(referee, State(1, start, {}, index, index))
    for _, expected in expectations.updates:
        for name in start:
            assert (np.asarray(expected[name].allowed) >= np.finfo("float32").tiny).all(), name


@pytest.mark.parametrize(
    "asked",
    [
        {"dtype": "float64"},
        {"optimizer": "momentum", "momentum": 0.9, "weight_decay": 0.1},
        {"optimizer": "adam", "lr": 0.01},
        {"batch_size": 70, "epochs": 1},
        {"batch_size": 1, "epochs": 1},
        {"seed": 5, "epochs": 3},
    ],
    ids=lambda asked: ",".join(f"{name}={value}" for name, value in asked.items()),
)
def test_settings(asked: dict[str, Any]) -> None:
    report = check("numpy", model="softmax", **given("bytes"), **asked)
    assert report.agrees
    steps = -(-EXAMPLES // asked.get("batch_size", 32)) * asked.get("epochs", 2)
    assert report.diagnosis.steps == steps


def test_a_regression() -> None:
    data = given()
    data["params"] = {"output.weight": np.zeros((FEATURES, 1)), "output.bias": np.zeros(1)}
    data["labels"] = data["images"] @ np.linspace(-1, 1, FEATURES)[:, None]
    assert check("numpy", model="linear", lr=0.01, **data).agrees


def test_what_is_given_is_left_as_it_was() -> None:
    data = given()
    before = {name: array.copy() for name, array in data["params"].items()}
    images = data["images"].copy()
    check("numpy", model="softmax", **data)
    assert all(np.array_equal(data["params"][name], array) for name, array in before.items())
    assert np.array_equal(data["images"], images)


# ---- refused -------------------------------------------------------------------------------


def forward(params: Any, images: Any) -> Any:
    raise AssertionError("nothing may run before the request is read")


PORT = Port("jax", forward, forward)


def unsigned(*inputs: Any) -> Any:
    """It tells its signature as little as a module of PyTorch does."""
    return (lambda images: images)(*inputs)


def changed(**changes: Any) -> dict[str, Any]:
    return {**given(), **changes}


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        pytest.param(((PORT,), changed()), Refused, "either a registered model or a", id="neither"),
        pytest.param(
            ((PORT, PORT), changed(model="mlp")), Refused, "either a registered model", id="both"
        ),
        pytest.param(((PORT,), changed(model="vgg")), Refused, "unknown model 'vgg'", id="model"),
        pytest.param(
            (("nowhere",), changed(model="mlp")), Refused, "unknown backend 'nowhere'", id="backend"
        ),
        pytest.param(
            ((Port("tensorflow", forward, forward),), changed(model="mlp")),
            Refused,
            "unknown backend 'tensorflow'",
            id="framework",
        ),
        pytest.param(
            (("numpy",), changed(model="softmax", optimizer="lion")),
            Refused,
            "'lion'",
            id="optimizer",
        ),
        pytest.param(
            (("numpy",), changed(model="softmax", mode="jit")),
            Refused,
            "numpy has no jit",
            id="mode",
        ),
        pytest.param(
            (("numpy",), changed(model="softmax", dtype="float16")), Refused, "float16", id="dtype"
        ),
        pytest.param(
            ((PORT,), changed(model="softmax", labels=np.full(EXAMPLES, 10))),
            BadLabel,
            "label 10 of example 0",
            id="class-10",
        ),
        pytest.param(
            ((PORT, PORT), changed(labels=np.full(EXAMPLES, -1))),
            BadLabel,
            "label -1",
            id="class-1",
        ),
        pytest.param(
            ((PORT, PORT), changed(labels=np.zeros(EXAMPLES + 1, int))),
            BadLabel,
            "shape",
            id="more",
        ),
        pytest.param(
            ((PORT, PORT), changed(labels=np.full((EXAMPLES, 1), np.nan))),
            BadLabel,
            "label nan of example 0",
            id="target-nan",
        ),
        pytest.param(
            (("numpy",), changed(model="lenet")),
            Refused,
            "lenet takes images (n, height, width, channels) of 12 x 12 pixels or more; these have",
            id="no-pictures",
        ),
        pytest.param(
            ((PORT, Port(PORT.framework, unsigned, PORT.loss)), changed()),
            Refused,
            "the reference's forward raised TypeError: ",
            id="a-network-in-a-port",
        ),
        pytest.param(
            ((PORT, PORT), changed(params={"count": np.zeros(3, "int64")})),
            Refused,
            "params: count has dtype int64, and what is trained are floats; leave counts",
            id="counts",
        ),
    ],
)
def test_refused(
    arguments: tuple[tuple[Any, ...], dict[str, Any]], error: type[Exception], words: str
) -> None:
    positional, named = arguments
    with pytest.raises(error, match=re.escape(words)) as told:
        check(*positional, **named)
    assert "\n" not in str(told.value)


# ---- functions of one's own ----------------------------------------------------------------


def run_ports(names: list[str]) -> dict[str, dict[str, Any]]:
    """Check ports in a process of their own: frameworks are not for this one."""
    info = find()["mindspore"].info
    threads = str(len(os.sched_getaffinity(0)))
    environment = {k: v.format(threads=threads, device="cpu") for k, v in info.environment.items()}
    done = subprocess.run(
        [sys.executable, "-m", "tests.ports", *names],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith(RESULT)]
    found = {one["name"]: one for line in lines for one in [json.loads(line[len(RESULT) :])]}
    assert set(found) == set(names), done.stderr[-2000:]
    return found


@pytest.fixture(scope="module")
def everyday() -> dict[str, dict[str, Any]]:
    return run_ports(EVERYDAY)


@pytest.fixture(scope="module")
def of_eager() -> dict[str, dict[str, Any]]:
    return run_ports(EAGER)


@pytest.fixture(scope="module")
def of_one() -> dict[str, dict[str, Any]]:
    return run_ports(ONE_FRAMEWORK)


@pytest.fixture(scope="module")
def of_several() -> dict[str, dict[str, Any]]:
    return run_ports(SEVERAL)


def says_what_it_must(name: str, found: dict[str, Any]) -> None:
    """Verdict, stage and cause of one case."""
    case = CASES[name]
    assert found["verdict"] == case.verdict, found
    if case.verdict is None:
        assert (found["kind"], "\n" in found["refused"]) == ("Refused", False)
        assert case.cause in found["refused"]
        return
    assert found["agrees"] == (case.verdict == "rounding")
    first = found["difference"]
    assert (first is None) == found["agrees"]
    assert found["same"], "verdict and diagnosis must name the same difference"
    if first is not None:
        assert (first["step"], first["stage"]) == (1, case.stage)
        assert case.cause in (first["likely_cause"] or "")
        assert f"the port differs at step 1, stage {case.stage}" in found["printed"]
    else:
        compiled = case.asked.get("mode", "eager") != "eager"
        assert found["compiled"] == ([False, True] if compiled else [False])


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERYDAY)
def test_port(name: str, everyday: dict[str, dict[str, Any]]) -> None:
    says_what_it_must(name, everyday[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", EAGER)
def test_port_that_compiles_nothing(name: str, of_eager: dict[str, dict[str, Any]]) -> None:
    says_what_it_must(name, of_eager[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", ONE_FRAMEWORK)
def test_port_within_one_framework(name: str, of_one: dict[str, dict[str, Any]]) -> None:
    says_what_it_must(name, of_one[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", SEVERAL)
def test_port_between_frameworks(name: str, of_several: dict[str, dict[str, Any]]) -> None:
    says_what_it_must(name, of_several[name])


def test_a_report_is_plain_to_read() -> None:
    """Its fields are what `results.json` has, and can be written as JSON."""
    report: Report = check("numpy", model="softmax", **given("bytes"))
    plain = {**report.verdict.asdict(), **report.diagnosis.asdict()}
    assert json.loads(json.dumps(plain, allow_nan=False))["verdict"] == "rounding"


# ---- the page ------------------------------------------------------------------------------


def example_of(page: str) -> tuple[str, list[str]]:
    """The one program on a page, and the lines that it prints."""
    (program,) = re.findall(r"(?ms)^```python\n(.*?)^```$", page)
    after = page[page.index(program) :]
    printed = re.search(r"(?ms)^```text\n(.*?)^```$", after)
    assert printed is not None, "the page does not show what the program prints"
    return program, printed[1].splitlines()


def docs(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


PAGES = ("checking-a-port.md", "checking-functions.md")


@pytest.mark.parametrize("page", PAGES)
def test_the_page_has_a_complete_example(page: str) -> None:
    program, printed = example_of(docs(page))
    compile(program, page, "exec")
    assert re.search("^from compare import .*check$", program, re.M)
    assert printed
    assert all(printed)


def test_the_page_in_chinese_has_the_same_example() -> None:
    assert example_of(docs("checking-a-port.zh.md")) == example_of(docs("checking-a-port.md"))


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_the_example_prints_what_the_page_shows(page: str, tmp_path: Path) -> None:
    program, printed = example_of(docs(page))
    (tmp_path / "example.py").write_text(program, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "example.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = iter(done.stdout.splitlines())
    for line in printed:
        assert line in lines, f"missing, or in another order: {line}\n{done.stdout}"
