"""Class 10 of 10 is an error in torch, NaN in optax, the next row's class 0 in a MindSpore loss.

That is nn.SoftmaxCrossEntropyWithLogits(sparse=True, reduction="mean"), MindSpore's second value;
its first, ops.cross_entropy, refuses 10. Label -1 is class 9 there and in optax; -100 leaves the
row out there and in torch. The bad label is in row 2: in the last row, that loss would read beyond
its memory.
"""

TOPIC = "loss"
WHY = "Labels from 1 to 10 instead of 0 to 9 stop one framework and quietly train another wrongly."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.cross_entropy.html",
    "https://optax.readthedocs.io/en/latest/api/losses.html",
    "https://www.mindspore.cn/docs/en/master/api_python/ops/mindspore.ops.cross_entropy.html",
    "https://www.mindspore.cn/docs/en/master/api_python/nn/"
    "mindspore.nn.SoftmaxCrossEntropyWithLogits.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import numpy as np
    import torch
    from torch.nn.functional import cross_entropy

    logits = np.random.default_rng(0).normal(size=(4, 10)).astype("float32")
    table = np.log(np.exp(logits).sum(1, keepdims=True)) - logits
    others = table[0, 3] + table[2, 5] + table[3, 7]

    def meaning(loss, label):
        labels = torch.tensor([3, label, 5, 7])
        try:
            mean = loss(torch.tensor(logits), labels).item()
        except Exception as error:
            return type(error).__name__
        if np.isnan(mean) or np.isclose(mean, others / 3):
            return "NaN" if np.isnan(mean) else "ignored"
        near = np.isclose(table, 4 * mean - others, atol=1e-4)
        row, column = np.argwhere(near)[0]
        where = "" if row == 1 else f" of row {row + 1}"
        return f"class {column}{where}"

    losses = [cross_entropy]
    return {str(y): [meaning(f, y) for f in losses] for y in (10, -1, -100)}


def jax():
    import jax.numpy as jnp
    import numpy as np
    from optax import softmax_cross_entropy_with_integer_labels as each

    logits = np.random.default_rng(0).normal(size=(4, 10)).astype("float32")
    table = np.log(np.exp(logits).sum(1, keepdims=True)) - logits
    others = table[0, 3] + table[2, 5] + table[3, 7]

    def meaning(loss, label):
        labels = jnp.array([3, label, 5, 7])
        try:
            mean = loss(jnp.array(logits), labels).mean().item()
        except Exception as error:
            return type(error).__name__
        if np.isnan(mean) or np.isclose(mean, others / 3):
            return "NaN" if np.isnan(mean) else "ignored"
        near = np.isclose(table, 4 * mean - others, atol=1e-4)
        row, column = np.argwhere(near)[0]
        where = "" if row == 1 else f" of row {row + 1}"
        return f"class {column}{where}"

    losses = [each]
    return {str(y): [meaning(f, y) for f in losses] for y in (10, -1, -100)}


def mindspore():
    import mindspore
    import numpy as np
    from mindspore import nn, ops

    logits = np.random.default_rng(0).normal(size=(4, 10)).astype("float32")
    table = np.log(np.exp(logits).sum(1, keepdims=True)) - logits
    others = table[0, 3] + table[2, 5] + table[3, 7]

    def meaning(loss, label):
        labels = mindspore.Tensor([3, label, 5, 7], mindspore.int32)
        try:
            mean = loss(mindspore.Tensor(logits), labels).asnumpy().item()
        except Exception as error:
            return type(error).__name__
        if np.isnan(mean) or np.isclose(mean, others / 3):
            return "NaN" if np.isnan(mean) else "ignored"
        near = np.isclose(table, 4 * mean - others, atol=1e-4)
        row, column = np.argwhere(near)[0]
        where = "" if row == 1 else f" of row {row + 1}"
        return f"class {column}{where}"

    sparse = nn.SoftmaxCrossEntropyWithLogits(sparse=True, reduction="mean")
    losses = [ops.cross_entropy, sparse]
    return {str(y): [meaning(f, y) for f in losses] for y in (10, -1, -100)}


CLAIM = {
    "torch": {"10": ["IndexError"], "-1": ["IndexError"], "-100": ["ignored"]},
    "jax": {"10": ["NaN"], "-1": ["class 9"], "-100": ["NaN"]},
    "mindspore": {
        "10": ["RuntimeError", "class 0 of row 3"],
        "-1": ["class 9", "RuntimeError"],
        "-100": ["ignored", "RuntimeError"],
    },
}
