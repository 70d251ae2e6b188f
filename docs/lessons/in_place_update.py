"""PyTorch changes arrays in place; MindSpore too, but not by +=; JAX never changes an array.

In MindSpore `weight += 1` makes a new Tensor, and the Parameter stays as it was: ops.assign
changes it. Item assignment changes it too, in PyTorch and MindSpore; in JAX it is an error.
"""

TOPIC = "update"
WHY = "An update by += trains PyTorch's array, and in MindSpore a copy that the network never sees."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.Tensor.copy_.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.Array.at.html",
    "https://www.mindspore.cn/docs/en/master/api_python/ops/mindspore.ops.assign.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch

    seen, error = [], None
    weight = other = torch.tensor([1.0])
    weight += 1
    seen.append(other.item())
    weight = other
    weight.copy_(torch.tensor([5.0]))
    seen.append(other.item())
    try:
        weight[0] = 9.0
    except Exception as caught:
        error = type(caught).__name__
    seen.append(other.item())
    return {
        "its other name, after +=": seen[0],
        "after an assignment": seen[1],
        "after an item's assignment": seen[2],
        "which raised": error,
    }


def jax():
    import jax.numpy as jnp

    seen, error = [], None
    weight = other = jnp.array([1.0])
    weight += 1
    seen.append(other.item())
    weight = other
    weight = weight.at[:].set(jnp.array([5.0]))
    seen.append(other.item())
    try:
        weight[0] = 9.0
    except Exception as caught:
        error = type(caught).__name__
    seen.append(other.item())
    return {
        "its other name, after +=": seen[0],
        "after an assignment": seen[1],
        "after an item's assignment": seen[2],
        "which raised": error,
    }


def mindspore():
    from mindspore import Parameter, Tensor, ops

    seen, error = [], None
    weight = other = Parameter(Tensor([1.0]), name="weight")
    weight += 1  # a new Tensor, no longer the Parameter
    seen.append(other.asnumpy().item())
    weight = other
    ops.assign(weight, Tensor([5.0]))
    seen.append(other.asnumpy().item())
    try:
        weight[0] = 9.0
    except Exception as caught:
        error = type(caught).__name__
    seen.append(other.asnumpy().item())
    return {
        "its other name, after +=": seen[0],
        "after an assignment": seen[1],
        "after an item's assignment": seen[2],
        "which raised": error,
    }


CLAIM = {
    "torch": {
        "its other name, after +=": 2.0,
        "after an assignment": 5.0,
        "after an item's assignment": 9.0,
        "which raised": None,
    },
    "jax": {
        "its other name, after +=": 1.0,
        "after an assignment": 1.0,
        "after an item's assignment": 1.0,
        "which raised": "TypeError",
    },
    "mindspore": {
        "its other name, after +=": 1.0,
        "after an assignment": 5.0,
        "after an item's assignment": 9.0,
        "which raised": None,
    },
}
