"""The command line, as a user meets it: real processes, exit codes, files."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import json
import os
import re
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from safetensors.numpy import load_file

from common.agreement.verdict import Verdict
from common.ask import request
from common.ask import run as running
from common.cli import commands, telling
from common.cli.codes import EXIT_ERROR
from common.contract.info import CONTRACT
from common.contract.models import MODELS
from common.data import draws, idx
from common.results.folder import as_json
from common.results.record import Results
from common.running import saving
from common.running.runner import Runner
from tests.conftest import (
    BACKENDS,
    ENTRANTS,
    EXAMPLES,
    FEATURES,
    SHAPE,
    VALIDATOR,
    Command,
    Full,
    checked,
    make_plan,
)
from tests.fakes import (
    EXITS,
    HANGS,
    HASTY,
    NOT_INSTALLED,
    RAISES,
    copy_backend,
)

ESCAPE = "\x1b"


def by_label(read: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {entrant["label"]: entrant for entrant in read["entrants"]}


# ---- one run with everything ---------------------------------------------------------------


def test_all_backends_agree(full: Full) -> None:
    _, read, done = full
    assert list(by_label(read)) == list(ENTRANTS)
    assert all(entrant["status"] == "ok" for entrant in read["entrants"])
    verdicts = {found["verdict"] for found in read["parity"]["entrants"].values()}
    assert verdicts <= {"identical", "rounding", "declared"}
    assert "agree with the referee" in done.stdout
    assert all(pair["verdict"] != "not compared" for pair in read["comparisons"])


def test_all_got_the_same_batches(full: Full) -> None:
    _, read, _ = full
    assert len({entrant["batches_sha256"] for entrant in read["entrants"]}) == 1
    losses = np.array([entrant["step_losses"] for entrant in read["entrants"]])
    assert losses.shape == (len(ENTRANTS), 2 * 3)
    assert np.ptp(losses, axis=0).max() < 1e-5
    assert np.ptp(losses, axis=1).min() > 1e-3, "losses must move"


def test_batches_are_what_the_contract_says(full: Full) -> None:
    """The fingerprint, made again from the files and order.npy alone."""
    command, read, _ = full
    order = np.load(command.folder / "out" / "order.npy")[0]
    images = np.fromfile(command.data / idx.TRAIN_IMAGES, np.uint8)[16:].reshape(EXAMPLES, -1)
    labels = np.fromfile(command.data / idx.TRAIN_LABELS, np.uint8)[8:]
    sha = hashlib.sha256()
    for start in range(0, len(order), 32):
        index = order[start : start + 32]
        sha.update((images[index].astype("<f4") / np.float32(255)).tobytes())
        sha.update(labels[index].astype("<i4").tobytes())
    assert {entrant["batches_sha256"] for entrant in read["entrants"]} == {sha.hexdigest()}


def test_schema_knows_every_field(full: Full) -> None:
    """What the schema does not name would not be checked by it."""
    _, read, _ = full
    root = VALIDATOR.schema

    def unknown(value: Any, schema: dict[str, Any], where: str) -> list[str]:
        if "$ref" in schema:
            return unknown(value, root["$defs"][schema["$ref"].rpartition("/")[2]], where)
        for option in schema.get("anyOf", []):
            if "$ref" in option and value is not None:
                return unknown(value, option, where)
        if isinstance(value, list) and schema.get("items"):
            return [w for item in value[:2] for w in unknown(item, schema["items"], f"{where}[]")]
        if not isinstance(value, dict) or "properties" not in schema:
            if isinstance(value, dict) and isinstance(schema.get("additionalProperties"), dict):
                inner = schema["additionalProperties"]
                return [w for k, v in value.items() for w in unknown(v, inner, f"{where}/{k}")]
            return []
        known = schema["properties"]
        found = [f"{where}/{key}" for key in value if key not in known]
        return found + [
            w for k, v in value.items() if k in known for w in unknown(v, known[k], f"{where}/{k}")
        ]

    assert unknown(read, root, "") == []


def test_result_folder(full: Full) -> None:
    command, read, _ = full
    folder = command.folder / "out"
    slugs = [entrant["slug"] for entrant in read["entrants"]]
    expected = {"results.json", "report.html", "initial.safetensors", "order.npy", "source"}
    expected |= {"predictions.npz", "pictures.npz"}
    expected |= {f"params-{slug}.safetensors" for slug in slugs}
    expected |= {f"worker-{slug}.log" for slug in slugs}
    assert {path.name for path in folder.iterdir()} == expected
    assert sorted(path.name for path in command.folder.iterdir()) == ["copy.json", "out"]


def test_json_file_is_the_same(full: Full) -> None:
    command, _, _ = full
    copy = (command.folder / "copy.json").read_bytes()
    assert copy == (command.folder / "out" / "results.json").read_bytes()


def test_order_and_initial_values(full: Full) -> None:
    command, read, _ = full
    order = np.load(command.folder / "out" / "order.npy")
    assert (order.dtype, order.shape) == (np.int32, (2, EXAMPLES))
    assert all(sorted(row) == list(range(EXAMPLES)) for row in order.tolist())
    assert read["data"]["order_sha256"] == hashlib.sha256(order.tobytes()).hexdigest()
    found = load_file(command.folder / "out" / "initial.safetensors")
    drawn = draws.parameters(MODELS["softmax"], SHAPE, 256, 10, 0, "float32")
    assert {name: array.tobytes() for name, array in found.items()} == {
        name: array.tobytes() for name, array in drawn.items()
    }
    sha = hashlib.sha256(b"".join(found[name].tobytes() for name in sorted(found)))
    assert read["data"]["initial_sha256"] == sha.hexdigest()


def test_final_parameters(full: Full) -> None:
    command, read, _ = full
    start = load_file(command.folder / "out" / "initial.safetensors")
    ends = {}
    for entrant in read["entrants"]:
        end = load_file(command.folder / "out" / f"params-{entrant['slug']}.safetensors")
        shapes = {name: (array.shape, array.dtype) for name, array in end.items()}
        assert shapes == {
            "output.weight": ((FEATURES, 10), np.dtype("float32")),
            "output.bias": ((10,), np.dtype("float32")),
        }, entrant["label"]
        assert not np.array_equal(end["output.weight"], start["output.weight"])
        ends[entrant["label"]] = end
    for end in ends.values():
        for name, array in end.items():
            assert np.allclose(array, ends["numpy"][name], rtol=0, atol=1e-6)


def test_final_parameters_follow_from_the_folder(full: Full) -> None:
    """Anybody can repeat the run from its files: here in float64, in a dozen lines."""
    command, read, _ = full
    folder = command.folder / "out"
    params = {n: a.astype("float64") for n, a in load_file(folder / "initial.safetensors").items()}
    images = np.fromfile(command.data / idx.TRAIN_IMAGES, np.uint8)[16:].reshape(EXAMPLES, -1)
    labels = np.fromfile(command.data / idx.TRAIN_LABELS, np.uint8)[8:]
    losses = []
    for row in np.load(folder / "order.npy"):
        for start in range(0, EXAMPLES, 32):
            index = row[start : start + 32]
            batch = (images[index].astype("float32") / np.float32(255)).astype("float64")
            logits = batch @ params["output.weight"] + params["output.bias"]
            chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
            rows = np.arange(len(index))
            losses.append(-np.log(chances[rows, labels[index]]).mean())
            chances[rows, labels[index]] -= 1
            params["output.weight"] -= 0.1 * batch.T @ chances / len(index)
            params["output.bias"] -= 0.1 * chances.sum(axis=0) / len(index)
    for entrant in read["entrants"]:
        assert entrant["step_losses"] == pytest.approx(losses, abs=2e-6), entrant["label"]
        end = load_file(folder / f"params-{entrant['slug']}.safetensors")
        assert np.allclose(end["output.weight"], params["output.weight"], rtol=0, atol=1e-6)


def test_predictions(full: Full) -> None:
    command, read, _ = full
    found = np.load(command.folder / "out" / "predictions.npz")
    assert set(found) == {"labels", *(entrant["slug"] for entrant in read["entrants"])}
    labels = np.fromfile(command.data / idx.TEST_LABELS, np.uint8)[8:]
    assert np.array_equal(found["labels"], labels)
    for entrant in read["entrants"]:
        classes = found[entrant["slug"]]
        assert classes.shape == labels.shape
        share = float((classes == labels).mean())
        assert entrant["epochs"][-1]["test_accuracy"] == pytest.approx(share)


def test_source_is_what_ran(full: Full) -> None:
    command, read, _ = full
    folder = command.folder / "out" / "source"
    assert sorted(path.name for path in folder.iterdir()) == sorted(BACKENDS)
    for backend, found in BACKENDS.items():
        names = ["__init__", *(name.removesuffix(".py") for name in CONTRACT)]
        names += ["declared"] if found.info.declared else []
        assert sorted(p.stem for p in (folder / backend).iterdir()) == sorted(names)
        sha = hashlib.sha256()
        for name in names:
            code = (found.folder / f"{name}.py").read_bytes()
            assert (folder / backend / f"{name}.py").read_bytes() == code
            sha.update(code)
        assert by_label(read)[backend]["source_sha256"] == sha.hexdigest()


def test_entrants_say_how_they_ran(full: Full) -> None:
    _, read, _ = full
    found = by_label(read)
    assert {label: entrant["mode"] for label, entrant in found.items()} == {
        "torch": "eager",
        "jax": "jit",
        "mindspore": "jit",
        "numpy": "eager",
        "jax:fused": "fused",
    }
    for label, entrant in found.items():
        info = BACKENDS[entrant["backend"]].info
        assert entrant["style"] == ("scratch" if label == "numpy" else "concise")
        assert set(info.packages) <= set(entrant["versions"])
        assert set(info.environment) <= set(entrant["settings"])
        assert entrant["peak_memory_bytes"] > 10**7
        assert len(entrant["timing"]["epoch_seconds"]["all"]) == 1
        assert entrant["timing"]["import_seconds"] > 0
    assert found["numpy"]["notes"], "concise was asked for, scratch it is"
    assert found["jax"]["steps_per_call"] == 1


def test_fused_says_how_many_steps_a_call_holds(full: Full) -> None:
    """An epoch of 70 in batches of 32 has three."""
    _, read, _ = full
    assert by_label(read)["jax:fused"]["steps_per_call"] in (2, 3)


def test_table(full: Full) -> None:
    _, read, done = full
    assert ESCAPE not in done.stdout + done.stderr
    for label in by_label(read):
        assert re.search(rf"(?m)^ {label} ", done.stdout), label
    assert "results in out" in done.stdout
    assert "epoch 2/2" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_the_checks_took(full: Full) -> None:
    """Printed after the table, and in results.json, for each entrant too."""
    _, read, done = full
    spent = read["parity"]["seconds"]
    assert {"referee", "components"} <= set(spent) <= {"referee", "components", "noise band"}
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("the checks took ")]
    assert re.fullmatch(
        r"the checks took [\d.]+ m?s: referee [\d.]+ m?s, components [\d.]+ m?s"
        r"(, noise band [\d.]+ m?s)?",
        line,
    )
    each = [found["seconds"] for found in read["parity"]["entrants"].values()]
    assert all(seconds > 0 for seconds in each)
    assert max(each) <= spent["components"]


def test_every_check_is_recorded(full: Full) -> None:
    """Each component, each tensor, beside the error of the run's own arithmetic."""
    _, read, _ = full
    for label, found in read["parity"]["entrants"].items():
        checks = found["components"]
        assert all(check["right"] for check in checks)
        assert {check["step"] for check in checks} == {1, 3, 6}
        stages = {"data", "forward", "loss", "accuracy", "gradient", "update", "evaluation"}
        assert {check["stage"] for check in checks} == stages
        eager = by_label(read)[label]["mode"] == "eager"
        assert {check["compiled"] for check in checks} == ({False} if eager else {False, True})
        logits = [check for check in checks if check["tensor"] == "logits"]
        assert all(0 <= check["ulps"] < 100 for check in logits)
        assert any(check["own_ulps"] > 0 for check in logits)


