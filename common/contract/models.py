"""The models: their parameters, whose axes have names and sizes, and their usual settings.

A new model is one entry in `MODELS` and one function per style in each backend's
`model.py`, called `<name>_scratch` and `<name>_concise`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # it brings NumPy, without which `list` and `show` answer
    from common.contract.axes import Names


@dataclass(frozen=True)
class Model:
    """One model.

    Attributes:
        name: as on the command line, and the prefix of its functions in `model.py`.
        parameters: parameter -> axis -> size, in the neutral order: a weight has "in" and "out",
            a convolution's "height", "width", "in" and "out", a bias "out". A size is a number
            or a word: `features` (numbers in one example), `hidden` or `classes`.
        loss: prefix of its functions in `loss.py`.
        classifies: whether labels are classes, so that there is an accuracy.
        epochs, batch_size, lr: what a run uses unless told otherwise.
        adam_lr: the same for the optimisers that divide by a gradient's size.
    """

    name: str
    parameters: dict[str, dict[str, str | int]]
    loss: str
    classifies: bool
    epochs: int
    batch_size: int
    lr: float
    adam_lr: float = 0.001

    @property
    def axes(self) -> dict[str, Names]:
        """Parameter -> its axes' names, in the neutral order."""
        return {name: tuple(sizes) for name, sizes in self.parameters.items()}

    def sizes(self, features: int, hidden: int, classes: int) -> dict[str, tuple[int, ...]]:
        """Parameter -> shape in numbers, in the neutral order."""
        words = {"features": features, "hidden": hidden, "classes": classes}
        return {
            name: tuple(words[size] if isinstance(size, str) else size for size in sizes.values())
            for name, sizes in self.parameters.items()
        }


def _dense(name: str, inputs: str, outputs: str | int) -> dict[str, dict[str, str | int]]:
    """The parameters of a dense layer."""
    return {f"{name}.weight": {"in": inputs, "out": outputs}, f"{name}.bias": {"out": outputs}}


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
    )
}
