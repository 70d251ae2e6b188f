"""10 examples in batches of 4: the mean of the batches' means is 0.58, the accuracy 0.70, in all.

The last batch has 2 examples, and each of them counts twice. Sums and counts, added up, are right.
"""

TOPIC = "accuracy"
WHY = "The published accuracy depends on the batch size, and on which examples happen to be last."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.mean.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.numpy.mean.html",
    "https://www.mindspore.cn/docs/en/master/api_python/ops/mindspore.ops.mean.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch

    right = torch.tensor([1.0, 1, 1, 0, 1, 1, 1, 1, 0, 0])
    means, total, count = [], 0.0, 0
    for start in range(0, 10, 4):
        batch = right[start : start + 4]
        means.append(batch.mean().item())
        total += batch.sum().item()
        count += len(batch)
    return {
        "batches": means,
        "mean of batch means": sum(means) / len(means),
        "sum over count": total / count,
        "mean of all 10": right.mean().item(),
    }


def jax():
    import jax.numpy as jnp

    right = jnp.array([1.0, 1, 1, 0, 1, 1, 1, 1, 0, 0])
    means, total, count = [], 0.0, 0
    for start in range(0, 10, 4):
        batch = right[start : start + 4]
        means.append(batch.mean().item())
        total += batch.sum().item()
        count += len(batch)
    return {
        "batches": means,
        "mean of batch means": sum(means) / len(means),
        "sum over count": total / count,
        "mean of all 10": right.mean().item(),
    }


def mindspore():
    import mindspore

    right = mindspore.Tensor([1.0, 1, 1, 0, 1, 1, 1, 1, 0, 0])
    means, total, count = [], 0.0, 0
    for start in range(0, 10, 4):
        batch = right[start : start + 4]
        means.append(batch.mean().item())
        total += batch.sum().item()
        count += len(batch)
    return {
        "batches": means,
        "mean of batch means": sum(means) / len(means),
        "sum over count": total / count,
        "mean of all 10": right.mean().item(),
    }


CLAIM = {
    "torch": {
        "batches": [0.75, 1.0, 0.0],
        "mean of batch means": 0.58333,
        "sum over count": 0.7,
        "mean of all 10": 0.7,
    },
    "jax": {
        "batches": [0.75, 1.0, 0.0],
        "mean of batch means": 0.58333,
        "sum over count": 0.7,
        "mean of all 10": 0.7,
    },
    "mindspore": {
        "batches": [0.75, 1.0, 0.0],
        "mean of batch means": 0.58333,
        "sum over count": 0.7,
        "mean of all 10": 0.7,
    },
}