def test_prediction_agreement_is_printed(full: Full) -> None:
    _, read, done = full
    shares = {pair["prediction_agreement"] for pair in read["comparisons"]}
    if shares == {1.0}:
        assert "All choose the same class for each of the 70 test images." in done.stdout
    else:
        assert "choose another class for" in done.stdout
        assert "test image " in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "others", "declared"),
    [
        (["--optimizer", "adam"], ["mindspore:scratch", "torch", "jax", "numpy"], {"mindspore"}),
        (["--optimizer", "adam", "--dtype", "float64"], ["numpy"], set()),
        (["--optimizer", "adamw", "--weight-decay", 0.01], ["numpy"], set()),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else None,
)
def test_what_is_declared(
    options: list[object], others: list[str], declared: set[str], compare: Command
) -> None:
    """MindSpore's nn.Adam, and nobody else: by the ledger, with its reason in words."""
    read = compare.run("--backends", "mindspore", *others, *options)
    for label, found in read["parity"]["entrants"].items():
        if label in declared:
            assert found["verdict"] == "declared"
            assert "nn.Adam adds eps before it corrects v's bias" in found["reason"]
        else:
            assert found["verdict"] in ("rounding", "identical"), (label, found["verdict"])
            assert found["reason"] is None
    if "float64" in options:
        assert any("nn.Adam refuses float64" in note for note in read["entrants"][0]["notes"])


# ---- NumPy alone ---------------------------------------------------------------------------


@pytest.mark.slow
def test_run_is_the_default_command(compare: Command) -> None:
    done = compare.process(*compare.small("--backends", "numpy"))
    assert done.returncode == 0, done.stderr
    (folder,) = (compare.folder / "runs").iterdir()
    assert re.fullmatch(r"\d{8}-\d{6}-softmax", folder.name)
    assert f"results in runs/{folder.name}" in done.stdout


