"""A mean loss, and an update that divides by the batch size again: steps 70 times too short.

An update made for a summed loss is used with a mean one: the learning rate is divided by the batch
size, here 70. Nothing fails; twenty steps lower the loss from 3.9 to 3.4, not to 0.0004.
"""

TOPIC = "find the bug"
WHY = "The model seems to learn slowly, and the learning rate found for it fits nothing else."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.MSELoss.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.grad.html",
    "https://www.mindspore.cn/docs/en/master/api_python/mindspore/mindspore.grad.html",
    "https://zh.d2l.ai/chapter_linear-networks/linear-regression-scratch.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import numpy as np
    import torch

    rng = np.random.default_rng(0)
    x = rng.normal(size=(70, 6)).astype(np.float32)
    y = (x @ rng.normal(size=(6, 1))).astype(np.float32)
    x, y = torch.tensor(x), torch.tensor(y)

    def loss(weight):
        return ((x @ weight - y) ** 2).mean() / 2

    slope = torch.func.grad(loss)
    found = {"loss, at the start": float(loss(torch.zeros(6, 1)))}
    for name, divisor in (("with the slip", len(x)), ("put right", 1)):
        weight, path = torch.zeros(6, 1), []
        for _ in range(20):
            weight = weight - 0.3 * slope(weight) / divisor
            path.append(float(abs(weight).sum()))
        found[f"first step, {name}"] = path[0]
        found[f"loss, {name}"] = float(loss(weight))
    long = found["first step, put right"]
    return {**found, "times too short": long / found["first step, with the slip"]}


def jax():
    import jax
    import jax.numpy as jnp
    import numpy as np

    rng = np.random.default_rng(0)
    x = rng.normal(size=(70, 6)).astype(np.float32)
    y = (x @ rng.normal(size=(6, 1))).astype(np.float32)
    x, y = jnp.array(x), jnp.array(y)

    def loss(weight):
        return ((x @ weight - y) ** 2).mean() / 2

    slope = jax.grad(loss)
    found = {"loss, at the start": float(loss(jnp.zeros((6, 1))))}
    for name, divisor in (("with the slip", len(x)), ("put right", 1)):
        weight, path = jnp.zeros((6, 1)), []
        for _ in range(20):
            weight = weight - 0.3 * slope(weight) / divisor
            path.append(float(abs(weight).sum()))
        found[f"first step, {name}"] = path[0]
        found[f"loss, {name}"] = float(loss(weight))
    long = found["first step, put right"]
    return {**found, "times too short": long / found["first step, with the slip"]}


def mindspore():
    import mindspore
    import numpy as np
    from mindspore import Tensor, ops

    rng = np.random.default_rng(0)
    x = rng.normal(size=(70, 6)).astype(np.float32)
    y = (x @ rng.normal(size=(6, 1))).astype(np.float32)
    x, y = Tensor(x), Tensor(y)

    def loss(weight):
        return ((x @ weight - y) ** 2).mean() / 2

    slope = mindspore.grad(loss)
    found = {"loss, at the start": float(loss(ops.zeros((6, 1))))}
    for name, divisor in (("with the slip", len(x)), ("put right", 1)):
        weight, path = ops.zeros((6, 1)), []
        for _ in range(20):
            weight = weight - 0.3 * slope(weight) / divisor
            path.append(float(abs(weight).sum()))
        found[f"first step, {name}"] = path[0]
        found[f"loss, {name}"] = float(loss(weight))
    long = found["first step, put right"]
    return {**found, "times too short": long / found["first step, with the slip"]}


CLAIM = {
    "torch": {
        "loss, at the start": 3.8944,
        "first step, with the slip": 0.022434,
        "loss, with the slip": 3.3908,
        "first step, put right": 1.5704,
        "loss, put right": 0.00042605,
        "times too short": 70.0,
    },
    "jax": {
        "loss, at the start": 3.8944,
        "first step, with the slip": 0.022434,
        "loss, with the slip": 3.3908,
        "first step, put right": 1.5704,
        "loss, put right": 0.00042605,
        "times too short": 70.0,
    },
    "mindspore": {
        "loss, at the start": 3.8944,
        "first step, with the slip": 0.022434,
        "loss, with the slip": 3.3908,
        "first step, put right": 1.5704,
        "loss, put right": 0.00042605,
        "times too short": 70.0,
    },
}
