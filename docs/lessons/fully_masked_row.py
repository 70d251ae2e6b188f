"""A row that is -inf throughout has softmax NaN in torch and JAX; MindSpore loses later rows, too.

In MindSpore it and rows behind it hold what was in memory, silently. The attention functions see to
it: torch's answers with zeros, JAX's with the mean of all. With -1e9 for -inf all give that mean.
"""

TOPIC = "model"
WHY = (
    "A sentence of padding only, or a word that may see nothing, spoils the gradient of the batch."
)
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.scaled_dot_product_attention.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.nn.softmax.html",
    "https://www.mindspore.cn/docs/en/master/api_python/ops/mindspore.ops.softmax.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import numpy as np
    import torch
    from torch.nn.functional import scaled_dot_product_attention

    scores = np.random.default_rng(0).normal(size=(4096, 4)).astype(np.float32)
    right = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    scores[0] = -np.inf
    weights = torch.softmax(torch.tensor(scores), -1).numpy()
    exps = torch.exp(torch.tensor(scores))
    by_hand = (exps / exps.sum(1, keepdim=True)).numpy()
    query, ones = torch.ones(1, 1), torch.ones(4, 1)
    attention = scaled_dot_product_attention(query, ones, ones, torch.zeros(1, 4, dtype=torch.bool))
    finite = torch.softmax(torch.tensor(np.maximum(scores, -1e9)), -1).numpy()
    return {
        "it is NaN": bool(np.isnan(weights[0]).all()),
        "it is NaN, by hand": bool(np.isnan(by_hand[0]).all()),
        "the other rows are right": bool(abs(weights - right)[1:].max() < 1e-3),
        "with -1e9": finite[0].tolist(),
        "attention over ones": attention.item(),
    }


def jax():
    import jax
    import jax.numpy as jnp
    import numpy as np

    scores = np.random.default_rng(0).normal(size=(4096, 4)).astype(np.float32)
    right = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    scores[0] = -np.inf
    weights = np.asarray(jax.nn.softmax(jnp.array(scores), -1))
    exps = jnp.exp(jnp.array(scores))
    by_hand = np.asarray(exps / exps.sum(1, keepdims=True))
    query, ones = jnp.ones((1, 1, 1)), jnp.ones((4, 1, 1))
    hidden = jnp.zeros((1, 1, 4), bool)
    attention = jax.nn.dot_product_attention(query, ones, ones, mask=hidden)
    finite = np.asarray(jax.nn.softmax(jnp.array(np.maximum(scores, -1e9)), -1))
    return {
        "it is NaN": bool(np.isnan(weights[0]).all()),
        "it is NaN, by hand": bool(np.isnan(by_hand[0]).all()),
        "the other rows are right": bool(abs(weights - right)[1:].max() < 1e-3),
        "with -1e9": finite[0].tolist(),
        "attention over ones": attention.item(),
    }


def mindspore():
    import numpy as np
    from mindspore import Tensor, ops

    scores = np.random.default_rng(0).normal(size=(4096, 4)).astype(np.float32)
    right = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    scores[0] = -np.inf
    weights = ops.softmax(Tensor(scores), -1).asnumpy()
    exps = ops.exp(Tensor(scores))
    by_hand = (exps / exps.sum(1, keepdims=True)).asnumpy()
    finite = ops.softmax(Tensor(np.maximum(scores, -1e9)), -1).asnumpy()
    return {
        "it is NaN": bool(np.isnan(weights[0]).all()),
        "it is NaN, by hand": bool(np.isnan(by_hand[0]).all()),
        "the other rows are right": bool(abs(weights - right)[1:].max() < 1e-3),
        "with -1e9": finite[0].tolist(),
        "attention over ones": None,
    }


CLAIM = {
    "torch": {
        "it is NaN": True,
        "it is NaN, by hand": True,
        "the other rows are right": True,
        "with -1e9": [0.25, 0.25, 0.25, 0.25],
        "attention over ones": 0.0,
    },
    "jax": {
        "it is NaN": True,
        "it is NaN, by hand": True,
        "the other rows are right": True,
        "with -1e9": [0.25, 0.25, 0.25, 0.25],
        "attention over ones": 1.0,
    },
    "mindspore": {
        "it is NaN, by hand": True,
        "the other rows are right": False,
        "with -1e9": [0.25, 0.25, 0.25, 0.25],
        "attention over ones": None,
    },
}
