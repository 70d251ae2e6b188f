"""After mindspore.set_seed every loop over a dataset has the same order; in torch orders go on.

In MindSpore a loop makes an iterator, which begins at the seed again; one iterator told of all
epochs goes on. Unseeded, loops differ. In JAX the key decides: the same one gives the same order.
"""

TOPIC = "randomness"
WHY = "Seeded, to be repeatable, a run shuffles once and has the same batches in every epoch."
SEE = (
    "https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.DataLoader",
    "https://docs.jax.dev/en/latest/jax.random.html",
    "https://www.mindspore.cn/docs/en/master/api_python/mindspore/mindspore.set_seed.html",
    "https://www.mindspore.cn/docs/en/master/api_python/dataset/dataset_method/iterator/mindspore.dataset.Dataset.create_tuple_iterator.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch
    from torch.utils.data import DataLoader

    loader = DataLoader(range(60), batch_size=60, shuffle=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        loops = [[batch.tolist() for batch in loader] for _ in range(2)]
        epochs = [[batch.tolist() for batch in loader] for _ in range(2)]
    return {
        "seeded, two loops are the same": loops[0] == loops[1],
        "seeded, two epochs are the same": epochs[0] == epochs[1],
    }


def jax():
    import jax

    key = jax.random.key(0)
    loops = [jax.random.permutation(key, 60).tolist() for _ in range(2)]
    epochs = [jax.random.permutation(one, 60).tolist() for one in jax.random.split(key)]
    return {
        "seeded, two loops are the same": loops[0] == loops[1],
        "seeded, two epochs are the same": epochs[0] == epochs[1],
    }


def mindspore():
    import mindspore
    from mindspore.dataset import NumpySlicesDataset, config

    kept = config.get_seed()
    mindspore.set_seed(0)
    loader = NumpySlicesDataset(list(range(60)), shuffle=True).batch(60)
    loops = [[batch.asnumpy().tolist() for (batch,) in loader] for _ in range(2)]
    iterator = loader.create_tuple_iterator(num_epochs=2)
    epochs = [[batch.asnumpy().tolist() for (batch,) in iterator] for _ in range(2)]
    config.set_seed(kept)
    return {
        "seeded, two loops are the same": loops[0] == loops[1],
        "seeded, two epochs are the same": epochs[0] == epochs[1],
    }


CLAIM = {
    "torch": {
        "seeded, two loops are the same": False,
        "seeded, two epochs are the same": False,
    },
    "jax": {
        "seeded, two loops are the same": True,
        "seeded, two epochs are the same": False,
    },
    "mindspore": {
        "seeded, two loops are the same": True,
        "seeded, two epochs are the same": False,
    },
}
