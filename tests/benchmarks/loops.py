"""Training loops written by hand, as each framework's documentation would write them.

Their steps are those of the listings that `compare.py script` writes; here they go over arrays in
memory, one after another, and every loop keeps each step's loss and correct count, as the
project's own entrants do.

A maker takes a model's name, images (N, 784), or (N, 28, 28, 1) for LeNet, float32, labels (N,)
int32 and initial values in neutral axes, and returns epoch(order) -> losses, counts. Layouts are
the usual ones: pictures (N, C, H, W) in PyTorch and MindSpore, (N, H, W, C) in JAX.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from common.contract.models import MODELS
from common.contract.registry import find
from common.learning.listings import Asked, listing
from tests.listings import nested, set_layers

BATCH = 256

Values = dict[str, np.ndarray]
Epoch = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def listed(backend: str, model: str) -> ModuleType:
    """A listing as a module, of a file: MindSpore's compiler reads it."""
    info = find()[backend].info
    found = listing(find()[backend], info.styles[-1], Asked(model, batch_size=BATCH))
    folder = Path(tempfile.mkdtemp(prefix="compare-listing-"))
    (folder / found.name).write_text(found.code, encoding="utf-8")
    sys.path.insert(0, str(folder))
    try:
        return import_module(found.name.removesuffix(".py"))
    finally:
        sys.path.remove(str(folder))


def channels_first(images: np.ndarray) -> np.ndarray:
    """(N, H, W, C) as (N, C, H, W); rows of numbers as they are."""
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)) if images.ndim == 4 else images


