"""MindSpore's nn.Momentum ignores use_nesterov=True on a CPU; torch and optax do not.

Nesterov's step is g + 0.9 m, with m = 0.9 m + g, where plain momentum's is m.
MindSpore's nn.SGD(nesterov=True) takes it.
"""

TOPIC = "update"
WHY = "You compare Nesterov's momentum in two frameworks with the plain one in the third."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html",
    "https://optax.readthedocs.io/en/latest/api/optimizers.html#optax.sgd",
    "https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.Momentum.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch

    ways = []
    for nesterov in (False, True):
        weight, path = torch.nn.Parameter(torch.tensor([0.0])), []
        optimizer = torch.optim.SGD([weight], 1.0, 0.9, nesterov=nesterov)
        for _ in range(2):
            weight.grad = torch.tensor([1.0])
            optimizer.step()
            path.append(weight.item())
        ways.append(path)
    return {
        "plain, two steps": ways[0],
        "Nesterov's, two steps": ways[1],
        "equal": ways[0] == ways[1],
    }


def jax():
    import jax.numpy as jnp
    import optax

    ways = []
    for nesterov in (False, True):
        weight, path = jnp.array([0.0]), []
        optimizer = optax.sgd(1.0, 0.9, nesterov=nesterov)
        state = optimizer.init(weight)
        for _ in range(2):
            updates, state = optimizer.update(jnp.array([1.0]), state)
            weight = optax.apply_updates(weight, updates)
            path.append(weight.item())
        ways.append(path)
    return {
        "plain, two steps": ways[0],
        "Nesterov's, two steps": ways[1],
        "equal": ways[0] == ways[1],
    }


def mindspore():
    from mindspore import Parameter, Tensor, nn

    ways = []
    for nesterov in (False, True):
        weight, path = Parameter(Tensor([0.0]), name="weight"), []
        optimizer = nn.Momentum([weight], 1.0, 0.9, use_nesterov=nesterov)
        for _ in range(2):
            optimizer((Tensor([1.0]),))
            path.append(weight.asnumpy().item())
        ways.append(path)
    return {
        "plain, two steps": ways[0],
        "Nesterov's, two steps": ways[1],
        "equal": ways[0] == ways[1],
    }


CLAIM = {
    "torch": {
        "plain, two steps": [-1.0, -2.9],
        "Nesterov's, two steps": [-1.9, -4.61],
        "equal": False,
    },
    "jax": {
        "plain, two steps": [-1.0, -2.9],
        "Nesterov's, two steps": [-1.9, -4.61],
        "equal": False,
    },
    "mindspore": {
        "plain, two steps": [-1.0, -2.9],
        "Nesterov's, two steps": [-1.0, -2.9],
        "equal": True,
    },
}
