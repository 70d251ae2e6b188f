"""At 0, relu has gradient 0 in all three; abs has 1 in JAX, and clipping has 0, 0.5 or 1.

None of these has a derivative at 0, and each framework chose a value. Written as maximum(x, 0),
relu has gradient 0.5 there in all three.
"""

TOPIC = "gradients"
WHY = "Exact zeros are common (padding, zero weights): equal losses can have different gradients."
SEE = (
    "https://docs.pytorch.org/docs/stable/notes/autograd.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.nn.relu.html",
    "https://www.mindspore.cn/docs/en/master/api_python/ops/mindspore.ops.relu.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch

    def gradient_at_0(function, *other):
        x = torch.tensor(0.0, requires_grad=True)
        function(x, *other).backward()
        return x.grad.item()

    return {
        "relu(x)": gradient_at_0(torch.relu),
        "maximum(x, 0)": gradient_at_0(torch.maximum, torch.tensor(0.0)),
        "clip(x, 0, 1)": gradient_at_0(torch.clip, 0.0, 1.0),
        "abs(x)": gradient_at_0(torch.abs),
    }


def jax():
    import jax
    import jax.numpy as jnp

    def gradient_at_0(function, *other):
        x = jnp.array(0.0)
        return jax.grad(function)(x, *other).item()

    return {
        "relu(x)": gradient_at_0(jax.nn.relu),
        "maximum(x, 0)": gradient_at_0(jnp.maximum, jnp.array(0.0)),
        "clip(x, 0, 1)": gradient_at_0(jnp.clip, 0.0, 1.0),
        "abs(x)": gradient_at_0(jnp.abs),
    }


def mindspore():
    import mindspore
    from mindspore import Tensor, ops

    def gradient_at_0(function, *other):
        x = Tensor(0.0)
        return mindspore.grad(function)(x, *other).asnumpy().item()

    return {
        "relu(x)": gradient_at_0(ops.relu),
        "maximum(x, 0)": gradient_at_0(ops.maximum, Tensor(0.0)),
        "clip(x, 0, 1)": gradient_at_0(ops.clip, 0.0, 1.0),
        "abs(x)": gradient_at_0(ops.abs),
    }


CLAIM = {
    "torch": {"relu(x)": 0.0, "maximum(x, 0)": 0.5, "clip(x, 0, 1)": 0.0, "abs(x)": 0.0},
    "jax": {"relu(x)": 0.0, "maximum(x, 0)": 0.5, "clip(x, 0, 1)": 0.5, "abs(x)": 1.0},
    "mindspore": {"relu(x)": 0.0, "maximum(x, 0)": 0.5, "clip(x, 0, 1)": 1.0, "abs(x)": 0.0},
}