def numpy_eager(model: str, images: np.ndarray, labels: np.ndarray, values: Values) -> Epoch:
    """NumPy."""
    code, params = listed("numpy", model), [value.copy() for value in values.values()]

    def epoch(order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        losses, counts = [], []
        for start in range(0, len(order), BATCH):
            index = order[start : start + BATCH]
            loss, count = code.train_step(params, images[index], labels[index])
            losses.append(loss)
            counts.append(count)
        return np.array(losses), np.array(counts)

    return epoch


def torch_eager(model: str, images: np.ndarray, labels: np.ndarray, values: Values) -> Epoch:
    """PyTorch: layers, cross_entropy, optim.SGD."""
    import torch

    code = listed("torch", model)
    held = torch.tensor(channels_first(images))
    classes = torch.tensor(labels.astype(np.int64))
    net = set_layers(code.make_net(), values)
    optimizer = torch.optim.SGD(net.parameters(), lr=code.LR)

    def epoch(order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        losses, counts = [], []
        for index in torch.from_numpy(order.astype(np.int64)).split(BATCH):
            loss, count = code.train_step(net, optimizer, held[index], classes[index])
            losses.append(loss)
            counts.append(count)
        return torch.stack(losses).numpy(), torch.stack(counts).numpy()

    return epoch


def _jax_parts(model: str, values: Values) -> Any:
    """What JAX's loops begin with, and its step, which `jax.jit` compiles."""
    import jax

    code = listed("jax", model)
    params = jax.tree.map(jax.numpy.array, nested(values))
    return code.TrainState(params, code.optimizer.init(params)), code.train_step


def jax_jit(model: str, images: np.ndarray, labels: np.ndarray, values: Values) -> Epoch:
    """JAX and optax: one jitted step, data on the device."""
    import jax
    import jax.numpy as jnp

    held, classes = jnp.array(images), jnp.array(labels)
    state, step = _jax_parts(model, values)
    carry = [state]

    @jax.jit
    def gather_and_step(state: Any, index: Any) -> Any:
        return step(state, held[index], classes[index])

    def epoch(order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        losses, counts = [], []
        state = carry[0]
        for start in range(0, len(order), BATCH):
            state, loss, count = gather_and_step(state, order[start : start + BATCH])
            losses.append(loss)
            counts.append(count)
        carry[0] = jax.block_until_ready(state)
        return np.array(jax.device_get(losses)), np.array(jax.device_get(counts))

    return epoch


def _mindspore_parts(model: str, values: Values) -> Any:
    """Network and step of MindSpore's loops."""
    from mindspore import nn

    code = listed("mindspore", model)
    net = set_layers(code.make_net(), values)
    optimizer = nn.SGD(net.trainable_params(), learning_rate=code.LR)
    return net, code.make_step(net, optimizer)


def mindspore_jit(model: str, images: np.ndarray, labels: np.ndarray, values: Values) -> Epoch:
    """MindSpore: layers, nn.CrossEntropyLoss, nn.SGD, one jitted step."""
    return _mindspore_epoch(model, images, labels, values, compiled=True)


def mindspore_eager(model: str, images: np.ndarray, labels: np.ndarray, values: Values) -> Epoch:
    """MindSpore: the same in PyNative."""
    return _mindspore_epoch(model, images, labels, values, compiled=False)


def _mindspore_epoch(
    model: str, images: np.ndarray, labels: np.ndarray, values: Values, *, compiled: bool
) -> Epoch:
    import mindspore
    from mindspore import Tensor

    net, step = _mindspore_parts(model, values)
    held = channels_first(images)
    if compiled:
        step = mindspore.jit(step)

    def epoch(order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        losses, counts = [], []
        for start in range(0, len(order), BATCH):
            index = order[start : start + BATCH]
            loss, count = step(Tensor(held[index]), Tensor(labels[index]))
            losses.append(loss)
            counts.append(count)
        net.trainable_params()[0].asnumpy()
        return np.array([x.asnumpy() for x in losses]), np.array([c.asnumpy() for c in counts])

    return epoch


def torch_jit(model: str, images: np.ndarray, labels: np.ndarray, values: Values) -> Epoch:
    """PyTorch: torch.compile of the loss, eager optimiser, as its tutorials do."""
    import torch
    from torch.nn import functional

    held, classes = torch.tensor(images), torch.tensor(labels.astype(np.int64))
    net = set_layers(listed("torch", model).make_net(), values)
    optimizer = torch.optim.SGD(net.parameters(), lr=MODELS[model].lr)

    @torch.compile
    def objective(x: Any, y: Any) -> Any:
        logits = net(x)
        return functional.cross_entropy(logits, y), (logits.argmax(dim=1) == y).sum()

    def epoch(order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        losses, counts = [], []
        for index in torch.from_numpy(order.astype(np.int64)).split(BATCH):
            loss, count = objective(held[index], classes[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
            counts.append(count)
        return torch.stack(losses).numpy(), torch.stack(counts).numpy()

    return epoch


def torch_fused(model: str, images: np.ndarray, labels: np.ndarray, values: Values) -> Epoch:
    """PyTorch: six steps in functional form in one compiled call."""
    import torch
    from torch.nn import functional

    held, classes = torch.tensor(images), torch.tensor(labels.astype(np.int64))
    weight, lr = values["output.weight"], MODELS[model].lr
    params = {"w": torch.tensor(weight.T.copy()), "b": torch.zeros(10)}

    def objective(params: Any, x: Any, y: Any) -> Any:
        logits = functional.linear(x, params["w"], params["b"])
        return functional.cross_entropy(logits, y), logits

    def step(params: Any, held: Any, classes: Any, index: Any) -> Any:
        x, y = held[index], classes[index]
        differentiate = torch.func.grad_and_value(objective, has_aux=True)
        grads, (loss, logits) = differentiate(params, x, y)
        params = {name: value - lr * grads[name] for name, value in params.items()}
        return params, loss, (logits.argmax(dim=1) == y).sum()

    @torch.compile(fullgraph=True, dynamic=False)
    def several(params: Any, held: Any, classes: Any, rows: Any) -> Any:
        losses, counts = [], []
        for index in rows.unbind():
            params, loss, count = step(params, held, classes, index)
            losses.append(loss)
            counts.append(count)
        return params, torch.stack(losses), torch.stack(counts)

    single = torch.compile(step, fullgraph=True, dynamic=False)

    def epoch(order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        nonlocal params
        losses, counts = [], []
        positions = torch.from_numpy(order.astype(np.int64))
        full = len(order) - len(order) % (6 * BATCH)
        for rows in positions[:full].view(-1, 6, BATCH):
            params, loss, count = several(params, held, classes, rows)
            losses.append(loss)
            counts.append(count)
        for index in positions[full:].split(BATCH):
            params, loss, count = single(params, held, classes, index)
            losses.append(loss[None])
            counts.append(count[None])
        return torch.cat(losses).numpy(), torch.cat(counts).numpy()

    return epoch


def jax_eager(model: str, images: np.ndarray, labels: np.ndarray, values: Values) -> Epoch:
    """JAX and optax, op by op."""
    import jax
    import jax.numpy as jnp

    held, classes = jnp.array(images), jnp.array(labels)
    state, step = _jax_parts(model, values)
    carry, one = [state], step.__wrapped__

    def epoch(order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        losses, counts = [], []
        state = carry[0]
        for start in range(0, len(order), BATCH):
            index = order[start : start + BATCH]
            state, loss, count = one(state, held[index], classes[index])
            losses.append(loss)
            counts.append(count)
        carry[0] = jax.block_until_ready(state)
        return np.array(jax.device_get(losses)), np.array(jax.device_get(counts))

    return epoch


def jax_fused(model: str, images: np.ndarray, labels: np.ndarray, values: Values) -> Epoch:
    """JAX and optax: lax.scan over an epoch."""
    import jax
    import jax.numpy as jnp

    held, classes = jnp.array(images), jnp.array(labels)
    state, step = _jax_parts(model, values)
    carry = [state]

    def body(state: Any, index: Any) -> Any:
        state, loss, count = step(state, held[index], classes[index])
        return state, (loss, count)

    scan = jax.jit(lambda state, rows: jax.lax.scan(body, state, rows))
    single = jax.jit(body)

    def epoch(order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        full = len(order) - len(order) % BATCH
        state, (losses, counts) = scan(carry[0], order[:full].reshape(-1, BATCH))
        state, (loss, count) = single(state, order[full:])
        carry[0] = jax.block_until_ready(state)
        return np.append(losses, loss), np.append(counts, count)

    return epoch


def mindspore_fused(model: str, images: np.ndarray, labels: np.ndarray, values: Values) -> Epoch:
    """MindSpore: six steps in one jitted call, data on the device."""
    import mindspore
    from mindspore import Tensor, ops

    net, step = _mindspore_parts(model, values)
    held, classes = Tensor(images), Tensor(labels)

    @mindspore.jit
    def several(rows: Any) -> Any:
        losses, counts = [], []
        for k in range(6):
            loss, count = step(ops.gather(held, rows[k], 0), ops.gather(classes, rows[k], 0))
            losses.append(loss)
            counts.append(count)
        return ops.stack(losses), ops.stack(counts)

    @mindspore.jit
    def single(index: Any) -> Any:
        return step(ops.gather(held, index, 0), ops.gather(classes, index, 0))

    def epoch(order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        full = len(order) - len(order) % (6 * BATCH)
        found = [several(Tensor(rows)) for rows in order[:full].reshape(-1, 6, BATCH)]
        for start in range(full, len(order), BATCH):
            found.append(single(Tensor(order[start : start + BATCH])))
        net.trainable_params()[0].asnumpy()
        losses, counts = ([np.atleast_1d(one[k].asnumpy()) for one in found] for k in (0, 1))
        return np.concatenate(losses), np.concatenate(counts)

    return epoch


def keras_fit(model: str, images: np.ndarray, labels: np.ndarray, values: Values) -> Epoch:
    """Keras 3, `model.fit`, on the framework that KERAS_BACKEND names; its own order."""
    import keras

    model = keras.Sequential([keras.layers.Input((784,)), keras.layers.Dense(10)])
    model.layers[0].set_weights(list(values.values()))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(MODELS[model].lr), loss, metrics=["accuracy"])

    def epoch(order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        history = model.fit(images, labels, batch_size=BATCH, verbose=0).history
        return np.array(history["loss"]), np.array(history["accuracy"])

    return epoch


#: model -> (backend, mode) -> what makes its loop.
LOOPS: dict[str, dict[tuple[str, str], Callable[..., Epoch]]] = {}
LOOPS["softmax"] = {
    ("numpy", "eager"): numpy_eager,
    ("torch", "eager"): torch_eager,
    ("torch", "jit"): torch_jit,
    ("torch", "fused"): torch_fused,
    ("jax", "eager"): jax_eager,
    ("jax", "jit"): jax_jit,
    ("jax", "fused"): jax_fused,
    ("mindspore", "eager"): mindspore_eager,
    ("mindspore", "jit"): mindspore_jit,
    ("mindspore", "fused"): mindspore_fused,
}
LOOPS["lenet"] = {
    ("torch", "eager"): torch_eager,
    ("jax", "jit"): jax_jit,
    ("mindspore", "jit"): mindspore_jit,
}
