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


def torch_epoch(net: Any, lr: float, held: Any, labels: np.ndarray) -> Epoch:
    """The usual loop of PyTorch's over a network and its inputs: cross_entropy, optim.SGD."""
    import torch
    from torch.nn import functional

    classes = torch.tensor(labels.astype(np.int64))
    optimizer = torch.optim.SGD(net.parameters(), lr=lr)

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


def torch_eager(images: np.ndarray, labels: np.ndarray, weight: np.ndarray) -> Epoch:
    """PyTorch: nn.Linear, cross_entropy, optim.SGD."""
    import torch

    held = torch.tensor(images)
    net = torch.nn.Linear(784, 10)
    with torch.no_grad():
        net.weight.copy_(torch.tensor(weight.T.copy()))
        net.bias.zero_()
    return torch_epoch(net, LR, held, labels)


def _jax_parts() -> Any:
    """The objective and optimiser of JAX's loops."""
    import jax
    import optax

    optimizer = optax.sgd(LR)

    def objective(params: Any, x: Any, y: Any) -> Any:
        logits = x @ params["w"] + params["b"]
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, y)
        return losses.mean(), logits

    def step(params: Any, state: Any, x: Any, y: Any) -> Any:
        (loss, logits), grads = jax.value_and_grad(objective, has_aux=True)(params, x, y)
        updates, state = optimizer.update(grads, state)
        count = (logits.argmax(axis=1) == y).sum()
        return optax.apply_updates(params, updates), state, loss, count

    return optimizer, step