def test_run_may_be_said(compare: Command) -> None:
    assert compare("run", *compare.small("--backends", "numpy")).returncode == 0


def test_json_to_stdout(compare: Command) -> None:
    done = compare(*compare.small("--backends", "numpy", "--out", "out", "--json", "-"))
    assert done.returncode == 0
    read = checked(done.stdout)
    assert read == checked((compare.folder / "out" / "results.json").read_text(encoding="utf-8"))
    assert "entrant" in done.stderr
    assert "verdict" in done.stderr
    assert "results in out" in done.stderr


@pytest.mark.slow
def test_quiet_says_nothing(compare: Command) -> None:
    done = compare(*compare.small("--backends", "numpy", "--quiet"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = compare(*compare.small("--backends", "numpy", "--quiet", "--json", "-"))
    assert (done.returncode, done.stderr) == (0, "")
    checked(done.stdout)


def test_no_progress_leaves_the_table(compare: Command) -> None:
    done = compare(*compare.small("--backends", "numpy", "--no-progress"))
    assert done.stderr == ""
    assert "numpy" in done.stdout


@pytest.mark.slow
def test_same_entrant_twice(compare: Command) -> None:
    read = compare.run("--backends", "numpy", "numpy", "--epochs", 5)
    found = by_label(read)
    assert list(found) == ["numpy#1", "numpy#2"]
    assert [entrant["slug"] for entrant in read["entrants"]] == ["numpy-1", "numpy-2"]
    parity = read["parity"]["entrants"]
    assert parity["numpy#1"]["verdict"] == "rounding"
    assert parity["numpy#2"]["verdict"] == "identical"
    assert parity["numpy#2"]["identical_to"] == "numpy#1"
    assert found["numpy#1"]["step_losses"] == found["numpy#2"]["step_losses"]
    (pair,) = read["comparisons"]
    assert (pair["a"], pair["b"]) == ("numpy#1", "numpy#2")
    assert pair["verdict"] != "not compared"
    assert pair["prediction_agreement"] == 1.0
    assert (compare.folder / "out" / "params-numpy-2.safetensors").exists()


def test_a_run_repeats_bit_for_bit(compare: Command) -> None:
    first = compare.run("--backends", "numpy", "--seed", 7)
    second = compare.run("--backends", "numpy", "--seed", 7, "--force")
    other = compare.run("--backends", "numpy", "--seed", 8, "--force")
    assert first["entrants"][0]["step_losses"] == second["entrants"][0]["step_losses"]
    assert first["entrants"][0]["step_losses"] != other["entrants"][0]["step_losses"]
    for key in ("order_sha256", "initial_sha256"):
        assert first["data"][key] == second["data"][key] != other["data"][key]


@pytest.mark.slow
def test_options_reach_the_plan(compare: Command) -> None:
    read = compare.run(
        *("--backends", "numpy", "--model", "mlp", "--hidden", 8, "--epochs", 3),
        *("--batch-size", 16, "--lr", 0.25, "--momentum", 0.5, "--weight-decay", 0.01),
        *("--seed", 3, "--dtype", "float64", "--threads", 1, "--drop-last", "--limit", 50),
        *("--resize", 4, "--rounds", 2, "--no-band"),
    )
    assert (
        read["plan"].items()
        >= {
            "model": "mlp",
            "optimizer": "sgd",
            "lr": 0.25,
            "momentum": 0.5,
            "weight_decay": 0.01,
            "epochs": 3,
            "batch_size": 16,
            "seed": 3,
            "dtype": "float64",
            "device": "cpu",
            "threads": 1,
            "drop_last": True,
            "limit": 50,
            "resize": 4,
            "rounds": 2,
        }.items()
    )
    (entrant,) = read["entrants"]
    assert entrant["threads"] == 1
    assert len(entrant["step_losses"]) == 3 * 3
    assert len(entrant["timing"]["epoch_seconds"]["all"]) == 5
    assert read["data"]["train_examples"] == 50
    assert read["data"]["name"] == "custom"
    assert np.load(compare.folder / "out" / "order.npy").shape == (3, 48)
    end = load_file(compare.folder / "out" / "params-numpy.safetensors")
    assert end["hidden.weight"].shape == (16, 8)
    assert end["hidden.weight"].dtype == np.float64


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["momentum"], {"lr": 0.1, "momentum": 0.9}),
        (["momentum", "--momentum", 0.5], {"momentum": 0.5}),
        (["adam"], {"lr": 0.001, "momentum": 0.0, "betas": [0.9, 0.999], "eps": 1e-8}),
        (["adamw", "--betas", 0, 0.5, "--eps", 1e-4, "--lr", 1], {"betas": [0.0, 0.5], "lr": 1.0}),
        (["adam", "--model", "linear"], {"lr": 0.03}),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else None,
)
def test_optimizers_reach_the_plan(
    arguments: list[object], expected: dict[str, object], compare: Command
) -> None:
    if "linear" in arguments:
        done = compare("--backends", "numpy", "--out", "out", "--optimizer", *arguments)
        assert done.returncode == 0, done.stderr
        read = checked((compare.folder / "out" / "results.json").read_text(encoding="utf-8"))
    else:
        read = compare.run("--backends", "numpy", "--optimizer", *arguments)
    assert read["plan"].items() >= expected.items()


@pytest.mark.slow
def test_linear(compare: Command) -> None:
    done = compare("--model", "linear", "--backends", "numpy", "--out", "out")
    assert done.returncode == 0, done.stderr
    read = checked((compare.folder / "out" / "results.json").read_text(encoding="utf-8"))
    assert (read["plan"]["epochs"], read["plan"]["batch_size"], read["plan"]["lr"]) == (
        10,
        10,
        0.03,
    )
    (entrant,) = read["entrants"]
    assert entrant["true"] == {"weight": [2.0, -3.4], "bias": 4.2}
    assert entrant["learnt"]["weight"] == pytest.approx([2.0, -3.4], abs=0.01)
    assert entrant["learnt"]["bias"] == pytest.approx(4.2, abs=0.01)
    assert read["data"]["least_squares"]["weight"] == pytest.approx([2.0, -3.4], abs=0.01)
    row = entrant["epochs"][0]
    assert row["train_accuracy"] is row["test_loss"] is row["test_accuracy"] is None
    assert not (compare.folder / "out" / "predictions.npz").exists()
    assert "least squares" in done.stdout
    assert read["parity"]["entrants"]["numpy"]["verdict"] == "rounding"


def test_defaults_are_resolved_with_a_note(compare: Command) -> None:
    read = compare.run("--backends", "numpy", "--mode", "fused", "--data", "loader")
    (entrant,) = read["entrants"]
    chosen = (entrant["style"], entrant["mode"], entrant["data"])
    assert chosen == ("scratch", "eager", "memory")
    notes = " | ".join(entrant["notes"])
    for words in ("scratch, not concise", "eager, not fused", "memory, not loader"):
        assert words in notes


