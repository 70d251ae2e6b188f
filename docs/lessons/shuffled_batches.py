"""Shuffling batches of data sorted by class leaves one class in each; shuffling examples does not.

In MindSpore the order of the two calls decides: shuffle before batch moves examples, shuffle after
batch moves batches. In torch a DataLoader with shuffle=True moves examples; JAX leaves it to you.
"""

TOPIC = "data"
WHY = "Each step learns one class and forgets the others, which no loss of a single batch shows."
SEE = (
    "https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.DataLoader",
    "https://docs.jax.dev/en/latest/_autosummary/jax.random.permutation.html",
    "https://www.mindspore.cn/docs/en/master/api_python/dataset/dataset_method/operation/mindspore.dataset.Dataset.shuffle.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch
    from torch.utils.data import BatchSampler, DataLoader

    labels = torch.arange(3).repeat_interleave(20)
    inorder = list(BatchSampler(range(60), 10, drop_last=False))
    order = [inorder[i] for i in torch.randperm(6)]
    batches = DataLoader(labels, batch_sampler=order)
    examples = DataLoader(labels, batch_size=10, shuffle=True)
    moved = [len(batch.unique()) for batch in batches]
    mixed = [len(batch.unique()) for batch in examples]
    return {
        "classes in each, batches moved": moved,
        "classes in each, examples moved": mixed,
        "two or more, examples moved": min(mixed) >= 2,
    }


def jax():
    import jax
    import jax.numpy as jnp

    labels = jnp.arange(3).repeat(20)
    key = jax.random.key(0)
    inorder = labels.reshape(6, 10)
    batches = jax.random.permutation(key, inorder)  # along the first axis
    examples = jax.random.permutation(key, labels).reshape(6, 10)
    moved = [len(jnp.unique(batch)) for batch in batches]
    mixed = [len(jnp.unique(batch)) for batch in examples]
    return {
        "classes in each, batches moved": moved,
        "classes in each, examples moved": mixed,
        "two or more, examples moved": min(mixed) >= 2,
    }


def mindspore():
    import numpy as np
    from mindspore import dataset

    labels = np.arange(3).repeat(20)
    inorder = dataset.NumpySlicesDataset(labels, shuffle=False)
    batches = inorder.batch(10).shuffle(6)
    inorder = dataset.NumpySlicesDataset(labels, shuffle=False)
    examples = inorder.shuffle(60).batch(10)
    moved = [len(np.unique(batch.asnumpy())) for (batch,) in batches]
    mixed = [len(np.unique(batch.asnumpy())) for (batch,) in examples]
    return {
        "classes in each, batches moved": moved,
        "classes in each, examples moved": mixed,
        "two or more, examples moved": min(mixed) >= 2,
    }


CLAIM = {
    "torch": {
        "classes in each, batches moved": [1, 1, 1, 1, 1, 1],
        "two or more, examples moved": True,
    },
    "jax": {
        "classes in each, batches moved": [1, 1, 1, 1, 1, 1],
        "two or more, examples moved": True,
    },
    "mindspore": {
        "classes in each, batches moved": [1, 1, 1, 1, 1, 1],
        "two or more, examples moved": True,
    },
}