def jax_jit(images: np.ndarray, labels: np.ndarray, weight: np.ndarray) -> Epoch:
    """JAX and optax: one jitted step, data on the device."""
    import jax
    import jax.numpy as jnp

    held, classes = jnp.array(images), jnp.array(labels)
    optimizer, step = _jax_parts()
    params = {"w": jnp.array(weight), "b": jnp.zeros(10)}
    carry: list[Any] = [params, optimizer.init(params)]

    @jax.jit
    def gather_and_step(params: Any, state: Any, index: Any) -> Any:
        return step(params, state, held[index], classes[index])

    def epoch(order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        losses, counts = [], []
        params, state = carry
        for start in range(0, len(order), BATCH):
            index = order[start : start + BATCH]
            params, state, loss, count = gather_and_step(params, state, index)
            losses.append(loss)
            counts.append(count)
        carry[:] = jax.block_until_ready((params, state))
        return np.array(jax.device_get(losses)), np.array(jax.device_get(counts))

    return epoch


def _mindspore_parts(weight: np.ndarray) -> Any:
    """Network and step of MindSpore's loops."""
    import mindspore
    from mindspore import Tensor, nn

    net = nn.Dense(784, 10, weight_init=Tensor(weight.T.copy()), bias_init="zeros")
    loss_function = nn.CrossEntropyLoss()
    optimizer = nn.SGD(net.trainable_params(), learning_rate=LR)

    def objective(x: Any, y: Any) -> Any:
        logits = net(x)
        return loss_function(logits, y), logits

    differentiate = mindspore.value_and_grad(objective, None, optimizer.parameters, has_aux=True)

    def step(x: Any, y: Any) -> Any:
        (loss, logits), grads = differentiate(x, y)
        optimizer(grads)
        return loss, (logits.argmax(axis=1) == y).astype(mindspore.int32).sum()

    return net, step


def mindspore_jit(images: np.ndarray, labels: np.ndarray, weight: np.ndarray) -> Epoch:
    """MindSpore: nn.Dense, nn.CrossEntropyLoss, nn.SGD, one jitted step."""
    return _mindspore_epoch(images, labels, weight, compiled=True)


def mindspore_eager(images: np.ndarray, labels: np.ndarray, weight: np.ndarray) -> Epoch:
    """MindSpore: the same in PyNative."""
    return _mindspore_epoch(images, labels, weight, compiled=False)


def _mindspore_epoch(
    images: np.ndarray, labels: np.ndarray, weight: np.ndarray, *, compiled: bool
) -> Epoch:
    import mindspore
    from mindspore import Tensor

    net, step = _mindspore_parts(weight)
    if compiled:
        step = mindspore.jit(step)

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


def torch_jit(images: np.ndarray, labels: np.ndarray, weight: np.ndarray) -> Epoch:
    """PyTorch: torch.compile of the loss, eager optimiser, as its tutorials do."""
    import torch
    from torch.nn import functional

    held, classes = torch.tensor(images), torch.tensor(labels.astype(np.int64))
    net = torch.nn.Linear(784, 10)
    with torch.no_grad():
        net.weight.copy_(torch.tensor(weight.T.copy()))
        net.bias.zero_()
    optimizer = torch.optim.SGD(net.parameters(), lr=LR)

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


def torch_fused(images: np.ndarray, labels: np.ndarray, weight: np.ndarray) -> Epoch:
    """PyTorch: six steps in functional form in one compiled call."""
    import torch
    from torch.nn import functional

    held, classes = torch.tensor(images), torch.tensor(labels.astype(np.int64))
    params = {"w": torch.tensor(weight.T.copy()), "b": torch.zeros(10)}

    def objective(params: Any, x: Any, y: Any) -> Any:
        logits = functional.linear(x, params["w"], params["b"])
        return functional.cross_entropy(logits, y), logits

    def step(params: Any, held: Any, classes: Any, index: Any) -> Any:
        x, y = held[index], classes[index]
        differentiate = torch.func.grad_and_value(objective, has_aux=True)
        grads, (loss, logits) = differentiate(params, x, y)
        params = {name: value - LR * grads[name] for name, value in params.items()}
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


def jax_eager(images: np.ndarray, labels: np.ndarray, weight: np.ndarray) -> Epoch:
    """JAX and optax, op by op."""
    import jax
    import jax.numpy as jnp

    held, classes = jnp.array(images), jnp.array(labels)
    optimizer, step = _jax_parts()
    params = {"w": jnp.array(weight), "b": jnp.zeros(10)}
    carry: list[Any] = [params, optimizer.init(params)]

    def epoch(order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        losses, counts = [], []
        params, state = carry
        for start in range(0, len(order), BATCH):
            index = order[start : start + BATCH]
            params, state, loss, count = step(params, state, held[index], classes[index])
            losses.append(loss)
            counts.append(count)
        carry[:] = jax.block_until_ready((params, state))
        return np.array(jax.device_get(losses)), np.array(jax.device_get(counts))

    return epoch


def jax_fused(images: np.ndarray, labels: np.ndarray, weight: np.ndarray) -> Epoch:
    """JAX and optax: lax.scan over an epoch."""
    import jax
    import jax.numpy as jnp

    held, classes = jnp.array(images), jnp.array(labels)
    optimizer, step = _jax_parts()
    params = {"w": jnp.array(weight), "b": jnp.zeros(10)}
    carry: list[Any] = [params, optimizer.init(params)]

    def body(carry: Any, index: Any) -> Any:
        params, state, loss, count = step(*carry, held[index], classes[index])
        return (params, state), (loss, count)

    scan = jax.jit(lambda carry, rows: jax.lax.scan(body, carry, rows))
    single = jax.jit(body)

    def epoch(order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        full = len(order) - len(order) % BATCH
        state, (losses, counts) = scan(tuple(carry), order[:full].reshape(-1, BATCH))
        state, (loss, count) = single(state, order[full:])
        carry[:] = jax.block_until_ready(state)
        return np.append(losses, loss), np.append(counts, count)

    return epoch


def mindspore_fused(images: np.ndarray, labels: np.ndarray, weight: np.ndarray) -> Epoch:
    """MindSpore: six steps in one jitted call, data on the device."""
    import mindspore
    from mindspore import Tensor, ops

    net, step = _mindspore_parts(weight)
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
        net.weight.asnumpy()
        losses, counts = ([np.atleast_1d(one[k].asnumpy()) for one in found] for k in (0, 1))
        return np.concatenate(losses), np.concatenate(counts)

    return epoch


def keras_fit(images: np.ndarray, labels: np.ndarray, weight: np.ndarray) -> Epoch:
    """Keras 3, `model.fit`, on the framework that KERAS_BACKEND names; its own order."""
    import keras

    model = keras.Sequential([keras.layers.Input((784,)), keras.layers.Dense(10)])
    model.layers[0].set_weights([weight, np.zeros(10, np.float32)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(LR), loss, metrics=["accuracy"])

    def epoch(order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        history = model.fit(images, labels, batch_size=BATCH, verbose=0).history
        return np.array(history["loss"]), np.array(history["accuracy"])

    return epoch


LOOPS = {
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
