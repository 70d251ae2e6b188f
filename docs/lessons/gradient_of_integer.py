"""PyTorch and JAX refuse to differentiate by an integer; MindSpore does, truncating the gradient.

The gradient takes the integer's type: that of 0.9 x is 0, without a word.
"""

TOPIC = "gradients"
WHY = "Weights written as 1 instead of 1.0 stop two frameworks, and in MindSpore hardly ever learn."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.Tensor.requires_grad.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.grad.html",
    "https://www.mindspore.cn/docs/en/master/api_python/mindspore/mindspore.grad.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch

    def loss(x):
        return 0.9 * x

    of_float = torch.func.grad(loss)(torch.tensor(3.0)).item()
    error = of_integer = None
    try:
        of_integer = torch.func.grad(loss)(torch.tensor(3)).item()
    except Exception as caught:
        error = type(caught).__name__
    return {"by 3.0": of_float, "by 3": of_integer, "which raised": error}


def jax():
    import jax
    import jax.numpy as jnp

    def loss(x):
        return 0.9 * x

    of_float = jax.grad(loss)(jnp.array(3.0)).item()
    error = of_integer = None
    try:
        of_integer = jax.grad(loss)(jnp.array(3)).item()
    except Exception as caught:
        error = type(caught).__name__
    return {"by 3.0": of_float, "by 3": of_integer, "which raised": error}


def mindspore():
    from mindspore import Tensor, grad

    def loss(x):
        return 0.9 * x

    of_float = grad(loss)(Tensor(3.0)).asnumpy().item()
    error = of_integer = None
    try:
        of_integer = grad(loss)(Tensor(3)).asnumpy().item()
    except Exception as caught:
        error = type(caught).__name__
    return {"by 3.0": of_float, "by 3": of_integer, "which raised": error}


CLAIM = {
    "torch": {"by 3.0": 0.9, "by 3": None, "which raised": "RuntimeError"},
    "jax": {"by 3.0": 0.9, "by 3": None, "which raised": "TypeError"},
    "mindspore": {"by 3.0": 0.9, "by 3": 0, "which raised": None},
}
