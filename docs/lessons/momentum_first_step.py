"""Momentum's first step is the whole gradient, in all three: the buffer starts as g.

After it m = 0.9 m + g; none dampens the gradient unless asked to.
"""

TOPIC = "update"
WHY = "With a damped mean, m = 0.9 m + 0.1 g, the learning rate would have to be ten times larger."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html",
    "https://optax.readthedocs.io/en/latest/api/optimizers.html#optax.sgd",
    "https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.Momentum.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch

    weight = torch.nn.Parameter(torch.tensor([0.0]))
    optimizer = torch.optim.SGD([weight], lr=0.1, momentum=0.9)
    path = []
    for _ in range(2):
        weight.grad = torch.tensor([1.0])
        optimizer.step()
        path.append(weight.item())
    return {"after step 1": path[0], "after step 2": path[1]}


def jax():
    import jax.numpy as jnp
    import optax

    weight = jnp.array([0.0])
    optimizer = optax.sgd(0.1, momentum=0.9)
    state, path = optimizer.init(weight), []
    for _ in range(2):
        updates, state = optimizer.update(jnp.array([1.0]), state)
        weight = optax.apply_updates(weight, updates)
        path.append(weight.item())
    return {"after step 1": path[0], "after step 2": path[1]}


def mindspore():
    import mindspore
    from mindspore import nn

    weight = mindspore.Parameter(mindspore.Tensor([0.0]), name="weight")
    optimizer = nn.Momentum([weight], learning_rate=0.1, momentum=0.9)
    path = []
    for _ in range(2):
        optimizer((mindspore.Tensor([1.0]),))
        path.append(weight.asnumpy().item())
    return {"after step 1": path[0], "after step 2": path[1]}


CLAIM = {
    "torch": {"after step 1": -0.1, "after step 2": -0.29},
    "jax": {"after step 1": -0.1, "after step 2": -0.29},
    "mindspore": {"after step 1": -0.1, "after step 2": -0.29},
}