@pytest.mark.slow
def test_everything_available_is_the_default(compare: Command, tmp_path: Path) -> None:
    """But nothing that would only be a row of excuses. Own backends made missing: quick."""
    for backend in BACKENDS:
        if backend != "numpy":
            copy_backend(tmp_path / "more", backend, init=NOT_INSTALLED)
    copy_backend(tmp_path / "more", "zebra")
    read = compare.run("--backend-path", tmp_path / "more")
    assert list(by_label(read)) == ["numpy", "zebra"]
    assert read["parity"]["entrants"]["zebra"]["identical_to"] == "numpy"


def test_diverging(compare: Command) -> None:
    read = compare.run(
        *("--backends", "numpy", "--model", "mlp", "--lr", "1e30", "--epochs", 3), expect=3
    )
    (entrant,) = read["entrants"]
    assert entrant["status"] == "diverged"
    assert None in entrant["step_losses"]


def test_device_a_backend_lacks(compare: Command) -> None:
    read = compare.run("--backends", "numpy", "--device", "cuda", expect=3)
    assert read["entrants"][0]["status"] == "unavailable"
    assert "NumPy computes on the CPU" in read["entrants"][0]["reason"]


# ---- one of two goes wrong -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("appended", "status", "words"),
    [
        pytest.param({"accuracy": RAISES}, "failed", "ValueError: boom [red] <b>", id="raises"),
        pytest.param({"accuracy": EXITS}, "killed", "exit code 3", id="exits"),
        pytest.param(
            {"accuracy": HANGS}, "timeout", "longer than 3 s", id="hangs", marks=pytest.mark.slow
        ),
        pytest.param({"init": NOT_INSTALLED}, "unavailable", "is not installed", id="missing"),
        pytest.param(
            {"data": "import no_such_module_9f3c"},
            "unavailable",
            "no_such_module",
            id="imports",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"train": "def setup(dtype, device, threads):\n    raise ValueError('no')"},
            "failed",
            "ValueError: no",
            id="setup",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"model": "def dump(*_):\n    return {}"},
            "failed",
            "lacks",
            id="empty-parameters",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_others_finish(
    appended: dict[str, str], status: str, words: str, compare: Command, tmp_path: Path
) -> None:
    copy_backend(tmp_path / "more", "bad", **appended)
    read = compare.run(
        *("--backend-path", tmp_path / "more", "--backends", "bad", "numpy", "--timeout", 3),
        expect=3,
    )
    bad, good = read["entrants"]
    assert (bad["status"], good["status"]) == (status, "ok")
    assert words in bad["reason"]
    assert "\n" not in bad["reason"]
    assert len(good["epochs"]) == 2
    assert read["parity"]["entrants"]["numpy"]["verdict"] == "rounding"
    assert read["comparisons"][0]["verdict"] == "not compared"
    assert (compare.folder / "out" / "source" / "bad" / "accuracy.py").exists()
    if status in ("failed", "killed") and "accuracy" in appended:
        assert (compare.folder / "out" / "worker-bad.log").exists()


@pytest.mark.slow
def test_backend_without_one_of_its_files(compare: Command, tmp_path: Path) -> None:
    """A column that somebody has only begun to write."""
    (copy_backend(tmp_path / "more", "begun") / "update.py").unlink()
    read = compare.run(
        "--backend-path", tmp_path / "more", "--backends", "begun", "numpy", expect=3
    )
    assert [entrant["status"] for entrant in read["entrants"]] == ["unavailable", "ok"]


def test_interpreter_without_the_framework(compare: Command, tmp_path: Path) -> None:
    """Executable, but no Python: the entrant's failure, told in words."""
    text = tmp_path / "python"
    text.write_text("this is no program")
    text.chmod(0o755)
    copy_backend(tmp_path / "more", "bad")
    arguments = ["--backend-path", tmp_path / "more", "--backends", "bad", "numpy"]
    done = compare(*compare.small("--out", "out", *arguments, "--python", f"bad={text}"))
    assert "Traceback" not in done.stderr
    assert done.returncode in (2, 3)
    if done.returncode == 3:
        read = checked((compare.folder / "out" / "results.json").read_text(encoding="utf-8"))
        assert by_label(read)["numpy"]["status"] == "ok"


def test_python_of_an_entrant(compare: Command, tmp_path: Path) -> None:
    wrapper = tmp_path / "my python"
    wrapper.write_text(f'#!/bin/sh\ntouch "{tmp_path}/used"\nexec "{sys.executable}" "$@"\n')
    wrapper.chmod(0o755)
    compare.run("--backends", "numpy", "--python", f"numpy={wrapper}")
    assert (tmp_path / "used").exists()


@pytest.mark.slow
def test_differing(compare: Command, tmp_path: Path) -> None:
    """A learning rate one part in a thousand too large, caught at the first step."""
    copy_backend(tmp_path / "more", "hasty", update=HASTY)
    read = compare.run(
        "--backend-path", tmp_path / "more", "--backends", "numpy", "hasty", expect=1
    )
    found = read["parity"]["entrants"]
    assert found["numpy"]["verdict"] == "rounding"
    assert found["hasty"]["verdict"] == "differs"
    first = found["hasty"]["first_difference"]
    assert (first["step"], first["stage"]) == (1, "update")
    assert first["tensor"] in ("output.weight", "output.bias")
    assert first["value"] == pytest.approx(first["referee"] * 1.001, rel=1e-5)
    (pair,) = read["comparisons"]
    assert (pair["verdict"], pair["ratio"]) == ("not compared", None)


@pytest.mark.slow
def test_differing_and_failing(compare: Command, tmp_path: Path) -> None:
    copy_backend(tmp_path / "more", "hasty", update=HASTY)
    copy_backend(tmp_path / "more", "bad", accuracy=RAISES)
    compare.run("--backend-path", tmp_path / "more", "--backends", "hasty", "bad", expect=3)


def test_replaced_backend_is_held_against_our_referee(compare: Command, tmp_path: Path) -> None:
    """A folder's `numpy` runs instead of ours; it does not become the referee."""
    copy_backend(tmp_path / "more", "numpy", update=HASTY)
    read = compare.run("--backend-path", tmp_path / "more", "--backends", "numpy", expect=1)
    assert read["parity"]["entrants"]["numpy"]["verdict"] == "differs"


# ---- interrupted ---------------------------------------------------------------------------


def test_interrupted_before_there_is_anything(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """While it still reads the data, say: one line, no traceback."""

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(request, "interpreters", interrupt)
    assert commands.main(["--backends", "numpy"]) == 130
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1


@pytest.mark.slow
def test_interrupted_while_it_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Then everything is saved, and where is said."""

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "tell", interrupt)
    words = ["--model", "linear", "--epochs", "1", "--no-band", "--backends", "numpy", "--quiet"]
    assert commands.main([*words, "--out", str(tmp_path / "out")]) == 130
    told = capsys.readouterr().err
    assert f"the results are in {tmp_path / 'out'}" in told
    assert (tmp_path / "out" / "results.json").exists()


@pytest.mark.parametrize("name", ["rich", "common.cli.commands"])
def test_interrupted_while_it_starts(name: str, compare: Command, tmp_path: Path) -> None:
    """In the first tenth of a second it only imports."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {name!r}: raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupt())\n"
    )
    compare.env["PYTHONPATH"] = str(tmp_path)
    done = compare.process("list")
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr.startswith("compare.py: interrupted")
    assert done.stderr.count("\n") == 1


