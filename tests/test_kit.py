"""A kit: the reference written down is as good as the reference, and says what it has not got."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from backends.torch.module import Net
from common.modules import remote
from common.modules.kit import rounded_up, sha256
from tests.conftest import Command
from tests.hosted import NETWORKS, Hosted, imported_from

OF_REFERENCE = ["--reference", "torch=nets.py:Small", "--input", "6x1x4x4", "--labels", "5"]
OPTIONS = ["--train", "--steps", "2", "--optimizer", "momentum", "--seed", "3"]
WRITE = ["check", *OF_REFERENCE, *OPTIONS, "--write", "kit"]


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """compare.py in a folder with networks and a kit of one, workers in this process."""
    folder = tmp_path_factory.mktemp("kits")
    (folder / "nets.py").write_text(NETWORKS)
    with imported_from(folder), mock.patch.object(remote, "Worker", Hosted):
        found = Command(folder, folder / "cache", folder)
        done = found(*WRITE)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("kit of 0.")
        assert done.stdout.endswith(" MB in kit\n")
        yield found


@pytest.fixture
def kit(command: Command) -> Iterator[Path]:
    """A copy of the kit, to be spoilt."""
    copy = command.folder / "copy"
    shutil.copytree(command.folder / "kit", copy)
    yield copy
    shutil.rmtree(copy)


def found(command: Command, *words: str, code: int) -> dict[str, Any]:
    done = command("check", *words, "--json", "-")
    assert done.returncode == code, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize(("port", "code"), [("Small", 0), ("Eps", 1), ("Wrong", 1)])
def test_as_good_as_the_reference(port: str, code: int, command: Command) -> None:
    side = ["--port", f"torch=nets.py:{port}"]
    direct = found(command, *OF_REFERENCE, *OPTIONS, *side, code=code)
    before = Hosted.started
    by_kit = found(command, "--against", "kit", *side, code=code)
    assert Hosted.started == before + 1, "the port alone"
    assert by_kit["environment"]["reference"] == direct["environment"]["reference"]
    assert len(by_kit["layers"]) > (10 if port == "Small" else 1)
    for key in ("verdict", "mapping", "not_compared"):
        assert by_kit[key] == direct[key]
    said = ("name", "port_name", "call", "unit", "stage", "right")
    for one, other in zip(by_kit["layers"], direct["layers"], strict=True):
        assert [one[key] for key in said] == [other[key] for key in said]
    # The reference's own rounding differs from run to run, and with it the bounds.
    if port != "Small":
        first, right = by_kit["first"], direct["first"]
        where = ("layer", "unit", "stage", "tensor", "dtype")
        assert [first[key] for key in where] == [right[key] for key in where]
        assert first["bound"] == pytest.approx(right["bound"], rel=0.9)


MASKED = """
import torch
from torch import nn
from tests.test_masks import LATER, Attention


class Twice(nn.Module):
    def __init__(self, fill):
        super().__init__()
        self.a, self.b = Attention(0.5, False), nn.Linear(8, 6)
        self.c, self.d = Attention(0.5, False), nn.Linear(8, 5)
        self.fill = fill

    def forward(self, x):
        mask = torch.zeros(4, 4, dtype=x.dtype).masked_fill(LATER, self.fill)
        return self.d(self.c(self.b(self.a(x, mask)).tanh(), mask))


def minus_infinity(fill=float("-inf")):
    torch.manual_seed(0)
    return Twice(fill)


def large():
    return minus_infinity(-1e9)


def small():
    return minus_infinity(-1.0)
