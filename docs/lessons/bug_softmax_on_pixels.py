"""Softmax of the pixels, not the logits: no output sums to 1, the loss falls half as far, in all.

The slip: softmax(x) @ weight, and no softmax after it. Twenty steps from zero, where the loss is
log 3. Of 784 pixels, not 6, softmax leaves about 1/784 each, and training is slower still.
"""

TOPIC = "find the bug"
WHY = "Nothing fails: the loss falls, only slowly, as with a learning rate that is too small."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.cross_entropy.html",
    "https://optax.readthedocs.io/en/latest/api/losses.html",
    "https://www.mindspore.cn/docs/en/master/api_python/ops/mindspore.ops.cross_entropy.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import numpy as np
    import torch
    import torch.nn.functional as F

    rng = np.random.default_rng(0)
    x = rng.random((70, 6), np.float32)
    labels = (x @ rng.normal(size=(6, 3))).argmax(1)
    x, labels = torch.tensor(x), torch.tensor(labels)

    def loss(weight, x):
        return F.cross_entropy(x @ weight, labels)

    slope, found, squashed = torch.func.grad(loss), {}, F.softmax(x, 1)
    for name, pixels in (("with the slip", squashed), ("put right", x)):
        weight = torch.zeros(6, 3)
        for _ in range(20):
            weight = weight - slope(weight, pixels)
        outputs = pixels @ weight
        if name == "put right":
            outputs = F.softmax(outputs, 1)
        whole = abs(outputs.sum(1) - 1) < 1e-3
        found[f"rows of 70 that sum to 1, {name}"] = int(whole.sum())
        found[f"loss, {name}"] = float(loss(weight, pixels))
    fall = float(np.log(3)) - found["loss, with the slip"]
    right = float(np.log(3)) - found["loss, put right"]
    return {**found, "falls less than half as far": fall < right / 2}


def jax():
    import jax
    import jax.numpy as jnp
    import numpy as np
    import optax

    rng = np.random.default_rng(0)
    x = rng.random((70, 6), np.float32)
    labels = (x @ rng.normal(size=(6, 3))).argmax(1)
    x, labels = jnp.array(x), jnp.array(labels)
    entropy = optax.softmax_cross_entropy_with_integer_labels

    def loss(weight, x):
        return entropy(x @ weight, labels).mean()

    slope, found, squashed = jax.grad(loss), {}, jax.nn.softmax(x, 1)
    for name, pixels in (("with the slip", squashed), ("put right", x)):
        weight = jnp.zeros((6, 3))
        for _ in range(20):
            weight = weight - slope(weight, pixels)
        outputs = pixels @ weight
        if name == "put right":
            outputs = jax.nn.softmax(outputs, 1)
        whole = abs(outputs.sum(1) - 1) < 1e-3
        found[f"rows of 70 that sum to 1, {name}"] = int(whole.sum())
        found[f"loss, {name}"] = float(loss(weight, pixels))
    fall = float(np.log(3)) - found["loss, with the slip"]
    right = float(np.log(3)) - found["loss, put right"]
    return {**found, "falls less than half as far": fall < right / 2}


def mindspore():
    import mindspore
    import numpy as np
    from mindspore import Tensor, ops

    rng = np.random.default_rng(0)
    x = rng.random((70, 6), np.float32)
    labels = (x @ rng.normal(size=(6, 3))).argmax(1)
    x, labels = Tensor(x), Tensor(labels)

    def loss(weight, x):
        return ops.cross_entropy(x @ weight, labels)

    slope, found, squashed = mindspore.grad(loss), {}, ops.softmax(x, 1)
    for name, pixels in (("with the slip", squashed), ("put right", x)):
        weight = ops.zeros((6, 3))
        for _ in range(20):
            weight = weight - slope(weight, pixels)
        outputs = pixels @ weight
        if name == "put right":
            outputs = ops.softmax(outputs, 1)
        whole = abs(outputs.sum(1) - 1) < 1e-3
        found[f"rows of 70 that sum to 1, {name}"] = int(whole.sum())
        found[f"loss, {name}"] = float(loss(weight, pixels))
    fall = float(np.log(3)) - found["loss, with the slip"]
    right = float(np.log(3)) - found["loss, put right"]
    return {**found, "falls less than half as far": fall < right / 2}


CLAIM = {
    "torch": {
        "rows of 70 that sum to 1, with the slip": 0,
        "loss, with the slip": 0.82206,
        "rows of 70 that sum to 1, put right": 70,
        "loss, put right": 0.48691,
        "falls less than half as far": True,
    },
    "jax": {
        "rows of 70 that sum to 1, with the slip": 0,
        "loss, with the slip": 0.82206,
        "rows of 70 that sum to 1, put right": 70,
        "loss, put right": 0.48691,
        "falls less than half as far": True,
    },
    "mindspore": {
        "rows of 70 that sum to 1, with the slip": 0,
        "loss, with the slip": 0.82206,
        "rows of 70 that sum to 1, put right": 70,
        "loss, put right": 0.48691,
        "falls less than half as far": True,
    },
}
