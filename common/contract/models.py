"""The models: what each one's parameters are called, their shapes, and its usual settings.

A new model is one entry in `MODELS` and one function per style in each backend's
`model.py`, called `<name>_scratch` and `<name>_concise`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Model:
    """One model.

    Attributes:
        name: as on the command line, and the prefix of its functions in `model.py`.
        shapes: parameter -> shape, `(in, out)` for weights; the words `features`,
            `hidden` and `outputs` are filled in by `Model.sizes`.
        loss: prefix of its functions in `loss.py`.
        outputs: columns of the logits.
        classifies: whether labels are classes, so that there is an accuracy.
        epochs, batch_size, lr: what a run uses unless told otherwise.
        adam_lr: the same for the optimisers that divide by a gradient's size.
    """

    name: str
    shapes: dict[str, tuple[str, ...]]
    loss: str
    outputs: int
    classifies: bool
    epochs: int
    batch_size: int
    lr: float
    adam_lr: float = 0.001

    def sizes(self, features: int, hidden: int) -> dict[str, tuple[int, ...]]:
        """Parameter -> shape in numbers."""
        size = {"features": features, "hidden": hidden, "outputs": self.outputs}
        return {name: tuple(size[word] for word in shape) for name, shape in self.shapes.items()}


_ONE_LAYER = {"output.weight": ("features", "outputs"), "output.bias": ("outputs",)}
_TWO_LAYERS = {
    "hidden.weight": ("features", "hidden"),
    "hidden.bias": ("hidden",),
    "output.weight": ("hidden", "outputs"),
    "output.bias": ("outputs",),
}

MODELS = {
    model.name: model
    for model in (
        Model(
            "linear",
            _ONE_LAYER,
            "squared_error",
            outputs=1,
            classifies=False,
            epochs=10,
            batch_size=10,
            lr=0.03,
            adam_lr=0.03,
        ),
        Model("softmax", _ONE_LAYER, "cross_entropy", 10, True, epochs=10, batch_size=256, lr=0.1),
        Model("mlp", _TWO_LAYERS, "cross_entropy", 10, True, epochs=10, batch_size=256, lr=0.1),
    )
}