"""

SENTENCES = ["--input", "3x4x6", "--labels", "none", "--steps", "1"]


@pytest.mark.slow
def test_a_mask_of_the_same_effect(command: Command) -> None:
    (command.folder / "masks.py").write_text(MASKED)
    written(command, "masked", "torch=masks.py:minus_infinity", *SENTENCES)
    right = found(command, "--against", "masked", "--port", "torch=masks.py:large", code=0)
    assert right["merged"] == []
    wrong = found(command, "--against", "masked", "--port", "torch=masks.py:small", code=1)
    assert (wrong["first"]["layer"], wrong["first"]["unit"]) == ("a", "wiring")


def test_a_layer_that_ends_elsewhere(command: Command) -> None:
    answer = found(command, "--against", "kit", "--port", "torch=nets.py:Inside", code=0)
    assert (answer["verdict"], answer["merged"]) == ("rounding", ["norm"])


def test_a_loss_that_is_wrong(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is expected of the loss is written down, too, with how far rounding may lead."""
    loss = Net.loss

    def wrong(self: Any, function: Any, outputs: Any, labels: Any) -> Any:
        value, slopes = loss(self, function, outputs, labels)
        return value * 1.001, slopes

    monkeypatch.setattr(Net, "loss", wrong)
    answer = found(command, "--against", "kit", "--port", "torch=nets.py:Small", code=1)
    assert answer["first"]["unit"] == "loss"


def written(command: Command, kit: str, side: str, *words: str) -> None:
    done = command("check", "--reference", side, *words, "--write", kit)
    assert (done.returncode, done.stderr) == (0, "")


TORCH_NORM = """
from torch import nn


def net():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
"""

SQUARES = """
import torch
from flax import nnx

def reference():
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.BatchNorm2d(3), torch.nn.Flatten(), torch.nn.Linear(108, 5)
    )

class Port(nnx.Module):
    def __init__(self):
        self.norm = nnx.BatchNorm(3, momentum=0.9, epsilon=1e-5, rngs=nnx.Rngs(0))
        self.out = nnx.Linear(108, 5, rngs=nnx.Rngs(0))
    def __call__(self, x):
        x = self.norm(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
        return self.out(x.reshape(len(x), -1))
"""


@pytest.mark.slow
def test_what_a_port_rounds_by_itself_is_asked_of_it_alone(command: Command) -> None:
    """A running variance of large numbers, which a kit was not asked about by itself."""
    pytest.importorskip("flax")
    (command.folder / "squares.py").write_text(SQUARES)
    x = np.random.default_rng(1).normal(80, 1, (16, 3, 6, 6)).astype("float32")
    np.save(command.folder / "eighty.npy", x)
    words = ["--input", "eighty.npy", "--labels", "5", "--train", "--steps", "1"]
    sides = ["--reference", "torch=squares.py:reference", "--write", "squares"]
    done = command("check", *sides, *words)
    assert done.returncode == 0, done.stderr
    # Whether half of the digits stay there is the machine's affair; that it is asked is not.
    done = command("check", "--against", "squares", "--port", "jax=squares.py:Port")
    assert done.returncode in (0, 1), done.stderr
    assert "has no answer" not in done.stderr


FLAX_NORM = """
from flax import nnx

nets = nnx.Rngs(0)


def net():
    return nnx.Sequential(nnx.Linear(3, 4, rngs=nets), nnx.BatchNorm(4, momentum=0.9, rngs=nets))


def other():
    return nnx.Sequential(nnx.Linear(3, 4, rngs=nets), nnx.BatchNorm(4, momentum=0.8, rngs=nets))
"""


@pytest.mark.slow
def test_a_port_of_another_framework(command: Command) -> None:
    """What is otherwise by design is followed, though the reference cannot be asked for it."""
    pytest.importorskip("flax")
    (command.folder / "torch_norm.py").write_text(TORCH_NORM)
    (command.folder / "flax_norm.py").write_text(FLAX_NORM)
    asked = ["--input", "5x3", "--labels", "4", "--steps", "1", "--train"]
    written(command, "norm", "torch=torch_norm.py:net", *asked)
    right = found(command, "--against", "norm", "--port", "jax=flax_norm.py:net", code=0)
    assert right["verdict"] == "declared"
    wrong = found(command, "--against", "norm", "--port", "jax=flax_norm.py:other", code=1)
    assert (wrong["first"]["layer"], wrong["first"]["tensor"]) == ("1", "layers.1.mean")


