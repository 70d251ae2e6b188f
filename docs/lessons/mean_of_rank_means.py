"""5 examples on 2 ranks, 3 and 2: the mean of their mean gradients is not that of all 5, in all.

Data-parallel training adds the gradients of the ranks and divides by their number: PyTorch in
DistributedDataParallel, MindSpore in DistributedGradReducer, JAX in `pmean`. The mean over m of n
examples has to count m N / n times on N ranks.
"""

TOPIC = "gradients"
WHY = "The last batch is seldom shared evenly: those of the smaller share count more than others."
SEE = (
    "https://docs.pytorch.org/docs/stable/notes/ddp.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.lax.pmean.html",
    "https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.DistributedGradReducer.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch

    x = torch.tensor([1.0, 2, 3, 4, 10])

    def slope(share):
        return torch.func.grad(lambda weight: (weight * share).mean())(torch.tensor(0.0))

    shares = [x[rank::2] for rank in range(2)]
    means = [slope(share) for share in shares]
    weighed = [len(share) * 2 / 5 * mean for share, mean in zip(shares, means, strict=True)]
    return {
        "examples of each rank": [len(share) for share in shares],
        "gradient of each rank": [mean.item() for mean in means],
        "their mean": (sum(means) / 2).item(),
        "mean of m N / n times each": (sum(weighed) / 2).item(),
        "of all 5": slope(x).item(),
    }


def jax():
    import jax
    import jax.numpy as jnp

    x = jnp.array([1.0, 2, 3, 4, 10])

    def slope(share):
        return jax.grad(lambda weight: (weight * share).mean())(jnp.array(0.0))

    shares = [x[rank::2] for rank in range(2)]
    means = [slope(share) for share in shares]
    weighed = [len(share) * 2 / 5 * mean for share, mean in zip(shares, means, strict=True)]

    def reduced(each):
        return jax.vmap(lambda g: jax.lax.pmean(g, "ranks"), axis_name="ranks")(jnp.stack(each))

    return {
        "examples of each rank": [len(share) for share in shares],
        "gradient of each rank": [mean.item() for mean in means],
        "their mean": reduced(means)[0].item(),
        "mean of m N / n times each": reduced(weighed)[0].item(),
        "of all 5": slope(x).item(),
    }


def mindspore():
    import mindspore
    from mindspore import Tensor

    x = Tensor([1.0, 2, 3, 4, 10])

    def slope(share):
        def objective(weight):
            return (weight * share).mean()

        return mindspore.grad(objective)(Tensor(0.0))

    shares = [x[rank::2] for rank in range(2)]
    means = [slope(share) for share in shares]
    weighed = [len(share) * 2 / 5 * mean for share, mean in zip(shares, means, strict=True)]
    return {
        "examples of each rank": [len(share) for share in shares],
        "gradient of each rank": [mean.item() for mean in means],
        "their mean": (sum(means) / 2).item(),
        "mean of m N / n times each": (sum(weighed) / 2).item(),
        "of all 5": slope(x).item(),
    }


CLAIM = {
    "torch": {
        "examples of each rank": [3, 2],
        "gradient of each rank": [4.66667, 3.0],
        "their mean": 3.83333,
        "mean of m N / n times each": 4.0,
        "of all 5": 4.0,
    },
    "jax": {
        "examples of each rank": [3, 2],
        "gradient of each rank": [4.66667, 3.0],
        "their mean": 3.83333,
        "mean of m N / n times each": 4.0,
        "of all 5": 4.0,
    },
    "mindspore": {
        "examples of each rank": [3, 2],
        "gradient of each rank": [4.66667, 3.0],
        "their mean": 3.83333,
        "mean of m N / n times each": 4.0,
        "of all 5": 4.0,
    },
}
