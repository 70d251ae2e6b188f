"""Weight decay of 3 on the bias as well: it ends at 0.25 where the data's mean is 1, in all three.

The slip is to decay the weight alone in PyTorch and both in MindSpore, which has groups of
parameters as well. Fitted is y = 2x + 1 by half the squared error: there a decay of 3 leaves a
quarter of what it acts on, so 0.5 of the weight 2.
"""

TOPIC = "find the bug"
WHY = "Predictions are off by the same amount everywhere, and the port ends elsewhere."
SEE = (
    "https://docs.pytorch.org/docs/stable/optim.html#per-parameter-options",
    "https://optax.readthedocs.io/en/latest/api/transformations.html#optax.add_decayed_weights",
    "https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.SGD.html",
    "https://zh.d2l.ai/chapter_multilayer-perceptrons/weight-decay.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch
    from torch.nn import Parameter

    x = torch.tensor([-1.0, 1.0])
    y, found = 2 * x + 1, {}
    for name in ("with the slip", "put right"):
        weight, bias = Parameter(torch.zeros(1)), Parameter(torch.zeros(1))
        groups = [{"params": [weight], "weight_decay": 3.0}]
        groups.append({"params": [bias], "weight_decay": 3.0 if name == "with the slip" else 0.0})
        optimizer = torch.optim.SGD(groups, lr=0.25)
        for _ in range(30):
            optimizer.zero_grad()
            (((weight * x + bias - y) ** 2).mean() / 2).backward()
            optimizer.step()
        found[f"weight, {name}"] = weight.item()
        found[f"bias, {name}"] = bias.item()
    return found


def jax():
    import jax
    import jax.numpy as jnp
    import optax

    x = jnp.array([-1.0, 1.0])
    y, found = 2 * x + 1, {}

    def loss(line):
        return ((line["weight"] * x + line["bias"] - y) ** 2).mean() / 2

    for name in ("with the slip", "put right"):
        line = {"weight": jnp.zeros(1), "bias": jnp.zeros(1)}
        decayed = {"weight": True, "bias": name == "with the slip"}
        optimizer = optax.chain(optax.add_decayed_weights(3.0, decayed), optax.sgd(0.25))
        state = optimizer.init(line)
        for _ in range(30):
            updates, state = optimizer.update(jax.grad(loss)(line), state, line)
            line = optax.apply_updates(line, updates)
        found[f"weight, {name}"] = line["weight"].item()
        found[f"bias, {name}"] = line["bias"].item()
    return found


def mindspore():
    import mindspore
    from mindspore import Parameter, Tensor, nn

    x = Tensor([-1.0, 1.0])
    y, found = 2 * x + 1, {}
    for name in ("with the slip", "put right"):
        weight = Parameter(Tensor([0.0]), name="weight")
        bias = Parameter(Tensor([0.0]), name="bias")
        groups = [{"params": [weight], "weight_decay": 3.0}]
        groups.append({"params": [bias], "weight_decay": 3.0 if name == "with the slip" else 0.0})
        optimizer = nn.SGD(groups, learning_rate=0.25)

        def loss(weight=weight, bias=bias):
            return ((weight * x + bias - y) ** 2).mean() / 2

        slope = mindspore.grad(loss, None, [weight, bias])
        for _ in range(30):
            optimizer(slope())
        found[f"weight, {name}"] = weight.asnumpy().item()
        found[f"bias, {name}"] = bias.asnumpy().item()
    return found


CLAIM = {
    "torch": {
        "weight, with the slip": 0.5,
        "bias, with the slip": 0.25,
        "weight, put right": 0.5,
        "bias, put right": 0.99982,
    },
    "jax": {
        "weight, with the slip": 0.5,
        "bias, with the slip": 0.25,
        "weight, put right": 0.5,
        "bias, put right": 0.99982,
    },
    "mindspore": {
        "weight, with the slip": 0.5,
        "bias, with the slip": 0.25,
        "weight, put right": 0.5,
        "bias, put right": 0.99982,
    },
}