TORCH_PICTURES = """
from torch import nn


def net():
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 5)
    )
"""

MINDSPORE_PICTURES = """
from mindspore import nn


def net(momentum=0.9):
    convolution = nn.Conv2d(2, 4, 3, pad_mode="pad", padding=1, has_bias=True)
    norm = nn.BatchNorm2d(4, momentum=momentum)
    return nn.SequentialCell(convolution, norm, nn.ReLU(), nn.Flatten(), nn.Dense(64, 5))


def other():
    return net(0.8)
"""


@pytest.mark.slow
def test_a_port_in_mindspore(command: Command) -> None:
    """Judged in float32 alone, in training, by a kit that no float32 framework has written."""
    pytest.importorskip("mindspore")
    (command.folder / "torch_pictures.py").write_text(TORCH_PICTURES)
    (command.folder / "mindspore_pictures.py").write_text(MINDSPORE_PICTURES)
    asked = ["--input", "6x2x4x4", "--labels", "5", "--steps", "2", "--train"]
    written(command, "pictures", "torch=torch_pictures.py:net", *asked)
    port = ["--port", "mindspore=mindspore_pictures.py:net"]
    right = found(command, "--against", "pictures", *port, code=0)
    assert (right["verdict"], right["not_compared"], right["merged"]) == ("rounding", [], [])
    wrong = found(command, "--against", "pictures", port[0], f"{port[1][:-3]}other", code=1)
    assert wrong["first"]["layer"] == "1"


def test_what_it_is_made_of(command: Command) -> None:
    """JSON and safetensors, each array once, which anybody can read."""
    folder = command.folder / "kit"
    assert sorted(path.name for path in folder.iterdir()) == ["arrays-0.safetensors", "kit.json"]
    read = json.loads((folder / "kit.json").read_text())
    assert (read["schema_version"], read["framework"], read["doubles"]) == (3, "torch", True)
    assert read["side"]["side"] == "torch=nets.py:Small"
    arrays = load_file(folder / "arrays-0.safetensors")
    bodies = {(one.dtype.str, one.shape, one.tobytes()) for one in arrays.values()}
    assert len(bodies) == len(arrays)
    assert arrays[read["inputs"][0]["__array__"]].shape == (6, 1, 4, 4)


