"""PyTorch and MindSpore hold a linear layer's weight as (out, in); JAX's x @ w wants (in, out).

Copied without a transpose, a weight that is not square raises an error and a square one is wrong
without a word. JAX has no layer; its initialisers are asked for (in, out) here, as is usual.
"""

TOPIC = "model"
WHY = "A square weight copied untransposed from one framework to another computes something else."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.Linear.html",
    "https://docs.jax.dev/en/latest/jax.nn.initializers.html",
    "https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.Dense.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch

    layer = torch.nn.Linear(4, 3)
    error = None
    try:
        layer.load_state_dict({"weight": layer.weight.T, "bias": layer.bias})
    except Exception as caught:
        error = type(caught).__name__
    square = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    output = torch.nn.functional.linear(torch.tensor([[1.0, 0.0]]), square)
    return {
        "weight from 4 to 3": list(layer.weight.shape),
        "its transpose raises": error,
        "[1, 0] through [[1, 2], [3, 4]]": output[0].tolist(),
    }


def jax():
    import jax
    import jax.numpy as jnp

    weight = jax.nn.initializers.lecun_normal()(jax.random.key(0), (4, 3))
    error = None
    try:
        jnp.ones((1, 4)) @ weight.T
    except Exception as caught:
        error = type(caught).__name__
    square = jnp.array([[1.0, 2.0], [3.0, 4.0]])
    output = jnp.array([[1.0, 0.0]]) @ square
    return {
        "weight from 4 to 3": list(weight.shape),
        "its transpose raises": error,
        "[1, 0] through [[1, 2], [3, 4]]": output[0].tolist(),
    }


def mindspore():
    import mindspore
    from mindspore import nn

    layer = nn.Dense(4, 3)
    error = None
    try:
        mindspore.ops.assign(layer.weight, layer.weight.T)
    except Exception as caught:
        error = type(caught).__name__
    square = mindspore.Tensor([[1.0, 2.0], [3.0, 4.0]])
    square_layer = nn.Dense(2, 2, weight_init=square, has_bias=False)
    output = square_layer(mindspore.Tensor([[1.0, 0.0]]))
    return {
        "weight from 4 to 3": list(layer.weight.shape),
        "its transpose raises": error,
        "[1, 0] through [[1, 2], [3, 4]]": output[0].asnumpy().tolist(),
    }


CLAIM = {
    "torch": {
        "weight from 4 to 3": [3, 4],
        "its transpose raises": "RuntimeError",
        "[1, 0] through [[1, 2], [3, 4]]": [1.0, 3.0],
    },
    "jax": {
        "weight from 4 to 3": [4, 3],
        "its transpose raises": "TypeError",
        "[1, 0] through [[1, 2], [3, 4]]": [1.0, 2.0],
    },
    "mindspore": {
        "weight from 4 to 3": [3, 4],
        "its transpose raises": "ValueError",
        "[1, 0] through [[1, 2], [3, 4]]": [1.0, 3.0],
    },
}
