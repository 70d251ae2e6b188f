"""Half the squared error from scratch, the whole in the library: gradients twice as large, in all.

torch's mse_loss, optax.squared_error and MindSpore's mse_loss have no half; optax.l2_loss has it.
At one learning rate the concise version takes steps twice as long.
"""

TOPIC = "find the bug"
WHY = "Two versions of one model run at one rate, and the concise one seems to learn faster."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.mse_loss.html",
    "https://optax.readthedocs.io/en/latest/api/losses.html",
    "https://www.mindspore.cn/docs/en/master/api_python/ops/mindspore.ops.mse_loss.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import numpy as np
    import torch
    import torch.nn.functional as F

    rng = np.random.default_rng(0)
    x = rng.normal(size=(70, 6)).astype(np.float32)
    y = (x @ rng.normal(size=(6, 1))).astype(np.float32)
    x, y = torch.tensor(x), torch.tensor(y)

    def scratch(weight):
        return ((x @ weight - y) ** 2 / 2).mean()

    def concise(weight):
        return F.mse_loss(x @ weight, y)

    found = {}
    for name, loss in (("scratch", scratch), ("concise", concise)):
        weight, slope = torch.zeros(6, 1), torch.func.grad(loss)
        found[f"gradient, {name}"] = float(abs(slope(weight)).sum())
        for _ in range(20):
            weight = weight - 0.1 * slope(weight)
        found[f"half loss after 20 steps, {name}"] = float(scratch(weight))
    steep, flat = found["gradient, concise"], found["gradient, scratch"]
    return {**found, "times as large": steep / flat}


def jax():
    import jax
    import jax.numpy as jnp
    import numpy as np
    import optax

    rng = np.random.default_rng(0)
    x = rng.normal(size=(70, 6)).astype(np.float32)
    y = (x @ rng.normal(size=(6, 1))).astype(np.float32)
    x, y = jnp.array(x), jnp.array(y)

    def scratch(weight):
        return ((x @ weight - y) ** 2 / 2).mean()

    def concise(weight):
        return optax.squared_error(x @ weight, y).mean()

    found = {}
    for name, loss in (("scratch", scratch), ("concise", concise)):
        weight, slope = jnp.zeros((6, 1)), jax.grad(loss)
        found[f"gradient, {name}"] = float(abs(slope(weight)).sum())
        for _ in range(20):
            weight = weight - 0.1 * slope(weight)
        found[f"half loss after 20 steps, {name}"] = float(scratch(weight))
    steep, flat = found["gradient, concise"], found["gradient, scratch"]
    return {**found, "times as large": steep / flat}


def mindspore():
    import mindspore
    import numpy as np
    from mindspore import Tensor, ops

    rng = np.random.default_rng(0)
    x = rng.normal(size=(70, 6)).astype(np.float32)
    y = (x @ rng.normal(size=(6, 1))).astype(np.float32)
    x, y = Tensor(x), Tensor(y)

    def scratch(weight):
        return ((x @ weight - y) ** 2 / 2).mean()

    def concise(weight):
        return ops.mse_loss(x @ weight, y)

    found = {}
    for name, loss in (("scratch", scratch), ("concise", concise)):
        weight, slope = ops.zeros((6, 1)), mindspore.grad(loss)
        found[f"gradient, {name}"] = float(abs(slope(weight)).sum())
        for _ in range(20):
            weight = weight - 0.1 * slope(weight)
        found[f"half loss after 20 steps, {name}"] = float(scratch(weight))
    steep, flat = found["gradient, concise"], found["gradient, scratch"]
    return {**found, "times as large": steep / flat}


CLAIM = {
    "torch": {
        "gradient, scratch": 5.2346,
        "half loss after 20 steps, scratch": 0.16094,
        "gradient, concise": 10.469,
        "half loss after 20 steps, concise": 0.007872,
        "times as large": 2.0,
    },
    "jax": {
        "gradient, scratch": 5.2346,
        "half loss after 20 steps, scratch": 0.16094,
        "gradient, concise": 10.469,
        "half loss after 20 steps, concise": 0.007872,
        "times as large": 2.0,
    },
    "mindspore": {
        "gradient, scratch": 5.2346,
        "half loss after 20 steps, scratch": 0.16094,
        "gradient, concise": 10.469,
        "half loss after 20 steps, concise": 0.007872,
        "times as large": 2.0,
    },
}
