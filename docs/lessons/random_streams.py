"""Seed 0 gives torch, JAX and MindSpore none of NumPy's numbers, but the same ones again in each.

Not even NumPy's two generators agree: np.random.seed(0) and np.random.default_rng(0) differ.
"""

TOPIC = "randomness"
WHY = "With one seed two frameworks start from different weights; to compare, hand both the same."
SEE = (
    "https://docs.pytorch.org/docs/stable/notes/randomness.html",
    "https://docs.jax.dev/en/latest/jax.random.html",
    "https://www.mindspore.cn/docs/en/master/api_python/mindspore/mindspore.set_seed.html",
    "https://numpy.org/doc/stable/reference/random/generator.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0", "numpy": "1.26.4"}


def numpy():
    import numpy as np

    draws = []
    for _ in range(2):
        generator = np.random.default_rng(0)
        draws.append(generator.random(3))
    new = np.random.default_rng(0).random(3)
    old = np.random.RandomState(0).random(3)  # np.random.seed(0)
    return {
        "first three": draws[0].tolist(),
        "the same again": bool((draws[0] == draws[1]).all()),
        "one of default_rng(0)": bool(np.isclose(draws[0], new).any()),
        "one of np.random.seed(0)": bool(np.isclose(draws[0], old).any()),
    }


def torch():
    import numpy as np
    import torch

    draws = []
    with torch.random.fork_rng(devices=[]):
        for _ in range(2):
            torch.manual_seed(0)
            draws.append(torch.rand(3).numpy())
    new = np.random.default_rng(0).random(3)
    old = np.random.RandomState(0).random(3)  # np.random.seed(0)
    return {
        "first three": draws[0].tolist(),
        "the same again": bool((draws[0] == draws[1]).all()),
        "one of default_rng(0)": bool(np.isclose(draws[0], new).any()),
        "one of np.random.seed(0)": bool(np.isclose(draws[0], old).any()),
    }


def jax():
    import jax
    import numpy as np

    draws = []
    for _ in range(2):
        key = jax.random.key(0)
        draws.append(np.array(jax.random.uniform(key, 3)))
    new = np.random.default_rng(0).random(3)
    old = np.random.RandomState(0).random(3)  # np.random.seed(0)
    return {
        "first three": draws[0].tolist(),
        "the same again": bool((draws[0] == draws[1]).all()),
        "one of default_rng(0)": bool(np.isclose(draws[0], new).any()),
        "one of np.random.seed(0)": bool(np.isclose(draws[0], old).any()),
    }


def mindspore():
    import mindspore
    import numpy as np
    from mindspore import ops

    draws, kept = [], np.random.get_state()
    for _ in range(2):
        mindspore.set_seed(0)  # NumPy's global generator too
        draws.append(ops.rand(3).asnumpy())
    np.random.set_state(kept)
    new = np.random.default_rng(0).random(3)
    old = np.random.RandomState(0).random(3)  # np.random.seed(0)
    return {
        "first three": draws[0].tolist(),
        "the same again": bool((draws[0] == draws[1]).all()),
        "one of default_rng(0)": bool(np.isclose(draws[0], new).any()),
        "one of np.random.seed(0)": bool(np.isclose(draws[0], old).any()),
    }


CLAIM = {
    "torch": {
        "the same again": True,
        "one of default_rng(0)": False,
        "one of np.random.seed(0)": False,
    },
    "jax": {
        "the same again": True,
        "one of default_rng(0)": False,
        "one of np.random.seed(0)": False,
    },
    "mindspore": {
        "the same again": True,
        "one of default_rng(0)": False,
        "one of np.random.seed(0)": False,
    },
    "numpy": {
        "the same again": True,
        "one of default_rng(0)": True,
        "one of np.random.seed(0)": False,
    },
}
