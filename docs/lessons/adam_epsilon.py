"""MindSpore's nn.Adam adds epsilon before the bias correction: 31.6 times larger at step 1.

PyTorch and optax add it after. Where gradients are far larger than epsilon nothing is seen of it;
with a gradient as small as epsilon (1e-8), the first step is sixteen times smaller in MindSpore.
"""

TOPIC = "update"
WHY = "Parameters with tiny gradients hardly move in MindSpore at first, with the same settings."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.optim.Adam.html",
    "https://optax.readthedocs.io/en/latest/api/optimizers.html#optax.adam",
    "https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.Adam.html",
    "https://arxiv.org/abs/1412.6980",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch

    steps = []
    for size in (1.0, 1e-8):
        weight = torch.nn.Parameter(torch.tensor([0.0]))
        optimizer = torch.optim.Adam([weight], lr=0.1, eps=1e-8)
        weight.grad = torch.tensor([size])
        optimizer.step()
        steps.append(weight.item())
    return {"gradient 1": steps[0], "gradient 1e-8": steps[1]}


def jax():
    import jax.numpy as jnp
    import optax

    steps = []
    for size in (1.0, 1e-8):
        weight = jnp.array([0.0])
        optimizer = optax.adam(0.1, eps=1e-8)
        state = optimizer.init(weight)
        updates, state = optimizer.update(jnp.array([size]), state)
        steps.append(optax.apply_updates(weight, updates).item())
    return {"gradient 1": steps[0], "gradient 1e-8": steps[1]}


def mindspore():
    import mindspore
    from mindspore import nn

    steps = []
    for size in (1.0, 1e-8):
        weight = mindspore.Parameter(mindspore.Tensor([0.0]), name="weight")
        optimizer = nn.Adam([weight], learning_rate=0.1, eps=1e-8)
        optimizer((mindspore.Tensor([size]),))
        steps.append(weight.asnumpy().item())
    return {"gradient 1": steps[0], "gradient 1e-8": steps[1]}


CLAIM = {
    "torch": {"gradient 1": -0.1, "gradient 1e-8": -0.05},
    "jax": {"gradient 1": -0.1, "gradient 1e-8": -0.05},
    "mindspore": {"gradient 1": -0.1, "gradient 1e-8": -0.0030653},
}
