"""The models: their parameters, whose axes have names and sizes, and their usual settings.

A new model is one entry in `MODELS` and one function per style in one of the files of each
backend's models (`common.contract.info.FILES`), called `<name>_scratch` and `<name>_concise`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from common.contract.info import FILES, home_of

if TYPE_CHECKING:  # it brings NumPy, without which `list` and `show` answer
    from common.contract.axes import Sizes

#: What others call one of the models, or what it is of.
ALSO = {
    "cnn": "lenet",
    "convnet": "lenet",
    "linear-regression": "linear",
    "logistic": "softmax",
    "logistic-regression": "softmax",
    "perceptron": "mlp",
    "regression": "linear",
    "rnn": "gru",
    "softmax-regression": "softmax",
    "transformer": "attention",
}

#: (height, width, channels) of a picture, (features,) of anything else.
Shape = tuple[int, ...]

#: A number; `features` (numbers in one example), `channels`, `hidden` or `classes`; or what a
#: shape of the examples makes it.
Size = int | str | Callable[[Shape], int]


@dataclass(frozen=True)
class Model:
    """One model.

    Attributes:
        name: as on the command line, and the prefix of its functions.
        parameters: parameter -> axis -> size, in the neutral order: a weight has "in" and "out",
            a convolution's "height", "width", "in" and "out", one that takes a flattened picture
            "rows", "columns", "in" and "out", a bias "out".
        loss: prefix of its functions in `loss.py`.
        classifies: whether labels are classes, so that there is an accuracy.
        epochs, batch_size, lr: what a run uses unless told otherwise.
        adam_lr: the same for the optimisers that divide by a gradient's size.
        initial: how weights are drawn, see `common.data.draws`.
        smallest: the least height and width that it can take; None: it takes rows of numbers, and
            its functions are not told a shape.
        gates: what the blocks of its weights' "out" make, in order.
        edges: parameters that are added right before a ReLU, in the order of the ReLUs.
        statistics: those of the parameters that no gradient moves: running means and variances.
        functions: those, by NumPy's names, that it applies to what they gave: a library's error in
            one of them is no longer a matter of a few roundings.
        uses: weight -> how often an example of a shape is multiplied with it, if not once: a
            kernel at every place of its output.
        between: how many products of two numbers an example's forward pass has that are of no
            weight: what attends times what is attended to.
    """

    name: str
    parameters: dict[str, dict[str, Size]]
    loss: str
    classifies: bool
    epochs: int
    batch_size: int
    lr: float
    adam_lr: float = 0.001
    initial: Literal["normal", "xavier"] = "normal"
    smallest: tuple[int, int] | None = None
    gates: tuple[str, ...] = ()
    edges: tuple[str, ...] = ()
    statistics: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    uses: Mapping[str, Callable[[Shape], int]] = field(default_factory=dict)
    between: Callable[[Shape], int] = lambda shape: 0

    @property
    def long_sums(self) -> bool:
        """Whether it adds up more terms than a batch has examples, or an example numbers."""
        return self.smallest is not None

    @property
    def convolves(self) -> bool:
        """Whether it has kernels that go over pictures."""
        return any("height" in sizes for sizes in self.parameters.values())

    def axes(self, shape: Shape, hidden: int, classes: int) -> dict[str, Sizes]:
        """Parameter -> axis -> size in numbers, in the neutral order."""
        words = {
            "features": math.prod(shape),
            "channels": shape[-1],
            "hidden": hidden,
            "classes": classes,
        }

        def number(size: Size) -> int:
            if callable(size):
                return size(shape)
            return words[size] if isinstance(size, str) else size

        return {
            name: {axis: number(size) for axis, size in sizes.items()}
            for name, sizes in self.parameters.items()
        }

    def sizes(self, shape: Shape, hidden: int, classes: int) -> dict[str, tuple[int, ...]]:
        """Parameter -> shape, in the neutral order."""
        axes = self.axes(shape, hidden, classes)
        return {name: tuple(sizes.values()) for name, sizes in axes.items()}


def _dense(name: str, inputs: Size, outputs: Size) -> dict[str, dict[str, Size]]:
    """The parameters of a dense layer."""
    return {f"{name}.weight": {"in": inputs, "out": outputs}, f"{name}.bias": {"out": outputs}}


def _convolution(name: str, side: int, inputs: Size, outputs: Size) -> dict[str, dict[str, Size]]:
    """The parameters of a convolution with a square kernel."""
    kernel: dict[str, Size] = {"height": side, "width": side, "in": inputs, "out": outputs}
    return {f"{name}.weight": kernel, f"{name}.bias": {"out": outputs}}


def _norm(name: str, size: Size) -> dict[str, dict[str, Size]]:
    """The parameters of a batch normalisation; mean and variance are statistics."""
    return {f"{name}.{part}": {"out": size} for part in ("scale", "shift", "mean", "variance")}


def _statistics(*norms: str) -> tuple[str, ...]:
    return tuple(f"{name}.{part}" for name in norms for part in ("mean", "variance"))


def _lenet_side(axis: int) -> Callable[[Shape], int]:
    """What LeNet leaves of a side: halved, four less, halved."""
    return lambda shape: (shape[axis] // 2 - 4) // 2


def _lenet() -> dict[str, dict[str, Size]]:
    """Of LeNet; its first dense layer takes what the second pooling leaves of a picture."""
    flattened: dict[str, Size] = {"rows": _lenet_side(0), "columns": _lenet_side(1), "in": 16}
    return {
        **_convolution("conv1", 5, "channels", 6),
        **_convolution("conv2", 5, 6, 16),
        "dense1.weight": {**flattened, "out": 120},
        "dense1.bias": {"out": 120},
        **_dense("dense2", 120, 84),
        **_dense("output", 84, "classes"),
    }


def _lenet_bn() -> dict[str, dict[str, Size]]:
    """LeNet's, a norm for the biases of all but the output."""
    found: dict[str, dict[str, Size]] = {}
    norms = {"conv1": 6, "conv2": 16, "dense1": 120, "dense2": 84}
    for name, axes in _lenet().items():
        layer, _, part = name.partition(".")
        if layer in norms and part == "bias":
            found |= _norm(f"norm{list(norms).index(layer) + 1}", norms[layer])
        else:
            found[name] = axes
    return found


