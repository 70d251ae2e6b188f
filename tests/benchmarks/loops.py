"""Training loops written by hand, as each framework's documentation would write them.

Softmax regression on arrays in memory, one step after another; every loop keeps each step's
loss and correct count, as the project's own entrants do. Nothing here uses the project.

A maker takes images (N, 784) float32, labels (N,) int32 and initial weights (784, 10), and
returns epoch(order) -> losses, counts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

BATCH = 256
LR = 0.1

Epoch = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def numpy_eager(images: np.ndarray, labels: np.ndarray, weight: np.ndarray) -> Epoch:
    """NumPy."""
    w, b = weight.copy(), np.zeros(10, np.float32)

    def epoch(order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        losses, counts = [], []
        for start in range(0, len(order), BATCH):
            index = order[start : start + BATCH]
            x, y = images[index], labels[index]
            logits = x @ w + b
            exps = np.exp(logits - logits.max(axis=1, keepdims=True))
            chances = exps / exps.sum(axis=1, keepdims=True)
            rows = np.arange(len(y))
            losses.append(-np.log(chances[rows, y]).mean())
            counts.append((logits.argmax(axis=1) == y).sum())
            chances[rows, y] -= 1
            chances /= len(y)
            w[...] -= LR * (x.T @ chances)
            b[...] -= LR * chances.sum(axis=0)
        return np.array(losses), np.array(counts)

    return epoch


def torch_eager(images: np.ndarray, labels: np.ndarray, weight: np.ndarray) -> Epoch:
    """PyTorch: nn.Linear, cross_entropy, optim.SGD."""
    import torch
    from torch.nn import functional

    held, classes = torch.tensor(images), torch.tensor(labels.astype(np.int64))
    net = torch.nn.Linear(784, 10)
    with torch.no_grad():
        net.weight.copy_(torch.tensor(weight.T.copy()))
        net.bias.zero_()
    optimizer = torch.optim.SGD(net.parameters(), lr=LR)

    def epoch(order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        losses, counts = [], []
        for index in torch.from_numpy(order.astype(np.int64)).split(BATCH):
            x, y = held[index], classes[index]
            logits = net(x)
            loss = functional.cross_entropy(logits, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
            counts.append((logits.argmax(dim=1) == y).sum())
        return torch.stack(losses).numpy(), torch.stack(counts).numpy()

    return epoch


def jax_jit(images: np.ndarray, labels: np.ndarray, weight: np.ndarray) -> Epoch:
    """JAX and optax: one jitted step, data on the device."""
    import jax
    import jax.numpy as jnp
    import optax

    held, classes = jnp.array(images), jnp.array(labels)
    optimizer = optax.sgd(LR)
    params = {"w": jnp.array(weight), "b": jnp.zeros(10)}
    carry: list[Any] = [params, optimizer.init(params)]

    def objective(params: Any, x: Any, y: Any) -> Any:
        logits = x @ params["w"] + params["b"]
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, y)
        return losses.mean(), logits

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


def mindspore_jit(images: np.ndarray, labels: np.ndarray, weight: np.ndarray) -> Epoch:
    """MindSpore: nn.Dense, nn.CrossEntropyLoss, nn.SGD, one jitted step."""
    import mindspore
    from mindspore import Tensor, nn

    net = nn.Dense(784, 10, weight_init=Tensor(weight.T.copy()), bias_init="zeros")
    loss_function = nn.CrossEntropyLoss()
    optimizer = nn.SGD(net.trainable_params(), learning_rate=LR)

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
            loss, count = step(Tensor(images[index]), Tensor(labels[index]))
            losses.append(loss)
            counts.append(count)
        net.weight.asnumpy()
        return np.array([x.asnumpy() for x in losses]), np.array([c.asnumpy() for c in counts])

    return epoch


LOOPS = {
    ("numpy", "eager"): numpy_eager,
    ("torch", "eager"): torch_eager,
    ("jax", "jit"): jax_jit,
    ("mindspore", "jit"): mindspore_jit,
}
