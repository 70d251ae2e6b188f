"""torch's functional.dropout and MindSpore's ops.dropout drop in evaluation too: training=True.

They are functions and know of no mode: a network hands on its own, training=self.training. JAX
has no modes either: whoever writes dropout writes the condition, here as an argument that is True.
"""

TOPIC = "model"
WHY = "An evaluated network gives other answers at every call, and worse ones than it could."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.dropout.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.random.bernoulli.html",
    "https://www.mindspore.cn/docs/en/master/api_python/ops/mindspore.ops.dropout.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch
    from torch.nn.functional import dropout

    class Net(torch.nn.Module):
        def forward(self, x):
            return dropout(x, 0.5), dropout(x, 0.5, training=self.training)

    alone, told = Net().eval()(torch.ones(1000))
    return {
        "evaluated, the function alone drops": bool((alone == 0).any()),
        "evaluated, handed the mode, drops": bool((told == 0).any()),
    }


def jax():
    import jax
    import jax.numpy as jnp

    def dropout(x, key, training=True):
        kept = jax.random.bernoulli(key, 0.5, x.shape)
        return jnp.where(kept, x / 0.5, 0) if training else x

    def net(x, training):
        key = jax.random.key(0)
        return dropout(x, key), dropout(x, key, training=training)

    alone, told = net(jnp.ones(1000), training=False)
    return {
        "evaluated, the function alone drops": bool((alone == 0).any()),
        "evaluated, handed the mode, drops": bool((told == 0).any()),
    }


def mindspore():
    from mindspore import nn, ops
    from mindspore.ops import dropout

    class Net(nn.Cell):
        def construct(self, x):
            return dropout(x, 0.5), dropout(x, 0.5, training=self.training)

    alone, told = Net().set_train(False)(ops.ones(1000))
    return {
        "evaluated, the function alone drops": bool((alone == 0).any()),
        "evaluated, handed the mode, drops": bool((told == 0).any()),
    }


CLAIM = {
    "torch": {
        "evaluated, the function alone drops": True,
        "evaluated, handed the mode, drops": False,
    },
    "jax": {
        "evaluated, the function alone drops": True,
        "evaluated, handed the mode, drops": False,
    },
    "mindspore": {
        "evaluated, the function alone drops": True,
        "evaluated, handed the mode, drops": False,
    },
}
