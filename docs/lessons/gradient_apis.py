"""PyTorch's backward() adds to .grad; value_and_grad of JAX and MindSpore returns a new gradient.

So PyTorch needs zero_grad() between two steps, and the others have nothing to clear; adding
up the gradients of several batches is done by hand there.
"""

TOPIC = "gradients"
WHY = "Without zero_grad() every step of PyTorch follows the sum of all gradients so far."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.Tensor.backward.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.value_and_grad.html",
    "https://www.mindspore.cn/docs/en/master/api_python/mindspore/mindspore.value_and_grad.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch

    def loss(weight):
        return weight * weight

    weight = torch.tensor(3.0, requires_grad=True)
    values, gradients = [], []
    for _ in range(3):
        value = loss(weight)
        value.backward()
        values.append(value.item())
        gradients.append(weight.grad.item())
    return {"losses": values, "gradients of 3 calls": gradients}


def jax():
    import jax
    import jax.numpy as jnp

    def loss(weight):
        return weight * weight

    weight = jnp.array(3.0)
    values, gradients = [], []
    for _ in range(3):
        value, gradient = jax.value_and_grad(loss)(weight)
        values.append(value.item())
        gradients.append(gradient.item())
    return {"losses": values, "gradients of 3 calls": gradients}


def mindspore():
    import mindspore

    def loss(weight):
        return weight * weight

    weight = mindspore.Tensor(3.0)
    values, gradients = [], []
    for _ in range(3):
        value, gradient = mindspore.value_and_grad(loss)(weight)
        values.append(value.asnumpy().item())
        gradients.append(gradient.asnumpy().item())
    return {"losses": values, "gradients of 3 calls": gradients}


CLAIM = {
    "torch": {"losses": [9.0, 9.0, 9.0], "gradients of 3 calls": [6.0, 12.0, 18.0]},
    "jax": {"losses": [9.0, 9.0, 9.0], "gradients of 3 calls": [6.0, 6.0, 6.0]},
    "mindspore": {"losses": [9.0, 9.0, 9.0], "gradients of 3 calls": [6.0, 6.0, 6.0]},
}