@pytest.mark.slow
def test_a_kit_without_labels_in_several_files(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("common.modules.kit.SHARD", 1000)
    words = ["check", *OF_REFERENCE[:4], "--labels", "none", "--steps", "0", "--write", "bare"]
    assert command(*words).returncode == 0
    assert len(list((command.folder / "bare").glob("arrays-*.safetensors"))) > 5
    found(command, "--against", "bare", "--port", "torch=nets.py:Small", code=0)
    found(command, "--against", "bare", "--port", "torch=nets.py:Eps", code=1)


def test_zeros_stay_zeros_and_nothing_gets_smaller() -> None:
    given = np.array([0.0, 1e-60, 1.0, 0.1])
    up = rounded_up(given)
    assert up.dtype == np.float32
    assert up[0] == 0
    assert (up[1:] > given[1:]).all()
    assert (up[2:] < given[2:] * (1 + 1e-6)).all()


# ---- a kit against a kit -------------------------------------------------------------------------

#: Versions of a network whose first layer returns what lies between two numbers of float32, and a
#: little more: float64's last places decide how it is rounded.
VERSIONS = """
import torch
from torch import nn


class Table(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(2.0 ** torch.arange(12.0).reshape(4, 3))

    def forward(self, tokens):
        return self.weight[tokens] * between


class Old(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.out = Table(), nn.Linear(3, 5)

    def forward(self, *, tokens):
        return self.out(self.table(tokens))


between = 1 + 2.0**-24
"""


def against(command: Command, new: str, code: int) -> dict[str, Any]:
    before = Hosted.started
    answer = found(command, "--against", "kit", "--kit", new, code=code)
    assert Hosted.started == before, "nothing is run"
    return answer


def test_a_kit_against_itself(kit: Path, command: Command) -> None:
    """All that was written is held, in float64, too, and is the same."""
    same = against(command, "copy", code=0)
    assert same["verdict"] == "rounding"
    assert {layer["judged"] for layer in same["layers"]} == {"float64 and rounding"}
    assert {layer["from_own"] for layer in same["layers"]} == {0.0}
    by_kit = found(command, "--against", "kit", "--port", OF_REFERENCE[1], code=0)
    assert [one["name"] for one in same["layers"]] == [one["name"] for one in by_kit["layers"]]
    assert same["environment"]["port"]["side"] == OF_REFERENCE[1]


@pytest.mark.slow
@pytest.mark.parametrize(("version", "layer"), [("Eps", "norm"), ("Wrong", "")])
def test_what_a_version_changed(version: str, layer: str, command: Command) -> None:
    written(command, version, f"torch=nets.py:{version}", *WRITE[3:-2])
    answer = against(command, version, code=1)
    assert answer["first"]["layer"] == layer
    assert answer["first"]["likely_cause"] is None, "nobody can be asked"


@pytest.mark.slow
def test_versions_whose_last_places_differ(command: Command) -> None:
    """The layer behind was asked something else, as good as the same: rounding alone is judged."""
    kinds = []
    for number, between in enumerate(["1 + 2.0**-24", "1 + 2.0**-24 + 2.0**-50"]):
        name = f"version{number}"
        text = VERSIONS.replace("between = 1 + 2.0**-24", f"between = {between}")
        (command.folder / f"{name}.py").write_text(text)
        written(
            command, name, f"torch={name}.py:Old", "--input", "tokens=6x2:int,4", "--labels", "5"
        )
    answer = found(command, "--against", "version0", "--kit", "version1", code=0)
    kinds = {(one["name"], one["unit"], one["stage"]): one["judged"] for one in answer["layers"]}
    assert kinds["table", "layer", "forward"] == "float64 and rounding"
    assert kinds["out", "layer", "forward"] == "rounding"
    said = command("check", "--against", "version0", "--kit", "version1").stdout
    assert "asked the same but for last places" in said
    assert "the reference's own float32 numbers: " in said
    assert "port: torch=version1.py:Old, eager, torch " in said


def unlike(kit: Path, name: str, value: Any) -> None:
    """Change something in kit.json that is known by its bytes."""
    arrays = load_file(kit / "arrays-0.safetensors")
    document = json.loads((kit / "kit.json").read_text())
    array = np.array(value)
    arrays[sha256(array)] = array
    save_file(arrays, kit / "arrays-0.safetensors")
    if name == "leaf":
        document["leaves"][0]["value"] = {"__array__": sha256(array)}
    else:
        document[name] = [{"__array__": sha256(array)}] if name == "inputs" else {
            "__array__": sha256(array)
        }  # fmt: skip
    (kit / "kit.json").write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda kit: unlike(kit, "inputs", np.ones((6, 1, 4, 4), "f")), ": other inputs; write bo"),
        (lambda kit: unlike(kit, "labels", np.zeros(6, "int64")), ": other labels; write both wi"),
        (
            lambda kit: unlike(kit, "leaf", np.ones((3, 1, 3, 3), "f")),
            ": other weights, first conv",
        ),
        (lambda kit: unlike(kit, "leaf", np.ones(3, "f")), "its leaf conv.weight is (3,), not (3,"),
        (lambda kit: change(kit, settings={}), ": --train None, not True"),
        (lambda kit: change(kit, names=["x"]), ": other inputs; write both"),
    ],
)
def test_kits_of_other_checks(
    spoil: Callable[[Path], Any], words: str, kit: Path, command: Command
) -> None:
    spoil(kit)
    line = refused(command, "--against", "kit", "--kit", "copy")
    assert line.startswith("compare.py: copy is not comparable with kit")
    assert words in line


# ---- refused -------------------------------------------------------------------------------------


