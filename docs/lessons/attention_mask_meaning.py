"""A mask's True means look in torch's and JAX's function, and ignore in nn.MultiheadAttention.

Numbers are added to the scores, so 1.0 and 0.0 mask nothing: they tilt the weights to 0.73 and
0.27. JAX refuses numbers as a mask, and adds a bias; it has no layer, and MindSpore on a CPU no
function. Here all scores are 0, and the first query's mask is True for the first key.
"""

TOPIC = "model"
WHY = "A mask with the other meaning shows each word what it is to predict, and hides its past."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.scaled_dot_product_attention.html",
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.MultiheadAttention.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.nn.dot_product_attention.html",
    "https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.MultiheadAttention.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch
    from torch.nn.functional import scaled_dot_product_attention

    mask = torch.eye(2, dtype=torch.bool)
    zeros, values = torch.zeros(1, 2, 2), torch.eye(2)[None]
    layer = torch.nn.MultiheadAttention(2, 1, bias=False, batch_first=True)

    def by_function(mask):
        return scaled_dot_product_attention(zeros, zeros, values, mask)[0, 0].tolist()

    def by_layer(mask):
        return layer(zeros, zeros, zeros, attn_mask=mask)[1][0, 0].tolist()

    return {
        "function, True for key 1": by_function(mask),
        "function, 1.0 for key 1": by_function(mask.float()),
        "layer, True for key 1": by_layer(mask),
        "layer, 1.0 for key 1": by_layer(mask.float()),
    }


def jax():
    import jax
    import jax.numpy as jnp

    mask = jnp.eye(2, dtype=bool)
    zeros, values = jnp.zeros((1, 2, 1, 2)), jnp.eye(2)[None, :, None]

    def by_function(**masks):
        return jax.nn.dot_product_attention(zeros, zeros, values, **masks)[0, 0, 0].tolist()

    return {
        "function, True for key 1": by_function(mask=mask),
        "function, 1.0 for key 1": by_function(bias=mask.astype(jnp.float32)),
        "layer, True for key 1": None,
        "layer, 1.0 for key 1": None,
    }


def mindspore():
    import numpy as np
    from mindspore import Tensor, nn, ops

    mask = np.eye(2, dtype=bool)
    zeros = ops.zeros((1, 2, 2))
    layer = nn.MultiheadAttention(2, 1, has_bias=False, batch_first=True)

    def by_layer(mask):
        return layer(zeros, zeros, zeros, attn_mask=Tensor(mask))[1][0, 0].asnumpy().tolist()

    return {
        "function, True for key 1": None,
        "function, 1.0 for key 1": None,
        "layer, True for key 1": by_layer(mask),
        "layer, 1.0 for key 1": by_layer(mask.astype(np.float32)),
    }


CLAIM = {
    "torch": {
        "function, True for key 1": [1.0, 0.0],
        "function, 1.0 for key 1": [0.73106, 0.26894],
        "layer, True for key 1": [0.0, 1.0],
        "layer, 1.0 for key 1": [0.73106, 0.26894],
    },
    "jax": {
        "function, True for key 1": [1.0, 0.0],
        "function, 1.0 for key 1": [0.73106, 0.26894],
        "layer, True for key 1": None,
        "layer, 1.0 for key 1": None,
    },
    "mindspore": {
        "function, True for key 1": None,
        "function, 1.0 for key 1": None,
        "layer, True for key 1": [0.0, 1.0],
        "layer, 1.0 for key 1": [0.73106, 0.26894],
    },
}
