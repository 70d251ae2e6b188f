"""Mixed entrants: components of several backends in one training, and whose fault shows."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.contract.info import MIXABLE
from common.contract.plan import Plan
from common.entrants.local import LocalSession
from common.entrants.mixed import MixedSession, parse_mix
from common.errors import Refused
from tests.conftest import BACKENDS, EXAMPLES, Command, make_plan
from tests.fakes import (
    EXITS,
    GENEROUS,
    HANGS,
    HASTY,
    LEDGER,
    NOT_INSTALLED,
    RAISES,
    ROOT,
    SHIFTED,
    STRETCHED,
    SUMMED,
    UNSCALED_EPS,
    copy_backend,
)
from tests.test_cli import by_label, refused

#: component -> what is wrong with it in a copy of NumPy's backend, and where that must show.
WRONG = {
    "data": (SHIFTED, "data"),
    "model": (STRETCHED, "forward"),
    "loss": (SUMMED, "loss"),
    "update": (HASTY, "update"),
    "accuracy": (GENEROUS, "accuracy"),
}


def mixed(read: dict[str, Any], label: str) -> dict[str, Any]:
    """The verdict on a mixed entrant."""
    verdict: dict[str, Any] = read["parity"]["entrants"][f"mix({label})"]
    return verdict


# ---- what is asked for ---------------------------------------------------------------------


def test_every_component_but_train_can_be_mixed() -> None:
    assert MIXABLE == ("data", "model", "loss", "update", "accuracy")


def test_parse() -> None:
    mix = parse_mix("model=torch,loss=jax:scratch,update=mindspore", BACKENDS, "concise")
    chosen = {name: (one.backend, one.style) for name, one in mix.chosen.items()}
    assert chosen == {
        "model": ("torch", "concise"),
        "loss": ("jax", "scratch"),
        "update": ("mindspore", "concise"),
    }
    entrant = mix.entrant
    assert entrant.label == "mix(model=torch,loss=jax:scratch,update=mindspore)"
    assert entrant.slug == "mix-model-torch-loss-jax-scratch-update-mindspore-"
    assert (entrant.mode, entrant.data) == ("eager", "memory")
    (note,) = entrant.notes
    assert note.startswith("model of torch, loss of jax:scratch, update of mindspore")
    assert "data, accuracy of the referee" in note


@pytest.mark.parametrize(
    ("text", "exp_of", "declared_of"),
    [
        ("model=mindspore", "numpy", "numpy"),
        ("loss=mindspore", "mindspore", "numpy"),
        ("update=mindspore", "numpy", "mindspore"),
        ("loss=jax,update=mindspore", "jax", "mindspore"),
    ],
)
def test_allowances_come_with_the_component_they_are_for(
    text: str, exp_of: str, declared_of: str
) -> None:
    """An inexact exp excuses the loss it is in, a declared update that update; nothing else."""
    mix = parse_mix(text, BACKENDS, "concise")
    assert mix.backend.info.exp_error == BACKENDS[exp_of].info.exp_error
    assert mix.backend.info.declared == BACKENDS[declared_of].info.declared


REFUSED = {
    "unknown-component": (["model=numpy,optimizer=numpy"], "'optimizer=numpy' is not COMPONENT"),
    "train": (["train=numpy"], "one of data, model, loss, update, accuracy"),
    "named-twice": (["model=numpy,model=numpy"], "model is named twice"),
    "unknown-backend": (["model=tensorflow"], "unknown backend 'tensorflow'"),
    "no-backend": (["model="], "unknown backend ''"),
    "no-equals": (["model"], "'model' is not COMPONENT=BACKEND"),
    "empty": ([""], "'' is not COMPONENT=BACKEND"),
    "trailing-comma": (["model=numpy,"], "'' is not COMPONENT=BACKEND"),
    "space": (["model=numpy, loss=numpy"], "' loss=numpy' is not COMPONENT"),
    "same-twice": (["model=numpy", "model=numpy"], "two --mix are the same"),
    "same-in-another-order": (
        ["model=numpy,loss=numpy", "loss=numpy,model=numpy"],
        "two --mix are the same",
    ),
    "unknown-word": (["model=jax:fast"], "unknown word 'fast'"),
    "style-its-backend-lacks": (["model=numpy:concise"], "numpy has no concise"),
    "mode": (["model=jax:jit"], "only a style"),
    "loader": (["data=torch:loader"], "only a style"),
    "stock": (["model=jax:stock"], "only a style"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str, compare: Command) -> None:
    mixes, words = REFUSED[case]
    options = [word for mix in mixes for word in ("--mix", mix)]
    told = refused(compare, *compare.small("--backends", "numpy", "--out", "out", *options))
    assert words in told


@pytest.mark.parametrize("model", ["lenet_bn", "resnet"])
def test_a_model_that_normalises_by_the_batch_is_refused(model: str) -> None:
    with pytest.raises(Refused, match="has other logits in training than in evaluation"):
        parse_mix("loss=torch", BACKENDS, "concise", model)


def test_refused_without_a_value(compare: Command) -> None:
    assert "--mix" in refused(compare, *compare.small("--backends", "numpy", "--mix"))


# ---- whose fault it is ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def planted(
    tmp_path_factory: pytest.TempPathFactory, cache: Path, small_folder: Path
) -> tuple[Command, dict[str, Any]]:
    """For every component a copy in which it is wrong: mixes of it alone, and of all the rest."""
    folder = tmp_path_factory.mktemp("planted")
    command, options = Command(folder, cache, small_folder), []
    for component, (code, _) in WRONG.items():
        copy_backend(folder / "more", f"wrong_{component}", **{component: code})
        options += ["--mix", f"{component}=wrong_{component}"]
        options += ["--mix", all_but(component)]
    everything = ",".join(f"{component}=wrong_loss" for component in MIXABLE)
    options += ["--mix", everything, "--backend-path", folder / "more"]
    return command, command.run("--backends", "numpy", *options, expect=1)


def all_but(component: str) -> str:
    return ",".join(f"{name}=wrong_{component}" for name in MIXABLE if name != component)


@pytest.mark.slow
@pytest.mark.parametrize("component", WRONG)
def test_a_mix_that_takes_the_wrong_component_differs_there(
    component: str, planted: tuple[Command, dict[str, Any]]
) -> None:
    verdict = mixed(planted[1], f"{component}=wrong_{component}")
    assert verdict["verdict"] == "differs"
    first = verdict["first_difference"]
    assert (first["step"], first["stage"]) == (1, WRONG[component][1])


@pytest.mark.parametrize("component", WRONG)
def test_a_mix_that_takes_all_the_rest_agrees(
    component: str, planted: tuple[Command, dict[str, Any]]
) -> None:
    verdict = mixed(planted[1], all_but(component))
    assert verdict["first_difference"] is None
    # The formulas are NumPy's own, in the same dtype: not a bit is different.
    assert (verdict["verdict"], verdict["identical_to"]) == ("identical", "numpy")


def test_a_mix_of_nothing_else_differs(planted: tuple[Command, dict[str, Any]]) -> None:
    verdict = mixed(planted[1], ",".join(f"{component}=wrong_loss" for component in MIXABLE))
    assert (verdict["verdict"], verdict["first_difference"]["stage"]) == ("differs", "loss")
    assert "summed over the batch of 32" in verdict["first_difference"]["likely_cause"]


def test_a_mixed_entrant_as_it_is_recorded(planted: tuple[Command, dict[str, Any]]) -> None:
    command, read = planted
    label = f"mix({all_but('loss')})"
    found = by_label(read)
    entrant, plain = found[label], found["numpy"]
    assert (entrant["backend"], entrant["mode"], entrant["style"]) == ("mix", "eager", "scratch")
    assert entrant["versions"] == {"numpy": np.__version__, "python": platform.python_version()}
    assert entrant["step_losses"] == plain["step_losses"]
    assert [row["test_loss"] for row in entrant["epochs"]] == pytest.approx(
        [row["test_loss"] for row in plain["epochs"]], rel=1e-7
    )
    accuracies = [[row["test_accuracy"] for row in one["epochs"]] for one in (entrant, plain)]
    assert accuracies[0] == accuracies[1]
    assert entrant["batches_sha256"] == plain["batches_sha256"]
    assert entrant["peak_memory_bytes"] is None
    folder = command.folder / "out"
    names = {path.name for path in (folder / "source").iterdir()}
    assert names == {"numpy", *(f"wrong_{component}" for component in WRONG)}
    assert (folder / f"params-{entrant['slug']}.safetensors").exists()
    assert (folder / f"worker-{entrant['slug']}-1.log").exists()
    with np.load(folder / "predictions.npz") as classes:
        assert classes[entrant["slug"]].shape == (EXAMPLES,)


def test_its_digest_is_of_the_code_it_takes(planted: tuple[Command, dict[str, Any]]) -> None:
    digests = [entrant["source_sha256"] for entrant in planted[1]["entrants"]]
    # Each copy serves two mixes (or three), and no two copies are the same.
    assert len(set(digests)) == 1 + len(WRONG)


def test_its_times_are_never_compared(planted: tuple[Command, dict[str, Any]]) -> None:
    """They agree, and still: what takes the time is the harness."""
    pairs = [
        pair
        for pair in planted[1]["comparisons"]
        if {pair["a"], pair["b"]} == {"numpy", f"mix({all_but('loss')})"}
    ]
    assert [(pair["verdict"], pair["ratio"]) for pair in pairs] == [("not compared", None)]
    assert pairs[0]["prediction_agreement"] == 1.0


# ---- other plans ---------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ["--model", "mlp", "--hidden", 16],
        ["--optimizer", "adamw", "--weight-decay", 0.01, "--drop-last"],
        ["--rounds", 2, "--limit", 50, "--check-float64"],
    ],
    ids=lambda options: " ".join(map(str, options)),
)
def test_a_mix_of_numpy_alone_is_numpy(options: list[object], compare: Command) -> None:
    label = "data=numpy,model=numpy,loss=numpy,update=numpy,accuracy=numpy"
    read = compare.run("--backends", "numpy", "--mix", label, *options)
    found = by_label(read)
    assert found[f"mix({label})"]["step_losses"] == found["numpy"]["step_losses"]
    assert mixed(read, label)["identical_to"] == "numpy"


@pytest.mark.slow
def test_a_mix_of_a_regression(compare: Command) -> None:
    done = compare(
        *("--model", "linear", "--backends", "numpy", "--mix", "loss=numpy", "--out", "out")
    )
    assert done.returncode == 0, done.stderr
    read = json.loads((compare.folder / "out" / "results.json").read_text(encoding="utf-8"))
    assert mixed(read, "loss=numpy")["identical_to"] == "numpy"
    entrant = by_label(read)["mix(loss=numpy)"]
    assert entrant["learnt"]["weight"] == pytest.approx([2.0, -3.4], abs=0.01)


def test_state_goes_along(session_data: Callable[[Plan], dict[str, Any]]) -> None:
    """Put on a state, it steps from there, as teacher forcing needs it."""
    plan = make_plan(optimizer="adam", lr=0.01)
    data, order = session_data(plan), np.arange(64, dtype=np.int32)
    session = MixedSession({"update": LocalSession("numpy")}, {"update": "scratch"})
    session.open(plan.asdict(), {}, data)
    assert not any(array.any() for array in session.state().values())
    session.train(order)
    params, state = session.params(), session.state()
    assert state["step"] == 2
    first = session.train(order).losses
    session.load(params, state)
    np.testing.assert_array_equal(session.train(order).losses, first)
    session.load(params)
    assert not any(array.any() for array in session.state().values())
    assert session.train(order).losses[1] != first[1], "without its memory it steps elsewhere"
    session.close()


@pytest.mark.slow
def test_a_declared_update_in_a_mix(compare: Command, tmp_path: Path) -> None:
    """The rule comes with the component that declares it."""
    copy = copy_backend(tmp_path / "more", "ledger", init=LEDGER, update=UNSCALED_EPS)
    rules = ROOT / "backends" / "mindspore" / "declared.py"
    (copy / "declared.py").write_text(rules.read_text(encoding="utf-8"), encoding="utf-8")
    options = ["--optimizer", "adam", "--eps", 0.01, "--lr", 0.1]
    mixes = ["--mix", "update=ledger", "--mix", "model=ledger"]
    read = compare.run(
        "--backend-path", tmp_path / "more", "--backends", "numpy", "ledger", *mixes, *options
    )
    verdicts = {label: found["verdict"] for label, found in read["parity"]["entrants"].items()}
    assert verdicts == {
        "numpy": "rounding",
        "ledger": "declared",
        "mix(update=ledger)": "declared",
        "mix(model=ledger)": "identical",
    }
    assert mixed(read, "update=ledger")["reason"] == "eps before the bias correction"
    # The losses are held against the common rule, and are plainly elsewhere.
    drifts = {n: v["max_abs_loss_difference"] for n, v in read["parity"]["entrants"].items()}
    assert drifts["mix(update=ledger)"] > 1e-4 > drifts["numpy"]


# ---- who does not finish -------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("appended", "status", "words"),
    [
        pytest.param({"accuracy": RAISES}, "failed", "boom", id="raises"),
        pytest.param({"accuracy": EXITS}, "killed", "exit code 3", id="exits"),
        pytest.param(
            {"accuracy": HANGS}, "timeout", "longer than 3 s", id="hangs", marks=pytest.mark.slow
        ),
        pytest.param({"init": NOT_INSTALLED}, "unavailable", "is not installed", id="missing"),
    ],
)
def test_one_component_fails_the_others_finish(
    appended: dict[str, str], status: str, words: str, compare: Command, tmp_path: Path
) -> None:
    copy_backend(tmp_path / "more", "bad", **appended)
    read = compare.run(
        *("--backend-path", tmp_path / "more", "--backends", "numpy", "--timeout", 3),
        *("--mix", "accuracy=bad,loss=numpy", "--mix", "loss=numpy"),
        expect=3,
    )
    found = by_label(read)
    bad = found["mix(accuracy=bad,loss=numpy)"]
    assert (bad["status"], mixed(read, "accuracy=bad,loss=numpy")["verdict"]) == (
        status,
        "not checked",
    )
    assert words in bad["reason"]
    assert found["numpy"]["status"] == found["mix(loss=numpy)"]["status"] == "ok"
    assert mixed(read, "loss=numpy")["verdict"] == "identical"


def test_a_mix_runs_on_the_cpu_alone(compare: Command) -> None:
    read = compare.run("--backends", "numpy", "--mix", "loss=jax", "--device", "cuda", expect=3)
    entrant = by_label(read)["mix(loss=jax)"]
    assert entrant["status"] == "unavailable"
    assert "runs on the CPU alone" in entrant["reason"]


# ---- three frameworks ----------------------------------------------------------------------

#: row -> what is said of it: every component of every framework, in three rows.
ROWS = {
    "data=mindspore,model=torch:scratch,loss=jax,update=mindspore,accuracy=torch": "declared",
    "data=torch,model=jax,loss=mindspore,update=torch,accuracy=jax": "rounding",
    "data=jax,model=mindspore,loss=torch,update=jax:scratch,accuracy=mindspore": "rounding",
}


@pytest.mark.slow
def test_components_of_three_frameworks_agree(compare: Command) -> None:
    """But for the update of MindSpore's Adam, which is declared in a mix, too."""
    mixes = [word for row in ROWS for word in ("--mix", row)]
    options = ["--model", "mlp", "--hidden", 16, "--optimizer", "adam"]
    read = compare.run("--backends", "numpy", *mixes, *options)
    assert {row: mixed(read, row)["verdict"] for row in ROWS} == ROWS
    versions = by_label(read)[f"mix({next(iter(ROWS))})"]["versions"]
    assert set(versions) == {"torch", "jax", "optax", "mindspore", "numpy", "python"}


#: The loss of one framework's column summed over the batch.
SUM_OF_CONCISE = """
_mean = cross_entropy_concise


def cross_entropy_concise(logits, labels):
    return _mean(logits, labels) * len(labels)
"""


@pytest.mark.slow
def test_a_wrong_loss_is_found_by_exchanging_it(compare: Command, tmp_path: Path) -> None:
    copy_backend(tmp_path / "more", "slip", source="torch", loss=SUM_OF_CONCISE)
    rest = ",".join(f"{name}=slip" for name in MIXABLE if name != "loss")
    read = compare.run(
        *("--backend-path", tmp_path / "more", "--backends", "slip"),
        *("--mix", "loss=slip", "--mix", rest),
        expect=1,
    )
    for verdict in (read["parity"]["entrants"]["slip"], mixed(read, "loss=slip")):
        assert verdict["verdict"] == "differs"
        first = verdict["first_difference"]
        assert (first["step"], first["stage"], first["tensor"]) == (1, "loss", "loss")
    assert mixed(read, rest)["verdict"] in ("rounding", "identical")
