"""In bfloat16, the gradient of a bias that 25 088 places share is 256 in JAX, and right in torch.

Each place has a slope of 1, so that it is 25 088, which bfloat16 has. XLA rounds the sum over
pictures, rows and columns after every addition on a CPU, and 256 + 1 is 256 (0.7.1); over one axis
it adds up in float32, and so does `jnp.sum`, which asks for it. MindSpore 2.10 has no sum of
bfloat16 on a CPU, and is not asked for its gradient: in one process of four, indexing failed in
lessons that came after one that had failed.
"""

TOPIC = "types"
WHY = "A convolution's bias in bfloat16 has a gradient that is a hundredth of what it should be."
SEE = (
    "https://docs.pytorch.org/docs/stable/notes/numerical_accuracy.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.vjp.html",
    "https://www.mindspore.cn/docs/en/master/api_python/ops/mindspore.ops.sum.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch

    def gradient(*places):
        slopes = torch.ones(*places, 6, dtype=torch.bfloat16)
        bias = torch.zeros(6, dtype=torch.bfloat16, requires_grad=True)
        (slopes + bias).backward(slopes)
        return bias.grad[0].item()

    ones = torch.ones(32, 28, 28, 6, dtype=torch.bfloat16)
    return {
        "(32, 28, 28, 6) + bias": gradient(32, 28, 28),
        "(25088, 6) + bias": gradient(25088),
        "sum()": ones.sum((0, 1, 2))[0].item(),
    }


def jax():
    import jax
    import jax.numpy as jnp

    def gradient(*places):
        slopes = jnp.ones((*places, 6), jnp.bfloat16)
        bias = jnp.zeros(6, jnp.bfloat16)
        _, pull_back = jax.vjp(lambda bias: slopes + bias, bias)
        return pull_back(slopes)[0][0].item()

    ones = jnp.ones((32, 28, 28, 6), jnp.bfloat16)
    return {
        "(32, 28, 28, 6) + bias": gradient(32, 28, 28),
        "(25088, 6) + bias": gradient(25088),
        "sum()": ones.sum((0, 1, 2))[0].item(),
    }


def mindspore():
    import mindspore
    from mindspore import ops

    ones = ops.ones((32, 28, 28, 6), mindspore.bfloat16)
    try:
        summed = ones.sum((0, 1, 2)).float().asnumpy()[0].item()
    except RuntimeError as error:
        summed = type(error).__name__
    return {"sum()": summed}


CLAIM = {
    "torch": {"(32, 28, 28, 6) + bias": 25088.0, "(25088, 6) + bias": 25088.0, "sum()": 25088.0},
    "jax": {"(32, 28, 28, 6) + bias": 256.0, "(25088, 6) + bias": 25088.0, "sum()": 25088.0},
    "mindspore": {"sum()": "RuntimeError"},
}