def test_a_package_that_is_missing_is_named(compare: Command, tmp_path: Path) -> None:
    """Not with exit code 1, by which somebody differs."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['rich.console'] = None\n")
    compare.env["PYTHONPATH"] = str(tmp_path)
    done = compare.process("list")
    assert (done.returncode, done.stdout) == (70, "")
    assert "rich.console" in done.stderr
    assert "pip install -e ." in done.stderr
    assert done.stderr.count("\n") == 1


# ---- what cannot be written ----------------------------------------------------------------


def into(target: str) -> int:
    """A descriptor that takes nothing."""
    if target == "full":
        return os.open("/dev/full", os.O_WRONLY)
    read, write = os.pipe()
    os.close(read)
    return write


@pytest.mark.slow
@pytest.mark.parametrize("target", ["pipe", "full"])
def test_a_run_ends_as_ever_where_nothing_can_be_written(target: str, compare: Command) -> None:
    """`2>&1 | head -1`, or a full disk: the results are saved, the exit code is theirs."""
    descriptor = into(target)
    words = compare.words(*compare.small("--backends", "numpy", "--out", "out"))
    done = subprocess.run(
        words, cwd=compare.folder, env=compare.env, stdout=descriptor, stderr=descriptor, timeout=60
    )
    os.close(descriptor)
    assert done.returncode == 0
    checked((compare.folder / "out" / "results.json").read_text(encoding="utf-8"))
    assert (compare.folder / "out" / "report.html").exists()


@pytest.mark.slow
@pytest.mark.parametrize("closed", ["1", "2"], ids=["stdout", "stderr"])
@pytest.mark.parametrize("arguments", [["list"], ["show", "loss"]], ids=" ".join)
def test_closed_descriptor(arguments: list[str], closed: str, compare: Command) -> None:
    words = ["sh", "-c", f'exec "$@" {closed}>&-', "sh", *compare.words(*arguments)]
    done = subprocess.run(
        words, cwd=compare.folder, env=compare.env, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_full_disk_is_told_where_it_can_be(compare: Command) -> None:
    descriptor = into("full")
    done = subprocess.run(
        compare.words("show", "loss"), cwd=compare.folder, env=compare.env, stdout=descriptor,
        stderr=subprocess.PIPE, text=True, timeout=60,
    )  # fmt: skip
    os.close(descriptor)
    assert done.returncode == 0
    assert done.stderr == "compare.py: not all was printed: No space left on device\n"


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["list"], ["show", "update"]], ids=" ".join)
def test_ascii_terminal(arguments: list[str], compare: Command) -> None:
    compare.env["PYTHONIOENCODING"] = "ascii"
    done = compare.process(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()


def test_json_for_an_ascii_terminal_is_json() -> None:
    value = {"name": "Größe"}
    text = telling.encodable(as_json(value), "ascii")
    assert text.isascii()
    assert json.loads(text) == value
    assert telling.encodable('{"a": "é"}', "utf-8") == '{"a": "é"}'


def test_a_name_that_is_not_unicode_is_spelled_out() -> None:
    """Of a folder, for instance; everything else is saved all the same."""
    value = {"na\udcffme": ["x \udcff", 1.5, {"deep": "\udcff"}]}
    assert json.loads(as_json(value)) == {"na\\udcffme": ["x \\udcff", 1.5, {"deep": "\\udcff"}]}


# ---- an error of our own -------------------------------------------------------------------


def test_an_error_of_our_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> NoReturn:
        raise ZeroDivisionError("ours")

    monkeypatch.setitem(commands.COMMANDS, "list", fail)
    assert commands.main(["list"]) == 70
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith("Traceback")
    assert told[-2] == "ZeroDivisionError: ours"
    assert "please report it" in told[-1]


@pytest.mark.slow
def test_an_error_of_our_own_costs_no_result(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Once everybody has trained."""

    def fail(*_: object) -> NoReturn:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(Runner, "_judge", fail)
    words = ["--model", "linear", "--epochs", "2", "--no-band", "--backends", "numpy", "--quiet"]
    assert commands.main([*words, "--out", str(tmp_path / "out")]) == 70
    told = capsys.readouterr().err
    assert "ZeroDivisionError: ours" in told
    assert "please report it" in told
    read = checked((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert [len(entrant["epochs"]) for entrant in read["entrants"]] == [2]
    assert read["parity"]["entrants"]["numpy"]["verdict"] == "not checked"


def test_too_little_memory_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def fail(*_: object) -> NoReturn:
        raise MemoryError("Unable to allocate 58 GiB")

    monkeypatch.setattr(running, "draw_work", fail)
    words = ["--model", "linear", "--backends", "numpy", "--out", str(tmp_path / "out")]
    assert commands.main(words) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "too little memory: Unable to allocate 58 GiB; try a smaller --hidden" in told
    assert list(tmp_path.iterdir()) == []


def no_room(*_: object) -> NoReturn:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("what", ["copy_source", "write_work", "Journal.begin"])
def test_no_room_for_what_a_run_begins_with(
    what: str, compare: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"common.ask.run.{what}", no_room)
    done = compare(*compare.small("--backends", "numpy", "--out", "out"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "compare.py: out cannot be written: No space left on device; name another --out\n"
    )
    assert list(compare.folder.iterdir()) == []


def test_results_that_are_elsewhere_replace_nothing(
    compare: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old run's stay where they are, and where the new ones are is said."""
    compare.run("--backends", "numpy", "--check", "none")
    before = (compare.folder / "out" / "results.json").read_bytes()
    compare.env["TMPDIR"] = str(compare.folder)
    usual = saving.write_json

    def write(path: Path, value: object) -> None:
        no_room() if ".compare-new-" in str(path) else usual(path, value)

    monkeypatch.setattr(saving, "write_json", write)
    words = compare.small("--out", "out", "--force", "--backends", "numpy", "--check", "none")
    done = compare(*words)
    assert done.returncode == 0, done.stderr
    (elsewhere,) = compare.folder.glob("compare-results-*")
    assert done.stdout.endswith(f"\nresults in {elsewhere}\n")
    checked((elsewhere / "results.json").read_text(encoding="utf-8"))
    assert (compare.folder / "out" / "results.json").read_bytes() == before
    assert (compare.folder / "out" / "initial.safetensors").exists()


@pytest.mark.slow
def test_folder_that_cannot_be_made(compare: Command) -> None:
    done = compare.process("--model", "linear", "--backends", "numpy", "--out", "/proc/here")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "--out /proc/here cannot be written" in done.stderr


# ---- strict, float64 -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdicts", "lenient", "strict"),
    [
        (("identical", "rounding", "declared"), 0, 0),
        (("rounding", "not checked"), 0, 1),
        (("differs", "not checked"), 1, 1),
    ],
    ids=["all agree", "one not checked", "one differs"],
)
def test_strict(verdicts: tuple[str, ...], lenient: int, strict: int) -> None:
    labels = [f"numpy#{number}" for number in range(len(verdicts))]
    found = {label: Verdict(verdict=one) for label, one in zip(labels, verdicts, strict=True)}
    results = Results(make_plan(), [], found, [], {}, 70)
    assert running.exit_code(results) == lenient
    assert running.exit_code(results, strict=True) == strict


@pytest.mark.slow
def test_a_float64_run_that_failed_is_no_proof(compare: Command, tmp_path: Path) -> None:
    setup = (
        "def setup(dtype, device, threads):\n"
        "    if dtype == 'float64':\n"
        "        raise ValueError('no float64')\n"
        "    return {}\n"
    )
    copy_backend(tmp_path / "more", "narrow", train=setup)
    words = ["--backend-path", tmp_path / "more", "--backends", "numpy", "narrow", "--strict"]
    done = compare(*compare.small("--out", "out", *words, "--check-float64"))
    assert done.returncode == 1, done.stderr
    assert "narrow: not proved in float64" in done.stdout
    assert "no float64" in done.stdout
    assert "numpy: not proved" not in done.stdout
    text = (compare.folder / "out" / "results.json").read_text(encoding="utf-8")
    found = json.loads(text)["parity"]["entrants"]
    assert found["numpy"]["float64_drift"] < 1e-12
    assert found["narrow"]["float64_drift"] is None
    assert compare(*compare.small("--out", "other", *words)).returncode == 0


# ---- refused: one line, exit 2, nothing written --------------------------------------------


def refused(compare: Command, *arguments: object) -> str:
    """Run what must be refused; its one line."""
    before = sorted(compare.folder.rglob("*"))
    done = compare(*arguments)
    assert done.returncode == 2, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("compare.py: ")
    assert sorted(compare.folder.rglob("*")) == before, "something was written"
    return done.stderr


REFUSED = {
    "unknown-backend": (["--backends", "tensorflow"], "unknown backend 'tensorflow'"),
    "unknown-word": (["--backends", "numpy:fast"], "unknown word 'fast'"),
    "word-its-backend-lacks": (["--backends", "numpy:jit"], "numpy has no jit"),
    "two-words-of-a-kind": (["--backends", "jax:eager,jit"], "names two"),
    "jax-fused-loader": (["--backends", "jax:fused,loader"], "jax has no loader"),
    "model": (["--model", "vgg"], "invalid choice: 'vgg'"),
    "mode": (["--mode", "turbo"], "invalid choice: 'turbo'"),
    "style": (["--style", "neat"], "invalid choice: 'neat'"),
    "data": (["--data", "disk"], "invalid choice: 'disk'"),
    "dtype": (["--dtype", "float16"], "invalid choice: 'float16'"),
    "device": (["--device", "tpu"], "invalid choice: 'tpu'"),
    "optimizer": (["--optimizer", "lion"], "invalid choice: 'lion'"),
    "epochs-0": (["--epochs", "0"], "'0' is not a whole number of at least 1"),
    "epochs-1.5": (["--epochs", "1.5"], "'1.5' is not a whole number"),
    "epochs-400-digits": (["--epochs", "1" + "0" * 400], "--epochs"),
    "epochs-without-value": (["--epochs"], "expected one argument"),
    "batch-size-x": (["--batch-size", "x"], "'x' is not a whole number"),
    "lr-nan": (["--lr", "nan"], "'nan' is not a finite number above 0"),
    "lr-inf": (["--lr", "inf"], "'inf' is not a finite number above 0"),
    "lr-0": (["--lr", "0"], "'0' is not a finite number above 0"),
    "lr-minus": (["--lr=-0.1"], "'-0.1' is not a finite number above 0"),
    "momentum-minus": (["--momentum=-1"], "--momentum"),
    "momentum-of-adam": (["--optimizer", "adam", "--momentum", "0"], "adam has no momentum"),
    "betas-of-sgd": (["--betas", "0.9", "0.99"], "sgd has no betas"),
    "eps-of-momentum": (["--optimizer", "momentum", "--eps", "1"], "momentum has no eps"),
    "betas-1": (["--optimizer", "adam", "--betas", "0.9", "1"], "'1' is not a number of at least"),
    "betas-minus": (["--betas=-0.1", "0.9"], "--betas"),
    "betas-one": (["--optimizer", "adam", "--betas", "0.9"], "expected 2 arguments"),
    "eps-0": (["--optimizer", "adamw", "--eps", "0"], "'0' is not a finite number above 0"),
    "seed-minus": (["--seed", "-1"], "'-1' is not a whole number of at least 0"),
    "limit-0": (["--limit", "0"], "--limit"),
    "rounds-0": (["--rounds", "0"], "--rounds"),
    "timeout-0": (["--timeout", "0"], "--timeout"),
    "threads-9999": (["--threads", "9999"], "--threads 9999: this process may use"),
    "resize-9999": (["--resize", "9999"], "resize 9999"),
    "python-nonsense": (["--python", "nonsense"], "'nonsense' is not BACKEND=PATH"),
    "python-unknown": (["--python", "x=/bin/sh"], "is not BACKEND=PATH"),
    "python-not-there": (["--python", "numpy=/no/such/python"], "not an interpreter"),
    "python-a-folder": (["--python", "numpy=/"], "not an interpreter"),
    "backend-path-not-there": (["--backend-path", "nowhere"], "is not a folder"),
    "unknown-option": (["--frobnicate"], "--frobnicate"),
    "abbreviated-option": (["--epoch", "3"], "--epoch"),
    "json-folder-not-there": (["--json", "no/such/file.json"], "--json no/such/file.json"),
    "json-is-a-folder": (["--json", "."], "--json"),
    "batch-size-huge": (["--batch-size", "1000000001"], "at least 1 and at most 1000000000"),
    "rounds-huge": (["--rounds", "1000000000"], "at least 1 and at most 10000"),
    "epochs-huge": (["--epochs", "1000000000"], "at least 1 and at most 1000000"),
    "workers-huge": (["--workers", "1000000000"], "at least 0 and at most 1000"),
    "timeout-huge": (["--timeout", "1e10"], "above 0 and at most 31536000, a year"),
    "no-batch-left": (["--drop-last", "--batch-size", "1000"], "--drop-last"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str, compare: Command) -> None:
    arguments, words = REFUSED[case]
    first = [] if "--backends" in arguments else ["--backends", "numpy"]
    data = ["--data-dir", compare.data, "--custom-data"]
    assert words in refused(compare, *first, *data, "--out", "out", *arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["frobnicate"], "invalid choice: 'frobnicate'"),
        (["list", "extra"], "extra"),
        (["list", "--backend-path", "nowhere"], "is not a folder"),
        (["show"], "COMPONENT"),
        (["show", "losses"], "unknown component 'losses'; there are data, model, loss"),
        (["show", "loss.hinge"], "loss.py has no 'hinge'"),
        (["show", "loss", "--backends", "numpy", "tensorflow"], "unknown backend 'tensorflow'"),
        (["show", "loss", "--model", "vgg"], "invalid choice: 'vgg'"),
        (["show", "loss", "--style", "neat"], "invalid choice: 'neat'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_command_refused(arguments: list[str], words: str, compare: Command) -> None:
    assert words in refused(compare, *arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--data-dir", "."],
        ["--custom-data"],
        ["--resize", "8"],
        ["--limit", "5"],
        ["--backends", "torch:loader"],
        ["--backends", "torch", "--data", "loader"],
        ["--backends", "numpy", "--data", "loader"],
    ],
    ids=" ".join,
)
def test_linear_refuses(arguments: list[str], compare: Command) -> None:
    first = [] if "--backends" in arguments else ["--backends", "numpy"]
    words = refused(compare, "--model", "linear", "--out", "out", *first, *arguments)
    assert "linear" in words


def damaged(folder: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    path = folder / name
    path.write_bytes(change(path.read_bytes()))


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        pytest.param(idx.TRAIN_IMAGES, lambda b: b[:-1], "truncated", id="truncated"),
        pytest.param(idx.TRAIN_LABELS, lambda b: b[:5], "truncated", id="half-a-header"),
        pytest.param(idx.TEST_IMAGES, lambda b: b"", "truncated", id="empty"),
        pytest.param(idx.TEST_LABELS, lambda b: b + b"\0", "too long", id="too-long"),
        pytest.param(
            idx.TRAIN_IMAGES, lambda b: b"\x00\x00\x0a\x03" + b[4:], "magic number", id="magic"
        ),
        pytest.param(
            idx.TRAIN_IMAGES,
            lambda b: b[:8] + struct.pack(">2I", 4, 9) + b[16:],
            "those for training have 4 x 9",
            id="other-shape",
        ),
        pytest.param(
            idx.TEST_IMAGES,
            lambda b: struct.pack(">4I", 2051, 10, 5, 5) + b[16:266],
            "images",
            id="other-number-of-images",
        ),
        pytest.param(idx.TEST_LABELS, lambda b: b[:-1] + b"\x0a", "label 10", id="label-10"),
    ],
)
def test_bad_data_is_refused(
    name: str, change: Callable[[bytes], bytes], words: str, compare: Command, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for path in compare.data.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    damaged(folder, name, change)
    arguments = ["--backends", "numpy", "--data-dir", folder, "--custom-data", "--out", "out"]
    told = refused(compare, *arguments)
    assert words in told
    assert name in told


def test_damaged_gzip_is_refused(compare: Command, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for path in compare.data.iterdir():
        (folder / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    damaged(folder, f"{idx.TRAIN_IMAGES}.gz", lambda b: b[: len(b) // 2])
    told = refused(compare, "--backends", "numpy", "--data-dir", folder, "--custom-data")
    assert "damaged gzip file" in told


def test_other_data_is_refused_without_custom_data(compare: Command) -> None:
    assert "--custom-data" in refused(compare, "--backends", "numpy", "--data-dir", compare.data)


def test_missing_data_folder(compare: Command) -> None:
    words = refused(compare, "--backends", "numpy", "--data-dir", "nowhere", "--custom-data")
    assert "no such folder" in words


def test_given_folder_is_final(compare: Command, tmp_path: Path) -> None:
    """An empty folder is not made good from the cache or the network."""
    words = refused(compare, "--backends", "numpy", "--data-dir", tmp_path, "--custom-data")
    assert "lacks" in words


def test_bad_info_is_refused(compare: Command, tmp_path: Path) -> None:
    copy_backend(tmp_path / "more", "bad", init="INFO = {}")
    words = refused(
        compare, *compare.small("--backends", "numpy", "--backend-path", tmp_path / "more")
    )
    assert "is dict, not Info" in words


def test_out_that_is_not_empty(compare: Command) -> None:
    (compare.folder / "out").mkdir()
    (compare.folder / "out" / "thesis.tex").write_text("x")
    words = refused(compare, *compare.small("--backends", "numpy", "--out", "out"))
    assert "--force" in words
    assert (compare.folder / "out" / "thesis.tex").read_text() == "x"


@pytest.mark.parametrize("target", ["file", "file/below"])
def test_out_that_is_a_file(target: str, compare: Command) -> None:
    (compare.folder / "file").write_text("precious")
    for force in ([], ["--force"]):
        refused(compare, *compare.small("--backends", "numpy", "--out", target, *force))
    assert (compare.folder / "file").read_text() == "precious"


def test_empty_out_is_taken(compare: Command) -> None:
    (compare.folder / "out").mkdir()
    compare.run("--backends", "numpy")


@pytest.mark.slow
def test_force_replaces_only_what_is_ours(compare: Command) -> None:
    out, compare.page = compare.folder / "out", True
    compare.run("--backends", "numpy", "numpy")
    theirs = ["notes.md", "params.csv", "order.npy.bak", "results.json.old"]
    for name in theirs:
        (out / name).write_text(name)
    (out / "report.html").write_text("old")
    (out / "source" / "stale").mkdir()
    (out / "plots").mkdir()
    (out / "plots" / "a.png").write_text("a")
    read = compare.run("--backends", "numpy", "--force", "--seed", 1)
    assert read["plan"]["seed"] == 1
    names = {path.name for path in out.iterdir()}
    assert {*theirs, "plots"} <= names
    assert all((out / name).read_text() == name for name in theirs)
    assert (out / "plots" / "a.png").read_text() == "a"
    assert not {"params-numpy-1.safetensors", "worker-numpy-2.log"} & names, "left from before"
    assert not (out / "source" / "stale").exists()
    report = out / "report.html"
    assert not report.exists() or report.read_text() != "old"


@pytest.mark.parametrize(("slip", "code"), [(ZeroDivisionError, 70), (KeyboardInterrupt, 130)])
def test_force_replaces_nothing_by_what_did_not_finish(
    slip: type[BaseException], code: int, compare: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare.run("--backends", "numpy", "--check", "none")
    before = (compare.folder / "out" / "results.json").read_bytes()

    def fail(*_: object) -> NoReturn:
        raise slip

    monkeypatch.setattr("common.running.runner.Runner._settle", fail)
    words = compare.small("--backends", "numpy", "--out", "out", "--force", "--check", "quick")
    assert compare(*words).returncode == code
    assert (compare.folder / "out" / "results.json").read_bytes() == before
    assert (compare.folder / "out-interrupted" / "results.json").exists()


@pytest.mark.parametrize("lost", ["results", "states"])
def test_results_that_can_be_nowhere_can_be_taken_up(
    lost: str, compare: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, the temporary folder's, too, in a run that was to replace another."""
    compare.run("--backends", "numpy", "--check", "none")
    before = (compare.folder / "out" / "results.json").read_bytes()

    def full(*_: object) -> NoReturn:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr("common.running.saving.write_json", full)
        if lost == "states":
            disk.setattr("common.results.journal.write_arrays", full)
        words = compare.small("--backends", "numpy", "--out", "out", "--force", "--check", "none")
        done = compare(*words)
    assert done.returncode == 3
    assert "nor anywhere else" in done.stderr
    assert (compare.folder / "out" / "results.json").read_bytes() == before
    assert "out-interrupted" in done.stdout
    again = compare("--resume", "out-interrupted")
    assert again.returncode == 0, again.stderr
    assert (compare.folder / "out-interrupted" / "results.json").exists()


# ---- list and show -------------------------------------------------------------------------


@pytest.mark.slow
def test_list(compare: Command, tmp_path: Path) -> None:
    copy_backend(tmp_path / "more", "ghost", init=NOT_INSTALLED)
    copy_backend(tmp_path / "more", "good")
    copy_backend(tmp_path / "more", "odd", train="raise ImportError('no such library')")
    compare.env["COLUMNS"] = "200"
    done = compare("list", "--backend-path", tmp_path / "more")
    assert (done.returncode, done.stderr) == (0, "")
    rows = {line.split()[0]: line for line in done.stdout.splitlines() if line[:2].strip()}
    assert rows["good"].rstrip().endswith("works")
    assert "fails to be imported: ImportError: no such library" in rows["odd"]
    assert "no-such-distribution-9f3c is not installed" in rows["ghost"]
    assert ESCAPE not in done.stdout
    for backend, found in BACKENDS.items():
        assert re.search(rf"\b{backend}\b", done.stdout)
        assert set(found.info.modes) <= set(re.findall(r"\w+", done.stdout))
    assert f"numpy {np.__version__}" in done.stdout
    words = " ".join(re.sub(r"[│┃]", " ", done.stdout).split())
    assert "it has no compiler" in words
    assert "jit, fused with gru, lstm: torch.compile takes no nn.GRU" in words
    assert list(compare.folder.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["list"], ["show", "loss"], ["--help"]], ids=" ".join)
def test_answers_without_numpy(arguments: list[str], compare: Command) -> None:
    """What takes longest to import is only imported by what computes."""
    command = compare.words(*arguments)
    done = subprocess.run(
        [command[0], "-X", "importtime", *command[1:]],
        cwd=compare.folder,
        env=compare.env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "common.cli.commands" in imported
    assert not imported & {"numpy", "scipy", "PIL", "altair", "pandas", "vl_convert"}


def test_show_component_of_all(compare: Command) -> None:
    done = compare("show", "loss")
    assert (done.returncode, done.stderr) == (0, "")
    for backend in BACKENDS:
        assert f"{backend}/loss.py" in done.stdout
    assert "def cross_entropy_scratch" in done.stdout
    assert "def squared_error_concise" in done.stdout
    assert ESCAPE not in done.stdout


def test_show_one_function(compare: Command) -> None:
    done = compare("show", "update.sgd_scratch", "--backends", "torch", "jax")
    assert done.returncode == 0
    assert done.stdout.count("def sgd_scratch") == 2
    assert "def sgd_concise" not in done.stdout
    assert "numpy/" not in done.stdout


def test_show_a_style(compare: Command) -> None:
    done = compare("show", "loss", "--backends", "torch", "jax", "--style", "scratch")
    assert done.returncode == 0
    assert done.stdout.count("def cross_entropy_scratch") == 2
    assert "def cross_entropy_concise" not in done.stdout
    assert "def gradient" in done.stdout, "what belongs to both styles stays"


def test_show_a_model(compare: Command) -> None:
    done = compare("show", "model", "--backends", "numpy", "--model", "mlp")
    assert "def mlp_scratch" in done.stdout
    assert "def softmax_scratch" not in done.stdout
    assert "def load" in done.stdout


def test_show_is_the_source_itself(compare: Command) -> None:
    """Every line of the file, in order, not one invented."""
    done = compare("show", "accuracy", "--backends", "numpy")
    shown = [line.rstrip() for line in done.stdout.splitlines()[1:]]
    source = (BACKENDS["numpy"].folder / "accuracy.py").read_text(encoding="utf-8")
    assert "\n".join(shown).strip() == source.strip()


def test_show_says_why_a_function_is_absent(compare: Command) -> None:
    done = compare("show", "loss.cross_entropy_concise", "--backends", "torch", "numpy")
    assert done.returncode == 0
    assert "NumPy has no layers, losses or optimisers of its own" in done.stdout


def test_show_what_is_not_installed(compare: Command, tmp_path: Path) -> None:
    """Reading needs no framework."""
    copy_backend(tmp_path / "more", "ghost", init=NOT_INSTALLED, loss="GHOSTLY = 1")
    done = compare("show", "loss", "--backend-path", tmp_path / "more")
    assert done.returncode == 0
    assert "ghost/loss.py" in done.stdout
    assert "GHOSTLY = 1" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["show", "train"], ["list"]], ids=" ".join)
def test_reader_that_has_enough(arguments: list[str], compare: Command) -> None:
    """`show ... | head`: no traceback, no complaint."""
    read, write = os.pipe()
    os.close(read)
    process = subprocess.run(
        compare.words(*arguments),
        cwd=compare.folder,
        env=compare.env,
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    os.close(write)
    assert process.stderr == ""
    assert process.returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["-h"], ["run", "--help"], ["show", "-h"], ["diagnose", "--help"]],
    ids=str,
)
def test_help(arguments: list[str], compare: Command) -> None:
    done = compare(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert "usage: compare.py" in done.stdout


def test_predictions_are_read_without_pickle(full: Full) -> None:
    command, _, _ = full
    data = (command.folder / "out" / "predictions.npz").read_bytes()
    with np.load(io.BytesIO(data), allow_pickle=False) as found:
        assert all(found[name].dtype == np.uint8 for name in found)


def test_a_display_that_fails_costs_nothing_that_was_trained(
    compare: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told no more; the run goes on to its end, and then the error is ours."""
    monkeypatch.setattr("common.shown.progress.Progress.phase", on_fire)
    done = compare(*compare.small("--backends", "numpy", "--out", "out"))
    assert done.returncode == EXIT_ERROR
    assert "RuntimeError: the terminal is on fire" in done.stderr
    assert "rounding" in done.stdout
    found = checked((compare.folder / "out" / "results.json").read_text(encoding="utf-8"))
    assert found["parity"]["entrants"]["numpy"]["verdict"] == "rounding"
    assert not (compare.folder / "out" / "journal.jsonl").exists()


@pytest.mark.slow
def test_a_display_that_fails_costs_no_sweep(
    compare: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("common.shown.progress.Progress.phase", on_fire)
    words = ["--vary", "limit=30,70", "--custom-data", "--data-dir", compare.data, "--out", "out"]
    done = compare("sweep", *words, "--backends", "numpy", "--check", "none")
    assert done.returncode == EXIT_ERROR
    assert (compare.folder / "out" / "limit-30" / "results.json").is_file()
    assert (compare.folder / "out" / "sweep.json").is_file()


def on_fire(*_: object) -> NoReturn:
    raise RuntimeError("the terminal is on fire")
