"""Step 1's training accuracy is 0.29 before the update and 0.93 after it, the same in all three.

With the slip one framework measures before, another after. From zero weights the first is the share
of class 0; the second has learnt from the very batch that it is measured on.
"""

TOPIC = "find the bug"
WHY = "Two equal runs look different, most of all at first, and the later figure flatters."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.func.grad.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.grad.html",
    "https://www.mindspore.cn/docs/en/master/api_python/mindspore/mindspore.grad.html",
    "https://zh.d2l.ai/chapter_linear-networks/softmax-regression-scratch.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import numpy as np
    import torch
    import torch.nn.functional as F

    rng = np.random.default_rng(0)
    x = rng.normal(size=(70, 6)).astype(np.float32)
    labels = (x @ rng.normal(size=(6, 3))).argmax(1)
    x, labels = torch.tensor(x), torch.tensor(labels)

    def loss(weight):
        return F.cross_entropy(x @ weight, labels)

    def accuracy(weight):
        return int(((x @ weight).argmax(1) == labels).sum()) / len(labels)

    slope, before, after = torch.func.grad(loss), [], []
    weight = torch.zeros(6, 3)
    for _ in range(3):
        before.append(accuracy(weight))
        weight = weight - 0.5 * slope(weight)
        after.append(accuracy(weight))
    return {
        "before each update": before,
        "after each update": after,
        "first step's agree": before[0] == after[0],
        "one is the other, a step late": before[1:] == after[:-1],
    }


def jax():
    import jax
    import jax.numpy as jnp
    import numpy as np
    import optax

    rng = np.random.default_rng(0)
    x = rng.normal(size=(70, 6)).astype(np.float32)
    labels = (x @ rng.normal(size=(6, 3))).argmax(1)
    x, labels = jnp.array(x), jnp.array(labels)
    entropy = optax.softmax_cross_entropy_with_integer_labels

    def loss(weight):
        return entropy(x @ weight, labels).mean()

    def accuracy(weight):
        return int(((x @ weight).argmax(1) == labels).sum()) / len(labels)

    slope, before, after = jax.grad(loss), [], []
    weight = jnp.zeros((6, 3))
    for _ in range(3):
        before.append(accuracy(weight))
        weight = weight - 0.5 * slope(weight)
        after.append(accuracy(weight))
    return {
        "before each update": before,
        "after each update": after,
        "first step's agree": before[0] == after[0],
        "one is the other, a step late": before[1:] == after[:-1],
    }


def mindspore():
    import mindspore
    import numpy as np
    from mindspore import Tensor, ops

    rng = np.random.default_rng(0)
    x = rng.normal(size=(70, 6)).astype(np.float32)
    labels = (x @ rng.normal(size=(6, 3))).argmax(1)
    x, labels = Tensor(x), Tensor(labels)

    def loss(weight):
        return ops.cross_entropy(x @ weight, labels)

    def accuracy(weight):
        return int(((x @ weight).argmax(1) == labels).sum()) / len(labels)

    slope, before, after = mindspore.grad(loss), [], []
    weight = ops.zeros((6, 3))
    for _ in range(3):
        before.append(accuracy(weight))
        weight = weight - 0.5 * slope(weight)
        after.append(accuracy(weight))
    return {
        "before each update": before,
        "after each update": after,
        "first step's agree": before[0] == after[0],
        "one is the other, a step late": before[1:] == after[:-1],
    }


CLAIM = {
    "torch": {
        "before each update": [0.28571, 0.92857, 0.94286],
        "after each update": [0.92857, 0.94286, 0.94286],
        "first step's agree": False,
        "one is the other, a step late": True,
    },
    "jax": {
        "before each update": [0.28571, 0.92857, 0.94286],
        "after each update": [0.92857, 0.94286, 0.94286],
        "first step's agree": False,
        "one is the other, a step late": True,
    },
    "mindspore": {
        "before each update": [0.28571, 0.92857, 0.94286],
        "after each update": [0.92857, 0.94286, 0.94286],
        "first step's agree": False,
        "one is the other, a step late": True,
    },
}
