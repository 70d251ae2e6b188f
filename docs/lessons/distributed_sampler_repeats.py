"""10 001 examples on two ranks: PyTorch's and MindSpore's DistributedSampler hand one out twice.

So all ranks make as many steps. Told otherwise, PyTorch leaves one out (`drop_last=True`), and
MindSpore gives the first rank one more (`offset=0`). JAX has no sampler: rows are sliced.
"""

TOPIC = "data"
WHY = "What is added up over the ranks counts an example twice: an accuracy is of 10 002."
SEE = (
    "https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.distributed.DistributedSampler",
    "https://docs.jax.dev/en/latest/notebooks/Distributed_arrays_and_automatic_parallelization.html",
    "https://www.mindspore.cn/docs/en/master/api_python/dataset/mindspore.dataset.DistributedSampler.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    from torch.utils.data import DistributedSampler

    def shares(**told):
        samplers = [
            DistributedSampler(range(10001), 2, rank, shuffle=False, **told) for rank in range(2)
        ]
        return [list(sampler) for sampler in samplers]

    usual, otherwise = shares(), shares(drop_last=True)
    return {
        "examples of each rank": [len(share) for share in usual],
        "the last of rank 1": usual[1][-1],
        "handed out twice": sum(map(len, usual)) - len(set().union(*usual)),
        "examples of each rank, told otherwise": [len(share) for share in otherwise],
        "left out then": 10001 - len(set().union(*otherwise)),
    }


def jax():
    import jax.numpy as jnp

    def shares(examples):
        return [jnp.arange(examples)[rank::2].tolist() for rank in range(2)]

    usual, otherwise = shares(10001), shares(10000)
    return {
        "examples of each rank": [len(share) for share in usual],
        "the last of rank 1": usual[1][-1],
        "handed out twice": sum(map(len, usual)) - len(set().union(*usual)),
        "examples of each rank, told otherwise": [len(share) for share in otherwise],
        "left out then": 10001 - len(set().union(*otherwise)),
    }


def mindspore():
    from mindspore import dataset

    def shares(**told):
        samplers = [dataset.DistributedSampler(2, rank, shuffle=False, **told) for rank in range(2)]
        sets = [
            dataset.NumpySlicesDataset(list(range(10001)), sampler=sampler) for sampler in samplers
        ]
        return [[int(one) for (one,) in examples] for examples in sets]

    usual, otherwise = shares(), shares(offset=0)
    return {
        "examples of each rank": [len(share) for share in usual],
        "the last of rank 1": usual[1][-1],
        "handed out twice": sum(map(len, usual)) - len(set().union(*usual)),
        "examples of each rank, told otherwise": [len(share) for share in otherwise],
        "left out then": 10001 - len(set().union(*otherwise)),
    }


CLAIM = {
    "torch": {
        "examples of each rank": [5001, 5001],
        "the last of rank 1": 0,
        "handed out twice": 1,
        "examples of each rank, told otherwise": [5000, 5000],
        "left out then": 1,
    },
    "jax": {
        "examples of each rank": [5001, 5000],
        "the last of rank 1": 9999,
        "handed out twice": 0,
        "examples of each rank, told otherwise": [5000, 5000],
        "left out then": 1,
    },
    "mindspore": {
        "examples of each rank": [5001, 5001],
        "the last of rank 1": 0,
        "handed out twice": 1,
        "examples of each rank, told otherwise": [5001, 5000],
        "left out then": 0,
    },
}
