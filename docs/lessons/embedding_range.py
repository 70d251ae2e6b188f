"""Word 4 of 4 is an error in torch and MindSpore; JAX reads row 3 by table[4], NaN by jnp.take.

Word -1 is an error in torch only: JAX and MindSpore read the last row. JAX checks no index, since
a compiled function cannot raise; jnp.take fills with NaN what is out of range.
"""

TOPIC = "data"
WHY = "A vocabulary one too small, or -1 for padding, trains on the last word's row unnoticed."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.Embedding.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.numpy.take.html",
    "https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.Embedding.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch

    layer = torch.nn.Embedding(4, 1)
    layer.weight.data[:] = torch.arange(4.0).reshape(4, 1)

    def row(word):
        try:
            return layer(torch.tensor([word])).item()
        except Exception as error:
            return type(error).__name__

    return {"3": [row(3)], "4": [row(4)], "-1": [row(-1)]}


def jax():
    import jax.numpy as jnp

    table = jnp.arange(4.0).reshape(4, 1)

    def rows(word):
        found = [table[word].item(), jnp.take(table, word, axis=0).item()]
        return ["NaN" if jnp.isnan(value) else value for value in found]

    return {"3": rows(3), "4": rows(4), "-1": rows(-1)}


def mindspore():
    import mindspore
    import numpy as np
    from mindspore import Tensor, nn

    table = Tensor(np.arange(4, dtype=np.float32).reshape(4, 1))
    layer = nn.Embedding(4, 1, embedding_table=table)

    def row(word):
        try:
            return layer(Tensor([word], mindspore.int32)).item()
        except Exception as error:
            return type(error).__name__

    return {"3": [row(3)], "4": [row(4)], "-1": [row(-1)]}


CLAIM = {
    "torch": {"3": [3.0], "4": ["IndexError"], "-1": ["IndexError"]},
    "jax": {"3": [3.0, 3.0], "4": [3.0, "NaN"], "-1": [3.0, 3.0]},
    "mindspore": {"3": [3.0], "4": ["RuntimeError"], "-1": [3.0]},
}
