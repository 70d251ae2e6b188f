"""A listing run from given weights in a given order, in a process of its own.

    python listings.py LISTING initial.npz order.npy losses.npy [data.npz] -- ARGUMENTS

What a listing draws by itself is put in its place: the initial values, the order of every epoch,
and the data of linear regression. All else is as it is when somebody runs the file; each step's
loss is kept. Imports nothing of the project, so that it can be copied into an empty folder.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

Values = dict[str, np.ndarray]


def channels_first(values: Values) -> list[np.ndarray]:
    """Weights and biases in order: (out, in, height, width), (out, in)."""
    found = []
    for name, value in values.items():
        if value.ndim == 4 and name.startswith("dense"):
            value = value.transpose(2, 0, 1, 3).reshape(-1, value.shape[-1])
        axes = (3, 2, 0, 1) if value.ndim == 4 else range(value.ndim)[::-1]
        found.append(np.ascontiguousarray(value.transpose(axes)))
    return found


def nested(values: Values) -> dict[str, dict[str, np.ndarray]]:
    """Layer -> {"w", "b"}; a layer that takes a flattened picture has (in, out)."""
    found: dict[str, dict[str, np.ndarray]] = {}
    for name, value in values.items():
        layer, _, part = name.rpartition(".")
        if value.ndim == 4 and layer.startswith("dense"):
            value = value.reshape(-1, value.shape[-1])
        found.setdefault(layer, {})[part[0]] = value
    return found


def set_layers(net: Any, values: Values) -> Any:
    """Give a network of layers its values, whichever framework's it is."""
    arrays = channels_first(values)
    if hasattr(net, "trainable_params"):
        from mindspore import Tensor

        for param, array in zip(net.trainable_params(), arrays, strict=True):
            param.set_data(Tensor(array))
        return net
    import torch

    with torch.no_grad():
        for param, array in zip(net.parameters(), arrays, strict=True):
            param.copy_(torch.from_numpy(array))
    return net


def set_params(params: Any, values: Values) -> Any:
    """The same of a list of arrays, or of a dict of layers."""
    if isinstance(params, dict):
        import jax

        return jax.tree.map(jax.numpy.asarray, nested(values))
    kind, arrays = type(params[0]), list(values.values())
    if kind.__module__.startswith("torch"):
        import torch

        return [torch.from_numpy(array).requires_grad_() for array in arrays]
    if kind.__module__.startswith("jax"):
        import jax.numpy as jnp

        return [jnp.asarray(array) for array in arrays]
    if hasattr(params[0], "set_data"):  # of MindSpore's
        from mindspore import Tensor

        for param, array in zip(params, arrays, strict=True):
            param.set_data(Tensor(array))
        return params
    return [array.copy() for array in arrays]


class Given:
    """A generator of NumPy's whose permutations are given."""

    def __init__(self, orders: list[np.ndarray]) -> None:
        self._draw, self._orders = np.random.default_rng(0), iter(orders)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._draw, name)

    def permutation(self, examples: int) -> np.ndarray:
        """The next order."""
        return next(self._orders)


def give_order(module: dict[str, Any], orders: list[np.ndarray]) -> None:
    """Have whoever shuffles take these orders."""
    draw, given = np.random.default_rng, Given(orders)
    np.random.default_rng = lambda seed=None: draw(seed) if seed is None else given
    if "DataLoader" in module:
        from torch.utils.data import RandomSampler

        epochs = iter(orders)
        RandomSampler.__iter__ = lambda self: iter(next(epochs).tolist())
    if "NumpySlicesDataset" in module:
        from mindspore import dataset

        class Order(dataset.Sampler):
            """Hands out the order of the epoch: it is asked for more than once."""

            order = orders[0]

            def __iter__(self) -> Any:
                return iter(self.order.tolist())

        real, sampler, epochs = module["NumpySlicesDataset"], Order(), iter(orders)

        def ordered(examples: Any, shuffle: bool) -> Any:
            assert shuffle
            data = real(examples, sampler=sampler)
            batch = data.batch

            def batched(size: int) -> Any:
                batches = batch(size)
                create = batches.create_tuple_iterator

                def iterate(**how: Any) -> Any:
                    sampler.order = next(epochs)
                    return create(**how)

                batches.create_tuple_iterator = iterate
                return batches

            data.batch = batched
            return data

        module["NumpySlicesDataset"] = ordered


def keep_losses(step: Any, kept: list[float]) -> Any:
    """A step that keeps each loss: the first scalar that it returns."""

    def kept_step(*arguments: Any) -> Any:
        found = step(*arguments)
        parts = found if isinstance(found, tuple) else (found,)
        kept.append(float(next(p for p in parts if getattr(p, "shape", 0) == ())))
        return found

    return kept_step


def replayed(module: dict[str, Any], values: Values, orders: list[np.ndarray]) -> list[float]:
    """Have a listing that was read run its `main`; the loss of every step."""
    losses: list[float] = []
    give_order(module, orders)
    for name, put in (("make_net", set_layers), ("make_params", set_params)):
        if name in module:
            make = module[name]
            module[name] = lambda *given, make=make, put=put: put(make(*given), values)
    if "make_step" in module:
        jit = module["mindspore"].jit
        module["mindspore"].jit = lambda step: keep_losses(jit(step), losses)
    else:
        module["train_step"] = keep_losses(module["train_step"], losses)
    module["main"]()
    return losses


def main() -> None:
    """Run what is named."""
    listing, initial, order, losses, *more = sys.argv[1 : sys.argv.index("--")]
    sys.argv = [listing, *sys.argv[sys.argv.index("--") + 1 :]]
    sys.path.insert(0, str(Path(listing).resolve().parent))
    module = vars(import_module(Path(listing).stem))
    if more:
        with np.load(more[0]) as data:
            x, y = data["x"], data["y"]
        module["synthetic_data"] = lambda: (x, y)
    with np.load(initial) as found:
        values = dict(found)
    np.save(losses, replayed(module, values, list(np.load(order))))


if __name__ == "__main__":
    main()
