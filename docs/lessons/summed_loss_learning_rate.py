"""With the loss summed, not averaged, a step over 70 examples is 70 times as long, in all three.

The learning rate divided by the number of examples gives the step of the averaged loss again.
"""

TOPIC = "loss"
WHY = "A learning rate that is right for the mean lets the sum run away, and the reverse is slow."
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
    x = torch.tensor(rng.normal(size=(70, 6)), dtype=torch.float32)
    labels = torch.tensor(rng.integers(0, 3, 70))

    def mean(weight):
        return F.cross_entropy(x @ weight, labels)

    def summed(weight):
        return F.cross_entropy(x @ weight, labels, reduction="sum")

    weight = torch.zeros(6, 3)
    step = 0.5 * torch.func.grad(mean)(weight)
    longer = 0.5 * torch.func.grad(summed)(weight)
    divided = 0.5 / len(x) * torch.func.grad(summed)(weight)
    return {
        "times as long, same rate": float(longer.norm() / step.norm()),
        "times as long, rate / 70": float(divided.norm() / step.norm()),
    }


def jax():
    import jax
    import jax.numpy as jnp
    import numpy as np
    import optax

    rng = np.random.default_rng(0)
    x = jnp.array(rng.normal(size=(70, 6)), dtype=jnp.float32)
    labels = jnp.array(rng.integers(0, 3, 70))
    entropy = optax.softmax_cross_entropy_with_integer_labels

    def mean(weight):
        return entropy(x @ weight, labels).mean()

    def summed(weight):
        return entropy(x @ weight, labels).sum()

    weight = jnp.zeros((6, 3))
    step = 0.5 * jax.grad(mean)(weight)
    longer = 0.5 * jax.grad(summed)(weight)
    divided = 0.5 / len(x) * jax.grad(summed)(weight)
    norm = jnp.linalg.norm
    return {
        "times as long, same rate": float(norm(longer) / norm(step)),
        "times as long, rate / 70": float(norm(divided) / norm(step)),
    }


def mindspore():
    import mindspore
    import numpy as np
    from mindspore import ops

    rng = np.random.default_rng(0)
    x = mindspore.Tensor(rng.normal(size=(70, 6)), mindspore.float32)
    labels = mindspore.Tensor(rng.integers(0, 3, 70), mindspore.int32)

    def mean(weight):
        return ops.cross_entropy(x @ weight, labels)

    def summed(weight):
        return ops.cross_entropy(x @ weight, labels, reduction="sum")

    weight = ops.zeros((6, 3))
    step = 0.5 * mindspore.grad(mean)(weight)
    longer = 0.5 * mindspore.grad(summed)(weight)
    divided = 0.5 / len(x) * mindspore.grad(summed)(weight)
    return {
        "times as long, same rate": float(longer.norm() / step.norm()),
        "times as long, rate / 70": float(divided.norm() / step.norm()),
    }


CLAIM = {
    "torch": {"times as long, same rate": 70.0, "times as long, rate / 70": 1.0},
    "jax": {"times as long, same rate": 70.0, "times as long, rate / 70": 1.0},
    "mindspore": {"times as long, same rate": 70.0, "times as long, rate / 70": 1.0},
}
