"""MindSpore's nn.SGD does not decay a parameter whose name contains "beta" or "gamma".

Its documentation says so of all optimizers of nn. The words are looked for anywhere in the name:
"tibetan.weight" is skipped too. PyTorch and optax decay all parameters.
"""

TOPIC = "update"
WHY = "The same weight_decay regularises different parameters, depending on what they are called."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html",
    "https://optax.readthedocs.io/en/latest/api/transformations.html#optax.add_decayed_weights",
    "https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.Optimizer.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch

    names = ["weight", "bias", "gamma", "tibetan.weight"]
    weights = [torch.nn.Parameter(torch.tensor([1.0])) for name in names]
    named = list(zip(names, weights, strict=True))
    optimizer = torch.optim.SGD(named, lr=1.0, weight_decay=0.1)
    for weight in weights:
        weight.grad = torch.tensor([0.0])
    optimizer.step()
    return {name: weight.item() for name, weight in named}


def jax():
    import jax.numpy as jnp
    import optax

    names = ["weight", "bias", "gamma", "tibetan.weight"]
    weights = {name: jnp.array([1.0]) for name in names}
    gradients = {name: jnp.array([0.0]) for name in names}
    optimizer = optax.chain(optax.add_decayed_weights(0.1), optax.sgd(1.0))
    state = optimizer.init(weights)
    updates, state = optimizer.update(gradients, state, weights)
    weights = optax.apply_updates(weights, updates)
    return {name: weight.item() for name, weight in weights.items()}


def mindspore():
    import mindspore
    from mindspore import nn

    names = ["weight", "bias", "gamma", "tibetan.weight"]
    one, zero = mindspore.Tensor([1.0]), mindspore.Tensor([0.0])
    weights = [mindspore.Parameter(one, name=name) for name in names]
    optimizer = nn.SGD(weights, learning_rate=1.0, weight_decay=0.1)
    optimizer((zero,) * len(names))
    return {weight.name: weight.asnumpy().item() for weight in weights}


CLAIM = {
    "torch": {"weight": 0.9, "bias": 0.9, "gamma": 0.9, "tibetan.weight": 0.9},
    "jax": {"weight": 0.9, "bias": 0.9, "gamma": 0.9, "tibetan.weight": 0.9},
    "mindspore": {"weight": 0.9, "bias": 0.9, "gamma": 1.0, "tibetan.weight": 1.0},
}
