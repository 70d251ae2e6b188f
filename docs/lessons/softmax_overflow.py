"""exp(logits) / sum is NaN at logits of 100 in all three; with the largest subtracted it is right.

exp(89) is more than float32 can hold, so infinity is divided by infinity. The softmax that each
framework brings is right too.
"""

TOPIC = "loss"
WHY = "A hand-written softmax passes every test on small logits and destroys the weights later."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.softmax.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.nn.softmax.html",
    "https://www.mindspore.cn/docs/en/master/api_python/ops/mindspore.ops.softmax.html",
    "https://zh.d2l.ai/chapter_linear-networks/softmax-regression-concise.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch

    values = {}
    for size in (80.0, 100.0, 1000.0):
        logits = torch.tensor([size, size - 1])
        naive = torch.exp(logits) / torch.exp(logits).sum()
        shifted = torch.exp(logits - logits.max())
        shifted = shifted / shifted.sum()
        own = torch.softmax(logits, 0)
        values[f"naive is NaN at {size:g}"] = torch.isnan(naive).any().item()
        values[f"shifted at {size:g}"] = shifted.tolist()
        values[f"its own at {size:g}"] = own.tolist()
    return values


def jax():
    import jax
    import jax.numpy as jnp

    values = {}
    for size in (80.0, 100.0, 1000.0):
        logits = jnp.array([size, size - 1])
        naive = jnp.exp(logits) / jnp.exp(logits).sum()
        shifted = jnp.exp(logits - logits.max())
        shifted = shifted / shifted.sum()
        own = jax.nn.softmax(logits)
        values[f"naive is NaN at {size:g}"] = jnp.isnan(naive).any().item()
        values[f"shifted at {size:g}"] = shifted.tolist()
        values[f"its own at {size:g}"] = own.tolist()
    return values


def mindspore():
    import mindspore
    from mindspore import ops

    values = {}
    for size in (80.0, 100.0, 1000.0):
        logits = mindspore.Tensor([size, size - 1])
        naive = ops.exp(logits) / ops.exp(logits).sum()
        shifted = ops.exp(logits - logits.max())
        shifted = shifted / shifted.sum()
        own = ops.softmax(logits)
        values[f"naive is NaN at {size:g}"] = ops.isnan(naive).any().item()
        values[f"shifted at {size:g}"] = shifted.tolist()
        values[f"its own at {size:g}"] = own.tolist()
    return values


CLAIM = {
    "torch": {
        "naive is NaN at 80": False,
        "naive is NaN at 100": True,
        "naive is NaN at 1000": True,
        "shifted at 80": [0.73106, 0.26894],
        "its own at 80": [0.73106, 0.26894],
        "shifted at 100": [0.73106, 0.26894],
        "its own at 100": [0.73106, 0.26894],
        "shifted at 1000": [0.73106, 0.26894],
        "its own at 1000": [0.73106, 0.26894],
    },
    "jax": {
        "naive is NaN at 80": False,
        "naive is NaN at 100": True,
        "naive is NaN at 1000": True,
        "shifted at 80": [0.73106, 0.26894],
        "its own at 80": [0.73106, 0.26894],
        "shifted at 100": [0.73106, 0.26894],
        "its own at 100": [0.73106, 0.26894],
        "shifted at 1000": [0.73106, 0.26894],
        "its own at 1000": [0.73106, 0.26894],
    },
    "mindspore": {
        "naive is NaN at 80": False,
        "naive is NaN at 100": True,
        "naive is NaN at 1000": True,
        "shifted at 80": [0.73106, 0.26894],
        "its own at 80": [0.73106, 0.26894],
        "shifted at 100": [0.73106, 0.26894],
        "its own at 100": [0.73106, 0.26894],
        "shifted at 1000": [0.73106, 0.26894],
        "its own at 1000": [0.73106, 0.26894],
    },
}
