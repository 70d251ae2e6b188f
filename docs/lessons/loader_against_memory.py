"""A loader over arrays takes over three times as long as slicing the same arrays in memory.

It fetches one example after the other and puts them together again; a slice is one operation.
JAX has no loader of its own, its users take one of the others: left out.
"""

TOPIC = "time"
WHY = "For a small network the loader is most of an epoch, and a comparison is one of loaders."
SEE = (
    "https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.DataLoader",
    "https://www.mindspore.cn/docs/en/master/api_python/dataset/mindspore.dataset.NumpySlicesDataset.html",
)
SEEN = {"torch": "2.14.1", "mindspore": "2.10.0"}


def torch():
    import time

    import torch
    from torch.utils.data import DataLoader, TensorDataset

    pictures, labels = torch.zeros(4000, 784), torch.zeros(4000, dtype=torch.int64)
    loader = DataLoader(TensorDataset(pictures, labels), batch_size=100)
    starts = range(0, 4000, 100)

    def seconds(batches):
        start = time.perf_counter()
        for x, _ in batches:
            assert len(x) == 100
        return time.perf_counter() - start

    loaded = min(seconds(loader) for _ in range(3))
    sliced = min(
        seconds((pictures[at : at + 100], labels[at : at + 100]) for at in starts) for _ in range(3)
    )
    return {
        "seconds, loader": loaded,
        "seconds, slices": sliced,
        "over three times as long": loaded > 3 * sliced,
    }


def mindspore():
    import time

    import numpy as np
    from mindspore import Tensor
    from mindspore.dataset import NumpySlicesDataset

    pictures, labels = np.zeros((4000, 784), np.float32), np.zeros(4000, np.int64)
    loader = NumpySlicesDataset((pictures, labels), shuffle=False).batch(100)
    pictures, labels, starts = Tensor(pictures), Tensor(labels), range(0, 4000, 100)

    def seconds(batches):
        start = time.perf_counter()
        for x, _ in batches:
            assert len(x) == 100
        return time.perf_counter() - start

    loaded = min(seconds(loader) for _ in range(3))
    sliced = min(
        seconds((pictures[at : at + 100], labels[at : at + 100]) for at in starts) for _ in range(3)
    )
    return {
        "seconds, loader": loaded,
        "seconds, slices": sliced,
        "over three times as long": loaded > 3 * sliced,
    }


CLAIM = {
    "torch": {"over three times as long": True},
    "mindspore": {"over three times as long": True},
}
