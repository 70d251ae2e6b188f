"""nn.Embedding(padding_idx=0) starts row 0 at zero; torch keeps it there, MindSpore trains it.

JAX has no embedding layer: a table is indexed, and its row is like the others unless its gradient
is taken away. Initialising the weights anew fills the row in all of them; in torch for good, as it
has no gradient.
"""

TOPIC = "model"
WHY = "Padding learns to mean something: unmasked, a sentence padded further has another answer."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.Embedding.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.numpy.take.html",
    "https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.Embedding.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch
    from torch import nn

    layer, words = nn.Embedding(4, 2, padding_idx=0), torch.tensor([0, 0, 1])
    start = layer.weight[0].tolist()
    layer(words).sum().backward()
    slopes = layer.weight.grad
    nn.init.ones_(layer.weight)
    return {
        "padding's row": start,
        "its gradient, seen twice": slopes[0].tolist(),
        "gradient of a word seen once": slopes[1].tolist(),
        "the row, all set to 1": layer(words)[0].tolist(),
    }


def jax():
    import jax
    import jax.numpy as jnp

    table, words = jnp.ones((4, 2)).at[0].set(0), jnp.array([0, 0, 1])
    start = table[0].tolist()
    slopes = jax.grad(lambda table: table[words].sum())(table)
    table = jnp.ones((4, 2))
    return {
        "padding's row": start,
        "its gradient, seen twice": slopes[0].tolist(),
        "gradient of a word seen once": slopes[1].tolist(),
        "the row, all set to 1": table[words][0].tolist(),
    }


def mindspore():
    import mindspore
    from mindspore import Tensor, nn, ops

    layer, words = nn.Embedding(4, 2, padding_idx=0), Tensor([0, 0, 1], mindspore.int32)
    start = layer.embedding_table[0].asnumpy().tolist()
    (slopes,) = mindspore.grad(lambda at: layer(at).sum(), None, layer.trainable_params())(words)
    ops.assign(layer.embedding_table, ops.ones((4, 2)))
    return {
        "padding's row": start,
        "its gradient, seen twice": slopes[0].asnumpy().tolist(),
        "gradient of a word seen once": slopes[1].asnumpy().tolist(),
        "the row, all set to 1": layer(words)[0].asnumpy().tolist(),
    }


CLAIM = {
    "torch": {
        "padding's row": [0.0, 0.0],
        "its gradient, seen twice": [0.0, 0.0],
        "gradient of a word seen once": [1.0, 1.0],
        "the row, all set to 1": [1.0, 1.0],
    },
    "jax": {
        "padding's row": [0.0, 0.0],
        "its gradient, seen twice": [2.0, 2.0],
        "gradient of a word seen once": [1.0, 1.0],
        "the row, all set to 1": [1.0, 1.0],
    },
    "mindspore": {
        "padding's row": [0.0, 0.0],
        "its gradient, seen twice": [2.0, 2.0],
        "gradient of a word seen once": [1.0, 1.0],
        "the row, all set to 1": [1.0, 1.0],
    },
}
