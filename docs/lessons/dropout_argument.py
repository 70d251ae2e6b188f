"""nn.Dropout(0.2) drops 20 % in PyTorch and 80 % in MindSpore, where it is the share kept.

MindSpore's keyword p=0.2 does drop 20 %. JAX has no layer: dropout is written with
jax.random.bernoulli, whose p is the chance of True, so the share that is kept.
"""

TOPIC = "model"
WHY = "A network ported with its argument as it is loses four values in five, and barely learns."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.Dropout.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.random.bernoulli.html",
    "https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.Dropout.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch

    layer = torch.nn.Dropout(0.2)
    output = layer(torch.ones(100000)).numpy()
    dropped = float((output == 0).mean())
    layer = torch.nn.Dropout(p=0.2)
    named = float((layer(torch.ones(100000)) == 0).float().mean())
    return {
        "drops about 20 %": 0.19 < dropped < 0.21,
        "drops about 80 %": 0.79 < dropped < 0.81,
        "what is kept becomes": float(output.max()),
        "p=0.2 drops about 20 %": 0.19 < named < 0.21,
    }


def jax():
    import jax
    import jax.numpy as jnp
    import numpy as np

    kept = jax.random.bernoulli(jax.random.key(0), 0.2, (100000,))
    output = np.asarray(jnp.where(kept, jnp.ones(100000) / 0.2, 0.0))
    dropped = float((output == 0).mean())
    kept = jax.random.bernoulli(jax.random.key(0), p=0.2, shape=(100000,))
    named = 1 - float(kept.mean())
    return {
        "drops about 20 %": 0.19 < dropped < 0.21,
        "drops about 80 %": 0.79 < dropped < 0.81,
        "what is kept becomes": float(output.max()),
        "p=0.2 drops about 20 %": 0.19 < named < 0.21,
    }


def mindspore():
    from mindspore import nn, ops

    layer = nn.Dropout(0.2).set_train()
    output = layer(ops.ones(100000)).asnumpy()
    dropped = float((output == 0).mean())
    layer = nn.Dropout(p=0.2).set_train()
    named = float((layer(ops.ones(100000)).asnumpy() == 0).mean())
    return {
        "drops about 20 %": 0.19 < dropped < 0.21,
        "drops about 80 %": 0.79 < dropped < 0.81,
        "what is kept becomes": float(output.max()),
        "p=0.2 drops about 20 %": 0.19 < named < 0.21,
    }


CLAIM = {
    "torch": {
        "drops about 20 %": True,
        "drops about 80 %": False,
        "what is kept becomes": 1.25,
        "p=0.2 drops about 20 %": True,
    },
    "jax": {
        "drops about 20 %": False,
        "drops about 80 %": True,
        "what is kept becomes": 5.0,
        "p=0.2 drops about 20 %": False,
    },
    "mindspore": {
        "drops about 20 %": False,
        "drops about 80 %": True,
        "what is kept becomes": 5.0,
        "p=0.2 drops about 20 %": True,
    },
}