def refused(command: Command, *words: str) -> str:
    before = sorted(command.folder.iterdir())
    done = command("check", *words)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert sorted(command.folder.iterdir()) == before
    (line,) = (one for one in done.stderr.splitlines() if one.startswith("compare.py: "))
    return line


def test_what_it_was_not_asked(command: Command) -> None:
    """The layers of this port are others, so that the reference would be asked otherwise."""
    line = refused(command, "--against", "kit", "--port", "torch=nets.py:Inline")
    assert "kit has no answer for the wiring of 2 layers from these values" in line


def test_a_reference_that_is_random(command: Command) -> None:
    words = ["--reference", "torch=nets.py:Random", *OF_REFERENCE[2:], "--write", "random"]
    assert "gives two answers" in refused(command, *words)


def change(kit: Path, **changes: Any) -> None:
    path = kit / "kit.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def flip(kit: Path) -> None:
    path = kit / "arrays-0.safetensors"
    arrays = load_file(path)
    name = next(one for one, array in arrays.items() if array.shape == (6, 1, 4, 4))
    arrays[name] = arrays[name] + 1
    save_file(arrays, path)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda kit: (kit / "kit.json").unlink(), "is no kit: kit.json: No such file"),
        (lambda kit: (kit / "kit.json").write_text("{"), "is no kit: "),
        (lambda kit: (kit / "kit.json").write_text("{}"), "is no kit: "),
        (lambda kit: change(kit, schema_version=1), "has schema_version 1; this program reads 3"),
        (lambda kit: change(kit, side={}), "is no kit: Object missing required field `side`"),
        (lambda kit: change(kit, leaves=[1]), "is damaged: its answer to leaves, part 1,"),
        (lambda kit: change(kit, labels="x"), "is damaged: its answer to labels is 'x'"),
        (lambda kit: change(kit, answers={}), "has no answer for the whole from these values"),
        (lambda kit: (kit / "arrays-0.safetensors").unlink(), "is not there"),
        (lambda kit: (kit / "arrays-0.safetensors").write_text("x"), "is no kit: "),
        (flip, "has other bytes"),
    ],
)
def test_a_kit_that_is_none(
    spoil: Callable[[Path], Any], words: str, kit: Path, command: Command
) -> None:
    spoil(kit)
    assert words in refused(command, "--against", "copy", "--port", "torch=nets.py:Small")


AGAINST = ["--against", "kit", "--port", "torch=nets.py:Small"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (AGAINST[:2], "--port is missing"),
        (["--against", "nowhere", *AGAINST[2:]], "nowhere is no kit: kit.json: No such file"),
        ([*AGAINST, *OF_REFERENCE[:2]], "--against has a reference"),
        ([*AGAINST, "--input", "4x1"], "--against has a reference"),
        ([*AGAINST, "--labels", "5"], "--against has a reference"),
        ([*AGAINST, "--steps", "7"], "--steps 7: kit was written with 2"),
        ([*AGAINST, "--dtype", "float64"], "--dtype float64: kit was written with float32"),
        ([*WRITE[1:], "--port", "torch=nets.py:Small"], "--write is of a reference alone"),
        (["--write", "new", "--against", "kit", *AGAINST[2:]], "--write is of a reference alone"),
        (WRITE[1:], "--write kit is not an empty folder"),
        ([*WRITE[1:-1], "nets.py"], "--write nets.py is not an empty folder"),
        ([*WRITE[1:-1], "nets.py/kit"], "--write nets.py/kit cannot be written: "),
        (["--kit", "kit", *OF_REFERENCE], "--kit is the port of --against KIT"),
        (["--kit", "kit", *WRITE[1:-2], *AGAINST[2:]], "--kit is the port of --against KIT"),
        ([*AGAINST, "--kit", "kit"], "--kit is the port of --against KIT"),
        (["--write", "new", "--reference", "torch=nets.py:Small"], "--input is missing"),
    ],
)
def test_what_does_not_go_together(words: list[str], said: str, command: Command) -> None:
    assert said in refused(command, *words)
