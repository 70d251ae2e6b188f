"""Training data never shuffled: each epoch has the same batches, and the last of them most weight.

A loader says shuffle=False for the training set, too; in torch False is the default. One number is
learnt here, the share of label 1 among 150 zeros and then 150 ones: it should be 0.5, and ends at
0.97.
"""

TOPIC = "find the bug"
WHY = "Sorted by class, files teach their last class; else two frameworks' runs differ, unseen."
SEE = (
    "https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.DataLoader",
    "https://docs.jax.dev/en/latest/_autosummary/jax.random.permutation.html",
    "https://www.mindspore.cn/docs/en/master/api_python/dataset/mindspore.dataset.GeneratorDataset.html",
    "https://zh.d2l.ai/chapter_linear-networks/image-classification-dataset.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import numpy as np
    from torch.utils.data import DataLoader

    labels, found = np.repeat([0, 1], 150), {}
    for name, shuffle in (("with the slip", False), ("put right", True)):
        loader = DataLoader(labels, batch_size=10, shuffle=shuffle)
        first, second = ([batch.tolist() for batch in loader] for _ in range(2))
        share = 0.5
        for batch in first:
            share += 0.2 * (np.mean(batch) - share)
        found[f"epochs are the same, {name}"] = first == second
        found[f"share, {name}"] = float(share)
    return {**found, "put right, near 0.5": 0.2 < found["share, put right"] < 0.8}


def jax():
    import jax
    import numpy as np

    labels, found = np.repeat([0, 1], 150), {}

    def epoch(key, shuffle):
        order = jax.random.permutation(key, 300) if shuffle else np.arange(300)
        return labels[np.asarray(order)].reshape(30, 10).tolist()

    for name, shuffle in (("with the slip", False), ("put right", True)):
        first, second = (epoch(key, shuffle) for key in jax.random.split(jax.random.key(0)))
        share = 0.5
        for batch in first:
            share += 0.2 * (np.mean(batch) - share)
        found[f"epochs are the same, {name}"] = first == second
        found[f"share, {name}"] = float(share)
    return {**found, "put right, near 0.5": 0.2 < found["share, put right"] < 0.8}


def mindspore():
    import numpy as np
    from mindspore.dataset import NumpySlicesDataset

    labels, found = np.repeat([0, 1], 150), {}
    for name, shuffle in (("with the slip", False), ("put right", True)):
        loader = NumpySlicesDataset(labels, shuffle=shuffle).batch(10)
        # One iterator for both epochs: after set_seed each new one repeats the order.
        epochs = loader.create_tuple_iterator(num_epochs=2)
        first, second = ([batch.asnumpy().tolist() for (batch,) in epochs] for _ in range(2))
        share = 0.5
        for batch in first:
            share += 0.2 * (np.mean(batch) - share)
        found[f"epochs are the same, {name}"] = first == second
        found[f"share, {name}"] = float(share)
    return {**found, "put right, near 0.5": 0.2 < found["share, put right"] < 0.8}


CLAIM = {
    "torch": {
        "epochs are the same, with the slip": True,
        "share, with the slip": 0.96542,
        "epochs are the same, put right": False,
        "put right, near 0.5": True,
    },
    "jax": {
        "epochs are the same, with the slip": True,
        "share, with the slip": 0.96542,
        "epochs are the same, put right": False,
        "put right, near 0.5": True,
    },
    "mindspore": {
        "epochs are the same, with the slip": True,
        "share, with the slip": 0.96542,
        "epochs are the same, put right": False,
        "put right, near 0.5": True,
    },
}
