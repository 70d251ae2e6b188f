"""Loops by hand for LeNet, as each framework's documentation would write them; see `loops.py`.

A maker takes images (N, 28, 28, 1) float32, labels (N,) int32 and initial values in neutral axes
(a kernel's are height, width, in, out; those of the first dense layer rows, columns, in, out),
and returns epoch(order) -> losses, counts. Layouts are the usual ones: (N, C, H, W) in PyTorch and
MindSpore, (N, H, W, C) in JAX.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.benchmarks.loops import BATCH, Epoch, torch_epoch

LR = 0.9

DENSE = ("dense1", "dense2", "output")


def _channels_first(values: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Weights and biases in order: (out, in, height, width), (out, in)."""
    found = []
    for name, value in values.items():
        if value.ndim == 4 and name.startswith("dense"):
            value = value.transpose(2, 0, 1, 3).reshape(-1, value.shape[-1])
        axes = (3, 2, 0, 1) if value.ndim == 4 else range(value.ndim)[::-1]
        found.append(np.ascontiguousarray(value.transpose(axes)))
    return found


def torch_eager(images: np.ndarray, labels: np.ndarray, values: dict[str, np.ndarray]) -> Epoch:
    """PyTorch: nn.Sequential, cross_entropy, optim.SGD."""
    import torch
    from torch import nn

    held = torch.tensor(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    net = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.Sigmoid(), nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5), nn.Sigmoid(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.Sigmoid(), nn.Linear(120, 84), nn.Sigmoid(), nn.Linear(84, 10),
    )  # fmt: skip
    with torch.no_grad():
        for param, value in zip(net.parameters(), _channels_first(values), strict=True):
            param.copy_(torch.tensor(value))
    return torch_epoch(net, LR, held, labels)


def jax_jit(images: np.ndarray, labels: np.ndarray, values: dict[str, np.ndarray]) -> Epoch:
    """JAX and optax: one jitted step, data on the device."""
    import jax
    import jax.numpy as jnp
    import optax
    from jax import lax

    held, classes = jnp.array(images), jnp.array(labels)
    params = {name: jnp.array(value) for name, value in values.items()}
    first = params["dense1.weight"]
    params["dense1.weight"] = first.reshape(-1, first.shape[-1])
    optimizer = optax.sgd(LR)
    carry: list[Any] = [params, optimizer.init(params)]

    def convolution(params: Any, name: str, x: Any, padding: str) -> Any:
        axes = ("NHWC", "HWIO", "NHWC")
        x = lax.conv_general_dilated(
            x, params[f"{name}.weight"], (1, 1), padding, dimension_numbers=axes
        )
        return jax.nn.sigmoid(x + params[f"{name}.bias"])

    def pooled(x: Any) -> Any:
        window = (1, 2, 2, 1)
        return lax.reduce_window(x, 0.0, lax.add, window, window, "VALID") / 4

    def objective(params: Any, x: Any, y: Any) -> Any:
        x = pooled(convolution(params, "conv1", x, "SAME"))
        x = pooled(convolution(params, "conv2", x, "VALID")).reshape(len(x), -1)
        for name in DENSE:
            x = x @ params[f"{name}.weight"] + params[f"{name}.bias"]
            x = x if name == "output" else jax.nn.sigmoid(x)
        losses = optax.softmax_cross_entropy_with_integer_labels(x, y)
        return losses.mean(), x

    @jax.jit
    def step(params: Any, state: Any, index: Any) -> Any:
        x, y = held[index], classes[index]
        (loss, logits), grads = jax.value_and_grad(objective, has_aux=True)(params, x, y)
        updates, state = optimizer.update(grads, state)
        count = (logits.argmax(axis=1) == y).sum()
        return optax.apply_updates(params, updates), state, loss, count

    def epoch(order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        losses, counts = [], []
        params, state = carry
        for start in range(0, len(order), BATCH):
            params, state, loss, count = step(params, state, order[start : start + BATCH])
            losses.append(loss)
            counts.append(count)
        carry[:] = jax.block_until_ready((params, state))
        return np.array(jax.device_get(losses)), np.array(jax.device_get(counts))

    return epoch


def mindspore_jit(images: np.ndarray, labels: np.ndarray, values: dict[str, np.ndarray]) -> Epoch:
    """MindSpore: nn.SequentialCell, nn.CrossEntropyLoss, nn.SGD, one jitted step."""
    import mindspore
    from mindspore import Tensor, nn

    net = nn.SequentialCell(
        nn.Conv2d(1, 6, 5, pad_mode="pad", padding=2, has_bias=True), nn.Sigmoid(),
        nn.AvgPool2d(2, 2), nn.Conv2d(6, 16, 5, pad_mode="valid", has_bias=True), nn.Sigmoid(),
        nn.AvgPool2d(2, 2), nn.Flatten(), nn.Dense(400, 120), nn.Sigmoid(), nn.Dense(120, 84),
        nn.Sigmoid(), nn.Dense(84, 10),
    )  # fmt: skip
    for param, value in zip(net.trainable_params(), _channels_first(values), strict=True):
        param.set_data(Tensor(value))
    loss_function = nn.CrossEntropyLoss()
    optimizer = nn.SGD(net.trainable_params(), learning_rate=LR)
    pictures = np.ascontiguousarray(images.transpose(0, 3, 1, 2))

    def objective(x: Any, y: Any) -> Any:
        logits = net(x)
        return loss_function(logits, y), logits

    differentiate = mindspore.value_and_grad(objective, None, optimizer.parameters, has_aux=True)

    @mindspore.jit
    def step(x: Any, y: Any) -> Any:
        (loss, logits), grads = differentiate(x, y)
        optimizer(grads)
        return loss, (logits.argmax(axis=1) == y).astype(mindspore.int32).sum()

    def epoch(order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        losses, counts = [], []
        for start in range(0, len(order), BATCH):
            index = order[start : start + BATCH]
            loss, count = step(Tensor(pictures[index]), Tensor(labels[index]))
            losses.append(loss)
            counts.append(count)
        net[0].weight.asnumpy()
        return np.array([x.asnumpy() for x in losses]), np.array([c.asnumpy() for c in counts])

    return epoch


LOOPS = {
    ("torch", "eager"): torch_eager,
    ("jax", "jit"): jax_jit,
    ("mindspore", "jit"): mindspore_jit,
}
