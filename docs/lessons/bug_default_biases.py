"""With weights from N(0, 0.01), the default biases of torch and MindSpore are far from zero.

Both draw them from a uniform distribution up to 1 / sqrt(inputs), here 0.5. JAX has no layers and
so no default: the zeros are written down, and there is nothing to forget.
"""

TOPIC = "find the bug"
WHY = "The classes start with odds of their own, others at each run, and not as the text says."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.Linear.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.numpy.zeros.html",
    "https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.Dense.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import numpy as np
    import torch

    x = torch.tensor(np.random.default_rng(0).random((70, 4), np.float32))
    layer = torch.nn.Linear(4, 10)
    torch.nn.init.normal_(layer.weight, std=0.01)
    slipped = float(abs(layer(x)).max())
    zeros = not layer.bias.any().item()
    torch.nn.init.zeros_(layer.bias)
    right = float(abs(layer(x)).max())
    return {
        "biases are zero, with the slip": zeros,
        "largest logit, with the slip": slipped,
        "largest logit, put right": right,
        "below 0.15, with the slip": slipped < 0.15,
        "below 0.15, put right": right < 0.15,
    }


def jax():
    import jax
    import jax.numpy as jnp
    import numpy as np

    x = jnp.array(np.random.default_rng(0).random((70, 4), np.float32))
    weight = 0.01 * jax.random.normal(jax.random.key(0), (4, 10))
    bias = jnp.zeros(10)  # has to be written: there is no default
    slipped = float(abs(x @ weight + bias).max())
    zeros = not bias.any().item()
    bias = jnp.zeros(10)
    right = float(abs(x @ weight + bias).max())
    return {
        "biases are zero, with the slip": zeros,
        "largest logit, with the slip": slipped,
        "largest logit, put right": right,
        "below 0.15, with the slip": slipped < 0.15,
        "below 0.15, put right": right < 0.15,
    }


def mindspore():
    import numpy as np
    from mindspore import Tensor, nn, ops
    from mindspore.common.initializer import Normal

    x = Tensor(np.random.default_rng(0).random((70, 4), np.float32))
    layer = nn.Dense(4, 10, weight_init=Normal(0.01))
    slipped = float(abs(layer(x)).max())
    zeros = not layer.bias.asnumpy().any().item()
    ops.assign(layer.bias, ops.zeros(10))
    right = float(abs(layer(x)).max())
    return {
        "biases are zero, with the slip": zeros,
        "largest logit, with the slip": slipped,
        "largest logit, put right": right,
        "below 0.15, with the slip": slipped < 0.15,
        "below 0.15, put right": right < 0.15,
    }


CLAIM = {
    "torch": {
        "biases are zero, with the slip": False,
        "below 0.15, with the slip": False,
        "below 0.15, put right": True,
    },
    "jax": {
        "biases are zero, with the slip": True,
        "below 0.15, with the slip": True,
        "below 0.15, put right": True,
    },
    "mindspore": {
        "biases are zero, with the slip": False,
        "below 0.15, with the slip": False,
        "below 0.15, put right": True,
    },
}