def _kernel(name: str, side: int, inputs: Size, outputs: Size) -> dict[str, dict[str, Size]]:
    """The parameters of a convolution with a norm in the place of a bias: conv1, norm1."""
    kernel: dict[str, Size] = {"height": side, "width": side, "in": inputs, "out": outputs}
    return {f"conv{name}.weight": kernel, **_norm(f"norm{name}", outputs)}


def _resnet() -> dict[str, dict[str, Size]]:
    return {
        **_kernel("1", 3, "channels", 8),
        **_kernel("2", 3, 8, 8),
        **_kernel("3", 3, 8, 8),
        **_kernel("4", 3, 8, 16),
        **_kernel("5", 3, 16, 16),
        **_kernel("6", 1, 8, 16),
        **_dense("output", 16, "classes"),
    }


def _halved(often: int) -> Callable[[Shape], int]:
    """Places of a picture whose sides are halved so often, an odd one with one more."""

    def places(shape: Shape) -> int:
        side = 1 << often
        return -(-shape[0] // side) * -(-shape[1] // side)

    return places


#: Of LeNet's kernels.
_LENET_USES: dict[str, Callable[[Shape], int]] = {
    "conv1.weight": lambda shape: shape[0] * shape[1],
    "conv2.weight": lambda shape: (shape[0] // 2 - 4) * (shape[1] // 2 - 4),
}

#: Numbers in the state of what reads a picture row by row.
STATE = 64


def _recurrent(gates: int) -> dict[str, dict[str, Size]]:
    """Of a layer that reads rows, each with its gates as blocks of "out", and of a dense one."""
    return {
        **_dense("input", lambda shape: shape[1] * shape[2], gates * STATE),
        **_dense("recurrent", STATE, gates * STATE),
        **_dense("output", STATE, "classes"),
    }


#: A row is multiplied with these.
_ROWS = dict.fromkeys(("input.weight", "recurrent.weight"), lambda shape: shape[0])


#: Side of a patch, numbers of one, and numbers in the middle of its perceptron.
PATCH, WIDTH, WIDER = 7, 32, 64


def _patches(shape: Shape) -> int:
    return (shape[0] // PATCH) * (shape[1] // PATCH)


def _layer_norm(name: str) -> dict[str, dict[str, Size]]:
    """The parameters of a layer normalisation."""
    return {f"{name}.{part}": {"out": WIDTH} for part in ("scale", "shift")}


def _attention() -> dict[str, dict[str, Size]]:
    """Of one block; "attention" makes queries, keys and values, blocks of its "out"."""
    return {
        **_dense("patch", lambda shape: PATCH * PATCH * shape[2], WIDTH),
        "position.weight": {"patch": _patches, "out": WIDTH},
        **_layer_norm("norm1"),
        **_dense("attention", WIDTH, 3 * WIDTH),
        **_dense("projection", WIDTH, WIDTH),
        **_layer_norm("norm2"),
        **_dense("dense1", WIDTH, WIDER),
        **_dense("dense2", WIDER, WIDTH),
        **_dense("output", WIDTH, "classes"),
    }


MODELS = {
    model.name: model
    for model in (
        Model(
            "linear",
            _dense("output", "features", 1),
            "squared_error",
            classifies=False,
            epochs=10,
            batch_size=10,
            lr=0.03,
            adam_lr=0.03,
        ),
        Model(
            "softmax",
            _dense("output", "features", "classes"),
            "cross_entropy",
            classifies=True,
            epochs=10,
            batch_size=256,
            lr=0.1,
        ),
        Model(
            "mlp",
            _dense("hidden", "features", "hidden") | _dense("output", "hidden", "classes"),
            "cross_entropy",
            classifies=True,
            epochs=10,
            batch_size=256,
            lr=0.1,
        ),
        Model(
            "lenet",
            _lenet(),
            "cross_entropy",
            classifies=True,
            epochs=10,
            batch_size=256,
            lr=0.9,
            initial="xavier",
            smallest=(12, 12),
            functions=("exp",),
            uses=_LENET_USES,
        ),
        Model(
            "lenet_bn",
            _lenet_bn(),
            "cross_entropy",
            classifies=True,
            epochs=10,
            batch_size=256,
            lr=0.3,
            initial="xavier",
            smallest=(12, 12),
            statistics=_statistics("norm1", "norm2", "norm3", "norm4"),
            functions=("exp",),
            uses=_LENET_USES,
        ),
        Model(
            "resnet",
            _resnet(),
            "cross_entropy",
            classifies=True,
            epochs=10,
            batch_size=256,
            lr=0.1,
            initial="xavier",
            smallest=(4, 4),
            edges=tuple(f"norm{number}.shift" for number in (1, 2, 3, 4, 5)),
            statistics=_statistics(*(f"norm{number}" for number in range(1, 7))),
            uses={
                f"conv{number}.weight": _halved(1 if number < 4 else 2) for number in range(1, 7)
            },
        ),
        Model(
            "gru",
            _recurrent(gates=3),
            "cross_entropy",
            classifies=True,
            epochs=10,
            batch_size=256,
            lr=0.5,
            initial="xavier",
            smallest=(1, 1),
            gates=("reset", "update", "new"),
            functions=("tanh", "exp"),
            uses=_ROWS,
        ),
        Model(
            "lstm",
            _recurrent(gates=4),
            "cross_entropy",
            classifies=True,
            epochs=10,
            batch_size=256,
            lr=0.05,
            initial="xavier",
            smallest=(1, 1),
            gates=("input", "forget", "new", "output"),
            functions=("tanh", "exp"),
            uses=_ROWS,
        ),
        Model(
            "attention",
            _attention(),
            "cross_entropy",
            classifies=True,
            epochs=10,
            batch_size=256,
            lr=0.1,
            initial="xavier",
            smallest=(PATCH, PATCH),
            functions=("exp",),
            uses={
                name: _patches
                for name in _attention()
                if name.endswith(".weight") and name not in ("position.weight", "output.weight")
            }
            | {"position.weight": lambda shape: 0},  # it is added
            # Every query with every key, and every row of weights with the values.
            between=lambda shape: 2 * _patches(shape) ** 2 * WIDTH,
        ),
    )
}


def statistics_of(model: str) -> tuple[str, ...]:
    """Running statistics of a registered model; none of somebody's own."""
    return MODELS[model].statistics if model in MODELS else ()


def file_of(model: str) -> str:
    """The file in which a model's functions stand."""
    return home_of(model)


def files_of(component: str, model: str) -> list[str]:
    """A component's files, without those that hold other models alone."""
    if component != "model":
        return list(FILES[component])
    used = {"model.py", file_of(model), "layers.py"}
    if MODELS[model].statistics:
        used.add("statistics.py")
    return [file for file in FILES[component] if file in used]
