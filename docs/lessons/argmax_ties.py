"""The first of equal logits wins in all; NaN wins in torch and JAX, in MindSpore only in front.

NumPy does as torch and JAX do. So logits that are all NaN mean class 0 everywhere.
"""

TOPIC = "accuracy"
WHY = "A model whose logits are all equal, or all NaN, scores what class 0 has: 10 %, not 0 %."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.argmax.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.numpy.argmax.html",
    "https://www.mindspore.cn/docs/en/master/api_python/ops/mindspore.ops.argmax.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0", "numpy": "1.26.4"}


def numpy():
    import numpy as np

    nan = float("nan")
    rows = [[1, 2, 2], [0, 0, 0], [1, nan, 3], [nan, 2, 3], [nan] * 3]
    winners = np.array(rows, np.float32).argmax(1).tolist()
    return {str(row): won for row, won in zip(rows, winners, strict=True)}


def torch():
    import torch

    nan = float("nan")
    rows = [[1, 2, 2], [0, 0, 0], [1, nan, 3], [nan, 2, 3], [nan] * 3]
    winners = torch.tensor(rows).argmax(1).tolist()
    return {str(row): won for row, won in zip(rows, winners, strict=True)}


def jax():
    import jax.numpy as jnp

    nan = float("nan")
    rows = [[1, 2, 2], [0, 0, 0], [1, nan, 3], [nan, 2, 3], [nan] * 3]
    winners = jnp.array(rows, jnp.float32).argmax(1).tolist()
    return {str(row): won for row, won in zip(rows, winners, strict=True)}


def mindspore():
    import mindspore

    nan = float("nan")
    rows = [[1, 2, 2], [0, 0, 0], [1, nan, 3], [nan, 2, 3], [nan] * 3]
    winners = mindspore.Tensor(rows, mindspore.float32).argmax(1).tolist()
    return {str(row): won for row, won in zip(rows, winners, strict=True)}


CLAIM = {
    "numpy": {
        "[1, 2, 2]": 1,
        "[0, 0, 0]": 0,
        "[1, nan, 3]": 1,
        "[nan, 2, 3]": 0,
        "[nan, nan, nan]": 0,
    },
    "torch": {
        "[1, 2, 2]": 1,
        "[0, 0, 0]": 0,
        "[1, nan, 3]": 1,
        "[nan, 2, 3]": 0,
        "[nan, nan, nan]": 0,
    },
    "jax": {
        "[1, 2, 2]": 1,
        "[0, 0, 0]": 0,
        "[1, nan, 3]": 1,
        "[nan, 2, 3]": 0,
        "[nan, nan, nan]": 0,
    },
    "mindspore": {
        "[1, 2, 2]": 1,
        "[0, 0, 0]": 0,
        "[1, nan, 3]": 2,
        "[nan, 2, 3]": 0,
        "[nan, nan, nan]": 0,
    },
}
