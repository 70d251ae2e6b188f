"""AdamW's default weight decay is 0.01 in PyTorch and MindSpore, and 0.0001 in optax.

MindSpore has two: experimental.optim.AdamW, and the older nn.AdamWeightDecay, which decays
nothing unless asked to.
"""

TOPIC = "update"
WHY = "Given only a learning rate, AdamW decays weights a hundred times faster in one, or never."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.optim.AdamW.html",
    "https://optax.readthedocs.io/en/latest/api/optimizers.html#optax.adamw",
    "https://www.mindspore.cn/docs/en/master/api_python/experimental/optim/mindspore.experimental.optim.AdamW.html",
    "https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.AdamWeightDecay.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import inspect

    import torch

    defaults, weights = [], []
    for make in (torch.optim.AdamW,):
        named = inspect.signature(make).parameters
        defaults.append(named["weight_decay"].default)
        weight = torch.nn.Parameter(torch.tensor([1.0]))
        optimizer = make([weight], 1.0)
        for _ in range(100):
            weight.grad = torch.tensor([0.0])
            optimizer.step()
        weights.append(weight.item())
    return {"default": defaults, "1 after 100 steps of gradient 0": weights}


def jax():
    import inspect

    import jax.numpy as jnp
    import optax

    defaults, weights = [], []
    for make in (optax.adamw,):
        named = inspect.signature(make).parameters
        defaults.append(named["weight_decay"].default)
        weight = jnp.array([1.0])
        optimizer = make(1.0)
        state = optimizer.init(weight)
        for _ in range(100):
            updates, state = optimizer.update(jnp.array([0.0]), state, weight)
            weight = optax.apply_updates(weight, updates)
        weights.append(weight.item())
    return {"default": defaults, "1 after 100 steps of gradient 0": weights}


def mindspore():
    import inspect

    import mindspore
    from mindspore import nn
    from mindspore.experimental import optim

    defaults, weights = [], []
    for make in (optim.AdamW, nn.AdamWeightDecay):
        named = inspect.signature(make).parameters
        defaults.append(named["weight_decay"].default)
        weight = mindspore.Parameter(mindspore.Tensor([1.0]), name="weight")
        optimizer = make([weight], 1.0)
        for _ in range(100):
            optimizer((mindspore.Tensor([0.0]),))
        weights.append(weight.asnumpy().item())
    return {"default": defaults, "1 after 100 steps of gradient 0": weights}


CLAIM = {
    "torch": {"default": [0.01], "1 after 100 steps of gradient 0": [0.36603]},
    "jax": {"default": [0.0001], "1 after 100 steps of gradient 0": [0.99005]},
    "mindspore": {"default": [0.01, 0.0], "1 after 100 steps of gradient 0": [0.36603, 1.0]},
}
