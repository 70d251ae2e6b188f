"""The -log of a probability that fell to 0 is infinite in all three, and its gradient NaN.

With 1e-9 added to the probability the gradient is 0: no NaN, and nothing is learned. Taken from
the logits directly, by log_softmax, loss and gradient are right.
"""

TOPIC = "loss"
WHY = "One confident mistake turns all weights into NaN; the usual cure leaves it uncorrected."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.log_softmax.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.nn.log_softmax.html",
    "https://www.mindspore.cn/docs/en/master/api_python/ops/mindspore.ops.log_softmax.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch

    def naive(logits):
        return -torch.log(torch.softmax(logits, 0)[0])

    def padded(logits):
        return -torch.log(torch.softmax(logits, 0)[0] + 1e-9)

    def direct(logits):
        return -torch.log_softmax(logits, 0)[0]

    values, logits = {}, torch.tensor([0.0, 200.0])
    for loss in (naive, padded, direct):
        name = loss.__name__
        gradient, number = torch.func.grad_and_value(loss)(logits)
        values[f"{name}: loss"] = number.item()
        values[f"{name}: gradient"] = gradient.tolist()
        values[f"{name}: loss is infinite"] = torch.isinf(number).item()
        nan = torch.isnan(gradient).all().item()
        values[f"{name}: gradient is NaN"] = nan
    return values


def jax():
    import jax
    import jax.numpy as jnp

    def naive(logits):
        return -jnp.log(jax.nn.softmax(logits)[0])

    def padded(logits):
        return -jnp.log(jax.nn.softmax(logits)[0] + 1e-9)

    def direct(logits):
        return -jax.nn.log_softmax(logits)[0]

    values, logits = {}, jnp.array([0.0, 200.0])
    for loss in (naive, padded, direct):
        name = loss.__name__
        number, gradient = jax.value_and_grad(loss)(logits)
        values[f"{name}: loss"] = number.item()
        values[f"{name}: gradient"] = gradient.tolist()
        values[f"{name}: loss is infinite"] = jnp.isinf(number).item()
        nan = jnp.isnan(gradient).all().item()
        values[f"{name}: gradient is NaN"] = nan
    return values


def mindspore():
    import mindspore
    from mindspore import ops

    def naive(logits):
        return -ops.log(ops.softmax(logits)[0])

    def padded(logits):
        return -ops.log(ops.softmax(logits)[0] + 1e-9)

    def direct(logits):
        return -ops.log_softmax(logits)[0]

    values, logits = {}, mindspore.Tensor([0.0, 200.0])
    for loss in (naive, padded, direct):
        name = loss.__name__
        number, gradient = mindspore.value_and_grad(loss)(logits)
        values[f"{name}: loss"] = number.item()
        values[f"{name}: gradient"] = gradient.tolist()
        values[f"{name}: loss is infinite"] = ops.isinf(number).item()
        nan = ops.isnan(gradient).all().item()
        values[f"{name}: gradient is NaN"] = nan
    return values


CLAIM = {
    "torch": {
        "naive: loss is infinite": True,
        "naive: gradient is NaN": True,
        "padded: loss": 20.7233,
        "padded: gradient": [0.0, 0.0],
        "direct: loss": 200.0,
        "direct: gradient": [-1.0, 1.0],
    },
    "jax": {
        "naive: loss is infinite": True,
        "naive: gradient is NaN": True,
        "padded: loss": 20.7233,
        "padded: gradient": [0.0, 0.0],
        "direct: loss": 200.0,
        "direct: gradient": [-1.0, 1.0],
    },
    "mindspore": {
        "naive: loss is infinite": True,
        "naive: gradient is NaN": True,
        "padded: loss": 20.7233,
        "padded: gradient": [0.0, 0.0],
        "direct: loss": 200.0,
        "direct: gradient": [-1.0, 1.0],
    },
}
