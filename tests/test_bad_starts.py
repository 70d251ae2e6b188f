"""What `check` cannot take is refused in one line that says what was given, and what can be."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.check import Port, check
from common.entrants.components import Components
from common.entrants.port import PortSession, raised_in
from common.errors import Refused

torch = pytest.importorskip("torch")
nn, functional = torch.nn, torch.nn.functional

DRAW = np.random.default_rng(0)
VECTORS = DRAW.normal(0, 1, (8, 6)).astype("float32")
PICTURES = DRAW.normal(0, 1, (4, 3, 5, 5)).astype("float32")
TOKENS = DRAW.integers(0, 7, (4, 5))
LABELS = np.arange(8) % 5
TARGETS = DRAW.normal(0, 1, (8, 1))

Given = dict[str, Any]


class Network(nn.Module):
    """Two layers; the forward pass returns what a function makes of their output."""

    def __init__(self, made: Callable[[Any], Any] = lambda x: x, outputs: int = 5) -> None:
        super().__init__()
        self.first, self.head, self.made = nn.Linear(6, 4), nn.Linear(4, outputs), made

    def forward(self, x: Any) -> Any:
        return self.made(self.head(torch.tanh(self.first(x))))


class Words(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(7, 4), nn.Linear(4, 5)

    def forward(self, tokens: Any) -> Any:
        return self.head(self.embedding(tokens))


class Rounding(nn.Module):
    """Normalises in float32, whatever it is given."""

    def forward(self, x: Any) -> Any:
        return (x.float() / x.float().norm(dim=-1, keepdim=True)).to(x.dtype)


def raising(_: Any) -> Any:
    raise ValueError("a line\nand another")


def network(made: Callable[[Any], Any] = lambda x: x, outputs: int = 5) -> Any:
    torch.manual_seed(0)
    return Network(made, outputs)


def compiled(_: Path) -> Given:
    return {"port": torch.compile(network())}


def traced(_: Path) -> Given:
    with warnings.catch_warnings():  # PyTorch's own: it is deprecated
        warnings.simplefilter("ignore", FutureWarning)
        module = torch.jit.trace(network(), torch.tensor(VECTORS), check_trace=False)
    return {"reference": module}


def with_leaf(value: Any) -> Any:
    module = network()
    module.register_parameter("scale", nn.Parameter(value))
    return module


def changed(value: float) -> Any:
    module = network()
    with torch.no_grad():
        module.head.bias[2] = value
    return module


def mean(outputs: Any, labels: Any) -> Any:
    return functional.cross_entropy(outputs, labels)


def both(given: Any, **told: Any) -> Given:
    """The same module on both sides."""
    return {"port": given, "reference": given, **told}


def filed(folder: Path, *entries: Any, text: str | None = None) -> Given:
    """A mapping of some entries: (port, reference, transform)."""
    made = [
        {"port": port, "reference": [name], "transform": words} for port, name, words in entries
    ]
    file = folder / "mapping.json"
    file.write_text(text or json.dumps({"schema_version": 1, "entries": made}))
    return {"mapping": file}


def mindspore_cell(_: Path) -> Given:
    mindspore = pytest.importorskip("mindspore")
    return {"reference": mindspore.nn.Dense(6, 5)}


def mindspore_in_float64(_: Path) -> Given:
    mindspore = pytest.importorskip("mindspore")
    return {"port": mindspore.nn.Dense(6, 5), "dtype": "float64"}


def mindspore_graph(_: Path) -> Given:
    """A graph knows no `str.rsplit`."""
    pytest.importorskip("mindspore")

    def of_names(params: Any, x: Any) -> Any:
        (name,) = [name for name in params if name.rsplit(".", 1)[1] == "weight"]
        return x @ params[name]

    def forward(params: Any, x: Any) -> Any:
        return x @ params["head.weight"]

    ports = {
        "port": Port("mindspore", of_names, mindspore_mean),
        "reference": Port("torch", forward, mean),
    }
    params = {"head.weight": np.eye(6, 5, dtype="float32")}
    return {**ports, "params": params, "mode": "jit", "inputs": VECTORS}


def mindspore_mean(outputs: Any, labels: Any) -> Any:
    from mindspore import ops

    return ops.cross_entropy(outputs, labels)


def linen_alone(_: Path) -> Given:
    linen = pytest.importorskip("flax.linen")
    return {"port": linen.Dense(5)}


def equinox_alone(_: Path) -> Given:
    equinox, jax = pytest.importorskip("equinox"), pytest.importorskip("jax")
    norm = equinox.nn.BatchNorm(6, "batch", mode="batch")
    return {"port": equinox.nn.Sequential([norm, equinox.nn.Linear(6, 5, key=jax.random.key(0))])}


def jax_function(_: Path) -> Given:
    jax = pytest.importorskip("jax")
    return {"port": jax.jit(lambda x: x)}


def equinox_tokens(_: Path) -> Given:
    """JAX takes the last row for a token that has none."""
    equinox, jax = pytest.importorskip("equinox"), pytest.importorskip("jax")

    class Rows(equinox.Module):
        embedding: Any

        def __call__(self, tokens: Any) -> Any:
            return jax.vmap(self.embedding)(tokens)

    table = equinox.nn.Embedding(7, 4, key=jax.random.key(0))
    return {"reference": table, "port": nn.Embedding(7, 4), "inputs": np.arange(8), "labels": None}


class Like:
    """An object that looks like a module of a framework nobody here knows."""

    def __call__(self, x: Any) -> Any:
        return x

    def parameters(self) -> dict[str, Any]:
        return {}


#: What is said otherwise -> how its refusal begins, or what it holds.
STARTS: dict[str, tuple[Given | Callable[[Path], Given], str]] = {
    # ---- the two sides
    "no module": ({"port": 5}, "the port is a builtins.int, which is no module that can be taken"),
    "neither is one": ({"port": 5, "reference": 7}, "int is no module that is known"),
    "no reference": ({"reference": None}, "the reference is a builtins.NoneType, which is no"),
    "a class": ({"port": Network}, "the port is the class Network; give an instance, Network(...)"),
    "a class as the reference": ({"reference": Network}, "the reference is the class Network"),
    "an unknown framework's": ({"reference": Like()}, "test_bad_starts.Like, which is no module"),
    "a MindSpore reference": (
        mindspore_cell,
        "MindSpore computes some operations in float32 whatever it is given; give JAX or PyTorch "
        "as the reference, and this as the port",
    ),
    "a MindSpore port in float64": (
        mindspore_in_float64,
        "MindSpore computes some layers in float32 whatever it is given, and refuses others in "
        "float64; ask for float32",
    ),
    "linen without variables": (linen_alone, "Dense of linen came alone: give the pair"),
    "Equinox without its state": (equinox_alone, "Sequential has state and came alone"),
    "a transformed function": (jax_function, "which is no module that can be taken"),
    "an unknown backend's Port": (
        {"port": Port("mine", mean, mean), "params": {"w": VECTORS}},
        "the port is a Port of 'mine'; functions are taken of jax, mindspore, torch",
    ),
    "a Port without params": (
        {"port": Port("torch", mean, mean)},
        "the port is a Port, which needs params: initial values by name",
    ),
    "a MindSpore Port that no graph holds": (
        mindspore_graph,
        "the port's forward, compiled, raised AttributeError: In JIT strict mode",
    ),
    # ---- inputs
    "no inputs": ({"inputs": None}, "check needs inputs, as the reference takes them"),
    "an empty tuple": ({"inputs": ()}, "inputs is empty; give one array, a tuple of them"),
    "strings": ({"inputs": ["a", "b"]}, "inputs of type list has the dtype <U1"),
    "objects": ({"inputs": np.array([{}, None])}, "inputs of type ndarray has the dtype object"),
    "ragged": ({"inputs": [[1.0], [1.0, 2.0]]}, "inputs of type list is no array of numbers"),
    "complex inputs": ({"inputs": VECTORS + 1j}, "inputs of type ndarray has the dtype complex"),
    "no numbers": ({"inputs": np.zeros((8, 0))}, "inputs has shape (8, 0): no example is in it"),
    "no examples": ({"inputs": VECTORS[:0]}, "inputs has shape (0, 6): no example is in it"),
    "two inputs for one": (
        {"inputs": (VECTORS, VECTORS)},
        "the reference raised TypeError: Network.forward() takes 2 positional",
    ),
    "other names": (
        {"inputs": {"y": VECTORS}},
        "the reference raised TypeError: Network.forward() got an unexpected keyword argument 'y'",
    ),
    "too few columns": (
        {"inputs": VECTORS[:, :5]},
        "the reference raised RuntimeError: mat1 and mat2 shapes cannot be multiplied",
    ),
    "other channels": (
        both(nn.Conv2d(4, 2, 3), inputs=PICTURES),
        "the reference raised RuntimeError: Given groups=1, weight of size [2, 4, 3, 3]",
    ),
    "tokens beyond the vocabulary": (
        both(Words(), inputs=TOKENS + 3),
        "the reference raised IndexError: index out of range in self",
    ),
    "tokens that JAX moves": (
        equinox_tokens,
        "Embedding has rows for the tokens 0 to 6, and is given 7",
    ),
    "float tokens": (
        both(Words(), inputs=TOKENS.astype("float32")),
        "the reference raised RuntimeError: Expected tensor for argument #1 'indices'",
    ),
    "NaN inputs": (
        {"inputs": np.where(VECTORS[2, 1] == VECTORS, np.nan, VECTORS)},
        "inputs holds nan at [2, 1]; give finite numbers",
    ),
    "infinite inputs": (
        {"inputs": np.where(VECTORS[2, 1] == VECTORS, np.inf, VECTORS)},
        "inputs holds inf at [2, 1]; give finite numbers",
    ),
    # ---- labels and the loss
    "labels of another length": (
        {"labels": LABELS[:-1]},
        "labels are integers of shape (7,), classes of outputs (8, 5) have (8,): give that",
    ),
    "a label beyond the classes": (
        {"labels": LABELS + 1},
        "label 5 at [4]: classes are the integers 0 to 4, -100 is ignored",
    ),
    "a negative label": ({"labels": LABELS - 1}, "label -1 at [0]: classes are the integers"),
    "all ignored": ({"labels": LABELS * 0 - 100}, "all labels are -100, which is ignored"),
    "floats for classes": (
        {"labels": LABELS.astype("float32")},
        "labels are floats of shape (8,), the outputs have (8, 5); give targets of that shape, "
        "integers if they are classes",
    ),
    "integers for targets": (
        both(network(outputs=1), labels=np.ones((8, 1), int)),
        "have (8,): floats, if they are targets",
    ),
    "one-hot": ({"labels": np.eye(5, dtype=int)[LABELS]}, "one-hot; give labels.argmax(-1)"),
    "a column for a vector": (
        both(network(lambda x: x[:, 0]), labels=TARGETS),
        "labels are floats of shape (8, 1), the outputs have (8,)",
    ),
    "a vector for a column": (
        both(network(outputs=1), labels=TARGETS[:, 0]),
        "labels are floats of shape (8,), the outputs have (8, 1)",
    ),
    "NaN targets": (both(network(outputs=1), labels=TARGETS * np.nan), "labels holds nan at [0"),
    "labels that are words": ({"labels": list("abcdefgh")}, "labels of type list has the dtype"),
    "two outputs, one loss": (
        both(network(lambda x: (x, x * 2))),
        "the reference returns 2 tensors, and the usual loss takes one; give loss=",
    ),
    "a loss for each example": (
        {"loss": lambda o, y: functional.cross_entropy(o, y, reduction="none")},
        "the reference's loss returns shape (8,); give one number",
    ),
    "a loss that raises": (
        {"loss": lambda o, y: raising(o)},
        "the reference's loss raised ValueError: a line",
    ),
    "a loss of four": (
        {"loss": lambda params, o, y, z: mean(o, y)},
        "the reference's loss raised TypeError: ",
    ),
    "three losses": ({"loss": (mean, mean, mean)}, "loss are 3; give one for both"),
    # ---- what the reference does
    "no output": (both(network(lambda x: None)), "the reference returns no tensor"),
    "words for output": (both(network(lambda x: "logits")), "the reference returns no tensor"),
    "raising": (both(network(raising)), "the reference raised ValueError: a line"),
    "one example to normalise": (
        both(nn.BatchNorm1d(6), inputs=VECTORS[:1], labels=None, train=True),
        "the reference raised ValueError: Expected more than 1 value per channel when training",
    ),
    "dropout": (
        both(nn.Sequential(nn.Linear(6, 5), nn.Dropout(0.5)), train=True),
        "the reference gives two answers when called twice with the same inputs",
    ),
    "float32 inside": (
        both(nn.Sequential(nn.Linear(6, 6), Rounding(), nn.Linear(6, 5))),
        "the reference computes in float32 inside in 1 (Rounding), though it is given float64",
    ),
    "float32 at the end": (both(network(lambda x: x.float())), "computes float32 from float64"),
    "NaN outputs": (both(network(torch.log)), "the reference returns NaN for these inputs"),
    # ---- weights
    "slopes that are no numbers": (
        both(network(lambda x: torch.sqrt(x - x.detach()))),
        "the reference's slope of first.weight is NaN or infinite for these inputs",
    ),
    "a NaN weight": ({"reference": changed(np.nan)}, "head.bias of the reference holds nan at [2]"),
    "an infinite weight": ({"port": changed(np.inf)}, "head.bias of the port holds inf at [2]"),
    "a lazy module": (both(nn.LazyLinear(5)), "a lazy module's weights are not there yet"),
    "compiled": (compiled, "the network is compiled; give the module"),
    "scripted": (traced, "the network is scripted; give the module"),
    "distributed": ({"port": nn.DataParallel(network())}, "is a DataParallel; give its .module"),
    "no slope": (
        both(network(lambda x: x.argmax(1)), labels=None),
        "the reference returns int64, which has no slope",
    ),
    "the meta device": (both(nn.Linear(6, 5, device="meta")), "weights are on the meta device"),
    "complex weights": (
        {"reference": with_leaf(torch.ones(2, dtype=torch.complex64))},
        "scale of the reference has the dtype complex64; weights are compared in float32",
    ),
    # ---- the mapping
    "no such mapping": ({"mapping": "nowhere.json"}, "nowhere.json cannot be read: No such file"),
    "no JSON": (lambda folder: filed(folder, text="{"), "mapping.json is no JSON"),
    "an unknown leaf": (
        lambda folder: filed(folder, ("heed.bias", "head.bias", "identity")),
        "the port has no leaf 'heed.bias'; 'head.bias', perhaps?",
    ),
    "an unknown leaf of the reference": (
        lambda folder: filed(folder, ("head.bias", "heed.bias", "identity")),
        "the reference has no leaf 'heed.bias'",
    ),
    "another shape": (
        lambda folder: filed(folder, ("head.weight", "head.weight", "permute 1 0")),
        "'permute 1 0' makes (4, 5) of head.weight, but the port's head.weight is (5, 4)",
    ),
    "a leaf twice": (
        lambda folder: filed(folder, *[("head.bias", "head.bias", "identity")] * 2),
        "the port's 'head.bias' has an entry already",
    ),
    # ---- words and numbers
    "no such layer": ({"only": "layer9.*"}, "only='layer9.*' is the name of no layer; these are:"),
    "epochs of modules": ({"epochs": 5}, "epochs=5: that is of functions and backends"),
    "steps of functions": (
        {
            "port": Port("torch", forward=raising, loss=raising),
            "reference": Port("torch", forward=raising, loss=raising),
            "params": {"w": np.zeros(3, np.float32)},
            "steps": 5,
        },
        "steps=5: that is of modules",
    ),
    "inputs twice": ({"images": VECTORS}, "images is the older name of inputs"),
    "a port's own update": (
        {
            "port": Port("torch", forward=raising, loss=raising, update=raising),
            "params": {"w": np.zeros(3, np.float32)},
        },
        "the port is a Port with an update or a correct of its own, which nothing is held against",
    ),
    "functions against a name": (
        {
            "port": Port("torch", forward=raising, loss=raising),
            "reference": "torch",
            "params": {"w": np.zeros(3, np.float32)},
        },
        "the reference is 'torch'; functions are held against a Port",
    ),
    "an optimizer": ({"optimizer": "lion"}, "unknown 'lion'; there are sgd, momentum, adam"),
    "a dtype": ({"dtype": "float16"}, "unknown 'float16'; there are float32, float64"),
    "a mode": ({"mode": "fused"}, "unknown 'fused'; there are eager, jit"),
    "negative steps": ({"steps": -1}, "steps=-1; give a whole number, 0 for the layers only"),
    "half a step": ({"steps": 0.5}, "steps=0.5; give a whole number"),
    "lr": ({"lr": float("nan")}, "lr=nan; give a number, 0 <= lr < inf"),
    "momentum": ({"momentum": 1.5}, "momentum=1.5; give a number, 0 <= momentum < 1"),
    "betas": ({"betas": (0.9, 1.0)}, "betas=1.0; give a number, 0 <= betas < 1"),
    "a seed": ({"seed": -1}, "seed=-1; give a whole number from 0 up"),
}


@pytest.mark.parametrize("start", STARTS)
def test_bad_start(start: str, tmp_path: Path) -> None:
    told, words = STARTS[start]
    told = told(tmp_path) if callable(told) else told
    given = {"port": network(), "reference": network(), "inputs": VECTORS, "labels": LABELS}
    with pytest.raises(Refused) as caught:
        check(**{**given, **told})
    said = str(caught.value)
    assert words in said
    assert "\n" not in said
    assert len(said) < 400


def test_there_are_fifty() -> None:
    assert len(STARTS) >= 50


def compiled() -> Callable[[], None]:
    """What a backend's `compiled` returns: no frame of the function that a graph is made of."""

    def run() -> None:
        raise RuntimeError("no graph")

    return run


class Asked(Components):
    """Each component a graph that cannot be made."""

    def __init__(self) -> None:
        """Without functions."""

    def logits(self, *given: Any) -> Any:
        compiled()()

    def gradient(self, *given: Any) -> Any:
        compiled()()

    def update(self, *given: Any) -> Any:
        compiled()()

    def correct(self, *given: Any) -> Any:
        compiled()()


class Asking(PortSession):
    """The port's session, which asks."""

    def __init__(self, component: str) -> None:
        self.who, self.port = "port", Port("mindspore", mean, mean)
        getattr(Asked(), component)()


@pytest.mark.parametrize(
    ("component", "whose"),
    [
        ("logits", "the port's forward, compiled,"),
        ("gradient", "the port's loss, compiled,"),
        ("update", None),
        ("correct", None),
    ],
)
def test_whose_graph_cannot_be_made(component: str, whose: str | None) -> None:
    """An update and a count may be this project's own: nobody else is blamed for them."""
    with pytest.raises(RuntimeError) as caught:
        Asking(component)
    assert raised_in(caught.value) == whose
